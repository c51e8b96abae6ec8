/* XEP-0054 vcard-temp, version 1.3.0
 *
 * Everybody may see everybody's vCard, its owner may change it. Where there is none, a stranger
 * is told the same as where there is no account (section 3.3). A vCard that says nothing takes
 * the old one out. With it goes the hash of its photo, for XEP-0153. The host has none of its
 * own. Options: vcard_bytes of the limits. Stores: data of the account, in the spaces "Vcard"
 * and "avatar". */
#include "core/module.h"
#include "core/personal.h"
#include "xml/extract.h"

/* ---- get ---- */

static void read_done(struct store_op *op, void *receiver)
{
	struct later *later = *(struct later **)op->ctx;
	struct ctx c = later_ctx(later);
	const struct stanza *iq = later->iq;
	bool own = !jid_is_set(iq->to) || jid_eq_bare(iq->from, iq->to);

	if (op->status == STORE_FULL) {
		refuse(&c, iq, ERR_RESOURCE_CONSTRAINT, STR("try again later"));
	} else if (op->status == STORE_FAILED) {
		refuse(&c, iq, ERR_INTERNAL_SERVER_ERROR, STR(""));
	} else if (op->status == STORE_OK && op->account.n_data) {
		struct writer w = reply_open(&c, iq);
		w_raw(&w, op->account.data[0].bytes);
		reply_send(&c, &w, iq);
	} else {
		refuse(&c, iq, own ? ERR_ITEM_NOT_FOUND : ERR_SERVICE_UNAVAILABLE, STR(""));
	}
	later_free(&later);
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

/* ---- set ---- */

static void write_done(struct store_op *op, void *receiver)
{
	struct later *later = *(struct later **)op->ctx;
	struct ctx c = later_ctx(later);

	switch (op->status) {
	case STORE_OK:
		reply_ok(&c, later->iq);
		break;
	case STORE_FULL:
		refuse(&c, later->iq, ERR_RESOURCE_CONSTRAINT, STR("try again later"));
		break;
	case STORE_NOT_FOUND: /* the account was deleted meanwhile */
		refuse(&c, later->iq, ERR_SERVICE_UNAVAILABLE, STR(""));
		break;
	default:
		refuse(&c, later->iq, ERR_INTERNAL_SERVER_ERROR, STR(""));
	}
	later_free(&later);
	store_op_free(op);
}

static void store_vcard(struct ctx *c, const struct stanza *iq, struct str vcard, struct str photo)
{
	struct shard *s = c->shard;
	struct jid j = c->account->jid;
	const struct store_datum changes[] = { { SPACE_VCARD, STR(""), vcard },
		{ SPACE_AVATAR, STR(""), photo } };
	struct store_op *op = store_op_new(&s->loop.inbox, write_done, sizeof(struct later *));

	*(struct later **)op->ctx = later_new(c, iq);
	store_set_data(s->core->store, op, jid_domain(j), jid_local(j), changes, 2);
}

static enum outcome on_set(struct ctx *c, const struct stanza *iq)
{
	struct shard *s = c->shard;
	const struct xml_doc *d = &iq->doc;
	const struct xml_node *el = stanza_payload(iq);
	struct buf vcard;

	if (c->account->guest)
		return refuse(c, iq, ERR_NOT_ALLOWED, STR("nothing is kept of a guest"));
	buf_init(&vcard, s->settings->vcard_max);
	if (xml_first(d, el))
		xml_extract(&vcard, d, el);
	if (buf_ok(&vcard))
		store_vcard(c, iq, buf_str(&vcard), vcard_photo(d, el, &s->loop.turn));
	else
		refuse(c, iq, ERR_POLICY_VIOLATION, str_printf(&s->loop.turn,
			"a vCard has at most %u bytes", (unsigned)s->settings->vcard_max));
	bool fits = buf_ok(&vcard);
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
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_VCARD, TAG_VCARD, AT_OWN | AT_ACCOUNT, on_get },
		{ IQ_SET, NS_VCARD, TAG_VCARD, AT_OWN, on_set },
		{ IQ_SET, NS_VCARD, TAG_VCARD, AT_HOST | AT_ACCOUNT, on_stranger_set },
		{ 0 } },
};
