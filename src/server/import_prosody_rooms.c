/* Rooms of Prosody's mod_muc: the store "config" of a component, a table for each room, and the store
 * "muc_log" of mod_muc_mam, its archive. */
#include "server/import_prosody.h"

#include <stdio.h>

/* Options that are yes or no; `turned`: ours says the contrary. */
static const struct {
	const char *key, *var;
	bool turned;
} flags[] = {
	{ "hidden", "publicroom", true },
	{ "members_only", "membersonly", false },
	{ "moderated", "moderatedroom", false },
	{ "changesubject", "changesubject", false },
	{ "allow_member_invites", "allowinvites", false },
	{ "archiving", "enablearchiving", false },
};

static const struct {
	const char *key, *var;
} texts[] = {
	{ "name", "roomname" },
	{ "description", "roomdesc" },
	{ "language", "lang" },
	{ "whois", "whois" },
};

static void take_flags(struct import *im, const struct value *data)
{
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		enum value_kind kind = value_get(data, flags[i].key)->kind;
		if (kind == VALUE_TRUE || kind == VALUE_FALSE)
			import_room_text(im, flags[i].var,
				(kind == VALUE_TRUE) != flags[i].turned ? STR("1") : STR("0"));
	}
}

static void take_texts(struct import *im, const struct value *data)
{
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct str text = value_text(value_get(data, texts[i].key));
		if (text.n)
			import_room_text(im, texts[i].var, text);
	}
}

/* The flag needs the password. */
static void take_password(struct import *im, const struct value *data)
{
	struct str password = value_text(value_get(data, "password"));

	if (!password.n)
		return;
	import_room_text(im, "roomsecret", password);
	import_room_text(im, "passwordprotectedroom", STR("1"));
}

static void take_history(struct import *im, const struct value *data)
{
	uint64_t n = value_u64(value_get(data, "history_length"), 1000, UINT64_MAX);
	char text[24];

	if (n == UINT64_MAX)
		return;
	snprintf(text, sizeof text, "%llu", (unsigned long long)n);
	import_room_text(im, "maxhistoryfetch", str_c(text));
}

/* Roles whose presence is shown: those that are not false. */
static void take_broadcast(struct import *im, const struct value *data)
{
	static const char *const roles[] = { "moderator", "participant", "visitor" };
	const struct value *shown = value_get(data, "presence_broadcast");
	struct str values[3];
	size_t n = 0;

	for (size_t i = 0; shown->kind == VALUE_TABLE && i < 3; i++)
		if (value_get(shown, roles[i])->kind != VALUE_FALSE)
			values[n++] = str_c(roles[i]);
	if (shown->kind == VALUE_TABLE)
		import_room_field(im, "presencebroadcast", values, n);
}

/* Since 0.11 affiliations stand beside the configuration, and what belongs to them apart; before
 * that they had a table of their own. */
static void take_affiliations(struct import *im, const struct value *room)
{
	const struct value *old = value_get(room, "_affiliations");
	const struct value *more = value_get(room, "_affiliation_data");

	for (const struct value_entry *e = (old->kind == VALUE_TABLE ? old : room)->first; e;
		e = e->next) {
		if (e->key.kind != VALUE_STRING || e->value.kind != VALUE_STRING ||
			str_starts(e->key.s, STR("_")) || str_eq(e->key.s, STR("jid")))
			continue;
		const struct value *mine = value_find(more, e->key.s);
		import_room_member(im, e->key.s, e->value.s,
			value_text(value_get(mine, "reserved_nickname")));
	}
}

static void take_subject(struct import *im, const struct value *data)
{
	import_room_subject(im, value_text(value_get(data, "subject_from")),
		value_text(value_get(data, "subject")),
		value_u64(value_get(data, "subject_time"), UINT32_MAX, 0) * 1000000);
}

bool prosody_room_stays(const struct value *room)
{
	return value_get(value_get(room, "_data"), "persistent")->kind == VALUE_TRUE;
}

void prosody_room(struct import *im, const struct value *room)
{
	const struct value *data = value_get(room, "_data");

	take_texts(im, data);
	take_flags(im, data);
	take_password(im, data);
	take_history(im, data);
	take_broadcast(im, data);
	take_affiliations(im, room);
	take_subject(im, data);
}
