/* SPDX-License-Identifier: Apache-2.0 */
/* machine.c - see machine.h; all of it is read from /proc and /sys, and "unknown" where they are
 * silent */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "commit.h"
#include "timebase.h"

#define TEXT_BYTES 256

/* The first line of a file, without its end; "" when there is none. */
static void
first_line(const char *path, char *ret)
{
	FILE *f = fopen(path, "re");

	ret[0] = '\0';
	if (f != NULL) {
		if (fgets(ret, TEXT_BYTES, f) == NULL) {
			ret[0] = '\0';
		}
		ret[strcspn(ret, "\n")] = '\0';
		fclose(f);
	}
}

/* What stands behind `key` and its colon in a file of such lines; "" when nothing does. */
static void
field(const char *path, const char *key, char *ret)
{
	FILE *f = fopen(path, "re");
	char line[4096];
	size_t len = strlen(key);

	ret[0] = '\0';
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		char *colon = strchr(line, ':');

		if (strncmp(line, key, len) == 0 && colon != NULL &&
		    line + len + strspn(line + len, " \t") == colon) {
			colon++;
			colon += strspn(colon, " \t");
			colon[strcspn(colon, "\n")] = '\0';
			snprintf(ret, TEXT_BYTES, "%s", colon);
			break;
		}
	}
	if (f != NULL) {
		fclose(f);
	}
}

static const char *
or_else(const char *text, const char *otherwise)
{
	return text[0] != '\0' ? text : otherwise;
}

json_t *
machine_json(void)
{
	char cpu[TEXT_BYTES], huge[TEXT_BYTES], isolated[TEXT_BYTES], governor[TEXT_BYTES],
		load[TEXT_BYTES], date[TEXT_BYTES];
	struct utsname os = { .release = "unknown" };
	time_t now = time(NULL);
	struct tm tm;

	uname(&os);
	field("/proc/cpuinfo", "model name", cpu);
	field("/proc/meminfo", "HugePages_Total", huge);
	first_line("/sys/devices/system/cpu/isolated", isolated);
	first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", governor);
	first_line("/proc/loadavg", load);
	load[strcspn(load, " ")] = '\0';
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	return json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "cpu",
			 or_else(cpu, "unknown"), "cpus", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN),
			 "tsc_mhz", (json_int_t)(timebase_tsc_hz() / 1000000), "kernel", os.release,
			 "huge_pages", or_else(huge, "unknown"), "isolated",
			 or_else(isolated, "none"), "governor", or_else(governor, "not shown"),
			 "load", or_else(load, "unknown"), "commit", BENCH_COMMIT, "date", date);
}

void
machine_print(const json_t *machine)
{
	const char *key;
	json_t *value;

	/* jansson's iteration macro casts const away, not we. */
	json_object_foreach((json_t *)(uintptr_t)machine, key, value) {
		if (json_is_string(value)) {
			printf("%-13s %s\n", key, json_string_value(value));
		} else {
			printf("%-13s %lld\n", key, (long long)json_integer_value(value));
		}
	}
	printf("\n");
}
