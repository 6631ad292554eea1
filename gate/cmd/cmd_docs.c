/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_docs - what COMMAND DOCS tells of a command: what it does, and the words that may follow it
 *
 * The words are a column of commands.def, in the form that people read; of it comes the tree that
 * redis-cli makes its hints of:
 *
 *     sequence = item { ' ' item }
 *     item     = ( name | TOKEN | '[' group ']' | '{' group '}' ) [ '...' ]
 *     group    = sequence { '|' sequence }
 *
 * [] may be left out, ... may come again. A TOKEN at the beginning of a sequence between brackets
 * or bars belongs to what stands behind it there: [LIMIT offset count] is a block with a token.
 *
 * The text is ours, so that the depth of what calls itself here is that of its brackets, and it is
 * not checked at run time: gate_test.py asks for all of it, and counts words.
 */
#include "cmd_docs.h"

#include <stdio.h>
#include <string.h>

#include "check.h"

struct item {
	enum { WORD, TOKEN, ONEOF, BLOCK } kind;
	struct slice token; /* no bytes: none */
	struct slice text;  /* a name; sequences between bars; a sequence */
	bool optional, multiple, multiple_token;
};

static const char *const kind_name[] = {
	[TOKEN] = "pure-token",
	[ONEOF] = "oneof",
	[BLOCK] = "block",
};

/* Words that are no string. */
static const struct word_type {
	const char *type, *names; /* a space before and behind each name */
} word_type[] = {
	{ "key", " key key1 key2 newkey destkey sourcekey source destination " },
	{ "pattern", " pattern " },
	{ "integer",
	  " bit bits client-id count cursor db decrement destination-db end frequency id index "
	  "index1 index2 len limit milliseconds num-matches numkeys numreplicas offset protover "
	  "rank seconds start stop ttl " },
	{ "double", " height increment latitude longitude radius score timeout weight width " },
	{ "unix-time", " unix-time-seconds unix-time-milliseconds " },
};

static const char *
type_of(struct slice word)
{
	char name[GATE_COMMAND_NAME_MAX];

	snprintf(name, sizeof(name), " %.*s ", (int)word.len, (const char *)word.p);
	for (uint32_t i = 0; i < ARRAY_CNT(word_type); i++) {
		if (strstr(word_type[i].names, name) != NULL) {
			return word_type[i].type;
		}
	}
	return "string";
}

/* Takes what stands before the next stop outside of brackets, and the stop. */
static struct slice
piece(struct slice *rest, char stop)
{
	struct slice out;
	int depth = 0;
	size_t n = 0;

	while (n < rest->len && (depth > 0 || rest->p[n] != (uint8_t)stop)) {
		depth += rest->p[n] == '[' || rest->p[n] == '{';
		depth -= rest->p[n] == ']' || rest->p[n] == '}';
		n++;
	}
	out = slice_of(rest->p, n);
	n += n < rest->len;
	*rest = slice_of(rest->p + n, rest->len - n);
	return out;
}

static bool
is_token(struct slice word)
{
	return word.len > 0 && word.p[0] >= 'A' && word.p[0] <= 'Z';
}

static struct item item_of(struct slice text);

static struct item
group_of(struct slice text)
{
	struct slice rest = text, first = piece(&rest, '|');
	struct item out = { .kind = ONEOF, .text = text };

	if (first.len < text.len) {
		return out;
	}
	rest = text;
	first = piece(&rest, ' ');
	if (is_token(first) && rest.len > 0) {
		out.token = first;
		text = rest;
		first = piece(&rest, ' ');
	}
	if (rest.len == 0) { /* it is this item, and has the token */
		struct item one = item_of(first);

		if (out.token.len == 0 || (one.token.len == 0 && !one.optional)) {
			one.token = out.token.len > 0 ? out.token : one.token;
			return one;
		}
	}
	out.kind = BLOCK;
	out.text = text;
	return out;
}

static struct item
item_of(struct slice text)
{
	struct item out = { .kind = WORD };
	bool again = text.len > 3 && memcmp(text.p + text.len - 3, "...", 3) == 0;

	text.len -= again ? 3 : 0;
	if (text.p[0] == '[' || text.p[0] == '{') {
		out = group_of(slice_of(text.p + 1, text.len - 2));
		out.optional |= text.p[0] == '[';
		out.multiple_token = again && out.token.len > 0;
	} else if (is_token(text)) {
		out.kind = TOKEN;
		out.token = text;
	} else {
		out.text = text;
	}
	out.multiple |= again;
	return out;
}

static void arguments(struct gate *g, struct gate_conn *c, struct slice text, char stop);

static void
argument(struct gate *g, struct gate_conn *c, struct item it)
{
	size_t flag_cnt = (size_t)it.optional + it.multiple + it.multiple_token;
	bool inner = it.kind == ONEOF || it.kind == BLOCK;
	const char *type = it.kind == WORD ? type_of(it.text) : kind_name[it.kind];
	char name[GATE_COMMAND_NAME_MAX];

	gate_map(g, c, 2 + (size_t)(it.token.len > 0) + (flag_cnt > 0) + inner);
	gate_bulk_str(g, c, "name");
	if (it.kind == WORD) {
		gate_bulk(g, c, it.text);
	} else if (it.token.len > 0) {
		size_t len = MIN(it.token.len, sizeof(name));

		for (size_t i = 0; i < len; i++) {
			name[i] = (char)(it.token.p[i] | 0x20);
		}
		gate_bulk(g, c, slice_of(name, len));
	} else {
		gate_bulk_str(g, c, type);
	}
	gate_bulk_str(g, c, "type");
	gate_bulk_str(g, c, type);
	if (it.token.len > 0) {
		gate_bulk_str(g, c, "token");
		gate_bulk(g, c, it.token);
	}
	if (flag_cnt > 0) {
		gate_bulk_str(g, c, "flags");
		gate_set(g, c, flag_cnt);
	}
	if (it.optional) {
		gate_simple(g, c, "optional");
	}
	if (it.multiple) {
		gate_simple(g, c, "multiple");
	}
	if (it.multiple_token) {
		gate_simple(g, c, "multiple_token");
	}
	if (inner) {
		gate_bulk_str(g, c, "arguments");
		arguments(g, c, it.text, it.kind == ONEOF ? '|' : ' ');
	}
}

static void
arguments(struct gate *g, struct gate_conn *c, struct slice text, char stop)
{
	struct slice rest = text;
	size_t cnt = 0;

	for (; rest.len > 0; cnt++) {
		piece(&rest, stop);
	}
	gate_array(g, c, cnt);
	while (text.len > 0) {
		struct slice one = piece(&text, stop);

		argument(g, c, stop == ' ' ? item_of(one) : group_of(one));
	}
}

static void
row(struct gate *g, struct gate_conn *c, const struct gate_command *cmd)
{
	bool container = (cmd->flags & CMD_CONTAINER) != 0, words = cmd->syntax[0] != '\0';

	gate_bulk_str(g, c, cmd->name);
	gate_map(g, c, 3 + (size_t)words + container);
	gate_bulk_str(g, c, "summary");
	gate_bulk_str(g, c, cmd->summary);
	gate_bulk_str(g, c, "since");
	gate_bulk_str(g, c, cmd->since);
	gate_bulk_str(g, c, "group");
	gate_bulk_str(g, c, cmd->group);
	if (words) {
		gate_bulk_str(g, c, "arguments");
		arguments(g, c, slice_str(cmd->syntax), ' ');
	}
}

void
cmd_docs(struct gate *g, struct gate_conn *c, const struct gate_command *cmd)
{
	uint32_t first = 0, cnt = 0;

	row(g, c, cmd);
	if ((cmd->flags & CMD_CONTAINER) != 0) {
		cnt = gate_command_subs(cmd, &first);
		gate_bulk_str(g, c, "subcommands");
		gate_map(g, c, cnt);
	}
	for (uint32_t i = first; i < first + cnt; i++) {
		row(g, c, gate_command_at(i));
	}
}
