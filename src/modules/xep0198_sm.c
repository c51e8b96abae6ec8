/* XEP-0198 Stream Management, version 1.6.3
 *
 * The elements of the protocol; the counting, and what happens between two connections, is
 * core/sm.h. Our <a/> counts a message only once it is committed, so an answer to <r/> may
 * come up to a second late (section 4: withheld for a timeout alone), and another follows when
 * more is handled. We ask after some stanzas or a quiet second. Options: resume_location of a
 * host; resume_seconds, unacknowledged_bytes of the limits. Stores: sessions that wait for their clients, at
 * shutdown. */
#include "core/sm.h"

#include "core/account.h"
#include "core/client.h"
#include "core/module.h"

/* Section 6: a failure can be recovered from. h: what came before, when it is known. */
static void failed(struct client *c, enum stanza_error e, const uint32_t *h)
{
	struct writer w = w_on(c2s_out(&c->stream));

	w_open_ns(&w, "failed", NS_SM);
	if (h)
		w_attr(&w, "h", str_printf(&c->shard->loop.turn, "%u", *h));
	w_raw(&w, str_printf(&c->shard->loop.turn, "<%.*s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>",
		STR_FMT(stanza_error_name(e))));
	w_close(&w);
}

static struct str attr(struct client *c, const struct xml_doc *d, enum xml_tag name)
{
	return xml_attr_str(d, xml_root(d), name, &c->shard->loop.turn);
}

/* XML Schema part 2, 3.2.2.1 */
static bool is_true(struct str s)
{
	return str_eq(s, STR("true")) || str_eq(s, STR("1"));
}

static bool read_h(struct client *c, const struct xml_doc *d, uint32_t *h)
{
	int64_t v;

	if (!str_to_i64(attr(c, d, TAG_H), 0, UINT32_MAX, &v))
		return false;
	*h = (uint32_t)v;
	return true;
}

/* Where the client should come back to; the null slice: to any address of the server. */
static struct str location(struct client *c)
{
	const struct host *h = settings_host(c->shard->settings, c->domain);

	return h && h->resume_location.n ? h->resume_location : STR_NULL;
}

/* Section 3. The client may wish to be kept for less long than we would. */
static void on_enable(struct client *c, const struct xml_doc *d)
{
	struct session *s = c->session;
	struct arena *turn = &c->shard->loop.turn;
	uint32_t max = c->shard->settings->resume_s;
	int64_t wish;

	if (!s) {
		failed(c, ERR_UNEXPECTED_REQUEST, NULL);
		return;
	}
	if (s->sm) {
		failed(c, ERR_UNEXPECTED_REQUEST, NULL);
		client_close(c, STREAM_POLICY_VIOLATION, "stream management is on already");
		return;
	}
	if (!is_true(attr(c, d, TAG_RESUME)))
		max = 0;
	else if (str_to_i64(attr(c, d, TAG_MAX), 1, UINT32_MAX, &wish) && wish < max)
		max = (uint32_t)wish;
	sm_enable(s, max);
	struct writer w = w_on(c2s_out(&c->stream));
	w_open_ns(&w, "enabled", NS_SM);
	if (max) {
		w_attr(&w, "id", str_from(s->sm->id, SM_ID_LEN));
		w_attr(&w, "resume", STR("true"));
		w_attr(&w, "max", str_printf(turn, "%u", max));
		w_attr(&w, "location", location(c));
	}
	w_close(&w);
}

/* Section 6: more than was sent. */
static void too_high(struct client *c, uint32_t h, uint32_t sent)
{
	struct arena *turn = &c->shard->loop.turn;

	c2s_close_with(&c->stream, STREAM_UNDEFINED_CONDITION,
		str_printf(turn, "You acknowledged %u stanzas, but I only sent you %u so far.", h, sent),
		str_printf(turn, "<handled-count-too-high xmlns='urn:xmpp:sm:3' h='%u' send-count='%u'/>",
			h, sent));
}

/* Section 5. Only the account's own sessions are looked at. */
static void on_resume(struct client *c, const struct xml_doc *d)
{
	struct str id = attr(c, d, TAG_PREVID);
	struct account *a;
	uint32_t h;

	if (c->session || c->stream.nego.phase != NEGO_BIND) {
		failed(c, ERR_UNEXPECTED_REQUEST, NULL);
		return;
	}
	if (!id.n || !read_h(c, d, &h)) {
		failed(c, ERR_BAD_REQUEST, NULL);
		return;
	}
	a = account_get(c->shard, jid_make(&c->shard->loop.turn, c->user, c->domain, STR("")));
	struct sm *sm = a ? sm_find(a, id) : NULL;
	if (!sm)
		failed(c, ERR_ITEM_NOT_FOUND, sm_past(c->shard, id, &h) ? &h : NULL);
	else if (!sm_acknowledged(sm, h))
		too_high(c, h, sm->sent);
	else
		sm_resume(sm, c);
}

static void on_element(struct client *c, const struct xml_doc *d)
{
	struct sm *sm = c->session ? c->session->sm : NULL;
	enum xml_tag tag = xml_root(d)->tag;
	uint32_t h;

	if (tag == TAG_ENABLE)
		on_enable(c, d);
	else if (tag == TAG_RESUME)
		on_resume(c, d);
	else if (!sm)
		failed(c, ERR_UNEXPECTED_REQUEST, NULL);
	else if (tag == TAG_R)
		sm_asked(sm);
	else if (tag != TAG_A || !read_h(c, d, &h))
		c2s_close(&c->stream, STREAM_BAD_FORMAT, STR("no element of stream management"));
	else if (!sm_acknowledged(sm, h))
		too_high(c, h, sm->sent);
}

/* ---- over a restart ---- */

static void taken_out(struct store_op *op, void *receiver)
{
	store_op_free(op);
}

/* A session that the last run of the server left. It is taken out at once: should this run end
 * badly, the session would be an old one. */
static void load(struct account *a, struct str key, struct str bytes)
{
	struct shard *s = a->shard;
	struct store_datum gone = { STR(SM_SPACE), key, STR("") };

	if (a->ready) /* loaded again: it is there already, or over */
		return;
	if (!sm_restore(a, bytes))
		log_error(&s->log, "session", F_STR("account", jid_str(a->jid)),
			F_STR("error", STR("what was stored is no session")));
	store_set_data(s->core->store, store_op_new(&s->loop.inbox, taken_out, 0),
		jid_domain(a->jid), jid_local(a->jid), &gone, 1);
}

static void stream_features(struct shard *s, const struct host *h, struct writer *w, bool authed)
{
	if (!authed)
		return;
	w_open_ns(w, "sm", NS_SM);
	w_close(w);
}

const struct module xep0198_sm = {
	.name = "sm",
	.spec = "XEP-0198 1.6.3",
	.nonzas = (const struct nonza_rule[]){
		{ NS_SM, on_element },
		{ NS_NONE } },
	.stream_features = stream_features,
	.space = SM_SPACE,
	.load = load,
};
