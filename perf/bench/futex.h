/* SPDX-License-Identifier: Apache-2.0 */
/* futex - sleep on a word of shared memory, and wake who sleeps there */
#ifndef MB_BENCH_FUTEX_H
#define MB_BENCH_FUTEX_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* futex_wait sleeps while *word is value, for at most timeout_s seconds (0: for ever). May return
 * early: look at the word again. */
static inline void
futex_wait(_Atomic uint32_t *word, uint32_t value, unsigned timeout_s)
{
	struct timespec timeout = { .tv_sec = timeout_s };

	syscall(SYS_futex, word, FUTEX_WAIT, value, timeout_s != 0 ? &timeout : NULL, NULL, 0);
}

/* futex_wake wakes one sleeper. */
static inline void
futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

#endif
