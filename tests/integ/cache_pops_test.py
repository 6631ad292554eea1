#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""cache_pops_test.py MICROBURST

Goal:   members of a long sorted set are popped in their order while others write to it, whether the
        cache has room for it or not; who waits for what is lent to others does not ask all the
        time, and is served when it is back; what a pop has taken it answers, also when the store
        has no memory for the rest.
Method: nodes with a small cache and a large one. Clients that pop beside clients that add and move
        members further back; readers that do not read; a store filled to its last byte.
"""
import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import until   # noqa: E402
from resp import GateTest   # noqa: E402

MICROBURST = sys.argv[1]
CNT, AT_ONCE = 200000, 1000
POPS, CONNS = 500, 4
LOANS = 48      # cache_core.h


def name(i):
    return b'member-%09d' % i


class Pops(GateTest):
    def start(self, *settings):
        super().start(MICROBURST, *settings)
        self.c = self.client()

    def beside(self, pops, writes):
        """Runs pops(client), some of them, while others write. Returns: what each returned."""
        got, wrong, over = [], [], threading.Event()

        def run(work, *args):
            try:
                got.append(work(self.client(), *args))
            except (AssertionError, OSError, EOFError) as error:
                wrong.append(error)

        def write(c, at):
            for k in range(at, 1 << 30, 2):
                if over.is_set():
                    break
                writes(c, k)

        writers = [threading.Thread(target=run, args=(write, i)) for i in range(2)]
        poppers = [threading.Thread(target=run, args=(pops,)) for _ in range(CONNS)]
        for t in writers + poppers:
            t.start()
        for t in poppers:
            t.join()
        over.set()
        for t in writers:
            t.join()
        self.assertEqual(wrong, [])
        return [some for some in got if some is not None]

    def sorted_set(self):
        for i in range(0, CNT, AT_ONCE):
            self.c('ZADD', 'zset', *(w for k in range(i, i + AT_ONCE)
                                     for w in (b'%d' % k, name(k))))

        def writes(c, k):
            self.assertIn(c('ZADD', 'zset', CNT + k, b'new-%d' % k), (0, 1))
            moved = CNT // 2 + k % (CNT // 2)
            c('ZADD', 'zset', 2 * CNT + k, name(moved))

        got = self.beside(lambda c: [c('ZPOPMIN', 'zset')[0] for _ in range(POPS)], writes)
        self.assertEqual(sorted(m for some in got for m in some),
                         [name(i) for i in range(CONNS * POPS)])
        for some in got:
            self.assertEqual(some, sorted(some))
        at = CONNS * POPS
        got = self.beside(lambda c: [c('ZPOPMIN', 'zset', 70) for _ in range(3)], writes)
        self.assertEqual(sorted(m for some in got for part in some for m in part[::2]),
                         [name(i) for i in range(at, at + CONNS * 3 * 70)])
        at, moved = at + CONNS * 3 * 70, set()

        def moves(c, k):    # those that are about to be taken
            some = at + k * 37 % (CONNS * POPS)
            if c('ZADD', 'zset', 'XX', 'CH', 9 * CNT + k, name(some)) == 1:
                moved.add(name(some))

        got = self.beside(lambda c: [m for i in range(POPS // 10)
                                     for m in c('ZPOPMIN', 'zset', 1 + i % 9)[::2]], moves)
        taken = [m for some in got for m in some]
        self.assertEqual(len(set(taken)), len(taken))
        self.assertFalse(set(taken) & moved)
        passed = {name(i) for i in range(at, int(max(taken)[7:]))} - set(taken)
        self.assertLessEqual(passed, moved)
        self.assertGreater(len(passed), 0)
        for some in got:
            self.assertEqual(some, sorted(some))

    def what_comes_before(self):
        """What is acknowledged before a pop, and comes before all others, is what it gets."""
        over = threading.Event()

        def write():
            c = self.client()
            for k in range(1 << 30):
                if over.is_set():
                    break
                c('ZADD', 'zset', 5 * CNT + k, b'more-%d' % k)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            c = self.c
            for i in range(20):
                self.assertEqual(c('ZADD', 'zset', -1 - i, b'first-%d' % i), 1)
                self.assertEqual(c('ZPOPMIN', 'zset'), [b'first-%d' % i, b'%d' % (-1 - i)])
                second = c('ZRANGE', 'zset', 0, 1)[1]
                self.assertEqual(c('ZINCRBY', 'zset', -CNT, second), c('ZSCORE', 'zset', second))
                self.assertEqual(c('ZPOPMIN', 'zset')[0], second)
        finally:
            over.set()
            writer.join()

    def test_longer_than_the_cache(self):
        self.start('cache.bytes=16m', 'kvs.bytes=512m')
        self.c('RPUSH', 'fills', *[b'x' * 4000] * 3000)     # there is no room beside it
        self.sorted_set()
        self.what_comes_before()
        until(lambda: self.metric('kvs_value_lent') == 0, 60, 'the store has back what it lent')

    def test_in_the_cache(self):
        self.start('cache.bytes=512m', 'kvs.bytes=512m')
        self.sorted_set()
        self.what_comes_before()

    def test_too_much_is_lent(self):
        """Who waits asks now and then, and gets it as soon as one has done with his."""
        self.start('cache.bytes=16m', 'kvs.bytes=512m', 'gate.slow=600s')
        keys = [b'set-%d' % i for i in range(8)]
        for key in keys:
            for i in range(0, CNT, AT_ONCE):
                self.c('SADD', key, *(key + name(k) + b'x' * 60 for k in range(i, i + AT_ONCE)))
        readers = [self.client() for _ in range(LOANS // len(keys))]
        for cnt, c in enumerate(readers, 1):
            c.say('SDIFF', *keys)
            until(lambda: self.metric('kvs_value_lent') == cnt * len(keys), 60,
                  f"{cnt * len(keys)} are lent, {self.metric('kvs_value_lent')} were")
        waits = self.client()
        waits.say('SISMEMBER', keys[0], 'x')
        time.sleep(0.2)
        asked, began = self.metric('gate_key_fetched'), time.monotonic()
        time.sleep(2)
        asked = self.metric('gate_key_fetched') - asked
        self.assertLess(asked / (time.monotonic() - began), 150)
        self.assertGreater(asked, 10)
        readers[0].close()
        self.assertEqual(waits.answer(), 0)

    def test_store_without_memory(self):
        """What is pinned leaves no memory for those who take: each item is answered, or there."""
        self.start('cache.bytes=16m', 'kvs.bytes=32m', 'gate.slow=600s')
        c, cnt, taken, refused = self.c, 0, set(), 0
        while c('SADD', 'set', *(name(k) + b'x' * 1000 for k in range(cnt, cnt + 50))) == 50:
            cnt += 50
        cnt = c('SCARD', 'set')
        for pins in range(20):
            holds = self.client()
            holds.say('SMEMBERS', 'set')
            until(lambda: self.metric('kvs_value_lent') > pins, 60, 'it is lent')
            for _ in range(5):
                some = c('SPOP', 'set', 300)
                refused += len(some) != 300
                if isinstance(some, list):
                    taken.update(some)
        self.assertGreater(refused, 0)
        print(len(taken), 'of', cnt, 'taken;', refused, 'refused')
        self.assertEqual(c('SCARD', 'set'), cnt - len(taken))


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
