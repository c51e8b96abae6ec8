#include "xmpp/datetime.h"

#include <time.h>

struct str datetime_format(struct arena *a, uint64_t wall_us)
{
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	return str_printf(a, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900,
		tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		(unsigned)(wall_us / 1000 % 1000));
}

/* Takes exactly `digits` digits from the front of s: a number from min to max. */
static bool take_number(struct str *s, size_t digits, int min, int max, int *out)
{
	uint64_t v;

	if (s->n < digits || !str_to_u64(str_head(*s, digits), (uint64_t)max, &v) || (int)v < min)
		return false;
	*out = (int)v;
	*s = str_skip(*s, digits);
	return true;
}

static bool take_char(struct str *s, char c)
{
	if (!s->n || s->p[0] != c)
		return false;
	*s = str_skip(*s, 1);
	return true;
}

/* ".sss", or nothing; in microseconds. */
static bool take_fraction(struct str *s, int64_t *us)
{
	int64_t unit = 100000;
	size_t digits = 0;

	*us = 0;
	if (!take_char(s, '.'))
		return true;
	for (; s->n && s->p[0] >= '0' && s->p[0] <= '9'; *s = str_skip(*s, 1), digits++) {
		*us += (s->p[0] - '0') * unit;
		unit /= 10;
	}
	return digits > 0;
}

/* "Z" or an offset up to the 14 hours of XML Schema; in seconds to subtract. */
static bool take_zone(struct str *s, int *offset)
{
	int sign = 1, hours, minutes;

	*offset = 0;
	if (take_char(s, 'Z'))
		return true;
	if (take_char(s, '-'))
		sign = -1;
	else if (!take_char(s, '+'))
		return false;
	if (!take_number(s, 2, 0, 14, &hours) || !take_char(s, ':') ||
		!take_number(s, 2, 0, 59, &minutes) || (hours == 14 && minutes))
		return false;
	*offset = sign * (hours * 3600 + minutes * 60);
	return true;
}

static bool take_date(struct str *s, struct tm *tm)
{
	return take_number(s, 4, 0, 9999, &tm->tm_year) && take_char(s, '-') &&
		take_number(s, 2, 1, 12, &tm->tm_mon) && take_char(s, '-') &&
		take_number(s, 2, 1, 31, &tm->tm_mday);
}

static bool take_time(struct str *s, struct tm *tm)
{
	return take_number(s, 2, 0, 23, &tm->tm_hour) && take_char(s, ':') &&
		take_number(s, 2, 0, 59, &tm->tm_min) && take_char(s, ':') &&
		take_number(s, 2, 0, 59, &tm->tm_sec);
}

bool datetime_parse(struct str s, uint64_t *wall_us)
{
	struct tm tm = { 0 };
	int64_t us;
	int offset;

	if (!take_date(&s, &tm) || !take_char(&s, 'T') || !take_time(&s, &tm) ||
		!take_fraction(&s, &us) || !take_zone(&s, &offset) || s.n)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	int day = tm.tm_mday;
	int64_t seconds = timegm(&tm);
	if (tm.tm_mday != day) /* the 30th of February became the 2nd of March */
		return false;
	seconds -= offset;
	*wall_us = seconds < 0 ? 0 : (uint64_t)(seconds * 1000000 + us);
	return true;
}
