/* SPDX-License-Identifier: Apache-2.0 */
/* network - frames between nodes: lost, doubled, late, out of order, cut off
 *
 * What a datagram network may do, and nothing it may not: a frame that arrives is whole, and
 * arrives where
 * it was sent to. Each frame's fate is drawn when it is sent, but for cuts, which also stop what
 * is on
 * its way: a frame arrives if its way is open at that moment.
 *
 * A cut has a direction: a node may hear without being heard.
 */
#ifndef MB_SIM_NETWORK_H
#define MB_SIM_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "rng.h"
#include "slice.h"

#define NETWORK_NODE_MAX  16
#define NETWORK_FRAME_MAX 1500

struct network_cfg {
	uint32_t node_cnt;
	uint32_t loss_ppm, double_ppm, late_ppm; /* of a million frames */
	uint64_t delay_min_ns, delay_max_ns; /* in between, so that frames overtake each other */
	uint64_t late_ns;                    /* on top of it, for those that are late */
};

struct network_stats {
	uint64_t sent, arrived, lost, doubled, late, cut, overtaken;
};

typedef void (*network_arrive_fn)(void *ctx, uint32_t from, uint32_t to, struct slice frame);

struct network_frame;

struct network {
	struct network_cfg cfg;
	struct events *events;
	struct rng rng;
	network_arrive_fn arrive;
	void *ctx;
	bool is_cut[NETWORK_NODE_MAX][NETWORK_NODE_MAX]; /* from, to */
	uint64_t seq_sent[NETWORK_NODE_MAX][NETWORK_NODE_MAX];
	uint64_t seq_seen[NETWORK_NODE_MAX][NETWORK_NODE_MAX];
	struct network_frame *frames; /* on their way */
	struct network_stats stats;
};

/* network_init makes a network; frames that arrive are told to arrive(ctx, ..). */
void network_init(struct network *n, const struct network_cfg *cfg, struct events *events,
		  uint64_t seed, network_arrive_fn arrive, void *ctx);
void network_fini(struct network *n);

/* network_send sends a frame, which is copied. Requires: frame.len <= NETWORK_FRAME_MAX. */
void network_send(struct network *n, uint32_t from, uint32_t to, struct slice frame);

/* network_cut closes the way from one node to another, or opens it. */
void network_cut(struct network *n, uint32_t from, uint32_t to, bool is_cut);

/* network_heal opens all ways. */
void network_heal(struct network *n);

#endif
