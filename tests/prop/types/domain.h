/* SPDX-License-Identifier: Apache-2.0 */
/* domain.h - values of each type to try laws on
 *
 * All are made by the public interfaces alone. They live until made_forget.
 */
#ifndef MB_DOMAIN_H
#define MB_DOMAIN_H

#include <stddef.h>

#include "rng.h"
#include "slice.h"

#define DOMAIN_CNT_MAX 256

/* domain_small gives a small world of a type: all its values over two or three times, writers,
 * members; so that equal stamps, writers, epochs and clocks meet in every combination.
 *
 * Returns:   how many; they are different, and bottom is among them.
 */
size_t domain_small(unsigned int type, struct slice value[DOMAIN_CNT_MAX]);

/* domain_random gives one value of a type: of a few bytes to some thousands, with the limits of 64
 * bits far more often than chance would have them. */
struct slice domain_random(unsigned int type, struct rng *rng);

#endif
