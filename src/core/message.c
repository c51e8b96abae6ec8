#include "core/message.h"

#include "base/bug.h"
#include "base/clock.h"
#include "core/client.h"
#include "core/module.h"
#include "core/remote.h"
#include "core/route.h"
#include "core/sm.h"
#include "store/search.h"

#include <stdlib.h>

uint64_t message_new_id(struct shard *s)
{
	uint64_t id = ledger_id(clock_wall_us(), s->index);

	if (id <= s->last_id)
		id = s->last_id + 256; /* the next microsecond */
	s->last_id = id;
	return id;
}

/* ---- handled ---- */

/* On the owner of the sender. */
static void tell_session(struct shard *s, const struct stanza *st)
{
	struct account *a = account_get(s, st->from);
	struct session *session = a ? session_find(a, jid_resource(st->from)) : NULL;

	if (session && session->sm && session->number == st->session)
		sm_handled(session->sm, st->number);
}

static void tell_sender(struct shard *s, const struct stanza *st)
{
	if (st->by_peer)
		peer_handled(s, st);
	else
		tell_session(s, st);
}

struct handled {
	struct mail mail;
	struct stanza *stanza;
};

static void handled_elsewhere(struct mail *m, void *receiver)
{
	struct handled *h = container_of(m, struct handled, mail);

	tell_sender(receiver, h->stanza);
	stanza_unref(&h->stanza);
	free(h);
}

static const struct stanza *first_of(const struct stanza *st)
{
	return st->original ? st->original : st;
}

bool message_is_awaited(const struct stanza *st)
{
	return first_of(st)->session;
}

void message_handled(struct shard *s, const struct stanza *st)
{
	st = first_of(st);
	if (!st->session || s->dead)
		return;
	struct shard *owner = st->by_peer ? remote_owner(s->core, jid_domain(st->from)) :
					    shard_of(s->core, st->from);
	if (owner == s) {
		tell_sender(s, st);
		return;
	}
	struct handled *h = xcalloc(1, sizeof *h);
	h->mail = (struct mail){ .run = handled_elsewhere, .bytes = sizeof *h };
	h->stanza = stanza_ref(st);
	shard_post(s, owner, &h->mail);
}

/* ---- keeping ---- */

unsigned account_keeps(struct account *a, const struct stanza *st, struct jid partner, bool sent)
{
	unsigned bits = 0;

	module_each(m, a->shard->core, keeps)
		bits |= m->keeps(a, st, partner, sent);
	return bits;
}

struct keeping {
	struct stanza *stanza;
	bool waits;
};

/* On the owner of the sender. */
static void kept(struct ledger_op *op, void *receiver)
{
	struct shard *s = receiver;
	struct keeping *k = op->ctx;

	if (op->status == STORE_OK) {
		if (k->waits)
			count(s, COUNT_OFFLINE_STORED);
		count(s, COUNT_KEPT);
		message_handled(s, k->stanza);
	} else { /* XEP-0160 section 2, step 3 */
		bounce(s, k->stanza, k->waits ? ERR_SERVICE_UNAVAILABLE : ERR_RESOURCE_CONSTRAINT,
			STR("the message could not be stored"));
	}
	stanza_unref(&k->stanza);
	ledger_op_free(op);
}

static struct shard *home_of(struct shard *s, const struct stanza *st)
{
	return jid_is_set(st->from) ? shard_of(s->core, st->from) : s;
}

void message_keep(struct shard *s, struct stanza *st, const struct ledger_entry *e, unsigned n,
	uint64_t id, struct str bytes, bool waits)
{
	struct ledger_op *op = shard_ledger_op(s, home_of(s, st), kept, sizeof(struct keeping));

	*(struct keeping *)op->ctx = (struct keeping){ stanza_ref(st), waits };
	ledger_store(s->core->ledger, op, e, n, id, bytes, STR(""));
	for (unsigned i = 0; s->core->search && i < n; i++)
		if (e[i].archived)
			search_news(s->core->search, e[i].archive);
}

static void kept_for_sender(struct ledger_op *op, void *receiver)
{
	ledger_op_free(op);
}

void message_keep_for_sender(struct shard *s, const struct stanza *st, struct jid to)
{
	struct ledger_entry e = { .archive = jid_bare_str(st->from), .partner = jid_bare_str(to),
		.archived = true };

	if (!st->kept_by_sender)
		return;
	buf_reset(&s->scratch);
	stanza_write(&s->scratch, st, st->from, to, NS_NONE);
	ledger_store(s->core->ledger, shard_ledger_op(s, s, kept_for_sender, 0), &e, 1,
		st->archive_id, buf_str(&s->scratch), STR(""));
	if (s->core->search)
		search_news(s->core->search, e.archive);
}

/* Writes the message to the ledger, for these archives. */
static void write_down(const struct delivery *d, const struct ledger_entry *e, unsigned n)
{
	struct account *a = d->account;
	struct stanza *st = d->stanza;
	struct shard *s = a->shard;

	buf_reset(&s->scratch);
	stanza_write(&s->scratch, st, st->from, d->to, NS_NONE);
	message_keep(s, st, e, n, st->archive_id, buf_str(&s->scratch), d->waits);
	if (d->waits)
		a->has_stored = true;
}

static struct str partner_of(const struct stanza *st)
{
	return jid_is_set(st->from) ? jid_bare_str(st->from) : STR("");
}

/* A room sends a private message to each client that its occupant has there, one after the other:
 * it is kept with the first. */
static bool is_kept_already(struct account *a, const struct stanza *st)
{
	if (!st->original)
		return false;
	if (a->last_private == st->archive_id)
		return true;
	a->last_private = st->archive_id;
	return false;
}

/* For whom it is kept. False: for nobody. */
static bool keep(const struct delivery *d)
{
	struct stanza *st = d->stanza;
	struct str archive = jid_str(d->account->jid), partner = partner_of(st);
	bool own = str_eq(partner, archive);
	struct ledger_entry e[LEDGER_ARCHIVES];
	unsigned n = 0;

	if ((d->archived || d->waits) && is_kept_already(d->account, st))
		return true;
	if (d->archived || d->waits)
		e[n++] = (struct ledger_entry){ archive, partner,
			d->archived || (own && st->kept_by_sender), d->waits };
	if (st->kept_by_sender && !(own && n))
		e[n++] = (struct ledger_entry){ partner, archive, true, false };
	if (n)
		write_down(d, e, n);
	return n;
}

/* ---- delivery ---- */

/* Of a conversation: its order counts, and it is not to be lost. */
static bool is_between_people(const struct stanza *st)
{
	return st->type == MESSAGE_CHAT || st->type == MESSAGE_NORMAL;
}

bool delivery_reached(const struct delivery *d, const struct session *s)
{
	if (d->match)
		return s == d->match;
	return d->best >= 0 && session_is_available(s) && s->priority == d->best;
}

/* Its sender needs none, and what waits for a resource to be available comes to it then. */
bool delivery_is_copied(const struct delivery *d, const struct session *s)
{
	return d->copied && s->carbons && !delivery_reached(d, s) &&
	       (!d->waits || session_is_available(s)) && !jid_eq(s->full, d->stanza->from);
}

static bool is_copied(const struct delivery *d)
{
	module_each(m, d->account->shard->core, copies)
		if (m->copies(d))
			return true;
	return false;
}

/* RFC 6121 section 8.5.2: the resources with the highest priority that is not negative. */
static int best_priority(struct account *a)
{
	int best = -1;

	list_each(s, &a->sessions, struct session, link)
		if (session_is_available(s) && s->priority > best)
			best = s->priority;
	return best;
}

/* Whether one session alone gets it, copies included. */
static bool is_alone(const struct delivery *d)
{
	unsigned n = 0;

	list_each(s, &d->account->sessions, struct session, link)
		n += delivery_reached(d, s) || delivery_is_copied(d, s);
	return n == 1;
}

static void hand_out(const struct delivery *d, unsigned flags)
{
	struct account *a = d->account;

	if (d->archived)
		flags |= SEND_ARCHIVED;
	if (is_alone(d))
		flags |= SEND_ALONE;
	list_each(s, &a->sessions, struct session, link)
		if (delivery_reached(d, s))
			session_send_as(s, d->stanza, d->to, flags);
}

static void tell_modules(const struct delivery *d)
{
	module_each(m, d->account->shard->core, delivered)
		m->delivered(d);
}

static void refuse_message(const struct delivery *d)
{
	bounce_at(d->account->shard, d->stanza, d->to, ERR_SERVICE_UNAVAILABLE, STR(""));
}

/* Delivered or not, the message is kept for whom it should be, and its sender hears of it. */
static void deliver(struct delivery *d)
{
	unsigned bits = account_keeps(d->account, d->stanza, d->stanza->from, false);
	bool reached = d->match || d->best >= 0;

	d->archived = bits & KEEP_ARCHIVED;
	d->waits = !reached && (bits & KEEP_WAITING);
	if (!reached && !bits) {
		refuse_message(d);
		return;
	}
	d->copied = is_copied(d);
	if (reached)
		hand_out(d, 0);
	bool later = keep(d);
	tell_modules(d);
	if (!later) /* last: a session that waits for this goes on, and may end */
		message_handled(d->account->shard, d->stanza);
}

struct waiting_message {
	struct waiter waiter;
	struct stanza *stanza;
	struct jid to; /* text inline */
};

static void waited(struct waiter *w, struct shard *s, struct account *a, enum store_status status)
{
	struct waiting_message *m = container_of(w, struct waiting_message, waiter);

	if (a)
		message_deliver(a, m->stanza, m->to);
	else
		bounce_at(s, m->stanza, m->to, ERR_SERVICE_UNAVAILABLE, STR(""));
	stanza_unref(&m->stanza);
	free(m);
}

/* While offline messages are being read, new ones wait behind them, whatever resource they are
 * for, so that order holds: as many as fit into the output beside what is in it then. */
static void wait_behind_offline(struct account *a, struct stanza *st, struct jid to)
{
	uint32_t max = a->shard->settings->max_out / 4;
	struct str text = jid_str(to);

	if (a->n_waiting >= ACCOUNT_WAITING_MAX ||
		(a->waiting_bytes && a->waiting_bytes + st->doc.n_bytes > max)) {
		bounce_at(a->shard, st, to, ERR_RESOURCE_CONSTRAINT,
			STR("the recipient is behind"));
		return;
	}
	struct waiting_message *m = xcalloc(1, sizeof *m + text.n);
	memcpy(m + 1, text.p, text.n);
	m->waiter.run = waited;
	m->stanza = stanza_ref(st);
	m->to = to;
	m->to.p = (char *)(m + 1);
	a->n_waiting++;
	a->waiting_bytes += st->doc.n_bytes;
	list_add(&a->waiting, &m->waiter.link);
}

/* A message for the account as such. */
static void deliver_to_person(struct account *a, struct stanza *st, struct jid to)
{
	struct delivery d = { .account = a, .stanza = st, .to = to, .best = best_priority(a) };
	deliver(&d);
}

static void deliver_to_all(struct account *a, struct stanza *st, struct jid to)
{
	list_each(s, &a->sessions, struct session, link)
		if (session_is_available(s) && s->priority >= 0)
			session_send(s, st, to);
}

/* The room keeps it, and sends it to each client. A room has many: nobody else is asked. */
static void deliver_from_room(const struct delivery *d)
{
	session_send(d->match, d->stanza, d->to);
	tell_modules(d);
	message_handled(d->account->shard, d->stanza);
}

/* RFC 6121 section 8.5.4, table 1. */
void message_deliver(struct account *a, struct stanza *st, struct jid to)
{
	bool bare = jid_is_bare(to);
	struct session *match = bare ? NULL : session_find(a, jid_resource(to));
	struct delivery d = { .account = a, .stanza = st, .to = to, .match = match, .best = -1 };

	if (a->held && is_between_people(st)) {
		wait_behind_offline(a, st, to);
		return;
	}
	if (match && st->type == MESSAGE_GROUPCHAT) {
		deliver_from_room(&d);
		return;
	}
	if (match) {
		deliver(&d);
		return;
	}
	switch ((enum stanza_type)st->type) {
	case MESSAGE_CHAT:
		deliver_to_person(a, st, to);
		break;
	case MESSAGE_NORMAL:
		if (bare)
			deliver_to_person(a, st, to);
		else
			refuse_message(&d);
		break;
	case MESSAGE_GROUPCHAT:
		refuse_message(&d);
		break;
	case MESSAGE_HEADLINE:
		if (bare)
			deliver_to_all(a, st, to);
		break;
	default: /* an error for nobody is dropped */
		break;
	}
}

void message_release_held(struct account *a)
{
	a->held = false;
	a->waiting_bytes = 0;
	if (a->gone) {
		account_settle(a);
		return;
	}
	while (!list_empty(&a->waiting) && !a->held) {
		struct waiter *w = list_first(&a->waiting, struct waiter, link);
		list_del(&w->link);
		a->n_waiting--;
		w->run(w, a->shard, a, STORE_OK);
	}
}

/* ---- what the modules say ---- */

/* A message that does not pass ends here. */
static void stop(struct shard *s, const struct stanza *st, enum passage p,
	const struct stanza_refusal *why)
{
	if (p == TURNED_BACK)
		bounce_with(s, st, why);
	else
		message_handled(s, st);
}

static enum passage judge_sent(struct session *s, struct stanza **st, struct stanza_refusal *why)
{
	module_each(m, s->account->shard->core, message_sent) {
		enum passage p = m->message_sent(s, st, why);
		if (p != PASSES)
			return p;
	}
	return PASSES;
}

static enum passage judge_entered(struct shard *s, struct stanza **st, struct stanza_refusal *why)
{
	module_each(m, s->core, message_entered) {
		enum passage p = m->message_entered(s, st, why);
		if (p != PASSES)
			return p;
	}
	return PASSES;
}

static enum passage judge_arriving(struct account *a, struct stanza **st, struct jid to,
	struct stanza_refusal *why)
{
	module_each(m, a->shard->core, message_arrives) {
		enum passage p = m->message_arrives(a, st, to, why);
		if (p != PASSES)
			return p;
	}
	return PASSES;
}

bool message_is_of_room(const struct stanza *st)
{
	return st->type == MESSAGE_GROUPCHAT || (st->kind == STANZA_MESSAGE &&
		!jid_is_bare(st->from) &&
		xml_child(&st->doc, stanza_root(st), NS_MUC_USER, TAG_X));
}

/* A room is told nothing: it would take an error as a sign that its occupant is gone. */
void message_arrive(struct account *a, struct stanza *st, struct jid to)
{
	struct stanza_refusal why = { .at = to };

	stanza_ref(st);
	enum passage p = judge_arriving(a, &st, to, &why);
	if (p == PASSES)
		message_deliver(a, st, to);
	else
		stop(a->shard, st, message_is_of_room(st) ? DROPPED : p, &why);
	stanza_unref(&st);
}

/* a: whose archive may keep it, or NULL. */
static void enter(struct shard *s, struct account *a, struct stanza *st)
{
	struct stanza_refusal why = { 0 };

	stanza_ref(st);
	enum passage p = judge_entered(s, &st, &why);
	if (p == PASSES) {
		st->archive_id = message_new_id(s);
		st->kept_by_sender = a && (account_keeps(a, st, st->to, true) & KEEP_ARCHIVED);
		route(s, st);
	} else {
		stop(s, st, p, &why);
	}
	stanza_unref(&st);
}

void message_enter(struct shard *s, struct stanza *st)
{
	enter(s, NULL, st);
}

void message_enter_for(struct account *a, struct stanza *st)
{
	enter(a->shard, a, st);
}

/* ---- out ---- */

/* Its session has seen the end of a message that does not go out, by the host that refuses it. */
static void stop_sent(struct session *s, const struct stanza *st, enum passage p,
	struct stanza_refusal *why)
{
	struct shard *shard = s->account->shard;

	if (s->sm)
		sm_take(s->sm, false);
	why->by = jid_make(&shard->loop.turn, STR(""), jid_domain(s->account->jid), STR(""));
	stop(shard, st, p, why);
}

static void send_on(struct session *s, struct stanza *st)
{
	struct account *a = s->account;
	struct shard *shard = a->shard;
	struct jid to = jid_is_set(st->to) ? st->to : a->jid;

	st->archive_id = message_new_id(shard);
	st->kept_by_sender = account_keeps(a, st, to, true) & KEEP_ARCHIVED;
	if (s->sm) {
		bool later = is_between_people(st) || st->type == MESSAGE_GROUPCHAT;
		st->session = later ? s->number : 0;
		st->number = sm_take(s->sm, later);
	}
	module_each(m, shard->core, message_leaves)
		m->message_leaves(s, st);
	route_to(shard, st, to);
}

void message_send(struct session *s, struct stanza *st)
{
	struct stanza_refusal why = { 0 };

	stanza_ref(st);
	enum passage p = judge_sent(s, &st, &why);
	if (p == PASSES)
		send_on(s, st);
	else
		stop_sent(s, st, p, &why);
	stanza_unref(&st);
}

/* ---- after a session ---- */

static void done(struct ledger_op *op, void *receiver)
{
	ledger_op_free(op);
}

void message_undelivered(struct account *a, struct stanza *st, struct jid to, unsigned flags)
{
	struct delivery d = { .account = a, .stanza = st, .to = to, .best = best_priority(a) };

	if (st->place) { /* it goes on waiting */
		a->taken--;
		a->has_stored = true;
		return;
	}
	if (!(flags & SEND_ALONE) || !is_between_people(st))
		return;
	d.archived = flags & SEND_ARCHIVED;
	if (d.best >= 0) {
		hand_out(&d, SEND_DELAYED);
		return;
	}
	if (!(account_keeps(a, st, st->from, false) & KEEP_WAITING))
		return;
	a->has_stored = true;
	if (!d.archived) { /* its sender's archive has it since it was sent */
		d.waits = true;
		struct ledger_entry e = { jid_str(a->jid), partner_of(st), false, true };
		write_down(&d, &e, 1);
		return;
	}
	struct ledger_op *op = shard_ledger_op(a->shard, a->shard, done, 0);
	ledger_wait(a->shard->core->ledger, op, jid_str(a->jid), &st->archive_id, 1);
}

void message_arrived(struct account *a, const uint64_t *places, size_t n)
{
	struct str archive = jid_str(a->jid);

	BUG_ON(a->taken < n);
	a->taken -= (uint32_t)n;
	while (n) {
		size_t some = n < LEDGER_IDS_MAX ? n : LEDGER_IDS_MAX;
		struct ledger_op *op = shard_ledger_op(a->shard, a->shard, done, 0);
		ledger_drop(a->shard->core->ledger, op, archive, places, some);
		places += some;
		n -= some;
	}
}
