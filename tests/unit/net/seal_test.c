/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what one end seals the other opens, whatever its length, and nothing else opens: another
 *         key, no key, a changed bit anywhere, a cut, an end's own datagrams. The same frame is
 *         never sealed the same way twice. Keys rotate. A file of keys is read, or refused with its
 *         line, and not when others may read it.
 * Method: two ends in one process; every bit of a datagram turned.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "microburst/error.h"
#include "seal.h"
#include "test_cmocka.h"

#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static struct seal client, server;
static uint8_t sealed[WIRE_DATAGRAM_MAX], body[WIRE_BODY_MAX];
static _Alignas(8) uint8_t plain[WIRE_DATAGRAM_MAX];
static struct wire_head got;
static struct slice got_body;

static void
open_keys(struct seal *s, const char *text, bool at_server)
{
	char path[] = "/tmp/mb-seal-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(seal_open(s, path, at_server), 0);
	unlink(path);
}

static struct wire_head
request(uint16_t len)
{
	return (struct wire_head){ .kind = WIRE_REQUEST,
				   .len = len,
				   .mss = WIRE_BODY_MAX - SEAL_BYTES,
				   .session = 5,
				   .id = 9,
				   .client = 3,
				   .total = len };
}

static size_t
seal_request(uint16_t len)
{
	struct wire_head h = request(len);

	for (size_t i = 0; i < len; i++) {
		body[i] = (uint8_t)(i * 3);
	}
	return seal_put(&client, sealed, &h, body);
}

static int
take(const struct seal *s, size_t len)
{
	return seal_take(s, slice_of(sealed, len), plain, &got, &got_body);
}

static void
begin(const char *at_client, const char *at_server)
{
	open_keys(&client, at_client, false);
	open_keys(&server, at_server, true);
}

static void
what_is_sealed_opens(void **state)
{
	static const uint16_t lens[] = { 1, 7, 64, 1400, WIRE_BODY_MAX - SEAL_BYTES };

	(void)state;
	begin("7 " KEY_A, "7 " KEY_A "\n");
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		size_t len = seal_request(lens[i]);

		assert_int_equal(len, WIRE_HEAD_BYTES + lens[i] + SEAL_BYTES);
		assert_int_equal(take(&server, len), 0);
		assert_int_equal(got_body.len, lens[i]);
		assert_memory_equal(got_body.p, body, lens[i]);
		assert_int_equal((uintptr_t)got_body.p % 8, 0);
		assert_int_equal(got.id, 9);
		assert_int_equal(got.key, 0);
	}
}

static void
nothing_else_does(void **state)
{
	struct wire_head h = request(20);
	struct seal other = { 0 };
	size_t len;

	(void)state;
	begin("7 " KEY_A, "7 " KEY_A);
	len = seal_request(20);
	for (size_t bit = 0; bit < len * 8; bit++) {
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(take(&server, len), MB_ERR_DENIED);
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < len; cut++) {
		assert_int_equal(take(&server, cut), MB_ERR_DENIED);
	}
	assert_int_equal(take(&server, len), 0);
	assert_int_equal(take(&client, len), MB_ERR_DENIED); /* sent back to where it is from */
	assert_int_equal(take(&other, len), MB_ERR_CORRUPT); /* without keys: another length */
	len = seal_put(&other, sealed, &h, body);
	assert_int_equal(take(&other, len), 0);
	assert_int_equal(take(&server, len), MB_ERR_DENIED); /* not sealed */
	begin("7 " KEY_A, "7 " KEY_B);
	assert_int_equal(take(&server, seal_request(20)), MB_ERR_DENIED);
}

static void
nothing_is_sealed_twice_alike(void **state)
{
	uint8_t first[200];
	size_t len;

	(void)state;
	begin("7 " KEY_A, "7 " KEY_A);
	len = seal_request(100);
	memcpy(first, sealed, len);
	assert_int_equal(seal_request(100), len);
	assert_memory_equal(sealed, first, WIRE_HEAD_BYTES);
	assert_memory_not_equal(sealed + WIRE_HEAD_BYTES, first + WIRE_HEAD_BYTES, 100);
	begin("7 " KEY_A, "7 " KEY_A); /* another process: another part of the nonces */
	(void)seal_request(100);
	assert_memory_not_equal(sealed + WIRE_HEAD_BYTES, first + WIRE_HEAD_BYTES, 100);
	seal_copy(&server, &client); /* another owner of the same keys */
	(void)seal_request(100);
	memcpy(first, sealed, len);
	client = server;
	(void)seal_request(100);
	assert_memory_not_equal(sealed + WIRE_HEAD_BYTES, first + WIRE_HEAD_BYTES, 100);
	assert_int_equal(take(&server, len), MB_ERR_DENIED); /* whose end is the same */
}

static void
keys_rotate(void **state)
{
	(void)state;
	begin("1 " KEY_A, "1 " KEY_A "\n2 " KEY_B); /* the new one is known */
	assert_int_equal(take(&server, seal_request(9)), 0);
	begin("2 " KEY_B "\n1 " KEY_A, "1 " KEY_A "\n2 " KEY_B); /* and used */
	assert_int_equal(take(&server, seal_request(9)), 0);
	begin("1 " KEY_A, "2 " KEY_B); /* the old one is gone */
	assert_int_equal(take(&server, seal_request(9)), MB_ERR_DENIED);
}

static void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
a_changed_file_is_read_again(void **state)
{
	char path[] = "/tmp/mb-seal-XXXXXX";
	uint64_t file;

	(void)state;
	begin("2 " KEY_B, "1 " KEY_A);
	close(mkstemp(path));
	write_file(path, "1 " KEY_A);
	assert_int_equal(seal_open(&server, path, true), 0);
	assert_int_equal(seal_renew(&server, path), 0);
	assert_int_equal(take(&server, seal_request(9)), MB_ERR_DENIED);
	write_file(path, "1 " KEY_A "\n2 " KEY_B);
	assert_int_equal(seal_renew(&server, path), 1);
	assert_int_equal(take(&server, seal_request(9)), 0);
	file = server.file;
	write_file(path, "nonsense");
	assert_int_equal(seal_renew(&server, path), MB_ERR_CONFIG);
	assert_int_equal(seal_renew(&server, path), 0); /* told once */
	unlink(path);
	assert_int_equal(seal_renew(&server, path), MB_ERR_NOT_FOUND);
	assert_int_equal(seal_renew(&server, path), 0);
	assert_int_not_equal(server.file, file);
	assert_int_equal(take(&server, seal_request(9)), 0); /* the keys stayed */
}

static void
a_bad_file_is_refused(void **state)
{
	static const struct {
		const char *text;
		uint32_t line;
	} bad[] = {
		{ "", 1 },
		{ "# nothing\n", 2 },
		{ "0 " KEY_A, 1 },
		{ "256 " KEY_A, 1 },
		{ "7" KEY_A, 1 },
		{ "7 " KEY_A "00", 1 },
		{ "7 00", 1 },
		{ "7 " KEY_A "\n\n7 " KEY_B, 3 },
		{ "7 " KEY_A "\nx", 2 },
	};
	char path[] = "/tmp/mb-seal-XXXXXX";
	int fd = mkstemp(path);
	uint32_t line;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(seal_read(&client,
					   slice_of((const uint8_t *)bad[i].text,
						    strlen(bad[i].text)),
					   &line),
				 MB_ERR_CONFIG);
		assert_int_equal(line, bad[i].line);
	}
	assert_int_equal(write(fd, "7 " KEY_A, 66), 66);
	assert_int_equal(seal_open(&client, path, false), 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_int_equal(seal_open(&client, path, false), MB_ERR_DENIED);
	close(fd);
	unlink(path);
	assert_int_equal(seal_open(&client, path, false), MB_ERR_NOT_FOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sealed_opens),
		cmocka_unit_test(nothing_else_does),
		cmocka_unit_test(nothing_is_sealed_twice_alike),
		cmocka_unit_test(keys_rotate),
		cmocka_unit_test(a_changed_file_is_read_again),
		cmocka_unit_test(a_bad_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
