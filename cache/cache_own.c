/* SPDX-License-Identifier: Apache-2.0 */
/* cache_own - see cache_own.h */
#include "cache_own.h"

#include <sys/mman.h>

static size_t
bytes_of(uint64_t place_cnt)
{
	return place_cnt * sizeof(struct cache_own) + cache_tags_bytes(place_cnt);
}

struct cache_own *
cache_own_make(uint64_t place_cnt, struct cache_tags *ret_tags)
{
	size_t bytes = bytes_of(place_cnt);
	struct cache_own *own = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (own == MAP_FAILED) {
		return NULL;
	}
	(void)madvise(own, bytes, MADV_HUGEPAGE);
	*ret_tags = (struct cache_tags){ (uint16_t *)(own + place_cnt), place_cnt - 1 };
	return own;
}

void
cache_own_free(struct cache_own *own, const struct cache_tags *tags)
{
	if (own != NULL) {
		munmap(own, bytes_of(tags->mask + 1));
	}
}
