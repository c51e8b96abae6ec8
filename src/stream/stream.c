#include "stream/stream.h"

#include "base/base64.h"
#include "base/digest.h"
#include "xml/writer.h"

#include <stdlib.h>

/* RFC 5646 section 4.4.1: every tag that makes sense is shorter. */
#define LANG_MAX 35

void stream_id(char out[STREAM_ID_LEN])
{
	uint8_t bits[12];
	struct buf id;

	random_bytes(bits, sizeof bits);
	buf_init(&id, STREAM_ID_LEN);
	base64_encode(&id, str_from((char *)bits, sizeof bits));
	memcpy(out, id.p, STREAM_ID_LEN);
	buf_clear(&id);
}

void stream_write_error(struct buf *b, enum stream_error why, struct str text, struct str element)
{
	buf_lit(b, "<stream:error><");
	buf_add(b, stream_error_name(why));
	buf_lit(b, " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>");
	if (text.n) {
		buf_lit(b, "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>");
		xml_escape(b, text);
		buf_lit(b, "</text>");
	}
	buf_add(b, element);
	buf_lit(b, "</stream:error>");
}

void stream_log_error(const struct log *log, struct wire *w, enum stream_error why, struct str text)
{
	struct arena a;

	arena_init(&a, 256);
	log_info(log, "stream_error", F_STR("peer", w->ops->peer(w, &a)),
		F_STR("condition", stream_error_name(why)), F_STR("text", text));
	arena_clear(&a);
}

enum stream_error stream_scan_error(enum scan_error e)
{
	switch (e) {
	case SCAN_RESTRICTED: return STREAM_RESTRICTED_XML;
	case SCAN_BAD_PREFIX: return STREAM_BAD_NAMESPACE_PREFIX;
	case SCAN_BAD_ENCODING: return STREAM_UNSUPPORTED_ENCODING;
	case SCAN_INVALID: return STREAM_INVALID_XML;
	case SCAN_TOO_LARGE: return STREAM_POLICY_VIOLATION;
	case SCAN_OK:
	case SCAN_NOT_WELL_FORMED: break;
	}
	return STREAM_NOT_WELL_FORMED;
}

/* A tag has letters, digits and hyphens. */
static bool fits_tag(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-';
}

void stream_take_lang(char **lang, struct str tag)
{
	free(*lang);
	*lang = NULL;
	if (!tag.n || tag.n > LANG_MAX)
		return;
	for (size_t i = 0; i < tag.n; i++)
		if (!fits_tag(tag.p[i]))
			return;
	*lang = strndup(tag.p, tag.n);
}

bool stream_alone(struct feed *f, const struct xml_doc *d,
	void (*fn)(void *user, const struct xml_doc *d), void *user)
{
	const struct xml_node *root = xml_root(d);
	struct xml_table table = { 0 };
	struct buf text;

	if ((!(root->flags & XML_INHERITS) && !root->prefix_len) || root->ns == NS_STREAM) {
		fn(user, d);
		return true;
	}
	buf_init(&text, STREAM_KEPT_MAX);
	scan_canonical(&f->scan, d, &text);
	size_t n = text.n;
	bool fits = buf_reserve(&text, SCAN_PAD) &&
		scan_document(&table, f->scan.limits, NS_CLIENT, text.p, n) == SCAN_OK;
	if (fits) {
		struct xml_doc own = xml_table_doc(&table, text.p, n);
		fn(user, &own);
	}
	xml_table_clear(&table);
	buf_clear(&text);
	return fits;
}
