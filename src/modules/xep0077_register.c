/* XEP-0077 In-Band Registration, version 2.4
 *
 * With a host whose option `registration` is on, anybody makes an account before logging in
 * (section 3.1.1). Every account can change its password (3.3) and be cancelled (3.2) by who
 * is logged in to it, wherever registration is off, too. Left out: data forms and redirection
 * (sections 4 and 5); nothing but user name and password is asked for. Derivations count
 * against password_checks_per_second. Options: registration (of the host). Stores:
 * accounts. */
#include "core/client.h"
#include "core/manage.h"
#include "core/module.h"

static void done(struct shard *s, enum store_status status, void *ctx)
{
	struct later *later = ctx;
	struct ctx c = later_ctx(later);
	struct stanza *iq = later->iq;

	switch (status) {
	case STORE_OK:
		reply_ok(&c, iq);
		break;
	case STORE_EXISTS:
		refuse(&c, iq, ERR_CONFLICT, STR("the name is taken"));
		break;
	case STORE_NOT_FOUND:
		refuse(&c, iq, ERR_REGISTRATION_REQUIRED, STR("there is no such account"));
		break;
	case STORE_FULL:
		refuse(&c, iq, ERR_RESOURCE_CONSTRAINT, STR("try again later"));
		break;
	case STORE_FAILED:
		refuse(&c, iq, ERR_INTERNAL_SERVER_ERROR, STR(""));
		break;
	}
	later_free(&later);
}

/* The text of a field of the query; empty when it is missing or empty. */
static struct str field(struct ctx *c, const struct stanza *iq, enum xml_tag tag)
{
	const struct xml_node *el = xml_child(&iq->doc, stanza_payload(iq), NS_REGISTER, tag);

	return el ? xml_text(&iq->doc, el, &c->shard->loop.turn) : STR("");
}

/* ---- before login ---- */

static enum outcome guest_get(struct ctx *c, const struct stanza *iq)
{
	struct writer w = reply_open(c, iq);

	w_open_ns(&w, "query", NS_REGISTER);
	w_leaf(&w, "instructions", STR("Choose a user name and a password."));
	w_leaf(&w, "username", STR(""));
	w_leaf(&w, "password", STR(""));
	w_close(&w);
	return reply_send(c, &w, iq);
}

static enum outcome guest_set(struct ctx *c, const struct stanza *iq)
{
	struct arena *turn = &c->shard->loop.turn;
	struct str user, password;

	if (xml_child(&iq->doc, stanza_payload(iq), NS_REGISTER, TAG_REMOVE))
		return refuse(c, iq, ERR_UNEXPECTED_REQUEST, STR("log in to cancel an account"));
	user = field(c, iq, TAG_USERNAME);
	password = field(c, iq, TAG_PASSWORD);
	if (!user.n || !password.n)
		return refuse(c, iq, ERR_NOT_ACCEPTABLE, STR("a user name and a password are needed"));
	if (!jid_prep_local(user, turn, &user))
		return refuse(c, iq, ERR_JID_MALFORMED, STR("no address has such a user name"));
	if (!jid_prep_password(password, turn, &password))
		return refuse(c, iq, ERR_NOT_ACCEPTABLE, STR("such a password cannot be typed"));
	if (!shard_may_check(c->shard))
		return refuse(c, iq, ERR_RESOURCE_CONSTRAINT, STR("try again later"));
	manage_create(c->shard, jid_make(turn, user, c->host->domain, STR("")), password, done,
		later_new(c, iq));
	return LATER;
}

/* ---- of one's own account ---- */

/* A request to a host is for the sender's account there; to another host it is no account's. */
static bool is_home(struct ctx *c, const struct stanza *iq)
{
	return c->host && str_eq(jid_domain(iq->from), c->host->domain) && jid_local(iq->from).n;
}

static enum outcome own_get(struct ctx *c, const struct stanza *iq)
{
	if (!is_home(c, iq))
		return refuse(c, iq, ERR_SERVICE_UNAVAILABLE, STR(""));
	struct writer w = reply_open(c, iq);
	w_open_ns(&w, "query", NS_REGISTER);
	w_open(&w, "registered");
	w_close(&w);
	w_leaf(&w, "username", jid_local(iq->from));
	w_leaf(&w, "password", STR(""));
	w_close(&w);
	return reply_send(c, &w, iq);
}

static enum outcome cancel(struct ctx *c, const struct stanza *iq)
{
	if (xml_count(&iq->doc, stanza_payload(iq)) != 1)
		return refuse(c, iq, ERR_BAD_REQUEST, STR("remove stands alone"));
	manage_delete(c->shard, iq->from, done, later_new(c, iq));
	return LATER;
}

static enum outcome own_set(struct ctx *c, const struct stanza *iq)
{
	struct arena *turn = &c->shard->loop.turn;
	struct account *a;
	struct str user, password;

	if (!is_home(c, iq) || !(a = account_get(c->shard, iq->from)))
		return refuse(c, iq, ERR_SERVICE_UNAVAILABLE, STR(""));
	if (a->guest)
		return refuse(c, iq, ERR_NOT_ALLOWED, STR("a guest has no account"));
	if (xml_child(&iq->doc, stanza_payload(iq), NS_REGISTER, TAG_REMOVE))
		return cancel(c, iq);
	user = field(c, iq, TAG_USERNAME);
	password = field(c, iq, TAG_PASSWORD);
	if (!user.n || !password.n)
		return refuse(c, iq, ERR_BAD_REQUEST, STR("a user name and a password are needed"));
	if (!jid_prep_local(user, turn, &user) || !str_eq(user, jid_local(a->jid)))
		return refuse(c, iq, ERR_NOT_ALLOWED, STR("that is not your account"));
	if (!jid_prep_password(password, turn, &password))
		return refuse(c, iq, ERR_NOT_ACCEPTABLE, STR("such a password cannot be typed"));
	if (!shard_may_check(c->shard))
		return refuse(c, iq, ERR_RESOURCE_CONSTRAINT, STR("try again later"));
	manage_password(c->shard, a->jid, password, done, later_new(c, iq));
	return LATER;
}

/* Section 3.2, table 1: of another's account. */
static enum outcome stranger_set(struct ctx *c, const struct stanza *iq)
{
	return refuse(c, iq, ERR_FORBIDDEN, STR(""));
}

static void stream_features(struct shard *s, const struct host *h, struct writer *w, bool authed)
{
	if (authed || !h->registration)
		return;
	w_open_ns(w, "register", NS_REGISTER_FEATURE);
	w_close(w);
}

const struct module xep0077_register = {
	.name = "register",
	.spec = "XEP-0077 2.4",
	.features = (const char *const[]){ "jabber:iq:register", NULL },
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_REGISTER, TAG_QUERY, AT_GUEST, guest_get },
		{ IQ_SET, NS_REGISTER, TAG_QUERY, AT_GUEST, guest_set },
		{ IQ_GET, NS_REGISTER, TAG_QUERY, AT_HOST | AT_OWN, own_get },
		{ IQ_SET, NS_REGISTER, TAG_QUERY, AT_HOST | AT_OWN, own_set },
		{ IQ_SET, NS_REGISTER, TAG_QUERY, AT_ACCOUNT, stranger_set },
		{ 0 } },
	.stream_features = stream_features,
};
