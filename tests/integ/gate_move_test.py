#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_move_test.py MICROBURST

Goal:   an item that is moved from one list to another is in one of them in the end: when the second
        one refuses it, because it became another type just then or there is no memory, and when the
        client is gone by then.
Method: a node with two cache tiles, and pairs of keys of which half are of different ones; then
        items are counted.
"""
import os
import socket
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until   # noqa: E402
from resp import Raw, port_of   # noqa: E402

MICROBURST = sys.argv[1]
PAIRS = 8
WAIT_S = 60


def array(*words):
    words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b'*%d\r\n' % len(words) + b''.join(b'$%d\r\n%s\r\n' % (len(w), w) for w in words)


class Moves(unittest.TestCase):
    def setUp(self):
        self.node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', '--set', 'cache.tiles=2',
                         '--set', 'kvs.tiles=2', '--set', 'node.memory=32m')
        self.addCleanup(self.node.remove)
        self.c = self.client()

    def client(self):
        c = Raw(port_of(self.node))
        self.addCleanup(c.close)
        return c

    def items(self, key):
        return self.c('lrange', key, 0, -1)

    def test_the_list_becomes_another_type(self):
        """Its type changes all the time: what is not said to have moved is where it was."""
        refused, stop = 0, threading.Event()

        def change(c):
            text = b''.join(array('set', f'to{i}', 'x') + array('strlen', f'to{i}') +
                            array('del', f'to{i}') + array('strlen', f'to{i}')
                            for i in range(PAIRS))
            while not stop.is_set():
                c.send(text)
                for _ in range(4 * PAIRS):
                    c.answer()

        thread = threading.Thread(target=change, args=(self.client(),))
        thread.start()
        turn, end = 0, time.monotonic() + WAIT_S
        while turn < PAIRS or (refused == 0 and time.monotonic() < end):
            i, turn = turn % PAIRS, turn + 1
            there = [b'%d' % n for n in range(400)]
            self.c('del', f'from{i}')
            self.c('rpush', f'from{i}', *there)
            for _ in there:
                said = self.c('lmove', f'from{i}', f'to{i}', 'left', 'right')
                if said in there:
                    self.assertEqual(said, there.pop(0))
                else:
                    self.assertTrue(said.startswith('-WRONGTYPE'), said)
                    refused += 1
            self.assertEqual(self.items(f'from{i}'), there)
        stop.set()
        thread.join()
        self.assertGreater(refused, 0)

    def test_there_is_no_memory(self):
        """One kvs tile is full: items of lists of the other one stay there."""
        full, value, n = [], b'v' * 20000, 0
        while len(full) < PAIRS:
            if self.c('set', f'fill{n}', value) != '+OK':
                full.append(f'fill{n}')
            n += 1
            self.assertLess(n, 100000)
        room = [f'list{i}' for i in range(100)
                if self.c('rpush', f'list{i}', *[b'%d' % k + value for k in range(2)]) == 2]
        self.assertGreater(len(room), 0, 'a tile that is not full')
        for key in room:
            for to in full:
                self.assertEqual(self.c('rpush', to, value)[:4], '-OOM')
                said = self.c('rpoplpush', key, to)
                self.assertEqual(said[:4], '-OOM')
            self.assertEqual(self.items(key), [b'0' + value, b'1' + value])

    def test_clients_that_are_gone(self):
        """Of all that was there nothing is missing, and nothing came twice."""
        for i in range(PAIRS):
            self.c('rpush', f'from{i}', *range(1000))
        turn, end = 0, time.monotonic() + WAIT_S
        while turn < 40 or (self.c('llen', 'to0') == 0 and time.monotonic() < end):
            turn += 1
            clients = [self.client() for _ in range(PAIRS)]
            for i, c in enumerate(clients):
                c.send(array('lmove', f'from{i}', f'to{i}', 'left', 'right') * 20)
            if turn % 2 == 0:
                self.c('client', 'kill', 'type', 'normal')
            for i, c in enumerate(clients):
                if i % 2 == 0:
                    c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                c.close()
        until(lambda: b'connected_clients:1\r\n' in self.c('info', 'clients'), WAIT_S, 'all gone')
        for i in range(PAIRS):
            self.assertEqual(self.items(f'to{i}') + self.items(f'from{i}'),
                             [b'%d' % n for n in range(1000)])
        self.assertGreater(self.c('llen', 'to0'), 0)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
