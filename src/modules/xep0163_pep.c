/* XEP-0163 Personal Eventing Protocol, version 1.2.2: what presence and capabilities have to do
 * with the nodes of an account.
 *
 * Of each resource whose presence has reached an account, it is remembered which nodes it wants
 * ("+notify" in its entity capabilities, core/caps.h). Those are told of what happens at a node
 * (module.node_recipients), where they may be: node_may_notify() asks for the subscription to
 * the presence, the access model and the block list. Who comes anew is told the last items of
 * the nodes that it wants, and who changes its capabilities those of the nodes that it wants
 * besides. Presence of contacts comes to accounts without sessions too; what they know is lost
 * when they leave memory, and asked for again when the next event is to go out.
 *
 * What comes anew: with an account that has asked its contacts for their presence, who was not
 * there. With another one, a resource of ours says whether it was there before, and the server
 * of another one sends a probe with its first presence. Answers to our own probes are addressed
 * to a resource; who sends them has been told when it came.
 *
 * Who says when it was here last (XEP-0312 0.3: <ago/> in its first presence) gets all items
 * since then in place of the last one.
 *
 * Who sends presence without any subscription is heard too, at nodes that are open (XEP-0060
 * section 9.1.3), if it is for the account and not for a resource, which occupants of rooms do
 * not know; and if the shard knows its capabilities, as a question would tell a stranger that
 * there is the account.
 *
 * Left out: XEP-0256 as another way to learn that (section 4.3.4, optional). Options: none.
 * Stores: nothing. Bounds: PEP_KNOWN_MAX resources of an account, of them PEP_STRANGERS_MAX
 * without a subscription; more are sent nothing that they are not subscribed to. */
#include "base/clock.h"
#include "base/hash.h"
#include "core/block.h"
#include "core/caps.h"
#include "core/node.h"
#include "core/presence.h"

#include <stdlib.h>

#define PEP_KNOWN_MAX     5000
#define PEP_STRANGERS_MAX 100
#define SECOND_US         UINT64_C(1000000)

/* As bits. */
enum known_flags {
	CLAIMED = 1,  /* its presence has shown capabilities */
	WAITS = 2,    /* which nodes they stand for is being asked */
	OWED = 4,     /* last items, when that is known */
	PROBED = 8,   /* its server has asked for the account's presence */
	SEES = 16,    /* it is subscribed to the account's presence */
	STRANGER = 32 /* there is no subscription at all */
};

/* One resource. There may be very many: small, and one block. */
struct known {
	struct caps *caps;   /* what it wants; NULL: nothing, or it is not known */
	uint32_t claim;      /* hash of what its presence shows */
	uint32_t since;      /* when it was here last, in seconds of the wall clock; 0: not known */
	uint16_t n_local, n_domain, n_resource;
	uint8_t flags;
	char text[];         /* its address */
};

/* All that an account knows. */
struct pep {
	struct known **all;  /* in byte order of their addresses */
	uint32_t n, cap, n_strangers;
};

/* ---- who is known ---- */

static struct jid known_jid(const struct known *k)
{
	return (struct jid){ k->text, k->n_local, k->n_domain, k->n_resource };
}

/* Where it stands, or would. */
static uint32_t place(const struct pep *p, struct str text)
{
	uint32_t lo = 0, hi = p ? p->n : 0;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (str_cmp(jid_str(known_jid(p->all[mid])), text) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct known *find(const struct account *a, struct jid who)
{
	uint32_t i = place(a->pep, jid_str(who));

	return a->pep && i < a->pep->n && jid_eq(known_jid(a->pep->all[i]), who) ? a->pep->all[i] :
										  NULL;
}

static void set_flag(struct known *k, enum known_flags flag, bool on)
{
	k->flags = (uint8_t)(on ? k->flags | flag : k->flags & ~flag);
}

static bool is_stranger(const struct account *a, struct jid who)
{
	const struct contact *c = roster_find(&a->roster, jid_bare(who));

	return !jid_eq_bare(a->jid, who) && (!c || !c->subscription);
}

static void set_stranger(struct account *a, struct known *k)
{
	bool before = k->flags & STRANGER, now = is_stranger(a, known_jid(k));

	if (before == now)
		return;
	set_flag(k, STRANGER, now);
	a->pep->n_strangers += now ? 1 : (uint32_t)-1;
}

static struct known *known_new(struct jid who)
{
	struct str text = jid_str(who);
	struct known *k = xmalloc(sizeof *k + text.n);

	*k = (struct known){ .n_local = who.n_local, .n_domain = who.n_domain,
		.n_resource = who.n_resource };
	memcpy(k->text, text.p, text.n);
	return k;
}

/* NULL: there is no room for it. */
static struct known *add(struct account *a, struct jid who)
{
	if (!a->pep)
		a->pep = xcalloc(1, sizeof *a->pep);
	struct pep *p = a->pep;
	uint32_t i = place(p, jid_str(who));
	if (p->n >= PEP_KNOWN_MAX ||
		(p->n_strangers >= PEP_STRANGERS_MAX && is_stranger(a, who)))
		return NULL;
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap + p->cap / 2 : 4;
		p->all = xrealloc(p->all, p->cap * sizeof(struct known *));
	}
	memmove(p->all + i + 1, p->all + i, (p->n++ - i) * sizeof(struct known *));
	p->all[i] = known_new(who);
	set_stranger(a, p->all[i]);
	set_flag(p->all[i], SEES, account_may_see(a, who));
	return p->all[i];
}

static void forget_at(struct account *a, uint32_t i)
{
	struct pep *p = a->pep;
	struct known *k = p->all[i];

	if (k->flags & STRANGER)
		p->n_strangers--;
	caps_unref(&k->caps);
	free(k);
	memmove(p->all + i, p->all + i + 1, (--p->n - i) * sizeof(struct known *));
}

/* Nobody is there any more. */
static void shrink(struct account *a)
{
	if (!a->pep || a->pep->n)
		return;
	free(a->pep->all);
	free(a->pep);
	a->pep = NULL;
}

static void forget(struct account *a, struct known *k)
{
	forget_at(a, place(a->pep, jid_str(known_jid(k))));
	shrink(a);
}

/* An address, and (of a bare one) its resources: what stands between them is of others. */
static void forget_all_of(struct account *a, struct jid who)
{
	for (uint32_t i = place(a->pep, jid_str(who)); a->pep && i < a->pep->n;) {
		struct jid j = known_jid(a->pep->all[i]);
		if (!str_starts(jid_str(j), jid_str(who)))
			break;
		if (jid_eq(j, who) || (jid_is_bare(who) && jid_eq_bare(j, who)))
			forget_at(a, i);
		else
			i++;
	}
	shrink(a);
}

/* ---- last items (section 4.3.4) ---- */

struct telling {
	struct nodes_waiter waiter;
	struct jid account, to;      /* texts behind the struct */
	struct caps *caps, *old;     /* it wants these nodes, but those: counted, or NULL */
	uint64_t since_us;           /* all since then; 0: the last one */
};

static bool is_owed(const struct node *n, struct jid to)
{
	return n->config.send_last == LAST_ON_SUB_AND_PRESENCE && node_may_notify(n, to);
}

/* What it did not want before. A name longer than that of any node names none. */
static bool is_new_wish(const struct caps *old, struct str node)
{
	return node.n <= STORE_NODE_NAME_MAX && !caps_wants(old, node);
}

static void tell_one(struct node *n, const struct telling *t)
{
	if (t->since_us && n->config.persist_items && node_may_notify(n, t->to))
		node_tell_since(n, t->to, t->since_us);
	else if (is_owed(n, t->to))
		node_tell_last(n, t->to, NULL);
}

/* The nodes are loaded, as far as they could be. Who has gone meanwhile is told nothing. */
static void tell(struct nodes_waiter *w, struct shard *s, enum store_status status)
{
	struct telling *t = container_of(w, struct telling, waiter);

	for (unsigned i = 0; i < t->caps->n; i++) {
		const struct account *a = account_get(s, t->account);
		struct str name = t->caps->nodes[i];
		if (!a || !find(a, t->to))
			break;
		struct node *n = is_new_wish(t->old, name) ? node_get(s, t->account, name) : NULL;
		if (n)
			tell_one(n, t);
	}
	caps_unref(&t->caps);
	caps_unref(&t->old);
	free(t);
}

static struct telling *telling_new(const struct account *a, const struct known *k, struct caps *old)
{
	struct str own = jid_str(a->jid), to = jid_str(known_jid(k));
	struct telling *t = xcalloc(1, sizeof *t + own.n + to.n);
	char *text = (char *)(t + 1);

	t->waiter.run = tell;
	t->account = a->jid;
	t->account.p = memcpy(text, own.p, own.n);
	t->to = known_jid(k);
	t->to.p = memcpy(text + own.n, to.p, to.n);
	t->caps = caps_ref(k->caps);
	t->old = caps_ref(old);
	t->since_us = k->since * SECOND_US;
	return t;
}

/* Of the nodes that it wants and did not want before. All are looked for at once. */
static void tell_last_items(struct account *a, const struct known *k, struct caps *old)
{
	struct shard *s = a->shard;
	size_t n = 0;

	if (!k->caps || k->caps == old)
		return;
	struct str *names = arena_alloc(&s->loop.turn, k->caps->n * sizeof *names);
	for (unsigned i = 0; i < k->caps->n; i++)
		if (is_new_wish(old, k->caps->nodes[i]))
			names[n++] = k->caps->nodes[i];
	if (n)
		nodes_wait(s, a->jid, names, n, &telling_new(a, k, old)->waiter);
}

/* ---- what they want ---- */

/* Which nodes the capabilities of a resource stand for is known. */
static void settle(struct account *a, struct known *k, struct caps *caps)
{
	struct caps *old = k->caps;
	bool owed = k->flags & OWED;

	k->caps = caps_ref(caps);
	set_flag(k, WAITS, false);
	set_flag(k, OWED, false);
	if (owed)
		tell_last_items(a, k, old);
	caps_unref(&old);
}

/* What an answer is for: behind it stand the account and the resource. */
struct memo {
	uint32_t claim;
	uint32_t n_account;
};

static struct str write_memo(const struct account *a, const struct known *k)
{
	struct arena *turn = &a->shard->loop.turn;
	struct str own = jid_str(a->jid), who = jid_str(known_jid(k));
	const struct memo head = { k->claim, (uint32_t)own.n };
	char *p = arena_alloc(turn, sizeof head + own.n + who.n);

	memcpy(p, &head, sizeof head);
	memcpy(p + sizeof head, own.p, own.n);
	memcpy(p + sizeof head + own.n, who.p, who.n);
	return str_from(p, sizeof head + own.n + who.n);
}

/* One that has gone, or shows something else by now, waits for this no more. One that wants
 * nothing is kept, so that it is not asked again each time that its presence changes. */
static void caps_came(struct shard *s, struct str memo, struct caps *caps)
{
	struct arena *turn = &s->loop.turn;
	struct memo head;
	struct jid account, who;

	memcpy(&head, memo.p, sizeof head);
	struct str texts = str_skip(memo, sizeof head);
	if (!jid_parse(str_head(texts, head.n_account), turn, &account) ||
		!jid_parse(str_skip(texts, head.n_account), turn, &who))
		return;
	struct account *a = account_get(s, account);
	struct known *k = a ? find(a, who) : NULL;
	if (k && (k->flags & WAITS) && k->claim == head.claim)
		settle(a, k, caps);
}

/* A stranger is asked nothing: that would tell that there is the account. */
static void ask(struct account *a, struct known *k, const struct caps_claim *claim, struct str node)
{
	const struct caps_question q = { .from = a->jid, .client = known_jid(k), .claim = claim,
		.node = node, .done = caps_came, .memo = write_memo(a, k) };
	struct caps *caps;

	set_flag(k, WAITS, true);
	if (k->flags & STRANGER)
		caps_are_known(a->shard, claim, &caps);
	else if (!caps_of(a->shard, &q, &caps))
		return;
	settle(a, k, caps);
	if (!caps)
		forget(a, k);
	else
		caps_unref(&caps);
}

/* ---- presence ---- */

static bool is_of_ours(const struct account *a, struct jid who)
{
	return settings_host(a->shard->settings, jid_domain(who)) != NULL;
}

/* k: what is known of it, or NULL. */
static bool comes_anew(const struct account *a, const struct stanza *presence, struct jid to,
	const struct known *k)
{
	if (!jid_is_bare(to) || (k && (k->flags & CLAIMED)))
		return false;
	if (a->contacts_asked)
		return true;
	return is_of_ours(a, presence->from) ? !presence->update : k && (k->flags & PROBED);
}

/* XEP-0312 section 2. */
static uint32_t read_since(struct account *a, const struct stanza *presence)
{
	struct arena *turn = &a->shard->loop.turn;
	const struct xml_node *ago = xml_child(&presence->doc, stanza_root(presence), NS_AGO, TAG_AGO);
	int64_t now = (int64_t)(clock_wall_us() / SECOND_US), secs;

	if (!ago || !str_to_i64(xml_attr_str(&presence->doc, ago, TAG_SECS, turn), 0, now - 1, &secs))
		return 0;
	return (uint32_t)(now - secs);
}

/* Presence that shows nothing leaves all as it was (XEP-0115 section 8.4). */
static void comes(struct account *a, const struct stanza *presence, bool anew)
{
	struct caps_claim claim;
	struct str node;
	struct known *k = find(a, presence->from);

	caps_read(&presence->doc, stanza_root(presence), &a->shard->loop.turn, &claim, &node);
	uint32_t hash = (uint32_t)hash_keyed(caps_claim_str(&claim));
	bool claimed = k && (k->flags & CLAIMED);
	if (claim.kind == CAPS_UNSAID || (claimed && k->claim == hash))
		return;
	if (!k && !(k = add(a, presence->from)))
		return;
	k->claim = hash;
	set_flag(k, CLAIMED, true);
	if (anew || claimed)
		set_flag(k, OWED, true);
	k->since = anew ? read_since(a, presence) : 0;
	ask(a, k, &claim, node);
}

/* Of who shares presence, and of strangers who mean the account itself. */
static bool is_heard(const struct account *a, const struct stanza *presence, struct jid to)
{
	return jid_is_bare(to) || !is_stranger(a, presence->from);
}

/* A contact of another server comes: with this, or with the presence that is going to follow. */
static void on_probe(struct account *a, const struct stanza *probe)
{
	const struct contact *c = roster_find(&a->roster, jid_bare(probe->from));
	struct known *k = find(a, probe->from);

	if (a->contacts_asked || is_of_ours(a, probe->from) || !c || !(c->subscription & SUB_TO) ||
		(k && (k->flags & PROBED)))
		return;
	if (!k && !(k = add(a, probe->from)))
		return;
	set_flag(k, PROBED, true);
	if (k->flags & WAITS)
		set_flag(k, OWED, true);
	else
		tell_last_items(a, k, NULL);
}

static void presence_arrived(struct account *a, struct stanza *presence, struct jid to)
{
	if (!jid_is_set(presence->from))
		return;
	switch ((enum stanza_type)presence->type) {
	case PRESENCE_AVAILABLE:
		if (is_heard(a, presence, to))
			comes(a, presence, comes_anew(a, presence, to, find(a, presence->from)));
		break;
	case PRESENCE_UNAVAILABLE:
	case PRESENCE_ERROR:
		forget_all_of(a, presence->from);
		break;
	case PRESENCE_PROBE:
		on_probe(a, presence);
		break;
	default:
		break;
	}
}

/* ---- what changes who may be told ---- */

/* Who is subscribed from now on is told the last items (section 4.3.4). */
static void look_again(struct account *a, struct known *k)
{
	bool saw = k->flags & SEES, sees = account_may_see(a, known_jid(k));

	set_stranger(a, k);
	set_flag(k, SEES, sees);
	if (saw || !sees)
		return;
	if (k->flags & WAITS)
		set_flag(k, OWED, true);
	else
		tell_last_items(a, k, NULL);
}

static void contact_changed(struct account *a, struct jid contact)
{
	if (is_stranger(a, contact)) {
		forget_all_of(a, contact);
		return;
	}
	for (uint32_t i = place(a->pep, jid_str(contact)); a->pep && i < a->pep->n; i++) {
		struct known *k = a->pep->all[i];
		if (!str_starts(jid_str(known_jid(k)), jid_str(contact)))
			break;
		if (jid_eq_bare(known_jid(k), contact))
			look_again(a, k);
	}
}

/* That it goes would not be heard. */
static void blocked(struct account *a)
{
	for (uint32_t i = 0; a->pep && i < a->pep->n;) {
		if (account_blocks(a, known_jid(a->pep->all[i])))
			forget_at(a, i);
		else
			i++;
	}
	shrink(a);
}

static void unload(struct account *a)
{
	while (a->pep && a->pep->n)
		forget_at(a, a->pep->n - 1);
	shrink(a);
	a->contacts_asked = false;
}

/* ---- events ---- */

/* An account without sessions, or whose sessions were there before it was loaded, does not
 * know who is there. Who answers comes anew, and so gets this event as the last item: after
 * those who are known. */
static void learn(struct account *a)
{
	list_each(s, &a->sessions, struct session, link)
		if (session_is_available(s))
			comes(a, s->presence, true);
	presence_ask_contacts(a);
}

static void node_recipients(struct node *n, struct recipients *to)
{
	struct account *a = node_account(n);

	if (!a)
		return;
	for (uint32_t i = 0; a->pep && i < a->pep->n; i++)
		if (caps_wants(a->pep->all[i]->caps, n->name))
			recipients_add(to, jid_dup(&a->shard->loop.turn, known_jid(a->pep->all[i])));
	if (!a->contacts_asked)
		learn(a);
}

/* ---- discovery (section 6; for the host XEP-0222 section 5) ---- */

static void disco(struct ctx *c, struct writer *w)
{
	if (c->host->service != NO_SERVICE)
		return;
	w_open(w, "identity");
	w_attr(w, "category", STR("pubsub"));
	w_attr(w, "type", STR("pep"));
	w_close(w);
}

const struct module xep0163_pep = {
	.name = "pep",
	.spec = "XEP-0163 1.2.2",
	.unload = unload,
	.account_features = (const char *const[]){ "http://jabber.org/protocol/pubsub#since", NULL },
	.disco = disco,
	.contact_changed = contact_changed,
	.blocked = blocked,
	.presence_arrived = presence_arrived,
	.node_recipients = node_recipients,
};
