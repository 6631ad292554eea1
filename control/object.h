/* SPDX-License-Identifier: Apache-2.0 */
/* object - what a shared object defines, read from its bytes without running any of them
 *
 * The daemon never loads a user's object: an executor does that, in its sandbox. But before an object
 * is registered the node must know which functions it defines, and a person who deploys a wrong file
 * should hear what is wrong with it. So the ELF file is read as data: header, section table, dynamic
 * symbols named mb_function_NAME. The bytes are a stranger's; fuzz target: object.
 */
#ifndef MB_OBJECT_H
#define MB_OBJECT_H

#include <stddef.h>
#include <stdint.h>

#include "limits.h"
#include "slice.h"

#define OBJECT_BYTES_MAX (64u << 20)
#define OBJECT_WHY_BYTES 160

/* object_functions lists the functions that an object defines.
 * Returns: how many, 1..max, their names in ret; MB_ERR_LOAD for what is not a shared object of this
 *          machine or defines no function; MB_ERR_TOO_LARGE past max or OBJECT_BYTES_MAX. why gets
 *          one sentence about an error. */
int object_functions(struct slice object, char (*ret)[NAME_BYTES_MAX], uint32_t max,
		     char why[OBJECT_WHY_BYTES]);

#endif
