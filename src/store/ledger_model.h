/* For the tests that crash a ledger: random operations, and what must and what may be there
 * afterwards.
 *
 * A message may wait from the moment it is handed over, and must from the moment that comes
 * home; it need not from the moment that its dropping is handed over, and must not once that
 * is home. The model holds no pointers, so that it can lie in memory that two processes
 * share. */
#ifndef STORE_LEDGER_MODEL_H
#define STORE_LEDGER_MODEL_H

#include "store/ledger_testing.h"

#define MODEL_ARCHIVES 6
#define MODEL_MESSAGES 4096 /* of one archive */

struct model {
	struct model_archive {
		struct { bool may, must, erased; uint64_t id; } messages[MODEL_MESSAGES];
		unsigned n, dropped; /* those before `dropped` have been handed over for it */
	} archives[MODEL_ARCHIVES];
	uint64_t random;
	uint64_t home; /* operations */
};

struct model_op {
	struct model *m;
	unsigned archive, upto; /* the message, or all before this one */
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
static inline size_t model_text(unsigned archive, unsigned message, char out[32])
{
	return (size_t)snprintf(out, 32, "<%u:%u>", archive, message);
}

static inline void model_done(struct ledger_op *op, void *receiver)
{
	struct model_op *x = op->ctx;
	struct model_archive *a = &x->m->archives[x->archive];

	if (op->status == STORE_OK && op->kind == LEDGER_STORE) {
		a->messages[x->upto].id = op->place;
		a->messages[x->upto].must = x->upto >= a->dropped;
	}
	for (unsigned i = 0; op->status == STORE_OK && op->kind != LEDGER_STORE && i < x->upto; i++) {
		a->messages[i].may = false;
		a->messages[i].erased = a->messages[i].erased || op->kind == LEDGER_ERASE;
	}
	x->m->home++;
	rig_done(op, receiver);
}

static inline void model_store(struct model *m, struct rig *r, struct ledger_op *op)
{
	struct model_op *x = op->ctx;
	struct model_archive *a = &m->archives[x->archive];
	char text[400], name[32];
	size_t n;

	memset(text, '.', sizeof text);
	x->upto = a->n++;
	n = model_text(x->archive, x->upto, text);
	text[n] = '.';
	a->messages[x->upto].may = true;
	rig_put(r, op, str_c(model_name(x->archive, name)),
		str_from(text, n + model_random(m, 300)));
}

/* Drops what is home, or a part of it, or all with what is on its way. */
static inline void model_drop(struct model *m, struct rig *r, struct ledger_op *op)
{
	struct model_op *x = op->ctx;
	struct model_archive *a = &m->archives[x->archive];
	char name[32];

	x->upto = a->n;
	for (unsigned i = 0; i < x->upto; i++)
		a->messages[i].must = false;
	if (a->dropped < x->upto)
		a->dropped = x->upto;
	ledger_drop_all(r->l, op, str_c(model_name(x->archive, name)));
}

static inline void model_erase(struct model *m, struct rig *r, struct ledger_op *op)
{
	struct model_op *x = op->ctx;
	struct model_archive *a = &m->archives[x->archive];
	char name[32];

	x->upto = a->dropped = a->n;
	for (unsigned i = 0; i < x->upto; i++)
		a->messages[i].must = false;
	ledger_erase(r->l, op, str_c(model_name(x->archive, name)));
}

/* Hands over one operation. False when the model is full. */
static inline bool model_step_kind(struct model *m, struct rig *r, enum ledger_kind kind)
{
	struct ledger_op *op = ledger_op_new(&r->home, model_done, sizeof(struct model_op));
	struct model_op *x = op->ctx;

	/* The first archive keeps what it has, so that old segments stay. */
	*x = (struct model_op){ .m = m, .archive = model_random(m, MODEL_ARCHIVES) };
	if (x->archive == 0 && (kind != LEDGER_STORE || m->archives[0].n > 20))
		x->archive = 1;
	if (m->archives[x->archive].n == MODEL_MESSAGES) {
		ledger_op_free(op);
		return false;
	}
	r->out++;
	if (kind == LEDGER_STORE)
		model_store(m, r, op);
	else if (kind == LEDGER_DROP_ALL)
		model_drop(m, r, op);
	else
		model_erase(m, r, op);
	return true;
}

static inline bool model_step(struct model *m, struct rig *r)
{
	uint32_t dice = model_random(m, 100);

	return model_step_kind(m, r, dice < 90 ? LEDGER_STORE
		: dice < 99 ? LEDGER_DROP_ALL : LEDGER_ERASE);
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

static inline void model_check_archive(struct model *m, struct rig *r, unsigned archive)
{
	struct model_archive *a = &m->archives[archive];
	char name[32], text[32];
	struct ledger_op *op = rig_read(r, model_name(archive, name), UINT32_MAX);
	unsigned i = 0;

	assert_int_equal(op->status, STORE_OK);
	assert_int_equal(ledger_waiting(r->l, str_c(name)), op->n_messages);
	for (size_t k = 0; k < op->n_messages; k++, i++) {
		for (;; i++) {
			if (i == a->n)
				fail_msg("%s: message %zu has no business here, or not again: %.*s",
					name, k, 24, op->messages[k].bytes.p);
			size_t n = model_text(archive, i, text);
			if (a->messages[i].may && str_starts(op->messages[k].bytes, str_from(text, n)))
				break;
			if (a->messages[i].must)
				fail_msg("%s: message %u is lost", name, i);
		}
		a->messages[i].must = true;
		a->messages[i].id = op->messages[k].place;
		a->messages[i].may = true;
		/* From here on this is how it is. */
	}
	for (; i < a->n; i++)
		if (a->messages[i].must)
			fail_msg("%s: message %u is lost", name, i);
}

/* Holds what waits to the model, after a crash; nothing is out. */
static inline void model_check(struct model *m, struct rig *r)
{
	for (unsigned k = 0; k < MODEL_ARCHIVES; k++) {
		struct model_archive *a = &m->archives[k];
		model_check_archive(m, r, k);
		a->dropped = 0;
		for (unsigned i = 0; i < a->n; i++)
			a->messages[i].may = a->messages[i].must;
	}
}

#endif
