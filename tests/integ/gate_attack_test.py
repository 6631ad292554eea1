#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_attack_test.py MICROBURST SOURCE

Goal:   whatever clients say, and however they go, the gate answers the others, loses no increment
        and keeps nothing of who is gone.
Method: a node with little memory for clients. Bytes by chance from a printed seed (SEED=, ROUNDS=):
        garbage, damaged commands, types that only replies have, lengths that lie, pieces. Then
        clients that vanish in the middle of everything, and executors that are killed while
        clients count. A client that behaves asks between all of it; at the end the gate's memory
        is what it was.
"""
import os
import random
import signal
import socket
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until   # noqa: E402
from resp import Raw, port_of   # noqa: E402

MICROBURST, SOURCE = sys.argv[1:3]
SEED = int(os.environ.get('SEED', '4711'))
ROUNDS = int(os.environ.get('ROUNDS', '400'))
WAIT_S, SLOW_S = 60, 10
MIB = 1 << 20
NODE = {}
WORDS = [b'get', b'set', b'mset', b'del', b'incr', b'lpush', b'blpop', b'multi', b'exec', b'eval',
         b'hset', b'zadd', b'zrange', b'sort', b'restore', b'dump', b'lcs', b'bitfield', b'client',
         b'tracking', b'on', b'reply', b'off', b'pause', b'subscribe', b'psubscribe', b'hello',
         b'3', b'fcall', b'mb.call', b'increment', b'0', b'1', b'-1', b'9223372036854775807', b'k',
         b'l',
         b'limit', b'by', b'get', b'store', b'config', b'acl', b'list', b'object', b'watch', b'',
         b'scan', b'match', b'*', b'count', b'copy', b'k*->f', b'linsert', b'before', b'info']


def setUpModule():
    node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', '--set', 'gate.memory=8m',
                '--set', f'gate.slow={SLOW_S}s', '--set', 'executor.count=2')
    unittest.addModuleCleanup(node.remove)
    NODE.update(node=node, port=port_of(node))
    code, _, said = node.run('deploy', f'{SOURCE}/examples/increment.c')
    if code != 0:
        raise RuntimeError(said)


def array(*words):
    return b'*%d\r\n' % len(words) + b''.join(b'$%d\r\n%s\r\n' % (len(w), w) for w in words)


class Case(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        self.good = Raw(NODE['port'])
        self.addCleanup(self.good.close)
        self.assertEqual(self.good('flushall'), '+OK')
        self.good('slowlog', 'reset')
        self.before = self.number('mem_clients_normal') + 1024    # pieces of a reply

    def tearDown(self):
        self.good('client', 'kill', 'type', 'normal')
        self.good('client', 'kill', 'type', 'pubsub')
        until(lambda: self.number('connected_clients') == 1, WAIT_S, 'nobody else')
        self.assertIsNone(NODE['node'].process.poll(), 'the node ended')
        self.good('slowlog', 'reset')
        until(lambda: self.number('mem_clients_normal') <= self.before, WAIT_S, 'their memory')

    def number(self, name):
        said = self.good('info')
        while isinstance(said, str):    # -OOM: others have all that there is, and just began
            time.sleep(0.02)
            said = self.good('info')
        return int(said.decode().split(f'\r\n{name}:')[1].split('\r\n')[0])

    def open(self):
        s = socket.create_connection(('127.0.0.1', NODE['port']))
        s.settimeout(WAIT_S)
        return s

    def is_closed(self, s):
        s.setblocking(False)
        try:
            while s.recv(100) != b'':
                pass
            return True
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    def vanish(self, s):
        """Without a word: a reset."""
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        s.close()


class Fuzz(Case):
    def command(self):
        r = self.random
        words = [r.choice(WORDS) if r.random() < 0.9 else r.randbytes(r.randrange(40))
                 for _ in range(r.randrange(1, 7))]
        if words[0].lower() == b'client' and b'pause' in words:     # it is meant to hold all
            words[0] = b'echo'
        return array(*words)

    def bytes(self):
        r = self.random
        said = b''.join(self.command() for _ in range(r.randrange(1, 20)))
        how = r.randrange(6)
        if how == 0:
            return r.randbytes(r.randrange(2000))
        if how == 1:    # damaged
            damaged = bytearray(said)
            for _ in range(r.randrange(1, 9)):
                damaged[r.randrange(len(damaged))] = r.choice(b'*$\r\n:0129-+%~_>\0\xff')
            return bytes(damaged)
        if how == 2:    # types of replies, nested
            return r.choice((b'%1\r\n+k\r\n:1\r\n', b'~2\r\n:1\r\n:2\r\n', b'>2\r\n+a\r\n+b\r\n',
                             b'*2\r\n*1\r\n$4\r\nping\r\n', b'_\r\n', b',1.5\r\n', b'#t\r\n',
                             b'(123\r\n', b'=5\r\ntxt:x\r\n', b'*1\r\n' * 3000,
                             b'*1\r\n$-1\r\n', b'*-1\r\nPING\r\n', b'|1\r\n+a\r\n+b\r\n')) + said
        if how == 3:    # lengths that lie
            return r.choice((b'*99999999\r\n', b'*1\r\n$99999999999\r\n', b'*2147483648\r\n',
                             b'*3\r\n$3\r\nset\r\n$1\r\nk\r\n$67108865\r\n', b'$5\r\n',
                             b'*1\r\n$18446744073709551617\r\nx\r\n', b'*' + b'1' * 100,
                             b'x' * 70000))
        if how == 4:    # cut
            return said[:r.randrange(len(said))]
        return said

    def test_whatever_is_said(self):
        for i in range(ROUNDS):
            s, said = self.open(), self.bytes()
            try:
                if self.random.random() < 0.3:
                    at = self.random.randrange(len(said) + 1)
                    s.sendall(said[:at])
                    said = said[at:]
                s.sendall(said)
                if self.random.random() < 0.3:
                    s.shutdown(socket.SHUT_WR)
                if self.random.random() < 0.3:
                    s.setblocking(False)
                    s.recv(1 << 16)
            except OSError:     # it was closed already; or there is no answer yet
                pass
            if self.random.random() < 0.5:
                self.vanish(s)
            else:
                s.close()
            if i % 20 == 0:
                self.assertEqual(self.good('echo', i), str(i).encode())


class Gone(Case):
    def test_in_the_middle_of_everything(self):
        for said in (array(b'multi') + array(b'set', b'k', b'v'), array(b'blpop', b'l', b'0'),
                     array(b'blmove', b'l', b'm', b'left', b'right', b'0'),
                     array(b'subscribe', b'c') + array(b'psubscribe', b'*'), array(b'monitor'),
                     array(b'hello', b'3') + array(b'client', b'tracking', b'on') +
                     array(b'mget', *[b'%d' % i for i in range(500)]),
                     array(b'watch', b'k') + array(b'multi'),
                     b'*3\r\n$3\r\nset\r\n$1\r\nk\r\n$60000000\r\n' + b'x' * MIB,
                     array(b'fcall', b'increment', b'0', b'1') * 50,
                     array(b'client', b'reply', b'off') + array(b'keys', b'*')):
            for _ in range(5):
                s = self.open()
                s.sendall(said)
                self.assertEqual(self.good('ping'), '+PONG')
                self.vanish(s)
        until(lambda: self.number('connected_clients') == 1, WAIT_S, 'all of them gone')
        self.assertEqual(self.good('exists', 'k'), 0)
        self.assertEqual(self.good('rpush', 'l', 'item'), 1)
        self.assertEqual(self.good('publish', 'c', 'x'), 0)
        self.assertEqual(self.good('lrange', 'l', 0, -1), [b'item'])    # not given to who was gone

    def test_a_long_value_in_pieces_beside_others(self):
        s, value = self.open(), os.urandom(MIB) * 64
        s.sendall(b'*3\r\n$3\r\nset\r\n$4\r\nlong\r\n$%d\r\n' % len(value))
        for at in range(0, len(value), MIB + 7):
            s.sendall(value[at:at + MIB + 7])
            self.assertEqual(self.good('ping'), '+PONG')
        s.sendall(b'\r\n')
        self.assertEqual(s.recv(5), b'+OK\r\n')
        s.close()
        self.assertEqual(self.good('strlen', 'long'), 64 * MIB)
        self.assertEqual(self.good('getrange', 'long', 63 * MIB, 63 * MIB + 99), value[:100])

    def test_a_transaction_is_whole_though_nobody_hears_of_it(self):
        def count():
            for i in range(100):
                s = self.open()
                s.sendall(array(b'multi') + (array(b'incr', b'one') + array(b'get', b'one')) * 20 +
                          array(b'lpush', b'list', b'%d' % i) + array(b'exec'))
                if i % 3 == 0:
                    s.recv(10)
                self.vanish(s)

        threads = [threading.Thread(target=count) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        until(lambda: self.number('connected_clients') == 1, WAIT_S, 'all of them gone')
        self.assertEqual(int(self.good('get', 'one') or 0), 20 * self.good('llen', 'list'))

    def test_who_does_not_read_what_exec_says_holds_nobody(self):
        self.good('set', 'v', 'x' * MIB)
        deaf = Raw(NODE['port'])
        deaf.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        deaf.send(array(b'multi') + (array(b'get', b'v') + array(b'incr', b'n')) * 40 +
                  array(b'exec'))
        until(lambda: self.good('get', 'n') == b'40', WAIT_S, 'the end of the transaction')
        self.assertEqual(self.good('append', 'v', 'y'), MIB + 1)
        self.assertEqual([deaf.answer() for _ in range(81)], ['+OK'] + ['+QUEUED'] * 80)
        said = deaf.answer()
        self.assertEqual(said[::2], [b'x' * MIB] * 40)
        self.assertEqual(said[1::2], list(range(1, 41)))
        deaf.close()

    def test_who_says_half_of_it_is_closed_and_others_are_not(self):
        said = array(b'echo', b'hello')
        half = [self.open() for _ in range(2 * len(said) - 2)]
        for i, s in enumerate(half):
            s.sendall(said[:i % (len(said) - 1) + 1])
        waits, slowly, sent, piece = self.open(), self.open(), 0, b'x' * 1000
        waits.sendall(array(b'blpop', b'l', b'0'))
        slowly.sendall(b'*3\r\n$3\r\nset\r\n$1\r\ns\r\n$%d\r\n' % MIB)
        half[0].settimeout(0.1)
        while True:     # who says a long word slowly (gate.slow_rate) moves, and is not closed
            slowly.sendall(piece)
            sent += len(piece)
            try:
                self.assertEqual(half[0].recv(100), b'')
                break
            except TimeoutError:
                pass
        for _ in range(10):
            slowly.sendall(piece)
            sent += len(piece)
            time.sleep(0.1)
        slowly.sendall(b'x' * (MIB - sent) + b'\r\n')
        self.assertEqual(slowly.recv(5), b'+OK\r\n')
        slowly.close()
        for i, s in enumerate(half[1:]):
            self.assertEqual(s.recv(100), b'', i)
            s.close()
        half[0].close()
        self.assertEqual(self.good('rpush', 'l', 'x'), 1)
        self.assertEqual(waits.recv(100), b'*2\r\n$1\r\nl\r\n$1\r\nx\r\n')
        waits.close()

    def test_half_of_it_that_memory_has_no_room_for_behind_a_whole_one(self):
        """Who says it is closed with his answer still to go out; the node serves whoever comes."""
        said = b'ping\r\n' + b'*2\r\n$4\r\necho\r\n$16000\r\n' + b'x' * 15000
        many = [self.open() for _ in range(800)]
        for s in many:
            try:
                s.sendall(said)
            except OSError:
                pass    # it was closed before it had said all
        self.assertEqual(self.good('ping'), '+PONG')
        until(lambda: any(map(self.is_closed, many)), SLOW_S - 1, 'one that had no room')
        for s in many:
            s.close()

    def test_who_drips_a_byte_now_and_then_is_closed(self):
        """From the first byte of a command on there is a deadline, which moves with its bytes at
        gate.slow_rate; a client that says whole commands, however seldom, has none."""
        drips = [self.open() for _ in range(4)]
        long = b'*3\r\n$3\r\nset\r\n$1\r\nk\r\n$%d\r\n' % (64 * MIB)
        for s, said in zip(drips, (b'*2\r\n$4\r\necho\r\n$60000\r\n', long, b'get ' + b'x' * 99,
                                   long + b'x' * 2000)):
            s.sendall(said)
            s.settimeout(0.05)
        seldom, began, open_ = self.open(), time.monotonic(), set(drips)
        said = array(b'echo', b'hello')
        seldom.sendall(said[:9])
        while open_ and time.monotonic() < began + WAIT_S:
            for s in list(open_):
                try:
                    s.sendall(b'x')
                    self.assertEqual(s.recv(100), b'')
                    open_.discard(s)
                except TimeoutError:
                    pass
                except OSError:
                    open_.discard(s)
            time.sleep(0.2)
            seldom.sendall(said[9:] + said[:9])
            self.assertEqual(seldom.recv(11), b'$5\r\nhello\r\n')
        self.assertEqual(len(open_), 0)
        self.assertGreater(time.monotonic() - began, SLOW_S - 0.5)
        for s in drips + [seldom]:
            s.close()


class Memory(Case):
    """gate.memory is 8m; who holds most of it and moves least gives way, nobody else."""

    def hold(self, said, cnt, keep=True):
        held = []
        for _ in range(cnt):
            s = self.open()
            s.setblocking(False)
            try:
                s.send(said)
            except OSError:     # it was closed already
                pass
            held.append(s)
        return held

    def drip(self, held):
        for s in list(held):
            try:
                s.send(b'x')
            except OSError:
                held.remove(s)

    def test_who_drips_into_all_of_it_gives_way_to_others(self):
        half = b'*3\r\n$3\r\nset\r\n$1\r\nd\r\n$65000\r\n' + b'x' * 50000
        evicted = self.number('evicted_clients')
        active, big = Raw(NODE['port']), b'y' * 300000
        self.addCleanup(active.close)
        began = time.monotonic()
        held = self.hold(half, 400)
        while time.monotonic() < began + 4:      # less than gate.slow
            self.drip(held)
            self.assertEqual(self.good('ping'), '+PONG')
            self.assertIn(b'id=', self.good('client', 'list'))
            self.assertEqual(self.good('config', 'get', 'maxclients')[0], b'maxclients')
            self.assertEqual(active('set', 'big', big), '+OK')
            time.sleep(0.1)
        self.assertEqual(active('get', 'big'), big)
        self.assertEqual(len(active('mget', *['big'] * 4)), 4)
        self.assertEqual(active('append', 'big', 'z'), len(big) + 1)
        self.assertGreater(self.number('evicted_clients'), evicted)
        for s in held:
            s.close()

    def test_each_that_is_closed_for_memory_is_counted(self):
        half = b'*3\r\n$3\r\nset\r\n$1\r\nd\r\n$65000\r\n' + b'x' * 40000
        evicted = self.number('evicted_clients')
        held = self.hold(half, 600)

        def closed():
            return len(held) + 1 - self.number('connected_clients')
        until(lambda: closed() > 300, WAIT_S, 'that memory is short')
        until(lambda: closed() == self.number('evicted_clients') - evicted, SLOW_S - 4,
              'that as many are counted as were closed')
        for s in held:
            s.close()

    def test_who_holds_little_is_served_while_others_overrun_it(self):
        """All at once, so that nobody was seen at rest yet, and anew all the time. What holds least
        is never closed nor refused; a pipeline or a transaction seldom."""
        over, done, ended = threading.Event(), {}, {}

        def overrun(said, cnt):
            held = []
            while not over.is_set():
                held.append(self.open())
                held[-1].settimeout(0.2)
                try:
                    for part in said:
                        held[-1].sendall(part)
                except OSError:     # it was closed, or is not read any more
                    pass
                if len(held) > cnt:
                    self.vanish(held.pop(self.random.randrange(cnt)))
            for s in held:
                s.close()

        def small(name, said, right):
            c, error = Raw(NODE['port']), None
            while not over.is_set() and error is None:
                try:
                    c.send(b''.join(array(*words) for words in said))
                    answers = [c.answer() for _ in said]
                    refused = [a for a in answers if str(a).startswith('-OOM')]
                    error = refused or (None if right(answers) else answers)
                except (OSError, EOFError) as end:
                    refused = error = [end]
                    c.close()
                    c = Raw(NODE['port'])
                if error and refused:
                    ended[name] = ended.get(name, 0) + 1
                    seldom = ended[name] <= 3 + done.get(name, 0) // 20
                    error = None if len(said) > 1 and seldom else error
                done[name] = error or done.get(name, 0) + 1
                time.sleep(0.003)
            c.close()

        self.good('set', 'v', b'v' * 300)
        self.good('rpush', 'l', *[b'x' * 1000] * 200)
        half, long = b'*3\r\n$3\r\nset\r\n$1\r\nd\r\n$%d\r\n', [b'lrange l 0 -1\r\n'] * 40
        threads = [threading.Thread(target=overrun, args=args) for args in (
            ([b'ping\r\n' + half % 16000 + b'x' * 15000], 700),
            ([half % 9000 + b'x' * 3000], 2500), ([half % 65000 + b'x' * 50000], 150),
            (long, 30))]
        threads += [threading.Thread(target=small, args=args) for args in (
            ('incr', [(b'incr', b'n')], lambda got: got[0] > 0),
            ('set', [(b'set', b'k', b'z' * 500)], lambda got: got == ['+OK']),
            ('get', [(b'get', b'v')], lambda got: got == [b'v' * 300]),
            ('incr 50', [(b'incr', b'p')] * 50, lambda got: got[49] - got[0] == 49),
            ('get 16', [(b'get', b'v')] * 16, lambda got: got == [b'v' * 300] * 16),
            ('exec', [(b'multi',), (b'incr', b'm'), (b'get', b'v'), (b'exec',)],
             lambda got: got[3][1] == b'v' * 300))]
        for t in threads:
            t.start()
        began = time.monotonic()
        while time.monotonic() < began + (6 if len(done) == 6 else WAIT_S) and \
                all(isinstance(n, int) for n in list(done.values())):
            self.assertEqual(self.good('ping'), '+PONG')
            time.sleep(0.05)
        over.set()
        for t in threads:
            t.join()
        self.assertEqual([(k, n) for k, n in done.items() if not isinstance(n, int)], [])
        self.assertEqual(len(done), 6)

    def test_a_transaction_that_is_left_lying_gives_way(self):
        left = [Raw(NODE['port']) for _ in range(12)]
        word = b'x' * 30000
        for c in left:
            try:
                c.send(array(b'multi') + array(b'set', b'm', word) * 30)
            except OSError:     # there was no memory for it, and nobody at rest yet
                pass
        time.sleep(1.5)
        self.assertEqual(len(self.good('config', 'get', '*')) > 0, True)
        until(lambda: self.good('set', 'list', '0' * 2000000) == '+OK', WAIT_S, 'room')
        self.assertEqual(self.good('append', 'list', '1'), 2000001)
        self.assertIn(b'id=', self.good('client', 'list'))
        for c in left:
            c.close()

    def test_who_only_announces_long_words_takes_no_room(self):
        """Nor do they keep others from sending theirs."""
        said = b'*3\r\n$3\r\nset\r\n$1\r\nk\r\n$%d\r\n' % (64 * MIB)
        began = time.monotonic()
        held = self.hold(said, 200) + self.hold(said + b'x' * 100, 200)
        while time.monotonic() < began + 3:     # less than gate.slow
            self.drip(held)
            self.assertIn(b'id=', self.good('client', 'list'))
            self.assertEqual(self.good('set', 'mine', b'm' * MIB), '+OK')
            time.sleep(0.2)
        self.assertGreater(len(held), 390)
        self.assertEqual(self.good('set', 'mine', b'm' * (64 * MIB)), '+OK')
        for s in held:
            s.close()

    def test_many_long_words_at_a_time_all_arrive(self):
        cnt = 150
        values = [self.random.randbytes(100000) for _ in range(cnt)]
        many = [Raw(NODE['port']) for _ in range(cnt)]
        for i, c in enumerate(many):
            c.send(b'*3\r\n$3\r\nset\r\n$4\r\nl%03d\r\n$%d\r\n' % (i, 100000) +
                   values[i][:50000])
        for i, c in enumerate(many):
            c.send(values[i][50000:] + b'\r\n' + array(b'echo', b'behind it'))
        self.assertEqual([(c.answer(), c.answer()) for c in many], [('+OK', b'behind it')] * cnt)
        for i, c in enumerate(many):
            self.assertEqual(c('get', f'l{i:03d}'), values[i])
        for c in many:
            c.close()


class Long(Case):
    def test_what_makes_a_long_value_makes_the_longest(self):
        """gate.memory is 8m: the memory of the command becomes the value."""
        size, last = 64 * MIB, 64 * MIB - 1
        self.assertEqual(self.good('setrange', 'k', last, 'z'), size)
        self.assertEqual(self.good('setbit', 'k', 8 * last + 7, 1), 0)
        self.assertEqual(self.good('copy', 'k', 'copy'), 1)
        self.assertEqual(self.good('del', 'k'), 1)
        self.assertEqual(self.good('bitop', 'not', 'not', 'copy'), size)
        self.assertEqual(self.good('bitcount', 'copy') + self.good('bitcount', 'not'), 8 * size)
        self.assertEqual(self.good('del', 'copy', 'not'), 2)
        self.assertEqual(self.good('set', 'a', b'a' * (size - 5)), '+OK')
        self.assertEqual(self.good('append', 'a', 'bcdef'), size)
        dump = self.good('dump', 'a')
        self.assertEqual(len(dump), size + 15)
        self.assertEqual(self.good('restore', 'again', 0, dump), '+OK')
        self.assertEqual(self.good('getrange', 'again', size - 7, -1), b'aabcdef')
        other = Raw(NODE['port'])       # nobody else may say so much
        other.send(b'*3\r\n$3\r\nset\r\n$1\r\nk\r\n$%d\r\n' % (size + 1))
        self.assertEqual(other.answer(), '-ERR Protocol error: invalid bulk length')
        other.close()
        self.assertEqual(self.good('flushall'), '+OK')


class Replies(Case):
    def test_one_that_memory_has_no_room_for(self):
        """It is refused before anything is done; of one value it is sent from where that is."""
        long, oom = b'x' * (20 * MIB), '-OOM'
        for kind, fill in (('list', ('rpush', 'list', long)), ('hash', ('hset', 'hash', 'f', long)),
                           ('text', ('set', 'text', long))):
            self.assertEqual(self.good(*fill), '+OK' if kind == 'text' else 1)
        for words in (('lpop', 'list', 3), ('hgetall', 'hash'), ('lrange', 'list', 0, -1)):
            self.assertEqual(self.good(*words)[:4], oom, words)
        self.assertEqual(self.good('getrange', 'text', 1, -1), long[1:])
        self.assertEqual(len(self.good('dump', 'text')), len(long) + 15)     # sent as it is made
        self.assertEqual(self.good('multi'), '+OK')
        for words in (('incr', 'n'), ('lpop', 'list', 2), ('hlen', 'hash')):
            self.assertEqual(self.good(*words), '+QUEUED')
        one, refused, last = self.good('exec')
        self.assertEqual((one, refused[:4], last), (1, oom, 1))
        self.assertEqual(self.good('llen', 'list'), 1)
        self.assertEqual(self.good('lpop', 'list'), long)
        self.assertEqual(self.good('getset', 'text', 'y'), long)
        self.assertEqual(self.good('mget', 'list', 'text'), [None, b'y'])

    def test_many_long_values_wait_for_their_reader(self):
        for i in range(400):
            self.good('set', f'v{i}', b'%03d' % i + b'v' * 100000)
        values = self.good('mget', *[f'v{i}' for i in range(400)])
        self.assertEqual([(v[:3], len(v)) for v in values],
                         [(b'%03d' % i, 100003) for i in range(400)])

    def test_keys_that_memory_has_no_room_for(self):
        for i in range(0, 10000, 100):
            self.good('mset', *sum(([b'%04d' % n + b'k' * 1000, 'x']
                                    for n in range(i, i + 100)), []))
        self.assertEqual(self.good('keys', '*')[:4], '-OOM')
        self.assertEqual(len(self.good('keys', '00*')), 100)

    def exec(self, *commands, pause=0):
        self.assertEqual(self.good('multi'), '+OK')
        for words in commands:
            self.assertEqual(self.good(*words), '+QUEUED')
        self.good.say('exec')
        time.sleep(pause)
        return self.good.answer()

    def test_a_transaction_whose_replies_memory_has_no_room_for(self):
        """Each is answered for itself: those behind a long one that is refused run."""
        short, long = [b's' * 15000] * 10, [b'%04d' % i + b'l' * 1000 for i in range(4000)]
        self.good('rpush', 'short', *short)
        for i in range(0, 4000, 500):
            self.good('rpush', 'long', *long[i:i + 500])
        for i in range(150):
            self.good('set', f'v{i}', b'v' * 100000)
        for right, cnt, *words in ((short, 200, 'lrange', 'short', 0, -1),
                                   (long, 6, 'lrange', 'long', 0, -1),
                                   ([b'v' * 100000] * 150, 2, 'mget',
                                    *[f'v{i}' for i in range(150)])):
            self.assertEqual(self.good('set', 'n', 0), '+OK')
            got = self.exec(('incr', 'n'), *[words] * cnt, ('incr', 'n'), ('get', 'n'))
            self.assertEqual(got[:1] + got[-2:], [1, 2, b'2'])
            refused = [a for a in got[1:-2] if a != right]
            self.assertEqual({str(a)[:4] for a in refused}, {'-OOM'})
            self.assertLessEqual(len(refused), cnt)
        self.assertEqual(self.good('ping'), '+PONG')

    def test_a_pop_in_parts_that_takes_turns(self):
        """Behind another reply, and none of it goes out before its head."""
        def fill():
            self.good('del', 'z')
            for i in range(0, 20000, 500):
                self.good('zadd', 'z', *sum(([n, f'm{n}'] for n in range(i, i + 500)), []))
        right = [word for n in range(3000) for word in (b'm%d' % n, b'%d' % n)]
        fill()
        self.good.send(array(b'echo', b'e' * 50000) + array(b'zpopmin', b'z', b'3000'))
        self.assertEqual(self.good.answer(), b'e' * 50000)
        self.assertEqual(self.good.answer(), right)
        fill()
        self.assertEqual(self.exec(('echo', 'e'), ('zpopmin', 'z', 3000), ('zcard', 'z')),
                         [b'e', right, 17000])

    def test_short_replies_have_room_behind_long_ones(self):
        """Also behind so many that they need more than the reserve (512 KiB)."""
        self.good('rpush', 'list', *[b's' * 15000] * 10)
        self.good('set', 'text', 'x')
        cnt = 20000
        got = self.exec(*[('lrange', 'list', 0, -1)] * 200, *[('lpush', 'text', 'x')] * cnt,
                        pause=0.3)
        self.assertEqual({str(a)[:10] for a in got[200:]}, {'-WRONGTYPE'})
        self.assertEqual(len(got), 200 + cnt)
        self.assertTrue(any(str(a)[:4] == '-OOM' for a in got[:200]))

    def test_a_pop_whose_later_parts_memory_has_no_room_for(self):
        """It ends where it is: what was taken is answered, all else is still there."""
        def item(i):
            return b'%06d' % i + b'x' * 100000

        def fill():
            self.good('del', 'list', 'set')
            for i in range(120):
                self.assertEqual(self.good('rpush', 'list', item(i)), i + 1)
                self.assertEqual(self.good('sadd', 'set', item(i)), 1)

        fill()
        for words, left in ((('lpop', 'list', 110), 'llen'), (('spop', 'set', 110), 'scard')):
            got = self.good(*words)
            self.assertTrue(0 < len(got) < 110, len(got))
            self.assertEqual(self.good(left, words[1]), 120 - len(got), words)
            self.assertTrue(set(got) <= set(map(item, range(120))))
        fill()
        for words in (('multi',), ('rpop', 'list', 110), ('llen', 'list')):
            self.good(*words)
        got, left = self.good('exec')
        self.assertEqual(got, [item(i) for i in reversed(range(left, 120))])
        self.assertTrue(0 < left < 120, left)


class Cursors(unittest.TestCase):
    """A cursor that there is no memory for is not 0, which would say that all keys were shown."""

    def test_without_memory_a_walk_is_not_over(self):
        node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', '--set', 'gate.memory=4m')
        self.addCleanup(node.remove)
        c = Raw(port_of(node))
        self.addCleanup(c.close)
        for i in range(3):
            c('set', f'{i}' * 1000, 'x')
        for _ in range(4096):   # more than memory has room for
            at, keys = c('scan', 0, 'count', 1)
            self.assertEqual((at != b'0', keys), (True, [b'0' * 1000]))
        self.assertEqual(c('scan', at, 'count', 1)[1], [b'1' * 1000])


class Killed(Case):
    def test_increments_count_while_executors_are_killed(self):
        over, told, failed = threading.Event(), [], []

        def count():
            c, made = Raw(NODE['port']), 0
            while not over.is_set():
                for _ in range(8):
                    c.say('incr', 'n')
                c.say('fcall', 'increment', 0, 4)
                for _ in range(8):
                    made += isinstance(c.answer(), int)
                answer = c.answer()
                if answer != 5 and not str(answer).startswith('-'):
                    failed.append(answer)
            c.close()
            told.append(made)

        threads = [threading.Thread(target=count) for _ in range(8)]
        for t in threads:
            t.start()
        for _ in range(6):
            pids = until(NODE['node'].executors, WAIT_S, 'executors')
            os.kill(self.random.choice(pids), signal.SIGKILL)
            until(lambda gone=pids: NODE['node'].executors() != gone, WAIT_S, 'another one')
        over.set()
        for t in threads:
            t.join()
        self.assertEqual(failed, [])
        self.assertEqual(self.good('get', 'n'), str(sum(told)).encode())


if __name__ == '__main__':
    print(f'SEED={SEED}')
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
