/* SPDX-License-Identifier: Apache-2.0 */
/* machine - what a bench ran on: without it a figure means nothing */
#ifndef MB_BENCH_MACHINE_H
#define MB_BENCH_MACHINE_H

#include <jansson.h>

/* machine_json describes this machine and this build: one string or number a key.
 * Returns: a new object; NULL without memory. */
json_t *machine_json(void);

/* machine_print writes it for people. */
void machine_print(const json_t *machine);

#endif
