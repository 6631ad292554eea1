#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_clock_test.py MICROBURST LIBRARY SKEW

Goal:   whoever sets the clock of the day back finds keys that end as before: who writes sees what
        who reads does.
Method: a node whose clock is set back by an hour while it runs (tests/lib/skew.c). Every kind of
        change to keys whose deadline is ahead, but was passed by what had been written before; by
        commands, and by functions. Then forward again: they end. A client of another machine
        has greeted the node before that.
"""
import mmap
import os
import re
import struct
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from client import Client              # noqa: E402
from node import Node                  # noqa: E402
from resp import NEXT, Raw, port_of    # noqa: E402

MICROBURST, LIBRARY, SKEW = sys.argv[1:4]
HOUR_S = 3600


class Clock(unittest.TestCase):
    def setUp(self):
        shared = tempfile.NamedTemporaryFile()
        shared.write(bytes(8))
        shared.flush()
        self.addCleanup(shared.close)
        self.by = mmap.mmap(shared.fileno(), 8)
        self.node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0',
                         '--set', 'net.listen=udp://127.0.0.1:0',
                         within=('env', f'LD_PRELOAD={SKEW}', f'MB_SKEW_FILE={shared.name}'))
        self.addCleanup(self.node.remove)
        self.c = Raw(port_of(self.node))
        self.addCleanup(self.c.close)

    def set_by(self, seconds):
        self.by[:] = struct.pack('q', seconds)

    def test_a_remote_client_asks(self):
        """Its keys end by the node's clock as that is now; without the node it hangs not."""
        port = re.search(r'net: port (\d+)', self.node.said())[1]
        remote = Client(LIBRARY, f'udp://127.0.0.1:{port}')
        self.addCleanup(remote.close)
        for seconds in 0, 2 * HOUR_S, -HOUR_S:
            self.set_by(seconds)
            self.assertLess(abs(remote.now_us() // 10**6 - int(self.c('time')[0])), HOUR_S // 2)
        before = remote.now_us()
        self.node.stop()
        self.assertGreaterEqual(remote.now_us(), before)

    def test_set_back_by_an_hour(self):
        c, before = self.c, int(self.c('time')[0])
        self.node.deploy(NEXT)
        c('set', 'early', 1, 'ex', 100)
        c('hset', 'hash', 'a', 1)
        c('expire', 'hash', 100)
        self.set_by(-HOUR_S)
        self.assertLess(int(c('time')[0]), before - HOUR_S // 2)

        self.assertEqual(c('incr', 'early'), 2)
        self.assertEqual(c('hset', 'hash', 'b', 2), 1)
        self.assertEqual(c('hgetall', 'hash'), [b'a', b'1', b'b', b'2'])
        c('set', 'n', 5, 'ex', 60)
        self.assertEqual([c('incr', 'n') for _ in range(3)], [6, 7, 8])
        self.assertEqual(c('fcall', 'next', 1, 'n'), 9)
        self.assertEqual([c('fcall', 'next', 1, 'of functions') for _ in range(2)], [1, 2])
        self.assertEqual(c('expire', 'of functions', 60), 1)
        self.assertEqual(c('fcall', 'next', 1, 'of functions'), 3)
        self.assertGreater(c('ttl', 'n'), 0)
        c('set', 'lock', 'mine', 'nx', 'px', 60000)
        self.assertIsNone(c('set', 'lock', 'yours', 'nx', 'px', 60000))
        self.assertEqual(c('del', 'lock'), 1)
        self.assertIsNone(c('get', 'lock'))
        c('set', 'text', 'x', 'ex', 60)
        self.assertEqual(c('append', 'text', 'y'), 2)
        self.assertEqual(c('expire', 'text', 70), 1)
        self.assertEqual(c('persist', 'text'), 1)
        self.assertEqual(c('ttl', 'text'), -1)
        for put, then, left in ((('rpush', 'l', 'a', 'b'), ('lpop', 'l'), ('llen', 'l')),
                                (('sadd', 's', 'a', 'b'), ('srem', 's', 'a'), ('scard', 's')),
                                (('zadd', 'z', 1, 'a', 2, 'b'), ('zrem', 'z', 'a'),
                                 ('zcard', 'z'))):
            self.assertEqual(c(*put), 2)
            self.assertEqual(c('expire', put[1], 60), 1)
            c(*then)
            self.assertEqual(c(*left), 1, put)

        id_ = c('mb.call', 'future', 'next', 'once')
        self.assertEqual([c('mb.future', id_) for _ in range(2)], [1, 1])
        self.assertEqual([c('mb.call', 'id', c('mb.future', 'new'), 'next', 'once')
                          for _ in range(2)], [2, 3])

        self.set_by(0)
        self.assertEqual(c('exists', 'n', 'l', 's', 'z', 'of functions'), 0)
        self.assertEqual(c('mget', 'early', 'text'), [b'2', b'xy'])


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
