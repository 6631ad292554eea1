/* SPDX-License-Identifier: Apache-2.0 */
/* cache_front - see cache_front.h */
#include "cache_front.h"

#include <math.h>
#include <string.h>

#include "envelope.h"
#include "lattice.h"
#include "oset.h"

#define NOT_KNOWN UINT64_MAX

static double
of_bits(int64_t bits)
{
	double score;

	memcpy(&score, &bits, sizeof(score));
	return score;
}

static struct cache_front *
note_of(struct cache_fronts *fs, uint64_t hash, bool high)
{
	return &fs->front[(hash >> 32) % CACHE_FRONT_SETS][high];
}

/* Whether there is a note of this very set. */
static bool
is_of(const struct cache_front *f, uint64_t hash)
{
	return f->seq != 0 && f->hash == hash;
}

/* version: of a set in the cache; 0: it is in the store. */
static void
begin(struct cache_fronts *fs, struct cache_front *f, uint64_t hash, uint64_t version)
{
	*f = (struct cache_front){ .hash = hash,
				   .seq = ++fs->seq,
				   .since = version != 0 ? version : NOT_KNOWN,
				   .now = version,
				   .edge = NAN };
}

/* Something is put at a score. */
static void
put_at(struct cache_front *f, bool high, double score)
{
	if (isnan(f->edge) || (high ? score > f->edge : score < f->edge)) {
		f->edge = score;
	}
}

static bool
before_edge(const struct cache_front *f, bool high, double score)
{
	return isnan(f->edge) || (high ? score > f->edge : score < f->edge);
}

/* Whether all is known that was put since a version (F1). */
static bool
knows(const struct cache_front *f, uint64_t version)
{
	return f->since != NOT_KNOWN &&
	       cache_version_is_lent(f->since) == cache_version_is_lent(version) &&
	       version >= f->since;
}

/* Whether a front's next one is taken (F2), if the set is, or is where it was not known, the one
 * that was seen. Keeps F3. */
static bool
is_next(struct cache_fronts *fs, struct cache_front *f, const struct cache_op_word *word,
	bool is_seen)
{
	const bool first = word->front_idx == 0;
	const uint64_t taken = first ? 0 : f->taken;

	if (first ? !is_seen && !knows(f, word->if_version) : f->of != word->if_version) {
		return false;
	}
	if (taken != word->front_idx) {
		return false;
	}
	if (!before_edge(f, word->if_end == CACHE_FRONT_HIGH, of_bits(word->n))) {
		begin(fs, f, f->hash, f->now);
		if (!is_seen || !first) {
			return false;
		}
	}
	f->of = word->if_version;
	f->taken = word->front_idx;
	return true;
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
		  const struct wset_op *op, struct hlc_time day, struct cache_op_word *word)
{
	struct cache_front *f = note_of(fs, set->hash, word->if_end == CACHE_FRONT_HIGH);
	struct envelope e;
	double score;

	if (op->kind != WSET_ZREM || envelope_open(set->stored, &e) != 0 ||
	    envelope_expired(&e, day)) {
		return false;
	}
	if (!is_of(f, set->hash) || f->now != set->version) {
		begin(fs, f, set->hash, set->version); /* keeps F4 */
	}
	if (!is_next(fs, f, word, word->if_version == set->version)) {
		return false;
	}
	if (!shown(set->stored, op->field, &score) || score != of_bits(word->n)) {
		word->gone = 1;
		f->taken++;
	}
	return word->gone == 0;
}

void
cache_front_done(struct cache_fronts *fs, const struct cache_front_set *after, uint64_t version,
		 const struct wset_op *op, const struct cache_op_word *word)
{
	const uint32_t end = word != NULL ? word->if_end : CACHE_END_ANY;

	for (unsigned int high = 0; fs->seq != 0 && high < 2; high++) {
		struct cache_front *f = note_of(fs, after->hash, high);
		double score = NAN;

		if (!is_of(f, after->hash)) {
			continue;
		}
		if (f->now != version ||
		    (op->kind != WSET_ZREM && !shown(after->stored, op->field, &score))) {
			begin(fs, f, f->hash, after->version);
			continue;
		}
		if (op->kind != WSET_ZREM) {
			put_at(f, high, score);
		} else {
			f->taken += end == (high ? CACHE_FRONT_HIGH : CACHE_FRONT_LOW);
		}
		f->now = after->version;
	}
}

bool
cache_front_passes(struct cache_fronts *fs, uint64_t hash, const struct cache_op_word *word,
		   bool *ret_sure)
{
	struct cache_front *f = note_of(fs, hash, word->if_end == CACHE_FRONT_HIGH);
	bool sure;

	if (!is_of(f, hash) || f->now != 0) {
		begin(fs, f, hash, 0);
	}
	sure = word->front_idx != 0 || knows(f, word->if_version);
	if (!is_next(fs, f, word, !sure)) {
		return false;
	}
	f->taken++;
	*ret_sure = sure;
	return true;
}

void
cache_front_passed(struct cache_fronts *fs, uint64_t hash, const struct wset_op *op)
{
	if (op->kind == WSET_ZREM) {
		return;
	}
	for (unsigned int high = 0; fs->seq != 0 && high < 2; high++) {
		struct cache_front *f = note_of(fs, hash, high);

		if (!is_of(f, hash)) {
			continue;
		}
		if (op->kind == WSET_ZADD && f->now == 0) {
			put_at(f, high, of_bits(op->n));
		} else {
			begin(fs, f, hash, 0);
		}
	}
}

void
cache_front_told(struct cache_fronts *fs, uint64_t hash)
{
	for (unsigned int high = 0; fs->seq != 0 && high < 2; high++) {
		struct cache_front *f = note_of(fs, hash, high);

		if (is_of(f, hash)) {
			begin(fs, f, hash, 0);
		}
	}
}

void
cache_front_lent(struct cache_fronts *fs, uint64_t hash, uint64_t seq, uint64_t version)
{
	for (unsigned int high = 0; fs->seq != 0 && high < 2; high++) {
		struct cache_front *f = note_of(fs, hash, high);

		if (is_of(f, hash) && f->since == NOT_KNOWN && f->seq <= seq) {
			f->since = version; /* keeps F5 */
		}
	}
}
