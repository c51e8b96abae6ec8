/* Bounds of history, on the writer's thread: what is gone, and the segments that go for it.
 *
 * By age, whole segments, the oldest first: one whose newest message is too old has no history
 * any more. By number, and after erasures: each sealed segment knows its first message that may
 * be part of a history. When floors have moved, a round looks whether it still is, and if not,
 * goes on in the segment to the next one that is. So a segment is read once in its life for this,
 * bit by bit. */
#include "store/ledger_private.h"

#include "base/bug.h"
#include "base/clock.h"
#include "store/ledger_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define DAY_US        UINT64_C(86400000000)
#define SEAL_PART     16    /* of the age: as long may a segment be written to, or a day */
#define LOOK_BYTES    ((size_t)256 << 10)
#define ROUND_MS      1000  /* from the end of a round to the next */
#define AGE_LOOK_MS   60000 /* so often an idle ledger looks for what has become too old */

/* ---- age ---- */

void retain_cutoff(struct ledger *l)
{
	struct ledger_state *s = &l->state;
	const uint64_t age = l->w.retain_us, now = clock_wall_us();

	/* It never goes back: what is gone is gone. */
	if (age && now > age && now - age > s->cutoff_us)
		s->cutoff_us = now - age;
}

/* One after the other, so that no history is cut in the middle. */
static void expire_segments(struct ledger *l)
{
	struct ledger_state *s = &l->state;

	for (size_t i = 0; i < s->n_segments; i++) {
		struct segment *g = &s->segments[i];
		if (!g->lives)
			continue;
		if (!g->sealed || g->newest_us >= s->cutoff_us)
			return;
		g->lives = 0;
		l->w.look_for_garbage = true;
	}
}

/* Cuts the zeros off a segment that was sealed before it was full. */
struct cut_chore {
	struct chore chore;
	uint64_t base;
	uint32_t end;
};

static void cut_work(struct chore *c)
{
	struct cut_chore *x = container_of(c, struct cut_chore, chore);
	int fd = segment_open(c->l->dir, x->base, O_WRONLY);

	/* Where this fails, it takes some room that it does not need. */
	if (fd < 0)
		return;
	while (ftruncate(fd, (off_t)x->end) != 0 && errno == EINTR)
		;
	close(fd);
}

static void cut_after(struct chore *c)
{
	free(container_of(c, struct cut_chore, chore));
}

/* A small server too must come to the end of a segment, or nothing in it would ever go. */
static void seal_in_time(struct ledger *l)
{
	struct writer *w = &l->w;
	uint64_t most = w->retain_us / SEAL_PART;

	if (!w->retain_us || w->fd < 0)
		return;
	const struct segment old = *ledger_active(l);
	most = most > DAY_US ? most : DAY_US;
	if (old.end == SEGMENT_HEAD || clock_wall_us() < old.created_us + most)
		return;
	if (w->spare == SPARE_NONE)
		chore_make(l);
	if (w->spare != SPARE_READY || !writer_roll(l))
		return;
	struct cut_chore *x = xcalloc(1, sizeof *x);
	x->base = old.base;
	x->end = ledger_state_segment(&l->state, old.base)->end;
	x->chore.work = cut_work;
	x->chore.after = cut_after;
	chore_post(l, &x->chore, &l->keeper, &l->keeper);
}

/* ---- floors ---- */

struct look_chore {
	struct chore chore;
	struct segment segment;
	uint64_t from;
	char *bytes;
	size_t n;
	int e;
};

static void look_work(struct chore *c)
{
	struct look_chore *x = container_of(c, struct look_chore, chore);
	const struct segment *g = &x->segment;
	int fd = segment_open(c->l->dir, g->base, O_RDONLY);

	x->n = g->end - (size_t)(x->from - g->base);
	if (x->n > LOOK_BYTES)
		x->n = LOOK_BYTES;
	x->bytes = xmalloc(x->n + 1);
	x->e = fd >= 0 && file_read(fd, x->from - g->base, x->bytes, x->n) ? 0 : errno;
	if (fd >= 0)
		close(fd);
}

static bool lives(struct ledger *l, const struct record *r)
{
	for (unsigned i = 0; i < r->n_archives; i++) {
		const struct record_archive *slot = &r->archives[i];
		if (r->type != RECORD_STORE || !slot->archived || slot->erased)
			continue;
		struct archive *a = ledger_state_find(&l->state, slot->name);
		if (!a || !a->first || a->first > r->place)
			continue; /* erased, and this is about to be */
		archive_bound(&l->state, a);
		if (r->place > a->floor)
			return true;
	}
	return false;
}

enum looked { LOOKED_LIVES, LOOKED_END, LOOKED_MORE, LOOKED_BAD };

/* Goes over the bytes that were read; *at is the place to go on from, or of what lives. */
static enum looked look_over(struct ledger *l, const struct look_chore *x, uint64_t *at)
{
	struct str bytes = str_from(x->bytes, x->n);
	struct record r;
	const char *why;

	for (*at = x->from; *at < x->from + x->n; *at += r.length) {
		struct str rest = str_skip(bytes, (size_t)(*at - x->from));
		bool whole = record_peek(rest, *at, x->segment.form, &r, &why) == RECORD_WHOLE &&
			record_names(rest, &r);
		if (!whole)
			return *at == x->from ? LOOKED_BAD : LOOKED_MORE;
		if (r.type == RECORD_SEAL)
			return LOOKED_END;
		if (lives(l, &r))
			return LOOKED_LIVES;
	}
	return *at < x->segment.base + x->segment.end ? LOOKED_MORE : LOOKED_END;
}

static void look_after(struct chore *c)
{
	struct look_chore *x = container_of(c, struct look_chore, chore);
	struct ledger *l = c->l;
	struct segment *g = ledger_state_segment(&l->state, x->segment.base);
	uint64_t at = x->from;
	enum looked looked = x->e ? LOOKED_BAD : look_over(l, x, &at);

	l->w.looking = false;
	if (g && g->lives == x->from) {
		g->lives = looked == LOOKED_END ? 0 : at;
		l->w.look_for_garbage = l->w.look_for_garbage || !g->lives;
		if (looked != LOOKED_MORE)
			l->w.look_next = g->base + 1;
	}
	if (looked == LOOKED_BAD) {
		struct ledger_fault fault = { "it can't be read", x->segment.base,
			x->from - x->segment.base, x->e };
		ledger_fault_log(&fault, "ledger_retain", l->path);
	}
	free(x->bytes);
	free(x);
}

static void post_look(struct ledger *l, const struct segment *g)
{
	struct look_chore *x = xcalloc(1, sizeof *x);

	x->segment = *g;
	x->from = g->lives;
	x->chore.work = look_work;
	x->chore.after = look_after;
	l->w.looking = true;
	/* A segment whose first living message can't be read stays, and is not tried for ever. */
	l->w.look_next = g->base + 1;
	chore_post(l, &x->chore, &l->keeper, &l->keeper);
}

/* The next step of a round, or its beginning when it is time. */
static void look_round(struct ledger *l)
{
	struct writer *w = &l->w;
	const struct ledger_state *s = &l->state;

	if (w->looking || l->writer.stopping)
		return;
	if (!w->in_round) {
		if (w->looked_moves == s->floors_moved || clock_mono_ms() < w->look_after_ms)
			return;
		w->in_round = true;
		w->looked_moves = s->floors_moved;
		w->look_next = 0;
	}
	for (size_t i = 0; i < s->n_segments; i++) {
		const struct segment *g = &s->segments[i];
		if (g->base >= w->look_next && g->sealed && g->lives && !g->waiting && !g->pins) {
			post_look(l, g);
			return;
		}
	}
	w->in_round = false;
	w->look_after_ms = clock_mono_ms() + ROUND_MS;
}

void retain_keep(struct ledger *l)
{
	retain_cutoff(l);
	expire_segments(l);
	seal_in_time(l);
	look_round(l);
}

int retain_wait_ms(const struct ledger *l)
{
	const struct writer *w = &l->w;

	if (l->writer.stopping)
		return -1;
	if (!w->in_round && w->looked_moves != l->state.floors_moved) {
		uint64_t now = clock_mono_ms();
		return now < w->look_after_ms ? (int)(w->look_after_ms - now) : 0;
	}
	return w->retain_us ? AGE_LOOK_MS : -1;
}

/* ---- the door ---- */

struct retain_mail {
	struct mail mail;
	uint64_t us;
	uint32_t messages;
};

static void take_bounds(struct mail *m, void *ledger)
{
	struct retain_mail *x = container_of(m, struct retain_mail, mail);
	struct ledger *l = ledger;

	l->w.retain_us = x->us;
	l->state.retain_messages = x->messages;
	l->state.floors_moved++;
	free(x);
}

void ledger_retain(struct ledger *l, uint64_t retain_us, uint32_t retain_messages)
{
	struct retain_mail *x = xcalloc(1, sizeof *x);

	x->mail.run = take_bounds;
	x->us = retain_us;
	x->messages = retain_messages;
	mailbox_post_one(&l->writer.box, &x->mail);
}
