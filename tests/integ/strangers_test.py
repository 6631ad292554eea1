#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""strangers_test.py MICROBURST SOURCE

Goal:   who greets in the names of addresses of the node's link that nobody has keeps no answer from
        a client that has a session; and is answered himself no longer than there is room.
Method: two network namespaces on a bridge (tests/lib/hosts.py), a node with a socket of the
        kernel's in one. In the other a client of Python's, from wire.h, which asks once and not
        again, among thousands of such greetings. Needs root and namespaces, else it is skipped.
"""
import json
import os
import subprocess
import sys
import unittest

MICROBURST, SOURCE = sys.argv[1:3]
sys.path.insert(0, os.path.join(SOURCE, 'tests', 'lib'))
import hosts    # pylint: disable=wrong-import-position
from node import Node, until, COMMAND_S   # pylint: disable=wrong-import-position

NAME, PORT, ROUNDS, GREETINGS = f'mbt{os.getpid() % 10000}s', 7117, 100, 200
WHERE = hosts.NET4 + '1'

# Run in the client's namespace (node's address, port, card; rounds, greetings in each). Prints how
# many of its questions, one a round, were answered.
CLIENT = '''
import socket, struct, sys, time
to, port, card = sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3].replace(':', ''))
rounds, greetings = map(int, sys.argv[4:])
HEAD, MSS, ME = struct.Struct('<BBBBHHQQIIII'), 1300, 4711
def frame(kind, body, session=0, ident=1, client=ME, flags=0, total=0):
    return HEAD.pack(0xb1, kind, flags, 0, len(body), MSS, session, ident, client, 0, total,
                     ident - 1) + body
def total(data):
    n = sum(struct.unpack(f'!{len(data) // 2}H', data))
    n = (n & 0xffff) + (n >> 16)
    return 0xffff ^ ((n & 0xffff) + (n >> 16))
def stranger(i):
    body = frame(1, bytes(MSS), client=1 + i)
    udp = struct.pack('!HHHH', 2000 + i, port, 8 + len(body), 0) + body
    ip = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0)
    ip += socket.inet_aton(to.rsplit('.', 1)[0] + f'.{50 + i % 200}') + socket.inet_aton(to)
    ip = ip[:10] + struct.pack('!H', total(ip)) + ip[12:]
    return card + bytes.fromhex('0200000066660800') + ip + udp
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(('eth0', 0))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((to, port))
s.settimeout(10)
s.send(frame(1, bytes(MSS)))
session = struct.unpack_from('<Q', s.recv(9000), 8)[0]
ask = struct.pack('<BBHIQqQ', 10, 0, 0, 0, 0, 0, 0)
strangers, answered = [stranger(i) for i in range(greetings)], set()
def hear(seconds):
    s.settimeout(seconds)
    try:
        data = s.recv(9000)
        if data[1] == 4:
            answered.add(struct.unpack_from('<Q', data, 16)[0])
        return True
    except socket.timeout:
        return False
for i in range(1, rounds + 1):
    for one in strangers:
        raw.send(one)
    s.send(frame(3, ask, session, i, flags=1, total=len(ask)))
    hear(0.05)
while hear(2):
    pass
print(len(answered))
'''


class Strangers(unittest.TestCase):

    def test_whose_addresses_nobody_has(self):
        why = hosts.missing()
        if why:
            raise unittest.SkipTest(why)
        net = hosts.Hosts(2, NAME)
        self.addCleanup(net.down)
        node = Node(MICROBURST, '--set', f'net.listen=udp://{WHERE}:{PORT}',
                    within=net.within(1))
        self.addCleanup(node.remove)
        card = subprocess.run(net.within(1, 'cat', '/sys/class/net/eth0/address'), text=True,
                              capture_output=True, check=True, timeout=COMMAND_S).stdout.strip()
        done = subprocess.run(net.within(2, sys.executable, '-c', CLIENT, WHERE, str(PORT), card,
                                         str(ROUNDS), str(GREETINGS)), text=True,
                              capture_output=True, check=False, timeout=COMMAND_S)
        self.assertEqual(done.stderr, '')
        self.assertGreater(int(done.stdout), ROUNDS * 9 // 10)

        def dropped():
            top = json.loads(node.run('--json', 'top', '--once', '--interval', '50ms')[1])
            tile = next(t for t in top['tiles'] if t['name'] == 'net:0')
            return tile['metrics']['net_datagram_dropped'] > ROUNDS * GREETINGS // 10
        until(dropped, COMMAND_S, 'answers to strangers that were dropped')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
