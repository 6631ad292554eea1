/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - what we do about our own bugs
 *
 * The world (a peer, a disk, a full ring, a wrong configuration) gets an error code, a counter and
 * a test. A bug of ours gets one of these. They differ in strength and in what they say:
 *
 *  REQUIRE(cond)        the caller kept the contract            always on; stops the process
 *  ENSURE(cond)         this function kept its own              always on; stops the process
 *  INSIST(cond)         in between: an invariant                always on; stops the process
 *  INSIST_HOT(cond)     an invariant too dear for the data path on when MB_CHECK_HOT is 1 (debug
 *                       and sanitizer builds); elsewhere it compiles, and is not evaluated
 *  WARN_ONCE(cond)      wrong, but survivable: logged once, at this place. Gives cond back
 *  COUNT_IF(cond, cnt)  expected now and then: counted. Gives cond back
 *
 * All but COUNT_IF take a printf format and values behind the condition, to say what was found:
 *
 *	REQUIRE(idx < n, "idx=%u n=%u", idx, n);
 *
 * Conditions have no side effects: INSIST_HOT drops them.
 */
#ifndef MB_CHECK_H
#define MB_CHECK_H

#include <stdbool.h>

#include "compiler.h"

#ifndef MB_CHECK_HOT
#define MB_CHECK_HOT 0
#endif

#define REQUIRE(cond, ...) CHECK_(REQUIRE, cond, __VA_ARGS__)
#define ENSURE(cond, ...)  CHECK_(ENSURE, cond, __VA_ARGS__)
#define INSIST(cond, ...)  CHECK_(INSIST, cond, __VA_ARGS__)

#if MB_CHECK_HOT
#define INSIST_HOT(cond, ...) CHECK_(INSIST_HOT, cond, __VA_ARGS__)
#else
#define INSIST_HOT(cond, ...) ((void)sizeof(!(cond)))
#endif

#define WARN_ONCE(cond, ...)                                                                       \
	__extension__({                                                                            \
		static bool check_warned_;                                                         \
		bool check_hit_ = unlikely(cond);                                                  \
		if (check_hit_ && !__atomic_exchange_n(&check_warned_, true, __ATOMIC_RELAXED)) {  \
			check_warn(__FILE__, __LINE__, __func__, #cond, " " __VA_ARGS__);          \
		}                                                                                  \
		check_hit_;                                                                        \
	})

#define COUNT_IF(cond, counter) (unlikely(cond) ? ((void)(counter)++, true) : false)

/* The space keeps the format from being empty, which the compiler would warn of. */
#define CHECK_(kind, cond, ...)                                                                    \
	(likely(cond) ? (void)0                                                                    \
		      : check_fail(#kind, __FILE__, __LINE__, __func__, #cond, " " __VA_ARGS__))

/* check_fail prints place, expression and values to standard error and aborts. */
noinline __attribute__((__noreturn__, __cold__, __format__(__printf__, 6, 7))) void
check_fail(const char *kind, const char *file, int line, const char *func, const char *expr,
	   const char *fmt, ...);

/* check_warn logs the same as a warning and returns. */
noinline __attribute__((__cold__, __format__(__printf__, 5, 6))) void
check_warn(const char *file, int line, const char *func, const char *expr, const char *fmt, ...);

#endif
