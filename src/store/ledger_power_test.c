/* Power cuts: the ledger works on while what a disk would hold at this moment is put into
 * another folder, and that must open and hold what the ledger has promised.
 *
 * The disk is modelled in the calls below, which the linker puts in place of the C library's:
 * what was written and not synced is there or not, sector by sector, at random. Names in the
 * folder are taken as durable at once; the order of those calls is the ledger's own care. */
#include "store/ledger_model.h"

#include <pthread.h>

#define SECTOR 512

/* What one file of the ledger has on disk, and what may get there. */
struct shadow {
	struct shadow *next;
	ino_t ino;
	char *durable;
	size_t n;
	struct pending {
		struct pending *next;
		uint64_t at;
		size_t n;
		char bytes[];
	} *pending, **end;
};

static struct shadow *shadows;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

ssize_t __real_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

static struct shadow *shadow_of(ino_t ino)
{
	struct shadow *s = shadows;

	while (s && s->ino != ino)
		s = s->next;
	if (s)
		return s;
	s = xcalloc(1, sizeof *s);
	s->ino = ino;
	s->end = &s->pending;
	s->next = shadows;
	shadows = s;
	return s;
}

static struct shadow *shadow_of_fd(int fd)
{
	struct stat st;

	BUG_ON(fstat(fd, &st) != 0);
	return shadow_of(st.st_ino);
}

static void put(struct shadow *s, uint64_t at, const char *p, size_t n)
{
	if (at + n > s->n) {
		s->durable = xrealloc(s->durable, at + n);
		memset(s->durable + s->n, 0, at + n - s->n);
		s->n = at + n;
	}
	if (n)
		memcpy(s->durable + at, p, n);
}

ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at)
{
	struct pending *w = xmalloc(sizeof *w + n);

	pthread_mutex_lock(&lock);
	*w = (struct pending){ .at = (uint64_t)at, .n = n };
	memcpy(w->bytes, p, n);
	struct shadow *s = shadow_of_fd(fd);
	*s->end = w;
	s->end = &w->next;
	ssize_t r = __real_pwrite64(fd, p, n, at);
	pthread_mutex_unlock(&lock);
	BUG_ON(r != (ssize_t)n);
	return r;
}

static int sync_shadow(int fd)
{
	/* A disk takes its time. */
	usleep(50);
	pthread_mutex_lock(&lock);
	struct shadow *s = shadow_of_fd(fd);
	for (struct pending *w = s->pending, *next; w; w = next) {
		next = w->next;
		put(s, w->at, w->bytes, w->n);
		free(w);
	}
	s->pending = NULL;
	s->end = &s->pending;
	pthread_mutex_unlock(&lock);
	return 0;
}

int __wrap_fdatasync(int fd)
{
	return sync_shadow(fd);
}

int __wrap_fsync(int fd)
{
	return sync_shadow(fd);
}

static void forget_shadows(void)
{
	for (struct shadow *s = shadows, *next; s; s = next) {
		next = s->next;
		for (struct pending *w = s->pending, *w_next; w; w = w_next) {
			w_next = w->next;
			free(w);
		}
		free(s->durable);
		free(s);
	}
	shadows = NULL;
}

/* The sectors of one write that got to the disk. `share`: of 4; 0 none, 4 all. */
static void apply_some(struct model *m, struct shadow *s, const struct pending *w, unsigned share)
{
	for (size_t from = 0; from < w->n;) {
		size_t n = SECTOR - (w->at + from) % SECTOR;
		if (n > w->n - from)
			n = w->n - from;
		if (model_random(m, 4) < share)
			put(s, w->at + from, w->bytes + from, n);
		from += n;
	}
}

/* Writes what the disk has to a folder. Files are as long as they were made. */
static void cut(struct model *m, const char *from, const char *to)
{
	DIR *d = opendir(from);
	int out = open(to, O_RDONLY | O_DIRECTORY);
	unsigned share = model_random(m, 5);
	struct stat st;

	pthread_mutex_lock(&lock);
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, 0) != 0)
			continue;
		struct shadow now = *shadow_of(st.st_ino);
		char *copy = xcalloc(1, (size_t)st.st_size + 1);
		if (now.n)
			memcpy(copy, now.durable, now.n < (size_t)st.st_size ? now.n
				: (size_t)st.st_size);
		now.durable = copy;
		now.n = (size_t)st.st_size;
		for (struct pending *w = now.pending; w; w = w->next)
			if (w->at + w->n <= now.n)
				apply_some(m, &now, w, share);
		int fd = openat(out, e->d_name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		BUG_ON(fd < 0 || __real_pwrite64(fd, copy, now.n, 0) != (ssize_t)now.n);
		struct stat made;
		BUG_ON(fstat(fd, &made) != 0);
		struct shadow *s = shadow_of(made.st_ino);
		put(s, 0, copy, now.n);
		close(fd);
		free(copy);
	}
	pthread_mutex_unlock(&lock);
	closedir(d);
	close(out);
}

/* Nothing that has been erased or replaced may stand in any file. */
static void look_for_erased(struct rig *r, const char *name, void *ctx)
{
	struct model *m = ctx;
	struct str file = rig_file(r, name);
	unsigned message, times;
	char end;

	/* With its end: one that was cut off may look like another. */
	for (const char *p = file.p; (p = memchr(p, '<', (size_t)(file.p + file.n - p))); p++) {
		if (file.p + file.n - p <= 20 ||
			sscanf(p, "<%4u:%4u%c", &message, &times, &end) != 3 || end != '>' ||
			message >= m->n)
			continue;
		const struct model_message *x = &m->messages[message];
		bool erased = x->e[0].erased && (x->n == 1 || x->e[1].erased);
		if (erased || times < x->text)
			fail_msg("%s still has message %u in its form %u%s", name, message, times,
				erased ? ", which was erased" : "");
	}
	free((char *)file.p);
}

/* One life of a ledger, ended by a cut; r goes on in the folder that is left. False when the
 * model is full. */
static bool live(struct model *m, struct rig *r)
{
	static struct model at_cut;
	char *left = folder_new();
	unsigned steps = model_random(m, 300);
	bool more = true;

	for (unsigned i = 0; i < steps && more; i++) {
		more = model_step(m, r);
		model_take(r, model_random(m, 4) ? 30 : 0);
	}
	/* Often in the midst of the longest thing there is. */
	if (more && model_random(m, 2) && model_step_kind(m, r,
		model_random(m, 2) ? LEDGER_ERASE : LEDGER_REPLACE))
		usleep(model_random(m, 1000));
	cut(m, r->dir, left);
	at_cut = *m;
	model_take(r, 0);
	ledger_close(&r->l);
	*m = at_cut;
	pthread_mutex_lock(&lock);
	folder_free(r->dir);
	pthread_mutex_unlock(&lock);
	r->dir = left;
	rig_each_file(r, "", look_for_erased, m);
	if (!model_random(m, 4))
		rig_remove(r, INDEX_NAME); /* it must do without */
	if (!rig_open(r))
		fail_msg("%.*s", STR_FMT(r->error));
	model_check(m, r);
	return more;
}

static void test_power_cuts(void **state)
{
	static struct model m;

	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rig r;
		unsigned lives = 0;
		model_init(&m, seed);
		rig_init(&r, 4 * SEGMENT_MIN);
		ledger_close(&r.l);
		r.o.offline_max = UINT32_MAX;
		assert_true(rig_open(&r));
		while (live(&m, &r) && lives < 60)
			lives++;
		print_message("seed %u: %u lives, %u operations home\n", (unsigned)seed, lives,
			(unsigned)m.home);
		rig_clear(&r);
		forget_shadows();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power_cuts),
	};

	rig_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
