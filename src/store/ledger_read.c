/* The ledger's reader: records from their places. What is broken is reported with the place
 * (STORE_FAILED), never left out. */
#include "store/ledger_private.h"

#include "base/bug.h"
#include "store/ledger_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Bytes that are read at once: most heads with names are shorter, and most records. */
#define HEAD_FIRST ((size_t)512)
#define READ_FIRST ((size_t)4096)
#define FILES_MAX  128 /* that are open at a time */

void reader_close(struct ledger *l)
{
	for (size_t i = 0; i < l->r.n; i++) {
		if (l->r.v[i].fd >= 0)
			close(l->r.v[i].fd);
		l->r.v[i].fd = -1;
	}
	l->r.n_open = 0;
}

void reader_clear(struct ledger *l)
{
	reader_close(l);
	free(l->r.v);
	free(l->r.record);
	free(l->r.places);
}

/* The writer's word on which segments there are. Files stay open. */
void reader_segments(struct mail *m, void *ledger)
{
	struct segments_mail *s = container_of(m, struct segments_mail, mail);
	struct reader *r = &((struct ledger *)ledger)->r;
	struct read_segment *v = xcalloc(s->n, sizeof *v);
	size_t k = 0;

	r->n_open = 0;
	for (size_t i = 0; i < s->n; i++) {
		v[i] = s->v[i];
		v[i].fd = -1;
		while (k < r->n && r->v[k].base < v[i].base) {
			if (r->v[k].fd >= 0)
				close(r->v[k].fd);
			k++;
		}
		if (k < r->n && r->v[k].base == v[i].base)
			v[i].fd = r->v[k++].fd;
		r->n_open += v[i].fd >= 0;
	}
	for (; k < r->n; k++)
		if (r->v[k].fd >= 0)
			close(r->v[k].fd);
	free(r->v);
	r->v = v;
	r->n = s->n;
	free(s);
}

/* Chores that take away what reads may look at: no file of theirs stays open here. */
void reader_forward(struct mail *m, void *ledger)
{
	struct chore *c = container_of(m, struct chore, mail);

	reader_close(ledger);
	m->run = chore_work;
	mailbox_post_one(&c->worker->box, m);
}

static struct read_segment *find_segment(struct reader *r, uint64_t place)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (r->v[mid].base + r->v[mid].size > place)
			high = mid;
		else
			low = mid + 1;
	}
	return low < r->n && r->v[low].base <= place ? &r->v[low] : NULL;
}

static bool open_segment(struct ledger *l, struct read_segment *g)
{
	if (g->fd >= 0)
		return true;
	if (l->r.n_open >= FILES_MAX)
		reader_close(l);
	g->fd = segment_open(l->dir, g->base, O_RDONLY);
	l->r.n_open += g->fd >= 0;
	return g->fd >= 0;
}

static enum read_answer fail(struct ledger_fault *fault, const struct read_segment *g,
	uint64_t place, const char *what, int e)
{
	BUG_ON(!g);
	*fault = (struct ledger_fault){ what, g->base, place - g->base, e };
	return READ_FAILED;
}

/* At least n bytes of room for the record, keeping what is there. */
static void reserve(struct reader *r, size_t n)
{
	if (r->cap >= n)
		return;
	r->cap = n;
	r->record = xrealloc(r->record, n);
}

/* Up to n bytes at the place, into the reader's memory. False with errno. */
static bool read_some(struct ledger *l, struct read_segment *g, uint64_t place, size_t n,
	struct str *out)
{
	ssize_t got;

	reserve(&l->r, n);
	if (!open_segment(l, g))
		return false;
	do
		got = pread(g->fd, l->r.record, n, (off_t)(place - g->base));
	while (got < 0 && errno == EINTR);
	*out = str_from(l->r.record, got > 0 ? (size_t)got : 0);
	return got >= 0;
}

/* Reads on, until there are n bytes. */
static bool read_more(struct ledger *l, const struct read_segment *g, uint64_t place, size_t n,
	struct str *io)
{
	reserve(&l->r, n);
	if (n > io->n && !file_read(g->fd, place - g->base + io->n, l->r.record + io->n, n - io->n))
		return false;
	*io = str_from(l->r.record, n > io->n ? n : io->n);
	return true;
}

static enum read_answer read_head(struct ledger *l, uint64_t place, struct str archive,
	struct record *out, const struct record_archive **slot, struct ledger_fault *fault)
{
	struct read_segment *g = find_segment(&l->r, place);
	const char *why;
	struct str got;

	if (!g)
		return READ_END;
	if (!read_some(l, g, place, HEAD_FIRST, &got))
		return fail(fault, g, place, "it can't be read", errno);
	if (record_peek(got, place, g->form, out, &why) != RECORD_WHOLE)
		return fail(fault, g, place, why, 0);
	if (!read_more(l, g, place, record_bytes_at(out), &got))
		return fail(fault, g, place, "it can't be read", errno);
	record_names(got, out);
	*slot = record_slot(out, archive);
	return *slot ? READ_OK : READ_END;
}

enum read_answer reader_head(struct ledger *l, uint64_t place, struct str archive,
	struct record *out, const struct record_archive **slot)
{
	struct ledger_fault fault;
	enum read_answer answer = read_head(l, place, archive, out, slot, &fault);

	if (answer == READ_FAILED)
		ledger_fault_log(&fault, "ledger_read", l->path);
	return answer;
}

/* The whole record, whatever it is. */
static enum read_answer read_whole(struct ledger *l, uint64_t place, struct record *out,
	struct ledger_fault *fault)
{
	struct read_segment *g = find_segment(&l->r, place);
	const char *why;
	struct str got;

	if (!g)
		return READ_END;
	if (!read_some(l, g, place, READ_FIRST, &got))
		return fail(fault, g, place, "it can't be read", errno);
	if (record_peek(got, place, g->form, out, &why) != RECORD_WHOLE)
		return fail(fault, g, place, why, 0);
	if (!read_more(l, g, place, out->length, &got))
		return fail(fault, g, place, "it can't be read", errno);
	if (record_read(got, place, g->form, out, &why) != RECORD_WHOLE)
		return fail(fault, g, place, why, 0);
	return READ_OK;
}

/* The bytes of a replacement in place of the record's own. */
static enum read_answer read_replacement(struct ledger *l, uint64_t place, struct str archive,
	struct record *r, const struct record_archive **slot, struct ledger_fault *fault)
{
	struct record by;
	uint64_t at = r->replaced;
	enum read_answer answer = read_whole(l, at, &by, fault);

	if (answer == READ_FAILED)
		return answer;
	if (answer == READ_END || by.type != RECORD_REPLACE || by.archives[0].prev != place)
		return fail(fault, find_segment(&l->r, place), place,
			"what replaces it is missing", 0);
	/* The names of the message itself are overwritten by now: they are the same. */
	const struct record_archive *s = record_slot(&by, archive);
	if (!s)
		return fail(fault, find_segment(&l->r, place), place,
			"what replaces it is erased", 0);
	for (unsigned i = 0; i < r->n_archives; i++)
		if (*slot == &r->archives[i])
			r->archives[i].name = s->name;
	r->bytes = by.bytes;
	return READ_OK;
}

static enum read_answer try_record(struct ledger *l, uint64_t place, struct str archive,
	struct record *out, const struct record_archive **slot, struct ledger_fault *fault)
{
	enum read_answer answer = read_whole(l, place, out, fault);

	if (answer != READ_OK)
		return answer;
	*slot = record_slot(out, archive);
	if (!*slot || out->type != RECORD_STORE)
		return READ_END;
	return out->replaced ? read_replacement(l, place, archive, out, slot, fault) : READ_OK;
}

enum read_answer reader_record(struct ledger *l, uint64_t place, struct str archive,
	struct record *out, const struct record_archive **slot)
{
	struct ledger_fault fault;
	enum read_answer answer = try_record(l, place, archive, out, slot, &fault);

	/* Just now it may have been replaced. */
	if (answer == READ_FAILED)
		answer = try_record(l, place, archive, out, slot, &fault);
	if (answer == READ_FAILED)
		ledger_fault_log(&fault, "ledger_read", l->path);
	return answer;
}
