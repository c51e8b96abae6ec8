#include "outbox.h"

#include "base/bug.h"

#include <stdlib.h>

void outbox_init(struct outbox *o, struct peer *from, struct peer *to, unsigned bytes)
{
	*o = (struct outbox){ .from = from, .to = to };
	message_line_init(&o->line, from, to, false, bytes);
	o->due = xcalloc(OUTBOX_MAX, sizeof *o->due);
}

void outbox_clear(struct outbox *o)
{
	message_line_clear(&o->line);
	free(o->due);
	o->due = NULL;
}

/* Writes what was not written. */
static void write_rest(struct outbox *o)
{
	for (; o->written < o->line.sent; o->written++) {
		message_write_numbered(&o->line, peer_out(o->from), o->written,
			o->due[o->written % OUTBOX_MAX]);
		peer_sent(o->from);
	}
}

bool outbox_send(struct outbox *o, uint64_t due)
{
	if (outbox_waiting(o) == OUTBOX_MAX)
		return false;
	o->due[o->line.sent++ % OUTBOX_MAX] = due;
	if (peer_is_up(o->from))
		write_rest(o);
	return true;
}

uint64_t outbox_acked(struct outbox *o)
{
	BUG_ON(o->acked == o->written);
	return o->due[o->acked++ % OUTBOX_MAX];
}

void outbox_resend(struct outbox *o)
{
	for (uint64_t i = o->acked; i < o->written; i++)
		message_write_numbered(&o->line, peer_out(o->from), i, o->due[i % OUTBOX_MAX]);
	if (o->acked < o->written)
		peer_ask(o->from);
	write_rest(o);
}
