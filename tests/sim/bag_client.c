/* SPDX-License-Identifier: Apache-2.0 */
/* bag_client - what a simulated client does with bags (bag.h) */
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "bag.h"
#include "check.h"
#include "microburst/error.h"
#include "sim.h"

/* --------------------------------------------------------------------- reads */

struct look {
	struct oracle *o;
	const struct op *op;
	struct bag_seen *seen; /* NULL: it is not asked */
	bool begun;
};

/* Begins when nobody else runs any more until the look is over. */
static void
begin(struct look *l)
{
	if (!l->begun) {
		l->begun = true;
		bag_look_begin(l->o, (enum key_kind)l->op->key_kind, l->op->key, true);
	}
}

static double
score_of(const char *p, size_t len)
{
	char text[40];

	REQUIRE(len < sizeof(text));
	memcpy(text, p, len);
	text[len] = '\0';
	return strtod(text, NULL);
}

static bool
see(void *ctx, const void *p, size_t len, const void *p2, size_t len2)
{
	struct look *l = ctx;
	bool scored = l->op->key_kind == KEY_ZSET;
	double score = scored ? score_of(p2, len2) : 0;

	begin(l);
	bag_look_item(l->o, slice_of(p, len), scored ? &score : NULL);
	if (l->seen != NULL && l->seen->cnt < BAG_SEEN_MAX) {
		l->seen->n[l->seen->cnt++] = oracle_member_number(slice_of(p, len));
	}
	return true;
}

static void
forget(struct bag_seen *seen)
{
	if (seen->token != NULL) {
		mb_client_seen_free(seen->token);
	}
	*seen = (struct bag_seen){ 0 };
}

int
bag_client_read(struct sim *s, struct mb_client *c, struct bag_seen *seen, const struct op *op)
{
	struct look l = { .o = &s->oracle, .op = op };
	bool ordered = op->key_kind == KEY_ZSET && op->left;
	char key[ORACLE_KEY_TEXT];
	size_t len = oracle_key_text((enum key_kind)op->key_kind, op->key, key, sizeof(key));
	int err;

	if (op->key_kind == KEY_SIBLING) {
		forget(seen);
		seen->key = op->key;
		l.seen = seen;
		err = mb_client_siblings(c, key, len, see, &l, &seen->token);
	} else if (ordered) {
		err = mb_client_zrange(c, key, len, 0, -1, see, &l);
	} else {
		err = mb_client_members(c, key, len, see, &l);
	}
	if (err == 0 || err == MB_ERR_NOT_FOUND) {
		begin(&l);
		bag_look_end(&s->oracle, ordered);
	} else if (err != MB_ERR_NO_MEMORY &&
		   !(err == MB_ERR_TOO_LARGE && oracle_long(&s->oracle, op))) {
		sim_fail(s, "a bag was read: %s", mb_err_name(err));
	}
	return err;
}

/* -------------------------------------------------------------------- writes */

static int
pop(struct sim *s, struct mb_client *c, struct op *op, const char *key, size_t len)
{
	bool scored = op->key_kind == KEY_ZSET;
	struct mb_held held;
	double score = 0;
	int err = scored ? mb_client_zpop(c, key, len, !op->left, &held, &score)
			 : mb_client_pop(c, key, len, op->left, &held);

	if (err == 0) {
		bag_popped(&s->oracle, op, slice_of(held.p, held.len), scored ? &score : NULL,
			   true);
		mb_client_release(c, &held);
	}
	return err;
}

/* Puts a value in the place of those that this client saw last, or sees now. */
static int
put_sibling(struct sim *s, struct mb_client *c, struct bag_seen *seen, struct op *op,
	    struct slice value, const char *key, size_t len)
{
	int err = 0;

	if (seen->token == NULL || seen->key != op->key || sim_one_in(s, 2)) {
		err = bag_client_read(s, c, seen, op);
	}
	if (err != 0 && err != MB_ERR_NOT_FOUND) {
		return err;
	}
	for (uint32_t i = 0; i < seen->cnt; i++) {
		bag_take(&s->oracle, op, seen->n[i]);
	}
	return mb_client_put_sibling(c, key, len, value.p, value.len, seen->token);
}

static int
add(struct sim *s, struct mb_client *c, struct bag_seen *seen, struct op *op, struct slice item,
    const char *key, size_t len)
{
	struct mb_value m = { .type = MB_BYTES, .p = item.p, .len = item.len };

	switch (op->key_kind) {
	case KEY_LIST:
		return mb_client_push(c, key, len, op->left, item.p, item.len);
	case KEY_ZSET:
		return mb_client_zadd(c, key, len, (const char *)item.p, item.len,
				      bag_score(op->n));
	case KEY_SIBLING:
		return put_sibling(s, c, seen, op, item, key, len);
	default:
		return mb_client_sadd(c, key, len, &m, 1, NULL);
	}
}

static int
take(struct mb_client *c, struct op *op, struct slice item, const char *key, size_t len)
{
	struct mb_value m = { .type = MB_BYTES, .p = item.p, .len = item.len };
	size_t cnt = 1;
	int err;

	if (op->key_kind == KEY_ZSET) {
		err = mb_client_zrem(c, key, len, (const char *)item.p, item.len);
	} else {
		err = mb_client_srem(c, key, len, &m, 1,
				     &cnt); /* cnt: as it was looked at before */
	}
	op->sees |= err == 0 && cnt > 0;
	return err;
}

int
bag_client_write(struct sim *s, struct mb_client *c, struct bag_seen *seen, struct op *op,
		 char item[ORACLE_MEMBER_MAX])
{
	char key[ORACLE_KEY_TEXT];
	size_t len = oracle_key_text((enum key_kind)op->key_kind, op->key, key, sizeof(key));
	struct slice text;

	if (op->kind == OP_POP) {
		return pop(s, c, op, key, len);
	}
	text = slice_of(item,
			bag_item_text((enum key_kind)op->key_kind, op->n, item, ORACLE_MEMBER_MAX));
	return op->kind == OP_TAKE ? take(c, op, text, key, len)
				   : add(s, c, seen, op, text, key, len);
}
