#include "xmpp/stanza.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ERRORS "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"

static struct arena arena;
static struct xml_table table;
static struct buf out;

static int setup(void **state)
{
	arena_init(&arena, 4096);
	buf_init(&out, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	arena_clear(&arena);
	xml_table_clear(&table);
	buf_clear(&out);
	return 0;
}

static struct jid jid(const char *text)
{
	struct jid j = { 0 };

	if (text)
		assert_true(jid_parse(str_c(text), &arena, &j));
	return j;
}

static struct stanza *scan(const char *xml)
{
	struct stanza *s = stanza_scan(&table, str_c(xml), &arena);

	if (!s)
		fail_msg("no stanza: %s", xml);
	return s;
}

static void assert_out(const char *want, const char *name)
{
	assert_true(buf_ok(&out));
	if (!str_eq(buf_str(&out), str_c(want)))
		fail_msg("%s:\n got %.*s\nwant %s", name, STR_FMT(buf_str(&out)), want);
	buf_reset(&out);
}

/* RFC 6120 section 8.2, RFC 6121 sections 4.7.1 and 5.2.2 */
static void kinds_and_types_are_known(void **state)
{
	static const struct {
		const char *xml;
		enum stanza_kind kind;
		enum stanza_type type;
	} cases[] = {
		{ "<message/>", STANZA_MESSAGE, MESSAGE_NORMAL },
		{ "<message type='normal'/>", STANZA_MESSAGE, MESSAGE_NORMAL },
		{ "<message type='chat'/>", STANZA_MESSAGE, MESSAGE_CHAT },
		{ "<message type='groupchat'/>", STANZA_MESSAGE, MESSAGE_GROUPCHAT },
		{ "<message type='headline'/>", STANZA_MESSAGE, MESSAGE_HEADLINE },
		{ "<message type='error'/>", STANZA_MESSAGE, MESSAGE_ERROR },
		{ "<message type='set'/>", STANZA_MESSAGE, MESSAGE_NORMAL },
		{ "<message type='Chat'/>", STANZA_MESSAGE, MESSAGE_NORMAL },
		{ "<message type=''/>", STANZA_MESSAGE, MESSAGE_NORMAL },
		{ "<message type='c&#104;at'/>", STANZA_MESSAGE, MESSAGE_CHAT },
		{ "<message xml:type='chat'/>", STANZA_MESSAGE, MESSAGE_NORMAL },
		{ "<message xmlns='jabber:server'/>", STANZA_MESSAGE, MESSAGE_NORMAL },
		{ "<presence/>", STANZA_PRESENCE, PRESENCE_AVAILABLE },
		{ "<presence type='unavailable'/>", STANZA_PRESENCE, PRESENCE_UNAVAILABLE },
		{ "<presence type='subscribe'/>", STANZA_PRESENCE, PRESENCE_SUBSCRIBE },
		{ "<presence type='subscribed'/>", STANZA_PRESENCE, PRESENCE_SUBSCRIBED },
		{ "<presence type='unsubscribe'/>", STANZA_PRESENCE, PRESENCE_UNSUBSCRIBE },
		{ "<presence type='unsubscribed'/>", STANZA_PRESENCE, PRESENCE_UNSUBSCRIBED },
		{ "<presence type='probe'/>", STANZA_PRESENCE, PRESENCE_PROBE },
		{ "<presence type='error'/>", STANZA_PRESENCE, PRESENCE_ERROR },
		{ "<presence type='available'/>", STANZA_PRESENCE, TYPE_INVALID },
		{ "<presence type='chat'/>", STANZA_PRESENCE, TYPE_INVALID },
		{ "<iq type='get'/>", STANZA_IQ, IQ_GET },
		{ "<iq type='set'/>", STANZA_IQ, IQ_SET },
		{ "<iq type='result'/>", STANZA_IQ, IQ_RESULT },
		{ "<iq type='error'/>", STANZA_IQ, IQ_ERROR },
		{ "<iq/>", STANZA_IQ, TYPE_INVALID },
		{ "<iq type='chat'/>", STANZA_IQ, TYPE_INVALID },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stanza *s = scan(cases[i].xml);
		if (s->kind != cases[i].kind || s->type != cases[i].type)
			fail_msg("%s: kind %d, type %d", cases[i].xml, s->kind, s->type);
		stanza_unref(&s);
		assert_null(s);
	}
}

static void what_is_no_stanza(void **state)
{
	static const char *const cases[] = {
		"", " ", "<message>", "<message/><message/>", "<message/>x", "<body/>",
		"<Message/>",
		"<message xmlns=''/>", "<message xmlns='urn:x'/>",
		"<c:message xmlns:c='jabber:client'/>", "<message from='a@'/>",
		"<message to='@b'/>",
		"<message to=''/>", "<message from='\xe2\x99\x9a@b'/>",
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (stanza_scan(&table, str_c(cases[i]), &arena))
			fail_msg("taken: %s", cases[i]);
}

static struct stanza *inside(const struct stanza *outer)
{
	const struct xml_node *el = xml_first(&outer->doc, stanza_payload(outer));

	return stanza_inside(&table, &outer->doc, el, &arena);
}

/* With what the elements around it declare, and its own addresses. */
static void a_stanza_is_taken_out_of_another(void **state)
{
	struct stanza *outer = scan("<iq xmlns:p='urn:p'><f xmlns='urn:f' xmlns:q='urn:q'>"
		"<message xmlns='jabber:client' from='a@b' to='d'><p:x q:y='1'/></message></f>"
		"</iq>");
	struct stanza *st = inside(outer);

	assert_non_null(st);
	assert_true(str_eq(jid_str(st->from), STR("a@b")));
	stanza_write(&out, st, st->from, st->to, NS_NONE);
	assert_out("<message from='a@b' to='d' xmlns:q='urn:q' xmlns:p='urn:p'>"
		"<p:x q:y='1'/></message>", "taken out");
	stanza_unref(&st);
	stanza_unref(&outer);

	outer = scan("<iq><f xmlns='urn:f'><message from='a@b'/></f></iq>");
	assert_null(inside(outer));
	stanza_unref(&outer);
}

/* stanza_write(), and stanza_write_with() where there is something to add */
static void start_tags_are_written_anew_and_the_rest_as_it_came(void **state)
{
	static const struct {
		const char *name, *in, *from, *to;
		enum xml_ns xmlns;
		const char *extra, *want;
	} cases[] = {
		{ "empty root",
			"<presence/>", NULL, NULL, NS_NONE, NULL,
			"<presence/>" },
		{ "empty root, addresses",
			"<presence/>", "a@b/c", "d", NS_NONE, NULL,
			"<presence from='a@b/c' to='d'/>" },
		{ "empty root, addition",
			"<presence/>", "a@b/c", NULL, NS_NONE, "<x/>",
			"<presence from='a@b/c'><x/></presence>" },
		{ "root with nothing in it",
			"<presence></presence>", NULL, NULL, NS_NONE, NULL,
			"<presence></presence>" },
		{ "root with nothing in it, addition",
			"<presence></presence>", NULL, NULL, NS_NONE, "<x/>",
			"<presence><x/></presence>" },
		{ "addresses are exchanged",
			"<message from='x@y/z' id='1' to='u@v'><body>hi</body></message>",
			"a@b/c", "d@e", NS_NONE, NULL,
			"<message from='a@b/c' to='d@e' id='1'><body>hi</body></message>" },
		{ "addresses are left out",
			"<message from='x@y/z' to='u@v'><body/></message>",
			NULL, NULL, NS_NONE, NULL,
			"<message><body/></message>" },
		{ "other attributes keep their quotes",
			"<iq id = \"it's\" type\n=\n'get'  xml:lang='de'><q xmlns='urn:x'/></iq>",
			NULL, "b", NS_NONE, NULL,
			"<iq to='b' id = \"it's\" type\n=\n'get' xml:lang='de'>"
			"<q xmlns='urn:x'/></iq>" },
		{ "an attribute that only looks like an address",
			"<message xmlns:p='urn:p' p:to='x' too='y'/>", NULL, "b", NS_NONE, NULL,
			"<message to='b' xmlns:p='urn:p' p:to='x' too='y'/>" },
		{ "default namespace of a frame is left out",
			"<message xmlns='jabber:client'><body/></message>",
			NULL, NULL, NS_NONE, NULL,
			"<message><body/></message>" },
		{ "and written when asked for",
			"<message><body/></message>", "a@b", NULL, NS_CLIENT, NULL,
			"<message xmlns='jabber:client' from='a@b'><body/></message>" },
		{ "and written once",
			"<message xmlns='jabber:server'><body/></message>",
			NULL, NULL, NS_CLIENT, NULL,
			"<message xmlns='jabber:client'><body/></message>" },
		{ "a prefix of the root stays",
			"<message xmlns:p='urn:p'><p:x/></message>", NULL, NULL, NS_NONE, NULL,
			"<message xmlns:p='urn:p'><p:x/></message>" },
		{ "resources are escaped",
			"<message/>", "b/<&>'\"", "b/\xe2\x99\xa5", NS_NONE, NULL,
			"<message from='b/&lt;&amp;&gt;&apos;&quot;' to='b/\xe2\x99\xa5'/>" },
		{ "the body is not touched",
			"<message\n><body>&#65;<![CDATA[</message>]]> \r\n</body></message\n >",
			NULL, NULL, NS_NONE, NULL,
			"<message><body>&#65;<![CDATA[</message>]]> \r\n</body></message\n >" },
		{ "addition before the end tag",
			"<message><body>a</body> </message >", NULL, NULL, NS_NONE, "<delay/>",
			"<message><body>a</body> <delay/></message>" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stanza *s = scan(cases[i].in);
		struct jid from = jid(cases[i].from), to = jid(cases[i].to);
		if (cases[i].extra)
			stanza_write_with(&out, s, from, to, cases[i].xmlns, str_c(cases[i].extra));
		else
			stanza_write(&out, s, from, to, cases[i].xmlns);
		stanza_unref(&s);

		s = stanza_scan(&table, buf_str(&out), &arena);
		if (!s || !str_eq(jid_str(s->from), jid_str(from)) ||
			!str_eq(jid_str(s->to), jid_str(to)))
			fail_msg("%s: is read differently", cases[i].name);
		stanza_unref(&s);
		assert_out(cases[i].want, cases[i].name);
	}
}

/* RFC 6120 section 8.3 */
static void errors_answer_stanzas(void **state)
{
	static const struct {
		const char *name, *in;
		enum stanza_error e;
		const char *text, *want;
	} cases[] = {
		{ "payload of an IQ is repeated",
			"<iq type='get' id='1' from='a@b/c' to='d'> "
			"<q xmlns='urn:x'><r/></q> </iq>",
			ERR_ITEM_NOT_FOUND, "",
			"<iq type='error' from='d' to='a@b/c' id='1'>"
			"<q xmlns='urn:x'><r/></q>"
			"<error type='cancel'><item-not-found " ERRORS "/></error></iq>" },
		{ "with the prefixes it uses",
			"<iq xmlns:p='urn:p' type='set' id='1' from='a@b/c' "
			"xmlns='jabber:client'><p:q/></iq>",
			ERR_BAD_REQUEST, "",
			"<iq type='error' to='a@b/c' id='1' xmlns:p='urn:p'><p:q/>"
			"<error type='modify'><bad-request " ERRORS "/></error></iq>" },
		{ "an IQ without payload",
			"<iq type='get' from='a@b/c'/>",
			ERR_BAD_REQUEST, "",
			"<iq type='error' to='a@b/c'>"
			"<error type='modify'><bad-request " ERRORS "/></error></iq>" },
		{ "an IQ of invalid type",
			"<iq type='x' id='1' from='a@b/c'/>",
			ERR_BAD_REQUEST, "",
			"<iq type='error' to='a@b/c' id='1'>"
			"<error type='modify'><bad-request " ERRORS "/></error></iq>" },
		{ "a message is not repeated",
			"<message id='1' from='a@b/c' to='d@e'><body>hi</body></message>",
			ERR_SERVICE_UNAVAILABLE, "",
			"<message type='error' from='d@e' to='a@b/c' id='1'><error type='cancel'>"
			"<service-unavailable " ERRORS "/></error></message>" },
		{ "presence, with text",
			"<presence from='a@b/c' to='d@e/f'/>",
			ERR_CONFLICT, "in <use>",
			"<presence type='error' from='d@e/f' to='a@b/c'><error type='cancel'>"
			"<conflict " ERRORS "/>"
			"<text " ERRORS " xml:lang='en'>in &lt;use&gt;</text></error></presence>" },
		{ "an id with references and an apostrophe",
			"<presence id=\"&lt;'\"/>",
			ERR_CONFLICT, "",
			"<presence type='error' id=\"&lt;'\">"
			"<error type='cancel'><conflict " ERRORS "/></error></presence>" },
		{ "an id with a quotation mark, an address with an apostrophe",
			"<presence id='\"' from='b/&apos;'/>",
			ERR_CONFLICT, "",
			"<presence type='error' to='b/&apos;' id='\"'>"
			"<error type='cancel'><conflict " ERRORS "/></error></presence>" },
		{ "an empty id",
			"<presence id=''/>",
			ERR_CONFLICT, "",
			"<presence type='error' id=''>"
			"<error type='cancel'><conflict " ERRORS "/></error></presence>" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stanza *s = scan(cases[i].in);
		stanza_write_error(&out, s, cases[i].e, str_c(cases[i].text));
		stanza_unref(&s);
		s = stanza_scan(&table, buf_str(&out), &arena);
		assert_non_null(s);
		stanza_unref(&s);
		assert_out(cases[i].want, cases[i].name);
	}
}

static void a_payload_over_8_kib_is_not_repeated(void **state)
{
	static const struct {
		size_t size;
		bool repeated;
	} cases[] = { { 8192, true }, { 8193, false } };
	struct buf in;

	buf_init(&in, 16384);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		buf_reset(&in);
		buf_lit(&in, "<iq type='set' from='a@b/c'><q>");
		for (size_t n = strlen("<q></q>"); n < cases[i].size; n++)
			buf_byte(&in, 'x');
		buf_lit(&in, "</q></iq>");
		struct stanza *s = stanza_scan(&table, buf_str(&in), &arena);
		assert_non_null(s);
		stanza_write_error(&out, s, ERR_NOT_ALLOWED, STR(""));
		assert_true(buf_ok(&out));
		assert_int_equal(memmem(out.p, out.n, "<q>", 3) != NULL, cases[i].repeated);
		buf_reset(&out);
		stanza_unref(&s);
	}
	buf_clear(&in);
}

/* RFC 6120 section 8.3.4 */
static void an_error_may_say_what_only_an_application_knows(void **state)
{
	struct stanza *s = scan("<message from='a@b/c' to='d@e'/>");

	stanza_write_error_with(&out, s, ERR_NOT_ACCEPTABLE, STR("cancel"), STR("no"),
		STR("<x xmlns='urn:x'/>"));
	assert_out("<message type='error' from='d@e' to='a@b/c'><error type='cancel'>"
		"<not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
		"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>no</text>"
		"<x xmlns='urn:x'/></error></message>", "application");
	stanza_unref(&s);
}

static void an_error_says_who_refuses_and_where(void **state)
{
	struct stanza *s = scan("<presence from='a@b/c' id='1'/>");
	struct jid by = { "d@e", 1, 1, 0 }, at = { "d@e/f", 1, 1, 1 };

	stanza_write_refusal(&out, s, &(struct stanza_refusal){ .error = ERR_CONFLICT, .by = by,
		.at = at, .type = STR("wait"), .before = STR("<x xmlns='urn:x'/>") });
	assert_out("<presence type='error' from='d@e/f' to='a@b/c' id='1'><x xmlns='urn:x'/>"
		"<error by='d@e' type='wait'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
		"</error></presence>", "all that it may say");
	stanza_unref(&s);
	s = scan("<presence from='a@b/c' to='d@e'/>");
	stanza_write_refusal(&out, s, &(struct stanza_refusal){ .error = ERR_CONFLICT, .at = at });
	assert_out("<presence type='error' from='d@e' to='a@b/c'><error type='cancel'>"
		"<conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
		"the address in it counts");
	stanza_unref(&s);
}

static void the_server_opens_stanzas_of_its_own(void **state)
{
	struct stanza *iq = scan("<iq type='get' id='a\"b' from='a@b/c' to='d'>"
		"<q xmlns='urn:x'/></iq>");
	struct writer w = w_on(&out);

	stanza_open_result(&w, iq);
	w_close(&w);
	assert_true(w_done(&w));
	assert_out("<iq type='result' from='d' to='a@b/c' id='a\"b'/>", "result");
	stanza_unref(&iq);

	w = w_on(&out);
	stanza_open(&w, STANZA_MESSAGE, NULL, jid("b"), (struct jid){ 0 }, STR_NULL);
	w_leaf(&w, "body", STR("hi"));
	w_close(&w);
	assert_true(w_done(&w));
	assert_out("<message from='b'><body>hi</body></message>", "message");
}

/* A stanza of a stream: its own copy of all, offsets from its '<' on. */
static void a_stanza_stands_alone(void **state)
{
	static const char header[] = "<stream:stream xmlns='jabber:client' "
		"xmlns:stream='http://etherx.jabber.org/streams'>";
	static const char stanza[] = "\n  <message type='chat' id='&lt;7' to='x@y'>"
		"<body>one</body><x xmlns='urn:x' a='1'>two</x></message>\n";
	char bytes[sizeof header + sizeof stanza + SCAN_PAD] = { 0 };
	struct scan scanner;
	size_t used, at;

	memcpy(bytes, header, strlen(header));
	memcpy(bytes + strlen(header), stanza, strlen(stanza));
	scan_init(&scanner, &scan_limits_user);
	assert_int_equal(scan_next(&scanner, &table, bytes, strlen(bytes), &used), SCAN_OPEN);
	at = used;
	assert_int_equal(scan_next(&scanner, &table, bytes + at, strlen(bytes) - at, &used),
		SCAN_STANZA);
	struct xml_doc d = xml_table_doc(&table, bytes + at, used);
	char from[] = "a@b/c", to[] = "d@e";
	struct stanza *s = stanza_new(&d, jid(from), jid(to));
	memset(bytes, 0, sizeof bytes);
	memset(from, 0, sizeof from);
	memset(to, 0, sizeof to);
	memset(table.nodes, 0, table.n_nodes * sizeof *table.nodes);
	memset(table.attrs, 0, table.n_attrs * sizeof *table.attrs);
	scan_clear(&scanner);

	const struct xml_node *root = stanza_root(s);
	assert_int_equal(s->type, MESSAGE_CHAT);
	assert_int_equal(root->start, 0);
	assert_int_equal(root->end, s->doc.n_bytes);
	assert_true(str_eq(jid_str(s->from), STR("a@b/c")));
	assert_true(str_eq(jid_str(s->to), STR("d@e")));
	assert_true(str_eq(s->id, STR("&lt;7")));
	assert_true(str_eq(xml_attr_str(&s->doc, root, TAG_ID, &arena), STR("<7")));
	assert_true(str_starts(xml_raw(&s->doc, root), STR("<message type='chat'")));
	const struct xml_node *body = xml_child(&s->doc, root, NS_CLIENT, TAG_BODY);
	assert_true(str_eq(xml_text(&s->doc, body, &arena), STR("one")));
	const struct xml_node *x = xml_next(&s->doc, body);
	assert_true(str_eq(xml_raw(&s->doc, x), STR("<x xmlns='urn:x' a='1'>two</x>")));
	assert_true(str_eq(xml_text(&s->doc, x, &arena), STR("two")));
	assert_true(stanza_payload(s) == body);
	stanza_write(&out, s, s->from, s->to, NS_NONE);
	assert_out("<message from='a@b/c' to='d@e' type='chat' id='&lt;7'><body>one</body>"
		"<x xmlns='urn:x' a='1'>two</x></message>", "written");
	stanza_unref(&s);
}

/* RFC 6120 section 8.1.5 */
static void the_language_of_the_stream_is_written_where_there_is_none(void **state)
{
	static const struct {
		const char *in, *lang, *want;
	} cases[] = {
		{ "<message/>", "de", "<message xml:lang='de'/>" },
		{ "<message id='1'><body>a</body></message>", "de",
			"<message xml:lang='de' id='1'><body>a</body></message>" },
		{ "<message xml:lang='en'/>", "de", "<message xml:lang='en'/>" },
		{ "<message xml:lang=''/>", "de", "<message xml:lang=''/>" },
		{ "<message lang='en'/>", "de", "<message xml:lang='de' lang='en'/>" },
		{ "<message/>", "", "<message/>" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct stanza *plain = scan(cases[i].in);
		struct jid none = { 0 };
		struct stanza *s = stanza_new_lang(&plain->doc, none, none, str_c(cases[i].lang));
		stanza_unref(&plain);
		stanza_write(&out, s, none, none, NS_NONE);
		assert_out(cases[i].want, cases[i].in);
		stanza_unref(&s);
	}
}

static void absent_things_are_unset(void **state)
{
	struct stanza *s = scan("<message/>");

	assert_false(jid_is_set(s->from));
	assert_false(jid_is_set(s->to));
	assert_null(s->id.p);
	assert_null(stanza_payload(s));
	stanza_unref(&s);
	s = scan("<message id='' from='A@B/c' to='b'/>");
	assert_non_null(s->id.p);
	assert_int_equal(s->id.n, 0);
	assert_true(str_eq(jid_str(s->from), STR("a@b/c")));
	stanza_unref(&s);
}

static void references_are_counted(void **state)
{
	struct stanza *s = scan("<message/>"), *other = stanza_ref(s);

	assert_ptr_equal(s, other);
	stanza_unref(&s);
	assert_null(s);
	assert_int_equal(other->kind, STANZA_MESSAGE);
	stanza_unref(&other);
	stanza_unref(&other); /* of none: nothing */
}

static void a_full_buffer_fails_quietly(void **state)
{
	struct stanza *s = scan("<message from='a@b'><body>hello</body></message>");
	struct buf small;

	for (size_t max = 0; max < 49; max++) {
		buf_init(&small, max);
		stanza_write(&small, s, s->from, s->to, NS_NONE);
		assert_int_equal(buf_ok(&small), max == 48);
		buf_clear(&small);
	}
	stanza_unref(&s);
}

/* Each size around that where the room need not be counted. */
static void a_buffer_with_room_takes_what_fits(void **state)
{
	struct stanza *s = scan("<message  xml:lang = 'en' from='a@b/&amp;&lt;' to='c@d' id='1'/>");
	struct str text = STR("<message from='a@b/&amp;&lt;' to='c@d' xml:lang = 'en' id='1'/>");
	struct buf b;

	for (size_t max = 1; max < 128; max++) {
		buf_init(&b, max);
		assert_non_null(buf_reserve(&b, max));
		stanza_write(&b, s, s->from, s->to, NS_NONE);
		if (buf_ok(&b))
			assert_true(str_eq(buf_str(&b), text));
		else /* an escaped character counts as the longest of them */
			assert_true(max < text.n + 2 * strlen("&quot;"));
		buf_clear(&b);
	}
	stanza_unref(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_and_types_are_known),
		cmocka_unit_test(what_is_no_stanza),
		cmocka_unit_test(start_tags_are_written_anew_and_the_rest_as_it_came),
		cmocka_unit_test(errors_answer_stanzas),
		cmocka_unit_test(a_payload_over_8_kib_is_not_repeated),
		cmocka_unit_test(an_error_may_say_what_only_an_application_knows),
		cmocka_unit_test(an_error_says_who_refuses_and_where),
		cmocka_unit_test(the_server_opens_stanzas_of_its_own),
		cmocka_unit_test(a_stanza_stands_alone),
		cmocka_unit_test(the_language_of_the_stream_is_written_where_there_is_none),
		cmocka_unit_test(a_stanza_is_taken_out_of_another),
		cmocka_unit_test(absent_things_are_unset),
		cmocka_unit_test(references_are_counted),
		cmocka_unit_test(a_full_buffer_fails_quietly),
		cmocka_unit_test(a_buffer_with_room_takes_what_fits),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
