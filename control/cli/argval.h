/* SPDX-License-Identifier: Apache-2.0 */
/* argval - what a person types as an argument, as a value
 *
 *	4, -4            i64             i:4        i64
 *	0.5, 1e3         f64             f:4        f64, also f:inf and f:nan
 *	@file            its bytes       s:4        text
 *	-                standard input  b:00ff     bytes, in hexadecimal
 *	anything else    text            a:1,2.5    array of f64; a: is an empty one
 *	                                 k:KEY      what is stored there (a reference)
 *	                                 o:KEY      no argument: the result is stored there
 *
 * Text that is not UTF-8 becomes bytes. A whole number that i64 cannot hold is refused rather than
 * rounded.
 *
 * Errors: negative mb_err, and a sentence in err.
 * Threads: one.
 */
#ifndef MB_CLI_ARGVAL_H
#define MB_CLI_ARGVAL_H

#include <microburst/value.h>
#include <stddef.h>

#define ARGVAL_ERR_BYTES 512

/* argval_parse makes a value of text.
 *
 * Returns:   0; MB_ERR_INVALID for what is no value; MB_ERR_IO for a file that cannot be read;
 *            MB_ERR_TOO_LARGE for a file of more than 64 MiB; MB_ERR_NO_MEMORY.
 * Owns:      *ret points into text, or into memory that stays until the process ends. */
int argval_parse(const char *text, struct mb_value *ret, char err[static ARGVAL_ERR_BYTES]);

/* argval_bytes is argval_parse for values of the store, which are bytes: only @file and - are
 * special, everything else stands for itself. */
int argval_bytes(const char *text, struct mb_value *ret, char err[static ARGVAL_ERR_BYTES]);

#endif
