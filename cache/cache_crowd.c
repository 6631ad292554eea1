/* SPDX-License-Identifier: Apache-2.0 */
/* cache_crowd - a key that leaves no memory to change it leaves the cache
 *
 *   op ──no memory──► crowded: nothing begins at the key
 *                        │ what was under way is merged in the store
 *                        ▼
 *                     the copy goes ──► those that wait are done in the store (cache_act.c)
 *                                  └──► others have it fetched again, behind these
 *
 * A large collection that fills the cache leaves nothing for the nodes that a change of it copies,
 * but a reserve (room.h), and of that those who take something off beside each other use more than
 * there is. What the store knows how to do without the cache it does then.
 *
 *   C1  What anybody has seen of the key he sees later, too. The copy goes when no delta of it is
 *       pending or under way, so all that it showed is merged at the one kvs tile that is asked for
 *       this key; and both what waits here and who fetches it next go there on one link, in this
 *       order. So a caller who was answered finds what he wrote. A held version stays, as one does
 *       whose key is evicted.
 *   C2  Nobody waits for ever. While the key is crowded nothing new begins at it, so of deltas two
 *       go at most, each of which the store answers. When the copy has gone, who can be done in the
 *       store is, at once and before it is fetched again for anybody; who cannot finds it again,
 *       or hears why not. Where the store refuses a delta (cache_flush.c I3) the copy goes as well,
 *       and all begin again.
 *   C3  Who dies meanwhile changes nothing: his set was accepted, so the job has a copy of it, goes
 *       on, and stays until the store is done with what an act looks at (cache_act.c I2).
 *
 * For a moment then no removal brings the key back (cache_work_no_room). Who reads does.
 *
 * Rejected: waiting until there is memory. What the copy itself takes never comes back.
 */
#include "cache_state.h"
#include "check.h"
#include "microburst/error.h"

static bool
act_may(const struct cache_job *job)
{
	return !job->op.by_ref && cache_act_may(job, &job->op, job->op_idx, job->rest, true);
}

/* Whether it depends on a version, so that who asks for it looks at another one if that is not
 * there. */
static bool
looks_again(const struct cache_job *job)
{
	return job->word != NULL && job->word[job->op_idx].if_version != 0;
}

bool
cache_crowd_may(const struct cache_job *job)
{
	return job->work != NULL && (act_may(job) || looks_again(job));
}

int
cache_crowd_wait(struct cache_core *c, struct cache_job *job)
{
	struct cache_work *w = job->work;

	REQUIRE(w->state == CACHE_WORK_READY);
	w->crowded = true;
	cache_core_moving(c, &job->moving, false);
	if (w->chain == job) { /* nobody's may come between */
		w->chain = NULL;
		STAILQ_INSERT_HEAD(&w->jobs, job, next);
	} else {
		STAILQ_INSERT_TAIL(&w->jobs, job, next);
	}
	cache_flush_leave(c, w);
	cache_work_settle(c, w);
	return CACHE_STEP_WAITING;
}

/* Where all lists are at the store it is done when one comes back. */
static void
pass(struct cache_core *c, struct cache_job *job)
{
	cache_job_wake(c, job, MB_ERR_NO_MEMORY);
	(void)cache_job_pass(c, job);
}

void
cache_crowd_left(struct cache_core *c, struct cache_work *w)
{
	struct cache_jobs waiting = STAILQ_HEAD_INITIALIZER(waiting);
	struct cache_job *job;

	REQUIRE(w->state == CACHE_WORK_IDLE);
	w->crowded = false;
	c->stats.crowded++;
	cache_work_no_room(c, w);
	STAILQ_CONCAT(&waiting, &w->jobs);
	w->use_cnt++; /* until all are asked */
	while ((job = STAILQ_FIRST(&waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&waiting, next);
		if (act_may(job)) {
			pass(c, job);
		} else if (looks_again(job)) {
			cache_job_wake(c, job, MB_ERR_TRYAGAIN);
		} else {
			STAILQ_INSERT_TAIL(&w->jobs, job, next);
		}
	}
	w->use_cnt--;
}
