/* SASL: a server's or a client's machine gets arbitrary messages.
 *
 * The input is lines. The first has three characters: s or c for the side, a digit for the
 * mechanism (enum sasl_mech_id), a digit for options. The others are the messages of the peer
 * in their order. Nonces are fixed ("S" and "C"), so that seeds can hold whole exchanges. */
#include "base/bug.h"
#include "xmpp/jid.h"
#include "xmpp/sasl_private.h"

#define ROUNDS     4096
#define ROUNDS_MAX 4999 /* of challenges that are given to a client: it derives keys */

enum option {
	NO_INITIAL = 1, /* <auth/> without an initial response; the first message comes next */
	NOBODY = 2,     /* the account doesn't exist; nobody can know the client's password */
	BOUND = 4       /* there is channel binding, and -PLUS is offered */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str take_line(struct str *rest)
{
	ptrdiff_t at = str_find(*rest, '\n');
	struct str line = at < 0 ? *rest : str_head(*rest, (size_t)at);

	*rest = str_skip(*rest, line.n + 1);
	return line;
}

static const struct sasl_binding binding = {
	.exporter = STR_INIT("exporter"),
	.end_point = STR_INIT("end-point"),
	.unique = STR_INIT("unique"),
	.unique_defined = true,
};

/* Keys of "pencil", derived once. */
static const struct scram_keys *real_keys(void)
{
	static struct scram_keys keys;
	uint8_t client[DIGEST_MAX];

	for (enum digest d = 0; d < DIGEST_COUNT && !keys.of[d].rounds; d++) {
		struct scram_key *k = &keys.of[d];
		*k = (struct scram_key){ .rounds = ROUNDS, .n_salt = 4, .salt = "salt" };
		scram_derive(d, STR("pencil"), STR("salt"), ROUNDS, client, k->server);
		digest_of(d, str_of_bytes(client, digest_len(d)), k->stored);
	}
	return &keys;
}

/* What holds after each step of a server. */
static void check_server(const struct sasl_server *s, enum sasl_step step, struct str out,
	unsigned options, struct arena *a)
{
	struct str user = sasl_server_user(s), again;

	BUG_ON(user.n && (!jid_prep_local(user, a, &again) || !str_eq(user, again)));
	BUG_ON((step == SASL_KEYS || step == SASL_CHECK) != (s->state == SERVER_AWAITS_KEYS ||
		s->state == SERVER_AWAITS_CHECK));
	BUG_ON((step == SASL_KEYS || step == SASL_CHECK) && (!user.n || out.n));
	BUG_ON((step == SASL_CHECK) != (sasl_server_password(s).n > 0));
	BUG_ON(step == SASL_FAILED && (sasl_server_failure(s) >= SASL_FAILURE_COUNT || out.n));
	if (step != SASL_DONE)
		return;
	BUG_ON(options & NOBODY && sasl_server_mech(s) != MECH_ANONYMOUS);
	if (sasl_mech_digest(sasl_server_mech(s)) == DIGEST_COUNT)
		return;
	/* The binding that was shown is the one of the header, and the right one. */
	BUG_ON(sasl_mech_is_plus(sasl_server_mech(s)) != str_starts(s->scram.header, STR("p=")));
	BUG_ON(str_starts(s->scram.header, STR("y")) && options & BOUND);
	BUG_ON(!str_starts(out, STR("v=")));
}

static enum sasl_step answer(struct sasl_server *s, enum sasl_step step, unsigned options,
	struct arena *a, struct str *out)
{
	struct scram_keys fake;

	if (step == SASL_CHECK)
		return sasl_server_checked(s, !(options & NOBODY) &&
			str_eq(sasl_server_password(s), STR("pencil")));
	if (step != SASL_KEYS)
		return step;
	if (!(options & NOBODY))
		return sasl_server_keys(s, real_keys(), true, a, out);
	scram_keys_fake(STR("secret"), sasl_server_user(s), &fake);
	return sasl_server_keys(s, &fake, false, a, out);
}

static void drive_server(enum sasl_mech_id m, unsigned options, struct str rest, struct arena *a)
{
	struct sasl_policy policy = { .offered = (1u << MECH_COUNT) - 1,
		.domain = STR("example.com"),
		.cert_jids = { STR_INIT("a@example.com"), STR_INIT("b@example.com") },
		.n_cert_jids = 2 };
	struct sasl_server *s;
	struct str out;

	if (options & BOUND)
		policy.binding = binding;
	else
		policy.offered &= ~SASL_PLUS_MECHS;
	s = sasl_server_new(&policy);
	s->test_nonce = STR("S");
	bool initial = !(options & NO_INITIAL);
	enum sasl_step step = sasl_server_start(s, sasl_mech_name(m),
		initial ? take_line(&rest) : STR(""), initial, a, &out);
	for (;;) {
		check_server(s, step, out, options, a);
		out = STR("");
		enum sasl_step then = answer(s, step, options, a, &out);
		if (then != step)
			check_server(s, then, out, options, a);
		if (then == SASL_DONE || !rest.n)
			break;
		/* After a failure the next message is a new try. */
		step = then == SASL_FAILED ?
			sasl_server_start(s, sasl_mech_name(m), take_line(&rest), true, a, &out) :
			sasl_server_next(s, take_line(&rest), a, &out);
	}
	sasl_server_free(&s);
}

/* Whether a challenge would keep a client busy for long. */
static bool is_slow(struct str message)
{
	uint64_t n = 0;

	for (size_t i = 0; i + 2 < message.n; i++) {
		if (message.p[i] != 'i' || message.p[i + 1] != '=')
			continue;
		size_t len = 0;
		struct str digits = str_skip(message, i + 2);
		while (len < digits.n && digits.p[len] >= '0' && digits.p[len] <= '9')
			len++;
		if (len && !str_to_u64(str_head(digits, len), ROUNDS_MAX, &n))
			return true;
	}
	return false;
}

static void drive_client(enum sasl_mech_id m, unsigned options, struct str rest, struct arena *a)
{
	struct str password = options & NOBODY ? STR("of nobody") : STR("pencil"), out;
	struct sasl_client *c = sasl_client_new(1u << m,
		m == MECH_ANONYMOUS ? STR("") : STR("user"), password,
		options & BOUND ? &binding : NULL, true, false);

	if (!c)
		return;
	BUG_ON(sasl_client_mech(c) != m);
	c->test_nonce = STR("C");
	sasl_client_start(c, a, &out);
	BUG_ON(out.n > SASL_MESSAGE_MAX);
	enum sasl_step step = SASL_CONTINUE;
	while (step == SASL_CONTINUE) {
		struct str message = take_line(&rest);
		if (is_slow(message))
			break;
		if (rest.n) {
			step = sasl_client_next(c, message, a, &out);
			BUG_ON(step != SASL_CONTINUE && (step != SASL_FAILED || out.n));
			continue;
		}
		step = sasl_client_success(c, message, a);
		BUG_ON(step != SASL_DONE && step != SASL_FAILED);
		BUG_ON(step == SASL_DONE && options & NOBODY &&
			sasl_mech_digest(m) != DIGEST_COUNT);
	}
	if (step == SASL_FAILED)
		BUG_ON(sasl_client_success(c, STR(""), a) != SASL_FAILED);
	sasl_client_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_from((const char *)data, size), head = take_line(&rest);
	struct arena a;

	if (head.n != 3)
		return 0;
	enum sasl_mech_id m = (unsigned char)head.p[1] % MECH_COUNT;
	unsigned options = head.p[2] & (NO_INITIAL | NOBODY | BOUND);
	arena_init(&a, 4096);
	if (head.p[0] == 's')
		drive_server(m, options, rest, &a);
	else
		drive_client(m, options, rest, &a);
	arena_clear(&a);
	return 0;
}
