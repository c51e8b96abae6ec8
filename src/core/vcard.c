#include "core/vcard.h"

#include "core/presence.h"
#include "xml/extract.h"
#include "xmpp/edit.h"

static void refuse_with(struct ctx *c, const struct stanza *iq, enum store_status status)
{
	switch (status) {
	case STORE_FULL:
		refuse(c, iq, ERR_RESOURCE_CONSTRAINT, STR("try again later"));
		break;
	case STORE_NOT_FOUND: /* its owner was deleted meanwhile */
		refuse(c, iq, ERR_SERVICE_UNAVAILABLE, STR(""));
		break;
	default:
		refuse(c, iq, ERR_INTERNAL_SERVER_ERROR, STR(""));
	}
}

void vcard_answer(struct later **later, const struct store_op *op, enum stanza_error none)
{
	struct ctx c = later_ctx(*later);
	const struct stanza *iq = (*later)->iq;

	if (op->status == STORE_FULL || op->status == STORE_FAILED) {
		refuse_with(&c, iq, op->status);
	} else if (!op->account.n_data && none != ERR_COUNT) {
		refuse(&c, iq, none, STR(""));
	} else {
		struct writer w = reply_open(&c, iq);
		w_raw(&w, op->account.n_data ? op->account.data[0].bytes
					     : STR("<vCard xmlns='vcard-temp'/>"));
		reply_send(&c, &w, iq);
	}
	later_free(later);
}

bool vcard_take(struct ctx *c, const struct stanza *iq, struct buf *out)
{
	struct shard *s = c->shard;
	const struct xml_node *el = stanza_payload(iq);

	buf_init(out, s->settings->vcard_max);
	if (xml_first(&iq->doc, el))
		xml_extract(out, &iq->doc, el);
	if (buf_ok(out))
		return true;
	refuse(c, iq, ERR_POLICY_VIOLATION, str_printf(&s->loop.turn,
		"a vCard has at most %u bytes", (unsigned)s->settings->vcard_max));
	return false;
}

void vcard_stored(struct later **later, const struct store_op *op)
{
	struct ctx c = later_ctx(*later);

	if (op->status == STORE_OK)
		reply_ok(&c, (*later)->iq);
	else
		refuse_with(&c, (*later)->iq, op->status);
	later_free(later);
}

/* ---- the photo in presence (XEP-0153) ---- */

const struct xml_node *vcard_update(const struct stanza *presence)
{
	return xml_child(&presence->doc, stanza_root(presence), NS_VCARD_UPDATE, TAG_X);
}

struct stanza *vcard_with_photo(struct shard *s, const struct stanza *presence, const char *hash)
{
	const struct xml_node *x = vcard_update(presence);
	uint32_t end = stanza_root(presence)->end;
	struct arena *turn = &s->loop.turn;
	struct str text, update = str_printf(turn,
		"<x xmlns='vcard-temp:x:update'><photo>%s</photo></x>", hash);

	buf_reset(&s->scratch);
	if (x) { /* what is written ends with the bytes as they came */
		stanza_write(&s->scratch, presence, presence->from, presence->to, NS_NONE);
		text = buf_str(&s->scratch);
		text = str_printf(turn, "%.*s%.*s%.*s",
			STR_FMT(str_head(text, text.n - (end - x->start))), STR_FMT(update),
			STR_FMT(str_skip(text, text.n - (end - x->end))));
	} else {
		stanza_write_with(&s->scratch, presence, presence->from, presence->to, NS_NONE,
			update);
		text = buf_str(&s->scratch);
	}
	return stanza_scan(&s->scratch_table, text, turn);
}

/* Whether the session shows this photo, or leaves it to the server what it shows. */
static bool shows(const struct session *s, const char *hash, struct arena *a)
{
	const struct xml_doc *d = &s->presence->doc;
	const struct xml_node *x = vcard_update(s->presence), *photo = x ? xml_first(d, x) : NULL;

	return !photo || (hash[0] && str_eq_nocase(str_trim(xml_text(d, photo, a)), str_c(hash)));
}

void vcard_set_avatar(struct account *a, struct str hash)
{
	memcpy(a->avatar, hash.p, hash.n);
	a->avatar[hash.n] = '\0';
}

void vcard_photo_changed(struct account *a, struct str hash)
{
	struct shard *s = a->shard;
	char old[sizeof a->avatar];

	if (str_eq(str_c(a->avatar), hash))
		return;
	memcpy(old, a->avatar, sizeof old);
	vcard_set_avatar(a, hash);
	list_each(to, &a->sessions, struct session, link) {
		if (!session_is_available(to) || !shows(to, old, &s->loop.turn))
			continue;
		struct stanza *out = vcard_with_photo(s, to->presence, a->avatar);
		if (out) {
			presence_out(to, out);
			stanza_unref(&out);
		}
	}
}

/* ---- who may see it (XEP-0398 section 7) ---- */

void vcard_hide_photo(struct store_op *op, struct shard *s)
{
	struct store_account *found = &op->account;
	const struct xml_node *photo;

	if (op->status != STORE_OK || !found->n_data)
		return;
	struct stanza *st = stanza_scan(&s->scratch_table, str_printf(&op->mem,
		"<message>%.*s</message>", STR_FMT(found->data[0].bytes)), &s->loop.turn);
	while (st && (photo = xml_child(&st->doc, stanza_payload(st), NS_VCARD, TAG_PHOTO)))
		if (!stanza_replace_element(&st, photo, STR(""), &s->scratch_table))
			break;
	found->data[0].bytes = st ? str_dup(&op->mem, xml_raw(&st->doc, stanza_payload(st))) : STR("");
	stanza_unref(&st);
}
