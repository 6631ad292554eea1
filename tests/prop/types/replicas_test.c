/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   replicas that work at the same time, and hear of each other late, twice and in any order,
 *         end with equal bytes; and these say what the operations said: every increment counts
 *         once, unless a delete saw it or a SET of a later epoch replaced it.
 * Method: random histories of SET, INCR and DEL on one key at four replicas with wrong clocks, and
 *         of SADD on one set. Each operation sends its delta into a bag; each replica draws from
 *         the bag with repetition, and once in a while merges the whole state of another. What must
 *         come out is computed from the log of operations, not from lattices. The seed is printed.
 *          */
#include <stdio.h>

#include "made.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include "view.h"

enum { REPLICAS = 4, OPS_MAX = 60, SIGNS = 2 };

/* What was heard of a writer's increments in an epoch: how many of those up, and of those down. One
 * that hears of the fifth has heard of the four before it: the sums say so. */
struct heard {
	int cnt[REPLICAS][SIGNS];
};

struct op {
	enum { SET, INCR, DEL } kind;
	struct stamp epoch;
	int64_t n;          /* SET, INCR */
	int replica, sign;  /* INCR: whose, and which way */
	int nth;            /* INCR: the first, second .. of its kind in its epoch */
	struct heard heard; /* DEL: what it deletes; INCR: itself and what came before */
	struct slice delta; /* the message */
};

struct replica {
	struct hlc clock;
	int64_t skew_us;
	struct slice state;
	struct heard heard; /* in the epoch of state */
	bool has[OPS_MAX];
};

struct history {
	struct rng rng;
	struct replica r[REPLICAS];
	struct op op[OPS_MAX];
	int op_cnt;
	uint64_t wall_us;
};

static struct envelope
opened(struct slice v)
{
	struct envelope e;

	assert_int_equal(envelope_parse(v, &e), 0);
	return e;
}

static void
hear(struct heard *into, const struct heard *of)
{
	for (int w = 0; w < REPLICAS; w++) {
		for (int s = 0; s < SIGNS; s++) {
			into->cnt[w][s] = MAX(into->cnt[w][s], of->cnt[w][s]);
		}
	}
}

/* Merges what arrived, and keeps the books. */
static void
receive(struct replica *r, struct slice message, struct stamp epoch, const struct heard *heard)
{
	const struct stamp before = opened(r->state).epoch;

	r->state = merged(LATTICE_ENVELOPE, r->state, message);
	if (stamp_cmp(epoch, before) > 0) {
		r->heard = *heard;
	} else if (stamp_cmp(epoch, before) == 0) {
		hear(&r->heard, heard);
	}
	assert_true(stamp_cmp(before, opened(r->state).epoch) <= 0);
}

/* Does one operation at a replica; puts its delta into the bag. Some are refused. */
static void
operate(struct history *h, int who)
{
	static const struct heard nothing;
	struct replica *r = &h->r[who];
	struct op *op = &h->op[h->op_cnt];
	const struct envelope stored = opened(r->state);
	const struct hlc_time now =
		hlc_now(&r->clock, h->wall_us + (uint64_t)(r->skew_us + 1000000));
	struct envelope delta = { .type = LATTICE_STRING, .epoch = stored.epoch };
	char text[24];

	*op = (struct op){ .kind = rng_below(&h->rng, 8), .replica = who };
	switch (op->kind) {
	case SET:
		op->n = (int64_t)rng_below(&h->rng, 1000) - 500;
		snprintf(text, sizeof(text), "%d", (int)op->n);
		delta.epoch = envelope_epoch_fresh(&stored, now, by((uint64_t)who + 1));
		delta.state = string_set(text);
		break;
	case DEL:
		if (!view_present(stored.type, stored.state)) {
			return;
		}
		op->heard = r->heard;
		delta.state = MADE(2 * stored.state.len + 5, strval_delta_del(stored.state, out));
		break;
	default:
		op->kind = INCR;
		op->sign = (int)rng_below(&h->rng, SIGNS);
		op->n = (int64_t)(1 + rng_below(&h->rng, 99)) * (op->sign == 0 ? 1 : -1);
		op->nth = ++r->heard.cnt[who][op->sign];
		op->heard = nothing;
		op->heard.cnt[who][op->sign] = op->nth;
		delta.state =
			MADE(STRVAL_ADD_BYTES_MAX,
			     strval_delta_add(stored.state, by((uint64_t)who + 1), op->n, out));
		break;
	}
	op->epoch = delta.epoch;
	op->delta = envelope_made(&delta);
	receive(r, op->delta, op->epoch, &op->heard);
	r->has[h->op_cnt++] = true;
}

static void
deliver(struct history *h, int who, int op)
{
	receive(&h->r[who], h->op[op].delta, h->op[op].epoch, &h->op[op].heard);
	h->r[who].has[op] = true;
}

/* A whole state instead of a delta, as when replicas compare notes. */
static void
compare_notes(struct history *h, int from, int to)
{
	const struct heard heard = h->r[from].heard;

	receive(&h->r[to], h->r[from].state, opened(h->r[from].state).epoch, &heard);
}

/* What must be read in the end: the last SET, unless deleted, and what was added to it since, but
 * for what a delete had heard of. */
static bool
expected(const struct history *h, int64_t *ret_number)
{
	struct stamp last = { 0 };
	struct heard gone = { 0 };
	bool base_deleted = false;
	bool present = false;
	int64_t number = 0;

	for (int i = 0; i < h->op_cnt; i++) {
		if (stamp_cmp(h->op[i].epoch, last) > 0) {
			last = h->op[i].epoch;
		}
	}
	for (int i = 0; i < h->op_cnt; i++) {
		if (h->op[i].kind == DEL && stamp_cmp(h->op[i].epoch, last) == 0) {
			hear(&gone, &h->op[i].heard);
			base_deleted = true;
		}
	}
	for (int i = 0; i < h->op_cnt; i++) {
		const struct op *op = &h->op[i];

		if (stamp_cmp(op->epoch, last) != 0 || op->kind == DEL ||
		    (op->kind == SET && base_deleted) ||
		    (op->kind == INCR && op->nth <= gone.cnt[op->replica][op->sign])) {
			continue;
		}
		number += op->n;
		present = true;
	}
	*ret_number = number;
	return present;
}

static void
check_end(struct history *h)
{
	int64_t want = 0;
	int64_t got = 0;
	const bool present = expected(h, &want);
	struct envelope e;

	for (int who = 0; who < REPLICAS; who++) {
		for (int op = 0; op < h->op_cnt; op++) {
			if (!h->r[who].has[op]) {
				deliver(h, who, op);
			}
		}
		assert_true(slice_eq(h->r[who].state, h->r[0].state));
	}
	e = opened(h->r[0].state);
	assert_int_equal(view_present(e.type, e.state), present);
	if (present) {
		assert_int_equal(strval_i64(e.state, &got), 0);
		assert_int_equal(got, want);
	}
}

static void
strings_count_every_increment_once(void **state)
{
	struct rng seeds;

	rng_init(&seeds, test_seed("replicas"));
	for (int round = 0; round < 3000; round++) {
		struct history h = { .wall_us = 1000000 };
		const int op_cnt = (int)rng_range(&seeds, 1, OPS_MAX);
		const uint64_t talk = rng_below(&seeds, 8); /* from silent to chatty */

		rng_init(&h.rng, rng_u64(&seeds));
		for (int who = 0; who < REPLICAS; who++) {
			h.r[who].skew_us = (int64_t)rng_below(&h.rng, 2000) - 1000;
			h.r[who].state = slice_of(NULL, 0);
		}
		for (int step = 0; step < 10 * OPS_MAX && h.op_cnt < op_cnt; step++) {
			const int who = (int)rng_below(&h.rng, REPLICAS);

			h.wall_us += rng_below(&h.rng, 500);
			operate(&h, who);
			for (uint64_t left = talk; left > 0 && h.op_cnt > 0; left--) {
				deliver(&h, (int)rng_below(&h.rng, REPLICAS),
					(int)rng_below(&h.rng, (uint64_t)h.op_cnt));
			}
			if (rng_below(&h.rng, 10) == 0) {
				compare_notes(&h, who, (int)rng_below(&h.rng, REPLICAS));
			}
		}
		check_end(&h);
		made_forget();
	}
}

static void
sets_keep_every_member(void **state)
{
	enum { MEMBERS = 200 };
	struct rng rng;

	rng_init(&rng, test_seed("replicas"));
	for (int round = 0; round < 200; round++) {
		struct slice set[REPLICAS] = { 0 };
		bool added[MEMBERS] = { false };
		uint32_t added_cnt = 0;

		for (int step = 0; step < 300; step++) {
			const uint64_t who = rng_below(&rng, REPLICAS);
			const uint64_t other = rng_below(&rng, REPLICAS);
			const uint64_t member = rng_below(&rng, MEMBERS);
			char name[8];

			snprintf(name, sizeof(name), "%d", (int)member);
			added_cnt += added[member] ? 0 : 1;
			added[member] = true;
			set[who] = merged(LATTICE_GSET, set[who], gset_made(name));
			if (step % 16 == 0) {
				set[other] = merged(LATTICE_GSET, set[other], set[who]);
			}
		}
		for (int i = 0; i < 2 * REPLICAS; i++) { /* twice around */
			struct slice *next = &set[(i + 1) % REPLICAS];

			*next = merged(LATTICE_GSET, *next, set[i % REPLICAS]);
		}
		for (int who = 0; who < REPLICAS; who++) {
			assert_true(slice_eq(set[who], set[0]));
		}
		assert_int_equal(gset_cnt(set[0]), added_cnt);
		made_forget();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_count_every_increment_once),
		cmocka_unit_test(sets_keep_every_member),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
