/* SPDX-License-Identifier: Apache-2.0 */
/* placement - which functions and DAGs exist, and which executors have them
 *
 * The table stands in the daemon's region; sched writes it, everybody else reads it in place. There
 * are two copies and a generation: the writer fills the copy that is not shown, then advances the
 * generation. No reader ever waits, and a writer killed at any point leaves a table that is whole.
 *
 *   gen even -> copy 0 is shown, odd -> copy 1
 *
 * A reader during whose reading the generation advances may see a mixture, because the writer may
 * be filling its copy already; placement_stale says so, and the reader reads again. A mixture is
 * never trusted: every index is checked on use.
 */
#ifndef MB_PLACEMENT_H
#define MB_PLACEMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "desc.h"
#include "domain_limits.h"
#include "region.h"

#define PLACEMENT_EXEC_WORDS 2 /* a bit for each process index below PROC_CLIENT_FIRST */

struct placement_fn {
	char name[NAME_BYTES_MAX];
	/* 0: free entry. Ids grow with every deployment; the entry is id % FUNCTION_CNT_MAX. */
	uint16_t id;
	uint16_t version;
	uint32_t batch;       /* how many calls that wait it takes at a time; 0, 1: one */
	uint64_t deadline_ns; /* how long a call of it may take at most; 0: as it likes */
	uint64_t exec[PLACEMENT_EXEC_WORDS]; /* executors that accept calls of it */
};

/* How the executors of a set can run beside each other. */
enum placement_spread {
	PLACEMENT_ALONE, /* there is one, or none */
	PLACEMENT_TURNS, /* all are kept to one cpu: one runs while the others do not */
	PLACEMENT_APART,
};

/* Where a function, or a DAG in one piece, can run. */
struct placement_where {
	uint64_t exec[PLACEMENT_EXEC_WORDS];
	enum placement_spread spread;
	bool batched; /* it takes several calls in one run: sched gathers those that wait */
};

struct placement_vertex {
	uint16_t fn;  /* function id */
	char tag[14]; /* "" or what stands behind '#' in the text */
};

struct placement_edge {
	uint8_t from, to; /* vertex numbers */
};

struct placement_dag {
	char name[NAME_BYTES_MAX];
	uint16_t id; /* 0: free; entry = id % DAG_CNT_MAX */
	uint16_t vertex_cnt;
	uint16_t edge_cnt;
	uint16_t flags; /* PLACEMENT_DAG_* */
	/* One whose functions take at least so long, all together, is run in parts where that gains
	 * something. */
	uint32_t split_ns;
	struct placement_vertex
		vertex[DAG_FUNCTION_MAX];         /* in a topological order, the sink last */
	struct placement_edge edge[DAG_EDGE_MAX]; /* sorted by to, then by position in the text */
};

enum placement_dag_flag {
	PLACEMENT_DAG_LINEAR = 1, /* no two functions could run at the same time */
};

struct placement_copy {
	uint32_t fn_cnt, dag_cnt;        /* highest used entry + 1 */
	uint16_t cpu[PROC_CLIENT_FIRST]; /* of an executor: 1 + the one it is kept to; 0: none */
	struct placement_fn fn[FUNCTION_CNT_MAX];
	struct placement_dag dag[DAG_CNT_MAX];
};

struct placement {
	_Atomic uint64_t gen;
	uint64_t pad[7];
	struct placement_copy copy[2];
};
static_assert(sizeof(struct placement) <= REGION_TABLE_BYTES, "the table fits the daemon's region");

/* placement_shown returns the copy to read and its generation. */
const struct placement_copy *placement_shown(const struct placement *p, uint64_t *ret_gen);
/* placement_stale says that what was read under gen may be a mixture. */
bool placement_stale(const struct placement *p, uint64_t gen);

/* placement_fn_find / placement_dag_find look a name up; NULL when absent. The result points into
 * the table: copy what is needed, then ask placement_stale. */
const struct placement_fn *placement_fn_find(const struct placement_copy *c, const char *name);
const struct placement_dag *placement_dag_find(const struct placement_copy *c, const char *name);
const struct placement_fn *placement_fn_get(const struct placement_copy *c, uint16_t id);
const struct placement_dag *placement_dag_get(const struct placement_copy *c, uint16_t id);

/* placement_spread says how the executors of a set can run beside each other. */
enum placement_spread placement_spread(const struct placement_copy *c,
				       const uint64_t exec[PLACEMENT_EXEC_WORDS]);

/* placement_fn_where says where a function can run. */
void placement_fn_where(const struct placement_copy *c, const struct placement_fn *fn,
			struct placement_where *ret);

static inline uint32_t
placement_cnt(const uint64_t exec[PLACEMENT_EXEC_WORDS])
{
	uint32_t cnt = 0;

	for (uint32_t w = 0; w < PLACEMENT_EXEC_WORDS; w++) {
		cnt += (uint32_t)__builtin_popcountll(exec[w]);
	}
	return cnt;
}

static inline bool
placement_in(const uint64_t exec[PLACEMENT_EXEC_WORDS], uint16_t e)
{
	return e < PROC_CLIENT_FIRST && (exec[e / 64] >> (e % 64) & 1) != 0;
}

/* placement_pick chooses the executor for a call by a client or by sched, from those in exec whose
 * claim it can win: the last one used first, then the rest from a random start. The claim is held
 * by who on success. Pure but for the claims. Returns: the executor's process index; 0: none is
 * free. */
struct hints;
uint16_t placement_pick(const uint64_t exec[PLACEMENT_EXEC_WORDS], uint16_t last, uint64_t who,
			uint64_t random, struct hints *h);

/* writer (sched only): placement_edit returns the hidden copy, made equal to the shown one;
 * placement_show shows it. */
struct placement_copy *placement_edit(struct placement *p);
void placement_show(struct placement *p);

#endif
