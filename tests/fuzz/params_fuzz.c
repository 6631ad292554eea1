/* SPDX-License-Identifier: Apache-2.0 */
/* params_fuzz - configuration: "name=value" is set, or refused with a sentence and nothing
 * changed; what
 * was set reads back as what was meant */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "params.h"
#include "slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

static bool
same(const struct params *a, const struct params *b)
{
	return slice_eq(slice_of(a, sizeof(*a)), slice_of(b, sizeof(*b)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct params a, before, b;
	char err[PARAMS_ERR_BYTES] = "";
	char text[PARAM_STR_BYTES];
	char *line = malloc(len + 1);
	char *eq;

	memcpy(line, p, len);
	line[len] = '\0';
	eq = strchr(line, '=');
	if (eq != NULL) {
		*eq = '\0';
		params_default(&a);
		before = a;
		if (params_set(&a, line, eq + 1, err) != 0) {
			if (err[0] == '\0' || !same(&a, &before)) {
				abort();
			}
		} else {
			b = before;
			if (params_get(&a, line, text) != 0 ||
			    params_set(&b, line, text, err) != 0 || !same(&a, &b)) {
				abort();
			}
		}
	}
	free(line);
	return 0;
}
