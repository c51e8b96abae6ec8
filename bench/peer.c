#include "peer.h"

#include "base/base64.h"
#include "base/bug.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KEPT_MAX (4 * 1024 * 1024)
#define OUT_MAX  (64 * 1024 * 1024)

#define STREAM_ERROR_SHOWN 120

static const struct scan_limits limits = { .stanza_bytes = 2 * 1024 * 1024, .depth = 64,
	.attrs = 64, .name = 256, .namespaces = 64, .nodes = 65535 };

static struct xml_table table; /* one thread */

void peer_init(struct peer *p, struct loop *l, const struct target *t, const struct peer_ops *ops,
	unsigned number)
{
	*p = (struct peer){ .loop = l, .target = t, .ops = ops, .number = number, .broken = -1 };
	snprintf(p->user, sizeof p->user, "u%u", number);
	snprintf(p->password, sizeof p->password, "p%u", number);
}

static void disconnect(struct peer *p)
{
	if (!p->connected)
		return;
	p->connected = false;
	conn_clear(&p->conn);
	if (!p->feeding)
		feed_clear(&p->feed);
	arena_clear(&p->mem);
	if (p->sasl)
		sasl_client_free(&p->sasl);
}

static void forget_broken(struct peer *p)
{
	if (p->broken >= 0)
		close(p->broken);
	p->broken = -1;
}

void peer_drop(struct peer *p)
{
	disconnect(p);
	forget_broken(p);
	p->resuming = false;
}

void peer_clear(struct peer *p)
{
	peer_drop(p);
	free(p->session);
	p->session = NULL;
}

static void fail(struct peer *p, const char *why)
{
	peer_drop(p);
	p->ops->failed(p, why);
}

static void send_ack(struct peer *p)
{
	buf_printf(peer_out(p), "<a xmlns='urn:xmpp:sm:3' h='%u'/>", p->sm.handled);
}

void peer_end(struct peer *p)
{
	p->ending = true;
	/* What is not acknowledged would be delivered again; XEP-0198 section 4. */
	if (p->sm.on)
		send_ack(p);
	buf_lit(peer_out(p), "</stream:stream>");
	conn_finish(&p->conn);
}

void peer_break(struct peer *p, bool in_silence)
{
	if (in_silence)
		p->broken = dup(p->conn.watch.fd);
	disconnect(p);
	p->resuming = true;
}

/* bench-floor wants the place of the connection and answers with a stream header. */
static void greet_floor(struct peer *p)
{
	buf_printf(peer_out(p), "%08x\n", p->number);
}

static void open_stream(struct peer *p)
{
	if (p->target->floor) {
		greet_floor(p);
		return;
	}
	scan_restart(&p->feed.scan);
	buf_printf(peer_out(p),
		"<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:client' "
		"xmlns:stream='http://etherx.jabber.org/streams'>",
		p->target->domain);
}

/* ---- steps of the negotiation ---- */

static void start_tls(struct peer *p)
{
	struct str session = STR_NULL;

	if (p->session)
		session = str_from(p->session, p->n_session);
	nego_enter(&p->nego, NEGO_TLS);
	conn_start_tls(&p->conn, tls_client_new(str_c(p->target->domain), TLS_NO_VERIFY, NULL, session));
}

static void send_sasl(struct peer *p, const char *name, const char *mech, struct str data,
	bool empty_is_eq)
{
	struct writer w = w_on(peer_out(p));

	w_open_ns(&w, name, NS_SASL);
	if (mech)
		w_attr(&w, "mechanism", str_c(mech));
	if (data.n)
		w_text(&w, base64_str(&p->mem, data));
	else if (empty_is_eq)
		w_text(&w, STR("="));
	w_close(&w);
}

static void start_auth(struct peer *p)
{
	struct sasl_binding binding = { 0 };
	struct str out;

	if (p->conn.tls && p->names_exporter)
		binding.exporter = tls_binding(p->conn.tls, TLS_EXPORTER, &p->mem);
	p->sasl = sasl_client_new(p->mechs & p->target->mechs, str_c(p->user), str_c(p->password),
		&binding, p->names_exporter, p->names_end_point);
	if (!p->sasl) {
		fail(p, "no mechanism in common");
		return;
	}
	if (p->cache)
		sasl_client_use_cache(p->sasl, p->cache);
	nego_enter(&p->nego, NEGO_AUTH);
	sasl_client_start(p->sasl, &p->mem, &out);
	send_sasl(p, "auth", sasl_mech_name(sasl_client_mech(p->sasl)).p, out, true);
}

static void send_bind(struct peer *p)
{
	buf_lit(peer_out(p), "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
		"<resource>" PEER_RESOURCE "</resource></bind></iq>");
}

/* ---- stream management (XEP-0198) ---- */

void peer_ask(struct peer *p)
{
	p->sm.unasked = 0;
	buf_lit(peer_out(p), "<r xmlns='urn:xmpp:sm:3'/>");
}

void peer_sent(struct peer *p)
{
	if (!p->sm.on)
		return;
	p->sm.sent++;
	if (++p->sm.unasked >= p->target->ack_every)
		peer_ask(p);
}

static void send_enable(struct peer *p)
{
	p->sm = (struct peer_sm){ 0 };
	buf_lit(peer_out(p), "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
}

static void send_resume(struct peer *p)
{
	struct writer w = w_on(peer_out(p));

	w_open_ns(&w, "resume", NS_SM);
	w_attr_u64(&w, "h", p->sm.handled);
	w_attr(&w, "previd", str_c(p->sm.previd));
	w_close(&w);
}

/* False: the connection has failed. */
static bool on_ack(struct peer *p, const struct xml_doc *d)
{
	uint64_t h;

	if (!str_to_u64(xml_attr_str(d, xml_root(d), TAG_H, &p->loop->turn), UINT32_MAX, &h) ||
		(uint32_t)h - p->sm.acked > p->sm.sent - p->sm.acked) {
		fail(p, "more was acknowledged than was sent");
		return false;
	}
	uint32_t n = (uint32_t)h - p->sm.acked;
	p->sm.acked = (uint32_t)h;
	if (n && p->ops->acked)
		p->ops->acked(p, n);
	return p->connected;
}

static void on_enabled(struct peer *p, const struct xml_doc *d)
{
	struct str id = xml_attr_str(d, xml_root(d), TAG_ID, &p->loop->turn);

	if (id.n == 0 || id.n >= sizeof p->sm.previd) {
		fail(p, "the session cannot be resumed, or its id is too long");
		return;
	}
	snprintf(p->sm.previd, sizeof p->sm.previd, "%.*s", STR_FMT(id));
	p->sm.on = true;
	p->ops->ready(p);
}

static void on_resumed(struct peer *p, const struct xml_doc *d)
{
	nego_enter(&p->nego, NEGO_READY);
	arena_clear(&p->mem);
	forget_broken(p);
	if (!on_ack(p, d))
		return;
	p->resuming = false;
	p->ops->resumed(p);
}

static void on_sm(struct peer *p, const struct xml_doc *d)
{
	switch (xml_root(d)->tag) {
	case TAG_R:
		send_ack(p);
		break;
	case TAG_A:
		on_ack(p, d);
		break;
	case TAG_ENABLED:
		on_enabled(p, d);
		break;
	case TAG_RESUMED:
		on_resumed(p, d);
		break;
	default:
		fail(p, p->resuming ? "the session was not resumed"
				    : "stream management was refused");
	}
}

/* ---- features ---- */

static void read_mechanisms(struct peer *p, const struct xml_doc *d, const struct xml_node *el)
{
	p->mechs = 0;
	for (const struct xml_node *m = xml_first(d, el); m; m = xml_next(d, m)) {
		enum sasl_mech_id id = sasl_mech_find(xml_text(d, m, &p->mem));
		if (id != MECH_COUNT)
			p->mechs |= 1u << id;
	}
	if (p->mechs & p->target->mechs)
		p->features |= NEGO_HAS_SASL;
}

static void read_binding_types(struct peer *p, const struct xml_doc *d, const struct xml_node *el)
{
	for (const struct xml_node *t = xml_first(d, el); t; t = xml_next(d, t)) {
		struct str type = xml_attr_str(d, t, TAG_TYPE, &p->mem);
		p->names_exporter = p->names_exporter || str_eq(type, STR("tls-exporter"));
	}
}

static void read_features(struct peer *p, const struct xml_doc *d)
{
	p->features = 0;
	p->offers_sm = false;
	for (const struct xml_node *f = xml_first(d, xml_root(d)); f; f = xml_next(d, f)) {
		if (xml_is(f, NS_TLS, TAG_STARTTLS))
			p->features |= NEGO_HAS_STARTTLS;
		else if (xml_is(f, NS_SASL, TAG_MECHANISMS))
			read_mechanisms(p, d, f);
		else if (f->ns == NS_SASL_CB)
			read_binding_types(p, d, f);
		else if (xml_is(f, NS_BIND, TAG_BIND))
			p->features |= NEGO_HAS_BIND;
		else if (f->ns == NS_SM)
			p->offers_sm = true;
	}
}

/* The last step: bind, or go on with the session of the connection before. */
static void begin_session(struct peer *p)
{
	if (p->target->sm && !p->offers_sm) {
		p->lacks = "XEP-0198";
		fail(p, "the server offers no stream management");
	} else if (p->resuming) {
		send_resume(p);
	} else {
		send_bind(p);
	}
}

static void on_features(struct peer *p, const struct xml_doc *d)
{
	enum nego_tls_want want = p->target->tls == PEER_STARTTLS ? NEGO_TLS_MUST : NEGO_TLS_OFF;

	read_features(p, d);
	if (p->nego.phase == NEGO_AUTHED)
		nego_enter(&p->nego, NEGO_BIND);
	else
		nego_enter(&p->nego, p->nego.secure ? NEGO_SECURE : NEGO_CLEAR);
	enum nego_step step = nego_choose(&p->nego, p->features, want);
	if (p->ops->features && step == NEGO_DO_AUTH) {
		p->ops->features(p);
		return;
	}
	switch (step) {
	case NEGO_DO_STARTTLS:
		buf_lit(peer_out(p), "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
		break;
	case NEGO_DO_AUTH:
		start_auth(p);
		break;
	case NEGO_DO_BIND:
		begin_session(p);
		break;
	default:
		fail(p, "the server's features do not fit");
	}
}

static struct str sasl_bytes(struct peer *p, const struct xml_doc *d)
{
	struct str text = xml_text(d, xml_root(d), &p->mem), out = STR("");

	if (!base64_decode(&p->mem, text, &out))
		return STR("");
	return out;
}

static void on_sasl(struct peer *p, const struct xml_doc *d)
{
	struct str out = STR_NULL;
	enum xml_tag tag = xml_root(d)->tag;

	if (tag == TAG_CHALLENGE) {
		if (sasl_client_next(p->sasl, sasl_bytes(p, d), &p->mem, &out) != SASL_CONTINUE)
			fail(p, "a challenge is wrong");
		else
			send_sasl(p, "response", NULL, out, false);
		return;
	}
	if (tag != TAG_SUCCESS ||
		sasl_client_success(p->sasl, sasl_bytes(p, d), &p->mem) != SASL_DONE) {
		fail(p, "login refused");
		return;
	}
	sasl_client_free(&p->sasl);
	nego_enter(&p->nego, NEGO_AUTHED);
	open_stream(p);
}

static void on_bound(struct peer *p, const struct xml_doc *d)
{
	struct str want = str_printf(&p->mem, "%s@%s/" PEER_RESOURCE, p->user, p->target->domain);
	const struct xml_node *bind = xml_child(d, xml_root(d), NS_BIND, TAG_BIND);
	const struct xml_node *jid = bind ? xml_child(d, bind, NS_BIND, TAG_JID) : NULL;

	if (!jid || !str_eq(xml_text(d, jid, &p->mem), want)) {
		fail(p, "bind refused, or bound to something else");
		return;
	}
	nego_enter(&p->nego, NEGO_READY);
	arena_clear(&p->mem);
	if (p->target->sm)
		send_enable(p);
	else
		p->ops->ready(p);
}

static void on_stanza(struct peer *p, const struct xml_doc *d)
{
	p->sm.handled += p->sm.on;
	p->ops->stanza(p, d);
}

static void on_stream_error(struct peer *p, const struct xml_doc *d)
{
	struct str raw = str_head(xml_raw(d, xml_root(d)), STREAM_ERROR_SHOWN);

	fail(p, str_printf(&p->loop->turn, "stream error: %.*s", STR_FMT(raw)).p);
}

static void on_element(struct peer *p, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);

	if (xml_is(root, NS_STREAM, TAG_ERROR))
		on_stream_error(p, d);
	else if (xml_is(root, NS_STREAM, TAG_FEATURES))
		on_features(p, d);
	else if (xml_is(root, NS_TLS, TAG_PROCEED))
		start_tls(p);
	else if (root->ns == NS_SASL)
		on_sasl(p, d);
	else if (root->ns == NS_SM)
		on_sm(p, d);
	else if (p->nego.phase == NEGO_BIND)
		on_bound(p, d);
	else
		on_stanza(p, d);
}

static bool on_scanned(void *user, enum scan_status status, const struct xml_doc *d)
{
	struct peer *p = user;

	switch (status) {
	case SCAN_STANZA:
		on_element(p, d);
		break;
	case SCAN_CLOSE:
		if (!p->ending)
			fail(p, "the server closed the stream");
		return false;
	case SCAN_BAD:
		fail(p, "what the server sent is no XML");
		return false;
	case SCAN_OPEN:
		if (p->target->floor)
			p->ops->ready(p);
		break;
	case SCAN_MORE:
		break;
	}
	return p->connected;
}

/* ---- connection ---- */

static struct peer *of(struct conn *c)
{
	return container_of(c, struct peer, conn);
}

static void on_data(struct conn *c, char *bytes, size_t n)
{
	struct peer *p = of(c);

	if (p->ending)
		return;
	p->feeding = true;
	bool ok = feed_input(&p->feed, &table, str_from(bytes, n), on_scanned, p);
	p->feeding = false;
	if (!p->connected)
		feed_clear(&p->feed);
	else if (!ok)
		fail(p, "a stanza is too large");
}

static void on_secured(struct conn *c)
{
	struct peer *p = of(c);

	nego_enter(&p->nego, NEGO_OPEN);
	open_stream(p);
}

/* Each session is used once (RFC 8446 appendix C.4). */
static void keep_session(struct peer *p)
{
	struct arena a;

	free(p->session);
	p->session = NULL;
	arena_init(&a, 4096);
	struct str s = tls_session(p->conn.tls, &a);
	if (s.n) {
		p->session = xmalloc(s.n);
		p->n_session = s.n;
		memcpy(p->session, s.p, s.n);
	}
	arena_clear(&a);
}

static void on_closed(struct conn *c, enum conn_end why)
{
	struct peer *p = of(c);

	if (p->ending) {
		if (p->target->resume_tls && p->conn.tls)
			keep_session(p);
		disconnect(p);
		p->ops->ended(p);
		return;
	}
	fail(p, why == CONN_TLS ? conn_tls_error(c) : "the connection was cut");
}

static const struct conn_ops conn_ops = {
	.data = on_data,
	.secured = on_secured,
	.closed = on_closed,
};

static int connect_to(const struct target *t)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(t->port) };
	int fd;

	if (inet_pton(AF_INET, t->address, &at.sin_addr) != 1) {
		errno = EINVAL;
		return -1;
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	conn_socket_setup(fd);
	/* What is written before the server has accepted waits in the connection. */
	if (connect(fd, (struct sockaddr *)&at, sizeof at) != 0 && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

bool peer_connect(struct peer *p)
{
	int fd = connect_to(p->target);

	if (fd < 0)
		return false;
	feed_init(&p->feed, &limits, KEPT_MAX);
	arena_init(&p->mem, 2048);
	nego_init(&p->nego, NEGO_INITIATING, NS_CLIENT, false);
	p->ending = false;
	if (!conn_init(&p->conn, p->loop, fd, &conn_ops, OUT_MAX)) {
		close(fd);
		return false;
	}
	p->connected = true;
	if (p->target->tls == PEER_DIRECT)
		start_tls(p);
	else
		open_stream(p);
	return true;
}
