#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""marks_test.py MICROBURST

Goal:   a long collection is deleted while many write to it: nobody is refused, no write that was
        answered after the delete is lost, and what the delete left is forgotten while they write.
Method: a node whose keys have one owner, and one whose keys have three; a set and a list. Writers
        go on until the marks are gone, then all is counted.
"""
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import until          # noqa: E402
from resp import GateTest       # noqa: E402

MICROBURST = sys.argv[1]
LONG, AT_ONCE, WRITERS, PATIENCE_S = 120000, 50, 4, 60


class Marks(GateTest):
    def marks(self):
        return self.metric('kvs_drop_mark')

    def fill(self, command):
        c = self.client()
        for i in range(0, LONG, 1000):
            said = c(command, 'key', *(b'first-%09d' % k for k in range(i, i + 1000)))
            self.assertIn(said, (1000, i + 1000))

    def emptied(self, command):
        """Deletes what is there beside writers. Returns: what they wrote behind the delete."""
        deleted, over = threading.Event(), threading.Event()
        behind, wrong = [set() for _ in range(WRITERS)], []

        def write(at):
            c, n = self.client(), 0
            while not over.is_set():
                mine = [b'%d-%09d' % (at, n + k) for k in range(AT_ONCE)]
                since = deleted.is_set()
                for m in mine:
                    c.say(command, 'key', m)
                said = [c.answer() for _ in mine]
                wrong.extend(s for s in said if not isinstance(s, int))
                behind[at].update(mine if since else ())
                n += AT_ONCE

        threads = [threading.Thread(target=write, args=(i,)) for i in range(WRITERS)]
        for t in threads:
            t.start()
        try:
            self.assertEqual(self.client()('DEL', 'key'), 1)
            deleted.set()
            until(lambda: self.marks() >= LONG * 9 // 10, PATIENCE_S, 'marks are forgotten')
        finally:
            over.set()
            for t in threads:
                t.join()
        self.assertEqual(wrong, [])
        return set().union(*behind)

    def check(self, command, all_of):
        self.fill(command)
        behind = self.emptied(command)
        here = all_of(self.client())
        self.assertGreater(len(behind), AT_ONCE)
        self.assertEqual(behind - set(here), set())
        self.assertEqual([m for m in here if m.startswith(b'first-')], [])
        self.assertEqual(len(set(here)), len(here))

    def test_set_one_owner(self):
        self.start(MICROBURST, 'kvs.bytes=512m')
        self.check('SADD', lambda c: c('SMEMBERS', 'key'))

    def test_list_one_owner(self):
        self.start(MICROBURST, 'kvs.bytes=512m')
        self.check('RPUSH', lambda c: c('LRANGE', 'key', 0, -1))

    def test_set_three_owners(self):
        self.start(MICROBURST, 'kvs.bytes=512m', 'kvs.tiles=3', 'kvs.replication=3')
        self.check('SADD', lambda c: c('SMEMBERS', 'key'))

    def test_list_three_owners(self):
        self.start(MICROBURST, 'kvs.bytes=512m', 'kvs.tiles=3', 'kvs.replication=3')
        self.check('RPUSH', lambda c: c('LRANGE', 'key', 0, -1))


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
