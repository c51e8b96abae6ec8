#include "core/node_page.h"

#include "xmpp/rsm.h"

#define PLACE_MAX 24 /* "@", a number and a NUL */

static struct str write_place(char out[PLACE_MAX], uint64_t number)
{
	int n = snprintf(out, PLACE_MAX, "@%llu", (unsigned long long)number);

	return str_from(out, (size_t)n);
}

/* A place, or else the id of an item. */
static void read_place(struct str text, uint64_t *place, struct str *id)
{
	if (!str_starts(text, STR("@")) || !str_to_u64(str_skip(text, 1), INT64_MAX, place))
		*id = text;
}

bool node_page_read(const struct stanza *iq, const struct xml_node *parent, struct arena *a,
	struct node_page *out)
{
	struct rsm rsm;

	*out = (struct node_page){ .query = { .max = NODE_PAGE_MAX,
		.max_bytes = NODE_PAGE_BYTES } };
	if (!rsm_read(&iq->doc, parent, a, &rsm))
		return false;
	out->asked = rsm.has_max || rsm.has_after || rsm.has_before;
	out->query.newest = rsm.has_before;
	if (rsm.has_max && rsm.max < NODE_PAGE_MAX)
		out->query.max = rsm.max;
	if (rsm.has_after)
		read_place(rsm.after, &out->query.after, &out->after);
	if (rsm.before.n)
		read_place(rsm.before, &out->query.before, &out->before);
	return true;
}

static void go_on(struct node *n, struct node_page *p);

/* XEP-0059 section 2.2: an id that is not there is item-not-found. */
static void place_found(struct shard *s, struct node *n, const struct store_op *found, void *ctx)
{
	struct node_page *p = ctx;
	bool after = p->after.n;

	if (found->status != STORE_OK || !found->n_items) {
		struct store_op none = { .status = found->status == STORE_OK ? STORE_NOT_FOUND
			: found->status };
		p->done(s, n, &none, p->ctx);
		return;
	}
	*(after ? &p->query.after : &p->query.before) = found->items[0].number;
	*(after ? &p->after : &p->before) = STR_NULL;
	go_on(n, p);
}

static void find_place(struct node *n, struct node_page *p, const struct str *id)
{
	struct store_items_query query = { .ids = id, .n_ids = 1, .max = 1, .max_bytes = 1 };

	node_items(n, &query, place_found, p);
}

static void go_on(struct node *n, struct node_page *p)
{
	if (p->after.n)
		find_place(n, p, &p->after);
	else if (p->before.n)
		find_place(n, p, &p->before);
	else
		node_items(n, &p->query, p->done, p->ctx);
}

void node_page_find(struct node *n, struct node_page *p, items_done *done, void *ctx)
{
	p->done = done;
	p->ctx = ctx;
	go_on(n, p);
}

/* Of items that were asked for by their ids, what is missing tells where to go on. */
void node_page_write(struct writer *w, const struct node_page *p, const struct store_op *found)
{
	char first[PLACE_MAX], last[PLACE_MAX];
	size_t n = found->n_items;

	if (p->query.n_ids && found->more)
		rsm_write(w, STR_NULL, STR_NULL, -1, (int64_t)p->query.n_ids);
	if (p->query.n_ids || !(p->asked || found->more))
		return;
	if (!n)
		rsm_write(w, STR_NULL, STR_NULL, -1, (int64_t)found->node->n_items);
	else
		rsm_write(w, write_place(first, found->items[0].number),
			write_place(last, found->items[n - 1].number),
			p->query.newest || p->query.after ? -1 : 0, (int64_t)found->node->n_items);
}
