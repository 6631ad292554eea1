/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_inner - tiles of the daemon that are processes to the others (inner.h): their entries */
#include <stdio.h>
#include <unistd.h>

#include "check.h"
#include "ctl.h"

int
ctl_inner_add(struct ctl *c, const char *program, int wake_fd, bool system, struct inner_cfg *ret)
{
	struct desc up = { .kind = DESC_PROC_UP,
			   .sub = system ? PROC_UP_SYSTEM : 0,
			   .b = (uint64_t)wake_fd + 1 };
	struct proc *p;
	int err = proc_new(&c->procs, false, -1, &p);

	REQUIRE(wake_fd >= 0);
	if (err != 0) {
		return err;
	}
	err = region_map_owner(&ret->own, REGION_PROCESS, p->region_fd, p->idx, p->inc);
	if (err == 0) {
		err = proc_live(&c->procs, p);
		if (err != 0) {
			region_unmap(&ret->own);
		}
	}
	if (err != 0) {
		proc_abandon(&c->procs, p);
		return err;
	}
	p->is_inner = true;
	for (uint32_t i = 0; i < c->cfg.lcore_cnt; i++) {
		p->lcore = c->bell_fd[i] == wake_fd ? i + 1 : p->lcore;
	}
	ports_open(c->ports, p->idx, p->inc, &c->peers->peer[p->idx].region);
	ports_rung_by(c->ports, p->idx, wake_fd);
	p->pid = getpid();
	p->uid = geteuid();
	snprintf(p->program, sizeof(p->program), "%s", program);
	up.open.proc = p->idx;
	up.open.inc = p->inc;
	for (uint32_t t = 0; t < CTL_TILE_CACHE + c->cfg.cache_cnt; t++) {
		ctl_tell_tile(c, t, &up);
	}
	ret->proc = p->idx;
	ret->inc = p->inc;
	ret->daemon = c->region;
	ret->hints = c->hints;
	ret->peers = c->peers;
	ret->cache_cnt = c->cfg.cache_cnt;
	ret->seg_budget = c->cfg.payload_budget;
	for (uint32_t t = 0; t < PORT_CACHE_FIRST + c->cfg.cache_cnt; t++) {
		uint32_t lcore = t == PORT_CTL ? 0 : c->tile[t - PORT_SCHED].lcore;

		ret->tile_fd[t] = c->bell_fd[lcore];
	}
	return 0;
}
