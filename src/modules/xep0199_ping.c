/* XEP-0199 XMPP Ping, version 2.0.1
 *
 * Answers pings to the host, its services, rooms and, for its owner, to the account (sections 4.2
 * and 4.3). Those between occupants of a room are core/room_iq.c's. Left out: pinging idle
 * clients (4.1); dead ones are found by TCP. Options: none. Stores: nothing. */
#include "core/module.h"

static enum outcome on_ping(struct ctx *c, const struct stanza *iq)
{
	return reply_ok(c, iq);
}

const struct module xep0199_ping = {
	.name = "ping",
	.spec = "XEP-0199 2.0.1",
	.features = (const char *const[]){ "urn:xmpp:ping", NULL },
	.account_features = (const char *const[]){ "urn:xmpp:ping", NULL },
	.service_features = (const char *const[]){ "urn:xmpp:ping", NULL },
	.room_features = (const char *const[]){ "urn:xmpp:ping", NULL },
	.nodes_features = (const char *const[]){ "urn:xmpp:ping", NULL },
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_PING, TAG_PING, AT_HOST | AT_OWN | AT_ROOMS | AT_ROOM | AT_NODES,
		  on_ping },
		{ 0 } },
};
