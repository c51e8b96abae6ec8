/* A person's documents and lists, as the modules that serve them keep them (core/personal.h). */
#include "server/import.h"

#include "core/personal.h"
#include "xml/extract.h"
#include "xml/scan.h"

/* As far as the server itself reads what it stored. */
static const struct scan_limits limits = {
	.stanza_bytes = IMPORT_XML_MAX, .depth = 128, .attrs = 256, .name = 1024,
	.namespaces = 1024, .nodes = 1024 * 1024,
};

/* Elements of one name and namespace. */
struct import_private {
	struct import_private *next;
	struct str key, xml;
};

static bool scan(struct import *im, struct str xml, struct xml_doc *d)
{
	char *padded = arena_alloc(&im->turn, xml.n + SCAN_PAD);

	memcpy(padded, xml.p, xml.n);
	memset(padded + xml.n, 0, SCAN_PAD);
	if (scan_document(&im->table, &limits, NS_CLIENT, padded, xml.n) != SCAN_OK)
		return false;
	*d = xml_table_doc(&im->table, padded, xml.n);
	return true;
}

static void set_data(struct import *im, const struct store_datum *changes, size_t n)
{
	if (im->data && n)
		store_set_data(im->data->store, data_store_write(im->data), im->host, im->user,
			changes, n);
}

static void add_vcard(struct import *im, struct str xml)
{
	struct xml_doc d;

	if (!scan(im, xml, &d) || !str_eq(xml_name(&d, xml_root(&d)), STR("vCard"))) {
		import_note(im, "vCard that is none");
		return;
	}
	buf_reset(&im->out);
	xml_extract(&im->out, &d, xml_root(&d));
	struct str photo = vcard_photo(&d, xml_root(&d), &im->turn);
	const struct store_datum changes[] = {
		{ SPACE_VCARD, STR(""), buf_str(&im->out) },
		{ SPACE_AVATAR, STR(""), photo },
	};
	im->counts.vcards++;
	set_data(im, changes, sizeof changes / sizeof changes[0]);
}

void import_vcard(struct import *im, struct str xml)
{
	if (im->taken)
		add_vcard(im, xml);
	arena_reset(&im->turn);
}

/* Those of one kind are kept together, in whatever order they come. */
static void add_private(struct import *im, struct str xml)
{
	struct import_private **at = &im->private_xml;
	struct xml_doc d;

	if (!scan(im, xml, &d)) {
		import_note(im, "private element that XMPP does not allow");
		return;
	}
	struct str key = private_key(&d, xml_root(&d), &im->turn);
	while (*at && !str_eq((*at)->key, key))
		at = &(*at)->next;
	if (!*at) {
		*at = arena_alloc(&im->user_mem, sizeof **at);
		**at = (struct import_private){ .key = str_dup(&im->user_mem, key) };
	}
	buf_reset(&im->out);
	buf_add(&im->out, (*at)->xml);
	xml_extract(&im->out, &d, xml_root(&d));
	if (key.n > STORE_KEY_MAX || !buf_ok(&im->out)) {
		import_note(im, "private element that is too large");
		return;
	}
	(*at)->xml = str_dup(&im->user_mem, buf_str(&im->out));
	im->counts.private_xml++;
}

void import_private(struct import *im, struct str xml)
{
	if (im->taken)
		add_private(im, xml);
	arena_reset(&im->turn);
}

void import_documents_end(struct import *im)
{
	for (const struct import_private *p = im->private_xml; p; p = p->next)
		set_data(im, &(struct store_datum){ SPACE_PRIVATE, p->key, p->xml }, p->xml.n != 0);
}

/* What the server has no place for yet. */
void import_blocked(struct import *im, struct str jid)
{
	import_note(im, "blocked address");
}

void import_preference(struct import *im, struct str jid, bool always)
{
}

void import_preferences(struct import *im, struct str def)
{
	import_note(im, "preferences of the archive");
}

void import_archived(struct import *im, struct str id, uint64_t stamp_us, struct str xml)
{
	import_note(im, "archived message");
}
