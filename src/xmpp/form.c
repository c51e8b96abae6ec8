#include "xmpp/form.h"

const struct xml_node *form_first(const struct xml_doc *d, const struct xml_node *form)
{
	return xml_child(d, form, NS_DATA, TAG_FIELD);
}

const struct xml_node *form_next(const struct xml_doc *d, const struct xml_node *field)
{
	return xml_next_same(d, field);
}

struct str form_var(const struct xml_doc *d, const struct xml_node *field, struct arena *a)
{
	struct str var = xml_attr_str(d, field, TAG_VAR, a);

	return var.p ? var : STR("");
}

const struct xml_node *form_field(const struct xml_doc *d, const struct xml_node *form,
	struct str var, struct arena *a)
{
	const struct xml_node *f = form_first(d, form);

	while (f && !str_eq(form_var(d, f, a), var))
		f = form_next(d, f);
	return f;
}

struct str form_value(const struct xml_doc *d, const struct xml_node *field, struct arena *a)
{
	const struct xml_node *v = field ? xml_child(d, field, NS_DATA, TAG_VALUE) : NULL;

	return v ? str_trim(xml_text(d, v, a)) : STR_NULL;
}

size_t form_values(const struct xml_doc *d, const struct xml_node *field, struct str *values,
	size_t max, struct arena *a)
{
	const struct xml_node *v = field ? xml_child(d, field, NS_DATA, TAG_VALUE) : NULL;
	size_t n = 0;

	for (; v; v = xml_next_same(d, v), n++)
		if (n < max)
			values[n] = str_trim(xml_text(d, v, a));
	return n;
}

static bool is_of_type(const struct xml_doc *d, const struct xml_node *form, struct str type,
	struct arena *a)
{
	const struct xml_node *f = form_field(d, form, STR("FORM_TYPE"), a);

	return f && str_eq(form_value(d, f, a), type);
}

const struct xml_node *form_find(const struct xml_doc *d, const struct xml_node *parent,
	struct str form_type, struct arena *a)
{
	const struct xml_node *x = xml_child(d, parent, NS_DATA, TAG_X);

	for (; x; x = xml_next_same(d, x))
		if (str_eq(xml_attr_str(d, x, TAG_TYPE, a), STR("submit")) &&
			is_of_type(d, x, form_type, a))
			return x;
	return NULL;
}

void form_write_field(struct writer *w, const char *var, const char *type, const char *label,
	struct str value)
{
	w_open(w, "field");
	w_attr(w, "var", str_c(var));
	w_attr(w, "type", str_c(type));
	w_attr(w, "label", str_c(label));
	w_leaf(w, "value", value);
	w_close(w);
}
