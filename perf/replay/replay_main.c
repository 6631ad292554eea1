/* SPDX-License-Identifier: Apache-2.0 */
/* replay_main.c - replay OP COUNT | replay --list: see replay.h */
#include "replay.h"

#include <microburst/error.h>
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

/* What counting itself costs; subtracted from all others. */
static const struct replay_op replay_nothing = {
	.name = "nothing",
	.what = "counting itself",
	.begin_hot = nothing_hot,
	.end_hot = nothing_hot,
};

static const struct replay_op *const ops[] = {
	&replay_nothing, &replay_channel,   &replay_cache_get, &replay_cache_get_large,
	&replay_kvs_get, &replay_kvs_merge, &replay_call,
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

static int
direct(int (*hot)(void))
{
	return hot();
}

static int
repeat(const struct replay_op *op, unsigned long cnt, int (*run)(int (*hot)(void)))
{
	int err = 0;

	for (unsigned long i = 0; i < cnt && err == 0; i++) {
		err = run(op->begin_hot);
		if (err == 0 && op->between != NULL) {
			err = op->between();
		}
		if (err == 0 && op->end_hot != NULL) {
			err = run(op->end_hot);
		}
	}
	return err;
}

static int
run(const struct replay_op *op, unsigned long cnt)
{
	int err = op->begin != NULL ? op->begin() : 0;

	if (err == 0) {
		err = repeat(op, WARM_CNT, direct);
	}
	if (err == 0) {
		err = repeat(op, cnt, replay_hot);
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
			printf("%s\t%s\n", ops[i]->name, ops[i]->what);
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
