/* SPDX-License-Identifier: Apache-2.0 */
/* cpulist_fuzz - lists of cpus and addresses of PCI devices, as the kernel or a person writes them:
 * what is taken reads back as the same, in whatever room; what is refused changes nothing */
#include "cpulist.h"

#include <stdlib.h>
#include <string.h>

#include "pci.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

static void
list(const char *line, size_t room)
{
	struct cpulist l = { { 7 } }, back;
	char *text, all[8192];

	if (!cpulist_parse(line, &l)) {
		if (l.bits[0] != 7 || cpulist_cnt(&l) != 3) {
			abort();
		}
		return;
	}
	if (!cpulist_parse(cpulist_print(&l, all, sizeof(all)), &back) ||
	    memcmp(&l, &back, sizeof(l)) != 0) {
		abort();
	}
	text = malloc(room); /* of its exact size: one byte more is seen */
	if (strlen(cpulist_print(&l, text, room)) >= room) {
		abort();
	}
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	char addr[PCI_ADDR_BYTES], again[PCI_ADDR_BYTES];
	char *line = malloc(len + 1);

	memcpy(line, p, len);
	line[len] = '\0';
	list(line, 4 + len % 60);
	if (pci_addr(line, addr) && (!pci_addr(addr, again) || strcmp(addr, again) != 0)) {
		abort();
	}
	free(line);
	return 0;
}
