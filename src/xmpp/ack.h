/* The counters of stream management (XEP-0198 section 4), for both roles, without I/O.
 *
 * Each side counts the stanzas it has sent since <enable/> or <enabled/> and those that it has
 * received and handled. Numbers are those of the XEP: the first stanza has 1, and 2^32-1 is
 * followed by 0. */
#ifndef XMPP_ACK_H
#define XMPP_ACK_H

#include <stdbool.h>
#include <stdint.h>

/* Stanzas that the peer sent. They may be handled out of order; what is acknowledged is the
 * last one before the first that is not handled yet. */
struct ack_in {
	uint32_t received;
	struct ack_open {
		uint32_t number;
		bool handled;
	} *open;             /* a ring, ascending: from the first that is not handled on */
	uint32_t first, n, cap;
};

void ack_in_init(struct ack_in *in);
void ack_in_clear(struct ack_in *in);

/* A stanza has come. later: it is handled when ack_in_handled() says so, else at once. Returns
 * its number. */
uint32_t ack_in_take(struct ack_in *in, bool later);

/* The stanza of this number is handled now. A number that nobody waits for does nothing. True
 * when what can be acknowledged has grown. */
bool ack_in_handled(struct ack_in *in, uint32_t number);

/* The `h` to send. */
uint32_t ack_in_h(const struct ack_in *in);

/* Whether all is handled that was received up to and with this number. */
bool ack_in_is_handled(const struct ack_in *in, uint32_t number);

/* Stanzas that we sent: how many of them the peer's `h` newly acknowledges. False: more than
 * were sent. An `h` that goes back acknowledges nothing.
 * sent, acked: the number of the last one sent, and of the last one acknowledged. */
bool ack_out_count(uint32_t sent, uint32_t acked, uint32_t h, uint32_t *n);

#endif
