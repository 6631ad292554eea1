/* SPDX-License-Identifier: Apache-2.0 */
/* replay.c - main() of a fuzz target in the ordinary build, where there is no fuzzing engine
 *
 *      <target>_fuzz [--seed N] [--trace] CORPUS_FOLDER
 *
 * Gives the target the empty input and, for every file of the folder in order of name: the whole
 * file, each shorter beginning of it up to PREFIX_MAX bytes, and FLIP_CNT copies with one to four
 * bytes overwritten. The same seed makes the same copies, so a run that crashes is repeated with
 * the seed it printed; --trace then names each input before it runs.
 *
 * An input ends where an unmapped page begins: reading one byte too far stops the process in every
 * build, not only under the address sanitizer.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define INPUT_MAX  (1u << 20) /* libFuzzer's own inputs stay far below it */
#define PREFIX_MAX 4096u      /* parsers decide within their headers; longer ones only cost time */
#define FLIP_CNT   256u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct replay {
	uint8_t *end; /* the unmapped page; inputs are laid out before it */
	uint64_t rng; /* splitmix64 state */
	bool trace;
	uint64_t run_cnt;
};

static uint64_t
replay_random(struct replay *r)
{
	uint64_t z = r->rng += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint8_t *
replay_place(struct replay *r, const uint8_t *bytes, size_t len)
{
	return len == 0 ? r->end : memcpy(r->end - len, bytes, len);
}

static void
replay_one(struct replay *r, const uint8_t *data, size_t len, const char *what, size_t nth)
{
	if (r->trace)
		fprintf(stderr, "  %s %zu: %zu bytes\n", what, nth, len);
	LLVMFuzzerTestOneInput(data, len);
	r->run_cnt++;
}

static void
replay_file(struct replay *r, const uint8_t *bytes, size_t len)
{
	replay_one(r, replay_place(r, bytes, len), len, "whole", 0);
	for (size_t cut = 0; cut < len && cut <= PREFIX_MAX; cut++)
		replay_one(r, replay_place(r, bytes, cut), cut, "prefix", cut);
	for (size_t flip = 0; len > 0 && flip < FLIP_CNT; flip++) {
		uint8_t *data = replay_place(r, bytes, len);

		for (uint64_t left = 1 + replay_random(r) % 4; left > 0; left--)
			data[replay_random(r) % len] = (uint8_t)replay_random(r);
		replay_one(r, data, len, "flip", flip);
	}
}

static int
is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* replay_folder returns how many files it replayed, or -1 after saying what it could not read. */
static int
replay_folder(struct replay *r, const char *folder)
{
	static uint8_t bytes[INPUT_MAX];
	struct dirent **entries;
	int cnt = scandir(folder, &entries, is_input, alphasort);

	if (cnt < 0)
		fprintf(stderr, "%s: %s\n", folder, strerror(errno));
	for (int i = 0; i < cnt; i++) {
		char path[4096];
		FILE *file;
		size_t len;

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		free(entries[i]);
		file = fopen(path, "rb");
		if (file == NULL) {
			fprintf(stderr, "%s: %s\n", path, strerror(errno));
			return -1;
		}
		len = fread(bytes, 1, sizeof(bytes), file);
		fclose(file);
		fprintf(stderr, "%s: %zu bytes\n", path, len);
		replay_file(r, bytes, len);
	}
	if (cnt >= 0)
		free(entries);
	return cnt;
}

int
main(int argc, char **argv)
{
	struct replay r = { .rng = 1 };
	const char *folder = NULL;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *base;
	int file_cnt;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
			r.rng = strtoull(argv[++i], NULL, 0);
		else if (strcmp(argv[i], "--trace") == 0)
			r.trace = true;
		else
			folder = argv[i];
	}
	if (folder == NULL) {
		fprintf(stderr, "usage: %s [--seed N] [--trace] CORPUS_FOLDER\n", argv[0]);
		return 2;
	}

	base = mmap(NULL, INPUT_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	if (base == MAP_FAILED || mprotect(base + INPUT_MAX, page, PROT_NONE) != 0) {
		perror("mmap");
		return 1;
	}
	r.end = base + INPUT_MAX;

	fprintf(stderr, "seed %llu\n", (unsigned long long)r.rng);
	replay_one(&r, r.end, 0, "empty", 0);
	file_cnt = replay_folder(&r, folder);
	if (file_cnt <= 0) {
		fprintf(stderr, "%s: a target needs at least one input\n", folder);
		return 1;
	}
	fprintf(stderr, "%d files, %llu runs\n", file_cnt, (unsigned long long)r.run_cnt);
	return 0;
}
