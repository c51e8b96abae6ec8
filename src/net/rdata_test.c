#include "net/rdata.h"

#include "net/testing.h"

static void test_srv(void **state)
{
	static const char head[] = "\0\1\2\3\24\225";
	static const struct {
		const char *what;
		struct str name;
		const char *target; /* NULL: refused */
	} cases[] = {
		{ "a name", STR_INIT("\4Host\7EXAMPLE\0"), "host.example" },
		{ "the root", STR_INIT("\0"), "" },
		{ "digits, hyphens, underscores", STR_INIT("\5a_1-b\1z\0"), "a_1-b.z" },
		{ "no end", STR_INIT("\4host"), NULL },
		{ "nothing", STR_INIT(""), NULL },
		{ "a label longer than the rest", STR_INIT("\5host"), NULL },
		{ "bytes behind the end", STR_INIT("\4host\0\0"), NULL },
		{ "bytes behind the root", STR_INIT("\0\4host"), NULL },
		{ "a pointer", STR_INIT("\4host\300\14"), NULL },
		{ "a pointer alone", STR_INIT("\300\6"), NULL },
		{ "a label of an unknown type", STR_INIT("\100host\0"), NULL },
		{ "a dot in a label", STR_INIT("\4ho.t\0"), NULL },
		{ "a NUL in a label", STR_INIT("\4ho\0t\0"), NULL },
		{ "a space", STR_INIT("\4ho t\0"), NULL },
		{ "not ASCII", STR_INIT("\4h\303\266t\0"), NULL },
	};
	char bytes[64];

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct srv s;
		memcpy(bytes, head, 6);
		memcpy(bytes + 6, cases[i].name.p, cases[i].name.n);
		bool ok = rdata_srv(str_from(bytes, 6 + cases[i].name.n), &s);
		if (ok != (cases[i].target != NULL))
			fail_msg("%s", cases[i].what);
		if (!ok)
			continue;
		assert_string_equal(s.target, cases[i].target);
		assert_int_equal(s.priority, 1);
		assert_int_equal(s.weight, 0x203);
		assert_int_equal(s.port, 5269);
	}
}

/* Whatever is cut off makes it wrong. */
static void test_srv_cut(void **state)
{
	struct str whole = STR("\0\1\0\0\24\225\4host\7example\0");
	struct srv s;

	for (size_t n = 0; n < whole.n; n++)
		assert_false(rdata_srv(str_head(whole, n), &s));
	assert_true(rdata_srv(whole, &s));
}

/* RFC 1035 section 2.3.4: 63 bytes a label, 255 on the wire, which are 253 as text. */
static void test_srv_longest(void **state)
{
	struct buf b;
	struct srv s;

	buf_init(&b, 1024);
	for (size_t last = 61; last <= 63; last++) {
		buf_reset(&b);
		buf_lit(&b, "\0\1\0\0\24\225");
		for (int i = 0; i < 3; i++)
			for (int k = 0; k < 64; k++)
				buf_byte(&b, k ? 'a' : 63);
		buf_byte(&b, (char)last);
		for (size_t k = 0; k < last; k++)
			buf_byte(&b, 'z');
		buf_byte(&b, '\0');
		assert_int_equal(rdata_srv(buf_str(&b), &s), last == 61);
		if (last == 61)
			assert_int_equal(strlen(s.target), DNS_NAME_MAX);
	}
	buf_clear(&b);
}

static void test_tlsa(void **state)
{
	struct str whole = STR("\3\1\2data");
	struct tls_tlsa t;

	for (size_t n = 0; n < 4; n++)
		assert_false(rdata_tlsa(str_head(whole, n), &t));
	assert_true(rdata_tlsa(whole, &t));
	assert_int_equal(t.usage, 3);
	assert_int_equal(t.selector, 1);
	assert_int_equal(t.matching, 2);
	assert_true(str_eq(t.data, STR("data")));
}

static void test_address(void **state)
{
	struct str bytes = STR("\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1\0\0");
	struct sockaddr_storage at;

	for (size_t n = 0; n <= bytes.n; n++) {
		assert_int_equal(rdata_address(DNS_A, str_head(bytes, n), 5269, &at),
			n == 4 ? sizeof(struct sockaddr_in) : 0);
		assert_int_equal(rdata_address(DNS_AAAA, str_head(bytes, n), 5269, &at),
			n == 16 ? sizeof(struct sockaddr_in6) : 0);
		assert_int_equal(rdata_address(DNS_TLSA, str_head(bytes, n), 5269, &at), 0);
	}
}

static void test_reach(void **state)
{
	static const struct {
		const char *address;
		enum reach reach;
	} cases[] = {
		{ "0.0.0.0", REACH_NOBODY }, { "0.255.255.255", REACH_NOBODY },
		{ "1.0.0.0", REACH_OTHERS }, { "10.0.0.1", REACH_OTHERS },
		{ "126.255.255.255", REACH_OTHERS }, { "127.0.0.0", REACH_HERE },
		{ "127.255.255.255", REACH_HERE }, { "128.0.0.0", REACH_OTHERS },
		{ "169.253.255.255", REACH_OTHERS }, { "169.254.0.0", REACH_LINK },
		{ "169.254.255.255", REACH_LINK }, { "169.255.0.0", REACH_OTHERS },
		{ "192.168.0.1", REACH_OTHERS }, { "223.255.255.255", REACH_OTHERS },
		{ "224.0.0.0", REACH_NOBODY }, { "255.255.255.255", REACH_NOBODY },
		{ "::", REACH_NOBODY }, { "::1", REACH_HERE }, { "::2", REACH_NOBODY },
		{ "::ffff:10.0.0.1", REACH_NOBODY }, { "::10.0.0.1", REACH_NOBODY },
		{ "2001:db8::1", REACH_OTHERS }, { "fd00::1", REACH_OTHERS },
		{ "fe7f::1", REACH_OTHERS }, { "fe80::1", REACH_LINK }, { "febf::1", REACH_LINK },
		{ "fec0::1", REACH_OTHERS }, { "ff02::1", REACH_NOBODY },
	};
	struct sockaddr_storage at = { .ss_family = AF_UNIX };
	char bytes[16];

	assert_int_equal(address_reach(&at), REACH_NOBODY);
	for (size_t i = 0; i < N_OF(cases); i++) {
		bool v4 = inet_pton(AF_INET, cases[i].address, bytes) == 1;
		assert_true(v4 || inet_pton(AF_INET6, cases[i].address, bytes) == 1);
		struct str rdata = str_from(bytes, v4 ? 4 : 16);
		assert_true(rdata_address(v4 ? DNS_A : DNS_AAAA, rdata, 1, &at));
		if (address_reach(&at) != cases[i].reach)
			fail_msg("%s", cases[i].address);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_srv),
		cmocka_unit_test(test_srv_cut),
		cmocka_unit_test(test_srv_longest),
		cmocka_unit_test(test_tlsa),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_reach),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
