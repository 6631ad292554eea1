#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_calls_test.py MICROBURST SOURCE

Goal:   calls of a pipeline run and are answered in their order, whatever else is in it, whoever
        else calls, and with executors killed meanwhile: a call that was answered happened once,
        one that was refused happened or not as its answer says.
Method: a node of its own; sockets that say many commands at once. Of the killed, what the counter
        shows in the end lies between what was answered and that plus what may have happened.
"""
import os
import signal
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until   # noqa: E402
from resp import NEXT, Raw, port_of    # noqa: E402

MICROBURST, SOURCE = sys.argv[1:3]
FUNCTIONS = r"""
MB_FUNCTION(repeat) { /* its text, until the result has so many bytes */
    static char out[40000];
    struct mb_slice text;
    int64_t bytes;

    MB_TRY(mb_arg_utf8(call, 0, &text));
    MB_TRY(mb_arg_i64(call, 1, &bytes));
    for (int64_t i = 0; i < bytes; i++) {
        out[i] = ((const char *)text.p)[i % text.len];
    }
    return mb_return_utf8(call, (struct mb_slice){ out, (size_t)bytes });
}
MB_FUNCTION(hears)
{
    struct mb_message got;

    MB_TRY(mb_put(call, mb_str("who"), mb_str("x")));
    MB_TRY(mb_flush(call));
    MB_TRY(mb_recv(call, 20000000000ull, &got));
    return mb_return_i64(call, 1);
}
MB_FUNCTION(fails) { return mb_fail(call, "no luck"); }
"""
NODE = {}


def setUpModule():
    node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', '--set', 'executor.count=2')
    unittest.addModuleCleanup(node.remove)
    NODE['node'], NODE['port'] = node, port_of(node)
    node.deploy(NEXT + FUNCTIONS)


class Pipelines(unittest.TestCase):
    def setUp(self):
        self.c = self.client()
        self.assertEqual(self.c('flushall'), '+OK')

    def client(self):
        c = Raw(NODE['port'])
        self.addCleanup(c.close)
        return c

    def test_in_their_order(self):
        c = self.c
        for i in range(300):
            c.say('fcall', 'next', 1, 'n')
            c.say('fcall', 'none', 0) if i % 50 == 7 else c.say('fcall', 'fails', 0)
            c.say('fcall_ro', 'repeat', 0, f's:{i}', 8 + i * 100)
            if i % 20 == 0:
                c.say('get', 'n')
                c.say('set', 'other', i)
                c.say('fcall', 'next')
        for i in range(300):
            self.assertEqual(c.answer(), i + 1)
            self.assertEqual(c.answer(), '-ERR Function not found' if i % 50 == 7 else
                             '-FUNCTION_FAILED the function returned an error: no luck')
            want = (str(i) * (8 + i * 100))[:8 + i * 100]
            self.assertEqual(c.answer(), want.encode())
            if i % 20 == 0:
                self.assertEqual(c.answer(), str(i + 1).encode())
                self.assertEqual(c.answer(), '+OK')
                self.assertRegex(c.answer(), "^-ERR wrong number of arguments for 'fcall'")

    def test_many_at_once(self):
        clients = [self.client() for _ in range(20)]
        for _ in range(5):
            for i, c in enumerate(clients):
                for _ in range(50):
                    c.say('fcall', 'next', 1, f'mine{i}')
                    c.say('fcall', 'next', 1, 'all')
        for c in clients:
            got = [c.answer() for _ in range(500)]
            self.assertEqual(got[::2], list(range(1, 251)))
            self.assertEqual(got[1::2], sorted(set(got[1::2])))
        self.assertEqual(self.c('get', 'all'), b'5000')

    def test_who_waits_for_a_message_holds_nobody(self):
        c, o = self.c, self.client()
        for _ in range(200):        # so that it is known to be short
            o('fcall', 'next', 1, 'n')
        later = c('mb.call', 'future', 'hears')
        clients = [self.client() for _ in range(8)]
        for i, x in enumerate(clients):
            x.say('fcall', 'next', 1, f'k{i}')
        self.assertEqual([x.answer() for x in clients], [1] * 8)
        until(lambda: any(o('mb.send', r['call'], 'end') == '+OK'   # not GONE, as one before it is
                          for r in NODE['node'].json('ps')['calls'] if r['function'] == 'hears'),
              60, 'the call that hears')
        self.assertEqual(c('mb.future', later), 1)

    def test_a_deadline_in_a_pipeline(self):
        c = self.c
        c.say('mb.call', 'next', 'n')
        c.say('mb.call', 'deadline', 50, 'hears')
        c.say('mb.call', 'next', 'n')
        self.assertEqual(c.answer(), 1)
        self.assertRegex(c.answer(), '^-DEADLINE')
        self.assertEqual(c.answer(), 2)

    def test_a_client_that_goes(self):
        for _ in range(5):
            o = Raw(NODE['port'])
            for _ in range(50):
                o.say('fcall', 'next', 1, 'gone')
            o.close()
        for i in range(100):
            self.c.say('fcall', 'next', 1, 'n')
        self.assertEqual([self.c.answer() for _ in range(100)], list(range(1, 101)))

    def test_executors_are_killed(self):
        end = threading.Event()

        def kill():
            while not end.wait(0.15):
                for pid in NODE['node'].executors()[:1]:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            clients = [self.client() for _ in range(4)]
            answered = happened = 0
            over = time.monotonic() + 1.5
            while time.monotonic() < over or answered == 0:
                for c in clients:
                    for _ in range(30):
                        c.say('fcall', 'next', 1, 'dying')
                for c in clients:
                    last = 0
                    for _ in range(30):
                        a = c.answer()
                        if isinstance(a, int):
                            self.assertGreater(a, last)
                            last = a
                            answered += 1
                        else:
                            self.assertRegex(a, '^-EXECUTOR_DIED')
                            happened += 'writes happened' in a
        finally:
            end.set()
            killer.join()
        self.assertGreater(answered, 0)
        self.assertEqual(int(self.c('get', 'dying')), answered + happened)

    def test_zz_nothing_is_held(self):
        """Runs last: what the others asked for, and the gate opened for them, is given back."""
        def held():
            return {what: n for what, n in NODE['node'].json('status')['held'].items() if n != 0}

        until(lambda: held() == {}, 20, f'nothing held: {held()}')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
