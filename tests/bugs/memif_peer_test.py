#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""A client over memif that ended took the node with it, on a busy machine (SIGSEGV in the driver).

Goal:   a peer may go at any instant, also while the tile is about to read from its memory.
        A client finds a node that was started again (it waited for ever), also if it slept
        meanwhile with a question open (it was told that no node is there: the time in which it
        slept was held against the node, and its link was not there again yet). Who calls while
        nobody is at the other end is told so, by the exit code too.
Method: memif_peer_test.py MICROBURST OBJECT LIBRARY. A client calls without pause, with long
        arguments, which the driver copies. The node's tiles are stopped again and again (ptrace)
        until one is inside the driver; then the client is killed, what DPDK's interrupt thread does
        about that has its time, and the tile goes on.
"""
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from client import Client     # noqa: E402
from node import Node, until   # noqa: E402

MICROBURST, OBJECT, LIBRARY = sys.argv[1:4]
SEIZE, INTERRUPT, DETACH, GETREGS, CONT, WALL = 0x4206, 0x4207, 17, 12, 7, 0x40000000
RIP, REGS = 16, 27      # in struct user_regs_struct
DRIVER, TRY_S, HEARD_S = 'librte_net_memif', 120, 0.3
LONG = 4 << 20
AT = '10.77.0.1:7117'
SLEPT_S = 6     # longer than a client asks in vain

# A client that gets a key (library, where, folder of tests/lib) until its standard input says
# something; prints what it heard, but for what it heard just before.
GETS = '''
import ctypes, select, sys
sys.path.insert(0, sys.argv[3])
from client import Client
class Held(ctypes.Structure):
    _fields_ = [('p', ctypes.c_void_p), ('len', ctypes.c_size_t), ('internal', ctypes.c_void_p)]
client, held, said = Client(sys.argv[1], sys.argv[2]), Held(), None
while not select.select([sys.stdin], [], [], 0)[0]:
    err = client.lib.mb_client_get(client.c, b'n', ctypes.c_size_t(1), ctypes.byref(held))
    if err == 0:
        client.lib.mb_client_release(client.c, ctypes.byref(held))
    if said != client.name(err):
        said = client.name(err)
        print(said, flush=True)
client.close()
'''


class Thread:
    """One that is traced; stopped between stop() and go()."""
    LIBC = ctypes.CDLL(None, use_errno=True)
    LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def __init__(self, tid):
        self.tid = tid
        self.traced = self.LIBC.ptrace(SEIZE, tid, None, None) == 0

    def stop(self):
        """Returns where it is."""
        regs = (ctypes.c_ulonglong * REGS)()
        self.LIBC.ptrace(INTERRUPT, self.tid, None, None)
        os.waitpid(self.tid, WALL)
        self.LIBC.ptrace(GETREGS, self.tid, None, regs)
        return regs[RIP]

    def go(self):
        self.LIBC.ptrace(CONT, self.tid, None, None)

    def detach(self):
        self.LIBC.ptrace(DETACH, self.tid, None, None)


def driver_at(pid):
    """Where the driver's code is: [from, to)."""
    with open(f'/proc/{pid}/maps', encoding='utf-8') as f:
        at = [line.split()[0] for line in f if DRIVER in line and ' r-xp ' in line]
    return [int(x, 16) for x in at[0].split('-')]


def tiles(pid):
    for tid in map(int, os.listdir(f'/proc/{pid}/task')):
        with open(f'/proc/{pid}/task/{tid}/comm', encoding='utf-8') as f:
            if tid == pid or f.read().startswith('rte-worker'):
                yield tid


@unittest.skipUnless(os.uname().machine == 'x86_64', 'registers as x86 has them')
class MemifPeer(unittest.TestCase):
    def setUp(self):
        self.device = f'bsize=9216,socket=/microburst-bug-{os.getpid()}'
        self.where = f'dpdk://{AT}?at=10.77.0.2&nic=net_memif0,role=client,{self.device}'
        self.node = self.begin()
        self.assertEqual(self.node.run('deploy', OBJECT)[0], 0)
        self.long = tempfile.NamedTemporaryFile()
        self.addCleanup(self.long.close)
        self.long.truncate(LONG)

    def begin(self):
        node = Node(MICROBURST, '--set', f'net.listen=udp://{AT}', '--set',
                    f'net.nic=net_memif0,role=server,{self.device}')
        self.addCleanup(node.remove)
        return node

    def client(self, *args):
        return [MICROBURST, '--connect', self.where, *args]

    def caught(self, threads, inside, client):
        """One of the threads, stopped inside the driver."""
        end = time.monotonic() + TRY_S
        while time.monotonic() < end and client.poll() is None:
            for thread in threads:
                if inside[0] <= thread.stop() < inside[1]:
                    return thread
                thread.go()
            time.sleep(0.0005)
        return None

    def test_killed_while_it_is_read(self):
        pid = self.node.process.pid     # microburst up runs the daemon in its place
        inside = driver_at(pid)
        for _ in range(3):
            with subprocess.Popen(self.client('call', 'echo', '@' + self.long.name, '--repeat',
                                              '100000000'), stdout=subprocess.DEVNULL) as client:
                until(lambda: json_calls(self.node) > 0, 60, 'calls')
                threads = [Thread(tid) for tid in tiles(pid)]
                if not all(thread.traced for thread in threads):
                    client.kill()
                    self.skipTest('a child may not be traced here')
                thread = self.caught(threads, inside, client)
                client.kill()
            self.assertIsNotNone(thread, 'no tile was ever in the driver')
            time.sleep(HEARD_S)
            thread.go()
            time.sleep(HEARD_S)
            for thread in threads:
                if self.node.process.poll() is None:
                    thread.stop()
                    thread.detach()
            self.assertIsNone(self.node.process.poll())
        done = subprocess.run(self.client('call', 'plus_one', '1'), capture_output=True,
                              timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, b'2\n'), done.stderr)

    def test_the_node_ends_while_it_is_there(self):
        for _ in range(3):
            with subprocess.Popen(self.client('call', 'plus_one', '1', '--repeat', '100000000'),
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
                until(lambda: json_calls(self.node) > 0, 60, 'calls')
                self.node.process.terminate()
                self.assertEqual(self.node.process.wait(60), 0)     # it was -SIGSEGV
                client.kill()
            self.node = self.begin()
            self.assertEqual(self.node.run('deploy', OBJECT)[0], 0)

    def test_the_node_comes_again(self):
        client = Client(LIBRARY, self.where)
        self.addCleanup(client.close)
        self.assertEqual(incr(client), 0)
        self.node.process.kill()
        self.node.process.wait()
        self.begin()
        until(lambda: incr(client) == 0, 60, 'the client to be served')

    def test_a_client_that_slept_meanwhile(self):
        self.assertEqual(self.node.run('incr', 'n')[0], 0)
        with subprocess.Popen([sys.executable, '-c', GETS, LIBRARY, self.where,
                               os.path.dirname(sys.modules['node'].__file__)], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
            self.addCleanup(client.kill)
            self.assertEqual(client.stdout.readline(), 'OK\n')
            self.node.process.send_signal(signal.SIGSTOP)
            time.sleep(HEARD_S)     # now it waits for an answer
            client.send_signal(signal.SIGSTOP)
            self.node.process.kill()
            self.node.process.wait()
            self.assertEqual(self.begin().run('incr', 'n')[0], 0)
            time.sleep(SLEPT_S)
            client.send_signal(signal.SIGCONT)
            time.sleep(SLEPT_S)
            self.assertEqual(client.communicate('enough\n', 60)[0], '')

    def test_nobody_is_there(self):
        self.node.process.kill()
        self.node.process.wait()
        for command in (('call', 'plus_one', '1'), ('get', 'n')):
            done = subprocess.run(self.client(*command), capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout), (3, ''))
            self.assertRegex(done.stderr, r'\Amicroburst: cannot reach the node at .*: no node '
                             r'answers there: [^\n]*\n\Z')


def incr(client):
    return client.lib.mb_client_incr(client.c, b'n', ctypes.c_size_t(0), ctypes.c_int64(1), None)


def json_calls(node):
    tiles_now = node.json('top', '--once', '--interval', '50ms')['tiles']
    net = next(t for t in tiles_now if t['name'] == 'net:0')
    return net['metrics']['net_request_taken']


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[4:], verbosity=2)
