/* Words in a text, for who looks for some of them in passing: keywords of subscriptions (XEP-0060
 * section 12.20). Texts are UTF-8. What is searched often has an index (store/search.h). */
#ifndef XMPP_WORDS_H
#define XMPP_WORDS_H

#include "base/arena.h"

/* A text in which case makes no difference any more (Unicode full case folding, NFC). Empty for
 * what is not UTF-8. */
struct str words_fold(struct str text, struct arena *a);

/* Whether a word, or several as they stand, is in a text, and not as a part of a longer word; both
 * folded. Letters without case end no word and begin none: most of their scripts do not separate
 * words. Nothing is in a text as an empty word. */
bool words_have(struct str text, struct str word);

#endif
