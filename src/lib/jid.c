#include "stentor/jid.h"

#include "base/bug.h"
#include "xmpp/jid.h"

#include <stdlib.h>

/* All texts in one block with it. */
struct stentor_jid {
	const char *full, *bare, *local, *domain, *resource;
};

static const char *put(char **to, struct str s)
{
	char *p = *to;

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	*to = p + s.n + 1;
	return p;
}

static struct stentor_jid *make(struct jid j)
{
	size_t n = 2 * jid_str(j).n + jid_bare_str(j).n + 5;
	struct stentor_jid *jid = xmalloc(sizeof *jid + n);
	char *to = (char *)(jid + 1);

	jid->full = put(&to, jid_str(j));
	jid->bare = put(&to, jid_bare_str(j));
	jid->local = put(&to, jid_local(j));
	jid->domain = put(&to, jid_domain(j));
	jid->resource = put(&to, j.n_resource ? jid_resource(j) : STR(""));
	return jid;
}

struct stentor_jid *stentor_jid_new(const char *text)
{
	struct stentor_jid *jid = NULL;
	struct arena mem;
	struct jid j;

	arena_init(&mem, 512);
	if (text && jid_parse(str_c(text), &mem, &j))
		jid = make(j);
	arena_clear(&mem);
	return jid;
}

/* A part that is not there is right. */
static bool is_left_out(const char *part)
{
	return !part || !*part;
}

struct stentor_jid *stentor_jid_make(const char *local, const char *domain, const char *resource)
{
	struct str l = STR(""), d, r = STR("");
	struct stentor_jid *jid = NULL;
	struct arena mem;

	arena_init(&mem, 512);
	if (domain && jid_prep_domain(str_c(domain), &mem, &d) &&
		(is_left_out(local) || jid_prep_local(str_c(local), &mem, &l)) &&
		(is_left_out(resource) || jid_prep_resource(str_c(resource), &mem, &r)))
		jid = make(jid_make(&mem, l, d, r));
	arena_clear(&mem);
	return jid;
}

void stentor_jid_free(struct stentor_jid **jid)
{
	free(*jid);
	*jid = NULL;
}

const char *stentor_jid_full(const struct stentor_jid *jid)
{
	return jid->full;
}

const char *stentor_jid_bare(const struct stentor_jid *jid)
{
	return jid->bare;
}

const char *stentor_jid_local(const struct stentor_jid *jid)
{
	return jid->local;
}

const char *stentor_jid_domain(const struct stentor_jid *jid)
{
	return jid->domain;
}

const char *stentor_jid_resource(const struct stentor_jid *jid)
{
	return jid->resource;
}
