#include "rooms.h"

#include "base/bug.h"

#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_SECONDS 800
#define ERROR_SHOWN      200

/* Those who are on the move together. */
static struct {
	struct occupant *all;
	unsigned n, next, under_way;
	bool makers;              /* those that make rooms move, else the others */
	void (*move)(struct occupant *o);
	bool destroying;          /* from now on */
} tour;

void occupant_init(struct occupant *o, struct peer *p, unsigned room, char kind, unsigned number)
{
	struct buf jid, bare;

	*o = (struct occupant){ .peer = p };
	buf_init(&bare, SIZE_MAX);
	buf_init(&jid, SIZE_MAX);
	buf_printf(&bare, "room%u@%s%c", room, bench_of(p)->o.service, '\0');
	buf_printf(&jid, "%s/%c%u%c", bare.p, kind, number, '\0');
	o->room = bare.p;
	o->jid = jid.p;
}

void occupant_clear(struct occupant *o)
{
	free(o->jid);
	free(o->room);
	o->jid = o->room = NULL;
}

/* ---- what is sent ---- */

/* Section 7.2.14: no more of the history than is wanted. */
void occupant_enter(struct occupant *o)
{
	o->stay = STAY_ENTERING;
	buf_printf(peer_out(o->peer), "<presence to='%s'><x xmlns='http://jabber.org/protocol/muc'>"
		"<history maxstanzas='%u'/></x></presence>", o->jid, o->history);
	peer_sent(o->peer);
}

void occupant_leave(struct occupant *o)
{
	o->stay = STAY_LEAVING;
	buf_printf(peer_out(o->peer), "<presence to='%s' type='unavailable'/>", o->jid);
	peer_sent(o->peer);
}

static void send_owner_query(struct occupant *o, const char *payload)
{
	buf_printf(peer_out(o->peer), "<iq type='set' id='owner' to='%s'>"
		"<query xmlns='http://jabber.org/protocol/muc#owner'>%s</query></iq>", o->room, payload);
	peer_sent(o->peer);
}

/* A new room is locked until its owner says what it is to be: as usual (section 10.1.2), or
 * persistent (section 10.1.3). */
static void configure(struct occupant *o)
{
	o->stay = STAY_CONFIGURING;
	send_owner_query(o, o->persistent
		? "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
		  "<value>http://jabber.org/protocol/muc#roomconfig</value></field>"
		  "<field var='muc#roomconfig_persistentroom'><value>1</value></field></x>"
		: "<x xmlns='jabber:x:data' type='submit'/>");
}

static void destroy(struct occupant *o)
{
	send_owner_query(o, "<destroy/>");
}

/* ---- the next one ---- */

static void move_more(struct bench *b)
{
	while (tour.next < tour.n && tour.under_way < b->o.at_once) {
		struct occupant *o = &tour.all[tour.next++];
		if (o->makes != tour.makers)
			continue;
		tour.under_way++;
		tour.move(o);
	}
}

static void moved(struct occupant *o)
{
	struct bench *b = bench_of(o->peer);

	tour.under_way--;
	bench_count(b, now_ns() - b->now->start_ns);
	move_more(b);
}

/* ---- what comes ---- */

static void refused(struct occupant *o, const struct xml_doc *d)
{
	struct str raw = str_head(xml_raw(d, xml_root(d)), ERROR_SHOWN);

	bench_error(bench_of(o->peer), "%s in %s: refused: %.*s", o->peer->user, o->room, STR_FMT(raw));
}

static void settle_in(struct occupant *o, enum stay stay)
{
	o->stay = stay;
	if (o->moved)
		o->moved(o);
}

bool occupant_is_self(const struct occupant *o, const struct xml_doc *d)
{
	return str_eq(xml_attr_str(d, xml_root(d), TAG_FROM, &o->peer->loop->turn), str_c(o->jid));
}

bool is_subject(const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);

	return xml_child(d, root, NS_CLIENT, TAG_SUBJECT) && !xml_child(d, root, NS_CLIENT, TAG_BODY);
}

static void on_own_presence(struct occupant *o, bool available)
{
	if (available && o->stay == STAY_ENTERING && o->makes)
		configure(o);
	else if (!available && o->stay == STAY_LEAVING)
		settle_in(o, STAY_OUT);
	else if (!available && !tour.destroying)
		bench_error(bench_of(o->peer), "%s was put out of %s", o->peer->user, o->room);
}

static void on_presence(struct occupant *o, const struct xml_doc *d, struct str type)
{
	if (str_eq(type, STR("error")))
		refused(o, d);
	else if (occupant_is_self(o, d))
		on_own_presence(o, !type.p);
}

static void on_answer(struct occupant *o, const struct xml_doc *d, struct str type)
{
	if (str_eq(type, STR("error")))
		refused(o, d);
	else if (!str_eq(type, STR("result")))
		return;
	else if (tour.destroying)
		moved(o);
	else if (o->stay == STAY_CONFIGURING)
		settle_in(o, STAY_IN);
}

void occupant_stanza(struct occupant *o, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);
	struct str type = xml_attr_str(d, root, TAG_TYPE, &o->peer->loop->turn);

	if (root->tag == TAG_PRESENCE)
		on_presence(o, d, type);
	else if (root->tag == TAG_IQ)
		on_answer(o, d, type);
	else if (o->stay == STAY_ENTERING && !o->makes && is_subject(d))
		settle_in(o, STAY_IN);
}

/* ---- many of them ---- */

static bool all_moved(struct bench *b)
{
	return tour.next == tour.n && !tour.under_way;
}

static bool travel(struct bench *b, bool makers, void (*move)(struct occupant *), const char *what)
{
	tour.makers = makers;
	tour.move = move;
	tour.next = 0;
	move_more(b);
	if (!bench_run(b, all_moved, PATIENCE_SECONDS, what))
		bench_error(b, "%s took too long", what);
	return !b->errors;
}

static void begin(struct occupant *all, unsigned n)
{
	tour.all = all;
	tour.n = n;
	for (unsigned i = 0; i < n; i++)
		all[i].moved = moved;
}

bool rooms_enter(struct bench *b, struct occupant *all, unsigned n)
{
	begin(all, n);
	return travel(b, true, occupant_enter, "making rooms") &&
	       travel(b, false, occupant_enter, "entering rooms");
}

bool rooms_leave(struct bench *b, struct occupant *all, unsigned n)
{
	begin(all, n);
	return travel(b, false, occupant_leave, "leaving rooms") &&
	       travel(b, true, occupant_leave, "leaving rooms");
}

bool rooms_destroy(struct bench *b, struct occupant *all, unsigned n)
{
	begin(all, n);
	tour.destroying = true;
	return travel(b, true, destroy, "destroying rooms");
}
