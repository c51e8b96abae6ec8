#include "core/room_config.h"

#include "base/bug.h"
#include "xmpp/form.h"

#include <stdlib.h>

#define FORM_TYPE "http://jabber.org/protocol/muc#roomconfig"
#define PREFIX    "muc#roomconfig_"

#define VALUES_MAX 16 /* of one field */

/* What a field is for the owner, and how it stands in the struct. */
enum kind {
	TEXT,    /* text-single; char * */
	SECRET,  /* text-private; char *, white space around it belongs to it */
	FLAG,    /* boolean; bool */
	ONE_OF,  /* list-single; a number for each choice */
	SOME_OF, /* list-multi; a bit for each choice, in one of several bytes */
	NUMBER,  /* text-single with a range (XEP-0122); uint32_t */
	UP_TO    /* list-single of numbers; uint32_t, 0 for no bound */
};

struct choice {
	const char *value, *label; /* value NULL ends a list */
	uint32_t number;           /* the bit */
	size_t at;                 /* SOME_OF: its byte in the struct */
};

struct field {
	const char *var, *label;
	enum kind kind;
	size_t at, size;               /* in the struct; SOME_OF: its choices say where */
	const char *fault;             /* what it takes, for people */
	uint32_t max;                  /* bytes of a text, or the highest number */
	const struct choice *choices;
	bool (*valid)(struct str text);
};

static const struct choice pm_choices[] = {
	{ "anyone", "Anyone", PM_ANYONE, 0 },
	{ "participants", "Anyone with voice", PM_PARTICIPANTS, 0 },
	{ "moderators", "Moderators only", PM_MODERATORS, 0 },
	{ "none", "Nobody", PM_NONE, 0 },
	{ NULL, NULL, 0, 0 },
};

static const struct choice whois_choices[] = {
	{ "moderators", "Moderators only", false, 0 },
	{ "anyone", "Anyone", true, 0 },
	{ NULL, NULL, 0, 0 },
};

#define ROLE(byte, name, label, role) \
	{ name, label, 1u << (role), offsetof(struct room_config, byte) }

static const struct choice shown_choices[] = {
	ROLE(shown, "moderator", "Moderators", MODERATOR),
	ROLE(shown, "participant", "Participants", PARTICIPANT),
	ROLE(shown, "visitor", "Visitors", VISITOR),
	{ NULL, NULL, 0, 0 },
};

static const struct choice list_choices[] = {
	ROLE(list_roles, "moderator", "Moderators", MODERATOR),
	ROLE(list_roles, "participant", "Participants", PARTICIPANT),
	ROLE(list_roles, "visitor", "Visitors", VISITOR),
	ROLE(list_affiliations, "owner", "Owners", OWNER),
	ROLE(list_affiliations, "admin", "Administrators", ADMIN),
	ROLE(list_affiliations, "member", "Members", MEMBER),
	{ NULL, NULL, 0, 0 },
};

static const struct choice users_choices[] = {
	{ "10", "10", 10, 0 },
	{ "20", "20", 20, 0 },
	{ "50", "50", 50, 0 },
	{ "100", "100", 100, 0 },
	{ "200", "200", 200, 0 },
	{ "500", "500", 500, 0 },
	{ "1000", "1000", 1000, 0 },
	{ NULL, NULL, 0, 0 },
};

/* The outer form of a language tag (RFC 5646 section 2.1): subtags of up to 8 letters or digits. */
static bool is_lang(struct str s)
{
	size_t run = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9');
		if (c == '-' ? !run : !alnum || run == 8)
			return false;
		run = c == '-' ? 0 : run + 1;
	}
	return run > 0;
}

static bool is_xmpp_uri(struct str s)
{
	return str_starts(s, STR("xmpp:")) && s.n > 5;
}

#define AT(member) \
	offsetof(struct room_config, member), sizeof((struct room_config){ 0 }.member)
#define YES_NO(name, label, member) \
	{ PREFIX name, label, FLAG, AT(member), name " is 0 or 1", 0, NULL, NULL }

/* In the order of the form. */
static const struct field fields[] = {
	{ PREFIX "roomname", "Name", TEXT, AT(name), "roomname is too long", ROOM_NAME_MAX,
		NULL, NULL },
	{ PREFIX "roomdesc", "Description", TEXT, AT(desc), "roomdesc is too long", ROOM_DESC_MAX,
		NULL, NULL },
	{ PREFIX "lang", "Language of the discussion", TEXT, AT(lang),
		"lang is a language tag, such as en or de-AT", ROOM_LANG_MAX, NULL, is_lang },
	{ PREFIX "pubsub", "XMPP URI of an associated publish-subscribe node", TEXT, AT(link),
		"pubsub is a URI that begins with xmpp:", ROOM_LINK_MAX, NULL, is_xmpp_uri },
	YES_NO("persistentroom", "Keep the room when the last occupant leaves", persistent),
	YES_NO("publicroom", "Anybody may find the room", listed),
	YES_NO("passwordprotectedroom", "A password is needed to enter", has_secret),
	{ PREFIX "roomsecret", "Password", SECRET, AT(secret), "roomsecret is too long",
		ROOM_SECRET_MAX, NULL, NULL },
	YES_NO("membersonly", "Only members may enter", members_only),
	YES_NO("allowinvites", "Members may invite others", members_invite),
	{ PREFIX "maxusers", "Maximum number of occupants", UP_TO, AT(max_users),
		"maxusers is a number, or none", ROOM_NUMBER_MAX, users_choices, NULL },
	{ PREFIX "whois", "Who may see real addresses", ONE_OF, AT(anyone_sees_jids),
		"whois is moderators or anyone", 0, whois_choices, NULL },
	YES_NO("moderatedroom", "Only those with voice may speak", moderated),
	YES_NO("allowvoicerequests", "Visitors may ask for voice", voice_requests),
	YES_NO("changesubject", "Participants may change the subject", change_subject),
	{ PREFIX "allowpm", "Who may send private messages", ONE_OF, AT(pm),
		"allowpm is anyone, participants, moderators or none", 0, pm_choices, NULL },
	{ PREFIX "presencebroadcast", "Roles whose presence is shown", SOME_OF, 0, 0,
		"presencebroadcast is moderator, participant or visitor", 0, shown_choices, NULL },
	{ PREFIX "getmemberlist", "Roles and affiliations that may read the list of members",
		SOME_OF, 0, 0, "getmemberlist is a role or an affiliation", 0, list_choices, NULL },
	{ PREFIX "slow_mode_duration", "Seconds between two messages of a participant; 0: at will",
		NUMBER, AT(slow_seconds), "slow_mode_duration is a number of seconds",
		ROOM_NUMBER_MAX, NULL, NULL },
	{ "muc#maxhistoryfetch", "Maximum number of past messages for who enters", NUMBER,
		AT(max_history), "maxhistoryfetch is a number", ROOM_NUMBER_MAX, NULL, NULL },
	YES_NO("enablearchiving", "Keep messages in the archive of the room", archived),
	YES_NO("enablelogging", "Conversations are logged publicly", logged),
	YES_NO("forwardmentions", "Tell absent members who are mentioned", forward_mentions),
};

#define N_FIELDS (sizeof fields / sizeof fields[0])

/* ---- fields in the struct ---- */

static char **text_of(const struct room_config *c, const struct field *f)
{
	return (char **)((char *)c + f->at);
}

static bool is_text(const struct field *f)
{
	return f->kind == TEXT || f->kind == SECRET;
}

static uint32_t number_of(const struct room_config *c, const struct field *f)
{
	uint32_t n = 0;

	BUG_ON(f->size != 1 && f->size != sizeof n);
	if (f->size == 1)
		return *((const uint8_t *)c + f->at);
	memcpy(&n, (const char *)c + f->at, sizeof n);
	return n;
}

static void set_number(struct room_config *c, const struct field *f, uint32_t n)
{
	BUG_ON(f->size != 1 && f->size != sizeof n);
	if (f->size == 1)
		*((uint8_t *)c + f->at) = (uint8_t)n;
	else
		memcpy((char *)c + f->at, &n, sizeof n);
}

static uint8_t *byte_of(const struct room_config *c, const struct choice *ch)
{
	return (uint8_t *)c + ch->at;
}

static char *text_dup(struct str s)
{
	char *copy;

	if (!s.n)
		return NULL;
	copy = xmalloc(s.n + 1);
	memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	return copy;
}

static bool same(const struct room_config *a, const struct room_config *b, const struct field *f)
{
	if (is_text(f))
		return str_eq(str_c(*text_of(a, f)), str_c(*text_of(b, f)));
	if (f->kind != SOME_OF)
		return number_of(a, f) == number_of(b, f);
	for (const struct choice *ch = f->choices; ch->value; ch++)
		if (*byte_of(a, ch) != *byte_of(b, ch))
			return false;
	return true;
}

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

void room_config_default(struct room_config *c)
{
	*c = defaults;
}

void room_config_clear(struct room_config *c)
{
	for (const struct field *f = fields; f < fields + N_FIELDS; f++)
		if (is_text(f))
			free(*text_of(c, f));
	*c = (struct room_config){ 0 };
}

void room_config_copy(struct room_config *to, const struct room_config *from)
{
	*to = *from;
	for (const struct field *f = fields; f < fields + N_FIELDS; f++)
		if (is_text(f))
			*text_of(to, f) = text_dup(str_c(*text_of(from, f)));
}

/* ---- reading ---- */

static bool read_text(struct room_config *c, const struct field *f, struct str value)
{
	if (value.n > f->max || (value.n && f->valid && !f->valid(value)))
		return false;
	free(*text_of(c, f));
	*text_of(c, f) = text_dup(value);
	return true;
}

/* XEP-0004 section 3.3 */
static bool read_flag(struct room_config *c, const struct field *f, struct str value)
{
	bool on = str_eq(value, STR("1")) || str_eq(value, STR("true"));

	if (!on && value.n && !str_eq(value, STR("0")) && !str_eq(value, STR("false")))
		return false;
	set_number(c, f, on);
	return true;
}

static const struct choice *find_choice(const struct field *f, struct str value)
{
	const struct choice *ch = f->choices;

	while (ch->value && !str_eq(str_c(ch->value), value))
		ch++;
	return ch->value ? ch : NULL;
}

static bool read_one_of(struct room_config *c, const struct field *f, struct str value)
{
	const struct choice *ch = find_choice(f, value);

	if (ch)
		set_number(c, f, ch->number);
	return ch;
}

static bool read_number(struct room_config *c, const struct field *f, struct str value)
{
	uint64_t n;

	if (!str_to_u64(value, f->max, &n))
		return false;
	set_number(c, f, (uint32_t)n);
	return true;
}

static bool read_up_to(struct room_config *c, const struct field *f, struct str value)
{
	if (!str_eq(value, STR("none")))
		return read_number(c, f, value);
	set_number(c, f, 0);
	return true;
}

static bool read_some_of(struct room_config *c, const struct field *f, const struct str *values,
	size_t n)
{
	for (const struct choice *ch = f->choices; ch->value; ch++)
		*byte_of(c, ch) &= (uint8_t)~ch->number;
	for (size_t i = 0; i < n; i++) {
		const struct choice *ch = find_choice(f, str_trim(values[i]));
		if (!ch)
			return false;
		*byte_of(c, ch) |= (uint8_t)ch->number;
	}
	return true;
}

/* No value, or an empty one (XEP-0004 section 3.6): an empty text, no, nothing of a list; else what
 * a new room has. */
static bool read_field(struct room_config *c, const struct field *f, const struct str *values,
	size_t n)
{
	struct str value = n ? values[0] : STR("");

	if (f->kind == SOME_OF)
		return read_some_of(c, f, values, n);
	if (n > 1)
		return false;
	if (f->kind == SECRET)
		return read_text(c, f, value);
	value = str_trim(value);
	if (f->kind == TEXT)
		return read_text(c, f, value);
	if (f->kind == FLAG)
		return read_flag(c, f, value);
	if (!value.n) {
		set_number(c, f, number_of(&defaults, f));
		return true;
	}
	if (f->kind == ONE_OF)
		return read_one_of(c, f, value);
	return f->kind == UP_TO ? read_up_to(c, f, value) : read_number(c, f, value);
}

static const struct field *find_field(struct str var)
{
	for (const struct field *f = fields; f < fields + N_FIELDS; f++)
		if (str_eq(str_c(f->var), var))
			return f;
	return NULL;
}

/* All values of a field, as they were written. */
static size_t values_of(const struct xml_doc *d, const struct xml_node *field, struct str *values,
	struct arena *a)
{
	const struct xml_node *v = xml_child(d, field, NS_DATA, TAG_VALUE);
	size_t n = 0;

	for (; v && n < VALUES_MAX; v = xml_next_same(d, v))
		values[n++] = xml_text(d, v, a);
	return v ? VALUES_MAX + 1 : n;
}

static const char *read_form(struct room_config *c, const struct xml_doc *d,
	const struct xml_node *form, struct arena *a)
{
	struct str values[VALUES_MAX];

	for (const struct xml_node *x = form_first(d, form); x; x = form_next(d, x)) {
		const struct field *f = find_field(form_var(d, x, a));
		size_t n = f ? values_of(d, x, values, a) : 0;
		if (f && (n > VALUES_MAX || !read_field(c, f, values, n)))
			return f->fault;
	}
	return NULL;
}

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
	return take(c, &changed, read_form(&changed, d, form, a), why);
}

static const struct field *find_by_short_name(struct str var)
{
	for (const struct field *f = fields; f < fields + N_FIELDS; f++) {
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
	const struct field *f = find_by_short_name(var);
	struct room_config changed;

	if (!f) {
		*why = "there is no such field";
		return false;
	}
	room_config_copy(&changed, c);
	return take(c, &changed, read_field(&changed, f, values, n) ? NULL : f->fault, why);
}

/* ---- writing ---- */

static const char *type_of(const struct field *f)
{
	switch (f->kind) {
	case SECRET:
		return "text-private";
	case FLAG:
		return "boolean";
	case ONE_OF:
	case UP_TO:
		return "list-single";
	case SOME_OF:
		return "list-multi";
	default:
		return "text-single";
	}
}

static struct str number_text(uint32_t n, char out[12])
{
	int len = snprintf(out, 12, "%u", n);

	return str_from(out, (size_t)len);
}

static void write_number(const struct room_config *c, const struct field *f, struct writer *w)
{
	char text[12];
	uint32_t n = number_of(c, f);

	w_leaf(w, "value", f->kind == UP_TO && !n ? STR("none") : number_text(n, text));
}

static void write_chosen(const struct room_config *c, const struct field *f, struct writer *w)
{
	for (const struct choice *ch = f->choices; ch->value; ch++) {
		bool chosen = f->kind == SOME_OF ? *byte_of(c, ch) & ch->number
						 : number_of(c, f) == ch->number;
		if (chosen)
			w_leaf(w, "value", str_c(ch->value));
	}
}

static void write_value(const struct room_config *c, const struct field *f, struct writer *w)
{
	switch (f->kind) {
	case TEXT:
	case SECRET:
		if (*text_of(c, f))
			w_leaf(w, "value", str_c(*text_of(c, f)));
		return;
	case ONE_OF:
	case SOME_OF:
		write_chosen(c, f, w);
		return;
	default:
		write_number(c, f, w);
	}
}

static void write_option(struct writer *w, struct str label, struct str value)
{
	w_open(w, "option");
	w_attr(w, "label", label);
	w_leaf(w, "value", value);
	w_close(w);
}

/* The number that holds is an option too (XEP-0004 section 3.3: who fills in a list chooses). */
static void write_options(const struct room_config *c, const struct field *f, struct writer *w)
{
	uint32_t now = f->kind == UP_TO ? number_of(c, f) : 0;
	bool listed = !now;
	char text[12];

	for (const struct choice *ch = f->choices; ch && ch->value; ch++) {
		write_option(w, str_c(ch->label), str_c(ch->value));
		listed = listed || ch->number == now;
	}
	if (!listed) {
		struct str n = number_text(now, text);
		write_option(w, n, n);
	}
	if (f->kind == UP_TO)
		write_option(w, STR("No limit"), STR("none"));
}

/* XEP-0122 section 3.3 */
static void write_range(const struct field *f, struct writer *w)
{
	w_open_ns(w, "validate", NS_DATA_VALIDATE);
	w_attr(w, "datatype", STR("xs:integer"));
	w_open(w, "range");
	w_attr(w, "min", STR("0"));
	w_attr_u64(w, "max", f->max);
	w_close(w);
	w_close(w);
}

static void write_field(const struct room_config *c, const struct field *f, struct writer *w,
	enum room_config_use use)
{
	w_open(w, "field");
	w_attr(w, "var", str_c(f->var));
	if (use == CONFIG_FOR_OWNER) {
		w_attr(w, "type", str_c(type_of(f)));
		w_attr(w, "label", str_c(f->label));
		if (f->kind == NUMBER)
			write_range(f, w);
	}
	write_value(c, f, w);
	if (use == CONFIG_FOR_OWNER)
		write_options(c, f, w);
	w_close(w);
}

void room_config_write(const struct room_config *c, struct writer *w, enum room_config_use use)
{
	w_raw(w, STR("<field var='FORM_TYPE' type='hidden'><value>" FORM_TYPE "</value></field>"));
	for (const struct field *f = fields; f < fields + N_FIELDS; f++)
		write_field(c, f, w, use);
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
	for (const struct field *f = fields; f < fields + N_FIELDS && !others; f++) {
		bool told = f->at == offsetof(struct room_config, logged) ||
			    f->at == offsetof(struct room_config, anyone_sees_jids);
		others = !told && !same(before, after, f);
	}
	if (others)
		out[n++] = STATUS_CONFIG_CHANGED;
	return n;
}
