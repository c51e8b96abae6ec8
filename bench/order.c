#include "order.h"

#include "base/bug.h"

#include <stdlib.h>

void order_init(struct order *o, uint32_t occupants)
{
	*o = (struct order){ .occupants = occupants };
	o->places = xcalloc(ORDER_MAX, sizeof *o->places);
	o->sought = xcalloc(ORDER_MAX, sizeof *o->sought);
}

void order_clear(struct order *o)
{
	free(o->places);
	free(o->sought);
	o->places = NULL;
	o->sought = NULL;
}

bool order_send(struct order *o, uint64_t *out)
{
	bool *sought = &o->sought[o->sent % ORDER_MAX];

	/* One that has no place yet may have been overtaken by more than the table can tell. */
	if (o->sent - o->over == ORDER_MAX || *sought)
		return false;
	*sought = true;
	*out = o->sent++;
	return true;
}

static bool is_sought(const struct order *o, uint64_t number)
{
	return number < o->sent && o->sent - number <= ORDER_MAX && o->sought[number % ORDER_MAX];
}

/* The first copy of a message. */
static bool find_place(struct order *o, uint64_t number)
{
	if (!is_sought(o, number))
		return false;
	o->sought[number % ORDER_MAX] = false;
	o->places[o->placed++ % ORDER_MAX] = (struct order_place){ .number = number };
	return true;
}

enum order_found order_hear(struct order *o, uint64_t *heard, uint64_t number)
{
	struct order_place *at = &o->places[*heard % ORDER_MAX];

	if (*heard == o->placed && !find_place(o, number))
		return ORDER_STRANGE;
	if (at->number != number)
		return ORDER_OTHER;
	++*heard;
	if (++at->copies < o->occupants)
		return ORDER_COPY;
	o->over++;
	return ORDER_LAST_COPY;
}
