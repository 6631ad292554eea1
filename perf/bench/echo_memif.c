/* SPDX-License-Identifier: Apache-2.0 */
/* echo_memif.c - the floor of a remote call by way of DPDK: a frame through memif, and back
 *
 * Two processes, a port each, one queue each way; the server gives back the very buffers that it
 * received. As long as what a call of an increment sends. Nothing is checked, no address is read.
 *
 * Each process starts DPDK when it first comes here, and keeps its port: the link comes up once.
 */
#include <microburst/error.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#undef container_of /* ours checks types */
#undef NS_PER_S     /* ours are unsigned */
#undef US_PER_S

#include "cores.h"
#include "echo.h"

#define BYTES   154 /* Ethernet, IPv4 and UDP before the 112 of echo_udp */
#define BURST   32
#define QUEUE   1024
#define POOL    4096
#define WAIT_NS (10 * NS_PER_S)

struct memif {
	pid_t pid; /* of the bench: names the socket */
	_Atomic uint32_t end;
};

static uint16_t port = UINT16_MAX;
static struct rte_mempool *pool;

static int
eal_start(void)
{
	char prefix[48], lcore[16];
	char *arg[] = { (char[]){ "bench" },
			(char[]){ "--no-huge" },
			(char[]){ "--no-shconf" },
			(char[]){ "--no-pci" },
			(char[]){ "--no-telemetry" },
			(char[]){ "--log-level=*:critical" },
			(char[]){ "-m" },
			(char[]){ "128" },
			(char[]){ "--lcores" },
			lcore,
			prefix,
			NULL };
	cpu_set_t cpus;
	int rc = sched_getaffinity(0, sizeof(cpus), &cpus);

	if (rte_lcore_count() > 0) {
		return 0; /* a client of this process has done it */
	}
	snprintf(lcore, sizeof(lcore), "0@%d", sched_getcpu());
	snprintf(prefix, sizeof(prefix), "--file-prefix=microburst-bench-%d", (int)getpid());
	if (rc == 0 && rte_eal_init((int)(sizeof(arg) / sizeof(arg[0])) - 1, arg) < 0) {
		rc = MB_ERR_IO;
	}
	if (rc == 0) {
		sched_setaffinity(0, sizeof(cpus), &cpus);
		rmdir(rte_eal_get_runtime_dir());
	}
	return rc == 0 ? 0 : MB_ERR_IO;
}

static int
port_open(const struct memif *m, const char *role)
{
	struct rte_eth_conf conf = { 0 };
	char text[96];
	int rc = port == UINT16_MAX ? eal_start() : 0;

	if (port != UINT16_MAX || rc != 0) {
		return rc;
	}
	snprintf(text, sizeof(text), "role=%s,socket=/microburst-floor-%d", role, (int)m->pid);
	pool = rte_pktmbuf_pool_create("floor", POOL - 1, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	if (pool == NULL || rte_eal_hotplug_add("vdev", "net_memif90", text) != 0 ||
	    rte_eth_dev_get_port_by_name("net_memif90", &port) != 0 ||
	    rte_eth_dev_configure(port, 1, 1, &conf) != 0 ||
	    rte_eth_rx_queue_setup(port, 0, QUEUE, 0, NULL, pool) != 0 ||
	    rte_eth_tx_queue_setup(port, 0, QUEUE, 0, NULL) != 0) {
		return MB_ERR_IO;
	}
	return 0;
}

/* A client's port does not start before the server's is there. */
static int
port_start(void)
{
	uint64_t until = timebase_tsc() + timebase_ns_to_tsc(WAIT_NS);
	struct timespec nap = { .tv_nsec = NS_PER_MS };
	static bool started;

	for (;;) {
		struct rte_eth_link link = { 0 };

		started = started || rte_eth_dev_start(port) == 0;
		if (started && rte_eth_link_get_nowait(port, &link) == 0 && link.link_status != 0) {
			return 0;
		}
		if (timebase_tsc() > until) {
			return MB_ERR_DEADLINE;
		}
		nanosleep(&nap, NULL);
	}
}

static int
memif_prepare(void *mem)
{
	struct memif *m = mem;

	m->pid = getpid();
	return 0;
}

static void
memif_reset(void *mem)
{
	struct memif *m = mem;

	atomic_store(&m->end, 0);
}

static int
memif_serve(void *mem)
{
	struct memif *m = mem;
	struct rte_mbuf *burst[BURST];
	static bool served;
	int err = port_open(m, "server");

	if (err == 0 && !served) {
		err = rte_eth_dev_start(port) == 0 ? 0 : MB_ERR_IO;
		served = err == 0;
	}
	while (err == 0 && atomic_load_explicit(&m->end, memory_order_relaxed) == 0) {
		uint16_t cnt = rte_eth_rx_burst(port, 0, burst, BURST);
		uint16_t sent = cnt > 0 ? rte_eth_tx_burst(port, 0, burst, cnt) : 0;

		if (cnt == 0) {
			cores_relax();
		}
		rte_pktmbuf_free_bulk(burst + sent, cnt - sent);
	}
	return err;
}

static int
memif_enter(void *mem)
{
	struct rte_mbuf *left[BURST];
	int err = port_open(mem, "client");

	if (err == 0) {
		err = port_start();
	}
	for (uint16_t n = 1; err == 0 && n > 0;) {
		n = rte_eth_rx_burst(port, 0, left, BURST);
		rte_pktmbuf_free_bulk(left, n);
	}
	return err;
}

static inline int
memif_once(void *mem)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	(void)mem;
	if (m == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	rte_pktmbuf_append(m, BYTES);
	while (rte_eth_tx_burst(port, 0, &m, 1) == 0) {
		cores_relax();
	}
	while (rte_eth_rx_burst(port, 0, &m, 1) == 0) {
		cores_relax();
	}
	rte_pktmbuf_free(m);
	return 0;
}

static int
memif_measure(void *mem, const struct pace *pace, struct figures *f)
{
	return pace_run(pace, f, memif_once, mem);
}

static void
memif_end(void *mem)
{
	struct memif *m = mem;

	atomic_store(&m->end, 1);
}

const struct echo echo_memif = {
	.name = "memif",
	.bytes = sizeof(struct memif),
	.prepare = memif_prepare,
	.reset = memif_reset,
	.enter = memif_enter,
	.serve = memif_serve,
	.measure = memif_measure,
	.end = memif_end,
};
