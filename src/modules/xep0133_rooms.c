/* XEP-0133 Service Administration, version 1.3.1: rooms
 *
 * For administrators of a service of rooms (XEP-0045), as ad-hoc commands (core/command.h):
 * listing, making and destroying rooms, their configuration and their affiliations. The
 * specification names no nodes for these, so they are ours.
 *
 * A list of rooms has at most LIST_MAX, and says so when there are more; a room with more
 * affiliations is for its owners. Left out: what administrators do as owners, in the room. Options: admins of a host. Stores: rooms. */
#include "core/command.h"
#include "core/room_manage.h"
#include "xmpp/form.h"

#define LIST_MAX 1000

#define MORE "there are more than these"
#define END \
	{ NULL, NULL, NULL, false, NULL, NULL }

static struct shard *owner_of(const struct command_session *x, struct jid room)
{
	return shard_of(x->shard->core, room);
}

static void went_home(struct shard *s, enum store_status status, void *ctx)
{
	command_home_with(ctx, status);
}

/* ---- the list ---- */

static void take_census(struct command_errand *e)
{
	room_census_write(e->there, &e->out);
	command_home(e);
}

static void write_room(struct writer *w, const struct command_session *x,
	const struct store_room *r, const struct room_census *census)
{
	struct arena *turn = &x->shard->loop.turn;
	struct str jid = str_printf(turn, "%.*s@%.*s", STR_FMT(r->name), STR_FMT(x->domain));

	w_open(w, "item");
	command_write_field(w, "jid", jid);
	command_write_field(w, "name", r->title);
	command_write_field(w, "occupants", str_printf(turn, "%u", room_census_of(census, jid)));
	command_write_field(w, "persistent", r->persistent ? STR("1") : STR("0"));
	command_write_field(w, "listed", r->listed ? STR("1") : STR("0"));
	w_close(w);
}

static void answer_rooms(struct command_session *x, const struct store_op *op)
{
	size_t n = op->n_rooms > LIST_MAX ? LIST_MAX : op->n_rooms;
	struct room_census census;
	struct buf b;

	buf_init(&b, COMMAND_OUT_MAX);
	struct writer w = w_on(&b);
	command_open_result(&w, "Rooms");
	w_open(&w, "reported");
	command_write_column(&w, "jid", "Address");
	command_write_column(&w, "name", "Name");
	command_write_column(&w, "occupants", "Occupants");
	command_write_column(&w, "persistent", "Stays without occupants");
	command_write_column(&w, "listed", "Anybody may find it");
	w_close(&w);
	room_census_init(&census, buf_str(&x->out));
	for (size_t i = 0; i < n; i++)
		write_room(&w, x, &op->rooms[i], &census);
	room_census_clear(&census);
	w_close(&w);
	if (w_done(&w))
		command_done_with(x, buf_str(&b), false, n < op->n_rooms ? STR(MORE) : STR(""));
	else
		command_refuse(x, ERR_RESOURCE_CONSTRAINT, STR("the answer is too large"));
	buf_clear(&b);
}

static void got_rooms(struct store_op *op, void *receiver)
{
	struct command_session *x = *(struct command_session **)op->ctx;

	if (op->status == STORE_OK)
		answer_rooms(x, op);
	else
		command_refuse_with(x, op->status);
	store_op_free(op);
}

static void counted(struct command_session *x)
{
	struct store_op *op = store_op_new(&x->shard->loop.inbox, got_rooms, sizeof x);

	*(struct command_session **)op->ctx = x;
	store_rooms(x->shard->core->store, op, x->domain, STR(""), LIST_MAX + 1, false);
}

static void list_rooms(struct command_session *x)
{
	command_gather(x, counted);
	command_send_all(x, (struct jid){ 0 }, STR(""), take_census);
}

/* ---- making one ---- */

static void create_one(struct command_errand *e)
{
	struct jid owner = { 0 };

	if (e->arg.n && !jid_parse(e->arg, &e->there->loop.turn, &owner))
		owner = (struct jid){ 0 };
	room_manage_create(e->there, e->jid, owner, went_home, e);
}

static void create_room(struct command_session *x)
{
	struct str text = command_value(x, "owner");
	struct jid room, owner = { 0 };

	if (!command_jid(x, "room", &room))
		return;
	if (text.n && (!jid_parse(text, &x->shard->loop.turn, &owner) || !owner.n_local))
		command_bad_payload(x, STR("the owner is an address like name@example.org"));
	else
		command_send(x, owner_of(x, room), room,
			text.n ? jid_bare_str(owner) : STR(""), create_one);
}

static const struct command_field create_fields[] = {
	{ "room", "jid-single", "The address of the room", true, NULL, NULL },
	{ "owner", "jid-single", "Its owner", false, NULL, NULL },
	END,
};

/* ---- destroying some ---- */

static void destroy_one(struct command_errand *e)
{
	room_manage_destroy(e->there, e->jid, e->arg.n ? e->arg : STR_NULL, went_home, e);
}

/* False: refused. */
static bool take_reason(struct command_session *x, struct str *out)
{
	*out = command_value(x, "reason");
	if (out->n <= ROOM_REASON_MAX)
		return true;
	command_bad_payload(x, STR("the reason is too long"));
	return false;
}

static void destroy_rooms(struct command_session *x)
{
	struct str reason, values[COMMAND_VALUES_MAX];
	struct jid rooms[COMMAND_VALUES_MAX];
	size_t n;

	if (!take_reason(x, &reason) || !command_values(x, "rooms", values, &n))
		return;
	for (size_t i = 0; i < n; i++)
		if (!command_parse_jid(x, values[i], &rooms[i]))
			return;
	for (size_t i = 0; i < n; i++)
		command_send(x, owner_of(x, rooms[i]), jid_bare(rooms[i]), reason, destroy_one);
}

static const struct command_field destroy_fields[] = {
	{ "rooms", "jid-multi", "The addresses of the rooms", true, NULL, NULL },
	{ "reason", "text-single", "What the occupants are told", false, NULL, NULL },
	END,
};

/* ---- the configuration: which room, then its form ---- */

static void write_config(struct room *r, void *ctx)
{
	struct command_errand *e = ctx;
	struct writer w = w_on(&e->out);

	room_config_write(&r->config, &w, CONFIG_FOR_OWNER);
}

static void fetch_config(struct command_errand *e)
{
	room_manage(e->there, e->jid, write_config, went_home, e);
}

static void got_config(struct command_session *x)
{
	if (x->failures.n)
		command_refuse(x, x->error, str_dup(&x->shard->loop.turn, buf_str(&x->failures)));
	else
		command_show(x, buf_str(&x->out));
}

/* The room that the first form named. */
static struct jid remembered(const struct command_session *x)
{
	struct jid room;

	BUG_ON(!jid_parse(buf_str(&x->memo), &x->shard->loop.turn, &room));
	return room;
}

static void show_config(struct command_session *x)
{
	struct jid room = remembered(x);

	command_gather(x, got_config);
	command_send(x, owner_of(x, room), room, STR(""), fetch_config);
}

/* The request and its form do not change while it is being worked on. */
static void change_config(struct room *r, void *ctx)
{
	struct command_errand *e = ctx;
	const struct command_session *x = e->session;
	struct room_config c;

	room_config_copy(&c, &r->config);
	if (room_config_read(&c, &x->request->iq->doc, x->form, &e->there->loop.turn, &e->failure))
		room_configure(r, &c);
	else
		e->error = ERR_BAD_REQUEST;
	room_config_clear(&c);
}

static void put_config(struct command_errand *e)
{
	room_manage(e->there, e->jid, change_config, went_home, e);
}

static void configured(struct command_session *x)
{
	struct str why = str_dup(&x->shard->loop.turn, buf_str(&x->failures));

	if (!why.n)
		command_done(x, STR(""));
	else if (x->error == ERR_BAD_REQUEST)
		command_bad_payload(x, why);
	else
		command_refuse(x, x->error, why);
}

static void configure_room(struct command_session *x)
{
	struct jid room;

	if (x->stage == 0) {
		if (!command_jid(x, "room", &room))
			return;
		command_remember(x, jid_str(room));
		command_next(x);
		return;
	}
	room = remembered(x);
	command_gather(x, configured);
	command_send(x, owner_of(x, room), room, STR(""), put_config);
}

static const struct command_field room_fields[] = {
	{ "room", "jid-single", "The address of the room", true, NULL, NULL },
	END,
};

/* ---- affiliations ---- */

static void write_member(struct writer *w, const struct member *m)
{
	w_open(w, "item");
	command_write_field(w, "jid", jid_str(m->jid));
	command_write_field(w, "affiliation", affiliation_name(m->affiliation));
	command_write_field(w, "nick", str_c(m->nick ? m->nick : ""));
	command_write_field(w, "reason", str_c(m->reason ? m->reason : ""));
	w_close(w);
}

static void write_members(struct room *r, void *ctx)
{
	struct command_errand *e = ctx;
	struct writer w = w_on(&e->out);
	struct map_node *n = NULL;
	unsigned left = LIST_MAX;

	while ((n = map_next(&r->members, n))) {
		const struct member *m = container_of(n, struct member, node);
		if (m->affiliation == AFFILIATION_NONE)
			continue;
		if (!left--) {
			e->out.failed = true;
			return;
		}
		write_member(&w, m);
	}
}

static void fetch_members(struct command_errand *e)
{
	room_manage(e->there, e->jid, write_members, went_home, e);
}

static void got_members(struct command_session *x)
{
	struct buf b;

	if (x->failures.n) {
		command_refuse(x, x->error, str_dup(&x->shard->loop.turn, buf_str(&x->failures)));
		return;
	}
	buf_init(&b, 2 * COMMAND_OUT_MAX);
	struct writer w = w_on(&b);
	command_open_result(&w, "Affiliations");
	w_open(&w, "reported");
	command_write_column(&w, "jid", "Address");
	command_write_column(&w, "affiliation", "Affiliation");
	command_write_column(&w, "nick", "Registered nickname");
	command_write_column(&w, "reason", "Reason");
	w_close(&w);
	w_raw(&w, buf_str(&x->out));
	w_close(&w);
	command_done(x, buf_str(&b));
	buf_clear(&b);
}

static void list_affiliations(struct command_session *x)
{
	struct jid room;

	if (!command_jid(x, "room", &room))
		return;
	command_gather(x, got_members);
	command_send(x, owner_of(x, room), room, STR(""), fetch_members);
}

/* What an errand has to change: a line with the affiliation, one with the reason, and addresses. */
static struct str next_line(struct str *lines)
{
	ptrdiff_t end = str_find(*lines, '\n');
	struct str line = str_head(*lines, (size_t)end);

	*lines = str_skip(*lines, (size_t)end + 1);
	return line;
}

static void change_members(struct room *r, void *ctx)
{
	struct command_errand *e = ctx;
	struct arena *turn = &e->there->loop.turn;
	struct str lines = e->arg;
	enum affiliation to = AFFILIATION_NONE;
	struct jid whom;

	BUG_ON(!affiliation_parse(next_line(&lines), &to));
	struct str reason = next_line(&lines);
	while (lines.n && !e->failure)
		if (jid_parse(next_line(&lines), turn, &whom))
			e->failure = room_manage_affiliate(r, whom, to, (struct jid){ 0 },
				reason.n ? reason : STR_NULL);
	if (e->failure)
		e->error = ERR_CONFLICT;
}

static void put_members(struct command_errand *e)
{
	room_manage(e->there, e->jid, change_members, went_home, e);
}

/* Adds the addresses to what an errand has to change. False: refused. */
static bool add_people(struct command_session *x, struct buf *b)
{
	struct str values[COMMAND_VALUES_MAX];
	struct jid whom;
	size_t n;

	if (!command_values(x, "accountjids", values, &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!jid_parse(values[i], &x->shard->loop.turn, &whom)) {
			command_bad_payload(x, str_printf(&x->shard->loop.turn, "%.*s is no address",
				STR_FMT(values[i])));
			return false;
		}
		buf_add(b, jid_bare_str(whom));
		buf_lit(b, "\n");
	}
	return true;
}

static void change_affiliations(struct command_session *x)
{
	struct str name = command_value(x, "affiliation"), reason;
	enum affiliation to;
	struct jid room;
	struct buf b;

	if (!command_jid(x, "room", &room) || !take_reason(x, &reason))
		return;
	if (!affiliation_parse(name, &to) || str_find(reason, '\n') >= 0) {
		command_bad_payload(x, STR("an affiliation of the list, and a reason of one line"));
		return;
	}
	buf_init(&b, COMMAND_OUT_MAX);
	buf_add(&b, name);
	buf_lit(&b, "\n");
	buf_add(&b, reason);
	buf_lit(&b, "\n");
	if (add_people(x, &b))
		command_send(x, owner_of(x, room), room, buf_str(&b), put_members);
	buf_clear(&b);
}

static const char *const affiliations[] = { "owner", "admin", "member", "none", "outcast", NULL };

static const struct command_field change_fields[] = {
	{ "room", "jid-single", "The address of the room", true, NULL, NULL },
	{ "accountjids", "jid-multi", "Whose affiliation", true, NULL, NULL },
	{ "affiliation", "list-single", "The new affiliation", true, "member", affiliations },
	{ "reason", "text-single", "Reason", false, NULL, NULL },
	END,
};

/* ---- the table ---- */

#define FORM(title, fields, prepare) { title, "Fill out this form.", fields, prepare }

static const struct command_form create_form = FORM("Making a room", create_fields, NULL);
static const struct command_form destroy_form = FORM("Destroying rooms", destroy_fields, NULL);
static const struct command_form members_form = FORM("Listing affiliations", room_fields, NULL);
static const struct command_form change_form = FORM("Changing affiliations", change_fields, NULL);
static const struct command_form configure_forms[] = {
	FORM("Configuring a room", room_fields, NULL),
	FORM("Configuring a room", NULL, show_config),
};

const struct module xep0133_rooms = {
	.name = "admin_rooms",
	.spec = "XEP-0133 1.3.1",
	.commands = (const struct command[]){
		{ "list-rooms", "List rooms", AT_ROOMS, NULL, 0, list_rooms },
		{ "create-room", "Make a room", AT_ROOMS, &create_form, 1, create_room },
		{ "destroy-rooms", "Destroy rooms", AT_ROOMS, &destroy_form, 1, destroy_rooms },
		{ "configure-room", "Configure a room", AT_ROOMS, configure_forms, 2, configure_room },
		{ "list-affiliations", "List the affiliations of a room", AT_ROOMS, &members_form, 1,
			list_affiliations },
		{ "change-affiliations", "Change affiliations of a room", AT_ROOMS, &change_form, 1,
			change_affiliations },
		{ 0 } },
};
