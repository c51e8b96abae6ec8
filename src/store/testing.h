/* For the tests of the store: a home whose mailbox is run by hand, and folders that vanish. */
#ifndef STORE_TESTING_H
#define STORE_TESTING_H

#include "base/bug.h"
#include "base/mailbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Runs mails until `done` says so; `done` is what the callbacks of the mails change. */
static inline void home_run(struct mailbox *home, void *receiver, bool (*done)(void *receiver))
{
	while (!done(receiver)) {
		if (mailbox_sleep(home)) {
			struct pollfd p = { home->fd, POLLIN, 0 };
			BUG_ON(poll(&p, 1, 60000) <= 0);
			mailbox_awake(home, true);
		}
		mailbox_run(home, receiver);
	}
}

/* A new folder below /tmp or $TMPDIR. */
static inline char *folder_new(void)
{
	const char *top = getenv("TMPDIR");
	char *path = xmalloc(4096);

	snprintf(path, 4096, "%s/stentor-test-XXXXXX", top && *top ? top : "/tmp");
	BUG_ON(!mkdtemp(path));
	return path;
}

/* Removes a folder with its files, and frees the path. */
static inline void folder_free(char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(path);
	free(path);
}

#endif
