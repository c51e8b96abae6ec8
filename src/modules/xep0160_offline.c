/* XEP-0160 Best Practices for Handling Offline Messages, version 1.0.1,
 * with XEP-0203 Delayed Delivery 2.0 for what is delivered later.
 *
 * A chat or normal message that no resource takes goes to the ledger; when a resource becomes
 * available with a priority that is not negative, what waits is delivered in order, and taken
 * out once it was written, or, with XEP-0198, acknowledged. Messages that come meanwhile wait
 * behind (account.held). A reader gets
 * no more at once than half of output_bytes, so that nobody is cut off for what waited. Not stored:
 * what holds nothing but chat states (section 3), and what a hint forbids (XEP-0334). Options:
 * offline_messages of the limits. Stores: messages, in the ledger. */
#include "base/bug.h"
#include "core/block.h"
#include "core/client.h"
#include "core/message.h"
#include "core/module.h"
#include "core/sm.h"

#include <stdlib.h>

/* Messages read at once. */
#define PAGE 50

/* How often a reader whose output is full is looked at again. */
#define AGAIN_MS 50

/* ---- into the ledger ---- */

/* Chat states, and what stands beside them (section 3, XEP-0334, XEP-0359), say nothing later. */
static bool is_content(const struct xml_node *n)
{
	switch (n->ns) {
	case NS_CHATSTATES:
	case NS_SID:
		return false;
	case NS_HINTS:
		return n->tag == TAG_STORE;
	default:
		return n->tag != TAG_THREAD;
	}
}

static bool is_worth_storing(const struct stanza *m)
{
	const struct xml_doc *d = &m->doc;
	const struct xml_node *root = stanza_root(m);
	bool content = false;

	if (xml_child(d, root, NS_HINTS, TAG_NO_STORE))
		return false;
	for (const struct xml_node *n = xml_first(d, root); n; n = xml_next(d, n))
		content = content || is_content(n);
	return content;
}

static unsigned keeps(struct account *a, const struct stanza *m, struct jid partner, bool sent)
{
	if (sent || a->guest || (m->type != MESSAGE_CHAT && m->type != MESSAGE_NORMAL))
		return 0;
	return is_worth_storing(m) ? KEEP_WAITING : KEEP_NOTHING;
}

/* ---- out of it ---- */

/* A page that has been asked for: behind which place. */
struct page_ctx {
	struct jid account; /* in the operation */
	uint64_t after;
};

static void read_page(struct account *a, uint64_t after);

/* Who takes messages for the account: the highest priority that is not negative. */
static struct session *best_session(struct account *a)
{
	struct session *best = NULL;

	list_each(s, &a->sessions, struct session, link)
		if (session_is_available(s) && session_is_connected(s) && s->priority >= 0 &&
			(!best || s->priority > best->priority))
			best = s;
	return best;
}

/* It waits no longer, as if it had been delivered. */
static void pass_over(struct session *to, const struct ledger_message *m)
{
	if (!to->sm)
		return; /* taken() sees to the whole page */
	to->account->taken++;
	message_arrived(to->account, &m->place, 1);
}

/* With XEP-0198 a message waits on until the client has acknowledged it. */
static void deliver_one(struct session *to, const struct ledger_message *m)
{
	struct shard *s = to->account->shard;
	struct stanza *st = stanza_scan(&s->scratch_table, m->bytes, &s->loop.turn);

	if (!st) {
		log_error(&s->log, "offline_message", F_STR("account", jid_str(to->account->jid)),
			F_STR("error", STR("what was stored is no stanza")));
		return;
	}
	if (account_blocks(to->account, st->from)) { /* since it came */
		pass_over(to, m);
		stanza_unref(&st);
		return;
	}
	st->archive_id = m->id;
	if (to->sm) {
		st->place = m->place;
		to->account->taken++;
	}
	bool archived = account_keeps(to->account, st, st->from, false) & KEEP_ARCHIVED;
	session_send_as(to, st, st->to, SEND_DELAYED | (archived ? SEND_ARCHIVED : 0));
	count(s, COUNT_OFFLINE_DELIVERED);
	stanza_unref(&st);
}

/* How many of the messages were delivered. */
static size_t deliver_page(struct session *to, const struct ledger_op *op)
{
	size_t n = 0;

	while (n < op->n_messages && session_has_room(to, op->messages[n].bytes.n))
		deliver_one(to, &op->messages[n++]);
	return n;
}

static void look_again(struct timer *t)
{
	struct account *a = container_of(t, struct account, again);

	read_page(a, a->read_upto);
}

static void wait_for_room(struct account *a, uint64_t after)
{
	a->read_upto = after;
	timer_init(&a->again, look_again);
	timer_set(&a->shard->loop.wheel, &a->again, a->shard->loop.now, AGAIN_MS);
}

/* Without XEP-0198 what has been written to the connection has arrived as far as anybody can
 * tell. */
static void taken(struct session *to, const struct ledger_op *op, size_t n)
{
	uint64_t places[PAGE];

	if (to->sm)
		return;
	for (size_t i = 0; i < n; i++)
		places[i] = op->messages[i].place;
	to->account->taken += (uint32_t)n;
	message_arrived(to->account, places, n);
}

static void page_read(struct ledger_op *op, void *receiver)
{
	struct shard *s = receiver;
	struct page_ctx *page = op->ctx;
	struct account *a = account_find(s, page->account);

	BUG_ON(!a || !a->held);
	struct session *to = best_session(a);
	if (op->status != STORE_OK || !op->n_messages || !to) {
		message_release_held(a);
	} else {
		size_t n = deliver_page(to, op);
		taken(to, op, n);
		if (n)
			read_page(a, op->messages[n - 1].place);
		else
			wait_for_room(a, page->after);
	}
	ledger_op_free(op);
}

static void read_page(struct account *a, uint64_t after)
{
	struct ledger_op *op = shard_ledger_op(a->shard, a->shard, page_read,
		sizeof(struct page_ctx));
	struct page_ctx *page = op->ctx;

	page->account = jid_dup(&op->mem, a->jid);
	page->after = after;
	ledger_read_waiting(a->shard->core->ledger, op, jid_str(a->jid), after, PAGE);
}

/* XEP-0013 section 2.2: a session that reads by itself is there. */
static bool somebody_reads(const struct account *a)
{
	list_each(s, &a->sessions, struct session, link)
		if (s->reads_offline)
			return true;
	return false;
}

/* What another session has taken and not acknowledged is its own until it ends. */
static void available(struct session *s)
{
	struct account *a = s->account;

	if (a->guest || a->held || a->taken || somebody_reads(a))
		return;
	if (!a->has_stored && !ledger_waiting(a->shard->core->ledger, jid_str(a->jid)))
		return;
	a->held = true;
	a->has_stored = false;
	read_page(a, 0);
}

const struct module xep0160_offline = {
	.name = "offline",
	.spec = "XEP-0160 1.0.1",
	.features = (const char *const[]){ "msgoffline", NULL },
	.keeps = keeps,
	.available = available,
};
