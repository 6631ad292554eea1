/* SPDX-License-Identifier: Apache-2.0 */
/* node_check - what is wrong with a configuration, told before anything is started
 *
 * The form of addresses, what needs what, sizes that do not fit each other: wrong wherever the file
 * is read. What this machine lacks (a file, an interface) is looked at only where the node is to
 * run. What only trying shows (a port that is taken, a certificate that is none) the start tells.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kvs_shard.h"
#include "microburst/error.h"
#include "node_int.h"
#include "stream.h"

int
node_wrong(char why[NODE_WHY_BYTES], const char *name, const char *value, const char *text)
{
	snprintf(why, NODE_WHY_BYTES, "%s = %.250s: %s", name, value, text);
	return MB_ERR_CONFIG;
}

int
node_file_check(char why[NODE_WHY_BYTES], const char *name, const char *path)
{
	return path[0] == '\0' || access(path, R_OK) == 0
		       ? 0
		       : node_wrong(why, name, path, strerror(errno));
}

int
node_cache_plan(const struct params *p, struct cache_layout *ret, char why[NODE_WHY_BYTES])
{
	struct cache_region_cfg cfg = { .shard_cnt = p->cache_tiles,
					.heap_bytes = p->cache_bytes,
					.keys_max = p->cache_keys_max };
	int err = cache_region_plan(&cfg, ret);

	return err == 0 ? 0 : node_fail(why, err, "cache.bytes is too small for cache.tiles");
}

static int
store_check(const struct params *p, char why[NODE_WHY_BYTES])
{
	uint64_t bytes = p->kvs_bytes / p->kvs_tiles;
	struct cache_layout cache;

	if (bytes < KVS_SHARD_BYTES_MIN || bytes > KVS_SHARD_BYTES_MAX) {
		return node_fail(why, MB_ERR_CONFIG,
				 "kvs.bytes over kvs.tiles must lie between 1m and 64g");
	}
	return node_cache_plan(p, &cache, why);
}

static int
listen_check(char why[NODE_WHY_BYTES], const char *name, const char *where)
{
	struct sockaddr_storage sa;
	socklen_t len;

	return where[0] == '\0' || stream_where(where, &sa, &len) == 0
		       ? 0
		       : node_wrong(why, name, where,
				    "not an address, by its numbers, and a port, as in "
				    "127.0.0.1:6379, [::1]:6379 or *:6379");
}

static int
gate_check(const struct params *p, bool here, char why[NODE_WHY_BYTES])
{
	const struct {
		const char *name, *path;
	} file[] = { { "gate.tls_cert", p->gate_tls_cert },
		     { "gate.tls_key", p->gate_tls_key },
		     { "gate.tls_ca", p->gate_tls_ca },
		     { "gate.users", p->gate_users } };
	int err = listen_check(why, "gate.listen", p->gate_listen);

	err = err != 0 ? err : listen_check(why, "gate.tls_listen", p->gate_tls_listen);
	if (err == 0 && p->gate_tls_listen[0] != '\0' &&
	    (p->gate_tls_cert[0] == '\0' || p->gate_tls_key[0] == '\0')) {
		err = node_wrong(why, "gate.tls_listen", p->gate_tls_listen,
				 "it needs gate.tls_cert and gate.tls_key");
	}
	for (size_t i = 0; err == 0 && here && i < sizeof(file) / sizeof(file[0]); i++) {
		err = node_file_check(why, file[i].name, file[i].path);
	}
	return err;
}

uint64_t
node_huge_bytes(const struct params *p)
{
	struct cache_layout cache = { .bytes = 0 };
	char why[NODE_WHY_BYTES];

	node_cache_plan(p, &cache, why);
	return p->node_memory + cache.bytes;
}

int
node_check(const struct params *p, bool here, char why[NODE_WHY_BYTES])
{
	int err = store_check(p, why);

	err = err != 0 ? err : gate_check(p, here, why);
	return err != 0 ? err : node_net_check(p, here, why);
}
