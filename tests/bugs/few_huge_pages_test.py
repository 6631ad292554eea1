#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""few_huge_pages_test.py MICROBURST FUNCTIONS

Bug:    on a machine with huge pages enough for DPDK, and too few for the cache, no node started:
        "there is not enough memory; lower cache.bytes".
Goal:   it starts, the cache has small pages, and that is told; with node.hugepages = yes it does
        not start, and says what is missing.
        Of several nodes that are started at once one took the pages that another had found for
        DPDK, and that one ended: "EAL does not start: Cannot allocate memory".
Method: so many huge pages are added, and taken away again. Needs root, else it is skipped.
"""
import os
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor

MICROBURST = sys.argv[1]
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
from node import Node   # pylint: disable=wrong-import-position

PAGES = '/sys/kernel/mm/hugepages/hugepages-2048kB/'
ADDED = 64      # of 2 MiB: node.memory is 64 MiB, of the cache 128 MiB are more
AT_ONCE, ROUNDS, TOO_MANY = 4, 5, 24     # the rest is for one node


def pages(what='nr'):
    with open(PAGES + what + '_hugepages', encoding='utf-8') as f:
        return int(f.read())


def add(cnt):
    with open(PAGES + 'nr_hugepages', 'w', encoding='utf-8') as f:
        f.write(str(max(0, pages() - pages('surplus') + cnt)))


class FewHugePages(unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0 or not os.path.exists(PAGES):
            self.skipTest('needs root, and huge pages of 2 MiB')
        before = pages()
        add(ADDED)
        self.addCleanup(lambda added: add(-added), pages() - before)
        if not 32 < pages('free') < 256:
            self.skipTest('there are others, or none')

    def test_the_cache_has_small_pages(self):
        node = Node(MICROBURST, '--set', 'cache.bytes=512m')
        self.addCleanup(node.remove)
        machine = node.json('status')['machine']
        if not machine['huge_pages']:
            self.skipTest('somebody else took them')
        self.assertIn('too few for the cache', machine['memory'])

    def test_several_are_started_at_once(self):
        def run(_):
            Node(MICROBURST, '--set', 'cache.bytes=512m').remove()

        add(-TOO_MANY)
        self.addCleanup(add, TOO_MANY)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in range(ROUNDS):
                list(pool.map(run, range(AT_ONCE)))     # raises what they raised

    def test_unless_it_must_not(self):
        with self.assertRaisesRegex(RuntimeError, 'MiB of huge pages .*cannot be had'):
            Node(MICROBURST, '--set', 'cache.bytes=512m', '--set', 'node.hugepages=yes')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
