/* XEP-0133 Service Administration, version 1.3.1: accounts
 *
 * For administrators of a host, as ad-hoc commands (core/command.h): adding and deleting users,
 * ending their sessions, changing passwords, who is registered and who is online, an announcement
 * to all who are online (sections 4.1, 4.2, 4.5, 4.7, 4.15, 4.18, 4.20, 4.23).
 *
 * A list has at most LIST_MAX entries, and says so when there are more. Left out: what there is
 * nothing of here (disabled users, black and white lists, messages of the day, welcome messages);
 * what the administrator of the machine does (restart, shutdown, the list of administrators);
 * rosters, times of logins and statistics of users. Options: admins of a host. Stores: accounts. */
#include "core/account.h"
#include "core/command.h"
#include "core/manage.h"
#include "core/route.h"

#define ADMIN "http://jabber.org/protocol/admin"

#define LIST_MAX 1000

#define FORM_TYPE \
	{ "FORM_TYPE", "hidden", NULL, false, ADMIN, NULL }
#define END \
	{ NULL, NULL, NULL, false, NULL, NULL }

/* ---- one account ---- */

static void managed(struct shard *s, enum store_status status, void *ctx)
{
	struct command_session *x = ctx;

	if (status == STORE_OK)
		command_done(x, STR(""));
	else
		command_refuse_with(x, status);
}

static void set_password(struct command_session *x, void (*set)(struct shard *s, struct jid jid,
	struct str password, manage_done *done, void *ctx))
{
	struct str text = command_value(x, "password"), again = command_value(x, "password-verify");
	struct str password;
	struct jid jid;

	if (!command_jid(x, "accountjid", &jid))
		return;
	if (again.p && !str_eq(again, text))
		command_bad_payload(x, STR("the two passwords differ"));
	else if (!jid_prep_password(text, &x->shard->loop.turn, &password))
		command_bad_payload(x, STR("such a password cannot be typed"));
	else if (!shard_may_check(x->shard))
		command_refuse(x, ERR_RESOURCE_CONSTRAINT, STR("try again later"));
	else
		set(x->shard, jid, password, managed, x);
}

static void add_user(struct command_session *x)
{
	set_password(x, manage_create);
}

static void change_password(struct command_session *x)
{
	set_password(x, manage_password);
}

static const struct command_field add_fields[] = {
	FORM_TYPE,
	{ "accountjid", "jid-single", "The address of the account", true, NULL, NULL },
	{ "password", "text-private", "The password", true, NULL, NULL },
	{ "password-verify", "text-private", "The password again", false, NULL, NULL },
	END,
};

static const struct command_field password_fields[] = {
	FORM_TYPE,
	{ "accountjid", "jid-single", "The address of the account", true, NULL, NULL },
	{ "password", "text-private", "The new password", true, NULL, NULL },
	END,
};

/* ---- several accounts ---- */

/* An errand for each address. */
static void for_each(struct command_session *x, bool bare, void (*work)(struct command_errand *e))
{
	struct arena *turn = &x->shard->loop.turn;
	struct str values[COMMAND_VALUES_MAX];
	size_t n;

	if (!command_values(x, "accountjids", values, &n))
		return;
	struct jid *jids = arena_alloc(turn, n * sizeof *jids);
	for (size_t i = 0; i < n; i++)
		if (!command_parse_jid(x, values[i], &jids[i]))
			return;
	for (size_t i = 0; i < n; i++)
		command_send(x, shard_of(x->shard->core, jids[i]),
			bare ? jid_bare(jids[i]) : jids[i], STR(""), work);
}

static void deleted(struct shard *s, enum store_status status, void *ctx)
{
	command_home_with(ctx, status);
}

static void delete_one(struct command_errand *e)
{
	manage_delete(e->there, e->jid, deleted, e);
}

static void delete_users(struct command_session *x)
{
	for_each(x, true, delete_one);
}

static void end_one(struct command_errand *e)
{
	bool any = manage_kick(e->there, e->jid);

	command_home_with(e, any ? STORE_OK : STORE_NOT_FOUND);
}

static void end_sessions(struct command_session *x)
{
	for_each(x, false, end_one);
}

static const struct command_field delete_fields[] = {
	FORM_TYPE,
	{ "accountjids", "jid-multi", "The addresses of the accounts", true, NULL, NULL },
	END,
};

static const struct command_field end_fields[] = {
	FORM_TYPE,
	{ "accountjids", "jid-multi", "The accounts, or with a resource single sessions", true, NULL,
		NULL },
	END,
};

/* ---- who is online ---- */

static struct jid host_of(const struct command_session *x)
{
	return jid_make(&x->shard->loop.turn, STR(""), x->domain, STR(""));
}

static void list_online(struct command_errand *e)
{
	struct map_node *n = NULL;

	while ((n = map_next(&e->there->accounts, n))) {
		struct account *a = container_of(n, struct account, node);
		if (list_empty(&a->sessions) || !str_eq(jid_domain(a->jid), jid_domain(e->jid)))
			continue;
		buf_add(&e->out, jid_str(a->jid));
		buf_lit(&e->out, "\n");
	}
	command_home(e);
}

/* A field of the result with the lines of a text as its values, at most max. */
static void answer_lines(struct command_session *x, const char *title, const char *var,
	struct str lines, uint64_t max)
{
	struct buf b;
	size_t n = 0;

	buf_init(&b, 2 * COMMAND_OUT_MAX);
	struct writer w = w_on(&b);
	command_open_result(&w, title);
	command_write_field(&w, "FORM_TYPE", STR(ADMIN));
	w_open(&w, "field");
	w_attr(&w, "var", str_c(var));
	for (ptrdiff_t end; n < max && (end = str_find(lines, '\n')) >= 0; n++) {
		w_leaf(&w, "value", str_head(lines, (size_t)end));
		lines = str_skip(lines, (size_t)end + 1);
	}
	w_close(&w);
	w_close(&w);
	if (w_done(&w))
		command_done_with(x, buf_str(&b), false,
			lines.n ? STR("there are more than these") : STR(""));
	else
		command_refuse(x, ERR_RESOURCE_CONSTRAINT, STR("the answer is too large"));
	buf_clear(&b);
}

/* What max_items says; false: refused. */
static bool max_items(struct command_session *x, uint64_t *out)
{
	struct str text = command_value(x, "max_items");

	*out = LIST_MAX;
	if (!text.n || str_eq(text, STR("none")))
		return true;
	if (str_to_u64(text, LIST_MAX, out) && *out)
		return true;
	command_bad_payload(x, str_printf(&x->shard->loop.turn, "max_items is none or 1 to %d",
		LIST_MAX));
	return false;
}

static void got_online(struct command_session *x)
{
	uint64_t max;

	if (max_items(x, &max))
		answer_lines(x, "Online users", "onlineuserjids", buf_str(&x->out), max);
}

static void list_online_users(struct command_session *x)
{
	command_gather(x, got_online);
	command_send_all(x, host_of(x), STR(""), list_online);
}

static void counted_online(struct command_session *x)
{
	uint64_t n = 0;
	struct buf b;

	for (size_t i = 0; i < x->out.n; i++)
		n += x->out.p[i] == '\n';
	buf_init(&b, 4096);
	struct writer w = w_on(&b);
	command_open_result(&w, "Number of online users");
	command_write_field(&w, "FORM_TYPE", STR(ADMIN));
	command_write_field(&w, "onlineusersnum",
		str_printf(&x->shard->loop.turn, "%llu", (unsigned long long)n));
	w_close(&w);
	command_done(x, buf_str(&b));
	buf_clear(&b);
}

static void count_online_users(struct command_session *x)
{
	command_gather(x, counted_online);
	command_send_all(x, host_of(x), STR(""), list_online);
}

/* ---- who is registered ---- */

struct listing {
	struct command_session *session;
	uint64_t max;
};

static void got_users(struct store_op *op, void *receiver)
{
	struct listing *l = op->ctx;
	struct command_session *x = l->session;
	struct buf b;

	buf_init(&b, COMMAND_OUT_MAX);
	for (size_t i = 0; i < op->n_users; i++)
		buf_printf(&b, "%.*s@%.*s\n", STR_FMT(op->users[i]), STR_FMT(x->domain));
	if (op->status == STORE_OK)
		answer_lines(x, "Registered users", "registereduserjids", buf_str(&b), l->max);
	else
		command_refuse_with(x, op->status);
	buf_clear(&b);
	store_op_free(op);
}

static void list_registered_users(struct command_session *x)
{
	uint64_t max;

	if (!max_items(x, &max))
		return;
	struct store_op *op = store_op_new(&x->shard->loop.inbox, got_users,
		sizeof(struct listing));
	*(struct listing *)op->ctx = (struct listing){ x, max };
	store_users(x->shard->core->store, op, x->domain, STR(""), (unsigned)max + 1);
}

static const char *const max_options[] = { "25", "50", "75", "100", "150", "200", "none", NULL };

static const struct command_field list_fields[] = {
	FORM_TYPE,
	{ "max_items", "list-single", "How many are shown at most", false, "100", max_options },
	END,
};

/* ---- an announcement ---- */

/* To each account with a session: RFC 6121 section 8.5.2.1.1 says to which of its resources. */
static void announce_here(struct command_errand *e)
{
	struct shard *s = e->there;
	struct map_node *n = NULL;

	while ((n = map_next(&s->accounts, n))) {
		struct account *a = container_of(n, struct account, node);
		if (list_empty(&a->sessions) || !str_eq(jid_domain(a->jid), jid_domain(e->jid)))
			continue;
		buf_reset(&s->scratch);
		struct writer w = w_on(&s->scratch);
		stanza_open(&w, STANZA_MESSAGE, "headline", e->jid, a->jid, STR_NULL);
		w_leaf(&w, "body", e->arg);
		w_close(&w);
		route_text(s, buf_str(&s->scratch));
	}
	command_home(e);
}

static void announce(struct command_session *x)
{
	struct arena *turn = &x->shard->loop.turn;
	struct str lines[COMMAND_VALUES_MAX], text = STR("");
	size_t n;

	if (!command_values(x, "announcement", lines, &n))
		return;
	for (size_t i = 0; i < n; i++)
		text = str_printf(turn, "%.*s%s%.*s", STR_FMT(text), i ? "\n" : "",
			STR_FMT(lines[i]));
	command_send_all(x, host_of(x), text, announce_here);
}

static const struct command_field announce_fields[] = {
	FORM_TYPE,
	{ "announcement", "text-multi", "The announcement", true, NULL, NULL },
	END,
};

/* ---- the table ---- */

#define FORM(name, title, fields) \
	static const struct command_form name = { title, "Fill out this form.", fields, NULL }

FORM(add_form, "Adding a user", add_fields);
FORM(delete_form, "Deleting users", delete_fields);
FORM(end_form, "Ending sessions", end_fields);
FORM(password_form, "Changing a password", password_fields);
FORM(registered_form, "Listing registered users", list_fields);
FORM(online_form, "Listing online users", list_fields);
FORM(announce_form, "Making an announcement", announce_fields);

const struct module xep0133_admin = {
	.name = "admin",
	.spec = "XEP-0133 1.3.1",
	.commands = (const struct command[]){
		{ ADMIN "#add-user", "Add a user", AT_HOST, &add_form, 1, add_user },
		{ ADMIN "#delete-user", "Delete users", AT_HOST, &delete_form, 1, delete_users },
		{ ADMIN "#end-user-session", "End sessions", AT_HOST, &end_form, 1, end_sessions },
		{ ADMIN "#change-user-password", "Change a password", AT_HOST, &password_form, 1,
			change_password },
		{ ADMIN "#get-registered-users-list", "List registered users", AT_HOST,
			&registered_form, 1, list_registered_users },
		{ ADMIN "#get-online-users-num", "Count online users", AT_HOST, NULL, 0,
			count_online_users },
		{ ADMIN "#get-online-users-list", "List online users", AT_HOST, &online_form, 1,
			list_online_users },
		{ ADMIN "#announce", "Make an announcement", AT_HOST, &announce_form, 1, announce },
		{ 0 } },
};
