/* SPDX-License-Identifier: Apache-2.0 */
/* codec.h - the few lines that every encoding here needs
 *
 * Inside this folder only. Encodings are read from their end (lattice.h, E3), at any alignment, so
 * they are loaded from fixed places rather than streamed through an rbuf.
 */
#ifndef MB_CODEC_H
#define MB_CODEC_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "clock.h"
#include "microburst/error.h"
#include "slice.h"

#define STAMP_BYTES 16

static inline uint16_t
codec_u16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

static inline uint32_t
codec_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline uint64_t
codec_u64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline double
codec_f64(const uint8_t *p)
{
	uint64_t bits = codec_u64(p);
	double x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

static inline void
codec_put_f64(struct wbuf *out, double x)
{
	uint64_t bits;

	memcpy(&bits, &x, sizeof(bits));
	wbuf_u64(out, bits);
}

/* A stamp stands as writer, time: backwards, as it is read. */
static inline struct stamp
codec_stamp(const uint8_t *p)
{
	return (struct stamp){ .writer = { codec_u64(p) }, .time = { codec_u64(p + 8) } };
}

static inline void
codec_put_stamp(struct wbuf *out, struct stamp s)
{
	wbuf_u64(out, s.writer.v);
	wbuf_u64(out, s.time.v);
}

static inline void
codec_put_slice(struct wbuf *out, struct slice s)
{
	wbuf_put_slice(out, s);
}

/* codec_cut takes the last len bytes off a slice.
 *
 * Requires:  len <= s->len
 */
static inline struct slice
codec_cut(struct slice *s, size_t len)
{
	s->len -= len;
	return slice_of(s->p + s->len, len);
}

/* codec_done ends a series of puts that began with `before = *out`: all of it was written, or none.
 *
 * Returns:   0; MB_ERR_TOO_LARGE, and out as before.
 */
static inline int
codec_done(struct wbuf *out, struct wbuf before)
{
	if (out->full) {
		*out = before;
		return MB_ERR_TOO_LARGE;
	}
	return 0;
}

#endif
