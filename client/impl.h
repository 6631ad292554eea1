/* SPDX-License-Identifier: Apache-2.0 */
/* impl - what a client is inside
 *
 *	client.c   entering, pumping messages, administration
 *	calls.c    calls: choosing an executor, sending, answers, deaths, deadlines
 *	target.c   what a name means: a function or a DAG, and who has it
 *	follow.c   what is seen of calls that are followed
 *	request.c  calls with a request id
 *	replies.c  handing answers out
 *	dagcall.c  arguments of DAG calls
 *	list.c     lists of values as bytes
 *	ask.c      questions to tiles of the node
 *	state.c    reading and writing the store
 *	many.c     many keys at once
 *	collection.c  sets, maps, lists, sorted sets
 *	sibling.c  values that merge as they are, values beside each other
 *	message.c  messages to running calls
 *	remote*.c  all of it for a node that is elsewhere
 *
 * Calls. A slot is a call from its start until its answer has been handed out; ids name slots
 * (sequence number modulo MB_CALLS_MAX), so an answer finds its slot without a search.
 *
 *   FREE ──start──► SENT ──REPLY, or an error decided here──► DONE ──poll──► FREE
 *                    └──deadline──► DONE (answered) and LATE: its id and its arguments stay until
 *                                   the executor has answered too, or is dead
 *
 * C1  A call that started is answered once: the move to DONE happens once, and only DONE is polled.
 * C2  Arguments of a sent call stay until nobody can read them: reply or death.
 * C3  A call is sent again only if what it was sent to is dead and the cache accepted nothing of
 *     it.
 */
#ifndef MB_CLIENT_IMPL_H
#define MB_CLIENT_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "cache_view.h"
#include "call.h"
#include "compiler.h"
#include "direct.h"
#include "domain.h"
#include "oset.h"
#include "placement.h"
#include "rng.h"
#include "slice.h"
#include "view.h"
#include "wset.h"
#include <microburst/client.h>

#define CLIENT_MAGIC UINT32_C(0x4d42434c)
#define NAME_CACHE   16 /* names looked up last; a power of two */
#define REPLY_VALUES 8  /* values of an answer without an allocation */

#define CLIENT_ASK_MAX 1024 /* questions to tiles that are open; a power of two */
#define CLIENT_MANY    128  /* keys of mb_client_get_many that are asked for at once */
#define CLIENT_PENDING 1    /* not done: a question is open */

/* The slot that a call id names. */
#define SLOT(id) ((uint32_t)((id) & (MB_CALLS_MAX - 1)))

enum call_state { CALL_FREE = 0, CALL_SENT, CALL_DONE };

/* The answer of a slot, and the memory behind a mb_reply. */
struct client_reply {
	struct desc d; /* the REPLY, or what stands for it */
	const uint8_t
		*p;    /* its payload, seen as soon as it came: its producer may die before it is */
	size_t len;    /* handed out, and stays mapped for as long as it is viewed */
	int err;       /* it could not be seen */
	bool view;     /* d.ref is held */
	uint8_t *own;  /* malloc'ed, what p lies in; NULL: nothing */
	uint64_t name; /* what a node that is elsewhere calls the call; 0: not known */
	struct mb_value *values; /* inl, or malloc'ed */
	struct mb_value inl[REPLY_VALUES];
	char *text; /* malloc'ed, zero-terminated; or NULL: text_inl */
	char text_inl[DESC_INLINE_BYTES + 1];
	uint32_t next; /* free list, + 1 */
};

struct client_call {
	uint64_t id;
	uint8_t state;
	uint8_t resent;
	bool late; /* answered already; waits for the executor's word */
	bool cancelled;
	bool taken;    /* its executor had taken it from the channel when it died */
	uint16_t exec; /* where it was sent directly; 0: through sched */
	uint64_t chan_seq;
	uint64_t deadline_ns;
	uint64_t began_ns;  /* of one that is followed (CALL_F_TRACED) */
	uint64_t cancel_ns; /* cancelled: when that is said again; 0: never */
	uint32_t work_ns;   /* how long it is thought to run where it went directly */
	struct desc d;      /* as sent */
};

struct client_name {
	char name[NAME_BYTES_MAX];
	uint64_t gen;
	uint16_t id; /* 0: unused */
	bool dag;
	bool splits;       /* a DAG in which functions could run at the same time */
	uint64_t limit_ns; /* of a function: how long a call may take; 0: any time */
	uint32_t split_ns; /* of such a DAG: one that runs so long goes through sched */
	struct placement_where where;
};

struct remote;
struct client_ask;

struct mb_client {
	uint32_t magic;
	struct domain *d;
	const struct placement *placement;
	struct cache_view view;
	struct rng rng;
	struct direct direct;
	uint64_t seq;
	uint32_t call_cnt; /* SENT and DONE */
	uint32_t late_cnt;
	uint32_t held_cnt;         /* answers that were handed out and not freed */
	uint64_t next_deadline_ns; /* 0: none */
	uint64_t looked_ns;        /* when ctl was last asked to look after executors */
	uint32_t follow_cnt;
	_Atomic uint64_t *live; /* in our region (region.h); NULL: remote */
	struct client_name name[NAME_CACHE];
	struct client_name *name_last; /* of them; NULL */
	struct client_call call[MB_CALLS_MAX];
	/* answers not handed out yet, oldest first: slot numbers */
	uint16_t done[MB_CALLS_MAX];
	uint32_t done_head, done_tail;
	struct client_reply *reply;      /* MB_CALLS_MAX */
	uint32_t reply_free;             /* + 1 */
	uint32_t reply_of[MB_CALLS_MAX]; /* slot -> its answer, + 1 */
	uint64_t ask_seq;
	uint32_t ask_cnt; /* not answered */
	struct client_ask *ask[CLIENT_ASK_MAX];
	uint8_t ack;           /* enum mb_ack, of own writes */
	int dead;              /* MB_ERR_NO_NODE once the node is gone */
	struct remote *remote; /* NULL: in the node's shared memory; else d is NULL */
};

/* client.c: client_pump handles one message, waiting until until_ns (0: for ever; 1: not at all).
 * Returns: 1 when one was handled; 0 at the time; MB_ERR_NO_NODE. */
int client_pump(struct mb_client *c, uint64_t until_ns);

/* list.c. client_list_bytes measures the list that values make; client_list_write writes it.
 * Returns: its bytes; MB_ERR_TOO_LARGE, MB_ERR_INVALID. */
int64_t client_list_bytes(const struct mb_value *arg, size_t cnt);
int64_t client_list_write(uint8_t *p, size_t bytes, const struct mb_value *arg, size_t cnt);

/* target.c */
int client_target(struct mb_client *c, const char *name, bool dag, const struct client_name **ret);
/* client_options_check: MB_ERR_NOT_SUPPORTED for a level that is not there (yet);
 * MB_ERR_INVALID. */
int client_options_check(const struct mb_call_options *opt);

/* replies.c */
int client_wait_one(struct mb_client *c, uint64_t call, struct mb_reply *reply);

/* calls.c. client_slot takes a slot for a call, with its id and deadline. NULL: there is none.
 * client_sent: it is on its way. */
struct client_call *client_slot(struct mb_client *c, const struct mb_call_options *opt);
void client_sent(struct mb_client *c, struct client_call *call);
/* client_on_answer ends a remote call; own, malloc'ed, is where payload lies and is taken. */
void client_on_answer(struct mb_client *c, struct client_call *call, int err, uint16_t executor,
		      uint32_t run_ns, uint64_t name, struct slice payload, uint8_t *own);
/* client_start sends a call whose payload is in *d already (a's target, sub, payload). */
int client_start(struct mb_client *c, const struct client_name *target, struct desc *d,
		 const struct mb_call_options *opt, uint64_t *ret_call);
void client_on_reply(struct mb_client *c, struct channel *ch, const struct desc *d);
void client_on_closed(struct mb_client *c, struct channel *ch, int err);
void client_on_dead(struct mb_client *c, const struct desc *d);
/* client_on_cancel: somebody had the node end this call; it is not to be repeated. */
void client_on_cancel(struct mb_client *c, uint64_t id);
void client_on_node_gone(struct mb_client *c);
void client_deadlines(struct mb_client *c, uint64_t now_ns);

/* request.c: client_request puts a request id into a call, which is this client's from then on if
 * it was not inline. Returns: as client_outline. */
int client_request(struct mb_client *c, struct desc *d, uint64_t id);

/* follow.c: client_follow stamps a call as one that is followed, client_follow_sent when it goes,
 * client_follow_end writes down what came of it; before client_settle. client_outline makes word[4]
 * free. Returns: 0; as payload_alloc. */
int client_outline(struct mb_client *c, struct desc *d);
int client_follow(struct mb_client *c, struct client_call *call, struct desc *d, bool asked);
void client_follow_sent(struct client_call *call);
void client_follow_end(struct mb_client *c, const struct client_call *call,
		       const struct desc *reply);

/* live says in our region that a call lives, or that it has ended. */
static inline void
client_live(struct mb_client *c, uint64_t call, bool lives)
{
	if (likely(c->live != NULL)) {
		atomic_store_explicit(&c->live[SLOT(call)], lives ? call : 0, memory_order_relaxed);
	}
}

/* state.c: what mb_client_get and its like hand out. */
struct client_held {
	struct cache_value v;
	char text[VIEW_TEXT_MAX];
};

/* client_key makes a key of what the caller gave. Returns: 0; MB_ERR_INVALID, MB_ERR_TOO_LARGE. */
int client_key(const char *key, size_t len, struct slice *ret);

/* ask.c. What is asked of a tile is answered later. Everything that asks comes in one form, for
 * those who wait for it here and for those who cannot (raw.h):
 *
 *	int client_xxx_try(c, ...)
 *
 * goes on from where it stopped. Returns: CLIENT_PENDING, its question is open, try again when that
 * is answered; MB_ERR_FULL, try again later; else what became of it. All that it was given must
 * be the same each time. A client_ask that is open must not move. */
struct client_ask {
	bool open, done; /* asked; answered, and not looked at yet */
	uint8_t step;
	uint16_t tries;
	int err;
	uint32_t handle[2]; /* payloads of ours that stay until then; 0: none */
	struct desc answer;
	void (*woken)(struct client_ask *ask); /* NULL: nobody */
};

/* client_ask_start has a tile answer one question, whose b is filled in here. Takes the payloads
 * that d and ask->handle[1] name, whatever it returns. Returns: CLIENT_PENDING; MB_ERR_FULL;
 * MB_ERR_NO_NODE. */
int client_ask_start(struct mb_client *c, uint32_t port, struct desc *d, struct client_ask *ask);
/* client_ask_end gives the answer's error, after which ask is as new but for its answer. */
int client_ask_end(struct client_ask *ask);
/* client_ask_answered takes an answer; client_ask_none ends all questions: the node is gone. */
void client_ask_answered(struct mb_client *c, const struct desc *d);
void client_ask_none(struct mb_client *c, int err);
/* client_ask_wait waits for an answer, if err says that one is to come. Returns: whether to try
 * again. */
bool client_ask_wait(struct mb_client *c, int err, const struct client_ask *ask);

/* state.c. client_look finds a value in the cache, having it fetched if need be. A client of a node
 * that is elsewhere brings it here: client_look_item only the item of it that op->field names. It
 * is of this type.
 * MB_ERR_NOT_FOUND: there is none, and nothing is held; MB_ERR_TYPE (client_look_item).
 * client_look_end lets go of it. */
int client_look_try(struct mb_client *c, struct slice key, struct cache_value *v,
		    struct client_ask *ask);
/* client_look_now does not ask anybody: CLIENT_PENDING, the value would have to be fetched. */
int client_look_now(struct mb_client *c, struct slice key, struct cache_value *v);
int client_look(struct mb_client *c, struct slice key, struct cache_value *v);
int client_look_item(struct mb_client *c, unsigned int type, const struct wset_op *op,
		     struct cache_value *v);
void client_look_end(struct mb_client *c, struct cache_value *v);

/* A write: one operation, or several of one cache tile in a set (wset.h), none by reference; then
 * op is the first of them. op.ref: an own payload in which a long value lies already, or all 0. */
struct client_write {
	struct wset_op op;
	struct slice set;
	uint8_t ack; /* enum mb_ack */
	bool told;   /* n is wanted: the number or the score that op made (a double's bits); of
		      * SADD and SREM how many members that changed */
	int64_t n;
	uint8_t step;
	size_t before; /* members of the set before it, and of those that it names */
	size_t named;
	struct client_ask ask;
};
int client_write_try(struct mb_client *c, struct client_write *w);
int client_publish_try(struct mb_client *c, const struct wset_op *op, struct slice set, uint8_t ack,
		       struct client_ask *ask);
/* client_write does a write and waits for it. client_publish: of one operation. */
int client_write(struct mb_client *c, struct client_write *w);
int client_publish(struct mb_client *c, const struct wset_op *op);

/* collection.c. Taking an item away: of a list (op LIST_DEL) the one at its left or right end, of a
 * sorted set (ZREM) the lowest or highest member. op has the key. Then v is held, where e lies. */
struct client_take {
	struct wset_op op;
	bool end; /* right, highest: by op */
	uint8_t ack;
	uint8_t step;
	uint16_t tries;
	struct oset_entry e;
	struct cache_value v;
	struct client_ask ask;
};
int client_take_try(struct mb_client *c, struct client_take *t);

/* state.c. Listing keys with a prefix: fn is called for each, until it returns false. */
struct client_scan {
	struct slice prefix;
	size_t after_len;
	uint8_t after[KEY_BYTES_MAX];
	struct client_ask ask;
};
int client_scan_try(struct mb_client *c, struct client_scan *s, mb_key_fn fn, void *ctx);

/* message.c */
int client_send_try(struct mb_client *c, uint64_t call, struct slice bytes, struct client_ask *ask);

#endif
