/* SPDX-License-Identifier: Apache-2.0 */
/* nic_args - see nic_int.h */
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "microburst/error.h"
#include "nic_int.h"

/* These drivers of DPDK 22.11 take no notice of arguments that they do not know, net_tap and
 * net_memif then of no other either: an interface had another name than was asked for, a memif
 * another socket. */
static const struct {
	const char *driver, *arg[10];
} deaf[] = {
	{ "net_memif",
	  { "id", "role", "bsize", "rsize", "socket", "socket-abstract", "mac", "zero-copy",
	    "secret" } },
	{ "net_tap", { "iface", "mac", "remote" } },
	{ "net_ring", { "nodeaction" } },
};
#define DEAF_CNT (sizeof(deaf) / sizeof(deaf[0]))

static bool
is_one_of(const char *const *name, const char *s, size_t len)
{
	while (*name != NULL && (strlen(*name) != len || memcmp(*name, s, len) != 0)) {
		name++;
	}
	return *name != NULL;
}

/* Whether a device's arguments have names that its driver has. */
static int
names_check(const char *device, struct topo_why *why)
{
	size_t i = 0, len = strcspn(device, "0123456789,");

	while (i < DEAF_CNT &&
	       (strlen(deaf[i].driver) != len || memcmp(deaf[i].driver, device, len) != 0)) {
		i++;
	}
	if (i == DEAF_CNT) {
		return 0;
	}
	for (const char *s = strchr(device, ','); s != NULL; s = strchr(s, ',')) {
		len = strcspn(++s, "=,");
		if (s[len] != '=' || !is_one_of(deaf[i].arg, s, len)) {
			return topo_why_set(why, MB_ERR_CONFIG,
					    "net.nic = %s: %s has no argument \"%.*s\"", device,
					    deaf[i].driver, (int)len, s);
		}
	}
	return 0;
}

/* Whether a program is at the other end of a tap: the kernel says that of it as of a cable. */
static bool
iface_runs(const char *iface)
{
	struct ifreq ask = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool runs;

	memcpy(ask.ifr_name, iface, strlen(iface));
	runs = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &ask) == 0 && (ask.ifr_flags & IFF_RUNNING) != 0;
	if (fd >= 0) {
		close(fd);
	}
	return runs;
}

/* A tap that somebody else has would get one more queue: each of the two then has some of the
 * frames, and neither hears of it. */
static int
tap_check(const char *device, struct topo_why *why)
{
	const char *arg = strstr(device, ",iface=");
	char iface[IF_NAMESIZE] = "";
	size_t len;

	if (strncmp(device, "net_tap", strlen("net_tap")) != 0 || arg == NULL) {
		return 0; /* without a name it has one of its own */
	}
	arg += strlen(",iface=");
	len = strcspn(arg, ",");
	if (len >= sizeof(iface)) {
		return 0; /* the driver says so */
	}
	memcpy(iface, arg, len);
	if (!iface_runs(iface)) {
		return 0;
	}
	return topo_why_set(why, MB_ERR_CONFIG,
			    "net.nic = %s: another node or program has the interface %s", device,
			    iface);
}

int
nic_args_check(const char *device, struct topo_why *why)
{
	int err = names_check(device, why);

	return err != 0 ? err : tap_check(device, why);
}
