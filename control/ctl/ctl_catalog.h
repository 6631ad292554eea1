/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_catalog - ctl's end of the catalog: a client of the store, and what is done with the answers
 *
 * ctl is an inner process (inner.h) for it, the one whose writes under KEY_SYSTEM the cache tiles
 * take. Owner: ctl.
 */
#ifndef MB_CTL_CATALOG_H
#define MB_CTL_CATALOG_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl.h"

/* ctl_catalog_create. Returns: 0; MB_ERR_NO_MEMORY; MB_ERR_BUSY. Threads: start-up. */
int ctl_catalog_create(struct ctl *c, const uint8_t *cache, size_t cache_bytes);
void ctl_catalog_destroy(struct ctl *c);

/* ctl_catalog_poll goes on. Returns: whether it did anything. */
bool ctl_catalog_poll(struct ctl *c);
void ctl_catalog_arm(struct ctl *c, bool up);
/* ctl_catalog_timer: when it is to go on without a word; UINT64_MAX: it waits for one, or is idle.
 * ctl_catalog_quiet: nothing is asked of the store. */
uint64_t ctl_catalog_timer(const struct ctl *c);
bool ctl_catalog_quiet(const struct ctl *c);

/* ctl_catalog_object has an object put into the store; the deployment seq goes on when it is there,
 * or is refused. ctl_catalog_fn, ctl_catalog_fn_del, ctl_catalog_dag, ctl_catalog_dag_del: as their
 * names say. ctl_catalog_deployed: what dep was read back for is shown, or refused. */
void ctl_catalog_object(struct ctl *c, struct fn_object *o, struct slice bytes, uint64_t seq);
void ctl_catalog_fn(struct ctl *c, const struct fn *f);
void ctl_catalog_fn_del(struct ctl *c, const char *name);
void ctl_catalog_dag(struct ctl *c, const struct dag *dag);
void ctl_catalog_dag_del(struct ctl *c, const char *name);
void ctl_catalog_deployed(struct ctl *c, const struct ctl_deploy *dep, int err);

/* ctl_catalog_answer sends out to whoever asked (conn), when the store has all that was asked for
 * until now, and sched has heard of it. Owns out. */
void ctl_catalog_answer(struct ctl *c, struct ctl_conn *conn, json_t *out);

/* ctl_fn_remove takes a function out of the registry, and its object out of the store if it was the
 * last that came from it. */
void ctl_fn_remove(struct ctl *c, struct fn *f);

#endif
