/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what is taken back of replies is what was written since the mark, while sends of what is
 *         before it end at any time; all memory comes home.
 * Method: a connection of which only the replies are used, on a heap; random writes, sends of any
 *         length, marks and ways back, beside a plain string that has what must be there. */
#include "gate_int.h"

#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "heap.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

#define HEAP_BYTES (1U << 20)
#define TEXT_MAX   (64U << 10)
#define STEPS      200000

static struct gate *g;
static struct gate_conn *c;
static void *memory;
static uint8_t text[TEXT_MAX]; /* what is not sent */
static size_t len;

static int
setup(void **state)
{
	g = calloc(1, sizeof(*g));
	c = calloc(1, sizeof(*c));
	memory = calloc(1, HEAP_BYTES);
	assert_true(g != NULL && c != NULL && memory != NULL);
	g->heap = heap_init(memory, HEAP_BYTES);
	len = 0;
	return 0;
}

static int
teardown(void **state)
{
	free(memory);
	free(c);
	free(g);
	return 0;
}

static void
assert_out(void)
{
	size_t at = 0;

	for (const struct gate_chunk *k = c->out.head; k != NULL; k = k->next) {
		assert_true(at + (k->len - k->sent) <= len);
		assert_memory_equal(k->p + k->sent, text + at, k->len - k->sent);
		at += k->len - k->sent;
		assert_true(k->next != NULL || k == c->out.tail);
	}
	assert_int_equal(at, len);
	assert_int_equal(c->out.bytes, len);
}

static void
write_some(struct rng *r)
{
	static uint8_t some[2 * GATE_CHUNK_BYTES];
	size_t n = rng_below(r, rng_below(r, 8) == 0 ? sizeof(some) : 40);

	n = MIN(n, TEXT_MAX - len);
	for (size_t i = 0; i < n; i++) {
		some[i] = (uint8_t)rng_below(r, 256);
	}
	gate_out_bytes(g, c, some, n);
	memcpy(text + len, some, n);
	len += n;
}

static void
send_some(size_t n)
{
	gate_out_sent(g, c, n);
	len -= n;
	memmove(text, text + n, len);
}

static void
test_what_is_before_the_mark_is_sent_meanwhile(void **state)
{
	gate_out_bytes(g, c, "+OK\r\n", 5);
	c->mark = gate_out_mark(c);
	assert_non_null(gate_out_hole(g, c));
	gate_out_bytes(g, c, "$1\r\na\r\n", 7);
	gate_out_sent(g, c, 5);
	gate_out_back(g, c, &c->mark);
	assert_out();
	gate_out_bytes(g, c, "$1\r\nb\r\n", 7);
	memcpy(text, "$1\r\nb\r\n", 7);
	len = 7;
	assert_out();
	gate_out_drop(g, c);
	assert_int_equal(heap_used_bytes(g->heap), 0);
}

/* Of an array whose head is not known the first values of a part stay, however they are written. */
static void
test_the_first_values_of_a_part_stay(void **state)
{
	static const char *const value[] = { "$3\r\n$1\n\r\n",     "*2\r\n$1\r\na\r\n,1.5\r\n",
					     "$0\r\n\r\n",         ":17\r\n",
					     "*1\r\n*1\r\n+b\r\n", "$-1\r\n" };
	static const char *const head = "*2\r\n$1\r\nk\r\n";
	static uint8_t filler[2 * GATE_CHUNK_BYTES];
	struct rng r;

	rng_init(&r, test_seed("gate_out_keep"));
	for (int round = 0; round < 2000; round++) {
		uint32_t kept, cnt;

		len = strlen(head);
		memcpy(text, head, len);
		for (c->part = 0; c->part < 2; c->part++) {
			struct wbuf w = wbuf_init(filler, sizeof(filler));

			c->mark = gate_out_mark(c);
			if (c->part == 0) {
				gate_out_bytes(g, c, head, len);
				c->hole = gate_out_hole(g, c);
			}
			cnt = (uint32_t)rng_below(&r, 300);
			kept = (uint32_t)rng_below(&r, cnt + 1);
			for (uint32_t i = 0; i < cnt; i++) {
				const char *v = value[rng_below(&r, ARRAY_CNT(value))];

				gate_out_bytes(g, c, v, strlen(v));
				if (i < kept) {
					wbuf_put(&w, v, strlen(v));
				}
			}
			gate_out_fill_array(g, c, c->hole, cnt);
			gate_out_keep(g, c, kept);
			memcpy(text + len, w.p, w.len);
			len += w.len;
			assert_out();
		}
		gate_out_drop(g, c);
		assert_int_equal(heap_used_bytes(g->heap), 0);
	}
	c->part = 0;
}

static void
test_random_sends_beside_marks(void **state)
{
	size_t before = 0; /* of text, what is before the mark */
	bool marked = false;
	struct rng r;

	rng_init(&r, test_seed("gate_out"));
	for (int i = 0; i < STEPS; i++) {
		size_t may = marked ? before : len; /* be sent */
		size_t n = rng_below(&r, 2) == 0 ? may : rng_below(&r, may + 1);

		switch (rng_below(&r, 6)) {
		case 0:
			send_some(n);
			before -= MIN(n, before);
			break;
		case 1:
			if (!marked) {
				c->mark = gate_out_mark(c);
				before = len;
			} else if (rng_below(&r, 2) == 0) {
				gate_out_back(g, c, &c->mark);
				len = before;
			}
			marked = !marked;
			break;
		case 2:
			gate_out_hole(g, c);
			break;
		default:
			write_some(&r);
		}
		assert_out();
	}
	gate_out_drop(g, c);
	assert_int_equal(heap_used_bytes(g->heap), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_before_the_mark_is_sent_meanwhile,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_first_values_of_a_part_stay, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_random_sends_beside_marks, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
