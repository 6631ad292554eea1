/* SPDX-License-Identifier: Apache-2.0 */
/* sim --seed N [--seeds K] [--file seeds.txt] [--twice] [--plant NAME] [--verbose]
 *
 * Runs the seeds of the file, then K seeds from N on. The exit status is 0 if no run failed; with
 * --plant
 * it is 0 as soon as one failed: the planted bug was found.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fiber.h"
#include "sim.h"

static const char *const plant_text[PLANT_CNT] = {
#define PLANT(name, text, what) [PLANT_##name] = text,
#include "plant.def"
#undef PLANT
};

static const char *const plant_what[PLANT_CNT] = {
#define PLANT(name, text, what) [PLANT_##name] = what,
#include "plant.def"
#undef PLANT
};

static const char *const fault_text[FAULT_CNT] = {
#define X(name, text) [FAULT_##name] = text,
	FAULTS(X)
#undef X
};

struct options {
	struct sim_options sim;
	uint64_t seed, seeds;
	const char *file;
	bool twice; /* each run must repeat itself */
};

struct totals {
	uint64_t runs, failed, virtual_ns;
	uint64_t ops_min, faults_min;
	struct sim_stats stats;
	struct oracle_stats oracle;
};

static void
usage(FILE *f)
{
	fputs("sim [--seed N] [--seeds K]  runs seeds N to N + K - 1 (1, 1)\n"
	      "    --file SEEDS             and before them those of a file, one a line\n"
	      "    --twice                  each must do the same again, to the bit\n"
	      "    --plant NAME             with a bug, that must be found:\n",
	      f);
	for (uint32_t i = 1; i < PLANT_CNT; i++) {
		fprintf(f, "        %-20s %s\n", plant_text[i], plant_what[i]);
	}
	fputs("    --verbose                tells on stderr what happens\n", f);
}

static bool
options_read(int argc, char **argv, struct options *ret)
{
	static const struct option known[] = {
		{ "seed", required_argument, NULL, 's' }, { "seeds", required_argument, NULL, 'k' },
		{ "file", required_argument, NULL, 'f' }, { "plant", required_argument, NULL, 'p' },
		{ "twice", no_argument, NULL, 't' },      { "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },       { 0 }
	};
	int c;

	*ret = (struct options){ .seed = 1, .seeds = 1 };
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 's':
			ret->seed = strtoull(optarg, NULL, 0);
			break;
		case 'k':
			ret->seeds = strtoull(optarg, NULL, 0);
			break;
		case 'f':
			ret->file = optarg;
			break;
		case 'v':
			ret->sim.trace = true;
			break;
		case 't':
			ret->twice = true;
			break;
		case 'p':
			for (uint32_t i = 1; i < PLANT_CNT; i++) {
				if (strcmp(optarg, plant_text[i]) == 0) {
					ret->sim.plant = (enum plant)i;
				}
			}
			if (ret->sim.plant != PLANT_NONE) {
				break;
			}
			fprintf(stderr, "there is no plant '%s'\n", optarg);
			return false;
		default:
			usage(c == 'h' ? stdout : stderr);
			return false;
		}
	}
	return optind == argc;
}

/* ---------------------------------------------------------------------- totals */

static uint64_t
sum(const uint64_t *p, uint32_t cnt)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < cnt; i++) {
		n += p[i];
	}
	return n;
}

static void
add_all(void *to, const void *from, size_t bytes)
{
	uint64_t *t = to;
	const uint64_t *f = from;

	for (size_t i = 0; i < bytes / sizeof(*t); i++) {
		t[i] += f[i];
	}
}

static void
totals_add(struct totals *t, const struct sim_result *r)
{
	uint64_t ops = r->oracle.calls + r->oracle.state_ops;
	uint64_t faults = sum(r->stats.faults, FAULT_CNT);

	t->ops_min = t->runs == 0 || ops < t->ops_min ? ops : t->ops_min;
	t->faults_min = t->runs == 0 || faults < t->faults_min ? faults : t->faults_min;
	t->runs++;
	t->failed += r->failed;
	t->virtual_ns += r->virtual_ns;
	add_all(&t->stats, &r->stats, sizeof(t->stats));
	add_all(&t->oracle, &r->oracle, sizeof(t->oracle));
}

static void
totals_print(const struct totals *t)
{
	const struct oracle_stats *o = &t->oracle;

	printf("%" PRIu64 " seeds, %.1f virtual seconds, %" PRIu64 " steps, %" PRIu64 " messages\n",
	       t->runs, (double)t->virtual_ns / 1e9, t->stats.steps, t->stats.messages);
	printf("%" PRIu64 " calls and %" PRIu64 " state operations (a seed at least %" PRIu64
	       "), %" PRIu64 " reads judged\n",
	       o->calls, o->state_ops, t->ops_min, o->reads);
	printf("answers: %" PRIu64 " ok, %" PRIu64 " function failed, %" PRIu64
	       " deadline, %" PRIu64 " cancelled, %" PRIu64 " busy, %" PRIu64
	       " executor died (%" PRIu64 " without effect), %" PRIu64 " refused; %" PRIu64
	       " orphans, %" PRIu64 " second runs\n",
	       o->ok, o->failed, o->deadlines, o->cancelled, o->busy, o->died_none + o->died_some,
	       o->died_none, o->refused, o->orphans, o->retries);
	printf("faults (a seed at least %" PRIu64 "):", t->faults_min);
	for (uint32_t i = 0; i < FAULT_CNT; i++) {
		printf(" %" PRIu64 " %s%s", t->stats.faults[i], fault_text[i],
		       i + 1 < FAULT_CNT ? "," : "");
	}
	printf("; %" PRIu64 " executors stopped past a deadline, %" PRIu64 " past a lease\n",
	       t->stats.stopped, t->stats.lost);
	printf("store: %" PRIu64 " writes past the caches, %" PRIu64
	       " changes told to owners, %" PRIu64 " to caches, %" PRIu64
	       " deleted keys forgotten, %" PRIu64
	       " values without what was removed from them, %" PRIu64 " marks of large ones\n",
	       t->stats.guest_ops, t->stats.told, t->stats.pushed, t->stats.dropped,
	       t->stats.settled, t->stats.marks);
	printf("keys read again in a call: %" PRIu64 " times at rr, %" PRIu64
	       " of them another version; %" PRIu64 " at lww, %" PRIu64 " of them\n",
	       o->again[1], o->changed[1], o->again[0], o->changed[0]);
	printf("own writes read by the call that made them: %" PRIu64 " times\n", o->own);
	printf("%" PRIu64 " looks at invariants, %" PRIu64 " seeds failed\n", o->checks, t->failed);
}

/* ------------------------------------------------------------------------ runs */

static void
run_one(const struct options *opt, uint64_t seed, struct totals *t)
{
	struct sim_result r;

	sim_run(seed, &opt->sim, &r);
	if (opt->twice && !r.failed) {
		struct sim_result again;

		sim_run(seed, &opt->sim, &again);
		if (again.hash != r.hash) {
			r = again;
			r.failed = true;
			snprintf(r.why, sizeof(r.why), "it did not repeat itself");
		}
	}
	totals_add(t, &r);
	if (r.failed) {
		printf("seed %" PRIu64 " failed after %.3f ms: %s\n", seed,
		       (double)r.virtual_ns / 1e6, r.why);
	} else if (opt->seeds == 1) {
		printf("seed %" PRIu64 ": hash %016" PRIx64 "\n", seed, r.hash);
	}
}

/* A line of the file: a seed, and behind it what it once found. '#': a comment. */
static bool
run_file(const struct options *opt, struct totals *t)
{
	char line[512];
	FILE *f = fopen(opt->file, "r");

	if (f == NULL) {
		perror(opt->file);
		return false;
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		char *end;
		uint64_t seed = strtoull(line, &end, 0);

		if (end != line) {
			run_one(opt, seed, t);
		}
	}
	fclose(f);
	return true;
}

int
main(int argc, char **argv)
{
	struct totals t = { 0 };
	struct options opt;
	bool ok, planted;

	if (!options_read(argc, argv, &opt)) {
		return 2;
	}
	timebase_tsc_disable(); /* outside.c has no cycles to count */
	planted = opt.sim.plant != PLANT_NONE;
	ok = opt.file == NULL || run_file(&opt, &t);
	for (uint64_t i = 0; ok && i < opt.seeds && (t.failed == 0 || !planted); i++) {
		run_one(&opt, opt.seed + i, &t);
	}
	totals_print(&t);
	fiber_fini();
	return ok && (t.failed != 0) == planted ? 0 : 1;
}
