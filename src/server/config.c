/* What the values of a configuration mean together, and the snapshot. The text is read by
 * config_read.c, the options stand in config_options.c. */
#include "server/config.h"

#include "base/base64.h"
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
#define OPTIONS_MAX  96 /* in the table */
#define PORT_C2S     5222
#define PORT_C2S_TLS 5223
#define PORT_COMPONENT 5347 /* by custom */
#define PORT_S2S     5269
#define PORT_S2S_TLS 5270
#define LOOPBACK     STR("127.0.0.1")
#define ROOT_ANCHOR  "/usr/share/dns/root.key" /* of Debian's dns-root-data */
#define PIN_SHA256   STR("sha256/")
#define LIST_STEP    8 /* places that a list grows by */

/* Without a file: for this machine alone. */
static const char built_in[] =
	"data_dir = stentor-data\n"
	"host localhost {}\n"
	"federation { enabled = false }\n"
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

/* A place behind the n entries of a list. */
static void *grow(struct builder *b, void **list, size_t n, size_t size)
{
	if (n % LIST_STEP == 0) {
		void *more = arena_alloc(b->mem, (n + LIST_STEP) * size);
		if (n)
			memcpy(more, *list, n * size);
		*list = more;
	}
	return (char *)*list + n * size;
}

static void add_text(struct builder *b, struct config_texts *to, struct str s)
{
	*(struct str *)grow(b, (void **)&to->texts, to->n, sizeof s) = str_dup(b->mem, s);
	to->n++;
}

/* A domain, or "*." and one for all within it. Canonical, in the snapshot. */
static bool domains_name(struct builder *b, struct str text, struct str *out)
{
	struct str star = STR("*."), domain;
	bool many = str_starts(text, star);

	if (!jid_prep_domain(many ? str_skip(text, star.n) : text, &b->scratch, &domain))
		return false;
	*out = str_printf(b->mem, "%s%.*s", many ? star.p : "", STR_FMT(domain));
	return true;
}

static bool put_domain(struct builder *b, struct config_texts *to, struct str s)
{
	struct str name;

	if (to->n == CONFIG_DOMAINS_MAX || !domains_name(b, s, &name))
		return false;
	add_text(b, to, name);
	return true;
}

static bool parse_port(struct str s, uint16_t *out)
{
	uint64_t port;

	if (!str_to_u64(s, UINT16_MAX, &port) || !port)
		return false;
	*out = (uint16_t)port;
	return true;
}

static bool is_numeric(struct str s, struct arena *a)
{
	struct in6_addr any;
	const char *z = str_dup(a, s).p;

	return inet_pton(AF_INET, z, &any) == 1 || inet_pton(AF_INET6, z, &any) == 1;
}

/* A server of DNS: an address, with "@" and its port or without. */
static bool put_server(struct builder *b, struct config_texts *to, struct str s)
{
	ptrdiff_t at = str_find(s, '@');
	uint16_t port;

	if (to->n == CONFIG_SERVERS_MAX || (at >= 0 && !parse_port(str_skip(s, (size_t)at + 1), &port)))
		return false;
	if (!is_numeric(at < 0 ? s : str_head(s, (size_t)at), &b->scratch))
		return false;
	add_text(b, to, s);
	return true;
}

static bool put_pin(struct builder *b, struct config_pins *to, struct str s)
{
	struct tls_pin pin;
	struct str bytes;

	if (to->n == CONFIG_PINS_MAX || !str_starts(s, PIN_SHA256))
		return false;
	if (!base64_decode(&b->scratch, str_skip(s, PIN_SHA256.n), &bytes) ||
		bytes.n != sizeof pin.sha256)
		return false;
	memcpy(pin.sha256, bytes.p, sizeof pin.sha256);
	*(struct tls_pin *)grow(b, (void **)&to->pins, to->n, sizeof pin) = pin;
	to->n++;
	return true;
}

static bool put_text(struct builder *b, struct config_texts *to, struct str s)
{
	if (to->n == CONFIG_TEXTS_MAX)
		return false;
	add_text(b, to, s);
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
	case CONFIG_DOMAINS:
		return put_domain(b, (struct config_texts *)((char *)base + o->at), s);
	case CONFIG_SERVERS:
		return put_server(b, (struct config_texts *)((char *)base + o->at), s);
	case CONFIG_PINS:
		return put_pin(b, (struct config_pins *)((char *)base + o->at), s);
	case CONFIG_TEXTS:
		return put_text(b, (struct config_texts *)((char *)base + o->at), s);
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
	case CONFIG_DOMAINS:
		fault(b->faults, line, "%s has \"%.*s\"; give at most %d domains, such as "
			"{ \"example.net\", \"*.example.net\" }", o->name, STR_FMT(found),
			CONFIG_DOMAINS_MAX);
		return;
	case CONFIG_SERVERS:
		fault(b->faults, line, "%s has \"%.*s\"; give at most %d numeric addresses, such as "
			"{ \"192.0.2.1\", \"2001:db8::1@5353\" }", o->name, STR_FMT(found),
			CONFIG_SERVERS_MAX);
		return;
	case CONFIG_PINS:
		fault(b->faults, line, "%s has \"%.*s\"; give at most %d like \"sha256/\" and base64 "
			"of the 32 bytes", o->name, STR_FMT(found), CONFIG_PINS_MAX);
		return;
	case CONFIG_TEXTS:
		fault(b->faults, line, "%s has \"%.*s\" as one of too many; give at most %d", o->name,
			STR_FMT(found), CONFIG_TEXTS_MAX);
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

/* What a host may serve at further domains. */
static const struct service_option {
	const char *name;          /* of the option, and before the host's domain by default */
	const char *what;          /* there is at that domain */
	size_t at;                 /* in struct config_host */
} services[] = {
	{ "rooms", "rooms", offsetof(struct config_host, rooms) },
	{ "pubsub", "nodes", offsetof(struct config_host, pubsub) },
};

#define N_SERVICES (sizeof services / sizeof services[0])

static struct str *service_of(const struct config_host *h, const struct service_option *o)
{
	return (struct str *)((char *)h + o->at);
}

/* Where a service is: an address literal has none unless it says where. False: a fault. */
static bool host_service(struct builder *b, struct config_host *h, const struct service_option *o)
{
	unsigned line = line_of(b, CONFIG_HOST, o->name);
	struct str *to = service_of(h, o), domain, text = line ? *to
		: str_printf(&b->scratch, "%s.%.*s", o->name, STR_FMT(h->domain));

	*to = STR("");
	if (!text.n)
		return true;
	if (jid_prep_domain(text, &b->scratch, &domain)) {
		*to = str_dup(b->mem, domain);
		return true;
	}
	if (line)
		fault(b->faults, line, "%s is \"%.*s\"; give a domain name, such as "
			"%s.example.org, or \"\" for none", o->name,
			STR_FMT(fault_quote(text, &b->scratch)), o->name);
	return !line;
}

static bool host_services(struct builder *b, struct config_host *h)
{
	bool ok = true;

	for (size_t i = 0; i < N_SERVICES; i++)
		ok = host_service(b, h, &services[i]) && ok;
	return ok;
}

/* Of one service of a host, against everything of a host that is not behind it. */
static void check_service(struct builder *b, const struct config_host *h, size_t i,
	const struct config_host *o, unsigned section_line)
{
	const struct service_option *own = &services[i];
	unsigned own_line = line_of(b, CONFIG_HOST, own->name);
	unsigned line = own_line ? own_line : section_line;
	struct str at = *service_of(h, own);

	if (at.n && str_eq(at, o->domain))
		fault(b->faults, line, "the %s of host \"%.*s\" are at \"%.*s\", which is "
			"a host; give %s another domain, or \"\" for none", own->what,
			STR_FMT(fault_quote(h->domain, &b->scratch)),
			STR_FMT(fault_quote(at, &b->scratch)), own->name);
	for (size_t k = 0; at.n && k < (o == h ? i : N_SERVICES); k++) {
		if (!str_eq(at, *service_of(o, &services[k])))
			continue;
		fault(b->faults, line, "the %s of host \"%.*s\" are at \"%.*s\", where the %s of "
			"host \"%.*s\" are; give %s another domain, or \"\" for none", own->what,
			STR_FMT(fault_quote(h->domain, &b->scratch)),
			STR_FMT(fault_quote(at, &b->scratch)), services[k].what,
			STR_FMT(fault_quote(o->domain, &b->scratch)), own->name);
	}
}

/* Each domain has one use. Compares a host with itself and those before it. */
static void check_domains(struct builder *b, const struct config_host *h, unsigned section_line)
{
	for (const struct config_host *o = b->c->hosts; o <= h; o++) {
		for (size_t i = 0; i < N_SERVICES; i++) {
			const struct service_option *s = &services[i];
			if (o != h && service_of(o, s)->n && str_eq(h->domain, *service_of(o, s)))
				fault(b->faults, section_line, "host \"%.*s\" is where host "
					"\"%.*s\" has its %s; give %s another domain there, or "
					"\"\" for none",
					STR_FMT(fault_quote(h->domain, &b->scratch)),
					STR_FMT(fault_quote(o->domain, &b->scratch)), s->what,
					s->name);
			check_service(b, h, i, o, section_line);
		}
	}
}

/* RFC 6761 section 6.3: names of this machine, which nobody else can reach. */
static bool is_localhost(struct str domain)
{
	const struct str name = STR("localhost"), within = STR(".localhost");

	return str_eq(domain, name) ||
	       (domain.n > within.n && str_eq(str_skip(domain, domain.n - within.n), within));
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
	if (!line_of(b, CONFIG_HOST, "federation"))
		h->federation = !is_localhost(domain);
	host_files(b, h);
	if (host_services(b, h))
		check_domains(b, h, s->line);
	c->n_hosts++;
}

/* Who serves a domain already, for people, or NULL. */
static const char *use_of(const struct config *c, struct str domain)
{
	for (size_t i = 0; i < c->n_hosts; i++) {
		if (str_eq(c->hosts[i].domain, domain))
			return "is a host";
		if (str_eq(c->hosts[i].rooms, domain))
			return "is where a host has its rooms";
		if (str_eq(c->hosts[i].pubsub, domain))
			return "is where a host has its nodes";
	}
	for (size_t i = 0; i < c->n_components; i++)
		if (str_eq(c->components[i].domain, domain))
			return "stands twice";
	return NULL;
}

/* ---- what a component is granted ---- */

static struct str quoted(struct builder *b, struct str s)
{
	return fault_quote(s, &b->scratch);
}

static const struct config_host *find_host(const struct config *c, struct str domain)
{
	for (size_t i = 0; i < c->n_hosts; i++)
		if (str_eq(c->hosts[i].domain, domain))
			return &c->hosts[i];
	return NULL;
}

/* The names become canonical. */
static void check_managed(struct builder *b, struct config_component *k)
{
	unsigned line = line_of(b, CONFIG_COMPONENT, "manages");
	struct str domain;

	for (size_t i = 0; i < k->manages.n; i++) {
		struct str *text = &k->manages.texts[i];
		if (!jid_prep_domain(*text, &b->scratch, &domain) || !find_host(b->c, domain)) {
			fault(b->faults, line, "manages has \"%.*s\", which is no host; name hosts of "
				"this file", STR_FMT(quoted(b, *text)));
			continue;
		}
		*text = str_dup(b->mem, domain);
		for (size_t before = 0; before < i; before++)
			if (str_eq(k->manages.texts[before], domain))
				fault(b->faults, line, "manages has \"%.*s\" twice; remove one",
					STR_FMT(quoted(b, domain)));
	}
}

static bool manages_one_of(const struct config_component *a, const struct config_component *b)
{
	for (size_t i = 0; i < a->manages.n; i++)
		for (size_t k = 0; k < b->manages.n; k++)
			if (str_eq(a->manages.texts[i], b->manages.texts[k]))
				return true;
	return false;
}

/* A namespace without what stands behind it. */
static struct str namespace_of(struct str text)
{
	struct delegation d;

	grant_parse_delegation(text, &d);
	return d.ns;
}

/* Whether a namespace stands among the first n of a list. */
static bool has_namespace(const struct config_texts *t, size_t n, struct str ns)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(namespace_of(t->texts[i]), ns))
			return true;
	return false;
}

/* One component answers for a namespace at a host. */
static bool is_delegated(const struct builder *b, const struct config_component *k, size_t n,
	struct str ns)
{
	for (size_t i = 0; i < b->c->n_components; i++) {
		const struct config_component *other = &b->c->components[i];
		if (manages_one_of(k, other) && has_namespace(&other->delegates, other->delegates.n, ns))
			return true;
	}
	return has_namespace(&k->delegates, n, ns);
}

static void check_delegates(struct builder *b, const struct config_component *k)
{
	unsigned line = line_of(b, CONFIG_COMPONENT, "delegates");

	for (size_t i = 0; i < k->delegates.n; i++) {
		struct str text = k->delegates.texts[i];
		struct delegation d;
		const char *why = grant_parse_delegation(text, &d);
		if (!why && is_delegated(b, k, i, d.ns))
			why = "is delegated already";
		if (why)
			fault(b->faults, line, "delegates has \"%.*s\", which %s; give each namespace "
				"once, and names of attributes behind it", STR_FMT(quoted(b, text)), why);
	}
}

static void check_iqs(struct builder *b, const struct config_component *k)
{
	unsigned line = line_of(b, CONFIG_COMPONENT, "iq");

	for (size_t i = 0; i < k->iq.n; i++) {
		struct iq_grant g;
		const char *why = grant_parse_iq(k->iq.texts[i], &g);
		if (!why && has_namespace(&k->iq, i, g.ns))
			why = "has a namespace that stands there already";
		if (why)
			fault(b->faults, line, "iq has \"%.*s\", which %s; give such as "
				"\"http://jabber.org/protocol/pubsub both\"",
				STR_FMT(quoted(b, k->iq.texts[i])), why);
	}
}

static bool has_grants(const struct config_component *k)
{
	return k->delegates.n || k->roster || k->message || k->iq.n || k->presence;
}

/* Where nothing is said of the hosts it is the one that the component is within, else the first. */
static void set_managed(struct builder *b, struct config_component *k)
{
	struct str end = k->domain;
	const struct config_host *h = NULL;
	ptrdiff_t label;

	while (!h && (label = str_find(end, '.')) >= 0) {
		end = str_skip(end, (size_t)label + 1);
		h = find_host(b->c, end);
	}
	if (!h && b->c->n_hosts)
		h = &b->c->hosts[0];
	if (h)
		add_text(b, &k->manages, h->domain);
}

static void check_grants(struct builder *b, struct config_component *k, unsigned line)
{
	check_managed(b, k);
	if (!has_grants(k))
		return;
	if (!k->manages.n)
		set_managed(b, k);
	if (str_starts(k->domain, STR("*.")))
		fault(b->faults, line, "component \"%.*s\" has many domains, and cannot be granted "
			"anything; name one domain", STR_FMT(quoted(b, k->domain)));
	check_delegates(b, k);
	check_iqs(b, k);
	if (k->presence == GRANT_ROSTER_PRESENCE && !(k->roster & GRANT_GET)) /* XEP-0356, 7.4 */
		fault(b->faults, line_of(b, CONFIG_COMPONENT, "presence"), "presence is \"roster\" "
			"without the right to read rosters; give roster = get, or both");
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
	if (!domains_name(b, s->title, &k->domain)) {
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
	check_grants(b, k, s->line);
	c->n_components++;
}

/* The number of sections of a kind, for the sizes of arrays. */
static size_t count_sections(const struct raw_section *s, enum config_section kind)
{
	size_t n = 0;

	for (; s; s = s->next)
		n += s->kind == kind;
	return n;
}

/* ---- other servers ---- */

static struct str anchor_of(struct builder *b, struct str text)
{
	if (str_eq(text, STR("none")))
		return STR("");
	if (text.n)
		return path_from(b, text);
	return b->machine && access(ROOT_ANCHOR, R_OK) == 0 ? STR(ROOT_ANCHOR) : STR("");
}

static void build_federation(struct builder *b, const struct raw_section *s)
{
	struct config_federation *f = &b->c->federation;

	fill(b, s, CONFIG_FEDERATION, f);
	f->dns_anchor = anchor_of(b, f->dns_anchor);
	check_readable(b, line_of(b, CONFIG_FEDERATION, "ca_file"), "ca_file", f->ca_file);
	check_readable(b, line_of(b, CONFIG_FEDERATION, "dns_anchor"), "dns_anchor", f->dns_anchor);
	if (f->queue_bytes < b->c->limits.stanza_bytes)
		fault(b->faults, s ? s->line : 0, "queue_bytes (%u) is less than stanza_bytes (%u); "
			"raise the one or lower the other", f->queue_bytes, b->c->limits.stanza_bytes);
}

/* "name:port", "192.0.2.1:5269", "[2001:db8::1]:5269"; the name becomes canonical. */
static bool parse_route(struct builder *b, struct str s, struct str *out)
{
	const char *colon = s.p ? memrchr(s.p, ':', s.n) : NULL;
	struct str host;
	uint16_t port;

	if (!colon || !parse_port(str_skip(s, (size_t)(colon - s.p) + 1), &port))
		return false;
	if (!jid_prep_domain(str_head(s, (size_t)(colon - s.p)), &b->scratch, &host))
		return false;
	*out = str_printf(b->mem, "%.*s:%u", STR_FMT(host), port);
	return true;
}

/* What the options of a remote domain mean together. */
static void check_remote(struct builder *b, struct config_remote *r, const struct raw_section *s)
{
	struct str name = fault_quote(s->title, &b->scratch);

	if (!line_of(b, CONFIG_REMOTE, "security"))
		r->security = b->c->federation.security;
	if (r->route.n && !parse_route(b, r->route, &r->route))
		fault(b->faults, line_of(b, CONFIG_REMOTE, "route"), "route is \"%.*s\"; give a host "
			"and its port, such as xmpp.example.net:5269 or 192.0.2.1:5269",
			STR_FMT(fault_quote(r->route, &b->scratch)));
	if (r->direct_tls && !r->route.n)
		fault(b->faults, line_of(b, CONFIG_REMOTE, "direct_tls"), "remote \"%.*s\" has "
			"direct_tls and no route; give both, as DNS says it by itself", STR_FMT(name));
	if (r->pins.n && r->security == PEERS_IN_CLEAR)
		fault(b->faults, line_of(b, CONFIG_REMOTE, "pins"), "remote \"%.*s\" has pins, and "
			"security = none would do without a certificate; remove one of them",
			STR_FMT(name));
}

static void build_remote(struct builder *b, const struct raw_section *s)
{
	struct config *c = b->c;
	struct config_remote *r = &c->remotes[c->n_remotes];
	struct str name = fault_quote(s->title, &b->scratch);

	*r = (struct config_remote){ 0 };
	fill(b, s, CONFIG_REMOTE, r);
	if (c->n_remotes == CONFIG_REMOTES_MAX) {
		fault(b->faults, s->line, "more than %d remote domains; remove some",
			CONFIG_REMOTES_MAX);
		return;
	}
	if (!domains_name(b, s->title, &r->domain)) {
		fault(b->faults, s->line, "remote is \"%.*s\"; give a domain name, such as "
			"example.net, or *.example.net for all within that one", STR_FMT(name));
		return;
	}
	for (size_t i = 0; i < c->n_remotes; i++)
		if (str_eq(c->remotes[i].domain, r->domain)) {
			fault(b->faults, s->line, "remote \"%.*s\" stands twice; one section for each "
				"is enough", STR_FMT(name));
			return;
		}
	if (use_of(c, r->domain)) {
		fault(b->faults, s->line, "remote \"%.*s\" is served here; remove one of them",
			STR_FMT(name));
		return;
	}
	check_remote(b, r, s);
	c->n_remotes++;
}

static void build_remotes(struct builder *b, const struct raw_section *top)
{
	size_t n = count_sections(top, CONFIG_REMOTE);

	b->c->remotes = arena_alloc(b->mem, (n + 1) * sizeof *b->c->remotes);
	for (const struct raw_section *s = top; s; s = s->next)
		if (s->kind == CONFIG_REMOTE)
			build_remote(b, s);
}

/* ---- modules of others ---- */

static bool has_option(struct builder *b, const struct config_module *m, const struct raw_value *v)
{
	for (size_t i = 0; i < m->n_options; i++) {
		if (!str_eq(m->options[i].name, v->name))
			continue;
		fault(b->faults, v->line, "%.*s stands on line %u too; remove one of them",
			STR_FMT(fault_quote(v->name, &b->scratch)), m->options[i].line);
		return true;
	}
	return false;
}

static void build_module(struct builder *b, const struct raw_section *s)
{
	struct config *c = b->c;
	struct config_module *m = &c->modules[c->n_modules];
	size_t n = 0;

	if (c->n_modules == CONFIG_MODULES_MAX) {
		fault(b->faults, s->line, "more than %d modules; remove some", CONFIG_MODULES_MAX);
		return;
	}
	if (!s->title.n) {
		fault(b->faults, s->line, "module is \"\"; name a file, such as "
			"/usr/lib/stentor/hello.so");
		return;
	}
	for (const struct raw_value *v = s->values; v; v = v->next)
		n++;
	*m = (struct config_module){ .path = path_from(b, s->title), .line = s->line,
		.options = arena_alloc(b->mem, (n + 1) * sizeof *m->options) };
	for (const struct raw_value *v = s->values; v; v = v->next)
		if (!has_option(b, m, v))
			m->options[m->n_options++] = (struct config_pair){ str_dup(b->mem, v->name),
				str_dup(b->mem, v->text), v->line };
	c->n_modules++;
}

static void build_modules(struct builder *b, const struct raw_section *top)
{
	size_t n = count_sections(top, CONFIG_MODULE);

	b->c->modules = arena_alloc(b->mem, (n + 1) * sizeof *b->c->modules);
	for (const struct raw_section *s = top; s; s = s->next)
		if (s->kind == CONFIG_MODULE)
			build_module(b, s);
}

/* ---- listeners ---- */

static bool is_address(struct str s, struct arena *a)
{
	return str_eq(s, STR("*")) || is_numeric(s, a);
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

static uint16_t usual_port(enum listener_kind kind)
{
	switch (kind) {
	case LISTEN_C2S: return PORT_C2S;
	case LISTEN_C2S_DIRECT_TLS: return PORT_C2S_TLS;
	case LISTEN_COMPONENT:
	case LISTEN_COMPONENT_DIRECT_TLS: return PORT_COMPONENT;
	case LISTEN_S2S: return PORT_S2S;
	case LISTEN_S2S_DIRECT_TLS: return PORT_S2S_TLS;
	}
	BUG("no such listener");
}

static void build_listener(struct builder *b, const struct raw_section *s)
{
	struct config_listener l = { 0 };

	fill(b, s, CONFIG_LISTENER, &l);
	if (!line_of(b, CONFIG_LISTENER, "port"))
		l.port = usual_port(l.kind);
	if (!line_of(b, CONFIG_LISTENER, "address"))
		l.address = is_for_components(&l) ? LOOPBACK : STR("*");
	if (is_address(l.address, &b->scratch))
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
	if (!s)
		return;
	if (l->stanza_bytes < l->stanza_bytes_before_login)
		fault(b->faults, s->line, "stanza_bytes (%u) is less than "
			"stanza_bytes_before_login (%u); turn them round", l->stanza_bytes,
			l->stanza_bytes_before_login);
	if (l->output_bytes / 2 < l->stanza_bytes)
		fault(b->faults, s->line, "output_bytes (%u) does not hold two of stanza_bytes "
			"(%u); raise the one or lower the other", l->output_bytes,
			l->stanza_bytes);
}

static bool components_can_connect(const struct config *c)
{
	for (size_t i = 0; i < c->n_listeners; i++)
		if (is_for_components(&c->listeners[i]))
			return true;
	return false;
}

static void add_usual(struct builder *b, enum listener_kind kind, struct str address)
{
	add_listener(b, (struct config_listener){ kind, address, usual_port(kind) }, 0);
}

bool config_federates(const struct config *c)
{
	if (!c->federation.enabled)
		return false;
	for (size_t i = 0; i < c->n_hosts; i++)
		if (c->hosts[i].federation)
			return true;
	return false;
}

static void build_listeners(struct builder *b, const struct raw_section *top)
{
	size_t n = count_sections(top, CONFIG_LISTENER);

	b->c->listeners = arena_alloc(b->mem, (n + 5) * sizeof *b->c->listeners);
	for (const struct raw_section *s = top; s; s = s->next)
		if (s->kind == CONFIG_LISTENER)
			build_listener(b, s);
	if (n == 0) {
		add_usual(b, LISTEN_C2S, STR("*"));
		add_usual(b, LISTEN_C2S_DIRECT_TLS, STR("*"));
	}
	if (n == 0 && config_federates(b->c)) {
		add_usual(b, LISTEN_S2S, STR("*"));
		add_usual(b, LISTEN_S2S_DIRECT_TLS, STR("*"));
	}
	if (b->c->n_components && !components_can_connect(b->c))
		add_usual(b, LISTEN_COMPONENT, LOOPBACK);
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

/* The one section of a kind, or NULL. Each further one is a fault. */
static const struct raw_section *only_section(struct builder *b, const struct raw_section *top,
	enum config_section kind)
{
	const struct raw_section *first = NULL, *last = NULL;

	for (const struct raw_section *s = top; s; s = s->next) {
		if (s->kind != kind)
			continue;
		if (last)
			fault(b->faults, s->line, "%s stands on line %u too; make one section of them",
				config_section_name(kind), last->line);
		first = first ? first : s;
		last = s;
	}
	return first;
}

static void build(struct builder *b, const struct raw_section *top)
{
	build_top(b, top);
	build_limits(b, only_section(b, top, CONFIG_LIMITS));
	build_hosts(b, top);
	build_components(b, top);
	build_federation(b, only_section(b, top, CONFIG_FEDERATION));
	build_remotes(b, top);
	build_modules(b, top);
	build_listeners(b, top);
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

static bool same_texts(const struct config_texts *x, const struct config_texts *y)
{
	if (x->n != y->n)
		return false;
	for (size_t i = 0; i < x->n; i++)
		if (!str_eq(x->texts[i], y->texts[i]))
			return false;
	return true;
}

static bool same_value(const struct config_option *o, const void *x, const void *y)
{
	const char *a = (const char *)x + o->at;
	const char *b = (const char *)y + o->at;

	if (o->type == CONFIG_SERVERS)
		return same_texts((const struct config_texts *)a, (const struct config_texts *)b);
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

/* The struct of a section that stands once, or NULL. */
static const void *only_struct(const struct config *c, enum config_section section)
{
	switch (section) {
	case CONFIG_TOP: return c;
	case CONFIG_FEDERATION: return &c->federation;
	case CONFIG_LIMITS: return &c->limits;
	default: return NULL;
	}
}

static bool same_options(const struct config_module *x, const struct config_module *y)
{
	if (x->n_options != y->n_options)
		return false;
	for (size_t i = 0; i < x->n_options; i++)
		if (!str_eq(x->options[i].name, y->options[i].name) ||
			!str_eq(x->options[i].value, y->options[i].value))
			return false;
	return true;
}

static bool same_modules(const struct config *x, const struct config *y)
{
	if (x->n_modules != y->n_modules)
		return false;
	for (size_t i = 0; i < x->n_modules; i++)
		if (!str_eq(x->modules[i].path, y->modules[i].path) ||
			!same_options(&x->modules[i], &y->modules[i]))
			return false;
	return true;
}

static struct str add_name(struct arena *a, struct str names, const char *name)
{
	return str_printf(a, "%.*s%s%s", STR_FMT(names), names.n ? ", " : "", name);
}

struct str config_restart_names(const struct config *old, const struct config *new,
	struct arena *a)
{
	struct str names = STR("");

	if (!same_listeners(old, new))
		names = add_name(a, names, "listener");
	if (!same_modules(old, new))
		names = add_name(a, names, "module");

	for (size_t i = 0; i < config_options_count; i++) {
		const struct config_option *o = &config_options[i];
		const void *before = only_struct(old, o->section), *now = only_struct(new, o->section);

		if (!o->restart || !before || same_value(o, before, now))
			continue;
		names = add_name(a, names, o->name);
	}
	return names;
}
