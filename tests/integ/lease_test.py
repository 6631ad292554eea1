#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""lease_test.py MICROBURST

Goal:   an executor that does nothing for anybody is replaced, and its call has one answer: one that
        is halted by a signal, in each state it can be in; and one whose function wrote over the
        word that says what it runs, to outlive its deadline, its client, or to be given more calls.
Method: functions that wait, that write, and one that finds that word in its own region and clears
        it. A lease of 300 ms. Every function counts itself under a key.
"""
import os
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until   # noqa: E402

MICROBURST = sys.argv[1]
LEASE = '300ms'
WAIT_S = 60

FUNCTION = r"""
#include <microburst/function.h>
#include <setjmp.h>
#include <signal.h>

static sigjmp_buf below;

static void on_segv(int sig)
{
    siglongjmp(below, 1);
}

/* Clears every word of this executor's region, below its slab, that names this call. */
static int hide(struct mb_call *call)
{
    struct sigaction sa = { .sa_handler = on_segv }, dfl = { .sa_handler = SIG_DFL };
    volatile uint64_t *volatile word;
    volatile int cnt = 0;
    void *p;

    MB_TRY(mb_return_reserve(call, MB_BYTES, 32 << 10, &p));
    word = (uint64_t *)((uintptr_t)p & ~(uintptr_t)7);
    sigaction(SIGSEGV, &sa, NULL);
    if (sigsetjmp(below, 1) == 0) {
        for (uint32_t i = 0; i < 16 << 20; i += 8, word--) {
            if (*word == mb_self(call)) {
                *word = 0;
                cnt = cnt + 1;
            }
        }
    }
    sigaction(SIGSEGV, &dfl, NULL);
    return cnt > 0 ? 0 : mb_fail(call, "no such word");
}

MB_FUNCTION(fine)
{
    return mb_return_i64(call, 42);
}

static void wait_ms(struct mb_call *call, uint64_t ms)
{
    uint64_t end = mb_now_ns(call) + ms * 1000000;

    while (mb_now_ns(call) < end) {
    }
}

/* Longer than a lease. */
MB_FUNCTION(slow)
{
    MB_TRY(mb_incr(call, mb_str("begun"), 1, NULL));
    wait_ms(call, 700);
    return mb_return_i64(call, 7);
}

MB_FUNCTION(wrote)
{
    MB_TRY(mb_incr(call, mb_str("begun"), 1, NULL));
    MB_TRY(mb_flush(call));
    wait_ms(call, 60000);   /* it is stopped before */
    return mb_return_i64(call, 7);
}

MB_FUNCTION(hides)          /* and runs on for ever */
{
    MB_TRY(hide(call));
    for (;;) {
    }
}

MB_FUNCTION(hides_and_waits) /* in the middle of what executors do */
{
    MB_TRY(hide(call));
    for (;;) {
        struct mb_message m;

        mb_recv(call, mb_now_ns(call) + 100000000, &m);
    }
}
"""


class Lease(unittest.TestCase):
    def setUp(self):
        self.node = Node(MICROBURST, '--set', 'executor.count=1',
                         '--set', f'executor.lease={LEASE}')
        self.addCleanup(self.node.remove)
        self.node.deploy(FUNCTION)
        self.pid = self.serves()

    def tearDown(self):
        until(lambda: not any(self.node.json('status')['held'].values()), WAIT_S,
              f"nothing held: {self.node.json('status')['held']}")

    def serves(self):
        return until(self.node.executors, WAIT_S, 'an executor that serves')[0]

    def replaced(self):
        until(lambda: self.node.executors() not in ([], [self.pid]), WAIT_S,
              f'another executor: {self.node.said()}')

    def start(self, *args):
        p = subprocess.Popen([MICROBURST, 'call', *args, '--socket', self.node.socket],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(p.communicate)
        self.addCleanup(p.kill)
        return p

    def runs(self):
        return until(lambda: self.node.json('ps')['calls'], WAIT_S, 'a call that runs')

    def fine(self):
        self.assertEqual(self.node.run('call', 'fine')[:2], (0, b'42\n'), self.node.said())

    # -- halted

    def test_halted_while_idle(self):
        os.kill(self.pid, signal.SIGSTOP)
        self.fine()
        self.replaced()

    def test_halted_spare(self):
        spare = until(lambda: [e['pid'] for e in self.node.json('ps')['executors']
                               if e['state'] == 'spare'], WAIT_S, 'a spare')[0]
        os.kill(spare, signal.SIGSTOP)
        until(lambda: spare not in [e['pid'] for e in self.node.json('ps')['executors']], WAIT_S,
              'the spare to go')
        self.assertEqual(self.node.executors(), [self.pid])
        self.fine()

    def test_halted_while_a_call_runs(self):
        call = self.start('slow')
        self.runs()
        os.kill(self.pid, signal.SIGSTOP)
        out, err = call.communicate(timeout=WAIT_S)
        self.assertEqual((call.returncode, out), (0, '7\n'), err)     # the second attempt's
        self.replaced()
        self.assertEqual(self.node.run('get', 'begun')[1], b'1')

    def test_halted_after_it_wrote(self):
        call = self.start('wrote')
        until(lambda: self.node.run('get', 'begun')[1] == b'1', WAIT_S, 'the write')
        os.kill(self.pid, signal.SIGSTOP)
        _, err = call.communicate(timeout=WAIT_S)
        self.assertEqual(call.returncode, 1, err)
        self.assertIn('writes happened', err)
        self.fine()
        self.assertEqual(self.node.run('get', 'begun')[1], b'1')

    def test_continued_in_time(self):
        call = self.start('slow')
        self.runs()
        os.kill(self.pid, signal.SIGSTOP)
        os.kill(self.pid, signal.SIGCONT)
        out, err = call.communicate(timeout=WAIT_S)
        self.assertEqual((call.returncode, out), (0, '7\n'), err)
        self.assertEqual(self.node.executors(), [self.pid])

    # -- hidden

    def test_a_deadline_is_not_outlived(self):
        for name in ('hides', 'hides_and_waits'):
            self.pid = self.serves()
            code, _, err = self.node.run('call', name, '--deadline', '100ms')
            self.assertEqual(code, 1, err)
            self.assertIn('deadline', err)
            self.replaced()
            self.fine()

    def test_a_client_is_not_outlived(self):
        call = self.start('hides')
        until(self.busy, WAIT_S, 'the function to run')
        call.kill()
        self.replaced()
        self.fine()

    def busy(self):
        """Whether the executor takes the cpu, for it says that it runs nothing; or is found out."""
        try:
            with open(f'/proc/{self.pid}/stat', encoding='utf-8') as f:
                return int(f.read().rsplit(')', 1)[1].split()[11]) > 5
        except FileNotFoundError:
            return True

    def test_who_waits_asks(self):
        """Nobody else is there, no deadline, and the client sleeps."""
        time.sleep(0.5)     # the clients before it are forgotten
        code, _, err = self.node.run('call', 'hides')
        self.assertEqual(code, 1)
        self.assertIn('its writes did not happen', err)

    def test_a_call_is_not_swallowed(self):
        call = self.start('hides')
        until(self.busy, WAIT_S, 'the function to run')
        self.fine()     # given to it, for it says that it is free
        _, err = call.communicate(timeout=WAIT_S)
        self.assertEqual(call.returncode, 1)
        self.assertIn('its writes did not happen', err)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
