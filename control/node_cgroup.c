/* SPDX-License-Identifier: Apache-2.0 */
/* node_cgroup - the control group of the node's executors: made, told of, described */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "node_int.h"

/* The zygote, an executor for each entry, and what has died but is not reaped. */
#define PIDS_MAX (2 * (uint64_t)PROC_CLIENT_FIRST + 1)

static const char *const limit_text[CGROUP_LIMIT_CNT] = {
#define CGROUP_TEXT_(name, file, text) text,
	CGROUP_LIMITS(CGROUP_TEXT_)
#undef CGROUP_TEXT_
};

void
node_cgroup_make(struct node *n, const char *sandbox)
{
	const uint64_t value[CGROUP_LIMIT_CNT] = {
		[CGROUP_MEMORY] = n->params.executor_group_memory,
		[CGROUP_PIDS] = PIDS_MAX,
		[CGROUP_CPU] = n->params.executor_group_weight,
	};

	if (strcmp(sandbox, "none") == 0) {
		snprintf(n->cgroup.why, sizeof(n->cgroup.why), "there is no sandbox");
	} else {
		cgroup_make(&n->cgroup, "", getpid(), value);
	}
}

void
node_cgroup_print(const struct node *n, FILE *out)
{
	const char *sep = " limits ";

	if (n->cgroup.path[0] == '\0') {
		fprintf(out, "executors in no control group: %s\n", n->cgroup.why);
		return;
	}
	fprintf(out, "executors in control group %s", n->cgroup.path);
	for (uint32_t i = 0; i < CGROUP_LIMIT_CNT; i++) {
		if (n->cgroup.on[i]) {
			fprintf(out, "%s%s", sep, limit_text[i]);
			sep = ", ";
		}
	}
	fprintf(out, "%s\n", *sep == ' ' ? ", without limits" : "");
}

void *
node_cgroup_describe(const struct node *n)
{
	json_t *limits = json_array();

	for (uint32_t i = 0; i < CGROUP_LIMIT_CNT; i++) {
		if (n->cgroup.on[i]) {
			json_array_append_new(limits, json_string(limit_text[i]));
		}
	}
	return json_pack("{s:s, s:o, s:s}", "path", n->cgroup.path, "limits", limits, "why",
			 n->cgroup.why);
}
