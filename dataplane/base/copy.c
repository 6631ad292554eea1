/* SPDX-License-Identifier: Apache-2.0 */
/* copy.c - see copy.h
 *
 * Four vectors are loaded, then stored. The compiler must not see that this is a copy: it would
 * call memcpy.
 */
#include "copy.h"

#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "compiler.h"

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

#ifdef __SSE2__

/* Whole lines only: a line of which a part is written past the caches is read all the same. */
void
copy_past_open(void *to, const void *from, size_t len)
{
	size_t head = MIN(-(uintptr_t)to % CACHE_LINE, len);
	__m128i *d = (__m128i *)((uint8_t *)to + head);
	const __m128i *s = (const __m128i *)((const uint8_t *)from + head);
	size_t left = len - head;

	memcpy(to, from, head);
	for (; left >= STEP * sizeof(*d); left -= STEP * sizeof(*d)) {
		__m128i a = _mm_loadu_si128(s), b = _mm_loadu_si128(s + 1);
		__m128i c = _mm_loadu_si128(s + 2), e = _mm_loadu_si128(s + 3);

		_mm_stream_si128(d, a);
		_mm_stream_si128(d + 1, b);
		_mm_stream_si128(d + 2, c);
		_mm_stream_si128(d + 3, e);
		d += STEP;
		s += STEP;
	}
	memcpy(d, s, left);
}

void
copy_past_close(void)
{
	_mm_sfence(); /* such stores are in no order with those that tell of them */
}

#else

void
copy_past_open(void *to, const void *from, size_t len)
{
	copy_bytes(to, from, len);
}

void
copy_past_close(void)
{
}

#endif

void
copy_past(void *to, const void *from, size_t len)
{
	copy_past_open(to, from, len);
	copy_past_close();
}
