#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""cli_test.py MICROBURST SOURCE

Goal:   every command does on a real node what it says: right input, wrong input, and input that was
        right a moment ago.
Method: one node for all tests, in a folder of its own; the examples, and functions written here for
        the purpose. SOURCE is the root of the sources. What needs no node is tested with a
        stand-in for it by tests/unit/control/cli_test.py.
"""
import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import COMMAND_S, Node, run, until   # noqa: E402

MICROBURST, SOURCE = sys.argv[1:3]
EXAMPLES = os.path.join(SOURCE, 'examples')

FUNCTIONS = r"""
#include <microburst/function.h>
#include <stdlib.h>

MB_FUNCTION(nothing) { return mb_return_nil(call); }
MB_FUNCTION(returns) { int64_t n; MB_TRY(mb_arg_i64(call, 0, &n)); return (int)n; }
MB_FUNCTION(fails) { return mb_fail(call, "no luck today"); }
MB_FUNCTION(crashes) { abort(); }
MB_FUNCTION(loops) { for (;;) { __asm__ volatile(""); } }
MB_FUNCTION(writes_and_fails)
{
    MB_TRY(mb_put(call, mb_str("never"), mb_str("there")));
    return mb_fail(call, "after a put");
}
MB_FUNCTION(even)
{
    int64_t n;

    MB_TRY(mb_arg_i64(call, 0, &n));
    return n % 2 == 0 ? mb_return_i64(call, n) : mb_return_invalid(call, "%d is odd", (int)n);
}
MB_FUNCTION(fills_map)
{
    MB_TRY(mb_map_put(call, mb_str("capitals"), mb_str("France"), mb_str("Paris")));
    return mb_map_put(call, mb_str("capitals"), mb_str("Italy"), mb_str("Rome"));
}
"""

# together(n): n, and how many calls its run had. 1000 waits for the key go, 13 fails, 666 kills.
BATCH = r"""
#include <microburst/function.h>
#include <stdlib.h>

MB_FUNCTION(together)
{
    for (uint32_t i = 0; i < mb_batch_cnt(call); i++) {
        int64_t n;

        MB_TRY(mb_batch_item(call, i));
        MB_TRY(mb_arg_i64(call, 0, &n));
        struct mb_slice go;
        while (n == 1000 && mb_get(call, mb_str("go"), &go) == MB_ERR_NOT_FOUND) {
        }
        if (n == 666) {
            abort();
        }
        if (n == 13) {
            MB_TRY(mb_batch_fail(call, "unlucky"));
            continue;
        }
        MB_TRY(mb_return_i64(call, n));
        MB_TRY(mb_return_i64(call, mb_batch_cnt(call)));
    }
    return 0;
}
"""

# hop(n, bytes, next): counts its runs, and goes on with another function or, for +NAME, a DAG.
HOP = r"""
#include <microburst/function.h>

MB_FUNCTION(hop)
{
    struct mb_slice next;
    char name[64] = { 0 };
    int64_t n, bytes;
    void *p;

    MB_TRY(mb_arg_i64(call, 0, &n));
    MB_TRY(mb_arg_i64(call, 1, &bytes));
    MB_TRY(mb_arg_utf8(call, 2, &next));
    memcpy(name, next.p, next.len < 63 ? next.len : 63);
    MB_TRY(mb_incr(call, mb_str("hops"), 1, NULL));
    MB_TRY(mb_return_i64(call, n));
    MB_TRY(mb_return_reserve(call, MB_BYTES, (size_t)bytes, &p));
    memset(p, 'x', (size_t)bytes);
    return name[0] == '+' ? mb_continue_dag(call, name + 1) : mb_continue(call, name);
}
"""
LAND = r"""
#include <microburst/function.h>
#include <stdlib.h>

MB_FUNCTION(land)
{
    struct mb_slice bytes;
    int64_t n;

    MB_TRY(mb_arg_i64(call, 0, &n));
    MB_TRY(mb_arg_bytes(call, 1, &bytes));
    MB_TRY(mb_incr(call, mb_str("lands"), 1, NULL));
    return mb_return_i64(call, n + (int64_t)bytes.len);
}
MB_FUNCTION(falls) { abort(); }
MB_FUNCTION(circles) { for (;;) { __asm__ volatile(""); } return 0; }
"""


def microburst(*args, **how):
    """Returns (exit code, standard output, standard error)."""
    return run(MICROBURST, *args, **how)


NODE = None


def setUpModule():
    global NODE
    NODE = Node(MICROBURST)
    os.environ['MICROBURST_SOCKET'] = NODE.socket
    path = os.path.join(NODE.folder, 'functions.c')
    with open(path, 'w', encoding='utf-8') as f:
        f.write(FUNCTIONS)
    code, _, err = microburst('deploy', path, f'{EXAMPLES}/echo.c')
    if code != 0:
        tearDownModule()
        raise RuntimeError(err)


def tearDownModule():
    NODE.remove()


class Case(unittest.TestCase):
    def tearDown(self):
        """No command ends the node. If one did, say which, and let the others have a new one."""
        code = NODE.process.poll()
        if code is not None:
            said = '\n'.join(NODE.said().splitlines()[-20:])
            tearDownModule()
            setUpModule()
            self.fail(f'the node ended with {code}:\n{said}')

    def done(self, *args, stdin=b''):
        """The command succeeds, says nothing on standard error; returns its standard output."""
        code, out, err = microburst(*args, stdin=stdin)
        self.assertEqual((code, err), (0, ''), args)
        return out.decode(errors='replace')

    def json(self, *args):
        return json.loads(self.done(*args, '--json'))

    def fails(self, *args, code=1, says=''):
        """The command fails with one sentence and prints nothing; in JSON it names an error."""
        was, out, err = microburst(*args)
        self.assertEqual((was, out), (code, b''), (args, err))
        self.assertRegex(err, re.compile(says, re.S))
        if code == 1:
            self.assertRegex(err, r'\Amicroburst: .*\.\n\Z')


    def nothing_runs(self):
        until(lambda: not self.json('ps')['calls'], 60, 'the end of the calls before')

    def holds_no_calls(self, on):
        """Soon: who was answered does not wait until that is so."""
        names = ('dag_runs', 'dag_results', 'requests', 'calls_queued', 'calls_running')
        until(lambda: not any(self.json('status', *on)['held'][n] for n in names), 60, names)


class Functions(Case):
    def test_increment(self):
        self.assertRegex(self.done('deploy', f'{EXAMPLES}/increment.c'),
                         r'\Adeployed increment, version \d+\n\Z')
        self.assertEqual(self.done('call', 'increment', '4'), '5\n')
        self.assertEqual(self.done('call', 'increment', '-4', '--deadline', '5s'), '-3\n')
        self.assertIn('increment', self.done('functions'))
        self.fails('call', 'increment', says='calling increment failed: ')
        self.fails('call', 'increment', 'x', says='calling increment failed: ')

    def test_types(self):
        self.assertEqual(self.done('call', 'echo', '1', '-2.5', 'grün', 'a:1,2', 'b:ff00', 's:'),
                         '1\n-2.5\ngrün\n1.0,2.0\nb:ff00\n\n')
        answer = self.json('call', 'echo', '1', 'f:inf', 'b:ff')
        self.assertEqual(answer['results'], [{'type': 'i64', 'value': 1},
                                             {'type': 'f64', 'value': 'inf'},
                                             {'type': 'bytes', 'value': {'hex': 'ff'}}])
        self.assertRegex(answer['call'], r'^[0-9a-f]{16}$')
        self.assertEqual(self.done('call', 'nothing'), 'nil\n')
        self.assertEqual(self.done('call', 'echo'), '')

    def test_futures(self):
        """A call that nobody waits for runs once; its answer waits."""
        before = self.done('incr', 'futures')
        self.done('deploy', f'{EXAMPLES}/counter.c')
        request = self.done('call', 'echo', '7', 's:seven', '--future').strip()
        self.assertRegex(request, r'^[0-9a-f]{16}$')
        for _ in range(2):
            self.assertEqual(self.done('future', request), '7\nseven\n')
        self.assertEqual(self.done('call', 'echo', '8', '--request-id', request), '7\nseven\n')
        self.fails('call', 'nothing', '--request-id', request, says='another function')
        self.fails('future', '0000000000000001', says='too old')
        request = self.done('call', 'fails', '--future').strip()
        self.fails('future', request, says='no luck')
        large = 'x' * 20000
        request = self.done('call', 'echo', large, '--future').strip()
        self.assertEqual(self.done('future', request), large + '\n')
        request = self.done('call', 'echo', large * 5, '--future').strip()
        self.fails('future', request, says='too old|no such thing')    # was refused: too large
        self.assertEqual(self.done('get', 'futures'), before.strip())

    def test_a_future_outlives_its_executor(self):
        self.nothing_runs()
        request = self.done('call', 'loops', '--future').strip()
        self.fails('future', request, '--deadline', '50ms', code=1)
        call = until(lambda: [c['call'] for c in self.json('ps')['calls']
                              if c['function'] == 'loops'], 60, 'a call that runs')[0]
        self.done('cancel', call)
        self.fails('future', request)

    def test_bytes_of_every_size(self):
        for size in (0, 1, 40, 4096, 65535, 65536, 65537, 1 << 20, 64 << 20):
            with self.subTest(size):
                path = os.path.join(NODE.folder, 'bytes')
                with open(path, 'wb') as f:
                    f.write(struct.pack('<Q', size * 2654435761 + 1) * (size // 8 + 1))
                    f.truncate(size)
                code, out, err = microburst('call', 'echo', '@' + path)
                with open(path, 'rb') as f:
                    self.assertTrue(out == f.read(), (code, len(out), err))
                self.assertEqual((code, err), (0, ''))
        self.assertEqual(microburst('call', 'echo', '-', stdin=b'\x00\xff')[1], b'\x00\xff')

    def test_256_arguments(self):
        out = self.done('call', 'echo', *map(str, range(256)))
        self.assertEqual(out.split(), [str(i) for i in range(256)])
        self.fails('call', 'echo', *map(str, range(257)), code=2, says='at most 256')

    def test_failures(self):
        self.fails('call', 'fails', says='no luck today')
        self.fails('call', 'returns', '-1', says='it returned INVALID')
        self.fails('call', 'missing', says='microburst deploy')
        self.fails('call', 'crashes', says='calling crashes failed: ')
        self.fails('call', 'loops', '--deadline', '50ms', says='deadline')
        code, out, _ = microburst('call', 'fails', '--json')
        self.assertEqual((code, json.loads(out)['error']), (1, 'FUNCTION_FAILED'))
        self.assertEqual(self.done('call', 'echo', '7'), '7\n') # the node goes on

    def test_repeat(self):
        for parallel in ('1', '64'):
            answer = self.json('call', 'echo', '1', '--repeat', '500', '--parallel', parallel)
            self.assertEqual(answer['calls'], 500)
            self.assertLessEqual(answer['p50_ns'], answer['p99_ns'])
            self.assertLessEqual(answer['p99_ns'], answer['max_ns'])

    def test_versions_names_lazy(self):
        path = os.path.join(NODE.folder, 'answer.c')
        for version in ('1', '2'):
            with open(path, 'w', encoding='utf-8') as f:
                f.write('#include <microburst/function.h>\n'
                        f'MB_FUNCTION(answer) {{ return mb_return_i64(call, {version}); }}\n')
            self.assertEqual(self.done('deploy', path), f'deployed answer, version {version}\n')
            self.assertEqual(self.done('call', 'answer'), version + '\n')
        self.done('deploy', path, '--name', 'reply', '--lazy')
        self.assertEqual(self.done('call', 'reply'), '2\n')
        self.done('undeploy', 'answer')
        self.fails('call', 'answer', says='no function')
        self.fails('undeploy', 'answer', says='answer')
        self.assertNotIn('answer', [f['name'] for f in self.json('functions')['functions']])

    def test_what_cannot_be_deployed(self):
        def deploy(name, text):
            path = os.path.join(NODE.folder, name)
            with open(path, 'wb') as f:
                f.write(text)
            return path

        self.fails('deploy', deploy('bad.so', b'not an object'))
        self.fails('deploy', deploy('empty.so', b''))
        self.fails('deploy', deploy('none.c', b'int x;\n'))
        self.fails('deploy', f'{EXAMPLES}/wordcount.c', '--name', 'one', says='--name')
        code, out, err = microburst('deploy', deploy('bad.c', b'oops\n'))
        self.assertEqual((code, out), (1, b''))
        self.assertRegex(err, r'bad.c:1:(?s:.*)bad.c does not compile')
        refuses = (b'#include <microburst/function.h>\n'
                   b'MB_INIT { return mb_fail(call, "not on a Sunday"); }\n'
                   b'MB_FUNCTION(never) { return 0; }\n')
        self.fails('deploy', deploy('refuses.c', refuses), says="'never' refused: not on a Sunday")
        self.fails('call', 'never', says='no function')

    def test_references_and_outputs(self):
        """An argument may be what is stored, a result may be stored: alone, and in a DAG."""
        self.done('set', 'ref/a', 'one')
        self.assertEqual(self.done('call', 'echo', 'k:ref/a', 'k:ref/none', '5'), 'one\nnil\n5\n')
        self.assertEqual(self.done('call', 'echo', 'k:ref/a', 'o:ref/out'), 'one')
        self.assertEqual(self.done('get', 'ref/out'), 'one')
        self.done('deploy', f'{EXAMPLES}/increment.c', f'{EXAMPLES}/square.c')
        self.done('dag', 'add', 'refs', 'increment -> square')
        self.assertEqual(self.done('dag', 'call', 'refs', 'increment=4', 'increment=o:ref/five',
                                   'square=o:ref/25'), '25\n')
        self.assertEqual((self.done('get', 'ref/five'), self.done('get', 'ref/25')), ('5', '25'))
        self.done('dag', 'rm', 'refs')
        self.fails('call', 'echo', 'k:', code=2, says='a key has')
        self.fails('call', 'echo', 'o:a', 'o:b', says='one output key')

    def test_examples(self):
        """Each does what its first lines say."""
        for name in ('errors', 'hello', 'counter', 'deadline'):
            self.done('deploy', f'{EXAMPLES}/{name}.c')
        self.assertEqual(self.done('call', 'divide', '1', '4'), '0.25\n')
        self.fails('call', 'divide', '1', '0', says='1 cannot be divided by nothing')
        self.fails('call', 'divide', '1', 'x')
        self.assertEqual(self.done('call', 'hello', 'world'), 'hello world\n')
        self.assertEqual(self.done('call', 'visit', 'ada'), '1\n')
        self.assertEqual(self.done('call', 'visit', 'ada'), '2\n')
        self.assertEqual(self.done('call', 'visit', 'grace'), '3\n')
        self.assertEqual(self.done('call', 'visits'), '3\n2\n')
        self.assertEqual(self.done('members', 'visitors'), 'ada\ngrace\n')
        pi, terms = self.done('call', 'pi', '--deadline', '30s').split()
        self.assertAlmostEqual(float(pi), 3.14159, 3)
        self.assertGreater(int(terms), 10000)


class Dags(Case):
    def test_two(self):
        self.done('deploy', f'{EXAMPLES}/increment.c', f'{EXAMPLES}/square.c')
        self.assertEqual(self.done('dag', 'add', 'both', 'increment -> square'),
                         'registered both: 2 functions, 1 edge\n')
        self.assertEqual(self.done('dag', 'call', 'both', 'increment=4'), '25\n')
        self.assertEqual(self.json('dag', 'call', 'both', 'increment=4', '--repeat', '50',
                                   '--parallel', '8')['calls'], 50)
        self.assertIn('increment  to square', self.done('dag', 'show', 'both'))
        self.assertIn('both', self.done('dag', 'list'))
        self.fails('undeploy', 'square', says='both')
        self.fails('dag', 'call', 'both', 'cube=4', says='dag show')
        self.fails('dag', 'call', 'both')
        self.fails('dag', 'add', 'both', 'square')
        self.done('dag', 'rm', 'both')
        self.fails('dag', 'rm', 'both', says='both')
        self.fails('dag', 'show', 'both', says='both')
        self.fails('dag', 'call', 'both', 'increment=4', says='dag add')

    def test_texts_that_are_none(self):
        for text, says in (('', ''), ('echo ->', ''), ('echo -> missing', 'missing'),
                           ('echo -> fails, fails -> echo', ''), ('echo -> echo', ''),
                           ('echo -> fails, echo -> nothing', ''),
                           ('echo -> fails, echo -> fails', '')):
            with self.subTest(text):
                self.fails('dag', 'add', 'bad', text, says=says)
                self.assertNotIn('bad', self.done('dag', 'list'))

    def test_a_call_in_parts(self):
        """A node with more executors divides it: same results, same refusals, and nothing left."""
        node = Node(MICROBURST, '--set', 'executor.count=3', '--set', 'sched.dag_split=0')
        on = ('--socket', node.socket)
        try:
            code, _, err = microburst('deploy', f'{EXAMPLES}/echo.c',
                                      os.path.join(NODE.folder, 'functions.c'), *on)
            self.assertEqual(code, 0, err)
            self.done('dag', 'add', 'wide', ', '.join(
                f'echo -> echo#{i}, echo#{i} -> echo#end' for i in range(8)), *on)
            self.done('dag', 'add', 'bad', 'echo -> fails, echo -> echo#1, fails -> echo#2, '
                      'echo#1 -> echo#2', *on)
            for _ in range(5):
                self.assertEqual(self.done('dag', 'call', 'wide', 'echo=1', 'echo#3=x', *on),
                                 '1\n1\n1\nx\n1\n1\n1\n1\n1\n')
                self.fails('dag', 'call', 'bad', 'echo=1', *on, says='fails: no luck')
            self.assertEqual(self.json('dag', 'call', 'wide', 'echo=4', '--repeat', '300',
                                       '--parallel', '16', *on)['calls'], 300)
            call = self.json('dag', 'call', 'wide', 'echo=4', *on)['call']
            decisions = self.json('explain', call, *on)['decisions']
            self.assertEqual([d['name'] for d in decisions],
                             ['echo', *(f'echo#{i}' for i in range(8)), 'echo#end'])
            self.assertEqual({d['able'] for d in decisions}, {3})
            self.assertIn('EXECUTOR', self.done('explain', call, *on))
            self.assertIn('nothing about it', self.done('explain', '00000000000000ab', *on))
            request = self.done('dag', 'call', 'wide', 'echo=2', '--future', *on).strip()
            self.assertEqual(self.done('future', request, *on), '2\n' * 8)
            self.holds_no_calls(on)
        finally:
            node.remove()

    def test_batches(self):
        """Calls that wait go together, each to its own answer; a killer takes only itself."""
        node = Node(MICROBURST, '--set', 'executor.count=1')
        on = ('--socket', node.socket)
        try:
            path = os.path.join(node.folder, 'batch.c')
            with open(path, 'w', encoding='utf-8') as f:
                f.write(BATCH)
            self.fails('deploy', path, '--batch', '33', *on, code=2, says='batch')
            self.done('deploy', path, '--batch', '8', *on)
            self.assertEqual({f['name']: f['batch'] for f in
                              self.json('functions', *on)['functions']}['together'], 8)
            self.assertEqual(self.done('call', 'together', '5', *on), '5\n1\n')
            results = self.waiting(on, *(('call', 'together', str(n), f'o:out{n}')
                                         for n in (1, 2, 3, 13, 5)))
            self.assertEqual([code for code, _, _ in results], [0, 0, 0, 1, 0])
            self.assertEqual([out.split() for code, out, _ in results if code == 0],
                             [[n, b'5'] for n in (b'1', b'2', b'3', b'5')])
            results = self.waiting(on, *(('call', 'together', str(n)) for n in (1, 666, 3)))
            self.assertEqual([code for code, _, _ in results], [0, 1, 0])
            self.assertIn('signal 6', results[1][2])
            self.assertEqual([out for _, out, _ in results][::2], [b'1\n1\n', b'3\n1\n'])
            self.batches_in_dags(on)
        finally:
            node.remove()

    def waiting(self, on, *calls):
        """What calls ended with that came while the only executor was busy."""
        busy = self.done('call', 'together', '1000', '--future', *on).strip()
        requests = [self.done(*what, '--future', *on).strip() for what in calls]
        until(lambda: self.json('status', *on)['held']['calls_queued'] == len(calls), COMMAND_S,
              'calls that wait')
        self.done('set', 'go', '1', *on)
        results = [microburst('future', r, *on) for r in (busy, *requests)]
        self.assertEqual(results.pop(0)[:2], (0, b'1000\n1\n'))
        self.done('del', 'go', *on)
        return results

    def batches_in_dags(self, on):
        """Calls of two DAGs, and of the function alone, meet at it; so do those at rr."""
        self.done('deploy', f'{EXAMPLES}/echo.c', *on)
        self.done('dag', 'add', 'fed', 'echo -> together', *on)
        self.done('dag', 'add', 'two', 'echo -> together#a, together#a -> echo#end, '
                  'echo -> together#b, together#b -> echo#end', *on)
        self.assertEqual(self.done('dag', 'call', 'fed', 'echo=5', *on), '5\n1\n')
        results = self.waiting(on, ('dag', 'call', 'fed', 'echo=1'),
                               ('dag', 'call', 'fed', 'echo=13'), ('call', 'together', '4'),
                               ('dag', 'call', 'fed', 'echo=2'), ('dag', 'call', 'two', 'echo=3'))
        self.assertEqual([code for code, _, _ in results], [0, 1, 0, 0, 0])
        self.assertIn('together: unlucky', results[1][2])
        self.assertEqual([out.split() for code, out, _ in results if code == 0],
                         [[b'1', b'6'], [b'4', b'6'], [b'2', b'6'], [b'3', b'6', b'3', b'6']])
        results = self.waiting(on, *(('call', 'together', str(n), '--level', 'rr') for n in (1, 2)))
        self.assertEqual([out for _, out, _ in results], [b'1\n2\n', b'2\n2\n'])
        self.holds_no_calls(on)

    def test_what_goes_on(self):
        """A function goes on with another where that is: here, elsewhere, in parts; once."""
        node = Node(MICROBURST, '--set', 'executor.count=3', '--set', 'executor.classes=a=1,b=1')
        on = ('--socket', node.socket)
        calls = 0
        try:
            for name, text, where in (('hop', HOP, 'a'), ('land', LAND, 'b')):
                path = os.path.join(node.folder, name + '.c')
                with open(path, 'w', encoding='utf-8') as f:
                    f.write(text)
                self.done('deploy', path, '--class', where, *on)
            self.done('deploy', f'{EXAMPLES}/echo.c', f'{EXAMPLES}/square.c', *on)
            self.done('dag', 'add', 'there', 'land -> square', *on)
            self.done('dag', 'add', 'hops', 'echo -> hop', *on)
            for size in (0, 7, 100000):
                hop = ('call', 'hop', '5', str(size))
                self.assertEqual(self.done(*hop, 'land', *on), f'{5 + size}\n')
                request = self.done(*hop, 'land', '--future', *on).strip()
                self.assertEqual(self.done('future', request, *on), f'{5 + size}\n')
                self.assertEqual(self.done(*hop, '+there', *on), f'{(5 + size) ** 2}\n')
                self.assertEqual(self.done('dag', 'call', 'hops', 'hop=5', f'hop={size}',
                                           'hop=+there', *on), f'{(5 + size) ** 2}\n')
                calls += 4
            self.assertEqual(self.done('call', 'hop', '5', '0', 'echo', *on), '5\n\n')  # here
            calls += 1
            self.fails('call', 'hop', '5', '0', 'nowhere', *on, says='nowhere: it was to go on')
            self.assertEqual(self.done('get', 'hops', *on), f'{calls}')
            self.assertEqual(self.done('get', 'lands', *on), f'{calls - 1}')
            self.fails('call', 'hop', '5', '0', 'falls', *on, says='signal 6')
            self.fails('call', 'hop', '5', '0', 'circles', '--deadline', '100ms', *on,
                       says='[Dd]eadline')
            until(lambda: self.done('call', 'hop', '5', '0', 'land', *on) == '5\n', 60, 'a landing')
            self.assertEqual(self.done('get', 'hops', *on), f'{calls + 3}')  # each once
        finally:
            node.remove()

    def test_classes(self):
        """A function runs where its class is, and nowhere else; a DAG of two classes in parts."""
        node = Node(MICROBURST, '--set', 'executor.count=3', '--set', 'executor.classes=a=1,b=1')
        on = ('--socket', node.socket)
        try:
            self.fails('deploy', f'{EXAMPLES}/echo.c', '--class', 'c', *on,
                       says="no executor is of class 'c'")
            self.done('deploy', f'{EXAMPLES}/increment.c', '--class', 'a', *on)
            self.done('deploy', f'{EXAMPLES}/square.c', '--class', 'b', '--lazy', *on)
            self.done('deploy', f'{EXAMPLES}/echo.c', *on)
            self.done('dag', 'add', 'both', 'echo -> increment, increment -> square', *on)
            for _ in range(3):
                self.assertEqual(self.done('dag', 'call', 'both', 'echo=4', *on), '25\n')
                self.assertEqual(self.done('call', 'increment', '4', *on), '5\n')
            self.assertEqual('25\n', self.done('dag', 'call', 'both', 'echo=4', '--level', 'rr',
                                               *on))
            of = {'a': ['echo', 'increment'], 'b': ['echo', 'square'], '': ['echo']}
            until(lambda: of == {e['class']: sorted(set(e['functions']) - {'nop'})
                                 for e in self.json('ps', *on)['executors']
                                 if e['state'] == 'serving'}, 60, 'executors of their classes')
            at = {'echo': 3, 'increment': 1, 'square': 1, 'nop': 3}
            until(lambda: at == {f['name']: f['executors'] for f in
                                 self.json('functions', *on)['functions']},
                  60, 'functions where they belong')
            self.done('deploy', f'{EXAMPLES}/hello.c', '--class', 'b', '--concurrency', '1', *on)
            self.assertEqual(self.done('call', 'hello', 'world', *on), 'hello world\n')
            until(lambda: {e['state'] for e in self.json('ps', *on)['executors']} <=
                  {'serving', 'spare'}, 60, 'executors at rest')
            serving = [e for e in self.json('ps', *on)['executors'] if 'died' in e and e['pid'] > 0]
            pid = next(e['pid'] for e in serving if e['class'] == 'a')
            others = {e['pid'] for e in serving} - {pid}
            os.kill(pid, signal.SIGKILL)
            self.assertEqual(self.done('call', 'increment', '4', *on), '5\n')
            self.done('deploy', f'{EXAMPLES}/increment.c', '--class', 'a', *on) # a new version
            self.assertEqual(self.done('call', 'increment', '5', *on), '6\n')
            serving = [e for e in self.json('ps', *on)['executors'] if e['state'] == 'serving']
            self.assertEqual(others & {e['pid'] for e in serving}, others) # theirs is unchanged
        finally:
            node.remove()
        node = subprocess.run([MICROBURST, 'up', '--set', 'executor.classes=a=65', '--socket',
                               os.path.join(NODE.folder, 'none')], capture_output=True, text=True,
                              check=False, timeout=60)
        self.assertNotEqual(node.returncode, 0)
        self.assertIn('raise executor.count', node.stderr)

    def test_idle_functions_leave(self):
        """What nobody calls leaves the executors, and comes back with its next call."""
        unpin_s = 0.4
        node = Node(MICROBURST, '--set', 'executor.unpin=400ms')
        on = ('--socket', node.socket)

        def loaded():
            return {f['name'] for f in self.json('functions', *on)['functions']
                    if f['pinned'] and f['executors'] > 0}

        def loads(names, *args, since=None):
            """Does something after which they are loaded. On a busy machine they may have gone
            again before that is seen; or were about to go, if their last use was so long ago."""
            began = time.monotonic()
            self.done(*args, *on)
            if not names <= loaded():
                self.assertGreater(time.monotonic() - (since or began), unpin_s)
            return began
        try:
            last = loads({'increment', 'square'}, 'deploy', f'{EXAMPLES}/increment.c',
                         f'{EXAMPLES}/square.c')
            self.done('dag', 'add', 'both', 'increment -> square', *on)

            def square_goes_increment_stays():
                nonlocal last
                last = loads({'increment'}, 'call', 'increment', '1', since=last)
                return 'square' not in loaded()
            until(square_goes_increment_stays, 60, 'square to be unpinned')
            until(lambda: not loaded(), 60, 'all to be unpinned')
            loads({'increment'}, 'call', 'increment', '1')
            until(lambda: not loaded(), 60, 'increment to be unpinned again')
            loads({'increment', 'square'}, 'dag', 'call', 'both', 'increment=4')
        finally:
            node.remove()

    def test_multi(self):
        """A function with a star runs for each edge to it: on one executor, and in parts."""
        parts = Node(MICROBURST, '--set', 'executor.count=3', '--set', 'sched.dag_split=0')
        try:
            for node in (NODE, parts):
                on = ('--socket', node.socket)
                self.done('deploy', f'{EXAMPLES}/increment.c', f'{EXAMPLES}/square.c', *on)
                self.done('dag', 'add', 'multi', 'increment#a -> square*, increment#b -> square*, '
                          'square* -> increment#c*', *on)
                self.assertEqual(self.done('dag', 'call', 'multi', 'increment#a=1',
                                           'increment#b=2', *on), '5\n')
                self.done('dag', 'add', 'each', 'increment#a -> square*, increment#b -> square*',
                          *on)
                self.assertEqual(self.done('dag', 'call', 'each', 'increment#a=1',
                                           'increment#b=2', *on), '4\n9\n')
                self.fails('dag', 'call', 'each', 'square=1', *on, says='dag show')
                code, _, err = microburst('deploy', os.path.join(NODE.folder, 'functions.c'), *on)
                self.assertEqual(code, 0, err)
                self.done('dag', 'add', 'some', 'increment#a -> even*, increment#b -> even*', *on)
                self.assertEqual(self.done('dag', 'call', 'some', 'increment#a=2',
                                           'increment#b=3', *on), 'invalid: 3 is odd\n4\n')
                self.done('dag', 'rm', 'some', *on)
                self.assertIn('square*', self.done('dag', 'show', 'each', *on))
                for name in ('multi', 'each'):
                    self.done('dag', 'rm', name, *on)
        finally:
            parts.remove()

    def test_a_function_in_it_fails(self):
        self.done('dag', 'add', 'unlucky', 'echo -> fails')
        self.fails('dag', 'call', 'unlucky', 'echo=1', says='fails.*no luck|no luck.*fails')
        self.done('dag', 'rm', 'unlucky')

    def test_wordcount(self):
        """Words are counted exactly, whatever the text, and many calls at a time add up."""
        self.done('deploy', f'{EXAMPLES}/wordcount.c')
        self.done('dag', 'add', 'wordcount', ', '.join(
            f'split -> count#{i}, count#{i} -> total' for i in range(4)))
        cases = ((b'', 0), (b'...', 0), (b'a', 1), (b'aA a', 2), (b'x' * 999 + b' y', 2),
                 (b'the the The tHe ' * 4, 16), (b'one\x00two\xffthree', 3))
        for text, words in cases:
            with self.subTest(text[:20]):
                path = os.path.join(NODE.folder, 'text')
                with open(path, 'wb') as f:
                    f.write(text)
                self.assertEqual(self.done('dag', 'call', 'wordcount', f'split=@{path}'),
                                 f'{words}\n')
        counted = dict(line.split('\t') for line in
                       self.done('keys', '--values', 'wc/').splitlines())
        self.assertEqual(counted, {'wc/a': '2', 'wc/aa': '1', 'wc/' + 'x' * 999: '1', 'wc/y': '1',
                                   'wc/the': '16', 'wc/one': '1', 'wc/two': '1', 'wc/three': '1'})
        self.json('dag', 'call', 'wordcount', 'split=spam egg spam', '--repeat', '200',
                  '--parallel', '16')
        self.assertEqual((self.done('get', 'wc/spam'), self.done('get', 'wc/egg')), ('400', '200'))
        self.fails('dag', 'call', 'wordcount', 'split=' + 'z' * 1100, says='more than 1021 letters')


class State(Case):
    def test_strings(self):
        self.assertEqual(self.done('set', 'greeting', 'hello world'), '')
        self.assertEqual(self.done('get', 'greeting'), 'hello world')
        self.assertEqual(self.json('get', 'greeting'), {'key': 'greeting', 'value': 'hello world'})
        self.done('set', 'greeting', '')
        self.assertEqual(self.done('get', 'greeting'), '')
        self.done('del', 'greeting')
        self.fails('get', 'greeting', says='no such key')
        self.fails('del', 'greeting', says='no such key')

    def test_bytes(self):
        for size in (1, 48, 49, 65537, 64 << 20):
            with self.subTest(size):
                value = bytes(i * 7 % 256 for i in range(257)) * (size // 257 + 1)
                self.done('set', 'raw', '-', stdin=value[:size])
                self.assertTrue(microburst('get', 'raw')[1] == value[:size])
        path = os.path.join(NODE.folder, 'large')
        with open(path, 'wb') as f:
            f.truncate((64 << 20) + 1)
        self.fails('set', 'raw', '@' + path, says='64 MiB')
        self.done('del', 'raw')

    def test_keys_too_long_and_empty(self):
        self.done('set', 'k' * 1024, 'v')
        self.assertEqual(self.done('get', 'k' * 1024), 'v')
        self.done('del', 'k' * 1024)
        for command in (('get',), ('set', 'v'), ('incr',), ('sadd', 'v'), ('members',), ('del',)):
            with self.subTest(command):
                self.fails(command[0], 'k' * 1025, *command[1:], says='1 KiB|1024|1,024')
                self.fails(command[0], '', *command[1:], code=2, says='at least one byte')

    def test_counters(self):
        self.assertEqual(self.done('incr', 'count'), '1\n')
        self.assertEqual(self.done('incr', 'count', '41'), '42\n')
        self.assertEqual(self.done('incr', 'count', '-2'), '40\n')
        self.assertEqual(self.json('incr', 'count', '0'), {'value': 40})
        self.assertEqual(self.done('get', 'count'), '40')
        self.done('set', 'count', '9')
        self.assertEqual(self.done('incr', 'count'), '10\n')
        self.done('set', 'count', 'many')
        self.fails('incr', 'count', says='no integer')
        self.done('set', 'count', str(2 ** 63 - 1))
        self.fails('incr', 'count', says='does not fit in 64 bits')
        self.assertEqual(self.done('incr', 'count', '-1'), f'{2 ** 63 - 2}\n')
        self.done('del', 'count')

    def test_counters_at_the_same_time(self):
        threads = [threading.Thread(target=lambda: [microburst('incr', 'race') for _ in range(10)])
                   for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(self.done('get', 'race'), '40')
        self.done('del', 'race')

    def test_sets(self):
        self.assertEqual(self.done('sadd', 'colours', 'red', 'green', 'red'), '2\n')
        self.assertEqual(self.json('sadd', 'colours', 'red', 'blue'), {'added': 1})
        self.assertEqual(self.done('members', 'colours'), 'blue\ngreen\nred\n')
        self.assertEqual(self.json('members', 'colours'), {'members': ['blue', 'green', 'red']})
        self.fails('get', 'colours', says='microburst members')
        self.fails('incr', 'colours')
        self.done('set', 'plain', 'x')
        self.fails('sadd', 'plain', 'y')
        self.fails('members', 'plain', says='microburst get')
        self.fails('members', 'missing', says='no such key')
        self.done('del', 'colours', 'plain')

    def test_maps(self):
        self.done('call', 'fills_map')
        self.assertEqual(self.done('members', 'capitals'), 'France\tParis\nItaly\tRome\n')
        self.done('hset', 'capitals', 'Spain', 'Madrid')
        self.assertEqual(self.done('hget', 'capitals', 'Spain'), 'Madrid')
        self.fails('hincr', 'capitals', 'Spain')
        self.assertEqual(self.done('hincr', 'capitals', 'count', '2'), '2\n')
        self.assertEqual(self.json('hincr', 'capitals', 'count'), {'value': 3})
        self.done('hdel', 'capitals', 'France')
        self.fails('hdel', 'capitals', 'France', says='no such one')
        self.fails('hget', 'capitals', 'France', says='no such one')
        self.assertEqual(self.done('members', 'capitals'), 'Italy\tRome\nSpain\tMadrid\ncount\t3\n')
        self.done('del', 'capitals')
        self.fails('members', 'capitals')
        self.done('hset', 'capitals', 'Peru', 'Lima')
        self.assertEqual(self.done('members', 'capitals'), 'Peru\tLima\n')
        self.done('del', 'capitals')

    def test_lists(self):
        self.done('push', 'jobs', 'b', 'c')
        self.done('push', '--left', 'jobs', 'a')
        self.assertEqual(self.done('members', 'jobs'), 'a\nb\nc\n')
        self.assertEqual(self.done('pop', 'jobs'), 'c')
        self.assertEqual(self.json('pop', '--left', 'jobs'), {'value': 'a'})
        self.assertEqual(self.done('pop', 'jobs'), 'b')
        self.fails('pop', 'jobs', says='no item')
        self.fails('members', 'jobs', says='no such key')
        self.done('push', 'jobs', 'again')
        self.fails('sadd', 'jobs', 'x')
        self.fails('get', 'jobs', says='microburst members')
        self.done('del', 'jobs')
        self.fails('pop', 'jobs')

    def test_sorted_sets(self):
        self.done('zadd', 'players', 'ann', '12.5')
        self.done('zadd', 'players', 'bob', '1e3')
        self.assertEqual(self.done('zincr', 'players', 'ann', '0.25'), '12.75\n')
        self.assertEqual(self.json('zincr', 'players', 'cat'), {'score': 1.0})
        self.assertEqual(self.done('members', 'players'), 'ann\t12.75\nbob\t1000\ncat\t1\n')
        self.done('zadd', 'players', 'ann', '-inf')
        self.assertEqual(self.done('zscore', 'players', 'ann'), '-inf\n')
        self.done('zrem', 'players', 'ann')
        self.fails('zrem', 'players', 'ann', says='no such one')
        self.fails('zscore', 'players', 'ann', says='no such one')
        self.fails('zadd', 'players', 'ann', 'nan', code=2)
        self.fails('hget', 'players', 'bob')
        self.done('del', 'players')

    def test_members_leave(self):
        self.done('sadd', 'team', 'ann', 'bob', 'cat')
        self.assertEqual(self.done('srem', 'team', 'bob', 'dan'), '1\n')
        self.assertEqual(self.done('members', 'team'), 'ann\ncat\n')
        self.assertEqual(self.json('srem', 'team', 'ann', 'cat'), {'removed': 2})
        self.fails('members', 'team', says='no such key')
        self.done('set', 'team', 'none left')
        self.fails('srem', 'team', 'ann')
        self.done('del', 'team')

    def test_keys_end(self):
        self.done('set', 'short', 'v')
        self.done('sadd', 'short set', 'v')
        self.fails('expire', 'missing', '1s', says='no such key')
        self.fails('expire', 'short', 'soon', code=2)
        self.done('expire', 'short', '1h')
        self.done('expire', 'short set', '1h')
        self.assertEqual(self.done('get', 'short'), 'v')
        self.done('expire', 'short', '10ms')
        until(lambda: microburst('get', 'short')[0] == 1, 60, 'short to end')
        self.fails('get', 'short', says='no such key')
        self.done('expire', 'short set', 'never')
        self.done('incr', 'short')
        time.sleep(0.05)
        self.assertEqual(self.done('get', 'short'), '1')
        self.assertEqual(self.done('members', 'short set'), 'v\n')
        self.done('del', 'short', 'short set')

    def test_keys(self):
        names = [f'list/{i:04}' for i in range(300)]
        self.assertEqual(self.done('keys', 'list/'), '')
        for name in names:
            self.done('set', name, name[-1])
        self.assertEqual(self.done('keys', 'list/').split(), names)
        self.assertEqual(self.done('keys', 'list/00').split(), names[:100])
        self.assertEqual(self.json('keys', 'list/000')['keys'], names[:10])
        self.assertEqual(self.done('keys', '--values', 'list/0299'), 'list/0299\t9\n')
        self.done('del', *names)
        self.assertEqual(self.done('keys', 'list/'), '')

    def test_function_that_fails_wrote_nothing(self):
        self.fails('call', 'writes_and_fails', says='after a put')
        self.fails('get', 'never', says='no such key')


class Catalog(Case):
    """What is deployed lives in the store, under keys that nobody else writes."""
    PREFIX = b'\xffmicroburst/'

    def keys(self):
        listed = self.done('keys', self.PREFIX).split()
        return [bytes.fromhex(k.removeprefix('b:')).removeprefix(self.PREFIX).decode()
                for k in listed]

    def test_kept(self):
        self.done('deploy', f'{EXAMPLES}/increment.c', '--deadline', '7s')
        self.done('dag', 'add', 'kept', 'increment#1 -> increment#2')
        record = json.loads(self.done('get', self.PREFIX + b'fn/increment'))
        self.assertEqual((record['deadline_ns'], record['defined']), (7 * 10**9, 'increment'))
        self.assertIn('object/' + record['object'], self.keys())
        self.assertEqual(json.loads(self.done('get', self.PREFIX + b'dag/kept')),
                         {'text': 'increment#1 -> increment#2'})
        self.assertNotIn('microburst/', self.done('keys'))
        self.done('dag', 'rm', 'kept')
        self.assertNotIn('dag/kept', self.keys())

    def test_taken_back(self):
        def deploy(text):
            source = os.path.join(NODE.folder, 'brief.c')
            with open(source, 'w', encoding='utf-8') as f:
                f.write('#include <microburst/function.h>\nMB_FUNCTION(brief) { return '
                        f'mb_return_utf8(call, mb_str("{text}")); }}')
            self.done('deploy', source)
            return json.loads(self.done('get', self.PREFIX + b'fn/brief'))['object']

        first, second = deploy('a'), deploy('b')
        self.assertNotEqual(first, second)
        until(lambda: 'object/' + first not in self.keys(), 60, 'the old object has gone')
        self.assertIn('object/' + second, self.keys())
        self.done('undeploy', 'brief')
        self.assertNotIn('fn/brief', self.keys())
        until(lambda: 'object/' + second not in self.keys(), 60, 'its object has gone')

    def test_crowd(self):
        """Whoever deploys, takes back and is killed meanwhile: the store has what the node has."""
        def turn(chance):
            i = chance.randrange(3)
            source = f'{NODE.folder}/crowd{i}{chance.choice("ab")}.c'
            command, ends = chance.choice([(['deploy', source], True), (['deploy', source], False),
                                           (['undeploy', f'crowd{i}'], True),
                                           (['dag', 'add', f'crowded{i}', f'crowd{i}'], True),
                                           (['dag', 'rm', f'crowded{i}'], True)])
            with subprocess.Popen([MICROBURST, *command, '--socket', NODE.socket],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env={**os.environ, 'TMPDIR': NODE.folder}) as p:
                if not ends:    # what it compiles stays behind
                    time.sleep(chance.random() / 4)
                    p.kill()

        def turns(seed):
            chance = random.Random(seed)
            for _ in range(8):
                turn(chance)

        def agrees():
            has = [f'fn/{f["name"]}' for f in self.json('functions')['functions']]
            has += [f'dag/{d["name"]}' for d in self.json('dag', 'list')['dags']]
            keys = self.keys()
            objects = {'object/' + json.loads(self.done('get', self.PREFIX + k.encode()))['object']
                       for k in keys if k.startswith('fn/')}
            return sorted(has + list(objects)) == sorted(keys)

        for i in range(3):
            for word in 'ab':
                with open(f'{NODE.folder}/crowd{i}{word}.c', 'w', encoding='utf-8') as f:
                    f.write(f'#include <microburst/function.h>\nMB_FUNCTION(crowd{i}) '
                            f'{{ return mb_return_utf8(call, mb_str("{word}")); }}')
        crowd = [threading.Thread(target=turns, args=(seed,)) for seed in range(3)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
        until(agrees, 60, 'the store has what the node has, and no more')
        for i in range(3):
            microburst('dag', 'rm', f'crowded{i}')
            microburst('undeploy', f'crowd{i}')
        self.assertEqual([k for k in self.keys() if 'crowd' in k], [])

    def test_nobody_writes(self):
        self.done('deploy', f'{EXAMPLES}/increment.c')
        self.fails('set', self.PREFIX + b'fn/increment', '{}', says='not permitted')
        self.fails('del', self.PREFIX + b'fn/increment', says='not permitted')
        source = os.path.join(NODE.folder, 'intrude.c')
        with open(source, 'w', encoding='utf-8') as f:
            f.write('#include <microburst/function.h>\nMB_FUNCTION(intrude) { return mb_put(call, '
                    'mb_str("\\xff" "microburst/fn/increment"), mb_str("{}")); }')
        self.done('deploy', source)
        self.fails('call', 'intrude', says='not permitted')
        self.assertEqual(self.done('call', 'increment', '4'), '5\n')
        self.assertIn('version', self.done('get', self.PREFIX + b'fn/increment'))


class TheNode(Case):
    def test_status(self):
        status = self.json('status')
        self.assertEqual(status['node']['socket'], NODE.socket)
        self.assertEqual(status['node']['pid'], NODE.process.pid)
        self.assertGreater(len(status['executors']), 0)
        text = self.done('status')
        self.assertIn(NODE.socket, text)
        self.assertIn(str(NODE.process.pid), text)

    def test_top(self):
        for _ in range(3):
            self.done('call', 'echo', '1')
        top = self.json('top', '--interval', '100ms')
        self.assertGreater(top['interval_ns'], 50e6)
        self.assertGreater(len(top['tiles']), 0)
        for tile in top['tiles']:
            self.assertTrue(0 <= tile['busy'] <= 1, tile)
        self.assertIn('calls/s', self.done('top', '--once', '--interval', '100ms'))

    def test_logs(self):
        self.done('deploy', f'{EXAMPLES}/hello.c')
        self.done('call', 'hello', 'reader')
        until(lambda: 'greeted reader' in self.done('logs', 'hello'), 60, 'what it said')
        self.assertRegex(self.done('logs', 'hello'),
                         r'\d\d:\d\d:\d\d\.\d{6} hello [0-9a-f]{16} greeted reader\n')
        self.assertNotIn('greeted', self.done('logs', 'echo'))
        self.assertIn('greeted reader', json.dumps([json.loads(line) for line in
                                                    self.done('logs', '--json').splitlines()]))

    def test_ps_and_cancel(self):
        self.nothing_runs()
        call = subprocess.Popen([MICROBURST, 'call', 'loops', '--json'], stdout=subprocess.PIPE)
        running = until(lambda: [c for c in self.json('ps')['calls'] if c['function'] == 'loops'],
                        60, 'a call that runs')
        self.assertEqual(len(running), 1)
        self.assertIn('loops', self.done('ps'))
        self.done('cancel', running[0]['call'])
        out, _ = call.communicate(timeout=COMMAND_S)
        self.assertEqual((call.returncode, json.loads(out)['error']), (1, 'CANCELLED'))
        self.fails('cancel', running[0]['call'])

    def test_caller_interrupted(self):
        """Ctrl-C at a call that hangs: the command ends at once, the executor is free again."""
        self.nothing_runs()
        call = subprocess.Popen([MICROBURST, 'call', 'loops'], stderr=subprocess.DEVNULL)
        until(lambda: self.json('ps')['calls'], 60, 'a call that runs')
        call.send_signal(signal.SIGINT)
        self.assertEqual(call.wait(60), -signal.SIGINT)
        self.nothing_runs()
        self.assertEqual(self.done('call', 'echo', '1'), '1\n')

    def test_quiet_node_holds_nothing(self):
        """The commands above left nothing behind."""
        until = time.monotonic() + 60
        held = None
        while time.monotonic() < until:
            held = {k: v for k, v in self.json('status')['held'].items() if v != 0}
            if not held:
                return
            time.sleep(0.2)
        self.fail(f'still held: {held}')


class UpAndDown(Case):
    def test_down(self):
        node = Node(MICROBURST)
        self.addCleanup(node.remove)
        self.done('set', 'k', 'v', '--socket', node.socket)
        code, _, err = microburst('up', '--socket', node.socket) # one node a socket
        self.assertEqual(code, 1)
        self.assertRegex(err, r'\Amicroburstd: .*already.*\n\Z')
        self.assertEqual(self.done('down', '--socket', node.socket), '')
        self.assertEqual(node.process.wait(60), 0)
        self.fails('get', 'k', '--socket', node.socket, code=3, says='microburst up')

    def test_interrupted_while_it_starts(self):
        """Ctrl-C before it is ready: it ends, and nothing is left."""
        node = Node(MICROBURST)
        self.addCleanup(node.remove)
        made = re.search(r'runtime directory (\S+)', node.said()).group(1)
        self.done('down', '--socket', node.socket)
        self.assertEqual(node.process.wait(60), 0)
        again = subprocess.Popen([MICROBURST, 'up', '--socket', node.socket],
                                 stdout=subprocess.DEVNULL, start_new_session=True)
        until(lambda: os.path.exists(made), 60, 'its directory')
        os.killpg(again.pid, signal.SIGINT)
        self.assertEqual(again.wait(60), 0)
        self.assertFalse(os.path.exists(made))

    def test_wrong_parameters(self):
        self.fails('up', '--set', 'executor.cuont=2', code=2, says='executor.count')
        self.fails('up', '--set', 'executor.count=many', code=2, says='executor.count')
        self.fails('up', '--config', '/nonexistent', code=2, says='/nonexistent')
        self.fails('up', '--config', NODE.folder, code=2, says='directory')
        path = os.path.join(NODE.folder, 'wrong.conf')
        with open(path, 'w', encoding='ascii') as f:
            f.write('[net]\nmemory = lots\n[nosuch]\nx = 1\n[executor]\ncount = -1\n')
        for each in ('net.memory', 'nosuch.x', 'executor.count'): # all mistakes at once
            self.fails('up', '--config', path, code=2, says=each)

    def test_no_node(self):
        self.fails('status', '--socket', '/nonexistent', code=3, says='microburst up')
        for where in ('udp://10.0.0.1:99999 udp://:7117 udp://10.0.0.1 udp:// tcp://10.0.0.1:7117 '
                      '10.0.0.1:7117 dpdk://10.0.0.1:7117?nic=net_null0').split():
            self.fails('--connect', where, 'status', code=2, says='udp://HOST:PORT')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
