/* Data forms (XEP-0004 2.13.1): building, reading, and holding an answer to its form.
 *
 *     struct stentor_element *form = stentor_form_new("form", "A search", "Say what to look for.");
 *     struct stentor_element *field = stentor_form_add_field(form, "what", "text-single", "Words");
 *     stentor_field_require(field);
 *
 * Types of fields are those of section 3.3: boolean, fixed, hidden, jid-multi, jid-single,
 * list-multi, list-single, text-multi, text-private, text-single. */
#ifndef STENTOR_FORM_H
#define STENTOR_FORM_H

#include <stentor/element.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STENTOR_NS_FORM "jabber:x:data"

/* A form alone, of type form, submit, cancel or result. title and instructions may be NULL. */
struct stentor_element *stentor_form_new(const char *type, const char *title,
	const char *instructions);

/* A field; type and label may be NULL. */
struct stentor_element *stentor_form_add_field(struct stentor_element *form, const char *var,
	const char *type, const char *label);

/* The same with a value. */
struct stentor_element *stentor_form_add_value(struct stentor_element *form, const char *var,
	const char *type, const char *label, const char *value);

/* One more value, one more option to choose from (label may be NULL), that it must be filled in. */
void stentor_field_add_value(struct stentor_element *field, const char *value);
void stentor_field_add_option(struct stentor_element *field, const char *value, const char *label);
void stentor_field_require(struct stentor_element *field);

/* The first form of this type in an element, or NULL. type NULL: any. */
const struct stentor_element *stentor_form_find(const struct stentor_element *in, const char *type);

/* The field of this name, or NULL. */
const struct stentor_element *stentor_form_field(const struct stentor_element *form,
	const char *var);

/* The first value of a field; NULL when there is no such field or it has none. */
const char *stentor_form_value(const struct stentor_element *form, const char *var);

/* Value number n, from 0 on; NULL behind the last. */
const char *stentor_field_value(const struct stentor_element *field, size_t n);

/* Whether a form that was filled in answers the form that was asked: what is required is there and
 * not empty; a boolean is true, false, 1 or 0; what is a JID is one; what is from a list is one of
 * its options; nothing has several values that may have one (section 3.3). Fields that were not
 * asked for are left alone. False: *var is the name of the first field that is wrong, and *why, for
 * people, a constant. Either may be NULL. */
bool stentor_form_check(const struct stentor_element *asked, const struct stentor_element *filled,
	const char **var, const char **why);

#ifdef __cplusplus
}
#endif

#endif
