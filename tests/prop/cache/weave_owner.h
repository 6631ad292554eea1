/* SPDX-License-Identifier: Apache-2.0 */
/* weave_owner.h - stands before cache_store.c: the one writer's loads of its own words are no steps
 *
 * All loads of that file are of words that it alone writes. Left as steps they would multiply what
 * the weaver has to go through, and show nothing more.
 */
#ifndef MB_WEAVE_OWNER_H
#define MB_WEAVE_OWNER_H

#include "weave_atomic.h"

#undef atomic_load_explicit
#define atomic_load_explicit(p, order) weave_load_own(weave_at_(p), sizeof(*(p)))

#endif
