/* Items of publish-subscribe that can be checked where they arrive: the number of each is its id, in
 * its payload stand when it was due and a filler that depends on the number. */
#ifndef BENCH_EVENT_H
#define BENCH_EVENT_H

#include "bench.h"
#include "order.h"

/* A node, and what is published to it. */
struct event_line {
	char name[32];
	const char *service;     /* NULL: the publisher's own account (XEP-0163) */
	struct peer *publisher;
	unsigned bytes;          /* of the filler */
	struct order order;
	uint64_t *heard;         /* by each who is notified */
};

/* hearers: who is notified, each once for an item; max: items under way. */
void event_line_init(struct event_line *l, struct peer *publisher, const char *service,
	const char *name, unsigned hearers, unsigned max, unsigned bytes);
void event_line_clear(struct event_line *l);

/* Publishes the next item. False: too many are under way, and the run fails. */
bool event_publish(struct event_line *l, uint64_t due);

/* The name of the node that a message notifies of, in its bytes; the null slice: of none. */
struct str event_node(struct peer *p, const struct xml_doc *d);

/* Looks at a notification that came to a hearer: it must be the next one of its line, unchanged.
 * Returns what is wrong, or NULL, when it was due, and whether all have it now. */
const char *event_check(struct event_line *l, unsigned hearer, const struct xml_doc *d,
	struct arena *a, uint64_t *due, bool *last);

/* The same, whoever it came to, without a look at the order: when it was due. */
const char *event_due(const struct xml_doc *d, struct arena *a, uint64_t *due);

/* What answers a publish is no error; other answers are not looked at. */
void event_answer(struct peer *p, const struct xml_doc *d);

#endif
