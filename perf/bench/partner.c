/* SPDX-License-Identifier: Apache-2.0 */
/* partner.c - see partner.h
 *
 * The gate is one shared page: asked counts the openings, done the returns. The process is a fork
 * of this one without exec, so a function has the same address in both.
 */
#include "partner.h"

#include <microburst/error.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cores.h"
#include "futex.h"

#define CLOSE_WAIT_S 5

struct gate {
	int (*serve)(void *mem);
	void *mem;
	int cpu;
	int result;
	bool shared;
	bool end;
	_Atomic uint32_t asked;
	_Atomic uint32_t done;
};

struct partner {
	struct gate *gate;
	pid_t pid;
	bool dead;
};

static void __attribute__((__noreturn__)) partner_run(struct gate *gate, pid_t parent)
{
	uint32_t served = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) {
		_exit(1);
	}
	signal(SIGINT, SIG_IGN); /* the parent closes the gate */
	for (;;) {
		while (atomic_load(&gate->asked) == served) {
			futex_wait(&gate->asked, served, 0);
		}
		served++;
		if (gate->end) {
			_exit(0);
		}
		cores_shared = gate->shared;
		gate->result = cores_bind(gate->cpu);
		if (gate->result == 0) {
			gate->result = gate->serve(gate->mem);
		}
		atomic_store(&gate->done, served);
		futex_wake(&gate->done);
	}
}

int
partner_start(struct partner **ret)
{
	struct partner *p = calloc(1, sizeof(*p));
	pid_t parent = getpid();

	if (p == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	p->gate = mmap(NULL, sizeof(*p->gate), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	p->pid = p->gate != MAP_FAILED ? fork() : -1;
	if (p->pid == 0) {
		partner_run(p->gate, parent);
	}
	if (p->pid < 0) {
		if (p->gate != MAP_FAILED) {
			munmap(p->gate, sizeof(*p->gate));
		}
		free(p);
		return MB_ERR_NO_MEMORY;
	}
	*ret = p;
	return 0;
}

static void
ask(struct gate *gate)
{
	atomic_fetch_add(&gate->asked, 1);
	futex_wake(&gate->asked);
}

void
partner_stop(struct partner *p)
{
	if (p == NULL) {
		return;
	}
	p->gate->end = true;
	ask(p->gate);
	waitpid(p->pid, NULL, 0);
	munmap(p->gate, sizeof(*p->gate));
	free(p);
}

int
partner_open(struct partner *p, int (*serve)(void *mem), void *mem, int cpu, bool shared)
{
	if (p->dead) {
		return MB_ERR_PEER_DIED;
	}
	p->gate->serve = serve;
	p->gate->mem = mem;
	p->gate->cpu = cpu;
	p->gate->shared = shared;
	ask(p->gate);
	return 0;
}

int
partner_close(struct partner *p)
{
	uint32_t asked = atomic_load(&p->gate->asked), done;

	for (unsigned s = 0; (done = atomic_load(&p->gate->done)) != asked; s++) {
		if (s > CLOSE_WAIT_S) {
			kill(p->pid, SIGKILL);
			p->dead = true;
			return MB_ERR_PEER_DIED;
		}
		futex_wait(&p->gate->done, done, 1);
	}
	return p->gate->result;
}
