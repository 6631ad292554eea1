#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""An executor served as process 0.

It can be READY, loaded and serving before the zygote, which may not be running just then, has said
who it forked. `ps` showed it with pid 0, and whoever killed that killed its own process group.

Goal:   an executor serves when it is known who it is, and its end is heard of then.
Method: quick_executor_test.py MICROBURST OBJECT. Holds the zygote, as a debugger does, right after
        it has forked, and lets the child run.
"""
import ctypes
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until    # noqa: E402

MICROBURST, OBJECT = sys.argv[1:3]
SEIZE, DETACH = 0x4206, 17                  # of sys/ptrace.h
TRACE_CHILDREN = 1 << 1 | 1 << 2 | 1 << 3   # fork, vfork, clone
WAIT_ALL = 0x40000000                       # __WALL: children of others too
HOLD_S = 1.5                                # a spare is READY within some ms
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long


def trace(request, pid, data=0):
    if LIBC.ptrace(request, pid, None, data) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def stopped(pid):
    """What stopped it: 0, or an event of those asked for."""
    _, status = os.waitpid(pid, WAIT_ALL)
    if not os.WIFSTOPPED(status):
        raise ChildProcessError(f'{pid} has ended')
    return status >> 16


class QuickExecutor(unittest.TestCase):
    def setUp(self):
        self.node = Node(MICROBURST, '--set', 'executor.count=1')
        self.addCleanup(self.node.remove)
        self.assertEqual(self.node.run('deploy', OBJECT)[0], 0)
        until(self.node.executors, 60, 'an executor that serves')

    def shown(self):
        return [(e['state'], e['pid']) for e in self.node.json('ps')['executors']]

    def test_serves_when_it_is_known(self):
        zygote = until(self.node.zygote, 60, 'a zygote')
        try:
            trace(SEIZE, zygote, TRACE_CHILDREN)
        except OSError as error:
            print(f'processes cannot be traced here: {error}')
            sys.exit(77)
        for pid, (_, state) in self.node.children().items():
            if pid != zygote and state != 'Z':
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        stopped(zygote)     # it has forked
        child = next(pid for pid in self.traced() if pid != zygote)
        stopped(child)
        trace(DETACH, child)
        try:
            end = time.monotonic() + HOLD_S
            while time.monotonic() < end:
                self.assertNotIn(('serving', 0), self.shown())
                time.sleep(0.02)
        finally:
            trace(DETACH, zygote)
        until(self.node.executors, 60, 'an executor that serves')
        self.assertNotIn(('serving', 0), self.shown())
        self.assertEqual(self.node.run('call', 'plus_one', '1', '--deadline', '30s')[:2],
                         (0, b'2\n'), self.node.said())

    def traced(self):
        """Process ids of all that this one traces."""
        for pid in self.node.children():
            try:
                with open(f'/proc/{pid}/status', encoding='utf-8') as f:
                    if f'TracerPid:\t{os.getpid()}\n' in f.read():
                        yield pid
            except OSError:     # it has ended
                pass


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
