/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_fn - what the commands that call share: words to arguments, options, answers */
#ifndef MB_GATE_CMD_FN_H
#define MB_GATE_CMD_FN_H

#include "gate_int.h"
#include "value.h"

struct gate_call_options {
	uint64_t deadline_ns; /* from now; 0: none */
	uint64_t request_id;  /* 0: none */
	bool read_only;
	bool future;   /* answered with the request's id, at once */
	uint8_t level; /* enum call_level */
	uint8_t ack;   /* enum kvs_ack */
};

/* gate_options reads LEVEL, DEADLINE, ID, ACK and FUTURE in front of a name. Returns: the place of
 * the name; 0: answered. */
uint32_t gate_options(struct gate *g, struct gate_conn *c, const struct slice *arg,
		      uint32_t arg_cnt, uint32_t at, struct gate_call_options *ret);

/* gate_words_bytes: bytes of the list that words make, of which key_cnt are keys; or an error.
 * gate_words_add writes it. */
int64_t gate_words_bytes(const struct slice *word, uint32_t cnt, uint32_t key_cnt);
void gate_words_add(struct value_writer *w, const struct slice *word, uint32_t cnt,
		    uint32_t key_cnt);

/* gate_name_of takes a word for a name. Returns: false: it cannot be one. */
bool gate_name_of(struct slice word, char ret[NAME_BYTES_MAX]);

/* gate_call_go starts the call of d, alone. limit_ns: what its function may take at most; 0: no
 * limit. Returns: what the handler returns. */
int gate_call_go(struct gate *g, struct gate_conn *c, struct desc *d, const void *list,
		 size_t bytes, const struct gate_call_options *opt, uint64_t limit_ns);
/* gate_call_reply: the answer is there (c->answered). Returns: GATE_DONE. */
int gate_call_reply(struct gate *g, struct gate_conn *c);
/* gate_call_refuse answers for a call that could not be started, or waits. */
int gate_call_refuse(struct gate *g, struct gate_conn *c, int err);

#endif
