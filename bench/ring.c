#include "ring.h"

#include "base/bug.h"

#include <stdlib.h>

#define PATIENCE_SECONDS 600

struct tie {
	bool both;        /* subscribed in both directions */
	bool asked;       /* by this side */
};

struct member {
	struct tie *ties;
	bool has_roster;
	unsigned asking;  /* the contact it waits for, while befriending */
};

static struct {
	struct member *members;
	unsigned n, contacts, half;
	bool befriending;
	uint64_t both, want;        /* ties of all */
	unsigned rosters;           /* that have come */
} ring;

/* ---- who is who ---- */

int ring_contact(unsigned i, unsigned k)
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

int ring_user(struct bench *b, struct str jid)
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
	struct member *m = &ring.members[i];

	while (m->asking < ring.half && m->ties[m->asking].both)
		m->asking++;
	if (m->asking == ring.half)
		return;
	m->ties[m->asking].asked = true;
	send_to(p, user_ahead(i, m->asking), "subscribe");
}

static void on_item(struct peer *p, const struct xml_doc *d, const struct xml_node *item)
{
	struct bench *b = bench_of(p);
	unsigned i = peer_index(p);
	struct member *m = &ring.members[i];
	int k = ring_user(b, xml_attr_str(d, item, TAG_JID, &b->loop.turn));
	int c = k < 0 ? -1 : ring_contact(i, (unsigned)k);

	if (c < 0) {
		bench_error(b, "%s has a contact that is none of this ring", p->user);
		return;
	}
	if (m->ties[c].both ||
		!str_eq(xml_attr_str(d, item, TAG_SUBSCRIPTION, &b->loop.turn), STR("both")))
		return;
	m->ties[c].both = true;
	ring.both++;
	if (ring.befriending && (unsigned)c == m->asking)
		ask_next(p);
}

static void on_roster(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	struct member *m = &ring.members[peer_index(p)];
	const struct xml_node *query = xml_child(d, xml_root(d), NS_ROSTER, TAG_QUERY);
	struct str type = xml_attr_str(d, xml_root(d), TAG_TYPE, &b->loop.turn);

	for (const struct xml_node *i = query ? xml_first(d, query) : NULL; i; i = xml_next(d, i))
		on_item(p, d, i);
	if (str_eq(type, STR("set"))) {
		struct str id = xml_attr_str(d, xml_root(d), TAG_ID, &b->loop.turn);
		buf_printf(peer_out(p), "<iq type='result' id='%.*s'/>", STR_FMT(id));
	} else if (str_eq(type, STR("result")) && !m->has_roster) {
		m->has_roster = true;
		ring.rosters++;
	} else {
		bench_error(b, "%s got no roster", p->user);
	}
}

/* A request is granted, and made in the other direction too. */
static void on_subscribe(struct peer *p, unsigned from, int c)
{
	struct tie *tie = &ring.members[peer_index(p)].ties[c];

	send_to(p, from, "subscribed");
	if (tie->asked)
		return;
	tie->asked = true;
	send_to(p, from, "subscribe");
}

/* ---- coming ---- */

static bool all_rosters(struct bench *b)
{
	return ring.rosters == ring.n;
}

static bool all_both(struct bench *b)
{
	return ring.both == ring.want;
}

/* Binds all, without presence, and reads the rosters. */
static bool bind_all(struct bench *b)
{
	ring.rosters = 0;
	for (unsigned i = 0; i < ring.n; i++)
		ring.members[i].has_roster = false;
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
	ring.befriending = true;
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
	ring.befriending = false;
	crowd_leave(b, 0, ring.n);
	bench_settle(b);
	return bind_all(b);
}

bool ring_come(struct bench *b)
{
	return bind_all(b) && befriend(b);
}

/* ---- the crowd ---- */

unsigned ring_contacts(void)
{
	return ring.contacts;
}

void ring_ready(struct peer *p)
{
	buf_lit(peer_out(p), "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>");
	crowd_ready(p);
}

static bool is_of_roster(struct bench *b, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);

	return xml_child(d, root, NS_ROSTER, TAG_QUERY) ||
	       str_eq(xml_attr_str(d, root, TAG_ID, &b->loop.turn), STR("roster"));
}

static bool takes_presence(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	const struct xml_node *root = xml_root(d);
	int k = ring_user(b, xml_attr_str(d, root, TAG_FROM, &b->loop.turn));
	int c = k < 0 ? -1 : ring_contact(peer_index(p), (unsigned)k);

	if (c < 0 || !str_eq(xml_attr_str(d, root, TAG_TYPE, &b->loop.turn), STR("subscribe")))
		return false;
	on_subscribe(p, (unsigned)k, c);
	return true;
}

bool ring_takes(struct peer *p, const struct xml_doc *d)
{
	if (xml_root(d)->tag == TAG_PRESENCE)
		return takes_presence(p, d);
	if (xml_root(d)->tag != TAG_IQ || !is_of_roster(bench_of(p), d))
		return false;
	on_roster(p, d);
	return true;
}

bool ring_make(struct bench *b, const struct peer_ops *ops)
{
	ring.n = b->o.users;
	ring.half = b->o.contacts / 2;
	ring.contacts = 2 * ring.half;
	ring.want = (uint64_t)ring.n * ring.contacts;
	if (!ring.half || ring.n <= ring.contacts) {
		bench_error(b, "there must be more users than contacts, and at least two of these");
		return false;
	}
	crowd_make(b, ring.n, ops);
	ring.members = xcalloc(ring.n, sizeof *ring.members);
	for (unsigned i = 0; i < ring.n; i++)
		ring.members[i].ties = xcalloc(ring.contacts, sizeof(struct tie));
	return true;
}

void ring_free(void)
{
	for (unsigned i = 0; ring.members && i < ring.n; i++)
		free(ring.members[i].ties);
	free(ring.members);
	ring.members = NULL;
}
