/* Screening, libconfuse, and words for its faults. See config_read.h. */
#include "server/config_read.h"

#include "base/bug.h"
#include "base/utf8.h"

#include <confuse.h>
#include <stdarg.h>

#define FAULT_BYTES_MAX (64 * 1024)
#define QUOTE_MAX       60
#define UNKNOWN_MAX     16 /* names that nobody knows, until reading stops */
#define NAMES_MAX       48 /* of options of modules, each counted once */
#define SECTIONS_MAX    (CONFIG_HOSTS_MAX + CONFIG_COMPONENTS_MAX + CONFIG_REMOTES_MAX + \
			 CONFIG_MODULES_MAX + \
			 CONFIG_LISTENERS_MAX + 16)
#define OPTIONS_MAX     64 /* of one section, with the unknown ones */
#define LIST_DEPTH      2  /* braces around the values of a list, which stands in a section */

void faults_init(struct faults *f, const char *file)
{
	*f = (struct faults){ .file = file };
	buf_init(&f->text, FAULT_BYTES_MAX);
}

void faults_clear(struct faults *f)
{
	buf_clear(&f->text);
}

__attribute__((format(printf, 3, 0)))
static void fault_va(struct faults *f, unsigned line, const char *fmt, va_list ap, const char *more)
{
	char text[1024];

	if (++f->n > CONFIG_FAULTS_MAX) {
		if (f->n == CONFIG_FAULTS_MAX + 1)
			buf_printf(&f->text, "%s: and more; mend these first\n", f->file);
		return;
	}
	vsnprintf(text, sizeof text, fmt, ap);
	if (line)
		buf_printf(&f->text, "%s:%u: %s%s\n", f->file, line, text, more);
	else
		buf_printf(&f->text, "%s: %s%s\n", f->file, text, more);
}

void fault(struct faults *f, unsigned line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fault_va(f, line, fmt, ap, "");
	va_end(ap);
}

struct str fault_quote(struct str value, struct arena *a)
{
	size_t n = QUOTE_MAX;

	if (value.n <= QUOTE_MAX)
		return value;
	while (n > 0 && ((unsigned char)value.p[n] & 0xc0) == 0x80)
		n--;
	return str_printf(a, "%.*s...", (int)n, value.p);
}

/* Screening. A string ends on its line, so a line is all that must be looked at. */

struct screen {
	struct faults *faults;
	unsigned line;
	unsigned depth;                /* open braces */
	unsigned opened;               /* line of the last one */
	unsigned starts[SECTIONS_MAX]; /* lines of the braces that open sections */
	unsigned n_starts;
};

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		memchr("_-.:/= \t\r", c, 9) != NULL;
}

static bool screen_brace(struct screen *s, char c)
{
	if (c == '}') {
		if (s->depth == 0) {
			fault(s->faults, s->line, "this } closes nothing; remove it");
			return false;
		}
		s->depth--;
		return true;
	}
	if (s->depth++ == 0) {
		if (s->n_starts == SECTIONS_MAX) {
			fault(s->faults, s->line, "more than %u sections; remove some",
				SECTIONS_MAX);
			return false;
		}
		s->starts[s->n_starts++] = s->line;
	}
	s->opened = s->line;
	return true;
}

/* The bytes behind an opening quote; the offset behind the closing one, or 0. */
static size_t screen_string(struct screen *s, struct str l)
{
	for (size_t i = 0; i < l.n; i++) {
		char c = l.p[i];
		char next = i + 1 < l.n ? l.p[i + 1] : 0;

		if (c == '"') {
			if (i <= CONFIG_VALUE_MAX)
				return i + 1;
			fault(s->faults, s->line, "a value of more than %d bytes; shorten it",
				CONFIG_VALUE_MAX);
			return 0;
		}
		if (c == '\\' && next != '"' && next != '\\') {
			fault(s->faults, s->line, "a \\ in quotes must stand before \" or \\; "
				"write \\\\ for a single one");
			return 0;
		}
		if (c == '\\')
			i++;
		if (c == '$' && next == '{') {
			fault(s->faults, s->line, "${...} is not expanded; write the value itself");
			return 0;
		}
		if ((unsigned char)c < 0x20 || c == 0x7f) {
			fault(s->faults, s->line, "a control byte (0x%02x) in a value; remove it",
				(unsigned char)c);
			return 0;
		}
	}
	fault(s->faults, s->line, "a quote is not closed; a value ends on its line");
	return 0;
}

static bool screen_plain(struct screen *s, struct str l, size_t i)
{
	unsigned char c = (unsigned char)l.p[i];

	if (c == '/' && i + 1 < l.n && l.p[i + 1] == '/') {
		fault(s->faults, s->line, "// stands outside quotes; comments begin with #");
		return false;
	}
	if (is_plain(l.p[i]))
		return true;
	if (c < 0x20 || c >= 0x7f)
		fault(s->faults, s->line, "byte 0x%02x stands outside quotes; put the value in "
			"double quotes", c);
	else
		fault(s->faults, s->line, "\"%c\" stands outside quotes; put the value in double "
			"quotes", c);
	return false;
}

/* Checks a line and overwrites its comment with spaces. At most one fault. */
static bool screen_line(struct screen *s, char *p, size_t n)
{
	struct str l = { p, n };

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '#') {
			memset(p + i, ' ', n - i);
			break;
		}
		if (p[i] == '"') {
			size_t len = screen_string(s, str_skip(l, i + 1));

			if (len == 0)
				return false;
			i += len;
		} else if (p[i] == '{' || p[i] == '}') {
			if (!screen_brace(s, p[i]))
				return false;
		} else if (!(p[i] == ',' && s->depth == LIST_DEPTH) && !screen_plain(s, l, i)) {
			return false;
		}
	}
	if (!utf8_valid(l)) {
		fault(s->faults, s->line, "a value is not UTF-8; save the file as UTF-8");
		return false;
	}
	return true;
}

/* Works in place on a text that ends with a NUL. */
static bool screen(struct screen *s, char *p, size_t n)
{
	bool ok = true;

	for (size_t at = 0; at < n;) {
		char *end = memchr(p + at, '\n', n - at);
		size_t len = end ? (size_t)(end - p) - at : n - at;

		s->line++;
		ok = screen_line(s, p + at, len) && ok;
		at += len + 1;
	}
	if (ok && s->depth) {
		fault(s->faults, s->opened, "the { here is never closed; add a }");
		ok = false;
	}
	return ok;
}

/* The reading. libconfuse hands no context to its callbacks, so there is one reader. */

struct unknown {
	enum config_section section;
	struct str name;
	unsigned line;
};

static struct reader {
	struct faults *faults;
	struct arena *arena;
	const struct screen *screen;
	struct unknown unknown[UNKNOWN_MAX];
	unsigned n_unknown;
	struct str names[NAMES_MAX]; /* of options of modules */
	unsigned n_names;
	bool again;                  /* a name was unknown; read again and let it pass */
	struct raw_section *top, *last;
	struct raw_section open;     /* collects the values of the section that is open */
	struct raw_value **tail_top, **tail_open;
	unsigned n_sections, n_values;
} *reader;

static enum config_section section_of(const char *name)
{
	for (enum config_section s = CONFIG_HOST; s <= CONFIG_LIMITS; s++)
		if (str_eq(str_c(config_section_name(s)), str_c(name)))
			return s;
	return CONFIG_TOP;
}

static const struct config_option *find_option(enum config_section section, struct str name)
{
	for (size_t i = 0; i < config_options_count; i++) {
		const struct config_option *o = &config_options[i];

		if (o->section == section && str_eq(str_c(o->name), name))
			return o;
	}
	return NULL;
}

static bool is_unknown(const struct reader *r, enum config_section section, struct str name)
{
	for (unsigned i = 0; i < r->n_unknown; i++)
		if (r->unknown[i].section == section && str_eq(r->unknown[i].name, name))
			return true;
	return false;
}

static bool is_of_module(const struct reader *r, struct str name)
{
	for (unsigned i = 0; i < r->n_names; i++)
		if (str_eq(r->names[i], name))
			return true;
	return false;
}

/* Called by libconfuse for each value. It takes "SECTION|NAME" in quotes for an option of
 * that section; nobody needs that. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct reader *r = reader;
	enum config_section section = section_of(cfg_name(cfg));
	const struct config_option *option = find_option(section, str_c(cfg_opt_name(opt)));
	struct raw_value ***tail = section == CONFIG_TOP ? &r->tail_top : &r->tail_open;
	struct raw_value *v;

	*(const char **)result = "";
	if (!option && is_unknown(r, section, str_c(cfg_opt_name(opt))))
		return 0;
	if (!option && !(section == CONFIG_MODULE && is_of_module(r, str_c(cfg_opt_name(opt))))) {
		fault(r->faults, (unsigned)cfg->line, "%s stands in quotes; write a name without",
			cfg_opt_name(opt));
		return -1;
	}
	if (++r->n_values > CONFIG_VALUES_MAX) {
		fault(r->faults, (unsigned)cfg->line, "more than %d values; remove some",
			CONFIG_VALUES_MAX);
		return -1;
	}
	v = arena_alloc(r->arena, sizeof *v);
	*v = (struct raw_value){ NULL, option, str_dup(r->arena, str_c(cfg_opt_name(opt))),
		str_dup(r->arena, str_c(value)), (unsigned)cfg->line, cfg_opt_size(opt) > 1 };
	**tail = v;
	*tail = &v->next;
	return 0;
}

/* Called by libconfuse at the end of each section. */
static int on_section(cfg_t *cfg, cfg_opt_t *opt)
{
	struct reader *r = reader;
	struct raw_section *s = arena_alloc(r->arena, sizeof *s);
	cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);

	BUG_ON(r->n_sections >= r->screen->n_starts);
	*s = (struct raw_section){
		.kind = section_of(cfg_opt_name(opt)),
		.title = str_dup(r->arena, str_c(cfg_title(section))),
		.line = r->screen->starts[r->n_sections++],
		.values = r->open.values
	};
	r->open.values = NULL;
	r->tail_open = &r->open.values;
	r->last->next = s;
	r->last = s;
	return 0;
}

/* Faults of libconfuse, by the beginning of its text, and what to do. */
static const struct {
	const char *text, *remedy;
} remedies[] = {
	{ "missing equal sign", "; write NAME = VALUE" },
	{ "missing opening brace", "; write SECTION { ... }" },
	{ "missing title", "; write what it is for, like host \"DOMAIN\" { ... }" },
	{ "found duplicate title", "; one section for each is enough" },
	{ "premature end", "; write NAME = VALUE" },
	{ "unexpected token", "; write NAME = VALUE, or SECTION { ... }" },
	{ "attempt to append", "; write NAME = VALUE" }
};

/* How many single bytes differ, up to a bound that is enough for typing errors. */
static unsigned distance(struct str a, struct str b)
{
	unsigned row[64], best;

	if (a.n >= 64 || b.n >= 64)
		return 64;
	for (unsigned j = 0; j <= b.n; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.n; i++) {
		unsigned corner = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b.n; j++) {
			best = corner + (a.p[i - 1] != b.p[j - 1]);
			corner = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b.n];
}

static const char *nearest(enum config_section section, struct str name)
{
	const char *found = NULL;
	unsigned best = 3;

	for (size_t i = 0; i < config_options_count; i++) {
		const struct config_option *o = &config_options[i];
		unsigned d = distance(str_c(o->name), name);

		if (o->section == section && d < best) {
			best = d;
			found = o->name;
		}
	}
	for (enum config_section s = CONFIG_HOST; section == CONFIG_TOP && s <= CONFIG_LIMITS; s++) {
		unsigned d = distance(str_c(config_section_name(s)), name);

		if (d < best) {
			best = d;
			found = config_section_name(s);
		}
	}
	return found;
}

static void tell_unknown(struct reader *r, const struct unknown *u)
{
	const char *near = nearest(u->section, u->name);
	struct str name = fault_quote(u->name, r->arena);

	if (near) {
		fault(r->faults, u->line, "no option is named \"%.*s\"; do you mean %s?",
			STR_FMT(name), near);
		return;
	}
	for (enum config_section s = CONFIG_TOP; s <= CONFIG_LIMITS; s++) {
		if (!find_option(s, u->name))
			continue;
		if (s == CONFIG_TOP)
			fault(r->faults, u->line, "%.*s does not belong into a section; move it "
				"out", STR_FMT(name));
		else
			fault(r->faults, u->line, "%.*s does not belong here; move it into %s "
				"{ ... }", STR_FMT(name), config_section_name(s));
		return;
	}
	fault(r->faults, u->line, "no option is named \"%.*s\"; stentor.conf(5) lists them all",
		STR_FMT(name));
}

/* Any option may stand in the section of a module. Its name is noted, and the text read again
 * with the name known. */
static void on_module_name(struct reader *r, cfg_t *cfg, struct str name)
{
	if (r->n_names == NAMES_MAX) {
		fault(r->faults, (unsigned)cfg->line, "more than %d options of modules; remove some",
			NAMES_MAX);
		return;
	}
	r->names[r->n_names++] = str_dup(r->arena, name);
	r->again = true;
}

/* An unknown name is noted, and the text read again with the name known, so that what comes
 * behind it is checked too. */
static void on_unknown(struct reader *r, cfg_t *cfg, struct str name)
{
	struct unknown *u = &r->unknown[r->n_unknown];

	if (is_unknown(r, section_of(cfg_name(cfg)), name))
		return;
	*u = (struct unknown){ section_of(cfg_name(cfg)), str_dup(r->arena, name),
		(unsigned)cfg->line };
	tell_unknown(r, u);
	r->again = ++r->n_unknown < UNKNOWN_MAX;
}

/* Called by libconfuse for each fault it finds, after which it stops. */
__attribute__((format(printf, 2, 0)))
static void on_fault(cfg_t *cfg, const char *fmt, va_list ap)
{
	struct reader *r = reader;
	struct str text = str_c(fmt);
	const char *remedy = "";

	if (str_starts(text, STR("no such option"))) {
		struct str name = str_c(va_arg(ap, const char *));
		if (section_of(cfg_name(cfg)) == CONFIG_MODULE)
			on_module_name(r, cfg, name);
		else
			on_unknown(r, cfg, name);
		return;
	}
	/* An unknown section was told before, when its name was. */
	for (unsigned i = 0; i < r->n_unknown; i++)
		if (r->unknown[i].line == (unsigned)cfg->line)
			return;
	for (size_t i = 0; i < sizeof remedies / sizeof remedies[0]; i++)
		if (str_starts(text, str_c(remedies[i].text)))
			remedy = remedies[i].remedy;
	fault_va(r->faults, (unsigned)cfg->line, fmt, ap, remedy);
}

static cfg_flag_t list_flag(const struct config_option *o)
{
	return config_is_list(o->type) ? CFGF_LIST : 0;
}

/* libconfuse's table for one section, from ours. */
static void make_opts(const struct reader *r, enum config_section section, cfg_opt_t *opts)
{
	unsigned n = 0;

	for (size_t i = 0; i < config_options_count; i++)
		if (config_options[i].section == section)
			opts[n++] = (cfg_opt_t)CFG_STR_CB((char *)config_options[i].name, NULL,
				CFGF_NODEFAULT | list_flag(&config_options[i]), on_value);
	for (unsigned i = 0; i < r->n_unknown; i++)
		if (r->unknown[i].section == section)
			opts[n++] = (cfg_opt_t)CFG_STR_CB((char *)r->unknown[i].name.p, NULL,
				CFGF_NODEFAULT, on_value);
	for (unsigned i = 0; section == CONFIG_MODULE && i < r->n_names; i++)
		opts[n++] = (cfg_opt_t)CFG_STR_CB((char *)r->names[i].p, NULL, CFGF_NODEFAULT,
			on_value);
	BUG_ON(n + CONFIG_LIMITS >= OPTIONS_MAX);
	opts[n] = (cfg_opt_t)CFG_END();
}

static unsigned count_opts(const cfg_opt_t *opts)
{
	unsigned n = 0;

	while (opts[n].name)
		n++;
	return n;
}

static bool has_title(enum config_section s)
{
	return s == CONFIG_HOST || s == CONFIG_COMPONENT || s == CONFIG_REMOTE ||
	       s == CONFIG_MODULE;
}

static bool read_once(struct reader *r, const char *text)
{
	cfg_opt_t opts[CONFIG_LIMITS + 1][OPTIONS_MAX];
	cfg_opt_t *top = opts[CONFIG_TOP];
	unsigned n, told;
	cfg_t *cfg;
	int rc;

	for (enum config_section s = CONFIG_TOP; s <= CONFIG_LIMITS; s++)
		make_opts(r, s, opts[s]);
	n = count_opts(top);
	for (enum config_section s = CONFIG_HOST; s <= CONFIG_LIMITS; s++)
		top[n++] = (cfg_opt_t)CFG_SEC((char *)config_section_name(s), opts[s],
			CFGF_MULTI | (has_title(s) ? CFGF_TITLE | CFGF_NO_TITLE_DUPES : 0));
	top[n] = (cfg_opt_t)CFG_END();

	r->top = r->last = arena_alloc(r->arena, sizeof *r->top);
	*r->top = (struct raw_section){ .kind = CONFIG_TOP };
	r->open = (struct raw_section){ .kind = CONFIG_TOP };
	r->tail_top = &r->top->values;
	r->tail_open = &r->open.values;
	r->n_sections = r->n_values = 0;
	r->again = false;

	cfg = cfg_init(top, CFGF_NONE);
	BUG_ON(!cfg);
	cfg_set_error_function(cfg, on_fault);
	for (enum config_section s = CONFIG_HOST; s <= CONFIG_LIMITS; s++)
		cfg_set_validate_func(cfg, config_section_name(s), on_section);
	told = r->faults->n;
	rc = cfg_parse_buf(cfg, text);
	/* An empty name in quotes stops it without a word. */
	if (rc != CFG_SUCCESS && r->faults->n == told && !r->n_unknown && !r->again)
		fault(r->faults, (unsigned)cfg->line, "no option has an empty name; remove the \"\"");
	cfg_free(cfg);
	return rc == CFG_SUCCESS;
}

struct raw_section *config_read(struct str text, struct faults *f, struct arena *a)
{
	struct screen s = { .faults = f };
	struct reader r = { .faults = f, .arena = a, .screen = &s };
	char *copy = arena_alloc(a, text.n + 1);
	bool ok;

	if (text.n)
		memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	if (!screen(&s, copy, text.n))
		return NULL;
	reader = &r;
	do
		ok = read_once(&r, copy);
	while (r.again);
	reader = NULL;
	return ok ? r.top : NULL;
}
