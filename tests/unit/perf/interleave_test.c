/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   sides alternate; a noisy run is made again, no more often than asked, and the steadiest
 * one is
 *         kept; an error or a stop ends everything.
 * Method: sides that write down their turn and give figures from a script. */
#include "interleave.h"

#include <microburst/error.h>
#include <string.h>

#include "../base/test_cmocka.h"

/* One letter a block; what the floor shows in each attempt; when to fail or stop. */
static struct script {
	char turns[256];
	uint32_t floor_blocks;
	double jump[4]; /* by attempt: second half of the floor's blocks is so many times slower */
	uint32_t fail_at;
	bool stop;
} script;

static const struct pace pace = { .block_cnt = 10, .sample_cnt = 1, .attempt_cnt = 3 };
static struct measure m;

static void
turn(char who)
{
	size_t len = strlen(script.turns);

	assert_true(len + 1 < sizeof(script.turns));
	script.turns[len] = who;
}

static int
subject_block(void *ctx, const struct pace *p, struct figures *f)
{
	turn('S');
	f->cpu_ops += 2;
	figures_add(f, 5000);
	return 0;
}

static int
floor_block(void *ctx, const struct pace *p, struct figures *f)
{
	uint32_t at = script.floor_blocks++, attempt = at / p->block_cnt;

	turn('F');
	if (at + 1 == script.fail_at) {
		return MB_ERR_PEER_DIED;
	}
	if (at == 4 && script.stop) {
		*(bool *)ctx = true;
	}
	figures_add(f, at % p->block_cnt < p->block_cnt / 2
			       ? 1000
			       : (uint64_t)(1000 * script.jump[attempt]));
	return 0;
}

static double
cpu_s(void *ctx)
{
	static double now;

	return now += 0.5;
}

static bool stop;
static const struct side subject = { .block = subject_block, .cpu_s = cpu_s };
static const struct side floor_side = { .block = floor_block, .ctx = &stop };

static int
play(const struct script *with)
{
	script = *with;
	stop = false;
	memset(&m, 0, sizeof(m));
	return interleave(&pace, &subject, &floor_side, &stop, &m);
}

static void
an_error_ends_it(void **state)
{
	assert_int_equal(play(&(struct script){ .jump = { 1 }, .fail_at = 3 }), MB_ERR_PEER_DIED);
	assert_string_equal(script.turns, "FSFSF");
}

static void
a_stop_ends_it(void **state)
{
	assert_int_equal(play(&(struct script){ .jump = { 1 }, .stop = true }), MB_ERR_INTERRUPTED);
	assert_string_equal(script.turns, "FSFSFSFSFS");
}

static void
a_noisy_run_is_made_again_and_then_told(void **state)
{
	assert_int_equal(play(&(struct script){ .jump = { 3, 2, 4 } }), 0);
	assert_int_equal(m.attempts, 3);
	assert_int_equal(strlen(script.turns), 60);
	assert_true(m.noisy);
	assert_true(m.moved == 2); /* the second */
}

static void
the_first_steady_run_is_kept(void **state)
{
	assert_int_equal(play(&(struct script){ .jump = { 3, 1.2, 1 } }), 0);
	assert_int_equal(m.attempts, 2);
	assert_false(m.noisy);
	assert_int_equal(m.subject.block_cnt, 10);
	assert_int_equal(hist_cnt(&m.floor.all), 10);
}

static void
sides_alternate_and_cpu_is_summed(void **state)
{
	assert_int_equal(play(&(struct script){ .jump = { 1 } }), 0);
	assert_string_equal(script.turns, "FSFSFSFSFSFSFSFSFSFS");
	assert_true(m.subject.cpu_ops == 20);
	assert_true(m.subject.cpu_s == 5);
}

static void
without_floor_the_subject_itself_is_judged(void **state)
{
	memset(&m, 0, sizeof(m));
	stop = false;
	assert_int_equal(interleave(&pace, &subject, NULL, &stop, &m), 0);
	assert_int_equal(m.floor.block_cnt, 0);
	assert_true(m.moved == 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_ends_it),
		cmocka_unit_test(a_stop_ends_it),
		cmocka_unit_test(a_noisy_run_is_made_again_and_then_told),
		cmocka_unit_test(the_first_steady_run_is_kept),
		cmocka_unit_test(sides_alternate_and_cpu_is_summed),
		cmocka_unit_test(without_floor_the_subject_itself_is_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
