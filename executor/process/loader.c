/* SPDX-License-Identifier: Apache-2.0 */
#include "loader.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "merge_law.h"
#include "object.h"
#include "timebase.h"

static void __attribute__((__format__(__printf__, 3, 4)))
refuse(struct loader *l, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->why, sizeof(l->why), fmt, ap);
	va_end(ap);
	l->err = err;
}

/* What the dynamic linker says, without the path that only this process knows ("./7: "). */
static const char *
linker_text(void)
{
	const char *text = dlerror();
	const char *colon;

	if (text == NULL) {
		return "the dynamic linker gave no reason";
	}
	colon = strncmp(text, "./", 2) == 0 ? strstr(text, ": ") : NULL;
	return colon != NULL ? colon + 2 : text;
}

/* Who loads an object: its constructors announce merges, and have no argument to say to whom. */
static struct loader *loading;

/* Whether the object that is being loaded has announced one of this name already: functions name a
 * merge, and would get one or the other. */
static bool
merge_twice(const struct loader *l, const char *name)
{
	uint32_t i = l->object_cnt != 0 ? l->merge_end[l->object_cnt - 1] : 0;

	while (i < l->merge_cnt && strcmp(l->merge[i]->name, name) != 0) {
		i++;
	}
	return i < l->merge_cnt;
}

void
mb_merge_add(const struct mb_merge *merge)
{
	struct loader *l = loading;

	if (l == NULL || l->err != 0) { /* not an object's constructor */
		return;
	}
	if (merge->abi != MB_FUNCTION_ABI || merge->bytes < sizeof(*merge) || merge->run == NULL) {
		refuse(l, MB_ERR_ABI,
		       "a merge was compiled against another version of microburst/function.h: "
		       "compile it again");
	} else if (strlen(merge->name) >= NAME_BYTES_MAX) {
		refuse(l, MB_ERR_TOO_LARGE, "the name of the merge '%.32s...' is too long",
		       merge->name);
	} else if (merge_twice(l, merge->name)) {
		refuse(l, MB_ERR_LOAD, "the object has two merges of the name '%s'", merge->name);
	} else if (l->merge_cnt == LOADER_MERGE_MAX) {
		refuse(l, MB_ERR_TOO_LARGE, "an executor can have %u merges", LOADER_MERGE_MAX);
	} else {
		l->merge[l->merge_cnt++] = merge;
	}
}

void
loader_add(struct loader *l, const struct sandbox *sb, uint32_t number, int fd)
{
	char path[24];
	void *object;

	if (l->err != 0) {
		return;
	}
	if (number != l->object_cnt || number >= LOAD_OBJECT_MAX) {
		refuse(l, MB_ERR_CORRUPT, "object %u came where object %u is expected", number,
		       l->object_cnt);
		return;
	}
	snprintf(path, sizeof(path), "./%d", fd);
	if (sandbox_path_begin(sb) != 0) {
		refuse(l, MB_ERR_LOAD, "there is no procfs through which objects could be loaded");
		return;
	}
	loading = l;
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	loading = NULL;
	sandbox_path_end();
	if (l->err != 0) {
		return;
	}
	if (object == NULL) {
		refuse(l, MB_ERR_LOAD, "the object cannot be loaded: %s", linker_text());
		return;
	}
	l->merge_end[l->object_cnt] = l->merge_cnt;
	l->object[l->object_cnt++] = object;
}

static void
bind_one(struct loader *l, const struct load_fn *row, struct fns *fns)
{
	char symbol[sizeof(OBJECT_FUNCTION_PREFIX) + NAME_BYTES_MAX];
	struct fn *fn = &fns->fn[row->id % FUNCTION_CNT_MAX];
	const struct mb_function *def;

	snprintf(symbol, sizeof(symbol), OBJECT_FUNCTION_PREFIX "%s", row->name);
	def = dlsym(l->object[row->object], symbol);
	if (def == NULL) {
		refuse(l, MB_ERR_LOAD, "the object does not define the function '%s'", row->name);
	} else if (def->abi != MB_FUNCTION_ABI) {
		refuse(l, MB_ERR_ABI,
		       "'%s' was compiled against version %u of microburst/function.h, not %u: "
		       "compile it again",
		       row->name, def->abi, MB_FUNCTION_ABI);
	} else if (def->bytes < sizeof(*def) || def->run == NULL) {
		refuse(l, MB_ERR_LOAD, "'%s' is not what MB_FUNCTION defines", row->name);
	} else if (fn->id != 0) {
		refuse(l, MB_ERR_CORRUPT, "functions %u and %u take the same place", fn->id,
		       row->id);
	} else {
		uint32_t first = row->object != 0 ? l->merge_end[row->object - 1] : 0;

		fn->merge = &l->merge[first];
		fn->merge_cnt = l->merge_end[row->object] - first;
		fn->id = row->id;
		fn->batched = row->batched != 0;
		fn->run = def->run;
		fn->memory_kib = row->memory_kib;
		memcpy(fn->name, row->name, sizeof(fn->name));
		l->of[row->object] = fn->name;
	}
}

void
loader_bind(struct loader *l, const void *text, size_t text_len, struct fns *fns)
{
	const struct load_head *head = text;
	const struct load_fn *row = (const void *)(head + 1);

	if (l->err != 0) {
		return;
	}
	if (load_check(text, text_len) != 0 || head->object_cnt != l->object_cnt) {
		refuse(l, MB_ERR_CORRUPT,
		       "the message that says what to load is malformed: are "
		       "microburstd and microburst-executor of one build?");
		return;
	}
	for (uint32_t i = 0; i < head->fn_cnt && l->err == 0; i++) {
		bind_one(l, &row[i], fns);
	}
}

/* A function's address, out of dlsym's pointer to an object. */
static void
symbol_address(void *object, const char *name, void *ret, size_t bytes)
{
	void *p = dlsym(object, name);

	static_assert(sizeof(void (*)(void)) == sizeof(p), "POSIX: a code address fits a pointer");
	memcpy(ret, &p, bytes);
}

static void
init_one(struct loader *l, uint32_t i, struct mb_call *call)
{
	int (*init)(struct mb_call *);
	int err;

	symbol_address(l->object[i], OBJECT_INIT, &init, sizeof(init));
	if (init != NULL) {
		call->text[0] = '\0';
		err = init(call);
		if (err != 0) {
			refuse(l, MB_ERR_FUNCTION_FAILED, "MB_INIT of '%s' refused: %.400s",
			       l->of[i] != NULL ? l->of[i] : "?",
			       call->text[0] != '\0' ? call->text : mb_err_text(err));
			return;
		}
	}
	l->init_cnt = i + 1;
}

uint64_t
loader_init(struct loader *l, struct mb_call *call)
{
	uint64_t from = timebase_now_ns(timebase_real());

	for (uint32_t i = 0; i < l->object_cnt && l->err == 0; i++) {
		init_one(l, i, call);
	}
	for (uint32_t i = 0; i < l->merge_cnt && l->err == 0; i++) {
		l->err = merge_law_check(l->merge[i], l->why, sizeof(l->why));
	}
	return timebase_now_ns(timebase_real()) - from;
}

void
loader_fini(struct loader *l)
{
	void (*fini)(void);

	while (l->init_cnt > 0) {
		symbol_address(l->object[--l->init_cnt], OBJECT_FINI, &fini, sizeof(fini));
		if (fini != NULL) {
			fini();
		}
	}
}
