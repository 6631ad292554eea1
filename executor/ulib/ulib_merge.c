/* SPDX-License-Identifier: Apache-2.0 */
/* ulib_merge.c - values that merge: from the function's numbers to values of the lattice */
#include "gset.h"
#include "lattice.h"
#include "lww.h"
#include "microburst/error.h"
#include "pair_lex.h"
#include "part.h"
#include "priority.h"
#include "scalar.h"
#include "ulib_state.h"
#include "vclock.h"

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

/* Merges a value before what describes it, which was made of no value. */
static int
merge_tail(struct mb_call *call, struct mb_slice key, unsigned int type, int err,
	   struct mb_slice value, const struct wbuf *tail, const char *verb)
{
	uint8_t buf[PART_BYTES_MAX];
	struct wbuf out = wbuf_init(buf, sizeof(buf));

	if (value.len <= PART_VALUE_MAX) { /* many of one key take the room of one */
		wbuf_put(&out, value.p, value.len);
		wbuf_put(&out, tail->p, tail->len);
		return merge(call, key, type, err, &out, verb);
	}
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	if (err == 0) {
		err = session_merge_tail(call->session, ulib_in(key), type, ulib_in(value),
					 wbuf_slice(tail));
	}
	return ulib_outcome(call, err, verb, key);
}

int
mb_merge_priority(struct mb_call *call, struct mb_slice key, int64_t number, struct mb_slice value)
{
	uint8_t buf[PRIORITY_OVERHEAD];
	struct wbuf tail = wbuf_init(buf, sizeof(buf));
	int err = priority_delta(number, slice_of(NULL, 0), &tail);

	return merge_tail(call, key, LATTICE_PRIORITY, err, value, &tail, "mb_merge_priority");
}

int
mb_merge_lww(struct mb_call *call, struct mb_slice key, struct mb_slice value, uint64_t time_us)
{
	uint8_t buf[LWW_OVERHEAD];
	struct wbuf tail = wbuf_init(buf, sizeof(buf));
	struct stamp stamp = { .time = hlc_time_of_us(time_us) };
	int err = lww_delta_set(stamp, slice_of(NULL, 0), &tail);

	return merge_tail(call, key, LATTICE_LWW, err, value, &tail, "mb_merge_lww");
}

/* --------------------------------------------------------------------- clocks */

int
mb_merge_clock(struct mb_call *call, struct mb_slice key, uint64_t writer, uint64_t events)
{
	uint8_t buf[VCLOCK_ENTRY_BYTES];
	struct wbuf out = wbuf_init(buf, sizeof(buf));
	int err = events == 0 ? MB_ERR_INVALID
			      : vclock_delta((struct writer_id){ writer }, events, &out);

	return merge(call, key, LATTICE_VCLOCK, err, &out, "mb_merge_clock");
}

int
mb_get_clock(struct mb_call *call, struct mb_slice key, uint64_t writer, uint64_t *ret)
{
	struct slice state = slice_of(NULL, 0);
	unsigned int type = LATTICE_VCLOCK;
	int err;

	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	err = session_merge_state(call->session, ulib_in(key), &type, &state);
	if (err == 0 && type != LATTICE_VCLOCK) {
		err = MB_ERR_TYPE;
	}
	if (err != 0 && err != MB_ERR_NOT_FOUND) {
		return ulib_refuse(call, err, "mb_get_clock", key);
	}
	*ret = vclock_get(state, (struct writer_id){ writer });
	return 0;
}

/* ---------------------------------------------------------------------- pairs */

int
mb_merge_pair(struct mb_call *call, struct mb_slice key, const struct mb_part *first,
	      const struct mb_part *second)
{
	uint8_t mem[PART_PAIR_MAX];
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	int err = part_pair_write(first, second, &out);

	return merge(call, key, LATTICE_PAIR_LEX, err, &out, "mb_merge_pair");
}

int
mb_get_pair(struct mb_call *call, struct mb_slice key, struct mb_part *ret_first,
	    struct mb_part *ret_second)
{
	struct mb_part first, second;
	struct slice state;
	struct pair_lex pair;
	unsigned int type;
	int err;

	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	err = session_merge_state(call->session, ulib_in(key), &type, &state);
	if (err == 0) {
		err = type == LATTICE_PAIR_LEX ? pair_lex_open(state, &pair) : MB_ERR_TYPE;
	}
	if (err == 0) {
		err = part_read(pair.first_type, pair.first, &first);
	}
	if (err == 0) {
		err = part_read(pair.second_type, pair.second, &second);
	}
	if (err != 0) {
		return ulib_refuse(call, err, "mb_get_pair", key);
	}
	*ret_first = first;
	*ret_second = second;
	return 0;
}

bool
mb_part_next(const struct mb_part *set, uint32_t *idx, struct mb_slice *ret_member)
{
	struct slice member;

	if (set->kind != MB_PART_MEMBER || !gset_at(ulib_in(set->bytes), *idx, &member)) {
		return false;
	}
	(*idx)++;
	*ret_member = mb_slice_of(member.p, member.len);
	return true;
}
