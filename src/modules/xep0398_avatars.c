/* XEP-0398 User Avatar to vCard-Based Avatars Conversion, version 1.0.0: one picture of a user,
 * in the account's nodes (XEP-0084 1.1.4) and in its vCard (XEP-0054, XEP-0153).
 *
 * Metadata that is published takes the picture with its id from the node of data into the vCard,
 * if its hash is right; metadata without a picture of ours takes the vCard's photo out. Whom the
 * node of data is for may see the photo too: everybody, or those who see the account's presence
 * (section 7); from a node with another access model nothing is taken. A photo that is set in
 * the vCard is published to both nodes, which are made for everybody where there are none, as
 * the vCard is; a vCard without photo says so in the metadata. What is there already is not
 * published, nor stored, again. The hash in presence is modules/xep0054_vcard.c's.
 *
 * Left out: what another access model of a node makes of a photo that was taken from it before;
 * photos of a vCard that nobody sets, as that of an account which was moved here. Options:
 * vcard_bytes and account_nodes of the limits; a vCard that were too large with the picture gets
 * none. Stores: as those do. */
#include "base/base64.h"
#include "core/account.h"
#include "core/node.h"
#include "core/personal.h"
#include "core/vcard.h"

#include <stdlib.h>

#define METADATA_NODE STR("urn:xmpp:avatar:metadata")
#define DATA_NODE     STR("urn:xmpp:avatar:data")
#define TYPE          STR("image/png") /* where none is said; what XEP-0084 section 4.1 requires */
#define TYPE_MAX      255
#define XML_MAX       (2 * STORE_NODE_ITEM_MAX)

/* The element in stored XML, as the payload of a stanza of its own: the caller's reference, or
 * NULL. */
static struct stanza *scan_element(struct shard *s, struct str xml)
{
	struct stanza *st = stanza_scan(&s->scratch_table,
		str_printf(&s->loop.turn, "<message>%.*s</message>", STR_FMT(xml)), &s->loop.turn);

	if (st && !stanza_payload(st))
		stanza_unref(&st);
	return st;
}

/* ---- from the nodes to the vCard (section 3.1) ---- */

struct taking {
	struct node_waiter waiter;
	struct shard *shard;
	struct arena mem;
	struct jid account;        /* in mem, as those below */
	struct str id, type;       /* of the picture; an empty id: there is none */
	struct str image;          /* in base 64 */
	bool restricted;           /* not for everybody */
	uint32_t sets;             /* account.vcard_sets when the vCard was read */
};

static void taking_free(struct taking *t)
{
	arena_clear(&t->mem);
	free(t);
}

static struct taking *taking_new(const struct account *a, struct str id, struct str type)
{
	struct taking *t = xcalloc(1, sizeof *t);

	t->shard = a->shard;
	arena_init(&t->mem, 1024);
	t->account = jid_dup(&t->mem, a->jid);
	t->id = str_dup(&t->mem, id);
	t->type = str_dup(&t->mem, type);
	return t;
}

static void taken(struct store_op *op, void *receiver)
{
	struct taking *t = *(struct taking **)op->ctx;
	struct account *a = account_get(receiver, t->account);

	if (op->status == STORE_OK && a && a->vcard_sets == t->sets) {
		a->avatar_restricted = t->restricted;
		vcard_photo_changed(a, t->id);
	}
	store_op_free(op);
	taking_free(t);
}

static void write_photo(struct writer *w, const struct taking *t)
{
	w_open_ns(w, "PHOTO", NS_VCARD);
	w_leaf(w, "TYPE", t->type);
	w_leaf(w, "BINVAL", t->image);
	w_close(w);
}

/* Start and end tag are the vCard's own, as its children may need what these declare. */
static void write_vcard(struct buf *b, const struct taking *t, const struct stanza *old)
{
	const struct xml_node *vcard = old ? stanza_payload(old) : NULL;
	const struct xml_node *el = vcard ? xml_first(&old->doc, vcard) : NULL;
	struct writer w = w_on(b);
	unsigned kept = 0;

	if (el)
		buf_add(b, str_from(old->doc.bytes + vcard->start, vcard->body - vcard->start));
	else
		buf_add(b, STR("<vCard xmlns='vcard-temp'>"));
	for (; el; el = xml_next(&old->doc, el)) {
		if (xml_is(el, NS_VCARD, TAG_PHOTO))
			continue;
		buf_add(b, xml_raw(&old->doc, el));
		kept++;
	}
	if (t->id.n)
		write_photo(&w, t);
	if (!kept && !t->id.n)
		buf_reset(b);
	else if (vcard && xml_first(&old->doc, vcard))
		buf_printf(b, "</%.*s>", (int)(vcard->prefix_len ? vcard->prefix_len + 1 : 0) +
			vcard->name_len, old->doc.bytes + vcard->start + 1);
	else
		buf_add(b, STR("</vCard>"));
}

static void store_photo(struct taking *t, struct str vcard)
{
	struct shard *s = t->shard;
	const struct store_datum changes[] = { { SPACE_VCARD, STR(""), vcard },
		{ SPACE_AVATAR, STR(""), t->id },
		{ SPACE_AVATAR, AVATAR_ACCESS, t->restricted && t->id.n ? STR("1") : STR("") } };
	struct store_op *op = store_op_new(&s->loop.inbox, taken, sizeof t);

	*(struct taking **)op->ctx = t;
	store_set_data(s->core->store, op, jid_domain(t->account), jid_local(t->account), changes, 3);
}

static void put_into(struct taking *t, struct str old)
{
	struct stanza *st = old.n ? scan_element(t->shard, old) : NULL;
	struct buf b;

	buf_init(&b, t->shard->settings->vcard_max);
	write_vcard(&b, t, st);
	if (!buf_ok(&b) && t->id.n) {
		t->id = STR("");
		buf_clear(&b);
		buf_init(&b, t->shard->settings->vcard_max);
		write_vcard(&b, t, st);
	}
	store_photo(t, buf_ok(&b) ? buf_str(&b) : old);
	buf_clear(&b);
	stanza_unref(&st);
}

static void read_vcard(struct taking *t);

/* A vCard that its owner has set meanwhile is read once more: nothing of it is lost. */
static void vcard_read(struct store_op *op, void *receiver)
{
	struct taking *t = *(struct taking **)op->ctx;
	const struct account *a = account_get(receiver, t->account);

	if (op->status != STORE_OK || !a)
		taking_free(t);
	else if (a->vcard_sets != t->sets)
		read_vcard(t);
	else
		put_into(t, op->account.n_data ? op->account.data[0].bytes : STR(""));
	store_op_free(op);
}

static void read_vcard(struct taking *t)
{
	struct shard *s = t->shard;
	const struct account *a = account_get(s, t->account);

	if (!a) {
		taking_free(t);
		return;
	}
	t->sets = a->vcard_sets;
	struct store_op *op = store_op_new(&s->loop.inbox, vcard_read, sizeof t);
	*(struct taking **)op->ctx = t;
	store_get_data(s->core->store, op, jid_domain(t->account), jid_local(t->account), SPACE_VCARD,
		STR(""));
}

/* Section 3.1: the picture has the hash that is its id. */
static bool take_image(struct taking *t, struct str payload)
{
	struct arena *turn = &t->shard->loop.turn;
	struct stanza *st = scan_element(t->shard, payload);
	const struct xml_node *data = st ? stanza_payload(st) : NULL;
	struct str image;

	bool ok = xml_is(data, NS_AVATAR_DATA, TAG_DATA) &&
		image_decode(xml_text(&st->doc, data, turn), turn, &image) &&
		str_eq(image_hash(image, turn), t->id);
	if (ok)
		t->image = base64_str(&t->mem, image);
	stanza_unref(&st);
	return ok;
}

static void image_read(struct shard *s, struct node *n, const struct store_op *found, void *ctx)
{
	struct taking *t = ctx;

	if (found->status == STORE_OK && found->n_items && take_image(t, found->items[0].payload))
		read_vcard(t);
	else
		taking_free(t);
}

static void data_loaded(struct node_waiter *w, struct shard *s, struct node *n,
	enum store_status status)
{
	struct taking *t = container_of(w, struct taking, waiter);

	if (!n || (n->config.access != ACCESS_OPEN && n->config.access != ACCESS_PRESENCE)) {
		taking_free(t);
		return;
	}
	t->restricted = n->config.access == ACCESS_PRESENCE;
	node_items(n, &(struct store_items_query){ .ids = &t->id, .n_ids = 1, .max = 1,
		.max_bytes = STORE_NODE_ITEM_MAX }, image_read, t);
}

/* The first picture that is not elsewhere (section 3.1). False: there is none. */
static bool read_info(const struct stanza *st, struct arena *a, struct str *id, struct str *type)
{
	const struct xml_node *metadata = stanza_payload(st);
	const struct xml_node *info = xml_is(metadata, NS_AVATAR_METADATA, TAG_METADATA)
		? xml_child(&st->doc, metadata, NS_AVATAR_METADATA, TAG_INFO) : NULL;

	while (info && xml_attr(&st->doc, info, TAG_URL))
		info = xml_next_same(&st->doc, info);
	*id = info ? xml_attr_str(&st->doc, info, TAG_ID, a) : STR("");
	*type = info ? xml_attr_str(&st->doc, info, TAG_TYPE, a) : STR("");
	if (!type->n || type->n > TYPE_MAX)
		*type = TYPE;
	return id->n == PHOTO_HASH_LEN;
}

static void take_picture(struct account *a, struct str id, struct str type)
{
	struct taking *t;

	if (str_eq(id, str_c(a->avatar)))
		return;
	t = taking_new(a, id, type);
	t->waiter.run = data_loaded;
	if (id.n)
		node_wait(a->shard, NODE_OF_ACCOUNT, a->jid, DATA_NODE, &t->waiter);
	else
		read_vcard(t);
}

static struct account *account_of(const struct node *n)
{
	return n->kind == NODE_OF_ACCOUNT && str_eq(n->name, METADATA_NODE) ? node_account(n) : NULL;
}

/* Metadata of pictures elsewhere alone says nothing of ours (XEP-0084 section 3.1); what is
 * empty says that there is none (section 3.5). */
static void node_published(struct node *n, const struct node_item *items, size_t n_items,
	struct jid by)
{
	struct account *a = account_of(n);
	struct stanza *st = a && n_items ? scan_element(a->shard, items[n_items - 1].payload) : NULL;
	struct str id, type;

	if (!st)
		return;
	struct arena *turn = &a->shard->loop.turn;
	bool is_empty = !xml_first(&st->doc, stanza_payload(st));
	if (read_info(st, turn, &id, &type))
		take_picture(a, str_dup(turn, id), str_dup(turn, type));
	else if (is_empty)
		take_picture(a, STR(""), STR(""));
	stanza_unref(&st);
}

static void node_retracted(struct node *n, const struct str *ids, size_t n_ids)
{
	struct account *a = account_of(n);
	bool gone = !n_ids;

	for (size_t i = 0; a && i < n_ids; i++)
		gone = gone || str_eq(ids[i], str_c(a->avatar));
	if (a && gone)
		take_picture(a, STR(""), STR(""));
}

/* ---- from the vCard to the nodes (section 3.2) ---- */

struct giving {
	struct nodes_waiter nodes;
	struct node_waiter waiter;
	publish_done *done;
	struct shard *shard;
	struct arena mem;
	struct str node, payload;  /* of what is being published */
	struct jid account, by;    /* in mem, as those below */
	struct str id;             /* of the photo; empty: there is none */
	struct str type, image;    /* base 64 */
	size_t bytes;
};

static void giving_free(struct giving *g)
{
	arena_clear(&g->mem);
	free(g);
}

static void given(struct shard *s, struct node *n, const struct node_item *items, size_t n_items,
	enum store_status status, void *ctx)
{
	giving_free(ctx);
}

/* The vCard is for everybody. */
static struct node *make_node(struct giving *g)
{
	struct node_config config;

	node_config_default(&config, NODE_OF_ACCOUNT);
	config.access = ACCESS_OPEN;
	return node_new(g->shard, NODE_OF_ACCOUNT, g->account, g->node, g->account, &config);
}

static void give_into(struct node_waiter *w, struct shard *s, struct node *n,
	enum store_status status)
{
	struct giving *g = container_of(w, struct giving, waiter);
	struct node_item item = { .id = g->id, .payload = g->payload };
	struct stanza_refusal why;

	if (!n && status != STORE_NOT_FOUND) {
		giving_free(g);
		return;
	}
	if (!n)
		n = make_node(g);
	const struct node_publication p = { .node = n, .by = g->by, .items = &item, .n = 1 };
	bool is_new = n->unwritten;
	if (node_publish(&p, g->done, g, &why))
		return;
	if (is_new)
		node_end(n);
	giving_free(g);
}

/* The node may have left memory since it was looked at. */
static void give(struct giving *g, struct str node, const struct buf *payload, publish_done *done)
{
	g->node = node;
	g->payload = str_dup(&g->mem, buf_str(payload));
	g->done = done;
	g->waiter.run = give_into;
	node_wait(g->shard, NODE_OF_ACCOUNT, g->account, node, &g->waiter);
}

static void write_info(struct writer *w, const struct giving *g)
{
	w_open(w, "info");
	w_attr_u64(w, "bytes", g->bytes);
	w_attr(w, "id", g->id);
	w_attr(w, "type", g->type);
	w_close(w);
}

static void give_metadata(struct giving *g)
{
	struct buf b;

	buf_init(&b, XML_MAX);
	struct writer w = w_on(&b);
	w_open_ns(&w, "metadata", NS_AVATAR_METADATA);
	if (g->id.n)
		write_info(&w, g);
	w_close(&w);
	give(g, METADATA_NODE, &b, given);
	buf_clear(&b);
}

static void data_given(struct shard *s, struct node *n, const struct node_item *items,
	size_t n_items, enum store_status status, void *ctx)
{
	if (status == STORE_OK)
		give_metadata(ctx);
	else
		giving_free(ctx);
}

static void give_data(struct giving *g)
{
	struct buf b;

	buf_init(&b, XML_MAX);
	struct writer w = w_on(&b);
	w_open_ns(&w, "data", NS_AVATAR_DATA);
	w_text(&w, g->image);
	w_close(&w);
	give(g, DATA_NODE, &b, data_given);
	buf_clear(&b);
}

/* Whether the metadata say this already. */
static bool is_said(struct giving *g, const struct store_op *found)
{
	struct stanza *st = found->n_items ? scan_element(g->shard, found->items[0].payload) : NULL;
	struct str id = STR(""), type;

	if (st)
		read_info(st, &g->shard->loop.turn, &id, &type);
	bool same = str_eq(id, g->id);
	stanza_unref(&st);
	return same;
}

static void metadata_read(struct shard *s, struct node *n, const struct store_op *found, void *ctx)
{
	struct giving *g = ctx;

	if (found->status != STORE_OK || is_said(g, found))
		giving_free(g);
	else if (g->id.n)
		give_data(g);
	else
		give_metadata(g);
}

static void nodes_loaded(struct nodes_waiter *w, struct shard *s, enum store_status status)
{
	struct giving *g = container_of(w, struct giving, nodes);
	struct node *metadata = node_get(s, g->account, METADATA_NODE);

	if (status != STORE_OK || (!metadata && !g->id.n))
		giving_free(g);
	else if (metadata)
		node_items(metadata, &(struct store_items_query){ .newest = true, .max = 1,
			.max_bytes = STORE_NODE_ITEM_MAX }, metadata_read, g);
	else
		give_data(g);
}

/* From the first photo of the vCard. */
static void read_photo(struct giving *g, struct str vcard)
{
	struct arena *turn = &g->shard->loop.turn;
	struct stanza *st = scan_element(g->shard, vcard);
	const struct xml_doc *d = st ? &st->doc : NULL;
	const struct xml_node *photo = d
		? xml_child(d, stanza_payload(st), NS_VCARD, TAG_PHOTO) : NULL;
	const struct xml_node *type = photo ? xml_child(d, photo, NS_VCARD, TAG_TYPE) : NULL;
	const struct xml_node *binval = photo ? xml_child(d, photo, NS_VCARD, TAG_BINVAL) : NULL;
	struct str said = type ? str_trim(xml_text(d, type, turn)) : STR(""), image;

	g->type = str_dup(&g->mem, said.n && said.n <= TYPE_MAX ? said : TYPE);
	if (binval && image_decode(xml_text(d, binval, turn), turn, &image)) {
		g->bytes = image.n;
		g->image = base64_str(&g->mem, image);
	} else {
		g->id = STR("");
	}
	stanza_unref(&st);
}

static void vcard_changed(struct account *a, struct str vcard, struct str photo, struct jid by)
{
	static const struct str names[] = { STR_INIT("urn:xmpp:avatar:metadata"),
		STR_INIT("urn:xmpp:avatar:data") };
	struct giving *g = xcalloc(1, sizeof *g);

	g->shard = a->shard;
	arena_init(&g->mem, 1024);
	g->account = jid_dup(&g->mem, a->jid);
	g->by = jid_dup(&g->mem, by);
	g->id = str_dup(&g->mem, photo);
	if (photo.n)
		read_photo(g, vcard);
	g->nodes.run = nodes_loaded;
	nodes_wait(a->shard, a->jid, names, 2, &g->nodes);
}

const struct module xep0398_avatars = {
	.name = "avatars-conversion",
	.spec = "XEP-0398 1.0.0",
	.account_features = (const char *const[]){ "urn:xmpp:pep-vcard-conversion:0", NULL },
	.vcard_changed = vcard_changed,
	.node_published = node_published,
	.node_retracted = node_retracted,
};
