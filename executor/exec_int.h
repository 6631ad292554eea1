/* SPDX-License-Identifier: Apache-2.0 */
/* exec_int - what the parts of exec share
 *
 *	exec.c        one call
 *	exec_batch.c  several calls of one function
 */
#ifndef MB_EXEC_INT_H
#define MB_EXEC_INT_H

#include "batch.h"
#include "dagpart.h"
#include "dagrun.h"
#include "exec.h"
#include "exec_trace.h"
#include "goal.h"
#include "mail.h"
#include "owed.h"
#include "session.h"

struct exec {
	struct exec_conf conf;
	struct session *session;
	struct mb_call call; /* the one that runs */
	uint64_t busy_ns, finished;
	struct fns fns;
	struct dagrun dag; /* a single function's result is result[0] */
	struct dagpart part;
	struct slice input[DAG_FUNCTION_MAX]; /* of the part that runs */
	bool input_view[DAG_FUNCTION_MAX], cut_view;
	struct goal goal;
	struct batch batch;
	struct owed owed;
	struct mail mail;
	uint8_t quick[FUNCTION_CNT_MAX]; /* how often in a row a function was */
};

/* What became of a call. */
struct exec_outcome {
	struct result *result;
	uint32_t result_cnt; /* how many there are, the one that is sent among them */
	uint32_t input_cnt;  /* of a part: looked at */
	bool is_part;
	bool for_caller; /* else others of the DAG read the result */
	bool is_filled;  /* the reply has its results */
	bool is_owed;    /* and is sent later */
	struct desc *reply;
	uint64_t start_ns; /* when the call was taken */
	uint64_t began_ns; /* 0: it never ran */
	uint64_t ended_ns; /* its writes are published; 0: it never ran */
	uint64_t run_ns;
	uint64_t on_ns; /* how long what went on ran here */
	/* Of a part at the level rr: what it has read, for the next one; len 0: nothing. */
	struct payload_ref cut;
	uint64_t next; /* b of a reply that goes on; 0: it does not, or not from here */
};

/* exec_check says what can be said about a call before its arguments are looked at. */
int exec_check(struct exec *x, const struct desc *d, const struct exec_from *from, uint64_t now);
/* exec_args_open opens a call's arguments. When *ret_view is set they are to be dropped, also after
 * an error. Returns: 0; MB_ERR_PEER_DIED, to the node, when they died with the executor that it has
 * them from; MB_ERR_INVALID, MB_ERR_CORRUPT. */
int exec_args_open(struct exec *x, const struct desc *d, const struct exec_from *from,
		   const uint8_t **ret, size_t *ret_len, bool *ret_view);
/* exec_inputs_open opens what functions before a part returned, into x->input. *ret_cnt: how many
 * are to be closed, also after an error. Returns: 0; MB_ERR_PEER_DIED when it died with its
 * executor; another error. */
int exec_inputs_open(struct exec *x, const struct dagpart *part, bool *view, uint32_t *ret_cnt);
void exec_inputs_close(struct exec *x, const struct dagpart *part, const bool *view, uint32_t cnt);
/* exec_show_run says in shared memory what this executor does, exec_show_idle that it has done it.
 * */
void exec_show_run(struct exec *x, const struct desc *d, uint64_t now);
void exec_show_idle(struct exec *x, uint64_t busy_ns);
/* exec_reply_to begins an answer, exec_reply_fill gives it the results, or call.text for its error,
 * exec_reply sends it. for_caller: who called reads them; else others of the DAG. */
struct desc exec_reply_to(const struct exec *x, uint64_t call, const struct exec_outcome *out,
			  uint64_t end);
void exec_reply_fill(struct exec *x, struct desc *d, struct result *result, bool for_caller);
void exec_reply(struct exec *x, const struct exec_from *from, const struct desc *d,
		bool for_caller);
/* exec_note remembers where the time went, until out->ended_ns. It comes before exec_reply: who has
 * the answer finds the line. */
void exec_note(struct exec *x, const struct desc *d, const struct exec_from *from,
	       const struct exec_outcome *out, int err);

/* exec_batch is exec_call for the last of a batch. */
int exec_batch(struct exec *x, const struct desc *last, const struct exec_from *from);

static inline uint64_t
exec_now(const struct exec *x)
{
	return x->conf.ops.wait.now_ns(x->conf.ops.wait.ctx);
}

#endif
