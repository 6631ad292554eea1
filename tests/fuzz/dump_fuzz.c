/* SPDX-License-Identifier: Apache-2.0 */
/* dump_fuzz - what a client gives to RESTORE
 *
 * The input is a dump without its hash, which is put behind it: else nothing would come further.
 * Whatever it is: it is refused, or its entries written again are the same bytes. As it is, without
 * the right hash, it is looked at too.
 */
#include <stdlib.h>
#include <string.h>

#include <microburst/error.h>

#include "check.h"
#include "gate_dump.h"
#include "hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *mem = malloc(2 * (len + DUMP_HEAD + DUMP_TAIL));
	struct wbuf text, again;
	enum dump_kind kind;
	struct rbuf entries;
	struct slice one;
	double score;

	REQUIRE(mem != NULL);
	(void)dump_open(slice_of(data, len), &kind, &entries);
	text = wbuf_init(mem, len + sizeof(uint64_t));
	wbuf_put(&text, data, len);
	wbuf_u64(&text, hash_bytes(mem, len));
	if (dump_open(wbuf_slice(&text), &kind, &entries) == 0) {
		again = wbuf_init(mem + text.len, text.len);
		dump_begin(&again, kind);
		while (dump_next(&entries, kind, &score, &one)) {
			dump_entry(&again, kind, score, one);
		}
		dump_end(&again);
		REQUIRE(!again.full);
		REQUIRE(slice_eq(wbuf_slice(&text), wbuf_slice(&again)));
	}
	free(mem);
	return 0;
}
