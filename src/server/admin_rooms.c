/* What an administrator can ask for about rooms (core/room_manage.h). A command that needs a room
 * goes to the room's owner as an errand, and is answered when what it did is durable. */
#include "server/admin.h"

#include "base/bug.h"
#include "core/room_manage.h"
#include "xmpp/datetime.h"
#include "xmpp/form.h"

#define ROOMS_PAGE 1000
#define VALUES_MAX ADMIN_WORDS_MAX

/* ---- words ---- */

/* Where words of `room WHAT JID ...` stand. */
enum { WHAT = 1, ROOM = 2, ARGUMENT = 3 };

/* The bare JID of a room at a service of ours. False: refused. */
static bool room_word(struct request *r, struct jid *out)
{
	const struct config *c = r->server->config;

	if (!jid_parse(r->words[ROOM], &r->mem, out) || !out->n_local) {
		admin_refuse(r, "give an address like garden@rooms.example.org");
		return false;
	}
	*out = jid_bare(*out);
	for (size_t i = 0; i < c->n_hosts; i++)
		if (str_eq(c->hosts[i].rooms, jid_domain(*out)))
			return true;
	admin_refuse(r, "there are no rooms at that domain");
	return false;
}

/* A word that may be missing; a null slice then. */
static struct str word(const struct request *r, unsigned i)
{
	return i < r->n_words ? r->words[i] : STR_NULL;
}

/* False: refused. */
static bool reason_fits(struct request *r, unsigned i)
{
	if (word(r, i).n <= ROOM_REASON_MAX)
		return true;
	admin_refuse(r, "the reason is too long");
	return false;
}

/* ---- errands ---- */

static void went_home(struct shard *s, enum store_status status, void *ctx)
{
	struct errand *e = ctx;

	e->status = status;
	if (status == STORE_EXISTS)
		e->why = "there is such a room already";
	else if (status == STORE_NOT_FOUND)
		e->why = "there is no such room";
	errand_home(e);
}

static void to_owner(struct request *r, struct jid room, void (*work)(struct errand *e))
{
	errand_send(r, shard_of(&r->server->core, room), room, work);
}

/* An address of somebody, for an errand: it was looked at before it was sent. */
static struct jid who(const struct errand *e, unsigned i)
{
	struct jid j;

	BUG_ON(!jid_parse(word(e->request, i), &e->shard->loop.turn, &j));
	return jid_bare(j);
}

/* ---- making and destroying ---- */

static void do_create(struct errand *e)
{
	struct jid owner = e->request->n_words > ARGUMENT ? who(e, ARGUMENT) : (struct jid){ 0 };

	room_manage_create(e->shard, e->jid, owner, went_home, e);
}

static void room_create(struct request *r, struct jid room)
{
	struct jid owner;

	if (r->n_words > ARGUMENT &&
		(!jid_parse(r->words[ARGUMENT], &r->mem, &owner) || !owner.n_local))
		admin_refuse(r, "give the owner as an address like juliet@example.org");
	else
		to_owner(r, room, do_create);
}

static void do_destroy(struct errand *e)
{
	room_manage_destroy(e->shard, e->jid, word(e->request, ARGUMENT), went_home, e);
}

static void room_destroy_it(struct request *r, struct jid room)
{
	if (reason_fits(r, ARGUMENT))
		to_owner(r, room, do_destroy);
}

/* ---- showing: lines whose first word says what they are about ---- */

static struct str short_name(struct str var)
{
	static const struct str prefixes[] = { STR_INIT("muc#roomconfig_"), STR_INIT("muc#") };

	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
		if (str_starts(var, prefixes[i]))
			return str_skip(var, prefixes[i].n);
	return var;
}

static void show_field(struct buf *b, const struct xml_doc *d, const struct xml_node *field,
	struct arena *a)
{
	struct str values[VALUES_MAX];
	size_t n = form_values(d, field, values, VALUES_MAX, a);
	struct str var = form_var(d, field, a);

	if (str_eq(var, STR("FORM_TYPE")))
		return;
	buf_lit(b, "config");
	admin_column(b, short_name(var));
	for (size_t i = 0; i < n && i < VALUES_MAX; i++)
		admin_column(b, values[i]);
	buf_lit(b, "\n");
}

/* The form that goes to the store, read as one that was filled in. */
static void show_config(const struct room *r, struct buf *out)
{
	struct shard *s = r->shard;
	struct buf b;

	buf_init(&b, STORE_ROOM_CONFIG_MAX);
	struct writer w = w_on(&b);
	w_open(&w, "message");
	w_open_ns(&w, "x", NS_DATA);
	w_attr(&w, "type", STR("submit"));
	room_config_write(&r->config, &w, CONFIG_TO_STORE);
	w_close(&w);
	w_close(&w);
	struct stanza *st = stanza_scan(&s->scratch_table, buf_str(&b), &s->loop.turn);
	const struct xml_node *form = st ? xml_first(&st->doc, stanza_root(st)) : NULL;
	for (const struct xml_node *f = form ? form_first(&st->doc, form) : NULL; f;
		f = form_next(&st->doc, f))
		show_field(out, &st->doc, f, &s->loop.turn);
	stanza_unref(&st);
	buf_clear(&b);
}

static void show_members(const struct room *r, struct buf *out)
{
	struct map_node *n = NULL;

	while ((n = map_next(&r->members, n))) {
		const struct member *m = container_of(n, struct member, node);
		if (m->affiliation == AFFILIATION_NONE && !m->nick)
			continue;
		buf_lit(out, "affiliation\t");
		buf_add(out, affiliation_name(m->affiliation));
		admin_column(out, jid_str(m->jid));
		admin_column(out, str_c(m->nick ? m->nick : ""));
		admin_column(out, str_c(m->reason ? m->reason : ""));
		buf_lit(out, "\n");
	}
}

static void show_occupants(const struct room *r, struct buf *out)
{
	list_each(o, &r->in_order, struct occupant, link) {
		buf_lit(out, "occupant\t");
		buf_add(out, role_name(o->role));
		admin_column(out, o->nick);
		list_each(seat, &o->seats, struct seat, link)
			admin_column(out, jid_str(seat->full));
		buf_lit(out, "\n");
	}
}

static void show(struct room *r, void *ctx)
{
	struct errand *e = ctx;

	buf_lit(&e->out, "made");
	admin_column(&e->out, datetime_format(&e->shard->loop.turn, r->created_us));
	buf_lit(&e->out, "\n");
	show_config(r, &e->out);
	show_members(r, &e->out);
	show_occupants(r, &e->out);
}

static void do_show(struct errand *e)
{
	room_manage(e->shard, e->jid, show, went_home, e);
}

static void room_show(struct request *r, struct jid room)
{
	to_owner(r, room, do_show);
}

/* ---- changing ---- */

static void configure(struct room *r, void *ctx)
{
	struct errand *e = ctx;
	const struct request *q = e->request;
	struct room_config c;

	room_config_copy(&c, &r->config);
	if (room_config_set(&c, q->words[ARGUMENT], &q->words[ARGUMENT + 1],
		    q->n_words - ARGUMENT - 1, &e->why))
		room_configure(r, &c);
	room_config_clear(&c);
}

static void do_configure(struct errand *e)
{
	room_manage(e->shard, e->jid, configure, went_home, e);
}

static void room_configure_it(struct request *r, struct jid room)
{
	to_owner(r, room, do_configure);
}

static void affiliate(struct room *r, void *ctx)
{
	struct errand *e = ctx;
	enum affiliation to;

	BUG_ON(!affiliation_parse(word(e->request, ARGUMENT + 1), &to));
	e->why = room_manage_affiliate(r, who(e, ARGUMENT), to, (struct jid){ 0 },
		word(e->request, ARGUMENT + 2));
}

static void do_affiliate(struct errand *e)
{
	room_manage(e->shard, e->jid, affiliate, went_home, e);
}

static void room_affiliate_it(struct request *r, struct jid room)
{
	enum affiliation to;
	struct jid whom;

	if (!jid_parse(r->words[ARGUMENT], &r->mem, &whom))
		admin_refuse(r, "give somebody's address, like juliet@example.org");
	else if (!affiliation_parse(r->words[ARGUMENT + 1], &to))
		admin_refuse(r, "an affiliation is owner, admin, member, none or outcast");
	else if (reason_fits(r, ARGUMENT + 2))
		to_owner(r, room, do_affiliate);
}

static void kick(struct room *r, void *ctx)
{
	struct errand *e = ctx;
	struct str nick;
	struct occupant *o = NULL;

	if (jid_prep_resource(word(e->request, ARGUMENT), &e->shard->loop.turn, &nick))
		o = room_occupant(r, nick);
	if (o)
		room_change_role(o, ROLE_NONE, (struct jid){ 0 }, word(e->request, ARGUMENT + 1));
	else
		e->why = "nobody in the room has that nickname";
}

static void do_kick(struct errand *e)
{
	room_manage(e->shard, e->jid, kick, went_home, e);
}

static void room_kick(struct request *r, struct jid room)
{
	if (reason_fits(r, ARGUMENT + 1))
		to_owner(r, room, do_kick);
}

static const struct {
	const char *what;
	unsigned min, max; /* words, all of them */
	void (*run)(struct request *r, struct jid room);
} commands[] = {
	{ "create", 3, 4, room_create },
	{ "destroy", 3, 4, room_destroy_it },
	{ "show", 3, 3, room_show },
	{ "configure", 4, ADMIN_WORDS_MAX, room_configure_it },
	{ "affiliate", 5, 6, room_affiliate_it },
	{ "kick", 4, 5, room_kick },
};

void room_run(struct request *r)
{
	struct jid room;

	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (!str_eq(r->words[WHAT], str_c(commands[i].what)))
			continue;
		if (r->n_words < commands[i].min || r->n_words > commands[i].max)
			admin_refuse(r, "the command has too few or too many words");
		else if (room_word(r, &room))
			commands[i].run(r, room);
		return;
	}
	admin_refuse(r, "there is no such command");
}

/* ---- the list: a census, then service after service, page after page ---- */

struct listing {
	struct request *request;
	struct room_census census;
	size_t host;
};

static void ask_rooms(struct listing *l, struct str after);

static void list_room(struct listing *l, struct str domain, const struct store_room *room)
{
	struct request *r = l->request;
	struct str jid = str_printf(&r->mem, "%.*s@%.*s", STR_FMT(room->name), STR_FMT(domain));

	buf_add(&r->out, jid);
	buf_printf(&r->out, "\t%u occupants\t%s\t%s", room_census_of(&l->census, jid),
		room->persistent ? "persistent" : "temporary", room->listed ? "listed" : "hidden");
	admin_column(&r->out, room->title);
	buf_lit(&r->out, "\n");
}

static void listed(struct listing *l, const char *error)
{
	struct request *r = l->request;

	room_census_clear(&l->census);
	if (error)
		admin_refuse(r, error);
	else
		admin_answer(r);
}

static void got_rooms(struct store_op *op, void *receiver)
{
	struct listing *l = *(struct listing **)op->ctx;
	struct str last = STR("");

	if (op->status != STORE_OK) {
		listed(l, admin_status_text(op->status));
		store_op_free(op);
		return;
	}
	for (size_t i = 0; i < op->n_rooms; i++) {
		list_room(l, op->host, &op->rooms[i]);
		last = op->rooms[i].name;
	}
	if (op->n_rooms < ROOMS_PAGE)
		l->host++;
	ask_rooms(l, op->n_rooms < ROOMS_PAGE ? STR("") : str_dup(&l->request->mem, last));
	store_op_free(op);
}

/* words[1], if given, is the only host or service wanted. */
static bool is_wanted(const struct request *r, const struct config_host *h)
{
	struct str only = word(r, 1);

	return h->rooms.n && (!only.p || str_eq(only, h->domain) || str_eq(only, h->rooms));
}

static void ask_rooms(struct listing *l, struct str after)
{
	struct server *s = l->request->server;
	const struct config *c = s->config;

	if (s->stopping) {
		listed(l, "the server stops");
		return;
	}
	while (l->host < c->n_hosts && !is_wanted(l->request, &c->hosts[l->host]))
		l->host++;
	if (l->host >= c->n_hosts) {
		listed(l, NULL);
		return;
	}
	struct store_op *op = store_op_new(&s->loop.inbox, got_rooms, sizeof l);
	*(struct listing **)op->ctx = l;
	store_rooms(s->core.store, op, c->hosts[l->host].rooms, after, ROOMS_PAGE, false);
}

static void counted(struct request *r)
{
	struct listing *l = arena_alloc(&r->mem, sizeof *l);

	*l = (struct listing){ .request = r };
	room_census_init(&l->census, str_dup(&r->mem, buf_str(&r->out)));
	buf_reset(&r->out);
	ask_rooms(l, STR(""));
}

static void do_census(struct errand *e)
{
	room_census_write(e->shard, &e->out);
	errand_home(e);
}

void rooms_run(struct request *r)
{
	struct core *c = &r->server->core;

	r->gathered = counted;
	for (unsigned i = 0; i < c->n_shards; i++)
		errand_send(r, c->shards[i], (struct jid){ 0 }, do_census);
}
