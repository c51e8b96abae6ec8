/* Addresses: what is prepared stays as it is when prepared again, parts keep their bounds and
 * separators, and the short way for ASCII gives what the long way gives. */
#include "base/bug.h"
#include "base/utf8.h"
#include "xmpp/jid.h"
#include "xmpp/prep.h"

typedef bool profile(struct str s, struct arena *a, struct str *out);

/* RFC 7622 section 3.3.1 */
static bool has_excluded(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (strchr("\"&'/:<>@", s.p[i]) && s.p[i])
			return true;
	return false;
}

static bool long_local(struct str s, struct arena *a, struct str *out)
{
	return prep_username(s, a, out) && !has_excluded(*out);
}

/* RFC 8264 section 7, and the long way next to the short one. */
static void check_profile(profile *prep, profile *long_way, struct str in, struct arena *a)
{
	struct str out, other, again;
	bool ok = prep(in, a, &out);
	bool other_ok = long_way(in, a, &other) && other.n <= JID_PART_MAX;

	BUG_ON(ok != other_ok);
	if (!ok)
		return;
	BUG_ON(!str_eq(out, other));
	BUG_ON(out.n == 0 || out.n > JID_PART_MAX || !utf8_valid(out));
	BUG_ON(!prep(out, a, &again) || !str_eq(out, again));
}

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

static void check_case(profile *prep, struct str in, struct arena *a)
{
	struct str upper = str_dup(a, in), out, other;
	char *p = (char *)upper.p;

	for (size_t i = 0; i < in.n; i++)
		if (p[i] >= 'a' && p[i] <= 'z')
			p[i] -= 'a' - 'A';
	bool ok = prep(in, a, &out);
	BUG_ON(ok != prep(upper, a, &other));
	BUG_ON(ok && !str_eq(out, other));
}

static void check_address(struct str in, struct arena *a)
{
	struct jid j, again;

	if (!jid_parse(in, a, &j))
		return;
	BUG_ON(!j.n_domain || j.n_domain > JID_PART_MAX || j.n_local > JID_PART_MAX ||
		j.n_resource > JID_PART_MAX || jid_str(j).n > JID_MAX);
	BUG_ON(has_excluded(jid_local(j)));
	BUG_ON(str_find(jid_domain(j), '/') >= 0 || str_find(jid_domain(j), '@') >= 0);
	BUG_ON(!utf8_valid(jid_str(j)));
	BUG_ON(!jid_parse(jid_str(j), a, &again) || !jid_eq(j, again));
	BUG_ON(again.n_local != j.n_local || again.n_domain != j.n_domain);
	again = jid_make(a, jid_local(j), jid_domain(j), jid_resource(j));
	BUG_ON(!jid_eq(j, again));
	/* Nothing is copied; but literals and labels like "ab--c" go the long way. */
	if (is_ascii(jid_str(j)) && *jid_domain(j).p != '[' &&
		!memmem(jid_domain(j).p, j.n_domain, "--", 2))
		BUG_ON(!jid_parse(jid_str(j), a, &again) || again.p != j.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_from((const char *)data, size);
	struct arena a;

	arena_init(&a, 16384);
	check_address(in, &a);
	check_profile(jid_prep_local, long_local, in, &a);
	check_profile(jid_prep_domain, prep_domain, in, &a);
	check_profile(jid_prep_resource, prep_opaque, in, &a);
	check_profile(jid_prep_password, prep_opaque, in, &a);
	if (is_ascii(in)) {
		check_case(jid_prep_local, in, &a);
		check_case(jid_prep_domain, in, &a);
	}
	arena_clear(&a);
	return 0;
}
