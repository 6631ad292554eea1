/* SPDX-License-Identifier: Apache-2.0 */
/* columns - rows of text in aligned columns
 *
 *	struct columns t;
 *
 *	columns_init(&t, "<NAME >CALLS >p50");
 *	columns_row(&t, "sun", "increment", calls, p50_ns);
 *	columns_print(&t, stdout);
 *
 * The heading gives the columns and where each is aligned: '<' left, '>' right. Widths count
 * characters, not bytes. Cells are copied, and escaped when printed: they may be a stranger's
 * names.
 *
 * Threads: one. Memory: the process ends before it matters; a command that loops calls
 * columns_fini.
 */
#ifndef MB_CLI_COLUMNS_H
#define MB_CLI_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define COLUMNS_MAX 12

struct columns {
	size_t column_cnt;
	bool right[COLUMNS_MAX];
	char **cell; /* row after row; the heading is the first */
	size_t cell_cnt, cell_cap;
};

void columns_init(struct columns *t, const char *heading);

/* columns_row adds a row. kinds has a letter a column, and behind it stand the values:
 *	s  const char *   text
 *	u  uint64_t       a number
 *	n  uint64_t       nanoseconds
 *	b  uint64_t       bytes
 *	r  double         events a second
 *	p  double         a share, as percents
 *	-  nothing        an empty cell */
void columns_row(struct columns *t, const char *kinds, ...);

/* columns_print prints heading and rows, two blanks apart; nothing if there are no rows. */
void columns_print(const struct columns *t, FILE *f);

void columns_fini(struct columns *t);

#endif
