/* SPDX-License-Identifier: Apache-2.0 */
/* gate_tls - a connection that is encrypted
 *
 * Threads: the gate's. What comes is deciphered and goes to gate_conn_plain; what gate_out has
 * written is enciphered on its way to the stream.
 */
#ifndef MB_GATE_TLS_H
#define MB_GATE_TLS_H

#include "gate_int.h"

/* gate_tls_init reads certificate and key, if gate.tls_listen is set. Threads: start-up.
 * Returns: 0; an error, and it is logged. */
int gate_tls_init(struct gate *g);
void gate_tls_end(struct gate *g);
/* gate_tls_open: a connection is to be encrypted. Returns: false: there is no memory. */
bool gate_tls_open(struct gate *g, struct gate_conn *c);
void gate_tls_drop(struct gate *g, struct gate_conn *c);
/* gate_tls_ready: the handshake is over. gate_tls_half: half a record has come. */
bool gate_tls_ready(const struct gate_conn *c);
bool gate_tls_half(const struct gate_conn *c);
/* gate_tls_used: what OpenSSL has taken for all connections, charged to the gate's memory.
 * gate_tls_held: what one holds beside what each has that is at rest. */
size_t gate_tls_used(const struct gate *g);
size_t gate_tls_held(const struct gate_conn *c);
void gate_tls_received(struct gate *g, struct gate_conn *c, const uint8_t *p, size_t len);
void gate_tls_flush(struct gate *g, struct gate_conn *c);
void gate_tls_sent(struct gate *g, struct gate_conn *c);
void gate_tls_bye(struct gate *g, struct gate_conn *c);
/* gate_tls_trim gives what OpenSSL has freed back to the system, if that is much. Cost: some ms. */
void gate_tls_trim(struct gate *g);

#endif
