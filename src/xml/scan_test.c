/* The scanner: each case whole, byte by byte, cut at every place and in random pieces, with the
 * same events each time. */
#include "base/bug.h"
#include "xml/scan.h"
#include "xml/test_events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HEADER "<stream:stream xmlns='jabber:client' " \
	"xmlns:stream='http://etherx.jabber.org/streams'>"
#define OPEN "open <{http://etherx.jabber.org/streams}stream></>\n"

#define NOT_WELL_FORMED "bad 1\n"
#define RESTRICTED      "bad 2\n"
#define BAD_PREFIX      "bad 3\n"
#define BAD_ENCODING    "bad 4\n"
#define INVALID         "bad 5\n"
#define TOO_LARGE       "bad 6\n"

struct example {
	const char *rule, *in, *want;
};

static const struct scan_limits small = {
	.stanza_bytes = 300, .depth = 3, .attrs = 4, .name = 20, .namespaces = 4, .nodes = 6,
};

static void run(const struct example *c, struct str in, struct str want,
	const struct scan_limits *limits, struct pieces pieces)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	events_of(&out, in, limits, pieces);
	if (!str_eq(buf_str(&out), want))
		fail_msg("%s\n%.*s\nfirst %zu every %zu seed %u\ngives  %.*swanted %.*s", c->rule,
			STR_FMT(in), pieces.first, pieces.every, pieces.seed,
			STR_FMT(buf_str(&out)), STR_FMT(want));
	buf_clear(&out);
}

static void every_cut(const struct example *c, struct str in, struct str want,
	const struct scan_limits *limits)
{
	run(c, in, want, limits, (struct pieces){ 0 });
	for (size_t i = 1; i < in.n; i++)
		run(c, in, want, limits, (struct pieces){ .first = i });
	for (size_t i = 1; i < 4; i++)
		run(c, in, want, limits, (struct pieces){ .every = i });
	for (uint32_t seed = 1; seed < 20; seed++)
		run(c, in, want, limits, (struct pieces){ .seed = seed });
}

/* Cases that follow a usual header. */
static void run_table(const struct example *cases, size_t n, const struct scan_limits *limits)
{
	for (size_t i = 0; i < n; i++) {
		struct buf in, want;
		buf_init(&in, 1 << 16);
		buf_init(&want, 1 << 16);
		buf_lit(&in, HEADER);
		buf_lit(&want, OPEN);
		buf_add(&in, str_c(cases[i].in));
		buf_add(&want, str_c(cases[i].want));
		every_cut(&cases[i], buf_str(&in), buf_str(&want), limits);
		buf_clear(&in);
		buf_clear(&want);
	}
}

#define RUN(cases) run_table(cases, sizeof cases / sizeof cases[0], &scan_limits_user)

#define S(inside) "stanza " inside "\n"
#define A(inside) S("<{jabber:client}a>" inside "</>")

static void streams(void **state)
{
	static const struct example cases[] = {
		{ "4.7 stream header with attributes",
			"<stream:stream to='a.example' xml:lang='en' version=\"1.0\" "
			"xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
			"open <{http://etherx.jabber.org/streams}stream "
			"{http://www.w3.org/XML/1998/namespace}lang=\"en\" {}to=\"a.example\" "
			"{}version=\"1.0\"></>\n" },
		{ "4.4 closing", HEADER "</stream:stream>", OPEN "close\n" },
		{ "closing tag with white space", HEADER "</stream:stream \r\n\t>\n ",
			OPEN "close\n" },
		{ "nothing follows the close", HEADER "</stream:stream> x",
			OPEN "close\n" NOT_WELL_FORMED },
		{ "closing another name", HEADER "</stream:other>", OPEN NOT_WELL_FORMED },
		{ "closing a longer name", HEADER "</stream:streams>", OPEN NOT_WELL_FORMED },
		{ "closing before the header", "</stream:stream>", NOT_WELL_FORMED },
		{ "an empty header ends the stream",
			"<a xmlns='urn:1' /> ", "open <{urn:1}a></>\nclose\n" },
		{ "11.5 XML declaration", "<?xml version='1.0'?>" HEADER, OPEN },
		{ "declaration with everything",
			"<?xml  version = \"1.1\" encoding='utf-8'\n standalone='yes' ?> \n" HEADER,
			OPEN },
		{ "11.6 other encoding", "<?xml version='1.0' encoding='ISO-8859-1'?>" HEADER,
			BAD_ENCODING },
		{ "declaration without version", "<?xml encoding='UTF-8'?>", NOT_WELL_FORMED },
		{ "declaration in wrong order",
			"<?xml version='1.0' standalone='yes' encoding='UTF-8'?>",
			NOT_WELL_FORMED },
		{ "standalone is yes or no", "<?xml version='1.0' standalone='maybe'?>",
			NOT_WELL_FORMED },
		{ "version 2", "<?xml version='2.0'?>", NOT_WELL_FORMED },
		{ "version 1.", "<?xml version='1.'?>", NOT_WELL_FORMED },
		{ "declaration with junk", "<?xml version='1.0'x?>", NOT_WELL_FORMED },
		{ "declaration without its end", "<?xml version='1.0'>", NOT_WELL_FORMED },
		{ "declaration after white space", " <?xml version='1.0'?>", RESTRICTED },
		{ "second declaration", "<?xml version='1.0'?><?xml version='1.0'?>", RESTRICTED },
		{ "11.1 processing instruction", "<?xs", RESTRICTED },
		{ "processing instruction like a declaration", "<?xml-a ?>", RESTRICTED },
		{ "11.1 DTD", "<!DOCTYPE a>", RESTRICTED },
		{ "11.1 comment before the header", "<!-- -->", RESTRICTED },
		{ "CDATA before the header", "<![CDATA[]]>" HEADER, NOT_WELL_FORMED },
		{ "11.6 a byte order mark is a character", "\xef\xbb\xbf" HEADER,
			NOT_WELL_FORMED },
		{ "text before the header", "GET / HTTP/1.1\r\n", NOT_WELL_FORMED },
		{ "not UTF-8 before the header", "\xff\xfe", BAD_ENCODING },
		{ "white space before the header", "\n\t \r" HEADER, OPEN },
		{ "4.8.2 prefix-free header",
			"<stream xmlns='http://etherx.jabber.org/streams'><features/>"
			"<iq xmlns='jabber:client'><a/></iq></stream>",
			"open <{http://etherx.jabber.org/streams}stream></>\n"
			"stanza <{http://etherx.jabber.org/streams}features></> inherits\n"
			"stanza <{jabber:client}iq><{jabber:client}a></></>\nclose\n" },
		{ "4.8.5 another prefix for streams",
			"<s:stream xmlns:s='http://etherx.jabber.org/streams' "
			"xmlns='jabber:server'><a/><s:error/></s:stream>",
			"open <{http://etherx.jabber.org/streams}stream></>\n"
			"stanza <{jabber:server}a></>\n"
			"stanza <{http://etherx.jabber.org/streams}error></> inherits\nclose\n" },
		{ "the header's prefixes alone are known",
			"<s:stream xmlns:s='http://etherx.jabber.org/streams'><stream:error/>",
			"open <{http://etherx.jabber.org/streams}stream></>\n" BAD_PREFIX },
		{ "4.8.5 prefix declared in the header",
			"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' "
			"xmlns='jabber:server' xmlns:h='urn:example:header'>"
			"<h:result/><a h:x='1'><b/></a><a><h:b xmlns:h='urn:2'/></a><a/>",
			"open <{http://etherx.jabber.org/streams}stream></>\n"
			"stanza <{urn:example:header}result></> inherits\n"
			"stanza <{jabber:server}a {urn:example:header}x=\"1\">"
			"<{jabber:server}b></></> inherits\n"
			"stanza <{jabber:server}a><{urn:2}b></></>\n"
			"stanza <{jabber:server}a></>\n" },
		{ "escaped URI in the header",
			"<stream:stream xmlns:stream='http://etherx.jabber.org&#x2f;streams' "
			"xmlns='jabber:clien&#116;'><a/><stream:a/>",
			"open <{http://etherx.jabber.org/streams}stream></>\n"
			"stanza <{jabber:client}a></>\n"
			"stanza <{http://etherx.jabber.org/streams}a></> inherits\n" },
		{ "header in no namespace", "<stream><a/></stream>",
			"open <{}stream></>\nstanza <{}a></>\nclose\n" },
		{ "header with an undeclared prefix", "<stream:stream>", BAD_PREFIX },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		every_cut(&cases[i], str_c(cases[i].in), str_c(cases[i].want), &scan_limits_user);
}

static void between(void **state)
{
	static const struct example cases[] = {
		{ "11.7 white space between stanzas", " \r\n\t<a/> \n <a/>  ", A("") A("") },
		{ "4.9.3.11 text between stanzas", "<a/>x<a/>", A("") INVALID },
		{ "text of UTF-8 between stanzas", "\xd0\xbf<a/>", INVALID },
		{ "reference between stanzas", "&#32;<a/>", INVALID },
		{ "CDATA between stanzas", "<![CDATA[]]><a/>", INVALID },
		{ "NUL between stanzas", "\x01<a/>", NOT_WELL_FORMED },
		{ "no UTF-8 between stanzas", "\x80<a/>", BAD_ENCODING },
		{ "no UTF-8 between stanzas: overlong", "\xc1\x80<a/>", BAD_ENCODING },
		{ "11.1 comment between stanzas", "<!-", RESTRICTED },
		{ "11.1 DTD between stanzas", "<!D", RESTRICTED },
		{ "11.1 processing instruction between stanzas", "<?", RESTRICTED },
		{ "not a declaration", "<!ELEMENT", NOT_WELL_FORMED },
		{ "no name", "< a/>", NOT_WELL_FORMED },
		{ "cut name between stanzas", "<a/>\n <ab", A("") },
	};

	RUN(cases);
}

static void elements(void **state)
{
	static const struct example cases[] = {
		{ "production 44: empty element", "<a/><a />", A("") A("") },
		{ "start and end", "<a></a><a ></a\n>", A("") A("") },
		{ "children", "<a><b/><c><d></d></c></a>",
			A("<{jabber:client}b></><{jabber:client}c><{jabber:client}d></></>") },
		{ "long names", "<abcdefghijklmno/><abcdefghijklmnop/><abcdefghijklmnopq></"
			"abcdefghijklmnopq>",
			S("<{jabber:client}abcdefghijklmno></>")
			S("<{jabber:client}abcdefghijklmnop></>")
			S("<{jabber:client}abcdefghijklmnopq></>") },
		{ "3 mismatched end tag", "<a><b></a></b>", NOT_WELL_FORMED },
		{ "end tag with a longer name", "<a></ab>", NOT_WELL_FORMED },
		{ "end tag with a shorter name", "<ab></a>", NOT_WELL_FORMED },
		{ "end tag with an attribute", "<a></a b='c'>", NOT_WELL_FORMED },
		{ "space in an empty tag's end", "<a/ >", NOT_WELL_FORMED },
		{ "space before an end tag's name", "<a></ a>", NOT_WELL_FORMED },
		{ "tag in a tag", "<a<b/>", NOT_WELL_FORMED },
		{ "production 5: name begins with a digit", "<1a/>", NOT_WELL_FORMED },
		{ "name begins with a hyphen", "<-a/>", NOT_WELL_FORMED },
		{ "name with all of ASCII", "<_a.B-9/>", S("<{jabber:client}_a.B-9></>") },
		{ "name with a slash", "<a/b/>", NOT_WELL_FORMED },
		{ "name with a control character", "<a\x01/>", NOT_WELL_FORMED },
		{ "fifth edition: letters", "<\xd0\xbf\xd1\x80.\xe4\xb8\xad\xf0\x90\x80\x80/>",
			S("<{jabber:client}\xd0\xbf\xd1\x80.\xe4\xb8\xad\xf0\x90\x80\x80></>") },
		{ "fifth edition: U+00B7 goes on but does not begin", "<a\xc2\xb7/><\xc2\xb7/>",
			S("<{jabber:client}a\xc2\xb7></>") NOT_WELL_FORMED },
		{ "fifth edition: U+00D7 is in no name", "<a\xc3\x97/>", NOT_WELL_FORMED },
		{ "U+FFFE is in no name", "<a\xef\xbf\xbe/>", NOT_WELL_FORMED },
		{ "bad UTF-8 in a name", "<a\xc3(/>", BAD_ENCODING },
		{ "11.1 comment", "<a><!-- x --></a>", RESTRICTED },
		{ "11.1 processing instruction", "<a><?x?></a>", RESTRICTED },
		{ "11.1 DTD", "<a><!DOCTYPE x></a>", RESTRICTED },
		{ "not a declaration", "<a><!x></a>", NOT_WELL_FORMED },
		{ "no name", "<a><></a>", NOT_WELL_FORMED },
	};

	RUN(cases);
}

#define V(value) S("<{jabber:client}a {}b=\"" value "\"></>")

static void attributes(void **state)
{
	static const struct example cases[] = {
		{ "both quotes", "<a b='c'/><a b=\"c\"/><a b='\"'/><a b=\"'\"/>",
			V("c") V("c") V("\"") V("'") },
		{ "space around '='", "<a b = 'c' d\n=\t\"e\" />",
			S("<{jabber:client}a {}b=\"c\" {}d=\"e\"></>") },
		{ "empty and long", "<a b=''/><a b='0123456789abcdef0123456789abcdef'/>",
			V("") V("0123456789abcdef0123456789abcdef") },
		{ "'>' is allowed in a value", "<a b='>]]>'/>", V(">]]>") },
		{ "3.1 '<' is not", "<a b='<'/>", NOT_WELL_FORMED },
		{ "4.6 predefined entities", "<a b='&lt;&gt;&amp;&quot;&apos;'/>",
			V("<>&\"'") },
		{ "3.3.3 white space becomes a space", "<a b='x\ty\nz\r\nu\rv'/>",
			V("x y z u v") },
		{ "3.3.3 but not as a reference", "<a b='&#9;&#10;&#xD;'/>", V("\t\n\r") },
		{ "UTF-8 in a value", "<a b='\xd0\xbf\xe4\xb8\xad\xf0\x9f\x98\x80'/>",
			V("\xd0\xbf\xe4\xb8\xad\xf0\x9f\x98\x80") },
		{ "bad UTF-8 in a value", "<a b='\xc3\x28'/>", BAD_ENCODING },
		{ "control character in a value", "<a b='\x1f'/>", NOT_WELL_FORMED },
		{ "11.1 custom entity in a value", "<a b='&x;'/>", RESTRICTED },
		{ "3.1 no space between", "<a b='c'd='e'/>", NOT_WELL_FORMED },
		{ "no quotes", "<a b=c/>", NOT_WELL_FORMED },
		{ "no value", "<a b/>", NOT_WELL_FORMED },
		{ "no '='", "<a b 'c'/>", NOT_WELL_FORMED },
		{ "two '='", "<a b=='c'/>", NOT_WELL_FORMED },
		{ "no name", "<a ='c'/>", NOT_WELL_FORMED },
		{ "3.1 twice the same", "<a b='c' b='c'/>", NOT_WELL_FORMED },
		{ "twice the same, known names", "<a id='c' to='' id='c'/>", NOT_WELL_FORMED },
		{ "twice the same, long",
			"<a abcdefghijklmnopqrst='' x='' abcdefghijklmnopqrst=''/>",
			NOT_WELL_FORMED },
		{ "names with one filter bit", "<a b='1' ab='2' aa='3' ca='4'/>",
			S("<{jabber:client}a {}aa=\"3\" {}ab=\"2\" {}b=\"1\" {}ca=\"4\"></>") },
	};

	RUN(cases);
}

#define T(text) S("<{jabber:client}a>\"" text "\"</>")

static void texts(void **state)
{
	static const struct example cases[] = {
		{ "plain and long", "<a>x</a><a>0123456789abcdef0123456789abcdef</a>",
			T("x") T("0123456789abcdef0123456789abcdef") },
		{ "mixed", "<a>x<b/>y</a>", S("<{jabber:client}a>\"x\"<{jabber:client}b></>"
			"\"y\"</>") },
		{ "white space is text", "<a> \t\n</a>", T(" \t\n") },
		{ "2.11 line ends", "<a>x\r\ny\rz\n\r\r\n</a>", T("x\ny\nz\n\n\n") },
		{ "4.6 predefined entities", "<a>&lt;&gt;&amp;&quot;&apos;</a>", T("<>&\"'") },
		{ "4.1 character references", "<a>&#65;&#x42;&#x1F600;&#0067;&#xD;</a>",
			T("AB\xf0\x9f\x98\x80" "C\r") },
		{ "reference to a forbidden character", "<a>&#1;</a>", NOT_WELL_FORMED },
		{ "reference to NUL", "<a>&#0;</a>", NOT_WELL_FORMED },
		{ "reference to a surrogate", "<a>&#xD800;</a>", NOT_WELL_FORMED },
		{ "reference to U+FFFE", "<a>&#xFFFE;</a>", NOT_WELL_FORMED },
		{ "reference beyond Unicode", "<a>&#x110000;</a>", NOT_WELL_FORMED },
		{ "reference far beyond", "<a>&#99999999999999999999;</a>", NOT_WELL_FORMED },
		{ "reference with many zeros", "<a>&#x0000000000000000000000000000000000041;</a>",
			TOO_LARGE },
		{ "reference without digits", "<a>&#;</a>", NOT_WELL_FORMED },
		{ "reference with X", "<a>&#X41;</a>", NOT_WELL_FORMED },
		{ "hexadecimal digits in a decimal one", "<a>&#4A;</a>", NOT_WELL_FORMED },
		{ "11.1 custom entity", "<a>&nbsp;</a>", RESTRICTED },
		{ "11.1 custom entity, long", "<a>&amplifier</a>", RESTRICTED },
		{ "entity in capitals", "<a>&LT;</a>", RESTRICTED },
		{ "bare ampersand", "<a>& </a>", NOT_WELL_FORMED },
		{ "entity without its end", "<a>&amp </a>", NOT_WELL_FORMED },
		{ "2.4 ']]>' is not allowed", "<a>]]></a>", NOT_WELL_FORMED },
		{ "many brackets", "<a>]]]]></a>", NOT_WELL_FORMED },
		{ "single ones are", "<a>]>]]&gt;]] ></a>", T("]>]]>]] >") },
		{ "brackets before an element", "<a>]]<b/>></a>",
			S("<{jabber:client}a>\"]]\"<{jabber:client}b></>\">\"</>") },
		{ "2.7 CDATA", "<a>x<![CDATA[<b>&amp;]]]]><![CDATA[>]]></a>",
			T("x<b>&amp;]]>") },
		{ "empty CDATA", "<a><![CDATA[]]></a><a><![CDATA[]]]></a>",
			A("") T("]") },
		{ "CDATA with line ends", "<a><![CDATA[\r\n\r&]]></a>", T("\n\n&") },
		{ "CDATA with control characters", "<a><![CDATA[\x02]]></a>", NOT_WELL_FORMED },
		{ "CDATA with UTF-8", "<a><![CDATA[\xd0\xbf]]></a>", T("\xd0\xbf") },
		{ "CDATA with bad UTF-8", "<a><![CDATA[\xd0]]></a>", BAD_ENCODING },
		{ "CDATA in small letters", "<a><![cdata[]]></a>", NOT_WELL_FORMED },
		{ "2.2 control character", "<a>\x08</a>", NOT_WELL_FORMED },
		{ "2.2 U+FFFF", "<a>\xef\xbf\xbf</a>", NOT_WELL_FORMED },
		{ "2.2 U+FFFD and U+10FFFF", "<a>\xef\xbf\xbd\xf4\x8f\xbf\xbf\x7f</a>",
			T("\xef\xbf\xbd\xf4\x8f\xbf\xbf\x7f") },
		{ "11.6 U+FEFF is a character", "<a>\xef\xbb\xbf</a>", T("\xef\xbb\xbf") },
		{ "11.6 overlong form", "<a>\xc0\x80</a>", BAD_ENCODING },
		{ "11.6 surrogate", "<a>\xed\xa0\x80</a>", BAD_ENCODING },
		{ "11.6 lone continuation", "<a>\x80</a>", BAD_ENCODING },
		{ "11.6 cut character", "<a>\xe4\xb8</a>", BAD_ENCODING },
		{ "Cyrillic, Chinese, Hindi, emoji",
			"<a>\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, "
			"\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd "
			"\xe0\xa4\xa8\xe0\xa4\xae\xed\x95\x9c\xf0\x9f\x98\x80\xf0\x9f\x98\x80.</a>",
			T("\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, "
			"\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd "
			"\xe0\xa4\xa8\xe0\xa4\xae\xed\x95\x9c\xf0\x9f\x98\x80\xf0\x9f\x98\x80.") },
	};

	RUN(cases);
}

static void namespaces(void **state)
{
	static const struct example cases[] = {
		{ "6.2 default namespace is inherited", "<a><x xmlns='urn:1'><y/></x><b/></a>",
			A("<{urn:1}x><{urn:1}y></></><{jabber:client}b></>") },
		{ "declared by the last attribute", "<a b='c' xmlns='urn:1'/>",
			S("<{urn:1}a {}b=\"c\"></>") },
		{ "xmlns=''", "<a><b xmlns=''><c/></b></a>", A("<{}b><{}c></></>") },
		{ "5 prefixes", "<p:a xmlns:p='urn:1' p:b='1' b='2'><p:c/><c/></p:a>",
			S("<{urn:1}a {urn:1}b=\"1\" {}b=\"2\"><{urn:1}c></>"
			"<{jabber:client}c></></>") },
		{ "prefix declared behind its use", "<a p:b='1' xmlns:p='urn:1'/>",
			S("<{jabber:client}a {urn:1}b=\"1\"></>") },
		{ "inner declaration hides the outer one",
			"<p:a xmlns:p='urn:1'><p:b xmlns:p='urn:2'/><p:b/></p:a>",
			S("<{urn:1}a><{urn:2}b></><{urn:1}b></></>") },
		{ "a scope ends with its element", "<a><b xmlns:p='urn:1'/><p:c/></a>",
			BAD_PREFIX },
		{ "default namespace below prefixes",
			"<p:a xmlns:p='urn:1' xmlns='urn:2'><p:b><c/></p:b></p:a>",
			S("<{urn:1}a><{urn:1}b><{urn:2}c></></></>") },
		{ "content namespace below prefixes", "<p:a xmlns:p='urn:1'><b/></p:a>",
			S("<{urn:1}a><{jabber:client}b></></>") },
		{ "prefix for a known namespace", "<p:a xmlns:p='urn:xmpp:ping'/>",
			S("<{urn:xmpp:ping}a></>") },
		{ "5 undeclared prefix", "<p:a/>", BAD_PREFIX },
		{ "undeclared prefix of an attribute", "<a p:b=''/>", BAD_PREFIX },
		{ "prefix of the stream", "<stream:error/>",
			"stanza <{http://etherx.jabber.org/streams}error></> inherits\n" },
		{ "the stream's prefix declared again",
			"<stream:a xmlns:stream='urn:1'/>", S("<{urn:1}a></>") },
		{ "3 prefix xml is known", "<a xml:lang='en' lang='de'/>",
			S("<{jabber:client}a {http://www.w3.org/XML/1998/namespace}lang=\"en\" "
			"{}lang=\"de\"></>") },
		{ "prefix xml on an element", "<xml:a/>",
			S("<{http://www.w3.org/XML/1998/namespace}a></>") },
		{ "3 xml may be declared as what it is",
			"<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>", A("") },
		{ "3 and as nothing else", "<a xmlns:xml='urn:1'/>", BAD_PREFIX },
		{ "3 nor its namespace by another prefix",
			"<a xmlns:x='http://www.w3.org/XML/1998/namespace'/>", BAD_PREFIX },
		{ "3 nor as default",
			"<a xmlns='http://www.w3.org/XML/1998/namespace'/>", BAD_PREFIX },
		{ "3 xmlns is not declared", "<a xmlns:xmlns='urn:1'/>", BAD_PREFIX },
		{ "3 nor its namespace", "<a xmlns:x='http://www.w3.org/2000/xmlns/'/>",
			BAD_PREFIX },
		{ "3 nor used", "<xmlns:a/>", BAD_PREFIX },
		{ "2.2 no empty URI for a prefix", "<a xmlns:p=''/>", NOT_WELL_FORMED },
		{ "4 empty prefix", "<:a/>", NOT_WELL_FORMED },
		{ "4 empty local name", "<a:/>", NOT_WELL_FORMED },
		{ "4 empty local name of an attribute", "<a xmlns:=''/>", NOT_WELL_FORMED },
		{ "4 two colons", "<a:b:c xmlns:a='urn:1'/>", NOT_WELL_FORMED },
		{ "4 two colons in a long name", "<abcdefgh:ijklmnop:q/>", NOT_WELL_FORMED },
		{ "4 local name begins with a digit", "<p:1 xmlns:p='urn:1'/>",
			NOT_WELL_FORMED },
		{ "3.1 declared twice", "<a xmlns:p='urn:1' xmlns:p='urn:1'/>", NOT_WELL_FORMED },
		{ "3.1 default declared twice", "<a xmlns='urn:1' b='' xmlns='urn:1'/>",
			NOT_WELL_FORMED },
		{ "6.3 one name by two prefixes",
			"<a xmlns:p='urn:1' xmlns:q='urn:1' p:b='' q:b=''/>", NOT_WELL_FORMED },
		{ "6.3 one name by two prefixes and a known namespace",
			"<a xmlns:p='urn:xmpp:ping'><b xmlns:q='urn:xmpp:ping' p:b='' q:b=''/></a>",
			NOT_WELL_FORMED },
		{ "6.3 with a URI written in another way",
			"<a xmlns:p='urn:1' xmlns:q='urn:&#49;' p:b='' q:b=''/>",
			NOT_WELL_FORMED },
		{ "6.3 other namespaces", "<a xmlns:p='urn:1' xmlns:q='urn:2' p:b='' q:b=''/>",
			S("<{jabber:client}a {urn:1}b=\"\" {urn:2}b=\"\"></>") },
		{ "6.3 other names", "<a xmlns:p='urn:1' xmlns:q='urn:1' p:b='' q:c='' b=''/>",
			S("<{jabber:client}a {urn:1}b=\"\" {urn:1}c=\"\" {}b=\"\"></>") },
		{ "names are case-sensitive", "<a XMLNS='urn:1' Xmlns='urn:2'/>",
			S("<{jabber:client}a {}XMLNS=\"urn:1\" {}Xmlns=\"urn:2\"></>") },
		{ "6.2 xmlns with a reference", "<a xmlns='urn:xmpp:pin&#103;'/>",
			S("<{urn:xmpp:ping}a></>") },
		{ "URI with white space and quotes", "<p:a xmlns:p='u\t&apos;&quot;'/>",
			S("<{u '\"}a></>") },
		{ "an attribute that looks like a declaration", "<a xmlns:p='urn:1' p:xmlns='2'/>",
			S("<{jabber:client}a {urn:1}xmlns=\"2\"></>") },
	};

	RUN(cases);
}

static void limits(void **state)
{
	static const struct example cases[] = {
		{ "depth", "<a><b><c/></b></a><a><b><c></c></b></a><a><b><c><d",
			A("<{jabber:client}b><{jabber:client}c></></>")
			A("<{jabber:client}b><{jabber:client}c></></>") },
		{ "depth, exceeded", "<a><b><c><d/>", TOO_LARGE },
		{ "attributes", "<a b='' c='' d='' e=''/><a b='' c='' d='' e='' f=''/>",
			S("<{jabber:client}a {}b=\"\" {}c=\"\" {}d=\"\" {}e=\"\"></>") TOO_LARGE },
		{ "name", "<abcdefghijklmnopqrst/><abcdefghijklmnopqrstu",
			S("<{jabber:client}abcdefghijklmnopqrst></>") TOO_LARGE },
		{ "name of an attribute", "<a abcdefghijklmnopqrstu", TOO_LARGE },
		{ "declarations", "<a xmlns='urn:1'><b xmlns='urn:2'/><b xmlns='urn:3'/></a>"
			"<a xmlns='urn:1'><b xmlns='urn:2'><b xmlns='urn:3'/></b></a>",
			S("<{urn:1}a><{urn:2}b></><{urn:3}b></></>") TOO_LARGE },
		{ "nodes", "<a><b/>x<b/>y<b/></a><a><b/>x<b/>y<b/>z</a>",
			A("<{jabber:client}b></>\"x\"<{jabber:client}b></>\"y\""
			"<{jabber:client}b></>") TOO_LARGE },
	};

	run_table(cases, sizeof cases / sizeof cases[0], &small);
}

/* stanza_bytes counts from the first '<', and bytes behind it are not looked at. */
static void stanza_bytes(void **state)
{
	static const struct example c = { .rule = "stanza_bytes" };
	static const struct {
		size_t filler;
		const char *before, *after, *want;
	} cases[] = {
		{ 300 - 7, "  <a>", "</a>\n<a></a>", "stanza " },
		{ 300 - 7 + 1, "  <a>", "</a>", "bad 6\n" },
		{ 300 - 3, "<a>", "&;", "bad 6\n" },
		{ 300 - 5, "<a>", "&;", "bad 1\n" },
		{ 300 - 9, "<a b='", "'/>", "stanza " },
		{ 300 - 8, "<a b='", "'/>", "bad 6\n" },
		{ 400, "<a b='", "", "bad 6\n" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf in, want;
		buf_init(&in, 2000);
		buf_init(&want, 4000);
		buf_lit(&in, HEADER);
		buf_add(&in, str_c(cases[i].before));
		for (size_t k = 0; k < cases[i].filler; k++)
			buf_byte(&in, 'x');
		buf_add(&in, str_c(cases[i].after));
		events_of(&want, buf_str(&in), &small, (struct pieces){ 0 });
		struct str got = str_skip(buf_str(&want), sizeof OPEN - 1);
		assert_true(str_starts(got, str_c(cases[i].want)));
		every_cut(&c, buf_str(&in), buf_str(&want), &small);
		buf_clear(&in);
		buf_clear(&want);
	}
}

/* A namespace URI has at most 512 bytes. */
static void long_uri(void **state)
{
	for (unsigned n = 512; n <= 513; n++) {
		struct example c = { .rule = "URI" };
		struct buf in, want;
		buf_init(&in, 2000);
		buf_init(&want, 2000);
		buf_printf(&in, "%s<a xmlns='%0*u'/>", HEADER, (int)n, 1);
		if (n == 512)
			buf_printf(&want, "%sstanza <{%0*u}a></>\n", OPEN, (int)n, 1);
		else
			buf_printf(&want, "%s%s", OPEN, TOO_LARGE);
		every_cut(&c, buf_str(&in), buf_str(&want), &scan_limits_user);
		buf_clear(&in);
		buf_clear(&want);
	}
}

/* A long declaration before the header is refused although it is not cut off by stanza_bytes. */
static void long_declaration(void **state)
{
	static const struct example c = { .rule = "XML declaration" };
	char in[300];

	memset(in, ' ', sizeof in);
	memcpy(in, "<?xml", 5);
	every_cut(&c, str_from(in, sizeof in), STR("bad 6\n"), &scan_limits_user);
}

static void documents(void **state)
{
	static const struct {
		const char *rule, *in;
		enum scan_error error;
	} cases[] = {
		{ "RFC 7395 3.2: one element", "<a/>", SCAN_OK },
		{ "white space behind it", "<a>x</a> \n", SCAN_OK },
		{ "white space before it", " <a/>", SCAN_NOT_WELL_FORMED },
		{ "two elements", "<a/><a/>", SCAN_NOT_WELL_FORMED },
		{ "text behind it", "<a/>x", SCAN_NOT_WELL_FORMED },
		{ "nothing", "", SCAN_NOT_WELL_FORMED },
		{ "cut", "<a><b/>", SCAN_NOT_WELL_FORMED },
		{ "cut at its name", "<a", SCAN_NOT_WELL_FORMED },
		{ "end tag", "</stream:stream>", SCAN_NOT_WELL_FORMED },
		{ "the stream's prefix is not known", "<stream:error/>", SCAN_BAD_PREFIX },
		{ "declaration", "<?xml version='1.0'?><a/>", SCAN_RESTRICTED },
		{ "comment", "<!-- --><a/>", SCAN_RESTRICTED },
		{ "a bad one", "<a>\xff</a>", SCAN_BAD_ENCODING },
	};
	struct xml_table t = { 0 };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t n = strlen(cases[i].in);
		char *p = xmalloc(n + SCAN_PAD);
		memcpy(p, cases[i].in, n);
		memset(p + n, '/', SCAN_PAD);
		enum scan_error error = scan_document(&t, &scan_limits_user, NS_CLIENT, p, n);
		if (error != cases[i].error)
			fail_msg("%s: %u", cases[i].rule, error);
		if (!error)
			assert_true(xml_is(&t.nodes[0], NS_CLIENT, TAG_A));
		free(p);
	}
	xml_table_clear(&t);
}

/* RFC 6120 section 13.12: not less than 10,000 bytes. */
static void stated_limits(void **state)
{
	assert_true(scan_limits_guest.stanza_bytes >= 10000);
	assert_true(scan_limits_user.stanza_bytes >= 10000);
	assert_true(sizeof(struct scan) <= 64);
}

/* Limits are exchanged when a peer has shown who it is, and the stream begins anew. */
static void restart(void **state)
{
	static const char in[] = HEADER "<a>0123456789</a>" HEADER "</stream:stream>" HEADER
		"                                                                ";
	const struct scan_limits tiny = { 160, 3, 4, 20, 4, 6 };
	struct xml_table t = { 0 };
	struct scan s;
	size_t at = 0, n = sizeof in - 1 - SCAN_PAD, used;

	scan_init(&s, &tiny);
	assert_int_equal(scan_next(&s, &t, in, n, &used), SCAN_OPEN);
	s.limits = &scan_limits_user;
	at += used;
	assert_int_equal(scan_next(&s, &t, in + at, n - at, &used), SCAN_STANZA);
	at += used;
	scan_restart(&s);
	assert_ptr_equal(s.limits, &scan_limits_user);
	assert_int_equal(scan_next(&s, &t, in + at, n - at, &used), SCAN_OPEN);
	at += used;
	assert_int_equal(scan_next(&s, &t, in + at, n - at, &used), SCAN_CLOSE);
	at += used;
	assert_int_equal(scan_next(&s, &t, in + at, n - at, &used), SCAN_BAD);
	assert_int_equal(scan_next(&s, &t, in + at, n - at, &used), SCAN_BAD);
	assert_int_equal(s.error, SCAN_NOT_WELL_FORMED);
	scan_clear(&s);
	xml_table_clear(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams),
		cmocka_unit_test(between),
		cmocka_unit_test(elements),
		cmocka_unit_test(attributes),
		cmocka_unit_test(texts),
		cmocka_unit_test(namespaces),
		cmocka_unit_test(limits),
		cmocka_unit_test(stanza_bytes),
		cmocka_unit_test(long_uri),
		cmocka_unit_test(long_declaration),
		cmocka_unit_test(documents),
		cmocka_unit_test(stated_limits),
		cmocka_unit_test(restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
