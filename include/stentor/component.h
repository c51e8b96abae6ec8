/* Components: programs that serve a domain of their own at an XMPP server (XEP-0114 1.6, the Jabber
 * Component Protocol, "accept"). This header brings all others.
 *
 *     struct stentor_component *c = stentor_component_new("echo.example.org", "secret");
 *     stentor_on_message(stentor_component_entity(c), on_message, NULL);
 *     enum stentor_error e = stentor_component_run(c);
 *     stentor_component_free(&c);
 *
 * docs/libstentor.md is the manual. */
#ifndef STENTOR_COMPONENT_H
#define STENTOR_COMPONENT_H

#include <stentor/command.h>
#include <stentor/entity.h>
#include <stentor/form.h>
#include <stentor/jid.h>

#ifdef __cplusplus
extern "C" {
#endif

struct stentor_component;

/* A component that is not connected. domain: its name at the server; secret: what it shares with
 * that. NULL: the domain is none, the secret is empty, or the system has no descriptors left. */
struct stentor_component *stentor_component_new(const char *domain, const char *secret);

/* Drops the connection without a word, frees it and all that belongs to its entity, and sets the
 * pointer to NULL. Requests that wait are told STENTOR_NOT_CONNECTED first. */
void stentor_component_free(struct stentor_component **c);

struct stentor_entity *stentor_component_entity(struct stentor_component *c);

/* ---- settings, for the next connection ---- */

/* Where the server is: a name or an address, and the port; 127.0.0.1 and 5347 at first. All
 * addresses of a name are tried, one after the other. */
void stentor_component_set_server(struct stentor_component *c, const char *host, uint16_t port);

/* TLS from the first byte (XEP-0368 does the same for clients); at first there is none. name: what
 * the server's certificate must be for; NULL: the host. ca_file: PEM of the authorities, or the
 * certificate itself; NULL: the system's. */
void stentor_component_set_tls(struct stentor_component *c, const char *name, const char *ca_file);

/* Connects again when a connection ends or does not come about. The wait before that begins with
 * about first_ms, and is twice as long each time up to longest_ms, with a random part of up to a
 * half; a connection that stood for a minute makes it short again. It is given up when the server
 * says that it does not know the domain or the secret. first_ms 0: never, as at first. */
void stentor_component_set_reconnect(struct stentor_component *c, uint32_t first_ms,
	uint32_t longest_ms);

/* Bytes that may wait to be sent (1 MiB at first) and bytes of a stanza, in and out (256 KiB, at
 * least 10,000 and at most 16 MiB). While more wait than may, nothing is read from the server. */
void stentor_component_set_bounds(struct stentor_component *c, size_t output_bytes,
	uint32_t stanza_bytes);

/* The component stands for all domains within this one too (the server has it as *.DOMAIN): they
 * may be in `from`. False: it is no domain. */
bool stentor_component_set_within(struct stentor_component *c, const char *domain);

/* ---- life ---- */

enum stentor_state {
	STENTOR_IDLE,       /* not begun, or over: see stentor_component_error() */
	STENTOR_CONNECTING, /* up to the server's answer to the handshake, for 30 seconds at most */
	STENTOR_READY,      /* stanzas flow */
	STENTOR_WAITING,    /* for the next try to connect */
	STENTOR_CLOSING     /* the stream is being closed, for 5 seconds at most */
};

/* Called after the state has changed. error and text: why the last connection ended, in
 * STENTOR_WAITING and STENTOR_IDLE. */
typedef void stentor_state_fn(struct stentor_component *c, enum stentor_state state,
	enum stentor_error error, const char *text, void *user);
void stentor_component_on_state(struct stentor_component *c, stentor_state_fn *fn, void *user);

enum stentor_state stentor_component_state(const struct stentor_component *c);

/* Why the last connection ended, and (unless NULL) the same for people, valid until the next one
 * ends; STENTOR_OK and "": not yet, or because it was stopped. */
enum stentor_error stentor_component_error(const struct stentor_component *c, const char **text);

/* Connects, and serves until stentor_component_stop(): STENTOR_OK; or until the connection has
 * ended and is not to be made again: why that is. */
enum stentor_error stentor_component_run(struct stentor_component *c);

/* Closes the stream in order and ends stentor_component_run(). The only function that may be called
 * from anywhere: other threads, signal handlers. */
void stentor_component_stop(struct stentor_component *c);

/* ---- in a loop of the program's own ---- */

/* Begins to connect, and returns at once. Nothing happens unless in STENTOR_IDLE. */
void stentor_component_start(struct stentor_component *c);

/* The descriptor to be watched for input; the same as long as the component lives. */
int stentor_component_fd(const struct stentor_component *c);

/* How long to wait for that at most, in milliseconds; 0: not at all. To be asked before each
 * wait. */
uint32_t stentor_component_timeout(const struct stentor_component *c);

/* Does what there is to do, without waiting. False: it is over (STENTOR_IDLE). */
bool stentor_component_process(struct stentor_component *c);

#ifdef __cplusplus
}
#endif

#endif
