#include "server/export.h"

#include "base/base64.h"
#include "base/buf.h"
#include "core/personal.h"
#include "store/nodes.h"
#include "xml/writer.h"
#include "xmpp/datetime.h"
#include "xmpp/stanza.h"

#include <errno.h>
#include <unistd.h>

#define USERS_PAGE    1000
#define MESSAGES_PAGE 500
#define NODES_PAGE    200
#define FLUSH_AT      (256 * 1024)
#define OUT_MAX       (FLUSH_AT + 64 * 1024 * 1024) /* a whole element fits behind */

struct out {
	struct data *data;
	const struct export_options *options;
	struct export_counts *counts;
	int fd;
	struct buf buf;
	struct xml_table table; /* scratch */
	struct arena turn;      /* scratch of one stanza */
	const char *failed;
};

/* ---- bytes ---- */

static bool fail(struct out *o, const char *why)
{
	if (!o->failed)
		o->failed = why;
	return false;
}

static bool flush(struct out *o)
{
	size_t at = 0;

	if (!buf_ok(&o->buf))
		return fail(o, "an element is too large");
	while (at < o->buf.n) {
		ssize_t n = write(o->fd, o->buf.p + at, o->buf.n - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(o, strerrordesc_np(errno));
		at += (size_t)n;
	}
	buf_reset(&o->buf);
	return true;
}

static bool flush_if_full(struct out *o)
{
	if (*o->options->stop)
		return fail(o, "interrupted");
	return o->buf.n < FLUSH_AT || flush(o);
}

/* ---- the account ---- */

static void open_with(struct out *o, const char *tag, const char *name, struct str value)
{
	buf_printf(&o->buf, "<%s %s='", tag, name);
	xml_escape_value(&o->buf, value);
	buf_lit(&o->buf, "'>\n");
}

static void write_key(struct out *o, const char *mechanism, const struct store_key *k)
{
	struct writer w = w_on(&o->buf);

	if (!k->rounds)
		return;
	w_open(&w, "scram-credentials");
	w_attr(&w, "xmlns", STR("urn:xmpp:pie:0#scram"));
	w_attr(&w, "mechanism", str_c(mechanism));
	w_leaf(&w, "iter-count", str_printf(&o->turn, "%u", k->rounds));
	w_leaf(&w, "salt", base64_str(&o->turn, k->salt));
	w_leaf(&w, "server-key", base64_str(&o->turn, k->server));
	w_leaf(&w, "stored-key", base64_str(&o->turn, k->stored));
	w_close(&w);
	buf_lit(&o->buf, "\n");
}

static void write_keys(struct out *o, const struct store_account *acc)
{
	static const char *const mechanisms[STORE_HASHES] = { "SCRAM-SHA-1", "SCRAM-SHA-256",
		"SCRAM-SHA-512" };

	for (unsigned i = 0; i < STORE_HASHES; i++)
		write_key(o, mechanisms[i], &acc->keys[i]);
}

static void write_contact(struct out *o, const struct store_item *item)
{
	static const char *const words[] = { "none", "to", "from", "both" };
	struct writer w = w_on(&o->buf);

	w_open(&w, "item");
	w_attr(&w, "jid", item->jid);
	w_attr(&w, "name", item->name.n ? item->name : STR_NULL);
	w_attr(&w, "subscription", str_c(words[item->subscription & 3]));
	w_attr(&w, "ask", item->ask ? STR("subscribe") : STR_NULL);
	w_attr(&w, "approved", item->approved ? STR("true") : STR_NULL);
	for (struct str rest = item->groups; rest.n;) {
		struct str name = str_c(rest.p);
		w_leaf(&w, "group", name);
		rest = str_skip(rest, name.n + 1);
	}
	w_close(&w);
	buf_lit(&o->buf, "\n");
	o->counts->contacts++;
}

static bool write_roster(struct out *o, const struct store_account *acc)
{
	if (!acc->n_items)
		return true;
	buf_lit(&o->buf, "<query xmlns='jabber:iq:roster'>\n");
	for (size_t i = 0; i < acc->n_items; i++) {
		write_contact(o, &acc->items[i]);
		if (!flush_if_full(o))
			return false;
	}
	buf_lit(&o->buf, "</query>\n");
	return true;
}

/* ---- stanzas ---- */

/* What was stored, as an element of jabber:client with `extra` at its end. */
static bool write_stanza(struct out *o, struct str bytes, struct str extra)
{
	struct stanza *st = stanza_scan(&o->table, bytes, &o->turn);

	if (!st)
		return false;
	stanza_write_with(&o->buf, st, st->from, st->to, NS_CLIENT, extra);
	stanza_unref(&st);
	return true;
}

static bool write_requests(struct out *o, const struct store_account *acc)
{
	for (size_t i = 0; i < acc->n_pending; i++) {
		if (!write_stanza(o, acc->pending[i].stanza, STR("")))
			continue;
		buf_lit(&o->buf, "\n");
		o->counts->requests++;
		arena_reset(&o->turn);
		if (!flush_if_full(o))
			return false;
	}
	return true;
}

/* XEP-0082 with all of the microseconds, so that nothing is lost on the way. */
static struct str stamp_text(struct arena *a, uint64_t us)
{
	struct str ms = datetime_format(a, us);

	return str_printf(a, "%.*s%03uZ", STR_FMT(str_head(ms, ms.n - 1)), (unsigned)(us % 1000));
}

/* ---- messages ---- */

/* Whether the message with this id stands in the history as well. */
static bool is_archived(struct out *o, struct str jid, uint64_t id, bool *out)
{
	const struct ledger_query q = { .ids = &id, .n_ids = 1, .max = 1 };
	struct ledger_op *op = data_ledger_read(o->data);

	ledger_query(o->data->ledger, op, jid, &q);
	data_wait_ledger(o->data, op);
	enum store_status status = op->status;
	*out = status == STORE_OK && op->n_messages;
	ledger_op_free(op);
	return status == STORE_OK || status == STORE_NOT_FOUND ||
		fail(o, data_status_text(status));
}

static struct str id_text(struct arena *a, uint64_t id)
{
	char *text = arena_alloc(a, ARCHIVE_ID_LEN);

	archive_id_format(id, text);
	return str_from(text, ARCHIVE_ID_LEN);
}

/* The id of the history says that both are the same message. */
static bool write_waiting(struct out *o, struct str host, struct str jid,
	const struct ledger_message *m)
{
	struct buf extra;
	bool archived;

	if (!is_archived(o, jid, m->id, &archived))
		return false;
	buf_init(&extra, 16 * 1024);
	struct writer w = w_on(&extra);
	if (archived) {
		w_open_ns(&w, "stanza-id", NS_SID);
		w_attr(&w, "by", jid);
		w_attr(&w, "id", id_text(&o->turn, m->id));
		w_close(&w);
	}
	w_open_ns(&w, "delay", NS_DELAY);
	w_attr(&w, "from", host);
	w_attr(&w, "stamp", stamp_text(&o->turn, m->stamp_us));
	w_close(&w);
	if (write_stanza(o, m->bytes, buf_str(&extra))) {
		buf_lit(&o->buf, "\n");
		o->counts->offline++;
	} else {
		o->counts->broken++;
	}
	buf_clear(&extra);
	return true;
}

/* A page of what waits. *after: place of the last one. */
static bool write_waiting_page(struct out *o, struct str host, struct str jid, uint64_t *after,
	size_t *n)
{
	struct ledger_op *op = data_ledger_read(o->data);
	bool ok;

	ledger_read_waiting(o->data->ledger, op, jid, *after, MESSAGES_PAGE);
	data_wait_ledger(o->data, op);
	ok = op->status == STORE_OK || fail(o, data_status_text(op->status));
	*n = op->n_messages;
	if (ok && *n && !*after)
		buf_lit(&o->buf, "<offline-messages>\n");
	for (size_t i = 0; ok && i < *n; i++) {
		ok = write_waiting(o, host, jid, &op->messages[i]) && flush_if_full(o);
		*after = op->messages[i].place;
		arena_reset(&o->turn);
	}
	ledger_op_free(op);
	return ok;
}

static bool write_offline(struct out *o, struct str host, struct str jid)
{
	uint64_t after = 0;
	size_t n;

	do {
		if (!write_waiting_page(o, host, jid, &after, &n))
			return false;
	} while (n);
	if (after)
		buf_lit(&o->buf, "</offline-messages>\n");
	return true;
}

static void write_result(struct out *o, const struct ledger_message *m)
{
	size_t from = o->buf.n;

	buf_printf(&o->buf, "<result xmlns='urn:xmpp:mam:2' id='%.*s'>"
		"<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' "
		"stamp='%.*s'/>", STR_FMT(id_text(&o->turn, m->id)),
		STR_FMT(stamp_text(&o->turn, m->stamp_us)));
	if (write_stanza(o, m->bytes, STR(""))) {
		buf_lit(&o->buf, "</forwarded></result>\n");
		o->counts->archived++;
	} else {
		o->buf.n = from;
		o->counts->broken++;
	}
}

/* A page of the history. *after: id of the last message. */
static bool write_history_page(struct out *o, struct str jid, uint64_t *after, bool *complete)
{
	const struct ledger_query q = { .after = *after, .max = MESSAGES_PAGE };
	struct ledger_op *op = data_ledger_read(o->data);
	bool ok;

	ledger_query(o->data->ledger, op, jid, &q);
	data_wait_ledger(o->data, op);
	ok = op->status == STORE_OK || fail(o, data_status_text(op->status));
	*complete = op->complete || !op->n_messages;
	if (ok && op->n_messages && !*after)
		buf_lit(&o->buf, "<archive xmlns='urn:xmpp:pie:0#mam'>\n");
	for (size_t i = 0; ok && i < op->n_messages; i++) {
		write_result(o, &op->messages[i]);
		*after = op->messages[i].id;
		arena_reset(&o->turn);
		ok = flush_if_full(o);
	}
	ledger_op_free(op);
	return ok;
}

static bool write_history(struct out *o, struct str jid)
{
	uint64_t after = 0;
	bool complete;

	do {
		if (!write_history_page(o, jid, &after, &complete))
			return false;
	} while (!complete);
	if (after)
		buf_lit(&o->buf, "</archive>\n");
	return true;
}

/* ---- vCard and private storage ---- */

/* The entries of a space of the account, or NULL when they cannot be read. */
static struct store_op *read_space(struct out *o, struct str host, struct str user,
	struct str space)
{
	struct store_op *op = data_store_read(o->data);

	store_list_data(o->data->store, op, host, user, space);
	data_wait_store(o->data, op);
	if (op->status == STORE_OK)
		return op;
	fail(o, data_status_text(op->status));
	store_op_free(op);
	return NULL;
}

static bool write_vcard(struct out *o, struct str host, struct str user)
{
	struct store_op *op = read_space(o, host, user, SPACE_VCARD);

	if (!op)
		return false;
	for (size_t i = 0; i < op->account.n_data; i++) {
		buf_add(&o->buf, op->account.data[i].bytes);
		buf_lit(&o->buf, "\n");
		o->counts->vcards++;
	}
	store_op_free(op);
	return flush_if_full(o);
}

static bool write_private(struct out *o, struct str host, struct str user)
{
	struct store_op *op = read_space(o, host, user, SPACE_PRIVATE);
	bool ok = op != NULL;

	if (ok && op->account.n_data)
		buf_lit(&o->buf, "<query xmlns='jabber:iq:private'>\n");
	for (size_t i = 0; ok && i < op->account.n_data; i++) {
		buf_add(&o->buf, op->account.data[i].bytes);
		buf_lit(&o->buf, "\n");
		o->counts->private_xml++;
		ok = flush_if_full(o);
	}
	if (ok && op->account.n_data)
		buf_lit(&o->buf, "</query>\n");
	if (op)
		store_op_free(op);
	return ok;
}

/* ---- nodes (section 4.10) ---- */

static bool read_went_well(struct out *o, struct store_op *op)
{
	data_wait_store(o->data, op);
	return op->status == STORE_OK || fail(o, data_status_text(op->status));
}

static void open_of_node(struct writer *w, const char *word, struct str node)
{
	w_open(w, word);
	w_attr(w, "node", node);
}

static void write_affiliations(struct out *o, const struct store_node *n)
{
	struct writer w = w_on(&o->buf);

	open_of_node(&w, "affiliations", n->name);
	for (size_t i = 0; i < n->n_affiliations; i++) {
		w_open(&w, "affiliation");
		w_attr(&w, "jid", n->affiliations[i].jid);
		w_attr(&w, "affiliation", n->affiliations[i].affiliation);
		w_close(&w);
	}
	w_close(&w);
	buf_lit(&o->buf, "\n");
}

static void write_subscriptions(struct out *o, const struct store_node *n)
{
	struct writer w = w_on(&o->buf);

	open_of_node(&w, "subscriptions", n->name);
	for (size_t i = 0; i < n->n_subscriptions_read; i++) {
		const struct store_subscription *s = &n->subscriptions[i];
		w_open(&w, "subscription");
		w_attr(&w, "jid", s->jid);
		w_attr(&w, "subscription", s->state);
		w_attr(&w, "subid", s->subid);
		w_close(&w);
	}
	w_close(&w);
	buf_lit(&o->buf, "\n");
}

/* All who are subscribed, page after page; each page is an element of its own. */
static bool write_subscribers(struct out *o, struct str host, struct str user, struct str node)
{
	struct store_op *op = NULL, *before;
	bool ok, more;

	do {
		before = op;
		op = data_store_read(o->data);
		const struct store_node *last = before ? before->node : NULL;
		store_node_subscriptions(o->data->store, op, host, user, node,
			last ? &last->subscriptions[last->n_subscriptions_read - 1] : NULL,
			USERS_PAGE);
		ok = read_went_well(o, op);
		if (before)
			store_op_free(before);
		more = ok && op->node->n_subscriptions_read == USERS_PAGE;
		if (ok && op->node->n_subscriptions_read)
			write_subscriptions(o, op->node);
	} while (more && flush_if_full(o));
	store_op_free(op);
	return ok;
}

static bool write_settings(struct out *o, struct str host, struct str user, struct str node)
{
	struct store_op *op = data_store_read(o->data);
	bool ok;

	store_nodes_load(o->data->store, op, host, user, &node, 1);
	ok = read_went_well(o, op);
	for (size_t i = 0; ok && i < op->n_nodes; i++) {
		struct writer w = w_on(&o->buf);
		open_of_node(&w, "configure", node);
		w_raw(&w, op->nodes[i].config);
		w_close(&w);
		buf_lit(&o->buf, "\n");
		write_affiliations(o, &op->nodes[i]);
		o->counts->nodes++;
	}
	store_op_free(op);
	return ok && write_subscribers(o, host, user, node) && flush_if_full(o);
}

static void write_item(struct out *o, const struct store_node_item *item)
{
	struct writer w = w_on(&o->buf);

	w_open(&w, "item");
	w_attr(&w, "id", item->id);
	if (item->publisher.n)
		w_attr(&w, "publisher", item->publisher);
	w_raw(&w, item->payload);
	w_close(&w);
	buf_lit(&o->buf, "\n");
	o->counts->items++;
}

static bool write_items(struct out *o, struct str host, struct str user, struct str node)
{
	struct store_items_query query = { .max = MESSAGES_PAGE, .max_bytes = FLUSH_AT };
	bool ok, more;

	open_with(o, "items", "node", node);
	do {
		struct store_op *op = data_store_read(o->data);
		store_node_items(o->data->store, op, host, user, node, &query);
		ok = read_went_well(o, op);
		for (size_t i = 0; ok && i < op->n_items; i++) {
			write_item(o, &op->items[i]);
			query.after = op->items[i].number;
		}
		more = ok && op->more;
		store_op_free(op);
	} while (more && flush_if_full(o));
	buf_lit(&o->buf, "</items>\n");
	return ok;
}

/* Something of each node, in an element around all of them. */
static bool write_each_node(struct out *o, struct str host, struct str user, const char *ns,
	bool (*write)(struct out *o, struct str host, struct str user, struct str node))
{
	struct store_op *op = NULL, *before;
	bool ok, any = false;

	do {
		before = op;
		op = data_store_read(o->data);
		store_nodes(o->data->store, op, host, user,
			before ? before->nodes[before->n_nodes - 1].name : STR(""), NODES_PAGE,
			STORE_NODES_ALL);
		ok = read_went_well(o, op);
		if (before)
			store_op_free(before);
		if (ok && op->n_nodes && !any)
			open_with(o, "pubsub", "xmlns", str_c(ns));
		any = any || (ok && op->n_nodes);
		for (size_t i = 0; ok && i < op->n_nodes; i++)
			ok = write(o, host, user, op->nodes[i].name) && flush_if_full(o);
	} while (ok && op->n_nodes == NODES_PAGE);
	store_op_free(op);
	if (any)
		buf_lit(&o->buf, "</pubsub>\n");
	return ok;
}

static bool write_nodes(struct out *o, struct str host, struct str user)
{
	return write_each_node(o, host, user, "http://jabber.org/protocol/pubsub#owner",
		       write_settings) &&
	       write_each_node(o, host, user, "http://jabber.org/protocol/pubsub", write_items);
}

/* ---- lists ---- */

/* As the privacy list that does the same: XEP-0227 knows no other (section 4.8). */
static void write_blocked(struct out *o, const struct store_account *acc)
{
	uint64_t order = 0;
	struct writer w = w_on(&o->buf);

	for (size_t i = 0; i < acc->n_data; i++) {
		if (!str_eq(acc->data[i].space, SPACE_BLOCK))
			continue;
		if (!order)
			buf_lit(&o->buf, "<query xmlns='jabber:iq:privacy'><default "
				"name='blocked'/><list name='blocked'>\n");
		w_open(&w, "item");
		w_attr(&w, "type", STR("jid"));
		w_attr(&w, "value", acc->data[i].key);
		w_attr(&w, "action", STR("deny"));
		w_attr_u64(&w, "order", ++order);
		w_close(&w);
		buf_lit(&o->buf, "\n");
		o->counts->blocked++;
	}
	if (order)
		buf_lit(&o->buf, "</list></query>\n");
}

static void write_addresses(struct writer *w, const struct store_account *acc, const char *word)
{
	w_open(w, word);
	for (size_t i = 0; i < acc->n_data; i++)
		if (str_eq(acc->data[i].space, SPACE_ARCHIVE) && acc->data[i].key.n &&
		    str_eq(acc->data[i].bytes, str_c(word)))
			w_leaf(w, "jid", acc->data[i].key);
	w_close(w);
}

/* In XEP-0441's words. The default comes first in the order of keys, for its own is empty. */
static void write_preferences(struct out *o, const struct store_account *acc)
{
	struct writer w = w_on(&o->buf);
	size_t i = 0;

	while (i < acc->n_data && !str_eq(acc->data[i].space, SPACE_ARCHIVE))
		i++;
	if (i == acc->n_data)
		return;
	w_open_ns(&w, "prefs", NS_MAM);
	w_attr(&w, "default", acc->data[i].key.n ? STR_NULL : acc->data[i].bytes);
	write_addresses(&w, acc, "always");
	write_addresses(&w, acc, "never");
	w_close(&w);
	buf_lit(&o->buf, "\n");
}

/* ---- the file ---- */

static bool write_account(struct out *o, const struct store_op *op)
{
	struct arena mem;

	arena_init(&mem, 4096);
	struct str jid = str_printf(&mem, "%.*s@%.*s", STR_FMT(op->user), STR_FMT(op->host));
	open_with(o, "user", "name", op->user);
	write_keys(o, &op->account);
	arena_reset(&o->turn);
	write_blocked(o, &op->account);
	write_preferences(o, &op->account);
	bool ok = write_roster(o, &op->account) && write_requests(o, &op->account) &&
		write_vcard(o, op->host, op->user) && write_private(o, op->host, op->user) &&
		write_nodes(o, op->host, op->user) &&
		write_offline(o, op->host, jid) && write_history(o, jid);
	buf_lit(&o->buf, "</user>\n");
	arena_clear(&mem);
	o->counts->accounts++;
	return ok && flush_if_full(o);
}

static bool write_user(struct out *o, struct str host, struct str user)
{
	struct store_op *op = data_store_read(o->data);
	bool ok = true;

	if (o->options->user.n && !str_eq(o->options->user, user)) {
		store_op_free(op);
		return true;
	}
	store_load(o->data->store, op, host, user);
	data_wait_store(o->data, op);
	if (op->status == STORE_OK)
		ok = write_account(o, op);
	else
		ok = fail(o, data_status_text(op->status));
	store_op_free(op);
	return ok;
}

/* Page after page of accounts. */
static bool write_users(struct out *o, struct str host)
{
	struct store_op *op = NULL, *before;
	bool ok = true;

	do {
		before = op;
		op = data_store_read(o->data);
		store_users(o->data->store, op, host,
			before ? before->users[before->n_users - 1] : STR(""), USERS_PAGE);
		data_wait_store(o->data, op);
		if (before)
			store_op_free(before);
		ok = op->status == STORE_OK || fail(o, data_status_text(op->status));
		for (size_t i = 0; ok && i < op->n_users; i++)
			ok = write_user(o, host, op->users[i]);
	} while (ok && op->n_users == USERS_PAGE);
	store_op_free(op);
	return ok;
}

static bool write_all(struct out *o, const struct config *c)
{
	buf_lit(&o->buf, "<?xml version='1.0' encoding='UTF-8'?>\n"
		"<server-data xmlns='urn:xmpp:pie:0'>\n");
	for (size_t i = 0; i < c->n_hosts; i++) {
		struct str host = c->hosts[i].domain;
		if (o->options->host.n && !str_eq(o->options->host, host))
			continue;
		open_with(o, "host", "jid", host);
		if (!write_users(o, host))
			return false;
		buf_lit(&o->buf, "</host>\n");
	}
	buf_lit(&o->buf, "</server-data>\n");
	return flush(o);
}

bool export_data(struct data *d, const struct config *c, const struct export_options *options,
	int fd, struct export_counts *counts, struct arena *a, struct str *error)
{
	struct out o = { .data = d, .options = options, .counts = counts, .fd = fd };

	*counts = (struct export_counts){ 0 };
	buf_init(&o.buf, OUT_MAX);
	arena_init(&o.turn, 64 * 1024);
	bool ok = write_all(&o, c);
	if (!ok)
		*error = str_printf(a, "%s", o.failed);
	buf_clear(&o.buf);
	arena_clear(&o.turn);
	xml_table_clear(&o.table);
	return ok;
}
