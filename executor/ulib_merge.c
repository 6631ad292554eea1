/* SPDX-License-Identifier: Apache-2.0 */
/* ulib_merge.c - values that merge: from the function's numbers to values of the lattice */
#include "gset.h"
#include "lattice.h"
#include "lww.h"
#include "microburst/error.h"
#include "pair_lex.h"
#include "priority.h"
#include "scalar.h"
#include "ulib_state.h"
#include "vclock.h"

/* A value that has bytes is built here, before it is copied. */
#define PART_VALUE_MAX (64u << 10)
#define PART_OVERHEAD  16

static_assert(PART_OVERHEAD >= LWW_OVERHEAD && PART_OVERHEAD >= PRIORITY_OVERHEAD &&
		      PART_OVERHEAD >= TABLE_ITEM_OVERHEAD,
	      "over the bytes of each kind");

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
	uint8_t buf[PART_VALUE_MAX + PRIORITY_OVERHEAD];
	struct wbuf out = wbuf_init(buf, sizeof(buf));
	int err = priority_delta(number, ulib_in(value), &out);

	return merge(call, key, LATTICE_PRIORITY, err, &out, "mb_merge_priority");
}

int
mb_merge_lww(struct mb_call *call, struct mb_slice key, struct mb_slice value, uint64_t time_us)
{
	uint8_t buf[PART_VALUE_MAX + LWW_OVERHEAD];
	struct wbuf out = wbuf_init(buf, sizeof(buf));
	int err = lww_delta_set((struct stamp){ .time = hlc_time_of_us(time_us) }, ulib_in(value),
				&out);

	return merge(call, key, LATTICE_LWW, err, &out, "mb_merge_lww");
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

/* Makes a part a value of the lattice. */
static int
part_write(const struct mb_part *part, unsigned int *ret_type, struct wbuf *out)
{
	struct slice bytes = ulib_in(part->bytes);

	switch (part->kind) {
	case MB_PART_NONE:
		*ret_type = LATTICE_ABSENT;
		return 0;
	case MB_PART_OR:
		*ret_type = LATTICE_BOOL_OR;
		return bool_or_delta(part->u64 != 0, out);
	case MB_PART_MAX:
		*ret_type = LATTICE_MAX_U64;
		return u64_delta(part->u64, out);
	case MB_PART_MIN:
		*ret_type = LATTICE_MIN_U64;
		return u64_delta(part->u64, out);
	case MB_PART_MAX_F64:
		*ret_type = LATTICE_MAX_F64;
		return max_f64_delta(part->f64, out);
	case MB_PART_PRIORITY:
		*ret_type = LATTICE_PRIORITY;
		return priority_delta(part->number, bytes, out);
	case MB_PART_LWW:
		*ret_type = LATTICE_LWW;
		return lww_delta_set((struct stamp){ .time = hlc_time_of_us(part->u64) }, bytes,
				     out);
	case MB_PART_MEMBER:
		*ret_type = LATTICE_GSET;
		return gset_delta_add(&bytes, 1, out);
	default:
		return MB_ERR_INVALID;
	}
}

int
mb_merge_pair(struct mb_call *call, struct mb_slice key, const struct mb_part *first,
	      const struct mb_part *second)
{
	uint8_t first_mem[PART_VALUE_MAX + PART_OVERHEAD];
	uint8_t second_mem[PART_VALUE_MAX + PART_OVERHEAD];
	uint8_t mem[2 * (PART_VALUE_MAX + PART_OVERHEAD)];
	struct wbuf f = wbuf_init(first_mem, sizeof(first_mem));
	struct wbuf s = wbuf_init(second_mem, sizeof(second_mem));
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	struct pair_lex pair;
	int err = part_write(first, &pair.first_type, &f);

	if (err == 0) {
		err = part_write(second, &pair.second_type, &s);
	}
	if (err == 0) {
		pair.first = wbuf_slice(&f);
		pair.second = wbuf_slice(&s);
		err = pair_lex_write(&pair, &out);
	}
	return merge(call, key, LATTICE_PAIR_LEX, err, &out, "mb_merge_pair");
}

/* Shows a value of the lattice as a part. */
static int
part_read(unsigned int type, struct slice state, struct mb_part *ret)
{
	struct slice bytes = slice_of(NULL, 0);
	struct stamp stamp;
	bool flag;
	int err = 0;

	*ret = (struct mb_part){ .kind = MB_PART_NONE };
	switch (type) {
	case LATTICE_ABSENT:
		return 0;
	case LATTICE_BOOL_OR:
		ret->kind = MB_PART_OR;
		err = bool_or_read(state, &flag);
		ret->u64 = err == 0 && flag;
		return err;
	case LATTICE_MAX_U64:
	case LATTICE_MIN_U64:
		ret->kind = type == LATTICE_MAX_U64 ? MB_PART_MAX : MB_PART_MIN;
		return u64_read(state, &ret->u64);
	case LATTICE_MAX_F64:
		ret->kind = MB_PART_MAX_F64;
		return max_f64_read(state, &ret->f64);
	case LATTICE_PRIORITY:
		ret->kind = MB_PART_PRIORITY;
		err = priority_read(state, &bytes, &ret->number);
		break;
	case LATTICE_LWW:
		ret->kind = MB_PART_LWW;
		err = lww_read(state, &bytes, &stamp);
		ret->u64 = err == 0 ? hlc_time_us(stamp.time) : 0;
		break;
	case LATTICE_GSET:
		ret->kind = MB_PART_MEMBER;
		bytes = state;
		break;
	default:
		return MB_ERR_TYPE;
	}
	ret->bytes = mb_slice_of(bytes.p, bytes.len);
	return err;
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
