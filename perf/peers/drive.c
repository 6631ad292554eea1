/* SPDX-License-Identifier: Apache-2.0 */
/* drive.c - load for whatever speaks RESP, at a rate or as fast as it answers
 *
 *   drive --port 6379 --connections 50 --pipeline 16 --seconds 1 -- SET key:__key__ __value__
 *
 * The words behind -- are the command; __key__ is twelve digits, drawn anew for each request,
 * __value__ so many bytes as --value says. A line of JSON tells the rate and the latencies.
 *
 *   closed  each connection sends a pipeline, waits for its replies, and sends the next one.
 *   open    with --rate: a pipeline is due every pipeline / rate seconds, at one connection after
 *           the other, and is sent whether or not the one before is answered. Its latency counts
 *           from when it was due: time that the server stole from requests that should have been
 *           sent is in the figure (no coordinated omission).
 *
 * So is time for which the driver itself had no cpu, which is no server's. With --spin it knows
 * how long that was: it looks at the clock after each system call, and none of them waits, so a
 * look STOP_NS behind the last one is a stop of the driver's. Beside the figures of all requests
 * stand those of the driver awake: requests that were sent when they were due, their latency less
 * the driver's stops meanwhile. What it sends behind a stop, until it is no longer late, is not in
 * them, and its share is told. A stop of the server's is in both: the driver looks on meanwhile.
 *
 * A reply that is an error ends the run: a figure of errors would be one of nothing.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <microburst/error.h>

#include "compiler.h"
#include "hist.h"
#include "reply.h"
#include "rng.h"
#include "timebase.h"

#define WORD_MAX   16
#define HOLE_MAX   4 /* __key__ in one request */
#define KEY_DIGITS 12
#define DUE_CNT                                                                                    \
	4096 /* pipelines of a connection that are not answered: what is behind that is
			 * no latency any more, but a server that cannot */
#define EVENT_CNT  256
#define RECV_BYTES (256u << 10)
#define STOP_NS    (100 * NS_PER_US) /* a system call that does not wait takes 1 to 20 us */
#define SENT_LATE  UINT64_MAX
#define FLAG_EACH  256
#define FLAG_KEYS  257

struct options {
	const char *socket, *word[WORD_MAX];
	uint16_t port;
	uint32_t word_cnt, conn_cnt, pipeline, value_bytes;
	uint64_t key_cnt, seed;
	double seconds, warm_seconds, rate;
	bool each, spins;
};

struct conn {
	int fd;
	struct reply reply;
	uint8_t *out; /* not sent yet */
	size_t out_len, out_at, out_cap;
	uint64_t due_ns[DUE_CNT], stopped_ns[DUE_CNT]; /* stopped_ns of drive then, or SENT_LATE */
	uint32_t head, tail;                           /* pipelines answered, sent */
	uint32_t answered;                             /* replies of the one at head */
};

struct drive {
	struct options opt;
	struct conn *conn;
	uint8_t *request, *batch, *in;
	size_t request_len, request_cap, hole[HOLE_MAX];
	uint32_t hole_cnt;
	int epoll;
	struct rng rng;
	uint64_t now_ns, count_from_ns, until_ns;
	uint64_t key_next;   /* of --each */
	uint64_t sent, done; /* requests, all */
	uint64_t counted;    /* after the warm-up */
	uint64_t next_due_ns;
	uint32_t next_conn;
	uint64_t stopped_ns; /* the driver's stops until now, together */
	bool late;           /* it had one, and has not sent all yet that was due by now */
	struct hist hist, awake;
};

static void __attribute__((__format__(__printf__, 1, 2), __noreturn__)) die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "drive: ");
	vfprintf(stderr, format, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	exit(1);
}

static void *
memory(size_t bytes)
{
	void *p = calloc(1, bytes);

	if (p == NULL) {
		die("no memory");
	}
	return p;
}

static void
now_look(struct drive *d)
{
	uint64_t now_ns = timebase_now_ns(timebase_real());

	if (d->opt.spins && now_ns - d->now_ns > STOP_NS) {
		d->stopped_ns += now_ns - d->now_ns;
		d->late = true;
	}
	d->now_ns = now_ns;
}

/* ------------------------------------------------------------------ the request */

/* A line that says how much follows. */
static void
request_head(struct drive *d, char kind, size_t n)
{
	d->request_len += (size_t)snprintf((char *)d->request + d->request_len,
					   d->request_cap - d->request_len, "%c%zu\r\n", kind, n);
}

/* Puts a word into the request: its text with what the holes stand for. */
static void
word_put(struct drive *d, const char *word)
{
	const struct options *o = &d->opt;
	const char *key = strstr(word, "__key__"), *value = strstr(word, "__value__");
	size_t len = strlen(word);
	size_t real = key != NULL     ? len - strlen("__key__") + KEY_DIGITS
		      : value != NULL ? len - strlen("__value__") + o->value_bytes
				      : len;
	uint8_t *p;
	size_t before;

	request_head(d, '$', real);
	p = d->request + d->request_len;
	if (key != NULL) {
		before = (size_t)(key - word);
		memcpy(p, word, before);
		if (d->hole_cnt == HOLE_MAX) {
			die("too many keys in one command");
		}
		d->hole[d->hole_cnt++] = d->request_len + before;
		memset(p + before, '0', KEY_DIGITS);
		memcpy(p + before + KEY_DIGITS, key + strlen("__key__"),
		       len - before - strlen("__key__"));
	} else if (value != NULL) {
		before = (size_t)(value - word);
		memcpy(p, word, before);
		for (uint32_t i = 0; i < o->value_bytes; i++) {
			p[before + i] = (uint8_t)('a' + rng_below(&d->rng, 26));
		}
		memcpy(p + before + o->value_bytes, value + strlen("__value__"),
		       len - before - strlen("__value__"));
	} else {
		memcpy(p, word, len);
	}
	d->request_len += real;
	memcpy(d->request + d->request_len, "\r\n", 2);
	d->request_len += 2;
}

static void
request_make(struct drive *d)
{
	size_t bytes = 32;

	for (uint32_t i = 0; i < d->opt.word_cnt; i++) {
		bytes += strlen(d->opt.word[i]) + d->opt.value_bytes + 2UL * KEY_DIGITS + 32;
	}
	d->request = memory(bytes);
	d->request_cap = bytes;
	request_head(d, '*', d->opt.word_cnt);
	for (uint32_t i = 0; i < d->opt.word_cnt; i++) {
		word_put(d, d->opt.word[i]);
	}
	d->batch = memory(d->request_len * d->opt.pipeline);
	for (uint32_t i = 0; i < d->opt.pipeline; i++) {
		memcpy(d->batch + i * d->request_len, d->request, d->request_len);
	}
}

/* Draws new keys for the pipeline that is sent next. */
static void
keys_draw(struct drive *d)
{
	for (uint32_t i = 0; d->hole_cnt > 0 && i < d->opt.pipeline; i++) {
		uint64_t key = d->opt.each ? d->key_next++ % d->opt.key_cnt
					   : rng_below(&d->rng, d->opt.key_cnt);

		for (uint32_t h = 0; h < d->hole_cnt; h++) {
			uint8_t *p = d->batch + i * d->request_len + d->hole[h];
			uint64_t rest = key;

			for (int digit = KEY_DIGITS - 1; digit >= 0; digit--) {
				p[digit] = (uint8_t)('0' + rest % 10);
				rest /= 10;
			}
		}
	}
}

/* ---------------------------------------------------------------- connections */

static int
connect_once(const struct options *o)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(o->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd, one = 1;

	if (o->socket != NULL) {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", o->socket);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		return fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0 ? fd : -1;
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&in, sizeof(in)) != 0) {
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void
conns_open(struct drive *d)
{
	d->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (uint32_t i = 0; i < d->opt.conn_cnt; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.u32 = i };
		struct conn *c = &d->conn[i];

		c->fd = connect_once(&d->opt);
		if (c->fd < 0 || fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 ||
		    epoll_ctl(d->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0) {
			die("connection %u: %s", i, strerror(errno));
		}
	}
}

static void
watch_out(struct drive *d, struct conn *c, bool out)
{
	struct epoll_event e = { .events = EPOLLIN | (out ? EPOLLOUT : 0),
				 .data.u32 = (uint32_t)(c - d->conn) };

	epoll_ctl(d->epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static size_t
send_some(struct conn *c, const uint8_t *p, size_t len)
{
	ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		die("send: %s", strerror(errno));
	}
	return n > 0 ? (size_t)n : 0;
}

static void
conn_flush(struct drive *d, struct conn *c)
{
	c->out_at += send_some(c, c->out + c->out_at, c->out_len - c->out_at);
	if (c->out_at == c->out_len) {
		c->out_at = c->out_len = 0;
		watch_out(d, c, false);
	}
}

/* Sends a pipeline that was due then; what the kernel does not take is kept. */
static void
conn_send(struct drive *d, struct conn *c, uint64_t due_ns)
{
	size_t len = d->request_len * d->opt.pipeline, n = 0;

	if (c->tail - c->head == DUE_CNT) {
		die("the server does not keep up: %u pipelines of a connection wait", DUE_CNT);
	}
	c->stopped_ns[c->tail % DUE_CNT] = d->late ? SENT_LATE : d->stopped_ns;
	c->due_ns[c->tail++ % DUE_CNT] = due_ns;
	d->sent += d->opt.pipeline;
	keys_draw(d);
	if (c->out_len == 0) {
		n = send_some(c, d->batch, len);
	}
	if (n == len) {
		return;
	}
	if (c->out_len + len - n > c->out_cap) {
		c->out_cap = 2 * (c->out_len + len) + 1;
		c->out = realloc(c->out, c->out_cap);
		if (c->out == NULL) {
			die("no memory");
		}
	}
	if (c->out_len == 0) {
		watch_out(d, c, true);
	}
	memcpy(c->out + c->out_len, d->batch + n, len - n);
	c->out_len += len - n;
}

/* -------------------------------------------------------------------- replies */

static bool
closed_goes_on(const struct drive *d)
{
	return d->opt.rate <= 0 &&
	       (d->opt.each ? d->sent < d->opt.key_cnt : d->now_ns < d->until_ns);
}

static void
replied(struct drive *d, struct conn *c)
{
	uint64_t due_ns = c->due_ns[c->head % DUE_CNT];
	uint64_t stopped_ns = c->stopped_ns[c->head % DUE_CNT];

	if (c->head == c->tail) {
		die("a reply that nobody asked for");
	}
	d->done++;
	if (due_ns >= d->count_from_ns) {
		d->counted++;
		hist_add(&d->hist, d->now_ns - due_ns);
		if (stopped_ns != SENT_LATE) {
			uint64_t awake_ns = d->now_ns - due_ns,
				 stop_ns = d->stopped_ns - stopped_ns;

			hist_add(&d->awake, awake_ns > stop_ns ? awake_ns - stop_ns : 0);
		}
	}
	if (++c->answered == d->opt.pipeline) {
		c->answered = 0;
		c->head++;
		if (closed_goes_on(d)) {
			conn_send(d, c, d->now_ns);
		}
	}
}

static void
conn_read(struct drive *d, struct conn *c)
{
	ssize_t n = recv(c->fd, d->in, RECV_BYTES, 0);
	size_t at = 0, used;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		die("receive: %s", n == 0 ? "the server has closed" : strerror(errno));
	}
	now_look(d);
	while (n > 0 && at < (size_t)n) {
		int rc = reply_take(&c->reply, d->in + at, (size_t)n - at, &used);

		if (rc == 2) {
			die("the server says: %.*s", (int)used, d->in + at);
		}
		if (rc < 0) {
			die("not RESP: %.*s", (int)used, d->in + at);
		}
		at += used;
		if (rc == 1) {
			replied(d, c);
		}
	}
}

/* ------------------------------------------------------------------------ run */

/* Sends what is due by now. */
static void
open_send(struct drive *d)
{
	uint64_t step_ns = (uint64_t)(1e9 * d->opt.pipeline / d->opt.rate), by_ns = d->now_ns;

	while (d->next_due_ns <= by_ns && d->next_due_ns < d->until_ns) {
		conn_send(d, &d->conn[d->next_conn], d->next_due_ns);
		d->next_conn = (d->next_conn + 1) % d->opt.conn_cnt;
		d->next_due_ns += MAX(step_ns, UINT64_C(1));
		now_look(d);
	}
	d->late &= d->next_due_ns <= d->now_ns;
}

static void
wait_events(struct drive *d)
{
	struct epoll_event e[EVENT_CNT];
	struct timespec nap = { .tv_nsec = 100 * NS_PER_MS }, *limit = &nap;
	int n;

	if (d->opt.spins) {
		nap.tv_nsec = 0;
	} else if (d->opt.rate > 0 && d->next_due_ns < d->until_ns) {
		nap.tv_nsec = d->next_due_ns > d->now_ns
				      ? (long)MIN(d->next_due_ns - d->now_ns, 100 * NS_PER_MS)
				      : 0;
	}
	n = epoll_pwait2(d->epoll, e, EVENT_CNT, limit, NULL);
	for (int i = 0; i < n; i++) {
		struct conn *c = &d->conn[e[i].data.u32];

		if ((e[i].events & EPOLLOUT) != 0) {
			conn_flush(d, c);
		}
		if ((e[i].events & ~(uint32_t)EPOLLOUT) != 0) {
			conn_read(d, c);
		}
	}
	now_look(d);
}

static double
run(struct drive *d)
{
	uint64_t began_ns, end_ns;

	now_look(d);
	began_ns = d->now_ns;
	d->count_from_ns = began_ns + (uint64_t)(d->opt.warm_seconds * 1e9);
	d->until_ns = d->count_from_ns + (uint64_t)(d->opt.seconds * 1e9);
	d->next_due_ns = began_ns;
	for (uint32_t i = 0; d->opt.rate <= 0 && i < d->opt.conn_cnt && closed_goes_on(d); i++) {
		conn_send(d, &d->conn[i], d->now_ns);
	}
	end_ns = d->until_ns + 10 * NS_PER_S;
	while (d->done < d->sent || (d->opt.rate > 0 && d->next_due_ns < d->until_ns)) {
		if (d->opt.rate > 0) {
			open_send(d);
		}
		wait_events(d);
		if (!d->opt.each && d->now_ns > end_ns) {
			die("%llu requests were not answered within 10 s",
			    (unsigned long long)(d->sent - d->done));
		}
	}
	return (double)(d->now_ns - MIN(d->count_from_ns, d->now_ns)) / 1e9;
}

static int
parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'p':
		o->port = (uint16_t)strtoul(arg, NULL, 10);
		break;
	case 's':
		o->socket = arg;
		break;
	case 'c':
		o->conn_cnt = (uint32_t)strtoul(arg, NULL, 10);
		break;
	case 'P':
		o->pipeline = (uint32_t)strtoul(arg, NULL, 10);
		break;
	case 'v':
		o->value_bytes = (uint32_t)strtoul(arg, NULL, 10);
		break;
	case 't':
		o->seconds = strtod(arg, NULL);
		break;
	case 'w':
		o->warm_seconds = strtod(arg, NULL);
		break;
	case 'r':
		o->rate = strtod(arg, NULL);
		break;
	case 'S':
		o->spins = true;
		break;
	case 'R':
		o->seed = strtoull(arg, NULL, 10);
		break;
	case FLAG_EACH:
		o->each = true;
		break;
	case FLAG_KEYS:
		o->key_cnt = strtoull(arg, NULL, 10);
		break;
	case ARGP_KEY_ARG:
		if (o->word_cnt == WORD_MAX) {
			argp_error(state, "too many words");
		}
		o->word[o->word_cnt++] = arg;
		break;
	case ARGP_KEY_END:
		if (o->word_cnt == 0 || (o->port == 0) == (o->socket == NULL) || o->conn_cnt == 0 ||
		    o->pipeline == 0 || o->key_cnt == 0 || o->seconds <= 0) {
			argp_error(state, "a command, and --port or --socket; no number is 0");
		}
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_option options[] = {
	{ "port", 'p', "PORT", 0, "Of 127.0.0.1", 0 },
	{ "socket", 's', "PATH", 0, "A Unix socket instead", 0 },
	{ "connections", 'c', "N", 0, "Default: 1", 0 },
	{ "pipeline", 'P', "N", 0, "Requests a connection sends at a time; default: 1", 0 },
	{ "value", 'v', "BYTES", 0, "Length of __value__; default: 8", 0 },
	{ "keys", FLAG_KEYS, "N", 0, "How many __key__ there are; default: 1000000", 0 },
	{ "each", FLAG_EACH, NULL, 0, "Each key once, in their order, instead of for a time", 0 },
	{ "seconds", 't', "S", 0, "Default: 1", 0 },
	{ "warm", 'w', "S", 0, "What is sent in the first S seconds does not count", 0 },
	{ "rate", 'r', "R", 0, "Requests a second, whatever is answered", 0 },
	{ "spin", 'S', NULL, 0, "Do not sleep while waiting: on a cpu of its own", 0 },
	{ "seed", 'R', "N", 0, "Of the keys; default: 1", 0 },
	{ 0 },
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "-- COMMAND [WORD...]",
	.doc = "Drive a server that speaks RESP, and print its latencies.",
};

static double
quantile_us(const struct hist *h, double q)
{
	return (double)hist_quantile(h, q) / 1e3;
}

static void
print(const struct drive *d, double seconds)
{
	const struct hist *h = &d->hist, *awake = &d->awake;

	printf("{\"samples\": %llu, \"seconds\": %.3f, \"rate\": %.1f, \"p50\": %.3f, \"p99\": "
	       "%.3f, \"p999\": %.3f, \"max\": %.3f",
	       (unsigned long long)d->counted, seconds, (double)d->counted / seconds,
	       quantile_us(h, 0.5), quantile_us(h, 0.99), quantile_us(h, 0.999),
	       (double)hist_max(h) / 1e3);
	if (d->opt.spins && d->opt.rate > 0) {
		printf(", \"awake_p99\": %.3f, \"awake_p999\": %.3f, \"awake_max\": %.3f, "
		       "\"late\": %.4f",
		       quantile_us(awake, 0.99), quantile_us(awake, 0.999),
		       (double)hist_max(awake) / 1e3,
		       1 - (double)hist_cnt(awake) / (double)MAX(d->counted, UINT64_C(1)));
	}
	printf("}\n");
}

int
main(int argc, char **argv)
{
	struct drive *d = memory(sizeof(*d));
	double seconds;

	d->opt = (struct options){ .conn_cnt = 1,
				   .pipeline = 1,
				   .value_bytes = 8,
				   .key_cnt = 1000000,
				   .seconds = 1,
				   .seed = 1 };
	argp_parse(&argp, argc, argv, 0, NULL, &d->opt);
	rng_init(&d->rng, d->opt.seed);
	hist_init(&d->hist);
	hist_init(&d->awake);
	d->in = memory(RECV_BYTES);
	d->conn = memory(d->opt.conn_cnt * sizeof(*d->conn));
	request_make(d);
	conns_open(d);
	seconds = run(d);
	print(d, seconds);
	for (uint32_t i = 0; i < d->opt.conn_cnt; i++) {
		close(d->conn[i].fd);
		free(d->conn[i].out);
	}
	close(d->epoll);
	free(d->conn);
	free(d->request);
	free(d->batch);
	free(d->in);
	free(d);
	return 0;
}
