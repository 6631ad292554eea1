#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_larger_test.py MICROBURST

Goal:   a key whose value is longer than all of the cache is a key like others: it is deleted, asked
        what it is, given a deadline, read and popped; what needs it in the cache is refused, with
        words that say why.
Method: a node with a small cache. Collections and a string that are pushed past it, item by item.
"""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node   # noqa: E402
from resp import Raw, port_of   # noqa: E402

MICROBURST = sys.argv[1]
NODE = {}
CNT, ITEM, AT_ONCE = 6400, 4000, 64     # 25 MiB, where the cache has 16
LONG = 5000     # an item that goes by reference
LONGER = '-OOM the value is longer than cache.bytes'


def setUpModule():
    NODE['node'] = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', '--set', 'cache.bytes=16m',
                        '--set', 'kvs.bytes=256m')
    unittest.addModuleCleanup(NODE['node'].remove)
    NODE['port'] = port_of(NODE['node'])


class Larger(unittest.TestCase):
    def setUp(self):
        self.c = Raw(NODE['port'])
        self.addCleanup(self.c.close)
        self.assertEqual(self.c('FLUSHALL'), '+OK')

    def fill(self, kind, key):
        for i in range(0, CNT, AT_ONCE):
            items = [b'%06d' % k + b'x' * ITEM for k in range(i, i + AT_ONCE)]
            if kind == 'list':      # several in one command would be done in the cache
                for item in items:
                    self.c.say('RPUSH', key, item)
                self.assertEqual([self.c.answer() for _ in items],
                                 list(range(i + 1, i + AT_ONCE + 1)))
                continue
            words = {'set': ('SADD', key, *items),
                     'hash': ('HSET', key, *(x for k in items for x in (k[:6], k)))}[kind]
            self.assertEqual(self.c(*words), AT_ONCE)

    def is_asked(self, key, kind, length):
        c = self.c
        self.assertEqual(c('EXISTS', key, 'none', key), 2)
        self.assertEqual(c('TYPE', key), '+' + kind)
        self.assertEqual(c({'list': 'LLEN', 'set': 'SCARD', 'hash': 'HLEN',
                            'string': 'STRLEN'}[kind], key), length)
        self.assertEqual(c('ZCARD', key)[:10], '-WRONGTYPE')
        self.assertEqual(c('TTL', key), -1)
        self.assertEqual(c('PERSIST', key), 0)
        self.assertEqual(c('EXPIREAT', key, 4000000000), 1)
        self.assertEqual(c('EXPIRETIME', key), 4000000000)
        self.assertEqual(c('PEXPIRETIME', key), 4000000000000)
        self.assertTrue(0 < c('PTTL', key) < 4000000000000)
        self.assertEqual(c('PERSIST', key), 1)
        self.assertEqual(c('PERSIST', key), 0)
        self.assertEqual(c('TTL', key), -1)
        self.assertIn(key.encode(), c('SCAN', 0, 'COUNT', 1000, 'TYPE', kind)[1])

    def is_gone(self, key):
        c = self.c
        self.assertEqual(c('EXISTS', key), 0)
        self.assertEqual(c('TYPE', key), '+none')
        self.assertEqual(c('TTL', key), -2)
        self.assertEqual(c('DEL', key), 0)
        self.assertEqual(c('RPUSH', key, 'a'), 1)   # and of any type again
        self.assertEqual(c('LRANGE', key, 0, -1), [b'a'])
        self.assertEqual(c('DEL', key), 1)

    def test_a_list(self):
        c = self.c
        self.fill('list', 'l')
        self.is_asked('l', 'list', CNT)
        first = b'000000' + b'x' * ITEM
        self.assertEqual(c('LINDEX', 'l', 0), first)
        self.assertEqual(c('LRANGE', 'l', 0, 1), [first, b'000001' + b'x' * ITEM])
        self.assertEqual(c('RPUSH', 'l', 'x' * LONG)[:len(LONGER)], LONGER)
        self.assertEqual(c('LPOP', 'l'), first)
        self.assertEqual(c('RPUSH', 'l', 'one more'), CNT)
        self.assertEqual(c('LLEN', 'l'), CNT)
        self.assertEqual(c('DEL', 'none', 'l'), 1)
        self.is_gone('l')

    def test_a_set(self):
        self.fill('set', 's')
        self.is_asked('s', 'set', CNT)
        self.assertEqual(self.c('SREM', 's', 'none'), 0)
        self.assertEqual(self.c('SADD', 's', 'x' * LONG)[:len(LONGER)], LONGER)
        self.assertEqual(len(self.c('SPOP', 's')), 6 + ITEM)
        self.assertEqual(self.c('SCARD', 's'), CNT - 1)
        self.assertEqual(self.c('UNLINK', 's', 's'), 1)
        self.is_gone('s')

    def test_a_hash_in_a_transaction(self):
        c = self.c
        self.fill('hash', 'h')
        self.is_asked('h', 'hash', CNT)
        self.assertEqual(c('MULTI'), '+OK')
        for words in (('HLEN', 'h'), ('EXISTS', 'h'), ('DEL', 'h'), ('EXISTS', 'h'),
                      ('HSET', 'h', 'f', 'v'), ('HGETALL', 'h')):
            self.assertEqual(c(*words), '+QUEUED')
        got = c('EXEC')
        self.assertEqual(got[:5], [CNT, 1, 1, 0, 1])
        self.assertEqual(len(got[5]), 1 if isinstance(got[5], dict) else 2)
        self.assertEqual(c('DEL', 'h'), 1)
        self.is_gone('h')

    def test_a_string(self):
        c = self.c
        length = 20 << 20
        self.assertEqual(c('SET', 'k', b'v' * length), '+OK')
        self.is_asked('k', 'string', length)
        self.assertEqual(c('GET', 'k'), b'v' * length)
        self.assertEqual(c('DEL', 'k'), 1)
        self.is_gone('k')

    def test_a_pipeline(self):
        """What stands behind a delete sees it, and others do not wait."""
        self.fill('list', 'p')
        other = Raw(NODE['port'])
        self.addCleanup(other.close)
        for words in (('EXISTS', 'p'), ('DEL', 'p'), ('RPUSH', 'p', 'a'), ('LRANGE', 'p', 0, -1)):
            self.c.say(*words)
        self.assertEqual(other('SET', 'other', '1'), '+OK')
        self.assertEqual([self.c.answer() for _ in range(4)], [1, 1, 1, [b'a']])

    def test_all_keys_go(self):
        self.fill('list', 'f')
        self.assertEqual(self.c('FLUSHALL'), '+OK')
        self.assertEqual(self.c('DBSIZE'), 0)
        self.is_gone('f')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
