/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_bitfield - numbers of any width in a string: BITFIELD, BITFIELD_RO
 *
 * The operations of one command work on a copy of the string, one after the other; if any of them
 * is a write the copy is written, if the key still shows what was copied. All words are looked at
 * before the first operation is done.
 */
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "commands.h"
#include "gate_walk.h"
#include "view.h"

enum overflow { OVERFLOW_WRAP, OVERFLOW_SAT, OVERFLOW_FAIL };

struct field_op {
	char kind; /* 'g'et, 's'et, 'i'ncrement */
	enum overflow overflow;
	bool is_signed;
	unsigned int bits;
	int64_t offset, value;
};

/* i1 to i64, u1 to u63. */
static bool
type_word(struct slice word, struct field_op *ret)
{
	int64_t n;

	if (word.len < 2 || (word.p[0] != 'i' && word.p[0] != 'u') ||
	    !gate_word_i64(slice_of(word.p + 1, word.len - 1), &n)) {
		return false;
	}
	ret->is_signed = word.p[0] == 'i';
	ret->bits = (unsigned int)n;
	return n >= 1 && n <= (ret->is_signed ? 64 : 63);
}

/* A number of bits, or with # of fields. */
static bool
offset_word(struct slice word, unsigned int bits, int64_t *ret)
{
	const int64_t most = 8LL * VALUE_BYTES_MAX;
	bool fields = word.len > 0 && word.p[0] == '#';

	if (fields) {
		word = slice_of(word.p + 1, word.len - 1);
	}
	if (!gate_word_i64(word, ret) || *ret < 0 || *ret > most) {
		return false;
	}
	*ret *= fields ? (int64_t)bits : 1;
	return *ret + (int64_t)bits <= most;
}

/* The operation that begins at *at. Returns: 1; 0 behind the last one; -1: it is answered. */
static int
op_next(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	uint32_t *at, struct field_op *op)
{
	uint32_t i = *at;

	for (; i + 1 < arg_cnt && gate_word_is(arg[i], "overflow"); i += 2) {
		if (gate_word_is(arg[i + 1], "wrap")) {
			op->overflow = OVERFLOW_WRAP;
		} else if (gate_word_is(arg[i + 1], "sat")) {
			op->overflow = OVERFLOW_SAT;
		} else if (gate_word_is(arg[i + 1], "fail")) {
			op->overflow = OVERFLOW_FAIL;
		} else {
			gate_error(g, c, "ERR Invalid OVERFLOW type specified");
			return -1;
		}
	}
	if (i >= arg_cnt) {
		return 0;
	}
	op->kind = gate_word_is(arg[i], "get") && i + 2 < arg_cnt      ? 'g'
		   : gate_word_is(arg[i], "set") && i + 3 < arg_cnt    ? 's'
		   : gate_word_is(arg[i], "incrby") && i + 3 < arg_cnt ? 'i'
								       : '\0';
	if (op->kind == '\0') {
		gate_error(g, c, "ERR syntax error");
		return -1;
	}
	if (!type_word(arg[i + 1], op)) {
		gate_error(g, c,
			   "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is "
			   "not supported but i64 is.");
		return -1;
	}
	if (!offset_word(arg[i + 2], op->bits, &op->offset)) {
		gate_error(g, c, "ERR bit offset is not an integer or out of range");
		return -1;
	}
	if (op->kind != 'g' && !gate_word_i64(arg[i + 3], &op->value)) {
		gate_error(g, c, "ERR value is not an integer or out of range");
		return -1;
	}
	*at = i + (op->kind == 'g' ? 3 : 4);
	return 1;
}

/* ------------------------------------------------------------------------ numbers */

static uint64_t
field_read(struct slice text, const struct field_op *op)
{
	uint64_t x = 0;

	for (unsigned int i = 0; i < op->bits; i++) {
		uint64_t at = (uint64_t)op->offset + i;
		unsigned int bit = at / 8 < text.len ? text.p[at / 8] >> (7 - at % 8) & 1 : 0;

		x = x << 1 | bit;
	}
	return x;
}

static void
field_write(uint8_t *p, const struct field_op *op, uint64_t x)
{
	for (unsigned int i = 0; i < op->bits; i++) {
		uint64_t at = (uint64_t)op->offset + i;
		uint8_t mask = (uint8_t)(1 << (7 - at % 8));
		bool bit = (x >> (op->bits - 1 - i) & 1) != 0;

		p[at / 8] = (uint8_t)((p[at / 8] & ~mask) | (bit ? mask : 0));
	}
}

/* The number that the low bits are. */
static int64_t
field_number(const struct field_op *op, uint64_t x)
{
	unsigned int above = 64 - op->bits;

	REQUIRE(above < 64);
	return op->is_signed ? (int64_t)(x << above) >> above : (int64_t)(x << above >> above);
}

/* What base + by becomes in a field. Returns: false: it does not fit, and that is to fail. */
static bool
field_sum(const struct field_op *op, int64_t base, int64_t by, int64_t *ret)
{
	int64_t least = op->is_signed ? INT64_MIN >> (64 - op->bits) : 0;
	int64_t most = op->is_signed ? INT64_MAX >> (64 - op->bits)
				     : (int64_t)(UINT64_MAX >> (64 - op->bits));
	int64_t sum;
	bool out = __builtin_add_overflow(base, by, &sum) || sum < least || sum > most;

	if (!out) {
		*ret = sum;
	} else if (op->overflow == OVERFLOW_SAT) {
		*ret = by > 0 || (by == 0 && (base > most || !op->is_signed)) ? most : least;
	} else {
		*ret = field_number(op, (uint64_t)base + (uint64_t)by);
	}
	return !out || op->overflow != OVERFLOW_FAIL;
}

/* ------------------------------------------------------------------------ the commands */

static void
op_do(struct gate *g, struct gate_conn *c, const struct field_op *op, struct slice text)
{
	int64_t old = field_number(op, field_read(text, op)), x;

	if (op->kind == 'g') {
		gate_int(g, c, old);
		return;
	}
	if (!(op->kind == 's' ? field_sum(op, op->value, 0, &x)
			      : field_sum(op, old, op->value, &x))) {
		gate_null(g, c);
		return;
	}
	field_write(c->keep, op, (uint64_t)x);
	gate_int(g, c, op->kind == 's' ? old : x);
}

/* Looks at all words. Returns: how many operations; -1: it is answered. *ret_bits: how many bits
 * the writes among them need, 0: there are none. */
static int
ops_check(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	  bool only_read, int64_t *ret_bits)
{
	struct field_op op = { 0 };
	uint32_t at = 2;
	int cnt = 0, n;

	*ret_bits = 0;
	while ((n = op_next(g, c, arg, arg_cnt, &at, &op)) == 1) {
		cnt++;
		if (op.kind == 'g') {
			continue;
		}
		if (only_read) {
			gate_error(g, c, "ERR BITFIELD_RO only supports the GET subcommand");
			return -1;
		}
		*ret_bits = MAX(*ret_bits, op.offset + (int64_t)op.bits);
	}
	return n < 0 ? n : cnt;
}

static int
bitfield(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt,
	 bool only_read)
{
	struct wset_op put = { .kind = WSET_PUT, .key = arg[1], .keep = true };
	struct slice text = slice_of("", 0);
	struct field_op op = { 0 };
	char buf[VIEW_TEXT_MAX];
	struct gate_walk now, *w;
	uint64_t version;
	uint32_t at = 2;
	int64_t bits;
	int n, cnt = ops_check(g, c, arg, arg_cnt, only_read, &bits);

	if (cnt < 0) {
		return GATE_DONE;
	}
	n = gate_walk_text(g, c, arg[1], 0, &now, &w, buf, &text);
	if (n != CACHE_HIT && n != CACHE_ABSENT) {
		return gate_look_refuse(g, c, n);
	}
	if (bits != 0) {
		size_t len = MAX(text.len, (size_t)(bits + 7) / 8);

		n = gate_walk_keep(g, c, w, text, len);
		if (n != 1) {
			return n == 0 ? gate_walk_wait(g, c) : gate_error_of(g, c, n);
		}
		text = slice_of(c->keep, len);
		gate_held_begin(c);
	}
	gate_array(g, c, (size_t)cnt);
	while (op_next(g, c, arg, arg_cnt, &at, &op) == 1) {
		op_do(g, c, &op, text);
	}
	version = w->v.version;
	gate_walk_close(g, c, w);
	if (bits == 0) {
		return GATE_DONE;
	}
	put.value = text;
	return gate_write_held(g, c, &put, version);
}

int
cmd_bitfield(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return bitfield(g, c, arg, arg_cnt, false);
}

int
cmd_bitfield_ro(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	return bitfield(g, c, arg, arg_cnt, true);
}
