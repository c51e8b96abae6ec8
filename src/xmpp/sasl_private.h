/* The inside of SASL: what sasl.c and the files of the mechanisms share. Not for others; the
 * tests use it to run published exchanges with their nonces. */
#ifndef XMPP_SASL_PRIVATE_H
#define XMPP_SASL_PRIVATE_H

#include "xmpp/sasl.h"

enum sasl_server_state {
	SERVER_IDLE,           /* no exchange goes on */
	SERVER_AWAITS_INITIAL, /* an empty challenge asked for the initial response */
	SERVER_AWAITS_KEYS,
	SERVER_AWAITS_CHECK,
	SERVER_AWAITS_FINAL,   /* SCRAM: the client's proof */
	SERVER_ENDED
};

/* A SCRAM exchange as the server sees it. */
struct scram_server {
	struct str header;       /* gs2-header, as the client wrote it */
	struct str bare;         /* client-first-message-bare */
	struct str first;        /* server-first-message */
	struct str nonce;        /* the client's; then both parts */
	struct str binding;      /* data that the client must show */
	struct scram_key key;
	bool exists;
};

struct sasl_server {
	struct sasl_policy policy;
	uint8_t state;           /* enum sasl_server_state */
	uint8_t mech, failure;
	struct arena mem;        /* what one exchange keeps */
	struct str user;         /* in mem */
	struct str password;     /* in mem; wiped by sasl_end() */
	struct scram_server scram;
	struct str test_nonce;   /* our part of the nonce; empty: random */
};

enum sasl_client_state {
	CLIENT_IDLE,
	CLIENT_STARTED,
	CLIENT_PROVING, /* SCRAM: our proof is sent, the server's is awaited */
	CLIENT_CONTENT, /* SCRAM: the server's came as a challenge; success is awaited */
	CLIENT_ENDED
};

/* A SCRAM exchange as the client sees it. */
struct scram_client {
	struct str header;       /* gs2-header */
	struct str binding;      /* data to show, or empty */
	struct str bare, nonce;
	uint8_t signature[DIGEST_MAX]; /* ServerSignature that must come */
};

struct sasl_client {
	uint8_t state;           /* enum sasl_client_state */
	uint8_t mech;
	struct arena mem;
	struct str user, password;
	struct scram_client scram;
	struct sasl_client_cache *cache;
	struct str test_nonce;
};

/* A mechanism, or a family of them: one file each. Messages are at most SASL_MESSAGE_MAX. */
struct sasl_ops {
	/* Server: the client's first message. Without one in <auth/>: an empty challenge asks
	 * for it if `asks`, else the first message is taken as empty. */
	bool asks;
	enum sasl_step (*first)(struct sasl_server *s, struct str message);

	/* Server: the answer to SASL_KEYS, for whoever returned that. */
	enum sasl_step (*keys)(struct sasl_server *s, const struct scram_keys *keys, bool exists,
		struct arena *a, struct str *out);

	/* Server: the client's last message, if there is more than one. */
	enum sasl_step (*final)(struct sasl_server *s, struct str message, struct arena *a,
		struct str *out);

	/* Client: the initial response, a challenge, the data of success. NULL: empty; no
	 * challenge is expected; nothing is proved. */
	void (*start)(struct sasl_client *c, struct arena *a, struct str *out);
	enum sasl_step (*next)(struct sasl_client *c, struct str message, struct arena *a,
		struct str *out);
	enum sasl_step (*success)(struct sasl_client *c, struct str message, struct arena *a);
};

extern const struct sasl_ops scram_ops, plain_ops, external_ops, anonymous_ops;

/* Of the SCRAM mechanisms. */
enum digest sasl_mech_digest(enum sasl_mech_id m);
bool sasl_mech_is_plus(enum sasl_mech_id m);

#define SASL_PLUS_MECHS                                            \
	(1u << MECH_SCRAM_SHA_512_PLUS | 1u << MECH_SCRAM_SHA_256_PLUS | \
		1u << MECH_SCRAM_SHA_1_PLUS)

/* Server: ends the exchange and wipes its secrets. The user's name stays, for the log. */
enum sasl_step sasl_fail(struct sasl_server *s, enum sasl_failure f);
enum sasl_step sasl_done(struct sasl_server *s);

/* UTF-8 without NUL: what all text in SASL is. */
bool sasl_is_text(struct str s);

/* Sets s->user from a simple user name (RFC 6120 section 6.3.7). False when it can be no
 * localpart: no such user can exist. */
bool sasl_take_user(struct sasl_server *s, struct str name);

/* Whether a client that is s->user may act as authzid: its own bare JID (RFC 6120 section
 * 6.3.8), or, as some clients write it, the localpart alone. An empty one is none. */
bool sasl_may_act_as(struct sasl_server *s, struct str authzid);

/* ClientKey and ServerKey of a password (RFC 5802 section 3). */
void scram_derive(enum digest d, struct str password, struct str salt, uint32_t rounds,
	uint8_t client[DIGEST_MAX], uint8_t server[DIGEST_MAX]);

static inline struct str str_of_bytes(const uint8_t *p, size_t n)
{
	return (struct str){ (const char *)p, n };
}

#endif
