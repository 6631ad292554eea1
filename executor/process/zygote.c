/* SPDX-License-Identifier: Apache-2.0 */
#include "zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "compiler.h"
#include "load.h"
#include "microburst/error.h"
#include "sandbox.h"
#include "spare.h"
#include "timebase.h"

#define ZYGOTE_FD 3 /* where the socket ends up, everything above is closed */

extern char **environ;

static char text[DOMAIN_TEXT_MAX + 1];

/* What the daemon's environment held is nothing for functions to read. */
static void
wipe_environment(void)
{
	for (char **e = environ; e != NULL && *e != NULL; e++) {
		explicit_bzero(*e, strlen(*e));
	}
	clearenv();
}

/* Executors go before the daemon, whatever it was given: they hold nothing that is not elsewhere.
 * Raising is everybody's right. */
static void
first_to_go(void)
{
	static const char most[] = "500";
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!write(fd, most, sizeof(most) - 1);
		close(fd);
	}
}

/* Out of the reach of the daemon's terminal: Ctrl-C is the daemon's business, and a function has
 * none with the terminal. Not by a session of its own, if it can be: Linux shares cpus out between
 * sessions first (autogroup), and an lcore that gives its cpu away gives it to its own session. */
static void
terminal_leave(void)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	bool away = fd >= 0 ? ioctl(fd, TIOCNOTTY) == 0 : errno == ENXIO; /* there is none */

	if (fd >= 0) {
		close(fd);
	}
	if (!away || setpgid(0, 0) != 0) {
		(void)setsid();
	}
}

/* As a process of its own. */
static bool
stand_alone(const struct zygote_conf *conf)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;
	int null;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != conf->parent) {
		return false;
	}
	terminal_leave();
	for (int s = 1; s < NSIG; s++) {
		(void)sigaction(s, &dfl, NULL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0) {
		return false;
	}
	if (conf->sock != ZYGOTE_FD && dup2(conf->sock, ZYGOTE_FD) < 0) {
		return false;
	}
	return fcntl(ZYGOTE_FD, F_SETFD, FD_CLOEXEC) == 0 &&
	       syscall(SYS_close_range, ZYGOTE_FD + 1, UINT32_MAX, 0) == 0;
}

/* Forks a child whose parent is ours, and returns its id; 0 in the child. */
static long
fork_for_parent(int *ret_pidfd)
{
	/* No exit signal of its own is to be named: it sends its parent the one that we would. */
	struct clone_args args = { .flags = CLONE_PARENT | CLONE_PIDFD,
				   .pidfd = (uintptr_t)ret_pidfd };

	return syscall(SYS_clone3, &args, sizeof(args));
}

static int
spawn(struct sandbox *sb, const struct domain_msg *m, int sock)
{
	struct domain_msg answer = { .kind = ZYGOTE_SPAWNED,
				     .proc = m->proc,
				     .word = { m->word[0] } };
	int pidfd = -1;
	long pid = fork_for_parent(&pidfd);
	int err;

	if (pid == 0) {
		close(ZYGOTE_FD);
		(void)dup2(STDOUT_FILENO, STDERR_FILENO); /* a function's complaints are no one's */
		sandbox_spawned(sb);
		spare_run(sb, sock);
	}
	close(sock);
	answer.err = (int16_t)(pid > 0           ? 0
			       : errno == ENOSYS ? MB_ERR_NOT_SUPPORTED
						 : MB_ERR_NO_MEMORY);
	answer.word[1] = pid > 0 ? (uint64_t)pid : 0;
	err = domain_sock_send(ZYGOTE_FD, &answer, NULL, &pidfd, pid > 0 ? 1 : 0);
	if (pidfd >= 0) {
		close(pidfd);
	}
	return err;
}

static int
serve(struct sandbox *sb)
{
	for (;;) {
		struct domain_msg m;
		int sock;
		int err = domain_sock_recv(ZYGOTE_FD, -1, &m, text, &sock, 1);

		if (err == MB_ERR_CORRUPT) {
			continue;
		}
		if (err != 0) {
			return err;
		}
		if (m.fd_cnt == 1 && m.kind != ZYGOTE_SPAWN) {
			close(sock);
		} else if (m.fd_cnt == 1) {
			err = spawn(sb, &m, sock);
		}
		if (err != 0) {
			return err;
		}
	}
}

int
zygote_run(const struct zygote_conf *conf)
{
	static struct sandbox sb;
	struct domain_msg ready = { .kind = ZYGOTE_READY };
	char why[SANDBOX_WHY_BYTES];
	int err;

	wipe_environment();
	if (!stand_alone(conf)) {
		return EXIT_FAILURE;
	}
	first_to_go();
	timebase_tsc_calibrate();
	err = sandbox_jail(&sb, conf->sandbox_off, conf->uid_base, conf->parent, why);
	ready.err = (int16_t)err;
	ready.text_len = (uint32_t)strlen(why);
	ready.word[0] = sb.bits;
	if (domain_sock_send(ZYGOTE_FD, &ready, why, NULL, 0) != 0 || err != 0) {
		return EXIT_FAILURE;
	}
	/* The daemon ends us by hanging up, which is as it should be. */
	return serve(&sb) == MB_ERR_NO_NODE ? EXIT_SUCCESS : EXIT_FAILURE;
}
