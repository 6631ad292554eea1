/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   acts are done with the value at hand, each is told what it came to, and a list is
 *         answered once, when the last of its acts is acknowledged.
 * Method: acts that append a text to what is there, in kvs_world; one tile, and two that both have
 *         the key.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envelope.h"
#include "kvs_act.h"
#include "kvs_world.h"
#include "lattice.h"
#include "microburst/error.h"
#include "strval.h"
#include "test_cmocka.h"

#define REFUSED MB_ERR_TYPE

struct list {
	struct kvs_acts acts; /* first: make finds the rest */
	/* NULL: make refuses; "": nothing to do; "?": it only looks */
	const char *text[KVS_ACT_MAX];
	uint32_t made_cnt, changed_cnt, seen_len[KVS_ACT_MAX];
	uint64_t time;
};

static int
make(struct kvs_acts *acts, uint32_t i, struct slice stored, struct wbuf *out)
{
	struct list *l = (struct list *)acts;
	struct envelope e, to = { .type = LATTICE_STRING };
	char buf[STRVAL_TEXT_MAX];
	uint8_t state[256];
	struct wbuf w = wbuf_init(state, sizeof(state)), bytes;
	struct slice was = { 0 };
	uint8_t mem[200];

	assert_int_equal(envelope_open(stored, &e), 0);
	if (l->text[i] == NULL) {
		return REFUSED;
	}
	if (l->text[i][0] == 0) {
		return 0;
	}
	if (l->text[i][0] == '?') {
		l->seen_len[i] = (uint32_t)stored.len;
		return KVS_ACT_LOOKED;
	}
	if (stored.len != 0) {
		assert_int_equal(strval_text(e.state, buf, &was), 0);
	}
	bytes = wbuf_init(mem, sizeof(mem));
	wbuf_put(&bytes, was.p, was.len);
	wbuf_put(&bytes, l->text[i], strlen(l->text[i]));
	assert_int_equal(strval_delta_set(wbuf_slice(&bytes), &w), 0);
	to.state = wbuf_slice(&w);
	to.epoch.time.v = ++l->time;
	return envelope_write(&to, out);
}

static void
made(struct kvs_acts *acts, uint32_t i, struct slice stored, bool changed)
{
	struct list *l = (struct list *)acts;

	(void)i;
	(void)stored;
	l->made_cnt++;
	l->changed_cnt += changed;
}

static void
add(struct list *l, const char *key, const char *text, enum kvs_ack ack)
{
	l->acts.make = make;
	l->acts.made = made;
	l->text[l->acts.cnt] = text;
	l->acts.act[l->acts.cnt++] = (struct kvs_act){ .key = slice_str(key), .ack = (uint8_t)ack };
}

static void
send(struct world *w, uint32_t tile, uint32_t from, struct list *l)
{
	struct desc d = { .kind = DESC_KVS_ACT, .b = 5, .word[0] = (uintptr_t)&l->acts };

	kvs_core_burst(&w->tile[tile].core, from, &d, 1);
}

static void
is_text(struct world *w, uint32_t tile, const char *key, const char *text)
{
	struct envelope e;
	struct slice shown;
	char buf[STRVAL_TEXT_MAX];

	assert_int_equal(envelope_open(world_has(w, tile, key), &e), 0);
	assert_int_equal(strval_text(e.state, buf, &shown), 0);
	assert_true(slice_eq(shown, slice_str(text)));
}

/* In order, each with what the one before it left; an act that fails leaves the others alone. */
static void
one_after_the_other(void **state)
{
	struct world *w = world_make(1, 1, 1, 2 << 20);
	struct list l = { 0 };
	struct desc d;

	(void)state;
	add(&l, "a", "x", KVS_ACK_ONE);
	add(&l, "b", NULL, KVS_ACK_ONE);
	add(&l, "a", "y", KVS_ACK_ONE);
	add(&l, "none", "", KVS_ACK_ONE);
	send(w, 0, 0, &l);
	assert_true(world_take(w, 0, DESC_KVS_ACTED, &d, NULL));
	assert_false(world_take(w, 0, DESC_KVS_ACTED, &d, NULL));
	assert_int_equal(d.b, 5);
	assert_int_equal(d.word[0], (uintptr_t)&l.acts);
	is_text(w, 0, "a", "xy");
	assert_int_equal(l.acts.act[0].err, 0);
	assert_int_equal(l.acts.act[1].err, REFUSED);
	assert_int_equal(l.acts.act[3].err, 0);
	assert_int_equal(world_has(w, 0, "b").len, 0);
	assert_int_equal(world_has(w, 0, "none").len, 0);
	assert_int_equal(l.made_cnt, 3);
	assert_int_equal(l.changed_cnt, 2);
	world_end(w);
}

/* A look is told of nothing and tells nobody: who has a copy keeps it. */
static void
a_look_changes_nothing(void **state)
{
	struct world *w = world_make(1, 1, 1, 2 << 20);
	struct list l = { 0 };
	struct desc d;

	(void)state;
	add(&l, "a", "x", KVS_ACK_ONE);
	add(&l, "a", "?", KVS_ACK_ALL);
	add(&l, "none", "?", KVS_ACK_ONE);
	send(w, 0, 0, &l);
	assert_true(world_take(w, 0, DESC_KVS_ACTED, &d, NULL));
	assert_int_equal(l.made_cnt, 1);
	assert_int_equal(l.seen_len[1], world_has(w, 0, "a").len);
	assert_int_equal(l.seen_len[2], 0);
	assert_int_equal(l.acts.act[1].err, 0);
	assert_int_equal(l.acts.act[2].err, 0);
	is_text(w, 0, "a", "x");
	assert_int_equal(world_has(w, 0, "none").len, 0);
	world_end(w);
}

/* A cache that acts has no copy: it is not told what others write. One that fetched behind it has
 * one. */
static void
who_acts_has_no_copy(void **state)
{
	struct world *w = world_make(1, 1, 2, 2 << 20);
	struct list l = { 0 }, again = { 0 };
	struct desc d;

	(void)state;
	world_get(w, 0, 0, "a");
	assert_true(world_take(w, 0, DESC_KVS_GOT, &d, NULL));
	add(&l, "a", "x", KVS_ACK_ONE);
	send(w, 0, 0, &l);
	assert_true(world_take(w, 0, DESC_KVS_ACTED, &d, NULL));
	world_merge(w, 0, 2, "a", world_set(w, 100, "other"), KVS_ACK_ONE);
	world_move(w, WORLD_PERIOD_NS);
	assert_false(world_take(w, 0, DESC_KVS_TELL, &d, NULL));
	world_get(w, 0, 0, "a");
	assert_true(world_take(w, 0, DESC_KVS_GOT, &d, NULL));
	again.time = 200;
	add(&again, "a", "z", KVS_ACK_ONE);
	send(w, 0, 1, &again); /* another cache */
	world_move(w, WORLD_PERIOD_NS);
	assert_true(world_take(w, 0, DESC_KVS_TELL, &d, NULL));
	world_reply(w, 0, 0, &d, 0);
	is_text(w, 0, "a", "otherz");
	world_end(w);
}

/* With two owners, the list is answered when the other one has the act that asked for it. */
static void
acknowledged_by_all(void **state)
{
	struct world *w = world_make(2, 2, 1, 2 << 20);
	uint32_t primary = world_owner(w, "a", 0);
	struct list l = { 0 };
	struct desc d;

	(void)state;
	add(&l, "a", "x", KVS_ACK_ALL);
	add(&l, "a", "y", KVS_ACK_ONE);
	w->cut = true;
	send(w, primary, 0, &l);
	world_move(w, WORLD_PERIOD_NS);
	assert_false(world_take(w, 0, DESC_KVS_ACTED, &d, NULL));
	w->cut = false;
	world_move(w, 2 * WORLD_PERIOD_NS);
	assert_true(world_take(w, 0, DESC_KVS_ACTED, &d, NULL));
	assert_int_equal(l.acts.act[0].err, 0);
	is_text(w, world_owner(w, "a", 1), "a", "xy");
	world_end(w);
}

/* What a long act has put around its value, which was in its place. */
static int
make_long(struct kvs_acts *acts, uint32_t i, struct slice stored, struct wbuf *out)
{
	struct list *l = (struct list *)acts;
	struct slice value = acts->act[i].value;
	struct envelope to = { .type = LATTICE_STRING };

	(void)stored;
	assert_int_equal(out->len, 0);
	assert_memory_equal(out->p + acts->act[i].value_at, value.p, value.len);
	if (l->text[i] == NULL) {
		return REFUSED;
	}
	value.p = out->p;
	assert_int_equal(strval_delta_set(value, out), 0);
	to.epoch.time.v = ++l->time;
	assert_int_equal(envelope_write_tail(&to, out), 0);
	return KVS_ACT_WHOLE;
}

/* The same where nothing can be said of what the value was. */
static int
make_given(struct kvs_acts *acts, uint32_t i, struct slice stored, struct wbuf *out)
{
	struct list *l = (struct list *)acts;
	struct slice value = { out->p, acts->act[i].value.len };
	struct envelope to = { .type = LATTICE_STRING };

	(void)stored;
	assert_int_equal(strval_delta_set(value, out), 0);
	to.epoch.time.v = ++l->time;
	assert_int_equal(envelope_write_tail(&to, out), 0);
	return KVS_ACT_WHOLE;
}

/* A long value is brought in pieces, and merged after the last; the list is answered then. What is
 * refused leaves what was there. */
static void
a_long_value_takes_many_steps(void **state)
{
	static uint8_t value[5 * KVS_STEP_BYTES + 1];
	struct world *w = world_make(1, 1, 1, 2 << 20);
	struct list l = { 0 };
	struct desc d;
	uint32_t steps;

	(void)state;
	memset(value, 'v', sizeof(value));
	add(&l, "a", "x", KVS_ACK_ONE);
	send(w, 0, 0, &l);
	assert_true(world_take(w, 0, DESC_KVS_ACTED, &d, NULL));
	for (uint32_t round = 0; round < 3; round++) {
		l.acts.cnt = 0;
		add(&l, "a", round == 1 ? NULL : "", KVS_ACK_ONE);
		l.acts.make = make_long;
		l.acts.act[0].value = slice_of(value, sizeof(value));
		l.acts.act[0].long_bytes = round == 2 ? 3 << 20 : sizeof(value) + 64;
		send(w, 0, 0, &l);
		for (steps = 0; !world_take(w, 0, DESC_KVS_ACTED, &d, NULL); steps++) {
			assert_true(steps < 100);
			assert_true(world_turn(w));
		}
		assert_int_equal(steps, round == 2 ? 0 : 6);
		assert_int_equal(l.acts.act[0].err, round == 0   ? 0
						    : round == 1 ? REFUSED
								 : MB_ERR_NO_MEMORY);
		assert_in_range(world_has(w, 0, "a").len, sizeof(value), sizeof(value) + 64);
		assert_memory_equal(world_has(w, 0, "a").p, value, sizeof(value));
	}
	assert_int_equal(w->tile[0].core.jobs.free_cnt, KVS_JOB_MAX);
	world_end(w);
}

/* As pages_bring, where the kernel refuses the second half; what was brought leaves junk. */
static size_t
bring_half(void *ctx, uint8_t *at, uint8_t *from, size_t bytes)
{
	size_t half = bytes / 2 / 4096 * 4096;

	assert_int_equal(((uintptr_t)at | (uintptr_t)from | bytes) % 4096, 0);
	memcpy(at, from, half);
	memset(from, 'j', half);
	++*(uint32_t *)ctx;
	return half;
}

/* A value that its asker gives comes with its pages, if it lies in them as it will lie here; what
 * they do not bring is copied. */
static void
a_given_value_is_not_copied(void **state)
{
	const size_t len = (5 << 20) + 100;
	struct world *w = world_make(1, 1, 1, 64 << 20);
	struct kvs_shard *s = w->tile[0].core.shard;
	uint8_t *mem = aligned_alloc(4096, 6 << 20);
	uint32_t steps, brought = 0;
	struct list l = { 0 };
	struct desc d;

	(void)state;
	assert_non_null(mem);
	s->bring = bring_half;
	s->bring_ctx = &brought;
	for (uint32_t round = 0; round < 4; round++) {
		uint8_t *value = mem + (round == 1 ? 8 : KVS_VALUE_LEAN);

		memset(value, 'a' + (int)round, len);
		value[len - 1] = 'z';
		l.acts.cnt = 0;
		add(&l, "a", "", KVS_ACK_ONE);
		l.acts.make = make_given;
		l.acts.act[0].value = slice_of(value, len);
		l.acts.act[0].long_bytes = (uint32_t)len + 64;
		l.acts.act[0].gives = round != 2;
		send(w, 0, 0, &l);
		for (steps = 0; !world_take(w, 0, DESC_KVS_ACTED, &d, NULL); steps++) {
			assert_true(steps < 100);
			assert_true(world_turn(w));
		}
		assert_int_equal(l.acts.act[0].err, 0);
		assert_int_equal(brought, (round == 0 ? 1 : 1 + round / 3));
		assert_true(world_has(w, 0, "a").len >= len);
		for (size_t i = 0; i < len; i++) {
			int is = i == len - 1 ? 'z' : 'a' + (int)round;

			assert_true(world_has(w, 0, "a").p[i] == is);
		}
	}
	free(mem);
	world_end(w);
}

/* A full shard refuses a new key, and says so of that act only. */
static void
no_memory(void **state)
{
	struct world *w = world_make(1, 1, 1, KVS_SHARD_BYTES_MIN);
	struct list l = { 0 };
	char key[32];
	struct desc d;
	int err = 0;

	(void)state;
	add(&l, "first", "x", KVS_ACK_ONE);
	add(&l, "later", "y", KVS_ACK_ONE);
	for (uint32_t i = 0; err == 0; i++) {
		assert_true(i < 100000);
		(void)snprintf(key, sizeof(key), "key%u", i);
		l.acts.act[1].key = slice_str(key);
		send(w, 0, 0, &l);
		assert_true(world_take(w, 0, DESC_KVS_ACTED, &d, NULL));
		l.text[0] = ""; /* it would grow */
		err = l.acts.act[1].err;
		assert_int_equal(l.acts.act[0].err, 0);
	}
	assert_int_equal(err, MB_ERR_NO_MEMORY);
	is_text(w, 0, "first", "x");
	world_end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_after_the_other),
		cmocka_unit_test(a_look_changes_nothing),
		cmocka_unit_test(who_acts_has_no_copy),
		cmocka_unit_test(acknowledged_by_all),
		cmocka_unit_test(a_long_value_takes_many_steps),
		cmocka_unit_test(a_given_value_is_not_copied),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
