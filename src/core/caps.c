#include "core/caps.h"

#include "core/ask.h"

#include <stdlib.h>

/* What a hash stands for, or who waits to know. */
struct hash {
	struct map_node node;    /* caps_memory.hashes */
	struct list link;        /* of known ones: caps_memory.single or .common, oldest first */
	struct caps_memory *memory;
	struct caps_claim claim;
	struct caps *caps;       /* NULL: nothing is wanted */
	struct list waiting;     /* struct client_waits, in the order in which they came */
	struct timer patience;   /* set while only some of them are asked */
	bool known;
	bool all;                /* each one that waits is asked itself */
	bool common;             /* it was shown more than once */
};

struct client_waits {
	struct map_node node;    /* caps_memory.clients */
	struct list link;        /* hash.waiting; alone without a hash */
	uint64_t number;
	struct hash *hash;       /* NULL: it has none that we can check */
	struct jid from, client; /* text inline, behind the struct, as those below */
	struct str disco_node, memo;
	caps_done *done;
	bool asked;
};

struct caps_memory {
	struct shard *shard;
	struct map hashes, clients;
	struct list single, common;
	unsigned n_known;
	size_t bytes;
	uint64_t numbers;
	struct list given_up; /* struct client_waits that are told so in the next turn */
	struct timer give_up;
};

/* ---- nodes ---- */

struct caps *caps_ref(struct caps *c)
{
	if (c)
		c->refs++;
	return c;
}

void caps_unref(struct caps **c)
{
	if (*c && --(*c)->refs == 0)
		free(*c);
	*c = NULL;
}

static int by_text(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

bool caps_wants(const struct caps *c, struct str node)
{
	return c && bsearch(&node, c->nodes, c->n, sizeof *c->nodes, by_text);
}

/* NULL: there are none. */
static struct caps *caps_new(enum caps_kind kind, struct str string)
{
	struct str nodes[CAPS_NODES_MAX];
	size_t n = 0, size = 0;

	while (n < CAPS_NODES_MAX && caps_next_node(kind, &string, &nodes[n]) &&
		size + nodes[n].n <= CAPS_NODES_BYTES)
		size += nodes[n++].n;
	if (!n)
		return NULL;
	size_t bytes = sizeof(struct caps) + n * sizeof(struct str) + size;
	struct caps *c = xmalloc(bytes);
	*c = (struct caps){ .refs = 1, .n = (unsigned)n, .bytes = bytes };
	char *text = (char *)(c->nodes + n);
	for (size_t i = 0; i < n; text += nodes[i++].n) {
		memcpy(text, nodes[i].p, nodes[i].n);
		c->nodes[i] = str_from(text, nodes[i].n);
	}
	qsort(c->nodes, n, sizeof *c->nodes, by_text);
	return c;
}

/* ---- what is remembered ---- */

static struct str hash_key(const struct map_node *n)
{
	return caps_claim_str(&container_of(n, struct hash, node)->claim);
}

static struct str client_key(const struct map_node *n)
{
	const struct client_waits *w = container_of(n, struct client_waits, node);

	return str_from((const char *)&w->number, sizeof w->number);
}

static size_t weight(const struct hash *h)
{
	return sizeof *h + (h->caps ? h->caps->bytes : 0);
}

static void hash_free(struct hash *h)
{
	struct caps_memory *m = h->memory;

	if (h->known) {
		m->n_known--;
		m->bytes -= weight(h);
	}
	timer_stop(&m->shard->loop.wheel, &h->patience);
	list_del(&h->link);
	map_del(&m->hashes, &h->node);
	caps_unref(&h->caps);
	free(h);
}

static void forget_some(struct caps_memory *m)
{
	while (m->n_known > CAPS_KNOWN_MAX || m->bytes > CAPS_KNOWN_BYTES)
		hash_free(container_of(list_empty(&m->single) ? m->common.next : m->single.next,
			struct hash, link));
}

/* It was shown (again): the last to be forgotten of its list. */
static void touch(struct hash *h)
{
	list_del(&h->link);
	list_add(h->common ? &h->memory->common : &h->memory->single, &h->link);
}

static void remember(struct hash *h, struct caps *caps)
{
	struct caps_memory *m = h->memory;

	h->known = true;
	h->caps = caps_ref(caps);
	m->n_known++;
	m->bytes += weight(h);
	touch(h);
	timer_stop(&m->shard->loop.wheel, &h->patience);
}

/* ---- those that wait ---- */

/* Takes it out, and gives it its answer. */
static void tell(struct caps_memory *m, struct client_waits *w, struct caps *caps)
{
	list_del(&w->link);
	map_del(&m->clients, &w->node);
	w->done(m->shard, w->memo, caps);
	free(w);
}

static void tell_those_given_up(struct timer *t)
{
	struct caps_memory *m = container_of(t, struct caps_memory, give_up);
	struct list told;

	list_take(&m->given_up, &told);
	while (!list_empty(&told))
		tell(m, list_first(&told, struct client_waits, link), NULL);
}

/* It is told later, as caps_of() may be on the way. */
static void give_up(struct caps_memory *m, struct client_waits *w)
{
	list_del(&w->link);
	list_add(&m->given_up, &w->link);
	w->hash = NULL;
	timer_set(&m->shard->loop.wheel, &m->give_up, m->shard->loop.now, 1);
}

static ask_done answered;

/* XEP-0115 section 6.2, XEP-0390 section 5.5. False: it could not be asked. */
static bool ask_client(struct caps_memory *m, struct client_waits *w)
{
	struct buf b;

	buf_init(&b, 16 * CAPS_NODE_MAX);
	struct writer writer = w_on(&b);
	w_open_ns(&writer, "query", NS_DISCO_INFO);
	w_attr(&writer, "node", w->disco_node);
	w_close(&writer);
	const struct question q = { .type = "get", .from = w->from, .to = w->client,
		.payload = buf_str(&b), .done = answered,
		.memo = str_from((const char *)&w->number, sizeof w->number) };
	w->asked = w_done(&writer) && ask(m->shard, &q);
	buf_clear(&b);
	if (!w->asked)
		give_up(m, w);
	return w->asked;
}

/* A hash that nobody waits for is forgotten. */
static void look_whether_needed(struct hash *h)
{
	if (list_empty(&h->waiting))
		hash_free(h);
}

/* Sees to it that one of those that wait has been asked, or each of them. */
static void ask_next(struct hash *h)
{
	bool enough = false;

	list_each_safe(w, &h->waiting, struct client_waits, link) {
		if (enough)
			break;
		enough = (w->asked || ask_client(h->memory, w)) && !h->all;
	}
	look_whether_needed(h);
}

static void lose_patience(struct timer *t)
{
	struct hash *h = container_of(t, struct hash, patience);

	h->all = true;
	ask_next(h);
}

/* ---- answers ---- */

/* The language that holds for what is in a stanza. */
static struct str lang_of(const struct stanza *st, struct arena *a)
{
	struct str own = xml_lang(&st->doc, stanza_root(st), a);

	return own.p ? own : st->lang.p ? xml_unescape(st->lang, true, a) : STR("");
}

static const struct xml_node *query_of(const struct stanza *answer)
{
	bool is_result = answer && answer->type == IQ_RESULT;
	const struct xml_node *el = is_result ? stanza_payload(answer) : NULL;

	return xml_is(el, NS_DISCO_INFO, TAG_QUERY) ? el : NULL;
}

/* Whether the answer has the hash; then *out is what it stands for. */
static bool verify(const struct caps_claim *c, const struct stanza *answer, struct arena *a,
	struct caps **out)
{
	struct buf string;

	buf_init(&string, CAPS_STRING_MAX);
	bool fits = caps_string((enum caps_kind)c->kind, &answer->doc, query_of(answer),
			    lang_of(answer, a), a, &string) && caps_fits(c, buf_str(&string));
	if (fits)
		*out = caps_new((enum caps_kind)c->kind, buf_str(&string));
	buf_clear(&string);
	return fits;
}

static void tell_all(struct hash *h, struct caps *caps)
{
	struct caps_memory *m = h->memory;
	struct list told;

	remember(h, caps);
	list_take(&h->waiting, &told);
	list_each(w, &told, struct client_waits, link)
		w->hash = NULL;
	forget_some(m);
	while (!list_empty(&told))
		tell(m, list_first(&told, struct client_waits, link), caps);
}

/* What counts for this client alone; NULL when it did not answer. */
static struct caps *unverified(const struct stanza *answer, struct arena *a)
{
	const struct xml_node *query = query_of(answer);

	return query ? caps_new(CAPS_2, caps_features(&answer->doc, query, a)) : NULL;
}

static void answered(struct shard *s, struct str memo, const struct stanza *answer)
{
	struct caps_memory *m = s->caps;
	struct map_node *n = map_get(&m->clients, memo);
	struct client_waits *w = n ? container_of(n, struct client_waits, node) : NULL;
	struct hash *h = w ? w->hash : NULL;
	struct caps *caps = NULL;

	if (!w)
		return; /* another one's answer came first */
	if (h && query_of(answer) && verify(&h->claim, answer, &s->loop.turn, &caps)) {
		tell_all(h, caps);
	} else {
		caps = unverified(answer, &s->loop.turn);
		list_del(&w->link);
		if (h)
			ask_next(h);
		tell(m, w, caps);
	}
	caps_unref(&caps);
}

/* ---- questions ---- */

static struct str put(char **at, struct str s)
{
	char *p = *at;

	if (s.n)
		memcpy(p, s.p, s.n);
	*at += s.n;
	return str_from(p, s.n);
}

static struct client_waits *client_new(struct caps_memory *m, const struct caps_question *q)
{
	struct client_waits *w = xcalloc(1, sizeof *w + jid_str(q->from).n + jid_str(q->client).n +
		q->node.n + q->memo.n);
	char *at = (char *)(w + 1);

	list_init(&w->link);
	w->number = ++m->numbers;
	w->from = q->from;
	w->from.p = put(&at, jid_str(q->from)).p;
	w->client = q->client;
	w->client.p = put(&at, jid_str(q->client)).p;
	w->disco_node = q->node.p ? put(&at, q->node) : STR_NULL;
	w->memo = put(&at, q->memo);
	w->done = q->done;
	map_put(&m->clients, &w->node);
	return w;
}

static struct hash *find(struct caps_memory *m, const struct caps_claim *c)
{
	struct map_node *n = map_get(&m->hashes, caps_claim_str(c));

	return n ? container_of(n, struct hash, node) : NULL;
}

static struct hash *hash_new(struct caps_memory *m, const struct caps_claim *c)
{
	struct hash *h = xcalloc(1, sizeof *h);

	h->memory = m;
	h->claim = *c;
	list_init(&h->link);
	list_init(&h->waiting);
	timer_init(&h->patience, lose_patience);
	timer_set(&m->shard->loop.wheel, &h->patience, m->shard->loop.now, CAPS_PATIENCE_MS);
	map_put(&m->hashes, &h->node);
	return h;
}

static void wait_for(struct hash *h, struct client_waits *w)
{
	bool first = list_empty(&h->waiting);

	h->common |= !first;
	w->hash = h;
	list_add(&h->waiting, &w->link);
	if (first || h->all)
		ask_client(h->memory, w);
	look_whether_needed(h);
}

bool caps_are_known(struct shard *s, const struct caps_claim *claim, struct caps **out)
{
	struct hash *h = find(s->caps, claim);

	*out = NULL;
	if (!h || !h->known)
		return false;
	h->common = true;
	touch(h);
	*out = caps_ref(h->caps);
	return true;
}

bool caps_of(struct shard *s, const struct caps_question *q, struct caps **out)
{
	struct caps_memory *m = s->caps;
	bool checked = q->claim->kind != CAPS_UNCHECKED;

	BUG_ON(q->claim->kind == CAPS_UNSAID);
	if (caps_are_known(s, q->claim, out) || m->clients.n >= CAPS_WAITING_MAX)
		return true;
	struct client_waits *w = client_new(m, q);
	struct hash *h = checked ? find(m, q->claim) : NULL;
	if (checked)
		wait_for(h ? h : hash_new(m, q->claim), w);
	else
		ask_client(m, w);
	return false;
}

/* ---- life ---- */

struct caps_memory *caps_memory_new(struct shard *s)
{
	struct caps_memory *m = xcalloc(1, sizeof *m);

	m->shard = s;
	map_init(&m->hashes, hash_key);
	map_init(&m->clients, client_key);
	list_init(&m->single);
	list_init(&m->common);
	list_init(&m->given_up);
	timer_init(&m->give_up, tell_those_given_up);
	return m;
}

void caps_memory_free(struct caps_memory **memory)
{
	struct caps_memory *m = *memory;
	struct map_node *n;

	timer_stop(&m->shard->loop.wheel, &m->give_up);
	while ((n = map_next(&m->clients, NULL))) {
		struct client_waits *w = container_of(n, struct client_waits, node);
		map_del(&m->clients, n);
		list_del(&w->link);
		free(w);
	}
	while ((n = map_next(&m->hashes, NULL)))
		hash_free(container_of(n, struct hash, node));
	map_clear(&m->clients);
	map_clear(&m->hashes);
	free(m);
	*memory = NULL;
}
