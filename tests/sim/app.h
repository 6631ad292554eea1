/* SPDX-License-Identifier: Apache-2.0 */
/* app - what simulated processes do */
#ifndef MB_SIM_APP_H
#define MB_SIM_APP_H

struct sim_proc;

/* client.c: calls functions and writes to the store through the shipped client library, until the
 * run's
 * operations are used up. */
void client_main(struct sim_proc *p);

/* executor.c: runs calls. */
void executor_main(struct sim_proc *p);

#endif
