/* SPDX-License-Identifier: Apache-2.0 */
/* cli_fake.c - a client library without a node, for cli_test.py
 *
 * Linked with the command line's own code in place of client/. It answers from a few tables in
 * memory; $FAKE_NODE=none makes it find no node, and $FAKE_ERROR=NAME makes every request fail with
 * that error. Calls go to five functions:
 *	increment i64        echo any...        fail (says "no luck")        die        nothing
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <microburst/client.h>

struct mb_client {
	uint64_t calls; /* answered and not yet polled are one: the last */
	struct mb_value value[MB_VALUES_MAX];
	uint32_t cnt;
	int err;
	const char *text;
	uint64_t waiting[MB_CALLS_MAX];
	size_t waiting_cnt;
};

static int
fake_error(void)
{
	const char *name = getenv("FAKE_ERROR");

	return name == NULL ? MB_OK : mb_err_from_name(name);
}

int
mb_client_open(struct mb_client **ret, const char *where)
{
	const char *node = getenv("FAKE_NODE");

	if (node != NULL && strcmp(node, "none") == 0) {
		return MB_ERR_NO_NODE;
	}
	(void)where;
	*ret = calloc(1, sizeof(**ret));
	return *ret == NULL ? MB_ERR_NO_MEMORY : MB_OK;
}

void
mb_client_close(struct mb_client *c)
{
	free(c);
}

int
mb_client_ack(struct mb_client *c, enum mb_ack ack)
{
	(void)c;
	return ack <= MB_ACK_ALL ? MB_OK : MB_ERR_INVALID;
}

int
mb_client_bind(struct mb_client *c)
{
	(void)c;
	return MB_ERR_NOT_FOUND;
}

/* ------------------------------------------------------------------ calls */

int
mb_call_start(struct mb_client *c, const char *name, const struct mb_value *arg, size_t arg_cnt,
	      const struct mb_call_options *opt, uint64_t *ret_call)
{
	(void)opt;
	if (fake_error() != MB_OK) {
		return fake_error();
	}
	if (c->waiting_cnt == MB_CALLS_MAX) {
		return MB_ERR_BUSY;
	}
	c->err = MB_OK;
	c->text = "";
	c->cnt = 0;
	if (strcmp(name, "increment") == 0) {
		c->cnt = 1;
		c->value[0] = mb_i64(arg_cnt > 0 ? arg[0].i64 + 1 : 0);
	} else if (strcmp(name, "echo") == 0) {
		c->cnt = (uint32_t)arg_cnt;
		memcpy(c->value, arg, arg_cnt * sizeof(*arg));
	} else if (strcmp(name, "fail") == 0) {
		c->err = MB_ERR_FUNCTION_FAILED;
		c->text = "no luck";
	} else if (strcmp(name, "die") == 0) {
		c->err = MB_ERR_EXECUTOR_DIED;
	} else if (strcmp(name, "nothing") != 0) {
		return MB_ERR_NO_FUNCTION;
	}
	*ret_call = ++c->calls;
	c->waiting[c->waiting_cnt++] = *ret_call;
	return MB_OK;
}

int
mb_dag_start(struct mb_client *c, const char *name, const struct mb_dag_arg *arg, size_t arg_cnt,
	     const struct mb_call_options *opt, uint64_t *ret_call)
{
	/* The DAG "echo" gives back, for each function, its name and its arguments. */
	struct mb_value all[MB_VALUES_MAX];
	size_t n = 0;

	if (strcmp(name, "echo") != 0) {
		return MB_ERR_NO_DAG;
	}
	for (size_t i = 0; i < arg_cnt; i++) {
		all[n++] = mb_utf8(arg[i].function, strlen(arg[i].function));
		for (size_t k = 0; k < arg[i].arg_cnt; k++) {
			all[n++] = arg[i].arg[k];
		}
	}
	return mb_call_start(c, "echo", all, n, opt, ret_call);
}

/* The calls that run are ab and the ones above. */
int
mb_client_send(struct mb_client *c, uint64_t call, const void *bytes, size_t len)
{
	if (fake_error() != MB_OK) {
		return fake_error();
	}
	return len > MB_MESSAGE_BYTES_MAX ? MB_ERR_TOO_LARGE : call < 0xab ? MB_ERR_GONE : MB_OK;
}

uint64_t
mb_request_id(struct mb_client *c)
{
	return 0x1234;
}

/* Whatever has been called is what the future 1234 knows. */
int
mb_future_start(struct mb_client *c, uint64_t request_id, const struct mb_call_options *opt,
		uint64_t *ret_call)
{
	struct mb_value n = mb_i64((int64_t)request_id);

	return mb_call_start(c, "echo", &n, 1, opt, ret_call);
}

int
mb_call_taken(struct mb_client *c, uint64_t call)
{
	(void)c;
	(void)call;
	return 0;
}

int
mb_call_wait(struct mb_client *c, uint64_t timeout_ns, struct mb_reply *reply)
{
	(void)timeout_ns;
	if (c->waiting_cnt == 0) {
		return 0;
	}
	*reply = (struct mb_reply){ .call = c->waiting[0],
				    .name = c->waiting[0],
				    .err = c->err,
				    .cnt = c->cnt,
				    .value = c->value,
				    .text = c->text,
				    .run_ns = 70,
				    .executor = 3 };
	c->waiting_cnt--;
	memmove(c->waiting, c->waiting + 1, c->waiting_cnt * sizeof(c->waiting[0]));
	return 1;
}

void
mb_reply_free(struct mb_client *c, struct mb_reply *reply)
{
	(void)c;
	(void)reply;
}

/* ------------------------------------------------------------------ state */

static const struct {
	const char *key, *value;
} store[] = { { "greeting", "hello" }, { "raw", "\xff\x01" }, { "wc/a", "3" }, { "wc/b", "1" } };
#define STORE_CNT (sizeof(store) / sizeof(store[0]))

int
mb_client_get(struct mb_client *c, const char *key, size_t key_len, struct mb_held *ret)
{
	(void)c;
	(void)key_len;
	if (strcmp(key, "colours") == 0) {
		return MB_ERR_TYPE;
	}
	for (size_t i = 0; i < STORE_CNT; i++) {
		if (strcmp(store[i].key, key) == 0) {
			*ret = (struct mb_held){ .p = store[i].value,
						 .len = strlen(store[i].value) };
			return fake_error();
		}
	}
	return MB_ERR_NOT_FOUND;
}

void
mb_client_release(struct mb_client *c, struct mb_held *held)
{
	(void)c;
	(void)held;
}

int
mb_client_set(struct mb_client *c, const char *key, size_t key_len, const void *p, size_t len)
{
	(void)c;
	(void)key;
	(void)key_len;
	(void)p;
	(void)len;
	return fake_error();
}

int
mb_client_incr(struct mb_client *c, const char *key, size_t key_len, int64_t n, int64_t *ret_sum)
{
	(void)c;
	(void)key_len;
	if (strcmp(key, "greeting") == 0) {
		return MB_ERR_TYPE;
	}
	*ret_sum = 40 + n;
	return MB_OK;
}

int
mb_client_sadd(struct mb_client *c, const char *key, size_t key_len, const struct mb_value *member,
	       size_t member_cnt, size_t *ret_added)
{
	(void)c;
	(void)key;
	(void)key_len;
	(void)member;
	*ret_added = member_cnt;
	return fake_error();
}

int
mb_client_srem(struct mb_client *c, const char *key, size_t key_len, const struct mb_value *member,
	       size_t member_cnt, size_t *ret_removed)
{
	*ret_removed = member_cnt;
	return fake_error();
}

int
mb_client_hset(struct mb_client *c, const char *key, size_t key_len, const char *field,
	       size_t field_len, const void *p, size_t len)
{
	return fake_error();
}

int
mb_client_hincr(struct mb_client *c, const char *key, size_t key_len, const char *field,
		size_t field_len, int64_t n, int64_t *ret_sum)
{
	return mb_client_incr(c, key, key_len, n, ret_sum);
}

int
mb_client_hget(struct mb_client *c, const char *key, size_t key_len, const char *field,
	       size_t field_len, struct mb_held *ret)
{
	if (strcmp(key, "capitals") != 0 || strcmp(field, "France") != 0) {
		return MB_ERR_NOT_FOUND;
	}
	*ret = (struct mb_held){ .p = "Paris", .len = 5 };
	return MB_OK;
}

int
mb_client_hdel(struct mb_client *c, const char *key, size_t key_len, const char *field,
	       size_t field_len)
{
	struct mb_held held;

	return mb_client_hget(c, key, key_len, field, field_len, &held);
}

int
mb_client_push(struct mb_client *c, const char *key, size_t key_len, bool left, const void *p,
	       size_t len)
{
	return fake_error();
}

int
mb_client_pop(struct mb_client *c, const char *key, size_t key_len, bool left, struct mb_held *ret)
{
	*ret = (struct mb_held){ .p = "item", .len = 4 };
	return fake_error();
}

int
mb_client_zadd(struct mb_client *c, const char *key, size_t key_len, const char *member,
	       size_t member_len, double score)
{
	return fake_error();
}

int
mb_client_zincr(struct mb_client *c, const char *key, size_t key_len, const char *member,
		size_t member_len, double x, double *ret_score)
{
	*ret_score = 40 + x;
	return fake_error();
}

int
mb_client_zscore(struct mb_client *c, const char *key, size_t key_len, const char *member,
		 size_t member_len, double *ret_score)
{
	*ret_score = 40;
	return strcmp(member, "ann") == 0 ? MB_OK : MB_ERR_NOT_FOUND;
}

int
mb_client_zrem(struct mb_client *c, const char *key, size_t key_len, const char *member,
	       size_t member_len)
{
	double score;

	return mb_client_zscore(c, key, key_len, member, member_len, &score);
}

int
mb_client_zpop(struct mb_client *c, const char *key, size_t key_len, bool highest,
	       struct mb_held *ret_member, double *ret_score)
{
	*ret_score = highest ? 2 : 1;
	return mb_client_get(c, key, key_len, ret_member);
}

int
mb_client_zrange(struct mb_client *c, const char *key, size_t key_len, int64_t first, int64_t last,
		 mb_member_fn fn, void *ctx)
{
	struct mb_held held;
	int err = mb_client_get(c, key, key_len, &held);

	if (err == 0 && first <= last) {
		fn(ctx, held.p, held.len, "1", 1);
	}
	return err;
}

int
mb_client_zrange_score(struct mb_client *c, const char *key, size_t key_len, double min, double max,
		       mb_member_fn fn, void *ctx)
{
	return mb_client_zrange(c, key, key_len, min <= 1, max >= 1, fn, ctx);
}

int
mb_client_merge(struct mb_client *c, const char *key, size_t key_len, const struct mb_part *first,
		const struct mb_part *second)
{
	return mb_client_set(c, key, key_len, first->bytes.p, first->bytes.len);
}

int
mb_client_siblings(struct mb_client *c, const char *key, size_t key_len, mb_member_fn fn, void *ctx,
		   struct mb_seen **ret_seen)
{
	struct mb_held held;
	int err = mb_client_get(c, key, key_len, &held);

	if (err == 0) {
		fn(ctx, held.p, held.len, NULL, 0);
	}
	return err;
}

void
mb_client_seen_free(struct mb_seen *seen)
{
}

int
mb_client_put_sibling(struct mb_client *c, const char *key, size_t key_len, const void *p,
		      size_t len, const struct mb_seen *seen)
{
	return mb_client_set(c, key, key_len, p, len);
}

int
mb_client_put_merged(struct mb_client *c, const char *key, size_t key_len, const char *merge,
		     const void *p, size_t len)
{
	return mb_client_set(c, key, key_len, p, len);
}

int
mb_client_set_keep(struct mb_client *c, const char *key, size_t key_len, const void *p, size_t len)
{
	return mb_client_set(c, key, key_len, p, len);
}

int64_t
mb_client_now_us(struct mb_client *c)
{
	(void)c;
	return (int64_t)time(NULL) * 1000000;
}

int
mb_client_expire(struct mb_client *c, const char *key, size_t key_len, int64_t at_us)
{
	return mb_client_del(c, key, key_len);
}

int
mb_client_del(struct mb_client *c, const char *key, size_t key_len)
{
	struct mb_held held;

	return mb_client_get(c, key, key_len, &held) == MB_ERR_NOT_FOUND ? MB_ERR_NOT_FOUND : MB_OK;
}

int
mb_client_members(struct mb_client *c, const char *key, size_t key_len, mb_member_fn fn, void *ctx)
{
	(void)c;
	(void)key_len;
	if (strcmp(key, "colours") == 0) {
		if (fn(ctx, "green", 5, NULL, 0)) {
			fn(ctx, "red", 3, NULL, 0);
		}
		return MB_OK;
	}
	if (strcmp(key, "capitals") == 0) {
		fn(ctx, "France", 6, "Paris", 5);
		return MB_OK;
	}
	return strcmp(key, "greeting") == 0 ? MB_ERR_TYPE : MB_ERR_NOT_FOUND;
}

int
mb_client_keys(struct mb_client *c, const char *prefix, size_t prefix_len, mb_key_fn fn, void *ctx)
{
	(void)c;
	for (size_t i = 0; i < STORE_CNT; i++) {
		if (strncmp(store[i].key, prefix, prefix_len) == 0) {
			fn(ctx, store[i].key, strlen(store[i].key));
		}
	}
	return fake_error();
}

/* --------------------------------------------------------- administration */

/* The answers, by command; what cli_test.py looks for is in its tables. */
static const struct {
	const char *cmd, *answer;
} admin[] = {
	{ "status",
	  "{\"node\": {\"pid\": 999999999, \"version\": \"0.1.0\",  \"uptime_s\": 61,"
	  " \"socket\": \"/s\"},"
	  " \"machine\": {\"cores\": 2, \"huge_pages\": true, \"root\": false, \"uring\": \"yes\","
	  "  \"sandbox\": [\"a network without interfaces\"]},"
	  " \"plan\": \"lcore 0: sched\", \"memory\": {\"planned_bytes\": 1048576},"
	  " \"executors\": [{\"proc\": 1, \"pid\": 77, \"cpu\": 1, \"state\": \"idle\","
	  "  \"functions\": [\"increment\", \"square\"], \"finished\": 5, \"busy_ns\": 1500,"
	  "  \"died\": 0}],"
	  " \"clients\": 1, \"functions\": 2, \"dags\": 1, \"held\": {\"channels\": 0}}" },
	{ "ps",
	  "{\"calls\": [{\"call\": \"00000000000000ab\", \"function\": \"slow\", \"executor\": 1,"
	  " \"pid\": 77, \"running_ns\": 2000000}], \"executors\": [],"
	  " \"queued\": [{\"function\": \"slow\", \"calls\": 3}]}" },
	{ "top",
	  "{\"time_ns\": 0, \"tiles\": [{\"name\": \"sched\", \"lcore\": 0, \"cpu\": 0,"
	  " \"busy_ns\": 5}], \"executors\": [{\"proc\": 1, \"pid\": 77, \"cpu\": 1,"
	  " \"state\": \"idle\", \"functions\": [\"f\"], \"finished\": 5, \"busy_ns\": 10}],"
	  " \"functions\": [{\"name\": \"f\", \"finished\": 5, \"failed\": 0, \"p50_ns\": 900,"
	  " \"p99_ns\": 1100}]}" },
	{ "functions",
	  "{\"functions\": [{\"name\": \"increment\", \"version\": 2, \"executors\": 1,"
	  " \"object_bytes\": 16384, \"pinned\": true}]}" },
	{ "undeploy", "{}" },
	{ "dag_add", "{\"vertices\": 2, \"edges\": 1}" },
	{ "dag_rm", "{}" },
	{ "dag_show", "{\"name\": \"d\", \"text\": \"a -> b\", \"functions\": [\"a\", \"b\"],"
		      " \"edges\": [[\"a\", \"b\"]], \"sink\": \"b\"}" },
	{ "dags", "{\"dags\": [{\"name\": \"d\", \"text\": \"a -> b\"}]}" },
	{ "logs", "{\"lines\": [{\"seq\": 1, \"time_us\": 1500000, \"function\": \"f\","
		  " \"call\": \"00000000000000ab\", \"text\": \"hello\\u001b[2J\"}]}" },
	{ "cancel", "{}" },
	{ "explain", "{\"decisions\": [{\"name\": \"f\", \"executor\": 3, \"waited_ns\": 1500,"
		     " \"input_bytes\": 2097152, \"near_bytes\": 1048576, \"ahead\": 2,"
		     " \"able\": 4, \"load\": 125, \"attempt\": 1, \"functions\": 1}]}" },
	{ "trace", "{\"call\": \"00000000000000ab\", \"hops\": [{\"name\": \"run\", \"ns\": 300,"
		   " \"of\": \"f\", \"where\": \"executor\", \"executor\": 3, \"at_ns\": 0},"
		   " {\"name\": \"reply\", \"ns\": 100, \"where\": \"client\", \"at_ns\": 300}]}" },
	{ "down", "{}" },
};

/* deploy: names the request's object and says how large it was: what arrived. */
static char *
deployed(const json_t *request, const int *fd, size_t fd_cnt)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	off_t bytes = fd_cnt == 1 ? lseek(fd[0], 0, SEEK_END) : -1;
	json_t *a = json_pack("{s:[{s:s, s:i}], s:I, s:O}", "functions", "name",
			      name != NULL ? name
					   : json_string_value(json_object_get(request, "object")),
			      "version", 1, "bytes", (json_int_t)bytes, "pin",
			      json_object_get(request, "pin"));
	char *text = json_dumps(a, 0);

	json_decref(a);
	return text;
}

int
mb_client_admin(struct mb_client *c, const char *json, const int *fd, size_t fd_cnt,
		char **ret_json)
{
	json_t *request = json_loads(json, 0, NULL);
	const char *cmd = json_string_value(json_object_get(request, "cmd"));
	int err = fake_error();

	(void)c;
	*ret_json = NULL;
	if (err != MB_OK) {
		*ret_json = strdup(
			"{\"error\": \"X\", \"text\": \"the fake said no: as told: try without\"}");
	} else if (cmd != NULL && strcmp(cmd, "deploy") == 0) {
		*ret_json = deployed(request, fd, fd_cnt);
	} else {
		for (size_t i = 0; cmd != NULL && i < sizeof(admin) / sizeof(admin[0]); i++) {
			if (strcmp(admin[i].cmd, cmd) == 0) {
				*ret_json = strdup(admin[i].answer);
			}
		}
	}
	json_decref(request);
	return err;
}
