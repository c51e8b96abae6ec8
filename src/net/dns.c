/* All that is known of questions belongs to the resolver's loop: no lock is needed.
 *
 * A question that libunbound works on (struct dns_run) keeps its place among DNS_RUNNING_MAX
 * until libunbound is done with it, also when its asker had to go home without an answer:
 * libunbound would go on with a cancelled one, too, and so its memory is bounded. */
#include "net/dns.h"

#include "base/bug.h"
#include "base/log.h"
#include "net/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unbound.h>
#include <unistd.h>

#define CLASS_IN 1

struct dns {
	struct ub_ctx *ctx;
	struct loop *loop;
	struct watch watch;     /* libunbound has answers */
	struct timer timer;     /* the oldest question's time is over */
	struct list due;        /* questions that are not home, the oldest first */
	struct list waiting;    /* those of them that libunbound does not have yet */
	struct list runs;
	size_t n_waiting, n_running;
	bool validates, loopback;
	atomic_bool stopped;
};

/* What libunbound works on. */
struct dns_run {
	struct list link;
	struct dns *dns;
	struct dns_query *q; /* NULL: it has gone home */
};

/* libunbound is built for resolvers of few questions; these are for a server's. */
static const struct setting {
	const char *name, *value;
} settings[] = {
	{ "outgoing-range:", "512" },       /* questions on the wire; others wait inside */
	{ "outgoing-num-tcp:", "16" },
	{ "msg-cache-size:", "4m" },
	{ "rrset-cache-size:", "8m" },
	{ "key-cache-size:", "1m" },
	{ "neg-cache-size:", "1m" },
	{ "infra-cache-numhosts:", "10000" },
	{ "cache-max-ttl:", "86400" },
	{ "cache-max-negative-ttl:", "3600" },
	/* ms that an answer is waited for at first; it doubles with each attempt. A server that is
	 * near may still have a long way to go for an answer. */
	{ "infra-cache-min-rtt:", "300" },
	{ "do-not-query-localhost:", "no" }, /* a resolver on this machine */
};

/* ---- questions ---- */

static void come_home(struct mail *m, void *receiver)
{
	struct dns_query *q = container_of(m, struct dns_query, mail);

	q->done(q, receiver);
}

static void send_home(struct dns_query *q)
{
	q->mail.run = come_home;
	mailbox_post_one(q->home, &q->mail);
}

static void fail(struct dns_query *q)
{
	q->status = DNS_FAILED;
	send_home(q);
}

/* Out of all that the resolver keeps. */
static void forget(struct dns *d, struct dns_query *q)
{
	list_del(&q->due);
	if (!list_empty(&q->waiting)) {
		list_del(&q->waiting);
		d->n_waiting--;
	}
	if (q->run)
		q->run->q = NULL;
	q->run = NULL;
}

static size_t count(char *const *data)
{
	size_t n = 0;

	while (n < DNS_RECORDS_MAX && data[n])
		n++;
	return n;
}

/* The records, in one block with their bytes behind them. */
static void take_records(struct dns_query *q, const struct ub_result *r)
{
	size_t n = count(r->data), bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += (size_t)r->len[i];
	q->records = xmalloc(n * sizeof q->records[0] + bytes + 1);
	char *at = (char *)(q->records + n);
	for (size_t i = 0; i < n; i++) {
		size_t len = (size_t)r->len[i];
		memcpy(at, r->data[i], len);
		q->records[i] = str_from(at, len);
		at += len;
	}
	q->n = n;
}

static void take_answer(struct dns_query *q, const struct ub_result *r)
{
	q->status = DNS_FAILED;
	if (!r)
		return;
	if (r->bogus) {
		q->status = DNS_BOGUS;
		log_info(NULL, "dns_bogus", F_C("name", q->name), F_C("why", r->why_bogus));
		return;
	}
	if (!r->havedata && !r->nxdomain && r->rcode != 0)
		return;
	q->secure = r->secure;
	q->ttl = r->ttl < 0 ? 0 : r->ttl > DNS_TTL_MAX ? DNS_TTL_MAX : (uint32_t)r->ttl;
	q->status = r->havedata ? DNS_OK : DNS_NONE;
	if (r->havedata)
		take_records(q, r);
}

static void run_free(struct dns_run *run)
{
	list_del(&run->link);
	run->dns->n_running--;
	free(run);
}

static void answered(void *arg, int error, struct ub_result *r)
{
	struct dns_run *run = arg;
	struct dns_query *q = run->q;

	if (q) {
		take_answer(q, error ? NULL : r);
		forget(run->dns, q);
		send_home(q);
	}
	ub_resolve_free(r);
	run_free(run);
}

static void run_start(struct dns *d, struct dns_query *q)
{
	struct dns_run *run = xmalloc(sizeof *run);

	*run = (struct dns_run){ .dns = d, .q = q };
	list_init(&run->link);
	list_add(&d->runs, &run->link);
	d->n_running++;
	q->run = run;
	if (ub_resolve_async(d->ctx, q->name, q->type, CLASS_IN, run, answered, NULL) == 0)
		return;
	forget(d, q);
	run_free(run);
	fail(q);
}

static void start_waiting(struct dns *d)
{
	while (d->n_running < DNS_RUNNING_MAX && !list_empty(&d->waiting)) {
		struct dns_query *q = list_first(&d->waiting, struct dns_query, waiting);
		list_del(&q->waiting);
		d->n_waiting--;
		run_start(d, q);
	}
}

static void set_timer(struct dns *d)
{
	struct dns_query *q = list_first(&d->due, struct dns_query, due);
	uint64_t now = d->loop->now;

	if (q && !timer_is_set(&d->timer))
		timer_set(&d->loop->wheel, &d->timer, now,
			q->deadline > now ? q->deadline - now : 0);
}

static void time_is_over(struct timer *t)
{
	struct dns *d = container_of(t, struct dns, timer);
	struct dns_query *q;

	while ((q = list_first(&d->due, struct dns_query, due)) && q->deadline <= d->loop->now) {
		forget(d, q);
		fail(q);
	}
	set_timer(d);
}

/* In the resolver's loop. */
static void asked(struct mail *m, void *receiver)
{
	struct dns_query *q = container_of(m, struct dns_query, mail);
	struct dns *d = q->dns;

	if (atomic_load(&d->stopped) || d->n_waiting == DNS_WAITING_MAX) {
		fail(q);
		return;
	}
	q->deadline = d->loop->now + DNS_TIMEOUT_MS;
	list_add(&d->due, &q->due);
	set_timer(d);
	list_add(&d->waiting, &q->waiting);
	d->n_waiting++;
	start_waiting(d);
}

bool dns_is_name(struct str name)
{
	size_t label = 0;

	if (!name.n || name.n > DNS_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
		if (c == '.' && label > 0)
			label = 0;
		else if ((letter || (c >= '0' && c <= '9') || c == '-' || c == '_') && label < 63)
			label++;
		else
			return false;
	}
	return label > 0;
}

void dns_ask(struct dns *d, struct dns_query *q, struct str name, enum dns_type type)
{
	struct mailbox *home = q->home;
	void (*done)(struct dns_query *, void *) = q->done;
	bool good = dns_is_name(name);

	*q = (struct dns_query){ .home = home, .done = done, .dns = d, .type = type };
	q->mail.run = asked;
	q->mail.bytes = sizeof *q;
	list_init(&q->due);
	list_init(&q->waiting);
	if (!good) {
		q->status = DNS_NONE;
		send_home(q);
		return;
	}
	memcpy(q->name, name.p, name.n);
	if (atomic_load(&d->stopped))
		fail(q);
	else
		mailbox_post_one(&d->loop->inbox, &q->mail);
}

void dns_query_clear(struct dns_query *q)
{
	free(q->records);
	q->records = NULL;
	q->n = 0;
}

/* ---- the resolver ---- */

static void fail_all(struct dns *d)
{
	struct dns_query *q;

	while ((q = list_first(&d->due, struct dns_query, due))) {
		forget(d, q);
		fail(q);
	}
}

/* No more answers. */
static void halt(struct dns *d)
{
	if (atomic_exchange(&d->stopped, true) || !d->loop)
		return;
	watch_del(d->loop, &d->watch);
	timer_stop(&d->loop->wheel, &d->timer);
	fail_all(d);
}

static void answers_ready(struct watch *w, uint32_t events)
{
	struct dns *d = container_of(w, struct dns, watch);
	int error = ub_process(d->ctx);

	if (error) {
		log_error(NULL, "dns_broken", F_C("why", ub_strerror(error)));
		halt(d);
		return;
	}
	start_waiting(d);
}

static void first_answer(void *arg, int error, struct ub_result *r)
{
	ub_resolve_free(r);
}

/* Has libunbound start its thread, which shall take no signals. This question is answered
 * without a server. */
static int start_thread(struct ub_ctx *ctx)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = ub_resolve_async(ctx, "localhost", DNS_A, CLASS_IN, NULL, first_answer, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

static bool set_servers(struct ub_ctx *ctx, const struct dns_options *o, struct arena *a,
	struct str *error)
{
	for (size_t i = 0; i < o->n_servers; i++)
		if (ub_ctx_set_fwd(ctx, o->servers[i]) != 0) {
			*error = str_printf(a, "the DNS server \"%s\" is no address; give it as "
				"192.0.2.1, 192.0.2.1@5353 or 2001:db8::1", o->servers[i]);
			return false;
		}
	if (o->n_servers)
		return true;
	/* A system without these files is asked as resolv.conf(5) has it. */
	ub_ctx_hosts(ctx, NULL);
	if (ub_ctx_resolvconf(ctx, NULL) != 0)
		ub_ctx_set_fwd(ctx, "127.0.0.1");
	return true;
}

static bool set_anchor(struct ub_ctx *ctx, const char *file, struct arena *a, struct str *error)
{
	if (!file)
		return true;
	if (access(file, R_OK) != 0) {
		*error = str_printf(a, "%s with the trust anchors of DNS cannot be read: %s", file,
			strerror(errno));
		return false;
	}
	return ub_ctx_add_ta_file(ctx, file) == 0;
}

/* A failure of libunbound itself leaves *error as it is. */
static bool set_up(struct ub_ctx *ctx, const struct dns_options *o, struct arena *a,
	struct str *error)
{
	bool ok = ub_ctx_debugout(ctx, NULL) == 0 && ub_ctx_async(ctx, true) == 0;

	for (size_t i = 0; ok && i < sizeof settings / sizeof settings[0]; i++)
		ok = ub_ctx_set_option(ctx, settings[i].name, settings[i].value) == 0;
	if (!ok || !set_servers(ctx, o, a, error) || !set_anchor(ctx, o->anchor_file, a, error))
		return false;
	/* To us these are names like others (RFC 6761 section 6.2, RFC 8375 section 4). The first
	 * of the calls reads the anchors. */
	if (ub_ctx_zone_remove(ctx, "test.") != 0) {
		if (o->anchor_file)
			*error = str_printf(a, "%s has no trust anchors of DNS: DNSKEY or DS "
				"records as in a zone file", o->anchor_file);
		return false;
	}
	return ub_ctx_zone_remove(ctx, "home.arpa.") == 0 && start_thread(ctx) == 0;
}

struct dns *dns_new(const struct dns_options *o, struct arena *a, struct str *error)
{
	struct ub_ctx *ctx = ub_ctx_create();

	*error = STR("libunbound cannot be set up");
	if (!ctx)
		return NULL;
	if (!set_up(ctx, o, a, error)) {
		ub_ctx_delete(ctx);
		return NULL;
	}
	struct dns *d = xcalloc(1, sizeof *d);
	d->ctx = ctx;
	d->validates = o->anchor_file;
	d->loopback = o->loopback;
	list_init(&d->due);
	list_init(&d->waiting);
	list_init(&d->runs);
	timer_init(&d->timer, time_is_over);
	atomic_init(&d->stopped, false);
	*error = STR_NULL;
	return d;
}

bool dns_attach(struct dns *d, struct loop *l)
{
	d->watch = (struct watch){ ub_fd(d->ctx), EPOLLIN, answers_ready };
	if (!watch_add(l, &d->watch))
		return false;
	d->loop = l;
	return true;
}

void dns_stop(struct dns *d)
{
	halt(d);
	if (d->ctx)
		ub_ctx_delete(d->ctx); /* ends its thread; nothing is called back */
	d->ctx = NULL;
	while (!list_empty(&d->runs))
		run_free(list_first(&d->runs, struct dns_run, link));
}

void dns_free(struct dns **dp)
{
	struct dns *d = *dp;

	if (!d)
		return;
	dns_stop(d);
	free(d);
	*dp = NULL;
}

bool dns_validates(const struct dns *d)
{
	return d->validates;
}

bool dns_takes_loopback(const struct dns *d)
{
	return d->loopback;
}
