/* SPDX-License-Identifier: Apache-2.0 */
/* kvs_value.h - envelopes for the tests of the store */
#ifndef MB_TEST_KVS_VALUE_H
#define MB_TEST_KVS_VALUE_H

#include <assert.h>

#include "clock.h"
#include "envelope.h"
#include "gset.h"
#include "lattice.h"
#include "slice.h"
#include "strval.h"

/* Appends a SET of these bytes, in the epoch (time, writer 1). */
static inline struct slice
value_set(struct wbuf *out, uint64_t time, struct slice bytes)
{
	size_t start = out->len, len = bytes.len + 1;
	struct wbuf state = wbuf_init(out->p + out->cap - len, len);
	struct envelope e = { .epoch = { { time }, { 1 } }, .type = LATTICE_STRING };
	int err;

	assert(out->cap - out->len >= 2 * len + ENVELOPE_OVERHEAD);
	err = strval_delta_set(bytes, &state);
	e.state = wbuf_slice(&state);
	err |= envelope_write(&e, out);
	assert(err == 0);
	(void)err;
	return slice_of(out->p + start, out->len - start);
}

/* Appends the delta of adding a member to a set in epoch 0. */
static inline struct slice
value_member(struct wbuf *out, struct slice member)
{
	uint8_t mem[256];
	size_t start = out->len;
	struct wbuf state = wbuf_init(mem, sizeof(mem));
	struct envelope e = { .type = LATTICE_GSET };
	int err = gset_delta_add(&member, 1, &state);

	e.state = wbuf_slice(&state);
	err |= envelope_write(&e, out);
	assert(err == 0);
	(void)err;
	return slice_of(out->p + start, out->len - start);
}

/* The bytes of a SET. */
static inline struct slice
value_text(struct slice envelope)
{
	struct envelope e;
	struct slice text = { 0 };
	char buf[STRVAL_TEXT_MAX];

	if (envelope_open(envelope, &e) == 0) {
		(void)strval_text(e.state, buf, &text);
	}
	return text;
}

#endif
