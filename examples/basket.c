/* SPDX-License-Identifier: Apache-2.0 */
/* basket - a value of one's own that merges: baskets filled at several places at once
 *
 *	microburst deploy examples/basket.c
 *	microburst call basket_add alice milk
 *	microburst call basket_add alice bread
 *	microburst call basket alice
 *	bread milk
 *
 * A basket is a text: sorted words, each once, a space between. Two that were filled at the same
 * time stay side by side in the store; whoever reads next makes one of them, by the merge below.
 * The store itself never runs it.
 */
#include <microburst/function.h>

/* The next word of a basket. Returns: false at its end. */
static bool
next_word(struct mb_slice *basket, struct mb_slice *ret)
{
	const char *p = basket->p;
	const char *space = basket->len != 0 ? memchr(p, ' ', basket->len) : NULL;
	size_t len = space != NULL ? (size_t)(space - p) : basket->len;

	if (basket->len == 0) {
		return false;
	}
	*ret = mb_slice_of(p, len);
	len += space != NULL;
	*basket = mb_slice_of(p + len, basket->len - len);
	return true;
}

static int
compare(struct mb_slice a, struct mb_slice b)
{
	int diff = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);

	return diff != 0 ? diff : (a.len > b.len) - (a.len < b.len);
}

/* All words of both into p, or nowhere. Returns: how many bytes. */
static size_t
unite(struct mb_slice a, struct mb_slice b, char *p)
{
	struct mb_slice wa, wb;
	bool has_a = next_word(&a, &wa), has_b = next_word(&b, &wb);
	size_t len = 0;

	while (has_a || has_b) {
		int diff = !has_a ? 1 : !has_b ? -1 : compare(wa, wb);
		struct mb_slice word = diff <= 0 ? wa : wb;

		if (p != NULL) {
			if (len != 0) {
				p[len] = ' ';
			}
			memcpy(p + len + (len != 0), word.p, word.len);
		}
		len += word.len + (len != 0);
		if (diff <= 0) {
			has_a = next_word(&a, &wa);
		}
		if (diff >= 0) {
			has_b = next_word(&b, &wb);
		}
	}
	return len;
}

/* Tried when the file is deployed: that the order of two does not matter, nor the grouping of
 * three, nor that one comes twice. */
MB_MERGE(basket_union, MB_SAMPLE("milk"), MB_SAMPLE("bread milk"), MB_SAMPLE("apples"),
	 MB_SAMPLE("a b c"))
{
	void *p;

	MB_TRY(mb_merged_reserve(out, unite(a, b, NULL), &p));
	unite(a, b, p);
	return 0;
}

MB_FUNCTION(basket_add)
{
	struct mb_slice who, what;

	MB_TRY(mb_arg_bytes(call, 0, &who));
	MB_TRY(mb_arg_bytes(call, 1, &what));
	if (what.len == 0 || memchr(what.p, ' ', what.len) != NULL) {
		return mb_fail(call, "one word at a time");
	}
	return mb_put_merged(call, who, "basket_union", what);
}

MB_FUNCTION(basket)
{
	struct mb_slice who, all;

	MB_TRY(mb_arg_bytes(call, 0, &who));
	MB_TRY(mb_get_merged(call, who, "basket_union", &all));
	return mb_return_bytes(call, all);
}
