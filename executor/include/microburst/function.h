/* SPDX-License-Identifier: Apache-2.0 */
/* function.h - what a function of Microburst is made of, and all that it may do
 *
 *	#include <microburst/function.h>
 *
 *	MB_FUNCTION(increment)
 *	{
 *		int64_t x;
 *
 *		MB_TRY(mb_arg_i64(call, 0, &x));
 *		return mb_return_i64(call, x + 1);
 *	}
 *
 * A file holds one function or many; it is compiled to a shared object (`microburst deploy` does
 * it) and loaded into executors: processes that run one call at a time, each on its own core, in a
 * sandbox. There a function computes, reads and writes the store through the calls below, and
 * nothing else: no files, no sockets, no threads, no processes.
 *
 * Errors    Every function below that can fail returns 0, or a negative enum mb_err (error.h), and
 *           then has written nothing to its out parameters. It also leaves a sentence that says
 *           what was refused; a function that returns such an error (MB_TRY does) ends its call
 *           with that error and that sentence. A function that returns anything else but 0 ends its
 *           call with MB_ERR_FUNCTION_FAILED, as mb_fail does.
 * Atomic    Writes are held back until the function returns, then published together; the caller's
 *           reply waits until the store has them. A function that returns an error, or dies, has
 *           written nothing, except what it had flushed (mb_flush). It sees its own writes at once.
 *           In a DAG whose functions run on one executor this holds for the DAG call as a whole.
 * Views     Arguments and values read are shown in place, not copied. A view is valid until the
 *           function returns. CAUTION: the bytes of an argument lie in memory of the caller, which
 *           may change them while they are read. Read what you decide upon once, or copy it: a
 *           length checked in a view can be another one at the second look. Values that mb_get and
 *           its kin return do not change.
 * Memory    malloc as usual, within the node's executor.memory, or what the function was deployed
 *           with (--memory). One that uses what it did not get ends as EXECUTOR_DIED, "out of
 *           memory". What is left in static variables stays from call to call, but belongs to this
 *           executor alone, may vanish between any two calls, and is no place for state.
 * Threads   `call` belongs to the thread that runs the function; there is no other.
 *
 * Compiles as C11 and as C++.
 */
#ifndef MICROBURST_FUNCTION_H
#define MICROBURST_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <microburst/error.h>
#include <microburst/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface that an object was compiled against. Grows when an object built
 * with the header before would misbehave; a loader refuses an object of another version
 * (MB_ERR_ABI). */
#define MB_FUNCTION_ABI 1

/* Limits. Past one of them: a typed error whose text names the limit. */
#define MB_KEY_BYTES_MAX 1024 /* a key, a field of a map, a member of a sorted set */
#define MB_VALUE_BYTES_MAX                                                                         \
	(64u << 20) /* an argument, a result, a stored value, a member of a set */

/* One call of one function. Lives from the function's entry to its return. */
struct mb_call;

/* How an object announces a function. MB_FUNCTION fills it in. */
struct mb_function {
	uint32_t abi;   /* MB_FUNCTION_ABI */
	uint32_t bytes; /* of this struct: later versions append */
	const char *name;
	int (*run)(struct mb_call *call);
};

/* What a merge makes of two values: either mb_merged_set, a copy of these bytes; or
 * mb_merged_reserve, which shows where len bytes are to be written. Once each time.
 * Errors: MB_ERR_INVALID the second time; MB_ERR_TOO_LARGE, MB_ERR_NO_MEMORY. */
struct mb_merged;
int mb_merged_set(struct mb_merged *out, struct mb_slice value);
int mb_merged_reserve(struct mb_merged *out, size_t len, void **ret);

/* How an object announces a merge. MB_MERGE fills it in; mb_merge_add is called as the object is
 * loaded. */
struct mb_merge {
	uint32_t abi;   /* MB_FUNCTION_ABI */
	uint32_t bytes; /* of this struct */
	const char *name;
	int (*run)(struct mb_slice a, struct mb_slice b, struct mb_merged *out);
	const struct mb_slice *sample;
	size_t sample_cnt;
};
void mb_merge_add(const struct mb_merge *merge);

/* --------------------------------------------------------------- definition */

#define MB_EXPORT_ __attribute__((__visibility__("default")))
#define MB_CALL_   struct mb_call *call __attribute__((__unused__))

/* Known to the loader by its C name. */
#ifdef __cplusplus
#define MB_C_ extern "C"
#else
#define MB_C_ extern
#endif

/* MB_FUNCTION(name) { ... } defines a function that can be deployed under this name, a C identifier
 * of at most 63 characters. The body has `call` and returns 0 or an error. */
#define MB_FUNCTION(fn)                                                                            \
	static int mb_run_##fn(struct mb_call *call);                                              \
	MB_C_ MB_EXPORT_ const struct mb_function mb_function_##fn;                                \
	const struct mb_function mb_function_##fn = { MB_FUNCTION_ABI, sizeof(struct mb_function), \
						      #fn, mb_run_##fn };                          \
	static int mb_run_##fn(MB_CALL_)

/* MB_INIT { ... } runs once when the object is loaded into an executor, before the first call: the
 * place to build tables. At most one in an object. It has `call`, for mb_fail and mb_log only (the
 * rest is refused with MB_ERR_NOT_SUPPORTED), and returns 0 or an error, which refuses the
 * object. */
#define MB_INIT                                                                                    \
	MB_C_ MB_EXPORT_ int mb_object_init(struct mb_call *call);                                 \
	int mb_object_init(MB_CALL_)

/* MB_FINI { ... } runs when the executor is let go in good order; not when it is stopped by
 * force. */
#define MB_FINI                                                                                    \
	MB_C_ MB_EXPORT_ void mb_object_fini(void);                                                \
	void mb_object_fini(void)

/* MB_MERGE(name, sample, ...) { ... } defines how two values become one, for keys whose concurrent
 * values are kept beside each other until a function merges them (mb_put_merged). The body has the
 * values `a` and `b` and puts what they make into `out`; it returns 0, or an error, which refuses
 * the two. name is as a function's; what changes the meaning of a merge needs another name, as
 * values that were merged by the one must not meet those of the other.
 *
 *	MB_MERGE(longest, MB_SAMPLE("a"), MB_SAMPLE("bb"), MB_SAMPLE("bc"))
 *	{
 *		if (a.len != b.len) {
 *			return mb_merged_set(out, a.len > b.len ? a : b);
 *		}
 *		return mb_merged_set(out, memcmp(a.p, b.p, a.len) >= 0 ? a : b);
 *	}
 *
 * When an object is deployed its merges are tried, on the samples and on values merged from them:
 * a merge must be commutative, associative and idempotent, and make the same bytes of the same
 * bytes each time. One that is not is refused, with the values that show it. 2 to 32 samples, at
 * least two of which differ; the more they differ, the more is found. Only functions of the same
 * object can name a merge. */
#define MB_MERGE(merge, ...)                                                                       \
	static int mb_merge_run_##merge(struct mb_slice a, struct mb_slice b,                      \
					struct mb_merged *out);                                    \
	static const struct mb_slice mb_merge_sample_##merge[] = { __VA_ARGS__ };                  \
	static const struct mb_merge mb_merge_def_##merge = {                                      \
		MB_FUNCTION_ABI,                                                                   \
		sizeof(struct mb_merge),                                                           \
		#merge,                                                                            \
		mb_merge_run_##merge,                                                              \
		mb_merge_sample_##merge,                                                           \
		sizeof(mb_merge_sample_##merge) / sizeof(mb_merge_sample_##merge[0]),              \
	};                                                                                         \
	__attribute__((__constructor__)) static void mb_merge_add_##merge(void)                    \
	{                                                                                          \
		mb_merge_add(&mb_merge_def_##merge);                                               \
	}                                                                                          \
	static int mb_merge_run_##merge(struct mb_slice a, struct mb_slice b, struct mb_merged *out)

/* MB_SAMPLE is the bytes of a string literal; MB_SAMPLE_OF those of any object. */
#define MB_SAMPLE(text)                                                                            \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}
#define MB_SAMPLE_OF(object)                                                                       \
	{                                                                                          \
		&(object), sizeof(object)                                                          \
	}

/* MB_TRY(expression) returns from the function with the expression's error, if it is one. */
#define MB_TRY(expr)                                                                               \
	do {                                                                                       \
		int mb_try_err_ = (expr);                                                          \
		if (mb_try_err_ < 0) {                                                             \
			return mb_try_err_;                                                        \
		}                                                                                  \
	} while (0)

/* ---------------------------------------------------------------- arguments
 *
 * Arguments are numbered from 0. In a DAG the function's own arguments come first, then the results
 * of its upstream functions in the order of the DAG's edges.
 *
 * An argument that its caller gave as a reference (mb_ref) is what was stored under that key when
 * the function began: BYTES, read in place, or NIL.
 *
 * Errors:    MB_ERR_NOT_FOUND there is no argument idx; MB_ERR_TYPE it is of another type.
 */

/* mb_arg_cnt counts the arguments of this call, 0 .. MB_VALUES_MAX. */
uint32_t mb_arg_cnt(const struct mb_call *call);

/* mb_arg_type gives the enum mb_type of argument idx, or MB_ERR_NOT_FOUND. */
int mb_arg_type(const struct mb_call *call, uint32_t idx);

/* mb_arg_bytes shows an argument of type BYTES or UTF8. Its bytes may change under the reader. */
int mb_arg_bytes(struct mb_call *call, uint32_t idx, struct mb_slice *ret);

/* mb_arg_utf8 shows an argument of type UTF8. There is no terminator.
 * Errors: also MB_ERR_INVALID, when the bytes were not valid UTF-8 as they were looked at; they may
 * change afterwards. Cost: reads the text once. */
int mb_arg_utf8(struct mb_call *call, uint32_t idx, struct mb_slice *ret);

/* mb_arg_i64 copies an argument of type I64. */
int mb_arg_i64(struct mb_call *call, uint32_t idx, int64_t *ret);

/* mb_arg_f64 copies an argument of type F64, or of type I64 if a double can hold it exactly. */
int mb_arg_f64(struct mb_call *call, uint32_t idx, double *ret);

/* mb_arg_f64_array shows an argument of type F64_ARRAY: *ret_cnt doubles, which may change under
 * the reader. */
int mb_arg_f64_array(struct mb_call *call, uint32_t idx, const double **ret, size_t *ret_cnt);

/* mb_arg_invalid shows why there is no valid result in the place of argument idx: the text that a
 * function before this one gave mb_return_invalid. Taken as any other type, such an argument is
 * MB_ERR_TYPE, with that text. */
int mb_arg_invalid(struct mb_call *call, uint32_t idx, struct mb_slice *ret);

/* ------------------------------------------------------------------ results
 *
 * Each mb_return_* appends one result; a function that calls none returns no values. Bytes handed
 * in are copied before the call returns. Results of a function that returns an error are dropped.
 *
 * Errors:    MB_ERR_TOO_LARGE more than MB_VALUES_MAX results, one above MB_VALUE_BYTES_MAX, or
 *            all together above 64 MiB and 2,040 bytes;
 *            MB_ERR_NO_MEMORY the executor's payload memory is used up: callers still hold results.
 */
int mb_return_nil(struct mb_call *call);
int mb_return_bytes(struct mb_call *call, struct mb_slice bytes);
int mb_return_i64(struct mb_call *call, int64_t x);
int mb_return_f64(struct mb_call *call, double x);
/* Errors: also MB_ERR_INVALID when text is not valid UTF-8. */
int mb_return_utf8(struct mb_call *call, struct mb_slice text);
int mb_return_f64_array(struct mb_call *call, const double *p, size_t cnt);

/* mb_return_invalid appends a result that says, in the place of a value, that there is no valid
 * one: an input of several that could not be used, or one run of a multi function in a DAG. The
 * call goes on and succeeds; whoever gets the results sees by the type which of them is none
 * (MB_INVALID, mb_arg_invalid), and reads the text, at most 511 bytes. A run of a multi function
 * that returns nothing at all leaves no place. As the only result it is not stored under an output
 * key. */
int mb_return_invalid(struct mb_call *call, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));

/* mb_return_reserve appends a result of type BYTES, UTF8 or F64_ARRAY and shows where its len bytes
 * lie, for the function to write them there: the caller reads them from the same memory.
 *
 * Ensures:   *ret is aligned to 8 bytes and valid until the next mb_return_* or the function's
 *            return. The bytes hold anything until they are written.
 * Errors:    also MB_ERR_TYPE for another type, MB_ERR_INVALID for an F64_ARRAY whose len is not a
 *            multiple of 8.
 */
int mb_return_reserve(struct mb_call *call, enum mb_type type, size_t len, void **ret);

/* mb_return_trim shortens the result reserved last to len bytes.
 * Errors: MB_ERR_INVALID when it is not longer, or the last result was not reserved. */
int mb_return_trim(struct mb_call *call, size_t len);

/* mb_fail ends the call with an error of the function's own: return what it returns. The text, at
 * most 1,023 bytes (longer is cut), reaches the caller.
 *
 * Returns:   MB_ERR_FUNCTION_FAILED
 */
int mb_fail(struct mb_call *call, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));

/* -------------------------------------------------------------------- state
 *
 * Keys are 1 .. MB_KEY_BYTES_MAX bytes, fields and members of sorted sets up to that many, values
 * and members of sets up to MB_VALUE_BYTES_MAX. All are any bytes. Inputs are copied before a call
 * returns.
 *
 * A key holds a string (put, incr), a set (sadd, gset_add), a map (map_put), a list (push_..), a
 * sorted set (zadd), one of the values that merge (merge_..), or values beside each other
 * (put_sibling, put_merged). A collection without items is an absent key. Reads come from the cache
 * of this machine, with the call's own writes on top. A key that is not cached yet is fetched,
 * which takes microseconds instead of nanoseconds.
 *
 * Errors:    MB_ERR_TOO_LARGE a key, a value, or what one call may write (16,384 keys; 32,767
 *            members and fields; 16 MiB of keys, members and values up to 4 KiB; 2,048 larger
 *            members and values) or look at (see mb_release) is above its limit, or what the key
 *            holds is longer than the cache (it can be deleted); MB_ERR_INVALID an empty key;
 *            MB_ERR_TYPE the key holds another type. A write finds out when it can be seen here,
 *            else when the writes are published: then the call fails with it, and the other writes
 *            of the call have happened;
 *            MB_ERR_DENIED a write in a call that was made read-only;
 *            MB_ERR_NO_MEMORY as above; MB_ERR_TRYAGAIN the key could not be brought into the
 *            cache; MB_ERR_DEADLINE the call's deadline passed while a key was fetched.
 */

/* mb_get shows the string at key: what was put, with increments added to it (then as decimal text).
 * Errors: also MB_ERR_NOT_FOUND. Cost: below 100 ns when cached, whatever the length. */
int mb_get(struct mb_call *call, struct mb_slice key, struct mb_slice *ret);

/* Which value somebody saw. Zeroed: none yet, or none there. Equal versions, equal values, on any
 * node at any time: it is a hash of the value, of 128 bits. May be kept, and sent. */
struct mb_version {
	uint64_t word[2];
};

/* mb_get_if_changed is mb_get, if the value at key is another one than *version, which is then
 * changed to what was seen; also for a key that is gone (MB_ERR_NOT_FOUND, and zeroed).
 *
 * Returns:   0, *ret filled; MB_ERR_NOT_FOUND; 1 when it is the same value, *ret as it was. Errors
 *            as mb_get. Cost: that of mb_get, and 0.1 ns a byte. */
int mb_get_if_changed(struct mb_call *call, struct mb_slice key, struct mb_version *version,
		      struct mb_slice *ret);

/* mb_if_changed tells whether what key shows, of whatever type, is another value than *version,
 * which is then changed to it. Of a text it is the version of mb_get_if_changed. Of a collection
 * it is one of all that a walk over it shows, own writes included, whenever they are published; of
 * values beside each other, of all of them, or until it is published of the one that this call has
 * put. Nothing is looked at: it takes no view, and mb_put_sibling does not replace what was only
 * asked about.
 *
 * Returns:   0 when it is another one; MB_ERR_NOT_FOUND, and zeroed, when there is none; 1 when it
 *            is the same. Errors as mb_get, but a collection is no MB_ERR_TYPE. Cost: of a text as
 *            of mb_get_if_changed; of a collection some 50 ns an item, and that of mb_get when this
 *            executor has told its version lately and it did not change since. */
int mb_if_changed(struct mb_call *call, struct mb_slice key, struct mb_version *version);

/* mb_get_i64 reads the string at key as a decimal integer.
 * Errors: also MB_ERR_NOT_FOUND; MB_ERR_TYPE when it is not one, MB_ERR_TOO_LARGE beyond 64
 * bits. */
int mb_get_i64(struct mb_call *call, struct mb_slice key, int64_t *ret);

/* mb_put makes key the string value, whatever it was. Concurrent puts: the latest wins. */
int mb_put(struct mb_call *call, struct mb_slice key, struct mb_slice value);

/* mb_incr adds delta to the integer at key; a key that is absent counts as 0. Concurrent increments
 * all count. ret may be NULL: then the key is not read, nor fetched. Else *ret is the sum as this
 * call sees it, which others' increments may have passed.
 * Errors: also MB_ERR_TYPE when the string is not an integer, MB_ERR_TOO_LARGE when the sum is
 * beyond 64 bits. */
int mb_incr(struct mb_call *call, struct mb_slice key, int64_t delta, int64_t *ret);

/* mb_merge_max merges x into the number at key: the greatest of all that were merged stands,
 * whoever merged them when. mb_merge_min: the smallest; mb_merge_max_f64: the greatest double;
 * mb_merge_or: true, once anybody merged true; mb_merge_priority: the value that came with the
 * smallest number. A key holds one of these kinds. mb_get shows it (numbers as text, true as 1),
 * mb_get_i64 too. Errors: also MB_ERR_INVALID for a NaN. */
int mb_merge_max(struct mb_call *call, struct mb_slice key, uint64_t x);
int mb_merge_min(struct mb_call *call, struct mb_slice key, uint64_t x);
int mb_merge_max_f64(struct mb_call *call, struct mb_slice key, double x);
int mb_merge_or(struct mb_call *call, struct mb_slice key, bool x);
int mb_merge_priority(struct mb_call *call, struct mb_slice key, int64_t number,
		      struct mb_slice value);

/* mb_merge_lww puts a value as if at a time, in microseconds since 1970: of all the one with the
 * latest stays, whatever the order in which they come; of equal times the greater value. mb_get
 * shows it. */
int mb_merge_lww(struct mb_call *call, struct mb_slice key, struct mb_slice value,
		 uint64_t time_us);

/* mb_merge_clock notes, in the vector clock at key, that of writer (a number of the caller's
 * choice) so many events were seen: of each writer the greatest number stands. mb_get_clock tells
 * how many; 0: none. */
int mb_merge_clock(struct mb_call *call, struct mb_slice key, uint64_t writer, uint64_t events);
int mb_get_clock(struct mb_call *call, struct mb_slice key, uint64_t writer, uint64_t *ret);

/* mb_merge_pair merges a pair into the key: of pairs the one with the greater first stands whole,
 * whatever its second; of equal firsts the seconds merge. A term before a set, a version before a
 * value. (The first is not MB_PART_MEMBER: of two firsts one must be the greater.) mb_get shows the
 * second, if it is one value; mb_get_pair shows both. Errors: also MB_ERR_INVALID for parts that
 * are none; MB_ERR_TYPE when the key's pairs are of other kinds; MB_ERR_TOO_LARGE above 64 KiB. */
int mb_merge_pair(struct mb_call *call, struct mb_slice key, const struct mb_part *first,
		  const struct mb_part *second);
int mb_get_pair(struct mb_call *call, struct mb_slice key, struct mb_part *ret_first,
		struct mb_part *ret_second);

/* mb_part_next gives the members of an MB_PART_MEMBER that mb_get_pair showed, one after the other:
 * *idx 0 at first. false behind the last one. */
bool mb_part_next(const struct mb_part *set, uint32_t *idx, struct mb_slice *ret_member);

/* mb_put_sibling puts a value in the place of those that this call has seen at key (by mb_get or
 * mb_sibling_begin), and beside those that it has not: of calls that write at the same time each
 * one's value stays, until one that has seen them all puts another in their place. What mb_release
 * let go of was not seen. mb_get shows the latest.
 *
 * mb_sibling_begin and mb_sibling_next show all of them, as mb_set_begin and mb_set_next show
 * members; in no particular order, this call's own one last. */
int mb_put_sibling(struct mb_call *call, struct mb_slice key, struct mb_slice value);
struct mb_sibling_iter {
	struct mb_call *call;
	uint64_t word[9]; /* not for you */
};
int mb_sibling_begin(struct mb_call *call, struct mb_slice key, struct mb_sibling_iter *ret);
bool mb_sibling_next(struct mb_sibling_iter *it, struct mb_slice *ret_value);

/* mb_put_merged merges a value into what is at key, by the MB_MERGE of that name; calls that do so
 * at the same time put values beside each other, which whoever reads next merges. mb_get_merged
 * shows all values at key merged into one, and puts that in their place (a call that was made
 * read-only only shows it).
 * Errors: also MB_ERR_NO_FUNCTION when this function's object has no such merge; MB_ERR_TYPE when
 * the key's values have another merge; MB_ERR_FUNCTION_FAILED when the merge refused two values;
 * MB_ERR_NOT_FOUND. */
int mb_put_merged(struct mb_call *call, struct mb_slice key, const char *merge,
		  struct mb_slice value);
int mb_get_merged(struct mb_call *call, struct mb_slice key, const char *merge,
		  struct mb_slice *ret);

/* mb_expire lets a key end at a time, in microseconds since 1970; 0: it does not end any more. A
 * later mb_put takes the end back, too; mb_put_keep is mb_put that does not. mb_expires tells when
 * a key ends; 0: never. A key that is not there is not made by mb_expire, nor is that an error. It
 * counts for what the call leaves there, also when that was put into a collection later. A
 * collection that a call leaves without items has ended, and its time with it.
 * Errors: also MB_ERR_INVALID before 1970; MB_ERR_NOT_FOUND (mb_expires). */
int mb_expire(struct mb_call *call, struct mb_slice key, int64_t at_us);
int mb_expires(struct mb_call *call, struct mb_slice key, int64_t *ret_at_us);
int mb_put_keep(struct mb_call *call, struct mb_slice key, struct mb_slice value);

/* mb_delete removes what is there, of a collection item by item: writes that other calls make at
 * the same time survive. Deleting an absent key is no error. */
int mb_delete(struct mb_call *call, struct mb_slice key);

/* mb_sadd adds a member, 0 .. MB_VALUE_BYTES_MAX bytes, to the set at key. */
int mb_sadd(struct mb_call *call, struct mb_slice key, struct mb_slice member);

/* mb_gset_add adds a member to a set that only grows: it has no removes to remember, and is
 * smaller. Errors: also MB_ERR_TYPE when the set at key is one that mb_sadd made. */
int mb_gset_add(struct mb_call *call, struct mb_slice key, struct mb_slice member);

/* mb_srem removes a member, as it is in the cache when the call's writes are published. One that
 * another server adds at the same time stays. */
int mb_srem(struct mb_call *call, struct mb_slice key, struct mb_slice member);

/* mb_sismember says whether member is in the set at key; an absent key is an empty set. */
int mb_sismember(struct mb_call *call, struct mb_slice key, struct mb_slice member, bool *ret);

/* mb_scard counts the members of the set at key. */
int mb_scard(struct mb_call *call, struct mb_slice key, uint64_t *ret);

/* Members of a set, one after the other, in no particular order. The set is the one that
 * mb_set_begin saw; members that this call adds meanwhile may be shown or not. mb_flush ends the
 * walk, and so does mb_release of its key: no more is shown then.
 *
 *	struct mb_set_iter it;
 *	struct mb_slice member;
 *
 *	MB_TRY(mb_set_begin(call, key, &it));
 *	while (mb_set_next(&it, &member)) {
 *		...
 *	}
 */
struct mb_set_iter {
	struct mb_call *call;
	uint64_t word[9]; /* not for you */
};
int mb_set_begin(struct mb_call *call, struct mb_slice key, struct mb_set_iter *ret);
bool mb_set_next(struct mb_set_iter *it, struct mb_slice *ret_member);

/* mb_map_put sets one field of the map at key. Concurrent puts of a field: the latest wins. */
int mb_map_put(struct mb_call *call, struct mb_slice key, struct mb_slice field,
	       struct mb_slice value);

/* mb_map_put_at sets a field as if it had been put time_us microseconds after 1970 began: of all
 * puts of a field the one with the latest time stays, whatever the order in which they come and
 * however often; of equal times the greater value. For what has a time of its own: events,
 * measurements. A field that was deleted after that time stays deleted, although the call that puts
 * it may see it until it ends (one that had been put without a time: until its delete is forgotten,
 * which a store does once all have heard of it). One call writes a field either at times or without
 * (MB_ERR_INVALID). */
int mb_map_put_at(struct mb_call *call, struct mb_slice key, struct mb_slice field,
		  struct mb_slice value, uint64_t time_us);

/* mb_map_get shows one field of the map at key. Errors: also MB_ERR_NOT_FOUND, key or field. */
int mb_map_get(struct mb_call *call, struct mb_slice key, struct mb_slice field,
	       struct mb_slice *ret);

/* mb_map_incr adds delta to the integer in a field; all as mb_incr does with a key. */
int mb_map_incr(struct mb_call *call, struct mb_slice key, struct mb_slice field, int64_t delta,
		int64_t *ret);

/* mb_map_delete removes a field, as it is in the cache when the call's writes are published. A
 * value that another server puts there at the same time stays. */
int mb_map_delete(struct mb_call *call, struct mb_slice key, struct mb_slice field);

/* mb_map_cnt counts the fields of the map at key. */
int mb_map_cnt(struct mb_call *call, struct mb_slice key, uint64_t *ret);

/* Fields of a map and their values, one after the other, as mb_set_begin and mb_set_next show
 * members. A value that mb_map_incr made is shown as a text that is good until the next
 * mb_map_next of this walk, so a map may have any number of them. mb_map_next returns 1 with a
 * field; 0 behind the last one; MB_ERR_TOO_LARGE when the call looks at too many values, see
 * mb_release. */
struct mb_map_iter {
	struct mb_call *call;
	uint64_t word[9]; /* not for you */
};
int mb_map_begin(struct mb_call *call, struct mb_slice key, struct mb_map_iter *ret);
int mb_map_next(struct mb_map_iter *it, struct mb_slice *ret_field, struct mb_slice *ret_value);

/* mb_push_left puts an item before the first one of the list at key, mb_push_right behind the last.
 * Items that are pushed at the same time all stay, in one order for all. */
int mb_push_left(struct mb_call *call, struct mb_slice key, struct mb_slice value);
int mb_push_right(struct mb_call *call, struct mb_slice key, struct mb_slice value);

/* mb_pop_left removes the first item of the list at key and shows it, mb_pop_right the last.
 * CAUTION: two calls that pop at the same time can get the same item; mb_take_left does not let
 * them.
 * Errors: also MB_ERR_NOT_FOUND, of an empty list. */
int mb_pop_left(struct mb_call *call, struct mb_slice key, struct mb_slice *ret);
int mb_pop_right(struct mb_call *call, struct mb_slice key, struct mb_slice *ret);

/* mb_take_left removes the first item of the list at key and shows it, mb_take_right the last: no
 * other call gets it. It is gone at once, not when this call ends, and whatever becomes of the
 * call; all that the call wrote before is published with it (mb_flush).
 * Errors: also MB_ERR_NOT_FOUND, of an empty list; as mb_flush. */
int mb_take_left(struct mb_call *call, struct mb_slice key, struct mb_slice *ret);
int mb_take_right(struct mb_call *call, struct mb_slice key, struct mb_slice *ret);

/* mb_list_get shows item idx of the list at key: 0 is the first, -1 the last. mb_list_set gives it
 * another value. mb_list_cnt is the length.
 * Errors: also MB_ERR_NOT_FOUND, when there is no such item. Cost: as many items as are passed
 * over. */
int mb_list_get(struct mb_call *call, struct mb_slice key, int64_t idx, struct mb_slice *ret);
int mb_list_set(struct mb_call *call, struct mb_slice key, int64_t idx, struct mb_slice value);
int mb_list_cnt(struct mb_call *call, struct mb_slice key, uint64_t *ret);

/* Items of a list from the left, one after the other, as mb_set_begin and mb_set_next show
 * members. */
struct mb_list_iter {
	struct mb_call *call;
	uint64_t word[9]; /* not for you */
};
int mb_list_begin(struct mb_call *call, struct mb_slice key, struct mb_list_iter *ret);
bool mb_list_next(struct mb_list_iter *it, struct mb_slice *ret_value);

/* mb_zadd makes score the score of a member of the sorted set at key: concurrently, the latest
 * wins. mb_zincr adds to it, a member that is not there counts as 0: concurrent additions all
 * count. ret as for mb_incr. mb_zrem removes a member, as mb_srem does.
 * Errors: also MB_ERR_INVALID for a score that is no number. */
int mb_zadd(struct mb_call *call, struct mb_slice key, struct mb_slice member, double score);
int mb_zincr(struct mb_call *call, struct mb_slice key, struct mb_slice member, double x,
	     double *ret);
int mb_zrem(struct mb_call *call, struct mb_slice key, struct mb_slice member);

/* mb_zscore gives the score of a member. Errors: also MB_ERR_NOT_FOUND; MB_ERR_TOO_LARGE when
 * infinities of both signs were added. mb_zcard counts the members. */
int mb_zscore(struct mb_call *call, struct mb_slice key, struct mb_slice member, double *ret);
int mb_zcard(struct mb_call *call, struct mb_slice key, uint64_t *ret);

/* Members with their scores, one after the other, in no particular order: who wants them in that of
 * the scores sorts them. As mb_set_begin and mb_set_next. */
struct mb_zset_iter {
	struct mb_call *call;
	uint64_t word[9]; /* not for you */
};
int mb_zset_begin(struct mb_call *call, struct mb_slice key, struct mb_zset_iter *ret);
bool mb_zset_next(struct mb_zset_iter *it, struct mb_slice *ret_member, double *ret_score);

/* Members in the order of their scores (of equal ones in that of their bytes): those with scores
 * from min to max; those at places first to last, 0 being the lowest score, -1 the highest. One
 * such walk at a time: the next one ends it, mb_flush does not. mb_zrank tells at which place a
 * member is. A set of up to 1,048,576 members (MB_ERR_TOO_LARGE). Cost: that of looking at all
 * members, and of putting in order those of the range, for places all. */
struct mb_zrange_iter {
	struct mb_call *call;
	uint64_t word[9]; /* not for you */
};
int mb_zrange_by_score(struct mb_call *call, struct mb_slice key, double min, double max,
		       struct mb_zrange_iter *ret);
int mb_zrange_by_rank(struct mb_call *call, struct mb_slice key, int64_t first, int64_t last,
		      struct mb_zrange_iter *ret);
bool mb_zrange_next(struct mb_zrange_iter *it, struct mb_slice *ret_member, double *ret_score);
int mb_zrank(struct mb_call *call, struct mb_slice key, struct mb_slice member, uint64_t *ret);

/* mb_take_lowest removes the member with the lowest score and shows it, mb_take_highest that with
 * the highest: as mb_take_left, no other call gets it. */
int mb_take_lowest(struct mb_call *call, struct mb_slice key, struct mb_slice *ret_member,
		   double *ret_score);
int mb_take_highest(struct mb_call *call, struct mb_slice key, struct mb_slice *ret_member,
		    double *ret_score);

/* mb_release ends the views that this call has of the value at key, and walks over it. A call may
 * look at 8,192 different values at a time, 63 of them larger than some 48 bytes (MB_ERR_TOO_LARGE
 * at the next): whoever looks at more lets go. Views of a value that this call wrote itself count
 * only while it is a sum. */
void mb_release(struct mb_call *call, struct mb_slice key);

/* mb_flush publishes the writes made so far and waits until the store has them. They stay, whatever
 * becomes of the call; and the call is not tried again elsewhere if its executor dies later.
 * Errors: as the state's; MB_ERR_INDETERMINATE when the deadline passed before the answer came;
 * MB_ERR_NOT_SUPPORTED at the level rr. */
int mb_flush(struct mb_call *call);

/* mb_ack says who has to have merged what this call publishes from now on, in place of what its
 * caller asked for. MB_ERR_INVALID for anything that is not an enum mb_ack. */
int mb_ack(struct mb_call *call, enum mb_ack ack);

/* --------------------------------------------------------------- the call */

/* mb_deadline_ns gives the time that is left, in nanoseconds: 0 when it has passed, UINT64_MAX when
 * the caller set none. An executor that runs on past its caller's deadline is stopped. */
uint64_t mb_deadline_ns(const struct mb_call *call);

/* mb_now_ns gives the time of this machine in nanoseconds: never goes back, starts anywhere. */
uint64_t mb_now_ns(const struct mb_call *call);

/* mb_self gives the id of this call, unique on this node among calls not long past; all functions
 * of one DAG call have the same. */
uint64_t mb_self(const struct mb_call *call);

/* Messages between calls. A message goes to a call by its id; the call may be anywhere on the node,
 * run or be about to. Messages of one sender come in the order in which they were sent, each once
 * for each attempt of the receiver: they are kept until it has ended, and a second attempt gets
 * them again.
 *
 * mb_send holds a message back: like the call's writes it goes when the call returns, or with
 * mb_flush, and after them. Of a call that fails before that nothing goes. At most 256 are held at
 * one time. That the receiver has ended is found out then: mb_flush, or the call, ends with
 * MB_ERR_GONE, the other messages being sent. A receiver for which a thousand messages wait:
 * MB_ERR_BUSY. Errors: MB_ERR_TOO_LARGE above 32 KiB or 256 messages, MB_ERR_NO_MEMORY.
 * Messages are no writes: a call that has flushed some, and has written nothing, is tried again if
 * its executor dies. Of what it sends then its receivers get what comes after those that they have,
 * by number; "its writes did not happen" says nothing of messages.
 *
 * mb_recv takes the next message, waiting at most timeout_ns for it (MB_FOREVER: until the
 * deadline). The executor runs nothing else meanwhile. Its bytes are valid until the next mb_recv
 * of the call. Returns: 0; MB_ERR_NOT_FOUND when none has come in that time; MB_ERR_DEADLINE. In a
 * DAG each function sees all messages to the call, from the first one on, when it runs at an
 * executor of its own; in one executor they share them. */
#define MB_FOREVER UINT64_MAX

struct mb_message {
	uint64_t from; /* the sending call; of a client outside: its own name */
	struct mb_slice bytes;
};

int mb_send(struct mb_call *call, uint64_t to, struct mb_slice bytes);
int mb_recv(struct mb_call *call, uint64_t timeout_ns, struct mb_message *ret);

/* mb_continue names a function that goes on with what this one returns: its arguments are this
 * one's results, and the caller gets its answer instead of them. mb_continue_dag: a DAG, whose
 * first function (that stands first in its text, of those that wait for none) gets them. It counts
 * when this function returns 0; the last one named counts. The one that goes on may do so too, 64
 * times in a call. The call's id, deadline, level and acknowledgement stay.
 *
 * If this executor has it, it runs here, sees what the call wrote, and all is published together.
 * If not, this call's writes are published and it runs elsewhere: an error of it leaves them. At
 * the level rr a call that has read or written does not go elsewhere: it ends with
 * MB_ERR_NOT_SUPPORTED, and has written nothing. (A DAG's functions may be anywhere.)
 *
 * Errors: MB_ERR_INVALID no name of a function; MB_ERR_NOT_SUPPORTED from a function that others of
 * its DAG come after. That there is nothing of that name ends the call, MB_ERR_NO_FUNCTION or
 * MB_ERR_NO_DAG, and it has written nothing. */
int mb_continue(struct mb_call *call, const char *function);
int mb_continue_dag(struct mb_call *call, const char *dag);

/* Batches. A function that was deployed with --batch N gets up to N calls that wait for it in one
 * run, where computing several at a time is cheaper than one by one. All that takes or returns
 * values is about one of the calls at a time, first about call 0; each has an answer of its own.
 *
 *	for (uint32_t i = 0; i < mb_batch_cnt(call); i++) {
 *		MB_TRY(mb_batch_item(call, i));
 *		... mb_arg_*, mb_return_*, or mb_batch_fail
 *	}
 *
 * mb_batch_cnt counts the calls of this run: 1 when nobody else waits, and of every other function.
 * In DAGs the calls of its vertices meet there too, each with its own mb_tag; not those of a DAG
 * call that one executor runs as a whole, because it was free or at the level rr, nor those of a
 * multi function, which runs once for each of its edges. At rr all calls of a run see the same
 * versions. What a call may look at is for all of a run together. mb_batch_item turns to call i,
 * as often as one likes. mb_batch_fail has this one end with an error, and gives 0. An error that
 * the function returns is that of all.
 *
 * Such a function reads, but writes and sends nothing (MB_ERR_DENIED, also when it has one call):
 * so a call that was in a batch with a death is simply run again. Output keys are written, each for
 * its call. Errors: MB_ERR_NOT_FOUND there is no call i. */
uint32_t mb_batch_cnt(const struct mb_call *call);
int mb_batch_item(struct mb_call *call, uint32_t i);
int mb_batch_fail(struct mb_call *call, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));

/* mb_tag gives what stands behind '#' in the DAG's text for this vertex, so that one function can
 * stand in a DAG more than once and tell where it is; the star of a multi function is a part of it.
 * "" outside a DAG and without a tag. */
const char *mb_tag(const struct mb_call *call);

/* mb_log writes one line, at most 511 bytes (longer is cut), to the node's log of this function
 * (`microburst logs`). Lines come in order; one that comes faster than the node takes them is
 * dropped, and counted. */
void mb_log(struct mb_call *call, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));

#ifdef __cplusplus
}
#endif

#endif
