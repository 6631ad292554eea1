/* SPDX-License-Identifier: Apache-2.0 */
/* resp_fuzz - what clients of the gate send
 *
 * Whatever the bytes, and wherever they are cut: no look outside of them; the same commands with
 * the same words as when they come at once; a refusal is a refusal in both cases.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct slice arg[RESP_ARG_CNT_MAX];
static uint8_t scratch[RESP_INLINE_MAX];

/* What a client would have said: a number that its commands, words and bytes make. */
struct said {
	uint64_t sum;
	uint32_t cmd_cnt;
	int err;
};

static void
said_add(struct said *s, const void *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		s->sum = (s->sum ^ ((const uint8_t *)p)[i]) * 0x100000001b3ULL;
	}
	s->sum = (s->sum ^ len) * 0x100000001b3ULL;
}

/* One command, or as far as it is there. Its large words are cut out of the text, as the gate does.
 * Returns: as resp_scan. */
static int
one(struct resp_parser *p, uint8_t *text, size_t *len, struct slice large[], uint8_t *large_mem,
    size_t *large_used)
{
	int rc = resp_scan(p, slice_of(text, *len));

	while (rc == RESP_LARGE) {
		REQUIRE(p->pos <= *len);
		REQUIRE(p->large_len > RESP_LARGE_MIN);
		if (*len - p->pos < p->large_len) {
			return RESP_LARGE; /* the fuzzer's inputs are short: it stays half open */
		}
		large[p->large_cnt - 1] = slice_of(large_mem + *large_used, p->large_len);
		memcpy(large_mem + *large_used, text + p->pos, p->large_len);
		*large_used += p->large_len;
		*len -= p->large_len;
		memmove(text + p->pos, text + p->pos + p->large_len, *len - p->pos);
		rc = resp_scan(p, slice_of(text, *len));
	}
	return rc;
}

static struct said
listen_to(const uint8_t *data, size_t len, size_t step)
{
	struct slice large[RESP_LARGE_CNT_MAX];
	uint8_t *text = malloc(len + 1), *large_mem = malloc(len + 1);
	size_t have = 0, read = 0, large_used = 0;
	struct resp_parser p = { 0 };
	struct said s = { 0 };

	while (s.err == 0 && read < len) {
		size_t n = len - read < step ? len - read : step;
		int rc;

		memcpy(text + have, data + read, n);
		have += n;
		read += n;
		while ((rc = one(&p, text, &have, large, large_mem, &large_used)) == RESP_DONE) {
			int cnt = resp_args(&p, slice_of(text, have), large, scratch, arg);
			struct slice word[2];
			size_t glanced =
				p.large_cnt == 0 ? resp_glance(slice_of(text, have), word) : 0;

			REQUIRE(p.pos <= have);
			if (cnt < 0) {
				s.err = cnt;
				break;
			}
			/* What is seen at a glance is what is found. */
			REQUIRE(glanced == 0 || glanced == p.pos);
			for (int i = 0; glanced != 0 && i < cnt && i < 2; i++) {
				REQUIRE(word[i].p == arg[i].p);
				REQUIRE(word[i].len == arg[i].len);
			}
			s.cmd_cnt++;
			for (int i = 0; i < cnt; i++) {
				said_add(&s, arg[i].p, arg[i].len);
			}
			have -= p.pos;
			memmove(text, text + p.pos, have);
			resp_next(&p);
			if (have == 0) {
				break;
			}
		}
		if (rc == RESP_LARGE) {
			break;
		}
		s.err = rc < 0 ? rc : s.err;
	}
	free(text);
	free(large_mem);
	return s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct said whole = listen_to(data, len, len + 1);
	struct said cut = listen_to(data, len, 1 + len / 7);
	struct said bytes = listen_to(data, len, 1);

	REQUIRE(cut.err == whole.err, "%d %d", cut.err, whole.err);
	REQUIRE(cut.cmd_cnt == whole.cmd_cnt, "%u %u", cut.cmd_cnt, whole.cmd_cnt);
	REQUIRE(cut.sum == whole.sum);
	REQUIRE(bytes.err == whole.err, "%d %d", bytes.err, whole.err);
	REQUIRE(bytes.sum == whole.sum);
	return 0;
}
