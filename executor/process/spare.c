/* SPDX-License-Identifier: Apache-2.0 */
#include "spare.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "budget.h"
#include "check.h"
#include "compiler.h"
#include "exec_tile.h"
#include "load.h"
#include "loader.h"
#include "microburst/error.h"
#include "timebase.h"

/* What an executor may map of others' memory: every process's region, and that many of the largest
 * payloads at a time, its own among them. */
#define SEGMENTS_MAPPED_MAX 64

static_assert(DOMAIN_LCORE_MAX + 1 <= DOMAIN_FD_MAX, "a welcome brings all in one message");

static void
bind_to(int32_t cpu)
{
	cpu_set_t *set;
	size_t bytes = CPU_ALLOC_SIZE(CPU_CNT_MAX);

	if (cpu < 0 || cpu >= CPU_CNT_MAX) {
		return;
	}
	set = CPU_ALLOC(CPU_CNT_MAX);
	if (set != NULL) {
		CPU_ZERO_S(bytes, set);
		CPU_SET_S((size_t)cpu, bytes, set);
		/* A cpu that is gone, or not ours to use: anywhere is slower, not wrong. */
		(void)sched_setaffinity(0, bytes, set);
		CPU_FREE(set);
	}
}

static int
compare_int(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* The last step of the sandbox. What stays open is what the domain talks through. */
static int
close_sandbox(struct sandbox *sb, const struct domain *d)
{
	int keep[DOMAIN_LCORE_MAX + 2];
	uint32_t cnt = 0;

	keep[cnt++] = d->sock;
	if (sb->statm_fd >= 0) {
		keep[cnt++] = sb->statm_fd;
	}
	for (uint32_t i = 0; i < DOMAIN_LCORE_MAX; i++) {
		if (d->lcore_fd[i] >= 0) {
			keep[cnt++] = d->lcore_fd[i];
		}
	}
	qsort(keep, cnt, sizeof(keep[0]), compare_int);
	return sandbox_close(sb, keep, cnt);
}

/* Takes LOAD messages until the last one. Its text is in d->text then, *m says how long; *ret_from
 * is when the first one came. */
static int
take_objects(struct domain *d, struct sandbox *sb, struct loader *l, struct domain_msg *m,
	     uint64_t *ret_from)
{
	uint64_t shared = (uint64_t)PROC_CNT_MAX * region_layout(REGION_PROCESS).bytes +
			  (uint64_t)SEGMENTS_MAPPED_MAX * PAYLOAD_BYTES_MAX;

	*ret_from = 0;
	do {
		int fd[DOMAIN_FD_MAX];
		int err = domain_sock_recv(d->sock, -1, m, d->text, fd, DOMAIN_FD_MAX);

		if (err != 0 || m->kind != DOMAIN_LOAD) {
			return err != 0 ? err : MB_ERR_CORRUPT;
		}
		if (*ret_from == 0) {
			*ret_from = timebase_now_ns(timebase_real());
			sandbox_memory_limit(sb, m->word[2], shared); /* constructors run */
		}
		for (uint32_t i = 0; i < m->fd_cnt; i++) {
			loader_add(l, sb, (uint32_t)m->word[0] + i, fd[i]);
		}
	} while (m->word[1] != 1);
	return 0;
}

/* Loads what the node says, and tells it how that went. Returns: 0 when there is something to
 * serve. */
static int
load(struct exec_tile *t, struct sandbox *sb, struct loader *l)
{
	struct domain *d = exec_tile_domain(t);
	struct exec *x = exec_tile_exec(t);
	struct domain_msg m;
	uint64_t from;
	int err = take_objects(d, sb, l, &m, &from);

	if (err != 0) {
		return err;
	}
	loader_bind(l, d->text, m.text_len, exec_fns(x));
	m = (struct domain_msg){ .kind = DOMAIN_LOADED };
	m.word[2] = loader_init(l, exec_init_call(x));
	if (l->err == 0 && close_sandbox(sb, d) != 0) {
		l->err = MB_ERR_DENIED;
		snprintf(l->why, sizeof(l->why), "the sandbox cannot be closed");
	}
	budget_open(sb->statm_fd);
	m.err = (int16_t)l->err;
	m.text_len = (uint32_t)strlen(l->why);
	m.word[0] = sb->bits;
	m.word[1] = timebase_now_ns(timebase_real()) - from;
	err = domain_sock_send(d->sock, &m, l->why, NULL, 0);
	return l->err != 0 ? l->err : err;
}

void
spare_run(struct sandbox *sb, int sock)
{
	static struct loader loader; /* 2 KiB of pointers */
	struct exec_tile *t;
	struct domain *d;
	char name[16];

	if (exec_tile_create(&t, sock) != 0) {
		_exit(EXIT_FAILURE); /* the node sees it */
	}
	d = exec_tile_domain(t);
	snprintf(name, sizeof(name), "mb-exec-%u", d->proc);
	prctl(PR_SET_NAME, name, 0, 0, 0);
	bind_to(d->welcome.cpu);
	budget_watch(region_run(&d->own));
	exec_budget_set(exec_tile_exec(t), budget_set);
	if (sandbox_enter(sb, d->proc) != 0 || load(t, sb, &loader) != 0) {
		_exit(EXIT_FAILURE);
	}
	if (exec_tile_run(t) != 0) {
		_exit(EXIT_FAILURE);
	}
	loader_fini(&loader);
	exec_tile_destroy(t);
	_exit(EXIT_SUCCESS);
}
