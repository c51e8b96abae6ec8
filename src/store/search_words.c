#include "store/search_words.h"

#include "base/bug.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

#define WORD_MAX 120 /* bytes of one that count: what is longer was not typed by a person */

/* Scripts that put no space between words, and Hangul, where particles cling to them: each
 * character is a word, and what is looked for is a row of them. */
static const struct {
	uint32_t first, last;
} unspaced[] = {
	{ 0x0E00, 0x0EFF },   /* Thai, Lao */
	{ 0x1000, 0x109F },   /* Myanmar */
	{ 0x1100, 0x11FF },   /* Hangul Jamo */
	{ 0x1780, 0x17FF },   /* Khmer */
	{ 0x1950, 0x19DF },   /* Tai Le, New Tai Lue */
	{ 0x1A20, 0x1AAF },   /* Tai Tham */
	{ 0x1B00, 0x1B7F },   /* Balinese */
	{ 0x2E80, 0x2FDF },   /* radicals */
	{ 0x3005, 0x3007 },   /* ideographic marks and zero */
	{ 0x3021, 0x312F },   /* Hangzhou numerals, kana, Bopomofo */
	{ 0x3131, 0x318F },   /* Hangul Compatibility Jamo */
	{ 0x31A0, 0x31FF },   /* Bopomofo, strokes, kana */
	{ 0x3400, 0x4DBF },   /* ideographs */
	{ 0x4E00, 0x9FFF },
	{ 0xA980, 0xA9FF },   /* Javanese, Myanmar */
	{ 0xAA60, 0xAADF },   /* Myanmar, Tai Viet */
	{ 0xAC00, 0xD7FF },   /* Hangul */
	{ 0xF900, 0xFAFF },   /* ideographs */
	{ 0xFF66, 0xFFDC },   /* kana and Hangul of half width */
	{ 0x1AFF0, 0x1B16F }, /* kana */
	{ 0x20000, 0x3FFFD }, /* ideographs */
};

/* Vowel points of Hebrew and Arabic, with which a word is written or without. */
static const struct {
	uint32_t first, last;
} points[] = {
	{ 0x0591, 0x05BD }, { 0x05BF, 0x05BF }, { 0x05C1, 0x05C2 }, { 0x05C4, 0x05C5 },
	{ 0x05C7, 0x05C7 }, { 0x0610, 0x061A }, { 0x0640, 0x0640 }, { 0x064B, 0x065F },
	{ 0x0670, 0x0670 }, { 0x06D6, 0x06DC }, { 0x06DF, 0x06E4 }, { 0x06E7, 0x06E8 },
	{ 0x06EA, 0x06ED },
};

#define IS_IN(table, cp, yes)                                                          \
	for (size_t i = 0; i < sizeof(table) / sizeof(table)[0] && !(yes); i++)        \
		(yes) = (cp) >= (table)[i].first && (cp) <= (table)[i].last

static bool is_unspaced(uint32_t cp)
{
	bool yes = false;

	if (cp < unspaced[0].first)
		return false;
	IS_IN(unspaced, cp, yes);
	return yes;
}

static bool is_point(uint32_t cp)
{
	bool yes = false;

	if (cp < points[0].first || cp > 0x06FF)
		return false;
	IS_IN(points, cp, yes);
	return yes;
}

/* ---- the tokenizer ---- */

struct tokenizer {
	struct search_words *words;
	fts5_tokenizer inner;
	Fts5Tokenizer *of_inner;
};

/* One text on its way through it. */
struct pass {
	void *ctx;
	int (*token)(void *ctx, int flags, const char *p, int n, int start, int end);
	int flags, start, end;
	int prefix, n;                  /* bytes in word: of the archive's number, and all */
	char word[24 + WORD_MAX];
};

static int finish_word(struct pass *p)
{
	int n = p->n;

	p->n = p->prefix;
	return n == p->prefix ? SQLITE_OK
			      : p->token(p->ctx, p->flags, p->word, n, p->start, p->end);
}

static void add_to_word(struct pass *p, const char *bytes, unsigned n)
{
	if (p->n - p->prefix + (int)n > WORD_MAX)
		return;
	memcpy(p->word + p->n, bytes, n);
	p->n += (int)n;
}

/* What unicode61 takes for a word: taken apart where it has characters that are words. */
static int on_inner(void *ctx, int flags, const char *bytes, int n, int start, int end)
{
	struct pass *p = ctx;
	struct str rest = str_from(bytes, (size_t)n);
	int rc = SQLITE_OK;

	p->flags = flags;
	p->start = start;
	p->end = end;
	while (rest.n && rc == SQLITE_OK) {
		unsigned len;
		int32_t cp = utf8_next(rest, &len);
		if (cp < 0) {
			cp = 0;
			len = 1;
		}
		bool alone = is_unspaced((uint32_t)cp);
		if (alone)
			rc = finish_word(p);
		if (!is_point((uint32_t)cp))
			add_to_word(p, rest.p, len);
		if (alone && rc == SQLITE_OK)
			rc = finish_word(p);
		rest = str_skip(rest, len);
	}
	return rc == SQLITE_OK ? finish_word(p) : rc;
}

static int tokenize(Fts5Tokenizer *tokenizer, void *ctx, int flags, const char *text, int n,
	int (*token)(void *, int, const char *, int, int, int))
{
	struct tokenizer *t = (struct tokenizer *)tokenizer;
	struct pass p = { .ctx = ctx, .token = token };

	p.prefix = p.n = snprintf(p.word, sizeof p.word, "%llx:",
		(unsigned long long)t->words->archive);
	return t->inner.xTokenize(t->of_inner, &p, flags, text, n, on_inner);
}

static void tokenizer_delete(Fts5Tokenizer *tokenizer)
{
	struct tokenizer *t = (struct tokenizer *)tokenizer;

	t->inner.xDelete(t->of_inner);
	free(t);
}

/* The connection's registration: where the tokenizer around which ours is made comes from. */
struct registration {
	struct search_words *words;
	fts5_api *api;
};

/* Marks count as letters: many scripts write vowels with them. Diacritics of Latin, Greek and
 * Cyrillic letters are taken off. */
static int tokenizer_create(void *ctx, const char **args, int n_args, Fts5Tokenizer **out)
{
	static const char *inner_args[] = { "remove_diacritics", "2",
		"categories", "L* N* Co Mn Mc" };
	struct registration *r = ctx;
	struct tokenizer *t = xcalloc(1, sizeof *t);
	void *inner;

	t->words = r->words;
	int rc = r->api->xFindTokenizer(r->api, "unicode61", &inner, &t->inner);
	if (rc == SQLITE_OK)
		rc = t->inner.xCreate(inner, inner_args, 4, &t->of_inner);
	if (rc == SQLITE_OK)
		*out = (Fts5Tokenizer *)t;
	else
		free(t);
	return rc;
}

static fts5_api *find_api(sqlite3 *db)
{
	fts5_api *api = NULL;
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(db, "SELECT fts5(?1)", -1, &st, NULL) != SQLITE_OK)
		return NULL;
	sqlite3_bind_pointer(st, 1, (void *)&api, "fts5_api_ptr", NULL);
	sqlite3_step(st);
	sqlite3_finalize(st);
	return api;
}

bool search_words_register(sqlite3 *db, struct search_words *w)
{
	fts5_tokenizer methods = { tokenizer_create, tokenizer_delete, tokenize };
	struct registration *r = xcalloc(1, sizeof *r);

	r->words = w;
	r->api = find_api(db);
	if (r->api && r->api->xCreateTokenizer(r->api, SEARCH_TOKENIZER, r, &methods, free) ==
	    SQLITE_OK)
		return true;
	free(r);
	return false;
}

/* ---- queries ---- */

/* A NUL would end the expression. */
static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\0';
}

static void add_string(struct buf *b, struct str word)
{
	buf_byte(b, '"');
	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] == '"')
			buf_byte(b, '"');
		buf_byte(b, word.p[i]);
	}
	buf_byte(b, '"');
}

unsigned search_words_match(struct buf *b, struct str text, unsigned most)
{
	unsigned n = 0;

	while (text.n) {
		size_t len = 0;

		while (len < text.n && !is_space(text.p[len]))
			len++;
		if (len && n++ < most) {
			if (b->n)
				buf_byte(b, ' ');
			add_string(b, str_head(text, len));
		}
		text = str_skip(text, len + 1);
	}
	return n;
}
