/* SPDX-License-Identifier: Apache-2.0 */
/* cable - two network namespaces with links between them, as two hosts have
 *
 * A link is a veth pair whose ends have the same name, without offloads: what is sent is what
 * comes. The namespaces last as long as this process; nothing of them is seen outside.
 *
 * Who has a socket or a port of DPDK there keeps it when he has left. Threads: start-up only.
 */
#ifndef MB_BENCH_CABLE_H
#define MB_BENCH_CABLE_H

#include <stdbool.h>

/* The links: one a port, as a port of af_xdp takes all that comes. */
#define CABLE_NODE    "node"
#define CABLE_NODE_AT "10.77.0.1" /* nobody's in the kernel */
#define CABLE_HERE_AT "10.77.0.2" /* the kernel's, at this end */
#define CABLE_DPDK_AT "10.77.0.3" /* nobody's in the kernel */

enum cable_end { CABLE_HERE = 0, CABLE_THERE, CABLE_END_CNT };

/* cable_need makes the namespaces with all links, unless they are there.
 * Returns: NULL; why there can be none here. */
const char *cable_need(void);

/* cable_enter moves the calling thread to an end's namespace, cable_leave back to where it was.
 * Returns: 0; MB_ERR_IO. Another process (a partner) enters by what cable_tell has told. */
int cable_enter(enum cable_end end);
void cable_leave(void);

struct cable_told {
	int pid, fd[CABLE_END_CNT];
};
void cable_tell(struct cable_told *ret);
void cable_hear(const struct cable_told *told);

#endif
