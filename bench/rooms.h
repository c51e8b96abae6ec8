/* Occupants of chat rooms (XEP-0045): entering, making the rooms, leaving. Room number N of a
 * service is roomN there. */
#ifndef BENCH_ROOMS_H
#define BENCH_ROOMS_H

#include "bench.h"

enum stay { STAY_OUT, STAY_ENTERING, STAY_CONFIGURING, STAY_IN, STAY_LEAVING };

/* Somebody in a room, or on the way into it. */
struct occupant {
	struct peer *peer;
	char *jid;            /* room@service/nick */
	char *room;           /* room@service */
	unsigned history;     /* messages to ask for at entering */
	enum stay stay;
	bool makes;           /* the room, which is not there yet */
	bool persistent;      /* made to stay when nobody is in it */
	/* It is in the room and has the subject, or it has left. */
	void (*moved)(struct occupant *o);
};

/* room: its number. nick: "%c%u" of kind and number. */
void occupant_init(struct occupant *o, struct peer *p, unsigned room, char kind, unsigned number);
void occupant_clear(struct occupant *o);

void occupant_enter(struct occupant *o);
void occupant_leave(struct occupant *o);

/* A stanza has come from its room: sees to what is about its own coming and going. An error, or
 * that it is put out of the room, makes the run fail. */
void occupant_stanza(struct occupant *o, const struct xml_doc *d);

/* The presence is its own. */
bool occupant_is_self(const struct occupant *o, const struct xml_doc *d);

/* The message is a subject and nothing else (section 7.2.15). */
bool is_subject(const struct xml_doc *d);

/* Brings n occupants in, at_once at a time: first those that make rooms, then the others. False:
 * the run failed. `moved` is set by this. */
bool rooms_enter(struct bench *b, struct occupant *all, unsigned n);

/* Takes n occupants out. */
bool rooms_leave(struct bench *b, struct occupant *all, unsigned n);

/* Those that made rooms destroy them (section 10.9), be they in them or not. The end of a run. */
bool rooms_destroy(struct bench *b, struct occupant *all, unsigned n);

#endif
