/* SPDX-License-Identifier: Apache-2.0 */
/* stream_fixture - a stream on the one tile of a real lcore, on a thread of its own, and clients
 * that dial it */
#ifndef MB_TEST_STREAM_FIXTURE_H
#define MB_TEST_STREAM_FIXTURE_H

#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "lcore.h"
#include "stream.h"
#include "test_cmocka.h"
#include <microburst/error.h>

struct side {
	struct lcore *lcore;
	struct stream *stream;
	uint16_t port;
	pthread_t thread;
	bool started;
	int start_err;
	void (*turn)(void); /* what the test does in each poll, before the stream does */
};

static struct side side;

static inline int
tile_poll_side(void *ctx, uint64_t now_ns)
{
	if (!side.started) {
		side.started = true;
		side.start_err = stream_start(side.stream);
		return 1;
	}
	side.turn();
	return stream_poll(side.stream, false);
}

static inline void
tile_arm_side(void *ctx, bool up)
{
	stream_sleepy(side.stream, up);
}

static inline void *
side_run(void *arg)
{
	return (void *)(intptr_t)lcore_run(side.lcore);
}

/* Makes it; what it listens to is up to the test, then side_go. */
static inline void
side_make(const struct stream_ops *sops, uint32_t conn_max, void (*turn)(void))
{
	static const struct tile_ops ops = { .kind = TILE_GATE,
					     .poll = tile_poll_side,
					     .arm = tile_arm_side };
	struct lcore_cfg cfg;

	side = (struct side){ .turn = turn };
	lcore_cfg_default(&cfg);
	cfg.spin_ns = 0;
	assert_int_equal(lcore_create(&cfg, &side.lcore), MB_OK);
	lcore_tile_add(side.lcore, &ops, NULL, NULL);
	assert_int_equal(stream_create(&side.stream, side.lcore, conn_max, sops), 0);
}

static inline void
side_go(void)
{
	assert_int_equal(pthread_create(&side.thread, NULL, side_run, NULL), 0);
}

static inline void
side_end(void)
{
	lcore_stop(side.lcore);
	pthread_join(side.thread, NULL);
	assert_int_equal(side.start_err, 0);
	stream_destroy(side.stream);
	lcore_destroy(side.lcore);
}

static inline int
dial_at(struct in_addr to)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(side.port),
				  .sin_addr = to };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static inline int
dial(void)
{
	return dial_at((struct in_addr){ htonl(INADDR_LOOPBACK) });
}

#endif
