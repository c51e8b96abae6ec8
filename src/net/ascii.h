/* Domains as DNS, certificates and TLS have them: A-labels (RFC 5890 section 2.3.2.1). */
#ifndef NET_ASCII_H
#define NET_ASCII_H

#include "base/str.h"

#define ASCII_DOMAIN_MAX 253 /* bytes of a domain as text, RFC 1035 section 2.3.4 */

/* A domain with its U-labels turned into A-labels, in lower case, in out, behind it a NUL. The
 * null slice when it cannot be: it is empty or too long, or a label is none (RFC 5891). */
struct str ascii_domain(struct str domain, char out[ASCII_DOMAIN_MAX + 1]);

#endif
