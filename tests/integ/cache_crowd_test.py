#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""cache_crowd_test.py MICROBURST

Goal:   a set that fills the cache is made smaller by many beside each other, clients and functions,
        and none of them is refused.
Method: a node with a small cache and one set in it; removals of all its members but a few, while
        somebody asks for members all the time.
"""
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from resp import GateTest   # noqa: E402

MICROBURST = sys.argv[1]
CNT, AT_ONCE, CONNS, STAY = 360000, 100, 8, 10
REMOVES = r"""
#include <microburst/function.h>
#include <stdio.h>

MB_FUNCTION(removes)    /* (from, to, step, n): each of these members, n at a time */
{
    struct mb_slice key = mb_str("set");
    int64_t from, to, step, n, cnt = 0;
    char text[32];
    bool is;

    MB_TRY(mb_arg_i64(call, 0, &from));
    MB_TRY(mb_arg_i64(call, 1, &to));
    MB_TRY(mb_arg_i64(call, 2, &step));
    MB_TRY(mb_arg_i64(call, 3, &n));
    for (int64_t i = from; i < to; i += step) {
        struct mb_slice member = { text, (size_t)snprintf(text, sizeof(text), "member-%09lld",
                                                          (long long)i) };

        MB_TRY(mb_srem(call, key, member));
        if (++cnt % n == 0) {
            MB_TRY(mb_flush(call));
        }
    }
    return mb_return_i64(call, from);
}
"""


def member(i):
    return b'member-%09d' % i


class Crowd(GateTest):
    def setUp(self):
        self.start(MICROBURST, 'kvs.bytes=256m', 'cache.bytes=16m', 'executor.count=2')
        c = self.client()
        for i in range(0, CNT, 1000):
            self.assertEqual(c('SADD', 'set', *(member(k) for k in range(i, i + 1000))), 1000)
        self.assertEqual(c('SISMEMBER', 'set', member(0)), 1)   # it is in the cache

    def beside(self, *threads, stays=(1,)):
        """Runs them all, while somebody asks for members."""
        wrong, over = [], threading.Event()

        def run(work, *args):
            try:
                work(*args)
            except (AssertionError, OSError, EOFError) as error:
                wrong.append(error)

        def ask():
            c = self.client()
            while not over.is_set():
                self.assertIn(c('SISMEMBER', 'set', member(CNT - 1)), stays)

        asker = threading.Thread(target=run, args=(ask,))
        running = [threading.Thread(target=run, args=t) for t in threads]
        for t in (asker, *running):
            t.start()
        for t in running:
            t.join()
        over.set()
        asker.join()
        self.assertEqual(wrong, [])

    def left(self, want, crowded=True):
        self.assertEqual(set(self.client()('SMEMBERS', 'set')), {member(i) for i in want})
        if crowded:     # or the cache was not full
            self.assertGreater(self.metric('cache_copy_crowded'), 0)

    def test_clients(self):
        def remove(at):
            c, answers = self.client(), {}
            mine = range(at, CNT - STAY, CONNS)
            for i in range(0, len(mine), AT_ONCE):
                some = mine[i:i + AT_ONCE]
                for k in some:
                    c.say('SREM', 'set', member(k))
                for k in some:
                    said = c.answer()
                    answers[said] = answers.get(said, 0) + 1
            self.assertEqual(answers, {1: len(mine)})

        self.beside(*((remove, i) for i in range(CONNS)))
        self.left(range(CNT - STAY, CNT))

    def test_pops(self):
        """Each client takes others, and what is left is what nobody took."""
        taken = []

        def pop():
            c = self.client()
            mine = [c('SPOP', 'set') for _ in range(200)]
            taken.extend(mine)

        self.beside(*((pop,) for _ in range(CONNS)), stays=(0, 1))
        self.assertEqual(len(set(taken)), CONNS * 200)
        self.left(set(range(CNT)) - {int(m[7:]) for m in taken})

    def functions(self, at_once):
        self.node.deploy(REMOVES)
        half, calls = CNT // 2, 4

        def remove(at):
            for i in range(at, half, half // 10):
                code, _, err = self.node.run('call', 'removes', str(i),
                                             str(min(half, i + half // 10)), str(calls),
                                             str(at_once))
                self.assertEqual((code, err), (0, ''))

        self.beside(*((remove, i) for i in range(calls)))
        self.left(range(half, CNT), at_once == 20)

    def test_functions(self):
        self.functions(20)

    def test_long_sets(self):
        """Of several KiB, which are copied to the cache, and need memory there."""
        self.functions(200)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
