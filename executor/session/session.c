/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - a session's life
 *
 * A call that neither reads nor writes pays for begin and end a dozen loads and stores: every table
 * is emptied by a counter (chain.h), and only if something was put into it.
 */
#include "session.h"

#include <sys/mman.h>

#include "check.h"
#include "compiler.h"
#include "microburst/error.h"
#include "session_int.h"

int
session_create(struct session **ret, const struct session_conf *conf)
{
	struct session *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	REQUIRE(conf->cache_cnt > 0, "cache_cnt=%u", conf->cache_cnt);
	REQUIRE(conf->cache_cnt <= CACHE_TILE_MAX, "cache_cnt=%u", conf->cache_cnt);
	if (s == MAP_FAILED) {
		return MB_ERR_NO_MEMORY;
	}
	s->conf = *conf;
	chain_init(&s->keys, s->key_bucket, SESSION_KEY_BUCKETS);
	chain_init(&s->elems, s->elem_bucket, SESSION_ELEM_BUCKETS);
	chain_init(&s->views, s->view_bucket, SESSION_VIEW_BUCKETS);
	chain_init(&s->cuts, s->cut_bucket, SESSION_CUT_MAX);
	*ret = s;
	return 0;
}

void
session_destroy(struct session *s)
{
	munmap(s, sizeof(*s));
}

void
session_begin(struct session *s, const struct session_call *call)
{
	REQUIRE(s->pending_cnt == 0, "pending_cnt=%u", s->pending_cnt);
	REQUIRE(s->key_cnt == 0, "key_cnt=%u", s->key_cnt);
	REQUIRE(s->cut_cnt == 0, "cut_cnt=%u", s->cut_cnt);
	s->call = *call;
	s->published = false;
	s->quiet = false;
	s->why = NULL;
}

void
session_read_only(struct session *s, bool read_only)
{
	s->quiet = read_only;
}

void
session_ack(struct session *s, uint8_t ack)
{
	s->call.ack = ack;
}

bool
session_published(const struct session *s)
{
	return s->published;
}

const char *
session_why(const struct session *s)
{
	return s->why;
}

bool
session_written(const struct session *s)
{
	return s->key_cnt != 0;
}

void
session_discard(struct session *s)
{
	s->set_bytes = 0;
	s->set_ops = 0;
	if (s->key_cnt != 0) {
		chain_clear(&s->keys);
		s->key_cnt = 0;
	}
	if (s->elem_cnt != 0) {
		chain_clear(&s->elems);
		s->elem_cnt = 0;
	}
}

void
session_views_end(struct session *s)
{
	if (s->view_cnt == 0) {
		return;
	}
	if (s->cut_cnt == 0) { /* or the views own nothing */
		cache_view_release_all(s->conf.view);
	}
	chain_clear(&s->views);
	s->view_cnt = 0;
	s->view_free = 0;
}

int
session_end(struct session *s)
{
	while (unlikely(s->pending_cnt != 0)) {
		struct desc d;
		int n = s->conf.wait->answer(s->conf.wait->ctx, 0, &d);

		if (n < 0) {
			return n;
		}
		session_on_answer(s, &d);
	}
	session_discard(s);
	session_views_end(s);
	cut_end(s);
	for (uint32_t i = 0; i < s->owned_cnt; i++) {
		payload_release(s->conf.pool, s->owned[i].ref.handle, s->conf.proc);
	}
	s->owned_cnt = 0;
	s->bytes_len = 0;
	return 0;
}

uint32_t
session_held(const struct session *s)
{
	uint32_t cnt = s->key_cnt + s->elem_cnt + s->owned_cnt + s->pending_cnt + s->cut_cnt;

	for (uint32_t i = 0; i < s->view_cnt; i++) {
		cnt += s->view[i].used;
	}
	return cnt + cache_view_held(s->conf.view);
}
