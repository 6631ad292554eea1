/* SPDX-License-Identifier: Apache-2.0 */
/* object - a look into a shared object without running a byte of it
 *
 * What the node asks before it lets executors load an object: is it an ELF shared object for this
 * machine, which functions does it define, against which version of function.h was it compiled. The
 * file comes from a user and may be anything; loading it for real happens in an executor only.
 *
 * Threads:   any; pure
 */
#ifndef MB_OBJECT_H
#define MB_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "domain_limits.h"
#include "slice.h"

#define OBJECT_WHY_BYTES 256

/* The names by which an object is known from outside: see function.h. */
#define OBJECT_FUNCTION_PREFIX "mb_function_"
#define OBJECT_INIT            "mb_object_init"
#define OBJECT_FINI            "mb_object_fini"

struct object {
	uint32_t fn_cnt;
	char fn[FUNCTION_CNT_MAX][NAME_BYTES_MAX]; /* C identifiers, each once */
};

/* object_check reads the file's bytes, which nobody changes meanwhile.
 *
 * Requires:  why has OBJECT_WHY_BYTES.
 * Returns:   0 with at least one function in *ret; MB_ERR_LOAD (not a shared object for this
 *            machine, damaged, or without functions), MB_ERR_ABI, MB_ERR_TOO_LARGE; then why is a
 *            sentence about it. *ret means nothing after an error.
 * Cost:      O(symbols), plus their number times the number of functions found.
 */
int object_check(struct slice file, struct object *ret, char *why);

#endif
