/* A disk with faults, put before the C library by LD_PRELOAD. For tests only.
 *
 * Only files in the folder CRASH_DATA are looked at; SQLite's -shm is not, because nothing needs
 * it to survive. CRASH_CONTROL names a file with a struct control, which the harness changes while
 * the server runs. With CRASH_SHADOW, a folder, the shim keeps there what a disk would hold if the
 * power failed now:
 *
 * - a write gets there when its file is synced; before that any of its sectors may, at random;
 * - names (made, renamed, removed) and room taken by fallocate() get there at once.
 *
 * Calls that the C library makes by itself, such as those behind fwrite(), cannot be seen. With
 * CRASH_WHOLE, for programs that use them, only syncs are looked at: each puts the whole file into
 * the shadow, and nothing else does. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SECTOR 512

/* Shared with faults.py. */
struct control {
	uint64_t room;      /* bytes by which files may still grow; UINT64_MAX: no bound */
	uint32_t delay_us;  /* the longest that a sync takes */
	uint32_t early;     /* of 4 sectors written and not synced so many are on the disk */
};

/* A write that is not synced. Without bytes: the file was cut to this size. */
struct pending {
	struct pending *next;
	off_t at;
	size_t n;
	char *bytes;
};

struct file {
	struct file *next;
	dev_t dev;
	ino_t ino;
	int shadow;
	struct pending *pending, **end;
};

static struct {
	pthread_once_t once;
	pthread_mutex_t lock;
	const char *data, *shadow;
	bool whole;
	struct control *control;
	struct file *files;
	uint64_t random;
} shim = { .once = PTHREAD_ONCE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER };

static struct {
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*pwrite)(int, const void *, size_t, off_t);
	int (*fdatasync)(int);
	int (*fsync)(int);
	int (*ftruncate)(int, off_t);
	int (*fallocate)(int, int, off_t, off_t);
	int (*renameat)(int, const char *, int, const char *);
	int (*unlinkat)(int, const char *, int);
	int (*fstatvfs)(int, struct statvfs *);
} real;

static void die(const char *what)
{
	dprintf(STDERR_FILENO, "crash shim: %s: %s\n", what, strerror(errno));
	abort();
}

static void set_up(void)
{
	*(void **)&real.write = dlsym(RTLD_NEXT, "write");
	*(void **)&real.pwrite = dlsym(RTLD_NEXT, "pwrite64");
	*(void **)&real.fdatasync = dlsym(RTLD_NEXT, "fdatasync");
	*(void **)&real.fsync = dlsym(RTLD_NEXT, "fsync");
	*(void **)&real.ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
	*(void **)&real.fallocate = dlsym(RTLD_NEXT, "fallocate64");
	*(void **)&real.renameat = dlsym(RTLD_NEXT, "renameat");
	*(void **)&real.unlinkat = dlsym(RTLD_NEXT, "unlinkat");
	*(void **)&real.fstatvfs = dlsym(RTLD_NEXT, "fstatvfs64");
	shim.data = getenv("CRASH_DATA");
	shim.shadow = getenv("CRASH_SHADOW");
	shim.whole = getenv("CRASH_WHOLE");
	const char *control = getenv("CRASH_CONTROL");
	if (!shim.data || !control)
		die("CRASH_DATA and CRASH_CONTROL must be set");
	int fd = open(control, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die(control);
	shim.control = mmap(NULL, sizeof *shim.control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shim.control == MAP_FAILED)
		die(control);
	close(fd);
	shim.random = (uint64_t)getpid() << 32 | (uint64_t)time(NULL);
}

static void ready(void)
{
	pthread_once(&shim.once, set_up);
}

static uint32_t random_below(uint32_t n)
{
	shim.random = shim.random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(shim.random >> 33) % n;
}

/* Where in the data folder a path leads, from its slash on; NULL if it does not. */
static const char *inside(const char *path)
{
	size_t n = strlen(shim.data), all = strlen(path);
	bool shm = all > 4 && strcmp(path + all - 4, "-shm") == 0;

	return strncmp(path, shim.data, n) == 0 && path[n] == '/' && !shm ? path + n : NULL;
}

static bool path_of_fd(int fd, char out[PATH_MAX])
{
	char link[64];

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, out, PATH_MAX - 1);
	if (n < 0)
		return false;
	out[n] = '\0';
	return true;
}

/* Is this a regular file of the data folder? */
static bool ours(int fd, struct stat *st)
{
	char path[PATH_MAX];

	return fstat(fd, st) == 0 && S_ISREG(st->st_mode) && path_of_fd(fd, path) && inside(path);
}

/* ---- room ---- */

/* Takes room for a file to grow up to `end`. */
static bool take_room(const struct stat *st, off_t end)
{
	uint64_t room = __atomic_load_n(&shim.control->room, __ATOMIC_SEQ_CST), more;

	if (end <= st->st_size || room == UINT64_MAX)
		return true;
	more = (uint64_t)(end - st->st_size);
	do {
		if (room == UINT64_MAX)
			return true;
		if (room < more) {
			errno = ENOSPC;
			return false;
		}
	} while (!__atomic_compare_exchange_n(&shim.control->room, &room, room - more, false,
			__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	return true;
}

/* ---- the shadow ---- */

static bool shadow_path(const char *path, char out[PATH_MAX])
{
	const char *name = inside(path);

	return name && snprintf(out, PATH_MAX, "%s%s", shim.shadow, name) < PATH_MAX;
}

static void put(int fd, off_t at, const char *p, size_t n)
{
	while (n) {
		ssize_t put = real.pwrite(fd, p, n, at);
		if (put <= 0)
			die("writing the shadow");
		at += put;
		p += put;
		n -= (size_t)put;
	}
}

/* What the file has now is on the disk. */
static void copy_now(const char *path, int to)
{
	char bytes[65536];
	int from = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (from < 0)
		die(path);
	for (off_t at = 0; (n = pread(from, bytes, sizeof bytes, at)) > 0; at += n)
		put(to, at, bytes, (size_t)n);
	close(from);
}

static void make_folders(char *path)
{
	for (char *p = path + strlen(shim.shadow) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdir(path, 0700);
	}
}

/* The file behind a descriptor, met for the first time if need be; before a change to it. */
static struct file *file_of(int fd, const struct stat *st)
{
	char path[PATH_MAX], copy[PATH_MAX];
	struct file *f = shim.files;

	while (f && (f->ino != st->st_ino || f->dev != st->st_dev))
		f = f->next;
	if (f)
		return f;
	f = calloc(1, sizeof *f);
	if (!f || !path_of_fd(fd, path) || !shadow_path(path, copy))
		die("a file of the data folder");
	make_folders(copy);
	f->dev = st->st_dev;
	f->ino = st->st_ino;
	f->end = &f->pending;
	f->shadow = open(copy, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat had;
	if (f->shadow < 0 || fstat(f->shadow, &had) != 0)
		die(copy);
	if (!had.st_size)
		copy_now(path, f->shadow);
	f->next = shim.files;
	shim.files = f;
	return f;
}

static void remember(struct file *f, off_t at, const void *bytes, size_t n)
{
	struct pending *p = calloc(1, sizeof *p);

	if (!p)
		die("memory");
	p->at = at;
	p->n = n;
	if (bytes) {
		p->bytes = malloc(n + 1);
		if (!p->bytes)
			die("memory");
		memcpy(p->bytes, bytes, n);
	}
	*f->end = p;
	f->end = &p->next;
}

/* The sectors that get to the disk without a sync. Behind a cut that is not there yet, none. */
static void write_early(struct file *f, off_t at, const char *bytes, size_t n)
{
	uint32_t early = shim.control->early;

	for (struct pending *p = f->pending; p; p = p->next)
		if (!p->bytes)
			return;
	for (size_t from = 0, part; early && from < n; from += part) {
		part = SECTOR - (size_t)(at + (off_t)from) % SECTOR;
		if (part > n - from)
			part = n - from;
		if (random_below(4) < early)
			put(f->shadow, at + (off_t)from, bytes + from, part);
	}
}

static void sync_file(struct file *f)
{
	for (struct pending *p = f->pending, *next; p; p = next) {
		next = p->next;
		if (p->bytes)
			put(f->shadow, p->at, p->bytes, p->n);
		else if (real.ftruncate(f->shadow, p->at) != 0)
			die("cutting the shadow");
		free(p->bytes);
		free(p);
	}
	f->pending = NULL;
	f->end = &f->pending;
}

/* Does the shadow need every change to a file? */
static bool follows_changes(void)
{
	return shim.shadow && !shim.whole;
}

/* Puts a whole file into the shadow, at once. */
static void sync_whole(int fd)
{
	char path[PATH_MAX], copy[PATH_MAX], new[PATH_MAX];

	if (!path_of_fd(fd, path) || !shadow_path(path, copy) ||
			snprintf(new, sizeof new, "%s.new", shim.shadow) >= PATH_MAX)
		die("a file of the data folder");
	make_folders(copy);
	int to = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to < 0)
		die(new);
	copy_now(path, to);
	close(to);
	if (real.renameat(AT_FDCWD, new, AT_FDCWD, copy) != 0)
		die(copy);
}

static void forget(const struct stat *st)
{
	for (struct file **at = &shim.files; *at; at = &(*at)->next) {
		struct file *f = *at;
		if (f->ino != st->st_ino || f->dev != st->st_dev)
			continue;
		*at = f->next;
		f->shadow = (close(f->shadow), -1);
		for (struct pending *p = f->pending, *next; p; p = next) {
			next = p->next;
			free(p->bytes);
			free(p);
		}
		free(f);
		return;
	}
}

/* ---- the calls ---- */

static ssize_t write_at(int fd, const void *p, size_t n, off_t at, const struct stat *st)
{
	if (!take_room(st, at + (off_t)n))
		return -1;
	if (!follows_changes())
		return real.pwrite(fd, p, n, at);
	pthread_mutex_lock(&shim.lock);
	struct file *f = file_of(fd, st);
	ssize_t done = real.pwrite(fd, p, n, at);
	int e = errno;
	if (done > 0) {
		write_early(f, at, p, (size_t)done);
		remember(f, at, p, (size_t)done);
	}
	pthread_mutex_unlock(&shim.lock);
	errno = e;
	return done;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	struct stat st;

	ready();
	return ours(fd, &st) ? write_at(fd, p, n, at, &st) : real.pwrite(fd, p, n, at);
}

ssize_t write(int fd, const void *p, size_t n)
{
	struct stat st;
	off_t at;

	ready();
	if (shim.whole || !ours(fd, &st) || (at = lseek(fd, 0, SEEK_CUR)) < 0)
		return real.write(fd, p, n);
	ssize_t done = write_at(fd, p, n, at, &st);
	if (done > 0)
		lseek(fd, at + done, SEEK_SET);
	return done;
}

static void take_time(void)
{
	uint32_t most = shim.control->delay_us;

	if (!most)
		return;
	pthread_mutex_lock(&shim.lock);
	uint32_t us = random_below(most);
	pthread_mutex_unlock(&shim.lock);
	usleep(us);
}

static int sync_by(int (*call)(int), int fd)
{
	struct stat st;

	if (!ours(fd, &st))
		return call(fd);
	take_time();
	if (!shim.shadow)
		return call(fd);
	pthread_mutex_lock(&shim.lock);
	if (shim.whole)
		sync_whole(fd);
	else
		sync_file(file_of(fd, &st));
	pthread_mutex_unlock(&shim.lock);
	return 0;
}

int fdatasync(int fd)
{
	ready();
	return sync_by(real.fdatasync, fd);
}

int fsync(int fd)
{
	ready();
	return sync_by(real.fsync, fd);
}

int ftruncate(int fd, off_t size)
{
	struct stat st;

	ready();
	if (!ours(fd, &st))
		return real.ftruncate(fd, size);
	if (!take_room(&st, size))
		return -1;
	if (!follows_changes())
		return real.ftruncate(fd, size);
	pthread_mutex_lock(&shim.lock);
	struct file *f = file_of(fd, &st);
	int r = real.ftruncate(fd, size);
	if (r == 0)
		remember(f, size, NULL, 0);
	pthread_mutex_unlock(&shim.lock);
	return r;
}

int fallocate(int fd, int mode, off_t at, off_t n)
{
	struct stat st;

	ready();
	if (!ours(fd, &st))
		return real.fallocate(fd, mode, at, n);
	if (!take_room(&st, at + n))
		return -1;
	if (!follows_changes())
		return real.fallocate(fd, mode, at, n);
	pthread_mutex_lock(&shim.lock);
	struct file *f = file_of(fd, &st);
	int r = real.fallocate(fd, mode, at, n);
	if (r == 0 && real.ftruncate(f->shadow, at + n > st.st_size ? at + n : st.st_size) != 0)
		die("taking room in the shadow");
	pthread_mutex_unlock(&shim.lock);
	return r;
}

/* The whole path of a name in a folder. */
static bool whole_path(int dir, const char *name, char out[PATH_MAX])
{
	char folder[PATH_MAX];

	if (*name == '/')
		return snprintf(out, PATH_MAX, "%s", name) < PATH_MAX;
	if (dir == AT_FDCWD ? !getcwd(folder, sizeof folder) : !path_of_fd(dir, folder))
		return false;
	return snprintf(out, PATH_MAX, "%s/%s", folder, name) < PATH_MAX;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	char path[PATH_MAX], old[PATH_MAX], new[PATH_MAX];
	struct stat st;

	ready();
	if (!shim.shadow || !whole_path(from_dir, from, path) || !shadow_path(path, old) ||
			!whole_path(to_dir, to, path) || !shadow_path(path, new))
		return real.renameat(from_dir, from, to_dir, to);
	pthread_mutex_lock(&shim.lock);
	bool replaces = fstatat(to_dir, to, &st, 0) == 0;
	int r = real.renameat(from_dir, from, to_dir, to);
	if (r == 0 && replaces)
		forget(&st);
	if (r == 0 && real.renameat(AT_FDCWD, old, AT_FDCWD, new) != 0 && errno != ENOENT)
		die(new);
	pthread_mutex_unlock(&shim.lock);
	return r;
}

int rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int dir, const char *name, int flags)
{
	char path[PATH_MAX], copy[PATH_MAX];
	struct stat st;

	ready();
	if (!shim.shadow || !whole_path(dir, name, path) || !shadow_path(path, copy) ||
			fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return real.unlinkat(dir, name, flags);
	pthread_mutex_lock(&shim.lock);
	int r = real.unlinkat(dir, name, flags);
	if (r == 0) {
		forget(&st);
		real.unlinkat(AT_FDCWD, copy, flags);
	}
	pthread_mutex_unlock(&shim.lock);
	return r;
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int fstatvfs(int fd, struct statvfs *out)
{
	ready();
	int r = real.fstatvfs(fd, out);
	uint64_t room = __atomic_load_n(&shim.control->room, __ATOMIC_SEQ_CST);
	if (r == 0 && room != UINT64_MAX && room / out->f_frsize < out->f_bavail)
		out->f_bavail = out->f_bfree = room / out->f_frsize;
	return r;
}
