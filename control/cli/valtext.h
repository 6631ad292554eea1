/* SPDX-License-Identifier: Apache-2.0 */
/* valtext - values as a person or a program reads them
 *
 * Plain, one value on a line:
 *	i64 5      f64 5.0      utf8 as it is      array 1.0,2.5      nil nil      list [1, 2.5]
 *	bytes as they are when they are text, else b: and hexadecimal, as `call` takes them
 *
 * In JSON a value is {"type": ..., "value": ...}. Bytes are a string if they are text, else
 * {"hex": ...}; infinities and nan are strings because JSON has no such numbers.
 *
 * Threads: any; nothing is kept.
 */
#ifndef MB_CLI_VALTEXT_H
#define MB_CLI_VALTEXT_H

#include <jansson.h>
#include <microburst/value.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* valtext_print prints the results of a call. A single result of bytes that does not go to a
 * terminal is written as it is, without a new line: it may be a file. */
void valtext_print(FILE *f, const struct mb_value *v, uint32_t cnt, bool terminal);

/* valtext_bytes prints bytes of the store by the same rules as a single result. */
void valtext_bytes(FILE *f, const void *p, size_t len, bool terminal);

/* valtext_field prints bytes as a part of a line: text as it is, anything else as b: and
 * hexadecimal. */
void valtext_field(FILE *f, const void *p, size_t len, bool terminal);

/* valtext_json gives one value as JSON.
 * Returns: NULL when memory is short. */
json_t *valtext_json(const struct mb_value *v);

/* valtext_json_bytes gives bytes, of a result, a key or a stored value, as JSON: see above.
 * Returns: NULL when memory is short. */
json_t *valtext_json_bytes(const void *p, size_t len);

#endif
