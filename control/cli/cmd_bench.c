/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_bench.c - bench: the measurements of perf/, by their own program */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "beside.h"
#include "cli.h"
#include "mem.h"

static int
bench_run(struct cli *cli)
{
	const char **argv;
	char path[PATH_MAX];

	if (beside_program("bench", path) != MB_OK) {
		return cli_fail(cli, MB_ERR_NOT_FOUND,
				"there is no bench program beside this one: build or install it",
				"cannot measure");
	}
	argv = mem_keep(calloc((size_t)cli->arg_cnt + 2, sizeof(*argv)));
	argv[0] = path;
	for (int i = 0; i < cli->arg_cnt; i++) {
		argv[i + 1] = cli->arg[i];
	}
	execv(path, (char *const *)argv);
	return cli_fail(cli, MB_ERR_IO, strerror(errno), "cannot start %s", path);
}

const struct command cmd_bench = {
	.name = "bench",
	.args = "[NAME]...",
	.summary = "measure this machine, each figure beside its floor",
	.more = "Starts nodes of its own. Its options are those of perf/bench: `microburst bench "
		"--list` names the benchmarks.",
	.example = "microburst bench call compose_fused",
	.flags = COMMAND_RAW,
	.arg_max = COMMAND_ARGS_ANY,
	.run = bench_run,
};
