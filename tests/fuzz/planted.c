/* SPDX-License-Identifier: Apache-2.0 */
/* planted.c - a fuzz target with one bug on purpose, to see that the replayer finds it
 *
 * The corpus holds the one file "abcdefgh": the bugs show only on a shorter beginning of it, on a
 * changed byte, or one byte past its end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PLANT_NONE     0
#define PLANT_PREFIX   1
#define PLANT_FLIP     2
#define PLANT_OVERREAD 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (PLANT == PLANT_PREFIX && len == 3)
		abort();
	if (PLANT == PLANT_FLIP && len == 8 && memcmp(data, "abcdefgh", 8) != 0)
		abort();
	if (PLANT == PLANT_OVERREAD && len == 8) {
		volatile uint8_t past = data[len];

		(void)past;
	}
	return 0;
}
