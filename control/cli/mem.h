/* SPDX-License-Identifier: Apache-2.0 */
/* mem - memory of a command, which lives for one command
 *
 * A command that gets no memory for its few kilobytes has nothing better to do than to say so and
 * end. Whatever may be large (files, values) is asked for elsewhere, with an error of its own.
 */
#ifndef MB_CLI_MEM_H
#define MB_CLI_MEM_H

#include <stdio.h>
#include <stdlib.h>

/* mem_need gives p back, or ends the process with exit code 1 if it is NULL. */
static inline void *
mem_need(void *p)
{
	if (p == NULL) {
		fputs("microburst: out of memory: end other programs and try again.\n", stderr);
		exit(EXIT_FAILURE);
	}
	return p;
}

#endif
