#include "stream/s2s_testing.h"

#include "base/bug.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define OUT_MAX (4 * 1024 * 1024)

static struct s2s_side *of(struct s2s *s)
{
	return s->user;
}

static bool serves(const struct s2s_side *x, struct str domain)
{
	struct str rooms = STR("rooms.");

	return str_eq(str_starts(domain, rooms) ? str_skip(domain, rooms.n) : domain,
		str_c(x->domain));
}

static bool on_host(struct s2s *s, struct str to, struct str from, struct s2s_host *out,
	enum stream_error *why)
{
	buf_printf(&of(s)->events, "host %.*s from %.*s\n", STR_FMT(to), STR_FMT(from));
	*out = of(s)->host;
	if (of(s)->blocked)
		*why = STREAM_POLICY_VIOLATION;
	return serves(of(s), to) && !of(s)->blocked;
}

static struct str on_own_name(struct s2s *s)
{
	return STR("own.example");
}

static bool on_secured(struct s2s *s)
{
	buf_lit(&of(s)->events, "secured\n");
	return !of(s)->insecure;
}

static bool on_may_external(struct s2s *s)
{
	return !of(s)->no_cert;
}

static void on_features(struct s2s *s, struct writer *w, bool authed)
{
	w_open_ns(w, authed ? "authed" : "guest", NS_SM);
	w_close(w);
}

static void on_external(struct s2s *s, struct str domain)
{
	buf_printf(&of(s)->events, "external %.*s\n", STR_FMT(domain));
	if (!of(s)->late)
		s2s_externally(s, !of(s)->wrong);
}

static void do_next(struct s2s *s)
{
	struct s2s_side *x = of(s);

	if (x->bidi)
		s2s_ask_bidi(s);
	if (x->verify)
		s2s_db_verify(s, STR("a.example"), STR("c.example"), STR("42"), STR("key1"));
	if (x->external)
		s2s_external(s);
	else if (x->result)
		s2s_db_result(s, STR("a.example"), STR("c.example"), STR("key2"));
}

static void on_ready(struct s2s *s, unsigned offered)
{
	buf_printf(&of(s)->events, "ready %u\n", offered);
	do_next(s);
}

static void on_accepted(struct s2s *s, unsigned offered)
{
	buf_printf(&of(s)->events, "accepted %u\n", offered);
	if (s->said_bidi)
		BUG_ON(!s2s_authorise(s, str_c(s->remote), str_c(s->local)));
}

static void on_not_accepted(struct s2s *s)
{
	buf_lit(&of(s)->events, "not accepted\n");
	of(s)->external = false;
	do_next(s);
}

static void on_result(struct s2s *s, const struct s2s_db *db)
{
	struct s2s_side *x = of(s);
	bool valid = !x->wrong && serves(x, db->to);

	buf_printf(&x->events, "result %.*s %.*s %.*s\n", STR_FMT(db->from), STR_FMT(db->to),
		STR_FMT(db->key));
	if (x->late)
		return;
	if (x->busy || (valid && !s2s_authorise(s, db->from, db->to)))
		s2s_db_answer(s, db->from, db->to, S2S_FAILED, ERR_RESOURCE_CONSTRAINT);
	else if (!serves(x, db->to))
		s2s_db_answer(s, db->from, db->to, S2S_FAILED, ERR_ITEM_NOT_FOUND);
	else
		s2s_db_answer(s, db->from, db->to, valid ? S2S_VALID : S2S_INVALID, ERR_COUNT);
}

static void on_verify(struct s2s *s, const struct s2s_db *db)
{
	struct s2s_side *x = of(s);

	buf_printf(&x->events, "verify %.*s %.*s %.*s %.*s\n", STR_FMT(db->from), STR_FMT(db->to),
		STR_FMT(db->id), STR_FMT(db->key));
	if (x->late)
		return;
	if (!serves(x, db->to))
		s2s_db_verified(s, db->from, db->to, db->id, S2S_FAILED, ERR_ITEM_NOT_FOUND);
	else
		s2s_db_verified(s, db->from, db->to, db->id, x->wrong ? S2S_INVALID : S2S_VALID,
			ERR_COUNT);
}

static void note_answer(struct s2s *s, const char *what, const struct s2s_db *db)
{
	static const char *const words[] = { [S2S_VALID] = "valid", [S2S_INVALID] = "invalid",
		[S2S_FAILED] = "error" };

	buf_printf(&of(s)->events, "%s answered %.*s %.*s %.*s %s %.*s\n", what, STR_FMT(db->from),
		STR_FMT(db->to), STR_FMT(db->id), words[db->outcome],
		STR_FMT(db->error == ERR_COUNT ? STR("-") : stanza_error_name(db->error)));
}

static void on_result_answered(struct s2s *s, const struct s2s_db *db)
{
	note_answer(s, "result", db);
	if (db->outcome == S2S_VALID && s->said_bidi)
		BUG_ON(!s2s_authorise(s, db->from, db->to));
}

static void on_verify_answered(struct s2s *s, const struct s2s_db *db)
{
	note_answer(s, "verify", db);
}

static void on_bidi(struct s2s *s)
{
	buf_lit(&of(s)->events, "bidi\n");
}

static void on_stanza(struct s2s *s, const struct xml_doc *d, struct jid from, struct jid to)
{
	const struct xml_node *root = xml_root(d);

	BUG_ON(root->flags & XML_INHERITS || root->prefix_len || root->ns != NS_CLIENT);
	buf_printf(&of(s)->events, "%.*s to %.*s: %.*s\n", STR_FMT(jid_str(from)),
		STR_FMT(jid_str(to)), STR_FMT(xml_raw(d, root)));
}

static bool on_serves(struct s2s *s, struct str domain)
{
	return serves(of(s), domain);
}

static bool on_nonza(struct s2s *s, const struct xml_doc *d)
{
	buf_printf(&of(s)->events, "nonza %.*s\n", STR_FMT(xml_raw(d, xml_root(d))));
	return xml_root(d)->tag != TAG_OTHER;
}

static void on_closed(struct s2s *s, enum stream_ending how, enum stream_error error)
{
	static const char *const words[] = { [STREAM_ENDED_BY_PEER] = "by peer",
		[STREAM_ENDED_HERE] = "by us", [STREAM_ENDED_LOST] = "lost" };

	of(s)->closed++;
	buf_printf(&of(s)->events, "closed %s, %.*s\n", words[how],
		STR_FMT(error == STREAM_ERROR_COUNT ? STR("no error") : stream_error_name(error)));
}

static const struct s2s_ops ops = {
	.host = on_host,
	.own_name = on_own_name,
	.secured = on_secured,
	.may_external = on_may_external,
	.features = on_features,
	.external = on_external,
	.ready = on_ready,
	.accepted = on_accepted,
	.not_accepted = on_not_accepted,
	.result = on_result,
	.verify = on_verify,
	.result_answered = on_result_answered,
	.verify_answered = on_verify_answered,
	.bidi = on_bidi,
	.stanza = on_stanza,
	.serves = on_serves,
	.nonza = on_nonza,
	.closed = on_closed,
};

static void set_out(struct s2s_side *x)
{
	*x = (struct s2s_side){ .domain = "a.example", .host = { .tls = true, .external = true,
				       .dialback = true, .bidi = true } };
	arena_init(&x->turn, 1024);
	buf_init(&x->events, OUT_MAX);
	loopback_init_s2s(&x->loop, &x->stream, OUT_MAX);
	x->loop.secure = true;
}

void s2s_side_incoming(struct s2s_side *x)
{
	set_out(x);
	s2s_init_incoming(&x->stream, &x->loop.wire, &ops, x);
	s2s_settle(&x->stream, &x->table, &x->turn, &x->log);
}

void s2s_side_new_outgoing(struct s2s_side *x, bool must_tls)
{
	set_out(x);
	s2s_init_outgoing(&x->stream, &x->loop.wire, &ops, x, STR("a.example"), STR("c.example"),
		must_tls);
	s2s_settle(&x->stream, &x->table, &x->turn, &x->log);
}

void s2s_side_outgoing(struct s2s_side *x, bool must_tls)
{
	s2s_side_new_outgoing(x, must_tls);
	s2s_begin(&x->stream);
}

void s2s_side_end(struct s2s_side *x)
{
	s2s_lost(&x->stream);
	BUG_ON(x->closed != 1);
	s2s_clear(&x->stream);
	loopback_clear(&x->loop);
	xml_table_clear(&x->table);
	buf_clear(&x->events);
	arena_clear(&x->turn);
}

static bool has(const struct buf *b, const char *text)
{
	return b->n && memmem(b->p, b->n, text, strlen(text));
}

bool s2s_side_wrote(const struct s2s_side *x, const char *text)
{
	return has(&x->loop.out, text);
}

bool s2s_side_told(const struct s2s_side *x, const char *text)
{
	return has(&x->events, text);
}

void s2s_side_send(struct s2s_side *x, const char *bytes, bool cut)
{
	struct str all = str_c(bytes);

	for (size_t i = 0; cut && i < all.n; i++)
		loopback_send(&x->loop, str_from(all.p + i, 1));
	if (!cut)
		loopback_send(&x->loop, all);
	arena_reset(&x->turn);
}

void s2s_side_shake(struct s2s_side *x)
{
	BUG_ON(!x->stream.handshake);
	s2s_secured(&x->stream);
}

/* ---- rows ---- */

void s2s_side_set(struct s2s_side *x, unsigned how)
{
	x->host.tls = !(how & NO_TLS);
	x->host.tls_required = how & MUST_TLS;
	x->host.dialback = !(how & NO_DIALBACK);
	x->host.bidi = !(how & NO_BIDI);
	x->host.external = !(how & NO_EXTERNAL);
	x->no_cert = how & NO_CERT;
	x->blocked = how & BLOCKED;
	x->insecure = how & INSECURE;
	x->loop.secure = !(how & BROKEN_TLS);
	x->wrong = how & WRONG;
	x->busy = how & BUSY;
	x->late = how & LATE;
	x->bidi = how & DO_BIDI;
	x->external = how & DO_EXTERNAL;
	x->result = how & DO_RESULT;
	x->verify = how & DO_VERIFY;
}

void s2s_begin_incoming(struct s2s_side *x, const struct s2s_row *r, bool cut)
{
	s2s_side_incoming(x);
	s2s_side_set(x, r->how & ~(unsigned)(WRONG | BUSY | LATE));
	if (r->level >= IN_SECURE) {
		s2s_side_send(x, IN_HEADER IN_STARTTLS, cut);
		s2s_side_shake(x);
	}
	if (r->level != IN_RAW)
		s2s_side_send(x, IN_HEADER, cut);
	if (r->level == IN_DIALED)
		s2s_side_send(x, IN_RESULT, cut);
	if (r->level == IN_AUTHED)
		s2s_side_send(x, IN_AUTH IN_HEADER, cut);
	buf_reset(&x->loop.out);
	buf_reset(&x->events);
	s2s_side_set(x, r->how);
}

static bool fits(const struct s2s_side *x, const struct s2s_row *r)
{
	if ((r->wrote && !s2s_side_wrote(x, r->wrote)) || (r->told && !s2s_side_told(x, r->told)))
		return false;
	return !r->never || (!s2s_side_wrote(x, r->never) && !s2s_side_told(x, r->never));
}

static void check_row(const struct s2s_row *r, bool cut,
	void (*begin)(struct s2s_side *x, const struct s2s_row *r, bool cut))
{
	struct s2s_side x;

	begin(&x, r, cut);
	s2s_side_send(&x, r->in, cut);
	if (!fits(&x, r))
		fail_msg("%s\nwrote %.*s\ntold %.*s", r->name, STR_FMT(buf_str(&x.loop.out)),
			STR_FMT(buf_str(&x.events)));
	s2s_side_end(&x);
}

void s2s_check_rows(const struct s2s_row *rows, size_t n,
	void (*begin)(struct s2s_side *x, const struct s2s_row *r, bool cut))
{
	for (size_t i = 0; i < n; i++)
		for (unsigned cut = 0; cut < 2; cut++)
			check_row(&rows[i], cut, begin);
}
