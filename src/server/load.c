#include "server/load.h"

#include "base/bug.h"
#include "server/config_read.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYMBOL "stentor_module"
#define NAME_LEN_MAX 32

/* What a module of the first minor version has. */
#define SIZE_LEAST (offsetof(struct stentor_module, session_ended) + sizeof(void (*)(void)))

#define PLACES (STENTOR_AT_HOST | STENTOR_AT_ACCOUNT | STENTOR_AT_OWN)

/* One file, while it is looked at. */
struct loading {
	const struct config_module *config;
	struct faults *faults;
	struct arena *scratch;
	struct loaded *out;
};

#define PATH_OF(l) STR_FMT((l)->config->path) /* whole: its end says most */

/* ---- may it be trusted ---- */

static bool is_ours(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

/* In a folder such as /tmp nobody can put another file in place of ours. */
static bool others_write(const struct stat *st)
{
	bool sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX);

	return (st->st_mode & (S_IWGRP | S_IWOTH)) && !sticky;
}

/* The file or one of its folders. */
static bool is_safe(struct loading *l, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		fault(l->faults, l->config->line, "module \"%.*s\" cannot be read: %s", PATH_OF(l),
			strerror(errno));
		return false;
	}
	if (!is_ours(&st)) {
		fault(l->faults, l->config->line, "module \"%.*s\" is not safe: \"%s\" belongs to "
			"the user %u; give it to root, or to the server's user", PATH_OF(l), path,
			(unsigned)st.st_uid);
		return false;
	}
	if (others_write(&st)) {
		fault(l->faults, l->config->line, "module \"%.*s\" is not safe: others may write "
			"\"%s\"; forbid it (chmod go-w)", PATH_OF(l), path);
		return false;
	}
	return true;
}

/* The path without links, which is cut to that of each folder in turn. */
static bool is_safe_all_the_way(struct loading *l, const char *real)
{
	struct str path = str_dup(l->scratch, str_c(real));
	char *p = (char *)path.p;

	for (;;) {
		if (!is_safe(l, p))
			return false;
		char *slash = strrchr(p, '/');
		if (slash == p && !p[1])
			return true;
		slash[slash == p] = '\0';
	}
}

static bool is_file(struct loading *l, const char *real)
{
	struct stat st;

	if (stat(real, &st) == 0 && S_ISREG(st.st_mode))
		return true;
	fault(l->faults, l->config->line, "module \"%.*s\" is no file; name a shared object",
		PATH_OF(l));
	return false;
}

/* ---- is it for us ---- */

/* What a newer interface has may not be used: we would not do it. */
static bool rest_is_empty(const struct stentor_module *m)
{
	const char *p = (const char *)m;

	for (size_t i = sizeof *m; i < m->size; i++)
		if (p[i])
			return false;
	return true;
}

static bool take_descriptor(struct loading *l, const struct stentor_module *m)
{
	if (m->abi != STENTOR_MODULE_ABI) {
		fault(l->faults, l->config->line, "module \"%.*s\" is for version %u of the interface "
			"for modules, and this server has %d; build it for this server", PATH_OF(l),
			(unsigned)m->abi, STENTOR_MODULE_ABI);
		return false;
	}
	if (m->size < SIZE_LEAST) {
		fault(l->faults, l->config->line, "module \"%.*s\" has a descriptor of %u bytes; its "
			"size is to be sizeof(struct stentor_module)", PATH_OF(l), (unsigned)m->size);
		return false;
	}
	if (!rest_is_empty(m)) {
		fault(l->faults, l->config->line, "module \"%.*s\" needs a newer server; it has what "
			"this one does not know", PATH_OF(l));
		return false;
	}
	memcpy(&l->out->module, m, m->size < sizeof *m ? m->size : sizeof *m);
	return true;
}

static bool is_name(const char *name, char mark)
{
	struct str s = str_c(name);

	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '0' && s.p[i] <= '9') &&
			s.p[i] != mark)
			return false;
	return s.n && s.n <= NAME_LEN_MAX;
}

/* What is wrong with the tables, for who wrote them, or NULL. */
static const char *table_fault(const struct stentor_module *m)
{
	for (const struct stentor_option *o = m->options; o && o->name; o++)
		if (!is_name(o->name, '_'))
			return "an option whose name is not of small letters, digits and _";
	for (const struct stentor_iq *q = m->iq; q && q->ns; q++) {
		bool type = q->type && (str_eq(str_c(q->type), STR("get")) ||
			str_eq(str_c(q->type), STR("set")));
		if (!type || !q->name || !q->run || !q->at || q->at & ~(uint32_t)PLACES)
			return "an IQ without type, name, place or function";
	}
	if (m->tick && !m->tick_seconds)
		return "a tick without its seconds";
	return NULL;
}

static bool is_sound(struct loading *l, const struct loaded_modules *before)
{
	const struct stentor_module *m = &l->out->module;
	const char *wrong = is_name(m->name, '-') ? table_fault(m)
		: "no name of small letters, digits and -, of at most 32 bytes";

	if (wrong) {
		fault(l->faults, l->config->line, "module \"%.*s\" has %s; it must be mended",
			PATH_OF(l), wrong);
		return false;
	}
	for (size_t i = 0; i < before->n; i++)
		if (str_eq(str_c(before->all[i].module.name), str_c(m->name))) {
			fault(l->faults, l->config->line, "module \"%.*s\" is named %s, as one on "
				"line %u is; remove one of them", PATH_OF(l), m->name,
				before->all[i].config->line);
			return false;
		}
	return true;
}

/* ---- its options ---- */

static struct str option_names(struct loading *l)
{
	struct str names = STR("none");

	for (const struct stentor_option *o = l->out->module.options; o && o->name; o++)
		names = o == l->out->module.options ? str_c(o->name)
			: str_printf(l->scratch, "%.*s %s", STR_FMT(names), o->name);
	return names;
}

static bool has_option(const struct stentor_module *m, struct str name)
{
	for (const struct stentor_option *o = m->options; o && o->name; o++)
		if (str_eq(str_c(o->name), name))
			return true;
	return false;
}

static bool takes(struct loading *l, const struct config_pair *p)
{
	const struct stentor_module *m = &l->out->module;

	if (!has_option(m, p->name)) {
		fault(l->faults, p->line, "%s has no option \"%.*s\"; there are: %.*s", m->name,
			STR_FMT(fault_quote(p->name, l->scratch)), STR_FMT(option_names(l)));
		return false;
	}
	const char *right = m->check ? m->check(p->name.p, p->value.p) : NULL;
	if (right)
		fault(l->faults, p->line, "%.*s is \"%.*s\"; %s", STR_FMT(p->name),
			STR_FMT(fault_quote(p->value, l->scratch)), right);
	return !right;
}

static bool takes_options(struct loading *l)
{
	bool ok = true;

	for (size_t i = 0; i < l->config->n_options; i++)
		ok = takes(l, &l->config->options[i]) && ok;
	return ok;
}

/* ---- all of it ---- */

static bool open_object(struct loading *l, const char *real)
{
	l->out->handle = dlopen(real, RTLD_NOW | RTLD_LOCAL);
	if (l->out->handle)
		return true;
	fault(l->faults, l->config->line, "module \"%.*s\" cannot be loaded: %s", PATH_OF(l),
		dlerror());
	return false;
}

static bool read_object(struct loading *l, const struct loaded_modules *before)
{
	const struct stentor_module *m = dlsym(l->out->handle, SYMBOL);

	if (!m) {
		fault(l->faults, l->config->line, "module \"%.*s\" has no symbol " SYMBOL "; it is no "
			"module of this server", PATH_OF(l));
		return false;
	}
	return take_descriptor(l, m) && is_sound(l, before) && takes_options(l);
}

static void load_one(struct loading *l, struct loaded_modules *to)
{
	char *real = realpath(l->config->path.p, NULL);

	if (!real) {
		fault(l->faults, l->config->line, "module \"%.*s\" cannot be read: %s", PATH_OF(l),
			strerror(errno));
		return;
	}
	if (is_file(l, real) && is_safe_all_the_way(l, real) && open_object(l, real)) {
		if (read_object(l, to))
			to->n++;
		else
			dlclose(l->out->handle);
	}
	free(real);
}

bool modules_load(const struct config *c, const char *file, struct loaded_modules *out,
	struct arena *a, struct str *errors)
{
	struct faults f;
	struct arena scratch;

	faults_init(&f, file);
	arena_init(&scratch, 4096);
	*out = (struct loaded_modules){ .all = xcalloc(c->n_modules + 1, sizeof *out->all) };
	for (size_t i = 0; i < c->n_modules; i++) {
		struct loading l = { &c->modules[i], &f, &scratch, &out->all[out->n] };
		*l.out = (struct loaded){ .config = l.config };
		load_one(&l, out);
	}
	bool ok = f.n == 0;
	*errors = str_dup(a, buf_str(&f.text));
	if (!ok)
		modules_close(out);
	arena_clear(&scratch);
	faults_clear(&f);
	return ok;
}

void modules_close(struct loaded_modules *m)
{
	while (m->n)
		dlclose(m->all[--m->n].handle);
	free(m->all);
	m->all = NULL;
}
