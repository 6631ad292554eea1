/* SPDX-License-Identifier: Apache-2.0 */
/* hugepages.c - reserve 2 MiB pages for the node, and give back exactly those
 *
 * The note is there before the pages are, and is replaced whole, so an end at any instant leaves no
 * page that it does not tell of. It may tell of more than there are: ours is what is above BEFORE.
 */
#include "hugepages.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <microburst/error.h>

#include "compiler.h"
#include "huge_lock.h"
#include "sysfile.h"

#define DIR       "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define NR_PATH   DIR "nr_hugepages"
#define OVER_PATH DIR "surplus_hugepages"
#define RUN_DIR   "/run/microburst"
#define NOTE_PATH RUN_DIR "/hugepages"
#define NOTE_NEXT NOTE_PATH ".next"

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
	char path[PATH_MAX], next[PATH_MAX], text[64];

	snprintf(path, sizeof(path), "%s" RUN_DIR, root);
	if (mkdir(path, 0755) != 0 && errno != EEXIST) {
		return io_error();
	}
	snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 "\n", before, after);
	snprintf(path, sizeof(path), "%s" NOTE_PATH, root);
	snprintf(next, sizeof(next), "%s" NOTE_NEXT, root);
	if (sysfile_put(root, NOTE_NEXT, text) != MB_OK || rename(next, path) != 0) {
		return io_error();
	}
	return MB_OK;
}

/* How many of the pages that there are now init added. */
static uint64_t
still_ours(const struct noted *n, uint64_t now)
{
	return now > n->before ? MIN(now - n->before, n->after - n->before) : 0;
}

/* How many the kernel was asked for. It tells of more: taken away are those in use later. */
static bool
asked_for(const char *root, uint64_t *ret)
{
	uint64_t all, over;

	if (!sysfile_u64(root, NR_PATH, &all)) {
		return false;
	}
	*ret = sysfile_u64(root, OVER_PATH, &over) ? all - MIN(over, all) : all;
	return true;
}

/* Asks the kernel for so many pages in all, and looks how many it made of it. A node that has found
 * its pages, and not taken them yet, has the lock. */
static int
ask_for(const char *root, uint64_t cnt, uint64_t *ret_got)
{
	int lock = huge_lock_take(HUGE_LOCK_MS), err = MB_OK;
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, cnt);
	if (sysfile_put(root, NR_PATH, text) != MB_OK) {
		err = io_error();
	}
	huge_lock_release(lock);
	if (err != MB_OK) {
		return err;
	}
	return asked_for(root, ret_got) ? MB_OK : MB_ERR_IO;
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
	uint64_t now, got, ours;
	int rc;

	if (!asked_for(root, &now)) {
		return MB_ERR_NOT_SUPPORTED;
	}
	ours = still_ours(&noted, now);
	if (ours >= cnt) {
		*ret = (struct hugepages){ .before = now, .after = now, .ours = ours };
		return MB_OK;
	}
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

	if (!asked_for(root, &now)) {
		return MB_ERR_NOT_SUPPORTED;
	}
	got = now;
	if (noted.after > noted.before) {
		rc = ask_for(root, now - still_ours(&noted, now), &got);
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
