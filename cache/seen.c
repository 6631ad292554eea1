/* SPDX-License-Identifier: Apache-2.0 */
#include "seen.h"

#include <assert.h>

#include "history.h"
#include "lattice.h"
#include "lww.h"
#include "microburst/error.h"
#include "mvreg.h"
#include "pair_lex.h"

/* Equal as text too: NOLINTNEXTLINE(misc-redundant-expression) */
static_assert(MERGED_OVERHEAD == LWW_OVERHEAD + PAIR_LEX_OVERHEAD, "a name is a LWW");
static_assert(SEEN_CONTEXT_MAX == HISTORY_RUN_BYTES * MVREG_SIBLING_MAX, "one run a sibling");

int
seen_put_tail(struct wbuf *out, const struct seen *seen)
{
	size_t start = out->len;

	if (seen->context.len > SEEN_CONTEXT_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	wbuf_put(out, seen->context.p, seen->context.len);
	wbuf_u64(out, seen->epoch.writer.v);
	wbuf_u64(out, seen->epoch.time.v);
	wbuf_u32(out, (uint32_t)seen->context.len);
	if (out->full) {
		out->len = start;
		return MB_ERR_TOO_LARGE;
	}
	return 0;
}

int
seen_open(struct slice bytes, struct seen *ret)
{
	struct seen seen = { .value = bytes };
	struct rbuf tail;
	uint32_t len;

	if (bytes.len < SEEN_OVERHEAD) {
		return MB_ERR_CORRUPT;
	}
	seen.value.len -= SEEN_OVERHEAD;
	tail = rbuf_of(slice_of(bytes.p + seen.value.len, SEEN_OVERHEAD));
	seen.epoch.writer.v = rbuf_u64(&tail);
	seen.epoch.time.v = rbuf_u64(&tail);
	len = rbuf_u32(&tail);
	if (len > SEEN_CONTEXT_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	if (len > seen.value.len) {
		return MB_ERR_CORRUPT;
	}
	seen.value.len -= len;
	seen.context = slice_of(seen.value.p + seen.value.len, len);
	*ret = seen;
	return history_check(seen.context);
}

int
seen_of(struct slice mvreg, struct stamp epoch, uint8_t mem[2 * SEEN_CONTEXT_MAX], struct seen *ret)
{
	struct wbuf out = wbuf_init(mem, 2 * SEEN_CONTEXT_MAX);
	int err = mvreg_context(mvreg, &out);

	if (err == 0 && out.len > SEEN_CONTEXT_MAX) {
		err = MB_ERR_TOO_LARGE;
	}
	if (err == 0) {
		*ret = (struct seen){ .context = wbuf_slice(&out), .epoch = epoch };
	}
	return err;
}

bool
seen_covers(const struct seen *seen, struct stamp epoch, const struct mvreg_sibling *s)
{
	return stamp_cmp(seen->epoch, epoch) == 0 && history_leq(s->history, seen->context);
}

bool
merged_by(unsigned int type, struct slice state, struct slice *ret_name, struct slice *ret_mvreg)
{
	struct stamp stamp;
	struct pair_lex p;

	if (type == LATTICE_MVREG) {
		*ret_name = slice_of(NULL, 0);
		*ret_mvreg = state;
		return true;
	}
	if (type != LATTICE_PAIR_LEX || pair_lex_open(state, &p) != 0 ||
	    p.first_type != LATTICE_LWW || p.second_type != LATTICE_MVREG ||
	    lww_read(p.first, ret_name, &stamp) != 0) {
		return false;
	}
	*ret_mvreg = p.second;
	return true;
}

int
merged_put_tail(struct slice name, struct wbuf *out)
{
	struct pair_lex p = { .first_type = LATTICE_LWW, .second_type = LATTICE_MVREG };
	struct wbuf before = *out;
	int err = lww_delta_set((struct stamp){ 0 }, name, out);

	if (err == 0) {
		p.first.len = out->len - before.len;
		err = pair_lex_write_tail(&p, out);
	}
	if (err != 0) {
		*out = before;
	}
	return err;
}
