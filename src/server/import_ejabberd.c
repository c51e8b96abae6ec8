#include "server/import_ejabberd.h"

#include "base/base64.h"
#include "server/import_erlang.h"
#include "server/import_sqlite.h"

struct database {
	struct import *im;
	sqlite3 *db;
	struct arena mem;    /* of the account */
	struct str host, user;
};

typedef bool row_fn(void *user, sqlite3_stmt *st);

/* A query about the account at hand. */
static bool rows(struct database *b, const char *sql, row_fn *row)
{
	return import_sqlite_rows(b->im, b->db, sql, b->user, b->host, row, b);
}

static struct str kept(struct database *b, sqlite3_stmt *st, int column)
{
	return str_dup(&b->mem, import_sqlite_text(st, column));
}

/* ---- credentials ---- */

/* The hash stands before the stored key, unless it is SHA-1. */
static enum digest take_hash(struct str *stored)
{
	static const struct {
		struct str prefix;
		enum digest d;
	} hashes[] = {
		{ STR_INIT("sha256:"), DIGEST_SHA256 },
		{ STR_INIT("sha512:"), DIGEST_SHA512 },
	};

	for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
		if (!str_starts(*stored, hashes[i].prefix))
			continue;
		*stored = str_skip(*stored, hashes[i].prefix.n);
		return hashes[i].d;
	}
	return DIGEST_SHA1;
}

/* password (or stored key), serverkey, salt, iterationcount */
static bool password_row(void *user, sqlite3_stmt *st)
{
	struct database *b = user;
	struct str password = kept(b, st, 0), server = kept(b, st, 1), salt = kept(b, st, 2);
	sqlite3_int64 rounds = sqlite3_column_int64(st, 3);
	struct str stored_key, server_key, salt_bytes;

	if (!salt.n) {
		import_password(b->im, password);
		return true;
	}
	enum digest d = take_hash(&password);
	if (base64_decode(&b->mem, password, &stored_key) &&
	    base64_decode(&b->mem, server, &server_key) &&
	    base64_decode(&b->mem, salt, &salt_bytes))
		import_key(b->im, d, rounds > 0 ? (uint64_t)rounds : 0, salt_bytes, stored_key,
			server_key);
	else
		import_note(b->im, "SCRAM key that is none");
	return true;
}

/* ---- rosters ---- */

/* jid, nick, subscription, ask, groups joined by NULs */
static bool contact_row(void *user, sqlite3_stmt *st)
{
	struct database *b = user;
	struct str ask = import_sqlite_text(st, 3), state = import_sqlite_text(st, 2);
	char letter = state.n ? state.p[0] : 'N', asks = ask.n ? ask.p[0] : 'N';
	struct import_contact c = {
		.jid = kept(b, st, 0),
		.name = kept(b, st, 1),
		.subscription = letter == 'B' ? STR("both") : letter == 'T' ? STR("to")
			: letter == 'F' ? STR("from") : STR("none"),
		.ask = asks == 'O' || asks == 'B' || asks == 'S',
	};
	const void *groups = sqlite3_column_blob(st, 4);

	if (groups)
		c.groups = str_from(groups, (size_t)sqlite3_column_bytes(st, 4));
	if (asks == 'I' || asks == 'B')
		import_request(b->im, c.jid, STR(""));
	/* One who asks, and has no other relation, stands here and is no contact. */
	if (letter != 'R' && !(asks == 'I' && letter == 'N' && !c.name.n && !c.groups.n))
		import_contact(b->im, &c);
	return true;
}

/* ---- documents ---- */

static bool vcard_row(void *user, sqlite3_stmt *st)
{
	struct database *b = user;

	import_vcard(b->im, import_sqlite_text(st, 0));
	return true;
}

static bool private_row(void *user, sqlite3_stmt *st)
{
	struct database *b = user;

	import_private(b->im, import_sqlite_text(st, 0));
	return true;
}

static bool node_row(void *user, sqlite3_stmt *st)
{
	struct database *b = user;

	import_note(b->im, "PEP node %.*s", STR_FMT(import_sqlite_text(st, 0)));
	return true;
}

/* ---- lists ---- */

/* t, value, action, whether it speaks of all stanzas: the rules of the list in force */
static bool privacy_row(void *user, sqlite3_stmt *st)
{
	struct database *b = user;
	bool deny = str_eq(import_sqlite_text(st, 2), STR("d"));

	if (deny && str_eq(import_sqlite_text(st, 0), STR("j")) && sqlite3_column_int(st, 3))
		import_blocked(b->im, import_sqlite_text(st, 1));
	else if (deny || !str_eq(import_sqlite_text(st, 0), STR("n")))
		import_note(b->im, "privacy rule that is more than a blocked address");
	return true;
}

/* The next <<"text">> of an Erlang term, or one without text; false when there is none. */
static bool next_binary(struct str *term, struct str *out)
{
	while (term->n && !str_starts(*term, STR("<<")))
		*term = str_skip(*term, 1);
	*term = str_skip(*term, 2);
	*out = STR("");
	if (!term->n)
		return false;
	if (term->p[0] != '"')
		return true;
	struct str rest = str_skip(*term, 1);
	ptrdiff_t end = str_find(rest, '"');
	if (end < 0)
		return false;
	*out = str_head(rest, (size_t)end);
	*term = str_skip(rest, (size_t)end + 1);
	return true;
}

/* [{<<"romeo">>,<<"example.org">>,<<>>}, ...]: local part, domain, resource. */
static void take_addresses(struct database *b, struct str term, bool always)
{
	struct str local, domain, resource;

	while (next_binary(&term, &local) && next_binary(&term, &domain) &&
		next_binary(&term, &resource))
		import_preference(b->im, str_printf(&b->mem, "%.*s%s%.*s%s%.*s", STR_FMT(local),
			local.n ? "@" : "", STR_FMT(domain), resource.n ? "/" : "",
			STR_FMT(resource)), always);
}

/* def, always, never */
static bool preferences_row(void *user, sqlite3_stmt *st)
{
	struct database *b = user;

	take_addresses(b, kept(b, st, 1), true);
	take_addresses(b, kept(b, st, 2), false);
	import_preferences(b->im, import_sqlite_text(st, 0));
	return true;
}

/* ---- messages ---- */

static bool offline_row(void *user, sqlite3_stmt *st)
{
	struct database *b = user;

	import_offline(b->im, 0, import_sqlite_text(st, 0));
	return true;
}

/* timestamp, which is the id too, and xml */
static bool archived_row(void *user, sqlite3_stmt *st)
{
	struct database *b = user;
	sqlite3_int64 us = sqlite3_column_int64(st, 0);

	import_archived(b->im, import_sqlite_text(st, 0), us > 0 ? (uint64_t)us : 0,
		import_sqlite_text(st, 1));
	return true;
}

/* ---- accounts ---- */

#define OF_USER " WHERE username = ?1 AND server_host = ?2 "

static bool read_account(struct database *b)
{
	static const struct {
		const char *sql;
		row_fn *row;
	} parts[] = {
		{ "SELECT password, serverkey, salt, iterationcount FROM e_users" OF_USER,
			password_row },
		{ "SELECT jid, nick, subscription, ask, (SELECT group_concat(grp || char(0), '') "
		  "FROM e_rostergroups g WHERE g.username = ?1 AND g.server_host = ?2 "
		  "AND g.jid = r.jid) FROM e_rosterusers r" OF_USER "ORDER BY jid", contact_row },
		{ "SELECT vcard FROM e_vcard" OF_USER, vcard_row },
		{ "SELECT data FROM e_private_storage" OF_USER "ORDER BY namespace", private_row },
		{ "SELECT t, value, action, match_all FROM privacy_list_data WHERE id IN "
		  "(SELECT id FROM e_privacy_list" OF_USER "AND name IN "
		  "(SELECT name FROM e_privacy_default_list" OF_USER ")) ORDER BY ord",
			privacy_row },
		{ "SELECT def, always, never FROM e_archive_prefs" OF_USER, preferences_row },
		{ "SELECT xml FROM e_spool" OF_USER "ORDER BY seq", offline_row },
		{ "SELECT timestamp, xml FROM e_archive" OF_USER "ORDER BY timestamp",
			archived_row },
		{ "SELECT node FROM pubsub_node WHERE host = ?1 || '@' || ?2", node_row },
	};

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (!rows(b, parts[i].sql, parts[i].row))
			return false;
	return true;
}

/* username, server_host */
static bool user_row(void *p, sqlite3_stmt *st)
{
	struct database *b = p;

	b->user = kept(b, st, 0);
	b->host = kept(b, st, 1);
	bool ok = import_user(b->im, b->host, b->user) && (!b->im->taken || read_account(b));
	if (b->im->in_user)
		ok = import_user_end(b->im) && ok;
	arena_reset(&b->mem);
	return ok;
}

static bool host_row(void *p, sqlite3_stmt *st)
{
	struct database *b = p;
	struct str host = import_sqlite_text(st, 0);

	return !import_wants_host(b->im, host) || import_sqlite_rows(b->im, b->db,
		"SELECT username, server_host FROM e_users WHERE server_host = ?1 "
		"ORDER BY username", host, STR(""), user_row, b);
}

/* ---- rooms ---- */

/* timestamp, which is the id too, the author, xml, his nickname */
static bool said_row(void *user, sqlite3_stmt *st)
{
	struct database *b = user;
	sqlite3_int64 us = sqlite3_column_int64(st, 0);

	import_room_said(b->im, us > 0 ? (uint64_t)us : 0, import_sqlite_text(st, 3),
		import_sqlite_text(st, 1), import_sqlite_text(st, 2));
	return true;
}

static bool read_room(struct database *b, struct str service, struct str name, struct str text)
{
	struct value options;

	if (!erlang_read(text, &b->mem, &options)) {
		import_note(b->im, "room whose options are not understood");
		return true;
	}
	if (!ejabberd_room_stays(&options)) {
		import_note(b->im, "room that ends with its last occupant");
		return true;
	}
	if (!import_room(b->im, service, name))
		return false;
	ejabberd_room(b->im, &options, &b->mem);
	return !b->im->taken || import_sqlite_rows(b->im, b->db, "SELECT timestamp, bare_peer, xml, "
		"nick FROM archive WHERE username = ?1 || '@' || ?2 ORDER BY timestamp", name, service,
		said_row, b);
}

/* name, opts */
static bool room_row(void *p, sqlite3_stmt *st)
{
	struct database *b = p;
	struct str name = kept(b, st, 0);
	bool ok = read_room(b, b->host, name, import_sqlite_text(st, 1));

	if (b->im->in_user)
		ok = import_room_end(b->im) && ok;
	return ok;
}

static bool service_row(void *p, sqlite3_stmt *st)
{
	struct database *b = p;

	arena_reset(&b->mem);
	b->host = kept(b, st, 0);
	return !import_wants_rooms(b->im, b->host) || import_sqlite_rows(b->im, b->db,
		"SELECT name, opts FROM muc_room WHERE host = ?1 ORDER BY name", b->host, STR(""),
		room_row, b);
}

/* Whether a count is more than none. */
static bool any_row(void *p, sqlite3_stmt *st)
{
	*(bool *)p = sqlite3_column_int(st, 0) > 0;
	return true;
}

/* Views in which each table has a column for the host. */
static bool make_views(struct database *b)
{
	static const char *const tables[] = { "users", "rosterusers", "rostergroups", "vcard",
		"private_storage", "privacy_list", "privacy_default_list", "archive_prefs",
		"spool", "archive" };
	bool has_hosts = false, ok = true;

	if (!import_sqlite_rows(b->im, b->db, "SELECT count(*) FROM pragma_table_info('users') "
		"WHERE name = 'server_host'", STR(""), STR(""), any_row, &has_hosts))
		return false;
	if (!has_hosts && !b->im->options->host.n)
		return import_fail(b->im, "this database does not say whose it is; "
			"name its domain with --host");
	for (size_t i = 0; ok && i < sizeof tables / sizeof tables[0]; i++) {
		char *sql = has_hosts
			? sqlite3_mprintf("CREATE TEMP VIEW e_%s AS SELECT * FROM main.%s",
				tables[i], tables[i])
			: sqlite3_mprintf("CREATE TEMP VIEW e_%s AS SELECT *, '%.*q' AS "
				"server_host FROM main.%s", tables[i],
				STR_FMT(b->im->options->host), tables[i]);
		ok = sqlite3_exec(b->db, sql, NULL, NULL, NULL) == SQLITE_OK ||
			import_fail(b->im, "%s", sqlite3_errmsg(b->db));
		sqlite3_free(sql);
	}
	return ok;
}

/* A database without mod_muc's table has none. */
static bool read_rooms(struct database *b)
{
	bool has_rooms = false;

	return import_sqlite_rows(b->im, b->db, "SELECT count(*) FROM pragma_table_info('muc_room')",
		STR(""), STR(""), any_row, &has_rooms) && (!has_rooms ||
		import_sqlite_rows(b->im, b->db, "SELECT DISTINCT host FROM muc_room ORDER BY 1",
		STR(""), STR(""), service_row, b));
}

bool import_ejabberd(struct import *im, const char *path)
{
	struct database b = { .im = im, .db = import_sqlite_open(im, path) };

	if (!b.db)
		return false;
	arena_init(&b.mem, 16 * 1024);
	bool ok = make_views(&b) && import_sqlite_rows(im, b.db,
		"SELECT DISTINCT server_host FROM e_users ORDER BY 1", STR(""), STR(""), host_row,
		&b) && read_rooms(&b);
	arena_clear(&b.mem);
	sqlite3_close(b.db);
	return ok;
}
