/* SPDX-License-Identifier: Apache-2.0 */
/* catalog - functions and DAGs as the store has them
 *
 * The store is where they live; the registry (registry.h) is what this node has read of it, or has
 * put there. Under KEY_SYSTEM, which nobody but this writes:
 *
 *	fn/<name>      its newest version: JSON of number, object, name in it, class, limits
 *	object/<hash>  the bytes of a shared object, under the hash of them
 *	dag/<name>     JSON of its text
 *
 * Whoever deploys is answered when the store has it; what is taken back is deleted there, which is
 * a tombstone, so no peer brings it back. A node that starts reads all of it: first the functions,
 * those of one object together, each tried in an executor as any deployment; then the DAGs.
 *
 * C1  What is asked of the store is asked in its order, one at a time.
 * C2  An object is there before a function that names it, and goes when none does.
 * C3  An answer that was given here comes once, when what was asked for before it is done, with the
 *     first error of that.
 * C4  What cannot be read back stays in the store as it is, and is told.
 *
 * A step core: the store, the registry and answers are the ops. Owner: ctl. Memory: the heap, on
 * the control path.
 */
#ifndef MB_CATALOG_H
#define MB_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "domain_limits.h"
#include "slice.h"

#define CATALOG_HASH_BYTES 32
#define CATALOG_HASH_TEXT  (2 * CATALOG_HASH_BYTES + 1)
#define CATALOG_TEXT_MAX   (1 << 20) /* of a record; a DAG's text is far shorter */

/* A function's record. */
struct catalog_fn {
	char name[NAME_BYTES_MAX];
	char defined[NAME_BYTES_MAX];
	char object[CATALOG_HASH_TEXT];
	char class[NAME_BYTES_MAX]; /* "": any */
	uint16_t version;
	bool pinned;
	uint64_t deadline_ns;
	uint32_t batch, memory_kib, concurrency;
};

struct catalog_ops {
	/* Of the store: 0, and catalog_answered or catalog_listed comes, once, later; MB_ERR_FULL:
	 * try again; an error: nothing comes. What they are given stays until then. */
	int (*put)(void *ctx, struct slice key, struct slice value);
	int (*del)(void *ctx, struct slice key);
	int (*get)(void *ctx, struct slice key);
	int (*list)(void *ctx, struct slice prefix, struct slice after);
	/* Read back: cnt functions of one object. 0, and catalog_deployed comes later; MB_ERR_BUSY:
	 * try again; an error. */
	int (*deploy)(void *ctx, struct slice object, const struct catalog_fn *fn, uint32_t cnt);
	/* Read back: a DAG. Returns: 0, or an error. */
	int (*dag)(void *ctx, const char *name, const char *text);
	/* An object of catalog_put_object is in the store, or is not. */
	void (*stored)(void *ctx, uint64_t token, int err);
	/* C3 */
	void (*answer)(void *ctx, void *answer, int err);
	/* C4: what is wrong with what was to be read back. */
	void (*lost)(void *ctx, const char *what, int err);
	void *ctx;
};

struct catalog;

/* catalog_create: reading back begins with the first catalog_step. Returns: 0; MB_ERR_NO_MEMORY. */
int catalog_create(struct catalog **ret, const struct catalog_ops *ops);
void catalog_destroy(struct catalog *c);

/* catalog_hash names an object by its bytes. */
void catalog_hash(struct slice object, char ret[CATALOG_HASH_TEXT]);

/* What is to be done in the store; value is copied. Without memory it is as if the store had
 * refused it. */
void catalog_put_object(struct catalog *c, struct slice object, uint64_t token);
void catalog_del_object(struct catalog *c, const char *hash);
void catalog_put_fn(struct catalog *c, const struct catalog_fn *fn);
void catalog_del_fn(struct catalog *c, const char *name);
void catalog_put_dag(struct catalog *c, const char *name, const char *text);
void catalog_del_dag(struct catalog *c, const char *name);
/* catalog_answer has ops.answer called when all before it is done. At once if there is nothing. */
void catalog_answer(struct catalog *c, void *answer);

/* The store's word on what it was asked last. value: of a get, there for the call. keys: of a list,
 * as cache_scan_next reads them; more: there are others behind. */
void catalog_answered(struct catalog *c, int err, struct slice value);
void catalog_listed(struct catalog *c, int err, struct slice keys, bool more);
/* catalog_deployed: what ops.deploy took is deployed, or refused. */
void catalog_deployed(struct catalog *c, int err);

/* catalog_step does what can be done. Returns: whether it waits for room, and is to be called again
 * soon. catalog_idle: nothing is under way, and all has been read. */
bool catalog_step(struct catalog *c);
bool catalog_idle(const struct catalog *c);
/* catalog_quiet: nothing is asked of the store, or waits to be. */
bool catalog_quiet(const struct catalog *c);

/* catalog_record.c: catalog_xxx_write gives a record, malloc'ed; NULL: no memory. catalog_fn_read
 * reads one that may be anything. Returns: 0; MB_ERR_CORRUPT. catalog_dag_read: the text of one,
 * malloc'ed; NULL: it has none. */
char *catalog_fn_write(const struct catalog_fn *fn);
int catalog_fn_read(struct slice name, struct slice text, struct catalog_fn *ret);
char *catalog_dag_write(const char *text);
char *catalog_dag_read(struct slice record);

#endif
