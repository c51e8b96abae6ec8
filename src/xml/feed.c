#include "xml/feed.h"

#include "base/bug.h"

#include <stdlib.h>

void feed_init(struct feed *f, const struct scan_limits *limits, size_t max)
{
	*f = (struct feed){ 0 };
	scan_init(&f->scan, limits);
	buf_init(&f->kept, max);
}

static void drop_half(struct feed *f)
{
	if (!f->half)
		return;
	xml_table_clear(f->half);
	free(f->half);
	f->half = NULL;
}

void feed_clear(struct feed *f)
{
	scan_clear(&f->scan);
	feed_drop(f);
}

void feed_drop(struct feed *f)
{
	buf_clear(&f->kept);
	drop_half(f);
}

bool feed_keep(struct feed *f, struct str bytes)
{
	buf_add(&f->kept, bytes);
	return buf_reserve(&f->kept, SCAN_PAD) != NULL;
}

/* Scans until the bytes are used up or fn says stop. Returns how many are done with. */
static size_t scan_bytes(struct feed *f, struct xml_table *table, struct str in, feed_fn *fn,
	void *user)
{
	size_t at = 0;

	for (;;) {
		struct xml_table *t = f->half ? f->half : table;
		size_t used = 0;
		enum scan_status status = scan_next(&f->scan, t, in.p + at, in.n - at, &used);
		struct xml_doc d = xml_table_doc(t, in.p + at, used);

		at += used;
		if (status == SCAN_MORE)
			return at;
		bool more = fn(user, status, &d);
		if (t == f->half)
			drop_half(f);
		if (!more || status == SCAN_BAD)
			return at;
	}
}

static void keep_table(struct feed *f, struct xml_table *table)
{
	if (f->half || !scan_in_middle(&f->scan))
		return;
	f->half = xcalloc(1, sizeof *f->half);
	xml_table_copy(f->half, table);
}

bool feed_input(struct feed *f, struct xml_table *table, struct str bytes, feed_fn *fn, void *user)
{
	if (f->kept.n) {
		if (!feed_keep(f, bytes))
			return false;
		feed_go_on(f, table, fn, user);
		return true;
	}
	struct str rest = str_skip(bytes, scan_bytes(f, table, bytes, fn, user));
	if (!rest.n)
		return true;
	keep_table(f, table);
	return feed_keep(f, rest);
}

void feed_go_on(struct feed *f, struct xml_table *table, feed_fn *fn, void *user)
{
	if (!f->kept.n)
		return;
	BUG_ON(!buf_reserve(&f->kept, SCAN_PAD)); /* feed_keep() saw to it */
	size_t done = scan_bytes(f, table, buf_str(&f->kept), fn, user);
	keep_table(f, table);
	buf_drop(&f->kept, done);
	if (!f->kept.n)
		buf_clear(&f->kept);
}

bool feed_alone(struct feed *f, const struct xml_doc *d, enum xml_ns content,
	void (*fn)(void *user, const struct xml_doc *d), void *user)
{
	const struct xml_node *root = xml_root(d);
	struct xml_table table = { 0 };
	struct buf text;

	if ((!(root->flags & XML_INHERITS) && !root->prefix_len) || root->ns == NS_STREAM) {
		fn(user, d);
		return true;
	}
	buf_init(&text, f->kept.max);
	scan_canonical(&f->scan, d, &text);
	size_t n = text.n;
	bool fits = buf_reserve(&text, SCAN_PAD) &&
		scan_document(&table, f->scan.limits, content, text.p, n) == SCAN_OK;
	if (fits) {
		struct xml_doc own = xml_table_doc(&table, text.p, n);
		fn(user, &own);
	}
	xml_table_clear(&table);
	buf_clear(&text);
	return fits;
}
