/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a tile agrees only to what it has itself, while nothing of it is under way; then nobody
 *         touches the key until it is told what becomes of it.
 * Method: one tile, asked by hand, refusals first. Large values: kvs_forget_test.c.
 */
#include "kvs_agree.h"

#include "kvs_world.h"
#include "microburst/error.h"
#include "test_cmocka.h"

#define KEY "a key"

static int
asked(struct world *w, enum kvs_drop_step step, struct slice value, struct desc *ret)
{
	struct desc d = { .kind = DESC_KVS_DROP, .sub = (uint8_t)step, .b = 7 };

	kvs_msg_set_bytes(&d, slice_str(KEY));
	kvs_msg_set_delta(&d, value);
	assert_true(kvs_agree_asked(&w->tile[0].core.drops, 1, &d, ret));
	assert_int_equal(ret->kind, DESC_KVS_DROPPED);
	assert_int_equal(ret->sub, step);
	assert_int_equal(ret->b, 7);
	return ret->err;
}

static void
told(struct world *w, enum kvs_drop_step step, const struct desc *agreed)
{
	struct desc d = { .kind = DESC_KVS_DROP, .sub = (uint8_t)step }, none;

	d.word[0] = agreed->word[0];
	d.word[1] = agreed->word[1];
	assert_false(kvs_agree_asked(&w->tile[0].core.drops, 1, &d, &none));
}

static void
refusals(void **state)
{
	struct world *w = world_make(1, 1, 0, 2 << 20);
	struct slice gone = world_tombstone(w, 9);
	struct kvs_key *k;
	struct desc d;

	(void)state;
	assert_int_equal(asked(w, KVS_DROP_ASK, gone, &d), MB_ERR_TRYAGAIN); /* it has none */
	assert_int_equal(kvs_shard_merge(w->tile[0].shard, slice_str(KEY), gone), 0);
	k = kvs_shard_find(w->tile[0].shard, slice_str(KEY));
	assert_int_equal(asked(w, KVS_DROP_ASK, world_tombstone(w, 8), &d), MB_ERR_TRYAGAIN);
	k->held = 1;
	assert_int_equal(asked(w, KVS_DROP_ASK, gone, &d), MB_ERR_TRYAGAIN);
	assert_int_equal(asked(w, KVS_DROP_LEAVE, gone, &d), MB_ERR_TRYAGAIN);
	k->held = 0;
	k->changing = 1;
	assert_int_equal(asked(w, KVS_DROP_ASK, gone, &d), MB_ERR_TRYAGAIN);
	assert_int_equal(asked(w, KVS_DROP_LEAVE, gone, &d), MB_ERR_TRYAGAIN);
	k->changing = 0;
	assert_int_equal(k->dying, 0);
	world_end(w);
}

static void
agrees_and_obeys(void **state)
{
	struct world *w = world_make(1, 1, 0, 2 << 20);
	struct slice gone = world_tombstone(w, 9);
	struct kvs_key *k;
	struct desc d, again;

	(void)state;
	assert_int_equal(asked(w, KVS_DROP_LEAVE, gone, &d), 0); /* nothing to give up */
	assert_int_equal(kvs_shard_merge(w->tile[0].shard, slice_str(KEY), gone), 0);
	k = kvs_shard_find(w->tile[0].shard, slice_str(KEY));
	assert_int_equal(asked(w, KVS_DROP_ASK, gone, &d), 0);
	assert_int_equal(k->dying, 1);
	assert_int_equal(asked(w, KVS_DROP_ASK, gone, &again), MB_ERR_TRYAGAIN);
	assert_int_equal(k->dying, 1);
	told(w, KVS_DROP_KEEP, &d);
	assert_int_equal(k->dying, 0);
	assert_int_equal(kvs_shard_key_cnt(w->tile[0].shard), 1);
	assert_int_equal(asked(w, KVS_DROP_ASK, gone, &d), 0);
	told(w, KVS_DROP_DO, &d);
	assert_int_equal(kvs_shard_key_cnt(w->tile[0].shard), 0);
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals),
		cmocka_unit_test(agrees_and_obeys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
