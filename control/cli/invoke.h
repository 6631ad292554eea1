/* SPDX-License-Identifier: Apache-2.0 */
/* invoke - what `call` and `dag call` have in common: options, waiting, printing, measuring
 *
 * Threads: one.
 */
#ifndef MB_CLI_INVOKE_H
#define MB_CLI_INVOKE_H

#include "cli.h"

struct invoke {
	struct mb_call_options call;
	uint64_t repeat;   /* 0: call once and print the results */
	bool future;       /* print the request id and end */
	uint64_t parallel; /* calls in flight at a time when repeating; 0: one */
};

extern const struct argp_option invoke_option[];

/* invoke_set takes one of invoke_option. Returns: as a command's set. */
int invoke_set(struct cli *cli, struct invoke *invoke, int key, const char *text);

/* invoke_request_id reads a request id. Returns: 0; CLI_USAGE. */
int invoke_request_id(struct cli *cli, const char *text, uint64_t *ret);

/* invoke_start starts one call, as mb_call_start and mb_dag_start do. */
typedef int (*invoke_start)(struct cli *cli, void *ctx, const struct mb_call_options *opt,
			    uint64_t *ret_call);

/* What is invoked, and how errors speak of it. */
struct invoke_target {
	invoke_start start;
	void *ctx;
	const char *failed;  /* "calling f failed" */
	const char *invalid; /* what MB_ERR_INVALID means here, and what to do about it */
};

/* invoke_run calls as often as asked and prints results or latencies. Returns: the exit code. */
int invoke_run(struct cli *cli, const struct invoke *invoke, const struct invoke_target *target);

#endif
