/* SPDX-License-Identifier: Apache-2.0 */
/* commands - the handlers that commands.def names; see gate_int.h for what they return */
#ifndef MB_GATE_COMMANDS_H
#define MB_GATE_COMMANDS_H

#include "compiler.h"
#include "gate_int.h"

/* gate_deadline_word reads a time: of seconds or milliseconds, from now or since 1970.
 * Returns: false: it is no number. gate_deadline_ok: such a time can be kept. */
bool gate_deadline_word(struct slice word, bool seconds, bool from_now, int64_t *ret_us);
bool gate_deadline_ok(int64_t us);

#define COMMAND(name, fn, ...) gate_command_fn fn;
#include "commands.def"
#undef COMMAND

#endif
