/* SPDX-License-Identifier: Apache-2.0 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache_msg.h"
#include "carrier.h"
#include "check.h"
#include "impl.h"
#include "remote.h"
#include "timebase.h"

static_assert(MB_CLIENT_ADDRS_MAX == CARRIER_ADDRS_MAX, "as the header says");

#define LOOK_NS NS_PER_S

/* A death answers calls without a message: who waits for one of them is to look. */
static void
client_look_again(struct mb_client *c)
{
	if (c->done_head != c->done_tail) {
		domain_interrupt(c->d);
	}
}

static void
on_closed(void *ctx, struct channel *ch, int err)
{
	client_on_closed(ctx, ch, err);
	client_look_again(ctx);
}

/* An executor that says it runs nothing and does not answer is found by whoever asks for it
 * (control/ctl/ctl_lease.c): who waits for it for long does. */
static void
on_slept(void *ctx)
{
	struct mb_client *c = ctx;
	uint64_t now = timebase_now_ns(timebase_real());

	if (c->call_cnt == 0 || now - c->looked_ns < LOOK_NS) {
		return;
	}
	c->looked_ns = now;
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		if (c->direct.out[e] > 0) {
			struct desc m = { .kind = DESC_LOOK, .a = e };

			(void)channel_send(&c->d->ch[PORT_CTL], &m); /* no room: the next time */
		}
	}
}

static void
on_dead(void *ctx, const struct desc *d)
{
	client_on_dead(ctx, d);
	client_look_again(ctx);
}

static const char *
client_program(void)
{
	extern char *program_invocation_short_name;

	return program_invocation_short_name;
}

static int
client_enter(struct mb_client *c, const char *where)
{
	struct domain_events ev = { .closed = on_closed,
				    .dead = on_dead,
				    .slept = on_slept,
				    .ctx = c };
	int err = domain_enter(&c->d, where, client_program(), &ev);

	if (err != 0) {
		return err;
	}
	err = cache_view_open(&c->view, c->d->cache, c->d->cache_bytes, region_hazard(&c->d->own));
	if (err != 0) {
		domain_leave(c->d);
		return err;
	}
	c->placement =
		(const struct placement *)(const void *)(c->d->daemon.base + c->d->daemon.at.table);
	c->direct.who = call_caller_make(c->d->proc, c->d->inc);
	c->live = region_live(&c->d->own)->call;
	atomic_store_explicit(&region_live(&c->d->own)->keeps, 1, memory_order_relaxed);
	return 0;
}

int
mb_client_open(struct mb_client **ret, const char *where)
{
	bool remote = carrier_known(where);
	struct mb_client *c = calloc(1, sizeof(*c));
	int err;

	if (c == NULL) {
		return MB_ERR_NO_MEMORY;
	}
	c->reply = calloc(MB_CALLS_MAX, sizeof(*c->reply));
	if (c->reply == NULL) {
		free(c);
		return MB_ERR_NO_MEMORY;
	}
	for (uint32_t i = 0; i < MB_CALLS_MAX; i++) {
		c->reply[i].next = i + 1 < MB_CALLS_MAX ? i + 2 : 0;
	}
	c->reply_free = 1;
	err = remote ? remote_open(c, where) : client_enter(c, where);
	if (err != 0) {
		free(c->reply);
		free(c);
		return err;
	}
	rng_init(&c->rng, c->direct.who ^ timebase_now_ns(timebase_real()));
	c->magic = CLIENT_MAGIC;
	*ret = c;
	return 0;
}

static void
client_leave(struct mb_client *c)
{
	cache_view_release_all(&c->view);
	for (uint16_t e = PROC_EXEC_FIRST; e < PROC_CLIENT_FIRST; e++) {
		if (c->direct.out[e] > 0) {
			claim_free(c->d->hints, e, c->direct.who);
		}
	}
	domain_leave(c->d);
}

void
mb_client_close(struct mb_client *c)
{
	if (c == NULL) {
		return;
	}
	REQUIRE(c->magic == CLIENT_MAGIC);
	c->magic = 0;
	if (c->remote != NULL) {
		remote_close(c);
	} else {
		client_leave(c);
	}
	for (uint32_t i = 0; i < MB_CALLS_MAX; i++) {
		free(c->reply[i].own);
		free(c->reply[i].text);
		if (c->reply[i].values != c->reply[i].inl) {
			free(c->reply[i].values);
		}
	}
	free(c->reply);
	free(c);
}

int
mb_client_bind(struct mb_client *c)
{
	const struct domain_welcome *w = c->remote == NULL ? &c->d->welcome : NULL;
	cpu_set_t allowed, one;
	int shared = -1;

	if (w == NULL || sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
		return MB_ERR_NOT_FOUND;
	}
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		bool exec = (w->cpu_exec[cpu / 8] >> (cpu % 8) & 1) != 0;
		bool daemon = (w->cpu_daemon[cpu / 8] >> (cpu % 8) & 1) != 0;

		if (!CPU_ISSET(cpu, &allowed) || exec) {
			continue;
		}
		if (daemon) {
			shared = shared < 0 ? cpu : shared;
			continue;
		}
		shared = cpu;
		break;
	}
	if (shared < 0) {
		return MB_ERR_NOT_FOUND;
	}
	CPU_ZERO(&one);
	CPU_SET(shared, &one);
	return sched_setaffinity(0, sizeof(one), &one) == 0 ? shared : MB_ERR_NOT_FOUND;
}

int
client_pump(struct mb_client *c, uint64_t until_ns)
{
	struct desc d;
	struct channel *ch;
	int n;

	if (c->dead != 0) {
		return c->dead;
	}
	if (c->next_deadline_ns != 0) {
		client_deadlines(c, timebase_now_ns(timebase_real()));
		if (c->next_deadline_ns != 0 && (until_ns == 0 || c->next_deadline_ns < until_ns) &&
		    until_ns != 1) {
			until_ns = c->next_deadline_ns;
		}
	}
	if (c->remote != NULL) {
		n = remote_pump(c, until_ns);
	} else {
		n = until_ns == 1 ? domain_poll(c->d, &d, &ch)
				  : domain_wait(c->d, c->ask_cnt > 0 ? AWAIT_DAEMON : AWAIT_ANY,
						until_ns, &d, &ch);
	}
	if (n < 0) {
		c->dead = n;
		client_on_node_gone(c);
		client_ask_none(c, n);
		return n;
	}
	if (n == 0) {
		if (c->next_deadline_ns != 0) {
			client_deadlines(c, timebase_now_ns(timebase_real()));
		}
		return 0;
	}
	if (c->remote != NULL) {
		return 1;
	}
	switch (d.kind) {
	case DESC_REPLY:
		client_on_reply(c, ch, &d);
		break;
	case DESC_CANCEL:
		if (ch->port == PORT_CTL) {
			client_on_cancel(c, d.call);
		}
		break;
	case DESC_FETCHED:
	case DESC_PUBLISHED:
	case DESC_SCANNED:
	case DESC_SENT:
		if (ch->proc == PROC_DAEMON) {
			client_ask_answered(c, &d);
		}
		break;
	default:
		break; /* nothing that a client asked for */
	}
	return 1;
}

int
mb_client_admin(struct mb_client *c, const char *json, const int *fd, size_t fd_cnt,
		char **ret_json)
{
	struct domain_msg m = { .kind = DOMAIN_ADMIN };
	struct domain_msg answer;
	char *all = NULL;
	size_t len = 0;
	int err;

	*ret_json = NULL;
	if (c->remote != NULL) {
		return remote_admin(c, json, fd, fd_cnt, ret_json);
	}
	if (strlen(json) > DOMAIN_TEXT_MAX || fd_cnt > DOMAIN_FD_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	m.text_len = (uint32_t)strlen(json);
	err = domain_sock_send(c->d->sock, &m, json, fd, (uint32_t)fd_cnt);
	if (err != 0) {
		return err;
	}
	do {
		char *more;

		/* A deployment may run a user's MB_INIT: the node has its own time limit for
		 * that. */
		err = domain_sock_recv(c->d->sock, -1, &answer, c->d->text, NULL, 0);
		more = err == 0 ? realloc(all, len + answer.text_len + 1) : NULL;
		if (more == NULL) {
			free(all);
			return err != 0 ? err : MB_ERR_NO_MEMORY;
		}
		all = more;
		memcpy(all + len, c->d->text, answer.text_len);
		len += answer.text_len;
		all[len] = '\0';
	} while (answer.word[0] == 1);
	*ret_json = all;
	return answer.err;
}
