#include "core/archive.h"

#include "base/bug.h"
#include "core/room_archive.h"
#include "xmpp/stanza.h"

#include <stdlib.h>

/* Whether a child is content, and no state, id or hint. Of what a room says, invitations are. */
static bool is_content(const struct xml_doc *d, const struct xml_node *n)
{
	switch (n->ns) {
	case NS_CHATSTATES:
	case NS_SID:
	case NS_OCCUPANT_ID:
	case NS_DELAY:
	case NS_MAM: /* of another server's archive */
		return false;
	case NS_MUC_USER:
		return xml_child(d, n, NS_MUC_USER, TAG_INVITE) ||
		       xml_child(d, n, NS_MUC_USER, TAG_DECLINE);
	case NS_HINTS:
		return n->tag == TAG_STORE;
	default:
		return n->tag != TAG_THREAD;
	}
}

bool archive_is_worth(const struct stanza *m)
{
	const struct xml_doc *d = &m->doc;
	const struct xml_node *root = stanza_root(m);

	if (xml_child(d, root, NS_HINTS, TAG_NO_STORE) ||
		xml_child(d, root, NS_HINTS, TAG_NO_PERMANENT_STORE))
		return false;
	for (const struct xml_node *n = xml_first(d, root); n; n = xml_next(d, n))
		if (is_content(d, n))
			return true;
	return false;
}

bool archive_is_on(const struct account *a)
{
	const struct host *h = settings_host(a->shard->settings, jid_domain(a->jid));

	return h && h->archive && !a->guest;
}

static struct archive_rule *find(const struct archive_prefs *p, struct jid j)
{
	for (uint32_t i = 0; i < p->n_rules; i++)
		if (jid_eq(p->rules[i].jid, j))
			return &p->rules[i];
	return NULL;
}

/* XEP-0441 section 2.1.2: a full JID stands for itself, a bare one for all of its resources. */
bool archive_wants(const struct account *a, struct jid partner)
{
	const struct archive_prefs *p = a->archive_prefs;

	if (!p)
		return true;
	const struct archive_rule *r = find(p, partner);
	if (!r)
		r = find(p, jid_bare(partner));
	if (r)
		return !r->never;
	if (p->by_default == ARCHIVE_ROSTER)
		return jid_eq_bare(partner, a->jid) || roster_find(&a->roster, jid_bare(partner));
	return p->by_default == ARCHIVE_ALWAYS;
}

static struct archive_prefs *prefs(struct archive_prefs **p)
{
	if (!*p)
		*p = xcalloc(1, sizeof **p);
	return *p;
}

void archive_prefs_default(struct archive_prefs **p, enum archive_default d)
{
	prefs(p)->by_default = d;
}

bool archive_prefs_add(struct archive_prefs **at, struct jid j, bool never)
{
	struct archive_prefs *p = prefs(at);
	struct archive_rule *r = find(p, j);
	struct str text = jid_str(j);

	if (r) {
		r->never = never;
		return true;
	}
	if (p->n_rules == ARCHIVE_PREFS_MAX)
		return false;
	p->rules = xrealloc(p->rules, (p->n_rules + 1) * sizeof *p->rules);
	p->rules[p->n_rules] = (struct archive_rule){ .jid = j, .never = never };
	p->rules[p->n_rules++].jid.p = strndup(text.p, text.n);
	return true;
}

void archive_prefs_free(struct archive_prefs **at)
{
	struct archive_prefs *p = *at;

	*at = NULL;
	if (!p)
		return;
	for (uint32_t i = 0; i < p->n_rules; i++)
		free((char *)p->rules[i].jid.p);
	free(p->rules);
	free(p);
}

/* ---- searching ---- */

static void add_texts(struct buf *out, const struct xml_doc *d, const struct xml_node *first,
	struct arena *a)
{
	for (const struct xml_node *n = first; n; n = xml_next_same(d, n)) {
		if (out->n)
			buf_lit(out, "\n");
		buf_add(out, xml_text(d, n, a));
	}
}

static void read_partner(const struct stanza *st, struct str archive, struct buf *partner,
	struct arena *a)
{
	bool sent = jid_is_set(st->from) && str_eq(jid_bare_str(st->from), archive);
	struct jid other = sent ? st->to : st->from;

	if (sent && st->type == MESSAGE_GROUPCHAT) /* a room's archive */
		jid_parse(room_archive_author(st, a), a, &other);
	if (jid_is_set(other))
		buf_add(partner, jid_bare_str(other));
}

static void read_stanza(const struct stanza *st, struct str archive, struct buf *text,
	struct buf *partner, struct arena *a)
{
	const struct xml_doc *d = &st->doc;
	const struct xml_node *root = stanza_root(st);
	enum xml_ns ns = root->ns;

	add_texts(text, d, xml_child(d, root, ns, TAG_SUBJECT), a);
	if (!xml_child(d, root, NS_EME, TAG_ENCRYPTION))
		add_texts(text, d, xml_child(d, root, ns, TAG_BODY), a);
	read_partner(st, archive, partner, a);
}

void archive_read_text(const struct ledger_message *m, struct str archive, struct buf *text,
	struct buf *partner)
{
	struct xml_table table = { 0 };
	struct arena a;

	arena_init(&a, 4096);
	struct stanza *st = stanza_scan(&table, m->bytes, &a);
	if (st)
		read_stanza(st, archive, text, partner, &a);
	stanza_unref(&st);
	xml_table_clear(&table);
	arena_clear(&a);
}

/* ---- replacing ---- */

struct replacement {
	struct str archives[ARCHIVE_SIDES]; /* in the operation */
	size_t n;
	void (*done)(struct shard *s, enum store_status status, void *ctx);
	void *ctx;
};

static void replace_failed(struct shard *s, struct str archive)
{
	log_error(&s->log, "replace", F_STR("archive", archive),
		F_STR("error", STR("a message could not be replaced")));
}

static void read_again(struct search_op *op, void *receiver)
{
	if (op->status != STORE_OK)
		replace_failed(receiver, op->archive);
	search_op_free(op);
}

/* It may have grown too old, or been erased, since it was found. */
static void replaced(struct ledger_op *op, void *receiver)
{
	struct shard *s = receiver;
	struct replacement *r = op->ctx;

	if (op->status != STORE_OK && op->status != STORE_NOT_FOUND)
		replace_failed(s, op->archive);
	for (size_t i = 0; s->core->search && op->status == STORE_OK && i < r->n; i++)
		search_again(s->core->search, search_op_new(&s->loop.inbox, read_again, 0),
			r->archives[i], op->id);
	if (r->done)
		r->done(s, op->status, r->ctx);
	ledger_op_free(op);
}

void archive_replace(struct shard *s, const struct str *archives, size_t n_archives, uint64_t id,
	struct str bytes, void (*done)(struct shard *s, enum store_status status, void *ctx),
	void *ctx)
{
	struct ledger_op *op = shard_ledger_op(s, s, replaced, sizeof(struct replacement));
	struct replacement *r = op->ctx;

	BUG_ON(!n_archives || n_archives > ARCHIVE_SIDES);
	r->done = done;
	r->ctx = ctx;
	for (size_t i = 0; i < n_archives; i++)
		r->archives[r->n++] = str_dup(&op->mem, archives[i]);
	ledger_replace(s->core->ledger, op, archives[0], id, bytes);
}

/* ---- erasing ---- */

struct erasure {
	void (*done)(struct shard *s, enum store_status status, void *ctx);
	void *ctx;
};

static void erasure_is_over(struct shard *s, const struct erasure *e, struct str archive,
	enum store_status status)
{
	if (status != STORE_OK)
		log_error(&s->log, "erase", F_STR("archive", archive),
			F_STR("error", STR("messages could not be erased")));
	if (e->done)
		e->done(s, status, e->ctx);
}

static void forgotten(struct search_op *op, void *receiver)
{
	erasure_is_over(receiver, op->ctx, op->archive, op->status);
	search_op_free(op);
}

/* The index last: before, it could read on in the ledger. */
static void erased(struct ledger_op *op, void *receiver)
{
	struct shard *s = receiver;
	struct erasure *e = op->ctx;

	if (op->status == STORE_OK && s->core->search) {
		struct search_op *forget = search_op_new(&s->loop.inbox, forgotten, sizeof *e);
		*(struct erasure *)forget->ctx = *e;
		search_erase(s->core->search, forget, op->archive);
	} else {
		erasure_is_over(s, e, op->archive, op->status);
	}
	ledger_op_free(op);
}

void archive_erase(struct shard *s, struct jid owner,
	void (*done)(struct shard *s, enum store_status status, void *ctx), void *ctx)
{
	struct ledger_op *op = shard_ledger_op(s, s, erased, sizeof(struct erasure));

	*(struct erasure *)op->ctx = (struct erasure){ done, ctx };
	ledger_erase(s->core->ledger, op, jid_str(owner));
}
