#include "core/settings.h"

#include "base/bug.h"
#include "base/digest.h"

#include <stdlib.h>

static struct str host_key(const struct map_node *n)
{
	return container_of(n, struct host, node)->domain;
}

/* What the domains of "*.example.org" end with. */
static struct str end_of(struct str name)
{
	return str_skip(name, strlen("*."));
}

static struct str wildcard_key(const struct map_node *n)
{
	return end_of(host_key(n));
}

static bool is_wildcard(struct str name)
{
	return str_starts(name, STR("*."));
}

/* ---- remote domains ---- */

/* A name on the list of allowed or blocked domains. */
struct listed {
	struct map_node node;
	struct str domain; /* as in struct peer_rules */
};

static struct str rules_key(const struct map_node *n)
{
	return container_of(n, struct peer_rules, node)->domain;
}

static struct str listed_key(const struct map_node *n)
{
	return container_of(n, struct listed, node)->domain;
}

/* "*.example.org" is kept as ".example.org", which is no domain and so in nobody's way. */
static struct str kept_name(struct settings *s, struct str name)
{
	return str_dup(&s->mem, is_wildcard(name) ? str_skip(name, strlen("*")) : name);
}

/* The entry of a domain, else of the closest one that it is within, else NULL. */
static const struct map_node *find_remote(const struct map *m, struct str domain)
{
	const struct map_node *n;
	ptrdiff_t label;

	if (!m->n)
		return NULL;
	n = map_get(m, domain);
	while (!n && (label = str_find(domain, '.')) >= 0) {
		n = map_get(m, str_skip(domain, (size_t)label));
		domain = str_skip(domain, (size_t)label + 1);
	}
	return n;
}

struct peer_rules *settings_add_peer(struct settings *s, struct str name)
{
	struct peer_rules *r = arena_alloc(&s->mem, sizeof *r);

	*r = s->peer_default;
	r->domain = kept_name(s, name);
	map_put(&s->peers, &r->node);
	return r;
}

static void list_peer(struct settings *s, struct map *m, struct str name)
{
	struct str kept = kept_name(s, name);

	if (map_get(m, kept))
		return;
	struct listed *l = arena_alloc(&s->mem, sizeof *l);
	*l = (struct listed){ .domain = kept };
	map_put(m, &l->node);
}

void settings_allow_peer(struct settings *s, struct str name)
{
	list_peer(s, &s->peers_allowed, name);
}

void settings_block_peer(struct settings *s, struct str name)
{
	list_peer(s, &s->peers_blocked, name);
}

const struct peer_rules *settings_peer(const struct settings *s, struct str domain)
{
	const struct map_node *n = find_remote(&s->peers, domain);

	return n ? container_of(n, struct peer_rules, node) : &s->peer_default;
}

bool settings_federates(const struct settings *s, const struct host *h, struct str domain)
{
	const struct host *home = h->home ? h->home : h;

	if (!s->federation || !home->federation)
		return false;
	if (s->peers_allowed.n && !find_remote(&s->peers_allowed, domain))
		return false;
	return !find_remote(&s->peers_blocked, domain);
}

/* ---- the snapshot ---- */

struct settings *settings_new(void)
{
	struct settings *s = xcalloc(1, sizeof *s);

	atomic_init(&s->refs, 1);
	arena_init(&s->mem, 4096);
	map_init(&s->hosts, host_key);
	map_init(&s->wildcards, wildcard_key);
	map_init(&s->peers, rules_key);
	map_init(&s->peers_allowed, listed_key);
	map_init(&s->peers_blocked, listed_key);
	s->components_end = &s->components;
	s->guest = scan_limits_guest;
	s->user = scan_limits_user;
	s->login_ms = 30 * 1000;
	s->max_out = 4 * 1024 * 1024;
	s->sessions_max = 32;
	s->roster_max = 5000;
	s->blocklist_max = 1000;
	s->push_max = 20;
	s->vcard_max = 128 * 1024;
	s->private_max = 1024 * 1024;
	s->resume_s = 600;
	s->unacked_max = 4 * 1024 * 1024;
	s->held_max = 256 * 1024;
	s->checks_per_second = 100;
	s->room_occupants_max = 5000;
	s->room_members_max = 20000;
	s->room_history_max = 100;
	s->room_rate = 50;
	s->bidi = true;
	s->peer_idle_ms = 600 * 1000;
	s->peer_connect_ms = 30 * 1000;
	s->peer_queue_max = 4 * 1024 * 1024;
	s->peer_queue_ms = 60 * 1000;
	s->peer_streams_max = 8;
	s->account_nodes = (struct node_limits){ .nodes = 1000, .items = 10000,
		.item_bytes = 256 * 1024, .subscriptions = 1000, .bytes = 64 * 1024 * 1024 };
	s->service_nodes = (struct node_limits){ .items = 1000000, .item_bytes = 256 * 1024,
		.subscriptions = 1000000 };
	s->node_rate = 100;
	s->peer_unacked_max = 4 * 1024 * 1024;
	return s;
}

static struct host *add(struct settings *s, struct str domain)
{
	struct host *h = arena_alloc(&s->mem, sizeof *h);

	*h = (struct host){ .domain = str_dup(&s->mem, domain), .federation = true };
	map_put(is_wildcard(domain) ? &s->wildcards : &s->hosts, &h->node);
	return h;
}

struct host *settings_add_host(struct settings *s, struct str domain)
{
	struct host *h = add(s, domain);

	h->hashes = (1u << DIGEST_COUNT) - 1;
	h->push_count = true;
	if (!s->first)
		s->first = h;
	return h;
}

static struct host *add_service(struct settings *s, struct host *home, enum service kind,
	struct str domain)
{
	struct host *h = add(s, domain);

	h->home = home;
	h->service = kind;
	h->archive = home->archive;
	h->makers = BY_ACCOUNTS;
	return h;
}

struct host *settings_add_rooms(struct settings *s, struct host *h, struct str domain)
{
	h->rooms = add_service(s, h, SERVICE_OF_ROOMS, domain);
	return h->rooms;
}

struct host *settings_add_nodes(struct settings *s, struct host *h, struct str domain)
{
	h->nodes = add_service(s, h, SERVICE_OF_NODES, domain);
	return h->nodes;
}

struct host *settings_add_component(struct settings *s, struct str name)
{
	struct host *h = add(s, name);

	h->component = arena_alloc(&s->mem, sizeof *h->component);
	*h->component = (struct component_rules){ .connections = 1, .queue_max = 1024 * 1024,
		.queue_ms = 30 * 1000 };
	*s->components_end = h;
	s->components_end = &h->next_component;
	return h;
}

struct host *settings_component(const struct settings *s, struct str name)
{
	struct map_node *n = is_wildcard(name) ? map_get(&s->wildcards, end_of(name))
					       : map_get(&s->hosts, name);
	struct host *h = n ? container_of(n, struct host, node) : NULL;

	return h && h->component ? h : NULL;
}

bool host_administers(const struct host *h, struct jid who)
{
	const struct host *home = h->home ? h->home : h;

	for (unsigned i = 0; i < home->n_admins; i++)
		if (jid_eq_bare(home->admins[i], who))
			return true;
	return false;
}

struct settings *settings_ref(struct settings *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void settings_unref(struct settings **p)
{
	struct settings *s = *p;

	*p = NULL;
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	if (s->tls)
		tls_config_unref(&s->tls);
	map_clear(&s->hosts);
	map_clear(&s->wildcards);
	map_clear(&s->peers);
	map_clear(&s->peers_allowed);
	map_clear(&s->peers_blocked);
	arena_clear(&s->mem);
	free(s);
}

struct host *settings_host(const struct settings *s, struct str domain)
{
	/* One host is by far the most common number of them. */
	if (str_eq(s->first->domain, domain))
		return s->first;
	struct map_node *n = map_get(&s->hosts, domain);
	ptrdiff_t label;

	/* The longest end that fits. */
	while (!n && s->wildcards.n && (label = str_find(domain, '.')) >= 0) {
		domain = str_skip(domain, (size_t)label + 1);
		n = map_get(&s->wildcards, domain);
	}
	return n ? container_of(n, struct host, node) : NULL;
}

struct host *settings_account_host(const struct settings *s, struct str domain)
{
	struct host *h = settings_host(s, domain);

	return h && !h->home && !h->component ? h : NULL;
}

struct host *settings_parent(const struct settings *s, struct str domain)
{
	struct host *h = NULL;
	ptrdiff_t label;

	while (!h && (label = str_find(domain, '.')) >= 0) {
		domain = str_skip(domain, (size_t)label + 1);
		h = settings_account_host(s, domain);
	}
	return h ? h : s->first;
}
