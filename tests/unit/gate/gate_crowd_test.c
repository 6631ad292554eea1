/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   who waits is found for each of its keys, and for no other; in the order in which they
 *         came, whether they wait for few keys or for many; who left is not found. Who was offered
 *         what is under a key remembers that, as far as there is room.
 * Method: a crowd that comes and goes by chance, beside a plain array of who waits for what. The
 *         hashes are few, and so made that they share chains and bits. */
#include "gate_crowd.h"

#include <stdlib.h>

#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

#define CONN_CNT 200
#define HASH_CNT 24
#define KEYS_MAX 8 /* some are more than there are stands */

struct gate_conn { /* only its address is used */
	uint8_t any;
};

struct waiter {
	struct gate_conn conn;
	struct gate_stood stood;
	uint64_t seq; /* 0: it does not wait */
	uint64_t hash[KEYS_MAX];
	uint32_t cnt;
};

static struct gate_crowd crowd;
static struct waiter waiter[CONN_CNT];
static uint64_t seq;

/* Two chains, of each three hashes of a bit. */
static uint64_t
hash_at(uint32_t i)
{
	return (uint64_t)(i % 4) << 58 | (uint64_t)(i / 4 % 2) << 32 | i / 8;
}

static void
join(struct rng *rng, struct waiter *w)
{
	struct gate_wants wants = { 0 };

	w->seq = ++seq;
	w->cnt = 1 + (uint32_t)rng_below(rng, KEYS_MAX);
	for (uint32_t i = 0; i < w->cnt; i++) {
		w->hash[i] = hash_at((uint32_t)rng_below(rng, HASH_CNT));
		gate_wants_add(&wants, w->hash[i]);
	}
	gate_crowd_join(&crowd, &w->stood, &w->conn, w->seq, &wants);
}

/* How often it is to be found. */
static uint32_t
waits_for(const struct waiter *w, uint64_t hash)
{
	uint32_t n = 0, of_bit = 0;

	for (uint32_t i = 0; w->seq != 0 && i < w->cnt; i++) {
		n += w->hash[i] == hash;
		of_bit += gate_key_bit(w->hash[i]) == gate_key_bit(hash);
	}
	return w->cnt > GATE_CROWD_KEYS ? of_bit != 0 : n;
}

static void
assert_found(uint64_t hash)
{
	struct gate_crowd_walk walk = gate_crowd_walk(&crowd, hash);
	uint32_t found[CONN_CNT] = { 0 };
	uint64_t last = 0;
	struct gate_conn *c;

	while ((c = gate_crowd_next(&walk)) != NULL) {
		struct waiter *w = (struct waiter *)c;

		assert_true(w->seq >= last);
		last = w->seq;
		found[w - waiter]++;
	}
	for (uint32_t i = 0; i < CONN_CNT; i++) {
		assert_int_equal(found[i], waits_for(&waiter[i], hash));
	}
}

/* Behind each of those that are found: the rest. */
static void
assert_found_behind(uint64_t hash)
{
	struct gate_crowd_walk walk = gate_crowd_walk(&crowd, hash), behind;
	struct gate_conn *c, *next;

	for (c = gate_crowd_next(&walk); c != NULL; c = next) {
		struct waiter *w = (struct waiter *)c;

		behind = gate_crowd_behind(&crowd, hash, &w->stood);
		do { /* who names the key twice comes twice */
			next = gate_crowd_next(&walk);
		} while (next == c);
		assert_ptr_equal(gate_crowd_next(&behind), next);
	}
}

static void
an_offer_is_remembered(void **state)
{
	struct gate_stood few = { 0 }, many = { 0 };
	struct gate_wants wants = { 0 };
	struct gate_conn conn;

	gate_crowd_init(&crowd);
	gate_wants_add(&wants, hash_at(1));
	gate_wants_add(&wants, hash_at(2));
	gate_crowd_join(&crowd, &few, &conn, 1, &wants);
	assert_int_equal(gate_crowd_offered(&few, hash_at(2)), 0);
	assert_true(gate_crowd_offer(&few, hash_at(2)));
	assert_true(gate_crowd_offer(&few, hash_at(2)));
	assert_int_equal(gate_crowd_offered(&few, hash_at(2)), few.offered);
	assert_int_equal(gate_crowd_offered(&few, hash_at(1)), 0);
	assert_false(gate_crowd_offer(&few, hash_at(3)));
	while (wants.cnt <= GATE_CROWD_KEYS) {
		gate_wants_add(&wants, hash_at(wants.cnt + 1));
	}
	gate_crowd_join(&crowd, &many, &conn, 2, &wants);
	for (uint32_t i = 1; i <= GATE_CROWD_KEYS; i++) { /* it remembers one less */
		assert_int_equal(gate_crowd_offer(&many, hash_at(i)), i < GATE_CROWD_KEYS);
		assert_int_equal(gate_crowd_offered(&many, hash_at(i)) != 0, i < GATE_CROWD_KEYS);
	}
	assert_true(gate_crowd_offer(&many, hash_at(1)));
	gate_crowd_leave(&crowd, &many);
	assert_int_equal(many.offered, 0);
	gate_crowd_leave(&crowd, &few);
}

static void
each_is_found_for_its_keys(void **state)
{
	struct rng rng;

	rng_init(&rng, test_seed("gate_crowd"));
	gate_crowd_init(&crowd);
	for (uint32_t n = 0; n < 5000; n++) {
		struct waiter *w = &waiter[rng_below(&rng, CONN_CNT)];

		if (w->seq == 0) {
			join(&rng, w);
		} else {
			gate_crowd_leave(&crowd, &w->stood);
			gate_crowd_leave(&crowd, &w->stood);
			w->seq = 0;
		}
		assert_found(hash_at(n % HASH_CNT));
		assert_found_behind(hash_at(n % HASH_CNT));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_found_for_its_keys),
		cmocka_unit_test(an_offer_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
