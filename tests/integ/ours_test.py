#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""ours_test.py MICROBURST SOURCE

Goal:   datagrams for a node over af_packet are not the kernel's business: it neither says that
        nobody is there, nor looks at them; whatever else comes is its business as before; and it
        looks at them again when the node is killed.
Method: two namespaces (tests/lib/hosts.py), where the node's kernel has the node's address too. It
        counts datagrams that nobody listens to. Needs root, namespaces and Linux 6.6, else it is
        skipped.
"""
import os
import platform
import re
import subprocess
import sys
import unittest

MICROBURST, SOURCE = sys.argv[1:3]
sys.path.insert(0, os.path.join(SOURCE, 'tests', 'lib'))
import hosts    # pylint: disable=wrong-import-position
from node import Node, until   # pylint: disable=wrong-import-position

NAME, PORT, COMMAND_S, VLAN = f'mbt{os.getpid() % 10000}o', 7117, 60, 5
V4, V6 = hosts.NET4 + '1', hosts.NET6 + '1'
NEW = tuple(int(n) for n in re.findall(r'\d+', platform.release())[:2]) >= (6, 6)

# Says which of the datagrams that are sent to it come: to a socket of the kernel's.
HEARS = '''
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(('::', int(sys.argv[1])))
print('ready', flush=True)
print(s.recv(100).decode(), flush=True)
'''
TELLS = '''
import socket, sys
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b'hello', (sys.argv[1], int(sys.argv[2])))
'''


@unittest.skipIf(hosts.missing(), hosts.missing())
@unittest.skipUnless(NEW, 'needs Linux 6.6')
class Ours(unittest.TestCase):

    def setUp(self):
        self.net = hosts.Hosts(2, NAME)
        self.addCleanup(self.net.down)

    def node(self, at, *more, nic=''):
        at = f'[{at}]' if ':' in at else at
        node = Node(MICROBURST, '--set', f'net.listen=udp://{at}:{PORT}', '--set',
                    'net.nic=net_af_packet0,iface=eth0' + nic, *more, within=self.net.within(1))
        self.addCleanup(node.remove)
        self.at = f'{at}:{PORT}'
        return node

    def unheard(self):
        """Datagrams that the node's kernel had nobody for."""
        said = subprocess.run(self.net.within(1, 'cat', '/proc/net/snmp', '/proc/net/snmp6'),
                              capture_output=True, text=True, check=True).stdout
        names, values = (line.split() for line in said.splitlines() if line.startswith('Udp:'))
        six = re.search(r'Udp6NoPorts\s+(\d+)', said)
        return int(values[names.index('NoPorts')]) + int(six[1])

    def incr(self, where):
        done = subprocess.run(self.net.within(2, MICROBURST, '--connect', where, 'incr', 'n'),
                              capture_output=True, timeout=COMMAND_S, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b''))
        return int(done.stdout)

    def tell(self, at, port):
        subprocess.run(self.net.within(2, sys.executable, '-c', TELLS, at, str(port)), check=True)

    def served(self, node):
        """Clients of both kinds are, and the kernel hears of none of their datagrams, which are in
        one piece and in two."""
        before = self.unheard()
        other = f'[{hosts.NET6}9]' if '[' in self.at else hosts.NET4 + '9'
        dpdk = f'dpdk://{self.at}?nic=net_af_packet0,iface=eth0&at={other}'
        for i, where in enumerate(('udp://' + self.at, dpdk)):
            self.assertEqual(self.incr(where), i + 1)
        self.assertEqual(self.unheard(), before)
        self.assertIn("kept from the kernel's IP", node.said())

    def test_an_address_that_the_kernel_has(self):
        self.served(self.node(V4))

    def test_an_address_of_ipv6_that_the_kernel_has(self):
        self.served(self.node(V6))

    def test_two_tiles(self):
        node = self.node(V4, '--set', 'net.tiles=2', nic=',qpairs=2')
        self.served(node)
        before = self.unheard()
        self.tell(V4, PORT + 1)
        self.tell(V4, PORT + 2)     # behind its last tile
        until(lambda: self.unheard() > before, COMMAND_S, 'a datagram that is nobody\'s')
        self.assertEqual(self.unheard(), before + 1)

    def test_a_vlan(self):
        """Without its tag they are not ours."""
        self.node(V4, '--set', f'net.vlan={VLAN}')
        before = self.unheard()
        self.tell(V4, PORT)
        until(lambda: self.unheard() > before, COMMAND_S, 'a datagram without a tag')

    def test_all_else_is_the_kernels(self):
        self.node(V4)
        for at, port in (V4, PORT + 1), (V6, PORT):
            with subprocess.Popen(self.net.within(1, sys.executable, '-c', HEARS, str(port)),
                                  stdout=subprocess.PIPE, text=True) as hears:
                self.assertEqual(hears.stdout.readline(), 'ready\n')
                self.tell(at, port)
                self.assertEqual(hears.communicate(timeout=COMMAND_S)[0], 'hello\n')

    def test_nothing_is_left(self):
        node = self.node(V4)
        node.run('down')
        node.process.wait(COMMAND_S)
        before = self.unheard()
        self.tell(V4, PORT)
        until(lambda: self.unheard() > before, COMMAND_S, 'the kernel that is asked again')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
