#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""A program that kept the answers of its calls was aborted by the client library at the 1025th.

Goal:   it is told BUSY instead, and goes on when it has freed one.
Method: unfreed_test.py MICROBURST OBJECT CLIENT
"""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node   # noqa: E402

MICROBURST, OBJECT, CLIENT = sys.argv[1:4]


class Unfreed(unittest.TestCase):
    def test_kept(self):
        node = Node(MICROBURST)
        self.addCleanup(node.remove)
        self.assertEqual(node.run('deploy', OBJECT)[0], 0)
        got = subprocess.run([CLIENT, node.socket], capture_output=True, text=True, timeout=60,
                             check=False)
        self.assertEqual((got.returncode, got.stdout), (0, '1024 BUSY OK\n'), got.stderr)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
