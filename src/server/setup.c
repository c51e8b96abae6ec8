/* Starting: folders, sockets, privileges, stores, settings. */
#include "server/server.h"

#include "base/bug.h"
#include "base/digest.h"
#include "core/archive.h"
#include "core/client.h"
#include "core/component.h"
#include "core/peer.h"
#include "core/sm.h"
#include "modules/table.h"
#include "net/ascii.h"
#include "net/dns.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE_READERS     2
#define JOBS_WAITING_MAX  10000
#define SECRET_FILE       "secret"

static const char *path_in(struct arena *a, struct str folder, const char *name)
{
	return str_printf(a, "%.*s/%s", STR_FMT(folder), name).p;
}

static bool failed(const char *what, const char *path)
{
	log_error(NULL, what, F_C("path", path), F_C("error", strerror(errno)));
	return false;
}

/* ---- folders and privileges ---- */

static const struct passwd *wanted_user(const struct server *s)
{
	if (geteuid() != 0 || !s->config->user.n)
		return NULL;
	return getpwnam(s->config->user.p);
}

/* The data folder is the server's alone. As root it is given to the user that the server
 * becomes, when it is made. */
bool server_make_folders(struct server *s)
{
	const char *dir = s->config->data_dir.p;
	const struct passwd *pw = wanted_user(s);

	if (geteuid() == 0 && s->config->user.n && !pw) {
		log_error(NULL, "user", F_STR("name", s->config->user),
			F_C("error", "there is no such user"));
		return false;
	}
	if (mkdir(dir, 0700) != 0) {
		if (errno != EEXIST)
			return failed("data_folder", dir);
		return true;
	}
	if (pw && chown(dir, pw->pw_uid, pw->pw_gid) != 0)
		return failed("data_folder", dir);
	return true;
}

static bool become(const struct passwd *pw)
{
	if (initgroups(pw->pw_name, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 ||
		setuid(pw->pw_uid) != 0)
		return false;
	if (setuid(0) == 0)
		BUG("privileges came back");
	return true;
}

bool server_drop_privileges(struct server *s)
{
	const struct passwd *pw = wanted_user(s);

	if (geteuid() != 0)
		return true;
	if (!pw) {
		log_warn(NULL, "root", F_C("advice", "set the option `user` to give up privileges"));
		return true;
	}
	if (!become(pw))
		return failed("drop_privileges", pw->pw_name);
	log_info(NULL, "privileges_dropped", F_C("user", pw->pw_name));
	return true;
}

/* ---- modules of others ---- */

static bool load_modules(struct server *s, struct arena *a, struct str *errors)
{
	struct loaded_modules m;

	if (!modules_load(s->config, s->config_file ? s->config_file : "built-in", &m, a, errors))
		return false;
	s->extensions = extensions_new(&m, modules);
	return true;
}

bool server_load(struct server *s)
{
	struct arena a;
	struct str errors;

	arena_init(&a, 4096);
	bool ok = load_modules(s, &a, &errors);
	for (struct str rest = errors; rest.n;) {
		ptrdiff_t n = str_find(rest, '\n');
		log_error(NULL, "module", F_STR("error", str_head(rest, (size_t)n)));
		rest = str_skip(rest, (size_t)n + 1);
	}
	arena_clear(&a);
	return ok;
}

bool server_check_modules(struct server *s)
{
	const struct passwd *pw = s->config->n_modules ? wanted_user(s) : NULL;
	struct arena a;
	struct str errors;

	if (pw && !become(pw)) {
		fprintf(stderr, "stentord: cannot become %s: %s\n", pw->pw_name, strerror(errno));
		return false;
	}
	arena_init(&a, 4096);
	bool ok = load_modules(s, &a, &errors);
	fprintf(stderr, "%.*s", STR_FMT(errors));
	if (ok)
		extensions_free(&s->extensions);
	arena_clear(&a);
	return ok;
}

/* ---- listening ---- */

static bool listen_for_all(struct server *s, size_t i)
{
	const struct config_listener *l = &s->config->listeners[i];
	uint16_t port = l->port;

	bool is_free = !port || listen_is_free(l->address.p, port);
	for (unsigned n = 0; n < s->n_shards; n++) {
		int fd = is_free ? listen_open(l->address.p, port) : -1;
		if (fd < 0) {
			log_error(NULL, "listen", F_STR("address", l->address), F_INT("port", port),
				F_C("error", strerror(errno)));
			return false;
		}
		s->listeners[i][n] = fd;
		port = listen_port(fd); /* port 0 of the file: the same for all shards */
	}
	s->ports[i] = port;
	return true;
}

bool server_listen(struct server *s)
{
	s->n_listeners = s->config->n_listeners;
	s->listeners = xcalloc(s->n_listeners ? s->n_listeners : 1, sizeof *s->listeners);
	s->ports = xcalloc(s->n_listeners, sizeof *s->ports);
	for (size_t i = 0; i < s->n_listeners; i++)
		if (!listen_for_all(s, i))
			return false;
	return true;
}

typedef void accepted_fn(struct listener *l, int fd, const struct sockaddr_storage *peer);

static accepted_fn *accepted_by(enum listener_kind kind)
{
	switch (kind) {
	case LISTEN_C2S: return client_accept;
	case LISTEN_C2S_DIRECT_TLS: return client_accept_tls;
	case LISTEN_COMPONENT: return component_accept;
	case LISTEN_COMPONENT_DIRECT_TLS: return component_accept_tls;
	case LISTEN_S2S: return peer_accept;
	case LISTEN_S2S_DIRECT_TLS: return peer_accept_tls;
	}
	BUG("no such listener");
}

static bool give_listeners(struct server *s, struct shard *sh)
{
	sh->listeners = xcalloc(s->n_listeners, sizeof *sh->listeners);
	for (size_t i = 0; i < s->n_listeners; i++) {
		if (!listener_init(&sh->listeners[i], &sh->loop, s->listeners[i][sh->index],
			    accepted_by(s->config->listeners[i].kind), sh))
			return failed("listener", "epoll");
		sh->n_listeners++;
	}
	return true;
}

/* ---- settings ---- */

static bool make_certificate(const struct config_host *h, struct arena *a)
{
	char rooms[ASCII_DOMAIN_MAX + 1], nodes[ASCII_DOMAIN_MAX + 1];
	const struct str all[] = { h->ascii, ascii_domain(h->rooms, rooms),
		ascii_domain(h->pubsub, nodes) };
	struct str names[sizeof all / sizeof all[0]];
	unsigned n = 0;
	struct str error;

	if (access(h->cert_file.p, F_OK) == 0 && access(h->key_file.p, F_OK) == 0)
		return true;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (all[i].n)
			names[n++] = all[i];
	if (!tls_make_self_signed(h->cert_file.p, h->key_file.p, names, n, a, &error)) {
		log_error(NULL, "certificate", F_STR("host", h->domain), F_STR("error", error));
		return false;
	}
	log_warn(NULL, "self_signed_certificate", F_STR("host", h->domain),
		F_STR("file", h->cert_file));
	return true;
}

static struct tls_config *load_tls(struct server *s, struct arena *a)
{
	const struct config *c = s->config;
	struct tls_host *hosts = arena_alloc(a, c->n_hosts * sizeof *hosts);
	struct str error;

	for (size_t i = 0; i < c->n_hosts; i++) {
		if (c->hosts[i].self_signed && !make_certificate(&c->hosts[i], a))
			return NULL;
		hosts[i] = (struct tls_host){ c->hosts[i].ascii, c->hosts[i].cert_file.p,
			c->hosts[i].key_file.p };
	}
	struct tls_config *tls = tls_config_new(hosts, c->n_hosts,
		c->client_ca_file.n ? c->client_ca_file.p : NULL, s->ticket_key, a, &error);
	const struct str *ca_file = &c->federation.ca_file;
	if (tls && !tls_config_trust_servers(tls, ca_file->n ? ca_file->p : NULL, a, &error))
		tls_config_unref(&tls);
	if (!tls)
		log_error(NULL, "certificate", F_STR("error", error));
	return tls;
}

static void set_remote(struct settings *set, const struct config_remote *c)
{
	struct peer_rules *r = settings_add_peer(set, c->domain);
	struct tls_pin *pins = arena_alloc(&set->mem, c->pins.n * sizeof *pins);

	if (c->pins.n)
		memcpy(pins, c->pins.pins, c->pins.n * sizeof *pins);
	r->pins = pins;
	r->n_pins = c->pins.n;
	r->security = c->security;
	r->route = str_dup(&set->mem, c->route);
	r->direct = c->direct_tls;
}

static void set_federation(struct settings *set, const struct config *c)
{
	const struct config_federation *f = &c->federation;

	set->federation = config_federates(c);
	set->bidi = f->bidi;
	set->peer_default.security = f->security;
	for (size_t i = 0; i < f->allow.n; i++)
		settings_allow_peer(set, f->allow.texts[i]);
	for (size_t i = 0; i < f->block.n; i++)
		settings_block_peer(set, f->block.texts[i]);
	for (size_t i = 0; i < c->n_remotes; i++)
		set_remote(set, &c->remotes[i]);
	set->peer_idle_ms = f->idle_seconds * 1000;
	set->peer_connect_ms = f->connect_seconds * 1000;
	set->peer_queue_max = f->queue_bytes;
	set->peer_queue_ms = f->queue_seconds * 1000;
	set->peer_streams_max = f->streams;
	set->peer_unacked_max = f->unacknowledged_bytes;
}

static void set_services(struct settings *set, struct host *h, const struct config_host *c)
{
	struct jid *admins = arena_alloc(&set->mem, c->admins.n * sizeof *admins);

	for (size_t i = 0; i < c->admins.n; i++)
		admins[i] = jid_dup(&set->mem, c->admins.jids[i]);
	h->admins = admins;
	h->n_admins = (unsigned)c->admins.n;
	if (c->rooms.n)
		settings_add_rooms(set, h, c->rooms)->makers = c->room_makers;
	if (c->pubsub.n)
		settings_add_nodes(set, h, c->pubsub)->makers = c->node_makers;
}

/* The texts were checked when the file was read. */
static void set_grants(struct settings *set, struct host *h, const struct config_component *c)
{
	struct grants *g = &h->component->grants;
	struct delegation d;
	struct iq_grant iq;

	g->roster = c->roster;
	g->roster_push = c->roster_push;
	g->messages = c->message;
	g->presence = c->presence;
	for (size_t i = 0; i < c->delegates.n; i++) {
		BUG_ON(grant_parse_delegation(c->delegates.texts[i], &d));
		grant_delegation(set, h, &d);
	}
	for (size_t i = 0; i < c->iq.n; i++) {
		BUG_ON(grant_parse_iq(c->iq.texts[i], &iq));
		grant_iq(set, h, &iq);
	}
	for (size_t i = 0; i < c->manages.n; i++)
		grant_host(set, h, settings_account_host(set, c->manages.texts[i]));
}

static void add_component(struct settings *set, const struct config_component *c)
{
	struct host *h = settings_add_component(set, c->domain);
	struct component_rules *rules = h->component;
	bool many = str_starts(c->domain, STR("*."));

	rules->secret = str_dup(&set->mem, c->secret);
	rules->connections = c->connections;
	rules->queue_max = c->queue_bytes;
	rules->queue_ms = c->queue_seconds * 1000;
	if (c->listed && !many)
		h->listed_by = settings_parent(set, c->domain);
	set_grants(set, h, c);
}

struct settings *server_settings(struct server *s)
{
	const struct config *c = s->config;
	const struct config_limits *lim = &c->limits;
	struct settings *set = settings_new();
	struct arena a;

	arena_init(&a, 4096);
	for (size_t i = 0; i < c->n_hosts; i++) {
		struct host *h = settings_add_host(set, c->hosts[i].domain);
		h->registration = c->hosts[i].registration;
		h->anonymous = c->hosts[i].anonymous;
		h->archive = c->hosts[i].archive;
		h->federation = c->hosts[i].federation;
		h->push_count = c->hosts[i].push_count;
		h->push_sender = c->hosts[i].push_sender;
		h->push_body = c->hosts[i].push_body;
		h->resume_location = str_dup(&set->mem, c->hosts[i].resume_location);
		if (c->hosts[i].scram != CONFIG_SCRAM_ALL)
			h->hashes = 1u << (c->hosts[i].scram - CONFIG_SCRAM_SHA1);
		set_services(set, h, &c->hosts[i]);
	}
	for (size_t i = 0; i < c->n_components; i++)
		add_component(set, &c->components[i]);
	set_federation(set, c);
	set->tls_required = c->tls_required;
	set->plain_without_tls = c->plain_without_tls;
	set->ask_client_cert = c->client_ca_file.n != 0;
	set->guest.stanza_bytes = lim->stanza_bytes_before_login;
	set->user.stanza_bytes = lim->stanza_bytes;
	set->login_ms = lim->login_seconds * 1000;
	set->max_out = lim->output_bytes;
	set->sessions_max = lim->sessions_per_account;
	set->roster_max = lim->roster_items;
	set->resume_s = lim->resume_seconds;
	set->unacked_max = lim->unacknowledged_bytes;
	set->held_max = lim->held_bytes;
	set->blocklist_max = lim->blocklist_items;
	set->push_max = lim->push_registrations;
	set->vcard_max = lim->vcard_bytes;
	set->private_max = lim->private_bytes;
	set->checks_per_second = lim->password_checks_per_second;
	set->room_occupants_max = lim->room_occupants;
	set->room_members_max = lim->room_members;
	set->room_history_max = lim->room_history;
	set->room_rate = lim->room_stanzas_per_second;
	set->account_nodes = (struct node_limits){ .nodes = lim->account_nodes,
		.items = lim->account_node_items, .item_bytes = lim->node_item_bytes,
		.subscriptions = lim->account_node_subscriptions, .bytes = lim->account_node_bytes };
	set->service_nodes = (struct node_limits){ .nodes = lim->service_nodes,
		.items = lim->service_node_items, .item_bytes = lim->node_item_bytes,
		.subscriptions = lim->service_node_subscriptions, .bytes = lim->service_node_bytes };
	set->node_rate = lim->node_items_per_second;
	set->tls = load_tls(s, &a);
	arena_clear(&a);
	if (!set->tls)
		settings_unref(&set);
	return set;
}

/* The resolver, when a host is to federate and there is none yet. Options of it that have changed
 * wait for a restart. */
static bool open_dns(struct server *s, struct arena *a, struct str *error)
{
	const struct config_federation *f = &s->config->federation;
	const char **servers = arena_alloc(a, f->dns_servers.n * sizeof *servers);
	const struct dns_options o = { .servers = servers, .n_servers = f->dns_servers.n,
		.anchor_file = f->dns_anchor.n ? f->dns_anchor.p : NULL, .loopback = f->dns_loopback };

	if (s->core.dns || !config_federates(s->config))
		return true;
	for (size_t i = 0; i < f->dns_servers.n; i++)
		servers[i] = f->dns_servers.texts[i].p;
	struct dns *dns = dns_new(&o, a, error);
	if (dns && !dns_attach(dns, &s->loop)) {
		*error = str_printf(a, "the resolver cannot be watched: %s", strerror(errno));
		dns_free(&dns);
	}
	s->core.dns = dns;
	return dns != NULL;
}

bool server_reload(struct server *s, struct arena *a, struct str *error, struct str *note)
{
	struct config *old = s->config;
	struct config *fresh = s->config_file ? config_load(s->config_file, a, error)
					      : config_default();

	*note = STR("");
	if (!fresh)
		return false;
	s->config = fresh;
	*error = STR("a certificate cannot be used; the log says which");
	struct settings *set = server_settings(s);
	if (!set || !open_dns(s, a, error)) {
		settings_unref(&set);
		s->config = old;
		config_unref(&fresh);
		return false;
	}
	*note = config_restart_names(old, fresh, a);
	log_setup(fresh->log_level, fresh->log_format);
	core_reload(&s->core, set);
	settings_unref(&set);
	config_unref(&old);
	return true;
}

/* ---- stores ---- */

/* Random bytes that stay with the data: what the server answers for users that do not exist
 * must not change with a restart. */
static bool load_secret(struct server *s, struct arena *a)
{
	const char *path = path_in(a, s->config->data_dir, SECRET_FILE);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ssize_t n = fd < 0 ? -1 : read(fd, s->core.secret, sizeof s->core.secret);

	if (n == 0) {
		random_bytes(s->core.secret, sizeof s->core.secret);
		n = write(fd, s->core.secret, sizeof s->core.secret);
	}
	bool ok = n == sizeof s->core.secret && fsync(fd) == 0;
	if (!ok)
		failed("secret", path);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* The index is made from the ledger and can be made again. One that is not used is deleted: it
 * would keep what is erased from the ledger. */
static bool open_search(struct server *s, struct arena *a)
{
	const char *dir = s->config->data_dir.p;
	struct str error;

	if (!s->config->search)
		return search_remove(dir) || failed("search", dir);
	s->core.search = search_open(dir, s->core.ledger, archive_read_text, a, &error);
	if (s->core.search)
		return true;
	log_warn(NULL, "search_made_anew", F_STR("error", error));
	if (!search_remove(dir))
		return failed("search", dir);
	s->core.search = search_open(dir, s->core.ledger, archive_read_text, a, &error);
	if (!s->core.search)
		log_error(NULL, "search", F_STR("error", error));
	return s->core.search != NULL;
}

static bool open_stores(struct server *s, struct arena *a)
{
	struct ledger_options o = {
		.offline_max = s->config->limits.offline_messages,
		.min_free_bytes = s->config->limits.disk_reserve_bytes,
		.retain_us = s->config->limits.archive_days * UINT64_C(86400000000),
		.retain_messages = s->config->limits.archive_messages,
	};
	struct str error;

	/* The ledger first: its lock keeps a second server off the whole folder. */
	s->core.ledger = ledger_open(path_in(a, s->config->data_dir, "ledger"), &o, a, &error);
	if (!s->core.ledger) {
		log_error(NULL, "ledger", F_STR("error", error));
		return false;
	}
	s->core.store = store_open(s->config->data_dir.p, STORE_READERS, a, &error);
	if (!s->core.store) {
		log_error(NULL, "store", F_STR("error", error));
		return false;
	}
	return open_search(s, a);
}

static bool start_dns(struct server *s, struct arena *a)
{
	struct str error;

	if (open_dns(s, a, &error))
		return true;
	log_error(NULL, "dns", F_STR("error", error));
	return false;
}

bool server_open(struct server *s)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct settings *set = server_settings(s);
	struct arena a;
	bool ok;

	if (!set)
		return false;
	arena_init(&a, 4096);
	ok = core_init(&s->core, s->n_shards, set, extensions_table(s->extensions));
	if (ok) {
		s->core.quota = quota_new(s->config->limits.half_open_per_address);
		s->core.jobs = jobs_new(cores > 1 ? (unsigned)cores : 1, JOBS_WAITING_MAX);
		ok = start_dns(s, &a) && load_secret(s, &a) && open_stores(s, &a) &&
			extensions_begin(s->extensions, &s->core);
	}
	for (unsigned i = 0; ok && i < s->n_shards; i++)
		ok = give_listeners(s, s->core.shards[i]);
	settings_unref(&set);
	arena_clear(&a);
	return ok;
}

/* Questions come home without an answer; the main loop, which they pass, runs no more. */
static void stop_dns(struct server *s)
{
	if (s->core.dns)
		dns_stop(s->core.dns);
	do
		core_drain(&s->core);
	while (mailbox_run(&s->loop.inbox, s));
}

/* The shards' threads have ended. What is on its way home is let in first. */
void server_close(struct server *s)
{
	stop_dns(s);
	if (s->core.store)
		core_save(&s->core);
	if (s->core.jobs)
		jobs_free(&s->core.jobs);
	core_drain(&s->core);
	if (s->core.store)
		store_close(&s->core.store);
	struct search *search = s->core.search;
	s->core.search = NULL; /* nobody asks it any more */
	if (search)
		search_stop(search);
	core_drain(&s->core);
	if (s->core.ledger)
		ledger_close(&s->core.ledger);
	if (search)
		search_close(&search);
	extensions_stop(s->extensions);
	core_clear(&s->core);
	extensions_free(&s->extensions);
	free(s->listeners);
	free(s->ports);
}
