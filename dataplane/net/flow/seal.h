/* SPDX-License-Identifier: Apache-2.0 */
/* seal - datagrams that only who has the key can make, or read
 *
 * Both ends hold the same keys, each with a number from 1 to 255. A sealed datagram is
 *
 *	head (40 bytes, its key number not 0) | body, encrypted | nonce (24) | tag (16)
 *
 * by XChaCha20-Poly1305 (IETF) of libsodium. The head's len is that of the body alone. The tag
 * covers the head as it is sent, and behind it a byte that says which of the two ends made it (1:
 * the server), so that nothing can be sent back to where it came from. A nonce is a random number
 * of the owner and a count: none is used twice, also by several that share a key. Two datagrams
 * with one nonce would give away what is in them, and how to forge others: a struct seal has one
 * owner, and is not assigned (seal_copy).
 *
 * What was recorded and is sent again is sealed well; that it has no effect is flow's (flow.h F1,
 * and flow_session_is_given: a session is made once). What stays visible: addresses, lengths,
 * times, and the head.
 *
 * Rotation: the first key of the file seals, all of them open. Append the new one everywhere, then
 * move it to the front everywhere, then take the old one out. A node reads its file again when that
 * changes (seal_renew); clients read theirs when they start.
 *
 * The file: lines of a number and 64 hexadecimal digits; empty ones and those that begin with #
 * are skipped. Errors: negative mb_err. Owner: one thread.
 */
#ifndef MB_SEAL_H
#define MB_SEAL_H

#include "compiler.h"
#include "wire.h"

#define SEAL_BYTES       40 /* that a sealed datagram is longer */
#define SEAL_NONCE_BYTES 24
#define SEAL_KEY_BYTES   32
#define SEAL_KEYS_MAX    8

struct seal_key {
	uint8_t number;
	uint8_t key[SEAL_KEY_BYTES];
};

struct seal {
	uint32_t cnt; /* 0: nothing is sealed */
	bool server;
	uint64_t nonce[3];
	uint64_t file; /* which one it was: differs when that changes */
	struct seal_key key[SEAL_KEYS_MAX];
};

/* seal_read reads keys from a file's text. Returns: 0; MB_ERR_CONFIG with *ret_line, from 1. */
int seal_read(struct seal *s, struct slice text, uint32_t *ret_line);

/* seal_open reads them from a file, for one end. Returns: 0; MB_ERR_NOT_FOUND; MB_ERR_DENIED when
 * it cannot be read, or when others than its owner may; MB_ERR_CONFIG; MB_ERR_IO. */
int seal_open(struct seal *s, const char *path, bool server);

/* seal_copy gives another owner the same keys, with nonces of his own. */
void seal_copy(struct seal *to, const struct seal *from);

/* seal_renew reads the file again if it is another one than it was, or has changed. Returns: 1 when
 * it was read; 0 when it is the same; else as seal_open, and the keys are what they were: once for
 * each change. */
int seal_renew(struct seal *s, const char *path);

/* seal_put makes a datagram of a head and its body: WIRE_HEAD_BYTES + h->len at p, and SEAL_BYTES
 * more if there are keys. The body may not lie in p, but without keys it may lie where it belongs.
 * Returns: its length. */
size_t seal_put(struct seal *s, uint8_t *p, const struct wire_head *h, const uint8_t *body);

int seal_take_sealed(const struct seal *s, struct slice datagram, uint8_t *plain,
		     struct wire_head *ret_head, struct slice *ret_body);

/* seal_take reads a datagram. plain: WIRE_DATAGRAM_MAX bytes, 8-aligned, for what was encrypted.
 * Returns:   0 with *ret_head and *ret_body (in the datagram or in plain); as wire_read;
 *            MB_ERR_DENIED when it is not sealed and should be, or not by one of the keys. */
static inline int
seal_take(const struct seal *s, struct slice datagram, uint8_t *plain, struct wire_head *ret_head,
	  struct slice *ret_body)
{
	return unlikely(s->cnt > 0) ? seal_take_sealed(s, datagram, plain, ret_head, ret_body)
				    : wire_read(datagram, ret_head, ret_body);
}

#endif
