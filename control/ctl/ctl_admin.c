/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_admin - the command line's questions (admin.h), in JSON
 *
 * A row a command. A handler fills the answer object, or returns an error with a sentence; a
 * deployment answers later, when an executor has checked its object.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "call.h"
#include "check.h"
#include "ctl_admin_int.h"
#include "ctl_catalog.h"
#include "dagtext.h"
#include "sched_log.h"

int
admin_fail(struct admin_request *r, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	return err;
}

const char *
admin_str(const struct admin_request *r, const char *key)
{
	return json_string_value(json_object_get(r->in, key));
}

/* Sends a JSON text, in as many messages as it takes. */
static void
admin_send(struct ctl *c, struct ctl_conn *conn, int err, json_t *out)
{
	char *text = json_dumps(out, JSON_COMPACT);
	size_t len = text != NULL ? strlen(text) : 0;
	size_t off = 0;

	do {
		struct domain_msg m = { .kind = DOMAIN_ADMIN_REPLY, .err = (int16_t)err };

		m.text_len = (uint32_t)(len - off < DOMAIN_TEXT_MAX ? len - off : DOMAIN_TEXT_MAX);
		m.word[0] = off + m.text_len < len;
		ctl_answer(c, conn, &m, text + off, NULL, 0);
		off += m.text_len;
	} while (off < len);
	free(text);
	json_decref(out);
}

void
admin_send_error(struct ctl *c, struct ctl_conn *conn, int err, const char *why)
{
	admin_send(c, conn, err,
		   json_pack("{s:s, s:s}", "error", mb_err_name(err), "text",
			     why[0] != '\0' ? why : mb_err_text(err)));
}

/* An answer that must not overtake what it says: a function that was deployed can be called when
 * its deployer hears of it. It goes to sched and back behind the changes. */
struct admin_late {
	uint64_t conn_id;
	json_t *out;
};

void
admin_send_synced(struct ctl *c, struct ctl_conn *conn, json_t *out)
{
	struct admin_late *late = malloc(sizeof(*late));
	struct desc d = { .kind = DESC_SYNC };

	REQUIRE(late != NULL);
	*late = (struct admin_late){ conn->id, out };
	d.word[0] = (uintptr_t)late;
	c->late_cnt++;
	ctl_tell_tile(c, CTL_TILE_SCHED, &d);
}

void
ctl_admin_synced(struct ctl *c, const struct desc *d)
{
	struct admin_late *late = (struct admin_late *)(uintptr_t)d->word[0];

	struct ctl_conn *conn = admin_conn_by_id(c, late->conn_id);

	c->late_cnt--;
	if (conn != NULL) {
		admin_send(c, conn, 0, late->out);
	} else {
		json_decref(late->out);
	}
	free(late);
}

struct ctl_conn *
admin_conn_by_id(struct ctl *c, uint64_t id)
{
	for (uint32_t i = 0; i < CTL_CONN_MAX; i++) {
		if (c->conn[i].fd >= 0 && c->conn[i].id == id) {
			return &c->conn[i];
		}
	}
	return NULL;
}

struct ctl_conn *
admin_conn(struct ctl *c, int fd)
{
	for (uint32_t i = 0; fd >= 0 && i < CTL_CONN_MAX; i++) {
		if (c->conn[i].fd == fd) {
			return &c->conn[i];
		}
	}
	return NULL;
}

/* ------------------------------------------------------- logs, calls, end */

static int
admin_logs(struct admin_request *r)
{
	const char *function = admin_str(r, "function");
	uint64_t after = (uint64_t)json_integer_value(json_object_get(r->in, "after"));
	uint64_t first = r->c->log_seq > CTL_LOG_CNT ? r->c->log_seq - CTL_LOG_CNT : 0;
	json_t *a = json_array();

	for (uint64_t i = first > after ? first : after; i < r->c->log_seq; i++) {
		const struct ctl_log *l = &r->c->log[i % CTL_LOG_CNT];
		char id[17];

		if (function != NULL && strcmp(function, l->function) != 0) {
			continue;
		}
		snprintf(id, sizeof(id), "%016llx", (unsigned long long)l->call);
		json_array_append_new(a, json_pack("{s:I, s:I, s:s, s:s, s:o}", "seq",
						   (json_int_t)l->seq, "time_us",
						   (json_int_t)l->time_us, "function", l->function,
						   "call", id, "text",
						   json_stringn_nocheck(l->text, strlen(l->text))));
	}
	json_object_set_new(r->out, "lines", a);
	return 0;
}

int
admin_call_id(struct admin_request *r, uint64_t *ret)
{
	const char *text = admin_str(r, "call");
	char *end;

	errno = 0;
	*ret = text != NULL ? strtoull(text, &end, 16) : 0;
	if (text == NULL || errno != 0 || *end != '\0' || *ret == 0) {
		return admin_fail(r, MB_ERR_INVALID,
				  "a call is named by 16 hexadecimal digits, as ps prints them");
	}
	return 0;
}

/* Whoever holds the call is told that it is not to be repeated, before its executor is stopped: its
 * client, and sched. What only waits is answered by sched. */
static int
admin_cancel(struct admin_request *r)
{
	struct desc d = { .kind = DESC_CANCEL, .err = MB_ERR_CANCELLED };
	bool runs = false;
	int err = admin_call_id(r, &d.call);

	if (err != 0) {
		return err;
	}
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST && !runs; e++) {
		if (r->c->procs.proc[e].state == PROC_LIVE &&
		    atomic_load_explicit(&region_run(&r->c->peers->peer[e].region)->call,
					 memory_order_relaxed) == d.call) {
			runs = true;
			ctl_stop_call(r->c, e, d.call);
		}
	}
	if (!runs) {
		return admin_fail(r, MB_ERR_NOT_FOUND, "no such call runs now");
	}
	ports_send(r->c->ports, call_id_proc(d.call), &d);
	d.kind = DESC_CALL_END;
	ctl_tell_tile(r->c, CTL_TILE_SCHED, &d);
	return 0;
}

json_t *
admin_name(struct ctl *c, uint16_t id, bool is_dag)
{
	const struct fn *f = registry_fn_by_id(&c->registry, id);

	for (uint32_t i = 0; is_dag && i < DAG_CNT_MAX; i++) {
		if (c->registry.dag[i].id == id) {
			return json_string(c->registry.dag[i].plan.name);
		}
	}
	return json_string(!is_dag && f != NULL ? f->name : "?");
}

json_t *
admin_decided(struct ctl *c, const struct sched_decision *d)
{
	const struct fn *f = d->part ? registry_fn_by_id(&c->registry, d->target) : NULL;
	char name[DAGTEXT_VERTEX_BYTES];

	if (f == NULL) {
		return admin_name(c, d->target, d->dag);
	}
	dagtext_vertex_name(f->name, d->tag, name);
	return json_string(name);
}

/* What sched decided about a call, and out of what. */
static int
admin_explain(struct admin_request *r)
{
	struct sched_decision d[DAG_FUNCTION_MAX];
	json_t *a = json_array();
	uint64_t call;
	int err = admin_call_id(r, &call);
	uint32_t cnt = err == 0 ? sched_log_find(r->c->cfg.sched_log, call, d, ARRAY_CNT(d)) : 0;

	for (uint32_t i = 0; i < cnt; i++) {
		json_array_append_new(
			a, json_pack("{s:o, s:i, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:i}", "name",
				     admin_decided(r->c, &d[i]), "executor", d[i].exec, "waited_ns",
				     (json_int_t)d[i].waited_ns, "ahead", (json_int_t)d[i].ahead,
				     "input_bytes", (json_int_t)d[i].input_bytes, "near_bytes",
				     (json_int_t)d[i].near_bytes, "able", d[i].able, "load",
				     d[i].load, "attempt", d[i].attempt + 1, "functions",
				     d[i].last - d[i].first + 1));
	}
	json_object_set_new(r->out, "decisions", a);
	return err;
}

static int
admin_down(struct admin_request *r)
{
	r->c->down(r->c->node);
	return 0;
}

static const struct admin_command {
	const char *name;
	int (*run)(struct admin_request *r);
} admin_commands[] = {
	{ "status", admin_status },     { "ps", admin_ps },
	{ "top", admin_top },           { "functions", admin_functions },
	{ "deploy", admin_deploy },     { "undeploy", admin_undeploy },
	{ "dag_add", admin_dag_add },   { "dag_rm", admin_dag_rm },
	{ "dag_show", admin_dag_show }, { "dags", admin_dags },
	{ "logs", admin_logs },         { "cancel", admin_cancel },
	{ "trace", admin_trace },       { "explain", admin_explain },
	{ "down", admin_down },
};

void
ctl_admin(struct ctl *c, struct ctl_conn *conn, const char *text, const int *fd, uint32_t fd_cnt)
{
	struct admin_request r = { .c = c, .conn = conn, .fd = fd, .fd_cnt = fd_cnt };
	json_error_t je;
	const char *cmd;
	int err = MB_ERR_INVALID;

	r.in = json_loads(text, JSON_REJECT_DUPLICATES, &je);
	r.out = json_object();
	cmd = admin_str(&r, "cmd");
	if (r.in == NULL || cmd == NULL) {
		admin_fail(&r, err, "the request is not a JSON object with \"cmd\": %s",
			   r.in == NULL ? je.text : "cmd is missing");
	} else {
		err = admin_fail(&r, MB_ERR_NOT_SUPPORTED, "this node knows no command '%.40s'",
				 cmd);
		for (uint32_t i = 0; i < sizeof(admin_commands) / sizeof(admin_commands[0]); i++) {
			if (strcmp(admin_commands[i].name, cmd) == 0) {
				r.why[0] = '\0';
				err = admin_commands[i].run(&r);
				break;
			}
		}
	}
	json_decref(r.in);
	if (err == 0 && r.stores) {
		ctl_catalog_answer(c, conn, r.out);
		return;
	}
	if (err == 0) {
		admin_send_synced(c, conn, r.out);
		return;
	}
	json_decref(r.out);
	if (err < 0) {
		admin_send_error(c, conn, err, r.why);
	}
}
