#include "xmpp/caps.h"
#include "xmpp/stanza.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;
static struct xml_table table;

static int setup(void **state)
{
	arena_init(&arena, 65536);
	return 0;
}

static int teardown(void **state)
{
	arena_clear(&arena);
	xml_table_clear(&table);
	return 0;
}

#define INFO(content) "<query xmlns='http://jabber.org/protocol/disco#info'>" content "</query>"
#define FORM(content) "<x xmlns='jabber:x:data' type='result'>" content "</x>"
#define OF_TYPE(type) "<field var='FORM_TYPE' type='hidden'><value>" type "</value></field>"

/* XEP-0115, the answer of section 1.2 and that of section 5.3 */
#define EXODUS INFO("<identity category='client' name='Exodus 0.9.1' type='pc'/>" \
	"<feature var='http://jabber.org/protocol/caps'/>" \
	"<feature var='http://jabber.org/protocol/disco#info'/>" \
	"<feature var='http://jabber.org/protocol/disco#items'/>" \
	"<feature var='http://jabber.org/protocol/muc'/>")
#define PSI INFO("<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>" \
	"<identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>" \
	"<feature var='http://jabber.org/protocol/caps'/>" \
	"<feature var='http://jabber.org/protocol/disco#info'/>" \
	"<feature var='http://jabber.org/protocol/disco#items'/>" \
	"<feature var='http://jabber.org/protocol/muc'/>" \
	FORM(OF_TYPE("urn:xmpp:dataforms:softwareinfo") \
		"<field var='ip_version' type='text-multi'><value>ipv4</value><value>ipv6</value></field>" \
		"<field var='os'><value>Mac</value></field>" \
		"<field var='os_version'><value>10.5.1</value></field>" \
		"<field var='software'><value>Psi</value></field>" \
		"<field var='software_version'><value>0.11</value></field>"))

/* XEP-0390, examples 1 and 2 */
#define MOBILE \
	"<query xmlns='http://jabber.org/protocol/disco#info'>" \
	"<identity category='client' name='BombusMod' type='mobile'/>" \
	"<feature var='http://jabber.org/protocol/si'/>" \
	"<feature var='http://jabber.org/protocol/bytestreams'/>" \
	"<feature var='http://jabber.org/protocol/chatstates'/>" \
	"<feature var='http://jabber.org/protocol/disco#info'/>" \
	"<feature var='http://jabber.org/protocol/disco#items'/>" \
	"<feature var='urn:xmpp:ping'/>" \
	"<feature var='jabber:iq:time'/>" \
	"<feature var='jabber:iq:privacy'/>" \
	"<feature var='jabber:iq:version'/>" \
	"<feature var='http://jabber.org/protocol/rosterx'/>" \
	"<feature var='urn:xmpp:time'/>" \
	"<feature var='jabber:x:oob'/>" \
	"<feature var='http://jabber.org/protocol/ibb'/>" \
	"<feature var='http://jabber.org/protocol/si/profile/file-transfer'/>" \
	"<feature var='urn:xmpp:receipts'/>" \
	"<feature var='jabber:iq:roster'/>" \
	"<feature var='jabber:iq:last'/>" \
	"</query>"

#define TKABBER \
	"<query xmlns='http://jabber.org/protocol/disco#info'>" \
	"<identity category='client' name='Tkabber' type='pc' xml:lang='en'/>" \
	"<identity category='client' name='Ткаббер' type='pc' xml:lang='ru'/>" \
	"<feature var='games:board'/>" \
	"<feature var='http://jabber.org/protocol/activity'/>" \
	"<feature var='http://jabber.org/protocol/activity+notify'/>" \
	"<feature var='http://jabber.org/protocol/bytestreams'/>" \
	"<feature var='http://jabber.org/protocol/chatstates'/>" \
	"<feature var='http://jabber.org/protocol/commands'/>" \
	"<feature var='http://jabber.org/protocol/disco#info'/>" \
	"<feature var='http://jabber.org/protocol/disco#items'/>" \
	"<feature var='http://jabber.org/protocol/evil'/>" \
	"<feature var='http://jabber.org/protocol/feature-neg'/>" \
	"<feature var='http://jabber.org/protocol/geoloc'/>" \
	"<feature var='http://jabber.org/protocol/geoloc+notify'/>" \
	"<feature var='http://jabber.org/protocol/ibb'/>" \
	"<feature var='http://jabber.org/protocol/iqibb'/>" \
	"<feature var='http://jabber.org/protocol/mood'/>" \
	"<feature var='http://jabber.org/protocol/mood+notify'/>" \
	"<feature var='http://jabber.org/protocol/rosterx'/>" \
	"<feature var='http://jabber.org/protocol/si'/>" \
	"<feature var='http://jabber.org/protocol/si/profile/file-transfer'/>" \
	"<feature var='http://jabber.org/protocol/tune'/>" \
	"<feature var='http://www.facebook.com/xmpp/messages'/>" \
	"<feature var='http://www.xmpp.org/extensions/xep-0084.html#ns-metadata+notify'/>" \
	"<feature var='jabber:iq:avatar'/>" \
	"<feature var='jabber:iq:browse'/>" \
	"<feature var='jabber:iq:dtcp'/>" \
	"<feature var='jabber:iq:filexfer'/>" \
	"<feature var='jabber:iq:ibb'/>" \
	"<feature var='jabber:iq:inband'/>" \
	"<feature var='jabber:iq:jidlink'/>" \
	"<feature var='jabber:iq:last'/>" \
	"<feature var='jabber:iq:oob'/>" \
	"<feature var='jabber:iq:privacy'/>" \
	"<feature var='jabber:iq:roster'/>" \
	"<feature var='jabber:iq:time'/>" \
	"<feature var='jabber:iq:version'/>" \
	"<feature var='jabber:x:data'/>" \
	"<feature var='jabber:x:event'/>" \
	"<feature var='jabber:x:oob'/>" \
	"<feature var='urn:xmpp:avatar:metadata+notify'/>" \
	"<feature var='urn:xmpp:ping'/>" \
	"<feature var='urn:xmpp:receipts'/>" \
	"<feature var='urn:xmpp:time'/>" \
	"<x xmlns='jabber:x:data' type='result'>" \
	"<field type='hidden' var='FORM_TYPE'>" \
	"<value>urn:xmpp:dataforms:softwareinfo</value>" \
	"</field>" \
	"<field var='software'>" \
	"<value>Tkabber</value>" \
	"</field>" \
	"<field var='software_version'>" \
	"<value>0.11.1-svn-20111216-mod (Tcl/Tk 8.6b2)</value>" \
	"</field>" \
	"<field var='os'>" \
	"<value>Windows</value>" \
	"</field>" \
	"<field var='os_version'>" \
	"<value>XP</value>" \
	"</field>" \
	"</x>" \
	"</query>"

/* An IQ whose language is that of its sender's stream, English. */
static struct stanza *answer(const char *query)
{
	struct stanza *s = stanza_scan(&table, str_printf(&arena,
		"<iq type='result' id='1' xml:lang='en'>%s</iq>", query), &arena);

	assert_non_null(s);
	return s;
}

/* The string of an answer; the null slice when it is ill-formed. */
static struct str string_of(enum caps_kind kind, const char *query, const char *lang)
{
	struct stanza *s = answer(query);
	struct str result = STR_NULL;
	struct buf b;

	buf_init(&b, CAPS_STRING_MAX);
	if (caps_string(kind, &s->doc, stanza_payload(s), str_c(lang), &arena, &b))
		result = str_dup(&arena, buf_str(&b));
	buf_clear(&b);
	stanza_unref(&s);
	return result;
}

static struct caps_claim claim_of(const char *payload, struct str *node)
{
	struct stanza *s = stanza_scan(&table, str_printf(&arena, "<presence>%s</presence>", payload),
		&arena);
	struct caps_claim c;

	assert_non_null(s);
	caps_read(&s->doc, stanza_root(s), &arena, &c, node);
	*node = node->p ? str_dup(&arena, *node) : STR_NULL;
	stanza_unref(&s);
	return c;
}

#define C1(hash, ver) "<c xmlns='http://jabber.org/protocol/caps' hash='" hash "' node='urn:n' ver='" \
	ver "'/>"
#define C2(content) "<c xmlns='urn:xmpp:caps'>" content "</c>"
#define HASH(algo, value) "<hash xmlns='urn:xmpp:hashes:2' algo='" algo "'>" value "</hash>"

/* XEP-0115 sections 5.2 and 5.3, XEP-0390 sections 4.5.1 and 4.5.2 */
static void hashes_are_those_of_the_examples(void **state)
{
	static const struct {
		enum caps_kind kind;
		const char *claim, *query;
	} cases[] = {
		{ CAPS_1, C1("sha-1", "QgayPKawpkPSDYmwT/WM94uAlu0="), EXODUS },
		{ CAPS_1, C1("sha-1", "q07IKJEyjvHSyhy//CH0CxmKi8w="), PSI },
		{ CAPS_2, C2(HASH("sha-256", "kzBZbkqJ3ADrj7v08reD1qcWUwNGHaidNUgD7nHpiw8=")), MOBILE },
		{ CAPS_2, C2(HASH("sha3-256", "79mdYAfU9rEdTOcWDO7UEAt6E56SUzk/g6TnqUeuD9Q=")), MOBILE },
		{ CAPS_2, C2(HASH("sha-256", "u79ZroNJbdSWhdSp311mddz44oHHPsEBntQ5b1jqBSY=")), TKABBER },
		{ CAPS_2, C2(HASH("sha3-256", "XpUJzLAc93258sMECZ3FJpebkzuyNXDzRNwQog8eycg=")), TKABBER },
	};
	const size_t n = sizeof cases / sizeof cases[0];

	for (size_t i = 0; i < n; i++) {
		struct str node;
		struct caps_claim c = claim_of(cases[i].claim, &node);
		assert_int_equal(c.kind, cases[i].kind);
		for (size_t k = 0; k < n; k++) {
			bool same = str_eq(str_c(cases[k].query), str_c(cases[i].query));
			struct str s = string_of(cases[i].kind, cases[k].query, NULL);
			assert_non_null(s.p);
			if (caps_fits(&c, s) != same)
				fail_msg("case %zu with the answer of case %zu", i, k);
		}
	}
}

/* "#" stands for a separator of XEP-0390, to be read. */
static void readable(struct str *s)
{
	char *p = arena_alloc(&arena, s->n);

	for (size_t i = 0; i < s->n; i++)
		p[i] = s->p[i] < ' ' && s->p[i] >= '\x1c' ? "FGRU"[s->p[i] - '\x1c'] : s->p[i];
	s->p = p;
}

/* XEP-0115 sections 5.1 and 5.4, XEP-0390 section 4.1 */
static void strings_follow_the_rules(void **state)
{
	static const struct {
		const char *name, *query, *first, *second; /* NULL: ill-formed */
	} cases[] = {
		{ "nothing", INFO(""), "", "FFF" },
		{ "all is in the order of its octets",
			INFO("<feature var='b'/><feature var='a'/><feature var='B'/><feature var='ab'/>"),
			"B<a<ab<b<", "BUaUabUbUFFF" },
		{ "an identity without name and language",
			INFO("<identity category='c' type='t'/>"), "c/t//<", "FcUtUenUURFF" },
		{ "identities by category, then type, then language: 'c' comes before 'c-'",
			INFO("<identity category='c-' type='a'/><identity category='c' type='b'/>"
				"<identity category='c' type='a-' name='n'/><identity category='c' type='a'/>"),
			"c/a//<c/a-//n<c/b//<c-/a//<",
			"FcUaUenUURcUa-UenUnURcUbUenUURc-UaUenUURFF" },
		{ "a language of its own", INFO("<identity category='c' type='t' xml:lang='de'/>"),
			"c/t/de/<", "FcUtUdeUURFF" },
		{ "that of the query",
			"<query xmlns='http://jabber.org/protocol/disco#info' xml:lang='it'>"
			"<identity category='c' type='t'/></query>", "c/t//<", "FcUtUitUURFF" },
		{ "'<' in a part stays '&lt;'",
			INFO("<identity category='c' type='t' name='x&lt;urn:a'/><feature var='&amp;lt;'/>"),
			"c/t//x&lt;urn:a<&lt;<", "&lt;UFcUtUenUx<urn:aURFF" },
		{ "an identity twice (3.3)",
			INFO("<identity category='c' type='t'/><identity category='c' type='t'/>"), NULL,
			"FcUtUenUURcUtUenUURFF" },
		{ "another name is another identity (3.3)",
			INFO("<identity category='c' type='t' name='b'/>"
				"<identity category='c' type='t' name='a'/>"),
			"c/t//a<c/t//b<", "FcUtUenUaURcUtUenUbURFF" },
		{ "a feature twice (3.4)", INFO("<feature var='a'/><feature var='a'/>"), NULL,
			"aUaUFFF" },
		{ "a form twice (3.5)", INFO(FORM(OF_TYPE("t")) FORM(OF_TYPE("t")
			"<field var='a'><value>1</value></field>")), NULL,
			"FFFORM_TYPEUtURGFORM_TYPEUtURaU1URGF" },
		{ "two types of a form (3.5, step 3)", INFO(FORM("<field var='FORM_TYPE' type='hidden'>"
			"<value>t</value><value>u</value></field>")), NULL, NULL },
		{ "the same type of a form twice (3.5, step 3)", INFO(FORM("<field var='FORM_TYPE'"
			" type='hidden'><value>t</value><value>t</value></field>")), "t<", NULL },
		{ "the type is not hidden (3.6, step 3)", INFO("<feature var='a'/>" FORM(
			"<field var='FORM_TYPE'><value>t</value></field>"
			"<field var='b'><value>1</value></field>")), "a<", NULL },
		{ "no type (3.6, step 3)", INFO("<feature var='a'/>" FORM(
			"<field var='b'><value>1</value></field>")), "a<", NULL },
		{ "a type without a value (3.6, step 3)", INFO("<feature var='a'/>" FORM(
			"<field var='FORM_TYPE' type='hidden'/>")), "a<", NULL },
		{ "forms by type, fields by name, values",
			INFO(FORM(OF_TYPE("u")) FORM("<field var='b'><value>2</value><value>1</value></field>"
				OF_TYPE("t") "<field var='a'/><field var='ab'><value/></field>")),
			"t<a<ab<<b<1<2<u<", "FFFORM_TYPEUtURaURabUURbU1U2URGFORM_TYPEUuURGF" },
		{ "white space of a value counts", INFO(FORM(OF_TYPE("t")
			"<field var='a'><value> 1 </value></field>")), "t<a< 1 <",
			"FFFORM_TYPEUtURaU 1 URGF" },
		{ "what is for people does not count", INFO(FORM("<title>t</title>" OF_TYPE("t")
			"<field var='a' label='A'><required/><value>1</value></field>")), "t<a<1<",
			"FFFORM_TYPEUtURaU1URGF" },
		{ "a table (step 2)", INFO(FORM(OF_TYPE("t") "<reported><field var='a'/></reported>")), "t<",
			NULL },
		{ "rows of one (step 2)", INFO(FORM(OF_TYPE("t") "<item/>")), "t<", NULL },
		{ "something else (step 1)", INFO("<feature var='a'/><y xmlns='urn:y'/>"), "a<", NULL },
		{ "a feature of something else (step 1)", INFO("<feature xmlns='urn:y' var='a'/>"), "",
			NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str first = string_of(CAPS_1, cases[i].query, "en");
		struct str second = string_of(CAPS_2, cases[i].query, "en");
		if (second.p)
			readable(&second);
		if (!first.p != !cases[i].first || !str_eq(first, str_c(cases[i].first)))
			fail_msg("%s: XEP-0115 gives %.*s", cases[i].name, STR_FMT(first));
		if (!second.p != !cases[i].second || !str_eq(second, str_c(cases[i].second)))
			fail_msg("%s: XEP-0390 gives %.*s", cases[i].name, STR_FMT(second));
	}
}

static void what_is_too_long_is_ill_formed(void **state)
{
	for (enum caps_kind kind = CAPS_1; kind <= CAPS_2; kind++) {
		size_t marks = kind == CAPS_1 ? 1 : 4;
		for (size_t more = 0; more < 2; more++) {
			size_t n = CAPS_STRING_MAX - marks + more;
			char *name = arena_alloc(&arena, n + 1);
			memset(name, 'a', n);
			name[n] = '\0';
			struct str s = string_of(kind, str_printf(&arena, INFO("<feature var='%s'/>"),
				name).p, NULL);
			assert_int_equal(s.n, more ? 0 : CAPS_STRING_MAX);
		}
	}
}

#define SHA_1   "QgayPKawpkPSDYmwT/WM94uAlu0="
#define SHA_256 "kzBZbkqJ3ADrj7v08reD1qcWUwNGHaidNUgD7nHpiw8="

/* XEP-0115 sections 5.4, 8.4 and 13, XEP-0390 sections 4.3 and 7.2 */
static void what_a_presence_shows(void **state)
{
	static const struct {
		const char *name, *payload;
		enum caps_kind kind;
		const char *node;
	} cases[] = {
		{ "nothing", "<show>away</show>", CAPS_UNSAID, NULL },
		{ "a hash", C1("sha-1", SHA_1), CAPS_1, "urn:n#" SHA_1 },
		{ "a better one", C1("sha-256", SHA_256), CAPS_1, "urn:n#" SHA_256 },
		{ "of another function", C1("md5", "bad"), CAPS_UNCHECKED, "urn:n#bad" },
		{ "of a function of XEP-0390 alone", C1("sha3-256", SHA_256), CAPS_UNCHECKED,
			"urn:n#" SHA_256 },
		{ "of another length", C1("sha-256", SHA_1), CAPS_UNCHECKED, "urn:n#" SHA_1 },
		{ "no base 64", C1("sha-1", "1.2"), CAPS_UNCHECKED, "urn:n#1.2" },
		{ "the legacy format", "<c xmlns='http://jabber.org/protocol/caps' node='urn:n'"
			" ver='1' ext='a b'/>", CAPS_UNSAID, NULL },
		{ "no node", "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' ver='" SHA_1 "'/>",
			CAPS_UNSAID, NULL },
		{ "no ver", "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:n'/>",
			CAPS_UNSAID, NULL },
		{ "XEP-0390", C2(HASH("sha-256", SHA_256)), CAPS_2, "urn:xmpp:caps#sha-256." SHA_256 },
		{ "white space around", C2(HASH("sha3-256", "\n" SHA_256 " ")), CAPS_2,
			"urn:xmpp:caps#sha3-256." SHA_256 },
		{ "the best one", C2(HASH("sha-512", SHA_256) HASH("sha3-256", SHA_256)
			HASH("sha-256", SHA_256) HASH("sha3-256", SHA_256)), CAPS_2,
			"urn:xmpp:caps#sha-256." SHA_256 },
		{ "the best one that is well-formed", C2(HASH("sha-256", SHA_1) HASH("sha3-256", SHA_256)),
			CAPS_2, "urn:xmpp:caps#sha3-256." SHA_256 },
		{ "SHA-1 is no more", C2(HASH("sha-1", SHA_1)), CAPS_UNCHECKED, NULL },
		{ "none at all", C2(""), CAPS_UNCHECKED, NULL },
		{ "one of no function", C2("<hash xmlns='urn:xmpp:hashes:2'>" SHA_256 "</hash>"),
			CAPS_UNCHECKED, NULL },
		{ "both", C1("sha-1", SHA_1) C2(HASH("sha-256", SHA_256)), CAPS_2,
			"urn:xmpp:caps#sha-256." SHA_256 },
		{ "both, and the new one cannot be checked", C1("sha-1", SHA_1) C2(HASH("x.y", SHA_1)),
			CAPS_UNCHECKED, NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str node;
		struct caps_claim c = claim_of(cases[i].payload, &node);
		if (c.kind != cases[i].kind || !str_eq(node, str_c(cases[i].node)))
			fail_msg("%s: %u, %.*s", cases[i].name, c.kind, STR_FMT(node));
	}
}

static void a_node_is_of_bounded_length(void **state)
{
	for (size_t more = 0; more < 2; more++) {
		size_t n = CAPS_NODE_MAX - 1 - strlen(SHA_1) + more;
		char *name = arena_alloc(&arena, n + 1);
		struct str node;

		memset(name, 'a', n);
		name[n] = '\0';
		struct caps_claim c = claim_of(str_printf(&arena, "<c hash='sha-1' node='%s' ver='" SHA_1
			"' xmlns='http://jabber.org/protocol/caps'/>", name).p, &node);
		assert_int_equal(c.kind, more ? CAPS_UNSAID : CAPS_1);
		assert_int_equal(node.n, more ? 0 : CAPS_NODE_MAX);
	}
}

/* Two that cannot be checked are the same only if they look the same. */
static void claims_compare(void **state)
{
	struct str node;
	struct caps_claim a = claim_of(C1("md5", "1"), &node), b = claim_of(C1("md5", "1"), &node);
	struct caps_claim c = claim_of(C1("md5", "2"), &node), d = claim_of(C1("sha-1", SHA_1), &node);
	struct caps_claim e = claim_of(C2(HASH("sha-256", SHA_256)), &node);
	struct caps_claim f = claim_of(C1("sha-256", SHA_256), &node);

	assert_true(str_eq(caps_claim_str(&a), caps_claim_str(&b)));
	assert_false(str_eq(caps_claim_str(&a), caps_claim_str(&c)));
	assert_false(str_eq(caps_claim_str(&a), caps_claim_str(&d)));
	assert_false(str_eq(caps_claim_str(&e), caps_claim_str(&f)));
}

static struct str nodes_in(enum caps_kind kind, struct str string)
{
	struct str all = STR(""), node;

	while (caps_next_node(kind, &string, &node))
		all = str_printf(&arena, "%.*s %.*s", STR_FMT(all), STR_FMT(node));
	return all;
}

/* XEP-0115 section 9.3: an answer that takes another one's hash gives the same nodes. */
static void nodes_are_read_from_what_was_hashed(void **state)
{
	const char *honest = INFO("<identity category='A' type='t' name='n'/><feature var='a+notify'/>"
		"<feature var='b'/><feature var='c+notify'/><feature var='d+notify+notify'/>");
	const char *forged = INFO("<feature var='A/t//n'/><feature var='a+notify'/><feature var='b'/>"
		FORM(OF_TYPE("c+notify") "<field var='d+notify+notify'/>"));
	struct str s = string_of(CAPS_1, honest, NULL);

	assert_true(str_eq(s, string_of(CAPS_1, forged, NULL)));
	assert_true(str_eq(nodes_in(CAPS_1, s), STR(" a c d+notify")));
	assert_true(str_eq(nodes_in(CAPS_2, string_of(CAPS_2, honest, NULL)), STR(" a c d+notify")));
	assert_true(str_eq(nodes_in(CAPS_2, string_of(CAPS_2, forged, NULL)), STR(" a")));
	assert_true(str_eq(nodes_in(CAPS_1, string_of(CAPS_1, INFO("<feature var='+notify'/>"), NULL)),
		STR("")));
	assert_true(str_eq(nodes_in(CAPS_2, string_of(CAPS_2, INFO("<identity category='a+notify'/>"),
		NULL)), STR("")));
}

/* What is asked of a single client: its features, whatever else is wrong. */
static void features_of_any_answer(void **state)
{
	struct stanza *s = answer(INFO("<feature var='b+notify'/><feature var='a+notify'/>"
		"<feature var='a+notify'/><y xmlns='urn:y'/>"));

	assert_true(str_eq(nodes_in(CAPS_2, caps_features(&s->doc, stanza_payload(s), &arena)),
		STR(" a a b")));
	stanza_unref(&s);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(hashes_are_those_of_the_examples),
		CASE(strings_follow_the_rules),
		CASE(what_is_too_long_is_ill_formed),
		CASE(what_a_presence_shows),
		CASE(a_node_is_of_bounded_length),
		CASE(claims_compare),
		CASE(nodes_are_read_from_what_was_hashed),
		CASE(features_of_any_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
