/* SPDX-License-Identifier: Apache-2.0 */
#include "part.h"

#include <assert.h>

#include "gset.h"
#include "lattice.h"
#include "lww.h"
#include "microburst/error.h"
#include "pair_lex.h"
#include "priority.h"
#include "scalar.h"
#include "vclock.h"

static_assert(PART_OVERHEAD >= LWW_OVERHEAD, "over the bytes of each kind");
static_assert(PART_OVERHEAD >= PRIORITY_OVERHEAD, "over the bytes of each kind");
static_assert(PART_OVERHEAD >= TABLE_ITEM_OVERHEAD, "over the bytes of each kind");
static_assert(PART_OVERHEAD >= VCLOCK_ENTRY_BYTES, "over the bytes of each kind");
static_assert(PART_PAIR_MAX >= 2 * PART_BYTES_MAX + PAIR_LEX_OVERHEAD, "two parts");

int
part_write(const struct mb_part *part, unsigned int *ret_type, struct wbuf *out)
{
	struct slice bytes = slice_of(part->bytes.p, part->bytes.len);

	switch (part->kind) {
	case MB_PART_NONE:
		*ret_type = LATTICE_ABSENT;
		return 0;
	case MB_PART_OR:
		*ret_type = LATTICE_BOOL_OR;
		return bool_or_delta(part->u64 != 0, out);
	case MB_PART_MAX:
		*ret_type = LATTICE_MAX_U64;
		return u64_delta(part->u64, out);
	case MB_PART_MIN:
		*ret_type = LATTICE_MIN_U64;
		return u64_delta(part->u64, out);
	case MB_PART_MAX_F64:
		*ret_type = LATTICE_MAX_F64;
		return max_f64_delta(part->f64, out);
	case MB_PART_PRIORITY:
		*ret_type = LATTICE_PRIORITY;
		return priority_delta(part->number, bytes, out);
	case MB_PART_LWW:
		*ret_type = LATTICE_LWW;
		return lww_delta_set((struct stamp){ .time = hlc_time_of_us(part->u64) }, bytes,
				     out);
	case MB_PART_MEMBER:
		*ret_type = LATTICE_GSET;
		return gset_delta_add(&bytes, 1, out);
	case MB_PART_CLOCK:
		*ret_type = LATTICE_VCLOCK;
		return part->number <= 0 ? MB_ERR_INVALID
					 : vclock_delta((struct writer_id){ part->u64 },
							(uint64_t)part->number, out);
	default:
		return MB_ERR_INVALID;
	}
}

int
part_pair_write(const struct mb_part *first, const struct mb_part *second, struct wbuf *out)
{
	uint8_t first_mem[PART_BYTES_MAX], second_mem[PART_BYTES_MAX];
	struct wbuf f = wbuf_init(first_mem, sizeof(first_mem));
	struct wbuf s = wbuf_init(second_mem, sizeof(second_mem));
	struct pair_lex pair;
	int err = part_write(first, &pair.first_type, &f);

	if (err == 0) {
		err = part_write(second, &pair.second_type, &s);
	}
	if (err != 0) {
		return err;
	}
	pair.first = wbuf_slice(&f);
	pair.second = wbuf_slice(&s);
	return pair_lex_write(&pair, out);
}

int
part_read(unsigned int type, struct slice state, struct mb_part *ret)
{
	struct slice bytes = slice_of(NULL, 0);
	struct stamp stamp;
	bool flag;
	int err = 0;

	*ret = (struct mb_part){ .kind = MB_PART_NONE };
	switch (type) {
	case LATTICE_ABSENT:
		return 0;
	case LATTICE_BOOL_OR:
		ret->kind = MB_PART_OR;
		err = bool_or_read(state, &flag);
		ret->u64 = err == 0 && flag;
		return err;
	case LATTICE_MAX_U64:
	case LATTICE_MIN_U64:
		ret->kind = type == LATTICE_MAX_U64 ? MB_PART_MAX : MB_PART_MIN;
		return u64_read(state, &ret->u64);
	case LATTICE_MAX_F64:
		ret->kind = MB_PART_MAX_F64;
		return max_f64_read(state, &ret->f64);
	case LATTICE_PRIORITY:
		ret->kind = MB_PART_PRIORITY;
		err = priority_read(state, &bytes, &ret->number);
		break;
	case LATTICE_LWW:
		ret->kind = MB_PART_LWW;
		err = lww_read(state, &bytes, &stamp);
		ret->u64 = err == 0 ? hlc_time_us(stamp.time) : 0;
		break;
	case LATTICE_GSET:
	case LATTICE_VCLOCK:
		ret->kind = type == LATTICE_GSET ? MB_PART_MEMBER : MB_PART_CLOCK;
		bytes = state;
		break;
	default:
		return MB_ERR_TYPE;
	}
	ret->bytes = mb_slice_of(bytes.p, bytes.len);
	return err;
}
