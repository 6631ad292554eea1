/* SPDX-License-Identifier: Apache-2.0 */
/* pages - bytes that change places with their pages, instead of being copied
 *
 *	at     [ ....|AAAA|AAAA|AA.. ]         at     [ ....|BBBB|BBBB|AA.. ]
 *	with   [ ....|BBBB|BBBB|BB.. ]   ==>   with   [ ....|AAAA|AAAA|BB.. ]
 *
 * 64 MiB take 0.1 to 0.5 ms so, where a copy takes 6. Nothing is lost of either side: no page is
 * given up, so none has to be zeroed for the next. The kernel keeps such a range as a mapping of
 * its own, of which a process has some 65,000: an extent that takes part has a limit of cuts.
 *
 * A fork meanwhile copies either side whole, as always; locked pages stay locked. Where the kernel
 * cannot (before 5.7), or mappings or memory are short, it brings less, and the caller copies.
 *
 * Rejected: userfaultfd's MOVE, which cuts no mapping, but throws away what was there.
 *
 * Owner: the thread that owns the extent. Errors: negative mb_err.
 */
#ifndef MB_PAGES_H
#define MB_PAGES_H

#include <stddef.h>
#include <stdint.h>

#define PAGES_BYTES       4096U
#define PAGES_LARGE_BYTES (2UL << 20)

struct pages;

/* pages_create: mem, of so many bytes, is to take part; at most cut_max cuts are made in it.
 *
 * Requires:  mem is private anonymous memory, aligned to PAGES_BYTES.
 * Returns:   0; MB_ERR_NO_MEMORY.
 */
int pages_create(struct pages **ret, void *mem, size_t bytes, uint32_t cut_max);
void pages_destroy(struct pages *ps);

/* pages_bring brings bytes from `with` to at, in the extent; what was there is then in `with`, or
 * what has been there all the time.
 *
 * Requires:  all are multiples of PAGES_BYTES; `with` is private anonymous memory, too; nobody else
 *            looks at either meanwhile.
 * Returns:   how many were brought, from the first on: all, or less where the kernel refuses. The
 *            others are where they were.
 * Cost:      see above; 512 KiB are copied at most
 */
size_t pages_bring(struct pages *ps, uint8_t *at, uint8_t *with, size_t bytes);

/* How many cuts there are at most. */
uint32_t pages_cuts(const struct pages *ps);

#endif
