/* SPDX-License-Identifier: Apache-2.0 */
/* nic_ours - see nic_int.h
 *
 * The driver of af_packet gets a copy of each frame; then the kernel's IP has a look at it as well,
 * and throws it away: a sixth of what a frame takes. Where the kernel has our address too, it even
 * tells who asks that nobody is there, and a client at the kernel's socket believes it. So behind
 * the driver's socket stands a program that drops datagrams to our address and port, and passes on
 * the rest (our kernel's own, ARP, echo):
 *
 *   card ──► af_packet's sockets ──► this program ──► the kernel's IP
 *
 * It is there for as long as its descriptor is open (a link of BPF's at the ingress, tcx), so a
 * node that is killed leaves nothing behind. Kernels before 6.6, and users without CAP_NET_ADMIN
 * and CAP_BPF, do without: where the address is ours alone only time depends on it.
 *
 * Rejected: an address of our own on the card, which the kernel would not take for its own: many
 * networks of virtual machines let pass only frames from the card's. A filter of tc or nftables: it
 * stays when we are killed.
 */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "compiler.h"
#include "nic_int.h"

/* Linux 6.6; the headers of 6.1 do not name them. */
#define TCX_INGRESS 46
#define TCX_NEXT    (-1)
#define TCX_DROP    2

#define TYPE_V4     0x0800
#define TYPE_V6     0x86dd
#define PROTO_UDP   17
#define UDP_TO      2 /* the port, in UDP's head */
#define HEADS_MAX   48
#define PASS        INT16_MIN /* where a jump goes that is not written yet */
#define INSN_MAX    64
#define FIELD(of)   ((int16_t)offsetof(struct __sk_buff, of))
#define HEADS(at)   ((int16_t)((at)-HEADS_MAX)) /* in the program's memory */
#define V4_BYTES    20
#define V6_BYTES    40
#define ETHER_BYTES 14

struct prog {
	struct bpf_insn insn[INSN_MAX];
	uint32_t cnt;
};

static void
put(struct prog *g, int code, int dst, int src, int16_t off, int32_t imm)
{
	INSIST(g->cnt < INSN_MAX);
	g->insn[g->cnt++] = (struct bpf_insn){ .code = (uint8_t)code,
					       .dst_reg = dst & 0xf,
					       .src_reg = src & 0xf,
					       .off = off,
					       .imm = imm };
}

static void
put_set(struct prog *g, int dst, int32_t imm)
{
	put(g, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm);
}

/* Passes on what has not `is` there, after `mask`. */
static void
put_want(struct prog *g, int size, int base, int16_t off, int32_t mask, int32_t is)
{
	put(g, BPF_LDX | BPF_MEM | size, BPF_REG_0, base, off, 0);
	if (mask != -1) {
		put(g, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_0, 0, 0, mask);
	}
	put(g, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_0, 0, PASS, is);
}

static void
put_heads(struct prog *g, int32_t len)
{
	put(g, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_6, 0, 0);
	put_set(g, BPF_REG_2, ETHER_BYTES); /* a tag is beside the frame */
	put(g, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_10, 0, 0);
	/* Equal as text too: NOLINTNEXTLINE(misc-redundant-expression) */
	put(g, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_3, 0, 0, HEADS(0));
	put_set(g, BPF_REG_4, len);
	put(g, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_skb_load_bytes);
	put(g, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_0, 0, PASS, 0);
}

static void
put_addr(struct prog *g, int16_t at, const uint8_t *addr, size_t len)
{
	for (size_t i = 0; i < len; i += 4) {
		int32_t word;

		memcpy(&word, addr + i, sizeof(word));
		put_want(g, BPF_W, BPF_REG_10, HEADS(at + (int)i), -1, word);
	}
}

/* UDP in one piece to cfg->at, or to the ports of the other queues. */
static void
prog_make(struct prog *g, const struct nic_cfg *cfg)
{
	bool v4 = frame_is_v4(cfg->at.ip);
	int heads = v4 ? V4_BYTES : V6_BYTES;

	put(g, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0);
	put_want(g, BPF_W, BPF_REG_6, FIELD(protocol), -1, htons(v4 ? TYPE_V4 : TYPE_V6));
	put_want(g, BPF_W, BPF_REG_6, FIELD(vlan_present), -1, cfg->vlan != 0);
	if (cfg->vlan != 0) {
		put_want(g, BPF_W, BPF_REG_6, FIELD(vlan_tci), 0xfff, cfg->vlan);
	}
	put_heads(g, heads + UDP_TO + 2);
	if (v4) {
		put_want(g, BPF_B, BPF_REG_10, HEADS(0), -1, 0x45);
		put_want(g, BPF_H, BPF_REG_10, HEADS(6), htons(0x3fff), 0);
		put_want(g, BPF_B, BPF_REG_10, HEADS(9), -1, PROTO_UDP);
		put_addr(g, 16, cfg->at.ip + 12, 4);
	} else {
		put_want(g, BPF_B, BPF_REG_10, HEADS(6), -1, PROTO_UDP);
		put_addr(g, 24, cfg->at.ip, 16);
	}
	put(g, BPF_LDX | BPF_MEM | BPF_H, BPF_REG_0, BPF_REG_10, HEADS(heads + UDP_TO), 0);
	put(g, BPF_ALU | BPF_END | BPF_TO_BE, BPF_REG_0, 0, 0, 16);
	put(g, BPF_ALU64 | BPF_SUB | BPF_K, BPF_REG_0, 0, 0, cfg->at.port);
	put(g, BPF_JMP | BPF_JGE | BPF_K, BPF_REG_0, 0, PASS, (int32_t)cfg->queue_cnt);
	put_set(g, BPF_REG_0, TCX_DROP);
	put(g, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (uint32_t i = 0; i < g->cnt; i++) {
		if (g->insn[i].off == PASS) {
			g->insn[i].off = (int16_t)(g->cnt - i - 1);
		}
	}
	put_set(g, BPF_REG_0, TCX_NEXT);
	put(g, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int
bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

int
nic_ours_drop(const char *iface, const struct nic_cfg *cfg)
{
	struct prog g = { .cnt = 0 };
	union bpf_attr load = { 0 }, link = { 0 };
	int prog, fd;

	prog_make(&g, cfg);
	load.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	load.insns = (uintptr_t)g.insn;
	load.insn_cnt = g.cnt;
	load.license = (uintptr_t) "Apache-2.0";
	memcpy(load.prog_name, "microburst_ours", sizeof("microburst_ours"));
	prog = bpf(BPF_PROG_LOAD, &load);
	if (prog < 0) {
		return -1;
	}
	link.link_create.prog_fd = (uint32_t)prog;
	link.link_create.target_ifindex = if_nametoindex(iface);
	link.link_create.attach_type = TCX_INGRESS;
	fd = bpf(BPF_LINK_CREATE, &link);
	close(prog);
	return fd;
}
