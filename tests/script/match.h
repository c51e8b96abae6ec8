/* Comparing what arrived with what a script expects, as trees and not as text.
 *
 * The order of attributes, quotes, prefixes and white space between elements do not matter.
 * In the expectation `*` stands for any text or value, and a value that ends with `*` for any
 * that begins so; `...` among the children of an element says that the ones named must be
 * there, in any order, and that there may be others. */
#ifndef SCRIPT_MATCH_H
#define SCRIPT_MATCH_H

#include "base/arena.h"

/* Each an element, or the start tag of a stream. The null slice when they are alike, else what
 * differs, in the arena. */
struct str match(struct str want, struct str got, struct arena *a);

#endif
