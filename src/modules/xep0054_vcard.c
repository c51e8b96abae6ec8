/* XEP-0054 vcard-temp, version 1.3.0,
 * with XEP-0153 vCard-Based Avatars 1.1.1: the hash of the photo in presence.
 *
 * Everybody may see everybody's vCard, its owner may change it. Where there is none, a stranger
 * is told the same as where there is no account (section 3.3), and the owner gets an empty one,
 * the other way that section 3.1 gives: there are clients that fetch it before they change it,
 * and take an error for the end. A vCard that says nothing takes the old one out. The host has
 * none of its own. A photo that came from a node which is not for everybody (XEP-0398) is left out of
 * what strangers get.
 *
 * The hash of the photo stands in available presence of which the client has not said itself
 * which photo it shows, or that it shows none; so clients need not fetch the vCard to learn it.
 * When the photo changes, presence with the old hash goes out again with the new one. Options:
 * vcard_bytes of the limits. Stores: data of the account, in the spaces "Vcard" and "avatar". */
#include "core/module.h"
#include "core/personal.h"
#include "core/presence.h"
#include "core/vcard.h"

/* ---- get ---- */

static void read_done(struct store_op *op, void *receiver)
{
	struct later *later = *(struct later **)op->ctx;
	const struct stanza *iq = later->iq;
	bool own = !jid_is_set(iq->to) || jid_eq_bare(iq->from, iq->to);
	const struct account *a = own ? NULL : account_get(receiver, iq->to);

	if (a && a->avatar_restricted && !account_may_see(a, iq->from))
		vcard_hide_photo(op, receiver);
	vcard_answer(&later, op, own ? ERR_COUNT : ERR_SERVICE_UNAVAILABLE);
	store_op_free(op);
}

/* Where there is no account it is looked for all the same, so that the answer takes as long. */
static enum outcome on_get(struct ctx *c, const struct stanza *iq)
{
	struct shard *s = c->shard;
	struct jid of = jid_is_set(iq->to) ? iq->to : iq->from;
	struct store_op *op = store_op_new(&s->loop.inbox, read_done, sizeof(struct later *));

	*(struct later **)op->ctx = later_new(c, iq);
	store_get_data(s->core->store, op, jid_domain(of), jid_local(of), SPACE_VCARD, STR(""));
	return LATER;
}

/* ---- the photo in presence (XEP-0153) ---- */

/* Section 4.1: an empty element says that the client does not know yet. */
static void presence_sent(struct session *s, struct stanza **presence)
{
	const struct xml_node *x = vcard_update(*presence);

	if (!s->account->avatar[0] || (x && xml_first(&(*presence)->doc, x)))
		return;
	struct stanza *out = vcard_with_photo(s->account->shard, *presence, s->account->avatar);
	if (out) {
		stanza_unref(presence);
		*presence = out;
	}
}

static void load(struct account *a, struct str key, struct str bytes)
{
	if (str_eq(key, AVATAR_ACCESS))
		a->avatar_restricted = true;
	else if (bytes.n < sizeof a->avatar)
		vcard_set_avatar(a, bytes);
}

static void unload(struct account *a)
{
	vcard_set_avatar(a, STR(""));
	a->avatar_restricted = false;
}

/* ---- set ---- */

struct write_ctx {
	struct later *later;
	struct str vcard, photo; /* in the operation */
};

static void tell(struct account *a, const struct write_ctx *k, struct jid by)
{
	a->avatar_restricted = false;
	vcard_photo_changed(a, k->photo);
	module_each(m, a->shard->core, vcard_changed)
		m->vcard_changed(a, k->vcard, k->photo, by);
}

static void write_done(struct store_op *op, void *receiver)
{
	struct write_ctx *k = op->ctx;
	struct account *a = account_get(receiver, k->later->iq->from);

	struct jid by = jid_dup(&op->mem, k->later->iq->from);

	vcard_stored(&k->later, op);
	if (op->status == STORE_OK && a)
		tell(a, k, by);
	store_op_free(op);
}

static void store_vcard(struct ctx *c, const struct stanza *iq, struct str vcard, struct str photo)
{
	struct shard *s = c->shard;
	struct jid j = c->account->jid;
	const struct store_datum changes[] = { { SPACE_VCARD, STR(""), vcard },
		{ SPACE_AVATAR, STR(""), photo }, { SPACE_AVATAR, AVATAR_ACCESS, STR("") } };
	struct store_op *op = store_op_new(&s->loop.inbox, write_done, sizeof(struct write_ctx));
	struct write_ctx *k = op->ctx;

	*k = (struct write_ctx){ later_new(c, iq), str_dup(&op->mem, vcard),
		str_dup(&op->mem, photo) };
	c->account->vcard_sets++;
	store_set_data(s->core->store, op, jid_domain(j), jid_local(j), changes, 3);
}

static enum outcome on_set(struct ctx *c, const struct stanza *iq)
{
	struct arena *turn = &c->shard->loop.turn;
	struct buf vcard;

	if (c->account->guest)
		return refuse(c, iq, ERR_NOT_ALLOWED, STR("nothing is kept of a guest"));
	bool fits = vcard_take(c, iq, &vcard);
	if (fits)
		store_vcard(c, iq, buf_str(&vcard), vcard_photo(&iq->doc, stanza_payload(iq), turn));
	buf_clear(&vcard);
	return fits ? LATER : ANSWERED;
}

/* Section 3.2: somebody else's, or the host's; the same where there is no account. */
static enum outcome on_stranger_set(struct ctx *c, const struct stanza *iq)
{
	return refuse(c, iq, ERR_FORBIDDEN, STR(""));
}

const struct module xep0054_vcard = {
	.name = "vcard",
	.spec = "XEP-0054 1.3.0",
	.features = (const char *const[]){ "vcard-temp", NULL },
	.account_features = (const char *const[]){ "vcard-temp", NULL },
	.space = "avatar",
	.load = load,
	.unload = unload,
	.presence_sent = presence_sent,
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_VCARD, TAG_VCARD, AT_OWN | AT_ACCOUNT, on_get },
		{ IQ_SET, NS_VCARD, TAG_VCARD, AT_OWN, on_set },
		{ IQ_SET, NS_VCARD, TAG_VCARD, AT_HOST | AT_ACCOUNT, on_stranger_set },
		{ 0 } },
};
