/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what a channel's edges (R1 to A1, R3 to A3) and a bell's (R2 to A2 and A4) are to order
 *         is ordered, by the rules of C and not only by those of this processor.
 * Method: two threads on one mapping, so that the thread sanitizer, which knows addresses and not
 *         pages, sees both ends. A missing release or acquire makes the slots a data race to it,
 *         on any machine. In other builds this is one more stress. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "test_cmocka.h"
#include "test_pair.h"

enum { ELEMENTS = 200000, SPIN = 50 };

static struct test_pair pair;

static void
pair_make(void)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct region *r = &pair.own[i];

		r->at = region_layout(REGION_PROCESS);
		r->rw = aligned_alloc(4096, r->at.bytes);
		REQUIRE(r->rw != NULL);
		memset(r->rw, 0, r->at.bytes);
		r->base = r->rw;
		pair.view[i] = *r;
	}
	pair.hints = aligned_alloc(4096, ALIGN_UP(sizeof(struct hints), (size_t)4096));
	REQUIRE(pair.hints != NULL);
	memset(pair.hints, 0, sizeof(struct hints));
	test_pair_join(&pair);
}

/* Each side sends to the other and checks what comes, asleep in between. */
static void *
side_run(void *arg)
{
	uint32_t side = arg != NULL;
	struct channel *ch = &pair.end[side];
	struct bell *bell = &pair.hints->proc[side];
	uint64_t sent = 0, received = 0;
	uint32_t idle = 0;

	while (sent < ELEMENTS || received < ELEMENTS) {
		bool busy = false;
		struct desc d = test_desc(sent);

		if (sent < ELEMENTS && channel_send(ch, &d) == 0) {
			sent++;
			busy = true;
		}
		if (channel_recv(ch, &d) == 1) {
			REQUIRE(test_desc_is(&d, received), "side %u: %lu", side, received);
			received++;
			busy = true;
		}
		idle = busy ? 0 : idle + 1;
		if (idle < SPIN) {
			continue;
		}
		if (sent < ELEMENTS) {
			sched_yield(); /* a reader of a full queue rings nobody */
			continue;
		}
		bell_arm(bell);
		bell_take(bell, 0);
		if (atomic_load_explicit(&ch->rx_tail->v, memory_order_acquire) != received) {
			bell_disarm(bell);
		} else {
			bell_sleep(bell, WAIT_MAX_NS);
		}
	}
	return NULL;
}

static void
two_threads_see_whole_elements(void **state)
{
	pthread_t thread;

	pair_make();
	assert_int_equal(pthread_create(&thread, NULL, side_run, &pair), 0);
	side_run(NULL);
	pthread_join(thread, NULL);
	for (uint32_t i = 0; i < 2; i++) {
		free(pair.own[i].rw);
	}
	free(pair.hints);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_threads_see_whole_elements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
