/* SPDX-License-Identifier: Apache-2.0 */
/* sock - a UDP socket, for hosts whose NIC the kernel keeps
 *
 * A look is one system call, and so is a burst of sends; an lcore that sleeps is woken by its ring.
 *
 * A socket that listens at all addresses of a machine answers from the one that was asked (via of
 * wire_addr): a client hears nobody else.
 *
 * Errors: negative mb_err. Threads: sock_open and sock_close at start and end, the rest the owner.
 */
#ifndef MB_SOCK_H
#define MB_SOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "net_io.h"

struct sock;

struct sock_stats {
	uint64_t rx, tx, tx_dropped, rx_truncated;
};

/* sock_addr reads "host:port": a number, a name, or * for all; IPv6 in brackets. passive: it is
 * to be listened at, and port 0 stands for any free one. Returns: 0; MB_ERR_INVALID;
 * MB_ERR_NOT_FOUND when no such host is known. */
int sock_addr(const char *text, bool passive, struct wire_addr *ret);

/* sock_addrs is sock_addr for all addresses of a name, the first max of them in the order in which
 * they are to be tried. Returns: how many; errors as sock_addr. */
int sock_addrs(const char *text, bool passive, uint32_t max, struct wire_addr *ret);

/* sock_open makes the socket. Returns: 0; MB_ERR_EXISTS when the port is taken; MB_ERR_INVALID when
 * the address is none of this machine's; MB_ERR_DENIED; MB_ERR_NOT_SUPPORTED; MB_ERR_NO_MEMORY. */
int sock_open(struct sock **ret, const struct wire_addr *at);
void sock_close(struct sock *s);

/* sock_local tells where it listens, with the port that was chosen. */
struct wire_addr sock_local(const struct sock *s);

/* sock_recv calls fn for datagrams that came, at most max: one look finds some of them, not all.
 * The bytes are there, 8-aligned, until fn returns. Returns: how many. */
int sock_recv(struct sock *s, uint32_t max, net_recv_fn *fn, void *ctx);

/* sock_room gives the memory of the next datagram to be sent, WIRE_DATAGRAM_MAX bytes; sock_send
 * sends len of them, and sock_flush makes a burst of sends go. A datagram for which there is no
 * room in the kernel is dropped and counted. */
uint8_t *sock_room(struct sock *s);
void sock_send(struct sock *s, const struct wire_addr *to, size_t len);
void sock_flush(struct sock *s);

const struct sock_stats *sock_stats(const struct sock *s);

/* sock_io is the socket as a tile uses it (net_io.h); closing it closes the socket. */
struct net_io sock_io(struct sock *s);

#endif
