/* SPDX-License-Identifier: Apache-2.0 */
/* types.c - reads and merges of every type, timed where they happen: inside the function
 *
 * As state.c: each function does an operation n times and returns the nanoseconds. What it writes
 * is published after the clock was read. Values that are one number or one string have 16 keys in
 * turn; collections have ten members, fields or items, the large ones as many as the bench filled
 * in.
 */
#include <microburst/function.h>
#include <string.h>

#define KEY_CNT   16
#define KEY_BYTES 8
#define TEN       10

enum kind { COUNTER = 0, MAX, MIN, MAX_F64, OR, PRIORITY, LWW, KIND_CNT };

static const char *const prefix[KIND_CNT] = { "count:", "maxim:", "minim:", "doubl:",
					      "truth:", "prior:", "lastw:" };
static char keys[KIND_CNT][KEY_CNT][KEY_BYTES];

MB_INIT
{
	for (unsigned k = 0; k < KIND_CNT; k++) {
		for (unsigned i = 0; i < KEY_CNT; i++) {
			memcpy(keys[k][i], prefix[k], KEY_BYTES - 2);
			keys[k][i][KEY_BYTES - 2] = (char)('0' + i / 10);
			keys[k][i][KEY_BYTES - 1] = (char)('0' + i % 10);
		}
	}
	return 0;
}

static struct mb_slice
key_of(enum kind kind, int64_t i)
{
	return mb_slice_of(keys[kind][i % KEY_CNT], KEY_BYTES);
}

/* Member i of a collection. */
static struct mb_slice
member_of(const uint64_t *i)
{
	return mb_slice_of(i, sizeof(*i));
}

static uint64_t random_state = 1;

/* The next of 0 .. cnt - 1, in no order. */
static inline uint64_t
random_below(uint64_t cnt)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (random_state >> 32) * cnt >> 32;
}

/* A function that does `operation`, of which `i` is the number, n times. */
#define TIMED(name, operation)                                                                     \
	MB_FUNCTION(name)                                                                          \
	{                                                                                          \
		uint64_t start_ns;                                                                 \
		int64_t n;                                                                         \
		MB_TRY(mb_arg_i64(call, 0, &n));                                                   \
		start_ns = mb_now_ns(call);                                                        \
		for (int64_t i = 0; i < n; i++) {                                                  \
			MB_TRY(operation);                                                         \
		}                                                                                  \
		return mb_return_i64(call, (int64_t)(mb_now_ns(call) - start_ns));                 \
	}

/* ----------------------------------------------------------------- one value */

static int
merge_one(struct mb_call *call, enum kind kind, int64_t i)
{
	static uint64_t x;
	struct mb_slice key = key_of(kind, i);

	x++;
	switch (kind) {
	case COUNTER:
		return mb_incr(call, key, 1, NULL);
	case MAX:
		return mb_merge_max(call, key, x);
	case MIN:
		return mb_merge_min(call, key, UINT64_MAX - x);
	case MAX_F64:
		return mb_merge_max_f64(call, key, (double)x);
	case OR:
		return mb_merge_or(call, key, true);
	case PRIORITY:
		return mb_merge_priority(call, key, -(int64_t)x, member_of(&x));
	default:
		return mb_merge_lww(call, key, member_of(&x), x);
	}
}

static int
read_one(struct mb_call *call, enum kind kind, int64_t i)
{
	struct mb_slice value;
	int err = mb_get(call, key_of(kind, i), &value);

	if (err == 0) {
		(void)*(volatile const char *)value.p;
	}
	return err;
}

TIMED(bench_get_hit_counter, read_one(call, COUNTER, i))
TIMED(bench_get_hit_max, read_one(call, MAX, i))
TIMED(bench_get_hit_min, read_one(call, MIN, i))
TIMED(bench_get_hit_max_f64, read_one(call, MAX_F64, i))
TIMED(bench_get_hit_or, read_one(call, OR, i))
TIMED(bench_get_hit_priority, read_one(call, PRIORITY, i))
TIMED(bench_get_hit_lww, read_one(call, LWW, i))

TIMED(bench_merge_counter, merge_one(call, COUNTER, i))
TIMED(bench_merge_max, merge_one(call, MAX, i))
TIMED(bench_merge_min, merge_one(call, MIN, i))
TIMED(bench_merge_max_f64, merge_one(call, MAX_F64, i))
TIMED(bench_merge_or, merge_one(call, OR, i))
TIMED(bench_merge_priority, merge_one(call, PRIORITY, i))
TIMED(bench_merge_lww, merge_one(call, LWW, i))

/* ---------------------------------------------------------------- collections */

static int
is_member(struct mb_call *call, const char *key, uint64_t i)
{
	bool there;

	MB_TRY(mb_sismember(call, mb_str(key), member_of(&i), &there));
	return there ? 0 : mb_fail(call, "member %d of %s is not there", (int)i, key);
}

static int
field(struct mb_call *call, const char *key, uint64_t i)
{
	struct mb_slice value;

	return mb_map_get(call, mb_str(key), member_of(&i), &value);
}

static int
item(struct mb_call *call, const char *key, uint64_t i)
{
	struct mb_slice value;

	return mb_list_get(call, mb_str(key), (int64_t)i, &value);
}

static int
score(struct mb_call *call, const char *key, uint64_t i)
{
	double x;

	return mb_zscore(call, mb_str(key), member_of(&i), &x);
}

static int
put_field(struct mb_call *call, uint64_t i)
{
	return mb_map_put(call, mb_str("ten:map"), member_of(&i), member_of(&i));
}

static int
set_item(struct mb_call *call, uint64_t i)
{
	return mb_list_set(call, mb_str("ten:list"), (int64_t)i, member_of(&i));
}

static int
add_member(struct mb_call *call, uint64_t i)
{
	return mb_sadd(call, mb_str("ten:set"), member_of(&i));
}

static int
add_score(struct mb_call *call, uint64_t i)
{
	return mb_zadd(call, mb_str("ten:zset"), member_of(&i), (double)i);
}

TIMED(bench_set_member, is_member(call, "ten:set", (uint64_t)i % TEN))
TIMED(bench_map_get, field(call, "ten:map", (uint64_t)i % TEN))
TIMED(bench_list_get, item(call, "ten:list", (uint64_t)i % TEN))
TIMED(bench_zset_score, score(call, "ten:zset", (uint64_t)i % TEN))

TIMED(bench_set_add, add_member(call, (uint64_t)i % TEN))
TIMED(bench_map_put, put_field(call, (uint64_t)i % TEN))
TIMED(bench_list_set, set_item(call, (uint64_t)i % TEN))
TIMED(bench_zset_add, add_score(call, (uint64_t)i % TEN))

/* Writes each key of one value once, and ten members of each collection. */
MB_FUNCTION(bench_types_fill)
{
	uint64_t cnt;

	for (int64_t i = 0; i < KEY_CNT; i++) {
		for (unsigned k = 0; k < KIND_CNT; k++) {
			MB_TRY(merge_one(call, (enum kind)k, i));
		}
	}
	MB_TRY(mb_list_cnt(call, mb_str("ten:list"), &cnt));
	for (uint64_t i = 0; i < TEN; i++) {
		MB_TRY(add_member(call, i));
		MB_TRY(put_field(call, i));
		MB_TRY(add_score(call, i));
		if (cnt < TEN) {
			MB_TRY(mb_push_right(call, mb_str("ten:list"), member_of(&i)));
		}
	}
	return mb_return_i64(call, 0);
}

/* --------------------------------------------------------------------- large */

#define LARGE_STEP 8192 /* of each collection in one call: what it may write is bounded */

/* Adds the LARGE_STEP members from number `from` on to each of the large collections. */
MB_FUNCTION(bench_large_fill)
{
	int64_t from;

	MB_TRY(mb_arg_i64(call, 0, &from));
	for (uint64_t i = (uint64_t)from; i < (uint64_t)from + LARGE_STEP; i++) {
		MB_TRY(mb_sadd(call, mb_str("large:set"), member_of(&i)));
		MB_TRY(mb_map_put(call, mb_str("large:map"), member_of(&i), member_of(&i)));
		MB_TRY(mb_zadd(call, mb_str("large:zset"), member_of(&i), (double)i));
	}
	return mb_return_i64(call, LARGE_STEP);
}

/* The number of a member that is there. */
static uint64_t
large_any(struct mb_call *call)
{
	static uint64_t cnt;

	if (cnt == 0 && mb_scard(call, mb_str("large:set"), &cnt) != 0) {
		return 0;
	}
	return random_below(cnt);
}

TIMED(bench_large_set_member, is_member(call, "large:set", large_any(call)))
TIMED(bench_large_map_get, field(call, "large:map", large_any(call)))
TIMED(bench_large_zset_score, score(call, "large:zset", large_any(call)))
