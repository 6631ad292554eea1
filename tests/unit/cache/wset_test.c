/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what the builder writes the parser gives back; what no builder writes is refused,
 *         whatever it is; a builder that is out of room has changed nothing.
 * Method: failures first: every limit from both sides, every field of an operation damaged, every
 *         shortened set. Then random sets from a seed, built in a buffer that grows.
 */
#include <stdlib.h>
#include <string.h>

#include "microburst/error.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include "wset.h"

static uint8_t mem[1 << 16];
static uint8_t bytes[WSET_INLINE_MAX + KEY_BYTES_MAX + 1];

static int
build_one(const struct wset_op *op, struct wset *ws)
{
	wset_init(ws, mem, sizeof(mem));
	return wset_add(ws, op);
}

static void
builder_refuses(void **state)
{
	const struct slice key = slice_str("k");
	const struct {
		struct wset_op op;
		int err;
	} row[] = {
		{ { .kind = WSET_PUT }, MB_ERR_INVALID },
		{ { .kind = WSET_PUT, .key = { bytes, KEY_BYTES_MAX + 1 } }, MB_ERR_TOO_LARGE },
		{ { .kind = WSET_PUT, .key = key, .value = { bytes, WSET_INLINE_MAX + 1 } },
		  MB_ERR_INVALID },
		{ { .kind = WSET_PUT, .key = key, .field = key }, MB_ERR_INVALID },
		{ { .kind = WSET_INCR, .key = key, .value = key }, MB_ERR_INVALID },
		{ { .kind = WSET_INCR, .key = key, .by_ref = true }, MB_ERR_INVALID },
		{ { .kind = WSET_DEL, .key = key, .value = key }, MB_ERR_INVALID },
		{ { .kind = WSET_INCR, .key = key, .must = true }, MB_ERR_INVALID },
		{ { .kind = WSET_SADD, .key = key, .must = true }, MB_ERR_INVALID },
		{ { .kind = WSET_MAP_PUT, .key = key, .field = { bytes, WSET_FIELD_MAX + 1 } },
		  MB_ERR_TOO_LARGE },
		{ { .kind = WSET_PUT,
		    .key = key,
		    .by_ref = true,
		    .ref = { .len = VALUE_BYTES_MAX + 1 } },
		  MB_ERR_TOO_LARGE },
	};
	struct wset ws;

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		assert_int_equal(build_one(&row[i].op, &ws), row[i].err);
		assert_int_equal(ws.out.len, 0);
		assert_int_equal(ws.op_cnt, 0);
	}
}

static void
out_of_room(void **state)
{
	struct wset_op op = { .kind = WSET_PUT, .key = slice_str("key"), .value = slice_str("v") };
	uint8_t small[72];
	struct wset ws;
	uint32_t cnt;

	(void)state;
	wset_init(&ws, small, sizeof(small));
	assert_int_equal(wset_op_bytes(&op), 24);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(wset_add(&ws, &op), 0);
	}
	assert_int_equal(wset_add(&ws, &op), MB_ERR_FULL);
	assert_int_equal(ws.out.len, 72);
	assert_int_equal(ws.op_cnt, 3);
	assert_int_equal(wset_check(wset_bytes(&ws), &cnt), 0);
	assert_int_equal(cnt, 3);
}

static void
too_many(void **state)
{
	struct wset_op op = { .kind = WSET_DEL, .key = slice_str("12345678") };
	uint8_t *all = malloc((size_t)24 * (WSET_OP_CNT_MAX + 1));
	struct wset ws;
	uint32_t cnt;

	(void)state;
	wset_init(&ws, all, (size_t)24 * (WSET_OP_CNT_MAX + 1));
	for (uint32_t i = 0; i < WSET_OP_CNT_MAX; i++) {
		assert_int_equal(wset_add(&ws, &op), 0);
	}
	assert_int_equal(wset_check(wset_bytes(&ws), &cnt), 0);
	assert_int_equal(cnt, WSET_OP_CNT_MAX);
	assert_int_equal(wset_add(&ws, &op), MB_ERR_TOO_LARGE);
	/* One more by hand. */
	memcpy(all + ws.out.len, all, 24);
	assert_int_equal(wset_check(slice_of(all, ws.out.len + 24), &cnt), MB_ERR_TOO_LARGE);
	assert_int_equal(wset_check(slice_of(all, (size_t)WSET_BYTES_MAX + 1), &cnt),
			 MB_ERR_TOO_LARGE);
	free(all);
}

/* Each byte of an operation's head, and of its padding, set to something no builder writes. */
static void
parser_refuses(void **state)
{
	struct wset_op op = { .kind = WSET_PUT,
			      .key = slice_str("key"),
			      .value = slice_str("val") };
	const struct {
		size_t at;
		uint8_t v;
		int err;
	} row[] = {
		{ 0, 0, MB_ERR_CORRUPT }, /* kind */
		{ 0, WSET_KIND_CNT, MB_ERR_CORRUPT },
		{ 0, 255, MB_ERR_CORRUPT },
		{ 0, WSET_DEL, MB_ERR_INVALID },   /* with a value */
		{ 1, 4, MB_ERR_CORRUPT },          /* flags */
		{ 1, WSET_F_REF, MB_ERR_CORRUPT }, /* too short for a reference */
		{ 2, 0, MB_ERR_INVALID },          /* key_len */
		{ 2, 9, MB_ERR_CORRUPT },
		{ 3, 255, MB_ERR_TOO_LARGE },
		{ 4, 1, MB_ERR_INVALID },  /* field_len */
		{ 6, 1, MB_ERR_CORRUPT },  /* reserved */
		{ 8, 9, MB_ERR_CORRUPT },  /* n */
		{ 8, 2, MB_ERR_CORRUPT },  /* the last byte becomes padding */
		{ 10, 1, MB_ERR_INVALID }, /* above WSET_INLINE_MAX */
		{ 15, 255, MB_ERR_TOO_LARGE },
		{ 23, 1, MB_ERR_CORRUPT }, /* padding */
	};
	struct wset_op got;
	struct slice set;
	struct wset ws;

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		assert_int_equal(build_one(&op, &ws), 0);
		mem[row[i].at] = row[i].v;
		set = wset_bytes(&ws);
		assert_int_equal(wset_next(&set, &got), row[i].err);
		assert_ptr_equal(set.p, mem); /* it did not move on */
	}
	/* A reference whose length is not the operation's. */
	op = (struct wset_op){ .kind = WSET_PUT,
			       .by_ref = true,
			       .key = slice_str("key"),
			       .ref = { .len = 5000 } };
	assert_int_equal(build_one(&op, &ws), 0);
	mem[8]++;
	set = wset_bytes(&ws);
	assert_int_equal(wset_next(&set, &got), MB_ERR_CORRUPT);
}

static void
shortened(void **state)
{
	struct wset_op op = { .kind = WSET_MAP_PUT,
			      .key = slice_str("key"),
			      .field = slice_str("field"),
			      .value = slice_str("value") };
	struct wset_op got;
	struct wset ws;

	(void)state;
	assert_int_equal(build_one(&op, &ws), 0);
	for (size_t cut = 1; cut < ws.out.len; cut++) {
		struct slice set = slice_of(mem, cut);

		assert_int_equal(wset_next(&set, &got), MB_ERR_CORRUPT);
	}
}

/* What is promised to travel inside a descriptor. */
static void
small_ones_are_inline(void **state)
{
	struct wset_op incr = { .kind = WSET_INCR, .key = { bytes, 24 }, .n = INT64_MIN };
	struct wset_op put = { .kind = WSET_PUT, .key = { bytes, 16 }, .value = { bytes, 8 } };

	(void)state;
	assert_true(wset_op_bytes(&incr) <= DESC_INLINE_BYTES);
	assert_true(wset_op_bytes(&put) <= DESC_INLINE_BYTES);
}

/* --------------------------------------------------------------- round trips */

static struct wset_op
random_op(struct rng *rng)
{
	struct wset_op op = {
		.kind = (enum wset_kind)rng_range(rng, WSET_PUT, WSET_KIND_CNT - 1),
		.key = { bytes + rng_below(rng, 100), 1 + rng_below(rng, 60) },
	};

	if (wset_has(op.kind) & WSET_HAS_N) {
		op.n = (int64_t)rng_u64(rng);
	} else if ((wset_has(op.kind) & WSET_HAS_VALUE) != 0 && rng_below(rng, 4) == 0) {
		op.by_ref = true;
		op.ref = (struct payload_ref){ .inc = (uint32_t)rng_u64(rng),
					       .proc = (uint16_t)rng_u64(rng),
					       .seg = (uint32_t)rng_u64(rng),
					       .off = (uint32_t)rng_u64(rng),
					       .len = (uint32_t)rng_below(rng, VALUE_BYTES_MAX) };
	} else if (wset_has(op.kind) & WSET_HAS_VALUE) {
		op.value = slice_of(bytes, rng_below(rng, 300));
	}
	op.keep = op.kind == WSET_PUT && rng_below(rng, 2) == 0;
	if (wset_has(op.kind) & WSET_HAS_FIELD) {
		op.field = slice_of(bytes + 50, rng_below(rng, 20));
	}
	op.at = op.kind == WSET_MAP_PUT && rng_below(rng, 2) == 0;
	op.must = (op.kind == WSET_DEL || op.kind == WSET_EXPIRE || op.kind == WSET_SREM ||
		   op.kind == WSET_MAP_DEL || op.kind == WSET_LIST_DEL || op.kind == WSET_ZREM) &&
		  rng_below(rng, 2) == 0;
	op.time_us = op.at ? rng_u64(rng) : 0;
	return op;
}

static void
assert_op_equal(const struct wset_op *a, const struct wset_op *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->by_ref, b->by_ref);
	assert_int_equal(a->keep, b->keep);
	assert_int_equal(a->at, b->at);
	assert_int_equal(a->must, b->must);
	assert_int_equal(a->time_us, b->time_us);
	assert_true(slice_eq(a->key, b->key));
	assert_true(slice_eq(a->field, b->field));
	assert_true(slice_eq(a->value, b->value));
	assert_memory_equal(&a->ref, &b->ref, sizeof(a->ref));
	assert_int_equal(a->n, b->n);
}

static void
round_trips(void **state)
{
	struct wset_op op[50], got;
	struct rng rng;

	(void)state;
	rng_init(&rng, test_seed("wset round_trips"));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (uint8_t)rng_u64(&rng);
	}
	for (uint32_t run = 0; run < 500; run++) {
		uint32_t op_cnt = (uint32_t)rng_below(&rng, 50), cnt;
		struct slice set;
		struct wset ws;

		wset_init(&ws, mem, sizeof(mem));
		for (uint32_t i = 0; i < op_cnt; i++) {
			op[i] = random_op(&rng);
			assert_int_equal(wset_add(&ws, &op[i]), 0);
		}
		set = wset_bytes(&ws);
		assert_int_equal(set.len % 8, 0);
		assert_int_equal(wset_check(set, &cnt), 0);
		assert_int_equal(cnt, op_cnt);
		for (uint32_t i = 0; i < op_cnt; i++) {
			assert_int_equal(wset_next(&set, &got), 1);
			assert_op_equal(&op[i], &got);
		}
		assert_int_equal(wset_next(&set, &got), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(builder_refuses), cmocka_unit_test(out_of_room),
		cmocka_unit_test(too_many),        cmocka_unit_test(parser_refuses),
		cmocka_unit_test(shortened),       cmocka_unit_test(small_ones_are_inline),
		cmocka_unit_test(round_trips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
