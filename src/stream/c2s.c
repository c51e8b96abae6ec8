/* A client's stream, the server's side: reading, stream headers, errors and ends.
 * What happens between header and bound resource is in c2s_login.c. */
#include "stream/c2s_private.h"

#include "base/bug.h"

#include <stdlib.h>

void c2s_init(struct c2s *s, struct wire *wire, const struct c2s_ops *ops, void *user,
	struct xml_table *table, const struct log *log)
{
	*s = (struct c2s){ .wire = wire, .ops = ops, .user = user, .table = table, .log = log };
	feed_init(&s->feed, &scan_limits_guest, STREAM_KEPT_MAX);
	s->user_limits = &scan_limits_user;
	nego_init(&s->nego, NEGO_RECEIVING, NS_CLIENT, false);
	s->login = xcalloc(1, sizeof *s->login);
	arena_init(&s->login->arena, 2048);
}

void c2s_login_free(struct c2s *s)
{
	if (!s->login)
		return;
	if (s->login->sasl)
		sasl_server_free(&s->login->sasl);
	arena_clear(&s->login->arena);
	free(s->login);
	s->login = NULL;
}

void c2s_clear(struct c2s *s)
{
	feed_clear(&s->feed);
	free(s->lang);
	c2s_login_free(s);
}

struct writer c2s_writer(struct c2s *s)
{
	return w_on(c2s_out(s));
}

static void end(struct c2s *s, enum stream_ending how)
{
	if (s->ended)
		return;
	s->ended = true;
	if (s->nego.phase != NEGO_CLOSED)
		nego_enter(&s->nego, NEGO_CLOSED);
	s->ops->closed(s, how);
}

/* RFC 6120 section 4.7: our header. peer: the client's `from`, or unset. */
static void write_header(struct c2s *s, struct jid peer)
{
	char id[STREAM_ID_LEN];
	struct buf *b = c2s_out(s);

	stream_id(id);
	buf_lit(b, "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
		   "xmlns:stream='http://etherx.jabber.org/streams' version='1.0' xml:lang='en' "
		   "id='");
	buf_add(b, str_from(id, sizeof id));
	buf_lit(b, "' from='");
	xml_escape(b, s->domain);
	if (jid_is_set(peer)) {
		buf_lit(b, "' to='");
		xml_escape(b, jid_str(peer));
	}
	buf_lit(b, "'>");
	s->opened = true;
}

/* Section 4.9.1.2: an error or an end before our header comes behind one. Where the host is
 * not known it names the one we call ourselves. */
static void write_header_first(struct c2s *s)
{
	if (s->opened)
		return;
	if (!s->domain.n) {
		s->ops->host(s, STR(""), &s->login->host);
		s->domain = s->login->host.domain;
	}
	write_header(s, (struct jid){ 0 });
}

static void finish(struct c2s *s)
{
	buf_lit(c2s_out(s), "</stream:stream>");
	s->closing = true;
	s->wire->ops->finish(s->wire);
}

void c2s_close(struct c2s *s, enum stream_error why, struct str text)
{
	c2s_close_with(s, why, text, STR_NULL);
}

void c2s_close_with(struct c2s *s, enum stream_error why, struct str text, struct str element)
{
	if (s->closing || s->ended)
		return;
	stream_log_error(s->log, s->wire, why, text);
	write_header_first(s);
	stream_write_error(c2s_out(s), why, text, element);
	finish(s);
	end(s, STREAM_ENDED_HERE);
}

void c2s_end(struct c2s *s)
{
	if (s->closing || s->ended)
		return;
	write_header_first(s);
	finish(s);
	end(s, STREAM_ENDED_HERE);
}

void c2s_abort(struct c2s *s)
{
	s->closing = true;
	s->wire->ops->finish(s->wire);
	end(s, STREAM_ENDED_HERE);
}

void c2s_lost(struct c2s *s)
{
	s->closing = true;
	end(s, STREAM_ENDED_LOST);
}

static void pause_wire(struct c2s *s)
{
	s->wire->ops->pause(s->wire, s->held || s->throttled);
}

void c2s_hold(struct c2s *s)
{
	s->held = true;
	pause_wire(s);
}

void c2s_throttle(struct c2s *s, bool on)
{
	if (s->throttled == on || s->closing)
		return;
	s->throttled = on;
	pause_wire(s);
}

void c2s_limit(struct c2s *s, const struct scan_limits *guest, const struct scan_limits *user)
{
	bool authed = s->feed.scan.limits == s->user_limits;

	s->user_limits = user;
	s->feed.scan.limits = authed ? user : guest;
}

/* ---- stream header ---- */

/* The first header of a connection, and the ones after TLS and SASL. */
static void on_header(struct c2s *s, const struct xml_doc *d)
{
	struct arena *a = &s->login->arena;
	const struct xml_node *h = xml_root(d);
	struct str to = xml_attr_str(d, h, TAG_TO, a);
	struct str version = xml_attr_str(d, h, TAG_VERSION, a);
	struct jid peer = { 0 };
	struct str domain;
	bool authed = s->nego.phase == NEGO_AUTHED;

	s->opened = false;
	if (h->ns != NS_STREAM) {
		c2s_close(s, STREAM_INVALID_NAMESPACE, STR("the header's namespace is not that of streams"));
		return;
	}
	if (h->tag != TAG_STREAM) {
		c2s_close(s, STREAM_BAD_FORMAT, STR("a stream begins with <stream:stream>"));
		return;
	}
	if (s->feed.scan.content_ns != NS_CLIENT) {
		c2s_close(s, STREAM_INVALID_NAMESPACE, STR("the content namespace here is jabber:client"));
		return;
	}
	if (!to.n) {
		c2s_close(s, STREAM_IMPROPER_ADDRESSING, STR("the header lacks a 'to' address"));
		return;
	}
	if (!jid_prep_domain(to, a, &domain) ||
		(authed ? !str_eq(domain, s->domain) : !s->ops->host(s, domain, &s->login->host))) {
		s->domain = authed ? s->domain : s->login->host.domain;
		c2s_close(s, STREAM_HOST_UNKNOWN, STR_NULL);
		return;
	}
	s->domain = s->login->host.domain;
	struct str from = xml_attr_str(d, h, TAG_FROM, a);
	if (from.n && !jid_parse(from, a, &peer))
		peer = (struct jid){ 0 };
	if (version.n < 2 || version.p[0] < '1' || version.p[0] > '9') {
		c2s_close(s, STREAM_UNSUPPORTED_VERSION, STR("version 1.0 is spoken here"));
		return;
	}
	stream_take_lang(&s->lang, xml_lang(d, h, a));
	write_header(s, peer);
	c2s_offer(s);
}

/* ---- reading ---- */

static void on_element(void *user, const struct xml_doc *d)
{
	struct c2s *s = user;
	const struct xml_node *root = xml_root(d);
	enum stream_error why;

	if (xml_is(root, NS_STREAM, TAG_ERROR)) { /* section 4.9.1.1: the peer closes */
		c2s_end(s);
		return;
	}
	if (root->ns != s->nego.content && s->ops->nonza(s, d))
		return;
	if (nego_admit(&s->nego, root->ns, root->tag, &why) == NEGO_REFUSED) {
		c2s_close(s, why, STR_NULL);
		return;
	}
	if (s->nego.phase == NEGO_READY)
		s->ops->stanza(s, d);
	else
		c2s_login_element(s, d);
}

static bool on_scanned(void *user, enum scan_status status, const struct xml_doc *d)
{
	struct c2s *s = user;

	switch (status) {
	case SCAN_OPEN:
		on_header(s, d);
		break;
	case SCAN_STANZA:
		if (!stream_alone(&s->feed, d, on_element, s))
			c2s_close(s, STREAM_POLICY_VIOLATION, STR("a stanza is too large"));
		break;
	case SCAN_CLOSE:
		finish(s);
		end(s, STREAM_ENDED_BY_PEER);
		break;
	case SCAN_BAD:
		c2s_close(s, stream_scan_error(s->feed.scan.error), STR_NULL);
		break;
	case SCAN_MORE:
		break;
	}
	return !s->held && !s->closing && s->nego.phase != NEGO_TLS;
}

/* Nothing that came in clear behind <starttls/> may be taken for part of the secure stream
 * (RFC 6120 section 5.4.3.3). White space is harmless and thrown away; anything else is an
 * attempt at injection and ends the connection. */
static void drop_clear_rest(struct c2s *s)
{
	size_t n = str_trim(buf_str(&s->feed.kept)).n;

	if (n) {
		log_warn(s->log, "starttls_injection", F_INT("bytes", n));
		c2s_abort(s);
	}
}

/* After input: what may no longer be kept is not. */
static void tidy(struct c2s *s, bool kept)
{
	s->feeding = false;
	if (!kept)
		c2s_close(s, STREAM_POLICY_VIOLATION, STR("too much input"));
	if (s->nego.phase == NEGO_TLS)
		drop_clear_rest(s);
	if (s->closing || s->nego.phase == NEGO_TLS)
		feed_drop(&s->feed);
}

void c2s_input(struct c2s *s, const char *p, size_t n)
{
	struct str bytes = str_from(p, n);

	if (s->closing || s->ended)
		return;
	s->feeding = true;
	tidy(s, s->held ? feed_keep(&s->feed, bytes)
			: feed_input(&s->feed, s->table, bytes, on_scanned, s));
}

void c2s_go_on(struct c2s *s)
{
	if (!s->held)
		return;
	s->held = false;
	if (s->closing)
		return;
	pause_wire(s);
	if (s->feeding)
		return;
	s->feeding = true;
	feed_go_on(&s->feed, s->table, on_scanned, s);
	tidy(s, true);
}
