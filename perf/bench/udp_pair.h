/* SPDX-License-Identifier: Apache-2.0 */
/* udp_pair - two sockets on the loopback, one connected to the other; a partner inherits them */
#ifndef MB_BENCH_UDP_PAIR_H
#define MB_BENCH_UDP_PAIR_H

/* udp_pair_open gives the two. Returns: 0; MB_ERR_IO. */
int udp_pair_open(int *ret_server, int *ret_client);

/* udp_pair_drain throws away what waits. */
void udp_pair_drain(int fd);

#endif
