/* SPDX-License-Identifier: Apache-2.0 */
/* doctor - is this machine fit for microseconds, and what to do where it is not
 *
 * A check looks at one thing and says what it found; if that costs speed, safety or a feature, also
 * what to do about it. Nothing is changed. Files are read below a root ("": this machine), so that
 * tests can show every finding; what only a system call knows is asked of this machine.
 *
 * Threads: any.
 */
#ifndef MB_CLI_DOCTOR_H
#define MB_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

struct doctor_line {
	const char *name; /* "huge pages" */
	bool ok;
	char found[160]; /* what there is */
	char todo[240];  /* what to do; "" when ok */
};

/* doctor_check does the i-th check. Returns: false behind the last. */
bool doctor_check(size_t i, const char *root, struct doctor_line *ret);

/* The checks that ask the kernel by system calls (doctor_kernel.c). */
void doctor_io_uring(const char *root, struct doctor_line *line);
void doctor_seccomp(const char *root, struct doctor_line *line);
void doctor_namespaces(const char *root, struct doctor_line *line);
void doctor_memlock(const char *root, struct doctor_line *line);
void doctor_files(const char *root, struct doctor_line *line);

/* doctor_nic.c */
void doctor_nic(const char *root, struct doctor_line *line);

/* doctor_ok and doctor_warn say what a check found; warn also what to do. */
void doctor_ok(struct doctor_line *line, const char *found, ...)
	__attribute__((__format__(__printf__, 2, 3)));
void doctor_warn(struct doctor_line *line, const char *todo, const char *found, ...)
	__attribute__((__format__(__printf__, 3, 4)));

#endif
