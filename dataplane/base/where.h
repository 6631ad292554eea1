/* SPDX-License-Identifier: Apache-2.0 */
/* where - "host:port" as people write it
 *
 * Names are left to whoever looks them up. A port is a number: getaddrinfo takes 99999 and makes
 * 34463 of it. Pure.
 */
#ifndef MB_BASE_WHERE_H
#define MB_BASE_WHERE_H

#define WHERE_HOST_BYTES 256
#define WHERE_PORT_BYTES 6

/* where_split takes "host:port" or "[host]:port" apart; host may be empty.
 * Returns: 0; MB_ERR_INVALID: no colon, no port from 0 to 65535 behind the last one, too long. */
int where_split(const char *where, char host[static WHERE_HOST_BYTES],
		char port[static WHERE_PORT_BYTES]);

#endif
