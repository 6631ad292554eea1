/* SPDX-License-Identifier: Apache-2.0 */
/* app - what simulated processes do */
#ifndef MB_SIM_APP_H
#define MB_SIM_APP_H

#include "microburst/client.h"
#include "oracle.h"

struct sim;
struct sim_proc;

/* client.c: calls functions and writes to the store through the shipped client library, until the
 * run's
 * operations are used up. */
void client_main(struct sim_proc *p);

/* bag_client.c: reads and writes of bags. seen: what a client saw last of values beside each other.
 * item is memory of the client's that stays meanwhile. Return: 0, or an error of the library. */
#define BAG_SEEN_MAX 256
struct bag_seen {
	struct mb_seen *token; /* NULL: none */
	uint8_t key;
	uint32_t cnt, n[BAG_SEEN_MAX];
};
int bag_client_read(struct sim *s, struct mb_client *c, struct bag_seen *seen, const struct op *op);
int bag_client_write(struct sim *s, struct mb_client *c, struct bag_seen *seen, struct op *op,
		     char item[ORACLE_MEMBER_MAX]);

/* executor.c: runs calls. */
void executor_main(struct sim_proc *p);

/* bag_executor.c: operation idx of a call, on a bag. Returns: 0, or an error of function.h. */
struct mb_call;
struct mb_slice;
int bag_executor(struct mb_call *call, uint32_t token, uint32_t idx, struct mb_slice key);

#endif
