/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_doctor.c - doctor check, init, fini: is the machine right, make it so, undo that */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "beside.h"
#include "cli.h"
#include "doctor.h"
#include "doctor_conf.h"
#include "fmt.h"
#include "hugepages.h"
#include "pci.h"

struct doctor {
	/* of check */
	const char *config, *cores, *nic;
	/* of init: what is asked; nothing at all means huge pages */
	uint64_t pages;
	bool governor, idle;
	const char *irqs, *vfio;
};

static int
doctor_set(struct cli *cli, int key, const char *text)
{
	struct doctor *d = cli->opt;

	switch (key) {
	case 'p':
		return cli_count(cli, "pages", text, 1, UINT64_C(1) << 32, &d->pages);
	case 'c':
		d->config = text;
		return 0;
	case 'n':
		d->nic = text;
		return 0;
	case 'k':
		d->cores = text;
		return 0;
	case 'g':
		d->governor = true;
		return 0;
	case 'i':
		d->idle = true;
		return 0;
	case 'q':
		d->irqs = text;
		return 0;
	default:
		d->vfio = text;
		return 0;
	}
}

/* --------------------------------------------------------------------- check */

/* Whether the node of a configuration, or this user's, runs already. */
static bool
runs(const struct params *p)
{
	struct mb_client *c;
	int err = mb_client_open(&c, p->node_socket[0] != '\0' ? p->node_socket : NULL);

	if (err == 0) {
		mb_client_close(c);
	}
	return err == 0;
}

static int
ask_of(struct cli *cli, const struct doctor *d, struct params *p, struct doctor_ask *ret)
{
	struct cpulist cores;
	uint64_t pages = 0;
	int err = 0;

	params_default(p);
	if (d->config != NULL) {
		err = doctor_conf(d->config, p, &pages);
	}
	if (err == MB_ERR_NOT_FOUND) {
		return cli_fail(cli, err, BESIDE_NO_NODE, "cannot read %s", d->config);
	}
	if (err != 0) {
		return cli_fail(cli, err, NULL, "cannot read %s", d->config);
	}
	*ret = (struct doctor_ask){ .root = "",
				    .cores = d->cores != NULL ? d->cores : p->node_cores,
				    .nic = d->nic != NULL ? d->nic : p->net_nic,
				    .huge = p->node_hugepages,
				    .pages = pages,
				    .runs = d->config != NULL && runs(p) };
	if (!cpulist_parse(ret->cores, &cores)) {
		return cli_usage(cli, "--cores takes a list of cpus as 2-5,8, not \"%s\"",
				 ret->cores);
	}
	return 0;
}

/* What the daemon itself says of the file on this machine. */
static void
plan(const char *file, struct doctor_line *line)
{
	char why[sizeof(line->found)];

	*line = (struct doctor_line){ .name = "its start" };
	if (doctor_conf_plan(file, why, sizeof(why)) == 0) {
		doctor_ok(line, "nothing that its plan sees is in the way");
	} else {
		doctor_stop(line, "microburstd --plan --config FILE says it again", "%s", why);
	}
}

static void
line_show(const struct doctor_line *line)
{
	printf("%-4s  %-14s  ", line->ok ? "ok" : line->stops ? "stop" : "warn", line->name);
	fmt_safe(stdout, line->found, strlen(line->found), false);
	printf("\n");
	if (!line->ok) {
		printf("%22s  %s\n", "->", line->todo);
	}
}

static void
sum_show(unsigned warned, unsigned stopped)
{
	if (stopped > 0) {
		printf("\nThis node does not start here: %u thing%s in the way (stop).\n", stopped,
		       stopped == 1 ? " is" : "s are");
	} else if (warned > 0) {
		printf("\nMicroburst runs here; %u thing%s would make it faster or safer.\n",
		       warned, warned == 1 ? "" : "s");
	}
}

static int
check(struct cli *cli)
{
	const struct doctor *d = cli->opt;
	struct doctor_line line;
	struct doctor_ask ask;
	struct params params;
	unsigned warned = 0, stopped = 0;
	bool more = true;
	json_t *all;
	int code = ask_of(cli, d, &params, &ask);

	if (code != 0) {
		return code;
	}
	all = json_array();
	for (size_t i = 0; more; i++) {
		more = doctor_check(i, &ask, &line);
		if (!more && d->config == NULL) {
			break;
		}
		if (!more) {
			plan(d->config, &line);
		}
		warned += !line.ok;
		stopped += line.stops;
		if (cli->json) {
			json_array_append_new(all, json_pack("{s:s, s:b, s:b, s:s, s:s}", "name",
							     line.name, "ok", line.ok, "stops",
							     line.stops, "found", line.found,
							     "todo", line.todo));
		} else {
			line_show(&line);
		}
	}
	if (cli->json) {
		cli_json(cli, json_pack("{s:o, s:i, s:b}", "checks", all, "warnings", (int)warned,
					"starts", stopped == 0));
	} else {
		json_decref(all);
		sum_show(warned, stopped);
	}
	return stopped == 0 ? CLI_DONE : CLI_FAILED;
}

/* ---------------------------------------------------------------- init, fini */

static int
pages_failed(struct cli *cli, const char *verb, int rc, const struct hugepages *h)
{
	if (rc == MB_ERR_DENIED) {
		return cli_fail(cli, rc, "huge pages are the machine's: run it as root",
				"cannot %s huge pages", verb);
	}
	if (rc == MB_ERR_NOT_SUPPORTED) {
		return cli_fail(cli, rc,
				"this kernel has no huge pages of 2 MiB; the node runs without",
				"cannot %s huge pages", verb);
	}
	if (rc == MB_ERR_TOO_LARGE) {
		return cli_fail(cli, rc, "others work with the rest of the memory: ask for fewer",
				"there is room for %" PRIu64 " huge pages", h->ours);
	}
	if (rc == MB_ERR_NO_MEMORY) {
		return cli_fail(cli, rc,
				"memory is too fragmented: do it soon after boot, or ask for fewer",
				"the kernel found only %" PRIu64 " huge pages", h->ours);
	}
	return cli_fail(cli, rc, strerror(errno), "cannot %s huge pages", verb);
}

static void
pages_say(const struct cli *cli, json_t *answer, const struct hugepages *h)
{
	char size[FMT_BYTES];

	json_object_set_new(answer, "before", json_integer((json_int_t)h->before));
	json_object_set_new(answer, "after", json_integer((json_int_t)h->after));
	json_object_set_new(answer, "ours", json_integer((json_int_t)h->ours));
	if (!cli->json) {
		printf("huge pages: %" PRIu64 " before, %" PRIu64 " now, %" PRIu64
		       " of them (%s) ours\n",
		       h->before, h->after, h->ours, fmt_bytes(size, h->ours * HUGEPAGES_BYTES));
	}
}

static void
tune_say(const struct cli *cli, json_t *answer, const char *what, const struct tune *t)
{
	json_object_set_new(answer, what,
			    json_pack("{s:i, s:i, s:i, s:i}", "changed", (int)t->changed, "was_so",
				      (int)t->was_so, "refused", (int)t->refused, "others",
				      (int)t->others));
	if (cli->json) {
		return;
	}
	printf("%s: %u changed", what, t->changed);
	if (t->was_so > 0) {
		printf(", %u were so already", t->was_so);
	}
	if (t->refused > 0) {
		printf(", %u the kernel does not let change", t->refused);
	}
	if (t->others > 0) {
		printf(", %u somebody else has changed since: left as they are", t->others);
	}
	printf("\n");
}

static int
tune_failed(struct cli *cli, const char *what, int err)
{
	return cli_fail(cli, err,
			err == MB_ERR_DENIED    ? "it is the machine's: run it as root"
			: err == MB_ERR_INVALID ? "not all of these cpus are there"
			: err == MB_ERR_IO      ? strerror(errno)
						: NULL,
			"cannot change the %s", what);
}

static int
vfio(struct cli *cli, json_t *answer, const char *text)
{
	struct tune t = { .root = "" };
	char addr[PCI_ADDR_BYTES], was[PCI_DRIVER_BYTES];
	int err;

	if (!pci_addr(text, addr)) {
		return cli_usage(cli, "--vfio takes a PCI address as 0000:01:00.0, not \"%s\"",
				 text);
	}
	err = pci_driver("", addr, was);
	if (err != 0) {
		return cli_fail(cli, err, "lspci -D lists what there is", "no device %s", addr);
	}
	err = tune_bind(&t, addr, "vfio-pci");
	if (err != 0) {
		return cli_fail(cli, err,
				err == MB_ERR_NOT_FOUND ? "modprobe vfio-pci first"
				: err == MB_ERR_BUSY
					? "its interface is up, and somebody may reach this "
					  "machine through it: ip link set it down first"
				: err == MB_ERR_DENIED ? "it is the machine's: run it as root"
						       : "it did not take it; dmesg says why",
				"cannot give %s to vfio-pci", addr);
	}
	tune_say(cli, answer, addr, &t);
	return 0;
}

/* One after the other; the first that fails ends it, what was done before stays noted. A setting
 * that a machine has not (a virtual one has no governor) is no failure: there is nothing to do. */
static int
init(struct cli *cli, json_t *answer)
{
	const struct doctor *d = cli->opt;
	bool other = d->governor || d->idle || d->irqs != NULL || d->vfio != NULL;
	struct cpulist cpus;
	int err = 0, code = 0;

	if (d->irqs != NULL && (!cpulist_parse(d->irqs, &cpus) || cpulist_cnt(&cpus) == 0)) {
		return cli_usage(cli, "--irqs takes a list of cpus as 0-1,8, not \"%s\"", d->irqs);
	}
	if (d->pages > 0 || !other) {
		struct hugepages h = { 0 };

		err = hugepages_init("", d->pages > 0 ? d->pages : hugepages_default(""), &h);
		if (err != 0) {
			return pages_failed(cli, "reserve", err, &h);
		}
		pages_say(cli, answer, &h);
	}
	for (int i = 0; i < 3; i++) {
		static const char *const what[] = { "governor", "idle states", "interrupts" };
		const bool asked[] = { d->governor, d->idle, d->irqs != NULL };
		struct tune t = { .root = "" };

		if (!asked[i]) {
			continue;
		}
		err = i == 0   ? doctor_do_governor(&t)
		      : i == 1 ? doctor_do_idle(&t)
			       : doctor_do_irqs(&t, &cpus);
		if (err != 0 && err != MB_ERR_NOT_FOUND) {
			return tune_failed(cli, what[i], err);
		}
		if (err == MB_ERR_NOT_FOUND && !cli->json) {
			printf("%s: this machine has no such setting, and needs none\n", what[i]);
			continue;
		}
		tune_say(cli, answer, what[i], &t);
	}
	if (d->vfio != NULL) {
		code = vfio(cli, answer, d->vfio);
	}
	return code;
}

static int
fini(struct cli *cli, json_t *answer)
{
	struct hugepages h = { 0 };
	struct tune t = { .root = "" };
	int err = hugepages_fini("", &h);

	if (err == 0) {
		pages_say(cli, answer, &h);
	} else if (err != MB_ERR_NOT_SUPPORTED) { /* then there are none of ours */
		return pages_failed(cli, "give back", err, &h);
	}
	err = tune_undo(&t);
	if (err != 0) {
		return tune_failed(cli, "settings back", err);
	}
	tune_say(cli, answer, "settings", &t);
	return 0;
}

static int
doctor_run(struct cli *cli)
{
	const struct doctor *d = cli->opt;
	const char *what = cli->arg_cnt > 0 ? cli->arg[0] : "check";
	bool is_check = strcmp(what, "check") == 0, is_init = strcmp(what, "init") == 0;
	json_t *answer;
	int code;

	if (!is_check && !is_init && strcmp(what, "fini") != 0) {
		return cli_usage(cli, "it takes check, init or fini, not \"%s\"", what);
	}
	if (!is_init &&
	    (d->pages > 0 || d->governor || d->idle || d->irqs != NULL || d->vfio != NULL)) {
		return cli_usage(cli,
				 "--pages, --governor, --idle, --irqs and --vfio go with init");
	}
	if (!is_check && (d->config != NULL || d->cores != NULL || d->nic != NULL)) {
		return cli_usage(cli, "--config, --cores and --nic go with check");
	}
	if (is_check) {
		return check(cli);
	}
	tune_alone("");
	answer = json_object();
	code = is_init ? init(cli, answer) : fini(cli, answer);
	if (code == 0 && cli->json) {
		return cli_json(cli, answer);
	}
	json_decref(answer);
	return code;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.args = "[check|init|fini]",
	.summary = "look at the machine: what is right, what to do; init does it, fini undoes it",
	.more = "check changes nothing. init does what its options say, huge pages without any; "
		"fini undoes exactly what init did. Both need root and may be repeated.",
	.example = "microburst doctor",
	.flags = COMMAND_JSON,
	.arg_max = 1,
	.option =
		(const struct argp_option[]){
			{ "config", 'c', "FILE", 0, "With check: for a node with this file", 0 },
			{ "cores", 'k', "CPUS", 0, "With check: for these cores", 0 },
			{ "nic", 'n', "DEVICE", 0, "With check: for this net.nic", 0 },
			{ "pages", 'p', "N", 0,
			  "With init: huge pages of 2 MiB; default 512, at most a quarter of the "
			  "memory",
			  0 },
			{ "governor", 'g', NULL, 0, "With init: cores run at full speed", 0 },
			{ "idle", 'i', NULL, 0,
			  "With init: cores do not sleep so deep that waking takes long", 0 },
			{ "irqs", 'q', "CPUS", 0, "With init: interrupts come to these cores", 0 },
			{ "vfio", 'v', "ADDRESS", 0, "With init: this NIC goes to vfio-pci", 0 },
			{ 0 },
		},
	.opt_bytes = sizeof(struct doctor),
	.set = doctor_set,
	.run = doctor_run,
};
