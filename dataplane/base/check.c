/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - the last words of a process that found a bug of ours
 *
 * The message goes to standard error whole, in one write, past the log: the log may be what is
 * broken, and several processes may be dying at once on one terminal.
 */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"

enum { CHECK_VALUES_BYTES = 512, CHECK_LINE_BYTES = 1024 };

void
check_fail(const char *kind, const char *file, int line, const char *func, const char *expr,
	   const char *fmt, ...)
{
	char values[CHECK_VALUES_BYTES];
	char text[CHECK_LINE_BYTES];
	va_list ap;
	int len;

	va_start(ap, fmt);
	vsnprintf(values, sizeof(values), fmt, ap);
	va_end(ap);

	len = snprintf(text, sizeof(text), "%s:%d: %s: %s(%s) failed%s%s\n", file, line, func, kind,
		       expr, values[1] != '\0' ? ":" : "", values[1] != '\0' ? values : "");
	if (len > 0) {
		/* Nobody is left to hear that this failed. */
		ssize_t n = write(STDERR_FILENO, text, MIN((size_t)len, sizeof(text) - 1));
		(void)n;
	}
	abort();
}

void
check_warn(const char *file, int line, const char *func, const char *expr, const char *fmt, ...)
{
	char values[CHECK_VALUES_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(values, sizeof(values), fmt, ap);
	va_end(ap);

	log_at(LOG_WARN, "%s:%d: %s: unexpected (told once): %s%s%s", file, line, func, expr,
	       values[1] != '\0' ? ":" : "", values[1] != '\0' ? values : "");
}
