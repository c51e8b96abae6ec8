#include "xmpp/muc.h"

#include "base/bug.h"

static const struct str affiliations[AFFILIATIONS] = {
	[OUTCAST] = STR_INIT("outcast"),
	[AFFILIATION_NONE] = STR_INIT("none"),
	[MEMBER] = STR_INIT("member"),
	[ADMIN] = STR_INIT("admin"),
	[OWNER] = STR_INIT("owner"),
};

static const struct str roles[ROLES] = {
	[ROLE_NONE] = STR_INIT("none"),
	[VISITOR] = STR_INIT("visitor"),
	[PARTICIPANT] = STR_INIT("participant"),
	[MODERATOR] = STR_INIT("moderator"),
};

struct str affiliation_name(enum affiliation a)
{
	BUG_ON(a >= AFFILIATIONS);
	return affiliations[a];
}

struct str role_name(enum role r)
{
	BUG_ON(r >= ROLES);
	return roles[r];
}

static bool find(const struct str *names, unsigned n, struct str name, unsigned *out)
{
	for (*out = 0; *out < n; ++*out)
		if (str_eq(names[*out], name))
			return true;
	return false;
}

bool affiliation_parse(struct str name, enum affiliation *out)
{
	unsigned at;

	if (!find(affiliations, AFFILIATIONS, name, &at))
		return false;
	*out = (enum affiliation)at;
	return true;
}

bool role_parse(struct str name, enum role *out)
{
	unsigned at;

	if (!find(roles, ROLES, name, &at))
		return false;
	*out = (enum role)at;
	return true;
}

enum role role_at_entry(enum affiliation a, bool moderated)
{
	switch (a) {
	case ADMIN:
	case OWNER:
		return MODERATOR;
	case MEMBER:
		return PARTICIPANT;
	case AFFILIATION_NONE:
		return moderated ? VISITOR : PARTICIPANT;
	default:
		return ROLE_NONE;
	}
}

enum stanza_error muc_may_affiliate(enum affiliation actor, enum affiliation from,
	enum affiliation to)
{
	if (actor < ADMIN)
		return ERR_FORBIDDEN;
	if (actor == OWNER)
		return ERR_COUNT;
	if (to == OUTCAST && from >= ADMIN) /* section 9.1 */
		return ERR_NOT_ALLOWED;
	if (to >= ADMIN || from >= ADMIN) /* sections 10.3 to 10.8 */
		return ERR_FORBIDDEN;
	return ERR_COUNT;
}

/* Whether somebody's affiliation keeps him from losing what he would lose. Section 8.4 is stricter
 * than the rest: voice is taken from nobody who stands as high. */
static bool is_protected(struct muc_standing actor, struct muc_standing whom, enum role to)
{
	if (to >= whom.role)
		return false;
	if (whom.affiliation > actor.affiliation)
		return true;
	if (to == VISITOR && whom.affiliation == actor.affiliation)
		return true;
	return to != ROLE_NONE && whom.affiliation >= ADMIN; /* sections 8.4 and 9.7: by nobody */
}

enum stanza_error muc_may_change_role(struct muc_standing actor, struct muc_standing whom,
	enum role to)
{
	bool admin = actor.affiliation >= ADMIN;

	if (!admin && actor.role != MODERATOR)
		return ERR_FORBIDDEN;
	if (is_protected(actor, whom, to))
		return ERR_NOT_ALLOWED;
	if (admin || (to != MODERATOR && whom.role != MODERATOR))
		return ERR_COUNT;
	return to == ROLE_NONE ? ERR_NOT_ALLOWED : ERR_FORBIDDEN; /* sections 8.2; 9.6 and 9.7 */
}

enum role muc_role_after(enum affiliation from, enum affiliation to, enum role role, bool moderated)
{
	if (to >= ADMIN)
		return MODERATOR;
	if (from >= ADMIN)
		return role_at_entry(to, moderated);
	return to == MEMBER && role == VISITOR ? PARTICIPANT : role;
}
