/* XEP-0004 Data Forms, version 2.13.1: as elements. Left out: items of results with several rows,
 * which a program builds and reads itself, and data validation (XEP-0122). */
#include "stentor/form.h"

#include "lib/tree.h"
#include "xmpp/jid.h"

/* ---- building ---- */

struct stentor_element *stentor_form_new(const char *type, const char *title,
	const char *instructions)
{
	struct stentor_element *form = stentor_element_new("x", STENTOR_NS_FORM);

	stentor_element_set(form, "type", type);
	if (title)
		stentor_element_add_leaf(form, "title", NULL, title);
	if (instructions)
		stentor_element_add_leaf(form, "instructions", NULL, instructions);
	return form;
}

struct stentor_element *stentor_form_add_field(struct stentor_element *form, const char *var,
	const char *type, const char *label)
{
	struct stentor_element *field = stentor_element_add(form, "field", NULL);

	stentor_element_set(field, "var", var);
	stentor_element_set(field, "type", type);
	stentor_element_set(field, "label", label);
	return field;
}

struct stentor_element *stentor_form_add_value(struct stentor_element *form, const char *var,
	const char *type, const char *label, const char *value)
{
	struct stentor_element *field = stentor_form_add_field(form, var, type, label);

	stentor_field_add_value(field, value);
	return field;
}

void stentor_field_add_value(struct stentor_element *field, const char *value)
{
	stentor_element_add_leaf(field, "value", NULL, value);
}

void stentor_field_add_option(struct stentor_element *field, const char *value, const char *label)
{
	struct stentor_element *option = stentor_element_add(field, "option", NULL);

	stentor_element_set(option, "label", label);
	stentor_field_add_value(option, value);
}

void stentor_field_require(struct stentor_element *field)
{
	stentor_element_add(field, "required", NULL);
}

/* ---- reading ---- */

static struct str attribute(const struct stentor_element *el, const char *name)
{
	return str_c(stentor_element_attribute(el, name));
}

const struct stentor_element *stentor_form_find(const struct stentor_element *in, const char *type)
{
	const struct stentor_element *form = stentor_element_child(in, STENTOR_NS_FORM, "x");

	while (form && type && !str_eq(attribute(form, "type"), str_c(type)))
		form = stentor_element_next(form, STENTOR_NS_FORM, "x");
	return form;
}

static const struct stentor_element *first_field(const struct stentor_element *form)
{
	return stentor_element_child(form, STENTOR_NS_FORM, "field");
}

static const struct stentor_element *next_field(const struct stentor_element *field)
{
	return stentor_element_next(field, STENTOR_NS_FORM, "field");
}

const struct stentor_element *stentor_form_field(const struct stentor_element *form,
	const char *var)
{
	const struct stentor_element *field = first_field(form);

	while (field && !str_eq(attribute(field, "var"), str_c(var)))
		field = next_field(field);
	return field;
}

const char *stentor_field_value(const struct stentor_element *field, size_t n)
{
	const struct stentor_element *value =
		stentor_element_child(field, STENTOR_NS_FORM, "value");

	for (; value && n; n--)
		value = stentor_element_next(value, STENTOR_NS_FORM, "value");
	return value ? stentor_element_text(value) : NULL;
}

const char *stentor_form_value(const struct stentor_element *form, const char *var)
{
	return stentor_field_value(stentor_form_field(form, var), 0);
}

/* ---- holding an answer to its form (sections 3.2 and 3.3) ---- */

static bool is_boolean(struct str value, const struct stentor_element *asked)
{
	return str_eq(value, STR("1")) || str_eq(value, STR("0")) || str_eq(value, STR("true")) ||
		str_eq(value, STR("false"));
}

static bool is_jid(struct str value, const struct stentor_element *asked)
{
	struct arena mem;
	struct jid j;

	arena_init(&mem, 512);
	bool is = jid_parse(value, &mem, &j);
	arena_clear(&mem);
	return is;
}

static bool is_option(struct str value, const struct stentor_element *asked)
{
	const struct stentor_element *o = stentor_element_child(asked, STENTOR_NS_FORM, "option");

	while (o && !str_eq(str_c(stentor_field_value(o, 0)), value))
		o = stentor_element_next(o, STENTOR_NS_FORM, "option");
	return o != NULL;
}

struct kind {
	const char *type;
	bool many;                                                    /* values */
	bool (*fits)(struct str value, const struct stentor_element *asked); /* NULL: any does */
	const char *why;
};

static const struct kind kinds[] = {
	{ "text-single", false, NULL, NULL },
	{ "boolean", false, is_boolean, "is neither true nor false" },
	{ "hidden", true, NULL, NULL },
	{ "jid-multi", true, is_jid, "has what is no address" },
	{ "jid-single", false, is_jid, "is no address" },
	{ "list-multi", true, is_option, "has what is none of the options" },
	{ "list-single", false, is_option, "is none of the options" },
	{ "text-multi", true, NULL, NULL },
	{ "text-private", false, NULL, NULL },
};

/* A type that is not known, and none, count as text-single (section 3.2). */
static const struct kind *kind_of(const struct stentor_element *asked)
{
	struct str type = attribute(asked, "type");

	for (size_t i = 1; i < sizeof kinds / sizeof kinds[0]; i++)
		if (str_eq(type, str_c(kinds[i].type)))
			return &kinds[i];
	return &kinds[0];
}

static bool is_required(const struct stentor_element *asked)
{
	return stentor_element_child(asked, STENTOR_NS_FORM, "required") != NULL;
}

/* What is wrong with a field that was filled in, or NULL. An empty value is as good as none. */
static const char *field_fault(const struct stentor_element *asked,
	const struct stentor_element *filled)
{
	const struct kind *kind = kind_of(asked);
	const struct stentor_element *v = stentor_element_child(filled, STENTOR_NS_FORM, "value");
	size_t n = 0, not_empty = 0;

	for (; v; v = stentor_element_next(v, STENTOR_NS_FORM, "value"), n++) {
		struct str value = str_c(stentor_element_text(v));
		if (n && !kind->many)
			return "has more than one value";
		if (!value.n)
			continue;
		not_empty++;
		if (kind->fits && !kind->fits(value, asked))
			return kind->why;
	}
	return !not_empty && is_required(asked) ? "is required" : NULL;
}

bool stentor_form_check(const struct stentor_element *asked, const struct stentor_element *filled,
	const char **var, const char **why)
{
	for (const struct stentor_element *f = first_field(asked); f; f = next_field(f)) {
		const char *name = stentor_element_attribute(f, "var");
		if (!name || str_eq(attribute(f, "type"), STR("fixed")))
			continue;
		const char *fault = field_fault(f, stentor_form_field(filled, name));
		if (!fault)
			continue;
		if (var)
			*var = name;
		if (why)
			*why = fault;
		return false;
	}
	return true;
}
