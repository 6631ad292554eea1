/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - calling functions and reading state, from C and C++
 *
 *	struct mb_client *c;
 *	struct mb_reply reply;
 *	struct mb_value x = mb_i64(4);
 *
 *	mb_client_open(&c, NULL);
 *	mb_call(c, "increment", &x, 1, NULL, &reply);
 *	printf("%" PRId64 "\n", reply.value[0].i64);
 *	mb_reply_free(c, &reply);
 *	mb_client_close(c);
 *
 * A client lives in the node's shared memory: a call is one message there and one back, arguments
 * and results are not copied on the way, and a value that is cached is read where it lies.
 *
 * Caveats
 *   A client belongs to one thread at a time; open one for each thread. It must not be used across
 *   fork(): the child opens its own.
 *   A process that waits spins for some microseconds before it sleeps, on cpus that the node's plan
 *   leaves to clients; mb_client_bind moves the calling thread to one of them.
 *
 * Errors: 0 is ok, negative is an enum mb_err (microburst/error.h), NULL means not found. A call
 * that mb_call_start accepted is answered exactly once, by a reply or by a typed error in it.
 */
#ifndef MICROBURST_CLIENT_H
#define MICROBURST_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <microburst/error.h>
#include <microburst/value.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MB_MESSAGE_BYTES_MAX (32 * 1024)
#define MB_CLIENT_ADDRS_MAX  8u   /* of a host's name: those behind are not tried */
#define MB_CALLS_MAX         1024 /* calls of one client: not answered, or the answer not freed */

struct mb_client;

/* mb_client_open enters the node at where: a Unix socket's path, or NULL for the default
 * ($MICROBURST_SOCKET, else the user's own node); or "udp://host:port": a node that listens there
 * (net.listen); or "dpdk://address:port?nic=DEVICE&at=ADDRESS[:PORT][&vlan=N][&mtu=N]": the same by
 * a device of DPDK's, named as DPDK names it, on whose link this program is known as ADDRESS. That
 * needs libmicroburst-dpdk, and starts DPDK with its threads, which stay; PCI devices want huge
 * pages. Of a program's clients one has a device, and one an interface that net_af_packet is on. Of
 * a host that is a name the first MB_CLIENT_ADDRS_MAX addresses are tried one after the other, with
 * DPDK those of ADDRESS's family: until the network says that nobody is there, for 5 s the last and
 * for 5 s together those before it. A remote client copies values, hears of an unknown function by
 * the answer, and may get MB_ERR_INDETERMINATE or MB_ERR_NODE_DIED: the request may have been done
 * or not. $MICROBURST_KEYS names its file of keys, if the node has some (net.keys).
 * Returns: 0; MB_ERR_NO_NODE when none runs there; MB_ERR_DENIED; MB_ERR_BUSY when the node has all
 *          the clients it admits; MB_ERR_VERSION; MB_ERR_NO_MEMORY; MB_ERR_INVALID for a where
 *          that cannot be read; of a device MB_ERR_CONFIG (DPDK's log says what of),
 *          MB_ERR_NOT_FOUND, MB_ERR_NOT_SUPPORTED, MB_ERR_IO; of the file of keys MB_ERR_CONFIG,
 *          MB_ERR_NOT_FOUND, MB_ERR_DENIED when others than its owner may read it.
 * Owns:    the caller closes *ret with mb_client_close. */
int mb_client_open(struct mb_client **ret, const char *where);

/* mb_client_close leaves the node. Calls not answered yet are forgotten: they may run or not.
 * Replies that were not freed become invalid. NULL is allowed. */
void mb_client_close(struct mb_client *c);

/* mb_client_bind moves the calling thread to a cpu that the node leaves to clients.
 * Returns: the cpu; MB_ERR_NOT_FOUND when there is none. */
int mb_client_bind(struct mb_client *c);

/* ------------------------------------------------------------------ calls */

enum mb_level {
	MB_LEVEL_LWW = 0, /* converges; each read shows what is there. The default */
	/* repeatable reads: what a call, or any function of a DAG call, reads of a key is what was
	 * read of it first, with the call's own writes on top. The functions of a DAG run one after
	 * the other. */
	MB_LEVEL_RR = 1,
};

struct mb_call_options {
	uint64_t deadline_ns; /* from now; 0: none. Past it the call is stopped: MB_ERR_DEADLINE */
	enum mb_level level;
	enum mb_ack ack; /* of what the call writes */
	/* 0, or an id of mb_request_id: however often a call is started with it, by whomever, the
	 * function runs once, and each start is answered alike. Such a call goes on when its caller
	 * is dead or does not wait any more, and its answer is kept for a while
	 * (sched.result_ttl). The deadline of the first start is the call's, that of a later one
	 * ends its waiting. Arguments and results up to 32 KiB. */
	uint64_t request_id;
	/* Have it followed on its way, for `microburst trace` (a few looks at the clock). Not of a
	 * call with a request id. */
	bool trace;
};

/* An answer. value[0, cnt) are the results, err == 0; or err < 0 and text says more.
 * value, text and all they point to live until mb_reply_free. */
struct mb_reply {
	uint64_t call; /* which call this answers */
	int err;
	uint32_t cnt;
	const struct mb_value *value;
	const char *text;  /* "" when there is nothing to add to mb_err_text(err) */
	uint32_t run_ns;   /* how long the function itself ran; saturates */
	uint32_t executor; /* which process ran it; 0: none did */
	uint64_t name;     /* the call's in ps and trace: of a local client as call */
	void *internal;
};

/* mb_call calls a function and waits for its answer.
 * Returns: 0, reply->err == 0; else reply->err, which is also filled in. Free the reply either way.
 *          MB_ERR_NO_FUNCTION, MB_ERR_NO_EXECUTOR, MB_ERR_BUSY, MB_ERR_TOO_LARGE (names the limit),
 *          MB_ERR_FUNCTION_FAILED (text is the function's), MB_ERR_EXECUTOR_DIED (text says how,
 *          and whether its writes happened), MB_ERR_DEADLINE, MB_ERR_CANCELLED, MB_ERR_NO_NODE. */
int mb_call(struct mb_client *c, const char *name, const struct mb_value *arg, size_t arg_cnt,
	    const struct mb_call_options *opt, struct mb_reply *reply);

/* mb_call_start starts a call and returns at once. Arguments are copied: arg may be used again.
 * Returns: 0 with *ret_call, which its reply will carry; else the call was refused and no reply
 *          comes: MB_ERR_BUSY at MB_CALLS_MAX, MB_ERR_NO_FUNCTION, MB_ERR_TOO_LARGE,
 *          MB_ERR_NO_MEMORY, MB_ERR_NO_NODE. */
int mb_call_start(struct mb_client *c, const char *name, const struct mb_value *arg, size_t arg_cnt,
		  const struct mb_call_options *opt, uint64_t *ret_call);

/* mb_call_poll takes one answer, of any started call, if there is one.
 * Returns: 1 with *reply; 0 when there is none now. */
int mb_call_poll(struct mb_client *c, struct mb_reply *reply);

/* mb_call_wait is mb_call_poll that waits up to timeout_ns (0: for ever).
 * Returns: 1; 0 at the end of the time, or when no call is outstanding. */
int mb_call_wait(struct mb_client *c, uint64_t timeout_ns, struct mb_reply *reply);

/* mb_call_cancel asks for the end of a started call. Its answer still comes: MB_ERR_CANCELLED, or
 * whatever it was faster with. Returns: 0; MB_ERR_NOT_FOUND. */
int mb_call_cancel(struct mb_client *c, uint64_t call);

/* mb_client_send sends bytes to a call that runs, or is about to, by its id: that of mb_call_start,
 * or as mb_self gave it away. Its function takes them with mb_recv, after what this client has sent
 * it before. They are kept until the call ends: a second attempt of it gets them too.
 * Returns: 0: they are kept; MB_ERR_GONE: there is no such call, or it has ended; MB_ERR_BUSY: a
 *          thousand messages wait for it; MB_ERR_TOO_LARGE above MB_MESSAGE_BYTES_MAX;
 *          MB_ERR_NO_MEMORY, MB_ERR_NO_NODE. */
int mb_client_send(struct mb_client *c, uint64_t call, const void *bytes, size_t len);

/* mb_request_id makes a request id: new everywhere, and good for as long as results are kept; by
 * the node's time, whatever clocks say. */
uint64_t mb_request_id(struct mb_client *c);

/* mb_future_start asks for the answer of the call that was started with a request id, here or
 * elsewhere: it comes as that of a call, when that call has ended. opt: its deadline ends the
 * waiting, not the call. Returns: as mb_call_start; the answer may be MB_ERR_NOT_FOUND (nobody has
 * started it), MB_ERR_ID_EXPIRED. */
int mb_future_start(struct mb_client *c, uint64_t request_id, const struct mb_call_options *opt,
		    uint64_t *ret_call);

/* mb_call_taken waits until the node has a call that was started here: one with a request id then
 * goes on without its caller, who may close. A node of this machine has it when mb_call_start
 * returns; to one elsewhere it is under way, and may be lost and sent again.
 * Returns: 0; or the error of a call that has ended and that no executor had: no reply comes. */
int mb_call_taken(struct mb_client *c, uint64_t call);

/* mb_reply_free gives an answer's memory back. A zeroed reply is allowed. */
void mb_reply_free(struct mb_client *c, struct mb_reply *reply);

/* ------------------------------------------------------------------- DAGs */

/* Arguments of one function of a DAG, by its name in the DAG's text ("count#1"). */
struct mb_dag_arg {
	const char *function;
	const struct mb_value *arg;
	size_t arg_cnt;
};

/* mb_dag_call, mb_dag_start: as mb_call and mb_call_start, for a DAG. Functions not named in arg
 * get no arguments of their own. MB_ERR_NO_DAG; MB_ERR_INVALID for a function that the DAG has
 * not. */
int mb_dag_call(struct mb_client *c, const char *name, const struct mb_dag_arg *arg, size_t arg_cnt,
		const struct mb_call_options *opt, struct mb_reply *reply);
int mb_dag_start(struct mb_client *c, const char *name, const struct mb_dag_arg *arg,
		 size_t arg_cnt, const struct mb_call_options *opt, uint64_t *ret_call);

/* ------------------------------------------------------------------ state */

/* Keys are 1 to 1024 bytes, values up to 64 MiB. Writes return when they are acknowledged, see
 * mb_client_ack. key_len may be 0 for a zero-terminated key. What is handed in is copied before a
 * call returns; what a function that is called for each member is shown is valid until it returns,
 * and it may ask the client for more.
 *
 * Errors, of all below: MB_ERR_NOT_FOUND there is no such key, or field, member, item, where one is
 * read or taken; MB_ERR_TYPE the key has another type; MB_ERR_INVALID an empty key;
 * MB_ERR_TOO_LARGE a key or a value is, or what the key has is longer than the node's cache (it can
 * be deleted); MB_ERR_NO_MEMORY the store or the cache has no room; MB_ERR_BUSY the key could not
 * be brought into the cache; MB_ERR_TRYAGAIN others took each item first;
 * MB_ERR_INDETERMINATE a write was not acknowledged in time: it may be done or not;
 * MB_ERR_NO_NODE, and of a remote client MB_ERR_NODE_DIED. */

/* mb_client_ack says who has to have merged this client's own writes before they return, from now
 * on. MB_ERR_INVALID for anything that is not an enum mb_ack. */
int mb_client_ack(struct mb_client *c, enum mb_ack ack);

/* mb_client_get reads a key's value: strings and counters as bytes, sets and maps see below.
 * Returns: 0 with *ret (bytes; valid until mb_client_release, and unchanged by later writes);
 *          MB_ERR_NOT_FOUND; MB_ERR_TYPE for a collection. */
struct mb_held {
	const void *p;
	size_t len;
	void *internal;
};
int mb_client_get(struct mb_client *c, const char *key, size_t key_len, struct mb_held *ret);
void mb_client_release(struct mb_client *c, struct mb_held *held);

/* mb_client_get_many and mb_client_set_many are mb_client_get and _set of each key, but none waits
 * for the answer to another; in what order they are done is not told. ret_err[i] is what became of
 * key[i]; release what was got, which are copies. Returns: 0 when all was well, else the first
 * error of them. */
struct mb_key {
	const void *p;
	size_t len;
};
int mb_client_get_many(struct mb_client *c, const struct mb_key *key, size_t cnt,
		       struct mb_held *ret, int *ret_err);
int mb_client_set_many(struct mb_client *c, const struct mb_key *key, const struct mb_key *value,
		       size_t cnt, int *ret_err);

int mb_client_set(struct mb_client *c, const char *key, size_t key_len, const void *p, size_t len);
/* mb_client_incr adds n, and gives the sum that this write led to, with what others have added by
 * then: two who add at the same time may be told the same sum (so of mb_client_hincr and
 * mb_client_zincr). MB_ERR_TYPE when the value is not an integer. */
int mb_client_incr(struct mb_client *c, const char *key, size_t key_len, int64_t n,
		   int64_t *ret_sum);
/* mb_client_sadd adds members to a set. *ret_added: how many were not in it before. */
int mb_client_sadd(struct mb_client *c, const char *key, size_t key_len,
		   const struct mb_value *member, size_t member_cnt, size_t *ret_added);
/* mb_client_srem removes members. *ret_removed: how many were in it before. */
int mb_client_srem(struct mb_client *c, const char *key, size_t key_len,
		   const struct mb_value *member, size_t member_cnt, size_t *ret_removed);

/* A map's fields: mb_client_hset makes a field this value; mb_client_hincr adds n, and gives the
 * sum that this led to; mb_client_hget reads one, as mb_client_get reads a key; mb_client_hdel
 * deletes one, MB_ERR_NOT_FOUND when there was none. */
int mb_client_hset(struct mb_client *c, const char *key, size_t key_len, const char *field,
		   size_t field_len, const void *p, size_t len);
int mb_client_hincr(struct mb_client *c, const char *key, size_t key_len, const char *field,
		    size_t field_len, int64_t n, int64_t *ret_sum);
int mb_client_hget(struct mb_client *c, const char *key, size_t key_len, const char *field,
		   size_t field_len, struct mb_held *ret);
int mb_client_hdel(struct mb_client *c, const char *key, size_t key_len, const char *field,
		   size_t field_len);

/* A list: mb_client_push puts an item at its left or right end, mb_client_pop removes the item
 * there and shows it, as mb_client_get shows a value. Of those who pop at the same time one gets
 * it. */
int mb_client_push(struct mb_client *c, const char *key, size_t key_len, bool left, const void *p,
		   size_t len);
int mb_client_pop(struct mb_client *c, const char *key, size_t key_len, bool left,
		  struct mb_held *ret);

/* A sorted set: mb_client_zadd makes the score of a member this; mb_client_zincr adds to it, and
 * gives the score that this led to; mb_client_zscore reads it; mb_client_zrem removes a member,
 * MB_ERR_NOT_FOUND when there was none. MB_ERR_INVALID for a score that is no number. */
int mb_client_zadd(struct mb_client *c, const char *key, size_t key_len, const char *member,
		   size_t member_len, double score);
int mb_client_zincr(struct mb_client *c, const char *key, size_t key_len, const char *member,
		    size_t member_len, double x, double *ret_score);
int mb_client_zscore(struct mb_client *c, const char *key, size_t key_len, const char *member,
		     size_t member_len, double *ret_score);
int mb_client_zrem(struct mb_client *c, const char *key, size_t key_len, const char *member,
		   size_t member_len);

/* Members in the order of their scores: mb_client_zrange those at places first to last (0 the
 * lowest score, -1 the highest), mb_client_zrange_score those with scores from min to max: for each
 * fn is called with the member and its score as text, until it returns false. mb_client_zpop
 * removes the member with the lowest or highest score and shows it; of those who pop at the same
 * time one gets it. *ret_score may be NULL. */
typedef bool (*mb_member_fn)(void *ctx, const void *p, size_t len, const void *p2, size_t len2);
int mb_client_zrange(struct mb_client *c, const char *key, size_t key_len, int64_t first,
		     int64_t last, mb_member_fn fn, void *ctx);
int mb_client_zrange_score(struct mb_client *c, const char *key, size_t key_len, double min,
			   double max, mb_member_fn fn, void *ctx);
int mb_client_zpop(struct mb_client *c, const char *key, size_t key_len, bool highest,
		   struct mb_held *ret_member, double *ret_score);

/* mb_client_merge merges a value into what a key has of its kind; second not NULL: the pair of
 * both, of which that with the greater first stands whole, and of equal firsts the seconds merge.
 * mb_client_get shows it, of a pair the second; mb_client_members those that are collections.
 * MB_ERR_TYPE when the key has another kind, MB_ERR_INVALID for what is none, MB_ERR_TOO_LARGE for
 * a pair above 64 KiB. */
int mb_client_merge(struct mb_client *c, const char *key, size_t key_len,
		    const struct mb_part *first, const struct mb_part *second);

/* Values beside each other: mb_client_put_sibling puts a value in the place of those that the
 * caller has seen, and beside all others; mb_client_siblings shows all, and gives what was seen,
 * to be freed with mb_client_seen_free (ret_seen may be NULL; seen NULL: nothing was seen).
 * mb_client_put_merged puts it beside those whose merge is an MB_MERGE of this
 * name (function.h), which functions that read the key make one of. mb_client_get shows the
 * latest. MB_ERR_TYPE when the key has another type or merge; MB_ERR_TOO_LARGE also for the 257th
 * value beside others. */
struct mb_seen;
int mb_client_siblings(struct mb_client *c, const char *key, size_t key_len, mb_member_fn fn,
		       void *ctx, struct mb_seen **ret_seen);
int mb_client_put_sibling(struct mb_client *c, const char *key, size_t key_len, const void *p,
			  size_t len, const struct mb_seen *seen);
void mb_client_seen_free(struct mb_seen *seen);
int mb_client_put_merged(struct mb_client *c, const char *key, size_t key_len, const char *merge,
			 const void *p, size_t len);

/* mb_client_set_keep is mb_client_set, but the time when the key ends stays. mb_client_expires
 * tells that time, in microseconds since 1970; 0: never. */
int mb_client_set_keep(struct mb_client *c, const char *key, size_t key_len, const void *p,
		       size_t len);
int mb_client_expires(struct mb_client *c, const char *key, size_t key_len, int64_t *ret_at_us);

/* mb_client_now_us is the node's clock of the day, by which keys end: microseconds since 1970. A
 * node elsewhere is asked for it. */
int64_t mb_client_now_us(struct mb_client *c);

/* mb_client_expire lets a key end at a time, in microseconds since 1970; 0: it does not end any
 * more. A later mb_client_set takes the end back, too, and so does the removal of a collection's
 * last item. MB_ERR_NOT_FOUND when there is no such key. */
int mb_client_expire(struct mb_client *c, const char *key, size_t key_len, int64_t at_us);

/* mb_client_del deletes a key. MB_ERR_NOT_FOUND when there was none. */
int mb_client_del(struct mb_client *c, const char *key, size_t key_len);

/* mb_client_members calls fn for each member of a set (p, len), or of a map (field, then its value
 * in p2, len2), in byte order; for each item of a list from the left; for each member of a sorted
 * set, its score as text in p2, len2, in byte order of the members; for each writer of a clock, and
 * its events, as text; of a pair, for its second; until fn returns false. */
int mb_client_members(struct mb_client *c, const char *key, size_t key_len, mb_member_fn fn,
		      void *ctx);

/* mb_client_keys calls fn for every key that starts with prefix, in byte order, until fn returns
 * false. Keys written meanwhile may or may not be seen. */
typedef bool (*mb_key_fn)(void *ctx, const char *key, size_t key_len);
int mb_client_keys(struct mb_client *c, const char *prefix, size_t prefix_len, mb_key_fn fn,
		   void *ctx);

/* --------------------------------------------------------- administration */

/* mb_client_admin asks the node a question in JSON and gives its answer in JSON: what the command
 * line does (see control/ctl/admin.h). fds travel with the request.
 * Returns: 0 or the answer's error, with *ret_json either way (free() it), NULL if none came. */
int mb_client_admin(struct mb_client *c, const char *json, const int *fd, size_t fd_cnt,
		    char **ret_json);

#ifdef __cplusplus
}
#endif

#endif
