/* One side of a stream between servers over the loopback, for tests: it notes what it is told and
 * answers as the test has set it up. It serves a.example and rooms.a.example, or what the test says
 * instead of a.example. */
#ifndef STREAM_S2S_TESTING_H
#define STREAM_S2S_TESTING_H

#include "stream/loopback.h"

#define STREAMS "xmlns:stream='http://etherx.jabber.org/streams'"
#define DB      "xmlns:db='jabber:server:dialback'"

struct s2s_side {
	struct loopback loop;
	struct s2s stream;
	struct xml_table table;
	struct arena turn;
	struct log log;
	struct buf events;      /* what the stream told its user, a line each */

	/* How it answers. */
	const char *domain;
	struct s2s_host host;
	bool no_cert;           /* the certificate proves nothing */
	bool wrong;             /* EXTERNAL is refused, keys are invalid */
	bool late;              /* it answers by hand */
	bool blocked;           /* the domain of the header is */
	bool insecure;          /* secured() says false */
	bool busy;              /* it has no room for more pairs */

	/* What it does when it is ready(). */
	bool bidi, external, result, verify;

	unsigned closed;
};

/* An incoming stream that offers everything and believes everything, with TLS at hand. */
void s2s_side_incoming(struct s2s_side *x);

/* An outgoing one from a.example to c.example, and one that has begun. */
void s2s_side_new_outgoing(struct s2s_side *x, bool must_tls);
void s2s_side_outgoing(struct s2s_side *x, bool must_tls);

/* The connection goes away, if it is still there; closed() has been called once. */
void s2s_side_end(struct s2s_side *x);

bool s2s_side_wrote(const struct s2s_side *x, const char *text);
bool s2s_side_told(const struct s2s_side *x, const char *text);

/* All at once, or one byte at a time. */
void s2s_side_send(struct s2s_side *x, const char *bytes, bool cut);

/* The TLS handshake that the stream waits for succeeds. */
void s2s_side_shake(struct s2s_side *x);

/* How the user is set up, as bits: see struct s2s_side. */
enum {
	NO_TLS = 1 << 0, MUST_TLS = 1 << 1, NO_DIALBACK = 1 << 2, NO_BIDI = 1 << 3,
	NO_EXTERNAL = 1 << 4, NO_CERT = 1 << 5, WRONG = 1 << 6, BLOCKED = 1 << 7,
	INSECURE = 1 << 8, BUSY = 1 << 9, BROKEN_TLS = 1 << 10, LATE = 1 << 11,
	DO_BIDI = 1 << 12, DO_EXTERNAL = 1 << 13, DO_RESULT = 1 << 14, DO_VERIFY = 1 << 15
};
void s2s_side_set(struct s2s_side *x, unsigned how);

/* A case: what comes in, and some of what is to come of it. */
struct s2s_row {
	const char *name;
	unsigned level;     /* where it begins: the test says what it means, */
	unsigned how;       /* and how the user is set up */
	const char *in;
	const char *wrote, *told; /* or NULL */
	const char *never;        /* neither written nor told, or NULL */
};

/* Each row with its bytes whole, and one by one. begin() makes the side and brings it there. */
void s2s_check_rows(const struct s2s_row *rows, size_t n,
	void (*begin)(struct s2s_side *x, const struct s2s_row *r, bool cut));

/* Levels of incoming rows. */
enum {
	IN_RAW,     /* nothing has come */
	IN_CLEAR,   /* the header has */
	IN_SECURE,  /* behind TLS */
	IN_DIALED,  /* dialback behind TLS was right, for c.example to a.example */
	IN_AUTHED   /* EXTERNAL was, and the header behind it came */
};


/* What incoming rows are made of. */
#define IN_OPEN_AS(attrs) "<stream:stream xmlns='jabber:server' " DB " " STREAMS " " attrs ">"
#define IN_HEADER   IN_OPEN_AS("from='c.example' to='a.example' version='1.0'")
#define IN_OLD      IN_OPEN_AS("from='c.example' to='a.example'")
#define IN_STARTTLS "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define IN_AUTH     "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
#define IN_RESULT   "<db:result from='c.example' to='a.example'>key</db:result>"
#define IN_VERIFY   "<db:verify from='c.example' to='a.example' id='42'>key</db:verify>"
#define IN_MESSAGE  "<message from='x@c.example' to='y@a.example'><body>b</body></message>"

/* WRONG, BUSY and LATE hold from the level on. */
void s2s_begin_incoming(struct s2s_side *x, const struct s2s_row *r, bool cut);

#endif
