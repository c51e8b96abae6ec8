/* Stream management of a session, core's part (XEP-0198): what was sent and is not
 * acknowledged, what came and is not handled, and the time between two connections. The
 * elements themselves are in modules/xep0198_sm.c.
 *
 * A message that came is handled, and counted in our <a/>, once it is committed where its
 * recipient will find it after a crash, or refused, or given to whom it is not kept for. All
 * else is handled at once.
 *
 * Bounds: settings.unacked_max bytes wait for the client's <a/>; over that the session ends.
 * SM_OPEN_MAX messages may be on their way to the ledger; then no more is read until half of them
 * are there. */
#ifndef CORE_SM_H
#define CORE_SM_H

#include "core/session.h"
#include "xmpp/ack.h"

#define SM_ID_LEN      24   /* of an SM-ID: 18 random bytes in base64 */
#define SM_OPEN_MAX    1000 /* messages of a session that are not handled yet */
#define SM_ASK_AFTER   16   /* stanzas after which the client is asked */
#define SM_ASK_MS      1000 /* or so long after one that it has not acknowledged */
#define SM_ANSWER_MS   1000 /* an <r/> waits so long for what came before it to be handled */
#define SM_PAST_MAX    256  /* sessions of a shard that are over and of which `h` is known */
#define SM_SILENCE_MS  (120 * 1000) /* a client that does not answer an <r/> is gone */

/* A stanza that the client has not acknowledged. */
struct unacked {
	struct stanza *stanza; /* counted; NULL: text */
	char *text;            /* owned; of the stanza, or where that is there its `to`, unless it
				* is the session's own address (NULL) */
	uint32_t n_text;
	uint8_t flags;         /* enum send_flags */
	bool bare;             /* `to` is the account's address */
	uint64_t stamp_us;     /* when it was sent first; wall clock */
};

struct sm {
	struct session *session;
	struct ack_in in;
	struct unacked *ring;    /* of what the client has not acknowledged, oldest first */
	uint32_t first, n, cap;
	uint32_t bytes;          /* of the stanzas in it */
	uint32_t sent;           /* number of the newest */
	uint32_t surplus;        /* what its counts are too high by, at most `before` */
	uint32_t before;         /* stanzas it was sent before <enabled/> */
	uint32_t since_request;  /* stanzas since we asked */
	bool requested;          /* we asked, and it did not answer */
	bool asked;              /* it asked, and what it had sent by then is not handled */
	bool held;               /* its stream is not read: too much is not handled */
	bool full;               /* more than the bound: the session is about to end */
	bool resumable;
	uint32_t asked_at;       /* number of the last stanza before its <r/> */
	uint32_t resume_s;       /* how long it may be away */
	uint64_t away_us;        /* wall clock: since when it is */
	struct client *coming;   /* resumes once all is handled; counted */
	struct timer ask;        /* connected: to ask, or the end of patience; full: the end */
	struct timer answer;     /* while asked */
	struct timer away;       /* while it is away */
	char id[SM_ID_LEN];
};

/* Turns it on. resume_s: how long the client may be away, or 0. */
void sm_enable(struct session *s, uint32_t resume_s);

/* The session is over: sends on what was not acknowledged (RFC 6121 section 8, XEP-0160), and
 * frees it. */
void sm_end(struct sm *sm);

/* A stanza goes to the client, or would. */
void sm_keep(struct sm *sm, const struct stanza *st, struct jid to, unsigned flags);
void sm_keep_text(struct sm *sm, struct str xml);

/* The client's <a/> and <r/>. sm_acknowledged(): false when it is more than was sent. */
bool sm_acknowledged(struct sm *sm, uint32_t h);
void sm_asked(struct sm *sm);

/* A stanza came. later: sm_handled() will say when it is handled. Returns its number. */
uint32_t sm_take(struct sm *sm, bool later);
void sm_handled(struct sm *sm, uint32_t number);

/* What was sent and is not acknowledged: number i of sm->n, from the oldest. */
const struct unacked *sm_unacked(const struct sm *sm, uint32_t i);

/* The connection is gone, and the session waits for another. */
void sm_leave(struct sm *sm);

/* It has no connection: it waits for one, as long as its client may be away. */
void sm_wait(struct sm *sm);

/* The session of the account with this SM-ID, or NULL. */
struct sm *sm_find(struct account *a, struct str id);

/* A session that is away as text, and back: for a restart (core/sm_state.c). */
#define SM_SPACE "session" /* of the accounts' data; the key is the SM-ID */
void sm_save(struct sm *sm, struct buf *out);
bool sm_restore(struct account *a, struct str text);

/* The same for all sessions that are away, at the end of the server (core_save()). And at its
 * start: loads the accounts that have some, so that they are there for their contacts. */
void sm_save_all(struct core *c);
void sm_restore_all(struct core *c);

/* What had been received on a session that is over, if that is still known: for <failed/>. */
bool sm_past(struct shard *s, struct str id, uint32_t *h);

/* Another connection goes on for the session, now or when all that came before is handled. */
void sm_resume(struct sm *sm, struct client *c);

#endif
