/* What each operation does, on the writer's thread. */
#include "store/ledger_private.h"

#include "base/bug.h"
#include "base/clock.h"

/* There was no room: why? */
static enum store_status no_room(const struct ledger *l)
{
	return l->failed || l->w.spare == SPARE_FAILED ? STORE_FAILED : STORE_FULL;
}

/* An archive in which it would wait and do nothing else has no room for it. */
static bool is_refused(const struct ledger *l, const struct archive *a,
	const struct record_archive *slot)
{
	return slot->waits && !slot->archived && a && a->n_waiting >= l->o.offline_max;
}

static enum store_status run_store(struct ledger *l, struct ledger_op *op)
{
	struct ledger_store_part *p = op->part.store;
	struct record r = { .type = RECORD_STORE, .id = op->id, .n_archives = p->n,
		.bytes = p->bytes };
	struct archive *archives[LEDGER_ARCHIVES];
	size_t names = 0;

	for (unsigned i = 0; i < p->n; i++)
		names += p->slots[i].name.n;
	if (!writer_room(l, record_length(p->n, names, p->bytes.n), true))
		return no_room(l);
	for (unsigned i = 0; i < p->n; i++) {
		const struct archive *a = archives[i] =
			ledger_state_find(&l->state, p->slots[i].name);
		if (is_refused(l, a, &p->slots[i]) || (a && a->n == UINT32_MAX))
			return STORE_FULL;
		r.archives[i] = p->slots[i];
		if (a && a->n_waiting >= l->o.offline_max)
			r.archives[i].waits = false;
		archive_link(a, &r.archives[i]);
	}
	op->place = writer_append(l, &r);
	for (unsigned i = 0; i < p->n; i++)
		ledger_state_store(&l->state, archives[i], &r.archives[i], op->place, op->id);
	return STORE_OK;
}

/* Places in one record: few enough for the smallest segment. */
static size_t places_in_record(const struct ledger *l)
{
	size_t n = l->o.segment_bytes / 64;

	return n < LEDGER_IDS_MAX ? n : LEDGER_IDS_MAX;
}

/* Writes places, as many records as that takes, and plays each. */
static enum store_status append_places(struct ledger *l, enum record_type type, struct str name,
	const uint64_t *places, size_t n)
{
	const size_t most = places_in_record(l);
	char bytes[8 * LEDGER_IDS_MAX];

	for (size_t i = 0; i < n; i += most) {
		size_t k = n - i < most ? n - i : most;
		struct record r = { .type = type, .id = ledger_id(clock_wall_us(), 0),
			.n_archives = 1, .archives = { { .name = name } },
			.bytes = record_places(places + i, k, bytes) };
		if (!writer_room(l, record_length(1, name.n, r.bytes.n), false))
			return no_room(l);
		writer_append(l, &r);
		if (type == RECORD_WAIT)
			ledger_state_wait(&l->state, name, &r);
		else
			ledger_state_drop_some(&l->state, name, &r);
	}
	return STORE_OK;
}

static enum store_status run_drop(struct ledger *l, struct ledger_op *op)
{
	struct ledger_list_part *p = op->part.list;
	const struct archive *a = ledger_state_find(&l->state, op->archive);
	size_t n = 0;

	for (size_t i = 0; a && i < p->n; i++)
		if (archive_waits(a, p->v[i]))
			p->v[n++] = p->v[i];
	l->w.look_for_garbage = l->w.look_for_garbage || n;
	return append_places(l, RECORD_DROP_SOME, op->archive, p->v, n);
}

static enum store_status run_drop_all(struct ledger *l, struct ledger_op *op)
{
	const struct archive *a = ledger_state_find(&l->state, op->archive);
	char bytes[8];

	if (!a || !a->n_waiting)
		return STORE_OK;
	uint64_t upto = a->waiting[a->n_waiting - 1];
	if (!writer_room(l, record_length(1, op->archive.n, 8), false))
		return no_room(l);
	struct record r = { .type = RECORD_DROP, .id = ledger_id(clock_wall_us(), 0),
		.n_archives = 1, .archives = { { .name = op->archive } },
		.bytes = record_places(&upto, 1, bytes) };
	writer_append(l, &r);
	ledger_state_drop(&l->state, op->archive, upto, r.place);
	l->w.look_for_garbage = true;
	return STORE_OK;
}

/* The messages have been found, as far as they are there. */
static enum store_status run_wait(struct ledger *l, struct ledger_op *op)
{
	struct ledger_read_part *p = op->part.read;
	const struct archive *a = ledger_state_find(&l->state, op->archive);
	uint32_t room = a && a->n_waiting < l->o.offline_max ? l->o.offline_max - a->n_waiting : 0;
	uint64_t places[LEDGER_IDS_MAX];
	size_t n = 0;

	op->missing = 0;
	for (size_t i = 0; i < p->n_finds; i++) {
		uint64_t place = p->finds[i].place;
		if (!a || place <= a->floor)
			op->missing++;
		else if (n < room && !archive_waits(a, place))
			places[n++] = place;
	}
	enum store_status status = append_places(l, RECORD_WAIT, op->archive, places, n);
	return status == STORE_OK && op->missing ? STORE_NOT_FOUND : status;
}

/* Of the archives that the message had when it was found, those that have not been erased since
 * then. */
static void keep_owners(const struct ledger *l, struct ledger_read_part *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->n_slots; i++) {
		const struct archive *a = ledger_state_find(&l->state, p->slots[i].name);
		if (a && a->first && a->first <= p->finds[0].place)
			p->slots[n++] = p->slots[i];
	}
	p->n_slots = n;
}

/* The message has been found, if it is there. True when it goes on elsewhere after the commit. */
static bool run_replace(struct ledger *l, struct ledger_op *op)
{
	struct ledger_read_part *p = op->part.read;
	struct record r = { .type = RECORD_REPLACE, .id = ledger_id(clock_wall_us(), 0),
		.bytes = p->bytes };
	size_t names = 0;

	for (unsigned i = 0; i < p->n_slots; i++)
		names += p->slots[i].name.n;
	op->status = STORE_OK;
	if (!writer_room(l, record_length(p->n_slots, names, p->bytes.n), false))
		op->status = no_room(l);
	keep_owners(l, p);
	if (!p->n_slots)
		op->status = STORE_NOT_FOUND;
	if (op->status != STORE_OK)
		return false;
	r.n_archives = p->n_slots;
	for (unsigned i = 0; i < p->n_slots; i++)
		r.archives[i].name = p->slots[i].name;
	r.archives[0].prev = p->finds[0].place;
	r.archives[0].talk_prev = p->earlier;
	op->place = writer_append(l, &r);
	for (unsigned i = 0; i < p->n_slots; i++)
		ledger_state_touch(&l->state, p->slots[i].name, op->place);
	ledger_state_replace(&l->state, p->finds[0].place, op->place);
	op_queue_add(&l->w.to_replace, op);
	return true;
}

/* Where erasing must begin: at the first record of the archive that is known. Or before, in a
 * segment that is about to be deleted: a crash may have brought it back after the archive's
 * records in it had been forgotten. 0: there are none. */
static uint64_t erase_from(const struct ledger *l, const struct archive *a)
{
	uint64_t first = a ? a->first : 0;
	size_t at = 0;
	const struct segment *g = ledger_state_deletable(&l->state, &at);

	if (!g)
		return first;
	uint64_t place = g->base + SEGMENT_HEAD;
	return first && first < place ? first : place;
}

/* True when it goes on elsewhere after the commit. */
static bool run_erase(struct ledger *l, struct ledger_op *op)
{
	struct writer *w = &l->w;
	const uint64_t first = erase_from(l, ledger_state_find(&l->state, op->archive));

	op->status = STORE_OK;
	if (!first && !w->deleting && l->state.forgotten == w->index_forgotten)
		return false; /* there is not a byte of it in any file */
	if (first) {
		if (!writer_room(l, record_length(1, op->archive.n, 0), false)) {
			op->status = no_room(l);
			return false;
		}
		struct record r = { .type = RECORD_ERASE, .id = ledger_id(clock_wall_us(), 0),
			.n_archives = 1, .archives = { { .name = op->archive } } };
		erase_set_add(&w->erase_next, op->archive, first, writer_append(l, &r));
		ledger_state_erase(&l->state, op->archive);
		w->look_for_garbage = true;
	}
	op_queue_add(&w->to_erase, op);
	return true;
}

/* Notes which messages are to be read. True: there are some. */
static bool run_read(struct ledger *l, struct ledger_op *op)
{
	const struct archive *a = ledger_state_find(&l->state, op->archive);
	const struct ledger_read_part *p = op->part.read;
	uint32_t i = a ? archive_waiting_from(a, p->behind + 1) : 0;
	uint32_t n = a ? a->n_waiting - i : 0;

	op->n_messages = n < p->q.max ? n : p->q.max;
	if (!op->n_messages)
		return false;
	op->messages = arena_alloc(&op->mem, op->n_messages * sizeof *op->messages);
	for (size_t k = 0; k < op->n_messages; k++)
		op->messages[k] = (struct ledger_message){ .place = a->waiting[i + k] };
	return true;
}

static bool all_found(const struct ledger_read_part *p)
{
	for (size_t i = 0; i < p->n_finds; i++)
		if (!p->finds[i].place)
			return false;
	return true;
}

/* A step of a query. True: the reader goes on with it. */
static bool run_query(struct ledger *l, struct ledger_op *op)
{
	struct ledger_read_part *p = op->part.read;

	if (p->n_finds && !p->found) {
		query_windows(l, op);
		return true;
	}
	if (!all_found(p)) {
		op->status = STORE_NOT_FOUND;
		return false;
	}
	return query_plan(l, op);
}

/* Looks for messages by their ids, and is true while that goes on. */
static bool run_find(struct ledger *l, struct ledger_op *op)
{
	if (op->part.read->found || !op->part.read->n_finds)
		return false;
	query_windows(l, op);
	return true;
}

/* True: it is not to go home with the commit. */
static bool run(struct ledger *l, struct ledger_op *op)
{
	bool reads = false;

	op->status = STORE_OK;
	switch (op->kind) {
	case LEDGER_STORE: op->status = run_store(l, op); break;
	case LEDGER_DROP: op->status = run_drop(l, op); break;
	case LEDGER_DROP_ALL: op->status = run_drop_all(l, op); break;
	case LEDGER_READ_WAITING: reads = run_read(l, op); break;
	case LEDGER_QUERY: reads = run_query(l, op); break;
	case LEDGER_WAIT:
		reads = run_find(l, op);
		if (!reads)
			op->status = run_wait(l, op);
		break;
	case LEDGER_ERASE: return run_erase(l, op);
	case LEDGER_REPLACE:
		reads = run_find(l, op);
		if (!reads)
			return run_replace(l, op);
		break;
	case LEDGER_BACKUP:
		op_queue_add(&l->w.to_back_up, op);
		return true;
	}
	if (reads)
		op_queue_add(&l->w.reads, op);
	return reads;
}

void writer_run(struct ledger *l, struct ledger_op *op)
{
	if (l->failed)
		op->status = STORE_FAILED;
	else if (run(l, op))
		return;
	op_queue_add(&l->w.in_group, op);
}
