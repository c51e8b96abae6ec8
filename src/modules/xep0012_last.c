/* XEP-0012 Last Activity, version 2.0
 *
 * For the host its uptime, for an account the time since its last resource left, with the
 * status it left with. Only the owner and who is subscribed to the account's presence may
 * ask. A resource answers for itself. Options: none. Stores: account's last activity (kept by
 * core). */
#include "base/clock.h"
#include "core/module.h"

static enum outcome tell(struct ctx *c, const struct stanza *iq, uint64_t seconds, struct str status)
{
	struct writer w = reply_open(c, iq);

	w_open_ns(&w, "query", NS_LAST);
	w_attr_u64(&w, "seconds", seconds);
	w_text(&w, status);
	w_close(&w);
	return reply_send(c, &w, iq);
}

static enum outcome on_host(struct ctx *c, const struct stanza *iq)
{
	return tell(c, iq, (clock_mono_ms() - c->shard->core->started) / 1000, STR(""));
}

static enum outcome on_account(struct ctx *c, const struct stanza *iq)
{
	struct account *a = c->account;
	uint64_t now = clock_wall_us();

	if (!account_may_see(a, iq->from))
		return refuse(c, iq, ERR_FORBIDDEN, STR(""));
	if (a->n_sessions) /* section 3: connected or available */
		return tell(c, iq, 0, STR(""));
	if (!a->last_us)
		return refuse(c, iq, ERR_ITEM_NOT_FOUND, STR("it has never been online"));
	return tell(c, iq, now > a->last_us ? (now - a->last_us) / 1000000 : 0,
		str_c(a->last_status));
}

const struct module xep0012_last = {
	.name = "last",
	.spec = "XEP-0012 2.0",
	.features = (const char *const[]){ "jabber:iq:last", NULL },
	.account_features = (const char *const[]){ "jabber:iq:last", NULL },
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_LAST, TAG_QUERY, AT_HOST, on_host },
		{ IQ_GET, NS_LAST, TAG_QUERY, AT_ACCOUNT, on_account },
		{ 0 } },
};
