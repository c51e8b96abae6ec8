#include "server/folder.h"

#include "base/arena.h"
#include "base/bug.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool is_empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e = NULL;

	if (!d)
		return false;
	while ((e = readdir(d)) && is_dots(e->d_name))
		;
	closedir(d);
	if (e)
		errno = ENOTEMPTY;
	return !e;
}

bool folder_make(const char *path, bool *made)
{
	*made = mkdir(path, 0700) == 0;
	if (*made)
		return true;
	return errno == EEXIST && is_empty(path);
}

bool folder_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* The whole file. Its size, or -1 with errno. */
static ssize_t read_file(const char *path, char **out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n = -1;

	*out = NULL;
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FOLDER_FILE_MAX) {
		*out = xmalloc((size_t)st.st_size + 1);
		n = pread(fd, *out, (size_t)st.st_size, 0);
	} else {
		errno = EFBIG;
	}
	close(fd);
	return n;
}

bool folder_copy_file(const char *from, const char *to)
{
	char *bytes;
	ssize_t n = read_file(from, &bytes);
	int fd = n < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, bytes, (size_t)n) == n && fsync(fd) == 0;
	int error = errno;

	if (fd >= 0)
		close(fd);
	if (bytes)
		explicit_bzero(bytes, n < 0 ? 0 : (size_t)n); /* it may have been a key */
	free(bytes);
	errno = error;
	return ok;
}

void folder_remove(const char *path, int depth, bool itself)
{
	DIR *d = opendir(path);
	struct dirent *e;
	struct arena a;

	arena_init(&a, 1024);
	while (d && (e = readdir(d))) {
		if (is_dots(e->d_name))
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) != 0 && errno == EISDIR && depth)
			folder_remove(str_printf(&a, "%s/%s", path, e->d_name).p, depth - 1, true);
	}
	if (d)
		closedir(d);
	if (itself)
		rmdir(path);
	arena_clear(&a);
}

uint64_t folder_bytes(const char *path, int depth)
{
	DIR *d = opendir(path);
	struct dirent *e;
	struct arena a;
	struct stat st;
	uint64_t sum = 0;

	arena_init(&a, 1024);
	while (d && (e = readdir(d))) {
		if (is_dots(e->d_name) ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
		else if (S_ISDIR(st.st_mode) && depth)
			sum += folder_bytes(str_printf(&a, "%s/%s", path, e->d_name).p, depth - 1);
	}
	if (d)
		closedir(d);
	arena_clear(&a);
	return sum;
}
