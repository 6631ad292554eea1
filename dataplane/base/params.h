/* SPDX-License-Identifier: Apache-2.0 */
/* params.h - the parameters of configs/params.def as a C struct, and their text
 *
 * A parameter is named "section.key" in text and p->section_key in C:
 *
 *	struct params p;
 *	char err[PARAMS_ERR_BYTES];
 *
 *	params_default(&p);
 *	if (params_set(&p, "executor.spin", "20us", err) != MB_OK)
 *		puts(err);
 *	deadline = now + p.executor_spin;
 *
 * u32 is uint32_t; u64, bytes and dur (nanoseconds) are uint64_t; bool is bool; str is an array of
 * PARAM_STR_BYTES. A struct params is a plain value: copy it, change the copy, put it in place.
 * Reading files is not done here, nor is putting a changed value into effect.
 *
 * Threads:   any; a struct params has one owner.
 */
#ifndef MB_PARAMS_H
#define MB_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PARAM_STR_BYTES  256 /* of a str, with its terminator; longer than any socket path */
#define PARAM_NAME_BYTES 48  /* of "section.key", with its terminator */
#define PARAMS_ERR_BYTES 512 /* of the sentence that says what was wrong */

enum param_type {
	PARAM_TYPE_u32,
	PARAM_TYPE_u64,
	PARAM_TYPE_bytes,
	PARAM_TYPE_dur,
	PARAM_TYPE_bool,
	PARAM_TYPE_str,
};

enum param_applies {
	PARAM_APPLIES_start, /* only before the node starts */
	PARAM_APPLIES_live,  /* a change takes effect while it runs */
};

#define PARAM_FIELD_u32(name)   uint32_t name
#define PARAM_FIELD_u64(name)   uint64_t name
#define PARAM_FIELD_bytes(name) uint64_t name
#define PARAM_FIELD_dur(name)   uint64_t name
#define PARAM_FIELD_bool(name)  bool name
#define PARAM_FIELD_str(name)   char name[PARAM_STR_BYTES]

struct params {
#define PARAM(section, key, type, initial, min, max, unit, applies, why)                           \
	PARAM_FIELD_##type(section##_##key);
#include "params.def"
#undef PARAM
};

/* A row of the table. */
struct param {
	const char *name; /* "section.key" */
	const char *section;
	const char *key;
	enum param_type type;
	enum param_applies applies;
	const char *initial; /* the default, as the table writes it; so are min and max */
	const char *min;
	const char *max;
	const char *unit;
	const char *why;
	size_t offset; /* in struct params */
};

/* params_row gives the rows in the order of the table.
 *
 * Returns:   the i-th row, NULL behind the last.
 */
const struct param *params_row(size_t i);

/* params_find gives the row of a name.
 *
 * Returns:   the row, NULL if there is none.
 */
const struct param *params_find(const char *name);

/* params_default sets every parameter to its default. */
void params_default(struct params *p);

/* params_set reads a value from text, as a person wrote it.
 *
 * Ensures:   on error *p is as before, and errbuf holds a sentence without a full stop that names
 *            the parameter, what was expected and what was found; on success errbuf is not touched.
 * Returns:   MB_OK; MB_ERR_NOT_FOUND for an unknown name (the sentence suggests the nearest);
 *            MB_ERR_CONFIG for a value that is not one, or out of range.
 */
int params_set(struct params *p, const char *name, const char *value,
	       char errbuf[static PARAMS_ERR_BYTES]);

/* params_get writes a value as params_set would read it.
 *
 * Returns:   MB_OK; MB_ERR_NOT_FOUND for an unknown name.
 */
int params_get(const struct params *p, const char *name, char ret_text[static PARAM_STR_BYTES]);

/* params_help prints every parameter for a command's --help. */
void params_help(FILE *f);

/* params_conf prints the text of configs/default.conf: sections, comments, every key with its
 * default. Comments begin with '#'. */
void params_conf(FILE *f);

#endif
