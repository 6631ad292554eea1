/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_exec_int - what ctl_exec.c and ctl_deploy.c share */
#ifndef MB_CTL_EXEC_INT_H
#define MB_CTL_EXEC_INT_H

#include "ctl.h"

/* ctl_exec.c */
/* ctl_spare_find gives the spare to use on cpu (-1: any): one that stands there. 0: none. */
uint16_t ctl_spare_find(const struct ctl *c, int cpu);
/* ctl_pinned lists what an executor of a class shall have. */
uint32_t ctl_pinned(const struct ctl *c, uint8_t class, uint16_t ret[FUNCTION_CNT_MAX]);
/* ctl_load sends a spare its set. Returns: false when it could not be: it is on its way out. */
bool ctl_load(struct ctl *c, uint16_t e, const uint16_t *fn, uint32_t cnt);

/* ctl_deploy.c */
/* ctl_deploy_active gives the deployment that is being checked; NULL: none. */
struct ctl_deploy *ctl_deploy_active(struct ctl *c);
/* ctl_deploy_commit shows the functions of a checked deployment to everybody; older ones of their
 * names go. */
void ctl_deploy_commit(struct ctl *c, struct ctl_deploy *dep);
/* ctl_deploy_refuse takes them back and tells who asked. */
void ctl_deploy_refuse(struct ctl *c, struct ctl_deploy *dep, int err, const char *text);
/* ctl_deploy_step begins to check the next one, if none is being checked and there is a spare. */
void ctl_deploy_step(struct ctl *c);

#endif
