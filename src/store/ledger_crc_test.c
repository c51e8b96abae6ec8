/* CRC-32C: known sums, both ways of computing it, and in pieces. */
#include "store/ledger_crc.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct {
	const char *name;
	unsigned char first, step; /* of 32 bytes */
	uint32_t sum;
} cases[] = {
	/* RFC 3720 appendix B.4, in the byte order of a little-endian number */
	{ "32 bytes of zeros", 0x00, 0, 0x8a9136aa },
	{ "32 bytes of ones", 0xff, 0, 0x62a8ab43 },
	{ "32 bytes counting up", 0x00, 1, 0x46dd794e },
	{ "32 bytes counting down", 0x1f, 0xff, 0x113fdb5c },
};

static void test_known(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		unsigned char bytes[32];
		for (unsigned k = 0; k < 32; k++)
			bytes[k] = (unsigned char)(cases[i].first + k * cases[i].step);
		print_message("%s\n", cases[i].name);
		assert_int_equal(crc32c(0, bytes, 32), cases[i].sum);
		assert_int_equal(crc32c_by_table(0, bytes, 32), cases[i].sum);
	}
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(0, "", 0), 0);
}

static void test_pieces(void **state)
{
	unsigned char bytes[100];

	for (unsigned i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(i * 37 + 11);
	for (size_t from = 0; from < 9; from++)
		for (size_t n = 0; from + n <= sizeof bytes; n++) {
			uint32_t sum = crc32c(7, bytes + from, n);
			assert_int_equal(crc32c_by_table(7, bytes + from, n), sum);
			for (size_t cut = 0; cut <= n; cut += 5) {
				uint32_t part = crc32c(7, bytes + from, cut);
				assert_int_equal(crc32c(part, bytes + from + cut, n - cut), sum);
				part = crc32c_by_table(7, bytes + from, cut);
				assert_int_equal(crc32c_by_table(part, bytes + from + cut,
					n - cut), sum);
			}
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
