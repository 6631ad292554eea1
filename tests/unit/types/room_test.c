/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the last memory is for what removes; what adds gets none before all of it is back.
 * Method: a heap filled to its reserve, and deltas of each kind. */
#include "room.h"

#include <stdlib.h>

#include "envelope.h"
#include "made.h"
#include "orset.h"
#include "test_cmocka.h"

#define HEAP_BYTES ((size_t)1 << 20)

static struct slice
delta_of(unsigned int type, struct slice set, uint8_t mem[256])
{
	struct envelope e = { .type = type,
			      .state = set,
			      .expiry = { .stamp = { { 1 }, { 1 } }, .deadline = { 9 } } };
	struct wbuf out = wbuf_init(mem, 256);

	assert_int_equal(envelope_write(&e, &out), 0);
	return wbuf_slice(&out);
}

static void
the_last_is_for_what_removes(void **state)
{
	uint8_t *mem = calloc(1, HEAP_BYTES), add_mem[64], gone_mem[64], delta_mem[3][256];
	struct wbuf add = wbuf_init(add_mem, 64), gone = wbuf_init(gone_mem, 64);
	struct stamp stamp = { { 1 }, { 1 } };
	struct slice adds, removes, ends;
	struct room r;
	void *p, *page = NULL, *last;

	(void)state;
	assert_int_equal(orset_delta_add(stamp, slice_str("a"), &add), 0);
	assert_int_equal(orset_delta_remove(wbuf_slice(&add), slice_str("a"), &gone), 0);
	adds = delta_of(LATTICE_ORSET, wbuf_slice(&add), delta_mem[0]);
	removes = delta_of(LATTICE_ORSET, wbuf_slice(&gone), delta_mem[1]);
	ends = delta_of(LATTICE_ABSENT, slice_of(NULL, 0), delta_mem[2]);
	room_init(&r, heap_init(mem, HEAP_BYTES), HEAP_BYTES / 2);
	while ((p = room_alloc(&r, 4096)) != NULL) {
		page = p;
	}
	assert_null(room_alloc_last(&r, 100)); /* for anything */
	room_for(&r, adds);
	assert_null(room_alloc_last(&r, 100));
	r.whole = true; /* a collection goes whole */
	room_for(&r, removes);
	assert_null(room_alloc_last(&r, 100));
	r.whole = false;
	room_for_less(&r);
	last = room_alloc_last(&r, 100);
	assert_non_null(last);
	heap_free(r.heap, last, 100);
	room_for(&r, slice_of(NULL, 0));
	assert_null(room_alloc_last(&r, 100));
	room_for(&r, ends);
	last = room_alloc_last(&r, 100);
	assert_non_null(last);
	room_for(&r, removes);
	p = room_alloc_last(&r, 4096);
	assert_non_null(p);
	room_for(&r, adds);
	assert_null(room_alloc(&r, 100)); /* there is room where the last one lies */
	heap_free(r.heap, last, 100);
	assert_null(room_alloc(&r, 100));
	heap_free(r.heap, p, 4096);
	heap_free(r.heap, page, 4096);
	assert_non_null(room_alloc(&r, 100));
	free(mem);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_is_for_what_removes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
