/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_bit - strings as rows of bits: GETBIT, SETBIT, BITCOUNT, BITPOS, BITOP
 *
 * A bit that is set makes a new value of the whole string: what costs a byte in Redis costs the
 * string here. What goes through a string does so in turns (gate_walk.h), eight bytes at a time.
 */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_walk.h"
#include "view.h"

#define BIT_MAX (8LL * VALUE_BYTES_MAX - 1)

static bool
bit_offset(struct gate *g, struct gate_conn *c, struct slice word, int64_t *ret)
{
	if (gate_word_i64(word, ret) && *ret >= 0 && *ret <= BIT_MAX) {
		return true;
	}
	gate_error(g, c, "ERR bit offset is not an integer or out of range");
	return false;
}

static unsigned int
bit_at(struct slice text, int64_t offset)
{
	return offset / 8 < (int64_t)text.len ? text.p[offset / 8] >> (7 - offset % 8) & 1 : 0;
}

int
cmd_getbit(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	char buf[VIEW_TEXT_MAX];
	struct cache_value v;
	struct slice text;
	int64_t offset;
	int n;

	if (!bit_offset(g, c, arg[2], &offset)) {
		return GATE_DONE;
	}
	n = gate_look_text(g, c, arg[1], &v, buf, &text);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	gate_int(g, c, n == CACHE_HIT ? bit_at(text, offset) : 0);
	if (n == CACHE_HIT) {
		gate_look_end(g, &v);
	}
	return GATE_DONE;
}

int
cmd_setbit(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	struct wset_op op = { .kind = WSET_PUT, .key = arg[1], .keep = true };
	struct slice text = slice_of("", 0);
	char buf[VIEW_TEXT_MAX];
	struct gate_walk now, *w;
	int64_t offset, bit;
	uint64_t version;
	uint8_t mask;
	size_t len;
	int n;

	if (!bit_offset(g, c, arg[2], &offset)) {
		return GATE_DONE;
	}
	if (!gate_word_i64(arg[3], &bit) || (bit != 0 && bit != 1)) {
		return gate_error(g, c, "ERR bit is not an integer or out of range");
	}
	n = gate_walk_text(g, c, arg[1], 0, &now, &w, buf, &text);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	len = MAX(text.len, (size_t)offset / 8 + 1);
	n = gate_walk_keep(g, c, w, text, len);
	if (n != 1) {
		return n == 0 ? gate_walk_wait(g, c) : gate_error_of(g, c, n);
	}
	gate_held_begin(c);
	gate_int(g, c, bit_at(text, offset));
	version = w->v.version;
	gate_walk_close(g, c, w);
	mask = (uint8_t)(1 << (7 - offset % 8));
	c->keep[offset / 8] = (uint8_t)((c->keep[offset / 8] & ~mask) | (bit != 0 ? mask : 0));
	op.value = slice_of(c->keep, len);
	return gate_write_held(g, c, &op, version);
}

#define WORD_BITS 64

/* Eight bytes, of which one is 64 bits on. */
static uint64_t
word_at(const uint8_t *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

/* The bits that are set in [from, to]. */
static int64_t
bits_count(struct slice text, int64_t from, int64_t to)
{
	int64_t cnt = 0;

	for (; from <= to && from % 8 != 0; from++) {
		cnt += bit_at(text, from);
	}
	for (; from + WORD_BITS - 1 <= to; from += WORD_BITS) {
		cnt += __builtin_popcountll(word_at(text.p + from / 8));
	}
	for (; from <= to; from++) {
		cnt += bit_at(text, from);
	}
	return cnt;
}

/* The end of a turn's piece of [from, to]. */
static int64_t
piece_end(struct gate *g, int64_t from, int64_t to)
{
	size_t left = (size_t)(to / 8 - from / 8) + 1, now = gate_walk_bytes(g, left);

	return now == left ? to : (from / 8 + (int64_t)now) * 8 - 1;
}

/* A range of places from either end, as the bits of a text. unit: bits in a place. Returns: whether
 * there are any. */
static bool
bit_range(struct slice text, int64_t unit, int64_t *from, int64_t *to)
{
	int64_t len = (int64_t)text.len * 8 / unit;

	*from = MAX(*from < 0 ? MAX(*from, -len) + len : *from, 0);
	*to = MIN(*to < 0 ? MAX(*to, -len) + len : *to, len - 1);
	if (*from > *to) {
		return false;
	}
	*from *= unit;
	*to = (*to + 1) * unit - 1;
	return true;
}

/* c->acc: so many bits of the range are looked at, c->total of them are set. */
int
cmd_bitcount(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	bool in_bits = arg_cnt == 5 && gate_word_is(arg[4], "bit"), none;
	int64_t from = 0, to = -1, end;
	const char *wrong = NULL;
	char buf[VIEW_TEXT_MAX];
	struct gate_walk now, *w;
	struct slice text;
	int n;

	if (arg_cnt == 3 || arg_cnt > 5) {
		wrong = "ERR syntax error";
	} else if (arg_cnt > 3 && (!gate_word_i64(arg[2], &from) || !gate_word_i64(arg[3], &to))) {
		wrong = "ERR value is not an integer or out of range";
	} else if (arg_cnt == 5 && !in_bits && !gate_word_is(arg[4], "byte")) {
		wrong = "ERR syntax error";
	}
	n = gate_walk_text(g, c, arg[1], 0, &now, &w, buf, &text);
	if (n == CACHE_ABSENT) {
		gate_int(g, c, 0);
		return GATE_DONE;
	}
	if (n != CACHE_HIT) {
		return gate_look_refuse(g, c, n);
	}
	if (wrong != NULL) { /* of a value that is there */
		gate_walk_close(g, c, w);
		return gate_error(g, c, wrong);
	}
	none = from < 0 && to < 0 && from > to;
	none = none || !bit_range(text, in_bits ? 1 : 8, &from, &to);
	if (!none) {
		from += c->acc;
		end = piece_end(g, from, to);
		c->total += bits_count(text, from, end);
		c->acc += end + 1 - from;
		if (end < to) {
			return gate_walk_wait(g, c);
		}
	}
	gate_int(g, c, c->total);
	return gate_walk_end(g, c, w);
}

/* The first bit of a kind in [from, to]; -1. */
static int64_t
bit_find(struct slice text, unsigned int bit, int64_t from, int64_t to)
{
	const uint64_t none = bit != 0 ? 0 : UINT64_MAX; /* eight bytes that have no such bit */

	while (from <= to) {
		if (from % 8 == 0 && from + WORD_BITS - 1 <= to &&
		    word_at(text.p + from / 8) == none) {
			from += WORD_BITS;
		} else if (bit_at(text, from) == bit) {
			return from;
		} else {
			from++;
		}
	}
	return -1;
}

/* c->acc: so many bits of the range are looked at. */
int
cmd_bitpos(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	bool in_bits = arg_cnt == 6 && gate_word_is(arg[5], "bit");
	int64_t from = 0, to = -1, bit, at = -1, end;
	const char *wrong = NULL;
	char buf[VIEW_TEXT_MAX];
	struct gate_walk now, *w;
	struct slice text;
	int n;

	if (!gate_word_i64(arg[2], &bit)) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	if (bit != 0 && bit != 1) {
		return gate_error(g, c, "ERR The bit argument must be 1 or 0.");
	}
	if (arg_cnt > 6) {
		wrong = "ERR syntax error";
	} else if (arg_cnt > 3 && !gate_word_i64(arg[3], &from)) {
		wrong = "ERR value is not an integer or out of range";
	} else if (arg_cnt == 6 && !in_bits && !gate_word_is(arg[5], "byte")) {
		wrong = "ERR syntax error";
	} else if (arg_cnt > 4 && !gate_word_i64(arg[4], &to)) {
		wrong = "ERR value is not an integer or out of range";
	}
	n = gate_walk_text(g, c, arg[1], 0, &now, &w, buf, &text);
	if (n == CACHE_ABSENT) {
		gate_int(g, c, bit != 0 ? -1 : 0);
		return GATE_DONE;
	}
	if (n != CACHE_HIT) {
		return gate_look_refuse(g, c, n);
	}
	if (wrong != NULL) { /* of a value that is there */
		gate_walk_close(g, c, w);
		return gate_error(g, c, wrong);
	}
	if (bit_range(text, in_bits ? 1 : 8, &from, &to)) {
		from += c->acc;
		end = piece_end(g, from, to);
		at = bit_find(text, (unsigned int)bit, from, end);
		c->acc += end + 1 - from;
		if (at < 0 && end < to) {
			return gate_walk_wait(g, c);
		}
		/* Behind a string that nobody told the end of there are zeros. */
		at = at < 0 && bit == 0 && arg_cnt <= 4 ? (int64_t)text.len * 8 : at;
	}
	gate_int(g, c, at);
	return gate_walk_end(g, c, w);
}

/* ------------------------------------------------------------------------ BITOP */

enum bit_op { BIT_AND, BIT_OR, BIT_XOR, BIT_NOT };

static uint64_t
word_fold(enum bit_op op, bool first, uint64_t a, uint64_t b)
{
	return op == BIT_NOT ? ~b : first || op == BIT_XOR ? a ^ b : op == BIT_OR ? a | b : a & b;
}

/* Folds so many bytes at p into those at `to`. */
static void
bytes_fold(enum bit_op op, bool first, uint8_t *to, const uint8_t *p, size_t len)
{
	size_t i = 0;
	uint64_t x;

	for (; i + sizeof(x) <= len; i += sizeof(x)) {
		x = word_fold(op, first, word_at(to + i), word_at(p + i));
		memcpy(to + i, &x, sizeof(x));
	}
	for (; i < len; i++) {
		to[i] = (uint8_t)word_fold(op, first, to[i], p[i]);
	}
}

/* Folds a turn's piece of one more string, from c->step on, into the one in c->keep. Where one of
 * them has ended it is zeros. Returns: 1: that was all; 0: it was not; MB_ERR_NO_MEMORY. */
static int
bit_fold(struct gate *g, struct gate_conn *c, enum bit_op op, struct slice text)
{
	size_t len = MAX(text.len, (size_t)c->keep_len), at = c->step, cnt, both;

	if (!gate_conn_keep(g, c, len + 1)) {
		return MB_ERR_NO_MEMORY;
	}
	cnt = gate_walk_bytes(g, len - at);
	if (at + cnt > c->keep_len) {
		memset(c->keep + c->keep_len, 0, at + cnt - c->keep_len);
		c->keep_len = (uint32_t)(at + cnt);
	}
	both = at < text.len ? MIN(cnt, text.len - at) : 0;
	bytes_fold(op, c->acc == 0, c->keep + at, text.p + (both != 0 ? at : 0), both);
	if (op == BIT_AND) {
		memset(c->keep + at + both, 0, cnt - both);
	}
	c->step += (uint32_t)cnt;
	return c->step == len;
}

/* Folds the next key, of which a string that is not there has no walk to hold. Returns: 1;
 * else what the handler returns, negative - 1. */
static int
key_fold(struct gate *g, struct gate_conn *c, enum bit_op op, struct slice key)
{
	const bool absent = c->step != 0 && c->walk == NULL;
	struct slice text = slice_of("", 0);
	char buf[VIEW_TEXT_MAX];
	struct gate_walk now, *w = NULL;
	int rc, n = absent ? (int)CACHE_ABSENT
			   : gate_walk_text(g, c, key, c->keep_len, &now, &w, buf, &text);

	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return -1 - gate_look_refuse(g, c, n);
	}
	rc = bit_fold(g, c, op, text);
	if (rc != 0 && n == CACHE_HIT) {
		gate_walk_close(g, c, w);
	}
	return rc == 1 ? 1 : -1 - (rc == 0 ? gate_walk_wait(g, c) : gate_error_of(g, c, rc));
}

/* c->acc: how many of the keys are folded, each as of its own moment; c->step: of the next one so
 * many bytes. */
int
cmd_bitop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	static const char *const name[] = { "and", "or", "xor", "not" };
	struct wset_op put = { .kind = WSET_PUT, .key = arg[2] };
	uint32_t op = BIT_AND;
	struct gate_rec *rec;
	int err;

	while (op < ARRAY_CNT(name) && !gate_word_is(arg[1], name[op])) {
		op++;
	}
	if (op == ARRAY_CNT(name)) {
		return gate_error(g, c, "ERR syntax error");
	}
	if (op == BIT_NOT && arg_cnt != 4) {
		return gate_error(g, c, "ERR BITOP NOT must be called with a single source key.");
	}
	for (; c->acc + 3 < arg_cnt; c->acc++) {
		int rc = key_fold(g, c, (enum bit_op)op, arg[c->acc + 3]);

		if (rc != 1) {
			return -1 - rc;
		}
		c->step = 0;
	}
	rec = gate_write(g, c, REC_FIXED);
	if (rec == NULL) {
		return GATE_WAIT;
	}
	rec->n = c->keep_len;
	put.kind = c->keep_len != 0 ? WSET_PUT : WSET_DEL;
	put.value = slice_of(c->keep, c->keep_len);
	err = gate_write_op(g, c, &put, 0);
	if (err == MB_ERR_FULL) {
		return GATE_WAIT;
	}
	if (err != 0) {
		rec->err = (int16_t)err;
	}
	return gate_write_end(g, c);
}
