/* SPDX-License-Identifier: Apache-2.0 */
/* weave - named points between which another process may run
 *
 * In the shipped build WEAVE is nothing. tests/prop/rt compiles the same files with MB_WEAVE and
 * gets control before every atomic operation and futex call (it replaces them), so it can run the
 * steps of two processes in every order, and end one of them between any two. WEAVE marks what else
 * is a step: the plain accesses to shared memory.
 */
#ifndef MB_RT_WEAVE_H
#define MB_RT_WEAVE_H

#ifdef MB_WEAVE
void weave_point(const char *name);
#define WEAVE(name) weave_point(name)
#else
#define WEAVE(name) ((void)0)
#endif

#endif
