/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   fini undoes exactly what init did, however often either is called and whatever others do.
 * Method: a kernel made of files, which gives the pages that are asked for, up to a limit, and
 *         takes none away that is in use; then stories. */
#include "hugepages.h"

#include <inttypes.h>
#include <microburst/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../base/test_cmocka.h"
#include "compiler.h"
#include "huge_lock.h"

#include "sysfile_tree.h"

#define NR   "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
#define OVER "/sys/kernel/mm/hugepages/hugepages-2048kB/surplus_hugepages"

static uint64_t pages_max = UINT64_MAX;
static uint64_t pages_used;
static int puts_left = -1; /* before this process is killed in the middle of one; < 0: never */

int __real_sysfile_put(const char *root, const char *path, const char *text);
int __wrap_sysfile_put(const char *root, const char *path, const char *text);

int
__wrap_sysfile_put(const char *root, const char *path, const char *text)
{
	char fewer[32], over[32];
	uint64_t now, then = strtoull(text, NULL, 10);

	if (puts_left >= 0 && puts_left-- == 0) {
		if (strcmp(path, NR) != 0) {
			__real_sysfile_put(root, path, "");
		} else if (sysfile_u64(root, path, &now)) {
			snprintf(fewer, sizeof(fewer), "%" PRIu64, (now + then) / 2);
			__real_sysfile_put(root, path, fewer);
		}
		_exit(1);
	}
	if (strcmp(path, NR) == 0 && then > pages_max) {
		snprintf(fewer, sizeof(fewer), "%" PRIu64, pages_max);
		text = fewer;
	}
	if (strcmp(path, NR) == 0 && pages_used > 0) {
		snprintf(over, sizeof(over), "%" PRIu64, pages_used - MIN(then, pages_used));
		snprintf(fewer, sizeof(fewer), "%" PRIu64, MAX(then, pages_used));
		__real_sysfile_put(root, OVER, over);
		text = fewer;
	}
	return __real_sysfile_put(root, path, text);
}

static uint64_t
pages(void)
{
	uint64_t n;

	assert_true(sysfile_u64(tree, NR, &n));
	return n;
}

static void
set_pages(const char *n)
{
	tree_put(NR, n);
}

static void
init(uint64_t cnt, uint64_t want_pages)
{
	struct hugepages h;

	assert_int_equal(hugepages_init(tree, cnt, &h), MB_OK);
	assert_int_equal(pages(), want_pages);
	assert_int_equal(h.after, want_pages);
	assert_int_equal(h.ours, cnt);
}

static void
fini(uint64_t want_pages)
{
	struct hugepages h;

	assert_int_equal(hugepages_fini(tree, &h), MB_OK);
	assert_int_equal(pages(), want_pages);
	assert_int_equal(h.ours, 0);
}

static void
no_such_pages(void **state)
{
	struct hugepages h;

	(void)state;
	assert_int_equal(hugepages_init(tree, 8, &h), MB_ERR_NOT_SUPPORTED);
	assert_int_equal(hugepages_fini(tree, &h), MB_ERR_NOT_SUPPORTED);
}

static void
fini_without_init(void **state)
{
	(void)state;
	set_pages("3\n");
	fini(3);
}

static void
there_and_back(void **state)
{
	(void)state;
	set_pages("0\n");
	init(8, 8);
	init(8, 8);
	fini(0);
	fini(0);
}

static void
on_top_of_others(void **state)
{
	(void)state;
	set_pages("5\n");
	init(8, 13);
	init(8, 13);
	init(10, 15); /* more than before: only what is missing */
	fini(5);
}

static void
others_add_more(void **state)
{
	(void)state;
	set_pages("5\n");
	init(8, 13);
	set_pages("20\n");
	fini(12);
}

static void
others_take_some(void **state)
{
	(void)state;
	set_pages("5\n");
	init(8, 13);
	set_pages("9\n");
	fini(5);
	init(8, 13);
	set_pages("2\n");
	fini(2);
	set_pages("5\n");
	init(8, 13);
	set_pages("9\n");
	init(8, 13); /* as many again */
	fini(5);
}

/* What is far too little is not kept: it would be of no use, and be missed. */
static void
too_many(void **state)
{
	struct hugepages h;

	(void)state;
	set_pages("5\n");
	init(3, 8);
	pages_max = 40;
	assert_int_equal(hugepages_init(tree, 1000, &h), MB_ERR_NO_MEMORY);
	assert_int_equal(h.ours, 35);
	assert_int_equal(h.after, 8);
	assert_int_equal(pages(), 8);
	assert_int_equal(hugepages_init(tree, 60, &h), MB_OK); /* most of it */
	assert_int_equal(h.ours, 35);
	pages_max = UINT64_MAX;
	fini(5);
}

static void
not_all_the_memory(void **state)
{
	struct hugepages h;

	(void)state;
	set_pages("5\n");
	tree_put("/proc/meminfo", "MemTotal: 65536000 kB\nMemAvailable:  204800 kB\n");
	init(80, 85);
	assert_int_equal(hugepages_init(tree, 200, &h), MB_ERR_TOO_LARGE);
	assert_int_equal(h.ours, 80 + 84);
	assert_int_equal(pages(), 85);
	init(164, 169);
	fini(5);
}

/* A node still has what fini has taken away. The next init does not take it for somebody's. */
static void
still_in_use(void **state)
{
	struct hugepages h;

	(void)state;
	set_pages("0\n");
	init(8, 8);
	pages_used = 6;
	assert_int_equal(hugepages_fini(tree, &h), MB_OK);
	assert_int_equal(h.after, 0);
	assert_int_equal(pages(), 6);
	init(8, 8);
	pages_used = 0;
	fini(0);
}

/* What init has added is known, whenever it was ended. */
static void
killed_in_the_middle(void **state)
{
	int end = 0;

	(void)state;
	for (int puts = 0; puts < 16; puts++) {
		set_pages("5\n");
		if (puts % 2 != 0) {
			init(3, 8);
		}
		end = fork();
		assert_true(end >= 0);
		if (end == 0) {
			struct hugepages h;

			puts_left = puts / 2;
			hugepages_init(tree, 8, &h);
			_exit(0);
		}
		assert_int_equal(waitpid(end, &end, 0) > 0, 1);
		if (puts % 4 >= 2) {
			init(8, 13);
			init(8, 13);
		}
		fini(5);
	}
	assert_int_equal(end, 0); /* the last was not killed: all places were met */
}

/* A node that has just found that there are pages for it is not left without. */
static void
who_takes_pages_is_waited_for(void **state)
{
	struct hugepages h;
	int lock, end;

	(void)state;
	set_pages("0\n");
	init(8, 8);
	lock = huge_lock_take(HUGE_LOCK_MS);
	if (lock < 0) {
		skip();
	}
	end = fork();
	assert_true(end >= 0);
	if (end == 0) {
		huge_lock_release(lock); /* the parent has it still */
		hugepages_fini(tree, &h);
		_exit(0);
	}
	nanosleep(&(struct timespec){ .tv_nsec = 50000000 },
		  NULL); /* were it not, it would be done */
	assert_int_equal(pages(), 8);
	huge_lock_release(lock);
	assert_int_equal(waitpid(end, &end, 0) > 0, 1);
	assert_int_equal(pages(), 0);
}

static void
note_without_sense(void **state)
{
	(void)state;
	set_pages("5\n");
	tree_put("/run/microburst/hugepages", "9 4\n");
	fini(5);
	tree_put("/run/microburst/hugepages", "rubbish\n");
	fini(5);
}

static void
quarter_of_memory(void **state)
{
	(void)state;
	assert_int_equal(hugepages_default(tree), 512);
	tree_put("/proc/meminfo", "MemTotal:       65536000 kB\n");
	assert_int_equal(hugepages_default(tree), 512);
	tree_put("/proc/meminfo", "MemTotal:       1048576 kB\n");
	assert_int_equal(hugepages_default(tree), 128);
}

static int
setup(void **state)
{
	(void)state;
	tree_make();
	tree_put("/run/x", "");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	tree_remove();
	return 0;
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(not_all_the_memory),
		STORY(no_such_pages),
		STORY(fini_without_init),
		STORY(there_and_back),
		STORY(on_top_of_others),
		STORY(others_add_more),
		STORY(others_take_some),
		STORY(note_without_sense),
		STORY(quarter_of_memory),
		STORY(too_many),
		STORY(killed_in_the_middle),
		STORY(still_in_use),
		STORY(who_takes_pages_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
