#include "xmpp/muc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* y: it may be, f: forbidden, n: not-allowed */
static char letter(enum stanza_error e)
{
	switch (e) {
	case ERR_COUNT:
		return 'y';
	case ERR_FORBIDDEN:
		return 'f';
	case ERR_NOT_ALLOWED:
		return 'n';
	default:
		return '?';
	}
}

static void names_go_both_ways(void **state)
{
	enum affiliation a;
	enum role r;

	for (unsigned i = 0; i < AFFILIATIONS; i++) {
		assert_true(affiliation_parse(affiliation_name(i), &a));
		assert_int_equal(a, i);
	}
	for (unsigned i = 0; i < ROLES; i++) {
		assert_true(role_parse(role_name(i), &r));
		assert_int_equal(r, i);
	}
	assert_false(affiliation_parse(STR("moderator"), &a));
	assert_false(affiliation_parse(STR(""), &a));
	assert_false(role_parse(STR("Moderator"), &r));
	assert_false(role_parse(STR("member"), &r));
}

/* Table 4 */
static void roles_at_entry(void **state)
{
	static const struct {
		enum affiliation affiliation;
		enum role moderated, open;
	} rows[] = {
		{ OUTCAST, ROLE_NONE, ROLE_NONE },
		{ AFFILIATION_NONE, VISITOR, PARTICIPANT },
		{ MEMBER, PARTICIPANT, PARTICIPANT },
		{ ADMIN, MODERATOR, MODERATOR },
		{ OWNER, MODERATOR, MODERATOR },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(role_at_entry(rows[i].affiliation, true), rows[i].moderated);
		assert_int_equal(role_at_entry(rows[i].affiliation, false), rows[i].open);
	}
}

/* Tables 6 and 7 */
static void who_changes_affiliations(void **state)
{
	static const struct {
		enum affiliation actor, from;
		const char *to; /* a letter for outcast, none, member, admin, owner */
	} rows[] = {
		{ OUTCAST, AFFILIATION_NONE, "fffff" },
		{ AFFILIATION_NONE, AFFILIATION_NONE, "fffff" },
		{ AFFILIATION_NONE, OWNER, "fffff" },
		{ MEMBER, OUTCAST, "fffff" },
		{ MEMBER, MEMBER, "fffff" },
		{ MEMBER, ADMIN, "fffff" },
		{ ADMIN, OUTCAST, "yyyff" },
		{ ADMIN, AFFILIATION_NONE, "yyyff" },
		{ ADMIN, MEMBER, "yyyff" },
		{ ADMIN, ADMIN, "nffff" },
		{ ADMIN, OWNER, "nffff" },
		{ OWNER, OUTCAST, "yyyyy" },
		{ OWNER, AFFILIATION_NONE, "yyyyy" },
		{ OWNER, MEMBER, "yyyyy" },
		{ OWNER, ADMIN, "yyyyy" },
		{ OWNER, OWNER, "yyyyy" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char got[AFFILIATIONS + 1] = { 0 };
		for (unsigned to = 0; to < AFFILIATIONS; to++)
			got[to] = letter(muc_may_affiliate(rows[i].actor, rows[i].from, to));
		print_message("row %zu\n", i);
		assert_string_equal(got, rows[i].to);
	}
}

/* Tables 3 and 5, and the text of sections 8.2, 8.4, 9.6 and 9.7 */
static void who_changes_roles(void **state)
{
	static const struct {
		struct muc_standing actor, whom;
		const char *to; /* a letter for none, visitor, participant, moderator */
	} rows[] = {
		/* nobody without the role or the affiliation */
		{ { MEMBER, PARTICIPANT }, { AFFILIATION_NONE, VISITOR }, "ffff" },
		{ { AFFILIATION_NONE, VISITOR }, { AFFILIATION_NONE, VISITOR }, "ffff" },
		{ { AFFILIATION_NONE, ROLE_NONE }, { OWNER, MODERATOR }, "ffff" },
		/* a moderator without affiliation */
		{ { AFFILIATION_NONE, MODERATOR }, { AFFILIATION_NONE, VISITOR }, "yyyf" },
		{ { AFFILIATION_NONE, MODERATOR }, { AFFILIATION_NONE, PARTICIPANT }, "ynyf" },
		{ { AFFILIATION_NONE, MODERATOR }, { AFFILIATION_NONE, MODERATOR }, "nnff" },
		{ { AFFILIATION_NONE, MODERATOR }, { MEMBER, VISITOR }, "nyyf" },
		{ { AFFILIATION_NONE, MODERATOR }, { MEMBER, PARTICIPANT }, "nnyf" },
		{ { AFFILIATION_NONE, MODERATOR }, { MEMBER, MODERATOR }, "nnnf" },
		{ { AFFILIATION_NONE, MODERATOR }, { ADMIN, MODERATOR }, "nnnf" },
		{ { AFFILIATION_NONE, MODERATOR }, { OWNER, MODERATOR }, "nnnf" },
		/* one who is a member */
		{ { MEMBER, MODERATOR }, { AFFILIATION_NONE, PARTICIPANT }, "yyyf" },
		{ { MEMBER, MODERATOR }, { AFFILIATION_NONE, MODERATOR }, "nfff" },
		{ { MEMBER, MODERATOR }, { MEMBER, PARTICIPANT }, "ynyf" },
		{ { MEMBER, MODERATOR }, { ADMIN, MODERATOR }, "nnnf" },
		/* an admin, in the room or not */
		{ { ADMIN, MODERATOR }, { AFFILIATION_NONE, VISITOR }, "yyyy" },
		{ { ADMIN, MODERATOR }, { AFFILIATION_NONE, MODERATOR }, "yyyy" },
		{ { ADMIN, MODERATOR }, { MEMBER, MODERATOR }, "yyyy" },
		{ { ADMIN, MODERATOR }, { ADMIN, MODERATOR }, "ynny" },
		{ { ADMIN, MODERATOR }, { OWNER, MODERATOR }, "nnny" },
		{ { ADMIN, ROLE_NONE }, { MEMBER, PARTICIPANT }, "yyyy" },
		/* an owner */
		{ { OWNER, MODERATOR }, { MEMBER, MODERATOR }, "yyyy" },
		{ { OWNER, MODERATOR }, { ADMIN, MODERATOR }, "ynny" },
		{ { OWNER, MODERATOR }, { OWNER, MODERATOR }, "ynny" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char got[ROLES + 1] = { 0 };
		for (unsigned to = 0; to < ROLES; to++)
			got[to] = letter(muc_may_change_role(rows[i].actor, rows[i].whom, to));
		print_message("row %zu\n", i);
		assert_string_equal(got, rows[i].to);
	}
}

/* Section 5.1.3 */
static void roles_that_follow(void **state)
{
	static const struct {
		enum affiliation from, to;
		enum role role;
		bool moderated;
		enum role then;
	} rows[] = {
		{ AFFILIATION_NONE, OWNER, VISITOR, true, MODERATOR },
		{ MEMBER, ADMIN, PARTICIPANT, false, MODERATOR },
		{ OWNER, ADMIN, MODERATOR, false, MODERATOR },
		{ AFFILIATION_NONE, MEMBER, VISITOR, true, PARTICIPANT },
		{ AFFILIATION_NONE, MEMBER, MODERATOR, true, MODERATOR },
		{ MEMBER, AFFILIATION_NONE, PARTICIPANT, true, PARTICIPANT },
		{ MEMBER, AFFILIATION_NONE, VISITOR, true, VISITOR },
		{ ADMIN, MEMBER, MODERATOR, true, PARTICIPANT },
		{ ADMIN, AFFILIATION_NONE, MODERATOR, true, VISITOR },
		{ ADMIN, AFFILIATION_NONE, MODERATOR, false, PARTICIPANT },
		{ OWNER, AFFILIATION_NONE, MODERATOR, false, PARTICIPANT },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(muc_role_after(rows[i].from, rows[i].to, rows[i].role,
			rows[i].moderated), rows[i].then);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_go_both_ways),
		cmocka_unit_test(roles_at_entry),
		cmocka_unit_test(who_changes_affiliations),
		cmocka_unit_test(who_changes_roles),
		cmocka_unit_test(roles_that_follow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
