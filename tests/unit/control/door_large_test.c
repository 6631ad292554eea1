/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what a door has of its own for long requests is bounded, whoever begins them, stays as
 *         long as a cache tile looks at it, and goes back; a put's value lies as the store's.
 * Method: takes, gives and tidyings of a door that has nothing else.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "compiler.h"
#include "door_int.h"
#include "kvs_msg.h"
#include "pages.h"
#include "payload.h"
#include "test_cmocka.h"
#include "timebase.h"

#define LONG ((size_t)WIRE_MESSAGE_MAX)
#define PAGE 4096U

struct world {
	struct domain domain;
	struct mb_client client;
	struct door door;
	uint64_t now_ns;
};

static struct world *w;
static const struct slice nothing;

static int
setup(void **state)
{
	static const struct payload_lease_ops ops;
	static _Alignas(PAGE) uint8_t slab[1 << 20];

	(void)state;
	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	w->client.d = &w->domain;
	w->door.client = &w->client;
	return payload_create(&w->domain.pool, 1, 1, slab, sizeof(slab), 0, &ops);
}

static int
teardown(void **state)
{
	(void)state;
	payload_destroy(w->domain.pool);
	free(w);
	return 0;
}

/* Whether a page is mapped. */
static bool
is_there(const void *p)
{
	unsigned char in;

	return mincore((void *)((uintptr_t)p & ~(uintptr_t)(PAGE - 1)), PAGE, &in) == 0;
}

/* Tidies until there is nothing to tidy. */
static void
all_tidied(void)
{
	for (int i = 0; door_tidy(&w->door, w->now_ns) != TILE_TIMER_NEVER; i++) {
		assert_true(i < 4); /* seconds */
		w->now_ns += NS_PER_S;
	}
}

static void
no_more_than(void **state)
{
	uint8_t *p[DOOR_LARGE_CNT], *again;
	size_t all = 0;

	(void)state;
	for (uint32_t i = 0; i < DOOR_LARGE_CNT; i++) {
		p[i] = door_take(&w->door, LONG, nothing);
		assert_non_null(p[i]);
		p[i][0] = p[i][LONG - 1] = 1;
		all += ALIGN_UP(LONG, PAGE) + PAGE;
	}
	assert_true(all <= DOOR_LARGE_BYTES);
	assert_null(door_take(&w->door, LONG, nothing));
	assert_null(door_take(&w->door, NET_TAKE_MIN, nothing)); /* of any length */
	assert_false(door_give(&w->door, p[0] + 1));
	for (uint32_t i = 0; i < DOOR_LARGE_CNT; i++) {
		assert_true(door_give(&w->door, p[i]));
		assert_false(door_give(&w->door, p[i])); /* it is nobody's */
	}
	assert_true(is_there(p[0])); /* for the next one */
	again = door_take(&w->door, LONG, nothing);
	assert_true(again == p[0] || again == p[1]);
	assert_true(door_give(&w->door, again));
	all_tidied();
	for (uint32_t i = 0; i < DOOR_LARGE_CNT; i++) {
		assert_false(is_there(p[i]));
	}
}

/* Of another length: what there is for others goes, too. */
static void
of_another_length(void **state)
{
	uint8_t *p = door_take(&w->door, LONG, nothing), *q;

	(void)state;
	assert_true(door_give(&w->door, p));
	for (uint32_t i = 0; i < 20; i++) {
		q = door_take(&w->door, NET_TAKE_MIN + i * PAGE, nothing);
		assert_non_null(q);
		q[0] = 1;
		assert_true(door_give(&w->door, q));
	}
	all_tidied();
	assert_false(is_there(q));
	assert_false(is_there(p));
}

/* A request is over before the cache tile has done what it asks: it stays until that is. */
static void
as_long_as_looked_at(void **state)
{
	struct door_op *op = &w->door.op[3];
	uint8_t *p = door_take(&w->door, LONG, nothing), *q;
	struct payload_ref ref;

	(void)state;
	op->door = &w->door;
	ref = door_large_ref(&w->door, slice_of(p + 100, LONG - 100));
	assert_int_equal(ref.seg, PAYLOAD_SEG_OWN);
	assert_ptr_equal(payload_own_ptr(&ref), p + 100);
	assert_int_equal(ref.len, LONG - 100);
	ref = door_large_ref(&w->door, slice_of((uint8_t *)w, 100));
	assert_int_equal(ref.seg, 0);
	door_large_keep(op, p + 100);
	assert_true(door_give(&w->door, p));
	q = door_take(&w->door, LONG, nothing);
	assert_true(q < p || q > p + LONG);
	assert_null(door_take(&w->door, LONG, nothing));
	assert_true(door_give(&w->door, q));
	for (int i = 0; i < 5; i++) {
		assert_int_not_equal(door_tidy(&w->door, w->now_ns), TILE_TIMER_NEVER);
		w->now_ns += NS_PER_S;
	}
	assert_true(is_there(p));
	door_large_over(op);
	assert_ptr_equal(door_take(&w->door, LONG, nothing), p);
	assert_true(door_give(&w->door, p));
	all_tidied();
}

/* How a put begins, with a key of so many bytes. Returns: where its value does. */
static size_t
begin(uint8_t mem[2048], size_t key_bytes, uint8_t rpc_op)
{
	static uint8_t key[KEY_BYTES_MAX];
	struct rpc_request_head h = { .op = rpc_op };
	struct wset ws;
	struct wset_op op = { .kind = WSET_PUT,
			      .by_ref = true,
			      .key = slice_of(key, key_bytes),
			      .ref = { .len = VALUE_BYTES_MAX } };
	size_t at = rpc_payload_at(0);

	memset(mem, 0, 2048);
	memcpy(mem, &h, sizeof(h));
	wset_init(&ws, mem + at, 2048 - at);
	assert_int_equal(wset_add(&ws, &op), 0);
	return at + wset_bytes(&ws).len;
}

static void
lies_as_in_the_store(void **state)
{
	_Alignas(8) uint8_t mem[2048];

	(void)state;
	for (size_t key = 1; key <= KEY_BYTES_MAX; key++) {
		size_t at = begin(mem, key, RPC_WRITE);
		uint8_t *p = door_take(&w->door, LONG, slice_of(mem, sizeof(mem)));

		assert_non_null(p);
		assert_int_equal((uintptr_t)(p + at) % PAGES_LARGE_BYTES, KVS_VALUE_LEAN);
		assert_true(door_give(&w->door, p));
		(void)begin(mem, key, RPC_TAKE);
		p = door_take(&w->door, LONG, slice_of(mem, key)); /* and cut off anywhere */
		assert_non_null(p);
		p[LONG - 1] = 1;
		assert_true(door_give(&w->door, p));
	}
	all_tidied();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_more_than, setup, teardown),
		cmocka_unit_test_setup_teardown(of_another_length, setup, teardown),
		cmocka_unit_test_setup_teardown(as_long_as_looked_at, setup, teardown),
		cmocka_unit_test_setup_teardown(lies_as_in_the_store, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
