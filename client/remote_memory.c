/* SPDX-License-Identifier: Apache-2.0 */
/* remote_memory - the memory of long messages
 *
 * Megabytes are written once and given back: with small pages a third of the time that they take
 * would go into making those. The longest of late is kept for the next (spare).
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "compiler.h"
#include "remote.h"
#include "remote_int.h"

#define LARGE_BYTES (4u << 20)
#define LARGE_PAGE  (2u << 20)

void *
remote_alloc(size_t bytes)
{
	void *p = bytes >= LARGE_BYTES
			  ? aligned_alloc(LARGE_PAGE, ALIGN_UP(bytes, (size_t)LARGE_PAGE))
			  : malloc(bytes);

	if (p != NULL && bytes >= LARGE_BYTES) {
		madvise(p, bytes, MADV_HUGEPAGE); /* or not: it is a wish */
	}
	return p;
}

void *
remote_alloc_spare(struct remote *r, size_t bytes)
{
	void *p = r->spare;

	if (bytes < LARGE_BYTES || bytes > r->spare_bytes) {
		return remote_alloc(bytes);
	}
	r->spare = NULL;
	r->spare_bytes = 0;
	return p;
}

void
remote_spare(struct mb_client *c, void *p, size_t bytes)
{
	struct remote *r = c->remote;

	if (bytes < LARGE_BYTES || bytes <= r->spare_bytes) {
		free(p);
		return;
	}
	free(r->spare);
	r->spare = p;
	r->spare_bytes = bytes;
	madvise(p, bytes & ~((size_t)LARGE_PAGE - 1), MADV_FREE); /* a wish, too */
}
