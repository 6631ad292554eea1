/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_admin_fn - functions: listing, deploying, taking back */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "call.h"
#include "ctl_admin_int.h"
#include "ctl_catalog.h"
#include "object.h"

/* -------------------------------------------------------------- functions */

int
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
		json_array_append_new(
			a, json_pack("{s:s, s:i, s:I, s:I, s:b, s:I, s:I, s:I, s:I, s:s}", "name",
				     f->name, "version", f->version, "executors",
				     f->concurrency != 0 ? MIN(execs, (json_int_t)f->concurrency)
							 : execs,
				     "object_bytes", (json_int_t)f->object->bytes, "pinned",
				     f->pinned, "deadline_ns", (json_int_t)f->deadline_ns,
				     "concurrency", (json_int_t)f->concurrency, "memory_bytes",
				     (json_int_t)f->memory_kib << 10, "batch",
				     (json_int_t)MAX(f->batch, 1U), "class",
				     r->c->cfg.classes.name[f->class]));
	}
	json_object_set_new(r->out, "functions", a);
	return 0;
}

#define FN_MEMORY_MIN (1 << 20)

/* What a call of each function may take at most. */
static int
admin_limits(struct admin_request *r, struct fn *f)
{
	json_int_t deadline = json_integer_value(json_object_get(r->in, "deadline_ns"));
	json_int_t concurrency = json_integer_value(json_object_get(r->in, "concurrency"));
	json_int_t batch = json_integer_value(json_object_get(r->in, "batch"));
	json_int_t memory = json_integer_value(json_object_get(r->in, "memory_bytes"));

	if (deadline < 0 || concurrency < 0 || concurrency > EXECUTOR_CNT_MAX || batch < 0 ||
	    batch > CALL_BATCH_MAX) {
		return admin_fail(r, MB_ERR_INVALID,
				  "a deadline is not negative, a function runs at 1 to %d "
				  "executors, and takes 1 to %d calls at a time",
				  EXECUTOR_CNT_MAX, CALL_BATCH_MAX);
	}
	if (memory != 0 &&
	    (memory < FN_MEMORY_MIN || (uint64_t)memory > r->c->cfg.executor_memory)) {
		return admin_fail(r, MB_ERR_INVALID,
				  "a function's memory is at least 1 MiB, and at most what its "
				  "executor has: %llu MiB (executor.memory)",
				  (unsigned long long)(r->c->cfg.executor_memory >> 20));
	}
	f->memory_kib = (uint32_t)(memory >> 10);
	f->batch = (uint32_t)batch;
	f->deadline_ns = (uint64_t)deadline;
	f->concurrency = (uint32_t)concurrency;
	return 0;
}

/* Enters the functions of a checked file into the registry, and asks for them to be tried. */
static int
admin_deploy_file(struct admin_request *r, struct slice file, const struct object *seen,
		  const char *name, bool pin, uint8_t class)
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
			f->class = class;
			id[cnt++] = f->id;
			err = admin_limits(r, f);
		}
	}
	if (err == 0) {
		uint64_t seq;

		err = ctl_deploy_start(r->c, r->conn->fd, file, id, cnt, pin, class, &seq);
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

int
admin_deploy(struct admin_request *r)
{
	const char *name = admin_str(r, "name");
	const char *class = admin_str(r, "class");
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
	if (class != NULL && classes_find(&r->c->cfg.classes, class) == CLASSES_NONE) {
		return admin_fail(r, MB_ERR_NO_EXECUTOR,
				  "no executor is of class '%.60s'; executor.classes of the "
				  "configuration gives them classes",
				  class);
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
						pin == NULL || !json_is_false(pin),
						class != NULL
							? classes_find(&r->c->cfg.classes, class)
							: CLASSES_NONE);
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
		ctl_catalog_answer(c, conn, json_pack("{s:o}", "functions", a));
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

int
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
			const struct fn *coming =
				registry_fn_by_id(&r->c->registry, r->c->deploy[i].fn[k]);

			if (coming != NULL && strcmp(coming->name, name) == 0) {
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
		ctl_fn_remove(r->c, f);
	}
	ctl_catalog_fn_del(r->c, name);
	r->stores = true;
	ctl_exec_set_changed(r->c);
	return 0;
}
