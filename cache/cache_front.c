/* SPDX-License-Identifier: Apache-2.0 */
/* cache_front - see cache_front.h */
#include "cache_front.h"

#include <math.h>
#include <string.h>

#include "envelope.h"
#include "lattice.h"
#include "oset.h"

static double
of_bits(int64_t bits)
{
	double score;

	memcpy(&score, &bits, sizeof(score));
	return score;
}

/* Of the two notes of a set. */
static uint32_t
place_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32) % CACHE_FRONT_SETS;
}

/* The score that a member of a set shows. */
static bool
shown(struct slice stored, struct slice member, double *ret)
{
	struct envelope e;

	if (envelope_open(stored, &e) != 0 || e.type != LATTICE_OSET ||
	    oset_score(e.state, member, ret) != 0) {
		return false;
	}
	*ret = isnan(*ret) ? 0 : *ret;
	return true;
}

bool
cache_front_takes(struct cache_fronts *fs, const struct cache_front_set *set,
		  const struct wset_op *op, struct hlc_time now, const struct cache_op_word *word)
{
	bool high = word->if_end == CACHE_FRONT_HIGH;
	struct cache_front *f = &fs->front[place_of(set->hash)][high];
	struct envelope e;
	double score;

	if (op->kind != WSET_ZREM || envelope_open(set->stored, &e) != 0 ||
	    envelope_expired(&e, now) || !shown(set->stored, op->field, &score)) {
		return false;
	}
	if (f->hash == set->hash && f->base == word->if_version && f->taken == word->front_idx &&
	    f->now == set->version) {
		return true; /* F2 */
	}
	if (word->front_idx != 0 || word->if_version != set->version) {
		return false;
	}
	fs->cnt++;
	*f = (struct cache_front){ set->hash, set->version, set->version, of_bits(word->n), 0 };
	return true;
}

bool
cache_front_passes(struct cache_fronts *fs, uint64_t hash, const struct cache_op_word *word)
{
	struct cache_front *f = &fs->front[place_of(hash)][word->if_end == CACHE_FRONT_HIGH];

	if (word->front_idx == 0) {
		fs->cnt++;
		*f = (struct cache_front){ hash, word->if_version, word->if_version,
					   of_bits(word->n), 0 };
	}
	if (f->hash != hash || f->base != word->if_version || f->now != word->if_version ||
	    f->taken != word->front_idx) {
		return false;
	}
	f->taken++;
	return true;
}

static void
ends(struct cache_front *f, uint64_t hash)
{
	if (f->hash == hash && cache_version_is_lent(f->base)) {
		f->base = 0;
	}
}

void
cache_front_passed(struct cache_fronts *fs, uint64_t hash, const struct wset_op *op)
{
	double score = op->kind == WSET_ZADD ? of_bits(op->n) : NAN;

	if (fs->cnt == 0 || op->kind == WSET_ZREM) {
		return;
	}
	for (unsigned int high = 0; high < 2; high++) {
		struct cache_front *f = &fs->front[place_of(hash)][high];

		if (!(high ? score < f->bound : score > f->bound)) {
			ends(f, hash);
		}
	}
}

void
cache_front_told(struct cache_fronts *fs, uint64_t hash)
{
	for (unsigned int high = 0; fs->cnt != 0 && high < 2; high++) {
		ends(&fs->front[place_of(hash)][high], hash);
	}
}

/* Whether what an operation does, it does beyond the front's last one. */
static bool
is_beyond(const struct cache_front *f, bool high, struct slice stored, const struct wset_op *op)
{
	double score;

	if (op->kind == WSET_ZADD) {
		score = of_bits(op->n);
		if (!(high ? score < f->bound : score > f->bound)) {
			return false;
		}
	} else if (op->kind != WSET_ZREM) {
		return false;
	}
	return !shown(stored, op->field, &score) || (high ? score < f->bound : score > f->bound);
}

unsigned int
cache_front_spares(const struct cache_fronts *fs, const struct cache_front_set *set,
		   const struct wset_op *op, const struct cache_op_word *word)
{
	uint32_t end = word != NULL ? word->if_end : CACHE_END_ANY;
	unsigned int spares = 0;

	if (fs->cnt == 0) {
		return 0;
	}
	for (unsigned int high = 0; high < 2; high++) {
		const struct cache_front *f = &fs->front[place_of(set->hash)][high];

		if (f->base == 0 || f->hash != set->hash) {
			continue;
		}
		if (end == (high ? CACHE_FRONT_HIGH : CACHE_FRONT_LOW)) {
			spares |= CACHE_FRONT_SPARES(high) | CACHE_FRONT_TAKEN(high);
		} else if (is_beyond(f, high, set->stored, op)) {
			spares |= CACHE_FRONT_SPARES(high);
		}
	}
	return spares;
}

void
cache_front_done(struct cache_fronts *fs, const struct cache_front_set *set, unsigned int spares,
		 uint64_t after)
{
	for (unsigned int high = 0; spares != 0 && high < 2; high++) {
		struct cache_front *f = &fs->front[place_of(set->hash)][high];

		if ((spares & CACHE_FRONT_SPARES(high)) != 0 && f->now == set->version) {
			f->now = after; /* keeps F1; else F3 */
			f->taken += (spares & CACHE_FRONT_TAKEN(high)) != 0;
		}
	}
}
