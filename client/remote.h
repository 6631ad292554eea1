/* SPDX-License-Identifier: Apache-2.0 */
/* remote - a client of a node that is elsewhere: requests in datagrams
 *
 * The same interface as in shared memory (client.h). What a call is, its slots, answers and
 * deadlines are those of impl.h; only the way there is another: flow_ask instead of channels.
 */
#ifndef MB_CLIENT_REMOTE_H
#define MB_CLIENT_REMOTE_H

#include "impl.h"

struct remote;

/* remote_open asks whether a node is at where, and opens a session with it. */
int remote_open(struct mb_client *c, const char *where);
void remote_close(struct mb_client *c);

/* remote_pump is client_pump's part of it. Returns: 1 when something came; 0 at until_ns (1:
 * now). */
int remote_pump(struct mb_client *c, uint64_t until_ns);

/* remote_alloc gives memory for a message of any length, for free(). remote_spare takes such memory
 * of at least `bytes` instead; of megabytes it keeps one for the next answer, though the kernel may
 * have its pages when they are short. */
void *remote_alloc(size_t bytes);
void remote_spare(struct mb_client *c, void *p, size_t bytes);

/* remote_cancel asks for the end of a call, err says why. */
void remote_cancel(struct mb_client *c, const struct client_call *call, int err);

/* remote_ask asks and waits. Returns: 0 or an error; *ret points into *ret_bytes, the caller's to
 * free either way. remote_do has no use for more of the answer than its n (NULL: nor for that). */
struct rpc_request;
struct rpc_reply;
/* An answer without an error, there until it returns: the i-th question's. */
typedef void remote_answer_fn(void *ctx, size_t i, const struct rpc_reply *reply);

/* remote_ask_each asks CLIENT_MANY questions at most, all before it waits, of one who reads an
 * answer when it comes: nothing is kept of it. */
void remote_ask_each(struct mb_client *c, const struct rpc_request *req, size_t cnt,
		     remote_answer_fn *fn, void *ctx, int *ret_err);
/* rest: what the payload goes on with: sent from where it is. */
int remote_ask_rest(struct mb_client *c, const struct rpc_request *req, struct slice rest,
		    struct rpc_reply *ret, uint8_t **ret_bytes);
int remote_ask(struct mb_client *c, const struct rpc_request *req, struct rpc_reply *ret,
	       uint8_t **ret_bytes);
int remote_do(struct mb_client *c, const struct rpc_request *req, int64_t *ret_n);

/* The public functions of the same names. */
int remote_call_start(struct mb_client *c, const char *name, const struct mb_value *arg,
		      size_t arg_cnt, const struct mb_call_options *opt, uint64_t *ret_call);
int remote_dag_start(struct mb_client *c, const char *name, const struct mb_dag_arg *arg,
		     size_t arg_cnt, const struct mb_call_options *opt, uint64_t *ret_call);
/* opt->request_id says whose. */
int remote_future_start(struct mb_client *c, const struct mb_call_options *opt, uint64_t *ret_call);

/* remote_wall_ns: as domain_welcome.wall_ns, of a node that is elsewhere. */
uint64_t remote_wall_ns(const struct mb_client *c);

/* remote_day_us asks a node that is elsewhere for its clock of the day; of one that does not answer
 * it is what the clock would be now by what it told last. */
uint64_t remote_day_us(struct mb_client *c);

/* remote_taken tells whether the node has an open call. */
bool remote_taken(const struct mb_client *c, uint64_t call);

/* As client_look, client_look_item, client_look_end, client_write, client_take, client_send. */
int remote_look(struct mb_client *c, struct slice key, struct cache_value *ret);
int remote_look_item(struct mb_client *c, unsigned int type, const struct wset_op *op,
		     struct cache_value *ret);
void remote_look_end(struct mb_client *c, struct cache_value *v);
int remote_write(struct mb_client *c, struct client_write *w);
/* The same of up to CLIENT_MANY, but for those with an error already. remote_looks calls fn with
 * each value, which is there until fn returns. remote_group: how many keys a request names by
 * now. */
typedef int remote_look_fn(void *ctx, size_t i, const struct cache_value *v);
void remote_looks(struct mb_client *c, const struct slice *key, size_t cnt, remote_look_fn *fn,
		  void *ctx, int *err);
uint32_t *remote_group(struct mb_client *c);
/* remote_target numbers the shards of the node's cache: keys with one number may be written
 * together. remote_room: how many bytes of payload a request about a key has in one datagram. */
#define REMOTE_TARGET_NONE UINT32_MAX /* not known */
uint32_t remote_target(struct mb_client *c, struct slice key);
size_t remote_room(struct mb_client *c, struct slice key);
/* remote_lane tells which net tile a key's requests go to, by a number. */
uint32_t remote_lane(struct mb_client *c, struct slice key);
void remote_writes(struct mb_client *c, struct client_write *w, size_t cnt, int *err);
int remote_take(struct mb_client *c, struct client_take *t);
int remote_send(struct mb_client *c, uint64_t call, struct slice bytes);
int remote_keys(struct mb_client *c, struct slice prefix, mb_key_fn fn, void *ctx);
int remote_admin(struct mb_client *c, const char *json, const int *fd, size_t fd_cnt,
		 char **ret_json);

#endif
