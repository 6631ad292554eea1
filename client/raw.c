/* SPDX-License-Identifier: Apache-2.0 */
#include "raw.h"

#include "impl.h"

int
client_raw_call(struct mb_client *c, const char *name, struct slice list,
		const struct mb_call_options *opt, uint64_t *ret_call)
{
	const struct client_name *t;
	struct desc d = { 0 };
	int err = client_target(c, name, false, &t);

	if (err == 0) {
		err = domain_payload(c->d, &d, list.p, list.len, c->d->proc);
	}
	if (err != 0) {
		return err;
	}
	err = client_start(c, t, &d, opt, ret_call);
	if (err != 0 && (d.flags & DESC_F_INLINE) == 0) {
		payload_release(c->d->pool, d.ref.handle, c->d->proc);
	}
	return err;
}

struct slice
client_raw_bytes(const struct mb_reply *reply)
{
	const struct client_reply *r = reply->internal;

	return r != NULL && r->err == 0 ? slice_of(r->p, r->len) : slice_of(NULL, 0);
}

bool
client_raw_idle(struct mb_client *c)
{
	return c->done_head == c->done_tail && c->next_deadline_ns == 0 && c->dead == 0 &&
	       domain_idle(c->d);
}

void
client_raw_look(struct mb_client *c)
{
	/* So many turns look at every port that has rung (domain_poll). */
	for (uint32_t i = 0; i < BELL_SWEEP; i++) {
		client_pump(c, 1);
	}
}

const _Atomic uint32_t *
client_raw_arm(struct mb_client *c, bool up, uint32_t *ret_expect)
{
	if (up) {
		bell_arm(c->d->bell);
	} else {
		bell_disarm(c->d->bell);
	}
	*ret_expect = 1;
	return &c->d->bell->waiting;
}

bool
client_raw_awaits(const struct mb_client *c)
{
	return c->call_cnt > 0 && c->ask_cnt == 0;
}

bool
client_raw_waits(const struct mb_client *c)
{
	return c->call_cnt + c->late_cnt + c->ask_cnt > 0;
}
