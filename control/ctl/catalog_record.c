/* SPDX-License-Identifier: Apache-2.0 */
/* catalog_record - what stands in the store under a name: JSON, so that people can read it */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "microburst/error.h"
#include "registry.h"

char *
catalog_fn_write(const struct catalog_fn *fn)
{
	json_t *j =
		json_pack("{s:i, s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:I}", "version",
			  (int)fn->version, "object", fn->object, "defined", fn->defined, "class",
			  fn->class, "pinned", (int)fn->pinned, "deadline_ns",
			  (json_int_t)fn->deadline_ns, "batch", (json_int_t)fn->batch, "memory_kib",
			  (json_int_t)fn->memory_kib, "concurrency", (json_int_t)fn->concurrency);
	char *text = j != NULL ? json_dumps(j, JSON_COMPACT) : NULL;

	json_decref(j);
	return text;
}

static int
text_read(const json_t *j, const char *key, char *ret, size_t bytes)
{
	const char *text = json_string_value(json_object_get(j, key));

	if (text == NULL || strlen(text) >= bytes) {
		return MB_ERR_CORRUPT;
	}
	memset(ret, 0, bytes);
	memcpy(ret, text, strlen(text));
	return 0;
}

static int
number_read(const json_t *j, const char *key, uint64_t max, uint64_t *ret)
{
	const json_t *n = json_object_get(j, key);
	json_int_t v = json_integer_value(n);

	if (!json_is_integer(n) || v < 0 || (uint64_t)v > max) {
		return MB_ERR_CORRUPT;
	}
	*ret = (uint64_t)v;
	return 0;
}

static bool
is_hash(const char *text)
{
	return strspn(text, "0123456789abcdef") == CATALOG_HASH_TEXT - 1;
}

static json_t *
record_open(struct slice text)
{
	return text.len <= CATALOG_TEXT_MAX
		       ? json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, NULL)
		       : NULL;
}

int
catalog_fn_read(struct slice name, struct slice text, struct catalog_fn *ret)
{
	struct catalog_fn fn = { 0 };
	uint64_t version = 0, batch = 0, memory = 0, concurrency = 0;
	json_t *j = record_open(text);
	int err = json_is_object(j) && name.len < sizeof(fn.name) ? 0 : MB_ERR_CORRUPT;

	if (err == 0) {
		memcpy(fn.name, name.p, name.len);
		fn.pinned = json_is_true(json_object_get(j, "pinned"));
		err = number_read(j, "version", UINT16_MAX, &version) |
		      number_read(j, "deadline_ns", INT64_MAX, &fn.deadline_ns) |
		      number_read(j, "batch", UINT32_MAX, &batch) |
		      number_read(j, "memory_kib", UINT32_MAX, &memory) |
		      number_read(j, "concurrency", UINT32_MAX, &concurrency) |
		      text_read(j, "object", fn.object, sizeof(fn.object)) |
		      text_read(j, "defined", fn.defined, sizeof(fn.defined)) |
		      text_read(j, "class", fn.class, sizeof(fn.class));
	}
	json_decref(j);
	if (err != 0 || version == 0 || !is_hash(fn.object) || !registry_name_ok(fn.name) ||
	    !registry_name_ok(fn.defined)) {
		return MB_ERR_CORRUPT;
	}
	fn.version = (uint16_t)version;
	fn.batch = (uint32_t)batch;
	fn.memory_kib = (uint32_t)memory;
	fn.concurrency = (uint32_t)concurrency;
	*ret = fn;
	return 0;
}

char *
catalog_dag_write(const char *text)
{
	json_t *j = json_pack("{s:s}", "text", text);
	char *record = j != NULL ? json_dumps(j, JSON_COMPACT) : NULL;

	json_decref(j);
	return record;
}

char *
catalog_dag_read(struct slice record)
{
	json_t *j = record_open(record);
	const char *text = json_string_value(json_object_get(j, "text"));
	char *copy = text != NULL ? strdup(text) : NULL;

	json_decref(j);
	return copy;
}
