/* SPDX-License-Identifier: Apache-2.0 */
/* columns.c - rows of text in aligned columns */
#include "columns.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "fmt.h"
#include "mem.h"

static void
add_cell(struct columns *t, const char *text, size_t len)
{
	char *safe = NULL;
	size_t safe_len;
	FILE *f = mem_need(open_memstream(&safe, &safe_len));

	fmt_safe(f, text, len, false);
	fclose(f);
	mem_need(safe);
	if (t->cell_cnt == t->cell_cap) {
		t->cell_cap = t->cell_cap == 0 ? 64 : 2 * t->cell_cap;
		t->cell = mem_need(realloc(t->cell, t->cell_cap * sizeof(*t->cell)));
	}
	t->cell[t->cell_cnt++] = safe;
}

void
columns_init(struct columns *t, const char *heading)
{
	*t = (struct columns){ 0 };
	while (*heading != '\0') {
		size_t len = strcspn(heading + 1, " ");

		REQUIRE(*heading == '<' || *heading == '>', "heading=%s", heading);
		REQUIRE(t->column_cnt < COLUMNS_MAX, "heading=%s", heading);
		t->right[t->column_cnt++] = *heading == '>';
		add_cell(t, heading + 1, len);
		heading += 1 + len;
		heading += strspn(heading, " ");
	}
}

void
columns_row(struct columns *t, const char *kinds, ...)
{
	char buf[FMT_BYTES];
	const char *text;
	va_list ap;

	REQUIRE(strlen(kinds) == t->column_cnt, "kinds=%s columns=%zu", kinds, t->column_cnt);
	va_start(ap, kinds);
	for (; *kinds != '\0'; kinds++) {
		text = buf;
		switch (*kinds) {
		case 's':
			text = va_arg(ap, const char *);
			break;
		case 'u':
			snprintf(buf, sizeof(buf), "%" PRIu64, va_arg(ap, uint64_t));
			break;
		case 'n':
			fmt_ns(buf, va_arg(ap, uint64_t));
			break;
		case 'b':
			fmt_bytes(buf, va_arg(ap, uint64_t));
			break;
		case 'r':
			fmt_rate(buf, va_arg(ap, double));
			break;
		case 'p':
			snprintf(buf, sizeof(buf), "%.1f %%", 100 * va_arg(ap, double));
			break;
		case '-':
			text = "";
			break;
		default:
			INSIST(false, "kind '%c'", *kinds);
		}
		add_cell(t, text, strlen(text));
	}
	va_end(ap);
}

/* Characters of UTF-8: all bytes but continuations. */
static size_t
width_of(const char *s)
{
	size_t width = 0;

	for (; *s != '\0'; s++) {
		width += ((uint8_t)*s & 0xc0) != 0x80;
	}
	return width;
}

void
columns_print(const struct columns *t, FILE *f)
{
	size_t width[COLUMNS_MAX] = { 0 };
	int blanks = 0;

	if (t->cell_cnt == t->column_cnt) {
		return;
	}
	for (size_t i = 0; i < t->cell_cnt; i++) {
		size_t column = i % t->column_cnt, cell = width_of(t->cell[i]);

		width[column] = cell > width[column] ? cell : width[column];
	}
	for (size_t i = 0; i < t->cell_cnt; i++) {
		size_t column = i % t->column_cnt;
		int pad = (int)(width[column] - width_of(t->cell[i]));

		/* Blanks come before what they keep apart: no line ends in some. */
		blanks += t->right[column] ? pad : 0;
		if (t->cell[i][0] != '\0') {
			fprintf(f, "%*s%s", blanks, "", t->cell[i]);
			blanks = 0;
		}
		blanks += t->right[column] ? 2 : pad + 2;
		if (column + 1 == t->column_cnt) {
			fputc('\n', f);
			blanks = 0;
		}
	}
}

void
columns_fini(struct columns *t)
{
	for (size_t i = 0; i < t->cell_cnt; i++) {
		free(t->cell[i]);
	}
	free(t->cell);
	*t = (struct columns){ 0 };
}
