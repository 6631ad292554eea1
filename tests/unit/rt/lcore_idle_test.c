/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   an lcore without work spins, gives its cpu away, keeps it and sleeps when lcore_idle.c
 *         says so, and holds the token for no longer.
 * Method: passes at times that are made up, of two tiles that await and are far as told. */
#include "lcore_idle.h"

#include "../base/test_cmocka.h"

#include "lcore.h"
#include "metrics.h"
#include "tile.h"
#include "timebase.h"

#define NEAR UINT64_C(1) /* tile 0 worked */
#define FAR  UINT64_C(2) /* tile 1 did */
#define US   NS_PER_US

static struct {
	struct lcore_cfg cfg;
	struct metrics_block metrics;
	struct tile tile[2];
	struct lcore_idle idle;
	uint64_t now_ns;
	bool awaits, token, any; /* answers */
	int asked, given_back;
} w;

static int
nothing(void *ctx, uint64_t now_ns)
{
	(void)ctx;
	(void)now_ns;
	return 0;
}

static bool
awaits(void *ctx)
{
	(void)ctx;
	return w.awaits;
}

static bool
yes(void *ctx)
{
	(void)ctx;
	return true;
}

static bool
token_try(void *ctx)
{
	(void)ctx;
	w.asked++;
	return w.token;
}

static void
token_release(void *ctx)
{
	(void)ctx;
	w.given_back++;
}

static bool
token_any(void *ctx)
{
	(void)ctx;
	return w.any;
}

static const struct tile_ops near_ops = { .poll = nothing, .awaits = awaits };
static const struct tile_ops far_ops = { .poll = nothing, .far = yes };

static void
begin(bool token)
{
	memset(&w, 0, sizeof(w));
	lcore_cfg_default(&w.cfg);
	w.cfg.spin_try = token_try;
	w.cfg.spin_release = token_release;
	w.cfg.spin_any = token_any;
	w.cfg.spin_ns = w.cfg.far_spin_ns = 200 * US;
	w.cfg.await_ns = 5 * US;
	w.token = token;
	w.now_ns = NS_PER_S;
	metrics_init(&w.metrics, METRICS_OWNER_lcore, 0);
	tile_init(&w.tile[0], &near_ops, NULL, &w.metrics);
	tile_init(&w.tile[1], &far_ops, NULL, &w.metrics);
	lcore_idle_begin(&w.idle, &w.cfg, w.tile, 2, &w.metrics, w.now_ns);
}

/* A pass, so long after the last one; 0 worked: none did. */
static enum lcore_idle_next
pass(uint64_t after_ns, uint64_t worked)
{
	w.now_ns += after_ns;
	lcore_idle_pass(&w.idle, worked, false, w.now_ns);
	return worked != 0 ? lcore_idle_worked(&w.idle, w.now_ns)
			   : lcore_idle_next(&w.idle, w.now_ns);
}

/* So many passes without work, a microsecond each, are all of one kind. */
static void
all(enum lcore_idle_next next, int cnt)
{
	for (int i = 0; i < cnt; i++) {
		assert_int_equal(pass(US, 0), next);
	}
}

static void
with_the_token_it_spins(void **state)
{
	(void)state;
	begin(true);
	assert_int_equal(pass(US, NEAR), LCORE_IDLE_LOOK);
	assert_int_equal(w.asked, 0); /* not while there is work */
	all(LCORE_IDLE_SPIN, 199);
	assert_int_equal(pass(US, 0), LCORE_IDLE_SLEEP);
	assert_int_equal(w.asked, 1);
	assert_int_equal(w.given_back, 0);
	lcore_idle_end(&w.idle);
	lcore_idle_end(&w.idle);
	assert_int_equal(w.given_back, 1);
}

static void
without_it_it_gives_at_each_look(void **state)
{
	(void)state;
	begin(false);
	assert_int_equal(pass(US, NEAR), LCORE_IDLE_LOOK);
	all(LCORE_IDLE_GIVE, 199);
	assert_int_equal(pass(US, 0), LCORE_IDLE_SLEEP);
	lcore_idle_end(&w.idle);
	assert_int_equal(w.given_back, 0); /* it had none */
	pass(US, NEAR);
	w.token = true; /* the next wait asks anew */
	assert_int_equal(pass(US, 0), LCORE_IDLE_SPIN);
}

static void
a_cpu_of_its_own_needs_no_token(void **state)
{
	(void)state;
	begin(false);
	w.cfg.spin_try = NULL;
	w.cfg.spin_release = NULL;
	w.cfg.spin_any = NULL;
	all(LCORE_IDLE_SPIN, 199);
	assert_int_equal(pass(US, 0), LCORE_IDLE_SLEEP);
	lcore_idle_end(&w.idle);
}

/* I2. */
static void
what_is_awaited_keeps_the_cpu_for_a_while(void **state)
{
	(void)state;
	begin(false);
	w.awaits = true;
	pass(100 * US, NEAR); /* a long pass does not count */
	all(LCORE_IDLE_SPIN, 5);
	all(LCORE_IDLE_GIVE, 5);
	pass(US, NEAR);
	all(LCORE_IDLE_SPIN, 3);
	w.awaits = false; /* it has come: who was kept from the cpu has it now */
	assert_int_equal(pass(US, NEAR), LCORE_IDLE_GIVE);
	assert_int_equal(pass(US, NEAR), LCORE_IDLE_LOOK);
}

/* I3. */
static void
who_is_awaited_on_this_cpu_has_it_at_once(void **state)
{
	(void)state;
	begin(false);
	w.cfg.await_ns = 0;
	w.awaits = true;
	assert_int_equal(pass(US, NEAR), LCORE_IDLE_GIVE);
	all(LCORE_IDLE_GIVE, 5);
	w.awaits = false;
	assert_int_equal(pass(US, NEAR), LCORE_IDLE_LOOK);
}

/* I4: passes of a microsecond with a request of another cpu every tenth, for two turns; returns how
 * often the cpu was given away in the second. */
static int
far_turns(void)
{
	int gave = 0;

	for (int i = 0; i < 200; i++) {
		gave += pass(US, i % 10 == 0 ? FAR : 0) == LCORE_IDLE_GIVE && i >= 100;
	}
	return gave;
}

static void
who_works_for_other_cpus_keeps_it_for_a_turn(void **state)
{
	(void)state;
	begin(false);
	assert_int_equal(far_turns(), 2); /* of 90 looks in vain */

	begin(false);
	w.any = true; /* the token's holder waits for other cpus, too */
	assert_int_equal(far_turns(), 90);

	begin(false);
	w.awaits = true;
	w.cfg.await_ns = 0; /* an executor on this very cpu */
	assert_int_equal(far_turns(), 100);
}

static void
what_is_near_takes_the_turn_back(void **state)
{
	(void)state;
	begin(false);
	far_turns();
	pass(US, FAR | NEAR);
	all(LCORE_IDLE_GIVE, 5);
	pass(US, FAR);
	all(LCORE_IDLE_GIVE, 5);
	far_turns();
	lcore_idle_pass(&w.idle, FAR, true, w.now_ns); /* nor is it told whose events are */
	all(LCORE_IDLE_GIVE, 5);
}

static void
after_work_for_other_cpus_it_sleeps_later(void **state)
{
	(void)state;
	begin(true);
	w.cfg.spin_ns = 10 * US;
	pass(US, NEAR);
	all(LCORE_IDLE_SPIN, 9);
	assert_int_equal(pass(US, 0), LCORE_IDLE_SLEEP);
	lcore_idle_end(&w.idle);
	pass(US, FAR);
	all(LCORE_IDLE_SPIN, 199);
	assert_int_equal(pass(US, 0), LCORE_IDLE_SLEEP);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_the_token_it_spins),
		cmocka_unit_test(without_it_it_gives_at_each_look),
		cmocka_unit_test(a_cpu_of_its_own_needs_no_token),
		cmocka_unit_test(what_is_awaited_keeps_the_cpu_for_a_while),
		cmocka_unit_test(who_is_awaited_on_this_cpu_has_it_at_once),
		cmocka_unit_test(who_works_for_other_cpus_keeps_it_for_a_turn),
		cmocka_unit_test(what_is_near_takes_the_turn_back),
		cmocka_unit_test(after_work_for_other_cpus_it_sleeps_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
