/* SPDX-License-Identifier: Apache-2.0 */
/* carrier_dpdk.c - a port of DPDK's in a program that knows nothing of DPDK
 *
 * ADDRESS:PORT?nic=DEVICE&at=ADDRESS[:PORT][&vlan=N][&mtu=N]
 *
 * DEVICE is named as DPDK names it (nic.h), at is the address that this program has on the link;
 * without a port one is drawn. The node must be a neighbour on that link, or a router must answer
 * for it.
 *
 * DPDK's environment is started at the first client, and stays: it cannot be started twice. Its one
 * lcore is the thread that starts it, which keeps its cpus. It has ordinary memory, of this process
 * alone; a PCI device needs huge pages, and is named by the first client. A program that has
 * started DPDK itself keeps what it has.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mempool.h>

#include "carrier.h"
#include "check.h"
#include "compiler.h"
#include "frame.h"
#include "huge_lock.h"
#include "microburst/error.h"
#include "nic.h"
#include "sock.h"

#define MEMORY_MIB    "128"
#define SPIN_NS       100000 /* many drivers can only nap: 50 us, and what the kernel is late by */
#define DYNAMIC_FIRST 49152u /* what is left to clients: the dynamic ports */
#define DYNAMIC_CNT   16384u

static pthread_mutex_t eal_lock = PTHREAD_MUTEX_INITIALIZER;
static bool eal_up;

struct dpdk {
	struct net_io io;
	struct wire_addr server;
	struct wire_addr addr[CARRIER_ADDRS_MAX]; /* the name's */
	uint32_t addr_cnt;
	uint16_t port[CARRIER_LANES]; /* 0: none */
	char device[512];             /* nic keeps it */
	carrier_recv_fn *fn;
	void *ctx;
};

static int
fail(int err, const char *text)
{
	rte_log(RTE_LOG_ERR, RTE_LOGTYPE_USER1, "microburst: %s\n", text);
	return err;
}

/* ------------------------------------------------------------------ environment */

static int
eal_start(const char *device)
{
	char prefix[48], lcore[32], name[512];
	bool pci = nic_is_pci(device);
	/* EAL permutes them: they are in memory that may be written. */
	char *arg[] = { (char[]){ "microburst" },
			(char[]){ "--no-telemetry" },
			(char[]){ "--log-level=*:error" },
			(char[]){ "-m" },
			(char[]){ MEMORY_MIB },
			prefix,
			(char[]){ "--lcores" },
			lcore,
			pci ? (char[]){ "--in-memory" } : (char[]){ "--no-huge" },
			pci ? (char[]){ "--allow" } : (char[]){ "--no-shconf" },
			pci ? name : (char[]){ "--no-pci" },
			NULL };
	cpu_set_t cpus;
	int rc, lock;

	if (rte_lcore_count() > 0) {
		return 0; /* the program has done it */
	}
	snprintf(prefix, sizeof(prefix), "--file-prefix=microburst-%d", (int)getpid());
	snprintf(lcore, sizeof(lcore), "0@%d", sched_getcpu());
	snprintf(name, sizeof(name), "%s", device);
	rc = pthread_getaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	lock = pci ? huge_lock_take(HUGE_LOCK_MS) : HUGE_LOCK_NONE;
	rc = rc == 0 ? rte_eal_init((int)ARRAY_CNT(arg) - 1, arg) : -1;
	huge_lock_release(lock);
	if (rc < 0) {
		return MB_ERR_IO;
	}
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	rmdir(rte_eal_get_runtime_dir()); /* nothing is in it: nothing is shared */
	return 0;
}

static int
eal_need(const char *device)
{
	int err = 0;

	pthread_mutex_lock(&eal_lock);
	if (!eal_up) {
		err = eal_start(device);
		eal_up = err == 0;
	}
	pthread_mutex_unlock(&eal_lock);
	return err;
}

/* -------------------------------------------------------------------- datagrams */

static int
dpdk_next(struct carrier *c)
{
	struct dpdk *d = c->carrier;

	if (c->more == 0) {
		return MB_ERR_NO_NODE;
	}
	d->server = c->server = d->addr[d->addr_cnt - c->more--];
	d->port[0] = d->server.port;
	d->io.ops->stats(d->io.io); /* it sees that the link is up, and says that we are there */
	return 0;
}

static int
dpdk_lane(void *carrier, uint32_t lane, uint16_t port)
{
	struct dpdk *d = carrier;

	d->port[lane] = port;
	return 0;
}

static void
dpdk_send(void *carrier, uint32_t lane, struct seal *seal, const struct wire_head *h,
	  const uint8_t *body)
{
	struct dpdk *d = carrier;
	struct wire_addr to = d->server;

	to.port = d->port[lane];
	if (!net_io_send_from(&d->io, seal, &to, h, body, false)) {
		net_io_send(&d->io, seal, &to, h, body);
	}
}

static void
dpdk_flush(void *carrier)
{
	struct dpdk *d = carrier;

	d->io.ops->flush(d->io.io);
}

/* Only the node has anything to say here. */
static void
dpdk_datagram(void *ctx, const struct wire_addr *from, struct slice datagram)
{
	struct dpdk *d = ctx;

	if (memcmp(from->ip, d->server.ip, sizeof(from->ip)) != 0) {
		return;
	}
	for (uint32_t i = 0; i < CARRIER_LANES; i++) {
		if (d->port[i] == from->port) {
			d->fn(d->ctx, i, datagram);
			return;
		}
	}
}

static int
dpdk_recv(void *carrier, uint32_t lanes, uint32_t max, uint64_t now_ns, carrier_recv_fn *fn,
	  void *ctx)
{
	struct dpdk *d = carrier;

	(void)lanes; /* all come through one queue */
	d->fn = fn;
	d->ctx = ctx;
	return d->io.ops->recv(d->io.io, max, now_ns, dpdk_datagram, d);
}

static void
dpdk_wait(void *carrier, uint32_t lanes, uint64_t ns)
{
	struct dpdk *d = carrier;

	(void)lanes;
	nic_wait(&d->io, ns);
}

static void
dpdk_close(void *carrier)
{
	struct dpdk *d = carrier;

	if (d->io.ops != NULL) {
		d->io.ops->close(d->io.io);
	}
	free(d);
}

static const struct carrier_ops dpdk_ops = {
	dpdk_next, dpdk_lane, dpdk_send, dpdk_flush, dpdk_recv, dpdk_wait, dpdk_close,
};

/* ---------------------------------------------------------------------- opening */

static bool
number_read(const char *text, unsigned long max, uint16_t *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	*ret = (uint16_t)n;
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && n <= max;
}

static int
at_read(const char *text, struct wire_addr *ret)
{
	const char *colon = strrchr(text, ':');
	bool v6 = text[0] == '[', port = colon != NULL && (!v6 || colon[-1] == ']');
	char full[80];
	uint16_t drawn;
	int err;

	if (port && colon == text) {
		return MB_ERR_INVALID;
	}
	if (getrandom(&drawn, sizeof(drawn), 0) != sizeof(drawn)) {
		return MB_ERR_IO;
	}
	snprintf(full, sizeof(full), "%s%s%s", text, port ? "" : ":", port ? "" : "0");
	err = sock_addr(full, true, ret);
	if (err == 0 && ret->port == 0) {
		ret->port = (uint16_t)(DYNAMIC_FIRST + drawn % DYNAMIC_CNT);
	}
	return err;
}

/* Of a name's addresses those that can be reached from one of that kind. */
static void
addrs_keep(struct dpdk *d, uint32_t cnt, bool v4)
{
	for (uint32_t i = 0; i < cnt; i++) {
		if (frame_is_v4(d->addr[i].ip) == v4) {
			d->addr[d->addr_cnt++] = d->addr[i];
		}
	}
}

/* Reads what follows the scheme. */
static int
where_read(const char *where, struct dpdk *d, struct nic_cfg *cfg)
{
	char text[1024], *rest = text, *part;
	bool ok = snprintf(text, sizeof(text), "%s", where) < (int)sizeof(text);
	bool here = false;
	int cnt;

	part = strsep(&rest, "?");
	cnt = ok ? sock_addrs(part, false, CARRIER_ADDRS_MAX, d->addr) : MB_ERR_INVALID;
	if (cnt < 0) {
		return cnt == MB_ERR_NOT_FOUND ? MB_ERR_NO_NODE : cnt;
	}
	while (ok && (part = strsep(&rest, "&")) != NULL) {
		if (strncmp(part, "nic=", 4) == 0) {
			ok = snprintf(d->device, sizeof(d->device), "%s", part + 4) <
			     (int)sizeof(d->device);
		} else if (strncmp(part, "at=", 3) == 0) {
			here = at_read(part + 3, &cfg->at) == 0;
			ok = here;
		} else if (strncmp(part, "vlan=", 5) == 0) {
			ok = number_read(part + 5, 4094, &cfg->vlan);
		} else if (strncmp(part, "mtu=", 4) == 0) {
			ok = number_read(part + 4, UINT16_MAX, &cfg->mtu);
		} else {
			ok = false;
		}
	}
	if (!ok || !here || d->device[0] == '\0') {
		return MB_ERR_INVALID;
	}
	addrs_keep(d, (uint32_t)cnt, frame_is_v4(cfg->at.ip));
	return d->addr_cnt > 0 ? 0
			       : fail(MB_ERR_CONFIG, "the node has no address of the kind that at= "
						     "has: both are IPv4, or both IPv6");
}

int
microburst_carrier_dpdk(struct carrier *ret, const char *where)
{
	struct dpdk *d = calloc(1, sizeof(*d));
	struct topo_why why = { "" };
	struct nic_cfg cfg = { .queue_cnt = 1 };
	int err;

	if (d == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	err = where_read(where, d, &cfg);
	if (err == 0) {
		err = eal_need(d->device);
	}
	if (err == 0) {
		cfg.device = d->device;
		err = nic_open(&d->io, &cfg, &why);
		/* That nobody is there is no fault of the device's: it needs no more words. */
		err = err != 0 && err != MB_ERR_NO_NODE ? fail(err, why.text) : err;
	}
	if (err != 0) {
		dpdk_close(d);
		return err;
	}
	*ret = (struct carrier){ .ops = &dpdk_ops,
				 .carrier = d,
				 .datagram = (uint16_t)d->io.ops->datagram_max(d->io.io),
				 .more = d->addr_cnt,
				 .spin_ns = SPIN_NS };
	return dpdk_next(ret);
}
