#include "store/ledger_erase.h"

#include "base/bug.h"
#include "base/buf.h"
#include "store/ledger_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

struct erased {
	struct map_node node;
	uint64_t first, place;
	struct str name;
	char text[];
};

static struct str erased_key(const struct map_node *n)
{
	return container_of(n, const struct erased, node)->name;
}

void erase_set_init(struct erase_set *e)
{
	*e = (struct erase_set){ .from = UINT64_MAX };
	map_init(&e->archives, erased_key);
}

void erase_set_clear(struct erase_set *e)
{
	struct map_node *n = map_next(&e->archives, NULL);

	while (n) {
		struct map_node *next = map_next(&e->archives, n);
		free(container_of(n, struct erased, node));
		n = next;
	}
	map_clear(&e->archives);
	free(e->segments);
	erase_set_init(e);
}

void erase_set_add(struct erase_set *e, struct str name, uint64_t first, uint64_t place)
{
	struct map_node *n = map_get(&e->archives, name);
	struct erased *d = n ? container_of(n, struct erased, node) : NULL;

	if (!d) {
		d = xcalloc(1, sizeof *d + name.n);
		memcpy(d->text, name.p, name.n);
		d->name = str_from(d->text, name.n);
		d->first = first;
		map_put(&e->archives, &d->node);
	}
	if (first < d->first)
		d->first = first;
	d->place = place;
	erase_set_reach(e, first);
	erase_set_reach(e, place);
}

void erase_set_reach(struct erase_set *e, uint64_t place)
{
	if (place < e->from)
		e->from = place;
	if (place > e->to)
		e->to = place;
}

void erase_set_bind(struct erase_set *e, const struct ledger_state *s)
{
	e->segments = xcalloc(s->n_segments, sizeof *e->segments);
	for (size_t i = 0; i < s->n_segments; i++)
		if (s->segments[i].base <= e->to &&
			s->segments[i].base + s->segments[i].size > e->from)
			e->segments[e->n_segments++] = s->segments[i];
}

/* One step at one record. */
struct change {
	uint32_t at, n;
	bool mark; /* else: zeros */
};

/* A pass over one segment. */
struct pass {
	const struct erase_set *set;
	bool own;            /* the ERASE records of the set, and nothing else */
	struct buf changes;  /* of struct change */
	int fd;
};

static void add_change(struct pass *p, size_t at, size_t n, bool mark)
{
	struct change c = { (uint32_t)at, (uint32_t)n, mark };

	if (n)
		buf_add(&p->changes, str_from((const char *)&c, sizeof c));
}

/* Whether this pass is to erase archive i of the record. */
static bool wanted(const struct pass *p, const struct record *r, unsigned i)
{
	struct map_node *n = map_get(&p->set->archives, r->archives[i].name);
	const struct erased *d = n ? container_of(n, const struct erased, node) : NULL;

	if (!d)
		return false;
	if (r->type == RECORD_ERASE && r->place == d->place)
		return p->own;
	return !p->own && r->place >= d->first && r->place <= d->place;
}

static void look_at(struct pass *p, struct record *r, size_t at)
{
	bool gone[LEDGER_ARCHIVES], all = r->n_archives != 0;

	for (unsigned i = 0; i < r->n_archives; i++) {
		bool now = !r->archives[i].erased && wanted(p, r, i);
		gone[i] = now || r->archives[i].erased;
		all = all && gone[i];
		if (now)
			add_change(p, at + record_erased_at(r, i), 4, true);
	}
	for (unsigned i = 0; i < r->n_archives; i++) {
		if (gone[i] && !all_zero(r->archives[i].name))
			add_change(p, at + record_name_at(r, i), r->archives[i].name.n, false);
		if (gone[i] && r->version > 1 &&
			(r->archives[i].partner || r->archives[i].talk_prev))
			add_change(p, at + record_talk_at(r, i), RECORD_TALK, false);
	}
	if (all && !all_zero(r->bytes))
		add_change(p, at + record_bytes_at(r), r->bytes.n, false);
}

static bool apply(const struct pass *p, bool marks)
{
	const struct change *c = (const struct change *)p->changes.p;
	bool any = false;
	char word[4];

	record_erased_word(word);
	for (size_t i = 0; i < p->changes.n / sizeof *c; i++) {
		if (c[i].mark != marks)
			continue;
		any = true;
		if (marks ? !file_write(p->fd, c[i].at, word, sizeof word)
			  : !file_zero(p->fd, c[i].at, c[i].n))
			return false;
	}
	return !any || fdatasync(p->fd) == 0;
}

static bool fail(struct ledger_fault *fault, const struct segment *g, size_t at,
	const char *what, int e)
{
	*fault = (struct ledger_fault){ what, g->base, at, e };
	return false;
}

/* Finds what there is to change, in memory. The segment may be growing behind the set's end. */
static bool find_changes(struct pass *p, const struct segment *g, struct str file,
	struct ledger_fault *fault)
{
	struct segment_head h = { .base = g->base, .size = g->size, .form = g->form };
	struct segment_scan scan;
	struct record r;

	segment_scan_init(&scan, &h, file, SEGMENT_HEAD);
	while (h.base + scan.at <= p->set->to) {
		size_t at = scan.at;
		if (segment_scan_next(&scan, &r) != RECORD_WHOLE)
			return fail(fault, g, at, scan.why, 0);
		if (r.type == RECORD_SEAL)
			return true;
		look_at(p, &r, at);
	}
	return true;
}

static bool pass_over(const struct erase_set *e, const struct segment *g, bool own, int dir,
	struct ledger_fault *fault)
{
	uint64_t most = e->to - g->base + RECORD_LENGTH_MAX;
	uint64_t there = g->sealed ? g->end : g->size;
	size_t n = (size_t)(most < there ? most : there);
	struct pass p = { .set = e, .own = own, .fd = segment_open(dir, g->base, O_RDWR) };

	if (p.fd < 0)
		return fail(fault, g, 0, "it can't be opened", errno);
	/* Up to a whole segment, which malloc might keep for the next time. */
	char *file = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (file == MAP_FAILED) {
		fail(fault, g, 0, "there is no memory to read it into", errno);
		close(p.fd);
		return false;
	}
	buf_init(&p.changes, SIZE_MAX / 2);
	bool good = file_read(p.fd, 0, file, n);
	if (!good)
		fail(fault, g, 0, "it can't be read", errno);
	good = good && find_changes(&p, g, str_from(file, n), fault);
	if (good && !(apply(&p, true) && apply(&p, false)))
		good = fail(fault, g, 0, "it can't be written", errno);
	buf_clear(&p.changes);
	munmap(file, n);
	close(p.fd);
	return good;
}

/* Whether an ERASE record of the set lies in the segment. */
static bool has_own(const struct erase_set *e, const struct segment *g)
{
	for (struct map_node *n = NULL; (n = map_next(&e->archives, n));) {
		uint64_t place = container_of(n, const struct erased, node)->place;
		if (place >= g->base && place < g->base + g->size)
			return true;
	}
	return false;
}

bool erase_set_run(struct erase_set *e, int dir, struct ledger_fault *fault)
{
	for (size_t i = 0; i < e->n_segments; i++)
		if (!pass_over(e, &e->segments[i], false, dir, fault))
			return false;
	for (size_t i = 0; i < e->n_segments; i++)
		if (has_own(e, &e->segments[i]) &&
			!pass_over(e, &e->segments[i], true, dir, fault))
			return false;
	return true;
}
