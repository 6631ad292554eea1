/* SPDX-License-Identifier: Apache-2.0 */
/* compiler.h - the few things C leaves to the compiler
 *
 * Include it after libc and third-party headers: noinline is a word that their attributes use too.
 */
#ifndef MB_COMPILER_H
#define MB_COMPILER_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* What two cores fight over. 64 on every x86-64; on the aarch64 parts with 128 it costs sharing of
 * neighbours, not correctness. */
#define CACHE_LINE 64

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define noinline __attribute__((__noinline__))

/* The number of elements of an array. A pointer does not compile: an array of -1 char. */
#define ARRAY_CNT(a)    (sizeof(a) / sizeof((a)[0]) + 0 * sizeof(char[MB_IS_ARRAY_(a) ? 1 : -1]))
#define MB_IS_ARRAY_(a) (!__builtin_types_compatible_p(__typeof__(a), __typeof__(&(a)[0])))

/* The struct that holds this member. A pointer of another type does not compile. */
#undef container_of /* DPDK has one */
#define container_of(ptr, type, member)                                                            \
	((type *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))

/* Each argument is evaluated once. Widths may differ, signs may not (-Wsign-compare refuses it):
 * write MIN(len, 16U). Not for constant expressions. The counter lets uses nest. */
#undef MIN
#undef MAX
#define MIN(a, b) MB_PICK_(<, a, b, __COUNTER__)
#define MAX(a, b) MB_PICK_(>, a, b, __COUNTER__)

#define MB_PICK_(op, a, b, n) MB_PICK2_(op, a, b, n)
#define MB_PICK2_(op, a, b, n)                                                                     \
	__extension__({                                                                            \
		__typeof__(a) pick_a_##n = (a);                                                    \
		__typeof__(b) pick_b_##n = (b);                                                    \
		pick_a_##n op pick_b_##n ? pick_a_##n : pick_b_##n;                                \
	})

/* x rounded up to a multiple of align, a power of two. A constant expression if both are. */
#define ALIGN_UP(x, align)     MB_ALIGN_UP_(x, (__typeof__(x))(align))
#define MB_ALIGN_UP_(x, align) (((x) + (align)-1) & ~((align)-1))

/* cpu_pause tells the core that this is a waiting loop.
 *
 * Cost:      ~40 cycles on x86 since Skylake, a few before it.
 */
static inline void
cpu_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#else
	__asm__ volatile("" ::: "memory");
#endif
}

#endif
