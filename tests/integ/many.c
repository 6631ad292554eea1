/* SPDX-License-Identifier: Apache-2.0 */
/* many WHERE
 *
 * Goal:   mb_client_set_many and mb_client_get_many do what as many single ones do; adding to and
 *         removing from a set tells of the own members only, while another client does the same.
 * Method: values of many lengths under more keys than one burst has; read with keys between them
 *         that are not there, that are too long, that hold a collection; read singly what was
 *         written at once, and the reverse. Two processes that add and remove members of their own.
 */
#include <microburst/client.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CNT     600
#define SET_CNT 300

static char name[CNT][1100];
static uint8_t bytes[4096];
static struct mb_key key[CNT], value[CNT];
static struct mb_held held[CNT];
static int err[CNT];

#define EXPECT(x)                                                                                  \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "many: line %d: %s\n", __LINE__, #x);                      \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static void
expect_value(const struct mb_held *h, size_t i)
{
	EXPECT(h->len == value[i].len && memcmp(h->p, value[i].p, h->len) == 0);
}

/* One of two that change a set at the same time. */
static void
change_set(const char *where, const char *a, const char *b)
{
	struct mb_value m[3] = { mb_bytes(a, 1), mb_bytes(b, 1), mb_bytes(a, 1) };
	struct mb_client *c;
	size_t cnt;

	EXPECT(mb_client_open(&c, where) == 0);
	for (int i = 0; i < SET_CNT; i++) {
		EXPECT(mb_client_sadd(c, "many both", 0, m, 1, &cnt) == 0 && cnt == 1);
		EXPECT(mb_client_sadd(c, "many both", 0, m, 3, &cnt) == 0 && cnt <= 1);
		EXPECT(mb_client_srem(c, "many both", 0, m, 1, &cnt) == 0 && cnt == 1);
		EXPECT(mb_client_srem(c, "many both", 0, m, 1, &cnt) == 0 && cnt == 0);
		EXPECT(mb_client_srem(c, "many both", 0, m, 3, &cnt) == 0 && cnt <= 1);
	}
	mb_client_close(c);
}

static void
expect_own_members_only(const char *where)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		change_set(where, "a", "b");
		_exit(0);
	}
	change_set(where, "c", "d");
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

int
main(int argc, char **argv)
{
	struct mb_client *c;
	struct mb_value member = mb_i64(1);

	EXPECT(argc == 2);
	if (strncmp(argv[1], "dpdk:", 5) != 0) { /* the other end of a NIC is one process */
		expect_own_members_only(argv[1]);
	}
	EXPECT(mb_client_open(&c, argv[1]) == 0);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	}
	for (int i = 0; i < CNT; i++) {
		int n = snprintf(name[i], sizeof(name[i]), "many%d", i);

		key[i] = (struct mb_key){ name[i], (size_t)n };
		value[i] = (struct mb_key){ bytes + i, (size_t)(i % 16 == 0 ? 3000 : i % 100) };
	}
	EXPECT(mb_client_set_many(c, key, value, CNT, err) == 0);
	EXPECT(mb_client_get_many(c, key, CNT, held, err) == 0);
	for (size_t i = 0; i < CNT; i++) {
		struct mb_held one;

		EXPECT(err[i] == 0);
		expect_value(&held[i], i);
		mb_client_release(c, &held[i]);
		EXPECT(mb_client_get(c, key[i].p, key[i].len, &one) == 0);
		expect_value(&one, i);
		mb_client_release(c, &one);
	}
	/* Some of them are not there, or cannot be read as bytes, or cannot be at all. */
	EXPECT(mb_client_sadd(c, "many set", 0, &member, 1, NULL) == 0);
	for (size_t i = 0; i < CNT; i += 5) {
		EXPECT(mb_client_del(c, key[i].p, key[i].len) == 0);
	}
	key[1] = (struct mb_key){ "many set", 8 };
	key[2] = (struct mb_key){ memset(name[2], 'x', 1025), 1025 };
	for (size_t i = 0; i < CNT; i += 10) { /* never were: the store is asked for them */
		name[i][0] = 'M';
	}
	EXPECT(mb_client_get_many(c, key, CNT, held, err) == MB_ERR_NOT_FOUND);
	for (size_t i = 0; i < CNT; i++) {
		int expected = i % 5 == 0 ? MB_ERR_NOT_FOUND
			       : i == 1   ? MB_ERR_TYPE
			       : i == 2   ? MB_ERR_TOO_LARGE
					  : 0;

		EXPECT(err[i] == expected);
		if (err[i] == 0) {
			expect_value(&held[i], i);
		}
		mb_client_release(c, &held[i]);
	}
	/* Of writes one that cannot be, and the others are. */
	EXPECT(mb_client_set_many(c, key + 2, value + 2, 4, err) == MB_ERR_TOO_LARGE);
	EXPECT(err[0] == MB_ERR_TOO_LARGE && err[1] == 0 && err[3] == 0);
	EXPECT(mb_client_get(c, key[5].p, key[5].len, &held[0]) == 0);
	expect_value(&held[0], 5);
	mb_client_release(c, &held[0]);
	mb_client_close(c);
	puts("many");
	return 0;
}
