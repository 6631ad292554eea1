#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""limit_test.py MICROBURST SOURCE

Goal:   what a function was deployed with holds: no call of it runs longer, no more of them at a
        time; and what it used is counted.
Method: one node with four executors; functions that would run for ever, and counts of who runs.
"""
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until   # noqa: E402

MICROBURST, SOURCE = sys.argv[1:3]

LIMITED = r"""
#include <microburst/function.h>

MB_FUNCTION(limited)    /* for so many milliseconds */
{
    int64_t ms;
    uint64_t end;

    MB_TRY(mb_arg_i64(call, 0, &ms));
    end = mb_now_ns(call) + (uint64_t)ms * 1000000;
    while (mb_now_ns(call) < end) {
    }
    return mb_return_i64(call, (int64_t)(mb_deadline_ns(call) / 1000000));
}
"""
NODE = None


def deploy(*args):
    path = os.path.join(NODE.folder, 'limited.c')
    with open(path, 'w', encoding='utf-8') as f:
        f.write(LIMITED)
    code, _, err = NODE.run('deploy', path, *args)
    assert code == 0, err


def setUpModule():
    global NODE
    NODE = Node(MICROBURST, '--set', 'executor.count=4')


def tearDownModule():
    NODE.end()


def start(*args):
    return subprocess.Popen([MICROBURST, *args, '--socket', NODE.socket], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


class Limits(unittest.TestCase):
    def test_deadline(self):
        deploy('--deadline', '300ms')
        code, out, err = NODE.run('call', 'limited', '1')
        self.assertEqual(code, 0, err)
        self.assertTrue(0 < int(out) < 300, out)        # what it is told is left
        began = time.monotonic()
        code, _, err = NODE.run('call', 'limited', '60000')
        self.assertEqual(code, 1)
        self.assertIn('deadline', err)
        self.assertLess(time.monotonic() - began, 10)
        code, _, err = NODE.run('call', 'limited', '100', '--deadline', '50ms')     # less is heeded
        self.assertIn('deadline', err)
        code, _, err = NODE.run('call', 'limited', '60000', '--deadline', '1min')   # more is not
        self.assertIn('deadline', err)
        self.assertLess(time.monotonic() - began, 20)
        until(lambda: not NODE.json('ps')['calls'], 10, 'what was stopped to end')

    def test_concurrency(self):
        deploy('--concurrency', '2')
        calls = [start('call', 'limited', '250') for _ in range(6)]
        most = 0
        while any(c.poll() is None for c in calls):
            most = max(most, len(NODE.json('ps')['calls']))
        for c in calls:
            self.assertEqual(c.returncode, 0, c.communicate()[1])
            c.communicate()
        self.assertEqual(most, 2)
        deploy()        # without a limit again
        calls = [start('call', 'limited', '700') for _ in range(4)]
        until(lambda: len(NODE.json('ps')['calls']) > 2, 10, 'more than two at a time')
        for c in calls:
            self.assertEqual(c.wait(), 0)
            c.communicate()

    def test_usage(self):
        self.assertEqual(NODE.run('deploy', 'x.c', '--concurrency', '0')[0], 2)
        self.assertEqual(NODE.run('deploy', 'x.c', '--deadline', 'soon')[0], 2)


class Metering(unittest.TestCase):
    def test_bytes_are_held_for_a_time(self):
        path = os.path.join(NODE.folder, 'held.c')
        with open(path, 'w', encoding='utf-8') as f:
            f.write('#include <microburst/function.h>\nMB_FUNCTION(holds) {'
                    'uint64_t end = mb_now_ns(call) + 20000000;'
                    'while (mb_now_ns(call) < end) { } return mb_return_nil(call); }\n')
        self.assertEqual(NODE.run('deploy', path)[0], 0)
        data = os.path.join(NODE.folder, 'data')
        with open(data, 'wb') as f:
            f.write(bytes(1 << 20))
        for _ in range(3):
            self.assertEqual(NODE.run('call', 'holds', '@' + data)[0], 0)
        use = next(f for f in NODE.json('ps')['functions'] if f['name'] == 'holds')
        self.assertEqual(use['finished'], 3)
        # A mebibyte for at least 20 ms, three times.
        self.assertTrue(60000 << 20 <= use['byte_us'] < 6000000 << 20, use)
        self.assertRegex(NODE.run('ps')[1].decode(), r'holds +3 +0 ')


if __name__ == '__main__':
    unittest.main(argv=[sys.argv[0]] + sys.argv[3:])
