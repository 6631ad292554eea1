/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the encodings that operations make keep the laws, and what was removed is what was seen:
 *         replicas that do operations of every kind at equal and wrong times, and hear of each
 *         other late, end with equal bytes, and with the members and items that the history says.
 * Method: random histories at three replicas, by delta_make, each about one type. What must be
 *         there is computed from which operations had been heard of by whom. The deltas in any
 *         order, some twice, against the states; the laws among deltas and states. The seed is
 *         printed.
 */
#include <stdio.h>

#include "compiler.h"
#include "delta.h"
#include "laws.h"
#include "made.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include "view.h"

enum { REPLICAS = 3, OPS_MAX = 32, NAMES = 4, SAMPLES = 6, HISTORIES = 60 };

/* What a history is about: its operations, the first of which adds a name. */
static const struct family {
	enum wset_kind kind[4];
	bool by_value; /* the name is the value, else the field */
} families[] = {
	{ { WSET_SADD, WSET_SADD, WSET_SREM, WSET_DEL }, true },
	{ { WSET_MAP_PUT, WSET_MAP_INCR, WSET_MAP_DEL, WSET_DEL }, false },
	{ { WSET_ZADD, WSET_ZINCR, WSET_ZREM, WSET_DEL }, false },
	{ { WSET_PUSH_LEFT, WSET_PUSH_RIGHT, WSET_PUSH_RIGHT, WSET_DEL }, true },
	{ { WSET_PUT, WSET_INCR, WSET_INCR, WSET_DEL }, true },
};

struct op {
	uint32_t kind; /* of its family's four */
	uint32_t name;
	uint32_t heard; /* a bit for each operation that its replica had heard of */
	struct slice delta;
};

struct replica {
	struct slice state;
	struct hlc clock;
	uint32_t heard;
};

struct history {
	const struct family *family;
	struct rng rng;
	struct replica r[REPLICAS];
	struct op op[OPS_MAX];
	uint32_t op_cnt;
};

static const char *const names[NAMES] = { "1", "22", "2", "30" };

static void
operate(struct history *h, uint32_t who, uint64_t wall_us)
{
	struct replica *r = &h->r[who];
	struct op *op = &h->op[h->op_cnt];
	struct wset_op w = { .key = slice_str("k") };
	struct hlc_moment at = hlc_moment(&r->clock, wall_us);
	const double score = 1 + (double)rng_below(&h->rng, 3);
	struct slice name;

	*op = (struct op){ .kind = (uint32_t)rng_below(&h->rng, 4),
			   .name = (uint32_t)rng_below(&h->rng, NAMES),
			   .heard = r->heard };
	name = slice_str(names[op->name]);
	w.kind = h->family->kind[op->kind];
	w.field = (wset_has(w.kind) & WSET_HAS_FIELD) != 0 ? name : slice_of(NULL, 0);
	w.value = (wset_has(w.kind) & WSET_HAS_VALUE) != 0 ? name : slice_of(NULL, 0);
	w.n = 7;
	if (w.kind == WSET_ZADD || w.kind == WSET_ZINCR) {
		memcpy(&w.n, &score, sizeof(score));
	}
	op->delta = MADE(delta_bound(r->state, &w, w.value.len),
			 delta_make(r->state, &w, at, by(who == 0 ? UINT64_MAX : who), out));
	if (op->delta.len == 0) {
		return; /* there was nothing to delete */
	}
	assert_int_equal(lattice_check(LATTICE_ENVELOPE, op->delta), 0);
	r->state = merged(LATTICE_ENVELOPE, r->state, op->delta);
	r->heard |= UINT32_C(1) << h->op_cnt++;
}

/* Whether the history says that a name is there: somebody added it who was not heard of by whoever
 * took it away. */
static bool
expected(const struct history *h, uint32_t name)
{
	for (uint32_t i = 0; i < h->op_cnt; i++) {
		bool gone = h->op[i].kind > 1 || h->op[i].name != name;

		for (uint32_t j = 0; j < h->op_cnt && !gone; j++) {
			const struct op *d = &h->op[j];

			gone = (d->kind == 3 || (d->kind == 2 && d->name == name)) &&
			       (d->heard >> i & 1) != 0;
		}
		if (!gone) {
			return true;
		}
	}
	return false;
}

/* Of a set, which has no epochs inside. */
static void
members_are_those(const struct history *h, struct slice end)
{
	struct envelope e;

	assert_int_equal(envelope_open(end, &e), 0);
	for (uint32_t n = 0; n < NAMES; n++) {
		struct slice name = slice_str(names[n]);

		assert_int_equal(e.state.len != 0 && view_set_has(e.type, e.state, name),
				 expected(h, n));
	}
}

/* Of a list: each item that no delete had heard of. */
static void
items_are_those(const struct history *h, struct slice end)
{
	uint32_t cnt = 0;
	struct envelope e;

	assert_int_equal(envelope_open(end, &e), 0);
	for (uint32_t i = 0; i < h->op_cnt; i++) {
		bool there = h->op[i].kind != 3;

		for (uint32_t j = 0; j < h->op_cnt; j++) {
			there = there && !(h->op[j].kind == 3 && (h->op[j].heard >> i & 1) != 0);
		}
		cnt += there;
	}
	assert_int_equal(view_cnt(e.type, e.state), cnt);
}

/* All deltas in any order, some of them again. */
static struct slice
deltas_merged(struct history *h)
{
	uint32_t order[OPS_MAX];
	struct slice state = { 0 };

	for (uint32_t i = 0; i < h->op_cnt; i++) {
		uint32_t j = (uint32_t)rng_below(&h->rng, i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (uint32_t i = 0; i < h->op_cnt; i++) {
		uint32_t again = order[rng_below(&h->rng, i + 1)];

		state = merged(LATTICE_ENVELOPE, state, h->op[order[i]].delta);
		state = merged(LATTICE_ENVELOPE, state, h->op[again].delta);
	}
	return state;
}

static void
history_end(struct history *h, struct slice *sample)
{
	struct slice end = { 0 };
	struct breach breach;

	for (uint32_t who = 0; who < REPLICAS; who++) {
		end = merged(LATTICE_ENVELOPE, end, h->r[who].state);
	}
	assert_true(slice_eq(deltas_merged(h), end));
	if (h->family->kind[0] == WSET_SADD) {
		members_are_those(h, end);
	} else if (h->family->kind[0] == WSET_PUSH_LEFT) {
		items_are_those(h, end);
	}
	sample[SAMPLES - 1] = end;
	if (!laws_hold(lattice_merge_into, LATTICE_ENVELOPE, sample, SAMPLES, &breach)) {
		laws_print(LATTICE_ENVELOPE, &breach);
		fail();
	}
}

static void
history_run(struct history *h)
{
	struct slice sample[SAMPLES] = { 0 };

	while (h->op_cnt < OPS_MAX) {
		uint32_t who = (uint32_t)rng_below(&h->rng, REPLICAS);
		struct replica *from = &h->r[rng_below(&h->rng, REPLICAS)], *to = &h->r[who];

		/* Times that all have at once, and one replica's are behind. */
		operate(h, who, 1000 + h->op_cnt / 4 - (who == 2 ? 3 : 0));
		if (rng_below(&h->rng, 3) == 0) {
			to->state = merged(LATTICE_ENVELOPE, to->state, from->state);
			to->heard |= from->heard;
		}
		sample[rng_below(&h->rng, SAMPLES - 1)] =
			rng_below(&h->rng, 3) == 0 && h->op_cnt > 0 ? h->op[h->op_cnt - 1].delta
								    : to->state;
	}
	history_end(h, sample);
}

static void
operations_keep_the_laws(void **state)
{
	struct rng seeds;

	rng_init(&seeds, test_seed("ops"));
	for (int round = 0; round < HISTORIES; round++) {
		for (size_t f = 0; f < ARRAY_CNT(families); f++) {
			struct history h = { .family = &families[f] };

			rng_init(&h.rng, rng_u64(&seeds));
			history_run(&h);
			made_forget();
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(operations_keep_the_laws) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
