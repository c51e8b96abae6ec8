/* SASL for both roles, without I/O (RFC 4422, RFC 6120 section 6).
 *
 * Messages are decoded bytes (the streams do the base 64). The server side asks its caller
 * for what it must look up: the machine returns SASL_KEYS with s->user set, the caller
 * fetches the keys when it can and calls sasl_server_keys(); for EXTERNAL the same, to learn
 * whether there is such an account; for PLAIN it returns SASL_CHECK, the caller derives the
 * keys of s->password off the loop (sasl_check_password()) and calls sasl_server_checked().
 * One file a mechanism; the table stands in sasl.c. */
#ifndef XMPP_SASL_H
#define XMPP_SASL_H

#include "base/arena.h"
#include "base/digest.h"

#define SCRAM_SALT_LEN   16    /* for new passwords */
#define SCRAM_SALT_MAX   64    /* of imported keys; other servers have salts of other lengths */
#define SCRAM_ROUNDS     10000 /* for new passwords; RFC 7677 asks for 4,096 at least */
#define SCRAM_ROUNDS_MAX 10000000 /* of keys from elsewhere (RFC 5802 section 9) */
#define SASL_MESSAGE_MAX 4096  /* bytes of one decoded message; more is malformed-request */

/* What the server keeps of a password for one hash (RFC 5802 section 3). */
struct scram_key {
	uint32_t rounds; /* 0: there is no key for this hash, and its mechanisms fail */
	uint8_t n_salt, salt[SCRAM_SALT_MAX];
	uint8_t stored[DIGEST_MAX], server[DIGEST_MAX];
};

/* Of one account: a key for each hash, so that every mechanism works. */
struct scram_keys {
	struct scram_key of[DIGEST_COUNT];
};

/* Derives all keys of a prepared password with fresh salts: about 5 ms, never on a loop. */
void scram_keys_make(struct str password, struct scram_keys *out);

/* Whether the password belongs to the keys. Derives the SHA-256 key (another where there is
 * none): about a millisecond, never on a loop. Takes the same time whether it does or not. */
bool sasl_check_password(struct str password, const struct scram_keys *keys);

/* Keys for a user that does not exist: the salts are always the same for this user and
 * secret, and no password fits (RFC 5802 section 9; so that nobody can ask who exists). */
void scram_keys_fake(struct str secret, struct str user, struct scram_keys *out);

/* RFC 6120 section 6.5 */
enum sasl_failure {
	SASL_ABORTED,
	SASL_ACCOUNT_DISABLED,
	SASL_CREDENTIALS_EXPIRED,
	SASL_ENCRYPTION_REQUIRED,
	SASL_INCORRECT_ENCODING,
	SASL_INVALID_AUTHZID,
	SASL_INVALID_MECHANISM,
	SASL_MALFORMED_REQUEST,
	SASL_MECHANISM_TOO_WEAK,
	SASL_NOT_AUTHORIZED,
	SASL_TEMPORARY_AUTH_FAILURE,
	SASL_FAILURE_COUNT
};

struct str sasl_failure_name(enum sasl_failure f);

/* Channel binding data of the connection; empty slices where there are none. */
struct sasl_binding {
	struct str exporter;   /* tls-exporter, RFC 9266 */
	struct str end_point;  /* tls-server-end-point, RFC 5929 */
	struct str unique;     /* tls-unique; see docs/security.md for TLS 1.3 */
	bool unique_defined;   /* TLS 1.2, where tls-unique is defined and may be advertised */
};

enum sasl_mech_id {
	MECH_SCRAM_SHA_512_PLUS, MECH_SCRAM_SHA_256_PLUS, MECH_SCRAM_SHA_1_PLUS,
	MECH_SCRAM_SHA_512, MECH_SCRAM_SHA_256, MECH_SCRAM_SHA_1,
	MECH_EXTERNAL, MECH_PLAIN, MECH_ANONYMOUS,
	MECH_COUNT
};

struct str sasl_mech_name(enum sasl_mech_id m);

/* A listed name, case-sensitive (RFC 4422 section 3.1), or MECH_COUNT. */
enum sasl_mech_id sasl_mech_find(struct str name);

/* What one stream may offer; a bit for each mechanism (1u << id). */
struct sasl_policy {
	unsigned offered;
	struct str domain;     /* of the host, canonical; for EXTERNAL and authzid */
	struct sasl_binding binding;
	struct str cert_jids[8]; /* bare JIDs that the client's certificate proves */
	unsigned n_cert_jids;
};

/* Whoever gets SASL_KEYS or SASL_CHECK takes no input from the peer until the answer is given.
 * Should a message come first all the same, it ends the exchange (malformed-request), and the
 * answer must not be handed in any more. */
enum sasl_step {
	SASL_CONTINUE, /* send `out` as a challenge (server) or a response (client) */
	SASL_KEYS,     /* server: look up s->user, then sasl_server_keys() */
	SASL_CHECK,    /* server: check s->password for s->user, then sasl_server_checked() */
	SASL_DONE,     /* server: s->user is who it is; send success with `out` (maybe empty) */
	SASL_FAILED    /* send failure s->failure; the machine is at its start again */
};

struct sasl_server;

/* A machine for one stream. The policy is copied, its strings must outlive the machine. */
struct sasl_server *sasl_server_new(const struct sasl_policy *policy);
void sasl_server_free(struct sasl_server **s);

/* <auth/>: a mechanism's name and the initial response; has_initial false when there was
 * none ("=" on the wire is an empty one: true and empty). An exchange that was going on is
 * forgotten (RFC 6120 section 6.4.2). `out` is in the arena, here and below. */
enum sasl_step sasl_server_start(struct sasl_server *s, struct str mech, struct str initial,
	bool has_initial, struct arena *a, struct str *out);

/* <response/>; malformed-request when no exchange goes on. */
enum sasl_step sasl_server_next(struct sasl_server *s, struct str message, struct arena *a,
	struct str *out);

/* <abort/>: SASL_FAILED with aborted, always. */
enum sasl_step sasl_server_abort(struct sasl_server *s);

/* A failure that the caller found itself (incorrect-encoding, encryption-required,
 * account-disabled): ends the exchange. SASL_FAILED. */
enum sasl_step sasl_server_refuse(struct sasl_server *s, enum sasl_failure why);

/* The keys of the user asked for (those of scram_keys_fake() when there is no such user, and
 * exists false). NULL when they could not be had just now: temporary-auth-failure; this is
 * an answer to SASL_CHECK as well. */
enum sasl_step sasl_server_keys(struct sasl_server *s, const struct scram_keys *keys, bool exists,
	struct arena *a, struct str *out);

/* The outcome of sasl_check_password(). */
enum sasl_step sasl_server_checked(struct sasl_server *s, bool right);

/* The localpart asked for or proved (canonical), after a failure too, for the log; empty before
 * it is known and for ANONYMOUS, where core makes one up. */
struct str sasl_server_user(const struct sasl_server *s);

/* The prepared password while SASL_CHECK waits; wiped afterwards. */
struct str sasl_server_password(const struct sasl_server *s);

enum sasl_failure sasl_server_failure(const struct sasl_server *s);
enum sasl_mech_id sasl_server_mech(const struct sasl_server *s);

struct sasl_client;

/* offered: bits of the mechanisms that the server offers and the caller allows. user: a
 * canonical localpart, empty for none; password: as typed, the null slice for none. Picks the
 * strongest: EXTERNAL first (RFC 6120 section 6.3.4), ANONYMOUS only without a user.
 *
 * binding: of the connection, or NULL when the caller does not want any (the GS2 flag is then
 * `n`). With -PLUS offered a binding is used: of the types that the server named (XEP-0440) the
 * best that there is; when it named none, the default of the TLS version (`unique` where it is
 * defined, else `exporter`) or what else there is.
 *
 * NULL when nothing fits: no mechanism, a password that OpaqueString forbids, or the server
 * offers -PLUS and names only types that we don't have, which looks like an attack (XEP-0440
 * section 3, rule 6). All strings are copied. */
struct sasl_client *sasl_client_new(unsigned offered, struct str user, struct str password,
	const struct sasl_binding *binding, bool server_names_exporter,
	bool server_names_end_point);
void sasl_client_free(struct sasl_client **c);

/* Keys that were derived from one account's password, kept from login to login so that the
 * next one need not derive them (RFC 5802 section 5.1, attribute i). All zero at first. As
 * secret as the password: wipe() it at the end. */
struct sasl_client_cache {
	enum digest digest;
	uint32_t rounds; /* 0: nothing in it */
	uint8_t n_salt, salt[SCRAM_SALT_MAX];
	uint8_t client[DIGEST_MAX], server[DIGEST_MAX];
};

/* Lends the machine a cache for the same account and password; before sasl_client_next(). It
 * is used when hash, salt and rounds are the same, else filled. */
void sasl_client_use_cache(struct sasl_client *c, struct sasl_client_cache *cache);

/* The mechanism picked. */
enum sasl_mech_id sasl_client_mech(const struct sasl_client *c);

/* The initial response; it may be empty ("=" on the wire). Call once. */
void sasl_client_start(struct sasl_client *c, struct arena *a, struct str *out);

/* A challenge: SASL_CONTINUE, or SASL_FAILED (send <abort/>). Derives keys where the cache has
 * none: for clients and tools, not for loops of a server. */
enum sasl_step sasl_client_next(struct sasl_client *c, struct str message, struct arena *a,
	struct str *out);

/* The additional data of <success/>: SASL_DONE when the server proved that it knows the keys
 * (or the mechanism has no such proof), SASL_FAILED otherwise. */
enum sasl_step sasl_client_success(struct sasl_client *c, struct str message, struct arena *a);

#endif
