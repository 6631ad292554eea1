/* SPDX-License-Identifier: Apache-2.0 */
/* envelope.c - epoch over a typed value
 *
 * Why the merge is a merge: an envelope is the lexicographic pair of the epoch, which is a chain,
 * and of (typed state, expiry, context, dependencies), which merge part by part. The greater first
 * component wins whole; equal ones merge the second. Lexicographic pairs are associative because
 * the first component is a chain: in any grouping, what is left is the merge of exactly those
 * values whose epoch is the greatest of all. A typed state is such a pair again, of the type's id
 * and the state, with one bottom below all types.
 *
 * That a whole epoch wins is what lets a SET really set: an increment of the old epoch that arrives
 * late does not add to the new value. An increment concurrent with the SET is lost by it; this is
 * one of the two losses that SEMANTICS counts.
 *
 * I1  type is ABSENT exactly if the state is bottom: "no value" has one encoding in each epoch.
 * I2  never written (epoch 0, ABSENT, no sections) is the empty slice, never 18 bytes.
 */
#include "envelope.h"

#include "check.h"
#include "codec.h"
#include "compiler.h"
#include "map.h"
#include "microburst/error.h"
#include "tree.h"

enum {
	FORMAT = 1,
	FORMAT_SHIFT = 4,
	HAS_EXPIRY = 1,
	HAS_CONTEXT = 2,
	HAS_DEPENDENCIES = 4,
	HAS_ALL = 7
};

#define EXPIRY_BYTES     (8 + STAMP_BYTES)
#define SECTION_OVERHEAD sizeof(uint32_t)

static_assert(ENVELOPE_OVERHEAD == STAMP_BYTES + 2, "epoch, type, tail");
static_assert(ENVELOPE_EXPIRY_OVERHEAD == EXPIRY_BYTES + SECTION_OVERHEAD, "");

static bool
expiry_is_zero(const struct expiry *e)
{
	return e->deadline.v == 0 && stamp_is_zero(e->stamp);
}

static int
expiry_cmp(const struct expiry *a, const struct expiry *b)
{
	int diff = stamp_cmp(a->stamp, b->stamp);

	if (diff != 0) {
		return diff;
	}
	return (a->deadline.v > b->deadline.v) - (a->deadline.v < b->deadline.v);
}

struct expiry
envelope_expiry_later(const struct expiry *a, const struct expiry *b)
{
	return expiry_cmp(a, b) >= 0 ? *a : *b;
}

/* -------------------------------------------------------------------------------------- opening */

/* Takes the last section off rest. */
static int
section_open(struct slice *rest, struct slice *ret_body)
{
	uint32_t len;

	if (rest->len < SECTION_OVERHEAD) {
		return MB_ERR_CORRUPT;
	}
	len = codec_u32(codec_cut(rest, SECTION_OVERHEAD).p);
	if (len == 0 || len > rest->len) {
		return MB_ERR_CORRUPT;
	}
	*ret_body = codec_cut(rest, len);
	return 0;
}

static noinline int
sections_open(unsigned int sections, struct envelope e, struct envelope *ret_envelope)
{
	struct slice body;

	/* From the end, so in falling order of bits. */
	if (sections & HAS_DEPENDENCIES && section_open(&e.state, &e.dependencies) < 0) {
		return MB_ERR_CORRUPT;
	}
	if (sections & HAS_CONTEXT && section_open(&e.state, &e.context) < 0) {
		return MB_ERR_CORRUPT;
	}
	if (sections & HAS_EXPIRY) {
		if (section_open(&e.state, &body) < 0 || body.len != EXPIRY_BYTES) {
			return MB_ERR_CORRUPT;
		}
		e.expiry.deadline.v = codec_u64(body.p);
		e.expiry.stamp = codec_stamp(body.p + 8);
		if (expiry_is_zero(&e.expiry)) {
			return MB_ERR_CORRUPT;
		}
	}
	*ret_envelope = e;
	return 0;
}

/* The envelope of a tree: its state is what the slice stands for. */
static noinline int
tree_open(struct slice v, struct envelope *ret_envelope)
{
	int rc = envelope_open(slice_tree(v)->envelope, ret_envelope);

	ret_envelope->state = v;
	return rc;
}

int
envelope_open(struct slice v, struct envelope *ret_envelope)
{
	const uint8_t *trailer;
	unsigned int tail;

	if (unlikely(v.len == 0)) {
		*ret_envelope = (struct envelope){ 0 };
		return 0;
	}
	if (unlikely(slice_is_tree(v))) {
		return tree_open(v, ret_envelope);
	}
	if (v.len < ENVELOPE_OVERHEAD) {
		return MB_ERR_CORRUPT;
	}
	trailer = codec_cut(&v, ENVELOPE_OVERHEAD).p;
	tail = trailer[STAMP_BYTES + 1];
	if (tail >> FORMAT_SHIFT != FORMAT || (tail & ~(FORMAT << FORMAT_SHIFT) & ~HAS_ALL) != 0) {
		return MB_ERR_VERSION;
	}
	if (unlikely(tail & HAS_ALL)) {
		struct envelope e = { .epoch = codec_stamp(trailer),
				      .type = trailer[STAMP_BYTES],
				      .state = v };

		return sections_open(tail & HAS_ALL, e, ret_envelope);
	}
	/* Part by part: gcc 12 zeroes a struct of this size by `rep stos`, 20 ns each time. */
	ret_envelope->epoch = codec_stamp(trailer);
	ret_envelope->type = trailer[STAMP_BYTES];
	ret_envelope->state = v;
	ret_envelope->expiry = (struct expiry){ 0 };
	ret_envelope->context = slice_of(NULL, 0);
	ret_envelope->dependencies = slice_of(NULL, 0);
	return 0;
}

static int
dependencies_check(struct slice v, unsigned int depth)
{
	struct map_field f;
	int rc = lattice_check_depth(LATTICE_MAP, v, depth);

	for (uint32_t i = 0; rc == 0 && map_at(v, i, &f); i++) {
		rc = f.type == LATTICE_VCLOCK ? 0 : MB_ERR_CORRUPT;
	}
	return rc;
}

static int
parts_check(const struct envelope *e, unsigned int depth)
{
	int rc;

	if (e->type >= LATTICE_TYPE_CNT) {
		return MB_ERR_TYPE;
	}
	if (e->type == LATTICE_ENVELOPE || (e->type == LATTICE_ABSENT) != (e->state.len == 0)) {
		return MB_ERR_CORRUPT; /* I1 */
	}
	rc = lattice_check_depth(e->type, e->state, depth);
	if (rc == 0) {
		rc = lattice_check_depth(LATTICE_VCLOCK, e->context, depth);
	}
	if (rc == 0) {
		rc = dependencies_check(e->dependencies, depth);
	}
	return rc;
}

static bool
never_written(const struct envelope *e)
{
	return e->state.len == 0 && stamp_is_zero(e->epoch) && expiry_is_zero(&e->expiry) &&
	       e->context.len == 0 && e->dependencies.len == 0;
}

int
envelope_check(struct slice v, unsigned int depth)
{
	struct envelope e;
	int rc = slice_is_tree(v) ? MB_ERR_CORRUPT : envelope_open(v, &e);

	if (rc < 0) {
		return rc;
	}
	return never_written(&e) ? MB_ERR_CORRUPT : parts_check(&e, depth); /* I2 */
}

bool
envelope_plain(struct slice v, unsigned int *ret_type, struct slice *ret_state)
{
	if (unlikely(slice_is_tree(v) || v.len < ENVELOPE_OVERHEAD ||
		     v.p[v.len - 1] != FORMAT << FORMAT_SHIFT)) {
		return false;
	}
	*ret_type = v.p[v.len - 2];
	*ret_state = slice_of(v.p, v.len - ENVELOPE_OVERHEAD);
	return true;
}

int
envelope_parse(struct slice v, struct envelope *ret_envelope)
{
	int rc = lattice_check(LATTICE_ENVELOPE, v);

	return rc < 0 ? rc : envelope_open(v, ret_envelope);
}

/* -------------------------------------------------------------------------------------- writing */

static void
put_section(struct wbuf *out, struct slice body)
{
	if (body.len != 0) {
		codec_put_slice(out, body);
		wbuf_u32(out, (uint32_t)body.len);
	}
}

static void
put_expiry(struct wbuf *out, const struct expiry *expiry)
{
	if (!expiry_is_zero(expiry)) {
		wbuf_u64(out, expiry->deadline.v);
		codec_put_stamp(out, expiry->stamp);
		wbuf_u32(out, EXPIRY_BYTES);
	}
}

static void
put_trailer(struct wbuf *out, struct stamp epoch, unsigned int type, unsigned int sections)
{
	codec_put_stamp(out, epoch);
	wbuf_u8(out, (uint8_t)type);
	wbuf_u8(out, (uint8_t)(FORMAT << FORMAT_SHIFT | sections));
}

static unsigned int
sections_of(const struct envelope *e)
{
	return (expiry_is_zero(&e->expiry) ? 0 : HAS_EXPIRY) |
	       (e->context.len == 0 ? 0 : HAS_CONTEXT) |
	       (e->dependencies.len == 0 ? 0 : HAS_DEPENDENCIES);
}

size_t
envelope_bytes(const struct envelope *envelope)
{
	const struct envelope *e = envelope;

	if (never_written(e)) {
		return 0;
	}
	return ENVELOPE_OVERHEAD + e->state.len +
	       (expiry_is_zero(&e->expiry) ? 0 : ENVELOPE_EXPIRY_OVERHEAD) +
	       (e->context.len == 0 ? 0 : e->context.len + SECTION_OVERHEAD) +
	       (e->dependencies.len == 0 ? 0 : e->dependencies.len + SECTION_OVERHEAD);
}

int
envelope_write_tail(const struct envelope *envelope, struct wbuf *out)
{
	const struct envelope *e = envelope;
	struct wbuf before = *out;

	put_expiry(out, &e->expiry);
	put_section(out, e->context);
	put_section(out, e->dependencies);
	put_trailer(out, e->epoch, e->type, sections_of(e));
	return codec_done(out, before);
}

int
envelope_write(const struct envelope *envelope, struct wbuf *out)
{
	const struct envelope *e = envelope;
	struct wbuf before = *out;
	struct envelope tail = *e;

	REQUIRE(e->type < LATTICE_TYPE_CNT, "type=%u", e->type);
	REQUIRE(e->type != LATTICE_ENVELOPE);
	REQUIRE(e->type != LATTICE_ABSENT || e->state.len == 0, "len=%zu", e->state.len);
	if (never_written(e)) {
		return 0;
	}
	codec_put_slice(out, e->state);
	tail.type = e->state.len != 0 ? e->type : LATTICE_ABSENT;
	(void)envelope_write_tail(&tail, out); /* says it in out->full, too */
	return codec_done(out, before);
}

/* -------------------------------------------------------------------------------------- merging */

/* What decides most merges, without taking the envelope apart. */
struct rank {
	struct stamp epoch;
	unsigned int type;
	unsigned int sections;
};

/* False if there is none: too short, or of another format. */
static inline bool
rank_of(struct slice v, struct rank *ret)
{
	const uint8_t *trailer;
	unsigned int tail;

	/* Too short, or a tree. */
	if (unlikely(v.len - ENVELOPE_OVERHEAD >= TREE_SLICE - ENVELOPE_OVERHEAD)) {
		return false;
	}
	trailer = codec_cut(&v, ENVELOPE_OVERHEAD).p;
	tail = trailer[STAMP_BYTES + 1];
	ret->epoch = codec_stamp(trailer);
	ret->type = trailer[STAMP_BYTES];
	ret->sections = tail & HAS_ALL;
	return likely((tail & ~(unsigned int)HAS_ALL) == FORMAT << FORMAT_SHIFT);
}

static inline int
type_cmp(unsigned int a, unsigned int b)
{
	return (a > b) - (a < b);
}

/* Merges one section, and closes it with its length. */
static int
section_merge(unsigned int type, struct slice a, struct slice b, struct wbuf *out,
	      unsigned int depth, struct lattice_verdict *verdict)
{
	size_t start = out->len;
	int rc = lattice_merge_part(type, a, b, out, depth, verdict);

	if (rc == 0 && out->len != start) {
		wbuf_u32(out, (uint32_t)(out->len - start));
	}
	return rc;
}

/* Merges two states, each of its type. */
static int
state_merge(const struct envelope *a, const struct envelope *b, struct wbuf *out,
	    unsigned int depth, struct lattice_verdict *verdict)
{
	const struct envelope *higher = a->type > b->type ? a : b;

	if (a->type == b->type) {
		return lattice_merge_part(a->type, a->state, b->state, out, depth, verdict);
	}
	codec_put_slice(out, higher->state);
	verdict->left = verdict->left && higher == a;
	verdict->right = verdict->right && higher == b;
	return 0;
}

/* Merges two envelopes of one epoch, of which one has sections. */
static noinline int
sections_merge(struct slice va, struct slice vb, struct wbuf *out, unsigned int depth)
{
	struct lattice_verdict verdict = { .left = true, .right = true };
	struct envelope a, b;
	int expiry, rc;

	if (envelope_open(va, &a) < 0 || envelope_open(vb, &b) < 0) {
		return MB_ERR_CORRUPT;
	}
	rc = state_merge(&a, &b, out, depth, &verdict);
	if (rc < 0) {
		return rc;
	}
	expiry = expiry_cmp(&a.expiry, &b.expiry);
	put_expiry(out, expiry >= 0 ? &a.expiry : &b.expiry);
	verdict.left = verdict.left && expiry >= 0;
	verdict.right = verdict.right && expiry <= 0;
	rc = section_merge(LATTICE_VCLOCK, a.context, b.context, out, depth, &verdict);
	if (rc < 0) {
		return rc;
	}
	rc = section_merge(LATTICE_MAP, a.dependencies, b.dependencies, out, depth, &verdict);
	if (rc < 0) {
		return rc;
	}
	put_trailer(out, a.epoch, MAX(a.type, b.type), sections_of(&a) | sections_of(&b));
	return lattice_verdict_side(verdict);
}

int
envelope_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth)
{
	struct rank ra, rb;
	int diff, side;

	if (unlikely(!rank_of(a, &ra) || !rank_of(b, &rb))) {
		return MB_ERR_CORRUPT;
	}
	diff = stamp_cmp(ra.epoch, rb.epoch);
	if (diff != 0) {
		return diff > 0 ? LATTICE_LEFT : LATTICE_RIGHT;
	}
	if (unlikely(ra.type == LATTICE_ENVELOPE || rb.type == LATTICE_ENVELOPE)) {
		return MB_ERR_CORRUPT; /* unchecked bytes, that would nest without end */
	}
	if (unlikely((ra.sections | rb.sections) != 0)) {
		return sections_merge(a, b, out, depth);
	}
	diff = type_cmp(ra.type, rb.type);
	if (unlikely(diff != 0)) {
		return diff > 0 ? LATTICE_LEFT : LATTICE_RIGHT;
	}
	/* Nothing but the state: the side that it equals is the side that the whole equals. */
	codec_cut(&a, ENVELOPE_OVERHEAD);
	codec_cut(&b, ENVELOPE_OVERHEAD);
	side = lattice_merge_depth(ra.type, a, b, out, depth);
	if (side == LATTICE_MIXED) {
		put_trailer(out, ra.epoch, ra.type, 0);
	}
	return side;
}

bool
envelope_leq(struct slice a, struct slice b, unsigned int depth)
{
	struct envelope ea, eb;
	int diff;

	if (envelope_open(a, &ea) < 0 || envelope_open(b, &eb) < 0) {
		return false;
	}
	diff = stamp_cmp(ea.epoch, eb.epoch);
	if (diff != 0) {
		return diff < 0;
	}
	if (ea.type > eb.type || eb.type == LATTICE_ENVELOPE) {
		return false;
	}
	return (ea.type < eb.type || lattice_leq_depth(ea.type, ea.state, eb.state, depth)) &&
	       expiry_cmp(&ea.expiry, &eb.expiry) <= 0 &&
	       lattice_leq_depth(LATTICE_VCLOCK, ea.context, eb.context, depth) &&
	       lattice_leq_depth(LATTICE_MAP, ea.dependencies, eb.dependencies, depth);
}

/* ------------------------------------------------------------------------------- epochs, expiry */

bool
envelope_expired(const struct envelope *envelope, struct hlc_time now)
{
	return envelope->expiry.deadline.v != 0 && envelope->expiry.deadline.v <= now.v;
}

bool
envelope_expires(struct slice v)
{
	if (unlikely(slice_is_tree(v))) {
		v = slice_tree(v)->envelope;
	}
	return v.len >= ENVELOPE_OVERHEAD && (v.p[v.len - 1] & HAS_EXPIRY) != 0;
}

static uint64_t
time_after(struct hlc_time t)
{
	return t.v != UINT64_MAX ? t.v + 1 : t.v;
}

struct stamp
envelope_epoch_fresh(const struct envelope *stored, struct hlc_time now, struct writer_id writer)
{
	uint64_t least = time_after(stored->epoch.time);

	return (struct stamp){ .time = { MAX(now.v, least) }, .writer = writer };
}

struct stamp
envelope_epoch_stay(const struct envelope *stored, struct hlc_time now)
{
	uint64_t least = time_after(stored->epoch.time);

	if (!envelope_expired(stored, now)) {
		return stored->epoch;
	}
	return (struct stamp){ .time = { MAX(stored->expiry.deadline.v, least) } };
}
