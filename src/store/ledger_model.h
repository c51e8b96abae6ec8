/* For the tests that crash a ledger: random operations, and what must and what may be there
 * afterwards.
 *
 * A message may be in a history, or wait, from the moment it is handed over, and must from the
 * moment that comes home; it need not from the moment that its dropping or erasing is handed over,
 * and must not once that is home. The last operation that was handed over for it has the say. The
 * model holds no pointers, so that it can lie in memory that two processes share. */
#ifndef STORE_LEDGER_MODEL_H
#define STORE_LEDGER_MODEL_H

#include "store/ledger_testing.h"

#define MODEL_ARCHIVES 6
#define MODEL_MESSAGES 6000
#define MODEL_NAMED    6    /* messages that an operation names */

/* A thing that holds or does not, as far as is known. */
struct model_fact {
	bool may, must;
	uint32_t op; /* the last that was handed over for it */
};

struct model_message {
	unsigned n; /* archives */
	struct model_entry {
		unsigned archive;
		struct model_fact history, waits;
		bool erased;
	} e[LEDGER_ARCHIVES];
	uint64_t id, place;             /* 0: not known yet */
	unsigned text, text_sent;       /* how often it has been replaced, at least and at most */
};

struct model {
	struct model_message messages[MODEL_MESSAGES];
	unsigned n;
	uint32_t op;
	bool alone; /* the operation that is out wants no other beside it */
	uint64_t random;
	uint64_t home; /* operations */
};

struct model_op {
	struct model *m;
	uint32_t op;
	unsigned archive;
	unsigned upto;  /* all messages before this one, and */
	unsigned named[MODEL_NAMED], n;
};

static inline uint32_t model_random(struct model *m, uint32_t below)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return (uint32_t)(m->random >> 32) % below;
}

static inline void model_init(struct model *m, uint64_t seed)
{
	memset(m, 0, sizeof *m);
	m->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static inline char *model_name(unsigned archive, char out[32])
{
	snprintf(out, 32, "archive-%u@example.org", archive);
	return out;
}

/* What stands in a message; the rest of it is filling. */
static inline size_t model_text(unsigned message, unsigned times, char out[32])
{
	return (size_t)snprintf(out, 32, "<%u:%u>", message, times);
}

static inline struct model_entry *model_entry(struct model *m, unsigned message, unsigned archive)
{
	struct model_message *x = &m->messages[message];

	for (unsigned i = 0; i < x->n; i++)
		if (x->e[i].archive == archive)
			return &x->e[i];
	return NULL;
}

/* Calls back for each message of the archive that the operation is about. */
static inline void model_each(struct model_op *o, void (*each)(struct model_op *o,
	struct model_entry *e))
{
	for (unsigned i = 0; i < o->upto + o->n; i++) {
		unsigned k = i < o->upto ? i : o->named[i - o->upto];
		struct model_entry *e = model_entry(o->m, k, o->archive);
		if (e)
			each(o, e);
	}
}

/* Handed over: it need not hold any more. Home: it does not. */
static inline void model_out(struct model_fact *f, uint32_t op)
{
	f->must = false;
	f->op = op;
}

static inline void model_gone(struct model_fact *f, uint32_t op)
{
	if (f->op == op)
		f->may = false;
}

/* The same the other way round. */
static inline void model_in(struct model_fact *f, uint32_t op)
{
	f->may = true;
	f->op = op;
}

static inline void model_there(struct model_fact *f, uint32_t op)
{
	if (f->op == op)
		f->must = f->may;
}

static inline void model_drop_out(struct model_op *o, struct model_entry *e)
{
	model_out(&e->waits, o->op);
}

static inline void model_drop_home(struct model_op *o, struct model_entry *e)
{
	model_gone(&e->waits, o->op);
}

static inline void model_wait_out(struct model_op *o, struct model_entry *e)
{
	model_in(&e->waits, o->op);
}

static inline void model_wait_home(struct model_op *o, struct model_entry *e)
{
	model_there(&e->waits, o->op);
}

static inline void model_erase_out(struct model_op *o, struct model_entry *e)
{
	model_out(&e->waits, o->op);
	model_out(&e->history, o->op);
}

static inline void model_erase_home(struct model_op *o, struct model_entry *e)
{
	model_gone(&e->waits, o->op);
	model_gone(&e->history, o->op);
	e->erased = true;
}

static inline void model_store_home(struct model_op *o, struct ledger_op *op)
{
	struct model_message *x = &o->m->messages[o->named[0]];

	x->place = op->place;
	for (unsigned i = 0; i < x->n; i++) {
		model_there(&x->e[i].history, o->op);
		model_there(&x->e[i].waits, o->op);
	}
}

static inline void model_done(struct ledger_op *op, void *receiver)
{
	struct model_op *o = op->ctx;

	assert_int_equal(op->status, STORE_OK);
	if (op->kind == LEDGER_STORE)
		model_store_home(o, op);
	else if (op->kind == LEDGER_WAIT)
		model_each(o, model_wait_home);
	else if (op->kind == LEDGER_ERASE)
		model_each(o, model_erase_home);
	else if (op->kind == LEDGER_REPLACE)
		o->m->messages[o->named[0]].text = o->m->messages[o->named[0]].text_sent;
	else
		model_each(o, model_drop_home);
	o->m->home++;
	rig_done(op, receiver);
}

/* Some bytes that begin with the text. */
static inline struct str model_bytes(struct model *m, unsigned message, unsigned times,
	char text[400])
{
	memset(text, '.', 400);
	size_t n = model_text(message, times, text);
	text[n] = '.';
	return str_from(text, n + model_random(m, 300));
}

/* To an archive, or to two. The first archive gets no more than 20, so that old segments stay. */
static inline void model_store(struct model *m, struct rig *r, struct ledger_op *op)
{
	struct model_op *o = op->ctx;
	const unsigned k = m->n++;
	struct model_message *x = &m->messages[k];
	struct ledger_entry e[LEDGER_ARCHIVES];
	char text[400], names[2][32];

	o->named[0] = k;
	x->n = 1 + model_random(m, 2);
	x->id = ledger_id(1000000000 + k * 3000 - 3000 * model_random(m, 8), k);
	unsigned archive = (k < 20 ? 0 : 1) + model_random(m, MODEL_ARCHIVES - 1);
	for (unsigned i = 0; i < x->n; i++) {
		x->e[i].archive = i && archive + 1 == MODEL_ARCHIVES ? 1 : archive + i;
		bool archived = model_random(m, 4), waits = !archived || model_random(m, 2);
		x->e[i].history = (struct model_fact){ .may = archived, .op = o->op };
		x->e[i].waits = (struct model_fact){ .may = waits, .op = o->op };
		e[i] = (struct ledger_entry){ .archive = str_c(model_name(x->e[i].archive,
			names[i])), .archived = archived, .waits = waits };
	}
	e[0].partner = x->n == 2 ? e[1].archive : STR_NULL;
	e[1].partner = e[0].archive;
	struct str bytes = model_bytes(m, k, 0, text);
	ledger_store(r->l, op, e, x->n, x->id, str_head(bytes, 10), str_skip(bytes, 10));
}

/* Names some messages of the archive whose places are known. With their history, if told to. */
static inline void model_choose(struct model *m, struct model_op *o, unsigned most, bool history)
{
	for (int i = 0; m->n && o->n < most && i < 40; i++) {
		unsigned back = model_random(m, 2) ? 30 : m->n;
		unsigned k = m->n - 1 - model_random(m, back < m->n ? back : m->n);
		struct model_entry *e = model_entry(m, k, o->archive);
		bool named = !e || !m->messages[k].place || (history && !e->history.must);
		for (unsigned j = 0; j < o->n; j++)
			named = named || o->named[j] == k;
		if (!named)
			o->named[o->n++] = k;
	}
}

static inline void model_drop(struct model *m, struct rig *r, struct ledger_op *op)
{
	struct model_op *o = op->ctx;
	uint64_t places[MODEL_NAMED];
	char name[32];

	model_choose(m, o, MODEL_NAMED, false);
	model_each(o, model_drop_out);
	for (unsigned i = 0; i < o->n; i++)
		places[i] = m->messages[o->named[i]].place;
	ledger_drop(r->l, op, str_c(model_name(o->archive, name)), places, o->n);
}

static inline void model_wait(struct model *m, struct rig *r, struct ledger_op *op)
{
	struct model_op *o = op->ctx;
	uint64_t ids[MODEL_NAMED];
	char name[32];

	model_choose(m, o, MODEL_NAMED, true);
	model_each(o, model_wait_out);
	for (unsigned i = 0; i < o->n; i++)
		ids[i] = m->messages[o->named[i]].id;
	ledger_wait(r->l, op, str_c(model_name(o->archive, name)), ids, o->n);
}

/* False: there is none to be replaced. */
static inline bool model_replace(struct model *m, struct rig *r, struct ledger_op *op)
{
	struct model_op *o = op->ctx;
	char text[400], name[32];

	model_choose(m, o, 1, true);
	if (!o->n)
		return false;
	struct model_message *x = &m->messages[o->named[0]];
	x->text_sent++;
	ledger_replace(r->l, op, str_c(model_name(o->archive, name)), x->id,
		model_bytes(m, o->named[0], x->text_sent, text));
	return true;
}

static inline void model_all(struct model *m, struct rig *r, struct ledger_op *op,
	enum ledger_kind kind)
{
	struct model_op *o = op->ctx;
	char name[32];

	o->upto = m->n;
	model_each(o, kind == LEDGER_ERASE ? model_erase_out : model_drop_out);
	if (kind == LEDGER_ERASE)
		ledger_erase(r->l, op, str_c(model_name(o->archive, name)));
	else
		ledger_drop_all(r->l, op, str_c(model_name(o->archive, name)));
}

/* Takes what has come home, waiting while more than so many are out. */
static inline void model_take(struct rig *r, unsigned out)
{
	mailbox_run(&r->home, r);
	while (r->out > out) {
		if (mailbox_sleep(&r->home)) {
			struct pollfd p = { r->home.fd, POLLIN, 0 };
			assert_true(poll(&p, 1, 60000) > 0);
			mailbox_awake(&r->home, true);
		}
		mailbox_run(&r->home, r);
	}
}

/* Hands over one operation. False when the model is full. */
static inline bool model_step_kind(struct model *m, struct rig *r, enum ledger_kind kind)
{
	/* These two look for something first, and may be overtaken meanwhile. */
	bool alone = kind == LEDGER_WAIT || kind == LEDGER_REPLACE;

	if (m->n == MODEL_MESSAGES)
		return false;
	if (alone || m->alone)
		model_take(r, 0);
	m->alone = alone;
	struct ledger_op *op = ledger_op_new(&r->home, model_done, sizeof(struct model_op));
	struct model_op *o = op->ctx;
	*o = (struct model_op){ .m = m, .op = ++m->op,
		.archive = 1 + model_random(m, MODEL_ARCHIVES - 1) };
	r->out++;
	if (kind == LEDGER_STORE) {
		model_store(m, r, op);
	} else if (kind == LEDGER_DROP) {
		model_drop(m, r, op);
	} else if (kind == LEDGER_WAIT) {
		model_wait(m, r, op);
	} else if (kind != LEDGER_REPLACE) {
		model_all(m, r, op, kind);
	} else if (!model_replace(m, r, op)) {
		ledger_op_free(op);
		r->out--;
	}
	return true;
}

static inline bool model_step(struct model *m, struct rig *r)
{
	static const struct { uint32_t below; enum ledger_kind kind; } table[] = {
		{ 85, LEDGER_STORE }, { 91, LEDGER_DROP }, { 93, LEDGER_DROP_ALL },
		{ 96, LEDGER_WAIT }, { 99, LEDGER_REPLACE }, { 100, LEDGER_ERASE } };
	uint32_t dice = model_random(m, 100);
	unsigned i = 0;

	while (dice >= table[i].below)
		i++;
	return model_step_kind(m, r, table[i].kind);
}

/* Message k as it was found, in a history or among those that wait. */
static inline void model_found(struct model *m, unsigned k, const struct ledger_message *got)
{
	struct model_message *x = &m->messages[k];
	unsigned message, times;
	char text[32];

	snprintf(text, sizeof text, "%.*s", (int)(got->bytes.n < 31 ? got->bytes.n : 31),
		got->bytes.p);
	if (sscanf(text, "<%u:%u>", &message, &times) != 2 || message != k ||
		times < x->text || times > x->text_sent)
		fail_msg("message %u is \"%s\"; %u to %u", k, text, x->text, x->text_sent);
	assert_true(!x->place || x->place == got->place);
	assert_true(x->id == got->id);
	x->place = got->place;
	x->text = x->text_sent = times;
}

/* Holds a list of messages to the facts, and makes them what was found. */
static inline void model_check_list(struct model *m, unsigned archive, bool history,
	const struct ledger_message *got, size_t n)
{
	size_t i = 0;

	for (unsigned k = 0; k < m->n; k++) {
		struct model_entry *e = model_entry(m, k, archive);
		if (!e)
			continue;
		struct model_fact *f = history ? &e->history : &e->waits;
		bool is = i < n && got[i].id == m->messages[k].id;
		if (is && !f->may)
			fail_msg("archive %u: message %u should be gone%s", archive, k,
				history ? " from history" : "");
		if (!is && f->must)
			fail_msg("archive %u: message %u is lost%s", archive, k,
				history ? " from history" : "");
		if (is)
			model_found(m, k, &got[i++]);
		f->may = f->must = is;
	}
	if (i < n)
		fail_msg("archive %u: message %zu has no business here, or not again: %.*s",
			archive, i, 20, got[i].bytes.p);
}

static inline void model_check_waiting(struct model *m, struct rig *r, unsigned archive)
{
	char name[32];
	struct ledger_op *op = rig_read(r, model_name(archive, name), UINT32_MAX);

	assert_int_equal(op->status, STORE_OK);
	assert_int_equal(ledger_waiting(r->l, str_c(name)), op->n_messages);
	model_check_list(m, archive, false, op->messages, op->n_messages);
}

/* Page by page, from one end or the other. */
static inline void model_check_history(struct model *m, struct rig *r, unsigned archive)
{
	static struct ledger_message all[MODEL_MESSAGES];
	struct arena mem;
	char name[32];
	size_t n = 0;
	struct ledger_query q = { .max = 1 + model_random(m, 200), .newest = model_random(m, 2) };
	struct ledger_op *op;

	arena_init(&mem, 1 << 16);
	do {
		ledger_query(r->l, rig_op(r), str_c(model_name(archive, name)), &q);
		op = rig_wait(r);
		assert_int_equal(op->status, STORE_OK);
		assert_true(n + op->n_messages <= MODEL_MESSAGES);
		assert_true(op->complete || op->n_messages == q.max);
		size_t at = q.newest ? 0 : n;
		memmove(all + op->n_messages, all, q.newest ? n * sizeof *all : 0);
		for (size_t i = 0; i < op->n_messages; i++) {
			all[at + i] = op->messages[i];
			all[at + i].bytes = str_dup(&mem, op->messages[i].bytes);
		}
		n += op->n_messages;
		q.after = q.newest || !n ? 0 : all[n - 1].id;
		q.before = q.newest && n ? all[0].id : 0;
	} while (!op->complete);
	if (op->total_known)
		assert_int_equal(op->total, n);
	model_check_list(m, archive, true, all, n);
	arena_clear(&mem);
}

/* The messages with another archive are those of the history that both have. */
static inline void model_check_talk(struct model *m, struct rig *r, unsigned archive,
	unsigned partner)
{
	char name[32], with[32];
	struct ledger_query q = { .max = UINT32_MAX,
		.with = str_c(model_name(partner, with)) };
	unsigned n = 0;

	ledger_query(r->l, rig_op(r), str_c(model_name(archive, name)), &q);
	struct ledger_op *op = rig_wait(r);
	assert_int_equal(op->status, STORE_OK);
	for (unsigned k = 0; k < m->n; k++) {
		struct model_entry *e = model_entry(m, k, archive);
		if (!e || !e->history.must || !model_entry(m, k, partner))
			continue;
		assert_true(n < op->n_messages && op->messages[n].id == m->messages[k].id);
		n++;
	}
	assert_int_equal(n, op->n_messages);
}

/* Holds what is there to the model; nothing is out, or all that was has been lost in a crash. */
static inline void model_check(struct model *m, struct rig *r)
{
	for (unsigned k = 0; k < MODEL_ARCHIVES; k++) {
		model_check_waiting(m, r, k);
		model_check_history(m, r, k);
		model_check_talk(m, r, k, (k + 1 + model_random(m, MODEL_ARCHIVES - 1)) %
			MODEL_ARCHIVES);
	}
	m->alone = false;
}

#endif
