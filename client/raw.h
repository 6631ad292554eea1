/* SPDX-License-Identifier: Apache-2.0 */
/* raw - a client for those who hold arguments and results in encoded form, inside the daemon
 *
 * The tile that serves remote clients is a client of its node: it passes on what it was sent and
 * what it is answered without looking into it, and sleeps with its own lcore instead of here.
 */
#ifndef MB_CLIENT_RAW_H
#define MB_CLIENT_RAW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "slice.h"
#include <microburst/client.h>

/* client_raw_call is mb_call_start with arguments in encoded form, copied. */
int client_raw_call(struct mb_client *c, const char *name, struct slice list,
		    const struct mb_call_options *opt, uint64_t *ret_call);

/* client_raw_bytes gives an answer's results, or its error's text, in encoded form; there until
 * mb_reply_free. */
struct slice client_raw_bytes(const struct mb_reply *reply);

/* client_raw_ms is the node's time, by which request ids are judged: milliseconds since 1970. */
uint64_t client_raw_ms(struct mb_client *c);

/* client_raw_idle tells that nothing has come: mb_call_poll would say the same, and cost more. */
bool client_raw_idle(struct mb_client *c);

/* client_raw_look takes whatever is there from any port, without waiting. */
void client_raw_look(struct mb_client *c);

/* client_raw_arm says that the client's owner is about to sleep, or awake. Between the two it looks
 * once more. Returns: the word that whoever has something for this client wakes, after it took
 * *ret_expect from it. */
const _Atomic uint32_t *client_raw_arm(struct mb_client *c, bool up, uint32_t *ret_expect);

/* client_raw_awaits tells whether executors are at calls, and nothing is asked of the daemon. */
bool client_raw_awaits(const struct mb_client *c);

/* client_raw_waits tells whether anything is not answered yet. */
bool client_raw_waits(const struct mb_client *c);

#endif
