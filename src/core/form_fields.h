/* What somebody configures: a struct here, and a data form (XEP-0004) for people and in the store.
 * A table of fields says what there is, how it stands in the struct, and what it takes. */
#ifndef CORE_FORM_FIELDS_H
#define CORE_FORM_FIELDS_H

#include "xml/tree.h"
#include "xml/writer.h"

#include <stddef.h>

#define FORM_VALUES_MAX 32 /* of one field */

/* What a field is for who fills in the form, and how it stands in the struct. */
enum field_kind {
	FIELD_TEXT,    /* text-single; char *, owned, NULL for an empty one */
	FIELD_SECRET,  /* text-private; likewise, white space around it belongs to it */
	FIELD_TEXTS,   /* text-multi; char *, owned: different texts, each followed by a NUL, then
			* one more; NULL for none */
	FIELD_FLAG,    /* boolean; bool */
	FIELD_ONE_OF,  /* list-single; a number for each choice */
	FIELD_SOME_OF, /* list-multi; a bit for each choice, in one of several bytes */
	FIELD_NUMBER,  /* text-single with a range (XEP-0122); uint32_t */
	FIELD_UP_TO,   /* list-single of numbers; uint32_t */
	FIELD_MOMENT   /* text-single, a DateTime (XEP-0082); uint64_t, wall clock, 0 for none */
};

struct form_choice {
	const char *value, *label; /* value NULL ends a list */
	uint32_t number;           /* the bit */
	size_t at;                 /* FIELD_SOME_OF: its byte in the struct */
};

struct form_field {
	const char *var, *label;
	enum field_kind kind;
	size_t at, size;               /* in the struct; FIELD_SOME_OF: its choices say where.
					* FIELD_ONE_OF of size 0: it is always 0 */
	const char *fault;             /* what it takes, for people */
	uint32_t min, max;             /* of a number, UINT32_MAX - 1 or more for any; max: bytes of
					* a text, or of all with NULs */
	const char *word;              /* of a number, or NULL: stands for this one, which may be */
	uint32_t word_number;          /* outside of the range */
	const struct form_choice *choices;
	bool (*valid)(struct str text);
	const char *type;              /* where it is not the kind's, or NULL */
	bool open;                     /* everybody may know it, not only owners */
};

#define FIELD_AT(type, member) .at = offsetof(type, member), .size = sizeof((type){ 0 }.member)

struct form_fields {
	const char *form_type;
	const struct form_field *all; /* in the order of the form */
	size_t n;
	const void *defaults;         /* a struct: what a field without a value becomes */
	size_t size;                  /* of the struct */
};

void form_fields_clear(const struct form_fields *t, void *c);

/* A copy with its own texts. */
void form_fields_copy(const struct form_fields *t, void *to, const void *from);

bool form_field_same(const struct form_field *f, const void *a, const void *b);
bool form_fields_same(const struct form_fields *t, const void *a, const void *b);

/* NULL: there is no such field. */
const struct form_field *form_fields_find(const struct form_fields *t, struct str var);

/* Takes the values of one field. No value, or an empty one (XEP-0004 section 3.6), is an empty
 * text, no, nothing of a list, no moment; else what is so by default. False: it takes others; what
 * it was may be changed then. */
bool form_field_read(const struct form_fields *t, const struct form_field *f, void *c,
	const struct str *values, size_t n);

/* The same with a field of a form. */
bool form_field_take(const struct form_fields *t, const struct form_field *f, void *c,
	const struct xml_doc *d, const struct xml_node *field, struct arena *a);

/* Takes a form: fields that it lacks stay, fields that are not known are passed over (XEP-0004
 * sections 3.1 and 3.5). NULL; or the field that takes other values, and part has been taken. */
const struct form_field *form_fields_take(const struct form_fields *t, void *c,
	const struct xml_doc *d, const struct xml_node *form, struct arena *a);

/* Takes a form from the store: <x/> as form_fields_write() fills it. False: it cannot be read, and
 * part may have been taken. */
bool form_fields_parse(const struct form_fields *t, void *c, struct str xml);

/* False: a text, a list of texts or a moment, and there is none. */
bool form_field_has_value(const struct form_field *f, const void *c);

/* For who fills in a form, with labels, types and options; for who reads it, without options; for
 * the store, with values alone. */
enum form_use { FORM_TO_FILL_IN, FORM_TO_READ, FORM_TO_STORE };
void form_field_write(const struct form_field *f, const void *c, struct writer *w,
	enum form_use use);

/* All fields, FORM_TYPE first; <x/> around them is the caller's. */
void form_fields_write(const struct form_fields *t, const void *c, struct writer *w,
	enum form_use use);

/* The hidden field. */
void form_type_write(const char *form_type, struct writer *w);

/* The outer form of a language tag (RFC 5646 section 2.1): a `valid`. */
bool form_is_language(struct str s);

#endif
