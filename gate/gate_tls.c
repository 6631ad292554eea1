/* SPDX-License-Identifier: Apache-2.0 */
/* gate_tls - connections that are encrypted
 *
 *	socket ──received──► read BIO ──SSL_read──► plain text, as if it had been received
 *	socket ◄──one send── a copy ◄── write BIO ◄──SSL_write── the replies' chunks
 *
 * OpenSSL sees memory only: the io_uring of the lcore moves the bytes, as for all others.
 *
 *   X1  What the kernel sends is a copy that nobody else touches (tls->cipher): OpenSSL may write
 *       to its own memory at any time, an alert for one, and move it.
 *   X2  A reply's chunks are let go of when the records that carry them are sent, so what a client
 *       has not read is counted as for all others (N2).
 *   X3  Who has not finished the handshake owes (N3).
 *
 * Rejected: kernel TLS (the host must have the module, and its receive side has no multishot into
 * shared buffers); a record a reply (a pipeline of small replies would pay 30 bytes and a call for
 * each).
 */
#include "gate_tls.h"

#include <stdio.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <microburst/error.h>

#include "check.h"
#include "compiler.h"
#include "gate_int.h"
#include "log.h"

#define RECORD_BYTES (16u << 10)
#define SEND_BYTES   (64u << 10) /* plain text of one send */
#define BYE_BYTES    64

struct gate_tls {
	SSL *ssl;
	uint8_t *cipher; /* X1, from the gate's memory; NULL: nothing to send */
	uint32_t cipher_len;
	uint32_t plain_len; /* bytes of replies that stand in it */
};

struct gate_tls_all {
	SSL_CTX *ctx;
	uint8_t plain[RECORD_BYTES];
};

/* ------------------------------------------------------------------------ start, end */

static int
refuse(const char *what, const char *file)
{
	char text[160];

	ERR_error_string_n(ERR_get_error(), text, sizeof(text));
	ERR_clear_error();
	log_at(LOG_ERROR, "%s: %s: %s", what, file, text);
	return MB_ERR_INVALID;
}

int
gate_tls_init(struct gate *g)
{
	struct gate_tls_all *all;
	SSL_CTX *ctx;
	int err = 0;

	if (g->cfg.tls_listen[0] == '\0') {
		return 0;
	}
	all = heap_alloc(g->heap, sizeof(*all));
	ctx = SSL_CTX_new(TLS_server_method());
	if (all == NULL || ctx == NULL) {
		SSL_CTX_free(ctx);
		return MB_ERR_NO_MEMORY;
	}
	all->ctx = ctx;
	g->tls = all;
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets do */
	if (SSL_CTX_use_certificate_chain_file(ctx, g->cfg.tls_cert) != 1) {
		err = refuse("gate.tls_cert", g->cfg.tls_cert);
	} else if (SSL_CTX_use_PrivateKey_file(ctx, g->cfg.tls_key, SSL_FILETYPE_PEM) != 1 ||
		   SSL_CTX_check_private_key(ctx) != 1) {
		err = refuse("gate.tls_key", g->cfg.tls_key);
	} else if (g->cfg.tls_ca[0] != '\0') {
		if (SSL_CTX_load_verify_locations(ctx, g->cfg.tls_ca, NULL) != 1) {
			err = refuse("gate.tls_ca", g->cfg.tls_ca);
		}
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	return err;
}

void
gate_tls_end(struct gate *g)
{
	for (uint32_t i = 0; g->tls != NULL && i < g->cfg.conn_max; i++) {
		if (g->conn[i].used && g->conn[i].tls != NULL) {
			gate_tls_drop(g, &g->conn[i]);
		}
	}
	if (g->tls != NULL) {
		SSL_CTX_free(g->tls->ctx);
	}
}

bool
gate_tls_open(struct gate *g, struct gate_conn *c)
{
	struct gate_tls *t = heap_alloc(g->heap, sizeof(*t));
	BIO *rx = BIO_new(BIO_s_mem()), *tx = BIO_new(BIO_s_mem());
	SSL *ssl = SSL_new(g->tls->ctx);

	if (t == NULL || rx == NULL || tx == NULL || ssl == NULL) {
		BIO_free(rx);
		BIO_free(tx);
		SSL_free(ssl);
		if (t != NULL) {
			heap_free(g->heap, t, sizeof(*t));
		}
		return false;
	}
	BIO_set_mem_eof_return(rx, -1);
	SSL_set_bio(ssl, rx, tx);
	SSL_set_accept_state(ssl);
	*t = (struct gate_tls){ .ssl = ssl };
	c->tls = t;
	return true;
}

void
gate_tls_drop(struct gate *g, struct gate_conn *c)
{
	struct gate_tls *t = c->tls;

	if (t->cipher != NULL) {
		heap_free(g->heap, t->cipher, t->cipher_len);
	}
	SSL_free(t->ssl);
	heap_free(g->heap, t, sizeof(*t));
	c->tls = NULL;
}

bool
gate_tls_ready(const struct gate_conn *c)
{
	return SSL_is_init_finished(c->tls->ssl) != 0;
}

/* ------------------------------------------------------------------------ sending */

/* Encrypts replies from their beginning on. Returns: how many bytes of them. */
static size_t
replies_encrypt(struct gate_conn *c)
{
	size_t done = 0;

	for (struct gate_chunk *k = c->out.head; k != NULL && done < SEND_BYTES; k = k->next) {
		for (uint32_t at = k->sent; at < k->len && done < SEND_BYTES;) {
			int n = SSL_write(c->tls->ssl, k->p + at,
					  (int)MIN(k->len - at, RECORD_BYTES));

			if (n <= 0) {
				ERR_clear_error();
				return done;
			}
			at += (uint32_t)n;
			done += (size_t)n;
		}
	}
	return done;
}

void
gate_tls_flush(struct gate *g, struct gate_conn *c)
{
	struct gate_tls *t = c->tls;
	struct iovec iov;

	if (c->sending) {
		return;
	}
	if (t->cipher == NULL) {
		BIO *tx = SSL_get_wbio(t->ssl);
		size_t len;

		if (c->out.bytes > 0 && c->out.bytes < SIZE_MAX / 2 && gate_tls_ready(c)) {
			t->plain_len = (uint32_t)replies_encrypt(c);
		}
		len = BIO_ctrl_pending(tx);
		if (len == 0) {
			return;
		}
		t->cipher = heap_alloc(g->heap, len);
		if (t->cipher == NULL) { /* records cannot be left out */
			gate_conn_close(g, c);
			return;
		}
		t->cipher_len = (uint32_t)len;
		ENSURE(BIO_read(tx, t->cipher, (int)len) == (int)len, "len=%zu", len);
	}
	iov = (struct iovec){ t->cipher, t->cipher_len };
	if (stream_send(g->stream, c->id, &iov, 1, false) == 0) {
		c->sending = true;
	} else {
		gate_conn_later(g, c);
	}
}

void
gate_tls_sent(struct gate *g, struct gate_conn *c)
{
	struct gate_tls *t = c->tls;

	heap_free(g->heap, t->cipher, t->cipher_len);
	t->cipher = NULL;
	if (t->plain_len != 0) {
		gate_out_sent(g, c, t->plain_len); /* X2 */
		t->plain_len = 0;
	}
}

/* The end is said, if that costs no waiting: clients can tell it from a cut. */
void
gate_tls_bye(struct gate *g, struct gate_conn *c)
{
	uint8_t bye[BYE_BYTES];
	int fd = stream_fd(g->stream, c->id), n;

	if (c->sending || c->tls->cipher != NULL || fd < 0 || !gate_tls_ready(c)) {
		return;
	}
	SSL_shutdown(c->tls->ssl);
	ERR_clear_error();
	n = BIO_read(SSL_get_wbio(c->tls->ssl), bye, sizeof(bye));
	if (n > 0) {
		(void)!send(fd, bye, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

/* ------------------------------------------------------------------------ receiving */

void
gate_tls_received(struct gate *g, struct gate_conn *c, const uint8_t *p, size_t len)
{
	SSL *ssl = c->tls->ssl;
	int n = 1;

	if (len > 0 && BIO_write(SSL_get_rbio(ssl), p, (int)len) != (int)len) {
		gate_conn_close(g, c);
		return;
	}
	while (n > 0 && !c->last && stream_fd(g->stream, c->id) >= 0) {
		n = SSL_read(ssl, g->tls->plain, RECORD_BYTES);
		if (n > 0) {
			gate_conn_plain(g, c, g->tls->plain, (size_t)n);
		}
	}
	if (n <= 0) {
		int err = SSL_get_error(ssl, n);

		ERR_clear_error();
		if (stream_fd(g->stream, c->id) < 0) {
			return;
		}
		if (err == SSL_ERROR_ZERO_RETURN) {
			gate_conn_ended(g, c->id);
		} else if (err != SSL_ERROR_WANT_READ && err != SSL_ERROR_WANT_WRITE) {
			gate_tls_flush(g, c); /* the alert that says why, if it can go at once */
			c->last = true;
			if (!c->sending) {
				gate_conn_close(g, c);
			}
			return;
		}
	}
	if (stream_fd(g->stream, c->id) >= 0) {
		gate_tls_flush(g, c); /* what the handshake says */
	}
}
