/* SPDX-License-Identifier: Apache-2.0 */
/* err.c - err.def as an array
 *
 * The numbers are dense (err.def says so, the assertion below proves it), so a code is an index.
 * A number used twice does not compile: it would initialise one element twice.
 */
#include <microburst/error.h>

#include <string.h>

#include "compiler.h"

struct err_row {
	const char *name;
	const char *text;
	bool retryable;
	bool client_visible;
};

static const struct err_row err_rows[] = {
	[0] = { "OK", "no error", false, true },
#define ERR(name, value, retryable, client_visible, text)                                          \
	[value] = { #name, text, retryable, client_visible },
#include <microburst/err.def>
#undef ERR
};

enum {
	ERR_ROW_CNT = 1
#define ERR(name, value, retryable, client_visible, text) +1
#include <microburst/err.def>
#undef ERR
};
static_assert(ARRAY_CNT(err_rows) == ERR_ROW_CNT, "the numbers of err.def have a gap");

static const struct err_row *
err_row(int err)
{
	/* Compared before it is negated: -INT_MIN is not a number. */
	if (err > 0 || err <= -(int)ERR_ROW_CNT) {
		return NULL;
	}
	return &err_rows[-err];
}

const char *
mb_err_name(int err)
{
	const struct err_row *row = err_row(err);

	return row != NULL ? row->name : "UNKNOWN";
}

const char *
mb_err_text(int err)
{
	const struct err_row *row = err_row(err);

	return row != NULL ? row->text : "an error this version does not know";
}

bool
mb_err_retryable(int err)
{
	const struct err_row *row = err_row(err);

	return row != NULL && row->retryable;
}

bool
mb_err_client_visible(int err)
{
	const struct err_row *row = err_row(err);

	return row != NULL && row->client_visible;
}

int
mb_err_from_name(const char *name)
{
	for (int i = 0; i < ERR_ROW_CNT; i++) {
		if (strcmp(err_rows[i].name, name) == 0) {
			return -i;
		}
	}
	return 1;
}
