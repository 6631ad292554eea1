/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_catalog - see ctl_catalog.h
 *
 * One question is open at a time (C1). A value is read in place, where the cache has it: fetched if
 * it does not, and looked at again.
 */
#include "ctl_catalog.h"

#include <stdlib.h>
#include <string.h>

#include "cache_msg.h"
#include "cache_view.h"
#include "catalog.h"
#include "check.h"
#include "compiler.h"
#include "ctl_admin_int.h"
#include "hash.h"
#include "log.h"
#include "microburst/error.h"
#include "view.h"
#include "wset.h"

#define ROOM_NS   NS_PER_MS /* when there was no room in a channel */
#define SET_BYTES (WSET_INLINE_MAX + KEY_BYTES_MAX + 64)

enum open { OPEN_NONE, OPEN_WRITE, OPEN_LOOK, OPEN_FETCH, OPEN_LIST };

struct ctl_catalog {
	struct catalog *core;
	struct inner inner;
	struct cache_view view;
	enum open open;
	struct desc msg;       /* what was asked */
	uint32_t value_handle; /* the value of a write, beside its set; 0: in it */
	struct slice key;      /* of LOOK and FETCH; the core's */
	uint64_t room_ns;      /* when it is tried again; UINT64_MAX: nothing waits for room */
	uint64_t deploy_seq;   /* what is read back, and being tried */
	_Alignas(8) uint8_t set[SET_BYTES];
};

/* An answer that waits. */
struct catalog_late {
	uint64_t conn_id;
	json_t *out;
};

static uint32_t
port_of(const struct ctl_catalog *k, struct slice key)
{
	return PORT_CACHE_FIRST + cache_tile_of(hash_bytes(key.p, key.len), k->view.shard_cnt);
}

/* Sends a question with a payload. Returns: 0; MB_ERR_FULL; MB_ERR_NO_MEMORY. */
static int
ask(struct ctl_catalog *k, enum open open, uint32_t port, struct slice payload)
{
	int err = inner_payload(&k->inner, &k->msg, payload.p, payload.len, PROC_DAEMON);

	if (err != 0) {
		return err;
	}
	k->msg.call = inner_call_id(&k->inner);
	err = inner_send(&k->inner, port, &k->msg);
	if (err != 0) {
		inner_payload_free(&k->inner, &k->msg, PROC_DAEMON);
		return MB_ERR_FULL;
	}
	k->open = open;
	return 0;
}

/* --------------------------------------------------------------------- writing */

static int
publish(struct ctl_catalog *k, struct wset_op *op)
{
	struct wset ws;
	uint8_t *p;
	int err = 0;

	k->value_handle = 0;
	if (op->value.len > WSET_INLINE_MAX) {
		err = payload_alloc(k->inner.pool, op->value.len, PROC_DAEMON, &op->ref, &p);
		if (err != 0) {
			return err;
		}
		memcpy(p, op->value.p, op->value.len);
		k->value_handle = op->ref.handle;
		op->by_ref = true;
	}
	wset_init(&ws, k->set, sizeof(k->set));
	err = wset_add(&ws, op);
	if (err == 0) {
		k->msg = (struct desc){ .kind = DESC_PUBLISH };
		err = ask(k, OPEN_WRITE, port_of(k, op->key), wset_bytes(&ws));
	}
	if (err != 0 && k->value_handle != 0) {
		payload_release(k->inner.pool, k->value_handle, PROC_DAEMON);
	}
	return err;
}

static int
store_put(void *ctx, struct slice key, struct slice value)
{
	struct ctl *c = ctx;
	struct wset_op op = { .kind = WSET_PUT, .key = key, .value = value };

	return publish(c->catalog, &op);
}

static int
store_del(void *ctx, struct slice key)
{
	struct ctl *c = ctx;
	struct wset_op op = { .kind = WSET_DEL, .key = key };

	return publish(c->catalog, &op);
}

/* --------------------------------------------------------------------- reading */

static int
store_get(void *ctx, struct slice key)
{
	struct ctl *c = ctx;

	c->catalog->key = key;
	c->catalog->open = OPEN_LOOK;
	return 0;
}

static int
store_list(void *ctx, struct slice prefix, struct slice after)
{
	struct ctl *c = ctx;
	struct ctl_catalog *k = c->catalog;
	struct wbuf req = wbuf_init(k->set, sizeof(k->set));
	int err = cache_scan_req_write(&req, prefix, after, 0);

	k->msg = (struct desc){ .kind = DESC_SCAN };
	return err != 0 ? err : ask(k, OPEN_LIST, PORT_CACHE_FIRST, wbuf_slice(&req));
}

static void
answered(struct ctl_catalog *k, int err, struct slice value)
{
	k->open = OPEN_NONE;
	catalog_answered(k->core, err, value);
}

static void
look(struct ctl_catalog *k)
{
	struct cache_value v;
	char buf[VIEW_TEXT_MAX];
	struct slice text = { 0 };
	int n = cache_view_get(&k->view, k->key, &v);
	int err;

	if (n == CACHE_MISS) {
		k->msg = (struct desc){ .kind = DESC_FETCH };
		err = ask(k, OPEN_FETCH, port_of(k, k->key), k->key);
		if (err == MB_ERR_NO_MEMORY) {
			answered(k, err, text);
		}
		return; /* FULL: it stays a LOOK */
	}
	err = n == CACHE_HIT      ? view_text(v.type, v.state, buf, &text)
	      : n == CACHE_ABSENT ? MB_ERR_NOT_FOUND
				  : n;
	answered(k, err, text);
	if (n == CACHE_HIT || n == CACHE_ABSENT) {
		cache_view_release(&k->view, &v);
	}
}

/* A page lies in the daemon's memory and goes back to the tile it came from. */
static void
listed(struct ctl_catalog *k, const struct desc *d)
{
	struct desc m = { .kind = DESC_RELEASE,
			  .release = { .inc = d->ref.inc,
				       .proc = d->ref.proc,
				       .cnt = 1,
				       .handle = { d->ref.handle } } };
	const uint8_t *p = NULL;
	size_t len = 0;
	int err = d->err != 0 ? d->err : inner_bytes(&k->inner, d, &p, &len);

	k->open = OPEN_NONE;
	catalog_listed(k->core, err, slice_of(p, err == 0 ? len : 0), d->sub != 0);
	if (d->err == 0 && (d->flags & DESC_F_INLINE) == 0) {
		/* One question at a time: the channel has room. */
		REQUIRE(inner_send(&k->inner, PORT_CACHE_FIRST, &m) == 0);
	}
}

/* An answer of a cache tile. */
static void
on_answer(struct ctl_catalog *k, const struct desc *d)
{
	enum open open = k->open;

	if (d->kind != DESC_PUBLISHED && d->kind != DESC_FETCHED && d->kind != DESC_SCANNED) {
		return;
	}
	REQUIRE(open == (d->kind == DESC_PUBLISHED ? OPEN_WRITE
			 : d->kind == DESC_FETCHED ? OPEN_FETCH
						   : OPEN_LIST));
	inner_payload_free(&k->inner, &k->msg, PROC_DAEMON);
	if (open == OPEN_WRITE && k->value_handle != 0) {
		payload_release(k->inner.pool, k->value_handle, PROC_DAEMON);
	}
	if (open == OPEN_LIST) {
		listed(k, d);
	} else if (open == OPEN_WRITE || d->err != 0) {
		answered(k, d->err, slice_of(NULL, 0));
	} else {
		k->open = OPEN_LOOK;
	}
}

/* ------------------------------------------------------------------ what was read back */

static void
fn_of(const struct catalog_fn *r, uint8_t class, struct fn *ret)
{
	ret->version = r->version;
	ret->class = class;
	ret->deadline_ns = r->deadline_ns;
	ret->batch = r->batch;
	ret->memory_kib = r->memory_kib;
	ret->concurrency = r->concurrency;
}

/* Functions of one object, but for those that were deployed anew meanwhile. */
static int
read_deploy(void *ctx, struct slice object, const struct catalog_fn *r, uint32_t cnt)
{
	struct ctl *c = ctx;
	const char *class = r[0].class;
	uint8_t cls = class[0] != '\0' ? classes_find(&c->cfg.classes, class) : CLASSES_NONE;
	struct fn_object *o;
	uint16_t id[FUNCTION_CNT_MAX];
	uint32_t id_cnt = 0;
	int err = 0;

	if (class[0] != '\0' && cls == CLASSES_NONE) {
		return MB_ERR_NO_EXECUTOR;
	}
	o = registry_object(object.p, object.len);
	if (o == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	memcpy(o->hash, r[0].object, sizeof(o->hash));
	for (uint32_t i = 0; err == 0 && i < cnt; i++) {
		struct fn *f;

		if (registry_fn(&c->registry, r[i].name) != NULL) {
			continue;
		}
		f = registry_fn_add(&c->registry, r[i].name, r[i].defined, o, false);
		if (f == NULL) {
			err = MB_ERR_TOO_LARGE;
			break;
		}
		fn_of(&r[i], cls, f);
		id[id_cnt++] = f->id;
	}
	if (err == 0) {
		err = id_cnt == 0 ? MB_ERR_EXISTS
				  : ctl_deploy_start(c, -1, slice_of(NULL, 0), id, id_cnt,
						     r[0].pinned, cls, &c->catalog->deploy_seq);
	}
	if (err != 0) {
		for (uint32_t i = 0; i < id_cnt; i++) {
			registry_fn_remove(&c->registry, registry_fn_by_id(&c->registry, id[i]));
		}
		if (id_cnt == 0) {
			registry_object_drop(o);
		}
	}
	return err;
}

static int
read_dag(void *ctx, const char *name, const char *text)
{
	struct ctl *c = ctx;
	char why[WHY_BYTES];
	struct dag *dag;

	return registry_dag(&c->registry, name) != NULL ? 0 : ctl_dag_add(c, name, text, &dag, why);
}

static void
read_lost(void *ctx, const char *what, int err)
{
	log_at(LOG_WARN, "'%s' stays in the store, and is not served: %s", what, mb_err_text(err));
}

void
ctl_catalog_deployed(struct ctl *c, const struct ctl_deploy *dep, int err)
{
	struct ctl_catalog *k = c->catalog;

	if (dep->seq != k->deploy_seq) {
		return;
	}
	k->deploy_seq = 0;
	for (uint32_t i = 0; err == 0 && i < dep->fn_cnt; i++) {
		registry_fn_by_id(&c->registry, dep->fn[i])->object->in_store = true;
	}
	k->room_ns = 0; /* goes on with the next poll */
	catalog_deployed(k->core, err);
}

/* ------------------------------------------------------------------ what is put there */

void
ctl_catalog_object(struct ctl *c, struct fn_object *o, struct slice bytes, uint64_t seq)
{
	o->in_store = true;
	catalog_hash(bytes, o->hash);
	catalog_put_object(c->catalog->core, bytes, seq);
}

static void
object_stored(void *ctx, uint64_t token, int err)
{
	ctl_deploy_stored(ctx, token, err);
}

void
ctl_catalog_fn(struct ctl *c, const struct fn *f)
{
	struct catalog_fn r = { .version = f->version,
				.pinned = f->pinned,
				.deadline_ns = f->deadline_ns,
				.batch = f->batch,
				.memory_kib = f->memory_kib,
				.concurrency = f->concurrency };

	memcpy(r.name, f->name, sizeof(r.name));
	memcpy(r.defined, f->defined, sizeof(r.defined));
	memcpy(r.object, f->object->hash, sizeof(r.object));
	if (f->class != CLASSES_NONE) {
		snprintf(r.class, sizeof(r.class), "%s", c->cfg.classes.name[f->class]);
	}
	catalog_put_fn(c->catalog->core, &r);
}

void
ctl_catalog_fn_del(struct ctl *c, const char *name)
{
	catalog_del_fn(c->catalog->core, name);
}

void
ctl_catalog_dag(struct ctl *c, const struct dag *dag)
{
	catalog_put_dag(c->catalog->core, dag->plan.name, dag->text);
}

void
ctl_catalog_dag_del(struct ctl *c, const char *name)
{
	catalog_del_dag(c->catalog->core, name);
}

void
ctl_fn_remove(struct ctl *c, struct fn *f)
{
	struct fn_object o = *f->object;

	registry_fn_remove(&c->registry, f);
	if (o.refs == 1 && o.in_store && !registry_has_object(&c->registry, o.hash)) {
		catalog_del_object(c->catalog->core, o.hash);
	}
}

/* ---------------------------------------------------------------------------- answers */

void
ctl_catalog_answer(struct ctl *c, struct ctl_conn *conn, json_t *out)
{
	struct catalog_late *late = malloc(sizeof(*late));

	REQUIRE(late != NULL);
	*late = (struct catalog_late){ conn->id, out };
	catalog_answer(c->catalog->core, late);
}

static void
late_answer(void *ctx, void *answer, int err)
{
	struct ctl *c = ctx;
	struct catalog_late *late = answer;
	struct ctl_conn *conn = admin_conn_by_id(c, late->conn_id);
	char text[128];

	if (conn == NULL || err != 0) {
		json_decref(late->out);
	}
	if (conn != NULL && err == 0) {
		admin_send_synced(c, conn, late->out);
	} else if (conn != NULL) {
		snprintf(text, sizeof(text),
			 "it is done here until the node ends, but the store did not take it: %s",
			 mb_err_text(err));
		admin_send_error(c, conn, err, text);
	}
	free(late);
}

/* ------------------------------------------------------------------------------ life */

int
ctl_catalog_create(struct ctl *c, const uint8_t *cache, size_t cache_bytes)
{
	struct catalog_ops ops = { .put = store_put,
				   .del = store_del,
				   .get = store_get,
				   .list = store_list,
				   .deploy = read_deploy,
				   .dag = read_dag,
				   .stored = object_stored,
				   .answer = late_answer,
				   .lost = read_lost,
				   .ctx = c };
	struct ctl_catalog *k = calloc(1, sizeof(*k));
	struct inner_cfg cfg;
	int err = k != NULL ? 0 : MB_ERR_NO_MEMORY;

	if (err == 0) {
		c->catalog = k;
		err = ctl_inner_add(c, "catalog", lcore_bell(c->lcore)->fd, true, &cfg);
	}
	if (err == 0) {
		err = inner_create(&k->inner, &cfg);
	}
	if (err == 0) {
		err = cache_view_open(&k->view, cache, cache_bytes, region_hazard(&cfg.own));
	}
	if (err == 0) {
		err = catalog_create(&k->core, &ops);
	}
	return err; /* ctl_destroy undoes it */
}

void
ctl_catalog_destroy(struct ctl *c)
{
	struct ctl_catalog *k = c->catalog;

	if (k == NULL) {
		return;
	}
	if (k->core != NULL) {
		catalog_destroy(k->core);
	}
	inner_destroy(&k->inner);
	free(k);
	c->catalog = NULL;
}

bool
ctl_catalog_poll(struct ctl *c)
{
	struct ctl_catalog *k = c->catalog;
	bool busy = false;
	struct desc d;

	for (uint32_t port = PORT_SCHED; port < k->inner.port_cnt; port++) {
		while (inner_recv(&k->inner, port, &d) == 1) {
			on_answer(k, &d);
			busy = true;
		}
	}
	k->room_ns = UINT64_MAX;
	if (catalog_step(k->core)) {
		k->room_ns = ctl_now(c) + ROOM_NS;
	}
	for (; k->open == OPEN_LOOK; busy = true) {
		look(k);
		if (k->open == OPEN_LOOK) { /* no room in the channel */
			k->room_ns = ctl_now(c) + ROOM_NS;
			break;
		}
		if (catalog_step(k->core)) {
			k->room_ns = ctl_now(c) + ROOM_NS;
		}
	}
	return busy;
}

void
ctl_catalog_arm(struct ctl *c, bool up)
{
	inner_arm(&c->catalog->inner, up);
}

uint64_t
ctl_catalog_timer(const struct ctl *c)
{
	return c->catalog->room_ns;
}

bool
ctl_catalog_quiet(const struct ctl *c)
{
	return c->catalog->open == OPEN_NONE && catalog_quiet(c->catalog->core);
}
