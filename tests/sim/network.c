/* SPDX-License-Identifier: Apache-2.0 */
#include "network.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

#define PPM 1000000

struct network_frame {
	struct network_frame *next, **link;
	struct network *network;
	uint32_t from, to;
	uint64_t seq;
	size_t len;
	uint8_t bytes[];
};

void
network_init(struct network *n, const struct network_cfg *cfg, struct events *events, uint64_t seed,
	     network_arrive_fn arrive, void *ctx)
{
	REQUIRE(cfg->node_cnt <= NETWORK_NODE_MAX);
	*n = (struct network){ .cfg = *cfg, .events = events, .arrive = arrive, .ctx = ctx };
	rng_init(&n->rng, seed);
}

static void
frame_unlink(struct network_frame *f)
{
	*f->link = f->next;
	if (f->next != NULL) {
		f->next->link = f->link;
	}
}

void
network_fini(struct network *n)
{
	struct network_frame *f, *next;

	for (f = n->frames; f != NULL; f = next) {
		next = f->next;
		free(f);
	}
	n->frames = NULL;
}

static void
frame_arrives(void *ctx, uint64_t arg)
{
	struct network_frame *f = ctx;
	struct network *n = f->network;
	uint64_t *seen = &n->seq_seen[f->from][f->to];

	frame_unlink(f);
	if (n->is_cut[f->from][f->to]) {
		n->stats.cut++;
	} else {
		n->stats.arrived++;
		n->stats.overtaken += f->seq < *seen;
		*seen = f->seq > *seen ? f->seq : *seen;
		n->arrive(n->ctx, f->from, f->to, slice_of(f->bytes, f->len));
	}
	free(f);
}

static bool
drawn(struct network *n, uint32_t ppm)
{
	return rng_below(&n->rng, PPM) < ppm;
}

static void
frame_send(struct network *n, uint32_t from, uint32_t to, uint64_t seq, struct slice frame)
{
	struct network_frame *f = malloc(sizeof(*f) + frame.len);
	uint64_t delay_ns = rng_range(&n->rng, n->cfg.delay_min_ns, n->cfg.delay_max_ns);

	REQUIRE(f != NULL);
	if (drawn(n, n->cfg.late_ppm)) {
		n->stats.late++;
		delay_ns += n->cfg.late_ns;
	}
	*f = (struct network_frame){ .next = n->frames,
				     .link = &n->frames,
				     .network = n,
				     .from = from,
				     .to = to,
				     .seq = seq,
				     .len = frame.len };
	if (f->next != NULL) {
		f->next->link = &f->next;
	}
	n->frames = f;
	memcpy(f->bytes, frame.p, frame.len);
	events_after(n->events, delay_ns, frame_arrives, f, 0);
}

void
network_send(struct network *n, uint32_t from, uint32_t to, struct slice frame)
{
	uint64_t seq = ++n->seq_sent[from][to];

	REQUIRE(frame.len <= NETWORK_FRAME_MAX);
	n->stats.sent++;
	if (drawn(n, n->cfg.loss_ppm)) {
		n->stats.lost++;
		return;
	}
	frame_send(n, from, to, seq, frame);
	if (drawn(n, n->cfg.double_ppm)) {
		n->stats.doubled++;
		frame_send(n, from, to, seq, frame);
	}
}

void
network_cut(struct network *n, uint32_t from, uint32_t to, bool is_cut)
{
	n->is_cut[from][to] = is_cut;
}

void
network_heal(struct network *n)
{
	memset(n->is_cut, 0, sizeof(n->is_cut));
}
