/* SPDX-License-Identifier: Apache-2.0 */
/* bench_main.c - `make bench`: runs benches in turn, prints a table, writes JSON
 *
 *	bench [--only NAME,...] [--smoke] [--json] [--out FILE] [NAME...]
 *
 * Exit: 0 all ran, whatever they showed; 1 one did not work; 2 wrong usage.
 */
#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <microburst/error.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "machine.h"
#include "meter.h"
#include "timebase.h"

struct options {
	bool list, smoke, json;
	const char *out, *node;
	bool *chosen; /* a flag for each of bench_list */
	bool any;
};

/* Cpus that other programs may use, on average, before a figure is called noisy. */
#define OTHERS_MAX 0.2

static volatile bool stopped;
static volatile sig_atomic_t stop_signal;

int
bench_interleave(struct env *env, const struct bench *bench, const struct side *subject,
		 struct measure *ret)
{
	struct side floor = { .block = NULL };

	if (bench->floor != NULL) {
		floor = echo_side(env->echoes, bench->floor);
	}
	return interleave(bench_pace(env, bench), subject, bench->floor != NULL ? &floor : NULL,
			  env->stop, ret);
}

int
bench_skip(const struct bench *bench, const char *why)
{
	printf("%-20s   skipped: %s\n", bench->row[0].name, why);
	return BENCH_SKIPPED;
}

static void
on_signal(int sig)
{
	stop_signal = sig;
	stopped = true;
}

static void
choose(struct options *o, const char *name, struct argp_state *state)
{
	for (uint32_t i = 0; i < bench_cnt; i++) {
		if (strcmp(bench_list[i].row[0].name, name) == 0) {
			o->chosen[i] = true;
			o->any = true;
			return;
		}
	}
	argp_error(state, "there is no bench '%s'; --list shows all", name);
}

static void
choose_list(struct options *o, char *names, struct argp_state *state)
{
	char *rest = NULL;

	for (char *name = strtok_r(names, ",", &rest); name != NULL;
	     name = strtok_r(NULL, ",", &rest)) {
		choose(o, name, state);
	}
}

#define JSON_FLAGS (JSON_INDENT(1) | JSON_REAL_PRECISION(5))

enum { KEY_LIST = 256, KEY_ONLY, KEY_SMOKE, KEY_JSON, KEY_OUT, KEY_NODE };

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case KEY_LIST:
		o->list = true;
		return 0;
	case KEY_ONLY:
		choose_list(o, arg, state);
		return 0;
	case KEY_SMOKE:
		o->smoke = true;
		return 0;
	case KEY_JSON:
		o->json = true;
		return 0;
	case KEY_OUT:
		o->out = arg;
		return 0;
	case KEY_NODE:
		o->node = arg;
		return 0;
	case ARGP_KEY_ARG:
		choose(o, arg, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{ "list", KEY_LIST, NULL, 0, "Show the benches and end", 0 },
	{ "only", KEY_ONLY, "NAME,...", 0, "Run these only; the same as naming them", 0 },
	{ "smoke", KEY_SMOKE, NULL, 0, "Some milliseconds each, to see that they work", 0 },
	{ "json", KEY_JSON, NULL, 0, "Print the result as JSON instead of a table", 0 },
	{ "out", KEY_OUT, "FILE", 0, "Write the result as JSON to FILE too", 0 },
	{ "node", KEY_NODE, "MICROBURSTD", 0, "The daemon to measure; else the build's own", 0 },
	{ NULL },
};

static const struct argp argp = {
	options,
	parse,
	"[NAME...]",
	"Measures Microburst on this machine, each figure beside what the bare machine does in the "
	"same run (its floor). The ratio is the result.\v"
	"Figures of a machine that moved more than 1.5 times within a run are made again, up to "
	"three times, and marked noisy if none was steady. perf/compare tells two results apart, "
	"perf/README.md explains the method.",
	NULL,
	NULL,
	NULL,
};

static void
list(void)
{
	char aim[256];

	for (uint32_t i = 0; i < bench_cnt; i++) {
		for (const struct row *row = bench_list[i].row;
		     row < bench_list[i].row + BENCH_ROW_MAX && row->name != NULL; row++) {
			aim_text(row, aim, sizeof(aim));
			printf("%s%-20s %s%s%s\n", row == bench_list[i].row ? "" : "  ", row->name,
			       row->what, aim[0] != '\0' ? "; " : "", aim);
		}
	}
}

static int
run_one(struct env *env, const struct bench *bench, struct measure *m)
{
	struct side subject;

	for (uint32_t i = 0; i < BENCH_ROW_MAX; i++) {
		figures_init(&m[i].subject);
		figures_init(&m[i].floor);
	}
	if (bench->run != NULL) {
		return bench->run(env, bench, m);
	}
	subject = echo_side(env->echoes, bench->subject);
	return bench_interleave(env, bench, &subject, m);
}

/* Where the rows were measured: the machine, and the cpus of the two sides. */
static json_t *
on_of(const struct env *env, json_t *machine)
{
	json_t *on = json_copy(machine);

	json_object_set_new(on, "cpu_client", json_integer(env->cpu_client));
	json_object_set_new(on, "cpu_executor", json_integer(env->cpu_exec));
	return on;
}

/* Runs a bench, prints its rows, appends them to result. */
static int
run(struct env *env, const struct options *o, const struct bench *bench, json_t *result,
    json_t *machine)
{
	struct measure *m = calloc(BENCH_ROW_MAX, sizeof(*m));
	struct meter meter;
	double others, stolen;
	json_t *on;
	int err;

	meter_start(&meter);
	err = m != NULL ? run_one(env, bench, m) : MB_ERR_NO_MEMORY;
	meter_end(&meter, &others, &stolen);
	if (err < 0 && err != MB_ERR_INTERRUPTED) { /* run_all says that */
		fprintf(stderr, "bench: %s: %s\n", bench->row[0].name, mb_err_text(err));
	}
	on = on_of(env, machine);
	for (uint32_t i = 0; i < BENCH_ROW_MAX && bench->row[i].name != NULL && err == 0; i++) {
		m[i].others = others;
		m[i].stolen = stolen;
		m[i].noisy = m[i].noisy || others + stolen > OTHERS_MAX;
		m[i].smoke = o->smoke;
		json_array_append_new(result, row_json(&bench->row[i], &m[i], on));
		if (!o->json) {
			row_print(&bench->row[i], &m[i]);
		}
	}
	json_decref(on);
	free(m);
	return err;
}

static int
out_failed(const struct options *o)
{
	fprintf(stderr, "bench: %s: %s\n", o->out, strerror(errno));
	return 1;
}

/* That the result can be written is known before it is measured. What is there stays until then. */
static int
out_try(const struct options *o)
{
	FILE *f;

	if (o->out == NULL) {
		return 0;
	}
	f = fopen(o->out, "ae");
	if (f == NULL) {
		return out_failed(o);
	}
	fclose(f);
	return 0;
}

static int
write_result(const struct options *o, const json_t *result)
{
	if (o->json) {
		json_dumpf(result, stdout, JSON_FLAGS);
		printf("\n");
	}
	if (o->out != NULL && json_dump_file(result, o->out, JSON_FLAGS) != 0) {
		return out_failed(o);
	}
	return 0;
}

static int
run_all(struct env *env, const struct options *o)
{
	json_t *result = json_array(), *on = machine_json();
	int failed = 0;

	if (!o->json) {
		machine_print(on);
		row_print_head();
	}
	for (uint32_t i = 0; i < bench_cnt && !stopped; i++) {
		if ((!o->any || o->chosen[i]) && run(env, o, &bench_list[i], result, on) < 0) {
			failed = 1;
		}
	}
	failed |= write_result(o, result);
	if (stopped) {
		fprintf(stderr, "bench: stopped by a signal (%s): not all was measured\n",
			strsignal(stop_signal));
		failed = 1;
	}
	json_decref(result);
	json_decref(on);
	return failed;
}

int
main(int argc, char **argv)
{
	struct sigaction stop = { .sa_handler = on_signal };
	struct options o = { .chosen = calloc(bench_cnt, sizeof(bool)) };
	struct env env = { .stop = &stopped };
	int err;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (o.list) {
		list();
		free(o.chosen);
		return 0;
	}
	if (out_try(&o) != 0) {
		free(o.chosen);
		return 1;
	}
	timebase_tsc_calibrate();
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	env.smoke = o.smoke;
	env.place.daemon = o.node;
	err = env_open(&env);
	if (err < 0) {
		fprintf(stderr, "bench: the floors: %s\n", mb_err_text(err));
		free(o.chosen);
		return 1;
	}
	err = run_all(&env, &o);
	env_close(&env);
	free(o.chosen);
	return err;
}
