/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_nic - which NICs there are, who drives them, where they sit */
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"
#include "sysfile.h"

#define VFIO "/sys/bus/pci/drivers/vfio-pci"

/* Calls fn for each entry of a directory, those with a dot in front left out. Returns how many. */
static uint32_t
entries(const char *root, const char *path, void (*fn)(void *ctx, const char *name), void *ctx)
{
	char full[PATH_MAX];
	uint32_t cnt = 0;
	DIR *d;

	snprintf(full, sizeof(full), "%s%s", root, path);
	d = opendir(full);
	if (d == NULL) {
		return 0;
	}
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		if (e->d_name[0] != '.') {
			cnt++;
			if (fn != NULL) {
				fn(ctx, e->d_name);
			}
		}
	}
	closedir(d);
	return cnt;
}

struct nics {
	const char *root;
	uint32_t cnt;
	char text[120];
};

static void
nics_say(struct nics *n, const char *name, const char *driver, const char *folder)
{
	char path[PATH_MAX];
	uint64_t node = 0;
	size_t len = strlen(n->text);

	snprintf(path, sizeof(path), "%s/numa_node", folder);
	if (!sysfile_u64(n->root, path, &node)) { /* -1, too: there is only one */
		node = 0;
	}
	n->cnt++;
	snprintf(n->text + len, sizeof(n->text) - len, "%s%s: %s, NUMA node %" PRIu64,
		 len > 0 ? "; " : "", name, driver, node);
}

/* One that the kernel drives; what is no device (lo, veth, bridges) has no folder of that name. */
static void
kernel_nic(void *ctx, const char *name)
{
	struct nics *n = ctx;
	char folder[300], path[PATH_MAX], text[400], driver[64];
	const char *at;

	snprintf(folder, sizeof(folder), "/sys/class/net/%s/device", name);
	snprintf(path, sizeof(path), "%s/uevent", folder);
	if (!sysfile_text(n->root, path, text, sizeof(text))) {
		return;
	}
	at = strstr(text, "DRIVER=");
	if (at != NULL && sscanf(at, "DRIVER=%63[^\n]", driver) == 1) {
		nics_say(n, name, driver, folder);
	}
}

/* One that was taken from the kernel: entries are PCI addresses, and files without a colon. */
static void
vfio_nic(void *ctx, const char *name)
{
	char folder[300];

	if (strchr(name, ':') != NULL) {
		snprintf(folder, sizeof(folder), VFIO "/%s", name);
		nics_say(ctx, name, "vfio-pci", folder);
	}
}

void
doctor_nic(const char *root, struct doctor_line *line)
{
	struct nics vfio = { .root = root }, kernel = { .root = root };

	entries(root, VFIO, vfio_nic, &vfio);
	entries(root, "/sys/class/net", kernel_nic, &kernel);
	if (vfio.cnt > 0 && entries(root, "/sys/kernel/iommu_groups", NULL, NULL) == 0) {
		doctor_warn(line,
			    "turn the IOMMU on (firmware, and intel_iommu=on or amd_iommu=on), or "
			    "give it back to the kernel and use net_af_xdp",
			    "%s: without an IOMMU it can write to all memory", vfio.text);
	} else if (vfio.cnt > 0) {
		doctor_ok(line, "for net.nic: %s", vfio.text);
	} else if (kernel.cnt > 0) {
		doctor_ok(line, "the kernel's: %s", kernel.text);
	} else {
		doctor_ok(line, "none but virtual ones");
	}
}
