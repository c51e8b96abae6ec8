#include "store/ledger_replace.h"

#include "base/bug.h"
#include "store/ledger_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* A record in a file that is open for changes. */
struct spot {
	const struct segment *segment; /* NULL: it has been deleted */
	uint64_t place;
	int fd;
	char *bytes;
	struct record r;
};

static bool fail(const struct spot *s, const char *what, int e, struct ledger_fault *fault)
{
	*fault = (struct ledger_fault){ what, s->segment->base, s->place - s->segment->base, e };
	return false;
}

static const struct segment *find(struct segment_list segments, uint64_t place)
{
	for (size_t i = 0; i < segments.n; i++)
		if (place >= segments.v[i].base &&
			place < segments.v[i].base + segments.v[i].size)
			return &segments.v[i];
	return NULL;
}

static void spot_close(struct spot *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->bytes);
}

static bool read_spot(struct spot *s, struct ledger_fault *fault)
{
	char head[RECORD_PEEK];
	const uint64_t at = s->place - s->segment->base;
	const char *why;
	ssize_t n;

	do
		n = pread(s->fd, head, sizeof head, (off_t)at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail(s, "it can't be read", errno, fault);
	if (record_peek(str_from(head, (size_t)n), s->place, s->segment->form, &s->r, &why) !=
		RECORD_WHOLE)
		return fail(s, why, 0, fault);
	s->bytes = xmalloc(s->r.length);
	if (!file_read(s->fd, at, s->bytes, s->r.length))
		return fail(s, "it can't be read", errno, fault);
	if (record_read(str_from(s->bytes, s->r.length), s->place, s->segment->form, &s->r, &why) !=
		RECORD_WHOLE)
		return fail(s, why, 0, fault);
	return true;
}

/* Opens the file and reads the record. True with no segment when that is gone. */
static bool spot_open(struct spot *s, struct segment_list segments, int dir, uint64_t place,
	struct ledger_fault *fault)
{
	*s = (struct spot){ .segment = find(segments, place), .place = place, .fd = -1 };
	if (!s->segment)
		return true;
	s->fd = segment_open(dir, s->segment->base, O_RDWR);
	if (s->fd < 0)
		return fail(s, "it can't be opened", errno, fault);
	return read_spot(s, fault);
}

static bool put(struct spot *s, size_t at, const char *bytes, size_t n)
{
	return file_write(s->fd, s->place - s->segment->base + at, bytes, n);
}

static bool zero(struct spot *s, size_t at, struct str old)
{
	return all_zero(old) || file_zero(s->fd, s->place - s->segment->base + at, old.n);
}

/* Leads the message to what replaces it. */
static bool link_to(struct spot *s, uint64_t by)
{
	char bytes[8];

	record_replaced_bytes(&s->r, by, s->segment->form.salt, bytes);
	return put(s, record_replaced_at(), bytes, sizeof bytes) && fdatasync(s->fd) == 0;
}

static bool zero_bytes(struct spot *s)
{
	return all_zero(s->r.bytes) ||
		(zero(s, record_bytes_at(&s->r), s->r.bytes) && fdatasync(s->fd) == 0);
}

/* Erases the whole record, whosever it is. */
static bool erase_all(struct spot *s)
{
	char word[4];

	record_erased_word(word);
	for (unsigned i = 0; i < s->r.n_archives; i++)
		if (!put(s, record_erased_at(&s->r, i), word, sizeof word))
			return false;
	if (fdatasync(s->fd) != 0)
		return false;
	for (unsigned i = 0; i < s->r.n_archives; i++)
		if (!zero(s, record_name_at(&s->r, i), s->r.archives[i].name) ||
			!file_zero(s->fd, s->place - s->segment->base + record_talk_at(&s->r, i),
				RECORD_TALK))
			return false;
	return zero_bytes(s) && fdatasync(s->fd) == 0;
}

/* An earlier replacement goes. */
static bool erase_earlier(struct segment_list segments, int dir, uint64_t place,
	struct ledger_fault *fault)
{
	struct spot s;
	bool good = spot_open(&s, segments, dir, place, fault);

	if (good && s.segment && s.r.type == RECORD_REPLACE && !erase_all(&s))
		good = fail(&s, "it can't be written", errno, fault);
	spot_close(&s);
	return good;
}

/* The message and its replacement are there: from link to zeros. */
static bool run(struct segment_list segments, int dir, struct spot *s, const struct spot *by,
	struct ledger_fault *fault)
{
	if (s->r.replaced > by->place) /* replaced once more since */
		return erase_earlier(segments, dir, by->place, fault);
	uint64_t earlier = s->r.replaced != by->place ? s->r.replaced : 0;
	if (s->r.replaced != by->place && !link_to(s, by->place))
		return fail(s, "it can't be written", errno, fault);
	if (!zero_bytes(s))
		return fail(s, "it can't be written", errno, fault);
	/* Where that was cut short it says itself what came before it. */
	if (!earlier)
		earlier = by->r.archives[0].talk_prev;
	return !earlier || erase_earlier(segments, dir, earlier, fault);
}

bool replace_run(struct segment_list segments, int dir, uint64_t at, uint64_t by,
	struct ledger_fault *fault)
{
	struct spot message, new;
	bool good = spot_open(&message, segments, dir, at, fault);

	if (!good || !message.segment) {
		spot_close(&message);
		return good;
	}
	good = spot_open(&new, segments, dir, by, fault);
	if (good && (!new.segment || new.r.type != RECORD_REPLACE ||
		new.r.archives[0].prev != at || message.r.type != RECORD_STORE))
		good = fail(&message, "what replaces it is missing", 0, fault);
	if (good && !record_all_erased(&new.r))
		good = run(segments, dir, &message, &new, fault);
	spot_close(&new);
	spot_close(&message);
	return good;
}
