/* SPDX-License-Identifier: Apache-2.0 */
#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "compiler.h"
#include "copy.h"
#include "hash.h"
#include "microburst/error.h"

#define KEY_AT    3 /* in a head: the number of the key */
#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES
#define AD_BYTES  (WIRE_HEAD_BYTES + 1)
#define FILE_MAX  4096

static_assert(SEAL_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "of libsodium");
static_assert(SEAL_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "of libsodium");
static_assert(SEAL_BYTES == SEAL_NONCE_BYTES + TAG_BYTES, "what is added");

/* ----------------------------------------------------------------------- keys */

static bool
is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* One line: a number, blanks, 64 digits. */
static bool
key_read(struct seal *s, const uint8_t *p, size_t len)
{
	struct seal_key *k = &s->key[s->cnt];
	uint32_t number = 0;
	size_t i = 0, got = 0;

	for (; i < len && i < 3 && p[i] >= '0' && p[i] <= '9'; i++) {
		number = number * 10 + (uint32_t)(p[i] - '0');
	}
	if (i == 0 || number == 0 || number > UINT8_MAX || i == len || !is_space(p[i]) ||
	    s->cnt == SEAL_KEYS_MAX) {
		return false;
	}
	while (i < len && is_space(p[i])) {
		i++;
	}
	if (len - i != 2 * (size_t)SEAL_KEY_BYTES ||
	    sodium_hex2bin(k->key, sizeof(k->key), (const char *)p + i, len - i, NULL, &got,
			   NULL) != 0 ||
	    got != SEAL_KEY_BYTES) {
		return false;
	}
	for (uint32_t j = 0; j < s->cnt; j++) {
		if (s->key[j].number == number) {
			return false;
		}
	}
	k->number = (uint8_t)number;
	s->cnt++;
	return true;
}

int
seal_read(struct seal *s, struct slice text, uint32_t *ret_line)
{
	const uint8_t *p = text.p;
	size_t left = text.len;

	s->cnt = 0;
	for (*ret_line = 1; left > 0; (*ret_line)++) {
		const uint8_t *end = memchr(p, '\n', left);
		size_t line = end != NULL ? (size_t)(end - p) : left, len = line;

		while (len > 0 && is_space(p[len - 1])) {
			len--;
		}
		if (len > 0 && p[0] != '#' && !key_read(s, p, len)) {
			return MB_ERR_CONFIG;
		}
		p += line + (end != NULL);
		left -= line + (end != NULL);
	}
	return s->cnt > 0 ? 0 : MB_ERR_CONFIG;
}

/* What differs when a file is written or replaced; 0: there is none. */
static uint64_t
file_tag(const struct stat *st)
{
	const uint64_t what[] = { (uint64_t)st->st_ino, (uint64_t)st->st_size,
				  (uint64_t)st->st_ctim.tv_sec, (uint64_t)st->st_ctim.tv_nsec };

	return hash_bytes(what, sizeof(what));
}

static void
nonce_begin(struct seal *s)
{
	randombytes_buf(s->nonce, sizeof(s->nonce[0]) * 2);
	s->nonce[2] = 0;
}

int
seal_open(struct seal *s, const char *path, bool server)
{
	uint8_t text[FILE_MAX];
	struct stat st;
	uint32_t line;
	ssize_t n = -1;
	int err, fd = open(path, O_RDONLY | O_CLOEXEC);

	memset(s, 0, sizeof(*s));
	s->server = server;
	if (sodium_init() < 0) {
		err = MB_ERR_IO;
	} else if (fd < 0) {
		err = errno == ENOENT ? MB_ERR_NOT_FOUND : MB_ERR_DENIED;
	} else if (fstat(fd, &st) != 0 || (st.st_mode & 077) != 0) {
		err = MB_ERR_DENIED;
	} else {
		s->file = file_tag(&st);
		n = read(fd, text, sizeof(text));
		err = n < 0                        ? MB_ERR_IO
		      : n == (ssize_t)sizeof(text) ? MB_ERR_CONFIG
						   : seal_read(s, slice_of(text, (size_t)n), &line);
	}
	if (fd >= 0) {
		close(fd);
	}
	sodium_memzero(text, sizeof(text));
	nonce_begin(s);
	return err;
}

void
seal_copy(struct seal *to, const struct seal *from)
{
	*to = *from;
	nonce_begin(to);
}

int
seal_renew(struct seal *s, const char *path)
{
	struct stat st;
	struct seal fresh;
	uint64_t file = stat(path, &st) == 0 ? file_tag(&st) : 0;
	int err;

	if (file == s->file) {
		return 0;
	}
	err = seal_open(&fresh, path, s->server);
	if (err == 0) {
		*s = fresh;
		err = 1;
	}
	s->file = file;
	sodium_memzero(&fresh, sizeof(fresh));
	return err;
}

/* ------------------------------------------------------------------ datagrams */

/* What the tag covers beside the body: the head, and who made it. */
static void
ad_write(uint8_t ad[AD_BYTES], const uint8_t *head, bool by_server)
{
	memcpy(ad, head, WIRE_HEAD_BYTES);
	ad[WIRE_HEAD_BYTES] = by_server;
}

static noinline size_t
sealed_put(struct seal *s, uint8_t *p, const struct wire_head *h, const uint8_t *body)
{
	uint8_t ad[AD_BYTES];
	uint8_t *tail = p + WIRE_HEAD_BYTES + h->len;

	p[KEY_AT] = s->key[0].number;
	s->nonce[2]++;
	memcpy(tail, s->nonce, SEAL_NONCE_BYTES);
	ad_write(ad, p, s->server);
	crypto_aead_xchacha20poly1305_ietf_encrypt_detached(p + WIRE_HEAD_BYTES,
							    tail + SEAL_NONCE_BYTES, NULL, body,
							    h->len, ad, sizeof(ad), NULL, tail,
							    s->key[0].key);
	return WIRE_HEAD_BYTES + (size_t)h->len + SEAL_BYTES;
}

size_t
seal_put(struct seal *s, uint8_t *p, const struct wire_head *h, const uint8_t *body)
{
	wire_write(p, h);
	if (unlikely(s->cnt > 0)) {
		return sealed_put(s, p, h, body);
	}
	if (h->len > 0 && body != p + WIRE_HEAD_BYTES) {
		copy_bytes(p + WIRE_HEAD_BYTES, body, h->len);
	}
	return WIRE_HEAD_BYTES + (size_t)h->len;
}

static const struct seal_key *
key_find(const struct seal *s, uint8_t number)
{
	for (uint32_t i = 0; i < s->cnt; i++) {
		if (s->key[i].number == number) {
			return &s->key[i];
		}
	}
	return NULL;
}

int
seal_take_sealed(const struct seal *s, struct slice datagram, uint8_t *plain,
		 struct wire_head *ret_head, struct slice *ret_body)
{
	const struct seal_key *key;
	const uint8_t *body, *tail;
	uint8_t ad[AD_BYTES];
	size_t len;

	if (datagram.len < WIRE_HEAD_BYTES + SEAL_BYTES || datagram.len > WIRE_DATAGRAM_MAX) {
		return MB_ERR_DENIED;
	}
	key = key_find(s, datagram.p[KEY_AT]);
	if (key == NULL) {
		return MB_ERR_DENIED;
	}
	len = datagram.len - WIRE_HEAD_BYTES - SEAL_BYTES;
	body = datagram.p + WIRE_HEAD_BYTES;
	tail = body + len;
	ad_write(ad, datagram.p, !s->server);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt_detached(plain + WIRE_HEAD_BYTES, NULL, body,
								len, tail + SEAL_NONCE_BYTES, ad,
								sizeof(ad), tail, key->key) != 0) {
		return MB_ERR_DENIED;
	}
	memcpy(plain, datagram.p, WIRE_HEAD_BYTES);
	plain[KEY_AT] = 0;
	return wire_read(slice_of(plain, WIRE_HEAD_BYTES + len), ret_head, ret_body);
}
