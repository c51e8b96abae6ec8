#include "core/grant.h"

#include "core/settings.h"

#include <stdlib.h>

/* ---- words of the configuration ---- */

/* The next word, or an empty slice at the end. */
static struct str take_word(struct str *text)
{
	*text = str_trim(*text);
	ptrdiff_t n = str_find(*text, ' ');
	struct str word = n < 0 ? *text : str_head(*text, (size_t)n);

	*text = str_skip(*text, word.n);
	return word;
}

const char *grant_parse_delegation(struct str text, struct delegation *out)
{
	struct str word;

	*out = (struct delegation){ .ns = take_word(&text) };
	if (!out->ns.n)
		return "has no namespace";
	if (str_eq(out->ns, STR(NS_OF_DELEGATION))) /* section 8, rule 5 */
		return "is the namespace that delegates others, and can be delegated to nobody";
	while ((word = take_word(&text)).n) {
		if (out->n_attrs == DELEGATION_ATTRS_MAX)
			return "has too many attributes";
		out->attrs[out->n_attrs++] = word;
	}
	return NULL;
}

static const struct str type_names[] = { STR_INIT("none"), STR_INIT("get"), STR_INIT("set"),
	STR_INIT("both") };

const char *grant_parse_iq(struct str text, struct iq_grant *out)
{
	struct str word;

	*out = (struct iq_grant){ .ns = take_word(&text) };
	word = take_word(&text);
	for (unsigned types = GRANT_GET; types <= (GRANT_GET | GRANT_SET); types++)
		if (str_eq(word, type_names[types]))
			out->types = types;
	return out->types && !text.n ? NULL : "is no namespace with get, set or both behind it";
}

struct str grant_types_name(unsigned types)
{
	return type_names[types];
}

/* ---- making ---- */

void grant_delegation(struct settings *s, struct host *component, const struct delegation *d)
{
	struct delegation **end = &component->component->grants.delegations;
	struct delegation *own = arena_alloc(&s->mem, sizeof *own);

	while (*end)
		end = &(*end)->next;
	*own = *d;
	own->ns = str_dup(&s->mem, d->ns);
	for (unsigned i = 0; i < d->n_attrs; i++)
		own->attrs[i] = str_dup(&s->mem, d->attrs[i]);
	own->component = component;
	own->next = NULL;
	*end = own;
}

void grant_iq(struct settings *s, struct host *component, const struct iq_grant *g)
{
	struct iq_grant **end = &component->component->grants.iqs;

	while (*end)
		end = &(*end)->next;
	*end = arena_alloc(&s->mem, sizeof **end);
	**end = (struct iq_grant){ str_dup(&s->mem, g->ns), g->types, NULL };
}

void grant_host(struct settings *s, struct host *component, struct host *managed)
{
	struct management **of_host = &managed->managers, **of_component = &component->managed;
	struct management *m = arena_alloc(&s->mem, sizeof *m);

	while (*of_host)
		of_host = &(*of_host)->next_of_host;
	while (*of_component)
		of_component = &(*of_component)->next_of_component;
	*m = (struct management){ .component = component, .host = managed };
	*of_host = *of_component = m;
}

/* ---- asking ---- */

bool grant_manages(const struct host *component, const struct host *managed)
{
	for (const struct management *m = component->managed; m; m = m->next_of_component)
		if (m->host == managed)
			return true;
	return false;
}

bool grant_manages_domain(const struct host *component, struct str domain)
{
	for (const struct management *m = component->managed; m; m = m->next_of_component)
		if (str_eq(m->host->domain, domain))
			return true;
	return false;
}

const struct grants *grants_of(const struct settings *s, struct jid from,
	const struct host *managed)
{
	if (!managed->managers || !jid_is_set(from) || from.n_local)
		return NULL;
	const struct host *h = settings_host(s, jid_domain(from));
	return h && h->component && grant_manages(h, managed) ? &h->component->grants : NULL;
}

const struct delegation *grant_find_delegation(const struct host *managed, struct str ns)
{
	for (const struct management *m = managed->managers; m; m = m->next_of_host) {
		const struct delegation *d = m->component->component->grants.delegations;
		for (; d; d = d->next)
			if (str_eq(d->ns, ns))
				return d;
	}
	return NULL;
}

bool grant_watches_rosters(const struct host *managed)
{
	for (const struct management *m = managed->managers; m; m = m->next_of_host)
		if (m->component->component->grants.presence == GRANT_ROSTER_PRESENCE)
			return true;
	return false;
}

unsigned grant_bit(enum stanza_type type)
{
	return type == IQ_GET ? GRANT_GET : type == IQ_SET ? GRANT_SET : 0;
}

unsigned grant_iq_types(const struct grants *g, struct str ns)
{
	for (const struct iq_grant *i = g->iqs; i; i = i->next)
		if (str_eq(i->ns, ns))
			return i->types;
	return 0;
}
