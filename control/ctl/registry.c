/* SPDX-License-Identifier: Apache-2.0 */
#include "registry.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

#define OBJECT_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

bool
registry_name_ok(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= NAME_BYTES_MAX || isdigit((unsigned char)name[0])) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)name[i]) && strchr("_-.", name[i]) == NULL) {
			return false;
		}
	}
	return true;
}

static struct fn *
registry_newest(struct registry *r, const char *name, bool shown)
{
	struct fn *newest = NULL;

	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		struct fn *f = &r->fn[i];

		if (f->id != 0 && (f->shown || !shown) && strcmp(f->name, name) == 0 &&
		    (newest == NULL || f->version > newest->version)) {
			newest = f;
		}
	}
	return newest;
}

struct fn *
registry_fn(struct registry *r, const char *name)
{
	return registry_newest(r, name, true);
}

struct fn *
registry_fn_by_id(struct registry *r, uint16_t id)
{
	struct fn *f = &r->fn[id % FUNCTION_CNT_MAX];

	return id != 0 && f->id == id ? f : NULL;
}

void
registry_fn_show(const struct fn *f, struct placement_fn *ret)
{
	ret->id = f->id;
	ret->version = f->version;
	ret->deadline_ns = f->deadline_ns;
	ret->batch = f->batch;
	memcpy(ret->name, f->name, NAME_BYTES_MAX);
}

struct dag *
registry_dag(struct registry *r, const char *name)
{
	for (uint32_t i = 0; i < DAG_CNT_MAX; i++) {
		if (r->dag[i].id != 0 && strcmp(r->dag[i].plan.name, name) == 0) {
			return &r->dag[i];
		}
	}
	return NULL;
}

static bool
registry_write_all(int fd, const uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n <= 0) {
			return false;
		}
		p += n;
		len -= (size_t)n;
	}
	return true;
}

struct fn_object *
registry_object(const void *bytes, size_t len)
{
	struct fn_object *o = calloc(1, sizeof(*o));

	if (o == NULL) {
		return NULL;
	}
	o->bytes = len;
	o->fd = memfd_create("microburst-object", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (o->fd < 0 || !registry_write_all(o->fd, bytes, len) ||
	    fcntl(o->fd, F_ADD_SEALS, OBJECT_SEALS) != 0) {
		if (o->fd >= 0) {
			close(o->fd);
		}
		free(o);
		return NULL;
	}
	return o;
}

void
registry_object_drop(struct fn_object *o)
{
	if (o != NULL && o->refs == 0) {
		close(o->fd);
		free(o);
	}
}

bool
registry_has_object(const struct registry *r, const char *hash)
{
	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		const struct fn *f = &r->fn[i];

		if (f->id != 0 && f->object->in_store && strcmp(f->object->hash, hash) == 0) {
			return true;
		}
	}
	return false;
}

struct fn *
registry_fn_add(struct registry *r, const char *name, const char *defined, struct fn_object *o,
		bool pinned)
{
	struct fn *old = registry_newest(r, name, false);
	struct fn *f = NULL;
	uint16_t id = r->fn_id;

	for (uint32_t i = 0; i < FUNCTION_CNT_MAX && f == NULL; i++) {
		id = (uint16_t)(id + 1);
		id = id == 0 ? FUNCTION_CNT_MAX : id; /* 0 is no id; keep the remainder */
		f = r->fn[id % FUNCTION_CNT_MAX].id == 0 ? &r->fn[id % FUNCTION_CNT_MAX] : NULL;
	}
	if (f == NULL) {
		return NULL;
	}
	r->fn_id = id;
	*f = (struct fn){ .id = id,
			  .version = old != NULL ? (uint16_t)(old->version + 1) : 1,
			  .pinned = pinned,
			  .object = o };
	snprintf(f->name, sizeof(f->name), "%s", name);
	snprintf(f->defined, sizeof(f->defined), "%s", defined);
	o->refs++;
	return f;
}

void
registry_fn_remove(struct registry *r, struct fn *fn)
{
	struct fn_object *o = fn->object;

	*fn = (struct fn){ 0 };
	o->refs--;
	registry_object_drop(o);
}

struct dag *
registry_dag_add(struct registry *r, const struct placement_dag *plan, char *text)
{
	struct dag *d = NULL;
	uint16_t id = r->dag_id;

	for (uint32_t i = 0; i < DAG_CNT_MAX && d == NULL; i++) {
		id = (uint16_t)(id + 1);
		id = id == 0 ? DAG_CNT_MAX : id;
		d = r->dag[id % DAG_CNT_MAX].id == 0 ? &r->dag[id % DAG_CNT_MAX] : NULL;
	}
	if (d == NULL) {
		return NULL;
	}
	r->dag_id = id;
	*d = (struct dag){ .id = id, .text = text, .plan = *plan };
	d->plan.id = id;
	return d;
}

void
registry_dag_remove(struct registry *r, struct dag *d)
{
	free(d->text);
	*d = (struct dag){ 0 };
}

const struct dag *
registry_dag_using(const struct registry *r, uint16_t fn_id)
{
	for (uint32_t i = 0; i < DAG_CNT_MAX; i++) {
		const struct dag *d = &r->dag[i];

		for (uint32_t v = 0; d->id != 0 && v < d->plan.vertex_cnt; v++) {
			if (d->plan.vertex[v].fn == fn_id) {
				return d;
			}
		}
	}
	return NULL;
}

void
registry_destroy(struct registry *r)
{
	for (uint32_t i = 0; i < DAG_CNT_MAX; i++) {
		if (r->dag[i].id != 0) {
			registry_dag_remove(r, &r->dag[i]);
		}
	}
	for (uint32_t i = 0; i < FUNCTION_CNT_MAX; i++) {
		if (r->fn[i].id != 0) {
			registry_fn_remove(r, &r->fn[i]);
		}
	}
}
