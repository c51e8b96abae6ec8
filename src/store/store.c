/* The store's queues and threads: one writer, a pool of readers, and operations that wait.
 *
 * Order. Writes are done in the order of submission. A read of an account or a room is held by
 * the last write of that account or room which is not committed yet (it hangs in that write's
 * `held`), a list of them and a backup by the last write of all. That is more than the header
 * promises (it speaks of writes of the same home), and costs nobody else a wait. They are told
 * apart by a small table of hashes; two that share a slot wait for each other now and then.
 *
 * How it fails. Each operation comes home with its status; what SQLite said is logged by
 * store/sqlite.c. Operations over the bound come home with STORE_FULL at once, and the writer
 * says so in the log, since loops do no more here than to queue. */
#include "store/store.h"

#include "base/bug.h"
#include "base/hash.h"
#include "base/log.h"
#include "store/node_request.h"
#include "store/sqlite.h"
#include "store/store_private.h"

#include <pthread.h>
#include <signal.h>

#define GROUP_MAX    1024 /* operations in a transaction: bounds how long the first waits */
#define SLOTS        1024
#define HOMES_MAX    64   /* batches that are gathered at a time; more are posted in turns */
#define ARENA_CHUNK  1024

struct queue {
	struct store_op *first, *last;
};

struct reader {
	struct store *store;
	struct db *db;
	pthread_t thread;
};

struct store {
	struct db *db; /* the writer's */
	pthread_t writer;
	struct reader *readers;
	unsigned n_readers;

	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t write_comes, read_comes;
	struct queue writes, reads;
	struct store_op *last_write;        /* of those not committed yet */
	struct store_op *last_of[SLOTS];    /* the same by account or room */
	struct store_stats stats;
	uint64_t refused;                   /* and not in the log yet */
	bool closing, writer_gone;
};

static void queue_add(struct queue *q, struct store_op *op)
{
	op->next = NULL;
	if (q->last)
		q->last->next = op;
	else
		q->first = op;
	q->last = op;
}

static struct store_op *queue_take(struct queue *q)
{
	struct store_op *op = q->first;

	if (op) {
		q->first = op->next;
		if (!q->first)
			q->last = NULL;
		op->next = NULL;
	}
	return op;
}

static bool is_read(const struct store_op *op)
{
	switch (op->kind) {
	case STORE_KEYS:
	case STORE_LOAD:
	case STORE_GET_DATA:
	case STORE_LIST_DATA:
	case STORE_USERS:
	case STORE_ACCOUNTS_WITH:
	case STORE_ROOM_LOAD:
	case STORE_ROOM_DATA:
	case STORE_ROOMS:
	case STORE_ROOMS_LISTED:
	case STORE_ROOMS_WITH:
	case STORE_ROOMS_OF:
	case STORE_ROOMS_TEMPORARY:
	case STORE_ROOMS_SEARCH:
	case STORE_NODES_LOAD:
	case STORE_NODE_SUBSCRIPTIONS:
	case STORE_NODE_ITEMS:
	case STORE_NODES:
	case STORE_NODES_AFFILIATED:
	case STORE_NODES_SUBSCRIBED:
	case STORE_NODE_OWNERS:
	case STORE_BACKUP:
		return true;
	default:
		return false;
	}
}

/* A read of more than one account or room. */
static bool reads_all(const struct store_op *op)
{
	switch (op->kind) {
	case STORE_USERS:
	case STORE_ACCOUNTS_WITH:
	case STORE_ROOMS:
	case STORE_ROOMS_LISTED:
	case STORE_ROOMS_WITH:
	case STORE_ROOMS_OF:
	case STORE_ROOMS_TEMPORARY:
	case STORE_ROOMS_SEARCH:
	case STORE_NODES:
	case STORE_NODES_AFFILIATED:
	case STORE_NODES_SUBSCRIBED:
	case STORE_NODE_OWNERS:
	case STORE_BACKUP:
		return true;
	case STORE_NODES_LOAD: /* of a service: any names */
		return !op->user.n;
	default:
		return false;
	}
}

/* By the account or room; the nodes of a service by their names. */
static struct store_op **slot_of(struct store *s, const struct store_op *op)
{
	bool named = !op->user.n && op->node_request;

	return &s->last_of[hash_keyed(named ? op->node_request->name : op->user) % SLOTS];
}

/* Nodes of any name may be changed: reads of each wait for it. */
static bool writes_all(const struct store_op *op)
{
	return op->kind == STORE_NODES_FORGET || op->kind == STORE_NODES_EXPIRE;
}

/* The last write, as long as it waits for its commit. */
static void note_write(struct store *s, struct store_op *op)
{
	s->last_write = op;
	*slot_of(s, op) = op;
	for (size_t i = 0; writes_all(op) && i < SLOTS; i++)
		s->last_of[i] = op;
}

static void clear_slot(struct store_op **slot, const struct store_op *op)
{
	if (*slot == op)
		*slot = NULL;
}

static void forget_write(struct store *s, const struct store_op *op)
{
	clear_slot(&s->last_write, op);
	clear_slot(slot_of(s, op), op);
	for (size_t i = 0; writes_all(op) && i < SLOTS; i++)
		clear_slot(&s->last_of[i], op);
}

/* --- The writer ----------------------------------------------------------------------- */

/* The oldest writes, or NULL when the store closes and there are no more. */
static struct store_op *take_group(struct store *s, uint64_t *refused)
{
	struct queue group = { 0 };

	pthread_mutex_lock(&s->lock);
	while (!s->writes.first && !s->closing)
		pthread_cond_wait(&s->write_comes, &s->lock);
	for (unsigned n = 0; n < GROUP_MAX && s->writes.first; n++)
		queue_add(&group, queue_take(&s->writes));
	*refused = s->refused;
	s->refused = 0;
	pthread_mutex_unlock(&s->lock);
	return group.first;
}

static void count(struct store *s, const struct store_op *op)
{
	s->stats.waiting--;
	if (op->status == STORE_FULL || op->status == STORE_FAILED)
		s->stats.failed++;
	else if (is_read(op))
		s->stats.reads++;
	else
		s->stats.writes++;
}

/* Forgets a group that was dealt with: when it has been posted home it may be freed. Gives the
 * reads that it held. */
static struct queue finish_group(struct store *s, struct store_op *group, bool committed)
{
	struct queue held = { 0 };

	pthread_mutex_lock(&s->lock);
	s->stats.groups += committed;
	for (struct store_op *op = group; op; op = op->next) {
		forget_write(s, op);
		while (op->held) {
			struct store_op *read = op->held;
			op->held = read->next;
			queue_add(&held, read);
		}
		count(s, op);
	}
	pthread_mutex_unlock(&s->lock);
	return held;
}

static void release_reads(struct store *s, struct queue *held)
{
	struct store_op *op;

	if (!held->first)
		return;
	pthread_mutex_lock(&s->lock);
	while ((op = queue_take(held)))
		queue_add(&s->reads, op);
	pthread_mutex_unlock(&s->lock);
	pthread_cond_broadcast(&s->read_comes);
}

/* Posts a group home, one batch for each mailbox. */
static void post_group(struct store_op *group)
{
	struct {
		struct mailbox *home;
		struct batch batch;
	} gathered[HOMES_MAX];
	unsigned n = 0;

	while (group) {
		struct store_op *op = group;
		unsigned i = 0;

		group = op->next;
		while (i < n && gathered[i].home != op->home)
			i++;
		if (i == HOMES_MAX) {
			for (i = 0; i < n; i++)
				mailbox_post(gathered[i].home, &gathered[i].batch);
			i = n = 0;
		}
		if (i == n) {
			gathered[n].home = op->home;
			gathered[n++].batch = (struct batch){ 0 };
		}
		batch_add(&gathered[i].batch, &op->mail);
	}
	for (unsigned i = 0; i < n; i++)
		mailbox_post(gathered[i].home, &gathered[i].batch);
}

static void *write_thread(void *arg)
{
	struct store *s = arg;
	struct store_op *group;
	uint64_t refused;

	while ((group = take_group(s, &refused))) {
		bool committed = db_write(s->db, group);
		struct queue held = finish_group(s, group, committed);
		post_group(group);
		/* Only now, so that a read comes home behind the write that it followed. */
		release_reads(s, &held);
		if (refused)
			log_error(NULL, "store_overload", F_INT("refused", refused),
				F_INT("most", STORE_WAITING_MAX));
		db_checkpoint(s->db);
	}
	pthread_mutex_lock(&s->lock);
	s->writer_gone = true;
	pthread_mutex_unlock(&s->lock);
	pthread_cond_broadcast(&s->read_comes);
	return NULL;
}

/* --- Readers -------------------------------------------------------------------------- */

/* NULL when the store closes and no read can come any more. */
static struct store_op *take_read(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	while (!s->reads.first && !s->writer_gone)
		pthread_cond_wait(&s->read_comes, &s->lock);
	struct store_op *op = queue_take(&s->reads);
	pthread_mutex_unlock(&s->lock);
	return op;
}

static void *read_thread(void *arg)
{
	struct reader *r = arg;
	struct store *s = r->store;
	struct store_op *op;

	while ((op = take_read(s))) {
		bool more = op->kind == STORE_BACKUP ? db_backup_step(r->db, op)
						     : db_read(r->db, op);
		pthread_mutex_lock(&s->lock);
		if (more)
			queue_add(&s->reads, op);
		else
			count(s, op);
		pthread_mutex_unlock(&s->lock);
		if (more)
			continue;
		mailbox_post_one(op->home, &op->mail);
	}
	return NULL;
}

/* --- Opening and closing -------------------------------------------------------------- */

static bool start(pthread_t *thread, void *(*run)(void *), void *arg, const char *name)
{
	sigset_t all, before;

	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool ok = pthread_create(thread, NULL, run, arg) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ok)
		pthread_setname_np(*thread, name);
	return ok;
}

/* Ends the threads (those of n readers run; the writer's if writer is true), then all else. */
static void end(struct store *s, unsigned n, bool writer)
{
	pthread_mutex_lock(&s->lock);
	BUG_ON(s->closing);
	s->closing = true;
	s->writer_gone = !writer;
	pthread_mutex_unlock(&s->lock);
	pthread_cond_broadcast(&s->write_comes);
	pthread_cond_broadcast(&s->read_comes);
	if (writer)
		pthread_join(s->writer, NULL);
	for (unsigned i = 0; i < n; i++)
		pthread_join(s->readers[i].thread, NULL);
	for (unsigned i = 0; i < s->n_readers; i++)
		if (s->readers[i].db)
			db_close(&s->readers[i].db);
	if (s->db)
		db_close(&s->db);
	free(s->readers);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->write_comes);
	pthread_cond_destroy(&s->read_comes);
	free(s);
}

struct store *store_open(const char *dir, unsigned readers, struct arena *a, struct str *error)
{
	struct store *s = xcalloc(1, sizeof *s);
	unsigned n = 0;

	BUG_ON(readers == 0);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->write_comes, NULL);
	pthread_cond_init(&s->read_comes, NULL);
	s->readers = xcalloc(readers, sizeof *s->readers);
	s->n_readers = readers;
	s->db = db_open_writer(dir, a, error);
	if (!s->db)
		goto failed;
	for (; n < readers; n++) {
		struct reader *r = &s->readers[n];
		r->store = s;
		r->db = db_open_reader(dir, a, error);
		if (!r->db)
			goto failed;
		if (!start(&r->thread, read_thread, r, "store-read"))
			goto no_thread;
	}
	if (start(&s->writer, write_thread, s, "store-write"))
		return s;
no_thread:
	*error = STR("no more threads can be started");
failed:
	end(s, n, false);
	return NULL;
}

void store_close(struct store **s)
{
	end(*s, (*s)->n_readers, true);
	*s = NULL;
}

void store_stats(struct store *s, struct store_stats *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->stats;
	pthread_mutex_unlock(&s->lock);
}

/* --- Operations ----------------------------------------------------------------------- */

static void come_home(struct mail *m, void *receiver)
{
	struct store_op *op = container_of(m, struct store_op, mail);

	op->done(op, receiver);
}

struct store_op *store_op_new(struct mailbox *home, void (*done)(struct store_op *, void *),
	size_t ctx_size)
{
	size_t size = (sizeof(struct store_op) + 15) & ~(size_t)15;
	struct store_op *op = xcalloc(1, size + ctx_size);

	op->mail.run = come_home;
	op->mail.bytes = (uint32_t)(size + ctx_size);
	op->home = home;
	op->done = done;
	op->ctx = (char *)op + size;
	arena_init(&op->mem, ARENA_CHUNK);
	return op;
}

void store_op_free(struct store_op *op)
{
	arena_clear(&op->mem);
	free(op);
}

/* A read waits behind the write that it must see, or goes to the readers at once. */
static void queue_read(struct store *s, struct store_op *op)
{
	struct store_op *write = reads_all(op) ? s->last_write : *slot_of(s, op);

	if (!write) {
		queue_add(&s->reads, op);
		return;
	}
	op->next = write->held;
	write->held = op;
}

static void queue_write(struct store *s, struct store_op *op)
{
	queue_add(&s->writes, op);
	note_write(s, op);
}

void store_submit(struct store *s, struct store_op *op)
{
	bool read = is_read(op);

	pthread_mutex_lock(&s->lock);
	BUG_ON(s->closing);
	bool refused = s->stats.waiting >= STORE_WAITING_MAX;
	if (refused) {
		s->stats.failed++;
		s->refused++;
	} else {
		s->stats.waiting++;
		if (read)
			queue_read(s, op);
		else
			queue_write(s, op);
	}
	pthread_mutex_unlock(&s->lock);
	if (refused) {
		op->status = STORE_FULL;
		mailbox_post_one(op->home, &op->mail);
		return;
	}
	pthread_cond_signal(read ? &s->read_comes : &s->write_comes);
}

void store_refuse(struct store *s, struct store_op *op)
{
	pthread_mutex_lock(&s->lock);
	s->stats.failed++;
	pthread_mutex_unlock(&s->lock);
	op->status = STORE_FULL;
	mailbox_post_one(op->home, &op->mail);
}

void store_op_address(struct store_op *op, enum store_kind kind, struct str host, struct str user)
{
	op->kind = kind;
	op->host = str_dup(&op->mem, host);
	op->user = str_dup(&op->mem, user);
}

static void copy_keys(struct store_op *op, const struct store_key keys[STORE_HASHES])
{
	for (unsigned i = 0; i < STORE_HASHES; i++)
		op->account.keys[i] = (struct store_key){
			.rounds = keys[i].rounds,
			.salt = str_dup(&op->mem, keys[i].salt),
			.stored = str_dup(&op->mem, keys[i].stored),
			.server = str_dup(&op->mem, keys[i].server),
		};
}

void store_keys(struct store *s, struct store_op *op, struct str host, struct str user)
{
	store_op_address(op, STORE_KEYS, host, user);
	store_submit(s, op);
}

void store_load(struct store *s, struct store_op *op, struct str host, struct str user)
{
	store_op_address(op, STORE_LOAD, host, user);
	store_submit(s, op);
}

void store_account_create(struct store *s, struct store_op *op, struct str host, struct str user,
	const struct store_key keys[STORE_HASHES], uint64_t created_us)
{
	store_op_address(op, STORE_CREATE, host, user);
	copy_keys(op, keys);
	op->account.created_us = created_us;
	store_submit(s, op);
}

void store_account_delete(struct store *s, struct store_op *op, struct str host, struct str user)
{
	store_op_address(op, STORE_DELETE, host, user);
	store_submit(s, op);
}

void store_set_keys(struct store *s, struct store_op *op, struct str host, struct str user,
	const struct store_key keys[STORE_HASHES])
{
	store_op_address(op, STORE_SET_KEYS, host, user);
	copy_keys(op, keys);
	store_submit(s, op);
}

void store_set_last(struct store *s, struct store_op *op, struct str host, struct str user,
	uint64_t last_us, struct str status)
{
	store_op_address(op, STORE_SET_LAST, host, user);
	op->account.last_us = last_us;
	op->account.last_status = str_dup(&op->mem, status);
	store_submit(s, op);
}

void store_set_item(struct store *s, struct store_op *op, struct str host, struct str user,
	const struct store_item *item)
{
	store_op_address(op, STORE_SET_ITEM, host, user);
	op->item = *item;
	op->item.jid = str_dup(&op->mem, item->jid);
	op->item.name = str_dup(&op->mem, item->name);
	op->item.groups = str_dup(&op->mem, item->groups);
	store_submit(s, op);
}

void store_del_item(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str jid, uint64_t version)
{
	store_op_address(op, STORE_DEL_ITEM, host, user);
	op->jid = str_dup(&op->mem, jid);
	op->number = version;
	store_submit(s, op);
}

void store_set_pending(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str jid, struct str stanza)
{
	store_op_address(op, STORE_SET_PENDING, host, user);
	op->jid = str_dup(&op->mem, jid);
	op->bytes = str_dup(&op->mem, stanza);
	store_submit(s, op);
}

void store_del_pending(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str jid)
{
	store_op_address(op, STORE_DEL_PENDING, host, user);
	op->jid = str_dup(&op->mem, jid);
	store_submit(s, op);
}

static bool within_bounds(const struct store_datum *changes, size_t n)
{
	if (n > STORE_CHANGES_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (changes[i].space.n > STORE_SPACE_MAX || changes[i].key.n > STORE_KEY_MAX ||
		    changes[i].bytes.n > STORE_BYTES_MAX)
			return false;
	return true;
}

bool store_op_data(struct store_op *op, const struct store_datum *changes, size_t n)
{
	if (!within_bounds(changes, n))
		return false;
	op->account.n_data = n;
	op->account.data = arena_alloc(&op->mem, n * sizeof *changes);
	for (size_t i = 0; i < n; i++)
		op->account.data[i] = (struct store_datum){
			.space = str_dup(&op->mem, changes[i].space),
			.key = str_dup(&op->mem, changes[i].key),
			.bytes = str_dup(&op->mem, changes[i].bytes),
		};
	return true;
}

void store_set_data(struct store *s, struct store_op *op, struct str host, struct str user,
	const struct store_datum *changes, size_t n)
{
	store_set_data_within(s, op, host, user, changes, n, UINT64_MAX);
}

void store_set_data_within(struct store *s, struct store_op *op, struct str host,
	struct str user, const struct store_datum *changes, size_t n, uint64_t max)
{
	store_op_address(op, STORE_SET_DATA, host, user);
	if (!store_op_data(op, changes, n)) {
		store_refuse(s, op);
		return;
	}
	op->number = max;
	store_submit(s, op);
}

void store_clear_data(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str space)
{
	store_op_address(op, STORE_CLEAR_DATA, host, user);
	op->space = str_dup(&op->mem, space);
	store_submit(s, op);
}

void store_get_data(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str space, struct str key)
{
	store_op_address(op, STORE_GET_DATA, host, user);
	op->space = str_dup(&op->mem, space);
	op->bytes = str_dup(&op->mem, key);
	store_submit(s, op);
}

void store_list_data(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str space)
{
	store_op_address(op, STORE_LIST_DATA, host, user);
	op->space = str_dup(&op->mem, space);
	store_submit(s, op);
}

void store_users(struct store *s, struct store_op *op, struct str host, struct str after,
	unsigned max)
{
	store_op_address(op, STORE_USERS, host, after);
	op->number = max;
	store_submit(s, op);
}

void store_accounts_with(struct store *s, struct store_op *op, struct str space)
{
	store_op_address(op, STORE_ACCOUNTS_WITH, STR(""), STR(""));
	op->space = str_dup(&op->mem, space);
	store_submit(s, op);
}

void store_backup(struct store *s, struct store_op *op, struct str path)
{
	store_op_address(op, STORE_BACKUP, STR(""), STR(""));
	op->bytes = str_dup(&op->mem, path);
	store_submit(s, op);
}
