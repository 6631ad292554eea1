#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""merge_test.py MICROBURST SOURCE

Goal:   every kind of value that merges can be written and read by functions and from the command
        line; values written at the same time stay beside each other until a merge of the user's
        makes one of them; a merge that is none is refused; an item is taken by one caller only.
Method: one node with three executors; the basket of the examples, and functions written here.
"""
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node   # noqa: E402

MICROBURST, SOURCE = sys.argv[1:3]
NODE = None

BROKEN = r"""
#include <microburst/function.h>
MB_MERGE(first, MB_SAMPLE("apple"), MB_SAMPLE("pear")) { return mb_merged_set(out, a); }
MB_FUNCTION(uses_first) { return mb_return_nil(call); }
"""

# rows() writes one of each, and reads what is there; what it is not pleased with it says.
FUNCTIONS = r"""
#include <microburst/function.h>
#define KEY(text) mb_str(text)
#define CHECK(what) \
    do { if (!(what)) { return mb_fail(call, "line %d: %s", __LINE__, #what); } } while (0)

static bool is(struct mb_slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

MB_MERGE(longer, MB_SAMPLE("a"), MB_SAMPLE("bb"), MB_SAMPLE("cc"))
{
    if (a.len != b.len) { return mb_merged_set(out, a.len > b.len ? a : b); }
    return mb_merged_set(out, memcmp(a.p, b.p, a.len) > 0 ? a : b);
}

MB_FUNCTION(rows_write)
{
    struct mb_part term = { .kind = MB_PART_MAX, .u64 = 3 };
    struct mb_part red = { .kind = MB_PART_MEMBER, .bytes = KEY("red") };

    MB_TRY(mb_merge_or(call, KEY("f/or"), true));
    MB_TRY(mb_merge_max(call, KEY("f/max"), UINT64_MAX));
    MB_TRY(mb_merge_min(call, KEY("f/min"), 7));
    MB_TRY(mb_merge_max_f64(call, KEY("f/maxf"), 0.5));
    MB_TRY(mb_merge_lww(call, KEY("f/lww"), KEY("at 5"), 5));
    MB_TRY(mb_incr(call, KEY("f/counter"), 4, NULL));
    MB_TRY(mb_gset_add(call, KEY("f/gset"), KEY("m")));
    MB_TRY(mb_sadd(call, KEY("f/orset"), KEY("m")));
    MB_TRY(mb_zadd(call, KEY("f/oset"), KEY("m"), 1.5));
    MB_TRY(mb_map_put(call, KEY("f/map"), KEY("k"), KEY("v")));
    MB_TRY(mb_push_right(call, KEY("f/list"), KEY("i")));
    MB_TRY(mb_merge_pair(call, KEY("f/pair"), &term, &red));
    MB_TRY(mb_merge_priority(call, KEY("f/priority"), -1, KEY("first")));
    MB_TRY(mb_merge_clock(call, KEY("f/clock"), 9, 2));
    MB_TRY(mb_put_sibling(call, KEY("f/mvreg"), KEY("one")));
    MB_TRY(mb_put_merged(call, KEY("f/merged"), "longer", KEY("bb")));
    return mb_put(call, KEY("f/string"), KEY("text"));
}

MB_FUNCTION(rows_read)
{
    struct mb_part first, second;
    struct mb_sibling_iter it;
    struct mb_slice s;
    uint32_t idx = 0;
    double score;
    uint64_t n;
    int64_t i;
    bool in;

    MB_TRY(mb_get(call, KEY("c/or"), &s));
    CHECK(is(s, "1"));
    MB_TRY(mb_get(call, KEY("c/max"), &s));
    CHECK(is(s, "18446744073709551615"));
    MB_TRY(mb_get_i64(call, KEY("c/min"), &i));
    CHECK(i == 7);
    MB_TRY(mb_get(call, KEY("c/maxf"), &s));
    CHECK(is(s, "0.5"));
    MB_TRY(mb_get(call, KEY("c/lww"), &s));
    CHECK(is(s, "at 5"));
    MB_TRY(mb_get_i64(call, KEY("c/counter"), &i));
    CHECK(i == 4);
    MB_TRY(mb_sismember(call, KEY("c/gset"), KEY("m"), &in));
    CHECK(in);
    MB_TRY(mb_sismember(call, KEY("c/orset"), KEY("m"), &in));
    CHECK(in);
    MB_TRY(mb_zscore(call, KEY("c/oset"), KEY("m"), &score));
    CHECK(score == 1.5);
    MB_TRY(mb_map_get(call, KEY("c/map"), KEY("k"), &s));
    CHECK(is(s, "v"));
    MB_TRY(mb_list_get(call, KEY("c/list"), 0, &s));
    CHECK(is(s, "i"));
    MB_TRY(mb_get_pair(call, KEY("c/pair"), &first, &second));
    CHECK(first.kind == MB_PART_MAX && first.u64 == 3);
    CHECK(mb_part_next(&second, &idx, &s) && is(s, "red") && !mb_part_next(&second, &idx, &s));
    MB_TRY(mb_get(call, KEY("c/priority"), &s));
    CHECK(is(s, "first"));
    MB_TRY(mb_get_clock(call, KEY("c/clock"), 9, &n));
    CHECK(n == 2);
    MB_TRY(mb_sibling_begin(call, KEY("c/mvreg"), &it));
    CHECK(mb_sibling_next(&it, &s) && is(s, "one") && !mb_sibling_next(&it, &s));
    MB_TRY(mb_get_merged(call, KEY("c/merged"), "longer", &s));
    CHECK(is(s, "bb"));
    MB_TRY(mb_get(call, KEY("c/string"), &s));
    CHECK(is(s, "text"));
    return mb_return_nil(call);
}

/* Takes an item and notes it: what two took would be noted once and counted twice. */
MB_FUNCTION(takes)
{
    struct mb_slice s;
    double score;
    int err = mb_take_left(call, KEY("jobs"), &s);

    if (err == 0) {
        MB_TRY(mb_incr(call, KEY("taken"), 1, NULL));
        MB_TRY(mb_sadd(call, KEY("taken by name"), s));
    } else if (err != MB_ERR_NOT_FOUND) {
        return err;
    }
    err = mb_take_lowest(call, KEY("ranked"), &s, &score);
    if (err == 0) {
        MB_TRY(mb_incr(call, KEY("taken"), 1, NULL));
        MB_TRY(mb_sadd(call, KEY("taken by name"), s));
    }
    return err == MB_ERR_NOT_FOUND ? 0 : err;
}

MB_FUNCTION(ends)
{
    int64_t at;

    MB_TRY(mb_put(call, KEY("short"), KEY("v")));
    MB_TRY(mb_expire(call, KEY("short"), INT64_C(4000000000000000)));
    MB_TRY(mb_flush(call));
    MB_TRY(mb_put_keep(call, KEY("short"), KEY("w")));
    MB_TRY(mb_flush(call));
    MB_TRY(mb_expires(call, KEY("short"), &at));
    return mb_return_i64(call, at);
}
"""


def setUpModule():
    global NODE
    NODE = Node(MICROBURST, '--set', 'executor.count=3')
    unittest.addModuleCleanup(NODE.remove)     # also when what follows fails
    Merges.source('rows', FUNCTIONS)
    for path in (os.path.join(NODE.folder, 'rows.c'), os.path.join(SOURCE, 'examples/basket.c')):
        code, _, err = NODE.run('deploy', path)
        if code != 0:
            raise RuntimeError(err)


class Merges(unittest.TestCase):
    @staticmethod
    def source(name, text):
        path = os.path.join(NODE.folder, name + '.c')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        return path

    def done(self, *args):
        code, out, err = NODE.run(*args)
        self.assertEqual(code, 0, err)
        return out.decode()

    def fails(self, *args, says=''):
        code, _, err = NODE.run(*args)
        self.assertEqual(code, 1, err)
        self.assertIn(says, err)

    def test_a_merge_that_is_none_is_refused(self):
        self.fails('deploy', self.source('broken', BROKEN),
                   says='the merge \'first\' is not commutative: merge("pear", "apple") = "pear"')
        self.fails('call', 'uses_first')

    def test_baskets_filled_at_once(self):
        words = [f'w{i:02}' for i in range(24)]
        threads = [threading.Thread(target=self.done, args=a) for a in
                   [('call', 'basket_add', 's:alice', 's:' + w) for w in words] +
                   [('set', '--merge', 'basket_union', 'alice', w + '_too') for w in words[:6]]]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        want = sorted(words + [w + '_too' for w in words[:6]])
        self.assertEqual(self.done('call', 'basket', 's:alice').strip().strip('"'), ' '.join(want))
        self.assertEqual(self.done('get', '--siblings', 'alice'), ' '.join(want) + '\n')
        self.fails('set', '--merge', 'other', 'alice', 'x')
        self.fails('incr', 'alice')

    def test_two_writers_stay_beside_each_other(self):
        self.done('set', '--sibling', 'two', 'a')
        self.done('set', '--sibling', 'two', 'b')
        self.assertEqual(sorted(self.done('get', '--siblings', 'two').split()), ['a', 'b'])
        self.assertEqual(self.done('get', 'two'), 'b')
        self.done('set', '--resolve', 'two', 'c')
        self.assertEqual(self.done('get', '--siblings', 'two'), 'c\n')
        self.done('del', 'two')
        self.fails('get', 'two')
        self.done('set', '--sibling', 'two', 'd')
        self.assertEqual(self.done('get', '--siblings', 'two'), 'd\n')
        self.done('set', 'plain', 'v')
        self.fails('set', '--sibling', 'plain', 'w')
        self.fails('get', '--siblings', 'plain', says='microburst get')

    def test_every_row_from_functions(self):
        self.done('call', 'rows_write')
        for key, text in (('or', '1'), ('max', '18446744073709551615'), ('min', '7'),
                          ('maxf', '0.5'), ('lww', 'at 5'), ('counter', '4'),
                          ('priority', 'first'), ('mvreg', 'one'), ('merged', 'bb'),
                          ('string', 'text')):
            self.assertEqual(self.done('get', 'f/' + key), text, key)
        for key, text in (('gset', 'm\n'), ('orset', 'm\n'), ('oset', 'm\t1.5\n'),
                          ('map', 'k\tv\n'), ('list', 'i\n'), ('pair', 'red\n'),
                          ('clock', '9\t2\n')):
            self.assertEqual(self.done('members', 'f/' + key), text, key)

    def test_every_row_from_the_command_line(self):
        for args in (('merge', 'c/or', 'or:1'), ('merge', 'c/max', 'max:18446744073709551615'),
                     ('merge', 'c/min', 'min:7'), ('merge', 'c/maxf', 'maxf:0.5'),
                     ('merge', 'c/lww', 'lww:5:at 5'), ('incr', 'c/counter', '4'),
                     ('merge', 'c/gset', 'member:m'), ('sadd', 'c/orset', 'm'),
                     ('zadd', 'c/oset', 'm', '1.5'), ('hset', 'c/map', 'k', 'v'),
                     ('push', 'c/list', 'i'), ('merge', 'c/pair', 'max:3', 'member:red'),
                     ('merge', 'c/priority', 'priority:-1:first'),
                     ('merge', 'c/clock', 'clock:9:2'), ('set', '--sibling', 'c/mvreg', 'one'),
                     ('set', '--merge', 'longer', 'c/merged', 'bb'), ('set', 'c/string', 'text')):
            self.done(*args)
        self.done('call', 'rows_read')
        # What loses changes nothing; what is of another kind is refused.
        self.done('merge', 'c/max', 'max:1')
        self.done('merge', 'c/lww', 'lww:4:before')
        self.done('merge', 'c/pair', 'max:2', 'member:late')
        self.done('call', 'rows_read')
        self.fails('merge', 'c/max', 'min:1', says='another kind')
        self.fails('merge', 'c/pair', 'max:3', 'lww:1:x', says='another kind')
        self.fails('merge', 'c/other', 'member:m', 'max:3')
        self.assertEqual(NODE.run('merge', 'c/max', 'most:1')[0], 2)
        self.assertEqual(NODE.run('merge', 'c/max', 'max:-1')[0], 2)

    def test_an_item_is_taken_once(self):
        cnt = 120
        self.done('push', 'jobs', *(f'job {i}' for i in range(cnt)))
        for i in range(30):
            self.done('zadd', 'ranked', f'ranked {i}', str(i % 7))
        poppers = [threading.Thread(target=self.done, args=('pop', '--left', 'jobs'))
                   for _ in range(10)]
        for t in poppers:
            t.start()
        self.done('call', 'takes', '--repeat', str(cnt - 10), '--parallel', '32')
        for t in poppers:
            t.join()
        self.done('call', 'takes', '--repeat', str(cnt), '--parallel', '32')
        self.fails('pop', 'jobs', says='no item')
        self.fails('zpop', 'ranked', says='no member')
        self.assertEqual(self.done('get', 'taken'), str(cnt - 10 + 30))
        self.assertEqual(len(self.done('members', 'taken by name').splitlines()), cnt - 10 + 30)

    def test_ranges(self):
        for name, score in (('c', 1), ('a', 3), ('b', 1)):
            self.done('zadd', 'order', name, str(score))
        self.assertEqual(self.done('zrange', 'order', '0', '-1'), 'b\t1\nc\t1\na\t3\n')
        self.assertEqual(self.done('zrange', 'order', '1', '1'), 'c\t1\n')
        self.assertEqual(self.done('zrange', '--by-score', 'order', '2', 'inf'), 'a\t3\n')
        self.assertEqual(self.done('zpop', 'order'), 'b\t1\n')
        self.assertEqual(self.done('zpop', '--highest', 'order'), 'a\t3\n')
        self.fails('zrange', 'no such', '0', '-1', says='no such sorted set')

    def test_deadlines_kept(self):
        self.assertEqual(self.done('call', 'ends').strip(), '4000000000000000')
        self.done('expire', 'short', '100s')
        self.done('set', '--keep', 'short', 'x')
        self.assertEqual(self.done('get', 'short'), 'x')
        self.assertNotEqual(NODE.run('set', '--keep', '--sibling', 'short', 'y')[0], 0)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
