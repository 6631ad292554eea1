/* SPDX-License-Identifier: Apache-2.0 */
/* gate_front - see gate_front.h */
#include "gate_front.h"

#include <string.h>

#include "check.h"

static struct gate_front *
find(struct gate_fronts *fs, uint64_t hash, bool high)
{
	for (uint32_t i = 0; i < GATE_FRONT_CNT; i++) {
		struct gate_front *f = &fs->front[i];

		if (f->version != 0 && f->hash == hash && f->high == high) {
			return f;
		}
	}
	return NULL;
}

struct gate_front *
gate_front_next(struct gate_fronts *fs, uint64_t hash, bool high, struct oset_entry *ret)
{
	struct gate_front *f = find(fs, hash, high);

	if (f == NULL || f->next == f->cnt || f->alone || (!f->sure && f->next > 0)) {
		return NULL;
	}
	f->used_seq = ++fs->seq;
	ret->member = slice_of(f->member + f->at[f->next], f->len[f->next]);
	ret->score = f->score[f->next];
	return f;
}

void
gate_front_word(struct gate_front *f, struct cache_op_word *word)
{
	word->if_version = f->version;
	word->if_end = f->high ? CACHE_FRONT_HIGH : CACHE_FRONT_LOW;
	word->front_idx = f->next;
	memcpy(&word->n, &f->score[f->next], sizeof(word->n));
	f->next++;
	f->open_cnt++;
}

void
gate_front_alone(struct gate_front *f)
{
	f->alone = true;
}

struct gate_front *
gate_front_fill(struct gate_fronts *fs, uint64_t hash, bool high, uint64_t version,
		const struct oset_entry *entry, uint32_t cnt)
{
	struct gate_front *f = find(fs, hash, high);

	for (uint32_t i = 0; f == NULL && i < GATE_FRONT_CNT; i++) {
		f = fs->front[i].version == 0 ? &fs->front[i] : NULL;
	}
	if (f == NULL) {
		f = &fs->front[0];
		for (uint32_t i = 1; i < GATE_FRONT_CNT; i++) {
			f = fs->front[i].used_seq < f->used_seq ? &fs->front[i] : f;
		}
	}
	f->version = 0;
	f->next = f->cnt = f->bytes = f->open_cnt = 0;
	f->alone = false;
	for (uint32_t i = 0; i < cnt && f->cnt < GATE_FRONT_MEMBERS; i++) {
		const struct oset_entry *e = &entry[high ? cnt - 1 - i : i];

		if (e->member.len > GATE_FRONT_BYTES - f->bytes) {
			break;
		}
		f->at[f->cnt] = (uint16_t)f->bytes;
		f->len[f->cnt] = (uint16_t)e->member.len;
		f->score[f->cnt] = e->score;
		memcpy(f->member + f->bytes, e->member.p, e->member.len);
		f->bytes += (uint32_t)e->member.len;
		f->cnt++;
	}
	if (f->cnt == 0) {
		return NULL;
	}
	f->hash = hash;
	f->high = high;
	f->sure = !cache_version_is_lent(version);
	f->version = version;
	f->used_seq = ++fs->seq;
	return f;
}

void
gate_front_over(struct gate_fronts *fs, const struct cache_op_word *word, bool done)
{
	struct gate_front *f = find(fs, word->hash, word->if_end == CACHE_FRONT_HIGH);

	if (f == NULL || f->version != word->if_version) {
		return;
	}
	f->open_cnt -= f->open_cnt > 0; /* it may have been filled anew, of the same version */
	f->sure |= done;
	f->alone &= f->open_cnt > 0;
	if (!done) {
		f->version = 0;
	}
}

static struct gate_look *
look_of(struct gate_fronts *fs, uint64_t hash, bool high)
{
	for (uint32_t i = 0; i < GATE_FRONT_CNT; i++) {
		struct gate_look *l = &fs->look[i];

		if (l->ns != 0 && l->hash == hash && l->high == high) {
			return l;
		}
	}
	return NULL;
}

void
gate_front_look(struct gate_fronts *fs, uint64_t hash, bool high, uint64_t now_ns)
{
	struct gate_look *l = look_of(fs, hash, high);

	for (uint32_t i = 0; l == NULL && i < GATE_FRONT_CNT; i++) {
		if (fs->look[i].ns + GATE_FRONT_LATE_NS < now_ns) {
			l = &fs->look[i];
		}
	}
	if (l != NULL) {
		*l = (struct gate_look){ hash, now_ns, high };
	}
}

void
gate_front_looked(struct gate_fronts *fs, uint64_t hash, bool high)
{
	struct gate_look *l = look_of(fs, hash, high);

	if (l != NULL) {
		l->ns = 0;
	}
}

bool
gate_front_is_due(struct gate_fronts *fs, uint64_t hash, bool high, uint64_t now_ns)
{
	const struct gate_look *l = look_of(fs, hash, high);
	const struct gate_front *f = find(fs, hash, high);

	return (l != NULL && now_ns - l->ns <= GATE_FRONT_LATE_NS) ||
	       (f != NULL && f->open_cnt > 0);
}
