/* SPDX-License-Identifier: Apache-2.0 */
/* fmt - numbers and foreign bytes as a person reads them
 *
 * Threads: any; nothing is kept.
 */
#ifndef MB_CLI_FMT_H
#define MB_CLI_FMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FMT_BYTES 40 /* room for any of the texts below */

/* fmt_ns writes a duration with three significant digits: "830 ns", "1.23 µs", "45.6 s"; from a
 * minute on in the two largest units: "3 h 04 min". */
const char *fmt_ns(char buf[static FMT_BYTES], uint64_t ns);

/* fmt_bytes writes a size in powers of 1024: "17 B", "1.50 MiB". */
const char *fmt_bytes(char buf[static FMT_BYTES], uint64_t bytes);

/* fmt_rate writes a number of events a second: "0", "12.3", "45.6 k", "1.23 M". */
const char *fmt_rate(char buf[static FMT_BYTES], double per_s);

/* fmt_count writes how many there are of a thing whose name takes an s: "1 edge", "2 edges". */
const char *fmt_count(char buf[static FMT_BYTES], uint64_t n, const char *thing);

/* fmt_f64 writes the shortest text that reads back as the same number and as a decimal: "5.0",
 * "0.1", "1e+300", "nan". */
const char *fmt_f64(char buf[static FMT_BYTES], double x);

/* fmt_safe prints bytes for a terminal: control characters and what is not UTF-8 come out as \xNN,
 * so that nothing a stranger stored moves the cursor. If lines is set, new lines and tabs stay. */
void fmt_safe(FILE *f, const void *p, size_t len, bool lines);

#endif
