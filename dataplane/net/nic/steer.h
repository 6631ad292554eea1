/* SPDX-License-Identifier: Apache-2.0 */
/* steer - which port a frame is for, as far as its heads tell in plain sight
 *
 * A NIC with several queues may put a frame into another queue than the one of the tile whose port
 * it is for. Whoever finds it there hands it on unread: who it is handed to reads it (frame.h), and
 * decides. So nothing is checked here but that what is looked at is there.
 *
 * Pure. Threads: any.
 */
#ifndef MB_STEER_H
#define MB_STEER_H

#include <stdint.h>

#include "slice.h"

/* steer_port returns the port of a UDP datagram, IPv4 or IPv6, with or without a VLAN tag; 0 for
 * everything else, for parts of datagrams, and for heads with options, which nobody here takes. */
uint16_t steer_port(struct slice frame);

#endif
