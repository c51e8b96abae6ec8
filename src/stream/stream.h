/* What streams have in common, whoever the peer is: ids, errors, and stanzas that lean on their
 * stream's header. */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include "base/log.h"
#include "stream/wire.h"
#include "xml/feed.h"
#include "xmpp/error.h"

/* Bytes that a stream may keep: a stanza, and what one read may add to it or to input that is
 * held. */
#define STREAM_KEPT_MAX (1024 * 1024)

#define STREAM_ID_LEN 16

/* How a stream ended. */
enum stream_ending {
	STREAM_ENDED_BY_PEER, /* with the peer's end tag */
	STREAM_ENDED_HERE,    /* with ours */
	STREAM_ENDED_LOST     /* the connection went away first */
};

/* A new id (RFC 6120 section 4.7.3), unpredictable; needs no escaping. */
void stream_id(char out[STREAM_ID_LEN]);

/* Logs a stream error that this side closes with. */
void stream_log_error(const struct log *log, struct wire *w, enum stream_error why,
	struct str text);

/* Replaces *lang (owned, or NULL) by the language of a header (RFC 6120 section 4.7.4). What is no
 * tag of RFC 5646 is ignored. */
void stream_take_lang(char **lang, struct str tag);

/* feed_alone() in the namespace that stanzas have here. */
bool stream_alone(struct feed *f, const struct xml_doc *d,
	void (*fn)(void *user, const struct xml_doc *d), void *user);

#endif
