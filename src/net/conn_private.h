/* Between the files of a connection: conn.c, conn_read.c. */
#ifndef NET_CONN_PRIVATE_H
#define NET_CONN_PRIVATE_H

#include "net/conn.h"

/* Puts it on the list of those that are flushed when the turn ends. */
void conn_mark_dirty(struct conn *c);

/* Tells the loop what to wait for. */
void conn_set_interest(struct conn *c);

/* Ends the connection and calls closed(); for the places that a loop calls. */
void conn_end(struct conn *c, enum conn_end why);

/* The same where a caller must not be called back: closed() comes in the next turn. */
void conn_end_later(struct conn *c, enum conn_end why);

/* Goes on with the handshake. */
enum tls_status conn_shake(struct conn *c);

/* The watch's callback. */
void conn_ready(struct watch *w, uint32_t events);

#endif
