/* SPDX-License-Identifier: Apache-2.0 */
/* sched_fuzz - what processes send to the scheduler
 *
 * Clients and executors of which any may say anything: calls, replies, cancels, releases, requests,
 * messages, of each other and of nobody, while executors come, go and die. Whatever they say:
 * nobody is answered more often than it asked, and when all are dead nothing is left: no call, no
 * run, no request, no message, no copy.
 */
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "check.h"
#include "microburst/error.h"
#include "rng.h"
#include "sched.h"
#include "slice.h"
#include "timebase.h"

#define EXEC_CNT   4 /* processes 1 to 4 */
#define CLIENT_CNT 3 /* and PROC_CLIENT_FIRST on */
#define FN_CNT     3
#define WALL_MS    UINT64_C(1700000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct sched *s;
static struct placement *placement;
static struct hints *hints;
static uint64_t now;
static uint32_t asked[CLIENT_CNT], answered[CLIENT_CNT];
static int copies; /* holds of the daemon */
static bool up[EXEC_CNT + 1];

static int
on_send(void *ctx, uint16_t proc, const struct desc *d)
{
	REQUIRE(proc < PROC_CNT_MAX, "proc=%u", proc);
	if (proc >= PROC_CLIENT_FIRST && proc < PROC_CLIENT_FIRST + CLIENT_CNT &&
	    d->kind == DESC_REPLY) {
		uint32_t c = proc - PROC_CLIENT_FIRST;

		REQUIRE(++answered[c] <= asked[c], "client %u is answered unasked", c);
	}
	return proc <= EXEC_CNT && !up[proc] ? MB_ERR_PEER_DIED : 0;
}

static void
on_tell_ctl(void *ctx, const struct desc *d)
{
}

static bool
on_idle(void *ctx, uint16_t exec)
{
	return true;
}

static int
on_keep(void *ctx, const struct payload_ref *ref, struct payload_ref *ret)
{
	if (ref->len > 100) {
		return MB_ERR_TOO_LARGE;
	}
	*ret = (struct payload_ref){ .handle = 1 };
	copies++;
	return 0;
}

static int
on_hold(void *ctx, const struct payload_ref *ref, uint16_t holder)
{
	return 0;
}

static void
on_drop(void *ctx, const struct payload_ref *ref, uint16_t holder)
{
	copies -= holder == PROC_DAEMON;
}

static void
put_fn(uint16_t id)
{
	struct placement_fn *f = calloc(1, sizeof(*f));
	struct desc d = { .kind = DESC_FN_PUT };

	REQUIRE(f != NULL);
	f->id = id;
	f->batch = id == FN_CNT ? 3 : 0;
	f->name[0] = (char)('a' + id);
	d.word[0] = (uintptr_t)f;
	sched_on_ctl(s, &d, now);
}

/* a -> b, a -> c, b -> c */
static void
put_dag(void)
{
	struct placement_dag *dag = calloc(1, sizeof(*dag));
	struct desc d = { .kind = DESC_DAG_PUT };

	REQUIRE(dag != NULL);
	*dag = (struct placement_dag){ .name = "d", .id = 1, .vertex_cnt = 3, .edge_cnt = 3 };
	for (uint16_t v = 0; v < 3; v++) {
		dag->vertex[v].fn = (uint16_t)(1 + v);
	}
	dag->edge[0] = (struct placement_edge){ 0, 1 };
	dag->edge[1] = (struct placement_edge){ 0, 2 };
	dag->edge[2] = (struct placement_edge){ 1, 2 };
	d.word[0] = (uintptr_t)dag;
	sched_on_ctl(s, &d, now);
}

static void
begin(void)
{
	struct sched_ops ops = { .send = on_send,
				 .tell_ctl = on_tell_ctl,
				 .idle = on_idle,
				 .keep = on_keep,
				 .hold = on_hold,
				 .drop = on_drop };

	placement = calloc(1, sizeof(*placement));
	hints = aligned_alloc(CACHE_LINE, sizeof(*hints));
	REQUIRE(placement != NULL && hints != NULL);
	memset(hints, 0, sizeof(*hints));
	memset(asked, 0, sizeof(asked));
	memset(answered, 0, sizeof(answered));
	memset(up, 0, sizeof(up));
	copies = 0;
	now = NS_PER_S;
	REQUIRE(sched_create(&s, placement, hints, 8, 1, &ops) == 0);
	sched_requests_set(s, WALL_MS * NS_PER_MS, 0, NS_PER_S);
	for (uint16_t f = 1; f <= FN_CNT; f++) {
		put_fn(f);
	}
	put_dag();
}

static void
dies(uint16_t proc, bool published, uint64_t call)
{
	struct desc d = { .kind = DESC_NONE };

	d.dead.proc = proc;
	d.dead.cause = DEATH_SIGNAL;
	d.dead.published = published ? call : 0;
	if (proc <= EXEC_CNT) {
		up[proc] = false;
	}
	sched_proc_down(s, &d, now);
}

static void
exec_up(uint16_t exec, uint8_t fns)
{
	struct ctl_exec_set *set = calloc(1, sizeof(*set));
	struct desc d = { .kind = DESC_EXEC_UP, .a = exec };

	REQUIRE(set != NULL);
	for (uint16_t f = 1; f <= FN_CNT; f++) {
		if ((fns >> f & 1) != 0) {
			set->fn[set->cnt++] = f;
		}
	}
	d.word[0] = (uintptr_t)set;
	up[exec] = true;
	sched_on_ctl(s, &d, now);
}

/* A message of a process: each field anything. */
static void
says(uint16_t proc, const uint8_t *in)
{
	uint16_t whose = (in[4] & 0x80) != 0   ? (uint16_t)(PROC_CLIENT_FIRST + in[4] % CLIENT_CNT)
			 : (in[4] & 0x40) != 0 ? PROC_DAEMON
					       : proc;
	struct desc d = { .kind = in[1],
			  .flags = in[2],
			  .sub = in[3],
			  .a = in[5] % 8,
			  .err = (int8_t)in[6],
			  .call = call_id_make(whose, 1,
					       (in[4] & 0x40) != 0 ? 1U << 13 | (in[4] & 7)
								   : in[4] & 15),
			  .b = (in[2] & 0x80) != 0 ? now + in[7] : 0 };

	d.ref = (struct payload_ref){ .proc = in[6], .inc = 1, .handle = in[7], .len = in[7] };
	d.word[4] = request_id_make(WALL_MS + now / NS_PER_MS - (in[3] & 3), in[5] & 3);
	if (d.kind == DESC_CALL && proc >= PROC_CLIENT_FIRST) {
		asked[proc - PROC_CLIENT_FIRST]++;
	}
	sched_on_proc(s, proc, &d, now);
}

static void
step(const uint8_t *in)
{
	uint16_t exec = (uint16_t)(1 + in[0] % EXEC_CNT);
	struct desc d = { .kind = DESC_EXEC_DRAIN, .a = exec };

	switch (in[0] >> 5) {
	case 0:
		if (!up[exec]) {
			exec_up(exec, in[1]);
		}
		break;
	case 1:
		if (up[exec]) {
			dies(exec, (in[1] & 1) != 0,
			     call_id_make(PROC_CLIENT_FIRST, 1, in[2] & 15));
		}
		break;
	case 2:
		if (up[exec] && in[1] == 0) {
			sched_on_ctl(s, &d, now);
		}
		now += (uint64_t)in[2] * NS_PER_MS;
		sched_poll(s, now);
		break;
	case 3:
	case 4:
		if (up[exec]) {
			says(exec, in);
		}
		break;
	default:
		says((uint16_t)(PROC_CLIENT_FIRST + in[0] % CLIENT_CNT), in);
	}
}

static void
end(void)
{
	uint32_t kept;

	for (uint16_t c = 0; c < CLIENT_CNT; c++) {
		dies((uint16_t)(PROC_CLIENT_FIRST + c), false, 0);
	}
	for (uint16_t e = 1; e <= EXEC_CNT; e++) {
		if (up[e]) {
			dies(e, false, 0);
		}
	}
	for (uint16_t f = 1; f <= FN_CNT; f++) { /* what waits will wait in vain */
		struct desc d = { .kind = DESC_PIN_FAILED, .a = f, .err = MB_ERR_NO_EXECUTOR };

		sched_on_ctl(s, &d, now);
	}
	now += 10 * NS_PER_S;
	sched_poll(s, now);
	REQUIRE(sched_queued(s) == 0);
	REQUIRE(sched_running(s) == 0);
	REQUIRE(sched_runs(s) == 0);
	REQUIRE(sched_held(s) == 0);
	REQUIRE(sched_requests(s, &kept) == 0);
	REQUIRE(kept == 0);
	REQUIRE(sched_inboxes(s, &kept) == 0);
	REQUIRE(copies == 0, "copies=%d", copies);
	sched_destroy(s);
	free(placement);
	free(hints);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	begin();
	for (; len >= 8; data += 8, len -= 8) {
		step(data);
	}
	end();
	return 0;
}
