/* Plays the cases of a script and says in TAP how each went.
 *
 *     script-runner SCRIPT [SHARDS]
 *
 * docs/testing.md explains the language. */
#include "stage.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

#define SHARDS 2

int main(int argc, char **argv)
{
	unsigned n_shards = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : SHARDS;
	struct script s;
	unsigned failed = 0;

	if (argc < 2 || !n_shards) {
		fprintf(stderr, "usage: %s SCRIPT [SHARDS]\n", argv[0]);
		return 2;
	}
	log_setup(LOG_ERROR, LOG_TEXT);
	script_read(&s, argv[1]);
	if (s.error.p)
		printf("Bail out! %s: %.*s\n", argv[1], STR_FMT(s.error));
	else
		printf("1..%zu\n", s.n_cases);
	for (size_t i = 0; !s.error.p && i < s.n_cases; i++) {
		struct arena a;
		arena_init(&a, 4096);
		struct str why = play(&s.cases[i], n_shards, &a);
		printf("%sok %zu - %.*s\n", why.p ? "not " : "", i + 1, STR_FMT(s.cases[i].name));
		if (why.p)
			printf("# %s: %.*s\n", argv[1], STR_FMT(why));
		fflush(stdout);
		failed += why.p != NULL;
		arena_clear(&a);
	}
	bool bad = s.error.p || failed;
	script_clear(&s);
	return bad;
}
