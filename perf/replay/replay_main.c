/* SPDX-License-Identifier: Apache-2.0 */
/* replay_main.c - replay OP COUNT | replay --list: see replay.h */
#include "replay.h"

#include <microburst/error.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"

#define WARM_CNT 64 /* repetitions before the counted ones: lazy binding, first touches */

static int
nothing_hot(void)
{
	return 0;
}

/* What counting itself costs; subtracted from the others. */
static const struct replay_op replay_nothing = {
	.name = "nothing",
	.what = "counting itself",
	.begin_hot = nothing_hot,
};

static const struct replay_op *const ops[] = {
	&replay_nothing,         &replay_call,     &replay_exec_call, &replay_exec_dag,
	&replay_channel,         &replay_exec_get, &replay_exec_put,  &replay_cache_get,
	&replay_cache_get_large, &replay_kvs_get,  &replay_kvs_merge, &replay_put_many,
	&replay_net_get,
};

/* The one function that is counted, with all that it calls. */
noinline int replay_hot(int (*hot)(void));

int
replay_hot(int (*hot)(void))
{
	int err = hot();

	__asm__ volatile("" ::: "memory"); /* not a tail call: the function must be left, too */
	return err;
}

static bool counting;

int
replay_counted(int (*hot)(void))
{
	if (hot == NULL) {
		return 0;
	}
	return counting ? replay_hot(hot) : hot();
}

static int
repeat(const struct replay_op *op, unsigned long cnt)
{
	int err = 0;

	for (unsigned long i = 0; i < cnt && err == 0; i++) {
		err = replay_counted(op->begin_hot);
		if (err == 0 && op->between != NULL) {
			err = op->between();
		}
		if (err == 0) {
			err = replay_counted(op->end_hot);
		}
	}
	return err;
}

/* How many counted parts a repetition has: so often the price of counting is subtracted. */
static unsigned
parts(const struct replay_op *op)
{
	unsigned hot = (op->begin_hot != NULL) + (op->end_hot != NULL);

	return hot != 0 ? hot : 1; /* between has one */
}

static int
run(const struct replay_op *op, unsigned long cnt)
{
	int err = op->begin != NULL ? op->begin() : 0;

	if (err == 0) {
		err = repeat(op, WARM_CNT);
	}
	counting = true;
	if (err == 0) {
		err = repeat(op, cnt);
	}
	if (err != 0) {
		fprintf(stderr, "replay: %s: %s\n", op->name, mb_err_text(err));
	}
	if (op->end != NULL) {
		op->end();
	}
	return err == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (unsigned i = 0; i < ARRAY_CNT(ops); i++) {
			printf("%s\t%u\t%s\n", ops[i]->name, parts(ops[i]), ops[i]->what);
		}
		return 0;
	}
	for (unsigned i = 0; i < ARRAY_CNT(ops) && argc == 3; i++) {
		if (strcmp(ops[i]->name, argv[1]) == 0) {
			return run(ops[i], strtoul(argv[2], NULL, 10));
		}
	}
	fprintf(stderr, "usage: replay --list | replay OP COUNT\n");
	return 2;
}
