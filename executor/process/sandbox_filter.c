/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox_filter.c - which system calls a function may make
 *
 * Two lists of what is allowed; everything else fails with EPERM. Both are in force in the end, and
 * the kernel takes the stricter answer of the two.
 *
 *   FILTER_LOAD   what loading an object needs: open for reading, map, protect, change directory,
 *                 limits of memory, and the second filter
 *   FILTER_RUN    what running functions needs: memory of one's own and its limit (budget.h), the
 *                 domain's socket and bells, time, signals to oneself, exit
 *
 * Shared memory. A shared mapping of no file is memory that no limit counts, and is refused; one of
 * a file is allowed, as payloads of callers are mapped while functions run. Such a file came over
 * the socket (there is no open), and is sealed. Never are memory pages writable and executable at
 * once; FILTER_RUN allows no new executable ones.
 *
 * Signals. abort() must work, so that its cause is seen as such, and what else a program sends
 * itself when it fails; none that would only stop it. It does so by process id, which is not known
 * when the filters are built: a filter compares with PID_PLACE, and a child puts its own id there
 * before it installs its copy.
 *
 * The filters are built once in the zygote; a child only hands the kernel an array.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compiler.h"
#include "microburst/error.h"
#include "sandbox_int.h"

#ifndef F_GET_SEALS
#include <linux/fcntl.h>
#endif

#define PID_PLACE UINT32_C(0x4d425049)

/* A system call, allowed when its arguments suit the tests. */
struct row {
	int nr;
	unsigned int test_cnt;
	struct scmp_arg_cmp test[3];
};

#define ANY(name)                                                                                  \
	{                                                                                          \
		.nr = SCMP_SYS(name)                                                               \
	}
#define IF1(name, a)                                                                               \
	{                                                                                          \
		.nr = SCMP_SYS(name), .test_cnt = 1, .test = { a }                                 \
	}
#define IF2(name, a, b)                                                                            \
	{                                                                                          \
		.nr = SCMP_SYS(name), .test_cnt = 2, .test = { a, b }                              \
	}

#define ARG_IS(arg, x)      SCMP_CMP64(arg, SCMP_CMP_EQ, x)
#define ARG_MASK(arg, m, x) SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, m, x)
#define ARG_NO_BITS(arg, m) ARG_MASK(arg, m, 0)
#define ARG_OWN_PID(arg)    SCMP_CMP32(arg, SCMP_CMP_EQ, PID_PLACE)

#define RAISE(sig) IF2(tgkill, ARG_OWN_PID(0), ARG_IS(2, sig))

/* mmap: protection is argument 2, flags are 3. Huge pages are the node's, and memory that grows
 * downwards counts as stack, which no limit holds. */
#define MAP_IS_PRIVATE ARG_MASK(3, MAP_TYPE | MAP_HUGETLB | MAP_GROWSDOWN, MAP_PRIVATE)
#define MAP_IS_FILE    ARG_MASK(3, MAP_TYPE | MAP_ANONYMOUS, MAP_SHARED)

/* What both lists allow. */
static const struct row both[] = {
	/* memory */
	ANY(brk),
	ANY(munmap),
	ANY(mremap),
	IF2(prlimit64, ARG_IS(0, 0), ARG_IS(1, RLIMIT_DATA)),
	IF2(mmap, MAP_IS_PRIVATE, ARG_NO_BITS(2, PROT_EXEC)),
	IF2(mmap, MAP_IS_FILE, ARG_NO_BITS(2, PROT_EXEC)),
	IF1(mprotect, ARG_NO_BITS(2, PROT_EXEC)),
	IF1(madvise, ARG_IS(2, MADV_NORMAL)),
	IF1(madvise, ARG_IS(2, MADV_RANDOM)),
	IF1(madvise, ARG_IS(2, MADV_SEQUENTIAL)),
	IF1(madvise, ARG_IS(2, MADV_WILLNEED)),
	IF1(madvise, ARG_IS(2, MADV_DONTNEED)),
	IF1(madvise, ARG_IS(2, MADV_FREE)),
	IF1(madvise, ARG_IS(2, MADV_HUGEPAGE)),
	IF1(madvise, ARG_IS(2, MADV_NOHUGEPAGE)),
	/* what is open already */
	ANY(read),
	ANY(write),
	ANY(writev),
	ANY(lseek),
	ANY(close),
	ANY(fstat),
	IF1(newfstatat, ARG_MASK(3, AT_EMPTY_PATH, AT_EMPTY_PATH)),
	IF1(fcntl, ARG_IS(1, F_GETFD)),
	IF1(fcntl, ARG_IS(1, F_GETFL)),
	IF1(fcntl, ARG_IS(1, F_GET_SEALS)),
	/* the domain */
	ANY(sendmsg),
	ANY(recvmsg),
	ANY(poll),
	ANY(ppoll),
	ANY(futex),
	/* time and chance */
	ANY(clock_gettime),
	ANY(clock_getres),
	ANY(clock_nanosleep),
	ANY(nanosleep),
	ANY(gettimeofday),
	ANY(time),
	ANY(times),
	ANY(getrandom),
	/* who and where am I */
	ANY(getpid),
	ANY(gettid),
	ANY(getuid),
	ANY(geteuid),
	ANY(getgid),
	ANY(getegid),
	ANY(getcpu),
	ANY(getrusage),
	ANY(uname),
	ANY(sysinfo),
	ANY(sched_yield),
	ANY(sched_getaffinity),
	/* signals and the end */
	ANY(rt_sigaction),
	ANY(rt_sigprocmask),
	ANY(rt_sigreturn),
	ANY(sigaltstack),
	ANY(restart_syscall),
	RAISE(SIGABRT),
	RAISE(SIGSEGV),
	RAISE(SIGBUS),
	RAISE(SIGFPE),
	RAISE(SIGILL),
	RAISE(SIGTRAP),
	RAISE(SIGSYS),
	RAISE(SIGKILL),
	ANY(exit),
	ANY(exit_group),
};

/* What loading needs besides. */
static const struct row load[] = {
	IF1(openat, ARG_NO_BITS(2, O_ACCMODE | O_CREAT | O_TRUNC)),
	ANY(newfstatat),
	ANY(pread64),
	IF2(mmap, MAP_IS_PRIVATE, ARG_NO_BITS(2, PROT_WRITE)),
	IF1(mprotect, ARG_NO_BITS(2, PROT_WRITE)),
	ANY(chdir),
	ANY(fchdir),
	ANY(close_range),
	IF2(prlimit64, ARG_IS(0, 0), ARG_IS(1, RLIMIT_AS)),
	IF2(seccomp, ARG_IS(0, SECCOMP_SET_MODE_FILTER), ARG_IS(1, 0)),
};

static_assert(O_RDONLY == 0, "no access bits: for reading");

struct sandbox_filters {
	struct sock_filter *insn[FILTER_CNT];
	unsigned short insn_cnt[FILTER_CNT];
};

static int
add_rows(scmp_filter_ctx ctx, const struct row *row, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		/* A system call that this machine does not have is never made here either. */
		if (seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, row[i].nr) == NULL ||
		    row[i].nr < 0) {
			continue;
		}
		if (seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, row[i].nr, row[i].test_cnt,
					   row[i].test) != 0) {
			return MB_ERR_NOT_SUPPORTED;
		}
	}
	return 0;
}

/* The finished filter is only to be had through a file. */
static int
take_program(scmp_filter_ctx ctx, struct sock_filter **ret, unsigned short *ret_cnt)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	struct sock_filter *insn = NULL;
	struct stat st;
	int err = MB_ERR_NOT_SUPPORTED;

	if (fd < 0) {
		return err;
	}
	if (seccomp_export_bpf(ctx, fd) == 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
		insn = malloc((size_t)st.st_size);
		if (insn != NULL && pread(fd, insn, (size_t)st.st_size, 0) == st.st_size) {
			*ret = insn;
			*ret_cnt = (unsigned short)((size_t)st.st_size / sizeof(*insn));
			insn = NULL;
			err = 0;
		}
	}
	free(insn);
	close(fd);
	return err;
}

static int
build(struct sandbox_filters *f, enum sandbox_filter which)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (ctx == NULL) {
		return MB_ERR_NOT_SUPPORTED;
	}
	/* A search tree: a dozen comparisons a call instead of hundreds. Older libraries do
	 * without. */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	err = add_rows(ctx, both, ARRAY_CNT(both));
	if (err == 0 && which == FILTER_LOAD) {
		err = add_rows(ctx, load, ARRAY_CNT(load));
	}
	if (err == 0) {
		err = take_program(ctx, &f->insn[which], &f->insn_cnt[which]);
	}
	seccomp_release(ctx);
	return err;
}

struct sandbox_filters *
filters_build(void)
{
	struct sandbox_filters *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		return NULL;
	}
	if (build(f, FILTER_LOAD) != 0 || build(f, FILTER_RUN) != 0) {
		free(f->insn[FILTER_LOAD]);
		free(f);
		return NULL;
	}
	return f;
}

int
filters_install(struct sandbox_filters *f, enum sandbox_filter which)
{
	struct sock_fprog prog = { .len = f->insn_cnt[which], .filter = f->insn[which] };
	uint32_t placed = 0;

	for (unsigned short i = 0; i < prog.len; i++) {
		struct sock_filter *insn = &prog.filter[i];

		if (BPF_CLASS(insn->code) == BPF_JMP && insn->k == PID_PLACE) {
			insn->k = (uint32_t)getpid();
			placed++;
		}
	}
	if (placed == 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) != 0) {
		return MB_ERR_DENIED;
	}
	return 0;
}
