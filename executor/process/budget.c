/* SPDX-License-Identifier: Apache-2.0 */
#include "budget.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "compiler.h"
#include "sandbox.h"

#define PROBE_BYTES ((size_t)1 << 20) /* that much could not be had: none is left */
#define STACK_BYTES (64 << 10)        /* for a handler where the stack has run over */

static struct region_run *shown;
static int in_use_fd = -1;
static rlim_t hard;

/* Async-signal-safe, and whatever it runs into afterwards is the default action's. */
static void
on_fatal(int sig)
{
	void *p =
		mmap(NULL, PROBE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED && errno == ENOMEM) {
		atomic_store_explicit(&shown->full, 1, memory_order_relaxed);
	}
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

void
budget_watch(struct region_run *run)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE };
	static char stack[STACK_BYTES];
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_handler = on_fatal, .sa_flags = SA_ONSTACK | SA_NODEFER };

	shown = run;
	(void)sigaltstack(&alt, NULL);
	sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < ARRAY_CNT(fatal); i++) {
		(void)sigaction(fatal[i], &sa, NULL);
	}
}

void
budget_open(int statm_fd)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_DATA, &l) == 0) {
		hard = l.rlim_max;
		in_use_fd = statm_fd;
	}
}

void
budget_set(uint64_t bytes)
{
	struct rlimit l = { .rlim_cur = hard, .rlim_max = hard };
	uint64_t all, private;

	if (in_use_fd < 0) {
		return;
	}
	if (bytes != 0 && sandbox_memory(in_use_fd, &all, &private)) {
		l.rlim_cur = MIN(hard, (rlim_t)(private + bytes));
	}
	(void)setrlimit(RLIMIT_DATA, &l);
}
