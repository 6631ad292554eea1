/* SPDX-License-Identifier: Apache-2.0 */
/* tree_fuzz - a large collection in pieces, in memory that was scribbled over
 *
 * Readers look at trees in place while their memory may be used again, or written to by nobody
 * knows whom. Whatever the nodes say, a reader stays between lo and hi, and ends; a merge into such
 * a tree ends, too, with an error or a tree.
 *
 *	type u8 | item_cnt u8 | ( offset u16 | byte u8 ) *
 *
 * A tree is made of that many items, and then these bytes are written over its memory, its root and
 * its envelope included. What lies around that is filled with what would be seen.
 */
#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "envelope.h"
#include "grove_world.h"
#include "gset.h"
#include "made.h"
#include "presence.h"
#include "settle.h"
#include "tree.h"
#include "treeval.h"
#include "view.h"

#define MEM  ((size_t)256 << 10)
#define STEP 64 /* walks of trees that go round in circles are cut */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint64_t sum; /* so that what is read counts */

static void
touch(struct slice s)
{
	for (size_t i = 0; i < s.len && !slice_is_tree(s); i += 61) {
		sum += s.p[i];
	}
}

/* The flat envelope that the tree is made of. */
static struct slice
flat_of(unsigned int type, uint32_t cnt)
{
	struct wbuf st = wbuf_init(made_alloc(64 * 1024), 64 * 1024), out;
	struct envelope e = { .epoch = at(1, 1), .type = type };
	struct table_builder b;

	table_begin(&b, &st);
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t be = htobe32(i * 3);

		wbuf_put(&st, &be, sizeof(be));
		wbuf_put(&st, "some bytes to fill it", 21);
		if (type == LATTICE_ORSET) {
			presence_put_add(&st, at(1 + i, 1));
		}
		table_item_end(&b);
	}
	REQUIRE(table_end(&b) == 0);
	e.state = wbuf_slice(&st);
	out = wbuf_init(made_alloc(envelope_bytes(&e)), envelope_bytes(&e));
	REQUIRE(envelope_write(&e, &out) == 0);
	return wbuf_slice(&out);
}

static void
read_all(struct slice tree)
{
	struct table_walk walk = { 0 };
	struct envelope e;
	struct slice item;
	struct table t;
	uint32_t be;

	if (envelope_open(tree, &e) != 0 || table_open(e.state, &t) != 0) {
		return;
	}
	sum += view_cnt(e.type, e.state) + view_present(e.type, e.state);
	for (uint32_t i = 0; i < STEP; i++) {
		touch(table_item(&t, (uint32_t)((uint64_t)t.cnt * i / STEP)));
		be = htobe32(i * 13);
		item = slice_of(&be, sizeof(be));
		sum += view_set_has(e.type, e.state, item);
		if (table_find(&t, lattice_table_ops(e.type)->key_of, item, &item)) {
			touch(item);
		}
	}
	for (uint32_t i = 0; i < STEP && view_set_next(e.type, e.state, &walk, &item); i++) {
		touch(item);
	}
}

/* The encoding, into room that may be too short for what the tree claims to be. */
static void
write_all(struct slice tree)
{
	static uint8_t mem[128 * 1024];
	struct wbuf out = wbuf_init(mem, sizeof(mem));

	if (treeval_write(tree, &out) == 0) {
		touch(wbuf_slice(&out));
	}
	out = wbuf_init(mem, sizeof(mem));
	(void)settle_items(tree, (struct hlc_time){ 5 }, &out);
	(void)treeval_equal(tree, tree);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	unsigned int type = len > 0 && data[0] & 1 ? LATTICE_ORSET : LATTICE_GSET;
	struct grove_world w;
	struct tree_view view;
	struct slice flat;
	struct grown g;

	if (len < 2) {
		return 0;
	}
	flat = flat_of(type, 40 + 2u * data[1]);
	grove_world_init(&w, MEM);
	if (treeval_wanted(flat)) {
		REQUIRE(grown_make(&w, flat, &g) == 0);
		for (size_t i = 2; i + 3 <= len; i += 3) {
			w.mem[(size_t)(data[i] | data[i + 1] << 8) * 2 % MEM] ^= data[i + 2];
		}
		/* What stands around the root is checked where it came from; the rest is read. */
		if (tree_view_init(&view, w.g.base, w.g.lo, w.g.hi, g.view.envelope) == 0) {
			read_all(tree_slice(&view));
			write_all(tree_slice(&view));
		}
	}
	free(w.mem); /* as it is: nobody gives back what was scribbled over */
	made_forget();
	return 0;
}
