#include "core/room_invite.h"

#include "base/bug.h"
#include "core/message.h"
#include "core/route.h"

#include <stdlib.h>

/* One that was sent. Owned by its list. */
struct invitation {
	struct list link;
	uint64_t at;        /* monotonic ms */
	struct jid inviter; /* full; its text is inline, like those of the next two */
	struct jid invitee; /* as it was addressed */
	struct str id;      /* raw, of the message; or the null slice */
	bool over;          /* declined, or come back: it counts for its inviter still */
};

struct room_invited {
	struct list sent;   /* the oldest first */
	uint32_t n;
};

/* ---- what is remembered ---- */

static void forget(struct room_invited *all, struct invitation *i)
{
	list_del(&i->link);
	all->n--;
	free(i);
}

static struct room_invited *invited_of(struct room *r)
{
	if (!r->invited) {
		r->invited = xcalloc(1, sizeof *r->invited);
		list_init(&r->invited->sent);
	}
	return r->invited;
}

static struct jid put_jid(char **at, struct jid j)
{
	struct str text = jid_str(j);

	j.p = memcpy(*at, text.p, text.n);
	*at += text.n;
	return j;
}

static void remember(struct room *r, const struct room_invite *sent)
{
	struct room_invited *all = invited_of(r);
	struct invitation *i = xcalloc(1,
		sizeof *i + jid_str(sent->inviter).n + jid_str(sent->to).n + sent->id.n);
	char *at = (char *)(i + 1);

	if (all->n == ROOM_INVITED_MAX)
		forget(all, container_of(all->sent.next, struct invitation, link));
	i->at = r->shard->loop.now;
	i->inviter = put_jid(&at, sent->inviter);
	i->invitee = put_jid(&at, sent->to);
	i->id = sent->id.p ? str_from(memcpy(at, sent->id.p, sent->id.n), sent->id.n) : STR_NULL;
	list_add(&all->sent, &i->link);
	all->n++;
}

unsigned room_invites_left(const struct room *r, struct jid who)
{
	unsigned n = 0;

	if (!r->invited)
		return ROOM_INVITES_MAX;
	list_each(i, &r->invited->sent, struct invitation, link)
		n += jid_eq_bare(i->inviter, who) && r->shard->loop.now - i->at < ROOM_INVITES_MS;
	return n < ROOM_INVITES_MAX ? ROOM_INVITES_MAX - n : 0;
}

static struct invitation *find_declined(const struct room *r, struct jid inviter,
	struct jid invitee)
{
	struct invitation *found = NULL;

	if (!r->invited)
		return NULL;
	list_each(i, &r->invited->sent, struct invitation, link)
		if (!i->over && jid_eq_bare(i->inviter, inviter) &&
			jid_eq_bare(i->invitee, invitee))
			found = i;
	return found;
}

static struct invitation *find_failed(const struct room *r, const struct stanza *error)
{
	if (!r->invited)
		return NULL;
	list_each(i, &r->invited->sent, struct invitation, link)
		if (!i->over && jid_eq(i->invitee, error->from) && str_eq(i->id, error->id))
			return i;
	return NULL;
}

void room_invites_free(struct room *r)
{
	if (!r->invited)
		return;
	list_each_safe(i, &r->invited->sent, struct invitation, link)
		forget(r->invited, i);
	free(r->invited);
	r->invited = NULL;
}

/* ---- what the room sends ---- */

/* The inviter: the client that he invited with, while it is in the room. */
static struct jid inviter_now(const struct room *r, const struct invitation *i)
{
	return room_seat(r, i->inviter) ? i->inviter : jid_bare(i->inviter);
}

/* Sends the message in the scratch buffer, for archives with an id. */
static void send_off(struct room *r, struct writer *w)
{
	struct shard *s = r->shard;

	w_close(w);
	if (!w_done(w))
		return;
	struct stanza *st = stanza_scan(&s->scratch_table, buf_str(&s->scratch), &s->loop.turn);
	BUG_ON(!st);
	st->archive_id = message_new_id(s);
	route(s, st);
	stanza_unref(&st);
}

static struct writer open_message(struct room *r, const char *type, struct jid to, struct str id)
{
	buf_reset(&r->shard->scratch);
	struct writer w = w_on(&r->shard->scratch);
	stanza_open(&w, STANZA_MESSAGE, type, r->jid, to, id);
	w_open_ns(&w, "x", NS_MUC_USER);
	return w;
}

void room_invite(struct room *r, const struct room_invite *i)
{
	struct writer w = open_message(r, NULL, i->to, i->id);

	w_open(&w, "invite");
	w_attr(&w, "from", jid_bare_str(i->inviter));
	if (i->reason.p)
		w_leaf(&w, "reason", i->reason);
	if (i->continues) {
		w_open(&w, "continue");
		w_attr(&w, "thread", i->thread);
		w_close(&w);
	}
	w_close(&w);
	if (r->config.has_secret)
		w_leaf(&w, "password", str_c(r->config.secret));
	w_close(&w);
	w_open_ns(&w, "x", NS_CONFERENCE); /* for clients that know no other invitation */
	w_attr(&w, "jid", jid_str(r->jid));
	w_text(&w, i->reason);
	w_close(&w);
	remember(r, i);
	send_off(r, &w);
}

bool room_decline(struct room *r, struct jid inviter, struct jid invitee, struct str reason,
	struct str id)
{
	struct invitation *i = find_declined(r, inviter, invitee);

	if (!i)
		return false;
	struct writer w = open_message(r, NULL, inviter_now(r, i), id);
	w_open(&w, "decline");
	w_attr(&w, "from", jid_bare_str(invitee));
	if (reason.p)
		w_leaf(&w, "reason", reason);
	w_close(&w);
	w_close(&w);
	send_off(r, &w);
	i->over = true;
	return true;
}

bool room_invite_failed(struct room *r, const struct stanza *error)
{
	struct invitation *i = find_failed(r, error);

	if (!i)
		return false;
	struct writer w = open_message(r, "error", inviter_now(r, i), i->id);
	w_open(&w, "invite");
	w_attr(&w, "to", jid_str(i->invitee));
	w_close(&w);
	w_close(&w);
	w_open(&w, "error");
	w_attr(&w, "by", jid_str(r->jid));
	w_attr(&w, "type", stanza_error_type(ERR_ITEM_NOT_FOUND));
	w_open_ns(&w, stanza_error_name(ERR_ITEM_NOT_FOUND).p, NS_STANZAS);
	w_close(&w);
	w_close(&w);
	send_off(r, &w);
	i->over = true;
	return true;
}
