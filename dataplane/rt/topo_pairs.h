/* SPDX-License-Identifier: Apache-2.0 */
/* topo_pairs - which kinds of tiles talk, for the three files that make up topo */
#ifndef MB_RT_TOPO_PAIRS_H
#define MB_RT_TOPO_PAIRS_H

#include "topo.h"

struct topo_pair {
	enum tile_kind from;
	enum tile_kind to;
	enum link_full full;
};

#define TOPO_PAIR_CNT 15

extern const struct topo_pair topo_pairs[TOPO_PAIR_CNT];

/* topo_is_built tells a plan that topo_build finished from any other memory. */
bool topo_is_built(const struct topo *topo);

#endif
