/* Stream headers between servers, ours and the peer's (RFC 6120 sections 4.2 and 4.7). */
#include "stream/s2s_private.h"

#include <stdlib.h>

/* ---- our header ---- */

/* The namespace of dialback says that we speak it (XEP-0220 section 2.4.1).
 * Who names no version is answered without one (section 4.7.5). */
void s2s_write_header(struct s2s *s, struct str from, struct str to)
{
	struct buf *b = s2s_out(s);

	buf_lit(b, "<?xml version='1.0'?><stream:stream xmlns='jabber:server' "
		   "xmlns:stream='http://etherx.jabber.org/streams'");
	if (!s2s_is_incoming(s) || s->host.dialback)
		buf_lit(b, " xmlns:db='jabber:server:dialback'");
	if (!s->old)
		buf_lit(b, " version='1.0'");
	buf_lit(b, " xml:lang='en'");
	if (s2s_is_incoming(s)) {
		stream_id(s->id);
		buf_lit(b, " id='");
		buf_add(b, str_from(s->id, sizeof s->id));
		buf_lit(b, "'");
	}
	buf_lit(b, " from='");
	xml_escape(b, from);
	if (to.n) {
		buf_lit(b, "' to='");
		xml_escape(b, to);
	}
	buf_lit(b, "'>");
	s->opened = true;
}

/* ---- the peer's header ---- */

static void replace(char **slot, struct str with)
{
	free(*slot);
	*slot = with.n ? strndup(with.p, with.n) : NULL;
}

/* Section 4.7.5: no version is 0.9, from before RFC 3920. False: it is no version. */
static bool take_version(struct s2s *s, struct str version)
{
	s->old = !version.n || version.p[0] == '0';
	return s->old || (version.n >= 2 && version.p[0] >= '1' && version.p[0] <= '9');
}

/* Behind SASL the names are those that were authenticated. */
static bool is_other_host(const struct s2s *s, struct str to)
{
	return s->nego.phase == NEGO_AUTHED && !str_eq(to, str_c(s->local));
}

static bool is_other_peer(const struct s2s *s, struct str from)
{
	return s->nego.phase == NEGO_AUTHED && from.n && !str_eq(from, str_c(s->remote));
}

/* What the header says of both sides, in canonical form. False: the stream is closed. */
static bool take_names(struct s2s *s, const struct xml_doc *d)
{
	struct str to = xml_attr_str(d, xml_root(d), TAG_TO, s->turn);
	struct str from = xml_attr_str(d, xml_root(d), TAG_FROM, s->turn);
	enum stream_error why = STREAM_HOST_UNKNOWN;
	struct str local, remote = STR("");

	if (!to.n) {
		s2s_close(s, STREAM_IMPROPER_ADDRESSING, STR("the header lacks a 'to' address"));
		return false;
	}
	if (from.n && !jid_prep_domain(from, s->turn, &remote)) {
		s2s_close(s, STREAM_IMPROPER_ADDRESSING, STR("the header's 'from' is no domain"));
		return false;
	}
	if (!jid_prep_domain(to, s->turn, &local) || is_other_host(s, local) ||
		!s->ops->host(s, local, remote, &s->host, &why)) {
		s2s_close(s, why, STR(""));
		return false;
	}
	if (is_other_peer(s, remote)) {
		s2s_close(s, STREAM_INVALID_FROM, STR("the header's 'from' was another domain"));
		return false;
	}
	replace(&s->local, local);
	if (s->nego.phase != NEGO_AUTHED)
		replace(&s->remote, remote);
	return true;
}

/* An old peer knows neither TLS nor SASL; it has nothing but dialback. */
static bool is_too_old(const struct s2s *s)
{
	bool needs_tls = s->host.tls_required && !s->nego.secure;

	return s->old && (s->nego.phase == NEGO_AUTHED || needs_tls || !s->host.dialback);
}

static void on_initial_header(struct s2s *s, const struct xml_doc *d)
{
	if (!take_names(s, d))
		return;
	if (is_too_old(s)) {
		s2s_close(s, STREAM_UNSUPPORTED_VERSION, STR("version 1.0 is needed here"));
		return;
	}
	s2s_write_header(s, str_c(s->local), str_c(s->remote));
	s2s_offer(s);
}

static bool declares(const struct xml_doc *d, const struct xml_node *el, enum xml_ns ns)
{
	for (uint32_t i = el->first_attr; i < el->first_attr + el->n_attrs; i++)
		if (d->attrs[i].flags & XML_DECLARES && d->attrs[i].ns == ns)
			return true;
	return false;
}

static void on_response_header(struct s2s *s, const struct xml_doc *d)
{
	const struct xml_node *h = xml_root(d);
	struct str id = xml_attr_str(d, h, TAG_ID, s->turn);

	if (s->old && s->nego.phase == NEGO_AUTHED) {
		s2s_close(s, STREAM_UNSUPPORTED_VERSION, STR("version 1.0 was spoken before"));
		return;
	}
	/* Without an id that can be kept there is no dialback; a peer may have an error to tell. */
	replace(&s->peer_id, id.n <= S2S_KEY_MAX ? id : STR(""));
	s->offered = s->peer_id && declares(d, h, NS_DIALBACK) ? S2S_HAS_DIALBACK : 0;
	nego_enter(&s->nego, s->nego.phase == NEGO_AUTHED ? NEGO_READY
							   : nego_unauthenticated(&s->nego));
	s->awaits_features = !s->old;
	if (s->old)
		s2s_go_without_features(s);
}

void s2s_header(struct s2s *s, const struct xml_doc *d)
{
	const struct xml_node *h = xml_root(d);

	if (h->ns != NS_STREAM) {
		s2s_close(s, STREAM_INVALID_NAMESPACE,
			STR("the header's namespace is not that of streams"));
		return;
	}
	if (h->tag != TAG_STREAM) {
		s2s_close(s, STREAM_BAD_FORMAT, STR("a stream begins with <stream:stream>"));
		return;
	}
	if (s->feed.scan.content_ns != NS_SERVER) {
		s2s_close(s, STREAM_INVALID_NAMESPACE,
			STR("the content namespace here is jabber:server"));
		return;
	}
	scan_content_as(&s->feed.scan, NS_CLIENT);
	if (!take_version(s, xml_attr_str(d, h, TAG_VERSION, s->turn))) {
		s2s_close(s, STREAM_UNSUPPORTED_VERSION, STR("version 1.0 is spoken here"));
		return;
	}
	stream_take_lang(&s->lang, xml_lang(d, h, s->turn));
	if (s2s_is_incoming(s))
		on_initial_header(s, d);
	else
		on_response_header(s, d);
}
