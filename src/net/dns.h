/* DNS look-ups with validation (DNSSEC), by libunbound.
 *
 * A process has one resolver. libunbound works in a thread of its own; all that we keep about
 * questions belongs to one loop, which dns_attach() names. Any thread asks: the question goes
 * to that loop as a mail, and comes home with its answer as a mail. It always comes home, at
 * the latest after DNS_TIMEOUT_MS, and once. Answers are cached by libunbound for as long as
 * they live.
 *
 * Names are asked for as they are: no search domains. "localhost" and names within it are this
 * machine (RFC 6761 section 6.3), and "onion" and "invalid" do not exist (RFC 7686 section 2). */
#ifndef NET_DNS_H
#define NET_DNS_H

#include "base/arena.h"
#include "base/list.h"
#include "base/mailbox.h"

struct dns;
struct loop;

#define DNS_TIMEOUT_MS  10000 /* from the question to its answer */
#define DNS_NAME_MAX    253   /* bytes of a name as text */
#define DNS_RECORDS_MAX 128   /* of one answer; what is behind them is left out */
#define DNS_RUNNING_MAX 1024  /* questions that libunbound works on */
#define DNS_WAITING_MAX 8192  /* behind them; what comes then has failed at once */
#define DNS_TTL_MAX     86400 /* seconds */

enum dns_type { DNS_A = 1, DNS_AAAA = 28, DNS_SRV = 33, DNS_TLSA = 52 };

struct dns_options {
	/* Where to ask: "192.0.2.1", "192.0.2.1@5353", "2001:db8::1". n_servers 0: as the system
	 * does, the servers of /etc/resolv.conf (this machine's where there is no such file), and
	 * before them the addresses of /etc/hosts. */
	const char *const *servers;
	size_t n_servers;
	const char *anchor_file;    /* trust anchors, DNSKEY or DS records as text; NULL: nothing is
				     * validated and so nothing is secure */
	bool loopback;              /* net/locate.h takes addresses of this machine from DNS, too */
};

/* A resolver, and its thread. NULL with a message for people in *error (in the arena): a
 * server that is no address, an anchor file that cannot be read. */
struct dns *dns_new(const struct dns_options *o, struct arena *a, struct str *error);

/* The loop that the resolver lives in, before anybody asks. False with errno. */
bool dns_attach(struct dns *d, struct loop *l);

/* Ends it, when the loop does not run any more: what was asked comes home as DNS_FAILED, and
 * so does what is asked from now on. */
void dns_stop(struct dns *d);

/* Behind dns_stop(), and when all mailboxes have been emptied (that of the loop, too). NULL
 * inside is fine. */
void dns_free(struct dns **d);

/* What it was made with: an anchor file; loopback. */
bool dns_validates(const struct dns *d);
bool dns_takes_loopback(const struct dns *d);

enum dns_status {
	DNS_OK,
	DNS_NONE,   /* no such name, or it has no such record; also what can be no name */
	DNS_FAILED, /* the servers failed, or were silent; too many questions */
	DNS_BOGUS   /* validation failed: an attack or a mistake. There are no records */
};

/* One question, embedded in who asks; dns_query_clear() when it is home. */
struct dns_query {
	struct mail mail;
	struct mailbox *home;
	void (*done)(struct dns_query *q, void *receiver); /* on the loop of home */
	struct dns *dns;
	struct list due, waiting; /* the resolver's */
	struct dns_run *run;      /* likewise */
	uint64_t deadline;        /* likewise */
	enum dns_type type;
	char name[DNS_NAME_MAX + 1];
	/* The answer. */
	enum dns_status status;
	bool secure;         /* validated; with DNS_NONE: that there is nothing has been proven */
	uint32_t ttl;        /* seconds, at most DNS_TTL_MAX; may be 0 with DNS_NONE */
	struct str *records; /* rdata as on the wire (RFC 1035 section 3.2.1), not compressed */
	size_t n;
};

/* Asks for the records of a name (ASCII, dots between the labels). Home and done are set; the
 * struct must stay where it is until it comes home. Called from any thread. */
void dns_ask(struct dns *d, struct dns_query *q, struct str name, enum dns_type type);

/* Frees the answer. Does nothing for a struct that is zeroed. */
void dns_query_clear(struct dns_query *q);

/* Whether it can be asked for: letters, digits, hyphens and underscores, in labels of 1 to 63
 * bytes with dots between them. */
bool dns_is_name(struct str name);

#endif
