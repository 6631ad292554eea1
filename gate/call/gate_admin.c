/* SPDX-License-Identifier: Apache-2.0 */
/* gate_admin - what a client asks of ctl: DAGs added and removed, functions taken away
 *
 * The gate asks as the command line does, in JSON over the node's socket (control/ctl/admin.h): one
 * connection a question, which is not waited for. ctl has one way to be asked, and one place where
 * a request is checked.
 *
 * Rejected: messages on the link to ctl (a second way to ask for the same things).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <microburst/error.h>

#include "check.h"
#include "domain.h"
#include "gate_int.h"

#define ANSWER_MAX (64u << 10) /* of an answer that is kept; what is longer is cut */

/* A connection to ctl. Returns: it; an error. */
static int
ctl_connect(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int sock, err;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		return MB_ERR_TOO_LARGE;
	}
	memcpy(sa.sun_path, path, strlen(path) + 1);
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0) {
		return MB_ERR_NO_MEMORY;
	}
	if (connect(sock, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		err = errno == EAGAIN ? MB_ERR_FULL : MB_ERR_NO_NODE;
		close(sock);
		return err;
	}
	return sock;
}

int
gate_admin_ask(struct gate *g, struct gate_conn *c, json_t *question)
{
	struct domain_msg m = { .kind = DOMAIN_ADMIN };
	struct gate_question *q = NULL;
	char *text = json_dumps(question, JSON_COMPACT);
	int err = text != NULL ? 0 : MB_ERR_NO_MEMORY;

	json_decref(question);
	for (uint32_t i = 0; i < GATE_QUESTION_CNT; i++) {
		q = !g->question[i].used ? &g->question[i] : q;
	}
	if (err == 0 && q == NULL) {
		err = MB_ERR_FULL;
	}
	if (err == 0 && strlen(text) > DOMAIN_TEXT_MAX) {
		err = MB_ERR_TOO_LARGE;
	}
	if (err == 0) {
		*q = (struct gate_question){ .conn = c->id, .fd = ctl_connect(g->cfg.node_socket) };
		err = q->fd >= 0 ? 0 : q->fd;
	}
	if (err == 0) {
		m.text_len = (uint32_t)strlen(text);
		err = domain_sock_send(q->fd, &m, text, NULL, 0);
		if (err != 0) {
			close(q->fd);
		}
	}
	free(text);
	if (err == MB_ERR_FULL || err == MB_ERR_TRYAGAIN) {
		gate_conn_starve(g, c);
		return MB_ERR_FULL;
	}
	if (err == 0) {
		q->used = true;
		g->question_cnt++;
		g->under_way++;
		c->wait_cnt++;
		c->keep_len = 0;
	}
	return err;
}

/* It is over: err is what ctl says, c->keep its answer. */
static void
question_end(struct gate *g, struct gate_question *q, int err)
{
	struct gate_conn *c = gate_conn_find(g, q->conn);

	close(q->fd);
	q->used = false;
	g->question_cnt--;
	g->under_way--;
	if (c == NULL) {
		return;
	}
	c->answer = (struct desc){ .flags = DESC_F_INLINE, .err = (int16_t)err };
	c->answered = true;
	if (--c->wait_cnt == 0) {
		gate_conn_ready(g, c);
	}
}

/* Takes what has come of an answer. Returns: whether anything has. */
static bool
question_poll(struct gate *g, struct gate_question *q)
{
	struct gate_conn *c = gate_conn_find(g, q->conn);
	struct domain_msg m;
	int err = domain_sock_recv(q->fd, -1, &m, g->admin_text, NULL, 0);

	if (err == MB_ERR_TRYAGAIN) {
		return false;
	}
	if (err != 0 || m.kind != DOMAIN_ADMIN_REPLY) {
		question_end(g, q, err != 0 ? err : MB_ERR_CORRUPT);
		return true;
	}
	if (c != NULL && c->keep_len + m.text_len <= ANSWER_MAX &&
	    gate_conn_keep(g, c, c->keep_len + m.text_len)) {
		memcpy(c->keep + c->keep_len, g->admin_text, m.text_len);
		c->keep_len += m.text_len;
	}
	if (m.word[0] != 1) {
		question_end(g, q, m.err);
	}
	return true;
}

bool
gate_admin_poll(struct gate *g)
{
	bool any = false;

	for (uint32_t i = 0; i < GATE_QUESTION_CNT; i++) {
		while (g->question[i].used && question_poll(g, &g->question[i])) {
			any = true;
		}
	}
	return any;
}

void
gate_admin_end(struct gate *g)
{
	for (uint32_t i = 0; i < GATE_QUESTION_CNT; i++) {
		if (g->question[i].used) {
			close(g->question[i].fd);
		}
	}
}

int
gate_admin_reply(struct gate *g, struct gate_conn *c)
{
	json_t *answer = json_loadb((const char *)c->keep, c->keep_len, 0, NULL);
	const char *why = json_string_value(json_object_get(answer, "text"));
	int err = c->answer.err;

	gate_scan_end(g, c);
	if (err == 0) {
		gate_ok(g, c);
	} else {
		gate_error_f(g, c, "%s %s", mb_err_name(err), why != NULL ? why : mb_err_text(err));
	}
	json_decref(answer);
	return GATE_DONE;
}
