/* What a loop asks of its connections once a turn. For loop.c alone. */
#ifndef NET_CONN_TURN_H
#define NET_CONN_TURN_H

struct loop;

/* Reports the ends that were found while flushing. */
void conns_report(struct loop *l);

/* Sends what the turn wrote. Calls nobody back. */
void conns_flush(struct loop *l);

#endif
