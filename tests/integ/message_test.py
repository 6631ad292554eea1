#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""message_test.py MICROBURST SOURCE

Goal:   messages between calls: in order, once, whole, from calls and from outside; to a call that
        has ended: GONE; to a second attempt again; and nothing is left of them.
Method: one node with five executors; calls that run side by side and count.
"""
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until   # noqa: E402

MICROBURST, SOURCE = sys.argv[1:3]

FUNCTIONS = r"""
#include <microburst/function.h>
#include <stdlib.h>
#include <string.h>

/* Says in the store under a key who it is, so that others can send to it. */
static int introduce(struct mb_call *call)
{
    struct mb_slice key;
    uint64_t self = mb_self(call);

    MB_TRY(mb_arg_bytes(call, 0, &key));
    MB_TRY(mb_put(call, key, mb_slice_of(&self, sizeof(self))));
    return mb_flush(call);
}

static int who(struct mb_call *call, uint32_t arg, uint64_t *ret)
{
    struct mb_slice key, id = { 0 };
    uint64_t end = mb_now_ns(call) + 60000000000u;
    int err = MB_ERR_NOT_FOUND;

    MB_TRY(mb_arg_bytes(call, arg, &key));
    while (err == MB_ERR_NOT_FOUND && mb_now_ns(call) < end) {
        err = mb_get(call, key, &id);
        mb_release(call, key);
    }
    if (err == 0 && id.len == sizeof(*ret)) {
        memcpy(ret, id.p, sizeof(*ret));
    }
    return err;
}

/* Receives numbers 0.. from each sender until so many have come: their sum, or what was wrong. */
MB_FUNCTION(sums)
{
    int64_t cnt, sum = 0;
    uint64_t from[8] = { 0 }, next[8] = { 0 };

    MB_TRY(introduce(call));
    MB_TRY(mb_arg_i64(call, 1, &cnt));
    for (int64_t i = 0; i < cnt; i++) {
        struct mb_message m;
        uint64_t n;
        int s = 0;

        MB_TRY(mb_recv(call, 60000000000u, &m));
        memcpy(&n, m.bytes.p, sizeof(n));
        while (from[s] != 0 && from[s] != m.from) {
            s++;
        }
        from[s] = m.from;
        if (n != next[s]++) {
            return mb_fail(call, "message %d of sender %d came, not %d", (int)n, s,
                           (int)next[s] - 1);
        }
        for (size_t k = 8; k < m.bytes.len; k++) {
            if (((const unsigned char *)m.bytes.p)[k] != (unsigned char)(n + k)) {
                return mb_fail(call, "byte %d of message %d is wrong", (int)k, (int)n);
            }
        }
        sum += (int64_t)n;
    }
    return mb_return_i64(call, sum);
}

/* key, how many, bytes of each, flush after so many */
MB_FUNCTION(sends)
{
    int64_t cnt, bytes, flush;
    unsigned char text[32768];
    uint64_t to;

    MB_TRY(who(call, 0, &to));
    MB_TRY(mb_arg_i64(call, 1, &cnt));
    MB_TRY(mb_arg_i64(call, 2, &bytes));
    MB_TRY(mb_arg_i64(call, 3, &flush));
    for (uint64_t n = 0; n < (uint64_t)cnt; n++) {
        memcpy(text, &n, sizeof(n));
        for (size_t k = 8; k < (size_t)bytes; k++) {
            text[k] = (unsigned char)(n + k);
        }
        MB_TRY(mb_send(call, to, mb_slice_of(text, (size_t)bytes)));
        if ((n + 1) % (uint64_t)flush == 0) {
            MB_TRY(mb_flush(call));
        }
    }
    return mb_return_i64(call, cnt);
}

MB_FUNCTION(sends_and_fails)
{
    uint64_t to, n = 0;

    MB_TRY(who(call, 0, &to));
    MB_TRY(mb_send(call, to, mb_slice_of(&n, sizeof(n))));
    return mb_fail(call, "on second thought");
}

/* Makes a number of three digits that it is sent, and dies of a fourth, if it is to wait for one:
 * for so many ms. */
MB_FUNCTION(digits)
{
    int64_t sum = 0, ms = 0;

    if (mb_arg_cnt(call) > 0 && mb_arg_type(call, 0) == MB_I64) {
        MB_TRY(mb_arg_i64(call, 0, &ms));
    }

    for (int i = 0; i < 3; i++) {
        struct mb_message m;

        MB_TRY(mb_recv(call, 60000000000u, &m));
        sum = sum * 10 + ((const char *)m.bytes.p)[0] - '0';
    }
    if (ms > 0 && mb_recv(call, (uint64_t)ms * 1000000u, &(struct mb_message){ 0 }) == 0) {
        abort();
    }
    return mb_return_i64(call, sum);
}

/* Sends to itself, more than anybody keeps. */
MB_FUNCTION(floods)
{
    for (int i = 0; i < 5000; i++) {
        MB_TRY(mb_send(call, mb_self(call), mb_str("more")));
        if (i % 200 == 199) {
            MB_TRY(mb_flush(call));
        }
    }
    return 0;
}

MB_FUNCTION(nothing)
{
    return 0;
}

MB_FUNCTION(both)
{
    int64_t a, b;

    MB_TRY(mb_arg_i64(call, 0, &a));
    MB_TRY(mb_arg_i64(call, 1, &b));
    MB_TRY(mb_return_i64(call, a));
    return mb_return_i64(call, b);
}

MB_FUNCTION(waits)
{
    struct mb_message m;
    int64_t ms;
    int err;

    MB_TRY(mb_arg_i64(call, 0, &ms));
    err = mb_recv(call, (uint64_t)ms * 1000000u, &m);
    return err == MB_ERR_NOT_FOUND ? mb_return_i64(call, -1) : err;
}
"""
NODE = None


def setUpModule():
    global NODE
    NODE = Node(MICROBURST, '--set', 'executor.count=5', '--set', 'sched.dag_split=0')
    unittest.addModuleCleanup(NODE.remove)
    NODE.deploy(FUNCTIONS)


def start(*args):
    return subprocess.Popen([MICROBURST, *args, '--socket', NODE.socket], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def running(function):
    return next((c['call'] for c in NODE.json('ps')['calls'] if c['function'] == function), None)


def runs_in(call):
    return until(lambda: next((c['pid'] for c in NODE.json('ps')['calls'] if c['call'] == call),
                              0), 60, 'its executor')


class Messages(unittest.TestCase):
    def tearDown(self):
        def nothing_held():
            held = NODE.json('status')['held']
            return held['inboxes'] == 0 and held['messages'] == 0 and not NODE.json('ps')['calls']
        until(nothing_held, 60, 'inboxes to go')

    def ends(self, process, out):
        was, err = process.communicate(timeout=90)
        self.assertEqual((was, process.returncode), (out, 0), err)

    def test_from_one_in_order(self):
        receiver = start('call', 'sums', 'one', '500')
        self.assertEqual(NODE.run('call', 'sends', 'one', '500', '8', '100')[0], 0)
        self.ends(receiver, '124750\n')

    def test_from_three_whole(self):
        receiver = start('call', 'sums', 'three', '120')
        senders = [start('call', 'sends', 'three', '40', '5000', '7') for _ in range(3)]
        for sender in senders:
            self.ends(sender, '40\n')
        self.ends(receiver, '2340\n')

    def test_what_failed_has_sent_nothing(self):
        receiver = start('call', 'sums', 'fails', '1')
        self.assertEqual(NODE.run('call', 'sends_and_fails', 'fails')[0], 1)
        until(lambda: NODE.json('status')['held']['messages'] == 0, 60, 'what was not sent to go')
        self.assertEqual(NODE.run('call', 'sends', 'fails', '1', '8', '1')[0], 0)
        self.ends(receiver, '0\n')

    def test_to_one_that_has_ended(self):
        receiver = start('call', 'sums', 'ended', '0')
        self.ends(receiver, '0\n')
        code, _, err = NODE.run('call', 'sends', 'ended', '1', '8', '1')
        self.assertEqual(code, 1)
        self.assertIn('has ended', err)
        code, _, err = NODE.run('send', '123456789', 'x')
        self.assertEqual(code, 1)
        self.assertIn('has ended', err)

    def test_from_outside_and_to_a_second_attempt(self):
        receiver = start('call', 'digits', '60000')
        call = until(lambda: running('digits'), 60, 'a receiver')
        for digit in '123':
            self.assertEqual(NODE.run('send', call, digit)[0], 0)
        first = runs_in(call)
        self.assertEqual(NODE.run('send', call, 'die')[0], 0)
        until(lambda: not os.path.exists(f'/proc/{first}'), 60, 'the end of the first attempt')
        # The fourth message comes again, too: the second attempt ends as the first.
        _, err = receiver.communicate(timeout=90)
        self.assertEqual(receiver.returncode, 1)
        self.assertIn('did not happen', err)

    def test_a_second_attempt_hears_the_same(self):
        receiver = start('call', 'digits')
        call = until(lambda: running('digits'), 60, 'a receiver')
        self.assertEqual(NODE.run('send', call, '1')[0], 0)
        self.assertEqual(NODE.run('send', call, '2')[0], 0)
        os.kill(runs_in(call), 9)
        until(lambda: running('digits'), 60, 'a second attempt')
        self.assertEqual(NODE.run('send', call, '3')[0], 0)
        self.ends(receiver, '123\n')

    def test_functions_of_a_dag_hear_the_same_side_by_side(self):
        self.assertEqual(NODE.run('dag', 'add', 'hears', 'nothing -> digits#a -> both, '
                                  'nothing -> digits#b -> both')[0], 0)
        dag = start('dag', 'call', 'hears')

        def both_hear():
            calls = [c['call'] for c in NODE.json('ps')['calls']]
            return calls[0] if len(calls) == 2 and calls[0] == calls[1] else None
        call = until(both_hear, 60, 'two receivers')
        for digit in '456':
            self.assertEqual(NODE.run('send', call, digit)[0], 0)
        self.ends(dag, '456\n456\n')

    def test_waiting_ends(self):
        began = time.monotonic()
        self.assertEqual(NODE.run('call', 'waits', '200')[1], b'-1\n')
        self.assertGreater(time.monotonic() - began, 0.2)
        code, _, err = NODE.run('call', 'waits', '5000', '--deadline', '100ms')
        self.assertEqual(code, 1)
        self.assertIn('deadline', err)

    def test_a_flood_is_refused(self):
        code, _, err = NODE.run('call', 'floods')
        self.assertEqual(code, 1)
        self.assertIn('busy', err)
        self.assertEqual(NODE.run('call', 'waits', '1')[1], b'-1\n')

    def test_a_request_s_call_hears(self):
        request = NODE.run('call', 'digits', '--future')[1].decode().strip()
        call = until(lambda: running('digits'), 60, 'a receiver')
        for digit in '789':
            self.assertEqual(NODE.run('send', call, digit)[0], 0)
        self.assertEqual(NODE.run('future', request)[1], b'789\n')
        self.assertEqual(NODE.run('send', call, '1')[0], 1)


if __name__ == '__main__':
    unittest.main(argv=[sys.argv[0]] + sys.argv[3:])
