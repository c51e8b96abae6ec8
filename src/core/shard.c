#include "core/shard.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/hash.h"
#include "core/account.h"
#include "core/ask.h"
#include "core/caps.h"
#include "core/client.h"
#include "core/command.h"
#include "core/component.h"
#include "core/disco.h"
#include "core/module.h"
#include "core/nesting.h"
#include "core/node.h"
#include "core/remote.h"
#include "core/room.h"
#include "core/sm.h"
#include "core/watch.h"
#include "store/search.h"

#include <stdlib.h>
#include <unistd.h>

/* Shutting down, connections get this long to be closed by their peers. */
#define STOP_MS 2000

/* While a mailbox is full, how often a throttled shard looks again. */
#define THROTTLE_MS     5
#define THROTTLE_LOG_MS (60 * 1000)

/* Stopping, the store and the ledger get this long to finish what they were given. */
#define DRAIN_MS 10000

#define SCRATCH_MAX (4 * 1024 * 1024)

const char *const counter_names[COUNTERS] = {
	[COUNT_CONNECTIONS] = "connections_accepted",
	[COUNT_REFUSED] = "connections_refused",
	[COUNT_LOGINS] = "logins",
	[COUNT_LOGIN_FAILURES] = "login_failures",
	[COUNT_STANZAS_IN] = "stanzas_in",
	[COUNT_STANZAS_OUT] = "stanzas_out",
	[COUNT_CROSSED] = "stanzas_between_shards",
	[COUNT_OFFLINE_STORED] = "offline_stored",
	[COUNT_OFFLINE_DELIVERED] = "offline_delivered",
	[COUNT_ERRORS] = "stanza_errors",
	[COUNT_SESSIONS] = "sessions",
	[COUNT_ACCOUNTS] = "accounts_resident",
	[COUNT_KEPT] = "messages_kept",
	[COUNT_AWAY] = "sessions_away",
	[COUNT_RESUMED] = "sessions_resumed",
	[COUNT_ROOMS] = "rooms_resident",
	[COUNT_OCCUPANTS] = "room_occupants",
	[COUNT_PASSED_ON] = "room_messages",
	[COUNT_COMPONENTS] = "components",
	[COUNT_COMPONENTS_IN] = "component_stanzas_in",
	[COUNT_COMPONENTS_OUT] = "component_stanzas_out",
	[COUNT_COMPONENTS_WAITING] = "component_bytes_waiting",
	[COUNT_PEERS] = "peer_streams",
	[COUNT_PEER_STANZAS_IN] = "peer_stanzas_in",
	[COUNT_PEER_STANZAS_OUT] = "peer_stanzas_out",
	[COUNT_PEERS_WAITING] = "peer_bytes_waiting",
};

/* What core_stop() and core_reload() send to each shard. */
struct order {
	struct mail mail;
	struct settings *settings; /* NULL: stop */
};

struct shard *shard_of(const struct core *c, struct jid j)
{
	return c->shards[c->place[hash_fixed(jid_bare_str(j)) % VIRTUAL_SHARDS]];
}

void shard_post(struct shard *from, struct shard *to, struct mail *m)
{
	BUG_ON(from == to);
	count(from, COUNT_CROSSED);
	batch_add(&from->out[to->index], m);
}

/* Another shard or the ledger cannot follow. */
static bool is_overtaking(struct shard *s)
{
	if (s->core->ledger && ledger_is_busy(s->core->ledger))
		return true;
	for (unsigned i = 0; i < s->core->n_shards; i++)
		if (i != s->index && mailbox_full(&s->core->shards[i]->loop.inbox))
			return true;
	return false;
}

static void throttle(struct shard *s, bool on)
{
	s->throttled = on;
	list_each(c, &s->clients, struct client, link)
		c2s_throttle(&c->stream, on);
	components_throttle(s, on);
	peers_throttle(s, on);
}

static void look_again(struct timer *t)
{
	struct shard *s = container_of(t, struct shard, room);

	if (is_overtaking(s))
		timer_set(&s->loop.wheel, t, s->loop.now, THROTTLE_MS);
	else
		throttle(s, false);
}

static void stop_now(struct timer *t)
{
	loop_stop(&container_of(t, struct shard, stop)->loop);
}

struct ledger_op *shard_ledger_op(struct shard *s, struct shard *home,
	void (*done)(struct ledger_op *, void *), size_t ctx_size)
{
	struct ledger_op *op = ledger_op_new(&home->loop.inbox, done, ctx_size);

	op->batch = &s->to_ledger;
	return op;
}

static void flush_to_ledger(struct shard *s)
{
	if (s->to_ledger.first)
		ledger_flush(s->core->ledger, &s->to_ledger);
}

/* Now and then: it may go on and off many times a second. */
static void log_throttled(struct shard *s, const char *why)
{
	if (s->throttle_logged && s->loop.now - s->throttle_logged < THROTTLE_LOG_MS)
		return;
	s->throttle_logged = s->loop.now;
	log_warn(&s->log, "throttled", F_C("why", why));
}

static bool has_nobody(const struct shard *s)
{
	return list_empty(&s->clients) && list_empty(&s->component_conns) && list_empty(&s->peers);
}

static void turn_end(struct loop *l)
{
	struct shard *s = l->owner;
	bool full = false;

	flush_to_ledger(s);

	for (unsigned i = 0; i < s->core->n_shards; i++) {
		if (!s->out[i].first)
			continue;
		struct mailbox *to = &s->core->shards[i]->loop.inbox;
		loop_post(l, &s->core->shards[i]->loop, &s->out[i]);
		full = full || mailbox_full(to);
	}
	bool busy = s->core->ledger && ledger_is_busy(s->core->ledger);
	if ((full || busy) && !s->throttled) {
		log_throttled(s, busy ? "the disk cannot follow" : "another shard cannot follow");
		throttle(s, true);
		timer_set(&s->loop.wheel, &s->room, s->loop.now, THROTTLE_MS);
	}
	if (s->n_steps[STOP_PEERS] && has_nobody(s))
		loop_stop(l);
}

static struct str account_key(const struct map_node *n)
{
	return jid_str(container_of(n, struct account, node)->jid);
}

static struct shard *shard_new(struct core *c, unsigned index, struct settings *settings)
{
	struct shard *s = xcalloc(1, sizeof *s);

	s->core = c;
	s->index = index;
	s->settings = settings_ref(settings);
	s->log = (struct log){ NULL, { "shard", STR_NULL, (int64_t)index } };
	map_init(&s->accounts, account_key);
	rooms_init(s);
	nodes_init(s);
	ask_init(s);
	commands_init(s);
	list_init(&s->clients);
	components_init(s);
	peers_init(s);
	remotes_init(s);
	watches_init(s);
	nesting_init(s);
	disco_init(s);
	buf_init(&s->scratch, SCRATCH_MAX);
	s->out = xcalloc(SHARDS_MAX, sizeof *s->out);
	if (!loop_init(&s->loop, MAILBOX_MAX, s)) {
		free(s->out);
		settings_unref(&s->settings);
		free(s);
		return NULL;
	}
	s->loop.turn_end = turn_end;
	timer_init(&s->room, look_again);
	timer_init(&s->stop, stop_now);
	s->caps = caps_memory_new(s);
	return s;
}

bool core_init(struct core *c, unsigned n_shards, struct settings *settings,
	const struct module *const *modules)
{
	BUG_ON(n_shards < 1 || n_shards > SHARDS_MAX);
	*c = (struct core){ .modules = module_lists_new(modules), .started = clock_mono_ms() };
	c->shards = xcalloc(n_shards, sizeof *c->shards);
	random_bytes(c->secret, sizeof c->secret);
	for (unsigned v = 0; v < VIRTUAL_SHARDS; v++)
		c->place[v] = (uint16_t)(v % n_shards);
	while (c->n_shards < n_shards) {
		struct shard *s = shard_new(c, c->n_shards, settings);
		if (!s)
			return false;
		c->shards[c->n_shards++] = s;
	}
	return true;
}

static void shard_free(struct shard *s)
{
	mailbox_run(&s->loop.inbox, s);
	for (unsigned i = 0; i < s->n_listeners; i++)
		listener_clear(&s->listeners[i]);
	free(s->listeners);
	s->dead = true;
	while (!list_empty(&s->clients))
		client_drop(list_first(&s->clients, struct client, link));
	components_free(s);
	peers_free(s);
	watches_free(s);
	nesting_clear(s);
	disco_clear(s);
	accounts_free(s);
	map_clear(&s->accounts);
	rooms_free(s);
	nodes_free(s);
	ask_clear(s);
	caps_memory_free(&s->caps);
	commands_clear(s);
	xml_table_clear(&s->table);
	xml_table_clear(&s->scratch_table);
	buf_clear(&s->scratch);
	free(s->out);
	free(s->past);
	loop_clear(&s->loop);
	settings_unref(&s->settings);
	free(s);
}

void core_clear(struct core *c)
{
	for (unsigned i = 0; i < c->n_shards; i++)
		shard_free(c->shards[i]);
	free(c->shards);
	free(c->modules);
	if (c->quota)
		quota_free(&c->quota);
	c->n_shards = 0;
}

void core_save(struct core *c)
{
	for (unsigned i = 0; i < c->n_shards; i++)
		accounts_save(c->shards[i]);
	sm_save_all(c);
	rooms_save(c);
	core_drain(c);
}

static void *shard_main(void *arg)
{
	struct shard *s = arg;

	loop_run(&s->loop);
	return NULL;
}

bool core_start(struct core *c)
{
	for (unsigned i = 0; i < c->n_shards; i++)
		if (pthread_create(&c->shards[i]->thread, NULL, shard_main, c->shards[i]) != 0)
			return false;
	return true;
}

void core_join(struct core *c)
{
	for (unsigned i = 0; i < c->n_shards; i++)
		pthread_join(c->shards[i]->thread, NULL);
}

static bool something_waits(struct core *c)
{
	struct store_stats st = { 0 };
	struct ledger_stats le = { 0 };

	if (c->store)
		store_stats(c->store, &st);
	if (c->ledger)
		ledger_stats(c->ledger, &le);
	return st.waiting || le.ops || (c->search && search_ops(c->search));
}

void core_drain(struct core *c)
{
	for (unsigned ms = 0; ms < DRAIN_MS; ms++) {
		bool waits = something_waits(c);
		size_t ran = 0;
		for (unsigned i = 0; i < c->n_shards; i++) {
			struct shard *s = c->shards[i];
			ran += mailbox_run(&s->loop.inbox, s);
			flush_to_ledger(s);
			for (unsigned k = 0; k < c->n_shards; k++)
				mailbox_post(&c->shards[k]->loop.inbox, &s->out[k]);
		}
		if (!waits && !ran)
			return;
		if (!ran)
			usleep(1000);
	}
}

/* ---- orders to all shards ---- */

static void send_orders(struct core *c, struct settings *settings,
	void (*run)(struct mail *, void *))
{
	for (unsigned i = 0; i < c->n_shards; i++) {
		struct order *o = xcalloc(1, sizeof *o);
		o->mail.run = run;
		o->settings = settings ? settings_ref(settings) : NULL;
		mailbox_post_one(&c->shards[i]->loop.inbox, &o->mail);
	}
}

static void end_clients(struct shard *s)
{
	list_each(c, &s->clients, struct client, link) {
		struct sm *sm = c->session ? c->session->sm : NULL;
		if (sm && sm->resumable) /* it goes on after the restart */
			sm_leave(sm);
		client_close(c, STREAM_SYSTEM_SHUTDOWN, "the server stops");
	}
	components_stop(s);
}

/* That a shard is through with a step, for each shard. */
struct word {
	struct mail mail;
	enum stop_step step;
};

static void do_step(struct shard *s, enum stop_step step);

static void one_is_through(struct shard *s, enum stop_step step)
{
	if (++s->n_steps[step] == s->core->n_shards && step < STOP_PEERS)
		do_step(s, step + 1);
}

static void word_came(struct mail *m, void *receiver)
{
	struct word *w = container_of(m, struct word, mail);
	enum stop_step step = w->step;

	free(w);
	one_is_through(receiver, step);
}

static void do_step(struct shard *s, enum stop_step step)
{
	static void (*const steps[])(struct shard *s) = { [STOP_WAITING] = peers_stop_waiting,
		[STOP_CLIENTS] = end_clients, [STOP_PEERS] = peers_stop };

	steps[step](s);
	for (unsigned i = 0; i < s->core->n_shards; i++) {
		if (i == s->index)
			continue;
		struct word *w = xcalloc(1, sizeof *w);
		w->step = step;
		w->mail = (struct mail){ .run = word_came, .bytes = sizeof *w };
		shard_post(s, s->core->shards[i], &w->mail);
	}
	one_is_through(s, step);
}

static void run_stop(struct mail *m, void *receiver)
{
	struct shard *s = receiver;

	free(container_of(m, struct order, mail));
	if (s->stopping)
		return;
	s->stopping = true;
	timer_set(&s->loop.wheel, &s->stop, s->loop.now, STOP_MS);
	for (unsigned i = 0; i < s->n_listeners; i++)
		listener_clear(&s->listeners[i]);
	s->n_listeners = 0;
	do_step(s, STOP_WAITING);
}

void core_stop(struct core *c)
{
	send_orders(c, NULL, run_stop);
}

static void run_reload(struct mail *m, void *receiver)
{
	struct order *o = container_of(m, struct order, mail);
	struct shard *s = receiver;
	struct settings *old = s->settings;

	rooms_shut(s, o->settings);
	s->settings = o->settings;
	list_each(c, &s->clients, struct client, link) {
		c2s_limit(&c->stream, &s->settings->guest, &s->settings->user);
		if (c->domain.n && !settings_account_host(s->settings, c->domain))
			client_close(c, STREAM_HOST_GONE, "the domain is no longer served here");
	}
	components_reload(s, old);
	peers_reload(s);
	watches_reload(s);
	settings_unref(&old);
	free(o);
}

void core_reload(struct core *c, struct settings *settings)
{
	send_orders(c, settings, run_reload);
}

/* ---- numbers ---- */

uint64_t core_count(const struct core *c, enum counter_id id)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < c->n_shards; i++)
		sum += counter_read(&c->shards[i]->counters[id]);
	return sum;
}

bool shard_may_check(struct shard *s)
{
	uint32_t share = s->settings->checks_per_second / s->core->n_shards;

	if (s->check_window != s->loop.now / 1000) {
		s->check_window = s->loop.now / 1000;
		s->checks = 0;
	}
	if (s->checks >= (share ? share : 1))
		return false;
	s->checks++;
	return true;
}
