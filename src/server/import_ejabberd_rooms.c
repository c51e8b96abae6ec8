/* Rooms of ejabberd's mod_muc: the table "muc_room", whose options are a term of Erlang's. */
#include "server/import_ejabberd.h"
#include "server/import_erlang.h"

#include <stdio.h>

static const struct {
	const char *option, *var;
} flags[] = {
	{ "public", "publicroom" },
	{ "members_only", "membersonly" },
	{ "moderated", "moderatedroom" },
	{ "allow_change_subj", "changesubject" },
	{ "allow_user_invites", "allowinvites" },
	{ "allow_voice_requests", "allowvoicerequests" },
	{ "mam", "enablearchiving" },
	{ "logging", "enablelogging" },
};

static const struct {
	const char *option, *var;
} texts[] = {
	{ "title", "roomname" },
	{ "description", "roomdesc" },
	{ "lang", "lang" },
	{ "allowpm", "allowpm" }, /* in its place there was allow_private_messages */
};

static void take_flag(struct import *im, const struct value *options, const char *option,
	const char *var, struct str yes, struct str no)
{
	enum value_kind kind = erlang_option(options, option)->kind;

	if (kind == VALUE_TRUE || kind == VALUE_FALSE)
		import_room_text(im, var, kind == VALUE_TRUE ? yes : no);
}

static void take_flags(struct import *im, const struct value *options)
{
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		take_flag(im, options, flags[i].option, flags[i].var, STR("1"), STR("0"));
	take_flag(im, options, "anonymous", "whois", STR("moderators"), STR("anyone"));
	take_flag(im, options, "allow_private_messages", "allowpm", STR("anyone"), STR("none"));
}

static void take_texts(struct import *im, const struct value *options)
{
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct str text = value_text(erlang_option(options, texts[i].option));
		if (text.n)
			import_room_text(im, texts[i].var, text);
	}
}

/* A password counts while the flag is set, which needs it. */
static void take_password(struct import *im, const struct value *options)
{
	struct str password = value_text(erlang_option(options, "password"));

	if (!password.n || erlang_option(options, "password_protected")->kind != VALUE_TRUE)
		return;
	import_room_text(im, "roomsecret", password);
	import_room_text(im, "passwordprotectedroom", STR("1"));
}

static void take_max_users(struct import *im, const struct value *options)
{
	uint64_t n = value_u64(erlang_option(options, "max_users"), UINT32_MAX, 0);
	char text[24];

	if (!n)
		return;
	snprintf(text, sizeof text, "%llu", (unsigned long long)n);
	import_room_text(im, "maxusers", str_c(text));
}

static void take_broadcast(struct import *im, const struct value *options)
{
	const struct value *roles = erlang_option(options, "presence_broadcast");
	struct str values[3];
	size_t n = 0;

	if (roles->kind != VALUE_TABLE)
		return;
	for (const struct value_entry *e = roles->first; e && n < 3; e = e->next)
		values[n++] = value_text(&e->value);
	import_room_field(im, "presencebroadcast", values, n);
}

/* {{LOCALPART, DOMAIN, RESOURCE}, {AFFILIATION, REASON}}, or the affiliation alone. */
static void take_affiliation(struct import *im, const struct value *pair, struct arena *a)
{
	const struct value *jid = erlang_nth(pair, 1), *what = erlang_nth(pair, 2);
	struct str local = value_text(erlang_nth(jid, 1)), domain = value_text(erlang_nth(jid, 2));

	if (what->kind == VALUE_TABLE)
		what = erlang_nth(what, 1);
	import_room_member(im, str_printf(a, "%.*s%s%.*s", STR_FMT(local), local.n ? "@" : "",
		STR_FMT(domain)), value_text(what), STR(""));
}

/* Texts in languages, of which there is one for everybody, or the text; the author: a nickname, or
 * one with an address. */
static void take_subject(struct import *im, const struct value *options, struct arena *a)
{
	const struct value *subject = erlang_option(options, "subject");
	const struct value *author = erlang_option(options, "subject_author");

	if (subject->kind == VALUE_TABLE)
		subject = erlang_nth(erlang_nth(subject, 1), 3);
	if (author->kind == VALUE_TABLE)
		author = erlang_nth(author, 1);
	struct str nick = value_text(author);
	import_room_subject(im, str_printf(a, "%.*s%s%.*s", STR_FMT(im->jid), nick.n ? "/" : "",
		STR_FMT(nick)), value_text(subject), 0);
}

bool ejabberd_room_stays(const struct value *options)
{
	return erlang_option(options, "persistent")->kind == VALUE_TRUE;
}

void ejabberd_room(struct import *im, const struct value *options, struct arena *a)
{
	const struct value *affiliations = erlang_option(options, "affiliations");

	take_texts(im, options);
	take_flags(im, options);
	take_password(im, options);
	take_max_users(im, options);
	take_broadcast(im, options);
	for (const struct value_entry *e = affiliations->first; e; e = e->next)
		take_affiliation(im, &e->value, a);
	if (im->taken)
		take_subject(im, options, a);
}
