/* SPDX-License-Identifier: Apache-2.0 */
/* gate_command - the table of all commands: what is known of each before it runs
 *
 * Its rows are commands.def and subcommands.def. A subcommand has a row of its own, with the
 * handler of its container: rights, counts and times are kept for each.
 *
 * Pure, but for the index of names, which gate_command_init fills. Threads: any.
 */
#ifndef MB_GATE_COMMAND_H
#define MB_GATE_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

#define GATE_COMMAND_NAME_MAX 32 /* with its end */

struct gate;
struct gate_conn;

enum gate_command_flag {
	CMD_RUN = 1 << 0, /* may be a part of a run: it reads nothing */
	CMD_WRITE = 1 << 1,
	CMD_READONLY = 1 << 2,
	CMD_FAST = 1 << 3,
	CMD_NOAUTH = 1 << 4, /* also for who has not said a password */
	CMD_ADMIN = 1 << 5,
	CMD_NOSCRIPT = 1 << 6, /* a call, or a question to ctl: not inside of MULTI */
	CMD_NOMULTI = 1 << 7,  /* runs at once, inside of MULTI too */
	CMD_PUBSUB = 1 << 8,   /* also for a RESP2 connection that listens */
	CMD_SECRET = 1 << 9,   /* its words are not shown to others */
	CMD_SHOWS = 1 << 10,   /* of a plain write: its reply tells what the value is */
	CMD_DANGER = 1 << 11,  /* for who knows what he does */
	CMD_BLOCKING = 1 << 12,
	CMD_CALL = 1 << 13,     /* may follow a call that is not answered yet */
	CMD_TO_FIRST = 1 << 14, /* what it reads of the other keys goes to the first one */
	CMD_TO_LAST = 1 << 15,  /* .. to the last one */
	/* has to do with what connections share, for all its keys (gate_many.h) */
	CMD_HOME = 1 << 16,
	CMD_CONTAINER = 1 << 17, /* its second word is a command of its own */
	CMD_HELP = 1 << 18,      /* of a container: lists its subcommands */
	CMD_GROWS = 1 << 19,     /* takes memory in the store: refused when there is none */
	/* ACL categories other than the group's: of keys, of connections, of administrators; of
	 * lists, sets and sorted sets alike */
	CMD_OF_KEYS = 1 << 20,
	CMD_OF_CONNECTION = 1 << 21,
	CMD_OF_ADMIN = 1 << 22,
	CMD_OF_ITEMS = 1 << 23,
};

typedef int gate_command_fn(struct gate *g, struct gate_conn *c, const struct slice *arg,
			    uint32_t arg_cnt);

struct gate_command {
	const char *name; /* lower case */
	gate_command_fn *run;
	int arity; /* as in COMMAND: the words, negative: at least so many */
	uint32_t flags;
	/* Where keys are. step 0: word first says how many follow it; word last is one, if not 0 */
	int16_t first, last, step;
	const char *group, *since, *summary;
	const char *syntax; /* the words behind its name (cmd_docs.c); "": none */
	uint8_t name_len;
};

/* gate_command_find finds a command by its name, in any case; NULL. */
const struct gate_command *gate_command_find(struct slice name);
/* gate_command_of finds what the words of a command run: of a container its subcommand. */
const struct gate_command *gate_command_of(const struct slice *arg, uint32_t arg_cnt);
/* gate_command_named finds "config|get" too. */
const struct gate_command *gate_command_named(struct slice name);
/* gate_command_at walks the table, in which subcommands stand behind all commands, those of a
 * container together; NULL behind its end. gate_command_cnt: all of them; gate_command_top_cnt:
 * without subcommands. */
const struct gate_command *gate_command_at(uint32_t idx);
uint32_t gate_command_cnt(void);
uint32_t gate_command_top_cnt(void);
/* gate_command_subs: where a container's subcommands begin. Returns: how many. */
uint32_t gate_command_subs(const struct gate_command *cmd, uint32_t *ret_first);
/* gate_command_arity_wrong: whether it has too few or too many words. */
bool gate_command_arity_wrong(const struct gate_command *cmd, uint32_t arg_cnt);
uint32_t gate_command_idx(const struct gate_command *cmd);
/* gate_key_next: the place of the next key behind word at, 0 at first. Returns: 0: there is none.
 */
uint32_t gate_key_next(const struct gate_command *cmd, const struct slice *arg, uint32_t arg_cnt,
		       uint32_t at);
/* gate_command_store_from: how many words before the ones that may say STORE; 0: it has no such
 * word. gate_command_stores: where keys to store at are named, as COMMAND GETKEYS has them: of SORT
 * the last STORE; of the others the first STORE and the first STOREDIST. Returns: how many. */
uint32_t gate_command_store_from(const struct gate_command *cmd);
uint32_t gate_command_stores(const struct gate_command *cmd, const struct slice *arg,
			     uint32_t arg_cnt, uint32_t ret[2]);
/* gate_bitfield_reads: whether BITFIELD only reads; what is wrong in it might not. */
bool gate_bitfield_reads(const struct slice *arg, uint32_t arg_cnt);
/* gate_command_init fills the index of names. Threads: start-up. */
void gate_command_init(void);

#endif
