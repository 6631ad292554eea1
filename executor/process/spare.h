/* SPDX-License-Identifier: Apache-2.0 */
/* spare - the life of an executor process, from its fork to its end
 *
 *   spawned ─► in the domain ─► in the sandbox: a spare ─LOAD─► loaded ─► sandbox closed ─► serves
 *   ─► ends
 *
 * All that takes time and is the same for every executor happens before LOAD: what is left between
 * LOAD and the first call is loading, MB_INIT and a handful of system calls.
 */
#ifndef MB_EXEC_SPARE_H
#define MB_EXEC_SPARE_H

#include "sandbox.h"

/* spare_run lives that life in the calling process, which was just forked. sock: its socket to the
 * node. */
void spare_run(struct sandbox *sb, int sock) __attribute__((__noreturn__));

#endif
