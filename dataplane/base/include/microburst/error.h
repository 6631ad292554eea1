/* SPDX-License-Identifier: Apache-2.0 */
/* error.h - the errors of Microburst: one table, for the inside and for callers
 *
 * The convention of every function of this project that can fail: 0 is ok, a negative number is one
 * of enum mb_err, a positive number is a count. NULL means "not found" and nothing else. The rows,
 * with what each means and whether trying again makes sense, are in err.def.
 *
 * Compiles as C11 and as C++.
 */
#ifndef MICROBURST_ERROR_H
#define MICROBURST_ERROR_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum mb_err {
	MB_OK = 0,
#define ERR(name, value, retryable, client_visible, text) MB_ERR_##name = -(value),
#include <microburst/err.def>
#undef ERR
};

/* mb_err_name gives the name of a code as the table spells it: "OK", "NOT_FOUND".
 *
 * Returns:   a constant string; "UNKNOWN" for a number that no row has.
 * Threads:   any
 */
const char *mb_err_name(int err);

/* mb_err_text says in a few words what a code means, for a person.
 *
 * Returns:   a constant string without a full stop; never NULL.
 * Threads:   any
 */
const char *mb_err_text(int err);

/* mb_err_retryable tells whether sending the same request again is harmless and may succeed.
 *
 * Returns:   false for MB_OK and for a number that no row has.
 * Threads:   any
 */
bool mb_err_retryable(int err);

/* mb_err_client_visible tells whether the code can be the answer to a caller.
 *
 * Returns:   true for MB_OK; false for a number that no row has.
 * Threads:   any
 */
bool mb_err_client_visible(int err);

/* mb_err_from_name finds the code of a name, as mb_err_name spells it ("OK" included).
 *
 * Returns:   the code, 0 or negative; 1 when no row has that name (no code is positive).
 * Threads:   any
 */
int mb_err_from_name(const char *name);

#ifdef __cplusplus
}
#endif

#endif
