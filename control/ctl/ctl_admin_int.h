/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_admin_int - what the handlers of the command line's questions share
 *
 *	ctl_admin.c       requests, answers, the table; logs, cancel, explain, down
 *	ctl_trace.c       trace
 *	ctl_admin_show.c  status, ps, top
 *	ctl_admin_fn.c    functions
 *	ctl_admin_dag.c   DAGs
 *
 * A handler returns 0 with its answer in out, LATER when the answer comes by other means, or an
 * error with
 * a sentence in why.
 */
#ifndef MB_CTL_ADMIN_INT_H
#define MB_CTL_ADMIN_INT_H

#include <jansson.h>

#include "ctl.h"
#include "dagtext.h"

#define WHY_BYTES DAGTEXT_WHY_BYTES
#define LATER     1 /* the answer comes by other means */

struct admin_request {
	struct ctl *c;
	struct ctl_conn *conn;
	json_t *in;
	json_t *out;
	const int *fd;
	uint32_t fd_cnt;
	bool stores; /* it is answered when the store has what it changed */
	char why[WHY_BYTES];
};

int admin_fail(struct admin_request *r, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* admin_str is a string of the request; NULL when it has none of that name. */
const char *admin_str(const struct admin_request *r, const char *key);
/* admin_conn finds who asked; NULL when it has gone. */
struct ctl_conn *admin_conn(struct ctl *c, int fd);
struct ctl_conn *admin_conn_by_id(struct ctl *c, uint64_t id);
/* admin_send_synced sends an answer when sched has done what it speaks of. Owns out. */
void admin_send_synced(struct ctl *c, struct ctl_conn *conn, json_t *out);
void admin_send_error(struct ctl *c, struct ctl_conn *conn, int err, const char *why);

/* admin_call_id reads "call". Returns: 0; MB_ERR_INVALID, with a sentence. */
int admin_call_id(struct admin_request *r, uint64_t *ret);
/* admin_name is the name of a function or a DAG; "?" of one that is no more. */
json_t *admin_name(struct ctl *c, uint16_t id, bool is_dag);
/* admin_decided is what a decision of sched was about, of a DAG as its text names it. */
struct sched_decision;
json_t *admin_decided(struct ctl *c, const struct sched_decision *d);

/* ctl_dag_add makes a DAG of a text. Returns: 0; as dagtext_parse, MB_ERR_TOO_LARGE, with a
 * sentence; MB_ERR_NO_MEMORY. */
int ctl_dag_add(struct ctl *c, const char *name, const char *text, struct dag **ret,
		char why[WHY_BYTES]);

/* The handlers, by the names of their commands. */
int admin_ps(struct admin_request *r);
int admin_status(struct admin_request *r);
int admin_top(struct admin_request *r);
int admin_trace(struct admin_request *r);
int admin_functions(struct admin_request *r);
int admin_deploy(struct admin_request *r);
int admin_undeploy(struct admin_request *r);
int admin_dag_add(struct admin_request *r);
int admin_dag_rm(struct admin_request *r);
int admin_dag_show(struct admin_request *r);
int admin_dags(struct admin_request *r);

#endif
