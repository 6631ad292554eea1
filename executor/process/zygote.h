/* SPDX-License-Identifier: Apache-2.0 */
/* zygote - the process that executors are forked from (call/load.h has its protocol)
 *
 * A small process: it was exec'd, has none of the daemon's memory, keeps no descriptor of it but
 * one socket, and wipes its environment. It makes the jail and everything else that all executors
 * have in common, once. A fork of it is ready in some hundred microseconds.
 *
 * Children are forks of the same image, so all executors of a zygote have one address layout and
 * one stack guard. They trust each other no more for it: what each may do to another is nothing.
 */
#ifndef MB_EXEC_ZYGOTE_H
#define MB_EXEC_ZYGOTE_H

#include <stdbool.h>
#include <stdint.h>

struct zygote_conf {
	int sock;
	int32_t parent; /* the daemon's process id */
	uint32_t uid_base;
	bool sandbox_off;
};

/* zygote_run serves until the daemon is gone. Returns: the exit status. */
int zygote_run(const struct zygote_conf *conf);

#endif
