/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox - what stands between a function and the machine
 *
 * In three steps, each irreversible for those who come after it:
 *
 *   jail   once, by the zygote, for itself and all its children: namespaces without network, System
 *          V memory and host name of their own, and a root directory that holds the machine's
 *          libraries, read-only, and nothing else: no /proc, no /dev, no /tmp.
 *   enter  by each child, before any code of a user runs: a user of its own, no capabilities, no
 *          new privileges, limits, no files but libraries, and the first list of system calls. It
 *          can still open and map libraries, which is what loading an object takes. Memory is
 *          limited before the first object comes (sandbox_memory_limit).
 *   close  by each child, after its objects were loaded and before its first call: file
 *          descriptors that loading left behind are closed, and the second list leaves no system
 *          call that takes a path or makes memory executable.
 *
 * Nothing here fails for lack of a privilege: what could be enforced is a bit of enum sandbox_bit
 * (load.h), what could not is missing in the result. It is the node that decides and tells people.
 *
 * What is not the sandbox's: that a function cannot write the memory others trust, or truncate it,
 * is the work of the seals (region.h). Memory that the daemon hands over may be mapped shared at
 * any time, because callers' payloads come at any time.
 *
 * Threads:   single-threaded processes only.
 */
#ifndef MB_SANDBOX_H
#define MB_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sandbox {
	uint32_t bits; /* enforced so far, enum sandbox_bit */
	bool off;      /* --sandbox none: for debuggers and sanitizers */
	uint32_t uid_base;
	int32_t parent; /* process id of the daemon, with which every child ends */
	int proc_fd;    /* zygote: a procfs outside of the jail; -1: none */
	int self_fd;    /* child: its own /proc/self/fd, until closed; -1: none */
	int statm_fd;   /* child: how much memory it has mapped; -1: unknown */
	int files_fd;   /* which files may be read while objects are loaded; -1: unrestricted */
	struct sandbox_filters *filters;
};

/* sandbox_jail puts the calling process into the jail and makes ready what its children need.
 *
 * Ensures:   sb->bits has what a child will have after sandbox_close, as far as it is known yet.
 * Returns:   0; MB_ERR_NOT_SUPPORTED when this process is left half inside: a step that was begun
 *            could not be finished. Then why, of SANDBOX_WHY_BYTES, says which.
 */
#define SANDBOX_WHY_BYTES 160
int sandbox_jail(struct sandbox *sb, bool off, uint32_t uid_base, int32_t parent, char *why);

/* sandbox_spawned is the first thing a child does: it opens what it needs of the zygote's, and
 * closes the rest. */
void sandbox_spawned(struct sandbox *sb);

/* sandbox_enter is the second step. proc is the executor's index: its user is uid_base + proc.
 *
 * Ensures:   sb->bits has what is enforced now. The process is killed when the daemon ends.
 * Returns:   0; MB_ERR_NO_NODE when the daemon has ended already; MB_ERR_DENIED when a step that
 *            ought to work does not: the child must end.
 */
int sandbox_enter(struct sandbox *sb, uint16_t proc);

/* Between sandbox_path_begin and sandbox_path_end the path "./7" names what is open as 7: dlopen
 * takes a path, and there is no /proc. Returns: 0; MB_ERR_LOAD. */
int sandbox_path_begin(const struct sandbox *sb);
void sandbox_path_end(void);

/* sandbox_memory reads what is mapped now: all of it, and what is private and writable, in bytes.
 * Returns: whether that is known. */
bool sandbox_memory(int statm_fd, uint64_t *ret_all, uint64_t *ret_private);

/* sandbox_memory_limit says how much private memory may be mapped from now on, by objects as they
 * are loaded and by functions, and how much of others'. Where it cannot be enforced the bit
 * goes. */
void sandbox_memory_limit(struct sandbox *sb, uint64_t private_bytes, uint64_t shared_bytes);

/* sandbox_close is the third step.
 *
 * Requires:  keep[0, keep_cnt) ascends: the file descriptors to keep beside 0, 1 and 2.
 * Returns:   as sandbox_enter
 */
int sandbox_close(struct sandbox *sb, const int *keep, uint32_t keep_cnt);

#endif
