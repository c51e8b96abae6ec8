/* Server Dialback on a stream (XEP-0220, version 1.1.1), and the pairs of domains that it is
 * authorised for.
 *
 * Keys are made and checked by the stream's user. An answer counts where its question was asked on
 * the same stream, and there alone (section 3.1). */
#include "stream/s2s_private.h"

#include "base/bug.h"

#include <stdlib.h>

/* ---- pairs ---- */

void s2s_pair_add(struct s2s_pair **list, struct str remote, struct str local, struct str id)
{
	struct s2s_pair *p = xcalloc(1, sizeof *p + remote.n + local.n + id.n);
	char *at = p->text;

	p->remote = str_put(&at, remote);
	p->local = str_put(&at, local);
	p->id = str_put(&at, id);
	p->next = *list;
	*list = p;
}

static bool is_pair(const struct s2s_pair *p, struct str remote, struct str local, struct str id)
{
	return str_eq(p->local, local) && str_eq(p->remote, remote) && str_eq(p->id, id);
}

static struct s2s_pair **find(struct s2s_pair **list, struct str remote, struct str local,
	struct str id)
{
	for (; *list; list = &(*list)->next)
		if (is_pair(*list, remote, local, id))
			return list;
	return NULL;
}

bool s2s_pair_take(struct s2s_pair **list, struct str remote, struct str local, struct str id)
{
	struct s2s_pair **at = find(list, remote, local, id);

	if (!at)
		return false;
	struct s2s_pair *p = *at;
	*at = p->next;
	free(p);
	return true;
}

void s2s_pairs_clear(struct s2s_pair **list)
{
	for (struct s2s_pair *p = *list, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	*list = NULL;
}

bool s2s_is_authorised(const struct s2s *s, struct str remote, struct str local)
{
	for (const struct s2s_pair *p = s->pairs; p; p = p->next)
		if (is_pair(p, remote, local, STR_NULL))
			return true;
	return false;
}

bool s2s_all_pairs(const struct s2s *s,
	bool (*is)(const void *context, struct str remote, struct str local), const void *context)
{
	for (const struct s2s_pair *p = s->pairs; p; p = p->next)
		if (!is(context, p->remote, p->local))
			return false;
	return true;
}

bool s2s_speaks_for(const struct s2s *s, struct str remote)
{
	for (const struct s2s_pair *p = s->pairs; p; p = p->next)
		if (str_eq(p->remote, remote))
			return true;
	return false;
}

bool s2s_authorise(struct s2s *s, struct str remote, struct str local)
{
	bool may = s2s_is_incoming(s) ? s2s_can_talk(s) && s->nego.phase != NEGO_AUTH
				      : s->nego.phase == NEGO_READY;

	if (!may)
		return false;
	if (s2s_is_authorised(s, remote, local))
		return true;
	if (s->n_pairs >= S2S_PAIRS_MAX)
		return false;
	s2s_pair_add(&s->pairs, remote, local, STR_NULL);
	s->n_pairs++;
	s->tries = 0;
	s2s_take_stanzas(s);
	return true;
}

/* ---- writing ---- */

static void open_element(struct writer *w, const char *name, struct str from, struct str to,
	struct str id)
{
	w_open(w, name);
	w_attr(w, "from", from);
	w_attr(w, "to", to);
	w_attr(w, "id", id);
}

/* Section 2.5: the error says what it is as that of a stanza does. */
static void write_error(struct writer *w, enum stanza_error e)
{
	w_open(w, "error");
	w_attr(w, "type", stanza_error_type(e));
	w_open_ns(w, stanza_error_name(e).p, NS_STANZAS);
	w_close(w);
	w_close(w);
}

static void write_answer(struct s2s *s, const char *name, struct str from, struct str to,
	struct str id, enum s2s_outcome o, enum stanza_error error)
{
	static const struct str types[] = { [S2S_VALID] = STR_INIT("valid"),
		[S2S_INVALID] = STR_INIT("invalid"), [S2S_FAILED] = STR_INIT("error") };
	struct writer w = w_on(s2s_out(s));

	open_element(&w, name, from, to, id);
	w_attr(&w, "type", types[o]);
	if (o == S2S_FAILED)
		write_error(&w, error);
	w_close(&w);
}

/* ---- questions of ours ---- */

static bool is_asked(struct s2s *s, struct str remote, struct str local, struct str id)
{
	return find(&s->asked, remote, local, id) != NULL;
}

static bool ask(struct s2s *s, const char *name, struct str from, struct str to, struct str id,
	struct str key)
{
	struct writer w = w_on(s2s_out(s));

	if (is_asked(s, to, from, id))
		return true;
	if (s->n_asked >= S2S_ASKED_MAX)
		return false;
	s2s_pair_add(&s->asked, to, from, id);
	s->n_asked++;
	open_element(&w, name, from, to, id);
	w_text(&w, key);
	w_close(&w);
	return true;
}

/* XEP-0288 section 2.2: on a bidirectional stream to whom the peer has proved to be. */
static bool may_ask_result(const struct s2s *s, struct str to)
{
	if (!s2s_can_talk(s) || s->nego.phase == NEGO_AUTH)
		return false;
	if (s2s_is_incoming(s))
		return s->said_bidi && s2s_speaks_for(s, to);
	return s->peer_id != NULL;
}

bool s2s_db_result(struct s2s *s, struct str from, struct str to, struct str key)
{
	return may_ask_result(s, to) && ask(s, "db:result", from, to, STR_NULL, key);
}

/* XEP-0288 section 2.2: never on the stream that the key came on. */
static bool may_ask_verify(const struct s2s *s, struct str id)
{
	if (!s2s_can_talk(s) || s->nego.phase == NEGO_AUTH)
		return false;
	return !s2s_is_incoming(s) || (s->said_bidi && s->n_pairs && !str_eq(id, s2s_id(s)));
}

bool s2s_db_verify(struct s2s *s, struct str from, struct str to, struct str id, struct str key)
{
	return may_ask_verify(s, id) && ask(s, "db:verify", from, to, id, key);
}

void s2s_db_forget(struct s2s *s, struct str from, struct str to, struct str id)
{
	if (!s2s_pair_take(&s->asked, to, from, id))
		return;
	s->n_asked--;
	s->n_forgotten++;
}

/* ---- answers of ours ---- */

void s2s_db_answer(struct s2s *s, struct str from, struct str to, enum s2s_outcome o,
	enum stanza_error error)
{
	if (s->n_pending)
		s->n_pending--;
	if (!s2s_can_talk(s))
		return;
	/* Section 2.2.1: what is false costs a stream its life, but not the other pairs on it. */
	if (o == S2S_INVALID && s->nego.phase == NEGO_READY) {
		o = S2S_FAILED;
		error = ERR_FORBIDDEN;
	}
	write_answer(s, "db:result", to, from, STR_NULL, o, error);
	if (o == S2S_VALID)
		return;
	log_info(s->log, "dialback_refused", F_STR("peer", s->wire->ops->peer(s->wire, s->turn)),
		F_STR("from", from), F_STR("to", to),
		F_STR("condition", o == S2S_FAILED ? stanza_error_name(error) : STR("invalid")));
	if (o == S2S_INVALID)
		s2s_end(s);
	else
		s2s_count_try(s);
}

void s2s_db_verified(struct s2s *s, struct str from, struct str to, struct str id,
	enum s2s_outcome o, enum stanza_error error)
{
	if (s2s_can_talk(s))
		write_answer(s, "db:verify", to, from, id, o, error);
}

/* ---- reading ---- */

static bool read_domain(struct s2s *s, const struct xml_doc *d, enum xml_tag name, struct str *out)
{
	struct str text = xml_attr_str(d, xml_root(d), name, s->turn);

	return text.n && jid_prep_domain(text, s->turn, out);
}

/* A result is about the stream that it comes on and has no id. False: the stream is closed. */
static bool read_element(struct s2s *s, const struct xml_doc *d, struct s2s_db *out)
{
	const struct xml_node *root = xml_root(d);

	*out = (struct s2s_db){ .key = str_trim(xml_text(d, root, s->turn)) };
	if (!read_domain(s, d, TAG_FROM, &out->from) || !read_domain(s, d, TAG_TO, &out->to)) {
		s2s_close(s, STREAM_IMPROPER_ADDRESSING,
			STR("dialback is 'from' a domain 'to' a domain"));
		return false;
	}
	if (root->tag == TAG_RESULT)
		return true;
	out->id = xml_attr_str(d, root, TAG_ID, s->turn);
	if (!out->id.n || out->id.n > S2S_KEY_MAX) {
		s2s_close(s, STREAM_BAD_FORMAT, STR("<verify/> needs the id of a stream"));
		return false;
	}
	return true;
}

/* ---- questions of the peer ---- */

static bool is_key(struct str key)
{
	return key.n && key.n <= S2S_KEY_MAX;
}

/* Section 2.5: a policy that wants TLS before dialback. */
static bool needs_tls(const struct s2s *s)
{
	return s2s_is_incoming(s) && s->host.tls_required && !s->nego.secure;
}

/* What the stream itself has against a result; ERR_COUNT: nothing. */
static enum stanza_error fault_of_result(const struct s2s *s, const struct s2s_db *db)
{
	if (needs_tls(s))
		return ERR_POLICY_VIOLATION;
	if (!is_key(db->key))
		return ERR_NOT_ACCEPTABLE;
	if (s->n_pairs + s->n_pending >= S2S_PAIRS_MAX &&
		!s2s_is_authorised(s, db->from, db->to))
		return ERR_RESOURCE_CONSTRAINT;
	return ERR_COUNT;
}

static void on_result(struct s2s *s, const struct s2s_db *db)
{
	enum stanza_error fault = fault_of_result(s, db);

	s->n_pending++;
	if (fault == ERR_COUNT)
		s->ops->result(s, db);
	else
		s2s_db_answer(s, db->from, db->to, S2S_FAILED, fault);
}

static void on_verify(struct s2s *s, const struct s2s_db *db)
{
	if (needs_tls(s))
		s2s_db_verified(s, db->from, db->to, db->id, S2S_FAILED, ERR_POLICY_VIOLATION);
	else if (!is_key(db->key))
		s2s_db_verified(s, db->from, db->to, db->id, S2S_INVALID, ERR_COUNT);
	else
		s->ops->verify(s, db);
}

/* Section 2.2, XEP-0288 section 4: keys come from who opened the stream, and from both sides where
 * it is bidirectional. */
static bool may_question(const struct s2s *s)
{
	return s2s_is_incoming(s) ? s->host.dialback : s->said_bidi;
}

static void on_question(struct s2s *s, const struct s2s_db *db, enum xml_tag tag)
{
	if (!may_question(s))
		s2s_close(s, STREAM_UNSUPPORTED_STANZA_TYPE, STR("dialback was not offered"));
	else if (tag == TAG_RESULT)
		on_result(s, db);
	else
		on_verify(s, db);
}

/* ---- answers of the peer ---- */

/* Section 2.5, table 1. It has one that RFC 6120 does not know for stanzas. */
static enum stanza_error read_condition(const struct xml_doc *d, const struct xml_node *el)
{
	struct str name = xml_name(d, el);

	if (str_eq(name, stream_error_name(STREAM_REMOTE_CONNECTION_FAILED)))
		return ERR_REMOTE_SERVER_TIMEOUT;
	for (unsigned e = 0; e < ERR_COUNT; e++)
		if (str_eq(stanza_error_name(e), name))
			return e;
	return ERR_UNDEFINED_CONDITION;
}

/* The error is in the content namespace, or in that of dialback where a peer writes no prefixes. */
static enum stanza_error read_error(const struct xml_doc *d)
{
	for (const struct xml_node *el = xml_first(d, xml_root(d)); el; el = xml_next(d, el)) {
		const struct xml_node *condition = xml_first(d, el);
		if (el->tag == TAG_ERROR && condition && condition->ns == NS_STANZAS)
			return read_condition(d, condition);
	}
	return ERR_UNDEFINED_CONDITION;
}

static bool read_outcome(const struct xml_doc *d, struct str type, struct s2s_db *db)
{
	if (str_eq(type, STR("valid")))
		db->outcome = S2S_VALID;
	else if (str_eq(type, STR("invalid")))
		db->outcome = S2S_INVALID;
	else if (str_eq(type, STR("error")))
		db->outcome = S2S_FAILED;
	else
		return false;
	db->error = db->outcome == S2S_FAILED ? read_error(d) : ERR_COUNT;
	return true;
}

/* Section 3.1: an answer without its question is an attack, or comes too late. It is dropped. */
static void on_unsolicited(struct s2s *s, const struct s2s_db *db)
{
	if (s->n_forgotten) {
		s->n_forgotten--;
		return;
	}
	log_info(s->log, "dialback_unsolicited",
		F_STR("peer", s->wire->ops->peer(s->wire, s->turn)), F_STR("from", db->from),
		F_STR("to", db->to));
	s2s_count_try(s);
}

static void on_answer(struct s2s *s, const struct s2s_db *db, enum xml_tag tag)
{
	if (!s2s_pair_take(&s->asked, db->from, db->to, db->id)) {
		on_unsolicited(s, db);
		return;
	}
	s->n_asked--;
	if (tag == TAG_VERIFY) {
		s->ops->verify_answered(s, db);
		return;
	}
	if (db->outcome == S2S_VALID)
		s2s_take_stanzas(s);
	s->ops->result_answered(s, db);
}

void s2s_dialback_element(struct s2s *s, const struct xml_doc *d)
{
	const struct xml_node *root = xml_root(d);
	struct str type = xml_attr_str(d, root, TAG_TYPE, s->turn);
	struct s2s_db db;

	if (!read_element(s, d, &db))
		return;
	if (!type.p)
		on_question(s, &db, root->tag);
	else if (read_outcome(d, type, &db))
		on_answer(s, &db, root->tag);
	else
		s2s_close(s, STREAM_BAD_FORMAT, STR("an unknown type of dialback"));
}
