/* What the reader does for an operation: finds messages by their ids, and fills pages. Each in
 * steps of so many records, and others come between. */
#include "store/ledger_private.h"

#include "base/bug.h"

#define STEP_RECORDS 256 /* a millisecond at most, while the page cache has them */

enum step {
	STEP_AGAIN, /* goes on after the others that are here */
	STEP_PLAN,  /* the writer has something to say first */
	STEP_HOME
};

static enum step fail(struct ledger_op *op)
{
	op->status = STORE_FAILED;
	op->n_messages = 0;
	return STEP_HOME;
}

/* ---- what waits ---- */

static enum step read_waiting(struct ledger *l, struct ledger_op *op)
{
	struct ledger_read_part *p = op->part.read;

	/* The first p->cap are there, of p->at that have been looked at. */
	for (int n = 0; p->at < op->n_messages && p->bytes_read < LEDGER_READ_BYTES; n++) {
		const struct record_archive *slot;
		struct record r;
		if (n == STEP_RECORDS)
			return STEP_AGAIN;
		uint64_t place = op->messages[p->at++].place;
		enum read_answer answer = reader_record(l, place, op->archive, &r, &slot);
		if (answer == READ_FAILED)
			return fail(op);
		if (answer == READ_END) /* an older index that somebody put back can name it */
			continue;
		op->messages[p->cap++] = (struct ledger_message){ place, r.id,
			ledger_id_stamp(r.id), str_dup(&op->mem, r.bytes) };
		p->bytes_read += r.bytes.n;
	}
	op->n_messages = p->cap;
	return STEP_HOME;
}

/* ---- finding by id ---- */

/* Those that are looked for on one walk: finds[first] up to finds[left - 1], whose windows
 * overlap. */
struct walk {
	size_t first;
	uint64_t from, stop;
};

static struct walk next_walk(const struct ledger_read_part *p)
{
	const struct find *f = &p->finds[p->left - 1];
	struct walk w = { p->left - 1, f->from, f->stop };

	while (w.first && p->finds[w.first - 1].from > w.stop) {
		f = &p->finds[--w.first];
		w.from = f->from > w.from ? f->from : w.from;
		w.stop = f->stop < w.stop ? f->stop : w.stop;
	}
	return w;
}

/* For a replacement: to whom the message belongs. */
static void note_slots(struct ledger_op *op, const struct record *r)
{
	struct ledger_read_part *p = op->part.read;

	p->n_slots = 0;
	for (unsigned i = 0; i < r->n_archives; i++)
		if (!r->archives[i].erased)
			p->slots[p->n_slots++].name = str_dup(&op->mem, r->archives[i].name);
	p->earlier = r->replaced;
}

/* Notes the place if this is one of them. True when it was the only one. */
static bool note_found(struct ledger_op *op, size_t first, const struct record *r)
{
	struct ledger_read_part *p = op->part.read;
	size_t low = first, high = p->left;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (p->finds[mid].id < r->id)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < p->left && p->finds[low].id == r->id; low++)
		p->finds[low].place = r->place;
	if (op->kind == LEDGER_REPLACE && p->finds[0].place)
		note_slots(op, r);
	return p->left - first == 1 && p->finds[first].place;
}

/* One walk, or a part of it. */
static enum step find_step(struct ledger *l, struct ledger_op *op)
{
	struct ledger_read_part *p = op->part.read;
	struct walk w = next_walk(p);
	uint64_t at = p->at ? p->at : w.from;

	for (int n = 0; at > w.stop; n++) {
		const struct record_archive *slot;
		struct record r;
		if (n == STEP_RECORDS) {
			p->at = at;
			return STEP_AGAIN;
		}
		enum read_answer answer = reader_head(l, at, op->archive, &r, &slot);
		if (answer == READ_FAILED)
			return fail(op);
		if (answer == READ_END || note_found(op, w.first, &r))
			break;
		at = slot->prev;
	}
	p->at = 0;
	p->left = w.first;
	p->found = !p->left;
	return p->found ? STEP_PLAN : STEP_AGAIN;
}

/* ---- pages ---- */

static bool fits(const struct ledger_read_part *p, const struct ledger_message *m,
	const struct record_archive *slot)
{
	return m->place > p->behind && m->place < p->before &&
		(!p->partner || slot->partner == p->partner) && m->stamp_us >= p->q.start_us &&
		(!p->q.end_us || m->stamp_us <= p->q.end_us) &&
		(!p->q.match || p->q.match(m, p->q.match_ctx));
}

static void push(struct ledger_op *op, const struct ledger_message *m)
{
	struct ledger_read_part *p = op->part.read;

	if (op->n_messages == p->cap) {
		struct ledger_message *old = op->messages;
		p->cap = p->cap ? 2 * p->cap : p->q.max < 64 ? p->q.max : 64;
		op->messages = arena_alloc(&op->mem, p->cap * sizeof *op->messages);
		if (op->n_messages)
			memcpy(op->messages, old, op->n_messages * sizeof *old);
	}
	op->messages[op->n_messages] = *m;
	op->messages[op->n_messages++].bytes = str_dup(&op->mem, m->bytes);
	p->bytes_read += m->bytes.n;
}

enum looked { LOOKED, LOOKED_FULL, LOOKED_END, LOOKED_FAILED };

/* Looks at one message: adds it to the page, or sees that the page is full without it. */
static enum looked look_at(struct ledger *l, struct ledger_op *op, uint64_t place, uint64_t *prev)
{
	struct ledger_read_part *p = op->part.read;
	const struct record_archive *slot;
	struct record r;
	enum read_answer answer = reader_record(l, place, op->archive, &r, &slot);

	if (answer != READ_OK)
		return answer == READ_END ? LOOKED_END : LOOKED_FAILED;
	*prev = p->partner ? slot->talk_prev : slot->prev;
	struct ledger_message m = { place, r.id, ledger_id_stamp(r.id), r.bytes };
	if (!fits(p, &m, slot))
		return LOOKED;
	if (op->n_messages == p->q.max || p->bytes_read >= LEDGER_READ_BYTES)
		return LOOKED_FULL;
	if (p->q.newest || !op->n_messages)
		p->first_n = slot->number;
	push(op, &m);
	return LOOKED;
}

/* How many messages are not gone: those behind the one where counting begins are all there. */
static enum step count_step(struct ledger *l, struct ledger_op *op)
{
	struct ledger_read_part *p = op->part.read;
	uint64_t at = p->at ? p->at : p->count_from;

	if (!p->at)
		op->total = 0;
	for (int n = 0; at > p->count_stop; n++) {
		const struct record_archive *slot;
		struct record r;
		if (n == STEP_RECORDS) {
			p->at = at;
			return STEP_AGAIN;
		}
		enum read_answer answer = reader_head(l, at, op->archive, &r, &slot);
		if (answer == READ_FAILED)
			return fail(op);
		if (answer == READ_END)
			break;
		if (at == p->count_from)
			op->total = p->n - slot->number;
		op->total += ledger_id_stamp(r.id) >= p->cutoff_us;
		at = slot->prev;
	}
	p->at = p->count_from = 0;
	p->floor_n = p->n - op->total;
	return STEP_AGAIN;
}

static enum step end_page(struct ledger_op *op, bool complete)
{
	struct ledger_read_part *p = op->part.read;
	size_t n = op->n_messages;

	op->complete = complete;
	op->index_known = op->total_known && n;
	op->first_index = op->index_known ? p->first_n - p->floor_n - 1 : 0;
	for (size_t i = 0; p->q.newest && i < n / 2; i++) {
		struct ledger_message m = op->messages[i];
		op->messages[i] = op->messages[n - 1 - i];
		op->messages[n - 1 - i] = m;
	}
	return STEP_HOME;
}

/* The messages that were asked for by their ids, in the order of places; p->at of them have been
 * looked at. */
static enum step page_of_ids(struct ledger *l, struct ledger_op *op)
{
	struct ledger_read_part *p = op->part.read;
	uint64_t prev;

	for (int n = 0; p->at < p->n_finds; n++, p->at++) {
		size_t i = p->q.newest ? p->n_finds - 1 - p->at : p->at;
		if (n == STEP_RECORDS)
			return STEP_AGAIN;
		if (i && p->finds[i].place == p->finds[i - 1].place)
			continue; /* named twice */
		enum looked looked = look_at(l, op, p->finds[i].place, &prev);
		if (looked == LOOKED_FAILED)
			return fail(op);
		if (looked == LOOKED_FULL)
			return end_page(op, false);
	}
	return end_page(op, true);
}

static enum step page_backwards(struct ledger *l, struct ledger_op *op)
{
	struct ledger_read_part *p = op->part.read;

	for (int n = 0; p->from > p->behind; n++) {
		if (n == STEP_RECORDS)
			return STEP_AGAIN;
		enum looked looked = look_at(l, op, p->from, &p->from);
		if (looked == LOOKED_FAILED)
			return fail(op);
		if (looked == LOOKED_FULL)
			return end_page(op, false);
		if (looked == LOOKED_END)
			break;
	}
	return end_page(op, true);
}

/* The places of a chunk, the newest first. SIZE_MAX: that failed. */
static size_t chunk_places(struct ledger *l, struct ledger_op *op, uint64_t from)
{
	struct ledger_read_part *p = op->part.read;
	struct reader *rd = &l->r;
	size_t n = 0;

	for (uint64_t at = from; at > p->behind;) {
		const struct record_archive *slot;
		struct record r;
		enum read_answer answer = reader_head(l, at, op->archive, &r, &slot);
		if (answer == READ_FAILED)
			return SIZE_MAX;
		if (answer == READ_END)
			break;
		if (n == rd->cap_places) {
			rd->cap_places = rd->cap_places ? 2 * rd->cap_places : STEP_RECORDS;
			rd->places = xrealloc(rd->places, rd->cap_places * sizeof *rd->places);
		}
		if (at < p->before)
			rd->places[n++] = at;
		at = p->partner ? slot->talk_prev : slot->prev;
	}
	return n;
}

/* One chunk. */
static enum step page_forwards(struct ledger *l, struct ledger_op *op)
{
	struct ledger_read_part *p = op->part.read;
	uint64_t prev;

	if (p->chunk == p->n_chunks)
		return p->last_chunk ? end_page(op, true) : STEP_PLAN;
	const uint64_t from = p->chunks[p->chunk++];
	size_t n = chunk_places(l, op, from);
	if (n == SIZE_MAX)
		return fail(op);
	while (n--) {
		enum looked looked = look_at(l, op, l->r.places[n], &prev);
		if (looked == LOOKED_FAILED)
			return fail(op);
		if (looked == LOOKED_FULL)
			return end_page(op, false);
	}
	p->behind = from;
	return STEP_AGAIN;
}

static enum step run_step(struct ledger *l, struct ledger_op *op)
{
	struct ledger_read_part *p = op->part.read;

	if (op->kind == LEDGER_READ_WAITING)
		return read_waiting(l, op);
	if (p->left)
		return find_step(l, op);
	if (p->count_from)
		return count_step(l, op);
	if (p->q.n_ids)
		return page_of_ids(l, op);
	return p->q.newest ? page_backwards(l, op) : page_forwards(l, op);
}

static void all_read(struct mail *mail, void *ledger)
{
	atomic_store(&((struct ledger *)ledger)->last_read_out, false);
}

/* An operation goes home from here. A writer that closes may wait for that. */
static void leave(struct ledger *l, struct ledger_op *op)
{
	uint64_t bytes = ledger_op_leave(l, op);

	op->mail.bytes += (uint32_t)op->part.read->bytes_read;
	mailbox_post_one(op->home, &op->mail);
	ledger_ops_left(l, 1, bytes);
	if (atomic_fetch_sub(&l->reading, 1) != 1 || !atomic_load(&l->closing))
		return;
	if (atomic_exchange(&l->last_read_out, true))
		return;
	l->last_read.run = all_read;
	mailbox_post_one(&l->writer.box, &l->last_read);
}

void reader_run(struct mail *mail, void *ledger)
{
	struct ledger *l = ledger;
	struct ledger_op *op = container_of(mail, struct ledger_op, mail);
	enum step step = run_step(l, op);

	if (step == STEP_AGAIN) {
		mailbox_post_one(&l->reader.box, mail);
	} else if (step == STEP_PLAN) {
		mail->run = writer_take_back;
		mailbox_post_one(&l->writer.box, mail);
	} else {
		leave(l, op);
	}
}
