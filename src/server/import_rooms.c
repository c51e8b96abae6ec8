/* Rooms: what import.c is for accounts. A room takes the place of the account at hand, so that its
 * messages go the way of an account's. */
#include "server/import.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/digest.h"
#include "core/room.h"

#define MEMBERS_MAX STORE_ROOM_CHANGES_MAX /* of one room, in one operation of the store */

struct import_room {
	struct room_config config;
	struct store_affiliation *members; /* MEMBERS_MAX, in user_mem; NULL: none yet */
	size_t n_members;
	struct str subject;                /* XML, in user_mem, or empty */
	uint64_t subject_us;
	uint64_t archived;                 /* messages when it began */
	bool says_archived;                /* a field said whether it is archived */
};

static bool is_asked_for(const struct import *im, const struct config_host *h)
{
	struct str only = im->options->host;

	return !only.n || str_eq(only, h->domain) || str_eq(only, h->rooms);
}

bool import_wants_rooms(struct import *im, struct str domain)
{
	const struct config *c = im->config;
	struct str rooms;
	bool wanted = false;

	if (im->options->user.n || !jid_prep_domain(domain, &im->turn, &rooms))
		return false;
	for (size_t i = 0; i < c->n_hosts; i++)
		if (str_eq(c->hosts[i].rooms, rooms))
			wanted = is_asked_for(im, &c->hosts[i]);
	arena_reset(&im->turn);
	return wanted;
}

/* ---- the store ---- */

static bool look_up(struct import *im, bool *exists)
{
	struct store_op *op = data_store_read(im->data);

	store_room_load(im->data->store, op, im->host, im->user);
	data_wait_store(im->data, op);
	enum store_status status = op->status;
	*exists = status == STORE_OK;
	store_op_free(op);
	return status == STORE_OK || status == STORE_NOT_FOUND ||
		import_fail(im, "%s", data_status_text(status));
}

static void delete_room(struct import *im)
{
	store_room_delete(im->data->store, data_store_write(im->data), im->host, im->user);
	ledger_erase(im->data->ledger, data_ledger_write(im->data), im->jid);
}

static bool make_place(struct import *im)
{
	bool exists;

	if (!look_up(im, &exists)) {
		im->taken = false;
		return false;
	}
	if (exists && !im->options->replace) {
		im->counts.existing_rooms++;
		im->taken = false;
		return true;
	}
	if (exists) {
		delete_room(im);
		im->replaced = true;
	}
	return true;
}

static bool names_room(struct import *im, struct str domain, struct str name)
{
	struct str local, host;

	if (!jid_prep_domain(domain, &im->turn, &host) || !jid_prep_local(name, &im->turn, &local)) {
		import_note(im, "room %.*s@%.*s, whose name is no localpart", STR_FMT(name),
			STR_FMT(domain));
		return false;
	}
	struct jid j = jid_make(&im->user_mem, local, host, STR(""));
	im->user = jid_local(j);
	im->host = jid_domain(j);
	im->jid = jid_str(j);
	return true;
}

bool import_room(struct import *im, struct str domain, struct str name)
{
	BUG_ON(im->in_user);
	if (*im->options->stop)
		return import_fail(im, "interrupted");
	im->in_user = true;
	im->room = arena_alloc(&im->user_mem, sizeof *im->room);
	*im->room = (struct import_room){ .archived = im->counts.archived };
	room_config_default(&im->room->config);
	import_messages_begin(im);
	im->taken = names_room(im, domain, name);
	arena_reset(&im->turn);
	return !im->taken || !im->data || make_place(im);
}

static void write_config(const struct room_config *c, struct buf *b)
{
	struct writer w = w_on(b);

	w_open_ns(&w, "x", NS_DATA);
	w_attr(&w, "type", STR("submit"));
	room_config_write(c, &w, CONFIG_TO_STORE);
	w_close(&w);
}

static void store(struct import *im)
{
	struct import_room *room = im->room;
	uint8_t key[ROOM_KEY_LEN];
	struct buf config;

	buf_init(&config, STORE_ROOM_CONFIG_MAX);
	write_config(&room->config, &config);
	random_bytes(key, sizeof key);
	const struct store_room row = {
		.title = str_c(room->config.name ? room->config.name : ""),
		.about = str_c(room->config.desc ? room->config.desc : ""),
		.listed = room->config.listed,
		.persistent = true,
		.config = buf_str(&config),
		.subject = room->subject,
		.subject_us = room->subject_us,
		.key = str_from((const char *)key, sizeof key),
		.created_us = clock_wall_us(),
		.version = room->n_members,
	};
	store_room_save(im->data->store, data_store_write(im->data), im->host, im->user, &row,
		room->members, room->n_members, NULL, 0);
	buf_clear(&config);
}

static void finish(struct import *im)
{
	struct import_room *room = im->room;

	if (!room->says_archived && im->counts.archived > room->archived)
		room->config.archived = true;
	room->config.persistent = true;
	im->counts.rooms++;
	if (im->data)
		store(im);
}

bool import_room_end(struct import *im)
{
	BUG_ON(!im->in_user || !im->room);
	im->in_user = false;
	import_messages_end(im);
	if (im->taken && !im->error.n)
		finish(im);
	if (im->taken && im->data && !data_settle(im->data))
		import_fail(im, "%s", data_status_text(im->data->failed));
	if (im->taken && im->data && im->error.n) /* whole or not at all */
		delete_room(im);
	room_config_clear(&im->room->config);
	im->room = NULL;
	im->taken = false;
	arena_reset(&im->user_mem);
	return !im->error.n;
}

/* ---- what there is of it ---- */

void import_room_field(struct import *im, const char *var, const struct str *values, size_t n)
{
	const char *why;

	if (!im->taken)
		return;
	if (!room_config_set(&im->room->config, str_c(var), values, n, &why))
		import_note(im, "configuration of a room: %s", why);
	else if (strcmp(var, "enablearchiving") == 0)
		im->room->says_archived = true;
}

void import_room_text(struct import *im, const char *var, struct str value)
{
	import_room_field(im, var, &value, 1);
}

static void add_member(struct import *im, struct str text, struct str affiliation, struct str nick)
{
	struct import_room *room = im->room;
	enum affiliation a;
	struct jid j;

	if (!jid_parse(text, &im->turn, &j) || !affiliation_parse(affiliation, &a) ||
		(nick.n && !jid_prep_resource(nick, &im->turn, &nick))) {
		import_note(im, "affiliation of a room that is none");
		return;
	}
	if (room->n_members == MEMBERS_MAX) {
		import_note(im, "affiliation of a room that has more than %d", MEMBERS_MAX);
		return;
	}
	if (!room->members)
		room->members = arena_alloc(&im->user_mem, MEMBERS_MAX * sizeof *room->members);
	room->members[room->n_members] = (struct store_affiliation){
		.jid = str_dup(&im->user_mem, jid_bare_str(j)),
		.affiliation = affiliation_name(a),
		.role = STR(""), .reason = STR(""),
		.nick = str_dup(&im->user_mem, nick),
		.version = room->n_members + 1,
	};
	room->n_members++;
}

void import_room_member(struct import *im, struct str jid, struct str affiliation, struct str nick)
{
	if (im->taken && !str_eq(affiliation, STR("none")))
		add_member(im, jid, affiliation, nick);
	arena_reset(&im->turn);
}

static void set_subject(struct import *im, struct str from, struct str text, uint64_t stamp_us)
{
	struct import_room *room = im->room;
	struct jid j;

	if (!jid_parse(from, &im->turn, &j) || !str_eq(jid_bare_str(j), im->jid)) {
		import_note(im, "subject of a room that is from elsewhere");
		return;
	}
	buf_reset(&im->out);
	struct writer w = w_on(&im->out);
	stanza_open(&w, STANZA_MESSAGE, "groupchat", j, (struct jid){ 0 }, STR_NULL);
	w_leaf(&w, "subject", text);
	w_close(&w);
	if (!w_done(&w) || im->out.n > STORE_ROOM_SUBJECT_MAX) {
		import_note(im, "subject of a room of more than %d bytes", STORE_ROOM_SUBJECT_MAX);
		return;
	}
	room->subject = str_dup(&im->user_mem, buf_str(&im->out));
	room->subject_us = stamp_us ? stamp_us : clock_wall_us();
}

void import_room_subject(struct import *im, struct str from, struct str text, uint64_t stamp_us)
{
	if (im->taken && text.n)
		set_subject(im, from, text, stamp_us);
	arena_reset(&im->turn);
}

/* As the occupants got it, with its author. False: it cannot be. */
static bool write_said(struct import *im, struct str nick, struct str author, struct str xml,
	struct buf *out)
{
	struct stanza *st = stanza_scan(&im->table, xml, &im->turn);
	struct str prepared, item = STR("");
	struct jid who;

	if (!st || !jid_prep_resource(nick, &im->turn, &prepared)) {
		stanza_unref(&st);
		return false;
	}
	if (jid_parse(author, &im->turn, &who)) {
		buf_reset(&im->out);
		struct writer w = w_on(&im->out);
		w_open_ns(&w, "x", NS_MUC_USER);
		w_open(&w, "item");
		w_attr(&w, "jid", jid_bare_str(who));
		w_close(&w);
		w_close(&w);
		item = str_dup(&im->turn, buf_str(&im->out));
	}
	stanza_write_with(out, st, jid_make(&im->turn, im->user, im->host, prepared),
		(struct jid){ 0 }, NS_NONE, item);
	stanza_unref(&st);
	return buf_ok(out);
}

void import_room_said(struct import *im, uint64_t stamp_us, struct str nick, struct str author,
	struct str xml)
{
	struct buf b;

	if (!im->taken)
		return;
	buf_init(&b, IMPORT_XML_MAX);
	if (write_said(im, nick, author, xml, &b))
		import_archived(im, STR(""), stamp_us, buf_str(&b));
	else
		import_note(im, "message of a room that is none");
	buf_clear(&b);
	arena_reset(&im->turn);
}

struct str import_room_author(struct import *im, const struct stanza *st)
{
	const struct xml_node *x = xml_child(&st->doc, stanza_root(st), NS_MUC_USER, TAG_X);
	const struct xml_node *item = x ? xml_child(&st->doc, x, NS_MUC_USER, TAG_ITEM) : NULL;
	struct jid author;

	if (!item || !jid_parse(xml_attr_str(&st->doc, item, TAG_JID, &im->turn), &im->turn, &author))
		return STR("");
	return str_dup(&im->turn, jid_bare_str(author));
}
