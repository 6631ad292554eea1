/* SPDX-License-Identifier: Apache-2.0 */
/* attacks - functions that try what a function may not do, each returning what it got away with
 *
 * Raw system calls with arguments that are good as far as they can be: what is refused then is
 * refused by the sandbox and not because something else was wrong. EPERM is the filter's answer;
 * EACCES and ENOENT that of a file system with nothing in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <microburst/function.h>

/* What went through, and what failed for another reason than a refusal. */
struct report {
	char text[2048];
	size_t len;
	int tried;
};

static void
tried(struct report *r, const char *what, long rc)
{
	int err = errno;

	r->tried++;
	if (rc >= 0) {
		r->len += (size_t)snprintf(r->text + r->len, sizeof(r->text) - r->len,
					   "%s went through; ", what);
	} else if (err != EPERM) {
		r->len += (size_t)snprintf(r->text + r->len, sizeof(r->text) - r->len, "%s: %s; ",
					   what, strerror(err));
	}
}

static int
report(struct mb_call *call, const struct report *r)
{
	MB_TRY(mb_return_i64(call, r->tried));
	return mb_return_utf8(call, mb_slice_of(r->text, r->len));
}

#define TRY(r, name, ...) tried(r, #name, syscall(SYS_##name, __VA_ARGS__))

/* Other processes, files, sockets, more of anything: every one of these is to be refused. */
MB_FUNCTION(attack_calls)
{
	struct rlimit more = { RLIM_INFINITY, RLIM_INFINITY };
	struct perf_event_attr perf = { .size = sizeof(perf) };
	union bpf_attr bpf = { .map_type = BPF_MAP_TYPE_ARRAY };
	struct report r = { .len = 0 };
	char *argv[] = { (char *)"/bin/sh", NULL };
	char buf[64];
	struct iovec iov = { buf, sizeof(buf) };
	pid_t parent = (pid_t)syscall(SYS_getppid);
	pid_t self = getpid();
	cpu_set_t cpus;

	memset(&cpus, 0xff, sizeof(cpus));
	/* processes */
	TRY(&r, clone, SIGCHLD, NULL, NULL, NULL, 0);
	TRY(&r, clone3, buf, 0);
#ifdef SYS_fork
	TRY(&r, fork, 0);
	TRY(&r, vfork, 0);
#endif
	TRY(&r, execve, argv[0], argv, NULL);
	TRY(&r, execveat, AT_FDCWD, argv[0], argv, NULL, 0);
	TRY(&r, kill, self, 0);
	TRY(&r, kill, -1, 0);
	TRY(&r, tgkill, self + 1, self + 1, 0);
	TRY(&r, tkill, self, 0);
	/* to halt itself: nobody would notice but by waiting */
	TRY(&r, tgkill, self, self, SIGSTOP);
	TRY(&r, tgkill, self, self, SIGTSTP);
	TRY(&r, tgkill, self, self, SIGTTIN);
	TRY(&r, tgkill, self, self, SIGTTOU);
	TRY(&r, rt_sigqueueinfo, self, SIGSTOP, buf);
	TRY(&r, rt_tgsigqueueinfo, self, self, SIGSTOP, buf);
	TRY(&r, rt_tgsigqueueinfo, parent, parent, SIGKILL, buf);
	TRY(&r, tgkill, parent, parent, SIGKILL);
	TRY(&r, pidfd_open, self, 0);
	TRY(&r, pidfd_getfd, 3, 0, 0);
	TRY(&r, pidfd_send_signal, 3, SIGKILL, NULL, 0);
	TRY(&r, ptrace, PTRACE_TRACEME, 0, NULL, NULL);
	TRY(&r, ptrace, PTRACE_ATTACH, parent, NULL, NULL);
	TRY(&r, process_vm_readv, self, &iov, 1, &iov, 1, 0);
	TRY(&r, process_vm_writev, self, &iov, 1, &iov, 1, 0);
	TRY(&r, process_madvise, 3, &iov, 1, 21, 0);
	TRY(&r, process_mrelease, 3, 0);
	TRY(&r, kcmp, self, self, 0, 0, 0);
	TRY(&r, setns, 3, 0);
	TRY(&r, unshare, CLONE_NEWUSER);
	TRY(&r, unshare, CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID);
	TRY(&r, clone, SIGCHLD | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS, NULL, NULL, NULL, 0);
	TRY(&r, clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND, buf, NULL, NULL, 0);
	/* files */
	TRY(&r, openat, AT_FDCWD, "/", O_RDONLY);
	TRY(&r, openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
	TRY(&r, openat, AT_FDCWD, "/proc/self/maps", O_RDONLY);
	TRY(&r, openat, AT_FDCWD, "/proc/self/mem", O_RDWR);
	TRY(&r, openat, AT_FDCWD, "/proc/1/mem", O_RDWR);
	TRY(&r, openat, AT_FDCWD, "/dev/shm/x", O_RDWR | O_CREAT, 0600);
	TRY(&r, openat, AT_FDCWD, "/dev/mem", O_RDWR);
	TRY(&r, openat2, AT_FDCWD, "/", buf, 24);
	TRY(&r, open_by_handle_at, AT_FDCWD, buf, O_RDONLY);
	TRY(&r, newfstatat, AT_FDCWD, "/", buf, 0);
	TRY(&r, statx, AT_FDCWD, "/", 0, 0, buf);
	TRY(&r, chdir, "/");
	TRY(&r, fchdir, 0);
	TRY(&r, chroot, "/");
	TRY(&r, mount, "none", "/", "tmpfs", 0, NULL);
	TRY(&r, umount2, "/", 0);
	TRY(&r, pivot_root, "/", "/");
	TRY(&r, fsopen, "tmpfs", 0);
	TRY(&r, open_tree, AT_FDCWD, "/", 0);
	TRY(&r, memfd_create, "more", 0);
	TRY(&r, memfd_secret, 0);
	TRY(&r, execveat, 0, "", argv, NULL, AT_EMPTY_PATH);
	TRY(&r, dup, 0);
	TRY(&r, fcntl, 0, F_DUPFD, 0);
	TRY(&r, ioctl, 0, 0, 0);
	TRY(&r, close_range, 100, 200, 0);
	TRY(&r, inotify_init1, 0);
	TRY(&r, fanotify_init, 0, 0);
	/* talking */
	TRY(&r, socket, AF_INET, SOCK_STREAM, 0);
	TRY(&r, socket, AF_UNIX, SOCK_STREAM, 0);
	TRY(&r, socketpair, AF_UNIX, SOCK_STREAM, 0, buf);
	TRY(&r, pipe2, buf, 0);
	TRY(&r, eventfd2, 0, 0);
	TRY(&r, shmget, 0, 4096, 0600);
	TRY(&r, semget, 0, 1, 0600);
	TRY(&r, msgget, 0, 0600);
	TRY(&r, mq_open, "/q", O_RDWR | O_CREAT, 0600, NULL);
	/* the kernel's other entrances */
	TRY(&r, io_uring_setup, 8, buf);
	TRY(&r, io_uring_enter, 3, 1, 0, 0, NULL, 0);
	TRY(&r, io_uring_register, 3, 0, NULL, 0);
	TRY(&r, bpf, BPF_MAP_CREATE, &bpf, sizeof(bpf));
	TRY(&r, perf_event_open, &perf, 0, -1, -1, 0);
	TRY(&r, userfaultfd, 0);
	TRY(&r, keyctl, 0, 0, 0, 0, 0);
	TRY(&r, add_key, "user", "k", buf, 1, 0);
	TRY(&r, init_module, buf, 0, "");
	TRY(&r, reboot, 0, 0, 0, NULL);
	TRY(&r, personality, 0x0040000);
	/* limits and rights */
	TRY(&r, prlimit64, 0, RLIMIT_AS, &more, NULL);
	TRY(&r, prlimit64, 0, RLIMIT_DATA, &more, NULL);
	TRY(&r, prlimit64, parent, RLIMIT_DATA, &more, NULL);
	TRY(&r, setrlimit, RLIMIT_DATA, &more);
	TRY(&r, prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
	TRY(&r, prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0);
	TRY(&r, seccomp, 1, 0, NULL);
	TRY(&r, setuid, 0);
	TRY(&r, setresuid, 0, 0, 0);
	TRY(&r, setgroups, 0, NULL);
	TRY(&r, capset, buf, buf);
	TRY(&r, sched_setaffinity, 0, sizeof(cpus), &cpus);
	TRY(&r, sched_setscheduler, 0, SCHED_FIFO, buf);
	TRY(&r, setpriority, PRIO_PROCESS, 0, -20);
	/* time that would come back in a later call */
	TRY(&r, setitimer, ITIMER_REAL, buf, NULL);
	TRY(&r, timer_create, CLOCK_MONOTONIC, NULL, buf);
	TRY(&r, timerfd_create, CLOCK_MONOTONIC, 0);
	return report(call, &r);
}

static void
tried_map(struct report *r, const char *what, void *p)
{
	tried(r, what, p == MAP_FAILED ? -1 : 0);
}

/* Memory that no limit counts, or that could be made to run. */
MB_FUNCTION(attack_memory)
{
	struct report r = { .len = 0 };
	int (*code)(void) = getpid;
	uintptr_t page = (uintptr_t)(void *)code & ~(uintptr_t)4095;
	void *p;

	tried_map(&r, "mmap shared of nothing",
		  mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	tried_map(&r, "mmap huge",
		  mmap(NULL, 2 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0));
	tried_map(&r, "mmap that grows downwards",
		  mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
	tried_map(&r, "mmap executable",
		  mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	tried_map(&r, "mmap writable and executable",
		  mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		return mb_fail(call, "not even ordinary memory: %s", strerror(errno));
	}
	tried(&r, "mprotect executable", mprotect(p, 4096, PROT_READ | PROT_EXEC));
	tried(&r, "mprotect of code",
	      mprotect((void *)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
	TRY(&r, pkey_mprotect, p, 4096, PROT_EXEC, -1);
	tried(&r, "madvise remove", madvise(p, 4096, MADV_REMOVE));
	TRY(&r, process_madvise, 3, NULL, 0, 0, 0);
	TRY(&r, mlockall, 1);
	TRY(&r, mlock, p, 4096);
	TRY(&r, remap_file_pages, p, 4096, 0, 0, 0);
	munmap(p, 4096);
	return report(call, &r);
}

/* Every descriptor it can find: made shorter, punched, mapped writable. */
MB_FUNCTION(attack_fds)
{
	struct report r = { .len = 0 };
	int open_cnt = 0;

	for (int fd = 0; fd < 1024; fd++) {
		struct stat st;
		void *p;

		if (fstat(fd, &st) != 0) {
			continue;
		}
		open_cnt++;
		tried(&r, "ftruncate", ftruncate(fd, 0));
		tried(&r, "fallocate", fallocate(fd, 3, 0, 4096));
		TRY(&r, fcntl, fd, F_ADD_SEALS, F_SEAL_WRITE);
		TRY(&r, fcntl, fd, F_SETFL, O_NONBLOCK);
		TRY(&r, sendfile, fd, fd, NULL, 1);
		p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p != MAP_FAILED) {
			tried_map(&r, "mmap writable and shared", p);
		}
	}
	MB_TRY(mb_return_i64(call, open_cnt));
	return mb_return_utf8(call, mb_slice_of(r.text, r.len));
}

/* The memory that others read, found through a result: its pages taken away, remapped, made
 * shorter. */
MB_FUNCTION(attack_region)
{
	struct report r = { .len = 0 };
	void *p, *q;

	MB_TRY(mb_return_reserve(call, MB_BYTES, 32 << 10, &p));
	q = (void *)(((uintptr_t)p + 4095) & ~(uintptr_t)4095);
	tried(&r, "madvise remove", madvise(q, 4096, MADV_REMOVE));
	tried(&r, "madvise pageout", madvise(q, 4096, 21));
	memset(q, 'x', 4096);
	return mb_return_utf8(call, mb_slice_of(r.text, r.len));
}

/* Writes over the whole of what it alone may write, 4 MiB behind a result, and beyond. */
MB_FUNCTION(attack_scribble)
{
	void *p;

	MB_TRY(mb_return_reserve(call, MB_BYTES, 32 << 10, &p));
	for (size_t i = 0; i < 64 << 20; i += 64) {
		((volatile unsigned char *)p)[i] = 0xff;
	}
	return 0;
}

/* Who it is, and what it may know. */
MB_FUNCTION(who)
{
	char host[65] = "";
	const char *path = getenv("PATH");

	gethostname(host, sizeof(host));
	MB_TRY(mb_return_i64(call, getuid()));
	MB_TRY(mb_return_i64(call, getgid()));
	MB_TRY(mb_return_utf8(call, mb_str(host)));
	return mb_return_utf8(call, mb_str(path != NULL ? path : ""));
}

/* Takes memory until it gets none; says how many MiB that was. */
MB_FUNCTION(eat)
{
	static char *volatile last; /* so that no compiler finds it useless */
	int64_t mib = 0;

	while ((last = malloc(1 << 20)) != NULL) { /* given back when the executor ends */
		memset(last, 1, 1 << 20);
		mib++;
	}
	return mb_return_i64(call, mib);
}

MB_FUNCTION(segv)
{
	volatile int *volatile nowhere = NULL;

	*nowhere = 1; /* NOLINT(clang-analyzer-core.NullDereference): on purpose */
	return 0;
}

MB_FUNCTION(do_abort)
{
	abort();
	return 0;
}

MB_FUNCTION(do_exit)
{
	exit(7);
	return 0;
}

static int
deeper(volatile char *above)
{
	volatile char here[4096];

	here[0] = above[0];
	return here[0] == 0 ? 0 : deeper(here) + here[0];
}

MB_FUNCTION(overflow)
{
	volatile char top[1] = { 1 };

	return deeper(top);
}

MB_FUNCTION(loop)
{
	for (volatile int i = 0;; i++) {
	}
	return 0;
}

/* Closes what the executor talks through: its own end. */
MB_FUNCTION(close_all)
{
	for (int fd = 0; fd < 1024; fd++) {
		close(fd);
	}
	return 0;
}

/* A result of so many bytes, written in place. */
MB_FUNCTION(fill)
{
	int64_t len;
	void *p;

	MB_TRY(mb_arg_i64(call, 0, &len));
	MB_TRY(mb_return_reserve(call, MB_BYTES, (size_t)len, &p));
	if (len > 0) {
		memset(p, 'x', (size_t)len);
	}
	return 0;
}

MB_FUNCTION(fine)
{
	return mb_return_i64(call, 42);
}
