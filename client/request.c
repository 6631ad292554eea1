/* SPDX-License-Identifier: Apache-2.0 */
/* request - calls with a request id: run once, however often they are started */
#include "impl.h"
#include "raw.h"
#include "remote.h"
#include "timebase.h"

int
client_request(struct mb_client *c, struct desc *d, uint64_t id)
{
	int err = client_outline(c, d);

	if (err != 0) {
		return err;
	}
	d->flags |= CALL_F_REQUEST;
	d->word[4] = id;
	return 0;
}

uint64_t
client_raw_ms(struct mb_client *c)
{
	uint64_t wall_ns = c->remote != NULL ? remote_wall_ns(c) : c->d->welcome.wall_ns;

	return (wall_ns + timebase_now_ns(timebase_real())) / NS_PER_MS;
}

uint64_t
mb_request_id(struct mb_client *c)
{
	return request_id_make(client_raw_ms(c), rng_u64(&c->rng));
}

int
mb_call_taken(struct mb_client *c, uint64_t call)
{
	const struct client_call *own = &c->call[SLOT(call)];
	struct mb_reply reply;
	int err = 0;

	if (c->remote == NULL || own->id != call) {
		return 0;
	}
	while (own->state == CALL_SENT && !remote_taken(c, call)) {
		client_pump(c, 0);
	}
	if (own->state == CALL_DONE) {
		const struct desc *d = &c->reply[c->reply_of[SLOT(call)] - 1].d;

		if (d->err != 0 && d->a == 0) {
			err = client_wait_one(c, call, &reply);
			mb_reply_free(c, &reply);
		}
	}
	return err;
}

int
mb_future_start(struct mb_client *c, uint64_t request_id, const struct mb_call_options *opt,
		uint64_t *ret_call)
{
	static const struct client_name nobody; /* whose id is 0 */
	struct mb_call_options o = opt != NULL ? *opt : (struct mb_call_options){ 0 };
	struct desc d = { .flags = DESC_F_INLINE };

	if (request_id == 0) {
		return MB_ERR_INVALID;
	}
	o.request_id = request_id;
	if (c->remote != NULL) {
		return remote_future_start(c, &o, ret_call);
	}
	return client_start(c, &nobody, &d, &o, ret_call);
}
