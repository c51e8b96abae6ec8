/* XEP-0191 Blocking Command, version 1.3, with XEP-0377 Blocking Command Reports 0.4.1
 *
 * The list of an account and its changes. What a block does to stanzas stands where they pass:
 * core/client.c (out), core/route.c (in), core/presence.c. A change is in force, answered and
 * pushed once it is stored. Blocking is polite (section 4): subscriptions stay as they are. A
 * report is a line in the log, with its reason; texts and stanza ids in it are passed over.
 * Options: blocklist_items of the limits. Stores: data of the account, in the space "block". */
#include "core/block.h"
#include "core/message.h"
#include "core/module.h"
#include "core/personal.h"
#include "core/presence.h"

#include <stdlib.h>

#define REPORTS_MAX 10 /* of one request */

static struct blocklist *list_of(struct account *a)
{
	if (!a->blocked)
		a->blocked = xcalloc(1, sizeof *a->blocked);
	return a->blocked;
}

static void load(struct account *a, struct str key, struct str bytes)
{
	struct jid j;

	if (jid_parse(key, &a->shard->loop.turn, &j))
		blocklist_add(list_of(a), j);
}

static void unload(struct account *a)
{
	if (!a->blocked)
		return;
	blocklist_clear(a->blocked);
	free(a->blocked);
	a->blocked = NULL;
}

static void write_items(struct writer *w, const struct blocklist *b)
{
	for (uint32_t i = 0; b && i < b->n; i++) {
		w_open(w, "item");
		w_attr(w, "jid", jid_str(b->items[i]));
		w_close(w);
	}
}

/* ---- retrieval (section 3.2) ---- */

static enum outcome on_get(struct ctx *c, const struct stanza *iq)
{
	struct writer w = reply_open(c, iq);

	if (c->session)
		c->session->wants_blocks = true;
	w_open_ns(&w, "blocklist", NS_BLOCKING);
	write_items(&w, c->account->blocked);
	w_close(&w);
	return reply_send(c, &w, iq);
}

/* ---- a change comes into force ---- */

struct change {
	struct jid account;      /* in the operation */
	bool block;
	bool all;                /* section 3.5: items has none */
	struct blocklist items;
	uint32_t coming;         /* how many of them the list had not */
	struct later *later;
};

static void push_to(struct session *s, const struct change *ch)
{
	struct shard *sh = s->account->shard;

	buf_reset(&sh->scratch);
	struct writer w = w_on(&sh->scratch);
	stanza_open(&w, STANZA_IQ, "set", (struct jid){ 0 }, s->full,
		str_printf(&sh->loop.turn, "push-%llx", (unsigned long long)message_new_id(sh)));
	w_open_ns(&w, ch->block ? "block" : "unblock", NS_BLOCKING);
	write_items(&w, &ch->items);
	w_close(&w);
	w_close(&w);
	if (w_done(&w))
		session_send_text(s, buf_str(&sh->scratch));
}

static void push(struct account *a, const struct change *ch)
{
	list_each(s, &a->sessions, struct session, link)
		if (s->wants_blocks)
			push_to(s, ch);
}

static void block_now(struct account *a, const struct change *ch)
{
	struct blocklist *list = list_of(a);

	presence_hide(a, &ch->items);
	for (uint32_t i = 0; i < ch->items.n; i++)
		blocklist_add(list, ch->items.items[i]);
	module_each(m, a->shard->core, blocked)
		m->blocked(a);
}

/* Only what stood in the list makes a difference for anybody. */
static void unblock_now(struct account *a, const struct change *ch)
{
	struct blocklist *list = list_of(a), gone = { 0 };

	if (ch->all) {
		gone = *list;
		*list = (struct blocklist){ .coming = gone.coming };
	}
	for (uint32_t i = 0; i < ch->items.n; i++)
		if (blocklist_del(list, ch->items.items[i]))
			blocklist_add(&gone, ch->items.items[i]);
	presence_show(a, &gone);
	blocklist_clear(&gone);
}

static void answer(struct change *ch, enum store_status status)
{
	struct ctx c = later_ctx(ch->later);
	const struct stanza *iq = ch->later->iq;

	switch (status) {
	case STORE_OK:
		reply_ok(&c, iq);
		break;
	case STORE_FULL:
		refuse(&c, iq, ERR_RESOURCE_CONSTRAINT, STR("try again later"));
		break;
	case STORE_NOT_FOUND: /* the account was deleted meanwhile */
		refuse(&c, iq, ERR_SERVICE_UNAVAILABLE, STR(""));
		break;
	default:
		refuse(&c, iq, ERR_INTERNAL_SERVER_ERROR, STR(""));
	}
}

/* It is stored, or is not to be. An account that was loaded again meanwhile has it already, and
 * does not know that it was coming. A block is in force before its answer, which lets out what
 * was held back from an inactive client. a: NULL when the account is not resident any more. */
static void finish(struct account *a, struct change *ch, enum store_status status)
{
	bool done = a && status == STORE_OK;

	if (a) {
		struct blocklist *list = list_of(a);
		list->coming -= list->coming < ch->coming ? list->coming : ch->coming;
	}
	if (done && ch->block)
		block_now(a, ch);
	answer(ch, status);
	if (done)
		push(a, ch);
	if (done && !ch->block)
		unblock_now(a, ch);
	later_free(&ch->later);
	blocklist_clear(&ch->items);
}

static void stored(struct store_op *op, void *receiver)
{
	struct change *ch = op->ctx;

	finish(account_get(receiver, ch->account), ch, op->status);
	store_op_free(op);
}

static void store_change(struct account *a, const struct change *ch)
{
	struct shard *s = a->shard;
	struct store_op *op = store_op_new(&s->loop.inbox, stored, sizeof *ch);
	struct store_datum *changes = arena_alloc(&s->loop.turn, ch->items.n * sizeof *changes);
	struct change *own = op->ctx;

	*own = *ch;
	own->account = jid_dup(&op->mem, a->jid);
	for (uint32_t i = 0; i < ch->items.n; i++)
		changes[i] = (struct store_datum){ SPACE_BLOCK, jid_str(ch->items.items[i]),
			ch->block ? BLOCKED : STR("") };
	if (ch->all)
		store_clear_data(s->core->store, op, jid_domain(a->jid), jid_local(a->jid),
			SPACE_BLOCK);
	else
		store_set_data(s->core->store, op, jid_domain(a->jid), jid_local(a->jid), changes,
			ch->items.n);
}

/* Nothing is stored of a guest. */
static enum outcome start(struct ctx *c, const struct stanza *iq, struct change *ch)
{
	ch->later = later_new(c, iq);
	if (c->account->guest)
		finish(c->account, ch, STORE_OK);
	else
		store_change(c->account, ch);
	return LATER;
}

/* ---- requests (sections 3.3 to 3.5) ---- */

/* What is wrong with the items, or ERR_COUNT; out gets each address once. */
static enum stanza_error read_items(const struct stanza *iq, uint32_t max, struct arena *turn,
	struct blocklist *out)
{
	const struct xml_doc *d = &iq->doc;
	const struct xml_node *first = xml_first(d, stanza_payload(iq));

	for (const struct xml_node *el = first; el; el = xml_next(d, el)) {
		struct str text = xml_attr_str(d, el, TAG_JID, turn);
		struct jid j;
		if (!xml_is(el, NS_BLOCKING, TAG_ITEM) || !text.p)
			return ERR_BAD_REQUEST;
		if (!jid_parse(text, turn, &j))
			return ERR_JID_MALFORMED;
		if (blocklist_add(out, j) && out->n > max)
			return ERR_RESOURCE_CONSTRAINT;
	}
	return ERR_COUNT;
}

/* XEP-0377: for the server's people. */
static void log_reports(struct ctx *c, const struct stanza *iq)
{
	const struct xml_doc *d = &iq->doc;
	const struct xml_node *first = xml_first(d, stanza_payload(iq));
	struct arena *turn = &c->shard->loop.turn;
	unsigned n = 0;

	for (const struct xml_node *el = first; el; el = xml_next(d, el)) {
		const struct xml_node *r = xml_child(d, el, NS_REPORTING, TAG_REPORT);
		if (!r)
			continue;
		if (n++ == REPORTS_MAX)
			return;
		log_info(&c->shard->log, "reported", F_STR("account", jid_str(c->account->jid)),
			F_STR("jid", xml_attr_str(d, el, TAG_JID, turn)),
			F_STR("reason", xml_attr_str(d, r, TAG_REASON, turn)));
	}
}

static enum outcome refuse_items(struct ctx *c, const struct stanza *iq, enum stanza_error e)
{
	switch (e) {
	case ERR_JID_MALFORMED:
		return refuse(c, iq, e, STR("an item's jid is no address"));
	case ERR_RESOURCE_CONSTRAINT:
		return refuse(c, iq, e, str_printf(&c->shard->loop.turn,
			"a block list has at most %u items",
			(unsigned)c->shard->settings->blocklist_max));
	default:
		return refuse(c, iq, e, STR("items with a jid each, please"));
	}
}

static enum outcome on_block(struct ctx *c, const struct stanza *iq)
{
	struct change ch = { .block = true };
	uint32_t max = c->shard->settings->blocklist_max;
	struct blocklist *list = list_of(c->account);
	enum stanza_error e = read_items(iq, max, &c->shard->loop.turn, &ch.items);

	if (e == ERR_COUNT && !ch.items.n)
		e = ERR_BAD_REQUEST;
	for (uint32_t i = 0; i < ch.items.n; i++)
		ch.coming += !blocklist_has(list, ch.items.items[i]);
	if (e == ERR_COUNT && ch.coming && list->n + list->coming + ch.coming > max)
		e = ERR_RESOURCE_CONSTRAINT;
	if (e != ERR_COUNT) {
		blocklist_clear(&ch.items);
		return refuse_items(c, iq, e);
	}
	list->coming += ch.coming;
	log_reports(c, iq);
	return start(c, iq, &ch);
}

static enum outcome on_unblock(struct ctx *c, const struct stanza *iq)
{
	struct change ch = { .all = xml_first(&iq->doc, stanza_payload(iq)) == NULL };
	enum stanza_error e = read_items(iq, STORE_CHANGES_MAX, &c->shard->loop.turn, &ch.items);

	if (e == ERR_COUNT)
		return start(c, iq, &ch);
	blocklist_clear(&ch.items);
	return refuse_items(c, iq, e);
}

const struct module xep0191_blocking = {
	.name = "blocking",
	.spec = "XEP-0191 1.3",
	.features = (const char *const[]){ "urn:xmpp:blocking", "urn:xmpp:reporting:1", NULL },
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_BLOCKING, TAG_BLOCKLIST, AT_OWN, on_get },
		{ IQ_SET, NS_BLOCKING, TAG_BLOCK, AT_OWN, on_block },
		{ IQ_SET, NS_BLOCKING, TAG_UNBLOCK, AT_OWN, on_unblock },
		{ 0 } },
	.space = "block",
	.load = load,
	.unload = unload,
};
