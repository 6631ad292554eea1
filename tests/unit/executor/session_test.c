/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a call sees its own writes at once and nobody else does before they are published; what a
 *         session shows is what the store makes of it; every limit is a typed error; whatever the
 *         way out, nothing stays held.
 * Method: a session before a real cache and store (exec_world). Random operations, on few keys so
 *         that they meet, read back through the session before and through the store after
 *         publishing. */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec_world.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include <microburst/error.h>

#define CALL UINT64_C(77)

static struct world *w;
static struct session *s;

static int
setup_with(uint32_t cache_cnt)
{
	struct session_conf conf;

	w = world_make(cache_cnt);
	conf = (struct session_conf){ .pool = w->pool,
				      .view = &w->view,
				      .cache_cnt = cache_cnt,
				      .proc = WORLD_PROC,
				      .wait = &w->wait };
	assert_int_equal(session_create(&s, &conf), 0);
	session_begin(s, CALL, 0, false);
	return 0;
}

static int
setup(void **state)
{
	return setup_with(1);
}

static int
setup_tiles(void **state)
{
	return setup_with(3);
}

static int
teardown(void **state)
{
	w->hold = false;
	assert_int_equal(session_end(s), 0);
	assert_int_equal(session_held(s), 0);
	session_destroy(s);
	world_end(w);
	return 0;
}

static struct slice
k(const char *text)
{
	return slice_str(text);
}

static void
begin(uint64_t deadline_ns)
{
	assert_int_equal(session_end(s), 0);
	assert_int_equal(session_held(s), 0);
	session_begin(s, CALL, deadline_ns, false);
}

static void
assert_shows(const char *key, const char *text)
{
	struct slice got;

	assert_int_equal(session_get(s, k(key), &got), 0);
	assert_int_equal(got.len, strlen(text));
	assert_memory_equal(got.p, text, got.len);
}

static void
assert_absent(const char *key)
{
	struct slice got;

	assert_int_equal(session_get(s, k(key), &got), MB_ERR_NOT_FOUND);
}

/* ---------------------------------------------------------------- refusals */

static void
keys_and_values_have_limits(void **state)
{
	static uint8_t long_key[KEY_BYTES_MAX + 1];
	struct slice too_long = slice_of(long_key, sizeof(long_key));
	struct slice longest = slice_of(long_key, KEY_BYTES_MAX);
	struct slice got;
	bool in;

	memset(long_key, 'k', sizeof(long_key));
	assert_int_equal(session_get(s, slice_of("", 0), &got), MB_ERR_INVALID);
	assert_int_equal(session_put(s, slice_of("", 0), k("v")), MB_ERR_INVALID);
	assert_int_equal(session_get(s, too_long, &got), MB_ERR_TOO_LARGE);
	assert_non_null(strstr(session_why(s), "1,024 bytes"));
	assert_int_equal(session_put(s, too_long, k("v")), MB_ERR_TOO_LARGE);
	assert_int_equal(session_sadd(s, k("s"), too_long), MB_ERR_TOO_LARGE);
	assert_int_equal(session_sismember(s, k("s"), too_long, &in), MB_ERR_TOO_LARGE);
	assert_int_equal(session_map_put(s, k("m"), too_long, k("v")), MB_ERR_TOO_LARGE);
	assert_int_equal(session_put(s, k("v"), slice_of(long_key, VALUE_BYTES_MAX + 1)),
			 MB_ERR_TOO_LARGE);
	assert_non_null(strstr(session_why(s), "64 MiB"));
	assert_int_equal(session_put(s, longest, k("fits")), 0);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, longest), "fits");
	/* A long key is fetched like any other. */
	assert_int_equal(session_end(s), 0);
	world_evict(w);
	session_begin(s, CALL, 0, false);
	assert_int_equal(session_get(s, longest, &got), 0);
	assert_int_equal(got.len, 4);
}

static void
a_read_only_call_does_not_write(void **state)
{
	struct slice got;

	world_put(w, "a", "1");
	assert_int_equal(session_end(s), 0);
	session_begin(s, CALL, 0, true);
	assert_int_equal(session_put(s, k("a"), k("2")), MB_ERR_DENIED);
	assert_int_equal(session_incr(s, k("a"), 1, NULL), MB_ERR_DENIED);
	assert_int_equal(session_delete(s, k("a")), MB_ERR_DENIED);
	assert_int_equal(session_sadd(s, k("a"), k("m")), MB_ERR_DENIED);
	assert_int_equal(session_map_put(s, k("a"), k("f"), k("v")), MB_ERR_DENIED);
	assert_int_equal(session_get(s, k("a"), &got), 0);
	assert_int_equal(session_publish(s), 0);
	assert_int_equal(w->sent[DESC_PUBLISH], 0);
}

/* What this call has written itself, and what the cache shows, decide at once. */
static void
types_do_not_mix(void **state)
{
	struct slice got;
	uint64_t cnt;
	int64_t x;

	assert_int_equal(session_put(s, k("str"), k("text")), 0);
	assert_int_equal(session_incr(s, k("str"), 1, NULL), MB_ERR_TYPE);
	assert_int_equal(session_sadd(s, k("str"), k("m")), MB_ERR_TYPE);
	assert_int_equal(session_scard(s, k("str"), &cnt), MB_ERR_TYPE);
	assert_int_equal(session_map_get(s, k("str"), k("f"), &got), MB_ERR_TYPE);
	assert_int_equal(session_get_i64(s, k("str"), &x), MB_ERR_TYPE);
	assert_int_equal(session_sadd(s, k("set"), k("m")), 0);
	assert_int_equal(session_get(s, k("set"), &got), MB_ERR_TYPE);
	assert_int_equal(session_incr(s, k("set"), 1, NULL), MB_ERR_TYPE);
	assert_int_equal(session_map_put(s, k("set"), k("f"), k("v")), MB_ERR_TYPE);
	/* A refused write leaves what was there. */
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, 1);

	world_sadd(w, "there", "m");
	assert_int_equal(session_get(s, k("there"), &got), MB_ERR_TYPE);
	assert_int_equal(session_incr(s, k("there"), 1, NULL), MB_ERR_TYPE);
	assert_int_equal(session_map_get(s, k("there"), k("f"), &got), MB_ERR_TYPE);
	world_put(w, "words", "not a number");
	assert_int_equal(session_incr(s, k("words"), 1, NULL), MB_ERR_TYPE);
	assert_int_equal(session_get_i64(s, k("words"), &x), MB_ERR_TYPE);
	/* But a put takes any key over. */
	assert_int_equal(session_put(s, k("there"), k("text")), 0);
	assert_shows("there", "text");
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("there")), "text");
}

/* What cannot be seen at once is found when it is published, named, and alone. */
static void
the_store_s_refusal_names_the_operation(void **state)
{
	world_sadd(w, "members", "m");
	assert_int_equal(session_end(s), 0);
	world_evict(w);
	session_begin(s, CALL, 0, false);
	assert_int_equal(session_put(s, k("before"), k("1")), 0);
	assert_int_equal(session_incr(s, k("members"), 1, NULL), 0); /* not cached: not seen */
	assert_int_equal(session_put(s, k("after"), k("2")), 0);
	assert_int_equal(session_publish(s), MB_ERR_TYPE);
	assert_non_null(strstr(session_why(s), "the incr of 'members'"));
	assert_string_equal(world_text(w, k("before")), "1");
	assert_string_equal(world_text(w, k("after")), "2");
	assert_string_equal(world_text(w, k("members")), "(set of 1)");
}

static void
sums_have_64_bits(void **state)
{
	int64_t x = 4;

	world_put(w, "max", "9223372036854775807");
	assert_int_equal(session_incr(s, k("max"), 1, &x), MB_ERR_TOO_LARGE);
	assert_int_equal(x, 4);
	assert_int_equal(session_incr(s, k("n"), INT64_MAX, &x), 0);
	assert_int_equal(session_incr(s, k("n"), 1, NULL), MB_ERR_TOO_LARGE);
	assert_int_equal(session_incr(s, k("n"), INT64_MIN, &x), 0);
	assert_int_equal(x, -1);
	assert_int_equal(session_put(s, k("p"), k("9223372036854775800")), 0);
	assert_int_equal(session_incr(s, k("p"), 8, NULL), MB_ERR_TOO_LARGE);
	assert_int_equal(session_incr(s, k("p"), 7, &x), 0);
	assert_int_equal(session_put(s, k("p"), k("9223372036854775808")), 0);
	assert_int_equal(session_incr(s, k("p"), 1, NULL), MB_ERR_TYPE);
}

static void
as_many_keys_as_fit(void **state)
{
	char key[32];
	int64_t x;

	for (int i = 0; i < SESSION_KEY_MAX; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		assert_int_equal(session_incr(s, k(key), i, NULL), 0);
	}
	assert_int_equal(session_incr(s, k("one more"), 1, NULL), MB_ERR_TOO_LARGE);
	assert_non_null(strstr(session_why(s), "16,384 keys"));
	assert_int_equal(session_incr(s, k("key 9"), 1, &x), 0); /* an old one goes on */
	assert_int_equal(x, 10);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("key 16383")), "16383");
	assert_int_equal(session_incr(s, k("one more"), 1, NULL), 0); /* published: room again */
}

static void
as_many_members_as_fit(void **state)
{
	char member[32];
	uint64_t cnt;

	for (int i = 0; i < SESSION_ELEM_MAX; i++) {
		snprintf(member, sizeof(member), "%d", i);
		assert_int_equal(session_sadd(s, k("set"), k(member)), 0);
	}
	assert_int_equal(session_sadd(s, k("set"), k("1")), 0);
	assert_int_equal(session_sadd(s, k("set"), k("x")), MB_ERR_TOO_LARGE);
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, SESSION_ELEM_MAX);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("set")), "(set of 32767)");
}

static void
as_many_bytes_as_fit(void **state)
{
	static uint8_t value[WSET_INLINE_MAX];
	char key[32];
	int err = 0;
	int i;

	for (i = 0; err == 0; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		err = session_put(s, k(key), slice_of(value, sizeof(value)));
	}
	assert_int_equal(err, MB_ERR_TOO_LARGE);
	assert_non_null(strstr(session_why(s), "16 MiB"));
	assert_true(i > 3900);
	/* As much as is held can be published. */
	assert_int_equal(session_publish(s), 0);
	assert_int_equal(session_held(s), 0);
}

static void
large_values_end_with_the_memory(void **state)
{
	static uint8_t value[1 << 20];
	char key[32];
	int err = 0;

	w->seg_budget = 8 << 20;
	for (int i = 0; err == 0; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		err = session_put(s, k(key), slice_of(value, sizeof(value)));
		assert_true(i < 16);
	}
	assert_int_equal(err, MB_ERR_NO_MEMORY);
	assert_non_null(strstr(session_why(s), "payload memory"));
	session_discard(s);
	begin(0);
	assert_int_equal(session_put(s, k("again"), slice_of(value, sizeof(value))), 0);
}

static void
views_have_a_limit_and_a_way_out(void **state)
{
	static char value[600];
	char key[32];
	struct slice got;
	int64_t x;
	int i, err = 0;

	memset(value, 'v', sizeof(value) - 1);
	for (i = 0; i < HAZARD_CNT + 8; i++) {
		snprintf(key, sizeof(key), "large %d", i);
		world_put(w, key, value);
	}
	for (i = 0; err == 0; i++) {
		snprintf(key, sizeof(key), "large %d", i);
		err = session_get(s, k(key), &got);
		/* The same value twice is one view. */
		assert_int_equal(err == 0 ? session_get(s, k(key), &got) : 0, 0);
	}
	assert_int_equal(err, MB_ERR_TOO_LARGE);
	assert_non_null(strstr(session_why(s), "mb_release"));
	assert_int_equal(i, HAZARD_CNT); /* one slot is for looking: what is read and not shown */
	assert_int_equal(session_get_i64(s, k(key), &x), MB_ERR_TYPE);
	session_release(s, k("large 0"));
	assert_int_equal(session_get(s, k(key), &got), 0);
	session_views_end(s);
	assert_int_equal(session_held(s), 0);
}

static void
small_views_have_a_limit_too(void **state)
{
	char key[32];
	struct slice got;
	int i, err = 0;

	for (i = 0; i <= SESSION_VIEW_MAX; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		world_put(w, key, "v");
	}
	for (i = 0; err == 0; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		err = session_get(s, k(key), &got);
	}
	assert_int_equal(err, MB_ERR_TOO_LARGE);
	assert_non_null(strstr(session_why(s), "8,192"));
	session_release(s, k("k0"));
	session_release(s, k("k1"));
	assert_int_equal(session_get(s, k("k1"), &got), 0);
	for (i = 0; i < 3 * SESSION_VIEW_MAX; i++) { /* one value, however often */
		assert_int_equal(session_get(s, k("k2"), &got), 0);
	}
}

/* --------------------------------------------------------------- deadlines */

static void
a_fetch_ends_at_the_deadline(void **state)
{
	struct slice got;

	world_put(w, "far", "value");
	world_evict(w);
	begin(w->time.now_ns + 1000000000);
	w->hold = true;
	assert_int_equal(session_get(s, k("far"), &got), MB_ERR_DEADLINE);
	w->hold = false;
	session_discard(s);
	assert_int_equal(session_end(s), 0);
	/* The answer that came too late belongs to nobody, and gives back what it has. */
	while (w->answers.cnt != 0) {
		struct desc d;

		assert_int_equal(w->wait.answer(w, 0, &d), 1);
		session_on_answer(s, &d);
	}
	session_begin(s, CALL, 0, false);
	assert_shows("far", "value");
}

static void
a_publication_without_an_answer_is_indeterminate(void **state)
{
	static uint8_t large[100000];

	begin(w->time.now_ns + 1000000000);
	assert_int_equal(session_put(s, k("a"), k("1")), 0);
	assert_int_equal(session_put(s, k("large"), slice_of(large, sizeof(large))), 0);
	w->hold = true;
	assert_int_equal(session_publish(s), MB_ERR_INDETERMINATE);
	/* Another one waits for it, within the deadline. */
	assert_int_equal(session_put(s, k("a"), k("2")), 0);
	assert_int_equal(session_publish(s), MB_ERR_INDETERMINATE);
	w->hold = false;
	session_discard(s);
	begin(0);
	assert_string_equal(world_text(w, k("a")), "1");
}

/* --------------------------------------------------------------- own writes */

static void
own_writes_are_seen_and_not_by_others(void **state)
{
	int64_t x;

	world_put(w, "a", "old");
	assert_int_equal(session_put(s, k("a"), k("new")), 0);
	assert_int_equal(session_incr(s, k("n"), 5, &x), 0);
	assert_int_equal(x, 5);
	assert_shows("a", "new");
	assert_shows("n", "5");
	assert_string_equal(world_text(w, k("a")), "old");
	assert_string_equal(world_text(w, k("n")), "(absent)");
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("a")), "new");
	assert_string_equal(world_text(w, k("n")), "5");
	assert_shows("n", "5");
}

static void
what_is_discarded_never_was(void **state)
{
	assert_int_equal(session_put(s, k("a"), k("1")), 0);
	assert_int_equal(session_sadd(s, k("s"), k("m")), 0);
	session_discard(s);
	assert_absent("a");
	assert_int_equal(session_publish(s), 0);
	assert_int_equal(w->sent[DESC_PUBLISH], 0);
	assert_string_equal(world_text(w, k("a")), "(absent)");
}

static void
increments_add_up_to_one_operation(void **state)
{
	int64_t x;

	world_put(w, "n", "1000");
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(session_incr(s, k("n"), 1, NULL), 0);
	}
	assert_int_equal(session_get_i64(s, k("n"), &x), 0);
	assert_int_equal(x, 2000);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("n")), "2000");
	assert_int_equal(cache_core_stats(w->cache[0].core).op_applied, 2);
}

static void
a_blind_increment_fetches_nothing(void **state)
{
	world_put(w, "n", "5");
	assert_int_equal(session_end(s), 0);
	world_evict(w);
	session_begin(s, CALL, 0, false);
	assert_int_equal(session_incr(s, k("n"), 1, NULL), 0);
	assert_int_equal(w->sent[DESC_FETCH], 0);
	assert_shows("n", "6");
	assert_int_equal(w->sent[DESC_FETCH], 1);
}

/* A view of an own write stays as it was, whatever is written over it, and over a flush. */
static void
views_of_own_writes_last(void **state)
{
	static uint8_t large[70000];
	struct slice first, big;

	memset(large, 'x', sizeof(large));
	assert_int_equal(session_put(s, k("a"), k("first")), 0);
	assert_int_equal(session_get(s, k("a"), &first), 0);
	assert_int_equal(session_put(s, k("a"), k("other")), 0);
	assert_int_equal(session_put(s, k("b"), slice_of(large, sizeof(large))), 0);
	assert_int_equal(session_get(s, k("b"), &big), 0);
	memset(large, 'y', sizeof(large));
	assert_int_equal(session_put(s, k("b"), slice_of(large, sizeof(large))), 0);
	assert_int_equal(session_publish(s), 0);
	assert_memory_equal(first.p, "first", 5);
	assert_int_equal(big.p[0], 'x');
	assert_int_equal(big.p[big.len - 1], 'x');
	/* A value may be put that is a view of the old one. */
	assert_int_equal(session_put(s, k("c"), k("0123456789")), 0);
	assert_int_equal(session_get(s, k("c"), &first), 0);
	assert_int_equal(session_put(s, k("c"), slice_of(first.p + 5, 5)), 0);
	assert_shows("c", "56789");
}

static void
values_of_every_size_arrive(void **state)
{
	static const size_t len[] = { 0, 1, 40, 48, 4096, 4097, 65536, 65537, 1 << 20, 64 << 20 };
	uint8_t *value = malloc(64 << 20);

	for (size_t i = 0; i < 64 << 20; i++) {
		value[i] = (uint8_t)(i * 31 >> 3);
	}
	for (size_t i = 0; i < ARRAY_CNT(len); i++) {
		struct slice got;

		assert_int_equal(session_put(s, k("value"), slice_of(value, len[i])), 0);
		assert_int_equal(session_publish(s), 0);
		begin(0);
		assert_int_equal(session_get(s, k("value"), &got), 0);
		assert_int_equal(got.len, len[i]);
		assert_int_equal(memcmp(got.p, value, got.len), 0);
	}
	free(value);
}

static void
sets_show_stored_and_own_members(void **state)
{
	struct session_iter it;
	struct slice m;
	uint64_t cnt;
	int seen = 0;
	bool in;

	world_sadd(w, "set", "a");
	world_sadd(w, "set", "b");
	assert_int_equal(session_sadd(s, k("set"), k("b")), 0);
	assert_int_equal(session_sadd(s, k("set"), k("c")), 0);
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, 3);
	assert_int_equal(session_sismember(s, k("set"), k("a"), &in), 0);
	assert_true(in);
	assert_int_equal(session_sismember(s, k("set"), k("c"), &in), 0);
	assert_true(in);
	assert_int_equal(session_sismember(s, k("set"), k("d"), &in), 0);
	assert_false(in);
	assert_int_equal(session_set_begin(s, k("set"), &it), 0);
	while (session_set_next(s, &it, &m)) {
		assert_int_equal(m.len, 1);
		seen |= 1 << (m.p[0] - 'a');
	}
	assert_int_equal(seen, 7);
	assert_int_equal(session_scard(s, k("nothing"), &cnt), 0);
	assert_int_equal(cnt, 0);
	/* A delete takes the stored ones away, too. */
	assert_int_equal(session_delete(s, k("set")), 0);
	assert_int_equal(session_sadd(s, k("set"), k("e")), 0);
	assert_int_equal(session_scard(s, k("set"), &cnt), 0);
	assert_int_equal(cnt, 1);
	assert_int_equal(session_sismember(s, k("set"), k("c"), &in), 0);
	assert_false(in);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("set")), "(set of 1)");
}

static void
maps_show_stored_and_own_fields(void **state)
{
	struct slice got;

	assert_int_equal(session_map_put(s, k("map"), k("x"), k("1")), 0);
	assert_int_equal(session_map_put(s, k("map"), k("y"), k("2")), 0);
	assert_int_equal(session_publish(s), 0);
	begin(0);
	assert_int_equal(session_map_put(s, k("map"), k("y"), k("3")), 0);
	assert_int_equal(session_map_get(s, k("map"), k("x"), &got), 0);
	assert_memory_equal(got.p, "1", 1);
	assert_int_equal(session_map_get(s, k("map"), k("y"), &got), 0);
	assert_memory_equal(got.p, "3", 1);
	assert_int_equal(session_map_get(s, k("map"), k("z"), &got), MB_ERR_NOT_FOUND);
	assert_int_equal(session_map_get(s, k("none"), k("z"), &got), MB_ERR_NOT_FOUND);
	assert_int_equal(session_publish(s), 0);
	assert_string_equal(world_text(w, k("map")), "(map of 2)");
}

/* --------------------------------------------------------------------- model */

enum { MODEL_KEYS = 4, MODEL_NAMES = 3 };

static const char *const model_name[MODEL_NAMES] = { "x", "y", "zz" };

/* What is shown under a key, whatever its type, in words. */
static void
words_of(struct slice key, char *ret, size_t bytes)
{
	struct slice got;
	uint64_t cnt;
	size_t len = 0;
	bool in;
	int err = session_get(s, key, &got);

	if (err == 0) {
		snprintf(ret, bytes, "text %.*s", (int)got.len, (const char *)got.p);
		return;
	}
	if (err == MB_ERR_NOT_FOUND) {
		/* An empty set or map is no key. */
		assert_int_equal(session_scard(s, key, &cnt), 0);
		assert_int_equal(cnt, 0);
		snprintf(ret, bytes, "absent");
		return;
	}
	assert_int_equal(err, MB_ERR_TYPE);
	if (session_scard(s, key, &cnt) == 0) {
		len = (size_t)snprintf(ret, bytes, "set of %d", (int)cnt);
		for (int i = 0; i < MODEL_NAMES; i++) {
			assert_int_equal(session_sismember(s, key, k(model_name[i]), &in), 0);
			len += (size_t)snprintf(ret + len, bytes - len, "%s", in ? " in" : " out");
		}
		return;
	}
	len = (size_t)snprintf(ret, bytes, "map");
	for (int i = 0; i < MODEL_NAMES; i++) {
		err = session_map_get(s, key, k(model_name[i]), &got);
		assert_true(err == 0 || err == MB_ERR_NOT_FOUND);
		len += (size_t)snprintf(ret + len, bytes - len, " %.*s",
					err == 0 ? (int)got.len : 1,
					err == 0 ? (const char *)got.p : "-");
	}
}

static void
random_op(struct rng *r, struct slice key)
{
	const char *name = model_name[rng_below(r, MODEL_NAMES)];
	char value[16];
	int64_t x;
	int err;

	snprintf(value, sizeof(value), "%s%d", rng_below(r, 3) == 0 ? "v" : "",
		 (int)rng_below(r, 100));
	switch (rng_below(r, 8)) {
	case 0:
		err = session_put(s, key, k(value));
		break;
	case 1:
		err = session_delete(s, key);
		break;
	case 2:
	case 3:
		err = session_incr(s, key, (int64_t)rng_below(r, 9) - 4,
				   rng_below(r, 2) == 0 ? &x : NULL);
		break;
	case 4:
	case 5:
		err = session_sadd(s, key, k(name));
		break;
	default:
		err = session_map_put(s, key, k(name), k(value));
		break;
	}
	assert_true(err == 0 || err == MB_ERR_TYPE);
}

/* The heart of it: what was shown before publishing is what everybody sees after it. Keys are
 * cached, so that a write of the wrong type is refused at once and not by the store. */
static void
the_store_makes_of_it_what_was_shown(void **state)
{
	char before[MODEL_KEYS][128], after[128];
	struct rng r;

	rng_init(&r, test_seed("session"));
	for (int call = 0; call < 4000; call++) {
		uint32_t ops = (uint32_t)rng_below(&r, 12);
		char key[MODEL_KEYS][8];

		for (int i = 0; i < MODEL_KEYS; i++) {
			snprintf(key[i], sizeof(key[i]), "key%d", i);
			words_of(k(key[i]), after, sizeof(after)); /* now it is cached */
		}
		for (uint32_t i = 0; i < ops; i++) {
			random_op(&r, k(key[rng_below(&r, MODEL_KEYS)]));
		}
		for (int i = 0; i < MODEL_KEYS; i++) {
			words_of(k(key[i]), before[i], sizeof(before[i]));
		}
		assert_int_equal(session_publish(s), 0);
		begin(0);
		if (rng_below(&r, 64) == 0) {
			world_evict(w);
		}
		for (int i = 0; i < MODEL_KEYS; i++) {
			words_of(k(key[i]), after, sizeof(after));
			if (strcmp(before[i], after) != 0) {
				fail_msg("call %d, %s: shown '%s', became '%s'", call, key[i],
					 before[i], after);
			}
		}
		session_views_end(s);
	}
}

/* Three tiles: each gets its keys, all answers are awaited, one payload for each. */
static void
each_tile_gets_its_keys(void **state)
{
	static uint8_t large[20000];
	char key[16];

	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		assert_int_equal(session_incr(s, k(key), i, NULL), 0);
		snprintf(key, sizeof(key), "large %d", i);
		assert_int_equal(session_put(s, k(key), slice_of(large, sizeof(large))), 0);
	}
	assert_int_equal(session_publish(s), 0);
	assert_int_equal(w->sent[DESC_PUBLISH], 3);
	for (int i = 0; i < 100; i++) {
		char text[16];

		snprintf(key, sizeof(key), "key %d", i);
		snprintf(text, sizeof(text), "%d", i);
		assert_string_equal(world_text(w, k(key)), text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(keys_and_values_have_limits),
		TEST(a_read_only_call_does_not_write),
		TEST(types_do_not_mix),
		TEST(the_store_s_refusal_names_the_operation),
		TEST(sums_have_64_bits),
		TEST(as_many_keys_as_fit),
		TEST(as_many_members_as_fit),
		TEST(as_many_bytes_as_fit),
		TEST(large_values_end_with_the_memory),
		TEST(views_have_a_limit_and_a_way_out),
		TEST(small_views_have_a_limit_too),
		TEST(a_fetch_ends_at_the_deadline),
		TEST(a_publication_without_an_answer_is_indeterminate),
		TEST(own_writes_are_seen_and_not_by_others),
		TEST(what_is_discarded_never_was),
		TEST(increments_add_up_to_one_operation),
		TEST(a_blind_increment_fetches_nothing),
		TEST(views_of_own_writes_last),
		TEST(values_of_every_size_arrive),
		TEST(sets_show_stored_and_own_members),
		TEST(maps_show_stored_and_own_fields),
		TEST(the_store_makes_of_it_what_was_shown),
#undef TEST
		cmocka_unit_test_setup_teardown(each_tile_gets_its_keys, setup_tiles, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
