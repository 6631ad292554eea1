/* SPDX-License-Identifier: Apache-2.0 */
/* cache_lend - values for which there is no memory here, shown where the store has them
 *
 *   FETCH ──► GET ──GOT──► no memory ──lent──► a gate looks at it ──LOAN_OVER──► RELEASE
 *
 * A tile of this daemon sees the store's memory as this one does, so what the store has lent for
 * the copy that cannot be made is lent on, to all who wait for it. A gate finds there what it would
 * find in the cache: it reads it, and says what it saw with what it writes (cache_version_lent). So
 * a collection that is longer than the cache, or leaves nothing there, is read and popped as any
 * other, by one trip more each time.
 *
 *   N1  What is lent is pinned, so it does not change: whoever looks at it sees one version. It is
 *       given back once, when the last of those who got it together have done with it.
 *   N2  It is as new as a copy would be: asked for behind all that this tile had done in the store
 *       before, on the same link.
 *   N3  What a gate says it saw is the number of the change that made that tree, or what a flat
 *       value has in it. So an operation that is to be done there if the value is still that one
 *       finds out, and need not keep the loan.
 *
 * Where a key had no room a moment ago, and only those wait who may look at it in the store, it is
 * not brought here in vain: what others have here would go for it.
 *
 * Rejected: to have the store pick what is popped (each command twice, and a reply's memory is
 * wanted before anything is taken); a part of the collection, copied (of which each command wants
 * another, and an item can be as long as a value). Executors and clients do not see the store's
 * memory: they are refused.
 */
#include <string.h>

#include "cache_state.h"
#include "check.h"
#include "kvs_msg.h"
#include "microburst/error.h"

bool
cache_lend_all(const struct cache_work *w)
{
	const struct cache_wait *wait;

	STAILQ_FOREACH(wait, &w->waits, next)
	{
		if (!wait->borrows) {
			return false;
		}
	}
	return STAILQ_EMPTY(&w->jobs) && !STAILQ_EMPTY(&w->waits);
}

/* The loan of what the store has lent for a work; NULL: there are too many. */
static struct cache_loan *
loan_begin(struct cache_core *c, struct cache_work *w)
{
	for (uint32_t i = 0; i < CACHE_LOAN_MAX; i++) {
		struct cache_loan *loan = &c->loan[i];

		if (loan->use_cnt == 0) {
			loan->lent = w->lent;
			loan->kvs = cache_kvs_of(c, w->hash);
			w->lent = 0;
			return loan;
		}
	}
	return NULL;
}

/* What each of them is told. Where too many are lent already they ask again, of what they do not
 * have: who waits for one more keeps none from others (gate_loan.h). */
static struct desc
shown(struct cache_core *c, struct cache_work *w, struct cache_loan **ret)
{
	struct desc d = { .kind = DESC_FETCHED, .sub = CACHE_FOUND_LENT };

	*ret = NULL;
	if (w->from.p == w->got) {
		d.flags = DESC_F_INLINE;
		d.len = (uint8_t)w->from.len;
		memcpy(d.data, w->got, sizeof(d.data));
		return d;
	}
	*ret = loan_begin(c, w);
	if (*ret == NULL) {
		d.sub = CACHE_FOUND_ABSENT;
		d.err = MB_ERR_FULL;
		return d;
	}
	if (slice_is_tree(w->from)) {
		cache_front_lent(&c->fronts, w->hash, w->front_seq, cache_version_lent(w->from));
	}
	kvs_msg_set_bytes(&d, w->from);
	d.word[3] = (uint64_t)(*ret - c->loan);
	return d;
}

void
cache_lend(struct cache_core *c, struct cache_work *w)
{
	struct cache_waits others = STAILQ_HEAD_INITIALIZER(others);
	struct cache_loan *loan = NULL;
	struct cache_wait *wait;
	struct desc d = { 0 };

	while ((wait = STAILQ_FIRST(&w->waits)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->waits, next);
		if (!wait->borrows) {
			STAILQ_INSERT_TAIL(&others, wait, next);
			continue;
		}
		if (d.kind == 0) {
			d = shown(c, w, &loan);
		}
		if (loan != NULL) {
			loan->use_cnt++;
		}
		d.call = wait->call;
		d.b = wait->b;
		c->stats.lent += d.err == 0;
		cache_core_answer(c, wait->proc, wait->inc, &d);
		cache_wait_give(c, wait);
	}
	STAILQ_CONCAT(&w->waits, &others);
}

/* Keeps N1. */
void
cache_lend_over(struct cache_core *c, const struct desc *d)
{
	struct desc release = { .kind = DESC_KVS_RELEASE };
	struct cache_loan *loan;

	REQUIRE(d->word[3] < CACHE_LOAN_MAX);
	loan = &c->loan[d->word[3]];
	REQUIRE(loan->use_cnt > 0);
	if (--loan->use_cnt == 0) {
		release.word[2] = loan->lent;
		cache_core_to_kvs(c, loan->kvs, &release);
	}
}
