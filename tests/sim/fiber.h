/* SPDX-License-Identifier: Apache-2.0 */
/* fiber - a simulated process: a stack of its own, left and entered at the simulator's will
 *
 * The code of clients and executors waits in the middle of things. It runs here unchanged, on a
 * fiber;
 * where the real one would sleep in the kernel, it switches away.
 *
 * Killed, a fiber never returns from where it waits, nor does it run any code of its own again: the
 * only thing that happens on its stack is a jump to the stack's bottom, which the sanitizer wants
 * to see.
 */
#ifndef MB_SIM_FIBER_H
#define MB_SIM_FIBER_H

#include <stdbool.h>

struct fiber;

/* fiber_create makes a fiber that will run fn(arg); nothing runs yet. */
struct fiber *fiber_create(void (*fn)(void *arg), void *arg);

/* fiber_resume runs it until it waits or ends. Not from a fiber.
 * Returns: false when it has ended; it is then freed. */
bool fiber_resume(struct fiber *f);

/* fiber_kill ends it where it waits, and frees it. Not from a fiber. */
void fiber_kill(struct fiber *f);

/* fiber_wait switches back to who resumed. From a fiber. */
void fiber_wait(void);

/* fiber_fini frees the stacks kept for reuse. */
void fiber_fini(void);

#endif
