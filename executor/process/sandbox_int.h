/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox_int - what the parts of the sandbox share; for sandbox*.c only */
#ifndef MB_SANDBOX_INT_H
#define MB_SANDBOX_INT_H

#include "sandbox.h"

/* Where a machine keeps its libraries; not every one has all of them. NULL ends the list. */
extern const char *const sandbox_library_dir[];
#define SANDBOX_LIBRARY_CACHE "/etc/ld.so.cache"

/* The lists of system calls (sandbox_filter.c). filters_build makes both, once, in the zygote; NULL
 * when the kernel or the library cannot. filters_install puts one into force for this process.
 * Returns: 0; MB_ERR_DENIED. */
enum sandbox_filter {
	FILTER_LOAD, /* while objects are loaded */
	FILTER_RUN,  /* while functions run */
	FILTER_CNT   /* how many */
};
struct sandbox_filters *filters_build(void);
int filters_install(struct sandbox_filters *f, enum sandbox_filter which);

/* The files that may be read while objects are loaded (sandbox_files.c): libraries. files_make
 * names them, once, in the zygote; -1 when the kernel cannot. files_restrict leaves this process
 * only them. Requires: no new privileges. Returns: 0; MB_ERR_DENIED. */
int files_make(void);
int files_restrict(int files_fd);

#endif
