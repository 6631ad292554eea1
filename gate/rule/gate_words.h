/* SPDX-License-Identifier: Apache-2.0 */
/* gate_words - the words of a command as numbers and patterns, as Redis reads them
 *
 * Pure. Threads: any.
 */
#ifndef MB_GATE_WORDS_H
#define MB_GATE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

bool gate_word_is(struct slice word, const char *lower);
bool gate_word_i64(struct slice word, int64_t *ret);
/* gate_word_f64 takes what Redis takes for a number: decimal, hexadecimal, "inf"; no NaN, and none
 * that a double has no room for. */
bool gate_word_f64(struct slice word, double *ret);
/* gate_word_float and gate_float_text are those of INCRBYFLOAT: of long doubles. */
#define GATE_FLOAT_MAX 5120
bool gate_word_float(struct slice word, long double *ret);
size_t gate_float_text(long double x, char ret[GATE_FLOAT_MAX]);
/* gate_match is Redis's glob. */
bool gate_match(struct slice pattern, struct slice text, bool any_case);
/* What a pattern begins with that is no pattern. */
struct slice gate_match_prefix(struct slice pattern);

#endif
