#include "order.h"

#include "base/bug.h"

#include <stdlib.h>

void order_init(struct order *o, uint32_t occupants, uint32_t max)
{
	*o = (struct order){ .occupants = occupants, .max = max };
	o->places = xcalloc(max, sizeof *o->places);
	o->sought = xcalloc(max, sizeof *o->sought);
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
	bool *sought = &o->sought[o->sent % o->max];

	/* One that has no place yet may have been overtaken by more than the table can tell. */
	if (o->sent - o->over == o->max || *sought)
		return false;
	*sought = true;
	*out = o->sent++;
	return true;
}

static bool is_sought(const struct order *o, uint64_t number)
{
	return number < o->sent && o->sent - number <= o->max && o->sought[number % o->max];
}

/* The first copy of a message. */
static bool find_place(struct order *o, uint64_t number)
{
	if (!is_sought(o, number))
		return false;
	o->sought[number % o->max] = false;
	o->places[o->placed++ % o->max] = (struct order_place){ .number = number };
	return true;
}

enum order_found order_hear(struct order *o, uint64_t *heard, uint64_t number)
{
	struct order_place *at = &o->places[*heard % o->max];

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
