/* The ledger's reader: messages from their places. What is broken is reported with the place
 * (STORE_FAILED), never left out. */
#include "store/ledger_private.h"

#include "base/bug.h"
#include "base/log.h"
#include "store/ledger_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define READ_FIRST ((size_t)4096) /* bytes that are read at once: most records are shorter */

static struct read_file *reader_file(struct ledger *l, uint64_t base)
{
	for (size_t i = 0; i < READER_FILES; i++)
		if (l->files[i].fd >= 0 && l->files[i].base == base)
			return &l->files[i];
	struct read_file *f = &l->files[l->next_file++ % READER_FILES];
	char bytes[SEGMENT_HEAD];
	struct segment_head h;
	if (f->fd >= 0)
		close(f->fd);
	f->fd = segment_open(l->dir, base, O_RDONLY);
	if (f->fd < 0)
		return NULL;
	f->base = base;
	if (file_read(f->fd, 0, bytes, sizeof bytes) && !segment_head_read(bytes, &h)) {
		f->salt = h.salt;
		return f;
	}
	close(f->fd);
	f->fd = -1;
	errno = EIO;
	return NULL;
}

void reader_close(struct ledger *l)
{
	for (size_t i = 0; i < READER_FILES; i++) {
		if (l->files[i].fd >= 0)
			close(l->files[i].fd);
		l->files[i].fd = -1;
	}
}

/* Chores that take away what reads may look at: no file of theirs stays open here. */
void reader_forward(struct mail *m, void *ledger)
{
	struct chore *c = container_of(m, struct chore, mail);

	reader_close(ledger);
	m->run = chore_work;
	mailbox_post_one(&c->worker->box, m);
}

/* The bytes of the record at this place, in the arena. */
static bool read_record(struct read_file *f, uint64_t place, struct arena *a, struct record *r,
	struct ledger_fault *fault)
{
	char head[READ_FIRST];
	ssize_t n;

	do
		n = pread(f->fd, head, sizeof head, (off_t)(place - f->base));
	while (n < 0 && errno == EINTR);
	*fault = (struct ledger_fault){ "it can't be read", f->base, place - f->base, errno };
	if (n < 0)
		return false;
	fault->e = 0;
	fault->what = "there are zeros where it should be";
	struct str got = str_from(head, (size_t)n);
	if (record_peek(got, place, f->salt, r, &fault->what) != RECORD_WHOLE)
		return false;
	char *p = arena_alloc(a, r->length);
	size_t have = got.n < r->length ? got.n : r->length;
	memcpy(p, head, have);
	if (!file_read(f->fd, place - f->base + have, p + have, r->length - have)) {
		*fault = (struct ledger_fault){ "it can't be read", f->base, place - f->base, errno };
		return false;
	}
	return record_read(str_from(p, r->length), place, f->salt, r, &fault->what) == RECORD_WHOLE;
}

/* Reads message i; true with *there false when it has been erased (an older index that
 * somebody put back can name such a one). */
static bool read_message(struct ledger *l, struct ledger_op *op, struct ledger_message *m,
	bool *there)
{
	struct ledger_fault fault = { "it can't be opened", m->stamp_us, m->id - m->stamp_us, 0 };
	struct read_file *f = reader_file(l, m->stamp_us);
	struct record r;

	if (!f) {
		fault.e = errno;
		ledger_fault_log(&fault, "ledger_read", l->path);
		return false;
	}
	if (!read_record(f, m->id, &op->mem, &r, &fault)) {
		ledger_fault_log(&fault, "ledger_read", l->path);
		return false;
	}
	*there = false;
	if (record_all_erased(&r))
		return true;
	for (unsigned i = 0; i < r.n_archives; i++)
		*there = *there || (!r.archives[i].erased &&
			str_eq(r.archives[i].name, op->archive));
	*there = *there && r.type == RECORD_STORE;
	m->stamp_us = r.stamp_us;
	m->bytes = r.bytes;
	return true;
}

void reader_run(struct mail *mail, void *ledger)
{
	struct ledger *l = ledger;
	struct ledger_op *op = container_of(mail, struct ledger_op, mail);
	size_t n = 0, bytes = 0;

	for (size_t i = 0; i < op->n_messages && bytes < LEDGER_READ_BYTES; i++) {
		bool there;
		op->messages[n] = op->messages[i];
		if (!read_message(l, op, &op->messages[n], &there)) {
			op->status = STORE_FAILED;
			n = 0;
			break;
		}
		bytes += op->messages[n].bytes.n;
		n += there;
	}
	op->n_messages = n;
	ledger_op_leave(l, op);
	op->mail.bytes += (uint32_t)bytes;
	mailbox_post_one(op->home, &op->mail);
}
