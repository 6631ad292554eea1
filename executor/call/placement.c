/* SPDX-License-Identifier: Apache-2.0 */
/* placement.c - two copies and a generation
 *
 * P1  Only sched writes. It writes to the copy that the generation does not show, and then advances
 *     the generation (R1).
 * P2  A reader takes the generation (A1), reads the copy it shows, and takes the generation again. The
 *     copy it read is written from the next advance on, so what it read is whole if the generation
 *     is still the same, and may be a mixture otherwise.
 * P3  A mixture can send a call to an executor that has lost the function: it answers NO_FUNCTION,
 *     and the caller looks again. It can never lead outside the table: ids are taken modulo its size,
 *     counts are compared with it, names are compared up to their fixed length.
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
	/* The reads of the copy come before this load. */
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

/* The executors of word w of the set, moved so that the scan starts at bit first and goes round. */
static uint64_t
rotate_right(uint64_t x, uint32_t n)
{
	return n == 0 ? x : x >> n | x << (64 - n);
}

uint16_t
placement_pick(const uint64_t exec[PLACEMENT_EXEC_WORDS], uint16_t last, uint64_t who,
	       uint64_t random, struct hints *h)
{
	uint32_t first_word = random % PLACEMENT_EXEC_WORDS;
	uint32_t first_bit = random >> 8 & 63;

	static_assert(PLACEMENT_EXEC_WORDS * 64 == PROC_CLIENT_FIRST, "a bit an index");
	if (last < PROC_CLIENT_FIRST && (exec[last / 64] >> (last % 64) & 1) != 0 &&
	    claim_try(h, last, who)) {
		return last;
	}
	for (uint32_t i = 0; i < PLACEMENT_EXEC_WORDS; i++) {
		uint32_t word = (first_word + i) % PLACEMENT_EXEC_WORDS;
		uint64_t left = rotate_right(exec[word], first_bit);

		while (left != 0) {
			uint32_t bit = ((uint32_t)__builtin_ctzll(left) + first_bit) & 63;
			uint16_t proc = (uint16_t)(word * 64 + bit);

			if (proc != last && proc >= PROC_EXEC_FIRST && claim_try(h, proc, who)) {
				return proc;
			}
			left &= left - 1;
		}
	}
	return 0;
}

struct placement_copy *
placement_edit(struct placement *p)
{
	uint64_t gen = atomic_load_explicit(&p->gen, memory_order_relaxed);
	struct placement_copy *hidden = &p->copy[(gen + 1) & 1];

	/* R2: a fence; pairs with the one in placement_stale. A reader that sees any of the stores
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
