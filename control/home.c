/* SPDX-License-Identifier: Apache-2.0 */
/* home.c - which NUMA node the daemon should live on: its NIC's */
#include "home.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LEN 31 /* of a PCI address or an interface; both are shorter */

/* The part of a device's text that names it, if it may be a file's name. */
static bool
name_of(const char *at, char ret[NAME_MAX_LEN + 1])
{
	size_t len = strcspn(at, ",");

	if (len == 0 || len > NAME_MAX_LEN || at[0] == '.' || memchr(at, '/', len) != NULL) {
		return false;
	}
	memcpy(ret, at, len);
	ret[len] = '\0';
	return true;
}

int
home_of_nic(const char *root, const char *nic)
{
	const char *iface = strstr(nic, ",iface=");
	char name[NAME_MAX_LEN + 1], path[PATH_MAX], text[16] = "", *end;
	long node;
	FILE *f;

	if (iface != NULL && name_of(iface + 7, name)) {
		snprintf(path, sizeof(path), "%s/sys/class/net/%s/device/numa_node", root, name);
	} else if (iface == NULL && strchr(nic, ':') != NULL && name_of(nic, name)) {
		/* 01:00.0 is short for 0000:01:00.0. */
		snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s%s/numa_node", root,
			 strchr(name, ':') == strrchr(name, ':') ? "0000:" : "", name);
	} else {
		return -1;
	}
	f = fopen(path, "re");
	if (f == NULL) {
		return -1;
	}
	if (fgets(text, sizeof(text), f) == NULL) {
		text[0] = '\0';
	}
	fclose(f);
	node = strtol(text, &end, 10);
	return end == text || (*end != '\n' && *end != '\0') || node < 0 || node > UINT16_MAX - 1
		       ? -1
		       : (int)node;
}
