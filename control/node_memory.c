/* SPDX-License-Identifier: Apache-2.0 */
/* node_memory - what a node takes at its start: DPDK's memory, the daemon's region, the hints, the
 * cache region */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hash.h"
#include "huge_lock.h"
#include "node_int.h"

int
node_eal(struct node *n, FILE *out, char why[NODE_WHY_BYTES])
{
	struct topo_why tw = { "" };
	char name[EAL_NAME_BYTES_MAX];
	struct eal_cfg cfg = { .name = name,
			       .runtime_dir = n->runtime_dir,
			       .topo = n->topo,
			       .memory_bytes = n->params.node_memory,
			       .pci = node_net_pci(&n->params) };
	int err;

	/* By the socket, so that a node started again takes over what a killed one left. */
	snprintf(name, sizeof(name), "mb%016llx",
		 (unsigned long long)hash_bytes(n->socket, strlen(n->socket)));
	snprintf(n->runtime_dir, sizeof(n->runtime_dir), "/tmp/microburst-%u-%s",
		 (unsigned)geteuid(), name);
	cfg.huge = strcmp(n->params.node_hugepages, "yes") == 0  ? EAL_HUGE_ALWAYS
		   : strcmp(n->params.node_hugepages, "no") == 0 ? EAL_HUGE_NEVER
								 : EAL_HUGE_AUTO;
	err = eal_init(&cfg, &n->eal, &tw);
	if (err != 0) {
		return node_fail(why, err, tw.text);
	}
	n->eal_up = true;
	eal_print(&n->eal, out);
	return 0;
}

static bool
cache_map(struct node *n, unsigned flags)
{
	int fd = memfd_create("microburst-cache", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
	void *p = MAP_FAILED;

	/* Of huge pages there may be too few: that is seen when they are mapped. */
	if (fd >= 0 && ftruncate(fd, (off_t)n->cache_plan.bytes) == 0) {
		p = mmap(NULL, n->cache_plan.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	}
	if (p == MAP_FAILED) {
		if (fd >= 0) {
			close(fd);
		}
		return false;
	}
	n->cache_fd = fd;
	n->cache = p;
	return true;
}

/* The cache region: like any region, mapped by us, sealed, and only then handed out. Without enough
 * huge pages it has small ones, but where the configuration forbids that. */
static int
node_cache_region(struct node *n, char why[NODE_WHY_BYTES])
{
	bool must = strcmp(n->params.node_hugepages, "yes") == 0;
	int lock = n->eal.huge ? huge_lock_take(HUGE_LOCK_MS) : HUGE_LOCK_NONE;
	bool huge = n->eal.huge && cache_map(n, MFD_HUGETLB);

	huge_lock_release(lock);
	if (!huge && must) {
		snprintf(why, NODE_WHY_BYTES,
			 "%" PRIu64 " MiB of huge pages for the cache cannot be had: too few are "
			 "free; free some (vm.nr_hugepages), lower cache.bytes, or set "
			 "node.hugepages to auto",
			 (uint64_t)n->cache_plan.bytes >> 20);
		return MB_ERR_NO_MEMORY;
	}
	if (!huge && !cache_map(n, 0)) {
		return MB_ERR_NO_MEMORY;
	}
	if (!huge && n->eal.huge) {
		size_t len = strlen(n->eal.huge_text);

		snprintf(n->eal.huge_text + len, sizeof(n->eal.huge_text) - len,
			 ", too few for the cache");
	}
	cache_region_format(n->cache, &n->cache_plan);
	return region_seal(n->cache_fd);
}

int
node_memory(struct node *n, char why[NODE_WHY_BYTES])
{
	int err = region_create(REGION_DAEMON, false, &n->region_fd);

	why[0] = '\0';
	if (err == 0) {
		err = region_map_owner(&n->region, REGION_DAEMON, n->region_fd, PROC_DAEMON, 1);
	}
	if (err == 0) {
		err = region_seal(n->region_fd);
	}
	if (err == 0) {
		err = hints_create(&n->hints_fd, &n->hints);
	}
	if (err == 0) {
		err = node_cache_region(n, why);
	}
	if (err == 0) {
		err = peers_create(&n->peers, NULL);
	}
	return err == 0 || why[0] != '\0'
		       ? err
		       : node_fail(why, err, "there is not enough memory; lower cache.bytes");
}
