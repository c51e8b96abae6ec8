/* A stream between servers gets arbitrary bytes, in either role (RFC 6120, XEP-0220, XEP-0288).
 *
 * The first byte says the role and how far the stream is already, the second where the bytes are
 * cut; a NUL in them ends a read, behind which a TLS handshake that was agreed on succeeds. However
 * they are cut, the stream says the same, is closed once, hands on stanzas of pairs that were
 * authorised, and answers to questions that were asked. Keys are right when they are "key". */
#include "base/bug.h"
#include "stream/loopback.h"

#define OUT_MAX (16 * 1024 * 1024)
#define STREAM                                                                               \
	"<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:s='"   \
	"jabber:server' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' "

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUTGOING = 1, SECURE = 2, AUTHORISED = 4, BIDI = 8, MUST_TLS = 16, NO_DIALBACK = 32 };

struct side {
	struct loopback loop;
	struct s2s stream;
	struct xml_table table;
	struct arena turn;
	struct log log;
	struct buf told;    /* what was handed on */
	struct buf pairs;   /* that were authorised: "remote local\n" */
	unsigned how;
	unsigned asked;     /* results and verdicts that are awaited */
	unsigned closed;
};

static struct side *of(struct s2s *s)
{
	return s->user;
}

static bool serves(struct str domain)
{
	return str_eq(domain, STR("a.example")) || str_eq(domain, STR("rooms.a.example"));
}

static void note_pair(struct side *x, struct str remote, struct str local)
{
	buf_printf(&x->pairs, "%.*s %.*s\n", STR_FMT(remote), STR_FMT(local));
}

static bool is_noted(struct side *x, struct str remote, struct str local)
{
	struct str line = str_printf(&x->turn, "%.*s %.*s\n", STR_FMT(remote), STR_FMT(local));
	struct str all = buf_str(&x->pairs);

	return all.n && memmem(all.p, all.n, line.p, line.n);
}

static bool on_host(struct s2s *s, struct str to, struct str from, struct s2s_host *out,
	enum stream_error *why)
{
	unsigned how = of(s)->how;

	*out = (struct s2s_host){ .tls = true, .tls_required = how & MUST_TLS, .external = true,
		.dialback = !(how & NO_DIALBACK), .bidi = true };
	return serves(to);
}

static struct str on_own_name(struct s2s *s)
{
	return STR("a.example");
}

static bool on_secured(struct s2s *s)
{
	return true;
}

static bool on_may_external(struct s2s *s)
{
	return true;
}

static void on_features(struct s2s *s, struct writer *w, bool authed)
{
}

static void on_external(struct s2s *s, struct str domain)
{
	BUG_ON(!s->nego.secure || !str_eq(domain, str_c(s->remote)));
	note_pair(of(s), domain, str_c(s->local));
	s2s_externally(s, true);
}

static void ask(struct s2s *s)
{
	struct side *x = of(s);

	x->asked += s2s_db_verify(s, STR("a.example"), STR("c.example"), STR("1"), STR("key"));
	x->asked += s2s_db_result(s, STR("a.example"), STR("c.example"), STR("key"));
}

static void on_ready(struct s2s *s, unsigned offered)
{
	BUG_ON(of(s)->how & MUST_TLS && !s->nego.secure);
	if (of(s)->how & BIDI)
		s2s_ask_bidi(s);
	if (offered & S2S_HAS_EXTERNAL)
		s2s_external(s);
	else
		ask(s);
}

static void believe(struct s2s *s)
{
	if (!s->said_bidi)
		return;
	note_pair(of(s), STR("c.example"), STR("a.example"));
	BUG_ON(!s2s_authorise(s, STR("c.example"), STR("a.example")));
}

static void on_accepted(struct s2s *s, unsigned offered)
{
	believe(s);
}

static void on_not_accepted(struct s2s *s)
{
	ask(s);
}

static void on_result(struct s2s *s, const struct s2s_db *db)
{
	enum s2s_outcome o = str_eq(db->key, STR("key")) ? S2S_VALID : S2S_INVALID;
	enum stanza_error error = ERR_ITEM_NOT_FOUND;

	if (!serves(db->to)) {
		o = S2S_FAILED;
	} else if (o == S2S_VALID && !s2s_authorise(s, db->from, db->to)) {
		o = S2S_FAILED;
		error = ERR_RESOURCE_CONSTRAINT;
	} else if (o == S2S_VALID) {
		note_pair(of(s), db->from, db->to);
	}
	s2s_db_answer(s, db->from, db->to, o, error);
}

static void on_verify(struct s2s *s, const struct s2s_db *db)
{
	BUG_ON(!db->id.n || db->id.n > S2S_KEY_MAX || db->key.n > S2S_KEY_MAX);
	s2s_db_verified(s, db->from, db->to, db->id, S2S_INVALID, ERR_COUNT);
}

static void check_answer(struct s2s *s, const struct s2s_db *db)
{
	BUG_ON(of(s)->asked == 0);
	BUG_ON(!str_eq(db->from, STR("c.example")) || !str_eq(db->to, STR("a.example")));
	of(s)->asked--;
}

static void on_result_answered(struct s2s *s, const struct s2s_db *db)
{
	check_answer(s, db);
	if (db->outcome == S2S_VALID)
		believe(s);
}

static void on_verify_answered(struct s2s *s, const struct s2s_db *db)
{
	check_answer(s, db);
	BUG_ON(!str_eq(db->id, STR("1")));
}

static void on_bidi(struct s2s *s)
{
	BUG_ON(s->nego.phase == NEGO_READY);
}

static void on_stanza(struct s2s *s, const struct xml_doc *d, struct jid from, struct jid to)
{
	const struct xml_node *root = xml_root(d);

	BUG_ON(s->nego.phase != NEGO_READY || root->prefix_len || root->flags & XML_INHERITS);
	BUG_ON(root->ns != NS_CLIENT);
	for (uint32_t i = 0; i < d->n_nodes; i++)
		BUG_ON(d->nodes[i].kind == XML_ELEMENT && d->nodes[i].ns == NS_SERVER);
	BUG_ON(!is_noted(of(s), jid_domain(from), jid_domain(to)));
	struct stanza *st = stanza_new_lang(d, from, to, s->lang ? str_c(s->lang) : STR_NULL);
	stanza_write(&of(s)->told, st, from, to, NS_NONE);
	stanza_unref(&st);
}

static bool on_serves(struct s2s *s, struct str domain)
{
	return serves(domain);
}

static bool on_nonza(struct s2s *s, const struct xml_doc *d)
{
	BUG_ON(s->nego.phase != NEGO_READY);
	return true;
}

static void on_closed(struct s2s *s, enum stream_ending how, enum stream_error error)
{
	of(s)->closed++;
}

static const struct s2s_ops ops = { on_host, on_own_name, on_secured, on_may_external, on_features,
	on_external, on_ready, on_accepted, on_not_accepted, on_result, on_verify,
	on_result_answered, on_verify_answered, on_bidi, on_stanza, on_serves, on_nonza, on_closed };

static void say(struct side *x, struct str bytes)
{
	loopback_send(&x->loop, bytes);
	arena_reset(&x->turn);
}

static void begin_incoming(struct side *x)
{
	s2s_init_incoming(&x->stream, &x->loop.wire, &ops, x);
	s2s_settle(&x->stream, &x->table, &x->turn, &x->log);
	if (x->how & SECURE) {
		s2s_expect_tls(&x->stream);
		s2s_secured(&x->stream);
	}
	if (!(x->how & AUTHORISED))
		return;
	say(x, STR(STREAM "from='c.example' to='a.example'>"));
	if (x->how & BIDI)
		say(x, STR("<bidi xmlns='urn:xmpp:bidi'/>"));
	say(x, STR("<db:result from='c.example' to='a.example'>key</db:result>"));
}

static void begin_outgoing(struct side *x)
{
	s2s_init_outgoing(&x->stream, &x->loop.wire, &ops, x, STR("a.example"), STR("c.example"),
		x->how & MUST_TLS);
	s2s_settle(&x->stream, &x->table, &x->turn, &x->log);
	if (x->how & SECURE)
		s2s_expect_tls(&x->stream);
	s2s_begin(&x->stream);
	if (x->how & SECURE)
		s2s_secured(&x->stream);
	if (!(x->how & AUTHORISED))
		return;
	say(x, STR(STREAM "id='1'><stream:features/>"));
	say(x, STR("<db:result from='c.example' to='a.example' type='valid'/>"));
}

static void begin(struct side *x, unsigned how)
{
	*x = (struct side){ .how = how };
	arena_init(&x->turn, 4096);
	buf_init(&x->told, OUT_MAX);
	buf_init(&x->pairs, OUT_MAX);
	loopback_init_s2s(&x->loop, &x->stream, OUT_MAX);
	x->loop.secure = true;
	if (how & OUTGOING)
		begin_outgoing(x);
	else
		begin_incoming(x);
}

static void end(struct side *x)
{
	s2s_lost(&x->stream);
	BUG_ON(x->closed != 1);
	s2s_clear(&x->stream);
	loopback_clear(&x->loop);
	xml_table_clear(&x->table);
	buf_clear(&x->told);
	buf_clear(&x->pairs);
	arena_clear(&x->turn);
}

/* Our ids are never the same twice. */
static void blot_ids(struct buf *out)
{
	struct str mark = STR("xml:lang='en' id='"), rest = buf_str(out);
	char *at;

	while (rest.n && (at = memmem(rest.p, rest.n, mark.p, mark.n))) {
		memset(at + mark.n, 'x', STREAM_ID_LEN);
		rest = str_skip(rest, (size_t)(at - rest.p) + mark.n);
	}
}

static void compare(struct side *whole, struct side *cut)
{
	blot_ids(&whole->loop.out);
	blot_ids(&cut->loop.out);
	BUG_ON(!str_eq(buf_str(&whole->told), buf_str(&cut->told)));
	BUG_ON(!str_eq(buf_str(&whole->loop.out), buf_str(&cut->loop.out)));
	BUG_ON(whole->loop.finished != cut->loop.finished);
	BUG_ON(whole->stream.nego.phase != cut->stream.nego.phase);
}

/* One read of one side, and in two parts of the other. False: the first part agreed on TLS, and
 * what is behind it is no XML. */
static bool read_both(struct side *whole, struct side *cut, struct str bytes, size_t at)
{
	say(cut, str_head(bytes, at));
	if (cut->stream.handshake)
		return false;
	say(cut, str_skip(bytes, at));
	say(whole, bytes);
	compare(whole, cut);
	if (whole->stream.handshake) {
		s2s_secured(&whole->stream);
		s2s_secured(&cut->stream);
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct side whole, cut;
	struct str rest;

	log_setup(LOG_ERROR, LOG_TEXT);
	if (size < 2)
		return 0;
	begin(&whole, data[0]);
	begin(&cut, data[0]);
	rest = str_from((const char *)data + 2, size - 2);
	while (rest.n) {
		ptrdiff_t nul = str_find(rest, '\0');
		struct str bytes = str_head(rest, nul < 0 ? rest.n : (size_t)nul);
		if (!read_both(&whole, &cut, bytes, bytes.n ? data[1] % bytes.n : 0))
			break;
		rest = str_skip(rest, bytes.n + 1);
	}
	end(&whole);
	end(&cut);
	return 0;
}
