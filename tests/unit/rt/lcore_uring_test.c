/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what happens on a watched fd is told, exactly while it is watched; without io_uring there
 *         is a typed error.
 * Method: pipes, sockets and eventfds on a real io_uring, everything once with deferred task run
 *         and once plain; kernels without io_uring are a seccomp filter in a child. */
#include "lcore_uring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <microburst/error.h>

#include "test_cmocka.h"
#include "timebase.h"

static struct lcore_uring u;
static bool plain; /* the ring that is made */

struct seen {
	int cnt;
	int last;
	bool unwatch;
};

static void
see(void *ctx, int fd, int events_or_error)
{
	struct seen *s = ctx;

	s->cnt++;
	s->last = events_or_error;
	if (s->unwatch) {
		assert_int_equal(lcore_uring_unwatch(&u, fd), MB_OK);
	}
}

/* Gives the kernel its chance: sleeps until something happens, at most 50 ms, and polls. */
static int
turn(void)
{
	assert_true(lcore_uring_wait(&u, 50 * NS_PER_MS) >= 0);
	return lcore_uring_poll(&u);
}

static int
event_new(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void
event_fire(int fd)
{
	assert_int_equal(eventfd_write(fd, 1), 0);
}

/* ---- no io_uring ----------------------------------------------------------------------------- */

static int
init_when_setup_fails_with(int e)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);

		if (f == NULL ||
		    seccomp_rule_add(f, SCMP_ACT_ERRNO((uint32_t)e), SCMP_SYS(io_uring_setup), 0) !=
			    0 ||
		    seccomp_load(f) != 0) {
			_exit(0);
		}
		_exit(-lcore_uring_init(&u, false));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void
without_io_uring_there_is_a_typed_error(void **state)
{
	assert_int_equal(init_when_setup_fails_with(ENOSYS), MB_ERR_NO_URING);
	assert_int_equal(init_when_setup_fails_with(EPERM), MB_ERR_NO_URING);
	assert_int_equal(init_when_setup_fails_with(ENOMEM), MB_ERR_NO_MEMORY);
	assert_int_equal(init_when_setup_fails_with(EMFILE), MB_ERR_IO);
	assert_int_equal(init_when_setup_fails_with(EINVAL), MB_ERR_IO); /* plain was tried too */
}

/* ---- watching -------------------------------------------------------------------------------- */

static void
what_is_not_watched_cannot_be_unwatched(void **state)
{
	assert_int_equal(lcore_uring_unwatch(&u, 0), MB_ERR_NOT_FOUND);
}

static void
one_watch_too_many_is_refused(void **state)
{
	struct seen s = { 0 };
	static int fd[LCORE_WATCH_CNT_MAX];
	int extra = event_new();

	for (uint32_t i = 0; i < LCORE_WATCH_CNT_MAX; i++) {
		fd[i] = event_new();
		assert_int_equal(lcore_uring_watch(&u, fd[i], true, see, &s), MB_OK);
	}
	assert_int_equal(lcore_uring_watch(&u, extra, false, see, &s), MB_ERR_FULL);

	/* All of them fire: some polls later each was told once. */
	turn();
	for (uint32_t i = 0; i < LCORE_WATCH_CNT_MAX; i++) {
		event_fire(fd[i]);
	}
	for (int i = 0; i < 100 && s.cnt < (int)LCORE_WATCH_CNT_MAX; i++) {
		assert_true(turn() <= (int)LCORE_CQE_BURST);
	}
	assert_int_equal(s.cnt, LCORE_WATCH_CNT_MAX);

	assert_int_equal(lcore_uring_unwatch(&u, fd[500]), MB_OK);
	assert_int_equal(fcntl(fd[500], F_GETFD), -1); /* owned: closed with the watch */
	assert_int_equal(lcore_uring_watch(&u, extra, true, see, &s), MB_OK);
}

static void
a_closed_fd_is_told_as_an_error_and_forgotten(void **state)
{
	struct seen s = { 0 };
	int fd = event_new();

	assert_int_equal(lcore_uring_watch(&u, fd, false, see, &s), MB_OK);
	close(fd);
	turn();
	assert_int_equal(s.cnt, 1);
	assert_int_equal(s.last, -EBADF);
	assert_int_equal(lcore_uring_unwatch(&u, fd), MB_ERR_NOT_FOUND);
}

static void
every_write_is_told_though_nobody_reads(void **state)
{
	struct seen s = { 0 };
	int fd = event_new();

	assert_int_equal(lcore_uring_watch(&u, fd, true, see, &s), MB_OK);
	for (int i = 1; i <= 1000; i++) {
		event_fire(fd);
		turn();
		assert_int_equal(s.cnt, i);
		assert_int_equal(s.last, POLLIN);
	}
}

static void
what_was_there_before_the_watch_is_told(void **state)
{
	struct seen s = { 0 };
	int fd = event_new();

	event_fire(fd);
	assert_int_equal(lcore_uring_watch(&u, fd, true, see, &s), MB_OK);
	turn();
	assert_int_equal(s.cnt, 1);
}

static void
a_hang_up_is_told(void **state)
{
	struct seen s = { 0 };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(lcore_uring_watch(&u, pair[0], true, see, &s), MB_OK);
	turn();
	assert_int_equal(s.cnt, 0);
	close(pair[1]);
	turn();
	assert_true(s.cnt >= 1);
	assert_true((s.last & POLLHUP) != 0);
}

static void
after_unwatch_nothing_is_told_not_even_what_was_on_the_way(void **state)
{
	struct seen s = { 0 }, other = { 0 };
	int fd = event_new();
	int next = event_new();

	assert_int_equal(lcore_uring_watch(&u, fd, false, see, &s), MB_OK);
	turn();
	event_fire(fd);
	assert_int_equal(lcore_uring_wait(&u, 50 * NS_PER_MS), 1); /* the completion is there */
	assert_int_equal(lcore_uring_unwatch(&u, fd), MB_OK);
	assert_int_equal(lcore_uring_watch(&u, next, true, see, &other), MB_OK); /* the same slot */
	turn();
	turn();
	assert_int_equal(s.cnt, 0);
	assert_int_equal(other.cnt, 0);
	event_fire(next);
	turn();
	assert_int_equal(other.cnt, 1);
	close(fd);
}

static void
a_callback_may_unwatch_itself(void **state)
{
	struct seen s = { .unwatch = true };
	int fd = event_new();

	assert_int_equal(lcore_uring_watch(&u, fd, false, see, &s), MB_OK);
	event_fire(fd);
	turn();
	assert_int_equal(s.cnt, 1);
	event_fire(fd);
	turn();
	assert_int_equal(s.cnt, 1);
	close(fd);
}

static void
unwatch_lets_the_file_go(void **state)
{
	struct pollfd p;
	struct seen s = { 0 };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(lcore_uring_watch(&u, pair[0], false, see, &s), MB_OK);
	turn();
	assert_int_equal(lcore_uring_unwatch(&u, pair[0]), MB_OK);
	close(pair[0]);
	turn(); /* the removal's own completion */
	turn(); /* that of the poll request: with it the file is let go */
	p = (struct pollfd){ .fd = pair[1], .events = POLLIN };
	assert_int_equal(poll(&p, 1, 60000), 1);
	assert_true((p.revents & POLLHUP) != 0);
	close(pair[1]);
}

static void
a_wait_without_events_ends_when_its_time_is_over(void **state)
{
	uint64_t begin = timebase_now_ns(timebase_real());

	lcore_uring_poll(&u);
	assert_int_equal(lcore_uring_wait(&u, 20 * NS_PER_MS), 0);
	assert_true(timebase_now_ns(timebase_real()) - begin >= 20 * NS_PER_MS);
}

/* ---- requests of tiles ----------------------------------------------------------------------- */

struct told {
	uint64_t token;
	int res;
	uint32_t cnt;
};

static void
hear(void *ctx, uint64_t token, int res, uint32_t cqe_flags)
{
	struct told *t = ctx;

	*t = (struct told){ token, res, t->cnt + 1 };
}

/* Each tile hears of its own, with the token it gave, beside watches that go on. */
static void
completions_come_to_who_asked(void **state)
{
	struct told one = { 0 }, two = { 0 };
	struct seen watch = { 0 };
	uint32_t a = lcore_uring_op_add(&u, hear, &one), b = lcore_uring_op_add(&u, hear, &two);
	int fd = event_new();
	char byte = 0;
	struct io_uring_sqe *sqe;

	assert_int_equal(lcore_uring_watch(&u, fd, false, see, &watch), MB_OK);
	assert_non_null(lcore_uring_op_sqe(&u, a, 7)); /* not filled in: a nothing */
	sqe = lcore_uring_op_sqe(&u, b, LCORE_OP_TOKEN_MAX);
	assert_non_null(sqe);
	io_uring_prep_read(sqe, -1, &byte, 1, 0);
	event_fire(fd);
	for (int i = 0; i < 100 && (one.cnt == 0 || two.cnt == 0 || watch.cnt == 0); i++) {
		turn();
	}
	assert_int_equal(one.cnt, 1);
	assert_int_equal(one.token, 7);
	assert_int_equal(one.res, 0);
	assert_int_equal(two.cnt, 1);
	assert_int_equal(two.token, LCORE_OP_TOKEN_MAX);
	assert_int_equal(two.res, -EBADF);
	assert_int_equal(watch.cnt, 1);
	assert_int_equal(lcore_uring_unwatch(&u, fd), MB_OK);
	close(fd);
}

/* More than the queue holds: they are submitted in between, none is lost. */
static void
many_requests_all_complete(void **state)
{
	struct told t = { 0 };
	uint32_t op = lcore_uring_op_add(&u, hear, &t);

	for (uint32_t i = 0; i < 500; i++) {
		assert_non_null(lcore_uring_op_sqe(&u, op, i));
	}
	for (int i = 0; i < 100 && t.cnt < 500; i++) {
		turn();
	}
	assert_int_equal(t.cnt, 500);
}

/* ---- memory ahead ---------------------------------------------------------------------------- */

#define AHEAD_PAGES 64

static bool
all_resident(uint8_t *mem, size_t page)
{
	unsigned char map[AHEAD_PAGES];
	int cnt = 0;

	assert_int_equal(mincore(mem, AHEAD_PAGES * page, map), 0);
	for (uint32_t i = 0; i < AHEAD_PAGES; i++) {
		cnt += map[i] & 1;
	}
	return cnt == AHEAD_PAGES;
}

static void
memory_is_there_before_anybody_touches_it(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = AHEAD_PAGES * page;
	uint64_t end = timebase_now_ns(timebase_real()) + 60 * NS_PER_S;
	uint8_t *mem =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(mem, MAP_FAILED);
	if (madvise(mem, page, MADV_POPULATE_WRITE) != 0) { /* before Linux 5.14 */
		munmap(mem, bytes);
		skip();
	}
	madvise(mem, bytes, MADV_NOHUGEPAGE);
	mem[0] = 7;
	assert_false(all_resident(mem, page));
	lcore_uring_populate(&u, mem, bytes);
	while (!all_resident(mem, page)) {
		assert_true(timebase_now_ns(timebase_real()) < end);
		assert_int_equal(turn(), 0); /* nobody is told */
	}
	assert_int_equal(mem[0], 7);
	munmap(mem, bytes);
}

#define PID_NS_INITIAL 0xEFFFFFFCu /* the inode of the namespace of the machine's process ids */

/* Looks at all of the kernel's workers that this thread has; they bear its number. Returns how
 * many. */
static int
workers_on(cpu_set_t *ret_union)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *e;
	char mine[32];
	int cnt = 0;

	assert_non_null(tasks);
	snprintf(mine, sizeof(mine), "iou-wrk-%d\n", gettid());
	CPU_ZERO(ret_union);
	while ((e = readdir(tasks)) != NULL) {
		char path[300], name[32] = "";
		cpu_set_t set;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		f = fopen(path, "r");
		if (f == NULL) {
			continue; /* "..", or it has ended */
		}
		if (fgets(name, sizeof(name), f) != NULL && strcmp(name, mine) == 0 &&
		    sched_getaffinity((int)strtol(e->d_name, NULL, 10), sizeof(set), &set) == 0) {
			CPU_OR(ret_union, ret_union, &set);
			cnt++;
		}
		fclose(f);
	}
	closedir(tasks);
	return cnt;
}

/* On a thread of its own: workers and where they run are a thread's. */
static void *
workers_are_kept_off(void *ret_on)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *mem = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cpu_set_t off, before, after;
	int cnt = 0;

	CPU_ZERO(&off);
	CPU_SET(sched_getcpu(), &off);
	sched_getaffinity(0, sizeof(before), &before);
	if (mem == MAP_FAILED || lcore_uring_init(&u, plain) != MB_OK) {
		return NULL;
	}
	if (lcore_uring_enable(&u) == MB_OK) {
		lcore_uring_workers_off(&u, &off);
		sched_getaffinity(0, sizeof(after), &after);
		lcore_uring_populate(&u, mem, page);
		for (int i = 0; i < 1000 && cnt == 0; i++) {
			lcore_uring_wait(&u, NS_PER_MS);
			cnt = workers_on(ret_on);
		}
		CPU_AND(&off, &off, (cpu_set_t *)ret_on);
	}
	lcore_uring_fini(&u);
	munmap(mem, page);
	return cnt > 0 && CPU_COUNT(&off) == 0 && CPU_EQUAL(&before, &after) ? ret_on : NULL;
}

/* Also where the thread itself may run on that cpu only: then its workers may be anywhere else. */
static void
the_kernels_workers_leave_a_cpu_alone(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *mem = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cpu_set_t on, set, one;
	struct stat pids;
	pthread_t thread;
	void *result;
	int rc;

	assert_ptr_not_equal(mem, MAP_FAILED);
	rc = madvise(mem, page, MADV_POPULATE_WRITE);
	munmap(mem, page);
	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	if (rc != 0 || CPU_COUNT(&set) < 2) { /* before Linux 5.14; nowhere to go */
		skip();
	}
	/* Workers bear the number that their thread has outside of a container: not known here. */
	if (stat("/proc/self/ns/pid", &pids) != 0 || pids.st_ino != PID_NS_INITIAL) {
		skip();
	}
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	for (int bound = 0; bound < 2; bound++) {
		assert_int_equal(sched_setaffinity(0, sizeof(set), bound != 0 ? &one : &set), 0);
		assert_int_equal(pthread_create(&thread, NULL, workers_are_kept_off, &on), 0);
		assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
		assert_int_equal(pthread_join(thread, &result), 0);
		assert_non_null(result);
		assert_true(CPU_COUNT(&on) > 0);
	}
}

/* ---- both kinds ------------------------------------------------------------------------------ */

static int
open_ring(void **state)
{
	int err = lcore_uring_init(&u, plain);

	if (err == MB_OK) {
		err = lcore_uring_enable(&u);
	}
	return err;
}

static int
close_ring(void **state)
{
	lcore_uring_fini(&u);
	return 0;
}

#define ON_A_RING(test) cmocka_unit_test_setup_teardown(test, open_ring, close_ring)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_io_uring_there_is_a_typed_error),
		ON_A_RING(what_is_not_watched_cannot_be_unwatched),
		ON_A_RING(one_watch_too_many_is_refused),
		ON_A_RING(a_closed_fd_is_told_as_an_error_and_forgotten),
		ON_A_RING(every_write_is_told_though_nobody_reads),
		ON_A_RING(what_was_there_before_the_watch_is_told),
		ON_A_RING(a_hang_up_is_told),
		ON_A_RING(after_unwatch_nothing_is_told_not_even_what_was_on_the_way),
		ON_A_RING(a_callback_may_unwatch_itself),
		ON_A_RING(unwatch_lets_the_file_go),
		ON_A_RING(a_wait_without_events_ends_when_its_time_is_over),
		ON_A_RING(completions_come_to_who_asked),
		ON_A_RING(many_requests_all_complete),
		ON_A_RING(memory_is_there_before_anybody_touches_it),
		cmocka_unit_test(the_kernels_workers_leave_a_cpu_alone),
	};
	int failed = cmocka_run_group_tests_name("as this kernel can", tests, NULL, NULL);

	plain = true;
	return failed + cmocka_run_group_tests_name("plain", tests, NULL, NULL);
}
