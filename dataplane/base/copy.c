/* SPDX-License-Identifier: Apache-2.0 */
/* copy.c - see copy.h
 *
 * Four vectors are loaded, then stored. The compiler must not see that this is a copy: it would
 * call memcpy.
 */
#include "copy.h"

#include <stdint.h>

/* At any address, of whatever type. */
typedef uint64_t vec __attribute__((__vector_size__(16), __aligned__(1), __may_alias__));

#define STEP 4

void
copy_long(void *to, const void *from, size_t len)
{
	vec *d = to;
	const vec *s = from;
	size_t left = len;

	for (; left >= STEP * sizeof(vec); left -= STEP * sizeof(vec)) {
		vec a = s[0], b = s[1], c = s[2], e = s[3];

		d[0] = a;
		d[1] = b;
		d[2] = c;
		d[3] = e;
		d += STEP;
		s += STEP;
		__asm__ volatile("" : : : "memory");
	}
	memcpy(d, s, left);
}
