/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_memory.c - is this machine fit for microseconds: huge pages, of each size, on each node */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "compiler.h"
#include "doctor.h"
#include "fmt.h"
#include "hugepages.h"
#include "sysfile.h"

#define NODES  "/sys/devices/system/node"
#define ALL_2M "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define ALL_1G "/sys/kernel/mm/hugepages/hugepages-1048576kB/"

/* What NUMA nodes have; a machine without the folder has one. */
struct nodes {
	const struct doctor_ask *ask;
	uint32_t cnt, without;
	char text[120];
};

static void
node_look(void *ctx, const char *name)
{
	struct nodes *n = ctx;
	char path[PATH_MAX], size[FMT_BYTES];
	size_t len = strlen(n->text);
	uint64_t unused;

	snprintf(path, sizeof(path), NODES "/%.16s/hugepages/hugepages-2048kB/free_hugepages",
		 name);
	if (strncmp(name, "node", 4) != 0 || !sysfile_u64(n->ask->root, path, &unused)) {
		return;
	}
	n->cnt++;
	n->without += unused == 0;
	snprintf(n->text + len, sizeof(n->text) - len, "%s%.16s %s", len > 0 ? ", " : "", name,
		 fmt_bytes(size, unused * HUGEPAGES_BYTES));
}

/* Fewer than the configuration takes. */
static void
too_few(const struct doctor_ask *ask, uint64_t unused, struct doctor_line *line)
{
	char size[FMT_BYTES], want[FMT_BYTES], todo[80];
	bool must = strcmp(ask->huge, "yes") == 0;

	snprintf(todo, sizeof(todo), "as root: microburst doctor init --pages %" PRIu64,
		 ask->pages);
	(must ? doctor_stop
	      : doctor_warn)(line, todo, "%s free, the node takes %s; %s",
			     fmt_bytes(size, unused * HUGEPAGES_BYTES),
			     fmt_bytes(want, ask->pages * HUGEPAGES_BYTES),
			     must ? "it does not start without, as node.hugepages says"
				  : "the rest runs on small ones");
}

void
doctor_huge_pages(const struct doctor_ask *ask, struct doctor_line *line)
{
	struct nodes nodes = { .ask = ask };
	uint64_t all, unused, big, promised;
	char size[FMT_BYTES];
	bool others = sysfile_u64(ask->root, ALL_1G "free_hugepages", &big) && big > 0;

	if (!sysfile_u64(ask->root, ALL_2M "nr_hugepages", &all) ||
	    !sysfile_u64(ask->root, ALL_2M "free_hugepages", &unused)) {
		if (strcmp(ask->huge, "yes") == 0) {
			doctor_stop(
				line, "node.hugepages = auto: a little slower",
				"this kernel has none of 2 MiB; the node does not start without, "
				"as node.hugepages says");
		} else {
			doctor_warn(line, "nothing: the node runs without, a little slower",
				    "this kernel has none of 2 MiB");
		}
		return;
	}
	if (sysfile_u64(ask->root, ALL_2M "resv_hugepages", &promised)) {
		unused -= MIN(promised, unused); /* somebody's, who has not touched them yet */
	}
	if (strcmp(ask->huge, "no") == 0) {
		doctor_ok(line, "left to others, as node.hugepages says");
		return;
	}
	if (unused < ask->pages) {
		if (ask->runs && strcmp(ask->huge, "yes") == 0) {
			doctor_ok(line, "%s free, beside those of the node, which runs",
				  fmt_bytes(size, unused * HUGEPAGES_BYTES));
		} else {
			too_few(ask, unused, line);
		}
		return;
	}
	if (unused == 0) {
		doctor_warn(line, "as root: microburst doctor init",
			    others     ? "only of 1 GiB, which packets use and regions do not"
			    : all == 0 ? "none: the node runs on small pages"
				       : "none free: the node runs on small pages");
		return;
	}
	sysfile_each(ask->root, NODES, node_look, &nodes);
	if (nodes.cnt > 1 && nodes.without > 0) {
		doctor_warn(line,
			    "reserve them soon after boot, where memory is free on every node: "
			    "microburst doctor fini, then init",
			    "%s free, but not on every NUMA node: %s",
			    fmt_bytes(size, unused * HUGEPAGES_BYTES), nodes.text);
	} else if (nodes.cnt > 1) {
		doctor_ok(line, "%s free: %s", fmt_bytes(size, unused * HUGEPAGES_BYTES),
			  nodes.text);
	} else {
		doctor_ok(line, "%s free", fmt_bytes(size, unused * HUGEPAGES_BYTES));
	}
}
