/* A stream between servers, both roles: reading, stanzas, errors and ends. Stream headers are in
 * s2s_header.c, what is negotiated behind them in s2s_login.c, dialback in s2s_dialback.c.
 * Sections are those of RFC 6120. */
#include "stream/s2s_private.h"

#include "base/bug.h"

#include <stdlib.h>

/* Bytes of a peer's words that go to the log. */
#define TEXT_MAX 256

static void init(struct s2s *s, struct wire *wire, const struct s2s_ops *ops, void *user,
	enum nego_role role)
{
	*s = (struct s2s){ .wire = wire, .ops = ops, .user = user, .error = STREAM_ERROR_COUNT };
	feed_init(&s->feed, &scan_limits_guest, STREAM_KEPT_MAX);
	s->user_limits = &scan_limits_user;
	nego_init(&s->nego, role, NS_SERVER, false);
}

void s2s_init_incoming(struct s2s *s, struct wire *wire, const struct s2s_ops *ops, void *user)
{
	init(s, wire, ops, user, NEGO_RECEIVING);
}

void s2s_init_outgoing(struct s2s *s, struct wire *wire, const struct s2s_ops *ops, void *user,
	struct str local, struct str remote, bool must_tls)
{
	init(s, wire, ops, user, NEGO_INITIATING);
	s->local = strndup(local.p, local.n);
	s->remote = strndup(remote.p, remote.n);
	s->must_tls = must_tls;
}

void s2s_clear(struct s2s *s)
{
	feed_clear(&s->feed);
	s2s_pairs_clear(&s->pairs);
	s2s_pairs_clear(&s->asked);
	free(s->local);
	free(s->remote);
	free(s->peer_id);
	free(s->lang);
}

void s2s_settle(struct s2s *s, struct xml_table *table, struct arena *turn, const struct log *log)
{
	s->table = table;
	s->turn = turn;
	s->log = log;
}

void s2s_limit(struct s2s *s, const struct scan_limits *guest, const struct scan_limits *user)
{
	bool authorised = s->feed.scan.limits == s->user_limits;

	s->user_limits = user;
	s->feed.scan.limits = authorised ? user : guest;
}

bool s2s_can_talk(const struct s2s *s)
{
	switch (s->nego.phase) {
	case NEGO_CLEAR:
	case NEGO_SECURE:
	case NEGO_AUTH:
	case NEGO_READY:
		return s->opened && !s->awaits_features;
	default:
		return false;
	}
}

void s2s_count_try(struct s2s *s)
{
	if (++s->tries >= S2S_TRIES_MAX)
		s2s_close(s, STREAM_POLICY_VIOLATION, STR("too many failed authorisations"));
}

void s2s_take_stanzas(struct s2s *s)
{
	if (s->nego.phase != NEGO_READY)
		nego_enter(&s->nego, NEGO_READY);
	s->feed.scan.limits = s->user_limits;
}

/* ---- ends ---- */

static void end(struct s2s *s, enum stream_ending how)
{
	if (s->ended)
		return;
	s->ended = true;
	if (s->nego.phase != NEGO_CLOSED)
		nego_enter(&s->nego, NEGO_CLOSED);
	s->ops->closed(s, how, s->error);
}

/* Section 4.9.1.2: an error or an end before our header comes behind one. */
static void write_header_first(struct s2s *s)
{
	if (s->opened)
		return;
	s2s_write_header(s, s->local ? str_c(s->local) : s->ops->own_name(s),
		s2s_is_incoming(s) ? STR("") : str_c(s->remote));
}

static void finish(struct s2s *s)
{
	buf_lit(s2s_out(s), "</stream:stream>");
	nego_enter(&s->nego, NEGO_CLOSED);
	s->wire->ops->finish(s->wire);
}

/* The same where the peer does not know of it and may have more to say. */
static void finish_first(struct s2s *s)
{
	if (s->nego.phase != NEGO_READY || !s->n_pairs) {
		finish(s);
		return;
	}
	buf_lit(s2s_out(s), "</stream:stream>");
	nego_enter(&s->nego, NEGO_CLOSED);
	s->drains = true;
}

void s2s_stop_draining(struct s2s *s)
{
	if (!s->drains)
		return;
	s->drains = false;
	s->wire->ops->finish(s->wire);
}

struct str s2s_id(const struct s2s *s)
{
	return s2s_is_incoming(s) ? str_from(s->id, sizeof s->id) : str_c(s->peer_id);
}

struct buf *s2s_out(struct s2s *s)
{
	static _Thread_local struct buf nowhere;

	return s2s_is_closed(s) ? &nowhere : s->wire->ops->out(s->wire);
}

/* During a handshake there is no place for words, nor will there be one. */
static bool is_mute(const struct s2s *s)
{
	return s->handshake;
}

void s2s_close(struct s2s *s, enum stream_error why, struct str text)
{
	if (s2s_is_closed(s)) {
		s2s_stop_draining(s);
		return;
	}
	stream_log_error(s->log, s->wire, why, text);
	s->error = why;
	if (is_mute(s)) {
		s2s_abort(s);
		return;
	}
	write_header_first(s);
	stream_write_error(s2s_out(s), why, text, STR(""));
	if (why == STREAM_SYSTEM_SHUTDOWN)
		finish_first(s);
	else
		finish(s);
	end(s, STREAM_ENDED_HERE);
}

void s2s_end(struct s2s *s)
{
	if (s2s_is_closed(s))
		return;
	if (is_mute(s)) {
		s2s_abort(s);
		return;
	}
	write_header_first(s);
	finish_first(s);
	end(s, STREAM_ENDED_HERE);
}

void s2s_abort(struct s2s *s)
{
	if (s2s_is_closed(s))
		return;
	nego_enter(&s->nego, NEGO_CLOSED);
	s->wire->ops->finish(s->wire);
	end(s, STREAM_ENDED_HERE);
}

void s2s_lost(struct s2s *s)
{
	s->drains = false;
	end(s, STREAM_ENDED_LOST);
}

static enum stream_error error_of_name(struct str name)
{
	for (unsigned e = 0; e < STREAM_ERROR_COUNT; e++)
		if (str_eq(stream_error_name(e), name))
			return e;
	return STREAM_UNDEFINED_CONDITION;
}

/* Section 4.9.1.1: a stream error is the end; the peer closes and so do we. */
static void on_peer_error(struct s2s *s, const struct xml_doc *d)
{
	struct str text = STR("");

	s->error = STREAM_UNDEFINED_CONDITION;
	for (const struct xml_node *el = xml_first(d, xml_root(d)); el; el = xml_next(d, el)) {
		if (xml_is(el, NS_STREAMS, TAG_TEXT))
			text = xml_text(d, el, s->turn);
		else if (el->ns == NS_STREAMS)
			s->error = error_of_name(xml_name(d, el));
	}
	log_info(s->log, "peer_stream_error", F_STR("peer", s->wire->ops->peer(s->wire, s->turn)),
		F_STR("domain", str_c(s->remote)),
		F_STR("condition", stream_error_name(s->error)),
		F_STR("text", str_head(text, TEXT_MAX)));
	write_header_first(s);
	finish(s);
	end(s, STREAM_ENDED_BY_PEER);
}

/* ---- back-pressure and waiting ---- */

static bool takes_nothing(const struct s2s *s)
{
	return s2s_is_closed(s) && !s->drains;
}

static bool is_waiting(const struct s2s *s)
{
	return s->held || s->asking;
}

static void pause_wire(struct s2s *s)
{
	s->wire->ops->pause(s->wire, is_waiting(s) || s->throttled);
}

void s2s_throttle(struct s2s *s, bool on)
{
	if (s->throttled == on || takes_nothing(s))
		return;
	s->throttled = on;
	pause_wire(s);
}

/* ---- stanzas ---- */

/* Sections 8.1.1.2 and 8.1.2.2: both addresses have to be there. Who speaks for a domain learns
 * which of ours there are, nobody else does. */
static void on_stanza(struct s2s *s, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);
	struct str from_text = xml_attr_str(d, root, TAG_FROM, s->turn);
	struct str to_text = xml_attr_str(d, root, TAG_TO, s->turn);
	struct jid from, to;

	if (!from_text.p || !jid_parse(from_text, s->turn, &from)) {
		s2s_close(s, STREAM_IMPROPER_ADDRESSING, STR("a stanza needs a 'from' address"));
		return;
	}
	if (!to_text.p || !jid_parse(to_text, s->turn, &to)) {
		s2s_close(s, STREAM_IMPROPER_ADDRESSING, STR("a stanza needs a 'to' address"));
		return;
	}
	if (s2s_is_authorised(s, jid_domain(from), jid_domain(to)))
		s->ops->stanza(s, d, from, to);
	else if (s2s_speaks_for(s, jid_domain(from)) && !s->ops->serves(s, jid_domain(to)))
		s2s_close(s, STREAM_HOST_UNKNOWN, STR("the 'to' domain is not served here"));
	else
		s2s_close(s, STREAM_INVALID_FROM, STR("the 'from' domain is not authorised"));
}

/* ---- reading ---- */

/* What counts as jabber:client is of the content namespace. */
static bool is_content(const struct xml_node *el)
{
	return el->ns == NS_CLIENT;
}

static void on_element(void *user, const struct xml_doc *d)
{
	struct s2s *s = user;
	const struct xml_node *root = xml_root(d);
	enum xml_ns ns = is_content(root) ? NS_SERVER : root->ns;
	enum stream_error why;

	if (s->drains) {
		if (stanza_kind_of(root) != STANZA_NONE)
			on_stanza(s, d);
		return;
	}
	if (xml_is(root, NS_STREAM, TAG_ERROR)) {
		on_peer_error(s, d);
		return;
	}
	if (ns == NS_SM && s->nego.phase == NEGO_READY && s->ops->nonza(s, d))
		return;
	if (nego_admit(&s->nego, ns, root->tag, &why) == NEGO_REFUSED)
		s2s_close(s, why, STR(""));
	else if (ns == NS_SERVER)
		on_stanza(s, d);
	else if (ns == NS_DIALBACK)
		s2s_dialback_element(s, d);
	else
		s2s_login_element(s, d);
}

/* Section 4.8.3: stanzas of clients have no place between servers. */
static void on_child(struct s2s *s, const struct xml_doc *d)
{
	if (is_content(xml_root(d)) && scan_named_ns(&s->feed.scan, d, s->turn) != NS_SERVER)
		s2s_close(s, STREAM_INVALID_NAMESPACE, STR("stanzas here are in jabber:server"));
	else if (!stream_alone(&s->feed, d, on_element, s))
		s2s_close(s, STREAM_POLICY_VIOLATION, STR("a stanza is too large"));
}

/* False: the stream is over. */
static bool on_late(struct s2s *s, enum scan_status status, const struct xml_doc *d)
{
	if (status == SCAN_STANZA)
		on_child(s, d);
	else if (status != SCAN_MORE)
		s2s_stop_draining(s);
	return s->drains;
}

static bool on_scanned(void *user, enum scan_status status, const struct xml_doc *d)
{
	struct s2s *s = user;

	if (s->drains)
		return on_late(s, status, d) && !is_waiting(s);

	switch (status) {
	case SCAN_OPEN:
		s2s_header(s, d);
		break;
	case SCAN_STANZA:
		on_child(s, d);
		break;
	case SCAN_CLOSE:
		finish(s);
		end(s, STREAM_ENDED_BY_PEER);
		break;
	case SCAN_BAD:
		s2s_close(s, stream_scan_error(s->feed.scan.error), STR(""));
		break;
	case SCAN_MORE:
		break;
	}
	return !is_waiting(s) && !s->handshake && !takes_nothing(s);
}

/* Nothing that came in clear behind <starttls/> or <proceed/> may be taken for part of the secure
 * stream (section 5.4.3.3). White space is harmless and thrown away; anything else is an attempt
 * at injection and ends the connection. */
static void drop_clear_rest(struct s2s *s)
{
	size_t n = str_trim(buf_str(&s->feed.kept)).n;

	feed_drop(&s->feed);
	if (!n)
		return;
	log_warn(s->log, "starttls_injection", F_INT("bytes", n));
	s2s_abort(s);
}

/* After input: what may no longer be kept is not. */
static void tidy(struct s2s *s, bool kept)
{
	s->feeding = false;
	if (!kept)
		s2s_close(s, STREAM_POLICY_VIOLATION, STR("too much input"));
	if (s->handshake)
		drop_clear_rest(s);
	if (takes_nothing(s))
		feed_drop(&s->feed);
}

void s2s_input(struct s2s *s, const char *p, size_t n)
{
	struct str bytes = str_from(p, n);

	if (takes_nothing(s))
		return;
	s->feeding = true;
	tidy(s, is_waiting(s) ? feed_keep(&s->feed, bytes)
			: feed_input(&s->feed, s->table, bytes, on_scanned, s));
}

static void resume(struct s2s *s)
{
	if (takes_nothing(s))
		return;
	pause_wire(s);
	if (s->feeding || is_waiting(s))
		return;
	s->feeding = true;
	feed_go_on(&s->feed, s->table, on_scanned, s);
	tidy(s, true);
}

void s2s_hold(struct s2s *s)
{
	if (s->held || s2s_is_closed(s))
		return;
	s->held = true;
	pause_wire(s);
}

void s2s_go_on(struct s2s *s)
{
	if (!s->held)
		return;
	s->held = false;
	resume(s);
}

void s2s_ask(struct s2s *s)
{
	s->asking = true;
	pause_wire(s);
}

void s2s_answered(struct s2s *s)
{
	s->asking = false;
	resume(s);
}
