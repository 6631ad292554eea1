/* SPDX-License-Identifier: Apache-2.0 */
/* ask - questions to tiles of the node; see impl.h
 *
 * A question's b names its place in the table, and which question it is: so an answer finds it
 * without a search, and one that nobody waits for any more finds nothing. */
#include "impl.h"

static void
ask_release(struct mb_client *c, struct client_ask *ask)
{
	for (int i = 0; i < 2; i++) {
		if (ask->handle[i] != 0) {
			payload_release(c->d->pool, ask->handle[i], c->d->proc);
			ask->handle[i] = 0;
		}
	}
}

int
client_ask_start(struct mb_client *c, uint32_t port, struct desc *d, struct client_ask *ask)
{
	int err = c->dead != 0 ? c->dead : c->ask_cnt == CLIENT_ASK_MAX ? MB_ERR_FULL : 0;

	ask->handle[0] = (d->flags & DESC_F_INLINE) == 0 ? d->ref.handle : 0;
	if (err == 0) {
		do {
			c->ask_seq++;
		} while (c->ask[c->ask_seq & (CLIENT_ASK_MAX - 1)] != NULL);
		d->b = c->ask_seq;
		err = channel_send(&c->d->ch[port], d);
	}
	if (err != 0) {
		ask_release(c, ask);
		return err;
	}
	ask->open = true;
	ask->done = false;
	c->ask[c->ask_seq & (CLIENT_ASK_MAX - 1)] = ask;
	ask->answer.b = c->ask_seq;
	c->ask_cnt++;
	return CLIENT_PENDING;
}

int
client_ask_end(struct client_ask *ask)
{
	ask->done = false;
	return ask->err;
}

static void
ask_over(struct mb_client *c, struct client_ask *ask, int err)
{
	ask_release(c, ask);
	c->ask[ask->answer.b & (CLIENT_ASK_MAX - 1)] = NULL;
	c->ask_cnt--;
	ask->open = false;
	ask->done = true;
	ask->err = err;
	if (ask->woken != NULL) {
		ask->woken(ask);
	}
}

void
client_ask_answered(struct mb_client *c, const struct desc *d)
{
	struct client_ask *ask = c->ask[d->b & (CLIENT_ASK_MAX - 1)];

	if (ask != NULL && ask->answer.b == d->b) {
		ask->answer = *d;
		ask_over(c, ask, d->err);
	}
}

void
client_ask_none(struct mb_client *c, int err)
{
	for (uint32_t i = 0; i < CLIENT_ASK_MAX && c->ask_cnt > 0; i++) {
		if (c->ask[i] != NULL) {
			ask_over(c, c->ask[i], err);
		}
	}
}

bool
client_ask_wait(struct mb_client *c, int err, const struct client_ask *ask)
{
	if (err != CLIENT_PENDING) {
		return false;
	}
	while (ask->open) {
		client_pump(c, 0); /* a node that is gone ends all questions */
	}
	return true;
}
