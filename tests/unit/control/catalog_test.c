/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   functions and DAGs live in the store: what was put there is read back by whoever starts
 *         with it, as it was; C1..C4 of catalog.h hold; a record may be anything.
 * Method: a store in memory, whose answers come when the test says so, survives the catalogs that
 *         use it. One with room for nothing, one that refuses, one that was damaged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_msg.h"
#include "catalog.h"
#include "../base/test_cmocka.h"
#include "microburst/error.h"

#define ROWS  64
#define NOTES 64

struct row {
	char key[160];
	uint8_t *value;
	size_t len;
};

enum ask { ASK_NONE, ASK_WRITE, ASK_GET, ASK_LIST };

struct world {
	struct catalog *c;
	/* the store */
	struct row row[ROWS];
	uint32_t row_cnt;
	enum ask asked;
	int refuse;    /* what writes are answered with */
	uint32_t full; /* so many questions find no room */
	uint32_t busy; /* so many deployments find no place */
	uint32_t page; /* keys a page */
	struct slice key, after;
	/* what was read back, and told */
	struct catalog_fn fn[ROWS];
	uint32_t fn_cnt, deploy_cnt, dag_cnt, note_cnt;
	int deploy_err;
	bool deploying;
	char object[ROWS][32];
	char dag[ROWS][160];
	char note[NOTES][160];
};

static void
note(struct world *w, const char *word, const char *what, int n)
{
	assert_true(w->note_cnt < NOTES);
	snprintf(w->note[w->note_cnt++], sizeof(w->note[0]), "%s %s %d", word, what, n);
}

static struct row *
row_find(struct world *w, struct slice key)
{
	for (uint32_t i = 0; i < w->row_cnt; i++) {
		if (slice_eq(slice_str(w->row[i].key), key)) {
			return &w->row[i];
		}
	}
	return NULL;
}

static void
row_del(struct world *w, struct row *r)
{
	free(r->value);
	*r = w->row[--w->row_cnt];
}

static void
row_put(struct world *w, struct slice key, struct slice value)
{
	struct row *r = row_find(w, key);

	if (r == NULL) {
		assert_true(w->row_cnt < ROWS);
		r = &w->row[w->row_cnt++];
		*r = (struct row){ .value = NULL };
		memcpy(r->key, key.p, key.len);
	}
	free(r->value);
	r->value = malloc(value.len + 1);
	assert_non_null(r->value);
	memcpy(r->value, value.p, value.len);
	r->len = value.len;
}

static int
begin(struct world *w, enum ask asked)
{
	assert_int_equal(w->asked, ASK_NONE); /* C1 */
	if (w->full > 0) {
		w->full--;
		return MB_ERR_FULL;
	}
	w->asked = asked;
	return 0;
}

static int
put(void *ctx, struct slice key, struct slice value)
{
	struct world *w = ctx;
	int err = begin(w, ASK_WRITE);

	if (err == 0 && w->refuse == 0) {
		row_put(w, key, value);
	}
	return err;
}

static int
del(void *ctx, struct slice key)
{
	struct world *w = ctx;
	int err = begin(w, ASK_WRITE);
	struct row *r = row_find(w, key);

	if (err == 0 && w->refuse == 0 && r != NULL) {
		row_del(w, r);
	}
	return err;
}

static int
get(void *ctx, struct slice key)
{
	struct world *w = ctx;

	w->key = key;
	return begin(w, ASK_GET);
}

static int
list(void *ctx, struct slice prefix, struct slice after)
{
	struct world *w = ctx;

	w->key = prefix;
	w->after = after;
	return begin(w, ASK_LIST);
}

static int
deploy(void *ctx, struct slice object, const struct catalog_fn *fn, uint32_t cnt)
{
	struct world *w = ctx;

	assert_false(w->deploying);
	if (w->busy > 0) {
		w->busy--;
		return MB_ERR_BUSY;
	}
	for (uint32_t i = 0; i < cnt; i++) {
		w->fn[w->fn_cnt] = fn[i];
		assert_true(object.len < sizeof(w->object[0]));
		memcpy(w->object[w->fn_cnt++], object.p, object.len);
	}
	w->deploying = true;
	w->deploy_cnt++;
	return 0;
}

static int
dag(void *ctx, const char *name, const char *text)
{
	struct world *w = ctx;

	snprintf(w->dag[w->dag_cnt++], sizeof(w->dag[0]), "%s: %s", name, text);
	return strcmp(text, "refused") == 0 ? MB_ERR_NO_FUNCTION : 0;
}

static void
stored(void *ctx, uint64_t token, int err)
{
	note(ctx, "stored", token == 7 ? "it" : "another", err);
}

static void
answer(void *ctx, void *what, int err)
{
	note(ctx, "answer", what, err);
}

static void
lost(void *ctx, const char *what, int err)
{
	note(ctx, "lost", what, err);
}

static int
by_key(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->key, ((const struct row *)b)->key);
}

/* A page of the list that was asked for. */
static void
page(struct world *w)
{
	uint8_t mem[4096];
	struct wbuf out = wbuf_init(mem, sizeof(mem));
	uint32_t cnt = 0;
	bool more = false;

	qsort(w->row, w->row_cnt, sizeof(w->row[0]), by_key);
	for (uint32_t i = 0; i < w->row_cnt; i++) {
		struct slice key = slice_str(w->row[i].key);

		if (key.len < w->key.len || memcmp(key.p, w->key.p, w->key.len) != 0 ||
		    slice_cmp(key, w->after) <= 0) {
			continue;
		}
		more = cnt++ == w->page;
		if (more) {
			break;
		}
		wbuf_u16(&out, (uint16_t)key.len);
		wbuf_put(&out, key.p, key.len);
	}
	catalog_listed(w->c, 0, wbuf_slice(&out), more);
}

/* The store answers, and executors try, until nothing is left to do. */
static void
settle(struct world *w)
{
	for (uint32_t turn = 0; turn < 1000; turn++) {
		enum ask asked = w->asked;
		bool room = catalog_step(w->c);
		struct row *r;

		asked = w->asked;
		w->asked = ASK_NONE;
		switch (asked) {
		case ASK_WRITE:
			catalog_answered(w->c, w->refuse, slice_of(NULL, 0));
			break;
		case ASK_GET:
			r = row_find(w, w->key);
			catalog_answered(w->c, r != NULL ? 0 : MB_ERR_NOT_FOUND,
					 r != NULL ? slice_of(r->value, r->len)
						   : slice_of(NULL, 0));
			break;
		case ASK_LIST:
			page(w);
			break;
		default:
			if (w->deploying) {
				w->deploying = false;
				catalog_deployed(w->c, w->deploy_err);
			} else if (!room) {
				assert_true(catalog_idle(w->c));
				return;
			}
		}
	}
	fail_msg("it does not come to an end");
}

/* A catalog that starts with what the store has. */
static void
start(struct world *w)
{
	struct catalog_ops ops = { put, del, get, list, deploy, dag, stored, answer, lost, w };

	if (w->c != NULL) {
		catalog_destroy(w->c);
	}
	w->fn_cnt = w->deploy_cnt = w->dag_cnt = w->note_cnt = 0;
	w->deploying = false;
	w->asked = ASK_NONE;
	memset(w->object, 0, sizeof(w->object));
	assert_int_equal(catalog_create(&w->c, &ops), 0);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->page = ROWS;
	start(w);
	settle(w);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	catalog_destroy(w->c);
	while (w->row_cnt > 0) {
		row_del(w, &w->row[0]);
	}
	free(w);
	return 0;
}

static struct catalog_fn
fn_named(const char *name, const char *object)
{
	struct catalog_fn f = { .version = 3,
				.pinned = true,
				.deadline_ns = 5000000000,
				.batch = 8,
				.memory_kib = 4096,
				.concurrency = 2,
				.class = "gpu" };

	snprintf(f.name, sizeof(f.name), "%s", name);
	snprintf(f.defined, sizeof(f.defined), "%s_in_it", name);
	catalog_hash(slice_str(object), f.object);
	return f;
}

static void
put_one(struct world *w, const char *name, const char *object)
{
	struct catalog_fn f = fn_named(name, object);

	catalog_put_object(w->c, slice_str(object), 7);
	catalog_put_fn(w->c, &f);
}

static void
ask_answer(struct world *w, const char *what)
{
	catalog_answer(w->c, (void *)(uintptr_t)what);
}

/* ---------------------------------------------------------------------------- tests */

static void
nothing_there(void **state)
{
	struct world *w = *state;

	assert_int_equal(w->fn_cnt, 0);
	assert_int_equal(w->note_cnt, 0);
}

/* Two functions of one object are tried together, one of another alone; limits come back. */
static void
read_back(void **state)
{
	struct world *w = *state;
	struct catalog_fn a = fn_named("a", "object 1");

	put_one(w, "a", "object 1");
	put_one(w, "b", "object 1");
	put_one(w, "c", "object 2");
	catalog_put_dag(w->c, "chain", "a -> b, \"b\" -> c\n");
	settle(w);
	w->page = 1;
	start(w);
	settle(w);
	assert_int_equal(w->fn_cnt, 3);
	assert_int_equal(w->deploy_cnt, 2);
	assert_memory_equal(&w->fn[0], &a, sizeof(a));
	assert_string_equal(w->fn[1].name, "b");
	assert_string_equal(w->object[1], "object 1");
	assert_string_equal(w->fn[2].name, "c");
	assert_string_equal(w->object[2], "object 2");
	assert_int_equal(w->dag_cnt, 1);
	assert_string_equal(w->dag[0], "chain: a -> b, \"b\" -> c\n");
	assert_int_equal(w->note_cnt, 0);
}

/* Those that differ in what a whole deployment has are tried apart. */
static void
read_back_apart(void **state)
{
	struct world *w = *state;
	struct catalog_fn f = fn_named("lazy", "object");

	put_one(w, "a", "object");
	f.pinned = false;
	catalog_put_fn(w->c, &f);
	f = fn_named("any", "object");
	f.class[0] = '\0';
	catalog_put_fn(w->c, &f);
	settle(w);
	start(w);
	w->busy = 3;
	settle(w);
	assert_int_equal(w->fn_cnt, 3);
	assert_int_equal(w->deploy_cnt, 3);
}

static void
deleted(void **state)
{
	struct world *w = *state;
	struct catalog_fn f = fn_named("a", "object 1");

	put_one(w, "a", "object 1");
	catalog_put_dag(w->c, "one", "a");
	catalog_del_dag(w->c, "one");
	catalog_del_fn(w->c, "a");
	catalog_del_object(w->c, f.object);
	settle(w);
	assert_int_equal(w->row_cnt, 0);
	start(w);
	settle(w);
	assert_int_equal(w->fn_cnt + w->dag_cnt + w->note_cnt, 0);
}

/* C1, C3: answers come behind what was asked before them, with its first error, once. */
static void
answers_in_turn(void **state)
{
	struct world *w = *state;

	ask_answer(w, "at once");
	assert_string_equal(w->note[0], "answer at once 0");
	w->full = 5;
	put_one(w, "a", "object 1");
	ask_answer(w, "first");
	assert_int_equal(w->note_cnt, 1);
	settle(w);
	assert_string_equal(w->note[1], "stored it 0");
	assert_string_equal(w->note[2], "answer first 0");
	w->refuse = MB_ERR_NO_MEMORY;
	catalog_del_fn(w->c, "a");
	catalog_put_dag(w->c, "d", "a");
	ask_answer(w, "refused");
	settle(w);
	w->refuse = 0;
	catalog_del_fn(w->c, "a");
	ask_answer(w, "fine again");
	settle(w);
	assert_int_equal(w->note_cnt, 5);
	assert_memory_equal(w->note[3], "answer refused -", 16);
	assert_string_equal(w->note[4], "answer fine again 0");
}

/* An object that the store refuses is told to who deploys it, not to the next answer. */
static void
object_refused(void **state)
{
	struct world *w = *state;

	w->refuse = MB_ERR_NO_MEMORY;
	catalog_put_object(w->c, slice_str("object"), 7);
	settle(w);
	w->refuse = 0;
	ask_answer(w, "x");
	assert_int_equal(w->note_cnt, 2);
	assert_memory_equal(w->note[0], "stored it -", 11);
	assert_string_equal(w->note[1], "answer x 0");
}

/* Who stops with answers owed gives them all. */
static void
stopped(void **state)
{
	struct world *w = *state;

	put_one(w, "a", "object 1");
	ask_answer(w, "late");
	start(w);
	assert_int_equal(w->note_cnt, 0); /* told to the one before: start forgets the notes */
	settle(w);
	assert_int_equal(w->fn_cnt, 0);
}

/* C4: what is damaged, missing or refused is told, stays, and keeps nothing else from coming. */
static void
damaged(void **state)
{
	struct world *w = *state;
	struct catalog_fn f = fn_named("b", "object 2");
	char key[160];

	put_one(w, "a", "object 1");
	catalog_put_fn(w->c, &f); /* its object is not there */
	put_one(w, "c", "object 3");
	catalog_put_dag(w->c, "bad", "refused");
	catalog_put_dag(w->c, "good", "a");
	settle(w);
	row_put(w, slice_str(KEY_SYSTEM "fn/zero"), slice_str("{}"));
	row_put(w, slice_str(KEY_SYSTEM "dag/list"), slice_str("[1]"));
	f = fn_named("c", "object 3");
	snprintf(key, sizeof(key), "%sobject/%s", KEY_SYSTEM, f.object);
	row_put(w, slice_str(key), slice_str("object 4"));
	start(w);
	settle(w);
	assert_int_equal(w->fn_cnt, 1);
	assert_string_equal(w->fn[0].name, "a");
	assert_int_equal(w->dag_cnt, 2); /* bad is tried, and refused */
	assert_int_equal(w->note_cnt, 5);
	assert_memory_equal(w->note[0], "lost zero -", 11);
	assert_memory_equal(w->note[1], "lost list -", 11);
	assert_memory_equal(w->note[2], "lost b -", 8);
	assert_memory_equal(w->note[3], "lost c -", 8);
	assert_memory_equal(w->note[4], "lost bad -", 10);
	assert_int_equal(w->row_cnt, 9);
}

/* A trial that is refused, or that a newer deployment has made needless. */
static void
trial_refused(void **state)
{
	struct world *w = *state;

	put_one(w, "a", "object 1");
	settle(w);
	w->deploy_err = MB_ERR_LOAD;
	start(w);
	settle(w);
	assert_int_equal(w->note_cnt, 1);
	assert_memory_equal(w->note[0], "lost a -", 8);
	w->deploy_err = MB_ERR_EXISTS;
	start(w);
	settle(w);
	assert_int_equal(w->note_cnt, 0);
}

/* What is asked for while it reads goes first, and is not undone by what is read. */
static void
asked_meanwhile(void **state)
{
	struct world *w = *state;

	put_one(w, "a", "object 1");
	put_one(w, "b", "object 2");
	settle(w);
	start(w);
	catalog_step(w->c);
	assert_int_equal(w->asked, ASK_LIST);
	w->asked = ASK_NONE;
	page(w); /* it knows a and b */
	catalog_del_fn(w->c, "a");
	ask_answer(w, "gone");
	settle(w);
	assert_string_equal(w->note[0], "answer gone 0");
	assert_int_equal(w->note_cnt, 1);
	assert_int_equal(w->fn_cnt, 1);
	assert_string_equal(w->fn[0].name, "b");
}

static void
records(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"null",
		"{\"version\":0,\"object\":\"00\"}",
		"{\"version\":1,\"object\":1,\"defined\":\"f\",\"class\":\"\",\"pinned\":true,"
		"\"deadline_ns\":0,\"batch\":0,\"memory_kib\":0,\"concurrency\":0}",
	};
	struct catalog_fn f = fn_named("a", "object"), back;
	char *text = catalog_fn_write(&f);

	(void)state;
	assert_non_null(text);
	assert_int_equal(catalog_fn_read(slice_str("a"), slice_str(text), &back), 0);
	assert_memory_equal(&f, &back, sizeof(f));
	assert_int_equal(catalog_fn_read(slice_str("1a"), slice_str(text), &back), MB_ERR_CORRUPT);
	*strstr(text, "\"version\":3") = 'x';
	assert_int_equal(catalog_fn_read(slice_str("a"), slice_str(text), &back), MB_ERR_CORRUPT);
	free(text);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(catalog_fn_read(slice_str("a"), slice_str(bad[i]), &back),
				 MB_ERR_CORRUPT);
		assert_null(catalog_dag_read(slice_str(bad[i])));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_there, setup, teardown),
		cmocka_unit_test_setup_teardown(read_back, setup, teardown),
		cmocka_unit_test_setup_teardown(read_back_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(deleted, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_in_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(object_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(stopped, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(trial_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(asked_meanwhile, setup, teardown),
		cmocka_unit_test(records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
