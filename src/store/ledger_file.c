#include "store/ledger_file.h"

#include "base/bug.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SEGMENT_SUFFIX ".segment"
#define SEGMENT_TMP    "segment.tmp"
#define INDEX_TMP      "index.tmp"

/* Zeros are written in steps, so that no sync of the writer has to wait for a whole segment;
 * aligned so that they can go past the page cache. */
#define ZERO_STEP      ((size_t)1 << 20)
#define ZERO_ALIGN     4096

void segment_name(uint64_t base, char out[SEGMENT_NAME_SIZE])
{
	snprintf(out, SEGMENT_NAME_SIZE, "%016" PRIx64 SEGMENT_SUFFIX, base);
}

bool segment_name_base(const char *name, uint64_t *out)
{
	char again[SEGMENT_NAME_SIZE];
	char *end;

	if (strlen(name) != SEGMENT_NAME_SIZE - 1)
		return false;
	*out = strtoull(name, &end, 16);
	segment_name(*out, again);
	return memcmp(name, again, sizeof again) == 0;
}

int segment_open(int dir, uint64_t base, int flags)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(base, name);
	return openat(dir, name, flags | O_CLOEXEC);
}

bool errno_is_full(int e)
{
	return e == ENOSPC || e == EDQUOT || e == EFBIG;
}

bool file_read(int fd, uint64_t at, void *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = pread(fd, (char *)p + done, n - done, (off_t)(at + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0)
			errno = EIO;
		if (got <= 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

bool file_write(int fd, uint64_t at, const void *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t put = pwrite(fd, (const char *)p + done, n - done, (off_t)(at + done));
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		done += (size_t)put;
	}
	return true;
}

bool file_zero(int fd, uint64_t at, size_t n)
{
	char *zeros = xcalloc(1, n + 1);
	bool good = file_write(fd, at, zeros, n);

	free(zeros);
	return good;
}

/* Closes a file that has been written, keeping errno of what went wrong before. */
static bool finish(int fd, bool good)
{
	int e = errno;

	if (close(fd) != 0 && good)
		return false;
	errno = e;
	return good;
}

static bool has_room(int dir, uint64_t bytes)
{
	struct statvfs v;

	if (fstatvfs(dir, &v) != 0)
		return false;
	errno = ENOSPC;
	return v.f_bavail * (uint64_t)v.f_frsize >= bytes;
}

/* Takes the space in one piece where the file system can; else writing the zeros takes it. */
static bool take_space(int fd, uint64_t size)
{
	int r;

	do
		r = fallocate(fd, 0, 0, (off_t)size);
	while (r != 0 && errno == EINTR);
	return r == 0 || errno == EOPNOTSUPP || errno == ENOSYS;
}

/* Zeros by way of `flags`; what does not go past the page cache is synced step by step. */
static bool write_zeros_by(int fd, int flags, const void *zeros, uint64_t size)
{
	if (fcntl(fd, F_SETFL, flags) != 0)
		return false;
	for (uint64_t at = 0; at < size; at += ZERO_STEP) {
		size_t n = size - at < ZERO_STEP ? (size_t)(size - at) : ZERO_STEP;
		if (!file_write(fd, at, zeros, n) || (!(flags & O_DIRECT) && fdatasync(fd) != 0))
			return false;
	}
	return true;
}

/* Past the page cache where the file system can do that: filling 64 MiB of it costs as much as
 * writing the messages into them later. */
static bool write_zeros(int fd, uint64_t size)
{
	const int flags = fcntl(fd, F_GETFL);
	void *zeros;

	BUG_ON(posix_memalign(&zeros, ZERO_ALIGN, ZERO_STEP) != 0);
	memset(zeros, 0, ZERO_STEP);
	bool good = write_zeros_by(fd, flags | O_DIRECT, zeros, size);
	if (!good && errno == EINVAL)
		good = write_zeros_by(fd, flags, zeros, size);
	free(zeros);
	return good && fcntl(fd, F_SETFL, flags) == 0;
}

static bool fill_segment(int fd, const struct segment_head *h)
{
	char head[SEGMENT_HEAD];

	segment_head_write(h, head);
	return take_space(fd, h->size) && write_zeros(fd, h->size) &&
		file_write(fd, 0, head, sizeof head) && fsync(fd) == 0;
}

bool segment_create(int dir, const struct segment_head *h, uint64_t min_free)
{
	char name[SEGMENT_NAME_SIZE];

	if (!has_room(dir, h->size + min_free))
		return false;
	int fd = openat(dir, SEGMENT_TMP, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	segment_name(h->base, name);
	if (finish(fd, fill_segment(fd, h)) && renameat(dir, SEGMENT_TMP, dir, name) == 0)
		return fsync(dir) == 0;
	int e = errno;
	unlinkat(dir, SEGMENT_TMP, 0);
	errno = e;
	return false;
}

/* The head lies within one sector, which disks write whole or not at all. */
static bool change_after(int fd, uint64_t after)
{
	char bytes[SEGMENT_HEAD];
	struct segment_head h;

	if (!file_read(fd, 0, bytes, sizeof bytes))
		return false;
	errno = EIO;
	if (segment_head_read(bytes, &h))
		return false;
	h.after = after;
	segment_head_write(&h, bytes);
	return file_write(fd, 0, bytes, sizeof bytes) && fdatasync(fd) == 0;
}

bool segment_delete(int dir, uint64_t base, uint64_t next_base, uint64_t after)
{
	char name[SEGMENT_NAME_SIZE];
	int fd = segment_open(dir, next_base, O_RDWR);

	if (fd < 0 || !finish(fd, change_after(fd, after)))
		return false;
	segment_name(base, name);
	return unlinkat(dir, name, 0) == 0 && fsync(dir) == 0;
}

bool index_save(int dir, struct str file)
{
	int fd = openat(dir, INDEX_TMP, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return false;
	if (finish(fd, file_write(fd, 0, file.p, file.n) && fsync(fd) == 0) &&
		renameat(dir, INDEX_TMP, dir, INDEX_NAME) == 0)
		return fsync(dir) == 0;
	int e = errno;
	unlinkat(dir, INDEX_TMP, 0);
	errno = e;
	return false;
}

bool index_remove(int dir)
{
	return (unlinkat(dir, INDEX_NAME, 0) == 0 || errno == ENOENT) && fsync(dir) == 0;
}

struct str index_load(int dir)
{
	int fd = openat(dir, INDEX_NAME, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return STR_NULL;
	bool good = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	char *p = good ? xmalloc((size_t)st.st_size + 1) : NULL;
	good = good && file_read(fd, 0, p, (size_t)st.st_size);
	if (finish(fd, good))
		return str_from(p, (size_t)st.st_size);
	free(p);
	return STR_NULL;
}
