#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""longest_test.py MICROBURST

Goal:   in a cache of 256 MiB the longest values are written over and over: a string, a field, a
        member, an item of 64 MiB, to the same place and to others, by functions, by clients of the
        library and by clients of Redis. Each write is done, none is refused for want of memory
        while what is in the way is about to go.
Method: a node with one cache tile of the default size. Writes of each kind, one after the other, by
        each kind of caller, with lengths from 0 bytes to 64 MiB; and two clients at once.
"""
import os
import re
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node   # noqa: E402
from resp import Raw, port_of   # noqa: E402

MICROBURST = sys.argv[1]
VALUE_MAX = 64 << 20
SHORT = (0, 1, 1024, 1 << 20)
ROUNDS = 4
FORGOTTEN_S = 60

FUNCTIONS = r"""
#include <microburst/function.h>
#include <stdlib.h>

/* write HOW KEY N ROUND: the value is N bytes that begin with ROUND. */
static int with_value(struct mb_call *call, int64_t n, int64_t round, struct mb_slice *ret)
{
    char *p = malloc((size_t)n + 1);

    if (p == NULL)
        return mb_fail(call, "no memory");
    memset(p, 'v', (size_t)n);
    if (n > 0)
        p[0] = (char)('0' + round);
    *ret = mb_slice_of(p, (size_t)n);
    return 0;
}

MB_FUNCTION(write)
{
    struct mb_slice how, key, v;
    int64_t n, round;
    int err = 0;

    MB_TRY(mb_arg_bytes(call, 0, &how));
    MB_TRY(mb_arg_bytes(call, 1, &key));
    MB_TRY(mb_arg_i64(call, 2, &n));
    MB_TRY(mb_arg_i64(call, 3, &round));
    MB_TRY(with_value(call, n, round, &v));
    switch (*(const char *)how.p) {
    case 's':
        err = mb_put(call, key, v);
        break;
    case 'a':
        err = mb_sadd(call, key, v);
        break;
    case 'r':
        err = mb_srem(call, key, v);
        break;
    case 'h':
        err = mb_map_put(call, key, mb_str("field"), v);
        break;
    case 'p':
        err = mb_push_right(call, key, v);
        break;
    case 'o':
        err = mb_pop_left(call, key, &how);
        break;
    }
    free((void *)v.p);
    return err;
}
"""

NODE = None


def setUpModule():
    global NODE
    settings = ('executor.count=1', 'gate.listen=127.0.0.1:0', 'gate.memory=256m')
    NODE = Node(MICROBURST, *(x for s in settings for x in ('--set', s)))
    unittest.addModuleCleanup(NODE.remove)
    NODE.deploy(FUNCTIONS)


def value(n, i):
    return (b'%d' % i + b'v' * n)[:n]


class By:
    """How one kind of caller writes."""

    def __init__(self, test):
        self.test = test

    def close(self):
        pass


class ByFunction(By):
    def write(self, how, key, n, i):
        code, _, err = NODE.run('call', 'write', how, key, str(n), str(i))
        self.test.assertEqual((code, err), (0, ''), (how, key, n, i))

    def put(self, key, n, i):
        self.write('s', key, n, i)

    def sadd(self, key, n, i):
        self.write('a', key, n, i)

    def srem(self, key, n, i):
        self.write('r', key, n, i)

    def hset(self, key, n, i):
        self.write('h', key, n, i)

    def push(self, key, n, i):
        self.write('p', key, n, i)

    def pop(self, key, n, i):
        self.write('o', key, 0, i)


class ByClient(By):
    """A client of the library: the command line."""

    def write(self, *args, stdin=b''):
        code, _, err = NODE.run(*args, stdin=stdin)
        self.test.assertEqual((code, err), (0, ''), args)

    def put(self, key, n, i):
        self.write('set', key, '-', stdin=value(n, i))

    def sadd(self, key, n, i):
        self.write('sadd', key, '-' if n else '', stdin=value(n, i))

    def srem(self, key, n, i):
        self.write('srem', key, '-' if n else '', stdin=value(n, i))

    def hset(self, key, n, i):
        self.write('hset', key, 'field', '-', stdin=value(n, i))

    def push(self, key, n, i):
        self.write('push', key, '-' if n else '', stdin=value(n, i))

    def pop(self, key, n, i):
        code, out, err = NODE.run('pop', '--left', key)
        self.test.assertEqual((code, err), (0, ''), (key, n, i))
        self.test.assertTrue(out.rstrip(b'\n') == value(n, i), (key, n, i))


class ByRedis(By):
    def __init__(self, test):
        super().__init__(test)
        self.c = Raw(port_of(NODE))

    def close(self):
        self.c.close()

    def put(self, key, n, i):
        self.test.assertEqual(self.c('SET', key, value(n, i)), '+OK', (key, n, i))

    def sadd(self, key, n, i):
        self.test.assertEqual(self.c('SADD', key, value(n, i)), 1, (key, n, i))

    def srem(self, key, n, i):
        self.test.assertEqual(self.c('SREM', key, value(n, i)), 1, (key, n, i))

    def hset(self, key, n, i):
        self.test.assertIn(self.c('HSET', key, 'field', value(n, i)), (0, 1), (key, n, i))

    def push(self, key, n, i):
        self.test.assertEqual(self.c('RPUSH', key, value(n, i)), 1, (key, n, i))

    def pop(self, key, n, i):
        self.test.assertTrue(self.c('LPOP', key) == value(n, i), (key, n, i))


def soon(add):
    """A removed member counts into the length of its set until it is forgotten."""
    end = time.monotonic() + FORGOTTEN_S
    while True:
        try:
            add()
            return
        except AssertionError as e:
            if time.monotonic() > end or not re.search('exceeds maximum|larger than', str(e)):
                raise
            time.sleep(0.05)


class Longest(unittest.TestCase):
    def each(self, what):
        """what(by, n, i), some times a length and a kind of caller."""
        for kind in (ByFunction, ByClient, ByRedis):
            for n in (*SHORT, VALUE_MAX):
                with self.subTest(kind.__name__, n=n):
                    by = kind(self)
                    try:
                        for i in range(ROUNDS):
                            what(by, n, i)
                    finally:
                        by.close()

    def test_strings(self):
        self.each(lambda by, n, i: by.put('string', n, i))
        self.each(lambda by, n, i: by.put(f'string/{i}', n, i))
        NODE.run('del', 'string', *(f'string/{i}' for i in range(ROUNDS)))

    def test_members_in_turn(self):
        def turn(by, n, i):
            soon(lambda: by.sadd('set', n, i))
            by.srem('set', n, i)
        self.each(turn)

    def test_field(self):
        self.each(lambda by, n, i: by.hset('map', n, i))
        NODE.run('del', 'map')

    def test_items_in_turn(self):
        def turn(by, n, i):
            by.push('list', n, i)
            by.pop('list', n, i)
        self.each(turn)


class Two(unittest.TestCase):
    """Two clients of Redis at once, each at a key of its own, that read what they wrote."""

    def both(self, *steps):
        said = []

        def one(k):
            c = Raw(port_of(NODE))
            c.s.settimeout(120)
            v = value(VALUE_MAX, k)
            for _ in range(ROUNDS):
                for word, *rest in steps:
                    a = c(word, f'two/{k}', *(v if r is None else r for r in rest))
                    said.append(len(a) if isinstance(a, bytes) else a)
            c('DEL', f'two/{k}')
            c.close()

        threads = [threading.Thread(target=one, args=(k,)) for k in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(len(said), 2 * ROUNDS * len(steps))
        refused = [a for a in said if isinstance(a, str) and a.startswith('-')]
        self.assertEqual(refused, [])

    def test_members(self):
        self.both(('SADD', None), ('SISMEMBER', None), ('SREM', None))

    def test_fields(self):
        self.both(('HSET', 'field', None), ('HSTRLEN', 'field'))

    def test_items(self):
        self.both(('RPUSH', None), ('LSET', '0', None), ('LPOP',))

    def test_strings(self):
        self.both(('SET', None), ('GET',))


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
