/* A message that can be checked where it arrives: its number, when it was due, and a filler that
 * depends on the number. Written from a template, so that it costs the generator little. */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

#include "peer.h"

/* "NUMBER TIME " in front of the filler, both of 16 hexadecimal digits: the least body. */
#define MESSAGE_HEAD 34

/* From one user to another, or to a room. */
struct message_line {
	char *template;
	uint32_t n, id, body; /* length, and offsets of what changes */
	uint32_t n_body;
	const char *type;
	char *from;                 /* full JID of the sender; NULL: to a room, from many */
	uint64_t sent, received;    /* numbers of the next ones */
};

/* to_bare: to the account, not to the session. bytes: of the body. */
void message_line_init(struct message_line *l, const struct peer *from, const struct peer *to,
	bool to_bare, unsigned bytes);

/* To a room, of the type groupchat; who sends them keeps their numbers. */
void message_line_init_room(struct message_line *l, const char *room, unsigned bytes);

void message_line_clear(struct message_line *l);

/* Writes the next message. due: ns. */
void message_write(struct message_line *l, struct buf *out, uint64_t due);

/* Writes the one of this number, be it lost on its way and sent once more. */
void message_write_numbered(struct message_line *l, struct buf *out, uint64_t number, uint64_t due);

/* Looks at one that came: it must be the next of the line, byte for byte in its body, and have
 * the sender, type and id that it was sent with. floor: nothing put a sender in. Returns what is
 * wrong, or NULL and when it was due. */
const char *message_check(struct message_line *l, const struct xml_doc *d, bool floor,
	struct arena *a, uint64_t *due);

/* The number of a message that lies somewhere in a stanza, as in one from an archive. False: it
 * is none of this program's. */
bool message_number(const struct xml_doc *d, const struct xml_node *m, struct arena *a,
	uint64_t *out);

/* Looks at such a message: it must be this one, unchanged. Returns what is wrong, or NULL. */
const char *message_check_stored(const struct message_line *l, const struct xml_doc *d,
	const struct xml_node *m, uint64_t number, struct arena *a);

/* Looks at one that came from a room: it must be this one, from this occupant (NULL: nothing put
 * a sender in). Returns what is wrong, or NULL and when it was due. */
const char *message_check_room(const struct message_line *l, const struct xml_doc *d,
	uint64_t number, const char *from, struct arena *a, uint64_t *due);

#endif
