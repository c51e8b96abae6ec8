/* register, login, idle: what is measured by the connection. */
#include "bench.h"

#include "base/bug.h"

#include <errno.h>
#include <stdio.h>

static void failed(struct peer *p, const char *why)
{
	bench_error(bench_of(p), "%s: %s", p->user, why);
}

static void ended(struct peer *p)
{
}

static void ignore(struct peer *p, const struct xml_doc *d)
{
}

/* ---- register: accounts by XEP-0077, each on a connection of its own ---- */

static struct {
	unsigned started, done;
	uint64_t begun[1 << 20];
} reg;

static void register_more(struct bench *b)
{
	while (reg.started < b->n_peers && reg.started - reg.done < b->o.at_once) {
		unsigned i = reg.started++;
		reg.begun[i % (1 << 20)] = now_ns();
		if (!peer_connect(&b->peers[i])) {
			bench_error(b, "connect: %s", strerror(errno));
			return;
		}
	}
}

static void send_registration(struct peer *p)
{
	buf_printf(peer_out(p),
		"<iq type='set' id='reg' to='%s'><query xmlns='jabber:iq:register'><username>%s</username>"
		"<password>%s</password></query></iq>",
		p->target->domain, p->user, p->password);
}

static void registered(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	const struct xml_node *error = xml_child(d, xml_root(d), NS_CLIENT, TAG_ERROR);

	if (error && !xml_child(d, error, NS_STANZAS, TAG_CONFLICT)) {
		bench_error(b, "%s: registration refused", p->user);
		return;
	}
	histogram_add(&b->latency, now_ns() - reg.begun[(unsigned)(p - b->peers) % (1 << 20)]);
	b->units++;
	peer_end(p);
}

static void registered_and_gone(struct peer *p)
{
	reg.done++;
	register_more(bench_of(p));
}

static const struct peer_ops register_ops = { .features = send_registration,
	.stanza = registered, .failed = failed, .ended = registered_and_gone };

static bool all_registered(struct bench *b)
{
	return reg.done == b->n_peers;
}

void run_register(struct bench *b)
{
	b->n_peers = b->o.users;
	b->peers = xcalloc(b->n_peers, sizeof *b->peers);
	for (unsigned i = 0; i < b->n_peers; i++)
		peer_init(&b->peers[i], &b->loop, &b->target, &register_ops, b->o.first + i);
	bench_start(b);
	register_more(b);
	if (!bench_run(b, all_registered, 3600, "registering"))
		bench_error(b, "registering took too long");
	bench_end(b);
	crowd_leave(b);
}

/* ---- login: connect, negotiate, bind, presence, leave; again and again ---- */

static struct {
	bool over;
	unsigned under_way;
	uint64_t *begun;
	struct str *sessions;
} logins;

static void login_again(struct peer *p)
{
	struct bench *b = bench_of(p);

	logins.begun[p - b->peers] = now_ns();
	if (!peer_connect(p))
		bench_error(b, "connect: %s", strerror(errno));
	else
		logins.under_way++;
}

static void logged_in(struct peer *p)
{
	struct bench *b = bench_of(p);

	histogram_add(&b->latency, now_ns() - logins.begun[p - b->peers]);
	b->units++;
	buf_lit(peer_out(p), "<presence/>");
	peer_end(p);
}

static void logged_out(struct peer *p)
{
	logins.under_way--;
	if (!logins.over)
		login_again(p);
}

static const struct peer_ops login_ops = { .ready = logged_in, .stanza = ignore,
	.failed = failed, .ended = logged_out };

static bool never(struct bench *b)
{
	return false;
}

static bool none_under_way(struct bench *b)
{
	return logins.under_way == 0;
}

void run_login(struct bench *b)
{
	unsigned n = b->o.at_once < b->o.users ? b->o.at_once : b->o.users;

	b->n_peers = n;
	b->peers = xcalloc(n, sizeof *b->peers);
	b->caches = xcalloc(n, sizeof *b->caches);
	logins.begun = xcalloc(n, sizeof *logins.begun);
	logins.sessions = xcalloc(n, sizeof *logins.sessions);
	for (unsigned i = 0; i < n; i++) {
		struct peer *p = &b->peers[i];
		peer_init(p, &b->loop, &b->target, &login_ops, b->o.first + i);
		p->cache = &b->caches[i];
		p->session = &logins.sessions[i];
		login_again(p);
	}
	bench_run(b, never, 1, "warming up");
	bench_start(b);
	bench_run(b, never, b->o.seconds, "logging in");
	bench_end(b);
	logins.over = true;
	bench_run(b, none_under_way, 20, "ending");
	crowd_leave(b);
}

/* ---- idle: memory of a bound connection, CPU while nothing happens ---- */

static const struct peer_ops idle_ops = { .ready = crowd_ready, .stanza = ignore,
	.failed = failed, .ended = ended };

void run_idle(struct bench *b)
{
	if (!crowd_login(b, b->o.users, &idle_ops, true))
		return;
	bench_run(b, never, 2, "settling");
	bench_start(b);
	bench_run(b, never, b->o.seconds, "idle");
	bench_end(b);
	b->units = b->n_peers;
	crowd_leave(b);
}
