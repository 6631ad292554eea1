/* SPDX-License-Identifier: Apache-2.0 */
/* answer - parts of the node's answers that more than one command prints
 *
 * Threads: one.
 */
#ifndef MB_CLI_ANSWER_H
#define MB_CLI_ANSWER_H

#include <jansson.h>
#include <stddef.h>

/* answer_executors prints "executors" of an answer (control/ctl/admin.h) as a table. */
void answer_executors(const json_t *executors);

/* answer_names joins an array of strings with blanks, cut to bytes. Returns: buf. */
const char *answer_names(char *buf, size_t bytes, const json_t *names);

#endif
