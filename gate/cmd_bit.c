/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_bit - strings as rows of bits: GETBIT, SETBIT, BITCOUNT
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

int
cmd_bitcount(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	bool in_bits = arg_cnt == 5 && gate_word_is(arg[4], "bit");
	int64_t from = 0, to = -1, unit = in_bits ? 1 : 8, len;
	char buf[VIEW_TEXT_MAX];
	struct cache_value v;
	struct slice text;
	int n;

	if (arg_cnt == 3 || arg_cnt > 5 ||
	    (arg_cnt == 5 && !in_bits && !gate_word_is(arg[4], "byte"))) {
		return gate_error(g, c, "ERR syntax error");
	}
	if (arg_cnt > 3 && (!gate_word_i64(arg[2], &from) || !gate_word_i64(arg[3], &to))) {
		return gate_error(g, c, "ERR value is not an integer or out of range");
	}
	n = gate_look_text(g, c, arg[1], &v, buf, &text);
	if (n == CACHE_ABSENT) {
		gate_int(g, c, 0);
		return GATE_DONE;
	}
	if (n != CACHE_HIT) {
		return gate_look_refuse(g, c, n);
	}
	len = (int64_t)text.len * 8 / unit;
	if (from < 0 && to < 0 && from > to) {
		to = -len - 1;
	}
	from = MAX(from < 0 ? MAX(from, -len) + len : from, 0);
	to = MIN(to < 0 ? (to < -len ? -1 : to + len) : to, len - 1);
	gate_int(g, c, from <= to ? bits_count(text, from * unit, (to + 1) * unit - 1) : 0);
	gate_look_end(g, &v);
	return GATE_DONE;
}
