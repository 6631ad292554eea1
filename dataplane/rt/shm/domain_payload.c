/* SPDX-License-Identifier: Apache-2.0 */
/* domain_payload - the bytes that a descriptor brings, or is to bring */
#include <stddef.h>

#include "domain.h"
#include "microburst/error.h"
#include "payload.h"
#include "peer.h"
#include "region.h"

int
domain_view(struct domain *d, const struct payload_ref *ref, const uint8_t **ret)
{
	int err;

	if (ref->proc == d->proc && ref->inc != d->inc) {
		return MB_ERR_PEER_DIED; /* who had our index before us */
	}
	if (ref->proc == d->proc) {
		const uint8_t *p = payload_own(d->pool, ref);

		if (p == NULL) {
			return MB_ERR_PEER_CORRUPT;
		}
		/* Who sent it may give his hold back while we look. */
		err = payload_hold(d->pool, ref->handle, d->proc);
		if (err == 0) {
			d->views[d->proc]++;
			*ret = p;
		}
		return err;
	}
	if (ref->proc == PROC_DAEMON) { /* mapped since the welcome */
		const struct region_layout *at = &d->daemon.at;

		if (ref->seg != 0 || ref->off < at->slab || ref->off > at->bytes ||
		    ref->len > at->bytes - ref->off) {
			return MB_ERR_PEER_CORRUPT;
		}
		d->views[PROC_DAEMON]++;
		*ret = d->daemon.base + ref->off;
		return 0;
	}
	err = peer_view(&d->peers, ref, ret);
	if (err == 0) {
		d->views[ref->proc]++;
	}
	return err;
}

int
domain_payload(struct domain *d, struct desc *desc, const void *bytes, size_t len, uint16_t holder)
{
	return payload_put(d->pool, desc, bytes, len, holder);
}

int
domain_bytes(struct domain *d, const struct desc *desc, const uint8_t **ret, size_t *ret_len,
	     bool *ret_view)
{
	int err;

	if ((desc->flags & DESC_F_INLINE) != 0) {
		if (desc->len > DESC_INLINE_BYTES) {
			return MB_ERR_PEER_CORRUPT;
		}
		*ret = desc->data;
		*ret_len = desc->len;
		*ret_view = false;
		return 0;
	}
	err = domain_view(d, &desc->ref, ret);
	if (err == 0) {
		*ret_len = desc->ref.len;
		*ret_view = true;
	}
	return err;
}
