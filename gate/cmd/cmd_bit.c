/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_bit - strings as rows of bits: GETBIT, SETBIT, BITCOUNT, BITPOS, BITOP
 *
 * A bit that is set makes a new value of the whole string: what costs a byte in Redis costs the
 * string here.
 */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
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
	struct slice text = { 0 };
	char buf[VIEW_TEXT_MAX];
	struct cache_value v;
	int64_t offset, bit;
	uint8_t mask;
	size_t len;
	int n;

	if (!bit_offset(g, c, arg[2], &offset)) {
		return GATE_DONE;
	}
	if (!gate_word_i64(arg[3], &bit) || (bit != 0 && bit != 1)) {
		return gate_error(g, c, "ERR bit is not an integer or out of range");
	}
	n = gate_look_text(g, c, arg[1], &v, buf, &text);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (n == CACHE_ABSENT) {
		text = slice_of("", 0);
	}
	len = MAX(text.len, (size_t)offset / 8 + 1);
	if (!gate_conn_keep(g, c, len)) {
		gate_look_end(g, &v);
		return gate_error_of(g, c, MB_ERR_NO_MEMORY);
	}
	memset(c->keep, 0, len);
	memcpy(c->keep, text.p, text.len);
	gate_held_begin(c);
	gate_int(g, c, bit_at(text, offset));
	gate_look_end(g, &v);
	mask = (uint8_t)(1 << (7 - offset % 8));
	c->keep[offset / 8] = (uint8_t)((c->keep[offset / 8] & ~mask) | (bit != 0 ? mask : 0));
	op.value = slice_of(c->keep, len);
	return gate_write_held(g, c, &op, v.version);
}

/* The bits that are set in [from, to]. */
static int64_t
bits_count(struct slice text, int64_t from, int64_t to)
{
	int64_t cnt = 0;

	for (; from <= to && from % 8 != 0; from++) {
		cnt += bit_at(text, from);
	}
	for (; from + 7 <= to; from += 8) {
		cnt += __builtin_popcount(text.p[from / 8]);
	}
	for (; from <= to; from++) {
		cnt += bit_at(text, from);
	}
	return cnt;
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

int
cmd_bitcount(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	bool in_bits = arg_cnt == 5 && gate_word_is(arg[4], "bit"), none;
	int64_t from = 0, to = -1;
	const char *wrong = NULL;
	char buf[VIEW_TEXT_MAX];
	struct cache_value v;
	struct slice text;
	int n;

	if (arg_cnt == 3 || arg_cnt > 5) {
		wrong = "ERR syntax error";
	} else if (arg_cnt > 3 && (!gate_word_i64(arg[2], &from) || !gate_word_i64(arg[3], &to))) {
		wrong = "ERR value is not an integer or out of range";
	} else if (arg_cnt == 5 && !in_bits && !gate_word_is(arg[4], "byte")) {
		wrong = "ERR syntax error";
	}
	n = gate_look_text(g, c, arg[1], &v, buf, &text);
	if (n == CACHE_ABSENT) {
		gate_int(g, c, 0);
		return GATE_DONE;
	}
	if (n != CACHE_HIT) {
		return gate_look_refuse(g, c, n);
	}
	if (wrong != NULL) { /* of a value that is there */
		gate_look_end(g, &v);
		return gate_error(g, c, wrong);
	}
	none = from < 0 && to < 0 && from > to;
	none = none || !bit_range(text, in_bits ? 1 : 8, &from, &to);
	gate_int(g, c, none ? 0 : bits_count(text, from, to));
	gate_look_end(g, &v);
	return GATE_DONE;
}

/* The first bit of a kind in [from, to]; -1. */
static int64_t
bit_find(struct slice text, unsigned int bit, int64_t from, int64_t to)
{
	const uint8_t none = bit != 0 ? 0 : 0xff; /* a byte that has no such bit */

	while (from <= to) {
		if (from % 8 == 0 && from + 7 <= to && text.p[from / 8] == none) {
			from += 8;
		} else if (bit_at(text, from) == bit) {
			return from;
		} else {
			from++;
		}
	}
	return -1;
}

int
cmd_bitpos(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	bool in_bits = arg_cnt == 6 && gate_word_is(arg[5], "bit");
	int64_t from = 0, to = -1, bit, at = -1;
	const char *wrong = NULL;
	char buf[VIEW_TEXT_MAX];
	struct cache_value v;
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
	n = gate_look_text(g, c, arg[1], &v, buf, &text);
	if (n == CACHE_ABSENT) {
		gate_int(g, c, bit != 0 ? -1 : 0);
		return GATE_DONE;
	}
	if (n != CACHE_HIT) {
		return gate_look_refuse(g, c, n);
	}
	if (wrong != NULL) { /* of a value that is there */
		gate_look_end(g, &v);
		return gate_error(g, c, wrong);
	}
	if (bit_range(text, in_bits ? 1 : 8, &from, &to)) {
		at = bit_find(text, (unsigned int)bit, from, to);
		/* Behind a string that nobody told the end of there are zeros. */
		at = at < 0 && bit == 0 && arg_cnt <= 4 ? (int64_t)text.len * 8 : at;
	}
	gate_int(g, c, at);
	gate_look_end(g, &v);
	return GATE_DONE;
}

/* ------------------------------------------------------------------------ BITOP */

enum bit_op { BIT_AND, BIT_OR, BIT_XOR, BIT_NOT };

/* Folds one more string into the one in c->keep. Where one of them has ended it is zeros. Returns:
 * false: there is no memory. */
static bool
bit_fold(struct gate *g, struct gate_conn *c, enum bit_op op, struct slice text, bool first)
{
	size_t len = MAX(text.len, (size_t)c->keep_len);

	if (!gate_conn_keep(g, c, len + 1)) {
		return false;
	}
	memset(c->keep + c->keep_len, 0, len - c->keep_len);
	c->keep_len = (uint32_t)len;
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = i < text.len ? text.p[i] : 0;

		c->keep[i] = op == BIT_NOT            ? (uint8_t)~byte
			     : first || op == BIT_XOR ? c->keep[i] ^ byte
			     : op == BIT_OR           ? c->keep[i] | byte
						      : c->keep[i] & byte;
	}
	return true;
}

/* c->acc: how many of the keys are folded, each as of its own moment. */
int
cmd_bitop(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	static const char *const name[] = { "and", "or", "xor", "not" };
	struct wset_op put = { .kind = WSET_PUT, .key = arg[2] };
	char buf[VIEW_TEXT_MAX];
	struct cache_value v;
	struct slice text;
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
		int n = gate_look_text(g, c, arg[c->acc + 3], &v, buf, &text);
		bool ok;

		if (n != CACHE_HIT && n != CACHE_ABSENT) {
			return gate_look_refuse(g, c, n);
		}
		ok = bit_fold(g, c, (enum bit_op)op, n == CACHE_HIT ? text : slice_of("", 0),
			      c->acc == 0);
		if (n == CACHE_HIT) {
			gate_look_end(g, &v);
		}
		if (!ok) {
			return gate_error_of(g, c, MB_ERR_NO_MEMORY);
		}
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
