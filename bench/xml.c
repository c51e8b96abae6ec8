/* bench-xml: what a stanza costs the scanner, and what it costs expat with handlers that build
 * a table of the same kind. CPU time of the thread, medians of several runs. */
#include "base/arena.h"
#include "base/bug.h"
#include "base/buf.h"
#include "xml/scan.h"

#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RUNS      9
#define RUN_BYTES (12u << 20) /* in one run of one side */
#define MIX       4096        /* stanzas of the random mix */

static const char header[] = "<stream:stream xmlns='jabber:client' "
	"xmlns:stream='http://etherx.jabber.org/streams' to='montague.example' version='1.0'>";

static const char chat[] =
	"<message from='romeo@montague.example/orchard' to='juliet@capulet.example' type='chat' "
	"id='8a7c2f'><body>Art thou not Romeo, and a Montague?</body>"
	"<active xmlns='http://jabber.org/protocol/chatstates'/>"
	"<request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>"
	"<origin-id xmlns='urn:xmpp:sid:0' id='8a7c2f'/></message>";

static const char presence[] =
	"<presence from='juliet@capulet.example/balcony' to='romeo@montague.example'>"
	"<show>away</show><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' "
	"node='https://client.example' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/></presence>";

static const char archived[] =
	"<message to='juliet@capulet.example/balcony' from='juliet@capulet.example'>"
	"<result xmlns='urn:xmpp:mam:2' queryid='f27' id='28482-98726-73623'>"
	"<forwarded xmlns='urn:xmpp:forward:0'>"
	"<delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/>"
	"<message xmlns='jabber:client' to='juliet@capulet.example/balcony' "
	"from='romeo@montague.example/orchard' type='chat' id='8a7c2f'>"
	"<body>Call me but love, and I'll be new baptized; Henceforth I never will be Romeo.</body>"
	"<active xmlns='http://jabber.org/protocol/chatstates'/>"
	"<request xmlns='urn:xmpp:receipts'/>"
	"<origin-id xmlns='urn:xmpp:sid:0' id='8a7c2f'/>"
	"<stanza-id xmlns='urn:xmpp:sid:0' by='juliet@capulet.example' id='28482-98726-73623'/>"
	"<occupant-id xmlns='urn:xmpp:occupant-id:0' id='dd72603deec90a38ba552f7c68cbcc61'/>"
	"</message></forwarded></result></message>";

static const char cyrillic[] =
	"<message from='romeo@montague.example/orchard' to='juliet@capulet.example' type='chat' "
	"id='8a7c2f'><body>Две равно уважаемых семьи в Вероне, где встречают нас события, ведут "
	"междоусобные бои и не хотят унять кровопролитья.</body>"
	"<active xmlns='http://jabber.org/protocol/chatstates'/>"
	"<request xmlns='urn:xmpp:receipts'/></message>";

/* One kind of stanza, or a mix, as the bytes of a stream (without its header). */
struct sample {
	const char *name;
	struct buf bytes;
	unsigned stanzas;
};

/* --- the scanner --- */

static uint64_t scan_all(struct scan *s, struct xml_table *t, const struct sample *sample)
{
	const char *p = sample->bytes.p;
	size_t n = sample->bytes.n, used;
	uint64_t sum = 0;

	for (unsigned i = 0; i < sample->stanzas; i++) {
		BUG_ON(scan_next(s, t, p, n, &used) != SCAN_STANZA);
		sum += t->n_nodes + t->n_attrs + t->nodes[0].tag;
		p += used;
		n -= used;
	}
	return sum;
}

static void scan_start(struct scan *s, struct xml_table *t)
{
	char padded[sizeof header - 1 + SCAN_PAD] = { 0 };
	size_t used;

	memcpy(padded, header, sizeof header - 1);
	scan_init(s, &scan_limits_user);
	BUG_ON(scan_next(s, t, padded, sizeof header - 1, &used) != SCAN_OPEN);
}

/* --- expat --- */

struct built_attr {
	uint16_t ns, name;
	struct str uri, local, value;
};

struct built_node {
	uint16_t ns, tag;
	uint8_t kind;
	uint32_t first_attr, n_attrs, parent, next;
	struct str uri, local, text;
};

struct builder {
	XML_Parser parser;
	struct arena mem;
	struct built_node *nodes;
	struct built_attr *attrs;
	uint32_t n_nodes, cap_nodes, n_attrs, cap_attrs, open, depth;
	uint64_t sum;
};

static void split(struct builder *b, const char *name, struct str *uri, struct str *local)
{
	struct str s = str_c(name);
	ptrdiff_t at = str_find(s, '\n');

	*uri = at < 0 ? STR_NULL : str_dup(&b->mem, str_head(s, (size_t)at));
	*local = str_dup(&b->mem, str_skip(s, (size_t)(at + 1)));
}

static struct built_node *add_node(struct builder *b, uint8_t kind)
{
	if (b->n_nodes == b->cap_nodes) {
		b->cap_nodes = b->cap_nodes ? 2 * b->cap_nodes : 16;
		b->nodes = xrealloc(b->nodes, b->cap_nodes * sizeof *b->nodes);
	}
	struct built_node *node = &b->nodes[b->n_nodes++];
	*node = (struct built_node){ .kind = kind, .first_attr = b->n_attrs, .parent = b->open,
		.next = b->n_nodes };
	return node;
}

static void add_attr(struct builder *b, const char *name, const char *value)
{
	if (b->n_attrs == b->cap_attrs) {
		b->cap_attrs = b->cap_attrs ? 2 * b->cap_attrs : 16;
		b->attrs = xrealloc(b->attrs, b->cap_attrs * sizeof *b->attrs);
	}
	struct built_attr *a = &b->attrs[b->n_attrs++];
	split(b, name, &a->uri, &a->local);
	a->ns = (uint16_t)xml_ns_id(a->uri);
	a->name = (uint16_t)xml_tag_id(a->local);
	a->value = str_dup(&b->mem, str_c(value));
}

static void on_start(void *data, const XML_Char *name, const XML_Char **atts)
{
	struct builder *b = data;

	if (b->depth++ == 0)
		return;
	struct built_node *el = add_node(b, XML_ELEMENT);
	split(b, name, &el->uri, &el->local);
	el->ns = (uint16_t)xml_ns_id(el->uri);
	el->tag = (uint16_t)xml_tag_id(el->local);
	for (; *atts; atts += 2, el->n_attrs++)
		add_attr(b, atts[0], atts[1]);
	b->open = (uint32_t)(el - b->nodes);
}

static void on_end(void *data, const XML_Char *name)
{
	struct builder *b = data;

	b->nodes[b->open].next = b->n_nodes;
	b->open = b->nodes[b->open].parent;
	if (--b->depth > 1)
		return;
	b->sum += b->n_nodes + b->n_attrs + b->nodes[0].tag;
	b->n_nodes = b->n_attrs = b->open = 0;
	arena_reset(&b->mem);
}

static void on_text(void *data, const XML_Char *text, int n)
{
	struct builder *b = data;

	if (b->depth > 1)
		add_node(b, XML_TEXT)->text = str_dup(&b->mem, str_from(text, (size_t)n));
}

static void expat_start(struct builder *b)
{
	*b = (struct builder){ .parser = XML_ParserCreateNS("UTF-8", '\n') };
	BUG_ON(!b->parser);
	arena_init(&b->mem, 64 << 10);
	XML_SetUserData(b->parser, b);
	XML_SetElementHandler(b->parser, on_start, on_end);
	XML_SetCharacterDataHandler(b->parser, on_text);
	BUG_ON(XML_Parse(b->parser, header, sizeof header - 1, 0) != XML_STATUS_OK);
}

static void expat_stop(struct builder *b)
{
	XML_ParserFree(b->parser);
	arena_clear(&b->mem);
	free(b->nodes);
	free(b->attrs);
}

static uint64_t expat_all(struct builder *b, const struct sample *sample)
{
	uint64_t before = b->sum;

	BUG_ON(XML_Parse(b->parser, sample->bytes.p, (int)sample->bytes.n, 0) != XML_STATUS_OK);
	return b->sum - before;
}

/* --- measuring --- */

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static unsigned rounds_of(const struct sample *sample)
{
	return (unsigned)(RUN_BYTES / sample->bytes.n) + 1;
}

/* ns per stanza. */
static double measure_scanner(const struct sample *sample)
{
	unsigned rounds = rounds_of(sample);
	struct xml_table t = { 0 };
	struct scan s;
	double ns[RUNS];

	scan_start(&s, &t);
	uint64_t once = scan_all(&s, &t, sample);
	for (unsigned i = 0; i < RUNS; i++) {
		double from = now_ns();
		for (unsigned k = 0; k < rounds; k++)
			BUG_ON(scan_all(&s, &t, sample) != once);
		ns[i] = (now_ns() - from) / rounds / sample->stanzas;
	}
	scan_clear(&s);
	xml_table_clear(&t);
	qsort(ns, RUNS, sizeof ns[0], by_size);
	return ns[RUNS / 2];
}

static double measure_expat(const struct sample *sample)
{
	unsigned rounds = rounds_of(sample) / 8 + 1;
	struct builder b;
	double ns[RUNS];

	expat_start(&b);
	uint64_t once = expat_all(&b, sample);
	for (unsigned i = 0; i < RUNS; i++) {
		double from = now_ns();
		for (unsigned k = 0; k < rounds; k++)
			BUG_ON(expat_all(&b, sample) != once);
		ns[i] = (now_ns() - from) / rounds / sample->stanzas;
	}
	expat_stop(&b);
	qsort(ns, RUNS, sizeof ns[0], by_size);
	return ns[RUNS / 2];
}

/* --- samples --- */

static void add_disco(struct buf *b)
{
	static const char *const features[] = { "http://jabber.org/protocol/disco#info",
		"urn:xmpp:ping", "jabber:iq:version", "urn:xmpp:mam:2", "vcard-temp",
		"http://jabber.org/protocol/pubsub#publish-options", "urn:xmpp:carbons:2" };

	buf_lit(b, "<iq from='capulet.example' to='juliet@capulet.example/balcony' type='result' "
		"id='disco1'><query xmlns='http://jabber.org/protocol/disco#info'>"
		"<identity category='server' type='im' name='Capulet &amp; Sons'/>");
	for (unsigned i = 0; i < 56; i++)
		buf_printf(b, "<feature var='%s'/>", features[i % 7]);
	buf_lit(b, "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'>"
		"<value>http://jabber.org/network/serverinfo</value></field></x></query></iq>");
}

static uint32_t next_random(uint32_t below)
{
	static uint32_t seed = 42;

	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(seed >> 8) * below >> 24);
}

static void add_words(struct buf *b, unsigned n)
{
	static const char *const words[] = { "thou", "art", "night", "speak", "o", "love", "again",
		"bright", "angel", "for", "as", "glorious", "to", "this", "being", "messenger" };

	for (unsigned i = 0; i < n; i++)
		buf_printf(b, "%s%s", i ? " " : "", words[next_random(16)]);
}

static void add_random(struct buf *b)
{
	unsigned kind = next_random(10);

	if (kind < 5) {
		buf_printf(b, "<message from='user%u@montague.example/r%u' to='peer%u@capulet.example' "
			"type='%s' id='%x'><body>", next_random(10000), next_random(9), next_random(100),
			next_random(3) ? "chat" : "groupchat", next_random(1 << 24));
		add_words(b, 2 + next_random(25));
		buf_lit(b, "</body>");
		if (next_random(2))
			buf_lit(b, "<active xmlns='http://jabber.org/protocol/chatstates'/>");
		if (next_random(2))
			buf_lit(b, "<request xmlns='urn:xmpp:receipts'/>");
		if (next_random(3))
			buf_printf(b, "<origin-id xmlns='urn:xmpp:sid:0' id='%x'/>",
				next_random(1 << 24));
		buf_lit(b, "</message>");
	} else if (kind < 7) {
		buf_printf(b, "<presence from='user%u@montague.example/r%u'>%s<priority>%u"
			"</priority><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' "
			"node='https://client.example' ver='%x'/></presence>", next_random(10000),
			next_random(9), next_random(2) ? "<show>away</show>" : "", next_random(127),
			next_random(1 << 24));
	} else if (kind < 9) {
		buf_printf(b, "<iq type='result' id='%x' to='user%u@montague.example'>"
			"<query xmlns='jabber:iq:roster' ver='%u'>", next_random(1 << 24),
			next_random(10000), next_random(1000));
		for (unsigned i = next_random(9); i; i--)
			buf_printf(b, "<item jid='peer%u@capulet.example' subscription='both' "
				"name='n%u'><group>Friends</group></item>", next_random(10000),
				next_random(99));
		buf_lit(b, "</query></iq>");
	} else {
		buf_add(b, str_c(next_random(2) ? archived : cyrillic));
	}
}

static struct sample sample_of(const char *name, const char *bytes)
{
	struct sample s = { .name = name, .stanzas = 1 };

	buf_init(&s.bytes, 64 << 20);
	if (bytes) {
		buf_add(&s.bytes, str_c(bytes));
	} else if (name[0] == 'd') {
		add_disco(&s.bytes);
	} else {
		for (s.stanzas = 0; s.stanzas < MIX; s.stanzas++)
			add_random(&s.bytes);
	}
	BUG_ON(!buf_reserve(&s.bytes, SCAN_PAD));
	return s;
}

int main(void)
{
	struct sample samples[] = { sample_of("chat", chat), sample_of("presence", presence),
		sample_of("archive result", archived), sample_of("disco", NULL),
		sample_of("Cyrillic chat", cyrillic), sample_of("random mix", NULL) };

	printf("%-16s %6s  %19s  %19s  %6s\n", "stanza", "bytes", "scanner ns (MB/s)",
		"expat ns (MB/s)", "ratio");
	for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
		struct sample *s = &samples[i];
		double bytes = (double)s->bytes.n / s->stanzas;
		double ours = measure_scanner(s), theirs = measure_expat(s);
		printf("%-16s %6.0f  %10.1f (%6.0f)  %10.1f (%6.0f)  %6.2f\n", s->name, bytes, ours,
			bytes * 1e3 / ours, theirs, bytes * 1e3 / theirs, theirs / ours);
		buf_clear(&s->bytes);
	}
	return 0;
}
