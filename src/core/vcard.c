#include "core/vcard.h"

#include "xml/extract.h"

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
