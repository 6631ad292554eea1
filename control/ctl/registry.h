/* SPDX-License-Identifier: Apache-2.0 */
/* registry - the functions and DAGs that exist, and the objects they come from
 *
 * A function's id is its name's version: a deployment under a name that exists makes a new id, and
 * calls in flight keep the old. Ids grow; entry = id % FUNCTION_CNT_MAX is what the placement table
 * uses, so an id is only given out when its entry is free.
 *
 * Owner: ctl. Memory: control path, from the heap.
 */
#ifndef MB_REGISTRY_H
#define MB_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "catalog.h"
#include "domain_limits.h"
#include "placement.h"

struct fn_object {
	int fd; /* sealed memfd */
	size_t bytes;
	char hash[CATALOG_HASH_TEXT]; /* in_store: under which it is there */
	bool in_store;
	uint32_t refs; /* functions that come from it */
};

struct fn {
	uint16_t id; /* 0: free entry */
	uint16_t version;
	bool shown;                   /* its deployment was checked: it can be called */
	bool pinned;                  /* executors load it; else on its first call */
	uint64_t calls, used_ns;      /* when it was last seen in use (ctl_pin.c) */
	uint8_t class;                /* of executors that it requires; CLASSES_NONE: any */
	char name[NAME_BYTES_MAX];    /* under which it is called */
	char defined[NAME_BYTES_MAX]; /* in its object */
	uint64_t deadline_ns;         /* after which each call is stopped; 0: none */
	uint32_t batch;               /* calls that it takes at a time; 0, 1: one */
	uint32_t memory_kib;          /* it may take while it runs; 0: what its executor has */
	uint32_t concurrency;         /* executors that run it at a time; 0: all */
	struct fn_object *object;
};

struct dag {
	uint16_t id; /* 0: free */
	char *text;
	struct placement_dag plan;
};

struct registry {
	struct fn fn[FUNCTION_CNT_MAX];
	struct dag dag[DAG_CNT_MAX];
	uint16_t fn_id, dag_id; /* last given out */
};

void registry_destroy(struct registry *r);

/* registry_fn gives the newest version of name that is shown; NULL when there is none. */
struct fn *registry_fn(struct registry *r, const char *name);
struct fn *registry_fn_by_id(struct registry *r, uint16_t id);
/* registry_fn_show writes what the placement table says of a function, but for who has it. */
void registry_fn_show(const struct fn *f, struct placement_fn *ret);
struct dag *registry_dag(struct registry *r, const char *name);

/* registry_name_ok: letters, digits, _ - . and at most 63 of them, not starting with a digit. */
bool registry_name_ok(const char *name);

/* registry_object copies an object into a sealed memfd. Returns: NULL without memory. */
struct fn_object *registry_object(const void *bytes, size_t len);
void registry_object_drop(struct fn_object *o);
/* registry_has_object: a function comes from an object that is in the store as hash. */
bool registry_has_object(const struct registry *r, const char *hash);

/* registry_fn_add takes an entry for name; an older version of it, if there is one, stays until
 * registry_fn_remove. Returns: NULL when FUNCTION_CNT_MAX are taken. */
struct fn *registry_fn_add(struct registry *r, const char *name, const char *defined,
			   struct fn_object *o, bool pinned);
void registry_fn_remove(struct registry *r, struct fn *fn);

/* registry_dag_add takes over text (malloc'ed). */
struct dag *registry_dag_add(struct registry *r, const struct placement_dag *plan, char *text);
void registry_dag_remove(struct registry *r, struct dag *d);

/* registry_dag_using finds a DAG that uses function id; NULL when none does. */
const struct dag *registry_dag_using(const struct registry *r, uint16_t fn_id);

#endif
