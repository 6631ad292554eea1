#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_fuzz_test.py MICROBURST [SECONDS]

Goal:   whatever words a command is given, it is answered, and the node stays.
Method: every command of the node's own list (but those that wait, end or change the connection),
        with words drawn from keys of each type, numbers at the edges, options of any command, and
        nonsense; alone, several at once, in transactions. The seed is printed: MB_TEST_SEED. For
        longer, and with a daemon under sanitizers: SECONDS.
"""
import os
import random
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node               # noqa: E402
from resp import Raw, port_of       # noqa: E402

MICROBURST = sys.argv[1]
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 4
SEED = int(os.environ.get('MB_TEST_SEED', '1'))
# They wait, end something, leave the connection in another state, or have several answers.
LEFT_OUT = set('''shutdown monitor quit debug auth acl config client reset hello wait waitaof multi
    exec discard blpop brpop blmove brpoplpush bzpopmin bzpopmax bzmpop blmpop subscribe psubscribe
    ssubscribe unsubscribe punsubscribe sunsubscribe'''.split())
KEYS = [b'text', b'number', b'list', b'set', b'hash', b'zset', b'long', b'set of many',
        b'list of many', b'none', b'other', b'', b'k' * 1024, b'k' * 1025, b'\xffmicroburst/x']
NUMBERS = [b'0', b'1', b'-1', b'2', b'100', b'-100', b'536870911', b'2147483648', b'4294967296',
           b'9223372036854775807', b'-9223372036854775808', b'9223372036854775808', b'1.5', b'inf',
           b'-inf', b'nan', b'1e400', b'0x10', b' 1', b'(1', b'[a', b'-', b'+', b'u8', b'i64',
           b'#1', b'#536870911']
WORDS = [b'', b'a', b'*', b'?', b'[', b'[a-', b'\\', b'\0', b'\xff' * 10, b'x' * 300, b'*->a',
         b'w_*']
OPTIONS = (b'WITHSCORES LIMIT COUNT MATCH NX XX GT LT CH INCR EX PX KEEPTTL GET SET '
           b'INCRBY OVERFLOW SAT FAIL WRAP BY STORE ALPHA DESC REPLACE ABSTTL IDLETIME '
           b'FREQ REV BYSCORE BYLEX WEIGHTS AGGREGATE MIN MAX LEFT RIGHT BEFORE AFTER IDX '
           b'LEN MINMATCHLEN AND OR XOR NOT BYTE BIT RANK MAXLEN WITHVALUES TYPE ENCODING '
           b'PERSIST').split()


class Client(Raw):
    """Errors show what they were given, whatever bytes that is."""

    def line(self):
        return super().line().decode('latin-1').encode('ascii', 'replace')


class Fuzz(unittest.TestCase):
    def setUp(self):
        self.node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0')
        self.addCleanup(self.node.remove)
        self.c = Client(port_of(self.node))
        self.addCleanup(self.c.close)
        self.random = random.Random(SEED)
        self.dumps = [b'']

    def fill(self):
        for words in (('DEL', *KEYS[:11]), ('SET', 'text', 'hello'), ('SET', 'number', 42),
                      ('RPUSH', 'list', 'a', 'b', 3), ('SADD', 'set', 'a', 1, 2),
                      ('HSET', 'hash', 'f', 1, 'a', 'b'), ('ZADD', 'zset', 1, 'a', 2, 'b'),
                      ('SET', 'long', 'q' * 100_000),
                      ('SADD', 'set of many', *[f'm{i}' for i in range(2000)]),
                      ('RPUSH', 'list of many', *range(2000))):
            self.assertNotRegex(str(self.c(*words)), '^-', words)

    def word(self, first):
        draw = self.random.random()
        if draw < (0.75 if first else 0.25):
            return self.random.choice(KEYS)
        if draw < 0.9:
            return self.random.choice(self.random.choice((NUMBERS, WORDS, OPTIONS)))
        if draw < 0.95:
            dump = bytearray(self.random.choice(self.dumps))
            if dump and self.random.random() < 0.5:
                dump[self.random.randrange(len(dump))] ^= 1 << self.random.randrange(8)
            return bytes(dump)
        return self.random.randbytes(self.random.randrange(40))

    def command(self, commands):
        name, arity = self.random.choice(commands)
        cnt = abs(arity) - 1 + (self.random.choice((0, 0, 1, 2, 3, 4, 6, 9)) if arity < 0 else 0)
        return [name, *[self.word(i == 0) for i in range(cnt)]]

    def test_second_keys_too_long(self):
        """Refused, and what was looked at before stays as it is."""
        self.fill()
        for words in (('RPOPLPUSH', 'list'), ('RENAME', 'text'), ('COPY', 'set'), ('LCS', 'text'),
                      ('SINTER', 'set'), ('ZDIFF', 2, 'zset'), ('SORT', 'list', 'STORE'),
                      ('LMOVE', 'list', b'k' * 1025, 'LEFT'), ('SMOVE', 'set', b'k' * 1025)):
            last = {'LMOVE': b'RIGHT', 'SMOVE': b'a'}.get(words[0], b'k' * 1025)
            for _ in range(20):
                self.assertRegex(str(self.c(*words, last)), '^-', words)
        self.assertEqual(self.c('LRANGE', 'list', 0, -1), [b'a', b'b', b'3'])
        self.assertEqual(self.c('SCARD', 'set'), 3)
        self.assertEqual(self.c('GET', 'text'), b'hello')

    def test_fields_too_long(self):
        """Refused once: not again and again."""
        for words in (('HSETNX', 'h', b'f' * 1025, 'v'), ('ZADD', 'z', 'NX', 1, b'f' * 1025),
                      ('HINCRBYFLOAT', 'h', b'f' * 1025, 1), ('HSET', 'h', b'f' * 1025, 'v')):
            self.assertRegex(str(self.c(*words)), '^-', words)
            self.assertEqual(self.c('ECHO', 'next'), b'next', words)

    def test_each_is_answered(self):
        commands = [(c[0], int(c[1])) for c in self.c('COMMAND') if c[0].decode() not in LEFT_OUT]
        self.assertGreater(len(commands), 150)
        end = time.monotonic() + SECONDS
        print(f'MB_TEST_SEED={SEED}', file=sys.stderr)
        said = done = 0
        while time.monotonic() < end:
            if done % 500 == 0:
                self.fill()
            words = self.command(commands)
            shape = self.random.random()
            several = [words] * (3 if shape < 0.1 else 1)
            if shape > 0.97:
                several = [['MULTI'], words, words, ['EXEC']]
            try:
                for each in several:
                    self.c.say(*each)
                answers = [self.c.answer() for _ in several]
            except (EOFError, ConnectionError) as error:
                raise AssertionError(f'{words} ended the connection') from error
            if words[0].lower() == b'dump' and isinstance(answers[-1], bytes):
                self.dumps = self.dumps[-20:] + [answers[-1]]
            mark = b'%d' % done
            self.assertEqual(self.c('ECHO', mark), mark, words) # each was answered once
            done += 1
            said += not str(answers[-1]).startswith('-')
        self.assertGreater(said, done / 10)
        self.assertEqual(self.c('PING'), '+PONG')
        self.assertNotIn('runtime error', self.node.said())     # of a daemon under sanitizers


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
