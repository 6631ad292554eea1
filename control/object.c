/* SPDX-License-Identifier: Apache-2.0 */
#include "object.h"

#include <elf.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "microburst/error.h"

#define PREFIX "mb_function_"

#if defined(__x86_64__)
#define OBJECT_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OBJECT_MACHINE EM_AARCH64
#else
#error "say which ELF machine this is"
#endif

static int
object_refuse(char why[OBJECT_WHY_BYTES], int err, const char *text)
{
	snprintf(why, OBJECT_WHY_BYTES, "%s", text);
	return err;
}

/* cnt things of size bytes at off lie inside the object. */
static bool
object_has(struct slice o, uint64_t off, uint64_t cnt, uint64_t size)
{
	uint64_t bytes;

	return !__builtin_mul_overflow(cnt, size, &bytes) && off <= o.len && bytes <= o.len - off;
}

static bool
object_section(struct slice o, const Elf64_Ehdr *eh, uint32_t i, Elf64_Shdr *ret)
{
	if (i >= eh->e_shnum) {
		return false;
	}
	memcpy(ret, o.p + eh->e_shoff + (size_t)i * sizeof(*ret), sizeof(*ret));
	return ret->sh_type == SHT_NOBITS || object_has(o, ret->sh_offset, 1, ret->sh_size);
}

/* The name at off of a string section, if it ends inside of it. */
static const char *
object_string(struct slice o, const Elf64_Shdr *strings, uint32_t off, size_t *ret_len)
{
	const char *s;

	if (off >= strings->sh_size) {
		return NULL;
	}
	s = (const char *)o.p + strings->sh_offset + off;
	*ret_len = strnlen(s, strings->sh_size - off);
	return *ret_len < strings->sh_size - off ? s : NULL;
}

static int
object_symbols(struct slice o, const Elf64_Shdr *symbols, const Elf64_Shdr *strings,
	       char (*ret)[NAME_BYTES_MAX], uint32_t max, char why[OBJECT_WHY_BYTES])
{
	size_t prefix = strlen(PREFIX);
	uint32_t cnt = 0;

	for (uint64_t i = 0; i < symbols->sh_size / sizeof(Elf64_Sym); i++) {
		Elf64_Sym sym;
		const char *name;
		size_t len;

		memcpy(&sym, o.p + symbols->sh_offset + i * sizeof(sym), sizeof(sym));
		name = object_string(o, strings, sym.st_name, &len);
		if (name == NULL || sym.st_shndx == SHN_UNDEF || len <= prefix ||
		    memcmp(name, PREFIX, prefix) != 0) {
			continue;
		}
		if (len - prefix >= NAME_BYTES_MAX) {
			return object_refuse(why, MB_ERR_TOO_LARGE,
					     "a function's name has more than 63 characters");
		}
		if (cnt == max) {
			return object_refuse(why, MB_ERR_TOO_LARGE, "too many functions in one object");
		}
		memcpy(ret[cnt], name + prefix, len - prefix);
		ret[cnt][len - prefix] = '\0';
		cnt++;
	}
	if (cnt == 0) {
		return object_refuse(why, MB_ERR_LOAD,
				     "the object defines no function: write MB_FUNCTION(name) { ... }");
	}
	return (int)cnt;
}

int
object_functions(struct slice o, char (*ret)[NAME_BYTES_MAX], uint32_t max,
		 char why[OBJECT_WHY_BYTES])
{
	Elf64_Ehdr eh;
	Elf64_Shdr symbols, strings;

	if (o.len > OBJECT_BYTES_MAX) {
		return object_refuse(why, MB_ERR_TOO_LARGE, "an object may have 64 MiB");
	}
	if (o.len < sizeof(eh) || memcmp(o.p, ELFMAG, SELFMAG) != 0) {
		return object_refuse(why, MB_ERR_LOAD, "it is not an ELF file");
	}
	memcpy(&eh, o.p, sizeof(eh));
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_type != ET_DYN ||
	    eh.e_machine != OBJECT_MACHINE) {
		return object_refuse(why, MB_ERR_LOAD,
				     "it is not a shared object for this machine (cc -shared -fPIC)");
	}
	if (eh.e_shentsize != sizeof(Elf64_Shdr) ||
	    !object_has(o, eh.e_shoff, eh.e_shnum, sizeof(Elf64_Shdr))) {
		return object_refuse(why, MB_ERR_LOAD, "its section table is cut off or missing");
	}
	for (uint32_t i = 0; i < eh.e_shnum; i++) {
		if (!object_section(o, &eh, i, &symbols)) {
			return object_refuse(why, MB_ERR_LOAD, "a section lies outside of the file");
		}
		if (symbols.sh_type == SHT_DYNSYM) {
			if (!object_section(o, &eh, symbols.sh_link, &strings) ||
			    strings.sh_type != SHT_STRTAB) {
				return object_refuse(why, MB_ERR_LOAD,
						     "its symbol names lie outside of the file");
			}
			return object_symbols(o, &symbols, &strings, ret, max, why);
		}
	}
	return object_refuse(why, MB_ERR_LOAD, "it exports no symbols");
}
