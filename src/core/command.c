#include "core/command.h"

#include "base/bug.h"
#include "base/digest.h"
#include "core/room.h"
#include "core/route.h"
#include "xmpp/form.h"

#include <stdlib.h>

#define FAILURES_MAX (16 * 1024)

enum action { EXECUTE, CANCEL, PREV, NEXT, COMPLETE, ACTIONS };

static const struct str action_names[ACTIONS] = {
	[EXECUTE] = STR_INIT("execute"), [CANCEL] = STR_INIT("cancel"), [PREV] = STR_INIT("prev"),
	[NEXT] = STR_INIT("next"), [COMPLETE] = STR_INIT("complete"),
};

/* ---- errors (section 4.4) ---- */

static enum outcome refuse_command(struct ctx *c, const struct stanza *iq, enum stanza_error e,
	const char *condition, struct str text)
{
	struct shard *s = c->shard;

	buf_reset(&s->scratch);
	stanza_write_error_with(&s->scratch, iq, e, stanza_error_type(e), text,
		str_printf(&s->loop.turn, "<%s xmlns='http://jabber.org/protocol/commands'/>",
			condition));
	count(s, COUNT_ERRORS);
	route_text(s, buf_str(&s->scratch));
	return ANSWERED;
}

static enum outcome bad(struct ctx *c, const struct stanza *iq, const char *condition,
	struct str text)
{
	return refuse_command(c, iq, ERR_BAD_REQUEST, condition, text);
}

/* ---- ids of sessions ---- */

/* An id proves itself, so that a session that is over can be told from one that never was: a nonce
 * of 16 digits, and 16 digits of a code for it and for all that the id is for. */
static void seal(struct shard *s, char id[COMMAND_ID_LEN], struct jid asker, struct str address,
	const char *node)
{
	struct str who = jid_str(asker);
	struct str what = str_printf(&s->loop.turn, "command\n%.*s\n%.*s\n%s\n%.*s", STR_FMT(who),
		STR_FMT(address), node, ARCHIVE_ID_LEN, id);
	uint8_t mac[DIGEST_MAX];
	uint64_t code;

	digest_hmac(DIGEST_SHA256, str_from((const char *)s->core->secret, sizeof s->core->secret),
		what, mac);
	memcpy(&code, mac, sizeof code);
	archive_id_format(code, id + ARCHIVE_ID_LEN);
}

static bool was_ours(struct shard *s, struct str id, struct jid asker, struct str address,
	const char *node)
{
	char mine[COMMAND_ID_LEN];

	if (id.n != sizeof mine)
		return false;
	memcpy(mine, id.p, sizeof mine);
	seal(s, mine, asker, address, node);
	return equal_secret(mine, id.p, sizeof mine);
}

/* ---- sessions ---- */

static void forget_errands(struct command_session *x)
{
	x->errands = 0;
	x->gathered = NULL;
	buf_clear(&x->out);
	buf_clear(&x->failures);
}

static void session_free(struct command_session *x)
{
	BUG_ON(x->expected);
	timer_stop(&x->shard->loop.wheel, &x->timer);
	list_del(&x->link);
	if (x->request)
		later_free(&x->request);
	forget_errands(x);
	buf_clear(&x->memo);
	free(x);
}

static void expired(struct timer *t)
{
	struct command_session *x = container_of(t, struct command_session, timer);

	if (x->request)
		timer_set(&x->shard->loop.wheel, t, x->shard->loop.now, COMMAND_SESSION_MS);
	else
		session_free(x);
}

/* It was heard of: the last to be forgotten. */
static void touch(struct command_session *x)
{
	list_del(&x->link);
	list_add(&x->shard->commands, &x->link);
	timer_set(&x->shard->loop.wheel, &x->timer, x->shard->loop.now, COMMAND_SESSION_MS);
}

/* What the command was sent to. */
static struct str address_of(const struct ctx *c)
{
	return c->room ? jid_str(c->room->jid) : c->host->domain;
}

static struct command_session *session_begin(struct ctx *c, struct jid asker,
	const struct command *command)
{
	struct str who = jid_str(asker), address = address_of(c);
	struct command_session *x = xcalloc(1, sizeof *x + who.n + address.n);
	char *text = (char *)(x + 1);
	uint64_t nonce;

	memcpy(text, who.p, who.n);
	memcpy(text + who.n, address.p, address.n);
	x->shard = c->shard;
	x->command = command;
	x->asker = asker;
	x->asker.p = text;
	x->address = str_from(text + who.n, address.n);
	x->domain = str_skip(x->address, c->room ? jid_domain_at(c->room->jid) : 0);
	buf_init(&x->memo, JID_MAX);
	buf_init(&x->out, COMMAND_OUT_MAX);
	buf_init(&x->failures, FAILURES_MAX);
	random_bytes(&nonce, sizeof nonce);
	archive_id_format(nonce, x->id);
	seal(c->shard, x->id, asker, address, command->node);
	timer_init(&x->timer, expired);
	list_init(&x->link);
	touch(x);
	return x;
}

/* Of somebody, or (NULL) at a room. */
static bool is_of(const struct command_session *x, const struct jid *asker)
{
	return asker ? jid_eq_bare(x->asker, *asker) : (x->command->at & AT_ROOM) != 0;
}

/* Room for one more of these, of which there may be so many; false when all of them are at work. */
static bool make_room(struct shard *s, const struct jid *asker, unsigned max)
{
	struct command_session *oldest = NULL;
	unsigned n = 0;

	list_each(x, &s->commands, struct command_session, link) {
		if (!is_of(x, asker))
			continue;
		n++;
		if (!oldest && !x->request)
			oldest = x;
	}
	if (n < max)
		return true;
	if (oldest)
		session_free(oldest);
	return oldest != NULL;
}

static struct command_session *find_session(struct ctx *c, struct str id, struct jid asker,
	const struct command *command)
{
	list_each(x, &c->shard->commands, struct command_session, link)
		if (str_eq(str_from(x->id, sizeof x->id), id) && jid_eq(x->asker, asker) &&
			x->command == command && str_eq(x->address, address_of(c)))
			return x;
	return NULL;
}

void commands_init(struct shard *s)
{
	list_init(&s->commands);
}

void commands_clear(struct shard *s)
{
	while (!list_empty(&s->commands))
		session_free(list_first(&s->commands, struct command_session, link));
}

/* ---- answers ---- */

static struct str last_action(const struct command_session *x)
{
	return action_names[x->stage + 1 < x->command->n_forms ? NEXT : COMPLETE];
}

/* <command/> of an answer, open. */
static struct writer answer_open(struct command_session *x, struct ctx *c, const char *status)
{
	struct writer w;

	*c = later_ctx(x->request);
	w = reply_open(c, x->request->iq);
	w_open_ns(&w, "command", NS_COMMANDS);
	w_attr(&w, "node", str_c(x->command->node));
	w_attr(&w, "sessionid", str_from(x->id, sizeof x->id));
	w_attr(&w, "status", str_c(status));
	w_attr(&w, "xml:lang", STR("en"));
	return w;
}

/* The request has been answered. */
static void answered(struct command_session *x)
{
	later_free(&x->request);
	x->form = NULL;
	forget_errands(x);
}

static void answer_send(struct command_session *x, struct ctx *c, struct writer *w)
{
	w_close(w);
	reply_send(c, w, x->request->iq);
	answered(x);
}

static void write_field(struct writer *w, const struct command_field *f)
{
	w_open(w, "field");
	w_attr(w, "var", str_c(f->var));
	w_attr(w, "type", str_c(f->type));
	if (f->label)
		w_attr(w, "label", str_c(f->label));
	if (f->required) {
		w_open(w, "required");
		w_close(w);
	}
	if (f->value)
		w_leaf(w, "value", str_c(f->value));
	for (const char *const *o = f->options; o && *o; o++) {
		w_open(w, "option");
		w_leaf(w, "value", str_c(*o));
		w_close(w);
	}
	w_close(w);
}

/* Section 3.4: back where there is something, on or to the end. */
static void write_actions(struct writer *w, const struct command_session *x)
{
	w_open(w, "actions");
	w_attr(w, "execute", last_action(x));
	if (x->stage > 0) {
		w_open(w, "prev");
		w_close(w);
	}
	w_open(w, last_action(x).p);
	w_close(w);
	w_close(w);
}

void command_show(struct command_session *x, struct str fields)
{
	const struct command_form *form = &x->command->forms[x->next];
	struct ctx c;

	x->stage = x->next;
	x->shown = true;
	struct writer w = answer_open(x, &c, "executing");
	write_actions(&w, x);
	w_open_ns(&w, "x", NS_DATA);
	w_attr(&w, "type", STR("form"));
	w_leaf(&w, "title", str_c(form->title));
	w_leaf(&w, "instructions", str_c(form->instructions));
	for (const struct command_field *f = form->fields; f && f->var; f++)
		write_field(&w, f);
	w_raw(&w, fields);
	w_close(&w);
	answer_send(x, &c, &w);
}

static void go(struct command_session *x, unsigned stage)
{
	const struct command_form *form = &x->command->forms[stage];

	BUG_ON(stage >= x->command->n_forms);
	x->next = stage;
	if (form->prepare)
		form->prepare(x);
	else
		command_show(x, STR(""));
}

void command_next(struct command_session *x)
{
	go(x, x->stage + 1);
}

void command_done_with(struct command_session *x, struct str payload, bool failed, struct str note)
{
	struct ctx c;
	struct writer w = answer_open(x, &c, "completed");

	if (note.n) {
		w_open(&w, "note");
		w_attr(&w, "type", failed ? STR("error") : STR("info"));
		w_text(&w, note);
		w_close(&w);
	}
	w_raw(&w, payload);
	answer_send(x, &c, &w);
	session_free(x);
}

void command_done(struct command_session *x, struct str payload)
{
	command_done_with(x, payload, false, STR(""));
}

/* A session of which its owner knows nothing yet is over. */
static void refused(struct command_session *x)
{
	answered(x);
	if (!x->shown)
		session_free(x);
}

void command_refuse(struct command_session *x, enum stanza_error e, struct str text)
{
	struct ctx c = later_ctx(x->request);

	refuse(&c, x->request->iq, e, text);
	refused(x);
}

void command_bad_payload(struct command_session *x, struct str text)
{
	struct ctx c = later_ctx(x->request);

	bad(&c, x->request->iq, "bad-payload", text);
	refused(x);
}

void command_remember(struct command_session *x, struct str text)
{
	buf_reset(&x->memo);
	buf_add(&x->memo, text);
}

void command_open_result(struct writer *w, const char *title)
{
	w_open_ns(w, "x", NS_DATA);
	w_attr(w, "type", STR("result"));
	w_leaf(w, "title", str_c(title));
}

void command_write_column(struct writer *w, const char *var, const char *label)
{
	w_open(w, "field");
	w_attr(w, "var", str_c(var));
	w_attr(w, "label", str_c(label));
	w_close(w);
}

void command_write_field(struct writer *w, const char *var, struct str value)
{
	w_open(w, "field");
	w_attr(w, "var", str_c(var));
	w_leaf(w, "value", value);
	w_close(w);
}

/* ---- the form that was filled in ---- */

static const struct xml_node *field_of(const struct command_session *x, const char *var)
{
	struct arena *turn = &x->shard->loop.turn;

	return x->form ? form_field(&x->request->iq->doc, x->form, str_c(var), turn) : NULL;
}

struct str command_value(const struct command_session *x, const char *var)
{
	return form_value(&x->request->iq->doc, field_of(x, var), &x->shard->loop.turn);
}

bool command_values(struct command_session *x, const char *var, struct str *out, size_t *n)
{
	size_t all = form_values(&x->request->iq->doc, field_of(x, var), out, COMMAND_VALUES_MAX,
		&x->shard->loop.turn);

	*n = 0;
	if (all > COMMAND_VALUES_MAX) {
		command_bad_payload(x, str_printf(&x->shard->loop.turn,
			"%s has more than %d values", var, COMMAND_VALUES_MAX));
		return false;
	}
	for (size_t i = 0; i < all; i++)
		if (out[i].n)
			out[(*n)++] = out[i];
	return true;
}

bool command_parse_jid(struct command_session *x, struct str text, struct jid *out)
{
	struct arena *turn = &x->shard->loop.turn;
	const char *why = NULL;

	if (!jid_parse(text, turn, out) || !out->n_local)
		why = "is no address like name@";
	else if (!str_eq(jid_domain(*out), x->domain))
		why = "is not at ";
	if (why) {
		command_bad_payload(x, str_printf(turn, "%.*s %s%.*s", STR_FMT(text), why,
			STR_FMT(x->domain)));
		return false;
	}
	return true;
}

bool command_jid(struct command_session *x, const char *var, struct jid *out)
{
	if (!command_parse_jid(x, command_value(x, var), out))
		return false;
	*out = jid_bare(*out);
	return true;
}

struct room *command_room(const struct command_session *x)
{
	return room_get(x->shard, x->request->iq->to);
}

/* Section 3.5.1: what was canceled counts as filled in. */
static const struct xml_node *find_form(struct shard *s, const struct stanza *iq)
{
	const struct xml_node *form = xml_child(&iq->doc, stanza_payload(iq), NS_DATA, TAG_X);
	struct str type = form ? xml_attr_str(&iq->doc, form, TAG_TYPE, &s->loop.turn) : STR_NULL;

	return str_eq(type, STR("submit")) || str_eq(type, STR("cancel")) ? form : NULL;
}

/* A field that is required and not there, or NULL. */
static const char *missing(const struct command_session *x)
{
	const struct command_field *f = x->command->forms[x->stage].fields;

	for (; f && f->var; f++)
		if (f->required && !command_value(x, f->var).n)
			return f->var;
	return NULL;
}

/* ---- requests ---- */

static void fill_in(struct command_session *x, const struct xml_node *form)
{
	const char *var;

	x->form = form;
	if ((var = missing(x)))
		command_bad_payload(x, str_printf(&x->shard->loop.turn, "%s is needed", var));
	else
		x->command->run(x);
}

static enum outcome begin(struct ctx *c, const struct stanza *iq, const struct command *command)
{
	const struct xml_node *form = command->at_once ? find_form(c->shard, iq) : NULL;

	if (!make_room(c->shard, &iq->from, COMMAND_SESSIONS_MAX) ||
		(c->room && !make_room(c->shard, NULL, COMMAND_ROOMS_MAX)))
		return refuse(c, iq, ERR_RESOURCE_CONSTRAINT, STR("too many commands are at work"));
	struct command_session *x = session_begin(c, iq->from, command);
	x->request = later_new(c, iq);
	if (form)
		fill_in(x, form);
	else if (command->n_forms)
		go(x, 0);
	else
		command->run(x);
	return LATER;
}

static enum outcome cancel(struct command_session *x, struct ctx *c, const struct stanza *iq)
{
	x->request = later_new(c, iq);
	struct writer w = answer_open(x, c, "canceled");
	answer_send(x, c, &w);
	session_free(x);
	return LATER;
}

static enum outcome go_back(struct command_session *x, struct ctx *c, const struct stanza *iq)
{
	if (!x->stage)
		return bad(c, iq, "bad-action", STR("there is no form before this one"));
	x->request = later_new(c, iq);
	go(x, x->stage - 1);
	return LATER;
}

static enum outcome go_on(struct command_session *x, struct ctx *c, const struct stanza *iq)
{
	const struct xml_node *form = find_form(c->shard, iq);

	if (!form)
		return bad(c, iq, "bad-payload", STR("the form that was shown is to be submitted"));
	x->request = later_new(c, iq);
	fill_in(x, form);
	return LATER;
}

static enum outcome continue_with(struct command_session *x, struct ctx *c, const struct stanza *iq,
	enum action action)
{
	if (x->request)
		return bad(c, iq, "bad-action", STR("the last request is still being worked on"));
	touch(x);
	if (action == CANCEL)
		return cancel(x, c, iq);
	if (action == PREV)
		return go_back(x, c, iq);
	if (action != EXECUTE && !str_eq(action_names[action], last_action(x)))
		return bad(c, iq, "bad-action", STR("that is not offered here"));
	return go_on(x, c, iq);
}

static enum action parse_action(struct str name)
{
	enum action a = EXECUTE;

	if (!name.p)
		return EXECUTE;
	while (a < ACTIONS && !str_eq(action_names[a], name))
		a++;
	return a;
}

/* Section 3.7. Every language is answered in English, which the answer says; but it is to be one:
 * letters, digits and hyphens (RFC 5646 section 2.1). */
static bool speaks(struct shard *s, const struct stanza *iq)
{
	struct str lang = xml_lang(&iq->doc, stanza_payload(iq), &s->loop.turn);

	if (!lang.p)
		lang = xml_lang(&iq->doc, stanza_root(iq), &s->loop.turn);
	for (size_t i = 0; i < lang.n; i++) {
		char c = lang.p[i];
		if (c != '-' && !(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z'))
			return false;
	}
	return true;
}

static bool is_allowed(const struct ctx *c, const struct stanza *iq, const struct command *command)
{
	return command->allows ? command->allows(c, iq->from) : host_administers(c->host, iq->from);
}

static enum outcome refuse_user(struct ctx *c, const struct stanza *iq)
{
	return refuse(c, iq, ERR_FORBIDDEN, c->room ? STR("that is not for everybody")
		: STR("that is for administrators"));
}

const struct command *command_find(const struct shard *s, struct str node, unsigned at)
{
	module_each(m, s->core, commands)
		for (const struct command *k = m->commands; k->node; k++)
			if ((k->at & at) && str_eq(str_c(k->node), node))
				return k;
	return NULL;
}

enum outcome command_request(struct ctx *c, const struct stanza *iq, unsigned at)
{
	const struct xml_node *el = stanza_payload(iq);
	struct arena *turn = &c->shard->loop.turn;
	struct str node = xml_attr_str(&iq->doc, el, TAG_NODE, turn);
	struct str id = xml_attr_str(&iq->doc, el, TAG_SESSIONID, turn);
	enum action action = parse_action(xml_attr_str(&iq->doc, el, TAG_ACTION, turn));
	const struct command *command;

	if (!node.n)
		return refuse(c, iq, ERR_BAD_REQUEST, STR("a command has a node"));
	if (!(command = command_find(c->shard, node, at)))
		return refuse(c, iq, ERR_ITEM_NOT_FOUND, STR("there is no such command"));
	if (!is_allowed(c, iq, command))
		return refuse_user(c, iq);
	if (action == ACTIONS)
		return bad(c, iq, "malformed-action", STR("there is no such action"));
	if (!speaks(c->shard, iq))
		return bad(c, iq, "bad-locale", STR("that is no language"));
	if (!id.p && action != EXECUTE)
		return bad(c, iq, "bad-action", STR("a command begins with execute"));
	if (!id.p)
		return begin(c, iq, command);
	struct command_session *x = find_session(c, id, iq->from, command);
	if (x)
		return continue_with(x, c, iq, action);
	if (was_ours(c->shard, id, iq->from, address_of(c), command->node))
		return refuse_command(c, iq, ERR_NOT_ALLOWED, "session-expired",
			STR("the command was completed or canceled, or took too long"));
	return bad(c, iq, "bad-sessionid", STR("there is no such session"));
}

/* ---- service discovery (section 2.2) ---- */

enum outcome command_list(struct ctx *c, const struct stanza *iq, unsigned at)
{
	struct writer w = reply_open(c, iq);

	w_open_ns(&w, "query", NS_DISCO_ITEMS);
	w_attr(&w, "node", STR(COMMANDS_NODE));
	module_each(m, c->shard->core, commands) {
		for (const struct command *k = m->commands; k->node; k++) {
			if (!(k->at & at) || !is_allowed(c, iq, k))
				continue;
			w_open(&w, "item");
			w_attr(&w, "jid", address_of(c));
			w_attr(&w, "node", str_c(k->node));
			w_attr(&w, "name", str_c(k->name));
			w_close(&w);
		}
	}
	w_close(&w);
	return reply_send(c, &w, iq);
}

static void write_feature(struct writer *w, struct str var)
{
	w_open(w, "feature");
	w_attr(w, "var", var);
	w_close(w);
}

enum outcome command_disco(struct ctx *c, const struct stanza *iq, const struct command *command,
	bool items)
{
	if (!is_allowed(c, iq, command))
		return refuse_user(c, iq);
	struct writer w = reply_open(c, iq);
	w_open_ns(&w, "query", items ? NS_DISCO_ITEMS : NS_DISCO_INFO);
	w_attr(&w, "node", str_c(command->node));
	if (!items) {
		w_open(&w, "identity");
		w_attr(&w, "category", STR("automation"));
		w_attr(&w, "type", STR("command-node"));
		w_attr(&w, "name", str_c(command->name));
		w_close(&w);
		write_feature(&w, STR(COMMANDS_NODE));
		write_feature(&w, STR("jabber:x:data"));
	}
	w_close(&w);
	return reply_send(c, &w, iq);
}

/* ---- errands ---- */

static void run_errand(struct mail *m, void *receiver)
{
	struct command_errand *e = container_of(m, struct command_errand, mail);

	e->work(e);
}

void command_gather(struct command_session *x, void (*gathered)(struct command_session *x))
{
	x->gathered = gathered;
}

void command_send(struct command_session *x, struct shard *there, struct jid jid, struct str arg,
	void (*work)(struct command_errand *e))
{
	struct str text = jid_is_set(jid) ? jid_str(jid) : STR("");
	struct command_errand *e = xcalloc(1, sizeof *e + text.n + arg.n);
	char *at = (char *)(e + 1);

	e->session = x;
	e->there = there;
	e->error = ERR_COUNT;
	if (text.n) {
		e->jid = jid;
		e->jid.p = memcpy(at, text.p, text.n);
	}
	if (arg.n)
		e->arg = str_from(memcpy(at + text.n, arg.p, arg.n), arg.n);
	e->work = work;
	buf_init(&e->out, COMMAND_OUT_MAX);
	e->mail = (struct mail){ .run = run_errand,
		.bytes = (uint32_t)(sizeof *e + text.n + arg.n) };
	x->errands++;
	x->expected++;
	/* Not now, even to this shard: all are to be sent before the first comes home. */
	mailbox_post_one(&there->loop.inbox, &e->mail);
}

void command_send_all(struct command_session *x, struct jid jid, struct str arg,
	void (*work)(struct command_errand *e))
{
	struct core *core = x->shard->core;

	for (unsigned i = 0; i < core->n_shards; i++)
		command_send(x, core->shards[i], jid, arg, work);
}

/* All are home. */
static void gathered(struct command_session *x)
{
	struct str failures = buf_str(&x->failures);

	if (!buf_ok(&x->out))
		command_refuse(x, ERR_RESOURCE_CONSTRAINT, STR("the answer is too large"));
	else if (x->gathered)
		x->gathered(x);
	else if (failures.n && x->errands == 1)
		command_refuse(x, x->error, str_dup(&x->shard->loop.turn, failures));
	else
		command_done_with(x, buf_str(&x->out), failures.n != 0, failures);
}

static void note_failure(struct command_session *x, const struct command_errand *e)
{
	x->error = e->error;
	if (x->failures.n)
		buf_lit(&x->failures, "\n");
	if (jid_is_set(e->jid)) {
		buf_add(&x->failures, jid_str(e->jid));
		buf_lit(&x->failures, ": ");
	}
	buf_add(&x->failures, str_c(e->failure));
}

static void come_home(struct mail *m, void *receiver)
{
	struct command_errand *e = container_of(m, struct command_errand, mail);
	struct command_session *x = e->session;

	if (e->failure)
		note_failure(x, e);
	else if (!buf_ok(&e->out))
		x->out.failed = true;
	else
		buf_add(&x->out, buf_str(&e->out));
	buf_clear(&e->out);
	free(e);
	if (--x->expected == 0)
		gathered(x);
}

void command_home(struct command_errand *e)
{
	e->mail = (struct mail){ .run = come_home, .bytes = (uint32_t)(sizeof *e + e->out.n) };
	mailbox_post_one(&e->session->shard->loop.inbox, &e->mail);
}

static enum stanza_error error_of(enum store_status status, const char **why)
{
	switch (status) {
	case STORE_OK:
		BUG("no failure");
	case STORE_EXISTS:
		*why = "it is there already";
		return ERR_CONFLICT;
	case STORE_NOT_FOUND:
		*why = "there is none";
		return ERR_ITEM_NOT_FOUND;
	case STORE_FULL:
		*why = "the disk is full or too much waits; try again later";
		return ERR_RESOURCE_CONSTRAINT;
	case STORE_FAILED:
		break;
	}
	*why = "it could not be stored";
	return ERR_INTERNAL_SERVER_ERROR;
}

void command_home_with(struct command_errand *e, enum store_status status)
{
	if (status != STORE_OK)
		e->error = error_of(status, &e->failure);
	command_home(e);
}

void command_refuse_with(struct command_session *x, enum store_status status)
{
	const char *why;
	enum stanza_error e = error_of(status, &why);

	command_refuse(x, e, str_c(why));
}
