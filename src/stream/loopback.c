#include "stream/loopback.h"

#include "base/bug.h"

#include <stdlib.h>

static struct loopback *of_wire(struct wire *w)
{
	return container_of(w, struct loopback, wire);
}

static struct buf *wire_out(struct wire *w)
{
	return &of_wire(w)->out;
}

static void wire_finish(struct wire *w)
{
	of_wire(w)->finished = true;
}

static bool wire_start_tls(struct wire *w)
{
	return of_wire(w)->secure;
}

static void wire_pause(struct wire *w, bool paused)
{
	of_wire(w)->paused = paused;
}

static void wire_describe(struct wire *w, struct arena *a, struct sasl_policy *p)
{
	struct sasl_policy *d = &of_wire(w)->described;

	p->binding = d->binding;
	p->n_cert_jids = d->n_cert_jids;
	for (unsigned i = 0; i < d->n_cert_jids; i++)
		p->cert_jids[i] = str_dup(a, d->cert_jids[i]);
}

static struct str wire_peer(struct wire *w, struct arena *a)
{
	return STR("loopback");
}

const struct wire_ops loopback_wire = {
	.out = wire_out,
	.finish = wire_finish,
	.start_tls = wire_start_tls,
	.pause = wire_pause,
	.describe = wire_describe,
	.peer = wire_peer,
};

void loopback_init(struct loopback *l, struct c2s *stream, size_t max_out)
{
	*l = (struct loopback){ .wire = { &loopback_wire }, .stream = stream };
	buf_init(&l->out, max_out);
}

void loopback_init_component(struct loopback *l, struct comp *stream, size_t max_out)
{
	loopback_init(l, NULL, max_out);
	l->comp = stream;
}

void loopback_init_s2s(struct loopback *l, struct s2s *stream, size_t max_out)
{
	loopback_init(l, NULL, max_out);
	l->s2s = stream;
}

void loopback_clear(struct loopback *l)
{
	buf_clear(&l->out);
}

void loopback_send(struct loopback *l, struct str bytes)
{
	char *padded = xcalloc(1, bytes.n + SCAN_PAD);

	memcpy(padded, bytes.p, bytes.n);
	if (l->stream)
		c2s_input(l->stream, padded, bytes.n);
	else if (l->comp)
		comp_input(l->comp, padded, bytes.n);
	else
		s2s_input(l->s2s, padded, bytes.n);
	free(padded);
}
