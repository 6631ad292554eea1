/* SPDX-License-Identifier: Apache-2.0 */
/* object_fuzz - shared objects, which anybody may deploy
 *
 * Whatever the file: it is read without leaving it, and refused with a sentence, or accepted with
 * functions whose names are C identifiers, each once.
 */
#include <string.h>

#include "check.h"
#include "object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct object object;
	char why[OBJECT_WHY_BYTES];
	int err = object_check(slice_of(data, len), &object, why);

	REQUIRE(memchr(why, '\0', sizeof(why)) != NULL);
	if (err != 0) {
		REQUIRE(why[0] != '\0', "err=%d", err);
		return 0;
	}
	REQUIRE(object.fn_cnt > 0);
	REQUIRE(object.fn_cnt <= FUNCTION_CNT_MAX, "fn_cnt=%u", object.fn_cnt);
	for (uint32_t i = 0; i < object.fn_cnt; i++) {
		size_t name_len = strnlen(object.fn[i], NAME_BYTES_MAX);

		REQUIRE(name_len > 0 && name_len < NAME_BYTES_MAX, "len=%zu", name_len);
		REQUIRE(strspn(object.fn[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					     "0123456789_") == name_len);
		for (uint32_t k = 0; k < i; k++) {
			REQUIRE(strcmp(object.fn[i], object.fn[k]) != 0, "i=%u k=%u", i, k);
		}
	}
	return 0;
}
