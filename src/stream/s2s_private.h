/* Between s2s.c, s2s_header.c, s2s_login.c and s2s_dialback.c. */
#ifndef STREAM_S2S_PRIVATE_H
#define STREAM_S2S_PRIVATE_H

#include "stream/s2s.h"

/* Two domains that may talk, or that were asked about: a row of s->pairs and of s->asked. */
struct s2s_pair {
	struct s2s_pair *next;
	struct str remote, local;
	struct str id;      /* of the stream that a question is about; p NULL: it is about ours */
	char text[];
};

void s2s_pair_add(struct s2s_pair **list, struct str remote, struct str local, struct str id);

/* Takes a row out; false: there is none like it. */
bool s2s_pair_take(struct s2s_pair **list, struct str remote, struct str local, struct str id);
/* Whether the peer was authorised for a domain, whoever of ours it may talk to. */
bool s2s_speaks_for(const struct s2s *s, struct str remote);

void s2s_pairs_clear(struct s2s_pair **list);

static inline bool s2s_is_incoming(const struct s2s *s)
{
	return s->nego.role == NEGO_RECEIVING;
}

/* Whether something may be written besides negotiation: our header and the peer's are there, and
 * none is awaited. */
bool s2s_can_talk(const struct s2s *s);

/* A try to be authorised has failed: with too many the stream is closed. */
void s2s_count_try(struct s2s *s);

/* A stanza may come from now on. */
void s2s_take_stanzas(struct s2s *s);

/* Our header; from: who we are, to: who the peer is, or empty. */
void s2s_write_header(struct s2s *s, struct str from, struct str to);

/* The peer's header has come. */
void s2s_header(struct s2s *s, const struct xml_doc *d);

/* Ends without a word: there is nothing that could be said safely. */
void s2s_abort(struct s2s *s);

/* No input is taken until s2s_answered(). */
void s2s_ask(struct s2s *s);
void s2s_answered(struct s2s *s);

/* Incoming: writes the features of the phase that the header just opened. */
void s2s_offer(struct s2s *s);

/* Outgoing: goes on without features, which peers from before RFC 3920 do not send. */
void s2s_go_without_features(struct s2s *s);

/* First-level elements that nego_admit() has let pass: of negotiation, and of dialback. */
void s2s_login_element(struct s2s *s, const struct xml_doc *d);
void s2s_dialback_element(struct s2s *s, const struct xml_doc *d);

#endif
