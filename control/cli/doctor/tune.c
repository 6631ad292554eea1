/* SPDX-License-Identifier: Apache-2.0 */
/* tune.c - change the kernel's settings so that each can be taken back
 *
 * The file is only ever appended to, and a line is there before its change. So an end at any
 * instant leaves at most a line whose change was not made: undoing finds WAS there, and has nothing
 * to do.
 * Lines are root's, yet read as a stranger's: only names that tune_set would take are acted on.
 */
#include "tune.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <microburst/error.h>

#include "compiler.h"
#include "pci.h"
#include "sysfile.h"

#define RUN_DIR   "/run/microburst"
#define NOTE_PATH RUN_DIR "/doctor"
#define LOCK_PATH RUN_DIR "/doctor.lock"

static int
io_error(void)
{
	return errno == EACCES || errno == EPERM || errno == EROFS ? MB_ERR_DENIED : MB_ERR_IO;
}

void
tune_alone(const char *root)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s" RUN_DIR, root);
	if (mkdir(path, 0755) != 0 && errno != EEXIST) {
		return;
	}
	/* Nobody else may open it, and so hold it. */
	snprintf(path, sizeof(path), "%s" LOCK_PATH, root);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	while (fd >= 0 && flock(fd, LOCK_EX) != 0 && errno == EINTR) {
	}
}

/* What may be changed at all. */
static bool
path_allowed(const char *path)
{
	static const char *const below[] = { "/sys/devices/system/cpu/", "/proc/irq/" };

	for (size_t i = 0; i < ARRAY_CNT(below); i++) {
		if (strncmp(path, below[i], strlen(below[i])) == 0) {
			return strstr(path, "..") == NULL && strlen(path) < PATH_MAX / 2;
		}
	}
	return false;
}

static bool
value_allowed(const char *value)
{
	size_t len = strlen(value);

	return len > 0 && len < TUNE_VALUE_BYTES && strpbrk(value, "\t\n") == NULL;
}

static int
note(const struct tune *t, const char *kind, const char *was, const char *is, const char *name)
{
	char path[PATH_MAX];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "%s" RUN_DIR, t->root);
	if (mkdir(path, 0755) != 0 && errno != EEXIST) {
		return io_error();
	}
	snprintf(path, sizeof(path), "%s" NOTE_PATH, t->root);
	f = fopen(path, "ae");
	if (f == NULL) {
		return io_error();
	}
	ok = fprintf(f, "%s\t%s\t%s\t%s\n", kind, was, is, name) > 0;
	return fclose(f) == 0 && ok ? 0 : MB_ERR_IO;
}

int
tune_set(struct tune *t, const char *path, const char *value)
{
	char was[TUNE_VALUE_BYTES];
	int err;

	if (!path_allowed(path) || !value_allowed(value) ||
	    !sysfile_text(t->root, path, was, sizeof(was)) || !value_allowed(was)) {
		return MB_ERR_NOT_FOUND;
	}
	if (strcmp(was, value) == 0) {
		t->was_so++;
		return 0;
	}
	err = note(t, "set", was, value, path);
	if (err != 0) {
		return err;
	}
	if (sysfile_put(t->root, path, value) != MB_OK) {
		t->refused++;
		return io_error();
	}
	t->changed++;
	return 0;
}

int
tune_bind(struct tune *t, const char *addr, const char *driver)
{
	char was[PCI_DRIVER_BYTES];
	int err = pci_driver(t->root, addr, was);

	if (err == 0 && strcmp(was, driver) == 0) {
		t->was_so++;
		return 0;
	}
	if (err == 0) {
		err = note(t, "bind", was, driver, addr);
	}
	if (err == 0) {
		err = pci_bind(t->root, addr, driver);
	}
	t->changed += err == 0;
	return err;
}

/* ---------------------------------------------------------------------- undo */

static int
undo_set(struct tune *t, const char *was, const char *is, const char *path)
{
	char now[TUNE_VALUE_BYTES];

	if (!path_allowed(path) || !value_allowed(was) ||
	    !sysfile_text(t->root, path, now, sizeof(now)) || strcmp(now, was) == 0) {
		return 0; /* the setting is gone with its device, or it is so already */
	}
	if (strcmp(now, is) != 0) {
		t->others++;
		return 0;
	}
	if (sysfile_put(t->root, path, was) != MB_OK) {
		t->refused++;
		return io_error();
	}
	t->changed++;
	return 0;
}

static int
undo_bind(struct tune *t, const char *was, const char *is, const char *name)
{
	char addr[PCI_ADDR_BYTES], now[PCI_DRIVER_BYTES], path[PATH_MAX];
	int err;

	if (!pci_addr(name, addr) || strchr(was, '/') != NULL || strstr(was, "..") != NULL ||
	    pci_driver(t->root, addr, now) != 0 || strcmp(now, was) == 0) {
		return 0;
	}
	if (strcmp(now, is) != 0 && strcmp(now, PCI_NONE) != 0) { /* none: it failed half way */
		t->others++;
		return 0;
	}
	err = pci_bind(t->root, addr, was);
	if (err == 0) {
		/* The override was ours: drivers are as free as before. */
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", addr);
		err = sysfile_put(t->root, path, "\n") == MB_OK ? 0 : io_error();
		t->changed++;
	}
	return err;
}

/* Undoes one line; it is cut up. What is no line of ours is passed over. */
static int
undo(struct tune *t, char *line)
{
	char *field[4];

	line[strcspn(line, "\n")] = '\0';
	for (size_t i = 0; i < ARRAY_CNT(field); i++) {
		field[i] = strsep(&line, "\t");
		if (field[i] == NULL || field[i][0] == '\0') {
			return 0;
		}
	}
	if (strcmp(field[0], "set") == 0) {
		return undo_set(t, field[1], field[2], field[3]);
	}
	return strcmp(field[0], "bind") == 0 ? undo_bind(t, field[1], field[2], field[3]) : 0;
}

int
tune_undo(struct tune *t)
{
	char path[PATH_MAX], **line = NULL;
	size_t cnt = 0, room = 0;
	int err = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s" NOTE_PATH, t->root);
	f = fopen(path, "re");
	if (f == NULL) {
		return errno == ENOENT ? 0 : io_error();
	}
	for (;;) {
		char **more =
			cnt == room ? realloc(line, (room = room * 2 + 16) * sizeof(*line)) : line;
		size_t bytes = 0;

		if (more == NULL) {
			err = MB_ERR_NO_MEMORY;
			break;
		}
		line = more;
		line[cnt] = NULL;
		if (getline(&line[cnt], &bytes, f) < 0) {
			free(line[cnt]);
			break;
		}
		cnt++;
	}
	fclose(f);
	while (cnt > 0) {
		int rc = err == MB_ERR_NO_MEMORY ? 0 : undo(t, line[cnt - 1]);

		cnt--;
		err = err == 0 ? rc : err;
		free(line[cnt]);
	}
	free(line);
	if (err == 0 && unlink(path) != 0) {
		err = io_error();
	}
	return err;
}
