#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_tls_test.py MICROBURST SOURCE

Goal:   what encrypted connections make the node keep is counted into gate.memory, and bounded: by
        those at rest, by handshakes that go no further, by halves of records, by long replies.
        Who comes in the usual way is served meanwhile, and all of it is given back.
Method: a node with 8 MiB for clients; each of these at once and by the hundred; a client over TCP
        reads INFO, and the process's resident memory is looked at.
"""
import os
import socket
import ssl
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until   # noqa: E402
from resp import Raw, port_of   # noqa: E402

MICROBURST, SOURCE = sys.argv[1:3]
WAIT_S = 60
MIB = 1 << 20
MEMORY = 8 * MIB
REST_MOST = 20 << 10    # of a connection at rest; 14 KiB with OpenSSL 3.0
CALL_MOST = 128 << 10   # one call of OpenSSL may go so far beyond
RESIDENT_MOST = 6 * MIB     # beside what is counted
NODE = {}


def setUpModule():
    folder = f'/tmp/microburst-tls-{os.getpid()}'
    os.mkdir(folder)
    unittest.addModuleCleanup(os.rmdir, folder)
    cert, key = f'{folder}/cert', f'{folder}/key'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                    'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost',
                    '-keyout', key, '-out', cert], check=True, capture_output=True)
    for name in (cert, key):
        unittest.addModuleCleanup(os.unlink, name)
    node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', '--set',
                'gate.tls_listen=127.0.0.1:0', '--set', f'gate.tls_cert={cert}', '--set',
                f'gate.tls_key={key}', '--set', 'gate.memory=8m', '--set', 'gate.slow=3s')
    unittest.addModuleCleanup(node.remove)
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    NODE.update(node=node, port=port_of(node), tls_port=port_of(node, ' over TLS'), tls=tls)
    for _ in range(2):  # what OpenSSL makes once for all is there
        Raw(NODE['tls_port'], tls=tls).close()


def resident():
    with open(f"/proc/{NODE['node'].process.pid}/statm", encoding='ascii') as f:
        return int(f.read().split()[1]) * os.sysconf('SC_PAGESIZE')


class Memory(unittest.TestCase):
    def setUp(self):
        self.clients = []
        self.good = Raw(NODE['port'])
        self.addCleanup(self.good.close)
        self.before = self.number('microburst_tls_used')
        self.resident = resident()

    def tearDown(self):
        self.all_go()
        self.assertIsNone(NODE['node'].process.poll(), 'the node ended')
        until(lambda: self.number('microburst_tls_used') < self.before + (32 << 10),
              WAIT_S, 'OpenSSL has given all back')

    def all_go(self):
        for s in self.clients:
            s.close()
        self.clients.clear()

    def number(self, name):
        return int(self.good('info').decode().split(f'\r\n{name}:')[1].split('\r\n')[0])

    def secret(self):
        c = Raw(NODE['tls_port'], tls=NODE['tls'])
        self.clients.append(c)
        return c

    def secrets(self, most):
        """As many as are let in."""
        for n in range(most):
            try:
                if self.secret()('ping') != '+PONG':
                    return n
            except (OSError, EOFError):
                self.clients.pop().close()
                return n
        return most

    def assert_bounded(self):
        self.assertLess(self.number('microburst_tls_used'), MEMORY + CALL_MOST)
        self.assertLessEqual(self.number('microburst_tls_used'), self.number('mem_clients_normal'))
        self.assertLess(self.number('mem_clients_normal'), MEMORY + CALL_MOST)
        self.assertLess(resident() - self.resident, MEMORY + RESIDENT_MOST)

    def test_a_reply_is_whole_whatever_comes_while_it_is_made(self):
        """More items than one write set takes, whose count is said last; records go on coming."""
        c = self.secret()
        for _ in range(100):
            c.say('rpush', 'items', *range(300))
            self.assertEqual(c.answer(), 300)
            c.say('lpop', 'items', 300)
            for _ in range(20):
                c.say('ping')
            self.assertEqual(c.answer(), [b'%d' % i for i in range(300)])
            self.assertEqual({c.answer() for _ in range(20)}, {'+PONG'})

    def test_those_at_rest_are_bounded_and_stay(self):
        cnt = self.secrets(2000)
        used = self.number('microburst_tls_used')
        print(f'{cnt} connections, {used} bytes', file=sys.stderr)
        self.assertGreater(cnt, (MEMORY * 3 // 4 - self.before) // REST_MOST)
        self.assertLess(cnt, 2000)
        self.assertLessEqual(used, MEMORY * 3 // 4 + CALL_MOST)
        self.assert_bounded()
        self.assertGreater(self.number('rejected_connections'), 0)
        value = os.urandom(256 << 10)
        self.assertEqual(self.good('set', 'long', value), '+OK')
        for c in self.clients[::10]:    # all of them are there, and served
            self.assertEqual(c('get', 'long'), value)
        self.assertEqual(self.clients[0]('ping'), '+PONG')
        for c in self.clients[:cnt // 2]:
            c.close()
        del self.clients[:cnt // 2]
        until(lambda: self.number('microburst_tls_used') < used * 2 // 3, WAIT_S, 'half are gone')
        self.assertGreater(self.secrets(50), 49)    # there is room again
        self.all_go()
        until(lambda: resident() - self.resident < RESIDENT_MOST, WAIT_S, 'the memory is back')

    def test_a_long_reply_leaves_nothing_behind(self):
        value = os.urandom(MIB)
        self.assertEqual(self.good('set', 'long', value), '+OK')
        self.assertEqual(self.secrets(100), 100)
        rest = self.number('mem_clients_normal')
        for c in self.clients:
            self.assertEqual(c('get', 'long'), value)
        self.assertLess(self.number('mem_clients_normal') - rest, 64 << 10)
        self.assertEqual(self.good('del', 'long'), 1)

    def hello(self):
        """What a client says first."""
        rx, tx = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            NODE['tls'].wrap_bio(rx, tx).do_handshake()
        except ssl.SSLWantReadError:
            pass
        return tx.read()

    def test_handshakes_that_go_no_further_give_way(self):
        served = 0
        for i in range(800):
            s = socket.create_connection(('127.0.0.1', NODE['tls_port']))
            self.clients.append(s)
            try:
                s.sendall(self.hello() if i % 2 == 0 else self.hello()[:40])
            except OSError:     # was refused
                pass
            if i % 50 == 49:
                self.assert_bounded()
                served += self.is_served()
        self.assertEqual(self.good('ping'), '+PONG')
        until(self.is_served, WAIT_S, 'one is served')
        print(f'{served} of 16 were served in the storm', file=sys.stderr)

    def is_served(self):
        try:
            c = Raw(NODE['tls_port'], tls=NODE['tls'])
        except OSError:
            return False
        try:
            return c('ping') == '+PONG'
        except (OSError, EOFError):
            return False
        finally:
            c.close()

    def test_who_has_sent_half_a_record_owes(self):
        closed = []
        for _ in range(300):
            s = socket.create_connection(('127.0.0.1', NODE['tls_port']))
            self.clients.append(s)
            s.settimeout(WAIT_S)
            try:
                self.half(s)
            except OSError:
                closed.append(s)
            if len(self.clients) % 50 == 0:
                self.assert_bounded()
        until(self.is_served, WAIT_S, 'one is served')
        for s in self.clients:      # none stays longer than gate.slow
            if s not in closed:
                try:
                    while s.recv(1 << 16):
                        pass
                except ConnectionError:
                    pass

    def half(self, s):
        rx, tx = ssl.MemoryBIO(), ssl.MemoryBIO()
        obj = NODE['tls'].wrap_bio(rx, tx)
        while True:
            try:
                obj.do_handshake()
                break
            except ssl.SSLWantReadError:
                s.sendall(tx.read())
                got = s.recv(1 << 16)
                if not got:
                    raise ConnectionResetError from None
                rx.write(got)
        obj.write(b'x' * 16000)
        record = tx.read()
        s.sendall(record[:len(record) // 2])


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
