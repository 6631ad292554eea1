/* SPDX-License-Identifier: Apache-2.0 */
/* fit - as much of a sample as a window has room for
 *
 * `top` shows four lists of a sample (rates.h), one below the other. In a window that is too low
 * for all of them each gets its fair share of the rows: what a short list leaves goes to the
 * others. A list that is cut shows its busiest, in the order of how busy they are, and how many
 * more there are.
 *
 * Threads: any.
 */
#ifndef MB_CLI_FIT_H
#define MB_CLI_FIT_H

#include <stdint.h>

#include <jansson.h>

#define FIT_LISTS 4 /* functions, executors, tiles, stages */

/* fit_shares gives each of FIT_LISTS that wants want[i] rows give[i] of rows: all it wants if there
 * is room for all, else as even as can be; together never more than rows. */
void fit_shares(const uint32_t want[FIT_LISTS], uint32_t rows, uint32_t give[FIT_LISTS]);

/* fit_sample makes a copy of a sample whose lists, their headings, and a line between any two fit
 * rows lines. Beside a list that was cut stands "LIST_more", how many it lacks: a line too. A list
 * for which there is no room is empty. */
json_t *fit_sample(const json_t *sample, uint32_t rows);

#endif
