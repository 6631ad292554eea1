/* SPDX-License-Identifier: Apache-2.0 */
/* door_large - what is too long to be copied once more
 *
 * A long request comes into a payload of this client, from which its value is put. A long value is
 * sent from where the cache has it; meanwhile it is held, as by any reader. Both are few at a time:
 * what finds no place goes by way of the net tile's memory.
 *
 * The memory that payloads lie in is the node's, for all processes (executor.payload_budget): a
 * client of 64 MiB that has gone must not have it for ever.
 */
#include "check.h"
#include "door_int.h"
#include "payload.h"
#include "timebase.h"

/* Segments of payloads are kept for the next, so long or twice as long; then the node has them
 * again. */
#define AGE_NS NS_PER_S

void *
door_take(void *ctx, size_t bytes)
{
	struct door *d = ctx;
	struct domain *domain = d->client->d;
	struct payload_ref ref;
	uint8_t *p;

	for (uint32_t i = 0; i < DOOR_LARGE_CNT; i++) {
		if (d->large[i].p == NULL) {
			if (payload_alloc(domain->pool, bytes, domain->proc, &ref, &p) != 0) {
				return NULL;
			}
			d->large[i] = (struct door_large){ p, ref };
			return p;
		}
	}
	return NULL;
}

bool
door_give(void *ctx, const void *p)
{
	struct door *d = ctx;

	for (uint32_t i = 0; i < DOOR_LARGE_CNT; i++) {
		if (d->large[i].p == p) {
			if (d->client != NULL) { /* else the payload went with it */
				payload_release(d->client->d->pool, d->large[i].ref.handle,
						d->client->d->proc);
			}
			d->large[i].p = NULL;
			return true;
		}
	}
	return false;
}

uint64_t
door_tidy(void *ctx, uint64_t now_ns)
{
	struct door *d = ctx;
	struct payload_pool *pool = d->client->d->pool;

	if (now_ns >= d->age_ns) {
		d->age_ns = now_ns + AGE_NS;
		payload_age(pool);
	}
	return payload_spare(pool) > 0 ? d->age_ns : TILE_TIMER_NEVER;
}

struct payload_ref
door_large_ref(const struct door *d, struct slice value)
{
	for (uint32_t i = 0; i < DOOR_LARGE_CNT; i++) {
		const struct door_large *l = &d->large[i];

		if (l->p != NULL && value.p >= l->p && value.p < l->p + l->ref.len) {
			struct payload_ref ref = l->ref;

			ref.off += (uint32_t)(value.p - l->p);
			ref.len = (uint32_t)value.len;
			return ref;
		}
	}
	return (struct payload_ref){ 0 };
}

bool
door_lend(struct door *d, struct flow_ref ref, struct cache_value *v)
{
	struct rpc_reply reply = { .payload = v->envelope };
	uint8_t head[RPC_REPLY_HEAD];
	uint32_t i = 0;

	while (i < DOOR_LENT_CNT && d->lent[i].envelope.p != NULL) {
		i++;
	}
	if (i == DOOR_LENT_CNT || v->slot == CACHE_SLOT_NONE) {
		return false;
	}
	rpc_reply_write(head, &reply);
	d->lent[i] = *v;
	if (!net_tile_lend(d->tile, ref, slice_of(head, sizeof(head)), v->envelope)) {
		d->lent[i].envelope.p = NULL;
		return false;
	}
	v->slot = CACHE_SLOT_NONE;
	return true;
}

void
door_back(void *ctx, const uint8_t *p)
{
	struct door *d = ctx;
	uint32_t i = 0;

	while (i < DOOR_LENT_CNT && d->lent[i].envelope.p != p) {
		i++;
	}
	REQUIRE(i < DOOR_LENT_CNT);
	if (d->client != NULL) { /* else all that it held is free */
		client_look_end(d->client, &d->lent[i]);
	}
	d->lent[i].envelope.p = NULL;
}
