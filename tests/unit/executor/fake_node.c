/* SPDX-License-Identifier: Apache-2.0 */
/* fake_node - see fake_node.h */
#include "fake_node.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache_region.h"
#include "test_cmocka.h"
#include "timebase.h"
#include <microburst/error.h>

#define ANSWER_MS 5000
#define NODE_INC  1

static uint64_t
now(void)
{
	return timebase_now_ns(timebase_real());
}

/* --------------------------------------------------------------------- node */

static int
zygote_spawn(struct node *n, const char *path, const char *sandbox)
{
	char fd[16], parent[16];
	char *argv[] = { (char *)"microburst-executor",
			 (char *)"--zygote",
			 fd,
			 (char *)"--parent",
			 parent,
			 (char *)"--sandbox",
			 (char *)(uintptr_t)sandbox,
			 NULL };
	char *env[] = { (char *)"PATH=/the/secret/path", NULL };
	int sv[2];
	int rc;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	fcntl(sv[1], F_SETFD, 0);
	snprintf(fd, sizeof(fd), "%d", sv[1]);
	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	rc = posix_spawn(&n->zygote, path, NULL, NULL, argv, env);
	close(sv[1]);
	n->zygote_sock = sv[0];
	return rc;
}

static void
make_cache(struct node *n)
{
	struct cache_region_cfg cfg = { .shard_cnt = 1, .heap_bytes = 1 << 20, .keys_max = 64 };
	struct cache_layout layout;
	void *p;

	assert_int_equal(cache_region_plan(&cfg, &layout), 0);
	n->cache_fd = memfd_create("cache", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(n->cache_fd, (off_t)layout.bytes), 0);
	p = mmap(NULL, layout.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, n->cache_fd, 0);
	assert_true(p != MAP_FAILED);
	cache_region_format(p, &layout);
	assert_int_equal(region_seal(n->cache_fd), 0);
	munmap(p, layout.bytes);
}

bool
node_start(struct node *n, const char *path, const char *sandbox)
{
	struct domain_msg m;
	int err;

	memset(n, 0, sizeof(*n));
	err = zygote_spawn(n, path, sandbox);
	if (err != 0) {
		fprintf(stderr, "cannot run %s: %s\n", path, strerror(err));
		return false;
	}
	err = domain_sock_recv(n->zygote_sock, ANSWER_MS, &m, n->text, NULL, 0);
	if (err != 0 || m.kind != ZYGOTE_READY || m.err != 0) {
		fprintf(stderr, "the zygote did not come: %d %d '%s'\n", err, m.err, n->text);
		return false;
	}
	n->bits = (uint32_t)m.word[0];
	assert_int_equal(region_create(REGION_DAEMON, false, &n->region_fd), 0);
	assert_int_equal(region_map_owner(&n->region, REGION_DAEMON, n->region_fd, 0, NODE_INC), 0);
	assert_int_equal(region_seal(n->region_fd), 0);
	assert_int_equal(hints_create(&n->hints_fd, &n->hints), 0);
	make_cache(n);
	n->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return true;
}

void
node_stop(struct node *n)
{
	int status;

	close(n->zygote_sock); /* which ends it */
	assert_int_equal(waitpid(n->zygote, &status, 0), n->zygote);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	region_unmap(&n->region);
	hints_detach(n->hints);
	close(n->region_fd);
	close(n->hints_fd);
	close(n->cache_fd);
	close(n->event_fd);
}

/* ------------------------------------------------------------------- spawn */

static void
expect(struct node *n, struct node_exec *x, struct domain_msg *m, uint16_t kind)
{
	int err = domain_sock_recv(x->sock, ANSWER_MS, m, n->text, NULL, 0);

	assert_int_equal(err, 0);
	assert_int_equal(m->kind, kind);
}

static void
welcome(struct node *n, struct node_exec *x)
{
	struct domain_welcome w = { .inc = NODE_INC,
				    .proc = x->proc,
				    .is_executor = 1,
				    .lcore_cnt = 1,
				    .cache_cnt = 1,
				    .spin_ns = 20000,
				    .cpu = -1 };
	struct domain_msg m = { .kind = DOMAIN_WELCOME, .text_len = sizeof(w) };
	int fd[4];

	assert_int_equal(region_create(REGION_PROCESS, false, &x->region_fd), 0);
	fd[0] = x->region_fd;
	fd[1] = n->region_fd;
	fd[2] = n->hints_fd;
	fd[3] = n->cache_fd;
	assert_int_equal(domain_sock_send(x->sock, &m, &w, fd, 4), 0);
}

bool
node_spawn(struct node *n, struct node_exec *x, uint16_t proc)
{
	struct domain_msg m = { .kind = ZYGOTE_SPAWN, .proc = proc, .word = { 99 } };
	struct domain_msg ready = { .kind = DOMAIN_READY };
	int sv[2];

	memset(x, 0, sizeof(*x));
	memset(x->seg_fd, -1, sizeof(x->seg_fd));
	x->proc = proc;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	x->sock = sv[0];
	assert_int_equal(domain_sock_send(n->zygote_sock, &m, NULL, &sv[1], 1), 0);
	close(sv[1]);
	assert_int_equal(domain_sock_recv(n->zygote_sock, ANSWER_MS, &m, n->text, &x->pidfd, 1), 0);
	assert_int_equal(m.kind, ZYGOTE_SPAWNED);
	assert_int_equal(m.err, 0);
	assert_int_equal(m.word[0], 99);
	assert_int_equal(m.fd_cnt, 1);
	x->pid = (pid_t)m.word[1];
	expect(n, x, &m, DOMAIN_HELLO);
	welcome(n, x);
	expect(n, x, &m, DOMAIN_MAPPED);
	assert_int_equal(region_seal(x->region_fd), 0);
	assert_int_equal(region_map_peer(&x->region, REGION_PROCESS, x->region_fd), 0);
	channel_init(&x->ctl, &n->region, region_daemon_port(PORT_CTL, proc), &x->region, PORT_CTL,
		     &n->hints->proc[proc], PORT_CTL, -1);
	channel_init(&x->sched, &n->region, region_daemon_port(PORT_SCHED, proc), &x->region,
		     PORT_SCHED, &n->hints->proc[proc], PORT_SCHED, -1);
	return domain_sock_send(x->sock, &ready, NULL, &n->event_fd, 1) == 0;
}

/* -------------------------------------------------------------------- load */

static int
object_fd(const char *path)
{
	int from = open(path, O_RDONLY | O_CLOEXEC);
	int to = memfd_create("object", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char buf[65536];
	ssize_t len;

	assert_true(from >= 0);
	while ((len = read(from, buf, sizeof(buf))) > 0) {
		assert_int_equal(write(to, buf, (size_t)len), len);
	}
	close(from);
	assert_int_equal(fcntl(to, F_ADD_SEALS,
			       F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
			 0);
	return to;
}

int
node_load(struct node *n, struct node_exec *x, const char *const *object, uint32_t object_cnt,
	  const char *const *fn, const uint16_t *of, uint32_t fn_cnt, uint64_t memory_bytes)
{
	static struct {
		struct load_head head;
		struct load_fn fn[FUNCTION_CNT_MAX];
	} text;
	struct domain_msg m;

	text.head = (struct load_head){ .magic = LOAD_MAGIC,
					.fn_cnt = (uint16_t)fn_cnt,
					.object_cnt = (uint16_t)object_cnt };
	for (uint32_t i = 0; i < fn_cnt; i++) {
		text.fn[i] = (struct load_fn){ .id = (uint16_t)(i + 1), .object = of[i] };
		snprintf(text.fn[i].name, NAME_BYTES_MAX, "%s", fn[i]);
	}
	for (uint32_t i = 0; i < object_cnt; i++) { /* one message an object */
		int fd = object_fd(object[i]);

		m = (struct domain_msg){ .kind = DOMAIN_LOAD,
					 .word = { i, i + 1 == object_cnt, memory_bytes } };
		m.text_len = i + 1 == object_cnt
				     ? (uint32_t)(sizeof(text.head) + fn_cnt * sizeof(text.fn[0]))
				     : 0;
		assert_int_equal(domain_sock_send(x->sock, &m, &text, &fd, 1), 0);
		close(fd);
	}
	x->err = domain_sock_recv(x->sock, ANSWER_MS, &m, n->text, NULL, 0);
	if (x->err != 0) {
		return x->err;
	}
	assert_int_equal(m.kind, DOMAIN_LOADED);
	x->bits = (uint32_t)m.word[0];
	x->load_ns = m.word[1];
	x->init_ns = m.word[2];
	x->err = m.err;
	return m.err;
}

/* -------------------------------------------------------------------- call */

static void
lease(struct node_exec *x, const struct domain_msg *m)
{
	struct domain_msg answer = { .kind = DOMAIN_LEASED, .word = { m->word[0] } };
	uint32_t i = 0;

	while (i < NODE_SEG_MAX && x->seg_fd[i] >= 0) {
		i++;
	}
	if (i == NODE_SEG_MAX) {
		answer.err = MB_ERR_NO_MEMORY;
		domain_sock_send(x->sock, &answer, NULL, NULL, 0);
		return;
	}
	x->seg_fd[i] = memfd_create("segment", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(x->seg_fd[i], (off_t)m->word[0]), 0);
	answer.seg = i + 1;
	domain_sock_send(x->sock, &answer, NULL, &x->seg_fd[i], 1);
}

/* Answers what the executor asks on its socket. */
static void
serve_socket(struct node *n, struct node_exec *x)
{
	struct domain_msg ready = { .kind = DOMAIN_READY };
	struct domain_msg m;

	if (domain_sock_recv(x->sock, 0, &m, n->text, NULL, 0) != 0) {
		return;
	}
	switch (m.kind) {
	case DOMAIN_LEASE:
		lease(x, &m);
		return;
	case DOMAIN_LEASE_MAPPED:
		assert_int_equal(region_seal(x->seg_fd[m.seg - 1]), 0);
		break;
	case DOMAIN_UNLEASE:
		close(x->seg_fd[m.seg - 1]);
		x->seg_fd[m.seg - 1] = -1;
		break;
	default:
		fail_msg("an executor asks %u", m.kind);
	}
	domain_sock_send(x->sock, &ready, NULL, NULL, 0);
}

static bool
ended(struct node_exec *x, int options)
{
	siginfo_t si = { .si_pid = 0 };

	if (x->code != 0) {
		return true;
	}
	if (waitid(P_PIDFD, (id_t)x->pidfd, &si, WEXITED | options) != 0 || si.si_pid == 0) {
		return false;
	}
	x->code = si.si_code;
	x->status = si.si_status;
	return true;
}

static const uint8_t *
payload_of(struct node_exec *x, const struct desc *d, size_t *ret_len)
{
	const uint8_t *p;
	size_t bytes;

	if ((d->flags & DESC_F_INLINE) != 0) {
		*ret_len = d->len;
		return d->data;
	}
	*ret_len = d->ref.len;
	if (d->ref.seg == 0) {
		assert_true(d->ref.off + (size_t)d->ref.len <= x->region.at.bytes);
		return x->region.base + d->ref.off;
	}
	assert_true(d->ref.seg <= NODE_SEG_MAX);
	assert_int_equal(sealed_map(x->seg_fd[d->ref.seg - 1], &p, &bytes), 0); /* kept: a test */
	assert_true(d->ref.off + (size_t)d->ref.len <= bytes);
	return p + d->ref.off;
}

static void
take_reply(struct node_exec *x, const struct desc *d, struct node_reply *ret)
{
	static uint64_t copy[(8 << 20) / 8];
	size_t len;
	const uint8_t *p = payload_of(x, d, &len);
	struct desc release = { .kind = DESC_RELEASE };

	assert_true(len <= sizeof(copy));
	memcpy(copy, p, len);
	ret->err = d->err;
	if (d->err != 0) {
		snprintf(ret->text, sizeof(ret->text), "%.*s", (int)len, (const char *)copy);
	} else {
		int cnt = value_list_read(slice_of(copy, len), ret->value);

		assert_true(cnt >= 0);
		ret->cnt = (uint32_t)cnt;
	}
	if ((d->flags & DESC_F_INLINE) == 0) {
		release.release.inc = d->ref.inc;
		release.release.proc = d->ref.proc;
		release.release.cnt = 1;
		release.release.handle[0] = d->ref.handle;
		channel_send(&x->sched, &release);
	}
}

static void
take_logs(struct node_exec *x)
{
	struct desc d;

	while (channel_recv(&x->ctl, &d) == 1) {
		x->log_cnt += d.kind == DESC_LOG;
	}
}

void
node_call(struct node *n, struct node_exec *x, uint16_t id, struct slice args, int timeout_ms,
	  struct node_reply *ret)
{
	struct desc d = { .kind = DESC_CALL, .a = id, .flags = DESC_F_INLINE };
	uint64_t start = now();

	memset(ret, 0, sizeof(*ret));
	d.call = call_id_make(PROC_DAEMON, NODE_INC, ++n->seq);
	assert_true(args.len <= DESC_INLINE_BYTES);
	d.len = (uint8_t)args.len;
	memcpy(d.data, args.p, args.len);
	take_logs(x);
	assert_int_equal(channel_send(&x->sched, &d), 0);
	while (now() - start < (uint64_t)timeout_ms * NS_PER_MS) {
		struct desc got;
		int cnt = channel_recv(&x->sched, &got);

		if (cnt < 0) { /* scribbled over */
			kill(x->pid, SIGKILL);
			ret->died = ended(x, 0);
			return;
		}
		if (cnt == 1 && got.kind == DESC_REPLY) {
			assert_true(got.call == d.call);
			ret->round_trip_ns = now() - start;
			take_reply(x, &got, ret);
			return;
		}
		take_logs(x);
		serve_socket(n, x);
		if (ended(x, WNOHANG)) {
			ret->died = true;
			return;
		}
	}
	kill(x->pid, SIGKILL);
	ret->died = ended(x, 0);
}

/* --------------------------------------------------------------------- end */

void
node_drain(struct node_exec *x)
{
	struct desc d = { .kind = DESC_DRAIN };

	assert_int_equal(channel_send(&x->ctl, &d), 0);
}

void
node_end(struct node *n, struct node_exec *x, int timeout_ms)
{
	struct pollfd p = { .fd = x->pidfd, .events = POLLIN };

	if (x->code == 0) {
		if (poll(&p, 1, timeout_ms) == 0) {
			kill(x->pid, SIGKILL);
		}
		assert_true(ended(x, 0));
	}
	for (uint32_t i = 0; i < NODE_SEG_MAX; i++) {
		if (x->seg_fd[i] >= 0) {
			close(x->seg_fd[i]);
		}
	}
	close(x->sock);
	close(x->pidfd);
	channel_clear(&x->ctl);
	channel_clear(&x->sched);
	region_unmap(&x->region);
	close(x->region_fd);
	memset(&n->hints->proc[x->proc], 0, sizeof(n->hints->proc[x->proc]));
}
