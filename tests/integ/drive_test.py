#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""drive_test.py DRIVE

What the driver of load (perf/peers/drive.c) says of time that somebody did not have: a stop of the
server's is in all its figures, one of its own only in those of all requests.
"""
import json
import os
import signal
import subprocess
import sys
import time
import unittest

DRIVE = sys.argv.pop(1)
STOP_S = 0.4
# A server in a process of its own: it answers each request, and says at which port.
SERVER = '''
import select, socket
at = socket.create_server(('127.0.0.1', 0))
print(at.getsockname()[1], flush=True)
conns = []
while True:
    for s in select.select([at, *conns], [], [])[0]:
        if s is at:
            conns.append(at.accept()[0])
            continue
        data = s.recv(1 << 16)
        if not data:
            conns.remove(s)
        elif data.count(b'PING'):
            s.sendall(data.count(b'PING') * b'+PONG\\r\\n')
'''


class DriveTest(unittest.TestCase):
    def setUp(self):
        self.server = subprocess.Popen([sys.executable, '-c', SERVER], stdout=subprocess.PIPE,
                                       text=True)
        self.addCleanup(self.server.stdout.close)
        self.addCleanup(self.server.wait)
        self.addCleanup(self.server.kill)
        self.port = self.server.stdout.readline().strip()

    def driven(self, *options, stops=None, after_s=0.5):
        """What the driver says of 4,000 requests in 2 s; stops(it) is halted after_s of them."""
        drive = subprocess.Popen([DRIVE, '--port', self.port, '--connections', '4', '--rate',
                                  '2000', '--seconds', '2', *options, '--', 'PING'],
                                 stdout=subprocess.PIPE, text=True)
        if stops:
            time.sleep(after_s)
            pid = stops(drive).pid
            os.kill(pid, signal.SIGSTOP)
            time.sleep(STOP_S)
            os.kill(pid, signal.SIGCONT)
        said = json.loads(drive.communicate(timeout=30)[0])
        self.assertEqual(drive.returncode, 0)
        self.assertEqual(said['samples'], 4000, said)
        return said

    def test_stop_of_the_server(self):
        said = self.driven('--spin', stops=lambda drive: self.server)
        self.assertGreater(said['max'], 0.9 * STOP_S * 1e6, said)
        stop_us = STOP_S * (1 - said['late']) * 1e6  # on a busy machine the driver has few of them
        self.assertGreater(said['awake_max'], 0.5 * stop_us, said)
        self.assertGreater(said['awake_p99'], 0.4 * stop_us, said)

    def test_stop_of_the_driver(self):
        said = self.driven('--spin', stops=lambda drive: drive)
        self.assertGreater(said['max'], 0.9 * STOP_S * 1e6, said)
        self.assertGreater(said['p99'], 0.8 * STOP_S * 1e6, said)
        self.assertLess(said['awake_max'], 0.5 * STOP_S * 1e6, said)
        self.assertGreater(said['late'], 0.9 * STOP_S / 2, said)

    def test_what_was_due_at_the_end_is_sent(self):
        said = self.driven(stops=lambda drive: drive, after_s=1.7)
        self.assertGreater(said['max'], 0.4 * STOP_S * 1e6, said)

    def test_who_sleeps_does_not_know(self):
        said = self.driven()
        self.assertNotIn('late', said)
        self.assertNotIn('awake_p99', said)


if __name__ == '__main__':
    unittest.main(verbosity=2)
