#include "base/log.h"

#include "base/bug.h"
#include "base/clock.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

/* A reload changes them while all threads log. */
static _Atomic(enum log_level) lowest = LOG_INFO;
static _Atomic(enum log_format) format = LOG_TEXT;

void log_setup(enum log_level level, enum log_format f)
{
	atomic_store_explicit(&lowest, level, memory_order_relaxed);
	atomic_store_explicit(&format, f, memory_order_relaxed);
}

bool log_wants(enum log_level level)
{
	return level >= atomic_load_explicit(&lowest, memory_order_relaxed);
}

/* A line being written into a fixed place, piece by piece. The first piece that does not fit
 * ends it: what is put afterwards is dropped, but for what closes the line, for which room is
 * kept. */
struct line {
	char *p;
	size_t n, max;
	bool full;
};

#define CLOSING 3 /* a quotation mark, a brace, the newline */

static void put(struct line *l, struct str s)
{
	if (l->full || s.n > l->max - l->n) {
		l->full = true;
		return;
	}
	memcpy(l->p + l->n, s.p, s.n);
	l->n += s.n;
}

static void put_closing(struct line *l, char c)
{
	l->p[l->n++] = c;
}

__attribute__((format(printf, 2, 3))) static void put_f(struct line *l, const char *fmt, ...)
{
	char piece[160]; /* keys and events are short names */
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(piece, sizeof piece, fmt, ap);
	va_end(ap);
	BUG_ON(n < 0 || n >= (int)sizeof piece);
	put(l, str_from(piece, (size_t)n));
}

/* Control characters, and what changes the order or the lines of what a terminal shows. */
static bool is_deceptive(int32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || (cp >= 0x2028 && cp <= 0x202e) ||
		(cp >= 0x2066 && cp <= 0x2069);
}

/* In both formats the inside of a JSON string: quotation marks, backslashes and deceptive
 * characters escaped, bytes that are not UTF-8 replaced. */
static void put_escaped(struct line *l, struct str s)
{
	unsigned len;

	for (; s.n; s = str_skip(s, len)) {
		int32_t cp = utf8_next(s, &len);
		if (cp < 0) {
			len = 1;
			cp = 0xfffd;
			put_f(l, "\\u%04x", (unsigned)cp);
		} else if (is_deceptive(cp)) {
			put_f(l, "\\u%04x", (unsigned)cp);
		} else if (cp == '"' || cp == '\\') {
			put_f(l, "\\%c", (int)cp);
		} else {
			put(l, str_head(s, len));
		}
	}
}

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c <= ' ' || c == '"' || c == '\\' || c == '=' || c >= 0x7f)
			return false;
	}
	return s.n != 0;
}

static void put_field(struct line *l, enum log_format f, const struct log_field *field)
{
	bool json = f == LOG_JSON;

	if (!field->s.p) {
		put_f(l, json ? ",\"%s\":%lld" : " %s=%lld", field->key, (long long)field->i);
		return;
	}
	if (!json && is_plain(field->s)) {
		put_f(l, " %s=", field->key);
		put_escaped(l, field->s);
		return;
	}
	put_f(l, json ? ",\"%s\":\"" : " %s=\"", field->key);
	if (l->full)
		return;
	put_escaped(l, field->s);
	if (l->n == l->max) /* the mark takes the room that is kept for it */
		l->full = true;
	put_closing(l, '"');
}

static void put_context(struct line *l, enum log_format f, const struct log *log)
{
	if (!log)
		return;
	put_context(l, f, log->up);
	if (log->field.key)
		put_field(l, f, &log->field);
}

static void put_head(struct line *l, enum log_format f, uint64_t wall_us, enum log_level level,
	const char *event)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	unsigned ms = (unsigned)(wall_us / 1000 % 1000);
	time_t seconds = (time_t)(wall_us / 1000000);
	char stamp[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	if (f == LOG_JSON)
		put_f(l, "{\"time\":\"%s.%03uZ\",\"level\":\"%s\",\"event\":\"%s\"", stamp, ms,
			names[level], event);
	else
		put_f(l, "%s.%03uZ %-5s %s", stamp, ms, names[level], event);
}

size_t log_line(char *out, size_t max, enum log_format f, uint64_t wall_us, const struct log *log,
	enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	BUG_ON(max <= CLOSING);
	struct line l = { out, 0, max - CLOSING, false };

	put_head(&l, f, wall_us, level, event);
	put_context(&l, f, log);
	for (size_t i = 0; i < n; i++)
		put_field(&l, f, &fields[i]);
	if (f == LOG_JSON)
		put_closing(&l, '}');
	put_closing(&l, '\n');
	return l.n;
}

void log_write(const struct log *log, enum log_level level, const char *event,
	const struct log_field *fields, size_t n)
{
	char line[LINE_MAX_BYTES];
	enum log_format f = atomic_load_explicit(&format, memory_order_relaxed);
	size_t len = log_line(line, sizeof line, f, clock_wall_us(), log, level, event, fields, n);

	/* Nobody is left to tell when standard error fails. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}
