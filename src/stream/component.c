#include "stream/component.h"

#include "base/bug.h"
#include "base/digest.h"
#include "xmpp/handshake.h"

#include <stdlib.h>

void comp_init(struct comp *s, struct wire *wire, const struct comp_ops *ops, void *user)
{
	*s = (struct comp){ .wire = wire, .ops = ops, .user = user };
	feed_init(&s->feed, &scan_limits_guest, STREAM_KEPT_MAX);
	s->user_limits = &scan_limits_user;
	stream_id(s->id);
}

void comp_clear(struct comp *s)
{
	feed_clear(&s->feed);
	free(s->domain);
	free(s->lang);
}

void comp_settle(struct comp *s, struct xml_table *table, struct arena *turn, const struct log *log)
{
	s->table = table;
	s->turn = turn;
	s->log = log;
}

void comp_limit(struct comp *s, const struct scan_limits *guest, const struct scan_limits *user)
{
	s->user_limits = user;
	s->feed.scan.limits = s->phase < COMP_READY ? guest : user;
}

/* ---- ends ---- */

static void end(struct comp *s, enum stream_ending how)
{
	if (s->ended)
		return;
	s->ended = true;
	s->phase = COMP_CLOSED;
	s->ops->closed(s, how);
}

/* Section 3, example 2. Without `version`: there are no features. */
static void write_header(struct comp *s, struct str from)
{
	struct buf *b = comp_out(s);

	buf_lit(b, "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
		   "xmlns:stream='http://etherx.jabber.org/streams' id='");
	buf_add(b, str_from(s->id, sizeof s->id));
	buf_lit(b, "' from='");
	xml_escape(b, from);
	buf_lit(b, "'>");
	s->opened = true;
}

/* Section 3: an error in the header is told behind one of ours (RFC 6120 section 4.9.1.2). */
static void write_header_first(struct comp *s)
{
	if (!s->opened)
		write_header(s, s->domain ? str_c(s->domain) : s->ops->own_name(s));
}

static void finish(struct comp *s)
{
	buf_lit(comp_out(s), "</stream:stream>");
	s->phase = COMP_CLOSED;
	s->wire->ops->finish(s->wire);
}

void comp_close(struct comp *s, enum stream_error why, struct str text)
{
	if (s->phase == COMP_CLOSED)
		return;
	stream_log_error(s->log, s->wire, why, text);
	write_header_first(s);
	stream_write_error(comp_out(s), why, text, STR(""));
	finish(s);
	end(s, STREAM_ENDED_HERE);
}

void comp_end(struct comp *s)
{
	if (s->phase == COMP_CLOSED)
		return;
	write_header_first(s);
	finish(s);
	end(s, STREAM_ENDED_HERE);
}

void comp_lost(struct comp *s)
{
	s->phase = COMP_CLOSED;
	end(s, STREAM_ENDED_LOST);
}

/* ---- back-pressure ---- */

static bool is_held(const struct comp *s)
{
	return s->phase == COMP_ACCEPTED;
}

static void pause_wire(struct comp *s)
{
	s->wire->ops->pause(s->wire, is_held(s) || s->throttled);
}

void comp_throttle(struct comp *s, bool on)
{
	if (s->throttled == on || s->phase == COMP_CLOSED)
		return;
	s->throttled = on;
	pause_wire(s);
}

/* ---- the header ---- */

/* Whether there is a component for the header's `to`; its domain is kept then. */
static bool find_host(struct comp *s, struct str to)
{
	struct str domain;

	if (!jid_prep_domain(to, s->turn, &domain) || !s->ops->host(s, domain))
		return false;
	s->domain = strndup(domain.p, domain.n);
	return true;
}

static void on_header(struct comp *s, const struct xml_doc *d)
{
	const struct xml_node *h = xml_root(d);
	struct str to = xml_attr_str(d, h, TAG_TO, s->turn);

	if (h->ns != NS_STREAM) {
		comp_close(s, STREAM_INVALID_NAMESPACE,
			STR("the header's namespace is not that of streams"));
		return;
	}
	if (h->tag != TAG_STREAM) {
		comp_close(s, STREAM_BAD_FORMAT, STR("a stream begins with <stream:stream>"));
		return;
	}
	if (s->feed.scan.content_ns != NS_COMPONENT) {
		comp_close(s, STREAM_INVALID_NAMESPACE,
			STR("the content namespace here is jabber:component:accept"));
		return;
	}
	scan_content_as(&s->feed.scan, NS_CLIENT);
	if (!to.n) {
		comp_close(s, STREAM_IMPROPER_ADDRESSING, STR("the header lacks a 'to' address"));
		return;
	}
	if (!find_host(s, to)) {
		comp_close(s, STREAM_HOST_UNKNOWN, STR("there is no component of that name"));
		return;
	}
	stream_take_lang(&s->lang, xml_lang(d, h, s->turn));
	s->phase = COMP_HANDSHAKE;
	write_header(s, str_c(s->domain));
}

/* ---- the handshake ---- */

static bool is_right(struct comp *s, struct str said)
{
	struct str secret = s->ops->secret(s);
	char want[HANDSHAKE_LEN];

	if (!secret.n)
		return false;
	handshake_digest(str_from(s->id, sizeof s->id), secret, want);
	return said.n == sizeof want && equal_secret(said.p, want, sizeof want);
}

static void on_handshake(struct comp *s, const struct xml_doc *d)
{
	if (!is_right(s, str_trim(xml_text(d, xml_root(d), s->turn)))) {
		s->ops->refused(s);
		comp_close(s, STREAM_NOT_AUTHORIZED, STR("the handshake is wrong"));
		return;
	}
	s->phase = COMP_ACCEPTED;
	pause_wire(s);
	s->ops->authenticated(s);
}

void comp_accept(struct comp *s)
{
	if (s->phase != COMP_ACCEPTED)
		return;
	buf_lit(comp_out(s), "<handshake/>");
	s->phase = COMP_READY;
	s->feed.scan.limits = s->user_limits;
}

/* ---- stanzas ---- */

/* Section 3: "All stanzas sent to the server MUST possess a 'from' attribute and a 'to' attribute"
 * and the domain of `from` "MUST match the hostname of the component". */
static void on_stanza(struct comp *s, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);
	struct str from_text = xml_attr_str(d, root, TAG_FROM, s->turn);
	struct str to_text = xml_attr_str(d, root, TAG_TO, s->turn);
	struct jid from, to;

	if (!from_text.p || !jid_parse(from_text, s->turn, &from) || !s->ops->owns(s, from)) {
		comp_close(s, STREAM_INVALID_FROM,
			STR("a stanza's 'from' is an address of the component"));
		return;
	}
	if (!to_text.p) {
		comp_close(s, STREAM_IMPROPER_ADDRESSING, STR("a stanza needs a 'to'"));
		return;
	}
	if (!jid_parse(to_text, s->turn, &to))
		to = (struct jid){ 0 };
	s->ops->stanza(s, d, from, to);
}

static bool is_handshake(const struct xml_node *el)
{
	return xml_is(el, NS_CLIENT, TAG_HANDSHAKE);
}

static void on_element(void *user, const struct xml_doc *d)
{
	struct comp *s = user;
	const struct xml_node *root = xml_root(d);
	bool stanza = stanza_kind_of(root) != STANZA_NONE;

	if (xml_is(root, NS_STREAM, TAG_ERROR)) /* RFC 6120 section 4.9.1.1: the peer closes */
		comp_end(s);
	else if (s->phase == COMP_HANDSHAKE && is_handshake(root))
		on_handshake(s, d);
	else if (s->phase == COMP_HANDSHAKE && stanza)
		comp_close(s, STREAM_NOT_AUTHORIZED, STR("the handshake comes first"));
	else if (s->phase == COMP_READY && stanza)
		on_stanza(s, d);
	else
		comp_close(s, STREAM_UNSUPPORTED_STANZA_TYPE, STR(""));
}

/* ---- reading ---- */

static bool on_scanned(void *user, enum scan_status status, const struct xml_doc *d)
{
	struct comp *s = user;

	switch (status) {
	case SCAN_OPEN:
		on_header(s, d);
		break;
	case SCAN_STANZA:
		if (!stream_alone(&s->feed, d, on_element, s))
			comp_close(s, STREAM_POLICY_VIOLATION, STR("a stanza is too large"));
		break;
	case SCAN_CLOSE:
		finish(s);
		end(s, STREAM_ENDED_BY_PEER);
		break;
	case SCAN_BAD:
		comp_close(s, stream_scan_error(s->feed.scan.error), STR(""));
		break;
	case SCAN_MORE:
		break;
	}
	return !is_held(s) && s->phase != COMP_CLOSED;
}

/* After input: what may no longer be kept is not. */
static void tidy(struct comp *s, bool kept)
{
	s->feeding = false;
	if (!kept)
		comp_close(s, STREAM_POLICY_VIOLATION, STR("too much input"));
	if (s->phase == COMP_CLOSED)
		feed_drop(&s->feed);
}

void comp_input(struct comp *s, const char *p, size_t n)
{
	struct str bytes = str_from(p, n);

	if (s->phase == COMP_CLOSED)
		return;
	s->feeding = true;
	tidy(s, is_held(s) ? feed_keep(&s->feed, bytes)
			: feed_input(&s->feed, s->table, bytes, on_scanned, s));
}

void comp_go_on(struct comp *s)
{
	if (s->phase != COMP_READY)
		return;
	pause_wire(s);
	if (s->feeding)
		return;
	s->feeding = true;
	feed_go_on(&s->feed, s->table, on_scanned, s);
	tidy(s, true);
}
