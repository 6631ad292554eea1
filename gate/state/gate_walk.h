/* SPDX-License-Identifier: Apache-2.0 */
/* gate_walk - commands that go through all of a collection, a turn at a time
 *
 * What such a command looked up first is held until it is over: a value in the cache does not
 * change while it is held, so all of the reply is of one moment. Each turn goes on where the last
 * one ended; between two the other connections have theirs, and what is written goes out. A client
 * that reads slower than the walk goes is waited for, so that no more than GATE_OUT_MAX of a reply
 * is in memory; if many are as slow, only while hazard slots are not scarce.
 *
 * A short collection is gone through at once, and costs nothing of this. Strings are the same: what
 * looks at, or copies, each byte does GATE_WALK_BYTES of them in a turn.
 *
 *	n = gate_walk_open(g, c, key, type, UINT32_MAX, &now, &w);
 *	if (n != CACHE_HIT && n != CACHE_ABSENT)
 *		return gate_look_refuse(g, c, n);
 *	if (gate_walk_first(w))
 *		the head of the reply
 *	for (; c->step < cnt; c->step++) {
 *		if (!gate_walk_more(g, c, w))
 *			return gate_walk_wait(g, c);
 *		the next item, by w->at
 *	}
 *	return gate_walk_end(g, c, w);
 */
#ifndef MB_GATE_WALK_H
#define MB_GATE_WALK_H

#include "gate_int.h"
#include "gate_order.h"
#include "rank.h"
#include "table.h"

#define GATE_WALK_SHORT       512          /* items, */
#define GATE_WALK_SHORT_BYTES (128u << 10) /* and bytes, that are gone through at once */
#define GATE_WALK_BYTES       (128u << 10) /* of a reply, or a string, in one turn */
#define GATE_WALK_BYTES_ITEM  64           /* of a string, that are as an item of a turn */
#define GATE_WALK_SPARE       (512u << 10) /* of the gate's memory: less is waited for, not taken */
#define GATE_WALK_HOLD_CNT    56           /* hazard slots for values being sent and walks */
#define GATE_WALK_SLOW_CNT    24           /* while fewer are in use, walks wait for readers */

static_assert(GATE_WALK_HOLD_CNT > GATE_HOLD_CNT && GATE_WALK_HOLD_CNT < HAZARD_CNT,
	      "replies that nobody reads leave some for walks, and those some for looking");

struct gate_walk {
	struct cache_value v;
	struct table_walk at;
	uint32_t idx;               /* for list_prev */
	bool held;                  /* it is c->walk, else its caller's */
	bool begun;                 /* gate_walk_first was true */
	uint32_t list_end, list_at; /* of a list in c->keep that is folded with it (gate_fold.c) */
	double score;               /* of its own next member; of few, of the last of them */
	struct slice member;
	bool has_member;
	bool few;              /* as many are kept as are wanted */
	uint32_t reach;        /* it goes through so many leaves for sure: gate_zset_pick */
	struct rank_span span; /* that have these scores */
	bool sorting;          /* all that it wants is in c->keep, and being put in order; */
	bool ready;            /* and is */
	bool taking;           /* out of that, one by one */
	uint32_t all, cnt;     /* so many were wanted; so many are kept */
	struct gate_order order;
	size_t out_bytes; /* of replies, when the turn began */
};

/* gate_walk_open: gate_look_as at the first turn (GATE_WALK_ANY: gate_look), into *now or, of a
 * collection that is long, what is held; then that. most: no more items will be looked at; 0: it is
 * to be held however short it is.
 * Returns: as gate_look; CACHE_MISS: wait. */
#define GATE_WALK_ANY UINT32_MAX
int gate_walk_open(struct gate *g, struct gate_conn *c, struct slice key, unsigned int type,
		   uint32_t most, struct gate_walk *now, struct gate_walk **ret);

/* gate_walk_list: the same of no value, to go through a long list in c->keep. */
int gate_walk_list(struct gate *g, struct gate_conn *c, struct gate_walk *now,
		   struct gate_walk **ret);

/* gate_walk_part: gate_look_part so. */
int gate_walk_part(struct gate *g, struct gate_conn *c, struct slice key, unsigned int type,
		   struct gate_walk *now, struct gate_walk **ret);

/* gate_walk_text: gate_look_text so, of a string of which so many bytes, or all of its own, are to
 * be gone through: *ret_text, in which the turns have their pieces. */
int gate_walk_text(struct gate *g, struct gate_conn *c, struct slice key, size_t bytes,
		   struct gate_walk *now, struct gate_walk **ret, char buf[],
		   struct slice *ret_text);

/* gate_walk_bytes: how many of those that are left are this turn's; if all, it is the last one. */
size_t gate_walk_bytes(struct gate *g, size_t left);

/* gate_walk_keep brings what gate_walk_text found to c->keep, in turns, and zeros behind it up to
 * len; c->step is its own. Returns: 1: it is there, and called again it begins anew; 0:
 * gate_walk_wait; MB_ERR_NO_MEMORY: w is closed. */
int gate_walk_keep(struct gate *g, struct gate_conn *c, struct gate_walk *w, struct slice text,
		   size_t len);

/* gate_walk_first: once, at the first turn. */
static inline bool
gate_walk_first(struct gate_walk *w)
{
	bool first = !w->begun;

	w->begun = true;
	return first;
}

/* gate_walk_reader: what of its reply is written goes out first, as there is much of it, or no
 * memory for more: the handler returns WAIT. Whoever waits so holds a slot if it walks. */
bool gate_walk_reader(const struct gate *g, struct gate_conn *c);

/* gate_walk_over: the turn is. */
bool gate_walk_over(const struct gate *g, const struct gate_conn *c, const struct gate_walk *w);

/* gate_walk_more: whether one more item may be looked at. */
static inline bool
gate_walk_more(struct gate *g, const struct gate_conn *c, const struct gate_walk *w)
{
	return g->turn_left-- > 0 ? !w->held || !gate_walk_over(g, c, w) : !w->held;
}

/* gate_walk_wait: there is more, but not now. Returns: what the handler returns. */
int gate_walk_wait(struct gate *g, struct gate_conn *c);

/* gate_walk_words runs a command that asks something of a collection for each of its words from the
 * third on (SMISMEMBER): an array of what `one` answers; v NULL: there is none. Returns: what the
 * handler returns. */
struct gate_walk_words {
	unsigned int type; /* of the collection */
	void (*one)(struct gate *g, struct gate_conn *c, const struct cache_value *v,
		    struct slice word);
};
int gate_walk_words(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
		    const struct gate_walk_words *how);

/* gate_walk_close lets go of what was looked up: the command may open another one. gate_walk_end:
 * it is done. Returns: GATE_DONE. gate_walk_drop: as close, of c->walk. */
void gate_walk_close(struct gate *g, struct gate_conn *c, struct gate_walk *w);
int gate_walk_end(struct gate *g, struct gate_conn *c, struct gate_walk *w);
void gate_walk_drop(struct gate *g, struct gate_conn *c);

#endif
