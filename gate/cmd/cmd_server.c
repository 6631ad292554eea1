/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_server - commands about the server: TIME */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "timebase.h"

int
cmd_time(struct gate *g, struct gate_conn *c, const struct slice *arg, uint32_t arg_cnt)
{
	uint64_t us = timebase_wall_us(timebase_real());
	char text[24];

	gate_array(g, c, 2);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)(us / US_PER_S));
	gate_bulk_str(g, c, text);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)(us % US_PER_S));
	gate_bulk_str(g, c, text);
	return GATE_DONE;
}
