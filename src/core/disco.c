#include "core/disco.h"

#include "base/base64.h"
#include "base/bug.h"
#include "base/digest.h"
#include "base/hash.h"
#include "core/nesting.h"
#include "core/room.h"
#include "xmpp/caps.h"

#include <stdlib.h>

#define OWN_MAX (1024 * 1024) /* bytes that the modules have to say, far beyond what they do */

/* ---- what is said ---- */

static void write_identity(struct writer *w, const char *category, const char *type,
	struct str name)
{
	w_open(w, "identity");
	w_attr(w, "category", str_c(category));
	w_attr(w, "type", str_c(type));
	w_attr(w, "name", name);
	w_close(w);
}

static void write_own_identity(struct ctx *c, struct writer *w)
{
	if (c->room)
		write_identity(w, "conference", "text", str_c(c->room->config.name));
	else if (c->account)
		write_identity(w, "account", c->account->guest ? "anonymous" : "registered",
			STR_NULL);
	else if (c->host->service == SERVICE_OF_ROOMS)
		write_identity(w, "conference", "text", STR(DISCO_ROOMS_NAME));
	else if (c->host->service == SERVICE_OF_NODES)
		write_identity(w, "pubsub", "service", STR(DISCO_NODES_NAME));
	else
		write_identity(w, "server", "im", STR("Stentor"));
}

static const char *const *features_of(const struct ctx *c, const struct module *m)
{
	if (c->room)
		return m->room_features;
	if (c->account)
		return m->account_features;
	if (c->host->service == SERVICE_OF_NODES)
		return m->nodes_features;
	return c->host->service == SERVICE_OF_ROOMS ? m->service_features : m->features;
}

static void write_features(struct ctx *c, struct writer *w)
{
	module_each(m, c->shard->core, name) {
		for (const char *const *f = features_of(c, m); f && *f; f++) {
			w_open(w, "feature");
			w_attr(w, "var", str_c(*f));
			w_close(w);
		}
	}
}

static void write_more(struct ctx *c, struct writer *w)
{
	if (c->room) {
		module_each(m, c->shard->core, room_disco)
			m->room_disco(c, w);
	} else if (!c->host->home) {
		module_each(m, c->shard->core, disco)
			m->disco(c, w);
	}
}

static void write_own(struct ctx *c, struct writer *w)
{
	write_own_identity(c, w);
	write_features(c, w);
	write_more(c, w);
}

/* With what components say for the host (XEP-0355 section 7.2). */
static void write_nested(struct ctx *c, struct writer *w)
{
	struct buf own;

	buf_init(&own, OWN_MAX);
	struct writer inside = w_on(&own);
	write_own(c, &inside);
	BUG_ON(!w_done(&inside));
	nesting_write(c, buf_str(&own), w);
	buf_clear(&own);
}

void disco_write(struct ctx *c, struct writer *w)
{
	if (!c->room && c->host->managers)
		write_nested(c, w);
	else
		write_own(c, w);
}

/* ---- hashes of it ---- */

void disco_init(struct shard *s)
{
	list_init(&s->shown);
}

void disco_clear(struct shard *s)
{
	struct disco_hashes *d;

	while ((d = list_first(&s->shown, struct disco_hashes, link))) {
		list_del(&d->link);
		free(d);
	}
}

/* There are as many as hosts that somebody has connected to. */
static struct disco_hashes *find_or_make(struct shard *s, struct str domain)
{
	list_each(d, &s->shown, struct disco_hashes, link)
		if (str_eq(d->domain, domain))
			return d;
	struct disco_hashes *d = xcalloc(1, sizeof *d + domain.n);
	memcpy(d + 1, domain.p, domain.n);
	d->domain = str_from((char *)(d + 1), domain.n);
	list_add(&s->shown, &d->link);
	return d;
}

/* Base 64 of a digest, into the text. */
static struct str put(struct disco_hashes *d, size_t *at, const uint8_t *digest, size_t n,
	struct arena *a)
{
	struct str text = base64_str(a, str_from((const char *)digest, n));

	BUG_ON(*at + text.n > sizeof d->text);
	char *p = memcpy(d->text + *at, text.p, text.n);
	*at += text.n;
	return str_from(p, text.n);
}

/* The null slice: it has no hash, as a loaded module says something twice. */
static struct str string_of(enum caps_kind kind, const struct stanza *said, struct arena *a)
{
	struct str s = STR_NULL;
	struct buf b;

	buf_init(&b, CAPS_STRING_MAX);
	if (caps_string(kind, &said->doc, stanza_payload(said), STR(""), a, &b))
		s = str_dup(a, buf_str(&b));
	buf_clear(&b);
	return s;
}

static void make(struct disco_hashes *d, const struct stanza *said, struct arena *turn)
{
	struct str string_1 = string_of(CAPS_1, said, turn), string = string_of(CAPS_2, said, turn);
	uint8_t digest[DIGEST_MAX];
	size_t at = 0;

	d->sha_1 = d->sha_256 = d->sha3_256 = STR_NULL;
	if (!string_1.p || !string.p)
		return;
	digest_of(DIGEST_SHA1, string_1, digest);
	d->sha_1 = put(d, &at, digest, digest_len(DIGEST_SHA1), turn);
	digest_of(DIGEST_SHA256, string, digest);
	d->sha_256 = put(d, &at, digest, digest_len(DIGEST_SHA256), turn);
	digest_sha3_256(string, digest);
	d->sha3_256 = put(d, &at, digest, digest_len(DIGEST_SHA256), turn);
}

const struct disco_hashes *disco_hashes(struct shard *s, const struct host *h)
{
	struct disco_hashes *d = find_or_make(s, h->domain);
	struct ctx c = { .shard = s, .host = settings_host(s->settings, h->domain) };
	struct buf b;

	buf_init(&b, 2 * OWN_MAX);
	struct writer w = w_on(&b);
	w_open(&w, "iq");
	w_open_ns(&w, "query", NS_DISCO_INFO);
	disco_write(&c, &w);
	w_close(&w);
	w_close(&w);
	BUG_ON(!w_done(&w));
	uint64_t content = hash_keyed(buf_str(&b));
	if (content != d->content) {
		struct stanza *said = stanza_scan(&s->scratch_table, buf_str(&b), &s->loop.turn);
		BUG_ON(!said);
		make(d, said, &s->loop.turn);
		d->content = content;
		stanza_unref(&said);
	}
	buf_clear(&b);
	return d->sha_1.p ? d : NULL;
}
