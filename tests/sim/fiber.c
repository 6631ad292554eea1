/* SPDX-License-Identifier: Apache-2.0 */
#include "fiber.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "check.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#endif

#ifdef FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_BYTES (256u << 10) /* under the sanitizer a client needs 100 KiB */
#define GUARD_BYTES 4096

struct fiber {
	ucontext_t self, back;
	jmp_buf end;
	void (*fn)(void *arg);
	void *arg;
	uint8_t *stack; /* first word of a stack that waits for reuse: the next one */
	bool started, killed, ended;
	/* what the sanitizer wants to know of the other side */
	void *fake, *back_fake;
	const void *back_bottom;
	size_t back_bytes;
};

static struct fiber *running;
static uint8_t *stacks_free;

static uint8_t *
stack_alloc(void)
{
	uint8_t *p = stacks_free;

	if (p != NULL) {
		stacks_free = *(uint8_t **)(void *)(p + GUARD_BYTES);
		return p;
	}
	p = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	REQUIRE(p != MAP_FAILED);
	REQUIRE(mprotect(p, GUARD_BYTES, PROT_NONE) == 0);
	return p;
}

static void
stack_free(uint8_t *p)
{
	*(uint8_t **)(void *)(p + GUARD_BYTES) = stacks_free;
	stacks_free = p;
}

void
fiber_fini(void)
{
	while (stacks_free != NULL) {
		munmap(stack_alloc(), GUARD_BYTES + STACK_BYTES);
	}
}

/* ------------------------------------------------------------- switching */

static void
switch_begin(void **save, const void *bottom, size_t bytes)
{
#ifdef FIBER_ASAN
	__sanitizer_start_switch_fiber(save, bottom, bytes);
#endif
}

static void
switch_end(void *saved, const void **ret_bottom, size_t *ret_bytes)
{
#ifdef FIBER_ASAN
	__sanitizer_finish_switch_fiber(saved, ret_bottom, ret_bytes);
#endif
}

static void
fiber_main(void)
{
	struct fiber *f = running;

	switch_end(NULL, &f->back_bottom, &f->back_bytes);
	if (setjmp(f->end) == 0) {
		f->fn(f->arg);
	}
	f->ended = true;
	switch_begin(NULL, f->back_bottom, f->back_bytes);
	setcontext(&f->back);
	REQUIRE(false);
}

struct fiber *
fiber_create(void (*fn)(void *arg), void *arg)
{
	struct fiber *f = calloc(1, sizeof(*f));

	REQUIRE(f != NULL);
	f->fn = fn;
	f->arg = arg;
	f->stack = stack_alloc();
	REQUIRE(getcontext(&f->self) == 0);
	f->self.uc_stack.ss_sp = f->stack + GUARD_BYTES;
	f->self.uc_stack.ss_size = STACK_BYTES;
	f->self.uc_link = NULL;
	makecontext(&f->self, fiber_main, 0);
	return f;
}

bool
fiber_resume(struct fiber *f)
{
	REQUIRE(running == NULL);
	running = f;
	f->started = true;
	switch_begin(&f->back_fake, f->stack + GUARD_BYTES, STACK_BYTES);
	REQUIRE(swapcontext(&f->back, &f->self) == 0);
	switch_end(f->back_fake, NULL, NULL);
	running = NULL;
	if (f->ended) {
		stack_free(f->stack);
		free(f);
		return false;
	}
	return true;
}

void
fiber_kill(struct fiber *f)
{
	if (!f->started) {
		stack_free(f->stack);
		free(f);
		return;
	}
	f->killed = true;
	REQUIRE(!fiber_resume(f));
}

void
fiber_wait(void)
{
	struct fiber *f = running;

	REQUIRE(f != NULL);
	switch_begin(&f->fake, f->back_bottom, f->back_bytes);
	REQUIRE(swapcontext(&f->self, &f->back) == 0);
	switch_end(f->fake, &f->back_bottom, &f->back_bytes);
	if (f->killed) {
		longjmp(f->end, 1);
	}
}
