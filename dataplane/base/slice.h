/* SPDX-License-Identifier: Apache-2.0 */
/* slice.h - bytes with a length, and a writer and a reader that cannot leave their buffer
 *
 * All three are small values that own nothing: the bytes belong to whoever made them, and must live
 * as long as the slice, writer or reader is used.
 *
 * Errors are sticky, so a codec is a straight line of puts or takes with one question at the end:
 *
 *	wbuf  a put that does not fit writes nothing and raises `full`; so does every later put:
 *	      the buffer always holds a prefix of what was meant, never a splice.
 *	rbuf  a read past the end, or of a malformed varint, raises `bad` and gives 0 or an empty
 *	      slice; so does every later read. Values read from a bad reader mean nothing.
 *
 * Integers are little endian, at any alignment. A varint is LEB128 of a uint64_t in its shortest
 * form: the reader refuses any longer one, so equal values have equal bytes.
 */
#ifndef MB_SLICE_H
#define MB_SLICE_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "copy.h"

/* The longest varint: 64 bits in groups of 7. */
#define VARINT_BYTES_MAX 10

struct slice {
	const uint8_t *p; /* may be NULL when len is 0 */
	size_t len;
};

struct wbuf {
	uint8_t *p;
	size_t len; /* bytes written */
	size_t cap;
	bool full; /* something did not fit */
};

struct rbuf {
	const uint8_t *p; /* next byte */
	size_t len;       /* bytes left */
	bool bad;         /* something was not there, or malformed */
};

/* ------------------------------------------------------------------ slice */

static inline struct slice
slice_of(const void *p, size_t len)
{
	return (struct slice){ .p = p, .len = len };
}

/* slice_str is the slice of a C string, without its terminator. */
static inline struct slice
slice_str(const char *s)
{
	return slice_of(s, strlen(s));
}

static inline bool
slice_eq(struct slice a, struct slice b)
{
	uint64_t x[2], y[2];

	if (a.len != b.len) {
		return false;
	}
	if (a.len - sizeof(x[0]) <= sizeof(x[0])) { /* 8 to 16 bytes, as keys often are: no call */
		memcpy(&x[0], a.p, sizeof(x[0]));
		memcpy(&y[0], b.p, sizeof(y[0]));
		memcpy(&x[1], a.p + a.len - sizeof(x[1]), sizeof(x[1]));
		memcpy(&y[1], b.p + b.len - sizeof(y[1]), sizeof(y[1]));
		return x[0] == y[0] && x[1] == y[1];
	}
	/* memcmp must not see NULL, even for no bytes. */
	return a.len == 0 || memcmp(a.p, b.p, a.len) == 0;
}

/* slice_cmp orders by bytes (unsigned), a prefix before what it begins.
 *
 * Returns:   < 0, 0 or > 0.
 */
static inline int
slice_cmp(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	uint64_t x, y;
	int diff;

	if (len >= sizeof(x)) { /* searches compare mostly what differs early */
		memcpy(&x, a.p, sizeof(x));
		memcpy(&y, b.p, sizeof(y));
		if (x != y) {
			return be64toh(x) < be64toh(y) ? -1 : 1;
		}
	}
	diff = len == 0 ? 0 : memcmp(a.p, b.p, len);

	return diff != 0 ? diff : (a.len > b.len) - (a.len < b.len);
}

/* ----------------------------------------------------------------- writer */

static inline struct wbuf
wbuf_init(void *p, size_t cap)
{
	return (struct wbuf){ .p = p, .cap = cap };
}

/* wbuf_reserve makes room for len > 0 bytes that the caller fills in.
 *
 * Returns:   where they go; NULL, and `full`, when they do not fit.
 */
static inline uint8_t *
wbuf_reserve(struct wbuf *w, size_t len)
{
	if (w->full || len > w->cap - w->len) {
		w->full = true;
		return NULL;
	}
	w->len += len;
	return w->p + (w->len - len);
}

static inline void
wbuf_put(struct wbuf *w, const void *p, size_t len)
{
	uint8_t *to;

	if (len == 0) { /* neither p nor the buffer need exist */
		return;
	}
	to = wbuf_reserve(w, len);
	if (to != NULL) {
		copy_bytes(to, p, len);
	}
}

/* wbuf_put_slice puts a slice; one that stands where it is to go already is not copied. */
static inline void
wbuf_put_slice(struct wbuf *w, struct slice s)
{
	if (s.len != 0 && (uintptr_t)s.p == (uintptr_t)w->p + w->len) { /* p may be NULL */
		(void)wbuf_reserve(w, s.len);
	} else {
		wbuf_put(w, s.p, s.len);
	}
}

static inline void
wbuf_u8(struct wbuf *w, uint8_t v)
{
	wbuf_put(w, &v, sizeof(v));
}

static inline void
wbuf_u16(struct wbuf *w, uint16_t v)
{
	v = htole16(v);
	wbuf_put(w, &v, sizeof(v));
}

static inline void
wbuf_u32(struct wbuf *w, uint32_t v)
{
	v = htole32(v);
	wbuf_put(w, &v, sizeof(v));
}

static inline void
wbuf_u64(struct wbuf *w, uint64_t v)
{
	v = htole64(v);
	wbuf_put(w, &v, sizeof(v));
}

void wbuf_varint(struct wbuf *w, uint64_t v);

/* wbuf_slice is what was written so far; it points into the writer's buffer. */
static inline struct slice
wbuf_slice(const struct wbuf *w)
{
	return slice_of(w->p, w->len);
}

/* ----------------------------------------------------------------- reader */

static inline struct rbuf
rbuf_of(struct slice s)
{
	return (struct rbuf){ .p = s.p, .len = s.len };
}

/* rbuf_take gives the next len bytes in place; they belong to the buffer that is being read.
 *
 * Returns:   the bytes; { NULL, 0 }, and `bad`, when fewer are left.
 */
static inline struct slice
rbuf_take(struct rbuf *r, size_t len)
{
	const uint8_t *p = r->p;

	if (r->bad || len > r->len) {
		r->bad = true;
		return slice_of(NULL, 0);
	}
	if (len != 0) {
		r->p += len;
		r->len -= len;
	}
	return slice_of(p, len);
}

static inline uint8_t
rbuf_u8(struct rbuf *r)
{
	struct slice s = rbuf_take(r, sizeof(uint8_t));

	return s.len != 0 ? s.p[0] : 0;
}

static inline uint16_t
rbuf_u16(struct rbuf *r)
{
	struct slice s = rbuf_take(r, sizeof(uint16_t));
	uint16_t v = 0;

	if (s.len != 0) {
		memcpy(&v, s.p, sizeof(v));
	}
	return le16toh(v);
}

static inline uint32_t
rbuf_u32(struct rbuf *r)
{
	struct slice s = rbuf_take(r, sizeof(uint32_t));
	uint32_t v = 0;

	if (s.len != 0) {
		memcpy(&v, s.p, sizeof(v));
	}
	return le32toh(v);
}

static inline uint64_t
rbuf_u64(struct rbuf *r)
{
	struct slice s = rbuf_take(r, sizeof(uint64_t));
	uint64_t v = 0;

	if (s.len != 0) {
		memcpy(&v, s.p, sizeof(v));
	}
	return le64toh(v);
}

uint64_t rbuf_varint(struct rbuf *r);

/* rbuf_done tells whether all was well and nothing is left: the question at the end of a codec. */
static inline bool
rbuf_done(const struct rbuf *r)
{
	return !r->bad && r->len == 0;
}

#endif
