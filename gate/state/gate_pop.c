/* SPDX-License-Identifier: Apache-2.0 */
/* gate_pop - see gate_pop.h */
#include "gate_pop.h"

#include "check.h"
#include "gate_int.h"
#include "hash.h"

void
gate_pops_init(struct gate *g)
{
	struct gate_pops *ps = &g->pops;

	for (uint32_t i = 0; i < GATE_POP_CNT; i++) {
		ps->pop[i].next = i + 1 < GATE_POP_CNT ? i + 2 : 0;
	}
	ps->free = 1;
}

static uint64_t
pop_hash(uint64_t key_hash, struct slice id)
{
	return key_hash ^ hash_bytes(id.p, id.len);
}

uint32_t
gate_pop_note(struct gate *g, uint64_t key_hash, struct slice id)
{
	struct gate_pops *ps = &g->pops;
	uint32_t at = ps->free, *chain;
	struct gate_pop *p;

	if (at == 0) {
		return 0;
	}
	p = &ps->pop[at - 1];
	ps->free = p->next;
	ps->cnt++;
	p->hash = pop_hash(key_hash, id);
	chain = &ps->chain[p->hash % GATE_POP_CHAIN];
	p->next = *chain;
	*chain = at;
	return at;
}

void
gate_pop_over(struct gate *g, uint32_t pop)
{
	struct gate_pops *ps = &g->pops;
	struct gate_pop *p = &ps->pop[pop - 1];
	uint32_t *at = &ps->chain[p->hash % GATE_POP_CHAIN];

	while (*at != pop) {
		REQUIRE(*at != 0);
		at = &ps->pop[*at - 1].next;
	}
	*at = p->next;
	p->next = ps->free;
	ps->free = pop;
	ps->cnt--;
}

bool
gate_pop_is_noted(const struct gate *g, uint64_t key_hash, struct slice id)
{
	const struct gate_pops *ps = &g->pops;
	uint64_t hash;

	if (ps->cnt == 0) {
		return false;
	}
	hash = pop_hash(key_hash, id);
	for (uint32_t at = ps->chain[hash % GATE_POP_CHAIN]; at != 0;) {
		const struct gate_pop *p = &ps->pop[at - 1];

		if (p->hash == hash) {
			return true;
		}
		at = p->next;
	}
	return false;
}

struct gate_pop_walk
gate_pop_walk(struct slice key, enum list_end end)
{
	return (struct gate_pop_walk){ .key_hash = hash_bytes(key.p, key.len),
				       .end = end,
				       .right = UINT32_MAX };
}

bool
gate_pop_next(const struct gate *g, struct slice state, struct gate_pop_walk *w,
	      struct list_item *ret)
{
	while (w->end == LIST_LEFT ? list_next(state, &w->left, ret)
				   : list_prev(state, &w->right, ret)) {
		if (w->all || !gate_pop_is_noted(g, w->key_hash, ret->id)) {
			return true;
		}
	}
	return false;
}

bool
gate_pop_find(const struct gate *g, struct slice state, struct gate_pop_walk *w, bool first,
	      struct list_item *ret)
{
	const struct gate_pop_walk from = *w;

	if (gate_pop_next(g, state, w, ret)) {
		return true;
	}
	if (!first) {
		return false;
	}
	*w = from;
	w->all = true;
	return gate_pop_next(g, state, w, ret);
}

bool
gate_pop_left(const struct gate *g, struct slice key, struct slice state, enum list_end end)
{
	struct gate_pop_walk walk = gate_pop_walk(key, end);
	struct list_item item;

	return gate_pop_next(g, state, &walk, &item);
}

int
gate_pop_op(struct gate *g, struct gate_conn *c, struct wset_op *op, uint32_t if_end, uint32_t cnt)
{
	const struct slice id = op->kind == WSET_SREM ? op->value : op->field;
	const uint64_t hash = hash_bytes(op->key.p, op->key.len);
	int err = gate_held_op(g, c, op, 0, cnt);
	struct gate_batch *b;

	if (err == 0) {
		b = c->run->batch[cache_tile_of(hash, g->view.shard_cnt)];
		b->word[b->op_cnt - 1].if_end = if_end;
		b->word[b->op_cnt - 1].n = op->n;
		b->pop[b->op_cnt - 1] = gate_pop_note(g, hash, id); /* T1 */
	}
	return err;
}
