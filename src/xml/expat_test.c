/* The scanner against expat, on the seeds of the fuzz target (a folder given as argument) and
 * on random damage to them. */
#include "base/bug.h"
#include "xml/test_expat.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define HEADER "<stream:stream xmlns='jabber:client' xmlns:h='urn:example:header' " \
	"xmlns:stream='http://etherx.jabber.org/streams'>"
#define DAMAGES 400

static uint32_t seed = 1;

static uint32_t next_random(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* Overwrites, drops or doubles a few bytes. */
static void damage(struct buf *b)
{
	static const char bytes[] = "<>&;'\"/= ]x:!?#-\r\t\x01\x80\xc3\xef\xbf\xbe";
	uint32_t at = next_random((uint32_t)b->n);
	uint32_t n = 1 + next_random(4);

	if (n > b->n - at)
		n = (uint32_t)b->n - at;
	switch (next_random(3)) {
	case 0:
		b->p[at] = bytes[next_random(sizeof bytes - 1)];
		break;
	case 1:
		memmove(b->p + at, b->p + at + n, b->n - at - n);
		b->n -= n;
		break;
	case 2:
		if (!buf_reserve(b, n))
			return;
		memmove(b->p + at + n, b->p + at, b->n - at);
		b->n += n;
		break;
	}
}

static void compare(struct str stanzas, unsigned damages)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_lit(&b, HEADER);
	buf_add(&b, stanzas);
	while (damages--)
		damage(&b);
	compare_with_expat(buf_str(&b), seed);
	buf_clear(&b);
}

static bool compare_file(const char *folder, const char *name)
{
	char path[4096], bytes[1 << 16];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "rb");
	if (!f)
		return false;
	struct str s = str_from(bytes, fread(bytes, 1, sizeof bytes, f));
	fclose(f);
	compare_with_expat(s, 1);
	for (unsigned i = 0; i < DAMAGES; i++)
		compare(s, i % 8);
	return true;
}

int main(int argc, char **argv)
{
	DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
	unsigned n = 0;

	if (!folder) {
		fprintf(stderr, "usage: expat_test FOLDER\n");
		return 2;
	}
	for (struct dirent *e; (e = readdir(folder));) {
		if (e->d_name[0] != '.')
			n += compare_file(argv[1], e->d_name);
	}
	closedir(folder);
	printf("%u seeds compared with expat\n", n);
	return n ? 0 : 1;
}
