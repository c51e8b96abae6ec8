/* XEP-0160 Best Practices for Handling Offline Messages, version 1.0.1,
 * with XEP-0203 Delayed Delivery 2.0 for what is delivered later.
 *
 * A chat or normal message that no resource takes goes to the ledger; when a resource becomes
 * available with a priority that is not negative, what waits is delivered in order, and only
 * then is it taken out. Messages that come meanwhile wait behind (account.held). A reader gets
 * no more at once than half of output_bytes, so that nobody is cut off for what waited. Not stored:
 * what holds nothing but chat states (section 3), and what a hint forbids (XEP-0334). Options:
 * offline_messages of the limits. Stores: messages, in the ledger. */
#include "base/bug.h"
#include "base/clock.h"
#include "core/client.h"
#include "core/module.h"
#include "core/route.h"
#include "xmpp/datetime.h"

#include <stdlib.h>

/* Messages read at once; the next ones are read when these have been taken out. */
#define PAGE 50

/* How often a reader whose output is full is looked at again. */
#define AGAIN_MS 50

/* ---- into the ledger ---- */

static bool is_worth_storing(const struct stanza *m)
{
	const struct xml_doc *d = &m->doc;
	const struct xml_node *root = stanza_root(m);
	bool content = false;

	if (xml_child(d, root, NS_HINTS, TAG_NO_STORE))
		return false;
	for (const struct xml_node *n = xml_first(d, root); n; n = xml_next(d, n))
		content = content || (n->ns != NS_CHATSTATES && n->tag != TAG_THREAD);
	return content;
}

struct stored_ctx {
	struct stanza *message;
	struct jid account; /* in the operation */
};

static void stored(struct ledger_op *op, void *receiver)
{
	struct shard *s = receiver;
	struct stored_ctx *k = op->ctx;
	struct account *a = account_find(s, k->account);

	BUG_ON(!a || !a->storing); /* storing keeps it */
	a->storing--;
	if (op->status == STORE_OK)
		count(s, COUNT_OFFLINE_STORED);
	else
		bounce(s, k->message, ERR_SERVICE_UNAVAILABLE, STR("no more messages can be stored"));
	stanza_unref(&k->message);
	account_settle(a);
	ledger_op_free(op);
}

static bool undelivered(struct account *a, const struct stanza *message)
{
	struct shard *s = a->shard;

	if (a->guest)
		return false;
	if (!is_worth_storing(message))
		return true;
	struct ledger_op *op = ledger_op_new(&s->loop.inbox, stored, sizeof(struct stored_ctx));
	struct stored_ctx *k = op->ctx;
	k->message = stanza_ref((struct stanza *)message);
	k->account = jid_dup(&op->mem, a->jid);
	a->storing++;
	buf_reset(&s->scratch);
	stanza_write(&s->scratch, message, message->from, a->jid, NS_NONE);
	struct ledger_entry e = { .archive = jid_str(a->jid), .waits = true };
	ledger_store(s->core->ledger, op, &e, 1, ledger_id(clock_wall_us(), s->index),
		buf_str(&s->scratch), STR_NULL);
	return true;
}

/* ---- out of it ---- */

static void read_page(struct account *a);

static void taken_out(struct ledger_op *op, void *receiver)
{
	struct shard *s = receiver;
	struct account *a = account_find(s, *(struct jid *)op->ctx);

	BUG_ON(!a || !a->held);
	if (op->status == STORE_OK)
		read_page(a);
	else
		deliver_held(a);
	ledger_op_free(op);
}

static struct ledger_op *op_for(struct account *a, void (*done)(struct ledger_op *, void *))
{
	struct ledger_op *op = ledger_op_new(&a->shard->loop.inbox, done, sizeof(struct jid));

	*(struct jid *)op->ctx = jid_dup(&op->mem, a->jid);
	return op;
}

/* Who takes messages for the account: the highest priority that is not negative. */
static struct session *best_session(struct account *a)
{
	struct session *best = NULL;

	list_each(s, &a->sessions, struct session, link)
		if (session_is_available(s) && s->priority >= 0 &&
			(!best || s->priority > best->priority))
			best = s;
	return best;
}

static void deliver_one(struct session *to, const struct ledger_message *m)
{
	struct shard *s = to->account->shard;
	struct arena *turn = &s->loop.turn;
	struct stanza *st = stanza_scan(&s->scratch_table, m->bytes, turn);

	if (!st) {
		log_error(&s->log, "offline_message", F_STR("account", jid_str(to->account->jid)),
			F_STR("error", STR("what was stored is no stanza")));
		return;
	}
	buf_reset(&s->scratch);
	stanza_write_with(&s->scratch, st, st->from, st->to, NS_NONE,
		str_printf(turn, "<delay xmlns='urn:xmpp:delay' from='%.*s' stamp='%.*s'/>",
			STR_FMT(jid_domain(to->full)),
			STR_FMT(datetime_format(turn, m->stamp_us))));
	session_send_text(to, buf_str(&s->scratch));
	count(s, COUNT_OFFLINE_DELIVERED);
	stanza_unref(&st);
}

/* Whether so many bytes more leave half of the connection's output free. A stanza that is
 * larger goes out alone. */
static bool has_room(struct session *to, size_t bytes)
{
	const struct buf *out = c2s_out(&to->client->stream);

	return out->max && (!out->n || out->n + bytes <= out->max / 2);
}

/* How many of the messages were delivered. They take so many of the places. */
static size_t deliver_page(struct session *to, const struct ledger_op *op, uint64_t places[PAGE])
{
	size_t n = 0;

	for (; n < op->n_messages && has_room(to, op->messages[n].bytes.n); n++) {
		deliver_one(to, &op->messages[n]);
		places[n] = op->messages[n].place;
	}
	return n;
}

static void look_again(struct timer *t)
{
	read_page(container_of(t, struct account, again));
}

static void wait_for_room(struct account *a)
{
	timer_init(&a->again, look_again);
	timer_set(&a->shard->loop.wheel, &a->again, a->shard->loop.now, AGAIN_MS);
}

static void page_read(struct ledger_op *op, void *receiver)
{
	struct shard *s = receiver;
	struct account *a = account_find(s, *(struct jid *)op->ctx);

	BUG_ON(!a || !a->held);
	struct session *to = best_session(a);
	if (op->status != STORE_OK || !op->n_messages || !to) {
		deliver_held(a);
	} else {
		uint64_t places[PAGE];
		size_t n = deliver_page(to, op, places);
		if (n)
			ledger_drop(s->core->ledger, op_for(a, taken_out), jid_str(a->jid), places, n);
		else
			wait_for_room(a);
	}
	ledger_op_free(op);
}

static void read_page(struct account *a)
{
	ledger_read_waiting(a->shard->core->ledger, op_for(a, page_read), jid_str(a->jid), 0, PAGE);
}

static void available(struct session *s)
{
	struct account *a = s->account;

	if (a->guest || a->held)
		return;
	if (!a->storing && !ledger_waiting(a->shard->core->ledger, jid_str(a->jid)))
		return;
	a->held = true;
	read_page(a);
}

/* ---- the end of an account ---- */

static void erased(struct ledger_op *op, void *receiver)
{
	struct shard *s = receiver;

	if (op->status != STORE_OK)
		log_error(&s->log, "erase", F_STR("archive", op->archive),
			F_STR("error", STR("messages of a deleted account could not be erased")));
	ledger_op_free(op);
}

static void deleted(struct account *a)
{
	ledger_erase(a->shard->core->ledger, ledger_op_new(&a->shard->loop.inbox, erased, 0),
		jid_str(a->jid));
}

const struct module xep0160_offline = {
	.name = "offline",
	.spec = "XEP-0160 1.0.1",
	.features = (const char *const[]){ "msgoffline", NULL },
	.undelivered = undelivered,
	.available = available,
	.deleted = deleted,
};
