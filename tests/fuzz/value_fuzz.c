/* SPDX-License-Identifier: Apache-2.0 */
/* value_fuzz - lists of values, which every caller and every executor writes into memory of its own
 *
 * Whatever the bytes: no look outside of them; a list that is accepted has its values inside of it,
 * with lengths that suit their types, and written again it is as long.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_again(struct slice list, const struct value *v, uint32_t cnt)
{
	uint8_t *again = malloc(list.len + 8);
	struct value_writer w;

	REQUIRE(value_list_cnt(list) == cnt, "cnt=%u", cnt);
	value_list_begin(&w, again, list.len + 8, cnt);
	for (uint32_t i = 0; i < cnt; i++) {
		struct value one = value_list_get(list, i);

		REQUIRE(one.p == v[i].p, "i=%u", i);
		REQUIRE(one.type == v[i].type, "i=%u", i);
		REQUIRE(one.len == v[i].len, "i=%u", i);
		value_list_add(&w, (enum mb_type)v[i].type, v[i].p, v[i].len);
	}
	REQUIRE(value_list_end(&w) == (int64_t)list.len, "len=%zu", list.len);
	REQUIRE(value_list_footprint(v, cnt) == (int64_t)list.len, "len=%zu", list.len);
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct value v[MB_VALUES_MAX];
	uint8_t *copy = malloc(len + 1); /* aligned, as lists are */
	struct slice list = slice_of(copy, len);
	int cnt;

	if (len != 0) {
		memcpy(copy, data, len);
	}
	cnt = value_list_read(list, v);
	for (int i = 0; i < cnt; i++) {
		REQUIRE(value_type_ok(v[i].type, v[i].len), "i=%d", i);
		REQUIRE(v[i].len == 0 || v[i].p >= copy, "i=%d", i);
		REQUIRE(v[i].len == 0 || v[i].p + v[i].len <= copy + len, "i=%d", i);
	}
	if (value_list_check(list) == 0) {
		REQUIRE(cnt >= 0, "cnt=%d", cnt);
		if (len != 0) {
			check_again(list, v, (uint32_t)cnt);
		}
	}
	free(copy);
	return 0;
}
