/* SPDX-License-Identifier: Apache-2.0 */
/* state.c - reads and writes of the store, timed where they happen: inside the function
 *
 * Each function does an operation n times and returns the nanoseconds it took, so neither the call
 * nor the publication after it is in the figure. The bare ones are the floors: the work that no
 * store can do without, on memory of the function's own.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <microburst/function.h>

#define KEY_CNT   16 /* keys in turn: all hot, no two the same in a row */
#define KEY_BYTES 8

/* A line as an index may have it: a version on both sides of the reading, the key, eight bytes. */
struct line {
	uint64_t version;
	uint64_t hash;
	char key[KEY_BYTES];
	uint64_t value;
	uint64_t pad[4];
} __attribute__((__aligned__(64)));

static char small[KEY_CNT][KEY_BYTES], large[KEY_CNT][KEY_BYTES];
static struct line line[KEY_CNT];
static volatile uint64_t seen; /* what floors read, so that they have to */

/* Keys for a cold index: more lines than a core's caches hold, in no order. A key is its number. */
#define COLD_CNT 65536
static struct line cold[COLD_CNT];

/* Touched by the first who needs them: an MB_INIT would be paid for by each new executor. */
static void
cold_touch(void)
{
	for (uint64_t i = 0; cold[0].version == 0 && i < COLD_CNT; i++) {
		cold[COLD_CNT - 1 - i].version = 2;
	}
}

static inline uint64_t
cold_next(uint64_t *random)
{
	*random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *random >> 48;
}

/* "small:07": what the bench has set. */
static void
key_make(char *ret, const char *prefix, unsigned number)
{
	memcpy(ret, prefix, 6);
	ret[6] = (char)('0' + number / 10);
	ret[7] = (char)('0' + number % 10);
}

MB_INIT
{
	for (unsigned i = 0; i < KEY_CNT; i++) {
		key_make(small[i], "small:", i);
		key_make(large[i], "large:", i);
		memcpy(line[i].key, small[i], KEY_BYTES);
		line[i].hash = XXH3_64bits(small[i], KEY_BYTES);
	}
	return 0;
}

static int
get_all(struct mb_call *call, char keys[KEY_CNT][KEY_BYTES])
{
	struct mb_slice value;
	uint64_t start_ns;
	int64_t n;

	MB_TRY(mb_arg_i64(call, 0, &n));
	start_ns = mb_now_ns(call);
	for (int64_t i = 0; i < n; i++) {
		MB_TRY(mb_get(call, mb_slice_of(keys[i % KEY_CNT], KEY_BYTES), &value));
		*(volatile const char *)value.p;
	}
	return mb_return_i64(call, (int64_t)(mb_now_ns(call) - start_ns));
}

MB_FUNCTION(bench_get)
{
	return get_all(call, small);
}

MB_FUNCTION(bench_get_large)
{
	return get_all(call, large);
}

/* Puts n keys from number `from` on. */
MB_FUNCTION(bench_cold_fill)
{
	int64_t from, n;

	MB_TRY(mb_arg_i64(call, 0, &from));
	MB_TRY(mb_arg_i64(call, 1, &n));
	for (uint64_t i = (uint64_t)from; i < (uint64_t)(from + n); i++) {
		MB_TRY(mb_put(call, mb_slice_of(&i, sizeof(i)), mb_slice_of(&i, sizeof(i))));
	}
	return mb_return_i64(call, n);
}

MB_FUNCTION(bench_get_cold)
{
	static uint64_t random = 1;
	struct mb_slice value;
	uint64_t start_ns;
	int64_t n;

	MB_TRY(mb_arg_i64(call, 0, &n));
	start_ns = mb_now_ns(call);
	for (int64_t i = 0; i < n; i++) {
		uint64_t key = cold_next(&random);

		MB_TRY(mb_get(call, mb_slice_of(&key, sizeof(key)), &value));
		*(volatile const char *)value.p;
	}
	return mb_return_i64(call, (int64_t)(mb_now_ns(call) - start_ns));
}

MB_FUNCTION(bench_put)
{
	uint64_t start_ns, value = 0;
	int64_t n;

	MB_TRY(mb_arg_i64(call, 0, &n));
	start_ns = mb_now_ns(call);
	for (int64_t i = 0; i < n; i++) {
		value++;
		MB_TRY(mb_put(call, mb_slice_of(small[i % KEY_CNT], KEY_BYTES),
			      mb_slice_of(&value, sizeof(value))));
	}
	return mb_return_i64(call, (int64_t)(mb_now_ns(call) - start_ns));
}

MB_FUNCTION(bench_put_one)
{
	uint64_t value = mb_now_ns(call);

	MB_TRY(mb_put(call, mb_str("put:one"), mb_slice_of(&value, sizeof(value))));
	return mb_return_i64(call, 0);
}

/* Watches a key whose value is the time at which somebody put it, and returns how old, in
 * nanoseconds, each new value was when it was seen here: n of them, or as many as came before none
 * came for LAG_IDLE_NS. */
#define LAG_MAX     4096
#define LAG_IDLE_NS UINT64_C(5000000000)
MB_FUNCTION(bench_lag_watch)
{
	static uint32_t lag[LAG_MAX];
	uint64_t now_ns, seen_ns = mb_now_ns(call);
	int64_t n, put_ns, last_ns = 0;
	size_t cnt = 0;

	MB_TRY(mb_arg_i64(call, 0, &n));
	while (cnt < (size_t)n && cnt < LAG_MAX) {
		int err = mb_get_i64(call, mb_str("lag"), &put_ns);

		now_ns = mb_now_ns(call);
		if (err != 0 && err != MB_ERR_NOT_FOUND) {
			return err;
		}
		if (err == 0 && put_ns != last_ns) {
			if (last_ns != 0) { /* the first one lay there before */
				lag[cnt++] = (uint32_t)(now_ns - (uint64_t)put_ns);
			}
			last_ns = put_ns;
			seen_ns = now_ns;
		} else if (now_ns - seen_ns > LAG_IDLE_NS) {
			break;
		}
	}
	return mb_return_bytes(call, mb_slice_of(lag, cnt * sizeof(lag[0])));
}

/* The floor of a get: hash the key, find its line, read it between two looks at its version. */
MB_FUNCTION(bench_bare_get)
{
	uint64_t start_ns, sum = 0;
	int64_t n;

	MB_TRY(mb_arg_i64(call, 0, &n));
	start_ns = mb_now_ns(call);
	for (int64_t i = 0; i < n; i++) {
		const char *key = small[i % KEY_CNT];
		uint64_t hash = XXH3_64bits(key, KEY_BYTES);
		const struct line *at = &line[i % KEY_CNT];
		uint64_t version = __atomic_load_n(&at->version, __ATOMIC_ACQUIRE);

		if (at->hash != hash || memcmp(at->key, key, KEY_BYTES) != 0) {
			return mb_fail(call, "line %d is not its key's", (int)(i % KEY_CNT));
		}
		sum += __atomic_load_n(&at->value, __ATOMIC_ACQUIRE);
		sum += __atomic_load_n(&at->version, __ATOMIC_RELAXED) - version;
	}
	seen = sum;
	return mb_return_i64(call, (int64_t)(mb_now_ns(call) - start_ns));
}

/* The floor of a cold get: hash the key, wait for its line. */
MB_FUNCTION(bench_bare_get_cold)
{
	static uint64_t random = 1;
	uint64_t start_ns, sum = 0;
	int64_t n;

	MB_TRY(mb_arg_i64(call, 0, &n));
	cold_touch();
	start_ns = mb_now_ns(call);
	for (int64_t i = 0; i < n; i++) {
		uint64_t key = cold_next(&random);
		const struct line *at = &cold[XXH3_64bits(&key, sizeof(key)) % COLD_CNT];
		uint64_t version = __atomic_load_n(&at->version, __ATOMIC_ACQUIRE);

		sum += __atomic_load_n(&at->value, __ATOMIC_ACQUIRE);
		sum += __atomic_load_n(&at->version, __ATOMIC_RELAXED) - version;
	}
	seen = sum;
	return mb_return_i64(call, (int64_t)(mb_now_ns(call) - start_ns));
}

/* The floor of a put: hash the key, find its line, compare, write. */
MB_FUNCTION(bench_bare_put)
{
	uint64_t start_ns;
	int64_t n;

	MB_TRY(mb_arg_i64(call, 0, &n));
	start_ns = mb_now_ns(call);
	for (int64_t i = 0; i < n; i++) {
		const char *key = small[i % KEY_CNT];
		uint64_t hash = XXH3_64bits(key, KEY_BYTES);
		struct line *at = &line[i % KEY_CNT];

		if (at->hash != hash || memcmp(at->key, key, KEY_BYTES) != 0) {
			return mb_fail(call, "line %d is not its key's", (int)(i % KEY_CNT));
		}
		__atomic_store_n(&at->value, (uint64_t)i, __ATOMIC_RELEASE);
	}
	return mb_return_i64(call, (int64_t)(mb_now_ns(call) - start_ns));
}
