#include "store/ledger_index.h"

#include "base/bug.h"
#include "store/ledger_bytes.h"
#include "store/ledger_crc.h"

#define INDEX_VERSION 1
#define INDEX_HEAD    64
#define ENTRY_HEAD    48

enum { IH_MAGIC = 0, IH_VERSION = 8, IH_CRC = 12, IH_LENGTH = 16, IH_COVERS = 24, IH_LAST = 32,
	IH_ARCHIVES = 40, IH_SALT = 48 };
enum { IE_NEWEST = 0, IE_FIRST = 8, IE_LAST = 16, IE_MARK = 24, IE_MARK_AT = 32, IE_WAITING = 40,
	IE_NAME = 44 };

static const char magic[8] = { 'S', 't', 'L', 'e', 'd', 'I', 'd', 'x' };

static size_t padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

static void write_entry(const struct archive *a, struct buf *out)
{
	size_t n = ENTRY_HEAD + padded(a->name.n) + 8 * (size_t)a->n;
	char *p = buf_reserve(out, n);

	memset(p, 0, ENTRY_HEAD + padded(a->name.n));
	put64(p + IE_NEWEST, a->newest);
	put64(p + IE_FIRST, a->first);
	put64(p + IE_LAST, a->last);
	put64(p + IE_MARK, a->mark);
	put64(p + IE_MARK_AT, a->mark_at);
	put32(p + IE_WAITING, a->n);
	put16(p + IE_NAME, (uint16_t)a->name.n);
	memcpy(p + ENTRY_HEAD, a->name.p, a->name.n);
	p += ENTRY_HEAD + padded(a->name.n);
	for (uint32_t i = 0; i < a->n; i++)
		put64(p + 8 * (size_t)i, a->waiting[i]);
	out->n += n;
}

void index_write(const struct ledger_state *s, struct index_reach reach, struct buf *out)
{
	memset(buf_reserve(out, INDEX_HEAD), 0, INDEX_HEAD);
	out->n = INDEX_HEAD;
	for (struct map_node *n = NULL; (n = map_next(&s->archives, n));)
		write_entry(container_of(n, struct archive, node), out);
	memcpy(out->p + IH_MAGIC, magic, sizeof magic);
	put32(out->p + IH_VERSION, INDEX_VERSION);
	put64(out->p + IH_LENGTH, out->n);
	put64(out->p + IH_COVERS, reach.covers);
	put64(out->p + IH_LAST, reach.last);
	put64(out->p + IH_ARCHIVES, s->archives.n);
	put32(out->p + IH_SALT, reach.salt);
	put32(out->p + IH_CRC, crc32c(0, out->p + IH_LENGTH, out->n - IH_LENGTH));
}

/* Takes one entry off the start of `rest`. */
static bool read_entry(struct str *rest, struct ledger_state *s, uint64_t covers)
{
	const char *p = rest->p;

	if (rest->n < ENTRY_HEAD)
		return false;
	struct archive a = { .newest = get64(p + IE_NEWEST), .first = get64(p + IE_FIRST),
		.last = get64(p + IE_LAST), .mark = get64(p + IE_MARK),
		.mark_at = get64(p + IE_MARK_AT), .n = get32(p + IE_WAITING),
		.name = { p + ENTRY_HEAD, get16(p + IE_NAME) } };
	size_t n = ENTRY_HEAD + padded(a.name.n) + 8 * (size_t)a.n;
	if (a.name.n == 0 || a.name.n > LEDGER_NAME_MAX || a.last >= covers ||
		n > rest->n)
		return false;
	a.waiting = xmalloc(8 * (size_t)a.n + 1);
	for (uint32_t i = 0; i < a.n; i++)
		a.waiting[i] = get64(p + ENTRY_HEAD + padded(a.name.n) + 8 * (size_t)i);
	bool good = ledger_state_restore(s, &a);
	free(a.waiting);
	*rest = str_skip(*rest, n);
	return good;
}

const char *index_read(struct str file, struct ledger_state *s, struct index_reach *out)
{
	if (file.n < INDEX_HEAD || memcmp(file.p + IH_MAGIC, magic, sizeof magic) != 0)
		return "it is no index of a ledger";
	if (get32(file.p + IH_VERSION) != INDEX_VERSION)
		return "it has another version";
	if (get64(file.p + IH_LENGTH) != file.n ||
		get32(file.p + IH_CRC) != crc32c(0, file.p + IH_LENGTH, file.n - IH_LENGTH))
		return "it has a bad checksum";
	*out = (struct index_reach){ get64(file.p + IH_COVERS), get64(file.p + IH_LAST),
		get32(file.p + IH_SALT) };
	struct str rest = str_skip(file, INDEX_HEAD);
	for (uint64_t n = get64(file.p + IH_ARCHIVES); n; n--)
		if (!read_entry(&rest, s, out->covers))
			return "an archive in it makes no sense";
	return rest.n ? "it is longer than it should be" : NULL;
}
