/* XEP-0486 MUC Avatars, version 0.1.0, by the vCard of a room (XEP-0054 1.3.0)
 *
 * Everybody who knows the address of a room may read its vCard; its owners and the server's
 * administrators may change it, and the occupants are told that something about the room is new.
 * One that says nothing takes the old one out. Where there is none, owners get an empty one, as
 * they do of their own account, because they may be about to change it.
 *
 * The hashes of the photos stand in the form muc#roominfo. Who enters also gets presence from the
 * room itself with the hash of the first one, before all else, and so do all when it changes
 * (section 5.2): that is not what the specification encourages, but there are clients that know
 * nothing else. Options: vcard_bytes of the limits. Stores: data of the room, in the spaces "Vcard"
 * and "avatar". */
#include "core/module.h"
#include "core/personal.h"
#include "core/room.h"
#include "core/route.h"
#include "core/vcard.h"

#include <stdlib.h>

#define PHOTOS_MAX 16 /* of one vCard */

/* The hashes of a room's photos, without anything between them. */
struct room_avatar {
	size_t n; /* bytes */
	char hashes[];
};

static struct str hashes_of(const struct room *r)
{
	return r->avatar ? str_from(r->avatar->hashes, r->avatar->n) : STR("");
}

static void set_hashes(struct room *r, struct str hashes)
{
	free(r->avatar);
	r->avatar = NULL;
	if (!hashes.n)
		return;
	r->avatar = xmalloc(sizeof *r->avatar + hashes.n);
	r->avatar->n = hashes.n;
	memcpy(r->avatar->hashes, hashes.p, hashes.n);
}

static void load(struct room *r, struct str key, struct str bytes)
{
	if (bytes.n % PHOTO_HASH_LEN == 0)
		set_hashes(r, bytes);
}

static void unload(struct room *r)
{
	set_hashes(r, STR(""));
}

/* ---- get (section 3.4) ---- */

struct reading {
	struct later *later;
	bool owner;
};

static bool is_owner(const struct ctx *c, const struct stanza *iq)
{
	return room_power(c->room, iq->from) == OWNER;
}

static void read_done(struct store_op *op, void *receiver)
{
	struct reading *k = op->ctx;

	vcard_answer(&k->later, op, k->owner ? ERR_COUNT : ERR_ITEM_NOT_FOUND);
	store_op_free(op);
}

static enum outcome on_get(struct ctx *c, const struct stanza *iq)
{
	struct shard *s = c->shard;
	struct jid j = c->room->jid;
	struct store_op *op = store_op_new(&s->loop.inbox, read_done, sizeof(struct reading));

	*(struct reading *)op->ctx = (struct reading){ later_new(c, iq), is_owner(c, iq) };
	store_room_data(s->core->store, op, jid_domain(j), jid_local(j), SPACE_VCARD, STR(""));
	return LATER;
}

/* ---- what the occupants are told ---- */

/* Section 5.2, example 15. */
static struct stanza *presence_of(struct room *r)
{
	struct shard *s = r->shard;

	buf_reset(&s->scratch);
	struct writer w = w_on(&s->scratch);
	stanza_open(&w, STANZA_PRESENCE, NULL, r->jid, (struct jid){ 0 }, STR_NULL);
	w_open_ns(&w, "x", NS_VCARD_UPDATE);
	w_leaf(&w, "photo", str_head(hashes_of(r), PHOTO_HASH_LEN));
	w_close(&w);
	w_close(&w);
	return stanza_scan(&s->scratch_table, buf_str(&s->scratch), &s->loop.turn);
}

static void entering(struct seat *seat, const struct stanza *presence)
{
	struct room *r = seat->occupant->room;

	if (!r->avatar)
		return;
	struct stanza *st = presence_of(r);
	route_to(r->shard, st, seat->full);
	stanza_unref(&st);
}

static void vcard_changed(struct room *r, struct str hashes)
{
	static const enum muc_status changed[] = { STATUS_CONFIG_CHANGED };
	bool other = !str_eq(hashes_of(r), hashes);

	set_hashes(r, hashes);
	if (other) {
		struct stanza *st = presence_of(r);
		room_spread(r, st);
		stanza_unref(&st);
	}
	room_tell_codes(r, changed, 1);
}

static void write_info(struct room *r, struct writer *w)
{
	struct str rest = hashes_of(r);

	if (!rest.n)
		return;
	w_open(w, "field");
	w_attr(w, "var", STR("muc#roominfo_avatarhash"));
	w_attr(w, "type", STR("text-multi"));
	w_attr(w, "label", STR("Avatar hash"));
	for (; rest.n; rest = str_skip(rest, PHOTO_HASH_LEN))
		w_leaf(w, "value", str_head(rest, PHOTO_HASH_LEN));
	w_close(w);
}

/* ---- set (section 3.2) ---- */

struct writing {
	struct later *later;
	struct str hashes;   /* in the operation */
	uint64_t created_us; /* of the room: another one may have its address now */
};

static void write_done(struct store_op *op, void *receiver)
{
	struct writing *k = op->ctx;
	struct room *r = room_get(receiver, k->later->iq->to);

	if (r) /* who is answered may leave it */
		room_hold(r);
	vcard_stored(&k->later, op);
	if (op->status == STORE_OK && r && r->created_us == k->created_us)
		vcard_changed(r, k->hashes);
	if (r)
		room_release(r);
	store_op_free(op);
}

/* Section 5.1: the hashes of all photos. False: there are too many. */
static bool hash_photos(const struct stanza *iq, struct arena *a, struct str *out)
{
	const struct xml_doc *d = &iq->doc;
	const struct xml_node *photo = xml_child(d, stanza_payload(iq), NS_VCARD, TAG_PHOTO);
	char *hashes = arena_alloc(a, PHOTOS_MAX * PHOTO_HASH_LEN);
	size_t n = 0;

	for (; photo; photo = xml_next_same(d, photo)) {
		struct str hash = photo_hash(d, photo, a);
		if (n + hash.n > PHOTOS_MAX * PHOTO_HASH_LEN)
			return false;
		memcpy(hashes + n, hash.p, hash.n);
		n += hash.n;
	}
	*out = str_from(hashes, n);
	return true;
}

static void store_vcard(struct ctx *c, const struct stanza *iq, struct str vcard, struct str hashes)
{
	struct shard *s = c->shard;
	struct jid j = c->room->jid;
	const struct store_datum changes[] = { { SPACE_VCARD, STR(""), vcard },
		{ SPACE_AVATAR, STR(""), hashes } };
	struct store_op *op = store_op_new(&s->loop.inbox, write_done, sizeof(struct writing));

	*(struct writing *)op->ctx = (struct writing){ later_new(c, iq), str_dup(&op->mem, hashes),
		c->room->created_us };
	store_room_save(s->core->store, op, jid_domain(j), jid_local(j), NULL, NULL, 0, changes, 2);
}

static enum outcome on_set(struct ctx *c, const struct stanza *iq)
{
	struct buf vcard;
	struct str hashes;

	if (!is_owner(c, iq))
		return refuse(c, iq, ERR_FORBIDDEN, STR("only owners are allowed to set avatars"));
	if (!hash_photos(iq, &c->shard->loop.turn, &hashes))
		return refuse(c, iq, ERR_POLICY_VIOLATION, STR("a vCard has at most 16 photos"));
	bool fits = vcard_take(c, iq, &vcard);
	if (fits)
		store_vcard(c, iq, buf_str(&vcard), hashes);
	buf_clear(&vcard);
	return fits ? LATER : ANSWERED;
}

const struct module xep0486_avatars = {
	.name = "avatars",
	.spec = "XEP-0486 0.1.0",
	.service_features = (const char *const[]){ "vcard-temp", NULL },
	.room_features = (const char *const[]){ "vcard-temp", NULL },
	.room_space = "avatar",
	.room_load = load,
	.room_unload = unload,
	.room_info = write_info,
	.room_entering = entering,
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_VCARD, TAG_VCARD, AT_ROOM, on_get },
		{ IQ_SET, NS_VCARD, TAG_VCARD, AT_ROOM, on_set },
		{ 0 } },
};
