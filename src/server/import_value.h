/* Values as Prosody stores them: tables of Lua, whether written in Lua's own syntax or in JSON.
 *
 * Immutable, in an arena. A table keeps its entries in the order of the input; entries of an
 * array have the keys 1, 2, 3. */
#ifndef SERVER_IMPORT_VALUE_H
#define SERVER_IMPORT_VALUE_H

#include "base/arena.h"
#include "base/buf.h"

enum value_kind { VALUE_NIL, VALUE_FALSE, VALUE_TRUE, VALUE_NUMBER, VALUE_STRING, VALUE_TABLE };

struct value {
	enum value_kind kind;
	double number;
	struct str s;
	struct value_entry *first, *last; /* of a table */
};

struct value_entry {
	struct value key, value;
	struct value_entry *next;
};

/* A new entry at the table's end, with a nil value. */
struct value *value_add(struct arena *a, struct value *table, struct value key);

static inline struct value value_number(double n)
{
	return (struct value){ .kind = VALUE_NUMBER, .number = n };
}

static inline struct value value_string(struct str s)
{
	return (struct value){ .kind = VALUE_STRING, .s = s };
}

/* The entry of a table under a string; a nil value where there is none, or no table. */
const struct value *value_get(const struct value *table, const char *key);
const struct value *value_find(const struct value *table, struct str key);

/* The entry under the key `false`, where Prosody keeps what belongs to a table as a whole. */
const struct value *value_get_false(const struct value *table);

/* Its text; empty when it is no string. */
struct str value_text(const struct value *v);

/* A whole number between 0 and max; else `otherwise`. */
uint64_t value_u64(const struct value *v, uint64_t max, uint64_t otherwise);

/* Writes the element that a table holds as Prosody keeps stanzas: name, attr, children. parent_ns
 * is the namespace outside. False: it is none. */
bool value_write_xml(struct buf *b, const struct value *v, struct str parent_ns);

#endif
