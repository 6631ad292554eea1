/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_nic - which NICs there are, who drives them, where they sit; the one of the node */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "compiler.h"
#include "doctor.h"
#include "pci.h"
#include "sysfile.h"

#define VFIO     "/sys/bus/pci/drivers/vfio-pci"
#define DEVICES  "/sys/bus/pci/devices/"
#define GROUPS   "/sys/kernel/iommu_groups"
#define UNSAFE   "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
#define IF_BYTES 16
#define BRIDGE   "0x0604" /* PCI class of what lets no memory be written by itself */

/* ----------------------------------------------------------------- all of them */

struct nics {
	const char *root;
	uint32_t cnt;
	char text[200];
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
	char folder[300], path[PATH_MAX], driver[64], addr[PCI_ADDR_BYTES], slot[64], both[128];

	snprintf(folder, sizeof(folder), "/sys/class/net/%s/device", name);
	snprintf(path, sizeof(path), "%s/uevent", folder);
	if (!sysfile_line(n->root, path, "DRIVER=", driver, sizeof(driver))) {
		return;
	}
	if (sysfile_line(n->root, path, "PCI_SLOT_NAME=", slot, sizeof(slot)) &&
	    pci_addr(slot, addr)) {
		snprintf(both, sizeof(both), "%.64s (%s)", name, addr);
	} else {
		snprintf(both, sizeof(both), "%.100s", name);
	}
	nics_say(n, both, driver, folder);
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
doctor_nic(const struct doctor_ask *ask, struct doctor_line *line)
{
	struct nics n = { .root = ask->root };

	sysfile_each(ask->root, VFIO, vfio_nic, &n);
	sysfile_each(ask->root, "/sys/class/net", kernel_nic, &n);
	doctor_ok(line, "%s", n.cnt > 0 ? n.text : "none but virtual ones");
}

/* ------------------------------------------------------------- the node's own */

/* The interface that a virtual device stands on; false if it names none. */
static bool
nic_iface(const char *nic, char ret[IF_BYTES])
{
	const char *at = strstr(nic, ",iface=");
	size_t len;

	if (at == NULL) {
		return false;
	}
	at += strlen(",iface=");
	len = strcspn(at, ",");
	if (len == 0 || len >= IF_BYTES || at[0] == '.' || memchr(at, '/', len) != NULL) {
		return false;
	}
	memcpy(ret, at, len);
	ret[len] = '\0';
	return true;
}

/* One of DPDK's own making: the name of its driver and a number. (net_bonding takes a name behind
 * it.) Whether the driver is installed the node finds out. */
static bool
nic_virtual(const char *nic)
{
	static const char *const drivers[] = { "net_af_packet", "net_af_xdp", "net_memif",
					       "net_tap",       "net_ring",   "net_null",
					       "net_pcap",      "net_vhost",  "net_virtio_user",
					       "net_bonding" };
	size_t len = strcspn(nic, ",");

	for (uint32_t i = 0; i < ARRAY_CNT(drivers); i++) {
		size_t name = strlen(drivers[i]);

		if (name <= len && strncmp(nic, drivers[i], name) == 0 &&
		    (strspn(nic + name, "0123456789") == len - name ||
		     strcmp(drivers[i], "net_bonding") == 0)) {
			return true;
		}
	}
	return false;
}

/* A PCI address, with what stands behind it for the driver. */
static bool
nic_pci(const char *nic, char ret[static PCI_ADDR_BYTES])
{
	char text[PCI_ADDR_BYTES];
	size_t len = strcspn(nic, ",");

	if (len >= sizeof(text)) {
		return false;
	}
	memcpy(text, nic, len);
	text[len] = '\0';
	return pci_addr(text, ret);
}

/* Who shares the IOMMU group and is not with vfio: then the kernel hands out none of them. */
struct group {
	const char *root;
	const char *addr;
	char other[PCI_ADDR_BYTES];
};

static void
group_look(void *ctx, const char *name)
{
	struct group *g = ctx;
	char addr[PCI_ADDR_BYTES], path[PATH_MAX], driver[PCI_DRIVER_BYTES], class[16];

	if (!pci_addr(name, addr) || strcmp(addr, g->addr) == 0 ||
	    pci_driver(g->root, addr, driver) != 0 || strcmp(driver, "vfio-pci") == 0 ||
	    strcmp(driver, PCI_NONE) == 0) {
		return;
	}
	snprintf(path, sizeof(path), DEVICES "%s/class", addr);
	if (sysfile_text(g->root, path, class, sizeof(class)) &&
	    strncmp(class, BRIDGE, strlen(BRIDGE)) == 0) {
		return;
	}
	snprintf(g->other, sizeof(g->other), "%s", addr);
}

static void
own_pci(const struct doctor_ask *ask, const char *addr, struct doctor_line *line)
{
	/* Their drivers give queues away and stay: the kernel's interface lives beside ours. */
	static const char *const shared[] = { "mlx5_core", "mlx4_core", "mana" };
	struct group g = { .root = ask->root, .addr = addr };
	char driver[PCI_DRIVER_BYTES], path[PATH_MAX], todo[120];

	if (pci_driver(ask->root, addr, driver) != 0) {
		doctor_stop(line, "lspci -D lists what there is", "%s is no device here", addr);
		return;
	}
	for (size_t i = 0; i < ARRAY_CNT(shared); i++) {
		if (strcmp(driver, shared[i]) == 0) {
			doctor_ok(line, "%s: %s, which shares it with the kernel", addr, driver);
			return;
		}
	}
	if (strcmp(driver, "vfio-pci") != 0) {
		snprintf(todo, sizeof(todo),
			 "as root: modprobe vfio-pci, then microburst doctor init --vfio %s", addr);
		doctor_warn(line, todo,
			    strcmp(driver, PCI_NONE) == 0 ? "%s: no driver has it%s"
							  : "%s: %s has it",
			    addr, strcmp(driver, PCI_NONE) == 0 ? "" : driver);
		return;
	}
	snprintf(path, sizeof(path), DEVICES "%s/iommu_group/devices", addr);
	sysfile_each(ask->root, path, group_look, &g);
	if (g.other[0] != '\0') {
		doctor_warn(line,
			    "give the other one to vfio-pci too, or put the NIC into another slot",
			    "%s shares its IOMMU group with %s, which the kernel drives", addr,
			    g.other);
		return;
	}
	doctor_ok(line, "%s: vfio-pci", addr);
}

void
doctor_nic_own(const struct doctor_ask *ask, struct doctor_line *line)
{
	char addr[PCI_ADDR_BYTES], iface[IF_BYTES], path[PATH_MAX], state[32];

	if (ask->nic[0] == '\0') {
		doctor_ok(line, "none is named (--nic): a socket of the kernel's");
	} else if (nic_pci(ask->nic, addr)) {
		own_pci(ask, addr, line);
	} else if (nic_iface(ask->nic, iface)) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/operstate", iface);
		if (!sysfile_text(ask->root, path, state, sizeof(state))) {
			doctor_stop(line, "ip link lists what there is", "%s is no interface here",
				    iface);
		} else if (strcmp(state, "down") == 0) {
			doctor_warn(line, "plug it in, and: ip link set dev NAME up", "%s is down",
				    iface);
		} else {
			doctor_ok(line, "%s, of the kernel's interface %s", ask->nic, iface);
		}
	} else if (nic_virtual(ask->nic)) {
		doctor_ok(line, "%s: a virtual one", ask->nic);
	} else {
		doctor_warn(line,
			    "name a PCI address (lspci -D), or one of DPDK's virtual devices: "
			    "net_af_packet0,iface=eth1, net_memif0, ...",
			    "%.60s is no device that is known here", ask->nic);
	}
}

/* Where it sits; -1: nowhere in particular, or it is not there. */
static int64_t
nic_numa(const struct doctor_ask *ask)
{
	char addr[PCI_ADDR_BYTES], iface[IF_BYTES], path[PATH_MAX];
	uint64_t node;

	if (nic_pci(ask->nic, addr)) {
		snprintf(path, sizeof(path), DEVICES "%s/numa_node", addr);
	} else if (nic_iface(ask->nic, iface)) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/device/numa_node", iface);
	} else {
		return -1;
	}
	return sysfile_u64(ask->root, path, &node) && node < 1024 ? (int64_t)node : -1;
}

void
doctor_nic_place(const struct doctor_ask *ask, struct doctor_line *line)
{
	int64_t numa = nic_numa(ask);
	struct cpulist cores, local, both;
	char path[PATH_MAX], text[4096];

	if (ask->nic[0] == '\0' || numa < 0) {
		doctor_ok(line, "no core is nearer to it than another");
		return;
	}
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%" PRId64 "/cpulist", numa);
	if (!doctor_cores(ask, &cores) || !sysfile_text(ask->root, path, text, sizeof(text)) ||
	    !cpulist_parse(text, &local)) {
		doctor_ok(line, "NUMA node %" PRId64 ": the daemon lives there, if it may", numa);
		return;
	}
	both = cpulist_and(&cores, &local);
	if (cpulist_cnt(&both) == 0) {
		doctor_warn(line,
			    "name some of that NUMA node's in node.cores, or use a NIC of another",
			    "NUMA node %" PRId64 ", where the node has no core: each packet "
			    "crosses to another socket",
			    numa);
	} else {
		doctor_ok(line, "NUMA node %" PRId64 ", as %u of the node's %u cores", numa,
			  cpulist_cnt(&both), cpulist_cnt(&cores));
	}
}

/* ------------------------------------------------------------------- the IOMMU */

void
doctor_iommu(const struct doctor_ask *ask, struct doctor_line *line)
{
	struct nics vfio = { .root = ask->root };
	uint32_t groups = sysfile_each(ask->root, GROUPS, NULL, NULL);
	char addr[PCI_ADDR_BYTES], unsafe[8];

	sysfile_each(ask->root, VFIO, vfio_nic, &vfio);
	if (groups > 0) {
		doctor_ok(line, "on, %u groups", groups);
	} else if (vfio.cnt > 0 && sysfile_text(ask->root, UNSAFE, unsafe, sizeof(unsafe)) &&
		   unsafe[0] == 'Y') {
		doctor_warn(line,
			    "turn the IOMMU on (firmware, and intel_iommu=on or amd_iommu=on), or "
			    "give it back to the kernel and use net_af_xdp",
			    "off, and vfio does without: %s can write to all memory", vfio.text);
	} else if (vfio.cnt > 0 || nic_pci(ask->nic, addr)) {
		doctor_warn(line,
			    "turn the IOMMU on (firmware, and intel_iommu=on or amd_iommu=on), or "
			    "use net_af_xdp",
			    "off: vfio hands no NIC out without it");
	} else {
		doctor_ok(line, "off; only a NIC of vfio-pci needs it");
	}
}
