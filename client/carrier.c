/* SPDX-License-Identifier: Apache-2.0 */
#include "carrier.h"

#include <dlfcn.h>
#include <string.h>

#include "microburst/error.h"

#define UDP     "udp://"
#define DPDK    "dpdk://"
#define LIBRARY "libmicroburst-dpdk.so.0"

static bool
begins(const char *where, const char *scheme)
{
	return where != NULL && strncmp(where, scheme, strlen(scheme)) == 0;
}

bool
carrier_known(const char *where)
{
	return begins(where, UDP) || begins(where, DPDK);
}

int
carrier_open(struct carrier *ret, const char *where)
{
	carrier_open_fn *open;
	void *library, *found;

	if (begins(where, UDP)) {
		return carrier_udp_open(ret, where + strlen(UDP));
	}
	if (!begins(where, DPDK)) {
		return MB_ERR_INVALID;
	}
	/* It stays loaded: DPDK cannot be started twice in a process. */
	library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	found = library != NULL ? dlsym(library, "microburst_carrier_dpdk") : NULL;
	if (found == NULL) {
		return MB_ERR_NOT_SUPPORTED;
	}
	memcpy(&open, &found, sizeof(open)); /* C has no cast for that */
	return open(ret, where + strlen(DPDK));
}
