#include "base/timer.h"

#define TICK_MS     16
#define SLOTS       64
#define LEVELS      4
#define LEVEL_BITS  6
#define REACH_TICKS ((uint64_t)1 << (LEVEL_BITS * LEVELS))

void wheel_init(struct wheel *w, uint64_t now)
{
	for (int l = 0; l < LEVELS; l++)
		for (int s = 0; s < SLOTS; s++)
			list_init(&w->slots[l][s]);
	w->tick = now / TICK_MS;
	w->n = 0;
}

void timer_init(struct timer *t, void (*fire)(struct timer *t))
{
	list_init(&t->link);
	t->due = 0;
	t->fire = fire;
}

static uint64_t due_tick(uint64_t due)
{
	return (due + TICK_MS - 1) / TICK_MS;
}

/* Puts a timer where the wheel finds it: the lower the level, the finer the slot. earliest:
 * the tick that fires next. */
static void place(struct wheel *w, struct timer *t, uint64_t earliest)
{
	uint64_t at = due_tick(t->due);
	uint64_t ahead;
	int level = 0;

	if (at < earliest)
		at = earliest;
	ahead = at - w->tick;
	if (ahead >= REACH_TICKS) {
		at = w->tick + REACH_TICKS - 1;
		ahead = at - w->tick;
	}
	while (ahead >= (uint64_t)SLOTS << (LEVEL_BITS * level))
		level++;
	list_add(&w->slots[level][(at >> (LEVEL_BITS * level)) % SLOTS], &t->link);
}

void timer_set(struct wheel *w, struct timer *t, uint64_t now, uint64_t after_ms)
{
	timer_stop(w, t);
	t->due = now + after_ms;
	if (!t->due)
		t->due = 1;
	if (!w->n && now / TICK_MS > w->tick) /* idle time is not walked through */
		w->tick = now / TICK_MS;
	w->n++;
	place(w, t, w->tick + 1);
}

void timer_stop(struct wheel *w, struct timer *t)
{
	if (!timer_is_set(t))
		return;
	list_del(&t->link);
	t->due = 0;
	w->n--;
}

/* Spreads the slot of a higher level whose turn has come over the lower ones. */
static void cascade(struct wheel *w, int level)
{
	struct list *slot = &w->slots[level][(w->tick >> (LEVEL_BITS * level)) % SLOTS];
	struct list moved;

	list_take(slot, &moved);
	while (!list_empty(&moved)) {
		struct timer *t = list_first(&moved, struct timer, link);
		list_del(&t->link);
		place(w, t, w->tick);
	}
}

static void fire_slot(struct wheel *w, struct list *slot)
{
	struct list due;

	list_take(slot, &due);
	while (!list_empty(&due)) {
		struct timer *t = list_first(&due, struct timer, link);
		list_del(&t->link);
		if (due_tick(t->due) > w->tick) { /* out of reach when it was set */
			place(w, t, w->tick + 1);
			continue;
		}
		t->due = 0;
		w->n--;
		t->fire(t);
	}
}

void wheel_advance(struct wheel *w, uint64_t now)
{
	uint64_t target = now / TICK_MS;

	if (!w->n && target > w->tick)
		w->tick = target;
	while (w->tick < target) {
		w->tick++;
		for (int level = LEVELS - 1; level > 0; level--)
			if (w->tick % ((uint64_t)1 << (LEVEL_BITS * level)) == 0)
				cascade(w, level);
		fire_slot(w, &w->slots[0][w->tick % SLOTS]);
	}
}

uint64_t wheel_wait(const struct wheel *w, uint64_t now, uint64_t max)
{
	if (!w->n)
		return max;
	/* Look through the lowest level up to its next cascade; the loop may wake there for
	 * nothing, at most once a second. */
	uint64_t tick = w->tick;
	do
		tick++;
	while (tick % SLOTS != 0 && list_empty(&w->slots[0][tick % SLOTS]));
	uint64_t at = tick * TICK_MS;
	uint64_t wait = at > now ? at - now : 0;
	return wait < max ? wait : max;
}
