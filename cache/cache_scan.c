/* SPDX-License-Identifier: Apache-2.0 */
/* cache_scan - a page of keys, gathered from all kvs tiles
 *
 * Each kvs tile gives the first keys of its own that are asked for, in order; the page is their
 * merge, up to the point where one of them has been used up but has more to give: what comes after
 * that is not known yet. So a page is right as far as it goes, and there is another one behind it.
 *
 *   I1  A part that was asked for more than it could look at in one piece is asked again, until it
 *       has a key to give or nothing more. So each page but the last has at least one key.
 *
 * Memory is taken at the start, for CACHE_SCAN_MAX scans.
 */
#include <stdlib.h>
#include <string.h>

#include "cache_state.h"
#include "check.h"
#include "microburst/error.h"

#define PART_BYTES_MIN ((size_t)8 << 10) /* a key of the greatest length, several times */

int
cache_scan_create(struct cache_core *c)
{
	uint32_t kvs_cnt = c->cfg.kvs_cnt;

	c->scan_part_bytes = MAX(CACHE_SCAN_PAGE_BYTES / kvs_cnt, PART_BYTES_MIN);
	c->scan_parts = calloc((size_t)CACHE_SCAN_MAX * kvs_cnt, sizeof(*c->scan_parts));
	c->scan_mem = malloc(CACHE_SCAN_MAX * kvs_cnt * c->scan_part_bytes);
	if (c->scan_parts == NULL || c->scan_mem == NULL) {
		cache_scan_destroy(c);
		return MB_ERR_NO_MEMORY;
	}
	for (uint32_t i = 0; i < CACHE_SCAN_MAX; i++) {
		c->scan[i].part = &c->scan_parts[i * kvs_cnt];
		c->scan[i].part_mem = c->scan_mem + i * kvs_cnt * c->scan_part_bytes;
	}
	return 0;
}

void
cache_scan_destroy(struct cache_core *c)
{
	free(c->scan_parts);
	free(c->scan_mem);
}

/* -------------------------------------------------------------------- the answer */

static void
scanned(struct cache_core *c, const struct cache_scan *s, int err, struct desc *d)
{
	d->kind = DESC_SCANNED;
	d->err = (int16_t)err;
	d->call = s->call;
	d->b = s->b;
	cache_core_answer(c, s->proc, s->inc, d);
}

static void
scanned_err(struct cache_core *c, const struct cache_scan *s, int err)
{
	struct desc d = { .flags = DESC_F_INLINE };

	scanned(c, s, err, &d);
}

/* One part's keys, as far as they have been used. */
struct part {
	struct rbuf list;
	struct slice key; /* the next one; len 0: none */
};

static void
part_next(struct part *p)
{
	if (cache_scan_next(&p->list, &p->key) != 1) {
		p->key = slice_of(NULL, 0);
	}
}

/* Merges the parts into the page. Returns: how many keys; *ret_more: whether there are others. */
static uint32_t
page_merge(struct cache_core *c, const struct cache_scan *s, struct wbuf *page, bool *ret_more)
{
	uint32_t kvs_cnt = c->cfg.kvs_cnt, cnt = 0;
	struct part part[CACHE_KVS_MAX];

	for (uint32_t i = 0; i < kvs_cnt; i++) {
		part[i].list = rbuf_of(wbuf_slice(&s->part[i].out));
		part_next(&part[i]);
	}
	for (;;) {
		struct part *least = NULL;

		*ret_more = false;
		for (uint32_t i = 0; i < kvs_cnt; i++) {
			if (part[i].key.len == 0 && s->part[i].more) {
				*ret_more = true; /* and where, is not known */
				return cnt;
			}
			if (part[i].key.len != 0 &&
			    (least == NULL || slice_cmp(part[i].key, least->key) < 0)) {
				least = &part[i];
			}
		}
		if (least == NULL) {
			return cnt;
		}
		if (cnt == s->limit || page->cap - page->len < sizeof(uint16_t) + least->key.len) {
			*ret_more = true;
			return cnt;
		}
		wbuf_u16(page, (uint16_t)least->key.len);
		wbuf_put(page, least->key.p, least->key.len);
		cnt++;
		part_next(least);
	}
}

static void
finish(struct cache_core *c, struct cache_scan *s)
{
	struct cache_proc *p = &c->proc[s->proc];
	struct wbuf page = wbuf_init(c->page, sizeof(c->page));
	struct desc d = { 0 };
	uint8_t *mem;
	bool more;
	int err;

	s->busy = false;
	if (p->inc != s->inc) {
		return; /* nobody there: no page is to be held */
	}
	d.a = (uint16_t)page_merge(c, s, &page, &more);
	d.sub = more;
	if (page.len <= sizeof(d.data)) {
		d.flags = DESC_F_INLINE;
		d.len = (uint8_t)page.len;
		memcpy(d.data, page.p, page.len);
	} else {
		err = p->page_cnt < CACHE_PAGE_MAX ? c->cfg.ops.page_alloc(c->cfg.ops.ctx, s->proc,
									   page.len, &d.ref, &mem)
						   : MB_ERR_BUSY;
		if (err != 0) {
			scanned_err(c, s, err);
			return;
		}
		memcpy(mem, page.p, page.len);
		p->page_cnt++;
	}
	c->stats.scanned++;
	scanned(c, s, 0, &d);
}

/* --------------------------------------------------------------------- the parts */

static void
part_ask(struct cache_core *c, struct cache_scan *s, uint32_t kvs)
{
	struct kvs_scan *part = &s->part[kvs];
	struct desc d = { .kind = DESC_KVS_SCAN };

	d.b = (uint64_t)(s - c->scan) << 32 | kvs;
	d.word[0] = (uintptr_t)part;
	cache_core_to_kvs(c, kvs, &d);
}

void
cache_scan_part(struct cache_core *c, const struct desc *d)
{
	struct cache_scan *s = &c->scan[d->b >> 32];
	uint32_t kvs = (uint32_t)d->b;
	struct kvs_scan *part = &s->part[kvs];

	REQUIRE(d->b >> 32 < CACHE_SCAN_MAX);
	REQUIRE(kvs < c->cfg.kvs_cnt);
	REQUIRE(s->busy);
	if (part->cnt == 0 && part->more) {
		part->after = part->last; /* keeps I1 */
		part_ask(c, s, kvs);
		return;
	}
	if (--s->pending == 0) {
		finish(c, s);
	}
}

/* Copies a request and takes it apart. Returns: 0 with s filled; an error. */
static int
req_copy(struct cache_core *c, const struct desc *d, struct cache_scan *s, struct slice *ret_after)
{
	const uint8_t *p = d->data;
	uint32_t len = d->len;
	int err;

	if ((d->flags & DESC_F_INLINE) == 0) {
		len = d->ref.len;
		if (len > sizeof(s->req)) {
			return MB_ERR_TOO_LARGE;
		}
		if (c->cfg.ops.view(c->cfg.ops.ctx, &d->ref, &p) != 0) {
			return MB_ERR_INVALID;
		}
	}
	memcpy(s->req, p, len);
	err = cache_scan_req_parse(slice_of(s->req, len), &s->prefix, ret_after, &s->limit);
	if (err == 0 && s->limit == 0) {
		s->limit = UINT16_MAX; /* more than a page holds */
	}
	return err;
}

void
cache_scan_start(struct cache_core *c, uint16_t proc, const struct desc *d)
{
	struct cache_scan asker = { .proc = proc,
				    .inc = c->proc[proc].inc,
				    .call = d->call,
				    .b = d->b };
	struct cache_scan *s = c->scan;
	struct slice after;
	int err;

	while (s < &c->scan[CACHE_SCAN_MAX] && s->busy) {
		s++;
	}
	if (s == &c->scan[CACHE_SCAN_MAX]) {
		scanned_err(c, &asker, MB_ERR_BUSY);
		return;
	}
	err = req_copy(c, d, s, &after);
	if (err != 0) {
		scanned_err(c, &asker, err);
		return;
	}
	s->busy = true;
	s->proc = proc;
	s->inc = asker.inc;
	s->call = d->call;
	s->b = d->b;
	s->pending = c->cfg.kvs_cnt;
	for (uint32_t i = 0; i < c->cfg.kvs_cnt; i++) {
		s->part[i] = (struct kvs_scan){
			.prefix = s->prefix,
			.after = after,
			.now = hlc_time_of_us(timebase_wall_us(c->cfg.timebase)),
			.out = wbuf_init(s->part_mem + i * c->scan_part_bytes, c->scan_part_bytes),
			.limit = s->limit,
		};
	}
	for (uint32_t i = 0; i < c->cfg.kvs_cnt; i++) {
		part_ask(c, s, i);
	}
}
