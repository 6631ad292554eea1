/* SPDX-License-Identifier: Apache-2.0 */
/* badlink HOST FAR SEED [delay TIME [JITTER]] [loss P%] [duplicate P%] [reorder P%]
 *
 * A cable between two interfaces that mistreats what goes to HOST, frame by frame, in netem's
 * words (tc-netem), for kernels without netem. What comes from HOST passes untouched.
 *
 *	delay      each frame comes TIME later, give or take JITTER: then they overtake each other
 *	loss       so many are lost
 *	duplicate  so many come twice
 *	reorder    so many are not delayed
 *
 * The same SEED makes the same choices. Prints "ready", and at SIGTERM what it did:
 * "passed N lost N doubled N hurried N full N". At most WAIT_MAX frames wait: more are lost.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "compiler.h"
#include "rng.h"
#include "timebase.h"

#define FRAME_MAX 9216
#define WAIT_MAX  8192
#define BURST     64
#define PPM       1000000u

struct frame {
	uint64_t due_ns;
	uint64_t seq; /* of frames that are due together the earlier goes first */
	uint32_t len;
	uint8_t *data;
};

struct link {
	int host, far;
	uint64_t delay_ns, jitter_ns;
	uint32_t loss_ppm, double_ppm, hurry_ppm;
	struct rng rng;
	struct frame wait[WAIT_MAX]; /* a heap: the first is due first */
	uint32_t wait_cnt;
	uint64_t seq;
	uint64_t passed, lost, doubled, hurried, full;
};

static void
die(const char *what)
{
	fprintf(stderr, "badlink: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool
chance(struct link *l, uint32_t ppm)
{
	return ppm > 0 && rng_u64(&l->rng) % PPM < ppm;
}

/* A full queue of the interface loses the frame, as a wire would. */
static void
out(struct link *l, int fd, const uint8_t *data, size_t len)
{
	if (send(fd, data, len, MSG_DONTWAIT) == (ssize_t)len) {
		l->passed += fd == l->host;
	} else {
		l->full += fd == l->host;
	}
}

/* ---------------------------------------------------------------- the waiting */

static bool
sooner(const struct frame *a, const struct frame *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->seq < b->seq;
}

static void
swap(struct frame *a, struct frame *b)
{
	struct frame t = *a;

	*a = *b;
	*b = t;
}

static void
wait_add(struct link *l, const uint8_t *data, uint32_t len, uint64_t due_ns)
{
	struct frame f = { .due_ns = due_ns, .seq = l->seq++, .len = len };
	uint32_t i = l->wait_cnt;

	if (i == WAIT_MAX || (f.data = malloc(len)) == NULL) {
		l->full++;
		return;
	}
	memcpy(f.data, data, len);
	l->wait[l->wait_cnt++] = f;
	for (; i > 0 && sooner(&l->wait[i], &l->wait[(i - 1) / 2]); i = (i - 1) / 2) {
		swap(&l->wait[i], &l->wait[(i - 1) / 2]);
	}
}

static struct frame
wait_take(struct link *l)
{
	struct frame first = l->wait[0];
	uint32_t i = 0;

	l->wait[0] = l->wait[--l->wait_cnt];
	for (;;) {
		uint32_t least = i;

		for (uint32_t k = 2 * i + 1; k <= 2 * i + 2 && k < l->wait_cnt; k++) {
			least = sooner(&l->wait[k], &l->wait[least]) ? k : least;
		}
		if (least == i) {
			return first;
		}
		swap(&l->wait[i], &l->wait[least]);
		i = least;
	}
}

/* ----------------------------------------------------------------- mistreating */

static void
mistreat(struct link *l, const uint8_t *data, uint32_t len)
{
	uint32_t copies = 1;

	if (chance(l, l->loss_ppm)) {
		l->lost++;
		return;
	}
	if (chance(l, l->double_ppm)) {
		l->doubled++;
		copies = 2;
	}
	for (; copies > 0; copies--) {
		bool hurry = chance(l, l->hurry_ppm);
		uint64_t late = l->delay_ns;

		if (l->jitter_ns > 0) {
			uint64_t least = late - MIN(late, l->jitter_ns);

			late = least + rng_u64(&l->rng) % (2 * l->jitter_ns);
		}
		l->hurried += hurry;
		if (late == 0 || hurry) {
			out(l, l->host, data, len);
		} else {
			wait_add(l, data, len, timebase_now_ns(timebase_real()) + late);
		}
	}
}

static void
pump(struct link *l, int from)
{
	uint8_t data[FRAME_MAX];

	for (int i = 0; i < BURST; i++) {
		ssize_t n = recv(from, data, sizeof(data), MSG_DONTWAIT);

		if (n <= 0) {
			return; /* an interface that goes down says so once */
		}
		if (from == l->far) {
			mistreat(l, data, (uint32_t)n);
		} else {
			out(l, l->far, data, (size_t)n);
		}
	}
}

/* ------------------------------------------------------------------------ start */

static int
open_on(const char *name)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1, room = 4 << 20;

	if (fd < 0 || at.sll_ifindex == 0) {
		die(name);
	}
	/* What we send ourselves does not come back. */
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) != 0 ||
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
		die(name);
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) != 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	}
	return fd;
}

/* "1.5ms", "100us": nanoseconds. False if it is none. */
static bool
time_of(const char *text, uint64_t *ret)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };
	char *end;
	double n = strtod(text, &end);

	for (size_t i = 0; i < ARRAY_CNT(units); i++) {
		if (end != text && n >= 0 && n < 1e6 && strcmp(end, units[i].unit) == 0) {
			*ret = (uint64_t)(n * units[i].ns);
			return true;
		}
	}
	return false;
}

static bool
share_of(const char *text, uint32_t *ret)
{
	char *end;
	double n = strtod(text, &end);

	if (!(n >= 0 && n <= 100) || end == text || strcmp(end, "%") != 0) {
		return false;
	}
	*ret = (uint32_t)(n / 100 * PPM);
	return true;
}

static uint32_t *
share_named(struct link *l, const char *name)
{
	return strcmp(name, "loss") == 0        ? &l->loss_ppm
	       : strcmp(name, "duplicate") == 0 ? &l->double_ppm
	       : strcmp(name, "reorder") == 0   ? &l->hurry_ppm
						: NULL;
}

static bool
options(struct link *l, char **arg)
{
	for (; *arg != NULL; arg += 2) {
		uint32_t *share = share_named(l, arg[0]);

		if (arg[1] == NULL) {
			return false;
		}
		if (share != NULL) {
			if (!share_of(arg[1], share)) {
				return false;
			}
		} else if (strcmp(arg[0], "delay") != 0 || !time_of(arg[1], &l->delay_ns)) {
			return false;
		} else if (arg[2] != NULL && time_of(arg[2], &l->jitter_ns)) {
			arg++;
		}
	}
	return true;
}

int
main(int argc, char **argv)
{
	static struct link l;
	struct pollfd fds[3];
	sigset_t ends;

	if (argc < 4 || !options(&l, argv + 4)) {
		fprintf(stderr, "usage: badlink HOST FAR SEED [delay TIME [JITTER]] [loss P%%] "
				"[duplicate P%%] [reorder P%%]\n");
		return 2;
	}
	rng_init(&l.rng, strtoull(argv[3], NULL, 10));
	l.host = open_on(argv[1]);
	l.far = open_on(argv[2]);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* the cable goes with the test that laid it */
	prctl(PR_SET_TIMERSLACK, 1);
	fds[0] = (struct pollfd){ l.host, POLLIN, 0 };
	fds[1] = (struct pollfd){ l.far, POLLIN, 0 };
	fds[2] = (struct pollfd){ signalfd(-1, &ends, SFD_CLOEXEC), POLLIN, 0 };
	puts("ready");
	fflush(stdout);
	while ((fds[2].revents & POLLIN) == 0) {
		uint64_t now = timebase_now_ns(timebase_real());
		uint64_t left = l.wait_cnt > 0 ? l.wait[0].due_ns - MIN(now, l.wait[0].due_ns) : 0;
		struct timespec t = { (time_t)(left / NS_PER_S), (long)(left % NS_PER_S) };

		if (ppoll(fds, 3, l.wait_cnt > 0 ? &t : NULL, NULL) < 0 && errno != EINTR) {
			die("poll");
		}
		pump(&l, l.host);
		pump(&l, l.far);
		for (now = timebase_now_ns(timebase_real());
		     l.wait_cnt > 0 && l.wait[0].due_ns <= now;) {
			struct frame f = wait_take(&l);

			out(&l, l.host, f.data, f.len);
			free(f.data);
		}
	}
	printf("passed %llu lost %llu doubled %llu hurried %llu full %llu\n",
	       (unsigned long long)l.passed, (unsigned long long)l.lost,
	       (unsigned long long)l.doubled, (unsigned long long)l.hurried,
	       (unsigned long long)l.full);
	return 0;
}
