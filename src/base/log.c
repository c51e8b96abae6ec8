#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static enum log_level lowest = LOG_INFO;
static enum log_format format = LOG_TEXT;

void log_setup(enum log_level level, enum log_format f)
{
	lowest = level;
	format = f;
}

bool log_wants(enum log_level level)
{
	return level >= lowest;
}

/* A line being written into a fixed place; what does not fit is cut. */
struct line {
	char *p;
	size_t n, max;
};

static void put(struct line *l, struct str s)
{
	size_t room = l->max - l->n;

	if (s.n > room)
		s.n = room;
	memcpy(l->p + l->n, s.p, s.n);
	l->n += s.n;
}

__attribute__((format(printf, 2, 3))) static void put_f(struct line *l, const char *fmt, ...)
{
	char small[96];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(small, sizeof small, fmt, ap);
	va_end(ap);
	put(l, str_from(small, n < (int)sizeof small ? (size_t)n : sizeof small - 1));
}

/* In both formats a value is a JSON string where it needs quotes: control characters,
 * quotes and backslashes escaped, all else as it came. */
static void put_quoted(struct line *l, struct str s)
{
	put(l, STR("\""));
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c == '"' || c == '\\')
			put_f(l, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			put_f(l, "\\u%04x", c);
		else
			put(l, str_from(s.p + i, 1));
	}
	put(l, STR("\""));
}

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c <= ' ' || c == '"' || c == '\\' || c == '=' || c == 0x7f)
			return false;
	}
	return s.n != 0;
}

static void put_field(struct line *l, enum log_format f, const struct log_field *field)
{
	if (f == LOG_JSON)
		put_f(l, ",\"%s\":", field->key);
	else
		put_f(l, " %s=", field->key);
	if (!field->s.p)
		put_f(l, "%lld", (long long)field->i);
	else if (f == LOG_TEXT && is_plain(field->s))
		put(l, field->s);
	else
		put_quoted(l, field->s);
}

static void put_context(struct line *l, enum log_format f, const struct log *log)
{
	if (!log)
		return;
	put_context(l, f, log->up);
	if (log->field.key)
		put_field(l, f, &log->field);
}

size_t log_line(char *out, size_t max, enum log_format f, uint64_t wall_us, const struct log *log,
	enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	/* Room is kept for what closes the line, so that a cut line is still a line. */
	struct line l = { out, 0, max - 3 };
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm;
	char stamp[32];

	gmtime_r(&seconds, &tm);
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	if (f == LOG_JSON)
		put_f(&l, "{\"time\":\"%s.%03uZ\",\"level\":\"%s\",\"event\":\"%s\"", stamp,
			(unsigned)(wall_us / 1000 % 1000), names[level], event);
	else
		put_f(&l, "%s.%03uZ %-5s %s", stamp, (unsigned)(wall_us / 1000 % 1000), names[level],
			event);
	put_context(&l, f, log);
	for (size_t i = 0; i < n; i++)
		put_field(&l, f, &fields[i]);
	bool cut = l.n == l.max;
	l.max = max;
	if (f == LOG_JSON)
		put(&l, cut ? STR("\"}") : STR("}"));
	put(&l, STR("\n"));
	return l.n;
}

void log_write(const struct log *log, enum log_level level, const char *event,
	const struct log_field *fields, size_t n)
{
	char line[LINE_MAX_BYTES];
	size_t len = log_line(line, sizeof line, format, clock_wall_us(), log, level, event, fields,
		n);

	/* Nobody is left to tell when standard error fails. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}
