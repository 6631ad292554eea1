/* SPDX-License-Identifier: Apache-2.0 */
/* ulib.c - running a function, and what it may say: errors, lines, who and when it is */
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "fn.h"
#include "probe.h"

int
call_refuse(struct mb_call *call, int err, const char *what, const char *why)
{
	if (why == NULL) {
		why = mb_err_text(err);
	}
	snprintf(call->text, sizeof(call->text), "%s: %s", what, why);
	call->text_err = err;
	return err;
}

/* Errors that a function can pass on because a function of ours gave them to it. With any other it
 * would speak for the system: that an executor died, that there is no node. */
static bool
may_return(int err)
{
	switch (err) {
	case MB_ERR_INVALID:
	case MB_ERR_TYPE:
	case MB_ERR_NOT_FOUND:
	case MB_ERR_EXISTS:
	case MB_ERR_TOO_LARGE:
	case MB_ERR_DENIED:
	case MB_ERR_NO_MEMORY:
	case MB_ERR_NOT_SUPPORTED:
	case MB_ERR_DEADLINE:
	case MB_ERR_INDETERMINATE:
	case MB_ERR_TRYAGAIN:
	case MB_ERR_FUNCTION_FAILED:
	case MB_ERR_GONE:
	case MB_ERR_BUSY:
		return true;
	default:
		return false;
	}
}

static int
call_outcome(struct mb_call *call, int returned)
{
	if (likely(returned == 0)) {
		return 0;
	}
	if (!may_return(returned)) {
		snprintf(call->text, sizeof(call->text), "it returned %d (%s)", returned,
			 mb_err_name(returned));
		return MB_ERR_FUNCTION_FAILED;
	}
	if (call->text_err != returned || call->text[0] == '\0') {
		/* What text says is about an error that the function got over. */
		snprintf(call->text, sizeof(call->text), "it returned %s: %s",
			 mb_err_name(returned), mb_err_text(returned));
	}
	return returned;
}

int
call_run(struct mb_call *call)
{
	int err;

	call->text_err = 0;
	call->text[0] = '\0';
	call->goal.name[0] = '\0';
	call->item_err = 0;
	if (unlikely(call->fn->batched)) {
		session_read_only(call->session, true);
	}
	if (likely(call->shown != NULL)) {
		atomic_store_explicit(call->shown, call->fn->id, memory_order_relaxed);
	}
	PROBE2(function_begin, call->id, call->fn->id);
	if (unlikely(call->fn->memory_kib != 0 && call->budget != NULL)) {
		call->budget((uint64_t)call->fn->memory_kib << 10);
		err = call->fn->run(call);
		call->budget(0);
	} else {
		err = call->fn->run(call);
	}
	PROBE3(function_end, call->id, call->fn->id, err);
	if (unlikely(call->fn->batched)) {
		session_read_only(call->session, false);
		if (err == 0 && call->item_err != 0) {
			err = call->text_err = call->item_err;
			memcpy(call->text, call->item_text, sizeof(call->text));
		}
	}
	return call_outcome(call, err);
}

int
mb_fail(struct mb_call *call, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(call->text, sizeof(call->text), format, ap);
	va_end(ap);
	call->text_err = MB_ERR_FUNCTION_FAILED;
	return MB_ERR_FUNCTION_FAILED;
}

void
mb_log(struct mb_call *call, const char *format, ...)
{
	char line[FN_LOG_BYTES];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (len < 0) {
		return;
	}
	len = MIN(len, FN_LOG_BYTES - 1);
	for (int i = 0; i < len; i++) { /* one line is one line, whatever is in it */
		if ((unsigned char)line[i] < ' ' && line[i] != '\t') {
			line[i] = ' ';
		}
	}
	if (call->log(call->log_ctx, call, line, (size_t)len)) {
		call->log_dropped = 0;
	} else {
		call->log_dropped++;
	}
}

uint64_t
mb_now_ns(const struct mb_call *call)
{
	return call->wait->now_ns(call->wait->ctx);
}

uint64_t
mb_deadline_ns(const struct mb_call *call)
{
	uint64_t now;

	if (call->deadline_ns == 0) {
		return UINT64_MAX;
	}
	now = mb_now_ns(call);
	return now < call->deadline_ns ? call->deadline_ns - now : 0;
}

static int
continue_with(struct mb_call *call, const char *name, bool dag)
{
	size_t len = strnlen(name, NAME_BYTES_MAX);

	if (call->fn != NULL && call->fn->batched) {
		return call_refuse(call, MB_ERR_NOT_SUPPORTED, "mb_continue",
				   "not of a function that takes batches");
	}
	if (!call->last || call->result == NULL) {
		return call_refuse(call, MB_ERR_NOT_SUPPORTED, "mb_continue",
				   "others of the DAG come after this function");
	}
	if (len == 0 || len == NAME_BYTES_MAX) {
		return call_refuse(call, MB_ERR_INVALID, "mb_continue",
				   "a name has 1 to 63 characters");
	}
	memcpy(call->goal.name, name, len + 1);
	call->goal.dag = dag;
	return 0;
}

int
mb_continue(struct mb_call *call, const char *function)
{
	return continue_with(call, function, false);
}

int
mb_continue_dag(struct mb_call *call, const char *dag)
{
	return continue_with(call, dag, true);
}

uint64_t
mb_self(const struct mb_call *call)
{
	return call->id;
}

const char *
mb_tag(const struct mb_call *call)
{
	return call->tag;
}
