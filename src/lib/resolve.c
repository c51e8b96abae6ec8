#include "lib/resolve.h"

#include "base/bug.h"

#include <stdio.h>
#include <stdlib.h>

#define STACK_BYTES (256 * 1024) /* modules of the system's look-ups need some */

/* Shared by the thread and the loop; the later one of the two frees it. */
struct resolve {
	struct mail mail;
	pthread_mutex_t lock;
	struct loop *loop;
	resolve_fn *fn;
	void *user;
	struct addrinfo *list;
	const char *error;
	bool stopped;            /* under the lock */
	char port[6];
	char host[];
};

static const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };

static void resolve_free(struct resolve *r)
{
	if (r->list)
		freeaddrinfo(r->list);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* In the loop's turn. */
static void come_home(struct mail *m, void *receiver)
{
	struct resolve *r = container_of(m, struct resolve, mail);
	struct addrinfo *list = r->list;

	pthread_mutex_lock(&r->lock); /* the thread may be on its last step */
	bool stopped = r->stopped;
	pthread_mutex_unlock(&r->lock);
	if (!stopped) {
		r->list = NULL;
		r->fn(r->user, list, r->error);
	}
	resolve_free(r);
}

static void look_up(struct resolve *r, const struct addrinfo *how)
{
	int code = getaddrinfo(r->host, r->port, how, &r->list);

	r->error = code ? gai_strerror(code) : NULL;
	if (code)
		r->list = NULL;
}

static void *work(void *p)
{
	struct resolve *r = p;

	look_up(r, &hints);
	pthread_mutex_lock(&r->lock);
	bool stopped = r->stopped;
	/* Under the lock: resolve_stop() waits for it, and the loop is there until then. A program
	 * that waits for the loop's descriptor by itself has to be woken in any case. */
	if (!stopped) {
		mailbox_post_one(&r->loop->inbox, &r->mail);
		mailbox_wake(&r->loop->inbox);
	}
	pthread_mutex_unlock(&r->lock);
	if (stopped)
		resolve_free(r);
	return NULL;
}

static bool start_thread(struct resolve *r)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	int failed = pthread_create(&thread, &attr, work, r);
	pthread_attr_destroy(&attr);
	return !failed;
}

/* It is an address, and needs nobody to be asked. */
static bool is_address(struct resolve *r)
{
	struct addrinfo how = hints;

	how.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	look_up(r, &how);
	return !r->error;
}

struct resolve *resolve_start(struct loop *l, const char *host, uint16_t port, resolve_fn *fn,
	void *user)
{
	size_t n = strlen(host) + 1;
	struct resolve *r = xcalloc(1, sizeof *r + n);

	r->mail.run = come_home;
	r->loop = l;
	r->fn = fn;
	r->user = user;
	memcpy(r->host, host, n);
	snprintf(r->port, sizeof r->port, "%u", port);
	pthread_mutex_init(&r->lock, NULL);
	if (!is_address(r)) {
		if (start_thread(r))
			return r;
		r->error = "no thread to be had";
	}
	come_home(&r->mail, NULL);
	return NULL;
}

void resolve_stop(struct resolve **p)
{
	struct resolve *r = *p;

	if (!r)
		return;
	*p = NULL;
	/* If it is done it lies in the mailbox and is freed there, else by the thread. */
	pthread_mutex_lock(&r->lock);
	r->stopped = true;
	pthread_mutex_unlock(&r->lock);
}
