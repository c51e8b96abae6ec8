/* What an administrator can ask for. A command that needs an account goes to the account's
 * owner as a mail and comes home as one. */
#include "server/admin.h"

#include "base/bug.h"
#include "base/clock.h"
#include "core/account.h"
#include "core/archive.h"
#include "core/client.h"
#include "core/component.h"
#include "core/manage.h"
#include "core/remote.h"

#include <stdio.h>
#include <stdlib.h>

#define USERS_PAGE 1000

/* ---- errands on shards ---- */

static void come_home(struct mail *m, void *receiver);

static void run_errand(struct mail *m, void *receiver)
{
	struct errand *e = container_of(m, struct errand, mail);

	e->work(e);
}

void errand_home(struct errand *e)
{
	e->mail = (struct mail){ .run = come_home };
	mailbox_post_one(&e->request->server->loop.inbox, &e->mail);
}

void errand_send(struct request *r, struct shard *to, struct jid j, void (*work)(struct errand *))
{
	struct errand *e = xcalloc(1, sizeof *e);

	e->request = r;
	e->shard = to;
	e->jid = j;
	e->work = work;
	buf_init(&e->out, ADMIN_OUTPUT_MAX);
	e->mail.run = run_errand;
	r->expected++;
	mailbox_post_one(&to->loop.inbox, &e->mail);
}

const char *admin_status_text(enum store_status s)
{
	switch (s) {
	case STORE_OK: return NULL;
	case STORE_EXISTS: return "there is such an account already";
	case STORE_NOT_FOUND: return "there is no such account";
	case STORE_FULL: return "the disk is full or too much waits; try again later";
	case STORE_FAILED: break;
	}
	return "the store failed; the log says how";
}

static void come_home(struct mail *m, void *receiver)
{
	struct errand *e = container_of(m, struct errand, mail);
	struct request *r = e->request;
	const char *error = e->why ? e->why : admin_status_text(e->status);

	buf_add(&r->out, buf_str(&e->out));
	buf_clear(&e->out);
	free(e);
	if (error && !r->error.p)
		r->error = str_c(error);
	if (--r->expected)
		return;
	if (r->gathered && !r->error.p)
		r->gathered(r);
	else
		admin_answer(r);
}

/* ---- words ---- */

void admin_text(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_byte(b, (unsigned char)s.p[i] < ' ' ? ' ' : s.p[i]);
}

void admin_column(struct buf *b, struct str s)
{
	buf_lit(b, "\t");
	admin_text(b, s);
}

void admin_refuse(struct request *r, const char *why)
{
	r->error = str_c(why);
	admin_answer(r);
}

/* The bare JID of a host served here. False: refused. */
static bool account_word(struct request *r, unsigned i, struct jid *out)
{
	const struct config *c = r->server->config;
	const char *why = "that domain is not served here";

	if (!jid_parse(r->words[i], &r->mem, out) || !out->n_local) {
		admin_refuse(r, "give an address like juliet@example.org");
		return false;
	}
	for (size_t h = 0; h < c->n_hosts; h++) {
		if (str_eq(c->hosts[h].domain, jid_domain(*out)))
			return true;
		if (str_eq(c->hosts[h].rooms, jid_domain(*out)))
			why = "that domain has rooms, and no accounts";
		if (str_eq(c->hosts[h].pubsub, jid_domain(*out)))
			why = "that domain has nodes, and no accounts";
	}
	admin_refuse(r, why);
	return false;
}

static bool password_word(struct request *r, unsigned i, struct str *out)
{
	if (jid_prep_password(r->words[i], &r->mem, out))
		return true;
	admin_refuse(r, "a password has 1 to 1023 bytes and no control characters");
	return false;
}

/* ---- accounts ---- */

static void managed(struct shard *s, enum store_status status, void *ctx)
{
	struct errand *e = ctx;

	e->status = status;
	errand_home(e);
}

static struct str errand_password(const struct errand *e)
{
	return e->request->words[2];
}

static void do_adduser(struct errand *e)
{
	manage_create(e->shard, e->jid, errand_password(e), managed, e);
}

static void do_passwd(struct errand *e)
{
	manage_password(e->shard, e->jid, errand_password(e), managed, e);
}

static void do_deluser(struct errand *e)
{
	manage_delete(e->shard, e->jid, managed, e);
}

static void with_password(struct request *r, void (*work)(struct errand *))
{
	struct jid j;

	if (!account_word(r, 1, &j) || !password_word(r, 2, &r->words[2]))
		return;
	errand_send(r, shard_of(&r->server->core, j), jid_bare(j), work);
}

static void cmd_adduser(struct request *r)
{
	with_password(r, do_adduser);
}

static void cmd_passwd(struct request *r)
{
	with_password(r, do_passwd);
}

static void cmd_deluser(struct request *r)
{
	struct jid j;

	if (account_word(r, 1, &j))
		errand_send(r, shard_of(&r->server->core, j), jid_bare(j), do_deluser);
}

/* ---- an account's messages ---- */

struct erasing {
	struct waiter waiter;
	struct errand *errand;
};

static void erase_messages(struct waiter *w, struct shard *s, struct account *a,
	enum store_status status)
{
	struct erasing *x = container_of(w, struct erasing, waiter);
	struct errand *e = x->errand;

	free(x);
	if (a)
		archive_erase(s, a->jid, managed, e);
	else
		managed(s, status, e);
}

static void do_erase(struct errand *e)
{
	struct erasing *x = xcalloc(1, sizeof *x);

	x->waiter.run = erase_messages;
	x->errand = e;
	account_wait(e->shard, e->jid, &x->waiter);
}

static void cmd_erase(struct request *r)
{
	struct jid j;

	if (account_word(r, 1, &j))
		errand_send(r, shard_of(&r->server->core, j), jid_bare(j), do_erase);
}

/* ---- users: host after host, page after page ---- */

struct users_ctx {
	struct request *request;
	size_t host;
};

static void ask_users(struct request *r, size_t host, struct str after);

static void got_users(struct store_op *op, void *receiver)
{
	struct users_ctx *k = op->ctx;
	struct request *r = k->request;
	size_t host = k->host;
	struct str last = STR_NULL;

	if (op->status != STORE_OK) {
		admin_refuse(r, admin_status_text(op->status));
		store_op_free(op);
		return;
	}
	for (size_t i = 0; i < op->n_users; i++) {
		buf_add(&r->out, op->users[i]);
		buf_lit(&r->out, "@");
		buf_add(&r->out, op->host);
		buf_lit(&r->out, "\n");
		last = op->users[i];
	}
	if (op->n_users == USERS_PAGE)
		ask_users(r, host, str_dup(&r->mem, last));
	else
		ask_users(r, host + 1, STR(""));
	store_op_free(op);
}

/* words[1], if given, is the only host wanted. */
static void ask_users(struct request *r, size_t host, struct str after)
{
	const struct config *c = r->server->config;

	if (r->server->stopping) {
		admin_refuse(r, "the server stops");
		return;
	}
	while (host < c->n_hosts && r->n_words > 1 && !str_eq(c->hosts[host].domain, r->words[1]))
		host++;
	if (host >= c->n_hosts) {
		admin_answer(r);
		return;
	}
	struct store_op *op = store_op_new(&r->server->loop.inbox, got_users,
		sizeof(struct users_ctx));
	*(struct users_ctx *)op->ctx = (struct users_ctx){ r, host };
	store_users(r->server->core.store, op, c->hosts[host].domain, after, USERS_PAGE);
}

static void cmd_users(struct request *r)
{
	ask_users(r, 0, STR(""));
}

/* ---- sessions ---- */

/* Where its client is, or that it may come back (XEP-0198). */
static struct str whereabouts(struct errand *e, struct session *s)
{
	if (!s->client)
		return STR("away");
	struct wire *w = s->client->stream.wire;
	return w->ops->peer(w, &e->shard->loop.turn);
}

static void list_session(struct errand *e, struct session *s)
{
	uint64_t seconds = (clock_wall_us() - s->since_us) / 1000000;

	buf_add(&e->out, jid_str(s->full));
	buf_printf(&e->out, "\t%s\tpriority %d\t%llus\t%.*s\n",
		session_is_available(s) ? "available" : "connected", s->priority,
		(unsigned long long)seconds, STR_FMT(whereabouts(e, s)));
}

static void do_sessions(struct errand *e)
{
	struct map_node *n = NULL;

	while ((n = map_next(&e->shard->accounts, n))) {
		struct account *a = container_of(n, struct account, node);
		list_each(s, &a->sessions, struct session, link)
			list_session(e, s);
	}
	errand_home(e);
}

/* Has a work done by each shard. */
static void ask_shards(struct request *r, void (*work)(struct errand *e))
{
	struct core *c = &r->server->core;

	/* All are counted before the first can come home. */
	for (unsigned i = 0; i < c->n_shards; i++)
		errand_send(r, c->shards[i], (struct jid){ 0 }, work);
}

static void cmd_sessions(struct request *r)
{
	ask_shards(r, do_sessions);
}

/* ---- components and other servers ---- */

static void do_components(struct errand *e)
{
	components_list(e->shard, &e->out);
	errand_home(e);
}

static void cmd_components(struct request *r)
{
	ask_shards(r, do_components);
}

static void do_federation(struct errand *e)
{
	remotes_list(e->shard, &e->out);
	errand_home(e);
}

static void cmd_federation(struct request *r)
{
	ask_shards(r, do_federation);
}

static void do_kick(struct errand *e)
{
	if (!manage_kick(e->shard, e->jid))
		buf_lit(&e->out, "no such session\n");
	errand_home(e);
}

static void cmd_kick(struct request *r)
{
	struct jid j;

	if (account_word(r, 1, &j))
		errand_send(r, shard_of(&r->server->core, j), j, do_kick);
}

/* ---- numbers ---- */

static uint64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long size, resident = 0;

	if (f && fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return (uint64_t)resident * 4096;
}

static void number(struct request *r, const char *name, uint64_t v)
{
	buf_printf(&r->out, "%s %llu\n", name, (unsigned long long)v);
}

static void cmd_stats(struct request *r)
{
	struct core *c = &r->server->core;
	struct store_stats st;
	struct ledger_stats le;

	store_stats(c->store, &st);
	ledger_stats(c->ledger, &le);
	number(r, "uptime_seconds", (clock_mono_ms() - c->started) / 1000);
	number(r, "shards", c->n_shards);
	number(r, "resident_bytes", resident_bytes());
	for (unsigned i = 0; i < COUNTERS; i++)
		number(r, counter_names[i], core_count(c, (enum counter_id)i));
	number(r, "store_groups", st.groups);
	number(r, "store_writes", st.writes);
	number(r, "store_reads", st.reads);
	number(r, "store_waiting", st.waiting);
	number(r, "store_failed", st.failed);
	number(r, "ledger_records", le.records);
	number(r, "ledger_groups", le.groups);
	number(r, "ledger_bytes", le.bytes);
	number(r, "ledger_segments", le.segments);
	number(r, "ledger_waiting", le.waiting);
	number(r, "ledger_failed", le.failed);
	admin_answer(r);
}

static void cmd_reload(struct request *r)
{
	struct str error, note;

	if (!server_reload(r->server, &r->mem, &error, &note)) {
		r->error = str_printf(&r->mem, "nothing was changed: %.*s", STR_FMT(error));
	} else if (note.n) {
		buf_printf(&r->out, "only a restart changes: %.*s\n", STR_FMT(note));
	}
	admin_answer(r);
}

/* ---- dispatch ---- */

static const struct admin_command {
	const char *name;
	unsigned min, max; /* words, the name counted */
	void (*run)(struct request *r);
} commands[] = {
	{ "adduser", 3, 3, cmd_adduser },
	{ "deluser", 2, 2, cmd_deluser },
	{ "passwd", 3, 3, cmd_passwd },
	{ "erase", 2, 2, cmd_erase },
	{ "users", 1, 2, cmd_users },
	{ "sessions", 1, 1, cmd_sessions },
	{ "kick", 2, 2, cmd_kick },
	{ "components", 1, 1, cmd_components },
	{ "federation", 1, 1, cmd_federation },
	{ "stats", 1, 1, cmd_stats },
	{ "reload", 1, 1, cmd_reload },
	{ "backup", 2, 2, backup_run },
	{ "rooms", 1, 2, rooms_run },
	{ "room", 3, ADMIN_WORDS_MAX, room_run },
	{ "nodes", 1, 2, nodes_run },
	{ "node", 4, 4, node_run_command },
};

void admin_run(struct request *r)
{
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		const struct admin_command *c = &commands[i];
		if (!str_eq(r->words[0], str_c(c->name)))
			continue;
		if (r->n_words < c->min || r->n_words > c->max)
			admin_refuse(r, "the command has too few or too many words");
		else
			c->run(r);
		return;
	}
	admin_refuse(r, "there is no such command");
}
