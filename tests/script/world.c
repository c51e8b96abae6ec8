#include "world.h"

#include "base/bug.h"
#include "base/clock.h"
#include "core/archive.h"
#include "core/credentials.h"
#include "core/room.h"
#include "core/sm.h"
#include "core/roster.h"
#include "modules/table.h"
#include "player.h"

#include <ftw.h>
#include <stdio.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

/* Small, so that cases start fast: segments are written with zeros ahead of use. */
#define SEGMENT_BYTES (256 * 1024)

/* Far more rounds than any case needs before nothing moves any more. */
#define PATIENCE_US 60000000 /* for real: what takes longer never ends */

/* One thread each for the reads of the store and for jobs: what a fence comes behind is home. */
#define THREADS 1

/* ---- start and end ---- */

static void make_folder(struct world *w)
{
	const char *top = getenv("TMPDIR");

	w->folder = xmalloc(4096);
	snprintf(w->folder, 4096, "%s/stentor-script-XXXXXX", top && *top ? top : "/tmp");
	BUG_ON(!mkdtemp(w->folder));
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

void world_init(struct world *w, unsigned n_shards)
{
	*w = (struct world){ .n_shards = n_shards, .settings = settings_new() };
	clock_hold();
	w->settings->plain_without_tls = true;
	w->settings->checks_per_second = 1000000; /* the clock of seconds does not run here */
	list_init(&w->players);
	make_folder(w);
}

static void start(struct world *w)
{
	struct ledger_options o = { .segment_bytes = SEGMENT_BYTES,
		.offline_max = w->offline_max,
		.retain_us = w->archive_days * UINT64_C(86400000000),
		.retain_messages = w->archive_messages };
	struct arena a;
	struct str error;

	arena_init(&a, 1024);
	BUG_ON(!core_init(&w->core, w->n_shards, w->settings, modules));
	w->core.jobs = jobs_new(THREADS, 1000);
	w->core.store = store_open(w->folder, THREADS, &a, &error);
	BUG_ON(!w->core.store);
	w->core.ledger = ledger_open(str_printf(&a, "%s/ledger", w->folder).p, &o, &a, &error);
	BUG_ON(!w->core.ledger);
	if (!w->unsearched) {
		w->core.search = search_open(w->folder, w->core.ledger, archive_read_text, &a,
			&error);
		BUG_ON(!w->core.search);
	}
	arena_clear(&a);
	sm_restore_all(&w->core);
	rooms_restore(&w->core);
}

void world_open(struct world *w)
{
	BUG_ON(!w->settings->first); /* every script names a host */
	start(w);
	w->open = true;
}

/* As server_close() does. */
static void stop(struct world *w)
{
	core_stop(&w->core);
	world_settle(w);
	core_drain(&w->core);
	core_save(&w->core);
	jobs_free(&w->core.jobs);
	core_drain(&w->core);
	store_close(&w->core.store);
	struct search *search = w->core.search;
	w->core.search = NULL;
	if (search)
		search_stop(search);
	core_drain(&w->core);
	ledger_close(&w->core.ledger);
	if (search)
		search_close(&search);
	core_clear(&w->core);
}

void world_restart(struct world *w)
{
	stop(w);
	list_each(p, &w->players, struct player, link)
		BUG_ON(p->end); /* every stream ended */
	start(w);
}

void world_clear(struct world *w)
{
	if (w->open)
		stop(w);
	while (!list_empty(&w->players))
		player_free(list_first(&w->players, struct player, link));
	settings_unref(&w->settings);
	nftw(w->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(w->folder);
}

/* ---- turning the loops ---- */

static uint64_t mails_run(const struct world *w)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < w->core.n_shards; i++)
		n += w->core.shards[i]->loop.mails;
	return n;
}

/* Turns until no mailbox has anything; the first turn waits up to `wait` ms for something. */
static void turn(struct world *w, uint64_t wait)
{
	uint64_t before;
	bool answered;

	do {
		before = mails_run(w);
		answered = false;
		for (unsigned i = 0; i < w->core.n_shards; i++) {
			loop_turn(&w->core.shards[i]->loop, i == 0 ? wait : 0);
			wait = 0;
		}
		list_each(p, &w->players, struct player, link)
			player_hear(p);
		list_each(p, &w->players, struct player, link)
			answered |= player_answer(p);
	} while (answered || mails_run(w) != before);
}

/* Fences: one question of each shard to each thread behind the core. What comes home to one shard
 * comes in order, so when its fences are home, all that it asked before is. */

struct fence_job {
	struct job job;
	struct world *world;
};

static void fence_work(struct job *j)
{
}

static void job_home(struct job *j, void *receiver)
{
	struct fence_job *f = container_of(j, struct fence_job, job);

	f->world->away--;
	free(f);
}

static void store_home(struct store_op *op, void *receiver)
{
	(*(struct world **)op->ctx)->away--;
	store_op_free(op);
}

static void ledger_home(struct ledger_op *op, void *receiver)
{
	(*(struct world **)op->ctx)->away--;
	ledger_op_free(op);
}

static struct store_op *fence_op(struct world *w, struct mailbox *home)
{
	struct store_op *op = store_op_new(home, store_home, sizeof w);

	*(struct world **)op->ctx = w;
	return op;
}

static void send_shard_fences(struct world *w, struct mailbox *home)
{
	static const struct str nobody = STR_INIT("nobody.invalid");
	struct fence_job *f = xcalloc(1, sizeof *f);
	struct ledger_op *op = ledger_op_new(home, ledger_home, sizeof w);

	f->job = (struct job){ .home = home, .work = fence_work, .done = job_home };
	f->world = w;
	BUG_ON(!jobs_submit(w->core.jobs, &f->job));
	*(struct world **)op->ctx = w;
	ledger_read_waiting(w->core.ledger, op, nobody, 0, 1);
	store_set_last(w->core.store, fence_op(w, home), nobody, nobody, 1, STR(""));
	store_keys(w->core.store, fence_op(w, home), nobody, nobody);
	w->away += 4;
}

/* How many mails it brings home. */
static unsigned send_fences(struct world *w)
{
	for (unsigned i = 0; i < w->core.n_shards; i++)
		send_shard_fences(w, &w->core.shards[i]->loop.inbox);
	return w->away;
}

/* A chain of questions needs a fence for each link. */
static bool is_quiet(struct world *w)
{
	struct store_stats st;
	struct ledger_stats le;

	turn(w, 0);
	uint64_t before = mails_run(w);
	unsigned fences = send_fences(w);
	while (w->away)
		turn(w, 1);
	store_stats(w->core.store, &st);
	ledger_stats(w->core.ledger, &le);
	if (st.waiting || le.ops || (w->core.search && search_ops(w->core.search)))
		return false;
	turn(w, 0); /* what came home between the last turn and these numbers */
	return mails_run(w) == before + fences;
}

void world_settle(struct world *w)
{
	uint64_t end = clock_wall_us() + PATIENCE_US;

	while (!is_quiet(w)) {
		BUG_ON(clock_wall_us() > end);
		sched_yield(); /* the search runs at low priority */
	}
}

void world_wait(struct world *w, uint64_t ms)
{
	clock_advance(ms);
	world_settle(w);
}

/* ---- the store ---- */

struct question {
	struct store_op **answer;
};

static void answered(struct store_op *op, void *receiver)
{
	*((struct question *)op->ctx)->answer = op;
}

static struct store_op *ask(struct world *w, struct store_op **answer)
{
	struct store_op *op = store_op_new(&w->core.shards[0]->loop.inbox, answered,
		sizeof(struct question));

	*answer = NULL;
	((struct question *)op->ctx)->answer = answer;
	return op;
}

static enum store_status status_of(struct world *w, struct store_op **answer)
{
	world_settle(w);
	BUG_ON(!*answer);
	enum store_status status = (*answer)->status;
	store_op_free(*answer);
	return status;
}

/* The keys of PASSWORD, derived once. */
static const struct scram_keys *keys(void)
{
	static struct scram_keys made;

	if (!made.of[0].rounds)
		scram_keys_make(STR(PASSWORD), &made);
	return &made;
}

bool world_account(struct world *w, struct jid bare)
{
	struct store_key in[STORE_HASHES];
	struct store_op *answer;

	keys_to_store(keys(), in);
	store_account_create(w->core.store, ask(w, &answer), jid_domain(bare), jid_local(bare), in,
		clock_wall_us());
	enum store_status status = status_of(w, &answer);
	BUG_ON(status != STORE_OK && status != STORE_EXISTS);
	return status == STORE_OK;
}

void world_set_contact(struct world *w, struct jid bare, struct jid contact, struct standing s)
{
	struct store_item item = { .jid = jid_str(contact), .subscription = s.subscription,
		.ask = s.ask, .approved = s.approved, .version = 1 };
	struct store_op *answer;
	struct arena a;

	arena_init(&a, 1024);
	if (s.listed) {
		store_set_item(w->core.store, ask(w, &answer), jid_domain(bare), jid_local(bare),
			&item);
		BUG_ON(status_of(w, &answer) != STORE_OK);
	}
	if (s.pending) {
		store_set_pending(w->core.store, ask(w, &answer), jid_domain(bare), jid_local(bare),
			jid_str(contact),
			str_printf(&a, "<presence type='subscribe' from='%.*s' to='%.*s'/>",
				STR_FMT(jid_str(contact)), STR_FMT(jid_str(bare))));
		BUG_ON(status_of(w, &answer) != STORE_OK);
	}
	arena_clear(&a);
}

static struct standing standing_in(const struct store_account *a, struct jid contact)
{
	struct standing s = { 0 };

	for (size_t i = 0; i < a->n_items; i++)
		if (str_eq(a->items[i].jid, jid_str(contact)))
			s = (struct standing){ true, a->items[i].subscription, a->items[i].ask,
				a->items[i].approved, false };
	for (size_t i = 0; i < a->n_pending; i++)
		s.pending = s.pending || str_eq(a->pending[i].jid, jid_str(contact));
	return s;
}

struct standing world_contact(struct world *w, struct jid bare, struct jid contact)
{
	struct store_op *answer;

	store_load(w->core.store, ask(w, &answer), jid_domain(bare), jid_local(bare));
	world_settle(w);
	BUG_ON(!answer || answer->status != STORE_OK);
	struct standing s = standing_in(&answer->account, contact);
	store_op_free(answer);
	return s;
}
