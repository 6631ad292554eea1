/* SPDX-License-Identifier: Apache-2.0 */
/* gate_beside - what a gate keeps beside its connections: who listens to what, users, and what it
 * remembers of commands */
#ifndef MB_GATE_BESIDE_H
#define MB_GATE_BESIDE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "gate_acl.h"
#include "gate_crowd.h"
#include "slice.h"
#include "topo_limits.h"

#define GATE_ADDRESS_MAX     96
#define GATE_CLIENT_BYTES    768  /* a line of CLIENT LIST */
#define GATE_SLOW_CNT        128  /* slow commands that are remembered at most */
#define GATE_LATENCY_CNT     24u  /* powers of two of microseconds; the last one is all above */
#define GATE_ERROR_CNT       32   /* kinds of errors that are counted */
#define GATE_CHAIN_CNT       1024 /* of the table of what is listened to */
#define GATE_USER_MAX        128
#define GATE_REFUSAL_CNT     64   /* for ACL LOG */
#define GATE_NAME_MAX        128  /* of a client */
#define GATE_TRACK_CHAIN_CNT 4096 /* of the table of keys that clients keep */

struct gate;
struct gate_conn;
struct gate_command;

/* ---- who listens ---------------------------------------------------------------------------- */

enum gate_topic_kind { TOPIC_CHANNEL = 0, TOPIC_PATTERN, TOPIC_SHARD, GATE_TOPIC_KINDS };

struct gate_sub {
	struct gate_topic *topic;
	struct gate_conn *conn;
	LIST_ENTRY(gate_sub) next_of_topic, next_of_conn;
};
LIST_HEAD(gate_subs, gate_sub);

struct gate_topic {
	LIST_ENTRY(gate_topic) next, next_of_kind;
	struct gate_subs subs;
	uint64_t hash;
	uint32_t sub_cnt, len;
	enum gate_topic_kind kind;
	uint8_t name[];
};
LIST_HEAD(gate_topics, gate_topic);

LIST_HEAD(gate_monitors, gate_conn);

/* ---- who keeps what, gate_track.c */

enum gate_track_flag {
	TRACK_ON = 1,
	TRACK_OPTIN = 2,   /* only what is read behind CLIENT CACHING YES */
	TRACK_OPTOUT = 4,  /* not what is read behind CLIENT CACHING NO */
	TRACK_NOLOOP = 8,  /* nothing of its own writes */
	TRACK_BROKEN = 16, /* whom it was to be told through is gone */
};

LIST_HEAD(gate_notes, gate_note);
LIST_HEAD(gate_track_chain, gate_track);
TAILQ_HEAD(gate_tracks, gate_track);

struct gate_slow {
	uint64_t id, at_s, us;
	uint32_t len, word_cnt;
	char address[GATE_ADDRESS_MAX], name[GATE_NAME_MAX];
	uint8_t text[]; /* ( len u32 | bytes ) * */
};

struct gate_user {
	LIST_ENTRY(gate_user) next;
	struct acl_user acl;
};
LIST_HEAD(gate_users, gate_user);

/* Something that a user was not allowed. */
struct gate_refusal {
	const char *reason, *context;
	uint64_t id, cnt, first_us, last_us;
	char user[ACL_NAME_MAX], object[64], client[GATE_CLIENT_BYTES];
};

/* How often an error was answered, by its first word. */
struct gate_errors {
	char word[24];
	uint64_t cnt;
};

/* What is counted of a command, by its place in the table. */
struct gate_stat {
	uint64_t calls, failed, rejected, ns; /* rejected: before it was begun */
	uint64_t latency[GATE_LATENCY_CNT];   /* how many took up to 2^i microseconds */
};

/* What INFO tells since the last CONFIG RESETSTAT. */
struct gate_totals {
	uint64_t error_cnt, command_cnt, accept_cnt, refuse_cnt, evict_cnt, rx_bytes, tx_bytes;
	uint64_t look_cnt[2]; /* at keys, by commands that only read: not there, there */
	uint64_t expired_cnt; /* of the store, as it was last looked at; of home only */
};

/* All that a gate counts. */
struct gate_tally {
	struct gate_totals total; /* of a gate since its start; in a sum since RESETSTAT */
	struct gate_totals reset; /* what they were then */
	uint64_t fetch_cnt, op_cnt;
	/* Only in a sum: memory in use, and of it OpenSSL's; values that are sent or walked
	 * through; bytes that were lent, and pieces of them that the kernel copied. */
	size_t memory, tls_memory;
	uint64_t held_cnt, lent_bytes, copied_cnt;
	struct gate_errors error[GATE_ERROR_CNT];
	struct gate_stat stat[ACL_COMMAND_MAX];
};

/* ---- gate_block.c */

/* The place of a connection among those that wait for an item. */
struct gate_place {
	bool taken;   /* since its command waited first, until that is over */
	bool looking; /* it was woken, or waits for a key before it can look */
	bool other;   /* it saw something that is not for it */
	uint64_t seq; /* who waits longest has the least */
	TAILQ_ENTRY(gate_conn) next_blocked;
	struct gate_stood stood;
};

/* ---- gate_lend.c */

/* What a connection's kernel was lent. */
struct gate_lent {
	struct gate_chunk *first; /* of those that are sent, and not returned */
	uint32_t marks;           /* taken; bits */
	int queue_len;            /* of the socket, when it was last looked at */
};

/* gate_lend_due: whether the rest of a chunk is to be lent, rather than sent. */
bool gate_lend_due(const struct gate *g, const struct gate_conn *c, const struct gate_chunk *k);
/* gate_lend lends as much of it as goes in one send. Returns: as stream_lend. */
int gate_lend(struct gate *g, struct gate_conn *c, struct gate_chunk *k);
/* gate_lend_sent: all of a chunk is sent. It is freed, now or when it is returned. */
void gate_lend_sent(struct gate *g, struct gate_conn *c, struct gate_chunk *k);
void gate_lend_returned(struct gate *g, struct gate_conn *c, uint32_t mark);
/* gate_lend_moves: about how many bytes the peer has acknowledged since it was last asked. */
size_t gate_lend_moves(const struct gate *g, struct gate_conn *c);
/* gate_lend_drop frees all: the connection is closed, and the kernel has nothing of it. */
void gate_lend_drop(struct gate *g, struct gate_conn *c);

/* ---- other gates -------------------------------------------------------------------------- */

struct gate_ask;
LIST_HEAD(gate_leavings, gate_conn);
STAILQ_HEAD(gate_asks, gate_ask);

#define GATE_ITEM_CNT 16

/* What a gate knows of the others (gate_many.h). */
struct gate_many {
	struct gate_leavings leaving;
	struct gate_asks asks[GATE_TILE_CNT_MAX]; /* for that gate; in another than home: to do */
	uint32_t ask_open[GATE_TILE_CNT_MAX], move_open[GATE_TILE_CNT_MAX];
	uint32_t conn_cnt[GATE_TILE_CNT_MAX]; /* home's: connections of that gate */
	struct gate_ask *alone;               /* home's: holds the other gates; NULL */
	bool alone_open;                      /* home's: it, or its end, is on its way */
	bool held;                            /* no command is begun: another gate's transaction */
	uint64_t stay_until_ns;               /* all connections go home */
	struct gate_ask *stay;                /* home's: tells the others of it; */
	bool stay_open, stay_due;             /* it is on its way; it changed meanwhile */
	uint64_t gone_cnt;                    /* not told yet; */
	uint32_t item_cnt;                    /* keys that got items: their hashes, */
	uint64_t item[GATE_ITEM_CNT];
	uint64_t item_bits; /* and bits of those that are too many */
};

/* ---- cmd_pubsub.c */

/* gate_subs_drop: a connection listens to nothing any more. */
void gate_subs_drop(struct gate *g, struct gate_conn *c);

/* ---- gate_command_run.c */

/* gate_command_wrong: it is unknown (cmd NULL), has too few or too many words, or is one of keys
 * while the connection says MONITOR: answered, and spoils the transaction that it is a part of. */
bool gate_command_wrong(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
			const struct slice *arg, uint32_t arg_cnt);
/* gate_command_try runs a command so that a reply that there is no memory for becomes an error, if
 * nothing of it is sent and nothing is done. */
int gate_command_try(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
		     const struct slice *arg, uint32_t arg_cnt);
/* gate_sub_rest: what is left for a container: HELP, or a subcommand with words that it has not. */
int gate_sub_rest(struct gate *g, struct gate_conn *c, const struct slice *arg);

/* ---- gate_users.c */

/* gate_users_init makes the user default, and those of the file gate.users. Threads: start-up.
 * Returns: 0; an error, and its line is logged. */
int gate_users_init(struct gate *g);
struct gate_user *gate_user_find(struct gate *g, struct slice name);
/* gate_user_put adds a user, or changes the one of this name. Returns: NULL: there is no memory. */
struct gate_user *gate_user_put(struct gate *g, const struct acl_user *acl);
/* gate_user_remove: whoever is logged in so is closed; asks when its reply is out. */
void gate_user_remove(struct gate *g, struct gate_user *u, const struct gate_conn *asks);
/* gate_user_narrowed: he may no more what before might; whoever is logged in so, and listens to a
 * channel that he may not use, is closed. Returns: whether asks is one of them, and is to be when
 * its reply is out. */
bool gate_user_narrowed(struct gate *g, const struct gate_user *u, const struct acl_user *before,
			const struct gate_conn *asks);
/* gate_login_default: as who has said nothing. */
void gate_login_default(struct gate *g, struct gate_conn *c);
/* gate_auth logs in, by the command that is said by word. Returns: whether it could; else that is
 * answered. */
bool gate_auth(struct gate *g, struct gate_conn *c, struct slice word, struct slice name,
	       struct slice password);
/* gate_key_may: whether the connection's user may do this with a key that the command's row does
 * not tell of. Returns: false: it is answered. */
bool gate_key_may(struct gate *g, struct gate_conn *c, struct slice key, unsigned int rights);
/* gate_acl_refusal: what of a command a user may not. Returns: NULL: he may; "command", "channel",
 * "key", and which in *ret_object. */
const char *gate_acl_refusal(const struct acl_user *u, const struct gate_command *cmd,
			     const struct slice *arg, uint32_t arg_cnt, struct slice *ret_object);
/* gate_acl_check: whether the connection's user may do this. Returns: 0; MB_ERR_DENIED: it is
 * answered; MB_ERR_TRYAGAIN: wait, and ask again. */
int gate_acl_check(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
		   const struct slice *arg, uint32_t arg_cnt);

/* Whether nobody has to say a password for it. */
static inline bool
gate_user_open(const struct gate_user *u)
{
	return u->acl.on && u->acl.nopass;
}

/* ---- cmd/cmd_client.c */

/* gate_client_line is what CLIENT LIST has of a connection, with its end. Returns: how long. */
size_t gate_client_line(struct gate *g, const struct gate_conn *c, char ret[GATE_CLIENT_BYTES]);

/* ---- gate_watch.c */

/* gate_timed: a command took so many cycles. arg: its words, as far as they are known. */
void gate_timed(struct gate *g, const struct gate_conn *c, const struct gate_command *cmd,
		uint64_t cycles, const struct slice *arg, uint32_t arg_cnt);
void gate_slow_reset(struct gate *g);
/* gate_slow_take adds what was slow at another gate. Owns: s, by malloc. */
void gate_slow_take(struct gate *g, struct gate_slow *s);
/* gate_slow_keep: so many are remembered at most, from now on. gate_slow_from: those that take so
 * long; GATE_SLOW_NONE: none. */
#define GATE_SLOW_NONE UINT64_MAX
void gate_slow_keep(struct gate *g, uint32_t max);
void gate_slow_from(struct gate *g, uint64_t ns);
/* gate_monitor_show shows a command to all that said MONITOR. */
void gate_monitor_show(struct gate *g, struct gate_conn *c, const struct gate_command *cmd,
		       const struct slice *arg, uint32_t arg_cnt);
void gate_monitor_set(struct gate *g, struct gate_conn *c, bool on);

#endif
