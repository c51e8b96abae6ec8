#include "core/room_config.h"

#include "core/form_fields.h"

#define FORM_TYPE "http://jabber.org/protocol/muc#roomconfig"
#define PREFIX    "muc#roomconfig_"

static const struct form_choice pm_choices[] = {
	{ "anyone", "Anyone", PM_ANYONE, 0 },
	{ "participants", "Anyone with voice", PM_PARTICIPANTS, 0 },
	{ "moderators", "Moderators only", PM_MODERATORS, 0 },
	{ "none", "Nobody", PM_NONE, 0 },
	{ NULL, NULL, 0, 0 },
};

static const struct form_choice whois_choices[] = {
	{ "moderators", "Moderators only", false, 0 },
	{ "anyone", "Anyone", true, 0 },
	{ NULL, NULL, 0, 0 },
};

#define ROLE(byte, name, label, role) \
	{ name, label, 1u << (role), offsetof(struct room_config, byte) }

static const struct form_choice shown_choices[] = {
	ROLE(shown, "moderator", "Moderators", MODERATOR),
	ROLE(shown, "participant", "Participants", PARTICIPANT),
	ROLE(shown, "visitor", "Visitors", VISITOR),
	{ NULL, NULL, 0, 0 },
};

static const struct form_choice list_choices[] = {
	ROLE(list_roles, "moderator", "Moderators", MODERATOR),
	ROLE(list_roles, "participant", "Participants", PARTICIPANT),
	ROLE(list_roles, "visitor", "Visitors", VISITOR),
	ROLE(list_affiliations, "owner", "Owners", OWNER),
	ROLE(list_affiliations, "admin", "Administrators", ADMIN),
	ROLE(list_affiliations, "member", "Members", MEMBER),
	{ NULL, NULL, 0, 0 },
};

static const struct form_choice users_choices[] = {
	{ "10", "10", 10, 0 },
	{ "20", "20", 20, 0 },
	{ "50", "50", 50, 0 },
	{ "100", "100", 100, 0 },
	{ "200", "200", 200, 0 },
	{ "500", "500", 500, 0 },
	{ "1000", "1000", 1000, 0 },
	{ NULL, NULL, 0, 0 },
};

static bool is_xmpp_uri(struct str s)
{
	return str_starts(s, STR("xmpp:")) && s.n > 5;
}

#define AT(member)            FIELD_AT(struct room_config, member)
#define FIELD(name, text, of) .var = PREFIX name, .label = text, .kind = FIELD_##of
#define TAKES(words)          .fault = words
#define YES_NO(name, text, member) \
	{ FIELD(name, text, FLAG), AT(member), TAKES(name " is 0 or 1") }

/* In the order of the form. */
static const struct form_field fields[] = {
	{ FIELD("roomname", "Name", TEXT), AT(name), TAKES("roomname is too long"),
		.max = ROOM_NAME_MAX },
	{ FIELD("roomdesc", "Description", TEXT), AT(desc), TAKES("roomdesc is too long"),
		.max = ROOM_DESC_MAX },
	{ FIELD("lang", "Language of the discussion", TEXT), AT(lang),
		TAKES("lang is a language tag, such as en or de-AT"), .max = ROOM_LANG_MAX,
		.valid = form_is_language },
	{ FIELD("pubsub", "XMPP URI of an associated publish-subscribe node", TEXT), AT(link),
		TAKES("pubsub is a URI that begins with xmpp:"), .max = ROOM_LINK_MAX,
		.valid = is_xmpp_uri },
	YES_NO("persistentroom", "Keep the room when the last occupant leaves", persistent),
	YES_NO("publicroom", "Anybody may find the room", listed),
	YES_NO("passwordprotectedroom", "A password is needed to enter", has_secret),
	{ FIELD("roomsecret", "Password", SECRET), AT(secret), TAKES("roomsecret is too long"),
		.max = ROOM_SECRET_MAX },
	YES_NO("membersonly", "Only members may enter", members_only),
	YES_NO("allowinvites", "Members may invite others", members_invite),
	{ FIELD("maxusers", "Maximum number of occupants", UP_TO), AT(max_users),
		TAKES("maxusers is a number, or none"), .max = ROOM_NUMBER_MAX, .word = "none",
		.choices = users_choices },
	{ FIELD("whois", "Who may see real addresses", ONE_OF), AT(anyone_sees_jids),
		TAKES("whois is moderators or anyone"), .choices = whois_choices },
	YES_NO("moderatedroom", "Only those with voice may speak", moderated),
	YES_NO("allowvoicerequests", "Visitors may ask for voice", voice_requests),
	YES_NO("changesubject", "Participants may change the subject", change_subject),
	{ FIELD("allowpm", "Who may send private messages", ONE_OF), AT(pm),
		TAKES("allowpm is anyone, participants, moderators or none"),
		.choices = pm_choices },
	{ FIELD("presencebroadcast", "Roles whose presence is shown", SOME_OF),
		TAKES("presencebroadcast is moderator, participant or visitor"),
		.choices = shown_choices },
	{ FIELD("getmemberlist", "Roles and affiliations that may read the list of members",
		SOME_OF), TAKES("getmemberlist is a role or an affiliation"),
		.choices = list_choices },
	{ FIELD("slow_mode_duration", "Seconds between two messages of a participant; 0: at will",
		NUMBER), AT(slow_seconds), TAKES("slow_mode_duration is a number of seconds"),
		.max = ROOM_NUMBER_MAX },
	{ .var = "muc#maxhistoryfetch", .label = "Maximum number of past messages for who enters",
		.kind = FIELD_NUMBER, AT(max_history), TAKES("maxhistoryfetch is a number"),
		.max = ROOM_NUMBER_MAX },
	YES_NO("enablearchiving", "Keep messages in the archive of the room", archived),
	YES_NO("enablelogging", "Conversations are logged publicly", logged),
	YES_NO("forwardmentions", "Tell absent members who are mentioned", forward_mentions),
};

/* ---- the whole ---- */

/* Section 8.1 and the examples of 10.1.3, but for the invitations, the roles and affiliations that
 * may read the list of members (table 6), and the number of past messages. */
static const struct room_config defaults = {
	.listed = true,
	.members_invite = true,
	.voice_requests = true,
	.pm = PM_ANYONE,
	.shown = 1u << VISITOR | 1u << PARTICIPANT | 1u << MODERATOR,
	.list_roles = 1u << MODERATOR,
	.list_affiliations = 1u << MEMBER | 1u << ADMIN | 1u << OWNER,
	.max_history = 20,
};

static const struct form_fields table = {
	FORM_TYPE, fields, sizeof fields / sizeof fields[0], &defaults, sizeof defaults
};

void room_config_default(struct room_config *c)
{
	*c = defaults;
}

void room_config_clear(struct room_config *c)
{
	form_fields_clear(&table, c);
}

void room_config_copy(struct room_config *to, const struct room_config *from)
{
	form_fields_copy(&table, to, from);
}

/* ---- reading ---- */

/* What no single field tells. */
static const char *fault_of(const struct room_config *c)
{
	return c->has_secret && !c->secret ? "a password is needed where one is to be asked for"
		: NULL;
}

/* The changed copy becomes the configuration, or goes. */
static bool take(struct room_config *c, struct room_config *changed, const char *fault,
	const char **why)
{
	if (!fault)
		fault = fault_of(changed);
	if (fault) {
		room_config_clear(changed);
		*why = fault;
		return false;
	}
	room_config_clear(c);
	*c = *changed;
	return true;
}

bool room_config_read(struct room_config *c, const struct xml_doc *d, const struct xml_node *form,
	struct arena *a, const char **why)
{
	struct room_config changed;

	room_config_copy(&changed, c);
	const struct form_field *bad = form_fields_take(&table, &changed, d, form, a);
	return take(c, &changed, bad ? bad->fault : NULL, why);
}

static const struct form_field *find_by_short_name(struct str var)
{
	for (const struct form_field *f = table.all; f < table.all + table.n; f++) {
		struct str name = str_c(f->var);
		bool prefixed = str_starts(name, STR(PREFIX));
		struct str word = str_skip(name, prefixed ? strlen(PREFIX) : strlen("muc#"));
		if (str_eq(name, var) || str_eq(word, var))
			return f;
	}
	return NULL;
}

bool room_config_set(struct room_config *c, struct str var, const struct str *values, size_t n,
	const char **why)
{
	const struct form_field *f = find_by_short_name(var);
	struct room_config changed;

	if (!f) {
		*why = "there is no such field";
		return false;
	}
	room_config_copy(&changed, c);
	bool ok = form_field_read(&table, f, &changed, values, n);
	return take(c, &changed, ok ? NULL : f->fault, why);
}

/* ---- writing ---- */

void room_config_write(const struct room_config *c, struct writer *w, enum room_config_use use)
{
	form_fields_write(&table, c, w,
		use == CONFIG_FOR_OWNER ? FORM_TO_FILL_IN : FORM_TO_STORE);
}

size_t room_config_codes(const struct room_config *before, const struct room_config *after,
	enum muc_status out[ROOM_CONFIG_CODES])
{
	size_t n = 0;
	bool others = false;

	if (before->logged != after->logged)
		out[n++] = after->logged ? STATUS_LOGGED : STATUS_NOT_LOGGED;
	if (before->anyone_sees_jids != after->anyone_sees_jids)
		out[n++] = after->anyone_sees_jids ? STATUS_NOW_NON_ANONYMOUS
						   : STATUS_NOW_SEMI_ANONYMOUS;
	for (const struct form_field *f = table.all; f < table.all + table.n && !others; f++) {
		bool told = f->at == offsetof(struct room_config, logged) ||
			    f->at == offsetof(struct room_config, anyone_sees_jids);
		others = !told && !form_field_same(f, before, after);
	}
	if (others)
		out[n++] = STATUS_CONFIG_CHANGED;
	return n;
}
