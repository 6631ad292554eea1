/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c - the table behind the counters */
#include "metrics.h"

#include <stdio.h>

#include "check.h"

static const struct metrics_row rows[] = {
#define METRIC(owner_, what_, unit_, doc_)                                                         \
	[METRIC_##owner_##_##what_] = {                                                            \
		.owner = METRICS_OWNER_##owner_,                                                   \
		.what = #what_,                                                                    \
		.unit = unit_,                                                                     \
		.doc = doc_,                                                                       \
	},
#include "metrics.def"
#undef METRIC
};
static_assert(ARRAY_CNT(rows) == METRIC_CNT, "a row for each metric");

void
metrics_init(struct metrics_block *block, enum metrics_owner owner, uint32_t idx)
{
	REQUIRE((unsigned)owner < METRICS_OWNER_CNT, "owner=%d", (int)owner);
	REQUIRE(owner != METRICS_OWNER_tile);
	REQUIRE((uintptr_t)block % CACHE_LINE == 0);
	block->owner = owner;
	block->idx = idx;
	for (uint32_t m = 0; m < METRIC_CNT; m++) {
		atomic_init(&block->v[m], 0);
	}
}

const struct metrics_row *
metrics_row(enum metric m)
{
	REQUIRE((unsigned)m < METRIC_CNT, "m=%d", (int)m);
	return &rows[m];
}

/* "?" for what is none. */
static const char *
owner_name(enum metrics_owner owner)
{
#define X(owner_, is_tile_) [METRICS_OWNER_##owner_] = #owner_,
	static const char *const name[] = { METRICS_OWNERS(X) };
#undef X

	return (unsigned)owner < METRICS_OWNER_CNT ? name[owner] : "?";
}

static bool
is_tile(enum metrics_owner owner)
{
#define X(owner_, is_tile_) [METRICS_OWNER_##owner_] = is_tile_,
	static const bool tile[] = { METRICS_OWNERS(X) };
#undef X

	return (unsigned)owner < METRICS_OWNER_CNT && tile[owner];
}

bool
metrics_counts(enum metrics_owner owner, enum metric m)
{
	enum metrics_owner row = metrics_row(m)->owner;

	return row == owner || (row == METRICS_OWNER_tile && is_tile(owner));
}

void
metrics_name(enum metrics_owner owner, enum metric m, char *ret_name)
{
	const struct metrics_row *row = metrics_row(m);
	int n;

	REQUIRE(metrics_counts(owner, m), "%s in a block of %s", row->what, owner_name(owner));
	n = snprintf(ret_name, METRICS_NAME_BYTES_MAX, "%s_%s%s%s", owner_name(owner), row->what,
		     row->unit[0] != '\0' ? "_" : "", row->unit);
	ENSURE(n < METRICS_NAME_BYTES_MAX, "%s", row->what);
}
