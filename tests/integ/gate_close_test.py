#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_close_test.py MICROBURST SOURCE

Goal:   who is gone takes nothing from those who are there: an item that is put into a list after
        its client's end was seen is not given to it. Who is there, and reads, is not closed, and
        not told to try again.
Method: clients that end at every moment of a command that waits, over TCP, a Unix socket and TLS,
        by a close, half of one and a reset; then an item is put, and still there. Clients that pop
        and push one list at once, and count.
"""
import os
import random
import selectors
import socket
import ssl
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until   # noqa: E402
from resp import Raw, port_of   # noqa: E402

MICROBURST, SOURCE = sys.argv[1:3]
WAIT_S = 60
SEED = int(os.environ.get('SEED', '4711'))
MIB = 1 << 20
NODE = {}


def setUpModule():
    folder = f'/tmp/microburst-close-{os.getpid()}'
    os.mkdir(folder)
    unittest.addModuleCleanup(os.rmdir, folder)
    cert, key, path = f'{folder}/cert', f'{folder}/key', f'{folder}/socket'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2',
                    '-subj', '/CN=localhost', '-keyout', key, '-out', cert],
                   check=True, capture_output=True)
    for name in (cert, key):
        unittest.addModuleCleanup(os.unlink, name)
    node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', '--set', f'gate.socket={path}',
                '--set', 'gate.tls_listen=127.0.0.1:0', '--set', f'gate.tls_cert={cert}',
                '--set', f'gate.tls_key={key}', '--set', 'gate.slow=10s')
    unittest.addModuleCleanup(node.remove)
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    NODE.update(node=node, port=port_of(node), tls_port=port_of(node, ' over TLS'), path=path,
                tls=tls)


def array(*words):
    words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b'*%d\r\n' % len(words) + b''.join(b'$%d\r\n%s\r\n' % (len(w), w) for w in words)


class Case(unittest.TestCase):
    def setUp(self):
        self.good = Raw(NODE['port'])
        self.addCleanup(self.good.close)
        self.assertEqual(self.good('flushall'), '+OK')

    def tearDown(self):
        self.gone()
        self.assertIsNone(NODE['node'].process.poll(), 'the node ended')

    def number(self, name):
        return int(self.good('info').decode().split(f'\r\n{name}:')[1].split('\r\n')[0])

    def gone(self, after=0):
        until(lambda: self.number('total_connections_received') > after, WAIT_S, 'it came')
        until(lambda: self.number('connected_clients') == 1, WAIT_S, 'nobody else')

    def open(self, how='tcp'):
        if how == 'unix':
            c = Raw(path=NODE['path'])
        elif how == 'tls':
            c = Raw(NODE['tls_port'], tls=NODE['tls'])
        else:
            c = Raw(NODE['port'])
        self.addCleanup(c.close)
        return c

    def end(self, c, how):
        if how == 'reset':
            c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        if how == 'half':
            c.s.shutdown(socket.SHUT_WR)
        else:
            c.close()


class Waiting(Case):
    """Of a client that ended."""
    COMMANDS = (('blpop', 'q', 0), ('brpop', 'p', 'q', 0), ('blmove', 'q', 'to', 'left', 'left', 0),
                ('brpoplpush', 'q', 'to', 0), ('blmpop', 0, 1, 'q', 'left', 'count', 3))
    SORTED = (('bzpopmin', 'z', 0), ('bzpopmax', 'z', 0), ('bzmpop', 0, 1, 'z', 'min'))

    def kept(self, put, cnt, after=0):
        """What is put now that nobody is there stays there."""
        self.gone(after)
        self.good(*put)
        time.sleep(0.02)
        self.assertEqual(self.good('zcard' if put[0] == 'zadd' else 'llen', put[1]), cnt)
        self.good('del', put[1])

    def test_at_once_behind_the_command(self):
        """Behind a write that it waits for: it is gone before it is known that it waits. After a
        reset it is not even let in."""
        for i, command in enumerate(self.COMMANDS + self.SORTED):
            for how in ('tcp', 'unix', 'tls'):
                for end in ('close', 'half') if how == 'tcp' else ('close',):
                    with self.subTest(command=command[0], how=how, end=end):
                        before, key = self.number('total_connections_received'), f'{i} {how} {end}'
                        c = self.open(how)
                        c.send(array('set', 'k', 1) +
                               array(*(key if w in ('q', 'z') else w for w in command)))
                        self.end(c, end)
                        self.kept(('zadd', key, 1, 'a') if 'z' in command else
                                  ('rpush', key, 'a'), 1, before)

    def test_who_is_reset_before_he_is_let_in_is_not_counted_as_refused(self):
        """As those who look whether a port is there do; of refusals people are alarmed."""
        self.good('config', 'resetstat')
        for _ in range(2000):
            self.end(self.open(), 'reset')
        self.assertEqual(self.good('ping'), '+PONG')
        self.assertEqual(self.number('rejected_connections'), 0)

    def test_while_it_waits(self):
        for how in ('tcp', 'unix', 'tls'):
            for end in ('close', 'reset', 'half') if how == 'tcp' else ('close',):
                with self.subTest(how=how, end=end):
                    c = self.open(how)
                    c.send(array('blpop', 'q', 0))
                    until(lambda: self.number('blocked_clients') == 1, WAIT_S, 'it waits')
                    self.end(c, end)
                    self.kept(('rpush', 'q', 'a'), 1)

    def test_with_more_behind_the_command(self):
        for how in ('tcp', 'unix', 'tls'):
            for bytes in (70 << 10, 200 << 10, MIB + (20 << 10)):
                with self.subTest(how=how, bytes=bytes):
                    c = self.open(how)
                    c.send(array('blpop', 'q', 0))
                    c.send(array('set', 'k', b'x' * 1000) * (bytes // 1030))
                    until(lambda: self.number('blocked_clients') == 1, WAIT_S, 'it waits')
                    c.close()
                    self.kept(('rpush', 'q', 'a'), 1)
                    self.assertIsNone(self.good('get', 'k'))

    def test_with_more_behind_the_command_than_there_is_room_for(self):
        """Its end is behind what neither the gate nor its kernel takes."""
        for how in ('tcp', 'tls', 'unix'):
            with self.subTest(how=how):
                c = self.open(how)
                c.send(array('blpop', 'q', 0))
                until(lambda: self.number('blocked_clients') == 1, WAIT_S, 'it waits')
                c.s.settimeout(0.5)
                with self.assertRaises((socket.timeout, ConnectionError, ssl.SSLError)):
                    while True:
                        c.s.send(b'x' * 60000)
                c.close()
                until(lambda: self.number('blocked_clients') == 0, WAIT_S, 'it is let go')
                self.kept(('rpush', 'q', 'a'), 1)

    def test_more_behind_the_command_is_run(self):
        for how in ('tcp', 'unix', 'tls'):
            c = self.open(how)
            c.send(array('blpop', 'q', 0))
            c.s.settimeout(0.5)
            said, done = array('incr', 'n') * (3 * MIB // 24), 0
            try:
                while done < len(said):
                    done += c.s.send(said[done:done + (64 << 10)])
            except (TimeoutError, ssl.SSLError):
                pass        # it is not read
            c.s.settimeout(WAIT_S)
            self.good('rpush', 'q', 'a')
            self.assertEqual(c.answer(), [b'q', b'a'])
            for i in range(done // 24):
                self.assertEqual(c.answer(), i + 1)
            c.close()
            self.good('del', 'n')

    def test_paused(self):
        self.good('rpush', 'q', 'a')
        for at in ('before', 'after'):
            for end in ('close', 'half', 'reset') if at == 'after' else ('close', 'half'):
                with self.subTest(at=at, end=end):
                    self.assertEqual(self.good('client', 'pause', 60000, 'write'), '+OK')
                    before = self.number('total_connections_received')
                    c = self.open()
                    c.send(array('lpop', 'q'))
                    if at == 'after':
                        until(lambda: self.number('blocked_clients') == 1, WAIT_S, 'it is held')
                    self.end(c, end)
                    self.gone(before)
                    self.assertEqual(self.good('client', 'unpause'), '+OK')
                    time.sleep(0.1)
                    self.assertEqual(self.good('llen', 'q'), 1)

    def test_half_a_close_does_not_keep_from_an_answer(self):
        self.good('rpush', 'q', 'a', 'b')
        c = self.open()
        c.send(array('lpop', 'q') + array('blpop', 'q', 0) + array('blpop', 'q', 0))
        self.end(c, 'half')
        self.assertEqual([c.answer(), c.answer()], [b'a', [b'q', b'b']])
        self.assertTrue(c.ended())


class Crowd(Case):
    """Clients that take from one list, and put into it, all at once."""

    def crowd(self, says, seconds):
        """What each answered, until a time. says: for each client its words, and how many in a
        pipeline."""
        sel, answers = selectors.DefaultSelector(), []
        end = time.monotonic() + seconds
        for text, depth, kind in says:
            c = self.open()
            c.text, c.depth, c.kind, c.due = text * depth, depth, kind, depth
            c.send(c.text)
            sel.register(c.s, selectors.EVENT_READ, c)
        while sel.get_map():
            for key, _ in sel.select(WAIT_S):
                c = key.data
                c.fill()
                while c.due > 0 and c.buffer.endswith(b'\r\n') and self.whole(c):
                    answers.append((c.kind, c.answer()))
                    c.due -= 1
                if c.due == 0 and time.monotonic() < end:
                    c.due = c.depth
                    c.send(c.text)
                elif c.due == 0:
                    sel.unregister(c.s)
                    c.close()
        return answers

    def whole(self, c):
        head = c.buffer[:c.buffer.index(b'\r\n')]
        return head[:1] != b'$' or head == b'$-1' or \
            len(c.buffer) >= len(head) + 4 + int(head[1:])

    def test_pops_beside_pushes(self):
        says = [(array('lpop' if i % 2 == 0 else 'rpop', 'q'), 1 if i < 10 else 16, 'pop')
                for i in range(20)]
        says += [(array('rpush' if i % 2 == 0 else 'lpush', 'q', 'x'), 1, 'push')
                 for i in range(20)]
        answers = self.crowd(says, 6)
        wrong = {a for _, a in answers if isinstance(a, str)}
        self.assertEqual(wrong, set())
        popped = sum(a == b'x' for kind, a in answers if kind == 'pop')
        pushed = sum(1 for kind, _ in answers if kind == 'push')
        print(f'pushed={pushed} popped={popped}')
        self.assertEqual(self.good('llen', 'q'), pushed - popped)


class Order(Case):
    """Who waits longest is served first, whatever else he waits for, and however many he takes."""

    def wait(self, n):
        until(lambda: self.number('blocked_clients') == n, WAIT_S, f'{n} wait')

    def served(self, name, kind):
        """One key that all wait for; some do for so many others that have to be fetched that they
        are just looking when something is put there."""
        others = [f'other{i}' for i in range(300)]
        self.good('mset', *[w for key in others for w in (key, 1)])
        self.assertEqual(self.good('flushall'), '+OK')
        waiting = []
        for n in range(self.random.randrange(3, 8)):
            keys = others[:self.random.choice((0, 0, 3, 300))] + [name]
            cnt = self.random.randrange(1, 4)
            side = self.random.choice(('left', 'right') if kind == 'list' else ('min', 'max'))
            one = {'left': 'blpop', 'right': 'brpop', 'min': 'bzpopmin', 'max': 'bzpopmax'}[side]
            c = Raw(NODE['port'])
            self.addCleanup(c.close)
            if self.random.randrange(2):
                c.say('blmpop' if kind == 'list' else 'bzmpop', WAIT_S, len(keys), *keys, side,
                      'count', cnt)
            else:
                c.say(one, *keys, WAIT_S)
                cnt = None
            waiting.append((c, side, cnt))
            self.wait(n + 1)
        return waiting

    def model(self, waiting, items):
        for _, side, cnt in waiting:
            took = []
            while items and len(took) < (cnt or 1):
                took.append(items.pop(0 if side in ('left', 'min') else -1))
            if not took:
                return
            yield took

    def test_in_the_order_in_which_they_came(self):
        self.random = random.Random(SEED)
        for turn in range(60):
            kind = ('list', 'zset')[turn % 2]
            name = f'order{turn % 4}'
            waiting = self.served(name, kind)
            items = [b'%d' % i for i in range(self.random.randrange(1, 9))]
            if kind == 'list':
                self.good('rpush', name, *items)
            else:
                self.good('zadd', name, *[w for i, x in enumerate(items) for w in (i, x)])
            expected = list(self.model(waiting, items))
            for (c, _, cnt), want in zip(waiting, expected):
                got = c.answer()
                took = got[1:2] if cnt is None else got[1] if kind == 'list' else \
                    [x[0] for x in got[1]]
                self.assertEqual(took, want, (turn, kind, [w[1:] for w in waiting]))
            self.wait(len(waiting) - len(expected))
            for c, _, _ in waiting:
                c.close()
            self.wait(0)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
