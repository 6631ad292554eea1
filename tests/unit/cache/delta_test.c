/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   each operation means what delta.h says, on each kind of value that can be there; deltas
 *         made apart from each other merge to what both meant.
 * Method: a table of (what is there, operation) -> error or text. Then operations of two replicas
 *         on copies of one value, exchanged both ways.
 */
#include "compiler.h"
#include "delta_fixture.h"
#include "list.h"
#include "table.h"

static void
table(void **state)
{
	const struct {
		enum there there;
		enum wset_kind kind;
		int err;
		const char *then;
	} row[] = {
		/* wrong types first */
		{ TEXT, WSET_INCR, MB_ERR_TYPE, "text" },
		{ SET, WSET_INCR, MB_ERR_TYPE, "{1}" },
		{ MAP, WSET_INCR, MB_ERR_TYPE, "{1}" },
		{ TEXT, WSET_SADD, MB_ERR_TYPE, "text" },
		{ COUNTED, WSET_SADD, MB_ERR_TYPE, "7" },
		{ MAP, WSET_SADD, MB_ERR_TYPE, "{1}" },
		{ TEXT, WSET_MAP_PUT, MB_ERR_TYPE, "text" },
		{ SET, WSET_MAP_PUT, MB_ERR_TYPE, "{1}" },
		/* PUT: anything becomes that text */
		{ NOTHING, WSET_PUT, 0, "new" },
		{ TEXT, WSET_PUT, 0, "new" },
		{ COUNTED, WSET_PUT, 0, "new" },
		{ SET, WSET_PUT, 0, "new" },
		{ MAP, WSET_PUT, 0, "new" },
		{ GONE_TEXT, WSET_PUT, 0, "new" },
		{ GONE_SET, WSET_PUT, 0, "new" },
		/* the others: from what is there, or from nothing */
		{ NOTHING, WSET_INCR, 0, "5" },
		{ NUMBER, WSET_INCR, 0, "45" },
		{ COUNTED, WSET_INCR, 0, "12" },
		{ GONE_TEXT, WSET_INCR, 0, "5" },
		{ GONE_SET, WSET_INCR, 0, "5" },
		{ GONE_MAP, WSET_INCR, 0, "5" },
		{ NOTHING, WSET_SADD, 0, "{1}" },
		{ SET, WSET_SADD, 0, "{2}" },
		{ GONE_TEXT, WSET_SADD, 0, "{1}" },
		{ GONE_SET, WSET_SADD, 0, "{1}" },
		{ NOTHING, WSET_MAP_PUT, 0, "{1}" },
		{ MAP, WSET_MAP_PUT, 0, "{1}" },
		{ GONE_TEXT, WSET_MAP_PUT, 0, "{1}" },
		{ GONE_MAP, WSET_MAP_PUT, 0, "{1}" },
		/* members and fields: gone, and what was none of theirs stays */
		{ TEXT, WSET_SREM, MB_ERR_TYPE, "text" },
		{ MAP, WSET_SREM, MB_ERR_TYPE, "{1}" },
		{ NOTHING, WSET_SREM, 0, "" },
		{ SET, WSET_SREM, 0, "{1}" }, /* of another member */
		{ TEXT, WSET_MAP_DEL, MB_ERR_TYPE, "text" },
		{ SET, WSET_MAP_DEL, MB_ERR_TYPE, "{1}" },
		{ NOTHING, WSET_MAP_DEL, 0, "" },
		{ MAP, WSET_MAP_DEL, 0, "" },
		{ GONE_MAP, WSET_MAP_DEL, 0, "" },
		{ SET, WSET_MAP_INCR, MB_ERR_TYPE, "{1}" },
		{ MAP, WSET_MAP_INCR, MB_ERR_TYPE, "{1}" }, /* the field is no number */
		{ NOTHING, WSET_MAP_INCR, 0, "{1}" },
		{ GONE_MAP, WSET_MAP_INCR, 0, "{1}" },
		/* lists */
		{ TEXT, WSET_PUSH_RIGHT, MB_ERR_TYPE, "text" },
		{ SET, WSET_PUSH_LEFT, MB_ERR_TYPE, "{1}" },
		{ NOTHING, WSET_PUSH_LEFT, 0, "{1}" },
		{ LIST, WSET_PUSH_LEFT, 0, "{2}" },
		{ LIST, WSET_PUSH_RIGHT, 0, "{2}" },
		{ GONE_LIST, WSET_PUSH_RIGHT, 0, "{1}" },
		{ LIST, WSET_LIST_SET, MB_ERR_INVALID, "{1}" }, /* "f" is no id */
		{ LIST, WSET_LIST_DEL, MB_ERR_INVALID, "{1}" },
		{ LIST, WSET_LIST_PLACE, MB_ERR_INVALID, "{1}" }, /* nor a position */
		{ TEXT, WSET_LIST_PLACE, MB_ERR_TYPE, "text" },
		{ LIST, WSET_SADD, MB_ERR_TYPE, "{1}" },
		{ GONE_LIST, WSET_SADD, 0, "{1}" },
		/* sorted sets */
		{ MAP, WSET_ZADD, MB_ERR_TYPE, "{1}" },
		{ OSET, WSET_MAP_PUT, MB_ERR_TYPE, "{1}" },
		{ NOTHING, WSET_ZADD, 0, "{1}" },
		{ OSET, WSET_ZADD, 0, "{1}" },
		{ OSET, WSET_ZINCR, 0, "{1}" },
		{ OSET, WSET_ZREM, 0, "" },
		{ NOTHING, WSET_ZREM, 0, "" },
		{ GONE_OSET, WSET_ZINCR, 0, "{1}" },
		{ LIST, WSET_DEL, 0, "" },
		{ OSET, WSET_DEL, 0, "" },
		/* DEL: nothing */
		{ NOTHING, WSET_DEL, 0, "" },
		{ TEXT, WSET_DEL, 0, "" },
		{ COUNTED, WSET_DEL, 0, "" },
		{ SET, WSET_DEL, 0, "" },
		{ MAP, WSET_DEL, 0, "" },
		{ GONE_TEXT, WSET_DEL, 0, "" },
		{ GONE_SET, WSET_DEL, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct replica r;
		bool valued = (wset_has(row[i].kind) & WSET_HAS_VALUE) != 0;

		put_there(&r, row[i].there);
		assert_int_equal(quick(&r, row[i].kind, valued ? "new" : NULL, 5), row[i].err);
		assert_string_equal(shown(&r), row[i].then);
	}
}

static void
beyond_int64(void **state)
{
	struct replica r = { .writer = 1 };

	(void)state;
	assert_int_equal(quick(&r, WSET_INCR, NULL, INT64_MAX), 0);
	assert_int_equal(quick(&r, WSET_INCR, NULL, 1), MB_ERR_TOO_LARGE);
	assert_string_equal(shown(&r), "9223372036854775807");
	assert_int_equal(quick(&r, WSET_INCR, NULL, -1), 0);
}

static void
too_little_room(void **state)
{
	static const enum wset_kind kind[] = { WSET_PUT, WSET_INCR, WSET_SADD, WSET_MAP_PUT,
					       WSET_MAP_INCR };
	struct replica r = { .writer = 1 };
	uint8_t mem[600];

	(void)state;
	for (uint32_t i = 0; i < sizeof(kind) / sizeof(kind[0]); i++) {
		struct wset_op op = { .kind = kind[i], .key = slice_str("k"), .n = 1 };

		if (wset_has(kind[i]) & WSET_HAS_VALUE) {
			op.value = slice_str("0123456789abcdef");
		}
		for (size_t room = 0; room < ENVELOPE_OVERHEAD; room++) {
			struct wbuf out = wbuf_init(mem, room);

			assert_int_equal(delta_make(r.v, &op, hlc_moment_of(tick()),
						    (struct writer_id){ 1 }, &out),
					 MB_ERR_TOO_LARGE);
			assert_int_equal(out.len, 0);
		}
	}
}

static void
nothing_to_do(void **state)
{
	struct replica r;
	struct wset_op op = { .kind = WSET_DEL, .key = slice_str("k") };
	struct slice delta;

	(void)state;
	put_there(&r, GONE_TEXT);
	assert_int_equal(apply(&r, &op, &delta), 0);
	assert_int_equal(delta.len, 0);
}

/* A value that stands where its delta will have it is not copied, and the delta is the same. */
static void
value_in_its_place(void **state)
{
	static const enum wset_kind kinds[] = { WSET_PUT,        WSET_SADD,       WSET_GADD,
						WSET_MERGE,      WSET_MAP_PUT,    WSET_PUSH_LEFT,
						WSET_PUSH_RIGHT, WSET_LIST_PLACE, WSET_LIST_SET };
	const struct writer_id writer = { 1 };
	const struct wset_op push = { .kind = WSET_PUSH_LEFT, .value = slice_str("item") };
	uint8_t list_mem[100], gset = LATTICE_GSET, mem[2][400];
	struct wbuf list = wbuf_init(list_mem, sizeof(list_mem));
	struct envelope e;
	struct table t;

	(void)state;
	assert_int_equal(delta_make((struct slice){ 0 }, &push, hlc_moment_of(tick()), writer,
				    &list),
			 0);
	assert_int_equal(envelope_open(wbuf_slice(&list), &e), 0);
	assert_int_equal(table_open(e.state, &t), 0);
	for (size_t i = 0; i < ARRAY_CNT(kinds); i++) {
		struct wset_op op = { .kind = kinds[i],
				      .field = slice_str("position"),
				      .value = slice_str("a value of some length") };
		struct slice stored = { 0 };
		struct hlc_moment now = hlc_moment_of(tick());
		struct wbuf out[2];
		size_t at;

		if (op.kind == WSET_MERGE) {
			op.field = slice_of(&gset, 1);
			op.value = e.state; /* a table is a set, whatever its items are */
		} else if (op.kind == WSET_LIST_SET) {
			op.field = slice_of(table_item(&t, 0).p, LIST_ID_BYTES);
			stored = wbuf_slice(&list);
		}
		out[0] = wbuf_init(mem[0], delta_bound(stored, &op, op.value.len));
		out[1] = wbuf_init(mem[1], out[0].cap);
		assert_int_equal(delta_make(stored, &op, now, writer, &out[0]), 0);
		at = delta_value_at(&op);
		assert_true(at + op.value.len < out[0].len);
		memcpy(mem[1] + at, op.value.p, op.value.len);
		op.value.p = mem[1] + at;
		assert_int_equal(delta_make(stored, &op, now, writer, &out[1]), 0);
		assert_true(slice_eq(wbuf_slice(&out[0]), wbuf_slice(&out[1])));
		assert_memory_equal(mem[0] + at, op.value.p, op.value.len);
	}
	assert_true(delta_value_at(&(struct wset_op){ .kind = WSET_SIBLING }) ==
		    DELTA_VALUE_NOWHERE);
}

/* ------------------------------------------------------------- two replicas */

/* Starts both from one value, does a to the one and b to the other, exchanges. */
static void
concurrently(struct replica *a, struct replica *b, enum there there, const struct wset_op *op_a,
	     const struct wset_op *op_b)
{
	uint8_t mem[4096];
	struct slice delta_a, delta_b;

	put_there(a, there);
	*b = *a;
	b->v.p = b->mem;
	b->writer = 2;
	assert_int_equal(apply(a, op_a, &delta_a), 0);
	if (delta_a.len != 0) {
		memcpy(mem, delta_a.p, delta_a.len);
	}
	delta_a.p = mem;
	assert_int_equal(apply(b, op_b, &delta_b), 0);
	absorb(a, delta_b);
	absorb(b, delta_a);
	assert_true(slice_eq(a->v, b->v));
}

static void
replicas_meet(void **state)
{
	struct wset_op incr = { .kind = WSET_INCR, .key = slice_str("k"), .n = 1 };
	struct wset_op del = { .kind = WSET_DEL, .key = slice_str("k") };
	struct wset_op add_a = { .kind = WSET_SADD,
				 .key = slice_str("k"),
				 .value = slice_str("a") };
	struct wset_op add_b = { .kind = WSET_SADD,
				 .key = slice_str("k"),
				 .value = slice_str("b") };
	struct replica a, b;

	(void)state;
	concurrently(&a, &b, NOTHING, &incr, &incr);
	assert_string_equal(shown(&a), "2");
	concurrently(&a, &b, NUMBER, &incr, &incr);
	assert_string_equal(shown(&a), "42");
	concurrently(&a, &b, COUNTED, &del, &incr); /* the increment was not seen: it survives */
	assert_string_equal(shown(&a), "1");
	concurrently(&a, &b, NOTHING, &add_a, &add_b);
	assert_string_equal(shown(&a), "{2}");
	concurrently(&a, &b, SET, &add_a, &add_b);
	assert_string_equal(shown(&a), "{3}");
}

/* ------------------------------------------------------- collections, deadlines */

static void
what_a_delete_did_not_see_survives(void **state)
{
	struct wset_op del = op_of(WSET_DEL, "", "", 0), srem = op_of(WSET_SREM, "", "m", 0);
	struct wset_op add = op_of(WSET_SADD, "", "m", 0), other = op_of(WSET_SADD, "", "n", 0);
	struct wset_op field = op_of(WSET_MAP_PUT, "f", "again", 0);
	struct wset_op field_2 = op_of(WSET_MAP_PUT, "g", "v", 0);
	struct wset_op count = op_of(WSET_MAP_INCR, "n", "", 3);
	struct wset_op field_del = op_of(WSET_MAP_DEL, "f", "", 0);
	struct replica a, b;

	concurrently(&a, &b, SET, &del, &other); /* another member */
	assert_string_equal(shown(&a), "{1}");
	concurrently(&a, &b, SET, &srem, &add); /* the same member, added again */
	assert_string_equal(shown(&a), "{1}");
	concurrently(&a, &b, SET, &srem, &srem);
	assert_string_equal(shown(&a), "");
	concurrently(&a, &b, MAP, &del, &field_2);
	assert_string_equal(shown(&a), "{1}");
	concurrently(&a, &b, MAP, &field_del, &field);
	assert_string_equal(shown(&a), "{1}");
	concurrently(&a, &b, MAP, &del, &field_del);
	assert_string_equal(shown(&a), "");
	concurrently(&a, &b, NOTHING, &count, &count);
	assert_string_equal(shown(&a), "{1}");
	{
		struct envelope e;
		struct map_field f;
		unsigned int type;
		struct slice value;
		int64_t n;

		assert_int_equal(envelope_open(a.v, &e), 0);
		assert_true(map_get(e.state, slice_str("n"), &f));
		assert_true(map_field_value(&f, &type, &value));
		assert_int_equal(view_i64(type, value, &n), 0);
		assert_int_equal(n, 6);
	}
}

static void
a_set_of_the_growing_kind_takes_members(void **state)
{
	uint8_t mem[64], env[128];
	struct wbuf set = wbuf_init(mem, sizeof(mem)), out = wbuf_init(env, sizeof(env));
	struct slice member = slice_str("a");
	struct envelope e = { .type = LATTICE_GSET };
	struct replica r = { .writer = 1 };

	assert_int_equal(gset_delta_add(&member, 1, &set), 0);
	e.state = wbuf_slice(&set);
	assert_int_equal(envelope_write(&e, &out), 0);
	absorb(&r, wbuf_slice(&out));
	assert_int_equal(quick(&r, WSET_SADD, "b", 0), 0);
	assert_string_equal(shown(&r), "{2}");
	assert_int_equal(quick(&r, WSET_SREM, "b", 0), MB_ERR_TYPE);
	/* It cannot forget one by one: a delete is a tombstone. */
	assert_int_equal(quick(&r, WSET_DEL, NULL, 0), 0);
	assert_string_equal(shown(&r), "");
}

/* Moves the clock to a number of microseconds. */
static void
clock_to(uint64_t us)
{
	clock_now = hlc_time_of_us(us).v;
}

static void
deadlines(void **state)
{
	static const enum there what[] = { TEXT, COUNTED, SET, MAP };
	struct wset_op keep = op_of(WSET_PUT, "", "kept", 0);
	struct slice delta;

	keep.keep = true;
	for (size_t i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
		struct replica r;

		clock_to(100);
		put_there(&r, what[i]);
		assert_int_equal(quick(&r, WSET_EXPIRE, NULL, -1), MB_ERR_INVALID);
		assert_int_equal(quick(&r, WSET_EXPIRE, NULL, 200), 0);
		clock_to(199);
		assert_string_not_equal(shown(&r), "");
		clock_to(200);
		assert_string_equal(shown(&r), "");
		/* Life after it. */
		assert_int_equal(quick(&r, WSET_SADD, "m", 0), 0);
		assert_string_equal(shown(&r), "{1}");
		clock_to(300);
		assert_string_equal(shown(&r), "{1}");
		/* Taken back. */
		assert_int_equal(quick(&r, WSET_EXPIRE, NULL, 400), 0);
		assert_int_equal(quick(&r, WSET_EXPIRE, NULL, 0), 0);
		clock_to(500);
		assert_string_equal(shown(&r), "{1}");
		/* A put ends it, or keeps it. */
		assert_int_equal(quick(&r, WSET_EXPIRE, NULL, 600), 0);
		assert_int_equal(apply(&r, &keep, &delta), 0);
		clock_to(601);
		assert_string_equal(shown(&r), "");
		assert_int_equal(quick(&r, WSET_PUT, "x", 0), 0);
		assert_int_equal(quick(&r, WSET_EXPIRE, NULL, 700), 0);
		assert_int_equal(quick(&r, WSET_PUT, "y", 0), 0);
		clock_to(701);
		assert_string_equal(shown(&r), "y");
		/* So does a delete. */
		assert_int_equal(quick(&r, WSET_EXPIRE, NULL, 800), 0);
		assert_int_equal(quick(&r, WSET_DEL, NULL, 0), 0);
		assert_int_equal(quick(&r, WSET_INCR, NULL, 1), 0);
		clock_to(801);
		assert_string_equal(shown(&r), "1");
	}
}

/* What time it is the clock of the day says, to who writes as to who reads, also when it is set
 * back behind what was stamped before: what has a deadline by it is there until then. */
static void
deadlines_of_a_clock_that_is_set_back(void **state)
{
	static const struct {
		enum there there;
		enum wset_kind kind; /* finds it */
		const char *then;
	} row[] = {
		{ COUNTED, WSET_INCR, "8" },     { SET, WSET_SADD, "{2}" },
		{ LIST, WSET_PUSH_LEFT, "{2}" }, { OSET, WSET_ZREM, "" },
		{ TEXT, WSET_DEL, "" },          { MAP, WSET_DEL, "" },
	};

	for (size_t i = 0; i < ARRAY_CNT(row); i++) {
		struct wset_op again = op_of(WSET_EXPIRE, "", "", 2000);
		struct slice delta;
		struct replica r;

		again.must = true;
		clock_to(10000);
		put_there(&r, row[i].there);
		clock_set_back = hlc_time_of_us(9000).v; /* it is 1000 again */
		assert_int_equal(quick(&r, WSET_EXPIRE, NULL, 3000), 0);
		assert_int_equal(apply(&r, &again, &delta), 0);
		assert_int_equal(quick(&r, row[i].kind, row[i].kind == WSET_DEL ? NULL : "n", 1),
				 0);
		assert_string_equal(shown(&r), row[i].then);
		clock_to(9000 + 2000);
		assert_string_equal(shown(&r), "");
		clock_set_back = 0;
	}
}

/* A collection without items is an absent key: what comes into it later has not its deadline. */
static void
a_deadline_ends_with_the_last_item(void **state)
{
	static const struct {
		enum there there;
		enum wset_kind remove, add;
	} row[] = {
		{ SET, WSET_SREM, WSET_SADD },
		{ MAP, WSET_MAP_DEL, WSET_MAP_PUT },
		{ OSET, WSET_ZREM, WSET_ZINCR },
	};

	struct wset_op keep = op_of(WSET_PUT, "", "kept", 0);
	struct slice delta;

	keep.keep = true;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		const char *text = row[i].there == OSET ? NULL : "m";
		const int64_t one = row[i].there == OSET ? 0x3ff0000000000000 : 0;
		struct replica r;

		clock_to(100);
		put_there(&r, row[i].there);
		assert_int_equal(quick(&r, WSET_EXPIRE, NULL, 200), 0);
		assert_int_equal(quick(&r, row[i].add, text, one), 0);
		clock_to(201);
		assert_string_equal(shown(&r), "");
		clock_to(100);
		put_there(&r, row[i].there);
		assert_int_equal(quick(&r, WSET_EXPIRE, NULL, 200), 0);
		assert_int_equal(quick(&r, row[i].remove, row[i].there == SET ? "m" : NULL, 0), 0);
		assert_string_equal(shown(&r), "");
		assert_int_equal(quick(&r, row[i].add, text, one), 0);
		clock_to(201);
		assert_string_equal(shown(&r), "{1}");
		/* And what it is given after that counts; but not for a put that keeps it. */
		assert_int_equal(quick(&r, WSET_EXPIRE, NULL, 300), 0);
		clock_to(301);
		assert_string_equal(shown(&r), "");
		clock_to(100);
		put_there(&r, row[i].there);
		assert_int_equal(quick(&r, WSET_EXPIRE, NULL, 200), 0);
		assert_int_equal(quick(&r, row[i].remove, row[i].there == SET ? "m" : NULL, 0), 0);
		assert_int_equal(apply(&r, &keep, &delta), 0);
		clock_to(201);
		assert_string_equal(shown(&r), "kept");
	}
}

static void
a_deadline_does_not_bring_the_state_along(void **state)
{
	struct wset_op op = op_of(WSET_EXPIRE, "", "", 5000000);
	struct wset_op add = op_of(WSET_SADD, "", "n", 0);
	struct slice delta;
	struct replica a, b;

	put_there(&a, SET);
	assert_int_equal(apply(&a, &op, &delta), 0);
	assert_true(delta.len <= ENVELOPE_OVERHEAD + ENVELOPE_EXPIRY_OVERHEAD);
	/* And merges with what others do. */
	concurrently(&a, &b, SET, &op, &add);
	assert_string_equal(shown(&a), "{2}");
	clock_to(5000001);
	assert_string_equal(shown(&a), "");
}

static double
score_of(const struct replica *r, const char *member)
{
	struct envelope e;
	double x = 0;

	assert_int_equal(envelope_open(r->v, &e), 0);
	assert_int_equal(oset_score(e.state, slice_str(member), &x), 0);
	return x;
}

static int64_t
bits_of(double x)
{
	int64_t n;

	memcpy(&n, &x, sizeof(n));
	return n;
}

static void
lists_and_scores_meet(void **state)
{
	struct wset_op left = op_of(WSET_PUSH_LEFT, "", "l", 0);
	struct wset_op right = op_of(WSET_PUSH_RIGHT, "", "r", 0);
	struct wset_op del = op_of(WSET_DEL, "", "", 0);
	struct wset_op set = op_of(WSET_ZADD, "f", "", bits_of(10));
	struct wset_op add = op_of(WSET_ZINCR, "f", "", bits_of(0.5));
	struct wset_op rem = op_of(WSET_ZREM, "f", "", 0);
	struct wset_op nan = op_of(WSET_ZADD, "f", "", bits_of(__builtin_nan("")));
	struct slice delta;
	struct replica a, b;

	concurrently(&a, &b, LIST, &left, &right);
	assert_string_equal(shown(&a), "{3}");
	concurrently(&a, &b, LIST, &right, &right);
	assert_string_equal(shown(&a), "{3}");
	concurrently(&a, &b, LIST, &del, &right);
	assert_string_equal(shown(&a), "{1}");
	concurrently(&a, &b, OSET, &add, &add);
	assert_true(score_of(&a, "f") == 2);
	concurrently(&a, &b, OSET, &set, &add); /* the one loss: of an older epoch */
	assert_true(score_of(&a, "f") == 10);
	concurrently(&a, &b, OSET, &rem, &add);
	assert_true(score_of(&a, "f") == 0.5);
	concurrently(&a, &b, OSET, &rem, &set);
	assert_true(score_of(&a, "f") == 10);
	assert_int_equal(apply(&a, &nan, &delta), MB_ERR_INVALID);
	/* An item by its id. */
	put_there(&a, LIST);
	{
		struct list_item item;
		struct envelope e;
		uint8_t id[LIST_ID_BYTES], first[LIST_ID_BYTES];
		struct table_walk walk = { 0 };
		struct wset_op op = { .kind = WSET_LIST_SET,
				      .key = slice_str("k"),
				      .value = slice_str("new") };

		assert_int_equal(envelope_open(a.v, &e), 0);
		assert_true(list_next(e.state, &walk, &item));
		memcpy(id, item.id.p, sizeof(id));
		op.field = slice_of(id, sizeof(id));
		assert_int_equal(apply(&a, &op, &delta), 0);
		assert_int_equal(envelope_open(a.v, &e), 0);
		assert_true(list_find(e.state, op.field, &item));
		assert_true(slice_eq(item.value, slice_str("new")));
		op.kind = WSET_LIST_PLACE; /* far to the left, so before it */
		op.field = slice_of("\1\0\0\0\0\0\0\0", 8);
		op.value = slice_str("first");
		assert_int_equal(apply(&a, &op, &delta), 0);
		assert_int_equal(envelope_open(a.v, &e), 0);
		walk = (struct table_walk){ 0 };
		assert_true(list_next(e.state, &walk, &item));
		assert_true(slice_eq(item.value, slice_str("first")));
		op.kind = WSET_LIST_DEL;
		op.value = slice_str("");
		memcpy(first, item.id.p, sizeof(first));
		op.field = slice_of(first, sizeof(first));
		assert_int_equal(apply(&a, &op, &delta), 0);
		op.field = slice_of(id, sizeof(id));
		op.value = slice_str("");
		assert_int_equal(apply(&a, &op, &delta), 0);
		assert_string_equal(shown(&a), "");
		assert_int_equal(apply(&a, &op, &delta), 0);
		assert_int_equal(delta.len, 0);
		op.kind = WSET_LIST_SET;
		assert_int_equal(apply(&a, &op, &delta), MB_ERR_NOT_FOUND);
	}
}

static void
values_merge_as_they_are(void **state)
{
	uint8_t mem[64];
	struct wbuf value = wbuf_init(mem, sizeof(mem));
	uint8_t type = LATTICE_MAX_U64;
	struct wset_op op = { .kind = WSET_MERGE,
			      .key = slice_str("k"),
			      .field = { .p = &type, .len = 1 } };
	struct slice delta;
	struct replica r;

	assert_int_equal(u64_delta(7, &value), 0);
	op.value = wbuf_slice(&value);
	put_there(&r, TEXT);
	assert_int_equal(apply(&r, &op, &delta), MB_ERR_TYPE);
	put_there(&r, GONE_TEXT);
	assert_int_equal(apply(&r, &op, &delta), 0);
	assert_string_equal(shown(&r), "7");
	mem[0] = 6;
	assert_int_equal(apply(&r, &op, &delta), 0);
	assert_string_equal(shown(&r), "7");
	type = LATTICE_MIN_U64;
	assert_int_equal(apply(&r, &op, &delta), MB_ERR_TYPE);
	/* What is no value of the type, or could be forged. */
	type = LATTICE_MAX_U64;
	op.value.len--;
	assert_int_equal(apply(&r, &op, &delta), MB_ERR_CORRUPT);
	op.value.len++;
	for (type = 0; type < UINT8_MAX; type++) {
		if (!delta_mergeable(type)) {
			assert_int_equal(apply(&r, &op, &delta), MB_ERR_INVALID);
		}
	}
	op.field.len = 0;
	assert_int_equal(apply(&r, &op, &delta), MB_ERR_INVALID);
	/* It only grows: a delete is a tombstone, and life goes on after it. */
	assert_int_equal(quick(&r, WSET_DEL, NULL, 0), 0);
	assert_string_equal(shown(&r), "");
	assert_int_equal(quick(&r, WSET_SADD, "m", 0), 0);
	assert_string_equal(shown(&r), "{1}");
}

/* A put at a time is the same whoever does it: replicas agree, byte by byte, in every order. */
static void
named_times(void **state)
{
	struct wset_op early = { .kind = WSET_MAP_PUT,
				 .key = slice_str("k"),
				 .field = slice_str("f"),
				 .value = slice_str("early"),
				 .at = true,
				 .time_us = 7 };
	struct wset_op late = early;
	struct replica a = { .writer = 1 }, b = { .writer = 2 };
	struct slice delta, text;
	char buf[VIEW_TEXT_MAX];
	struct map_field field;
	struct envelope e, of_field;

	(void)state;
	late.value = slice_str("late");
	late.time_us = 8;
	assert_int_equal(apply(&a, &early, &delta), 0);
	assert_int_equal(apply(&a, &late, &delta), 0);
	assert_int_equal(apply(&b, &late, &delta), 0);
	assert_int_equal(apply(&b, &early, &delta), 0);
	assert_int_equal(apply(&b, &late, &delta), 0);
	assert_true(slice_eq(a.v, b.v));
	assert_int_equal(envelope_open(a.v, &e), 0);
	assert_true(map_get(e.state, slice_str("f"), &field));
	assert_int_equal(envelope_open(field.value, &of_field), 0);
	assert_int_equal(hlc_time_us(of_field.epoch.time), 8);
	assert_int_equal(view_text(of_field.type, of_field.state, buf, &text), 0);
	assert_true(slice_eq(text, slice_str("late")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(beyond_int64),
		cmocka_unit_test(too_little_room),
		cmocka_unit_test(nothing_to_do),
		cmocka_unit_test(value_in_its_place),
		cmocka_unit_test(replicas_meet),
		cmocka_unit_test(named_times),
		cmocka_unit_test(what_a_delete_did_not_see_survives),
		cmocka_unit_test(a_set_of_the_growing_kind_takes_members),
		cmocka_unit_test(deadlines),
		cmocka_unit_test(deadlines_of_a_clock_that_is_set_back),
		cmocka_unit_test(lists_and_scores_meet),
		cmocka_unit_test(values_merge_as_they_are),
		cmocka_unit_test(a_deadline_ends_with_the_last_item),
		cmocka_unit_test(a_deadline_does_not_bring_the_state_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
