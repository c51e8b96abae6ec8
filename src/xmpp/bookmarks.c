#include "xmpp/bookmarks.h"

#include "xml/extract.h"

static bool is_true(struct str s)
{
	return str_eq(s, STR("1")) || str_eq(s, STR("true"));
}

static struct str dup(struct str s, struct arena *a)
{
	return s.n ? str_dup(a, s) : STR("");
}

/* ---- reading ---- */

static struct str canonical(struct str jid, struct arena *a)
{
	struct jid j;

	return jid_parse(jid, a, &j) ? str_dup(a, jid_str(j)) : STR_NULL;
}

static void add_extra(struct bookmarks *b, struct bookmark *m, const struct xml_doc *d,
	const struct xml_node *el, struct arena *a)
{
	struct buf xml;

	if (m->n_extras == BOOKMARK_EXTRAS_MAX) {
		b->full = true;
		return;
	}
	if (!m->extras)
		m->extras = arena_alloc(a, BOOKMARK_EXTRAS_MAX * sizeof *m->extras);
	buf_init(&xml, BOOKMARKS_REST_MAX);
	xml_extract_alone(&xml, d, el);
	if (buf_ok(&xml))
		m->extras[m->n_extras++] = (struct bookmark_extra){ dup(xml_name(d, el), a),
			dup(xml_ns_uri(d, el, a), a), str_dup(a, buf_str(&xml)) };
	else
		b->full = true;
	buf_clear(&xml);
}

static void add_extras(struct bookmarks *b, struct bookmark *m, const struct xml_doc *d,
	const struct xml_node *of, struct arena *a)
{
	for (const struct xml_node *el = xml_first(d, of); el; el = xml_next(d, el))
		add_extra(b, m, d, el, a);
}

/* ns: of the shape. */
static struct bookmark read_conference(struct bookmarks *b, const struct xml_doc *d,
	const struct xml_node *conference, enum xml_ns ns, struct arena *a)
{
	struct bookmark m = { .name = dup(xml_attr_str(d, conference, TAG_NAME, a), a),
		.autojoin = is_true(str_trim(xml_attr_str(d, conference, TAG_AUTOJOIN, a))) };

	for (const struct xml_node *el = xml_first(d, conference); el; el = xml_next(d, el)) {
		if (xml_is(el, ns, TAG_NICK))
			m.nick = dup(xml_text(d, el, a), a);
		else if (xml_is(el, ns, TAG_PASSWORD))
			m.password = dup(xml_text(d, el, a), a);
		else if (xml_is(el, NS_BOOKMARKS, TAG_EXTENSIONS))
			add_extras(b, &m, d, el, a);
		else if (ns == NS_STORAGE_BOOKMARKS)
			add_extra(b, &m, d, el, a);
	}
	return m;
}

const struct bookmark *bookmarks_find(const struct bookmarks *b, struct str jid)
{
	for (size_t i = 0; i < b->n; i++)
		if (str_eq(b->all[i].jid, jid))
			return &b->all[i];
	return NULL;
}

void bookmarks_put(struct bookmarks *b, const struct bookmark *m, struct arena *a)
{
	for (size_t i = 0; i < b->n; i++) {
		if (str_eq(b->all[i].jid, m->jid)) {
			b->all[i] = *m;
			return;
		}
	}
	if (b->n == BOOKMARKS_MAX) {
		b->full = true;
		return;
	}
	if (b->n == b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 16;
		struct bookmark *all = arena_alloc(a, cap * sizeof *all);
		if (b->n)
			memcpy(all, b->all, b->n * sizeof *all);
		b->all = all;
		b->cap = cap;
	}
	b->all[b->n++] = *m;
}

void bookmarks_remove(struct bookmarks *b, struct str jid)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->n; i++)
		if (!str_eq(b->all[i].jid, jid))
			b->all[kept++] = b->all[i];
	b->n = kept;
}

bool bookmarks_add_item(struct bookmarks *b, struct str id, const struct xml_doc *d,
	const struct xml_node *conference, struct arena *a)
{
	if (!xml_is(conference, NS_BOOKMARKS, TAG_CONFERENCE))
		return false;
	struct bookmark m = read_conference(b, d, conference, NS_BOOKMARKS, a);
	m.id = str_dup(a, id);
	m.jid = canonical(m.id, a);
	if (!m.jid.p)
		m.jid = m.id;
	bookmarks_put(b, &m, a);
	return true;
}

bool bookmarks_add_old(struct bookmarks *b, const struct xml_doc *d, const struct xml_node *el,
	struct arena *a)
{
	if (!xml_is(el, NS_STORAGE_BOOKMARKS, TAG_CONFERENCE))
		return false;
	struct str jid = xml_attr_str(d, el, TAG_JID, a);
	jid = jid.p ? canonical(jid, a) : STR_NULL;
	if (!jid.p)
		return false;
	struct bookmark m = read_conference(b, d, el, NS_STORAGE_BOOKMARKS, a);
	m.id = m.jid = jid;
	bookmarks_put(b, &m, a);
	return true;
}

void bookmarks_add_storage(struct bookmarks *b, const struct xml_doc *d,
	const struct xml_node *storage, struct arena *a)
{
	struct buf rest;

	buf_init(&rest, BOOKMARKS_REST_MAX);
	buf_add(&rest, b->rest);
	for (const struct xml_node *el = xml_first(d, storage); el; el = xml_next(d, el))
		if (!bookmarks_add_old(b, d, el, a))
			xml_extract_alone(&rest, d, el);
	if (buf_ok(&rest))
		b->rest = dup(buf_str(&rest), a);
	else
		b->full = true;
	buf_clear(&rest);
}

/* ---- comparing ---- */

static bool has_extra(const struct bookmark *m, const struct bookmark_extra *e)
{
	for (size_t i = 0; i < m->n_extras; i++)
		if (str_eq(m->extras[i].name, e->name) && str_eq(m->extras[i].ns, e->ns))
			return true;
	return false;
}

struct bookmark bookmark_merge(const struct bookmark *written, const struct bookmark *kept,
	struct arena *a)
{
	struct bookmark m = *written;

	m.id = kept->id;
	m.extras = arena_alloc(a, (written->n_extras + kept->n_extras) * sizeof *m.extras);
	m.n_extras = 0;
	for (size_t i = 0; i < kept->n_extras; i++)
		if (!has_extra(written, &kept->extras[i]))
			m.extras[m.n_extras++] = kept->extras[i];
	for (size_t i = 0; i < written->n_extras; i++)
		m.extras[m.n_extras++] = written->extras[i];
	return m;
}

/* Both have the same elements, in whatever order. */
static bool same_extras(const struct bookmark *x, const struct bookmark *y)
{
	size_t found = 0;

	for (size_t i = 0; i < x->n_extras; i++)
		for (size_t j = 0; j < y->n_extras; j++)
			if (str_eq(x->extras[i].xml, y->extras[j].xml)) {
				found++;
				break;
			}
	return x->n_extras == y->n_extras && found == x->n_extras;
}

bool bookmark_equal(const struct bookmark *x, const struct bookmark *y)
{
	return str_eq(x->jid, y->jid) && str_eq(x->name, y->name) && str_eq(x->nick, y->nick) &&
	       str_eq(x->password, y->password) && x->autojoin == y->autojoin && same_extras(x, y);
}

/* ---- writing ---- */

static void write_fields(const struct bookmark *m, struct writer *w)
{
	if (m->name.n)
		w_attr(w, "name", m->name);
	if (m->autojoin)
		w_attr(w, "autojoin", STR("true"));
	if (m->nick.n)
		w_leaf(w, "nick", m->nick);
	if (m->password.n)
		w_leaf(w, "password", m->password);
}

static void write_extras(const struct bookmark *m, struct writer *w)
{
	for (size_t i = 0; i < m->n_extras; i++)
		w_raw(w, m->extras[i].xml);
}

void bookmark_write(const struct bookmark *m, struct writer *w)
{
	w_open_ns(w, "conference", NS_BOOKMARKS);
	write_fields(m, w);
	if (m->n_extras) {
		w_open(w, "extensions");
		write_extras(m, w);
		w_close(w);
	}
	w_close(w);
}

void bookmarks_write_storage(const struct bookmarks *b, struct writer *w)
{
	w_open_ns(w, "storage", NS_STORAGE_BOOKMARKS);
	for (size_t i = 0; i < b->n; i++) {
		w_open(w, "conference");
		w_attr(w, "jid", b->all[i].jid);
		write_fields(&b->all[i], w);
		write_extras(&b->all[i], w);
		w_close(w);
	}
	w_raw(w, b->rest);
	w_close(w);
}
