/* SPDX-License-Identifier: Apache-2.0 */
/* desc - the 64-byte message that every link and channel carries
 *
 * One cache line: a head of 24 bytes that all kinds share, and 40 bytes that hold either the whole
 * payload or the place where it lies. What a kind puts into the words is said beside the kind's
 * name, here for the domain's own kinds and in the layer that owns them for the others.
 *
 * A descriptor that came from another process is copied to private memory before a field of it is
 * looked at (channel_recv does that), and each field is checked before it is used.
 */
#ifndef MB_RT_DESC_H
#define MB_RT_DESC_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domain_limits.h"

/* Kinds are numbered by layer, so that a stray one is recognised where it arrives. */
enum desc_kind {
	DESC_NONE = 0,

	/* domain: life of processes, payloads (this folder, control/ctl) */
	DESC_OPEN_REQ = 1, /* process -> ctl: a = executor's index; please open a direct channel */
	DESC_OPEN,         /* ctl -> executor: a = port at the receiver, open{} = the peer, b = 1 +
			    * the lcore that it sleeps in, of a tile of the daemon (inner.h); 0 */
	DESC_OPEN_ACK,     /* executor -> ctl: a = its port, err says whether it attached */
	DESC_OPENED,       /* ctl -> process: a = port at the receiver, open{} = the peer */
	DESC_CLOSE,        /* process -> ctl: a = its port, err = why; ctl -> peer: the same */
	DESC_DEAD,         /* ctl -> process: dead{}; answer with DEAD_ACK when let go */
	DESC_DEAD_ACK,     /* process -> ctl: dead{} as received */
	DESC_RELEASE,      /* consumer -> producer: release{} */
	DESC_SEG_GONE,     /* ctl -> process: release.proc's segment handle[0] is to be unmapped */
	DESC_PING,         /* ctl -> executor: answer with PONG, call as received */
	DESC_PONG,
	DESC_DRAIN, /* ctl -> executor: take no new call, exit when idle */
	DESC_LOOK,  /* process -> ctl: a = executor that owes it an answer: see that it is there */

	DESC_CALL_FIRST = 32,  /* calls: executor/call */
	DESC_CACHE_FIRST = 64, /* cache: cache/ */
	DESC_KVS_FIRST = 96,   /* store: lattice/kvs */
	DESC_KIND_CNT = 128,
};

enum desc_flag {
	DESC_F_INLINE = 1, /* the payload is data[0, len) ; otherwise ref{} says where it is */
};

/* One payload, in the slab of its producer's region (seg 0) or in a segment of its own.
 * off is from the start of that mapping. handle is the producer's name for it: a RELEASE that
 * carries it gives one reference back. */
struct payload_ref {
	uint32_t inc;
	uint16_t proc;
	uint16_t reserved;
	uint32_t seg;
	uint32_t handle;
	uint32_t len;
	uint32_t off;
};
static_assert(sizeof(struct payload_ref) == 24, "a reference fits beside 16 bytes of arguments");

/* Of a tile of the daemon, to a cache tile, a reference can be an address: seg says so. The bytes
 * are private anonymous memory that has no other use (kvs_act.h, gives). From any other process it
 * names nothing. */
#define PAYLOAD_SEG_OWN UINT32_MAX

static inline struct payload_ref
payload_ref_own(const void *p, size_t len)
{
	return (struct payload_ref){ .seg = PAYLOAD_SEG_OWN,
				     .handle = (uint32_t)((uintptr_t)p >> 32),
				     .off = (uint32_t)(uintptr_t)p,
				     .len = (uint32_t)len };
}

/* Requires: who sent it is a tile of this daemon, and ref->seg is PAYLOAD_SEG_OWN. */
static inline const uint8_t *
payload_own_ptr(const struct payload_ref *ref)
{
	return (const uint8_t *)((uintptr_t)ref->handle << 32 | ref->off);
}

struct desc {
	uint8_t kind;
	uint8_t flags;
	uint8_t len;   /* of the inline payload */
	uint8_t sub;   /* by kind */
	uint16_t a;    /* by kind */
	int16_t err;   /* MB_OK or a negative mb_err, where the kind is an answer */
	uint64_t call; /* which call this belongs to; 0: none */
	uint64_t b;    /* by kind; of a call the deadline */
	union {
		uint8_t data[DESC_INLINE_BYTES];
		uint64_t word[DESC_INLINE_BYTES / 8];
		struct {
			struct payload_ref ref;
			uint64_t ref_word[2]; /* by kind */
		};
		struct {
			uint16_t proc;
			uint16_t port; /* at the peer */
			uint32_t inc;
		} open;
		struct {
			uint32_t inc;
			uint16_t proc;
			uint16_t cause; /* enum death_cause */
			int32_t status; /* signal or exit status */
			uint32_t owed;  /* 1: it ran other calls while that one's answer was due */
			uint64_t published;    /* last call whose writes it published; 0: none */
			uint64_t published_ns; /* when they were accepted */
		} dead;
		struct {
			uint32_t inc; /* of the producer */
			uint16_t proc;
			uint16_t cnt;
			uint32_t handle[8];
		} release;
	};
};
static_assert(sizeof(struct desc) == DESC_BYTES, "a descriptor is one cache line");

enum death_cause {
	DEATH_EXIT = 1,  /* status: exit status */
	DEATH_SIGNAL,    /* status: signal */
	DEATH_HANGUP,    /* the socket closed, the process was let go */
	DEATH_NO_MEMORY, /* as SIGNAL, and it had no memory left (region_run.full) */
};

/* A call's name in the domain: the process that made it and that process's count, so it is unique
 * as long as the (index, incarnation) is. 0 is no call. */
#define CALL_SEQ_BITS 40

/* call_caller is the first half of it: who made it. */
static inline uint64_t
call_caller(uint64_t call)
{
	return call >> CALL_SEQ_BITS;
}

static inline uint64_t
call_id_by(uint64_t caller, uint64_t seq)
{
	return caller << CALL_SEQ_BITS | (seq & ((UINT64_C(1) << CALL_SEQ_BITS) - 1));
}

static inline uint64_t
call_caller_make(uint16_t proc, uint32_t inc)
{
	return (uint64_t)proc << 14 | (inc & 0x3fff);
}

static inline uint64_t
call_id_make(uint16_t proc, uint32_t inc, uint64_t seq)
{
	return call_id_by(call_caller_make(proc, inc), seq);
}

/* Whether a call is of an incarnation after `inc`, which is up to 8,191 away. */
static inline bool
call_id_is_after(uint64_t call, uint32_t inc)
{
	uint32_t ahead = ((uint32_t)call_caller(call) - inc) & 0x3fff;

	return ahead != 0 && ahead < 0x2000;
}

static inline uint16_t
call_id_proc(uint64_t call)
{
	return (uint16_t)(call >> 54);
}

static_assert(PROC_CNT_MAX <= 1 << 10, "ten bits of a call id are the process");

#endif
