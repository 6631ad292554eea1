/* SPDX-License-Identifier: Apache-2.0 */
/* payload - arguments, results and write sets, from their producer's memory to their readers
 *
 * The producer writes a payload once, into its slab or (above PAYLOAD_SLAB_MAX) into a leased
 * segment; consumers read it in place. The producer alone counts who holds it: consumers return a
 * hold with a RELEASE message, or by dying. So no count is shared, and a consumer can give back
 * only what it was given.
 *
 * P1  A payload's memory is reused only when its holds are all returned.
 * P2  A hold belongs to one process; a RELEASE from another, or of a handle long gone, is counted
 *     and ignored. Handles carry a generation.
 * P3  When a process dies, payload_release_all(proc) returns what it held.
 * P4  Segments are leased from the daemon within a budget, kept and used again, and given back when
 *     the budget is short for their producer. Who lives as long as the node gives them back when it
 *     has no use for them (payload_trim, payload_age): the budget is everybody's.
 *
 * Owner: the process (daemon: the tile) whose region it is. Threads: that one.
 */
#ifndef MB_RT_PAYLOAD_H
#define MB_RT_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "desc.h"
#include "region.h"

#define PAYLOAD_CNT_MAX  4096 /* payloads alive at one producer */
#define PAYLOAD_HOLD_MAX 8192
#define PAYLOAD_SEG_MAX  512

/* How a producer gets and returns segments. lease: a fresh writable mapping of at least bytes that
 * is sealed for everybody else. */
struct payload_lease_ops {
	int (*lease)(void *ctx, size_t bytes, uint32_t *ret_seg, uint8_t **ret_p,
		     size_t *ret_bytes);
	void (*unlease)(void *ctx, uint32_t seg, uint8_t *p, size_t bytes);
	/* Makes a segment longer that nobody else has been told of, its bytes as they are; *p
	 * moves. Optional. Returns: 0; MB_ERR_NO_MEMORY, and nothing has changed. */
	int (*grow)(void *ctx, uint32_t seg, size_t bytes, uint8_t **p, size_t *p_bytes);
	void *ctx;
};

struct payload_pool;

/* payload_create makes a pool over slab (bytes at slab_off of the region's mapping).
 * Returns: 0, or MB_ERR_NO_MEMORY. Owns: the pool; lease ops are copied. Threads: start-up only. */
int payload_create(struct payload_pool **ret, uint16_t proc, uint32_t inc, uint8_t *slab,
		   size_t slab_bytes, size_t slab_off, const struct payload_lease_ops *ops);
void payload_destroy(struct payload_pool *pool);

/* payload_alloc takes len bytes, held once by holder (a process index).
 * Returns: 0 with *ret_ref and *ret_p (valid until the last hold is returned);
 *          MB_ERR_TOO_LARGE above PAYLOAD_BYTES_MAX; MB_ERR_NO_MEMORY when slab, table or budget
 *          are used up: try again when holds have come back. */
int payload_alloc(struct payload_pool *pool, size_t len, uint16_t holder,
		  struct payload_ref *ret_ref, uint8_t **ret_p);

/* payload_put copies bytes into a descriptor that has no payload yet: inline when they fit, else as
 * a payload held by holder. Returns: 0; as payload_alloc. */
int payload_put(struct payload_pool *pool, struct desc *desc, const void *bytes, size_t len,
		uint16_t holder);

/* payload_shrink makes a payload shorter than it was allocated. */
void payload_shrink(struct payload_pool *pool, struct payload_ref *ref, uint32_t len);

/* payload_grow makes a payload above PAYLOAD_SLAB_MAX longer, without copying it: *ret_p may move.
 * Requires: nobody else has been told of it. Returns: 0; as payload_alloc, and all is as it was;
 * MB_ERR_NOT_SUPPORTED: it lies in the slab, or segments do not grow here. */
int payload_grow(struct payload_pool *pool, struct payload_ref *ref, uint8_t **ret_p, size_t len);

/* payload_spare tells whether a segment is unused here that is not much longer than len:
 * payload_alloc then takes that one. */
bool payload_spare(const struct payload_pool *pool, size_t len);

/* payload_part makes a reference to len bytes at p, which lie in an own payload. */
struct payload_ref payload_part(struct payload_pool *pool, uint32_t handle, const uint8_t *p,
				size_t len);

/* payload_hold adds a hold of holder. Returns: 0; MB_ERR_NOT_FOUND; MB_ERR_NO_MEMORY (table full).
 */
int payload_hold(struct payload_pool *pool, uint32_t handle, uint16_t holder);

/* payload_move gives one hold of from to to.
 * Returns: 0; MB_ERR_NOT_FOUND when from has none; MB_ERR_NO_MEMORY (table full; never when it is
 *          from's only one). Unless 0 nothing has changed. */
int payload_move(struct payload_pool *pool, uint32_t handle, uint16_t from, uint16_t to);

/* payload_release returns one hold of holder. Returns: 0; MB_ERR_NOT_FOUND (P2). */
int payload_release(struct payload_pool *pool, uint32_t handle, uint16_t holder);
void payload_release_all(struct payload_pool *pool, uint16_t holder);

/* payload_trim returns unused segments to the daemon. Returns: how many. */
uint32_t payload_trim(struct payload_pool *pool);

/* payload_age returns to the daemon the segments that nothing used since the call before, but not
 * more than `most`: each takes time. Returns: how many. payload_unused tells how many are kept and
 * not used now. */
uint32_t payload_age(struct payload_pool *pool, uint32_t most);
uint32_t payload_unused(const struct payload_pool *pool);

/* payload_ptr finds an own payload's bytes by handle; NULL when it is gone. */
uint8_t *payload_ptr(struct payload_pool *pool, uint32_t handle);

/* payload_own finds the bytes of a reference to an own payload that came from somebody else.
 * Returns: NULL when it is not alive, or not within what was given out: another incarnation,
 * longer.
 * */
const uint8_t *payload_own(struct payload_pool *pool, const struct payload_ref *ref);

/* How many payloads are alive, found by walking the table. */
uint32_t payload_alive(const struct payload_pool *pool);

#endif
