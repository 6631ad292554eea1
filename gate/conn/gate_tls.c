/* SPDX-License-Identifier: Apache-2.0 */
/* gate_tls - connections that are encrypted
 *
 *	socket ──received──► BIO ──SSL_read──► plain text, as if it had been received
 *	socket ◄──one send── going ◄── next ◄── BIO ◄──SSL_write── the replies' chunks
 *
 * OpenSSL sees memory only: the io_uring of the lcore moves the bytes, as for all others. What has
 * come it reads where it was received, what it writes lies in the gate's memory: between two calls
 * its BIO holds nothing.
 *
 *   X1  What the kernel sends (tls->going) nobody else touches: what OpenSSL writes meanwhile, an
 *       alert for one, is next.
 *   X2  A reply's chunks are let go of when the records that carry them are sent, so what a client
 *       has not read is counted as for all others (N2).
 *   X3  Who has not finished the handshake owes, and who has sent half a record (N3).
 *   X4  What OpenSSL takes for a connection, from the heap of the process, is charged to the gate's
 *       memory after each call (gate_tls_count.h). It has no limit in a call, so one may take some
 *       64 KiB too many; who then has more of it than a connection at rest gives way, or ends.
 *       Connections at rest may have OPEN_SHARE of all memory: no further one is let in.
 *   X5  Nothing is enciphered before there is room for its records: none can be left out.
 *
 * Rejected: kernel TLS (the host must have the module, and its receive side has no multishot into
 * shared buffers); a record a reply (a pipeline of small replies would pay 30 bytes and a call for
 * each); OpenSSL's BIO in memory (it never gets shorter: 64 KiB a connection for ever after one
 * long reply, 85 KiB measured).
 */
#include "gate_tls.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <microburst/error.h>

#include "check.h"
#include "compiler.h"
#include "gate_conn.h"
#include "gate_int.h"
#include "gate_memory.h"
#include "gate_tls_count.h"
#include "log.h"
#include "timebase.h"

#define RECORD_BYTES (16u << 10)
#define RECORD_MORE  128u         /* what a record is longer than its text, at most */
#define SEND_BYTES   (64u << 10)  /* plain text of one send */
#define SHORT_BYTES  1024u        /* the same, when memory is short */
#define NEXT_BYTES   (128u << 10) /* what OpenSSL may have written and not sent */
#define OPEN_BYTES   (32u << 10)  /* so much is free when one is let in; most of a handshake */
#define OPEN_SHARE   3 / 4
#define TRIM_BYTES   ((int64_t)4 << 20)  /* which were freed since are given back */
#define HELD_MAX     ((int64_t)64 << 10) /* of OpenSSL's, in the choice of who gives way */

struct tls_bytes {
	uint8_t *p; /* from the gate's memory; NULL: none */
	uint32_t len, cap;
};

struct gate_tls {
	SSL *ssl;
	struct gate *gate;
	const uint8_t *rx; /* what has come, while OpenSSL reads it */
	size_t rx_len;
	struct tls_bytes next, going;
	uint32_t plain_len; /* bytes of replies that stand in it */
	bool half;          /* it has half a record */
	bool broken;        /* OpenSSL can write no more */
	int64_t held;       /* bytes, of OpenSSL's */
};

struct gate_tls_all {
	SSL_CTX *ctx;
	BIO_METHOD *bio;
	int64_t counted; /* of OpenSSL's, as of its last call */
	int64_t most;    /* the same, since free memory was given back */
	uint64_t said_ns;
	uint8_t plain[RECORD_BYTES];
};

/* ------------------------------------------------------------------------ memory */

/* After a call of OpenSSL for t: X4. */
static void
account(struct gate *g, struct gate_tls *t)
{
	int64_t now = gate_tls_counted();

	if (now != g->tls->counted) {
		t->held += now - g->tls->counted;
		g->tls->counted = now;
		g->tls->most = MAX(g->tls->most, now);
		heap_charge(g->heap, gate_tls_used(g));
	}
}

size_t
gate_tls_used(const struct gate *g)
{
	return g->tls != NULL ? (size_t)MAX(g->tls->counted, (int64_t)0) : 0;
}

void
gate_tls_trim(struct gate *g)
{
	if (g->tls != NULL && g->tls->most - g->tls->counted > TRIM_BYTES) {
		g->tls->most = g->tls->counted;
		malloc_trim(0);
	}
}

/* Whether it has more of OpenSSL's memory than at rest. */
static bool
swollen(const struct gate_conn *c)
{
	return c->tls->half || !gate_tls_ready(c);
}

size_t
gate_tls_held(const struct gate_conn *c)
{
	const struct gate_tls *t = c->tls;

	return t->next.cap + t->going.cap +
	       (swollen(c) ? (size_t)MAX(MIN(t->held, HELD_MAX), (int64_t)0) : 0);
}

/* Whether bytes are free, if need be because another one gives way to c. */
static bool
is_room(struct gate *g, const struct gate_conn *c, size_t bytes)
{
	while (gate_memory_free(g) < bytes) {
		if (gate_memory_relieve(g, c, MEMORY_HEAP, 0) != RELIEF_NOW) {
			return false;
		}
	}
	return true;
}

static void
bytes_free(struct gate *g, struct tls_bytes *b)
{
	if (b->p != NULL) {
		heap_free(g->heap, b->p, b->cap);
		*b = (struct tls_bytes){ 0 };
	}
}

/* Makes room behind what b has. Returns: false: there is no memory. */
static bool
bytes_room(struct gate *g, struct tls_bytes *b, size_t more)
{
	struct tls_bytes to = { .len = b->len };

	if (b->cap - b->len >= more) {
		return true;
	}
	to.cap = (uint32_t)heap_rounded_bytes(b->len + more);
	to.p = heap_alloc(g->heap, to.cap);
	if (to.p == NULL && more <= SHORT_BYTES + RECORD_MORE) { /* until the kernel has it */
		to.p = heap_alloc_reserve(g->heap, to.cap);
	}
	if (to.p == NULL) {
		return false;
	}
	if (b->len > 0) {
		memcpy(to.p, b->p, b->len);
	}
	bytes_free(g, b);
	*b = to;
	return true;
}

/* ------------------------------------------------------------------------ what OpenSSL calls */

static int
bio_read(BIO *b, char *to, int len)
{
	struct gate_tls *t = BIO_get_data(b);
	size_t n = MIN(t->rx_len, (size_t)MAX(len, 0));

	BIO_clear_retry_flags(b);
	if (n == 0) {
		BIO_set_retry_read(b);
		return -1;
	}
	memcpy(to, t->rx, n);
	t->rx += n;
	t->rx_len -= n;
	return (int)n;
}

static int
bio_write(BIO *b, const char *p, int len)
{
	struct gate_tls *t = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	if (len <= 0 || t->next.len + (size_t)len > NEXT_BYTES ||
	    !bytes_room(t->gate, &t->next, (size_t)len)) {
		return -1;
	}
	memcpy(t->next.p + t->next.len, p, (size_t)len);
	t->next.len += (uint32_t)len;
	return len;
}

static long
bio_ctrl(BIO *b, int what, long n, void *p)
{
	return what == BIO_CTRL_FLUSH;
}

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

	if (g->cfg.tls_listen[0] == '\0' || g->cfg.idx != 0) { /* they stay at home */
		return 0;
	}
	if (!gate_tls_count_begin()) {
		log_at(LOG_WARN, "the memory of OpenSSL cannot be counted into gate.memory");
	}
	all = heap_alloc(g->heap, sizeof(*all));
	ctx = SSL_CTX_new(TLS_server_method());
	if (all == NULL || ctx == NULL) {
		SSL_CTX_free(ctx);
		return MB_ERR_NO_MEMORY;
	}
	*all = (struct gate_tls_all){ .ctx = ctx };
	g->tls = all;
	all->bio = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gate");
	if (all->bio == NULL || BIO_meth_set_read(all->bio, bio_read) != 1 ||
	    BIO_meth_set_write(all->bio, bio_write) != 1 ||
	    BIO_meth_set_ctrl(all->bio, bio_ctrl) != 1) {
		return MB_ERR_NO_MEMORY;
	}
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
		/* Without a name of its own, who has shown one cannot go on with a session. */
		if (SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"gate", 4) != 1) {
			err = refuse("gate.tls_ca", g->cfg.tls_ca);
		}
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
		BIO_meth_free(g->tls->bio);
	}
}

/* Whether one more is let in: X4. */
static bool
is_let_in(struct gate *g, const struct gate_conn *c)
{
	if (gate_tls_used(g) + OPEN_BYTES <= g->cfg.memory_bytes * OPEN_SHARE &&
	    is_room(g, c, OPEN_BYTES)) {
		return true;
	}
	if (g->now_ns >= g->tls->said_ns) {
		g->tls->said_ns = g->now_ns + NS_PER_S;
		log_at(LOG_WARN,
		       "a Redis client over TLS is refused: of gate.memory those that are there "
		       "take %zu bytes, and %zu are free",
		       gate_tls_used(g), gate_memory_free(g));
	}
	return false;
}

bool
gate_tls_open(struct gate *g, struct gate_conn *c)
{
	struct gate_tls *t = is_let_in(g, c) ? heap_alloc(g->heap, sizeof(*t)) : NULL;
	BIO *bio;

	if (t == NULL) {
		return false;
	}
	bio = BIO_new(g->tls->bio);
	*t = (struct gate_tls){ .gate = g, .ssl = SSL_new(g->tls->ctx) };
	account(g, t);
	if (bio == NULL || t->ssl == NULL) {
		BIO_free(bio);
		SSL_free(t->ssl);
		account(g, t);
		heap_free(g->heap, t, sizeof(*t));
		return false;
	}
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_accept_state(t->ssl);
	c->tls = t;
	return true;
}

void
gate_tls_drop(struct gate *g, struct gate_conn *c)
{
	struct gate_tls *t = c->tls;

	SSL_free(t->ssl);
	account(g, t);
	bytes_free(g, &t->next);
	bytes_free(g, &t->going);
	heap_free(g->heap, t, sizeof(*t));
	c->tls = NULL;
}

bool
gate_tls_ready(const struct gate_conn *c)
{
	return SSL_is_init_finished(c->tls->ssl) != 0;
}

bool
gate_tls_half(const struct gate_conn *c)
{
	return c->tls->half;
}

/* ------------------------------------------------------------------------ sending */

/* The records that the next `most` bytes of replies become, at most. */
static size_t
records_bytes(const struct gate_conn *c, size_t most)
{
	size_t bytes = 0;

	for (const struct gate_chunk *k = c->out.head; k != NULL && most > 0; k = k->next) {
		size_t n = MIN((size_t)(k->len - k->sent), most);

		bytes += n + (n + RECORD_BYTES - 1) / RECORD_BYTES * RECORD_MORE;
		most -= n;
	}
	return bytes;
}

/* Enciphers replies from their beginning on. Returns: how many bytes of them, most at most. */
static size_t
replies_encipher(struct gate_conn *c, size_t most)
{
	size_t done = 0;

	for (struct gate_chunk *k = c->out.head; k != NULL && done < most; k = k->next) {
		for (uint32_t at = k->sent; at < k->len && done < most;) {
			size_t want =
				MIN(MIN((size_t)(k->len - at), most - done), (size_t)RECORD_BYTES);
			int n = SSL_write(c->tls->ssl, k->p + at, (int)want);

			if (n <= 0) {
				ERR_clear_error();
				c->tls->broken = true;
				return done;
			}
			at += (uint32_t)n;
			done += (size_t)n;
		}
	}
	return done;
}

/* Enciphers what of the replies there is room for. Returns: false: for nothing. */
static bool
replies_take(struct gate *g, struct gate_conn *c)
{
	struct gate_tls *t = c->tls;
	size_t most = SEND_BYTES;

	while (!bytes_room(g, &t->next, records_bytes(c, most))) { /* X5 */
		if (most <= SHORT_BYTES) {
			return false;
		}
		most = MAX(most / 4, (size_t)SHORT_BYTES);
	}
	t->plain_len = (uint32_t)replies_encipher(c, MIN(most, gate_out_due(c)));
	account(g, t);
	return true;
}

void
gate_tls_flush(struct gate *g, struct gate_conn *c)
{
	struct gate_tls *t = c->tls;
	struct iovec iov;

	if (c->sending) {
		return;
	}
	if (t->going.p == NULL) {
		if (c->out.bytes > 0 && c->out.bytes < SIZE_MAX / 2 && gate_tls_ready(c) &&
		    !gate_conn_held(c) && !replies_take(g, c)) {
			gate_conn_later(g, c);
			return;
		}
		if (t->broken) {
			gate_conn_close(g, c);
			return;
		}
		if (t->next.len == 0) {
			return;
		}
		t->going = t->next; /* X1 */
		t->next = (struct tls_bytes){ 0 };
	}
	iov = (struct iovec){ t->going.p, t->going.len };
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

	bytes_free(g, &t->going);
	if (t->plain_len != 0) {
		gate_out_sent(g, c, t->plain_len); /* X2 */
		t->plain_len = 0;
	}
}

/* The end is said, if that costs no waiting: clients can tell it from a cut. */
void
gate_tls_bye(struct gate *g, struct gate_conn *c)
{
	struct gate_tls *t = c->tls;
	int fd = stream_fd(g->stream, c->id);

	if (c->sending || t->going.p != NULL || fd < 0 || !gate_tls_ready(c)) {
		return;
	}
	SSL_shutdown(t->ssl);
	ERR_clear_error();
	account(g, t);
	if (t->next.len > 0) {
		(void)!send(fd, t->next.p, t->next.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

/* ------------------------------------------------------------------------ receiving */

/* Deciphers what has come, and has it run. Returns: what SSL_read said last. */
static int
plain_take(struct gate *g, struct gate_conn *c, const uint8_t *p, size_t len)
{
	struct gate_tls *t = c->tls;
	size_t plain = 0;
	int n = 1;

	t->rx = p;
	t->rx_len = len;
	while (n > 0 && !c->last && stream_fd(g->stream, c->id) >= 0) {
		n = SSL_read(t->ssl, g->tls->plain, RECORD_BYTES);
		account(g, t);
		if (n > 0) {
			plain += (size_t)n;
			gate_conn_plain(g, c, g->tls->plain, (size_t)n);
		}
	}
	t->rx_len = 0; /* nothing is run any more, if anything is left */
	if (gate_tls_ready(c) && plain < len) {
		gate_conn_moved(g, c, &c->half_ns, len - plain);
	}
	return n;
}

/* Who has half a record owes it, and memory; gate_conn.c is told when that changes. */
static void
half_look(struct gate *g, struct gate_conn *c)
{
	struct gate_tls *t = c->tls;
	bool half = gate_tls_ready(c) && SSL_has_pending(t->ssl) != 0, was = t->half;

	t->half = half;
	if (swollen(c) && !is_room(g, c, 1)) { /* X4 */
		gate_memory_evict(g, c);
	} else if (half != was) {
		gate_conn_go(g, c);
	}
}

void
gate_tls_received(struct gate *g, struct gate_conn *c, const uint8_t *p, size_t len)
{
	int n = plain_take(g, c, p, len);

	if (n <= 0) {
		int err = SSL_get_error(c->tls->ssl, n);

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
		half_look(g, c);
	}
	if (stream_fd(g->stream, c->id) >= 0) {
		gate_tls_flush(g, c); /* what the handshake says */
	}
}
