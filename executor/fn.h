/* SPDX-License-Identifier: Apache-2.0 */
/* fn - a call as the user library sees it: what is behind the handle of function.h
 *
 * One struct is used for all functions that an executor runs, one after the other. The user library
 * (ulib_*.c) reads what stands here and puts back results, writes, and the sentence of an error; it
 * neither sends nor waits itself.
 */
#ifndef MB_EXEC_FN_H
#define MB_EXEC_FN_H

#include <stdbool.h>
#include <stdint.h>

#include "domain_limits.h"
#include "result.h"
#include "session.h"
#include "stage.h"
#include "value.h"
#include <microburst/function.h>

#define FN_TEXT_BYTES 1024 /* of an error; of a line logged 512. function.h tells users */
#define FN_LOG_BYTES  512

/* A function that is loaded here. */
struct fn {
	uint16_t id;  /* 0: none */
	bool batched; /* it writes nothing (batch.h) */
	int (*run)(struct mb_call *call);
	const struct mb_merge *const *merge; /* those of its object */
	uint32_t merge_cnt;
	uint32_t memory_kib; /* it may take while it runs; 0: what there is */
	char name[NAME_BYTES_MAX];
};

/* All of an executor, entry = id % FUNCTION_CNT_MAX, as in the placement table. */
struct fns {
	struct fn fn[FUNCTION_CNT_MAX];
};

static inline const struct fn *
fn_get(const struct fns *fns, uint16_t id)
{
	const struct fn *fn = &fns->fn[id % FUNCTION_CNT_MAX];

	return id != 0 && fn->id == id ? fn : NULL;
}

/* What is to go on with a call's results, as its function said. */
struct call_goal {
	char name[NAME_BYTES_MAX]; /* "": nothing */
	bool dag;
};

struct mb_call {
	const struct fn *fn; /* NULL: an MB_INIT */
	const char *tag;
	const struct value *arg;
	uint32_t arg_cnt;
	uint64_t id;
	uint64_t deadline_ns;    /* 0: none */
	struct result *result;   /* NULL in an MB_INIT */
	struct session *session; /* NULL in an MB_INIT */
	struct mail *mail;       /* NULL in an MB_INIT */
	const struct exec_wait *wait;
	/* Takes a line to log. Returns false when there is no room for it. */
	bool (*log)(void *ctx, const struct mb_call *call, const char *line, size_t len);
	void *log_ctx;
	/* Limits the memory of this process to so many bytes above what is in use; 0: no longer.
	 * NULL: nobody does. */
	void (*budget)(uint64_t bytes);
	uint32_t log_dropped; /* lines, since the last one that went */
	/* Where others see which function runs, in a DAG too; NULL: nowhere. */
	_Atomic uint32_t *shown;
	struct stage_use
		*use;     /* FUNCTION_CNT_MAX: what functions of DAGs have used; NULL: not said */
	uint64_t mark_ns; /* of a DAG: when its last function ended, or it began */
	struct batch *batch; /* the calls of this run (batch.h); NULL: this one alone */
	int item_err;        /* of mb_batch_fail, of a call alone; 0: none */
	bool last;           /* nothing comes after this function: it may name what goes on */
	struct call_goal goal;
	int text_err; /* the error that text is about; 0: there is no text */
	char text[FN_TEXT_BYTES];
	char item_text[FN_TEXT_BYTES]; /* about item_err */
};

/* call_refuse notes a sentence about err, and gives err back: what the user library's functions
 * return. A NULL why is the error's own text. */
int call_refuse(struct mb_call *call, int err, const char *what, const char *why)
	__attribute__((__cold__));

/* call_run runs a function.
 *
 * Requires:  fn, tag, arg, result, session ... are set.
 * Returns:   0; else the error that its call ends with, and call->text says more ("" possible).
 */
int call_run(struct mb_call *call);

#endif
