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
