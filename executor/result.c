/* SPDX-License-Identifier: Apache-2.0 */
#include "result.h"

#include <string.h>

#include "check.h"
#include "compiler.h"
#include "microburst/error.h"

/* All values together, so that with the largest table they fit a payload. */
#define VALUES_MAX ((size_t)PAYLOAD_BYTES_MAX - RESULT_HEAD_BYTES)

void
result_init(struct result *r, struct payload_pool *pool, uint16_t proc)
{
	r->pool = pool;
	r->proc = proc;
	r->reserved = false;
	r->cnt = 0;
	r->p = r->small;
	r->cap = RESULT_SMALL_BYTES;
	r->len = 0;
	r->ref.handle = 0;
}

/* Makes room for values up to end: at least doubles, so that many small ones cost few moves; but
 * the first large one gets what it asks for, as it is most often the last. */
static int
grow(struct result *r, size_t end)
{
	size_t cap = r->ref.handle != 0 ? MAX(end, 2 * r->cap) : MAX(end, 4 * r->cap);
	struct payload_ref ref;
	uint8_t *p;
	int err;

	cap = MIN(cap, VALUES_MAX);
	err = payload_alloc(r->pool, RESULT_HEAD_BYTES + cap, r->proc, &ref, &p);
	if (err != 0) {
		return err;
	}
	memcpy(p + RESULT_HEAD_BYTES, r->p + RESULT_HEAD_BYTES, r->len);
	result_drop(r);
	r->ref = ref;
	r->p = p;
	r->cap = cap;
	return 0;
}

int
result_reserve(struct result *r, enum mb_type type, size_t len, uint8_t **ret)
{
	size_t off = ALIGN_UP(r->len, 8);

	if (unlikely(!value_type_ok(type, len))) {
		return MB_ERR_INVALID;
	}
	if (unlikely(r->cnt == MB_VALUES_MAX || len > MB_VALUE_BYTES_MAX ||
		     len > VALUES_MAX - off)) {
		return MB_ERR_TOO_LARGE;
	}
	if (unlikely(off + len > r->cap)) {
		int err = grow(r, off + len);

		if (err != 0) {
			return err;
		}
	}
	if (off != r->len) { /* the gap holds what was there before: not for the caller to see */
		memset(r->p + RESULT_HEAD_BYTES + r->len, 0, off - r->len);
	}
	r->row[r->cnt++] = (struct result_row){ .type = type, .len = (uint32_t)len };
	r->len = off + len;
	r->reserved = true;
	*ret = r->p + RESULT_HEAD_BYTES + off;
	return 0;
}

int
result_trim(struct result *r, size_t len)
{
	struct result_row *last;

	if (r->cnt == 0 || !r->reserved) {
		return MB_ERR_INVALID;
	}
	last = &r->row[r->cnt - 1];
	if (len > last->len || !value_type_ok(last->type, len)) {
		return MB_ERR_INVALID;
	}
	r->len -= last->len - len;
	last->len = (uint32_t)len;
	return 0;
}

void
result_values(const struct result *r, struct value *ret)
{
	size_t off = 0;

	for (uint32_t i = 0; i < r->cnt; i++) {
		ret[i].p = r->row[i].len == 0 ? NULL : r->p + RESULT_HEAD_BYTES + off;
		ret[i].type = r->row[i].type;
		ret[i].len = r->row[i].len;
		off = ALIGN_UP(off + r->row[i].len, 8);
	}
}

/* Writes the table in front of the values. Returns where the list begins. */
static uint8_t *
put_table(struct result *r, size_t *ret_len)
{
	size_t table = value_table_bytes(r->cnt);
	uint8_t *at = r->p + RESULT_HEAD_BYTES - table;
	uint32_t word = htole32(r->cnt);

	memcpy(at, &word, sizeof(word));
	for (uint32_t i = 0; i < r->cnt; i++) {
		uint32_t row[2] = { htole32(r->row[i].type), htole32(r->row[i].len) };

		memcpy(at + 4 + 8 * (size_t)i, row, sizeof(row));
	}
	if (r->cnt != 0) {
		memset(at + 4 + 8 * (size_t)r->cnt, 0, 4);
	}
	*ret_len = r->cnt == 0 ? 4 : table + r->len;
	return at;
}

struct slice
result_list(struct result *r)
{
	size_t len;
	const uint8_t *p = put_table(r, &len);

	return slice_of(p, len);
}

static int
send_copy(struct result *r, struct desc *d, const uint8_t *list, size_t len, uint16_t holder)
{
	uint8_t *p;
	int err;

	if (len <= DESC_INLINE_BYTES) {
		d->flags |= DESC_F_INLINE;
		d->len = (uint8_t)len;
		if (likely(len == VALUE_ONE_SCALAR)) {
			memcpy(d->data, list, VALUE_ONE_SCALAR);
		} else {
			memcpy(d->data, list, len);
		}
		return 0;
	}
	err = payload_alloc(r->pool, len, holder, &d->ref, &p);
	if (err == 0) {
		memcpy(p, list, len);
	}
	return err;
}

int
result_send(struct result *r, struct desc *d, uint16_t holder)
{
	size_t len;
	uint8_t *list = put_table(r, &len);
	int err;

	if (likely(r->ref.handle == 0)) {
		return send_copy(r, d, list, len, holder);
	}
	payload_shrink(r->pool, &r->ref, (uint32_t)(RESULT_HEAD_BYTES + r->len));
	err = payload_move(r->pool, r->ref.handle, r->proc, holder);
	if (err != 0) {
		result_drop(r);
		return err;
	}
	d->ref = r->ref;
	d->ref.off += (uint32_t)(list - r->p);
	d->ref.len = (uint32_t)len;
	r->ref.handle = 0;
	return 0;
}

void
result_drop(struct result *r)
{
	if (r->ref.handle != 0) {
		payload_release(r->pool, r->ref.handle, r->proc);
		r->ref.handle = 0;
	}
}

void
result_move(struct result *to, struct result *from)
{
	*to = *from;
	if (from->p == from->small) {
		to->p = to->small;
	}
	result_init(from, from->pool, from->proc);
}
