/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   a dump says what was put into it, and nothing that is no dump is taken for one.
 * Method: one of each kind, read back; then each of its bytes changed; then dumps with the right
 *         hash that nobody writes. */
#include "gate_dump.h"

#include <math.h>
#include <string.h>

#include <microburst/error.h>

#include "hash.h"
#include "test_cmocka.h"

static struct slice
s(const char *text)
{
	return slice_of(text, strlen(text));
}

/* A dump of words; scores count up. */
static struct slice
dump_of(enum dump_kind kind, const char *const *word, size_t cnt, uint8_t mem[256])
{
	struct wbuf out = wbuf_init(mem, 256);

	dump_begin(&out, kind);
	for (size_t i = 0; i < cnt; i++) {
		dump_entry(&out, kind, (double)i, s(word[i]));
	}
	dump_end(&out);
	assert_false(out.full);
	return wbuf_slice(&out);
}

static void
what_was_put_in_comes_out(void **state)
{
	static const char *const word[] = { "!a1", "b", "c", "d" }; /* the first: a HyperLogLog */

	for (int kind = DUMP_STRING; kind < DUMP_KIND_CNT; kind++) {
		size_t cnt = kind == DUMP_STRING || kind == DUMP_HLL ? 1 : 4, i = 0;
		enum dump_kind got;
		struct rbuf entries;
		struct slice one;
		uint8_t mem[256];
		double score;

		assert_int_equal(dump_open(dump_of((enum dump_kind)kind, word, cnt, mem), &got,
					   &entries),
				 0);
		assert_int_equal(got, kind);
		while (dump_next(&entries, got, &score, &one)) {
			assert_true(slice_eq(one, s(word[i])));
			assert_true(score == (kind == DUMP_ZSET ? (double)i : 0));
			i++;
		}
		assert_int_equal(i, cnt);
	}
}

static void
damage_is_seen(void **state)
{
	static const char *const word[] = { "field", "value" };
	enum dump_kind kind;
	struct rbuf entries;
	uint8_t mem[256];
	struct slice dump = dump_of(DUMP_HASH, word, 2, mem);

	for (size_t i = 0; i < dump.len; i++) {
		assert_int_equal(dump_open(slice_of(dump.p, i), &kind, &entries), MB_ERR_VERSION);
		mem[i] ^= 0x10;
		assert_int_equal(dump_open(dump, &kind, &entries), MB_ERR_VERSION);
		mem[i] ^= 0x10;
	}
	assert_int_equal(dump_open(dump, &kind, &entries), 0);
}

static void
what_nobody_writes_is_refused(void **state)
{
	static const char *const twice[] = { "a", "a" }, *const odd[] = { "a", "b", "c" },
				 *const down[] = { "b", "a" }, *const pair[] = { "!a1", "!b1" };
	const struct {
		enum dump_kind kind;
		const char *const *word;
		size_t cnt;
		int err;
	} row[] = {
		{ DUMP_LIST, twice, 2, 0 },
		{ DUMP_LIST, down, 2, 0 },
		{ DUMP_SET, twice, 2, MB_ERR_CORRUPT },
		{ DUMP_SET, down, 2, MB_ERR_CORRUPT },
		{ DUMP_ZSET, down, 2, MB_ERR_CORRUPT },
		{ DUMP_HASH, odd, 3, MB_ERR_CORRUPT },
		{ DUMP_HASH, twice, 2, 0 },
		{ DUMP_STRING, odd, 2, MB_ERR_CORRUPT },
		{ DUMP_STRING, odd, 0, MB_ERR_CORRUPT },
		{ DUMP_SET, odd, 0, MB_ERR_CORRUPT },
		{ DUMP_HLL, odd, 1, MB_ERR_CORRUPT },
		{ DUMP_HLL, pair, 2, MB_ERR_CORRUPT },
		{ DUMP_HLL, pair, 1, 0 },
		{ DUMP_HLL, odd, 0, MB_ERR_CORRUPT },
		{ DUMP_KIND_CNT, odd, 1, MB_ERR_CORRUPT },
		{ (enum dump_kind)0, odd, 1, MB_ERR_CORRUPT },
	};
	enum dump_kind kind;
	struct rbuf entries;
	struct wbuf out;
	uint8_t mem[256];

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		assert_int_equal(dump_open(dump_of(row[i].kind, row[i].word, row[i].cnt, mem),
					   &kind, &entries),
				 row[i].err);
	}
	out = wbuf_init(mem, sizeof(mem));
	dump_begin(&out, DUMP_ZSET);
	dump_entry(&out, DUMP_ZSET, NAN, s("a"));
	dump_end(&out);
	assert_int_equal(dump_open(wbuf_slice(&out), &kind, &entries), MB_ERR_CORRUPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_in_comes_out),
		cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(what_nobody_writes_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
