/* SPDX-License-Identifier: Apache-2.0 */
/* trace - the hops of one call, for `trace` and `call --trace`
 *
 * Threads: one.
 */
#ifndef MB_CLI_TRACE_H
#define MB_CLI_TRACE_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

struct cli;

/* trace_call_id reads a call's id as ps and logs print it: 16 hexadecimal digits; fewer are taken
 * too. Returns: 0, or what cli_usage returned. */
int trace_call_id(struct cli *cli, const char *text, char ret[static 17]);

/* trace_ask asks the node for the hops of a call. Returns: 0 with *ret, the caller's; or the exit
 * code. */
int trace_ask(struct cli *cli, const char *id, json_t **ret);

/* trace_print prints that answer as a table. */
void trace_print(FILE *f, const json_t *answer);

#endif
