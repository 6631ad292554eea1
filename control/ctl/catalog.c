/* SPDX-License-Identifier: Apache-2.0 */
/* catalog - see catalog.h
 *
 *   LOAD_FNS ─► LOAD_FN.. ─► LOAD_DAGS ─► LOAD_DAG.. ─► LOAD_OBJECT ◄─► LOAD_DEPLOY ─► LOAD_DONE
 *     list       records       list         records       of the next      it is tried
 *                                                          group
 *
 * What is to be done goes before what is to be read: it may be newer. A record that was changed or
 * deleted meanwhile is found as it is then, or the registry says that it has the name already.
 */
#include "catalog.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "cache_msg.h"
#include "check.h"
#include "microburst/error.h"
#include "registry.h"

#define PREFIX_FN      KEY_SYSTEM "fn/"
#define PREFIX_DAG     KEY_SYSTEM "dag/"
#define PREFIX_OBJECT  KEY_SYSTEM "object/"
#define KEY_TEXT_BYTES 128

static_assert(CATALOG_HASH_BYTES == crypto_generichash_BYTES, "of libsodium");
static_assert(sizeof(PREFIX_OBJECT) + CATALOG_HASH_TEXT <= KEY_TEXT_BYTES, "the longest of them");

enum task_kind { TASK_PUT, TASK_DEL, TASK_ANSWER };

struct task {
	STAILQ_ENTRY(task) next;
	enum task_kind kind;
	bool object; /* PUT: ops.stored is told */
	uint64_t token;
	void *answer;
	char key[KEY_TEXT_BYTES];
	size_t len;
	uint8_t value[];
};

enum load {
	LOAD_FNS,
	LOAD_FN,
	LOAD_DAGS,
	LOAD_DAG,
	LOAD_OBJECT,
	LOAD_DEPLOY, /* ops.deploy has it */
	LOAD_DONE,
};

struct load_dag {
	char name[NAME_BYTES_MAX];
	char *text;
};

enum asked { ASKED_NONE, ASKED_TASK, ASKED_LOAD };

struct catalog {
	struct catalog_ops ops;
	STAILQ_HEAD(, task) task;
	enum asked asked;
	int err; /* the first, since the last answer */
	/* reading back */
	enum load load;
	char key[KEY_TEXT_BYTES]; /* that was asked for; of a list: the last that it showed */
	uint32_t fn_cnt, dag_cnt, at;
	bool done[FUNCTION_CNT_MAX]; /* deployed, or lost */
	struct catalog_fn fn[FUNCTION_CNT_MAX];
	struct load_dag dag[DAG_CNT_MAX];
	struct catalog_fn group[FUNCTION_CNT_MAX];
};

int
catalog_create(struct catalog **ret, const struct catalog_ops *ops)
{
	struct catalog *c = sodium_init() >= 0 ? calloc(1, sizeof(*c)) : NULL;

	if (c == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	c->ops = *ops;
	STAILQ_INIT(&c->task);
	*ret = c;
	return 0;
}

static void
dags_free(struct catalog *c)
{
	for (uint32_t i = 0; i < c->dag_cnt; i++) {
		free(c->dag[i].text);
		c->dag[i].text = NULL;
	}
	c->dag_cnt = 0;
}

void
catalog_destroy(struct catalog *c)
{
	struct task *t;

	while ((t = STAILQ_FIRST(&c->task)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->task, next);
		if (t->kind == TASK_ANSWER) {
			c->ops.answer(c->ops.ctx, t->answer, MB_ERR_NODE_DIED);
		}
		free(t);
	}
	dags_free(c);
	free(c);
}

void
catalog_hash(struct slice object, char ret[CATALOG_HASH_TEXT])
{
	uint8_t hash[CATALOG_HASH_BYTES];

	crypto_generichash(hash, sizeof(hash), object.p, object.len, NULL, 0);
	sodium_bin2hex(ret, CATALOG_HASH_TEXT, hash, sizeof(hash));
}

/* -------------------------------------------------------------------- tasks */

static void
note(struct catalog *c, int err)
{
	c->err = c->err == 0 ? err : c->err;
}

/* Returns: NULL without memory; it is noted. */
static struct task *
task_add(struct catalog *c, enum task_kind kind, const char *prefix, const char *name,
	 struct slice value)
{
	struct task *t = malloc(sizeof(*t) + value.len);

	if (t == NULL) {
		note(c, MB_ERR_NO_MEMORY);
		return NULL;
	}
	*t = (struct task){ .kind = kind, .len = value.len };
	snprintf(t->key, sizeof(t->key), "%s%s", prefix, name);
	if (value.len > 0) {
		memcpy(t->value, value.p, value.len);
	}
	STAILQ_INSERT_TAIL(&c->task, t, next);
	return t;
}

void
catalog_put_object(struct catalog *c, struct slice object, uint64_t token)
{
	char hash[CATALOG_HASH_TEXT];
	struct task *t;

	catalog_hash(object, hash);
	t = task_add(c, TASK_PUT, PREFIX_OBJECT, hash, object);
	if (t == NULL) {
		c->ops.stored(c->ops.ctx, token, MB_ERR_NO_MEMORY);
		return;
	}
	t->object = true;
	t->token = token;
}

void
catalog_del_object(struct catalog *c, const char *hash)
{
	task_add(c, TASK_DEL, PREFIX_OBJECT, hash, slice_of(NULL, 0));
}

static void
put_text(struct catalog *c, const char *prefix, const char *name, char *text)
{
	if (text == NULL) {
		note(c, MB_ERR_NO_MEMORY);
		return;
	}
	task_add(c, TASK_PUT, prefix, name, slice_str(text));
	free(text);
}

void
catalog_put_fn(struct catalog *c, const struct catalog_fn *fn)
{
	put_text(c, PREFIX_FN, fn->name, catalog_fn_write(fn));
}

void
catalog_del_fn(struct catalog *c, const char *name)
{
	task_add(c, TASK_DEL, PREFIX_FN, name, slice_of(NULL, 0));
}

void
catalog_put_dag(struct catalog *c, const char *name, const char *text)
{
	put_text(c, PREFIX_DAG, name, catalog_dag_write(text));
}

void
catalog_del_dag(struct catalog *c, const char *name)
{
	task_add(c, TASK_DEL, PREFIX_DAG, name, slice_of(NULL, 0));
}

static void
answer_give(struct catalog *c, void *answer)
{
	int err = c->err;

	c->err = 0;
	c->ops.answer(c->ops.ctx, answer, err);
}

void
catalog_answer(struct catalog *c, void *answer)
{
	struct task *t =
		STAILQ_EMPTY(&c->task) ? NULL : task_add(c, TASK_ANSWER, "", "", slice_of(NULL, 0));

	if (t == NULL) {
		answer_give(c, answer);
	} else {
		t->answer = answer;
	}
}

/* The first task is over. */
static void
task_end(struct catalog *c, int err)
{
	struct task *t = STAILQ_FIRST(&c->task);

	STAILQ_REMOVE_HEAD(&c->task, next);
	if (t->kind == TASK_DEL && err == MB_ERR_NOT_FOUND) {
		err = 0;
	}
	if (t->kind == TASK_ANSWER) {
		answer_give(c, t->answer);
	} else if (t->object) {
		c->ops.stored(c->ops.ctx, t->token, err);
	} else {
		note(c, err);
	}
	free(t);
}

/* Begins the first task. Returns: MB_ERR_FULL: there is no room; else 0. */
static int
task_begin(struct catalog *c)
{
	struct task *t = STAILQ_FIRST(&c->task);
	int err = 0;

	if (t->kind == TASK_ANSWER) {
		task_end(c, 0);
		return 0;
	}
	c->asked = ASKED_TASK;
	err = t->kind == TASK_PUT
		      ? c->ops.put(c->ops.ctx, slice_str(t->key), slice_of(t->value, t->len))
		      : c->ops.del(c->ops.ctx, slice_str(t->key));
	if (err != 0) {
		c->asked = ASKED_NONE;
	}
	if (err != 0 && err != MB_ERR_FULL) {
		task_end(c, err);
		err = 0;
	}
	return err;
}

/* -------------------------------------------------------------- reading back */

static int
load_ask(struct catalog *c, const char *prefix, const char *name)
{
	int err;

	snprintf(c->key, sizeof(c->key), "%s%s", prefix, name);
	c->asked = ASKED_LOAD;
	err = c->ops.get(c->ops.ctx, slice_str(c->key));
	c->asked = err != 0 ? ASKED_NONE : c->asked;
	return err;
}

static int
load_list(struct catalog *c, const char *prefix)
{
	int err;

	c->asked = ASKED_LOAD;
	err = c->ops.list(c->ops.ctx, slice_str(prefix), slice_str(c->key));
	c->asked = err != 0 ? ASKED_NONE : c->asked;
	return err;
}

static void
load_next(struct catalog *c, enum load load)
{
	c->load = load;
	c->key[0] = '\0';
	c->at = 0;
}

/* The next group: functions of one object that are alike for a deployment. Returns: how many. */
static uint32_t
group_find(struct catalog *c)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < c->fn_cnt; i++) {
		const struct catalog_fn *f = &c->fn[i];

		if (!c->done[i] && (cnt == 0 || (strcmp(f->object, c->group[0].object) == 0 &&
						 strcmp(f->class, c->group[0].class) == 0 &&
						 f->pinned == c->group[0].pinned))) {
			c->group[cnt++] = *f;
		}
	}
	return cnt;
}

/* The group is deployed, or cannot be. */
static void
group_end(struct catalog *c, int err)
{
	for (uint32_t i = 0; i < c->fn_cnt; i++) {
		const struct catalog_fn *f = &c->fn[i];

		if (!c->done[i] && strcmp(f->object, c->group[0].object) == 0 &&
		    strcmp(f->class, c->group[0].class) == 0 && f->pinned == c->group[0].pinned) {
			c->done[i] = true;
			if (err != 0 && err != MB_ERR_EXISTS) { /* deployed anew meanwhile */
				c->ops.lost(c->ops.ctx, f->name, err);
			}
		}
	}
	c->load = LOAD_OBJECT;
}

static void
dags_add(struct catalog *c)
{
	for (uint32_t i = 0; i < c->dag_cnt; i++) {
		int err = c->ops.dag(c->ops.ctx, c->dag[i].name, c->dag[i].text);

		if (err != 0) {
			c->ops.lost(c->ops.ctx, c->dag[i].name, err);
		}
	}
	dags_free(c);
	load_next(c, LOAD_DONE);
}

/* Goes on. Returns: 0: it asked, or went a step; MB_ERR_FULL; an error: the step is left out. */
static int
load_step(struct catalog *c)
{
	switch (c->load) {
	case LOAD_FNS:
		return load_list(c, PREFIX_FN);
	case LOAD_FN:
		if (c->at == c->fn_cnt) {
			load_next(c, LOAD_DAGS);
			return 0;
		}
		return load_ask(c, PREFIX_FN, c->fn[c->at].name);
	case LOAD_DAGS:
		return load_list(c, PREFIX_DAG);
	case LOAD_DAG:
		if (c->at == c->dag_cnt) {
			load_next(c, LOAD_OBJECT);
			return 0;
		}
		return load_ask(c, PREFIX_DAG, c->dag[c->at].name);
	case LOAD_OBJECT:
		if (group_find(c) == 0) {
			dags_add(c);
			return 0;
		}
		return load_ask(c, PREFIX_OBJECT, c->group[0].object);
	default:
		return 0;
	}
}

static void
fn_loaded(struct catalog *c, int err, struct slice value)
{
	struct catalog_fn fn;

	if (err == 0) {
		err = catalog_fn_read(slice_str(c->fn[c->at].name), value, &fn);
	}
	if (err != 0) {
		c->done[c->at] = true;
		if (err != MB_ERR_NOT_FOUND) { /* else: deleted meanwhile */
			c->ops.lost(c->ops.ctx, c->fn[c->at].name, err);
		}
	} else {
		c->fn[c->at] = fn;
	}
	c->at++;
}

static void
dag_loaded(struct catalog *c, int err, struct slice value)
{
	char *text = err == 0 ? catalog_dag_read(value) : NULL;

	if (text != NULL) {
		c->dag[c->at++].text = text;
		return;
	}
	if (err != MB_ERR_NOT_FOUND) {
		c->ops.lost(c->ops.ctx, c->dag[c->at].name, err != 0 ? err : MB_ERR_CORRUPT);
	}
	c->dag_cnt--;
	memmove(&c->dag[c->at], &c->dag[c->at + 1], (c->dag_cnt - c->at) * sizeof(c->dag[0]));
	c->dag[c->dag_cnt].text = NULL;
}

static void
object_loaded(struct catalog *c, int err, struct slice value)
{
	char hash[CATALOG_HASH_TEXT];
	uint32_t cnt = group_find(c);

	if (err == 0) {
		catalog_hash(value, hash);
		err = strcmp(hash, c->group[0].object) == 0 ? 0 : MB_ERR_CORRUPT;
	}
	if (err == 0) {
		c->load = LOAD_DEPLOY;
		err = c->ops.deploy(c->ops.ctx, value, c->group, cnt);
	}
	if (err == MB_ERR_BUSY) {
		c->load = LOAD_OBJECT; /* once more, soon */
	} else if (err != 0) {
		group_end(c, err);
	}
}

/* A question of the reading is answered, or could not be asked. */
static void
load_answered(struct catalog *c, int err, struct slice value)
{
	switch (c->load) {
	case LOAD_FN:
		fn_loaded(c, err, value);
		break;
	case LOAD_DAG:
		dag_loaded(c, err, value);
		break;
	case LOAD_OBJECT:
		object_loaded(c, err, value);
		break;
	default: /* a list */
		c->ops.lost(c->ops.ctx, "what the store has", err);
		load_next(c, LOAD_DONE);
	}
}

static void
list_add(struct catalog *c, struct slice key, size_t prefix_len)
{
	bool fns = c->load == LOAD_FNS;
	char name[NAME_BYTES_MAX];

	key.p += prefix_len;
	key.len -= prefix_len;
	if (key.len >= sizeof(name)) {
		c->ops.lost(c->ops.ctx, "a name that is too long", MB_ERR_CORRUPT);
		return;
	}
	memcpy(name, key.p, key.len);
	name[key.len] = '\0';
	if (fns ? c->fn_cnt == FUNCTION_CNT_MAX : c->dag_cnt == DAG_CNT_MAX) {
		c->ops.lost(c->ops.ctx, name, MB_ERR_TOO_LARGE);
	} else if (fns) {
		memcpy(c->fn[c->fn_cnt++].name, name, sizeof(name));
	} else {
		memcpy(c->dag[c->dag_cnt++].name, name, sizeof(name));
	}
}

void
catalog_listed(struct catalog *c, int err, struct slice keys, bool more)
{
	size_t prefix_len = strlen(c->load == LOAD_FNS ? PREFIX_FN : PREFIX_DAG);
	struct rbuf r = rbuf_of(keys);
	struct slice key;

	REQUIRE(c->asked == ASKED_LOAD);
	c->asked = ASKED_NONE;
	while (err == 0 && cache_scan_next(&r, &key) == 1) {
		if (key.len < prefix_len || key.len >= sizeof(c->key)) {
			c->ops.lost(c->ops.ctx, "a name that is too long", MB_ERR_CORRUPT);
			more = more && key.len < prefix_len;
			continue;
		}
		memcpy(c->key, key.p, key.len);
		c->key[key.len] = '\0';
		list_add(c, key, prefix_len);
	}
	if (err != 0) {
		load_answered(c, err, slice_of(NULL, 0));
	} else if (!more) {
		load_next(c, c->load == LOAD_FNS ? LOAD_FN : LOAD_DAG);
	}
}

/* ------------------------------------------------------------------- its turn */

void
catalog_answered(struct catalog *c, int err, struct slice value)
{
	enum asked asked = c->asked;

	REQUIRE(asked != ASKED_NONE);
	c->asked = ASKED_NONE;
	if (asked == ASKED_TASK) {
		task_end(c, err);
	} else {
		load_answered(c, err, value);
	}
}

void
catalog_deployed(struct catalog *c, int err)
{
	REQUIRE(c->load == LOAD_DEPLOY);
	group_find(c);
	group_end(c, err);
}

bool
catalog_step(struct catalog *c)
{
	while (c->asked == ASKED_NONE) {
		bool task = !STAILQ_EMPTY(&c->task);
		enum load load = c->load;
		int err;

		if (!task && (load == LOAD_DONE || load == LOAD_DEPLOY)) {
			break;
		}
		err = task ? task_begin(c) : load_step(c);
		if (err == MB_ERR_FULL) {
			return true;
		}
		if (err != 0) {
			load_answered(c, err, slice_of(NULL, 0));
		}
	}
	return false;
}

bool
catalog_quiet(const struct catalog *c)
{
	return c->asked == ASKED_NONE && STAILQ_EMPTY(&c->task);
}

bool
catalog_idle(const struct catalog *c)
{
	return catalog_quiet(c) && c->load == LOAD_DONE;
}
