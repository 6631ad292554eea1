/* SPDX-License-Identifier: Apache-2.0 */
/* param_value.h - the text of one parameter's value: read, written, described; behind params.h
 */
#ifndef MB_PARAM_VALUE_H
#define MB_PARAM_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "params.h"

/* The longest text of a number: 2^64 - 1 in digits, with a unit. */
#define PARAM_NUMBER_BYTES 32

/* param_number_parse reads a number of a type (everything but str). Blanks, signs, fractions and
 * more than 64 bits are refused, and so is a duration without a unit, except 0.
 *
 * Returns:   whether the text is one; a bool is 0 or 1, a duration in nanoseconds.
 */
bool param_number_parse(enum param_type type, const char *text, uint64_t *ret_n);

/* param_number_format writes a number in its largest unit that divides it: param_number_parse reads
 * it back. */
void param_number_format(enum param_type type, uint64_t n,
			 char ret_text[static PARAM_NUMBER_BYTES]);

/* param_number_accepts tells whether text is a value of the row, within its range.
 *
 * Requires:  the row is not a str
 */
bool param_number_accepts(const struct param *row, const char *text, uint64_t *ret_n);

/* param_str_accepts tells whether text is a value of the row: one of its words, if it has some;
 * else any text that a line of the configuration can hold.
 *
 * Requires:  the row is a str
 */
bool param_str_accepts(const struct param *row, const char *text);

/* param_describe writes what a row expects: "a whole number from 1 to 64 (tiles)". */
void param_describe(const struct param *row, char *ret_text, size_t bytes);

#endif
