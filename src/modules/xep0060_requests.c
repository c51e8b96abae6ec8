/* XEP-0060 Publish-Subscribe, version 1.30.0: requests
 *
 * Takes what is asked of the nodes of accounts and of services, and hands each request to the
 * module that has a rule for it (core/node_request.h). Options: none. Stores: nothing. */
#include "core/node_request.h"

const struct module xep0060_requests = {
	.name = "nodes-requests",
	.spec = "XEP-0060 1.30.0",
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_PUBSUB, TAG_PUBSUB, AT_ACCOUNT | AT_NODES, node_dispatch },
		{ IQ_SET, NS_PUBSUB, TAG_PUBSUB, AT_ACCOUNT | AT_NODES, node_dispatch },
		{ IQ_GET, NS_PUBSUB_OWNER, TAG_PUBSUB, AT_ACCOUNT | AT_NODES, node_dispatch },
		{ IQ_SET, NS_PUBSUB_OWNER, TAG_PUBSUB, AT_ACCOUNT | AT_NODES, node_dispatch },
		{ 0 } },
};
