/* Nodes of publish-subscribe in the store by themselves: what an item costs, and a page of items.
 *
 * Usage: bench-nodes [FOLDER]
 *
 * Items of 500 bytes are published to a node that keeps 10 of them, then a million to one that keeps
 * all, 100 under way. Then pages of 50 of that node at its start, in its middle (by number and by
 * time) and at its end, one after the other, and at last it is purged in steps. CPU is that of the
 * store's threads; the folder should lie on the disk that is to be measured. */
#include "base/bug.h"
#include "base/clock.h"
#include "store/nodes.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define BYTES     500
#define UNDER_WAY 100
#define KEPT      10
#define FEW       100000   /* published to the node that keeps KEPT */
#define MANY      1000000
#define SPACE_US  1000     /* between the stamps of two items */
#define PAGE      50
#define PAGES     2000

#define SERVICE STR("pubsub.example.org")

struct run {
	struct store *s;
	struct mailbox home;
	struct str node;
	unsigned out;
	uint64_t published, wanted, keep;
	struct store_op *last;   /* of a call that is waited for */
};

static char payload[BYTES];

static double cpu_us(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Of all threads but this one. */
static double store_us(void)
{
	return cpu_us(RUSAGE_SELF) - cpu_us(RUSAGE_THREAD);
}

static void turn(struct run *r)
{
	if (mailbox_sleep(&r->home)) {
		struct pollfd p = { r->home.fd, POLLIN, 0 };
		mailbox_awake(&r->home, poll(&p, 1, 1000) > 0);
	}
	mailbox_run(&r->home, r);
}

/* --- Publishing ----------------------------------------------------------------------- */

static void published(struct store_op *op, void *receiver);

static void publish_one(struct run *r)
{
	static const struct store_node_bounds no_bounds;
	static const struct store_node row;
	char id[24];
	uint64_t n = r->published + r->out++;
	int len = snprintf(id, sizeof id, "item-%016llx", (unsigned long long)n);
	const struct store_node_item item = { .id = str_from(id, (size_t)len),
		.publisher = STR("hamlet@example.org"), .payload = str_from(payload, BYTES),
		.stamp_us = (n + 1) * SPACE_US };

	store_node_publish(r->s, store_op_new(&r->home, published, 0), SERVICE, STR(""), r->node,
		&row, &item, 1, r->keep, &no_bounds);
}

static void published(struct store_op *op, void *receiver)
{
	struct run *r = receiver;

	BUG_ON(op->status != STORE_OK);
	store_op_free(op);
	r->out--;
	r->published++;
	if (r->published + r->out < r->wanted)
		publish_one(r);
}

static void publish_to(struct run *r, struct str node, uint64_t n, uint64_t keep, const char *what)
{
	uint64_t began = clock_mono_ms();
	double us = store_us();

	r->node = node;
	r->published = 0;
	r->wanted = n;
	r->keep = keep;
	while (r->out < UNDER_WAY)
		publish_one(r);
	while (r->published < n)
		turn(r);
	printf("%-32s %9.0f a second %7.1f us of CPU each\n", what,
		(double)n * 1000 / (double)(clock_mono_ms() - began + 1),
		(store_us() - us) / (double)n);
}

/* --- One call at a time --------------------------------------------------------------- */

static void came_home(struct store_op *op, void *receiver)
{
	struct run *r = receiver;

	BUG_ON(op->status != STORE_OK);
	r->last = op;
}

static struct store_op *new_op(struct run *r)
{
	return store_op_new(&r->home, came_home, 0);
}

static struct store_op *wait_for(struct run *r)
{
	struct store_op *op;

	while (!r->last)
		turn(r);
	op = r->last;
	r->last = NULL;
	return op;
}

/* The number of the newest item. */
static uint64_t newest(struct run *r)
{
	const struct store_items_query query = { .newest = true, .max = 1 };

	store_node_items(r->s, new_op(r), SERVICE, STR(""), r->node, &query);
	struct store_op *op = wait_for(r);
	uint64_t number = op->items[0].number;
	store_op_free(op);
	return number;
}

static void read_pages(struct run *r, const struct store_items_query *query, const char *what)
{
	double us = store_us();

	for (int i = 0; i < PAGES; i++) {
		store_node_items(r->s, new_op(r), SERVICE, STR(""), r->node, query);
		struct store_op *op = wait_for(r);
		BUG_ON(op->n_items != PAGE);
		store_op_free(op);
	}
	printf("%-32s %27.1f us of CPU each\n", what, (store_us() - us) / PAGES);
}

static void read_everywhere(struct run *r)
{
	uint64_t last = newest(r);
	const struct store_items_query start = { .max = PAGE },
		middle = { .max = PAGE, .after = last - MANY / 2 },
		by_time = { .max = PAGE, .from_us = (uint64_t)MANY / 2 * SPACE_US },
		end = { .max = PAGE, .newest = true };

	read_pages(r, &start, "page at the start");
	read_pages(r, &middle, "page in the middle");
	read_pages(r, &by_time, "the same by time");
	read_pages(r, &end, "page at the end");
}

static void purge(struct run *r)
{
	double us = store_us();
	uint64_t upto = 0, most = 0;
	bool more = true;

	while (more) {
		uint64_t began = clock_mono_ms();
		store_node_purge(r->s, new_op(r), SERVICE, STR(""), r->node, upto);
		struct store_op *op = wait_for(r);
		upto = op->number;
		more = op->more;
		store_op_free(op);
		uint64_t ms = clock_mono_ms() - began;
		most = ms > most ? ms : most;
	}
	printf("%-32s %27.1f us of CPU an item, the longest step took %llu ms\n", "purge",
		(store_us() - us) / MANY, (unsigned long long)most);
}

/* --- The program ---------------------------------------------------------------------- */

static void open_in(struct run *r, const char *dir)
{
	struct str error = STR_NULL;
	struct arena a;

	arena_init(&a, 1024);
	r->s = store_open(dir, 1, &a, &error);
	if (!r->s) {
		fprintf(stderr, "bench-nodes: %.*s\n", STR_FMT(error));
		exit(1);
	}
	arena_clear(&a);
}

static double file_bytes(const char *dir)
{
	char path[4200];
	struct stat st;

	snprintf(path, sizeof path, "%s/stentor.db", dir);
	BUG_ON(stat(path, &st) != 0);
	return (double)st.st_size;
}

int main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : "bench-nodes.d";
	struct run r = { .out = 0 };

	memset(payload, 'x', sizeof payload);
	BUG_ON(!mailbox_init(&r.home, 1 << 20));
	open_in(&r, dir);
	publish_to(&r, STR("newest"), FEW, KEPT, "publish, the newest 10 are kept");
	/* Closed, all that is kept is in the file. */
	store_close(&r.s);
	double before = file_bytes(dir);
	open_in(&r, dir);
	publish_to(&r, STR("all"), MANY, UINT64_MAX, "publish, all are kept");
	store_close(&r.s);
	printf("%-32s %27.0f bytes of the file each\n", "", (file_bytes(dir) - before) / MANY);
	open_in(&r, dir);
	read_everywhere(&r);
	purge(&r);
	store_close(&r.s);
	mailbox_clear(&r.home);
	return 0;
}
