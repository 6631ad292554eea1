/* SPDX-License-Identifier: Apache-2.0 */
#include "inbox.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "compiler.h"
#include "hash.h"
#include "message.h"
#include "microburst/error.h"

#define CHAIN_CNT 1024

static_assert((CHAIN_CNT & (CHAIN_CNT - 1)) == 0, "a mask plus one");

struct message {
	struct desc d; /* the MESSAGE, as it is given */
	uint64_t seq;  /* the sender's */
	uint32_t next; /* in its inbox, or free: + 1 */
	uint32_t prev;
};

struct inbox {
	uint64_t call; /* 0: free */
	uint64_t last_ns;
	uint32_t chain;       /* of its hash, or the free list: + 1 */
	uint32_t next, prev;  /* of those that there are: + 1 */
	uint32_t first, last; /* messages, + 1 */
	uint32_t cnt;
	uint16_t listeners; /* the executor that listens, and its next; 0: nobody */
};

/* What an executor listens to: it runs the call, or a part of it. */
struct listener {
	uint32_t box;    /* + 1; 0: nothing */
	uint32_t cursor; /* the last message that it was given, + 1; 0: none yet */
	uint64_t given;  /* how many it has been given */
	uint64_t until;  /* how many it may be */
	uint16_t next;   /* who else listens to that; 0: nobody */
};

struct inboxes {
	struct inbox_ops ops;
	uint64_t now_ns, sweep_ns;
	uint32_t free, used, message_free; /* + 1 */
	uint32_t chain[CHAIN_CNT];
	struct listener listener[PROC_CLIENT_FIRST];
	struct inbox inbox[INBOX_CNT_MAX];
	struct message message[MESSAGE_CNT_MAX];
};

int
inboxes_create(struct inboxes **ret, const struct inbox_ops *ops)
{
	struct inboxes *b = calloc(1, sizeof(*b));

	if (b == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	b->ops = *ops;
	b->sweep_ns = UINT64_MAX;
	for (uint32_t i = 0; i < INBOX_CNT_MAX; i++) {
		b->inbox[i].chain = i + 2;
	}
	b->inbox[INBOX_CNT_MAX - 1].chain = 0;
	b->free = 1;
	for (uint32_t i = 0; i < MESSAGE_CNT_MAX; i++) {
		b->message[i].next = i + 2;
	}
	b->message[MESSAGE_CNT_MAX - 1].next = 0;
	b->message_free = 1;
	*ret = b;
	return 0;
}

void
inboxes_destroy(struct inboxes *b)
{
	free(b);
}

/* ------------------------------------------------------------------- tables */

static uint32_t *
chain_of(struct inboxes *b, uint64_t call)
{
	return &b->chain[hash_bytes(&call, sizeof(call)) & (CHAIN_CNT - 1)];
}

static struct inbox *
inbox_find(struct inboxes *b, uint64_t call)
{
	for (uint32_t i = *chain_of(b, call); i != 0; i = b->inbox[i - 1].chain) {
		if (b->inbox[i - 1].call == call) {
			return &b->inbox[i - 1];
		}
	}
	return NULL;
}

/* The inbox of a call; it is made if need be. NULL: there are too many. */
static struct inbox *
inbox_of(struct inboxes *b, uint64_t call)
{
	struct inbox *box = inbox_find(b, call);

	if (box == NULL && b->free != 0) {
		box = &b->inbox[b->free - 1];
		b->free = box->chain;
		*box = (struct inbox){ .call = call, .chain = *chain_of(b, call), .next = b->used };
		b->used = (uint32_t)(box - b->inbox + 1);
		if (box->next != 0) {
			b->inbox[box->next - 1].prev = b->used;
		}
		*chain_of(b, call) = b->used;
		b->sweep_ns = MIN(b->sweep_ns, b->now_ns + INBOX_SWEEP_NS);
	}
	if (box != NULL) {
		box->last_ns = b->now_ns;
	}
	return box;
}

static void
inbox_free(struct inboxes *b, struct inbox *box)
{
	uint32_t *at = chain_of(b, box->call);

	while (&b->inbox[*at - 1] != box) {
		at = &b->inbox[*at - 1].chain;
	}
	*at = box->chain;
	*(box->prev != 0 ? &b->inbox[box->prev - 1].next : &b->used) = box->next;
	if (box->next != 0) {
		b->inbox[box->next - 1].prev = box->prev;
	}
	while (box->first != 0) {
		struct message *m = &b->message[box->first - 1];
		uint32_t next = m->next;

		if ((m->d.flags & DESC_F_INLINE) == 0) {
			b->ops.drop(b->ops.ctx, &m->d.ref, PROC_DAEMON);
		}
		m->next = b->message_free;
		b->message_free = box->first;
		box->first = next;
	}
	*box = (struct inbox){ .chain = b->free };
	b->free = (uint32_t)(box - b->inbox + 1);
}

/* ------------------------------------------------------------------- giving */

static void
listener_leave(struct inboxes *b, uint16_t exec)
{
	struct listener *l = &b->listener[exec];
	uint16_t *at;

	if (l->box == 0) {
		return;
	}
	at = &b->inbox[l->box - 1].listeners;
	while (*at != exec) {
		at = &b->listener[*at].next;
	}
	*at = l->next;
	*l = (struct listener){ 0 };
}

/* From the beginning: it is a new attempt, or another part. */
static void
listener_join(struct inboxes *b, struct inbox *box, uint16_t exec)
{
	listener_leave(b, exec);
	b->listener[exec] =
		(struct listener){ .box = (uint32_t)(box - b->inbox + 1), .next = box->listeners };
	box->listeners = exec;
}

/* Gives a listener what its window has room for (B2). */
static void
give(struct inboxes *b, const struct inbox *box, uint16_t exec)
{
	struct listener *l = &b->listener[exec];

	while (l->given < l->until && l->given < box->cnt) {
		struct message *m =
			&b->message[(l->cursor == 0 ? box->first : b->message[l->cursor - 1].next) -
				    1];
		bool held = (m->d.flags & DESC_F_INLINE) == 0;

		if (held && b->ops.hold(b->ops.ctx, &m->d.ref, exec) != 0) {
			return; /* with its next LISTEN, or message, or sweep */
		}
		m->d.b = l->given;
		if (b->ops.send(b->ops.ctx, exec, &m->d) != 0) {
			if (held) {
				b->ops.drop(b->ops.ctx, &m->d.ref, exec);
			}
			return;
		}
		l->cursor = (uint32_t)(m - b->message + 1);
		l->given++;
	}
}

static void
give_all(struct inboxes *b, const struct inbox *box)
{
	for (uint16_t e = box->listeners; e != 0; e = b->listener[e].next) {
		give(b, box, e);
	}
}

/* ------------------------------------------------------------------ sending */

/* B1: whether it was kept before. */
static bool
is_known(const struct inboxes *b, const struct inbox *box, const struct desc *d)
{
	for (uint32_t i = box->last; i != 0; i = b->message[i - 1].prev) {
		const struct message *m = &b->message[i - 1];

		if (m->d.word[4] == d->word[4] &&
		    message_seq_part(m->seq) == message_seq_part(d->b)) {
			return d->b <= m->seq;
		}
	}
	return false;
}

static int
keep(struct inboxes *b, struct inbox *box, const struct desc *d)
{
	struct message *m;
	struct desc given = { .kind = DESC_MESSAGE,
			      .flags = d->flags & DESC_F_INLINE,
			      .len = d->len,
			      .call = d->call };
	int err;

	if (box->cnt == INBOX_DEPTH_MAX || b->message_free == 0) {
		return MB_ERR_BUSY;
	}
	memcpy(given.data, d->data, sizeof(given.data));
	if ((d->flags & DESC_F_INLINE) == 0) {
		if (d->ref.len > MESSAGE_BYTES_MAX) {
			return MB_ERR_TOO_LARGE;
		}
		err = b->ops.keep(b->ops.ctx, &d->ref, &given.ref);
		if (err != 0) {
			return err == MB_ERR_NO_MEMORY ? MB_ERR_BUSY : err;
		}
	}
	m = &b->message[b->message_free - 1];
	b->message_free = m->next;
	*m = (struct message){ .d = given, .seq = d->b, .prev = box->last };
	if (box->last != 0) {
		b->message[box->last - 1].next = (uint32_t)(m - b->message + 1);
	} else {
		box->first = (uint32_t)(m - b->message + 1);
	}
	box->last = (uint32_t)(m - b->message + 1);
	box->cnt++;
	return 0;
}

static int
send_to(struct inboxes *b, const struct desc *d)
{
	struct inbox *box;
	int err = 0;

	if ((d->flags & DESC_F_INLINE) != 0 && d->len > MESSAGE_INLINE_BYTES) {
		return MB_ERR_INVALID;
	}
	if (d->call == 0 || b->ops.alive(b->ops.ctx, d->call) == ALIVE_NO) {
		return MB_ERR_GONE; /* B4 */
	}
	box = inbox_of(b, d->call);
	if (box == NULL) {
		return MB_ERR_BUSY;
	}
	if (!is_known(b, box, d)) {
		err = keep(b, box, d);
		give_all(b, box);
	}
	return err;
}

/* ---------------------------------------------------------------- listening */

static void
on_listen(struct inboxes *b, uint16_t proc, const struct desc *d)
{
	struct inbox *box = inbox_find(b, d->call);
	struct listener *l = &b->listener[proc];
	bool listens = box != NULL && l->box == (uint32_t)(box - b->inbox + 1);

	if ((d->sub & LISTEN_END) != 0) {
		if (listens) {
			listener_leave(b, proc);
			if (box->listeners == 0 && b->ops.alive(b->ops.ctx, d->call) == ALIVE_NO) {
				inbox_free(b, box); /* a part's end is not the call's */
			}
		}
		return;
	}
	if (box == NULL && b->ops.alive(b->ops.ctx, d->call) != ALIVE_NO) {
		box = inbox_of(b, d->call);
	}
	if (box == NULL || (!listens && d->b != 0)) {
		return; /* its call has ended, or there is no room: it waits until its time */
	}
	if (d->b == 0) {
		listener_join(b, box, proc);
	}
	if (d->b <= l->given) { /* what it has taken is what it was given */
		l->until = d->b + MESSAGE_WINDOW;
	}
	give(b, box, proc);
}

void
inboxes_on(struct inboxes *b, uint16_t proc, const struct desc *d, uint64_t now_ns)
{
	struct desc sent = { .kind = DESC_SENT, .call = d->call, .b = d->b };

	b->now_ns = now_ns;
	if (d->kind == DESC_LISTEN) {
		if (proc >= PROC_EXEC_FIRST && proc < PROC_CLIENT_FIRST) {
			on_listen(b, proc, d);
		}
		return;
	}
	sent.err = (int16_t)send_to(b, d);
	b->ops.send(b->ops.ctx, proc, &sent);
}

/* --------------------------------------------------------------------- ends */

void
inboxes_proc_down(struct inboxes *b, uint16_t proc)
{
	if (proc < PROC_CLIENT_FIRST) {
		listener_leave(b, proc);
	}
}

static bool
has_ended(const struct inboxes *b, const struct inbox *box)
{
	enum inbox_alive alive = b->ops.alive(b->ops.ctx, box->call);

	return alive == ALIVE_NO ||
	       (alive == ALIVE_UNKNOWN && b->now_ns >= box->last_ns + INBOX_TTL_NS);
}

uint64_t
inboxes_poll(struct inboxes *b, uint64_t now_ns)
{
	b->now_ns = now_ns;
	if (now_ns < b->sweep_ns) {
		return b->sweep_ns;
	}
	b->sweep_ns = UINT64_MAX;
	for (uint32_t i = b->used, next; i != 0; i = next) {
		struct inbox *box = &b->inbox[i - 1];

		next = box->next;
		/* Whoever listens runs it, and says when it does not. */
		if (box->listeners == 0 && has_ended(b, box)) {
			inbox_free(b, box);
			continue;
		}
		give_all(b, box);
		b->sweep_ns = now_ns + INBOX_SWEEP_NS;
	}
	return b->sweep_ns;
}

uint32_t
inboxes_held(const struct inboxes *b, uint32_t *ret_messages)
{
	uint32_t cnt = 0;

	*ret_messages = 0;
	for (uint32_t i = b->used; i != 0; i = b->inbox[i - 1].next) {
		cnt++;
		for (uint32_t m = b->inbox[i - 1].first; m != 0; m = b->message[m - 1].next) {
			++*ret_messages;
		}
	}
	return cnt;
}
