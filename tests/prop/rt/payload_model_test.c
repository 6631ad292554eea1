/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   whatever its consumers do, a pool does what its contract says: memory in use is never
 * given
 *         out twice nor changed, each call answers what the holds say, and all comes back at the
 *         end.
 * Method: random calls from a seed beside a model that is nothing but a list of payloads and a
 * count a
 *         holder; every payload is filled with its own pattern and read again at each use.
 *         Consumers
 *         also release what they do not have, what is gone, and what never was. */
#include <stdlib.h>
#include <string.h>

#include "payload.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_lessor.h"
#include "test_seed.h"

enum {
	SEEDS = 20,
	STEPS = 20000,
	ALIVE_MAX = 300,
	HOLDERS = 12,
	SLAB = 2 << 20,
	BUDGET = 8 << 20,
	GONE_CNT = 64,
};

struct model_payload {
	struct payload_ref ref;
	uint8_t *p;
	uint8_t pattern;
	uint32_t held[HOLDERS];
	uint32_t hold_cnt;
};

static struct payload_pool *pool;
static struct test_lessor lessor;
static struct model_payload model[ALIVE_MAX];
static uint32_t alive;
static uint32_t gone[GONE_CNT]; /* handles of payloads that were freed lately */
static uint32_t gone_cnt;
static _Alignas(4096) uint8_t slab[SLAB];

static void
model_check(const struct model_payload *m)
{
	const size_t ends[] = { 0, m->ref.len / 2, m->ref.len - 1 };

	assert_ptr_equal(payload_ptr(pool, m->ref.handle), m->p);
	assert_ptr_equal(payload_own(pool, &m->ref), m->p);
	for (uint32_t i = 0; i < ARRAY_CNT(ends) && m->ref.len > 0; i++) {
		assert_int_equal(m->p[ends[i]], m->pattern);
	}
}

static void
model_check_whole(const struct model_payload *m)
{
	model_check(m);
	for (uint32_t i = 0; i < m->ref.len; i++) {
		if (m->p[i] != m->pattern) {
			fail_msg("payload %x: byte %u was changed", m->ref.handle, i);
		}
	}
}

static void
model_free_if_unheld(struct model_payload *m)
{
	if (m->hold_cnt == 0) {
		gone[gone_cnt++ % GONE_CNT] = m->ref.handle;
		assert_null(payload_ptr(pool, m->ref.handle));
		*m = model[--alive];
	}
}

static size_t
random_len(struct rng *rng)
{
	switch (rng_below(rng, 8)) {
	case 0:
		return rng_below(rng, 2);
	case 1:
		return PAYLOAD_SLAB_MAX - 1 + rng_below(rng, 3);
	case 2:
		return rng_below(rng, 2 << 20);
	default:
		return rng_below(rng, 4096);
	}
}

static size_t
slab_used(void)
{
	size_t sum = 0;

	for (uint32_t i = 0; i < alive; i++) {
		sum += model[i].ref.seg == 0 ? model[i].ref.len : 0;
	}
	return sum;
}

static void
step_alloc(struct rng *rng)
{
	uint16_t holder = (uint16_t)rng_below(rng, HOLDERS);
	size_t len = random_len(rng);
	struct model_payload *m = &model[alive];
	int err;

	if (alive == ALIVE_MAX) {
		return;
	}
	*m = (struct model_payload){ .pattern = (uint8_t)rng_u64(rng) };
	err = payload_alloc(pool, len, holder, &m->ref, &m->p);
	if (err != 0) {
		assert_int_equal(err, MB_ERR_NO_MEMORY);
		if (len > PAYLOAD_SLAB_MAX) { /* and all that was unused went back */
			assert_true(lessor.leased_bytes + len > lessor.budget_bytes);
		} else { /* rounding and holes between others cost less than half */
			assert_true(slab_used() + len > SLAB / 2);
		}
		return;
	}
	assert_int_equal(m->ref.len, len);
	assert_int_equal(m->ref.seg != 0, len > PAYLOAD_SLAB_MAX);
	m->held[holder] = 1;
	m->hold_cnt = 1;
	memset(m->p, m->pattern, len);
	for (uint32_t i = 0; i < alive; i++) {
		const struct model_payload *o = &model[i];

		assert_int_not_equal(o->ref.handle, m->ref.handle);
		assert_true(o->p + o->ref.len <= m->p || m->p + m->ref.len <= o->p);
	}
	alive++;
}

static void
step_holds(struct rng *rng)
{
	uint16_t holder = (uint16_t)rng_below(rng, HOLDERS), to = (uint16_t)rng_below(rng, HOLDERS);
	struct model_payload *m;
	bool has;

	if (alive == 0) {
		return;
	}
	m = &model[rng_below(rng, alive)];
	has = m->held[holder] > 0;
	model_check(m);
	switch (rng_below(rng, 4)) {
	case 0:
		assert_int_equal(payload_hold(pool, m->ref.handle, holder), 0);
		m->held[holder]++;
		m->hold_cnt++;
		break;
	case 1:
		assert_int_equal(payload_move(pool, m->ref.handle, holder, to),
				 has ? 0 : MB_ERR_NOT_FOUND);
		m->held[holder] -= has;
		m->held[to] += has;
		break;
	default:
		if (has && m->hold_cnt == 1) {
			model_check_whole(m);
		}
		assert_int_equal(payload_release(pool, m->ref.handle, holder),
				 has ? 0 : MB_ERR_NOT_FOUND);
		m->held[holder] -= has;
		m->hold_cnt -= has;
		model_free_if_unheld(m);
		break;
	}
}

/* A consumer died, or one of the hostile kind is at work. */
static void
step_consumer(struct rng *rng)
{
	uint16_t holder = (uint16_t)rng_below(rng, HOLDERS);

	if (rng_below(rng, 20) == 0) {
		payload_release_all(pool, holder);
		for (uint32_t i = alive; i > 0; i--) {
			struct model_payload *m = &model[i - 1];

			m->hold_cnt -= m->held[holder];
			m->held[holder] = 0;
			model_free_if_unheld(m);
		}
		return;
	}
	for (uint32_t i = 0; i < 8; i++) {
		uint32_t handle = (uint32_t)rng_u64(rng);

		if (gone_cnt > 0 && i % 2 == 0) {
			handle = gone[rng_below(rng, MIN(gone_cnt, (uint32_t)GONE_CNT))];
		}
		for (uint32_t k = 0; k < alive; k++) {
			handle += model[k].ref.handle == handle ? 1u << 31 : 0;
		}
		assert_int_equal(payload_release(pool, handle, holder), MB_ERR_NOT_FOUND);
	}
}

static void
run(uint64_t seed)
{
	const struct payload_lease_ops ops = { test_lease, test_unlease, NULL, &lessor };
	uint32_t most = 0;
	struct rng rng;

	rng_init(&rng, seed);
	lessor = (struct test_lessor){ .budget_bytes = BUDGET };
	alive = gone_cnt = 0;
	assert_int_equal(payload_create(&pool, 5, 9, slab, sizeof(slab), 4096, &ops), 0);
	for (uint32_t step = 0; step < STEPS; step++) {
		uint64_t what = rng_below(&rng, 16);

		if (what < 6) {
			step_alloc(&rng);
		} else if (what < 14) {
			step_holds(&rng);
		} else if (what < 15) {
			step_consumer(&rng);
		} else {
			/* The daemon is short, or is not. */
			lessor.budget_bytes = rng_below(&rng, 4) == 0 ? 0 : BUDGET;
			if (rng_below(&rng, 8) == 0) {
				payload_trim(pool);
			}
		}
		assert_true(lessor.leased_bytes <= BUDGET);
		assert_int_equal(payload_alive(pool), alive);
		most = MAX(most, alive);
	}
	assert_true(most > 30);
	for (uint32_t i = 0; i < alive; i++) {
		model_check_whole(&model[i]);
	}
	for (uint32_t holder = 0; holder < HOLDERS; holder++) {
		payload_release_all(pool, (uint16_t)holder);
	}
	assert_int_equal(payload_alive(pool), 0);
	payload_trim(pool);
	assert_int_equal(lessor.seg_cnt, 0);
	/* The slab is one piece again. */
	for (uint32_t i = 0; i < SLAB / PAYLOAD_SLAB_MAX * 9 / 10; i++) {
		struct payload_ref ref;
		uint8_t *p;

		assert_int_equal(payload_alloc(pool, PAYLOAD_SLAB_MAX, 1, &ref, &p), 0);
	}
	payload_destroy(pool);
}

static void
a_pool_does_what_its_contract_says(void **state)
{
	uint64_t seed = test_seed("payload_model");

	for (uint64_t i = 0; i < SEEDS; i++) {
		run(seed + i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pool_does_what_its_contract_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
