/* SPDX-License-Identifier: Apache-2.0 */
/* default_conf_main.c - writes the text of default.conf to a file, or to standard output */
#include <stdio.h>

#include "params.h"

int
main(int argc, char **argv)
{
	FILE *f = argc > 1 ? fopen(argv[1], "w") : stdout;

	if (f == NULL) {
		perror(argv[1]);
		return 1;
	}
	params_conf(f);
	if (fclose(f) != 0) {
		perror("writing default.conf");
		return 1;
	}
	return 0;
}
