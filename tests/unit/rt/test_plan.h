/* SPDX-License-Identifier: Apache-2.0 */
/* test_plan.h - a plan for a machine that is a line of text */
#ifndef MB_TEST_PLAN_H
#define MB_TEST_PLAN_H

#include <microburst/error.h>

#include "place.h"
#include "test_cmocka.h"
#include "topo.h"

/* test_machine loads a synthetic machine that must exist. */
static inline void
test_machine(const char *synthetic, const char *cpu_list, struct place_machine *ret_machine)
{
	struct topo_why why = { "" };

	if (place_load(synthetic, cpu_list, ret_machine, &why) != MB_OK) {
		fail_msg("%s: %s", synthetic, why.text);
	}
}

/* test_plan builds and validates a plan that must come out. params NULL: the defaults. */
static inline void
test_plan(const char *synthetic, const char *cpu_list, const struct topo_params *params,
	  struct topo *ret_topo)
{
	static struct place_machine machine;
	struct topo_params defaults;
	struct topo_why why = { "" };

	topo_params_default(&defaults);
	test_machine(synthetic, cpu_list, &machine);
	if (topo_build(params != NULL ? params : &defaults, &machine, ret_topo, &why) != MB_OK ||
	    topo_validate(ret_topo, &why) != MB_OK) {
		fail_msg("%s: %s", synthetic, why.text);
	}
}

#endif
