/* SPDX-License-Identifier: Apache-2.0 */
/* node_memory - what a node takes at its start: DPDK's memory, the daemon's region, the hints, the
 * cache region */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hash.h"
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

/* The cache region: like any region, mapped by us, sealed, and only then handed out. */
static int
node_cache_region(struct node *n)
{
	int err = MB_ERR_NO_MEMORY;

	n->cache_fd = -1;
	if (n->eal.huge) {
		n->cache_fd = memfd_create("microburst-cache",
					   MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
	}
	if (n->cache_fd < 0) {
		n->cache_fd = memfd_create("microburst-cache", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	}
	if (n->cache_fd >= 0 && ftruncate(n->cache_fd, (off_t)n->cache_plan.bytes) == 0) {
		void *p = mmap(NULL, n->cache_plan.bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			       n->cache_fd, 0);

		if (p != MAP_FAILED) {
			n->cache = p;
			cache_region_format(n->cache, &n->cache_plan);
			err = region_seal(n->cache_fd);
		}
	}
	return err;
}

int
node_memory(struct node *n, char why[NODE_WHY_BYTES])
{
	int err = region_create(REGION_DAEMON, false, &n->region_fd);

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
		err = node_cache_region(n);
	}
	if (err == 0) {
		err = peers_create(&n->peers, NULL);
	}
	return err == 0 ? 0 : node_fail(why, err, "there is not enough memory; lower cache.bytes");
}
