/* SPDX-License-Identifier: Apache-2.0 */
/* value.h - the values that functions take and return */
#ifndef MICROBURST_VALUE_H
#define MICROBURST_VALUE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that belong to somebody else. p may be NULL when len is 0. */
struct mb_slice {
	const void *p;
	size_t len;
};

static inline struct mb_slice
mb_slice_of(const void *p, size_t len)
{
	struct mb_slice s;

	s.p = p;
	s.len = len;
	return s;
}

/* mb_str is the bytes of a C string, without its terminator: mb_get(call, mb_str("answer"), &v). */
static inline struct mb_slice
mb_str(const char *s)
{
	return mb_slice_of(s, strlen(s));
}

#define MB_VALUES_MAX 256 /* in one list of arguments or results */

enum mb_type {
	MB_NIL = 0,
	MB_BYTES = 1,
	MB_I64 = 2,
	MB_F64 = 3,
	MB_UTF8 = 4,
	MB_F64_ARRAY = 5,
	MB_LIST = 6, /* a list of values in its encoded form */
	/* Of arguments only; p and len are a key. */
	MB_REF = 7,    /* stands for what is stored there: the function gets bytes, or nil */
	MB_OUTPUT = 8, /* what the function returns is stored there too; it does not see this */
	/* Of results, and of arguments that are a function's results: in this place there is no
	 * valid one. p and len are text that says why. */
	MB_INVALID = 9,
};

/* Who has merged a write before it is acknowledged. A level of n owners survives the loss of n - 1;
 * an acknowledgement that does not come in time is MB_ERR_INDETERMINATE. */
enum mb_ack {
	MB_ACK_DEFAULT = 0, /* as the node is configured: kvs.ack */
	MB_ACK_LOCAL,       /* the cache of this server; the store hears of it soon */
	MB_ACK_ONE,         /* one owner in the store */
	MB_ACK_QUORUM,      /* more than half of the owners */
	MB_ACK_ALL,
};

/* One value. i64 and f64 hold scalars; p and len the bytes of everything else. len counts bytes,
 * of an array too. What p points to belongs to whoever the function that takes or gives the value
 * says. */
struct mb_value {
	enum mb_type type;
	int64_t i64;
	double f64;
	const void *p;
	size_t len;
};

static inline struct mb_value
mb_nil(void)
{
	struct mb_value v = { MB_NIL, 0, 0.0, NULL, 0 };

	return v;
}

static inline struct mb_value
mb_i64(int64_t x)
{
	struct mb_value v = { MB_I64, 0, 0.0, NULL, 0 };

	v.i64 = x;
	return v;
}

static inline struct mb_value
mb_f64(double x)
{
	struct mb_value v = { MB_F64, 0, 0.0, NULL, 0 };

	v.f64 = x;
	return v;
}

static inline struct mb_value
mb_bytes(const void *p, size_t len)
{
	struct mb_value v = { MB_BYTES, 0, 0.0, NULL, 0 };

	v.p = p;
	v.len = len;
	return v;
}

static inline struct mb_value
mb_utf8(const char *p, size_t len)
{
	struct mb_value v = { MB_UTF8, 0, 0.0, NULL, 0 };

	v.p = p;
	v.len = len;
	return v;
}

/* mb_ref is an argument that stands for what is stored under a key when the function runs. All
 * references of a function are fetched at the same time, before it runs. */
static inline struct mb_value
mb_ref(const char *key, size_t len)
{
	struct mb_value v = { MB_REF, 0, 0.0, NULL, 0 };

	v.p = key;
	v.len = len;
	return v;
}

/* mb_output, among the arguments, names a key under which the function's result is stored as well:
 * one value as its bytes, a number as text; none or several as the encoded list. It is written
 * with all else that the function writes, or not at all. One a function. */
static inline struct mb_value
mb_output(const char *key, size_t len)
{
	struct mb_value v = { MB_OUTPUT, 0, 0.0, NULL, 0 };

	v.p = key;
	v.len = len;
	return v;
}

static inline struct mb_value
mb_f64_array(const double *p, size_t cnt)
{
	struct mb_value v = { MB_F64_ARRAY, 0, 0.0, NULL, 0 };

	v.p = p;
	v.len = cnt * sizeof(double);
	return v;
}

/* A value that merges, by itself or as a part of a pair (pair_lex): what is written is merged into
 * what is there. */
enum mb_part_kind {
	MB_PART_NONE = 0,     /* a second that is not there */
	MB_PART_OR = 1,       /* u64: 0 or 1; true stays */
	MB_PART_MAX = 2,      /* u64: the greatest stays */
	MB_PART_MIN = 3,      /* u64: the smallest */
	MB_PART_MAX_F64 = 4,  /* f64: the greatest */
	MB_PART_PRIORITY = 5, /* number and bytes: the smallest number */
	MB_PART_LWW = 6,      /* u64 and bytes: the latest time, in microseconds since 1970 */
	MB_PART_MEMBER = 7, /* bytes: one member of a set that only grows. Read: the whole set, see
			       * mb_part_next */
	MB_PART_CLOCK = 8,  /* u64 and number: of a writer the most events. Read: the whole clock */
};
struct mb_part {
	enum mb_part_kind kind;
	uint64_t u64;
	int64_t number;
	double f64;
	struct mb_slice bytes;
};

#ifdef __cplusplus
}
#endif

#endif
