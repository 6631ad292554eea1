/* SPDX-License-Identifier: Apache-2.0 */
/* echo_nic.c - the floors of what goes by way of DPDK: a frame to another process and back, and as
 * many bytes as a large value has
 *
 * Two processes, a port each, one queue each way, over memif or over a cable between two network
 * namespaces; or the kernel's socket at this end and a port at the other. The server gives back the
 * very buffers that it received, with the ends exchanged. An exchange is as long as what a call of
 * an increment sends. Nothing is checked.
 *
 * A relay has a third process: the server is on this end's cpu, as the net tile is where there are
 * two of them, and asks a worker on the other by a cache line, as that asks an executor. So it is
 * what a call would take whose parts take no time.
 *
 * To move bytes, the client sends frames as long as ours, the server counts them and says so after
 * each few, as whoever wants none lost must.
 *
 * Each process starts DPDK when it first comes here, and keeps its ports: a link comes up once. The
 * ports are opened as the node opens its own (nic_port), and used bare.
 */
#include <microburst/error.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#undef container_of /* ours checks types */
#undef NS_PER_S     /* ours are unsigned */
#undef US_PER_S

#include "cable.h"
#include "cores.h"
#include "echo.h"
#include "nic_int.h"
#include "topo_why.h"
#include "udp_pair.h"

#define BODY_BYTES   112 /* of echo_udp: a call of an increment */
#define HEAD_BYTES   42  /* Ethernet, IPv4, UDP */
#define KERNEL_PORT  7
#define MOVE_WINDOW  128u /* fits every driver's ring */
#define MOVE_ACK     16u
#define MOVE_TYPE    0x88b5 /* for experiments: a kernel that sees it drops it */
#define WAIT_NS      (10 * NS_PER_S)
#define STALL_NS     (30 * NS_PER_S)
#define SPINS_MAX    (1U << 23) /* a second and more */
#define WORK_SPINS   1024u      /* longer than the other cpu takes */
#define DEVICE_BYTES 96

/* What a port is, and its name's number. */
struct link_kind {
	const char *name; /* of the link of cable.h; NULL: memif */
	const char *driver;
	uint16_t mtu; /* 0: as it is */
	int net;      /* of the kernel's end: 10.78.net.0; 0: a port too */
};

/* A relay's server is another process than an echo's: it has a link of its own. */
enum {
	LINK_MEMIF,
	LINK_AF_PACKET,
	LINK_AF_XDP,
	LINK_K_AF_PACKET,
	LINK_K_AF_XDP,
	LINK_R_MEMIF,
	LINK_R_AF_XDP,
	LINK_R_K_AF_XDP,
	LINK_CNT
};

static const struct link_kind link_kinds[LINK_CNT] = {
	[LINK_MEMIF] = { NULL, "net_memif", 9000, 0 },
	[LINK_AF_PACKET] = { "af_packet", "net_af_packet", 0, 0 },
	[LINK_AF_XDP] = { "af_xdp", "net_af_xdp", 0, 0 },
	[LINK_K_AF_PACKET] = { "k_af_packet", "net_af_packet", 0, 1 },
	[LINK_K_AF_XDP] = { "k_af_xdp", "net_af_xdp", 0, 2 },
	[LINK_R_MEMIF] = { NULL, "net_memif", 9000, 0 },
	[LINK_R_AF_XDP] = { "r_af_xdp", "net_af_xdp", 0, 0 },
	[LINK_R_K_AF_XDP] = { "r_k_af_xdp", "net_af_xdp", 0, 3 },
};

struct nic_mem {
	int link;
	struct cable_told told; /* where the cable is */
	_Atomic uint32_t ready; /* the server's port is there */
	_Atomic uint32_t end;
	/* Of a relay: */
	_Alignas(2 * CACHE_LINE) _Atomic uint32_t asked; /* server -> worker */
	_Alignas(2 * CACHE_LINE) _Atomic uint32_t done;  /* worker -> server */
};

/* What a frame of a move says behind its Ethernet head. */
struct move_head {
	struct rte_ether_hdr eth;
	uint16_t last; /* the count begins anew */
	uint32_t cnt;
};

/* This process's ports. Owner: it. */
static struct port {
	struct nic_port nic;
	char device[DEVICE_BYTES];
	uint32_t frame; /* the longest */
	bool open;
} ports[LINK_CNT];
static int kernel_fd[LINK_CNT] = { [0 ... LINK_CNT - 1] = -1 };

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
			(char[]){ "256" },
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

static bool
port_is_there(struct nic_mem *m)
{
	return atomic_load(&m->ready) != 0;
}

static bool
port_is_up(struct nic_mem *m)
{
	struct rte_eth_link link = { 0 };

	return rte_eth_link_get_nowait(ports[m->link].nic.id, &link) == 0 && link.link_status != 0;
}

static int
nap_until(struct nic_mem *m, bool (*is_so)(struct nic_mem *m), uint64_t until)
{
	struct timespec nap = { .tv_nsec = NS_PER_MS };

	while (!is_so(m)) {
		if (timebase_tsc() > until) {
			return MB_ERR_DEADLINE;
		}
		nanosleep(&nap, NULL);
	}
	return 0;
}

static int
port_make(struct port *p, const struct link_kind *k, enum cable_end end)
{
	struct nic_cfg cfg = { .device = p->device, .mtu = k->mtu, .queue_cnt = 1 };
	struct host_cfg hc = { .mtu = 0 };
	struct topo_why why;
	int err = k->name != NULL ? cable_enter(end) : 0;

	if (err == 0) {
		err = nic_port_open(&p->nic, &cfg, &hc, &why);
		p->frame = RTE_ETHER_HDR_LEN + hc.mtu;
		if (err != 0) {
			nic_port_close(&p->nic);
		}
	}
	if (k->name != NULL) {
		cable_leave();
	}
	return err;
}

/* The server's port is made first: a client's memif does not start without it, and one that came
 * while it was made was seen to be all that it ever let in. */
static int
port_open(struct nic_mem *m, enum cable_end end)
{
	const struct link_kind *k = &link_kinds[m->link];
	uint64_t until = timebase_tsc() + timebase_ns_to_tsc(WAIT_NS);
	struct port *p = &ports[m->link];
	int err = p->open ? 0 : eal_start();

	cable_hear(&m->told);
	if (k->name != NULL) {
		snprintf(p->device, sizeof(p->device), "%s9%d,iface=%s", k->driver, m->link,
			 k->name);
	} else {
		snprintf(p->device, sizeof(p->device),
			 "%s9%d,role=%s,bsize=9216,socket=/microburst-floor-%d-%d", k->driver,
			 m->link, end == CABLE_THERE ? "server" : "client", m->link, m->told.pid);
	}
	if (end == CABLE_HERE) {
		err = err == 0 ? nap_until(m, port_is_there, until) : err;
	}
	if (err == 0 && !p->open) {
		err = port_make(p, k, end);
		p->open = err == 0;
	}
	if (end == CABLE_HERE) {
		return err == 0 ? nap_until(m, port_is_up, until) : err;
	}
	atomic_store(&m->ready, err == 0);
	return err;
}

static void
nic_reset(void *mem)
{
	struct nic_mem *m = mem;

	cable_tell(&m->told);
	atomic_store(&m->ready, 0);
	atomic_store(&m->end, 0);
	atomic_store(&m->asked, 0);
	atomic_store(&m->done, 0);
}

/* What an answer to a frame has the other way round: the ends, of IPv4 and UDP too, whose sums stay
 * what they are. */
static void
frame_turn(struct rte_mbuf *m)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	uint8_t *ip = (uint8_t *)(eth + 1), ports_were[4], addrs_were[8];
	struct rte_ether_addr mac = eth->dst_addr;

	eth->dst_addr = eth->src_addr;
	eth->src_addr = mac;
	if (eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)) {
		memcpy(addrs_were, ip + 12, 8);
		memcpy(ip + 12, addrs_were + 4, 4);
		memcpy(ip + 16, addrs_were, 4);
		memcpy(ports_were, ip + 20, 4);
		memcpy(ip + 20, ports_were + 2, 2);
		memcpy(ip + 22, ports_were, 2);
	}
}

static bool
is_ended(struct nic_mem *m)
{
	return atomic_load_explicit(&m->end, memory_order_relaxed) != 0;
}

/* The executor of a relay. */
static int
work_serve(void *mem)
{
	struct nic_mem *m = mem;
	uint32_t seen, served = 0;

	while (!is_ended(m)) {
		seen = atomic_load_explicit(&m->asked, memory_order_acquire);
		if (seen != served) {
			served = seen;
			atomic_store_explicit(&m->done, seen, memory_order_release);
		} else {
			cores_relax();
		}
	}
	return 0;
}

/* Asks the worker. It is on another cpu, unless there is one only, and its answer is nearer than
 * two switches of processes. */
static void
work_ask(struct nic_mem *m)
{
	uint32_t asked = atomic_load_explicit(&m->asked, memory_order_relaxed) + 1;

	atomic_store_explicit(&m->asked, asked, memory_order_release);
	for (uint32_t spins = 1;
	     atomic_load_explicit(&m->done, memory_order_acquire) != asked && !is_ended(m);
	     spins++) {
		if (spins % WORK_SPINS == 0) {
			cores_relax();
		} else {
			cpu_pause();
		}
	}
}

static int
frames_serve(struct nic_mem *m, bool relay)
{
	struct rte_mbuf *burst[NIC_BURST];
	int err = port_open(m, CABLE_THERE);
	uint16_t id = ports[m->link].nic.id;

	while (err == 0 && !is_ended(m)) {
		uint16_t cnt = rte_eth_rx_burst(id, 0, burst, NIC_BURST), sent = 0;

		if (cnt == 0) {
			cores_relax();
			continue;
		}
		if (relay) {
			work_ask(m);
		}
		for (uint16_t i = 0; i < cnt; i++) {
			frame_turn(burst[i]);
		}
		sent = rte_eth_tx_burst(id, 0, burst, cnt);
		rte_pktmbuf_free_bulk(burst + sent, cnt - sent);
	}
	return err;
}

static int
echo_serve(void *mem)
{
	return frames_serve(mem, false);
}

static int
relay_serve(void *mem)
{
	return frames_serve(mem, true);
}

static struct rte_mbuf *
frame_make(struct port *p, uint32_t len, const struct move_head *h)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(p->nic.pool);

	if (m != NULL) {
		memcpy(rte_pktmbuf_append(m, (uint16_t)len), h, sizeof(*h));
	}
	return m;
}

/* Takes what has come. Returns: how many. */
static uint16_t
left_take(struct port *p)
{
	struct rte_mbuf *left[NIC_BURST];
	uint16_t n = rte_eth_rx_burst(p->nic.id, 0, left, NIC_BURST);

	rte_pktmbuf_free_bulk(left, n);
	return n;
}

/* Until the first one is answered: what is sent while a link comes up is nobody's. */
static bool
nic_is_heard(struct nic_mem *m)
{
	struct port *p = &ports[m->link];
	struct move_head h = { .eth.ether_type = rte_cpu_to_be_16(MOVE_TYPE), .last = 1 };
	struct rte_mbuf *f = frame_make(p, HEAD_BYTES + BODY_BYTES, &h);

	if (f == NULL || rte_eth_tx_burst(p->nic.id, 0, &f, 1) == 0) {
		rte_pktmbuf_free(f);
	}
	return left_take(p) > 0;
}

static int
nic_enter(void *mem)
{
	struct nic_mem *m = mem;
	int err = port_open(m, CABLE_HERE);

	if (err == 0) {
		err = nap_until(m, nic_is_heard, timebase_tsc() + timebase_ns_to_tsc(WAIT_NS));
	}
	while (err == 0 && left_take(&ports[m->link]) > 0) {
	}
	return err;
}

static inline int
echo_once(void *mem)
{
	struct port *p = mem;
	struct move_head h = { .eth.ether_type = rte_cpu_to_be_16(MOVE_TYPE) };
	struct rte_mbuf *m = frame_make(p, HEAD_BYTES + BODY_BYTES, &h);

	if (m == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	while (rte_eth_tx_burst(p->nic.id, 0, &m, 1) == 0) {
		cores_relax();
	}
	for (uint32_t spins = 1; rte_eth_rx_burst(p->nic.id, 0, &m, 1) == 0; spins++) {
		if (spins == SPINS_MAX) {
			return MB_ERR_DEADLINE; /* it is lost */
		}
		cores_relax();
	}
	rte_pktmbuf_free(m);
	return 0;
}

static int
echo_measure(void *mem, const struct pace *pace, struct figures *f)
{
	const struct nic_mem *m = mem;

	return pace_run(pace, f, echo_once, &ports[m->link]);
}

/* ------------------------------------------------------ the kernel at this end */

static bool
kernel_is_heard(struct nic_mem *m)
{
	uint8_t bytes[BODY_BYTES] = { 0 };

	send(kernel_fd[m->link], bytes, sizeof(bytes), 0);
	return recv(kernel_fd[m->link], bytes, sizeof(bytes), MSG_DONTWAIT) >= 0;
}

static int
kernel_enter(void *mem)
{
	struct nic_mem *m = mem;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(KERNEL_PORT) };
	uint64_t until = timebase_tsc() + timebase_ns_to_tsc(WAIT_NS);
	int *fd = &kernel_fd[m->link], err = 0;

	if (*fd < 0) {
		to.sin_addr.s_addr =
			htonl(10U << 24 | 78U << 16 | (uint32_t)link_kinds[m->link].net << 8 | 1);
		err = cable_enter(CABLE_HERE);
		*fd = err == 0 ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
		if (*fd < 0 || connect(*fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
			err = MB_ERR_IO;
		}
		cable_leave();
	}
	err = err == 0 ? nap_until(m, kernel_is_heard, until) : err;
	if (err == 0) {
		udp_pair_drain(*fd);
	}
	return err;
}

static inline int
kernel_once(void *mem)
{
	static uint8_t bytes[BODY_BYTES];
	const int *fd = mem;

	if (send(*fd, bytes, sizeof(bytes), 0) != sizeof(bytes)) {
		return MB_ERR_IO;
	}
	for (uint32_t spins = 1; recv(*fd, bytes, sizeof(bytes), MSG_DONTWAIT) < 0; spins++) {
		if (spins == SPINS_MAX) {
			return MB_ERR_DEADLINE;
		}
		cores_relax();
	}
	return 0;
}

static int
kernel_measure(void *mem, const struct pace *pace, struct figures *f)
{
	const struct nic_mem *m = mem;

	return pace_run(pace, f, kernel_once, &kernel_fd[m->link]);
}

/* ------------------------------------------------------------------ many bytes */

/* Says how many came, after each few and after the last. */
static int
move_count(struct port *p, const struct rte_mbuf *m, uint32_t *cnt)
{
	struct move_head h;
	struct rte_mbuf *said;

	memcpy(&h, rte_pktmbuf_mtod(m, uint8_t *), sizeof(h));
	if (h.eth.ether_type != rte_cpu_to_be_16(MOVE_TYPE)) {
		return 0;
	}
	h.cnt = ++*cnt;
	*cnt = h.last != 0 ? 0 : *cnt;
	if (h.last == 0 && h.cnt % MOVE_ACK != 0) {
		return 0;
	}
	said = frame_make(p, RTE_ETHER_MIN_LEN, &h);
	if (said == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	while (rte_eth_tx_burst(p->nic.id, 0, &said, 1) == 0) {
		cores_relax();
	}
	return 0;
}

static int
move_serve(void *mem)
{
	struct nic_mem *m = mem;
	struct port *p = &ports[m->link];
	struct rte_mbuf *burst[NIC_BURST];
	uint32_t cnt = 0;
	int err = port_open(m, CABLE_THERE);

	while (err == 0 && !is_ended(m)) {
		uint16_t n = rte_eth_rx_burst(p->nic.id, 0, burst, NIC_BURST);

		if (n == 0) {
			cores_relax();
			continue;
		}
		for (uint16_t i = 0; i < n && err == 0; i++) {
			err = move_count(p, burst[i], &cnt);
		}
		rte_pktmbuf_free_bulk(burst, n);
	}
	return err;
}

/* Takes what the server said. Returns: how many it has counted, or acked when it said nothing. */
static uint32_t
move_hear(struct port *p, uint32_t acked)
{
	struct rte_mbuf *burst[NIC_BURST];
	uint16_t n = rte_eth_rx_burst(p->nic.id, 0, burst, NIC_BURST);
	struct move_head h;

	for (uint16_t i = 0; i < n; i++) {
		memcpy(&h, rte_pktmbuf_mtod(burst[i], uint8_t *), sizeof(h));
		if (h.eth.ether_type == rte_cpu_to_be_16(MOVE_TYPE)) {
			acked = h.cnt;
		}
	}
	rte_pktmbuf_free_bulk(burst, n);
	if (n == 0) {
		cores_relax();
	}
	return acked;
}

static inline int
move_once(void *mem)
{
	struct port *p = mem;
	const uint32_t body = p->frame - HEAD_BYTES;
	const uint32_t all = (uint32_t)((echo_move_bytes + body - 1) / body);
	uint64_t until = timebase_tsc() + timebase_ns_to_tsc(STALL_NS);
	uint32_t sent = 0, acked = 0, made;

	while (acked < all) {
		struct rte_mbuf *burst[NIC_BURST];

		for (made = 0;
		     made < NIC_BURST && sent + made < all && sent + made - acked < MOVE_WINDOW;
		     made++) {
			struct move_head h = { .eth.ether_type = rte_cpu_to_be_16(MOVE_TYPE),
					       .last = sent + made == all - 1 };
			size_t len = h.last ? echo_move_bytes - (size_t)(all - 1) * body : body;

			burst[made] = frame_make(p, (uint32_t)len + HEAD_BYTES, &h);
			if (burst[made] == NULL) {
				break;
			}
		}
		for (uint32_t gone = 0; gone < made;) {
			gone += rte_eth_tx_burst(p->nic.id, 0, burst + gone,
						 (uint16_t)(made - gone));
		}
		sent += made;
		acked = move_hear(p, acked);
		if (timebase_tsc() > until) {
			return MB_ERR_DEADLINE;
		}
	}
	return 0;
}

static int
move_measure(void *mem, const struct pace *pace, struct figures *f)
{
	const struct nic_mem *m = mem;

	return pace_run(pace, f, move_once, &ports[m->link]);
}

static void
nic_end(void *mem)
{
	struct nic_mem *m = mem;

	atomic_store(&m->end, 1);
}

/* --------------------------------------------------------------------- the floors */

/* A kind of link in the echo's memory, for all processes. */
#define FLOOR_BY(id, kind, serve_fn, relay_fn, enter_fn, measure_fn)                               \
	static int id##_prepare(void *mem)                                                         \
	{                                                                                          \
		((struct nic_mem *)mem)->link = (kind);                                            \
		return 0;                                                                          \
	}                                                                                          \
	const struct echo echo_##id = {                                                            \
		.name = #id,                                                                       \
		.bytes = sizeof(struct nic_mem),                                                   \
		.prepare = id##_prepare,                                                           \
		.reset = nic_reset,                                                                \
		.enter = (enter_fn),                                                               \
		.serve = (serve_fn),                                                               \
		.serve_relay = (relay_fn),                                                         \
		.measure = (measure_fn),                                                           \
		.end = nic_end,                                                                    \
	};
#define FLOOR(id, kind, how, enter_fn, measure_fn)                                                 \
	FLOOR_BY(id, kind, how##_serve, NULL, enter_fn, measure_fn)
#define RELAY(id, kind, enter_fn, measure_fn)                                                      \
	FLOOR_BY(id, kind, work_serve, relay_serve, enter_fn, measure_fn)

FLOOR(memif, LINK_MEMIF, echo, nic_enter, echo_measure)
FLOOR(af_packet, LINK_AF_PACKET, echo, nic_enter, echo_measure)
FLOOR(af_xdp, LINK_AF_XDP, echo, nic_enter, echo_measure)
FLOOR(kernel_af_packet, LINK_K_AF_PACKET, echo, kernel_enter, kernel_measure)
FLOOR(kernel_af_xdp, LINK_K_AF_XDP, echo, kernel_enter, kernel_measure)
FLOOR(move_memif, LINK_MEMIF, move, nic_enter, move_measure)
FLOOR(move_af_packet, LINK_AF_PACKET, move, nic_enter, move_measure)
FLOOR(move_af_xdp, LINK_AF_XDP, move, nic_enter, move_measure)
RELAY(relay_memif, LINK_R_MEMIF, nic_enter, echo_measure)
RELAY(relay_af_xdp, LINK_R_AF_XDP, nic_enter, echo_measure)
RELAY(relay_kernel_af_xdp, LINK_R_K_AF_XDP, kernel_enter, kernel_measure)
