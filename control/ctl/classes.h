/* SPDX-License-Identifier: Apache-2.0 */
/* classes - kinds of executors, one of which a function may require
 *
 * The configuration gives classes to executors: "gpu=1, big=2" makes the first executor a gpu, the
 * next two big, and leaves those behind them without a class. A class says what an executor has,
 * not what it is kept for: a function that requires none runs at all of them.
 *
 * Pure.
 */
#ifndef MB_CLASSES_H
#define MB_CLASSES_H

#include <stddef.h>
#include <stdint.h>

#include "domain_limits.h"

#define CLASSES_MAX  8
#define CLASSES_NONE 0 /* of an executor: it has none; of a function: it requires none */

struct classes {
	uint32_t cnt;
	char name[CLASSES_MAX + 1][NAME_BYTES_MAX]; /* from 1 on; [0] is "" */
	uint8_t of[EXECUTOR_CNT_MAX];               /* of each executor */
};

/* classes_parse reads "NAME=COUNT, ..." for executor_cnt executors. Returns: 0; MB_ERR_CONFIG with
 * a sentence in why: a name that is none, one that comes twice, a count that is none, more than
 * CLASSES_MAX, more executors than there are. */
int classes_parse(struct classes *ret, const char *text, uint32_t executor_cnt, char *why,
		  size_t why_bytes);

/* classes_find gives the class of a name; CLASSES_NONE for "" and for what is none. */
uint8_t classes_find(const struct classes *c, const char *name);

#endif
