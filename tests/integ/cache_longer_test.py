#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""cache_longer_test.py MICROBURST

Goal:   Redis clients read collections that are longer than the cache, and take items off them, as
        of any other: each item is given to one of them, in order, and nobody is refused.
Method: a node with a small cache, and a list, a set and a sorted set that are longer; or that fill
        most of it, so that there is no memory to change them. Clients that take beside each other.
"""
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import until   # noqa: E402
from resp import GateTest   # noqa: E402

MICROBURST = sys.argv[1]
LONG, FULL = 500000, 360000     # members: longer than a cache of 16 MiB; most of it
CONNS, AT_ONCE = 6, 1000


def name(i):
    return b'member-%09d' % i


class Longer(GateTest):
    CNT = LONG

    def setUp(self):
        self.start(MICROBURST, 'kvs.bytes=512m', 'cache.bytes=16m')
        self.c = self.client()

    def fill(self, *words, score=False):
        for i in range(0, self.CNT, AT_ONCE):
            items = [w for k in range(i, i + AT_ONCE)
                     for w in ((b'%d' % k, name(k)) if score else (name(k),))]
            self.c(*words, *items)

    def beside(self, work):
        """Runs work(client) for some clients beside each other. Returns: what each returned."""
        got, wrong = [], []

        def run():
            try:
                got.append(work(self.client()))
            except (AssertionError, OSError, EOFError) as error:
                wrong.append(error)

        threads = [threading.Thread(target=run) for _ in range(CONNS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual((wrong, len(got)), ([], CONNS))
        return got

    def quiet(self):
        """Values were lent, or the cache had room for them; and the store has all back."""
        self.assertGreater(self.metric('cache_value_lent'), 0)
        until(lambda: self.metric('kvs_value_lent') == 0, 60, 'the store has back what it lent')

    def test_list(self):
        self.fill('RPUSH', 'list')
        c, last = self.c, self.CNT - 1
        self.assertEqual(c('LRANGE', 'list', 0, 1), [name(0), name(1)])
        self.assertEqual(c('LINDEX', 'list', -1), name(last))
        got = self.beside(lambda c: [c('LPOP', 'list') for _ in range(200)])
        self.assertEqual(sorted(i for some in got for i in some),
                         [name(i) for i in range(CONNS * 200)])
        for some in got:
            self.assertEqual(some, sorted(some))
        at = CONNS * 200
        self.assertEqual(c('LPOP', 'list', 150), [name(at + i) for i in range(150)])
        at += 150
        self.assertEqual(c('RPOP', 'list', 3), [name(last - i) for i in range(3)])
        self.assertEqual(c('LMOVE', 'list', 'other', 'LEFT', 'RIGHT'), name(at))
        self.assertEqual(c('LMOVE', 'list', 'list', 'LEFT', 'RIGHT'), name(at + 1))
        self.assertEqual(c('LRANGE', 'list', -2, -1), [name(last - 3), name(at + 1)])
        self.assertEqual(c('BLPOP', 'list', 1), [b'list', name(at + 2)])
        self.assertEqual(c('LMPOP', 1, 'list', 'LEFT', 'COUNT', 2),
                         [b'list', [name(at + 3), name(at + 4)]])
        self.assertEqual(c('RPOPLPUSH', 'list', 'other'), name(at + 1))
        self.assertEqual(c('LRANGE', 'other', 0, -1), [name(at + 1), name(at)])
        self.assertEqual(c('LLEN', 'list'), self.CNT - at - 5 - 3)
        self.assertEqual(c('LPUSH', 'list', 'new'), self.CNT - at - 5 - 3 + 1)
        self.assertEqual(c('LPOP', 'list'), b'new')
        self.quiet()

    def test_set(self):
        self.fill('SADD', 'set')
        c = self.c
        self.assertEqual(c('SISMEMBER', 'set', name(5)), 1)
        got = self.beside(lambda c: [m for _ in range(40)
                                     for m in (c('SPOP', 'set'), *c('SPOP', 'set', 5))])
        taken = {m for some in got for m in some}
        self.assertEqual(len(taken), CONNS * 40 * 6)
        self.assertEqual(c('SCARD', 'set'), self.CNT - len(taken))
        more = c('SPOP', 'set', 200)
        self.assertEqual(len(set(more) - taken), 200)
        one = c('SRANDMEMBER', 'set')
        self.assertEqual(c('SMOVE', 'set', 'other', one), 1)
        self.assertEqual(c('SMISMEMBER', 'set', one, more[0], *list(taken)[:2]), [0] * 4)
        self.quiet()

    def test_sorted_set(self):
        self.fill('ZADD', 'zset', score=True)
        c, last = self.c, self.CNT - 1
        self.assertEqual(c('ZSCORE', 'zset', name(7)), b'7')
        got = self.beside(lambda c: [c('ZPOPMIN', 'zset')[0] for _ in range(100)])
        self.assertEqual(sorted(m for some in got for m in some),
                         [name(i) for i in range(CONNS * 100)])
        for some in got:
            self.assertEqual(some, sorted(some))
        at = CONNS * 100
        self.assertEqual(c('ZPOPMAX', 'zset'), [name(last), b'%d' % last])
        self.assertEqual(c('ZPOPMIN', 'zset', 3),
                         [w for i in range(at, at + 3) for w in (name(i), b'%d' % i)])
        self.assertEqual(c('ZADD', 'zset', -1, 'first'), 1)
        self.assertEqual(c('ZPOPMIN', 'zset'), [b'first', b'-1'])
        self.assertEqual(c('BZPOPMIN', 'zset', 1), [b'zset', name(at + 3), b'%d' % (at + 3)])
        self.assertEqual(c('ZADD', 'zset', self.CNT + 5, name(at + 4)), 0)    # it goes to the end
        self.assertEqual(c('ZPOPMIN', 'zset'), [name(at + 5), b'%d' % (at + 5)])
        self.assertEqual(c('ZCARD', 'zset'), self.CNT - at - 6)
        self.quiet()


    def test_watch(self):
        """A watched key that was changed, and changed back, is another; one that was not is not."""
        self.fill('RPUSH', 'list')
        c, other = self.c, self.client()
        for changed in (False, True):
            self.assertEqual(c('WATCH', 'list'), '+OK')
            self.assertEqual(other('LLEN', 'list'), self.CNT)
            for _ in range(changed * 50):
                self.assertEqual(other('LPUSH', 'list', 'new'), self.CNT + 1)
                self.assertEqual(other('LPOP', 'list'), b'new')
            self.assertEqual(c('MULTI'), '+OK')
            self.assertEqual(c('LINDEX', 'list', 0), '+QUEUED')
            self.assertEqual(c('EXEC'), None if changed else [name(0)])
        self.quiet()


class Strings(GateTest):
    setUp, quiet = Longer.setUp, Longer.quiet

    def test_string(self):
        c, size = self.c, 20 << 20
        value = bytes(range(256)) * (size // 256)
        self.assertEqual(c('SET', 'text', value), '+OK')
        self.assertEqual(c('STRLEN', 'text'), size)
        self.assertEqual(c('GETRANGE', 'text', size - 4, -1), b'\xfc\xfd\xfe\xff')
        self.assertEqual(c('APPEND', 'text', 'more'), size + 4)
        self.assertEqual(c('SETRANGE', 'text', 1, 'abc'), size + 4)
        self.assertEqual(c('GET', 'text'), b'\0abc' + value[4:] + b'more')
        self.assertEqual(c('GETDEL', 'text'), b'\0abc' + value[4:] + b'more')
        self.assertEqual(c('EXISTS', 'text'), 0)
        self.quiet()


class Many(GateTest):
    CNT, BESIDE = 50, 12    # more than are lent at once; together more than a gate asks for at once
    quiet = Longer.quiet

    def setUp(self):
        self.start(MICROBURST, 'kvs.bytes=1500m', 'cache.bytes=16m')

    def test_more_than_are_lent(self):
        """Commands that look at more long values than are lent at once come to their end, beside
        each other, too."""
        keys, size = ['key%d' % i for i in range(self.CNT)], 17 << 20
        c = self.client()
        for key in keys:
            self.assertEqual(c('SET', key, bytes(size)), '+OK')
        conns = [self.client() for _ in range(self.BESIDE)]
        for conn in conns:
            conn.say('EXISTS', *keys)
        for conn in conns:
            self.assertEqual(conn.answer(), self.CNT)
        self.assertEqual(c('STRLEN', keys[0]), size)
        self.quiet()


class Full(Longer):
    """Collections that fit the cache, and leave nothing there."""
    CNT = FULL


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
