/* SPDX-License-Identifier: Apache-2.0 */
/* load - how executors come to life: the daemon, the zygote, a spare, its functions
 *
 *   daemon                         zygote (microburst-executor)
 *   fork + exec, before EAL ─────►  make the jail
 *          ◄──────────────────────  ZYGOTE_READY
 *   ZYGOTE_SPAWN + a socket ─────►  clone3(CLONE_PARENT | CLONE_PIDFD)
 *          ◄──────────────────────  ZYGOTE_SPAWNED + pidfd
 *
 *   daemon                         the child: a spare
 *          ◄──────────────────────  DOMAIN_HELLO ... (domain.h)
 *                                   sandbox, part 1: before any code of a user
 *   DOMAIN_LOAD + objects ───────►  load, MB_INIT, sandbox, part 2
 *          ◄──────────────────────  DOMAIN_LOADED, then calls
 *
 * All are domain messages (domain_sock_send, domain_sock_recv). The child's parent is the daemon,
 * so that waitid on the pidfd tells the true cause of its death. Zygote and children die with the
 * daemon (parent death signal, and a socket that hangs up).
 */
#ifndef MB_LOAD_H
#define MB_LOAD_H

#include <stdint.h>

#include "domain.h"
#include "domain_limits.h"

/* ------------------------------------------------------------------- zygote
 *
 * Started as
 *	microburst-executor --zygote FD --parent PID [--uid-base UID] [--sandbox full|none]
 * FD is one end of a SOCK_SEQPACKET pair, the only fd it keeps besides standard error. Executor
 * proc runs as user and group UID + proc when the node is root. Sent on that socket: */
#define ZYGOTE_UID_BASE 60600 /* 60578 to 61183 are used by no distribution and no systemd */

enum zygote_kind {
	ZYGOTE_READY = 128, /* err, text; word[0] = what of the sandbox will be enforced */
	ZYGOTE_SPAWN,       /* proc; word[0] = token; 1 fd: the child's socket */
	ZYGOTE_SPAWNED,     /* err, proc, word[0] = token, word[1] = pid; 1 fd: its pidfd */
};

/* What stands between a function and the machine. A node that cannot enforce a bit says so; it is
 * never left out in silence. word[0] of ZYGOTE_READY and of DOMAIN_LOADED has the bits enforced. */
// clang-format off
#define SANDBOX_BITS(X)                                                                            \
	X(UID,      0, "a user of its own")                                                        \
	X(MOUNT,    1, "a file system with nothing but read-only libraries")                       \
	X(NET,      2, "a network without interfaces")                                             \
	X(IPC,      3, "System V memory and queues of its own")                                    \
	X(UTS,      4, "a host name of its own")                                                   \
	X(NO_PRIVS, 5, "no new privileges, no capabilities")                                       \
	X(NO_DUMP,  6, "no core dumps, no tracing by its own user")                                \
	X(RLIMIT,   7, "limits on memory, processes, files")                                       \
	X(FILES,    8, "no files but libraries, also while objects are loaded")                    \
	X(SECCOMP,  9, "a list of allowed system calls")
// clang-format on

enum sandbox_bit {
#define SANDBOX_BIT_(name, bit, text) SANDBOX_##name = 1 << (bit),
	SANDBOX_BITS(SANDBOX_BIT_)
#undef SANDBOX_BIT_
#define SANDBOX_BIT_(name, bit, text) SANDBOX_##name |
		SANDBOX_ALL = SANDBOX_BITS(SANDBOX_BIT_) 0,
#undef SANDBOX_BIT_
};

/* sandbox_missing_text lists in ret, comma-separated, what is not in bits; "" when nothing is
 * missing. Cut to bytes. */
void sandbox_missing_text(uint32_t bits, char *ret, size_t bytes);

/* -------------------------------------------------------------------- LOAD
 *
 * A set of functions is sent as one DOMAIN_LOAD or several: objects first, at most DOMAIN_FD_MAX a
 * message, and in the last message also the text. Objects are sealed memfds, numbered from 0
 * through all messages; the executor loads them in that order.
 *
 *   word[0]  number of the message's first object (its fd_cnt says how many there are)
 *   word[1]  1 in the last message
 *   word[2]  private memory for the objects and functions, above what is in use
 *   text     last message: struct load_head, then fn_cnt x struct load_fn
 *
 * Answered once, after the last message, by DOMAIN_LOADED:
 *   err      0; MB_ERR_LOAD (not loadable, a symbol is missing), MB_ERR_ABI, MB_ERR_FUNCTION_FAILED
 *            (an MB_INIT refused), MB_ERR_CORRUPT (the message), MB_ERR_NO_MEMORY
 *   text     one sentence about err
 *   word[0]  sandbox bits enforced
 *   word[1]  nanoseconds from the first message to the answer
 *   word[2]  of these, in MB_INITs
 * After an error the executor ends. */
#define LOAD_MAGIC            UINT32_C(0x4d424c44)
#define LOAD_OBJECT_MAX       FUNCTION_CNT_MAX
#define LOAD_OBJECT_BYTES_MAX (64u << 20)

struct load_head {
	uint32_t magic;
	uint16_t fn_cnt;     /* 1 .. FUNCTION_CNT_MAX */
	uint16_t object_cnt; /* 1 .. LOAD_OBJECT_MAX */
};

struct load_fn {
	uint16_t id; /* function id, not 0 */
	uint16_t object;
	uint32_t batched;          /* 1: it takes several calls at a time, and writes nothing */
	uint32_t memory_kib;       /* private memory it may take; 0: what the executor may */
	char name[NAME_BYTES_MAX]; /* zero-terminated: the name it was defined under */
};

static_assert(sizeof(struct load_head) == 8, "no padding");
static_assert(sizeof(struct load_fn) == 12 + NAME_BYTES_MAX, "no padding");
static_assert(sizeof(struct load_head) + FUNCTION_CNT_MAX * sizeof(struct load_fn) <=
		      DOMAIN_TEXT_MAX,
	      "a whole set fits into one text");

/* load_check checks a LOAD's text: magic, counts, length, ids, names, object numbers.
 * Returns: 0; MB_ERR_CORRUPT. */
int load_check(const void *text, size_t text_len);

#endif
