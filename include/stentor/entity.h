/* An entity that speaks XMPP over a stream: what components have in common with all others.
 *
 * Stanzas go out by stentor_send() and stentor_ask(), and come to the handlers. What no handler
 * takes is answered as RFC 6120 section 8.2.3 and 8.4 want it: an IQ get or set and a message with
 * service-unavailable, all else with silence. Answered without handlers are service discovery
 * (XEP-0030) from what was added here, ping (XEP-0199), the version (XEP-0092) if one was set, and
 * commands (stentor/command.h).
 *
 * An entity belongs to one thread, and calls back only from the run or process function of its
 * owner. What a handler is given is valid until it returns. A handler may call everything but
 * these two functions and the one that frees the owner. */
#ifndef STENTOR_ENTITY_H
#define STENTOR_ENTITY_H

#include <stentor/error.h>
#include <stentor/stanza.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Requests that wait for an answer at a time. */
#define STENTOR_ASKS_MAX 1000

struct stentor_entity;
struct stentor_timer;

/* The entity's own address, canonical: a component's domain. */
const char *stentor_entity_address(const struct stentor_entity *e);

/* ---- sending ---- */

/* Sends a stanza, and frees it in any case; NULL is sent as nothing. It needs a `to`; a `from` that
 * it lacks is the entity's own address. STENTOR_OK: it waits in the output and goes out as soon as
 * the server takes it. STENTOR_INVALID: the tree is spoilt, it is no stanza, an address is none, or
 * `from` is not this entity's. STENTOR_TOO_LARGE, STENTOR_NOT_CONNECTED. STENTOR_FULL: so many
 * bytes wait already that no more are taken; stentor_on_writable() tells when to try again. */
enum stentor_error stentor_send(struct stentor_entity *e, struct stentor_element *stanza);

/* Something can be sent again, after STENTOR_FULL. */
typedef void stentor_writable_fn(struct stentor_entity *e, void *user);
void stentor_on_writable(struct stentor_entity *e, stentor_writable_fn *fn, void *user);

/* The answer to a request. error: STENTOR_OK, and `answer` is the result or the error that came; or
 * STENTOR_TIMEOUT or STENTOR_NOT_CONNECTED, and it is NULL. */
typedef void stentor_answer_fn(struct stentor_entity *e, enum stentor_error error,
	const struct stentor_element *answer, void *user);

/* Sends an IQ of type get or set as stentor_send() does, with an id of the library's. When that is
 * STENTOR_OK, fn is called once: with the answer of whom was asked, after timeout_ms, or when the
 * connection ends; otherwise never. STENTOR_FULL also says that STENTOR_ASKS_MAX wait. */
enum stentor_error stentor_ask(struct stentor_entity *e, struct stentor_element *iq,
	uint32_t timeout_ms, stentor_answer_fn *fn, void *user);

/* ---- handlers ---- */

/* An IQ get or set, well-formed by RFC 6120 section 8.2.3: with an id and one payload. True: it is
 * answered, or will be. False: it is somebody else's. */
typedef bool stentor_iq_fn(struct stentor_entity *e, const struct stentor_element *iq, void *user);

/* For requests whose payload is `name` in `ns` (NULL: any). type: "get", "set", or NULL for both.
 * They are asked in the order in which they were set, before what the library answers itself. */
void stentor_on_iq(struct stentor_entity *e, const char *type, const char *ns, const char *name,
	stentor_iq_fn *fn, void *user);

/* A message, of any type. False: it is not taken, and refused where that may be. One handler. */
typedef bool stentor_message_fn(struct stentor_entity *e, const struct stentor_element *message,
	void *user);
void stentor_on_message(struct stentor_entity *e, stentor_message_fn *fn, void *user);

/* Presence, of any type. One handler. */
typedef void stentor_presence_fn(struct stentor_entity *e, const struct stentor_element *presence,
	void *user);
void stentor_on_presence(struct stentor_entity *e, stentor_presence_fn *fn, void *user);

/* ---- service discovery and other answers ---- */

/* At which addresses something is: the entity's own, and (of a component) those of the users at its
 * domain. Users are answered for when they have an identity. */
enum stentor_where { STENTOR_HERE = 1, STENTOR_USERS = 2 };

/* Added once, and never taken back. where: bits of enum stentor_where; name, node: may be NULL. An
 * entity without identity is a component/generic. */
void stentor_add_identity(struct stentor_entity *e, unsigned where, const char *category,
	const char *type, const char *name);
void stentor_add_feature(struct stentor_entity *e, unsigned where, const char *var);
void stentor_add_item(struct stentor_entity *e, unsigned where, const char *jid, const char *node,
	const char *name);

/* Answers who asks for the software (XEP-0092). os may be NULL. */
void stentor_set_version(struct stentor_entity *e, const char *name, const char *version,
	const char *os);

/* ---- timers ---- */

typedef void stentor_timer_fn(struct stentor_entity *e, void *user);

/* A timer that is not set. It lives until it is freed or the entity is. */
struct stentor_timer *stentor_timer_new(struct stentor_entity *e, stentor_timer_fn *fn, void *user);

/* Calls fn once, after_ms from now or up to 16 ms later; moves it when it is set. */
void stentor_timer_set(struct stentor_timer *t, uint32_t after_ms);
void stentor_timer_stop(struct stentor_timer *t);

/* Frees and sets to NULL; also from its own fn. */
void stentor_timer_free(struct stentor_timer **t);

#ifdef __cplusplus
}
#endif

#endif
