/* SPDX-License-Identifier: Apache-2.0 */
/* argkeys - arguments that name keys: what a function reads before it runs, where its results go
 *
 * A reference (MB_REF) is an argument that stands for what is stored under a key. Before a function
 * runs, all its references are fetched at the same time, and each argument becomes the value, read
 * in place from the cache: bytes, or nil when there is no such key. Numbers that are stored are
 * text, as mb_get shows them.
 *
 * An output (MB_OUTPUT) is no argument for the function: it names the key under which what it
 * returns is stored when it returns, together with all else that it wrote. One value is stored as
 * its bytes, a number as text; none or several as the encoded list.
 *
 * Owner: the executor. Errors: negative mb_err, with a sentence in the call.
 */
#ifndef MB_EXEC_ARGKEYS_H
#define MB_EXEC_ARGKEYS_H

#include "fn.h"

/* argkeys_any says whether there is something to do: most calls have neither. */
static inline bool
argkeys_any(const struct value *arg, uint32_t cnt)
{
	uint32_t any = 0;

	for (uint32_t i = 0; i < cnt; i++) {
		any |= arg[i].type >= MB_REF; /* MB_REF, MB_OUTPUT: the list was read */
	}
	return any != 0;
}

/* argkeys_take resolves the references in arg[0, call->arg_cnt), which is call->arg in memory of
 * our own, and takes an output out of it. *ret_output: its key, .len 0 when there is none.
 * Returns: 0; an error that ends the call. */
int argkeys_take(struct mb_call *call, struct value *arg, struct slice *ret_output);

/* argkeys_store puts what call->result holds under key. Returns: 0; an error of session_put. */
int argkeys_store(struct mb_call *call, struct slice key);

#endif
