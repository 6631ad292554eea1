/* SPDX-License-Identifier: Apache-2.0 */
/* hugepages.c - reserve 2 MiB pages for the node, and give back exactly those */
#include "hugepages.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <microburst/error.h>

#include "compiler.h"
#include "sysfile.h"

#define NR_PATH   "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
#define RUN_DIR   "/run/microburst"
#define NOTE_PATH RUN_DIR "/hugepages"

static int
io_error(void)
{
	return errno == EACCES || errno == EPERM || errno == EROFS ? MB_ERR_DENIED : MB_ERR_IO;
}

/* What init noted; all 0 without a note, or with one that makes no sense. */
struct noted {
	uint64_t before, after;
};

static struct noted
read_note(const char *root)
{
	struct noted n = { 0 };
	char text[64];

	if (!sysfile_text(root, NOTE_PATH, text, sizeof(text)) ||
	    sscanf(text, "%" SCNu64 " %" SCNu64, &n.before, &n.after) != 2 || n.after < n.before) {
		return (struct noted){ 0 };
	}
	return n;
}

static int
note(const char *root, uint64_t before, uint64_t after)
{
	char path[PATH_MAX], text[64];

	snprintf(path, sizeof(path), "%s" RUN_DIR, root);
	if (mkdir(path, 0755) != 0 && errno != EEXIST) {
		return io_error();
	}
	snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 "\n", before, after);
	return sysfile_put(root, NOTE_PATH, text) == MB_OK ? MB_OK : io_error();
}

/* Asks the kernel for so many pages in all, and looks how many it made of it. */
static int
ask_for(const char *root, uint64_t cnt, uint64_t *ret_got)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, cnt);
	if (sysfile_put(root, NR_PATH, text) != MB_OK) {
		return io_error();
	}
	return sysfile_u64(root, NR_PATH, ret_got) ? MB_OK : MB_ERR_IO;
}

/* More than this the kernel could only find by taking what others work with. */
static uint64_t
more_max(const char *root)
{
	uint64_t kib;
	char text[64];

	if (!sysfile_line(root, "/proc/meminfo", "MemAvailable:", text, sizeof(text)) ||
	    sscanf(text, "%" SCNu64, &kib) != 1) {
		return UINT64_MAX;
	}
	return kib * 1024 / HUGEPAGES_BYTES / 8 * 7;
}

int
hugepages_init(const char *root, uint64_t cnt, struct hugepages *ret)
{
	const struct noted noted = read_note(root);
	uint64_t now, got, ours = noted.after - noted.before;
	int rc;

	if (!sysfile_u64(root, NR_PATH, &now)) {
		return MB_ERR_NOT_SUPPORTED;
	}
	if (ours >= cnt && now >= ours) {
		*ret = (struct hugepages){ .before = now, .after = now, .ours = ours };
		return MB_OK;
	}
	/* Someone took ours away: start anew. */
	ours = now >= ours ? ours : 0;
	if (cnt - ours > more_max(root)) {
		*ret = (struct hugepages){ .before = now,
					   .after = now,
					   .ours = ours + more_max(root) };
		return MB_ERR_TOO_LARGE;
	}
	/* Noted first: an end in between must not leave pages that nobody knows of. */
	rc = note(root, now - ours, now + cnt - ours);
	if (rc != MB_OK) {
		return rc;
	}
	rc = ask_for(root, now + cnt - ours, &got);
	if (rc != MB_OK) {
		note(root, now - ours, now);
		return rc;
	}
	rc = note(root, now - ours, MAX(got, now));
	*ret = (struct hugepages){ .before = now,
				   .after = got,
				   .ours = MAX(got, now) - (now - ours) };
	if (rc == MB_OK && ret->ours < cnt / 2) {
		/* Of no use, and all the memory that others had. */
		rc = ask_for(root, now, &ret->after);
		rc = rc == MB_OK ? note(root, now - ours, now) : rc;
		rc = rc == MB_OK ? MB_ERR_NO_MEMORY : rc;
	}
	return rc;
}

int
hugepages_fini(const char *root, struct hugepages *ret)
{
	const struct noted noted = read_note(root);
	uint64_t now, got;
	char path[PATH_MAX];
	int rc = MB_OK;

	if (!sysfile_u64(root, NR_PATH, &now)) {
		return MB_ERR_NOT_SUPPORTED;
	}
	got = now;
	if (noted.after > noted.before) {
		/* Fewer than we left: others took pages, and we take what is above before. */
		uint64_t rest = now >= noted.after ? now - (noted.after - noted.before)
						   : MIN(now, noted.before);

		rc = ask_for(root, rest, &got);
	}
	if (rc != MB_OK) {
		return rc;
	}
	snprintf(path, sizeof(path), "%s" NOTE_PATH, root);
	if (unlink(path) != 0 && errno != ENOENT) {
		return io_error();
	}
	*ret = (struct hugepages){ .before = now, .after = got, .ours = 0 };
	return MB_OK;
}

uint64_t
hugepages_default(const char *root)
{
	const uint64_t want = (UINT64_C(1) << 30) / HUGEPAGES_BYTES;
	uint64_t kib;
	char text[64];

	if (!sysfile_text(root, "/proc/meminfo", text, sizeof(text)) ||
	    sscanf(text, "MemTotal: %" SCNu64 " kB", &kib) != 1) {
		return want;
	}
	return MIN(want, kib * 1024 / 4 / HUGEPAGES_BYTES);
}
