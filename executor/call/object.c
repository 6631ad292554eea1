/* SPDX-License-Identifier: Apache-2.0 */
/* object.c - reading ELF that somebody else wrote
 *
 * O1  Every read goes through at() or copy_at(), which check offset and length against the file in
 *     64 bits. Nothing is read through a cast pointer.
 * O2  What is followed is what the dynamic linker follows: program headers, PT_DYNAMIC, and
 *     addresses through PT_LOAD. Section headers are not looked at: a linker strips them, a liar
 *     edits them.
 * O3  Loops are bounded by the file: a table has no more rows than fit into it.
 *
 * The number of dynamic symbols is written nowhere but in the hash tables. DT_HASH says it; of
 * DT_GNU_HASH it is the end of the chain that starts last.
 */
#include "object.h"

#include <elf.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "compiler.h"
#include "load.h"
#include <microburst/error.h>
#include <microburst/function.h>

#if defined(__x86_64__)
#define OBJECT_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OBJECT_MACHINE EM_AARCH64
#else
#error "which machine is this?"
#endif

struct elf {
	struct slice file;
	Elf64_Ehdr head;
	struct {
		uint64_t symtab, strtab, strsz, hash, gnu_hash, flags;
		bool textrel, pie;
	} dyn;
	char *why;
};

static int __attribute__((__format__(__printf__, 3, 4)))
refuse(struct elf *e, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->why, OBJECT_WHY_BYTES, fmt, ap);
	va_end(ap);
	return err;
}

static int
damaged(struct elf *e, const char *what)
{
	return refuse(e, MB_ERR_LOAD, "the object is damaged: %s", what);
}

/* The len bytes at offset off of the file; NULL when they are not all there. O1. */
static const uint8_t *
at(const struct elf *e, uint64_t off, uint64_t len)
{
	if (off > e->file.len || len > e->file.len - off) {
		return NULL;
	}
	return e->file.p + off;
}

static bool
copy_at(const struct elf *e, uint64_t off, void *ret, size_t len)
{
	const uint8_t *p = at(e, off, len);

	if (p == NULL) {
		return false;
	}
	memcpy(ret, p, len);
	return true;
}

static bool
segment_get(const struct elf *e, uint32_t i, Elf64_Phdr *ret)
{
	uint64_t off;

	return !__builtin_add_overflow(e->head.e_phoff, (uint64_t)i * sizeof(*ret), &off) &&
	       copy_at(e, off, ret, sizeof(*ret));
}

/* The offset in the file of len bytes at an address of the loaded object. */
static bool
file_off(const struct elf *e, uint64_t addr, uint64_t len, uint64_t *ret)
{
	for (uint32_t i = 0; i < e->head.e_phnum; i++) {
		Elf64_Phdr ph;

		if (!segment_get(e, i, &ph)) {
			return false;
		}
		if (ph.p_type != PT_LOAD || addr < ph.p_vaddr || addr - ph.p_vaddr > ph.p_filesz ||
		    len > ph.p_filesz - (addr - ph.p_vaddr)) {
			continue;
		}
		return !__builtin_add_overflow(ph.p_offset, addr - ph.p_vaddr, ret) &&
		       at(e, *ret, len) != NULL;
	}
	return false;
}

static bool
copy_addr(const struct elf *e, uint64_t addr, void *ret, size_t len)
{
	uint64_t off;

	return file_off(e, addr, len, &off) && copy_at(e, off, ret, len);
}

/* -------------------------------------------------------------------- head */

static int
check_head(struct elf *e)
{
	const Elf64_Ehdr *h = &e->head;

	if (!copy_at(e, 0, &e->head, sizeof(e->head)) || memcmp(h->e_ident, ELFMAG, SELFMAG) != 0) {
		return refuse(e, MB_ERR_LOAD, "this is not an ELF file");
	}
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
	    h->e_machine != OBJECT_MACHINE) {
		return refuse(e, MB_ERR_LOAD, "the object was compiled for another machine");
	}
	if (h->e_type != ET_DYN) {
		return refuse(e, MB_ERR_LOAD, "this is not a shared object: link it with -shared");
	}
	if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0) {
		return damaged(e, "it has no program headers");
	}
	return 0;
}

static int
read_dynamic(struct elf *e, const Elf64_Phdr *ph)
{
	uint64_t cnt = ph->p_filesz / sizeof(Elf64_Dyn);

	if (ph->p_offset > e->file.len) { /* so that the sums below do not overflow */
		return damaged(e, "its dynamic section is not in the file");
	}
	for (uint64_t i = 0; i < cnt; i++) {
		Elf64_Dyn d;

		if (!copy_at(e, ph->p_offset + i * sizeof(d), &d, sizeof(d))) {
			return damaged(e, "its dynamic section is not in the file");
		}
		switch (d.d_tag) {
		case DT_NULL:
			return 0;
		case DT_SYMTAB:
			e->dyn.symtab = d.d_un.d_ptr;
			break;
		case DT_STRTAB:
			e->dyn.strtab = d.d_un.d_ptr;
			break;
		case DT_STRSZ:
			e->dyn.strsz = d.d_un.d_val;
			break;
		case DT_HASH:
			e->dyn.hash = d.d_un.d_ptr;
			break;
		case DT_GNU_HASH:
			e->dyn.gnu_hash = d.d_un.d_ptr;
			break;
		case DT_TEXTREL:
			e->dyn.textrel = true;
			break;
		case DT_FLAGS:
			e->dyn.textrel |= (d.d_un.d_val & DF_TEXTREL) != 0;
			break;
		case DT_FLAGS_1:
			e->dyn.pie |= (d.d_un.d_val & DF_1_PIE) != 0;
			break;
		default:
			break;
		}
	}
	return 0;
}

/* Looks at every segment: what the sandbox would refuse later is refused here, with a reason. */
static int
check_segments(struct elf *e)
{
	bool dynamic = false;

	for (uint32_t i = 0; i < e->head.e_phnum; i++) {
		Elf64_Phdr ph;
		int err;

		if (!segment_get(e, i, &ph)) {
			return damaged(e, "its program headers are not in the file");
		}
		switch (ph.p_type) {
		case PT_DYNAMIC:
			err = dynamic ? damaged(e, "it has two dynamic sections")
				      : read_dynamic(e, &ph);
			if (err != 0) {
				return err;
			}
			dynamic = true;
			break;
		case PT_LOAD:
			if ((ph.p_flags & (PF_W | PF_X)) == (PF_W | PF_X)) {
				return refuse(
					e, MB_ERR_LOAD,
					"the object wants memory that is writable and executable");
			}
			break;
		case PT_GNU_STACK:
			if ((ph.p_flags & PF_X) != 0) {
				return refuse(e, MB_ERR_LOAD,
					      "the object wants an executable stack: link it with "
					      "-z noexecstack");
			}
			break;
		default:
			break;
		}
	}
	if (!dynamic) {
		return damaged(e, "it has no dynamic section");
	}
	if (e->dyn.pie) {
		return refuse(e, MB_ERR_LOAD, "this is a program: link it with -shared");
	}
	if (e->dyn.textrel) {
		return refuse(e, MB_ERR_LOAD,
			      "the object's code is not position-independent: compile "
			      "it with -fPIC");
	}
	return 0;
}

/* ----------------------------------------------------------------- symbols */

static bool
gnu_hash_cnt(const struct elf *e, uint64_t *ret)
{
	struct {
		uint32_t bucket_cnt, first, bloom_cnt, shift;
	} h;
	uint64_t bucket, chain;
	uint32_t last = 0;

	if (!copy_addr(e, e->dyn.gnu_hash, &h, sizeof(h)) ||
	    !file_off(e, e->dyn.gnu_hash + sizeof(h) + (uint64_t)h.bloom_cnt * 8,
		      (uint64_t)h.bucket_cnt * 4, &bucket)) {
		return false;
	}
	for (uint32_t i = 0; i < h.bucket_cnt; i++) { /* O3: the buckets are in the file */
		uint32_t x;

		if (!copy_at(e, bucket + (uint64_t)i * 4, &x, sizeof(x))) {
			return false;
		}
		last = MAX(last, x);
	}
	*ret = h.first;
	if (last < h.first) {
		return true; /* nothing is defined */
	}
	chain = bucket + (uint64_t)h.bucket_cnt * 4;
	for (uint64_t i = last;; i++) { /* O3: until the file ends */
		uint32_t x;

		if (!copy_at(e, chain + (i - h.first) * 4, &x, sizeof(x))) {
			return false;
		}
		if ((x & 1) != 0) {
			*ret = i + 1;
			return true;
		}
	}
}

static bool
symbol_cnt(const struct elf *e, uint64_t *ret)
{
	uint32_t h[2];

	if (e->dyn.gnu_hash != 0) {
		return gnu_hash_cnt(e, ret);
	}
	if (e->dyn.hash == 0 || !copy_addr(e, e->dyn.hash, h, sizeof(h))) {
		return false;
	}
	*ret = h[1];
	return true;
}

static bool
identifier_ok(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool letter =
			(s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || s[i] == '_';

		if (!letter && (i == 0 || s[i] < '0' || s[i] > '9')) {
			return false;
		}
	}
	return len != 0;
}

static int
check_function(struct elf *e, const Elf64_Sym *sym, const char *name, struct object *ret)
{
	size_t len = strlen(name);
	uint32_t head[2]; /* abi, bytes: neither is relocated, so the file has them */

	if (!identifier_ok(name, len)) {
		return damaged(e, "the name of a function is not a C identifier");
	}
	if (len >= NAME_BYTES_MAX) {
		return refuse(
			e, MB_ERR_TOO_LARGE,
			"the name '%.40s...' is longer than the %d characters of a function's name",
			name, NAME_BYTES_MAX - 1);
	}
	if (sym->st_size < sizeof(head) || !copy_addr(e, sym->st_value, head, sizeof(head))) {
		return damaged(e, "the record of a function is not in the file");
	}
	if (head[0] != MB_FUNCTION_ABI) {
		return refuse(
			e, MB_ERR_ABI,
			"'%s' was compiled against version %u of microburst/function.h, this node "
			"has version %u: compile it again",
			name, head[0], MB_FUNCTION_ABI);
	}
	if (head[1] < sizeof(struct mb_function)) {
		return damaged(e, "the record of a function is too short");
	}
	for (uint32_t i = 0; i < ret->fn_cnt; i++) {
		if (strcmp(ret->fn[i], name) == 0) {
			return damaged(e, "a function is there twice");
		}
	}
	if (ret->fn_cnt == FUNCTION_CNT_MAX) {
		return refuse(e, MB_ERR_TOO_LARGE, "the object has more than %d functions",
			      FUNCTION_CNT_MAX);
	}
	memcpy(ret->fn[ret->fn_cnt++], name, len + 1);
	return 0;
}

static int
check_symbol(struct elf *e, const Elf64_Sym *sym, const char *name, struct object *ret)
{
	const size_t prefix = sizeof(OBJECT_FUNCTION_PREFIX) - 1;
	unsigned char bind = ELF64_ST_BIND(sym->st_info);

	if (sym->st_shndx == SHN_UNDEF || (bind != STB_GLOBAL && bind != STB_WEAK)) {
		return 0;
	}
	if (strncmp(name, OBJECT_FUNCTION_PREFIX, prefix) == 0) {
		return check_function(e, sym, name + prefix, ret);
	}
	return 0;
}

static int
check_symbols(struct elf *e, struct object *ret)
{
	uint64_t cnt, symtab, strtab, bytes;
	const char *str;

	if (!symbol_cnt(e, &cnt)) {
		return damaged(e, "its symbols cannot be counted");
	}
	if (__builtin_mul_overflow(cnt, sizeof(Elf64_Sym), &bytes) ||
	    !file_off(e, e->dyn.symtab, bytes, &symtab) ||
	    !file_off(e, e->dyn.strtab, e->dyn.strsz, &strtab) || e->dyn.strsz == 0) {
		return damaged(e, "its symbols are not in the file");
	}
	str = (const char *)e->file.p + strtab;
	if (str[e->dyn.strsz - 1] != '\0') {
		return damaged(e, "its names do not end");
	}
	for (uint64_t i = 1; i < cnt; i++) {
		Elf64_Sym sym;
		int err;

		if (!copy_at(e, symtab + i * sizeof(sym), &sym, sizeof(sym)) ||
		    sym.st_name >= e->dyn.strsz) {
			return damaged(e, "a name is not in the file");
		}
		err = check_symbol(e, &sym, str + sym.st_name, ret);
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

int
object_check(struct slice file, struct object *ret, char *why)
{
	struct elf e = { .file = file, .why = why };
	int err;

	why[0] = '\0';
	ret->fn_cnt = 0;
	if (file.len > LOAD_OBJECT_BYTES_MAX) {
		return refuse(&e, MB_ERR_TOO_LARGE,
			      "the object is larger than the %u MiB it may have",
			      LOAD_OBJECT_BYTES_MAX >> 20);
	}
	err = check_head(&e);
	if (err == 0) {
		err = check_segments(&e);
	}
	if (err == 0) {
		err = check_symbols(&e, ret);
	}
	if (err == 0 && ret->fn_cnt == 0) {
		return refuse(&e, MB_ERR_LOAD,
			      "the object defines no function: MB_FUNCTION(name) { ... } does");
	}
	return err;
}
