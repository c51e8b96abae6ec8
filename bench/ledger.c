/* The ledger by itself: what a message costs that must outlive a power cut.
 *
 * Usage: bench-ledger [FOLDER [SECONDS]]
 *
 * Messages of 600 bytes, each in the history of two of 10,000 archives, from one home. First so
 * many in flight, each replaced when it comes home; then at fixed rates, whatever comes home; then
 * the speed of opening without an index. CPU is that of the ledger's threads, writing segments
 * ahead of use included. The folder should lie on the disk that is to be measured.
 *
 * Then, in another ledger, pages of 50 from an archive of a million messages, and what it takes
 * in memory. */
#include "base/bug.h"
#include "store/ledger.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#define BYTES    600
#define ARCHIVES 10000
#define SAMPLES  (1 << 22)

#define HISTORY  1000000 /* messages of one archive, */
#define SPACE_US 20000   /* so far from each other, */
#define PARTNERS 200     /* with so many, and one who is rare: */
#define RARE     50000
#define PAGE     50
#define PAGES    2000    /* asked for in each way */

struct run {
	struct ledger *l;
	struct mailbox home;
	unsigned out;
	bool refill;             /* each that comes home is replaced */
	uint64_t stored, refused, stamp;
	uint32_t *us;            /* of each store, as many as SAMPLES */
	size_t n_us;
};

static char message[BYTES];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static double cpu_us(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Of all threads but this one. */
static double ledger_us(void)
{
	return cpu_us(RUSAGE_SELF) - cpu_us(RUSAGE_THREAD);
}

static void came_home(struct ledger_op *op, void *receiver);

static void store_one(struct run *r)
{
	struct ledger_op *op = ledger_op_new(&r->home, came_home, sizeof(uint64_t));
	char name[40], other[40];
	unsigned user = (unsigned)((r->stored + r->out) * 7919 % ARCHIVES);
	int n = snprintf(name, sizeof name, "user%05u@example.org", user);

	*(uint64_t *)op->ctx = now_ns();
	r->out++;
	unsigned partner = (user + 1 + user % 17) % ARCHIVES;
	int k = snprintf(other, sizeof other, "user%05u@example.org", partner);
	struct ledger_entry e[] = { { .archive = str_from(name, (size_t)n), .archived = true },
		{ .archive = str_from(other, (size_t)k), .archived = true } };
	e[0].partner = e[1].archive;
	e[1].partner = e[0].archive;
	r->stamp += 10;
	ledger_store(r->l, op, e, 2, ledger_id(r->stamp, 0), str_from(message, BYTES), STR_NULL);
}

static void came_home(struct ledger_op *op, void *receiver)
{
	struct run *r = receiver;

	r->out--;
	r->stored += op->status == STORE_OK;
	r->refused += op->status != STORE_OK;
	if (r->n_us < SAMPLES)
		r->us[r->n_us++] = (uint32_t)((now_ns() - *(uint64_t *)op->ctx) / 1000);
	ledger_op_free(op);
	if (r->refill)
		store_one(r);
}

/* Runs what has come home, waiting for it as long. */
static void turn(struct run *r, uint64_t wait_ns)
{
	if (mailbox_sleep(&r->home)) {
		struct pollfd p = { r->home.fd, POLLIN, 0 };
		struct timespec t = { (time_t)(wait_ns / UINT64_C(1000000000)),
			(long)(wait_ns % UINT64_C(1000000000)) };
		mailbox_awake(&r->home, ppoll(&p, 1, &t, NULL) > 0);
	}
	mailbox_run(&r->home, r);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void report(struct run *r, const char *what, double seconds, double us, uint64_t groups)
{
	struct ledger_stats st;

	ledger_stats(r->l, &st);
	qsort(r->us, r->n_us, sizeof *r->us, by_value);
	double p50 = r->n_us ? r->us[r->n_us / 2] : 0, p99 = r->n_us ? r->us[r->n_us / 100 * 99] : 0;
	printf("%-22s %9.0f %8.2f %8.1f %8.2f %8.2f %9llu\n", what, (double)r->stored / seconds,
		us / (double)r->stored, (double)r->stored / (double)(st.groups - groups),
		p50 / 1000, p99 / 1000, (unsigned long long)r->refused);
	fflush(stdout);
}

static void in_flight(struct run *r, unsigned n, double seconds)
{
	struct ledger_stats st;
	char what[32];
	uint64_t began = now_ns(), end = began + (uint64_t)(seconds * 1e9);
	double us = ledger_us();

	ledger_stats(r->l, &st);
	r->stored = r->refused = r->n_us = 0;
	r->refill = true;
	while (r->out < n)
		store_one(r);
	while (now_ns() < end)
		turn(r, 1000000);
	double took = (double)(now_ns() - began) / 1e9;
	snprintf(what, sizeof what, "%u in flight", n);
	report(r, what, took, ledger_us() - us, st.groups);
	r->refill = false;
	while (r->out)
		turn(r, 1000000);
}

/* Submits what is due, then sleeps until the next is, at least 50 us. */
static void at_rate(struct run *r, unsigned rate, double seconds)
{
	struct ledger_stats st;
	char what[32];
	uint64_t began = now_ns(), sent = 0;
	double us = ledger_us(), took;

	ledger_stats(r->l, &st);
	r->stored = r->refused = r->n_us = 0;
	while ((took = (double)(now_ns() - began) / 1e9) < seconds) {
		for (uint64_t due = (uint64_t)(took * rate); sent < due; sent++)
			store_one(r);
		uint64_t next = began + (sent + 1) * UINT64_C(1000000000) / rate, now = now_ns();
		turn(r, next > now + 50000 ? next - now : 50000);
	}
	snprintf(what, sizeof what, "%u a second", rate);
	report(r, what, took, ledger_us() - us, st.groups);
	while (r->out)
		turn(r, 1000000);
}

static void empty_folder(const char *dir)
{
	DIR *d = opendir(dir);

	for (struct dirent *e; d && (e = readdir(d));)
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

static void start(struct run *r, const char *dir)
{
	struct ledger_options o = { .offline_max = UINT32_MAX };
	struct str error;
	struct arena a;

	arena_init(&a, 1024);
	r->l = ledger_open(dir, &o, &a, &error);
	if (!r->l) {
		fprintf(stderr, "%.*s\n", STR_FMT(error));
		exit(1);
	}
	arena_clear(&a);
}

/* Without an index, from the page cache, and again with it. */
static void open_again(struct run *r, const char *dir, uint64_t records)
{
	char index[4096];
	struct ledger_stats st;

	ledger_stats(r->l, &st);
	ledger_close(&r->l);
	snprintf(index, sizeof index, "%s/ledger.index", dir);
	for (int with = 0; with < 2; with++) {
		if (!with && unlink(index) != 0)
			fprintf(stderr, "%s: %s\n", index, strerror(errno));
		uint64_t began = now_ns();
		start(r, dir);
		double took = (double)(now_ns() - began) / 1e9;
		printf("open %s index: %.3f s, %llu messages in %llu segments%s", with ? "with" :
			"without", took, (unsigned long long)records,
			(unsigned long long)st.segments, with ? "\n" : "");
		if (!with)
			printf(", %.2f million a second\n", (double)records / took / 1e6);
		ledger_close(&r->l);
	}
}

/* ---- pages ---- */

static void kept(struct ledger_op *op, void *receiver)
{
	struct run *r = receiver;

	BUG_ON(op->status != STORE_OK);
	r->out--;
	ledger_op_free(op);
}

static uint64_t id_of(unsigned i)
{
	return ledger_id(UINT64_C(1700000000000000) + (uint64_t)i * SPACE_US, 0);
}

/* The history of one archive among those of its partners. */
static void fill_history(struct run *r)
{
	char name[40];

	for (unsigned i = 0; i < HISTORY; i++) {
		unsigned k = i % RARE == 0 ? PARTNERS : i * 7919u % PARTNERS;
		int n = snprintf(name, sizeof name, "user%05u@example.org", k);
		struct ledger_entry e[] = {
			{ STR("many@example.org"), { name, (size_t)n }, true, false },
			{ { name, (size_t)n }, STR("many@example.org"), true, false } };
		r->out++;
		ledger_store(r->l, ledger_op_new(&r->home, kept, 0), e, 2, id_of(i),
			str_from(message, BYTES), STR_NULL);
		while (r->out > 1000)
			turn(r, 1000000);
	}
	while (r->out)
		turn(r, 1000000);
}

static void page_came(struct ledger_op *op, void *receiver)
{
	BUG_ON(op->status != STORE_OK || !op->n_messages);
	((struct run *)receiver)->stored += op->n_messages;
	((struct run *)receiver)->out--;
	ledger_op_free(op);
}

enum way { NEWEST, AFTER, BEFORE, WITH, WITH_RARE, SINCE };

static void ask(struct run *r, enum way way, unsigned i)
{
	struct ledger_query q = { .max = PAGE, .newest = way != AFTER && way != SINCE };
	unsigned at = HISTORY / 10 + i * 7919u % (HISTORY / 10 * 8);

	if (way == AFTER)
		q.after = id_of(at);
	if (way == BEFORE)
		q.before = id_of(at);
	if (way == WITH)
		q.with = STR("user00007@example.org");
	if (way == WITH_RARE)
		q.with = STR("user00200@example.org");
	if (way == SINCE)
		q.start_us = ledger_id_stamp(id_of(at));
	r->out++;
	ledger_query(r->l, ledger_op_new(&r->home, page_came, 0), STR("many@example.org"), &q);
	while (r->out)
		turn(r, 1000000);
}

static void pages(struct run *r, enum way way, const char *what)
{
	uint64_t began = now_ns();
	double us = ledger_us();

	r->stored = 0;
	for (unsigned i = 0; i < PAGES; i++)
		ask(r, way, i);
	printf("%-34s %8.1f %8.1f %8.1f\n", what, (double)r->stored / PAGES,
		(ledger_us() - us) / PAGES, (double)(now_ns() - began) / 1e3 / PAGES);
	fflush(stdout);
}

static void measure_pages(struct run *r, const char *dir)
{
	struct ledger_stats st;

	start(r, dir);
	fill_history(r);
	ledger_close(&r->l);
	start(r, dir);
	ledger_stats(r->l, &st);
	printf("\n%u messages in the history of one and of its %u partners: %.2f bytes of memory "
		"each\n", HISTORY, PARTNERS + 1, (double)st.memory / HISTORY);
	printf("%-34s %8s %8s %8s\n", "a page of 50", "messages", "CPU us", "us");
	pages(r, NEWEST, "the newest");
	pages(r, AFTER, "after one in the midst");
	pages(r, BEFORE, "before one in the midst");
	pages(r, SINCE, "since a time");
	pages(r, WITH, "with a partner, the newest");
	pages(r, WITH_RARE, "with a rare partner: all there are");
	ledger_close(&r->l);
}

int main(int argc, char **argv)
{
	static const unsigned flights[] = { 1, 10, 100, 1000 };
	static const unsigned rates[] = { 1000, 5000, 20000, 50000, 100000, 200000 };
	const char *dir = argc > 1 ? argv[1] : "bench-ledger.data";
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 2;
	struct run r = { .us = xmalloc(SAMPLES * sizeof *r.us) };
	struct ledger_stats st;

	memset(message, 'm', sizeof message);
	if (!mailbox_init(&r.home, SIZE_MAX))
		return 1;
	empty_folder(dir);
	start(&r, dir);
	printf("%-22s %9s %8s %8s %8s %8s %9s\n", "", "stored/s", "CPU us", "a commit", "p50 ms",
		"p99 ms", "refused");
	for (size_t i = 0; i < sizeof flights / sizeof *flights; i++)
		in_flight(&r, flights[i], seconds);
	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
		at_rate(&r, rates[i], seconds);
	ledger_stats(r.l, &st);
	open_again(&r, dir, st.records);
	empty_folder(dir);
	measure_pages(&r, dir);
	empty_folder(dir);
	rmdir(dir);
	mailbox_clear(&r.home);
	free(r.us);
	return 0;
}
