/* SPDX-License-Identifier: Apache-2.0 */
/* wset - see wset.h
 *
 * Builder and parser share one description of an operation, op_lengths_check, so that what the one
 * refuses to write the other refuses to read.
 */
#include "wset.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "microburst/error.h"

#define OP_ALIGN ((size_t)8)

enum {
	V = WSET_HAS_VALUE,
	F = WSET_HAS_FIELD,
	N = WSET_HAS_N,
};

static const struct {
	unsigned int has;
	const char *verb;
} kinds[WSET_KIND_CNT] = {
#define WSET(name, id, has, verb) [id] = { has, verb },
#include "wset.def"
#undef WSET
};

unsigned int
wset_has(unsigned int kind)
{
	return kind < WSET_KIND_CNT ? kinds[kind].has : 0;
}

const char *
wset_verb(unsigned int kind)
{
	return kind < WSET_KIND_CNT && kinds[kind].verb != NULL ? kinds[kind].verb : "write";
}

/* Whether operations of a kind have these flags. */
static bool
op_flags_ok(unsigned int kind, unsigned int flags)
{
	unsigned int allowed = WSET_F_REF;

	switch (kind) {
	case WSET_PUT:
		allowed |= WSET_F_KEEP;
		break;
	case WSET_MAP_PUT:
		allowed |= WSET_F_AT;
		break;
	case WSET_DEL:
	case WSET_EXPIRE:
	case WSET_SREM:
	case WSET_MAP_DEL:
	case WSET_LIST_DEL:
	case WSET_ZREM:
		allowed |= WSET_F_MUST;
		break;
	default:
		break;
	}
	return (flags & ~allowed) == 0;
}

static unsigned int
op_flags(const struct wset_op *op)
{
	return (op->by_ref ? WSET_F_REF : 0) | (op->keep ? WSET_F_KEEP : 0) |
	       (op->at ? WSET_F_AT : 0) | (op->must ? WSET_F_MUST : 0);
}

size_t
wset_value_max(unsigned int kind)
{
	bool tail = kind == WSET_MERGE || kind == WSET_SIBLING || kind == WSET_SETTLE;

	return VALUE_BYTES_MAX + (tail ? WSET_TAIL_MAX : 0);
}

/* What must hold of an operation's lengths, wherever it comes from. */
static int
op_lengths_check(unsigned int kind, bool by_ref, size_t key_len, size_t field_len,
		 uint64_t value_len)
{
	unsigned int has = wset_has(kind);

	if (key_len == 0 || (field_len != 0 && (has & WSET_HAS_FIELD) == 0)) {
		return MB_ERR_INVALID;
	}
	if (key_len > KEY_BYTES_MAX || field_len > WSET_FIELD_MAX ||
	    value_len > wset_value_max(kind)) {
		return MB_ERR_TOO_LARGE;
	}
	if (has & WSET_HAS_VALUE) {
		return by_ref || value_len <= WSET_INLINE_MAX ? 0 : MB_ERR_INVALID;
	}
	return by_ref || value_len != 0 ? MB_ERR_INVALID : 0;
}

/* An operation's head as it lies there. */
struct head {
	uint8_t kind, flags;
	uint16_t key_len, field_len, reserved;
	uint64_t n; /* or how long its value is */
};
static_assert(sizeof(struct head) == WSET_OP_HEAD, "no holes");

/* ----------------------------------------------------------------- building */

void
wset_init(struct wset *ws, void *mem, size_t bytes)
{
	*ws = (struct wset){ .out = wbuf_init(mem, bytes) };
}

size_t
wset_op_bytes(const struct wset_op *op)
{
	size_t value_len = op->by_ref ? sizeof(op->ref) : op->value.len;

	return ALIGN_UP(WSET_OP_HEAD + (op->at ? sizeof(op->time_us) : 0) + op->key.len +
				op->field.len + value_len,
			OP_ALIGN);
}

static uint8_t *
part_put(uint8_t *to, const void *p, size_t len)
{
	if (len > 0) {
		memcpy(to, p, len);
	}
	return to + len;
}

int
wset_add(struct wset *ws, const struct wset_op *op)
{
	struct wbuf *out = &ws->out;
	size_t value_len = op->by_ref ? op->ref.len : op->value.len;
	size_t end = out->len + wset_op_bytes(op);
	int err = op_lengths_check(op->kind, op->by_ref, op->key.len, op->field.len, value_len);
	struct head h;
	uint64_t time_us;
	uint8_t *p;

	REQUIRE(op->kind >= WSET_PUT);
	REQUIRE(op->kind < WSET_KIND_CNT);
	if (err == 0 && !op_flags_ok(op->kind, op_flags(op))) {
		err = MB_ERR_INVALID;
	}
	if (err != 0) {
		return err;
	}
	if (ws->op_cnt == WSET_OP_CNT_MAX || end > WSET_BYTES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	if (end > out->cap) {
		return MB_ERR_FULL;
	}
	h = (struct head){ .kind = (uint8_t)op->kind,
			   .flags = (uint8_t)op_flags(op),
			   .key_len = htole16((uint16_t)op->key.len),
			   .field_len = htole16((uint16_t)op->field.len) };
	h.n = htole64((wset_has(op->kind) & WSET_HAS_N) != 0 ? (uint64_t)op->n : value_len);
	memset(out->p + end - OP_ALIGN, 0, OP_ALIGN); /* what the others leave of it is zero */
	p = part_put(out->p + out->len, &h, sizeof(h));
	if (op->at) {
		time_us = htole64(op->time_us);
		p = part_put(p, &time_us, sizeof(time_us));
	}
	p = part_put(p, op->key.p, op->key.len);
	p = part_put(p, op->field.p, op->field.len);
	if (op->by_ref) {
		p = part_put(p, &op->ref, sizeof(op->ref));
	} else {
		p = part_put(p, op->value.p, op->value.len);
	}
	ENSURE(p <= out->p + end);
	out->len = end;
	ws->op_cnt++;
	return 0;
}

/* ------------------------------------------------------------------ reading */

/* Whether the last bytes before end, less than 8 of at least that many, are zero. */
static bool
padding_ok(const uint8_t *end, size_t bytes)
{
	uint64_t last;

	memcpy(&last, end - sizeof(last), sizeof(last));
	return bytes == 0 || le64toh(last) >> (64 - 8 * bytes) == 0;
}

int
wset_next(struct slice *set, struct wset_op *ret_op)
{
	const uint8_t *p = set->p;
	struct payload_ref ref = { 0 };
	size_t body_len, bytes, all;
	uint64_t n, value_len, time_us = 0;
	struct head h;
	bool has_n, by_ref, at;
	int err;

	if (set->len == 0) {
		return 0;
	}
	if (set->len < sizeof(h)) {
		return MB_ERR_CORRUPT;
	}
	memcpy(&h, p, sizeof(h));
	h.key_len = le16toh(h.key_len);
	h.field_len = le16toh(h.field_len);
	n = le64toh(h.n);
	if (h.kind < WSET_PUT || h.kind >= WSET_KIND_CNT || h.reserved != 0 ||
	    (h.flags & ~(WSET_F_REF | WSET_F_KEEP | WSET_F_AT | WSET_F_MUST)) != 0) {
		return MB_ERR_CORRUPT;
	}
	has_n = (wset_has(h.kind) & WSET_HAS_N) != 0;
	by_ref = (h.flags & WSET_F_REF) != 0;
	at = (h.flags & WSET_F_AT) != 0;
	value_len = has_n ? 0 : n;
	if (h.flags != 0 && !op_flags_ok(h.kind, h.flags)) {
		return MB_ERR_INVALID;
	}
	err = op_lengths_check(h.kind, by_ref, h.key_len, h.field_len, value_len);
	if (err != 0) {
		return err;
	}
	/* From here on none is long, so sums of them are what they say. */
	body_len = by_ref ? sizeof(ref) : value_len;
	bytes = sizeof(h) + (at ? sizeof(time_us) : 0) + h.key_len + h.field_len + body_len;
	all = ALIGN_UP(bytes, OP_ALIGN);
	if (all > set->len || !padding_ok(p + all, all - bytes)) {
		return MB_ERR_CORRUPT;
	}
	if (at) {
		memcpy(&time_us, p + sizeof(h), sizeof(time_us));
	}
	p += bytes - body_len;
	if (by_ref) {
		memcpy(&ref, p, sizeof(ref));
		if (ref.len != value_len) {
			return MB_ERR_CORRUPT;
		}
	}
	/* All of it, one by one: a struct that is copied is written twice. */
	ret_op->kind = (enum wset_kind)h.kind;
	ret_op->by_ref = by_ref;
	ret_op->at = at;
	ret_op->time_us = le64toh(time_us);
	ret_op->keep = (h.flags & WSET_F_KEEP) != 0;
	ret_op->must = (h.flags & WSET_F_MUST) != 0;
	ret_op->key = slice_of(p - h.field_len - h.key_len, h.key_len);
	ret_op->field = slice_of(p - h.field_len, h.field_len);
	ret_op->value = slice_of(by_ref ? NULL : p, by_ref ? 0 : body_len);
	ret_op->ref = ref;
	ret_op->n = has_n ? (int64_t)n : 0;
	*set = slice_of(set->p + all, set->len - all);
	return 1;
}

int
wset_check(struct slice set, uint32_t *ret_op_cnt)
{
	struct wset_op op;
	uint32_t cnt = 0;
	int more;

	if (set.len > WSET_BYTES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	while ((more = wset_next(&set, &op)) == 1) {
		if (++cnt > WSET_OP_CNT_MAX) {
			return MB_ERR_TOO_LARGE;
		}
	}
	if (more == 0) {
		*ret_op_cnt = cnt;
	}
	return more;
}
