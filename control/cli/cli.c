/* SPDX-License-Identifier: Apache-2.0 */
/* cli.c - what every command shares
 *
 * Two things that argp does not do by itself:
 *   Negative numbers are arguments here ("call increment -4"), not options. They get a mark in
 *   front before argp sees them, which is taken off afterwards.
 *   Options may stand before, between and behind the arguments; the commands see them one by one,
 *   the arguments all at once.
 */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "argval.h"
#include "check.h"
#include "compiler.h"
#include "fmt.h"
#include "mem.h"
#include "param_value.h"
#include "where.h"

enum { KEY_JSON = 0x1000, KEY_SOCKET }; /* the commands' own keys are below */

#define NEGATIVE_MARK '\001'
#define HINT_BYTES    512

/* ------------------------------------------------------------------ errors */

/* What to do about an error that nobody has said more about. */
static const struct {
	int err;
	const char *todo;
} advice[] = {
	{ MB_ERR_NO_NODE, "start one with `microburst up`, or name its socket with --socket" },
	{ MB_ERR_NODE_DIED, "start it again with `microburst up` and look at what it logged" },
	{ MB_ERR_NO_FUNCTION,
	  "`microburst deploy FILE.c` deploys one, `microburst functions` lists what there is" },
	{ MB_ERR_NO_DAG, "`microburst dag add` registers one, `microburst dag list` lists them" },
	{ MB_ERR_NO_EXECUTOR, "`microburst status` shows the executors and their functions" },
	{ MB_ERR_BUSY, "try again; `microburst ps` shows what runs" },
	{ MB_ERR_DENIED,
	  "run it as the user who started the node, or as root; the node's own keys are "
	  "nobody's to write" },
	{ MB_ERR_DEADLINE, "give it longer with --deadline" },
	{ MB_ERR_EXECUTOR_DIED, "`microburst logs` shows what it said last" },
	{ MB_ERR_TYPE, "`microburst del KEY` lets the key become of another type" },
	{ MB_ERR_TOO_LARGE, "a key has at most 1 KiB, a value at most 64 MiB" },
	{ MB_ERR_VERSION, "use the microburst that came with the node, or restart the node" },
	{ MB_ERR_INDETERMINATE, "look at the key before you write it again" },
	{ MB_ERR_NO_MEMORY, "delete keys, or give the node more memory (kvs.bytes, cache.bytes)" },
};

/* Where the command line looks for a node; NULL: the default. */
static const char *
where_of(const struct cli *cli)
{
	return cli->socket != NULL ? cli->socket : getenv("MICROBURST_SOCKET");
}

static bool
is_elsewhere(const char *where)
{
	return where != NULL && strstr(where, "://") != NULL;
}

static const char *
advice_for(const struct cli *cli, int err)
{
	if (err == MB_ERR_DENIED && is_elsewhere(where_of(cli))) {
		return "over the wire administration is as net.admin there says; the node's own "
		       "keys are nobody's to write";
	}
	for (size_t i = 0; i < ARRAY_CNT(advice); i++) {
		if (advice[i].err == err) {
			return advice[i].todo;
		}
	}
	return NULL;
}

/* Text that a terminal and JSON can take. */
static char *
escaped(char *text, size_t len)
{
	char *out = NULL;
	size_t out_len;
	FILE *f = mem_need(open_memstream(&out, &out_len));

	fmt_safe(f, text, len, true);
	fclose(f);
	free(text);
	return mem_need(out);
}

/* The sentence without its full stop. The caller frees it. */
static __attribute__((__format__(__printf__, 4, 0))) char *
sentence(int err, const char *text, const char *todo, const char *what, va_list ap)
{
	char *out = NULL;
	size_t len;
	FILE *f = mem_need(open_memstream(&out, &len));

	vfprintf(f, what, ap);
	if (text == NULL || *text == '\0') {
		fprintf(f, ": %s%s%s", mb_err_text(err), todo == NULL ? "" : ": ",
			todo == NULL ? "" : todo);
	} else {
		fprintf(f, "%s%s", ftell(f) == 0 ? "" : ": ", text);
	}
	fclose(f);
	mem_need(out);
	while (len > 0 && (out[len - 1] == '\n' || out[len - 1] == '.')) {
		len--;
	}
	return escaped(out, len);
}

int
cli_fail(struct cli *cli, int err, const char *text, const char *what, ...)
{
	va_list ap;
	char *said;

	va_start(ap, what);
	said = sentence(err, text, advice_for(cli, err), what, ap);
	va_end(ap);
	fflush(stdout); /* what came before stands before */
	if (cli->json) {
		cli_json(cli, json_pack("{s:s, s:s}", "error", mb_err_name(err), "text", said));
	} else {
		fprintf(stderr, "microburst: %s.\n", said);
	}
	free(said);
	cli->exit_code = err == MB_ERR_NO_NODE ? CLI_NO_NODE : CLI_FAILED;
	return cli->exit_code;
}

int
cli_usage(struct cli *cli, const char *what, ...)
{
	const char *name = cli->command->name;
	va_list ap;

	fprintf(stderr, "microburst %s: ", name);
	va_start(ap, what);
	vfprintf(stderr, what, ap);
	va_end(ap);
	fprintf(stderr, "; see `microburst %s --help`.\n", name);
	cli->exit_code = CLI_USAGE;
	return CLI_USAGE;
}

/* ------------------------------------------------------------ command line */

/* "-4", "-.5", "-inf": a sign and a number. */
static bool
is_negative(const char *s)
{
	return s[0] == '-' &&
	       (isdigit((unsigned char)s[1]) || (s[1] == '.' && isdigit((unsigned char)s[2])) ||
		strcmp(s + 1, "inf") == 0);
}

/* A copy of argv with the mark before negative numbers. */
static char **
mark_negatives(int argc, char **argv)
{
	char **out = mem_keep(calloc((size_t)argc + 1, sizeof(*out)));
	bool options = true;

	for (int i = 0; i < argc; i++) {
		options = options && strcmp(argv[i], "--") != 0;
		out[i] = argv[i];
		if (options && is_negative(argv[i])) {
			size_t bytes = strlen(argv[i]) + 2;

			out[i] = mem_keep(malloc(bytes));
			snprintf(out[i], bytes, "%c%s", NEGATIVE_MARK, argv[i]);
		}
	}
	return out;
}

static const char *
unmarked(const char *s)
{
	return s != NULL && s[0] == NEGATIVE_MARK && is_negative(s + 1) ? s + 1 : s;
}

static const struct argp_option option_json[] = {
	{ "json", KEY_JSON, NULL, 0, "Answer in JSON", 0 },
	{ 0 },
};
static const struct argp_option option_socket[] = {
	{ "socket", KEY_SOCKET, "PATH", 0,
	  "The node's socket; default: $MICROBURST_SOCKET, else your own node's", 0 },
	{ 0 },
};
static const struct argp_option option_connect[] = {
	{ "connect", KEY_SOCKET, "WHERE", 0, "A node elsewhere: udp://HOST:PORT, dpdk://...", 0 },
	{ 0 },
};

static error_t
parse(int key, char *text, struct argp_state *state)
{
	struct cli *cli = state->input;
	const struct command *c = cli->command;

	switch (key) {
	case KEY_JSON:
		cli->json = true;
		return 0;
	case KEY_SOCKET:
		cli->socket = text;
		return 0;
	case ARGP_KEY_ARG:
		cli->arg[cli->arg_cnt++] = unmarked(text);
		return 0;
	case ARGP_KEY_INIT:
	case ARGP_KEY_ARGS:
	case ARGP_KEY_NO_ARGS:
	case ARGP_KEY_END:
	case ARGP_KEY_SUCCESS:
	case ARGP_KEY_ERROR:
	case ARGP_KEY_FINI:
		return 0;
	default:
		break;
	}
	if (c->set == NULL) {
		return ARGP_ERR_UNKNOWN;
	}
	if (cli->exit_code == 0) { /* one complaint is enough */
		c->set(cli, key, unmarked(text));
	}
	return 0;
}

/* The command's options, those of all commands behind them. */
static struct argp_option *
options_of(const struct command *c)
{
	size_t cnt = 0;
	struct argp_option *out;

	while (c->option != NULL && (c->option[cnt].name != NULL || c->option[cnt].key != 0)) {
		cnt++;
	}
	if (cnt == 0 && (c->flags & (COMMAND_JSON | COMMAND_NODE | COMMAND_SOCKET)) == 0) {
		return NULL;
	}
	out = mem_keep(calloc(cnt + 4, sizeof(*out)));
	for (size_t i = 0; i < cnt; i++) {
		out[i] = c->option[i];
	}
	if (c->flags & COMMAND_JSON) {
		out[cnt++] = option_json[0];
	}
	if (c->flags & (COMMAND_NODE | COMMAND_SOCKET)) {
		out[cnt++] = option_socket[0];
	}
	if (c->flags & COMMAND_NODE) {
		out[cnt++] = option_connect[0];
	}
	return out;
}

static char *
doc_of(const struct command *c)
{
	char *out = NULL;
	size_t len;
	FILE *f = mem_need(open_memstream(&out, &len));

	fprintf(f, "%c%s.\v", toupper((unsigned char)c->summary[0]), c->summary + 1);
	if (c->more != NULL) {
		fprintf(f, "%s\n\n", c->more);
	}
	fprintf(f, "Example:\n  %s", c->example);
	fclose(f);
	return mem_keep(out);
}

static int
check_arg_cnt(struct cli *cli)
{
	const struct command *c = cli->command;

	if (cli->arg_cnt < c->arg_min) {
		return cli_usage(cli, "it needs %s", c->args);
	}
	if (c->arg_max != COMMAND_ARGS_ANY && cli->arg_cnt > c->arg_max) {
		return cli_usage(cli, "\"%s\" is one argument too many", cli->arg[c->arg_max]);
	}
	return 0;
}

static int
parse_command_line(struct cli *cli, int argc, char **argv)
{
	const struct command *c = cli->command;
	struct argp argp = {
		.options = options_of(c),
		.parser = parse,
		.args_doc = c->args,
		.doc = doc_of(c),
	};
	char full_name[64];
	char **marked = mark_negatives(argc, argv);

	snprintf(full_name, sizeof(full_name), "microburst %s", c->name);
	marked[0] = full_name;
	argp_err_exit_status = CLI_USAGE;
	/* What it says about short and long options is noise below so few of them. */
	setenv("ARGP_HELP_FMT", "no-dup-args-note", 0);
	argp_parse(&argp, argc, marked, 0, NULL, cli);
	return cli->exit_code != 0 ? cli->exit_code : check_arg_cnt(cli);
}

/* A raw command passes everything on; only a lone --help is for us. */
static int
take_raw(struct cli *cli, int argc, char **argv)
{
	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)) {
		return parse_command_line(cli, argc, argv);
	}
	for (int i = 1; i < argc; i++) {
		cli->arg[cli->arg_cnt++] = argv[i];
	}
	return 0;
}

int
cli_run(struct cli *cli, int argc, char **argv)
{
	const struct command *c = cli->command;
	int code;

	cli->arg = mem_keep(calloc((size_t)argc + 1, sizeof(*cli->arg)));
	cli->opt = mem_keep(calloc(1, c->opt_bytes + 1));
	cli->terminal = isatty(STDOUT_FILENO) == 1;

	if (cli->json && !(c->flags & COMMAND_JSON)) {
		return cli_usage(cli, "it does not answer in JSON");
	}
	code = c->flags & COMMAND_RAW ? take_raw(cli, argc, argv)
				      : parse_command_line(cli, argc, argv);
	if (code == 0) {
		code = c->run(cli);
	}
	mb_client_close(cli->client);
	cli->client = NULL;
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "microburst %s: cannot write the answer: %s.\n", c->name,
			strerror(errno));
		code = code == CLI_DONE ? CLI_FAILED : code;
	}
	return code;
}

/* ---------------------------------------------------------------- the node */

int
cli_ack(struct cli *cli, enum mb_ack *ret)
{
	static const char *const word[] = {
		[MB_ACK_DEFAULT] = "default", [MB_ACK_LOCAL] = "local", [MB_ACK_ONE] = "one",
		[MB_ACK_QUORUM] = "quorum",   [MB_ACK_ALL] = "all",
	};

	*ret = MB_ACK_DEFAULT;
	for (unsigned int i = 0; cli->ack != NULL; i++) {
		if (i == ARRAY_CNT(word)) {
			return cli_usage(cli, "--ack is local, one, quorum or all, not \"%s\"",
					 cli->ack);
		}
		if (strcmp(cli->ack, word[i]) == 0) {
			*ret = (enum mb_ack)i;
			break;
		}
	}
	return 0;
}

/* What is known of a node that was not found: the library has tried the addresses of its name,
 * which is looked up once more here, to tell. */
static const char *
elsewhere_nobody(const char *where, char text[static HINT_BYTES])
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *found = NULL;
	char at[WHERE_HOST_BYTES + WHERE_PORT_BYTES + 3], tried[96] = "";
	char host[WHERE_HOST_BYTES], port[WHERE_PORT_BYTES];
	unsigned int cnt = 0;

	where = strstr(where, "://") + 3;
	snprintf(at, sizeof(at), "%.*s", (int)strcspn(where, "?"), where);
	if (where_split(at, host, port) == 0 && getaddrinfo(host, NULL, &hints, &found) != 0) {
		snprintf(text, HINT_BYTES, "there is no host %s, as far as is known here", host);
		return text;
	}
	for (const struct addrinfo *a = found; a != NULL; a = a->ai_next) {
		cnt++;
	}
	if (found != NULL) {
		freeaddrinfo(found);
	}
	if (cnt > MB_CLIENT_ADDRS_MAX) {
		snprintf(tried, sizeof(tried), " at the first %u of its %u addresses",
			 MB_CLIENT_ADDRS_MAX, cnt);
	} else if (cnt > 1) {
		snprintf(tried, sizeof(tried), " at any of its %u addresses", cnt);
	}
	snprintf(text, HINT_BYTES,
		 "no node answers there%s: its net.listen says where it does, its net.keys to whom "
		 "(MICROBURST_KEYS)",
		 tried);
	return text;
}

/* What to do when a node elsewhere cannot be reached; NULL: what is said of any node. */
static const char *
elsewhere_todo(const char *where, int err, char text[static HINT_BYTES])
{
	const char *keys = getenv("MICROBURST_KEYS");

	if (err == MB_ERR_NO_NODE) {
		return elsewhere_nobody(where, text);
	}
	if (keys != NULL && *keys != '\0' &&
	    (err == MB_ERR_NOT_FOUND || err == MB_ERR_DENIED || err == MB_ERR_CONFIG)) {
		return "MICROBURST_KEYS has to name a file of keys that only its owner may read";
	}
	return NULL;
}

/* Whether where can only be meant as a node elsewhere, and is not written as one. */
static bool
elsewhere_wrong(const char *where, int err)
{
	if (where == NULL) {
		return false;
	}
	if (strncmp(where, "udp://", 6) == 0 || strncmp(where, "dpdk://", 7) == 0) {
		return err == MB_ERR_INVALID;
	}
	return err == MB_ERR_NO_NODE &&
	       (strstr(where, "://") != NULL ||
		(strchr(where, ':') != NULL && strchr(where, '/') == NULL));
}

int
cli_open(struct cli *cli)
{
	enum mb_ack ack;
	int err = cli_ack(cli, &ack);

	if (err != 0 || cli->client != NULL) {
		return err;
	}
	err = mb_client_open(&cli->client, cli->socket);
	if (err != MB_OK) {
		const char *where = where_of(cli);
		char todo[HINT_BYTES];

		cli->client = NULL;
		if (elsewhere_wrong(where, err)) {
			return cli_usage(cli,
					 "a node elsewhere is udp://HOST:PORT or "
					 "dpdk://ADDRESS:PORT?nic=DEVICE&at=ADDRESS, not \"%s\"",
					 where);
		}
		return cli_fail(cli, err,
				is_elsewhere(where) ? elsewhere_todo(where, err, todo) : NULL,
				"cannot reach %s%s", where == NULL ? "your node" : "the node at ",
				where == NULL ? "" : where);
	}
	(void)mb_client_ack(cli->client, ack);
	return 0;
}

int
cli_value(struct cli *cli, const char *text, struct mb_value *ret)
{
	char err[ARGVAL_ERR_BYTES];
	int rc = argval_bytes(text, ret, err);

	return rc == MB_OK ? 0 : cli_fail(cli, rc, err, "%s", "");
}

int
cli_open_for(struct cli *cli, const char *key)
{
	return *key == '\0' ? cli_usage(cli, "a key has at least one byte") : cli_open(cli);
}

int
cli_ask(struct cli *cli, json_t *request, int fd, json_t **ret)
{
	char *asked, *answer = NULL;
	const char *why;
	json_t *object;
	int code, err;

	if (request == NULL) {
		return cli_usage(cli, "names are UTF-8 text");
	}
	asked = mem_need(json_dumps(request, JSON_COMPACT));
	code = cli_open(cli);
	if (code != 0) {
		goto out;
	}
	err = mb_client_admin(cli->client, asked, &fd, fd >= 0 ? 1 : 0, &answer);
	object = answer == NULL ? NULL : json_loads(answer, 0, NULL);
	if (err == MB_OK && json_is_object(object)) {
		*ret = object;
		goto out;
	}
	if (err == MB_OK) {
		err = MB_ERR_CORRUPT;
	}
	why = err == MB_ERR_TOO_LARGE && answer == NULL ? "a request has at most 64 KiB"
							: cli_text(object, "text");
	code = cli_fail(cli, err, why, "%s", *why != '\0' ? "" : cli->command->name);
	json_decref(object);
out:
	free(answer);
	free(asked);
	json_decref(request);
	return code;
}

int
cli_ask_quietly(struct cli *cli, json_t *request)
{
	json_t *a = NULL;
	int code = cli_ask(cli, request, -1, &a);

	if (code != 0 || cli->json) {
		return code != 0 ? code : cli_json(cli, a);
	}
	json_decref(a);
	return CLI_DONE;
}

int
cli_json(struct cli *cli, json_t *object)
{
	mem_need(object);
	json_dumpf(object, stdout, cli->terminal ? JSON_INDENT(2) : JSON_COMPACT);
	fputc('\n', stdout);
	json_decref(object);
	return CLI_DONE;
}

/* ------------------------------------------------------------------ values */

int
cli_duration(struct cli *cli, const char *option, const char *text, uint64_t *ret_ns)
{
	if (param_number_parse(PARAM_TYPE_dur, text, ret_ns)) {
		return 0;
	}
	return cli_usage(
		cli, "--%s takes a whole number and its unit (ns, us, ms, s, min, h), not \"%s\"",
		option, text);
}

int
cli_bytes(struct cli *cli, const char *option, const char *text, uint64_t *ret)
{
	if (param_number_parse(PARAM_TYPE_bytes, text, ret)) {
		return 0;
	}
	return cli_usage(cli, "--%s takes a whole number and its unit (k, m, g), not \"%s\"",
			 option, text);
}

int
cli_count(struct cli *cli, const char *option, const char *text, uint64_t min, uint64_t max,
	  uint64_t *ret)
{
	uint64_t n;

	if (param_number_parse(PARAM_TYPE_u64, text, &n) && n >= min && n <= max) {
		*ret = n;
		return 0;
	}
	return cli_usage(cli, "--%s takes a whole number from %llu to %llu, not \"%s\"", option,
			 (unsigned long long)min, (unsigned long long)max, text);
}

const char *
cli_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL ? "" : text;
}

uint64_t
cli_u64(const json_t *object, const char *key)
{
	const json_t *n = json_object_get(object, key);

	if (json_is_integer(n)) { /* a real would lose the last digits of a large one */
		return json_integer_value(n) < 0 ? 0 : (uint64_t)json_integer_value(n);
	}
	return json_real_value(n) > 0 ? (uint64_t)json_real_value(n) : 0;
}
