/* SPDX-License-Identifier: Apache-2.0 */
/* ulib_sibling.c - values beside each other, and the user's merges of them: as ulib_state.c */
#include <string.h>

#include "merge_law.h"
#include "ulib_state.h"

int
mb_put_sibling(struct mb_call *call, struct mb_slice key, struct mb_slice value)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	return ulib_outcome(call, session_put_sibling(call->session, ulib_in(key), ulib_in(value)),
			    "mb_put_sibling", key);
}

int
mb_sibling_begin(struct mb_call *call, struct mb_slice key, struct mb_sibling_iter *ret)
{
	return ulib_walk_begin(call, key, session_sibling_begin, "mb_sibling_begin", ret);
}

bool
mb_sibling_next(struct mb_sibling_iter *it, struct mb_slice *ret_value)
{
	struct session_iter inner;
	struct slice value;
	bool more;

	memcpy(&inner, it->word, sizeof(inner));
	more = session_sibling_next(it->call->session, &inner, &value);
	memcpy(it->word, &inner, sizeof(inner));
	if (more) {
		*ret_value = mb_slice_of(value.p, value.len);
	}
	return more;
}

/* -------------------------------------------------------------- what a merge makes */

int
mb_merged_reserve(struct mb_merged *out, size_t len, void **ret)
{
	uint8_t *p;
	int err = out->done ? MB_ERR_INVALID : out->take(out->ctx, len, &p);

	if (err == 0) {
		out->done = true;
		out->len = len;
		*ret = p;
	}
	return err;
}

int
mb_merged_set(struct mb_merged *out, struct mb_slice value)
{
	void *p;
	int err = mb_merged_reserve(out, value.len, &p);

	if (err == 0 && value.len != 0) {
		memmove(p, value.p, value.len);
	}
	return err;
}

struct place {
	struct session *s;
	struct held_value *value;
};

static int
place_take(void *ctx, size_t len, uint8_t **ret)
{
	struct place *p = ctx;

	return session_place_take(p->s, p->value, len, ret);
}

static int
merge_run(void *ctx, struct session *s, struct slice a, struct slice b, struct held_value *value)
{
	const struct mb_merge *merge = ctx;
	struct place place = { s, value };
	struct mb_merged out = { .take = place_take, .ctx = &place };
	int err = merge->run(mb_slice_of(a.p, a.len), mb_slice_of(b.p, b.len), &out);

	return err == 0 && !out.done ? MB_ERR_FUNCTION_FAILED : err;
}

/* Finds a merge of the function's object. */
static int
merge_find(struct mb_call *call, const char *verb, const char *name, struct merge_fn *ret)
{
	if (unlikely(call->session == NULL)) {
		return ulib_no_state(call);
	}
	for (uint32_t i = 0; i < call->fn->merge_cnt; i++) {
		const struct mb_merge *m = call->fn->merge[i];

		if (strcmp(m->name, name) == 0) {
			*ret = (struct merge_fn){ .name = slice_str(m->name),
						  .run = merge_run,
						  .ctx = (void *)(uintptr_t)m };
			return 0;
		}
	}
	return call_refuse(call, MB_ERR_NO_FUNCTION, verb,
			   "the function's object defines no merge of that name");
}

int
mb_put_merged(struct mb_call *call, struct mb_slice key, const char *merge, struct mb_slice value)
{
	struct merge_fn by;
	int err = merge_find(call, "mb_put_merged", merge, &by);

	if (err != 0) {
		return err;
	}
	return ulib_outcome(call,
			    session_put_merged(call->session, ulib_in(key), &by, ulib_in(value)),
			    "mb_put_merged", key);
}

int
mb_get_merged(struct mb_call *call, struct mb_slice key, const char *merge, struct mb_slice *ret)
{
	struct merge_fn by;
	struct slice got;
	int err = merge_find(call, "mb_get_merged", merge, &by);

	if (err != 0) {
		return err;
	}
	err = session_get_merged(call->session, ulib_in(key), &by, &got);
	if (err != 0) {
		return ulib_refuse(call, err, "mb_get_merged", key);
	}
	*ret = mb_slice_of(got.p, got.len);
	return 0;
}
