/* The store: what must outlive the process, but for messages (store/ledger.h).
 *
 * Asynchronous: a loop hands over an operation and gets it back, finished, as a mail; it
 * never waits for a disk. All writes go through one writer in the order of submission and
 * are committed in groups; an operation comes home only once it is committed and synced.
 * Reads run on a pool of readers: a read sees what had come home before it was submitted,
 * and, of one home, also every write submitted before it (it waits for their commit).
 *
 * Rooms have calls of their own (store/rooms.h), and so have nodes (store/nodes.h).
 *
 * One driver today: store/sqlite.c. Nothing above knows which. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/arena.h"
#include "base/mailbox.h"

struct store;
struct store_op;

enum store_status {
	STORE_OK,
	STORE_NOT_FOUND, /* no such account, no such room */
	STORE_EXISTS,    /* store_account_create(): there is one */
	STORE_FULL,      /* disk full, more than STORE_WAITING_MAX operations wait, or data that
			  * is over a bound below */
	STORE_FAILED     /* anything else; it has been logged */
};

#define STORE_WAITING_MAX 100000

/* Keys of one hash; the meaning is xmpp/sasl.h's, the store only keeps the bytes. */
#define STORE_HASHES 3
struct store_key {
	uint32_t rounds;
	struct str salt, stored, server;
};

/* RFC 6121 section 2.1.2 */
struct store_item {
	struct str jid, name;
	struct str groups;       /* the group names, each followed by a NUL. A set: neither their
	                          * order nor repetitions are kept */
	uint8_t subscription;    /* bits: 1 to, 2 from */
	bool ask, approved;
	uint64_t version;        /* of the roster when this was written */
};

/* A subscription request that waits for the user's answer. */
struct store_pending {
	struct str jid, stanza;
};

/* One entry of an account's data: whatever a module keeps, under a key of its own in a space
 * that it has for itself. A space whose name begins with a small letter is resident: it comes
 * with store_load(), so it is for little that is needed often ("block", "push"). One that
 * begins with a capital is read when somebody asks ("Vcard"). */
struct store_datum {
	struct str space, key, bytes;
};

/* Bounds of an entry, in bytes, and of one call of store_set_data(), in entries. */
#define STORE_SPACE_MAX   32
#define STORE_KEY_MAX     8192      /* a JID has 3,071 at most */
#define STORE_BYTES_MAX   (1 << 24)
#define STORE_CHANGES_MAX 20000

struct store_account {
	struct str user;                       /* localpart */
	struct store_key keys[STORE_HASHES];   /* order of enum digest */
	uint64_t created_us;                   /* wall clock */
	uint64_t last_us;                      /* when it last went offline, or 0 */
	struct str last_status;                /* <status/> it left with */
	uint64_t roster_version;
	struct store_item *items;
	size_t n_items;
	struct store_pending *pending;
	size_t n_pending;
	struct store_datum *data;              /* in byte order of space and key */
	size_t n_data;
};

/* What somebody is to a room. The names are XEP-0045's; the store only keeps them. */
struct store_affiliation {
	struct str jid;          /* bare */
	struct str affiliation;  /* "owner", ...; empty: the entry is to be deleted */
	struct str role;         /* kept over visits (section 5.1), or empty */
	struct str nick;         /* registered (section 7.10), or empty */
	struct str reason;       /* given with the last change, or empty */
	uint64_t version;        /* of the room's list when this was written (XEP-0463) */
};

struct store_room {
	struct str name;         /* localpart */
	struct str title;        /* for people; in the configuration too */
	struct str about;        /* description, likewise */
	bool listed;             /* everybody may find it */
	bool persistent;         /* outlives its last occupant */
	uint32_t occupants;      /* about so many, when this was written */
	struct str config;       /* XML */
	struct str subject;      /* XML of the message that set it, or empty */
	uint64_t subject_us;     /* and when, or 0 */
	struct str key;          /* secret bytes of the room */
	uint64_t created_us;
	uint64_t version;        /* of its affiliations */
	/* Of store_room_load() alone. */
	struct store_affiliation *affiliations; /* in byte order of the JIDs */
	size_t n_affiliations;
	struct store_datum *data;               /* in byte order of space and key */
	size_t n_data;
};

/* Driver's part of an operation; opaque. */
enum store_kind {
	STORE_KEYS, STORE_LOAD, STORE_CREATE, STORE_DELETE, STORE_SET_KEYS, STORE_SET_LAST,
	STORE_SET_ITEM, STORE_DEL_ITEM, STORE_SET_PENDING, STORE_DEL_PENDING, STORE_SET_DATA,
	STORE_CLEAR_DATA, STORE_GET_DATA, STORE_LIST_DATA, STORE_USERS, STORE_ACCOUNTS_WITH,
	STORE_ROOM_LOAD, STORE_ROOM_SAVE, STORE_ROOM_CHANGE, STORE_ROOM_DELETE, STORE_ROOM_DATA,
	STORE_ROOMS, STORE_ROOMS_LISTED, STORE_ROOMS_WITH, STORE_ROOMS_OF,
	STORE_ROOMS_TEMPORARY,
	STORE_ROOMS_SEARCH,
	STORE_NODES_LOAD, STORE_NODE_SUBSCRIPTIONS, STORE_NODE_ITEMS, STORE_NODES,
	STORE_NODES_AFFILIATED, STORE_NODES_SUBSCRIBED, STORE_NODE_OWNERS,
	STORE_NODE_CREATE, STORE_NODE_SAVE, STORE_NODE_DELETE, STORE_NODE_PUBLISH,
	STORE_NODE_RETRACT, STORE_NODE_PURGE, STORE_NODES_FORGET, STORE_NODES_EXPIRE,
	STORE_BACKUP
};

struct db_backup;
struct db_node_request;
struct db_room_search;
struct store_node;
struct store_node_item;

struct store_op {
	struct mail mail;
	struct mailbox *home;
	void (*done)(struct store_op *op, void *receiver);
	enum store_status status;
	enum store_kind kind;
	struct store_op *next;
	struct store_op *held;          /* of a write: reads that wait for its commit */
	struct arena mem;               /* request and result live here */
	struct str host, user, jid, space, bytes;
	uint64_t number;
	struct store_item item;
	struct store_account account;   /* the result of reads */
	struct str *users;              /* of store_users() */
	size_t n_users;
	struct store_room room;         /* of store_room_load() */
	struct store_room *rooms;       /* of store_rooms() and store_rooms_search() */
	size_t n_rooms;
	uint64_t n_all, n_before;       /* of store_rooms(); of store_node_retract() and others */
	struct store_node *nodes;       /* of lists of nodes (store/nodes.h) */
	size_t n_nodes;
	struct store_node *node;        /* of calls about one */
	struct store_node_item *items;
	size_t n_items;
	bool more;                      /* there are further ones */
	uint64_t node_count, node_bytes; /* of store_nodes(): what the owner has in all */
	struct db_node_request *node_request; /* what was asked of nodes */
	struct db_backup *backup;       /* one under way */
	struct db_room_search *search;  /* likewise */
	void *ctx;                      /* of the caller, ctx_size bytes, zeroed */
};

/* Opens (and creates or migrates) the database in folder dir. NULL with a message for people
 * in *error (in the arena). readers: threads that read. */
struct store *store_open(const char *dir, unsigned readers, struct arena *a, struct str *error);

/* Finishes what was submitted, then closes. */
void store_close(struct store **s);

/* A new operation; `done` is called on the loop of `home`, and must store_op_free() it. */
struct store_op *store_op_new(struct mailbox *home, void (*done)(struct store_op *, void *),
	size_t ctx_size);
void store_op_free(struct store_op *op);

/* Each call copies what it is given into the operation and submits it; the operation is the
 * store's until it comes home. host and user are canonical parts of the account's JID. */

/* Result: account.keys, created_us. */
void store_keys(struct store *s, struct store_op *op, struct str host, struct str user);

/* Result: the whole account; of its data the resident spaces. */
void store_load(struct store *s, struct store_op *op, struct str host, struct str user);

void store_account_create(struct store *s, struct store_op *op, struct str host, struct str user,
	const struct store_key keys[STORE_HASHES], uint64_t created_us);

/* With its roster, pending requests and data. */
void store_account_delete(struct store *s, struct store_op *op, struct str host, struct str user);

void store_set_keys(struct store *s, struct store_op *op, struct str host, struct str user,
	const struct store_key keys[STORE_HASHES]);
void store_set_last(struct store *s, struct store_op *op, struct str host, struct str user,
	uint64_t last_us, struct str status);

/* Puts or replaces the item; the account's roster version becomes item->version. */
void store_set_item(struct store *s, struct store_op *op, struct str host, struct str user,
	const struct store_item *item);
void store_del_item(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str jid, uint64_t version);

void store_set_pending(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str jid, struct str stanza);
void store_del_pending(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str jid);

/* Puts or replaces each entry, all of them or none; one without bytes is deleted. */
void store_set_data(struct store *s, struct store_op *op, struct str host, struct str user,
	const struct store_datum *changes, size_t n);

/* The same for changes in one space, unless its entries then had more than max bytes (keys
 * counted): that is STORE_FULL. */
void store_set_data_within(struct store *s, struct store_op *op, struct str host,
	struct str user, const struct store_datum *changes, size_t n, uint64_t max);

/* Deletes all entries of a space. */
void store_clear_data(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str space);

/* Result: account.data, with one entry or none. */
void store_get_data(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str space, struct str key);

/* Result: account.data, all entries of a space. */
void store_list_data(struct store *s, struct store_op *op, struct str host, struct str user,
	struct str space);

/* Localparts of a host in byte order, at most max, those behind `after`. Result: users. */
void store_users(struct store *s, struct store_op *op, struct str host, struct str after,
	unsigned max);

/* The accounts that have data of a space. Result: users, as bare JIDs. */
void store_accounts_with(struct store *s, struct store_op *op, struct str space);

/* Writes a copy of the whole database, as of one moment that is not before this call, into a
 * new file (STORE_FAILED if there is one). It is synced when the operation comes home, and
 * removed when that fails. Reads and writes go on meanwhile. */
void store_backup(struct store *s, struct store_op *op, struct str path);

/* Numbers for `stats`: groups committed, operations in them, and those that wait. */
struct store_stats {
	uint64_t groups, writes, reads, waiting, failed;
};
void store_stats(struct store *s, struct store_stats *out);

#endif
