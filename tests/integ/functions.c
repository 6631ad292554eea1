/* SPDX-License-Identifier: Apache-2.0 */
/* functions - what the integration tests deploy: useful ones, and ones that misbehave in every
 * way */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <microburst/function.h>

MB_FUNCTION(plus_one)
{
	int64_t x;

	MB_TRY(mb_arg_i64(call, 0, &x));
	return mb_return_i64(call, x + 1);
}

/* Gives its arguments back, whatever they are. */
MB_FUNCTION(echo)
{
	for (uint32_t i = 0; i < mb_arg_cnt(call); i++) {
		struct mb_slice s;
		int64_t n;
		double x;
		const double *a;
		size_t cnt;

		switch (mb_arg_type(call, i)) {
		case MB_I64:
			MB_TRY(mb_arg_i64(call, i, &n));
			MB_TRY(mb_return_i64(call, n));
			break;
		case MB_F64:
			MB_TRY(mb_arg_f64(call, i, &x));
			MB_TRY(mb_return_f64(call, x));
			break;
		case MB_UTF8:
			MB_TRY(mb_arg_utf8(call, i, &s));
			MB_TRY(mb_return_utf8(call, s));
			break;
		case MB_F64_ARRAY:
			MB_TRY(mb_arg_f64_array(call, i, &a, &cnt));
			MB_TRY(mb_return_f64_array(call, a, cnt));
			break;
		case MB_NIL:
			MB_TRY(mb_return_nil(call));
			break;
		default:
			MB_TRY(mb_arg_bytes(call, i, &s));
			MB_TRY(mb_return_bytes(call, s));
			break;
		}
	}
	return 0;
}

/* add(key, n): the counter under key grows by n. */
MB_FUNCTION(add)
{
	struct mb_slice key;
	int64_t n;

	MB_TRY(mb_arg_utf8(call, 0, &key));
	MB_TRY(mb_arg_i64(call, 1, &n));
	return mb_incr(call, key, n, NULL);
}

/* put_get(key, bytes): writes, reads its own write back, and returns it. */
MB_FUNCTION(put_get)
{
	struct mb_slice key, value;

	MB_TRY(mb_arg_utf8(call, 0, &key));
	MB_TRY(mb_arg_bytes(call, 1, &value));
	MB_TRY(mb_put(call, key, value));
	MB_TRY(mb_get(call, key, &value));
	return mb_return_bytes(call, value);
}

/* join(key, member): adds to a set. */
MB_FUNCTION(join)
{
	struct mb_slice key, member;

	MB_TRY(mb_arg_utf8(call, 0, &key));
	MB_TRY(mb_arg_utf8(call, 1, &member));
	return mb_sadd(call, key, member);
}

/* Needs more stack than there is. */
static __attribute__((noinline)) void
deep(void)
{
	volatile char big[256 << 20];

	for (size_t i = sizeof(big); i >= 4096; i -= 4096) {
		big[i - 1] = 1;
	}
}

/* boom(how) ends badly; after writing to `boom/attempts`, which must never be seen. */
MB_FUNCTION(boom)
{
	struct mb_slice how;
	volatile char *volatile null = NULL;

	MB_TRY(mb_arg_utf8(call, 0, &how));
	MB_TRY(mb_incr(call, mb_str("boom/attempts"), 1, NULL));
#define HOW(text) (how.len == strlen(text) && memcmp(how.p, text, how.len) == 0)
	if (HOW("segv")) {
		*null = 1; /* NOLINT(clang-analyzer-core.NullDereference): on purpose */
	} else if (HOW("abort")) {
		abort();
	} else if (HOW("exit")) {
		_exit(7);
	} else if (HOW("loop")) {
		for (volatile int i = 0;; i++) {
		}
	} else if (HOW("fail")) {
		return mb_fail(call, "asked to fail with %d", 42);
	} else if (HOW("stack")) {
		deep();
	} else if (HOW("kill")) {
		syscall(SYS_kill, getpid(), SIGKILL);
		/* If that was refused: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
		*null = 1;
	}
	return mb_fail(call, "survived");
#undef HOW
}

/* forbidden(what) tries what a function may not do; returns errno, 0 if it went through. */
MB_FUNCTION(forbidden)
{
	struct mb_slice what;
	long rc = 0;

	MB_TRY(mb_arg_utf8(call, 0, &what));
#define WHAT(text) (what.len == strlen(text) && memcmp(what.p, text, what.len) == 0)
	errno = 0;
	if (WHAT("fork")) {
		rc = fork();
		if (rc == 0) {
			_exit(0);
		}
	} else if (WHAT("socket")) {
		rc = socket(AF_INET, SOCK_STREAM, 0);
	} else if (WHAT("open")) {
		rc = open("/etc/passwd", O_RDONLY);
	} else if (WHAT("execve")) {
		char *argv[] = { NULL };

		rc = execve("/bin/true", argv, argv);
	} else if (WHAT("memfd")) {
		rc = (long)syscall(SYS_memfd_create, "x", 0);
	} else if (WHAT("kill")) {
		rc = kill(getppid(), SIGTERM);
	} else if (WHAT("ptrace")) {
		rc = (long)syscall(SYS_ptrace, 16, getppid(), 0, 0);
	} else if (WHAT("mmap_exec")) {
		void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		rc = p == MAP_FAILED ? -1 : 0;
	} else if (WHAT("ftruncate")) {
		rc = -1;
		for (int fd = 0; fd < 256; fd++) {
			if (ftruncate(fd, 0) == 0) {
				rc = 0;
			}
		}
	} else {
		return mb_fail(call, "what?");
	}
#undef WHAT
	return mb_return_i64(call, rc < 0 ? errno : 0);
}

/* scribble() writes over every byte it can reach, and says how much that was. */
MB_FUNCTION(scribble)
{
	uintptr_t here = (uintptr_t)&call;

	for (uintptr_t p = (here & ~(uintptr_t)4095) - (64 << 10); p < here - 4096; p += 64) {
		*(volatile char *)p = (char)0x5a;
	}
	return mb_return_i64(call, 0);
}

/* eat(bytes) allocates and touches memory until it gets no more; returns how much it got. */
MB_FUNCTION(eat)
{
	int64_t want, got = 0;
	void **list = NULL;

	MB_TRY(mb_arg_i64(call, 0, &want));
	while (got < want) {
		void **p = malloc(1 << 20);

		if (p == NULL) {
			break;
		}
		memset(p, 1, 1 << 20);
		*p = list;
		list = p;
		got += 1 << 20;
	}
	while (list != NULL) {
		void **next = *list;

		free(list);
		list = next;
	}
	return mb_return_i64(call, got);
}

/* fill(n): a result of n bytes, written in place. */
MB_FUNCTION(fill)
{
	int64_t n;
	void *p;

	MB_TRY(mb_arg_i64(call, 0, &n));
	MB_TRY(mb_return_reserve(call, MB_BYTES, (size_t)n, &p));
	if (n > 0) {
		memset(p, 'x', (size_t)n);
	}
	return 0;
}
