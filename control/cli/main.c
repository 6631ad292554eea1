/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - microburst [OPTION]... COMMAND [ARG]...: finds the command and runs it */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

const char *argp_program_version = "microburst " MB_VERSION;

static void
help(FILE *f)
{
	fputs("Usage: microburst [--json] [--socket PATH | --connect WHERE] "
	      "[--ack WHO]\n"
	      "                  COMMAND [ARG]...\n"
	      "Functions over shared state, in microseconds.\n\n",
	      f);
	command_menu(f, NULL);
	fputs("\n`microburst COMMAND --help` tells more, with an example.\n"
	      "Exit codes: 0 done, 1 the function or request failed, 2 usage, 3 no node.\n",
	      f);
}

/* Names only, for the shell's completion. */
static void
list_commands(void)
{
	const struct command *c;

	for (size_t i = 0; (c = command_at(i, NULL)) != NULL; i++) {
		puts(c->name);
	}
}

static int
unknown(const char *word)
{
	const char *nearest = command_nearest(word);

	if (strcmp(word, "--socket") == 0 || strcmp(word, "--connect") == 0 ||
	    strcmp(word, "--ack") == 0) {
		fprintf(stderr, "microburst: %s needs a word behind it; see `microburst --help`.\n",
			word);
	} else if (word[0] == '-') {
		fprintf(stderr,
			"microburst: there is no option %s before the command; "
			"see `microburst --help`.\n",
			word);
	} else if (command_menu(stderr, word)) {
		fprintf(stderr, "\nmicroburst: %s needs one of these words behind it.\n", word);
	} else if (nearest != NULL) {
		fprintf(stderr,
			"microburst: there is no command \"%s\": did you mean `microburst %s`? "
			"`microburst --help` lists them all.\n",
			word, nearest);
	} else {
		fprintf(stderr,
			"microburst: there is no command \"%s\": `microburst --help` lists "
			"them all.\n",
			word);
	}
	return CLI_USAGE;
}

/* `help COMMAND` is `COMMAND --help`. */
static int
help_of(struct cli *cli, int argc, char **argv)
{
	char *as_option[] = { NULL, (char[]){ "--help" }, NULL };
	int words;

	if (argc == 0) {
		help(stdout);
		return CLI_DONE;
	}
	cli->command = command_find(argc, argv, &words);
	if (cli->command == NULL) {
		return command_menu(stdout, argv[0]) ? CLI_DONE : unknown(argv[0]);
	}
	as_option[0] = argv[0];
	return cli_run(cli, 2, as_option);
}

/* The options that stand before the command. Returns: where the command is; < 0: all is done. */
static int
leading_options(struct cli *cli, int argc, char **argv)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			cli->json = true;
		} else if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc) {
			cli->socket = argv[++i];
		} else if (strncmp(argv[i], "--socket=", 9) == 0) {
			cli->socket = argv[i] + 9;
		} else if (strcmp(argv[i], "--connect") == 0 && i + 1 < argc) {
			cli->socket = argv[++i];
		} else if (strncmp(argv[i], "--connect=", 10) == 0) {
			cli->socket = argv[i] + 10;
		} else if (strcmp(argv[i], "--ack") == 0 && i + 1 < argc) {
			cli->ack = argv[++i];
		} else if (strncmp(argv[i], "--ack=", 6) == 0) {
			cli->ack = argv[i] + 6;
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-?") == 0 ||
			   strcmp(argv[i], "-h") == 0) {
			help(stdout);
			return -1;
		} else if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0) {
			puts(argp_program_version);
			return -1;
		} else if (strcmp(argv[i], "--list-commands") == 0) {
			list_commands();
			return -1;
		} else {
			break;
		}
	}
	return i;
}

int
main(int argc, char **argv)
{
	struct cli cli = { 0 };
	int at = leading_options(&cli, argc, argv);
	int words;

	if (at < 0) {
		return fflush(stdout) == 0 ? CLI_DONE : CLI_FAILED;
	}
	if (at == argc) {
		help(stderr);
		return CLI_USAGE;
	}
	if (strcmp(argv[at], "help") == 0) {
		return help_of(&cli, argc - at - 1, argv + at + 1);
	}
	cli.command = command_find(argc - at, argv + at, &words);
	if (cli.command == NULL) {
		if (at + 1 < argc && strcmp(argv[at + 1], "--help") == 0 &&
		    command_menu(stdout, argv[at])) {
			return CLI_DONE;
		}
		return unknown(argv[at]);
	}
	return cli_run(&cli, argc - at - words + 1, argv + at + words - 1);
}
