/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_conf - what a configuration file means, as the node's own parser reads it
 *
 * Threads: any.
 */
#ifndef MB_CLI_DOCTOR_CONF_H
#define MB_CLI_DOCTOR_CONF_H

#include <stddef.h>

#include "params.h"

/* doctor_conf runs `microburstd --check --config file` and fills *ret, and in *ret_pages how
 * many huge pages that takes. What is wrong with the file
 * is said by that program, on standard error.
 * Returns: 0; MB_ERR_NOT_FOUND no microburstd beside this program; MB_ERR_CONFIG; MB_ERR_IO. */
int doctor_conf(const char *file, struct params *ret, uint64_t *ret_pages);

/* doctor_conf_plan runs `microburstd --plan --config file`.
 * Returns: 0; MB_ERR_CONFIG with what is in the way of its start in why; MB_ERR_NOT_FOUND and
 * MB_ERR_IO with that it could not be asked. */
int doctor_conf_plan(const char *file, char *why, size_t bytes);

#endif
