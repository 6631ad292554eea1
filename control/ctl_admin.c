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
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "admin.h"
#include "call.h"
#include "check.h"
#include "ctl.h"
#include "dagtext.h"
#include "log.h"
#include "object.h"

#define WHY_BYTES DAGTEXT_WHY_BYTES
#define LATER     1 /* the answer comes by other means */

struct admin_request {
	struct ctl *c;
	struct ctl_conn *conn;
	json_t *in;
	json_t *out;
	const int *fd;
	uint32_t fd_cnt;
	char why[WHY_BYTES];
};

static int admin_fail(struct admin_request *r, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int
admin_fail(struct admin_request *r, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	return err;
}

static const char *
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

static void
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

static void
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

	c->late_cnt--;
	for (uint32_t i = 0; i < CTL_CONN_MAX; i++) {
		if (c->conn[i].fd >= 0 && c->conn[i].id == late->conn_id) {
			admin_send(c, &c->conn[i], 0, late->out);
			free(late);
			return;
		}
	}
	json_decref(late->out);
	free(late);
}

static struct ctl_conn *
admin_conn(struct ctl *c, int fd)
{
	for (uint32_t i = 0; fd >= 0 && i < CTL_CONN_MAX; i++) {
		if (c->conn[i].fd == fd) {
			return &c->conn[i];
		}
	}
	return NULL;
}

/* -------------------------------------------------------------- executors */

static const char *const exec_state_text[] = {
	[EXEC_NONE] = "none",       [EXEC_SPAWNING] = "spawning", [EXEC_SPARE] = "spare",
	[EXEC_LOADING] = "loading", [EXEC_SERVING] = "serving",   [EXEC_DRAINING] = "draining",
};

static json_t *
admin_exec(struct ctl *c, uint16_t e)
{
	const struct exec *x = &c->exec[e];
	const struct proc *p = &c->procs.proc[e];
	json_t *o =
		json_pack("{s:i, s:I, s:i, s:i, s:s}", "proc", e, "inc", (json_int_t)p->inc, "pid",
			  (int)p->pid, "cpu", x->cpu, "state", exec_state_text[x->state]);
	json_t *names = json_array();

	for (uint32_t i = 0; i < x->fn_cnt; i++) {
		const struct fn *f = registry_fn_by_id(&c->registry, x->fn[i]);

		if (f != NULL) {
			json_array_append_new(names, json_string(f->name));
		}
	}
	json_object_set_new(o, "functions", names);
	if (p->state == PROC_LIVE) {
		const struct region_run *run = region_run(&c->peers->peer[e].region);
		uint64_t finished = atomic_load_explicit(&run->finished, memory_order_relaxed);
		uint64_t busy_ns = atomic_load_explicit(&run->busy_ns, memory_order_relaxed);

		json_object_set_new(o, "finished", json_integer((json_int_t)finished));
		json_object_set_new(o, "busy_ns", json_integer((json_int_t)busy_ns));
	}
	if (x->ready_ns != 0) {
		json_object_set_new(o, "load_ns", json_integer((json_int_t)x->ready_ns));
	}
	if (x->state == EXEC_SERVING) {
		json_object_set_new(o, "died", json_integer(c->slot[x->slot].died));
	}
	return o;
}

static json_t *
admin_execs(struct ctl *c)
{
	json_t *a = json_array();

	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		if (c->exec[e].state != EXEC_NONE) {
			json_array_append_new(a, admin_exec(c, e));
		}
	}
	return a;
}

static json_t *
admin_calls(struct ctl *c)
{
	json_t *a = json_array();
	uint64_t now = ctl_now(c);

	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		const struct region_run *run;
		const struct fn *f;
		uint64_t call, since;
		char id[17];

		if (c->procs.proc[e].state != PROC_LIVE) {
			continue;
		}
		run = region_run(&c->peers->peer[e].region);
		call = atomic_load_explicit(&run->call, memory_order_relaxed);
		since = atomic_load_explicit(&run->started_ns, memory_order_relaxed);
		if (call == 0) {
			continue;
		}
		f = registry_fn_by_id(&c->registry,
				      (uint16_t)atomic_load_explicit(&run->fn,
								     memory_order_relaxed));
		snprintf(id, sizeof(id), "%016llx", (unsigned long long)call);
		json_array_append_new(a,
				      json_pack("{s:s, s:s, s:i, s:i, s:I}", "call", id, "function",
						f != NULL ? f->name : "", "executor", e, "pid",
						(int)c->procs.proc[e].pid, "running_ns",
						(json_int_t)(now > since ? now - since : 0)));
	}
	return a;
}

static int
admin_ps(struct admin_request *r)
{
	json_object_set_new(r->out, "calls", admin_calls(r->c));
	json_object_set_new(r->out, "executors", admin_execs(r->c));
	return 0;
}

/* ----------------------------------------------------------------- status */

/* What processes hold, by walking the tables. */
static json_t *
admin_held(struct ctl *c)
{
	json_int_t dying = 0, segs = 0, ports = 0, stops = 0;

	for (uint16_t i = 1; i < PROC_CNT_MAX; i++) {
		const struct proc *p = &c->procs.proc[i];

		dying += p->state == PROC_DYING || p->state == PROC_DEAD;
		for (uint32_t s = 0; s < PAYLOAD_SEG_MAX; s++) {
			segs += p->seg[s].seg != 0;
		}
		for (uint32_t k = PORT_DIRECT_FIRST; k < PORT_CNT; k++) {
			ports += p->port[k].state != PORT_FREE;
		}
	}
	for (uint32_t i = 0; i < CTL_STOP_MAX; i++) {
		stops += c->stop[i].proc != 0;
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "channels", ports / 2, "segments", segs,
			 "segment_bytes", (json_int_t)c->procs.seg_bytes, "procs_dying", dying,
			 "stops", stops, "messages_waiting", (json_int_t)ports_waiting(c->ports));
}

/* What of the sandbox this node cannot enforce. */
static json_t *
admin_unenforced(const struct ctl *c)
{
	json_t *a = json_array();

#define X(name, bit, text)                                                                         \
	if ((c->zygote_enforced & SANDBOX_##name) == 0) {                                          \
		json_array_append_new(a, json_string(text));                                       \
	}
	SANDBOX_BITS(X)
#undef X
	return a;
}

static int
admin_status(struct admin_request *r)
{
	struct ctl *c = r->c;
	json_int_t clients = 0, fns = 0, dags = 0;

	for (uint32_t i = PROC_CLIENT_FIRST; i < PROC_CNT_MAX; i++) {
		clients += c->procs.proc[i].state == PROC_LIVE;
	}
	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		fns += c->registry.fn[i].id != 0;
	}
	for (uint32_t i = 0; i < DAG_CNT_MAX; i++) {
		dags += c->registry.dag[i].id != 0;
	}
	json_object_set_new(r->out, "node",
			    json_pack("{s:i, s:s, s:f, s:s, s:I}", "pid", (int)getpid(), "version",
				      MB_VERSION, "uptime_s",
				      (double)(ctl_now(c) - c->started_ns) / 1e9, "socket",
				      c->cfg.socket_path, "id", (json_int_t)(c->cfg.node_id >> 1)));
	json_object_set_new(r->out, "executors", admin_execs(c));
	json_object_set_new(r->out, "clients", json_integer(clients));
	json_object_set_new(r->out, "functions", json_integer(fns));
	json_object_set_new(r->out, "dags", json_integer(dags));
	json_object_set_new(r->out, "held", admin_held(c));
	c->describe(c->node, r->out, false);
	json_object_set_new(json_object_get(r->out, "machine"), "sandbox", admin_unenforced(c));
	return 0;
}

static int
admin_top(struct admin_request *r)
{
	json_object_set_new(r->out, "time_ns", json_integer((json_int_t)ctl_now(r->c)));
	json_object_set_new(r->out, "executors", admin_execs(r->c));
	json_object_set_new(r->out, "calls", admin_calls(r->c));
	r->c->describe(r->c->node, r->out, true);
	return 0;
}

/* -------------------------------------------------------------- functions */

static int
admin_functions(struct admin_request *r)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		const struct fn *f = &r->c->registry.fn[i];
		json_int_t execs = 0;

		if (f->id == 0 || registry_fn(&r->c->registry, f->name) != f) {
			continue;
		}
		for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
			const struct exec *x = &r->c->exec[e];

			for (uint32_t k = 0; x->state == EXEC_SERVING && k < x->fn_cnt; k++) {
				execs += x->fn[k] == f->id;
			}
		}
		json_array_append_new(a, json_pack("{s:s, s:i, s:I, s:I, s:b}", "name", f->name,
						   "version", f->version, "executors", execs,
						   "object_bytes", (json_int_t)f->object->bytes,
						   "pinned", f->pinned));
	}
	json_object_set_new(r->out, "functions", a);
	return 0;
}

/* Enters the functions of a checked file into the registry, and asks for them to be tried. */
static int
admin_deploy_file(struct admin_request *r, struct slice file, const struct object *seen,
		  const char *name, bool pin)
{
	struct fn_object *o = registry_object(file.p, file.len);
	uint16_t id[FUNCTION_CNT_MAX];
	uint32_t cnt = 0;
	int err = o != NULL ? 0 : MB_ERR_NO_MEMORY;

	while (err == 0 && cnt < seen->fn_cnt) {
		struct fn *f = registry_fn_add(&r->c->registry, name != NULL ? name : seen->fn[cnt],
					       seen->fn[cnt], o, false);

		if (f == NULL) {
			err = admin_fail(r, MB_ERR_TOO_LARGE,
					 "a node holds at most %d functions; undeploy some",
					 FUNCTION_CNT_MAX);
		} else {
			id[cnt++] = f->id;
		}
	}
	if (err == 0) {
		err = ctl_deploy_start(r->c, r->conn->fd, o, id, cnt, pin);
		if (err != 0) {
			admin_fail(r, err, "%d deployments wait already; try again later",
				   CTL_DEPLOY_MAX);
		}
	}
	while (err != 0 && cnt > 0) {
		registry_fn_remove(&r->c->registry, registry_fn_by_id(&r->c->registry, id[--cnt]));
		o = cnt == 0 ? NULL : o;
	}
	if (err != 0 && o != NULL) {
		registry_object_drop(o);
	}
	return err != 0 ? err : LATER;
}

static int
admin_deploy(struct admin_request *r)
{
	const char *name = admin_str(r, "name");
	json_t *pin = json_object_get(r->in, "pin");
	struct object *seen;
	struct stat st;
	void *map;
	int err;

	if (r->fd_cnt != 1 || fstat(r->fd[0], &st) != 0 || !S_ISREG(st.st_mode)) {
		return admin_fail(r, MB_ERR_INVALID, "a deployment comes with one file");
	}
	if (st.st_size <= 0 || st.st_size > LOAD_OBJECT_BYTES_MAX) {
		return admin_fail(r, MB_ERR_TOO_LARGE, "an object has 1 byte to 64 MiB, not %lld",
				  (long long)st.st_size);
	}
	if (name != NULL && !registry_name_ok(name)) {
		return admin_fail(r, MB_ERR_INVALID,
				  "'%.80s' is no function's name: letters, digits and _ - . and at "
				  "most 63 of them",
				  name);
	}
	seen = malloc(sizeof(*seen));
	/* A private copy: the file is somebody else's and may shrink or change under us. */
	map = seen != NULL ? malloc((size_t)st.st_size) : NULL;
	if (map == NULL) {
		free(seen);
		return MB_ERR_NO_MEMORY;
	}
	if (pread(r->fd[0], map, (size_t)st.st_size, 0) != st.st_size) {
		err = admin_fail(r, MB_ERR_IO, "the file could not be read");
	} else {
		struct slice file = { .p = map, .len = (size_t)st.st_size };

		err = object_check(file, seen, r->why);
		if (err == 0 && name != NULL && seen->fn_cnt != 1) {
			err = admin_fail(
				r, MB_ERR_INVALID,
				"--name goes with an object of one function; this one has %u",
				seen->fn_cnt);
		}
		if (err == 0) {
			err = admin_deploy_file(r, file, seen, name,
						pin == NULL || !json_is_false(pin));
		}
	}
	free(map);
	free(seen);
	return err;
}

void
ctl_admin_deployed(struct ctl *c, int fd, const uint16_t *fn, uint32_t cnt)
{
	struct ctl_conn *conn = admin_conn(c, fd);
	json_t *a = json_array();

	for (uint32_t i = 0; i < cnt; i++) {
		const struct fn *f = registry_fn_by_id(&c->registry, fn[i]);

		json_array_append_new(a, json_pack("{s:s, s:i}", "name", f->name, "version",
						   f->version));
	}
	if (conn != NULL) {
		admin_send_synced(c, conn, json_pack("{s:o}", "functions", a));
	} else {
		json_decref(a);
	}
}

void
ctl_admin_refused(struct ctl *c, int fd, int err, const char *text)
{
	struct ctl_conn *conn = admin_conn(c, fd);

	if (conn != NULL) {
		admin_send_error(c, conn, err, text);
	}
}

static int
admin_undeploy(struct admin_request *r)
{
	const char *name = admin_str(r, "name");
	struct fn *f = name != NULL ? registry_fn(&r->c->registry, name) : NULL;
	const struct dag *dag;

	if (f == NULL) {
		return admin_fail(r, MB_ERR_NO_FUNCTION, "there is no function '%.80s'",
				  name != NULL ? name : "");
	}
	for (uint32_t i = 0; i < CTL_DEPLOY_MAX; i++) {
		for (uint32_t k = 0; r->c->deploy[i].used && k < r->c->deploy[i].fn_cnt; k++) {
			if (r->c->deploy[i].fn[k] == f->id) {
				return admin_fail(r, MB_ERR_BUSY,
						  "'%s' is being deployed at this moment", name);
			}
		}
	}
	dag = registry_dag_using(&r->c->registry, f->id);
	if (dag != NULL) {
		return admin_fail(r, MB_ERR_BUSY,
				  "DAG '%s' uses '%s'; remove the DAG first (microburst dag rm %s)",
				  dag->plan.name, name, dag->plan.name);
	}
	while ((f = registry_fn(&r->c->registry, name)) != NULL) {
		struct desc d = { .kind = DESC_FN_DEL, .a = f->id };

		ctl_tell_tile(r->c, CTL_TILE_SCHED, &d);
		registry_fn_remove(&r->c->registry, f);
	}
	ctl_exec_set_changed(r->c);
	return 0;
}

/* ------------------------------------------------------------------- DAGs */

static int
admin_resolve(void *ctx, const char *name, uint16_t *ret_id)
{
	struct ctl *c = ctx;
	const struct fn *f = registry_fn(&c->registry, name);

	if (f == NULL) {
		return MB_ERR_NO_FUNCTION;
	}
	*ret_id = f->id;
	return 0;
}

static int
admin_dag_add(struct admin_request *r)
{
	const char *name = admin_str(r, "name");
	const char *text = admin_str(r, "text");
	struct placement_dag plan = { 0 };
	struct dagtext *parsed;
	struct dag *dag;
	int err;

	if (name == NULL || text == NULL || !registry_name_ok(name)) {
		return admin_fail(r, MB_ERR_INVALID,
				  "a DAG needs a name of letters, digits and _ - . and a text like "
				  "'a -> b, a -> c'");
	}
	if (registry_dag(&r->c->registry, name) != NULL) {
		return admin_fail(r, MB_ERR_EXISTS,
				  "there is a DAG '%s' already; remove it first (dag rm %s)", name,
				  name);
	}
	parsed = malloc(sizeof(*parsed));
	if (parsed == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	err = dagtext_parse(parsed, text, strlen(text), admin_resolve, r->c, r->why);
	if (err == 0) {
		char *copy = strdup(text);

		dagtext_place(parsed, &plan);
		snprintf(plan.name, sizeof(plan.name), "%s", name);
		json_object_set_new(r->out, "vertices", json_integer(parsed->vertex_cnt));
		json_object_set_new(r->out, "edges", json_integer(parsed->edge_cnt));
		dag = copy != NULL ? registry_dag_add(&r->c->registry, &plan, copy) : NULL;
		if (dag == NULL) {
			free(copy);
			err = admin_fail(r, MB_ERR_TOO_LARGE, "a node holds at most %d DAGs",
					 DAG_CNT_MAX);
		} else {
			ctl_dag_show(r->c, dag);
		}
	}
	free(parsed);
	return err;
}

static struct dag *
admin_dag_find(struct admin_request *r, int *ret_err)
{
	const char *name = admin_str(r, "name");
	struct dag *dag = name != NULL ? registry_dag(&r->c->registry, name) : NULL;

	if (dag == NULL) {
		*ret_err = admin_fail(r, MB_ERR_NO_DAG, "there is no DAG '%.80s'",
				      name != NULL ? name : "");
	}
	return dag;
}

static int
admin_dag_rm(struct admin_request *r)
{
	struct desc d = { .kind = DESC_DAG_DEL };
	int err = 0;
	struct dag *dag = admin_dag_find(r, &err);

	if (dag != NULL) {
		d.a = dag->id;
		ctl_tell_tile(r->c, CTL_TILE_SCHED, &d);
		registry_dag_remove(&r->c->registry, dag);
	}
	return err;
}

static json_t *
admin_vertex(struct ctl *c, const struct placement_vertex *v)
{
	const struct fn *f = registry_fn_by_id(&c->registry, v->fn);
	char name[DAGTEXT_VERTEX_BYTES];

	dagtext_vertex_name(f != NULL ? f->name : "?", v->tag, name);
	return json_string(name);
}

static int
admin_dag_show(struct admin_request *r)
{
	int err = 0;
	const struct dag *dag = admin_dag_find(r, &err);
	json_t *fns, *edges;

	if (dag == NULL) {
		return err;
	}
	fns = json_array();
	edges = json_array();
	for (uint32_t v = 0; v < dag->plan.vertex_cnt; v++) {
		json_array_append_new(fns, admin_vertex(r->c, &dag->plan.vertex[v]));
	}
	for (uint32_t e = 0; e < dag->plan.edge_cnt; e++) {
		const struct placement_edge *edge = &dag->plan.edge[e];

		json_array_append_new(edges,
				      json_pack("[o, o]",
						admin_vertex(r->c, &dag->plan.vertex[edge->from]),
						admin_vertex(r->c, &dag->plan.vertex[edge->to])));
	}
	json_object_set_new(r->out, "name", json_string(dag->plan.name));
	json_object_set_new(r->out, "text", json_string(dag->text));
	json_object_set_new(r->out, "functions", fns);
	json_object_set_new(r->out, "edges", edges);
	json_object_set_new(r->out, "sink",
			    admin_vertex(r->c, &dag->plan.vertex[dag->plan.vertex_cnt - 1]));
	return 0;
}

static int
admin_dags(struct admin_request *r)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < DAG_CNT_MAX; i++) {
		const struct dag *dag = &r->c->registry.dag[i];

		if (dag->id != 0) {
			json_array_append_new(a, json_pack("{s:s, s:s}", "name", dag->plan.name,
							   "text", dag->text));
		}
	}
	json_object_set_new(r->out, "dags", a);
	return 0;
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

static int
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

/* Finds a call among those that an executor remembers. The memory is the executor's: a copy is
 * taken, and counts if the name was there before and after. */
static bool
admin_trace_find(struct ctl *c, uint16_t e, uint64_t call, struct region_trace *ret)
{
	const struct region_trace *t = region_trace(&c->peers->peer[e].region);

	for (uint32_t i = 0; i < TRACE_CNT; i++) {
		/* A31: acquire; pairs with R31 in exec.c. */
		if (atomic_load_explicit(&t[i].call, memory_order_acquire) != call) {
			continue;
		}
		memcpy(ret, &t[i], sizeof(*ret));
		/* A32: a fence; pairs with R32 in exec.c. The copy comes before the load below. */
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&t[i].call, memory_order_relaxed) == call) {
			return true;
		}
	}
	return false;
}

static int
admin_trace(struct admin_request *r)
{
	struct region_trace t;
	uint64_t call;
	int err = admin_call_id(r, &call);

	for (uint16_t e = PROC_EXEC_FIRST; err == 0 && e < PROC_CLIENT_FIRST; e++) {
		if (r->c->procs.proc[e].state != PROC_LIVE ||
		    !admin_trace_find(r->c, e, call, &t)) {
			continue;
		}
		json_object_set_new(r->out, "call", json_string(admin_str(r, "call")));
		json_object_set_new(r->out, "executor", json_integer(e));
		json_object_set_new(r->out, "error", json_string(mb_err_name(t.err)));
		json_object_set_new(r->out, "hops",
				    json_pack("[{s:s,s:I},{s:s,s:I},{s:s,s:I}]", "name",
					      "arguments", "ns", (json_int_t)t.before_ns, "name",
					      "run", "ns", (json_int_t)t.run_ns, "name",
					      "publish and answer", "ns", (json_int_t)t.after_ns));
		return 0;
	}
	return err != 0 ? err
			: admin_fail(r, MB_ERR_NOT_FOUND,
				     "no executor remembers that call: each keeps its last %d",
				     TRACE_CNT);
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
	{ "trace", admin_trace },       { "down", admin_down },
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
	if (err == 0) {
		admin_send_synced(c, conn, r.out);
		return;
	}
	json_decref(r.out);
	if (err < 0) {
		admin_send_error(c, conn, err, r.why);
	}
}
