#include "player.h"

#include "base/base64.h"
#include "base/bug.h"
#include "base/digest.h"

#include <stdlib.h>

#define OUT_MAX (16 * 1024 * 1024)

static const struct scan_limits limits = { .stanza_bytes = OUT_MAX, .depth = 256, .attrs = 256,
	.name = 1024, .namespaces = 256, .nodes = 1024 * 1024 };

/* The server's side of the connection: what core/accept.c and core/component_accept.c make of a
 * socket. */
struct endpoint {
	struct client client;
	struct component_conn component;
	bool is_component;
	struct loopback loop;
};

static void nothing(struct client *c)
{
}

static bool attach(struct client *c, struct shard *s)
{
	return true;
}

static void free_endpoint(struct client *c)
{
	struct endpoint *e = container_of(c, struct endpoint, client);

	loopback_clear(&e->loop);
	free(e);
}

static const struct client_kind kind = {
	.detach = nothing,
	.attach = attach,
	.drop = nothing,
	.free = free_endpoint,
};

static void component_nothing(struct component_conn *c)
{
}

static bool component_attach(struct component_conn *c, struct shard *s)
{
	return true;
}

static void free_component(struct component_conn *c)
{
	struct endpoint *e = container_of(c, struct endpoint, component);

	loopback_clear(&e->loop);
	free(e);
}

static const struct component_conn_kind component_kind = {
	.detach = component_nothing,
	.attach = component_attach,
	.drop = component_nothing,
	.free = free_component,
};

/* ---- connections ---- */

struct player *player_new(struct world *w, struct str name)
{
	struct player *p = xcalloc(1, sizeof *p);

	p->world = w;
	arena_init(&p->mem, 256);
	p->name = str_dup(&p->mem, name);
	list_init(&p->items);
	feed_init(&p->feed, &limits, OUT_MAX);
	buf_init(&p->answers, OUT_MAX);
	list_add(&w->players, &p->link);
	return p;
}

void player_free(struct player *p)
{
	player_drop(p);
	player_forget(p);
	feed_clear(&p->feed);
	buf_clear(&p->answers);
	xml_table_clear(&p->table);
	arena_clear(&p->mem);
	list_del(&p->link);
	free(p);
}

struct player *player_find(struct world *w, struct str name)
{
	list_each(p, &w->players, struct player, link)
		if (str_eq(p->name, name))
			return p;
	return NULL;
}

static struct endpoint *new_endpoint(struct player *p)
{
	BUG_ON(p->end);
	feed_drop(&p->feed);
	scan_restart(&p->feed.scan);
	p->end = xcalloc(1, sizeof *p->end);
	return p->end;
}

static struct shard *next_shard(struct world *w)
{
	return w->core.shards[w->accepted++ % w->core.n_shards];
}

void player_connect(struct player *p)
{
	struct endpoint *e = new_endpoint(p);

	loopback_init(&e->loop, &e->client.stream, OUT_MAX);
	client_init(&e->client, &kind, next_shard(p->world), &e->loop.wire);
}

void player_connect_component(struct player *p)
{
	struct endpoint *e = new_endpoint(p);

	e->is_component = true;
	loopback_init_component(&e->loop, &e->component.stream, p->world->settings->max_out);
	component_conn_init(&e->component, &component_kind, next_shard(p->world), &e->loop.wire);
}

void player_send(struct player *p, struct str bytes)
{
	if (p->end)
		loopback_send(&p->end->loop, bytes);
}

void player_drop(struct player *p)
{
	struct endpoint *e = p->end;

	if (!e)
		return;
	p->end = NULL;
	if (e->is_component)
		component_conn_drop(&e->component);
	else
		client_drop(&e->client);
}

/* ---- hearing ---- */

static void add_item(struct player *p, enum item_kind what, struct str text)
{
	struct item *i = xmalloc(sizeof *i + text.n);

	memcpy(i + 1, text.p, text.n);
	i->kind = what;
	i->text = str_from((char *)(i + 1), text.n);
	list_add(&p->items, &i->link);
}

/* As it stands between the quotes. */
static struct str raw_attr(const struct xml_doc *d, const struct xml_node *el, enum xml_tag name)
{
	const struct xml_attr *a = xml_attr(d, el, name);

	return a ? str_from(d->bytes + a->value, a->value_len) : STR("");
}

/* Whether it answers that by itself (XEP-0030 section 3.1). */
static bool is_answered(struct player *p, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d), *query = xml_first(d, root);

	if (!p->can.p || stanza_kind_of(root) != STANZA_IQ ||
		!str_eq(raw_attr(d, root, TAG_TYPE), STR("get")) ||
		!xml_is(query, NS_DISCO_INFO, TAG_QUERY))
		return false;
	buf_printf(&p->answers, "<iq type='result' id='%.*s' to='%.*s'><query xmlns='%.*s'",
		STR_FMT(raw_attr(d, root, TAG_ID)), STR_FMT(raw_attr(d, root, TAG_FROM)),
		STR_FMT(xml_ns_str(NS_DISCO_INFO)));
	if (xml_attr(d, query, TAG_NODE))
		buf_printf(&p->answers, " node='%.*s'", STR_FMT(raw_attr(d, query, TAG_NODE)));
	buf_printf(&p->answers, ">%.*s</query></iq>", STR_FMT(p->can));
	return true;
}

bool player_answer(struct player *p)
{
	if (!p->answers.n)
		return false;
	player_send(p, buf_str(&p->answers));
	buf_reset(&p->answers);
	return true;
}

static bool heard(void *user, enum scan_status status, const struct xml_doc *d)
{
	struct player *p = user;

	switch (status) {
	case SCAN_OPEN:
		add_item(p, ITEM_HEADER, str_trim(str_from(d->bytes, d->n_bytes)));
		break;
	case SCAN_STANZA:
		if (is_answered(p, d))
			break;
		add_item(p, ITEM_ELEMENT, xml_raw(d, xml_root(d)));
		if (xml_is(xml_root(d), NS_SASL, TAG_SUCCESS))
			scan_restart(&p->feed.scan);
		break;
	case SCAN_CLOSE:
		add_item(p, ITEM_END, STR("</stream:stream>"));
		break;
	default:
		add_item(p, ITEM_BROKEN, str_from(d->bytes, d->n_bytes));
		break;
	}
	return true;
}

void player_hear(struct player *p)
{
	struct buf *out = p->end ? &p->end->loop.out : NULL;

	if (!out)
		return;
	if (out->n) {
		struct buf text; /* out may be full */
		buf_init(&text, out->n + SCAN_PAD);
		buf_add(&text, buf_str(out));
		BUG_ON(!buf_reserve(&text, SCAN_PAD));
		buf_reset(out);
		feed_input(&p->feed, &p->table, buf_str(&text), heard, p);
		buf_clear(&text);
	}
	if (!p->end->loop.finished)
		return;
	if (p->end->is_component) {
		component_conn_free(&p->end->component);
	} else {
		list_del(&p->end->client.link);
		client_unref(&p->end->client);
	}
	p->end = NULL;
}

struct item *player_next(struct player *p)
{
	struct item *i = list_first(&p->items, struct item, link);

	if (i)
		list_del(&i->link);
	return i;
}

void player_forget(struct player *p)
{
	struct item *i;

	while ((i = player_next(p)))
		free(i);
}

/* ---- logging in ---- */

static void say(struct player *p, struct str bytes)
{
	player_send(p, bytes);
	world_settle(p->world);
}

/* ---- components ---- */

struct str player_handshake(struct str id, struct str secret, struct arena *a)
{
	uint8_t digest[DIGEST_MAX];
	struct str hex = STR("");

	digest_of(DIGEST_SHA1, str_printf(a, "%.*s%.*s", STR_FMT(id), STR_FMT(secret)), digest);
	for (size_t i = 0; i < digest_len(DIGEST_SHA1); i++)
		hex = str_printf(a, "%.*s%02x", STR_FMT(hex), digest[i]);
	return hex;
}

/* The id in a header of the server's. */
static struct str header_id(const struct item *header)
{
	const char *at = header ? memmem(header->text.p, header->text.n, " id='", 5) : NULL;
	struct str rest = at ? str_skip(header->text, (size_t)(at - header->text.p) + 5) : STR("");

	return str_head(rest, at ? (size_t)str_find(rest, '\'') : 0);
}

static bool is_accepted(const struct player *p)
{
	return p->end && p->end->component.stream.phase == COMP_READY;
}

bool player_join(struct player *p, struct str domain, struct str secret)
{
	struct arena a;

	arena_init(&a, 4096);
	player_connect_component(p);
	say(p, str_printf(&a, "<stream:stream xmlns='jabber:component:accept' "
			       "xmlns:stream='http://etherx.jabber.org/streams' to='%.*s'>",
		STR_FMT(domain)));
	say(p, str_printf(&a, "<handshake>%.*s</handshake>", STR_FMT(player_handshake(
		header_id(list_first(&p->items, struct item, link)), secret, &a))));
	arena_clear(&a);
	if (!is_accepted(p))
		return false;
	for (unsigned i = 0; i < 2; i++) /* the header and the handshake; what waited stays */
		free(player_next(p));
	return true;
}

/* ---- clients ---- */

void player_open(struct player *p, struct str host)
{
	struct arena a;

	arena_init(&a, 1024);
	say(p, str_printf(&a, "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
			       "xmlns:stream='http://etherx.jabber.org/streams' version='1.0' "
			       "to='%.*s'>", STR_FMT(host)));
	arena_clear(&a);
}

/* The base 64 in the last item where that is the element wanted; else the null slice. */
static struct str last_data(struct player *p, struct str tag, struct arena *a)
{
	struct item *i = list_empty(&p->items) ? NULL
		: container_of(p->items.prev, struct item, link);
	struct str data = STR_NULL;

	if (!i || !str_starts(i->text, tag))
		return STR_NULL;
	ptrdiff_t from = str_find(i->text, '>');
	struct str text = str_skip(i->text, (size_t)from + 1);
	ptrdiff_t end = str_find(text, '<');
	if (end <= 0)
		return STR("");
	return base64_decode(a, str_head(text, (size_t)end), &data) ? data : STR_NULL;
}

static void forget_last(struct player *p)
{
	struct item *i = container_of(p->items.prev, struct item, link);

	list_del(&i->link);
	free(i);
}

static bool exchange(struct player *p, struct sasl_client *c, struct arena *a)
{
	struct str out, in;

	sasl_client_start(c, a, &out);
	struct str data = out.n ? base64_str(a, out) : STR("=");
	say(p, str_printf(a, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' "
			      "mechanism='%.*s'>%.*s</auth>",
			STR_FMT(sasl_mech_name(sasl_client_mech(c))), STR_FMT(data)));
	while (p->end && (in = last_data(p, STR("<challenge"), a)).p) {
		forget_last(p);
		if (sasl_client_next(c, in, a, &out) != SASL_CONTINUE)
			return false;
		say(p, str_printf(a, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
				      "%.*s</response>", STR_FMT(base64_str(a, out))));
	}
	in = last_data(p, STR("<success"), a);
	return !in.p || sasl_client_success(c, in, a) == SASL_DONE;
}

bool player_auth(struct player *p, enum sasl_mech_id mech, struct str user, struct str password)
{
	struct sasl_client *c = sasl_client_new(1u << mech, user, password, NULL, false, false);
	struct arena a;

	BUG_ON(!c);
	arena_init(&a, 1024);
	bool ok = exchange(p, c, &a);
	arena_clear(&a);
	sasl_client_free(&c);
	return ok && p->end;
}

static bool last_is(struct player *p, struct str start)
{
	return !list_empty(&p->items) &&
	       str_starts(container_of(p->items.prev, struct item, link)->text, start);
}

/* The address in <jid/> of the answer. */
static bool bound(struct player *p)
{
	struct str text = container_of(p->items.prev, struct item, link)->text;
	const char *at = memmem(text.p, text.n, "<jid>", 5);

	if (!at)
		return false;
	struct str jid = str_skip(text, (size_t)(at + 5 - text.p));
	jid = str_dup(&p->mem, str_head(jid, (size_t)str_find(jid, '<')));
	return jid_parse(jid, &p->mem, &p->jid);
}

static bool login(struct player *p, struct str host, enum sasl_mech_id mech, struct str user,
	struct str resource)
{
	struct arena a;

	arena_init(&a, 1024);
	player_connect(p);
	player_open(p, host);
	bool ok = player_auth(p, mech, user, user.n ? STR(PASSWORD) : STR_NULL) &&
		last_is(p, STR("<success"));
	if (ok) {
		player_open(p, host);
		say(p, str_printf(&a, "<iq type='set' id='bind'><bind xmlns='%.*s'>"
				       "<resource>%.*s</resource></bind></iq>",
				STR_FMT(xml_ns_str(NS_BIND)), STR_FMT(resource)));
		ok = bound(p);
	}
	if (ok)
		player_forget(p);
	arena_clear(&a);
	return ok;
}

bool player_login(struct player *p, struct jid j)
{
	return login(p, jid_domain(j), MECH_PLAIN, jid_local(j), jid_resource(j));
}

bool player_login_guest(struct player *p, struct str host)
{
	return login(p, host, MECH_ANONYMOUS, STR(""), STR(""));
}
