/* The scanner against expat and against itself in pieces. The bytes are taken for a stream, and
 * for what follows a header. */
#include "base/str.h"
#include "xml/test_expat.h"

#include <stdlib.h>

#define HEADER "<stream:stream xmlns='jabber:client' xmlns:h='urn:example:header' " \
	"xmlns:stream='http://etherx.jabber.org/streams'>"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str bytes = str_from((const char *)data, n);
	uint32_t seed = 2166136261;
	struct buf stream;

	for (size_t i = 0; i < n; i++)
		seed = (seed ^ data[i]) * 16777619;
	compare_with_expat(bytes, seed);
	buf_init(&stream, n + sizeof HEADER);
	buf_lit(&stream, HEADER);
	buf_add(&stream, bytes);
	compare_with_expat(buf_str(&stream), seed);
	buf_clear(&stream);
	return 0;
}
