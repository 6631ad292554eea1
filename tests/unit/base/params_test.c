/* SPDX-License-Identifier: Apache-2.0 */
/* Goal:   every row of params.def has a sound default and range, and its values survive the way
 *         through text; what is wrong is told by name, and changes nothing.
 * Method: walk the table; slips and wrong values with the sentence they must give; random values
 *         within each range. */
#include "params.h"

#include <microburst/error.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "param_value.h"
#include "rng.h"
#include "test_cmocka.h"
#include "test_seed.h"

static void
assert_refused(const char *name, const char *value, int err, const char *sentence)
{
	struct params before, p;
	char errbuf[PARAMS_ERR_BYTES] = "";

	params_default(&before);
	p = before;
	assert_int_equal(params_set(&p, name, value, errbuf), err);
	assert_string_equal(errbuf, sentence);
	assert_memory_equal(&p, &before, sizeof(p));
}

static void
an_unknown_name_suggests_the_nearest(void **state)
{
	static const struct {
		const char *name, *sentence;
	} slips[] = {
		{ "executor.cuont",
		  "'executor.cuont': no such parameter; did you mean executor.count?" },
		{ "executor.coun",
		  "'executor.coun': no such parameter; did you mean executor.count?" },
		{ "cach.bytes", "'cach.bytes': no such parameter; did you mean cache.bytes?" },
		{ "kvs_tiles", "'kvs_tiles': no such parameter; did you mean kvs.tiles?" },
		{ "queue_max", "'queue_max': no such parameter; did you mean sched.queue_max?" },
		{ "Log.Level", "'Log.Level': no such parameter; did you mean log.level?" },
		{ "colour.of.the.sky", "'colour.of.the.sky': no such parameter" },
		{ "", "'': no such parameter" },
		{ "\x1b[2J\n", "'?[2J?': no such parameter" },
	};

	for (size_t i = 0; i < ARRAY_CNT(slips); i++) {
		assert_refused(slips[i].name, "1", MB_ERR_NOT_FOUND, slips[i].sentence);
	}
}

static void
a_wrong_value_tells_what_was_expected_and_found(void **state)
{
	assert_refused("kvs.tiles", "0", MB_ERR_CONFIG,
		       "kvs.tiles: expected a whole number from 1 to 32 (tiles), found '0'");
	assert_refused(
		"executor.spin", "50", MB_ERR_CONFIG,
		"executor.spin: expected a duration from 0 to 1s (with its unit: ns, us, ms, s, "
		"min, h), found '50'");
	assert_refused(
		"cache.bytes", "lots", MB_ERR_CONFIG,
		"cache.bytes: expected bytes from 16m to 1024g (k, m or g behind the number), "
		"found 'lots'");
	assert_refused("node.hugepages", "maybe", MB_ERR_CONFIG,
		       "node.hugepages: expected one of auto|yes|no, found 'maybe'");
	assert_refused(
		"node.socket", "/tmp/#", MB_ERR_CONFIG,
		"node.socket: expected a path (at most 255 bytes; no '#', no control characters, "
		"no blanks around), found '/tmp/#'");
	assert_refused("net.listen", "a#b", MB_ERR_CONFIG,
		       "net.listen: expected an address (at most 255 bytes; no '#', no control "
		       "characters, no blanks around), found 'a#b'");
	assert_refused("net.vlan", "4095", MB_ERR_CONFIG,
		       "net.vlan: expected a whole number from 0 to 4094, found '4095'");
}

static void
endless_input_is_cut_in_the_sentence(void **state)
{
	static char endless[100000];
	char errbuf[PARAMS_ERR_BYTES];
	struct params p;

	memset(endless, 'z', sizeof(endless) - 1);
	params_default(&p);
	assert_int_equal(params_set(&p, endless, "1", errbuf), MB_ERR_NOT_FOUND);
	assert_non_null(strstr(errbuf, "zzz...': no such parameter"));
	assert_int_equal(params_set(&p, "kvs.tiles", endless, errbuf), MB_ERR_CONFIG);
	assert_non_null(strstr(errbuf, "zzz...'"));
	assert_int_equal(params_get(&p, endless, endless), MB_ERR_NOT_FOUND);
}

static void
each_row_is_sound(void **state)
{
	const struct param *row;
	const char *section = "";

	for (size_t i = 0; (row = params_row(i)) != NULL; i++) {
		uint64_t n;

		/* A section is in one piece: a configuration file may name it only once. */
		if (strcmp(section, row->section) != 0) {
			section = row->section;
			for (size_t j = 0; j < i; j++) {
				assert_string_not_equal(params_row(j)->section, section);
			}
		}

		assert_ptr_equal(params_find(row->name), row); /* so no name comes twice */
		assert_non_null(strchr(row->name, '.'));
		if (row->type == PARAM_TYPE_str) {
			assert_true(param_str_accepts(row, row->initial));
		} else {
			assert_true(param_number_accepts(row, row->initial, &n));
			assert_true(param_number_accepts(row, row->min, &n));
			assert_true(param_number_accepts(row, row->max, &n));
		}
	}
}

static void
any_value_in_range_round_trips(void **state)
{
	const struct param *row;
	struct rng rng;

	rng_init(&rng, test_seed("params"));
	for (size_t i = 0; (row = params_row(i)) != NULL; i++) {
		for (int round = 0; round < 100; round++) {
			char in[PARAM_STR_BYTES] = "", out[PARAM_STR_BYTES],
			     errbuf[PARAMS_ERR_BYTES];
			struct params a, b;
			uint64_t min, max;

			if (row->type == PARAM_TYPE_str) {
				const char *words = row->unit;

				if (strchr(words, '|') == NULL) {
					words = "/run/a.sock|0-3,8|x y";
				}
				for (uint64_t skip = rng_below(&rng, 3); skip > 0; skip--) {
					words = strchr(words, '|') + 1;
				}
				memcpy(in, words, strcspn(words, "|"));
			} else {
				assert_true(param_number_parse(row->type, row->min, &min));
				assert_true(param_number_parse(row->type, row->max, &max));
				param_number_format(row->type, rng_range(&rng, min, max), in);
			}
			params_default(&a);
			b = a;
			assert_int_equal(params_set(&a, row->name, in, errbuf), MB_OK);
			assert_int_equal(params_get(&a, row->name, out), MB_OK);
			assert_string_equal(in, out);
			assert_int_equal(params_set(&b, row->name, out, errbuf), MB_OK);
			assert_memory_equal(&a, &b, sizeof(a));
		}
	}
}

static void
fields_have_their_values(void **state)
{
	char errbuf[PARAMS_ERR_BYTES];
	struct params p;

	params_default(&p);
	assert_int_equal(p.executor_spin, 50000);
	assert_int_equal(p.cache_bytes, 256 << 20);
	assert_int_equal(p.client_count_max, 256);
	assert_string_equal(p.node_hugepages, "auto");
	assert_int_equal(params_set(&p, "executor.deadline_grace", "1s", errbuf), MB_OK);
	assert_int_equal(p.executor_deadline_grace, 1000000000);
	assert_int_equal(params_set(&p, "node.socket", "/tmp/a long path.sock", errbuf), MB_OK);
	assert_int_equal(params_set(&p, "node.socket", "/s", errbuf), MB_OK);
	assert_string_equal(p.node_socket, "/s");
	assert_int_equal(p.node_socket[4], 0); /* nothing of the longer one is left */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_unknown_name_suggests_the_nearest),
		cmocka_unit_test(a_wrong_value_tells_what_was_expected_and_found),
		cmocka_unit_test(endless_input_is_cut_in_the_sentence),
		cmocka_unit_test(each_row_is_sound),
		cmocka_unit_test(any_value_in_range_round_trips),
		cmocka_unit_test(fields_have_their_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
