/* SPDX-License-Identifier: Apache-2.0 */
/* copy.h - copies of what is long
 *
 * The C library copies what is long with one instruction (rep movsb). On some cpus (AMD's Zen 3 was
 * measured) that takes 5 times as long when the two ends lie a little apart in their pages: 64 MiB
 * 32 ms instead of 6.5. Values lie so often: heads of 8 to 56 bytes stand before them.
 */
#ifndef MB_COPY_H
#define MB_COPY_H

#include <stddef.h>
#include <string.h>

#define COPY_LONG_BYTES 2048 /* below, the C library takes registers too */

/* copy_bytes is memcpy. copy_long is the same of what is long. */
void copy_long(void *to, const void *from, size_t len);

static inline void
copy_bytes(void *to, const void *from, size_t len)
{
	if (len >= COPY_LONG_BYTES) {
		copy_long(to, from, len);
	} else {
		memcpy(to, from, len);
	}
}

/* copy_part is memcpy of a part of something that has all bytes. What is longer than the caches is
 * written past them: its lines need not be read before they are written, and those that are read
 * stay. 64 MiB from memory to memory take 5.0 ms so, where they took 9.0, and from frames 4.0
 * instead of 7.4 (a Xeon of 2.6 GHz with 2 MiB of second-level cache). copy_part_open and
 * copy_part_close are copy_past_open and copy_past_close for such: of 64 MiB in parts of 8,920
 * bytes, each of which is waited for, 3.2 ms instead of 2.4 (an EPYC of 2.6 GHz).
 *
 * Ensures:   whoever learns of the copy from this thread sees it, as after memcpy.
 */
#define COPY_PAST_BYTES ((size_t)4 << 20)

/* copy_past_open writes past the caches, and does not wait until the bytes are on their way;
 * copy_past_close waits for all of this thread. For many copies of which nobody else learns in
 * between: of 1 KiB to places in no cache, 220 ns each instead of 680, and 500 by memcpy (the same
 * Xeon, under load).
 *
 * Ensures:   this thread sees the copy at once; others that learn of it after copy_past_close.
 */
void copy_past_open(void *to, const void *from, size_t len);
void copy_past_close(void);

static inline void
copy_part_open(void *to, const void *from, size_t len, size_t all)
{
	if (all >= COPY_PAST_BYTES && len >= COPY_LONG_BYTES) {
		copy_past_open(to, from, len);
	} else {
		copy_bytes(to, from, len);
	}
}

static inline void
copy_part_close(size_t all)
{
	if (all >= COPY_PAST_BYTES) {
		copy_past_close();
	}
}

static inline void
copy_part(void *to, const void *from, size_t len, size_t all)
{
	copy_part_open(to, from, len, all);
	copy_part_close(all);
}

#endif
