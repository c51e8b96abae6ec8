/* Prosody's internal storage: HOST/STORE/USER.dat and .list, names with %XX for all but letters
 * and digits (util.datamanager). */
#include "server/import_lua.h"
#include "server/import_prosody.h"

#include "base/bug.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEP      "pep_" /* stores of PEP nodes */
#define MORE_MAX 10000 /* of them and others, of one host */

struct folder {
	struct import *im;
	const char *top;
	struct arena mem;      /* of the host */
	struct arena file;     /* of one file's values */
	const char *host_dir;
	struct str host;
	const char *more[MORE_MAX]; /* folders of stores beside those that are known */
	size_t n_more;
};

/* ---- names ---- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct str decode(struct arena *a, struct str name)
{
	char *to = arena_alloc(a, name.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < name.n; i++) {
		bool escaped = name.p[i] == '%' && i + 2 < name.n && hex(name.p[i + 1]) >= 0 &&
			hex(name.p[i + 2]) >= 0;
		to[n++] = name.p[i];
		if (!escaped)
			continue;
		to[n - 1] = (char)(hex(name.p[i + 1]) << 4 | hex(name.p[i + 2]));
		i += 2;
	}
	to[n] = '\0';
	return str_from(to, n);
}

/* ---- one file ---- */

struct mapped {
	struct str bytes;
};

/* False: it cannot be read, and the run is over. One that is not there has no bytes. */
static bool map_file(struct import *im, const char *path, struct mapped *m)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	*m = (struct mapped){ STR("") };
	if (fd < 0 && errno == ENOENT)
		return true;
	im->file = path;
	im->line = 0;
	if (fd < 0 || fstat(fd, &st) != 0) {
		import_fail(im, "cannot be read: %s", strerrordesc_np(errno));
	} else if (st.st_size > 0) {
		void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED)
			import_fail(im, "cannot be read: %s", strerrordesc_np(errno));
		else
			m->bytes = str_from(p, (size_t)st.st_size);
	}
	if (fd >= 0)
		close(fd);
	return !im->error.n;
}

/* Its name goes with it: what is noted later has its place elsewhere. */
static void file_done(struct folder *f, struct mapped *m)
{
	if (m->bytes.n)
		munmap((void *)m->bytes.p, m->bytes.n);
	f->im->file = NULL;
	arena_reset(&f->file);
}

static const char *path_of(struct folder *f, const char *store, struct str user, const char *end)
{
	return str_printf(&f->file, "%s/%s/%.*s.%s", f->host_dir, store, STR_FMT(user), end).p;
}

/* user: as the file's name has it. */
static bool read_table(struct folder *f, const char *store, struct str user)
{
	struct mapped m;
	struct value v;
	struct lua l;
	bool ok = map_file(f->im, path_of(f, store, user, "dat"), &m);

	if (ok && m.bytes.n) {
		lua_init(&l, f->im, m.bytes);
		ok = lua_read(&l, &f->file, &v);
		if (ok)
			prosody_store(f->im, str_c(store), &v);
	}
	file_done(f, &m);
	return ok;
}

/* An item of a .list file. */
static void take_item(struct folder *f, const char *store, const struct value *v)
{
	if (strncmp(store, PEP, strlen(PEP)) != 0) {
		prosody_message(f->im, str_c(store), v);
		return;
	}
	prosody_node(f->im, decode(&f->file, str_c(store + strlen(PEP))), v);
}

static bool read_list(struct folder *f, const char *store, struct str user)
{
	struct arena item;
	struct mapped m;
	struct value v;
	struct lua l;
	bool ok = map_file(f->im, path_of(f, store, user, "list"), &m);

	arena_init(&item, 16 * 1024);
	if (ok && m.bytes.n) {
		lua_init(&l, f->im, m.bytes);
		while (lua_next(&l, &item, &v)) {
			take_item(f, store, &v);
			arena_reset(&item);
		}
		ok = !f->im->error.n;
	}
	arena_clear(&item);
	file_done(f, &m);
	return ok;
}

/* ---- accounts ---- */

static bool has_file(struct folder *f, const char *store, struct str user)
{
	bool found = access(path_of(f, store, user, "dat"), F_OK) == 0 ||
		access(path_of(f, store, user, "list"), F_OK) == 0;

	arena_reset(&f->file);
	return found;
}

/* PEP nodes, and what is only named in the report. */
static bool read_more(struct folder *f, struct str user)
{
	for (size_t i = 0; i < f->n_more; i++) {
		const char *store = f->more[i];

		if (!has_file(f, store, user))
			continue;
		if (strncmp(store, PEP, strlen(PEP)) != 0)
			import_note(f->im, "store \"%s\" of an account", store);
		else if (!read_list(f, store, user))
			return false;
	}
	return true;
}

static bool read_data(struct folder *f, struct str user)
{
	for (size_t i = 0; prosody_stores[i]; i++)
		if (!read_table(f, prosody_stores[i], user))
			return false;
	return read_more(f, user) && read_list(f, "offline", user) &&
		read_list(f, "archive", user);
}

static bool read_account(struct folder *f, const char *name)
{
	struct str user = str_head(str_c(name), strlen(name) - strlen(".dat"));

	f->im->file = NULL;
	if (!import_user(f->im, f->host, decode(&f->mem, user)))
		return false;
	bool ok = !f->im->taken || read_data(f, user);
	f->im->file = NULL;
	return import_user_end(f->im) && ok;
}

/* ---- rooms ---- */

/* name: as the file's name has it. */
static bool take_room(struct folder *f, struct str name, const struct value *v)
{
	if (!prosody_room_stays(v)) {
		import_note(f->im, "room that ends with its last occupant");
		return true;
	}
	if (!import_room(f->im, f->host, decode(&f->mem, name)))
		return false;
	prosody_room(f->im, v);
	return true;
}

static bool read_room(struct folder *f, const char *file)
{
	struct str name = str_head(str_c(file), strlen(file) - strlen(".dat"));
	struct mapped m;
	struct value v;
	struct lua l;
	bool ok = map_file(f->im, path_of(f, "config", name, "dat"), &m);

	if (ok && m.bytes.n) {
		lua_init(&l, f->im, m.bytes);
		ok = lua_read(&l, &f->file, &v) && take_room(f, name, &v);
	}
	file_done(f, &m);
	if (!f->im->in_user)
		return ok;
	ok = ok && (!f->im->taken || read_list(f, "muc_log", name));
	return import_room_end(f->im) && ok;
}

static int is_table_file(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 4 && strcmp(e->d_name + n - 4, ".dat") == 0;
}

static int is_folder_name(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static void free_names(struct dirent **names, int n)
{
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

static void find_more(struct folder *f)
{
	struct dirent **names = NULL;
	int n = scandir(f->host_dir, &names, is_folder_name, alphasort);

	f->n_more = 0;
	for (int i = 0; i < n && f->n_more < MORE_MAX; i++)
		if (!prosody_knows(str_c(names[i]->d_name)))
			f->more[f->n_more++] = str_dup(&f->mem, str_c(names[i]->d_name)).p;
	free_names(names, n);
}

static bool read_rooms(struct folder *f)
{
	struct dirent **names = NULL;
	bool ok = true;

	if (!import_wants_rooms(f->im, f->host))
		return true;
	int n = scandir(str_printf(&f->mem, "%s/config", f->host_dir).p, &names, is_table_file,
		alphasort);
	for (int i = 0; ok && i < n; i++)
		ok = read_room(f, names[i]->d_name);
	free_names(names, n);
	return ok;
}

static bool read_host(struct folder *f, const char *name)
{
	struct dirent **names = NULL;
	bool ok = true;

	arena_reset(&f->mem);
	f->host = decode(&f->mem, str_c(name));
	f->host_dir = str_printf(&f->mem, "%s/%s", f->top, name).p;
	if (!read_rooms(f))
		return false;
	int n = scandir(str_printf(&f->mem, "%s/accounts", f->host_dir).p, &names, is_table_file,
		alphasort);
	if (n <= 0 || !import_wants_host(f->im, f->host)) {
		free_names(names, n);
		return true;
	}
	find_more(f);
	for (int i = 0; ok && i < n; i++)
		ok = read_account(f, names[i]->d_name);
	free_names(names, n);
	return ok;
}

bool import_prosody_folder(struct import *im, const char *path)
{
	struct folder f = { .im = im, .top = path };
	struct dirent **names = NULL;
	bool ok = true;

	im->file = path;
	im->line = 0;
	int n = scandir(path, &names, is_folder_name, alphasort);
	if (n < 0)
		return import_fail(im, "cannot be read: %s", strerrordesc_np(errno));
	im->file = NULL;
	arena_init(&f.mem, 4096);
	arena_init(&f.file, 64 * 1024);
	for (int i = 0; ok && i < n; i++)
		ok = read_host(&f, names[i]->d_name);
	free_names(names, n);
	arena_clear(&f.mem);
	arena_clear(&f.file);
	return ok;
}
