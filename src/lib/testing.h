/* For the tests of entities and components: a component at one end of a pair of sockets, and a
 * server made of strings at the other. */
#ifndef LIB_TESTING_H
#define LIB_TESTING_H

#include "lib/component_private.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/bug.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define DOMAIN    "c.example"
#define HEADER    "<stream:stream xmlns='jabber:component:accept' " \
		  "xmlns:stream='http://etherx.jabber.org/streams' id='3BF96D32' from='" DOMAIN "'>"
#define ADDRESSED "from='a@b.example/r' to='" DOMAIN "'"
#define ANSWERED  "from='" DOMAIN "' to='a@b.example/r'"

/* What the component says on its own account. */
#define OPENS      "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' " \
		   "xmlns:stream='http://etherx.jabber.org/streams' to='" DOMAIN "'>"
#define HANDSHAKES "<handshake>aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e</handshake>"

struct side {
	struct stentor_component *c;
	struct stentor_entity *e;
	int server;          /* the other end */
	struct buf told;     /* states and what handlers noted, a line each */
	struct buf out;      /* what the component sent since the last look */
};

static inline void side_state(struct stentor_component *c, enum stentor_state state,
	enum stentor_error error, const char *text, void *user)
{
	static const char *const names[] = { "idle", "connecting", "ready", "waiting", "closing" };
	struct side *s = user;

	buf_printf(&s->told, "%s%s%s\n", names[state], *text ? " " : "", text);
}

/* Lets the component do all that it can without time going on. */
static inline void side_turn(struct side *s)
{
	char bytes[65536];
	ssize_t n;

	for (int quiet = 0; quiet < 3; quiet++) {
		stentor_component_process(s->c);
		while ((n = recv(s->server, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
			buf_add(&s->out, str_from(bytes, (size_t)n));
			quiet = 0;
		}
	}
}

static inline void side_send(struct side *s, struct str bytes)
{
	assert_int_equal(send(s->server, bytes.p, bytes.n, MSG_NOSIGNAL), bytes.n);
	side_turn(s);
}

static inline void side_say(struct side *s, const char *text)
{
	side_send(s, str_c(text));
}

static inline void side_wait(struct side *s, uint64_t ms)
{
	clock_advance(ms);
	side_turn(s);
}

static inline void assert_buf(struct buf *b, const char *wanted)
{
	struct str w = str_c(wanted);

	if (!str_eq(buf_str(b), w))
		fail_msg("there is:\n%.*s\nand not:\n%s", STR_FMT(buf_str(b)), wanted);
	buf_reset(b);
}

/* What came from the component since the last look, and what it told of. */
static inline void assert_sent(struct side *s, const char *wanted)
{
	assert_buf(&s->out, wanted);
}

static inline void assert_told(struct side *s, const char *wanted)
{
	assert_buf(&s->told, wanted);
}

/* A new connection of the component's. */
static inline void side_connect(struct side *s)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	s->server = pair[0];
	component_start_on(s->c, pair[1]);
	side_turn(s);
}

static inline void side_init(struct side *s)
{
	*s = (struct side){ .server = -1 };
	buf_init(&s->told, 16 * 1024 * 1024);
	buf_init(&s->out, 64 * 1024 * 1024);
	s->c = stentor_component_new(DOMAIN, "test");
	s->e = stentor_component_entity(s->c);
	stentor_component_on_state(s->c, side_state, s);
}

/* A component whose stream is open. */
static inline void side_open(struct side *s)
{
	side_init(s);
	side_connect(s);
	side_say(s, HEADER);
	assert_sent(s, OPENS HANDSHAKES);
	side_say(s, "<handshake/>");
	assert_told(s, "connecting\nready\n");
}

static inline void side_clear(struct side *s)
{
	stentor_component_free(&s->c);
	assert_null(s->c);
	if (s->server >= 0)
		close(s->server);
	buf_clear(&s->told);
	buf_clear(&s->out);
}

#endif
