/* SPDX-License-Identifier: Apache-2.0 */
/* plug DEVICE DEVICE - a cable between two virtual devices of DPDK's
 *
 * What comes at one goes out at the other, as it is; what is not taken there is lost. So a memif
 * reaches a link of the kernel's, and whatever a test does to that:
 *
 *	plug net_memif0,role=client,socket=/tmp/m net_af_packet0,iface=eth0
 *
 * Prints "ready", and ends at SIGTERM.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "compiler.h"

#define BURST      32
#define DESC_CNT   1024
#define BUFFERS    8191
#define NAP_NS     20000
#define NAME_BYTES 64

static volatile sig_atomic_t over;

static void
end(int signal)
{
	(void)signal;
	over = 1;
}

static int
port_open(const char *device, struct rte_mempool *pool, uint16_t *ret)
{
	const struct rte_eth_conf conf = { 0 };
	char name[NAME_BYTES];
	size_t len = strcspn(device, ",");
	uint16_t rx = DESC_CNT, tx = DESC_CNT;

	snprintf(name, sizeof(name), "%.*s", (int)len, device);
	if (rte_eal_hotplug_add("vdev", name, device[len] == ',' ? device + len + 1 : "") != 0 ||
	    rte_eth_dev_get_port_by_name(name, ret) != 0 ||
	    rte_eth_dev_configure(*ret, 1, 1, &conf) != 0 ||
	    rte_eth_dev_adjust_nb_rx_tx_desc(*ret, &rx, &tx) != 0 ||
	    rte_eth_rx_queue_setup(*ret, 0, rx, SOCKET_ID_ANY, NULL, pool) != 0 ||
	    rte_eth_tx_queue_setup(*ret, 0, tx, SOCKET_ID_ANY, NULL) != 0 ||
	    rte_eth_dev_start(*ret) != 0) {
		fprintf(stderr, "plug: no port %s\n", device);
		return -1;
	}
	rte_eth_promiscuous_enable(*ret);
	return 0;
}

/* Returns how many came. */
static unsigned
pass(uint16_t from, uint16_t to)
{
	struct rte_mbuf *burst[BURST];
	uint16_t cnt = rte_eth_rx_burst(from, 0, burst, BURST);
	uint16_t sent = rte_eth_tx_burst(to, 0, burst, cnt);

	for (uint16_t i = sent; i < cnt; i++) {
		rte_pktmbuf_free(burst[i]);
	}
	return cnt;
}

int
main(int argc, char **argv)
{
	/* EAL permutes them: they are in memory that may be written. */
	char prefix[48];
	char *arg[] = { (char[]){ "plug" },
			(char[]){ "--no-huge" },
			(char[]){ "--no-shconf" },
			(char[]){ "--no-pci" },
			(char[]){ "--no-telemetry" },
			(char[]){ "--log-level=*:error" },
			(char[]){ "-m" },
			(char[]){ "64" },
			(char[]){ "-l" },
			(char[]){ "0" },
			prefix,
			NULL };
	struct timespec nap = { 0, NAP_NS };
	struct rte_mempool *pool;
	uint16_t port[2];
	unsigned cnt;

	snprintf(prefix, sizeof(prefix), "--file-prefix=plug-%d", (int)getpid());
	if (argc != 3 || rte_eal_init((int)ARRAY_CNT(arg) - 1, arg) < 0) {
		return 2;
	}
	signal(SIGTERM, end);
	pool = rte_pktmbuf_pool_create("plug", BUFFERS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (pool == NULL || port_open(argv[1], pool, &port[0]) != 0 ||
	    port_open(argv[2], pool, &port[1]) != 0) {
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (!over) {
		cnt = pass(port[0], port[1]);
		cnt += pass(port[1], port[0]);
		if (cnt == 0) {
			nanosleep(&nap, NULL);
		}
	}
	for (int i = 0; i < 2; i++) {
		rte_eth_dev_stop(port[i]);
		rte_eth_dev_close(port[i]);
	}
	return 0;
}
