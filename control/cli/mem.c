/* SPDX-License-Identifier: Apache-2.0 */
/* mem.c - memory of a command, which lives for one command */
#include "mem.h"

#include <stdio.h>
#include <stdlib.h>

struct kept {
	struct kept *next;
	void *p;
};

static struct kept *kept;

void *
mem_need(void *p)
{
	if (p == NULL) {
		fputs("microburst: out of memory: end other programs and try again.\n", stderr);
		exit(EXIT_FAILURE);
	}
	return p;
}

void *
mem_keep(void *p)
{
	struct kept *k;

	mem_need(p);
	k = mem_need(malloc(sizeof(*k)));
	*k = (struct kept){ .next = kept, .p = p };
	kept = k;
	return p;
}
