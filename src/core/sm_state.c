/* Sessions that wait for their clients, over a planned restart of the server (XEP-0198 section
 * 5): as text in the accounts' data, and back.
 *
 * The text is XML of our own: an element with the session's attributes, and in it the presence,
 * the addresses of directed presence and the stanzas that were not acknowledged, oldest first. */
#include "core/sm.h"

#include "base/bug.h"
#include "base/clock.h"
#include "core/account.h"
#include "core/client.h"
#include "core/presence.h"

#include <stdlib.h>

/* ---- to text ---- */

static void write_flag(struct writer *w, const char *name, bool on)
{
	if (on)
		w_attr(w, name, STR("true"));
}

static void write_stanza(struct writer *w, const struct stanza *st)
{
	struct buf b;

	buf_init(&b, STORE_BYTES_MAX);
	stanza_write(&b, st, st->from, st->to, NS_NONE);
	w_raw(w, buf_str(&b));
	buf_clear(&b);
}

static void write_unacked(struct writer *w, const struct sm *sm, const struct unacked *u)
{
	struct stanza *st = u->stanza;

	w_open(w, "unacked");
	w_attr_u64(w, "flags", u->flags);
	w_attr_u64(w, "stamp", u->stamp_us);
	write_flag(w, "text", !st);
	if (!st) {
		w_raw(w, str_from(u->text, u->n_text));
	} else {
		w_attr_u64(w, "archive-id", st->archive_id);
		w_attr_u64(w, "place", st->place);
		w_attr(w, "to", u->text ? str_from(u->text, u->n_text) : u->bare
			? jid_str(sm->session->account->jid) : jid_str(sm->session->full));
		write_stanza(w, st);
	}
	w_close(w);
}

void sm_save(struct sm *sm, struct buf *out)
{
	struct session *s = sm->session;
	struct writer w = w_on(out);

	w_open_ns(&w, "session", NS_CLIENT);
	w_attr(&w, "id", str_from(sm->id, SM_ID_LEN));
	w_attr(&w, "resource", jid_resource(s->full));
	w_attr_u64(&w, "received", ack_in_h(&sm->in));
	w_attr_u64(&w, "sent", sm->sent);
	w_attr_u64(&w, "before", sm->before);
	w_attr_u64(&w, "surplus", sm->surplus);
	w_attr_u64(&w, "resume-seconds", sm->resume_s);
	w_attr_u64(&w, "since", s->since_us);
	write_flag(&w, "interested", s->interested);
	write_flag(&w, "blocks", s->wants_blocks);
	write_flag(&w, "carbons", s->carbons);
	write_flag(&w, "offline", s->reads_offline);
	if (s->presence) {
		w_open(&w, "available");
		write_stanza(&w, s->presence);
		w_close(&w);
	}
	for (uint32_t i = 0; i < s->n_directed; i++)
		w_leaf(&w, "directed", jid_str(s->directed[i]));
	for (uint32_t i = 0; i < sm->n; i++)
		write_unacked(&w, sm, &sm->ring[(sm->first + i) % sm->cap]);
	w_close(&w);
}

/* ---- from text ---- */

struct reading {
	struct account *account;
	struct xml_doc d;
	struct arena a;
	struct xml_table table; /* of the stanzas in it */
};

static struct str attr(struct reading *r, const struct xml_node *el, const char *name)
{
	const struct xml_attr *at = r->d.attrs + el->first_attr;

	for (const struct xml_attr *end = at + el->n_attrs; at < end; at++)
		if (!(at->flags & XML_DECLARES) && str_eq(xml_attr_name(&r->d, at), str_c(name)))
			return xml_value(&r->d, at, &r->a);
	return STR_NULL;
}

static uint64_t number(struct reading *r, const struct xml_node *el, const char *name)
{
	struct str text = attr(r, el, name);
	uint64_t v = 0;

	return text.p && str_to_u64(text, UINT64_MAX, &v) ? v : 0;
}

static bool flag(struct reading *r, const struct xml_node *el, const char *name)
{
	return attr(r, el, name).p != NULL;
}

/* The stanza in an element; NULL when it is none. */
static struct stanza *inner(struct reading *r, const struct xml_node *el)
{
	const struct xml_node *n = xml_first(&r->d, el);

	return n ? stanza_scan(&r->table, xml_raw(&r->d, n), &r->a) : NULL;
}

static void read_unacked(struct reading *r, struct sm *sm, const struct xml_node *el)
{
	uint64_t stamp = number(r, el, "stamp");
	struct jid to;

	if (flag(r, el, "text")) {
		const struct xml_node *n = xml_first(&r->d, el);
		if (!n)
			return;
		sm_keep_text(sm, xml_raw(&r->d, n));
	} else {
		struct stanza *st = inner(r, el);
		if (!st || !jid_parse(attr(r, el, "to"), &r->a, &to)) {
			stanza_unref(&st);
			return;
		}
		st->archive_id = number(r, el, "archive-id");
		st->place = number(r, el, "place");
		r->account->taken += st->place != 0;
		sm_keep(sm, st, to, (unsigned)number(r, el, "flags"));
		stanza_unref(&st);
	}
	sm->ring[(sm->first + sm->n - 1) % sm->cap].stamp_us = stamp;
}

static void read_child(struct reading *r, struct session *s, const struct xml_node *el)
{
	struct str name = xml_name(&r->d, el);
	struct jid j;

	if (str_eq(name, STR("available"))) {
		s->presence = inner(r, el);
		presence_read_priority(s);
	} else if (str_eq(name, STR("directed"))) {
		if (s->n_directed < DIRECTED_MAX && jid_parse(xml_text(&r->d, el, &r->a), &r->a, &j))
			presence_note_directed(s, j);
	} else if (str_eq(name, STR("unacked"))) {
		read_unacked(r, s->sm, el);
	}
}

static bool read_session(struct reading *r)
{
	const struct xml_node *root = xml_root(&r->d);
	struct str resource = attr(r, root, "resource");
	struct str id = attr(r, root, "id");
	uint64_t resume_s = number(r, root, "resume-seconds");

	if (!resource.n || id.n != SM_ID_LEN || !resume_s)
		return false;
	struct session *s = session_new(r->account, NULL, resource);
	s->since_us = number(r, root, "since");
	s->interested = flag(r, root, "interested");
	s->wants_blocks = flag(r, root, "blocks");
	s->carbons = flag(r, root, "carbons");
	s->reads_offline = flag(r, root, "offline");
	sm_enable(s, (uint32_t)resume_s);
	memcpy(s->sm->id, id.p, SM_ID_LEN);
	s->sm->in.received = (uint32_t)number(r, root, "received");
	s->sm->before = (uint32_t)number(r, root, "before");
	s->sm->surplus = (uint32_t)number(r, root, "surplus");
	for (const struct xml_node *n = xml_first(&r->d, root); n; n = xml_next(&r->d, n))
		read_child(r, s, n);
	s->sm->sent = (uint32_t)number(r, root, "sent");
	sm_wait(s->sm);
	session_began(s);
	return true;
}

bool sm_restore(struct account *a, struct str text)
{
	static const struct scan_limits limits = { .stanza_bytes = STORE_BYTES_MAX, .depth = 1024,
		.attrs = 1024, .name = 1024, .namespaces = 1024, .nodes = 4 * 1024 * 1024 };
	struct reading r = { .account = a };
	struct xml_table table = { 0 };
	bool ok = false;

	arena_init(&r.a, 64 * 1024);
	char *padded = arena_alloc(&r.a, text.n + SCAN_PAD);
	memcpy(padded, text.p, text.n);
	memset(padded + text.n, 0, SCAN_PAD);
	if (scan_document(&table, &limits, NS_CLIENT, padded, text.n) == SCAN_OK) {
		r.d = xml_table_doc(&table, padded, text.n);
		ok = read_session(&r);
	}
	xml_table_clear(&table);
	xml_table_clear(&r.table);
	arena_clear(&r.a);
	return ok;
}

/* ---- all of them ---- */

static void is_lost(struct shard *s, struct jid account)
{
	log_error(&s->log, "session", F_STR("account", jid_str(account)),
		F_STR("error", STR("it could not be saved, and will be lost")));
}

static void saved(struct store_op *op, void *receiver)
{
	struct shard *s = receiver;

	if (op->status != STORE_OK)
		is_lost(s, jid_make(&s->loop.turn, op->user, op->host, STR("")));
	store_op_free(op);
}

static void save(struct sm *sm)
{
	struct account *a = sm->session->account;
	struct shard *s = a->shard;
	struct buf text;

	session_resumed(sm->session); /* nothing may be held back in memory */
	buf_init(&text, STORE_BYTES_MAX);
	sm_save(sm, &text);
	struct store_datum d = { STR(SM_SPACE), str_from(sm->id, SM_ID_LEN), buf_str(&text) };
	if (buf_ok(&text))
		store_set_data(s->core->store, store_op_new(&s->loop.inbox, saved, 0),
			jid_domain(a->jid), jid_local(a->jid), &d, 1);
	else /* more than STORE_BYTES_MAX */
		is_lost(s, a->jid);
	buf_clear(&text);
}

void sm_save_all(struct core *c)
{
	for (unsigned i = 0; i < c->n_shards; i++) {
		struct map *accounts = &c->shards[i]->accounts;
		for (struct map_node *n = map_next(accounts, NULL); n; n = map_next(accounts, n)) {
			struct account *a = container_of(n, struct account, node);
			list_each(s, &a->sessions, struct session, link)
				if (!s->client && !a->guest)
					save(s->sm);
		}
	}
}

struct waking {
	struct mail mail;
	struct waiter waiter;
	struct jid account; /* text inline */
};

static void awake(struct waiter *w, struct shard *s, struct account *a, enum store_status status)
{
	free(container_of(w, struct waking, waiter));
}

static void wake(struct mail *m, void *receiver)
{
	struct waking *w = container_of(m, struct waking, mail);

	account_wait(receiver, w->account, &w->waiter);
}

static void found(struct store_op *op, void *receiver)
{
	struct shard *s = receiver;
	struct jid j;

	for (size_t i = 0; i < op->n_users; i++) {
		if (!jid_parse(op->users[i], &op->mem, &j))
			continue;
		struct str text = jid_str(j);
		struct waking *w = xcalloc(1, sizeof *w + text.n);
		memcpy(w + 1, text.p, text.n);
		w->account = j;
		w->account.p = (char *)(w + 1);
		w->waiter.run = awake;
		w->mail = (struct mail){ .run = wake, .bytes = (uint32_t)sizeof *w };
		if (shard_owns(s, j))
			wake(&w->mail, s);
		else
			shard_post(s, shard_of(s->core, j), &w->mail);
	}
	store_op_free(op);
}

void sm_restore_all(struct core *c)
{
	struct shard *s = c->shards[0];

	store_accounts_with(c->store, store_op_new(&s->loop.inbox, found, 0), STR(SM_SPACE));
}
