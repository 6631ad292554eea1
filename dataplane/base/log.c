/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - format, escape, one write */
#include "log.h"

#include <microburst/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

/* Read by every thread, written at start (fd) or rarely (level); nothing is ordered by either. */
static int log_fd = STDERR_FILENO;
static int log_level_max = LOG_NOTICE;

static const struct {
	const char *name;  /* in the configuration */
	const char *label; /* in a line */
} log_levels[] = {
	[LOG_ERROR] = { "error", "ERROR" },    [LOG_WARN] = { "warn", "WARN" },
	[LOG_NOTICE] = { "notice", "NOTICE" }, [LOG_INFO] = { "info", "INFO" },
	[LOG_DEBUG] = { "debug", "DEBUG" },
};

static void
require_level(enum log_level level)
{
	REQUIRE(level >= LOG_ERROR && level <= LOG_DEBUG, "level=%d", (int)level);
}

void
log_open(int fd, enum log_level level)
{
	__atomic_store_n(&log_fd, fd, __ATOMIC_RELAXED);
	log_level_set(level);
}

void
log_level_set(enum log_level level)
{
	require_level(level);
	__atomic_store_n(&log_level_max, (int)level, __ATOMIC_RELAXED);
}

bool
log_enabled(enum log_level level)
{
	return (int)level <= __atomic_load_n(&log_level_max, __ATOMIC_RELAXED);
}

int
log_level_from_name(const char *name, enum log_level *ret_level)
{
	for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
		if (strcmp(log_levels[i].name, name) == 0) {
			*ret_level = (enum log_level)i;
			return MB_OK;
		}
	}
	return MB_ERR_INVALID;
}

/* The line so far; the last bytes are kept back for the ending. */
struct line {
	char text[LOG_LINE_BYTES_MAX];
	size_t len;
	bool cut;
};

static const char LINE_CUT[] = "...\n";
enum { LINE_ROOM = LOG_LINE_BYTES_MAX - sizeof(LINE_CUT) };

static void
line_stamp(struct line *l, enum log_level level)
{
	struct timespec ts;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	l->len = strftime(l->text, LINE_ROOM, "%Y-%m-%dT%H:%M:%S", &tm);
	l->len += (size_t)snprintf(l->text + l->len, LINE_ROOM - l->len, ".%06ldZ %s ",
				   ts.tv_nsec / 1000, log_levels[level].label);
}

static void
line_put(struct line *l, const char *bytes, size_t len)
{
	if (l->cut || len > LINE_ROOM - l->len) {
		l->cut = true;
		return;
	}
	memcpy(l->text + l->len, bytes, len);
	l->len += len;
}

static void
line_put_escaped(struct line *l, const char *text)
{
	static const char hex[] = "0123456789abcdef";

	for (; *text != '\0' && !l->cut; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= ' ' && c <= '~') {
			line_put(l, text, 1);
		} else {
			line_put(l, (char[]){ '\\', 'x', hex[c >> 4], hex[c & 15] }, 4);
		}
	}
}

void
log_at(enum log_level level, const char *fmt, ...)
{
	char text[LOG_LINE_BYTES_MAX];
	struct line line = { .len = 0 };
	const char *end;
	va_list ap;
	int len;
	ssize_t written;

	require_level(level);
	if (!log_enabled(level)) {
		return;
	}

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (len < 0) {
		return; /* the format could not be encoded */
	}

	line_stamp(&line, level);
	line_put_escaped(&line, text);
	end = line.cut || (size_t)len >= sizeof(text) ? LINE_CUT : "\n";
	memcpy(line.text + line.len, end, strlen(end));
	line.len += strlen(end);

	written = write(__atomic_load_n(&log_fd, __ATOMIC_RELAXED), line.text, line.len);
	(void)written;
}
