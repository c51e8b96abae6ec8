#include "xmpp/rsm.h"

static bool read_max(const struct xml_doc *d, const struct xml_node *max, struct arena *a,
	struct rsm *out)
{
	int64_t v;

	if (!max)
		return true;
	if (!str_to_i64(str_trim(xml_text(d, max, a)), 0, UINT32_MAX, &v))
		return false;
	out->has_max = true;
	out->max = (uint32_t)v;
	return true;
}

bool rsm_read(const struct xml_doc *d, const struct xml_node *parent, struct arena *a,
	struct rsm *out)
{
	const struct xml_node *set = xml_child(d, parent, NS_RSM, TAG_SET);

	*out = (struct rsm){ 0 };
	if (!set)
		return true;
	const struct xml_node *after = xml_child(d, set, NS_RSM, TAG_AFTER);
	const struct xml_node *before = xml_child(d, set, NS_RSM, TAG_BEFORE);
	if (after) {
		out->has_after = true;
		out->after = str_trim(xml_text(d, after, a));
	}
	if (before) {
		out->has_before = true;
		out->before = str_trim(xml_text(d, before, a));
	}
	return read_max(d, xml_child(d, set, NS_RSM, TAG_MAX), a, out) &&
	       !xml_child(d, set, NS_RSM, TAG_INDEX) && !(after && !out->after.n);
}

static void write_number(struct writer *w, int64_t n)
{
	char text[24];
	int len = snprintf(text, sizeof text, "%lld", (long long)n);

	w_text(w, str_from(text, (size_t)len));
}

void rsm_write(struct writer *w, struct str first, struct str last, int64_t index, int64_t count)
{
	w_open_ns(w, "set", NS_RSM);
	if (first.p) {
		w_open(w, "first");
		if (index >= 0)
			w_attr_u64(w, "index", (uint64_t)index);
		w_text(w, first);
		w_close(w);
		w_leaf(w, "last", last);
	}
	if (count >= 0) {
		w_open(w, "count");
		write_number(w, count);
		w_close(w);
	}
	w_close(w);
}
