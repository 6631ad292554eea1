/* SPDX-License-Identifier: Apache-2.0 */
/* gate_tls_count - see gate_tls_count.h
 *
 * Rejected: the gate's own heap (what OpenSSL makes once for all connections, when the first one
 * asks for it, outlives the gate); a limit here (see above); a number a connection (a handshake,
 * half a record and one at rest differ by a factor of five).
 */
#include "gate_tls_count.h"

#include <malloc.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "compiler.h"

#define MALLOC_HEAD 8 /* what glibc keeps beside a block */

static _Thread_local int64_t counted;

static int64_t
size_of(void *p)
{
	return p != NULL ? (int64_t)malloc_usable_size(p) + MALLOC_HEAD : 0;
}

static void *
count_malloc(size_t bytes, const char *file, int line)
{
	void *p = malloc(bytes);

	counted += size_of(p);
	return p;
}

static void *
count_realloc(void *p, size_t bytes, const char *file, int line)
{
	int64_t before = size_of(p);
	void *q = realloc(p, bytes);

	if (likely(q != NULL || bytes == 0)) {
		counted += size_of(q) - before;
	}
	return q;
}

static void
count_free(void *p, const char *file, int line)
{
	counted -= size_of(p);
	free(p);
}

bool
gate_tls_count_begin(void)
{
	static bool begun;

	begun = begun || CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free) == 1;
	return begun;
}

int64_t
gate_tls_counted(void)
{
	return counted;
}
