#include "net/ascii.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void domains_are_turned_into_a_labels(void **state)
{
	static const struct {
		struct str in;
		const char *out; /* NULL: none */
	} cases[] = {
		{ STR_INIT("a.example"), "a.example" },
		{ STR_INIT("A.eXaMPLE"), "a.example" },
		{ STR_INIT("xn--bcher-kva.example"), "xn--bcher-kva.example" },
		{ STR_INIT("bücher.example"), "xn--bcher-kva.example" },
		{ STR_INIT("Bücher.Example"), "xn--bcher-kva.example" },
		{ STR_INIT("rooms.bücher.example"), "rooms.xn--bcher-kva.example" },
		{ STR_INIT("faß.example"), "xn--fa-hia.example" }, /* IDNA2008, not 2003 */
		{ STR_INIT("例え.テスト"), "xn--r8jz45g.xn--zckzah" },
		{ STR_INIT("my_host.example"), "my_host.example" },
		{ STR_INIT("192.0.2.1"), "192.0.2.1" },
		{ STR_INIT(""), NULL },
		{ STR_INIT("a\0b.example"), NULL },
		{ STR_INIT("ü\0.example"), NULL },
		{ STR_INIT("\xff.example"), NULL },
		{ STR_INIT("\xcc\x88.example"), NULL }, /* RFC 5891 section 4.2.3.2 */
		{ STR_INIT("ü" A63 ".example"), NULL },
		{ STR_INIT(A63 "." A63 "." A63 "." A63), NULL },
		{ STR_INIT("ü." A63 "." A63 "." A63 "." A63), NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char out[ASCII_DOMAIN_MAX + 1];
		struct str got = ascii_domain(cases[i].in, out);

		if (!str_eq(got, str_c(cases[i].out)))
			fail_msg("%zu: \"%.*s\"", i, STR_FMT(got));
		if (got.n)
			assert_int_equal(got.p[got.n], '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(domains_are_turned_into_a_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
