/* vCards that another server keeps as PEP nodes: XEP-0292's vCard4 and XEP-0084's avatar become
 * one vcard-temp, as Prosody's mod_vcard_legacy would show them to a client. */
#include "server/import.h"
#include "xml/writer.h"


#define NODE_VCARD    "urn:xmpp:vcard4"
#define NODE_METADATA "urn:xmpp:avatar:metadata"
#define NODE_DATA     "urn:xmpp:avatar:data"

bool import_profile(struct import *im, struct str node, struct str xml)
{
	struct str *kept = str_eq(node, STR(NODE_VCARD)) ? &im->vcard4
		: str_eq(node, STR(NODE_METADATA)) ? &im->avatar_metadata
		: str_eq(node, STR(NODE_DATA)) ? &im->avatar_data : NULL;

	if (im->taken && kept)
		*kept = str_dup(&im->user_mem, xml);
	return kept;
}

void import_node(struct import *im, struct str node, struct str xml)
{
	if (!import_profile(im, node, xml) && im->taken)
		import_note(im, "PEP node %.*s", STR_FMT(str_head(node, 200)));
}

/* ---- reading ---- */

struct card {
	struct xml_doc d;
	struct xml_table table;
	struct arena mem;
};

static const struct xml_node *child(const struct card *c, const struct xml_node *of,
	const char *name)
{
	const struct xml_node *n = of ? xml_first(&c->d, of) : NULL;

	while (n && !str_eq(xml_name(&c->d, n), str_c(name)))
		n = xml_next(&c->d, n);
	return n;
}

/* The text of a child, or the null slice. */
static struct str text_of(struct card *c, const struct xml_node *of, const char *name)
{
	const struct xml_node *n = child(c, of, name);

	return n ? xml_text(&c->d, n, &c->mem) : STR_NULL;
}

static bool card_open(struct import *im, struct card *c, struct str xml)
{
	*c = (struct card){ 0 };
	arena_init(&c->mem, 4096);
	return xml.n && import_scan(im, &c->table, xml, &c->mem, &c->d);
}

static void card_close(struct card *c)
{
	xml_table_clear(&c->table);
	arena_clear(&c->mem);
}

/* ---- writing ---- */

/* A part of a structured value; an empty one is left out. */
static void leaf(struct writer *w, const char *name, struct str text)
{
	if (text.n)
		w_leaf(w, name, text);
}

/* <HOME/> or <WORK/>, as the type among the parameters says. */
static void write_type(struct writer *w, struct card *c, const struct xml_node *el)
{
	struct str type = text_of(c, child(c, child(c, el, "parameters"), "type"), "text");

	if (!str_eq(type, STR("home")) && !str_eq(type, STR("work")))
		return;
	w_open(w, str_eq(type, STR("home")) ? "HOME" : "WORK");
	w_close(w);
}

/* Those whose value is one text: name here, its child, name there. */
static const char *const simple[][3] = {
	{ "fn", "text", "FN" }, { "nickname", "text", "NICKNAME" }, { "title", "text", "TITLE" },
	{ "role", "text", "ROLE" }, { "categories", "text", "CATEGORIES" },
	{ "note", "text", "NOTE" }, { "url", "uri", "URL" }, { "bday", "date", "BDAY" },
};

/* Those whose value has parts: name here and there, then the parts here and there. */
static const struct {
	const char *from, *to, *parts[8][2];
	bool typed;
} structured[] = {
	{ "n", "N", { { "surname", "FAMILY" }, { "given", "GIVEN" }, { "additional", "MIDDLE" },
		{ "prefix", "PREFIX" }, { "suffix", "SUFFIX" } }, false },
	{ "adr", "ADR", { { "pobox", "POBOX" }, { "ext", "EXTADD" }, { "street", "STREET" },
		{ "locality", "LOCALITY" }, { "region", "REGION" }, { "code", "PCODE" },
		{ "country", "CTRY" } }, true },
	{ "org", "ORG", { { "text", "ORGNAME" } }, false },
	{ "email", "EMAIL", { { "text", "USERID" } }, true },
	{ "tel", "TEL", { { "uri", "NUMBER" } }, true },
};

static struct str without(struct str text, struct str prefix)
{
	return str_starts(text, prefix) ? str_skip(text, prefix.n) : text;
}

static void write_structured(struct writer *w, struct card *c, const struct xml_node *el, size_t i)
{
	w_open(w, structured[i].to);
	for (size_t p = 0; p < 8 && structured[i].parts[p][0]; p++)
		leaf(w, structured[i].parts[p][1],
			without(text_of(c, el, structured[i].parts[p][0]), STR("tel:")));
	if (structured[i].typed)
		write_type(w, c, el);
	w_close(w);
}

static void write_field(struct writer *w, struct card *c, const struct xml_node *el)
{
	struct str name = xml_name(&c->d, el), uri = text_of(c, el, "uri");

	for (size_t i = 0; i < sizeof simple / sizeof simple[0]; i++)
		if (str_eq(name, str_c(simple[i][0])))
			leaf(w, simple[i][2], text_of(c, el, simple[i][1]));
	for (size_t i = 0; i < sizeof structured / sizeof structured[0]; i++)
		if (str_eq(name, str_c(structured[i].from)))
			write_structured(w, c, el, i);
	if (str_eq(name, STR("impp")) && str_starts(uri, STR("xmpp:")))
		leaf(w, "JABBERID", without(uri, STR("xmpp:")));
}

static void write_photo(struct import *im, struct writer *w)
{
	struct card data, about;

	if (card_open(im, &data, im->avatar_data)) {
		bool known = card_open(im, &about, im->avatar_metadata);
		const struct xml_node *info = NULL;

		if (known)
			info = child(&about, xml_root(&about.d), "info");
		w_open(w, "PHOTO");
		if (info)
			leaf(w, "TYPE", xml_attr_str(&about.d, info, TAG_TYPE, &about.mem));
		w_leaf(w, "BINVAL", xml_text(&data.d, xml_root(&data.d), &data.mem));
		w_close(w);
		card_close(&about);
	}
	card_close(&data);
}

bool import_vcard4(struct import *im, struct buf *out)
{
	struct writer w = w_on(out);
	struct card c;

	if (!im->vcard4.n && !im->avatar_data.n)
		return false;
	w_open_ns(&w, "vCard", NS_VCARD);
	if (card_open(im, &c, im->vcard4))
		for (const struct xml_node *n = xml_first(&c.d, xml_root(&c.d)); n;
		     n = xml_next(&c.d, n))
			write_field(&w, &c, n);
	card_close(&c);
	write_photo(im, &w);
	w_close(&w);
	return w_done(&w);
}
