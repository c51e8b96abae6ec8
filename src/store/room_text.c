#include "store/room_text.h"

#include "base/bug.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/* Capitals of ASCII become small; white space and control characters one kind of space. */
static void fold_ascii(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] >= 'A' && p[i] <= 'Z')
			p[i] |= 0x20;
		else if ((unsigned char)p[i] < ' ')
			p[i] = ' ';
	}
}

/* Bytes that are not UTF-8 stay as they are but for those of ASCII. Case folding and NFKC are
 * Unicode's (sections 3.13 and 3.11), of no language: a Turkish dotted I is not an i. */
static struct str fold(struct arena *a, struct str text)
{
	struct str folded;

	if (is_ascii(text) || !utf8_valid(text)) {
		folded = str_dup(a, text);
	} else {
		size_t n;
		uint8_t *p = u8_casefold((const uint8_t *)text.p, text.n, NULL, UNINORM_NFKC,
			NULL, &n);
		BUG_ON(!p); /* it is UTF-8, so there was no memory */
		folded = str_dup(a, str_from((const char *)p, n));
		free(p);
	}
	fold_ascii((char *)folded.p, folded.n);
	return folded;
}

/* At most ROOM_TEXT_MAX bytes, with no character cut. */
static struct str head_of(struct str text)
{
	size_t n = ROOM_TEXT_MAX;

	if (text.n <= n)
		return text;
	while (n && ((unsigned char)text.p[n] & 0xc0) == 0x80)
		n--;
	return str_head(text, n);
}

/* The next word of folded text, which loses it; without bytes when there is none. */
static struct str next_word(struct str *rest)
{
	while (rest->n && rest->p[0] == ' ')
		*rest = str_skip(*rest, 1);
	ptrdiff_t end = str_find(*rest, ' ');
	struct str word = end < 0 ? *rest : str_head(*rest, (size_t)end);
	*rest = str_skip(*rest, word.n);
	return word;
}

struct db_room_search *db_room_search_new(struct arena *a, const struct store_room_query *query)
{
	struct db_room_search *search = arena_alloc(a, sizeof *search);

	if (query->words.n > STORE_ROOM_QUERY_MAX)
		return NULL;
	*search = (struct db_room_search){
		.in = query->in,
		.occupants = query->occupants,
		.by_occupants = query->by_occupants,
		.max = query->max < STORE_ROOM_FOUND_MAX ? query->max : STORE_ROOM_FOUND_MAX,
	};
	struct str rest = fold(a, query->words), word;
	while ((word = next_word(&rest)).n) {
		if (search->n_words == STORE_ROOM_WORDS_MAX)
			return NULL;
		search->words[search->n_words++] = word;
	}
	return search;
}

static bool has(struct str text, struct str word)
{
	return text.n && memmem(text.p, text.n, word.p, word.n);
}

/* One of the three, which the rest of them loses. */
static struct str next_part(struct str *rest)
{
	ptrdiff_t end = str_find(*rest, '\n');
	struct str part = end < 0 ? *rest : str_head(*rest, (size_t)end);

	*rest = str_skip(*rest, end < 0 ? part.n : part.n + 1);
	return part;
}

bool db_room_search_fits(const struct db_room_search *search, struct str text)
{
	struct str rest = text;
	const struct str name = next_part(&rest);
	const struct str title = next_part(&rest);
	const struct str about = rest;

	for (unsigned i = 0; i < search->n_words; i++) {
		const struct str word = search->words[i];

		if (!((search->in & STORE_IN_NAME) && has(name, word)) &&
		    !((search->in & STORE_IN_TITLE) && has(title, word)) &&
		    !((search->in & STORE_IN_ABOUT) && has(about, word)))
			return false;
	}
	return true;
}

struct str db_room_text(struct arena *a, const struct store_room *room)
{
	struct str name = fold(a, head_of(room->name));
	struct str title = fold(a, head_of(room->title));
	struct str about = fold(a, head_of(room->about));

	return str_printf(a, "%.*s\n%.*s\n%.*s", STR_FMT(name), STR_FMT(title), STR_FMT(about));
}
