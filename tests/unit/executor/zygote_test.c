/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a zygote spawns children of the node's own, has nothing of the node's, goes when the node
 *         goes, and takes no nonsense.
 * Method: what /proc says of it; messages that mean nothing; a node that hangs up, one that dies.
 *         */
#include "process_fixture.h"

#include <dirent.h>
#include <poll.h>

/* The number of open descriptors of a process; -1 when it is not ours to see. */
static int
fd_cnt(pid_t pid)
{
	char path[64];
	int cnt = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (dir == NULL) {
		return -1;
	}
	while (readdir(dir) != NULL) {
		cnt++;
	}
	closedir(dir);
	return cnt - 2;
}

static void
it_keeps_nothing_of_the_node_s(void **state)
{
	char path[64], environ_text[4096] = "";
	int cnt = fd_cnt(node.zygote);
	FILE *f;

	if (cnt >= 0) { /* 0, 1, 2, the socket, procfs, which files may be read */
		assert_in_range(cnt, 4, 6);
	}
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)node.zygote);
	f = fopen(path, "r");
	if (f != NULL) {
		size_t len = fread(environ_text, 1, sizeof(environ_text) - 1, f);

		for (size_t i = 0; i < len; i++) {
			assert_int_equal(environ_text[i], '\0');
		}
		fclose(f);
	}
}

/* A daemon that is protected from it does not protect functions. */
static void
it_is_the_first_to_go_when_memory_ends(void **state)
{
	char path[64], text[16] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)x.pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_true(strtol(text, NULL, 10) >= 500);
}

static void
nonsense_is_passed_over(void **state)
{
	struct domain_msg m = { .kind = 77 };
	struct node_exec other;
	int fd = node.event_fd;

	assert_int_equal(domain_sock_send(node.zygote_sock, &m, NULL, NULL, 0), 0);
	assert_int_equal(domain_sock_send(node.zygote_sock, &m, NULL, &fd, 1), 0);
	m.kind = ZYGOTE_SPAWN; /* without a socket */
	assert_int_equal(domain_sock_send(node.zygote_sock, &m, NULL, NULL, 0), 0);
	assert_int_equal(write(node.zygote_sock, "not a message", 13), 13);
	assert_true(node_spawn(&node, &other, PROC + 3));
	node_end(&node, &other, 0);
}

/* Many at once: nothing piles up. */
static void
children_come_and_go(void **state)
{
	static struct node_exec many[20];
	int before = fd_cnt(node.zygote);

	for (int turn = 0; turn < 3; turn++) {
		for (uint16_t i = 0; i < 20; i++) {
			assert_true(node_spawn(&node, &many[i], (uint16_t)(20 + i)));
		}
		for (uint16_t i = 0; i < 20; i++) {
			assert_int_equal(load_all(&many[i]), 0);
			node_call(&node, &many[i], id_of("fine"), slice_of(NULL, 0), CALL_MS,
				  &reply);
			assert_int_equal(reply.err, 0);
		}
		for (uint16_t i = 0; i < 20; i++) {
			node_end(&node, &many[i], 0);
		}
	}
	assert_int_equal(fd_cnt(node.zygote), before);
}

/* A node that dies takes its zygote and its executors along, whatever they do. */
static void
all_die_with_the_node(void **state)
{
	struct pollfd p = { .events = POLLIN };
	int fds[2];
	pid_t child;
	char byte;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		static struct node doomed;
		struct node_exec e;

		/* The pipe stays open in whoever survives. The executor closes all it does not
		 * know, so it is asked for by its id instead. */
		if (!node_start(&doomed, executor_path, "full") || !node_spawn(&doomed, &e, PROC) ||
		    load_all(&e) != 0) {
			_exit(1);
		}
		if (write(fds[1], &e.pid, sizeof(e.pid)) != sizeof(e.pid) ||
		    write(fds[1], &doomed.zygote, sizeof(doomed.zygote)) != sizeof(doomed.zygote)) {
			_exit(1);
		}
		node_call(&doomed, &e, id_of("loop"), slice_of(NULL, 0), 60000, &reply);
		_exit(1);
	}
	close(fds[1]);
	for (int i = 0; i < 2; i++) {
		pid_t pid;

		assert_int_equal(read(fds[0], &pid, sizeof(pid)), sizeof(pid));
		if (i == 0) {
			p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
		} else {
			struct pollfd z = { .fd = (int)syscall(SYS_pidfd_open, pid, 0),
					    .events = POLLIN };

			assert_true(z.fd >= 0);
			assert_int_equal(poll(&z, 1, 0), 0);
			kill(child, SIGKILL);
			assert_int_equal(poll(&z, 1, 60000), 1);
			close(z.fd);
		}
	}
	assert_true(p.fd >= 0);
	assert_int_equal(poll(&p, 1, 60000), 1);
	close(p.fd);
	assert_int_equal(read(fds[0], &byte, 1), 0);
	close(fds[0]);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

PROCESS_MAIN(TEST(it_keeps_nothing_of_the_node_s), TEST(it_is_the_first_to_go_when_memory_ends),
	     TEST(nonsense_is_passed_over), TEST(children_come_and_go), TEST(all_die_with_the_node))
