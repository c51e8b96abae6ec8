/* What somebody is to a room: affiliations, which last, and roles, which last for a visit
 * (XEP-0045 sections 5, 8, 9 and 10). The rules who may change what are in xmpp/muc.c.
 *
 * An entry of somebody who is nothing any more stays in memory, so that others can be told that he
 * is gone from the lists (XEP-0463). Such entries give way when the bound of members is reached. */
#include "core/room_private.h"

#include "base/bug.h"
#include "base/digest.h"

#include <stdlib.h>

/* Bytes of a message about an affiliation: an address and a reason, escaped. */
#define NEWS_MAX (6 * (JID_MAX + ROOM_REASON_MAX) + 1024)

/* ---- members ---- */

static struct str member_key(const struct map_node *n)
{
	return jid_str(container_of(n, struct member, node)->jid);
}

static struct str nick_key(const struct map_node *n)
{
	return str_c(container_of(n, struct member, by_nick)->nick);
}

void room_init_members(struct room *r)
{
	map_init(&r->members, member_key);
	map_init(&r->nicks, nick_key);
}

static void member_free(struct member *m)
{
	free(m->nick);
	free(m->reason);
	free(m);
}

void room_free_members(struct room *r)
{
	struct map_node *next;

	for (struct map_node *n = map_next(&r->members, NULL); n; n = next) {
		next = map_next(&r->members, n);
		member_free(container_of(n, struct member, node));
	}
	map_clear(&r->nicks);
	map_clear(&r->members);
}

struct member *room_member_new(struct room *r, struct jid bare)
{
	struct str text = jid_bare_str(bare);
	struct member *m = xcalloc(1, sizeof *m + text.n);

	m->jid = jid_bare(bare);
	m->jid.p = memcpy(m + 1, text.p, text.n);
	m->affiliation = AFFILIATION_NONE;
	map_put(&r->members, &m->node);
	return m;
}

static char *own(struct str s)
{
	return s.n ? strndup(s.p, s.n) : NULL;
}

void room_member_set_nick(struct room *r, struct member *m, struct str nick)
{
	if (m->nick)
		map_del(&r->nicks, &m->by_nick);
	free(m->nick);
	m->nick = own(nick);
	if (m->nick)
		map_put(&r->nicks, &m->by_nick);
}

struct member *room_member(const struct room *r, struct jid bare)
{
	struct map_node *n = map_get(&r->members, jid_bare_str(bare));

	return n ? container_of(n, struct member, node) : NULL;
}

struct member *room_nick_owner(const struct room *r, struct str nick)
{
	struct map_node *n = map_get(&r->nicks, nick);

	return n ? container_of(n, struct member, by_nick) : NULL;
}

bool room_nick_is_taken(const struct room *r, struct jid who, struct str nick)
{
	const struct member *m = room_nick_owner(r, nick);
	const struct occupant *o = room_occupant(r, nick);

	return (m && !jid_eq_bare(m->jid, who)) || (o && !jid_eq_bare(o->bare, who));
}

bool room_member_is_nothing(const struct member *m)
{
	return m->affiliation == AFFILIATION_NONE && m->role == ROLE_NONE && !m->nick;
}

/* Those who are nothing any more, unless the store may have to be told of it (again). */
static void forget_removed(struct room *r)
{
	struct map_node *next;

	if (r->writing || r->unsaved)
		return;
	for (struct map_node *n = map_next(&r->members, NULL); n; n = next) {
		struct member *m = container_of(n, struct member, node);
		next = map_next(&r->members, n);
		if (!room_member_is_nothing(m) || m->changed)
			continue;
		if (m->version > r->remembers)
			r->remembers = m->version;
		map_del(&r->members, n);
		member_free(m);
	}
}

bool room_has_place(struct room *r, uint32_t n)
{
	uint32_t max = r->shard->settings->room_members_max;

	if (r->members.n + n > max)
		forget_removed(r);
	return r->members.n + n <= max;
}

/* His entry, made where there is none. NULL: the bound is reached. */
static struct member *entry_of(struct room *r, struct jid bare)
{
	struct member *m = room_member(r, bare);

	if (m)
		return m;
	return room_has_place(r, 1) ? room_member_new(r, bare) : NULL;
}

static void changed(struct room *r, struct member *m)
{
	m->changed = true;
	r->members_changed = true;
}

/* ---- what somebody is ---- */

static enum affiliation listed(const struct room *r, struct jid bare)
{
	const struct member *m = room_member(r, bare);

	return m ? m->affiliation : AFFILIATION_NONE;
}

static struct jid domain_of(struct jid j)
{
	struct str domain = jid_domain(j);

	return (struct jid){ .p = domain.p, .n_domain = (uint16_t)domain.n };
}

enum affiliation room_affiliation(const struct room *r, struct jid bare)
{
	enum affiliation a = listed(r, bare);

	if (a == AFFILIATION_NONE && listed(r, domain_of(bare)) == OUTCAST) /* section 9.2 */
		return OUTCAST;
	return a;
}

enum affiliation room_power(const struct room *r, struct jid who)
{
	const struct host *h = room_host(r);

	return h && host_administers(h, who) ? OWNER : room_affiliation(r, who);
}

/* His highest role, whatever nicknames he has: rights are the bare JID's (section 8). */
static enum role role_of(const struct room *r, struct jid who)
{
	enum role role = ROLE_NONE;

	list_each(o, &r->in_order, struct occupant, link)
		if (o->role > role && jid_eq_bare(o->bare, who))
			role = o->role;
	return role;
}

uint32_t room_count(const struct room *r, enum affiliation a)
{
	uint32_t n = 0;

	for (struct map_node *at = map_next(&r->members, NULL); at; at = map_next(&r->members, at))
		n += container_of(at, struct member, node)->affiliation == a;
	return n;
}

/* By his affiliation. An administrator of the host enters even as an outcast. */
static enum role usual_role(const struct room *r, struct jid bare)
{
	enum affiliation a = room_affiliation(r, bare);

	return role_at_entry(a == OUTCAST ? AFFILIATION_NONE : a, r->config.moderated);
}

enum role room_role_at_entry(const struct room *r, struct jid bare)
{
	const struct member *m = room_member(r, bare);

	if (m && m->role != ROLE_NONE && r->config.moderated)
		return m->role;
	return usual_role(r, bare);
}

/* ---- who may do what ---- */

bool room_may_list(const struct room *r, struct jid who, enum affiliation a)
{
	enum affiliation power = room_power(r, who);
	enum role role = role_of(r, who);
	bool configured = (r->config.list_affiliations & 1u << power) ||
			  (role != ROLE_NONE && r->config.list_roles & 1u << role);

	switch (a) {
	case OUTCAST:
		return power >= ADMIN;
	case MEMBER: /* it shows JIDs, as moderators see them anyway */
		return power >= ADMIN ||
		       (configured && (r->config.anyone_sees_jids || role == MODERATOR));
	case ADMIN:
	case OWNER: /* sections 10.5 and 10.8 */
		return power == OWNER || (configured && r->config.anyone_sees_jids);
	default:
		return false;
	}
}

bool room_may_list_role(const struct room *r, struct jid who, enum role role)
{
	if (room_power(r, who) >= ADMIN)
		return true;
	return role < MODERATOR && role_of(r, who) == MODERATOR;
}

bool room_may_manage(const struct room *r, struct jid who)
{
	return room_power(r, who) >= ADMIN || role_of(r, who) == MODERATOR;
}

static enum stanza_error may_affiliate(const struct room *r, struct jid actor,
	const struct room_change *c)
{
	enum affiliation power = room_power(r, actor);
	enum affiliation from = c->to == OUTCAST ? room_power(r, c->whom) : listed(r, c->whom);

	if (power >= ADMIN && c->to == OUTCAST && jid_eq_bare(actor, c->whom))
		return ERR_CONFLICT; /* section 9.1 */
	return muc_may_affiliate(power, from, c->to);
}

enum stanza_error room_may_affiliate_all(const struct room *r, struct jid actor,
	const struct room_change *changes, size_t n)
{
	size_t gained = 0, lost = 0;

	for (size_t i = 0; i < n; i++) {
		enum stanza_error e = may_affiliate(r, actor, &changes[i]);
		bool is = listed(r, changes[i].whom) == OWNER, will = changes[i].to == OWNER;
		if (e != ERR_COUNT)
			return e;
		gained += will && !is;
		lost += is && !will;
	}
	/* Sections 10.4 and 10.5: an owner remains. */
	return lost && room_count(r, OWNER) + gained == lost ? ERR_CONFLICT : ERR_COUNT;
}

enum stanza_error room_may_affiliate(const struct room *r, struct jid actor, struct jid whom,
	enum affiliation to)
{
	return room_may_affiliate_all(r, actor, &(struct room_change){ whom, to }, 1);
}

enum stanza_error room_may_change_role(const struct room *r, struct jid actor,
	const struct occupant *whom, enum role to)
{
	const struct seat *seat = room_seat(r, actor);

	if (to == ROLE_NONE && seat && seat->occupant == whom)
		return ERR_CONFLICT; /* section 8.2 */
	return muc_may_change_role(
		(struct muc_standing){ room_power(r, actor), role_of(r, actor) },
		(struct muc_standing){ room_power(r, whom->bare), whom->role }, to);
}

/* ---- roles ---- */

static void remove_for(struct occupant *o, enum muc_status why, struct jid actor,
	struct str reason)
{
	room_remove(o, &(struct leaving){ .codes = { why }, .n_codes = 1, .actor = actor,
		.reason = reason });
}

/* Section 5.1: what a moderator decided in a moderated room holds for the next visit too. Where no
 * place is left for that, it holds for this one. */
static void keep_role(const struct occupant *o)
{
	struct room *r = o->room;
	bool usual = o->role == usual_role(r, o->bare);
	enum role kept = usual || !r->config.moderated ? ROLE_NONE : o->role;
	struct member *m = kept == ROLE_NONE ? room_member(r, o->bare) : entry_of(r, o->bare);

	if (!m || m->role == kept)
		return;
	m->role = kept;
	changed(r, m);
}

void room_change_role(struct occupant *o, enum role to, struct jid actor, struct str reason)
{
	if (to == ROLE_NONE) {
		remove_for(o, STATUS_KICKED, actor, reason);
		return;
	}
	if (o->role == to)
		return;
	o->role = to;
	keep_role(o);
	room_show_again(o, actor, reason);
}

/* ---- versions of the affiliations (XEP-0463) ---- */

/* The number, a dash, and what makes it the room's own and no guess. */
static struct str version_text(const struct room *r, uint64_t version)
{
	struct arena *turn = &r->shard->loop.turn;
	struct str key = str_from((const char *)r->key, sizeof r->key);
	struct str number = str_printf(turn, "%llu", (unsigned long long)version);
	uint8_t mac[DIGEST_MAX];
	uint64_t mark;

	digest_hmac(DIGEST_SHA256, key, str_printf(turn, "mav:%.*s", STR_FMT(number)), mac);
	memcpy(&mark, mac, sizeof mark);
	return str_printf(turn, "%.*s-%016llx", STR_FMT(number), (unsigned long long)mark);
}

void room_write_version(const struct room *r, struct writer *w, const uint64_t *since,
	uint64_t until)
{
	w_open_ns(w, "mav", NS_AFFILIATIONS);
	if (since)
		w_attr(w, "since", version_text(r, *since));
	w_attr(w, "until", version_text(r, until));
	w_close(w);
}

bool room_parse_version(const struct room *r, struct str text, uint64_t *out)
{
	ptrdiff_t dash = str_find(text, '-');

	return dash > 0 && str_to_u64(str_head(text, (size_t)dash), r->version, out) &&
	       str_eq(text, version_text(r, *out));
}

/* ---- affiliations ---- */

/* XML about somebody who is not in the room (sections 9 and 10, example 176). code: for himself; or
 * 0. */
static struct str news_of(const struct room *r, const struct member *m, struct str reason,
	unsigned code)
{
	struct buf b;

	buf_init(&b, NEWS_MAX);
	struct writer w = w_on(&b);
	w_open_ns(&w, "x", NS_MUC_USER);
	w_open(&w, "item");
	w_attr(&w, "affiliation", affiliation_name(m->affiliation));
	w_attr(&w, "jid", jid_str(m->jid));
	w_attr(&w, "role", role_name(ROLE_NONE));
	if (reason.n)
		w_leaf(&w, "reason", reason);
	w_close(&w);
	if (code) {
		w_open(&w, "status");
		w_attr_u64(&w, "code", code);
		w_close(&w);
	} else {
		room_write_version(r, &w, &r->told, r->version);
	}
	w_close(&w);
	BUG_ON(!w_done(&w));
	struct str xml = str_dup(&r->shard->loop.turn, buf_str(&b));
	buf_clear(&b);
	return xml;
}

/* The message has his JID. */
static bool sees_jids(const struct occupant *o)
{
	return room_shows_jids(o->room, o);
}

/* So that nobody has a room write to people without end. */
static bool has_notices_left(struct room *r)
{
	uint64_t now = r->shard->loop.now;

	if (now - r->notices_ms >= ROOM_NOTICES_MS) {
		r->notices_ms = now;
		r->n_notices = 0;
	}
	return r->n_notices++ < ROOM_NOTICES_MAX;
}

/* Section 18.1: somebody whom others have changed is told too, out of courtesy. */
static void tell_of_absent(struct room *r, const struct member *m, struct jid actor,
	struct str reason)
{
	bool by_others = jid_is_set(actor) && !jid_eq_bare(m->jid, actor);

	room_tell_some(r, NULL, news_of(r, m, reason, 0), sees_jids);
	if (by_others && m->jid.n_local && has_notices_left(r))
		room_tell_one(r, m->jid, news_of(r, m, reason, STATUS_AFFILIATION_CHANGED));
}

/* One who is in the room, and whose affiliation was `from`. */
static void follow(struct occupant *o, enum affiliation from, struct jid actor, struct str reason)
{
	struct room *r = o->room;
	enum affiliation to = room_affiliation(r, o->bare);

	if (to == OUTCAST) {
		remove_for(o, STATUS_BANNED, actor, reason);
	} else if (r->config.members_only && room_power(r, o->bare) < MEMBER) {
		remove_for(o, STATUS_AFFILIATION_LOST, actor, reason);
	} else {
		o->role = muc_role_after(from, to, o->role, r->config.moderated);
		room_show_again(o, actor, reason);
	}
}

/* Who of a domain that is banned now is in the room. */
static void remove_domain(struct room *r, struct jid domain, struct jid actor, struct str reason)
{
	list_each_safe(o, &r->in_order, struct occupant, link)
		if (o->bare.n_local && str_eq(jid_domain(o->bare), jid_str(domain)) &&
			room_affiliation(r, o->bare) == OUTCAST)
			remove_for(o, STATUS_BANNED, actor, reason);
}

static void set_affiliation(struct room *r, struct member *m, enum affiliation to,
	struct str reason)
{
	m->affiliation = to;
	m->role = ROLE_NONE;
	m->version = ++r->version;
	free(m->reason);
	m->reason = own(reason);
	if (to < MEMBER) /* section 9.1 */
		room_member_set_nick(r, m, STR_NULL);
	changed(r, m);
}

bool room_affiliate(struct room *r, struct jid whom, enum affiliation to, struct jid actor,
	struct str reason)
{
	enum affiliation from = listed(r, whom);
	bool is_here = false;

	BUG_ON(reason.n > ROOM_REASON_MAX);
	if (from == to)
		return true;
	struct member *m = entry_of(r, whom);
	if (!m)
		return false;
	set_affiliation(r, m, to, reason);
	list_each_safe(o, &r->in_order, struct occupant, link) {
		if (!jid_eq_bare(o->bare, m->jid))
			continue;
		is_here = true;
		follow(o, from, actor, reason);
	}
	if (to == OUTCAST && !m->jid.n_local)
		remove_domain(r, m->jid, actor, reason);
	if (!is_here)
		tell_of_absent(r, m, actor, reason);
	r->told = r->version;
	return true;
}

bool room_register_nick(struct room *r, struct jid whom, struct str nick)
{
	struct member *m = nick.n ? entry_of(r, whom) : room_member(r, whom);

	if (!m)
		return !nick.n;
	if (m->nick ? str_eq(str_c(m->nick), nick) : !nick.n)
		return true;
	room_member_set_nick(r, m, nick);
	changed(r, m);
	return true;
}

/* ---- configuration ---- */

/* The room is moderated now, or is no more: he has the role that he would enter with. False: as
 * before. */
static bool change_voice(struct occupant *o)
{
	enum role now = room_role_at_entry(o->room, o->bare);

	if (o->role == MODERATOR || o->role == now)
		return false;
	o->role = now;
	return true;
}

static void apply(struct room *r, const struct room_config *before)
{
	const struct room_config *now = &r->config;
	bool closed = now->members_only && !before->members_only;

	list_each_safe(o, &r->in_order, struct occupant, link) {
		bool again = now->moderated != before->moderated && change_voice(o);
		if (closed && room_power(r, o->bare) < MEMBER)
			remove_for(o, STATUS_MEMBERS_ONLY, (struct jid){ 0 }, STR_NULL);
		else if (again || o->told != room_is_shown(o))
			room_show_again(o, (struct jid){ 0 }, STR_NULL);
	}
}

void room_configure(struct room *r, struct room_config *c)
{
	struct room_config before = r->config;
	enum muc_status codes[ROOM_CONFIG_CODES];

	r->config = *c;
	*c = (struct room_config){ 0 };
	r->row_changed = true;
	apply(r, &before);
	size_t n = room_config_codes(&before, &r->config, codes);
	if (n && !r->locked)
		room_tell_codes(r, codes, n);
	room_config_clear(&before);
}
