/* The order of a room's messages, which all of its occupants must see alike (XEP-0045 section 7.4
 * has each message reflected to everybody): the first occupant whom a message reaches finds its
 * place, and all others must have it there. So each copy is held to come once and in order, for
 * the cost of a look at a small table. */
#ifndef BENCH_ORDER_H
#define BENCH_ORDER_H

#include <stdbool.h>
#include <stdint.h>

struct order_place {
	uint64_t number;     /* of the message that has it */
	uint32_t copies;     /* that have come */
};

struct order {
	uint32_t occupants;
	uint32_t max;        /* messages that may be under way: sent, and not with everybody */
	uint64_t sent;       /* numbers below were sent */
	uint64_t placed;     /* places below have a message */
	uint64_t over;       /* places below have a message that everybody has */
	struct order_place *places;  /* by place modulo max */
	bool *sought;        /* by number modulo max: sent, and without a place */
};

/* What an occupant saw. */
enum order_found {
	ORDER_COPY,          /* the message that is next for this occupant */
	ORDER_LAST_COPY,     /* the same, and everybody has it now */
	ORDER_STRANGE,       /* no such message is under way, or the occupant had it before */
	ORDER_OTHER          /* others had another message in its place */
};

void order_init(struct order *o, uint32_t occupants, uint32_t max);
void order_clear(struct order *o);

/* The number of the next message. False: too many are under way. */
bool order_send(struct order *o, uint64_t *out);

/* A copy of a message has come to an occupant who had *heard of so many, which is counted on
 * unless something is wrong. */
enum order_found order_hear(struct order *o, uint64_t *heard, uint64_t number);

static inline bool order_is_done(const struct order *o)
{
	return o->over == o->sent;
}

#endif
