/* Structured logging: a line is an event name and fields.
 *
 * Text or JSON, one write(2) a line, to standard error. Never log bodies or secrets: fields
 * are JIDs, addresses, numbers, conditions. Values are escaped, so that no peer can forge a
 * line. A context is a chain (shard, host, session), each link adding its fields. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_field {
	const char *key;
	struct str s;      /* the value, or */
	int64_t i;         /* when s.p is NULL, this number */
};

struct log {
	const struct log *up;
	struct log_field field; /* key NULL: adds nothing */
};

#define F_STR(k, v) ((struct log_field){ (k), (v).p ? (v) : STR(""), 0 })
#define F_C(k, z)   ((struct log_field){ (k), str_c((z) ? (z) : ""), 0 })
#define F_INT(k, v) ((struct log_field){ (k), STR_NULL, (int64_t)(v) })

/* Settings of the whole process; any thread, at any time. */
void log_setup(enum log_level lowest, enum log_format format);

bool log_wants(enum log_level level);

void log_write(const struct log *log, enum log_level level, const char *event,
	const struct log_field *fields, size_t n);

#define log_at(log, level, event, ...)                                                   \
	do {                                                                             \
		if (log_wants(level)) {                                                  \
			const struct log_field log_fields_[] = { __VA_ARGS__ };          \
			log_write(log, level, event, log_fields_,                        \
				sizeof log_fields_ / sizeof log_fields_[0]);             \
		}                                                                        \
	} while (0)

/* At least one field each: a line without one says too little. log may be NULL. */
#define log_debug(log, event, ...) log_at(log, LOG_DEBUG, event, __VA_ARGS__)
#define log_info(log, event, ...)  log_at(log, LOG_INFO, event, __VA_ARGS__)
#define log_warn(log, event, ...)  log_at(log, LOG_WARN, event, __VA_ARGS__)
#define log_error(log, event, ...) log_at(log, LOG_ERROR, event, __VA_ARGS__)

/* One line as it would be written, into out (at most max bytes, with the final newline).
 * wall_us: microseconds since 1970 UTC. Returns its length. For tests. */
size_t log_line(char *out, size_t max, enum log_format format, uint64_t wall_us,
	const struct log *log, enum log_level level, const char *event,
	const struct log_field *fields, size_t n);

#endif
