/* SPDX-License-Identifier: Apache-2.0 */
/* made.h - values for tests, in buffers of exactly their size
 *
 * So a read one byte beyond a value is seen by the address sanitizer. What is made lives until the
 * test program ends, or made_forget.
 */
#ifndef MB_MADE_H
#define MB_MADE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "clock.h"
#include "counter.h"
#include "envelope.h"
#include "gset.h"
#include "lattice.h"
#include "list.h"
#include "lww.h"
#include "map.h"
#include "microburst/error.h"
#include "history.h"
#include "hll.h"
#include "mvreg.h"
#include "orset.h"
#include "pair_lex.h"
#include "priority.h"
#include "scalar.h"
#include "score.h"
#include "slice.h"
#include "strval.h"
#include "vclock.h"

struct made_link {
	struct made_link *next;
	uint8_t bytes[];
};

static struct made_link *made_all;

static inline uint8_t *
made_alloc(size_t len)
{
	struct made_link *l = malloc(sizeof(*l) + len);

	INSIST(l != NULL);
	l->next = made_all;
	made_all = l;
	return l->bytes;
}

static inline void
made_forget(void)
{
	while (made_all != NULL) {
		struct made_link *l = made_all;

		made_all = l->next;
		free(l);
	}
}

static inline struct slice
made_copy(struct slice s)
{
	uint8_t *p = made_alloc(s.len);

	if (s.len != 0 && s.p != NULL) {
		memcpy(p, s.p, s.len);
	}
	return slice_of(p, s.len);
}

/* Runs `call`, which appends to a wbuf named out; gives what it wrote. */
#define MADE(cap_bytes, call)                                                                      \
	__extension__({                                                                            \
		size_t made_cap_ = (cap_bytes);                                                    \
		struct wbuf made_out_ = wbuf_init(malloc(made_cap_ + 1), made_cap_);               \
		struct wbuf *out = &made_out_;                                                     \
		int made_rc_ = (call);                                                             \
		struct slice made_;                                                                \
		INSIST(made_rc_ >= 0, "%s: %d", #call, made_rc_);                                  \
		made_ = made_copy(wbuf_slice(out));                                                \
		free(made_out_.p);                                                                 \
		made_;                                                                             \
	})

static inline struct stamp
at(uint64_t time, uint64_t writer)
{
	return (struct stamp){ .time = { time }, .writer = { writer } };
}

static inline struct writer_id
by(uint64_t writer)
{
	return (struct writer_id){ writer };
}

static inline struct slice
lww_made(uint64_t time, uint64_t writer, const char *text)
{
	return MADE(strlen(text) + LWW_OVERHEAD,
		    lww_delta_set(at(time, writer), slice_str(text), out));
}

static inline struct slice
merged(unsigned int type, struct slice a, struct slice b)
{
	return MADE(lattice_merge_bound(a, b), lattice_merge_into(type, a, b, out));
}

/* The state after one more addition by this writer. */
static inline struct slice
counter_plus(struct slice state, uint64_t writer, int64_t n)
{
	return merged(LATTICE_PN_COUNTER, state,
		      MADE(COUNTER_ENTRY_BYTES_MAX, counter_delta_add(state, by(writer), n, out)));
}

static inline struct slice
counter_deleted(struct slice state)
{
	return merged(LATTICE_PN_COUNTER, state,
		      MADE(2 * state.len, counter_delta_del(state, out)));
}

static inline struct slice
string_set(const char *text)
{
	return MADE(strlen(text) + 1, strval_delta_set(slice_str(text), out));
}

static inline struct slice
string_plus(struct slice state, uint64_t writer, int64_t n)
{
	return merged(LATTICE_STRING, state,
		      MADE(STRVAL_ADD_BYTES_MAX, strval_delta_add(state, by(writer), n, out)));
}

static inline struct slice
string_deleted(struct slice state)
{
	return merged(LATTICE_STRING, state, MADE(2 * state.len + 5, strval_delta_del(state, out)));
}

/* A set of the words of a text: "a b c" (sorted, one blank between). "" is no members. */
static inline struct slice
gset_made(const char *words)
{
	struct slice member[64];
	uint32_t cnt = 0;

	for (const char *p = words; *p != '\0'; p += p[0] == ' ') {
		size_t len = strcspn(p, " ");

		INSIST(cnt < 64);
		member[cnt++] = slice_of(p, len);
		p += len;
	}
	return MADE(strlen(words) + 4 * 64, gset_delta_add(member, cnt, out));
}

static inline struct slice
orset_plus(struct slice state, const char *member, uint64_t time, uint64_t writer)
{
	return merged(LATTICE_ORSET, state,
		      MADE(strlen(member) + ORSET_OVERHEAD,
			   orset_delta_add(at(time, writer), slice_str(member), out)));
}

static inline struct slice
orset_minus(struct slice state, const char *member)
{
	return merged(LATTICE_ORSET, state,
		      MADE(state.len, orset_delta_remove(state, slice_str(member), out)));
}

static inline struct slice
map_made(const char *key, unsigned int type, struct slice value)
{
	const struct map_field f = { .key = slice_str(key), .type = type, .value = value };

	return MADE(strlen(key) + value.len + MAP_OVERHEAD, map_delta_put(&f, out));
}

static inline struct slice
list_push(struct slice state, enum list_end end, const char *value, uint64_t time, uint64_t writer)
{
	return merged(LATTICE_LIST, state,
		      MADE(strlen(value) + LIST_OVERHEAD,
			   list_delta_push(state, at(time, writer), end, slice_str(value), out)));
}

/* Item idx of those that show. */
static inline struct slice
list_id(struct slice state, uint32_t idx)
{
	struct list_item item = { 0 };
	struct table_walk walk = { 0 };

	for (uint32_t i = 0; i <= idx; i++) {
		INSIST(list_next(state, &walk, &item));
	}
	return item.id;
}

static inline struct slice
list_without(struct slice state, uint32_t idx)
{
	return merged(LATTICE_LIST, state,
		      MADE(LIST_OVERHEAD, list_delta_remove(state, list_id(state, idx), out)));
}

static inline struct slice
score_set(double x)
{
	return MADE(SCORE_BYTES_MAX, score_delta_set(x, out));
}

static inline struct slice
score_plus(struct slice state, uint64_t writer, double x)
{
	return merged(LATTICE_SCORE, state,
		      MADE(SCORE_BYTES_MAX, score_delta_add(state, by(writer), x, out)));
}

static inline struct slice
score_deleted(struct slice state)
{
	return merged(LATTICE_SCORE, state, MADE(2 * state.len + 1, score_delta_del(state, out)));
}

static inline struct slice
u64_made(uint64_t v)
{
	return MADE(8, u64_delta(v, out));
}

static inline struct slice
f64_made(double v)
{
	return MADE(8, max_f64_delta(v, out));
}

static inline struct slice
bool_made(bool v)
{
	return MADE(1, bool_or_delta(v, out));
}

static inline struct slice
vclock_made(uint64_t writer, uint64_t event_cnt)
{
	return MADE(VCLOCK_ENTRY_BYTES, vclock_delta(by(writer), event_cnt, out));
}

static inline struct slice
envelope_made(const struct envelope *e)
{
	return MADE(envelope_bytes(e), envelope_write(e, out));
}

/* So many registers from the first on, all of one rank. */
static inline struct slice
hll_made(uint32_t first, uint32_t cnt, uint8_t rank)
{
	struct hll h = { 0 };

	for (uint32_t i = first; i < first + cnt; i++) {
		h.rank[i] = rank;
	}
	return MADE(HLL_BYTES_MAX, hll_delta(&h, out));
}

static inline struct slice
priority_made(int64_t number, const char *text)
{
	return MADE(strlen(text) + PRIORITY_OVERHEAD, priority_delta(number, slice_str(text), out));
}

static inline struct slice
pair_made(unsigned int first_type, struct slice first, unsigned int second_type,
	  struct slice second)
{
	return MADE(first.len + second.len + PAIR_LEX_OVERHEAD,
		    pair_lex_write(&(struct pair_lex){ .first_type = first_type,
						       .second_type = second_type,
						       .first = first,
						       .second = second },
				   out));
}

/* A write by one who has seen all of `seen`, at a tile that holds `state`. */
static inline struct slice
mvreg_put(struct slice state, struct slice seen, const char *text, uint64_t time, uint64_t writer)
{
	const struct slice context = MADE(2 * seen.len, mvreg_context(seen, out));

	return merged(LATTICE_MVREG, state,
		      MADE(strlen(text) + context.len + HISTORY_RUN_BYTES + MVREG_OVERHEAD,
			   mvreg_delta_put(state, context, by(writer),
					   &(struct mvreg_sibling){ .value = slice_str(text),
								    .time = { time } },
					   out)));
}

/* Without what it shows. */
static inline struct slice
mvreg_deleted(struct slice state)
{
	return merged(LATTICE_MVREG, state, MADE(2 * state.len, mvreg_delta_clear(state, out)));
}

/* What a function makes of all siblings. */
static inline struct slice
mvreg_merged(struct slice state, const char *text)
{
	const struct slice context = MADE(2 * state.len, mvreg_context(state, out));

	if (mvreg_cnt(state) < 2) { /* nothing to merge */
		return state;
	}
	return merged(LATTICE_MVREG, state,
		      MADE(context.len + strlen(text) + MVREG_OVERHEAD,
			   mvreg_delta_merged(state, context, slice_str(text), slice_of(NULL, 0),
					      out)));
}

/* The sorted set of one member, whose score was written in this epoch. */
static inline struct slice
oset_made(const char *member, uint64_t time, struct slice score)
{
	return map_made(member, LATTICE_ENVELOPE,
			envelope_made(&(struct envelope){ .epoch = at(time, time != 0),
							  .type = LATTICE_SCORE,
							  .state = score }));
}

#endif
