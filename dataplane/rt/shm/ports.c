/* SPDX-License-Identifier: Apache-2.0 */
/* ports - see ports.h for I1
 *
 * ready   ports the bell or a sweep named, or that were not emptied last time
 * turn    those of them that this turn still visits, from `next` on and round: where a tile runs
 *         out of room in the middle of a turn, the next turn begins with the port after that
 * unsent  ports with messages that wait here for room in their channel
 * dirty   ports with messages put and not yet flushed
 * bad     ports whose process broke the rules; untold: ctl has not heard of it
 *
 * All are sets of process indices, so that a turn costs what has happened, not what exists.
 */
#include "ports.h"

#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "check.h"
#include "compiler.h"

struct port {
	struct channel ch;
	struct desc *waiting; /* PORTS_WAITING_MAX */
	uint32_t inc;         /* 0: closed */
	uint32_t last;        /* the newest incarnation it was open to; 0: none yet */
	uint16_t wait_head, wait_cnt;
	uint16_t owed;
	uint16_t burst; /* received in this turn */
};

struct set {
	uint64_t w[BELL_WORDS];
};

struct ports {
	const struct region *own;
	struct hints *hints;
	struct bell *bell; /* this tile's */
	uint32_t tile;
	uint32_t next;
	uint32_t turn_cnt;
	bool sweep;
	struct set open, ready, turn, unsent, dirty, bad, untold;
	struct port port[PROC_CNT_MAX];
	struct desc waiting[PROC_CNT_MAX][PORTS_WAITING_MAX];
};

static inline void
set_add(struct set *s, uint32_t i)
{
	s->w[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline void
set_del(struct set *s, uint32_t i)
{
	s->w[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

static inline bool
set_has(const struct set *s, uint32_t i)
{
	return (s->w[i / 64] >> (i % 64) & 1) != 0;
}

/* The first element that is not below from, -1 for none. */
static inline int
set_next(const struct set *s, uint32_t from)
{
	uint64_t mask = UINT64_MAX << (from % 64);

	for (uint32_t w = from / 64; w < BELL_WORDS; w++, mask = UINT64_MAX) {
		if ((s->w[w] & mask) != 0) {
			return (int)(w * 64 + (uint32_t)__builtin_ctzll(s->w[w] & mask));
		}
	}
	return -1;
}

static inline int
set_first(const struct set *s)
{
	return set_next(s, 0);
}

/* I1: whatever else it is sent must have a place. */
static inline bool
port_is_full(const struct port *port)
{
	return port->wait_cnt + port->owed >= PORTS_WAITING_MAX;
}

int
ports_create(struct ports **ret, const struct region *own, struct hints *hints, uint32_t tile)
{
	struct ports *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	p->own = own;
	p->hints = hints;
	p->bell = &hints->tile[tile];
	p->tile = tile;
	for (uint32_t i = 0; i < PROC_CNT_MAX; i++) {
		p->port[i].waiting = p->waiting[i];
	}
	*ret = p;
	return 0;
}

void
ports_destroy(struct ports *p)
{
	free(p);
}

void
ports_open(struct ports *p, uint16_t proc, uint32_t inc, const struct region *peer)
{
	struct port *port = &p->port[proc];

	REQUIRE(port->inc == 0);
	REQUIRE(inc != 0);
	channel_init(&port->ch, p->own, region_daemon_port(p->tile, proc), peer, p->tile,
		     &p->hints->proc[proc], p->tile, -1);
	port->ch.proc = proc;
	port->inc = inc;
	port->last = inc;
	port->wait_head = 0;
	port->wait_cnt = 0;
	port->owed = 0;
	set_add(&p->open, proc);
	set_add(&p->ready, proc);
}

void
ports_rung_by(struct ports *p, uint16_t proc, int wake_fd)
{
	REQUIRE(p->port[proc].inc != 0);
	p->port[proc].ch.wake_fd = wake_fd;
}

void
ports_close(struct ports *p, uint16_t proc)
{
	struct port *port = &p->port[proc];

	if (port->inc == 0) {
		return;
	}
	channel_clear(&port->ch);
	port->inc = 0;
	set_del(&p->open, proc);
	set_del(&p->ready, proc);
	set_del(&p->turn, proc);
	set_del(&p->unsent, proc);
	set_del(&p->dirty, proc);
	set_del(&p->bad, proc);
	set_del(&p->untold, proc);
}

uint32_t
ports_inc(const struct ports *p, uint16_t proc)
{
	return proc < PROC_CNT_MAX ? p->port[proc].inc : 0;
}

uint32_t
ports_last_inc(const struct ports *p, uint16_t proc)
{
	return proc < PROC_CNT_MAX ? p->port[proc].last : 0;
}

static void
ports_spoil(struct ports *p, uint16_t proc)
{
	set_add(&p->bad, proc);
	set_add(&p->untold, proc);
	set_del(&p->ready, proc);
	set_del(&p->turn, proc);
	set_del(&p->unsent, proc);
}

/* Moves what waits for a process into its channel, as far as it fits. Returns whether any did. */
static bool
ports_push(struct ports *p, uint16_t proc)
{
	struct port *port = &p->port[proc];
	bool any = false;

	while (port->wait_cnt > 0) {
		int err = channel_put(&port->ch, &port->waiting[port->wait_head]);

		if (err == MB_ERR_FULL) {
			return any;
		}
		if (err != 0) {
			ports_spoil(p, proc);
			return any;
		}
		port->wait_head = (uint16_t)((port->wait_head + 1) % PORTS_WAITING_MAX);
		port->wait_cnt--;
		set_add(&p->dirty, proc);
		any = true;
	}
	set_del(&p->unsent, proc);
	return any;
}

bool
ports_turn(struct ports *p)
{
	bool sweep = p->turn_cnt++ % PORTS_SWEEP_TURNS == 0 || p->sweep;
	bool busy = false;

	p->sweep = false;
	p->next = p->next + 1 < PROC_CNT_MAX ? p->next + 1 : 0;
	for (uint32_t w = 0; w < BELL_WORDS; w++) {
		uint64_t bits = p->unsent.w[w];

		while (unlikely(bits != 0)) {
			busy |= ports_push(p, (uint16_t)(w * 64 + (uint32_t)__builtin_ctzll(bits)));
			bits &= bits - 1;
		}
		bits = p->ready.w[w] | (bell_take(p->bell, w) & p->open.w[w]);
		if (sweep) {
			bits = p->open.w[w];
		}
		bits &= ~p->bad.w[w];
		p->ready.w[w] = bits;
		p->turn.w[w] = bits;
		while (bits != 0) {
			struct port *port = &p->port[w * 64 + (uint32_t)__builtin_ctzll(bits)];

			bits &= bits - 1;
			port->burst = 0;
			busy |= !port_is_full(port) &&
				atomic_load_explicit(&port->ch.rx_tail->v, memory_order_relaxed) !=
					port->ch.head;
		}
	}
	return busy;
}

int
ports_recv(struct ports *p, uint16_t *ret_proc, struct desc *ret)
{
	int i;

	for (;;) {
		struct port *port;
		int n;

		i = set_next(&p->turn, p->next);
		if (i < 0) {
			i = set_first(&p->turn);
		}
		if (i < 0) {
			return 0;
		}
		port = &p->port[i];
		p->next = (uint32_t)i;
		if (port->burst == PORTS_BURST || port_is_full(port)) {
			set_del(&p->turn, (uint32_t)i); /* and stays ready */
			continue;
		}
		n = channel_recv(&port->ch, ret);
		if (n == 1) {
			port->burst++;
			port->owed++;
			*ret_proc = (uint16_t)i;
			return 1;
		}
		set_del(&p->turn, (uint32_t)i);
		set_del(&p->ready, (uint32_t)i);
		if (n < 0) {
			ports_spoil(p, (uint16_t)i);
		}
	}
}

static void
ports_queue(struct ports *p, uint16_t proc, const struct desc *d)
{
	struct port *port = &p->port[proc];

	if (set_has(&p->bad, proc)) {
		return;
	}
	if (port->wait_cnt == 0 && channel_put(&port->ch, d) == 0) {
		set_add(&p->dirty, proc);
		return;
	}
	REQUIRE(port->wait_cnt < PORTS_WAITING_MAX);
	port->waiting[(port->wait_head + port->wait_cnt++) % PORTS_WAITING_MAX] = *d;
	set_add(&p->unsent, proc);
}

void
ports_waive(struct ports *p, uint16_t proc)
{
	struct port *port = &p->port[proc];

	if (port->inc != 0) {
		REQUIRE(port->owed > 0);
		port->owed--;
	}
}

void
ports_answer(struct ports *p, uint16_t proc, const struct desc *d)
{
	if (p->port[proc].inc != 0) {
		ports_waive(p, proc);
		ports_queue(p, proc, d);
	}
}

int
ports_send(struct ports *p, uint16_t proc, const struct desc *d)
{
	struct port *port = &p->port[proc];

	if (proc >= PROC_CNT_MAX || port->inc == 0) {
		return MB_ERR_PEER_DIED;
	}
	if (port_is_full(port)) {
		return MB_ERR_FULL;
	}
	ports_queue(p, proc, d);
	return 0;
}

void
ports_flush(struct ports *p)
{
	int i;

	while ((i = set_first(&p->dirty)) >= 0) {
		set_del(&p->dirty, (uint32_t)i);
		channel_flush(&p->port[i].ch);
	}
}

bool
ports_bad(struct ports *p, uint16_t *ret_proc, uint32_t *ret_inc)
{
	int i = set_first(&p->untold);

	if (i < 0) {
		return false;
	}
	set_del(&p->untold, (uint32_t)i);
	*ret_proc = (uint16_t)i;
	*ret_inc = p->port[i].inc;
	return true;
}

void
ports_arm(struct ports *p)
{
	bell_arm(p->bell);
	p->sweep = true;
}

void
ports_disarm(struct ports *p)
{
	bell_disarm(p->bell);
}

uint64_t
ports_sleep_ns(const struct ports *p)
{
	return set_first(&p->unsent) >= 0 ? PORTS_RETRY_NS : WAIT_MAX_NS;
}

uint32_t
ports_waiting(const struct ports *p)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < PROC_CNT_MAX; i++) {
		cnt += p->port[i].inc != 0 ? p->port[i].wait_cnt : 0;
	}
	return cnt;
}

uint32_t
ports_open_cnt(const struct ports *p)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < PROC_CNT_MAX; i++) {
		cnt += p->port[i].inc != 0;
	}
	return cnt;
}
