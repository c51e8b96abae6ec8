/* A service that keeps values for devices, as a component. In urn:example:items, with a `key` each:
 *
 *     set  register     the key is the sender's (bare JID) from now on
 *     set  write        its owner gives it the value that is the element's text
 *     get  read         its value, to anybody
 *     set  subscribe, unsubscribe: headlines with <changed/> come, at once and when it changes
 *
 *     key-value DOMAIN SERVER PORT DATABASE <secret
 *
 * What was answered with a result is in the database, and there after a crash. A change that cannot
 * be told just now is told later: of several to the same key, the last one. */
#include <stentor/component.h>

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS        "urn:example:items"
#define KEY_MAX   256
#define VALUE_MAX 4096
#define ROWS_MAX  "1000" /* keys of an owner, subscriptions of an address */

static const char schema[] =
	"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
	"CREATE TABLE IF NOT EXISTS items (key TEXT PRIMARY KEY, owner TEXT NOT NULL,"
	" value TEXT NOT NULL DEFAULT '');"
	"CREATE TABLE IF NOT EXISTS subscribers (key TEXT NOT NULL, jid TEXT NOT NULL,"
	" stale INTEGER NOT NULL DEFAULT 1, PRIMARY KEY (key, jid));"
	"CREATE INDEX IF NOT EXISTS to_tell ON subscribers (stale) WHERE stale;"
	"CREATE TRIGGER IF NOT EXISTS changed AFTER UPDATE OF value ON items BEGIN"
	" UPDATE subscribers SET stale = 1 WHERE key = new.key; END;";

#define TOLD "UPDATE subscribers SET stale = 0 WHERE key = ?1 AND jid = ?2"
static sqlite3 *db;
static struct stentor_component *component;

/* A statement with ?1 to ?3 filled in. */
static sqlite3_stmt *prepare(const char *sql, const char *key, const char *who, const char *value)
{
	const char *const values[] = { key, who, value };
	sqlite3_stmt *s;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
		exit(1);
	for (int i = 0; i < sqlite3_bind_parameter_count(s); i++)
		sqlite3_bind_text(s, i + 1, values[i], -1, SQLITE_TRANSIENT);
	return s;
}

/* Whether a statement changed anything; -1: the database cannot do it just now. */
static int change(const char *sql, const char *key, const char *who, const char *value)
{
	sqlite3_stmt *s = prepare(sql, key, who, value);
	int code = sqlite3_step(s);

	sqlite3_finalize(s);
	return code == SQLITE_DONE ? sqlite3_changes(db) > 0 : -1;
}

/* A text of a key, to be freed; NULL: there is no such key. */
static char *look_up(const char *sql, const char *key)
{
	sqlite3_stmt *s = prepare(sql, key, NULL, NULL);
	char *text = NULL;

	if (sqlite3_step(s) == SQLITE_ROW)
		text = strdup((const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	return text;
}

/* Tells who has not heard of the last change, as far as the connection takes it. */
static void tell_all(struct stentor_entity *e, void *user)
{
	sqlite3_stmt *s = prepare("SELECT key, jid, value FROM subscribers JOIN items USING (key)"
		" WHERE stale", NULL, NULL, NULL);
	enum stentor_error error = STENTOR_OK;

	change("BEGIN", NULL, NULL, NULL);
	while (!error && sqlite3_step(s) == SQLITE_ROW) {
		const char *key = (const char *)sqlite3_column_text(s, 0);
		const char *jid = (const char *)sqlite3_column_text(s, 1);
		struct stentor_element *m = stentor_message_new("headline", NULL, jid);
		const char *value = (const char *)sqlite3_column_text(s, 2);
		stentor_element_set(stentor_element_add_leaf(m, "changed", NS, value), "key", key);
		error = stentor_send(e, m);
		if (!error)
			change(TOLD, key, jid, NULL);
	}
	sqlite3_finalize(s);
	change("COMMIT", NULL, NULL, NULL);
}

/* What may be asked of a key. */
static const struct verb {
	const char *name, *type;
	bool makes, own, vain; /* no key is needed; if any, the sender's; nothing need change */
	const char *sql; /* NULL: reads */
} verbs[] = {
	{ "read", "get", false, false, false, NULL },
	{ "register", "set", true, true, false, "INSERT INTO items (key, owner) SELECT ?1, ?2 "
		"WHERE (SELECT count(*) FROM items WHERE owner = ?2) < " ROWS_MAX
		" ON CONFLICT (key) DO UPDATE SET owner = ?2" },
	{ "write", "set", false, true, false, "UPDATE items SET value = ?3 WHERE key = ?1" },
	{ "subscribe", "set", false, false, false,
		"INSERT OR REPLACE INTO subscribers (key, jid) SELECT ?1, ?2 "
		"WHERE (SELECT count(*) FROM subscribers WHERE jid = ?2) < " ROWS_MAX },
	{ "unsubscribe", "set", false, false, true,
		"DELETE FROM subscribers WHERE key = ?1 AND jid = ?2" },
};

static struct stentor_element *value_of(const struct stentor_element *iq, const char *key)
{
	char *text = look_up("SELECT value FROM items WHERE key = ?1", key);
	struct stentor_element *result = stentor_answer_new(iq);

	stentor_element_set(stentor_element_add_leaf(result, "value", NS, text), "key", key);
	free(text);
	return result;
}

static struct stentor_element *answer_to(const struct stentor_element *iq, const struct verb *v,
	const char *key, const char *text, const char *who)
{
	char *owner = look_up("SELECT owner FROM items WHERE key = ?1", key);
	bool is_there = owner != NULL, is_own = owner && !strcmp(owner, who);

	free(owner);
	if (!is_there && !v->makes)
		return stentor_refusal_new(iq, STENTOR_ITEM_NOT_FOUND, NULL);
	if (is_there && !is_own && v->own)
		return stentor_refusal_new(iq, STENTOR_FORBIDDEN, NULL);
	if (!v->sql)
		return value_of(iq, key);
	int changed = change(v->sql, key, who, text);
	if (changed < 0)
		return stentor_refusal_new(iq, STENTOR_INTERNAL_SERVER_ERROR, NULL);
	return changed || v->vain ? stentor_answer_new(iq) :
		stentor_refusal_new(iq, STENTOR_RESOURCE_CONSTRAINT, NULL);
}

static bool on_iq(struct stentor_entity *e, const struct stentor_element *iq, void *user)
{
	const struct verb *v = user;
	const struct stentor_element *payload = stentor_element_child(iq, NS, v->name);
	const char *key = stentor_element_attribute(payload, "key");
	const char *text = stentor_element_text(payload);
	struct stentor_jid *from = stentor_jid_new(stentor_element_attribute(iq, "from"));
	bool fits = key && *key && strlen(key) <= KEY_MAX && strlen(text) <= VALUE_MAX;

	stentor_send(e, fits ? answer_to(iq, v, key, text, stentor_jid_bare(from)) :
			       stentor_refusal_new(iq, STENTOR_NOT_ACCEPTABLE, NULL));
	stentor_jid_free(&from);
	tell_all(e, NULL);
	return true;
}

static void on_state(struct stentor_component *c, enum stentor_state state,
	enum stentor_error error, const char *text, void *user)
{
	fprintf(stderr, "%s\n", state == STENTOR_READY ? "ready" : text);
	if (state == STENTOR_READY)
		tell_all(stentor_component_entity(c), NULL);
}

static void on_signal(int number)
{
	stentor_component_stop(component);
}

int main(int argc, char **argv)
{
	char secret[256];

	if (argc == 5 && fgets(secret, sizeof secret, stdin)) {
		secret[strcspn(secret, "\n")] = '\0';
		component = stentor_component_new(argv[1], secret);
	}
	if (!component || sqlite3_open(argv[4], &db) || sqlite3_exec(db, schema, 0, 0, 0)) {
		fputs("usage: key-value DOMAIN SERVER PORT DATABASE <secret\n", stderr);
		return 2;
	}
	struct stentor_entity *e = stentor_component_entity(component);
	stentor_component_set_server(component, argv[2], (uint16_t)strtoul(argv[3], NULL, 10));
	stentor_component_set_reconnect(component, 200, 60000);
	stentor_component_on_state(component, on_state, NULL);
	stentor_on_writable(e, tell_all, NULL);
	stentor_add_identity(e, STENTOR_HERE, "component", "generic", "Items");
	stentor_add_feature(e, STENTOR_HERE, NS);
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		stentor_on_iq(e, verbs[i].type, NS, verbs[i].name, on_iq, (void *)&verbs[i]);
	signal(SIGTERM, on_signal);
	enum stentor_error error = stentor_component_run(component);
	stentor_component_free(&component);
	sqlite3_close(db);
	return error != STENTOR_OK;
}
