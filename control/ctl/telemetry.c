/* SPDX-License-Identifier: Apache-2.0 */
#include "telemetry.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <rte_telemetry.h>

#include "check.h"
#include "compiler.h"
#include "domain.h"
#include "microburst/error.h"

#define ANSWER_TIMEOUT_MS 1000

/* DPDK gives callbacks no context. */
static const char *telemetry_socket;

/* ------------------------------------------------------------------ asking */

/* Reads an answer, which comes in as many messages as it takes. NULL: none came. */
static json_t *
telemetry_read(int fd)
{
	char *text = malloc(DOMAIN_TEXT_MAX + 1); /* not static: a thread a connection */
	struct domain_msg m = { .word = { 0 } };
	char *all = NULL;
	size_t len = 0;
	json_t *a = NULL;

	do {
		char *more;

		if (text == NULL ||
		    domain_sock_recv(fd, ANSWER_TIMEOUT_MS, &m, text, NULL, 0) != 0 || m.err != 0) {
			break;
		}
		more = realloc(all, len + m.text_len);
		if (more == NULL) {
			break;
		}
		all = more;
		memcpy(all + len, text, m.text_len);
		len += m.text_len;
		if (m.word[0] != 1) {
			a = json_loadb(all, len, 0, NULL);
		}
	} while (m.word[0] == 1);
	free(text);
	free(all);
	return a;
}

/* The node's answer to `top`; NULL when it does not come. */
static json_t *
telemetry_top(void)
{
	static const char ask[] = "{\"cmd\":\"top\"}";
	struct domain_msg m = { .kind = DOMAIN_ADMIN, .text_len = sizeof(ask) - 1 };
	json_t *a = NULL;
	int fd;

	if (domain_sock_connect(telemetry_socket, 0, &fd) != 0) {
		return NULL;
	}
	if (domain_sock_send(fd, &m, ask, NULL, 0) == 0) {
		a = telemetry_read(fd);
	}
	close(fd);
	return a;
}

/* --------------------------------------------------------------- answering */

/* Numbers and texts of an object; what lies deeper has commands of its own. */
static void
telemetry_dict(struct rte_tel_data *d, const json_t *object)
{
	const char *key;
	json_t *v;

	rte_tel_data_start_dict(d);
	json_object_foreach((json_t *)(uintptr_t)object, key, v) {
		if (json_is_integer(v)) {
			rte_tel_data_add_dict_u64(d, key, (uint64_t)json_integer_value(v));
		} else if (json_is_string(v)) {
			rte_tel_data_add_dict_string(d, key, json_string_value(v));
		}
	}
}

/* The key of an object of a list: its name, in the characters that DPDK allows, or its number. */
static void
telemetry_key(const json_t *object, char key[NAME_BYTES_MAX])
{
	const char *name = json_string_value(json_object_get(object, "name"));

	if (name == NULL) {
		snprintf(key, NAME_BYTES_MAX, "%lld",
			 (long long)json_integer_value(json_object_get(object, "proc")));
		return;
	}
	snprintf(key, NAME_BYTES_MAX, "%s", name);
	for (; *key != '\0'; key++) {
		*key = isalnum((unsigned char)*key) ? *key : '_';
	}
}

/* A list of objects. (DPDK 22.11 has arrays of arrays and dictionaries of dictionaries, no others.)
 * */
static int
telemetry_list(struct rte_tel_data *d, const json_t *list)
{
	const json_t *o;
	size_t i;

	rte_tel_data_start_dict(d);
	json_array_foreach(list, i, o) {
		struct rte_tel_data *entry = rte_tel_data_alloc();
		char key[NAME_BYTES_MAX];

		if (entry == NULL) {
			return -ENOMEM;
		}
		telemetry_dict(entry, o);
		telemetry_key(o, key);
		if (rte_tel_data_add_dict_container(d, key, entry, 0) != 0) {
			rte_tel_data_free(entry);
			break; /* as many as an answer holds */
		}
	}
	return 0;
}

/* The one of a list that has that name. */
static const json_t *
telemetry_named(const json_t *list, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		const char *is = json_string_value(json_object_get(o, "name"));

		if (is != NULL && name != NULL && strcmp(is, name) == 0) {
			return o;
		}
	}
	return NULL;
}

/* cmd is "/microburst/WHAT", and WHAT the list's name in the answer, but for these. */
static int
telemetry_answer(const char *cmd, const char *params, struct rte_tel_data *d)
{
	const char *what = cmd + strlen("/microburst/");
	bool metrics = strcmp(what, "metrics") == 0;
	const json_t *list, *one;
	json_t *top = telemetry_top();
	int rc = 0;

	if (top == NULL) {
		return -EAGAIN;
	}
	list = json_object_get(top, metrics                        ? "tiles"
				    : strcmp(what, "latency") == 0 ? "stages"
								   : what);
	if (metrics || params != NULL) {
		one = telemetry_named(list, params);
		one = metrics ? json_object_get(one, "metrics") : one;
		if (one != NULL) {
			telemetry_dict(d, one);
		} else {
			rc = -ENOENT;
		}
	} else {
		rc = telemetry_list(d, list);
	}
	json_decref(top);
	return rc;
}

int
telemetry_start(const char *socket_path)
{
	static const struct {
		const char *cmd, *help;
	} commands[] = {
		{ "/microburst/tiles", "Tiles: lcore, cpu, busy time. Parameters: a tile's name" },
		{ "/microburst/metrics", "All counters of a tile. Parameters: its name, kvs:0" },
		{ "/microburst/executors", "Executors: calls, busy time, quantiles" },
		{ "/microburst/functions",
		  "Functions: calls, errors, run time, quantiles. Parameters: a function's name" },
		{ "/microburst/latency",
		  "The stages of calls: how many, p50, p99. Parameters: a stage's name" },
	};

	telemetry_socket = socket_path;
	for (size_t i = 0; i < ARRAY_CNT(commands); i++) {
		if (rte_telemetry_register_cmd(commands[i].cmd, telemetry_answer,
					       commands[i].help) != 0) {
			return MB_ERR_NO_MEMORY;
		}
	}
	return 0;
}
