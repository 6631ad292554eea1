/* SPDX-License-Identifier: Apache-2.0 */
/* telemetry - the node's figures as commands of DPDK's telemetry socket
 *
 *	/microburst/tiles             who is how busy
 *	/microburst/metrics,TILE      all counters of one tile: kvs:0
 *	/microburst/executors
 *	/microburst/functions[,NAME]  calls, errors, run time, quantiles
 *	/microburst/latency           the stages of a call
 *
 * For dpdk-telemetry.py, or whoever speaks its protocol: the socket is dpdk_telemetry.v2 in the
 * EAL's runtime directory, which the node prints when it starts (dpdk-telemetry.py -f FILE-PREFIX,
 * with RUNTIME_DIRECTORY set to it).
 *
 * Callbacks run in threads of DPDK's own, which may touch nothing of ours: they ask ctl over the
 * node's socket, as the command line does. So each is as consistent as an answer to `top`, and ctl
 * needs no lock. Rejected: reading the processes' regions from there, which ctl unmaps when
 * their owners die.
 */
#ifndef MB_TELEMETRY_H
#define MB_TELEMETRY_H

/* telemetry_start registers the commands. socket_path stays. Requires: EAL is up.
 * Returns: 0; MB_ERR_NO_MEMORY. Threads: start-up. */
int telemetry_start(const char *socket_path);

#endif
