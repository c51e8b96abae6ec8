#include "xml/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
	struct buf b;
	struct writer w;
};

static struct fixture begin(size_t max)
{
	struct fixture f;

	buf_init(&f.b, max);
	return f;
}

static void end(struct fixture *f, const char *want)
{
	assert_true(w_done(&f->w));
	assert_int_equal(f->b.n, strlen(want));
	assert_memory_equal(f->b.p, want, f->b.n);
	buf_clear(&f->b);
}

static void elements(void **state)
{
	struct fixture f = begin(1000);

	f.w = w_on(&f.b);
	w_open(&f.w, "iq");
	w_attr(&f.w, "type", STR("result"));
	w_attr(&f.w, "to", STR_NULL);
	w_attr(&f.w, "id", STR(""));
	w_open_ns(&f.w, "query", NS_LAST);
	w_attr_u64(&f.w, "seconds", 18446744073709551615u);
	w_close(&f.w);
	w_leaf(&f.w, "a", STR("x"));
	w_leaf(&f.w, "b", STR(""));
	w_open(&f.w, "c");
	w_raw(&f.w, STR("<d/>"));
	w_text(&f.w, STR("e"));
	w_close(&f.w);
	assert_false(w_done(&f.w));
	w_close(&f.w);
	end(&f, "<iq type='result' id=''><query xmlns='jabber:iq:last' "
		"seconds='18446744073709551615'/><a>x</a><b/><c><d/>e</c></iq>");
}

/* XML 1.0 sections 2.11 and 3.3.3: what a reader would not give back is written as a
 * reference. */
static void escapes(void **state)
{
	struct fixture f = begin(1000);

	f.w = w_on(&f.b);
	w_open(&f.w, "a");
	w_attr(&f.w, "b", STR("<>&'\"\t\n\r\xd0\xbf"));
	w_text(&f.w, STR("<>&'\"\t\n\r\xd0\xbf;"));
	w_close(&f.w);
	end(&f, "<a b='&lt;&gt;&amp;&apos;&quot;&#9;&#10;&#13;\xd0\xbf'>"
		"&lt;&gt;&amp;&apos;&quot;\t\n&#13;\xd0\xbf;</a>");
}

static void quiet_after_failure(void **state)
{
	struct fixture f = begin(5);

	f.w = w_on(&f.b);
	w_leaf(&f.w, "abc", STR("too much"));
	assert_false(w_done(&f.w));
	buf_clear(&f.b);
}

static void too_deep(void **state)
{
	struct fixture f = begin(1000);

	f.w = w_on(&f.b);
	for (unsigned i = 0; i < WRITER_DEPTH; i++)
		w_open(&f.w, "a");
	for (unsigned i = 0; i < WRITER_DEPTH; i++)
		w_close(&f.w);
	assert_true(w_done(&f.w));
	for (unsigned i = 0; i <= WRITER_DEPTH; i++)
		w_open(&f.w, "a");
	for (unsigned i = 0; i < WRITER_DEPTH; i++)
		w_close(&f.w);
	assert_false(w_done(&f.w));
	buf_clear(&f.b);
}

static void out_of_turn(void **state)
{
	struct fixture f = begin(1000);

	f.w = w_on(&f.b);
	w_close(&f.w);
	assert_false(w_done(&f.w));
	f.w = w_on(&f.b);
	w_open(&f.w, "a");
	w_text(&f.w, STR("x"));
	w_attr(&f.w, "b", STR("c"));
	w_close(&f.w);
	assert_false(w_done(&f.w));
	f.w = w_on(&f.b);
	w_attr_u64(&f.w, "b", 1);
	assert_false(w_done(&f.w));
	buf_clear(&f.b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements),
		cmocka_unit_test(escapes),
		cmocka_unit_test(quiet_after_failure),
		cmocka_unit_test(too_deep),
		cmocka_unit_test(out_of_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
