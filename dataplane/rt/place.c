/* SPDX-License-Identifier: Apache-2.0 */
/* place.c - the rule that gives every lcore, tile and executor its cpu
 *
 * The rule itself is in place.h. It works on one list, the cores in the order in which they are
 * given away, home NUMA node first:
 *
 *      0        D                                              N
 *      ├─lcores─┼─────────────── the rest, R = N - D ───────────┤
 *                 x x x c  x x x c  x x x c ...                   x executors, c clients
 *
 * I1  No two lcores on one cpu, nor on one core; but a net tile's, where cores are short, beside
 * lcore
 *     0: both then hold the cpu's spin token before they spin.
 * I2  An executor shares a core with an lcore only when each core has an executor already, and a
 *     cpu with anybody only when each cpu has somebody.
 * I3  Everything follows from plan and machine: no clock, no randomness, so a golden file can hold
 *     it.
 *
 * Why a quarter: an lcore that polls is a core that runs no function, and functions are what the
 * node is for; a tile handles millions of messages a second, so tiles fold long before they are
 * full. A net tile does not fold: it waits at its queue. The others have had their quarter by then,
 * so its own share is what a third is more; beside lcore 0 each frame waits for ctl and sched. Why
 * every fourth for clients: the same split on each NUMA node without a second rule, since
 * cores of a node are neighbours in the list.
 *
 * Rejected: executors on second threads of daemon cores by default. A spinning neighbour takes a
 * third to half of a core's throughput, from the one thread that every executor waits for.
 */
#include "place.h"

#include <microburst/error.h>

#include "check.h"
#include "topo.h"

#define CORES_AN_LCORE 4 /* cores of the machine for each lcore of the daemon */
#define CORES_A_NET    3 /* the same when net tiles are seated too */
#define CORES_A_CLIENT 4 /* of the remaining cores, one in so many is left to clients */

enum seat_use { SEAT_FREE = 0, SEAT_LCORE, SEAT_EXECUTOR };

/* A place to sit: one hardware thread. */
struct seat {
	uint16_t core; /* index into machine->core */
	uint16_t thread;
};

struct seating {
	const struct place_machine *machine;
	uint16_t order[PLACE_CORE_CNT_MAX]; /* cores as they are given away */
	uint8_t use[PLACE_CORE_CNT_MAX][PLACE_SMT_CNT_MAX];
	struct seat seat[CPU_CNT_MAX]; /* executors' seats, best first */
	uint32_t seat_cnt;
	uint32_t lcore_core_cnt; /* cores that lcores sit on: the first in order */
};

static uint16_t
seat_cpu(const struct seating *s, struct seat seat)
{
	return s->machine->core[seat.core].cpu[seat.thread];
}

/* Returns the index of the home NUMA node, or an error. */
static int
home_numa(const struct place_machine *m, uint16_t want, struct topo_why *why)
{
	int best = 0;

	for (int i = 0; i < m->numa_cnt; i++) {
		if (m->numa[i].os_idx == want) {
			return i;
		}
		if (m->numa[i].memory_bytes > m->numa[best].memory_bytes) {
			best = i;
		}
	}
	if (want != PLACE_NUMA_ANY) {
		return topo_why_set(why, MB_ERR_NOT_FOUND,
				    "NUMA node %u has no core that this node may use", want);
	}
	return best;
}

static void
cores_order(struct seating *s, uint16_t home)
{
	const struct place_machine *m = s->machine;
	uint32_t n = 0;

	for (int at_home = 1; at_home >= 0; at_home--) {
		for (uint16_t c = 0; c < m->core_cnt; c++) {
			if ((m->core[c].numa == home) == at_home) {
				s->order[n++] = c;
			}
		}
	}
	INSIST(n == m->core_cnt);
}

static int
lcores_count(const struct topo *topo, const struct place_machine *m, uint16_t *ret_cnt,
	     struct topo_why *why)
{
	uint32_t want = topo->want.lcore_cnt;
	uint32_t max = LCORE_CNT_MAX - topo->want.net_cnt;
	uint32_t tile_cnt = topo->tile_cnt - topo->want.net_cnt;

	if (want > max) {
		return topo_why_set(why, MB_ERR_TOO_LARGE, "%u lcores are wanted; the limit is %u",
				    want, max);
	}
	if (want > tile_cnt) {
		return topo_why_set(why, MB_ERR_CONFIG,
				    "%u lcores are wanted for %u tiles; ask for %u or fewer, or 0",
				    want, tile_cnt, tile_cnt);
	}
	if (want > m->core_cnt) {
		return topo_why_set(why, MB_ERR_CONFIG,
				    "%u lcores are wanted, there are %u cores; ask for fewer, or 0",
				    want, m->core_cnt);
	}
	if (want == 0) {
		want = MAX(1u, MIN(tile_cnt, m->core_cnt / (uint32_t)CORES_AN_LCORE));
	}
	*ret_cnt = (uint16_t)MIN(want, max);
	return MB_OK;
}

static void
lcores_seat(struct topo *topo, struct seating *s)
{
	for (uint16_t i = 0; i < topo->lcore_cnt; i++) {
		uint16_t core = s->order[i];

		s->use[core][0] = SEAT_LCORE;
		topo->lcore[i] = (struct topo_lcore){
			.cpu = s->machine->core[core].cpu[0],
			.numa = s->machine->core[core].numa,
		};
	}
}

/* Neighbours in the plan share an lcore, and no lcore has two tiles more than another. */
static void
tiles_fold(struct topo *topo, uint32_t tile_cnt)
{
	for (uint32_t i = 0; i < tile_cnt; i++) {
		struct topo_tile *tile = &topo->tile[i];
		struct topo_lcore *lcore;

		tile->lcore = (uint16_t)(i * topo->lcore_cnt / tile_cnt);
		lcore = &topo->lcore[tile->lcore];
		lcore->tile_cnt++;
		tile->cpu = lcore->cpu;
		tile->numa = lcore->numa;
	}
}

/* The last tiles of the plan, each with an lcore of its own: on the next core while lcores then
 * have a third of all, else beside lcore 0. */
static void
net_seat(struct topo *topo, struct seating *s)
{
	for (uint32_t i = topo->tile_cnt - topo->want.net_cnt; i < topo->tile_cnt; i++) {
		struct topo_lcore *lcore = &topo->lcore[topo->lcore_cnt];

		if ((s->lcore_core_cnt + 1) * CORES_A_NET <= s->machine->core_cnt) {
			uint16_t core = s->order[s->lcore_core_cnt++];

			s->use[core][0] = SEAT_LCORE;
			*lcore = (struct topo_lcore){ .cpu = s->machine->core[core].cpu[0],
						      .numa = s->machine->core[core].numa };
		} else {
			topo->lcore[0].shared = true;
			*lcore = (struct topo_lcore){ .cpu = topo->lcore[0].cpu,
						      .numa = topo->lcore[0].numa,
						      .shared = true };
		}
		lcore->alone = true;
		lcore->tile_cnt = 1;
		topo->tile[i].lcore = topo->lcore_cnt++;
		topo->tile[i].cpu = lcore->cpu;
		topo->tile[i].numa = lcore->numa;
	}
}

static void
seat_offer(struct seating *s, uint16_t core, uint16_t thread)
{
	if (thread < s->machine->core[core].cpu_cnt && s->use[core][thread] == SEAT_FREE) {
		s->seat[s->seat_cnt++] = (struct seat){ .core = core, .thread = thread };
	}
}

static bool
is_for_clients(uint32_t rest_idx)
{
	return rest_idx % CORES_A_CLIENT == CORES_A_CLIENT - 1;
}

/* Lists the seats for executors, best first. Returns how many are theirs without asking clients. */
static uint32_t
seats_list(struct seating *s, uint32_t lcore_cnt)
{
	uint32_t core_cnt = s->machine->core_cnt;
	uint32_t own_cnt = 0;

	for (uint16_t thread = 0; thread < PLACE_SMT_CNT_MAX; thread++) {
		for (int clients = 0; clients <= 1; clients++) {
			for (uint32_t i = lcore_cnt; i < core_cnt; i++) {
				if (is_for_clients(i - lcore_cnt) == clients) {
					seat_offer(s, s->order[i], thread);
				}
			}
			if (thread == 0 && clients == 0) {
				own_cnt = s->seat_cnt;
			}
		}
	}
	for (uint16_t thread = 1; thread < PLACE_SMT_CNT_MAX; thread++) {
		for (uint32_t i = 0; i < lcore_cnt; i++) {
			seat_offer(s, s->order[i], thread);
		}
	}
	if (s->seat_cnt == 0) { /* one cpu an lcore and no other: all share */
		for (uint32_t i = 0; i < lcore_cnt; i++) {
			s->seat[s->seat_cnt++] = (struct seat){ .core = s->order[i] };
		}
	}
	return own_cnt;
}

static int
executors_count(struct topo *topo, uint32_t own_cnt, uint32_t seat_cnt, struct topo_why *why)
{
	uint32_t want = topo->want.executor_cnt;
	uint32_t spare = topo->want.spare_cnt;

	if (want > EXECUTOR_CNT_MAX || spare > SPARE_CNT_MAX) {
		return topo_why_set(
			why, MB_ERR_TOO_LARGE,
			"%u executors and %u spares are wanted; the limits are %d and %d", want,
			spare, EXECUTOR_CNT_MAX, SPARE_CNT_MAX);
	}
	if (want == 0) {
		want = MAX(MIN(own_cnt, (uint32_t)EXECUTOR_CNT_MAX), TOPO_EXECUTOR_CNT_MIN);
	}
	if (spare == 0) { /* one for each cpu of theirs */
		spare = MIN(MIN(want, seat_cnt), (uint32_t)SPARE_CNT_MAX);
	}
	topo->executor_cnt = (uint16_t)want;
	topo->spare_cnt = (uint16_t)spare;
	return MB_OK;
}

/* Executors take the seats in their order, and begin again when there are more of them. */
static int
executors_seat(struct topo *topo, struct seating *s, struct topo_why *why)
{
	uint32_t own_cnt = seats_list(s, s->lcore_core_cnt);
	int err = executors_count(topo, own_cnt, s->seat_cnt, why);
	uint32_t used_cnt = MIN((uint32_t)topo->executor_cnt, s->seat_cnt);

	if (err != MB_OK) {
		return err;
	}
	INSIST(used_cnt > 0);
	for (uint32_t i = 0; i < topo->executor_cnt; i++) {
		struct seat seat = s->seat[i % used_cnt];

		topo->executor[i] = (struct topo_executor){
			.cpu = seat_cpu(s, seat),
			.numa = s->machine->core[seat.core].numa,
			.shared = s->use[seat.core][seat.thread] == SEAT_LCORE || i >= used_cnt ||
				  i + used_cnt < topo->executor_cnt,
		};
	}
	for (uint32_t i = 0; i < used_cnt; i++) {
		uint8_t *use = &s->use[s->seat[i].core][s->seat[i].thread];

		*use = *use == SEAT_FREE ? SEAT_EXECUTOR : *use;
	}
	for (uint32_t i = 0; i < topo->spare_cnt; i++) {
		topo->spare[i] = topo->executor[i % used_cnt];
		topo->spare[i].shared = true;
	}
	return MB_OK;
}

static bool
core_is_free(const struct seating *s, uint16_t core)
{
	for (uint16_t thread = 0; thread < s->machine->core[core].cpu_cnt; thread++) {
		if (s->use[core][thread] != SEAT_FREE) {
			return false;
		}
	}
	return true;
}

/* Adds a hardware thread nobody sits on to those on which clients may spin. */
static void
client_cpu_add(struct topo *topo, const struct seating *s, uint16_t core, uint16_t thread)
{
	if (thread < s->machine->core[core].cpu_cnt && s->use[core][thread] == SEAT_FREE) {
		topo->client_cpu[topo->client_cpu_cnt++] = (struct topo_client_cpu){
			.cpu = s->machine->core[core].cpu[thread],
			.numa = s->machine->core[core].numa,
		};
	}
}

static void
clients_seat(struct topo *topo, const struct seating *s)
{
	for (uint16_t thread = 0; thread < PLACE_SMT_CNT_MAX; thread++) {
		for (uint32_t i = s->lcore_core_cnt; i < s->machine->core_cnt; i++) {
			if (core_is_free(s, s->order[i])) {
				client_cpu_add(topo, s, s->order[i], thread);
			}
		}
	}
	if (topo->client_cpu_cnt > 0) {
		return;
	}
	for (uint16_t thread = 1; thread < PLACE_SMT_CNT_MAX; thread++) {
		for (uint32_t i = 0; i < s->lcore_core_cnt; i++) {
			client_cpu_add(topo, s, s->order[i], thread);
		}
	}
	if (topo->client_cpu_cnt == 0) {
		topo->client_cpu[topo->client_cpu_cnt++] = (struct topo_client_cpu){
			.cpu = topo->lcore[0].cpu,
			.numa = topo->lcore[0].numa,
			.shared = true,
		};
	}
}

/* An lcore whose cpu somebody else uses too must hold the cpu's spin token. */
static void
lcores_mark_shared(struct topo *topo)
{
	for (uint32_t i = 0; i < topo->lcore_cnt; i++) {
		struct topo_lcore *lcore = &topo->lcore[i];

		for (uint32_t e = 0; e < topo->executor_cnt; e++) {
			lcore->shared |= topo->executor[e].cpu == lcore->cpu;
		}
		for (uint32_t c = 0; c < topo->client_cpu_cnt; c++) {
			lcore->shared |= topo->client_cpu[c].cpu == lcore->cpu;
		}
	}
}

int
place_assign(struct topo *topo, const struct place_machine *machine, struct topo_why *why)
{
	struct seating s = { .machine = machine };
	int home = home_numa(machine, topo->want.home_numa, why);
	int err;

	REQUIRE(topo->tile_cnt > 0);
	REQUIRE(machine->core_cnt > 0);
	if (home < 0) {
		return home;
	}
	err = lcores_count(topo, machine, &topo->lcore_cnt, why);
	if (err != MB_OK) {
		return err;
	}
	cores_order(&s, (uint16_t)home);
	lcores_seat(topo, &s);
	s.lcore_core_cnt = topo->lcore_cnt;
	tiles_fold(topo, topo->tile_cnt - topo->want.net_cnt);
	net_seat(topo, &s);
	err = executors_seat(topo, &s, why);
	if (err != MB_OK) {
		return err;
	}
	topo->client_cpu_cnt = 0;
	clients_seat(topo, &s);
	lcores_mark_shared(topo);
	return MB_OK;
}
