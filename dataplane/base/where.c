/* SPDX-License-Identifier: Apache-2.0 */
#include "where.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "microburst/error.h"

int
where_split(const char *where, char host[static WHERE_HOST_BYTES],
	    char port[static WHERE_PORT_BYTES])
{
	const char *colon = strrchr(where, ':');
	size_t len = colon != NULL ? (size_t)(colon - where) : 0;
	size_t digits = colon != NULL ? strlen(colon + 1) : 0;

	if (digits == 0 || digits >= WHERE_PORT_BYTES ||
	    strspn(colon + 1, "0123456789") != digits ||
	    strtoul(colon + 1, NULL, 10) > UINT16_MAX) {
		return MB_ERR_INVALID;
	}
	if (len >= 2 && where[0] == '[' && where[len - 1] == ']') {
		where++;
		len -= 2;
	}
	if (len >= WHERE_HOST_BYTES) {
		return MB_ERR_INVALID;
	}
	memcpy(host, where, len);
	host[len] = '\0';
	memcpy(port, colon + 1, digits + 1);
	return 0;
}
