#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""A deployment was refused because somebody killed the executor that tried it.

SIGKILL is not the object's doing: the next spare tries it. But an object that brings it about,
each time, is refused all the same.

Goal:   a deployment whose executor is killed once succeeds; one whose executors are killed one
        after the other is refused, and nothing of it is left.
Method: deploy_killed_test.py MICROBURST OBJECT. An MB_INIT that takes its time, and kills
        meanwhile.
"""
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until    # noqa: E402

MICROBURST = sys.argv[1]
WHILE_S = 6     # a busy machine looks late; an executor has 10 s
SLOW = r"""
#include <microburst/function.h>
#include <time.h>

MB_INIT
{
    struct timespec t = { .tv_sec = SECONDS };

    nanosleep(&t, NULL);
    return 0;
}
MB_FUNCTION(slow) { return mb_return_i64(call, 7); }
"""


class DeployKilled(unittest.TestCase):
    def setUp(self):
        self.node = Node(MICROBURST, '--set', 'executor.count=1')
        self.addCleanup(self.node.remove)

    def deploy(self, kills, seconds):
        """Exit code of a deployment, and what it said; so many of those who tried it are killed."""
        tried = set()
        path = os.path.join(self.node.folder, 'slow.c')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(SLOW.replace('SECONDS', str(seconds)))
        deploy = subprocess.Popen([MICROBURST, 'deploy', path, '--socket', self.node.socket],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

        def another():
            return next((e['pid'] for e in self.node.json('ps')['executors']
                         if e['state'] == 'loading' and e['pid'] not in tried), None)

        for _ in range(kills):
            pid = until(another, 60, 'an executor that tries it')
            tried.add(pid)
            os.kill(pid, signal.SIGKILL)
        said = deploy.communicate(timeout=60)[0]
        return deploy.returncode, said

    def test_once(self):
        self.assertEqual(self.deploy(1, WHILE_S)[0], 0)
        self.assertEqual(self.node.run('call', 'slow')[:2], (0, b'7\n'))

    def test_each_time(self):
        code, said = self.deploy(4, WHILE_S)
        self.assertEqual(code, 1)
        self.assertIn('died while it loaded the object', said)
        self.assertEqual(self.node.json('functions')['functions'], [])


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
