/* A module for stentord: each user has words that he does not want to read, and gets them masked.
 *
 *     <iq type='set' id='1'><words xmlns='urn:stentor:wordfilter'><word>damn</word></words></iq>
 *     <iq type='get' id='2'><words xmlns='urn:stentor:wordfilter'/></iq>
 *
 * What arrives for him has a mask in place of them, in each <body/> that is not too long. Small and
 * large letters of English are the same. Options: mask, one character ("*"), or empty: such messages
 * go back to their senders. Stores: the words of each user, with the end of a line behind each. */
#include <ctype.h>
#include <stdlib.h>
#include <stentor/module.h>

#define NS "urn:stentor:wordfilter"

/* A call that takes long makes others wait. */
#define WORDS_MAX  1000        /* bytes of a user's list */
#define TEXT_MAX   (16 * 1024) /* bytes of a body that is looked at, and how many are */
#define BODIES_MAX 4

static const char *check(const char *option, const char *value)
{
	bool right = !value[0] || (isgraph((unsigned char)value[0]) && !value[1]);

	(void)option; /* there is only one */
	return right ? NULL : "give one character, or \"\"";
}

/* The option is all the state that there is. */
static const char *load(const struct stentor_server *server, const struct stentor_self *self,
	void **state)
{
	*state = (void *)server->option(self, "mask");
	return NULL;
}

/* ---- the list of words ---- */

/* Takes the first word off a list. False: there is none. */
static bool next_word(struct stentor_text *list, struct stentor_text *word)
{
	const char *end = list->n ? (const char *)memchr(list->p, '\n', list->n) : NULL;

	if (!end)
		return false;
	word->p = list->p;
	word->n = (size_t)(end - list->p);
	list->p = end + 1;
	list->n -= word->n + 1;
	return true;
}

static void on_get(struct stentor_call *c, uint64_t request)
{
	const struct stentor_server *s = c->server;
	struct stentor_text kept = s->get(c, "words"), xml = stentor_text_of(""), word;

	while (next_word(&kept, &word)) {
		word = s->escape(c, word);
		xml = s->print(c, "%.*s<word>%.*s</word>", (int)xml.n, xml.p, (int)word.n, word.p);
	}
	s->reply(c, request, s->print(c, "<words xmlns='" NS "'>%.*s</words>", (int)xml.n, xml.p));
}

static void stored(struct stentor_call *c, bool ok, void *data)
{
	uint64_t *request = (uint64_t *)data;

	if (ok)
		c->server->reply(c, *request, stentor_text_of(NULL));
	else
		c->server->reply_error(c, *request, "resource-constraint", stentor_text_of(NULL));
	free(request);
}

static void on_set(struct stentor_call *c, uint64_t request)
{
	const struct stentor_server *s = c->server;
	const struct stentor_node *el = s->first(c, s->first(c, s->root(c)));
	struct stentor_text all = stentor_text_of("");
	uint64_t *later = (uint64_t *)malloc(sizeof *later);

	for (; el; el = s->next(c, el)) {
		struct stentor_text word = s->text(c, el);
		if (word.n && !memchr(word.p, '\n', word.n) && all.n <= WORDS_MAX)
			all = s->print(c, "%.*s%.*s\n", (int)all.n, all.p, (int)word.n, word.p);
	}
	if (!later || all.n > WORDS_MAX) {
		s->reply_error(c, request, "resource-constraint", stentor_text_of("too many words"));
		free(later);
		return;
	}
	*later = request;
	if (!s->reply_later(c, request) || !s->set(c, "words", all, stored, later)) {
		s->reply_error(c, request, "not-allowed", stentor_text_of(NULL));
		free(later);
	}
}

/* ---- messages ---- */

static bool same(const char *a, const char *b, size_t n)
{
	for (; n && tolower((unsigned char)*a) == tolower((unsigned char)*b); n--, a++, b++)
		;
	return n == 0;
}

/* Masks the words in a text. False: there were none. */
static bool mask(char *text, size_t n, struct stentor_text words, char with)
{
	struct stentor_text word;
	bool found = false;

	while (next_word(&words, &word)) {
		for (size_t i = 0; i + word.n <= n; i++) {
			if (!same(text + i, word.p, word.n))
				continue;
			memset(text + i, with, word.n);
			found = true;
		}
	}
	return found;
}

/* Puts a masked body in place of one that has words of the list. NULL: it has none. */
static const struct stentor_node *mask_body(struct stentor_call *c, const struct stentor_node *body)
{
	const struct stentor_server *s = c->server;
	struct stentor_text text = s->text(c, body), lang = s->attribute(c, body, "xml:lang");
	char with = *(const char *)c->state ? *(const char *)c->state : '*';

	if (text.n > TEXT_MAX || !mask((char *)text.p, text.n, s->get(c, "words"), with))
		return NULL; /* text was a copy, for us to write into */
	text = s->escape(c, text);
	lang = s->escape(c, lang);
	if (lang.n)
		lang = s->print(c, " xml:lang='%.*s'", (int)lang.n, lang.p);
	return s->replace(c, body, s->print(c, "<body%.*s>%.*s</body>", (int)lang.n, lang.p,
		(int)text.n, text.p));
}

static enum stentor_passage message_arrives(struct stentor_call *c)
{
	const struct stentor_server *s = c->server;
	const struct stentor_node *el = s->get(c, "words").n ? s->first(c, s->root(c)) : NULL;
	unsigned found = 0, bodies = 0;

	for (; el && bodies < BODIES_MAX; el = s->next(c, el)) {
		if (!stentor_text_is(s->name(c, el), "body"))
			continue;
		bodies++;
		const struct stentor_node *masked = mask_body(c, el);
		found += masked != NULL;
		el = masked ? masked : el; /* with the rest of the stanza as it is now */
	}
	if (!found || *(const char *)c->state)
		return STENTOR_PASS;
	s->refuse(c, "not-acceptable", stentor_text_of("a word of it is not wanted here"));
	return STENTOR_STOP;
}

STENTOR_EXPORT const struct stentor_module stentor_module = {
	.abi = STENTOR_MODULE_ABI,
	.size = sizeof(struct stentor_module),
	.name = "wordfilter",
	.spec = "example 1",
	.account_features = (const char *const[]){ NS, NULL },
	.options = (const struct stentor_option[]){ { "mask", "*" }, { 0 } },
	.iq = (const struct stentor_iq[]){ { "get", NS, "words", STENTOR_AT_OWN, on_get },
		{ "set", NS, "words", STENTOR_AT_OWN, on_set }, { 0 } },
	.check = check,
	.load = load,
	.message_arrives = message_arrives,
};
