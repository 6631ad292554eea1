/* SPDX-License-Identifier: Apache-2.0 */
#include "returns.h"

#include <stdlib.h>

#include "check.h"
#include "compiler.h"
#include "microburst/error.h"

struct hold {
	uint32_t handle;
	uint32_t next; /* of the same producer, or free: + 1 */
	uint16_t holder;
};

/* The holds of one producer, in the order in which they came. */
struct owed {
	uint32_t head, tail; /* + 1; 0: none */
	uint32_t cnt, inc;
};

struct returns {
	uint32_t cnt, cnt_max;
	uint32_t free; /* + 1 */
	uint32_t used; /* records from here on have never been used, and touch no memory */
	struct owed owed[PROC_CNT_MAX];
	struct hold hold[];
};

int
returns_create(struct returns **ret, uint32_t cnt_max)
{
	struct returns *r = calloc(1, sizeof(*r) + (size_t)cnt_max * sizeof(r->hold[0]));

	if (r == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	r->cnt_max = cnt_max;
	*ret = r;
	return 0;
}

void
returns_destroy(struct returns *r)
{
	free(r);
}

static uint32_t
hold_alloc(struct returns *r)
{
	uint32_t i = r->free;

	if (i != 0) {
		r->free = r->hold[i - 1].next;
	} else if (r->used < r->cnt_max) {
		i = ++r->used;
	}
	return i;
}

/* Forgets the oldest cnt of a producer. */
static void
owed_pop(struct returns *r, struct owed *o, uint32_t cnt)
{
	for (; cnt > 0 && o->head != 0; cnt--) {
		uint32_t i = o->head;

		o->head = r->hold[i - 1].next;
		r->hold[i - 1].next = r->free;
		r->free = i;
		o->cnt--;
		r->cnt--;
	}
	if (o->head == 0) {
		o->tail = 0;
	}
}

bool
returns_add(struct returns *r, const struct payload_ref *ref, uint16_t holder)
{
	struct owed *o;
	uint32_t i;

	REQUIRE(ref->proc < PROC_CNT_MAX);
	o = &r->owed[ref->proc];
	if (o->inc != ref->inc) {
		owed_pop(r, o, o->cnt);
		o->inc = ref->inc;
	}
	i = hold_alloc(r);
	if (i == 0) {
		return false;
	}
	r->hold[i - 1] = (struct hold){ .handle = ref->handle, .holder = holder };
	if (o->tail != 0) {
		r->hold[o->tail - 1].next = i;
	} else {
		o->head = i;
	}
	o->tail = i;
	o->cnt++;
	r->cnt++;
	return true;
}

uint32_t
returns_next(const struct returns *r, uint16_t proc, struct desc *ret)
{
	const struct owed *o = &r->owed[proc];
	uint32_t i = o->head;

	*ret = (struct desc){ .kind = DESC_RELEASE, .release = { .inc = o->inc, .proc = proc } };
	if (i != 0) {
		ret->a = r->hold[i - 1].holder;
	}
	for (; i != 0 && r->hold[i - 1].holder == ret->a && ret->release.cnt < RETURNS_BATCH;
	     i = r->hold[i - 1].next) {
		ret->release.handle[ret->release.cnt++] = r->hold[i - 1].handle;
	}
	return ret->release.cnt;
}

void
returns_sent(struct returns *r, uint16_t proc, const struct desc *d)
{
	owed_pop(r, &r->owed[proc], d->release.cnt);
}

void
returns_drop(struct returns *r, uint16_t proc)
{
	owed_pop(r, &r->owed[proc], r->owed[proc].cnt);
}

uint16_t
returns_proc(const struct returns *r, uint16_t proc)
{
	if (r->cnt == 0) {
		return PROC_CNT_MAX;
	}
	while (proc < PROC_CNT_MAX && r->owed[proc].head == 0) {
		proc++;
	}
	return proc;
}

uint32_t
returns_of(const struct returns *r, uint16_t proc)
{
	return r->owed[proc].cnt;
}

uint32_t
returns_cnt(const struct returns *r)
{
	return r->cnt;
}
