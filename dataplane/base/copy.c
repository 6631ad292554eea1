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

#define STEP  4
#define PAGE  ((size_t)4096)
#define PAGES 4 /* 64 MiB from memory to memory take 6.0 ms so, one after the other 8.0 */

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

/* A line, which is aligned where it goes. */
static inline void
line_past(uint8_t *to, const uint8_t *from)
{
	__m128i *d = (__m128i *)to;
	const __m128i *s = (const __m128i *)from;
	__m128i a = _mm_loadu_si128(s), b = _mm_loadu_si128(s + 1);
	__m128i c = _mm_loadu_si128(s + 2), e = _mm_loadu_si128(s + 3);

	_mm_stream_si128(d, a);
	_mm_stream_si128(d + 1, b);
	_mm_stream_si128(d + 2, c);
	_mm_stream_si128(d + 3, e);
}

/* Whole lines only: a line of which a part is written past the caches is read all the same. Of
 * pages four at a time, a line of each in turn: a cpu fetches ahead within a page, not beyond. */
void
copy_past_open(void *to, const void *from, size_t len)
{
	size_t head = MIN(-(uintptr_t)to % CACHE_LINE, len), left = len - head;
	uint8_t *d = (uint8_t *)to + head;
	const uint8_t *s = (const uint8_t *)from + head;

	memcpy(to, from, head);
	for (; left >= PAGES * PAGE; left -= PAGES * PAGE) {
		for (size_t at = 0; at < PAGE; at += CACHE_LINE) {
			line_past(d + at, s + at);
			line_past(d + PAGE + at, s + PAGE + at);
			line_past(d + 2 * PAGE + at, s + 2 * PAGE + at);
			line_past(d + 3 * PAGE + at, s + 3 * PAGE + at);
		}
		d += PAGES * PAGE;
		s += PAGES * PAGE;
	}
	for (; left >= CACHE_LINE; left -= CACHE_LINE) {
		line_past(d, s);
		d += CACHE_LINE;
		s += CACHE_LINE;
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
