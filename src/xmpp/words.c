#include "xmpp/words.h"

#include "base/bug.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

struct str words_fold(struct str text, struct arena *a)
{
	size_t n;
	uint8_t *folded;

	if (!text.n || !utf8_valid(text))
		return STR("");
	folded = u8_casefold((const uint8_t *)text.p, text.n, NULL, UNINORM_NFC, NULL, &n);
	BUG_ON(!folded);
	struct str out = str_dup(a, str_from((const char *)folded, n));
	free(folded);
	return out;
}

/* Whether a word that stands beside this character goes on with it. */
static bool joins(int32_t cp)
{
	return cp >= 0 && uc_is_alnum((ucs4_t)cp) &&
	       !uc_is_general_category((ucs4_t)cp, UC_OTHER_LETTER);
}

static int32_t first_of(struct str s)
{
	unsigned len;

	return s.n ? utf8_next(s, &len) : -1;
}

static int32_t last_of(struct str s)
{
	size_t at = s.n;

	while (at && ((unsigned char)s.p[--at] & 0xc0) == 0x80)
		;
	return s.n ? first_of(str_skip(s, at)) : -1;
}

static bool ends_between(struct str before, struct str after)
{
	return !joins(last_of(before)) || !joins(first_of(after));
}

bool words_have(struct str text, struct str word)
{
	size_t from = 0;

	while (word.n && text.n - from >= word.n) {
		const char *at = memmem(text.p + from, text.n - from, word.p, word.n);
		if (!at)
			return false;
		size_t begin = (size_t)(at - text.p);
		struct str before = str_head(text, begin), after = str_skip(text, begin + word.n);
		if (ends_between(before, word) && ends_between(word, after))
			return true;
		from = begin + 1;
	}
	return false;
}
