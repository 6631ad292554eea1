/* SPDX-License-Identifier: Apache-2.0 */
/* env.c - see env.h */
#include "env.h"

#include <string.h>
#include <unistd.h>

#include "check.h"
#include "cores.h"

static void
env_cores(struct env *env, int cpu_client, int cpu_exec)
{
	env->cpu_client = cpu_client;
	env->cpu_exec = cpu_exec;
	echo_cores(env->echoes, cpu_client, cpu_exec);
	cores_shared = cpu_client == cpu_exec;
	cores_bind(cpu_client);
}

int
env_open(struct env *env)
{
	int first, last, err = echo_prepare(&env->echoes);

	if (err != 0) {
		return err;
	}
	sched_getaffinity(0, sizeof(env->cpus), &env->cpus);
	env->place.cpus = &env->cpus;
	cores_pick(&first, &last);
	env_cores(env, first, last);
	return 0;
}

void
env_node_end(struct env *env)
{
	node_stop(env->node);
	env->node = NULL;
}

void
env_close(struct env *env)
{
	env_node_end(env);
	echo_finish(env->echoes);
}

void
env_procs(struct env *env)
{
	usage_family(&env->procs, env->node->pid);
	usage_add(&env->procs, getpid());
}

int
env_node(struct env *env, const char *setting)
{
	int err;

	if (env->node != NULL && strcmp(env->node->setting, setting) == 0) {
		return 0;
	}
	env_node_end(env);
	sched_setaffinity(0, sizeof(env->cpus), &env->cpus); /* mb_client_bind chooses among them */
	err = node_start(&env->node, &env->place, setting);
	if (err == 0) {
		REQUIRE(env->node != NULL);
		env_cores(env, env->node->cpu_client, env->node->cpu_exec);
		env_procs(env);
	} else {
		env_cores(env, env->cpu_client, env->cpu_exec);
	}
	return err;
}

double
env_cpu_s(void *ctx)
{
	const struct env *env = ctx;

	return usage_cpu_s(&env->procs);
}
