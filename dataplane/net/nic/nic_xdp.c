/* SPDX-License-Identifier: Apache-2.0 */
/* nic_xdp - the driver of af_xdp as it starts, see nic_int.h
 *
 * The kernel gives a queue back a while after its socket was closed (a work of its own, behind what
 * else it has to do), and until then nobody gets it: neither who closed it and opens it again, nor
 * a node that follows one which ended just now. It says EBUSY; the driver makes EINVAL of that, as
 * of all that goes wrong. So it is tried again for a while (nic_xdp_open).
 *
 * Before that a socket of our own asks whether somebody has the queue: a driver that fails to start
 * takes the program of XDP off the interface, and whoever has the queue would hear nothing more.
 * The queue that was given to the question is given back late as well; so it is asked until it was
 * free once, and not again.
 *
 * What the libraries below the driver print as it starts are things that nobody can act on (a
 * section of a program that this kernel has no use for). They are told where to: to the log, for
 * whoever changes the code. They, and the driver, are heard as ever in the last try, whose failure
 * is one. Their functions are looked up: who does not use af_xdp need not have them.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <rte_log.h>

#include "compiler.h"
#include "log.h"
#include "microburst/error.h"
#include "nic_int.h"
#include "timebase.h"

#define ASK_BYTES   4096u /* one packet, which never comes */
#define ASK_SLOTS   2
#define BUSY_TRIES  100 /* a second; the kernel takes some ms to give a queue back */
#define BUSY_NAP_NS (10 * NS_PER_MS)

typedef print_fn_xdp *print_set_fn(print_fn_xdp *fn);

static const struct {
	const char *file, *set;
} libs[NIC_XDP_LIBS] = {
	{ "libbpf.so.1", "libbpf_set_print" },
	{ "libxdp.so.1", "libxdp_set_print" },
};

static int __attribute__((format(printf, 2, 0)))
print_debug(int level, const char *fmt, va_list args)
{
	char text[256];
	int len = vsnprintf(text, sizeof(text), fmt, args);

	(void)level;
	text[strcspn(text, "\n")] = '\0';
	log_at(LOG_DEBUG, "net.nic: %s", text);
	return len;
}

/* Returns: what it was; NULL: the library is not there. */
static print_fn_xdp *
print_set(size_t i, print_fn_xdp *fn)
{
	void *lib = dlopen(libs[i].file, RTLD_NOW | RTLD_NOLOAD);
	void *sym = lib != NULL ? dlsym(lib, libs[i].set) : NULL;
	print_fn_xdp *was = NULL;
	print_set_fn *set;

	if (sym != NULL) {
		memcpy(&set, &sym, sizeof(set)); /* C knows no way from one to the other */
		was = set(fn);
	}
	if (lib != NULL) {
		dlclose(lib);
	}
	return was;
}

bool
nic_xdp_is(const char *device)
{
	return strncmp(device, "net_af_xdp", strlen("net_af_xdp")) == 0;
}

void
nic_xdp_hush(struct nic_xdp_hush *h)
{
	for (size_t i = 0; i < NIC_XDP_LIBS; i++) {
		h->print[i] = print_set(i, print_debug);
	}
	h->type = rte_log_register("pmd.net.af_xdp");
	h->level = h->type >= 0 ? rte_log_get_level((uint32_t)h->type) : -1;
	if (h->level >= 0) {
		rte_log_set_level((uint32_t)h->type, RTE_LOG_EMERG);
	}
}

void
nic_xdp_heard(const struct nic_xdp_hush *h)
{
	for (size_t i = 0; i < NIC_XDP_LIBS; i++) {
		if (h->print[i] != NULL) {
			print_set(i, h->print[i]);
		}
	}
	if (h->level >= 0) {
		rte_log_set_level((uint32_t)h->type, (uint32_t)h->level);
	}
}

/* What an argument of the device says; "": it is not there. */
static void
arg_read(const char *device, const char *name, char *ret, size_t bytes)
{
	const char *arg = strstr(device, name);

	ret[0] = '\0';
	if (arg != NULL) {
		arg += strlen(name);
		snprintf(ret, bytes, "%.*s", (int)strcspn(arg, ","), arg);
	}
}

/* Whether somebody has the device's (first) queue, and of which interface. */
static bool
xdp_taken(const char *device, char iface[IF_NAMESIZE])
{
	static const int rings[] = { XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING };
	const int slots = ASK_SLOTS;
	void *room =
		mmap(NULL, ASK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct xdp_umem_reg reg = { .addr = (uintptr_t)room,
				    .len = ASK_BYTES,
				    .chunk_size = ASK_BYTES };
	struct sockaddr_xdp at = { .sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY };
	char queue[16];
	bool ok = room != MAP_FAILED && fd >= 0 &&
		  setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) == 0;

	for (size_t i = 0; ok && i < ARRAY_CNT(rings); i++) {
		ok = setsockopt(fd, SOL_XDP, rings[i], &slots, sizeof(slots)) == 0;
	}
	arg_read(device, ",iface=", iface, IF_NAMESIZE);
	arg_read(device, ",start_queue=", queue, sizeof(queue));
	at.sxdp_ifindex = if_nametoindex(iface);
	at.sxdp_queue_id = (uint32_t)strtoul(queue, NULL, 0);
	/* Whatever else goes wrong the driver meets as well, and says. */
	ok = ok && bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 && errno == EBUSY;
	if (fd >= 0) {
		close(fd);
	}
	if (room != MAP_FAILED) {
		munmap(room, ASK_BYTES);
	}
	return ok;
}

int
nic_xdp_open(struct nic_port *p, const struct nic_cfg *cfg, struct host_cfg *hc,
	     struct topo_why *why)
{
	const struct timespec nap = { .tv_nsec = (long)BUSY_NAP_NS };
	struct host_cfg mine = *hc;
	struct nic_xdp_hush hush;
	bool taken = true;
	char iface[IF_NAMESIZE];
	int err = MB_ERR_BUSY;

	nic_xdp_hush(&hush);
	for (int i = 0; i < BUSY_TRIES && err == MB_ERR_BUSY; i++) {
		if (i > 0) {
			nanosleep(&nap, NULL);
		}
		taken = taken && xdp_taken(cfg->device, iface);
		if (taken) {
			continue;
		}
		*hc = mine;
		err = nic_port_try(p, cfg, hc, why);
		if (err == MB_ERR_BUSY) {
			nic_port_close(p);
		}
	}
	nic_xdp_heard(&hush);
	if (taken) {
		return topo_why_set(why, MB_ERR_CONFIG,
				    "net.nic = %.64s: somebody has this queue of %s already",
				    cfg->device, iface);
	}
	if (err == MB_ERR_BUSY) {
		*hc = mine;
		err = nic_port_try(p, cfg, hc, why);
	}
	return err == MB_ERR_BUSY ? MB_ERR_IO : err;
}
