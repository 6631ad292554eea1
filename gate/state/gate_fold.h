/* SPDX-License-Identifier: Apache-2.0 */
/* gate_fold - members of several collections folded into one list, in memory of the command's, and
 * the list written to a key
 *
 * The list stands in c->keep: ( score f64 | len u32 | bytes ) *. While it is a set it is in the
 * order of the members, as collections are kept; so folding one more in is one walk over both.
 *
 * What is written is decided at one moment and written in sets of up to GATE_BATCH_OPS operations;
 * nobody's come between those of one set.
 */
#ifndef MB_GATE_FOLD_H
#define MB_GATE_FOLD_H

#include "gate_walk.h"

enum gate_fold_kind { FOLD_UNION, FOLD_INTER, FOLD_DIFF };
enum gate_fold_sum { FOLD_SUM, FOLD_MIN, FOLD_MAX };

struct gate_fold {
	enum gate_fold_kind kind;
	enum gate_fold_sum sum;
	bool scored; /* sorted sets are taken too */
};

/* gate_fold_key folds a key's members in, in turns; the first one is the list. c->total is then how
 * many entries there are. Returns: CACHE_HIT, also of one that is absent; else as gate_look. */
int gate_fold_key(struct gate *g, struct gate_conn *c, const struct gate_fold *f, struct slice key,
		  double weight, bool first);

/* gate_fold_put adds an entry at the end. Returns: false: there is no memory. */
bool gate_fold_put(struct gate *g, struct gate_conn *c, double score, struct slice bytes);

/* gate_fold_value makes a list of what a value shows, of which gate_fold_write makes it again; in
 * turns. Returns: the kind of the operations; MB_ERR_TRYAGAIN: gate_walk_wait; an error. */
int gate_fold_value(struct gate *g, struct gate_conn *c, struct gate_walk *w);

/* gate_fold_next walks the list, *at 0 at first. Returns: false behind the last one. */
bool gate_fold_next(const struct gate_conn *c, uint32_t *at, double *ret_score,
		    struct slice *ret_bytes);

/* How the entries of a list become operations on a key. */
struct gate_fold_write {
	struct slice key;
	enum wset_kind kind; /* SADD, SREM: values; ZADD: fields with scores; ZREM: fields; MAP_PUT:
			      * each two a field and its value; PUSH_RIGHT, PUT: values; MERGE: a
			      * HyperLogLog */
	bool replace;        /* after what is there is deleted */
	int64_t deadline_us; /* and then ends; 0: never */
	struct slice gone;   /* and then this key is deleted; empty: none */
	enum gate_rec_kind reply;
	int64_t n; /* of REC_FIXED */
};

/* gate_fold_write writes the list; c->step is where it stands, 0 at first. Returns: what the
 * handler returns. */
int gate_fold_write(struct gate *g, struct gate_conn *c, const struct gate_fold_write *w);

#endif
