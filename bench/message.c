#include "message.h"

#include "base/bug.h"

#include <stdio.h>
#include <stdlib.h>

#define HEX        16
#define ID_HEX     8   /* "m" and the number's low 32 bits */
#define FILLER_MAX 26  /* letters */

static void put_hex(char *to, uint64_t v, unsigned digits)
{
	static const char hex[] = "0123456789abcdef";

	while (digits--) {
		to[digits] = hex[v & 15];
		v >>= 4;
	}
}

static bool get_hex(const char *p, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < HEX; i++) {
		unsigned c = (unsigned char)p[i];
		if (c - '0' < 10u)
			c -= '0';
		else if (c - 'a' < 6u)
			c -= 'a' - 10;
		else
			return false;
		v = v << 4 | c;
	}
	*out = v;
	return true;
}

static char filler_of(uint64_t number)
{
	return (char)('a' + (int)(number % FILLER_MAX));
}

static char *full_jid(const struct peer *p)
{
	size_t n = strlen(p->user) + strlen(p->target->domain) + sizeof "@/" PEER_RESOURCE;
	char *jid = xmalloc(n);

	snprintf(jid, n, "%s@%s/" PEER_RESOURCE, p->user, p->target->domain);
	return jid;
}

static void make_template(struct message_line *l, const char *to, unsigned bytes)
{
	struct buf b;

	l->n_body = bytes > MESSAGE_HEAD ? bytes : MESSAGE_HEAD;
	buf_init(&b, SIZE_MAX);
	buf_printf(&b, "<message to='%s' type='%s' id='m", to, l->type);
	l->id = (uint32_t)b.n;
	buf_printf(&b, "%*s'><body>", ID_HEX, "");
	l->body = (uint32_t)b.n;
	buf_printf(&b, "%*s", (int)l->n_body, "");
	buf_lit(&b, "</body></message>");
	l->template = b.p;
	l->n = (uint32_t)b.n;
}

void message_line_init(struct message_line *l, const struct peer *from, const struct peer *to,
	bool to_bare, unsigned bytes)
{
	char *jid = full_jid(to);

	*l = (struct message_line){ .type = "chat", .from = full_jid(from) };
	if (to_bare)
		*strchr(jid, '/') = '\0';
	make_template(l, jid, bytes);
	free(jid);
}

void message_line_init_room(struct message_line *l, const char *room, unsigned bytes)
{
	*l = (struct message_line){ .type = "groupchat" };
	make_template(l, room, bytes);
}

void message_line_clear(struct message_line *l)
{
	free(l->template);
	free(l->from);
	l->template = l->from = NULL;
}

void message_write_numbered(struct message_line *l, struct buf *out, uint64_t number, uint64_t due)
{
	char *body = l->template + l->body;

	put_hex(l->template + l->id, number, ID_HEX);
	put_hex(body, number, HEX);
	put_hex(body + HEX + 1, due, HEX);
	memset(body + MESSAGE_HEAD, filler_of(number), l->n_body - MESSAGE_HEAD);
	buf_add(out, str_from(l->template, l->n));
}

void message_write(struct message_line *l, struct buf *out, uint64_t due)
{
	message_write_numbered(l, out, l->sent++, due);
}

/* All bytes of the filler are the same: the first, and each like the one before. */
static bool is_filler(struct str s, char c)
{
	return s.n == 0 || (s.p[0] == c && memcmp(s.p, s.p + 1, s.n - 1) == 0);
}

static bool body_number(struct str body, uint64_t *out)
{
	return body.n >= MESSAGE_HEAD && get_hex(body.p, out) && body.p[HEX] == ' ';
}

/* number: the one that must come now. */
static const char *check_body(const struct message_line *l, struct str body, uint64_t number,
	uint64_t *due)
{
	uint64_t found;

	if (body.n != l->n_body || !body_number(body, &found) ||
		!get_hex(body.p + HEX + 1, due) || body.p[MESSAGE_HEAD - 1] != ' ')
		return "a body was changed";
	if (found < number)
		return "a message came twice, or too late";
	if (found > number)
		return "a message is missing, or comes too late";
	if (!is_filler(str_skip(body, MESSAGE_HEAD), filler_of(number)))
		return "a body was changed";
	return NULL;
}

/* from: NULL where nothing put a sender in. */
static const char *check_head(const struct message_line *l, const struct xml_doc *d,
	const struct xml_node *m, uint64_t number, const char *from, struct arena *a)
{
	char want[1 + ID_HEX] = "m";

	put_hex(want + 1, number, ID_HEX);
	if (!str_eq(xml_attr_str(d, m, TAG_ID, a), str_from(want, sizeof want)))
		return "an id was changed";
	if (!str_eq(xml_attr_str(d, m, TAG_TYPE, a), str_c(l->type)))
		return "a type was changed";
	if (from && !str_eq(xml_attr_str(d, m, TAG_FROM, a), str_c(from)))
		return "a sender is wrong";
	return NULL;
}

static const char *check(const struct message_line *l, const struct xml_doc *d,
	const struct xml_node *m, uint64_t number, const char *from, struct arena *a, uint64_t *due)
{
	const struct xml_node *body = xml_child(d, m, NS_CLIENT, TAG_BODY);

	if (str_eq(xml_attr_str(d, m, TAG_TYPE, a), STR("error")))
		return "a message was refused";
	if (!body)
		return "a message has no body";
	const char *wrong = check_body(l, xml_text(d, body, a), number, due);
	return wrong ? wrong : check_head(l, d, m, number, from, a);
}

const char *message_check(struct message_line *l, const struct xml_doc *d, bool floor,
	struct arena *a, uint64_t *due)
{
	return check(l, d, xml_root(d), l->received++, floor ? NULL : l->from, a, due);
}

bool message_number(const struct xml_doc *d, const struct xml_node *m, struct arena *a,
	uint64_t *out)
{
	const struct xml_node *body = xml_child(d, m, NS_CLIENT, TAG_BODY);

	return body && body_number(xml_text(d, body, a), out);
}

const char *message_check_stored(const struct message_line *l, const struct xml_doc *d,
	const struct xml_node *m, uint64_t number, struct arena *a)
{
	uint64_t due;

	return check(l, d, m, number, l->from, a, &due);
}

const char *message_check_room(const struct message_line *l, const struct xml_doc *d,
	uint64_t number, const char *from, struct arena *a, uint64_t *due)
{
	return check(l, d, xml_root(d), number, from, a, due);
}
