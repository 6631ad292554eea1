/* SPDX-License-Identifier: Apache-2.0 */
/* conf - the configuration file: INI, read by rte_cfgfile, each value set through params.h
 *
 * Values given on the command line (--set section.key=value) come after the file and win.
 */
#ifndef MB_CONF_H
#define MB_CONF_H

#include "params.h"

/* conf_load reads path into p. Returns: 0; MB_ERR_IO; MB_ERR_CONFIG, with a sentence that names the
 * file and the key, and a line for each further mistake that has a place. Threads: start-up only.
 */
int conf_load(struct params *p, const char *path, char err[static PARAMS_ERR_BYTES]);

/* conf_set reads "section.key=value". */
int conf_set(struct params *p, const char *text, char err[static PARAMS_ERR_BYTES]);

#endif
