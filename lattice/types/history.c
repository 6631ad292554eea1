/* SPDX-License-Identifier: Apache-2.0 */
/* history.c - sets of events, as runs
 *
 * Every function is one walk over both, in the order of (writer, first). As the runs of a history
 * do not touch, a run that is in another history is within one run of it.
 */
#include "history.h"

#include "codec.h"
#include "compiler.h"

struct run {
	uint64_t writer, first, last;
};

static size_t
run_cnt(struct slice v)
{
	return v.len / HISTORY_RUN_BYTES;
}

static struct run
run_at(struct slice v, size_t idx)
{
	const uint8_t *p = v.p + idx * HISTORY_RUN_BYTES;

	return (struct run){ codec_u64(p), codec_u64(p + 8), codec_u64(p + 16) };
}

static void
run_put(struct wbuf *out, struct run r)
{
	wbuf_u64(out, r.writer);
	wbuf_u64(out, r.first);
	wbuf_u64(out, r.last);
}

/* In the order of where they begin. */
static bool
run_before(struct run a, struct run b)
{
	return a.writer != b.writer ? a.writer < b.writer : a.first < b.first;
}

int
history_check(struct slice v)
{
	if (v.len % HISTORY_RUN_BYTES != 0) {
		return MB_ERR_CORRUPT;
	}
	for (size_t i = 0; i < run_cnt(v); i++) {
		struct run r = run_at(v, i), prev = { 0 };

		if (r.first == 0 || r.last < r.first || r.last == UINT64_MAX) {
			return MB_ERR_CORRUPT;
		}
		if (i == 0) {
			continue;
		}
		prev = run_at(v, i - 1);
		if (prev.writer > r.writer ||
		    (prev.writer == r.writer && prev.last + 1 >= r.first)) {
			return MB_ERR_CORRUPT;
		}
	}
	return 0;
}

void
history_put(struct wbuf *out, struct writer_id writer, uint64_t event)
{
	run_put(out, (struct run){ writer.v, event, event });
}

int
history_join(struct slice a, struct slice b, struct wbuf *out)
{
	struct wbuf before = *out;
	size_t i = 0, j = 0;
	struct run open = { 0 }; /* not put yet; first 0: none */

	while (i < run_cnt(a) || j < run_cnt(b)) {
		bool from_a = j >= run_cnt(b) ||
			      (i < run_cnt(a) && !run_before(run_at(b, j), run_at(a, i)));
		struct run r = from_a ? run_at(a, i++) : run_at(b, j++);

		if (open.first != 0 && r.writer == open.writer && r.first - 1 <= open.last) {
			open.last = MAX(open.last, r.last);
			continue;
		}
		if (open.first != 0) {
			run_put(out, open);
		}
		open = r;
	}
	if (open.first != 0) {
		run_put(out, open);
	}
	return codec_done(out, before);
}

int
history_meet(struct slice a, struct slice b, struct wbuf *out)
{
	struct wbuf before = *out;
	size_t i = 0, j = 0;

	while (i < run_cnt(a) && j < run_cnt(b)) {
		struct run ra = run_at(a, i), rb = run_at(b, j);
		struct run both = { ra.writer, MAX(ra.first, rb.first), MIN(ra.last, rb.last) };

		if (ra.writer != rb.writer) {
			i += ra.writer < rb.writer;
			j += rb.writer < ra.writer;
			continue;
		}
		if (both.first <= both.last) {
			run_put(out, both);
		}
		i += ra.last <= rb.last;
		j += rb.last <= ra.last;
	}
	return codec_done(out, before);
}

bool
history_leq(struct slice a, struct slice b)
{
	size_t j = 0;

	for (size_t i = 0; i < run_cnt(a); i++) {
		struct run ra = run_at(a, i), rb;

		while (j < run_cnt(b) &&
		       (run_at(b, j).writer < ra.writer ||
			(run_at(b, j).writer == ra.writer && run_at(b, j).last < ra.first))) {
			j++;
		}
		if (j == run_cnt(b)) {
			return false;
		}
		rb = run_at(b, j);
		if (rb.writer != ra.writer || rb.first > ra.first || rb.last < ra.last) {
			return false;
		}
	}
	return true;
}

uint64_t
history_last(struct slice v, struct writer_id writer)
{
	uint64_t last = 0;

	for (size_t i = 0; i < run_cnt(v); i++) {
		struct run r = run_at(v, i);

		if (r.writer == writer.v) {
			last = r.last;
		}
	}
	return last;
}
