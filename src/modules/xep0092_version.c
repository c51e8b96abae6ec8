/* XEP-0092 Software Version, version 1.1
 *
 * Names the server and its version; the operating system is nobody's business and left out
 * (section 4). Options: none. Stores: nothing. */
#include "core/module.h"

static enum outcome on_version(struct ctx *c, const struct stanza *iq)
{
	struct writer w = reply_open(c, iq);

	w_open_ns(&w, "query", NS_VERSION);
	w_leaf(&w, "name", STR("Stentor"));
	w_leaf(&w, "version", STR(STENTOR_VERSION));
	w_close(&w);
	return reply_send(c, &w, iq);
}

const struct module xep0092_version = {
	.name = "version",
	.spec = "XEP-0092 1.1",
	.features = (const char *const[]){ "jabber:iq:version", NULL },
	.service_features = (const char *const[]){ "jabber:iq:version", NULL },
	.nodes_features = (const char *const[]){ "jabber:iq:version", NULL },
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_VERSION, TAG_QUERY, AT_HOST | AT_ROOMS | AT_NODES, on_version },
		{ 0 } },
};
