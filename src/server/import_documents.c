/* A person's documents and lists, as the modules that serve them keep them (core/personal.h). */
#include "server/import.h"

#include "core/personal.h"
#include "xml/extract.h"
#include "xml/scan.h"
#include "xmpp/jid.h"

/* As far as the server itself reads what it stored. */
static const struct scan_limits limits = {
	.stanza_bytes = IMPORT_XML_MAX, .depth = 128, .attrs = 256, .name = 1024,
	.namespaces = 1024, .nodes = 1024 * 1024,
};

/* Elements of one name and namespace. Their place grows by doubling: many small ones must not
 * leave as many copies behind. */
struct import_private {
	struct import_private *next;
	struct str key;
	char *xml;
	size_t n, room;
};

bool import_scan(struct import *im, struct xml_table *t, struct str xml, struct arena *a,
	struct xml_doc *d)
{
	char *padded = arena_alloc(a, xml.n + SCAN_PAD);

	memcpy(padded, xml.p, xml.n);
	memset(padded + xml.n, 0, SCAN_PAD);
	if (scan_document(t, &limits, NS_CLIENT, padded, xml.n) != SCAN_OK)
		return false;
	*d = xml_table_doc(t, padded, xml.n);
	return true;
}

static bool scan(struct import *im, struct str xml, struct xml_doc *d)
{
	return import_scan(im, &im->table, xml, &im->turn, d);
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
	im->has_vcard = true;
	im->counts.vcards++;
	set_data(im, changes, sizeof changes / sizeof changes[0]);
}

void import_vcard(struct import *im, struct str xml)
{
	if (im->taken)
		add_vcard(im, xml);
	arena_reset(&im->turn);
}

static bool append(struct import *im, struct import_private *p, struct str xml)
{
	if (p->n + xml.n > 2 * IMPORT_XML_MAX)
		return false;
	if (p->n + xml.n > p->room) {
		p->room = 2 * (p->n + xml.n);
		char *room = arena_alloc(&im->user_mem, p->room);
		if (p->n)
			memcpy(room, p->xml, p->n);
		p->xml = room;
	}
	memcpy(p->xml + p->n, xml.p, xml.n);
	p->n += xml.n;
	return true;
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
	xml_extract(&im->out, &d, xml_root(&d));
	if (key.n > STORE_KEY_MAX || !buf_ok(&im->out) ||
	    !append(im, *at, buf_str(&im->out))) {
		import_note(im, "private element that is too large");
		return;
	}
	im->counts.private_xml++;
}

void import_private(struct import *im, struct str xml)
{
	if (im->taken)
		add_private(im, xml);
	arena_reset(&im->turn);
}

/* ---- lists ---- */

/* Entries of a space whose keys are addresses; stored together, at most as many as one operation
 * takes. */
static void add_entry(struct import *im, struct str space, struct str jid, struct str bytes,
	uint64_t *count)
{
	struct jid j;

	if (!jid_parse(str_trim(jid), &im->turn, &j)) {
		import_note(im, "address in a list, which is none");
		return;
	}
	if (!im->entries)
		im->entries = arena_alloc(&im->user_mem, IMPORT_ENTRIES * sizeof *im->entries);
	im->entries[im->n_entries++] = (struct store_datum){ space,
		str_dup(&im->user_mem, jid_str(j)), bytes };
	++*count;
	if (im->n_entries == IMPORT_ENTRIES) {
		set_data(im, im->entries, im->n_entries);
		im->n_entries = 0;
	}
}

void import_blocked(struct import *im, struct str jid)
{
	if (im->taken)
		add_entry(im, SPACE_BLOCK, jid, BLOCKED, &im->counts.blocked);
	arena_reset(&im->turn);
}

void import_preference(struct import *im, struct str jid, bool always)
{
	if (im->taken)
		add_entry(im, SPACE_ARCHIVE, jid, always ? STR("always") : STR("never"),
			&im->counts.preferences);
	arena_reset(&im->turn);
}

void import_preferences(struct import *im, struct str def)
{
	static const struct str words[] = { STR_INIT("always"), STR_INIT("never"),
		STR_INIT("roster") };

	if (!im->taken)
		return;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (!str_eq(def, words[i]))
			continue;
		set_data(im, &(struct store_datum){ SPACE_ARCHIVE, STR(""), words[i] }, 1);
		im->counts.preferences++;
		return;
	}
	if (def.n)
		import_note(im, "default of the archive that is none");
}

void import_documents_begin(struct import *im)
{
	im->private_xml = NULL;
	im->vcard4 = im->avatar_metadata = im->avatar_data = STR("");
	im->has_vcard = false;
	im->nodes = NULL;
	im->n_nodes = 0;
	im->entries = NULL;
	im->n_entries = 0;
}

static void add_vcard4(struct import *im)
{
	struct buf b;

	buf_init(&b, 2 * IMPORT_XML_MAX);
	if (!im->has_vcard && import_vcard4(im, &b))
		add_vcard(im, buf_str(&b));
	buf_clear(&b);
	arena_reset(&im->turn);
}

void import_documents_end(struct import *im)
{
	add_vcard4(im);
	for (const struct import_private *p = im->private_xml; p; p = p->next)
		set_data(im, &(struct store_datum){ SPACE_PRIVATE, p->key,
			str_from(p->xml, p->n) }, p->n != 0);
	set_data(im, im->entries, im->n_entries);
}
