/* SPDX-License-Identifier: Apache-2.0 */
/* mem - memory of a command, which lives for one command
 *
 * A command that gets no memory for its few kilobytes has nothing better to do than to say so and
 * end. Whatever may be large (files, values) is asked for elsewhere, with an error of its own.
 *
 * Threads: one.
 */
#ifndef MB_CLI_MEM_H
#define MB_CLI_MEM_H

/* mem_need gives p back, or ends the process with exit code 1 if it is NULL. */
void *mem_need(void *p);

/* mem_keep is mem_need for memory that is used until the process ends: options, names, arguments.
 * It
 * is remembered, so that a leak checker tells it from memory that was lost. */
void *mem_keep(void *p);

#endif
