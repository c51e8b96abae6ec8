#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode(char *to, struct str in)
{
	const unsigned char *p = (const unsigned char *)in.p;

	for (size_t i = 0; i < in.n; i += 3) {
		size_t left = in.n - i;
		uint32_t v = (uint32_t)p[i] << 16;
		if (left > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (left > 2)
			v |= p[i + 2];
		*to++ = alphabet[v >> 18];
		*to++ = alphabet[v >> 12 & 63];
		*to++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
		*to++ = left > 2 ? alphabet[v & 63] : '=';
	}
}

void base64_encode(struct buf *b, struct str bytes)
{
	char *to = bytes.n ? buf_reserve(b, BASE64_LEN(bytes.n)) : NULL;

	if (!to)
		return;
	encode(to, bytes);
	b->n += BASE64_LEN(bytes.n);
}

struct str base64_str(struct arena *a, struct str bytes)
{
	size_t n = BASE64_LEN(bytes.n);
	char *to = arena_alloc(a, n + 1);

	encode(to, bytes);
	to[n] = '\0';
	return str_from(to, n);
}

static int value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* One group of four; *n is 3, or less for a padded group, which must be the last. */
static bool decode_group(const char *q, bool last, unsigned char *to, size_t *n)
{
	int a = value(q[0]), b = value(q[1]), c = value(q[2]), d = value(q[3]);

	*n = 3;
	if (last && q[3] == '=') {
		d = 0;
		*n = 2;
		if (q[2] == '=') {
			c = 0;
			*n = 1;
		}
	}
	if (a < 0 || b < 0 || c < 0 || d < 0)
		return false;
	uint32_t v = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | (uint32_t)d;
	if ((*n == 1 && (v & 0xffff)) || (*n == 2 && (v & 0xff)))
		return false;
	to[0] = (unsigned char)(v >> 16);
	to[1] = (unsigned char)(v >> 8);
	to[2] = (unsigned char)v;
	return true;
}

bool base64_decode(struct arena *a, struct str text, struct str *out)
{
	if (text.n % 4)
		return false;
	unsigned char *to = arena_alloc(a, text.n / 4 * 3 + 1);
	size_t n = 0, got = 3;

	for (size_t i = 0; i < text.n; i += 4) {
		if (!decode_group(text.p + i, i + 4 == text.n, to + n, &got))
			return false;
		n += got;
	}
	to[n] = '\0';
	*out = str_from((char *)to, n);
	return true;
}
