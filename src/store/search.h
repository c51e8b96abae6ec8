/* Full-text search in the archives (XEP-0431): an index in a database of its own, search.db in
 * the data folder, that is made from the ledger and can be made again.
 *
 * It is a view that catches up: for each archive it keeps a mark, the last message it has seen,
 * and reads on from there in the ledger, in pages, on a thread of low priority. search_news()
 * says that there is something to read, some seconds are let pass, and many messages become one
 * commit. A query first catches up with its archive, so that it finds what was stored before it;
 * and what a crash, a full disk or a server without search left out is only read later.
 * Messages that the ledger has no longer leave the index with the next query.
 *
 * What counts as a word. Case, diacritics and punctuation do not matter. All words of a query
 * must be in the message; what stands together without white space ("to-day") must stand
 * together there. Scripts that put no space between words, and Hangul, are taken character by
 * character, so that any part of such text is found. No byte of a query is syntax. The words of
 * each archive are told apart inside the index: what a query costs depends on its own archive.
 *
 * How it fails. An operation comes home with its status; a full disk is STORE_FULL, what SQLite
 * said is logged as search_failed, and indexing is tried again later. */
#ifndef STORE_SEARCH_H
#define STORE_SEARCH_H

#include "base/buf.h"
#include "base/list.h"
#include "store/ledger.h"

#define SEARCH_TEXT_MAX   1024  /* bytes of a query's text, */
#define SEARCH_WORDS_MAX  32    /* and words in it */
#define SEARCH_RESULT_MAX 1000  /* ids of one answer */
#define SEARCH_OPS_MAX    10000 /* operations that are not home: STORE_FULL */

struct search;

/* Gives the text of a message that is to be searched (nothing: it is none of those), and the bare
 * JID of the other side as ledger_query.with has it. Runs on the thread of the search. */
typedef void search_read(const struct ledger_message *m, struct str archive, struct buf *text,
	struct buf *partner);

/* What is 0 or empty asks for nothing, as in struct ledger_query. */
struct search_query {
	struct str text;
	struct str with;
	uint64_t after, before;    /* ids */
	uint64_t start_us, end_us; /* stamps, both included */
	uint32_t max;              /* SEARCH_RESULT_MAX at most */
	bool newest;               /* the last of those that fit; else the first */
};

struct search_op {
	struct mail mail;
	struct mailbox *home;
	void (*done)(struct search_op *op, void *receiver);
	enum store_status status;
	struct arena mem;          /* request and result live here */
	struct str archive;
	uint64_t *ids;             /* result of search_find(): the oldest first */
	size_t n_ids;
	bool complete;             /* nothing fits beyond these, in the direction of paging */
	void *ctx;                 /* of the caller, ctx_size bytes, zeroed */

	struct list link;          /* the search's own, until it is home */
	struct search *search;
	uint8_t kind;
	struct search_query query;
	uint64_t id;
};

/* Opens (and creates) the index in folder dir. NULL with a message for people in *error (in the
 * arena); search_remove() may help then. */
struct search *search_open(const char *dir, struct ledger *l, search_read *read, struct arena *a,
	struct str *error);

/* Ends the thread, before the ledger closes. Operations that are under way come home, STORE_FAILED
 * where they were not done; an erasure goes on when the index is opened again. Nothing may be
 * asked any more. */
void search_stop(struct search *s);

/* Operations that are not home yet. Any thread, until search_close(). */
unsigned search_ops(const struct search *s);

/* Deletes the files of an index that is not open. It is made anew when it is opened. False with
 * errno where one of them is still there. */
bool search_remove(const char *dir);

/* Frees it, once it is stopped and the ledger, whose answers it got, is closed. */
void search_close(struct search **s);

struct search_op *search_op_new(struct mailbox *home, void (*done)(struct search_op *, void *),
	size_t ctx_size);
void search_op_free(struct search_op *op);

/* Any thread may call what follows; what it is given is copied. */

/* The archive has new messages. Cheap, and may be left out: a query looks by itself. */
void search_news(struct search *s, struct str archive);

/* The messages of an archive that fit. STORE_FULL: a bound above, or the disk's when it had to
 * catch up. A text without any word finds nothing. */
void search_find(struct search *s, struct search_op *op, struct str archive,
	const struct search_query *q);

/* The message of this id has another text now (XEP-0424), or none: it is read again from the
 * ledger. Home when the old text is gone from the index. */
void search_again(struct search *s, struct search_op *op, struct str archive, uint64_t id);

/* The archive is erased. Home when nothing of it can be read in the file any more. */
void search_erase(struct search *s, struct search_op *op, struct str archive);

#endif
