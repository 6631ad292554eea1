/* SPDX-License-Identifier: Apache-2.0 */
/* resp - the protocol of Redis clients: RESP2, RESP3 and inline commands
 *
 * Reading. A command is an array of bulk strings, or a line of words. What a connection has
 * received of its first command, and maybe more behind it, is its *text*, one piece of memory that
 * grows; the parser is asked again with each piece that came, and goes on where it stopped, so that
 * a command that comes byte by byte costs no more than one that comes at once.
 *
 *	switch (resp_scan(&p, text)) {
 *	case RESP_MORE:   keep the text, read on
 *	case RESP_DONE:   resp_args gives the words; the next command begins at p.pos
 *	case RESP_LARGE:  at p.pos begin p.large_len bytes that are not to be a part of the text:
 *	                  take them to where they shall be, all of them, and close the gap;
 *	                  then go on
 *	default:          not the protocol: resp_error_text says how, and the connection ends
 *	}
 *
 * A bulk string above RESP_LARGE_MIN is so taken from the socket to its place and never copied into
 * a buffer that has to grow with it.
 *
 * Writing. Small functions that append to a wbuf; RESP_ITEM_MAX bytes are room for any of them but
 * for the bytes that the caller gives.
 *
 * Pure. Threads: any.
 */
#ifndef MB_NET_RESP_H
#define MB_NET_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domain_limits.h"
#include "slice.h"

#define RESP_ARG_CNT_MAX   65536u      /* words of one command */
#define RESP_TEXT_MAX      (16u << 20) /* of one command, without what was taken out of it */
#define RESP_INLINE_MAX    (64u << 10) /* a line, as Redis has it */
#define RESP_LARGE_MIN     (64u << 10) /* above, a word is taken out of the text */
#define RESP_LARGE_CNT_MAX 8u          /* in one command */
#define RESP_BULK_MAX      VALUE_BYTES_MAX
#define RESP_BULK_MORE     64u /* of a word that is a value and something around it */
#define RESP_LINE_MAX      32u /* "$67108864", with room for what is wrong with it */
#define RESP_ITEM_MAX      48u

enum resp_scan {
	RESP_MORE = 0,
	RESP_DONE = 1,
	RESP_LARGE = 2,
	RESP_ERR_MULTIBULK = -1,
	RESP_ERR_BULK = -2,
	RESP_ERR_DOLLAR = -3,
	RESP_ERR_INLINE = -4,
	RESP_ERR_QUOTES = -5,
	RESP_ERR_UNAUTH_MULTIBULK = -6,
	RESP_ERR_UNAUTH_BULK = -7,
	RESP_ERR_TEXT = -8,
	RESP_ERR_WORDS = -9, /* more than RESP_ARG_CNT_MAX */
};

/* Where the parser stands in a command. All zero: before one. */
struct resp_parser {
	uint32_t pos;
	uint32_t arg_cnt; /* words of the command; 0: an inline one, or not known yet */
	uint32_t arg_idx; /* words behind us */
	uint32_t large_len;
	uint8_t large_cnt; /* words that were taken out */
	uint8_t wrong;     /* the byte that was no '$' */
	bool in_line;      /* an inline command */
	bool limited;    /* the client is not known yet: short commands only. Kept by the caller */
	bool longer;     /* words of this command may have RESP_BULK_MORE. Set by the caller */
	bool done;       /* all of it is there */
	bool large_open; /* a large word was announced; its bytes are gone from the text */
};

/* resp_scan goes on with the command at the start of text.
 *
 * Requires:  text has grown, at its end, since the last call for this command, or not at all.
 * Returns:   enum resp_scan. After RESP_DONE arg_cnt 0 means that there is no command: an empty
 *            line or array.
 * Cost:      each byte of headers is looked at once, bytes of words not at all.
 */
int resp_scan(struct resp_parser *p, struct slice text);

/* resp_args finds the words of a command that was scanned.
 *
 * Requires:  resp_scan returned RESP_DONE; text is the same; large has p->large_cnt entries, the
 *            words that were taken out, in their order; room for RESP_ARG_CNT_MAX at ret; scratch,
 *            of RESP_INLINE_MAX bytes, for the words of an inline command.
 * Returns:   how many; RESP_ERR_QUOTES.
 * Owns:      they point into text, large and scratch.
 */
int resp_args(const struct resp_parser *p, struct slice text, const struct slice *large,
	      uint8_t *scratch, struct slice *ret);

/* resp_glance looks at the command at the start of text, for a caller who has it scanned later, and
 * would know sooner what it is about.
 *
 * Returns:   the command's length, with its first two words at ret, a missing one empty; 0: it is
 *            not all here, or an inline one, or wrong, or has many words or large ones.
 */
size_t resp_glance(struct slice text, struct slice ret[2]);

/* resp_next makes the parser ready for the next command. */
void resp_next(struct resp_parser *p);

/* resp_error_text writes the error's text as Redis says it, without the leading "-ERR ". */
void resp_error_text(const struct resp_parser *p, int err, char ret[64]);

/* ------------------------------------------------------------------------ writing */

void resp_put_simple(struct wbuf *out, const char *text); /* +text */
void resp_put_error(struct wbuf *out, const char *text);  /* -text, line ends in it are spaces */
void resp_put_int(struct wbuf *out, int64_t n);
void resp_put_bulk(struct wbuf *out, struct slice bytes);
/* The same in two parts, for bytes that go their own way: head, bytes, "\r\n". */
void resp_put_bulk_head(struct wbuf *out, size_t len);
void resp_put_end(struct wbuf *out);
/* The head of a text for people, which RESP3 calls a verbatim string. */
void resp_put_text_head(struct wbuf *out, int proto, size_t len);
/* proto is 2 or 3. In RESP2 a map is an array of twice as many, a set an array, a bool 0 or 1, a
 * double a bulk string. */
void resp_put_null(struct wbuf *out, int proto);
void resp_put_null_array(struct wbuf *out, int proto);
void resp_put_array(struct wbuf *out, size_t cnt);
void resp_put_map(struct wbuf *out, int proto, size_t cnt);
void resp_put_set(struct wbuf *out, int proto, size_t cnt);
/* A message that nobody asked for; in RESP2 an array. */
void resp_put_push(struct wbuf *out, int proto, size_t cnt);
void resp_put_double(struct wbuf *out, int proto, double x);
/* resp_double_text writes x as Redis prints it: up to 17 digits, the fewest that give x again. */
size_t resp_double_text(double x, char ret[RESP_ITEM_MAX]);

#endif
