/* SPDX-License-Identifier: Apache-2.0 */
/* weave - named points between which another process may run
 *
 * In the shipped build WEAVE is nothing. tests/prop compiles the same files with MB_WEAVE and gets
 * control at each point, so it can run the steps of two processes in every order, and end one of
 * them at any point.
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
