/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_top.c - top: live rates, on any terminal that knows ANSI
 *
 * A frame is printed into memory, cut to the window, and written in one piece over the last one: no
 * flicker, no library. The terminal is put back as it was on every way out, signals included.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "cli.h"
#include "columns.h"
#include "fit.h"
#include "fmt.h"
#include "mem.h"
#include "rates.h"

#define INTERVAL_DEFAULT_NS 1000000000
#define INTERVAL_MIN_NS     50000000
#define FRAME_ROWS          4 /* the line of all calls, an empty one, that of the keys, the last */

struct top {
	bool once;
	uint64_t interval_ns;
};

static int
top_set(struct cli *cli, int key, const char *text)
{
	struct top *top = cli->opt;

	if (key == '1') {
		top->once = true;
		return 0;
	}
	if (cli_duration(cli, "interval", text, &top->interval_ns) != 0) {
		return CLI_USAGE;
	}
	return top->interval_ns >= INTERVAL_MIN_NS
		       ? 0
		       : cli_usage(cli, "--interval is at least 50ms, not \"%s\"", text);
}

/* ------------------------------------------------------------------ a frame */

static double
real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

/* A list of a sample, behind an empty line. */
static void
print_list(FILE *f, struct columns *t, const json_t *a, const char *list)
{
	char more[32];

	snprintf(more, sizeof(more), "%s_more", list);
	fputs(json_array_size(json_object_get(a, list)) > 0 ? "\n" : "", f);
	columns_print(t, f);
	columns_fini(t);
	if (json_object_get(a, more) != NULL) {
		fprintf(f, "%" PRIu64 " more\n", cli_u64(a, more));
	}
}

static void
print_frame(FILE *f, const json_t *a)
{
	char rate[FMT_BYTES], names[128];
	struct columns t;
	const json_t *x;
	size_t i;

	fprintf(f, "microburst: %s calls/s\n", fmt_rate(rate, real(a, "per_s")));
	columns_init(&t, "<FUNCTION >CALLS/s >FAILED/s >p50 >p99 >CALLS");
	json_array_foreach(json_object_get(a, "functions"), i, x) {
		columns_row(&t, "srrnnu", cli_text(x, "name"), real(x, "per_s"),
			    real(x, "failed_per_s"), cli_u64(x, "p50_ns"), cli_u64(x, "p99_ns"),
			    cli_u64(x, "finished"));
	}
	print_list(f, &t, a, "functions");

	columns_init(&t, ">EXECUTOR >PID >CPU <STATE >BUSY >CALLS/s >p50 >p99 <FUNCTIONS");
	json_array_foreach(json_object_get(a, "executors"), i, x) {
		columns_row(&t, "uuusprnns", cli_u64(x, "proc"), cli_u64(x, "pid"),
			    cli_u64(x, "cpu"), cli_text(x, "state"), real(x, "busy"),
			    real(x, "per_s"), cli_u64(x, "p50_ns"), cli_u64(x, "p99_ns"),
			    answer_names(names, sizeof(names), json_object_get(x, "functions")));
	}
	print_list(f, &t, a, "executors");

	columns_init(&t, "<TILE >LCORE >CPU >BUSY >TURN");
	json_array_foreach(json_object_get(a, "tiles"), i, x) {
		columns_row(&t, "suupn", cli_text(x, "name"), cli_u64(x, "lcore"),
			    cli_u64(x, "cpu"), real(x, "busy"), cli_u64(x, "turn_ns"));
	}
	print_list(f, &t, a, "tiles");

	columns_init(&t, "<STAGE >CALLS/s >p50 >p99");
	json_array_foreach(json_object_get(a, "stages"), i, x) {
		columns_row(&t, "srnn", cli_text(x, "name"), real(x, "per_s"), cli_u64(x, "p50_ns"),
			    cli_u64(x, "p99_ns"));
	}
	print_list(f, &t, a, "stages");
}

/* --------------------------------------------------------------- the terminal */

static struct termios terminal_before;
static volatile sig_atomic_t terminal_quit;

static void
on_signal(int sig)
{
	(void)sig;
	terminal_quit = 1;
}

/* No cursor, keys one by one and unseen. (Not the terminal's second screen: an error that ends us
 * is said below the last frame, which stays to be read.) */
static void
terminal_enter(void)
{
	struct sigaction end = { .sa_handler = on_signal };
	struct termios raw;

	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGHUP, &end, NULL);
	if (tcgetattr(STDIN_FILENO, &terminal_before) == 0) {
		raw = terminal_before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	fputs("\033[2J\033[?25l", stdout);
}

static void
terminal_leave(void)
{
	fputs("\033[?25h", stdout);
	fflush(stdout);
	if (isatty(STDIN_FILENO)) {
		tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
	}
}

/* One that knows no sequences, by what it says or by saying nothing. */
static bool
terminal_is_dumb(void)
{
	const char *term = getenv("TERM");

	return term == NULL || strcmp(term, "dumb") == 0;
}

static struct winsize
terminal_size(void)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_row == 0 || w.ws_col == 0) {
		w = (struct winsize){ .ws_row = 24, .ws_col = 80 }; /* a line that does not know */
	}
	return w;
}

/* Writes a frame over the last one, cut to the window so that nothing scrolls or wraps. */
static void
terminal_show(const char *frame, struct winsize w)
{
	size_t width = 0;
	unsigned row = 1;

	fputs("\033[H", stdout);
	for (; *frame != '\0' && row + 1 < w.ws_row; frame++) {
		if (*frame == '\n') {
			fputs("\033[K\r\n", stdout);
			row++;
			width = 0;
		} else {
			width += ((unsigned char)*frame & 0xc0) != 0x80;
			if (width <= w.ws_col) {
				putchar(*frame);
			}
		}
	}
	fputs("\033[Jq quits\r\n", stdout);
	fflush(stdout);
}

/* Waits for the interval's end. Returns: whether to go on. */
static bool
terminal_wait(uint64_t ns)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char key;

	if (poll(&in, 1, (int)(ns / 1000000)) <= 0) {
		return !terminal_quit;
	}
	return read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != 'Q' && !terminal_quit;
}

/* -------------------------------------------------------------------- run */

static int
sample(struct cli *cli, json_t **ret)
{
	return cli_ask(cli, json_pack("{s:s}", "cmd", "top"), -1, ret);
}

static int
run_once(struct cli *cli, uint64_t interval_ns)
{
	struct timespec interval = { .tv_sec = (time_t)(interval_ns / 1000000000),
				     .tv_nsec = (long)(interval_ns % 1000000000) };
	json_t *earlier, *later;
	int code = sample(cli, &earlier);

	if (code != 0) {
		return code;
	}
	nanosleep(&interval, NULL);
	code = sample(cli, &later);
	if (code == 0) {
		rates_add(later, earlier);
		if (cli->json) {
			json_decref(earlier);
			return cli_json(cli, later);
		}
		print_frame(stdout, later);
		json_decref(later);
	}
	json_decref(earlier);
	return code;
}

/* Behind the line of all calls, and before that of the keys. */
static void
show(const json_t *sample)
{
	struct winsize w = terminal_size();
	json_t *fit = fit_sample(sample, w.ws_row > FRAME_ROWS ? w.ws_row - FRAME_ROWS : 0);
	char *frame = NULL;
	size_t len;
	FILE *f = mem_need(open_memstream(&frame, &len));

	print_frame(f, fit);
	fclose(f);
	terminal_show(mem_need(frame), w);
	free(frame);
	json_decref(fit);
}

static int
run_live(struct cli *cli, uint64_t interval_ns)
{
	json_t *earlier, *later = NULL;
	int code = sample(cli, &earlier);

	if (code != 0) {
		return code;
	}
	terminal_enter();
	while (terminal_wait(interval_ns)) {
		code = sample(cli, &later);
		if (code != 0) {
			break;
		}
		rates_add(later, earlier);
		show(later);
		json_decref(earlier);
		earlier = later;
	}
	terminal_leave();
	json_decref(earlier);
	return code;
}

static int
top_run(struct cli *cli)
{
	const struct top *top = cli->opt;
	uint64_t interval_ns = top->interval_ns > 0 ? top->interval_ns : INTERVAL_DEFAULT_NS;

	return top->once || cli->json || !cli->terminal || terminal_is_dumb()
		       ? run_once(cli, interval_ns)
		       : run_live(cli, interval_ns);
}

const struct command cmd_top = {
	.name = "top",
	.summary = "live rates and latencies: functions, executors, tiles",
	.more = "q quits. In a pipe, on a dumb terminal, and with --json, it prints one interval "
		"and ends, as with --once. BUSY is the share of one core, TURN how long a poll "
		"took that found work, p50 and p99 how long functions ran in the interval. Stages "
		"are the parts of a call; pick, link, transit and call are known of one direct "
		"call in 64.",
	.example = "microburst top --interval 500ms",
	.flags = COMMAND_NODE | COMMAND_JSON,
	.option =
		(const struct argp_option[]){
			{ "once", '1', NULL, 0, "Print one interval and end", 0 },
			{ "interval", 'i', "DURATION", 0, "Time between two samples; default 1s",
			  0 },
			{ 0 },
		},
	.opt_bytes = sizeof(struct top),
	.set = top_set,
	.run = top_run,
};
