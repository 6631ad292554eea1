#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""An executor that had died was shown as serving, its process id 0: who killed that killed himself.

A dead executor keeps its row until the tiles have let go of its memory. kill(0, ...) means the
caller's own process group.

Goal:   whoever `ps` shows to serve has a process.
Method: dead_serving_test.py MICROBURST OBJECT LIBRARY. Executors are killed, one after the other,
        and a client asks as fast as it can, until it has seen some that were dead.
"""
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from client import Client   # noqa: E402
from node import Node       # noqa: E402

MICROBURST, OBJECT, LIBRARY = sys.argv[1:4]
SEEN, SECONDS = 5, 60


class DeadServing(unittest.TestCase):
    def test_who_serves_has_a_process(self):
        node = Node(MICROBURST, '--set', 'executor.count=2')
        self.addCleanup(node.remove)
        self.assertEqual(node.run('deploy', OBJECT)[0], 0)
        client = Client(LIBRARY, node.socket)
        self.addCleanup(client.close)
        seen, killed, end = 0, set(), time.monotonic() + SECONDS
        while seen < SEEN and time.monotonic() < end:
            rows = client.admin(cmd='ps')['executors']
            serving = [e['pid'] for e in rows if e['state'] == 'serving']
            self.assertNotIn(0, serving, rows)
            seen += any(e['state'] == 'dead' for e in rows)
            if len(serving) == 2 and not killed & set(serving):
                os.kill(serving[0], signal.SIGKILL)
                killed.add(serving[0])
        self.assertGreater(seen, 0, f'{len(killed)} were killed')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
