#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""One function that ran for long locked all new programs out of the node: BUSY, after 256 of them.

An index of the domain is used again when everybody who may know its last owner has said to be done
with it; an executor that runs a function says nothing meanwhile, and every client that had come and
gone was waiting for its word.

Goal:   while functions run without end, any number of clients come and go.
Method: busy_executor_test.py MICROBURST OBJECT. As many endless calls as executors less one, then
        more clients than a node admits at a time, each with a call; then the endless calls end, and
        nothing is held.
"""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until    # noqa: E402

MICROBURST, OBJECT = sys.argv[1:3]
CLIENTS = 300       # client.count_max is 256


class BusyExecutor(unittest.TestCase):
    def test_clients_come_and_go(self):
        node = Node(MICROBURST, '--set', 'executor.count=2')
        self.addCleanup(node.remove)
        self.assertEqual(node.run('deploy', OBJECT)[0], 0)
        until(lambda: len(node.executors()) == 2, 60, 'two executors')
        endless = subprocess.Popen([MICROBURST, 'call', 'boom', 'loop', '--socket', node.socket],
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(endless.wait)
        self.addCleanup(endless.kill)
        until(lambda: node.json('ps')['calls'], 60, 'a call that runs')
        for i in range(CLIENTS):
            code, out, err = node.run('call', 'plus_one', str(i))
            self.assertEqual((code, out), (0, b'%d\n' % (i + 1)), err)
        until(lambda: [c['function'] for c in node.json('ps')['calls']] == ['boom'], 60,
              'only the endless one')   # who was answered is shown for a moment still
        endless.kill()
        until(lambda: not any(node.json('status')['held'].values()), 60, 'nothing held')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
