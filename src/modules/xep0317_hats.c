/* XEP-0317 Hats, version 0.3.1
 *
 * Owners and administrators of a room, and the server's administrators, make hats and give them to
 * people by ad-hoc commands (core/command.h): to bare JIDs, whether they are in the room or not.
 * What they wear stands in their presence. Occupants may list the hats; who wears which may be read
 * by who reads the list of members, since it tells real addresses.
 *
 * The hash of the list (section 2) is of titles and hues too, so that it changes when they do. A
 * field that is needed is marked so in each form, and the form for destroying asks for hats#uri,
 * which is what clients send; example 10 calls it "hat". Removing has a form like assigning.
 *
 * Left out: xml:lang of a title, and payloads inside a hat, for which there are no fields. Bounds:
 * below; what would be over one is resource-constraint, but a text that is too long is bad-payload.
 * Options: none. Stores: data of the room, in the space "hats". */
#include "base/digest.h"
#include "core/command.h"
#include "core/room.h"
#include "xmpp/form.h"

#include <inttypes.h>
#include <stdlib.h>

#define HATS_MAX        64          /* of a room: a bit each */
#define WORN_MAX        16          /* of a person */
#define WEARERS_MAX     500         /* people of a room who wear any */
#define WEARERS_BYTES   (64 * 1024) /* of their addresses */
#define TITLE_MAX       256         /* bytes of a hat's texts */
#define URI_MAX         512
#define HUE_MAX         16

#define FORM     "urn:xmpp:hats:commands"
#define TITLE    "hats#title"
#define URI      "hats#uri"
#define HUE      "hats#hue"
#define WHO      "hats#jid"
#define NO_HAT   "the room has no such hat"

/* The texts are inline, behind the struct; a hue may be empty. */
struct hat {
	struct str uri, title, hue;
};

/* Somebody who wears one or more. Owned by its map. */
struct wearer {
	struct map_node node; /* by bare JID */
	struct jid jid;       /* text inline, behind the struct */
	uint64_t worn;        /* a bit for each slot */
};

struct room_hats {
	struct hat *slots[HATS_MAX]; /* or NULL */
	struct map wearers;
	size_t bytes;                /* of their addresses */
	bool unsaved;                /* writing failed: the next change writes, whatever it changes */
};

static struct str key_of(const struct map_node *n)
{
	return jid_str(container_of(n, struct wearer, node)->jid);
}

static uint64_t bit(unsigned slot)
{
	return (uint64_t)1 << slot;
}

/* ---- in memory ---- */

static const struct hat *hat_in(const struct room *r, unsigned slot)
{
	return r->hats ? r->hats->slots[slot] : NULL;
}

/* The slot of a hat; an empty URI: the first that is free. False: there is none. */
static bool find_slot(const struct room *r, struct str uri, unsigned *out)
{
	for (*out = 0; *out < HATS_MAX; ++*out) {
		const struct hat *h = hat_in(r, *out);
		if (h ? str_eq(h->uri, uri) : !uri.n)
			return true;
	}
	return false;
}

static uint64_t all_hats(const struct room *r)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < HATS_MAX; i++)
		if (hat_in(r, i))
			all |= bit(i);
	return all;
}

static struct wearer *find_wearer(const struct room *r, struct jid bare)
{
	struct map_node *n = r->hats ? map_get(&r->hats->wearers, jid_str(bare)) : NULL;

	return n ? container_of(n, struct wearer, node) : NULL;
}

static uint64_t worn_by(const struct room *r, struct jid bare)
{
	const struct wearer *w = find_wearer(r, bare);

	return w ? w->worn : 0;
}

static void start(struct room *r)
{
	if (r->hats)
		return;
	r->hats = xcalloc(1, sizeof *r->hats);
	map_init(&r->hats->wearers, key_of);
}

static struct str copy(char **at, struct str s)
{
	char *p = *at;

	if (s.n)
		memcpy(p, s.p, s.n);
	*at += s.n;
	return str_from(p, s.n);
}

/* Puts a hat into a slot, in the place of the one that is there. */
static void put_hat(struct room *r, unsigned slot, const struct hat *hat)
{
	struct hat *h = xmalloc(sizeof *h + hat->uri.n + hat->title.n + hat->hue.n);
	char *at = (char *)(h + 1);

	start(r);
	*h = (struct hat){ copy(&at, hat->uri), copy(&at, hat->title), copy(&at, hat->hue) };
	free(r->hats->slots[slot]);
	r->hats->slots[slot] = h;
}

static bool has_place(const struct room *r, struct jid bare)
{
	return !r->hats || (r->hats->wearers.n < WEARERS_MAX &&
				   r->hats->bytes + jid_str(bare).n <= WEARERS_BYTES);
}

/* What somebody wears is now this, maybe nothing. */
static void set_worn(struct room *r, struct jid bare, uint64_t worn)
{
	struct wearer *w = find_wearer(r, bare);
	struct str text = jid_str(bare);

	start(r);
	if (!w && worn) {
		w = xcalloc(1, sizeof *w + text.n);
		w->jid = bare;
		w->jid.p = memcpy(w + 1, text.p, text.n);
		map_put(&r->hats->wearers, &w->node);
		r->hats->bytes += text.n;
	}
	if (w)
		w->worn = worn;
	if (w && !worn) {
		map_del(&r->hats->wearers, &w->node);
		r->hats->bytes -= text.n;
		free(w);
	}
}

/* Takes these from all who wear them. */
static void take_from_all(struct room *r, uint64_t hats)
{
	struct map_node *next;

	for (struct map_node *n = map_next(&r->hats->wearers, NULL); n; n = next) {
		struct wearer *w = container_of(n, struct wearer, node);
		next = map_next(&r->hats->wearers, n);
		set_worn(r, w->jid, w->worn & ~hats);
	}
}

static void unload(struct room *r)
{
	if (!r->hats)
		return;
	take_from_all(r, UINT64_MAX);
	map_clear(&r->hats->wearers);
	for (unsigned i = 0; i < HATS_MAX; i++)
		free(r->hats->slots[i]);
	free(r->hats);
	r->hats = NULL;
}

/* ---- in the store: lines of words between tabs, which no text has inside ---- */

static void write_texts(const struct hat *h, struct buf *b)
{
	buf_printf(b, "%.*s\t%.*s\t%.*s\n", STR_FMT(h->uri), STR_FMT(h->hue),
		STR_FMT(h->title));
}

static void write_all(const struct room *r, struct buf *b)
{
	for (unsigned i = 0; i < HATS_MAX; i++) {
		const struct hat *h = hat_in(r, i);
		if (!h)
			continue;
		buf_printf(b, "hat\t%u\t", i);
		write_texts(h, b);
	}
	for (struct map_node *n = map_next(&r->hats->wearers, NULL); n;
		n = map_next(&r->hats->wearers, n)) {
		const struct wearer *w = container_of(n, struct wearer, node);
		struct str who = jid_str(w->jid);
		buf_printf(b, "worn\t%" PRIu64 "\t%.*s\n", w->worn, STR_FMT(who));
	}
}

/* Takes what stands before a character off, and that character. */
static struct str take_word(struct str *rest, char end)
{
	ptrdiff_t at = str_find(*rest, end);
	struct str word = at < 0 ? *rest : str_head(*rest, (size_t)at);

	*rest = str_skip(*rest, at < 0 ? rest->n : (size_t)at + 1);
	return word;
}

static void read_hat(struct room *r, struct str line)
{
	struct hat hat;
	uint64_t slot;

	if (!str_to_u64(take_word(&line, '\t'), HATS_MAX - 1, &slot))
		return;
	hat.uri = take_word(&line, '\t');
	hat.hue = take_word(&line, '\t');
	hat.title = line;
	put_hat(r, (unsigned)slot, &hat);
}

static void read_wearer(struct room *r, struct str line)
{
	struct jid who;
	uint64_t worn;

	if (str_to_u64(take_word(&line, '\t'), UINT64_MAX, &worn) &&
		jid_parse(line, &r->shard->loop.turn, &who))
		set_worn(r, jid_bare(who), worn & all_hats(r));
}

static void load(struct room *r, struct str key, struct str bytes)
{
	while (bytes.n) {
		struct str line = take_word(&bytes, '\n');
		struct str kind = take_word(&line, '\t');
		if (str_eq(kind, STR("hat")))
			read_hat(r, line);
		else if (str_eq(kind, STR("worn")))
			read_wearer(r, line);
	}
}

/* ---- what is told ---- */

static void write_hats(const struct occupant *o, struct writer *w)
{
	uint64_t worn = worn_by(o->room, o->bare) & all_hats(o->room);

	if (!worn)
		return;
	w_open_ns(w, "hats", NS_HATS);
	for (unsigned i = 0; i < HATS_MAX; i++) {
		const struct hat *h = hat_in(o->room, i);
		if (!(worn & bit(i)))
			continue;
		w_open(w, "hat");
		w_attr(w, "title", h->title);
		w_attr(w, "uri", h->uri);
		w_attr(w, "hue", h->hue.n ? h->hue : STR_NULL);
		w_close(w);
	}
	w_close(w);
}

static void show_person(struct room *r, struct jid bare)
{
	list_each(o, &r->in_order, struct occupant, link)
		if (jid_eq_bare(o->bare, bare))
			room_show_again(o, (struct jid){ 0 }, STR_NULL);
}

/* Section 3.2: the list has changed. */
static void tell_list(struct room *r, unsigned slot)
{
	static const enum muc_status changed[] = { STATUS_CONFIG_CHANGED };

	list_each(o, &r->in_order, struct occupant, link)
		if (worn_by(r, o->bare) & bit(slot))
			room_show_again(o, (struct jid){ 0 }, STR_NULL);
	room_tell_codes(r, changed, 1);
}

static struct str hash_of(const struct room *r)
{
	struct arena *turn = &r->shard->loop.turn;
	uint8_t hash[DIGEST_MAX];
	struct str text = STR("");
	struct buf b;

	buf_init(&b, HATS_MAX * (URI_MAX + HUE_MAX + TITLE_MAX + 3));
	for (unsigned i = 0; i < HATS_MAX; i++) {
		const struct hat *h = hat_in(r, i);
		if (h)
			write_texts(h, &b);
	}
	digest_of(DIGEST_SHA1, buf_str(&b), hash);
	buf_clear(&b);
	for (size_t i = 0; i < digest_len(DIGEST_SHA1); i++)
		text = str_printf(turn, "%.*s%02x", STR_FMT(text), hash[i]);
	return text;
}

static void write_info(struct room *r, struct writer *w)
{
	if (all_hats(r))
		form_write_field(w, "hats#hash", "text-single", "Hats hash", hash_of(r));
}

/* ---- the end of a command that changes something ---- */

struct saving {
	struct command_session *session;
	uint64_t created_us; /* of the room: another one may have its address now */
};

static void saved(struct store_op *op, void *receiver)
{
	const struct saving *k = op->ctx;
	struct room *r = command_room(k->session);

	if (op->status == STORE_OK) {
		command_done(k->session, STR(""));
	} else {
		if (r && r->hats && r->created_us == k->created_us)
			r->hats->unsaved = true;
		command_refuse_with(k->session, op->status);
	}
	store_op_free(op);
}

static void save(struct command_session *x, struct room *r)
{
	struct shard *s = x->shard;
	struct store_op *op = store_op_new(&s->loop.inbox, saved, sizeof(struct saving));
	struct buf b;

	buf_init(&b, STORE_BYTES_MAX);
	write_all(r, &b);
	const struct store_datum all = { STR("hats"), STR(""), buf_str(&b) };
	*(struct saving *)op->ctx = (struct saving){ x, r->created_us };
	r->hats->unsaved = false;
	store_room_save(s->core->store, op, jid_domain(r->jid), jid_local(r->jid), NULL, NULL, 0,
		&all, 1);
	buf_clear(&b);
}

static void finish(struct command_session *x, struct room *r, bool changed)
{
	if (changed || r->hats->unsaved)
		save(x, r);
	else
		command_done(x, STR(""));
}

/* ---- what a form says ---- */

/* False: refused, like those that follow. */
static bool is_our_form(struct command_session *x)
{
	struct str type = command_value(x, "FORM_TYPE");

	if (!type.n || str_eq(type, STR(FORM)))
		return true;
	command_bad_payload(x, STR("that is another form"));
	return false;
}

static bool take_slot(struct command_session *x, struct room *r, unsigned *out)
{
	struct str uri = command_value(x, URI);

	if (!is_our_form(x))
		return false;
	if (!uri.n)
		command_bad_payload(x, STR(URI " is needed"));
	else if (!find_slot(r, uri, out))
		command_refuse(x, ERR_ITEM_NOT_FOUND, STR(NO_HAT));
	else
		return true;
	return false;
}

static bool take_person(struct command_session *x, const struct room *r, struct jid *out)
{
	if (!jid_parse(command_value(x, WHO), &x->shard->loop.turn, out) ||
		jid_eq_bare(*out, r->jid)) {
		command_bad_payload(x, STR(WHO " is a person's own address"));
		return false;
	}
	*out = jid_bare(*out);
	return true;
}

static bool is_letter(char c)
{
	return (c | 32) >= 'a' && (c | 32) <= 'z';
}

/* Letters, digits, and some more. */
static bool is_made_of(struct str s, struct str others)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_letter(s.p[i]) && !(s.p[i] >= '0' && s.p[i] <= '9') &&
			str_find(others, s.p[i]) < 0)
			return false;
	return true;
}

/* RFC 3986 section 3, as far as it says which characters: a scheme, a colon, and more. */
static bool is_uri(struct str s)
{
	ptrdiff_t colon = str_find(s, ':');

	return colon > 0 && s.n <= URI_MAX && is_letter(s.p[0]) &&
	       is_made_of(str_head(s, (size_t)colon), STR("+-.")) &&
	       is_made_of(s, STR("-._~:/?#[]@!$&'()*+,;=%"));
}

/* XEP-0392: degrees, maybe with a fraction. */
static bool is_hue(struct str s)
{
	ptrdiff_t dot = str_find(s, '.');
	struct str whole = dot < 0 ? s : str_head(s, (size_t)dot);
	struct str part = dot < 0 ? STR("0") : str_skip(s, (size_t)dot + 1);
	uint64_t n;

	return s.n <= HUE_MAX && str_to_u64(whole, 359, &n) && str_to_u64(part, UINT64_MAX, &n);
}

static bool is_title(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ')
			return false;
	return s.n <= TITLE_MAX;
}

static bool take_hat(struct command_session *x, struct hat *out)
{
	*out = (struct hat){ command_value(x, URI), command_value(x, TITLE), command_value(x, HUE) };
	if (!is_our_form(x))
		return false;
	if (!is_uri(out->uri))
		command_bad_payload(x, STR(URI " is a URI of at most 512 bytes"));
	else if (!is_title(out->title))
		command_bad_payload(x, STR(TITLE " is a line of at most 256 bytes"));
	else if (out->hue.n && !is_hue(out->hue))
		command_bad_payload(x, STR(HUE " is an angle of less than 360 degrees"));
	else
		return true;
	return false;
}

/* ---- creating and updating (section 3.2) ---- */

static bool is_same(const struct hat *a, const struct hat *b)
{
	return a && str_eq(a->title, b->title) && str_eq(a->hue, b->hue);
}

static void create(struct command_session *x)
{
	struct room *r = command_room(x);
	struct hat hat;
	unsigned slot;

	if (!take_hat(x, &hat))
		return;
	if (!find_slot(r, hat.uri, &slot) && !find_slot(r, STR(""), &slot)) {
		command_refuse(x, ERR_RESOURCE_CONSTRAINT, STR("a room has at most 64 hats"));
		return;
	}
	bool changed = !is_same(hat_in(r, slot), &hat);
	if (changed) {
		put_hat(r, slot, &hat);
		tell_list(r, slot);
	}
	finish(x, r, changed);
}

#define FORM_TYPE \
	{ \
		.var = "FORM_TYPE", .type = "hidden", .value = FORM \
	}

static const struct command_field create_fields[] = {
	FORM_TYPE,
	{ TITLE, "text-single", "Hat Title", true },
	{ URI, "text-single", "Hat URI", true },
	{ HUE, "text-single", "Hat Hue", false },
	{ 0 },
};

static const struct command_form create_form = {
	"Creating a Hat", "Fill out this form to create a hat.", create_fields, NULL
};

/* ---- the hats to choose from ---- */

static void offer_hats(struct command_session *x)
{
	const struct room *r = command_room(x);
	struct buf b;

	if (!all_hats(r)) {
		command_refuse(x, ERR_ITEM_NOT_FOUND, STR("the room has no hats"));
		return;
	}
	buf_init(&b, COMMAND_OUT_MAX);
	struct writer w = w_on(&b);
	w_open(&w, "field");
	w_attr(&w, "var", STR(URI));
	w_attr(&w, "type", STR("list-single"));
	w_attr(&w, "label", STR("The role"));
	w_raw(&w, STR("<required/>"));
	for (unsigned i = 0; i < HATS_MAX; i++) {
		const struct hat *h = hat_in(r, i);
		if (!h)
			continue;
		w_open(&w, "option");
		w_attr(&w, "label", h->title);
		w_leaf(&w, "value", h->uri);
		w_close(&w);
	}
	w_close(&w);
	command_show(x, buf_str(&b));
	buf_clear(&b);
}

/* ---- destroying (section 3.3) ---- */

/* Nobody wears it any more, as it is told, because it is there no more. */
static void destroy(struct command_session *x)
{
	struct room *r = command_room(x);
	unsigned slot;

	if (!take_slot(x, r, &slot))
		return;
	free(r->hats->slots[slot]);
	r->hats->slots[slot] = NULL;
	tell_list(r, slot);
	take_from_all(r, bit(slot));
	finish(x, r, true);
}

static const struct command_field destroy_fields[] = { FORM_TYPE, { 0 } };

static const struct command_form destroy_form = {
	"Destroying a Hat", "Fill out this form to destroy a hat.", destroy_fields, offer_hats
};

/* ---- assigning and removing (sections 3.5 and 3.6) ---- */

static unsigned count_bits(uint64_t bits)
{
	return (unsigned)__builtin_popcountll(bits);
}

static void assign(struct command_session *x)
{
	struct room *r = command_room(x);
	struct jid who;
	unsigned slot;

	if (!take_slot(x, r, &slot) || !take_person(x, r, &who))
		return;
	uint64_t worn = worn_by(r, who);
	bool changed = !(worn & bit(slot));
	if (!worn && !has_place(r, who)) {
		command_refuse(x, ERR_RESOURCE_CONSTRAINT, STR("too many people wear hats here"));
		return;
	}
	if (changed && count_bits(worn) >= WORN_MAX) {
		command_refuse(x, ERR_RESOURCE_CONSTRAINT, STR("nobody wears more than 16 hats"));
		return;
	}
	if (changed) {
		set_worn(r, who, worn | bit(slot));
		show_person(r, who);
	}
	finish(x, r, changed);
}

static void unassign(struct command_session *x)
{
	struct room *r = command_room(x);
	struct jid who;
	unsigned slot;

	if (!take_slot(x, r, &slot) || !take_person(x, r, &who))
		return;
	uint64_t worn = worn_by(r, who);
	if (worn & bit(slot)) {
		set_worn(r, who, worn & ~bit(slot));
		show_person(r, who);
		finish(x, r, true);
	} else {
		command_refuse(x, ERR_ITEM_NOT_FOUND, STR("they do not wear it"));
	}
}

static const struct command_field person_fields[] = {
	FORM_TYPE,
	{ WHO, "jid-single", "User Address", true },
	{ 0 },
};

static const struct command_form assign_form = {
	"Assigning a Hat", "Fill out this form to assign a hat.", person_fields, offer_hats
};

static const struct command_form unassign_form = {
	"Removing a Hat", "Fill out this form to remove a hat.", person_fields, offer_hats
};

/* ---- listing (sections 3.4 and 3.7) ---- */

static void write_items(struct writer *w, const struct room *r)
{
	for (unsigned i = 0; i < HATS_MAX; i++) {
		const struct hat *h = hat_in(r, i);
		if (!h)
			continue;
		w_open(w, "item");
		command_write_field(w, TITLE, h->title);
		command_write_field(w, URI, h->uri);
		command_write_field(w, HUE, h->hue);
		w_close(w);
	}
}

static void write_worn(struct writer *w, const struct room *r, const struct wearer *who)
{
	for (unsigned i = 0; i < HATS_MAX; i++) {
		const struct hat *h = hat_in(r, i);
		if (!(who->worn & bit(i)))
			continue;
		w_open(w, "item");
		command_write_field(w, WHO, jid_str(who->jid));
		command_write_field(w, URI, h->uri);
		command_write_field(w, TITLE, h->title);
		command_write_field(w, HUE, h->hue);
		w_close(w);
	}
}

static void write_assigned(struct writer *w, const struct room *r)
{
	struct map_node *n = r->hats ? map_next(&r->hats->wearers, NULL) : NULL;

	for (; n; n = map_next(&r->hats->wearers, n))
		write_worn(w, r, container_of(n, struct wearer, node));
}

/* columns: field names, each with its label, up to NULL. */
static void answer_table(struct command_session *x, const char *title, const char *const *columns,
	void (*write)(struct writer *w, const struct room *r))
{
	struct buf b;

	buf_init(&b, COMMAND_OUT_MAX);
	struct writer w = w_on(&b);
	command_open_result(&w, title);
	w_open(&w, "reported");
	for (; *columns; columns += 2)
		command_write_column(&w, columns[0], columns[1]);
	w_close(&w);
	write(&w, command_room(x));
	w_close(&w);
	if (w_done(&w))
		command_done(x, buf_str(&b));
	else
		command_refuse(x, ERR_RESOURCE_CONSTRAINT, STR("the answer is too large"));
	buf_clear(&b);
}

static void list(struct command_session *x)
{
	static const char *const columns[] = { TITLE, "Title", URI, "URI", HUE, "Hue", NULL };

	answer_table(x, "Hats List", columns, write_items);
}

static void list_assigned(struct command_session *x)
{
	static const char *const columns[] = { WHO, "User Address", URI, "URI", TITLE, "Title",
		HUE, "Hue", NULL };

	answer_table(x, "Assigned Hats List", columns, write_assigned);
}

/* ---- the commands ---- */

static bool manages(const struct ctx *c, struct jid who)
{
	return room_power(c->room, who) >= ADMIN;
}

static bool may_list(const struct ctx *c, struct jid who)
{
	return c->seat || manages(c, who);
}

static bool may_list_assigned(const struct ctx *c, struct jid who)
{
	return room_may_list(c->room, who, MEMBER);
}

#define CHANGES(name, title, form, run) \
	{ \
		FORM ":" name, title, AT_ROOM, form, 1, run, manages, true \
	}
#define LISTS(name, title, allows, run) \
	{ \
		FORM ":" name, title, AT_ROOM, NULL, 0, run, allows, false \
	}

static const struct command commands[] = {
	CHANGES("create", "Create or update a hat", &create_form, create),
	CHANGES("destroy", "Destroy a hat", &destroy_form, destroy),
	LISTS("list", "List the hats", may_list, list),
	CHANGES("assign", "Assign a hat", &assign_form, assign),
	CHANGES("unassign", "Remove a hat", &unassign_form, unassign),
	LISTS("list-assigned", "List who wears which hat", may_list_assigned, list_assigned),
	{ 0 },
};

const struct module xep0317_hats = {
	.name = "hats",
	.spec = "XEP-0317 0.3.1",
	.room_features = (const char *const[]){ "urn:xmpp:hats:0", NULL },
	.commands = commands,
	.room_space = "hats",
	.room_load = load,
	.room_unload = unload,
	.room_info = write_info,
	.room_presence = write_hats,
};
