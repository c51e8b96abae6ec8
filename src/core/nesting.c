#include "core/nesting.h"

#include "base/bug.h"
#include "xml/extract.h"
#include "xmpp/form.h"

#include <stdlib.h>

/* Features and identities of one answer that are compared with each other; more are left out. */
#define SEEN_MAX 1000

/* ---- copies ---- */

struct nested {
	struct map_node node; /* shard.nested */
	struct str key, info; /* inline, behind the struct */
};

static struct str key_of(const struct map_node *n)
{
	return container_of(n, struct nested, node)->key;
}

void nesting_init(struct shard *s)
{
	map_init(&s->nested, key_of);
}

static struct nested *find(struct shard *s, struct str key)
{
	struct map_node *n = map_get(&s->nested, key);

	return n ? container_of(n, struct nested, node) : NULL;
}

static void drop(struct shard *s, struct nested *n)
{
	if (!n)
		return;
	map_del(&s->nested, &n->node);
	free(n);
}

void nesting_clear(struct shard *s)
{
	struct map_node *n;

	while ((n = map_next(&s->nested, NULL)))
		drop(s, container_of(n, struct nested, node));
	map_clear(&s->nested);
}

/* No domain has a line feed in it. */
static struct str make_key(const struct delegation *d, const struct host *h, bool bare,
	struct arena *a)
{
	return str_printf(a, "%c%.*s\n%.*s\n%.*s", bare ? 'b' : 'h', STR_FMT(d->component->domain),
		STR_FMT(h->domain), STR_FMT(d->ns));
}

static void put_here(struct shard *s, struct str key, struct str info)
{
	drop(s, find(s, key));
	if (!info.n)
		return;
	struct nested *n = xcalloc(1, sizeof *n + key.n + info.n);
	char *text = (char *)(n + 1);
	memcpy(text, key.p, key.n);
	memcpy(text + key.n, info.p, info.n);
	n->key = str_from(text, key.n);
	n->info = str_from(text + key.n, info.n);
	map_put(&s->nested, &n->node);
}

/* ---- to all shards ---- */

struct news {
	struct mail mail;
	size_t key, info; /* bytes of the two, inline */
	char text[];
};

static void arrived(struct mail *m, void *receiver)
{
	struct news *n = container_of(m, struct news, mail);

	put_here(receiver, str_from(n->text, n->key), str_from(n->text + n->key, n->info));
	free(n);
}

static void post(struct shard *from, struct shard *to, struct str key, struct str info)
{
	struct news *n = xmalloc(sizeof *n + key.n + info.n);

	n->mail = (struct mail){ .run = arrived, .bytes = (uint32_t)(sizeof *n + key.n + info.n) };
	n->key = key.n;
	n->info = info.n;
	memcpy(n->text, key.p, key.n);
	if (info.n)
		memcpy(n->text + key.n, info.p, info.n);
	shard_post(from, to, &n->mail);
}

static bool is_nestable(const struct xml_node *n)
{
	return xml_is(n, NS_DISCO_INFO, TAG_FEATURE) || xml_is(n, NS_DISCO_INFO, TAG_IDENTITY) ||
	       xml_is(n, NS_DATA, TAG_X);
}

void nesting_put(struct shard *s, const struct delegation *d, const struct host *h, bool bare,
	const struct xml_doc *doc, const struct xml_node *query)
{
	struct str key = make_key(d, h, bare, &s->loop.turn);
	struct buf info;

	buf_init(&info, NESTED_MAX);
	for (const struct xml_node *n = xml_first(doc, query); n; n = xml_next(doc, n))
		if (is_nestable(n))
			xml_extract(&info, doc, n);
	if (!buf_ok(&info))
		log_warn(&s->log, "disco_too_large", F_STR("component", d->component->domain),
			F_STR("namespace", d->ns));
	struct str text = buf_ok(&info) ? buf_str(&info) : STR("");
	put_here(s, key, text);
	for (unsigned i = 0; i < s->core->n_shards; i++)
		if (s->core->shards[i] != s)
			post(s, s->core->shards[i], key, text);
	buf_clear(&info);
}

/* ---- answers ---- */

/* An answer in the making. */
struct merge {
	struct ctx *c;
	struct writer *w;
	struct str seen[SEEN_MAX]; /* what was written, in the turn's memory */
	size_t n_seen;
};

/* What makes two children the same: the feature's name, or of an identity all but its name in some
 * language. Empty for a form. */
static struct str sameness(const struct xml_doc *d, const struct xml_node *n, struct arena *a)
{
	if (n->ns != NS_DISCO_INFO)
		return STR("");
	if (n->tag == TAG_FEATURE)
		return xml_attr_str(d, n, TAG_VAR, a);
	return str_printf(a, "%.*s\n%.*s\n%.*s", STR_FMT(xml_attr_str(d, n, TAG_CATEGORY, a)),
		STR_FMT(xml_attr_str(d, n, TAG_TYPE, a)), STR_FMT(xml_lang(d, n, a)));
}

/* Whether it was written before; it counts as written from now on. */
static bool is_repeated(struct merge *m, struct str what)
{
	if (!what.n)
		return false;
	for (size_t i = 0; i < m->n_seen; i++)
		if (str_eq(m->seen[i], what))
			return true;
	if (m->n_seen == SEEN_MAX)
		return true;
	m->seen[m->n_seen++] = what;
	return false;
}

static struct str form_type(const struct xml_doc *d, const struct xml_node *form, struct arena *a)
{
	const struct xml_node *field = form_field(d, form, STR("FORM_TYPE"), a);

	return field ? form_value(d, field, a) : STR("");
}

/* Sections 7.2.1 and 7.2.3: a feature or a form of a delegated namespace, whose names are the
 * namespace or begin with it and a '#'. */
static bool is_delegated(const struct host *h, struct str name)
{
	if (grant_find_delegation(h, name))
		return true;
	for (size_t n = 0; n < name.n; n++)
		if (name.p[n] == '#' && grant_find_delegation(h, str_head(name, n)))
			return true;
	return false;
}

static void copy(struct merge *m, struct str children, bool own)
{
	struct shard *s = m->c->shard;
	struct arena *turn = &s->loop.turn;
	struct str whole = str_printf(turn, "<iq><query xmlns='%.*s'>%.*s</query></iq>",
		STR_FMT(xml_ns_str(NS_DISCO_INFO)), STR_FMT(children));
	struct stanza *st = stanza_scan(&s->scratch_table, whole, turn);
	BUG_ON(!st); /* it was written by us, or scanned before */

	const struct xml_doc *d = &st->doc;
	const struct xml_node *n = xml_first(d, stanza_payload(st));
	for (; n; n = xml_next(d, n)) {
		struct str what = sameness(d, n, turn);
		struct str name = n->ns == NS_DATA ? form_type(d, n, turn) : what;
		if (own && is_delegated(m->c->host, name))
			continue;
		if (!is_repeated(m, str_dup(turn, what)))
			w_raw(m->w, xml_raw(d, n));
	}
	stanza_unref(&st);
}

void nesting_write(struct ctx *c, struct str own, struct writer *w)
{
	struct arena *turn = &c->shard->loop.turn;
	struct merge *m = arena_alloc(turn, sizeof *m);
	const struct management *by = c->host->managers;

	m->c = c;
	m->w = w;
	m->n_seen = 0;
	copy(m, own, true);
	for (; by; by = by->next_of_host) {
		const struct delegation *d = by->component->component->grants.delegations;
		for (; d; d = d->next) {
			struct nested *n = find(c->shard, make_key(d, c->host, c->account, turn));
			if (n)
				copy(m, n->info, false);
		}
	}
}
