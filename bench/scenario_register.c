/* register: accounts by XEP-0077, each on a connection of its own. */
#include "bench.h"

#include "base/bug.h"

#include <errno.h>
#include <stdlib.h>

static struct {
	unsigned next, under_way;
	bool over;          /* no new ones are begun */
	uint64_t *begun;
} reg;

static void register_more(struct bench *b)
{
	while (!reg.over && reg.next < b->n_peers && reg.under_way < b->o.at_once) {
		reg.begun[reg.next] = now_ns();
		if (!peer_connect(&b->peers[reg.next++])) {
			bench_error(b, "connect: %s", strerror(errno));
			return;
		}
		reg.under_way++;
	}
}

static void send_registration(struct peer *p)
{
	buf_printf(peer_out(p), "<iq type='set' id='reg' to='%s'><query xmlns='jabber:iq:register'>"
		"<username>%s</username><password>%s</password></query></iq>", p->target->domain,
		p->user, p->password);
}

/* An account that is there already is as good. */
static void registered(struct peer *p, const struct xml_doc *d)
{
	struct bench *b = bench_of(p);
	const struct xml_node *error = xml_child(d, xml_root(d), NS_CLIENT, TAG_ERROR);

	if (error && !xml_child(d, error, NS_STANZAS, TAG_CONFLICT)) {
		bench_error(b, "%s: registration refused", p->user);
		return;
	}
	bench_count(b, now_ns() - reg.begun[peer_index(p)]);
	peer_end(p);
}

static void left(struct peer *p)
{
	reg.under_way--;
	register_more(bench_of(p));
}

static const struct peer_ops register_ops = { .stanza = registered, .failed = crowd_failed,
	.ended = left, .features = send_registration };

static bool all_registered(struct bench *b)
{
	return reg.next == b->n_peers && !reg.under_way;
}

static bool none_under_way(struct bench *b)
{
	return !reg.under_way;
}

void run_register(struct bench *b)
{
	crowd_make(b, b->o.users, &register_ops);
	reg.begun = xcalloc(b->n_peers, sizeof *reg.begun);
	bench_start(b, "register", "registration");
	register_more(b);
	bench_run(b, all_registered, b->o.seconds, "registering");
	bench_end(b);
	reg.over = true;
	if (!bench_run(b, none_under_way, 20, "ending"))
		bench_error(b, "registrations were not answered");
	crowd_leave(b, 0, b->n_peers);
	free(reg.begun);
}
