/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_group - whether executors would get a control group of their own: one is made, and taken
 * away again
 *
 * What a group limits is said, and what it does not: then the executors' own limits are all there
 * is (rlimits, of each one; a function's is one of those, everywhere).
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "doctor.h"

#define BESIDE "each executor has its rlimits (executor.memory), all together have none"

void
doctor_group(const struct doctor_ask *ask, struct doctor_line *line)
{
	static const char *const text[CGROUP_LIMIT_CNT] = {
#define CGROUP_TEXT_(name, file, text) text,
		CGROUP_LIMITS(CGROUP_TEXT_)
#undef CGROUP_TEXT_
	};
	char limits[128] = "";
	struct cgroup g;
	bool top;

	if (!cgroup_try(&g, ask->root, getpid(), &top)) {
		doctor_warn(line,
			    "control groups of version 2, and a unit with Delegate=yes "
			    "(or the node as root)",
			    "%s: " BESIDE, g.why);
		return;
	}
	for (uint32_t i = 0; i < CGROUP_LIMIT_CNT; i++) {
		if (g.on[i]) {
			snprintf(limits + strlen(limits), sizeof(limits) - strlen(limits), "%s%s",
				 limits[0] != '\0' ? ", " : "", text[i]);
		}
	}
	if (!g.on[CGROUP_MEMORY]) {
		doctor_warn(line, "hand the memory controller on (cgroup.subtree_control above)",
			    "one can be made, but does not limit memory%s%s: " BESIDE,
			    limits[0] != '\0' ? ", only " : "", limits);
	} else {
		doctor_ok(line, "can be made, limits %s%s", limits,
			  top ? "" : "; of a node that is alone in its own (Delegate=yes)");
	}
}
