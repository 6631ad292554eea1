#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""ahead_test.py MICROBURST

Goal:   memory that the store grows into is there before: a worker of the kernel's waited for it,
        and not the store.
Method: page faults of the workers of a node's io_uring, which have nothing else to do in a node,
        and touch nothing by themselves. A node without a reserve gets new keys until there are
        some; one with a reserve has it at the start, and when new keys have taken half of it, so
        that a page is not asked for yet, there are some as soon as it is idle.
"""
import os
import platform
import re
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node   # noqa: E402
from resp import Raw, port_of   # noqa: E402

MICROBURST = sys.argv[1]
AT_ONCE = 64
KEYS = 200000   # of 1 KiB
FAULTS = 3      # a large page each, or a small one
RESERVE = 100   # MiB at each end
WAIT_S = 60


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


def resident_mib(pid):
    with open(f'/proc/{pid}/status', encoding='utf-8') as f:
        return int(re.search(r'VmRSS:\s+(\d+)', f.read())[1]) >> 10


class Ahead(unittest.TestCase):
    def node(self, *settings):
        version = tuple(map(int, re.match(r'(\d+)\.(\d+)', platform.release()).groups()))
        if version < (5, 14):
            self.skipTest('Linux before 5.14 finds no memory ahead')
        node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', '--set', 'kvs.bytes=2g',
                    *(word for setting in settings for word in ('--set', setting)))
        self.addCleanup(node.remove)
        return node

    def write(self, c, first):
        """AT_ONCE keys of 1 KiB, from that one on."""
        for key in range(first, first + AT_ONCE):
            c.say('SET', f'key:{key}', b'x' * 1024)
        self.assertEqual([c.answer() for _ in range(AT_ONCE)], ['+OK'] * AT_ONCE)

    def test_the_store_does_not_wait_for_memory(self):
        node = self.node('kvs.ahead=0')
        c = Raw(port_of(node))
        self.addCleanup(c.close)
        before = worker_faults(node.process.pid)    # a worker has some of its own
        key = 0
        while worker_faults(node.process.pid) < before + FAULTS:
            self.assertLess(key, KEYS, 'all of it was found by whoever needed it')
            self.write(c, key)
            key += AT_ONCE

    def test_an_idle_node_fills_its_reserve(self):
        node = self.node(f'kvs.ahead={2 * RESERVE}m')    # half of it at each end
        self.assertGreater(resident_mib(node.process.pid), 2 * RESERVE)
        c = Raw(port_of(node))
        self.addCleanup(c.close)
        for key in range(0, RESERVE // 2 << 10, AT_ONCE):
            self.write(c, key)
        end = time.monotonic() + WAIT_S
        while worker_faults(node.process.pid) < RESERVE // 4 - 2:
            self.assertLess(time.monotonic(), end, worker_faults(node.process.pid))
            time.sleep(0.02)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
