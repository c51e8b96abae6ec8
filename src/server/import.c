#include "server/import.h"

#include "base/bug.h"
#include "base/clock.h"
#include "core/credentials.h"
#include "xmpp/jid.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_MAX 512 /* of a note or an error, in bytes */

void import_init(struct import *im, const struct config *c, const struct import_options *o)
{
	*im = (struct import){ .config = c, .options = o };
	arena_init(&im->mem, 4096);
	arena_init(&im->user_mem, 4096);
	arena_init(&im->turn, 64 * 1024);
	buf_init(&im->out, 2 * IMPORT_XML_MAX);
}

void import_clear(struct import *im)
{
	wipe(&im->keys, sizeof im->keys);
	arena_clear(&im->mem);
	arena_clear(&im->user_mem);
	arena_clear(&im->turn);
	xml_table_clear(&im->table);
	buf_clear(&im->out);
}

void import_again(struct import *im, struct data *d)
{
	im->data = d;
	im->n_notes = 0;
	im->counts = (struct import_counts){ 0 };
	im->file = NULL;
	im->line = 0;
}

/* ---- notes and errors ---- */

/* What comes from the input, names of files too, may hold anything: control characters, those
 * of two bytes as well (U+0080 to U+009F), are for no terminal. */
static void make_harmless(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[0] = p[1] = '?';
		else if (*p < ' ' || *p == 0x7f)
			*p = '?';
	}
}

static struct str place_of(struct import *im, struct arena *a)
{
	char *file;

	if (!im->file)
		return STR("");
	file = arena_alloc(a, strlen(im->file) + 1);
	memcpy(file, im->file, strlen(im->file) + 1);
	make_harmless(file);
	if (!im->line)
		return str_c(file);
	return str_printf(a, "%s:%llu", file, (unsigned long long)im->line);
}

__attribute__((format(printf, 2, 0)))
static struct str text_of(struct arena *a, const char *fmt, va_list ap)
{
	char text[TEXT_MAX];
	int n = vsnprintf(text, sizeof text, fmt, ap);

	BUG_ON(n < 0);
	make_harmless(text);
	return str_dup(a, str_c(text));
}

static void note_text(struct import *im, struct str text)
{
	size_t i = 0;

	while (i < im->n_notes && !str_eq(im->notes[i].text, text))
		i++;
	if (i == IMPORT_NOTES_MAX) /* the last one stands for all that have no place */
		im->notes[--i].text = STR("things of other kinds");
	if (i == im->n_notes)
		im->notes[im->n_notes++] = (struct import_note){ str_dup(&im->mem, text),
			place_of(im, &im->mem), 0 };
	im->notes[i].n++;
}

void import_note(struct import *im, const char *fmt, ...)
{
	struct arena a;
	va_list ap;

	arena_init(&a, TEXT_MAX);
	va_start(ap, fmt);
	note_text(im, text_of(&a, fmt, ap));
	va_end(ap);
	arena_clear(&a);
}

bool import_fail(struct import *im, const char *fmt, ...)
{
	va_list ap;

	if (im->error.n)
		return false;
	va_start(ap, fmt);
	struct str text = text_of(&im->mem, fmt, ap);
	va_end(ap);
	struct str place = place_of(im, &im->mem);
	im->error = str_printf(&im->mem, "%.*s%s%.*s", STR_FMT(place), place.n ? ": " : "",
		STR_FMT(text));
	return false;
}

static bool store_fails(struct import *im, enum store_status status)
{
	return import_fail(im, "%s", data_status_text(status));
}

/* ---- accounts ---- */

static bool is_served(const struct import *im, struct str host)
{
	for (size_t i = 0; i < im->config->n_hosts; i++)
		if (str_eq(im->config->hosts[i].domain, host))
			return true;
	return false;
}

bool import_wants_host(struct import *im, struct str host)
{
	struct str domain;
	bool wanted = false;

	if (!jid_prep_domain(host, &im->turn, &domain))
		import_note(im, "host %.*s, whose name is no domain", STR_FMT(host));
	else if (im->options->host.n && !str_eq(domain, im->options->host))
		im->counts.elsewhere++;
	else if (!is_served(im, domain))
		import_note(im, "host %.*s, which the configuration does not serve",
			STR_FMT(domain));
	else
		wanted = true;
	arena_reset(&im->turn);
	return wanted;
}

static bool names_account(struct import *im, struct str host, struct str user)
{
	struct str local, domain;

	if (!jid_prep_domain(host, &im->turn, &domain) ||
	    !jid_prep_local(user, &im->turn, &local)) {
		import_note(im, "account %.*s@%.*s, whose name is no localpart", STR_FMT(user),
			STR_FMT(host));
		return false;
	}
	struct jid j = jid_make(&im->user_mem, local, domain, STR(""));
	im->user = jid_local(j);
	im->host = jid_domain(j);
	im->jid = jid_str(j);
	return true;
}

/* Whether the account is in the store; its reads see all writes before them. */
static bool look_up(struct import *im, bool *exists)
{
	struct store_op *op = data_store_read(im->data);

	store_keys(im->data->store, op, im->host, im->user);
	data_wait_store(im->data, op);
	enum store_status status = op->status;
	*exists = status == STORE_OK;
	store_op_free(op);
	return status == STORE_OK || status == STORE_NOT_FOUND || store_fails(im, status);
}

static void delete_account(struct import *im)
{
	store_account_delete(im->data->store, data_store_write(im->data), im->host, im->user);
	ledger_erase(im->data->ledger, data_ledger_write(im->data), im->jid);
}

/* Without keys: nobody can log in before the account is whole. */
static bool make_account(struct import *im)
{
	static const struct store_key none[STORE_HASHES];
	bool exists;

	if (!look_up(im, &exists)) {
		im->taken = false; /* it may exist: the end must not take it out */
		return false;
	}
	if (exists && !im->options->replace) {
		im->counts.existing++;
		im->taken = false;
		return true;
	}
	if (exists) {
		delete_account(im);
		im->replaced = true;
	}
	store_account_create(im->data->store, data_store_write(im->data), im->host, im->user, none,
		clock_wall_us());
	return true;
}

bool import_user(struct import *im, struct str host, struct str user)
{
	BUG_ON(im->in_user);
	if (*im->options->stop)
		return import_fail(im, "interrupted");
	im->in_user = true;
	im->keys = (struct scram_keys){ 0 };
	import_documents_begin(im);
	import_messages_begin(im);
	im->version = 0;
	im->requests = 0;
	im->taken = names_account(im, host, user);
	arena_reset(&im->turn);
	if (im->taken && im->options->user.n && !str_eq(im->user, im->options->user)) {
		im->counts.elsewhere++;
		im->taken = false;
	}
	return !im->taken || !im->data || make_account(im);
}

/* Whether there are keys; those of one hash alone are counted. */
static bool has_keys(struct import *im)
{
	unsigned n = 0, last = 0;

	for (unsigned d = 0; d < DIGEST_COUNT; d++)
		if (im->keys.of[d].rounds) {
			last = d;
			n++;
		}
	if (n == 1)
		im->counts.single[last]++;
	return n != 0;
}

static void finish_account(struct import *im)
{
	struct store_key keys[STORE_HASHES];

	import_documents_end(im);
	im->counts.accounts++;
	if (!has_keys(im)) {
		import_note(im, "password of an account that came without one: set it with "
			"`stentorctl passwd`");
		return;
	}
	if (!im->data)
		return;
	keys_to_store(&im->keys, keys);
	store_set_keys(im->data->store, data_store_write(im->data), im->host, im->user, keys);
}

bool import_user_end(struct import *im)
{
	BUG_ON(!im->in_user);
	im->in_user = false;
	import_messages_end(im);
	if (im->taken && !im->error.n)
		finish_account(im);
	if (im->taken && im->data && !data_settle(im->data))
		store_fails(im, im->data->failed);
	if (im->taken && im->data && im->error.n) /* whole or not at all */
		delete_account(im);
	wipe(&im->keys, sizeof im->keys);
	arena_reset(&im->user_mem);
	im->taken = false;
	return !im->error.n;
}

/* ---- credentials ---- */

void import_password(struct import *im, struct str password)
{
	struct str prepared;

	if (!im->taken || !password.n)
		return;
	if (!jid_prep_password(password, &im->turn, &prepared))
		import_note(im, "password that has characters which none may have");
	else if (im->data)
		scram_keys_make(prepared, &im->keys);
	else
		for (unsigned d = 0; d < DIGEST_COUNT; d++) /* there will be keys */
			im->keys.of[d].rounds = 1;
	arena_reset(&im->turn);
}

void import_key(struct import *im, enum digest d, uint64_t rounds, struct str salt,
	struct str stored, struct str server)
{
	size_t n = digest_len(d);

	if (!im->taken)
		return;
	if (!rounds || rounds > SCRAM_ROUNDS_MAX || !salt.n || salt.n > SCRAM_SALT_MAX ||
	    stored.n != n || server.n != n) {
		import_note(im, "SCRAM key that is none");
		return;
	}
	struct scram_key *key = &im->keys.of[d];
	key->rounds = (uint32_t)rounds;
	key->n_salt = (uint8_t)salt.n;
	memcpy(key->salt, salt.p, salt.n);
	memcpy(key->stored, stored.p, n);
	memcpy(key->server, server.p, n);
}
