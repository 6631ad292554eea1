#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""dag_shapes_test.py MICROBURST LIBMICROBURST

Goal:   a DAG's text is taken or refused, and a DAG of any shape returns, as a model says that
        shares no code with the node: whatever stands in the text, and whether the DAG runs as a
        whole, in parts, or in parts that share runs of functions that take batches.
Method: texts are drawn, most of them damaged in one or two ways, and given to a node through the
        client library. Graphs are drawn, and called many at a time; each function folds its
        arguments in their order, so that an edge too many, too few or out of place changes the
        result. The seed is printed; MB_TEST_SEED sets it.
"""
import graphlib
import os
import random
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from client import Client   # noqa: E402
from node import Node, until   # noqa: E402

MICROBURST, LIBRARY = sys.argv[1:3]
SEED = int(os.environ.get('MB_TEST_SEED', random.randrange(1 << 32)))
TEXTS = 400
SHAPES = 24
CALLS = 6       # of each shape, all at the same time

FUNCTIONS_MAX, EDGES_MAX, TEXT_MAX, NAME_MAX, TAG_MAX, VALUES_MAX = 64, 256, 65536, 63, 13, 256
PLAIN = ('f0', 'f1', 'f2', 'f3', 'f4', 'f5')
BATCHED = ('g0', 'g1')
MODULUS = 2**31 - 1

FOLD = r"""
#include <microburst/function.h>
#include <string.h>

/* One result; of a multi function sometimes none, or one that is not valid. */
static int fold(struct mb_call *call)
{
    size_t len = strlen(mb_tag(call));
    int star = len > 0 && mb_tag(call)[len - 1] == '*';
    int64_t sum = 7;

    for (uint32_t i = 0; i < mb_arg_cnt(call); i++) {
        int64_t n = 1000003;

        if (mb_arg_type(call, i) != MB_INVALID) {
            MB_TRY(mb_arg_i64(call, i, &n));
        }
        sum = (sum * 31 + n) % 2147483647;
    }
    if (star && sum % 5 == 0) {
        return 0;
    }
    if (star && sum % 7 == 0) {
        return mb_return_invalid(call, "no");
    }
    return mb_return_i64(call, sum);
}
"""
ALONE = 'MB_FUNCTION(NAME) { return fold(call); }\n'
TOGETHER = r"""
MB_FUNCTION(NAME)
{
    if (mb_batch_cnt(call) > 1) {
        mb_log(call, "%u of us", mb_batch_cnt(call));
    }
    for (uint32_t i = 0; i < mb_batch_cnt(call); i++) {
        MB_TRY(mb_batch_item(call, i));
        MB_TRY(fold(call));
    }
    return 0;
}
"""


# ------------------------------------------------------------------- what texts mean

VERTEX = re.compile(r'([A-Za-z_]\w*)(?:#(\w+))?(\*?)', re.ASCII)


def vertex_faults(word):
    found = VERTEX.match(word)
    if found is None:
        return {'INVALID'}
    fn, tag, star = found.groups()
    faults = set() if found.end() == len(word) else {'INVALID'}
    if len(fn) > NAME_MAX or len((tag or '') + star) > TAG_MAX:
        faults.add('TOO_LARGE')
    if fn not in PLAIN + BATCHED:
        faults.add('NO_FUNCTION')
    return faults


def judge(text):
    """All that is wrong with a text, and its graph: vertices and edges as they are named."""
    if len(text.encode()) > TEXT_MAX:
        return {'TOO_LARGE'}, [], []
    faults, vertices, edges = set(), [], []
    for chain in text.split(','):
        before = None
        for word in chain.split('->'):
            word = word.strip(' \t\r\n')
            faults |= vertex_faults(word)
            if word not in vertices:
                vertices.append(word)
            if before is not None:
                faults |= {'CYCLE'} if before == word else set()
                faults |= {'INVALID'} if (before, word) in edges else set()
                edges.append((before, word))
            before = word
    if len(vertices) > FUNCTIONS_MAX or len(edges) > EDGES_MAX:
        faults.add('TOO_LARGE')
    if len(vertices) - len({a for a, _ in edges}) != 1:
        faults.add('INVALID')   # not one sink
    if not faults & {'CYCLE'} and len(edges) < 2000:
        try:
            list(graphlib.TopologicalSorter(
                {v: [a for a, b in edges if b == v] for v in vertices}).static_order())
        except graphlib.CycleError:
            faults.add('CYCLE')
    return faults, vertices, edges


# ------------------------------------------------------------------- what DAGs return

def fold(star, args):
    total = 7
    for n in args:
        total = (total * 31 + (1000003 if n is None else n)) % MODULUS
    if star and total % 5 == 0:
        return []
    return [None] if star and total % 7 == 0 else [total]


def returns(vertices, edges, own):
    """What the sink returns, or an error's name."""
    order = graphlib.TopologicalSorter({v: [a for a, b in edges if b == v] for v in vertices})
    result = {}
    for v in order.static_order():
        ins = [result[a] for a, b in edges if b == v]
        if v.endswith('*') and ins:
            runs = [own.get(v, []) + each for each in ins]
        else:
            runs = [own.get(v, []) + [n for each in ins for n in each]]
        if any(len(args) > VALUES_MAX for args in runs):
            return 'TOO_LARGE'
        result[v] = [n for args in runs for n in fold(v.endswith('*'), args)]
    sink, = set(vertices) - {a for a, _ in edges}
    return tuple(result[sink])


# ------------------------------------------------------------------- what is drawn

def graph(rng, most, functions):
    """A graph with one sink: names and edges, in an order that says nothing."""
    names = []
    for i in range(rng.choice((1, 2, 3, 5, 9, most))):
        star = '*' if rng.random() < 0.2 else ''
        names.append(f'{rng.choice(functions)}#{i}{star}')
    edges = set()
    for at, name in enumerate(names[:-1]):
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            edges.add((name, rng.choice(names[at + 1:at + 1 + rng.choice((1, 2, most))])))
    edges = sorted(edges)
    rng.shuffle(edges)
    return edges[:EDGES_MAX] or names[:1], names[-1]


def write(rng, edges):
    """As text: chains where they come to be, blanks anywhere."""
    blank = [''] * 6 + [' ', '\t', '\n', '  ']
    text, last = '', None
    for edge in edges:
        if isinstance(edge, str):
            return rng.choice(blank) + edge
        sep = lambda: rng.choice(blank)     # noqa: E731
        if edge[0] == last:
            text += f'{sep()}->{sep()}{edge[1]}'
        else:
            text += f'{"," if text else ""}{sep()}{edge[0]}{sep()}->{sep()}{edge[1]}'
        last = edge[1]
    return text


def damage(rng, text, edges):
    """One more thing that may be wrong with it."""
    cut = rng.randrange(len(text) + 1)
    edge = rng.choice(edges)
    a, b = edge if isinstance(edge, tuple) else (edge, edge)
    return rng.choice((
        lambda: f'{text}, {b} -> {a}',
        lambda: f'{text}, {a} -> {a}',
        lambda: f'{text}, {a} -> {b}',
        lambda: f'{text}, {a} -> f0#lonely',
        lambda: f'{text}, ghost -> {b}',
        lambda: f'f1#{"t" * rng.choice((12, 13, 14, 300))}{rng.choice(("", "*"))} -> {b}, {text}',
        lambda: f'{"n" * rng.choice((63, 64, 255, 256, 5000))} -> {b}, {text}',
        lambda: text + ''.join(f', f0#x{i} -> {b}' for i in range(rng.choice((60, 64, 65, 200)))),
        lambda: ','.join(f'f0#{i}->f1#{i + k}' for i in range(100) for k in range(100)),
        lambda: ','.join(f'f0#{i}->f1#{k}' for i in range(17) for k in range(16)) + ', ' + text,
        lambda: text[:cut],
        lambda: text[cut:],
        lambda: text[:cut] + rng.choice('->,#* \x01\x7féß日\U0001f600"\\{0_') + text[cut:],
        lambda: text[:cut] + text[cut + 1:],
        lambda: text + ' ' * rng.choice((1, 70000)),
        lambda: ' , '.join([text] * 2),
        lambda: '',
    ))()


class Shapes(unittest.TestCase):
    def on(self, *settings):
        node = Node(MICROBURST, *(x for s in settings for x in ('--set', s)))
        self.addCleanup(node.remove)
        for name, functions, body, more in (('alone.c', PLAIN, ALONE, ()),
                                            ('together.c', BATCHED, TOGETHER, ('--batch', '8'))):
            path = os.path.join(node.folder, name)
            with open(path, 'w', encoding='utf-8') as f:
                f.write(FOLD + ''.join(body.replace('NAME', fn) for fn in functions))
            self.assertEqual(node.run('deploy', path, *more)[::2], (0, ''))
        client = Client(LIBRARY, node.socket)
        self.addCleanup(client.close)
        return node, client

    def check_texts(self, client):
        rng = random.Random(SEED)
        seen = {}
        for _ in range(TEXTS):
            edges, _ = graph(rng, 40, PLAIN + BATCHED)
            text = write(rng, edges)
            for _ in range(rng.choice((0, 1, 1, 1, 2))):
                text = damage(rng, text, edges)
            faults, vertices, edges = judge(text)
            answer = client.admin(cmd='dag_add', name='drawn', text=text)
            error = answer.get('error')
            seen[error] = seen.get(error, 0) + 1
            if faults:
                self.assertIn(error, faults, (text[:300], answer))
                self.assertTrue(answer['text'])
                continue
            self.assertEqual((error, answer.get('vertices'), answer.get('edges')),
                             (None, len(vertices), len(edges)), text[:300])
            shown = client.admin(cmd='dag_show', name='drawn')
            self.assertEqual(sorted(map(tuple, shown['edges'])), sorted(edges))
            self.assertNotIn('error', client.admin(cmd='dag_rm', name='drawn'))
        for each in (None, 'INVALID', 'CYCLE', 'NO_FUNCTION', 'TOO_LARGE'):
            self.assertGreater(seen.get(each, 0), 10, seen)
        for name in ('', 'n' * 64, 'n' * 255, 'n' * 256, '../up', 'a b', 'é', 'nul\0', '-' * 4096):
            self.assertEqual(client.admin(cmd='dag_add', name=name, text='f0').get('error'),
                             'INVALID', name[:80])
        for text in ('f0\0', '\0', 'f0 -> f1\0 -> f2'):
            self.assertIn('error', client.admin(cmd='dag_add', name='nul', text=text))
        self.assertNotIn('error', client.admin(cmd='dag_add', name='n' * 63, text='f0'))
        self.assertNotIn('error', client.admin(cmd='dag_rm', name='n' * 63))

    def check(self, node, client, functions):
        rng = random.Random(SEED)
        expect, names = {}, []
        for i in range(SHAPES):
            edges, _ = graph(rng, 30, functions)
            text = write(rng, edges)
            faults, vertices, edges = judge(text)
            self.assertFalse(faults, text)
            name = f'shape{i}'
            self.assertNotIn('error', client.admin(cmd='dag_add', name=name, text=text))
            names.append((name, text, vertices, edges))
        for _ in range(CALLS):
            for name, text, vertices, edges in names:
                own = {v: [rng.randrange(1000) for _ in range(rng.choice((1, 1, 2, 5)))]
                       for v in rng.sample(vertices, rng.randrange(len(vertices) + 1))}
                call = client.start(name, own)
                self.assertIsInstance(call, int, call)
                expect[call] = (returns(vertices, edges, own), text, own)
        while expect:
            call, result, _ = client.wait()
            self.assertIn(call, expect, result)     # once
            right, text, own = expect.pop(call)
            self.assertEqual(result, right, (text, own))
        names = ('dag_runs', 'dag_results', 'calls_queued', 'calls_running')
        until(lambda: not any(node.json('status')['held'][name] for name in names), 60, names)

    def test_texts_and_as_a_whole(self):
        node, client = self.on('executor.count=1')
        self.check_texts(client)
        self.check(node, client, PLAIN)

    def test_in_parts(self):
        self.check(*self.on('executor.count=3', 'sched.dag_split=0'), PLAIN)

    def test_in_parts_that_meet(self):
        node, client = self.on('executor.count=2', 'sched.dag_split=0')
        self.check(node, client, PLAIN[:2] + BATCHED)
        lines = until(lambda: client.admin(cmd='logs', after=0)['lines'], 60, 'what they said')
        self.assertIn('of us', lines[0]['text'])


if __name__ == '__main__':
    print(f'MB_TEST_SEED={SEED}')
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
