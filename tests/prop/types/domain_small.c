/* SPDX-License-Identifier: Apache-2.0 */
/* domain_small - all values of a type over two or three times, writers, members */
#include "domain.h"

#include <math.h>

#include "made.h"

struct world {
	struct slice *value;
	size_t cnt;
};

static void
put(struct world *w, struct slice v)
{
	for (size_t i = 0; i < w->cnt; i++) {
		if (slice_eq(w->value[i], v)) {
			return;
		}
	}
	INSIST(w->cnt < DOMAIN_CNT_MAX);
	w->value[w->cnt++] = v;
}

/* Adds merges of those there are, until there are no new ones, or the world is full. */
static void
close_under_merge(struct world *w, unsigned int type, size_t cnt_max)
{
	for (size_t i = 0; i < w->cnt; i++) {
		for (size_t j = 0; j < i && w->cnt < cnt_max; j++) {
			put(w, merged(type, w->value[i], w->value[j]));
		}
	}
}

static void
small_lww(struct world *w)
{
	static const char *const texts[] = { "", "a", "b" };

	for (uint64_t time = 0; time < 3; time++) {
		for (uint64_t writer = 0; writer < 2; writer++) {
			for (size_t t = 0; t < ARRAY_CNT(texts); t++) {
				put(w, lww_made(time, writer, texts[t]));
			}
		}
	}
}

static void
small_counter(struct world *w)
{
	static const int64_t steps[] = { 1, -1, 0 };
	static const struct slice none;

	/* Histories of up to two steps of each of two writers, deleted or not, and their merges. */
	for (uint64_t writer = 1; writer <= 2; writer++) {
		for (size_t i = 0; i < ARRAY_CNT(steps); i++) {
			const struct slice one = counter_plus(none, writer, steps[i]);

			put(w, one);
			put(w, counter_deleted(one));
			for (size_t j = 0; j < 2; j++) {
				put(w, counter_plus(one, writer, steps[j]));
				put(w, counter_plus(counter_deleted(one), writer, steps[j]));
			}
		}
	}
	put(w, counter_plus(none, UINT64_MAX, INT64_MAX));
	put(w, counter_plus(none, UINT64_MAX, INT64_MIN));
	close_under_merge(w, LATTICE_PN_COUNTER, 64);
}

static void
small_string(struct world *w)
{
	static const char *const bases[] = { "", "5", "x" };
	static const struct slice none;
	const struct slice plus = string_plus(none, 1, 2);

	put(w, plus);
	put(w, string_plus(none, 2, -1));
	put(w, string_deleted(plus));
	for (size_t i = 0; i < ARRAY_CNT(bases); i++) {
		put(w, string_set(bases[i]));
		put(w, string_deleted(string_set(bases[i])));
	}
	put(w, string_plus(string_set("5"), 1, 7));
	put(w, string_deleted(string_plus(string_set("5"), 1, 7)));
	close_under_merge(w, LATTICE_STRING, 64);
}

static void
small_gset(struct world *w)
{
	static const char *const members[] = { "", "a", "ab", "b" };

	for (size_t i = 0; i < ARRAY_CNT(members); i++) {
		const struct slice member = slice_str(members[i]);

		put(w, MADE(8, gset_delta_add(&member, 1, out)));
	}
	close_under_merge(w, LATTICE_GSET, 16);
}

static void
small_orset(struct world *w)
{
	static const struct slice none;
	const struct slice one = orset_plus(none, "a", 1, 1);

	put(w, one);
	put(w, orset_minus(one, "a"));
	put(w, orset_plus(none, "a", 1, 2)); /* one time, another writer */
	put(w, orset_minus(orset_plus(none, "a", 1, 2), "a"));
	put(w, orset_plus(orset_minus(one, "a"), "a", 2, 1));
	put(w, orset_plus(none, "", 1, 1));
	close_under_merge(w, LATTICE_ORSET, 48);
}

static void
small_list(struct world *w)
{
	static const struct slice none;
	const struct slice one = list_push(none, LIST_RIGHT, "a", 1, 1);
	const struct slice two = list_push(one, LIST_RIGHT, "b", 1, 2);

	put(w, one);
	put(w, list_push(none, LIST_RIGHT, "b", 1, 2)); /* the same place */
	put(w, list_push(one, LIST_LEFT, "", 2, 1));
	put(w, two);
	put(w, list_without(one, 0));
	put(w, list_without(two, 1));
	for (uint64_t writer = 1; writer <= 2; writer++) {
		put(w, MADE(64, list_delta_set(one, list_id(one, 0), at(3, writer), slice_str("x"),
					       out)));
	}
	put(w, MADE(64, list_delta_set(one, list_id(one, 0), at(3, 1), slice_str("y"), out)));
	close_under_merge(w, LATTICE_LIST, 64);
}

static void
small_score(struct world *w)
{
	static const double bases[] = { -INFINITY, 0, 1.5 };
	static const struct slice none;
	const struct slice plus = score_plus(none, 1, 0.1);

	put(w, plus);
	put(w, score_plus(plus, 1, 0.2));
	put(w, score_plus(none, 2, -3));
	put(w, score_deleted(plus));
	put(w, score_plus(score_deleted(plus), 1, 4));
	for (size_t i = 0; i < ARRAY_CNT(bases); i++) {
		put(w, score_set(bases[i]));
		put(w, score_deleted(score_set(bases[i])));
	}
	put(w, score_plus(score_set(1.5), 1, 0.1));
	close_under_merge(w, LATTICE_SCORE, 64);
}

static void
small_oset(struct world *w)
{
	static const struct slice none;

	put(w, oset_made("", 1, score_set(1)));
	put(w, oset_made("m", 1, score_set(1)));
	put(w, oset_made("m", 2, score_set(0)));
	put(w, oset_made("m", 0, score_plus(none, 1, 1)));
	put(w, oset_made("m", 0, score_plus(none, 2, 1)));
	put(w, oset_made("m", 1, score_deleted(score_set(1))));
	close_under_merge(w, LATTICE_OSET, 40);
}

static void
small_priority(struct world *w)
{
	static const int64_t numbers[] = { INT64_MIN, -1, 0, 7, INT64_MAX };

	for (size_t i = 0; i < ARRAY_CNT(numbers); i++) {
		put(w, priority_made(numbers[i], ""));
		put(w, priority_made(numbers[i], "a"));
		put(w, priority_made(numbers[i], "b"));
	}
}

static void
small_hll(struct world *w)
{
	put(w, hll_made(0, 0, 1));
	for (uint32_t reg = 0; reg < HLL_REGISTER_CNT; reg += HLL_REGISTER_CNT - 1) {
		put(w, hll_made(reg, 1, 1));
		put(w, hll_made(reg, 1, HLL_RANK_MAX));
	}
	/* As many registers as the short form has, and the first of the long one. */
	put(w, hll_made(0, HLL_FEW, 1));
	put(w, hll_made(1, HLL_FEW, 2));
	put(w, hll_made(0, HLL_REGISTER_CNT, 1));
	close_under_merge(w, LATTICE_HLL, 14);
}

static void
small_pair(struct world *w)
{
	static const struct slice none;

	for (uint64_t first = 1; first <= 2; first++) {
		const struct slice f = u64_made(first);

		put(w, pair_made(LATTICE_MAX_U64, f, LATTICE_ABSENT, none));
		put(w, pair_made(LATTICE_MAX_U64, f, LATTICE_GSET, gset_made("a")));
		put(w, pair_made(LATTICE_MAX_U64, f, LATTICE_GSET, gset_made("b")));
		put(w, pair_made(LATTICE_MAX_U64, f, LATTICE_BOOL_OR, bool_made(false)));
		put(w, pair_made(LATTICE_MIN_U64, f, LATTICE_GSET, gset_made("c")));
	}
	put(w, pair_made(LATTICE_LWW, lww_made(1, 1, "x"), LATTICE_GSET, gset_made("a")));
	close_under_merge(w, LATTICE_PAIR_LEX, 40);
}

static void
small_mvreg(struct world *w)
{
	static const struct slice none;
	const struct slice a = mvreg_put(none, none, "a", 1, 1);
	const struct slice b = mvreg_put(none, none, "b", 1, 2);
	const struct slice both = merged(LATTICE_MVREG, a, b);

	put(w, a);
	put(w, b);
	put(w, mvreg_put(none, none, "c", 1, 1)); /* the clock of a, other bytes: nobody may */
	put(w, mvreg_put(a, a, "a2", 2, 1));
	put(w, mvreg_put(both, both, "ab", 3, 1));
	put(w, mvreg_put(both, a, "over a, beside b", 3, 3));
	put(w, mvreg_merged(both, "ab"));
	put(w, mvreg_merged(both, "ba")); /* a merge that is not commutative */
	put(w, mvreg_deleted(a));
	put(w, mvreg_deleted(both));
	close_under_merge(w, LATTICE_MVREG, 64);
}

static void
small_map(struct world *w)
{
	static const char *const keys[] = { "", "k" };

	for (size_t k = 0; k < ARRAY_CNT(keys); k++) {
		put(w, map_made(keys[k], LATTICE_GSET, gset_made("a")));
		put(w, map_made(keys[k], LATTICE_GSET, gset_made("b")));
		put(w, map_made(keys[k], LATTICE_BOOL_OR, bool_made(true)));
		put(w, map_made(keys[k], LATTICE_LWW, lww_made(1, 1, "x")));
		put(w, map_made(keys[k], LATTICE_LWW, lww_made(1, 1, "y")));
	}
	put(w, map_made("k", LATTICE_MAP, map_made("l", LATTICE_GSET, gset_made("a"))));
	put(w, map_made("k", LATTICE_MAP, map_made("m", LATTICE_GSET, gset_made("a"))));
	close_under_merge(w, LATTICE_MAP, 72);
}

static void
small_u64(struct world *w)
{
	static const uint64_t values[] = { 0, 1, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX };

	for (size_t i = 0; i < ARRAY_CNT(values); i++) {
		put(w, u64_made(values[i]));
	}
}

static void
small_f64(struct world *w)
{
	static const double values[] = { -INFINITY, -1, -4.9e-324, 0, 4.9e-324, 1, INFINITY };

	for (size_t i = 0; i < ARRAY_CNT(values); i++) {
		put(w, f64_made(values[i]));
	}
}

static void
small_vclock(struct world *w)
{
	for (uint64_t writer = 1; writer <= 3; writer++) {
		put(w, vclock_made(writer, 1));
		put(w, vclock_made(writer, UINT64_MAX));
	}
	close_under_merge(w, LATTICE_VCLOCK, 27);
}

static void
small_envelope(struct world *w)
{
	const struct slice count =
		MADE(STRVAL_ADD_BYTES_MAX, strval_delta_add(slice_of(NULL, 0), by(1), 1, out));
	const struct {
		unsigned int type;
		struct slice state;
	} states[] = {
		{ LATTICE_ABSENT, slice_of(NULL, 0) },
		{ LATTICE_STRING, string_set("s") },
		{ LATTICE_STRING, count },
		{ LATTICE_GSET, gset_made("a") },
		{ LATTICE_GSET, gset_made("b") },
	};
	const struct stamp epochs[] = { at(0, 0), at(1, 0), at(1, 1) };
	const struct expiry expiries[] = { { at(0, 0), { 0 } },
					   { at(1, 1), { 5 } },
					   { at(1, 1), { 0 } } };
	const struct slice clocks[] = { slice_of(NULL, 0), vclock_made(1, 1), vclock_made(2, 1) };

	for (size_t e = 0; e < ARRAY_CNT(epochs); e++) {
		for (size_t s = 0; s < ARRAY_CNT(states); s++) {
			struct envelope v = { .epoch = epochs[e],
					      .type = states[s].type,
					      .state = states[s].state };

			put(w, envelope_made(&v));
			if (e == 1) {
				continue; /* sections at two epochs are enough */
			}
			for (size_t x = 1; x < ARRAY_CNT(expiries); x++) {
				v.expiry = expiries[x];
				v.context = clocks[x];
				put(w, envelope_made(&v));
				v.dependencies = map_made("k", LATTICE_VCLOCK, clocks[x]);
				v.context = clocks[0];
				put(w, envelope_made(&v));
				v.dependencies = slice_of(NULL, 0);
			}
		}
	}
	close_under_merge(w, LATTICE_ENVELOPE, 80);
}

size_t
domain_small(unsigned int type, struct slice value[DOMAIN_CNT_MAX])
{
	struct world w = { .value = value };

	put(&w, slice_of(NULL, 0));
	switch (type) {
	case LATTICE_STRING:
		small_string(&w);
		break;
	case LATTICE_LWW:
		small_lww(&w);
		break;
	case LATTICE_PN_COUNTER:
		small_counter(&w);
		break;
	case LATTICE_GSET:
		small_gset(&w);
		break;
	case LATTICE_MAP:
		small_map(&w);
		break;
	case LATTICE_BOOL_OR:
		put(&w, bool_made(false));
		put(&w, bool_made(true));
		break;
	case LATTICE_MAX_U64:
	case LATTICE_MIN_U64:
		small_u64(&w);
		break;
	case LATTICE_MAX_F64:
		small_f64(&w);
		break;
	case LATTICE_VCLOCK:
		small_vclock(&w);
		break;
	case LATTICE_ENVELOPE:
		small_envelope(&w);
		break;
	case LATTICE_ORSET:
		small_orset(&w);
		break;
	case LATTICE_LIST:
		small_list(&w);
		break;
	case LATTICE_SCORE:
		small_score(&w);
		break;
	case LATTICE_OSET:
		small_oset(&w);
		break;
	case LATTICE_PRIORITY:
		small_priority(&w);
		break;
	case LATTICE_HLL:
		small_hll(&w);
		break;
	case LATTICE_PAIR_LEX:
		small_pair(&w);
		break;
	case LATTICE_MVREG:
		small_mvreg(&w);
		break;
	default: /* ABSENT: bottom is all there is */
		break;
	}
	return w.cnt;
}
