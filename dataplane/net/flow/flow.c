/* SPDX-License-Identifier: Apache-2.0 */
/* flow - the path's state, and one message in each direction
 *
 * Loss. A segment is lost when three that were sent after it came (as TCP's fast retransmit, RFC
 * 6675), or when nothing was heard for the retransmission time (RFC 6298). The first halves the
 * window, the second makes it small; each at most once in a round trip, because the segments of one
 * burst are lost together.
 *
 * Reordering. A segment that was sent again and is acknowledged sooner than its second copy can
 * have been was not lost, but late: the window becomes what it was, and from now on more have to
 * overtake before one counts as lost (as TCP's adaptive reordering with Eifel, RFC 4653, 3522).
 *
 * Time. One segment of a message is timed at once, if it was sent once. What a longer way would
 * make impossible (each is sent again before its answer can come, so none is ever measured) ends
 * the back-off, which stays until one was.
 *
 * Acknowledgements. Who takes a long message as fast as it comes finds a segment or two at each
 * look, and an ACK for each look was a datagram for two. So one is for 16, or for as many as came
 * when nothing has come for FLOW_ACK_NS (as TCP's delayed ones, RFC 5681, but sooner); those that
 * the other end waits for, or that tell of a gap, go at the end of the burst.
 *
 * The window is the path's, not the message's: messages that are on their way at once share it, so
 * that who sends ten at a time does not push ten times as hard.
 */
#include "flow.h"

#include "check.h"
#include "compiler.h"
#include "copy.h"
#include "microburst/error.h"

#define OVERTAKEN     3 /* RFC 6675 */
#define OVERTAKEN_MAX (FLOW_SEGMENTS / 2)
#define LATE_MAX      10 /* doubled so often FLOW_RTO_MIN_NS is FLOW_RTO_MAX_NS */
#define ACK_EVERY     16

/* ------------------------------------------------------------------- path */

void
flow_path_init(struct flow_path *p)
{
	*p = (struct flow_path){ .rto_ns = FLOW_RTO_FIRST_NS,
				 .cwnd = FLOW_CWND_FIRST,
				 .overtaken = OVERTAKEN,
				 .ssthresh = FLOW_SEGMENTS };
}

void
flow_path_rtt(struct flow_path *p, uint64_t rtt_ns)
{
	uint64_t diff;

	if (p->srtt_ns == 0) {
		p->srtt_ns = MAX(rtt_ns, (uint64_t)1);
		p->rttvar_ns = rtt_ns / 2;
	} else {
		diff = rtt_ns > p->srtt_ns ? rtt_ns - p->srtt_ns : p->srtt_ns - rtt_ns;
		p->rttvar_ns += diff / 4;
		p->rttvar_ns -= p->rttvar_ns / 4;
		p->srtt_ns += rtt_ns / 8;
		p->srtt_ns -= p->srtt_ns / 8;
	}
	p->rto_ns = p->srtt_ns + 4 * p->rttvar_ns;
	p->rto_ns = MIN(MAX(p->rto_ns, FLOW_RTO_MIN_NS), FLOW_RTO_MAX_NS);
	p->late = 0;
}

void
flow_path_acked(struct flow_path *p, uint32_t cnt)
{
	if (p->cwnd < p->ssthresh) {
		p->cwnd = MIN(p->cwnd + cnt, (uint32_t)FLOW_SEGMENTS);
		return;
	}
	p->acked += cnt;
	if (p->acked >= p->cwnd) {
		p->acked = 0;
		p->cwnd = MIN(p->cwnd + 1, (uint32_t)FLOW_SEGMENTS);
	}
}

/* Returns: false: it was, for this round trip. */
static bool
path_back_off(struct flow_path *p, uint64_t now_ns)
{
	uint64_t rtt_ns = p->srtt_ns != 0 ? p->srtt_ns : FLOW_RTO_FIRST_NS;

	if (p->backed_off_ns != 0 && now_ns - p->backed_off_ns < rtt_ns) {
		return false;
	}
	p->backed_off_ns = now_ns;
	p->acked = 0;
	p->undo = p->cwnd;
	if (p->srtt_ns != 0) { /* else it may be the way that is long: then it opens again fast */
		p->ssthresh = MAX(p->cwnd / 2, (uint32_t)FLOW_CWND_MIN);
	}
	return true;
}

/* Some segments did not arrive. */
static void
path_lost(struct flow_path *p, uint64_t now_ns)
{
	if (path_back_off(p, now_ns)) {
		p->cwnd = MIN(p->cwnd, p->ssthresh);
	}
}

/* Nothing came in the time after sending for the tries-th time. */
static void
path_late(struct flow_path *p, uint32_t tries, uint64_t now_ns)
{
	/* A wait as long as it was in vain before is in vain again: it is not the way that is long,
	 * it loses much. */
	p->late = MIN(MAX(p->late / 2, tries), (uint32_t)LATE_MAX);
	if (path_back_off(p, now_ns)) {
		p->cwnd = FLOW_CWND_MIN;
		p->undo = 0;
		p->overtaken = MAX(p->overtaken / 2, (uint32_t)OVERTAKEN);
	}
}

/* What counted as lost was late only. */
static void
path_not_lost(struct flow_path *p)
{
	p->overtaken = MIN(p->overtaken * 2, (uint32_t)OVERTAKEN_MAX);
	p->cwnd = MAX(p->cwnd, p->undo);
	p->ssthresh = MAX(p->ssthresh, p->undo);
	p->undo = 0;
}

uint64_t
flow_backoff(const struct flow_path *p, uint32_t tries)
{
	uint64_t ns = p->rto_ns;

	for (uint32_t i = 1; i < MAX(tries, p->late + 1) && ns < FLOW_RTO_MAX_NS; i++) {
		ns *= 2;
	}
	return MIN(ns, FLOW_RTO_MAX_NS);
}

/* ------------------------------------------------------------------- bits */

static bool
bits_has(const struct flow_bits *b, uint32_t i)
{
	return i < FLOW_SEGMENTS && (b->w[i / 64] >> (i % 64) & 1) != 0;
}

static void
bits_set(struct flow_bits *b, uint32_t i)
{
	if (i < FLOW_SEGMENTS) {
		b->w[i / 64] |= UINT64_C(1) << (i % 64);
	}
}

/* Bit n becomes bit 0. */
static void
bits_shift(struct flow_bits *b, uint32_t n)
{
	const uint32_t words = FLOW_SEGMENTS / 64;
	uint32_t skip = n / 64, bit = n % 64;

	for (uint32_t i = 0; i < words; i++) {
		uint64_t lo = i + skip < words ? b->w[i + skip] : 0;
		uint64_t hi = i + skip + 1 < words ? b->w[i + skip + 1] : 0;

		b->w[i] = bit == 0 ? lo : lo >> bit | hi << (64 - bit);
	}
}

static uint32_t
bits_top(const struct flow_bits *b)
{
	for (uint32_t i = FLOW_SEGMENTS / 64; i-- > 0;) {
		if (b->w[i] != 0) {
			return i * 64 + 64 - (uint32_t)__builtin_clzll(b->w[i]);
		}
	}
	return 0;
}

static uint32_t
segments(uint32_t bytes, uint16_t mss)
{
	return (bytes + mss - 1) / mss;
}

/* -------------------------------------------------------------------- out */

void
flow_tx_init(struct flow_tx *t, struct slice first, struct slice rest, uint16_t mss)
{
	uint32_t len = (uint32_t)(first.len + rest.len);

	REQUIRE(mss > 0);
	*t = (struct flow_tx){ .first = first,
			       .rest = rest,
			       .len = len,
			       .mss = mss,
			       .tries = 1,
			       .granted = MIN(len, (uint32_t)mss) };
}

/* Sends a segment that begins in the message's first part and ends in the other. */
static noinline void
tx_both(const struct flow_tx *t, const struct flow_name *n, const struct wire_head *h)
{
	size_t len = t->first.len - h->off;
	uint8_t body[WIRE_BODY_MAX];

	REQUIRE(h->len <= sizeof(body));
	memcpy(body, t->first.p + h->off, len);
	memcpy(body + len, t->rest.p, h->len - len);
	n->send(n->ctx, &n->to, h, body);
}

static void
tx_segment(struct flow_tx *t, const struct flow_name *n, const struct flow_path *path, uint32_t off,
	   uint64_t now_ns)
{
	struct wire_head h = { .kind = n->kind,
			       .flags = n->flags,
			       .len = (uint16_t)MIN((uint32_t)t->mss, t->len - off),
			       .mss = t->mss,
			       .session = n->session,
			       .id = n->id,
			       .client = n->client,
			       .off = off,
			       .total = t->len,
			       .word = n->word };

	if (off < t->high) {
		/* Which of the copies is acknowledged cannot be told. While nothing was ever
		 * measured the first one stays: too long a time is better than none. */
		t->timed = path->srtt_ns == 0 ? t->timed : 0;
	} else {
		t->high = off + h.len;
		t->timed_ns = t->timed == 0 ? now_ns : t->timed_ns;
		t->timed = t->timed == 0 ? t->high : t->timed;
	}
	if (off + h.len <= t->first.len) {
		n->send(n->ctx, &n->to, &h, t->first.p + off);
	} else if (off >= t->first.len) {
		n->send(n->ctx, &n->to, &h, t->rest.p + (off - t->first.len));
	} else {
		tx_both(t, n, &h);
	}
}

/* Segments that came although sent later than i: then i is lost, unless it was sent again. */
static bool
tx_is_lost(const struct flow_tx *t, const struct flow_path *path, uint32_t i, uint32_t top)
{
	return i + path->overtaken < top && !bits_has(&t->came, i) && !bits_has(&t->resent, i);
}

void
flow_tx_send(struct flow_tx *t, const struct flow_name *n, struct flow_path *path, uint32_t window,
	     uint64_t now_ns)
{
	uint32_t limit = MIN(MAX(window, 1u), (uint32_t)FLOW_SEGMENTS);
	uint32_t top = bits_top(&t->came);
	uint32_t end = t->granted;
	bool held = false;

	for (uint32_t i = 0; i + path->overtaken < top; i++) {
		uint32_t off = t->acked + i * t->mss;

		if (off < t->next && tx_is_lost(t, path, i, top)) {
			bits_set(&t->resent, i);
			t->resent_ns = now_ns;
			tx_segment(t, n, path, off, now_ns);
		}
	}
	if ((uint64_t)t->acked + (uint64_t)limit * t->mss < end) {
		end = t->acked + limit * t->mss;
	}
	while (t->next < end) {
		/* What tx_both sends does not stay. */
		if (!held && n->hold != NULL && t->next >= t->first.len && end - t->next > t->mss) {
			n->hold(n->ctx, true);
			held = true;
		}
		if (!bits_has(&t->came, (t->next - t->acked) / t->mss)) {
			tx_segment(t, n, path, t->next, now_ns);
		}
		t->next += MIN((uint32_t)t->mss, t->len - t->next);
		t->due_ns = now_ns + flow_backoff(path, t->tries);
	}
	if (held) {
		n->hold(n->ctx, false);
	}
}

/* Everything below off came. Returns how many segments that are. */
static uint32_t
tx_move(struct flow_tx *t, uint32_t off)
{
	uint32_t n = segments(off - t->acked, t->mss);

	bits_shift(&t->came, n);
	bits_shift(&t->resent, n);
	t->acked = off;
	t->next = MAX(t->next, off);
	t->done = off == t->len;
	return n;
}

bool
flow_tx_ack(struct flow_tx *t, const struct wire_head *h, struct slice body, struct flow_path *path,
	    uint64_t now_ns)
{
	struct flow_bits told;
	uint32_t fresh = 0, top;
	bool twice = false;

	if (h->total != t->len || h->mss != t->mss || (h->off % t->mss != 0 && h->off != t->len) ||
	    body.len != sizeof(told)) {
		return false;
	}
	if (h->off < t->acked || t->done) {
		return true; /* a later one overtook it */
	}
	memcpy(&told, body.p, sizeof(told));
	if (h->off > t->acked) {
		if (t->timed != 0 && h->off >= t->timed) {
			flow_path_rtt(path, now_ns - t->timed_ns);
			t->timed = 0;
		}
		for (uint32_t i = 0; i < segments(h->off - t->acked, t->mss); i++) {
			twice |= bits_has(&t->resent, i) && !bits_has(&t->came, i);
		}
		fresh += tx_move(t, h->off);
	}
	for (uint32_t i = 0; i < ARRAY_CNT(told.w); i++) {
		uint64_t word = le64toh(told.w[i]) & ~t->came.w[i];

		fresh += (uint32_t)__builtin_popcountll(word);
		twice |= (word & t->resent.w[i]) != 0;
		t->came.w[i] |= word;
	}
	t->granted = MAX(t->granted, h->word);
	if (fresh > 0) {
		t->tries = 1;
		t->due_ns = now_ns + flow_backoff(path, 1);
		flow_path_acked(path, fresh);
	}
	if (twice && now_ns - t->resent_ns < path->srtt_ns / 2) {
		path_not_lost(path);
	}
	top = bits_top(&t->came);
	for (uint32_t i = 0; i + path->overtaken < top; i++) {
		if (tx_is_lost(t, path, i, top)) {
			path_lost(path, now_ns);
			break;
		}
	}
	return true;
}

void
flow_tx_late(struct flow_tx *t, struct flow_path *path, uint64_t now_ns)
{
	path_late(path, t->tries, now_ns);
	t->tries++;
	t->next = t->acked;
	t->resent = (struct flow_bits){ { 0 } };
	t->due_ns = now_ns + flow_backoff(path, t->tries);
}

/* --------------------------------------------------------------------- in */

void
flow_rx_init(struct flow_rx *r, uint32_t len, uint16_t mss)
{
	REQUIRE(len > 0);
	REQUIRE(mss > 0);
	*r = (struct flow_rx){ .len = len, .mss = mss };
}

int
flow_rx_take(struct flow_rx *r, const struct wire_head *h, struct slice body)
{
	uint32_t i;

	REQUIRE(r->p != NULL);
	if (h->total != r->len || h->mss != r->mss) {
		return MB_ERR_CORRUPT;
	}
	r->ack_due = true;
	r->since_ack++;
	i = (h->off - r->came) / r->mss;
	if (h->off < r->came || i >= FLOW_SEGMENTS || bits_has(&r->bits, i)) {
		r->ack_soon = true; /* once more */
		return 0;
	}
	/* wire_read: it lies inside the message */
	copy_part_open(r->p + h->off, body.p, body.len, r->len);
	bits_set(&r->bits, i);
	/* The first one asks for what is behind it. */
	r->ack_soon |= r->came == 0 || bits_top(&r->bits) > 1;
	while (bits_has(&r->bits, 0)) {
		bits_shift(&r->bits, 1);
		r->came += MIN((uint32_t)r->mss, r->len - r->came);
	}
	if (r->came == r->len) {
		copy_part_close(r->len); /* only now may others hear of it */
	}
	return 0;
}

bool
flow_rx_is_narrower(const struct flow_rx *r, const struct wire_head *h)
{
	return h->off == 0 && h->mss < r->mss && h->total == r->len;
}

void
flow_rx_again(struct flow_rx *r, uint16_t mss)
{
	uint8_t *p = r->p;

	flow_rx_init(r, r->len, mss);
	r->p = p;
}

bool
flow_rx_ack_now(const struct flow_rx *r)
{
	return r->since_ack >= ACK_EVERY || r->came == r->len;
}

bool
flow_rx_ack_waits(const struct flow_rx *r, uint64_t heard_ns, uint64_t now_ns)
{
	return !r->ack_soon && now_ns - heard_ns < FLOW_ACK_NS;
}

void
flow_rx_ack(struct flow_rx *r, const struct flow_name *n)
{
	uint8_t body[WIRE_ACK_BODY];
	struct wire_head h = { .kind = WIRE_ACK,
			       .flags = n->kind == WIRE_REPLY ? WIRE_F_OF_REPLY : 0,
			       .len = sizeof(body),
			       .mss = r->mss,
			       .session = n->session,
			       .id = n->id,
			       .client = n->client,
			       .off = r->came,
			       .total = r->len,
			       .word = r->p != NULL ? r->len : 0 };

	for (uint32_t i = 0; i < ARRAY_CNT(r->bits.w); i++) {
		uint64_t word = htole64(r->bits.w[i]);

		memcpy(body + 8 * i, &word, sizeof(word));
	}
	r->ack_due = false;
	r->ack_soon = false;
	r->since_ack = 0;
	n->send(n->ctx, &n->to, &h, body);
}
