/* Contacts and requests to subscribe, in the form in which the server itself would have stored
 * them. */
#include "server/import.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "core/roster.h"
#include "xmpp/stanza.h"

/* ---- contacts ---- */

/* RFC 6121 section 2.1.2.5. False: no such word, or one that is no state. */
static bool subscription_of(struct str word, uint8_t *out)
{
	static const char *const words[] = { "none", "to", "from", "both" };

	*out = 0;
	if (!word.n)
		return true;
	for (uint8_t i = 0; i < 4; i++)
		if (str_eq(word, str_c(words[i]))) {
			*out = i;
			return true;
		}
	return false;
}

/* Those that the server would take itself. */
static struct str good_groups(struct import *im, struct str groups)
{
	char *at = arena_alloc(&im->turn, groups.n + 1);
	struct str out = { at, 0 };
	unsigned n = 0;

	while (groups.n) {
		struct str name = str_c(groups.p);
		groups = str_skip(groups, name.n + 1);
		if (!name.n)
			continue;
		if (name.n > ROSTER_NAME_MAX || !utf8_valid(name) || ++n > ROSTER_GROUPS_MAX) {
			import_note(im, "group of a contact, too long or one too many");
			continue;
		}
		memcpy(at + out.n, name.p, name.n + 1);
		out.n += name.n + 1;
	}
	return out;
}

static struct str good_name(struct import *im, struct str name)
{
	if (name.n <= ROSTER_NAME_MAX && utf8_valid(name))
		return name;
	import_note(im, "name of a contact, which is too long");
	return STR("");
}

static void add_contact(struct import *im, const struct import_contact *c)
{
	struct store_item item = { .ask = c->ask, .approved = c->approved };
	struct jid j;

	if (!jid_parse(c->jid, &im->turn, &j)) {
		import_note(im, "contact whose address is none");
		return;
	}
	if (!subscription_of(c->subscription, &item.subscription)) {
		import_note(im, "contact whose subscription is \"%.*s\"",
			STR_FMT(str_head(c->subscription, 20)));
		return;
	}
	if (str_eq(jid_str(j), im->jid)) {
		import_note(im, "contact that is the account itself");
		return;
	}
	item.jid = jid_str(j);
	item.name = good_name(im, c->name);
	item.groups = good_groups(im, c->groups);
	item.version = ++im->version;
	im->counts.contacts++;
	if (im->data)
		store_set_item(im->data->store, data_store_write(im->data), im->host, im->user,
			&item);
}

void import_contact(struct import *im, const struct import_contact *c)
{
	if (im->taken)
		add_contact(im, c);
	arena_reset(&im->turn);
}

/* ---- requests ---- */

static void add_request(struct import *im, struct str from, struct str xml)
{
	struct stanza *st = xml.n ? stanza_scan(&im->table, xml, &im->turn) : NULL;
	struct jid who, own;

	if ((xml.n && (!st || st->kind != STANZA_PRESENCE || st->type != PRESENCE_SUBSCRIBE)) ||
	    !jid_parse(from, &im->turn, &who)) {
		import_note(im, "request to subscribe that is none");
	} else if (++im->requests > PENDING_MAX) {
		import_note(im, "request to subscribe beyond %u of one account", PENDING_MAX);
	} else {
		jid_parse(im->jid, &im->turn, &own);
		buf_reset(&im->out);
		if (st) {
			stanza_write(&im->out, st, jid_bare(who), own, NS_NONE);
		} else {
			struct writer w = w_on(&im->out);
			stanza_open(&w, STANZA_PRESENCE, "subscribe", jid_bare(who), own, STR_NULL);
			w_close(&w);
		}
		im->counts.requests++;
		if (im->data)
			store_set_pending(im->data->store, data_store_write(im->data), im->host,
				im->user, jid_bare_str(who), buf_str(&im->out));
	}
	if (st)
		stanza_unref(&st);
}

void import_request(struct import *im, struct str from, struct str xml)
{
	if (im->taken)
		add_request(im, from, xml);
	arena_reset(&im->turn);
}
