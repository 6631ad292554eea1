/* SPDX-License-Identifier: Apache-2.0 */
/* domain_poll_fuzz - a process of the domain, and one other that sends it what it likes
 *
 * In: descriptors of every kind, references, releases, indices and hints from the hostile process;
 * between them ctl's true words about it (it died, its segment is gone, its channel is closed), and
 * our own polls and views. Must hold: what a view promises can be read, to its last byte; no
 * payload that we or a third process hold goes away or changes; each death is acknowledged, after
 * the last view of the dead one's memory has ended.
 *
 * An input is a list of steps: an op, then its operands; what is missing at the end reads as 0.
 */
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "domain.h"
#include "slice.h"
#include "test_domain.h"

enum {
	US = TEST_DOMAIN_US,
	HOSTILE = TEST_DOMAIN_PEER_FIRST,
	THIRD = 201,
	INC = TEST_DOMAIN_INC,
	SEG = TEST_DOMAIN_SEG,
	VIEW_MAX = 4,
	OWN_LEN = 3000,
};

enum op {
	OP_DESC,    /* 64 bytes */
	OP_REF,     /* which parts are right, then the reference */
	OP_RELEASE, /* which handle */
	OP_TAIL,    /* 8 bytes */
	OP_HEAD,    /* 8 bytes */
	OP_HINTS,   /* 8 bytes */
	OP_POLL,    /* keep the view, or how to end it */
	OP_END,     /* how to end the oldest view */
	OP_DEAD,
	OP_SEG_GONE,
	OP_CLOSE,
	OP_CNT,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct test_domain t;
static struct test_peer *const hostile = &t.peer[0];
static struct domain *const d = &t.d;
static struct desc view[VIEW_MAX];
static uint32_t view_cnt;
static struct payload_ref held_by_us, held_by_third, held_by_hostile;
static bool dead;

static struct payload_ref
own_payload(uint16_t holder)
{
	struct payload_ref ref;
	uint8_t *p;

	REQUIRE(payload_alloc(d->pool, OWN_LEN, holder, &ref, &p) == 0);
	memset(p, 0x77, OWN_LEN);
	return ref;
}

static void
begin(void)
{
	if (t.hints == NULL) {
		test_domain_make(&t, 1);
	}
	test_domain_begin(&t);
	dead = false;
	view_cnt = 0;
	held_by_us = own_payload(US);
	held_by_third = own_payload(THIRD);
	held_by_hostile = own_payload(HOSTILE);
}

static void
end_view(uint8_t how)
{
	struct desc m;

	if (view_cnt == 0) {
		return;
	}
	m = view[0];
	memmove(view, view + 1, --view_cnt * sizeof(m));
	if (how % 2 == 0) {
		domain_drop(d, &m.ref);
	} else {
		domain_release(d, &m.ref);
	}
}

/* What ctl hears of us. */
static void
ctl_hears(void)
{
	struct desc m;
	int n;

	while ((n = channel_recv(&t.ctl, &m)) == 1) {
		if (m.kind == DESC_DEAD_ACK) {
			REQUIRE(dead && !hostile->gone);
			REQUIRE(m.dead.proc == HOSTILE && m.dead.inc == INC);
			hostile->gone = true;
			for (uint32_t i = 0; i < view_cnt; i++) {
				REQUIRE(view[i].ref.proc != HOSTILE);
			}
		}
	}
	REQUIRE(n == 0);
}

/* Reads all that a message promises, as a parser would that believes it. */
static void
read_message(const struct desc *m, uint8_t keep)
{
	const uint8_t *p = NULL;
	uint64_t sum = 0;
	bool is_view;
	size_t len;
	int err = domain_bytes(d, m, &p, &len, &is_view);

	if (err != 0) {
		REQUIRE(err == MB_ERR_PEER_CORRUPT || err == MB_ERR_PEER_DIED ||
			err == MB_ERR_NO_MEMORY);
		return;
	}
	for (size_t i = 0; i < len; i += i < 4096 ? 1 : 4096) {
		sum += p[i];
	}
	sum += len > 0 ? p[len - 1] : 0;
	REQUIRE(sum != UINT64_MAX);
	if (!is_view) {
		return;
	}
	if (view_cnt == VIEW_MAX) {
		end_view(keep);
	}
	view[view_cnt++] = *m;
	if (keep % 4 < 2) {
		end_view(keep);
	}
}

static void
poll_turns(uint32_t turns, uint8_t keep)
{
	for (uint32_t i = 0; i < turns; i++) {
		struct channel *ch;
		struct desc m;
		int n = domain_poll(d, &m, &ch);

		REQUIRE(n == 0 || n == 1); /* the daemon is sound */
		ctl_hears();
		if (n == 1) {
			REQUIRE(m.kind >= DESC_CALL_FIRST);
			REQUIRE(ch == &d->ch[hostile->port]);
			read_message(&m, keep);
			ctl_hears();
		}
	}
}

/* Past all that channel_send would check. */
static void
hostile_sends(const struct desc *m)
{
	hostile->end.tx_slots[hostile->end.tail++ % CHANNEL_DEPTH] = *m;
	hostile->end.tx_tail->v = hostile->end.tail;
	bell_ring(d->bell, hostile->port);
}

static void
step_ref(struct rbuf *in)
{
	const struct payload_ref known[] = { held_by_us, held_by_third, held_by_hostile };
	uint8_t right = rbuf_u8(in);
	struct desc m = { .kind = DESC_CALL_FIRST };

	m.ref.proc = rbuf_u16(in);
	m.ref.inc = rbuf_u32(in);
	m.ref.seg = rbuf_u8(in);
	m.ref.handle = rbuf_u32(in);
	m.ref.len = rbuf_u32(in);
	m.ref.off = rbuf_u32(in);
	switch (right % 4) {
	case 0: /* ours */
		m.ref.proc = US;
		m.ref.inc = INC;
		m.ref.handle = known[(right >> 4) % 3].handle;
		break;
	case 1: /* its own */
		m.ref.proc = HOSTILE;
		m.ref.inc = INC;
		m.ref.seg = (right & 4) != 0 ? SEG : 0;
		break;
	case 2:
		m.ref.proc = PROC_DAEMON;
		m.ref.inc = 1;
		break;
	default:
		break;
	}
	if ((right & 8) != 0) {
		m.ref.off %= 1 << 24;
		m.ref.len %= 1 << 16;
	}
	hostile_sends(&m);
}

static void
ctl_says(uint8_t kind)
{
	struct desc m = { .kind = kind };

	switch ((enum desc_kind)kind) {
	case DESC_DEAD:
		m = test_domain_dead(hostile);
		break;
	case DESC_SEG_GONE:
		m.release.proc = HOSTILE;
		m.release.inc = INC;
		m.release.handle[0] = SEG;
		break;
	default:
		m.a = hostile->port;
		break;
	}
	if (channel_send(&t.ctl, &m) == 0 && kind == DESC_DEAD) {
		dead = true;
	}
}

static void
step(struct rbuf *in)
{
	const uint32_t handles[] = { held_by_us.handle, held_by_third.handle,
				     held_by_hostile.handle };
	struct desc m = { 0 };
	struct slice s;
	uint8_t which;

	switch ((enum op)(rbuf_u8(in) % OP_CNT)) {
	case OP_DESC:
		s = rbuf_take(in, sizeof(m));
		if (s.len > 0) {
			memcpy(&m, s.p, sizeof(m));
		}
		hostile_sends(&m);
		break;
	case OP_REF:
		step_ref(in);
		break;
	case OP_RELEASE:
		which = rbuf_u8(in);
		m = (struct desc){ .kind = DESC_RELEASE,
				   .a = which & 1 ? THIRD : 0,
				   .release = { INC, US, which % 16 } };
		for (uint32_t i = 0; i < ARRAY_CNT(m.release.handle); i++) {
			m.release.handle[i] = handles[(which + i) % ARRAY_CNT(handles)];
		}
		hostile_sends(&m);
		break;
	case OP_TAIL:
		hostile->end.tx_tail->v = rbuf_u64(in);
		break;
	case OP_HEAD:
		hostile->end.rx_head->v = rbuf_u64(in);
		break;
	case OP_HINTS:
		d->bell->bits[0] = rbuf_u64(in);
		break;
	case OP_POLL:
		poll_turns(2 * BELL_SWEEP, rbuf_u8(in));
		break;
	case OP_END:
		end_view(rbuf_u8(in));
		break;
	case OP_DEAD:
		if (!dead) {
			ctl_says(DESC_DEAD);
		}
		break;
	case OP_SEG_GONE:
		ctl_says(DESC_SEG_GONE);
		break;
	case OP_CLOSE:
		ctl_says(DESC_CLOSE);
		break;
	case OP_CNT:
		break;
	}
	ctl_hears();
}

static void
still_there(const struct payload_ref *ref, uint16_t holder)
{
	const uint8_t *p = payload_own(d->pool, ref);

	REQUIRE(p != NULL);
	for (uint32_t i = 0; i < OWN_LEN; i++) {
		REQUIRE(p[i] == 0x77);
	}
	REQUIRE(payload_release(d->pool, ref->handle, holder) == 0);
	REQUIRE(payload_own(d->pool, ref) == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rbuf in = rbuf_of(slice_of(data, len));

	begin();
	while (in.len > 0 && !in.bad) {
		step(&in);
	}
	poll_turns(2 * PORT_SWEEP, 2); /* whatever became of the bell's bits */
	while (view_cnt > 0) {
		end_view(0);
	}
	ctl_hears();
	REQUIRE(hostile->gone == dead);
	for (uint32_t i = 0; i < PROC_CNT_MAX; i++) {
		REQUIRE(d->views[i] == 0);
	}
	still_there(&held_by_us, US);
	still_there(&held_by_third, THIRD);
	payload_release_all(d->pool, HOSTILE);
	REQUIRE(payload_alive(d->pool) == 0);
	test_domain_end(&t);
	return 0;
}
