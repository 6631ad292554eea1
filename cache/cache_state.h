/* SPDX-License-Identifier: Apache-2.0 */
/* cache_state - what the parts of the cache core share; nobody else includes it
 *
 *   cache_core.c   messages in, processes that come and go, the turn
 *   cache_work.c   a key at work: fetched, filled
 *   cache_flush.c  a key's deltas on their way to the store
 *   cache_job.c    a write set being applied
 *   cache_set.c    the set, brought here
 *   cache_value.c  a value that came by reference
 *   cache_grow.c   a large collection being made, leaf by leaf
 *   cache_act.c    operations on keys that are not here, done in the store
 *   cache_crowd.c  a key that leaves no memory to change it
 *   cache_lend.c   values for which there is no memory, shown where the store has them
 *   cache_read.c   values that are not here, shown once
 *   cache_scan.c   a page of keys being gathered
 *   cache_tell.c   what the store tells of keys that changed elsewhere
 *
 * A key is "at work" from its first need until nothing is under way for it any more:
 *
 *             not resident                       resident (its entry is kept)
 *   get ──► FETCH ──GOT──► FILL ──shown──► READY ◄──► deltas under way
 *             ▲              │ no memory     │ └────► free: nobody uses it, nothing to flush
 *             │              ▼               │
 *             ├──────────── IDLE ──► free    │
 *             └──────────────────────────────┘ the store refused a delta; the copy has to go
 *   act with a long value ──► ACT ──ACTED──► IDLE
 *
 *   state   may go to      trusted in this state
 *   FETCH   FILL           a GET is at the kvs tile
 *   ACT     IDLE           an act with a long value is there; nothing else is asked of the key
 *   FILL    READY, IDLE    from: the envelope; lent by the kvs tile, or in got
 *   IDLE    FETCH, free    nothing; a job that uses it has not noticed yet
 *   READY   FETCH, free    entry: it shows this key
 */
#ifndef MB_CACHE_STATE_H
#define MB_CACHE_STATE_H

#include <sys/queue.h>

#include "asked.h"
#include "cache_core.h"
#include "cache_front.h"
#include "cache_msg.h"
#include "cache_store.h"
#include "delta.h"
#include "envelope.h"
#include "kvs_act.h"
#include "kvs_msg.h"
#include "wset.h"

#define CACHE_WORK_TABLE     1024 /* heads of chains */
/* Of works and waits, kept for FETCH: a write set that needs many leaves these alone. */
#define CACHE_RESERVE        64
#define CACHE_DELTA_SMALL    96 /* every envelope that is in an entry fits */
#define CACHE_AHEAD          16 /* operations ahead whose keys are fetched already */
#define CACHE_SCRATCH        (128u << 10)
#define CACHE_TOUCHED_CNT    4096
#define CACHE_PAGE_READS     16 /* that pay for a page of the index */
#define CACHE_PAGE_CREDIT    (64u * CACHE_PAGE_READS)
/* Inner nodes of a tree that a step makes: each is a look at some 50 nodes, out of the cache. */
#define CACHE_GROW_NODES     8
/* Longer than any value takes to get to the store, shorter than a caller's deadline. Of a long
 * value that others are before, as long as a slow machine takes to write some of 64 MiB; that
 * readers leave no room, as long as it takes to send some of these. */
#define CACHE_ROOM_WAIT_NS   (100 * NS_PER_MS)
#define CACHE_LONG_WAIT_NS   (5000 * NS_PER_MS)
#define CACHE_READER_WAIT_NS (500 * NS_PER_MS)
/* Many times what most functions run; and not much, for one that waits for what it holds itself. */
#define CACHE_MOMENT_NS      (1 * NS_PER_MS)
/* Keys for which there was no memory a moment ago: many times more than fill a cache. */
#define CACHE_NO_ROOM_ROWS   64
#define CACHE_NO_ROOM_WAYS   4
/* A value is long, for this, that takes such a part of the cache, and some time to copy. */
#define CACHE_LONG_MIN       (1u << 20)
#define CACHE_LONG_SHARE     32

static_assert(CACHE_DELTA_SMALL >= CACHE_INLINE_BYTES, "an entry's envelope fits a small delta");

/* Somebody who waits for a key: a process for its FETCH, or a job for the acknowledgement of an
 * operation. */
struct cache_wait {
	STAILQ_ENTRY(cache_wait) next;
	struct cache_job *job; /* NULL: a process */
	uint32_t op;
	uint32_t inc;
	uint16_t proc;
	bool borrows; /* where there is no memory it is shown the value in the store */
	uint64_t call, b;
};
STAILQ_HEAD(cache_waits, cache_wait);

/* There was no memory for a key, or to change it, and until then that is believed. */
struct cache_no_room {
	uint64_t hash, until_ns;
};

/* How long somebody has been waiting for memory. */
struct cache_patience {
	uint32_t tries;
	bool is_long; /* and with it CACHE_LONG_WAIT_NS */
	bool bare;    /* it waits for all others: cache_set.c */
	uint64_t since_ns;
};

enum cache_delta_kind {
	CACHE_DELTA_NONE = 0,
	CACHE_DELTA_IN,    /* in small */
	CACHE_DELTA_BLOCK, /* in a block of its own */
	CACHE_DELTA_LEAF,  /* in a leaf of the tree whose root's block is lent */
	CACHE_DELTA_LENT,  /* it is the entry's envelope, in the entry's block */
	CACHE_DELTA_ENTRY, /* it will be the entry's envelope, when it is sent */
};

struct cache_delta {
	enum cache_delta_kind kind;
	uint32_t len;
	uint64_t off; /* in the region, but for IN: where it begins */
	struct cache_block block;
	uint8_t small[CACHE_DELTA_SMALL];
};

/* A tree that is being made of another one: a copy of it, or what a delete leaves of it. */
struct cache_grow {
	bool open; /* edit is begun */
	bool clear;
	uint32_t done;    /* items of the other one */
	uint64_t version; /* of the entry that shows the other one, if it is in an entry */
	struct treeval_edit edit;
	struct grove_ready ready; /* a leaf of one long item, on its way there */
};

enum cache_work_state {
	CACHE_WORK_FREE = 0,
	CACHE_WORK_IDLE,
	CACHE_WORK_ACT,
	CACHE_WORK_FETCH,
	CACHE_WORK_FILL,
	CACHE_WORK_READY,
};

STAILQ_HEAD(cache_jobs, cache_job);

struct cache_work {
	STAILQ_ENTRY(cache_work) next; /* of the free ones, or of those being filled */
	struct cache_work *table_next;
	enum cache_work_state state;
	bool moving; /* goes on without anybody's memory */
	uint64_t hash;
	uint32_t use_cnt;        /* jobs that wait for it, or are at it */
	struct cache_job *chain; /* READY: the one job whose operations it takes; NULL: anybody's */
	uint32_t entry;
	struct cache_jobs jobs;   /* waiting until it is READY, and anybody's */
	struct cache_waits waits; /* the same, processes */
	/* FILL */
	struct slice from;  /* stands for a tree, perhaps */
	uint64_t lent;      /* the kvs tile's name for it; 0: nothing to release */
	uint64_t front_seq; /* of cache_fronts, when it was asked for */
	struct cache_block block;
	uint32_t copied;        /* bytes */
	struct cache_grow grow; /* of a tree, instead */
	size_t block_len;       /* of a tree's root and what is around it */
	struct cache_patience patience;
	uint8_t got[DESC_INLINE_BYTES];
	/* READY */
	struct cache_delta flight, pending; /* at the kvs tile; to go next */
	struct tree_view flight_tree;       /* of an entry that is lent and is a tree */
	struct cache_waits flight_acks, pending_acks;
	bool hushed;     /* the store has asked for it, as soon as there is no delta any more */
	uint64_t hush_b; /* the store's word for it */
	bool crowded;    /* as hushed: there was no memory to change it here */
	uint8_t flight_ack, pending_ack; /* enum kvs_ack: the most that one of them asks for */

	uint16_t key_len;
	uint8_t key[KEY_BYTES_MAX];
};
STAILQ_HEAD(cache_works, cache_work);

enum cache_job_state { CACHE_JOB_FREE = 0, CACHE_JOB_COPY, CACHE_JOB_APPLY, CACHE_JOB_DRAIN };

/*  state   trusted in this state
 *  COPY    payload: where the set is; nothing of it was looked at. The process may still die of it
 *  APPLY   set: a private copy, checked. The call is accepted
 *  DRAIN   every operation was applied or failed; ack_cnt are not acknowledged
 */
struct cache_job {
	STAILQ_ENTRY(cache_job)
	next; /* of the free ones, the runnable or deleting ones, or a work's waiting ones */
	enum cache_job_state state;
	uint16_t proc;
	uint32_t inc;
	uint64_t call, b;
	uint8_t ack; /* enum kvs_ack */
	bool owed;
	bool late; /* committed by a process that is dead: counted before it is accepted */
	bool afar; /* what is not here is done in the store: who wrote does not read here */
	/* the set */
	struct payload_ref payload;
	uint32_t set_len, copied;
	struct cache_block set_block;
	struct slice rest, ahead; /* operations not begun; not looked at to fetch their keys */
	uint32_t ahead_cnt;       /* of these, between ahead and rest */
	/* the operation at hand */
	bool op_open;
	uint32_t op_idx;
	struct wset_op op;
	uint64_t hash;
	struct cache_work *work;
	int work_err;
	struct cache_block value; /* copied of a value by reference */
	uint32_t value_copied;
	struct grove_ready ready; /* of a collection: that block, as the leaf it becomes */
	struct cache_grow grow;   /* a DEL of a tree */
	struct cache_patience patience;
	bool moving;
	uint32_t act_cnt; /* of its operations, at the store */
	bool waits; /* for these: the one at hand is to be done only if the one before it was */
	/* the answer */
	uint32_t ack_cnt;
	int err;
	uint32_t err_op;
	struct cache_op_word *word; /* NULL: the answer is all that the process wants to know */

	uint8_t small[CACHE_SET_SMALL];
};

/* An operation that is done in the store; or a read. */
struct cache_act {
	struct cache_job *job; /* NULL: a read, */
	struct cache_read *read;
	struct cache_reads *reads; /* one of these, of process proc */
	uint16_t proc;
	bool keeps;       /* what it shows is kept here, */
	uint32_t touched; /* if nothing has touched the key since (cache_touched) */
	bool fetch;       /* it is too long to be shown */
	struct cache_op_word *word;
	struct cache_work *work; /* ACT; NULL: the value is not that long */
	struct wset_op op;
	uint32_t op_idx;
	bool known;   /* the word has the number that it made */
	bool follows; /* only if the one before it in the list is made */
	bool sure;    /* whatever version is there (cache_front.h, F5) */
	bool made;    /* it was done */
	bool razes;   /* it deletes all that is there, seen or not */
	struct hlc_moment at;
};

struct cache_acts {
	struct kvs_acts list; /* the kvs tile's, while it is there */
	struct cache_act own[KVS_ACT_MAX];
	struct writer_id writer;
	STAILQ_ENTRY(cache_acts) next; /* of the free ones */
};
STAILQ_HEAD(cache_acts_list, cache_acts);

struct cache_scan {
	bool busy;
	uint16_t proc;
	uint16_t limit;
	uint32_t inc;
	uint64_t call, b;
	uint32_t pending; /* parts under way */
	struct slice prefix;
	struct kvs_scan *part; /* one a kvs tile */
	uint8_t *part_mem;
	uint8_t req[CACHE_SCAN_REQ_BYTES_MAX];
};

/* A value that is pinned in the store for those who look at it. */
struct cache_loan {
	uint64_t lent;         /* the kvs tile's name for it */
	uint32_t kvs, use_cnt; /* 0: free */
};

struct cache_proc {
	uint32_t inc;      /* 0: not up; answers to it are dropped */
	uint32_t job_cnt;  /* write sets under way that outlive it */
	uint32_t page_cnt; /* pages not given back */
	bool inner;        /* a tile of this daemon: addresses from it can be trusted */
	bool system;       /* it may write under KEY_SYSTEM */
	uint64_t published, published_ns;
	bool owed;        /* that one's answer */
	uint64_t decided; /* b of the last set that was accepted or refused */
	bool down;        /* down_msg is to be answered when job_cnt is 0 and there is no late */
	struct desc down_msg;
	struct desc late; /* a set that it committed and this tile has not had; NONE */
};

struct cache_core {
	uint32_t magic;
	struct cache_core_cfg cfg;
	struct hlc clock;
	uint64_t wall_us; /* when the job that is run began its step */
	struct cache_store *store;
	uint32_t job_free_cnt, work_free_cnt, wait_free_cnt;
	uint32_t late_cnt; /* processes that have one */
	/* How many works and jobs will certainly give memory back, or finish, without getting more.
	 * While there are some, "no memory" is "not yet". */
	uint32_t moving_cnt;
	struct cache_no_room no_room[CACHE_NO_ROOM_ROWS][CACHE_NO_ROOM_WAYS]; /* by hash */
	struct cache_job *long_job; /* the one whose operation has a long value; NULL: none */
	struct cache_jobs jobs_free, jobs_run, jobs_grow;
	struct cache_works works_free, works_fill;
	struct cache_waits waits_free;
	struct cache_acts_list acts_free;
	struct cache_acts *acts_open[CACHE_KVS_MAX]; /* not sent; NULL: none */
	struct cache_work *table[CACHE_WORK_TABLE];
	struct cache_stats stats;
	struct cache_proc proc[PROC_CNT_MAX];
	struct cache_work work[CACHE_WORK_MAX];
	struct cache_wait wait[CACHE_WAIT_MAX];
	struct cache_job job[CACHE_JOB_MAX];
	struct cache_acts acts[CACHE_ACTS_MAX];
	struct cache_loan loan[CACHE_LOAN_MAX];
	struct cache_fronts fronts;
	struct asked asked; /* for keys that were not here */
	uint32_t touched[CACHE_TOUCHED_CNT];
	uint32_t page_credit; /* of reads, for pages of the index */
	struct cache_scan scan[CACHE_SCAN_MAX];
	struct kvs_scan *scan_parts;
	uint8_t *scan_mem;
	size_t scan_part_bytes;
	uint8_t page[CACHE_SCAN_PAGE_BYTES];
	uint8_t delta_mem[CACHE_SCRATCH];
	uint8_t merge_mem[CACHE_SCRATCH];
};

/* cache_touched counts what concerns a key, or one with which it shares the count: a work for it,
 * an operation that is done in the store, a word from the store. */
static inline uint32_t *
cache_touched(struct cache_core *c, uint64_t hash)
{
	return &c->touched[(hash >> 20) % CACHE_TOUCHED_CNT];
}

/* How a piece of work ended; or a negative error. */
enum cache_step {
	CACHE_STEP_DONE = 0,
	CACHE_STEP_AGAIN,   /* more to do, later */
	CACHE_STEP_WAITING, /* somebody will call it when it can go on */
};

/* ---- cache_core.c */

/* cache_core_answer sends an answer, unless the process that asked is gone. */
void cache_core_answer(struct cache_core *c, uint16_t proc, uint32_t inc, const struct desc *d);

/* cache_core_patient turns "no memory" into "not yet" while others are about to give some back, for
 * up to CACHE_ROOM_WAIT_NS, and while readers hold some, up to CACHE_MOMENT_NS; where p is_long up
 * to CACHE_LONG_WAIT_NS and CACHE_READER_WAIT_NS; where it is bare, while any key is at work. Any
 * other err, and 0, it returns as it is. */
int cache_core_patient(struct cache_core *c, int err, struct cache_patience *p);

/* cache_core_is_long tells whether a value is long beside the cache. */
bool cache_core_is_long(const struct cache_core *c, size_t bytes);

/* cache_core_alloc is cache_store_alloc with patience. */
int cache_core_alloc(struct cache_core *c, size_t bytes, struct cache_patience *p,
		     struct cache_block *ret);

/* cache_core_scratch finds room for a result of at most bytes: in scratch, CACHE_SCRATCH bytes, or
 * in a block if that is too small. Returns: as cache_core_alloc. */
int cache_core_scratch(struct cache_core *c, size_t bytes, struct cache_patience *p,
		       uint8_t *scratch, struct cache_block *b, struct wbuf *ret);

/* cache_core_to_kvs sends a message to a kvs tile, behind what is to be done there. */
void cache_core_to_kvs(struct cache_core *c, uint32_t kvs, const struct desc *d);

/* cache_core_moving keeps count: *moving is the flag of a work or a job. */
void cache_core_moving(struct cache_core *c, bool *moving, bool is);

/* cache_core_now is the moment of a new event. */
struct hlc_moment cache_core_now(struct cache_core *c);

struct cache_wait *cache_wait_take(struct cache_core *c);
void cache_wait_give(struct cache_core *c, struct cache_wait *w);

/* cache_core_down_check answers a PROC_DOWN when it is time. */
void cache_core_down_check(struct cache_core *c, uint16_t proc);

/* ---- cache_work.c */

/* cache_work_fetch_req does a FETCH. */
void cache_work_fetch_req(struct cache_core *c, uint16_t proc, const struct desc *d);

/* cache_work_get finds or begins work at a key: READY if it is resident, else on the way.
 * Returns: NULL when there are no more than spare free ones. */
struct cache_work *cache_work_get(struct cache_core *c, uint64_t hash, struct slice key,
				  uint32_t spare);

/* cache_work_find finds the work at a key; NULL: there is none. */
struct cache_work *cache_work_find(struct cache_core *c, uint64_t hash, struct slice key);

/* cache_kvs_of is the kvs tile that a key's requests go to: always the same one, as what this cache
 * has written must be in what it reads. */
uint32_t cache_kvs_of(const struct cache_core *c, uint64_t hash);

/* cache_work_fetch begins (again) to fetch a key that is not resident. */
void cache_work_fetch(struct cache_core *c, struct cache_work *w);

/* cache_work_unchain makes a key that was one job's anybody's: who waits goes on, in the order of
 * asking. */
void cache_work_unchain(struct cache_core *c, struct cache_work *w);

/* cache_work_settle ends work at a key, if there is nothing left to do. */
void cache_work_settle(struct cache_core *c, struct cache_work *w);

/* cache_work_act begins work at a key that is not here, with an act that has a long value: whoever
 * needs the key waits. cache_work_acted: it is done. Returns: NULL when there are too few. */
struct cache_work *cache_work_act(struct cache_core *c, uint64_t hash, struct slice key);
void cache_work_acted(struct cache_core *c, struct cache_work *w);

/* cache_work_no_room notes that there was no memory for a key, or to change it;
 * cache_work_had_no_room tells whether that was a moment ago. */
void cache_work_no_room(struct cache_core *c, const struct cache_work *w);
bool cache_work_had_no_room(const struct cache_core *c, uint64_t hash);

void cache_work_got(struct cache_core *c, const struct desc *d);

/* cache_work_fill goes on with a work that is in FILL. Returns: as cache_step, never an error. */
int cache_work_fill(struct cache_core *c, struct cache_work *w);

static inline struct slice
cache_work_key(const struct cache_work *w)
{
	return slice_of(w->key, w->key_len);
}

/* Whether its copy goes as soon as all of it is merged in the store: nothing begins at it. */
static inline bool
cache_work_leaves(const struct cache_work *w)
{
	return w->hushed || w->crowded;
}

/* ---- cache_merge.c */

/* An entry, and what it shows the value of. */
struct cache_place {
	uint32_t entry;
	uint64_t hash;
	struct slice key;
};

/* cache_merge merges a flat delta, from outside of the entries, into what an entry shows. own: the
 * block at whose beginning the delta lies, with room for the key; NULL, or no block: it is
 * elsewhere.
 *
 * Ensures:   of own nothing is left, if it is what is shown now.
 * Returns:   enum lattice_side, of the entry and the delta; what lattice_merge, cache_store_alloc
 *            (with these tries) say, and nothing changed.
 */
int cache_merge(struct cache_core *c, const struct cache_place *at, struct slice delta,
		struct cache_block *own, struct hlc_time day, uint32_t *tries);

/* ---- cache_grow.c */

/* cache_grow_begin begins to make a tree, with e around it. clear: of what from shows nothing will
 * be shown. Requires: e's sections stay where they are until the end. Returns: 0, or an error. */
int cache_grow_begin(struct cache_core *c, struct cache_grow *g, const struct envelope *e,
		     bool clear);

/* cache_grow_step goes on, by CACHE_COPY_STEP bytes of `from`, which is the same tree at each step.
 *
 * Returns:   0: *ret has it, *ret_len is how long root and sections are, g is closed;
 *            MB_ERR_TRYAGAIN: it is to be gone on with; an error.
 */
int cache_grow_step(struct cache_core *c, struct cache_grow *g, struct slice from, size_t key_len,
		    struct cache_patience *p, struct cache_block *ret, size_t *ret_len);

/* cache_grow_end gives up what was begun, if anything was. */
void cache_grow_end(struct cache_core *c, struct cache_grow *g);

/* cache_grow_tombstone appends the tombstone that razes what is stored, and what others add to it
 * unseen. */
int cache_grow_tombstone(struct slice stored, struct hlc_time now, struct writer_id writer,
			 struct wbuf *out);

/* cache_grow_raze has an entry show a tombstone in a new epoch: the delete of a collection where
 * there is no memory to delete what was seen and nothing else.
 * Returns: 0; as cache_merge. */
int cache_grow_raze(struct cache_core *c, const struct cache_place *at, struct hlc_moment when);

/* cache_grow_clear goes on deleting the large collection of a job's key, or begins. What others add
 * meanwhile waits, or it would have to be begun anew: so it does what its last step says, at once.
 * Returns: as cache_grow_step. */
int cache_grow_clear(struct cache_core *c, struct cache_job *job, struct slice stored,
		     struct hlc_moment when);

/* ---- cache_flush.c */

/* cache_flush_add takes note of a delta that was merged into the entry of w. whole: the entry's
 * envelope is itself the delta. b: NULL, or the block that the delta begins, if one has it, which
 * is taken over where that saves a copy.
 *
 * cache_flush_add_leaf: the delta is in a leaf of the tree that the entry shows. */
void cache_flush_add(struct cache_core *c, struct cache_work *w, struct slice delta,
		     struct cache_block *b, bool whole);
void cache_flush_add_leaf(struct cache_core *c, struct cache_work *w, struct slice delta);

/* cache_flush_ack makes job wait until the store has everything that was added. Requires: a free
 * wait. Returns: false when it has already. */
bool cache_flush_ack(struct cache_core *c, struct cache_work *w, struct cache_job *job);

/* cache_flush_go sends what is pending, if nothing is under way. */
void cache_flush_go(struct cache_core *c, struct cache_work *w);

void cache_flush_merged(struct cache_core *c, const struct desc *d);

/* cache_flush_leave gives up the copy of a key that is hushed or crowded, when all of it is merged
 * in the store; whoever waits for the key has it fetched again. */
void cache_flush_leave(struct cache_core *c, struct cache_work *w);

/* ---- cache_job.c */

void cache_job_start(struct cache_core *c, uint16_t proc, const struct desc *d);

/* cache_job_run goes on with a job. Returns: CACHE_STEP_AGAIN when it is to be run again. */
int cache_job_run(struct cache_core *c, struct cache_job *job);

/* cache_job_wake: the work it waits for is READY, or came to nothing (err). */
void cache_job_wake(struct cache_core *c, struct cache_job *job, int err);

/* cache_job_pass has the operation at hand done in the store, and with it those that nobody's may
 * come between; what is not to be done is over, too. Requires: as cache_act_add, of a job that has
 * no work. Returns: false: not now. */
bool cache_job_pass(struct cache_core *c, struct cache_job *job);

/* cache_job_acted: an operation of it came back from the store. */
void cache_job_acted(struct cache_core *c, struct cache_job *job, uint32_t op, int err);

/* cache_job_ack: an operation is merged at the store, or was refused there. */
void cache_job_ack(struct cache_core *c, struct cache_job *job, uint32_t op, int err);

/* cache_job_drop_copying ends the jobs of a process that were not accepted. */
void cache_job_drop_copying(struct cache_core *c, uint16_t proc);

/* ---- cache_set.c */

/* cache_set_bring brings the set of a job here and checks it. One of our own program is read where
 * it is: who sent it has checked it, and leaves it as it is until it is answered. Returns: as
 * cache_step, or an error. */
int cache_set_bring(struct cache_core *c, struct cache_job *job);

/* ---- cache_value.c */

/* cache_value_view finds the value that an operation of a job refers to. Returns: 0, or an error:
 * there is none. */
int cache_value_view(struct cache_core *c, const struct cache_job *job,
		     const struct payload_ref *ref, const uint8_t **ret);

/* cache_value_piece copies the next piece of what is at ref to mem. Returns: as cache_step, or an
 * error. */
int cache_value_piece(struct cache_core *c, const struct cache_job *job,
		      const struct payload_ref *ref, uint8_t *mem, uint32_t *copied);

/* cache_value_begin: of operations with long values (cache_core_is_long) one is done at a time:
 * each takes what its key has, and its value, before it gives anything back, and of several none
 * might get both. Returns: whether it is the one at hand; else it waits. */
bool cache_value_begin(struct cache_core *c, struct cache_job *job);
void cache_value_end(struct cache_core *c, const struct cache_job *job);

/* cache_value_bring copies a value that came by reference to where its delta will have it. Returns:
 * as cache_step, or an error. */
int cache_value_bring(struct cache_core *c, struct cache_job *job);
void cache_value_free(struct cache_core *c, struct cache_job *job);

/* cache_value_head is what stands in the block of a value before its delta: of a collection's item
 * that is too long for one step, the head of the leaf that both become. */
size_t cache_value_head(const struct wset_op *op);

/* ---- cache_act.c */

void cache_acts_init(struct cache_core *c);

/* cache_act_may tells whether an operation may be done in the store, if its key is not here, and
 * with it those of the key that nobody's may come between. rest: what follows it in the set.
 * no_room: the key was asked for, and there is no memory for it. */
bool cache_act_may(const struct cache_job *job, const struct wset_op *op, uint32_t op_idx,
		   struct slice rest, bool no_room);

/* cache_act_room finds room for so many that are to stand in one list, for a key's kvs tile.
 * Returns: false: there is none now. */
bool cache_act_room(struct cache_core *c, uint64_t hash, uint32_t cnt);

/* cache_act_add has the operation at hand done in the store; follows: if the one that was added
 * before it is; sure: whatever version is there. Requires: cache_act_may, cache_act_room; the key
 * has neither an entry nor a work. Returns: false when there is no work for a long value. */
bool cache_act_add(struct cache_core *c, struct cache_job *job, bool follows, bool sure);

/* cache_act_send sends what is gathered for a kvs tile; cache_act_send_all for all of them, and
 * says whether there was any. */
void cache_act_send(struct cache_core *c, uint32_t kvs);
bool cache_act_send_all(struct cache_core *c);

void cache_act_acted(struct cache_core *c, const struct desc *d);

/* cache_act_open finds the next free place in the list that goes to the kvs tile of a key; NULL:
 * there is no room. *ret_act is what the kvs tile sees of it. Requires: as cache_act_add.
 * cache_act_put: it is filled. */
struct cache_act *cache_act_open(struct cache_core *c, uint64_t hash, struct kvs_act **ret_act);
void cache_act_put(struct cache_core *c, uint64_t hash);

/* ---- cache_crowd.c */

/* cache_crowd_may tells whether an operation for which there was no memory may be done in the store
 * when the copy of its key has gone, or begun anew by who asks for it. */
bool cache_crowd_may(const struct cache_job *job);

/* cache_crowd_wait has that copy go. Returns: CACHE_STEP_WAITING. */
int cache_crowd_wait(struct cache_core *c, struct cache_job *job);

/* cache_crowd_left: it has gone. */
void cache_crowd_left(struct cache_core *c, struct cache_work *w);

/* ---- cache_lend.c */

/* cache_lend answers those who wait for a key for which there is no room, and may look at it where
 * it is lent. cache_lend_all tells whether these are all who wait. */
void cache_lend(struct cache_core *c, struct cache_work *w);
bool cache_lend_all(const struct cache_work *w);

/* cache_lend_over does a LOAN_OVER. */
void cache_lend_over(struct cache_core *c, const struct desc *d);

/* ---- cache_read.c */

void cache_read_start(struct cache_core *c, uint16_t proc, const struct desc *d);

/* cache_read_look takes a copy of what the store has, in the kvs tile's thread. */
void cache_read_look(struct cache_act *a, struct slice stored);

/* cache_read_over: the act of a read was done, or failed. */
void cache_read_over(struct cache_core *c, struct cache_act *a, int err);

/* ---- cache_tell.c */

/* cache_tell_hushed answers for a key that was hushed. */
void cache_tell_hushed(struct cache_core *c, struct cache_work *w, int err);

/* cache_tell does a TELL of a kvs tile, cache_tell_drop an ASK. */
void cache_tell(struct cache_core *c, uint32_t kvs, const struct desc *d);
void cache_tell_drop(struct cache_core *c, uint32_t kvs, const struct desc *d);

/* ---- cache_scan.c */

int cache_scan_create(struct cache_core *c);
void cache_scan_destroy(struct cache_core *c);
void cache_scan_start(struct cache_core *c, uint16_t proc, const struct desc *d);
void cache_scan_part(struct cache_core *c, const struct desc *d);

#endif
