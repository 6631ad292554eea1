/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   an lcore spins where nobody else has its cpu, or with its token, and never beside
 *         clients who know of none; and it hears whether the holder waits for other cpus.
 * Method: plans of one lcore, and a process's words in real hints. */
#include "node_int.h"

#include <string.h>

#include "../base/test_cmocka.h"
#include "hints.h"
#include "lcore.h"

enum {
	CPU = 3,
	PROCESS = 77 << 16 | 130,
};

static struct topo topo;
static struct node node = { .topo = &topo };
static struct lcore_cfg cfg;

static int
setup(void **state)
{
	int fd;

	(void)state;
	topo = (struct topo){ .lcore_cnt = 1, .lcore = { { .cpu = CPU, .shared = true } } };
	memset(&cfg, 0, sizeof(cfg));
	return node.hints == NULL ? hints_create(&fd, &node.hints) : 0;
}

static void
alone_it_needs_no_token(void **state)
{
	(void)state;
	topo.lcore[0].shared = false;
	node_spin(&node, 0, &cfg);
	assert_true(cfg.spin_try == NULL && cfg.spin_release == NULL && cfg.spin_any == NULL);
}

static void
it_spins_with_the_token_and_hears_what_its_holder_waits_for(void **state)
{
	(void)state;
	node_spin(&node, 0, &cfg);
	assert_true(spin_try(node.hints, CPU, PROCESS));
	assert_false(cfg.spin_try(cfg.spin_ctx));
	assert_false(cfg.spin_any(cfg.spin_ctx));
	assert_true(spin_try(node.hints, CPU, PROCESS | SPIN_ANY));
	assert_true(cfg.spin_any(cfg.spin_ctx));
	cfg.spin_release(cfg.spin_ctx); /* not its own */
	assert_true(cfg.spin_any(cfg.spin_ctx));
	spin_release(node.hints, CPU, PROCESS);
	assert_true(cfg.spin_try(cfg.spin_ctx));
	assert_false(spin_try(node.hints, CPU, PROCESS | SPIN_ANY));
	cfg.spin_release(cfg.spin_ctx);
	assert_true(spin_try(node.hints, CPU, PROCESS));
	spin_release(node.hints, CPU, PROCESS);
}

static void
beside_clients_who_know_of_no_token_it_does_not_spin(void **state)
{
	static const enum tile_kind door[] = { TILE_GATE, TILE_NET };

	(void)state;
	for (uint32_t i = 0; i < ARRAY_CNT(door); i++) {
		topo.tile_cnt = 1;
		topo.tile[0] = (struct topo_tile){ .kind = door[i] };
		node_spin(&node, 0, &cfg);
		assert_false(cfg.spin_try(cfg.spin_ctx));
		assert_false(cfg.spin_any(cfg.spin_ctx));
		assert_true(spin_try(node.hints, CPU, PROCESS | SPIN_ANY));
		assert_true(cfg.spin_any(cfg.spin_ctx));
		spin_release(node.hints, CPU, PROCESS);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(alone_it_needs_no_token, setup),
		cmocka_unit_test_setup(it_spins_with_the_token_and_hears_what_its_holder_waits_for,
				       setup),
		cmocka_unit_test_setup(beside_clients_who_know_of_no_token_it_does_not_spin, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
