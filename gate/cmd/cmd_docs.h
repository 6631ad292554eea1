/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_docs - what COMMAND DOCS tells of a command: what it does, and the words that may follow it
 */
#ifndef MB_GATE_CMD_DOCS_H
#define MB_GATE_CMD_DOCS_H

#include "gate_int.h"

/* cmd_docs writes a command's name and the map of what is told of it, its subcommands within. */
void cmd_docs(struct gate *g, struct gate_conn *c, const struct gate_command *cmd);

#endif
