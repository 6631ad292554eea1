/* SPDX-License-Identifier: Apache-2.0 */
/* weave_atomic.h - stands before woven code (-include): its atomic operations go to the weaver
 *
 * Every atomic load, store, exchange and fence of the file becomes a call that first lets any other
 * party run, and so does every futex call. The code itself is compiled as it is shipped.
 */
#ifndef MB_WEAVE_ATOMIC_H
#define MB_WEAVE_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t weave_load(const volatile void *at, size_t bytes);
/* A load of what only the loading party writes: nobody can come in between, so it is no step. */
uint64_t weave_load_own(const volatile void *at, size_t bytes);
void weave_store(volatile void *at, size_t bytes, uint64_t v, bool fenced);
uint64_t weave_exchange(volatile void *at, size_t bytes, uint64_t v);
uint64_t weave_fetch_or(volatile void *at, size_t bytes, uint64_t v);
bool weave_compare_exchange(volatile void *at, size_t bytes, void *expected, uint64_t v);
void weave_fence(bool full);
long weave_syscall(long nr, ...);

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_exchange_explicit
#undef atomic_fetch_or_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak
#undef atomic_thread_fence

#define weave_at_(p) ((volatile void *)(uintptr_t)(p))

/* On x86 only memory_order_seq_cst makes a store wait; every read-modify-write is a fence. */
#define atomic_load_explicit(p, order) weave_load(weave_at_(p), sizeof(*(p)))
#define atomic_store_explicit(p, v, order)                                                         \
	weave_store(weave_at_(p), sizeof(*(p)), (v), (order) == memory_order_seq_cst)
#define atomic_exchange(p, v)                 weave_exchange(weave_at_(p), sizeof(*(p)), (v))
#define atomic_exchange_explicit(p, v, order) weave_exchange(weave_at_(p), sizeof(*(p)), (v))
#define atomic_fetch_or_explicit(p, v, order) weave_fetch_or(weave_at_(p), sizeof(*(p)), (v))
#define atomic_compare_exchange_strong(p, e, v)                                                    \
	weave_compare_exchange(weave_at_(p), sizeof(*(p)), (e), (v))
#define atomic_compare_exchange_strong_explicit(p, e, v, yes, no)                                  \
	weave_compare_exchange(weave_at_(p), sizeof(*(p)), (e), (v))
#define atomic_compare_exchange_weak(p, e, v)                                                      \
	weave_compare_exchange(weave_at_(p), sizeof(*(p)), (e), (v))
#define atomic_thread_fence(order) weave_fence((order) == memory_order_seq_cst)

/* hints.c sleeps and wakes through syscall(SYS_futex, ...). */
#define syscall weave_syscall

#endif
