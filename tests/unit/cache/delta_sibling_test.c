/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what was seen is replaced and what was not stays beside, whatever a writer claims to have
 *         seen; values that merge as they are, and items that only one gets.
 * Method: operations on one replica, and of two replicas exchanged. */
#include "delta_fixture.h"

/* The operation of one who has seen what `seen` shows: all of its siblings. */
static struct wset_op
sibling_op(enum wset_kind kind, const char *merge, const char *text, const struct replica *seen)
{
	static uint8_t mem[8192], context[2 * SEEN_CONTEXT_MAX];
	struct wset_op op = op_of(kind, merge, "", 0);
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	struct slice name, mvreg;
	struct envelope e;
	struct seen s = { 0 };

	if (seen != NULL) {
		assert_int_equal(envelope_open(seen->v, &e), 0);
		assert_true(merged_by(e.type, e.state, &name, &mvreg));
		assert_int_equal(seen_of(mvreg, e.epoch, context, &s), 0);
	}
	wbuf_put(&out, text, strlen(text));
	assert_int_equal(seen_put_tail(&out, &s), 0);
	op.value = wbuf_slice(&out);
	return op;
}

static int
sibling(struct replica *r, enum wset_kind kind, const char *merge, const char *text,
	const struct replica *seen)
{
	struct wset_op op = sibling_op(kind, merge, text, seen);
	struct slice delta;

	return apply(r, &op, &delta);
}

/* The values beside each other, in some order, behind each other. */
static const char *
siblings(const struct replica *r)
{
	static char text[128];
	struct slice name, mvreg;
	struct mvreg_sibling s;
	struct envelope e;
	size_t len = 0;

	assert_int_equal(envelope_open(r->v, &e), 0);
	assert_true(merged_by(e.type, e.state, &name, &mvreg));
	for (uint32_t i = 0; mvreg_next(mvreg, &i, &s);) {
		memcpy(text + len, s.value.p, s.value.len);
		len += s.value.len;
	}
	text[len] = 0;
	return text;
}

static struct replica
copied(const struct replica *r)
{
	struct replica c = *r;

	return c;
}

static void
siblings_of_foreign_bytes_are_refused(void **state)
{
	struct replica r = { .writer = 1 };
	struct wset_op op = op_of(WSET_SIBLING, "", "short", 0);
	struct slice delta;
	struct seen seen;

	assert_int_equal(apply(&r, &op, &delta), MB_ERR_CORRUPT);
	op = sibling_op(WSET_SIBLING, "", "a value", NULL);
	for (size_t len = 0; len < op.value.len; len++) {
		(void)seen_open(slice_of(op.value.p + len, op.value.len - len), &seen);
		(void)seen_open(slice_of(op.value.p, len), &seen);
	}
	put_there(&r, TEXT);
	assert_int_equal(sibling(&r, WSET_SIBLING, "", "v", NULL), MB_ERR_TYPE);
}

static void
what_was_seen_is_replaced_the_rest_stays_beside(void **state)
{
	struct replica r = { .writer = 1 }, seen;

	for (uint32_t merged = 0; merged < 2; merged++) {
		const char *merge = merged ? "longest" : "";

		r = (struct replica){ .writer = 1 };
		assert_int_equal(sibling(&r, WSET_SIBLING, merge, "a", NULL), 0);
		assert_int_equal(sibling(&r, WSET_SIBLING, merge, "b", NULL), 0);
		assert_string_equal(siblings(&r), "ab"); /* one writer, neither saw the other */
		assert_string_equal(shown(&r), "b");     /* the later one */
		seen = copied(&r);
		seen.v.p = seen.mem;
		assert_int_equal(sibling(&r, WSET_SIBLING, merge, "c", NULL), 0);
		assert_int_equal(sibling(&r, WSET_SETTLE, merge, "ab", &seen), 0);
		assert_int_equal(strlen(siblings(&r)), 3); /* "ab" and "c" */
		/* Once more, by another who saw the same: it is done. */
		assert_int_equal(sibling(&r, WSET_SETTLE, merge, "ab", &seen), 0);
		assert_int_equal(strlen(siblings(&r)), 3);
		assert_int_equal(sibling(&r, WSET_SIBLING, merge, "d", &r), 0);
		assert_string_equal(siblings(&r), "d");
		/* By another merge, or by none: not unnoticed. */
		assert_int_equal(sibling(&r, WSET_SIBLING, merged ? "" : "longest", "e", NULL),
				 MB_ERR_TYPE);
		assert_int_equal(quick(&r, WSET_INCR, NULL, 1), MB_ERR_TYPE);
		/* Deleted, and written anew: what was seen before says nothing now. */
		assert_int_equal(quick(&r, WSET_DEL, NULL, 0), 0);
		assert_string_equal(shown(&r), "");
		assert_int_equal(sibling(&r, WSET_SIBLING, merge, "f", NULL), 0);
		assert_int_equal(sibling(&r, WSET_SIBLING, merge, "g", &seen), 0);
		assert_int_equal(strlen(siblings(&r)), 2);
		/* Of another merge, once it is deleted. */
		assert_int_equal(quick(&r, WSET_DEL, NULL, 0), 0);
		assert_int_equal(sibling(&r, WSET_SIBLING, merged ? "other" : "longest", "h",
					 &seen),
				 0);
		assert_string_equal(siblings(&r), "h");
	}
}

/* Nobody has seen what is not there: a context that says so must not cover what comes. */
static void
a_claim_to_have_seen_the_future_is_not_believed(void **state)
{
	struct replica r = { .writer = 1 }, liar;

	assert_int_equal(sibling(&r, WSET_SIBLING, "", "a", NULL), 0);
	liar = copied(&r);
	liar.v.p = liar.mem;
	for (uint32_t i = 0; i < 4; i++) { /* events that r has still to come to */
		assert_int_equal(sibling(&liar, WSET_SIBLING, "", "x", NULL), 0);
	}
	assert_int_equal(sibling(&r, WSET_SIBLING, "", "b", &liar), 0); /* over a */
	assert_int_equal(sibling(&r, WSET_SIBLING, "", "c", NULL), 0);
	assert_string_equal(siblings(&r), "bc");
}

static void
a_delete_does_not_take_unseen_siblings(void **state)
{
	struct replica a = { .writer = 1 }, b = { .writer = 2 };
	struct wset_op del = op_of(WSET_DEL, "", "", 0), put;
	struct slice delta;
	uint8_t mem[4096];

	put = sibling_op(WSET_SIBLING, "longest", "a", NULL);
	assert_int_equal(apply(&a, &put, &delta), 0);
	absorb(&b, delta);
	assert_int_equal(apply(&a, &del, &delta), 0);
	memcpy(mem, delta.p, delta.len);
	delta.p = mem;
	assert_string_equal(shown(&a), "");
	put = sibling_op(WSET_SIBLING, "longest", "b", NULL);
	{
		struct slice put_delta;

		assert_int_equal(apply(&b, &put, &put_delta), 0);
		absorb(&a, put_delta);
	}
	absorb(&b, delta);
	assert_true(slice_eq(a.v, b.v));
	assert_string_equal(siblings(&a), "b");
}

static void
concurrent_writes_meet(void **state)
{
	struct replica a = { .writer = 1 }, b = { .writer = 2 };
	struct wset_op op_a, op_b;
	struct slice delta;
	uint8_t mem[4096];

	op_a = sibling_op(WSET_SIBLING, "longest", "a", NULL);
	assert_int_equal(apply(&a, &op_a, &delta), 0);
	memcpy(mem, delta.p, delta.len);
	delta.p = mem;
	absorb(&b, delta);
	op_b = sibling_op(WSET_SIBLING, "longest", "b", NULL);
	assert_int_equal(apply(&b, &op_b, &delta), 0);
	absorb(&a, delta);
	assert_true(slice_eq(a.v, b.v));
	assert_int_equal(strlen(siblings(&a)), 2);
	assert_int_equal(sibling(&a, WSET_SETTLE, "longest", "ab", &a), 0);
	assert_int_equal(sibling(&b, WSET_SETTLE, "longest", "ab", &b), 0);
	assert_true(slice_eq(a.v, b.v)); /* no write of its own: merging settles */
}

static int
merge(struct replica *r, unsigned int type, struct slice value)
{
	uint8_t id = (uint8_t)type;
	struct wset_op op = { .kind = WSET_MERGE,
			      .key = slice_str("k"),
			      .field = slice_of(&id, 1),
			      .value = value };
	struct slice delta;

	return apply(r, &op, &delta);
}

static struct slice
lww_by(const char *text, uint64_t time, uint64_t writer, uint8_t mem[64])
{
	struct wbuf out = wbuf_init(mem, 64);

	assert_int_equal(lww_delta_set((struct stamp){ { time }, { writer } }, slice_str(text),
				       &out),
			 0);
	return wbuf_slice(&out);
}

static struct slice
pair_of(uint64_t first, unsigned int type, struct slice second, uint8_t mem[128])
{
	uint8_t first_mem[8];
	struct wbuf out = wbuf_init(mem, 128), number = wbuf_init(first_mem, 8);
	struct pair_lex p = { LATTICE_MAX_U64, type, .second = second };

	assert_int_equal(u64_delta(first, &number), 0);
	p.first = wbuf_slice(&number);
	assert_int_equal(pair_lex_write(&p, &out), 0);
	return wbuf_slice(&out);
}

static void
values_that_merge_as_they_are(void **state)
{
	uint8_t mem[64], mem_2[64], pair[128], nested[128];
	struct replica r = { .writer = 1 };

	/* What names a writer that could be one of ours. */
	assert_int_equal(merge(&r, LATTICE_LWW, lww_by("v", 5, 1, mem)), MB_ERR_INVALID);
	assert_int_equal(merge(&r, LATTICE_PAIR_LEX,
			       pair_of(1, LATTICE_LWW, lww_by("v", 5, 1, mem), pair)),
			 MB_ERR_INVALID);
	assert_int_equal(merge(&r, LATTICE_ORSET, lww_by("v", 5, 0, mem)), MB_ERR_INVALID);
	assert_int_equal(merge(&r, LATTICE_PAIR_LEX,
			       pair_of(1, LATTICE_PAIR_LEX,
				       pair_of(1, LATTICE_LWW, lww_by("v", 5, 0, mem), pair),
				       nested)),
			 MB_ERR_INVALID);
	/* At times that are named, in whatever order. */
	assert_int_equal(merge(&r, LATTICE_LWW, lww_by("later", 6, 0, mem)), 0);
	assert_int_equal(merge(&r, LATTICE_LWW, lww_by("sooner", 5, 0, mem)), 0);
	assert_string_equal(shown(&r), "later");
	assert_int_equal(merge(&r, LATTICE_VCLOCK, lww_by("", 1, 7, mem)), MB_ERR_TYPE);
	assert_int_equal(quick(&r, WSET_DEL, NULL, 0), 0);
	/* A chain before a lattice. */
	assert_int_equal(merge(&r, LATTICE_PAIR_LEX,
			       pair_of(1, LATTICE_LWW, lww_by("first", 9, 0, mem_2), pair)),
			 0);
	assert_int_equal(merge(&r, LATTICE_PAIR_LEX,
			       pair_of(2, LATTICE_LWW, lww_by("second", 5, 0, mem_2), pair)),
			 0);
	assert_string_equal(shown(&r), "second");
	assert_int_equal(merge(&r, LATTICE_PAIR_LEX,
			       pair_of(1, LATTICE_LWW, lww_by("late", 99, 0, mem_2), pair)),
			 0);
	assert_string_equal(shown(&r), "second");
	/* Of another second, it would win whole: not unnoticed. */
	assert_int_equal(merge(&r, LATTICE_PAIR_LEX,
			       pair_of(3, LATTICE_BOOL_OR, slice_str("\1"), pair)),
			 MB_ERR_TYPE);
}

static void
only_one_takes_an_item(void **state)
{
	struct wset_op op = op_of(WSET_SREM, "", "m", 0);
	struct slice delta;
	struct replica r;

	op.must = true;
	put_there(&r, NOTHING);
	assert_int_equal(apply(&r, &op, &delta), MB_ERR_NOT_FOUND);
	put_there(&r, SET);
	assert_int_equal(apply(&r, &op, &delta), 0);
	assert_int_equal(apply(&r, &op, &delta), MB_ERR_NOT_FOUND);
	op = op_of(WSET_ZREM, "f", "", 0);
	op.must = true;
	put_there(&r, OSET);
	assert_int_equal(apply(&r, &op, &delta), 0);
	assert_int_equal(apply(&r, &op, &delta), MB_ERR_NOT_FOUND);
	op.kind = WSET_MAP_DEL;
	put_there(&r, MAP);
	assert_int_equal(apply(&r, &op, &delta), 0);
	assert_int_equal(apply(&r, &op, &delta), MB_ERR_NOT_FOUND);
	op = op_of(WSET_DEL, "", "", 0);
	op.must = true;
	put_there(&r, SET);
	assert_int_equal(apply(&r, &op, &delta), 0);
	assert_int_equal(apply(&r, &op, &delta), MB_ERR_NOT_FOUND);
	op = op_of(WSET_EXPIRE, "", "", 0); /* never, as it was */
	op.must = true;
	assert_int_equal(apply(&r, &op, &delta), MB_ERR_NOT_FOUND);
	put_there(&r, SET);
	assert_int_equal(apply(&r, &op, &delta), 0);
	assert_int_equal(delta.len, 0);
	put_there(&r, LIST);
	{
		struct envelope e;
		struct list_item item;
		uint8_t id[LIST_ID_BYTES];
		struct table_walk idx = { 0 };

		assert_int_equal(envelope_open(r.v, &e), 0);
		assert_true(list_next(e.state, &idx, &item));
		memcpy(id, item.id.p, sizeof(id));
		op.kind = WSET_LIST_DEL;
		op.field = slice_of(id, sizeof(id));
		assert_int_equal(apply(&r, &op, &delta), 0);
		assert_int_equal(apply(&r, &op, &delta), MB_ERR_NOT_FOUND);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siblings_of_foreign_bytes_are_refused),
		cmocka_unit_test(what_was_seen_is_replaced_the_rest_stays_beside),
		cmocka_unit_test(a_claim_to_have_seen_the_future_is_not_believed),
		cmocka_unit_test(a_delete_does_not_take_unseen_siblings),
		cmocka_unit_test(concurrent_writes_meet),
		cmocka_unit_test(values_that_merge_as_they_are),
		cmocka_unit_test(only_one_takes_an_item),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
