#include "core/archive.h"

#include "base/bug.h"

#include <stdlib.h>

bool archive_is_on(const struct account *a)
{
	const struct host *h = settings_host(a->shard->settings, jid_domain(a->jid));

	return h && h->archive && !a->guest;
}

static struct archive_rule *find(const struct archive_prefs *p, struct jid j)
{
	for (uint32_t i = 0; i < p->n_rules; i++)
		if (jid_eq(p->rules[i].jid, j))
			return &p->rules[i];
	return NULL;
}

/* XEP-0441 section 2.1.2: a full JID stands for itself, a bare one for all of its resources. */
bool archive_wants(const struct account *a, struct jid partner)
{
	const struct archive_prefs *p = a->archive_prefs;

	if (!p)
		return true;
	const struct archive_rule *r = find(p, partner);
	if (!r)
		r = find(p, jid_bare(partner));
	if (r)
		return !r->never;
	if (p->by_default == ARCHIVE_ROSTER)
		return jid_eq_bare(partner, a->jid) || roster_find(&a->roster, jid_bare(partner));
	return p->by_default == ARCHIVE_ALWAYS;
}

static struct archive_prefs *prefs(struct archive_prefs **p)
{
	if (!*p)
		*p = xcalloc(1, sizeof **p);
	return *p;
}

void archive_prefs_default(struct archive_prefs **p, enum archive_default d)
{
	prefs(p)->by_default = d;
}

bool archive_prefs_add(struct archive_prefs **at, struct jid j, bool never)
{
	struct archive_prefs *p = prefs(at);
	struct archive_rule *r = find(p, j);
	struct str text = jid_str(j);

	if (r) {
		r->never = never;
		return true;
	}
	if (p->n_rules == ARCHIVE_PREFS_MAX)
		return false;
	p->rules = xrealloc(p->rules, (p->n_rules + 1) * sizeof *p->rules);
	p->rules[p->n_rules] = (struct archive_rule){ .jid = j, .never = never };
	p->rules[p->n_rules++].jid.p = strndup(text.p, text.n);
	return true;
}

void archive_prefs_free(struct archive_prefs **at)
{
	struct archive_prefs *p = *at;

	*at = NULL;
	if (!p)
		return;
	for (uint32_t i = 0; i < p->n_rules; i++)
		free((char *)p->rules[i].jid.p);
	free(p->rules);
	free(p);
}
