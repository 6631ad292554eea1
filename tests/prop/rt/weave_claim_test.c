/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   when sched wants an executor's claim, it is told when the claim is free, in every order
 *         in which clients, the executor and sched can use it; and no two have it at a time.
 * Method: claim_try, claim_want, claim_free and claim_drop as shipped, run by the weaver, with and
 *         without store buffers. Sched has no timer here: what a lost word costs is a sleep without
 *         end. The same with a client that dies at any point, and with planted bugs. */
#include <stdio.h>

#include "hints.h"
#include "test_cmocka.h"
#include "weave.h"
#include "weaver.h"

enum { CLIENT = 0, SCHED = 1, EXEC = 5 };
#define WHO_A     UINT64_C(0x10081)
#define WHO_B     UINT64_C(0x10082)
#define WHO_SCHED UINT64_C(1)

static struct hints hints;
static _Atomic uint32_t told; /* sched has a message: look again */
static _Atomic uint32_t sent; /* the slow client's call has come */
static uint64_t inside;       /* who acts as the claim's holder now */

static void
reset(void)
{
	hints.claim[EXEC].v = 0;
	told = 0;
	sent = 0;
	inside = 0;
	weave_share("claim", &hints.claim[EXEC], sizeof(uint64_t));
	weave_share("told", &told, sizeof(told));
	weave_share("sent", &sent, sizeof(sent));
	weave_share("inside", &inside, sizeof(inside));
}

static bool
is_told(void)
{
	return told != 0;
}

static void
tell_sched(void)
{
	atomic_store_explicit(&told, 1, memory_order_release);
}

/* What the holder of the claim does. */
static void
hold(uint64_t who)
{
	if (inside != 0) {
		weave_wrong("two have the claim");
	}
	inside = who;
	WEAVE("holds the claim");
	inside = 0;
}

static void
client(uint64_t who)
{
	if (claim_try(&hints, EXEC, who)) {
		hold(who);
		if (claim_free(&hints, EXEC, who)) {
			tell_sched();
		}
	}
}

static void
client_a(void)
{
	client(WHO_A);
	client(WHO_A);
}

static void
client_b(void)
{
	client(WHO_B);
}

/* Takes it, and leaves it to the executor to free it. */
static void
client_slow(void)
{
	claim_try(&hints, EXEC, WHO_A);
	atomic_store_explicit(&sent, 1, memory_order_release);
}

static bool
is_sent(void)
{
	return sent != 0;
}

static void
sched(void)
{
	for (;;) {
		if (claim_try(&hints, EXEC, WHO_SCHED)) {
			claim_drop(&hints, EXEC);
			return;
		}
		if (claim_want(&hints, EXEC)) {
			weave_until(is_told);
			atomic_exchange(&told, 0);
		}
	}
}

static void
sched_alone(void)
{
	for (;;) {
		if (claim_try(&hints, EXEC, WHO_SCHED)) {
			hold(WHO_SCHED);
			claim_drop(&hints, EXEC);
			return;
		}
		if (claim_want(&hints, EXEC)) {
			weave_until(is_told);
			atomic_exchange(&told, 0);
		}
	}
}

/* Idle twice, once before the client's call has come: drops whatever the claim holds. */
static void
executor(void)
{
	if (claim_drop(&hints, EXEC)) {
		tell_sched();
	}
	weave_until(is_sent);
	if (claim_drop(&hints, EXEC)) {
		tell_sched();
	}
}

static bool
client_died(void)
{
	return weave_dead(CLIENT);
}

static bool
is_with_the_dead(void)
{
	uint64_t claim = atomic_load_explicit(&hints.claim[EXEC].v, memory_order_relaxed);

	return (claim & ~CLAIM_WANTED) == WHO_A;
}

/* ctl frees what the dead one had, and tells sched in any case: the dead may have freed it, seen
 * that sched waits, and never have said so. */
static void
ctl(void)
{
	weave_until(client_died);
	if (inside == WHO_A) {
		inside = 0;
	}
	if (is_with_the_dead()) {
		claim_drop(&hints, EXEC);
	}
	tell_sched();
}

static const char *
end(void)
{
	if (weave_waits(SCHED)) {
		return "sched waits for ever";
	}
	return hints.claim[EXEC].v == 0 ? NULL : "the claim is still taken";
}

static const char *
end_sched(void)
{
	return weave_waits(SCHED) ? "sched waits for ever" : NULL;
}

static const struct weave_plan plans[] = {
	{ .name = "two clients and sched",
	  .party = { { "A", client_a }, { "sched", sched_alone }, { "B", client_b } },
	  .reset = reset,
	  .end = end },
	{ .name = "a client, sched, an executor that drops",
	  .party = { { "A", client_slow }, { "sched", sched }, { "exec", executor } },
	  .reset = reset,
	  .end = end_sched },
	{ .name = "two clients and sched, one client dies",
	  .party = { { "A", client_a, true },
		     { "sched", sched },
		     { "B", client_b },
		     { "ctl", ctl } },
	  .reset = reset,
	  .end = end,
	  .death_max = 1 },
};

/* ---------------------------------------------------------------- planted bugs */

/* Frees without asking whether sched waits. */
static void
client_silent(void)
{
	if (claim_try(&hints, EXEC, WHO_A)) {
		atomic_store_explicit(&hints.claim[EXEC].v, 0, memory_order_release);
	}
}

/* Wants a claim that may be free: nobody is there to free it. */
static void
sched_wants_blindly(void)
{
	if (!claim_try(&hints, EXEC, WHO_SCHED)) {
		atomic_fetch_or_explicit(&hints.claim[EXEC].v, CLAIM_WANTED, memory_order_seq_cst);
		weave_until(is_told);
	}
}

static void
ctl_trusts_the_claim(void)
{
	weave_until(client_died);
	if (is_with_the_dead() && claim_drop(&hints, EXEC)) {
		tell_sched();
	}
}

static const struct weave_plan planted[] = {
	{ .name = "a claim is freed without looking who waits",
	  .party = { { "A", client_silent }, { "sched", sched } },
	  .reset = reset,
	  .end = end },
	{ .name = "a claim is wanted when it is free",
	  .party = { { "A", client_a }, { "sched", sched_wants_blindly } },
	  .reset = reset,
	  .end = end },
	{ .name = "after a death sched is told only of what was still claimed",
	  .party = { { "A", client_a, true }, { "sched", sched }, { "ctl", ctl_trusts_the_claim } },
	  .reset = reset,
	  .end = end,
	  .death_max = 1 },
};

static void
planted_bugs_are_found(void **state)
{
	static struct weave_result r;

	for (uint32_t i = 0; i < ARRAY_CNT(planted); i++) {
		weave(&planted[i], &r);
		if (r.wrong == NULL) {
			fail_msg("%s: not found", planted[i].name);
		}
		printf("planted: %-58s found: %s\n", planted[i].name, r.wrong);
	}
}

static void
sched_is_always_told(void **state)
{
	static struct weave_result r;

	for (uint32_t i = 0; i < 2 * ARRAY_CNT(plans); i++) {
		struct weave_plan plan = plans[i / 2];

		plan.store_buffers = i % 2 != 0;
		weave(&plan, &r);
		if (r.wrong != NULL) {
			fail_msg("%s: %s\n%s", plan.name, r.wrong, r.trace);
		}
		printf("%-40s %-13s %9.3g interleavings of up to %u steps, %llu states\n",
		       plan.name, plan.store_buffers ? "store buffers" : "in order",
		       r.interleaving_cnt, r.step_max, (unsigned long long)r.state_cnt);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(planted_bugs_are_found),
		cmocka_unit_test(sched_is_always_told),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
