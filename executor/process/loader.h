/* SPDX-License-Identifier: Apache-2.0 */
/* loader - from a LOAD message to functions that can be called
 *
 * Objects are loaded one by one as they come, each with its own names (RTLD_LOCAL) and all of its
 * symbols at once (RTLD_NOW): what is missing shows here and not in the middle of a call. Then
 * every function named is looked up and its version compared, and last the MB_INITs run, in the
 * order of the objects. Merges announce themselves as their object is loaded; their laws are tried
 * last of all.
 *
 * The first error stays; what comes after it is skipped. Owner: the executor, while it is a spare.
 */
#ifndef MB_EXEC_LOADER_H
#define MB_EXEC_LOADER_H

#include <stdint.h>

#include "fn.h"
#include "load.h"
#include "sandbox.h"

#define LOADER_WHY_BYTES 512
#define LOADER_MERGE_MAX 256

struct loader {
	void *object[LOAD_OBJECT_MAX];
	const char *of[LOAD_OBJECT_MAX]; /* a function that it defines, to name it by */
	uint32_t object_cnt;
	const struct mb_merge *merge[LOADER_MERGE_MAX]; /* in the order of their objects */
	uint32_t merge_cnt;
	uint32_t merge_end[LOAD_OBJECT_MAX]; /* how many those of the objects up to here are */
	uint32_t init_cnt;                   /* objects whose MB_INIT has run: their MB_FINI may */
	int err;
	char why[LOADER_WHY_BYTES]; /* one sentence, when err != 0 */
};

/* loader_add loads the next object from fd, and runs its constructors. number: the object's number
 * as the message says. fd stays open, so that no other object is loaded under the same name: the
 * dynamic linker would take it for the one it has. The sandbox closes it in the end. */
void loader_add(struct loader *l, const struct sandbox *sb, uint32_t number, int fd);

/* loader_bind fills fns as text (load_head, load_fn) says. l stays where it is for as long as fns
 * is used. */
void loader_bind(struct loader *l, const void *text, size_t text_len, struct fns *fns);

/* loader_init runs the MB_INITs, and tries the laws of each merge. call: what they get. Returns:
 * nanoseconds spent in them. */
uint64_t loader_init(struct loader *l, struct mb_call *call);

/* loader_fini runs the MB_FINIs, in reverse order. Unloads nothing: the process ends. */
void loader_fini(struct loader *l);

#endif
