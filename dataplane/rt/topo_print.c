/* SPDX-License-Identifier: Apache-2.0 */
/* topo_print.c - the plan in columns
 *
 * A table a kind of thing, in the order in which the node starts them. Executors and client cpus
 * are one row as long as they differ in their cpus only: on a large machine there are dozens.
 */
#include "topo.h"

#include <inttypes.h>

#include "compiler.h"

static const char *
yes(bool b)
{
	return b ? "yes" : "-";
}

static const char *
full_text(enum link_full full)
{
	return full == LINK_DROP_NEWEST ? "drop newest" : "hold back";
}

/* "1.5 MiB", the largest unit that leaves at least one before the point. */
static const char *
bytes_text(uint64_t bytes, char *buf, size_t buf_bytes)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t u = 0;
	double v = (double)bytes;

	while (v >= 1024 && u + 1 < ARRAY_CNT(unit)) {
		v /= 1024;
		u++;
	}
	snprintf(buf, buf_bytes, u == 0 ? "%.0f %s" : "%.1f %s", v, unit[u]);
	return buf;
}

static uint16_t
numa_os(const struct topo *t, uint16_t numa)
{
	return t->numa[numa].os_idx;
}

static void
machine_print(const struct topo *t, FILE *out)
{
	char buf[32];

	fprintf(out, "%-8s%7s%7s%12s\n", "numa", "cores", "cpus", "memory");
	for (uint32_t i = 0; i < t->numa_cnt; i++) {
		const struct place_numa *n = &t->numa[i];

		fprintf(out, "%-8u%7u%7u%12s\n", n->os_idx, n->core_cnt, n->cpu_cnt,
			n->memory_bytes == 0 ? "unknown"
					     : bytes_text(n->memory_bytes, buf, sizeof(buf)));
	}
	fprintf(out, "%-8s%7u%7u\n", "total", t->core_cnt, t->cpu_cnt);
}

static void
lcores_print(const struct topo *t, FILE *out)
{
	fprintf(out, "\n%-8s%5s%6s  %-8s%s\n", "lcore", "cpu", "numa", "shared", "tiles");
	for (uint32_t i = 0; i < t->lcore_cnt; i++) {
		const struct topo_lcore *lcore = &t->lcore[i];

		fprintf(out, "%-8u%5u%6u  %-8s", i, lcore->cpu, numa_os(t, lcore->numa),
			yes(lcore->shared));
		for (uint32_t j = 0, n = 0; j < t->tile_cnt; j++) {
			if (t->tile[j].lcore == i) {
				fprintf(out, "%s%s", n++ > 0 ? " " : "", t->tile[j].name);
			}
		}
		fputc('\n', out);
	}
}

static void
links_print(const struct topo *t, FILE *out)
{
	fprintf(out, "\n%-20s%7s  %-13s%4s  %s\n", "link", "depth", "when full", "numa", "wakes");
	for (uint32_t i = 0; i < t->link_cnt; i++) {
		const struct topo_link *link = &t->link[i];

		fprintf(out, "%-20s%7" PRIu32 "  %-13s%4u  %s\n", link->name, link->depth,
			full_text(link->full), numa_os(t, link->numa), yes(!link->same_lcore));
	}
}

/* Where one executor, spare or spinning client sits. */
struct seat {
	uint16_t cpu, numa;
	bool shared;
};

typedef struct seat seat_fn(const struct topo *t, uint32_t i);

static struct seat
executor_seat(const struct topo *t, uint32_t i)
{
	const struct topo_executor *e = &t->executor[i];

	return (struct seat){ e->cpu, e->numa, e->shared };
}

static struct seat
spare_seat(const struct topo *t, uint32_t i)
{
	const struct topo_executor *e = &t->spare[i];

	return (struct seat){ e->cpu, e->numa, e->shared };
}

static struct seat
client_seat(const struct topo *t, uint32_t i)
{
	const struct topo_client_cpu *c = &t->client_cpu[i];

	return (struct seat){ c->cpu, c->numa, c->shared };
}

/* "4-6,8-10": the cpus of first..last, in their order, consecutive ones folded. */
static void
cpus_print(const struct topo *t, seat_fn *seat, uint32_t first, uint32_t last, FILE *out)
{
	for (uint32_t i = first; i <= last;) {
		uint32_t from = i++;

		while (i <= last && seat(t, i).cpu == seat(t, from).cpu + (i - from)) {
			i++;
		}
		fprintf(out, "%s%u", from > first ? "," : "", seat(t, from).cpu);
		if (i - from > 1) {
			fprintf(out, "-%u", seat(t, i - 1).cpu);
		}
	}
	fputc('\n', out);
}

/* A row for each run of seats that differ in nothing but their cpus. */
static void
seats_print(const struct topo *t, const char *title, uint32_t cnt, seat_fn *seat, FILE *out)
{
	fprintf(out, "\n%-13s%4s  %-8s%s\n", title, "numa", "shared", "cpus");
	for (uint32_t i = 0; i < cnt;) {
		uint32_t first = i++;
		struct seat is = seat(t, first);
		char who[24];

		while (i < cnt && seat(t, i).numa == is.numa && seat(t, i).shared == is.shared) {
			i++;
		}
		snprintf(who, sizeof(who), i - first > 1 ? "%u-%u" : "%u", first, i - 1);
		fprintf(out, "%-13s%4u  %-8s", who, numa_os(t, is.numa), yes(is.shared));
		cpus_print(t, seat, first, i - 1, out);
	}
}

static void
memory_print(const struct topo *t, FILE *out)
{
	char one[32], all[32];

	fprintf(out, "\n%-20s%6s%7s%14s%14s\n", "memory", "numa", "count", "each", "together");
	for (uint32_t i = 0; i < t->memory_cnt; i++) {
		const struct topo_memory *m = &t->memory[i];

		fprintf(out, "%-20s%6u%7" PRIu32 "%14s%14s\n", m->name, numa_os(t, m->numa), m->cnt,
			bytes_text(m->bytes, one, sizeof(one)),
			bytes_text(m->cnt * m->bytes, all, sizeof(all)));
	}
	fprintf(out, "%-20s%41s\n", "total",
		bytes_text(topo_memory_bytes(t, PLACE_NUMA_ANY), all, sizeof(all)));
}

void
topo_print(const struct topo *topo, FILE *out)
{
	machine_print(topo, out);
	lcores_print(topo, out);
	links_print(topo, out);
	seats_print(topo, "executor", topo->executor_cnt, executor_seat, out);
	seats_print(topo, "spare", topo->spare_cnt, spare_seat, out);
	seats_print(topo, "client cpu", topo->client_cpu_cnt, client_seat, out);
	memory_print(topo, out);
}
