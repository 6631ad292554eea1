#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""A client whose node had been killed read old values as if nothing were, and its writes were FULL.

Goal:   once a client has heard that its node is gone, every operation says NO_NODE, at once.
Method: orphan_test.py MICROBURST OBJECT CLIENT. The client works, the node is killed, the client
        tries each operation again, many times: more than a channel has room for.
"""
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node   # noqa: E402

MICROBURST, OBJECT, CLIENT = sys.argv[1:4]


class Orphan(unittest.TestCase):
    def test_killed(self):
        node = Node(MICROBURST)
        self.addCleanup(node.remove)
        self.assertEqual(node.run('deploy', OBJECT)[0], 0)
        with subprocess.Popen([CLIENT, node.socket], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as client:
            client.stdin.write('1\n')
            client.stdin.flush()
            self.assertEqual(client.stdout.readline(), 'OK OK OK\n')
            node.process.send_signal(signal.SIGKILL)
            node.process.wait()
            out, _ = client.communicate('again\n' * 300, timeout=60)
        self.assertEqual(set(out.splitlines()), {'NO_NODE NO_NODE NO_NODE'})
        self.assertEqual(client.returncode, 0)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
