/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a long value goes straight to where it is to lie, whole and in order, and nothing of what
 *         is behind it; also when few or many send at once, when it is paused, closed from inside
 *         or breaks off in its middle; and it is the others' turn in between.
 * Method: a real lcore on a thread whose one tile takes values, each behind its length, and knows
 *         of each byte which one it is; clients are plain sockets of this thread.
 */
#include "stream_fixture.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "compiler.h"
#include "timebase.h"

#define CONN_MAX  8 /* some more than are looked at without a receive */
#define VALUE_MAX (8u << 20)
#define TURN_MAX  (1u << 20) /* of one, between two polls: a straight turn, and what was there */
#define GIVE_UP_S 60

struct taker {
	struct {
		uint8_t *value;
		uint32_t head, head_got; /* its length */
		uint32_t len, got;       /* of the value; len 0: its length comes first */
		uint32_t turn;           /* bytes, since the last poll */
		bool open, stopped;
	} conn[CONN_MAX];
	uint32_t stop_at; /* of a value, where it is stopped; 0: nowhere */
	bool stop_closes; /* then it is closed, else paused */
	_Atomic bool resume;
	_Atomic uint32_t values, stopped, ended, closed, turn_max;
	_Atomic uint64_t straight, copied;
};

static struct taker t;

static uint8_t
byte_at(uint32_t i)
{
	return (uint8_t)(i * 7 + i / 251 + i / 65521);
}

/* ------------------------------------------------------------------------ the tile */

static bool
on_opened(void *ctx, struct stream_id id, bool local, const char **ret_reason)
{
	uint8_t *value = t.conn[id.idx].value;

	memset(&t.conn[id.idx], 0, sizeof(t.conn[0]));
	t.conn[id.idx].value = value != NULL ? value : malloc(VALUE_MAX);
	assert_non_null(t.conn[id.idx].value);
	t.conn[id.idx].open = true;
	return true;
}

static uint8_t *
on_room(void *ctx, struct stream_id id, size_t *ret_len)
{
	assert_true(t.conn[id.idx].open);
	assert_false(t.conn[id.idx].stopped); /* what is in buffers still comes, no more */
	*ret_len = t.conn[id.idx].len - t.conn[id.idx].got;
	if (t.stop_at > t.conn[id.idx].got) {
		*ret_len = MIN(*ret_len, t.stop_at - t.conn[id.idx].got);
	}
	return *ret_len > 0 ? t.conn[id.idx].value + t.conn[id.idx].got : NULL;
}

/* Returns how many bytes of the length it was. */
static size_t
take_head(struct stream_id id, const uint8_t *p, size_t len)
{
	size_t n = MIN(len, sizeof(uint32_t) - t.conn[id.idx].head_got);

	memcpy((uint8_t *)&t.conn[id.idx].head + t.conn[id.idx].head_got, p, n);
	t.conn[id.idx].head_got += (uint32_t)n;
	if (t.conn[id.idx].head_got == sizeof(uint32_t)) {
		t.conn[id.idx].head_got = 0;
		t.conn[id.idx].len = t.conn[id.idx].head;
		t.conn[id.idx].got = 0;
		assert_true(t.conn[id.idx].len >= 1 && t.conn[id.idx].len <= VALUE_MAX);
	}
	return n;
}

static size_t
take_value(struct stream_id id, const uint8_t *p, size_t len)
{
	uint8_t *to = t.conn[id.idx].value + t.conn[id.idx].got;
	size_t n = MIN(len, t.conn[id.idx].len - t.conn[id.idx].got);

	if (p == to) {
		assert_int_equal(n, len); /* no more than there was room for */
		t.straight += n;
	} else {
		memcpy(to, p, n);
		t.copied += n;
	}
	t.conn[id.idx].got += (uint32_t)n;
	if (t.conn[id.idx].got == t.conn[id.idx].len) {
		for (uint32_t i = 0; i < t.conn[id.idx].len; i++) {
			assert_int_equal(t.conn[id.idx].value[i], byte_at(i));
		}
		memset(t.conn[id.idx].value, 0, t.conn[id.idx].len);
		t.conn[id.idx].len = t.conn[id.idx].got = 0;
		t.values++;
	}
	return n;
}

static void
on_received(void *ctx, struct stream_id id, const uint8_t *p, size_t len)
{
	assert_true(t.conn[id.idx].open);
	t.conn[id.idx].turn += (uint32_t)len;
	t.turn_max = MAX(t.turn_max, t.conn[id.idx].turn);
	while (len > 0) {
		size_t n = t.conn[id.idx].len == 0 ? take_head(id, p, len) : take_value(id, p, len);

		p += n;
		len -= n;
	}
	if (t.stop_at != 0 && t.conn[id.idx].got >= t.stop_at) {
		t.stop_at = 0;
		t.stopped++;
		t.conn[id.idx].stopped = true;
		(t.stop_closes ? stream_close : stream_pause)(side.stream, id);
	}
}

static void
on_ended(void *ctx, struct stream_id id)
{
	assert_true(t.conn[id.idx].open);
	t.ended++;
	stream_close(side.stream, id);
}

static void
on_sent(void *ctx, struct stream_id id, size_t len, int err)
{
}

static void
on_closed(void *ctx, struct stream_id id)
{
	assert_true(t.conn[id.idx].open);
	t.conn[id.idx].open = false;
	t.closed++;
}

static void
turn(void)
{
	for (uint32_t i = 0; i < CONN_MAX; i++) {
		t.conn[i].turn = 0;
	}
	if (atomic_exchange(&t.resume, false)) {
		t.conn[0].stopped = false;
		stream_resume(side.stream, (struct stream_id){ 0, 0 });
	}
}

static int
setup(void **state)
{
	const struct stream_ops sops = { .opened = on_opened,
					 .received = on_received,
					 .room = on_room,
					 .ended = on_ended,
					 .sent = on_sent,
					 .closed = on_closed };

	memset(&t, 0, sizeof(t));
	side_make(&sops, CONN_MAX, turn);
	assert_int_equal(stream_listen_tcp(side.stream, "127.0.0.1:0", &side.port), 0);
	side_go();
	return 0;
}

static int
teardown(void **state)
{
	side_end();
	for (uint32_t i = 0; i < CONN_MAX; i++) {
		free(t.conn[i].value);
	}
	return 0;
}

/* ------------------------------------------------------------------------ clients */

/* If it is closed there before, what is left is not sent. */
static void
write_all(int fd, const uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && t.stop_closes) {
			return;
		}
		assert_true(n > 0);
		p += n;
		len -= (size_t)n;
	}
}

/* A value behind its length; the caller frees it. */
static uint8_t *
message(uint32_t len)
{
	uint8_t *m = malloc(sizeof(len) + len);

	assert_non_null(m);
	memcpy(m, &len, sizeof(len));
	for (uint32_t i = 0; i < len; i++) {
		m[sizeof(len) + i] = byte_at(i);
	}
	return m;
}

static void
wait_for(const _Atomic uint32_t *cnt, uint32_t want)
{
	const struct timespec nap = { .tv_nsec = NS_PER_MS };

	for (uint32_t i = 0; i < GIVE_UP_S * 1000 && atomic_load(cnt) != want; i++) {
		nanosleep(&nap, NULL);
	}
	assert_int_equal(atomic_load(cnt), want);
}

/* Values one behind the other, in pieces that end anywhere. */
static void
a_few_are_looked_at(void **state)
{
	static const uint32_t lens[] = { 1, 100000, 3, 5u << 20, 16384, 70000, 4, VALUE_MAX };
	int fd = dial();

	for (uint32_t i = 0; i < ARRAY_CNT(lens); i++) {
		uint8_t *m = message(lens[i]);

		write_all(fd, m, sizeof(uint32_t) + lens[i]);
		free(m);
	}
	wait_for(&t.values, ARRAY_CNT(lens));
	assert_true(t.straight > 4 * t.copied);
	close(fd);
	wait_for(&t.closed, 1);
}

/* Each has a receive in the kernel when its value begins, which is taken back. */
static void
of_many_each_has_its_turn(void **state)
{
	const uint32_t len = 3u << 20, piece = 150000;
	uint8_t *m = message(len), *word = message(5);
	int fd[CONN_MAX];

	for (uint32_t i = 0; i < CONN_MAX; i++) {
		fd[i] = dial();
		write_all(fd[i], word, sizeof(uint32_t) + 5);
	}
	wait_for(&t.values, CONN_MAX);
	for (uint32_t at = 0; at < sizeof(len) + len; at += piece) {
		for (uint32_t i = 0; i < CONN_MAX; i++) {
			write_all(fd[i], m + at, MIN(piece, sizeof(len) + len - at));
		}
	}
	for (uint32_t i = 0; i < CONN_MAX; i++) {
		write_all(fd[i], word, sizeof(uint32_t) + 5);
	}
	wait_for(&t.values, 3 * CONN_MAX);
	assert_true(t.straight > t.copied);
	assert_true(t.turn_max < TURN_MAX);
	for (uint32_t i = 0; i < CONN_MAX; i++) {
		close(fd[i]);
	}
	wait_for(&t.closed, CONN_MAX);
	free(word);
	free(m);
}

/* A value of the first of `cnt` connections, which is stopped in its middle; the client has sent
 * all of it before. */
static void
stop_one(uint32_t cnt, uint32_t len, int fd[CONN_MAX])
{
	uint8_t *m = message(len);

	t.stop_at = len / 2;
	for (uint32_t i = 0; i < cnt; i++) {
		fd[i] = dial();
	}
	/* Two pieces, so that the second is here when the first is looked at, or not. */
	write_all(fd[0], m, sizeof(len) + len / 4);
	write_all(fd[0], m + sizeof(len) + len / 4, len - len / 4);
	wait_for(&t.stopped, 1);
	free(m);
}

static void
pause_and_go_on(uint32_t cnt)
{
	/* What had come is seen by then. */
	const struct timespec nap = { .tv_nsec = 200 * NS_PER_MS };
	uint64_t before;
	int fd[CONN_MAX];

	stop_one(cnt, 1u << 20, fd);
	nanosleep(&nap, NULL);
	before = t.straight + t.copied;
	nanosleep(&nap, NULL);
	if (cnt == 1) { /* of many there may be buffers that the kernel had filled */
		assert_int_equal(t.straight + t.copied, before);
		assert_int_equal(t.values, 0);
	}
	atomic_store(&t.resume, true);
	lcore_bell_ring(lcore_bell(side.lcore));
	wait_for(&t.values, 1);
	for (uint32_t i = 0; i < cnt; i++) {
		close(fd[i]);
	}
	wait_for(&t.closed, cnt);
	assert_int_equal(t.ended, cnt);
}

static void
one_of_few_is_paused_in_its_middle(void **state)
{
	pause_and_go_on(1);
}

static void
one_of_many_is_paused_in_its_middle(void **state)
{
	pause_and_go_on(CONN_MAX);
}

static void
one_is_closed_in_its_middle(void **state)
{
	int fd[CONN_MAX];

	for (uint32_t cnt = 1; cnt <= CONN_MAX; cnt += CONN_MAX - 1) {
		t.stopped = t.closed = t.ended = 0;
		t.stop_closes = true;
		stop_one(cnt, 1u << 20, fd);
		wait_for(&t.closed, 1);
		assert_int_equal(t.ended, 0);
		for (uint32_t i = 0; i < cnt; i++) {
			close(fd[i]);
		}
		wait_for(&t.closed, cnt);
		assert_int_equal(t.values, 0);
	}
}

static void
one_breaks_off_in_its_middle(void **state)
{
	uint8_t *m = message(1u << 20);
	int fd[CONN_MAX];

	for (uint32_t cnt = 1; cnt <= CONN_MAX; cnt += CONN_MAX - 1) {
		t.ended = t.closed = 0;
		for (uint32_t i = 0; i < cnt; i++) {
			fd[i] = dial();
		}
		write_all(fd[0], m, 700000);
		close(fd[0]);
		wait_for(&t.ended, 1);
		wait_for(&t.closed, 1);
		for (uint32_t i = 1; i < cnt; i++) {
			close(fd[i]);
		}
		wait_for(&t.closed, cnt);
		assert_int_equal(t.values, 0);
	}
	free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_few_are_looked_at, setup, teardown),
		cmocka_unit_test_setup_teardown(of_many_each_has_its_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(one_of_few_is_paused_in_its_middle, setup,
						teardown),
		cmocka_unit_test_setup_teardown(one_of_many_is_paused_in_its_middle, setup,
						teardown),
		cmocka_unit_test_setup_teardown(one_is_closed_in_its_middle, setup, teardown),
		cmocka_unit_test_setup_teardown(one_breaks_off_in_its_middle, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
