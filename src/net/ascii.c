#include "net/ascii.h"

#include <idn2.h>

#define U_DOMAIN_MAX (4 * ASCII_DOMAIN_MAX) /* bytes: no label has more of them */

/* Lower case, if all of it is ASCII. */
static bool lower(struct str s, char *out)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
		out[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 0x20) : s.p[i];
	}
	out[s.n] = '\0';
	return true;
}

struct str ascii_domain(struct str domain, char out[ASCII_DOMAIN_MAX + 1])
{
	char text[U_DOMAIN_MAX + 1], *made = NULL;
	size_t n = 0;

	if (!domain.n || domain.n > U_DOMAIN_MAX || str_find(domain, '\0') >= 0)
		return STR_NULL;
	if (domain.n <= ASCII_DOMAIN_MAX && lower(domain, out))
		return str_from(out, domain.n);
	memcpy(text, domain.p, domain.n);
	text[domain.n] = '\0';
	if (idn2_to_ascii_8z(text, &made, IDN2_NONTRANSITIONAL) == IDN2_OK)
		n = strlen(made);
	if (n > ASCII_DOMAIN_MAX)
		n = 0;
	if (n)
		memcpy(out, made, n + 1);
	idn2_free(made);
	return n ? str_from(out, n) : STR_NULL;
}
