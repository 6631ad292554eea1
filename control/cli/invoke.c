/* SPDX-License-Identifier: Apache-2.0 */
/* invoke.c - what `call` and `dag call` have in common
 *
 * --repeat is a quick look, not a benchmark: a closed loop, so a call that is late makes the next
 * one start late. `microburst bench` measures with a floor beside each figure.
 */
#include "invoke.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fmt.h"
#include "hist.h"
#include "mem.h"
#include "timebase.h"
#include "trace.h"
#include "valtext.h"

#define REPEAT_MAX 1000000000

const struct argp_option invoke_option[] = {
	{ "deadline", 'd', "DURATION", 0, "Stop the call when it takes longer, such as 10ms", 0 },
	{ "level", 'l', "LEVEL", 0, "Consistency level: lww (the default), or rr: repeatable reads",
	  0 },
	{ "repeat", 'r', "N", 0, "Call N times; print latencies instead of results", 0 },
	{ "parallel", 'p', "M", 0, "With --repeat: keep M calls in flight", 0 },
	{ "future", 'f', NULL, 0, "Do not wait: print the id that `microburst future` asks for",
	  0 },
	{ "trace", 't', NULL, 0, "Print where its time went, hop by hop, after its results", 0 },
	{ "request-id", 'i', "ID", 0, "Run once, however often it is called with this id", 0 },
	{ 0 },
};

int
invoke_request_id(struct cli *cli, const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 16);
	if (errno != 0 || end == text || *end != '\0' || *ret == 0 || *text == '-') {
		return cli_usage(cli, "a request id is 16 hexadecimal digits, not \"%s\"", text);
	}
	return 0;
}

int
invoke_set(struct cli *cli, struct invoke *invoke, int key, const char *text)
{
	switch (key) {
	case 'd':
		if (cli_duration(cli, "deadline", text, &invoke->call.deadline_ns) != 0) {
			return CLI_USAGE;
		}
		return invoke->call.deadline_ns > 0
			       ? 0
			       : cli_usage(cli,
					   "--deadline is more than 0: nothing is done at once");
	case 'l':
		invoke->call.level = strcmp(text, "rr") == 0 ? MB_LEVEL_RR : MB_LEVEL_LWW;
		return invoke->call.level == MB_LEVEL_RR || strcmp(text, "lww") == 0
			       ? 0
			       : cli_usage(cli, "--level knows lww and rr, not \"%s\"", text);
	case 'f':
		invoke->future = true;
		return 0;
	case 'i':
		return invoke_request_id(cli, text, &invoke->call.request_id);
	case 't':
		invoke->call.trace = true;
		return 0;
	case 'r':
		return cli_count(cli, "repeat", text, 1, REPEAT_MAX, &invoke->repeat);
	default:
		return cli_count(cli, "parallel", text, 1, MB_CALLS_MAX, &invoke->parallel);
	}
}

/* ------------------------------------------------------------------- once */

static json_t *
json_results(const struct mb_reply *reply)
{
	json_t *results = json_array();

	for (uint32_t i = 0; i < reply->cnt; i++) {
		json_array_append_new(results, valtext_json(&reply->value[i]));
	}
	return results;
}

static int
print_reply(struct cli *cli, const struct mb_reply *reply, bool trace)
{
	json_t *hops = NULL, *o;
	char id[17];
	int code = 0;

	snprintf(id, sizeof(id), "%016" PRIx64, reply->name);
	if (trace) {
		code = trace_ask(cli, id, &hops);
	}
	if (!cli->json) {
		valtext_print(stdout, reply->value, reply->cnt, cli->terminal);
		if (hops != NULL) {
			printf("\n");
			trace_print(stdout, hops);
		}
		json_decref(hops);
		return code;
	}
	o = json_pack("{s:s, s:o, s:I, s:I}", "call", id, "results", json_results(reply), "run_ns",
		      (json_int_t)reply->run_ns, "executor", (json_int_t)reply->executor);
	if (hops != NULL) {
		json_object_set(o, "hops", json_object_get(hops, "hops"));
	}
	json_decref(hops);
	cli_json(cli, o);
	return code;
}

static int
fail(struct cli *cli, const struct invoke_target *target, int err, const char *text)
{
	bool own_words = text != NULL && *text != '\0';

	return cli_fail(cli, err, err == MB_ERR_INVALID && !own_words ? target->invalid : text,
			"%s", target->failed);
}

/* The call goes on when the node has it. */
static int
run_future(struct cli *cli, const struct invoke *invoke, const struct invoke_target *target)
{
	struct mb_call_options opt = invoke->call;
	char id[17];
	uint64_t call;
	int err;

	opt.request_id = opt.request_id != 0 ? opt.request_id : mb_request_id(cli->client);
	err = target->start(cli, target->ctx, &opt, &call);
	err = err == MB_OK ? mb_call_taken(cli->client, call) : err;
	if (err != MB_OK) {
		return fail(cli, target, err, NULL);
	}
	snprintf(id, sizeof(id), "%016" PRIx64, opt.request_id);
	if (cli->json) {
		return cli_json(cli, json_pack("{s:s}", "request_id", id));
	}
	printf("%s\n", id);
	return CLI_DONE;
}

static int
run_once(struct cli *cli, const struct invoke *invoke, const struct invoke_target *target)
{
	struct mb_reply reply = { 0 };
	uint64_t call;
	int code, err;

	err = target->start(cli, target->ctx, &invoke->call, &call);
	if (err != MB_OK) {
		return fail(cli, target, err, NULL);
	}
	if (mb_call_wait(cli->client, 0, &reply) != 1) {
		return fail(cli, target, MB_ERR_NODE_DIED, NULL);
	}
	code = reply.err == MB_OK ? print_reply(cli, &reply, invoke->call.trace)
				  : fail(cli, target, reply.err, reply.text);
	mb_reply_free(cli->client, &reply);
	return code;
}

/* ----------------------------------------------------------------- repeat */

/* Calls in flight: when each was started. A thousand at most, so a scan will do. */
struct flight {
	uint64_t call[MB_CALLS_MAX];
	uint64_t started_ns[MB_CALLS_MAX];
	size_t cnt;
};

static uint64_t
land(struct flight *f, uint64_t call)
{
	for (size_t i = 0; i < f->cnt; i++) {
		if (f->call[i] == call) {
			uint64_t started_ns = f->started_ns[i];

			f->cnt--;
			f->call[i] = f->call[f->cnt];
			f->started_ns[i] = f->started_ns[f->cnt];
			return started_ns;
		}
	}
	return 0;
}

static int
print_latencies(struct cli *cli, const struct hist *h, uint64_t all_ns, uint64_t parallel)
{
	double per_s = all_ns == 0 ? 0 : (double)hist_cnt(h) * 1e9 / (double)all_ns;
	char p50[FMT_BYTES], p99[FMT_BYTES], p999[FMT_BYTES], max[FMT_BYTES], rate[FMT_BYTES];

	if (cli->json) {
		return cli_json(cli,
				json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "calls",
					  (json_int_t)hist_cnt(h), "parallel", (json_int_t)parallel,
					  "p50_ns", (json_int_t)hist_quantile(h, 0.5), "p99_ns",
					  (json_int_t)hist_quantile(h, 0.99), "p999_ns",
					  (json_int_t)hist_quantile(h, 0.999), "max_ns",
					  (json_int_t)hist_max(h), "per_s", per_s));
	}
	printf("%" PRIu64 " calls, %" PRIu64 " at a time: p50 %s, p99 %s, p999 %s, max %s, "
	       "%s calls/s\n",
	       hist_cnt(h), parallel, fmt_ns(p50, hist_quantile(h, 0.5)),
	       fmt_ns(p99, hist_quantile(h, 0.99)), fmt_ns(p999, hist_quantile(h, 0.999)),
	       fmt_ns(max, hist_max(h)), fmt_rate(rate, per_s));
	return CLI_DONE;
}

/* The first call that fails ends it: its sentence says more than a count. */
static int
run_repeat(struct cli *cli, const struct invoke *invoke, const struct invoke_target *target)
{
	const struct timebase *tb = timebase_real();
	uint64_t parallel = invoke->parallel > 0 ? invoke->parallel : 1, begun = 0, landed = 0;
	struct flight *f = mem_need(calloc(1, sizeof(*f)));
	struct hist *h = mem_need(calloc(1, sizeof(*h)));
	uint64_t start_ns = timebase_now_ns(tb);
	int code = CLI_DONE;

	hist_init(h);
	mb_client_bind(cli->client); /* none free: it runs where it is */
	while (landed < invoke->repeat && code == CLI_DONE) {
		struct mb_reply reply = { 0 };

		while (begun < invoke->repeat && f->cnt < parallel) {
			int err;

			f->started_ns[f->cnt] = timebase_now_ns(tb);
			err = target->start(cli, target->ctx, &invoke->call, &f->call[f->cnt]);
			if (err != MB_OK) {
				code = fail(cli, target, err, NULL);
				goto out;
			}
			f->cnt++;
			begun++;
		}
		if (mb_call_wait(cli->client, 0, &reply) != 1) {
			code = fail(cli, target, MB_ERR_NODE_DIED, NULL);
		} else if (reply.err != MB_OK) {
			code = cli_fail(cli, reply.err, reply.text,
					"%s, call %" PRIu64 " of %" PRIu64, target->failed,
					landed + 1, invoke->repeat);
		} else {
			hist_add(h, timebase_now_ns(tb) - land(f, reply.call));
			landed++;
		}
		mb_reply_free(cli->client, &reply);
	}
	if (code == CLI_DONE) {
		code = print_latencies(cli, h, timebase_now_ns(tb) - start_ns, parallel);
	}
out:
	free(f);
	free(h);
	return code;
}

int
invoke_run(struct cli *cli, const struct invoke *given, const struct invoke_target *target)
{
	struct invoke with_ack = *given;
	const struct invoke *invoke = &with_ack;
	int code = cli_ack(cli, &with_ack.call.ack);

	if (code != 0) {
		return code;
	}
	if (invoke->parallel > 0 && invoke->repeat == 0) {
		return cli_usage(cli, "--parallel goes with --repeat");
	}
	if (invoke->repeat > 0 && (invoke->future || invoke->call.request_id != 0)) {
		return cli_usage(cli,
				 "--repeat calls anew each time: no --future, no --request-id");
	}
	if (invoke->call.trace &&
	    (invoke->future || invoke->repeat > 0 || invoke->call.request_id != 0)) {
		return cli_usage(cli, "--trace follows one call that is waited for: no --future, "
				      "--repeat, --request-id");
	}
	if (invoke->future) {
		return run_future(cli, invoke, target);
	}
	return invoke->repeat > 0 ? run_repeat(cli, invoke, target) : run_once(cli, invoke, target);
}
