/* SPDX-License-Identifier: Apache-2.0 */
/* door_admin - administration, for remote clients
 *
 * What is asked goes to ctl over the node's socket, as the command line's questions do, on a
 * connection of its own for each: ctl answers when it can (a deployment runs a user's MB_INIT), and
 * the tile goes on meanwhile. The lcore tells when something came.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "domain.h"
#include "door_int.h"
#include "lcore.h"
#include "microburst/error.h"

static void
admin_reply(struct door *d, struct flow_ref ref, int err, struct slice json)
{
	struct rpc_reply r = { .err = (int16_t)(mb_err_client_visible(err) ? err : MB_ERR_IO),
			       .payload = json };

	door_reply(d, ref, &r);
}

static void
admin_free(struct door_admin *a)
{
	lcore_unwatch(a->door->lcore, a->sock);
	close(a->sock);
	a->sock = -1;
	free(a->all);
	a->all = NULL;
	a->door->admin_cnt--;
}

/* Takes the parts of the answer that came. */
static void
admin_event(void *ctx, int fd, int events)
{
	struct door_admin *a = ctx;
	struct domain_msg m;
	int err;

	do {
		char *more;

		err = events < 0 ? MB_ERR_IO : domain_sock_recv(fd, -1, &m, a->door->text, NULL, 0);
		if (err == MB_ERR_TRYAGAIN) {
			return;
		}
		more = err == 0 ? realloc(a->all, a->len + m.text_len + 1) : NULL;
		if (more == NULL) {
			admin_reply(a->door, a->ref, err != 0 ? err : MB_ERR_NO_MEMORY,
				    slice_of(NULL, 0));
			admin_free(a);
			return;
		}
		a->all = more;
		memcpy(a->all + a->len, a->door->text, m.text_len);
		a->len += m.text_len;
	} while (m.word[0] == 1);
	admin_reply(a->door, a->ref, m.err, slice_of(a->all, a->len));
	admin_free(a);
}

/* A file that came with a question, as one of this machine. Returns: it, or an error. */
static int
admin_file(struct slice bytes)
{
	int fd = memfd_create("door", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t at = 0;

	while (fd >= 0 && at < bytes.len) {
		ssize_t n = write(fd, bytes.p + at, bytes.len - at);

		if (n <= 0) {
			close(fd);
			return MB_ERR_NO_MEMORY;
		}
		at += (size_t)n;
	}
	return fd >= 0 ? fd : MB_ERR_NO_MEMORY;
}

/* Sends what the request says over sock. */
static int
admin_send(int sock, const struct rpc_request *r)
{
	struct domain_msg m = { .kind = DOMAIN_ADMIN };
	struct rbuf items = rbuf_of(r->payload);
	int fd[DOMAIN_FD_MAX], n, err = 0;
	struct slice json, file;
	uint32_t cnt = 0;

	if (rpc_item_next(&items, &json) != 1) {
		return MB_ERR_CORRUPT;
	}
	if (json.len > DOMAIN_TEXT_MAX) {
		return MB_ERR_TOO_LARGE;
	}
	while (err == 0 && (n = rpc_item_next(&items, &file)) != 0) {
		err = n < 0 ? n : cnt == DOMAIN_FD_MAX ? MB_ERR_TOO_LARGE : 0;
		if (err == 0) {
			fd[cnt] = admin_file(file);
			err = MIN(fd[cnt], 0);
			cnt += err == 0;
		}
	}
	if (err == 0) {
		m.text_len = (uint32_t)json.len;
		err = domain_sock_send(sock, &m, json.p, fd, cnt);
	}
	while (cnt > 0) {
		close(fd[--cnt]);
	}
	return err == MB_ERR_TRYAGAIN ? MB_ERR_BUSY : err;
}

void
door_admin(struct door *d, struct flow_ref ref, const struct rpc_request *r)
{
	struct door_admin *a = d->admin;
	int err = d->cfg.admin ? 0 : MB_ERR_DENIED;

	while (err == 0 && a->sock >= 0) {
		err = ++a == d->admin + DOOR_ADMIN_CNT ? MB_ERR_BUSY : 0;
	}
	if (err != 0) {
		admin_reply(d, ref, err, slice_of(NULL, 0));
		return;
	}
	*a = (struct door_admin){ .door = d, .ref = ref, .sock = -1 };
	err = domain_sock_connect(d->cfg.socket, SOCK_NONBLOCK, &a->sock);
	if (err != 0) {
		admin_reply(d, ref, err, slice_of(NULL, 0));
		return;
	}
	d->admin_cnt++;
	err = lcore_watch(d->lcore, a->sock, admin_event, a) == 0 ? 0 : MB_ERR_BUSY;
	if (err == 0) {
		err = admin_send(a->sock, r);
	}
	if (err != 0) {
		admin_reply(d, ref, err, slice_of(NULL, 0));
		admin_free(a);
	}
}

void
door_admin_init(struct door *d)
{
	for (uint32_t i = 0; i < DOOR_ADMIN_CNT; i++) {
		d->admin[i].sock = -1;
	}
}

/* What was cut off when the node stopped. */
void
door_admin_fini(struct door *d)
{
	for (uint32_t i = 0; i < DOOR_ADMIN_CNT; i++) {
		if (d->admin[i].sock >= 0) {
			admin_free(&d->admin[i]);
		}
	}
}
