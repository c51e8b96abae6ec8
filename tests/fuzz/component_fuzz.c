/* A component's stream gets arbitrary bytes, before its handshake or behind it (XEP-0114).
 *
 * The first byte says which (odd: behind), and where the bytes are cut in two. However they are
 * cut, the stream says the same, is closed once, and hands on only stanzas of the component that
 * stand alone in jabber:client. */
#include "base/bug.h"
#include "base/digest.h"
#include "stream/loopback.h"

#include <stdio.h>

#define OUT_MAX (16 * 1024 * 1024)
#define SECRET  "secret"
#define HEADER                                                                               \
	"<stream:stream xmlns='jabber:component:accept' xmlns:c='jabber:component:accept' "  \
	"xmlns:stream='http://etherx.jabber.org/streams' to='c.example'>"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct side {
	struct loopback loop;
	struct comp stream;
	struct xml_table table;
	struct arena turn;
	struct log log;
	struct buf told; /* the stanzas that were handed on */
	unsigned closed;
};

static struct side *of(struct comp *s)
{
	return s->user;
}

static bool on_host(struct comp *s, struct str domain)
{
	return str_eq(domain, STR("c.example"));
}

static struct str on_own_name(struct comp *s)
{
	return STR("a.example");
}

static struct str on_secret(struct comp *s)
{
	return STR(SECRET);
}

static void on_authenticated(struct comp *s)
{
	comp_accept(s);
	comp_go_on(s);
}

static void on_refused(struct comp *s)
{
}

static bool on_owns(struct comp *s, struct jid from)
{
	return str_eq(jid_domain(from), STR("c.example"));
}

static void on_stanza(struct comp *s, const struct xml_doc *d, struct jid from, struct jid to)
{
	const struct xml_node *root = xml_root(d);

	BUG_ON(s->phase != COMP_READY || root->prefix_len || root->flags & XML_INHERITS);
	BUG_ON(root->ns != NS_CLIENT && root->ns != NS_SERVER);
	for (uint32_t i = 0; i < d->n_nodes; i++)
		BUG_ON(d->nodes[i].kind == XML_ELEMENT && d->nodes[i].ns == NS_COMPONENT);
	struct stanza *st = stanza_new_lang(d, from, to, s->lang ? str_c(s->lang) : STR_NULL);
	stanza_write(&of(s)->told, st, from, to, NS_NONE);
	stanza_unref(&st);
}

static void on_closed(struct comp *s, enum stream_ending how)
{
	of(s)->closed++;
}

static const struct comp_ops ops = { on_host, on_own_name, on_secret, on_authenticated, on_refused,
	on_owns, on_stanza, on_closed };

static void say(struct side *x, struct str bytes)
{
	loopback_send(&x->loop, bytes);
	arena_reset(&x->turn);
}

static void shake_hands(struct side *x)
{
	uint8_t digest[DIGEST_MAX];
	char hex[41];

	say(x, STR(HEADER));
	digest_of(DIGEST_SHA1, str_printf(&x->turn, "%.*s" SECRET, STREAM_ID_LEN, x->stream.id),
		digest);
	for (unsigned i = 0; i < 20; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	say(x, str_printf(&x->turn, "<handshake>%s</handshake>", hex));
	BUG_ON(x->stream.phase != COMP_READY);
}

static void begin(struct side *x, bool behind)
{
	*x = (struct side){ 0 };
	arena_init(&x->turn, 4096);
	buf_init(&x->told, OUT_MAX);
	loopback_init_component(&x->loop, &x->stream, OUT_MAX);
	comp_init(&x->stream, &x->loop.wire, &ops, x);
	comp_settle(&x->stream, &x->table, &x->turn, &x->log);
	memset(x->stream.id, 'x', sizeof x->stream.id); /* so that two streams say the same */
	if (behind)
		shake_hands(x);
}

static void end(struct side *x)
{
	comp_lost(&x->stream);
	BUG_ON(x->closed != 1);
	comp_clear(&x->stream);
	loopback_clear(&x->loop);
	xml_table_clear(&x->table);
	buf_clear(&x->told);
	arena_clear(&x->turn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct side whole, cut;

	log_setup(LOG_ERROR, LOG_TEXT);
	if (!size)
		return 0;
	struct str bytes = str_from((const char *)data + 1, size - 1);
	size_t at = bytes.n ? data[0] / 2 % bytes.n : 0;
	begin(&whole, data[0] & 1);
	begin(&cut, data[0] & 1);
	say(&whole, bytes);
	say(&cut, str_head(bytes, at));
	say(&cut, str_skip(bytes, at));
	BUG_ON(!str_eq(buf_str(&whole.told), buf_str(&cut.told)));
	BUG_ON(!str_eq(buf_str(&whole.loop.out), buf_str(&cut.loop.out)));
	BUG_ON(whole.loop.finished != cut.loop.finished || whole.stream.phase != cut.stream.phase);
	end(&whole);
	end(&cut);
	return 0;
}
