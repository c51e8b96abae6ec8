/* Base 64: what is accepted is exactly what encoding gives, and nothing is lost. */
#include "base/base64.h"

#include "base/bug.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = str_from((const char *)data, size), text, back;
	struct arena a;
	struct buf b;

	arena_init(&a, 4096);
	/* As text: canonical or refused (RFC 6120 section 13.9.1). */
	if (base64_decode(&a, bytes, &back))
		BUG_ON(!str_eq(base64_str(&a, back), bytes));
	/* As bytes. */
	text = base64_str(&a, bytes);
	BUG_ON(text.n != BASE64_LEN(size) || text.p[text.n] != '\0');
	BUG_ON(!base64_decode(&a, text, &back) || !str_eq(back, bytes));
	buf_init(&b, BASE64_LEN(size) + 1);
	base64_encode(&b, bytes);
	BUG_ON(!buf_ok(&b) || !str_eq(buf_str(&b), text));
	buf_clear(&b);
	arena_clear(&a);
	return 0;
}
