/* SPDX-License-Identifier: Apache-2.0 */
/* weave_scripts.h - what the parties of several plans do, and how their last states are judged */
#ifndef MB_WEAVE_SCRIPTS_H
#define MB_WEAVE_SCRIPTS_H

#include "weave_channel.h"

enum { ELEMENTS = 3, TRIES = 3 };

void reset_empty(void);
void reset_nearly_full(void); /* room for one */

/* A. send_into_full takes a refusal for an answer: it goes on to the next try. */
void send_all(void);
void send_two(void);
void send_into_full(void);

/* B, asleep while there is nothing. */
void receive_all(void);
void receive_to_the_end(void); /* until the other side is dead */
void receive_by_bits_alone(bool after);
/* B, tries a few times. */
void receive_some(void);

/* wait_one waits for one element as domain_wait does.
 * Returns: false when the other side is dead, and all it had published has been taken. */
bool wait_one(uint32_t side);

bool somebody_died(void);
/* What ctl does about a death, as far as the survivor sees it. */
void ctl_notice(void);

const char *end_sent(void); /* all that was sent has been received */
const char *end_full(void); /* the same, and there is room again */
const char *end_dead(void); /* one is dead; the survivor is not asleep, and has all it published */
const char *end_halves(void); /* what the dead one's half of the channel shows is old or new */

#endif
