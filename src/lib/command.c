/* XEP-0050 Ad-Hoc Commands, version 1.3.0, for who offers them. Left out: locales (section 4.3),
 * and other payloads than data forms. */
#include "stentor/command.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/digest.h"
#include "lib/entity.h"

#include <stdio.h>
#include <stdlib.h>

#define ID_HALF 16 /* hexadecimal digits of the nonce, and of its seal */

struct stentor_execution {
	struct list link;                      /* entity.executions */
	struct stentor_entity *entity;
	const struct command *command;
	struct timer timer;
	struct stentor_element *request;       /* waits for its answer, or NULL */
	struct stentor_element *asked;         /* the form that is shown, or NULL */
	struct stentor_element *filled[STENTOR_STAGES_MAX];
	unsigned stage;                        /* forms that are filled in */
	bool last;                             /* it is complete when the shown form is filled in */
	bool running;                          /* the command's function is on the stack */
	char *asker, *address;
	char id[2 * ID_HALF + 1];
};

/* ---- ids: one proves itself, so that an execution that is over can be told from one that never
 * was (section 4.4) ---- */

static void hex64(uint64_t v, char out[ID_HALF + 1])
{
	snprintf(out, ID_HALF + 1, "%016llx", (unsigned long long)v);
}

static void seal(const struct stentor_entity *e, char id[2 * ID_HALF + 1], const char *asker,
	const char *address, const char *node)
{
	uint8_t mac[DIGEST_MAX];
	struct arena mem;
	uint64_t code;

	arena_init(&mem, 512);
	digest_hmac(DIGEST_SHA256, str_from((const char *)e->secret, sizeof e->secret),
		str_printf(&mem, "%s\n%s\n%s\n%.*s", asker, address, node, ID_HALF, id), mac);
	arena_clear(&mem);
	memcpy(&code, mac, sizeof code);
	hex64(code, id + ID_HALF);
}

static bool was_ours(const struct stentor_entity *e, struct str id,
	const struct stentor_element *iq, const char *node)
{
	char mine[2 * ID_HALF + 1];

	if (id.n != 2 * ID_HALF)
		return false;
	memcpy(mine, id.p, id.n);
	seal(e, mine, stentor_element_attribute(iq, "from"), stentor_element_attribute(iq, "to"),
		node);
	return equal_secret(mine, id.p, id.n);
}

/* ---- executions ---- */

static void forget_stages(struct stentor_execution *x, unsigned from)
{
	for (unsigned i = from; i < STENTOR_STAGES_MAX; i++)
		stentor_element_free(&x->filled[i]);
}

static void execution_free(struct stentor_execution *x)
{
	timer_stop(&x->entity->loop.wheel, &x->timer);
	list_del(&x->link);
	x->entity->n_executions--;
	stentor_element_free(&x->request);
	stentor_element_free(&x->asked);
	forget_stages(x, 0);
	free(x->asker);
	free(x->address);
	free(x);
}

/* It was heard of: the last to be forgotten. */
static void touch(struct stentor_execution *x)
{
	list_del(&x->link);
	list_add(&x->entity->executions, &x->link);
	timer_set(&x->entity->loop.wheel, &x->timer, clock_mono_ms(), STENTOR_EXECUTION_MS);
}

static void expired(struct timer *t)
{
	struct stentor_execution *x = container_of(t, struct stentor_execution, timer);

	if (x->request)
		touch(x);
	else
		execution_free(x);
}

static struct str bare(const char *jid)
{
	struct str s = str_c(jid);
	ptrdiff_t slash = str_find(s, '/');

	return slash < 0 ? s : str_head(s, (size_t)slash);
}

/* Room for one more, of somebody and of all; false: too many are at work. */
static bool make_room(struct stentor_entity *e, const char *asker)
{
	struct stentor_execution *oldest = NULL, *oldest_of_one = NULL;
	unsigned of_one = 0;

	list_each(x, &e->executions, struct stentor_execution, link) {
		bool same = str_eq(bare(x->asker), bare(asker));
		of_one += same;
		if (x->request)
			continue;
		oldest = oldest ? oldest : x;
		oldest_of_one = oldest_of_one || !same ? oldest_of_one : x;
	}
	if (of_one < STENTOR_EXECUTIONS_OF_ONE && e->n_executions < STENTOR_EXECUTIONS_MAX)
		return true;
	if (of_one >= STENTOR_EXECUTIONS_OF_ONE)
		oldest = oldest_of_one;
	if (oldest)
		execution_free(oldest);
	return oldest != NULL;
}

static struct stentor_execution *execution_new(struct stentor_entity *e, const struct command *c,
	const struct stentor_element *iq)
{
	struct stentor_execution *x = xcalloc(1, sizeof *x);
	uint64_t nonce;

	x->entity = e;
	x->command = c;
	x->asker = text_copy(str_c(stentor_element_attribute(iq, "from")));
	x->address = text_copy(str_c(stentor_element_attribute(iq, "to")));
	random_bytes(&nonce, sizeof nonce);
	hex64(nonce, x->id);
	seal(e, x->id, x->asker, x->address, c->node);
	timer_init(&x->timer, expired);
	list_init(&x->link);
	e->n_executions++;
	touch(x);
	return x;
}

void commands_clear(struct stentor_entity *e)
{
	struct stentor_execution *x;

	while ((x = list_first(&e->executions, struct stentor_execution, link)))
		execution_free(x);
}

/* ---- commands ---- */

void stentor_add_command(struct stentor_entity *e, unsigned where, const char *node,
	const char *name, stentor_command_fn *run, stentor_allow_fn *allows, void *user)
{
	struct command **end = &e->commands, *c = arena_alloc(&e->mem, sizeof *c);

	*c = (struct command){ NULL, where, entity_keep(e, node), entity_keep(e, name), run, allows,
		user };
	while (*end)
		end = &(*end)->next;
	*end = c;
}

static const struct command *find_node(const struct stentor_entity *e, unsigned where,
	const char *node)
{
	const struct command *c = e->commands;

	while (c && !((c->where & where) && is_same(c->node, node)))
		c = c->next;
	return c;
}

static bool is_allowed(const struct command *c, const char *who)
{
	return !c->allows || c->allows(who, c->user);
}

const struct command *command_find(const struct stentor_entity *e, unsigned where, const char *node,
	const char *who)
{
	const struct command *c = find_node(e, where, node);

	return c && is_allowed(c, who) ? c : NULL;
}

/* ---- what is known ---- */

struct stentor_entity *stentor_execution_entity(const struct stentor_execution *x)
{
	return x->entity;
}

const char *stentor_execution_asker(const struct stentor_execution *x)
{
	return x->asker;
}

const char *stentor_execution_address(const struct stentor_execution *x)
{
	return x->address;
}

unsigned stentor_execution_stage(const struct stentor_execution *x)
{
	return x->stage;
}

const struct stentor_element *stentor_execution_form(const struct stentor_execution *x,
	unsigned stage)
{
	return stage < x->stage ? x->filled[stage] : NULL;
}

const char *stentor_execution_value(const struct stentor_execution *x, const char *var)
{
	for (unsigned i = x->stage; i-- > 0;) {
		const char *value = stentor_form_value(x->filled[i], var);
		if (value)
			return value;
	}
	return NULL;
}

/* ---- answers ---- */

/* Section 4.4: general and specific condition. */
static void refuse(struct stentor_entity *e, const struct stentor_element *iq,
	enum stentor_condition general, const char *specific, const char *text)
{
	struct stentor_element *refusal = stentor_refusal_new(iq, general, text);
	struct stentor_element *error =
		(struct stentor_element *)stentor_element_child(refusal, NS_STANZA, "error");

	if (general == STENTOR_BAD_REQUEST)
		stentor_element_set(error, "type", "modify");
	stentor_element_add(error, specific, STENTOR_NS_COMMANDS);
	entity_answer(e, refusal);
}

static struct stentor_element *open_answer(const struct stentor_execution *x, const char *status,
	struct stentor_element **command)
{
	struct stentor_element *answer = stentor_answer_new(x->request);

	*command = stentor_element_add(answer, "command", STENTOR_NS_COMMANDS);
	stentor_element_set(*command, "node", x->command->node);
	stentor_element_set(*command, "sessionid", x->id);
	stentor_element_set(*command, "status", status);
	return answer;
}

/* The request is answered; an execution that is over goes when nobody stands on it. */
static enum stentor_error answered(struct stentor_execution *x, bool over,
	struct stentor_element *answer)
{
	enum stentor_error error = entity_answer(x->entity, answer);

	if (error == STENTOR_TOO_LARGE)
		entity_refuse(x->entity, x->request, STENTOR_RESOURCE_CONSTRAINT, NULL);
	stentor_element_free(&x->request);
	if (!over)
		return error;
	x->command = NULL;
	if (!x->running)
		execution_free(x);
	return error;
}

/* Section 3.4: back where there is something, on or to the end. */
static void add_actions(struct stentor_element *command, const struct stentor_execution *x)
{
	struct stentor_element *actions = stentor_element_add(command, "actions", NULL);

	stentor_element_set(actions, "execute", x->last ? "complete" : "next");
	if (x->stage)
		stentor_element_add(actions, "prev", NULL);
	stentor_element_add(actions, x->last ? "complete" : "next", NULL);
}

enum stentor_error stentor_execution_ask(struct stentor_execution *x, struct stentor_element *form,
	bool last)
{
	struct stentor_element *answer, *command;

	if (!x->request || x->stage >= STENTOR_STAGES_MAX || form->tree->fault) {
		stentor_element_free(&form);
		return STENTOR_INVALID;
	}
	x->last = last;
	answer = open_answer(x, "executing", &command);
	add_actions(command, x);
	stentor_element_add_copy(command, form);
	stentor_element_free(&x->asked);
	x->asked = form;
	return answered(x, false, answer);
}

enum stentor_error stentor_execution_done(struct stentor_execution *x,
	struct stentor_element *payload, const char *note)
{
	struct stentor_element *answer, *command;

	if (!x->request || (payload && payload->tree->fault)) {
		stentor_element_free(&payload);
		return STENTOR_INVALID;
	}
	answer = open_answer(x, "completed", &command);
	if (note)
		stentor_element_set(stentor_element_add_leaf(command, "note", NULL, note), "type",
			"info");
	if (payload)
		stentor_element_add_copy(command, payload);
	stentor_element_free(&payload);
	return answered(x, true, answer);
}

enum stentor_error stentor_execution_again(struct stentor_execution *x, const char *text)
{
	if (!x->request || !x->stage)
		return STENTOR_INVALID;
	refuse(x->entity, x->request, STENTOR_BAD_REQUEST, "bad-payload", text);
	x->stage--;
	stentor_element_free(&x->filled[x->stage]);
	stentor_element_free(&x->request);
	return STENTOR_OK;
}

enum stentor_error stentor_execution_refuse(struct stentor_execution *x,
	enum stentor_condition condition, const char *text)
{
	if (!x->request)
		return STENTOR_INVALID;
	return answered(x, true, stentor_refusal_new(x->request, condition, text));
}

/* ---- requests ---- */

enum action { EXECUTE, CANCEL, PREV, NEXT, COMPLETE, ACTIONS };

static enum action action_of(const struct stentor_element *command)
{
	static const char *const names[ACTIONS] = { "execute", "cancel", "prev", "next",
		"complete" };
	const char *action = stentor_element_attribute(command, "action");

	if (!action)
		return EXECUTE;
	for (unsigned i = 0; i < ACTIONS; i++)
		if (is_same(action, names[i]))
			return (enum action)i;
	return ACTIONS;
}

/* Calls the command's function, whose answer may end the execution. */
static void run(struct stentor_execution *x, const struct stentor_element *iq)
{
	x->request = stentor_element_copy(iq);
	x->running = true;
	x->command->run(x, x->command->user);
	x->running = false;
	if (!x->command)
		execution_free(x);
}

static void cancel(struct stentor_execution *x, const struct stentor_element *iq)
{
	struct stentor_element *command;

	x->request = stentor_element_copy(iq);
	answered(x, true, open_answer(x, "canceled", &command));
}

static void go_back(struct stentor_execution *x, const struct stentor_element *iq)
{
	x->stage--;
	stentor_element_free(&x->filled[x->stage]);
	run(x, iq);
}

/* A form that is filled in, held to what was asked. */
static void go_on(struct stentor_execution *x, const struct stentor_element *iq,
	const struct stentor_element *command)
{
	const struct stentor_element *form = stentor_form_find(command, "submit");
	const char *var = NULL, *why = NULL;
	struct arena mem;

	if (!form) {
		refuse(x->entity, iq, STENTOR_BAD_REQUEST, "bad-payload",
			"a form is to be filled in");
		return;
	}
	if (!stentor_form_check(x->asked, form, &var, &why)) {
		arena_init(&mem, 256);
		refuse(x->entity, iq, STENTOR_BAD_REQUEST, "bad-payload",
			str_printf(&mem, "%s %s", var, why).p);
		arena_clear(&mem);
		return;
	}
	x->filled[x->stage++] = stentor_element_copy(form);
	run(x, iq);
}

static void continue_execution(struct stentor_execution *x, const struct stentor_element *iq,
	const struct stentor_element *command)
{
	enum action action = action_of(command);

	if (x->request) {
		entity_refuse(x->entity, iq, STENTOR_RESOURCE_CONSTRAINT,
			"the request before this one is being worked on");
		return;
	}
	touch(x);
	if (action == ACTIONS)
		refuse(x->entity, iq, STENTOR_BAD_REQUEST, "malformed-action", NULL);
	else if (action == CANCEL)
		cancel(x, iq);
	else if (!x->asked || (action == PREV && !x->stage) || (action == NEXT && x->last) ||
		(action == COMPLETE && !x->last))
		refuse(x->entity, iq, STENTOR_BAD_REQUEST, "bad-action", NULL);
	else if (action == PREV)
		go_back(x, iq);
	else
		go_on(x, iq, command);
}

static void begin_execution(struct stentor_entity *e, const struct command *c,
	const struct stentor_element *iq, const struct stentor_element *command)
{
	enum action action = action_of(command);

	if (action != EXECUTE)
		refuse(e, iq, STENTOR_BAD_REQUEST,
			action == ACTIONS ? "malformed-action" : "bad-action", NULL);
	else if (!make_room(e, stentor_element_attribute(iq, "from")))
		entity_refuse(e, iq, STENTOR_RESOURCE_CONSTRAINT, "too many commands are at work");
	else
		run(execution_new(e, c, iq), iq);
}

static struct stentor_execution *find_execution(const struct stentor_entity *e,
	const struct command *c, const struct stentor_element *iq, const char *id)
{
	list_each(x, &e->executions, struct stentor_execution, link)
		if (is_same(x->id, id) && x->command == c &&
			is_same(x->asker, stentor_element_attribute(iq, "from")) &&
			is_same(x->address, stentor_element_attribute(iq, "to")))
			return x;
	return NULL;
}

static void take_command(struct stentor_entity *e, const struct command *c,
	const struct stentor_element *iq, const struct stentor_element *command)
{
	const char *id = stentor_element_attribute(command, "sessionid");
	struct stentor_execution *x = id ? find_execution(e, c, iq, id) : NULL;

	if (!id)
		begin_execution(e, c, iq, command);
	else if (x)
		continue_execution(x, iq, command);
	else if (was_ours(e, str_c(id), iq, c->node))
		refuse(e, iq, STENTOR_NOT_ALLOWED, "session-expired", NULL);
	else
		refuse(e, iq, STENTOR_BAD_REQUEST, "bad-sessionid", NULL);
}

bool command_request(struct stentor_entity *e, const struct stentor_element *iq,
	const struct stentor_element *payload)
{
	const struct command *c;

	if (!e->commands || !stentor_element_is(payload, STENTOR_NS_COMMANDS, "command") ||
		!is_same(stentor_element_attribute(iq, "type"), "set"))
		return false;
	c = find_node(e, entity_where(iq), stentor_element_attribute(payload, "node"));
	if (!c)
		entity_refuse(e, iq, STENTOR_ITEM_NOT_FOUND, "there is no such command");
	else if (!is_allowed(c, stentor_element_attribute(iq, "from")))
		entity_refuse(e, iq, STENTOR_FORBIDDEN, NULL);
	else
		take_command(e, c, iq, payload);
	return true;
}
