#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""failures_test.py MICROBURST LIBMICROBURST

Goal:   whichever function of a DAG fails, in whatever way, its call has one typed answer that says
        what is true of its writes; the next call works; nothing is left.
Method: a diamond of one function, run on one executor and in parts. Each place of it fails in each
        way. Every function counts itself under a key, so what was written can be seen.
        Then many at a time that fail or do not, of functions that take batches too, at both
        levels, with request ids and without: drawn from a seed that is printed (MB_TEST_SEED).
"""
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from client import Client   # noqa: E402
from node import Node, until   # noqa: E402

MICROBURST, LIBRARY = sys.argv[1:3]
SEED = int(os.environ.get('MB_TEST_SEED', random.randrange(1 << 32)))
CALLS, AT_ONCE, GRACE_NS = 100, 12, 80 * 10**6

FUNCTION = r"""
#include <microburst/function.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is(struct mb_slice s, const char *what)
{
    return s.len == strlen(what) && memcmp(s.p, what, s.len) == 0;
}

/* Touches all that it gets, until there is no more. */
static void eat(void)
{
    char *p;

    while ((p = malloc(1 << 20)) != NULL)
        memset(p, 1, 1 << 20);
    abort();
}

static int deeper(volatile char *from, int n)
{
    volatile char here[4096];

    here[0] = from[0];
    return n < 0 ? 0 : deeper(here, n + 1) + here[0];
}

static int act(struct mb_call *call)
{
    struct mb_slice way = mb_str("");
    void *p;

    if (mb_arg_cnt(call) > 0 && mb_arg_type(call, 0) == MB_UTF8) {
        MB_TRY(mb_arg_utf8(call, 0, &way));
    }
    if (is(way, "fail"))
        return mb_fail(call, "on purpose");
    if (is(way, "type"))
        return mb_arg_i64(call, 0, &(int64_t){ 0 });
    if (is(way, "lies"))
        return MB_ERR_EXECUTOR_DIED;
    if (is(way, "large"))
        return mb_return_reserve(call, MB_BYTES, (size_t)65 << 20, &p);
    if (is(way, "segv"))
        raise(SIGSEGV);
    if (is(way, "abort"))
        abort();
    if (is(way, "exit"))
        _exit(255);
    if (is(way, "flush")) {
        MB_TRY(mb_flush(call));
        _exit(3);
    }
    if (is(way, "eat"))
        eat();
    if (is(way, "sink"))
        return deeper("x", 0);
    while (is(way, "loop"))
        __asm__ volatile("");
    return mb_return_i64(call, 1);
}
"""
# act([way], ...): counts itself, then does what it is told. many takes batches, and counts nothing.
ALONE = r"""
MB_FUNCTION(act)
{
    MB_TRY(mb_incr(call, mb_str(mb_tag(call)), 1, NULL));
    return act(call);
}
"""
TOGETHER = r"""
MB_FUNCTION(many)
{
    for (uint32_t i = 0; i < mb_batch_cnt(call); i++) {
        int err;

        MB_TRY(mb_batch_item(call, i));
        err = act(call);
        if (err != 0)
            MB_TRY(mb_batch_fail(call, "act: %d", err));
    }
    return 0;
}
"""

# way: error, what its text says, whether it can have been the function's own word
WAYS = {
    'fail': ('FUNCTION_FAILED', 'act#%s: on purpose'),
    'type': ('TYPE', 'act#%s: argument 0'),
    'lies': ('FUNCTION_FAILED', 'act#%s'),
    'large': ('TOO_LARGE', 'act#%s'),
    'segv': ('EXECUTOR_DIED', 'signal 11; its writes'),
    'abort': ('EXECUTOR_DIED', 'signal 6; its writes'),
    'exit': ('EXECUTOR_DIED', 'exit code 255; its writes'),
    'flush': ('EXECUTOR_DIED', 'exit code 3; its writes happened'),
    'eat': ('EXECUTOR_DIED', 'out of memory; its writes'),
    'sink': ('EXECUTOR_DIED', 'signal 11; its writes'),
    'loop': ('DEADLINE', ''),
}
PLACES = ('first', 'left', 'right', 'last')
DIAMOND = ('act#first -> act#left, act#first -> act#right, act#left -> act#last, '
           'act#right -> act#last')
MIXED = DIAMOND.replace('act#left', 'many#left').replace('act#last', 'many#last')


class Failures(unittest.TestCase):
    def on(self, *settings):
        node = Node(MICROBURST, *(x for s in settings for x in ('--set', s)))
        self.addCleanup(node.remove)
        for name, body, more in (('act.c', ALONE, ()), ('many.c', TOGETHER, ('--batch', '8'))):
            path = os.path.join(node.folder, name)
            with open(path, 'w', encoding='utf-8') as f:
                f.write(FUNCTION + body)
            self.assertEqual(node.run('deploy', path, '--memory', '16m', *more)[::2], (0, ''))
        for name, text in (('diamond', DIAMOND), ('mixed', MIXED)):
            self.assertEqual(node.run('dag', 'add', name, text)[0], 0)
        return node

    @staticmethod
    def counts(node):
        return node.run('keys', '--values')[1]

    def check(self, node, fused):
        for place in PLACES:
            for way, (error, says) in WAYS.items():
                with self.subTest(f'{way} at {place}'):
                    before = self.counts(node)
                    deadline = ('--deadline', '80ms') if way == 'loop' else ()
                    code, out, _ = node.run('dag', 'call', 'diamond', f'act#{place}={way}',
                                            *deadline, '--json')
                    after = self.counts(node)
                    self.assertEqual(code, 1, out)
                    if way == 'loop' and b'publishing' in out:  # it passed before that one ran
                        error = 'INDETERMINATE'
                    self.assertIn(f'"{error}"', out.decode())
                    self.assertIn(says % place if '%' in says else says, out.decode())
                    if b'did not happen' in out or (fused and way != 'flush'):
                        self.assertEqual(after, before)
                    if b'writes happened' in out:
                        self.assertNotEqual(after, before)
                    self.assertEqual(node.run('dag', 'call', 'diamond')[:2], (0, b'1\n'))
        self.check_nothing_held(node)

    @staticmethod
    def check_nothing_held(node):
        until(lambda: all(n == 0 for n in node.json('status')['held'].values()), 60,
              f"nothing held: {node.json('status')['held']}")

    def check_many(self, node):
        rng = random.Random(SEED)
        client = Client(LIBRARY, node.socket)
        flight = {}
        for _ in range(CALLS):
            if len(flight) == AT_ONCE:
                self.check_answer(client, flight)
            dag, level = rng.choice(('diamond', 'mixed')), rng.choice((0, 0, 1))
            place, way = rng.choice(PLACES), rng.choice(('', '', '', *WAYS))
            fn = 'many' if f'many#{place}' in MIXED and dag == 'mixed' else 'act'
            call = client.start(dag, {f'{fn}#{place}': [way]}, level=level,
                                deadline_ns=GRACE_NS if way == 'loop' else 0,
                                request_id=rng.choice((0, client.request_id())))
            self.assertIsInstance(call, int, call)
            flight[call] = (way, fn, level)
        while flight:
            self.check_answer(client, flight)
        client.close()
        self.assertEqual(node.run('dag', 'call', 'mixed')[:2], (0, b'1\n'))
        self.check_nothing_held(node)

    def check_answer(self, client, flight):
        call, result, says = client.wait()
        self.assertIn(call, flight, (result, flight))   # once
        way, fn, level = flight.pop(call)
        right = {(1,)} if way == '' else {WAYS[way][0]}
        if fn == 'many' and 'EXECUTOR_DIED' not in right and way not in ('', 'loop'):
            right = {'FUNCTION_FAILED'}
        if way == 'flush' and level == 1:
            right = {'NOT_SUPPORTED', 'FUNCTION_FAILED'}
        if way == 'loop' and 'publishing' in says:      # the deadline passed before it ran
            right = {'INDETERMINATE'}
        self.assertIn(result, right, (way, fn, level, says))

    def test_on_one_executor(self):
        node = self.on('executor.count=1')
        self.check(node, True)
        self.check_many(node)

    def test_in_parts(self):
        node = self.on('executor.count=3', 'sched.dag_split=0')
        self.check(node, False)
        self.check_many(node)


if __name__ == '__main__':
    print(f'MB_TEST_SEED={SEED}')
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
