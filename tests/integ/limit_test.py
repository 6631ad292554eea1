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
# takes(mib) takes so much; hoards(mib) keeps it, for calls that come later.
TAKES = r"""
#include <microburst/function.h>
#include <stdlib.h>
#include <string.h>

MB_FUNCTION(takes)
{
    int64_t mib, got = 0;
    char *p[1024];

    MB_TRY(mb_arg_i64(call, 0, &mib));
    while (got < mib && (p[got] = malloc(1 << 20)) != NULL) {
        memset(p[got], 1, 1 << 20);
        got++;
    }
    for (int64_t i = 0; i < got; i++)
        free(p[i]);
    return mb_return_i64(call, got);
}

MB_FUNCTION(dies)
{
    char *volatile p;

    for (;;) {
        p = malloc(1 << 20);
        memset(p, 1, 1 << 20);
    }
    return 0;
}

MB_FUNCTION(crashes)
{
    abort();
    return 0;
}
"""
HOARDS = r"""
#include <microburst/function.h>
#include <stdlib.h>
#include <string.h>

MB_FUNCTION(hoards)
{
    static char *volatile p;

    if (p == NULL && (p = malloc(100 << 20)) == NULL)
        return mb_fail(call, "no memory");
    memset(p, 1, 100 << 20);
    return mb_return_i64(call, 100);
}
"""
NODE = None


def deploy(*args):
    NODE.deploy(LIMITED, *args, name='limited.c')


def setUpModule():
    global NODE
    NODE = Node(MICROBURST, '--set', 'executor.count=4')
    unittest.addModuleCleanup(NODE.remove)


def start(*args):
    return subprocess.Popen([MICROBURST, *args, '--socket', NODE.socket], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


class Limits(unittest.TestCase):
    def test_deadline(self):
        deploy('--deadline', '10s')
        code, out, err = NODE.run('call', 'limited', '1')
        self.assertEqual(code, 0, err)
        self.assertTrue(0 < int(out) < 10000, out)      # what it is told is left
        began = time.monotonic()
        code, _, err = NODE.run('call', 'limited', '60000')
        self.assertEqual(code, 1)
        self.assertIn('deadline', err)
        self.assertLess(time.monotonic() - began, 50)
        code, _, err = NODE.run('call', 'limited', '100', '--deadline', '50ms')     # less is heeded
        self.assertIn('deadline', err)
        began = time.monotonic()
        code, _, err = NODE.run('call', 'limited', '60000', '--deadline', '1min')   # more is not
        self.assertIn('deadline', err)
        self.assertLess(time.monotonic() - began, 50)
        until(lambda: not NODE.json('ps')['calls'], 60, 'what was stopped to end')

    def test_concurrency(self):
        deploy('--concurrency', '2')
        self.assertEqual(self.most_at_a_time(2), 2)
        deploy()        # without a limit again
        self.assertGreater(self.most_at_a_time(3), 2)

    def most_at_a_time(self, least):
        """Of six calls; of longer ones, while a busy machine shows fewer."""
        most, ms = 0, 250
        while most < least and ms < 20000:
            calls = [start('call', 'limited', str(ms)) for _ in range(6)]
            while any(c.poll() is None for c in calls):
                rows = NODE.json('ps')['calls']     # and who was answered, for a moment
                most = max(most, sum(c['running_ns'] < ms * 10**6 for c in rows))
            for c in calls:
                self.assertEqual(c.returncode, 0, c.communicate()[1])
                c.communicate()
            ms *= 3
        return most

    def test_memory(self):
        NODE.deploy(HOARDS)
        NODE.deploy(TAKES, '--memory', '64m')
        functions = {f['name']: f['memory_bytes'] for f in NODE.json('functions')['functions']}
        self.assertEqual((functions['hoards'], functions['takes']), (0, 64 << 20))
        for _ in range(3):      # each call anew, whatever calls of others have taken
            self.assertTrue(50 <= int(NODE.run('call', 'takes', '100')[1]) <= 64)
            self.assertEqual(NODE.run('call', 'takes', '40')[1], b'40\n')
            self.assertEqual(NODE.run('call', 'hoards')[:2], (0, b'100\n'))
        code, _, err = NODE.run('call', 'dies')
        self.assertEqual(code, 1)
        self.assertIn('out of memory; its writes did not happen', err)
        self.assertIn('signal 6; its', NODE.run('call', 'crashes')[2])
        NODE.deploy(TAKES)      # without a limit again
        self.assertEqual(NODE.run('call', 'takes', '100')[1], b'100\n')

    def test_usage(self):
        for bytes_, why in (('1k', 'at least 1 MiB'), ('2g', 'executor.memory')):
            code, _, err = NODE.run('deploy', os.path.join(NODE.folder, 'limited.c'),
                                    '--memory', bytes_)
            self.assertEqual(code, 1)
            self.assertIn(why, err)
        self.assertEqual(NODE.run('deploy', 'x.c', '--memory', 'much')[0], 2)
        self.assertEqual(NODE.run('deploy', 'x.c', '--concurrency', '0')[0], 2)
        self.assertEqual(NODE.run('deploy', 'x.c', '--deadline', 'soon')[0], 2)


class Metering(unittest.TestCase):
    def test_bytes_are_held_for_a_time(self):
        NODE.deploy('#include <microburst/function.h>\nMB_FUNCTION(holds) {'
                    'uint64_t end = mb_now_ns(call) + 20000000;'
                    'while (mb_now_ns(call) < end) { } return mb_return_nil(call); }\n')
        data = os.path.join(NODE.folder, 'data')
        with open(data, 'wb') as f:
            f.write(bytes(1 << 20))
        for _ in range(3):
            self.assertEqual(NODE.run('call', 'holds', '@' + data)[0], 0)
        use = next(f for f in NODE.json('ps')['functions'] if f['name'] == 'holds')
        self.assertEqual(use['finished'], 3)
        # A mebibyte for at least 20 ms, three times; a busy machine halts them meanwhile.
        self.assertTrue(60000 << 20 <= use['byte_us'] < 60000000 << 20, use)
        self.assertRegex(NODE.run('ps')[1].decode(), r'holds +3 +0 ')


if __name__ == '__main__':
    unittest.main(argv=[sys.argv[0]] + sys.argv[3:])
