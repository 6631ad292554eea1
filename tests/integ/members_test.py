#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""members_test.py MICROBURST

Goal:   a member of a set has 0 bytes to 64 MiB, and is the same one to functions, to clients of the
        library and to clients of Redis; a call sees its own, publishes them together, and leaves
        nothing behind, however it ends.
Method: a node with two cache tiles and a gate. Functions written here make a member from its length
        alone, so does this program; what the one adds the others find, read and remove. Then
        members above what a slab has, while executors are killed.
"""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until   # noqa: E402
from resp import Raw, port_of   # noqa: E402
from storm import storm   # noqa: E402

MICROBURST = sys.argv[1]
VALUE_MAX = 64 << 20
LENGTHS = (0, 1, 1024, 1025, 4096, 4097, 64 << 10, (64 << 10) + 1, 1 << 20)
STORM_MEMBERS = 300     # of 70,000 bytes
STORM_BYTES = 70000

FUNCTIONS = r"""
#include <microburst/function.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The member of n bytes, which begins with a number; to be freed. */
static struct mb_slice member(int64_t number, int64_t n)
{
    char *p = malloc((size_t)n + 32);
    int len = p != NULL ? snprintf(p, 32, "%lld.", (long long)number) : 0;

    for (int64_t i = len; p != NULL && i < n; i++)
        p[i] = (char)('a' + i % 4096 % 23);
    return mb_slice_of(p, (size_t)n);
}

static int args(struct mb_call *call, struct mb_slice *key, int64_t *n, struct mb_slice *m)
{
    MB_TRY(mb_arg_bytes(call, 0, key));
    MB_TRY(mb_arg_i64(call, 1, n));
    *m = member(*n, *n);
    return m->p != NULL ? 0 : mb_fail(call, "no memory");
}

#define CHECK(cond) \
    do { if (!(cond)) return mb_fail(call, "line %d: %s", __LINE__, #cond); } while (0)

/* Is the member in the set, by a test and by a walk? */
static int seen(struct mb_call *call, struct mb_slice key, struct mb_slice m, bool *ret)
{
    struct mb_set_iter it;
    struct mb_slice one;
    bool walked = false;

    MB_TRY(mb_sismember(call, key, m, ret));
    MB_TRY(mb_set_begin(call, key, &it));
    while (mb_set_next(&it, &one))
        walked |= one.len == m.len && memcmp(one.p, m.p, m.len) == 0;
    CHECK(walked == *ret);
    return 0;
}

/* add KEY N: adds the member of N bytes; seen by the call that adds it. Returns how many there
 * are. */
static int add_with(struct mb_call *call,
                    int (*add)(struct mb_call *, struct mb_slice, struct mb_slice))
{
    struct mb_slice key, m;
    uint64_t cnt;
    int64_t n;
    bool in = false;
    int err;

    MB_TRY(args(call, &key, &n, &m));
    err = add(call, key, m);
    err = err == 0 ? seen(call, key, m, &in) : err;
    free((void *)m.p);
    MB_TRY(err);
    CHECK(in);
    MB_TRY(mb_scard(call, key, &cnt));
    return mb_return_i64(call, (int64_t)cnt);
}

MB_FUNCTION(add) { return add_with(call, mb_sadd); }
MB_FUNCTION(grow) { return add_with(call, mb_gset_add); }

/* take_out KEY N removes it, has KEY N looks for it. */
MB_FUNCTION(take_out)
{
    struct mb_slice key, m;
    int64_t n;
    bool in = true;
    int err;

    MB_TRY(args(call, &key, &n, &m));
    err = mb_srem(call, key, m);
    err = err == 0 ? seen(call, key, m, &in) : err;
    free((void *)m.p);
    MB_TRY(err);
    CHECK(!in);
    return 0;
}

MB_FUNCTION(has)
{
    struct mb_slice key, m;
    int64_t n;
    bool in;
    int err;

    MB_TRY(args(call, &key, &n, &m));
    err = seen(call, key, m, &in);
    free((void *)m.p);
    MB_TRY(err);
    return mb_return_i64(call, in);
}

/* ends HOW KEY N: adds it to KEY and to two more, and ends badly. */
MB_FUNCTION(ends)
{
    struct mb_slice how, key, m;
    char other[64];
    int64_t n;

    MB_TRY(mb_arg_bytes(call, 0, &how));
    MB_TRY(mb_arg_bytes(call, 1, &key));
    MB_TRY(mb_arg_i64(call, 2, &n));
    m = member(n, n);
    MB_TRY(mb_sadd(call, key, m));
    for (int i = 0; i < 8; i++) {
        snprintf(other, sizeof(other), "%.*s/%d", (int)key.len, (const char *)key.p, i);
        MB_TRY(mb_sadd(call, mb_str(other), m));
    }
    free((void *)m.p);
    switch (*(const char *)how.p) {
    case 'f':
        return mb_fail(call, "on purpose");
    case 'e':
        _exit(3);
    case 'p':
        MB_TRY(mb_flush(call));
        _exit(3);
    }
    return 0;
}

/* churn N BYTES: a member of so many bytes that begins with N, and one that comes and goes. */
MB_FUNCTION(churn)
{
    struct mb_slice m;
    int64_t n, bytes;
    char key[32];

    MB_TRY(mb_arg_i64(call, 0, &n));
    MB_TRY(mb_arg_i64(call, 1, &bytes));
    m = member(n, bytes);
    MB_TRY(mb_incr(call, mb_str("total"), 1, NULL));
    snprintf(key, sizeof(key), "storm/%lld", (long long)n % 10);
    MB_TRY(mb_sadd(call, mb_str(key), m));
    MB_TRY(mb_srem(call, mb_str("gone"), m));
    free((void *)m.p);
    return 0;
}

/* The same at the level rr: the second one has the member that the first one added. */
MB_FUNCTION(first)
{
    uint64_t cnt;
    struct mb_slice key, m;
    int64_t n;
    int err;

    MB_TRY(args(call, &key, &n, &m));
    err = mb_scard(call, key, &cnt);
    err = err == 0 ? mb_sadd(call, key, m) : err;
    free((void *)m.p);
    MB_TRY(err);
    return mb_return_i64(call, (int64_t)cnt);
}

MB_FUNCTION(second)
{
    uint64_t cnt;
    struct mb_slice key, m;
    int64_t n;
    bool in = false;
    int err;

    MB_TRY(args(call, &key, &n, &m));
    err = seen(call, key, m, &in);
    free((void *)m.p);
    MB_TRY(err);
    CHECK(in);
    MB_TRY(mb_scard(call, key, &cnt));
    return mb_return_i64(call, (int64_t)cnt);
}
"""

NODE = None


def setUpModule():
    global NODE
    # A busy machine takes its time to bring 64 MiB to both owners.
    settings = ('kvs.tiles=2', 'kvs.replication=2', 'kvs.ack_timeout=30s', 'kvs.bytes=1g',
                'cache.tiles=2', 'cache.bytes=1g', 'executor.count=2', 'sched.dag_split=0',
                'gate.listen=127.0.0.1:0',
                'gate.memory=256m')     # a list is written whole: the longest member fits
    NODE = Node(MICROBURST, *(x for s in settings for x in ('--set', s)))
    unittest.addModuleCleanup(NODE.remove)
    NODE.deploy(FUNCTIONS)
    code, _, err = NODE.run('dag', 'add', 'both', 'first -> second')
    if code != 0:
        raise RuntimeError(err)


def member(n, number=None):
    head = b'%d.' % (n if number is None else number)
    block = bytes(ord('a') + i % 23 for i in range(4096))
    return (head + (block * (n // 4096 + 1))[len(head):n])[:n]


def nothing_held():
    until(lambda: all(n == 0 for n in NODE.json('status')['held'].values()), 60,
          f"nothing held: {NODE.json('status')['held']}")


class Members(unittest.TestCase):
    def call(self, *args):
        code, out, err = NODE.run('call', *map(str, args))
        self.assertEqual((code, err), (0, ''), args)
        return int(out) if out.strip() else None

    def redis(self):
        c = Raw(port_of(NODE))
        self.addCleanup(c.close)
        return c

    def by_clients(self, key, n, there):
        """The library's and Redis's find it, if it is there, and nothing like it."""
        m = member(n)
        code, out, _ = NODE.run('members', key)
        c = self.redis()
        self.assertEqual(c('SISMEMBER', key, m), int(there), n)
        if there:
            self.assertEqual(code, 0)
            self.assertTrue(out == m + b'\n', (n, len(out)))
            self.assertTrue(c('SMEMBERS', key) == [m], n)
            other = m[:-1] + b'Z'
            self.assertEqual(c('SISMEMBER', key, other), 0, n)
        else:
            self.assertEqual((code, out), (1, b''))
            self.assertEqual(c('EXISTS', key), 0, n)

    def each_length(self, n):
        key = f'set/{n}'
        m = member(n)
        self.assertEqual(self.call('add', key, n), 1)
        self.by_clients(key, n, True)
        self.assertEqual(self.call('has', key, n), 1)
        self.call('take_out', key, n)
        self.by_clients(key, n, False)
        # What a client of the library adds, and one of Redis removes.
        if n != 0:
            self.assertEqual(NODE.run('sadd', key, '-', stdin=m)[1], b'1\n')
            self.assertEqual(self.call('add', key, n), 1)
        c = self.redis()
        self.assertEqual(c('SREM', key, m), int(n != 0), n)
        self.assertEqual(self.call('has', key, n), 0)
        self.assertEqual(c('SADD', key, m), 1, n)
        self.assertEqual(self.call('has', key, n), 1)
        if n != 0:
            self.assertEqual(NODE.run('srem', key, '-', stdin=m)[1], b'1\n')
            self.assertEqual(self.call('has', key, n), 0)
        self.assertEqual(self.call('grow', 'grows', n), 1)
        self.by_clients('grows', n, True)
        NODE.run('del', key, 'grows')

    def test_each_length(self):
        for n in (*LENGTHS, VALUE_MAX):
            with self.subTest(n):
                self.each_length(n)
        nothing_held()

    def test_all_lengths_in_one_set(self):
        for i, n in enumerate(LENGTHS):
            self.assertEqual(self.call('add', 'all', n), i + 1)
        c = self.redis()
        self.assertTrue(set(c('SMEMBERS', 'all')) == set(map(member, LENGTHS)))
        for i, n in enumerate(LENGTHS):
            self.call('take_out', 'all', n)
            self.assertEqual(c('SCARD', 'all'), len(LENGTHS) - 1 - i)

    def test_one_byte_too_many(self):
        code, _, err = NODE.run('call', 'add', 'too', str(VALUE_MAX + 1))
        self.assertEqual(code, 1)
        self.assertIn('a member of a set may have 64 MiB', err)
        self.assertEqual(NODE.run('members', 'too')[1], b'')

    def test_published_together_or_not_at_all(self):
        for how, says, happens in (('fail', 'on purpose', 0), ('exit', 'did not happen', 0),
                                   ('publish', 'its writes happened', 1), ('well', '', 1)):
            for n in (1025, 4097, 70000, 1 << 20):
                key = f'{how}/{n}'
                code, _, err = NODE.run('call', 'ends', how, key, str(n))
                self.assertEqual(code, int(how != 'well'), err)
                self.assertIn(says, err)
                keys = NODE.run('keys', key)[1].split()
                self.assertEqual(len(keys), 9 * happens, key)
                for one in keys:
                    self.assertEqual(self.call('has', one.decode(), n), 1)
                NODE.run('del', *(k.decode() for k in keys))
        nothing_held()

    def test_repeatable_reads(self):
        """Each function in an executor of its own: what the first added goes to the second."""
        for n in (1025, 4097, (64 << 10) + 1, 1 << 20, VALUE_MAX // 8):
            key = f'rr/{n}'
            NODE.run('sadd', key, 'there')
            for level in ('rr', 'lww'):
                code, out, err = NODE.run('dag', 'call', 'both', f'first={key}', f'first={n}',
                                          f'second={key}', f'second={n}', '--level', level)
                self.assertEqual((code, out, err), (0, b'2\n', ''), (n, level))
            self.assertEqual(self.call('has', key, n), 1)
            NODE.run('del', key)
        nothing_held()


class Storm(unittest.TestCase):
    """Executors killed meanwhile: each call's member is there, or not, as its answer says."""

    def test_nothing_lost_nothing_left(self):
        happened = storm(self, NODE, lambda n: (str(n), str(STORM_BYTES)), 50, STORM_MEMBERS)
        until(NODE.executors, 60, 'an executor')
        c = Raw(port_of(NODE))
        found = set()
        for i in range(10):
            for m in c('SMEMBERS', f'storm/{i}'):
                n = int(m.split(b'.')[0])
                self.assertTrue(m == member(STORM_BYTES, n), n)
                found.add(n)
        c.close()
        self.assertEqual(found, happened)
        self.assertEqual(int(NODE.run('get', 'total')[1]), len(happened))
        nothing_held()


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
