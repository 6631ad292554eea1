/* SPDX-License-Identifier: Apache-2.0 */
/* value.c - lists of typed values
 *
 * V1  A word of a table is loaded once (value_list_read), into a local, and checked there: the
 *     other process may change it between two loads, and the compiler must not make two of one.
 * V2  An offset is computed from lengths that were checked, in 64 bits, and compared with the
 *     list's length before it is used. 256 lengths of 32 bits cannot overflow 64.
 */
#include "value.h"

#include <string.h>

#include "check.h"
#include "copy.h"
#include <microburst/error.h>

/* ------------------------------------------------------------------- types */

bool
value_type_ok(uint32_t type, uint64_t len)
{
	switch (type) {
	case MB_NIL:
		return len == 0;
	case MB_I64:
	case MB_F64:
		return len == 8;
	case MB_F64_ARRAY:
		return len % 8 == 0;
	case MB_BYTES:
	case MB_UTF8:
	case MB_INVALID:
		return true;
	case MB_LIST: /* at least its count */
		return len >= 4;
	case MB_REF:
	case MB_OUTPUT:
		return len >= 1 && len <= MB_KEY_BYTES_MAX;
	default:
		return false;
	}
}

/* The shape of a character of more than one byte, by its first byte: how many bytes, and what its
 * second may be (which rules out what is overlong, a surrogate, or beyond U+10FFFF). */
static size_t
utf8_shape(uint8_t first, uint8_t *ret_lo, uint8_t *ret_hi)
{
	*ret_lo = 0x80;
	*ret_hi = 0xbf;
	if (first >= 0xc2 && first <= 0xdf) {
		return 2;
	}
	if (first >= 0xe0 && first <= 0xef) {
		*ret_lo = first == 0xe0 ? 0xa0 : 0x80;
		*ret_hi = first == 0xed ? 0x9f : 0xbf;
		return 3;
	}
	if (first >= 0xf0 && first <= 0xf4) {
		*ret_lo = first == 0xf0 ? 0x90 : 0x80;
		*ret_hi = first == 0xf4 ? 0x8f : 0xbf;
		return 4;
	}
	return 0;
}

bool
value_utf8_ok(const uint8_t *p, size_t len)
{
	size_t i = 0;

	while (i < len) {
		uint8_t lo, hi;
		size_t n;

		while (len - i >= 8) { /* most text is ASCII */
			uint64_t eight;

			memcpy(&eight, p + i, sizeof(eight));
			if ((eight & UINT64_C(0x8080808080808080)) != 0) {
				break;
			}
			i += 8;
		}
		if (i == len) {
			break;
		}
		if (p[i] < 0x80) {
			i++;
			continue;
		}
		n = utf8_shape(p[i], &lo, &hi);
		if (n == 0 || n > len - i || p[i + 1] < lo || p[i + 1] > hi) {
			return false;
		}
		for (size_t k = 2; k < n; k++) {
			if ((p[i + k] & 0xc0) != 0x80) {
				return false;
			}
		}
		i += n;
	}
	return true;
}

/* ----------------------------------------------------------------- reading */

static inline uint32_t
load_u32(const uint8_t *p)
{
	/* V1 */
	return le32toh(*(const volatile uint32_t *)(const void *)p);
}

int
value_list_read(struct slice list, struct value *ret)
{
	uint64_t off;
	uint64_t end;
	uint32_t cnt;

	if (list.len == 0) {
		return 0;
	}
	REQUIRE(((uintptr_t)list.p & 7) == 0, "p=%p", (const void *)list.p);
	if (unlikely(list.len < 4)) {
		return MB_ERR_CORRUPT;
	}
	cnt = load_u32(list.p);
	if (likely(cnt == 1 && list.len == VALUE_ONE_SCALAR)) { /* one number, most often */
		uint32_t type = load_u32(list.p + 4);
		uint32_t len = load_u32(list.p + 8);

		if (likely(len == 8 && (type == MB_I64 || type == MB_F64))) {
			ret[0] = (struct value){ .p = list.p + VALUE_ONE_SCALAR - 8,
						 .type = type,
						 .len = len };
			return 1;
		}
	}
	if (unlikely(cnt > MB_VALUES_MAX)) {
		return MB_ERR_TOO_LARGE;
	}
	end = off = value_table_bytes(cnt);
	if (cnt == 0) {
		return list.len == 4 ? 0 : MB_ERR_CORRUPT;
	}
	if (unlikely(off > list.len)) {
		return MB_ERR_CORRUPT;
	}
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t type = load_u32(list.p + 4 + 8 * (size_t)i);
		uint32_t len = load_u32(list.p + 8 + 8 * (size_t)i);

		if (unlikely(!value_type_ok(type, len))) {
			return MB_ERR_CORRUPT;
		}
		/* A list may be as long as what it stands in; every other value has its limit. */
		if (unlikely(len > VALUE_BYTES_MAX && type != MB_LIST)) {
			return MB_ERR_TOO_LARGE;
		}
		end = off + len;
		if (unlikely(end > list.len)) { /* V2 */
			return MB_ERR_CORRUPT;
		}
		ret[i].p = len == 0 ? NULL : list.p + off;
		ret[i].type = type;
		ret[i].len = len;
		off = ALIGN_UP(end, 8);
	}
	return likely(end == list.len) ? (int)cnt : MB_ERR_CORRUPT;
}

static int
list_check(struct slice list, uint32_t depth)
{
	struct value v[MB_VALUES_MAX];
	int cnt = value_list_read(list, v);

	if (list.len > PAYLOAD_BYTES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	for (int i = 0; i < cnt; i++) {
		int err;

		if (v[i].type == MB_UTF8 && !value_utf8_ok(v[i].p, v[i].len)) {
			return MB_ERR_CORRUPT;
		}
		if (v[i].type != MB_LIST) {
			continue;
		}
		if (depth == VALUE_DEPTH_MAX) {
			return MB_ERR_CORRUPT;
		}
		err = list_check(slice_of(v[i].p, v[i].len), depth + 1);
		if (err != 0) {
			return err;
		}
	}
	return cnt < 0 ? cnt : 0;
}

int
value_list_check(struct slice list)
{
	return list_check(list, 1);
}

uint32_t
value_list_cnt(struct slice list)
{
	return list.len == 0 ? 0 : load_u32(list.p);
}

struct value
value_list_get(struct slice list, uint32_t idx)
{
	uint32_t cnt = value_list_cnt(list);
	size_t off = value_table_bytes(cnt);
	struct value v = { .type = MB_NIL };

	if (idx >= cnt) {
		return v;
	}
	for (uint32_t i = 0;; i++) {
		v.type = load_u32(list.p + 4 + 8 * (size_t)i);
		v.len = load_u32(list.p + 8 + 8 * (size_t)i);
		if (i == idx) {
			break;
		}
		off = ALIGN_UP(off + v.len, 8);
	}
	v.p = v.len == 0 ? NULL : list.p + off;
	return v;
}

/* ----------------------------------------------------------------- writing */

static inline void
store_u32(uint8_t *p, uint32_t x)
{
	x = htole32(x);
	memcpy(p, &x, sizeof(x));
}

int64_t
value_list_footprint(const struct value *v, uint32_t cnt)
{
	uint64_t off = value_table_bytes(cnt);
	uint64_t end = cnt == 0 ? 4 : off;

	if (cnt > MB_VALUES_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	for (uint32_t i = 0; i < cnt; i++) {
		if (v[i].len > VALUE_BYTES_MAX && v[i].type != MB_LIST) {
			return MB_ERR_TOO_LARGE;
		}
		end = off + v[i].len;
		off = ALIGN_UP(end, 8);
	}
	return end > PAYLOAD_BYTES_MAX ? MB_ERR_TOO_LARGE : (int64_t)end;
}

void
value_list_begin(struct value_writer *w, void *p, size_t cap, uint32_t cnt)
{
	REQUIRE(((uintptr_t)p & 7) == 0, "p=%p", p);
	*w = (struct value_writer){ .p = p, .cap = cap, .cnt = cnt };
	w->len = cnt == 0 ? 4 : value_table_bytes(cnt);
	if (cnt > MB_VALUES_MAX || w->len > cap) {
		w->err = MB_ERR_TOO_LARGE;
		return;
	}
	store_u32(w->p, cnt);
	if (cnt != 0) {
		store_u32(w->p + 4 + 8 * (size_t)cnt, 0);
	}
}

/* The place of a value of len bytes, with its row of the table written; NULL and the error set when
 * it is refused. */
static uint8_t *
writer_place(struct value_writer *w, enum mb_type type, size_t len)
{
	size_t off = ALIGN_UP(w->len, 8);

	if (w->err != 0) {
		return NULL;
	}
	if (w->added == w->cnt || !value_type_ok(type, len)) {
		w->err = MB_ERR_INVALID;
		return NULL;
	}
	if ((len > VALUE_BYTES_MAX && type != MB_LIST) || off > w->cap || len > w->cap - off) {
		w->err = MB_ERR_TOO_LARGE;
		return NULL;
	}
	memset(w->p + w->len, 0, off - w->len);
	store_u32(w->p + 4 + 8 * (size_t)w->added, type);
	store_u32(w->p + 8 + 8 * (size_t)w->added, (uint32_t)len);
	w->added++;
	w->len = off + len;
	return w->p + off;
}

uint8_t *
value_list_reserve(struct value_writer *w, enum mb_type type, size_t len)
{
	uint8_t *p = writer_place(w, type, len);

	return len == 0 ? NULL : p;
}

void
value_list_add(struct value_writer *w, enum mb_type type, const void *p, size_t len)
{
	uint8_t *to = writer_place(w, type, len);

	if (to != NULL && len != 0) {
		copy_bytes(to, p, len);
	}
}

static inline void
add_number(struct value_writer *w, enum mb_type type, uint64_t x)
{
	uint8_t *to;

	if (likely(w->err == 0 && w->added < w->cnt && (w->len & 7) == 0 &&
		   w->cap - w->len >= sizeof(x))) {
		to = w->p + w->len;
		store_u32(w->p + 4 + 8 * (size_t)w->added, type);
		store_u32(w->p + 8 + 8 * (size_t)w->added, sizeof(x));
		w->added++;
		w->len += sizeof(x);
	} else {
		to = writer_place(w, type, sizeof(x));
	}
	if (likely(to != NULL)) {
		x = htole64(x);
		memcpy(to, &x, sizeof(x));
	}
}

void
value_list_add_i64(struct value_writer *w, int64_t x)
{
	add_number(w, MB_I64, (uint64_t)x);
}

void
value_list_add_f64(struct value_writer *w, double x)
{
	uint64_t bits;

	memcpy(&bits, &x, sizeof(bits));
	add_number(w, MB_F64, bits);
}

int64_t
value_list_end(struct value_writer *w)
{
	if (w->err != 0) {
		return w->err;
	}
	if (w->added != w->cnt) {
		return MB_ERR_INVALID;
	}
	return w->len > PAYLOAD_BYTES_MAX ? MB_ERR_TOO_LARGE : (int64_t)w->len;
}
