/* SPDX-License-Identifier: Apache-2.0 */
/* gate_text - what a connection has sent: bytes to commands; of the gate's thread */
#ifndef MB_GATE_TEXT_H
#define MB_GATE_TEXT_H

#include "gate_int.h"

/* gate_text_keep adds bytes to those that are kept. Returns: false: there is no memory. */
bool gate_text_keep(struct gate *g, struct gate_conn *c, const uint8_t *p, size_t len);

/* gate_text_no_memory: a long word of its command has none; the connection ends with the error. */
void gate_text_no_memory(struct gate *g, struct gate_conn *c);

/* gate_text_go runs commands from where their text is (NULL: what is kept) until one must wait, or
 * is not all there; what is not done with is kept. It may close the connection. */
void gate_text_go(struct gate *g, struct gate_conn *c, const uint8_t *p, size_t len);

/* gate_text_end drops what the command at hand has: values, copies of words, long words. */
void gate_text_end(struct gate *g, struct gate_conn *c);

/* Whether its commands are run: of one that is at its end what EXEC has begun. */
bool gate_text_goes_on(const struct gate_conn *c);

#endif
