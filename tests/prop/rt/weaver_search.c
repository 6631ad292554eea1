/* SPDX-License-Identifier: Apache-2.0 */
/* weaver_search - every sequence of choices, depth first; see weaver.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "weaver_party.h"

#define STEP_MAX 1024

/* What lies below a state: how many interleavings, and the steps of the longest of them. */
struct below {
	double paths;
	uint32_t step_max;
};

/* A state on the way from the start to where the search is now. */
struct frame {
	struct hash128 state;
	struct weave_choice choice[WEAVE_CHOICE_MAX];
	uint32_t cnt, at;
	struct below below; /* by the choices before at */
};

struct seen {
	struct hash128 state;
	struct below below; /* paths 0: a free entry */
};

struct search {
	const struct weave_plan *plan;
	struct weave_result *ret;
	struct frame *frame;
	uint32_t depth;
	struct seen *seen;
	size_t seen_cnt, seen_cap;
};

static struct seen *
seen_slot(struct seen *table, size_t cap, struct hash128 state)
{
	size_t i = state.lo & (cap - 1);

	while (table[i].below.paths != 0 && !hash128_eq(table[i].state, state)) {
		i = (i + 1) & (cap - 1);
	}
	return &table[i];
}

static void
seen_put(struct search *s, struct hash128 state, struct below below)
{
	if (s->seen_cnt * 2 >= s->seen_cap) {
		size_t cap = s->seen_cap == 0 ? 1 << 12 : s->seen_cap * 2;
		struct seen *table = calloc(cap, sizeof(*table));

		REQUIRE(table != NULL);
		for (size_t i = 0; i < s->seen_cap; i++) {
			if (s->seen[i].below.paths != 0) {
				*seen_slot(table, cap, s->seen[i].state) = s->seen[i];
			}
		}
		free(s->seen);
		s->seen = table;
		s->seen_cap = cap;
	}
	*seen_slot(s->seen, s->seen_cap, state) = (struct seen){ state, below };
	s->seen_cnt++;
}

static struct below
seen_below(const struct search *s, struct hash128 state)
{
	return s->seen_cap == 0 ? (struct below){ 0 }
				: seen_slot(s->seen, s->seen_cap, state)->below;
}

/* Runs the choices of the frames again, this time writing down each step. */
static void
search_trace(const struct search *s)
{
	const char *wrong = NULL;

	s->ret->trace[0] = '\0';
	party_world_start(s->plan, s->ret->trace, sizeof(s->ret->trace));
	for (uint32_t i = 0; i < s->depth && wrong == NULL; i++) {
		wrong = party_do(s->frame[i].choice[s->frame[i].at]);
	}
}

/* Goes down from the state that the frames lead to, by the first choice of each new state, until
 * there is none, or the state is known, or something is wrong.
 * Returns: what lies below where it stopped. */
static struct below
search_down(struct search *s)
{
	for (;;) {
		struct frame *f = &s->frame[s->depth];

		REQUIRE(s->depth < STEP_MAX, "%s never ends", s->plan->name);
		*f = (struct frame){ 0 };
		f->cnt = party_choices(f->choice);
		if (f->cnt == 0) {
			s->ret->wrong = s->plan->end();
			s->ret->run_cnt++;
			return (struct below){ .paths = 1 };
		}
		if (!s->plan->every) {
			struct below below;

			f->state = party_world_hash();
			below = seen_below(s, f->state);
			if (below.paths != 0) {
				return below;
			}
		}
		s->depth++;
		s->ret->state_cnt++;
		s->ret->wrong = party_do(f->choice[0]);
		if (s->ret->wrong != NULL) {
			return (struct below){ 0 };
		}
	}
}

/* Goes back up to the nearest state with a choice left, adding up. Returns: false at the start. */
static bool
search_up(struct search *s, struct below below)
{
	while (s->depth > 0) {
		struct frame *f = &s->frame[s->depth - 1];

		f->below.paths += below.paths;
		f->below.step_max = MAX(f->below.step_max, below.step_max + 1);
		if (++f->at < f->cnt) {
			return true;
		}
		if (!s->plan->every) {
			seen_put(s, f->state, f->below);
		}
		below = f->below;
		s->depth--;
	}
	s->ret->interleaving_cnt = below.paths;
	s->ret->step_max = below.step_max;
	return false;
}

void
weave(const struct weave_plan *plan, struct weave_result *ret)
{
	struct search s = { .plan = plan, .ret = ret };
	struct below below = { 0 };

	*ret = (struct weave_result){ 0 };
	s.frame = calloc(STEP_MAX + 1, sizeof(*s.frame));
	REQUIRE(s.frame != NULL);
	do {
		party_world_start(plan, NULL, 0);
		for (uint32_t i = 0; i < s.depth && ret->wrong == NULL; i++) {
			ret->wrong = party_do(s.frame[i].choice[s.frame[i].at]);
		}
		if (ret->wrong == NULL) {
			below = search_down(&s);
		}
	} while (ret->wrong == NULL && search_up(&s, below));
	if (ret->wrong != NULL) {
		search_trace(&s);
	}
	free(s.seen);
	free(s.frame);
}
