/* Archives of messages (XEP-0313): what is worth keeping, whether an account has one, what its
 * owner wants in it (XEP-0441), and the index for searching (XEP-0431). Those of rooms:
 * core/room_archive.h. */
#ifndef CORE_ARCHIVE_H
#define CORE_ARCHIVE_H

#include "core/account.h"
#include "store/search.h"

#define ARCHIVE_PREFS_MAX 1000 /* JIDs in both lists together */

enum archive_default { ARCHIVE_ALWAYS, ARCHIVE_NEVER, ARCHIVE_ROSTER };

/* Owned by its account; NULL there stands for ARCHIVE_ALWAYS and no lists. */
struct archive_prefs {
	enum archive_default by_default;
	struct archive_rule {
		struct jid jid; /* its text is owned */
		bool never;     /* else always */
	} *rules;
	uint32_t n_rules;
	bool changing; /* others are being stored in their place */
};

/* Whether a message says something that somebody may want to read again, and no hint (XEP-0334)
 * forbids to keep it. */
bool archive_is_worth(const struct stanza *m);

/* Whether messages of the account are archived at all. */
bool archive_is_on(const struct account *a);

/* Whether the owner wants messages with this one archived. partner: full or bare JID. */
bool archive_wants(const struct account *a, struct jid partner);

/* Adds a rule (a later one for the same JID replaces it), making the preferences where there are
 * none yet. False: there are too many. */
bool archive_prefs_add(struct archive_prefs **p, struct jid j, bool never);
void archive_prefs_default(struct archive_prefs **p, enum archive_default d);
void archive_prefs_free(struct archive_prefs **p);

/* What is searched of a message: its subjects and its bodies, where these are not stand-ins for
 * something encrypted (XEP-0380). Its partner is the one that core/message.c, or of a room
 * core/room_archive.c, files it under. For search_open(). */
search_read archive_read_text;

/* Other bytes take the place of a message (XEP-0424), in all archives that it is in, and in the
 * index. archives: those that may have it, ARCHIVE_SIDES at most; the first one has. done (or NULL)
 * is called on the same shard, with ctx, once the old bytes are gone from the archives; what fails
 * is logged too. */
#define ARCHIVE_SIDES LEDGER_ARCHIVES
void archive_replace(struct shard *s, const struct str *archives, size_t n_archives, uint64_t id,
	struct str bytes, void (*done)(struct shard *s, enum store_status status, void *ctx),
	void *ctx);

/* Erases all messages of an account or of a room, those that wait included, and what the index
 * knows of them. done (or NULL) is called on the same shard, with ctx; what fails is logged too. */
void archive_erase(struct shard *s, struct jid owner,
	void (*done)(struct shard *s, enum store_status status, void *ctx), void *ctx);

#endif
