/* Reading what other servers wrote: XEP-0227 and Prosody's tables, right and hostile. Nothing is
 * stored here; tests/integration/test_migration*.py does that. */
#include "base/bug.h"
#include "server/import_ejabberd.h"
#include "server/import_erlang.h"
#include "server/import_lua.h"
#include "server/import_pie.h"
#include "server/import_prosody.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const volatile sig_atomic_t never;
static const struct import_options options = { .check = true, .stop = &never };
static struct config *config;
static struct import im;

static void fresh(void)
{
	import_clear(&im);
	import_init(&im, config, &options);
}

static bool is_noted(const char *text)
{
	for (size_t i = 0; i < im.n_notes; i++)
		if (strstr(im.notes[i].text.p, text))
			return true;
	return false;
}

static void has_text(const char *name, struct str text, const char *wanted)
{
	if (!strstr(text.n ? text.p : "", wanted))
		fail_msg("%s: \"%.*s\" does not say \"%s\"", name, STR_FMT(text), wanted);
}

/* ---- XEP-0227 ---- */

#define HEAD  "<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'>"
#define USER  HEAD "<user name='juliet' password='secret'>"
#define TAIL  "</user></host></server-data>"
#define KEY_1 "AAAAAAAAAAAAAAAAAAAAAAAAAAA="  /* 20 bytes */
#define TWICE "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBPQ==" /* the base 64 of that */
#define SCRAM(mech, rounds, salt, key)                                                        \
	"<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='" mech "'><iter-count>" rounds \
	"</iter-count><salt>" salt "</salt><server-key>" key "</server-key><stored-key>" key       \
	"</stored-key></scram-credentials>"

/* What becomes of a whole input: the error, or counts and a note. */
static const struct {
	const char *name, *xml, *error, *note;
	uint64_t accounts, contacts, requests, offline;
} files[] = {
	{ "section 4: nothing in it", "<server-data xmlns='urn:xmpp:pie:0'/>", NULL, NULL, 0 },
	{ "section 4.2: an account", USER TAIL, NULL, NULL, 1 },
	{ "prefixes, comments, instructions and a declaration",
	  "<?xml version='1.0' encoding='ISO-8859-1'?><!-- c --><?p i?>"
	  "<x:server-data xmlns:x='urn:xmpp:pie:0'><x:host jid='localhost'><!-- c -->"
	  "<x:user name='juliet' password='s'><r:query xmlns:r='jabber:iq:roster'>"
	  "<r:item jid='a@b.example' name='\xe4'><r:group>G</r:group></r:item></r:query></x:user>"
	  "</x:host></x:server-data>", NULL, NULL, 1, 1 },
	{ "section 4.3: keys", HEAD "<user name='juliet'>" SCRAM("SCRAM-SHA-1", "4096", "c2FsdA==",
	  KEY_1) TAIL, NULL, NULL, 1 },
	{ "keys encoded twice, as ejabberd does", HEAD "<user name='juliet'>"
	  SCRAM("SCRAM-SHA-1", "4096", "YzJGc2RBPT0=", TWICE) TAIL, NULL, NULL, 1 },
	{ "keys of another length", USER SCRAM("SCRAM-SHA-256", "4096", "c2FsdA==", KEY_1) TAIL,
	  NULL, "SCRAM key that is none", 1 },
	{ "keys without rounds", USER SCRAM("SCRAM-SHA-1", "many", "c2FsdA==", KEY_1) TAIL, NULL,
	  "SCRAM key that is none", 1 },
	{ "keys whose check would keep the server busy", USER SCRAM("SCRAM-SHA-1", "4294967295",
	  "c2FsdA==", KEY_1) TAIL, NULL, "SCRAM key that is none", 1 },
	{ "keys of an unknown mechanism", USER SCRAM("SCRAM-MD5", "1", "c2FsdA==", KEY_1) TAIL,
	  NULL, "credentials for SCRAM-MD5", 1 },
	{ "an account without credentials", HEAD "<user name='juliet'>" TAIL, NULL,
	  "password of an account that came without one", 1 },
	{ "section 4.4: a contact without a JID", USER "<query xmlns='jabber:iq:roster'>"
	  "<item jid='@'/><item jid='a@b.example'/></query>" TAIL, NULL,
	  "contact whose address is none", 1, 1 },
	{ "a contact in a state that is none", USER "<query xmlns='jabber:iq:roster'>"
	  "<item jid='a@b.example' subscription='remove'/></query>" TAIL, NULL,
	  "contact whose subscription is \"remove\"", 1 },
	{ "section 4.5: messages", USER "<offline-messages><message xmlns='jabber:client' "
	  "from='a@b.example'><body>x</body></message><message xmlns='urn:x'/>"
	  "</offline-messages>" TAIL, NULL, "element <message xmlns='urn:x'/>", 1, 0, 0, 1 },
	{ "section 4.9: requests", USER "<presence xmlns='jabber:client' type='subscribe' "
	  "from='a@b.example'/><presence xmlns='jabber:client' from='c@b.example'/>" TAIL, NULL,
	  "request to subscribe that is none", 1, 0, 1 },
	{ "section 4.10: PEP nodes", USER "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>"
	  "<configure node='urn:n'><x xmlns='jabber:x:data' type='form'><field var='FORM_TYPE'>"
	  "<value>http://jabber.org/protocol/pubsub#node_config</value></field>"
	  "<field var='pubsub#access_model'><value>open</value></field></x></configure>"
	  "<affiliations node='urn:n'><affiliation jid='a@b.example' affiliation='member'/>"
	  "</affiliations><subscriptions node='urn:n'><subscription jid='a@b.example' "
	  "subscription='subscribed' subid='1'/></subscriptions></pubsub>"
	  "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:n'><item id='i'>"
	  "<x xmlns='urn:x'/></item><item/></items><items node='urn:m'/></pubsub>" TAIL,
	  NULL, NULL, 1 },
	{ "section 4.10.1: a configuration that is none", USER
	  "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='urn:n'/></pubsub>"
	  TAIL, NULL, "configuration of a PEP node that cannot be read: it is for its owner alone", 1 },
	{ "section 4.10.1: a node without a name", USER
	  "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure/></pubsub>" TAIL, NULL,
	  "PEP node without a name, or one too many", 1 },
	{ "section 4.10.1: somebody without an address", USER
	  "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='n'>"
	  "<x xmlns='jabber:x:data' type='form'/></configure><affiliations node='n'><affiliation "
	  "affiliation='member'/></affiliations></pubsub>" TAIL, NULL,
	  "address at a PEP node, which is none", 1 },
	{ "a profile among the nodes becomes a vCard", USER
	  "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:vcard4'><item>"
	  "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>J</text></fn></vcard></item>"
	  "</items></pubsub>" TAIL, NULL, NULL, 1 },
	{ "section 4: what is unknown is passed over", USER "<x xmlns='urn:y'><user name='z'/></x>"
	  TAIL, NULL, "element <x xmlns='urn:y'/>", 1 },
	{ "a host that is not served", "<server-data xmlns='urn:xmpp:pie:0'>"
	  "<host jid='b.example'><user name='juliet'/></host></server-data>", NULL,
	  "host b.example, which the configuration does not serve" },
	{ "a name that is no localpart", HEAD "<user name='a b' password='x'>" TAIL, NULL,
	  "account a b@localhost, whose name is no localpart" },
	{ "a control character in a note is none", HEAD "<user name='a&#10;b'>" TAIL, NULL,
	  "account a?b@localhost" },
	{ "nor is one of two bytes", HEAD "<user name='a&#155;b'>" TAIL, NULL,
	  "account a??b@localhost" },
	{ "section 4.11: a time beyond what an id can hold", USER
	  "<archive xmlns='urn:xmpp:pie:0#mam'><result xmlns='urn:xmpp:mam:2' id='1'>"
	  "<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' "
	  "stamp='9999-01-01T00:00:00Z'/><message xmlns='jabber:client' from='a@b.example'>"
	  "<body>x</body></message></forwarded></result></archive>" TAIL, NULL,
	  "archived message without a time, or with one that is none", 1 },

	{ "no XML", "Liber", "syntax error" },
	{ "nothing", "", "no element found" },
	{ "another document", "<html/>", "no <server-data" },
	{ "cut", USER, "no element found" },
	{ "a document type", "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>",
	  "a document type declaration is not accepted" },
	{ "an entity from nowhere", USER "&nbsp;" TAIL, "undefined entity" },
	{ "a host without a name", "<server-data xmlns='urn:xmpp:pie:0'><host/></server-data>",
	  "a <host/> without a jid" },
	{ "an account without a name", HEAD "<user/></host></server-data>",
	  "a <user/> without a name" },
	{ "section 5: an include of bytes, which have no folder", HEAD
	  "<include xmlns='http://www.w3.org/2001/XInclude' href='x.xml'/></host></server-data>",
	  "an <include/> that is no plain file below" },
	{ "section 5: an include that leads up", "<server-data xmlns='urn:xmpp:pie:0'>"
	  "<include xmlns='http://www.w3.org/2001/XInclude' href='../x'/></server-data>",
	  "an <include/> that is no plain file below" },
};

static void test_files(void **state)
{
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		const char *name = files[i].name;
		fresh();
		bool ok = import_pie_bytes(&im, str_c(files[i].xml));
		if (ok == (files[i].error != NULL))
			fail_msg("%s: \"%.*s\"", name, STR_FMT(im.error));
		if (files[i].error)
			has_text(name, im.error, files[i].error);
		if (files[i].note && !is_noted(files[i].note))
			fail_msg("%s: \"%s\" is not noted", name, files[i].note);
		if (ok && !files[i].note && im.n_notes)
			fail_msg("%s: \"%.*s\" is noted", name, STR_FMT(im.notes[0].text));
		if (im.counts.accounts != files[i].accounts ||
		    im.counts.contacts != files[i].contacts ||
		    im.counts.requests != files[i].requests ||
		    im.counts.offline != files[i].offline)
			fail_msg("%s: other counts", name);
	}
}

/* Input without end costs no memory without end. */
static void test_bounds(void **state)
{
	static const struct {
		const char *name, *before, *again, *after, *error, *note;
		unsigned times;
	} cases[] = {
		{ "a tag that is too large", "<", "tag", "", "a tag of more than", NULL, 1 << 20 },
		{ "elements inside each other", USER, "<a>", "", "elements inside each other", NULL,
			5000 },
		{ "an element that is too large", USER "<vCard xmlns='vcard-temp'>",
			"<FN>Juliet</FN>", "</vCard>" TAIL, NULL, "element of more than", 1 << 18 },
		{ "private elements of one kind", USER "<query xmlns='jabber:iq:private'>",
			"<a xmlns='urn:a'/>", "</query>" TAIL, NULL,
			"private element that is too large", 1 << 18 },
		{ "an element that is too deep", USER "<vCard xmlns='vcard-temp'>", "<a>", "", NULL,
			NULL, 100 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf b;
		buf_init(&b, 64 << 20);
		buf_add(&b, str_c(cases[i].before));
		for (unsigned n = 0; n < cases[i].times; n++)
			buf_add(&b, str_c(cases[i].again));
		buf_add(&b, str_c(cases[i].after));
		fresh();
		bool ok = import_pie_bytes(&im, buf_str(&b));
		if (cases[i].error)
			has_text(cases[i].name, im.error, cases[i].error);
		if (cases[i].note && (!ok || !is_noted(cases[i].note)))
			fail_msg("%s: \"%s\" is not noted", cases[i].name, cases[i].note);
		buf_clear(&b);
	}
}

/* ---- Prosody's tables ---- */

/* What is wrong with a file, or NULL. */
static const struct {
	const char *name, *text, *error;
} tables[] = {
	{ "an empty one", "return {};\n", NULL },
	{ "as util.serialization writes it", "return {\n\t[false] = {\n\t\t[\"version\"] = 3;\n"
	  "\t\t[\"pending\"] = {};\n\t};\n\t[\"a@b\"] = {\n\t\t[\"groups\"] = {};\n\t\t"
	  "[\"ask\"] = \"subscribe\";\n\t};\n};\n", NULL },
	{ "its compact form", "return {a={\"x\",true,-1.5e3,nil},[2]='x'==nil}", "no value" },
	{ "names as keys", "return {a={\"x\",true,-1.5e3,nil};b=1}", NULL },
	{ "escapes", "return {\"\\065\\n\\\"\\\\\\\n\"};", NULL },
	{ "an escape over 255", "return {\"\\256\"};", "an unknown escape" },
	{ "another escape", "return {\"\\x41\"};", "an unknown escape" },
	{ "a raw line end", "return {\"a\nb\"};", "a line end in a string" },
	{ "a string without end", "return {\"a};", "a string without end" },
	{ "a backslash at the end", "return \"\\", "a string without end" },
	{ "a call", "return os.execute(\"x\");", "an unknown word" },
	{ "a function", "return {function() end};", "an unknown word" },
	{ "concatenation", "return {\"a\"..\"b\"};", "no end of an entry" },
	{ "arithmetic", "return {1+1};", "no value" },
	{ "a comment", "return {--[[x]]1};", "no value" },
	{ "another statement", "x = 1; return {};", "no `return`" },
	{ "something behind", "return {}; os.exit()", "something behind the end" },
	{ "nothing", "", "no `return`" },
	{ "cut", "return {[\"a\"] = {", "no value" },
	{ "a key without a value", "return {[\"a\"]};", "no key" },
};

static void test_tables(void **state)
{
	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
		struct arena a;
		struct value v;
		struct lua l;
		arena_init(&a, 256);
		fresh();
		im.file = "f.dat";
		lua_init(&l, &im, str_c(tables[i].text));
		bool ok = lua_read(&l, &a, &v);
		if (ok == (tables[i].error != NULL))
			fail_msg("%s: \"%.*s\"", tables[i].name, STR_FMT(im.error));
		if (tables[i].error)
			has_text(tables[i].name, im.error, tables[i].error);
		arena_clear(&a);
	}
}

/* ---- ejabberd's terms ---- */

/* Whether a term is understood, and if it is and is no table, what its text is. */
static const struct {
	const char *name, *text;
	bool ok;
	const char *is;
} terms[] = {
	{ "an empty list", "[]", true, NULL },
	{ "a tuple", "{a, 1,\n\t[true]}", true, NULL },
	{ "an atom", "anyone", true, "anyone" },
	{ "an atom of any letters", "'a B'", true, "a B" },
	{ "a binary", "<<\"The garden\">>", true, "The garden" },
	{ "a binary that says what it is", "<<\"\xc3\xbc\"/utf8>>", true, "\xc3\xbc" },
	{ "an empty binary", "<<>>", true, "" },
	{ "a binary of bytes", "<<65,66, 67>>", true, "ABC" },
	{ "a binary of both", "<<\"a\",66,\"c\">>", true, "aBc" },
	{ "a string", "\"x\"", true, "x" },
	{ "escapes", "<<\"\\\"\\\\\\n\">>", true, "\"\\\n" },
	{ "white space around it", " x ", true, "x" },
	{ "a number is no text", "-12", true, "" },
	{ "nothing", "", false, NULL },
	{ "a list without end", "[a", false, NULL },
	{ "a list with the end of a tuple", "[a}", false, NULL },
	{ "a comma too many", "[a,]", false, NULL },
	{ "two terms", "a b", false, NULL },
	{ "a binary without end", "<<\"a\"", false, NULL },
	{ "a byte over 255", "<<256>>", false, NULL },
	{ "a string without end", "\"a", false, NULL },
	{ "an escape without end", "\"a\\", false, NULL },
	{ "an escape that is not known", "\"\\x41\"", false, NULL },
	{ "a number with a point", "1.5", false, NULL },
	{ "a number over its range", "4294967296", false, NULL },
	{ "a variable", "X", false, NULL },
	{ "a minus before a word", "-a", false, NULL },
	{ "a map", "#{a => b}", false, NULL },
	{ "a record", "x#y", false, NULL },
	{ "a process", "<0.1.0>", false, NULL },
};

static void test_terms(void **state)
{
	for (size_t i = 0; i < sizeof terms / sizeof terms[0]; i++) {
		struct arena a;
		struct value v;
		arena_init(&a, 256);
		bool ok = erlang_read(str_c(terms[i].text), &a, &v);
		if (ok != terms[i].ok ||
		    (terms[i].is && !str_eq(value_text(&v), str_c(terms[i].is))))
			fail_msg("%s", terms[i].name);
		arena_clear(&a);
	}
}

/* Terms inside each other, up to a bound; what is cut anywhere is no term. */
static void test_terms_have_bounds(void **state)
{
	static const char whole[] = "[{title,<<\"The \\\"garden\\\"\">>},{max_users,200}]";
	struct arena a;
	struct value v;
	struct buf b;

	arena_init(&a, 256);
	buf_init(&b, 1 << 20);
	for (unsigned n = 0; n < ERLANG_DEPTH_MAX; n++)
		buf_lit(&b, "[");
	for (unsigned n = 0; n < ERLANG_DEPTH_MAX; n++)
		buf_lit(&b, "]");
	assert_true(erlang_read(buf_str(&b), &a, &v));
	buf_reset(&b);
	for (unsigned n = 0; n < 100000; n++)
		buf_lit(&b, "[");
	assert_false(erlang_read(buf_str(&b), &a, &v));
	buf_clear(&b);
	for (size_t n = 0; n + 1 < sizeof whole; n++)
		assert_false(erlang_read(str_from(whole, n), &a, &v));
	assert_true(erlang_read(str_c(whole), &a, &v));
	assert_true(str_eq(value_text(erlang_option(&v, "title")), STR("The \"garden\"")));
	assert_int_equal(value_u64(erlang_option(&v, "max_users"), 1000, 0), 200);
	assert_int_equal(erlang_option(&v, "lang")->kind, VALUE_NIL);
	assert_int_equal(erlang_nth(&v, 3)->kind, VALUE_NIL);
	arena_clear(&a);
}

/* Options of other versions than the one that the integration tests run. */
static void test_options_of_ejabberd(void **state)
{
	static const struct {
		const char *text, *note;
	} cases[] = {
		{ "[{affiliations,[{{<<\"a\">>,<<\"x\">>,<<>>},owner},{{<<>>,<<\"y\">>,<<>>},outcast}]},"
		  "{subject,<<\"s\">>},{subject_author,{<<\"n\">>,{jid,1}}},{allowpm,participants}]", NULL },
		{ "[{affiliations,[x,{},{1,2}]}]", "affiliation of a room that is none" },
		{ "[{subject,<<\"s\">>},{subject_author,<<\"\\n\">>}]", "subject of a room that is from" },
		{ "[{max_users,none},{presence_broadcast,[visitor,king]}]", "configuration of a room" },
		{ "[{affiliations,1},{subject,[]},{presence_broadcast,x}]", NULL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct arena a;
		struct value v;
		arena_init(&a, 256);
		fresh();
		assert_true(erlang_read(str_c(cases[i].text), &a, &v));
		assert_true(import_room(&im, STR("rooms.localhost"), STR("garden")));
		ejabberd_room(&im, &v, &a);
		assert_true(import_room_end(&im));
		assert_int_equal(im.counts.rooms, 1);
		if (cases[i].note ? !is_noted(cases[i].note) : im.n_notes)
			fail_msg("%zu: %.*s", i, STR_FMT(im.notes[0].text));
		arena_clear(&a);
	}
}

static void test_lines(void **state)
{
	struct arena a;
	struct value v;
	struct lua l;

	arena_init(&a, 256);
	fresh();
	im.file = "f.dat";
	lua_init(&l, &im, STR("return {\n\ta = true;\n\tb\n= 1;\n\tc = ?;\n};"));
	assert_false(lua_read(&l, &a, &v));
	has_text("the line of an error", im.error, "f.dat:5: ");
	arena_clear(&a);
}

static void test_depth(void **state)
{
	struct arena a;
	struct value v;
	struct buf b;
	struct lua l;

	arena_init(&a, 256);
	buf_init(&b, 1 << 20);
	buf_lit(&b, "return ");
	for (unsigned i = 0; i < 100000; i++)
		buf_lit(&b, "{");
	fresh();
	lua_init(&l, &im, buf_str(&b));
	assert_false(lua_read(&l, &a, &v));
	has_text("tables without end", im.error, "too many tables inside each other");
	buf_clear(&b);
	arena_clear(&a);
}

/* A stanza as util.stanza's preserialize() leaves it, and what it means. */
static const struct {
	const char *name, *table, *xml; /* xml NULL: none */
} stanzas[] = {
	{ "text and children", "return {{\"hi\";name=\"body\";attr={}};\"t\";name=\"message\";"
	  "attr={to=\"a@b\"}}", "<message to='a@b'><body>hi</body>t</message>" },
	{ "a namespace is inherited", "return {{name=\"x\";attr={xmlns=\"u\"}};name=\"y\";"
	  "attr={xmlns=\"u\"}}", "<y xmlns='u'><x/></y>" },
	{ "one that ends", "return {{name=\"x\";attr={xmlns=\"\"}};name=\"y\";attr={xmlns=\"u\"}}",
	  "<y xmlns='u'><x xmlns=''/></y>" },
	{ "an attribute in a namespace", "return {name=\"y\";attr={[\"u\\001n\"]=\"v\"}}",
	  "<y xmlns:a0='u' a0:n='v'/>" },
	{ "the same in older files", "return {name=\"y\";attr={[\"u|n\"]=\"v\"}}",
	  "<y xmlns:a0='u' a0:n='v'/>" },
	{ "what is to be escaped", "return {\"<&\";name=\"y\";attr={a=\"'\\n\"}}",
	  "<y a='&apos;&#10;'>&lt;&amp;</y>" },
	{ "the stamp is the archive's", "return {name=\"y\";attr={stamp=\"2020-01-01T00:00:00Z\"}}",
	  "<y/>" },
	{ "no name", "return {attr={}}", NULL },
	{ "a name that is more", "return {name=\"a><b\";attr={}}", NULL },
	{ "an attribute that is more", "return {name=\"a\";attr={[\"b='c' d\"]=\"e\"}}", NULL },
	{ "no table", "return \"a\"", NULL },
};

static void test_stanzas(void **state)
{
	for (size_t i = 0; i < sizeof stanzas / sizeof stanzas[0]; i++) {
		struct arena a;
		struct value v;
		struct buf b;
		struct lua l;
		arena_init(&a, 256);
		buf_init(&b, 4096);
		fresh();
		lua_init(&l, &im, str_c(stanzas[i].table));
		if (!lua_read(&l, &a, &v))
			fail_msg("%s: \"%.*s\"", stanzas[i].name, STR_FMT(im.error));
		bool ok = value_write_xml(&b, &v, STR("jabber:client"));
		if (ok != (stanzas[i].xml != NULL) ||
		    (ok && !str_eq(buf_str(&b), str_c(stanzas[i].xml))))
			fail_msg("%s: %.*s", stanzas[i].name, STR_FMT(buf_str(&b)));
		buf_clear(&b);
		arena_clear(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_terms),
		cmocka_unit_test(test_terms_have_bounds),
		cmocka_unit_test(test_options_of_ejabberd),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_stanzas),
	};

	config = config_default();
	import_init(&im, config, &options);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	import_clear(&im);
	config_unref(&config);
	return failed;
}
