#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""hosts_test.py MICROBURST SOURCE MANY BADLINK LANES PLUG TWICE

Goal:   a node whose NIC is DPDK's and a client whose NIC is the kernel's understand each other,
        over a link that is well, and over one that loses, doubles, delays and reorders; a cut is
        survived; the node's host is found by ARP and by neighbour discovery and answers echo; it
        says how it waits, and idle it does not spin.
Method: two network namespaces on a bridge (tests/lib/hosts.py). The node's own kernel has no
        address on the link, so whatever answers is the node. Needs root and namespaces, else it is
        skipped. Cables are made worse by tests/lib/badlink.c, seeded.
"""
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

MICROBURST, SOURCE, MANY, BADLINK, LANES, PLUG, TWICE = sys.argv[1:8]
sys.path.insert(0, os.path.join(SOURCE, 'tests', 'lib'))
import hosts    # pylint: disable=wrong-import-position
from node import Node   # pylint: disable=wrong-import-position

SEED = int(os.environ.get('MB_TEST_SEED', '1'))
NAME, PORT, COMMAND_S = f'mbt{os.getpid() % 10000}h', 7117, 60
V4, V6 = hosts.NET4 + '1', hosts.NET6 + '1'


def echo_sum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return 0xffff ^ total


# Run in the client's namespace: one echo, as ping sends it. Prints what came back.
PING = '''
import socket, sys
family, proto = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if ':' in sys.argv[1] else \\
    (socket.AF_INET, socket.IPPROTO_ICMP)
s = socket.socket(family, socket.SOCK_RAW, proto)
s.settimeout(30)
s.sendto(bytes.fromhex(sys.argv[2]), (sys.argv[1], 0))
while True:
    data, at = s.recvfrom(2000)
    data = data if ':' in sys.argv[1] else data[20:]
    if at[0] == sys.argv[1] and data[0] in (0, 129):
        print(data[4:].hex())
        break
'''

# Run in the client's namespace, until it is ended: datagrams to the node (address, port, card) with
# the client's address, which come from another card.
SPOOF = '''
import os, socket, struct, sys, time
me, to, port, card = socket.inet_aton(sys.argv[1]), socket.inet_aton(sys.argv[2]), \\
    int(sys.argv[3]), bytes.fromhex(sys.argv[4].replace(':', ''))
def total(data):
    n = sum(struct.unpack(f'!{len(data) // 2}H', data))
    n = (n & 0xffff) + (n >> 16)
    return 0xffff ^ ((n & 0xffff) + (n >> 16))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0))
print(flush=True)
while True:
    data = os.urandom(64)
    head = struct.pack('!HHH', 9999, port, 72)
    udp = head + struct.pack('!H', total(me + to + b'\\0\\x11\\0\\x48' + head + data)) + data
    ip = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + me + to
    ip = ip[:10] + struct.pack('!H', total(ip)) + ip[12:]
    s.send(card + bytes.fromhex('020000006666') + b'\\x08\\0' + ip + udp)
    time.sleep(0.001)
'''
SLOW = '''
#include <microburst/function.h>
#include <time.h>

MB_FUNCTION(slow)
{
    struct timespec t = { 0, 200000000 };

    nanosleep(&t, NULL);
    return mb_return_i64(call, 1);
}
'''


def metric(node, name, tile='net:0'):
    top = node.run('--json', 'top', '--once', '--interval', '50ms')[1]
    tiles = json.loads(top)['tiles']
    return next(t for t in tiles if t['name'] == tile)['metrics']['net_' + name]


class OverNic(unittest.TestCase):
    """The tests are the same for each backend; a class of its own each below."""
    NIC, ADDRESS, WAITS = None, V4, 'sleeps at its socket'

    @classmethod
    def setUpClass(cls):
        why = 'only for the backends' if cls.NIC is None else hosts.missing()
        if why:
            raise unittest.SkipTest(why)
        cls.net = hosts.Hosts(2, NAME, BADLINK)
        cls.where = f'[{cls.ADDRESS}]:{PORT}' if ':' in cls.ADDRESS else f'{cls.ADDRESS}:{PORT}'
        try:
            hosts.ip('-n', cls.net.space(1), 'addr', 'flush', 'dev', 'eth0')
            cls.begin()
        except RuntimeError:
            cls.net.down()
            raise

    @classmethod
    def begin(cls):
        cls.node = Node(MICROBURST, '--set', f'net.listen=udp://{cls.where}', '--set',
                        f'net.nic={cls.NIC}', '--set', 'cache.bytes=512m',
                        within=cls.net.within(1))
        cls.plug()
        cls.node.run('deploy', os.path.join(SOURCE, 'examples', 'increment.c'))

    @classmethod
    def tearDownClass(cls):
        cls.pull()
        cls.node.remove()
        cls.net.down()

    @classmethod
    def plug(cls):
        """Joins the node's device with the link, if it is not the link's end."""

    @classmethod
    def pull(cls):
        """Parts them."""

    def remote(self, *args):
        done = subprocess.run(self.net.within(2, MICROBURST, '--connect', 'udp://' + self.where,
                                              *args), capture_output=True, timeout=COMMAND_S,
                              check=False)
        return done.returncode, done.stdout, done.stderr.decode()

    def ok(self, *args):
        code, out, err = self.remote(*args)
        self.assertEqual((code, err), (0, ''), args)
        return out

    def metric(self, name):
        return metric(self.node, name)

    def taken(self, cnt):
        """So many requests; a tile shows the last ones when it has time to."""
        until = time.monotonic() + COMMAND_S
        while self.metric('request_taken') != cnt:
            self.assertLess(time.monotonic(), until, (self.metric('request_taken'), cnt))

    def large(self, size):
        value = random.Random(size).randbytes(size)
        path = os.path.join(self.node.folder, 'value')
        with open(path, 'wb') as f:
            f.write(value)
        self.ok('set', 'large', '@' + path)
        self.assertTrue(self.ok('get', 'large') == value, size)

    def test_a_well_link(self):
        self.assertEqual(self.ok('call', 'increment', '41').strip(), b'42')
        self.ok('call', 'increment', '1', '--repeat', '500', '--parallel', '50')
        self.assertEqual(self.ok('incr', 'well').strip(), b'1')
        for size in (1300, 1400, 1500, 8900, *[2 << 20] * 5):
            self.large(size)
        self.assertIn(self.WAITS, self.node.said())

    def test_a_bad_link(self):
        for i in (1, 2):
            self.net.worse(i, 'delay', '1ms', '1ms', 'loss', '3%', 'duplicate', '3%', 'reorder',
                           '10%', seed=SEED)
        try:
            before = self.metric('request_taken')
            self.ok('call', 'increment', '1', '--repeat', '200', '--parallel', '20')
            for i in range(5):
                self.assertEqual(self.ok('incr', 'bad').strip(), str(i + 1).encode())
            # Each ran once: 200 calls, 5 increments, a greeting of each of 6 clients.
            self.taken(before + 200 + 5 + 6)
            self.large(300_000)
        finally:
            did = self.net.worse(1), self.net.worse(2)
        for cable in did:
            self.assertTrue(all(cable[k] > 0 for k in ('passed', 'lost', 'doubled', 'hurried')),
                            cable)

    def test_one_in_a_hundred_lost(self):
        """No call is lost, none runs twice, and half of them do not notice."""
        for i in (1, 2):
            self.net.worse(i, 'loss', '1%', seed=SEED)
        try:
            before = self.metric('request_taken')
            self.ok('call', 'increment', '1', '--repeat', '500')
            self.taken(before + 500 + 1)
        finally:
            did = self.net.worse(1), self.net.worse(2)
        self.assertGreater(did[0]['lost'] + did[1]['lost'], 1, did)

    def test_a_cut(self):
        calls = subprocess.Popen(self.net.within(2, MICROBURST, '--connect',
                                                 'udp://' + self.where, 'call', 'increment', '1',
                                                 '--repeat', '4000'), stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE)
        time.sleep(0.3)
        self.net.cut(2)
        time.sleep(0.7)
        self.net.cut(2, off=False)
        _, err = calls.communicate(timeout=COMMAND_S)
        self.assertEqual((calls.returncode, err), (0, b''))

    def cable(self, off):
        self.net.cut(1, off=off)

    def test_the_link_is_told(self):
        """Whether a cable is in it, which drivers on an interface of the kernel's do not tell."""
        for off in (True, False):
            self.cable(off)
            until = time.monotonic() + COMMAND_S
            while self.metric('link_up') != int(not off):
                self.assertLess(time.monotonic(), until)
                time.sleep(0.02)

    def test_its_host(self):
        data = os.urandom(48)
        if ':' in self.ADDRESS:
            ask = struct.pack('!BBHHH', 128, 0, 0, 7, 1) + data     # the kernel sums
        else:
            ask = struct.pack('!BBHHH', 8, 0, 0, 7, 1) + data
            ask = ask[:2] + struct.pack('!H', echo_sum(ask)) + ask[4:]
        done = subprocess.run(self.net.within(2, sys.executable, '-c', PING, self.ADDRESS,
                                              ask.hex()), capture_output=True, timeout=COMMAND_S,
                              check=False)
        self.assertEqual(done.stdout.decode().strip(), ask[4:].hex(), done.stderr)

    def test_who_speaks_in_anothers_name(self):
        """Answers that are long in coming go to who asked, whoever claims to be him meanwhile."""
        if ':' in self.ADDRESS:
            self.skipTest('the same over IPv6: tests/unit/net/host_test.c')
        self.node.deploy(SLOW)
        self.ok('call', 'slow')
        seen = subprocess.run(self.net.within(2, 'ip', 'neigh', 'show', self.ADDRESS), text=True,
                              capture_output=True, timeout=COMMAND_S, check=True).stdout
        card = re.search('lladdr ([0-9a-f:]+)', seen)[1]
        before = self.metric('datagram_refused')
        spoof = subprocess.Popen(self.net.within(2, sys.executable, '-c', SPOOF, hosts.NET4 + '2',
                                                 self.ADDRESS, str(PORT), card),
                                 stdout=subprocess.PIPE)
        try:
            spoof.stdout.readline()
            began = time.monotonic()
            for _ in range(3):
                self.assertEqual(self.ok('call', 'slow').strip(), b'1')
            self.assertLess(time.monotonic() - began, 20)
            while self.metric('datagram_refused') - before <= 100:
                self.assertLess(time.monotonic() - began, COMMAND_S)
        finally:
            spoof.kill()
            spoof.communicate()

    def test_idle(self):
        took, until = 1, time.monotonic() + COMMAND_S
        while took >= 0.2:      # what was before it may take a while to end
            self.assertLess(time.monotonic(), until, took)
            time.sleep(0.5)
            before = self.cpu_s()
            time.sleep(1)
            took = self.cpu_s() - before

    def cpu_s(self):
        with open(f'/proc/{self.node.process.pid}/stat', encoding='utf-8') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        return sum(map(int, fields[11:13])) / os.sysconf('SC_CLK_TCK')

    def test_what_it_misses_is_counted(self):
        """Frames that come while nobody looks, more than the queue has room for."""
        thrower = ("import socket\n"
                   "s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n"
                   "s.bind(('eth0', 0))\n"
                   "for i in range(8000): s.send(bytes.fromhex('ff' * 6 + '02' * 6 + '1234') +"
                   " bytes(50))\n")
        before = self.metric('frame_missed')
        self.node.process.send_signal(signal.SIGSTOP)
        try:
            subprocess.run(self.net.within(2, sys.executable, '-c', thrower), check=True,
                           timeout=COMMAND_S)
        finally:
            self.node.process.send_signal(signal.SIGCONT)
        until = time.monotonic() + COMMAND_S
        while self.metric('frame_missed') == before:
            self.assertLess(time.monotonic(), until)
        self.assertEqual(self.ok('call', 'increment', '1').strip(), b'2')

    def test_strangers(self):
        """Frames of every kind at the node's link: counted, and nothing else."""
        thrower = ("import os, socket, random\n"
                   "s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n"
                   "s.bind(('eth0', 0))\n"
                   "for i in range(2000):\n"
                   "    kind = random.choice((0x800, 0x806, 0x86dd, 0x8100, 0x1234))\n"
                   "    b = bytearray(os.urandom(random.randrange(0, 1400)))\n"
                   "    if b: b[0] = random.choice((0x45, 0x60, 0, b[0]))\n"
                   "    s.send(b'\\xff' * 6 + os.urandom(6) + kind.to_bytes(2, 'big') + b)\n")
        def counted():
            return self.metric('datagram_refused') + self.metric('frame_other')

        before, until = counted(), time.monotonic() + COMMAND_S
        while counted() <= before + 500:    # a busy node's queue overruns
            self.assertLess(time.monotonic(), until)
            subprocess.run(self.net.within(2, sys.executable, '-c', thrower), check=True,
                           timeout=COMMAND_S)
        self.assertEqual(self.ok('call', 'increment', '1').strip(), b'2')


# Sends numbered datagrams; or prints which came, in the order they came, until standard input has
# ended, and nothing came for a while: a long one if they are not so many yet.
DATAGRAMS = '''
import select, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if sys.argv[1] == 'send':
    for i in range(int(sys.argv[3])):
        s.sendto(i.to_bytes(4, 'big'), (sys.argv[2], 7))
else:
    s.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)   # SO_RCVBUFFORCE
    s.bind(('', 7))
    print('ready', flush=True)
    wait, cnt = [s, sys.stdin], 0
    while True:
        patience = None if len(wait) == 2 else 10 if cnt < int(sys.argv[2]) else 1
        ready = select.select(wait, [], [], patience)[0]
        if s in ready:
            cnt += 1
            print(int.from_bytes(s.recv(10), 'big'))
        elif ready:
            wait.remove(sys.stdin)
        else:
            break
'''


class Interrupted(unittest.TestCase):
    """A Ctrl-C while hosts are made leaves none."""

    def test_an_interrupt(self):
        why = hosts.missing()
        if why:
            raise unittest.SkipTest(why)

        def spaces():
            done = subprocess.run(['ip', 'netns', 'list'], capture_output=True, text=True,
                                  timeout=COMMAND_S, check=True)
            return [name for name in done.stdout.split() if name.startswith(NAME)]

        heeds = ['env', '--default-signal=INT']     # as on a terminal
        making = subprocess.Popen([*heeds, sys.executable, '-B', hosts.__file__, 'up', '30', NAME],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + COMMAND_S
        while len(spaces()) < 3:
            self.assertLess(time.monotonic(), until)
        making.send_signal(signal.SIGINT)
        self.assertNotEqual(making.wait(COMMAND_S), 0)
        self.assertEqual(spaces(), [])


class Numbers(unittest.TestCase):
    """Of hosts that cannot be there are none, and it is said."""

    def test_not_understood(self):
        for number in 'x', '0', '-1', '255', '':
            done = subprocess.run([sys.executable, '-B', hosts.__file__, 'up', number, NAME],
                                  capture_output=True, text=True, timeout=COMMAND_S, check=False)
            self.assertEqual((done.returncode, done.stderr),
                             (1, 'hosts: N is a number from 1 to 254\n'), number)


    def test_no_name(self):
        """A name that is empty would be that of every space which is called by a number."""
        for number, words in (('2', ['']), ('2', ['1']), ('2', ['h1']), ('2', ['a b']),
                              ('2', ['../h']), ('2', ['h' * 12]), ('2', [NAME, NAME])):
            for args in ('up', number, *words), ('down', *words):
                done = subprocess.run([sys.executable, '-B', hosts.__file__, *args],
                                      capture_output=True, text=True, timeout=COMMAND_S,
                                      check=False)
                said = 'hosts: NAME is 1 to 11 letters and digits, a letter first and last\n'
                self.assertEqual((done.returncode, done.stderr), (1, said), args)


class BadLink(unittest.TestCase):
    """The cable itself does what it says, and no more. Order is not looked at: on a busy machine
    the kernel overtakes itself where a sender changes its cpu."""

    @classmethod
    def setUpClass(cls):
        why = hosts.missing()
        if why:
            raise unittest.SkipTest(why)
        cls.net = hosts.Hosts(2, NAME, BADLINK)
        cls.addClassCleanup(cls.net.down)
        # Known to each other: else what is sent while nobody answers waits, for another test.
        mac = subprocess.run(cls.net.within(2, 'cat', '/sys/class/net/eth0/address'),
                             capture_output=True, text=True, check=True).stdout.strip()
        hosts.ip('-n', cls.net.space(1), 'neigh', 'replace', hosts.NET4 + '2', 'lladdr', mac, 'dev',
                 'eth0', 'nud', 'permanent')

    def come(self, cnt, *how, comes=None):
        """(numbers that came, what the cable says) of cnt datagrams from host 1 to host 2, of which
        so many come."""
        self.net.worse(2, *how, seed=SEED)
        hears = subprocess.Popen(self.net.within(2, sys.executable, '-c', DATAGRAMS, 'hear',
                                                 str(cnt if comes is None else comes)),
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.assertEqual(hears.stdout.readline(), 'ready\n')
        subprocess.run(self.net.within(1, sys.executable, '-c', DATAGRAMS, 'send',
                                       hosts.NET4 + '2', str(cnt)), check=True, timeout=COMMAND_S)
        came = list(map(int, hears.communicate(timeout=COMMAND_S)[0].split()))
        return came, self.net.worse(2)

    def test_well(self):
        came, did = self.come(300, 'loss', '0%')
        self.assertEqual(sorted(came), list(range(300)))
        self.assertEqual((did['lost'], did['doubled'], did['hurried']), (0, 0, 0))

    def test_loss(self):
        came, did = self.come(1000, 'loss', '20%', comes=720)
        self.assertEqual(len(came), len(set(came)))
        self.assertTrue(120 < 1000 - len(came) < 280, len(came))
        self.assertGreaterEqual(did['lost'], 1000 - len(came))

    def test_all_lost(self):
        self.assertEqual(self.come(50, 'loss', '100%', comes=0)[0], [])

    def test_doubled(self):
        came, did = self.come(300, 'duplicate', '100%', comes=600)
        self.assertEqual(sorted(came), sorted(list(range(300)) * 2))
        self.assertGreaterEqual(did['doubled'], 300)

    def test_late(self):
        came, did = self.come(300, 'delay', '20ms')
        self.assertEqual(sorted(came), list(range(300)))
        came, did = self.come(300, 'delay', '20ms', '10ms')
        self.assertEqual(sorted(came), list(range(300)))
        self.assertNotEqual(came, sorted(came))
        came, did = self.come(300, 'delay', '50ms', 'reorder', '10%')
        self.assertEqual(sorted(came), list(range(300)))
        self.assertNotEqual(came, sorted(came))
        self.assertGreater(did['hurried'], 5)

    def test_not_understood(self):
        for how in (['loss'], ['loss', '5'], ['loss', '101%'], ['loss', '-1%'], ['delay', '5'],
                    ['delay', '-1ms'], ['lose', '1%'], ['duplicate', '%']):
            done = subprocess.run([BADLINK, 'lo', 'lo', '1', *how], capture_output=True, text=True,
                                  timeout=COMMAND_S, check=False)
            self.assertEqual(done.returncode, 2, how)


class Memif(unittest.TestCase):
    """Both ends are DPDK's: shared memory of two processes. Needs neither root nor namespaces."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='microburst-memif-')
        device = f'socket={cls.folder}/memif,socket-abstract=no'
        cls.node = Node(MICROBURST, '--set', f'net.listen=udp://{V4}:{PORT}', '--set',
                        f'net.nic=net_memif0,role=server,{device}', '--set', 'cache.bytes=512m')
        cls.where = f'dpdk://{V4}:{PORT}?nic=net_memif0,role=client,{device}&at={hosts.NET4}2'
        cls.node.run('deploy', os.path.join(SOURCE, 'examples', 'increment.c'))

    @classmethod
    def tearDownClass(cls):
        cls.node.remove()
        shutil.rmtree(cls.folder)

    def client(self, *args, data=None, where=None):
        done = subprocess.run([MICROBURST, '--connect', where or self.where, *args],
                              capture_output=True, timeout=COMMAND_S, check=False, input=data)
        return done.returncode, done.stdout, done.stderr

    def test_both_ends(self):
        for i in range(3):    # a new client each: the link comes up again
            self.assertEqual(self.client('incr', 'counted')[:2], (0, b'%d\n' % (i + 1)))
        self.assertEqual(self.client('call', 'increment', '41')[:2], (0, b'42\n'))
        self.assertEqual(self.node.run('get', 'counted')[1].strip(), b'3')

    def test_name(self):
        """The node is at the last of a name's addresses; the first is of a family that this end
        has not."""
        file = self.folder + '/hosts'
        with open(file, 'w', encoding='ascii') as text:
            text.write(f'{V6} all.example\n{hosts.NET4}9 all.example\n{V4} all.example\n')
        why = hosts.no_naming(file, 'all.example', V6)
        if why:
            self.skipTest(why)
        done = subprocess.run(hosts.naming(file, MICROBURST, '--connect',
                                           self.where.replace(V4, 'all.example'), 'incr', 'named'),
                              capture_output=True, timeout=COMMAND_S, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b'1\n', b''))
        code, _, text = self.client('get', 'named', where=self.where.replace(V4, f'[{V6}]'))
        self.assertNotEqual(code, 0)
        self.assertIn(b'both are IPv4, or both IPv6', text)

    def test_killed_and_started_again(self):
        """What a killed node has left of its memif is in nobody's way."""
        where = self.folder + '/killed'
        device = f'socket={where},socket-abstract=no'
        node = Node(MICROBURST, '--set', f'net.listen=udp://{V4}:{PORT}', '--set',
                    f'net.nic=net_memif2,role=server,{device}')
        node.process.kill()
        node.remove()
        self.assertTrue(os.path.exists(where))
        node = Node(MICROBURST, '--set', f'net.listen=udp://{V4}:{PORT}', '--set',
                    f'net.nic=net_memif2,role=server,{device}')
        self.addCleanup(node.remove)
        at = f'dpdk://{V4}:{PORT}?nic=net_memif2,role=client,{device}&at={hosts.NET4}2'
        self.assertEqual(self.client('incr', 'n', where=at)[:2], (0, b'1\n'))

    def test_large(self):
        value = random.Random(5).randbytes(3 << 20)
        self.assertEqual(self.client('set', 'large', '-', data=value)[::2], (0, b''))
        self.assertEqual(self.client('get', 'large')[1], value)

    def test_long_frames(self):
        """Long bodies are frames' second pieces; short frames come after them in the same slots."""
        device = f'socket={self.folder}/long,socket-abstract=no,bsize=9216'
        node = Node(MICROBURST, '--set', f'net.listen=udp://{V4}:{PORT}', '--set', 'net.mtu=9000',
                    '--set', f'net.nic=net_memif3,role=server,{device}', '--set',
                    'cache.bytes=512m')
        self.addCleanup(node.remove)
        at = f'dpdk://{V4}:{PORT}?nic=net_memif3,role=client,{device}&at={hosts.NET4}2&mtu=9000'
        for length in (20_000_003, 8_905, 4_200):
            value = random.Random(length).randbytes(length)
            self.assertEqual(self.client('set', 'long', '-', data=value, where=at)[::2], (0, b''))
            self.assertEqual(self.client('get', 'long', where=at)[1], value)
            done = subprocess.run([MANY, at], capture_output=True, timeout=COMMAND_S, check=False)
            self.assertEqual((done.returncode, done.stdout), (0, b'many\n'), done.stderr)

    def test_many(self):
        done = subprocess.run([MANY, self.where], capture_output=True, timeout=COMMAND_S,
                              check=False)
        self.assertEqual((done.returncode, done.stdout), (0, b'many\n'), done.stderr)

    def test_twice(self):
        done = subprocess.run([TWICE, self.where], capture_output=True, timeout=COMMAND_S,
                              check=False)
        self.assertEqual((done.returncode, done.stdout), (0, b'twice\n'), done.stderr)
        self.assertIn(b'this program uses it already', done.stderr)

    def test_wrong(self):
        """What cannot be is told, by its reason; nothing is left of DPDK's files."""
        for where in (f'dpdk://{V4}:{PORT}', self.where.replace('&at=', '&from='),
                      self.where + '&vlan=4095', f'dpdk://{V4}:{PORT}?at=10.0.0.1'):
            self.assertNotEqual(self.client('get', 'counted', where=where)[0], 0, where)
        code, _, text = self.client('get', 'counted', where=self.where.replace('memif0', 'nosuch0'))
        self.assertNotEqual(code, 0)
        self.assertIn(b'DPDK cannot make this device', text)
        code, _, text = self.client('get', 'counted', where=self.where.replace(
            'role=client', 'rolle=client'))
        self.assertIn(b'net_memif has no argument "rolle"', text)
        self.assertEqual(code, 1)
        done = subprocess.run([MICROBURST, '--connect', self.where, 'incr', 'n'], check=True,
                              timeout=COMMAND_S, capture_output=True,
                              env={**os.environ, 'RUNTIME_DIRECTORY': self.folder})
        self.assertEqual((done.stdout, os.listdir(os.path.join(self.folder, 'dpdk'))),
                         (b'1\n', []))


class TwoQueues(unittest.TestCase):
    """A NIC with a queue for each of two tiles, whose driver spreads frames by a hash."""

    @classmethod
    def setUpClass(cls):
        why = hosts.missing()
        if why:
            raise unittest.SkipTest(why)
        cls.net = hosts.Hosts(2, NAME)
        try:
            hosts.ip('-n', cls.net.space(1), 'addr', 'flush', 'dev', 'eth0')
            cls.node = Node(MICROBURST, '--set', f'net.listen=udp://{V4}:{PORT}', '--set',
                            'net.nic=net_af_packet0,iface=eth0,qpairs=2', '--set', 'net.tiles=2',
                            '--set', 'cache.tiles=2', '--set', 'cache.bytes=512m',
                            within=cls.net.within(1))
        except RuntimeError:
            cls.net.down()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.node.remove()
        cls.net.down()

    def both(self, name):
        return [metric(self.node, name, f'net:{i}') for i in (0, 1)]

    def test_each_key_at_its_tile(self):
        """Whichever queue a frame comes to, the tile that it is for answers it."""
        self.assertEqual(self.node.said().count('steered by the tiles, sleeps at its socket'), 2)
        until = time.monotonic() + COMMAND_S
        passed = came = 0
        while not 0 < passed < came:    # a client more: its ports take other ways
            before = self.both('request_taken')
            with subprocess.Popen(self.net.within(2, LANES, f'udp://{V4}:{PORT}'), text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
                did = [0, 0]
                while min(did) < 20:    # the second tile is used when it has answered
                    client.stdin.write('round\n')
                    client.stdin.flush()
                    self.assertEqual(client.stdout.readline(), '0\n')
                    did = [a - b for a, b in zip(self.both('request_taken'), before)]
                    self.assertLess(time.monotonic(), until, did)
                client.stdin.close()
                self.assertEqual(client.wait(COMMAND_S), 0)
            # Each flow is right with even odds: soon some are handed on, and some are not.
            passed, came = sum(self.both('frame_passed')), sum(self.both('datagram_rx'))
            self.assertLess(time.monotonic(), until, (passed, came))

    def test_the_device_counts(self):
        """What the device itself counts, and how it is waited for, is told by status."""
        status = self.node.json('status')
        self.assertIn('steered by the tiles', status['net'])
        for what in ('rx_good_packets', 'tx_good_packets'):
            self.assertGreater(status['nic'][what], 0)

    def test_too_few(self):
        for nic, why in (('net_af_packet1,iface=eth0', 'has 1 queues'),
                         ('net_memif1,socket-abstract=yes', 'one queue')):
            with self.assertRaisesRegex(RuntimeError, why):
                Node(MICROBURST, '--set', f'net.listen=udp://{V4}:{PORT}', '--set',
                     f'net.nic={nic}', '--set', 'net.tiles=2', within=self.net.within(1))


class Widths(unittest.TestCase):
    """An interface of the kernel's whose packets are not as long as Ethernet's."""

    def test_what_the_interface_has(self):
        why = hosts.missing()
        if why:
            raise unittest.SkipTest(why)
        net = hosts.Hosts(1, NAME)
        self.addCleanup(net.down)
        hosts.ip('-n', net.space(1), 'link', 'set', 'eth0', 'mtu', '1300')
        for nic in 'net_af_packet0,iface=eth0', 'net_af_xdp0,iface=eth0':
            node = Node(MICROBURST, '--set', f'net.listen=udp://{V4}:{PORT}', '--set',
                        f'net.nic={nic}', within=net.within(1))
            self.assertIn('MTU 1300', node.said())
            node.remove()
        for space, dev in (NAME + 'hub', net.link(1)), (net.space(1), 'eth0'):
            hosts.ip('-n', space, 'link', 'set', dev, 'mtu', '9000')
        with self.assertRaisesRegex(RuntimeError, 'the MTU of eth0 is 9000'):
            Node(MICROBURST, '--set', f'net.listen=udp://{V4}:{PORT}', '--set', f'net.nic={nic}',
                 within=net.within(1))


    def test_jumbo_frames_of_af_packet(self):
        """Where its ring has room for them, and the interface takes them. Else it is told."""
        why = hosts.missing()
        if why:
            raise unittest.SkipTest(why)
        net = hosts.Hosts(2, NAME)
        self.addCleanup(net.down)
        hosts.ip('-n', net.space(1), 'addr', 'flush', 'dev', 'eth0')
        args = ('--set', f'net.listen=udp://{V4}:{PORT}', '--set', 'net.mtu=9000', '--set',
                'cache.bytes=256m', '--set')
        ring = 'framesz=12288,blocksz=12288'
        for more, says in ('', 'add ' + ring), (',' + ring, 'ip link set dev eth0 mtu 9000'):
            with self.assertRaisesRegex(RuntimeError, says):
                Node(MICROBURST, *args, 'net.nic=net_af_packet0,iface=eth0' + more,
                     within=net.within(1))
        for i in (1, 2):
            for space, dev in (NAME + 'hub', net.link(i)), (net.space(i), 'eth0'):
                hosts.ip('-n', space, 'link', 'set', dev, 'mtu', '9000')
        node = Node(MICROBURST, *args, 'net.nic=net_af_packet0,iface=eth0,' + ring,
                    within=net.within(1))
        self.addCleanup(node.remove)
        self.assertIn('MTU 9000', node.said())
        value = random.Random(SEED).randbytes(1 << 20)
        path = os.path.join(node.folder, 'value')
        with open(path, 'wb') as f:
            f.write(value)
        before = metric(node, 'datagram_rx')
        for words in ('set', 'large', '@' + path), ('get', 'large'):
            done = subprocess.run(net.within(2, MICROBURST, '--connect', f'udp://{V4}:{PORT}',
                                             *words), capture_output=True, timeout=COMMAND_S,
                                  check=False)
            self.assertEqual((done.returncode, done.stderr), (0, b''))
        self.assertTrue(done.stdout == value)
        self.assertLess(metric(node, 'datagram_rx') - before, 2 * len(value) // 8000)


# Prints a line when a neighbour has announced itself so often as a node does.
ANNOUNCED = '''
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86dd))
s.bind(('eth0', 0))
print('ready', flush=True)
cnt = 0
while cnt < 3:
    data = s.recv(200)
    cnt += data[20] == 58 and data[54] == 136
print('announced', flush=True)
'''


class Choosy(unittest.TestCase):
    """An interface that passes on the groups that it was told of only, as cards do."""

    def test_an_ipv6_address_is_found(self):
        """By who has not heard it announced too."""
        why = hosts.missing()
        if why:
            raise unittest.SkipTest(why)
        net = hosts.Hosts(2, NAME)
        self.addCleanup(net.down)
        space = net.space(1)
        hosts.ip('-n', space, 'link', 'add', 'link', 'eth0', 'name', 'card0', 'type', 'macvlan',
                 'mode', 'bridge')
        hosts.ip('-n', space, 'addr', 'flush', 'dev', 'eth0')
        net.run(space, 'sh', '-c', 'echo 1 >/proc/sys/net/ipv6/conf/card0/disable_ipv6')
        hosts.ip('-n', space, 'link', 'set', 'card0', 'up')
        at = hosts.NET6 + 'abcd:1234'
        with subprocess.Popen(net.within(2, sys.executable, '-c', ANNOUNCED), text=True,
                              stdout=subprocess.PIPE) as hears:
            self.assertEqual(hears.stdout.readline(), 'ready\n')
            node = Node(MICROBURST, '--set', f'net.listen=udp://[{at}]:{PORT}', '--set',
                        'net.nic=net_af_packet0,iface=card0', within=net.within(1))
            self.addCleanup(node.remove)
            self.assertEqual(hears.communicate(timeout=COMMAND_S)[0], 'announced\n')
        net.run(net.space(2), 'ip', 'neigh', 'flush', 'dev', 'eth0')
        done = subprocess.run(net.within(2, MICROBURST, '--connect', f'udp://[{at}]:{PORT}',
                                         'incr', 'n'), capture_output=True, check=False,
                              timeout=COMMAND_S)
        self.assertEqual((done.returncode, done.stdout), (0, b'1\n'), done.stderr)


class Snooping(unittest.TestCase):
    """A switch that passes groups on to those only who said that they hear them."""

    def test_an_ipv6_address_is_found(self):
        why = hosts.missing() or (not shutil.which('bridge') and 'needs bridge')
        if why:
            raise unittest.SkipTest(why)
        self.net = hosts.Hosts(2, NAME)
        self.addCleanup(self.net.down)
        hub, at = NAME + 'hub', hosts.NET6 + 'abcd:1234'
        self.net.run(hub, 'sh', '-c', 'echo 0 >/proc/sys/net/ipv6/conf/br0/disable_ipv6')
        hosts.ip('-n', self.net.space(1), 'addr', 'flush', 'dev', 'eth0')
        node = Node(MICROBURST, '--set', f'net.listen=udp://[{at}]:{PORT}', '--set',
                    'net.nic=net_af_packet0,iface=eth0', within=self.net.within(1))
        self.addCleanup(node.remove)
        group = 'ff02::1:ffcd:1234'
        self.learned(group)     # it said so
        self.net.run(hub, 'bridge', 'mdb', 'del', 'dev', 'br0', 'port', self.net.link(1), 'grp',
                     group)
        times = [word for what in ('query_response', 'query', 'startup_query')
                 for word in (f'mcast_{what}_interval', '100')]
        hosts.ip('-n', hub, 'link', 'set', 'br0', 'type', 'bridge', *times, 'mcast_querier', '1')
        self.learned(group)     # it was asked
        self.net.run(self.net.space(2), 'ip', 'neigh', 'flush', 'dev', 'eth0')
        done = subprocess.run(self.net.within(2, MICROBURST, '--connect', f'udp://[{at}]:{PORT}',
                                              'incr', 'n'), capture_output=True, check=False,
                              timeout=COMMAND_S)
        self.assertEqual((done.returncode, done.stdout), (0, b'1\n'), done.stderr)
        # A client with a device of DPDK's says so too.
        where = (f'dpdk://[{at}]:{PORT}?nic=net_af_packet0,iface=eth0&'
                 f'at=[{hosts.NET6}abcd:5678]')
        done = subprocess.run(self.net.within(2, MICROBURST, '--connect', where, 'incr', 'n'),
                              capture_output=True, check=False, timeout=COMMAND_S)
        self.assertEqual((done.returncode, done.stdout), (0, b'2\n'), done.stderr)
        self.learned('ff02::1:ffcd:5678', 2)

    def learned(self, group, host=1):
        """The switch knows that this host hears it."""
        want, until = {'port': self.net.link(host), 'grp': group}, time.monotonic() + COMMAND_S
        while True:
            done = subprocess.run(['ip', 'netns', 'exec', NAME + 'hub', 'bridge', '-j', 'mdb'],
                                  capture_output=True, check=True, timeout=COMMAND_S)
            known = [e for m in json.loads(done.stdout) for e in m.get('mdb', ())]
            if any(want.items() <= entry.items() for entry in known):
                return
            self.assertLess(time.monotonic(), until, known)
            time.sleep(0.02)


class Tagged(unittest.TestCase):
    """A node on a VLAN, over af_xdp, and a dpdk:// client over af_packet."""

    @classmethod
    def setUpClass(cls):
        why = hosts.missing()
        if why:
            raise unittest.SkipTest(why)
        cls.net = hosts.Hosts(2, NAME)
        cls.addClassCleanup(cls.net.down)
        for i in (1, 2):
            hosts.ip('-n', cls.net.space(i), 'addr', 'flush', 'dev', 'eth0')
        cls.node = Node(MICROBURST, '--set', f'net.listen=udp://[{V6}]:{PORT}', '--set',
                        'net.nic=net_af_xdp0,iface=eth0', '--set', 'net.vlan=42', '--set',
                        'cache.bytes=512m', within=cls.net.within(1))
        cls.addClassCleanup(cls.node.remove)

    def test_frames_have_its_tag(self):
        value = random.Random(42).randbytes(100_000)
        where = (f'dpdk://[{V6}]:{PORT}?nic=net_af_packet0,iface=eth0&'
                 f'at=[{hosts.NET6}2]&vlan=42')
        done = subprocess.run(self.net.within(2, MICROBURST, '--connect', where, 'set', 'tagged',
                                              '-'), capture_output=True, check=False,
                              timeout=COMMAND_S, input=value)
        self.assertEqual(done.returncode, 0, done.stderr)
        here = subprocess.run([MICROBURST, '--socket', self.node.socket, 'get', 'tagged'],
                              capture_output=True, check=True, timeout=COMMAND_S)
        self.assertTrue(here.stdout == value)


class Tap(unittest.TestCase):
    """A device of DPDK's own making with two queues: the kernel's end of it is the client's."""

    @classmethod
    def setUpClass(cls):
        why = hosts.missing() or (not os.path.exists('/dev/net/tun') and 'needs /dev/net/tun')
        if why:
            raise unittest.SkipTest(why)
        cls.net = hosts.Hosts(1, NAME)
        cls.addClassCleanup(cls.net.down)
        cls.node = Node(MICROBURST, '--set', 'net.listen=udp://10.79.0.1:7117', '--set',
                        'net.nic=net_tap0,iface=mbtap0', '--set', 'net.tiles=2', '--set',
                        'cache.tiles=2', '--set', 'cache.bytes=512m', within=cls.net.within(1))
        cls.addClassCleanup(cls.node.remove)
        hosts.ip('-n', cls.net.space(1), 'addr', 'add', '10.79.0.2/24', 'dev', 'mbtap0')

    def test_wrong_arguments(self):
        """Its driver would take no notice of them, and then of none."""
        for nic, what in (('net_tap1,iface=mbtap1,ifacee=x', 'ifacee'), ('net_tap1,iface', 'iface'),
                          ('net_ring1,nodes=2', 'nodes')):
            with self.assertRaisesRegex(RuntimeError, f'has no argument "{what}"'):
                Node(MICROBURST, '--set', f'net.listen=udp://{V4}:{PORT}', '--set',
                     f'net.nic={nic}', within=self.net.within(1))

    def test_taken(self):
        """A second node would share the interface, and each lose frames to the other."""
        with self.assertRaisesRegex(RuntimeError, 'another node .* the interface mbtap0'):
            Node(MICROBURST, '--set', f'net.listen=udp://{V4}:{PORT}', '--set',
                 'net.nic=net_tap1,iface=mbtap0', within=self.net.within(1)).remove()

    def test_both_tiles(self):
        """It is steered by rules where the kernel takes them, else spread by a hash; a client that
        hashes to either queue, with every key, is served."""
        self.assertRegex(self.node.said(), 'net_tap.*(its rules steer by port|spread by its hash)')
        for i in range(8):
            done = subprocess.run(self.net.within(1, MICROBURST, '--connect',
                                                  'udp://10.79.0.1:7117', 'incr', f'k{i % 4}'),
                                  capture_output=True, timeout=COMMAND_S, check=False)
            self.assertEqual((done.returncode, done.stdout), (0, b'%d\n' % (i // 4 + 1)),
                             done.stderr)
        self.assertGreater(sum(metric(self.node, 'request_taken', f'net:{i}') for i in (0, 1)), 8)


class TapNic(OverNic):
    """The kernel's end of the device and the link are ports of a bridge."""
    NIC, WAITS = 'net_tap0,iface=mbtap0', 'naps'
    # What is flow's, and the same over any device, the others try.
    test_idle = test_a_cut = test_one_in_a_hundred_lost = None
    test_what_it_misses_is_counted = None   # its kernel counts, at the interface

    @classmethod
    def plug(cls):
        space = cls.net.space(1)
        hosts.ip('-n', space, 'link', 'add', 'br1', 'type', 'bridge')
        # Both ends of the device have one address, which the bridge would keep for itself.
        hosts.ip('-n', space, 'link', 'set', 'mbtap0', 'address', '02:00:00:00:00:01')
        for dev in ('mbtap0', 'eth0'):
            hosts.ip('-n', space, 'link', 'set', dev, 'master', 'br1')
        for dev in ('mbtap0', 'br1'):
            hosts.ip('-n', space, 'link', 'set', dev, 'up')

    def cable(self, off):
        hosts.ip('-n', self.net.space(1), 'link', 'set', 'mbtap0', 'down' if off else 'up')


class MemifNic(OverNic):
    """A program with a device at each side passes frames between the node's memory and the link."""
    FILE = os.path.join(tempfile.gettempdir(), f'microburst-memif-{os.getpid()}')
    NIC = f'net_memif0,role=server,socket={FILE},socket-abstract=no'
    WAITS, ADDRESS = 'naps', V6
    test_a_cut = test_one_in_a_hundred_lost = None
    test_what_it_misses_is_counted = None   # who sends into a full memory counts

    @classmethod
    def plug(cls):
        cls.plugged = subprocess.Popen(
            cls.net.within(1, PLUG, cls.NIC.replace('server', 'client'),
                           'net_af_packet0,iface=eth0'), stdout=subprocess.PIPE, text=True)
        if cls.plugged.stdout.readline() != 'ready\n':
            raise RuntimeError('no plug')

    @classmethod
    def pull(cls):
        cls.plugged.terminate()
        cls.plugged.communicate(timeout=COMMAND_S)

    def cable(self, off):
        (self.pull if off else self.plug)()

    def test_begun_again_it_is_found(self):
        """Its card has another address then, which the client's kernel is told."""
        self.ok('call', 'increment', '1')
        before = self.neighbour()
        self.pull()
        self.node.remove()
        self.begin()
        until = time.monotonic() + COMMAND_S
        while self.neighbour() == before:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.02)
        self.assertEqual(self.ok('call', 'increment', '1').strip(), b'2')

    def neighbour(self):
        done = subprocess.run(self.net.within(2, 'ip', 'neigh', 'show', self.ADDRESS), text=True,
                              capture_output=True, check=True)
        return re.findall('lladdr ([^ ]+)', done.stdout)


class AfPacket(OverNic):
    NIC = 'net_af_packet0,iface=eth0'

    def test_an_interface_that_is_down(self):
        """Its socket says so until it is asked; the node is idle all the same, and goes on."""
        for state in ('down', 'up'):
            hosts.ip('-n', self.net.space(1), 'link', 'set', 'eth0', state)
            self.test_idle()
        self.assertEqual(self.ok('call', 'increment', '1').strip(), b'2')


    def test_two_devices_of_a_program(self):
        """They would get a part of each other's frames."""
        first, other = (f'dpdk://{self.where}?nic=net_af_packet{i},iface=eth0&at={hosts.NET4}9'
                        for i in (0, 1))
        done = subprocess.run(self.net.within(2, TWICE, first, other), capture_output=True,
                              timeout=COMMAND_S, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, b'twice\n'), done.stderr)
        self.assertEqual(done.stderr.count(b'net_af_packet on eth0 already'), 2)


class AfXdp(OverNic):
    NIC, ADDRESS = 'net_af_xdp0,iface=eth0', V6
    test_an_interface_that_is_down = AfPacket.test_an_interface_that_is_down

    def test_a_queue_that_was_left_just_now(self):
        """The kernel still has it then. Nobody need hear of that, nor of what libraries say."""
        where = f'dpdk://{self.where}?nic=net_af_xdp0,iface=eth0&at=[{hosts.NET6}9]'
        done = subprocess.run(self.net.within(2, TWICE, where, where), capture_output=True,
                              timeout=COMMAND_S, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, b'twice\n'), done.stderr)
        for said in done.stderr.decode(), self.node.said():
            self.assertNotRegex(said, 'lib(bpf|xdp)|xsk|not started')

    def test_a_queue_that_another_has(self):
        """Is refused, and whoever has it does not notice."""
        with self.assertRaisesRegex(RuntimeError, 'somebody has this queue of eth0 already'):
            Node(MICROBURST, '--set', f'net.listen=udp://{self.where}', '--set',
                 f'net.nic={self.NIC}', within=self.net.within(1))
        self.assertEqual(self.ok('call', 'increment', '1').strip(), b'2')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[8:], verbosity=2)
