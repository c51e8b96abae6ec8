#include "core/block.h"

#include "core/account.h"

#include <stdlib.h>

void blocklist_clear(struct blocklist *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		free((char *)b->items[i].p);
	free(b->items);
	*b = (struct blocklist){ 0 };
}

/* Index of the item, or of where it would stand. */
static uint32_t find(const struct blocklist *b, struct str text, bool *found)
{
	uint32_t lo = 0, hi = b->n;

	*found = false;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = str_cmp(jid_str(b->items[mid]), text);
		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool has(const struct blocklist *b, struct str text)
{
	bool found;

	find(b, text, &found);
	return found;
}

bool blocklist_has(const struct blocklist *b, struct jid j)
{
	return has(b, jid_str(j));
}

bool blocklist_add(struct blocklist *b, struct jid j)
{
	struct str text = jid_str(j);
	bool found;
	uint32_t i = find(b, text, &found);

	if (found)
		return false;
	if (b->n == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 4;
		b->items = xrealloc(b->items, b->cap * sizeof *b->items);
	}
	char *own = xmalloc(text.n);
	memcpy(own, text.p, text.n);
	memmove(b->items + i + 1, b->items + i, (b->n - i) * sizeof *b->items);
	b->items[i] = j;
	b->items[i].p = own;
	b->n++;
	return true;
}

bool blocklist_del(struct blocklist *b, struct jid j)
{
	bool found;
	uint32_t i = find(b, jid_str(j), &found);

	if (!found)
		return false;
	free((char *)b->items[i].p);
	b->n--;
	memmove(b->items + i, b->items + i + 1, (b->n - i) * sizeof *b->items);
	return true;
}

bool blocklist_matches(const struct blocklist *b, struct jid j)
{
	return has(b, jid_str(j)) || has(b, jid_bare_str(j)) || has(b, jid_domain(j));
}

bool account_blocks(const struct account *a, struct jid j)
{
	return a->blocked && a->blocked->n && jid_is_set(j) && !jid_eq_bare(a->jid, j) &&
	       blocklist_matches(a->blocked, j);
}
