/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   what OpenSSL has taken is counted to the byte, and all of it comes back.
 * Method: its own allocations by hand, made longer and shorter; then objects that it makes. */
#include "gate_tls_count.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "test_cmocka.h"

static void
blocks_are_counted_as_long_as_they_are_there(void **state)
{
	int64_t before, one;
	void *p, *q;

	before = gate_tls_counted();
	p = OPENSSL_malloc(1000);
	one = gate_tls_counted() - before;
	assert_in_range(one, 1000, 1040);
	q = OPENSSL_zalloc(100000);
	assert_in_range(gate_tls_counted() - before - one, 100000, 105000);
	OPENSSL_free(q);
	assert_int_equal(gate_tls_counted() - before, one);
	p = OPENSSL_realloc(p, 50000);
	assert_in_range(gate_tls_counted() - before, 50000, 50040);
	p = OPENSSL_realloc(p, 10);
	assert_in_range(gate_tls_counted() - before, 10, 50040);
	OPENSSL_free(p);
	OPENSSL_free(NULL);
	assert_int_equal(gate_tls_counted(), before);
}

static void
objects_give_back_what_they_took(void **state)
{
	static const char text[3000];

	for (int i = 0; i < 3; i++) {
		int64_t before = gate_tls_counted();
		BIO *b = BIO_new(BIO_s_mem());

		assert_int_equal(BIO_write(b, text, sizeof(text)), sizeof(text));
		assert_in_range(gate_tls_counted() - before, sizeof(text), 3 * sizeof(text));
		BIO_free(b);
		if (i > 0) { /* what it makes once is made */
			assert_int_equal(gate_tls_counted(), before);
		}
	}
}

static void
who_begins_again_counts_on(void **state)
{
	assert_true(gate_tls_count_begin());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_counted_as_long_as_they_are_there),
		cmocka_unit_test(objects_give_back_what_they_took),
		cmocka_unit_test(who_begins_again_counts_on),
	};

	return gate_tls_count_begin() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
