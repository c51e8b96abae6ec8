#include "core/form_fields.h"

#include "base/bug.h"
#include "xmpp/datetime.h"
#include "xmpp/form.h"
#include "xmpp/stanza.h"

#include <stdlib.h>

/* ---- fields in the struct ---- */

static char **text_of(const void *c, const struct form_field *f)
{
	return (char **)((char *)c + f->at);
}

static bool is_text(const struct form_field *f)
{
	return f->kind == FIELD_TEXT || f->kind == FIELD_SECRET || f->kind == FIELD_TEXTS;
}

static uint32_t number_of(const void *c, const struct form_field *f)
{
	uint32_t n = 0;

	BUG_ON(f->size > 1 && f->size != sizeof n);
	if (f->size == 1)
		return *((const uint8_t *)c + f->at);
	memcpy(&n, (const char *)c + f->at, f->size);
	return n;
}

static void set_number(void *c, const struct form_field *f, uint32_t n)
{
	BUG_ON(f->size > 1 && f->size != sizeof n);
	if (f->size == 1)
		*((uint8_t *)c + f->at) = (uint8_t)n;
	else
		memcpy((char *)c + f->at, &n, f->size);
}

static uint64_t moment_of(const void *c, const struct form_field *f)
{
	uint64_t us;

	BUG_ON(f->size != sizeof us);
	memcpy(&us, (const char *)c + f->at, sizeof us);
	return us;
}

static void set_moment(void *c, const struct form_field *f, uint64_t us)
{
	BUG_ON(f->size != sizeof us);
	memcpy((char *)c + f->at, &us, sizeof us);
}

static uint8_t *byte_of(const void *c, const struct form_choice *ch)
{
	return (uint8_t *)c + ch->at;
}

/* The bytes of a text, or of several with all their NULs. */
static struct str bytes_of(const void *c, const struct form_field *f)
{
	const char *text = *text_of(c, f);
	size_t n = 0;

	if (!text || f->kind != FIELD_TEXTS)
		return str_c(text);
	while (text[n])
		n += strlen(text + n) + 1;
	return str_from(text, n + 1);
}

static char *text_dup(struct str s)
{
	char *copy;

	if (!s.n)
		return NULL;
	copy = xmalloc(s.n + 1);
	memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	return copy;
}

static bool has_text(const char *texts, struct str s)
{
	for (const char *t = texts; t && *t; t += strlen(t) + 1)
		if (str_eq(str_c(t), s))
			return true;
	return false;
}

/* Whatever order they stand in. */
static bool same_texts(const char *a, const char *b)
{
	size_t n = 0;

	for (const char *t = a; t && *t; t += strlen(t) + 1, n++)
		if (!has_text(b, str_c(t)))
			return false;
	for (const char *t = b; t && *t; t += strlen(t) + 1)
		n--;
	return n == 0;
}

static bool same_bits(const struct form_field *f, const void *a, const void *b)
{
	for (const struct form_choice *ch = f->choices; ch->value; ch++)
		if (*byte_of(a, ch) != *byte_of(b, ch))
			return false;
	return true;
}

bool form_field_same(const struct form_field *f, const void *a, const void *b)
{
	switch (f->kind) {
	case FIELD_TEXT:
	case FIELD_SECRET:
		return str_eq(bytes_of(a, f), bytes_of(b, f));
	case FIELD_TEXTS:
		return same_texts(*text_of(a, f), *text_of(b, f));
	case FIELD_SOME_OF:
		return same_bits(f, a, b);
	case FIELD_MOMENT:
		return moment_of(a, f) == moment_of(b, f);
	default:
		return number_of(a, f) == number_of(b, f);
	}
}

/* ---- the whole ---- */

bool form_fields_same(const struct form_fields *t, const void *a, const void *b)
{
	for (const struct form_field *f = t->all; f < t->all + t->n; f++)
		if (!form_field_same(f, a, b))
			return false;
	return true;
}

void form_fields_clear(const struct form_fields *t, void *c)
{
	for (const struct form_field *f = t->all; f < t->all + t->n; f++)
		if (is_text(f))
			free(*text_of(c, f));
	memset(c, 0, t->size);
}

void form_fields_copy(const struct form_fields *t, void *to, const void *from)
{
	memcpy(to, from, t->size);
	for (const struct form_field *f = t->all; f < t->all + t->n; f++)
		if (is_text(f))
			*text_of(to, f) = text_dup(bytes_of(from, f));
}

const struct form_field *form_fields_find(const struct form_fields *t, struct str var)
{
	for (const struct form_field *f = t->all; f < t->all + t->n; f++)
		if (str_eq(str_c(f->var), var))
			return f;
	return NULL;
}

bool form_is_language(struct str s)
{
	size_t run = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9');
		if (c == '-' ? !run : !alnum || run == 8)
			return false;
		run = c == '-' ? 0 : run + 1;
	}
	return run > 0;
}

/* ---- reading ---- */

static bool read_text(const struct form_field *f, void *c, struct str value)
{
	if (value.n > f->max || (value.n && f->valid && !f->valid(value)))
		return false;
	free(*text_of(c, f));
	*text_of(c, f) = text_dup(value);
	return true;
}

/* Adds a text to a list of n bytes, in which it and the NUL behind it end at most at max - 1. */
static bool add_text(char *list, size_t *n, size_t max, struct str s)
{
	if (s.n + 2 > max - *n)
		return false;
	memcpy(list + *n, s.p, s.n);
	*n += s.n + 1;
	list[*n - 1] = list[*n] = '\0';
	return true;
}

static bool read_texts(const struct form_field *f, void *c, const struct str *values, size_t n)
{
	char *list = xmalloc(f->max);
	size_t size = 0;
	bool ok = true;

	list[0] = '\0';
	for (size_t i = 0; i < n && ok; i++) {
		struct str s = str_trim(values[i]);
		if (s.n && !has_text(list, s))
			ok = (!f->valid || f->valid(s)) && add_text(list, &size, f->max, s);
	}
	if (ok) {
		free(*text_of(c, f));
		*text_of(c, f) = text_dup(str_from(list, size ? size + 1 : 0));
	}
	free(list);
	return ok;
}

/* XEP-0004 section 3.3 */
static bool read_flag(const struct form_field *f, void *c, struct str value)
{
	bool on = str_eq(value, STR("1")) || str_eq(value, STR("true"));

	if (!on && value.n && !str_eq(value, STR("0")) && !str_eq(value, STR("false")))
		return false;
	set_number(c, f, on);
	return true;
}

static const struct form_choice *find_choice(const struct form_field *f, struct str value)
{
	const struct form_choice *ch = f->choices;

	while (ch->value && !str_eq(str_c(ch->value), value))
		ch++;
	return ch->value ? ch : NULL;
}

static bool read_one_of(const struct form_field *f, void *c, struct str value)
{
	const struct form_choice *ch = find_choice(f, value);

	if (ch)
		set_number(c, f, ch->number);
	return ch;
}

static bool is_word(const struct form_field *f, struct str value)
{
	return f->word && str_eq(value, str_c(f->word));
}

static bool is_word_number(const struct form_field *f, uint64_t n)
{
	return f->word && n == f->word_number;
}

static bool read_number(const struct form_field *f, void *c, struct str value)
{
	uint64_t n = f->word_number;

	if (!is_word(f, value) && !str_to_u64(value, UINT32_MAX, &n))
		return false;
	if (!is_word_number(f, n) && (n < f->min || n > f->max))
		return false;
	set_number(c, f, (uint32_t)n);
	return true;
}

static bool read_some_of(const struct form_field *f, void *c, const struct str *values, size_t n)
{
	for (const struct form_choice *ch = f->choices; ch->value; ch++)
		*byte_of(c, ch) &= (uint8_t)~ch->number;
	for (size_t i = 0; i < n; i++) {
		const struct form_choice *ch = find_choice(f, str_trim(values[i]));
		if (!ch)
			return false;
		*byte_of(c, ch) |= (uint8_t)ch->number;
	}
	return true;
}

static bool read_moment(const struct form_field *f, void *c, struct str value)
{
	uint64_t us = 0;

	if (value.n && (!datetime_parse(value, &us) || !us))
		return false;
	set_moment(c, f, us);
	return true;
}

bool form_field_read(const struct form_fields *t, const struct form_field *f, void *c,
	const struct str *values, size_t n)
{
	struct str value = n ? values[0] : STR("");

	if (f->kind == FIELD_SOME_OF)
		return read_some_of(f, c, values, n);
	if (f->kind == FIELD_TEXTS)
		return read_texts(f, c, values, n);
	if (n > 1)
		return false;
	if (f->kind == FIELD_SECRET)
		return read_text(f, c, value);
	value = str_trim(value);
	if (f->kind == FIELD_TEXT)
		return read_text(f, c, value);
	if (f->kind == FIELD_FLAG)
		return read_flag(f, c, value);
	if (f->kind == FIELD_MOMENT)
		return read_moment(f, c, value);
	if (!value.n) {
		set_number(c, f, number_of(t->defaults, f));
		return true;
	}
	return f->kind == FIELD_ONE_OF ? read_one_of(f, c, value) : read_number(f, c, value);
}

bool form_field_take(const struct form_fields *t, const struct form_field *f, void *c,
	const struct xml_doc *d, const struct xml_node *field, struct arena *a)
{
	const struct xml_node *v = xml_child(d, field, NS_DATA, TAG_VALUE);
	struct str values[FORM_VALUES_MAX];
	size_t n = 0;

	for (; v && n < FORM_VALUES_MAX; v = xml_next_same(d, v))
		values[n++] = xml_text(d, v, a);
	return !v && form_field_read(t, f, c, values, n);
}

const struct form_field *form_fields_take(const struct form_fields *t, void *c,
	const struct xml_doc *d, const struct xml_node *form, struct arena *a)
{
	for (const struct xml_node *x = form_first(d, form); x; x = form_next(d, x)) {
		const struct form_field *f = form_fields_find(t, form_var(d, x, a));
		if (f && !form_field_take(t, f, c, d, x, a))
			return f;
	}
	return NULL;
}

/* It is scanned as the child of an element. */
bool form_fields_parse(const struct form_fields *t, void *c, struct str xml)
{
	struct xml_table table = { 0 };
	struct arena a;

	arena_init(&a, 4096);
	struct stanza *s = stanza_scan(&table,
		str_printf(&a, "<message>%.*s</message>", STR_FMT(xml)), &a);
	const struct xml_node *form = s
		? form_find(&s->doc, stanza_root(s), str_c(t->form_type), &a) : NULL;
	bool ok = form && !form_fields_take(t, c, &s->doc, form, &a);
	stanza_unref(&s);
	xml_table_clear(&table);
	arena_clear(&a);
	return ok;
}

/* ---- writing ---- */

bool form_field_has_value(const struct form_field *f, const void *c)
{
	if (is_text(f))
		return *text_of(c, f);
	return f->kind != FIELD_MOMENT || moment_of(c, f);
}

static const char *type_of(const struct form_field *f)
{
	if (f->type)
		return f->type;
	switch (f->kind) {
	case FIELD_SECRET:
		return "text-private";
	case FIELD_TEXTS:
		return "text-multi";
	case FIELD_FLAG:
		return "boolean";
	case FIELD_ONE_OF:
	case FIELD_UP_TO:
		return "list-single";
	case FIELD_SOME_OF:
		return "list-multi";
	default:
		return "text-single";
	}
}

static struct str number_text(uint32_t n, char out[12])
{
	int len = snprintf(out, 12, "%u", n);

	return str_from(out, (size_t)len);
}

static void write_number(const struct form_field *f, const void *c, struct writer *w)
{
	char text[12];
	uint32_t n = number_of(c, f);

	w_leaf(w, "value", is_word_number(f, n) ? str_c(f->word) : number_text(n, text));
}

static void write_chosen(const struct form_field *f, const void *c, struct writer *w)
{
	for (const struct form_choice *ch = f->choices; ch->value; ch++) {
		bool chosen = f->kind == FIELD_SOME_OF ? *byte_of(c, ch) & ch->number
						       : number_of(c, f) == ch->number;
		if (chosen)
			w_leaf(w, "value", str_c(ch->value));
	}
}

static void write_moment(const struct form_field *f, const void *c, struct writer *w)
{
	struct arena a;

	if (!moment_of(c, f))
		return;
	arena_init(&a, 64);
	w_leaf(w, "value", datetime_format(&a, moment_of(c, f)));
	arena_clear(&a);
}

static void write_value(const struct form_field *f, const void *c, struct writer *w)
{
	switch (f->kind) {
	case FIELD_TEXT:
	case FIELD_SECRET:
		if (*text_of(c, f))
			w_leaf(w, "value", str_c(*text_of(c, f)));
		return;
	case FIELD_TEXTS:
		for (const char *t = *text_of(c, f); t && *t; t += strlen(t) + 1)
			w_leaf(w, "value", str_c(t));
		return;
	case FIELD_ONE_OF:
	case FIELD_SOME_OF:
		write_chosen(f, c, w);
		return;
	case FIELD_MOMENT:
		write_moment(f, c, w);
		return;
	default:
		write_number(f, c, w);
	}
}

static void write_option(struct writer *w, struct str label, struct str value)
{
	w_open(w, "option");
	w_attr(w, "label", label);
	w_leaf(w, "value", value);
	w_close(w);
}

/* The number that holds is an option too (XEP-0004 section 3.3: who fills in a list chooses). */
static void write_options(const struct form_field *f, const void *c, struct writer *w)
{
	uint32_t now = f->kind == FIELD_UP_TO ? number_of(c, f) : 0;
	bool listed = f->kind != FIELD_UP_TO || is_word_number(f, now);
	char text[12];

	for (const struct form_choice *ch = f->choices; ch && ch->value; ch++) {
		write_option(w, str_c(ch->label), str_c(ch->value));
		listed = listed || ch->number == now;
	}
	if (!listed) {
		struct str n = number_text(now, text);
		write_option(w, n, n);
	}
	if (f->kind == FIELD_UP_TO && f->word)
		write_option(w, STR("No limit"), str_c(f->word));
}

/* XEP-0122 section 3.3; the datatype with a word is that of XEP-0060 section 12.23, whose range is
 * that of the numbers. */
static void write_range(const struct form_field *f, struct writer *w)
{
	w_open_ns(w, "validate", NS_DATA_VALIDATE);
	w_attr(w, "datatype", f->word ? STR("pubsub:integer-or-max") : STR("xs:integer"));
	w_open(w, "range");
	w_attr_u64(w, "min", f->min);
	if (f->max < UINT32_MAX - 1)
		w_attr_u64(w, "max", f->max);
	w_close(w);
	w_close(w);
}

void form_field_write(const struct form_field *f, const void *c, struct writer *w,
	enum form_use use)
{
	w_open(w, "field");
	w_attr(w, "var", str_c(f->var));
	if (use != FORM_TO_STORE) {
		w_attr(w, "type", str_c(type_of(f)));
		w_attr(w, "label", str_c(f->label));
	}
	if (use == FORM_TO_FILL_IN && f->kind == FIELD_NUMBER)
		write_range(f, w);
	write_value(f, c, w);
	if (use == FORM_TO_FILL_IN)
		write_options(f, c, w);
	w_close(w);
}

void form_type_write(const char *form_type, struct writer *w)
{
	w_open(w, "field");
	w_attr(w, "var", STR("FORM_TYPE"));
	w_attr(w, "type", STR("hidden"));
	w_leaf(w, "value", str_c(form_type));
	w_close(w);
}

void form_fields_write(const struct form_fields *t, const void *c, struct writer *w,
	enum form_use use)
{
	form_type_write(t->form_type, w);
	for (const struct form_field *f = t->all; f < t->all + t->n; f++)
		form_field_write(f, c, w, use);
}
