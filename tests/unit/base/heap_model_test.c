/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   under any sequence of allocations and frees, live objects never overlap, keep their
 *         bytes, and the books are right; at the end the extent is whole.
 * Method: a shadow list of live objects, each filled with a pattern of its own; random work in
 *         phases that grow, churn and shrink, with different mixtures of sizes, in extents from the
 *         smallest to one that holds a 64 MiB value. heap_check walks every few hundred steps. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "compiler.h"
#include "heap.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

#define MIB ((size_t)1 << 20)

enum { LIVE_MAX = 20000, EDGE = 4096 };

struct object {
	uint8_t *p;
	size_t bytes;
	uint64_t id;
};

struct model {
	struct heap *h;
	struct rng rng;
	struct object live[LIVE_MAX];
	size_t live_cnt;
	size_t used_bytes;
	uint64_t next_id;
	size_t refused_cnt;
};

/* The first and last EDGE bytes of an object carry its id: all of a small one, and of a large one
 * where a neighbour would reach in. */
static void
pattern_put(const struct object *o)
{
	size_t edge = MIN(o->bytes, (size_t)EDGE);

	memset(o->p, (int)(o->id * 151 % 251), edge);
	memset(o->p + o->bytes - edge, (int)(o->id * 151 % 251), edge);
}

static bool
pattern_kept(const struct object *o)
{
	size_t edge = MIN(o->bytes, (size_t)EDGE);
	uint8_t want = (uint8_t)(o->id * 151 % 251);

	for (size_t i = 0; i < edge; i++) {
		if (o->p[i] != want || o->p[o->bytes - 1 - i] != want) {
			return false;
		}
	}
	return true;
}

static void
model_alloc(struct model *m, size_t bytes)
{
	struct object o = { .p = heap_alloc(m->h, bytes), .bytes = bytes, .id = m->next_id++ };

	if (o.p == NULL) {
		m->refused_cnt++;
		return;
	}
	pattern_put(&o);
	m->live[m->live_cnt++] = o;
	m->used_bytes += heap_rounded_bytes(bytes);
}

static void
model_free(struct model *m, size_t i)
{
	struct object o = m->live[i];

	if (!pattern_kept(&o)) {
		fail_msg("object %llu of %zu bytes was overwritten", (unsigned long long)o.id,
			 o.bytes);
	}
	heap_free(m->h, o.p, o.bytes);
	m->used_bytes -= heap_rounded_bytes(o.bytes);
	m->live[i] = m->live[--m->live_cnt];
}

/* Mixtures: small values; every octave alike; values around 1 KiB; a few large among many small. */
static size_t
draw_bytes(struct rng *rng, int mixture, size_t largest)
{
	size_t bytes;

	switch (mixture) {
	case 0:
		bytes = rng_range(rng, 1, 600);
		break;
	case 1:
		bytes = rng_range(rng, 1, 2) << rng_below(rng, 27);
		bytes += rng_below(rng, bytes);
		break;
	case 2:
		bytes = rng_range(rng, 900, 5000);
		break;
	default:
		bytes = rng_below(rng, 50) == 0 ? rng_range(rng, largest / 2, largest)
						: rng_range(rng, 1, 64);
		break;
	}
	return MIN(bytes, largest);
}

static void
model_phase(struct model *m, int mixture, size_t largest, unsigned alloc_percent, int steps)
{
	for (int i = 0; i < steps; i++) {
		bool alloc = rng_below(&m->rng, 100) < alloc_percent;

		if (m->live_cnt == 0 || (alloc && m->live_cnt < LIVE_MAX)) {
			model_alloc(m, draw_bytes(&m->rng, mixture, largest));
		} else {
			model_free(m, rng_below(&m->rng, m->live_cnt));
		}
		assert_true(heap_used_bytes(m->h) == m->used_bytes);
		if (i % 500 == 0) {
			heap_check(m->h);
		}
	}
}

static void
model_run(struct model *m, size_t extent_bytes, size_t largest, int steps)
{
	void *mem = mmap(NULL, extent_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	void *all;

	assert_true(mem != MAP_FAILED);
	m->h = heap_init(mem, extent_bytes);
	for (int mixture = 0; mixture < 4; mixture++) {
		model_phase(m, mixture, largest, 70, steps);
		model_phase(m, mixture, largest, 50, steps);
		model_phase(m, mixture, largest, 30,
			    steps / 2); /* leftovers meet the next mixture */
	}
	while (m->live_cnt > 0) {
		model_free(m, rng_below(&m->rng, m->live_cnt));
	}
	heap_check(m->h);
	assert_int_equal(heap_used_bytes(m->h), 0);
	all = heap_alloc(m->h, heap_capacity_bytes(m->h));
	assert_non_null(all);
	munmap(mem, extent_bytes);
}

static void
random_work_matches_the_model(void **state)
{
	static const struct {
		size_t extent, largest;
		int steps;
	} worlds[] = {
		{ HEAP_EXTENT_BYTES_MIN, 20000, 4000 }, /* nearly always full */
		{ MIB, 300000, 6000 },
		{ 16 * MIB, 4 * MIB, 10000 },
		{ 256 * MIB, 64 * MIB + 4096, 4000 },
	};
	static struct model m;
	uint64_t seed = test_seed("heap_model");

	for (size_t i = 0; i < ARRAY_CNT(worlds); i++) {
		memset(&m, 0, sizeof(m));
		rng_init(&m.rng, seed + i);
		model_run(&m, worlds[i].extent, worlds[i].largest, worlds[i].steps);
		assert_true(m.refused_cnt > 0); /* being full was part of it */
	}
}

/* A cache at work: full all the time, evicting until the next value fits, any size. A 64 MiB value
 * must always get in once enough is evicted, whatever was before. */
static void
eviction_always_makes_room(void **state)
{
	static struct model m;
	size_t extent_bytes = 128 * MIB;
	void *mem = mmap(NULL, extent_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	assert_true(mem != MAP_FAILED);
	memset(&m, 0, sizeof(m));
	rng_init(&m.rng, test_seed("heap_model"));
	m.h = heap_init(mem, extent_bytes);
	for (int i = 0; i < 6000; i++) {
		size_t bytes = i % 1500 == 1499 ? 64 * MIB : draw_bytes(&m.rng, 1, MIB);

		for (;;) {
			size_t refused = m.refused_cnt;

			if (m.live_cnt < LIVE_MAX) {
				model_alloc(&m, bytes);
				if (m.refused_cnt == refused) {
					break;
				}
			}
			assert_true(m.live_cnt > 0);
			model_free(&m, rng_below(&m.rng, m.live_cnt));
		}
	}
	assert_true(m.refused_cnt > 0);
	heap_check(m.h);
	munmap(mem, extent_bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_work_matches_the_model),
		cmocka_unit_test(eviction_always_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
