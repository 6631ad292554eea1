/* SPDX-License-Identifier: Apache-2.0 */
/* oracle - what is known of every operation, and what must therefore be true
 *
 * It is told by clients what they asked for and what they were answered, by executors when a call
 * begins
 * to run, and by cache tiles which call's writes they accepted. It shares no code with what it
 * judges.
 *
 *   O1  Every call is answered once, by what its function may answer, unless its client died.
 *   O2  No call begins to run after it was answered.
 *   O3  A call's writes are accepted at most once by a tile; if the answer says that they
 *   happened, at
 *       least once; if it says that they did not, never, not before nor after.
 *   O4  A counter shows at least what was acknowledged and at most what may have been added.
 *   O5  A set has every member that was acknowledged, and none that nobody added.
 *   O6  A register shows one value that was put under that key, whole.
 *   O7  When quiet, the cache shows exactly what the store has.
 *   O8  When quiet, all owners of a key have the same, and remember nothing that was removed.
 *   O9  Of a key that it does not write, a call at the level rr reads one version.
 *   O10 A call sees at once what it wrote itself, at every level.
 *   O11 to O13 are about bags: bag.h.
 *
 * O4 to O6 are asked at every read of a call at lww or of a client, and of the store at the end. O9
 * is judged at the end, from what all calls read; at lww, that a key changed between two reads of a
 * call is counted.
 */
#ifndef MB_SIM_ORACLE_H
#define MB_SIM_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

#define CALL_OP_MAX     6
#define ORACLE_KEY_MAX  48
#define ORACLE_KEY_TEXT 40
#define SIM_TOKEN_NONE  UINT32_MAX

struct sim;

/* The kinds of keys, each of which has its own judge. */
enum key_kind {
	KEY_COUNTER = 0, /* INCR only */
	KEY_SET,         /* SADD only */
	KEY_REGISTER,    /* PUT only */
	KEY_FIELD,       /* a counter, one of the two fields of a map: HINCR and HDEL */
	KEY_LOOSE,       /* bags (bag.h). A set: SADD and SREM; */
	KEY_LIST,        /* pushes and pops; */
	KEY_ZSET,        /* ZADD, ZREM and pops; */
	KEY_SIBLING,     /* values beside each other */
	KEY_WILD,        /* anything: only O7, and that it answers */
	KEY_KIND_CNT     /* how many */
};

enum op_kind {
	OP_READ = 0,
	OP_WRITE,  /* what the key's kind has */
	OP_DELETE, /* KEY_FIELD and KEY_WILD only; KEY_WILD only are the next two */
	OP_INCR,
	OP_SADD,
	OP_TAKE, /* bags only: item n; */
	OP_POP,  /* whatever is at an end */
};

struct op {
	uint8_t kind;     /* enum op_kind */
	uint8_t key_kind; /* enum key_kind */
	uint8_t key;
	uint32_t n; /* counter: how much; set, register: which member or value, never used twice */
	uint32_t len;           /* register: bytes of the value */
	uint64_t taken;         /* deleting a field: of what was acknowledged before it began */
	uint32_t deletes_begun; /* before a write of a field began */
	/* bags */
	bool left;      /* which end; of a sorted set, the lowest score */
	bool sees;      /* what it takes is there for sure */
	uint32_t takes; /* the last one of its takes, + 1; 0: none */
	uint64_t begun; /* a moment */
};

enum behaviour {
	CALL_RETURNS = 0,
	CALL_FAILS, /* returns an error after its operations */
	CALL_NEVER_ENDS,
	CALL_ABORTS, /* kills its executor */
};

enum call_fate {
	FATE_OPEN = 0, /* started, not answered */
	FATE_REFUSED,  /* it could not be started */
	FATE_ANSWERED,
	FATE_ORPHAN, /* its client died */
};

/* What became of an operation's effect, as far as clients know. */
enum effect {
	EFFECT_DONE = 0,
	EFFECT_NONE,
	EFFECT_MAYBE,
};

struct call {
	uint64_t id;
	uint16_t client; /* process index */
	uint16_t fn;     /* number of the function; SIM_FN_MAX: one that does not exist */
	uint8_t behaviour;
	uint8_t fate;
	uint8_t op_cnt;
	bool cold, cancelled, has_deadline, dag, rr;
	bool none; /* answered as without effect (O3) */
	uint16_t runs;
	uint8_t accepted[2]; /* by cache tile */
	uint8_t messages;    /* that its client sends it while it runs */
	uint8_t acked;       /* of them; what comes after one that was refused is not sent */
	bool cut;            /* no more come */
	uint32_t arg_len, result_len;
	struct op op[CALL_OP_MAX];
};

struct oracle_key {
	uint64_t acked, possible; /* counter: sums. set: how many members */
	uint64_t merged;          /* field: what was acknowledged and no delete has begun since */
	uint32_t deletes; /* field: under way, or nobody knows; they take what overlaps them */
	uint32_t deletes_begun;
	uint32_t pops; /* bag: not answered */
};

struct oracle_stats {
	uint64_t calls, state_ops, ok, failed, refused, orphans;
	uint64_t died_none, died_some; /* EXECUTOR_DIED, by what it said of the writes */
	uint64_t deadlines, cancelled, busy;
	uint64_t retries; /* second runs */
	uint64_t reads;
	uint64_t again[2], changed[2]; /* reads of a key once more in a call: at lww, at rr */
	uint64_t own;                  /* reads of what the call had written */
	uint64_t messages;             /* received */
	uint64_t checks;               /* invariants looked at */
};

/* What one n of a set, register or bag means. */
struct oracle_write {
	uint8_t key_kind, key, effect;
	uint32_t len;
	/* bags */
	bool pushed_left, taken, popped;
	uint32_t takers; /* that are not answered, or nobody knows how they ended */
	uint32_t look;   /* the last one that showed it */
	uint64_t begun, acked, gone;
};

/* That an operation takes item n; next: another take of it, + 1. */
struct oracle_take {
	uint32_t n, next;
};

/* A look at a bag. */
struct oracle_bag {
	enum key_kind kind;
	uint32_t key;
	bool now;
	uint32_t look; /* its number */
};

/* What a call read. */
struct oracle_look {
	uint32_t token;
	uint16_t run;
	uint8_t key_kind, key;
	uint64_t value; /* a hash; 0: absent */
};

struct oracle {
	struct sim *sim;
	struct call *call; /* token = index */
	uint32_t call_cnt, call_cap;
	struct oracle_write *write; /* n = index + 1 */
	uint32_t write_cnt, write_cap;
	struct oracle_look *look;
	uint32_t look_cnt, look_cap;
	struct oracle_take *take;
	uint32_t take_cnt, take_cap;
	struct oracle_bag bag;
	uint32_t *shown; /* items of it, in their order */
	uint32_t shown_cnt, shown_cap;
	uint64_t moment; /* counts what begins and ends in bags */
	uint32_t open_cnt;
	struct oracle_key key[KEY_KIND_CNT][ORACLE_KEY_MAX];
	struct oracle_stats stats;
};

/* For parts of the oracle: oracle_expect is a look at an invariant, oracle_grow makes room for one
 * more element. */
void oracle_expect(struct oracle *o, bool ok, const char *what, uint64_t a, uint64_t b);
void *oracle_grow(void *p, uint32_t cnt, uint32_t *cap, size_t bytes);

void oracle_init(struct oracle *o, struct sim *s);
void oracle_fini(struct oracle *o);

/* oracle_call_new makes a call; its operations are filled in by the caller, and then told with
 * oracle_call_start. Returns its token. */
uint32_t oracle_call_new(struct oracle *o);
void oracle_call_start(struct oracle *o, uint32_t token);
void oracle_call_refused(struct oracle *o, uint32_t token, int err);
/* oracle_call_answered: result_token is what the answer's first value said. */
void oracle_call_answered(struct oracle *o, uint32_t token, int err, const char *text,
			  uint32_t result_token);
void oracle_client_died(struct oracle *o, uint16_t client);

void oracle_call_runs(struct oracle *o, uint32_t token, uint64_t id);
/* oracle_call_passes: another function of its DAG runs. */
void oracle_call_passes(struct oracle *o, uint32_t token);
/* oracle_accepted: cache tile `tile` accepted the writes of call id. */
void oracle_accepted(struct oracle *o, uint64_t id, uint32_t tile);

/* oracle_op_new: a fresh n for a set, a bag or a register; len: of a register's value. */
uint32_t oracle_op_new(struct oracle *o, enum key_kind kind, uint32_t key, uint32_t len);
/* oracle_op_start, oracle_op_end: a write that is not part of a call. */
void oracle_op_start(struct oracle *o, struct op *op);
void oracle_op_end(struct oracle *o, const struct op *op, enum effect e);

/* Reads: what was seen under a key. absent: nothing. oracle_read_counter: also of a field. */
void oracle_read_counter(struct oracle *o, enum key_kind kind, uint32_t key, bool absent,
			 int64_t value);
void oracle_read_register(struct oracle *o, uint32_t key, bool absent, struct slice value);
/* oracle_read_member: one member of a set; oracle_read_set: how many there were in all. */
void oracle_read_member(struct oracle *o, uint32_t key, struct slice member);
void oracle_read_set(struct oracle *o, uint32_t key, uint32_t cnt);
/* oracle_members calls fn for every member that must be in a set. */
void oracle_members(struct oracle *o, uint32_t key, void (*fn)(void *ctx, uint32_t n), void *ctx);

/* oracle_long tells whether the set, or bag, of an operation may be longer than a cache: then it is
 * refused, TOO_LARGE. */
bool oracle_long(const struct oracle *o, const struct op *op);

/* oracle_look: what a call reads under a key that it does not write. run: which of its runs. */
void oracle_look(struct oracle *o, uint32_t token, uint16_t run, const struct op *op, bool absent,
		 struct slice value);

/* oracle_wrote tells whether a call writes under the key of its operation idx before that one.
 * oracle_own_number, oracle_own_value, oracle_own_member: what it reads there then; of a set,
 * whether a member is in it that it has added. */
bool oracle_wrote(const struct call *c, uint32_t idx);
void oracle_own_number(struct oracle *o, const struct call *c, uint32_t idx, bool absent,
		       int64_t value);
void oracle_own_value(struct oracle *o, const struct call *c, uint32_t idx, struct slice value);
void oracle_own_member(struct oracle *o, const struct op *added, bool in);

/* oracle_same_key tells whether two operations are about one key. */
static inline bool
oracle_same_key(const struct op *a, const struct op *b)
{
	return a->key_kind == b->key_kind && a->key == b->key;
}

/* oracle_end: nobody will say anything more. */
void oracle_end(struct oracle *o);

/* A register's value of number n: its number, and then bytes that follow from it. A set's member:
 * its number, and of some of them so many bytes more that it is in no write set, or too long for a
 * step, or for a node of a tree. */
#define ORACLE_MEMBER_MAX 16384
void oracle_value_fill(uint32_t n, uint8_t *p, uint32_t len);
bool oracle_value_ok(uint32_t n, const uint8_t *p, uint32_t len);
int64_t oracle_number(struct slice text);
size_t oracle_member_text(uint32_t n, char *ret, size_t bytes);
uint32_t oracle_member_number(struct slice member);
/* Two neighbouring keys of KEY_FIELD are fields of one map. */
const char *oracle_field_text(uint32_t key);
size_t oracle_key_text(enum key_kind kind, uint32_t key, char *ret, size_t bytes);

#endif
