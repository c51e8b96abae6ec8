#include "server/import_prosody.h"

#include "xml/names.h"
#include "xmpp/datetime.h"

#include <errno.h>
#include <sys/stat.h>

bool import_prosody(struct import *im, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		im->file = path;
		return import_fail(im, "%s", strerrordesc_np(errno));
	}
	return S_ISDIR(st.st_mode) ? import_prosody_folder(im, path)
				   : import_prosody_sqlite(im, path);
}

/* ---- accounts ---- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* At most DIGEST_MAX bytes; without any when it is no hexadecimal. */
static struct str unhex(struct str text, uint8_t out[DIGEST_MAX])
{
	if (text.n % 2 || text.n > 2 * DIGEST_MAX)
		return STR("");
	for (size_t i = 0; i < text.n / 2; i++) {
		int high = hex(text.p[2 * i]), low = hex(text.p[2 * i + 1]);
		if (high < 0 || low < 0)
			return STR("");
		out[i] = (uint8_t)(high << 4 | low);
	}
	return str_from((const char *)out, text.n / 2);
}

/* mod_auth_internal_plain keeps a password, mod_auth_internal_hashed a key of the hash that
 * password_hash names, which its length tells. A key counts where there are both. */
static void take_account(struct import *im, const struct value *v)
{
	uint8_t stored_bytes[DIGEST_MAX], server_bytes[DIGEST_MAX];
	struct str stored = unhex(value_text(value_get(v, "stored_key")), stored_bytes);
	struct str server = unhex(value_text(value_get(v, "server_key")), server_bytes);
	uint64_t rounds = value_u64(value_get(v, "iteration_count"), UINT32_MAX, 0);

	for (unsigned d = 0; stored.n && d < DIGEST_COUNT; d++) {
		if (stored.n != digest_len((enum digest)d))
			continue;
		import_key(im, (enum digest)d, rounds, value_text(value_get(v, "salt")), stored,
			server);
		return;
	}
	import_password(im, value_text(value_get(v, "password")));
}

/* ---- rosters ---- */

static struct str xml_of(struct import *im, const struct value *v, struct buf *b)
{
	buf_init(b, IMPORT_XML_MAX);
	if (value_write_xml(b, v, xml_ns_str(NS_CLIENT)))
		return buf_str(b);
	import_note(im, "element that is none, or too large");
	return STR("");
}

static void take_contact(struct import *im, struct str jid, const struct value *v)
{
	const struct value *groups = value_get(v, "groups"), *approved = value_get(v, "approved");
	struct buf names;

	buf_init(&names, IMPORT_XML_MAX);
	for (const struct value_entry *e = groups->first; e; e = e->next) {
		buf_add(&names, value_text(&e->key));
		buf_byte(&names, '\0');
	}
	const struct import_contact c = {
		.jid = jid,
		.name = value_text(value_get(v, "name")),
		.subscription = value_text(value_get(v, "subscription")),
		.groups = buf_str(&names),
		.ask = value_get(v, "ask")->kind == VALUE_STRING,
		.approved = approved->kind == VALUE_TRUE ||
			str_eq(value_text(approved), STR("true")),
	};
	import_contact(im, &c);
	buf_clear(&names);
}

/* Addresses, each with the stanza that came, or `true` in older files. */
static void take_requests(struct import *im, const struct value *pending)
{
	for (const struct value_entry *e = pending->first; e; e = e->next) {
		struct buf b = { 0 };
		struct str xml = STR("");

		if (e->key.kind != VALUE_STRING)
			continue;
		if (e->value.kind == VALUE_TABLE)
			xml = xml_of(im, &e->value, &b);
		import_request(im, e->key.s, xml);
		buf_clear(&b);
	}
}

static void take_roster(struct import *im, const struct value *v)
{
	for (const struct value_entry *e = v->first; e; e = e->next) {
		if (e->key.kind != VALUE_STRING || e->value.kind != VALUE_TABLE)
			continue;
		bool contact = value_get(&e->value, "subscription")->kind == VALUE_STRING;
		if (contact)
			take_contact(im, e->key.s, &e->value);
		else if (str_eq(e->key.s, STR("pending"))) /* where they stood before 0.10 */
			take_requests(im, &e->value);
	}
	take_requests(im, value_get(value_get_false(v), "pending"));
}

/* ---- documents and lists ---- */

static void take_vcard(struct import *im, const struct value *v)
{
	struct buf b;
	struct str xml = xml_of(im, v, &b);

	if (xml.n)
		import_vcard(im, xml);
	buf_clear(&b);
}

static void take_private(struct import *im, const struct value *v)
{
	for (const struct value_entry *e = v->first; e; e = e->next) {
		struct buf b;
		struct str xml = xml_of(im, &e->value, &b);

		if (xml.n)
			import_private(im, xml);
		buf_clear(&b);
	}
}

static void take_blocklist(struct import *im, const struct value *v)
{
	for (const struct value_entry *e = v->first; e; e = e->next)
		if (e->key.kind == VALUE_STRING)
			import_blocked(im, e->key.s);
}

/* The default stands under `false`: true, false or "roster". */
static void take_preferences(struct import *im, const struct value *v)
{
	const struct value *def = value_get_false(v);

	for (const struct value_entry *e = v->first; e; e = e->next)
		if (e->key.kind == VALUE_STRING)
			import_preference(im, e->key.s, e->value.kind == VALUE_TRUE);
	import_preferences(im, def->kind == VALUE_TRUE ? STR("always")
			: def->kind == VALUE_FALSE ? STR("never")
						   : value_text(def));
}

static const struct {
	const char *name;
	void (*take)(struct import *im, const struct value *v);
} stores[] = {
	{ "accounts", take_account },
	{ "roster", take_roster },
	{ "vcard", take_vcard },
	{ "private", take_private },
	{ "blocklist", take_blocklist },
	{ "archive_prefs", take_preferences },
};

const char *const prosody_stores[] = { "accounts", "roster", "vcard", "private", "blocklist",
	"archive_prefs", NULL };

bool prosody_knows(struct str name)
{
	/* Of `pep` the nodes have stores of their own; `archive_cleanup` is for the archive's. */
	static const char *const others[] = { "offline", "archive", "pep", "archive_cleanup" };

	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (str_eq(name, str_c(others[i])))
			return true;
	for (size_t i = 0; prosody_stores[i]; i++)
		if (str_eq(name, str_c(prosody_stores[i])))
			return true;
	return false;
}

void prosody_store(struct import *im, struct str name, const struct value *v)
{
	for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++)
		if (str_eq(name, str_c(stores[i].name)) && v->kind == VALUE_TABLE)
			stores[i].take(im, v);
}

/* ---- messages ---- */

/* Seconds since 1970, maybe with a fraction, or in files of old versions a stamp. */
static uint64_t time_of(const struct value *v)
{
	const struct value *when = value_get(v, "when");
	uint64_t us = 0;

	if (when->kind == VALUE_NUMBER && when->number > 0 && when->number < 1e11)
		return (uint64_t)(when->number * 1e6);
	if (!datetime_parse(value_text(value_get(value_get(v, "attr"), "stamp")), &us))
		return 0;
	return us;
}

void prosody_node(struct import *im, struct str node, const struct value *v)
{
	struct buf b;
	struct str xml = xml_of(im, v, &b);

	if (xml.n)
		import_node(im, node, xml);
	buf_clear(&b);
}

void prosody_message(struct import *im, struct str store, const struct value *v)
{
	struct buf b;
	struct str xml = xml_of(im, v, &b);

	if (xml.n && str_eq(store, STR("offline")))
		import_offline(im, time_of(v), xml);
	else if (xml.n)
		import_archived(im, value_text(value_get(v, "key")), time_of(v), xml);
	buf_clear(&b);
}
