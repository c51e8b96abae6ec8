/* SASL SCRAM (RFC 5802, RFC 7677), both roles, for all hashes, with and without -PLUS.
 *
 * Strict about the order of attributes; extensions are ignored where the grammar has room for
 * them, mandatory ones (`m=`) and repeated attributes refused. What the server does about
 * channel binding is judge_binding(); docs/security.md tells it to people.
 *
 * DIAGNOSTICS (server): what breaks the grammar, or a flag that contradicts the mechanism's
 * name, is malformed-request. A name that can be no localpart, channel binding that policy
 * refuses or that doesn't match, another nonce and a wrong proof are not-authorized, as is an
 * unknown user, who gets made-up keys and takes the same way to the same end. */
#include "base/base64.h"
#include "base/bug.h"
#include "xmpp/sasl_private.h"

#define NONCE_BYTES 24
#define ROUNDS_MIN  4096     /* RFC 7677 section 3 */

/* Grammar (RFC 5802 section 7) */

/* Attributes not yet read; `more` is false behind the last one. */
struct attrs {
	struct str rest;
	bool more;
};

/* Takes what stands before the next comma, or all, off the front. */
static bool take_piece(struct attrs *at, struct str *out)
{
	if (!at->more)
		return false;
	ptrdiff_t comma = str_find(at->rest, ',');
	at->more = comma >= 0;
	*out = at->more ? str_head(at->rest, (size_t)comma) : at->rest;
	at->rest = str_skip(at->rest, out->n + 1);
	return true;
}

/* attr-val, with the name given; a value has at least one byte. */
static bool take_attr(struct attrs *at, char name, struct str *value)
{
	struct str piece;

	if (!take_piece(at, &piece) || piece.n < 3 || piece.p[0] != name || piece.p[1] != '=')
		return false;
	*value = str_skip(piece, 2);
	return true;
}

static bool is_alpha(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* An extension: an attribute that RFC 5802 does not define. */
static bool take_extension(struct attrs *at)
{
	char name = at->rest.n ? at->rest.p[0] : '\0';
	struct str value;

	return is_alpha(name) && str_find(STR("anmrcsipve"), name) < 0 &&
	       take_attr(at, name, &value);
}

static bool skip_extensions(struct attrs *at)
{
	while (at->more)
		if (!take_extension(at))
			return false;
	return true;
}

/* 1*printable: ASCII without space and comma */
static bool is_nonce(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x21 || s.p[i] > 0x7e || s.p[i] == ',')
			return false;
	return s.n > 0;
}

/* saslname: =2C and =3D stand for comma and equals sign, which do not occur otherwise. */
static bool decode_name(struct str s, struct arena *a, struct str *out)
{
	char *p = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		struct str three = str_head(str_skip(s, i), 3);
		p[n] = s.p[i];
		if (s.p[i] == '=') {
			if (!str_eq(three, STR("=2C")) && !str_eq(three, STR("=3D")))
				return false;
			p[n] = three.p[2] == 'C' ? ',' : '=';
			i += 2;
		}
		n++;
	}
	*out = str_from(p, n);
	return n > 0;
}

static struct str encode_name(struct str s, struct arena *a)
{
	char *p = arena_alloc(a, 3 * s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		struct str code = s.p[i] == ',' ? STR("=2C") : s.p[i] == '=' ? STR("=3D") :
			str_head(str_skip(s, i), 1);
		memcpy(p + n, code.p, code.n);
		n += code.n;
	}
	return str_from(p, n);
}

static bool is_binding_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alpha(s.p[i]) && !(s.p[i] >= '0' && s.p[i] <= '9') && s.p[i] != '.' &&
		    s.p[i] != '-')
			return false;
	return s.n > 0;
}

/* client-first-message */
struct client_first {
	char flag;          /* n, y, p */
	struct str type;    /* of channel binding, behind p= */
	struct str authzid; /* decoded; empty for none */
	struct str header;  /* gs2-header as it is written */
	struct str bare;
	struct str name;    /* decoded */
	struct str nonce;
};

/* gs2-cbind-flag = ("p=" cb-name) / "n" / "y" */
static bool parse_flag(struct str piece, struct client_first *f)
{
	f->flag = piece.n ? piece.p[0] : '\0';
	f->type = str_skip(piece, 2);
	if (f->flag == 'p')
		return str_starts(piece, STR("p=")) && is_binding_name(f->type);
	return piece.n == 1 && (f->flag == 'n' || f->flag == 'y');
}

static bool parse_first(struct str message, struct arena *a, struct client_first *f)
{
	struct attrs at = { message, true };
	struct str flag, authzid, name;

	if (!sasl_is_text(message) || !take_piece(&at, &flag) || !parse_flag(flag, f))
		return false;
	if (!take_piece(&at, &authzid) || !at.more)
		return false;
	f->authzid = STR("");
	if (authzid.n && (!str_starts(authzid, STR("a=")) ||
	    !decode_name(str_skip(authzid, 2), a, &f->authzid)))
		return false;
	f->bare = at.rest;
	f->header = str_head(message, message.n - f->bare.n);
	return take_attr(&at, 'n', &name) && decode_name(name, a, &f->name) &&
		take_attr(&at, 'r', &f->nonce) && is_nonce(f->nonce) && skip_extensions(&at);
}

/* client-final-message */
struct client_final {
	struct str binding, proof; /* decoded */
	struct str nonce;
	struct str without_proof;
};

static bool parse_final(struct str message, struct arena *a, struct client_final *f)
{
	struct attrs at = { message, true };
	struct str binding, proof;

	if (!sasl_is_text(message) || !take_attr(&at, 'c', &binding) ||
	    !take_attr(&at, 'r', &f->nonce) || !is_nonce(f->nonce))
		return false;
	while (at.more && !str_starts(at.rest, STR("p=")))
		if (!take_extension(&at))
			return false;
	f->without_proof = str_head(message, message.n - at.rest.n - 1);
	return take_attr(&at, 'p', &proof) && !at.more && base64_decode(a, proof, &f->proof) &&
		base64_decode(a, binding, &f->binding);
}

/* server-first-message */
struct server_first {
	struct str nonce, salt; /* the salt decoded */
	uint32_t rounds;
};

static bool parse_server_first(struct str message, struct arena *a, struct server_first *f)
{
	struct attrs at = { message, true };
	struct str salt, rounds;
	uint64_t n;

	if (!sasl_is_text(message) || !take_attr(&at, 'r', &f->nonce) || !is_nonce(f->nonce) ||
	    !take_attr(&at, 's', &salt) || !base64_decode(a, salt, &f->salt) ||
	    !take_attr(&at, 'i', &rounds) || !skip_extensions(&at))
		return false;
	if (rounds.p[0] == '0' || !str_to_u64(rounds, SCRAM_ROUNDS_MAX, &n) || n < ROUNDS_MIN)
		return false;
	f->rounds = (uint32_t)n;
	return true;
}

/* What both roles compute (RFC 5802 section 3) */

static struct str auth_message(struct arena *a, struct str bare, struct str server_first,
	struct str without_proof)
{
	return str_printf(a, "%.*s,%.*s,%.*s", STR_FMT(bare), STR_FMT(server_first),
		STR_FMT(without_proof));
}

/* For binding data, which may have any byte. */
static struct str join(struct arena *a, struct str x, struct str y)
{
	char *p = arena_alloc(a, x.n + y.n + 1);

	memcpy(p, x.p, x.n);
	if (y.n)
		memcpy(p + x.n, y.p, y.n);
	return str_from(p, x.n + y.n);
}

/* Our part of the nonce. */
static struct str new_nonce(struct arena *a, struct str for_test)
{
	char bytes[NONCE_BYTES];

	if (for_test.n)
		return for_test;
	random_bytes(bytes, sizeof bytes);
	return base64_str(a, str_from(bytes, sizeof bytes));
}

static void hmac(enum digest d, const uint8_t key[DIGEST_MAX], struct str text,
	uint8_t out[DIGEST_MAX])
{
	digest_hmac(d, str_of_bytes(key, digest_len(d)), text, out);
}

static void xor_into(uint8_t *to, const uint8_t *with, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] ^= with[i];
}

/* Server */

enum verdict { BINDING_OK, BINDING_REFUSED, BINDING_MALFORMED };

/* The channel binding policy, whole. *data is what the client must show behind its header.
 *
 * `y` says "I can, but you did not offer it". We did: somebody between us took -PLUS out of
 * our list (RFC 5802 section 6). It is refused even after a `p` that failed, because whoever
 * sits between can make it fail. For tls-unique on TLS 1.3 see docs/security.md. */
static enum verdict judge_binding(const struct sasl_policy *policy, bool plus,
	const struct client_first *f, struct str *data)
{
	const struct sasl_binding *b = &policy->binding;

	*data = STR("");
	if (plus != (f->flag == 'p'))
		return BINDING_MALFORMED;
	if (f->flag == 'n')
		return BINDING_OK;
	if (f->flag == 'y')
		return policy->offered & SASL_PLUS_MECHS ? BINDING_REFUSED : BINDING_OK;
	if (str_eq(f->type, STR("tls-exporter")))
		*data = b->exporter;
	else if (str_eq(f->type, STR("tls-server-end-point")))
		*data = b->end_point;
	else if (str_eq(f->type, STR("tls-unique")))
		*data = b->unique;
	return data->n ? BINDING_OK : BINDING_REFUSED;
}

static enum sasl_step server_first(struct sasl_server *s, struct str message)
{
	struct scram_server *x = &s->scram;
	struct client_first f;

	if (!parse_first(str_dup(&s->mem, message), &s->mem, &f))
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	switch (judge_binding(&s->policy, sasl_mech_is_plus(s->mech), &f, &x->binding)) {
	case BINDING_OK:
		break;
	case BINDING_REFUSED:
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	case BINDING_MALFORMED:
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	}
	if (!sasl_take_user(s, f.name))
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	if (!sasl_may_act_as(s, f.authzid))
		return sasl_fail(s, SASL_INVALID_AUTHZID);
	x->header = f.header;
	x->bare = f.bare;
	x->nonce = f.nonce;
	s->state = SERVER_AWAITS_KEYS;
	return SASL_KEYS;
}

static enum sasl_step server_keys(struct sasl_server *s, const struct scram_keys *keys, bool exists,
	struct arena *a, struct str *out)
{
	struct scram_server *x = &s->scram;

	x->key = keys->of[sasl_mech_digest(s->mech)];
	x->exists = exists;
	if (!x->key.rounds)
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	BUG_ON(x->key.n_salt > SCRAM_SALT_MAX);
	struct str mine = new_nonce(a, s->test_nonce);
	struct str salt = base64_str(a, str_of_bytes(x->key.salt, x->key.n_salt));
	x->nonce = str_printf(&s->mem, "%.*s%.*s", STR_FMT(x->nonce), STR_FMT(mine));
	x->first = str_printf(&s->mem, "r=%.*s,s=%.*s,i=%u", STR_FMT(x->nonce), STR_FMT(salt),
		x->key.rounds);
	*out = str_dup(a, x->first);
	s->state = SERVER_AWAITS_FINAL;
	return SASL_CONTINUE;
}

/* ClientKey := ClientProof XOR HMAC(StoredKey, AuthMessage); its hash must be StoredKey. */
static bool is_proof(enum digest d, const struct scram_key *key, struct str auth, struct str proof)
{
	uint8_t client[DIGEST_MAX], stored[DIGEST_MAX];
	size_t n = digest_len(d);

	if (proof.n != n)
		return false;
	hmac(d, key->stored, auth, client);
	xor_into(client, (const uint8_t *)proof.p, n);
	digest_of(d, str_of_bytes(client, n), stored);
	wipe(client, sizeof client);
	return equal_secret(stored, key->stored, n);
}

static bool same(struct str a, struct str b)
{
	return a.n == b.n && equal_secret(a.p, b.p, a.n);
}

static enum sasl_step server_final(struct sasl_server *s, struct str message, struct arena *a,
	struct str *out)
{
	struct scram_server *x = &s->scram;
	enum digest d = sasl_mech_digest(s->mech);
	struct client_final f;
	uint8_t signature[DIGEST_MAX];

	if (!parse_final(message, a, &f))
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	struct str auth = auth_message(a, x->bare, x->first, f.without_proof);
	/* All is looked at whatever came out before, so that time tells nothing. */
	bool right = is_proof(d, &x->key, auth, f.proof);
	right &= same(f.binding, join(a, x->header, x->binding));
	right &= same(f.nonce, x->nonce);
	right &= x->exists;
	if (!right)
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	hmac(d, x->key.server, auth, signature);
	struct str v = base64_str(a, str_of_bytes(signature, digest_len(d)));
	*out = str_printf(a, "v=%.*s", STR_FMT(v));
	return sasl_done(s);
}

/* Client */

static void client_first(struct sasl_client *c, struct arena *a, struct str *out)
{
	struct scram_client *x = &c->scram;
	struct str name = encode_name(c->user, a);

	x->nonce = new_nonce(&c->mem, c->test_nonce);
	x->bare = str_printf(&c->mem, "n=%.*s,r=%.*s", STR_FMT(name), STR_FMT(x->nonce));
	*out = join(a, x->header, x->bare);
}

/* The keys for this salt: from the cache, or derived and put there. */
static void client_keys(struct sasl_client *c, const struct server_first *f,
	struct sasl_client_cache *k)
{
	enum digest d = sasl_mech_digest(c->mech);

	if (c->cache && c->cache->digest == d && c->cache->rounds == f->rounds &&
	    str_eq(str_of_bytes(c->cache->salt, c->cache->n_salt), f->salt)) {
		*k = *c->cache;
		return;
	}
	*k = (struct sasl_client_cache){ .digest = d, .rounds = f->rounds };
	scram_derive(d, c->password, f->salt, f->rounds, k->client, k->server);
	if (!c->cache || f->salt.n > sizeof k->salt)
		return;
	k->n_salt = (uint8_t)f->salt.n;
	memcpy(k->salt, f->salt.p, f->salt.n);
	*c->cache = *k;
}

/* ClientProof := ClientKey XOR HMAC(H(ClientKey), AuthMessage), in base 64; and what the
 * server has to answer. */
static struct str prove(struct sasl_client *c, const struct sasl_client_cache *k, struct str auth,
	struct arena *a)
{
	uint8_t stored[DIGEST_MAX], proof[DIGEST_MAX];
	size_t n = digest_len(k->digest);

	digest_of(k->digest, str_of_bytes(k->client, n), stored);
	hmac(k->digest, stored, auth, proof);
	xor_into(proof, k->client, n);
	hmac(k->digest, k->server, auth, c->scram.signature);
	return base64_str(a, str_of_bytes(proof, n));
}

static enum sasl_step client_final(struct sasl_client *c, struct str message, struct arena *a,
	struct str *out)
{
	struct scram_client *x = &c->scram;
	struct sasl_client_cache k;
	struct server_first f;

	if (!parse_server_first(message, a, &f) || !str_starts(f.nonce, x->nonce) ||
	    f.nonce.n == x->nonce.n)
		return SASL_FAILED;
	client_keys(c, &f, &k);
	struct str binding = base64_str(a, join(a, x->header, x->binding));
	struct str without = str_printf(a, "c=%.*s,r=%.*s", STR_FMT(binding), STR_FMT(f.nonce));
	struct str proof = prove(c, &k, auth_message(a, x->bare, message, without), a);
	*out = str_printf(a, "%.*s,p=%.*s", STR_FMT(without), STR_FMT(proof));
	wipe(&k, sizeof k);
	c->state = CLIENT_PROVING;
	return SASL_CONTINUE;
}

/* server-final-message: whether the server has the keys. An error (`e=`) is none. */
static bool is_server_proof(struct sasl_client *c, struct str message, struct arena *a)
{
	struct attrs at = { message, true };
	struct str v, signature;

	return sasl_is_text(message) && take_attr(&at, 'v', &v) && skip_extensions(&at) &&
		base64_decode(a, v, &signature) &&
		same(signature, str_of_bytes(c->scram.signature,
			digest_len(sasl_mech_digest(c->mech))));
}

/* The server may send its last message as a challenge too; the response to that is empty
 * (erratum 2689). */
static enum sasl_step client_next(struct sasl_client *c, struct str message, struct arena *a,
	struct str *out)
{
	if (c->state == CLIENT_STARTED)
		return client_final(c, message, a, out);
	if (c->state != CLIENT_PROVING || !is_server_proof(c, message, a))
		return SASL_FAILED;
	c->state = CLIENT_CONTENT;
	return SASL_CONTINUE;
}

static enum sasl_step client_success(struct sasl_client *c, struct str message, struct arena *a)
{
	if (c->state == CLIENT_CONTENT)
		return message.n == 0 ? SASL_DONE : SASL_FAILED;
	if (c->state != CLIENT_PROVING || !is_server_proof(c, message, a))
		return SASL_FAILED;
	return SASL_DONE;
}

const struct sasl_ops scram_ops = {
	.asks = true,
	.first = server_first,
	.keys = server_keys,
	.final = server_final,
	.start = client_first,
	.next = client_next,
	.success = client_success,
};
