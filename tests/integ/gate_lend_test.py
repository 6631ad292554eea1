#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_lend_test.py MICROBURST SOURCE

Goal:   long replies are whole and of one value, and nothing is held for whoever does not read them
        or goes away, whether the kernel copies them, is lent them, or takes no lends.
Method: nodes with gate.zerocopy of each kind, their gates one or several; clients over TCP and the
        Unix socket that read slowly, or not, while others overwrite and delete what they asked for.
        INFO tells what is held. (The loopback copies what is read, and leaves lent what is not.)
"""
import hashlib
import os
import shutil
import socket
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until   # noqa: E402
from resp import Raw, port_of   # noqa: E402

MICROBURST, SOURCE = sys.argv[1:3]
MIB = 1 << 20
SLOW_S = 10    # a busy machine does other things meanwhile


def value_of(seed, size):
    block = b''.join(hashlib.sha256(b'%d %d' % (seed, i)).digest() for i in range(2048))
    return (block * (size // len(block) + 1))[:size]


class Case(unittest.TestCase):
    zerocopy, settings, slow = 'yes', (), '60s'

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='microburst-lend-')
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.path = f'{cls.folder}/redis'
        cls.node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', '--set',
                        f'gate.socket={cls.path}', '--set', f'gate.zerocopy={cls.zerocopy}',
                        '--set', f'gate.slow={cls.slow}', '--set', 'gate.memory=16m',
                        *[x for s in cls.settings for x in ('--set', s)])
        cls.addClassCleanup(cls.node.remove)
        cls.port = port_of(cls.node)

    def setUp(self):
        self.c = self.client()

    def client(self, unix=False, narrow=False):
        c = Raw(self.port, path=self.path if unix else None)
        if narrow:
            c.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        self.addCleanup(c.close)
        return c

    def stat(self, name):
        for line in self.c('info', 'stats').decode().split('\r\n'):
            if line.startswith(name + ':'):
                return line.split(':')[1]
        raise KeyError(name)

    def nothing_is_held(self):
        until = time.monotonic() + 60
        while self.stat('microburst_values_held') != '0':
            self.assertLess(time.monotonic(), until, self.c('client', 'list'))
            time.sleep(0.05)

    def put(self, key, value):
        self.assertEqual(self.c('set', key, value), '+OK')
        self.assertEqual(self.c('get', key), value)     # from here on it is read in place


class Long(Case):
    def test_values_of_all_sizes_are_whole(self):
        for unix in (False, True):
            for size in (16383, 65535, 65536, 262144, 262145, 400000, 3 * MIB + 1, 64 * MIB):
                c, value = self.client(unix), value_of(size, size)
                self.put('v', value)
                c.send(b'GET v\r\nPING\r\nGET v\r\nSTRLEN v\r\n')
                for want in (value, '+PONG', value, size):
                    self.assertEqual(c.answer(), want)
        self.c('del', 'v')
        self.nothing_is_held()
        self.assertEqual(self.stat('microburst_zerocopy'), self.zerocopy)
        lent = int(self.stat('microburst_zerocopy_bytes'))
        self.assertEqual(lent > 64 * MIB, self.zerocopy == 'yes', lent)

    def test_many_long_values_in_one_reply(self):
        want = [value_of(i, 100000 * (1 + i % 7)) for i in range(40)]
        for i, value in enumerate(want):
            self.put(f'm{i}', value)
        for unix in (False, True):
            c = self.client(unix, narrow=True)
            c.say('mget', *[f'm{i}' for i in range(40)])
            time.sleep(0.3)
            self.assertEqual(c.answer(), want)
        self.nothing_is_held()

    def test_what_is_sent_is_one_value_whoever_writes_meanwhile(self):
        size = 32 * MIB
        for unix in (False, True):
            for change in ('set', 'append', 'setrange', 'del', 'flushall'):
                before = value_of(1, size)
                self.put('k', before)
                c = self.client(unix, narrow=True)
                c.send(b'GET k\r\n')
                head = c.take(1000)         # it is on its way
                self.c(*{'set': ('set', 'k', value_of(2, size)), 'append': ('append', 'k', 'x'),
                         'setrange': ('setrange', 'k', 5000000, b'!' * 100000),
                         'del': ('del', 'k'), 'flushall': ('flushall',)}[change])
                for i in range(8):          # and its memory is wanted by others
                    self.c('set', f'o{i}', value_of(3 + i, 4 * MIB))
                    self.c('get', f'o{i}')
                want = b'$%d\r\n%s\r\n' % (size, before)
                got = head + c.take(len(want) - len(head))
                self.assertTrue(got == want, (unix, change))
        self.nothing_is_held()

    def test_the_place_of_a_head_stays_while_what_is_before_it_leaves(self):
        """How many keys there are is known last. Until then the kernel sends earlier replies."""
        for i in range(0, 30000, 1000):
            for k in range(i, i + 1000):
                self.c.say('set', f'k:{k}', 'x')
            self.assertEqual({self.c.answer() for _ in range(1000)}, {'+OK'})
        self.put('before', b'v' * 100000)
        for unix in (True, False) * 3:
            u = self.client(unix=unix, narrow=True)
            number, gets = u('client', 'id'), 0
            while gets == 0 or not self.stands(number):
                u.say('get', 'before')
                gets += 1
            u.say('keys', 'k:1?')
            u.say('ping')
            self.assertEqual({len(u.answer()) for _ in range(gets)}, {100000})
            self.assertEqual(sorted(u.answer()), [b'k:1%d' % i for i in range(10)])
            self.assertEqual(u.answer(), '+PONG')
            until(lambda: self.unsent(number) == 0, 60, 'replies that are sent')
        self.c('flushall')

    def stands(self, number):
        """What waits does not leave: once looked at, it may be a reply just sent."""
        for _ in range(5):
            if self.unsent(number) == 0:
                return False
            time.sleep(0.01)
        return True

    def unsent(self, number):
        """Bytes that wait in the gate; some that have come, if it is about to move to another."""
        line = self.c('client', 'list', 'id', number).decode()
        return sum(int(line.split(f' {what}=')[1].split()[0]) for what in ('obl', 'omem', 'qbuf'))

    def test_a_quit_behind_a_long_value_loses_nothing(self):
        value = value_of(7, 4 * MIB)
        self.put('last', value)
        for unix in (False, True):
            c = self.client(unix, narrow=True)
            c.send(b'GET last\r\nQUIT\r\n')
            time.sleep(0.2)
            self.assertTrue(c.answer() == value)
            self.assertEqual(c.answer(), '+OK')
            self.assertEqual(c.s.recv(1), b'')
        self.nothing_is_held()


COPIED, SEVERAL = 'no', ('gate.tiles=2', 'gate.zerocopy_min=16k')


class Copied(Long):
    zerocopy = COPIED


class Several(Long):
    settings = SEVERAL


class LentSlow(Case):
    slow = f'{SLOW_S}s'


class CopiedSlow(LentSlow):
    zerocopy = COPIED


class SeveralSlow(LentSlow):
    settings = SEVERAL


class Slow(unittest.TestCase):
    """At a node of each kind, all at once: each waits for gate.slow."""

    def setUp(self):
        self.nodes = []
        for kind in (LentSlow, CopiedSlow, SeveralSlow):
            self.addCleanup(kind.doClassCleanups)
            kind.setUpClass()
            node = kind('nothing_is_held')
            self.addCleanup(node.doCleanups)
            node.setUp()
            self.nodes.append(node)

    def nothing_is_held(self):
        for node in self.nodes:
            node.nothing_is_held()

    def test_a_reader_that_goes_away_holds_nothing(self):
        for node in self.nodes:
            node.put('big', value_of(5, 64 * MIB))
            for unix in (False, True):
                gone = [node.client(unix, narrow=True) for _ in range(6)]
                for c in gone:
                    c.send(b'GET big\r\n' * 2)
                    c.take(100000)
                self.assertNotEqual(node.stat('microburst_values_held'), '0')
                gone[0].close()
                gone[1].s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
                gone[1].close()
                gone[2].s.shutdown(socket.SHUT_WR)      # half closed; the others just do not read
                gone[3].s.shutdown(socket.SHUT_RD)
                node.c('client', 'kill', 'skipme', 'yes')
        self.nothing_is_held()

    def test_a_reader_that_does_not_read_holds_nothing_and_who_reads_slowly_all(self):
        """The slow one has read nearly all in the end, and holds what the kernel has."""
        slow = []
        for node in self.nodes:
            node.put('big', value_of(5, 64 * MIB))
            node.put('less', value_of(6, 1 * MIB))
        began = time.monotonic()
        for node in self.nodes:
            for c in [node.client(unix, narrow=True) for unix in (False, True) for _ in range(3)]:
                c.send(b'GET big\r\n')
            until(lambda at=node: int(at.stat('microburst_values_held')) >= 6, SLOW_S, 'the deaf')
            slow.append(node.client(narrow=True))
            slow[-1].send(b'GET less\r\n')
        for _ in range(8):
            for c in slow:
                c.take(100000)
            time.sleep(SLOW_S / 7)                  # it moves
        for c in slow:
            self.assertEqual(len(c.take(MIB + 12 - 800000)), MIB + 12 - 800000)
            self.assertEqual(c('ping'), '+PONG')
        self.nothing_is_held()                      # gate.slow
        self.assertGreater(time.monotonic() - began, SLOW_S / 3)


class Auto(unittest.TestCase):
    def test_to_this_machine_nothing_is_lent(self):
        node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0')
        self.addCleanup(node.remove)
        c = Raw(port_of(node))
        self.addCleanup(c.close)
        c('set', 'v', value_of(1, MIB))
        for _ in range(3):
            self.assertEqual(c('get', 'v'), value_of(1, MIB))
        said = c('info', 'stats')
        self.assertIn(b'microburst_zerocopy:auto\r\nmicroburst_zerocopy_bytes:0\r\n', said)

    def test_a_wrong_word_is_refused(self):
        with self.assertRaisesRegex(RuntimeError, 'gate.zerocopy'):
            Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', '--set', 'gate.zerocopy=maybe')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
