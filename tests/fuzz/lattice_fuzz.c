/* SPDX-License-Identifier: Apache-2.0 */
/* Values from outside: a peer's datagram, a file, a region that a hostile process has scribbled
 * over.
 *
 *	type u8 | length of a, u16 | a | b
 *
 * Whatever comes, no function of lattice/types reads or writes outside what it was given. Of two
 * values that lattice_check lets through, the merge is a value again, the same from both sides,
 * above both, and within the bound; and each reads back through its readers.
 */
#include <stdlib.h>

#include "check.h"
#include "clear.h"
#include "counter.h"
#include "envelope.h"
#include "gset.h"
#include "lattice.h"
#include "list.h"
#include "lww.h"
#include "map.h"
#include "microburst/error.h"
#include "history.h"
#include "mvreg.h"
#include "orset.h"
#include "oset.h"
#include "pair_lex.h"
#include "scalar.h"
#include "score.h"
#include "slice.h"
#include "strval.h"
#include "vclock.h"
#include "view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Sums up, so that no read is optimised away. */
static unsigned int
touch(struct slice s)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < s.len; i++) {
		sum += s.p[i];
	}
	return sum;
}

/* Every reader, on bytes that were not checked. */
static unsigned int
read_all(unsigned int type, struct slice v, struct slice key)
{
	const struct writer_id writer = { 1 };
	char text[VIEW_TEXT_MAX];
	struct map_field field;
	struct mvreg_sibling sibling;
	struct list_item item;
	struct pair_lex pair;
	struct envelope e;
	double score;
	struct slice part;
	unsigned int sum = view_present(type, v);
	int64_t number;

	if (view_text(type, v, text, &part) == 0) {
		sum += touch(part);
	}
	sum += view_i64(type, v, &number) == 0;
	for (uint32_t i = 0; gset_at(v, i, &part); i++) {
		sum += touch(part);
	}
	for (uint32_t i = 0; map_at(v, i, &field); i++) {
		sum += touch(field.key) + touch(field.value);
	}
	for (struct table_walk i = { 0 }; map_next(v, &i, &field);) {
		sum += touch(field.key);
	}
	for (struct table_walk i = { 0 }; orset_next(v, &i, &part);) {
		sum += touch(part);
	}
	for (struct table_walk i = { 0 }; list_next(v, &i, &item);) {
		sum += touch(item.id) + touch(item.value) + list_find(v, item.id, &item);
	}
	for (uint32_t i = UINT32_MAX; list_prev(v, &i, &item);) {
		sum += touch(item.value);
	}
	for (struct table_walk i = { 0 }; oset_next(v, &i, &part, &score);) {
		sum += touch(part);
	}
	for (uint32_t i = 0; mvreg_next(v, &i, &sibling);) {
		sum += touch(sibling.value) + touch(sibling.history) + touch(sibling.dependencies);
	}
	if (pair_lex_open(v, &pair) == 0) {
		sum += touch(pair.first) + touch(pair.second);
	}
	sum += orset_has(v, key) + view_cnt(type, v) + (oset_score(v, key, &score) == 0);
	sum += gset_has(v, key) + gset_cnt(v) + map_get(v, key, &field) + map_cnt(v);
	sum += (unsigned int)vclock_get(v, writer) + vclock_compare(v, key);
	if (envelope_open(v, &e) == 0) {
		sum += touch(e.state) + touch(e.context) + touch(e.dependencies);
	}
	return sum;
}

/* Every delta, from a state that was not checked. */
static void
make_deltas(struct slice v)
{
	const struct writer_id writer = { 1 };
	const struct stamp stamp = { { 1 }, writer };
	const size_t cap = 2 * v.len + STRVAL_ADD_BYTES_MAX;
	uint8_t *buf = malloc(cap);
	struct wbuf out = wbuf_init(buf, cap);

	REQUIRE(buf != NULL);
	(void)counter_delta_add(v, writer, -1, &out);
	(void)counter_delta_del(v, &out);
	out = wbuf_init(buf, cap);
	(void)strval_delta_add(v, writer, 1, &out);
	(void)strval_delta_del(v, &out);
	out = wbuf_init(buf, cap);
	(void)score_delta_add(v, writer, 0.5, &out);
	(void)score_delta_del(v, &out);
	out = wbuf_init(buf, cap);
	(void)orset_delta_remove(v, slice_of(v.p, v.len < 2 ? 0 : 1), &out);
	out = wbuf_init(buf, cap);
	(void)list_delta_push(v, stamp, LIST_LEFT, slice_of(NULL, 0), &out);
	out = wbuf_init(buf, cap);
	(void)mvreg_delta_merged(v, v, slice_of(NULL, 0), slice_of(NULL, 0), &out);
	out = wbuf_init(buf, cap);
	(void)history_meet(v, v, &out);
	for (unsigned int type = 0; type < LATTICE_TYPE_CNT; type++) {
		out = wbuf_init(buf, cap);
		(void)lattice_clear(type, v, &out);
	}
	free(buf);
}

static int
merge(unsigned int type, struct slice a, struct slice b, struct wbuf *out)
{
	const size_t bound = lattice_merge_bound(a, b);

	*out = wbuf_init(malloc(bound + 1), bound); /* one more: malloc(0) may be NULL */
	REQUIRE(out->p != NULL);
	return lattice_merge_into(type, a, b, out);
}

static void
merge_values(unsigned int type, struct slice a, struct slice b)
{
	struct slice ab, ba;
	struct wbuf out_ab, out_ba;

	REQUIRE(merge(type, a, b, &out_ab) > 0);
	REQUIRE(merge(type, b, a, &out_ba) > 0);
	ab = wbuf_slice(&out_ab);
	ba = wbuf_slice(&out_ba);
	REQUIRE(lattice_check(type, ab) == 0);
	REQUIRE(slice_eq(ab, ba));
	REQUIRE(lattice_leq(type, a, ab));
	REQUIRE(lattice_leq(type, b, ab));
	REQUIRE(lattice_leq(type, a, b) == slice_eq(ab, b));
	free(out_ab.p);
	free(out_ba.p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rbuf r = rbuf_of(slice_of(data, len));
	const unsigned int type = rbuf_u8(&r);
	const struct slice a = rbuf_take(&r, rbuf_u16(&r));
	const struct slice b = rbuf_take(&r, r.len);

	if (r.bad) {
		return 0;
	}
	(void)read_all(type, a, b);
	make_deltas(a);
	if (lattice_check(type, a) == 0 && lattice_check(type, b) == 0) {
		merge_values(type, a, b);
	} else {
		struct wbuf out;

		(void)merge(type, a, b, &out);
		(void)lattice_leq(type, a, b);
		free(out.p);
	}
	return 0;
}
