/* XEP-0114 Jabber Component Protocol, version 1.6, the component's side of "accept": the connection
 * and its life, the handshake, and who is told of it. What is in the stream is the entity's.
 *
 * Left out: "connect" (the server connects to the component). */
#include "lib/component_private.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/digest.h"
#include "lib/entity.h"
#include "lib/resolve.h"
#include "net/conn.h"
#include "xml/feed.h"
#include "xmpp/handshake.h"
#include "xmpp/stanza.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CONNECT_MS   30000 /* from the first step to the answer to the handshake */
#define STEADY_MS    60000 /* a connection that stood so long was a good one */
#define TURN_WAIT    60000
#define OUTPUT_BYTES (1024 * 1024)
#define STANZA_BYTES (256 * 1024)
#define STANZA_LEAST 10000 /* RFC 6120 section 13.12 */
#define STANZA_MOST  (16 * 1024 * 1024)
#define OUTPUT_MOST  (1024 * 1024 * 1024)
#define PORT         5347

enum phase {
	PHASE_NONE,      /* no stream */
	PHASE_HEADER,    /* ours is sent, theirs is awaited */
	PHASE_HANDSHAKE, /* sent, and its answer is awaited */
	PHASE_OPEN,      /* stanzas flow */
	PHASE_ENDED      /* our end tag is sent, or will not be */
};

struct stentor_component {
	struct stentor_entity entity;
	char *secret, *host, *tls_name, *ca_file, *within; /* NULL: not set */
	uint16_t port;
	bool tls;
	size_t output_bytes;             /* bounds of the next connection */
	uint32_t stanza_bytes;
	struct scan_limits limits;       /* of this one, behind the handshake */
	uint32_t first_ms, longest_ms;

	enum stentor_state state;
	enum stentor_error error;        /* why the last connection ended */
	char *error_text;
	stentor_state_fn *on_state;
	void *state_user;
	atomic_bool stop;
	bool in_turn;

	struct resolve *resolve;
	struct addrinfo *addresses, *next_address;
	struct watch dial;               /* a socket that is being connected; fd -1: none */
	struct conn conn;
	bool has_conn;
	enum phase phase;
	struct feed feed;
	struct xml_table table;
	bool held;                       /* nothing is read until the output has drained */
	struct timer timer;              /* for being connected, or until the next try */
	uint64_t ready_at;
	uint64_t wait_ms;                /* before the next try, without its random part */
};

static struct stentor_component *of_entity(const struct stentor_entity *e)
{
	return container_of(e, struct stentor_component, entity);
}

static struct stentor_component *of_conn(struct conn *c)
{
	return container_of(c, struct stentor_component, conn);
}

static void set_text(char **to, const char *text)
{
	char *before = *to;

	*to = text ? text_copy(str_c(text)) : NULL;
	free(before); /* the text may be in it */
}

static void enter(struct stentor_component *c, enum stentor_state state)
{
	bool ended = state == STENTOR_WAITING || state == STENTOR_IDLE;

	c->state = state;
	if (c->on_state)
		c->on_state(c, state, ended ? c->error : STENTOR_OK, ended ? c->error_text : "",
			c->state_user);
}

/* ---- what the entity asks of its stream ---- */

static struct buf *entity_out(struct stentor_entity *e)
{
	struct stentor_component *c = of_entity(e);

	return c->phase == PHASE_OPEN ? conn_out(&c->conn) : NULL;
}

static size_t entity_backlog(const struct stentor_entity *e)
{
	const struct stentor_component *c = of_entity(e);

	return c->has_conn ? conn_backlog(&c->conn) : 0;
}

/* The domain itself, or one within. */
static bool is_within(struct str domain, struct str outer)
{
	if (domain.n <= outer.n)
		return str_eq(domain, outer);
	return domain.p[domain.n - outer.n - 1] == '.' &&
		str_eq(str_skip(domain, domain.n - outer.n), outer);
}

static bool entity_owns(const struct stentor_entity *e, struct jid j)
{
	const struct stentor_component *c = of_entity(e);

	return str_eq(jid_domain(j), str_c(e->address)) ||
		(c->within && is_within(jid_domain(j), str_c(c->within)));
}

static const struct entity_ops entity_ops = { entity_out, entity_backlog, entity_owns };

/* ---- the end of a connection ---- */

static void begin(struct stentor_component *c);

static void close_dial(struct stentor_component *c)
{
	if (c->dial.fd < 0)
		return;
	watch_del(&c->entity.loop, &c->dial);
	close(c->dial.fd);
	c->dial.fd = -1;
}

/* What belongs to one connection. Nobody stands in its callbacks but that of its end. */
static void drop_connection(struct stentor_component *c)
{
	timer_stop(&c->entity.loop.wheel, &c->timer);
	resolve_stop(&c->resolve);
	close_dial(c);
	if (c->addresses)
		freeaddrinfo(c->addresses);
	c->addresses = c->next_address = NULL;
	c->phase = PHASE_NONE;
	c->held = false;
	if (!c->has_conn)
		return;
	conn_clear(&c->conn);
	feed_clear(&c->feed);
	c->has_conn = false;
}

static void note_end(struct stentor_component *c, enum stentor_error why, const char *text)
{
	c->error = why;
	if (why == STENTOR_OK)
		text = "";
	else if (!text || !*text)
		text = stentor_error_text(why);
	set_text(&c->error_text, text);
}

/* What another try would not make better. */
static bool is_final(enum stentor_error e)
{
	return e == STENTOR_NOT_AUTHORIZED || e == STENTOR_HOST_UNKNOWN;
}

/* Half of the wait is sure, the other half random, so that many do not come back at once. */
static uint64_t next_wait(struct stentor_component *c)
{
	uint32_t bits;
	uint64_t wait;

	if (!c->wait_ms || (c->ready_at && clock_mono_ms() - c->ready_at >= STEADY_MS))
		c->wait_ms = c->first_ms;
	wait = c->wait_ms;
	c->wait_ms = wait * 2 < c->longest_ms ? wait * 2 : c->longest_ms;
	random_bytes(&bits, sizeof bits);
	return wait - wait / 2 + bits % (wait / 2 + 1);
}

/* Nothing of the connection is left: what comes now. */
static void after_end(struct stentor_component *c)
{
	drop_connection(c);
	bool stopped = atomic_exchange(&c->stop, false);
	if (stopped)
		note_end(c, STENTOR_OK, "");
	if (stopped || !c->first_ms || is_final(c->error)) {
		enter(c, STENTOR_IDLE);
		return;
	}
	timer_set(&c->entity.loop.wheel, &c->timer, clock_mono_ms(), next_wait(c));
	c->ready_at = 0;
	enter(c, STENTOR_WAITING);
}

static void leave_stream(struct stentor_component *c)
{
	bool was_open = c->phase == PHASE_OPEN;

	c->phase = PHASE_ENDED;
	if (was_open)
		entity_lost(&c->entity);
}

/* There is no stream to be closed. */
static void fail(struct stentor_component *c, enum stentor_error why, const char *text)
{
	note_end(c, why, text);
	leave_stream(c);
	after_end(c);
}

/* Closes our side of the stream. error: STREAM_ERROR_COUNT for none. The connection reports its end
 * later. */
static void end_stream(struct stentor_component *c, enum stentor_error why, const char *text,
	enum stream_error error)
{
	if (c->phase == PHASE_ENDED)
		return;
	note_end(c, why, text);
	if (error != STREAM_ERROR_COUNT)
		stream_write_error(conn_out(&c->conn), error, str_c(text), STR(""));
	conn_write(&c->conn, STR("</stream:stream>"));
	conn_finish(&c->conn);
	timer_stop(&c->entity.loop.wheel, &c->timer);
	leave_stream(c);
	enter(c, STENTOR_CLOSING);
}

static void break_off(struct stentor_component *c, const char *text, enum stream_error error)
{
	end_stream(c, STENTOR_PROTOCOL, text, error);
}

/* ---- the stream ---- */

static void open_stream(struct stentor_component *c)
{
	struct buf *b = conn_out(&c->conn);

	buf_lit(b, "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
		   "xmlns:stream='http://etherx.jabber.org/streams' to='");
	xml_escape_value(b, str_c(c->entity.address));
	buf_lit(b, "'>");
	c->phase = PHASE_HEADER;
}

static void on_header(struct stentor_component *c, const struct xml_doc *d)
{
	const struct xml_node *h = xml_root(d);
	struct str id = xml_attr_str(d, h, TAG_ID, &c->entity.loop.turn);
	char digest[HANDSHAKE_LEN];

	if (!xml_is(h, NS_STREAM, TAG_STREAM)) {
		break_off(c, "what the server sends is no stream", STREAM_INVALID_NAMESPACE);
		return;
	}
	if (c->feed.scan.content_ns != NS_COMPONENT) {
		break_off(c, "the server's stream is not one for components",
			STREAM_INVALID_NAMESPACE);
		return;
	}
	if (!id.n) {
		break_off(c, "the server's stream has no id", STREAM_BAD_FORMAT);
		return;
	}
	scan_content_as(&c->feed.scan, NS_CLIENT);
	handshake_digest(id, str_c(c->secret), digest);
	conn_write(&c->conn, STR("<handshake>"));
	conn_write(&c->conn, str_from(digest, sizeof digest));
	conn_write(&c->conn, STR("</handshake>"));
	c->phase = PHASE_HANDSHAKE;
}

static void on_ready(struct stentor_component *c)
{
	timer_stop(&c->entity.loop.wheel, &c->timer);
	c->phase = PHASE_OPEN;
	c->feed.scan.limits = &c->limits;
	c->ready_at = clock_mono_ms();
	enter(c, STENTOR_READY);
}

static enum stentor_error error_of(struct str condition)
{
	if (str_eq(condition, STR("not-authorized")))
		return STENTOR_NOT_AUTHORIZED;
	if (str_eq(condition, STR("host-unknown")))
		return STENTOR_HOST_UNKNOWN;
	return str_eq(condition, STR("conflict")) ? STENTOR_CONFLICT : STENTOR_STREAM;
}

/* RFC 6120 section 4.9: a condition, and maybe a text. */
static void on_stream_error(struct stentor_component *c, const struct xml_doc *d)
{
	struct arena *turn = &c->entity.loop.turn;
	const struct xml_node *el = xml_first(d, xml_root(d));
	struct str condition = STR(""), text = STR("");

	for (; el; el = xml_next(d, el)) {
		if (el->ns != NS_STREAMS)
			continue;
		if (el->tag == TAG_TEXT)
			text = xml_text(d, el, turn);
		else
			condition = xml_name(d, el);
	}
	end_stream(c, error_of(condition), str_printf(turn, "%.*s%s%.*s", STR_FMT(condition),
		text.n ? ": " : "", STR_FMT(text)).p, STREAM_ERROR_COUNT);
}

static bool is_stanza(const struct xml_node *root)
{
	return root->ns == NS_CLIENT && stanza_kind_of(root) != STANZA_NONE;
}

static void on_element(void *user, const struct xml_doc *d)
{
	struct stentor_component *c = user;
	const struct xml_node *root = xml_root(d);

	if (xml_is(root, NS_STREAM, TAG_ERROR))
		on_stream_error(c, d);
	else if (c->phase == PHASE_HANDSHAKE && xml_is(root, NS_CLIENT, TAG_HANDSHAKE))
		on_ready(c);
	else if (c->phase == PHASE_OPEN && is_stanza(root))
		entity_stanza(&c->entity, d);
	else
		break_off(c, "the server sends what has no place here",
			STREAM_UNSUPPORTED_STANZA_TYPE);
}

static void hold(struct stentor_component *c)
{
	c->held = true;
	conn_pause(&c->conn, true);
}

/* True: go on. */
static bool on_scanned(void *user, enum scan_status status, const struct xml_doc *d)
{
	struct stentor_component *c = user;

	switch (status) {
	case SCAN_OPEN:
		on_header(c, d);
		break;
	case SCAN_STANZA:
		if (!feed_alone(&c->feed, d, NS_CLIENT, on_element, c))
			break_off(c, "a stanza is too large", STREAM_POLICY_VIOLATION);
		break;
	case SCAN_CLOSE:
		end_stream(c, STENTOR_CLOSED, NULL, STREAM_ERROR_COUNT);
		break;
	case SCAN_BAD:
		break_off(c, stream_error_name(stream_scan_error(c->feed.scan.error)).p,
			stream_scan_error(c->feed.scan.error));
		break;
	case SCAN_MORE:
		break;
	}
	if (c->phase == PHASE_OPEN && entity_is_full(&c->entity))
		hold(c);
	return c->phase != PHASE_ENDED && !c->held;
}

static void after_input(struct stentor_component *c, bool kept)
{
	if (!kept)
		break_off(c, "a stanza is too large", STREAM_POLICY_VIOLATION);
	if (c->phase == PHASE_ENDED)
		feed_drop(&c->feed);
}

/* ---- the connection ---- */

static void on_data(struct conn *conn, char *p, size_t n)
{
	struct stentor_component *c = of_conn(conn);

	if (c->phase == PHASE_ENDED)
		return;
	/* Who handles a stanza can answer it. */
	if (c->phase == PHASE_OPEN && entity_is_full(&c->entity))
		hold(c);
	after_input(c, c->held ? feed_keep(&c->feed, str_from(p, n)) :
				feed_input(&c->feed, &c->table, str_from(p, n), on_scanned, c));
}

static void on_secured(struct conn *conn)
{
	open_stream(of_conn(conn));
}

static void on_closed(struct conn *conn, enum conn_end why)
{
	static const char *const texts[] = {
		[CONN_EOF] = "the server closed the connection",
		[CONN_RESET] = "the connection broke",
		[CONN_SLOW] = "the server does not read",
		[CONN_DONE] = "the connection was closed",
	};
	struct stentor_component *c = of_conn(conn);

	if (c->phase == PHASE_ENDED) /* we know why already */
		after_end(c);
	else if (why == CONN_TLS)
		fail(c, STENTOR_TLS, conn_tls_error(conn));
	else
		fail(c, STENTOR_NETWORK, texts[why]);
}

static const struct conn_ops conn_ops = { on_data, on_secured, on_closed };

/* Of the output more than its bound may wait: a stanza is written whole when the bound is not
 * reached yet, and answers always. */
static uint32_t apply_bounds(struct stentor_component *c)
{
	c->entity.output_bytes = c->output_bytes;
	c->entity.stanza_bytes = c->stanza_bytes;
	c->limits = scan_limits_user;
	c->limits.stanza_bytes = c->stanza_bytes;
	return (uint32_t)c->output_bytes + 3 * c->stanza_bytes;
}

static void start_tls(struct stentor_component *c)
{
	struct str name = str_c(c->tls_name ? c->tls_name : c->host);

	conn_start_tls(&c->conn, tls_client_new(name, 0, c->ca_file, STR_NULL));
}

/* Takes the descriptor over. */
static void connected(struct stentor_component *c, int fd)
{
	if (!conn_init(&c->conn, &c->entity.loop, fd, &conn_ops, apply_bounds(c))) {
		close(fd);
		fail(c, STENTOR_SYSTEM, strerror(errno));
		return;
	}
	c->has_conn = true;
	feed_init(&c->feed, &scan_limits_guest,
		(size_t)c->stanza_bytes + 2 * (LOOP_RX_BYTES + SCAN_PAD));
	if (c->tls)
		start_tls(c);
	else
		open_stream(c);
}

/* ---- dialing: one address after the other ---- */

static void dial_next(struct stentor_component *c, int last_error);

static void dial_ready(struct watch *w, uint32_t events)
{
	struct stentor_component *c = container_of(w, struct stentor_component, dial);
	int fd = c->dial.fd, error = 0;
	socklen_t n = sizeof error;

	watch_del(&c->entity.loop, &c->dial);
	c->dial.fd = -1;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
	if (error) {
		close(fd);
		dial_next(c, error);
		return;
	}
	connected(c, fd);
}

/* A socket on its way, or -1 with errno. */
static int dial(const struct addrinfo *to)
{
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	conn_socket_setup(fd);
	if (connect(fd, to->ai_addr, to->ai_addrlen) == 0 || errno == EINPROGRESS)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

static void dial_next(struct stentor_component *c, int last_error)
{
	while (c->next_address) {
		int fd = dial(c->next_address);
		c->next_address = c->next_address->ai_next;
		c->dial = (struct watch){ fd, EPOLLOUT, dial_ready };
		if (fd >= 0 && watch_add(&c->entity.loop, &c->dial))
			return;
		last_error = errno;
		if (fd >= 0)
			close(fd);
		c->dial.fd = -1;
	}
	fail(c, STENTOR_NETWORK, strerror(last_error));
}

static void on_resolved(void *user, struct addrinfo *list, const char *error)
{
	struct stentor_component *c = user;

	c->resolve = NULL;
	if (!list) {
		fail(c, STENTOR_NAME, error);
		return;
	}
	c->addresses = c->next_address = list;
	dial_next(c, 0);
}

static void timer_fired(struct timer *t)
{
	struct stentor_component *c = container_of(t, struct stentor_component, timer);

	if (c->state == STENTOR_WAITING)
		begin(c);
	else if (c->has_conn && c->phase != PHASE_NONE)
		end_stream(c, STENTOR_TIMEOUT, "the server took too long",
			STREAM_CONNECTION_TIMEOUT);
	else
		fail(c, STENTOR_TIMEOUT, "the server took too long");
}

static void begin_on(struct stentor_component *c)
{
	timer_set(&c->entity.loop.wheel, &c->timer, clock_mono_ms(), CONNECT_MS);
	enter(c, STENTOR_CONNECTING);
}

static void begin(struct stentor_component *c)
{
	begin_on(c);
	/* It may have failed when this returns, and tells of it in any case. */
	struct resolve *r = resolve_start(&c->entity.loop, c->host, c->port, on_resolved, c);
	if (r)
		c->resolve = r;
}

void component_start_on(struct stentor_component *c, int fd)
{
	note_end(c, STENTOR_OK, "");
	conn_socket_setup(fd);
	begin_on(c);
	connected(c, fd);
}

/* ---- settings ---- */

static char *canonical_domain(const char *text)
{
	char *domain = NULL;
	struct arena mem;
	struct str out;

	arena_init(&mem, 512);
	if (text && jid_prep_domain(str_c(text), &mem, &out))
		domain = text_copy(out);
	arena_clear(&mem);
	return domain;
}

struct stentor_component *stentor_component_new(const char *domain, const char *secret)
{
	char *address = canonical_domain(domain);
	struct stentor_component *c;

	if (!address || !secret || !*secret) {
		free(address);
		return NULL;
	}
	c = xcalloc(1, sizeof *c);
	bool ok = entity_init(&c->entity, &entity_ops, address);
	free(address);
	if (!ok) {
		free(c);
		return NULL;
	}
	c->secret = text_copy(str_c(secret));
	c->dial.fd = -1;
	c->error_text = text_copy(STR(""));
	timer_init(&c->timer, timer_fired);
	stentor_component_set_server(c, "127.0.0.1", PORT);
	stentor_component_set_bounds(c, OUTPUT_BYTES, STANZA_BYTES);
	return c;
}

void stentor_component_free(struct stentor_component **p)
{
	struct stentor_component *c = *p;

	if (!c)
		return;
	leave_stream(c);
	drop_connection(c);
	entity_clear(&c->entity);
	xml_table_clear(&c->table);
	wipe(c->secret, strlen(c->secret));
	free(c->secret);
	free(c->host);
	free(c->tls_name);
	free(c->ca_file);
	free(c->within);
	free(c->error_text);
	free(c);
	*p = NULL;
}

struct stentor_entity *stentor_component_entity(struct stentor_component *c)
{
	return &c->entity;
}

void stentor_component_set_server(struct stentor_component *c, const char *host, uint16_t port)
{
	set_text(&c->host, host);
	c->port = port;
}

void stentor_component_set_tls(struct stentor_component *c, const char *name, const char *ca_file)
{
	c->tls = true;
	set_text(&c->tls_name, name);
	set_text(&c->ca_file, ca_file);
}

void stentor_component_set_reconnect(struct stentor_component *c, uint32_t first_ms,
	uint32_t longest_ms)
{
	c->first_ms = first_ms;
	c->longest_ms = longest_ms > first_ms ? longest_ms : first_ms;
	c->wait_ms = 0;
}

void stentor_component_set_bounds(struct stentor_component *c, size_t output_bytes,
	uint32_t stanza_bytes)
{
	uint32_t bytes = stanza_bytes < STANZA_LEAST ? STANZA_LEAST : stanza_bytes;

	bytes = bytes > STANZA_MOST ? STANZA_MOST : bytes;
	c->output_bytes = output_bytes > OUTPUT_MOST ? OUTPUT_MOST : output_bytes;
	c->stanza_bytes = bytes;
}

bool stentor_component_set_within(struct stentor_component *c, const char *domain)
{
	char *canonical = canonical_domain(domain);

	if (!canonical)
		return false;
	free(c->within);
	c->within = canonical;
	return true;
}

/* ---- life ---- */

void stentor_component_on_state(struct stentor_component *c, stentor_state_fn *fn, void *user)
{
	c->on_state = fn;
	c->state_user = user;
}

enum stentor_state stentor_component_state(const struct stentor_component *c)
{
	return c->state;
}

enum stentor_error stentor_component_error(const struct stentor_component *c, const char **text)
{
	if (text)
		*text = c->error_text;
	return c->error;
}

void stentor_component_start(struct stentor_component *c)
{
	if (c->state != STENTOR_IDLE)
		return;
	note_end(c, STENTOR_OK, "");
	c->wait_ms = 0;
	begin(c);
}

/* Nothing here may lock or allocate. */
void stentor_component_stop(struct stentor_component *c)
{
	int before = errno;

	atomic_store(&c->stop, true);
	mailbox_wake(&c->entity.loop.inbox);
	errno = before;
}

static void obey_stop(struct stentor_component *c)
{
	if (c->state == STENTOR_IDLE || c->state == STENTOR_CLOSING)
		return;
	if (c->has_conn && c->phase != PHASE_NONE)
		end_stream(c, STENTOR_OK, "", STREAM_ERROR_COUNT);
	else
		fail(c, STENTOR_OK, "");
}

/* Goes on reading where the output has drained. */
static void release(struct stentor_component *c)
{
	if (!c->held || c->phase != PHASE_OPEN ||
		conn_backlog(&c->conn) > c->entity.output_bytes / 2)
		return;
	c->held = false;
	conn_pause(&c->conn, false);
	feed_go_on(&c->feed, &c->table, on_scanned, c);
	after_input(c, true);
}

static void turn(struct stentor_component *c, uint64_t wait)
{
	if (c->in_turn)
		return;
	c->in_turn = true;
	loop_turn(&c->entity.loop, wait);
	if (c->stop)
		obey_stop(c);
	release(c);
	if (c->phase == PHASE_OPEN)
		entity_drained(&c->entity);
	c->in_turn = false;
}

int stentor_component_fd(const struct stentor_component *c)
{
	return c->entity.loop.epoll;
}

uint32_t stentor_component_timeout(const struct stentor_component *c)
{
	return (uint32_t)loop_timeout(&c->entity.loop, TURN_WAIT);
}

bool stentor_component_process(struct stentor_component *c)
{
	turn(c, 0);
	return c->state != STENTOR_IDLE;
}

enum stentor_error stentor_component_run(struct stentor_component *c)
{
	stentor_component_start(c);
	while (c->state != STENTOR_IDLE)
		turn(c, TURN_WAIT);
	return c->error;
}
