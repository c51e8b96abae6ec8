/* XEP-0500 MUC Slow Mode, version 0.1.1
 *
 * In a room that is configured so, a person may say something once in so many seconds, whatever
 * clients and nicknames he has, and whether he left meanwhile (sections 6 and 8). What has a body
 * counts. Moderators, and with them administrators and owners, speak at will. The duration is
 * slow_mode_duration of core/room_config.c, and told by disco#info where there is one. Who has
 * spoken is in memory alone. Bounds: of SPEAKERS_MAX and more who speak within the duration, those
 * who spoke first are forgotten. Options: none. Stores: nothing. */
#include "core/module.h"
#include "core/room.h"
#include "xmpp/form.h"

#include <stdlib.h>

#define SPEAKERS_MAX 1000

/* Somebody has spoken. Owned by its list. */
struct speaker {
	struct map_node node; /* by bare JID */
	struct list link;     /* whoever spoke first stands first */
	uint64_t at_ms;       /* monotonic */
	struct str who;       /* text inline, behind the struct */
};

struct room_speakers {
	struct map map;
	struct list in_order;
};

static struct str key_of(const struct map_node *n)
{
	return container_of(n, struct speaker, node)->who;
}

static uint64_t duration_ms(const struct room *r)
{
	return (uint64_t)r->config.slow_seconds * 1000;
}

/* ---- who has spoken ---- */

static struct speaker *find(const struct room *r, struct jid who)
{
	struct map_node *n = r->speakers ? map_get(&r->speakers->map, jid_bare_str(who)) : NULL;

	return n ? container_of(n, struct speaker, node) : NULL;
}

static void forget(struct room_speakers *all, struct speaker *s)
{
	map_del(&all->map, &s->node);
	list_del(&s->link);
	free(s);
}

static void unload(struct room *r)
{
	struct room_speakers *all = r->speakers;

	if (!all)
		return;
	while (!list_empty(&all->in_order))
		forget(all, list_first(&all->in_order, struct speaker, link));
	map_clear(&all->map);
	free(all);
	r->speakers = NULL;
}

/* Those who may speak again; and one, where there would be too many. */
static void make_room(struct room *r)
{
	struct room_speakers *all = r->speakers;
	struct speaker *s;

	while ((s = list_first(&all->in_order, struct speaker, link)) &&
		(all->map.n >= SPEAKERS_MAX || s->at_ms + duration_ms(r) <= r->shard->loop.now))
		forget(all, s);
}

static struct speaker *speaker_new(struct room *r, struct jid who)
{
	struct str text = jid_bare_str(who);
	struct speaker *s = xcalloc(1, sizeof *s + text.n);

	s->who = str_from(memcpy(s + 1, text.p, text.n), text.n);
	list_init(&s->link);
	map_put(&r->speakers->map, &s->node);
	return s;
}

static void note(struct room *r, struct jid who)
{
	struct speaker *s;

	if (!r->speakers) {
		r->speakers = xcalloc(1, sizeof *r->speakers);
		map_init(&r->speakers->map, key_of);
		list_init(&r->speakers->in_order);
	}
	make_room(r);
	s = find(r, who);
	if (!s)
		s = speaker_new(r, who);
	s->at_ms = r->shard->loop.now;
	list_del(&s->link);
	list_add(&r->speakers->in_order, &s->link);
}

/* ---- speaking (section 6) ---- */

/* Whether a message is one that is to be waited for. */
static bool counts(const struct occupant *o, const struct stanza *message)
{
	const struct xml_node *root = stanza_root(message);

	return o->room->config.slow_seconds && o->role < MODERATOR &&
	       xml_child(&message->doc, root, root->ns, TAG_BODY);
}

static bool accepts(struct seat *seat, const struct stanza *message, struct stanza_refusal *why)
{
	const struct occupant *o = seat->occupant;
	const struct room *r = o->room;
	const struct speaker *s = counts(o, message) ? find(r, o->bare) : NULL;

	if (!s || s->at_ms + duration_ms(r) <= r->shard->loop.now)
		return true;
	*why = (struct stanza_refusal){ ERR_POLICY_VIOLATION, .type = STR("wait"),
		.text = str_printf(&r->shard->loop.turn,
			"the room is slow: wait %u seconds between two messages",
			r->config.slow_seconds) };
	return false;
}

static void passed_on(struct occupant *o, struct stanza *message)
{
	if (counts(o, message))
		note(o->room, o->bare);
}

/* Section 5.2 */
static void write_info(struct room *r, struct writer *w)
{
	if (!r->config.slow_seconds)
		return;
	form_write_field(w, "muc#roominfo_slow_mode_duration", "text-single",
		"Seconds between two messages of a participant",
		str_printf(&r->shard->loop.turn, "%u", r->config.slow_seconds));
}

const struct module xep0500_slow_mode = {
	.name = "slow-mode",
	.spec = "XEP-0500 0.1.1",
	.room_unload = unload,
	.room_info = write_info,
	.room_accepts = accepts,
	.room_passed_on = passed_on,
};
