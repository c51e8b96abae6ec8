#include "core/push.h"

#include "base/bug.h"
#include "core/module.h"

#include <stdlib.h>

/* ---- registrations ---- */

struct str push_service(const struct push_target *t)
{
	return str_head(t->key, (size_t)str_find(t->key, '\n'));
}

struct str push_node(const struct push_target *t)
{
	return str_skip(t->key, push_service(t).n + 1);
}

/* No JID has a newline in it. */
struct str push_key(struct str service, struct str node, struct arena *a)
{
	return str_printf(a, "%.*s\n%.*s", STR_FMT(service), STR_FMT(node));
}

struct push_target *push_find(const struct push *p, struct str key)
{
	if (!p)
		return NULL;
	list_each(t, &p->targets, struct push_target, link)
		if (str_eq(t->key, key))
			return t;
	return NULL;
}

struct push_target *push_add(struct push *p, struct str key, struct str options)
{
	struct push_target *t = xcalloc(1, sizeof *t + key.n + options.n);
	char *text = (char *)(t + 1);

	BUG_ON(push_find(p, key));
	memcpy(text, key.p, key.n);
	if (options.n)
		memcpy(text + key.n, options.p, options.n);
	t->key = str_from(text, key.n);
	t->options = str_from(text + key.n, options.n);
	list_add(&p->targets, &t->link);
	p->n++;
	return t;
}

void push_drop(struct push *p, struct push_target *t)
{
	list_del(&t->link);
	p->n--;
	free(t);
}

struct str push_bytes(const struct push_target *t, struct arena *a)
{
	return str_printf(a, "%u%.*s", t->errors, STR_FMT(t->options));
}

void push_read(struct push *p, struct str key, struct str bytes)
{
	ptrdiff_t at = str_find(bytes, '<');
	size_t digits = at < 0 ? bytes.n : (size_t)at;
	uint64_t errors;

	if (str_find(key, '\n') <= 0 || push_find(p, key) ||
		!str_to_u64(str_head(bytes, digits), PUSH_ERRORS_MAX, &errors))
		return;
	push_add(p, key, str_skip(bytes, digits))->errors = (unsigned)errors;
}

/* ---- what is to be told ---- */

void push_count(struct push *p, const struct stanza *m)
{
	p->count++;
	push_release(p);
	p->last = stanza_ref(m);
}

void push_release(struct push *p)
{
	stanza_unref(&p->last);
}

void push_forget_due(struct push *p)
{
	timer_stop(&p->account->shard->loop.wheel, &p->timer);
	list_each(t, &p->targets, struct push_target, link)
		t->due = false;
	p->count = 0;
	push_release(p);
}

/* ---- storing ---- */

struct change {
	struct jid account;  /* in the operation */
	struct later *later; /* NULL: nobody has asked for it */
};

/* What is in memory is in force already; when it cannot be stored, it is loaded again. */
static void stored(struct store_op *op, void *receiver)
{
	struct change *ch = op->ctx;
	struct account *a = account_get(receiver, ch->account);

	if (op->status != STORE_OK && a)
		account_reload(a);
	if (ch->later) {
		struct ctx c = later_ctx(ch->later);
		if (op->status == STORE_OK)
			reply_ok(&c, ch->later->iq);
		else
			refuse(&c, ch->later->iq, op->status == STORE_FULL ?
				ERR_RESOURCE_CONSTRAINT : ERR_INTERNAL_SERVER_ERROR, STR(""));
		later_free(&ch->later);
	}
	store_op_free(op);
}

void push_store_changes(struct account *a, const struct store_datum *changes, size_t n,
	struct later *later)
{
	struct shard *s = a->shard;
	struct store_op *op = store_op_new(&s->loop.inbox, stored, sizeof(struct change));
	struct change *ch = op->ctx;

	ch->account = jid_dup(&op->mem, a->jid);
	ch->later = later;
	store_set_data(s->core->store, op, jid_domain(a->jid), jid_local(a->jid), changes, n);
}

void push_store(struct account *a, const struct push_target *t, struct later *later)
{
	struct store_datum d = { STR(PUSH_SPACE), t->key, push_bytes(t, &a->shard->loop.turn) };

	push_store_changes(a, &d, 1, later);
}

void push_remove(struct account *a, struct push_target *t)
{
	struct store_datum d = { STR(PUSH_SPACE), t->key, STR("") };

	push_store_changes(a, &d, 1, NULL);
	push_drop(a->push, t);
}

/* ---- what is worth a notice ---- */

static bool is_notable_child(const struct xml_doc *d, const struct xml_node *n)
{
	switch (n->ns) {
	case NS_CLIENT:
		return n->tag == TAG_BODY;
	case NS_EME:
		return n->tag == TAG_ENCRYPTION;
	case NS_OMEMO:
	case NS_AXOLOTL: /* without a payload it is but an exchange of keys */
		return n->tag == TAG_ENCRYPTED && xml_child(d, n, n->ns, TAG_PAYLOAD);
	case NS_OPENPGP:
		return n->tag == TAG_OPENPGP;
	case NS_X_ENCRYPTED:
	case NS_CONFERENCE:
		return n->tag == TAG_X;
	case NS_JINGLE_MESSAGE:
		return n->tag == TAG_PROPOSE;
	case NS_MUC_USER:
		return n->tag == TAG_X && xml_child(d, n, NS_MUC_USER, TAG_INVITE);
	default:
		return false;
	}
}

bool push_is_notable(const struct stanza *m)
{
	if (m->kind != STANZA_MESSAGE || m->type == MESSAGE_ERROR || m->type == MESSAGE_HEADLINE)
		return false;
	for (const struct xml_node *n = xml_first(&m->doc, stanza_root(m)); n; n = xml_next(&m->doc, n))
		if (is_notable_child(&m->doc, n))
			return true;
	return false;
}
