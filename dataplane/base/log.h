/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - one line an event, for the operator
 *
 * Tiles and main log, once, at the place that can name the request. Libraries do not: they return
 * an error and let the caller say what it was about. What a level makes an operator do:
 *
 *  ERROR    something was lost or does not work: look now
 *  WARN     it works, worse than it should: look today
 *  NOTICE   the node's life: started, joined, replaced an executor, drained
 *  INFO     each decision with the numbers that made it
 *  DEBUG    for whoever changes the code
 *
 * A line is "2031-05-04T03:02:01.123456Z WARN text". Bytes of the text that are not printable ASCII
 * come out as \xNN, so nothing a stranger named can forge a line or move a terminal's cursor; UTF-8
 * is escaped too. A line longer than LOG_LINE_BYTES_MAX ends in "...".
 *
 * Threads:   any; a line is one write. Not from signal handlers.
 */
#ifndef MB_LOG_H
#define MB_LOG_H

#include <stdbool.h>

#define LOG_LINE_BYTES_MAX 1024

/* The numbers are syslog's, and those of systemd's "<N>" prefixes. */
enum log_level {
	LOG_ERROR = 3,
	LOG_WARN = 4,
	LOG_NOTICE = 5,
	LOG_INFO = 6,
	LOG_DEBUG = 7,
};

/* log_open sends lines of this level and worse to fd. Before it, NOTICE and worse go to stderr.
 *
 * Owns:      the caller keeps fd, and keeps it open.
 * Threads:   start-up only
 */
void log_open(int fd, enum log_level level);

/* log_level_set changes the level while others log. */
void log_level_set(enum log_level level);

/* log_enabled tells whether a line of this level would be written: for lines dear to make. */
bool log_enabled(enum log_level level);

/* log_level_from_name takes "error", "warn", "notice", "info" or "debug".
 *
 * Returns:   MB_OK; MB_ERR_INVALID for any other name.
 */
int log_level_from_name(const char *name, enum log_level *ret_level);

/* log_at writes a line. What cannot be written is dropped: a full disk must not stop a node. */
void log_at(enum log_level level, const char *fmt, ...)
	__attribute__((__format__(__printf__, 2, 3)));

#endif
