/* What the values of a configuration mean together, and the snapshot. The text is read by
 * config_read.c, the options stand in config_options.c. */
#include "server/config.h"

#include "base/bug.h"
#include "server/config_read.h"
#include "xmpp/jid.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <idn2.h>
#include <pwd.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ARENA_CHUNK  4096
#define ERRORS_CHUNK 4096
#define OPTIONS_MAX  64 /* in the table */
#define PORT_C2S     5222
#define PORT_C2S_TLS 5223
#define PORT_COMPONENT 5347 /* by custom */
#define LOOPBACK     STR("127.0.0.1")

/* Without a file: for this machine alone. */
static const char built_in[] =
	"data_dir = stentor-data\n"
	"host localhost {}\n"
	"listener { type = c2s address = 127.0.0.1 }\n"
	"listener { type = c2s_direct_tls address = 127.0.0.1 }\n";

struct snapshot {
	struct config c;
	struct arena arena;
	_Atomic unsigned refs;
};

/* What building needs beside the snapshot. */
struct builder {
	struct config *c;
	struct arena *mem;             /* the snapshot's */
	struct arena scratch;
	struct faults *faults;
	struct str dir;                /* of the file, with its slash, or empty */
	bool machine;                  /* look at the machine too */
	unsigned lines[OPTIONS_MAX];   /* where each option stands in this section; 0: nowhere */
};

static size_t index_of(const struct config_option *o)
{
	return (size_t)(o - config_options);
}

static unsigned line_of(const struct builder *b, enum config_section section, const char *name)
{
	for (size_t i = 0; i < config_options_count; i++)
		if (config_options[i].section == section &&
			str_eq(str_c(config_options[i].name), str_c(name)))
			return b->lines[i];
	BUG("no such option");
}

static void put_number(const struct config_option *o, void *base, uint64_t v)
{
	char *at = (char *)base + o->at;

	switch (o->size) {
	case 1: *(uint8_t *)at = (uint8_t)v; return;
	case 2: *(uint16_t *)at = (uint16_t)v; return;
	case 4: *(uint32_t *)at = (uint32_t)v; return;
	case 8: *(uint64_t *)at = v; return;
	default: BUG("no integer has this size");
	}
}

/* "64K": a number, with K, M or G behind it. */
static bool parse_bytes(struct str s, uint64_t *out)
{
	static const char units[] = "KMG";
	const char *unit = s.n ? memchr(units, s.p[s.n - 1], 3) : NULL;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;

	if (!str_to_u64(unit ? str_head(s, s.n - 1) : s, UINT64_MAX >> shift, out))
		return false;
	*out <<= shift;
	return true;
}

static bool parse_bool(struct str s, bool *out)
{
	*out = str_eq(s, STR("true")) || str_eq(s, STR("yes")) || str_eq(s, STR("on"));
	return *out || str_eq(s, STR("false")) || str_eq(s, STR("no")) || str_eq(s, STR("off"));
}

/* The place of s in a list of words with a space between them. */
static bool parse_word(struct str s, struct str words, uint64_t *out)
{
	for (*out = 0; words.n; (*out)++) {
		ptrdiff_t n = str_find(words, ' ');
		struct str word = n < 0 ? words : str_head(words, (size_t)n);

		if (str_eq(s, word))
			return true;
		words = str_skip(words, word.n + 1);
	}
	return false;
}

static struct str path_from(struct builder *b, struct str s)
{
	if (s.n == 0 || s.p[0] == '/')
		return str_dup(b->mem, s);
	return str_printf(b->mem, "%.*s%.*s", STR_FMT(b->dir), STR_FMT(s));
}

/* Adds an address. False: it is none of somebody, or there are too many. */
static bool put_jid(struct builder *b, struct config_jids *to, struct str s)
{
	struct jid j;

	if (to->n == CONFIG_ADMINS_MAX || !jid_parse(s, &b->scratch, &j) || !j.n_local ||
		!jid_is_bare(j))
		return false;
	if (!to->n)
		to->jids = arena_alloc(b->mem, CONFIG_ADMINS_MAX * sizeof *to->jids);
	to->jids[to->n++] = jid_dup(b->mem, j);
	return true;
}

/* Puts a value into the section's struct. False when it is no value of this option. */
static bool put_value(struct builder *b, const struct config_option *o, struct str s, void *base)
{
	uint64_t n = 0;
	bool yes;

	switch (o->type) {
	case CONFIG_BOOL:
		if (!parse_bool(s, &yes))
			return false;
		*(bool *)((char *)base + o->at) = yes;
		return true;
	case CONFIG_WORD:
		if (!parse_word(s, str_c(o->words), &n))
			return false;
		put_number(o, base, n);
		return true;
	case CONFIG_NUMBER:
	case CONFIG_BYTES:
		if (o->type == CONFIG_BYTES ? !parse_bytes(s, &n) : !str_to_u64(s, UINT64_MAX, &n))
			return false;
		if (n < o->min || n > o->max)
			return false;
		put_number(o, base, n);
		return true;
	case CONFIG_TEXT:
	case CONFIG_PATH:
		*(struct str *)((char *)base + o->at) =
			o->type == CONFIG_PATH ? path_from(b, s) : str_dup(b->mem, s);
		return true;
	case CONFIG_JIDS:
		return put_jid(b, (struct config_jids *)((char *)base + o->at), s);
	}
	BUG("no such type");
}

static void tell_bad_value(struct builder *b, const struct config_option *o, struct str text,
	unsigned line)
{
	struct str found = fault_quote(text, &b->scratch);

	switch (o->type) {
	case CONFIG_BOOL:
		fault(b->faults, line, "%s is \"%.*s\"; give true or false", o->name, STR_FMT(found));
		return;
	case CONFIG_WORD:
		fault(b->faults, line, "%s is \"%.*s\"; give one of: %s", o->name, STR_FMT(found),
			o->words);
		return;
	case CONFIG_JIDS:
		fault(b->faults, line, "%s has \"%.*s\"; give at most %d addresses, such as "
			"{ \"juliet@example.org\", \"romeo@example.org\" }", o->name,
			STR_FMT(found), CONFIG_ADMINS_MAX);
		return;
	case CONFIG_BYTES:
		fault(b->faults, line, "%s is \"%.*s\"; give a number of bytes from %llu to %llu, "
			"or like 64K or 1M", o->name, STR_FMT(found), (unsigned long long)o->min,
			(unsigned long long)o->max);
		return;
	default:
		fault(b->faults, line, "%s is \"%.*s\"; give a number from %llu to %llu", o->name,
			STR_FMT(found), (unsigned long long)o->min, (unsigned long long)o->max);
		return;
	}
}

/* A section's struct: first the defaults, then what the file says. */
static void fill(struct builder *b, const struct raw_section *s, enum config_section kind,
	void *base)
{
	memset(b->lines, 0, sizeof b->lines);
	for (size_t i = 0; i < config_options_count; i++) {
		const struct config_option *o = &config_options[i];

		if (o->section == kind && o->initial)
			BUG_ON(!put_value(b, o, str_c(o->initial), base));
	}
	for (const struct raw_value *v = s ? s->values : NULL; v; v = v->next) {
		unsigned *line = &b->lines[index_of(v->option)];

		if (*line && !v->more)
			fault(b->faults, v->line, "%s stands on line %u too; remove one of them",
				v->option->name, *line);
		else if (!put_value(b, v->option, v->text, base))
			tell_bad_value(b, v->option, v->text, v->line);
		*line = v->line;
	}
}

static void check_readable(struct builder *b, unsigned line, const char *name, struct str path)
{
	struct stat st;
	int fd;

	if (!b->machine || !path.n)
		return;
	fd = open(path.p, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		fault(b->faults, line, "%s is \"%.*s\", which cannot be read: %s", name,
			STR_FMT(fault_quote(path, &b->scratch)), strerror(errno));
		return;
	}
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		fault(b->faults, line, "%s is \"%.*s\", which is no file; name a PEM file", name,
			STR_FMT(fault_quote(path, &b->scratch)));
	close(fd);
}

static void build_top(struct builder *b, const struct raw_section *top)
{
	struct config *c = b->c;

	fill(b, top, CONFIG_TOP, c);
	if (c->data_dir.n == 0)
		fault(b->faults, line_of(b, CONFIG_TOP, "data_dir"),
			"data_dir is empty; name a folder");
	if (c->admin_socket.n == 0)
		c->admin_socket = str_printf(b->mem, "%.*s/stentord.sock", STR_FMT(c->data_dir));
	if (c->admin_socket.n >= sizeof ((struct sockaddr_un *)0)->sun_path)
		fault(b->faults, line_of(b, CONFIG_TOP, "admin_socket"),
			"the path of admin_socket has %zu bytes; name one of less than %zu",
			c->admin_socket.n, sizeof ((struct sockaddr_un *)0)->sun_path);
	if (c->plain_without_tls && c->tls_required)
		fault(b->faults, line_of(b, CONFIG_TOP, "plain_without_tls"),
			"plain_without_tls needs tls_required = false; remove one of them");
	check_readable(b, line_of(b, CONFIG_TOP, "client_ca_file"), "client_ca_file",
		c->client_ca_file);
	if (b->machine && c->user.n && !getpwnam(c->user.p))
		fault(b->faults, line_of(b, CONFIG_TOP, "user"),
			"user is \"%.*s\", who does not exist here; make the user, or name another",
			STR_FMT(fault_quote(c->user, &b->scratch)));
}

/* The domain as DNS and certificates have it. */
static struct str ascii_of(struct str domain, struct arena *a)
{
	char *out = NULL;
	struct str s = domain;

	if (domain.n > 2 && domain.p[0] == '[')
		return str_dup(a, str_from(domain.p + 1, domain.n - 2));
	if (idn2_to_ascii_8z(domain.p, &out, IDN2_NONTRANSITIONAL) == IDN2_OK)
		s = str_c(out);
	s = str_dup(a, s);
	idn2_free(out);
	return s;
}

static void host_files(struct builder *b, struct config_host *h)
{
	unsigned cert = line_of(b, CONFIG_HOST, "certificate");
	unsigned key = line_of(b, CONFIG_HOST, "key");

	if (cert && key && h->cert_file.n && h->key_file.n) {
		check_readable(b, cert, "certificate", h->cert_file);
		check_readable(b, key, "key", h->key_file);
		return;
	}
	if (cert || key) {
		fault(b->faults, cert ? cert : key, "host \"%.*s\" has %s; give both certificate "
			"and key, or neither", STR_FMT(fault_quote(h->domain, &b->scratch)),
			cert && key ? "an empty path" : cert ? "no key" : "no certificate");
		return;
	}
	h->self_signed = true;
	h->cert_file = str_printf(b->mem, "%.*s/%.*s.crt", STR_FMT(b->c->data_dir),
		STR_FMT(h->ascii));
	h->key_file = str_printf(b->mem, "%.*s/%.*s.key", STR_FMT(b->c->data_dir),
		STR_FMT(h->ascii));
}

/* Where its rooms are: an address literal has none unless it says where. False: a fault. */
static bool host_rooms(struct builder *b, struct config_host *h)
{
	unsigned line = line_of(b, CONFIG_HOST, "rooms");
	struct str domain, text = line ? h->rooms
		: str_printf(&b->scratch, "rooms.%.*s", STR_FMT(h->domain));

	h->rooms = STR("");
	if (!text.n)
		return true;
	if (jid_prep_domain(text, &b->scratch, &domain)) {
		h->rooms = str_dup(b->mem, domain);
		return true;
	}
	if (line)
		fault(b->faults, line, "rooms is \"%.*s\"; give a domain name, such as "
			"rooms.example.org, or \"\" for none",
			STR_FMT(fault_quote(text, &b->scratch)));
	return !line;
}

/* Each domain has one use. Compares a host with itself and those before it. */
static void check_domains(struct builder *b, const struct config_host *h, unsigned section_line)
{
	unsigned rooms_line = line_of(b, CONFIG_HOST, "rooms");
	unsigned line = rooms_line ? rooms_line : section_line;
	struct str rooms = fault_quote(h->rooms, &b->scratch);
	struct str domain = fault_quote(h->domain, &b->scratch);

	for (const struct config_host *o = b->c->hosts; o <= h; o++) {
		if (h->rooms.n && str_eq(h->rooms, o->domain))
			fault(b->faults, line, "the rooms of host \"%.*s\" are at \"%.*s\", which is "
				"a host; give rooms another domain, or \"\" for none", STR_FMT(domain),
				STR_FMT(rooms));
		if (o == h)
			return;
		if (o->rooms.n && str_eq(h->domain, o->rooms))
			fault(b->faults, section_line, "host \"%.*s\" is where host \"%.*s\" has its "
				"rooms; give rooms another domain there, or \"\" for none",
				STR_FMT(domain), STR_FMT(fault_quote(o->domain, &b->scratch)));
		if (h->rooms.n && str_eq(h->rooms, o->rooms))
			fault(b->faults, line, "the rooms of host \"%.*s\" are at \"%.*s\", where "
				"those of host \"%.*s\" are; give rooms another domain, or \"\" for none",
				STR_FMT(domain), STR_FMT(rooms),
				STR_FMT(fault_quote(o->domain, &b->scratch)));
	}
}

static void build_host(struct builder *b, const struct raw_section *s)
{
	struct config *c = b->c;
	struct config_host *h = &c->hosts[c->n_hosts];
	struct str domain;

	*h = (struct config_host){ 0 };
	fill(b, s, CONFIG_HOST, h);
	if (c->n_hosts == CONFIG_HOSTS_MAX) {
		fault(b->faults, s->line, "more than %d hosts; remove some", CONFIG_HOSTS_MAX);
		return;
	}
	if (!jid_prep_domain(s->title, &b->scratch, &domain)) {
		fault(b->faults, s->line, "host is \"%.*s\"; give a domain name, such as "
			"example.org", STR_FMT(fault_quote(s->title, &b->scratch)));
		return;
	}
	for (size_t i = 0; i < c->n_hosts; i++)
		if (str_eq(c->hosts[i].domain, domain)) {
			fault(b->faults, s->line, "host \"%.*s\" stands twice; one section for "
				"each host is enough", STR_FMT(fault_quote(domain, &b->scratch)));
			return;
		}
	h->domain = str_dup(b->mem, domain);
	h->ascii = ascii_of(h->domain, b->mem);
	host_files(b, h);
	if (host_rooms(b, h))
		check_domains(b, h, s->line);
	c->n_hosts++;
}

/* The name of a component: a domain, or "*." and one. Canonical, in the snapshot. */
static bool component_name(struct builder *b, struct str title, struct str *out)
{
	struct str star = STR("*."), domain;
	bool many = str_starts(title, star);

	if (!jid_prep_domain(many ? str_skip(title, star.n) : title, &b->scratch, &domain))
		return false;
	*out = str_printf(b->mem, "%s%.*s", many ? star.p : "", STR_FMT(domain));
	return true;
}

/* Who serves a domain already, for people, or NULL. */
static const char *use_of(const struct config *c, struct str domain)
{
	for (size_t i = 0; i < c->n_hosts; i++) {
		if (str_eq(c->hosts[i].domain, domain))
			return "is a host";
		if (str_eq(c->hosts[i].rooms, domain))
			return "is where a host has its rooms";
	}
	for (size_t i = 0; i < c->n_components; i++)
		if (str_eq(c->components[i].domain, domain))
			return "stands twice";
	return NULL;
}

static void build_component(struct builder *b, const struct raw_section *s)
{
	struct config *c = b->c;
	struct config_component *k = &c->components[c->n_components];
	struct str name = fault_quote(s->title, &b->scratch);

	*k = (struct config_component){ 0 };
	fill(b, s, CONFIG_COMPONENT, k);
	if (c->n_components == CONFIG_COMPONENTS_MAX) {
		fault(b->faults, s->line, "more than %d components; remove some",
			CONFIG_COMPONENTS_MAX);
		return;
	}
	if (!component_name(b, s->title, &k->domain)) {
		fault(b->faults, s->line, "component is \"%.*s\"; give a domain name, such as "
			"irc.example.org, or *.game.example.org for all within that one",
			STR_FMT(name));
		return;
	}
	const char *use = use_of(c, k->domain);
	if (use) {
		fault(b->faults, s->line, "component \"%.*s\" %s; give each a domain of its own",
			STR_FMT(name), use);
		return;
	}
	if (!k->secret.n) {
		unsigned line = line_of(b, CONFIG_COMPONENT, "secret");
		fault(b->faults, line ? line : s->line, "component \"%.*s\" has no secret; give a "
			"long one that nobody can guess", STR_FMT(name));
	}
	c->n_components++;
}

static bool is_address(struct str s)
{
	struct in6_addr any;

	return str_eq(s, STR("*")) || inet_pton(AF_INET, s.p, &any) == 1 ||
		inet_pton(AF_INET6, s.p, &any) == 1;
}

static void add_listener(struct builder *b, struct config_listener l, unsigned line)
{
	struct config *c = b->c;

	if (c->n_listeners == CONFIG_LISTENERS_MAX) {
		fault(b->faults, line, "more than %d listeners; remove some", CONFIG_LISTENERS_MAX);
		return;
	}
	for (size_t i = 0; i < c->n_listeners; i++)
		if (l.port && l.port == c->listeners[i].port &&
			str_eq(l.address, c->listeners[i].address)) {
			fault(b->faults, line, "address %.*s and port %u have a listener already; "
				"remove one of them", STR_FMT(fault_quote(l.address, &b->scratch)),
				l.port);
			return;
		}
	c->listeners[c->n_listeners++] = l;
}

static bool is_for_components(const struct config_listener *l)
{
	return l->kind == LISTEN_COMPONENT || l->kind == LISTEN_COMPONENT_DIRECT_TLS;
}

static void build_listener(struct builder *b, const struct raw_section *s)
{
	struct config_listener l = { 0 };

	fill(b, s, CONFIG_LISTENER, &l);
	if (!line_of(b, CONFIG_LISTENER, "port"))
		l.port = is_for_components(&l) ? PORT_COMPONENT
			: l.kind == LISTEN_C2S ? PORT_C2S : PORT_C2S_TLS;
	if (!line_of(b, CONFIG_LISTENER, "address"))
		l.address = is_for_components(&l) ? LOOPBACK : STR("*");
	if (is_address(l.address))
		add_listener(b, l, s->line);
	else
		fault(b->faults, line_of(b, CONFIG_LISTENER, "address"), "address is \"%.*s\"; give "
			"a numeric one, such as 192.0.2.1 or \"2001:db8::1\", or \"*\" for all",
			STR_FMT(fault_quote(l.address, &b->scratch)));
}

static void build_limits(struct builder *b, const struct raw_section *s)
{
	struct config_limits *l = &b->c->limits;

	fill(b, s, CONFIG_LIMITS, l);
	if (l->stanza_bytes < l->stanza_bytes_before_login)
		fault(b->faults, s->line, "stanza_bytes (%u) is less than "
			"stanza_bytes_before_login (%u); turn them round", l->stanza_bytes,
			l->stanza_bytes_before_login);
	if (l->output_bytes / 2 < l->stanza_bytes)
		fault(b->faults, s->line, "output_bytes (%u) does not hold two of stanza_bytes "
			"(%u); raise the one or lower the other", l->output_bytes,
			l->stanza_bytes);
}

/* The number of sections of a kind, for the sizes of arrays. */
static size_t count_sections(const struct raw_section *s, enum config_section kind)
{
	size_t n = 0;

	for (; s; s = s->next)
		n += s->kind == kind;
	return n;
}

static bool components_can_connect(const struct config *c)
{
	for (size_t i = 0; i < c->n_listeners; i++)
		if (is_for_components(&c->listeners[i]))
			return true;
	return false;
}

static void build_listeners(struct builder *b, const struct raw_section *top)
{
	size_t n = count_sections(top, CONFIG_LISTENER);

	b->c->listeners = arena_alloc(b->mem, (n + 3) * sizeof *b->c->listeners);
	for (const struct raw_section *s = top; s; s = s->next)
		if (s->kind == CONFIG_LISTENER)
			build_listener(b, s);
	if (n == 0) {
		add_listener(b, (struct config_listener){ LISTEN_C2S, STR("*"), PORT_C2S }, 0);
		add_listener(b, (struct config_listener){ LISTEN_C2S_DIRECT_TLS, STR("*"),
			PORT_C2S_TLS }, 0);
	}
	if (b->c->n_components && !components_can_connect(b->c))
		add_listener(b, (struct config_listener){ LISTEN_COMPONENT, LOOPBACK,
			PORT_COMPONENT }, 0);
}

static void build_components(struct builder *b, const struct raw_section *top)
{
	size_t n = count_sections(top, CONFIG_COMPONENT);

	b->c->components = arena_alloc(b->mem, (n + 1) * sizeof *b->c->components);
	for (const struct raw_section *s = top; s; s = s->next)
		if (s->kind == CONFIG_COMPONENT)
			build_component(b, s);
}

static void build_hosts(struct builder *b, const struct raw_section *top)
{
	size_t n = count_sections(top, CONFIG_HOST);

	b->c->hosts = arena_alloc(b->mem, (n + 1) * sizeof *b->c->hosts);
	for (const struct raw_section *s = top; s; s = s->next)
		if (s->kind == CONFIG_HOST)
			build_host(b, s);
	if (n == 0)
		fault(b->faults, 0, "there is no host; add one, such as host \"example.org\" { }");
}

static void build(struct builder *b, const struct raw_section *top)
{
	const struct raw_section *limits = NULL;

	build_top(b, top);
	build_hosts(b, top);
	build_components(b, top);
	build_listeners(b, top);
	fill(b, NULL, CONFIG_LIMITS, &b->c->limits);
	for (const struct raw_section *s = top; s; s = s->next) {
		if (s->kind != CONFIG_LIMITS)
			continue;
		if (limits)
			fault(b->faults, s->line, "limits stands on line %u too; make one section of "
				"them", limits->line);
		else
			build_limits(b, s);
		limits = s;
	}
}

static struct config *parse(struct str text, const char *name, bool machine, struct faults *f)
{
	struct snapshot *snap = xcalloc(1, sizeof *snap);
	const char *slash = strrchr(name, '/');
	struct builder b = { .c = &snap->c, .mem = &snap->arena, .faults = f, .machine = machine,
		.dir = str_from(name, slash ? (size_t)(slash - name) + 1 : 0) };
	struct config *c = &snap->c;
	struct raw_section *top;

	BUG_ON(config_options_count > OPTIONS_MAX);
	atomic_init(&snap->refs, 1);
	arena_init(&snap->arena, ARENA_CHUNK);
	arena_init(&b.scratch, ARENA_CHUNK);
	top = config_read(text, f, &b.scratch);
	if (top)
		build(&b, top);
	arena_clear(&b.scratch);
	if (f->n)
		config_unref(&c);
	return c;
}

struct config *config_parse(struct str text, const char *name, struct arena *a,
	struct str *errors)
{
	struct faults f;
	struct config *c;

	faults_init(&f, name);
	c = parse(text, name, false, &f);
	*errors = str_dup(a, buf_str(&f.text));
	faults_clear(&f);
	return c;
}

/* The whole file in buf; false after a fault. */
static bool read_file(const char *file, struct buf *out, struct faults *f)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = 0;

	if (fd < 0) {
		fault(f, 0, "cannot be opened: %s", strerror(errno));
		return false;
	}
	do {
		char *p = buf_reserve(out, ARENA_CHUNK);

		n = p ? read(fd, p, ARENA_CHUNK) : 0;
		if (n > 0)
			out->n += (size_t)n;
	} while (n > 0);
	if (n < 0)
		fault(f, 0, "cannot be read: %s", strerror(errno));
	close(fd);
	if (buf_ok(out))
		return n == 0;
	fault(f, 0, "has more than %d bytes; that is no configuration", CONFIG_FILE_MAX);
	return false;
}

static struct config *load(const char *file, bool machine, struct arena *a, struct str *errors)
{
	struct config *c = NULL;
	struct faults f;
	struct buf text;

	faults_init(&f, file);
	buf_init(&text, CONFIG_FILE_MAX + ARENA_CHUNK);
	if (read_file(file, &text, &f))
		c = parse(buf_str(&text), file, machine, &f);
	buf_clear(&text);
	*errors = str_dup(a, buf_str(&f.text));
	faults_clear(&f);
	return c;
}

struct config *config_load(const char *file, struct arena *a, struct str *errors)
{
	return load(file, true, a, errors);
}

struct config *config_load_text(const char *file, struct arena *a, struct str *errors)
{
	return load(file, false, a, errors);
}

struct config *config_default(void)
{
	struct faults f;
	struct config *c;

	faults_init(&f, "built-in");
	c = parse(str_c(built_in), f.file, false, &f);
	BUG_ON(!c);
	faults_clear(&f);
	return c;
}

struct config *config_ref(struct config *c)
{
	struct snapshot *s = container_of(c, struct snapshot, c);

	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return c;
}

void config_unref(struct config **c)
{
	struct snapshot *s = *c ? container_of(*c, struct snapshot, c) : NULL;

	*c = NULL;
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
		return;
	arena_clear(&s->arena);
	free(s);
}

static bool same_value(const struct config_option *o, const void *x, const void *y)
{
	const char *a = (const char *)x + o->at;
	const char *b = (const char *)y + o->at;

	if (o->type == CONFIG_TEXT || o->type == CONFIG_PATH)
		return str_eq(*(const struct str *)a, *(const struct str *)b);
	return memcmp(a, b, o->size) == 0;
}

static bool same_listeners(const struct config *x, const struct config *y)
{
	if (x->n_listeners != y->n_listeners)
		return false;
	for (size_t i = 0; i < x->n_listeners; i++) {
		const struct config_listener *a = &x->listeners[i];
		const struct config_listener *b = &y->listeners[i];

		if (a->kind != b->kind || a->port != b->port || !str_eq(a->address, b->address))
			return false;
	}
	return true;
}

struct str config_restart_names(const struct config *old, const struct config *new,
	struct arena *a)
{
	struct str names = str_dup(a, same_listeners(old, new) ? STR("") : STR("listener"));

	for (size_t i = 0; i < config_options_count; i++) {
		const struct config_option *o = &config_options[i];
		bool top = o->section == CONFIG_TOP;

		if (!o->restart || !(top || o->section == CONFIG_LIMITS))
			continue;
		if (top ? same_value(o, old, new) : same_value(o, &old->limits, &new->limits))
			continue;
		names = str_printf(a, "%.*s%s%s", STR_FMT(names), names.n ? ", " : "", o->name);
	}
	return names;
}
