/* XEP-0441 Message Archive Management Preferences, version 0.2.0
 *
 * What the owner of an account wants archived: by default, and with whom always or never
 * (core/archive.h decides by it). Options: none. Stores: the preferences, in the account's data
 * (space `mam`: under the empty key the default, under a JID `always` or `never`). */
#include "core/archive.h"

#include "base/bug.h"
#include "core/module.h"

#define SPACE "mam"

static const struct str default_names[] = {
	[ARCHIVE_ALWAYS] = STR_INIT("always"),
	[ARCHIVE_NEVER] = STR_INIT("never"),
	[ARCHIVE_ROSTER] = STR_INIT("roster"),
};

static bool read_default(struct str name, enum archive_default *out)
{
	for (unsigned i = 0; i < sizeof default_names / sizeof default_names[0]; i++) {
		if (!str_eq(name, default_names[i]))
			continue;
		*out = (enum archive_default)i;
		return true;
	}
	return false;
}

/* ---- residence ---- */

static void load(struct account *a, struct str key, struct str bytes)
{
	enum archive_default d;
	struct jid j;

	if (!key.n && read_default(bytes, &d))
		archive_prefs_default(&a->archive_prefs, d);
	else if (jid_parse(key, &a->shard->loop.turn, &j))
		archive_prefs_add(&a->archive_prefs, j, str_eq(bytes, STR("never")));
}

static void unload(struct account *a)
{
	archive_prefs_free(&a->archive_prefs);
}

/* ---- get ---- */

static void write_list(struct writer *w, const struct archive_prefs *p, const char *name, bool never)
{
	w_open(w, name);
	for (uint32_t i = 0; p && i < p->n_rules; i++)
		if (p->rules[i].never == never)
			w_leaf(w, "jid", jid_str(p->rules[i].jid));
	w_close(w);
}

static enum outcome answer(struct ctx *c, const struct stanza *iq, const struct archive_prefs *p)
{
	struct writer w = reply_open(c, iq);

	w_open_ns(&w, "prefs", NS_MAM);
	w_attr(&w, "default", default_names[p ? p->by_default : ARCHIVE_ALWAYS]);
	write_list(&w, p, "always", false);
	write_list(&w, p, "never", true);
	w_close(&w);
	return reply_send(c, &w, iq);
}

static bool is_owner(const struct ctx *c, const struct stanza *iq)
{
	return c->account && jid_eq_bare(c->account->jid, iq->from);
}

static enum outcome on_get(struct ctx *c, const struct stanza *iq)
{
	if (!is_owner(c, iq))
		return refuse(c, iq, ERR_FORBIDDEN, STR(""));
	if (!archive_is_on(c->account))
		return refuse(c, iq, ERR_FEATURE_NOT_IMPLEMENTED, STR("there is no archive"));
	return answer(c, iq, c->account->archive_prefs);
}

/* ---- set ---- */

struct change {
	struct later *later;
	struct jid account; /* in the operation */
	struct archive_prefs *prefs; /* owned; come into force when they are stored */
};

static void stored(struct store_op *op, void *receiver)
{
	struct shard *s = receiver;
	struct change *ch = op->ctx;
	struct ctx c = later_ctx(ch->later);
	struct account *a = account_get(s, ch->account);

	if (op->status != STORE_OK) {
		refuse(&c, ch->later->iq, op->status == STORE_FULL ? ERR_RESOURCE_CONSTRAINT
								   : ERR_INTERNAL_SERVER_ERROR,
			STR(""));
	} else {
		answer(&c, ch->later->iq, ch->prefs);
		if (a) {
			archive_prefs_free(&a->archive_prefs);
			a->archive_prefs = ch->prefs;
			ch->prefs = NULL;
		}
	}
	if (a && a->archive_prefs)
		a->archive_prefs->changing = false;
	archive_prefs_free(&ch->prefs);
	later_free(&ch->later);
	store_op_free(op);
}

/* NULL or what is wrong with the list. */
static const char *read_list(struct ctx *c, const struct stanza *iq, enum xml_tag name,
	struct archive_prefs **out)
{
	struct arena *turn = &c->shard->loop.turn;
	const struct xml_node *list = xml_child(&iq->doc, stanza_payload(iq), NS_MAM, name);
	const struct xml_node *n = list ? xml_child(&iq->doc, list, NS_MAM, TAG_JID) : NULL;
	struct jid j;

	for (; n; n = xml_next_same(&iq->doc, n)) {
		if (!jid_parse(str_trim(xml_text(&iq->doc, n, turn)), turn, &j))
			return "a list has something that is no JID";
		if (!archive_prefs_add(out, j, name == TAG_NEVER))
			return "the lists are too long";
	}
	return NULL;
}

/* What the store must change to go from the old preferences, which it has by now, to the new
 * ones. */
static size_t changes(const struct archive_prefs *old, const struct archive_prefs *new,
	struct store_datum *out)
{
	size_t n = 0;

	for (uint32_t i = 0; old && i < old->n_rules; i++)
		out[n++] = (struct store_datum){ STR(SPACE), jid_str(old->rules[i].jid), STR("") };
	for (uint32_t i = 0; i < new->n_rules; i++)
		out[n++] = (struct store_datum){ STR(SPACE), jid_str(new->rules[i].jid),
			new->rules[i].never ? STR("never") : STR("always") };
	out[n++] = (struct store_datum){ STR(SPACE), STR(""), default_names[new->by_default] };
	return n;
}

static void store_prefs(struct ctx *c, const struct stanza *iq, struct archive_prefs *p)
{
	struct shard *s = c->shard;
	struct account *a = c->account;
	struct store_op *op = store_op_new(&s->loop.inbox, stored, sizeof(struct change));
	struct change *ch = op->ctx;
	struct store_datum *d = arena_alloc(&s->loop.turn,
		(2 * ARCHIVE_PREFS_MAX + 1) * sizeof *d);

	ch->later = later_new(c, iq);
	ch->account = jid_dup(&op->mem, a->jid);
	ch->prefs = p;
	if (!a->archive_prefs)
		archive_prefs_default(&a->archive_prefs, ARCHIVE_ALWAYS);
	a->archive_prefs->changing = true;
	store_set_data(s->core->store, op, jid_domain(a->jid), jid_local(a->jid), d,
		changes(a->archive_prefs, p, d));
}

static enum outcome on_set(struct ctx *c, const struct stanza *iq)
{
	struct archive_prefs *p = NULL;
	enum archive_default d;

	if (!is_owner(c, iq))
		return refuse(c, iq, ERR_FORBIDDEN, STR(""));
	if (!archive_is_on(c->account))
		return refuse(c, iq, ERR_FEATURE_NOT_IMPLEMENTED, STR("there is no archive"));
	if (!read_default(xml_attr_str(&iq->doc, stanza_payload(iq), TAG_DEFAULT,
				  &c->shard->loop.turn), &d))
		return refuse(c, iq, ERR_BAD_REQUEST, STR("the default is always, never or roster"));
	if (c->account->archive_prefs && c->account->archive_prefs->changing)
		return refuse(c, iq, ERR_RESOURCE_CONSTRAINT, STR("another change is being stored"));
	archive_prefs_default(&p, d);
	const char *fault = read_list(c, iq, TAG_ALWAYS, &p);
	if (!fault)
		fault = read_list(c, iq, TAG_NEVER, &p);
	if (fault) {
		archive_prefs_free(&p);
		return refuse(c, iq, ERR_BAD_REQUEST, str_c(fault));
	}
	store_prefs(c, iq, p);
	return LATER;
}

const struct module xep0441_preferences = {
	.name = "archive-preferences",
	.spec = "XEP-0441 0.2.0",
	.iq = (const struct iq_rule[]){
		{ IQ_GET, NS_MAM, TAG_PREFS, AT_OWN | AT_ACCOUNT, on_get },
		{ IQ_SET, NS_MAM, TAG_PREFS, AT_OWN | AT_ACCOUNT, on_set },
		{ 0 } },
	.space = SPACE,
	.load = load,
	.unload = unload,
};
