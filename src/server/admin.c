/* The administration socket: connections, requests, answers. */
#include "server/admin.h"

#include "base/bug.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS_MAX 16

struct admin {
	struct watch watch;
	struct server *server;
	struct list conns;
	unsigned n_conns;
};

struct admin_conn {
	struct watch watch;
	struct list link;
	struct admin *admin;
	struct buf in, out;
	struct request *request; /* running, or NULL */
};

static void conn_free(struct admin_conn *c)
{
	if (c->request)
		c->request->conn = NULL;
	watch_del(&c->admin->server->loop, &c->watch);
	close(c->watch.fd);
	list_del(&c->link);
	c->admin->n_conns--;
	if (c->in.p)
		explicit_bzero(c->in.p, c->in.n); /* there may have been a password */
	buf_clear(&c->in);
	buf_clear(&c->out);
	free(c);
}

static void send_some(struct admin_conn *c)
{
	ssize_t n = send(c->watch.fd, c->out.p, c->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0)
		buf_drop(&c->out, (size_t)n);
	if ((n < 0 && errno != EAGAIN && errno != EINTR) || !c->out.n) {
		conn_free(c);
		return;
	}
	watch_change(&c->admin->server->loop, &c->watch, EPOLLOUT);
}

static void request_free(struct request *r)
{
	if (r->conn)
		r->conn->request = NULL;
	for (unsigned i = 0; i < r->n_words; i++)
		explicit_bzero((char *)r->words[i].p, r->words[i].n);
	buf_clear(&r->out);
	arena_clear(&r->mem);
	free(r);
}

void admin_answer(struct request *r)
{
	struct admin_conn *c = r->conn;

	if (c) {
		if (r->error.p) {
			buf_lit(&c->out, "error ");
			buf_add(&c->out, r->error);
			buf_lit(&c->out, "\n");
		} else {
			buf_lit(&c->out, "ok\n");
			buf_add(&c->out, buf_str(&r->out));
		}
	}
	request_free(r);
	if (c)
		send_some(c);
}

/* A whole command is there: its words, each a line. False: too many. */
static bool split(struct request *r, struct str text)
{
	while (text.n) {
		ptrdiff_t end = str_find(text, '\n');
		if (end < 0 || r->n_words == ADMIN_WORDS_MAX)
			return false;
		r->words[r->n_words++] = str_dup(&r->mem, str_head(text, (size_t)end));
		text = str_skip(text, (size_t)end + 1);
	}
	return r->n_words > 0;
}

static void begin(struct admin_conn *c, struct str text)
{
	struct request *r = xcalloc(1, sizeof *r);

	r->conn = c;
	r->server = c->admin->server;
	arena_init(&r->mem, 1024);
	buf_init(&r->out, ADMIN_OUTPUT_MAX);
	c->request = r;
	watch_change(&r->server->loop, &c->watch, 0);
	if (split(r, text)) {
		admin_run(r);
		return;
	}
	r->error = STR("that is no command");
	admin_answer(r);
}

static void conn_ready(struct watch *w, uint32_t events)
{
	struct admin_conn *c = container_of(w, struct admin_conn, watch);

	if (c->out.n) {
		send_some(c);
		return;
	}
	char *to = buf_reserve(&c->in, 1024);
	ssize_t n = to ? recv(w->fd, to, 1024, MSG_DONTWAIT) : -1;
	if (n < 0 && to && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_free(c);
		return;
	}
	c->in.n += (size_t)n;
	if (c->in.n >= 2 && memcmp(c->in.p + c->in.n - 2, "\n\n", 2) == 0)
		begin(c, str_head(buf_str(&c->in), c->in.n - 1));
}

static void accept_one(struct watch *w, uint32_t events)
{
	struct admin *a = container_of(w, struct admin, watch);
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (a->n_conns >= CONNECTIONS_MAX) {
		close(fd);
		return;
	}
	struct admin_conn *c = xcalloc(1, sizeof *c);
	c->admin = a;
	c->watch = (struct watch){ fd, EPOLLIN, conn_ready };
	buf_init(&c->in, ADMIN_BYTES_MAX);
	buf_init(&c->out, ADMIN_OUTPUT_MAX + 1024);
	if (!watch_add(&a->server->loop, &c->watch)) {
		close(fd);
		free(c);
		return;
	}
	list_add(&a->conns, &c->link);
	a->n_conns++;
}

static int fail(const char *path, int fd)
{
	log_error(NULL, "admin_socket", F_C("path", path), F_C("error", strerror(errno)));
	if (fd >= 0)
		close(fd);
	return -1;
}

int admin_listen(struct server *s)
{
	const char *path = s->config->admin_socket.p;
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const struct passwd *pw = geteuid() == 0 && s->config->user.n ? getpwnam(s->config->user.p)
								     : NULL;
	mode_t mask;

	if (s->config->admin_socket.n >= sizeof at.sun_path) {
		errno = ENAMETOOLONG;
		return fail(path, -1);
	}
	memcpy(at.sun_path, path, s->config->admin_socket.n);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(path, fd);
	/* A socket left by a server that was killed is in the way; one that answers is not. */
	if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0) {
		errno = EADDRINUSE;
		return fail(path, fd);
	}
	unlink(path);
	mask = umask(0177);
	int bound = bind(fd, (struct sockaddr *)&at, sizeof at);
	umask(mask);
	if (bound != 0 || listen(fd, CONNECTIONS_MAX) != 0)
		return fail(path, fd);
	if (pw && chown(path, pw->pw_uid, pw->pw_gid) != 0)
		return fail(path, fd);
	return fd;
}

struct admin *admin_new(struct server *s, int fd)
{
	struct admin *a = xcalloc(1, sizeof *a);

	a->server = s;
	a->watch = (struct watch){ fd, EPOLLIN, accept_one };
	list_init(&a->conns);
	BUG_ON(!watch_add(&s->loop, &a->watch));
	return a;
}

void admin_free(struct admin **p)
{
	struct admin *a = *p;

	*p = NULL;
	if (!a)
		return;
	while (!list_empty(&a->conns))
		conn_free(list_first(&a->conns, struct admin_conn, link));
	watch_del(&a->server->loop, &a->watch);
	close(a->watch.fd);
	free(a);
}
