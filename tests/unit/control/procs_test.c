/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   one process cannot have all memory for large payloads: others find half of what was left,
 *         and in all no more is given than there is.
 * Method: processes that lease and give nothing back; memfds that nobody fills. */
#include "procs.h"

#include "../base/test_cmocka.h"
#include "microburst/error.h"

#define MIB    ((size_t)1 << 20)
#define BUDGET (1024 * MIB)
#define LARGE  (64 * MIB)

/* Takes until it is refused. Returns how many it got. */
static uint32_t
hoard(struct procs *ps, uint16_t idx, size_t bytes)
{
	struct proc_seg *s;
	uint32_t cnt = 0;
	int err;

	while ((err = proc_lease(ps, &ps->proc[idx], bytes, &s)) == 0) {
		cnt++;
	}
	assert_int_equal(err, MB_ERR_NO_MEMORY);
	return cnt;
}

static void
one_that_hoards_leaves_half(void **state)
{
	struct proc_seg *s;
	struct procs ps;

	assert_int_equal(procs_create(&ps, NULL, BUDGET, false), 0);
	assert_int_equal(hoard(&ps, 1, LARGE), 8);
	assert_int_equal(hoard(&ps, 2, LARGE), 4);
	assert_int_equal(hoard(&ps, 3, LARGE), 2);
	assert_int_equal(hoard(&ps, 4, LARGE), 1);
	assert_int_equal(hoard(&ps, 5, LARGE), 1); /* one in any case */
	assert_int_equal(hoard(&ps, 6, LARGE), 0);
	assert_int_equal(ps.seg_bytes, BUDGET);

	/* What is given back is there again, for who has less. */
	s = &ps.proc[1].seg[3];
	proc_unlease(&ps, &ps.proc[1], s);
	assert_int_equal(hoard(&ps, 1, LARGE), 0);
	assert_int_equal(hoard(&ps, 6, LARGE), 1);
	procs_destroy(&ps);
}

static void
the_largest_value_fits_the_smallest_budget(void **state)
{
	struct proc_seg *s;
	struct procs ps;

	assert_int_equal(procs_create(&ps, NULL, 80 * MIB, false), 0);
	assert_int_equal(proc_lease(&ps, &ps.proc[1], PAYLOAD_BYTES_MAX + 1, &s), MB_ERR_TOO_LARGE);
	assert_int_equal(proc_lease(&ps, &ps.proc[1], PAYLOAD_BYTES_MAX, &s), 0);
	assert_int_equal(hoard(&ps, 1, MIB), 0);
	assert_int_equal(hoard(&ps, 2, MIB), 7);
	procs_destroy(&ps);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_hoards_leaves_half),
		cmocka_unit_test(the_largest_value_fits_the_smallest_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
