/* For the tests of the search: a ledger that is a list in memory and does as it is told, in place
 * of the real one, and a search with one home. */
#ifndef STORE_SEARCH_TESTING_H
#define STORE_SEARCH_TESTING_H

#include "store/search.h"
#include "store/testing.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* ---- the ledger ---- */

struct kept {
	const char *archive, *partner;
	char *text; /* NULL: gone */
	uint64_t id;
};

struct ledger {
	pthread_mutex_t lock;
	struct kept *messages;
	size_t n;
	unsigned queries;           /* there were */
	enum store_status status;   /* of the next ones */
	bool holding;               /* answers wait for let_go() */
	struct ledger_op *held;
};

struct ledger_op *ledger_op_new(struct mailbox *home, void (*done)(struct ledger_op *, void *),
	size_t ctx_size)
{
	struct ledger_op *op = xcalloc(1, sizeof *op + ctx_size);

	op->home = home;
	op->done = done;
	op->ctx = op + 1;
	arena_init(&op->mem, 1024);
	return op;
}

void ledger_op_free(struct ledger_op *op)
{
	arena_clear(&op->mem);
	free(op);
}

static inline void ledger_op_home(struct mail *m, void *receiver)
{
	struct ledger_op *op = container_of(m, struct ledger_op, mail);

	op->done(op, receiver);
}

static inline bool has_id(const struct ledger *l, struct str archive, uint64_t id)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->messages[i].id == id && l->messages[i].text &&
		    str_eq(str_c(l->messages[i].archive), archive))
			return true;
	return false;
}

/* The first of those that fit, as ledger.h has it. */
static inline void answer(struct ledger *l, struct ledger_op *op, struct str archive,
	const struct ledger_query *q)
{
	bool behind = !q->after;

	op->complete = true;
	op->status = l->status;
	if ((q->after && !has_id(l, archive, q->after)) ||
	    (q->n_ids && !has_id(l, archive, q->ids[0])))
		op->status = STORE_NOT_FOUND;
	if (op->status != STORE_OK)
		return;
	op->messages = arena_alloc(&op->mem, q->max * sizeof *op->messages);
	for (size_t i = 0; i < l->n; i++) {
		const struct kept *k = &l->messages[i];
		if (!k->text || !str_eq(str_c(k->archive), archive) ||
		    (q->n_ids && q->ids[0] != k->id))
			continue;
		if (!behind) {
			behind = k->id == q->after;
			continue;
		}
		if (op->n_messages == q->max) {
			op->complete = false;
			break;
		}
		op->messages[op->n_messages++] = (struct ledger_message){ .place = i, .id = k->id,
			.bytes = str_printf(&op->mem, "%s\n%s", k->partner, k->text) };
	}
}

void ledger_query(struct ledger *l, struct ledger_op *op, struct str archive,
	const struct ledger_query *q)
{
	op->mail.run = ledger_op_home;
	pthread_mutex_lock(&l->lock);
	l->queries++;
	answer(l, op, archive, q);
	bool held = l->holding;
	if (held)
		l->held = op;
	pthread_mutex_unlock(&l->lock);
	if (!held)
		mailbox_post_one(op->home, &op->mail);
}

static inline void hold(struct ledger *l)
{
	pthread_mutex_lock(&l->lock);
	l->holding = true;
	pthread_mutex_unlock(&l->lock);
}

static inline void wait_until_held(struct ledger *l)
{
	bool held = false;

	while (!held) {
		usleep(1000);
		pthread_mutex_lock(&l->lock);
		held = l->held != NULL;
		pthread_mutex_unlock(&l->lock);
	}
}

static inline void let_go(struct ledger *l)
{
	pthread_mutex_lock(&l->lock);
	struct ledger_op *op = l->held;
	l->held = NULL;
	l->holding = false;
	pthread_mutex_unlock(&l->lock);
	mailbox_post_one(op->home, &op->mail);
}

static inline unsigned queries(struct ledger *l)
{
	pthread_mutex_lock(&l->lock);
	unsigned n = l->queries;
	pthread_mutex_unlock(&l->lock);
	return n;
}

static inline void set_status(struct ledger *l, enum store_status status)
{
	pthread_mutex_lock(&l->lock);
	l->status = status;
	pthread_mutex_unlock(&l->lock);
}

/* ---- a bench ---- */

struct bench {
	char *dir;
	struct ledger l;
	struct search *s;
	struct mailbox home;
	struct search_op *last;
	unsigned out;
};

static inline void read_message(const struct ledger_message *m, struct str archive,
	struct buf *text, struct buf *partner)
{
	ptrdiff_t end = str_find(m->bytes, '\n');

	assert_true(end >= 0 && archive.n);
	buf_add(partner, str_head(m->bytes, (size_t)end));
	buf_add(text, str_skip(m->bytes, (size_t)end + 1));
}

static inline void open_search(struct bench *b)
{
	struct str error = STR_NULL;
	struct arena a;

	arena_init(&a, 1024);
	b->s = search_open(b->dir, &b->l, read_message, &a, &error);
	if (!b->s)
		fail_msg("%.*s", STR_FMT(error));
	arena_clear(&a);
}

static inline void close_search(struct bench *b)
{
	search_stop(b->s);
	search_close(&b->s);
}

static inline int set_up(void **state)
{
	struct bench *b = xcalloc(1, sizeof *b);

	b->dir = folder_new();
	pthread_mutex_init(&b->l.lock, NULL);
	assert_true(mailbox_init(&b->home, 1 << 20));
	open_search(b);
	*state = b;
	return 0;
}

static inline int tear_down(void **state)
{
	struct bench *b = *state;

	if (b->s)
		close_search(b);
	if (b->last)
		search_op_free(b->last);
	for (size_t i = 0; i < b->l.n; i++)
		free(b->l.messages[i].text);
	free(b->l.messages);
	mailbox_clear(&b->home);
	folder_free(b->dir);
	free(b);
	return 0;
}

static inline void put(struct bench *b, const char *archive, const char *partner, const char *text,
	uint64_t id)
{
	struct ledger *l = &b->l;

	pthread_mutex_lock(&l->lock);
	l->messages = xrealloc(l->messages, (l->n + 1) * sizeof *l->messages);
	l->messages[l->n++] = (struct kept){ archive, partner, strdup(text), id };
	pthread_mutex_unlock(&l->lock);
}

/* Retention, erasure (to: all up to this one), or another text. */
static inline void lose(struct bench *b, const char *archive, uint64_t to)
{
	pthread_mutex_lock(&b->l.lock);
	for (size_t i = 0; i < b->l.n; i++) {
		struct kept *k = &b->l.messages[i];
		if (k->id <= to && strcmp(k->archive, archive) == 0) {
			free(k->text);
			k->text = NULL;
		}
	}
	pthread_mutex_unlock(&b->l.lock);
}

static inline void rewrite(struct bench *b, uint64_t id, const char *text)
{
	pthread_mutex_lock(&b->l.lock);
	for (size_t i = 0; i < b->l.n; i++) {
		if (b->l.messages[i].id == id) {
			free(b->l.messages[i].text);
			b->l.messages[i].text = strdup(text);
		}
	}
	pthread_mutex_unlock(&b->l.lock);
}

static inline void keep_last(struct search_op *op, void *receiver)
{
	struct bench *b = receiver;

	if (b->last)
		search_op_free(b->last);
	b->last = op;
	b->out--;
}

static inline bool none_out(void *receiver)
{
	return ((struct bench *)receiver)->out == 0;
}

static inline struct search_op *new_op(struct bench *b)
{
	b->out++;
	return search_op_new(&b->home, keep_last, 0);
}

static inline struct search_op *wait_all(struct bench *b)
{
	home_run(&b->home, b, none_out);
	return b->last;
}

static inline struct search_op *find_as(struct bench *b, const char *archive, struct search_query q)
{
	q.max = q.max ? q.max : 100;
	search_find(b->s, new_op(b), str_c(archive), &q);
	return wait_all(b);
}

/* The ids that are found, as text: "1 2 ". */
static inline const char *find(struct bench *b, const char *archive, const char *text)
{
	static char out[4096];
	size_t n = 0;

	out[0] = '\0';
	struct search_op *op = find_as(b, archive, (struct search_query){ .text = str_c(text) });
	assert_int_equal(op->status, STORE_OK);
	for (size_t i = 0; i < op->n_ids; i++)
		n += (size_t)snprintf(out + n, sizeof out - n, "%llu ",
			(unsigned long long)op->ids[i]);
	return out;
}

#endif
