/* SPDX-License-Identifier: Apache-2.0 */
/* gate_loan - see gate_loan.h */
#include "gate_loan.h"

#include <microburst/error.h>

#include "check.h"
#include "delta.h"
#include "envelope.h"
#include "hash.h"
#include "timebase.h"

static uint32_t
name_of(const struct gate *g, const struct gate_fetch *f)
{
	return (uint32_t)(f - g->fetch) + 1;
}

static struct slice
key_of(struct gate *g, const struct gate_fetch *f)
{
	return (f->msg.flags & DESC_F_INLINE) != 0
		       ? slice_of(f->msg.data, f->msg.len)
		       : slice_of(payload_own(g->inner.pool, &f->msg.ref), f->msg.ref.len);
}

void
gate_loan_begin(struct gate *g, struct gate_conn *c, struct gate_fetch *f, const struct desc *d)
{
	uint32_t *list = c != NULL ? &c->loans : &g->loans_over;

	f->lent = *d;
	f->next = *list;
	*list = name_of(g, f);
}

/* Shows what stands at f->lent. */
static int
show(const struct gate_fetch *f, struct cache_value *ret)
{
	struct slice stored = cache_lent(&f->lent);
	struct envelope e;

	*ret = (struct cache_value){ .slot = CACHE_SLOT_NONE,
				     .version = cache_version_lent(stored),
				     .envelope = stored };
	if (!delta_present(stored, hlc_time_of_us(timebase_wall_us(timebase_real()))) ||
	    envelope_open(stored, &e) != 0) {
		return CACHE_ABSENT;
	}
	ret->type = e.type;
	ret->state = e.state;
	return CACHE_HIT;
}

int
gate_loan_look(struct gate *g, const struct gate_conn *c, struct slice key, uint64_t hash,
	       struct cache_value *ret)
{
	for (uint32_t at = c->loans; at != 0; at = g->fetch[at - 1].next) {
		const struct gate_fetch *f = &g->fetch[at - 1];

		if (f->hash == hash && slice_eq(key_of(g, f), key)) {
			return show(f, ret);
		}
	}
	return CACHE_MISS;
}

/* Returns: how many. */
static uint32_t
give_back(struct gate *g, uint32_t *list)
{
	uint32_t cnt = 0;

	for (; *list != 0; cnt++) {
		struct gate_fetch *f = &g->fetch[*list - 1];

		*list = f->next;
		f->next = g->loans_over;
		g->loans_over = name_of(g, f);
	}
	return cnt;
}

void
gate_loans_end(struct gate *g, uint32_t *list)
{
	g->loans_back += give_back(g, list);
}

void
gate_loans_lack(struct gate *g, struct gate_conn *c)
{
	if (c->loans == 0) {
		return;
	}
	if (c->walk != NULL || c->tries++ >= GATE_TRIES) { /* it goes through one of them */
		c->held_err = MB_ERR_NO_MEMORY;
	} else {
		(void)give_back(g, &c->loans); /* keeps D5 */
	}
}

bool
gate_loans_again(struct gate *g)
{
	bool any = false;

	while (g->loans_over != 0) {
		struct gate_fetch *f = &g->fetch[g->loans_over - 1];
		struct desc over = { .kind = DESC_LOAN_OVER, .word[3] = f->lent.word[3] };
		uint32_t port = PORT_CACHE_FIRST + cache_tile_of(f->hash, g->view.shard_cnt);

		if ((f->lent.flags & DESC_F_INLINE) == 0 &&
		    inner_send(&g->inner, port, &over) != 0) {
			break; /* D3 */
		}
		g->loans_over = f->next;
		gate_fetch_over(g, f);
		any = true;
	}
	return any;
}
