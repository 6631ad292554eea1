/* SPDX-License-Identifier: Apache-2.0 */
/* sibling - values that merge as they are, and values beside each other
 *
 * What a client has seen of siblings it is given as a token, and hands back with what shall take
 * their place: it may keep it as long as it likes. A user's merge runs in functions only; a client
 * puts a value beside the others, and whoever reads by the merge makes one of them. */
#include <stdlib.h>
#include <string.h>

#include "envelope.h"
#include "history.h"
#include "impl.h"
#include "lattice.h"
#include "mvreg.h"
#include "part.h"
#include "seen.h"

struct mb_seen {
	struct seen seen; /* without a value */
	uint8_t context[2 * SEEN_CONTEXT_MAX];
};

/* ------------------------------------------------------------ as they are */

int
mb_client_merge(struct mb_client *c, const char *key, size_t key_len, const struct mb_part *first,
		const struct mb_part *second)
{
	struct wset_op op = { .kind = WSET_MERGE };
	unsigned int type = LATTICE_PAIR_LEX;
	size_t bytes = second != NULL ? PART_PAIR_MAX : first->bytes.len + PART_OVERHEAD;
	uint8_t *mem = first->bytes.len <= VALUE_BYTES_MAX ? malloc(bytes) : NULL, id;
	struct wbuf out = wbuf_init(mem, bytes);
	int err = client_key(key, key_len, &op.key);

	if (mem == NULL) {
		err = first->bytes.len > VALUE_BYTES_MAX ? MB_ERR_TOO_LARGE : MB_ERR_NO_MEMORY;
	}

	if (err == 0) {
		err = second != NULL ? part_pair_write(first, second, &out)
				     : part_write(first, &type, &out);
	}
	if (err == 0 && type == LATTICE_ABSENT) {
		err = MB_ERR_INVALID;
	}
	if (err == 0) {
		id = (uint8_t)type;
		op.field = slice_of(&id, sizeof(id));
		op.value = wbuf_slice(&out);
		err = client_publish(c, &op);
	}
	free(mem);
	return err;
}

int
mb_client_set_keep(struct mb_client *c, const char *key, size_t key_len, const void *p, size_t len)
{
	struct wset_op op = { .kind = WSET_PUT, .keep = true, .value = { .p = p, .len = len } };
	int err = client_key(key, key_len, &op.key);

	return err != 0 ? err : client_publish(c, &op);
}

int
mb_client_expires(struct mb_client *c, const char *key, size_t key_len, int64_t *ret_at_us)
{
	struct cache_value v;
	struct envelope e;
	struct slice k;
	int err = client_key(key, key_len, &k);

	if (err == 0) {
		err = client_look(c, k, &v);
	}
	if (err == 0) {
		err = view_present(v.type, v.state) ? envelope_open(v.envelope, &e)
						    : MB_ERR_NOT_FOUND;
		if (err == 0) {
			*ret_at_us = (int64_t)hlc_time_us(e.expiry.deadline);
		}
		client_look_end(c, &v);
	}
	return err;
}

/* ------------------------------------------------------- beside each other */

int
mb_client_siblings(struct mb_client *c, const char *key, size_t key_len, mb_member_fn fn, void *ctx,
		   struct mb_seen **ret_seen)
{
	struct mb_seen *seen = ret_seen != NULL ? calloc(1, sizeof(*seen)) : NULL;
	struct slice k, name, mvreg;
	struct mvreg_sibling s;
	struct cache_value v;
	struct envelope e;
	int err =
		ret_seen != NULL && seen == NULL ? MB_ERR_NO_MEMORY : client_key(key, key_len, &k);

	if (err == 0) {
		err = client_look(c, k, &v);
	}
	if (err != 0) {
		free(seen);
		return err;
	}
	err = !view_present(v.type, v.state)              ? MB_ERR_NOT_FOUND
	      : merged_by(v.type, v.state, &name, &mvreg) ? envelope_open(v.envelope, &e)
							  : MB_ERR_TYPE;
	if (err == 0 && seen != NULL) {
		err = seen_of(mvreg, e.epoch, seen->context, &seen->seen);
	}
	for (uint32_t i = 0;
	     err == 0 && mvreg_next(mvreg, &i, &s) && fn(ctx, s.value.p, s.value.len, NULL, 0);) {
	}
	client_look_end(c, &v);
	if (err != 0) {
		free(seen);
	} else if (seen != NULL) {
		*ret_seen = seen;
	}
	return err;
}

void
mb_client_seen_free(struct mb_seen *seen)
{
	free(seen);
}

static int
put_beside(struct mb_client *c, struct slice key, struct slice merge, struct slice value,
	   const struct mb_seen *seen)
{
	static const struct seen nothing;
	const struct seen *s = seen != NULL ? &seen->seen : &nothing;
	struct wset_op op = { .kind = WSET_SIBLING, .key = key, .field = merge };
	size_t bytes = value.len + s->context.len + SEEN_OVERHEAD;
	uint8_t *mem = value.len <= VALUE_BYTES_MAX ? malloc(bytes) : NULL;
	struct wbuf out = wbuf_init(mem, bytes);
	int err;

	if (mem == NULL) {
		return value.len > VALUE_BYTES_MAX ? MB_ERR_TOO_LARGE : MB_ERR_NO_MEMORY;
	}
	wbuf_put(&out, value.p, value.len);
	err = seen_put_tail(&out, s);
	if (err == 0) {
		op.value = wbuf_slice(&out);
		err = client_publish(c, &op);
	}
	free(mem);
	return err;
}

int
mb_client_put_sibling(struct mb_client *c, const char *key, size_t key_len, const void *p,
		      size_t len, const struct mb_seen *seen)
{
	struct slice k;
	int err = client_key(key, key_len, &k);

	return err != 0 ? err : put_beside(c, k, slice_of(NULL, 0), slice_of(p, len), seen);
}

int
mb_client_put_merged(struct mb_client *c, const char *key, size_t key_len, const char *merge,
		     const void *p, size_t len)
{
	size_t name_len = strlen(merge);
	struct slice k;
	int err = client_key(key, key_len, &k);

	if (err == 0 && (name_len == 0 || name_len >= NAME_BYTES_MAX)) {
		err = MB_ERR_INVALID;
	}
	return err != 0 ? err : put_beside(c, k, slice_of(merge, name_len), slice_of(p, len), NULL);
}
