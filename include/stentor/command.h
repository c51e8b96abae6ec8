/* Ad-hoc commands (XEP-0050 1.3.0) that an entity offers.
 *
 * A command asks with forms, one after the other, and then is done. Its function is called for the
 * first time with nothing filled in, then once for each form that was filled in, and answers each
 * time, at once or later, with one of stentor_execution_ask(), _done(), _again() and _refuse(). The
 * library keeps the sessions, what was filled in, and the order of things; holds each form to what
 * was asked (stentor_form_check()); and goes back when that is wished:
 *
 *     static void run(struct stentor_execution *x, void *user)
 *     {
 *             if (stentor_execution_stage(x) == 0)
 *                     stentor_execution_ask(x, make_form(), true);
 *             else
 *                     stentor_execution_done(x, NULL, stentor_execution_value(x, "what"));
 *     }
 *
 * An execution is of the full JID that began it, and ends when it is done or canceled,
 * STENTOR_EXECUTION_MS after the last that was heard of it, or as the oldest of too many. Until it
 * has answered it does not end, and other requests in its session are refused. */
#ifndef STENTOR_COMMAND_H
#define STENTOR_COMMAND_H

#include <stentor/entity.h>
#include <stentor/form.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STENTOR_NS_COMMANDS "http://jabber.org/protocol/commands"

#define STENTOR_EXECUTIONS_MAX     256 /* of an entity */
#define STENTOR_EXECUTIONS_OF_ONE  8   /* of a bare JID */
#define STENTOR_EXECUTION_MS       (600 * 1000)
#define STENTOR_STAGES_MAX         16  /* forms of one execution */

struct stentor_execution;

typedef void stentor_command_fn(struct stentor_execution *x, void *user);

/* Whether somebody (a full JID) may use a command, and see that it is there. */
typedef bool stentor_allow_fn(const char *who, void *user);

/* Adds a command. where: bits of enum stentor_where; name: for people; allows: NULL for
 * everybody. */
void stentor_add_command(struct stentor_entity *e, unsigned where, const char *node,
	const char *name, stentor_command_fn *run, stentor_allow_fn *allows, void *user);

/* ---- what is known ---- */

struct stentor_entity *stentor_execution_entity(const struct stentor_execution *x);

/* Who executes it (full JID), and the address that it was asked of. */
const char *stentor_execution_asker(const struct stentor_execution *x);
const char *stentor_execution_address(const struct stentor_execution *x);

/* How many forms have been filled in. It becomes less when somebody goes back. */
unsigned stentor_execution_stage(const struct stentor_execution *x);

/* The form that was filled in at a stage, from 0 on; NULL: not yet. */
const struct stentor_element *stentor_execution_form(const struct stentor_execution *x,
	unsigned stage);

/* The first value of a field, in the latest form that has it; NULL: none. */
const char *stentor_execution_value(const struct stentor_execution *x, const char *var);

/* ---- answers ---- */

/* Shows a form of type form, which is freed. last: it is complete when this is filled in.
 * STENTOR_INVALID: the execution waits for no answer, there were STENTOR_STAGES_MAX forms, or the
 * tree is spoilt. */
enum stentor_error stentor_execution_ask(struct stentor_execution *x, struct stentor_element *form,
	bool last);

/* It is completed, and the execution gone. payload: a form of type result or the like, which is
 * freed, or NULL; note: for people, or NULL. */
enum stentor_error stentor_execution_done(struct stentor_execution *x,
	struct stentor_element *payload, const char *note);

/* The last form was filled in wrongly (bad-payload): it can be filled in again. STENTOR_INVALID: no
 * form was. */
enum stentor_error stentor_execution_again(struct stentor_execution *x, const char *text);

/* Nothing was done, and the execution is gone. */
enum stentor_error stentor_execution_refuse(struct stentor_execution *x,
	enum stentor_condition condition, const char *text);

#ifdef __cplusplus
}
#endif

#endif
