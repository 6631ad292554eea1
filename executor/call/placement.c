/* SPDX-License-Identifier: Apache-2.0 */
/* placement.c - two copies and a generation
 *
 * P1  Only sched writes. It writes to the copy that the generation does not show, and then advances
 *     the generation (R1).
 * P2  A reader takes the generation (A1), reads the copy it shows, and takes the generation again.
 *     The copy it read is written from the next advance on, so what it read is whole if the
 *     generation is still the same, and may be a mixture otherwise.
 * P3  A mixture can send a call to an executor that has lost the function: it answers NO_FUNCTION,
 *     and the caller looks again. It can never lead outside the table: ids are taken modulo its
 *     size, counts are compared with it, names are compared up to their fixed length.
 */
#include "placement.h"

#include <string.h>

#include "check.h"
#include "hints.h"

const struct placement_copy *
placement_shown(const struct placement *p, uint64_t *ret_gen)
{
	/* A1: acquire; pairs with R1 in placement_show. Without it the copy's lines could be read
	 * before the generation that shows them. */
	uint64_t gen = atomic_load_explicit(&p->gen, memory_order_acquire);

	*ret_gen = gen;
	return &p->copy[gen & 1];
}

bool
placement_stale(const struct placement *p, uint64_t gen)
{
	/* A2: acquire; pairs with R2 in placement_edit. What was read of the copy was read before
	 * this load: who saw a store of an edit sees the generation that came before it. */
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&p->gen, memory_order_relaxed) != gen;
}

static bool
name_eq(const char *in_table, const char *name)
{
	return strncmp(in_table, name, NAME_BYTES_MAX) == 0;
}

const struct placement_fn *
placement_fn_find(const struct placement_copy *c, const char *name)
{
	for (uint32_t i = 0; i < c->fn_cnt && i < FUNCTION_CNT_MAX; i++) {
		if (c->fn[i].id != 0 && name_eq(c->fn[i].name, name)) {
			return &c->fn[i];
		}
	}
	return NULL;
}

const struct placement_dag *
placement_dag_find(const struct placement_copy *c, const char *name)
{
	for (uint32_t i = 0; i < c->dag_cnt && i < DAG_CNT_MAX; i++) {
		if (c->dag[i].id != 0 && name_eq(c->dag[i].name, name)) {
			return &c->dag[i];
		}
	}
	return NULL;
}

const struct placement_fn *
placement_fn_get(const struct placement_copy *c, uint16_t id)
{
	const struct placement_fn *fn = &c->fn[id % FUNCTION_CNT_MAX];

	return id != 0 && fn->id == id ? fn : NULL;
}

const struct placement_dag *
placement_dag_get(const struct placement_copy *c, uint16_t id)
{
	const struct placement_dag *dag = &c->dag[id % DAG_CNT_MAX];

	return id != 0 && dag->id == id ? dag : NULL;
}

enum placement_spread
placement_spread(const struct placement_copy *c, const uint64_t exec[PLACEMENT_EXEC_WORDS])
{
	uint16_t first = 0;
	uint32_t cnt = 0;

	for (uint32_t w = 0; w < PLACEMENT_EXEC_WORDS; w++) {
		for (uint64_t left = exec[w]; left != 0; left &= left - 1) {
			uint16_t cpu = c->cpu[w * 64 + (uint32_t)__builtin_ctzll(left)];

			first = cnt++ == 0 ? cpu : first;
			if (cnt > 1 && (cpu == 0 || cpu != first)) {
				return PLACEMENT_APART;
			}
		}
	}
	return cnt > 1 ? PLACEMENT_TURNS : PLACEMENT_ALONE;
}

void
placement_fn_where(const struct placement_copy *c, const struct placement_fn *fn,
		   struct placement_where *ret)
{
	memcpy(ret->exec, fn->exec, sizeof(ret->exec));
	ret->batched = fn->batch > 1;
	ret->spread = placement_spread(c, ret->exec);
}

/* Tries the executors of the set from its number `from` on, up to its number `to`. */
static uint16_t
pick_between(const uint64_t exec[PLACEMENT_EXEC_WORDS], uint32_t from, uint32_t to, uint64_t who,
	     struct hints *h)
{
	uint32_t number = 0;

	for (uint32_t w = 0; w < PLACEMENT_EXEC_WORDS; w++) {
		for (uint64_t left = exec[w]; left != 0; left &= left - 1, number++) {
			uint16_t proc = (uint16_t)(w * 64 + (uint32_t)__builtin_ctzll(left));

			if (number >= from && number < to && claim_try(h, proc, who)) {
				return proc;
			}
		}
	}
	return 0;
}

uint16_t
placement_pick(const uint64_t exec[PLACEMENT_EXEC_WORDS], uint16_t last, uint64_t who,
	       uint64_t random, struct hints *h)
{
	uint32_t cnt;
	uint32_t start;
	uint16_t got;

	static_assert(PLACEMENT_EXEC_WORDS * 64 == PROC_CLIENT_FIRST, "a bit an index");
	if (likely(placement_in(exec, last) && claim_try(h, last, who))) {
		return last;
	}
	cnt = placement_cnt(exec);
	if (cnt == 0) {
		return 0;
	}
	/* From a random one of the set, not from a random index: where few of many indices are in
	 * the set, the one behind the widest gap would be picked nearly always. */
	start = (uint32_t)(random % cnt);
	got = pick_between(exec, start, cnt, who, h);
	return got != 0 ? got : pick_between(exec, 0, start, who, h);
}

struct placement_copy *
placement_edit(struct placement *p)
{
	uint64_t gen = atomic_load_explicit(&p->gen, memory_order_relaxed);
	struct placement_copy *hidden = &p->copy[(gen + 1) & 1];

	/* R2: release; pairs with A2 in placement_stale. A reader that sees any of the stores
	 * below also sees the generation that hid this copy from it, and knows it was overtaken. */
	atomic_thread_fence(memory_order_release);
	memcpy(hidden, &p->copy[gen & 1], sizeof(*hidden));
	return hidden;
}

void
placement_show(struct placement *p)
{
	uint64_t gen = atomic_load_explicit(&p->gen, memory_order_relaxed);

	/* R1: release; pairs with A1 in placement_shown. Publishes the hidden copy. */
	atomic_store_explicit(&p->gen, gen + 1, memory_order_release);
}
