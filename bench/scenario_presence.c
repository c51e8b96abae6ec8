/* presence: users who stand in a ring, each with the nearest on both sides as contacts. Where
 * the rosters are not there they are made by subscribing (RFC 6121 section 3.1). All send their
 * first presence (phase "come online"), then each changes it again and again, at_once of them
 * at a time (phase "change"). Every contact must hear of every change once and in order. */
#include "bench.h"

#include "base/bug.h"

#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_SECONDS 600
#define WARM_UP_SECONDS  0.5

enum step { STEP_ROSTER, STEP_BEFRIEND, STEP_ONLINE, STEP_CHANGE, STEP_OVER };

struct contact {
	bool both;        /* subscribed in both directions */
	bool asked;       /* by this side */
	bool seen;        /* online */
	uint32_t changes; /* that were heard of */
};

struct user {
	struct contact *contacts;
	bool has_roster;
	unsigned asking;          /* the contact it waits for, while befriending */
	uint32_t changes;         /* that it made */
	unsigned unheard;         /* contacts who have not heard of the last one */
	uint64_t changed_ns;
};

static struct {
	struct user *users;
	unsigned n, contacts, half;
	enum step step;
	uint64_t both, seen, want;  /* of contacts of all users */
	unsigned rosters;           /* that have come */
	unsigned next;              /* user to change its presence */
} ring;

/* ---- who is who ---- */

/* The contact number of user k in the list of user i: first those behind it in the ring, then
 * those before it. -1: none of its contacts. */
static int contact_of(unsigned i, unsigned k)
{
	unsigned ahead = (k + ring.n - i) % ring.n;

	if (ahead >= 1 && ahead <= ring.half)
		return (int)ahead - 1;
	if (ahead >= ring.n - ring.half && ahead < ring.n)
		return (int)(ring.half + (ring.n - ahead) - 1);
	return -1;
}

static unsigned user_ahead(unsigned i, unsigned contact)
{
	return (i + contact + 1) % ring.n;
}

/* The index of the user with this JID, or -1. */
static int user_of(struct bench *b, struct str jid)
{
	uint64_t number;
	ptrdiff_t at = str_find(jid, '@');

	if (at < 2 || jid.p[0] != 'u' ||
		!str_to_u64(str_head(str_skip(jid, 1), (size_t)at - 1), UINT32_MAX, &number))
		return -1;
	if (number < b->o.first || number - b->o.first >= ring.n)
		return -1;
	return (int)(number - b->o.first);
}

static void send_to(struct peer *p, unsigned other, const char *type)
{
	struct bench *b = bench_of(p);

	buf_printf(peer_out(p), "<presence to='%s@%s' type='%s'/>", b->peers[other].user,
		b->target.domain, type);
}

/* ---- rosters ---- */

static void ask_next(struct peer *p)
{
	unsigned i = peer_index(p);
	struct user *u = &ring.users[i];

	while (u->asking < ring.half && u->contacts[u->asking].both)
		u->asking++;
	if (u->asking == ring.half)
		return;
	u->contacts[u->asking].asked = true;
	send_to(p, user_ahead(i, u->asking), "subscribe");
}

static void on_item(struct peer *p, const struct xml_doc *d, const struct xml_node *item)
{
	struct bench *b = bench_of(p);
	unsigned i = peer_index(p);
	struct user *u = &ring.users[i];
	int k = user_of(b, xml_attr_str(d, item, TAG_JID, &b->loop.turn));
	int c = k < 0 ? -1 : contact_of(i, (unsigned)k);

	if (c < 0) {
		bench_error(b, "%s has a contact that is none of this ring", p->user);
		return;
	}
	if (u->contacts[c].both ||
		!str_eq(xml_attr_str(d, item, TAG_SUBSCRIPTION, &b->loop.turn), STR("both")))
		return;
	u->contacts[c].both = true;
	ring.both++;
	if (ring.step == STEP_BEFRIEND && (unsigned)c == u->asking)
		ask_next(p);
}

static void on_roster(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	struct user *u = &ring.users[peer_index(p)];
	const struct xml_node *query = xml_child(d, xml_root(d), NS_ROSTER, TAG_QUERY);
	struct str type = xml_attr_str(d, xml_root(d), TAG_TYPE, &b->loop.turn);

	for (const struct xml_node *i = query ? xml_first(d, query) : NULL; i; i = xml_next(d, i))
		on_item(p, d, i);
	if (str_eq(type, STR("set"))) {
		struct str id = xml_attr_str(d, xml_root(d), TAG_ID, &b->loop.turn);
		buf_printf(peer_out(p), "<iq type='result' id='%.*s'/>", STR_FMT(id));
	} else if (str_eq(type, STR("result")) && !u->has_roster) {
		u->has_roster = true;
		ring.rosters++;
	} else {
		bench_error(b, "%s got no roster", p->user);
	}
}

/* A request is granted, and made in the other direction too. */
static void on_subscribe(struct peer *p, unsigned from, int c)
{
	struct contact *contact = &ring.users[peer_index(p)].contacts[c];

	send_to(p, from, "subscribed");
	if (contact->asked)
		return;
	contact->asked = true;
	send_to(p, from, "subscribe");
}

/* ---- presence ---- */

static void change_next(struct bench *b)
{
	struct user *u;

	do
		u = &ring.users[ring.next++ % ring.n];
	while (u->unheard);
	struct peer *p = &b->peers[u - ring.users];
	u->unheard = ring.contacts;
	u->changed_ns = now_ns();
	buf_printf(peer_out(p), "<presence><show>away</show><status>%08x</status></presence>",
		++u->changes);
}

static void on_change(struct peer *p, const struct xml_doc *d, struct contact *c,
	struct user *changed)
{
	struct bench *b = bench_of(p);
	const struct xml_node *status = xml_child(d, xml_root(d), NS_CLIENT, TAG_STATUS);
	char want[9];

	snprintf(want, sizeof want, "%08x", c->changes + 1);
	if (!status || !str_eq(xml_text(d, status, &b->loop.turn), str_c(want)) ||
		!changed->unheard) {
		bench_error(b, "%s heard of a change twice, out of order, or not at all", p->user);
		return;
	}
	c->changes++;
	bench_count(b, now_ns() - changed->changed_ns);
	if (--changed->unheard == 0 && ring.step == STEP_CHANGE)
		change_next(b);
}

static void on_available(struct peer *p, const struct xml_doc *d, unsigned from, struct contact *c)
{
	struct bench *b = bench_of(p);

	if (ring.step >= STEP_CHANGE) {
		on_change(p, d, c, &ring.users[from]);
	} else if (ring.step == STEP_ONLINE) {
		bench_count(b, now_ns() - b->now->start_ns);
		ring.seen += !c->seen;
		c->seen = true;
	}
}

static void on_presence(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	struct str type = xml_attr_str(d, xml_root(d), TAG_TYPE, &b->loop.turn);
	int k = user_of(b, xml_attr_str(d, xml_root(d), TAG_FROM, &b->loop.turn));
	unsigned i = peer_index(p);

	if (k == (int)i)
		return;
	int c = k < 0 ? -1 : contact_of(i, (unsigned)k);
	if (c < 0)
		bench_error(b, "%s got presence of somebody who is no contact", p->user);
	else if (!type.p)
		on_available(p, d, (unsigned)k, &ring.users[i].contacts[c]);
	else if (str_eq(type, STR("subscribe")))
		on_subscribe(p, (unsigned)k, c);
	else if (str_eq(type, STR("error")))
		bench_error(b, "%s: presence was refused", p->user);
}

/* ---- the run ---- */

static void on_stanza(struct peer *p, const struct xml_doc *d)
{
	if (xml_root(d)->tag == TAG_PRESENCE)
		on_presence(p, d);
	else if (xml_root(d)->tag == TAG_IQ)
		on_roster(p, d);
}

static void ready(struct peer *p)
{
	buf_lit(peer_out(p), "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>");
	crowd_ready(p);
}

static const struct peer_ops presence_ops = { .ready = ready, .stanza = on_stanza,
	.failed = crowd_failed, .ended = crowd_ended };

static bool all_rosters(struct bench *b)
{
	return ring.rosters == ring.n;
}

static bool all_both(struct bench *b)
{
	return ring.both == ring.want;
}

static bool all_seen(struct bench *b)
{
	return ring.seen == ring.want;
}

static bool all_heard(struct bench *b)
{
	for (unsigned i = 0; i < ring.n; i++)
		if (ring.users[i].unheard)
			return false;
	return true;
}

/* Binds all, without presence, and reads the rosters. */
static bool come(struct bench *b)
{
	ring.step = STEP_ROSTER;
	ring.rosters = 0;
	for (unsigned i = 0; i < ring.n; i++)
		ring.users[i].has_roster = false;
	if (!crowd_login(b, 0, ring.n, false))
		return false;
	if (!bench_run(b, all_rosters, PATIENCE_SECONDS, "reading rosters"))
		bench_error(b, "rosters did not come");
	return !b->errors;
}

static void say_hello(struct bench *b)
{
	for (unsigned i = 0; i < ring.n; i++)
		buf_lit(peer_out(&b->peers[i]), "<presence/>");
}

/* Makes the contacts that are missing, and binds all again. */
static bool befriend(struct bench *b)
{
	if (all_both(b))
		return true;
	ring.step = STEP_BEFRIEND;
	say_hello(b);
	bench_settle(b);
	for (unsigned i = 0; i < ring.n; i++)
		ask_next(&b->peers[i]);
	if (!bench_run(b, all_both, PATIENCE_SECONDS, "befriending")) {
		bench_error(b, "%llu contacts of %llu were made", (unsigned long long)ring.both,
			(unsigned long long)ring.want);
		return false;
	}
	bench_settle(b);
	ring.step = STEP_OVER;
	crowd_leave(b, 0, ring.n);
	bench_settle(b);
	return come(b);
}

static void come_online(struct bench *b)
{
	bench_settle(b);
	ring.step = STEP_ONLINE;
	bench_start(b, "come online", "presence");
	say_hello(b);
	if (!bench_run(b, all_seen, PATIENCE_SECONDS, "coming online"))
		bench_error(b, "%llu presences were lost",
			(unsigned long long)(ring.want - ring.seen));
	bench_settle(b);
	bench_end(b);
}

static void change(struct bench *b)
{
	ring.step = STEP_CHANGE;
	for (unsigned i = 0; i < b->o.at_once && i < ring.n; i++)
		change_next(b);
	bench_run(b, NULL, WARM_UP_SECONDS, "warming up");
	bench_start(b, "change", "presence");
	bench_run(b, NULL, bench_seconds(b), "changing");
	bench_end(b);
	ring.step = STEP_OVER;
	if (!bench_run(b, all_heard, 20, "waiting for the rest"))
		bench_error(b, "changes were lost");
}

void run_presence(struct bench *b)
{
	ring.n = b->o.users;
	ring.half = b->o.contacts / 2;
	ring.contacts = 2 * ring.half;
	ring.want = (uint64_t)ring.n * ring.contacts;
	if (!ring.half || ring.n <= 2 * ring.half) {
		bench_error(b, "there must be more users than contacts, and at least two of these");
		return;
	}
	crowd_make(b, ring.n, &presence_ops);
	ring.users = xcalloc(ring.n, sizeof *ring.users);
	for (unsigned i = 0; i < ring.n; i++)
		ring.users[i].contacts = xcalloc(ring.contacts, sizeof(struct contact));
	if (come(b) && befriend(b)) {
		come_online(b);
		if (!b->errors)
			change(b);
		crowd_leave(b, 0, ring.n);
	}
	for (unsigned i = 0; i < ring.n; i++)
		free(ring.users[i].contacts);
	free(ring.users);
}
