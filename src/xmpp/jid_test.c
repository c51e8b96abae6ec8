#include "xmpp/jid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state)
{
	arena_init(&arena, 4096);
	return 0;
}

static int teardown(void **state)
{
	arena_clear(&arena);
	return 0;
}

struct case_ {
	const char *name, *in;
	const char *out; /* NULL: refused */
};

static void assert_str(struct str got, const char *want, const char *name)
{
	if (!str_eq(got, str_c(want)))
		fail_msg("%s: got \"%.*s\", want \"%s\"", name, STR_FMT(got), want);
}

/* The canonical text is as wanted, and parses to itself without a copy or at least a change. */
static void check_parse(const struct case_ *c)
{
	struct jid j, again;
	bool ok = jid_parse(str_c(c->in), &arena, &j);

	if (!c->out) {
		if (ok)
			fail_msg("%s: taken as \"%.*s\"", c->name, STR_FMT(jid_str(j)));
		return;
	}
	if (!ok)
		fail_msg("%s: refused", c->name);
	assert_str(jid_str(j), c->out, c->name);
	assert_true(jid_parse(jid_str(j), &arena, &again));
	assert_true(jid_eq(j, again));
}

#define RUN(cases)                                                               \
	do {                                                                     \
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases)[0]; i++)    \
			check_parse(&(cases)[i]);                                \
	} while (0)

/* RFC 7622 section 3.5, table 1 and table 2 (18 is withdrawn by erratum 4560). */
static const struct case_ rfc7622[] = {
	{ "1", "juliet@example.com", "juliet@example.com" },
	{ "2", "juliet@example.com/foo", "juliet@example.com/foo" },
	{ "3", "juliet@example.com/foo bar", "juliet@example.com/foo bar" },
	{ "4", "juliet@example.com/foo@bar", "juliet@example.com/foo@bar" },
	{ "5", "foo\\20bar@example.com", "foo\\20bar@example.com" },
	{ "6", "fussball@example.com", "fussball@example.com" },
	{ "7", "fu\u00dfball@example.com", "fu\u00dfball@example.com" },
	{ "8", "\u03c0@example.com", "\u03c0@example.com" },
	{ "9", "\u03a3@example.com/foo", "\u03c3@example.com/foo" },
	{ "10", "\u03c3@example.com/foo", "\u03c3@example.com/foo" },
	{ "11", "\u03c2@example.com/foo", "\u03c2@example.com/foo" },
	{ "12", "king@example.com/\u265a", "king@example.com/\u265a" },
	{ "13", "example.com", "example.com" },
	{ "14", "example.com/foobar", "example.com/foobar" },
	{ "15", "a.example.com/b@example.net", "a.example.com/b@example.net" },
	{ "16", "\"juliet\"@example.com", NULL },
	{ "17", "foo bar@example.com", NULL },
	{ "18 (erratum 4560)", "juliet@example.com/ foo", "juliet@example.com/ foo" },
	{ "19", "@example.com/", NULL },
	{ "20", "henry\u2163@example.com", NULL },
	{ "21", "\u265a@example.com", NULL },
	{ "22", "juliet@", NULL },
	{ "23", "/foobar", NULL },
};

static void examples_of_rfc7622(void **state)
{
	RUN(rfc7622);
}

/* RFC 7622 section 3.1 and 3.2: where the parts end */
static const struct case_ splits[] = {
	{ "nothing", "", NULL },
	{ "two at signs", "a@b@c", NULL },
	{ "no localpart", "@b", NULL },
	{ "no domainpart", "a@", NULL },
	{ "no resourcepart", "a/", NULL },
	{ "no resourcepart behind both", "a@b/", NULL },
	{ "only a resourcepart", "/r", NULL },
	{ "only separators", "@/", NULL },
	{ "at sign in the resourcepart of a domain", "b/c@d", "b/c@d" },
	{ "slashes in the resourcepart", "a@b/c/d@e/", "a@b/c/d@e/" },
	{ "resourcepart that is a slash", "a@b//", "a@b//" },
	{ "single letters", "a@b/c", "a@b/c" },
	{ "host name alone", "localhost", "localhost" },
};

static void parts_are_split_at_the_first_slash(void **state)
{
	RUN(splits);
}

/* RFC 7622 section 3.3 with RFC 8265 section 3.3 */
static const struct case_ locals[] = {
	{ "upper case", "Juliet@b", "juliet@b" },
	{ "upper case beyond ASCII", "\u00c4RGER@b", "\u00e4rger@b" },
	{ "capital sharp s", "\u1e9e@b", "\u00df@b" },
	{ "sigma at the end of a word is no final sigma", "\u0391\u03a3@b", "\u03b1\u03c3@b" },
	{ "capital I with dot above: two code points", "\u0130@b", "i\u0307@b" },
	{ "composed", "a\u0308@b", "\u00e4@b" },
	{ "composed after case mapping", "A\u0308@b", "\u00e4@b" },
	{ "fullwidth letters", "\uff2a\uff55\uff4c@b", "jul@b" },
	{ "fullwidth at sign", "a\uff20b@c", NULL },
	{ "fullwidth solidus", "a\uff0fb@c", NULL },
	{ "fullwidth exclamation mark", "a\uff01@c", "a!@c" },
	{ "halfwidth katakana with a mark", "\uff76\uff9e@b", "\u30ac@b" },
	{ "ideographic space", "a\u3000b@c", NULL },
	{ "no-break space", "a\u00a0b@c", NULL },
	{ "ogham space", "a\u1680b@c", NULL },
	{ "quotation mark", "a\"@b", NULL },
	{ "ampersand", "a&@b", NULL },
	{ "apostrophe", "a'@b", NULL },
	{ "colon", "a:@b", NULL },
	{ "less-than sign", "a<@b", NULL },
	{ "greater-than sign", "a>@b", NULL },
	{ "all other punctuation", "!#$%()*+,-.;=?[\\]^_`{|}~@b", "!#$%()*+,-.;=?[\\]^_`{|}~@b" },
	{ "excluded character beside others", "\u00e4&@b", NULL },
	{ "tab", "a\t@b", NULL },
	{ "delete", "a\177@b", NULL },
	{ "C1 control", "a\xc2\x85@b", NULL },
	{ "soft hyphen", "a\u00adb@c", NULL },
	{ "zero width space", "a\u200bb@c", NULL },
	{ "left-to-right mark", "a\u200eb@c", NULL },
	{ "byte order mark", "\ufeff" "a@c", NULL },
	{ "variation selector", "a\ufe0f@c", NULL },
	{ "emoji", "\U0001f600@b", NULL },
	{ "infinity", "\u221e@b", NULL },
	{ "roman numeral", "\u2163@b", NULL },
	{ "ligature", "\ufb01@b", NULL },
	{ "superscript", "a\u00b2@b", NULL },
	{ "kelvin sign", "\u212a@b", NULL },
	{ "titlecase letter", "\u1f88@b", NULL },
	{ "old hangul jamo", "\u1100\u1161@b", NULL },
	{ "hangul", "\ud55c@b", "\ud55c@b" },
	{ "private use", "\ue000@b", NULL },
	{ "not a character", "\ufdd0@b", NULL },
	{ "unassigned", "\u0378@b", NULL },
	{ "tatweel", "\u0628\u0640\u0628@b", NULL },
	{ "cherokee", "\u13df\u13eb@b", "\uabaf\uabbb@b" },
	{ "hebrew", "\u05d0\u05d1@b", "\u05d0\u05d1@b" },
	{ "hebrew with digits behind", "\u05d0\u05d11@b", "\u05d0\u05d11@b" },
	{ "hebrew with digits before", "1\u05d0@b", NULL },
	{ "hebrew and latin", "\u05d0a@b", NULL },
	{ "latin and hebrew", "a\u05d0@b", NULL },
	{ "hebrew that ends with a hyphen", "\u05d0-@b", NULL },
	{ "hebrew with a point at the end", "\u05d0\u05b0@b", "\u05d0\u05b0@b" },
	{ "arabic", "\u0645\u0631@b", "\u0645\u0631@b" },
	{ "arabic with arabic-indic digits", "\u0645\u0661@b", "\u0645\u0661@b" },
	{ "arabic with both kinds of digits", "\u0645\u06611@b", NULL },
	{ "arabic-indic digit alone", "\u0661@b", NULL },
	{ "middle dot in Catalan", "col\u00b7lega@b", "col\u00b7lega@b" },
	{ "middle dot in upper case", "COL\u00b7LEGA@b", "col\u00b7lega@b" },
	{ "middle dot elsewhere", "a\u00b7b@c", NULL },
};

static void localparts_follow_username_case_mapped(void **state)
{
	RUN(locals);
}

/* RFC 7622 section 3.4 with RFC 8265 section 4.2 */
static const struct case_ resources[] = {
	{ "case is kept", "b/Balcony", "b/Balcony" },
	{ "all of printable ASCII", "b/ !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~",
		"b/ !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~" },
	{ "emoji", "b/\U0001f600", "b/\U0001f600" },
	{ "spaces at both ends", "b/ a ", "b/ a " },
	{ "no-break space", "b/a\u00a0b", "b/a b" },
	{ "ogham space", "b/a\u1680b", "b/a b" },
	{ "ideographic space", "b/\u3000", "b/ " },
	{ "en quad", "b/\u2000", "b/ " },
	{ "fullwidth is kept", "b/\uff21", "b/\uff21" },
	{ "composed", "b/A\u0308", "b/\u00c4" },
	{ "not recomposed: NFC excludes it", "b/\u0958", "b/\u0915\u093c" },
	{ "ligature is kept", "b/\ufb01", "b/\ufb01" },
	{ "roman numeral", "b/\u2163", "b/\u2163" },
	{ "ohm sign becomes omega", "b/\u2126", "b/\u03a9" },
	{ "no Bidi rule", "b/a\u05d0", "b/a\u05d0" },
	{ "ano teleia becomes a middle dot out of place", "b/a\u0387", NULL },
	{ "and one in place", "b/l\u0387l", "b/l\u00b7l" },
	{ "tab", "b/a\tb", NULL },
	{ "line feed", "b/a\n", NULL },
	{ "delete", "b/\177", NULL },
	{ "C1 control", "b/\xc2\x9b", NULL },
	{ "soft hyphen", "b/a\u00ad", NULL },
	{ "zero width joiner between emoji", "b/\U0001f468\u200d\U0001f469", NULL },
	{ "variation selector", "b/\u2764\ufe0f", NULL },
	{ "line separator", "b/\u2028", NULL },
	{ "old hangul jamo", "b/\u1100", NULL },
	{ "private use", "b/\ue000", NULL },
	{ "not a character", "b/\uffff", NULL },
	{ "unassigned", "b/\u0378", NULL },
	{ "overlong UTF-8", "b/\xc0\xaf", NULL },
	{ "surrogate", "b/\xed\xa0\x80", NULL },
	{ "cut UTF-8", "b/a\xc3", NULL },
};

static void resourceparts_follow_opaque_string(void **state)
{
	RUN(resources);
}

#define LABEL63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

/* RFC 7622 section 3.2 with IDNA2008 */
static const struct case_ domains[] = {
	{ "upper case", "Example.COM", "example.com" },
	{ "dot at the end", "example.com.", "example.com" },
	{ "dot at the end before a resource", "example.com./r", "example.com/r" },
	{ "two dots at the end", "example.com..", NULL },
	{ "a dot alone", ".", NULL },
	{ "dot at the front", ".example.com", NULL },
	{ "empty label", "example..com", NULL },
	{ "hyphens inside", "a-b--c.d", "a-b--c.d" },
	{ "hyphen at the front", "-a.b", NULL },
	{ "hyphen at the end", "a-.b", NULL },
	{ "hyphen at the end of the last label", "a.b-", NULL },
	{ "underscore", "_a.b", NULL },
	{ "space", "a b", NULL },
	{ "colon of a port", "a:5222", NULL },
	{ "longest label", LABEL63 ".com", LABEL63 ".com" },
	{ "too long a label", LABEL63 "x.com", NULL },
	{ "too long a label in upper case", LABEL63 "X.com", NULL },
	{ "253 bytes", LABEL63 "." LABEL63 "." LABEL63 ".a23456789.a23456789.a23456789."
		"a23456789.a23456789.a2345678901",
		LABEL63 "." LABEL63 "." LABEL63 ".a23456789.a23456789.a23456789."
		"a23456789.a23456789.a2345678901" },
	{ "254 bytes", LABEL63 "." LABEL63 "." LABEL63 ".a23456789.a23456789.a23456789."
		"a23456789.a23456789.a23456789012", NULL },
	{ "U-label", "b\u00fccher.example", "b\u00fccher.example" },
	{ "U-label in upper case", "B\u00dcCHER.example", "b\u00fccher.example" },
	{ "U-label, decomposed", "bu\u0308cher.example", "b\u00fccher.example" },
	{ "A-label", "xn--bcher-kva.example", "b\u00fccher.example" },
	{ "A-label in upper case", "XN--BCHER-KVA.Example", "b\u00fccher.example" },
	{ "A-label in a full address", "a@xn--bcher-kva.example/r", "a@b\u00fccher.example/r" },
	{ "A-label that is not Punycode", "xn--\u00fc.example", NULL },
	{ "A-label of ASCII", "xn--abc-.example", NULL },
	{ "A-label of nothing", "xn--.example", NULL },
	{ "A-label of a disallowed code point", "xn--ls8h.example", NULL },
	{ "A-label of upper case", "xn--bcher-2pa.example", NULL },
	{ "A-label of a roman numeral", "xn--t4g.example", NULL },
	{ "A-label of a decomposed letter", "xn--a-ccb.example", NULL },
	{ "sharp s is kept", "fa\u00df.example", "fa\u00df.example" },
	{ "its A-label", "xn--fa-hia.example", "fa\u00df.example" },
	{ "final sigma is kept", "\u03b2\u03cc\u03bb\u03bf\u03c2.example",
		"\u03b2\u03cc\u03bb\u03bf\u03c2.example" },
	{ "fullwidth", "\uff25xample.com", "example.com" },
	{ "fullwidth full stop", "example\uff0ecom", "example.com" },
	{ "ideographic full stop", "example\u3002com\uff61", "example.com" },
	{ "fullwidth solidus", "example\uff0fcom", NULL },
	{ "emoji", "\U0001f600.example", NULL },
	{ "soft hyphen", "a\u00adb.example", NULL },
	{ "roman numeral", "\u2163.example", NULL },
	{ "underscore beside a letter", "_\u00fc.example", NULL },
	{ "hyphens in places 3 and 4 of a U-label", "ab--\u00fc.example", NULL },
	{ "hyphen at the end of a U-label", "\u00fc-.example", NULL },
	{ "combining mark at the front", "\u0301a.example", NULL },
	{ "cherokee, in upper case", "\u13df\u13eb.example", "\u13df\u13eb.example" },
	{ "its A-label", "xn--ybey.example", "\u13df\u13eb.example" },
	{ "cherokee in lower case", "\uabaf\uabbb.example", NULL },
	{ "hebrew", "\u05d0\u05d1.example", "\u05d0\u05d1.example" },
	{ "hebrew and latin", "\u05d0a.example", NULL },
	{ "not UTF-8", "\xff.example", NULL },
	{ "IPv4", "a@192.0.2.1/r", "a@192.0.2.1/r" },
	{ "IPv6", "a@[2001:db8::1]/r", "a@[2001:db8::1]/r" },
	{ "IPv6 in another form (RFC 5952)", "[2001:0DB8:0:0:0:0:0:1]", "[2001:db8::1]" },
	{ "IPv6 with IPv4", "[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]" },
	{ "IPv6 without brackets", "2001:db8::1", NULL },
	{ "IPv6 with a zone", "[fe80::1%25eth0]", NULL },
	{ "brackets around nothing", "[]", NULL },
	{ "open bracket", "[", NULL },
	{ "bracket not closed", "[::1", NULL },
	{ "behind the brackets", "[::1]x", NULL },
	{ "IPv4 in brackets", "[192.0.2.1]", NULL },
	{ "too long for an address",
		"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]", NULL },
};

static void domainparts_follow_idna2008(void **state)
{
	RUN(domains);
}

static struct str repeat(const char *what, size_t times)
{
	size_t n = strlen(what);
	char *p = arena_alloc(&arena, n * times + 1);

	for (size_t i = 0; i < times; i++)
		memcpy(p + i * n, what, n);
	return str_from(p, n * times);
}

/* RFC 7622 section 3.1: 1 to 1,023 bytes each, counted after preparation */
static void parts_have_at_most_1023_bytes(void **state)
{
	static const struct {
		const char *name, *unit;
		size_t times;
		bool local, resource;
	} cases[] = {
		{ "1,023 ASCII", "a", 1023, true, true },
		{ "1,024 ASCII", "a", 1024, false, false },
		{ "1,023 upper case", "A", 1023, true, true },
		{ "1,024 upper case", "A", 1024, false, false },
		{ "1,022 bytes of two each", "\u00e4", 511, true, true },
		{ "1,024 bytes of two each", "\u00e4", 512, false, false },
		{ "1,533 bytes that compose to 1,022", "a\u0308", 511, true, true },
		{ "1,536 bytes that compose to 1,024", "a\u0308", 512, false, false },
		{ "3,069 bytes of fullwidth letters", "\uff41", 1023, true, false },
		{ "3,072 bytes of fullwidth letters", "\uff41", 1024, false, false },
		{ "3,069 bytes of spaces", "\u3000", 1023, false, true },
		{ "far too long", "a", 100000, false, false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str part = repeat(cases[i].unit, cases[i].times), out;
		if (jid_prep_local(part, &arena, &out) != cases[i].local ||
			jid_prep_resource(part, &arena, &out) != cases[i].resource)
			fail_msg("%s", cases[i].name);
	}
}

static void the_longest_address_has_all_parts_at_their_bound(void **state)
{
	struct str part = repeat("a", JID_PART_MAX);
	struct jid made = jid_make(&arena, part, STR("b.example"), part), got;

	assert_true(jid_parse(jid_str(made), &arena, &got));
	assert_true(jid_eq(made, got));
	assert_int_equal(got.n_local, JID_PART_MAX);
	assert_int_equal(got.n_resource, JID_PART_MAX);
}

static void a_nul_is_refused_in_every_part(void **state)
{
	static const struct str with_nul[] = {
		STR_INIT("a\0@b/c"), STR_INIT("a@b\0/c"), STR_INIT("a@b/c\0"), STR_INIT("\0"),
		STR_INIT("a@\u00fc\0/c"), STR_INIT("[::1\0]"), STR_INIT("a@xn--bcher-kva\0.b"),
	};
	struct jid j;

	for (size_t i = 0; i < sizeof with_nul / sizeof with_nul[0]; i++)
		assert_false(jid_parse(with_nul[i], &arena, &j));
}

/* RFC 8265 section 4.3: examples 12 to 18 */
static void passwords_follow_opaque_string(void **state)
{
	static const struct case_ cases[] = {
		{ "12", "correct horse battery staple", "correct horse battery staple" },
		{ "13", "Correct Horse Battery Staple", "Correct Horse Battery Staple" },
		{ "14", "\u03c0\u00df\u00e5", "\u03c0\u00df\u00e5" },
		{ "15", "Jack of \u2666s", "Jack of \u2666s" },
		{ "16", "foo\u1680bar", "foo bar" },
		{ "17", "", NULL },
		{ "18", "my cat is a \tby", NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str out;
		bool ok = jid_prep_password(str_c(cases[i].in), &arena, &out);
		assert_int_equal(ok, cases[i].out != NULL);
		if (ok)
			assert_str(out, cases[i].out, cases[i].name);
	}
	struct str out;
	assert_true(jid_prep_password(repeat("a", 1023), &arena, &out));
	assert_false(jid_prep_password(repeat("a", 1024), &arena, &out));
}

static void a_canonical_address_is_not_copied(void **state)
{
	static const char *const texts[] = {
		"example.com", "romeo@example.com", "example.com/r", "romeo@example.com/Or chard",
	};
	struct arena none;
	struct jid j;

	arena_init(&none, 64);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		assert_true(jid_parse(str_c(texts[i]), &none, &j));
		assert_ptr_equal(j.p, texts[i]);
	}
	assert_null(none.chunk);
}

static void views_give_the_parts(void **state)
{
	static const struct {
		const char *text, *local, *domain, *resource, *bare;
	} cases[] = {
		{ "a@b.c/d", "a", "b.c", "d", "a@b.c" },
		{ "a@b.c", "a", "b.c", "", "a@b.c" },
		{ "b.c/d", "", "b.c", "d", "b.c" },
		{ "b.c", "", "b.c", "", "b.c" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct jid j, made;
		assert_true(jid_parse(str_c(cases[i].text), &arena, &j));
		assert_str(jid_local(j), cases[i].local, cases[i].text);
		assert_str(jid_domain(j), cases[i].domain, cases[i].text);
		assert_str(jid_resource(j), cases[i].resource, cases[i].text);
		assert_str(jid_bare_str(j), cases[i].bare, cases[i].text);
		assert_str(jid_str(jid_bare(j)), cases[i].bare, cases[i].text);
		assert_int_equal(jid_is_bare(j), !*cases[i].resource);
		made = jid_make(&arena, jid_local(j), jid_domain(j), jid_resource(j));
		assert_true(jid_eq(made, j));
		assert_true(made.p != j.p);
		assert_true(jid_eq(jid_dup(&arena, j), j));
	}
}

static void equality_is_of_bytes(void **state)
{
	struct jid a, b, c;

	assert_true(jid_parse(STR("Romeo@Example.com/Orchard"), &arena, &a));
	assert_true(jid_parse(STR("romeo@example.com/orchard"), &arena, &b));
	assert_true(jid_parse(STR("example.com/orchard"), &arena, &c));
	assert_false(jid_eq(a, b));
	assert_true(jid_eq_bare(a, b));
	assert_false(jid_eq_bare(b, c));
	assert_false(jid_is_set(jid_dup(&arena, (struct jid){ 0 })));
	assert_true(jid_is_set(jid_dup(&arena, a)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_rfc7622),
		cmocka_unit_test(parts_are_split_at_the_first_slash),
		cmocka_unit_test(localparts_follow_username_case_mapped),
		cmocka_unit_test(resourceparts_follow_opaque_string),
		cmocka_unit_test(domainparts_follow_idna2008),
		cmocka_unit_test(parts_have_at_most_1023_bytes),
		cmocka_unit_test(the_longest_address_has_all_parts_at_their_bound),
		cmocka_unit_test(a_nul_is_refused_in_every_part),
		cmocka_unit_test(passwords_follow_opaque_string),
		cmocka_unit_test(a_canonical_address_is_not_copied),
		cmocka_unit_test(views_give_the_parts),
		cmocka_unit_test(equality_is_of_bytes),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
