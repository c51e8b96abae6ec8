/* `backup`: a copy of the running server's data, which a server can be started on.
 *
 * The database and the ledger copy themselves while everything goes on; both begin at once, so
 * that they show the same moment but for what is under way. Beside them go the server's secret
 * and the certificates, as DOMAIN.crt and DOMAIN.key, where a server that is told of none looks
 * for them. What fails leaves nothing behind. One copy is made at a time: two in one folder would
 * clean up after each other. */
#include "server/admin.h"
#include "server/folder.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct backup {
	struct request *request;
	const char *dir;         /* in the request's arena */
	bool made;               /* the folder is ours */
	unsigned expected;       /* copies that are not home */
	enum store_status status;
};

static const char *path_in(struct backup *b, const char *name)
{
	return str_printf(&b->request->mem, "%s/%s", b->dir, name).p;
}

static void finish(struct backup *b, struct str error)
{
	b->request->server->copying = false;
	b->request->error = error;
	if (error.n)
		folder_remove(b->dir, 1, b->made);
	admin_answer(b->request);
	free(b);
}

static void finish_failed(struct backup *b, const char *path)
{
	finish(b, str_printf(&b->request->mem, "%s: %s; nothing was left behind", path,
		strerrordesc_np(errno)));
}

/* ---- certificates and the secret ---- */

/* A key that only root may read cannot be copied by a server that is not root any more. */
static void copy_certificate(struct backup *b, const struct config_host *h)
{
	struct request *r = b->request;
	const char *crt = path_in(b, str_printf(&r->mem, "%.*s.crt", STR_FMT(h->domain)).p);
	const char *key = path_in(b, str_printf(&r->mem, "%.*s.key", STR_FMT(h->domain)).p);

	if (folder_copy_file(h->cert_file.p, crt) && folder_copy_file(h->key_file.p, key)) {
		buf_printf(&r->out, "certificate of %.*s\n", STR_FMT(h->domain));
		return;
	}
	buf_printf(&r->out, "left out: certificate of %.*s: %s\n", STR_FMT(h->domain),
		strerrordesc_np(errno));
	unlink(crt);
	unlink(key);
}

static void copy_rest(struct backup *b)
{
	struct request *r = b->request;
	const struct config *c = r->server->config;
	const char *secret = str_printf(&r->mem, "%.*s/secret", STR_FMT(c->data_dir)).p;

	buf_printf(&r->out, "database, %llu bytes\n",
		(unsigned long long)folder_bytes(b->dir, 0));
	if (!folder_copy_file(secret, path_in(b, "secret"))) {
		finish_failed(b, secret);
		return;
	}
	buf_printf(&r->out, "ledger, %llu bytes\n",
		(unsigned long long)folder_bytes(path_in(b, "ledger"), 0));
	for (size_t i = 0; i < c->n_hosts; i++)
		copy_certificate(b, &c->hosts[i]);
	if (folder_sync(b->dir))
		finish(b, STR_NULL);
	else
		finish_failed(b, b->dir);
}

/* ---- the stores ---- */

static void copied(struct backup *b, enum store_status status)
{
	if (b->status == STORE_OK)
		b->status = status;
	if (--b->expected)
		return;
	switch (b->status) {
	case STORE_OK:
		copy_rest(b);
		break;
	case STORE_FULL:
		finish(b, STR("the disk is full; nothing was left behind"));
		break;
	default:
		finish(b, STR("the copy failed, the log says how; nothing was left behind"));
		break;
	}
}

static void store_copied(struct store_op *op, void *receiver)
{
	copied(*(struct backup **)op->ctx, op->status);
	store_op_free(op);
}

static void ledger_copied(struct ledger_op *op, void *receiver)
{
	copied(*(struct backup **)op->ctx, op->status);
	ledger_op_free(op);
}

static void copy_stores(struct backup *b)
{
	struct server *s = b->request->server;
	struct store_op *st = store_op_new(&s->loop.inbox, store_copied, sizeof b);
	struct ledger_op *le = ledger_op_new(&s->loop.inbox, ledger_copied, sizeof b);

	*(struct backup **)st->ctx = b;
	*(struct backup **)le->ctx = b;
	b->expected = 2;
	ledger_backup(s->core.ledger, le, path_in(b, "ledger"));
	store_backup(s->core.store, st, str_c(path_in(b, "stentor.db")));
}

void backup_run(struct request *r)
{
	struct backup *b = xcalloc(1, sizeof *b);

	b->request = r;
	b->dir = r->words[1].p;
	if (r->server->stopping) {
		r->error = STR("the server stops");
	} else if (r->server->copying) {
		r->error = STR("another copy is being made, for a backup or an export; "
			"try again when it is done");
	} else if (b->dir[0] != '/') {
		r->error = STR("give the whole path of a folder");
	} else if (!folder_make(b->dir, &b->made)) {
		r->error = str_printf(&r->mem, "%s: %s", b->dir, errno == ENOTEMPTY
			? "there is something in this folder" : strerrordesc_np(errno));
	} else {
		r->server->copying = true;
		copy_stores(b);
		return;
	}
	free(b);
	admin_answer(r);
}
