/* SPDX-License-Identifier: Apache-2.0 */
/* domain_random - values of a type drawn at random, the limits of 64 bits more often than others */
#include "domain.h"

#include <math.h>
#include <stdio.h>

#include "made.h"

static uint64_t
random_u64(struct rng *rng)
{
	static const uint64_t edges[] = {
		0, 1, 2, 127, 128, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX - 1, UINT64_MAX
	};

	return rng_below(rng, 4) == 0 ? rng_u64(rng) : edges[rng_below(rng, ARRAY_CNT(edges))];
}

/* Few enough that two values often have writers in common. */
static uint64_t
random_writer(struct rng *rng)
{
	static const uint64_t writers[] = { 0, 1, 2, 3, 1000, UINT64_MAX };

	return writers[rng_below(rng, ARRAY_CNT(writers))];
}

static struct stamp
random_stamp(struct rng *rng)
{
	return at(random_u64(rng), random_writer(rng));
}

/* A name from a space of 10, 100 or 1000. */
static const char *
random_name(struct rng *rng)
{
	static const uint64_t spaces[] = { 10, 100, 1000 };
	static char name[8];

	snprintf(name, sizeof(name), "%d", (int)rng_below(rng, spaces[rng_below(rng, 3)]));
	return name;
}

static struct slice
random_bytes(struct rng *rng)
{
	uint8_t bytes[512];
	const size_t len =
		rng_below(rng, 2) == 0 ? rng_below(rng, 4) : rng_below(rng, sizeof(bytes));

	for (size_t i = 0; i < len; i++) {
		bytes[i] = (uint8_t)rng_u64(rng);
	}
	return made_copy(slice_of(bytes, len));
}

static int64_t
random_step(struct rng *rng)
{
	static const int64_t edges[] = { 0, 1, -1, INT64_MAX, INT64_MIN, 1000000 };

	return edges[rng_below(rng, ARRAY_CNT(edges))];
}

/* A state after some operations; those past a limit are refused, and change nothing. */
static struct slice
random_history(unsigned int type, struct rng *rng, struct slice state)
{
	for (uint64_t left = rng_below(rng, 8); left > 0; left--) {
		const struct writer_id writer = by(random_writer(rng));
		const int64_t n = random_step(rng);
		uint8_t *buf = malloc(2 * state.len + STRVAL_ADD_BYTES_MAX);
		struct wbuf out = wbuf_init(buf, 2 * state.len + STRVAL_ADD_BYTES_MAX);
		const bool del = rng_below(rng, 4) == 0;
		int rc;

		if (type == LATTICE_PN_COUNTER) {
			rc = del ? counter_delta_del(state, &out)
				 : counter_delta_add(state, writer, n, &out);
		} else {
			rc = del ? strval_delta_del(state, &out)
				 : strval_delta_add(state, writer, n, &out);
		}
		if (rc == 0) {
			state = merged(type, state, wbuf_slice(&out));
		}
		free(buf);
	}
	return state;
}

static struct slice
random_string(struct rng *rng)
{
	struct slice state = { 0 };

	switch (rng_below(rng, 3)) {
	case 0:
		state = string_set(random_name(rng));
		break;
	case 1: {
		const struct slice bytes = random_bytes(rng);

		state = MADE(bytes.len + 1, strval_delta_set(bytes, out));
		/* No increment would be taken here, but a peer may send what it likes. */
		return merged(LATTICE_STRING, state,
			      random_history(LATTICE_STRING, rng, slice_of(NULL, 0)));
	}
	default:
		break;
	}
	return random_history(LATTICE_STRING, rng, state);
}

static struct slice random_value(unsigned int type, struct rng *rng, unsigned int depth);

static struct slice
random_gset(struct rng *rng)
{
	struct slice state = { 0 };

	for (uint64_t left = rng_below(rng, 60); left > 0; left--) {
		state = merged(LATTICE_GSET, state, gset_made(random_name(rng)));
	}
	return state;
}

static struct slice
random_orset(struct rng *rng)
{
	struct slice state = { 0 };

	for (uint64_t left = rng_below(rng, 40); left > 0; left--) {
		const char *member = random_name(rng);

		state = rng_below(rng, 3) == 0
				? orset_minus(state, member)
				: orset_plus(state, member, random_u64(rng), random_writer(rng));
	}
	return state;
}

static struct slice
random_list(struct rng *rng)
{
	struct slice state = { 0 };

	for (uint64_t left = rng_below(rng, 20); left > 0; left--) {
		const enum list_end end = rng_below(rng, 2) == 0 ? LIST_LEFT : LIST_RIGHT;

		if (rng_below(rng, 3) == 0 && list_cnt(state) != 0) {
			state = list_without(state, (uint32_t)rng_below(rng, list_cnt(state)));
		} else {
			state = list_push(state, end, random_name(rng), rng_below(rng, 1000),
					  random_writer(rng));
		}
	}
	return state;
}

static struct slice
random_score(struct rng *rng)
{
	struct slice state = { 0 };

	if (rng_below(rng, 2) == 0) {
		state = score_set((double)random_step(rng) / 3);
	}
	for (uint64_t left = rng_below(rng, 6); left > 0; left--) {
		state = rng_below(rng, 4) == 0 ? score_deleted(state)
					       : score_plus(state, random_writer(rng),
							    (double)random_step(rng) / 7);
	}
	return state;
}

static struct slice
random_oset(struct rng *rng)
{
	struct slice state = { 0 };

	for (uint64_t left = rng_below(rng, 12); left > 0; left--) {
		const struct slice score = random_score(rng);

		if (score.len != 0) {
			state = merged(LATTICE_OSET, state,
				       oset_made(random_name(rng), rng_below(rng, 3), score));
		}
	}
	return state;
}

static struct slice
random_pair(struct rng *rng, unsigned int depth)
{
	const unsigned int second = (unsigned int)rng_range(rng, 0, LATTICE_VCLOCK);

	if (second == LATTICE_MAP && depth == 0) {
		return slice_of(NULL, 0);
	}
	return pair_made(LATTICE_MAX_U64, u64_made(rng_below(rng, 2)), second,
			 random_value(second, rng, depth - (depth != 0)));
}

/* What three replicas make of writes that have seen more or less of each other. */
static struct slice
random_mvreg(struct rng *rng)
{
	struct slice replica[3] = { { 0 } };

	for (uint64_t left = rng_below(rng, 10); left > 0; left--) {
		struct slice *r = &replica[rng_below(rng, 3)];
		const struct slice other = replica[rng_below(rng, 3)];

		switch (rng_below(rng, 4)) {
		case 0:
			*r = merged(LATTICE_MVREG, *r, other);
			break;
		case 1:
			*r = r->len == 0 ? *r : mvreg_merged(*r, random_name(rng));
			*r = rng_below(rng, 3) == 0 ? mvreg_deleted(*r) : *r;
			break;
		default:
			*r = mvreg_put(*r, rng_below(rng, 2) == 0 ? *r : slice_of(NULL, 0),
				       random_name(rng), rng_below(rng, 4),
				       (uint64_t)(r - replica));
			break;
		}
	}
	return replica[rng_below(rng, 3)];
}

static struct slice
random_map(struct rng *rng, unsigned int depth)
{
	struct slice state = { 0 };

	for (uint64_t left = rng_below(rng, 8); left > 0; left--) {
		const unsigned int type = (unsigned int)rng_range(rng, 1, LATTICE_TYPE_CNT - 1);
		struct slice v;

		if (depth == 0 && (type == LATTICE_MAP || type == LATTICE_ENVELOPE)) {
			continue;
		}
		v = random_value(type, rng, depth - (depth != 0));
		if (v.len != 0) {
			state = merged(LATTICE_MAP, state, map_made(random_name(rng), type, v));
		}
	}
	return state;
}

static struct slice
random_vclock(struct rng *rng)
{
	struct slice state = { 0 };

	for (uint64_t left = rng_below(rng, 6); left > 0; left--) {
		state = merged(LATTICE_VCLOCK, state,
			       vclock_made(random_writer(rng), random_u64(rng)));
	}
	return state;
}

static struct slice
random_envelope(struct rng *rng, unsigned int depth)
{
	struct envelope e = { .epoch = at(rng_below(rng, 2), rng_below(rng, 2)) };

	e.type = (unsigned int)rng_range(rng, 1,
					 rng_below(rng, 4) == 0 ? LATTICE_VCLOCK : LATTICE_LWW);
	e.state = random_value(e.type, rng, depth);
	if (rng_below(rng, 3) == 0) {
		e.expiry = (struct expiry){ random_stamp(rng), { random_u64(rng) } };
	}
	if (rng_below(rng, 3) == 0) {
		e.context = random_vclock(rng);
	}
	if (rng_below(rng, 3) == 0) {
		const struct slice clock = random_vclock(rng);

		if (clock.len != 0) {
			e.dependencies = map_made(random_name(rng), LATTICE_VCLOCK, clock);
		}
	}
	return envelope_made(&e);
}

/* Few registers, or about as many as the short form has. */
static struct slice
random_hll(struct rng *rng)
{
	uint64_t left = rng_below(rng, 16) == 0 ? rng_below(rng, 3 * HLL_FEW) : rng_below(rng, 20);
	struct hll h = { 0 };

	for (; left > 0; left--) {
		h.rank[rng_below(rng, HLL_REGISTER_CNT)] =
			(uint8_t)(rng_below(rng, 3) == 0 ? HLL_RANK_MAX : 1 + rng_below(rng, 4));
	}
	return MADE(HLL_BYTES_MAX, hll_delta(&h, out));
}

static struct slice
random_value(unsigned int type, struct rng *rng, unsigned int depth)
{
	struct slice bytes;
	double f64;

	switch (type) {
	case LATTICE_STRING:
		return random_string(rng);
	case LATTICE_LWW:
		bytes = random_bytes(rng);
		return MADE(bytes.len + LWW_OVERHEAD, lww_delta_set(random_stamp(rng), bytes, out));
	case LATTICE_PN_COUNTER:
		return random_history(LATTICE_PN_COUNTER, rng, slice_of(NULL, 0));
	case LATTICE_GSET:
		return random_gset(rng);
	case LATTICE_MAP:
		return random_map(rng, depth);
	case LATTICE_BOOL_OR:
		return bool_made(rng_below(rng, 2) != 0);
	case LATTICE_MAX_U64:
	case LATTICE_MIN_U64:
		return u64_made(random_u64(rng));
	case LATTICE_MAX_F64: {
		const uint64_t bits = rng_u64(rng);

		memcpy(&f64, &bits, sizeof(f64));
		return f64_made(isnan(f64) ? (double)(int64_t)bits : f64);
	}
	case LATTICE_VCLOCK:
		return random_vclock(rng);
	case LATTICE_ENVELOPE:
		return random_envelope(rng, depth);
	case LATTICE_ORSET:
		return random_orset(rng);
	case LATTICE_LIST:
		return random_list(rng);
	case LATTICE_SCORE:
		return random_score(rng);
	case LATTICE_PRIORITY:
		bytes = random_bytes(rng);
		return MADE(bytes.len + PRIORITY_OVERHEAD,
			    priority_delta((int64_t)random_u64(rng), bytes, out));
	case LATTICE_HLL:
		return random_hll(rng);
	case LATTICE_PAIR_LEX:
		return depth == 0 ? slice_of(NULL, 0) : random_pair(rng, depth);
	case LATTICE_MVREG:
		return random_mvreg(rng);
	case LATTICE_OSET:
		return depth == 0 ? slice_of(NULL, 0) : random_oset(rng);
	default:
		return slice_of(NULL, 0);
	}
}

struct slice
domain_random(unsigned int type, struct rng *rng)
{
	return random_value(type, rng, 2);
}
