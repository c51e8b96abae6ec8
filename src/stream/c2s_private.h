/* Between c2s.c and c2s_login.c. */
#ifndef STREAM_C2S_PRIVATE_H
#define STREAM_C2S_PRIVATE_H

#include "stream/c2s.h"

struct c2s_login {
	struct arena arena;         /* dropped when a resource is bound */
	struct c2s_host host;
	struct sasl_server *sasl;
	struct sasl_policy policy;
	struct str bind_id;         /* raw id of the IQ that binds */
	unsigned tries;
};

struct writer c2s_writer(struct c2s *s);
void c2s_login_free(struct c2s *s);

/* Writes the features of the phase that the header just opened. */
void c2s_offer(struct c2s *s);

/* A first-level element that is admitted before a resource is bound. */
void c2s_login_element(struct c2s *s, const struct xml_doc *d);

/* Ends without a word: there is nothing that could be said safely. */
void c2s_abort(struct c2s *s);

#endif
