/* SPDX-License-Identifier: Apache-2.0 */
/* ulib_merge.c - values that merge: from the function's numbers to values of the lattice */
#include "lattice.h"
#include "microburst/error.h"
#include "priority.h"
#include "scalar.h"
#include "ulib_state.h"

/* A priority's value is built here, before it is copied. */
#define PRIORITY_VALUE_MAX (64u << 10)

/* Merges what was made, unless that went wrong. */
static int
merge(struct mb_call *call, struct mb_slice key, unsigned int type, int err, const struct wbuf *out,
      const char *verb)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	if (err == 0) {
		err = session_merge(call->session, ulib_in(key), type, wbuf_slice(out));
	}
	return ulib_outcome(call, err, verb, key);
}

int
mb_merge_max(struct mb_call *call, struct mb_slice key, uint64_t x)
{
	uint8_t buf[8];
	struct wbuf out = wbuf_init(buf, sizeof(buf));
	int err = u64_delta(x, &out);

	return merge(call, key, LATTICE_MAX_U64, err, &out, "mb_merge_max");
}

int
mb_merge_min(struct mb_call *call, struct mb_slice key, uint64_t x)
{
	uint8_t buf[8];
	struct wbuf out = wbuf_init(buf, sizeof(buf));
	int err = u64_delta(x, &out);

	return merge(call, key, LATTICE_MIN_U64, err, &out, "mb_merge_min");
}

int
mb_merge_max_f64(struct mb_call *call, struct mb_slice key, double x)
{
	uint8_t buf[8];
	struct wbuf out = wbuf_init(buf, sizeof(buf));
	int err = max_f64_delta(x, &out);

	return merge(call, key, LATTICE_MAX_F64, err, &out, "mb_merge_max_f64");
}

int
mb_merge_or(struct mb_call *call, struct mb_slice key, bool x)
{
	uint8_t buf[1];
	struct wbuf out = wbuf_init(buf, sizeof(buf));
	int err = bool_or_delta(x, &out);

	return merge(call, key, LATTICE_BOOL_OR, err, &out, "mb_merge_or");
}

int
mb_merge_priority(struct mb_call *call, struct mb_slice key, int64_t number, struct mb_slice value)
{
	uint8_t buf[PRIORITY_VALUE_MAX + PRIORITY_OVERHEAD];
	struct wbuf out = wbuf_init(buf, sizeof(buf));
	int err = priority_delta(number, ulib_in(value), &out);

	return merge(call, key, LATTICE_PRIORITY, err, &out, "mb_merge_priority");
}
