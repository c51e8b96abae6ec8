#include "server/import_pie.h"

#include "base/base64.h"
#include "base/bug.h"
#include "server/import_xml.h"
#include "xml/extract.h"
#include "xmpp/datetime.h"

#include <stdlib.h>

#define INCLUDES_MAX 4 /* files inside each other; section 5.1 has three */
#define PLACES_MAX   8 /* of server-data, host, user, pubsub, items */

#define PIE     "urn:xmpp:pie:0"
#define SCRAM   "urn:xmpp:pie:0#scram"
#define ARCHIVE "urn:xmpp:pie:0#mam"
#define PRIVACY "jabber:iq:privacy"
#define OWNER   "http://jabber.org/protocol/pubsub#owner"
#define MAM     "urn:xmpp:mam:2"
#define EVENTS  "http://jabber.org/protocol/pubsub"

/* An element that is walked into. */
enum place {
	AT_TOP, AT_SERVER, AT_HOST, AT_USER, AT_OFFLINE, AT_ROSTER, AT_PRIVATE, AT_ARCHIVE,
	AT_NODES, AT_PUBSUB, AT_ITEMS
};

enum kind {
	K_SCRAM, K_CONTACT, K_REQUEST, K_OFFLINE, K_VCARD, K_PRIVATE, K_PRIVACY, K_ARCHIVED,
	K_PREFERENCES, K_NODE, K_PEOPLE, K_ITEM
};

struct pie {
	struct import *im;
	enum place places[PLACES_MAX];
	unsigned depth;
	enum kind kind;          /* of the element that is taken whole */
	struct arena mem;        /* of one such */
	struct str host, node;   /* owned */
	const char *path;        /* of the file at hand; NULL: bytes */
	unsigned includes;
};

static bool read_file(struct pie *p, const char *path);

/* ---- what stands where ---- */

static bool start_host(struct pie *p, const struct xml_start *el);
static bool start_user(struct pie *p, const struct xml_start *el);
static bool start_items(struct pie *p, const struct xml_start *el);

struct rule {
	enum place in;
	const char *ns, *name;   /* name NULL: any; ns NULL: any */
	enum xml_choice choice;
	enum place to;           /* of XML_WALK */
	enum kind kind;          /* of XML_WHOLE */
	bool (*start)(struct pie *p, const struct xml_start *el); /* false: pass over */
};

static const struct rule rules[] = {
	{ AT_TOP, PIE, "server-data", XML_WALK, AT_SERVER },
	{ AT_SERVER, PIE, "host", XML_WALK, AT_HOST, .start = start_host },
	{ AT_HOST, PIE, "user", XML_WALK, AT_USER, .start = start_user },
	{ AT_USER, SCRAM, "scram-credentials", XML_WHOLE, .kind = K_SCRAM },
	{ AT_USER, "jabber:iq:roster", "query", XML_WALK, AT_ROSTER },
	{ AT_USER, PIE, "offline-messages", XML_WALK, AT_OFFLINE },
	{ AT_USER, "jabber:client", "presence", XML_WHOLE, .kind = K_REQUEST },
	{ AT_USER, "jabber:iq:private", "query", XML_WALK, AT_PRIVATE },
	{ AT_USER, "vcard-temp", "vCard", XML_WHOLE, .kind = K_VCARD },
	{ AT_USER, PRIVACY, "query", XML_WHOLE, .kind = K_PRIVACY },
	{ AT_USER, ARCHIVE, "archive", XML_WALK, AT_ARCHIVE },
	{ AT_USER, MAM, "prefs", XML_WHOLE, .kind = K_PREFERENCES },
	{ AT_USER, EVENTS, "pubsub", XML_WALK, AT_PUBSUB },
	{ AT_USER, OWNER, "pubsub", XML_WALK, AT_NODES },
	{ AT_NODES, OWNER, "configure", XML_WHOLE, .kind = K_NODE },
	{ AT_NODES, OWNER, "affiliations", XML_WHOLE, .kind = K_PEOPLE },
	{ AT_NODES, OWNER, "subscriptions", XML_WHOLE, .kind = K_PEOPLE },
	{ AT_PUBSUB, EVENTS, "items", XML_WALK, AT_ITEMS, .start = start_items },
	{ AT_ITEMS, EVENTS, "item", XML_WHOLE, .kind = K_ITEM },
	{ AT_ROSTER, "jabber:iq:roster", "item", XML_WHOLE, .kind = K_CONTACT },
	{ AT_OFFLINE, "jabber:client", "message", XML_WHOLE, .kind = K_OFFLINE },
	{ AT_PRIVATE, NULL, NULL, XML_WHOLE, .kind = K_PRIVATE },
	{ AT_ARCHIVE, MAM, "result", XML_WHOLE, .kind = K_ARCHIVED },
};

static bool is(const char *wanted, struct str s)
{
	return !wanted || str_eq(str_c(wanted), s);
}

static enum place place_of(const struct pie *p)
{
	return p->depth ? p->places[p->depth - 1] : AT_TOP;
}

static void set_text(struct str *owned, const char *text)
{
	free((char *)owned->p);
	*owned = str_c(strdup(text ? text : ""));
	BUG_ON(!owned->p);
}

static bool start_host(struct pie *p, const struct xml_start *el)
{
	struct str name = str_c(xml_start_attr(el, "jid"));

	if (!name.n)
		return import_fail(p->im, "a <host/> without a jid");
	set_text(&p->host, name.p);
	return import_wants_host(p->im, p->host);
}

static bool start_items(struct pie *p, const struct xml_start *el)
{
	set_text(&p->node, xml_start_attr(el, "node"));
	return true;
}

static bool start_user(struct pie *p, const struct xml_start *el)
{
	struct str name = str_c(xml_start_attr(el, "name"));

	if (!name.n)
		return import_fail(p->im, "a <user/> without a name");
	if (!import_user(p->im, p->host, name))
		return false;
	import_password(p->im, str_c(xml_start_attr(el, "password")));
	return true; /* walked into even where it is not taken: its end is to be seen */
}

/* ---- XInclude (section 5) ---- */

static bool is_include(const struct pie *p, const struct xml_start *el)
{
	enum place at = place_of(p);

	return str_eq(el->ns, STR("http://www.w3.org/2001/XInclude")) &&
		str_eq(el->name, STR("include")) &&
		(at == AT_SERVER || at == AT_HOST || at == AT_USER);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether a part of the path is "..". */
static bool leads_up(const char *path)
{
	for (const char *part = path; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (strncmp(part, "..", 2) == 0 && (!part[2] || part[2] == '/'))
			return true;
	}
	return false;
}

/* A relative reference to a file at or below the folder it is relative to, with its %XX
 * decoded; or NULL. No scheme, no root, no way up: the file may have come from anybody. */
static char *relative_path(const char *href)
{
	char *out = xmalloc(strlen(href) + 1), *to = out;

	for (const char *at = href; *at; at++) {
		int high = *at == '%' ? hex(at[1]) : -1;
		int low = high >= 0 ? hex(at[2]) : -1;
		*to++ = low >= 0 ? (char)(high << 4 | low) : *at;
		at += low >= 0 ? 2 : 0;
	}
	*to = '\0';
	if (out[0] && out[0] != '/' && strlen(out) == (size_t)(to - out) && !leads_up(out) &&
	    !strpbrk(href, ":?#\\"))
		return out;
	free(out);
	return NULL;
}

static void include(struct pie *p, const struct xml_start *el)
{
	const char *href = xml_start_attr(el, "href"), *parse = xml_start_attr(el, "parse");
	char *relative = href && p->path ? relative_path(href) : NULL;

	if (!relative || (parse && strcmp(parse, "xml") != 0) || xml_start_attr(el, "xpointer")) {
		import_fail(p->im, "an <include/> that is no plain file below this one's folder");
	} else if (p->includes == INCLUDES_MAX) {
		import_fail(p->im, "more than %u files include each other", INCLUDES_MAX);
	} else {
		const char *slash = strrchr(p->path, '/');
		struct str folder = slash ? str_from(p->path, (size_t)(slash + 1 - p->path))
					  : STR("");
		struct arena a;

		arena_init(&a, 256);
		read_file(p, str_printf(&a, "%.*s%s", STR_FMT(folder), relative).p);
		arena_clear(&a);
	}
	free(relative);
}

/* ---- walking ---- */

static void note_unknown(struct pie *p, const struct xml_start *el)
{
	import_note(p->im, "element <%.*s xmlns='%.*s'/>", STR_FMT(el->name), STR_FMT(el->ns));
}

static const struct rule *rule_for(const struct pie *p, const struct xml_start *el)
{
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		if (rules[i].in == place_of(p) && is(rules[i].ns, el->ns) &&
		    is(rules[i].name, el->name))
			return &rules[i];
	return NULL;
}

static enum xml_choice on_start(void *user, const struct xml_start *el)
{
	struct pie *p = user;

	if (is_include(p, el)) {
		include(p, el);
		return XML_PASS;
	}
	if (place_of(p) >= AT_USER && !p->im->taken)
		return XML_PASS;
	const struct rule *rule = rule_for(p, el);
	if (!rule && place_of(p) == AT_TOP)
		import_fail(p->im, "no <server-data xmlns='" PIE "'/>");
	else if (!rule)
		note_unknown(p, el);
	if (!rule || (rule->start && !rule->start(p, el)))
		return XML_PASS;
	p->kind = rule->kind;
	if (rule->choice == XML_WALK) {
		BUG_ON(p->depth == PLACES_MAX);
		p->places[p->depth++] = rule->to;
	}
	return rule->choice;
}

static void on_end(void *user)
{
	struct pie *p = user;

	if (p->places[--p->depth] == AT_USER)
		import_user_end(p->im);
}

/* ---- whole elements ---- */

struct element {
	struct import *im;
	struct str node;
	struct xml_doc d;
	struct arena *mem;
	struct str xml;
};

static struct str attr(const struct element *e, enum xml_tag name)
{
	return xml_attr_str(&e->d, xml_root(&e->d), name, e->mem);
}

/* The bytes of base 64; without any when it is none. */
static struct str decoded(const struct element *e, struct str text)
{
	struct str out;

	return base64_decode(e->mem, text, &out) ? out : STR("");
}

/* An attribute that the scanner has no number for. */
static struct str text_attr(const struct element *e, const struct xml_node *el, const char *name)
{
	for (unsigned i = 0; i < el->n_attrs; i++) {
		const struct xml_attr *a = &e->d.attrs[el->first_attr + i];
		if (!(a->flags & XML_DECLARES) && str_eq(xml_attr_name(&e->d, a), str_c(name)))
			return xml_value(&e->d, a, e->mem);
	}
	return STR("");
}

/* The child with this name, of any namespace. */
static const struct xml_node *child(const struct xml_doc *d, const struct xml_node *of,
	const char *name)
{
	const struct xml_node *n = xml_first(d, of);

	while (n && !str_eq(xml_name(d, n), str_c(name)))
		n = xml_next(d, n);
	return n;
}

static struct str child_text(const struct element *e, const char *name)
{
	const struct xml_node *n = child(&e->d, xml_root(&e->d), name);

	return n ? str_trim(xml_text(&e->d, n, e->mem)) : STR("");
}

/* Section 4.3. ejabberd (23.01 and others) encodes twice: what should be a key is then the
 * base 64 of a key, and so is the salt. */
static void take_scram(const struct element *e)
{
	static const char *const names[] = { "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512" };
	struct str mech = text_attr(e, xml_root(&e->d), "mechanism");
	struct str rounds = child_text(e, "iter-count");
	struct str salt = decoded(e, child_text(e, "salt"));
	struct str stored = decoded(e, child_text(e, "stored-key"));
	struct str server = decoded(e, child_text(e, "server-key"));
	uint64_t n = 0;

	_Static_assert(sizeof names / sizeof names[0] == DIGEST_COUNT, "a name for each hash");
	for (unsigned d = 0; d < DIGEST_COUNT; d++) {
		size_t len = digest_len((enum digest)d);
		if (!str_eq(mech, str_c(names[d])))
			continue;
		if (stored.n == BASE64_LEN(len) && server.n == BASE64_LEN(len)) {
			salt = decoded(e, salt);
			stored = decoded(e, stored);
			server = decoded(e, server);
		}
		str_to_u64(rounds, UINT32_MAX, &n);
		import_key(e->im, (enum digest)d, n, salt, stored, server);
		return;
	}
	import_note(e->im, "credentials for %.*s", STR_FMT(str_head(mech, 40)));
}

static void take_contact(const struct element *e)
{
	const struct xml_node *g = xml_child(&e->d, xml_root(&e->d), NS_ROSTER, TAG_GROUP);
	struct str approved = attr(e, TAG_APPROVED);
	struct buf groups;

	buf_init(&groups, IMPORT_XML_MAX);
	for (; g; g = xml_next_same(&e->d, g)) {
		buf_add(&groups, xml_text(&e->d, g, e->mem));
		buf_byte(&groups, '\0');
	}
	const struct import_contact c = {
		.jid = attr(e, TAG_JID),
		.name = attr(e, TAG_NAME),
		.subscription = attr(e, TAG_SUBSCRIPTION),
		.groups = buf_str(&groups),
		.ask = attr(e, TAG_ASK).n != 0,
		.approved = str_eq(approved, STR("true")) || str_eq(approved, STR("1")),
	};
	import_contact(e->im, &c);
	buf_clear(&groups);
}

static void take_request(const struct element *e)
{
	import_request(e->im, attr(e, TAG_FROM), e->xml);
}

static void take_offline(const struct element *e)
{
	import_offline(e->im, 0, e->xml);
}

static void take_vcard(const struct element *e)
{
	import_vcard(e->im, e->xml);
}

static void take_private(const struct element *e)
{
	import_private(e->im, e->xml);
}

/* ---- privacy lists (section 4.8) ---- */

/* An item without children speaks of all stanzas, and so does one with all four. */
static void take_privacy_item(const struct element *e, const struct xml_node *item)
{
	unsigned kinds = xml_count(&e->d, item);
	struct str type = text_attr(e, item, "type");
	bool deny = str_eq(text_attr(e, item, "action"), STR("deny"));

	if (deny && str_eq(type, STR("jid")) && (kinds == 0 || kinds == 4))
		import_blocked(e->im, text_attr(e, item, "value"));
	else if (deny || type.n)
		import_note(e->im, "privacy rule that is more than a blocked address");
}

/* Of the lists, the default one is in force; what XEP-0191 can say of it is taken. */
static void take_privacy(const struct element *e)
{
	const struct xml_node *root = xml_root(&e->d), *def = child(&e->d, root, "default");
	struct str wanted = def ? text_attr(e, def, "name") : STR("");

	for (const struct xml_node *n = xml_first(&e->d, root); n; n = xml_next(&e->d, n)) {
		if (n == def)
			continue;
		if (!def || !str_eq(text_attr(e, n, "name"), wanted)) {
			import_note(e->im, "privacy list that is not the default one");
			continue;
		}
		for (const struct xml_node *i = xml_first(&e->d, n); i; i = xml_next(&e->d, i))
			take_privacy_item(e, i);
	}
}

/* ---- archives (section 4.11) ---- */

static void take_archived(const struct element *e)
{
	const struct xml_doc *d = &e->d;
	const struct xml_node *forwarded = child(d, xml_root(d), "forwarded");
	const struct xml_node *delay = forwarded ? child(d, forwarded, "delay") : NULL;
	const struct xml_node *message = forwarded ? child(d, forwarded, "message") : NULL;
	uint64_t stamp_us;
	struct buf xml;

	if (!delay || !message ||
	    !datetime_parse(xml_attr_str(d, delay, TAG_STAMP, e->mem), &stamp_us)) {
		import_note(e->im, "archived message without a stamp, or that is none");
		return;
	}
	buf_init(&xml, IMPORT_XML_MAX);
	xml_extract(&xml, d, message);
	import_archived(e->im, attr(e, TAG_ID), stamp_us, buf_str(&xml));
	buf_clear(&xml);
}

/* Not of XEP-0227: XEP-0313's own words. */
static void take_preferences(const struct element *e)
{
	const struct xml_doc *d = &e->d;

	for (const struct xml_node *n = xml_first(d, xml_root(d)); n; n = xml_next(d, n))
		for (const struct xml_node *j = xml_first(d, n); j; j = xml_next(d, j))
			import_preference(e->im, str_trim(xml_text(d, j, e->mem)),
				xml_is(n, NS_MAM, TAG_ALWAYS));
	import_preferences(e->im, attr(e, TAG_DEFAULT));
}

/* Section 4.10: PEP nodes. */
static void take_node(const struct element *e)
{
	import_node_config(e->im, &e->d, xml_root(&e->d));
}

static void take_people(const struct element *e)
{
	import_node_people(e->im, &e->d, xml_root(&e->d));
}

static void take_item(const struct element *e)
{
	const struct xml_node *payload = xml_first(&e->d, xml_root(&e->d));
	struct import_item item = { .id = attr(e, TAG_ID), .publisher = attr(e, TAG_PUBLISHER) };
	struct buf xml;

	buf_init(&xml, IMPORT_XML_MAX);
	if (payload)
		xml_extract(&xml, &e->d, payload);
	item.payload = buf_str(&xml);
	if (buf_ok(&xml)) {
		import_profile(e->im, e->node, item.payload);
		import_node_item(e->im, e->node, &item);
	} else {
		import_note(e->im, "item of a PEP node that is too large");
	}
	buf_clear(&xml);
}

static void on_whole(void *user, struct str xml)
{
	static void (*const take[])(const struct element *e) = {
		[K_SCRAM] = take_scram,
		[K_CONTACT] = take_contact,
		[K_REQUEST] = take_request,
		[K_OFFLINE] = take_offline,
		[K_VCARD] = take_vcard,
		[K_PRIVATE] = take_private,
		[K_PRIVACY] = take_privacy,
		[K_ARCHIVED] = take_archived,
		[K_PREFERENCES] = take_preferences,
		[K_NODE] = take_node,
		[K_PEOPLE] = take_people,
		[K_ITEM] = take_item,
	};
	struct pie *p = user;
	struct element e = { .im = p->im, .node = p->node, .mem = &p->mem, .xml = xml };
	struct xml_table table = { 0 };

	if (import_scan(p->im, &table, xml, &p->mem, &e.d)) {
		take[p->kind](&e);
	} else {
		import_note(p->im, "element with more in it than XMPP allows");
	}
	xml_table_clear(&table);
	arena_reset(&p->mem);
}

/* ---- files ---- */

static const struct xml_reader reader = { on_start, on_end, on_whole };

static bool read_file(struct pie *p, const char *path)
{
	const char *outer = p->path;

	p->path = path;
	p->includes++;
	bool ok = import_xml(p->im, path, &reader, p);
	p->includes--;
	p->path = outer;
	return ok;
}

static bool finish(struct pie *p, bool ok)
{
	if (p->im->in_user) /* the file ended, or was given up, inside of an account */
		import_user_end(p->im);
	arena_clear(&p->mem);
	free((char *)p->host.p);
	free((char *)p->node.p);
	return ok;
}

bool import_pie(struct import *im, const char *path)
{
	struct pie p = { .im = im };

	arena_init(&p.mem, 64 * 1024);
	return finish(&p, read_file(&p, path));
}

bool import_pie_bytes(struct import *im, struct str bytes)
{
	struct pie p = { .im = im };

	arena_init(&p.mem, 64 * 1024);
	return finish(&p, import_xml_bytes(im, bytes, &reader, &p));
}
