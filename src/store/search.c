/* The thread of the search: what is to be done, in what order, and the ledger's answers.
 *
 * One job at a time, since each waits for the ledger: an operation, or news of an archive. A job
 * that has more pages to read, or rows to drop, goes to the end of its row after each, so that
 * the first search in a large archive does not hold up the others. Operations come before news; garbage is collected
 * between the steps of both. */
#include "store/search.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/map.h"
#include "store/ledger_worker.h"
#include "store/search_db.h"
#include "store/search_words.h"

#include <stdlib.h>
#include <sys/resource.h>

#define GATHER_MS    3000                /* news wait so long for more of their kind */
#define NEWS_MAX     100000              /* archives that have some; more look by themselves */
#define PAGE         500                 /* messages of one step, */
#define PAGE_BYTES   LEDGER_BYTES_MAX    /* and bytes of the text of one of them */
#define PURGE_MS     (6 * 60 * 60 * 1000)/* what was taken out, but not erased, may stay so long */
#define NICE         10
#define ARENA_CHUNK  1024

enum kind { FIND, AGAIN, ERASE };

/* An archive that has news. In the map until a job takes it up. */
struct news {
	struct map_node node;
	struct mail mail;
	struct list link;
	bool known;         /* in the map; else some pages of it have been read */
	struct str archive; /* text inline */
};

/* What the thread is at. One of op and news is set while it is busy. */
struct job {
	struct search_op *op;
	struct news *news;
	struct str archive;
	uint64_t mark;
	bool erased;        /* the archive, meanwhile: what is read does not count */
};

struct search {
	struct worker worker;
	struct ledger *ledger;
	search_read *read;
	struct search_db *db;
	atomic_uint n_ops;

	pthread_mutex_t lock;  /* of `known` */
	struct map known;      /* struct news */

	/* The thread's own. */
	struct job job;
	struct list ops;       /* FIND and AGAIN that wait */
	struct list fresh;     /* news that gather, until fresh_due */
	struct list due;       /* and those that may be looked at */
	uint64_t fresh_due;
	struct list erasing;   /* ERASE: their archives are garbage */
	struct list purging;   /* and these are collected, but still in the file */
	bool garbage;          /* there may be some */
	bool failing;          /* the last chore failed: not again before purge_due */
	uint64_t purge_due;    /* 0: nothing to purge */
};

static struct str news_key(const struct map_node *n)
{
	return container_of(n, struct news, node)->archive;
}

/* ---- operations ---- */

static void run_home(struct mail *m, void *receiver)
{
	struct search_op *op = container_of(m, struct search_op, mail);

	op->done(op, receiver);
}

static void go_home(struct search *s, struct search_op *op, enum store_status status)
{
	op->status = status;
	op->mail.run = run_home;
	op->mail.bytes += (uint32_t)(op->n_ids * sizeof *op->ids);
	mailbox_post_one(op->home, &op->mail);
	atomic_fetch_sub(&s->n_ops, 1); /* now, so that who sees none finds them all at home */
}

struct search_op *search_op_new(struct mailbox *home, void (*done)(struct search_op *, void *),
	size_t ctx_size)
{
	size_t size = (sizeof(struct search_op) + 15) & ~(size_t)15;
	struct search_op *op = xcalloc(1, size + ctx_size);

	op->mail.bytes = (uint32_t)(size + ctx_size);
	op->home = home;
	op->done = done;
	op->ctx = (char *)op + size;
	list_init(&op->link);
	arena_init(&op->mem, ARENA_CHUNK);
	return op;
}

void search_op_free(struct search_op *op)
{
	arena_clear(&op->mem);
	free(op);
}

/* All of a list come home. */
static void all_go_home(struct search *s, struct list *ops, enum store_status status)
{
	while (!list_empty(ops)) {
		struct search_op *op = list_first(ops, struct search_op, link);
		list_del(&op->link);
		go_home(s, op, status);
	}
}

/* ---- jobs ---- */

/* What is stored from now on is news again. */
static void forget_news(struct search *s, struct news *n)
{
	if (!n->known)
		return;
	pthread_mutex_lock(&s->lock);
	map_del(&s->known, &n->node);
	pthread_mutex_unlock(&s->lock);
	n->known = false;
}

static void end_job(struct search *s, enum store_status status)
{
	struct job job = s->job;

	s->job = (struct job){ .op = NULL };
	free(job.news);
	if (job.op)
		go_home(s, job.op, status);
}

/* To the end of its row, after a page of several. */
static void put_job_back(struct search *s)
{
	struct job job = s->job;

	s->job = (struct job){ .op = NULL };
	if (job.op)
		list_add(&s->ops, &job.op->link);
	else
		list_add(&s->due, &job.news->link);
}

static void ask_ledger(struct search *s, const struct ledger_query *q,
	void (*done)(struct ledger_op *op, void *receiver))
{
	ledger_query(s->ledger, ledger_op_new(&s->worker.box, done, 0), s->job.archive, q);
}

/* The archive was erased while the ledger was asked: from the beginning again, or not at all. */
static bool was_void(struct search *s)
{
	if (!s->job.erased)
		return false;
	if (s->job.op)
		put_job_back(s);
	else
		end_job(s, STORE_OK);
	return true;
}

/* Up to date, and without what the ledger has no longer. */
static void on_oldest(struct ledger_op *op, void *receiver)
{
	struct search *s = receiver;
	enum store_status status = op->status;
	uint64_t oldest = op->n_messages ? op->messages[0].id : 0;
	bool more = false;

	ledger_op_free(op);
	if (was_void(s))
		return;
	if (status == STORE_OK)
		status = search_db_drop_before(s->db, s->job.archive, oldest, &more);
	if (status == STORE_OK && more) {
		put_job_back(s);
		return;
	}
	if (status == STORE_OK)
		status = search_db_find(s->db, s->job.op);
	end_job(s, status);
}

/* Texts of a page, those that have one. */
static size_t read_page(struct search *s, struct ledger_op *op, struct search_text *out)
{
	struct buf text, partner;
	size_t n = 0;

	buf_init(&text, PAGE_BYTES);
	buf_init(&partner, LEDGER_NAME_MAX);
	for (size_t i = 0; i < op->n_messages; i++) {
		buf_reset(&text);
		buf_reset(&partner);
		s->read(&op->messages[i], s->job.archive, &text, &partner);
		if (text.n && buf_ok(&text) && buf_ok(&partner))
			out[n++] = (struct search_text){ op->messages[i].id,
				str_dup(&op->mem, buf_str(&partner)),
				str_dup(&op->mem, buf_str(&text)) };
	}
	buf_clear(&text);
	buf_clear(&partner);
	return n;
}

static enum store_status add_page(struct search *s, struct ledger_op *op)
{
	struct search_text texts[PAGE];

	BUG_ON(op->n_messages > PAGE);
	if (!op->n_messages)
		return STORE_OK;
	size_t n = read_page(s, op, texts);
	return search_db_add(s->db, s->job.archive, texts, n,
		op->messages[op->n_messages - 1].id);
}

static void read_on(struct search *s);

static void on_page(struct ledger_op *op, void *receiver)
{
	struct search *s = receiver;
	enum store_status status = op->status;

	if (was_void(s)) {
		ledger_op_free(op);
		return;
	}
	if (status == STORE_NOT_FOUND && s->job.mark) { /* the marked message is gone */
		ledger_op_free(op);
		s->job.mark = 0;
		read_on(s);
		return;
	}
	if (status == STORE_OK)
		status = add_page(s, op);
	bool more = op->n_messages && !op->complete;
	ledger_op_free(op);
	if (status == STORE_OK && more)
		put_job_back(s);
	else if (status == STORE_OK && s->job.op)
		ask_ledger(s, &(struct ledger_query){ .max = 1 }, on_oldest);
	else
		end_job(s, status);
}

static void read_on(struct search *s)
{
	ask_ledger(s, &(struct ledger_query){ .after = s->job.mark, .max = PAGE }, on_page);
}

static void catch_up(struct search *s)
{
	enum store_status status = search_db_mark(s->db, s->job.archive, &s->job.mark);

	if (status == STORE_OK)
		read_on(s);
	else
		end_job(s, status);
}

static void on_again(struct ledger_op *op, void *receiver)
{
	struct search *s = receiver;
	struct search_text now = { 0 };
	enum store_status status = op->status;

	if (was_void(s)) {
		ledger_op_free(op);
		return;
	}
	if (status == STORE_OK && op->n_messages)
		read_page(s, op, &now);
	if (status == STORE_OK || status == STORE_NOT_FOUND)
		status = search_db_replace(s->db, s->job.archive, s->job.op->id, now.text);
	ledger_op_free(op);
	end_job(s, status);
}

static void start_op(struct search *s, struct search_op *op)
{
	list_del(&op->link);
	s->job = (struct job){ .op = op, .archive = op->archive };
	if (op->kind == FIND)
		catch_up(s);
	else
		ask_ledger(s, &(struct ledger_query){ .ids = &op->id, .n_ids = 1, .max = 1 },
			on_again);
}

static void start_news(struct search *s, struct news *n)
{
	list_del(&n->link);
	forget_news(s, n);
	s->job = (struct job){ .news = n, .archive = n->archive };
	catch_up(s);
}

static void start_job(struct search *s)
{
	if (s->job.op || s->job.news)
		return;
	if (!list_empty(&s->ops))
		start_op(s, list_first(&s->ops, struct search_op, link));
	else if (!list_empty(&s->due))
		start_news(s, list_first(&s->due, struct news, link));
}

/* ---- chores ---- */

static bool has_chores(const struct search *s, uint64_t now)
{
	if (s->failing)
		return now >= s->purge_due;
	return s->garbage || !list_empty(&s->erasing) || !list_empty(&s->purging) ||
	       (s->purge_due && now >= s->purge_due);
}

/* What could not be done is tried again in a while. */
static void chore_failed(struct search *s, enum store_status status, uint64_t now)
{
	all_go_home(s, &s->erasing, status);
	all_go_home(s, &s->purging, status);
	s->failing = true;
	s->purge_due = now + PURGE_MS;
}

static void purge_some(struct search *s, uint64_t now)
{
	bool more;

	if (list_empty(&s->purging))
		list_take(&s->erasing, &s->purging);
	enum store_status status = search_db_purge(s->db, &more);
	if (status != STORE_OK) {
		chore_failed(s, status, now);
	} else if (!more) {
		s->purge_due = 0;
		all_go_home(s, &s->purging, STORE_OK);
	}
}

static void chore(struct search *s, uint64_t now)
{
	s->failing = false;
	if (!s->garbage) {
		purge_some(s, now);
		return;
	}
	enum store_status status = search_db_collect(s->db, &s->garbage);
	if (status != STORE_OK)
		chore_failed(s, status, now);
	else if (s->garbage)
		s->purge_due = now;
}

/* ---- the thread ---- */

static bool is_busy(const struct search *s)
{
	return s->job.op || s->job.news;
}

/* Milliseconds that it may sleep, or -1. */
static int patience(const struct search *s, uint64_t now)
{
	uint64_t until = UINT64_MAX;

	if (has_chores(s, now))
		return 0;
	if (!is_busy(s) && (!list_empty(&s->ops) || !list_empty(&s->due)))
		return 0;
	if (!list_empty(&s->fresh))
		until = s->fresh_due;
	if (s->purge_due && s->purge_due < until)
		until = s->purge_due;
	if (until == UINT64_MAX)
		return -1;
	return until > now ? (int)(until - now) : 0;
}

static void fresh_are_due(struct search *s, uint64_t now)
{
	if (list_empty(&s->fresh) || now < s->fresh_due)
		return;
	while (!list_empty(&s->fresh)) {
		struct news *n = list_first(&s->fresh, struct news, link);
		list_del(&n->link);
		list_add(&s->due, &n->link);
	}
}

/* With nothing to do, no transaction is left open; while a job waits for the ledger, it is. */
static void rest(struct search *s, uint64_t now)
{
	int ms = patience(s, now);

	if (ms && !is_busy(s)) {
		search_db_commit(s->db);
		if (search_db_is_dirty(s->db) && !s->purge_due)
			s->purge_due = now + PURGE_MS;
		ms = patience(s, now);
	}
	worker_wait(&s->worker, ms);
}

static void search_main(void *receiver)
{
	struct search *s = receiver;

	setpriority(PRIO_PROCESS, 0, NICE); /* of this thread alone, on Linux */
	while (!s->worker.stopping || is_busy(s)) {
		uint64_t now = clock_mono_ms();
		rest(s, now);
		fresh_are_due(s, now);
		if (s->worker.stopping)
			continue;
		start_job(s);
		if (has_chores(s, now))
			chore(s, now);
	}
	search_db_commit(s->db);
}

struct search *search_open(const char *dir, struct ledger *l, search_read *read, struct arena *a,
	struct str *error)
{
	struct search *s = xcalloc(1, sizeof *s);

	s->db = search_db_open(dir, a, error);
	if (!s->db) {
		free(s);
		return NULL;
	}
	s->ledger = l;
	s->read = read;
	s->garbage = true; /* an erasure may have been cut short */
	s->purge_due = search_db_is_dirty(s->db);
	pthread_mutex_init(&s->lock, NULL);
	map_init(&s->known, news_key);
	list_init(&s->ops);
	list_init(&s->fresh);
	list_init(&s->due);
	list_init(&s->erasing);
	list_init(&s->purging);
	if (worker_start(&s->worker, "search", search_main, s))
		return s;
	*error = STR("no more threads can be started");
	search_db_close(&s->db);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}

/* Each that was posted is in one of the lists by now. */
static void free_news(struct list *list)
{
	while (!list_empty(list)) {
		struct news *n = list_first(list, struct news, link);
		list_del(&n->link);
		free(n);
	}
}

void search_stop(struct search *s)
{
	worker_join(&s->worker);
	all_go_home(s, &s->ops, STORE_FAILED);
	all_go_home(s, &s->erasing, STORE_FAILED);
	all_go_home(s, &s->purging, STORE_FAILED);
}

unsigned search_ops(const struct search *s)
{
	return atomic_load(&s->n_ops);
}

void search_close(struct search **sp)
{
	struct search *s = *sp;

	free_news(&s->fresh);
	free_news(&s->due);
	map_clear(&s->known);
	search_db_close(&s->db);
	mailbox_clear(&s->worker.box);
	pthread_mutex_destroy(&s->lock);
	free(s);
	*sp = NULL;
}

/* ---- from other threads ---- */

static void on_news(struct mail *m, void *receiver)
{
	struct search *s = receiver;
	struct news *n = container_of(m, struct news, mail);

	if (list_empty(&s->fresh))
		s->fresh_due = clock_mono_ms() + GATHER_MS;
	list_add(&s->fresh, &n->link);
}

void search_news(struct search *s, struct str archive)
{
	struct news *n = NULL;

	pthread_mutex_lock(&s->lock);
	if (s->known.n < NEWS_MAX && !map_get(&s->known, archive)) {
		n = xcalloc(1, sizeof *n + archive.n);
		memcpy(n + 1, archive.p, archive.n);
		n->archive = str_from((char *)(n + 1), archive.n);
		n->mail.run = on_news;
		n->mail.bytes = (uint32_t)(sizeof *n + archive.n);
		list_init(&n->link);
		n->known = true;
		map_put(&s->known, &n->node);
	}
	pthread_mutex_unlock(&s->lock);
	if (n)
		mailbox_post_one(&s->worker.box, &n->mail);
}

static void erase(struct search *s, struct search_op *op)
{
	enum store_status status = search_db_disown(s->db, op->archive);

	if (status != STORE_OK) {
		go_home(s, op, status);
		return;
	}
	if ((s->job.op || s->job.news) && str_eq(s->job.archive, op->archive))
		s->job.erased = true;
	s->garbage = true;
	s->failing = false;
	list_add(&s->erasing, &op->link);
}

static void on_op(struct mail *m, void *receiver)
{
	struct search *s = receiver;
	struct search_op *op = container_of(m, struct search_op, mail);

	if (op->kind == ERASE)
		erase(s, op);
	else
		list_add(&s->ops, &op->link);
}

static void submit(struct search *s, struct search_op *op, enum kind kind, struct str archive)
{
	op->kind = (uint8_t)kind;
	op->archive = str_dup(&op->mem, archive);
	if (atomic_fetch_add(&s->n_ops, 1) >= SEARCH_OPS_MAX) {
		go_home(s, op, STORE_FULL);
		return;
	}
	op->mail.run = on_op;
	mailbox_post_one(&s->worker.box, &op->mail);
}

void search_find(struct search *s, struct search_op *op, struct str archive,
	const struct search_query *q)
{
	op->query = *q;
	op->query.text = str_dup(&op->mem, q->text);
	op->query.with = str_dup(&op->mem, q->with);
	if (q->text.n > SEARCH_TEXT_MAX || q->max > SEARCH_RESULT_MAX ||
	    search_words_match(NULL, q->text, 0) > SEARCH_WORDS_MAX) {
		atomic_fetch_add(&s->n_ops, 1);
		go_home(s, op, STORE_FULL);
		return;
	}
	submit(s, op, FIND, archive);
}

void search_again(struct search *s, struct search_op *op, struct str archive, uint64_t id)
{
	op->id = id;
	submit(s, op, AGAIN, archive);
}

void search_erase(struct search *s, struct search_op *op, struct str archive)
{
	submit(s, op, ERASE, archive);
}
