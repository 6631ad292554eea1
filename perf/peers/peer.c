/* SPDX-License-Identifier: Apache-2.0 */
/* peer.c - see peer.h */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <microburst/error.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cores.h"
#include "timebase.h"

#define START_WAIT_NS (10 * NS_PER_S)
#define ARG_MAX_CNT   24

static const struct {
	const char *program, *package;
} kinds[] = {
	[PEER_REDIS] = { "redis-server", "redis-server" },
	[PEER_MEMCACHED] = { "memcached", "memcached" },
};

const char *
peer_program(enum peer_kind kind)
{
	return kinds[kind].program;
}

const char *
peer_package(enum peer_kind kind)
{
	return kinds[kind].package;
}

bool
peer_there(enum peer_kind kind)
{
	const char *path = getenv("PATH");
	char list[4096], file[4096], *rest = NULL;

	snprintf(list, sizeof(list), "%s", path != NULL ? path : "/usr/bin");
	for (char *dir = strtok_r(list, ":", &rest); dir != NULL;
	     dir = strtok_r(NULL, ":", &rest)) {
		if (snprintf(file, sizeof(file), "%s/%s", dir, kinds[kind].program) <
			    (int)sizeof(file) &&
		    access(file, X_OK) == 0) {
			return true;
		}
	}
	return false;
}

static void
socket_path(const struct peer *p, char ret[PEER_PATH_MAX])
{
	snprintf(ret, PEER_PATH_MAX, "%.100s/socket", p->dir);
}

/* ------------------------------------------------------------------- server */

/* A port of loopback that nobody listens at. Whoever takes it before the server does makes the
 * server fail, which is told. */
static uint16_t
port_find(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool found = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
		     getsockname(fd, (struct sockaddr *)&at, &len) == 0;

	if (fd >= 0) {
		close(fd);
	}
	return found ? ntohs(at.sin_port) : 0;
}

/* Nothing on disk, one thread that serves. */
static void
arguments(const struct peer *p, enum peer_kind kind, const char *path, const char *port,
	  const char *argv[ARG_MAX_CNT])
{
	int n = 0;

	argv[n++] = kinds[kind].program;
	if (kind == PEER_REDIS) {
		static const char *const fixed[] = {
			"--save", "",       "--appendonly", "no",    "--daemonize",
			"no",     "--bind", "127.0.0.1",    "--port"
		};

		for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
			argv[n++] = fixed[i];
		}
		argv[n++] = p->port != 0 ? port : "0";
		argv[n++] = "--unixsocket";
		argv[n++] = path;
	} else {
		argv[n++] = "-t";
		argv[n++] = "1";
		argv[n++] = "-u";
		argv[n++] = "nobody"; /* asked for when it is root */
		if (p->port != 0) {
			argv[n++] = "-l";
			argv[n++] = "127.0.0.1";
			argv[n++] = "-p";
			argv[n++] = port;
		} else {
			argv[n++] = "-s";
			argv[n++] = path;
			argv[n++] = "-a";
			argv[n++] = "0777";
		}
	}
	argv[n] = NULL;
}

static void __attribute__((__noreturn__))
server_exec(const struct peer *p, enum peer_kind kind, int cpu, pid_t parent)
{
	const char *argv[ARG_MAX_CNT];
	char path[PEER_PATH_MAX], port[8];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	socket_path(p, path);
	snprintf(port, sizeof(port), "%u", (unsigned)p->port);
	arguments(p, kind, path, port, argv);
	/* It ends with us, whatever happens to us. */
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || cores_bind(cpu) != 0) {
		_exit(127);
	}
	setpgid(0, 0); /* Ctrl-C at a terminal is for us */
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* --------------------------------------------------------------- connection */

static int
connect_tcp(const struct peer *p)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(p->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		close(fd);
		return -1;
	}
	if (fd >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	return fd;
}

static int
connect_unix(const struct peer *p)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char path[PEER_PATH_MAX];

	socket_path(p, path);
	snprintf(at.sun_path, sizeof(at.sun_path), "%.107s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
peer_connect(struct peer *p, enum peer_kind kind)
{
	uint64_t until = timebase_now_ns(timebase_real()) + START_WAIT_NS;
	struct timespec pause = { .tv_nsec = 2 * NS_PER_MS };
	int status;

	while ((p->fd = p->port != 0 ? connect_tcp(p) : connect_unix(p)) < 0) {
		if (waitpid(p->pid, &status, WNOHANG) == p->pid) {
			p->pid = 0;
			fprintf(stderr, "bench: %s ended while it started\n", peer_program(kind));
			return MB_ERR_IO;
		}
		if (timebase_now_ns(timebase_real()) > until) {
			fprintf(stderr, "bench: %s does not serve\n", peer_program(kind));
			return MB_ERR_DEADLINE;
		}
		nanosleep(&pause, NULL);
	}
	return 0;
}

int
peer_start(struct peer *p, enum peer_kind kind, bool tcp, int cpu, bool spins)
{
	const char *tmp = getenv("TMPDIR");
	pid_t parent = getpid();
	int err;

	*p = (struct peer){ .fd = -1, .spins = spins, .port = tcp ? port_find() : 0 };
	snprintf(p->dir, sizeof(p->dir), "%.80s/microburst-peer-XXXXXX",
		 tmp != NULL ? tmp : "/tmp");
	/* memcached gives up being root before it makes its socket. */
	if (mkdtemp(p->dir) == NULL || chmod(p->dir, 0777) != 0 || (tcp && p->port == 0)) {
		fprintf(stderr, "bench: %s: %s\n", p->dir, strerror(errno));
		return MB_ERR_IO;
	}
	p->pid = fork();
	if (p->pid == 0) {
		server_exec(p, kind, cpu, parent);
	}
	err = p->pid < 0 ? MB_ERR_NO_MEMORY : peer_connect(p, kind);
	if (err != 0) {
		peer_stop(p);
	}
	return err;
}

void
peer_stop(struct peer *p)
{
	char path[PEER_PATH_MAX];
	int status;

	if (p->dir[0] == '\0') {
		return;
	}
	if (p->fd >= 0) {
		close(p->fd);
	}
	if (p->pid > 0) {
		kill(p->pid, SIGKILL); /* it keeps nothing */
		waitpid(p->pid, &status, 0);
	}
	socket_path(p, path);
	unlink(path);
	rmdir(p->dir);
	*p = (struct peer){ .fd = -1 };
}

/* ----------------------------------------------------------------- exchange */

static ssize_t
receive(struct peer *p, char *buf, size_t bytes)
{
	ssize_t n;

	while ((n = recv(p->fd, buf, bytes, p->spins ? MSG_DONTWAIT : 0)) < 0 &&
	       (errno == EAGAIN || errno == EINTR)) {
		cores_relax();
	}
	return n;
}

int
peer_exchange(struct peer *p, const char *request, size_t request_len, const char *want,
	      size_t want_len)
{
	char got[PEER_REQUEST_MAX];
	size_t len = 0;

	if (want_len > sizeof(got) ||
	    send(p->fd, request, request_len, MSG_NOSIGNAL) != (ssize_t)request_len) {
		return MB_ERR_IO;
	}
	while (len < want_len) {
		ssize_t n = receive(p, got + len, want_len - len);

		if (n <= 0) {
			return MB_ERR_IO;
		}
		len += (size_t)n;
		if (memcmp(got, want, len) != 0) {
			fprintf(stderr, "bench: the peer answered: %.*s\n", (int)len, got);
			return MB_ERR_CORRUPT;
		}
	}
	return 0;
}
