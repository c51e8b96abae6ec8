#include "stream/stream.h"

#include "base/base64.h"
#include "base/digest.h"

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

void stream_log_error(const struct log *log, struct wire *w, enum stream_error why, struct str text)
{
	struct arena a;

	arena_init(&a, 256);
	log_info(log, "stream_error", F_STR("peer", w->ops->peer(w, &a)),
		F_STR("condition", stream_error_name(why)), F_STR("text", text));
	arena_clear(&a);
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
	return feed_alone(f, d, NS_CLIENT, fn, user);
}
