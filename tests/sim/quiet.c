/* SPDX-License-Identifier: Apache-2.0 */
/* quiet - when all is said: is everything back where it came from, and does the store say the same
 * as the
 * cache, and as the oracle?
 */
#include <string.h>

#include "bag.h"
#include "cache_view.h"
#include "check.h"
#include "envelope.h"
#include "hash.h"
#include "impl.h"
#include "list.h"
#include "map.h"
#include "microburst/error.h"
#include "mvreg.h"
#include "node.h"
#include "oset.h"
#include "proc.h"
#include "treeval.h"
#include "view.h"

static void
none(struct sim *s, uint64_t cnt, const char *what)
{
	s->oracle.stats.checks++;
	if (cnt != 0) {
		sim_fail(s, "when quiet: %llu %s", (unsigned long long)cnt, what);
	}
}

static void
check_sched(struct sim *s)
{
	struct sched *core = s->node->sched.core;
	uint64_t claims = 0;
	uint32_t messages;

	none(s, sched_queued(core), "calls wait at sched");
	none(s, sched_running(core), "calls run for sched");
	none(s, sched_runs(core), "DAG calls run");
	none(s, sched_held(core), "results of a DAG's functions are held");
	none(s, payload_alive(s->node->sched.pool), "copies of results were not given back");
	none(s, sched_inboxes(core, &messages), "inboxes are kept");
	none(s, messages, "messages are kept");
	none(s, ports_waiting(s->node->sched.tile.ports), "messages of sched wait for processes");
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		claims += simctl_proc(s->node->ctl, e) != NULL &&
			  atomic_load(&s->node->hints->claim[e].v) != 0;
	}
	none(s, claims, "executors are claimed");
}

static void
check_tiles(struct sim *s)
{
	struct node *n = s->node;

	for (uint32_t i = 0; i < s->shape.cache_cnt; i++) {
		struct cache_sim *t = &n->cache_tile[i];

		none(s, cache_core_busy(t->core), "things are under way in the cache");
		none(s, ports_waiting(t->tile.ports), "messages of the cache wait for processes");
		none(s, payload_alive(t->pages), "pages of scans were not given back");
		none(s, cache_core_stats(t->core).bad, "messages were bad");
		cache_core_check(t->core);
	}
	for (uint32_t i = 0; i < s->shape.kvs_cnt; i++) {
		none(s, n->kvs[i].shard->pin_cnt, "values of the store are pinned");
		none(s, kvs_core_busy(&n->kvs[i].core), "things are under way in the store");
		none(s, kvs_core_timer(&n->kvs[i].core) != UINT64_MAX,
		     "kvs tiles have something to do");
	}
	none(s, simctl_unburied(n->ctl), "dead processes are not forgotten");
	none(s, simctl_half_channels(n->ctl), "ports have no other end");
	none(s, ports_waiting(simctl_tile(n->ctl)->ports), "messages of ctl wait for processes");
}

static void
check_client(struct sim *s, const struct mb_client *c)
{
	uint32_t out = 0;

	for (uint32_t e = 0; e < PROC_CLIENT_FIRST; e++) {
		out += c->direct.out[e];
	}
	none(s, c->call_cnt, "calls are open at a client");
	none(s, c->late_cnt, "late answers are still to come to a client");
	none(s, out, "direct calls are counted as under way");
}

static void
check_procs(struct sim *s)
{
	for (uint16_t i = 1; i < PROC_CNT_MAX; i++) {
		struct sim_proc *p = simctl_proc(s->node->ctl, i);
		uint64_t held = 0;

		if (p == NULL || p->domain == NULL) {
			continue;
		}
		for (uint32_t h = 0; h < HAZARD_CNT; h++) {
			held += cache_hazard_held(atomic_load(&region_hazard(&p->region)[h]));
		}
		if (p->client != NULL) {
			check_client(s, p->client);
		}
		none(s, held, "values are held");
		none(s, payload_alive(p->domain->pool), "payloads were not given back");
		none(s, proc_unread(p), "processes have unread messages");
	}
}

/* The same of a bag. */
static void
check_bag(struct sim *s, enum key_kind kind, uint32_t key, const struct envelope *e)
{
	struct oracle *o = &s->oracle;
	struct table_walk i = { 0 };
	struct mvreg_sibling sibling;
	struct list_item item;
	struct slice member;
	uint32_t at = 0;
	double score;

	bag_look_begin(o, kind, key, true);
	switch (view_present(e->type, e->state) ? kind : KEY_KIND_CNT) {
	case KEY_LOOSE:
		while (view_set_next(e->type, e->state, &i, &member)) {
			bag_look_item(o, member, NULL);
		}
		break;
	case KEY_LIST:
		while (list_next(e->state, &i, &item)) {
			bag_look_item(o, item.value, NULL);
		}
		break;
	case KEY_ZSET:
		while (oset_next(e->state, &i, &member, &score)) {
			bag_look_item(o, member, &score);
		}
		break;
	case KEY_SIBLING:
		while (mvreg_next(e->state, &at, &sibling)) {
			bag_look_item(o, sibling.value, NULL);
		}
		break;
	default:
		break;
	}
	bag_look_end(o, false);
}

/* What the store has under a key. */
static void
check_value(struct sim *s, enum key_kind kind, uint32_t key, const struct envelope *e)
{
	struct oracle *o = &s->oracle;
	char text[VIEW_TEXT_MAX];
	bool absent = !view_present(e->type, e->state);
	struct slice shown = { 0 }, m;
	struct map_field field;
	unsigned int type;
	int64_t number = 0;
	int err = 0;

	if (bag_is(kind)) {
		check_bag(s, kind, key, e);
	} else if (kind == KEY_COUNTER) {
		err = absent ? 0 : view_i64(e->type, e->state, &number);
		oracle_read_counter(o, KEY_COUNTER, key, absent, number);
	} else if (kind == KEY_FIELD) {
		absent = absent || !map_get(e->state, slice_str(oracle_field_text(key)), &field) ||
			 !map_field_value(&field, &type, &shown);
		err = absent ? 0 : view_i64(type, shown, &number);
		oracle_read_counter(o, KEY_FIELD, key, absent, number);
	} else if (kind == KEY_REGISTER) {
		err = absent ? 0 : view_text(e->type, e->state, text, &shown);
		oracle_read_register(o, key, absent, shown);
	} else if (kind == KEY_SET) {
		for (struct table_walk i = { 0 }; view_set_next(e->type, e->state, &i, &m);) {
			oracle_read_member(o, key, m);
		}
		oracle_read_set(o, key, view_cnt(e->type, e->state));
	}
	if (err != 0) {
		sim_fail(s, "when quiet: a value cannot be read: %s", mb_err_name(err));
	}
}

struct missing {
	struct sim *sim;
	const struct envelope *set;
};

static void
check_member(void *ctx, uint32_t n)
{
	struct missing *m = ctx;
	static char text[ORACLE_MEMBER_MAX];

	m->sim->oracle.stats.checks++;
	if (!view_set_has(m->set->type, m->set->state,
			  slice_of(text, oracle_member_text(n, text, sizeof(text))))) {
		sim_fail(m->sim, "O5: acknowledged member %u is missing", n);
	}
}

/* What the owners of a key have, which must be the same, and others must not have it. */
static struct slice
check_owners(struct sim *s, struct slice key)
{
	uint16_t tile[SIM_KVS_MAX];
	struct slice stored;
	uint32_t cnt =
		hashring_tiles(s->node->ring, 0, hash_bytes(key.p, key.len), s->shape.copies, tile);

	stored = kvs_shard_get(s->node->kvs[tile[0]].shard, key);
	for (uint32_t i = 1; i < cnt; i++) {
		none(s, !treeval_equal(kvs_shard_get(s->node->kvs[tile[i]].shard, key), stored),
		     "O8: two owners of a key differ");
	}
	for (uint32_t i = 0; i < cnt; i++) {
		struct kvs_shard *shard = s->node->kvs[tile[i]].shard;
		size_t large = s->node->kvs[tile[i]].core.drops.forget_bytes;
		const struct kvs_key *k = kvs_shard_find(shard, key);
		struct kvs_value *v = k != NULL ? kvs_at(shard->base, k->value) : NULL;
		struct kvs_value *settled = NULL;

		if (v != NULL && kvs_forget_large(v, large)) { /* a few marks stay */
			none(s, i == 0 && v->settled == 0 && kvs_forget_worth(v),
			     "O8: much of what was removed is still remembered");
		} else if (k != NULL && kvs_forget_small(shard, k, UINT32_MAX, &settled) == 0 &&
			   settled != NULL) {
			none(s, 1, "O8: what was removed is still remembered");
			kvs_shard_value_free(shard, settled);
		}
	}
	return stored;
}

static void
check_key(struct sim *s, struct cache_view *view, enum key_kind kind, uint32_t idx)
{
	char text[ORACLE_KEY_TEXT];
	struct slice key = slice_of(text, oracle_key_text(kind, idx, text, sizeof(text)));
	struct slice stored = check_owners(s, key);
	struct envelope e;
	struct cache_value v;
	int n = cache_view_get(view, key, &v);

	/* A tree's bytes are not the encoding: that it is one, its members and the cache's say. */
	if (slice_is_tree(stored) ? envelope_open(stored, &e) != 0
				  : envelope_parse(stored, &e) != 0) {
		sim_fail(s, "when quiet: the store has a damaged value under %s", text);
		return;
	}
	check_value(s, kind, idx, &e);
	none(s, stored.len != 0 && !view_present(e.type, e.state), "a deleted key is still stored");
	if (kind == KEY_SET) {
		struct missing m = { s, &e };

		oracle_members(&s->oracle, idx, check_member, &m);
	}
	if (n != CACHE_MISS) {
		none(s, !treeval_equal(v.envelope, stored), "O7: cache and store differ");
		cache_view_release(view, &v);
	}
}

void
node_check(struct sim *s)
{
	static _Atomic uint64_t hazard[HAZARD_CNT]; /* of nobody: nothing else happens meanwhile */
	struct cache_view view;

	oracle_end(&s->oracle);
	check_sched(s);
	check_tiles(s);
	check_procs(s);
	REQUIRE(cache_view_open(&view, s->node->cache, s->node->layout.bytes, hazard) == 0);
	for (uint32_t kind = 0; kind < KEY_KIND_CNT; kind++) {
		for (uint32_t i = 0; i < s->shape.key_cnt; i++) {
			check_key(s, &view, (enum key_kind)kind, i);
		}
	}
	cache_view_release_all(&view);
}
