/* The machines that run SASL mechanisms, and the table of these. */
#include "xmpp/sasl.h"

#include "base/bug.h"
#include "base/utf8.h"
#include "xmpp/jid.h"
#include "xmpp/sasl_private.h"

#include <stdlib.h>

#define SCRAM(name, digest, plus) { STR_INIT("SCRAM-SHA-" name), &scram_ops, digest, plus }
#define OTHER(name, ops)          { STR_INIT(name), ops, DIGEST_COUNT, false }

static const struct mech {
	struct str name;
	const struct sasl_ops *ops;
	enum digest digest; /* of SCRAM */
	bool plus;
} mechs[MECH_COUNT] = {
	[MECH_SCRAM_SHA_512_PLUS] = SCRAM("512-PLUS", DIGEST_SHA512, true),
	[MECH_SCRAM_SHA_256_PLUS] = SCRAM("256-PLUS", DIGEST_SHA256, true),
	[MECH_SCRAM_SHA_1_PLUS]   = SCRAM("1-PLUS", DIGEST_SHA1, true),
	[MECH_SCRAM_SHA_512]      = SCRAM("512", DIGEST_SHA512, false),
	[MECH_SCRAM_SHA_256]      = SCRAM("256", DIGEST_SHA256, false),
	[MECH_SCRAM_SHA_1]        = SCRAM("1", DIGEST_SHA1, false),
	[MECH_EXTERNAL]           = OTHER("EXTERNAL", &external_ops),
	[MECH_PLAIN]              = OTHER("PLAIN", &plain_ops),
	[MECH_ANONYMOUS]          = OTHER("ANONYMOUS", &anonymous_ops),
};

struct str sasl_mech_name(enum sasl_mech_id m)
{
	BUG_ON(m >= MECH_COUNT);
	return mechs[m].name;
}

enum sasl_mech_id sasl_mech_find(struct str name)
{
	unsigned m = 0;

	while (m < MECH_COUNT && !str_eq(mechs[m].name, name))
		m++;
	return m;
}

enum digest sasl_mech_digest(enum sasl_mech_id m)
{
	return mechs[m].digest;
}

bool sasl_mech_is_plus(enum sasl_mech_id m)
{
	return mechs[m].plus;
}

struct str sasl_failure_name(enum sasl_failure f)
{
	static const char *const names[SASL_FAILURE_COUNT] = {
		[SASL_ABORTED] = "aborted",
		[SASL_ACCOUNT_DISABLED] = "account-disabled",
		[SASL_CREDENTIALS_EXPIRED] = "credentials-expired",
		[SASL_ENCRYPTION_REQUIRED] = "encryption-required",
		[SASL_INCORRECT_ENCODING] = "incorrect-encoding",
		[SASL_INVALID_AUTHZID] = "invalid-authzid",
		[SASL_INVALID_MECHANISM] = "invalid-mechanism",
		[SASL_MALFORMED_REQUEST] = "malformed-request",
		[SASL_MECHANISM_TOO_WEAK] = "mechanism-too-weak",
		[SASL_NOT_AUTHORIZED] = "not-authorized",
		[SASL_TEMPORARY_AUTH_FAILURE] = "temporary-auth-failure",
	};

	BUG_ON(f >= SASL_FAILURE_COUNT);
	return str_c(names[f]);
}

bool sasl_is_text(struct str s)
{
	return str_find(s, '\0') < 0 && utf8_valid(s);
}

/* Server */

struct sasl_server *sasl_server_new(const struct sasl_policy *policy)
{
	struct sasl_server *s = xcalloc(1, sizeof *s);

	BUG_ON(policy->n_cert_jids > sizeof policy->cert_jids / sizeof policy->cert_jids[0]);
	s->policy = *policy;
	s->mech = MECH_COUNT;
	arena_init(&s->mem, 1024);
	return s;
}

/* Overwrites what is secret of an exchange. */
static void forget(struct sasl_server *s)
{
	if (s->password.n)
		wipe((char *)s->password.p, s->password.n);
	s->password = STR_NULL;
	wipe(&s->scram.key, sizeof s->scram.key);
}

void sasl_server_free(struct sasl_server **s)
{
	if (!*s)
		return;
	forget(*s);
	arena_clear(&(*s)->mem);
	free(*s);
	*s = NULL;
}

enum sasl_step sasl_fail(struct sasl_server *s, enum sasl_failure f)
{
	forget(s);
	s->state = SERVER_IDLE;
	s->failure = f;
	return SASL_FAILED;
}

enum sasl_step sasl_done(struct sasl_server *s)
{
	forget(s);
	s->state = SERVER_ENDED;
	return SASL_DONE;
}

static enum sasl_step first_message(struct sasl_server *s, struct str message)
{
	if (message.n > SASL_MESSAGE_MAX)
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	return mechs[s->mech].ops->first(s, message);
}

enum sasl_step sasl_server_start(struct sasl_server *s, struct str mech, struct str initial,
	bool has_initial, struct arena *a, struct str *out)
{
	enum sasl_mech_id m = sasl_mech_find(mech);

	BUG_ON(s->state == SERVER_ENDED);
	forget(s);
	arena_reset(&s->mem);
	s->user = STR_NULL;
	s->mech = m;
	*out = STR("");
	if (m == MECH_COUNT || !(s->policy.offered & 1u << m))
		return sasl_fail(s, SASL_INVALID_MECHANISM);
	if (has_initial || !mechs[m].ops->asks)
		return first_message(s, has_initial ? initial : STR(""));
	s->state = SERVER_AWAITS_INITIAL;
	return SASL_CONTINUE;
}

enum sasl_step sasl_server_next(struct sasl_server *s, struct str message, struct arena *a,
	struct str *out)
{
	*out = STR("");
	if (s->state == SERVER_AWAITS_INITIAL)
		return first_message(s, message);
	if (s->state != SERVER_AWAITS_FINAL || message.n > SASL_MESSAGE_MAX)
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	return mechs[s->mech].ops->final(s, message, a, out);
}

enum sasl_step sasl_server_abort(struct sasl_server *s)
{
	return sasl_fail(s, SASL_ABORTED);
}

enum sasl_step sasl_server_refuse(struct sasl_server *s, enum sasl_failure why)
{
	return sasl_fail(s, why);
}

enum sasl_step sasl_server_keys(struct sasl_server *s, const struct scram_keys *keys, bool exists,
	struct arena *a, struct str *out)
{
	BUG_ON(s->state != SERVER_AWAITS_KEYS && (keys || s->state != SERVER_AWAITS_CHECK));
	*out = STR("");
	if (!keys)
		return sasl_fail(s, SASL_TEMPORARY_AUTH_FAILURE);
	return mechs[s->mech].ops->keys(s, keys, exists, a, out);
}

enum sasl_step sasl_server_checked(struct sasl_server *s, bool right)
{
	BUG_ON(s->state != SERVER_AWAITS_CHECK);
	return right ? sasl_done(s) : sasl_fail(s, SASL_NOT_AUTHORIZED);
}

struct str sasl_server_user(const struct sasl_server *s)
{
	return s->user;
}

struct str sasl_server_password(const struct sasl_server *s)
{
	return s->password;
}

enum sasl_failure sasl_server_failure(const struct sasl_server *s)
{
	return s->failure;
}

enum sasl_mech_id sasl_server_mech(const struct sasl_server *s)
{
	return s->mech;
}

bool sasl_take_user(struct sasl_server *s, struct str name)
{
	struct str prepared;

	if (!jid_prep_local(name, &s->mem, &prepared))
		return false;
	s->user = str_dup(&s->mem, prepared);
	return true;
}

bool sasl_may_act_as(struct sasl_server *s, struct str authzid)
{
	struct str local;
	struct jid jid;

	if (authzid.n == 0)
		return true;
	if (str_find(authzid, '@') < 0)
		return jid_prep_local(authzid, &s->mem, &local) && str_eq(local, s->user);
	return jid_parse(authzid, &s->mem, &jid) && jid_is_bare(jid) &&
		str_eq(jid_local(jid), s->user) && str_eq(jid_domain(jid), s->policy.domain);
}

/* Client */

/* What a client makes of the server's offer of channel binding. */
struct choice {
	char flag; /* of the GS2 header: n, y, p; 0: give up */
	const char *type;
	struct str data;
};

static struct choice use_binding(const char *type, struct str data)
{
	return (struct choice){ 'p', type, data };
}

/* RFC 5802 section 6, XEP-0440 section 3; see the header for the order. */
static struct choice choose_binding(unsigned offered, const struct sasl_binding *b,
	bool names_exporter, bool names_end_point)
{
	bool names_none = !names_exporter && !names_end_point;
	bool has_unique = b && b->unique_defined && b->unique.n;

	if (!b || (!has_unique && !b->exporter.n && !b->end_point.n))
		return (struct choice){ .flag = 'n' };
	if (!(offered & SASL_PLUS_MECHS))
		return (struct choice){ .flag = 'y' };
	if (names_none && has_unique)
		return use_binding("tls-unique", b->unique);
	if ((names_none || names_exporter) && b->exporter.n)
		return use_binding("tls-exporter", b->exporter);
	if ((names_none || names_end_point) && b->end_point.n)
		return use_binding("tls-server-end-point", b->end_point);
	return (struct choice){ 0 };
}

/* The strongest mechanism that can be used, or MECH_COUNT. */
static enum sasl_mech_id choose_mech(unsigned offered, bool user, bool password, bool plus)
{
	if (offered & 1u << MECH_EXTERNAL)
		return MECH_EXTERNAL;
	for (unsigned m = 0; user && password && m < MECH_COUNT; m++) {
		bool fits = mechs[m].ops == &plain_ops ||
			(mechs[m].ops == &scram_ops && mechs[m].plus == plus);
		if (fits && offered & 1u << m)
			return m;
	}
	return !user && offered & 1u << MECH_ANONYMOUS ? MECH_ANONYMOUS : MECH_COUNT;
}

struct sasl_client *sasl_client_new(unsigned offered, struct str user, struct str password,
	const struct sasl_binding *binding, bool server_names_exporter, bool server_names_end_point)
{
	struct choice cb = choose_binding(offered, binding, server_names_exporter,
		server_names_end_point);
	enum sasl_mech_id m = choose_mech(offered, user.n != 0, password.p != NULL, cb.flag == 'p');
	struct sasl_client *c;
	struct str prepared = STR_NULL;

	if (m == MECH_COUNT || !cb.flag)
		return NULL;
	c = xcalloc(1, sizeof *c);
	c->mech = m;
	arena_init(&c->mem, 1024);
	if (password.p && !jid_prep_password(password, &c->mem, &prepared)) {
		sasl_client_free(&c);
		return NULL;
	}
	c->user = str_dup(&c->mem, user);
	c->password = str_dup(&c->mem, prepared);
	c->scram.binding = str_dup(&c->mem, cb.data);
	c->scram.header = cb.flag == 'p' ? str_printf(&c->mem, "p=%s,,", cb.type) :
		str_printf(&c->mem, "%c,,", cb.flag);
	return c;
}

void sasl_client_free(struct sasl_client **c)
{
	if (!*c)
		return;
	if ((*c)->password.n)
		wipe((char *)(*c)->password.p, (*c)->password.n);
	arena_clear(&(*c)->mem);
	free(*c);
	*c = NULL;
}

void sasl_client_use_cache(struct sasl_client *c, struct sasl_client_cache *cache)
{
	c->cache = cache;
}

enum sasl_mech_id sasl_client_mech(const struct sasl_client *c)
{
	return c->mech;
}

void sasl_client_start(struct sasl_client *c, struct arena *a, struct str *out)
{
	BUG_ON(c->state != CLIENT_IDLE);
	c->state = CLIENT_STARTED;
	*out = STR("");
	if (mechs[c->mech].ops->start)
		mechs[c->mech].ops->start(c, a, out);
}

/* Whatever fails or ends: no further message is taken. */
static enum sasl_step client_step(struct sasl_client *c, enum sasl_step step)
{
	if (step != SASL_CONTINUE)
		c->state = CLIENT_ENDED;
	return step;
}

enum sasl_step sasl_client_next(struct sasl_client *c, struct str message, struct arena *a,
	struct str *out)
{
	const struct sasl_ops *ops = mechs[c->mech].ops;

	BUG_ON(c->state == CLIENT_IDLE);
	*out = STR("");
	if (c->state == CLIENT_ENDED || !ops->next || message.n > SASL_MESSAGE_MAX)
		return client_step(c, SASL_FAILED);
	return client_step(c, ops->next(c, message, a, out));
}

enum sasl_step sasl_client_success(struct sasl_client *c, struct str message, struct arena *a)
{
	const struct sasl_ops *ops = mechs[c->mech].ops;

	BUG_ON(c->state == CLIENT_IDLE);
	if (c->state == CLIENT_ENDED || message.n > SASL_MESSAGE_MAX)
		return client_step(c, SASL_FAILED);
	return client_step(c, ops->success ? ops->success(c, message, a) : SASL_DONE);
}
