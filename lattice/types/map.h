/* SPDX-License-Identifier: Apache-2.0 */
/* map.h - from keys to values that merge
 *
 * Each field has a key (any bytes) and a typed value. Merge goes key by key: values of one type
 * merge; where two replicas gave one key different types the greater type id wins whole
 * (lattice.def), as in an envelope. A key without a field is bottom, so no field holds bottom. A
 * value may be a map again, LATTICE_DEPTH_MAX levels deep, or an envelope: that is what gives a
 * field a type that can change, a delete, or an expiry.
 *
 * Encoded as a table (table.h), sorted by key, whose items are
 *
 *	key | value | key_len u16 | type u8			7 bytes over key and value
 */
#ifndef MB_MAP_H
#define MB_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "lattice.h"
#include "slice.h"
#include "table.h"

#define MAP_KEY_LEN_MAX 65535
#define MAP_OVERHEAD    (3 + TABLE_ITEM_OVERHEAD)

extern const struct table_merge_ops map_table_ops;

/* How its items merge, for others who are made of fields (oset.h). */
struct slice map_item_key(struct slice item);
int map_item_merge(struct slice a, struct slice b, struct wbuf *out, unsigned int depth);
bool map_item_leq(struct slice a, struct slice b, unsigned int depth);
bool map_item_present(struct slice item);

struct map_field {
	struct slice key;
	unsigned int type; /* enum lattice_type; from damaged bytes, anything */
	struct slice value;
};

/* map_delta_put makes the map of one field: the delta of merging a value into a field of any map.
 *
 * Requires:  field->value is a checked value of field->type, or one just made.
 * Returns:   0, appended to out; MB_ERR_INVALID for a bottom value; MB_ERR_TOO_LARGE when it does
 *            not fit (MAP_OVERHEAD over key and value does), or the key is too long.
 */
int map_delta_put(const struct map_field *field, struct wbuf *out);

/* A delta of many fields, or a whole map: begin, then each field in ascending order of keys, then
 * end.
 *
 * Returns:   map_end: 0, the map appended to the wbuf given to map_begin; else the first thing that
 *            went wrong, the wbuf as before: MB_ERR_INVALID, keys not ascending or a bottom value;
 *            MB_ERR_TOO_LARGE.
 */
struct map_builder {
	struct table_builder table;
	struct slice key, key_last; /* of this field, and the one before; in out */
	size_t start;               /* where this field's value begins, in out */
	int err;
};

void map_begin(struct map_builder *b, struct wbuf *out);
void map_add(struct map_builder *b, const struct map_field *field);
int map_end(struct map_builder *b);

/* Instead of map_add: map_field_begin, then the value is written straight to the wbuf, then
 * map_field_end says of which type it is. A field of which nothing was written is left out. */
void map_field_begin(struct map_builder *b, struct slice key);
void map_field_end(struct map_builder *b, unsigned int type);

/* map_field_open takes an item of the table apart. Returns: false for damaged bytes. */
bool map_field_open(struct slice item, struct map_field *ret_field);

/* map_field_value looks through the envelope of a field, if it has one, at what it holds.
 *
 * Returns:   whether that shows anything: false for a field that was deleted.
 */
bool map_field_value(const struct map_field *field, unsigned int *ret_type,
		     struct slice *ret_value);

/* map_get finds a field, in place; also one that was deleted (map_field_value).
 *
 * Returns:   false when there is none of that key.
 * Cost:      O(log n) comparisons
 */
bool map_get(struct slice v, struct slice key, struct map_field *ret_field);

/* map_cnt is the number of fields that show something; 0 for a damaged map. O(fields). */
uint32_t map_cnt(struct slice v);

/* map_next gives the fields that show something, in order of keys: start with *w all zero.
 *
 * Returns:   false behind the last one.
 */
bool map_next(struct slice v, struct table_walk *w, struct map_field *ret_field);

/* map_at gives field idx in order of keys, in place; deleted ones too.
 *
 * Returns:   false behind the last one, and at a damaged field.
 */
bool map_at(struct slice v, uint32_t idx, struct map_field *ret_field);

#endif
