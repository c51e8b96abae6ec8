/* XEP-0049 Private XML Storage, version 1.2
 *
 * Keeps elements for the owner of an account, by their name and namespace; several of the same
 * kind in one request stay together. An element that says nothing (no attribute, no content)
 * takes out what is kept of its kind. Namespaces that section 2.3 calls reserved are not
 * refused: that is optional, and clients keep things there. Options: private_bytes of the
 * limits. Stores: data of the account, in the space "Private". */
#include "core/module.h"
#include "core/personal.h"
#include "xml/extract.h"

#define ELEMENTS_MAX 32 /* of one request */

static enum outcome refuse_status(struct ctx *c, const struct stanza *iq, enum store_status status)
{
	switch (status) {
	case STORE_FULL:
		return refuse(c, iq, ERR_RESOURCE_CONSTRAINT, STR("there is no more room"));
	case STORE_NOT_FOUND: /* the account was deleted meanwhile */
		return refuse(c, iq, ERR_SERVICE_UNAVAILABLE, STR(""));
	default:
		return refuse(c, iq, ERR_INTERNAL_SERVER_ERROR, STR(""));
	}
}

/* What is wrong with the elements, or ERR_COUNT. Section 2.3: at least one, each in a namespace
 * of its own; a get asks for one namespace. Its "Bad Format" is bad-request since RFC 3920. */
static enum stanza_error check(const struct stanza *iq, struct arena *a)
{
	const struct xml_doc *d = &iq->doc;
	const struct xml_node *query = stanza_payload(iq), *first = xml_first(d, query);
	bool get = iq->type == IQ_GET;

	if (!first)
		return get ? ERR_BAD_REQUEST : ERR_NOT_ACCEPTABLE;
	if (xml_count(d, query) > ELEMENTS_MAX)
		return ERR_NOT_ACCEPTABLE;
	for (const struct xml_node *el = first; el; el = xml_next(d, el)) {
		if (el->ns == NS_PRIVATE || el->ns == NS_NONE || el->ns == NS_CLIENT)
			return ERR_NOT_ACCEPTABLE;
		if (get && !str_eq(xml_ns_uri(d, el, a), xml_ns_uri(d, first, a)))
			return ERR_BAD_REQUEST;
	}
	return ERR_COUNT;
}

/* ---- get ---- */

static void write_kept(struct writer *w, const struct store_account *kept, struct str key,
	struct str otherwise)
{
	for (size_t i = 0; i < kept->n_data; i++) {
		if (str_eq(kept->data[i].key, key)) {
			w_raw(w, kept->data[i].bytes);
			return;
		}
	}
	w_raw(w, otherwise);
}

/* Each element asked for, as it is kept, or else as it was asked with. */
static enum outcome answer(struct ctx *c, const struct stanza *iq, const struct store_account *kept)
{
	const struct xml_doc *d = &iq->doc;
	struct writer w = reply_open(c, iq);
	struct buf asked;

	buf_init(&asked, c->shard->settings->private_max);
	w_open_ns(&w, "query", NS_PRIVATE);
	for (const struct xml_node *el = xml_first(d, stanza_payload(iq)); el; el = xml_next(d, el)) {
		buf_reset(&asked);
		xml_extract(&asked, d, el);
		write_kept(&w, kept, private_key(d, el, &c->shard->loop.turn), buf_str(&asked));
	}
	w_close(&w);
	buf_clear(&asked);
	return reply_send(c, &w, iq);
}

static void read_done(struct store_op *op, void *receiver)
{
	struct later *later = *(struct later **)op->ctx;
	struct ctx c = later_ctx(later);

	if (op->status == STORE_OK)
		answer(&c, later->iq, &op->account);
	else
		refuse_status(&c, later->iq, op->status);
	later_free(&later);
	store_op_free(op);
}

static enum outcome on_get(struct ctx *c, const struct stanza *iq)
{
	struct shard *s = c->shard;
	struct jid j = c->account->jid;
	const struct xml_node *query = stanza_payload(iq);
	enum stanza_error e = check(iq, &s->loop.turn);

	if (e != ERR_COUNT)
		return refuse(c, iq, e, STR("elements of one namespace, please"));
	if (c->account->guest)
		return answer(c, iq, &(struct store_account){ .n_data = 0 });
	struct store_op *op = store_op_new(&s->loop.inbox, read_done, sizeof(struct later *));
	*(struct later **)op->ctx = later_new(c, iq);
	if (xml_count(&iq->doc, query) == 1)
		store_get_data(s->core->store, op, jid_domain(j), jid_local(j), SPACE_PRIVATE,
			private_key(&iq->doc, xml_first(&iq->doc, query), &s->loop.turn));
	else
		store_list_data(s->core->store, op, jid_domain(j), jid_local(j), SPACE_PRIVATE);
	return LATER;
}

/* ---- set ---- */

static void write_done(struct store_op *op, void *receiver)
{
	struct later *later = *(struct later **)op->ctx;
	struct ctx c = later_ctx(later);

	if (op->status == STORE_OK)
		reply_ok(&c, later->iq);
	else
		refuse_status(&c, later->iq, op->status);
	later_free(&later);
	store_op_free(op);
}

/* Declarations stand before the other attributes. */
static bool says_nothing(const struct xml_doc *d, const struct xml_node *el)
{
	const struct xml_attr *last = d->attrs + el->first_attr + el->n_attrs - 1;

	if (el->n_attrs && !(last->flags & XML_DECLARES))
		return false;
	return el->next == (uint32_t)(el - d->nodes) + 1;
}

/* What is to be kept: one entry for each kind of element. b: scratch, whose bound is theirs.
 * False: over it. */
static bool gather(const struct stanza *iq, struct arena *a, struct buf *b,
	struct store_datum *changes, size_t *n)
{
	const struct xml_doc *d = &iq->doc;
	const struct xml_node *first = xml_first(d, stanza_payload(iq));

	for (const struct xml_node *el = first; el; el = xml_next(d, el)) {
		struct str key = private_key(d, el, a);
		size_t i = 0, from = b->n;

		while (i < *n && !str_eq(changes[i].key, key))
			i++;
		if (i < *n) /* written with the first of its kind */
			continue;
		for (const struct xml_node *same = el; same; same = xml_next(d, same))
			if (!says_nothing(d, same) && str_eq(private_key(d, same, a), key))
				xml_extract(b, d, same);
		if (!buf_ok(b))
			return false;
		changes[(*n)++] = (struct store_datum){ SPACE_PRIVATE, key,
			str_dup(a, str_skip(buf_str(b), from)) };
	}
	return true;
}

static enum outcome on_set(struct ctx *c, const struct stanza *iq)
{
	struct shard *s = c->shard;
	struct jid j = c->account->jid;
	uint32_t max = s->settings->private_max;
	struct store_datum changes[ELEMENTS_MAX];
	struct buf b;
	size_t n = 0;

	if (c->account->guest)
		return refuse(c, iq, ERR_NOT_ALLOWED, STR("nothing is kept of a guest"));
	enum stanza_error e = check(iq, &s->loop.turn);
	if (e != ERR_COUNT)
		return refuse(c, iq, e, STR("elements with namespaces of their own, please"));
	buf_init(&b, max);
	bool fits = gather(iq, &s->loop.turn, &b, changes, &n);
	buf_clear(&b);
	if (!fits)
		return refuse_status(c, iq, STORE_FULL);
	struct store_op *op = store_op_new(&s->loop.inbox, write_done, sizeof(struct later *));
	*(struct later **)op->ctx = later_new(c, iq);
	store_set_data_within(s->core->store, op, jid_domain(j), jid_local(j), changes, n, max);
	return LATER;
}

/* Section 2.3: the preferable one of the two errors that it allows; the same where there is no
 * account. */
static enum outcome on_stranger(struct ctx *c, const struct stanza *iq)
{
	return refuse(c, iq, ERR_FORBIDDEN, STR(""));
}

const struct module xep0049_private = {
	.name = "private",
	.spec = "XEP-0049 1.2",
	.features = (const char *const[]){ "jabber:iq:private", NULL },
	.account_features = (const char *const[]){ "jabber:iq:private", NULL },
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_PRIVATE, TAG_QUERY, AT_OWN, on_get },
		{ IQ_SET, NS_PRIVATE, TAG_QUERY, AT_OWN, on_set },
		{ IQ_GET, NS_PRIVATE, TAG_QUERY, AT_ACCOUNT, on_stranger },
		{ IQ_SET, NS_PRIVATE, TAG_QUERY, AT_ACCOUNT, on_stranger },
		{ 0 } },
};
