/* What the files of remote domains share. */
#ifndef CORE_REMOTE_PRIVATE_H
#define CORE_REMOTE_PRIVATE_H

#include "core/remote.h"

/* ---- remote.c ---- */

/* Sees to it that an attempt is under way (core/remote_dial.c). */
void pair_start_attempt(struct pair *p);

/* Nothing is tried now, after a failure. */
bool pair_rests(const struct pair *p);

/* Something waits, or does not any more. */
void pair_set_timer(struct pair *p);

/* Looks in a while whether the domain can be forgotten. */
void remote_may_be_done(struct remote *r);

/* A stream of ours that is negotiated up to authorisation, or further. */
bool remote_may_use(const struct peer *p);

/* ---- remote_verify.c ---- */

/* Sends questions that wait, over a stream that is there, or sees to it that there will be one. */
void verifies_pump(struct remote *r);

/* Those that were asked over a stream, or (NULL) wait for one, came to nothing. */
void verifies_fail(struct pair *pair, const struct peer *over, enum stanza_error e);

/* All of them do, wherever they are. */
void verifies_refuse(struct pair *pair, enum stanza_error e);

/* Fails those that had no answer in time. */
void verifies_fail_late(struct pair *p);

/* The shard is at its end. */
void verifies_forget(struct remote *r);

#endif
