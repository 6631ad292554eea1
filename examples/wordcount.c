/* SPDX-License-Identifier: Apache-2.0 */
/* wordcount.c - counting words, four pieces at a time, with the totals in the store
 *
 *	microburst deploy examples/wordcount.c
 *	microburst dag add wordcount 'split -> count#0, split -> count#1, split -> count#2,
 *	                              split -> count#3, count#0 -> total, count#1 -> total,
 *	                              count#2 -> total, count#3 -> total'
 *	microburst dag call wordcount split=@README.md
 *	microburst keys --values wc/
 *
 *	            ┌─► count#0 ─┐
 *	text ─► split ─► count#1 ─► total ─► how many words
 *	            ├─► count#2 ─┤
 *	            └─► count#3 ─┘
 *
 * A word is a run of ASCII letters, as long as it gets, in lower case. How often each was seen
 * stands in the counter wc/<word>, which any number of calls may add to at the same time.
 *
 * The four functions in the middle run at the same time where there are executors for them. They
 * share the memory that split wrote its pieces to; nothing is copied from one to the next.
 */
#include <microburst/function.h>
#include <stdlib.h>

#define PIECE_CNT 4
#define KEY_START "wc/"

static bool
is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* split TEXT: four pieces of about the same length. A cut is where no letter is, so every word is
 * whole in one piece. */
MB_FUNCTION(split)
{
	struct mb_slice text;
	const char *p;
	size_t from = 0;

	/* The text lies in the caller's memory and is looked at in place. Should the caller change
	 * it meanwhile, it gets a wrong count; nothing here depends on the bytes being the same. */
	MB_TRY(mb_arg_bytes(call, 0, &text));
	p = text.p;
	for (size_t i = 1; i <= PIECE_CNT; i++) {
		size_t to = text.len * i / PIECE_CNT;

		if (to < from) { /* the piece before ended in a long word */
			to = from;
		}
		while (to < text.len && is_letter(p[to])) {
			to++;
		}
		MB_TRY(mb_return_bytes(call, mb_slice_of(p + from, to - from)));
		from = to;
	}
	return 0;
}

/* Copies the word at p to a key, in lower case, and gives its length; 0 if it is too long. */
static size_t
word_len(const char *p, const char *end, char key[MB_KEY_BYTES_MAX])
{
	size_t len = strlen(KEY_START);

	memcpy(key, KEY_START, sizeof(KEY_START));
	for (; p < end && is_letter(*p); p++) {
		if (len == MB_KEY_BYTES_MAX) {
			return 0;
		}
		key[len++] = (char)(*p | 0x20);
	}
	return len - strlen(KEY_START);
}

/* Held back until the function returns, and added up: for a word that is seen seventeen times the
 * store gets one +17. The NULL says that we do not ask for the sum, so nothing has to be read. A
 * call holds back some thousand keys; a text with more different words sends what it has. */
static int
word_add(struct mb_call *call, struct mb_slice key)
{
	int err = mb_incr(call, key, 1, NULL);

	if (err == MB_ERR_TOO_LARGE) {
		MB_TRY(mb_flush(call));
		err = mb_incr(call, key, 1, NULL);
	}
	return err;
}

/* count PIECE...: adds to the counter of each word of one piece, and gives how many words it had.
 * All four get all pieces; the tag, what stands behind # in the DAG's text, says which is whose. */
MB_FUNCTION(count)
{
	char key[MB_KEY_BYTES_MAX];
	struct mb_slice piece;
	const char *p, *end;
	int64_t words = 0;

	MB_TRY(mb_arg_bytes(call, (uint32_t)strtoul(mb_tag(call), NULL, 10), &piece));
	p = piece.p;
	end = p + piece.len;
	while (p < end) {
		size_t len;

		if (!is_letter(*p)) {
			p++;
			continue;
		}
		len = word_len(p, end, key);
		if (len == 0) {
			return mb_fail(call, "a word of more than %d letters",
				       MB_KEY_BYTES_MAX - 3);
		}
		MB_TRY(word_add(call, mb_slice_of(key, strlen(KEY_START) + len)));
		words++;
		p += len;
	}
	return mb_return_i64(call, words);
}

/* total N...: the sum. */
MB_FUNCTION(total)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < mb_arg_cnt(call); i++) {
		int64_t words;

		MB_TRY(mb_arg_i64(call, i, &words));
		sum += words;
	}
	return mb_return_i64(call, sum);
}
