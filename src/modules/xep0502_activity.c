/* XEP-0502 MUC Activity Indicator, version 0.1.0
 *
 * How many messages a room has seen in an hour, on average over the last 24 whole hours: by the 25
 * counters of section 5. Messages with a body count, corrections and retractions do not (section
 * 4). The counters are in memory alone: where fewer hours are known, because the room has been
 * there, or loaded, for less than a day, the average is of those; nothing is said within the first
 * hour. It is told of rooms that are persistent and listed, and open to all (sections 3.1 and 9).
 * Options: none. Stores: nothing. */
#include "core/module.h"
#include "core/room.h"

#include <stdlib.h>

#define HOUR_MS (3600 * 1000)
#define HOURS   25 /* the one that runs, and a day */

struct room_activity {
	uint64_t began_ms;      /* monotonic: the hour that runs */
	unsigned known;         /* whole hours before it, at most HOURS - 1 */
	uint64_t counts[HOURS]; /* the hour that runs first, then the one before it, ... */
};

static void start(struct room *r)
{
	if (r->activity)
		return;
	r->activity = xcalloc(1, sizeof *r->activity);
	r->activity->began_ms = r->shard->loop.now;
}

static void unload(struct room *r)
{
	free(r->activity);
	r->activity = NULL;
}

/* Moves the counters on to the hour that runs now. */
static void shift(struct room_activity *a, uint64_t now)
{
	uint64_t gone = (now - a->began_ms) / HOUR_MS;
	unsigned by = gone < HOURS ? (unsigned)gone : HOURS;

	a->began_ms += gone * HOUR_MS;
	memmove(a->counts + by, a->counts, (HOURS - by) * sizeof *a->counts);
	memset(a->counts, 0, by * sizeof *a->counts);
	a->known = a->known + by < HOURS ? a->known + by : HOURS - 1;
}

/* ---- counting ---- */

static void entering(struct seat *seat, const struct stanza *presence)
{
	start(seat->occupant->room);
}

/* Section 4. */
static bool counts(const struct stanza *message)
{
	const struct xml_doc *d = &message->doc;
	const struct xml_node *root = stanza_root(message);

	return xml_child(d, root, root->ns, TAG_BODY) &&
	       !xml_child(d, root, NS_CORRECT, TAG_REPLACE) &&
	       !xml_child(d, root, NS_RETRACT, TAG_RETRACT);
}

static void passed_on(struct occupant *o, struct stanza *message)
{
	struct room *r = o->room;

	if (!counts(message))
		return;
	start(r);
	shift(r->activity, r->shard->loop.now);
	r->activity->counts[0]++;
}

/* ---- telling ---- */

static bool is_open(const struct room *r)
{
	const struct room_config *c = &r->config;

	return c->persistent && c->listed && !c->members_only && !c->has_secret;
}

static void write_info(struct room *r, struct writer *w)
{
	struct room_activity *a = r->activity;
	uint64_t sum = 0;

	if (!a || !is_open(r))
		return;
	shift(a, r->shard->loop.now);
	if (!a->known)
		return;
	for (unsigned i = 1; i <= a->known; i++)
		sum += a->counts[i];
	uint64_t hundredths = (100 * sum + a->known / 2) / a->known;
	w_open(w, "field");
	w_attr(w, "var", STR("{urn:xmpp:muc-activity}message-activity"));
	w_attr(w, "label", STR("Messages per hour"));
	w_leaf(w, "value", str_printf(&r->shard->loop.turn, "%llu.%02llu",
		(unsigned long long)(hundredths / 100), (unsigned long long)(hundredths % 100)));
	w_close(w);
}

const struct module xep0502_activity = {
	.name = "activity",
	.spec = "XEP-0502 0.1.0",
	.room_unload = unload,
	.room_info = write_info,
	.room_entering = entering,
	.room_passed_on = passed_on,
};
