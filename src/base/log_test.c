#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define WHEN 1795428672345678u /* 2026-11-23T10:11:12.345678Z */

static char line[4096];

static void assert_line(struct str got, const char *want)
{
	if (!str_eq(got, str_c(want)))
		fail_msg("\n got %.*s\nwant %s", STR_FMT(got), want);
}

static struct str in_format(enum log_format f, const struct log *log, struct log_field field)
{
	size_t n = log_line(line, sizeof line, f, WHEN, log, LOG_INFO, "bind", &field, 1);

	return str_from(line, n);
}

/* One field in both formats; values that could forge a line are quoted and escaped. */
static void values_are_escaped(void **state)
{
	static const struct {
		struct str value;
		const char *text, *json;
	} cases[] = {
		{ STR_INIT("a@b/c"), "a@b/c", "\"a@b/c\"" },
		{ STR_INIT(""), "\"\"", "\"\"" },
		{ STR_INIT("a b"), "\"a b\"", "\"a b\"" },
		{ STR_INIT("a=b"), "\"a=b\"", "\"a=b\"" },
		{ STR_INIT("a\nb"), "\"a\\u000ab\"", "\"a\\u000ab\"" },
		{ STR_INIT("a\0b"), "\"a\\u0000b\"", "\"a\\u0000b\"" },
		{ STR_INIT("\""), "\"\\\"\"", "\"\\\"\"" },
		{ STR_INIT("\\"), "\"\\\\\"", "\"\\\\\"" },
		{ STR_INIT("\033[2J"), "\"\\u001b[2J\"", "\"\\u001b[2J\"" },
		{ STR_INIT("\177"), "\"\\u007f\"", "\"\\u007f\"" },
		{ STR_INIT("\xc3\xa4"), "\"\xc3\xa4\"", "\"\xc3\xa4\"" },
		{ STR_INIT("\xc2\x9b"), "\"\\u009b\"", "\"\\u009b\"" },
		{ STR_INIT("\xe2\x80\xae"), "\"\\u202e\"", "\"\\u202e\"" },
		{ STR_INIT("\xe2\x80\xa8"), "\"\\u2028\"", "\"\\u2028\"" },
		{ STR_INIT("a\xff\xc3"), "\"a\\ufffd\\ufffd\"", "\"a\\ufffd\\ufffd\"" },
	};
	char want[256];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		snprintf(want, sizeof want, "2026-11-23T10:11:12.345Z info  bind to=%s\n",
			cases[i].text);
		assert_line(in_format(LOG_TEXT, NULL, F_STR("to", cases[i].value)), want);
		snprintf(want, sizeof want, "{\"time\":\"2026-11-23T10:11:12.345Z\","
			"\"level\":\"info\",\"event\":\"bind\",\"to\":%s}\n", cases[i].json);
		assert_line(in_format(LOG_JSON, NULL, F_STR("to", cases[i].value)), want);
	}
}

static void numbers_and_missing_texts(void **state)
{
	assert_line(in_format(LOG_TEXT, NULL, F_INT("n", -7)),
		"2026-11-23T10:11:12.345Z info  bind n=-7\n");
	assert_line(in_format(LOG_TEXT, NULL, F_INT("n", INT64_MIN)),
		"2026-11-23T10:11:12.345Z info  bind n=-9223372036854775808\n");
	assert_line(in_format(LOG_TEXT, NULL, F_STR("s", STR_NULL)),
		"2026-11-23T10:11:12.345Z info  bind s=\"\"\n");
	assert_line(in_format(LOG_TEXT, NULL, F_C("s", NULL)),
		"2026-11-23T10:11:12.345Z info  bind s=\"\"\n");
	assert_line(in_format(LOG_TEXT, NULL, F_C("s", "x")),
		"2026-11-23T10:11:12.345Z info  bind s=x\n");
}

static void the_context_comes_first_from_the_outside(void **state)
{
	struct log shard = { NULL, F_INT("shard", 3) }, none = { &shard, { 0 } };
	struct log session = { &none, F_C("jid", "a@b") };

	assert_line(in_format(LOG_TEXT, &session, F_C("resource", "c")),
		"2026-11-23T10:11:12.345Z info  bind shard=3 jid=a@b resource=c\n");
	assert_line(in_format(LOG_JSON, &session, F_C("resource", "c")),
		"{\"time\":\"2026-11-23T10:11:12.345Z\",\"level\":\"info\",\"event\":\"bind\","
		"\"shard\":3,\"jid\":\"a@b\",\"resource\":\"c\"}\n");
}

static const char *json_string(const char *p)
{
	if (*p++ != '"')
		return NULL;
	while (*p != '"') {
		if ((unsigned char)*p < ' ')
			return NULL;
		if (*p++ != '\\')
			continue;
		if (*p == 'u') {
			if (strspn(p + 1, "0123456789abcdef") < 4)
				return NULL;
			p += 5;
		} else if (*p == '"' || *p == '\\') {
			p++;
		} else {
			return NULL;
		}
	}
	return p + 1;
}

/* A whole line of JSON as it is written here: one object of texts and numbers. */
static bool is_json_line(const char *p)
{
	if (*p != '{')
		return false;
	do {
		p = json_string(p + 1);
		if (!p || *p++ != ':')
			return false;
		p = *p == '"' ? json_string(p) : p + strspn(p, "-0123456789");
		if (!p)
			return false;
	} while (*p == ',');
	return strcmp(p, "}\n") == 0;
}

/* Wherever a line is cut, it stays one line, and JSON stays JSON. */
static void a_cut_line_is_still_a_line(void **state)
{
	const struct log_field fields[] = {
		F_C("plain", "abcdef"), F_C("quoted", "a \"b\\\x01\xc3\xa4\xff"), F_INT("n", 12345),
		F_C("last", "x y"),
	};
	size_t whole = log_line(line, sizeof line, LOG_JSON, WHEN, NULL, LOG_WARN, "e", fields, 4);

	for (size_t max = 80; max <= whole + 2; max++) {
		memset(line, 'X', sizeof line);
		size_t n = log_line(line, max, LOG_JSON, WHEN, NULL, LOG_WARN, "e", fields, 4);
		assert_true(n <= max);
		assert_int_equal(line[max], 'X');
		line[n] = '\0';
		if (!is_json_line(line))
			fail_msg("%zu: %s", max, line);
		n = log_line(line, max, LOG_TEXT, WHEN, NULL, LOG_WARN, "e", fields, 4);
		assert_true(n <= max);
		line[n] = '\0';
		assert_ptr_equal(strchr(line, '\n'), line + n - 1);
	}
	assert_int_equal(log_line(line, whole + 2, LOG_JSON, WHEN, NULL, LOG_WARN, "e", fields, 4),
		whole);
}

static void a_long_value_is_cut_and_not_left_out(void **state)
{
	char value[3000];
	struct str got;

	memset(value, 'v', sizeof value);
	const struct log_field field = F_STR("k", str_from(value, sizeof value));
	got = str_from(line, log_line(line, 200, LOG_TEXT, WHEN, NULL, LOG_ERROR, "e", &field, 1));
	assert_in_range(got.n, 195, 200);
	got = str_from(line, log_line(line, 200, LOG_JSON, WHEN, NULL, LOG_ERROR, "e", &field, 1));
	assert_in_range(got.n, 195, 200);
}

static void the_lowest_level_is_kept(void **state)
{
	log_setup(LOG_WARN, LOG_TEXT);
	assert_false(log_wants(LOG_DEBUG));
	assert_false(log_wants(LOG_INFO));
	assert_true(log_wants(LOG_WARN));
	assert_true(log_wants(LOG_ERROR));
	log_setup(LOG_DEBUG, LOG_JSON);
	assert_true(log_wants(LOG_DEBUG));
	log_setup(LOG_INFO, LOG_TEXT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_escaped),
		cmocka_unit_test(numbers_and_missing_texts),
		cmocka_unit_test(the_context_comes_first_from_the_outside),
		cmocka_unit_test(a_cut_line_is_still_a_line),
		cmocka_unit_test(a_long_value_is_cut_and_not_left_out),
		cmocka_unit_test(the_lowest_level_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
