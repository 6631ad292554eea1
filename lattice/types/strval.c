/* SPDX-License-Identifier: Apache-2.0 */
/* strval.c - base bytes and a counter over them
 *
 * Why the merge is a merge: a string is the pair (base, counter). Bases form a total order (none,
 * then all byte strings in their own order, then deleted) and merge to the greater; counters merge
 * as counters do; a pair of lattices merged part by part is a lattice.
 *
 * Why the base needs no time: the envelope's epoch is its time. Two SETs are two epochs and never
 * meet here; so this costs 1 byte over the value where a register of its own would cost 16.
 *
 * Why a deleted base stays as a mark: forgotten, it would come back with the next message that
 * still has it. The mark goes when the epoch does.
 *
 * I1  Every delta says what its epoch has for a base, increments and deletes too. So a replica that
 *     hears of an increment before it hears of the SET never shows the one without the other, and a
 *     delete there deletes the base as well. It costs 20 bytes at most, as only a number is added
 *     to.
 */
#include "strval.h"

#include "codec.h"
#include "compiler.h"
#include "lattice.h"
#include "microburst/error.h"

enum {
	BASE_NONE = 0,
	BASE_BYTES = 1,
	BASE_DELETED = 2,
	BASE_MASK = 3,
	HAS_COUNTER = 4,
	KIND_ALL = 7
};

/* Digits and sign of an int64_t. */
#define NUMBER_LEN_MAX 20

struct strval {
	unsigned int kind; /* BASE_NONE .. BASE_DELETED */
	struct slice base;
	struct slice counter;
};

static int
strval_open(struct slice v, struct strval *ret)
{
	struct strval s = { .base = v };
	unsigned int tail;

	if (v.len == 0) {
		*ret = s;
		return 0;
	}
	tail = codec_cut(&s.base, 1).p[0];
	s.kind = tail & BASE_MASK;
	if ((tail & ~(unsigned int)KIND_ALL) != 0 || s.kind > BASE_DELETED || tail == BASE_NONE) {
		return MB_ERR_CORRUPT;
	}
	if (tail & HAS_COUNTER) {
		uint32_t len;

		if (s.base.len < sizeof(len)) {
			return MB_ERR_CORRUPT;
		}
		len = codec_u32(codec_cut(&s.base, sizeof(len)).p);
		if (len == 0 || len > s.base.len) {
			return MB_ERR_CORRUPT;
		}
		s.counter = codec_cut(&s.base, len);
	}
	if (s.kind != BASE_BYTES && s.base.len != 0) {
		return MB_ERR_CORRUPT;
	}
	*ret = s;
	return 0;
}

/* The counter, of counter_len bytes, was written already. */
static void
put_tail(struct wbuf *out, unsigned int kind, size_t counter_len)
{
	if (counter_len != 0) {
		wbuf_u32(out, (uint32_t)counter_len);
	}
	wbuf_u8(out, (uint8_t)(kind | (counter_len != 0 ? HAS_COUNTER : 0)));
}

static int
base_cmp(const struct strval *a, const struct strval *b)
{
	if (a->kind != b->kind) {
		return a->kind < b->kind ? -1 : 1;
	}
	return slice_cmp(a->base, b->base);
}

int
strval_check(struct slice v, unsigned int depth)
{
	struct strval s;
	int rc = strval_open(v, &s);

	return rc < 0 ? rc : lattice_check_depth(LATTICE_PN_COUNTER, s.counter, depth);
}

int
strval_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	struct lattice_verdict verdict;
	struct strval sa, sb;
	size_t counter_start;
	int cmp, rc;

	if (strval_open(a, &sa) < 0 || strval_open(b, &sb) < 0) {
		return MB_ERR_CORRUPT;
	}
	cmp = base_cmp(&sa, &sb);
	if (likely(sa.counter.len == 0 && sb.counter.len == 0)) {
		return cmp >= 0 ? LATTICE_LEFT : LATTICE_RIGHT;
	}
	verdict = (struct lattice_verdict){ .left = cmp >= 0, .right = cmp <= 0 };
	codec_put_slice(out, cmp >= 0 ? sa.base : sb.base);
	counter_start = out->len;
	rc = lattice_merge_part(LATTICE_PN_COUNTER, sa.counter, sb.counter, out, depth, &verdict);
	if (rc < 0) {
		return rc;
	}
	put_tail(out, cmp >= 0 ? sa.kind : sb.kind, out->len - counter_start);
	return lattice_verdict_side(verdict);
}

bool
strval_leq(struct slice a, struct slice b, unsigned int depth)
{
	struct strval sa, sb;

	return strval_open(a, &sa) == 0 && strval_open(b, &sb) == 0 && base_cmp(&sa, &sb) <= 0 &&
	       lattice_leq_depth(LATTICE_PN_COUNTER, sa.counter, sb.counter, depth);
}

/* -------------------------------------------------------------------------------------- reading */

/* An optional minus, digits, no leading zero, no minus zero, within int64_t: so a number has one
 * text, and adding 0 to it shows the same bytes. */
static bool
number_of(struct slice text, int64_t *ret_number)
{
	bool negative = text.len != 0 && text.p[0] == '-';
	int64_t v = 0;

	if (negative) {
		text.p++;
		text.len--;
	}
	if (text.len == 0 || text.len >= NUMBER_LEN_MAX ||
	    (text.p[0] == '0' && (text.len > 1 || negative))) {
		return false;
	}
	for (size_t i = 0; i < text.len; i++) {
		int digit = text.p[i] - '0';

		/* Downwards, as INT64_MIN has no positive. */
		if (digit < 0 || digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_sub_overflow(v, digit, &v)) {
			return false;
		}
	}
	if (!negative && v == INT64_MIN) {
		return false;
	}
	*ret_number = negative ? v : -v;
	return true;
}

/* What a reader needs to know of a state. */
struct reading {
	struct strval s;
	bool live;    /* the counter has something that was not deleted */
	bool present; /* the string reads as there */
	bool number;  /* it reads as a number: total */
	int64_t base; /* the number in the base, if any */
	counter_sum total;
};

static int
strval_examine(struct slice state, struct reading *ret)
{
	struct reading r = { 0 };
	int rc = strval_open(state, &r.s);

	if (rc < 0) {
		return rc;
	}
	rc = counter_read(r.s.counter, &r.total, &r.live);
	if (rc < 0) {
		return rc;
	}
	r.present = r.live || r.s.kind == BASE_BYTES;
	r.number = r.s.kind != BASE_BYTES || number_of(r.s.base, &r.base);
	r.total += r.base;
	*ret = r;
	return 0;
}

int
strval_text(struct slice state, char buf[STRVAL_TEXT_MAX], struct slice *ret_text)
{
	struct reading r;
	int rc = strval_open(state, &r.s);

	if (rc == 0 && r.s.counter.len == 0 && r.s.kind == BASE_BYTES) {
		*ret_text = r.s.base; /* nothing was added: whether it is a number is no question */
		return 0;
	}
	rc = strval_examine(state, &r);
	if (rc < 0) {
		return rc;
	}
	if (!r.present) {
		return MB_ERR_NOT_FOUND;
	}
	*ret_text = r.live && r.number ? counter_text(r.total, buf) : r.s.base;
	return 0;
}

bool
strval_present(struct slice state)
{
	char buf[STRVAL_TEXT_MAX];
	struct slice text;

	if (likely(state.len != 0 && (state.p[state.len - 1] & BASE_MASK) == BASE_BYTES)) {
		return true;
	}
	return strval_text(state, buf, &text) == 0;
}

int
strval_i64(struct slice state, int64_t *ret_number)
{
	struct reading r;
	int rc = strval_examine(state, &r);

	if (rc < 0) {
		return rc;
	}
	if (!r.present) {
		return MB_ERR_NOT_FOUND;
	}
	if (!r.number) {
		return MB_ERR_TYPE;
	}
	if (r.total > INT64_MAX || r.total < INT64_MIN) {
		return MB_ERR_TOO_LARGE;
	}
	*ret_number = (int64_t)r.total;
	return 0;
}

/* --------------------------------------------------------------------------------------- deltas */

int
strval_delta_set(struct slice bytes, struct wbuf *out)
{
	struct wbuf before = *out;

	codec_put_slice(out, bytes);
	put_tail(out, BASE_BYTES, 0);
	return codec_done(out, before);
}

int
strval_delta_add(struct slice state, struct writer_id writer, int64_t n, struct wbuf *out)
{
	struct wbuf before = *out;
	struct reading r;
	size_t counter_start;
	int rc = strval_examine(state, &r);

	if (rc < 0) {
		return rc;
	}
	if (!r.number) {
		return MB_ERR_TYPE;
	}
	if (r.present && n == 0) {
		return 0;
	}
	codec_put_slice(out, r.s.base); /* I1; a number, so short */
	counter_start = out->len;
	rc = counter_delta_add_over(r.base, r.s.counter, writer, n, out);
	if (rc < 0) {
		*out = before;
		return rc;
	}
	put_tail(out, r.s.kind, out->len - counter_start);
	return codec_done(out, before);
}

bool
strval_add_alone(struct slice state, struct writer_id writer, int64_t n, struct wbuf *out,
		 int64_t *ret_total)
{
	struct wbuf before = *out;
	struct strval s;
	size_t counter_start;
	int64_t base = 0;

	if (strval_open(state, &s) < 0 || (s.kind == BASE_BYTES && !number_of(s.base, &base))) {
		return false;
	}
	codec_put_slice(out, s.base);
	counter_start = out->len;
	if (!counter_add_alone(base, s.counter, writer, n, out, ret_total)) {
		*out = before;
		return false;
	}
	put_tail(out, s.kind, out->len - counter_start);
	return codec_done(out, before) == 0;
}

int
strval_delta_del(struct slice state, struct wbuf *out)
{
	struct wbuf before = *out;
	struct reading r;
	int rc = strval_examine(state, &r);

	if (rc < 0) {
		return rc;
	}
	if (!r.present) {
		return 0;
	}
	rc = counter_delta_del(r.s.counter, out);
	if (rc < 0) {
		return rc;
	}
	put_tail(out, r.s.kind == BASE_NONE ? BASE_NONE : BASE_DELETED,
		 out->len - before.len); /* I1 */
	return codec_done(out, before);
}

struct slice
strval_counter(struct slice state)
{
	struct strval s;

	return strval_open(state, &s) == 0 ? s.counter : slice_of(NULL, 0);
}
