#include "base/utf8.h"

int32_t utf8_next(struct str s, unsigned *len)
{
	const unsigned char *p = (const unsigned char *)s.p;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned n;
	uint32_t cp;

	if (!s.n)
		return -2;
	if (p[0] < 0x80) {
		*len = 1;
		return p[0];
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		n = 2;
		cp = p[0] & 0x1f;
	} else if ((p[0] & 0xf0) == 0xe0) {
		n = 3;
		cp = p[0] & 0x0f;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		n = 4;
		cp = p[0] & 0x07;
	} else {
		return -1;
	}
	for (unsigned i = 1; i < n; i++) {
		if (i == s.n)
			return -2;
		if ((p[i] & 0xc0) != 0x80)
			return -1;
		cp = cp << 6 | (p[i] & 0x3f);
		/* The second byte tells overlong forms, surrogates and what is too large. */
		if (i == 1 && ((n == 3 && (cp < 0x20 || (cp >= 0x360 && cp <= 0x37f))) ||
				      (n == 4 && (cp < 0x10 || cp > 0x10f))))
			return -1;
	}
	if (cp < least[n])
		return -1;
	*len = n;
	return (int32_t)cp;
}

bool utf8_valid(struct str s)
{
	unsigned len;

	while (s.n) {
		if (utf8_next(s, &len) < 0)
			return false;
		s = str_skip(s, len);
	}
	return true;
}

unsigned utf8_put(char *p, uint32_t cp)
{
	if (cp < 0x80) {
		p[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		p[0] = (char)(0xc0 | cp >> 6);
		p[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		p[0] = (char)(0xe0 | cp >> 12);
		p[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		p[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	p[0] = (char)(0xf0 | cp >> 18);
	p[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	p[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	p[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}
