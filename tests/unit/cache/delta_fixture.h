/* SPDX-License-Identifier: Apache-2.0 */
/* delta_fixture - a replica of one key that operations are done on, for the tests of delta.c */
#ifndef MB_TEST_DELTA_FIXTURE_H
#define MB_TEST_DELTA_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delta.h"
#include "envelope.h"
#include "gset.h"
#include "lattice.h"
#include "list.h"
#include "lww.h"
#include "map.h"
#include "microburst/error.h"
#include "mvreg.h"
#include "oset.h"
#include "pair_lex.h"
#include "scalar.h"
#include "seen.h"
#include "test_cmocka.h"
#include "view.h"

/* One replica of one key. */
struct replica {
	uint8_t mem[4096];
	struct slice v;
	uint64_t writer;
};

static uint64_t clock_now = 1000;
static uint64_t clock_set_back; /* by so much the clock of the day was */

static inline struct hlc_time
tick(void)
{
	return (struct hlc_time){ ++clock_now };
}

static inline struct hlc_moment
moment(void)
{
	struct hlc_moment at = hlc_moment_of(tick());

	at.day.v -= clock_set_back;
	return at;
}

/* Merges a delta in. */
static inline void
absorb(struct replica *r, struct slice delta)
{
	uint8_t mem[4096];
	struct wbuf out = wbuf_init(mem, sizeof(mem));

	assert_int_equal(lattice_check(LATTICE_ENVELOPE, delta), 0);
	assert_true(lattice_merge_into(LATTICE_ENVELOPE, r->v, delta, &out) > 0);
	if (out.len != 0) {
		memcpy(r->mem, out.p, out.len);
	}
	r->v = slice_of(r->mem, out.len);
}

/* Does an operation, in exactly as much room as delta_bound says. *ret_delta is static. */
static inline int
apply(struct replica *r, const struct wset_op *op, struct slice *ret_delta)
{
	static uint8_t *mem;
	size_t bound = delta_bound(r->v, op, op->value.len);
	struct wbuf out;
	int err;

	free(mem);
	mem = malloc(bound);
	out = wbuf_init(mem, bound);
	err = delta_make(r->v, op, moment(), (struct writer_id){ r->writer }, &out);
	*ret_delta = wbuf_slice(&out);
	if (err == 0) {
		absorb(r, *ret_delta);
	} else {
		assert_int_equal(out.len, 0);
	}
	return err;
}

static inline int
quick(struct replica *r, enum wset_kind kind, const char *value, int64_t n)
{
	struct wset_op op = { .kind = kind, .key = slice_str("k"), .n = n };
	struct slice delta;

	if (value != NULL) {
		op.value = slice_str(value);
	}
	if (wset_has(kind) & WSET_HAS_FIELD) {
		op.field = slice_str("f");
	}
	return apply(r, &op, &delta);
}

/* What it shows: a text, or the number of members or fields; "" when absent. */
static inline const char *
shown(const struct replica *r)
{
	static char text[128];
	struct envelope e;
	struct slice s = { 0 };
	char buf[VIEW_TEXT_MAX];

	assert_int_equal(envelope_open(r->v, &e), 0);
	text[0] = 0;
	if (delta_present(r->v, moment().day)) {
		if (lattice_table_ops(e.type) != NULL) {
			snprintf(text, sizeof(text), "{%u}", view_cnt(e.type, e.state));
		} else {
			assert_int_equal(view_text(e.type, e.state, buf, &s), 0);
			memcpy(text, s.p, s.len);
			text[s.len] = 0;
		}
	}
	return text;
}

enum there {
	NOTHING,
	TEXT,
	NUMBER,
	COUNTED,
	SET,
	MAP,
	LIST,
	OSET,
	GONE_TEXT,
	GONE_SET,
	GONE_MAP,
	GONE_LIST,
	GONE_OSET,
};

static inline void
put_there(struct replica *r, enum there what)
{
	memset(r, 0, sizeof(*r));
	r->writer = 1;
	switch (what) {
	case NOTHING:
		return;
	case TEXT:
	case GONE_TEXT:
		assert_int_equal(quick(r, WSET_PUT, "text", 0), 0);
		break;
	case NUMBER:
		assert_int_equal(quick(r, WSET_PUT, "40", 0), 0);
		break;
	case COUNTED:
		assert_int_equal(quick(r, WSET_INCR, NULL, 7), 0);
		break;
	case SET:
	case GONE_SET:
		assert_int_equal(quick(r, WSET_SADD, "m", 0), 0);
		break;
	case MAP:
	case GONE_MAP:
		assert_int_equal(quick(r, WSET_MAP_PUT, "v", 0), 0);
		break;
	case LIST:
	case GONE_LIST:
		assert_int_equal(quick(r, WSET_PUSH_LEFT, "i", 0), 0);
		break;
	case OSET:
	case GONE_OSET:
		assert_int_equal(quick(r, WSET_ZINCR, NULL, 0x3ff0000000000000), 0); /* 1.0 */
		break;
	}
	if (what >= GONE_TEXT) {
		assert_int_equal(quick(r, WSET_DEL, NULL, 0), 0);
		assert_string_equal(shown(r), "");
	}
}

static inline struct wset_op
op_of(enum wset_kind kind, const char *field, const char *value, int64_t n)
{
	return (struct wset_op){ .kind = kind,
				 .key = slice_str("k"),
				 .field = slice_str(field),
				 .value = slice_str(value),
				 .n = n };
}

#endif
