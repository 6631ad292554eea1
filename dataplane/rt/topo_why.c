/* SPDX-License-Identifier: Apache-2.0 */
/* topo_why.c - a sentence is cut at its limit, not refused: half an explanation beats none */
#include "topo_why.h"

#include <stdarg.h>
#include <stdio.h>

#include "check.h"

int
topo_why_set(struct topo_why *why, int err, const char *fmt, ...)
{
	va_list ap;

	REQUIRE(err < 0, "err=%d", err);
	if (why != NULL) {
		va_start(ap, fmt);
		vsnprintf(why->text, sizeof(why->text), fmt, ap);
		va_end(ap);
	}
	return err;
}
