/* SPDX-License-Identifier: Apache-2.0 */
/* session_fixture - a session before a real cache and store, for the tests of session*.c */
#ifndef MB_TEST_SESSION_FIXTURE_H
#define MB_TEST_SESSION_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec_world.h"
#include "session.h"
#include "test_cmocka.h"
#include <microburst/error.h>

#define CALL UINT64_C(77)

static struct world *w;
static struct session *s;

static inline int
setup_with(uint32_t cache_cnt)
{
	struct session_conf conf;

	w = world_make(cache_cnt);
	conf = (struct session_conf){ .pool = w->pool,
				      .view = &w->view,
				      .cache_cnt = cache_cnt,
				      .proc = WORLD_PROC,
				      .wait = &w->wait,
				      .commit = &w->commit };
	assert_int_equal(session_create(&s, &conf), 0);
	session_begin(s, &(struct session_call){ .id = CALL });
	return 0;
}

static inline int
setup(void **state)
{
	return setup_with(1);
}

static inline int
setup_tiles(void **state)
{
	return setup_with(3);
}

static inline int
teardown(void **state)
{
	w->hold = false;
	assert_int_equal(session_end(s), 0);
	assert_int_equal(session_held(s), 0);
	session_destroy(s);
	world_end(w);
	return 0;
}

static inline struct slice
k(const char *text)
{
	return slice_str(text);
}

static inline void
begin(uint64_t deadline_ns)
{
	assert_int_equal(session_end(s), 0);
	assert_int_equal(session_held(s), 0);
	session_begin(s, &(struct session_call){ .id = CALL, .deadline_ns = deadline_ns });
}

static inline void
assert_shows(const char *key, const char *text)
{
	struct slice got;

	assert_int_equal(session_get(s, k(key), &got), 0);
	assert_int_equal(got.len, strlen(text));
	assert_memory_equal(got.p, text, got.len);
}

static inline void
assert_absent(const char *key)
{
	struct slice got;

	assert_int_equal(session_get(s, k(key), &got), MB_ERR_NOT_FOUND);
}

#endif
