#include "stage.h"

#include "base/bug.h"
#include "core/roster.h"
#include "match.h"
#include "player.h"

#include <stdlib.h>

#define ROSTER_GET "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>"

#define PAIRS_MAX   8
#define PLAYERS_MAX 64

struct stage {
	struct world world;
	struct jid apart[PAIRS_MAX][2]; /* must not be on the same shard */
	size_t n_apart;
	struct words words;
	struct arena mem;      /* until the case ends */
	struct arena *why_mem;
	struct str why;        /* p NULL: all well */
	const struct test_case *test;
	size_t at;             /* line */
	size_t group;          /* items that the lines of a group in any order may take */
};

static bool wrong(struct stage *s, struct str what)
{
	s->why = str_dup(s->why_mem, what);
	return false;
}

static bool wrong_about(struct stage *s, const char *what, struct str about)
{
	s->why = str_printf(s->why_mem, "%s: %.*s", what, STR_FMT(about));
	return false;
}

/* ---- arguments ---- */

static bool take_jid(struct stage *s, struct str *args, struct jid *out)
{
	struct str word = word_next(args);

	if (!word.p || !jid_parse(word, &s->mem, out))
		return wrong_about(s, "an address is wanted here", word);
	return true;
}

static bool take_player(struct stage *s, struct str *args, struct player **out)
{
	struct str name = word_next(args);

	*out = name.p ? player_find(&s->world, name) : NULL;
	return *out || wrong_about(s, "no such player", name);
}

static bool take_number(struct stage *s, struct str *args, uint64_t *out)
{
	struct str word = word_next(args);

	return str_to_u64(word, UINT32_MAX, out) || wrong_about(s, "a number is wanted here", word);
}

/* A player of this name without a connection, made where there is none. */
static bool offstage(struct stage *s, struct str name, struct player **out)
{
	*out = player_find(&s->world, name);
	if (!*out)
		*out = player_new(&s->world, name);
	return !(*out)->end || wrong_about(s, "is connected already", name);
}

/* ---- the world ---- */

static bool cmd_shards(struct stage *s, struct str args)
{
	uint64_t n;

	if (!take_number(s, &args, &n))
		return false;
	s->world.n_shards = (unsigned)n;
	return true;
}

static bool cmd_unsearched(struct stage *s, struct str args)
{
	s->world.unsearched = true;
	return true;
}

static void add_admin(struct stage *s, struct host *h, struct str text)
{
	struct arena *a = &s->world.settings->mem;
	struct jid *admins = arena_alloc(a, (h->n_admins + 1) * sizeof *admins);

	for (unsigned i = 0; i < h->n_admins; i++)
		admins[i] = h->admins[i];
	BUG_ON(!jid_parse(str_dup(a, text), a, &admins[h->n_admins]));
	h->admins = admins;
	h->n_admins++;
}

static bool set_makers(struct stage *s, struct host *service, struct str who)
{
	static const struct str names[] = { [BY_ANYBODY] = STR_INIT("anybody"),
		[BY_ACCOUNTS] = STR_INIT("accounts"), [BY_ADMINS] = STR_INIT("admins") };

	for (unsigned i = 0; service && i < sizeof names / sizeof names[0]; i++) {
		if (str_eq(names[i], who)) {
			service->makers = (enum makers)i;
			return true;
		}
	}
	return wrong_about(s, "nobody by whom rooms or nodes could be made", who);
}

static bool cmd_host(struct stage *s, struct str args)
{
	struct host *h = settings_add_host(s->world.settings, word_next(&args));
	struct str word, rooms = STR_NULL, makers = STR_NULL;
	struct str nodes = STR_NULL, node_makers = STR_NULL;

	while ((word = word_next(&args)).p) {
		if (str_eq(word, STR("registration")))
			h->registration = true;
		else if (str_eq(word, STR("anonymous")))
			h->anonymous = true;
		else if (str_eq(word, STR("archive")))
			h->archive = true;
		else if (str_starts(word, STR("location=")))
			h->resume_location = str_skip(word, strlen("location="));
		else if (str_starts(word, STR("rooms=")))
			rooms = str_skip(word, strlen("rooms="));
		else if (str_starts(word, STR("room_makers=")))
			makers = str_skip(word, strlen("room_makers="));
		else if (str_starts(word, STR("pubsub=")))
			nodes = str_skip(word, strlen("pubsub="));
		else if (str_starts(word, STR("node_makers=")))
			node_makers = str_skip(word, strlen("node_makers="));
		else if (str_starts(word, STR("admin=")))
			add_admin(s, h, str_skip(word, strlen("admin=")));
		else if (str_eq(word, STR("push_sender")))
			h->push_sender = true;
		else if (str_eq(word, STR("push_body")))
			h->push_body = true;
		else if (str_eq(word, STR("no_push_count")))
			h->push_count = false;
		else
			return wrong_about(s, "no such option of a host", word);
	}
	if (rooms.p)
		settings_add_rooms(s->world.settings, h, rooms);
	if (nodes.p)
		settings_add_nodes(s->world.settings, h, nodes);
	return (!makers.p || set_makers(s, h->rooms, makers)) &&
	       (!node_makers.p || set_makers(s, h->nodes, node_makers));
}

/* component DOMAIN OPTION...: behind the hosts */
static bool cmd_component(struct stage *s, struct str args)
{
	struct settings *set = s->world.settings;
	struct host *h = settings_add_component(set, word_next(&args));
	struct component_rules *rules = h->component;
	struct str word;
	uint64_t n;

	rules->secret = STR(PASSWORD);
	h->listed_by = settings_parent(set, h->domain);
	while ((word = word_next(&args)).p) {
		ptrdiff_t equals = str_find(word, '=');
		struct str name = equals < 0 ? word : str_head(word, (size_t)equals);
		struct str value = equals < 0 ? STR("") : str_skip(word, (size_t)equals + 1);
		bool number = str_to_u64(value, UINT32_MAX, &n);

		if (str_eq(word, STR("unlisted")))
			h->listed_by = NULL;
		else if (number && str_eq(name, STR("connections")))
			rules->connections = (uint32_t)n;
		else if (number && str_eq(name, STR("queue_bytes")))
			rules->queue_max = (uint32_t)n;
		else if (number && str_eq(name, STR("queue_seconds")))
			rules->queue_ms = (uint32_t)n * 1000;
		else
			return wrong_about(s, "no such option of a component", word);
	}
	return true;
}

/* A set of types of IQs by its name. */
static bool take_types(struct stage *s, struct str word, unsigned *out)
{
	for (*out = 0; *out <= (GRANT_GET | GRANT_SET); (*out)++)
		if (str_eq(word, grant_types_name(*out)))
			return true;
	return wrong_about(s, "none, get, set or both is wanted here", word);
}

static bool grant_namespace(struct stage *s, struct host *h, struct str text)
{
	struct delegation d;
	const char *fault = grant_parse_delegation(text, &d);

	if (fault)
		return wrong(s, str_c(fault));
	grant_delegation(s->world.settings, h, &d);
	return true;
}

static bool grant_request(struct stage *s, struct host *h, struct str text)
{
	struct iq_grant g;
	const char *fault = grant_parse_iq(text, &g);

	if (fault)
		return wrong(s, str_c(fault));
	grant_iq(s->world.settings, h, &g);
	return true;
}

static bool grant_presence(struct stage *s, struct host *h, struct str word)
{
	enum grant_presence *p = &h->component->grants.presence;

	if (str_eq(word, STR("managed_entity")))
		*p = GRANT_OWN_PRESENCE;
	else if (str_eq(word, STR("roster")))
		*p = GRANT_ROSTER_PRESENCE;
	else
		return wrong_about(s, "managed_entity or roster is wanted here", word);
	return true;
}

/* grant COMPONENT OPTION VALUE: behind the component */
static bool cmd_grant(struct stage *s, struct str args)
{
	struct settings *set = s->world.settings;
	struct host *h = settings_component(set, word_next(&args)), *managed;
	struct str option = word_next(&args);

	if (!h)
		return wrong(s, STR("there is no such component"));
	if (str_eq(option, STR("manages"))) {
		managed = settings_account_host(set, word_next(&args));
		if (managed)
			grant_host(set, h, managed);
		return managed || wrong(s, STR("there is no such host"));
	}
	if (str_eq(option, STR("delegates")))
		return grant_namespace(s, h, args);
	if (str_eq(option, STR("iq")))
		return grant_request(s, h, args);
	if (str_eq(option, STR("presence")))
		return grant_presence(s, h, word_next(&args));
	if (str_eq(option, STR("roster")))
		return take_types(s, word_next(&args), &h->component->grants.roster);
	if (str_eq(option, STR("roster_push")))
		h->component->grants.roster_push = true;
	else if (str_eq(option, STR("message")))
		h->component->grants.messages = true;
	else
		return wrong_about(s, "no such grant", option);
	return true;
}

static bool cmd_limit(struct stage *s, struct str args)
{
	struct settings *set = s->world.settings;
	struct str name = word_next(&args);
	uint64_t n;

	if (!take_number(s, &args, &n))
		return false;
	const struct {
		struct str name;
		uint32_t *value;
	} limits[] = {
		{ STR("account_items"), &set->account_nodes.items },
		{ STR("account_nodes"), &set->account_nodes.nodes },
		{ STR("account_subscriptions"), &set->account_nodes.subscriptions },
		{ STR("archive_days"), &s->world.archive_days },
		{ STR("archive_messages"), &s->world.archive_messages },
		{ STR("blocklist_items"), &set->blocklist_max },
		{ STR("held_bytes"), &set->held_max },
		{ STR("item_bytes"), &set->service_nodes.item_bytes },
		{ STR("node_items_per_second"), &set->node_rate },
		{ STR("offline_messages"), &s->world.offline_max },
		{ STR("output_bytes"), &set->max_out },
		{ STR("push_registrations"), &set->push_max },
		{ STR("private_bytes"), &set->private_max },
		{ STR("room_history"), &set->room_history_max },
		{ STR("room_members"), &set->room_members_max },
		{ STR("room_occupants"), &set->room_occupants_max },
		{ STR("room_stanzas_per_second"), &set->room_rate },
		{ STR("roster_items"), &set->roster_max },
		{ STR("resume_seconds"), &set->resume_s },
		{ STR("service_items"), &set->service_nodes.items },
		{ STR("service_nodes"), &set->service_nodes.nodes },
		{ STR("service_subscriptions"), &set->service_nodes.subscriptions },
		{ STR("sessions_per_account"), &set->sessions_max },
		{ STR("stanza_bytes"), &set->user.stanza_bytes },
		{ STR("stanza_bytes_before_login"), &set->guest.stanza_bytes },
		{ STR("password_checks_per_second"), &set->checks_per_second },
		{ STR("unacknowledged_bytes"), &set->unacked_max },
		{ STR("vcard_bytes"), &set->vcard_max },
	};
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		if (str_eq(limits[i].name, name)) {
			*limits[i].value = (uint32_t)n;
			return true;
		}
	}
	return wrong_about(s, "no such limit", name);
}

static bool cmd_apart(struct stage *s, struct str args)
{
	struct jid *pair = s->apart[s->n_apart];

	if (s->n_apart == PAIRS_MAX)
		return wrong(s, STR("too many pairs"));
	s->n_apart++;
	return take_jid(s, &args, &pair[0]) && take_jid(s, &args, &pair[1]);
}

/* A script that wants to see what crosses between shards fails where nothing does. */
static bool open_world(struct stage *s)
{
	struct core *c = &s->world.core;

	world_open(&s->world);
	for (size_t i = 0; i < s->n_apart && c->n_shards > 1; i++)
		if (shard_of(c, s->apart[i][0]) == shard_of(c, s->apart[i][1]))
			return wrong_about(s, "is on the same shard", jid_str(s->apart[i][1]));
	return true;
}

static bool fits(struct stage *s, struct str want, const struct item *i, struct str *why);
static struct str stream_error(struct stage *s, struct str name);

/* RFC 6120 section 4.9.3.20: the last that each stream hears. */
static bool heard_shutdown(struct stage *s, struct player *p)
{
	struct item *end = NULL, *error = NULL;
	struct str why;

	list_each(i, &p->items, struct item, link) {
		error = end;
		end = i;
	}
	return error && end->kind == ITEM_END &&
	       fits(s, stream_error(s, STR("system-shutdown")), error, &why);
}

static bool cmd_restart(struct stage *s, struct str args)
{
	struct player *connected[PLAYERS_MAX];
	size_t n = 0;

	list_each(p, &s->world.players, struct player, link)
		if (p->end && n < PLAYERS_MAX)
			connected[n++] = p;
	world_restart(&s->world);
	for (size_t i = 0; i < n; i++) {
		if (!heard_shutdown(s, connected[i]))
			return wrong_about(s, "was not told of the shutdown", connected[i]->name);
		player_forget(connected[i]);
	}
	return true;
}

static bool cmd_wait(struct stage *s, struct str args)
{
	static const struct {
		char unit;
		uint64_t ms;
	} units[] = { { 's', 1000 }, { 'm', 60 * 1000 }, { 'h', 3600 * 1000 } };
	struct str word = word_next(&args);
	uint64_t n;

	for (size_t i = 0; word.n && i < sizeof units / sizeof units[0]; i++) {
		if (word.p[word.n - 1] != units[i].unit ||
			!str_to_u64(str_head(word, word.n - 1), UINT32_MAX, &n))
			continue;
		world_wait(&s->world, n * units[i].ms);
		return true;
	}
	return wrong_about(s, "a time such as 60s is wanted here", word);
}

/* ---- what the store has ---- */

static bool take_standing(struct stage *s, struct str args, struct standing *out)
{
	static const char *const subscriptions[] = { "none", "to", "from", "both" };
	struct str word;

	*out = (struct standing){ 0 };
	while ((word = word_next(&args)).p) {
		bool known = false;
		for (uint8_t i = 0; i < 4; i++) {
			if (str_eq(word, str_c(subscriptions[i]))) {
				out->subscription = i;
				out->listed = known = true;
			}
		}
		if (str_eq(word, STR("ask")))
			out->ask = known = true;
		else if (str_eq(word, STR("approved")))
			out->approved = known = true;
		else if (str_eq(word, STR("pending")))
			out->pending = known = true;
		else if (str_eq(word, STR("unlisted")))
			known = true;
		if (!known)
			return wrong_about(s, "no such state of a contact", word);
	}
	return true;
}

static bool cmd_account(struct stage *s, struct str args)
{
	struct jid j;

	return take_jid(s, &args, &j) &&
	       (world_account(&s->world, jid_bare(j)) || wrong(s, STR("the account is there")));
}

/* contact OWNER CONTACT STATE...; makes the owner's account where there is none. */
static bool cmd_contact(struct stage *s, struct str args)
{
	struct jid owner, contact;
	struct standing standing;

	if (!take_jid(s, &args, &owner) || !take_jid(s, &args, &contact) ||
		!take_standing(s, args, &standing))
		return false;
	world_account(&s->world, owner);
	world_set_contact(&s->world, owner, contact, standing);
	return true;
}

/* friends A B: each is subscribed to the other. */
static bool cmd_friends(struct stage *s, struct str args)
{
	static const struct standing both = { .listed = true,
		.subscription = SUB_TO | SUB_FROM };
	struct jid a, b;

	if (!take_jid(s, &args, &a) || !take_jid(s, &args, &b))
		return false;
	world_account(&s->world, a);
	world_account(&s->world, b);
	world_set_contact(&s->world, a, b, both);
	world_set_contact(&s->world, b, a, both);
	return true;
}

static bool cmd_state(struct stage *s, struct str args)
{
	struct jid owner, contact;
	struct standing want;

	if (!take_jid(s, &args, &owner) || !take_jid(s, &args, &contact) ||
		!take_standing(s, args, &want))
		return false;
	struct standing got = world_contact(&s->world, owner, contact);
	if (got.listed == want.listed && got.subscription == want.subscription &&
		got.ask == want.ask && got.approved == want.approved &&
		got.pending == want.pending)
		return true;
	return wrong(s, str_printf(&s->mem, "it is listed %d subscription %d (1 to, 2 from) ask %d "
					    "approved %d pending %d", got.listed, got.subscription,
				got.ask, got.approved, got.pending));
}

/* ---- players ---- */

/* The name behind `as`, or the default. */
static struct str player_name(struct str args, struct str standard)
{
	return str_eq(word_next(&args), STR("as")) ? word_next(&args) : standard;
}

static bool enter(struct stage *s, struct str args, struct player **out)
{
	struct jid j;

	if (!take_jid(s, &args, &j))
		return false;
	world_account(&s->world, jid_bare(j));
	if (!offstage(s, player_name(args, jid_local(j)), out))
		return false;
	if (player_login(*out, j))
		return true;
	struct item *i = player_next(*out);
	wrong_about(s, "the login failed", i ? i->text : STR("nothing came"));
	free(i);
	return false;
}

static bool cmd_user(struct stage *s, struct str args)
{
	struct player *p;

	return enter(s, args, &p);
}

/* A user that sends something first; what it gets so is forgotten. */
static bool enter_with(struct stage *s, struct str args, struct str bytes)
{
	struct player *p;

	if (!enter(s, args, &p))
		return false;
	player_send(p, bytes);
	world_settle(&s->world);
	player_forget(p);
	return true;
}

/* RFC 6121 section 2.2: has asked for the roster, but is not available. */
static bool cmd_interested(struct stage *s, struct str args)
{
	return enter_with(s, args, STR(ROSTER_GET));
}

static bool cmd_online(struct stage *s, struct str args)
{
	return enter_with(s, args, STR(ROSTER_GET "<presence/>"));
}

static bool cmd_guest(struct stage *s, struct str args)
{
	struct str name = word_next(&args);
	struct player *p;

	return offstage(s, name, &p) &&
	       (player_login_guest(p, word_next(&args)) || wrong(s, STR("the login failed")));
}

/* A connection over which nothing was sent yet. */
static bool cmd_raw(struct stage *s, struct str args)
{
	struct player *p;

	if (!offstage(s, word_next(&args), &p))
		return false;
	player_connect(p);
	return true;
}

static bool cmd_raw_component(struct stage *s, struct str args)
{
	struct player *p;

	if (!offstage(s, word_next(&args), &p))
		return false;
	player_connect_component(p);
	return true;
}

/* join NAME DOMAIN [SECRET]: a component that is accepted */
static bool cmd_join(struct stage *s, struct str args)
{
	struct player *p;

	if (!offstage(s, word_next(&args), &p))
		return false;
	struct str domain = word_next(&args), secret = word_next(&args);
	return player_join(p, domain, secret.p ? secret : STR(PASSWORD)) ||
	       wrong(s, STR("the component was not accepted"));
}

/* open NAME HOST: a connection with open stream; features are there. */
static bool cmd_open(struct stage *s, struct str args)
{
	struct player *p;

	if (!cmd_raw(s, args) || !take_player(s, &args, &p))
		return false;
	player_open(p, word_next(&args));
	player_forget(p);
	return true;
}

/* auth NAME MECHANISM USER [PASSWORD] */
static bool cmd_auth(struct stage *s, struct str args)
{
	struct player *p;

	if (!take_player(s, &args, &p))
		return false;
	enum sasl_mech_id mech = sasl_mech_find(word_next(&args));
	if (mech == MECH_COUNT)
		return wrong(s, STR("no such mechanism"));
	struct str user = word_next(&args), password = word_next(&args);
	return player_auth(p, mech, user, password.p ? password : STR(PASSWORD)) ||
	       wrong(s, STR("the exchange went wrong"));
}

/* authed NAME HOST USER: up to the features behind SASL */
static bool cmd_authed(struct stage *s, struct str args)
{
	struct player *p;
	struct str rest = args;

	if (!cmd_raw(s, args) || !take_player(s, &rest, &p))
		return false;
	struct str host = word_next(&rest), user = word_next(&rest);
	player_open(p, host);
	if (!player_auth(p, MECH_PLAIN, user, STR(PASSWORD)))
		return wrong(s, STR("the exchange went wrong"));
	player_open(p, host);
	player_forget(p);
	return true;
}

static bool cmd_drop(struct stage *s, struct str args)
{
	struct player *p;

	if (!take_player(s, &args, &p))
		return false;
	player_drop(p);
	world_settle(&s->world);
	return true;
}

static bool cmd_logout(struct stage *s, struct str args)
{
	struct player *p;

	if (!take_player(s, &args, &p))
		return false;
	player_send(p, STR("</stream:stream>"));
	world_settle(&s->world);
	player_forget(p);
	return !p->end || wrong(s, STR("the server did not close the stream"));
}

static bool cmd_forget(struct stage *s, struct str args)
{
	struct player *p;

	if (!take_player(s, &args, &p))
		return false;
	player_forget(p);
	return true;
}

/* can NAME ELEMENTS: what its client says to disco#info from now on, without a line of the script.
 * The player is made where there is none. */
static bool cmd_can(struct stage *s, struct str args)
{
	struct str name = word_next(&args);
	struct player *p = player_find(&s->world, name);

	if (!p)
		p = player_new(&s->world, name);
	p->can = str_dup(&p->mem, args);
	return true;
}

static bool cmd_differ(struct stage *s, struct str args)
{
	struct str a = word_next(&args), b = word_next(&args);

	return (a.p && b.p && !str_eq(a, b)) || wrong_about(s, "both are", a);
}

static bool cmd_define(struct stage *s, struct str args)
{
	struct str name = word_next(&args);

	words_define(&s->words, &s->mem, name, args);
	return true;
}

/* before: runs before the server starts, wherever it stands in the case. */
static const struct command {
	struct str name;
	bool (*run)(struct stage *s, struct str args);
	bool before;
} commands[] = {
	{ STR_INIT("account"), cmd_account, false },
	{ STR_INIT("apart"), cmd_apart, true },
	{ STR_INIT("auth"), cmd_auth, false },
	{ STR_INIT("authed"), cmd_authed, false },
	{ STR_INIT("can"), cmd_can, false },
	{ STR_INIT("component"), cmd_component, true },
	{ STR_INIT("grant"), cmd_grant, true },
	{ STR_INIT("contact"), cmd_contact, false },
	{ STR_INIT("define"), cmd_define, false },
	{ STR_INIT("differ"), cmd_differ, false },
	{ STR_INIT("drop"), cmd_drop, false },
	{ STR_INIT("forget"), cmd_forget, false },
	{ STR_INIT("friends"), cmd_friends, false },
	{ STR_INIT("guest"), cmd_guest, false },
	{ STR_INIT("host"), cmd_host, true },
	{ STR_INIT("interested"), cmd_interested, false },
	{ STR_INIT("join"), cmd_join, false },
	{ STR_INIT("limit"), cmd_limit, true },
	{ STR_INIT("logout"), cmd_logout, false },
	{ STR_INIT("online"), cmd_online, false },
	{ STR_INIT("open"), cmd_open, false },
	{ STR_INIT("raw"), cmd_raw, false },
	{ STR_INIT("raw_component"), cmd_raw_component, false },
	{ STR_INIT("restart"), cmd_restart, false },
	{ STR_INIT("shards"), cmd_shards, true },
	{ STR_INIT("unsearched"), cmd_unsearched, true },
	{ STR_INIT("state"), cmd_state, false },
	{ STR_INIT("user"), cmd_user, false },
	{ STR_INIT("wait"), cmd_wait, false },
};

/* ---- what is sent and expected ---- */

static bool expect_nothing(struct stage *s, struct player *p)
{
	struct item *i = list_first(&p->items, struct item, link);

	return !i || wrong_about(s, "it got", i->text);
}

static bool expect_closed(struct stage *s, struct player *p)
{
	struct item *i = player_next(p);

	if (!i || i->kind != ITEM_END)
		wrong_about(s, "no end of the stream, but", i ? i->text : STR("nothing"));
	else if (p->end)
		wrong(s, STR("the stream has ended, but the connection is not closed"));
	free(i);
	return !s->why.p;
}

static bool fits(struct stage *s, struct str want, const struct item *i, struct str *why)
{
	if (i->kind == ITEM_END || i->kind == ITEM_BROKEN)
		*why = STR("it is no element");
	else
		*why = match(want, i->text, &s->mem);
	return !why->p;
}

static bool expect_next(struct stage *s, struct player *p, struct str want)
{
	struct item *i = player_next(p);
	struct str why;

	if (!i)
		return wrong(s, STR("it got nothing"));
	if (!fits(s, want, i, &why))
		wrong(s, str_printf(&s->mem, "%.*s\n#   in: %.*s", STR_FMT(why), STR_FMT(i->text)));
	p->last = str_dup(&p->mem, i->text);
	free(i);
	return !s->why.p;
}

/* One of the next items, as many as there are lines in the group. */
static bool expect_one(struct stage *s, struct player *p, struct str want)
{
	struct str why = STR("it got nothing");
	size_t n = 0;

	list_each(i, &p->items, struct item, link) {
		if (n++ == s->group)
			break;
		if (!fits(s, want, i, &why))
			continue;
		p->last = str_dup(&p->mem, i->text);
		list_del(&i->link);
		free(i);
		s->group--;
		return true;
	}
	return wrong_about(s, "nothing of what it got fits; of the last one", why);
}

/* A line to or from a player: NAME> NAME>+ NAME< NAME<? NAME<N */
struct part {
	struct str name, mark, text;
};

static bool is_part(struct str line, struct part *out)
{
	struct str rest = line, head = word_next(&rest);
	size_t n = 0;

	while (n < head.n && head.p[n] != '<' && head.p[n] != '>')
		n++;
	*out = (struct part){ str_head(head, n), str_skip(head, n), rest };
	return n && n < head.n;
}

/* The number of lines from here on of the same player that may come in any order. */
static size_t group_at(const struct stage *s, const struct part *first)
{
	struct part p;
	size_t n = 0;

	for (size_t i = s->at; i < s->test->n_lines; i++, n++)
		if (!is_part(s->test->lines[i].text, &p) || !str_eq(p.name, first->name) ||
			!str_eq(p.mark, first->mark))
			break;
	return n;
}

/* NAME<N: the same N times in a row. */
static bool expect_times(struct stage *s, struct player *p, const struct part *part)
{
	uint64_t n;

	if (!str_to_u64(str_skip(part->mark, 1), UINT32_MAX, &n))
		return wrong_about(s, "no such mark", part->mark);
	while (n--)
		if (!expect_next(s, p, part->text))
			return false;
	return true;
}

static bool run_part(struct stage *s, const struct part *part)
{
	struct player *p = player_find(&s->world, part->name);
	bool any_order = str_eq(part->mark, STR("<?"));

	if (!p)
		return wrong_about(s, "no such player", part->name);
	if (str_starts(part->mark, STR(">"))) {
		if (!p->end)
			return wrong(s, STR("it is not connected"));
		player_send(p, part->text);
		if (str_eq(part->mark, STR(">")))
			world_settle(&s->world);
		return true;
	}
	world_settle(&s->world);
	if (any_order && !s->group)
		s->group = group_at(s, part);
	if (any_order)
		return expect_one(s, p, part->text);
	if (part->mark.n > 1)
		return expect_times(s, p, part);
	if (str_eq(part->text, STR("nothing")))
		return expect_nothing(s, p);
	if (str_eq(part->text, STR("closed")))
		return expect_closed(s, p);
	return expect_next(s, p, part->text);
}

static const struct command *find_command(struct str name)
{
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (str_eq(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static bool run_command(struct stage *s, struct str line, bool before)
{
	struct str args = line, name = word_next(&args);
	const struct command *c = find_command(name);

	if (!c)
		return wrong_about(s, "no such command", name);
	return c->before != before || c->run(s, args);
}

static bool run_line(struct stage *s, struct str line, bool before)
{
	struct part part;
	struct str text;

	if (!is_part(line, &part)) {
		if (before)
			return run_command(s, line, true);
		return words_expand(&s->words, line, &s->mem, &text)
			? run_command(s, text, false)
			: wrong_about(s, "nothing is known of", text);
	}
	if (before)
		return true;
	if (!words_expand(&s->words, part.text, &s->mem, &part.text))
		return wrong_about(s, "nothing is known of", part.text);
	return run_part(s, &part);
}

/* ---- words ---- */

/* RFC 6120 section 8.3.3 */
static const struct {
	struct str name, type;
} errors[] = {
	{ STR_INIT("bad-request"), STR_INIT("modify") },
	{ STR_INIT("conflict"), STR_INIT("cancel") },
	{ STR_INIT("feature-not-implemented"), STR_INIT("cancel") },
	{ STR_INIT("forbidden"), STR_INIT("auth") },
	{ STR_INIT("internal-server-error"), STR_INIT("cancel") },
	{ STR_INIT("item-not-found"), STR_INIT("cancel") },
	{ STR_INIT("jid-malformed"), STR_INIT("modify") },
	{ STR_INIT("not-acceptable"), STR_INIT("modify") },
	{ STR_INIT("not-allowed"), STR_INIT("cancel") },
	{ STR_INIT("policy-violation"), STR_INIT("*") },
	{ STR_INIT("registration-required"), STR_INIT("auth") },
	{ STR_INIT("remote-server-not-found"), STR_INIT("cancel") },
	{ STR_INIT("remote-server-timeout"), STR_INIT("wait") },
	{ STR_INIT("resource-constraint"), STR_INIT("wait") },
	{ STR_INIT("service-unavailable"), STR_INIT("cancel") },
	{ STR_INIT("unexpected-request"), STR_INIT("*") },
};

static struct str stanza_error(struct stage *s, struct str name)
{
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (str_eq(errors[i].name, name))
			return str_printf(&s->mem, "<error type='%.*s'><%.*s "
				"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>...</error>",
				STR_FMT(errors[i].type), STR_FMT(name));
	return STR_NULL;
}

/* NAME CONTACT STATE...: the roster push that tells the player of a contact without handle and
 * groups; `gone` for its removal. */
static struct str roster_push(struct stage *s, struct str args)
{
	static const char *const subscriptions[] = { "none", "to", "from", "both" };
	struct standing st = { 0 };
	struct player *p;
	struct jid contact;

	if (!take_player(s, &args, &p) || !take_jid(s, &args, &contact))
		return STR_NULL;
	bool gone = str_eq(args, STR("gone"));
	if (!gone && !take_standing(s, args, &st))
		return STR_NULL;
	return str_printf(&s->mem, "<iq type='set' id='push-*' to='%.*s'><query "
		"xmlns='jabber:iq:roster' ver='*'><item jid='%.*s' subscription='%s'%s%s/></query>"
		"</iq>", STR_FMT(jid_str(p->jid)), STR_FMT(jid_str(contact)),
		gone ? "remove" : subscriptions[st.subscription], st.ask ? " ask='subscribe'" : "",
		st.approved ? " approved='true'" : "");
}

/* What stands behind the first place of a text; the null slice where there is none. */
static struct str behind(struct str in, struct str text)
{
	const char *at = in.p ? memmem(in.p, in.n, text.p, text.n) : NULL;

	return at ? str_skip(in, (size_t)(at - in.p) + text.n) : STR_NULL;
}

/* NAME [ELEMENT] ATTRIBUTE: the first value of such an attribute in what NAME was last expected to
 * get, or in what begins with the first such element. */
static struct str last_value(struct stage *s, struct str args)
{
	struct player *p;

	if (!take_player(s, &args, &p))
		return STR_NULL;
	struct str word = word_next(&args), in = p->last;
	if (args.n)
		in = behind(in, str_printf(&s->mem, "<%.*s ", STR_FMT(word)));
	else
		args = word;
	struct str value = behind(in, str_printf(&s->mem, " %.*s='", STR_FMT(args)));
	return str_head(value, value.p ? (size_t)str_find(value, '\'') : 0);
}

/* NAME ELEMENT: the text of the first such element in what NAME was last expected to get. */
static struct str last_text(struct stage *s, struct str args)
{
	struct player *p;

	if (!take_player(s, &args, &p))
		return STR_NULL;
	struct str in = behind(p->last, str_printf(&s->mem, "<%.*s", STR_FMT(args)));
	struct str text = behind(in, STR(">"));
	ptrdiff_t end = str_find(text, '<');
	return end < 0 ? STR_NULL : str_head(text, (size_t)end);
}

/* NAME SECRET: the handshake for the header that NAME was last expected to get. */
static struct str handshake(struct stage *s, struct str args)
{
	struct str name = word_next(&args);
	struct str id = last_value(s, str_printf(&s->mem, "%.*s id", STR_FMT(name)));

	return id.p ? player_handshake(id, args, &s->mem) : STR_NULL;
}

static struct str stream_error(struct stage *s, struct str name)
{
	return str_printf(&s->mem, "<stream:error><%.*s "
		"xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>...</stream:error>", STR_FMT(name));
}

static struct str look_up(void *user, struct str kind, struct str arg)
{
	struct stage *s = user;
	struct player *p = player_find(&s->world, arg);

	if (str_eq(kind, STR("push")))
		return roster_push(s, arg);
	if (str_eq(kind, STR("last")))
		return last_value(s, arg);
	if (str_eq(kind, STR("text")))
		return last_text(s, arg);
	if (str_eq(kind, STR("handshake")))
		return handshake(s, arg);
	if (str_eq(kind, STR("error")))
		return stanza_error(s, arg);
	if (str_eq(kind, STR("stream-error")))
		return stream_error(s, arg);
	if (str_eq(kind, STR("sasl")))
		return str_printf(&s->mem, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
			"<%.*s/>...</failure>", STR_FMT(arg));
	if (!p || !jid_is_set(p->jid))
		return STR_NULL;
	if (str_eq(kind, STR("jid")))
		return jid_str(p->jid);
	return str_eq(kind, STR("bare")) ? jid_bare_str(p->jid) : STR_NULL;
}

/* ---- the case ---- */

/* What nobody expected may not have come. */
static void end(struct stage *s)
{
	world_settle(&s->world);
	list_each(p, &s->world.players, struct player, link) {
		struct item *i = list_first(&p->items, struct item, link);
		if (i && !s->why.p)
			s->why = str_printf(s->why_mem, "at the end: %.*s got %.*s",
				STR_FMT(p->name), STR_FMT(i->text));
	}
}

static bool run_lines(struct stage *s, bool before)
{
	const struct test_case *c = s->test;

	for (s->at = 0; s->at < c->n_lines; s->at++) {
		const struct line *l = &c->lines[s->at];
		if (run_line(s, l->text, before))
			continue;
		s->why = str_printf(s->why_mem, "line %u: %.*s\n#   %.*s", l->number,
			STR_FMT(l->text), STR_FMT(s->why));
		return false;
	}
	return true;
}

struct str play(const struct test_case *c, unsigned n_shards, struct arena *a)
{
	struct stage s = { .why_mem = a, .test = c };

	arena_init(&s.mem, 64 * 1024);
	s.words.look_up = look_up;
	s.words.user = &s;
	world_init(&s.world, n_shards);
	if (run_lines(&s, true) && open_world(&s) && run_lines(&s, false))
		end(&s);
	world_clear(&s.world);
	arena_clear(&s.mem);
	return s.why;
}
