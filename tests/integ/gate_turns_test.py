#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_turns_test.py MICROBURST

Goal:   what goes through a long string, or through many keys, does so in turns, between which other
        clients have theirs; and answers as if it were one step.
Method: a node and long strings whose bits Python knows. A turn is a poll of the gate that found
        work, and polls are counted (gate_poll_worked), no time is taken: a command that took one
        step has a few of them, whatever it went through. Strings are changed between the turns.
"""
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from resp import GateTest   # noqa: E402

MICROBURST = sys.argv[1]
SEED = int(os.environ.get('SEED', '4711'))
MIB = 1 << 20
LONG = 8 * MIB + 5
TURN = 128 << 10    # GATE_WALK_BYTES
TURNS = LONG // TURN
OPS = {'and': lambda a, b: a & b, 'or': lambda a, b: a | b, 'xor': lambda a, b: a ^ b}


class Turns(GateTest):
    def setUp(self):
        self.start(MICROBURST, 'cache.bytes=256m', 'kvs.bytes=256m')
        self.c = self.client()
        self.random = random.Random(SEED)
        self.long = self.random.randbytes(LONG)
        self.assertEqual(self.c('set', 'long', self.long), '+OK')
        self.assertEqual(self.c('strlen', 'long'), LONG)    # it is in the cache

    def turns(self, *words):
        """What a command answers, and how many polls it took."""
        before = self.metric('gate_poll_worked')
        answer = self.c(*words)
        return answer, self.metric('gate_poll_worked') - before

    def takes_turns(self, want, cnt, *words):
        answer, took = self.turns(*words)
        self.assertEqual(answer, want, words[:1])
        self.assertGreaterEqual(took, cnt, words[:1])

    def test_looking(self):
        bits = int.from_bytes(self.long, 'big')
        self.takes_turns(bits.bit_count(), TURNS, 'bitcount', 'long')
        low, high = 3, 8 * LONG - 4     # bits, from the left
        part = (bits >> 3) & ((1 << (high - low + 1)) - 1)
        self.takes_turns(part.bit_count(), TURNS, 'bitcount', 'long', low, high, 'bit')
        self.assertEqual(self.c('set', 'zeros', bytes(LONG) + b'\x01'), '+OK')
        self.takes_turns(8 * LONG + 7, TURNS, 'bitpos', 'zeros', 1)
        self.takes_turns(-1, TURNS, 'bitpos', 'zeros', 1, 0, LONG - 1)
        self.assertEqual(self.c('bitpos', 'zeros', 0), 0)

    def test_folding(self):
        c = self.c
        shorter = self.random.randbytes(LONG // 2 + 3)
        self.assertEqual(c('set', 'half', shorter), '+OK')
        self.assertEqual(c('set', 'short', b'\xf0\x0f\xff'), '+OK')
        self.takes_turns(LONG, TURNS, 'bitop', 'not', 'to', 'long')
        self.assertEqual(c('get', 'to'), bytes(x ^ 0xff for x in self.long))
        for op, fold in OPS.items():
            for keys in (('long', 'half'), ('half', 'long'), ('long', 'none'), ('none', 'long'),
                         ('short', 'long'), ('long', 'short', 'half')):
                texts = [{'long': self.long, 'half': shorter, 'none': b'',
                          'short': b'\xf0\x0f\xff'}[key].ljust(LONG, b'\0') for key in keys]
                want = int.from_bytes(texts[0], 'big')
                for text in texts[1:]:
                    want = fold(want, int.from_bytes(text, 'big'))
                self.takes_turns(LONG, TURNS, 'bitop', op, 'to', *keys)
                self.assertEqual(c('get', 'to'), want.to_bytes(LONG, 'big'), (op, keys))

    def test_changing(self):
        c, text = self.c, bytearray(self.long)
        self.takes_turns(text[1000] >> 7, TURNS, 'setbit', 'long', 8000, 1)
        text[1000] |= 0x80
        self.takes_turns([text[5000], (text[5000] + 1) % 256], TURNS,
                         'bitfield', 'long', 'get', 'u8', 40000, 'incrby', 'u8', 40000, 1)
        text[5000] = (text[5000] + 1) % 256
        self.takes_turns(LONG, TURNS, 'setrange', 'long', 6 * MIB, 'in the middle')
        text[6 * MIB:6 * MIB + 13] = b'in the middle'
        self.takes_turns(LONG + 3, TURNS, 'append', 'long', 'end')
        text += b'end'
        self.assertEqual(c('get', 'long'), bytes(text))
        self.assertEqual(c('getrange', 'long', 5, -2), bytes(text[5:-1]))

    def test_zeros_before(self):
        """What a short string, or none, is made longer by."""
        c = self.c
        for key, before in (('none', b''), ('short', b'abc')):
            if before:
                self.assertEqual(c('set', key, before), '+OK')
            self.takes_turns(LONG + 1, TURNS, 'setrange', key, LONG, 'x')
            self.assertEqual(c('get', key), before.ljust(LONG, b'\0') + b'x')
        self.takes_turns(0, TURNS, 'setbit', 'bit', 8 * LONG + 7, 1)
        self.assertEqual(c('get', 'bit'), bytes(LONG) + b'\x01')

    def test_copies(self):
        c = self.c
        self.takes_turns(1, TURNS, 'copy', 'long', 'other')
        self.assertEqual(c('get', 'other'), self.long)
        self.takes_turns('+OK', TURNS, 'rename', 'other', 'third')
        self.assertEqual((c('get', 'other'), c('get', 'third')), (None, self.long))
        dump = c('dump', 'long')
        self.assertEqual(c('restore', 'fourth', 0, dump), '+OK')
        self.assertEqual(c('get', 'fourth'), self.long)

    def test_two_who_change_it(self):
        """Each of both is done once, whoever comes between the other's turns."""
        other = self.client()
        for i in range(8):
            self.c.say('append', 'long', 'a%d' % i)
            other.say('setrange', 'long', 16 * i, 'B' * 16)
            self.assertEqual(self.c.answer(), LONG + 2 * i + 2)
            self.assertIn(other.answer(), (LONG + 2 * i, LONG + 2 * i + 2))
        self.assertEqual(self.c('get', 'long'), b'B' * 128 + self.long[128:] +
                         b''.join(b'a%d' % i for i in range(8)))

    def test_short_between_turns(self):
        """Who is made longer is deleted, made short, and long again meanwhile."""
        other = self.client()
        for i in range(30):
            self.c.say('setrange', 'k', LONG + i, 'x')
            for words in (('set', 'k', 'short'), ('del', 'k'), ('set', 'k', self.long)):
                other(*words)
            self.assertGreaterEqual(self.c.answer(), LONG)
            self.assertIn(self.c('get', 'k'), [before.ljust(LONG + i, b'\0') + b'x' for before in
                                               (b'', b'short', self.long[:LONG + i])] +
                          [self.long, self.long.ljust(LONG + i, b'\0') + b'x'])
            self.c('del', 'k')

    def test_in_a_transaction(self):
        c = self.c
        self.assertEqual(c('multi'), '+OK')
        for words in (('setbit', 'long', 0, 1), ('bitcount', 'long'), ('append', 'long', 'z'),
                      ('getrange', 'long', -1, -1)):
            self.assertEqual(c(*words), '+QUEUED')
        text = bytes([self.long[0] | 0x80]) + self.long[1:]
        self.assertEqual(c('exec'), [self.long[0] >> 7, int.from_bytes(text, 'big').bit_count(),
                                     LONG + 1, b'z'])

    def test_registers(self):
        for k in range(4):
            self.assertEqual(self.c('pfadd', 'p%d' % k, *(b'%d' % i for i in range(20000))), 1)
        keys = ['p%d' % (i % 4) for i in range(400)]
        one = self.c('pfcount', 'p0')
        self.takes_turns(one, 400 // 9, 'pfcount', *keys)
        self.takes_turns('+OK', 400 // 9, 'pfmerge', 'to', *keys)
        self.assertEqual(self.c('pfcount', 'to'), one)

    def test_lcs(self):
        a, b = b'abcdefgh' * 100, b'abdefgxh' * 100
        self.c('set', 'a', a)
        self.c('set', 'b', b)
        took = self.turns('lcs', 'a', 'b', 'len')
        self.assertGreaterEqual(took[1], 800 * 800 // (32 << 10))
        self.assertEqual(self.c('lcs', 'a', 'b').count(b'abdefgh'), 100)
        self.assertEqual(took[0], 700)

    def each(self, want, commands):
        for words in commands:
            self.c.say(*words)
        for _ in commands:
            self.assertEqual(self.c.answer(), want)

    def test_many_keys(self):
        """Keys that are not in the cache are brought together: one poll does not wait for each."""
        cnt = 5000
        self.each('+OK', [('set', 'k%d' % i, 'x') for i in range(cnt)])
        answer, took = self.turns('exists', *('k%d' % i for i in range(cnt)))
        self.assertEqual(answer, cnt)
        self.assertLess(took, cnt // 4)

    def test_many_keys_of_a_transaction(self):
        """The same before everybody waits for it; what follows sees what it writes itself."""
        cnt = 5000
        self.each('+OK', [('set', 'k%d' % i, i) for i in range(cnt)])
        self.assertEqual(self.c('multi'), '+OK')
        self.each('+QUEUED', [('get', 'k%d' % i) for i in range(cnt)] +
                  [('set', 'k0', 'new'), ('get', 'k0'), ('get', 'none'), ('mget', 'k1', 'k2')])
        answer, took = self.turns('exec')
        self.assertEqual(answer, [b'%d' % i for i in range(cnt)] +
                         ['+OK', b'new', None, [b'1', b'2']])
        self.assertLess(took, cnt // 4)

    def test_many_writes_of_a_transaction(self):
        """They are acknowledged together, not one after the other while everybody waits. Each is
        answered for itself, and what is read is what was written before it."""
        c, cnt = self.c, 960
        self.assertEqual(c('set', 'text', 'x'), '+OK')
        wrong = '-WRONGTYPE Operation against a key holding the wrong kind of value'
        for n, want, *commands in (
                (cnt, lambda i: i + 1, 'incr n'), (cnt, lambda i: '+OK', 'set k%d %d'),
                (cnt, lambda i: 1, 'hset h %d v'), (cnt, lambda i: 1, 'sadd s %d'),
                (cnt, lambda i: i + 1, 'lpush l %d'), (cnt, lambda i: 1, 'zadd z %d %d'),
                (cnt + cnt // 3, lambda i: (cnt + i // 3 + 1, 1, wrong)[i % 3],
                 'incr n', 'expire n 1000', 'lpush text y')):
            said = [commands[i % len(commands)].replace('%d', str(i)).split() for i in range(cnt)]
            self.assertEqual(c('multi'), '+OK')
            self.each('+QUEUED', said + [('get', 'n'), ('incrby', 'n', 9), ('get', 'n'),
                                         ('decrby', 'n', 9)])
            before = self.metric('cache_set_published')
            self.assertEqual(c('exec'), [want(i) for i in range(cnt)] +
                             [b'%d' % n, n + 9, b'%d' % (n + 9), n])
            self.assertLess(self.metric('cache_set_published') - before, cnt // 4, commands)

    def test_nobody_comes_between(self):
        """Whatever others say while a transaction is at work, and however they say it."""
        c, cnt, others = self.c, 2000, [self.client() for _ in range(4)]
        said = (b'set n x\r\nget n\r\nmulti\r\nincr m\r\nexec\r\n',
                b'watch m\r\nmulti\r\nset n y\r\nincr m\r\nexec\r\n',
                b'*3\r\n$3\r\nset\r\n$1\r\nn\r\n$5\r\nmulti\r\n' +
                b'*1\r\n$5\r\nmulti\r\n*1\r\n$4\r\nexec\r\n',
                b'*1\r\n$5\r\nmulti\r\n*2\r\n$3\r\ndel\r\n$1\r\nn\r\n*1\r\n$4\r\nexec\r\n' +
                b'msetnx n z m1 z\r\n')
        made = 0
        for _ in range(20):
            self.assertEqual(c('multi'), '+OK')
            self.each('+QUEUED', [('set', 'n', 0)] + [('incr', 'n')] * cnt + [('get', 'n')])
            c.say('exec')
            for other, words in zip(others, said):
                other.send(words)
            self.assertEqual(c.answer(), ['+OK', *range(1, cnt + 1), b'%d' % cnt])
            one, watched, *_ = [[other.answer() for _ in range(k)]
                                for other, k in zip(others, (5, 5, 3, 4))]
            counts = one[4] + (watched[4][1:] if watched[4] else [])    # None: m was changed
            self.assertEqual(sorted(counts), [*range(made + 1, made + 1 + len(counts))])
            made += len(counts)
        self.assertEqual(c('get', 'm'), b'%d' % made)

    def test_who_came_first_goes_first(self):
        """Behind a transaction. (The kernel may tell of some at once in another order.)"""
        c, others, off = self.c, [self.client() for _ in range(32)], []
        for _ in range(3):
            self.assertEqual(c('multi'), '+OK')
            self.each('+QUEUED', [('incr', 'n')] * 10000)
            c.say('exec')
            for i, other in enumerate(others):
                other.send(b'multi\r\nrpush order %d\r\nexec\r\n' % i)
            self.assertEqual(len(c.answer()), 10000)
            places = [[other.answer() for _ in range(3)][2][0] for other in others]
            self.assertEqual(sorted(places), [*range(1, 33)])
            off.append(max(abs(i + 1 - at) for i, at in enumerate(places)))
            c('del', 'order')
        self.assertLessEqual(min(off), 8, off)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
