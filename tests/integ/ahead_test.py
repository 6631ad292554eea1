#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""ahead_test.py MICROBURST

Goal:   memory that the store grows into is there before: a worker of the kernel's waited for it,
        and not the store.
Method: a node that gets new keys until workers of its io_uring have had page faults. They have
        nothing else to do in a node, and touch nothing by themselves.
"""
import os
import platform
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node   # noqa: E402
from resp import Raw, port_of   # noqa: E402

MICROBURST = sys.argv[1]
AT_ONCE = 64
KEYS = 200000   # of 1 KiB
FAULTS = 3      # a large page each, or a small one


def worker_faults(pid):
    """Page faults of the threads that the kernel has started for the rings of a process."""
    faults = 0
    for tid in os.listdir(f'/proc/{pid}/task'):
        try:
            with open(f'/proc/{pid}/task/{tid}/stat', encoding='utf-8') as f:
                name, rest = f.read().rsplit(')', 1)
        except FileNotFoundError:
            continue    # it ended
        if '(iou-wrk-' in name:
            faults += int(rest.split()[7])
    return faults


class Ahead(unittest.TestCase):
    def test_the_store_does_not_wait_for_memory(self):
        version = tuple(map(int, re.match(r'(\d+)\.(\d+)', platform.release()).groups()))
        if version < (5, 14):
            self.skipTest('Linux before 5.14 finds no memory ahead')
        node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', '--set', 'kvs.bytes=1g')
        self.addCleanup(node.remove)
        c = Raw(port_of(node))
        self.addCleanup(c.close)
        key = 0
        while worker_faults(node.process.pid) < FAULTS:
            self.assertLess(key, KEYS, 'all of it was found by whoever needed it')
            for _ in range(AT_ONCE):
                c.say('SET', f'key:{key}', b'x' * 1024)
                key += 1
            self.assertEqual([c.answer() for _ in range(AT_ONCE)], ['+OK'] * AT_ONCE)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
