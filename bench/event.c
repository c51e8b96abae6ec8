#include "event.h"

#include "base/bug.h"

#include <stdio.h>
#include <stdlib.h>

#define HEX     16
#define LETTERS 26

void event_line_init(struct event_line *l, struct peer *publisher, const char *service,
	const char *name, unsigned hearers, unsigned max, unsigned bytes)
{
	*l = (struct event_line){ .service = service, .publisher = publisher, .bytes = bytes };
	snprintf(l->name, sizeof l->name, "%s", name);
	order_init(&l->order, hearers, max);
	l->heard = xcalloc(hearers, sizeof *l->heard);
}

void event_line_clear(struct event_line *l)
{
	order_clear(&l->order);
	free(l->heard);
	l->heard = NULL;
}

static void write_filler(struct buf *out, uint64_t number, unsigned bytes)
{
	char *at = buf_reserve(out, bytes);

	if (!at)
		return;
	memset(at, 'a' + (int)(number % LETTERS), bytes);
	out->n += bytes;
}

bool event_publish(struct event_line *l, uint64_t due)
{
	struct peer *p = l->publisher;
	struct buf *out = peer_out(p);
	uint64_t number;

	if (!order_send(&l->order, &number)) {
		bench_error(bench_of(p), "more than %u items are under way", l->order.max);
		return false;
	}
	buf_printf(out, "<iq type='set' id='p%016llx'", (unsigned long long)number);
	if (l->service)
		buf_printf(out, " to='%s'", l->service);
	buf_printf(out, "><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='%s'>"
		"<item id='%016llx'><entry xmlns='http://www.w3.org/2005/Atom'><title>%016llx",
		l->name, (unsigned long long)number, (unsigned long long)due);
	write_filler(out, number, l->bytes);
	buf_lit(out, "</title></entry></item></publish></pubsub></iq>");
	return true;
}

static bool read_hex(struct str s, uint64_t *out)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t v = 0;

	for (size_t i = 0; i < HEX; i++) {
		const char *at = i < s.n ? strchr(digits, s.p[i]) : NULL;
		if (!at || !*at)
			return false;
		v = v << 4 | (uint64_t)(at - digits);
	}
	*out = v;
	return true;
}

static const struct xml_node *items_of(const struct xml_doc *d)
{
	const struct xml_node *event = xml_child(d, xml_root(d), NS_PUBSUB_EVENT, TAG_EVENT);

	return event ? xml_child(d, event, NS_PUBSUB_EVENT, TAG_ITEMS) : NULL;
}

struct str event_node(struct peer *p, const struct xml_doc *d)
{
	const struct xml_node *items = xml_root(d)->tag == TAG_MESSAGE ? items_of(d) : NULL;

	return items ? xml_attr_str(d, items, TAG_NODE, &p->loop->turn) : STR_NULL;
}

/* The text of the payload's title. */
static struct str title_of(const struct xml_doc *d, const struct xml_node *item, struct arena *a)
{
	const struct xml_node *entry = item ? xml_child(d, item, NS_ATOM, TAG_ENTRY) : NULL;
	const struct xml_node *title = entry ? xml_child(d, entry, NS_ATOM, TAG_TITLE) : NULL;

	return title ? xml_text(d, title, a) : STR("");
}

static const struct xml_node *item_of(const struct xml_doc *d)
{
	const struct xml_node *items = items_of(d);

	return items ? xml_child(d, items, NS_PUBSUB_EVENT, TAG_ITEM) : NULL;
}

static bool is_filler(struct str s, uint64_t number, unsigned bytes)
{
	return s.n == bytes && (!s.n || (s.p[0] == 'a' + (char)(number % LETTERS) &&
		memcmp(s.p, s.p + 1, s.n - 1) == 0));
}

const char *event_due(const struct xml_doc *d, struct arena *a, uint64_t *due)
{
	return read_hex(title_of(d, item_of(d), a), due) ? NULL : "a payload was changed";
}

const char *event_check(struct event_line *l, unsigned hearer, const struct xml_doc *d,
	struct arena *a, uint64_t *due, bool *last)
{
	const struct xml_node *item = item_of(d);
	struct str title = title_of(d, item, a);
	uint64_t number;

	if (!item || !read_hex(xml_attr_str(d, item, TAG_ID, a), &number))
		return "an item is none of this program's";
	if (!read_hex(title, due) || !is_filler(str_skip(title, HEX), number, l->bytes))
		return "a payload was changed";
	enum order_found found = order_hear(&l->order, &l->heard[hearer], number);
	if (found == ORDER_STRANGE)
		return "a notification came twice, or nobody published it";
	if (found == ORDER_OTHER)
		return "a notification is missing, or is not where others saw it";
	*last = found == ORDER_LAST_COPY;
	return NULL;
}

void event_answer(struct peer *p, const struct xml_doc *d)
{
	const struct xml_node *error = xml_child(d, xml_root(d), NS_CLIENT, TAG_ERROR);

	if (!error)
		return;
	struct str why = xml_raw(d, error);
	bench_error(bench_of(p), "%s: a request was refused: %.*s", p->user, STR_FMT(why));
}
