/* SPDX-License-Identifier: Apache-2.0 */
/* catalog_fuzz - records of functions and DAGs, which a node finds in its store
 *
 * Another node wrote them, or a disk kept them. Whatever is there: it is refused, or it is read,
 * written and read again as the same.
 */
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_fn(struct slice record)
{
	struct slice name = slice_str("name");
	struct catalog_fn fn, back;
	char *text;

	if (catalog_fn_read(name, record, &fn) != 0) {
		return;
	}
	text = catalog_fn_write(&fn);
	REQUIRE(text != NULL);
	REQUIRE(catalog_fn_read(name, slice_str(text), &back) == 0);
	REQUIRE(memcmp(&fn, &back, sizeof(fn)) == 0);
	free(text);
}

static void
check_dag(struct slice record)
{
	char *text = catalog_dag_read(record);
	char *again, *back;

	if (text == NULL) {
		return;
	}
	again = catalog_dag_write(text);
	REQUIRE(again != NULL);
	back = catalog_dag_read(slice_str(again));
	REQUIRE(back != NULL);
	REQUIRE(strcmp(text, back) == 0);
	free(text);
	free(again);
	free(back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	check_fn(slice_of(data, len));
	check_dag(slice_of(data, len));
	return 0;
}
