/* SPDX-License-Identifier: Apache-2.0 */
/* gate_conn - a connection's life: what the stream tells of it, and what it runs
 *
 * Owner: the gate tile.
 */
#ifndef MB_GATE_CONN_H
#define MB_GATE_CONN_H

#include "gate_int.h"

bool gate_conn_opened(struct gate *g, struct stream_id id, bool local, const char **ret_reason);
void gate_conn_received(struct gate *g, struct stream_id id, const uint8_t *p, size_t len);
/* gate_conn_room: where the rest of a long word may be received; NULL: there is none. */
uint8_t *gate_conn_room(struct gate *g, struct stream_id id, size_t *ret_len);
/* gate_conn_plain: bytes of commands, as received or deciphered. */
void gate_conn_plain(struct gate *g, struct gate_conn *c, const uint8_t *p, size_t len);
void gate_conn_ended(struct gate *g, struct stream_id id);
void gate_conn_leaves(struct gate *g, struct stream_id id);
void gate_conn_sent(struct gate *g, struct stream_id id, size_t len, int err);
void gate_conn_returned(struct gate *g, struct stream_id id, uint32_t mark);
void gate_conn_closed(struct gate *g, struct stream_id id);
/* gate_conn_go runs what a connection has received, as far as it gets. */
void gate_conn_go(struct gate *g, struct gate_conn *c);
/* gate_conn_address is where its client is: "host:port", or the socket's path. */
void gate_conn_address(struct gate *g, const struct gate_conn *c, char ret[GATE_ADDRESS_MAX]);
/* gate_conn_name gives it a name. Returns: whether it could; else that is answered. */
bool gate_conn_name(struct gate *g, struct gate_conn *c, struct slice name);
/* gate_conn_renew makes the state of the command at hand that of one not begun. */
void gate_conn_renew(struct gate *g, struct gate_conn *c);

#endif
