#include "xmpp/ack.h"

#include "base/bug.h"

#include <stdlib.h>

void ack_in_init(struct ack_in *in)
{
	*in = (struct ack_in){ 0 };
}

void ack_in_clear(struct ack_in *in)
{
	free(in->open);
	*in = (struct ack_in){ 0 };
}

static struct ack_open *at(const struct ack_in *in, uint32_t i)
{
	return &in->open[(in->first + i) % in->cap];
}

static void grow(struct ack_in *in)
{
	uint32_t cap = in->cap ? 2 * in->cap : 8;
	struct ack_open *open = xcalloc(cap, sizeof *open);

	for (uint32_t i = 0; i < in->n; i++)
		open[i] = *at(in, i);
	free(in->open);
	in->open = open;
	in->first = 0;
	in->cap = cap;
}

uint32_t ack_in_take(struct ack_in *in, bool later)
{
	in->received++;
	if (!later)
		return in->received;
	if (in->n == in->cap)
		grow(in);
	in->n++;
	*at(in, in->n - 1) = (struct ack_open){ .number = in->received };
	return in->received;
}

bool ack_in_handled(struct ack_in *in, uint32_t number)
{
	uint32_t i = 0;

	while (i < in->n && at(in, i)->number != number)
		i++;
	if (i == in->n)
		return false;
	at(in, i)->handled = true;
	if (i)
		return false;
	while (in->n && at(in, 0)->handled) {
		in->first = (in->first + 1) % in->cap;
		in->n--;
	}
	return true;
}

uint32_t ack_in_h(const struct ack_in *in)
{
	return in->n ? at(in, 0)->number - 1 : in->received;
}

bool ack_in_is_handled(const struct ack_in *in, uint32_t number)
{
	return (int32_t)(ack_in_h(in) - number) >= 0;
}

bool ack_out_count(uint32_t sent, uint32_t acked, uint32_t h, uint32_t *n)
{
	uint32_t open = sent - acked;
	uint32_t got = h - acked;

	if (got <= open) {
		*n = got;
		return true;
	}
	*n = 0;
	return (int32_t)got < 0; /* an older one, late */
}
