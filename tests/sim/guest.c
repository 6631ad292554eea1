/* SPDX-License-Identifier: Apache-2.0 */
/* guest - writes to the store past the caches, at any owner of a key
 *
 * Stands for what other nodes and the network will send to a kvs tile: it has a writer's id, but no
 * copy of anything. It reads a key at some owner, makes a delta as a cache would, and merges it at
 * the same owner. So what it writes must reach the other owners and the caches by the store's own
 * doing, and owners get writes that are concurrent with those that caches bring to the primary.
 */
#include <stdlib.h>
#include <string.h>

#include "bag.h"
#include "check.h"
#include "compiler.h"
#include "delta.h"
#include "hash.h"
#include "microburst/error.h"
#include "node.h"

#define TEXT_MAX  40
#define VALUE_MAX 4096

enum guest_state { GUEST_IDLE = 0, GUEST_GETS, GUEST_MERGES };

/* One operation at a time. What its messages point to stays here until they are answered. */
struct guest {
	struct sim *sim;
	struct actor actor;
	struct lane from_kvs;
	struct hlc clock;
	struct writer_id writer;
	enum guest_state state;
	bool ended;
	uint64_t next_ns; /* it begins nothing before */
	uint32_t kvs;
	struct op op;
	struct op *done; /* acknowledged: caches hear of it later */
	uint32_t done_cnt, done_cap;
	char key[TEXT_MAX];
	size_t key_len;
	uint8_t value[ORACLE_MEMBER_MAX];
	uint8_t delta[2 * ORACLE_MEMBER_MAX];
};

static void
send(struct guest *g, const struct desc *d)
{
	lane_send(&g->sim->node->kvs[g->kvs].from_guest, d);
}

static struct slice
guest_key(const struct guest *g)
{
	return slice_of(g->key, g->key_len);
}

/* Draws a write, and asks an owner, or somebody else, what it has. */
static void
begin(struct guest *g)
{
	struct sim *s = g->sim;
	static const uint8_t kinds[] = { KEY_SET, KEY_LOOSE, KEY_REGISTER, KEY_WILD, KEY_WILD };
	struct desc d = { .kind = DESC_KVS_GET };

	g->op = (struct op){ .key_kind = kinds[sim_below(s, ARRAY_CNT(kinds))], .kind = OP_WRITE };
	g->op.key = (uint8_t)sim_below(s, sim_one_in(s, 2) ? MIN(3U, s->shape.key_cnt)
							   : s->shape.key_cnt);
	if (g->op.key_kind == KEY_LOOSE) {
		bag_draw(s, &g->op);
	} else if (g->op.key_kind == KEY_WILD && sim_one_in(s, 2)) {
		g->op.kind = OP_DELETE;
	}
	g->key_len = oracle_key_text(g->op.key_kind, g->op.key, g->key, sizeof(g->key));
	g->kvs = sim_below(s, s->shape.kvs_cnt);
	g->state = GUEST_GETS;
	kvs_msg_set_bytes(&d, guest_key(g));
	send(g, &d);
}

/* Makes the delta that the operation means. Returns: its length; 0: nothing is to be done. */
static size_t
delta_of(struct guest *g, struct slice stored)
{
	struct sim *s = g->sim;
	struct wset_op op = { .kind = WSET_PUT, .key = guest_key(g) };
	struct wbuf out = wbuf_init(g->delta, sizeof(g->delta));
	struct hlc_moment at = hlc_moment(&g->clock, timebase_wall_us(&s->clock.tb));

	if (g->op.kind == OP_DELETE) {
		op.kind = WSET_DEL;
	} else if (g->op.key_kind == KEY_SET || g->op.key_kind == KEY_LOOSE) {
		if (g->op.key_kind == KEY_SET) {
			g->op.n = oracle_op_new(&s->oracle, KEY_SET, g->op.key, 0);
		}
		g->op.sees = true; /* else there is no delta */
		op.kind = g->op.kind == OP_TAKE ? WSET_SREM : WSET_SADD;
		op.value = slice_of(g->value, oracle_member_text(g->op.n, (char *)g->value,
								 sizeof(g->value)));
	} else {
		g->op.len = 4 + sim_below(s, sim_one_in(s, 4) ? VALUE_MAX / 2 : 60);
		g->op.n = 1;
		if (g->op.key_kind == KEY_REGISTER) {
			g->op.n = oracle_op_new(&s->oracle, KEY_REGISTER, g->op.key, g->op.len);
		}
		oracle_value_fill(g->op.n, g->value, g->op.len);
		op.value = slice_of(g->value, g->op.len);
	}
	return delta_make(stored, &op, at, g->writer, &out) == 0 ? out.len : 0;
}

static void
on_got(struct guest *g, const struct desc *got)
{
	struct desc d = { .kind = DESC_KVS_MERGE };
	struct desc release = { .kind = DESC_KVS_RELEASE };
	size_t len = 0;

	if (got->err == 0) {
		len = delta_of(g, kvs_msg_bytes(got));
	} else if (got->err != MB_ERR_MOVED) {
		sim_fail(g->sim, "a read of the store was answered %s", mb_err_name(got->err));
	}
	if ((got->flags & DESC_F_INLINE) == 0) {
		release.word[2] = got->word[2];
		send(g, &release);
	}
	g->state = GUEST_IDLE;
	if (len != 0) {
		oracle_op_start(&g->sim->oracle, &g->op);
		g->sim->stats.guest_ops++;
		g->state = GUEST_MERGES;
		kvs_msg_set_bytes(&d, guest_key(g));
		kvs_msg_set_delta(&d, slice_of(g->delta, len));
		send(g, &d);
	}
}

static void
on_merged(struct guest *g, const struct desc *d)
{
	enum effect e = d->err == 0                      ? EFFECT_DONE
			: d->err == MB_ERR_INDETERMINATE ? EFFECT_MAYBE
							 : EFFECT_NONE;

	if (e == EFFECT_NONE && d->err != MB_ERR_MOVED && d->err != MB_ERR_NO_MEMORY) {
		sim_fail(g->sim, "a merge into the store was answered %s", mb_err_name(d->err));
	}
	g->state = GUEST_IDLE;
	if (e != EFFECT_DONE) {
		oracle_op_end(&g->sim->oracle, &g->op, e);
		return;
	}
	if (g->done_cnt == g->done_cap) {
		g->done_cap = g->done_cap != 0 ? 2 * g->done_cap : 256;
		g->done = realloc(g->done, g->done_cap * sizeof(*g->done));
		REQUIRE(g->done != NULL);
	}
	g->done[g->done_cnt++] = g->op;
}

static void
guest_step(void *ctx)
{
	struct guest *g = ctx;
	struct sim *s = g->sim;
	struct desc d;

	if (lane_recv(&g->from_kvs, &d)) {
		s->stats.steps++;
		if (d.kind == DESC_KVS_GOT) {
			REQUIRE(g->state == GUEST_GETS);
			on_got(g, &d);
		} else {
			REQUIRE(d.kind == DESC_KVS_MERGED);
			REQUIRE(g->state == GUEST_MERGES);
			on_merged(g, &d);
		}
	}
	if (g->state != GUEST_IDLE || g->ended) {
		return;
	}
	if (g->next_ns > sim_now_ns(s)) {
		actor_wake(&g->actor, g->next_ns - sim_now_ns(s));
		return;
	}
	g->next_ns = sim_now_ns(s) + 1 + rng_below(&s->rng, 2 * s->shape.guest_idle_ns);
	begin(g);
}

void
guest_answer(struct sim *s, uint32_t kvs, const struct desc *d)
{
	REQUIRE(kvs == s->guest->kvs);
	lane_send(&s->guest->from_kvs, d);
}

void
guest_start(struct sim *s)
{
	struct guest *g = calloc(1, sizeof(*g));

	REQUIRE(g != NULL);
	s->guest = g;
	g->sim = s;
	g->writer = (struct writer_id){ rng_u64(&s->rng) | 1 };
	actor_init(&g->actor, &s->events, guest_step, g);
	lane_init(&g->from_kvs, s, &g->actor, 4);
	if (s->shape.guest_idle_ns != 0) {
		actor_wake(&g->actor, sim_delay_ns(s, DELAY_STEP));
	}
}

void
guest_end(struct sim *s)
{
	s->guest->ended = true;
}

void
guest_settle(struct sim *s)
{
	const struct guest *g = s->guest;

	for (uint32_t i = 0; i < g->done_cnt; i++) {
		oracle_op_end(&s->oracle, &g->done[i], EFFECT_DONE);
	}
}

void
guest_free(struct sim *s)
{
	free(s->guest->done);
	lane_fini(&s->guest->from_kvs);
	free(s->guest);
}
