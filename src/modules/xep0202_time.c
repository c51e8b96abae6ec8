/* XEP-0202 Entity Time, version 2.0
 *
 * The time of the host and its services, in UTC; its time zone is given as UTC too. Options: none.
 * Stores: nothing. */
#include "base/clock.h"
#include "core/module.h"
#include "xmpp/datetime.h"

static enum outcome on_time(struct ctx *c, const struct stanza *iq)
{
	struct writer w = reply_open(c, iq);

	w_open_ns(&w, "time", NS_TIME);
	w_leaf(&w, "tzo", STR("+00:00"));
	w_leaf(&w, "utc", datetime_format(&c->shard->loop.turn, clock_wall_us()));
	w_close(&w);
	return reply_send(c, &w, iq);
}

const struct module xep0202_time = {
	.name = "time",
	.spec = "XEP-0202 2.0",
	.features = (const char *const[]){ "urn:xmpp:time", NULL },
	.service_features = (const char *const[]){ "urn:xmpp:time", NULL },
	.nodes_features = (const char *const[]){ "urn:xmpp:time", NULL },
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_TIME, TAG_TIME, AT_HOST | AT_ROOMS | AT_NODES, on_time },
		{ 0 } },
};
