/* SPDX-License-Identifier: Apache-2.0 */
/* commands - the handlers that commands.def names; see gate_int.h for what they return */
#ifndef MB_GATE_COMMANDS_H
#define MB_GATE_COMMANDS_H

#include "compiler.h"
#include "gate_int.h"

#define COMMAND(name, fn, ...) gate_command_fn fn;
#include "commands.def"
#undef COMMAND

#endif
