/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   the functions of a real object are found; anything that is not an object that an executor
 *         could load is refused with the reason, and read without leaving its bytes.
 * Method: an object that the build has made (its path is the argument), whole, changed in every way
 *         that has a reason of its own, cut at every length, and with random damage. */
#include "object.h"

#include <elf.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"
#include <microburst/error.h>
#include <microburst/function.h>

static const char *path;
static struct slice whole;
static struct object object;
static char why[OBJECT_WHY_BYTES];

static int
read_whole(void **state)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p = malloc(1 << 20);

	assert_non_null(f);
	whole = slice_of(p, fread(p, 1, 1 << 20, f));
	fclose(f);
	return 0;
}

static uint8_t *
copy(void)
{
	uint8_t *p = malloc(whole.len);

	memcpy(p, whole.p, whole.len);
	return p;
}

static void
expect(uint8_t *p, int err, const char *word)
{
	int got = object_check(slice_of(p, whole.len), &object, why);

	free(p);
	if (got != err || strstr(why, word) == NULL) {
		fail_msg("%d '%s', expected %d '%s'", got, why, err, word);
	}
}

static Elf64_Phdr *
segment(uint8_t *p, uint32_t type)
{
	Elf64_Ehdr *h = (void *)p;
	Elf64_Phdr *ph = (void *)(p + h->e_phoff);

	for (int i = 0; i < h->e_phnum; i++) {
		if (ph[i].p_type == type) {
			return &ph[i];
		}
	}
	fail_msg("no segment of type %u", type);
	return NULL;
}

static void
what_is_no_object_is_refused(void **state)
{
	static const char text[] = "#include <stdio.h>\nint main(void) { return 0; }\n";
	uint8_t *p;

	assert_int_equal(object_check(slice_str(text), &object, why), MB_ERR_LOAD);
	assert_non_null(strstr(why, "not an ELF file"));
	assert_int_equal(object_check(slice_of(NULL, 0), &object, why), MB_ERR_LOAD);
	assert_int_equal(object_check(slice_of(text, (size_t)LOAD_OBJECT_BYTES_MAX + 1), &object,
				      why),
			 MB_ERR_TOO_LARGE);
	assert_non_null(strstr(why, "64 MiB"));

	p = copy();
	((Elf64_Ehdr *)p)->e_machine = EM_SPARC;
	expect(p, MB_ERR_LOAD, "another machine");
	p = copy();
	((Elf64_Ehdr *)p)->e_ident[EI_CLASS] = ELFCLASS32;
	expect(p, MB_ERR_LOAD, "another machine");
	p = copy();
	((Elf64_Ehdr *)p)->e_type = ET_REL;
	expect(p, MB_ERR_LOAD, "link it with -shared");
	p = copy();
	((Elf64_Ehdr *)p)->e_phoff = UINT64_MAX - 8;
	expect(p, MB_ERR_LOAD, "program headers");
	p = copy();
	((Elf64_Ehdr *)p)->e_phnum = 0;
	expect(p, MB_ERR_LOAD, "program headers");
}

static void
what_the_sandbox_would_refuse_is_refused(void **state)
{
	uint8_t *p = copy();

	segment(p, PT_GNU_STACK)->p_flags |= PF_X;
	expect(p, MB_ERR_LOAD, "noexecstack");
	p = copy();
	segment(p, PT_LOAD)->p_flags = PF_R | PF_W | PF_X;
	expect(p, MB_ERR_LOAD, "writable and executable");
	p = copy();
	segment(p, PT_DYNAMIC)->p_type = PT_NULL;
	expect(p, MB_ERR_LOAD, "no dynamic section");
	p = copy();
	segment(p, PT_DYNAMIC)->p_offset = UINT64_MAX - 15;
	expect(p, MB_ERR_LOAD, "not in the file");
}

static Elf64_Dyn *
dynamic(uint8_t *p, int64_t tag)
{
	Elf64_Dyn *d = (void *)(p + segment(p, PT_DYNAMIC)->p_offset);

	while (d->d_tag != tag) {
		if (d->d_tag == DT_NULL) {
			fail_msg("no dynamic tag %lld", (long long)tag);
		}
		d++;
	}
	return d;
}

static void
lies_about_symbols_are_refused(void **state)
{
	uint8_t *p = copy();

	dynamic(p, DT_GNU_HASH)->d_un.d_ptr = UINT64_MAX - 64;
	expect(p, MB_ERR_LOAD, "cannot be counted");
	p = copy();
	dynamic(p, DT_SYMTAB)->d_un.d_ptr = UINT64_MAX - 64;
	expect(p, MB_ERR_LOAD, "symbols are not in the file");
	p = copy();
	dynamic(p, DT_STRSZ)->d_un.d_val = UINT64_MAX;
	expect(p, MB_ERR_LOAD, "symbols are not in the file");
	p = copy();
	dynamic(p, DT_STRSZ)->d_un.d_val -= 1;
	expect(p, MB_ERR_LOAD, "");
	p = copy();
	dynamic(p, DT_GNU_HASH)->d_tag = DT_TEXTREL;
	expect(p, MB_ERR_LOAD, "-fPIC");
	p = copy();
	dynamic(p, DT_GNU_HASH)->d_tag = DT_FLAGS_1;
	dynamic(p, DT_FLAGS_1)->d_un.d_val = DF_1_PIE;
	expect(p, MB_ERR_LOAD, "a program");
}

/* The version stands in the record that the symbol names; it is found by its value and size. */
static void
another_version_is_refused(void **state)
{
	const uint32_t record[2] = { MB_FUNCTION_ABI, sizeof(struct mb_function) };
	uint32_t found = 0;

	for (size_t off = 0; off + sizeof(record) <= whole.len; off += 4) {
		uint8_t *p;

		if (memcmp(whole.p + off, record, sizeof(record)) != 0) {
			continue;
		}
		p = copy();
		p[off]++;
		found += object_check(slice_of(p, whole.len), &object, why) == MB_ERR_ABI;
		free(p);
	}
	assert_true(found > 0);
	assert_non_null(strstr(why, "compile it again"));
}

static void
functions_are_found(void **state)
{
	assert_int_equal(object_check(whole, &object, why), 0);
	assert_string_equal(why, "");
	assert_int_equal(object.fn_cnt, 2);
	assert_true(strcmp(object.fn[0], "echo") == 0 || strcmp(object.fn[1], "echo") == 0);
	assert_true(strcmp(object.fn[0], "nop") == 0 || strcmp(object.fn[1], "nop") == 0);
}

/* Cut files: whatever is said, nothing is read past the end (the copy is exactly as long). */
static void
every_length_is_survived(void **state)
{
	for (size_t len = 0; len < whole.len; len += len < 4096 ? 1 : 61) {
		uint8_t *p = malloc(len != 0 ? len : 1);

		memcpy(p, whole.p, len);
		object_check(slice_of(p, len), &object, why);
		free(p);
	}
}

static void
random_damage_is_survived(void **state)
{
	struct rng r;

	rng_init(&r, test_seed("object"));
	for (int turn = 0; turn < 20000; turn++) {
		uint8_t *p = copy();

		for (uint64_t n = 1 + rng_below(&r, 4); n > 0; n--) {
			/* Mostly where the structures are. */
			size_t end = rng_below(&r, 4) != 0 ? 2048 : whole.len;
			size_t off = (size_t)rng_below(&r, end);

			p[off] = (uint8_t)rng_u64(&r);
		}
		if (object_check(slice_of(p, whole.len), &object, why) == 0) {
			assert_true(object.fn_cnt > 0);
		} else {
			assert_true(why[0] != '\0');
		}
		free(p);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_object_is_refused),
		cmocka_unit_test(what_the_sandbox_would_refuse_is_refused),
		cmocka_unit_test(lies_about_symbols_are_refused),
		cmocka_unit_test(another_version_is_refused),
		cmocka_unit_test(functions_are_found),
		cmocka_unit_test(every_length_is_survived),
		cmocka_unit_test(random_damage_is_survived),
	};

	path = argc > 1 ? argv[1] : "echo.so";
	return cmocka_run_group_tests(tests, read_whole, NULL);
}
