#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_many_test.py MICROBURST SOURCE

Goal:   commands on several collections, copies, choices by chance and walks in steps do what Redis
        does: with small collections and with ones of thousands of members, which are trees.
Method: a node, two cache tiles; the same done to sets and dictionaries of Python, with random
        members from a printed seed.
"""
import math
import os
import random
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node   # noqa: E402
from resp import Raw, port_of   # noqa: E402

MICROBURST, SOURCE = sys.argv[1:3]
SEED = int(os.environ.get('SEED', '4711'))
NODE = {}


def setUpModule():
    node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0')
    unittest.addModuleCleanup(node.remove)
    NODE['node'], NODE['port'] = node, port_of(node)


def b(x):
    return str(x).encode()


def weighed_inter(members, scores):
    """As ZINTER of a sorted set and a set, whose members count 1."""
    return sorted(members, key=lambda m: (scores[m] + 1, m))


class Case(unittest.TestCase):
    def setUp(self):
        self.c = Raw(NODE['port'])
        self.addCleanup(self.c.close)
        self.random = random.Random(SEED)
        self.assertEqual(self.c('FLUSHALL'), '+OK')

    def some_set(self, key, cnt, of):
        members = {b(self.random.randrange(of)) for _ in range(cnt)}
        if members:
            self.assertEqual(self.c('sadd', key, *members), len(members))
        return members

    def some_zset(self, key, cnt, of):
        scores = {b(self.random.randrange(of)): self.random.randrange(-9, 9) for _ in range(cnt)}
        if scores:
            self.assertEqual(self.c('zadd', key, *[x for m, s in scores.items() for x in (s, m)]),
                             len(scores))
        return scores


class Owners(unittest.TestCase):
    def test_wait_tells_what_is_sure(self):
        node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', '--set', 'kvs.tiles=3',
                    '--set', 'kvs.replication=3')
        self.addCleanup(node.remove)
        for ack, want in (('all', 2), ('quorum', 1), ('default', 1), ('one', 0), ('local', 0)):
            c = Raw(port_of(node))
            self.assertEqual(c('wait', 2, 0), 2)    # it has written nothing that could be lost
            self.assertEqual(c('mb.ack', ack), '+OK')
            self.assertEqual(c('set', 'k', ack), '+OK')
            self.assertEqual(c('wait', 2, 0), want, ack)
            self.assertEqual(c('mb.ack', 'all'), '+OK')
            self.assertEqual(c('set', 'other', ack), '+OK')
            self.assertEqual(c('wait', 2, 0), want, 'the weakest counts')
            c.close()


class Inserts(Case):
    def test_at_one_place(self):
        for side, pivot in (('after', 'a'), ('before', 'z')):
            want = ['a', 'z']
            self.c('del', 'l')
            self.c('rpush', 'l', *want)
            for i in range(400):
                at = want.index(pivot) + (side == 'after')
                want.insert(at, f'{i}')
                self.assertEqual(self.c('linsert', 'l', side, pivot, i), len(want), (side, i))
            self.assertEqual(self.c('lrange', 'l', 0, -1), [b(x) for x in want])

    def test_anywhere(self):
        want = [str(-1 - i) for i in range(50)]
        self.c('rpush', 'l', *want)
        for i in range(2000):
            side = self.random.choice(('after', 'before'))
            at = self.random.randrange(min(len(want), 20))
            self.assertEqual(self.c('linsert', 'l', side, want[at], i), len(want) + 1)
            want.insert(at + (side == 'after'), str(i))
            if i % 3 == 0:
                at = self.random.randrange(len(want))
                self.assertEqual(self.c('lrem', 'l', 1, want.pop(at)), 1)
        self.assertEqual(self.c('lrange', 'l', 0, -1), [b(x) for x in want])


class Dumps(Case):
    def test_equal_values_are_equal_bytes(self):
        c = self.c
        c('set', 'k', 'v' * 5000)
        c('incr', 'n')
        for cnt in (3, 3000):
            self.some_set(f't{cnt}', cnt, 10 * cnt)
            self.some_zset(f'z{cnt}', cnt, 10 * cnt)
            c('hset', f'h{cnt}', *[b(i // 2) for i in range(2 * cnt)])
            c('rpush', f'l{cnt}', *[b(i % 7) for i in range(cnt)])
        for key in sorted(c('keys', '*')):
            dump = c('dump', key)
            self.assertEqual(c('restore', 'copy', 100000, dump), '+OK')
            self.assertEqual(c('dump', 'copy'), dump, key)
            self.assertEqual(c('type', 'copy'), c('type', key))
            self.assertTrue(0 < c('pttl', 'copy') <= 100000)
            self.assertEqual(c('restore', 'copy', 0, dump), '-BUSYKEY Target key name already '
                             'exists.')
            self.assertEqual(c('restore', 'copy', 0, dump, 'replace'), '+OK')
            self.assertEqual(c('pttl', 'copy'), -1)
            self.assertEqual(c('restore', 'copy', 1, dump, 'replace', 'absttl'), '+OK')
            self.assertEqual(c('exists', 'copy'), 0)
        self.assertIsNone(c('dump', 'nothing'))

    def test_what_is_no_dump_is_refused(self):
        c = self.c
        c('rpush', 'l', 'a', 'b')
        dump = c('dump', 'l')
        wrong = '-ERR DUMP payload version or checksum are wrong'
        for text in (b'', b'x' * 40, dump[:-1], dump + b'x', dump[:3] + b'\xff' + dump[4:]):
            self.assertEqual(c('restore', 'x', 0, text), wrong)
        self.assertEqual(c('restore', 'x', -1, dump), '-ERR Invalid TTL value, must be >= 0')
        self.assertEqual(c('restore', 'x', 0, dump, 'freq', 256),
                         '-ERR Invalid FREQ value, must be >= 0 and <= 255')
        self.assertEqual(c('restore', 'x', 0, dump, 'at'), '-ERR syntax error')
        self.assertEqual(c('exists', 'x'), 0)


class Several(Case):
    def test_sets(self):
        c = self.c
        for cnt, of in ((0, 9), (5, 9), (70, 90), (3000, 5000)):
            with self.subTest(seed=SEED, cnt=cnt):
                c('flushall')
                s = [self.some_set(f's{i}', cnt, of) for i in range(3)]
                union, inter, diff = s[0] | s[1] | s[2], s[0] & s[1] & s[2], s[0] - s[1] - s[2]
                for name, want in (('sunion', union), ('sinter', inter), ('sdiff', diff)):
                    self.assertEqual(c(name, 's0', 's1', 's2'), sorted(want))
                    self.assertEqual(c(name + 'store', 'to', 's0', 's1', 's2'), len(want))
                    self.assertEqual(set(c('smembers', 'to')), want)
                    self.assertEqual(c('exists', 'to'), int(bool(want)))
                self.assertEqual(c('sintercard', 3, 's0', 's1', 's2'), len(inter))
                self.assertEqual(c('sintercard', 2, 's0', 's1', 'limit', 2),
                                 min(2, len(s[0] & s[1])))
                self.assertEqual(c('sunionstore', 's0', 's0', 's1'), len(s[0] | s[1]))
                self.assertEqual(c('sinter', 's0', 'none'), [])
                self.assertEqual(set(c('sdiff', 's0', 'none')), s[0] | s[1])
        c('set', 'text', 1)
        self.assertEqual(c('sunion', 's0', 'text')[:10], '-WRONGTYPE')
        self.assertEqual(c('sinter', 'none', 'text')[:10], '-WRONGTYPE')
        self.assertEqual(c('sunionstore', 'text', 's0', 'none'), c('scard', 's0'))

    def test_sorted_sets(self):
        c = self.c
        for cnt, of in ((4, 6), (60, 80), (2000, 3000)):
            with self.subTest(seed=SEED, cnt=cnt):
                c('flushall')
                z = [self.some_zset(f'z{i}', cnt, of) for i in range(2)]
                s = self.some_set('s', cnt, of)
                weight = (2, -1, 0.5)
                parts = [{m: x * weight[0] for m, x in z[0].items()},
                         {m: x * weight[1] for m, x in z[1].items()}, {m: weight[2] for m in s}]
                for how, fold in (('sum', sum), ('min', min), ('max', max)):
                    for name, members in (('zunion', set(z[0]) | set(z[1]) | s),
                                          ('zinter', set(z[0]) & set(z[1]) & s)):
                        want = {m: fold([p[m] for p in parts if m in p]) for m in members}
                        order = sorted(want, key=lambda m: (want[m], m))
                        words = (3, 'z0', 'z1', 's', 'weights', *weight, 'aggregate', how)
                        got = c(name, *words, 'withscores')
                        self.assertEqual(got[::2], order)
                        self.assertEqual([float(x) for x in got[1::2]], [want[m] for m in order])
                        self.assertEqual(c(name, *words), order)
                        self.assertEqual(c(name + 'store', 'to', *words), len(want))
                        self.assertEqual(c('zrange', 'to', 0, -1), order)
                diff = set(z[0]) - set(z[1])
                self.assertEqual(c('zdiff', 2, 'z0', 'z1'),
                                 sorted(diff, key=lambda m: (z[0][m], m)))
                self.assertEqual(c('zdiffstore', 'to', 2, 'z0', 'z1'), len(diff))
                self.assertEqual(c('zintercard', 2, 'z0', 'z1'), len(set(z[0]) & set(z[1])))
        self.assertEqual(c('zunion', 0, 'z0'),
                         "-ERR at least 1 input key is needed for 'zunion' command")
        self.assertEqual(c('zunion', 1, 'z0', 'weights', 'x'), '-ERR weight value is not a float')
        self.assertEqual(c('zunion', 3, 'z0'), '-ERR syntax error')
        c('zadd', 'inf', 'inf', 'a')
        c('zadd', 'ninf', '-inf', 'a')
        self.assertEqual(c('zunion', 2, 'inf', 'ninf', 'withscores'), [b'a', b'0'])

    def test_ranges_that_go_and_that_are_kept(self):
        c = self.c
        for cnt in (9, 500):
            z = {b'%04d' % i: i % 7 for i in range(cnt)}
            words = [x for m, s in z.items() for x in (s, m)]
            order = sorted(z, key=lambda m: (z[m], m))
            c('del', 'z')
            c('zadd', 'z', *words)
            self.assertEqual(c('zrangestore', 'to', 'z', 2, -2), cnt - 3)
            self.assertEqual(c('zrange', 'to', 0, -1), order[2:-1])
            self.assertEqual(c('zrangestore', 'to', 'z', '(1', 3, 'byscore', 'limit', 1, 200),
                             len([m for m in order if 1 < z[m] <= 3][1:201]))
            self.assertEqual(c('zrangestore', 'to', 'none', 0, -1), 0)
            self.assertEqual(c('exists', 'to'), 0)
            self.assertEqual(c('zremrangebyrank', 'z', 1, 2), 2)
            del order[1:3]
            self.assertEqual(c('zrange', 'z', 0, -1), order)
            gone = [m for m in order if 2 <= z[m] < 5]
            self.assertEqual(c('zremrangebyscore', 'z', 2, '(5'), len(gone))
            order = [m for m in order if m not in gone]
            self.assertEqual(c('zrange', 'z', 0, -1), order)
            self.assertEqual(c('zremrangebylex', 'z', '-', '+'), len(order))
            self.assertEqual(c('exists', 'z'), 0)
        self.assertEqual(c('zremrangebyscore', 'z', 'x', 1), '-ERR min or max is not a float')

    def test_pops_of_sorted_sets(self):
        c = self.c
        c('zadd', 'z', *[x for i in range(200) for x in (i, f'm{i:03}')])
        got = c('zmpop', 2, 'none', 'z', 'min', 'count', 150)
        self.assertEqual(got[0], b'z')
        self.assertEqual(got[1], [[b'm%03d' % i, b'%d' % i] for i in range(150)])
        self.assertEqual(c('zmpop', 1, 'z', 'max'), [b'z', [[b'm199', b'199']]])
        self.assertIsNone(c('zmpop', 1, 'none', 'max'))
        self.assertIsNone(c('bzmpop', 0.05, 1, 'none', 'max'))
        o = Raw(NODE['port'])
        self.addCleanup(o.close)
        o.say('bzmpop', 0, 2, 'none', 'later', 'min')
        while 'blocked_clients:1' not in c('info', 'clients').decode():
            time.sleep(0.01)
        c('zadd', 'later', 5, 'x')
        self.assertEqual(o.answer(), [b'later', [[b'x', b'5']]])
        self.assertEqual(c('zmpop', 0, 'z', 'min'), '-ERR numkeys should be greater than 0')
        self.assertEqual(c('zmpop', 1, 'z', 'mid'), '-ERR syntax error')


class Copies(Case):
    def fill(self):
        c = self.c
        c('set', 'text', 'x' * 100)
        c('set', 'long', 'y' * 3000000)
        c('set', 'number', 7)
        c('sadd', 'set', *range(300))
        c('hset', 'hash', *range(400))
        c('rpush', 'list', *range(300), 1, 1)
        c('zadd', 'zset', *range(300))
        c('expire', 'set', 1000)
        return ('text', 'long', 'number', 'set', 'hash', 'list', 'zset')

    def shown(self, key):
        kind = self.c('type', key)
        words = {'+string': ('get',), '+set': ('smembers',), '+hash': ('hgetall',),
                 '+list': ('lrange', 0, -1), '+zset': ('zrange', 0, -1, 'withscores')}[kind]
        return kind, self.c(words[0], key, *words[1:])

    def test_copy_and_rename(self):
        c = self.c
        for key in self.fill():
            with self.subTest(key=key):
                was = self.shown(key)
                c('sadd', 'to', 'something else')
                self.assertEqual(c('copy', key, 'to'), 0)
                self.assertEqual(c('copy', key, 'to', 'replace'), 1)
                self.assertEqual(self.shown('to'), was)
                self.assertEqual(self.shown(key), was)
                self.assertEqual(c('expiretime', 'to'), c('expiretime', key))
                self.assertEqual(c('renamenx', key, 'to'), 0)
                self.assertEqual(c('rename', key, 'to'), '+OK')
                self.assertEqual(c('exists', key), 0)
                self.assertEqual(self.shown('to'), was)
                self.assertEqual(c('renamenx', 'to', 'new'), 1)
                self.assertEqual(self.shown('new'), was)
                self.assertEqual(c('rename', 'new', 'new'), '+OK')
                self.assertEqual(c('del', 'new', 'to'), 1)
        c('set', 'number', 7)
        self.assertEqual([c('copy', 'number', 'n'), c('incr', 'n'), c('get', 'number')],
                         [1, 8, b'7'])
        self.assertEqual(c('rename', 'none', 'to'), '-ERR no such key')
        self.assertEqual(c('renamenx', 'none', 'n'), '-ERR no such key')
        self.assertEqual(c('copy', 'none', 'to'), 0)

    def test_a_member_moves(self):
        c = self.c
        c('sadd', 'a', 1, 2)
        for i in range(20):         # of one cache tile, and of two
            to = f'b{i}'
            c('sadd', 'a', 'x')
            self.assertEqual(c('smove', 'a', to, 'x'), 1)
            self.assertEqual([c('sismember', 'a', 'x'), c('smembers', to)], [0, [b'x']])
        self.assertEqual([c('smove', 'a', 'b0', 'none'), c('smove', 'none', 'b0', 1)], [0, 0])
        self.assertEqual(c('smove', 'a', 'a', 1), 1)
        c('set', 't', 1)
        self.assertEqual(c('smove', 'a', 't', 1)[:10], '-WRONGTYPE')


class Chance(Case):
    def test_members(self):
        c = self.c
        for cnt in (7, 1000):
            c('flushall')
            members = {b'm%d' % i for i in range(cnt)}
            c('sadd', 's', *members)
            c('hset', 'h', *[x for m in members for x in (m, b'v' + m)])
            c('zadd', 'z', *[x for m in members for x in (m[1:], m)])
            self.assertIn(c('srandmember', 's'), members)
            for word, key in (('srandmember', 's'), ('hrandfield', 'h'), ('zrandmember', 'z')):
                got = c(word, key, 5)
                self.assertEqual((len(got), len(set(got)), set(got) <= members), (5, 5, True))
                got = c(word, key, -3 * cnt)
                self.assertEqual((len(got), set(got) <= members), (3 * cnt, True))
                self.assertEqual(set(c(word, key, cnt + 9)), members)
                self.assertEqual([c(word, 'none'), c(word, 'none', 3)], [None, []])
            got = c('hrandfield', 'h', 4, 'withvalues')
            self.assertEqual([b'v' + x for x in got[::2]], got[1::2])
            got = c('zrandmember', 'z', -4, 'withscores')
            self.assertEqual([x[1:] for x in got[::2]], got[1::2])
            one = c('spop', 's')
            members.remove(one)
            got = c('spop', 's', 200)
            self.assertEqual(len(got), min(200, len(members)))
            members -= set(got)
            self.assertEqual(set(c('smembers', 's')), members)
            c('spop', 's', cnt)
            self.assertEqual([c('spop', 's'), c('spop', 's', 2)], [None, []])

    def test_every_choice_is_as_likely(self):
        c = self.c
        c('sadd', 's', *range(10))
        hits = [0] * 10
        for _ in range(500):
            for m in c('srandmember', 's', 4):
                hits[int(m)] += 1
        # 2,000 draws: 200 of each; the standard deviation is about 11
        self.assertTrue(all(abs(h - 200) < 90 for h in hits), hits)


class Walks(Case):
    def walk(self, word, key, *options):
        cursor, found = b'0', []
        while True:
            cursor, page = self.c(word, key, cursor, *options)
            found += page
            if cursor == b'0':
                return found

    def test_all_are_met_once(self):
        c = self.c
        for cnt in (3, 128, 129, 3000):
            c('flushall')
            members = [b'm%d' % i for i in range(cnt)]
            c('sadd', 's', *members)
            c('hset', 'h', *[x for m in members for x in (m, b'v' + m)])
            c('zadd', 'z', *[x for m in members for x in (m[1:], m)])
            for count in ((), ('count', 100)):
                self.assertEqual(sorted(self.walk('sscan', 's', *count)), sorted(members))
                got = self.walk('hscan', 'h', *count)
                self.assertEqual(sorted(got[::2]), sorted(members))
                self.assertEqual([b'v' + x for x in got[::2]], got[1::2])
                got = self.walk('zscan', 'z', *count)
                self.assertEqual([x[1:] for x in got[::2]], got[1::2])
            self.assertEqual(sorted(self.walk('sscan', 's', 'match', 'm*2', 'count', 7)),
                             sorted(m for m in members if m.endswith(b'2')))
        self.assertEqual(c('sscan', 'none', 0), [b'0', []])
        self.assertEqual(c('sscan', 's', 'x'), '-ERR invalid cursor')
        self.assertEqual(c('sscan', 's', 0, 'type', 'set'), '-ERR syntax error')
        self.assertEqual(c('hscan', 's', 0)[:10], '-WRONGTYPE')

    def test_members_that_stay_are_met_though_others_go(self):
        c = self.c
        c('sadd', 's', *[f'{i:05}' for i in range(2000)])
        cursor, found, step = b'0', [], 0
        while True:
            cursor, page = c('sscan', 's', cursor, 'count', 50)
            found += page
            c('srem', 's', *[f'{i:05}' for i in range(step * 100 + 1, step * 100 + 100, 2)])
            c('sadd', 's', f'new{step}')
            step += 1
            if cursor == b'0':
                break
        self.assertLessEqual({b'%05d' % i for i in range(0, 2000, 2)}, set(found))
        self.assertEqual(len(found), len(set(found)))


class Long(Case):
    """Collections of several turns: commands that go on while others do, in transactions too."""

    def test_turns_do_not_show(self):
        c, cnt = self.c, 4200
        names = [b'm%05d' % i for i in range(cnt)]
        other = names[::3] + [b'x%05d' % i for i in range(cnt)]
        scores = {m: self.random.randrange(-20, 20) for m in names}
        items = [b'%d' % self.random.randrange(cnt) for _ in range(cnt)]
        for at in range(0, cnt, 1000):
            some = names[at:at + 1000]
            c('sadd', 's', *some)
            c('hset', 'h', *[x for m in some for x in (m, b'v' + m)])
            c('zadd', 'z', *[x for m in some for x in (scores[m], m)])
            c('rpush', 'l', *items[at:at + 1000])
        for at in range(0, len(other), 1000):
            c('sadd', 'o', *other[at:at + 1000])
        places = {m: (self.random.uniform(10, 12), self.random.uniform(50, 51)) for m in names}
        c('geoadd', 'g', *[x for m, (lon, lat) in places.items() for x in (lon, lat, m)])

        ranked = sorted(names, key=lambda m: (scores[m], m))
        pairs = [x for m in ranked for x in (m, b(scores[m]))]
        low = [m for m in ranked if scores[m] >= 3]
        rest = sorted(set(names) | set(other))
        others = set(other)
        weighed = sorted(rest, key=lambda m: (scores.get(m, 0) + (m in others), m))
        at = ranked.index(names[77])
        row = (
            (('smembers', 's'), names), (('hkeys', 'h'), names),
            (('hgetall', 'h'), [x for m in names for x in (m, b'v' + m)]),
            (('lrange', 'l', 0, -1), items), (('lrange', 'l', -4000, -2), items[-4000:-1]),
            (('lindex', 'l', 3210), items[3210]), (('lindex', 'l', -3210), items[-3210]),
            (('lpos', 'l', items[9], 'count', 0),
             [i for i, x in enumerate(items) if x == items[9]]),
            (('lpos', 'l', items[9], 'rank', -1, 'count', 0),
             [i for i, x in reversed(list(enumerate(items))) if x == items[9]]),
            (('zrange', 'z', 0, -1, 'withscores'), pairs),
            (('zrange', 'z', 2000, 4500), ranked[2000:4501]),
            (('zrange', 'z', 0, 9), ranked[:10]), (('zrange', 'z', -600, -1), ranked[-600:]),
            (('zrevrange', 'z', 3, 20), ranked[::-1][3:21]),
            (('zrevrange', 'z', 2500, -1), ranked[::-1][2500:]),
            (('zrangebyscore', 'z', 3, 'inf'), low),
            (('zrangebyscore', 'z', 3, 'inf', 'limit', 5, 7), low[5:12]),
            (('zrangebyscore', 'z', 3, 'inf', 'limit', 100, 900), low[100:1000]),
            (('zrevrangebyscore', 'z', 'inf', 3, 'limit', 5, 7), low[::-1][5:12]),
            (('zrangebylex', 'z', '-', '+', 'limit', 1, 2), ranked[1:3]),
            (('zcount', 'z', 3, 'inf'), len(low)), (('zrank', 'z', names[77]), at),
            (('zrevrank', 'z', names[77]), cnt - 1 - at),
            (('sunion', 's', 'o'), rest), (('sinter', 'o', 's'), names[::3]),
            (('sdiff', 's', 'o'), [m for m in names if m not in others]),
            (('sintercard', 2, 's', 'o', 'limit', 1300), 1300),
            (('zunion', 2, 'z', 'o'), weighed), (('zinter', 2, 'z', 'o'), weighed_inter(
                names[::3], scores)),
            (('sort', 'l'), sorted(items, key=lambda x: (int(x), x))),
            (('sort', 'l', 'desc', 'limit', 1000, 3000),
             sorted(items, key=int, reverse=True)[1000:4000]),
            (('sort', 's', 'alpha', 'get', '#', 'get', 'none*'),
             [x for m in names for x in (m, None)]),
            (('smismember', 's', *names), [1] * cnt),
            (('hmget', 'h', *names), [b'v' + m for m in names]),
            (('mget', *names), [None] * cnt), (('exists', *names, 's'), 1),
            (('zmscore', 'z', *names), [b(scores[m]) for m in names]),
        )
        for words, want in row:
            self.assertEqual(c(*words), want, words[:5])
        clients = [Raw(NODE['port']) for _ in range(4)]   # each begins with another one
        for i, one in enumerate(clients):
            for words, _ in row[i * 9:] + row[:i * 9]:
                one.say(*words)
        for i, one in enumerate(clients):
            for words, want in row[i * 9:] + row[:i * 9]:
                self.assertEqual(one.answer(), want, words[:5])
            one.close()
        c('multi')
        for words, _ in row:
            if len(words) < 100:
                self.assertEqual(c(*words), '+QUEUED')
        self.assertEqual(c('exec'), [want for words, want in row if len(words) < 100])

        found = c('geosearch', 'g', 'fromlonlat', 11, 50.5, 'bybox', 400, 400, 'km', 'asc')
        self.assertEqual(sorted(found), names)
        self.assertEqual(c('geosearch', 'g', 'fromlonlat', 11, 50.5, 'bybox', 400, 400, 'km',
                           'desc'), found[::-1])
        self.assertEqual(c('geosearchstore', 'd', 'g', 'fromlonlat', 11, 50.5, 'bybox', 400, 400,
                           'km'), cnt)
        for words in (('srandmember', 's', 3000), ('hrandfield', 'h', 200),
                      ('zrandmember', 'z', 1)):
            got = c(*words)
            self.assertEqual(len(set(got)), words[2])
            self.assertTrue(set(got) <= set(names))
        self.assertEqual(len(c('srandmember', 's', -5000)), 5000)
        self.assertEqual(c('copy', 'h', 'd', 'replace'), 1)
        self.assertEqual(c('hgetall', 'd'), c('hgetall', 'h'))
        self.assertEqual(c('restore', 'd', 0, c('dump', 'z'), 'replace'), '+OK')
        self.assertEqual(c('zrange', 'd', 0, -1, 'withscores'), pairs)
        self.assertEqual(c('zrangestore', 'd', 'z', 0, 4000), 4001)
        self.assertEqual(c('zrange', 'd', 0, -1), ranked[:4001])
        self.assertEqual(c('sunionstore', 'd', 's', 'o'), len(rest))
        self.assertEqual(c('smembers', 'd'), rest)
        self.assertEqual(c('zpopmin', 'z', 100), pairs[:200])
        self.assertEqual(c('zmpop', 2, 'none', 'z', 'max', 'count', 2)[1],
                         [pairs[-2:], pairs[-4:-2]])
        self.assertEqual(c('bzpopmax', 'z', 0), [b'z', *pairs[-6:-4]])
        self.assertEqual(c('zremrangebyrank', 'z', 10, -11), cnt - 123)
        self.assertEqual(c('lrem', 'l', -1, items[9]), 1)
        del items[cnt - 1 - items[::-1].index(items[9])]
        self.assertEqual(c('ltrim', 'l', 2500, 2599), '+OK')
        self.assertEqual(c('lrange', 'l', 0, -1), items[2500:2600])

    def test_places_of_many_members_are_told_in_turns(self):
        """A turn is 2,048 members at most, and a poll that found work at least."""
        names = [b'%d' % i for i in range(1000)]
        some = [self.random.choice(names) for _ in range(5000)]
        none = [b'x'] * 60000   # short answers: few polls are for sending them
        self.c('geoadd', 'g', *[x for i, m in enumerate(names) for x in (i % 180, i % 80, m)])

        def worked():
            return sum(t['metrics'].get('gate_poll_worked', 0)
                       for t in NODE['node'].json('status')['tiles'])

        def polls(*words):
            before = worked()
            return self.c(*words), worked() - before

        _, read = polls('nosuch', 'g', *none)   # until as many words are here
        for command in ('geohash', 'geopos'):
            each = dict(zip(names, self.c(command, 'g', *names)))
            self.assertEqual(self.c(command, 'g', *some), [each[m] for m in some])
            answer, took = polls(command, 'g', *none)
            self.assertEqual(answer, [None] * len(none))
            self.assertGreater(took - read, len(none) // 2048 // 2, (command, took, read))

    def test_long_ones_are_of_one_moment_and_not_all_in_memory(self):
        """Three long replies are asked for, and read when what they show is gone: the first moment
        stays, others are served meanwhile, and little of them is in memory."""
        items = [b'%06d' % i + b'y' * 300 for i in range(40000)]
        for at in range(0, len(items), 200):
            some = items[at:at + 200]
            self.c('sadd', 'set', *some)
            self.c('rpush', 'list', *some)
            self.c('hset', 'hash', *[x for s in some for x in (s[:6], s)])
        asked = [(Raw(NODE['port']), words) for words in
                 (('smembers', 'set'), ('lrange', 'list', 0, -1), ('hgetall', 'hash'))]
        for c, words in asked:
            c.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            c.say(*words)
        while self.c('client', 'list').count(b'obl=0') != 1:   # until all have begun
            time.sleep(0.01)
        self.c('del', 'set', 'list', 'hash')
        for line in self.c('client', 'list').splitlines():
            self.assertLess(int(line.split(b'obl=')[1].split()[0]), 2 * (1 << 20), line)
        for c, words in asked:
            got = c.answer()
            if words[0] == 'hgetall':
                self.assertEqual(got[::2], [x[:6] for x in items])
                got = got[1::2]
            self.assertEqual(got, items, words)
            c.close()


class Strings(Case):
    def test_floats_and_conditions(self):
        c = self.c
        self.assertEqual([c('incrbyfloat', 'f', '10.5'), c('incrbyfloat', 'f', '0.1'),
                          c('incrbyfloat', 'f', '-5'), c('incrbyfloat', 'f', '4.0e-1')],
                         [b'10.5', b'10.6', b'5.6', b'6'])
        self.assertEqual(c('incrbyfloat', 'f', 'x'), '-ERR value is not a valid float')
        self.assertEqual(c('incrbyfloat', 'f', 'inf'),
                         '-ERR increment would produce NaN or Infinity')
        c('set', 'far', '1e308')
        self.assertEqual(len(c('incrbyfloat', 'far', 1)), 308)
        self.assertIn(len(c('incrbyfloat', 'far', '1e4000')), (4000, 4001))
        self.assertEqual([c('hincrbyfloat', 'h', 'f', '3'), c('hincrbyfloat', 'h', 'f', '-3.0')],
                         [b'3', b'0'])
        self.assertEqual([c('hsetnx', 'h', 'g', 'x'), c('hsetnx', 'h', 'g', 'y'),
                          c('hget', 'h', 'g')], [1, 0, b'x'])
        self.assertEqual([c('msetnx', 'a', 1, 'b', 2), c('msetnx', 'b', 3, 'd', 4), c('get', 'b'),
                          c('exists', 'd')], [1, 0, b'2', 0])
        self.assertEqual([c('multi'), c('msetnx', 'x', 1, 'y', 2), c('set', 'a', 9), c('exec')],
                         ['+OK', '+QUEUED', '+QUEUED', [1, '+OK']])
        self.assertEqual(c('getex', 'a', 'ex', 100), b'9')
        self.assertIn(c('ttl', 'a'), range(1, 101))
        self.assertEqual([c('getex', 'a', 'persist'), c('ttl', 'a'), c('getex', 'none')],
                         [b'9', -1, None])
        self.assertEqual(c('getex', 'a', 'ex', 0), "-ERR invalid expire time in 'getex' command")
        self.assertEqual(c('getex', 'a', 'foo'), '-ERR syntax error')
        self.assertTrue(math.isclose(float(c('incrbyfloat', 'tiny', '1e-15')), 1e-15))

    def test_bits(self):
        c = self.c
        bits = [0] * 4000
        for _ in range(300):
            i, x = self.random.randrange(4000), self.random.randrange(2)
            self.assertEqual(c('setbit', 'b', i, x), bits[i])
            bits[i] = x
        text = c('get', 'b')
        size = 8 * len(text)
        self.assertEqual([c('getbit', 'b', i) for i in range(0, 4000, 7)], bits[::7])
        self.assertEqual(c('bitcount', 'b'), sum(bits))
        for a, z in ((0, -1), (3, 9), (-9, -3), (5, 2), (-1, -2), (9999, 10000), (-99999, 4)):
            low, high = (max(x + len(text), 0) if x < 0 else x for x in (a, z))
            self.assertEqual(c('bitcount', 'b', a, z), sum(bits[8 * low:8 * (high + 1)])
                             if low <= high and (a, z) != (-1, -2) else 0, (a, z))
            low, high = (max(x + size, 0) if x < 0 else x for x in (a, z))
            self.assertEqual(c('bitcount', 'b', a, z, 'bit'), sum(bits[low:high + 1])
                             if low <= high else 0, (a, z))
        self.assertEqual([c('getbit', 'none', 5), c('bitcount', 'none')], [0, 0])
        self.assertEqual(c('setbit', 'b', -1, 0),
                         '-ERR bit offset is not an integer or out of range')
        self.assertEqual(c('setbit', 'b', 0, 2), '-ERR bit is not an integer or out of range')
        self.assertEqual(c('setbit', 'b', 1 << 40, 1),
                         '-ERR bit offset is not an integer or out of range')
        self.assertEqual(c('bitcount', 'b', 1), '-ERR syntax error')

    def test_a_listing_of_several_pages_gives_each_back(self):
        # Writes of one page are acknowledged while the next is on its way; of five pages that
        # nobody gives back every further listing would wait for ever.
        c = self.c
        for _ in range(5):
            c('mset', *[w for i in range(5000) for w in (b'page%d' % i, b'x')])
            self.assertEqual([c('multi'), c('dbsize'), c('keys', 'page1*'), c('flushall'),
                              c('dbsize')], ['+OK'] + 4 * ['+QUEUED'])
            cnt, some, flushed, left = c('exec')
            self.assertEqual([cnt >= 5000, len(some), flushed, left], [True, 1111, '+OK', 0])

    def test_a_key_by_chance(self):
        c = self.c
        self.assertIsNone(c('randomkey'))
        keys = {b'k%d' % i for i in range(8)}
        for key in keys:
            c('set', key, 1)
        hits = {key: 0 for key in keys}
        for _ in range(400):
            hits[c('randomkey')] += 1
        self.assertTrue(all(10 < h < 120 for h in hits.values()), hits)

    def test_of_many_that_want_all_only_one_gets_them(self):
        clients = [Raw(NODE['port']) for _ in range(8)]
        for turn in range(20):
            for i, o in enumerate(clients):
                o.say('msetnx', *[x for k in range(30) for x in (f'{turn}:{k}', i)])
            won = [i for i, o in enumerate(clients) if o.answer() == 1]
            self.assertEqual(len(won), 1)
            self.assertEqual(set(self.c('mget', *[f'{turn}:{k}' for k in range(30)])),
                             {b'%d' % won[0]})
        for o in clients:
            o.close()


if __name__ == '__main__':
    print('seed', SEED, flush=True)
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
