/* Remote domains: what is addressed to them, and the streams that it goes out on (RFC 6120 section
 * 10.4).
 *
 * A remote domain has an owner, as an account has: one shard, to which all goes that is for an
 * address of that domain, and which alone opens streams to it. There, each domain of ours that
 * talks to it makes a pair with it. While a pair's stream comes up, or takes no more now, its stanzas
 * wait in order, bounded in bytes and time (settings.peer_queue_max, peer_queue_ms). When it does not come up each
 * of them gets its error, once; and for a while, longer each time, those that follow get it at once.
 *
 * A message is handled (XEP-0198) when it is in the output of a stream, or when the peer has
 * acknowledged it where the stream has stream management, or refused. */
#ifndef CORE_REMOTE_H
#define CORE_REMOTE_H

#include "core/backlog.h"
#include "core/peer.h"

/* Questions of dialback that wait for one pair's stream; more fail at once. */
#define REMOTE_VERIFIES_MAX 64

/* Attempts of a shard to connect to remote domains, of which anybody can name as many as he likes;
 * more fail at once with resource-constraint. */
#define REMOTE_ATTEMPTS_MAX 512

/* After a failure nothing is tried for so long, doubled each time, with up to a half of it more or
 * less by chance. */
#define REMOTE_REST_MS     2000
#define REMOTE_REST_MAX_MS (5 * 60 * 1000)

struct attempt;

enum pair_state {
	PAIR_IDLE,       /* no stream */
	PAIR_CONNECTING, /* pair.attempt is under way */
	PAIR_ASKING,     /* via: authorisation is asked for */
	PAIR_OPEN        /* via: takes stanzas */
};

/* A domain of ours and a remote one. */
struct pair {
	struct list link;          /* remote.pairs */
	struct remote *remote;
	struct str local;          /* inline, behind the struct */
	enum pair_state state;
	struct peer *via;          /* in PAIR_ASKING and PAIR_OPEN */
	struct attempt *attempt;   /* in PAIR_CONNECTING; or for `verifies` alone; or NULL */
	struct backlog queue;
	struct list verifies;      /* struct verify, of dialback */
	unsigned n_verifies;
	struct timer timer;        /* while something waits: until it may be sent, or is late */
	uint64_t asked_at;         /* monotonic ms: in PAIR_ASKING, since when */
	unsigned failures;         /* in a row */
	uint64_t rests_until;      /* monotonic ms: no attempt before that */
	struct failure failure;    /* of the last attempt */
};

/* On its owner; made when something comes for it or from it. */
struct remote {
	struct map_node node;      /* shard.remotes, by domain */
	struct shard *shard;
	struct str domain;         /* canonical; inline, behind the struct */
	struct list pairs;
	struct list peers;         /* struct peer, outgoing and incoming */
	struct timer timer;        /* until somebody looks whether it can be forgotten */
};

/* Whether a dialback key is right, as an authoritative server says (XEP-0220 section 2.1.2). */
struct verify {
	struct peer_question question;  /* for home alone, and where the stream goes from there */
	struct mail mail;
	struct shard *home;        /* who asks */
	struct list link;          /* pair.verifies */
	struct str local, remote, id, key; /* inline, behind the struct */
	struct peer *over;         /* the stream it was asked on; NULL: it waits for one */
	uint64_t since;            /* monotonic ms on the owner: when it came there */
	enum s2s_outcome outcome;
	enum stanza_error error;   /* with S2S_FAILED */
};

void remotes_init(struct shard *s);
void remotes_free(struct shard *s);

/* Whether there are remote domains at all. */
bool remotes_exist(const struct shard *s);

struct shard *remote_owner(const struct core *c, struct str domain);

/* Something for an address of a domain that is not served here. On any shard. */
void remote_deliver(struct shard *s, struct stanza *st, struct jid to);

/* Asks the authoritative server. From any shard; the question is answered in a later turn or in this
 * one. */
void remote_verify(struct shard *s, struct verify *v);

/* Nobody waits for the answer any more: it is answered as soon as may be, and makes room. From the
 * shard that the stream is on. */
void remote_forget_verify(struct shard *s, const struct verify *v);

/* ---- for core/peer*.c, on the owner ---- */

struct remote *remote_find(struct shard *s, struct str domain); /* or NULL */
struct remote *remote_find_or_make(struct shard *s, struct str domain);
struct pair *pair_find_or_make(struct remote *r, struct str local);

/* Joins a stream to a domain. False: it is an incoming one, and there are as many between these two
 * domains as may be. */
bool remote_join(struct remote *r, struct peer *p);

/* A stream is negotiated up to authorisation; a pair may use it; it is at its end. */
void remote_peer_ready(struct peer *p);
void pair_open(struct pair *pair, struct peer *p);
void remote_peer_closed(struct peer *p);

/* Asks for authorisation: EXTERNAL where it is offered, else dialback. */
void pair_ask(struct pair *pair, struct peer *p);

/* A stream takes questions again, behind EXTERNAL. */
void remote_may_ask(struct peer *p);

/* A stream that took no more takes some again. */
void remote_takes_more(struct peer *p);

/* Authorisation was refused. */
void pair_refused(struct pair *pair, struct peer *p, struct failure why);

/* The answer to a question of remote_verify(), as it came over a stream. */
void remote_verified(struct peer *p, const struct s2s_db *db);

/* The pair with a domain of ours, or NULL. */
struct pair *pair_find(struct remote *r, struct str local);

/* Other settings hold from now on. */
void remotes_reload(struct shard *s);
void remotes_stop(struct shard *s);

/* For stentorctl: a line for each pair and each stream that the shard owns, see the function. */
void remotes_list(struct shard *s, struct buf *out);

/* ---- the way to a stream (core/remote_dial.c) ---- */

/* Looks up where the domain's servers are and connects to one of them after the other, until a
 * stream is ready; or attempt_failed() of the pair. */
void attempt_start(struct pair *pair);

/* The stream that it made will not do: tries the next place. */
void attempt_go_on(struct pair *pair, struct failure why);

/* A stream is there, or nobody wants one any more. */
void attempt_end(struct pair *pair);

/* No place is left. */
void pair_failed(struct pair *pair, struct failure why);

#endif
