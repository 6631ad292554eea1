/* SPDX-License-Identifier: Apache-2.0 */
/* ctl - the life of the domain: who enters, who runs, who died, what exists
 *
 *	ctl.c        messages from processes and tiles; deaths
 *	ctl_sock.c   the Unix socket: entering, memory, questions
 *	ctl_zygote.c the process that forks executors
 *	ctl_exec.c   executors: spares, loading, swapping, stopping
 *	ctl_deploy.c deployments: tried in an executor, then shown
 *	ctl_admin.c  the command line's questions, in JSON
 *	ctl_use.c    what functions have used
 *
 * The model of ctl_exec is a wanted state and one step that moves towards it: every slot shall have
 * an executor that has the pinned set, every cpu its spares. Deployment, crash, first call of a
 * function and undeployment only change what is wanted, or what is there; ctl_exec_step does the
 * rest.
 *
 * Owner of everything here: the ctl tile.
 */
#ifndef MB_CTL_H
#define MB_CTL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cgroup.h"
#include "classes.h"
#include "ctl_msg.h"
#include "domain.h"
#include "inner.h"
#include "lcore.h"
#include "link.h"
#include "load.h"
#include "ports.h"
#include "procs.h"
#include "registry.h"
#include "slice.h"
#include "tile_msg.h"
#include "timebase.h"

#define CTL_CONN_MAX   (PROC_CNT_MAX + 32)
#define CTL_STOP_MAX   256
#define CTL_DEPLOY_MAX 16
#define CTL_LOG_CNT    1024
#define CTL_LOG_BYTES  256
#define CTL_TILE_SCHED 0 /* the tiles with ports, as bits and as indices of ctl.tile */
#define CTL_TILE_CACHE 1
/* Behind the cache tiles: those that are processes too (inner.h). */
#define CTL_INNER_MAX  GATE_TILE_CNT_MAX
#define CTL_TILE_MAX   (1 + CACHE_TILE_MAX + CTL_INNER_MAX)

struct ctl_conn {
	int fd;            /* -1: free */
	uint64_t id;       /* of this connection, among all there ever were */
	struct proc *proc; /* NULL before HELLO */
	pid_t pid;
	uid_t uid;
};

enum exec_state {
	EXEC_NONE = 0,
	EXEC_SPAWNING, /* asked of the zygote, not yet READY, or not yet known who it is */
	EXEC_SPARE,    /* stands ready, empty */
	EXEC_LOADING,  /* has been sent its set */
	EXEC_SERVING,
	EXEC_DRAINING, /* gets no more calls, ends when it has none */
};

struct exec {
	uint8_t state;
	bool for_deploy; /* LOADING to check a deployment */
	bool discard;    /* LOADING, and not to serve afterwards */
	int cpu;
	uint16_t slot;       /* SERVING, LOADING for a slot */
	uint8_t class;       /* LOADING: of the slots it may serve in */
	uint64_t gen;        /* of the set it has */
	uint64_t give_up_ns; /* SPAWNING, LOADING */
	uint64_t ready_ns;
	uint64_t busy_call; /* which it ran when ctl_busy_look looked; 0: none */
	uint64_t busy_ns;   /* when it was first seen to run that */
	/* ctl_lease.c: PINGs sent, and the last that was answered; since when it is awaited; since
	 * when it has been halted (0: it is not); killed for that */
	uint64_t ping, pong, asked_ns, stopped_ns;
	bool lost;
	uint32_t fn_cnt;
	uint16_t fn[FUNCTION_CNT_MAX];
};

struct exec_slot {
	int cpu;
	uint16_t proc; /* SERVING; 0: none */
	uint16_t next; /* LOADING; 0: none */
	uint32_t died;
	uint32_t fails; /* loads that failed in a row */
	uint64_t retry_ns;
};

struct ctl_stop {
	uint16_t proc; /* 0: free */
	uint32_t inc;
	uint64_t call;
	uint64_t at_ns;
	uint64_t ping; /* sent when the executor ran nothing; 0: it ran another call */
};

/* A deployment under way: its functions are in the registry, not yet shown to anybody. */
struct ctl_deploy {
	bool used, active, pin;
	bool read;   /* in the store, by a node that starts */
	bool stored; /* its object is in the store: it can be tried */
	uint8_t class;
	uint8_t killed; /* how many executors were, as they tried it */
	int fd;         /* who asked; -1: gone */
	uint64_t seq;   /* first come, first checked */
	uint32_t fn_cnt;
	uint16_t fn[FUNCTION_CNT_MAX];
};

struct ctl_log {
	uint64_t seq;
	uint64_t time_us;
	uint64_t call;
	char function[NAME_BYTES_MAX];
	char text[CTL_LOG_BYTES];
};

struct ctl_tile_link {
	struct link *to, *from;
	uint32_t lcore; /* index of the eventfd that wakes it */
	bool same_lcore;
};

struct ctl_config {
	uint32_t cache_cnt;
	uint32_t inner_cnt;
	uint32_t lcore_cnt; /* of those that run tiles with ports; they come first */
	uint32_t executor_cnt;
	int executor_cpu[EXECUTOR_CNT_MAX];
	struct classes classes;
	uint32_t spare_cnt;
	int spare_cpu[EXECUTOR_CNT_MAX];
	uint8_t cpu_daemon[CPU_CNT_MAX / 8];
	uint8_t cpu_exec[CPU_CNT_MAX / 8];
	uint64_t executor_memory;
	struct cgroup *cgroup; /* that executors are put into */
	uint64_t dag_split_ns;
	uint64_t unpin_ns;           /* 0: never */
	struct sched_log *sched_log; /* sched's decisions, to be read */
	uint64_t executor_spin_ns, client_spin_ns;
	uint64_t grace_ns;
	uint64_t lease_ns;
	uint64_t load_timeout_ns;
	uint32_t client_max;
	size_t payload_budget;
	bool huge;
	const char *executor_path;
	const char *socket_path;
	const char *sandbox; /* "full", "none" */
	uint64_t node_id;
	uint64_t wall_ns; /* as of sched_requests_set */
};

struct ctl {
	struct ctl_config cfg;
	struct lcore *lcore;
	int bell_fd
		[TILE_PORT_CNT]; /* of the lcores that processes have ports at, but for lcore 0 */
	const struct timebase *tb;
	struct procs procs;
	struct peers *peers;
	struct registry registry;
	struct ctl_catalog *catalog; /* ctl_catalog.h: where they live */
	struct region *region;       /* the daemon's */
	int region_fd, hints_fd, cache_fd;
	struct hints *hints;
	struct ports *ports;
	struct ctl_tile_link tile[CTL_TILE_MAX];
	struct ctl_conn conn[CTL_CONN_MAX];
	uint64_t conn_id;
	uint32_t late_cnt; /* answers that wait for sched */
	int listen_fd;
	int zygote_fd; /* -1: none */
	int child_fd;  /* SIGCHLD; -1: none */
	pid_t zygote_pid;
	uint32_t zygote_enforced;
	uint64_t zygote_retry_ns; /* nothing is asked of it before, nor is another one started */
	uint32_t zygote_fails;    /* in a row */
	struct exec exec[PROC_CLIENT_FIRST];
	struct exec_slot slot[EXECUTOR_CNT_MAX];
	uint64_t gen;       /* of the pinned set */
	uint64_t spares_ns; /* no spare is made before, unless one is waited for */
	uint64_t pins_ns;   /* when idle functions are looked for; 0: there are none */
	bool versions_old;  /* there may be functions with a newer version */
	struct ctl_stop stop[CTL_STOP_MAX];
	uint64_t orphans_ns; /* when calls of dead clients are looked for */
	struct ctl_deploy deploy[CTL_DEPLOY_MAX];
	uint64_t deploy_seq;
	struct ctl_uses *uses; /* ctl_use.h */
	struct ctl_log *log;   /* CTL_LOG_CNT */
	uint64_t log_seq;
	char *text; /* DOMAIN_TEXT_MAX + 1 */
	uint64_t started_ns;
	/* of the node */
	void (*down)(void *ctx);
	/* adds what only the node knows (machine, plan, memory, counts) to a status or top answer:
	 * json is a json_t object */
	void (*describe)(void *ctx, void *json, bool top);
	/* called every watch_pause_ns, next at watch_ns; UINT64_MAX: never */
	void (*watch)(void *ctx);
	uint64_t watch_ns, watch_pause_ns;
	void *node;
};

/* ctl.c */
int ctl_create(struct ctl **ret, const struct ctl_config *cfg, struct lcore *lcore);
void ctl_destroy(struct ctl *c);
extern const struct tile_ops ctl_tile_ops;

uint64_t ctl_now(const struct ctl *c);
void ctl_tell_tile(struct ctl *c, uint32_t tile, const struct desc *d);
/* The tiles that hear of processes: sched, caches, inner ones. */
static inline uint32_t
ctl_tile_cnt(const struct ctl *c)
{
	return CTL_TILE_CACHE + c->cfg.cache_cnt + c->cfg.inner_cnt;
}
/* ctl_busy_look notes what each executor runs. To be called when a client enters. */
void ctl_busy_look(struct ctl *c, uint64_t now);
/* ctl_gone: a process is no more, as pidfd or socket said. */
void ctl_gone(struct ctl *c, struct proc *p, enum death_cause cause, int status);
/* ctl_stop_call ends a running call after the grace, by force if it still runs then. */
void ctl_stop_call(struct ctl *c, uint16_t exec, uint64_t call);

/* What executor e, which lives, says that it runs; 0: nothing. A hint. */
static inline uint64_t
ctl_exec_call(const struct ctl *c, uint16_t e)
{
	return atomic_load_explicit(&region_run(&c->peers->peer[e].region)->call,
				    memory_order_relaxed);
}

/* ctl_lease.c */
void ctl_lease_start(struct ctl *c);
void ctl_lease_stop(struct ctl *c);
/* ctl_lease_runs: what executor e says that it runs, if a client waits for that; 0: nothing. */
uint64_t ctl_lease_runs(const struct ctl *c, uint16_t e);
/* ctl_lease_ask sends executor e a PING: from now on it answers, or says what it runs, or ends.
 * Returns: which one, counted from 1; 0 when it could not be sent. */
uint64_t ctl_lease_ask(struct ctl *c, uint16_t e);
/* ctl_lease_look: somebody waits for executor e. */
void ctl_lease_look(struct ctl *c, uint16_t e);
void ctl_lease_answer(struct ctl *c, uint16_t e, uint64_t ping);
/* ctl_lease_lost: sched's word, that e does not run the call it was given. */
void ctl_lease_lost(struct ctl *c, uint16_t e, uint64_t call);
void ctl_lease_due(struct ctl *c, uint64_t now);
uint64_t ctl_lease_timer(const struct ctl *c);

/* ctl_sock.c */
/* ctl_sock_taken: a node answers at path. */
bool ctl_sock_taken(const char *path);
int ctl_sock_open(struct ctl *c);
void ctl_sock_close(struct ctl *c);
/* ctl_conn_add watches a connected socket; proc is NULL for a client before its HELLO. */
struct ctl_conn *ctl_conn_add(struct ctl *c, int fd, struct proc *proc);
void ctl_conn_drop(struct ctl *c, struct ctl_conn *conn);
struct ctl_conn *ctl_conn_of(struct ctl *c, const struct proc *p);
/* ctl_answer sends an answer; a peer that does not read its answers is dropped. */
void ctl_answer(struct ctl *c, struct ctl_conn *conn, struct domain_msg *m, const void *text,
		const int *fd, uint32_t fd_cnt);
/* ctl_proc_watch notes a process's pid and hears of its end through pidfd. Owns pidfd. */
void ctl_proc_watch(struct ctl *c, struct proc *p, int pidfd, pid_t pid);
/* ctl_seg_done: every tile let go of a segment that its owner returned. */
void ctl_seg_done(struct ctl *c, const struct desc *d);

/* ctl_inner.c */
/* ctl_inner_add makes the entry of a tile that is a process too, and tells sched and the caches.
 * wake_fd: the bell of its lcore. system: it may write under KEY_SYSTEM. *ret is filled for
 * inner_create. Returns: 0; MB_ERR_NO_MEMORY; MB_ERR_BUSY. Threads: start-up. */
int ctl_inner_add(struct ctl *c, const char *program, int wake_fd, bool system,
		  struct inner_cfg *ret);

/* ctl_zygote.c */
/* ctl_zygote_start makes sure that there is a zygote. Returns: false when there is none that could
 * be asked now; ctl_exec_timer says when to try again. */
bool ctl_zygote_start(struct ctl *c, uint64_t now);
/* ctl_zygote_watch hears of the zygote that was started before there was an lcore. */
void ctl_zygote_watch(struct ctl *c);
/* ctl_spawn asks for a spare on cpu. Returns: false when it could not be asked for, as
 * ctl_zygote_start. */
bool ctl_spawn(struct ctl *c, int cpu);

/* ctl_strays_reap reaps children of a zygote that died before it could tell of them. */
void ctl_strays_reap(const struct ctl *c);

/* ctl_exec.c */
int ctl_exec_start(struct ctl *c);
void ctl_exec_stop(struct ctl *c);
void ctl_exec_step(struct ctl *c);
uint64_t ctl_exec_timer(const struct ctl *c);
void ctl_exec_ready(struct ctl *c, struct proc *p);
void ctl_exec_loaded(struct ctl *c, struct proc *p, const struct domain_msg *m, const char *text);
void ctl_exec_gone(struct ctl *c, uint16_t proc);
void ctl_exec_drained(struct ctl *c, uint16_t proc);
void ctl_exec_pin_want(struct ctl *c, uint16_t fn_id);
/* ctl_pin_failed tells calls that wait, when nothing serves: no executor can be had. */
void ctl_pin_failed(struct ctl *c, int err);
/* ctl_exec_set_changed: functions were added or removed. */
void ctl_exec_set_changed(struct ctl *c);

/* ctl_deploy.c */
/* ctl_deploy_start has functions that are in the registry put into the store with their object,
 * whose bytes these are, checked by an executor of class, and then shown. Without bytes: they were
 * read there. fd: who asked. Returns: 0 with the deployment's number; MB_ERR_BUSY. */
int ctl_deploy_start(struct ctl *c, int fd, struct slice bytes, const uint16_t *fn, uint32_t cnt,
		     bool pin, uint8_t class, uint64_t *ret_seq);
/* ctl_deploy_stored: the object of a deployment is in the store, or is not. */
void ctl_deploy_stored(struct ctl *c, uint64_t seq, int err);
/* ctl_dag_show tells sched of a DAG, new or changed. */
void ctl_dag_show(struct ctl *c, const struct dag *dag);

/* ctl_pin.c */
/* ctl_pins_step unpins what has been idle for long. Returns: whether something was; then executors
 * want another set. ctl_pins_timer: when to call it next. */
bool ctl_pins_step(struct ctl *c, uint64_t now);
uint64_t ctl_pins_timer(const struct ctl *c);

/* ctl_admin.c */
void ctl_admin(struct ctl *c, struct ctl_conn *conn, const char *text, const int *fd,
	       uint32_t fd_cnt);
void ctl_admin_deployed(struct ctl *c, int fd, const uint16_t *fn, uint32_t cnt);
/* ctl_admin_synced: sched has done what an answer speaks of: it can be sent. */
void ctl_admin_synced(struct ctl *c, const struct desc *d);
void ctl_admin_refused(struct ctl *c, int fd, int err, const char *text);

#endif
