/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include "check.h"
#include "compiler.h"
#include "microburst/error.h"

static const uint8_t mac_all[FRAME_MAC_BYTES] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t ip_none[FRAME_IP_BYTES];
static const uint8_t ip_all_nodes[FRAME_IP_BYTES] = { 0xff, 2, [15] = 1 };
static const uint8_t mac_all_nodes[FRAME_MAC_BYTES] = { 0x33, 0x33, 0, 0, 0, 1 };

void
host_init(struct host *h, const struct host_cfg *cfg)
{
	REQUIRE(cfg->vlan <= FRAME_VLAN_MAX);
	memset(h, 0, sizeof(*h));
	h->cfg = *cfg;
	h->datagram_max = (uint32_t)cfg->mtu - (frame_is_v4(cfg->at.ip) ? 28 : 48);
	h->out = (struct frame){ .kind = FRAME_UDP,
				 .vlan = cfg->vlan,
				 .from.port = cfg->at.port,
				 .sum_by_nic = cfg->sum_by_nic,
				 .sum_none = cfg->sum_none };
	memcpy(h->out.from.mac, cfg->mac, FRAME_MAC_BYTES);
	memcpy(h->out.from.ip, cfg->at.ip, FRAME_IP_BYTES);
}

/* ----------------------------------------------------------------- neighbours */

/* Where an address has its place. Whoever wants to can find many that share one, with any hash that
 * has no secret; it makes him forgotten, not us wrong. */
static struct host_neighbour *
neighbours_of(struct host *h, const uint8_t ip[FRAME_IP_BYTES])
{
	uint64_t half[2];

	memcpy(half, ip, sizeof(half));
	half[0] = (half[0] ^ half[1]) * UINT64_C(0x9e3779b97f4a7c15);
	return &h->neighbour[(half[0] >> 32 & (HOST_SETS - 1)) * HOST_WAYS];
}

/* Where what is sent to an address goes. Of one who is doubted, and silent, that is not known. */
static const struct host_neighbour *
neighbour_find(struct host *h, const uint8_t ip[FRAME_IP_BYTES], uint64_t now_ns)
{
	struct host_neighbour *set = neighbours_of(h, ip);

	if (unlikely(h->moved.heard_ns != 0) && memcmp(h->moved.ip, ip, FRAME_IP_BYTES) == 0) {
		return &h->moved;
	}
	for (uint32_t i = 0; i < HOST_WAYS; i++) {
		if (set[i].heard_ns != 0 && memcmp(set[i].ip, ip, FRAME_IP_BYTES) == 0) {
			uint64_t for_ns = set[i].doubted ? HOST_DOUBT_NS : HOST_EXPIRE_NS;

			return now_ns - set[i].heard_ns < for_ns ? &set[i] : NULL;
		}
	}
	return NULL;
}

/* How it is known where somebody is: it was said, a datagram came from there, and it was his. */
enum learned { LEARNED_TOLD, LEARNED_SPOKE, LEARNED_PROVED };

/* Whether a neighbour who is known to be elsewhere stays there. */
static bool
neighbour_stays(const struct host_neighbour *n, enum learned how, uint64_t now_ns)
{
	static const uint64_t for_ns[] = { HOST_DOUBT_NS, HOST_STAYS_NS, 0 };

	return n->spoke && now_ns - n->heard_ns < for_ns[how];
}

/* Returns: false: somebody else is known there, who stays. */
static bool
neighbour_learn(struct host *h, const struct frame_end *end, enum learned how, uint64_t now_ns)
{
	struct host_neighbour *set, *n = &h->neighbour[h->last];
	bool same = false;

	if (likely(n->heard_ns != 0 && memcmp(n->ip, end->ip, FRAME_IP_BYTES) == 0 &&
		   memcmp(n->mac, end->mac, FRAME_MAC_BYTES) == 0)) {
		n->heard_ns = now_ns;
		n->spoke |= how != LEARNED_TOLD;
		return true;
	}
	n = set = neighbours_of(h, end->ip);
	/* No address of one machine: nothing is sent there. */
	if ((end->mac[0] & 1) != 0 || end->ip[0] == 0xff ||
	    memcmp(end->ip, ip_none, sizeof(ip_none)) == 0) {
		return true;
	}
	h->in_set = h->out_set = false;
	h->out_end = 0;
	for (uint32_t i = 0; i < HOST_WAYS; i++) {
		if (set[i].heard_ns != 0 && memcmp(set[i].ip, end->ip, FRAME_IP_BYTES) == 0) {
			n = &set[i];
			same = memcmp(n->mac, end->mac, FRAME_MAC_BYTES) == 0;
			if (!same && neighbour_stays(n, how, now_ns)) {
				n->doubted |= how == LEARNED_TOLD;
				return false;
			}
			break;
		}
		if (set[i].heard_ns < n->heard_ns) {
			n = &set[i];
		}
	}
	memcpy(n->ip, end->ip, FRAME_IP_BYTES);
	memcpy(n->mac, end->mac, FRAME_MAC_BYTES);
	n->heard_ns = MAX(now_ns, (uint64_t)1);
	n->spoke = how != LEARNED_TOLD || (same && n->spoke);
	n->doubted = false;
	h->last = (uint32_t)(n - h->neighbour);
	return true;
}

/* Somebody says to all where he is. Of one who is not known that is nothing to remember. */
static bool
neighbour_moved(struct host *h, const struct frame_end *end, uint64_t now_ns)
{
	const struct host_neighbour *set = neighbours_of(h, end->ip);

	for (uint32_t i = 0; i < HOST_WAYS; i++) {
		if (set[i].heard_ns != 0 && memcmp(set[i].ip, end->ip, FRAME_IP_BYTES) == 0 &&
		    now_ns - set[i].heard_ns < HOST_EXPIRE_NS) {
			(void)neighbour_learn(h, end, LEARNED_TOLD, now_ns);
			return true;
		}
	}
	return false;
}

void
host_settle(struct host *h, bool proved, uint64_t now_ns)
{
	struct frame_end end = { .port = 0 };

	REQUIRE(h->moved.heard_ns != 0);
	memcpy(end.ip, h->moved.ip, FRAME_IP_BYTES);
	memcpy(end.mac, h->moved.mac, FRAME_MAC_BYTES);
	h->moved.heard_ns = 0;
	if (proved) {
		(void)neighbour_learn(h, &end, LEARNED_PROVED, now_ns);
	}
}

/* ------------------------------------------------------------------------- in */

static bool
is_mine(const struct host *h, const uint8_t ip[FRAME_IP_BYTES])
{
	return memcmp(ip, h->cfg.at.ip, FRAME_IP_BYTES) == 0;
}

/* Whether a frame comes from one machine, which is not us (RFC 1122, 3.2.1.3; RFC 4291, 2.5.2 and
 * 2.7): what answers another would go to all on the link, or to ourselves. Only who asks where
 * somebody is, or hears a group, may have no address yet. */
static bool
is_from_somebody(const struct host *h, const struct frame *f)
{
	bool may_none =
		f->kind == FRAME_ARP_ASK || f->kind == FRAME_ND_ASK || f->kind == FRAME_MLD_TELL;
	const uint8_t *ip = f->from.ip;

	if ((f->from.mac[0] & 1) != 0 || is_mine(h, ip)) {
		return false;
	}
	if (frame_is_v4(ip)) {
		return ip[12] < 224 && (may_none || ip[12] != 0);
	}
	return ip[0] != 0xff && (may_none || memcmp(ip, ip_none, sizeof(ip_none)) != 0);
}

/* Answers: from us to whoever asked. */
static enum host_verdict
host_answer(struct host *h, const struct frame *asked, enum frame_kind kind, uint8_t *answer,
	    size_t room, size_t *ret_answer)
{
	struct frame f = { .kind = kind, .vlan = asked->vlan, .to = asked->from };

	memcpy(f.from.mac, h->cfg.mac, FRAME_MAC_BYTES);
	memcpy(f.from.ip, h->cfg.at.ip, FRAME_IP_BYTES);
	memcpy(f.target, h->cfg.at.ip, FRAME_IP_BYTES);
	if (kind == FRAME_ECHO_TELL) {
		f.body = asked->body;
	}
	if (memcmp(f.to.ip, ip_none, sizeof(ip_none)) == 0) {
		/* Somebody tries out whether it may have our address: tell everybody. */
		memcpy(f.to.ip, ip_all_nodes, sizeof(ip_all_nodes));
		memcpy(f.to.mac, mac_all_nodes, FRAME_MAC_BYTES);
	}
	*ret_answer = frame_small(answer, room, &f);
	if (*ret_answer == 0) {
		return HOST_DROP;
	}
	h->stats.told++;
	return HOST_ANSWER;
}

/* Those whose IPv6 address ends alike: the group, and the card that its frames go to. */
static void
alike(const uint8_t ip[FRAME_IP_BYTES], struct frame_end *ret)
{
	const uint8_t group[13] = { 0xff, 2, [11] = 1, [12] = 0xff };

	memcpy(ret->ip, group, sizeof(group));
	memcpy(ret->ip + 13, ip + 13, 3);
	ret->mac[0] = ret->mac[1] = 0x33;
	memcpy(ret->mac + 2, ret->ip + 12, 4);
}

/* Somebody asks who hears that group, or any. */
static enum host_verdict
host_answer_group(struct host *h, const uint8_t group[FRAME_IP_BYTES], uint8_t *answer, size_t room,
		  size_t *ret_answer)
{
	struct frame_end ours;

	alike(h->cfg.at.ip, &ours);
	if (room < FRAME_SMALL_MAX || frame_is_v4(h->cfg.at.ip) ||
	    (memcmp(group, ip_none, FRAME_IP_BYTES) != 0 &&
	     memcmp(group, ours.ip, FRAME_IP_BYTES) != 0)) {
		h->stats.other++;
		return HOST_DROP;
	}
	*ret_answer = host_join(h, answer);
	h->stats.told++;
	return HOST_ANSWER;
}

/* The next one may be of the same kind: frame_again. */
static void
host_remember(struct host *h, struct slice bytes, const struct frame *f)
{
	const struct host_neighbour *n = &h->neighbour[h->last];

	h->in_set = f->vlan == 0 && h->cfg.vlan == 0 && frame_is_v4(f->from.ip) &&
		    bytes.p + FRAME_AGAIN_BYTES == f->body.p &&
		    memcmp(n->ip, f->from.ip, FRAME_IP_BYTES) == 0 &&
		    memcmp(n->mac, f->from.mac, FRAME_MAC_BYTES) == 0;
	if (h->in_set) {
		memcpy(h->in_head, bytes.p, FRAME_AGAIN_BYTES);
		memcpy(h->in_from.ip, f->from.ip, FRAME_IP_BYTES);
		h->in_from.port = f->from.port;
	}
}

static enum host_verdict
host_moved(struct host *h, const struct frame_end *end, uint64_t now_ns)
{
	h->moved = (struct host_neighbour){ .heard_ns = MAX(now_ns, (uint64_t)1) };
	memcpy(h->moved.ip, end->ip, FRAME_IP_BYTES);
	memcpy(h->moved.mac, end->mac, FRAME_MAC_BYTES);
	return HOST_MOVED;
}

enum host_verdict
host_read(struct host *h, struct slice bytes, enum frame_sum sum, uint64_t now_ns,
	  struct wire_addr *ret_from, struct slice *ret, uint8_t *answer, size_t room,
	  size_t *ret_answer)
{
	bool unicast;
	struct frame f;
	int err = frame_read(bytes, sum, &f);

	if (err == 0 && !is_from_somebody(h, &f)) {
		err = MB_ERR_CORRUPT;
	}
	if (err != 0) {
		*(err == MB_ERR_CORRUPT ? &h->stats.corrupt : &h->stats.other) += 1;
		return HOST_DROP;
	}
	unicast = memcmp(f.to.mac, h->cfg.mac, FRAME_MAC_BYTES) == 0;
	if (f.vlan != h->cfg.vlan || (!unicast && (f.to.mac[0] & 1) == 0)) {
		h->stats.other++;
		return HOST_DROP;
	}
	switch (f.kind) {
	case FRAME_UDP:
		if (unicast && is_mine(h, f.to.ip) && f.to.port == h->cfg.at.port) {
			memcpy(ret_from->ip, f.from.ip, FRAME_IP_BYTES);
			ret_from->port = f.from.port;
			ret_from->via = 0;
			*ret = f.body;
			if (!neighbour_learn(h, &f.from, LEARNED_SPOKE, now_ns)) {
				return host_moved(h, &f.from, now_ns);
			}
			host_remember(h, bytes, &f);
			return HOST_DATAGRAM;
		}
		break;
	case FRAME_ARP_ASK:
		if (is_mine(h, f.to.ip)) {
			(void)neighbour_learn(h, &f.from, LEARNED_TOLD, now_ns);
			return host_answer(h, &f, FRAME_ARP_TELL, answer, room, ret_answer);
		}
		if (memcmp(f.from.ip, f.to.ip, FRAME_IP_BYTES) == 0 &&
		    neighbour_moved(h, &f.from, now_ns)) {
			return HOST_DROP;
		}
		break;
	case FRAME_ND_ASK:
		if (is_mine(h, f.target)) {
			(void)neighbour_learn(h, &f.from, LEARNED_TOLD, now_ns);
			return host_answer(h, &f, FRAME_ND_TELL, answer, room, ret_answer);
		}
		break;
	case FRAME_ARP_TELL:
		if (unicast && is_mine(h, f.to.ip)) {
			(void)neighbour_learn(h, &f.from, LEARNED_TOLD, now_ns);
			return HOST_DROP;
		}
		break;
	case FRAME_ND_TELL:
		memcpy(f.from.ip, f.target, FRAME_IP_BYTES);
		if (unicast && is_mine(h, f.to.ip)) {
			(void)neighbour_learn(h, &f.from, LEARNED_TOLD, now_ns);
			return HOST_DROP;
		}
		if (memcmp(f.to.ip, ip_all_nodes, FRAME_IP_BYTES) == 0 &&
		    neighbour_moved(h, &f.from, now_ns)) {
			return HOST_DROP;
		}
		break;
	case FRAME_ECHO_ASK:
		if (unicast && is_mine(h, f.to.ip)) {
			return host_answer(h, &f, FRAME_ECHO_TELL, answer, room, ret_answer);
		}
		break;
	case FRAME_MLD_ASK:
		return host_answer_group(h, f.target, answer, room, ret_answer);
	case FRAME_ECHO_TELL:
	case FRAME_MLD_TELL:
		break;
	}
	h->stats.other++;
	return HOST_DROP;
}

/* ------------------------------------------------------------------------ out */

size_t
host_datagram_max(const struct host *h)
{
	return h->datagram_max;
}

void
host_groups(const struct host_cfg *cfg, uint8_t ret[HOST_GROUPS][FRAME_MAC_BYTES])
{
	struct frame_end asked;

	alike(cfg->at.ip, &asked);
	memcpy(ret[0], asked.mac, FRAME_MAC_BYTES);
	memcpy(ret[1], mac_all_nodes, FRAME_MAC_BYTES);
}

/* Who has that address? Of IPv6 only those are asked whose address ends alike. */
static size_t
host_ask(struct host *h, const uint8_t ip[FRAME_IP_BYTES], uint8_t *p, uint64_t now_ns)
{
	bool v4 = frame_is_v4(ip);
	struct frame f = { .kind = v4 ? FRAME_ARP_ASK : FRAME_ND_ASK, .vlan = h->cfg.vlan };

	if (h->asked_ns != 0 && now_ns - h->asked_ns < HOST_ASK_NS) {
		return 0;
	}
	h->asked_ns = now_ns;
	memcpy(f.from.mac, h->cfg.mac, FRAME_MAC_BYTES);
	memcpy(f.from.ip, h->cfg.at.ip, FRAME_IP_BYTES);
	memcpy(f.target, ip, FRAME_IP_BYTES);
	if (v4) {
		memcpy(f.to.ip, ip, FRAME_IP_BYTES);
		memcpy(f.to.mac, mac_all, FRAME_MAC_BYTES);
	} else {
		alike(ip, &f.to);
	}
	return frame_small(p, FRAME_SMALL_MAX, &f);
}

size_t
host_announce(const struct host *h, uint8_t *p)
{
	bool v4 = frame_is_v4(h->cfg.at.ip);
	struct frame f = { .kind = v4 ? FRAME_ARP_ASK : FRAME_ND_TELL, .vlan = h->cfg.vlan };

	memcpy(f.from.mac, h->cfg.mac, FRAME_MAC_BYTES);
	memcpy(f.from.ip, h->cfg.at.ip, FRAME_IP_BYTES);
	memcpy(f.target, h->cfg.at.ip, FRAME_IP_BYTES);
	memcpy(f.to.ip, v4 ? h->cfg.at.ip : ip_all_nodes, FRAME_IP_BYTES);
	memcpy(f.to.mac, v4 ? mac_all : mac_all_nodes, FRAME_MAC_BYTES);
	return frame_small(p, FRAME_SMALL_MAX, &f);
}

size_t
host_join(const struct host *h, uint8_t *p)
{
	struct frame f = { .kind = FRAME_MLD_TELL, .vlan = h->cfg.vlan };

	if (frame_is_v4(h->cfg.at.ip)) {
		return 0;
	}
	memcpy(f.from.mac, h->cfg.mac, FRAME_MAC_BYTES);
	if (frame_is_of_link(h->cfg.at.ip)) { /* else from nobody: RFC 3590 */
		memcpy(f.from.ip, h->cfg.at.ip, FRAME_IP_BYTES);
	}
	alike(h->cfg.at.ip, &f.to);
	memcpy(f.target, f.to.ip, FRAME_IP_BYTES);
	return frame_small(p, FRAME_SMALL_MAX, &f);
}

int
host_write(struct host *h, const struct wire_addr *to, uint8_t *body, size_t len, uint64_t now_ns,
	   struct frame *f, size_t *ret_head, size_t *ret_ask)
{
	const struct host_neighbour *n;
	struct frame_tail tail = h->tail;

	*ret_ask = 0;
	h->tail = (struct frame_tail){ 0 };
	h->out_end = h->out_set ? h->datagram_max + 1 : 0;
	if (len > host_datagram_max(h)) {
		return MB_ERR_TOO_LARGE;
	}
	if (frame_is_v4(to->ip) != frame_is_v4(h->cfg.at.ip)) {
		return MB_ERR_INVALID;
	}
	if (tail.len > 0 && h->out_set && host_is_again(h, to, now_ns)) {
		*f = h->out;
		f->l2_bytes = FRAME_AGAIN_L2;
		f->l3_bytes = FRAME_AGAIN_L3;
		*ret_head = frame_udp_again_tail(body, len, tail, &h->out_again);
		return 0;
	}
	n = neighbour_find(h, to->ip, now_ns);
	if (n == NULL) {
		h->stats.asked++;
		*ret_ask = host_ask(h, to->ip, body, now_ns);
		return MB_ERR_NOT_FOUND;
	}
	*f = h->out;
	f->body = slice_of(body, len);
	f->tail = tail;
	memcpy(f->to.mac, n->mac, FRAME_MAC_BYTES);
	memcpy(f->to.ip, to->ip, FRAME_IP_BYTES);
	f->to.port = to->port;
	*ret_head = frame_udp(body, f);
	if (n == &h->neighbour[h->last] && !n->doubted && *ret_head == FRAME_AGAIN_BYTES) {
		frame_udp_keep(body, &h->out_again);
		h->out_to = *to;
		h->out_set = true;
		h->out_end = h->datagram_max + 1;
	}
	return 0;
}
