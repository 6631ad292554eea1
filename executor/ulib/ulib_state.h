/* SPDX-License-Identifier: Apache-2.0 */
/* ulib_state - what the operations of function.h on the store have in common, for ulib_*.c only */
#ifndef MB_EXEC_ULIB_STATE_H
#define MB_EXEC_ULIB_STATE_H

#include "compiler.h"
#include "fn.h"

static inline struct slice
ulib_in(struct mb_slice s)
{
	return slice_of(s.p, s.len);
}

/* ulib_refuse says what failed, of which key, and why. Returns: err. */
int ulib_refuse(struct mb_call *call, int err, const char *verb, struct mb_slice key);

/* ulib_walk_begin starts a walk over a collection; ret is one of function.h's iterators. */
typedef int ulib_begin_fn(struct session *s, struct slice key, struct session_iter *ret);
int ulib_walk_begin(struct mb_call *call, struct mb_slice key, ulib_begin_fn *begin,
		    const char *verb, void *ret);

/* ulib_no_state refuses state where there is none. */
int ulib_no_state(struct mb_call *call);

/* ulib_mail_refuse says that messages could not be sent, and of MB_ERR_GONE to which call.
 * Returns: err. */
int ulib_mail_refuse(struct mb_call *call, int err, const char *what) __attribute__((__cold__));

static inline int
ulib_outcome(struct mb_call *call, int err, const char *verb, struct mb_slice key)
{
	return likely(err == 0) ? 0 : ulib_refuse(call, err, verb, key);
}

#endif
