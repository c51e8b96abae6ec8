/* Taking over accounts: what every source of them (XEP-0227 files, Prosody's storage,
 * ejabberd's database) hands its findings to.
 *
 * A source runs twice over the same input: first to be checked, with nothing written, then to
 * be stored. So an input that is broken anywhere changes nothing. It calls import_user(), what
 * it finds of that account in any order, and import_user_end(). What cannot be taken over (an
 * address that is none, a kind of data that has no place here) is left out and noted; the notes
 * are counted by their text, with the place of the first, for the report at the end. What makes
 * the input untrustworthy as a whole ends it: import_fail().
 *
 * Strings are borrowed for the call, XML is one whole element, in UTF-8, whose default
 * namespace outside is jabber:client. */
#ifndef SERVER_IMPORT_H
#define SERVER_IMPORT_H

#include "base/map.h"
#include "server/config.h"
#include "server/data.h"
#include "xml/tree.h"
#include "xmpp/sasl.h"
#include "xmpp/stanza.h"

#include <signal.h>

#define IMPORT_XML_MAX   (2 * 1024 * 1024) /* bytes of one element handed in */
#define IMPORT_ENTRIES   1000 /* of lists, that are stored together */
#define IMPORT_NODES_MAX 10000 /* of one account */
#define IMPORT_NOTES_MAX 200               /* kinds of notes; the rest is counted as one */

struct import_options {
	struct str host, user;  /* empty: all */
	bool replace;           /* accounts that exist; else they are left as they are */
	bool check;             /* the first run alone */
	const volatile sig_atomic_t *stop; /* set by a signal: give up */
};

struct import_note {
	struct str text, place;
	uint64_t n;
};

struct import_counts {
	uint64_t accounts, contacts, requests, vcards, private_xml, blocked, preferences, offline,
		archived, nodes, items, existing, elsewhere, rooms, existing_rooms;
	uint64_t single[DIGEST_COUNT]; /* accounts with keys of this hash and no other */
};

struct import {
	const struct config *config;
	const struct import_options *options;
	struct data *data;              /* NULL: the run that checks */
	struct arena mem;               /* notes and the error */
	struct str error;               /* set: the run is over */
	struct import_counts counts;
	bool replaced;                  /* an account that existed */
	struct import_note notes[IMPORT_NOTES_MAX];
	size_t n_notes;

	const char *file;               /* where the source is, for messages */
	uint64_t line;                  /* or 0 */

	/* The account at hand. */
	bool in_user;                   /* between import_user() and import_user_end() */
	bool taken;                     /* its data are wanted */
	struct arena user_mem;          /* lives until import_user_end() */
	struct str host, user, jid;
	struct scram_keys keys;
	struct import_private *private_xml; /* in user_mem, as those below */
	struct str vcard4, avatar_metadata, avatar_data; /* payloads of PEP nodes */
	bool has_vcard;
	struct import_pep *nodes;       /* import_nodes.c: those that were made */
	unsigned n_nodes;
	struct store_datum *entries;    /* of its lists, that are not handed over */
	size_t n_entries;
	struct import_held *held, *held_last; /* what waits, until its place is known */
	struct map held_ids;
	size_t held_bytes;
	uint64_t last_id, last_waiting_id;
	uint64_t version;               /* of the roster */
	unsigned requests;
	struct import_room *room;       /* import_rooms.c: the "account" is a room; or NULL */
	struct xml_table table;         /* scratch */
	struct buf out;                 /* scratch */
	struct arena turn;              /* scratch of one call */
};

void import_init(struct import *im, const struct config *c, const struct import_options *o);
void import_clear(struct import *im);

/* From the check to storing: forgets counts and notes. */
void import_again(struct import *im, struct data *d);

/* Notes something that is left out. */
void import_note(struct import *im, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Ends the run, with the place where the source is. False, for the caller to return. */
bool import_fail(struct import *im, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Whether a host is to be taken over; notes it when the configuration does not serve it. */
bool import_wants_host(struct import *im, struct str host);

/* Begins an account. Its data may be handed in whether or not it is taken. False: the run is
 * over. */
bool import_user(struct import *im, struct str host, struct str user);

/* The account is whole. False: it could not be stored, and the run is over. */
bool import_user_end(struct import *im);

/* A password as the person types it. */
void import_password(struct import *im, struct str password);

/* One key. Bytes of the hash's length, else it is noted. */
void import_key(struct import *im, enum digest d, uint64_t rounds, struct str salt,
	struct str stored, struct str server);

/* A contact as another server wrote it: `subscription` is RFC 6121's word. groups as in struct
 * store_item. */
struct import_contact {
	struct str jid, name, subscription, groups;
	bool ask, approved;
};
void import_contact(struct import *im, const struct import_contact *c);

/* A request to subscribe that waits. xml: the presence stanza, or empty when only the address
 * is known. */
void import_request(struct import *im, struct str from, struct str xml);

/* A message that waits for the account. stamp_us: when it came, or 0 when the XML says so (the
 * <delay/> of the host) or nobody knows. */
void import_offline(struct import *im, uint64_t stamp_us, struct str xml);

/* A vCard (XEP-0054), and an element of private storage (XEP-0049). */
void import_vcard(struct import *im, struct str xml);
void import_private(struct import *im, struct str xml);

/* The payload of an item of a PEP node. That of a profile or an avatar becomes a vCard, where the
 * account has no other. The last one of a node counts. False: it is neither. */
bool import_profile(struct import *im, struct str node, struct str xml);

/* The same; what is neither is noted. */
void import_node(struct import *im, struct str node, struct str xml);

/* PEP nodes (XEP-0227 section 4.10): <configure/> with its form, before the node's items; its
 * <affiliations/> or <subscriptions/>, behind that; and items, the oldest first. */
struct import_item {
	struct str id, publisher, payload; /* publisher: maybe empty; payload: standing alone, or empty */
};
void import_node_config(struct import *im, const struct xml_doc *d, const struct xml_node *configure);
void import_node_people(struct import *im, const struct xml_doc *d, const struct xml_node *list);
void import_node_item(struct import *im, struct str node, const struct import_item *item);

/* An address that is blocked (XEP-0191). */
void import_blocked(struct import *im, struct str jid);

/* Archive preferences (XEP-0313): an address whose messages are always or never kept, and the
 * default: "always", "never" or "roster". */
void import_preference(struct import *im, struct str jid, bool always);
void import_preferences(struct import *im, struct str def);

/* A message of the history, which come in the order of time. id: the archive's own, or empty.
 * stamp_us: when it came. */
void import_archived(struct import *im, struct str id, uint64_t stamp_us, struct str xml);

/* ---- rooms (XEP-0045): in place of an account, from import_room() to import_room_end() ---- */

/* Whether a domain is a service of the configuration whose rooms are to be taken over. One that is
 * not is no fault. */
bool import_wants_rooms(struct import *im, struct str domain);

/* Begins a room, and ends it. False: the run is over. */
bool import_room(struct import *im, struct str domain, struct str name);
bool import_room_end(struct import *im);

/* A field of its configuration, by its short name (core/room_config.h). */
void import_room_field(struct import *im, const char *var, const struct str *values, size_t n);
void import_room_text(struct import *im, const char *var, struct str value);

/* What somebody is to it; nick: registered, or empty. */
void import_room_member(struct import *im, struct str jid, struct str affiliation, struct str nick);

/* Its subject: text, and the address of the occupant who set it. */
void import_room_subject(struct import *im, struct str from, struct str text, uint64_t stamp_us);

/* A message of its archive as its author sent it: who that is, under which nickname. */
void import_room_said(struct import *im, uint64_t stamp_us, struct str nick, struct str author,
	struct str xml);

/* For import_archived(): a message of a room is from an occupant, to nobody, and the address of its
 * author stands in it (XEP-0313 section 8.3). The author's bare JID, in im->turn, or empty. */
struct str import_room_author(struct import *im, const struct stanza *st);

/* For import.c: an account begins and ends, with what the other files gather for it. */
void import_documents_begin(struct import *im);
void import_documents_end(struct import *im);
bool import_vcard4(struct import *im, struct buf *out); /* false: there is none */
bool import_scan(struct import *im, struct xml_table *t, struct str xml, struct arena *a,
	struct xml_doc *d);
void import_messages_begin(struct import *im);
void import_messages_end(struct import *im);

#endif
