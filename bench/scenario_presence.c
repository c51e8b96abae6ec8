/* presence: users who stand in a ring, each with the nearest on both sides as contacts. Where
 * the rosters are not there they are made by subscribing (RFC 6121 section 3.1). All send their
 * first presence (phase "come online"), then each changes it again and again, at_once of them
 * at a time (phase "change"). Every contact must hear of every change once and in order. */
#include "ring.h"

#include "base/bug.h"

#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_SECONDS 600
#define WARM_UP_SECONDS  0.5

enum step { STEP_COME, STEP_ONLINE, STEP_CHANGE, STEP_OVER };

struct contact {
	bool seen;        /* online */
	uint32_t changes; /* that were heard of */
};

struct user {
	struct contact *contacts;
	uint32_t changes;         /* that it made */
	unsigned unheard;         /* contacts who have not heard of the last one */
	uint64_t changed_ns;
};

static struct {
	struct user *users;
	unsigned n;
	enum step step;
	uint64_t seen, want;        /* of contacts of all users */
	unsigned next;              /* user to change its presence */
} all;

/* ---- presence ---- */

static void change_next(struct bench *b)
{
	struct user *u;

	do
		u = &all.users[all.next++ % all.n];
	while (u->unheard);
	struct peer *p = &b->peers[u - all.users];
	u->unheard = ring_contacts();
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
	if (--changed->unheard == 0 && all.step == STEP_CHANGE)
		change_next(b);
}

static void on_available(struct peer *p, const struct xml_doc *d, unsigned from, struct contact *c)
{
	struct bench *b = bench_of(p);

	if (all.step >= STEP_CHANGE) {
		on_change(p, d, c, &all.users[from]);
	} else if (all.step == STEP_ONLINE) {
		bench_count(b, now_ns() - b->now->start_ns);
		all.seen += !c->seen;
		c->seen = true;
	}
}

static void on_presence(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	struct str type = xml_attr_str(d, xml_root(d), TAG_TYPE, &b->loop.turn);
	int k = ring_user(b, xml_attr_str(d, xml_root(d), TAG_FROM, &b->loop.turn));
	unsigned i = peer_index(p);

	if (k == (int)i)
		return;
	int c = k < 0 ? -1 : ring_contact(i, (unsigned)k);
	if (c < 0)
		bench_error(b, "%s got presence of somebody who is no contact", p->user);
	else if (!type.p)
		on_available(p, d, (unsigned)k, &all.users[i].contacts[c]);
	else if (str_eq(type, STR("error")))
		bench_error(b, "%s: presence was refused", p->user);
}

/* ---- the run ---- */

static void on_stanza(struct peer *p, const struct xml_doc *d)
{
	if (!ring_takes(p, d) && xml_root(d)->tag == TAG_PRESENCE)
		on_presence(p, d);
}

static const struct peer_ops presence_ops = { .ready = ring_ready, .stanza = on_stanza,
	.failed = crowd_failed, .ended = crowd_ended };

static bool all_seen(struct bench *b)
{
	return all.seen == all.want;
}

static bool all_heard(struct bench *b)
{
	for (unsigned i = 0; i < all.n; i++)
		if (all.users[i].unheard)
			return false;
	return true;
}

static void say_hello(struct bench *b)
{
	for (unsigned i = 0; i < all.n; i++)
		buf_lit(peer_out(&b->peers[i]), "<presence/>");
}

static void come_online(struct bench *b)
{
	bench_settle(b);
	all.step = STEP_ONLINE;
	bench_start(b, "come online", "presence");
	say_hello(b);
	if (!bench_run(b, all_seen, PATIENCE_SECONDS, "coming online"))
		bench_error(b, "%llu presences were lost",
			(unsigned long long)(all.want - all.seen));
	bench_settle(b);
	bench_end(b);
}

static void change(struct bench *b)
{
	all.step = STEP_CHANGE;
	for (unsigned i = 0; i < b->o.at_once && i < all.n; i++)
		change_next(b);
	bench_run(b, NULL, WARM_UP_SECONDS, "warming up");
	bench_start(b, "change", "presence");
	bench_run(b, NULL, bench_seconds(b), "changing");
	bench_end(b);
	all.step = STEP_OVER;
	if (!bench_run(b, all_heard, 20, "waiting for the rest"))
		bench_error(b, "changes were lost");
}

void run_presence(struct bench *b)
{
	all.n = b->o.users;
	if (!ring_make(b, &presence_ops))
		return;
	all.want = (uint64_t)all.n * ring_contacts();
	all.users = xcalloc(all.n, sizeof *all.users);
	for (unsigned i = 0; i < all.n; i++)
		all.users[i].contacts = xcalloc(ring_contacts(), sizeof(struct contact));
	if (ring_come(b)) {
		come_online(b);
		if (!b->errors)
			change(b);
		crowd_leave(b, 0, all.n);
	}
	for (unsigned i = 0; i < all.n; i++)
		free(all.users[i].contacts);
	free(all.users);
	ring_free();
}
