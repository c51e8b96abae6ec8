#include "xmpp/stanza.h"

#include "base/bug.h"
#include "xml/extract.h"

#include <stdlib.h>

/* An error repeats the request's payload up to this size. */
#define ECHO_MAX 8192

static const struct {
	struct str name;
	enum xml_tag tag;
} kinds[] = {
	[STANZA_MESSAGE] = { STR_INIT("message"), TAG_MESSAGE },
	[STANZA_PRESENCE] = { STR_INIT("presence"), TAG_PRESENCE },
	[STANZA_IQ] = { STR_INIT("iq"), TAG_IQ },
};

enum stanza_kind stanza_kind_of(const struct xml_node *root)
{
	if (root->ns != NS_CLIENT && root->ns != NS_SERVER)
		return STANZA_NONE;
	for (enum stanza_kind k = STANZA_MESSAGE; k <= STANZA_IQ; k++)
		if (root->tag == kinds[k].tag)
			return k;
	return STANZA_NONE;
}

static const struct {
	enum stanza_kind kind;
	enum stanza_type type;
	struct str name;
} types[] = {
	{ STANZA_MESSAGE, MESSAGE_CHAT, STR_INIT("chat") },
	{ STANZA_MESSAGE, MESSAGE_GROUPCHAT, STR_INIT("groupchat") },
	{ STANZA_MESSAGE, MESSAGE_HEADLINE, STR_INIT("headline") },
	{ STANZA_MESSAGE, MESSAGE_ERROR, STR_INIT("error") },
	{ STANZA_PRESENCE, PRESENCE_UNAVAILABLE, STR_INIT("unavailable") },
	{ STANZA_PRESENCE, PRESENCE_SUBSCRIBE, STR_INIT("subscribe") },
	{ STANZA_PRESENCE, PRESENCE_SUBSCRIBED, STR_INIT("subscribed") },
	{ STANZA_PRESENCE, PRESENCE_UNSUBSCRIBE, STR_INIT("unsubscribe") },
	{ STANZA_PRESENCE, PRESENCE_UNSUBSCRIBED, STR_INIT("unsubscribed") },
	{ STANZA_PRESENCE, PRESENCE_PROBE, STR_INIT("probe") },
	{ STANZA_PRESENCE, PRESENCE_ERROR, STR_INIT("error") },
	{ STANZA_IQ, IQ_GET, STR_INIT("get") },
	{ STANZA_IQ, IQ_SET, STR_INIT("set") },
	{ STANZA_IQ, IQ_RESULT, STR_INIT("result") },
	{ STANZA_IQ, IQ_ERROR, STR_INIT("error") },
};

enum stanza_type stanza_type_of(enum stanza_kind kind, struct str type, bool present)
{
	if (!present && kind == STANZA_PRESENCE)
		return PRESENCE_AVAILABLE;
	for (size_t i = 0; present && i < sizeof types / sizeof types[0]; i++)
		if (types[i].kind == kind && str_eq(types[i].name, type))
			return types[i].type;
	return kind == STANZA_MESSAGE ? MESSAGE_NORMAL : TYPE_INVALID;
}

void archive_id_format(uint64_t id, char out[ARCHIVE_ID_LEN])
{
	for (unsigned i = ARCHIVE_ID_LEN; i-- > 0; id >>= 4)
		out[i] = "0123456789abcdef"[id & 15];
}

bool archive_id_parse(struct str text, uint64_t *out)
{
	uint64_t id = 0;

	if (text.n != ARCHIVE_ID_LEN)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c >= '0' && c <= '9')
			id = id << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			id = id << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*out = id;
	return id != 0;
}

static enum stanza_type type_of(const struct xml_doc *d, enum stanza_kind kind)
{
	struct arena a; /* only for a value with references */

	arena_init(&a, 64);
	struct str value = xml_attr_str(d, d->nodes, TAG_TYPE, &a);
	enum stanza_type type = stanza_type_of(kind, value, value.p != NULL);
	arena_clear(&a);
	return type;
}

/* Offsets from the root's '<' on, where white space stood before it. */
static void shift(struct xml_node *nodes, uint32_t n_nodes, struct xml_attr *attrs,
	uint32_t n_attrs, uint32_t by)
{
	for (uint32_t i = 0; i < n_nodes; i++) {
		nodes[i].start -= by;
		nodes[i].body -= nodes[i].kind == XML_ELEMENT ? by : 0;
		nodes[i].end -= by;
	}
	for (uint32_t i = 0; i < n_attrs; i++) {
		attrs[i].at -= by;
		attrs[i].value -= by;
	}
}

static void *take(char **at, const void *from, size_t n)
{
	void *to = *at;

	if (n)
		memcpy(to, from, n);
	*at += n;
	return to;
}

static struct jid take_jid(char **at, struct jid j)
{
	if (jid_is_set(j))
		j.p = take(at, j.p, jid_str(j).n);
	return j;
}

static size_t jid_len(struct jid j)
{
	return jid_is_set(j) ? jid_str(j).n : 0;
}

struct stanza *stanza_new(const struct xml_doc *d, struct jid from, struct jid to)
{
	return stanza_new_lang(d, from, to, STR_NULL);
}

static bool has_lang(const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);

	for (uint32_t i = 0; i < root->n_attrs; i++)
		if (d->attrs[root->first_attr + i].ns == NS_XML &&
			d->attrs[root->first_attr + i].name == TAG_LANG)
			return true;
	return false;
}

struct stanza *stanza_new_lang(const struct xml_doc *d, struct jid from, struct jid to,
	struct str lang)
{
	const struct xml_node *root = xml_root(d);
	enum stanza_kind kind = root ? stanza_kind_of(root) : STANZA_NONE;
	BUG_ON(kind == STANZA_NONE || root->prefix_len || (root->flags & XML_INHERITS));

	if (lang.n && has_lang(d))
		lang = STR_NULL;
	uint32_t start = root->start, n_bytes = root->end - start;
	size_t nodes_size = d->n_nodes * sizeof *d->nodes;
	size_t attrs_size = d->n_attrs * sizeof *d->attrs;
	struct stanza *s = xmalloc(sizeof *s + nodes_size + attrs_size + jid_len(from) +
		jid_len(to) + lang.n + n_bytes);
	char *at = (char *)(s + 1);
	struct xml_node *nodes = take(&at, d->nodes, nodes_size);
	struct xml_attr *attrs = take(&at, d->attrs, attrs_size);

	if (start)
		shift(nodes, d->n_nodes, attrs, d->n_attrs, start);
	atomic_init(&s->refs, 1);
	s->archive_id = s->session = s->place = 0;
	s->by_peer = false;
	s->kept_by_sender = false;
	s->update = false;
	s->original = NULL;
	s->kind = (uint8_t)kind;
	s->from = take_jid(&at, from);
	s->to = take_jid(&at, to);
	s->lang = lang.n ? str_from(take(&at, lang.p, lang.n), lang.n) : STR_NULL;
	s->doc = (struct xml_doc){ take(&at, d->bytes + start, n_bytes), nodes, attrs, n_bytes,
		d->n_nodes, d->n_attrs };
	s->type = (uint8_t)type_of(&s->doc, kind);
	s->body = nodes->body;
	const struct xml_attr *id = xml_attr(&s->doc, nodes, TAG_ID);
	s->id = id ? str_from(s->doc.bytes + id->value, id->value_len) : STR_NULL;
	return s;
}

/* An address written in the stanza; an unset one when there is none. */
static bool read_jid(const struct xml_doc *d, enum xml_tag name, struct arena *a, struct jid *out)
{
	struct str text = xml_attr_str(d, d->nodes, name, a);

	*out = (struct jid){ 0 };
	return !text.p || jid_parse(text, a, out);
}

/* What the server makes (a roster of thousands) or took in under limits of its own choice. */
static const struct scan_limits own_limits = { .stanza_bytes = 64 * 1024 * 1024, .depth = 1024,
	.attrs = 1024, .name = 1024, .namespaces = 1024, .nodes = 4 * 1024 * 1024 };

struct stanza *stanza_scan(struct xml_table *table, struct str bytes, struct arena *a)
{
	char *padded = arena_alloc(a, bytes.n + SCAN_PAD);
	struct jid from, to;

	if (bytes.n)
		memcpy(padded, bytes.p, bytes.n);
	memset(padded + bytes.n, 0, SCAN_PAD);
	if (scan_document(table, &own_limits, NS_CLIENT, padded, bytes.n) != SCAN_OK)
		return NULL;
	struct xml_doc d = xml_table_doc(table, padded, bytes.n);
	if (stanza_kind_of(d.nodes) == STANZA_NONE || d.nodes->prefix_len)
		return NULL;
	if (!read_jid(&d, TAG_FROM, a, &from) || !read_jid(&d, TAG_TO, a, &to))
		return NULL;
	return stanza_new(&d, from, to);
}

struct stanza *stanza_inside(struct xml_table *table, const struct xml_doc *d,
	const struct xml_node *el, struct arena *a)
{
	struct stanza *st = NULL;
	struct buf b;

	buf_init(&b, own_limits.stanza_bytes);
	xml_extract(&b, d, el);
	if (buf_ok(&b))
		st = stanza_scan(table, buf_str(&b), a);
	buf_clear(&b);
	return st;
}

struct stanza *stanza_ref(const struct stanza *s)
{
	struct stanza *counted = (struct stanza *)s; /* the count is no part of what is constant */

	atomic_fetch_add_explicit(&counted->refs, 1, memory_order_relaxed);
	return counted;
}

void stanza_unref(struct stanza **s)
{
	struct stanza *gone = *s;

	*s = NULL;
	/* Acquire and release: who frees has seen all that the others did with it. */
	if (gone && atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) == 1) {
		stanza_unref(&gone->original);
		free(gone);
	}
}

const char *stanza_iq_fault(const struct stanza *iq)
{
	unsigned n = xml_count(&iq->doc, stanza_root(iq));

	if (!iq->id.p)
		return "an IQ needs an id";
	if (iq->type == TYPE_INVALID)
		return "the type of an IQ is get, set, result or error";
	if ((iq->type == IQ_GET || iq->type == IQ_SET) && n != 1)
		return "a get or set has exactly one payload";
	if (iq->type == IQ_RESULT && n > 1)
		return "a result has one payload at most";
	return NULL;
}

/* Appends where the room is reserved already. */
static void add(struct buf *b, struct str s)
{
	memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
}

/* Only a resourcepart can hold what needs escaping (RFC 7622 section 3.3.1), and seldom does. */
static bool needs_escaping(struct str resource)
{
	for (size_t i = 0; i < resource.n; i++) {
		char c = resource.p[i];
		if (c == '&' || c == '<' || c == '>' || c == '\'' || c == '"')
			return true;
	}
	return false;
}

/* Bytes that add_address() may take. */
static size_t address_room(struct str open, struct jid j)
{
	if (!jid_is_set(j))
		return 0;
	size_t n = open.n + jid_str(j).n + 1;
	return needs_escaping(jid_resource(j)) ? n + j.n_resource * strlen("&quot;") : n;
}

/* open: " from='" or " to='" */
static void add_address(struct buf *b, struct str open, struct jid j)
{
	if (!jid_is_set(j))
		return;
	add(b, open);
	if (needs_escaping(jid_resource(j))) {
		add(b, jid_bare_str(j));
		add(b, STR("/"));
		xml_escape(b, jid_resource(j));
	} else {
		add(b, jid_str(j));
	}
	add(b, STR("'"));
}

#define FROM STR(" from='")
#define TO   STR(" to='")
#define LANG STR(" xml:lang='")

static bool is_default_ns(const struct xml_attr *attr)
{
	return (attr->flags & XML_DECLARES) && attr->name_len == 0;
}

static bool is_address(const struct xml_attr *attr)
{
	return !(attr->flags & XML_DECLARES) && attr->ns == NS_NONE &&
		(attr->name == TAG_FROM || attr->name == TAG_TO);
}

/* As it came, with its quotes. */
static struct str raw_attr(const struct stanza *s, const struct xml_attr *attr)
{
	return str_from(s->doc.bytes + attr->at, attr->value + attr->value_len + 1 - attr->at);
}

/* The start tag's attributes that are written as they came. */
static bool is_kept(const struct xml_attr *attr)
{
	return !is_address(attr) && !is_default_ns(attr);
}

/* Bytes that add_head() may take. */
static size_t head_room(const struct stanza *s, struct jid from, struct jid to, enum xml_ns xmlns)
{
	const struct xml_node *root = stanza_root(s);
	const struct xml_attr *attr = s->doc.attrs + root->first_attr;
	size_t n = 1 + kinds[s->kind].name.n + address_room(FROM, from) + address_room(TO, to);

	for (const struct xml_attr *end = attr + root->n_attrs; attr < end; attr++)
		if (is_kept(attr))
			n += 1 + raw_attr(s, attr).n;
	if (s->lang.n)
		n += LANG.n + s->lang.n + 1;
	return xmlns == NS_NONE ? n : n + strlen(" xmlns=''") + xml_ns_str(xmlns).n;
}

/* At least head_room(), found without a look at each byte: what is kept was in the start tag. */
static size_t head_bound(const struct stanza *s, struct jid from, struct jid to, enum xml_ns xmlns)
{
	size_t addresses = FROM.n + TO.n + strlen("&quot;") * (jid_len(from) + jid_len(to)) + 2;

	return s->body + addresses + LANG.n + s->lang.n + 1 + strlen(" xmlns=''") +
	       (xmlns == NS_NONE ? 0 : xml_ns_str(xmlns).n);
}

/* Room for the start tag and n bytes. It is counted exactly only where there might be none. */
static bool make_room(struct buf *b, const struct stanza *s, struct jid from, struct jid to,
	enum xml_ns xmlns, size_t n)
{
	bool plenty = !b->failed && head_bound(s, from, to, xmlns) + n <= b->cap - b->n;

	return plenty || buf_reserve(b, head_room(s, from, to, xmlns) + n);
}

/* The start tag but for its end. */
static void add_head(struct buf *b, const struct stanza *s, struct jid from, struct jid to,
	enum xml_ns xmlns)
{
	const struct xml_node *root = stanza_root(s);
	const struct xml_attr *attr = s->doc.attrs + root->first_attr;

	add(b, STR("<"));
	add(b, kinds[s->kind].name);
	if (xmlns != NS_NONE) {
		add(b, STR(" xmlns='"));
		add(b, xml_ns_str(xmlns));
		add(b, STR("'"));
	}
	add_address(b, FROM, from);
	add_address(b, TO, to);
	if (s->lang.n) {
		add(b, LANG);
		add(b, s->lang);
		add(b, STR("'"));
	}
	for (const struct xml_attr *end = attr + root->n_attrs; attr < end; attr++) {
		if (!is_kept(attr))
			continue;
		add(b, STR(" "));
		add(b, raw_attr(s, attr));
	}
}

static struct str behind_start_tag(const struct stanza *s)
{
	return str_from(s->doc.bytes + s->body, s->doc.n_bytes - s->body);
}

void stanza_write(struct buf *b, const struct stanza *s, struct jid from, struct jid to,
	enum xml_ns xmlns)
{
	struct str end = stanza_root(s)->flags & XML_EMPTY ? STR("/>") : STR(">");
	struct str rest = behind_start_tag(s);

	if (!make_room(b, s, from, to, xmlns, end.n + rest.n))
		return;
	add_head(b, s, from, to, xmlns);
	add(b, end);
	add(b, rest);
}

void stanza_write_with(struct buf *b, const struct stanza *s, struct jid from, struct jid to,
	enum xml_ns xmlns, struct str extra)
{
	struct str name = kinds[s->kind].name, inside = behind_start_tag(s);

	if (!(stanza_root(s)->flags & XML_EMPTY)) /* the end tag begins with the last '<' */
		inside.n = (size_t)((const char *)memrchr(inside.p, '<', inside.n) - inside.p);
	if (!make_room(b, s, from, to, xmlns, inside.n + extra.n + name.n + strlen("></>")))
		return;
	add_head(b, s, from, to, xmlns);
	add(b, STR(">"));
	add(b, inside);
	if (extra.n)
		add(b, extra);
	add(b, STR("</"));
	add(b, name);
	add(b, STR(">"));
}

/* A raw value can hold one kind of quote and not the other. */
static void put_id(struct buf *b, struct str id)
{
	char quote = str_find(id, '\'') < 0 ? '\'' : '"';

	if (!id.p)
		return;
	buf_lit(b, " id=");
	buf_byte(b, quote);
	buf_add(b, id);
	buf_byte(b, quote);
}

void stanza_open(struct writer *w, enum stanza_kind kind, const char *type, struct jid from,
	struct jid to, struct str id)
{
	w_open(w, kinds[kind].name.p);
	w_attr(w, "type", str_c(type));
	w_attr(w, "from", jid_is_set(from) ? jid_str(from) : STR_NULL);
	w_attr(w, "to", jid_is_set(to) ? jid_str(to) : STR_NULL);
	put_id(w->b, id);
}

void stanza_open_result(struct writer *w, const struct stanza *iq)
{
	stanza_open(w, STANZA_IQ, "result", iq->to, iq->from, iq->id);
}

/* The declarations of prefixes on the root, which its children may use. */
static void put_prefixes(struct buf *b, const struct stanza *s)
{
	const struct xml_node *root = stanza_root(s);

	for (uint32_t i = 0; i < root->n_attrs; i++) {
		const struct xml_attr *attr = &s->doc.attrs[root->first_attr + i];
		if (!(attr->flags & XML_DECLARES) || is_default_ns(attr))
			continue;
		buf_byte(b, ' ');
		buf_add(b, raw_attr(s, attr));
	}
}

static bool is_error(const struct stanza *s)
{
	return s->type == MESSAGE_ERROR || s->type == PRESENCE_ERROR || s->type == IQ_ERROR;
}

void stanza_write_refusal(struct buf *b, const struct stanza *s, const struct stanza_refusal *f)
{
	const struct xml_node *payload = s->kind == STANZA_IQ ? stanza_payload(s) : NULL;
	struct writer w = w_on(b);

	BUG_ON(is_error(s));
	stanza_open(&w, s->kind, "error", jid_is_set(s->to) ? s->to : f->at, s->from, s->id);
	if (payload && payload->end - payload->start <= ECHO_MAX) {
		put_prefixes(b, s);
		w_raw(&w, xml_raw(&s->doc, payload));
	}
	w_raw(&w, f->before);
	w_open(&w, "error");
	w_attr(&w, "by", jid_is_set(f->by) ? jid_str(f->by) : STR_NULL);
	w_attr(&w, "type", f->type.p ? f->type : stanza_error_type(f->error));
	w_open_ns(&w, stanza_error_name(f->error).p, NS_STANZAS);
	w_close(&w);
	if (f->text.n) {
		w_open_ns(&w, "text", NS_STANZAS);
		w_attr(&w, "xml:lang", STR("en"));
		w_text(&w, f->text);
		w_close(&w);
	}
	w_raw(&w, f->condition);
	w_close(&w);
	w_close(&w);
}

void stanza_write_error(struct buf *b, const struct stanza *s, enum stanza_error e, struct str text)
{
	stanza_write_refusal(b, s, &(struct stanza_refusal){ .error = e, .text = text });
}

void stanza_write_error_with(struct buf *b, const struct stanza *s, enum stanza_error e,
	struct str type, struct str text, struct str condition)
{
	stanza_write_refusal(b, s, &(struct stanza_refusal){ .error = e, .type = type, .text = text,
		.condition = condition });
}
