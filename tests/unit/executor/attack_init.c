/* SPDX-License-Identifier: Apache-2.0 */
/* attack_init - an object that misuses the time while it is loaded: it opens what it can find
 * around it and keeps it, for a call to use later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <microburst/function.h>

static char seen[1024];
static int kept = -1;
static int made = 0;

static void
note(const char *what)
{
	strncat(seen, what, sizeof(seen) - strlen(seen) - 1);
	strncat(seen, "; ", sizeof(seen) - strlen(seen) - 1);
}

static void
look(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd >= 0) {
		note(path);
		close(fd);
	}
}

static void __attribute__((__constructor__)) constructor(void)
{
	kept = open(".", O_RDONLY | O_DIRECTORY);
	made = (int)syscall(SYS_clone, 0, 0, 0, 0, 0) >= 0;
	look("/etc/passwd", O_RDONLY);
	look("/etc/shadow", O_RDONLY);
	look("/root", O_RDONLY);
	look("/home", O_RDONLY);
	look("/tmp", O_RDONLY);
	look("/dev/null", O_RDONLY);
	look("/proc", O_RDONLY);
	look("/sys", O_RDONLY);
	look("../../1/status", O_RDONLY);
	look("/usr/lib/made", O_RDWR | O_CREAT);
	look("/made", O_RDWR | O_CREAT);
}

static double table[16];

MB_INIT
{
	for (int i = 0; i < 16; i++) {
		table[i] = i * 0.5;
	}
	if (mb_put(call, mb_str("k"), mb_str("v")) != MB_ERR_NOT_SUPPORTED) {
		return mb_fail(call, "state outside of a call");
	}
	mb_log(call, "table of %d", 16);
	return 0;
}

/* What the constructor found, and whether what it kept can still be used. */
MB_FUNCTION(found)
{
	struct stat st;

	MB_TRY(mb_return_utf8(call, mb_str(seen)));
	MB_TRY(mb_return_i64(call, made));
	MB_TRY(mb_return_i64(call, kept >= 0 && fstat(kept, &st) == 0));
	return mb_return_f64(call, table[3]);
}
