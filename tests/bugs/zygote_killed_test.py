#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""The node died of its own stack when the zygote was killed under load.

Between a zygote's death and the news of it, a spare could not be asked for; giving that spare up
took a step, which asked for a spare. And once the zygote was gone while all spares stood ready,
the timer to start another one was in the past for ever: an idle node took a whole core. A zygote
that was stopped, not killed, left calls waiting for as long as it was.

Goal:   whatever becomes of the zygote, the node lives, idles, leaves no zombie, and runs calls.
Method: zygote_killed_test.py MICROBURST OBJECT. Kills the zygote together with all its children;
        then the zygote alone, and looks at the node's clock; then stops it.
"""
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until    # noqa: E402

MICROBURST, OBJECT = sys.argv[1:3]
IDLE_S = 2
GIVE_UP_S = 60      # a zygote has 10 s to fork


class Zygote(unittest.TestCase):
    def setUp(self):
        self.node = Node(MICROBURST, '--set', 'executor.count=2')
        self.addCleanup(self.node.remove)
        self.assertEqual(self.node.run('deploy', OBJECT)[0], 0)

    def serves(self):
        self.assertEqual(self.node.run('call', 'plus_one', '1', '--deadline', '30s')[:2],
                         (0, b'2\n'), self.node.said())

    def cpu_s(self):
        with open(f'/proc/{self.node.process.pid}/stat', encoding='utf-8') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def killed(self, which):
        """Whether all of them are dead; if not, they have been killed."""
        alive = [pid for pid, (_, state) in self.node.children().items()
                 if state != 'Z' and which(pid)]
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
        return not alive

    def test_killed_with_its_children(self):
        """The node sleeps meanwhile, so that it hears of the zygote last."""
        for _ in range(5):
            until(self.node.executors, 60, 'an executor that serves')
            zygote = until(self.node.zygote, 60, 'a zygote')
            os.kill(self.node.process.pid, signal.SIGSTOP)
            until(lambda: self.killed(lambda pid: pid != zygote), 60, 'dead children')
            until(lambda: self.killed(lambda pid: True), 60, 'a dead zygote')
            os.kill(self.node.process.pid, signal.SIGCONT)
        self.serves()
        self.assertIsNone(self.node.process.poll(), self.node.said())
        until(lambda: not [s for _, s in self.node.children().values() if s == 'Z'], 60,
              f'no zombie: {self.node.children()}')

    def test_killed_on_an_idle_node(self):
        self.serves()
        first = until(self.node.zygote, 60, 'a zygote')
        os.kill(first, signal.SIGKILL)
        until(lambda: self.node.zygote() not in (None, first), 60, 'another zygote')
        until(self.idles, 60, 'a node that idles')  # a whole core was taken for ever

    def idles(self):
        """Whether the node does for a while; what it does for its new zygote has its end."""
        before = self.cpu_s()
        time.sleep(IDLE_S)
        return self.cpu_s() - before < 0.2 * IDLE_S

    def test_stopped(self):
        self.serves()
        os.kill(until(self.node.zygote, 60, 'a zygote'), signal.SIGSTOP)
        for _ in range(3):      # with spares, and then without
            for pid in self.node.executors():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:      # those of the turn before may be shown still
                    pass
            time.sleep(0.2)
        until(lambda: self.node.executors(), GIVE_UP_S, 'an executor of another zygote')
        self.serves()


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
