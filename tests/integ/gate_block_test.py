#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_block_test.py MICROBURST

Goal:   who waits longest for an item is served first, also an error in its place: nobody who comes
        later, with all its keys here, just when the item shows, is before it. Nor is who waits
        behind it, if it looks for what another one takes just then.
        Who has waited for the end of CLIENT PAUSE is as others afterwards.
Method: a node with one gate and one with two; one or two clients that wait (which is seen) while
        others come all the time to the same list, and leave after a moment; then one item is
        pushed. Rounds are many, as the moment is short.
"""
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until   # noqa: E402
from resp import Raw, port_of   # noqa: E402

MICROBURST = sys.argv[1]
ROUNDS, COMERS = 150, 6
WAIT_S = 20


class Blocks(unittest.TestCase):
    gates = 1

    def setUp(self):
        self.node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', '--set',
                         f'gate.tiles={self.gates}')
        self.addCleanup(self.node.remove)
        self.c = self.client()

    def client(self):
        c = Raw(port_of(self.node))
        self.addCleanup(c.close)
        return c

    def waits(self, number):
        """A client is seen waiting."""
        until(lambda: b' flags=b ' in self.c('client', 'list', 'id', number), WAIT_S, 'it waits')

    def pushes_among_comers(self, push, first, comers):
        """[what the first one was answered, for each round]; the others come and leave."""
        stop, told = threading.Event(), []
        waiter, pusher, answers = self.client(), self.client(), []
        number = waiter('client', 'id')

        came = [0] * len(comers)

        def come(i, c, words):
            while not stop.is_set():
                got = c(*words)
                if got is not None:
                    told.append(got)
                came[i] += 1

        threads = [threading.Thread(target=come, args=(i, self.client(), words))
                   for i, words in enumerate(comers)]
        for t in threads:
            t.start()
        try:
            for i in range(ROUNDS):
                waiter.say(*first)
                self.waits(number)
                before = came[:]    # those that wait longer than it, until they have left
                until(lambda n=before: all(a > b for a, b in zip(came, n)), WAIT_S, 'they left')
                for _ in range(20 if self.gates > 1 else 0):    # it goes to the other gate
                    pusher('get', 'none')
                pusher(*push, f'item {i}')
                answers.append(waiter.answer())
                until(lambda: self.c('llen', 'q') == 0, WAIT_S, 'another one took it')
        finally:
            stop.set()
            for t in threads:
                t.join()
        return answers, told

    def test_who_waits_longest_is_first(self):
        for first in (('blpop', 'q', 0), ('blmpop', 0, 2, 'other', 'q', 'left')):
            comers = [('blpop', 'q', '0.001'), ('brpop', 'none', 'q', '0.001')] * (COMERS // 2)
            answers, told = self.pushes_among_comers(('rpush', 'q'), first, comers)
            self.assertEqual(told, [], 'others got an item before who waited')
            self.assertEqual(len(answers), ROUNDS)

    def test_an_error_is_first_too(self):
        self.c('set', 'text', 'x')
        comers = [('brpoplpush', 'q', 'to', '0.001')] * COMERS
        answers, told = self.pushes_among_comers(('rpush', 'q'),
                                                 ('brpoplpush', 'q', 'text', 0), comers)
        self.assertEqual([a for a in answers if not a.startswith('-WRONGTYPE')], [])
        self.assertEqual((len(told), self.c('llen', 'to')), (ROUNDS, ROUNDS))

    def test_two_wait_one_of_them_for_an_error(self):
        self.c('set', 'text', 'x')
        one, two = self.client(), self.client()
        numbers = [w('client', 'id') for w in (one, two)]
        for i in range(4 * ROUNDS):
            one.say('brpoplpush', 'q', 'text', 0)
            self.waits(numbers[0])
            two.say('brpoplpush', 'q', f'to{i % 7}', 0)
            self.waits(numbers[1])
            self.c('lpush', 'q', 'item')
            self.assertRegex(one.answer(), '^-WRONGTYPE')
            self.assertEqual(two.answer(), b'item')

    def test_what_is_being_taken_is_no_choice(self):
        """Items of two lists show at once. Who finds one list being emptied has the other."""
        waiters = [self.client() for _ in range(4)]
        asks = [('left', 1), ('right', 10), ('left', 10), ('right', 1)]
        numbers = [w('client', 'id') for w in waiters]
        for _ in range(ROUNDS):
            for w, number, (end, cnt) in zip(waiters, numbers, asks):
                w.say('blmpop', 0, 2, 'a', 'b', end, 'count', cnt)
                self.waits(number)
            self.c.send(b'multi\r\nlpush a a b c d e\r\nlpush b 1 2 3 4 5\r\nexec\r\n')
            self.assertEqual([self.c.answer() for _ in range(4)][3], [5, 5])
            self.assertEqual([w.answer() for w in waiters[:3]],
                             [[b'a', [b'e']], [b'a', [b'a', b'b', b'c', b'd']],
                              [b'b', [b'5', b'4', b'3', b'2', b'1']]])
            self.c('lpush', 'b', 'last')
            self.assertEqual(waiters[3].answer(), [b'b', [b'last']])

    def test_who_was_paused_is_as_others_again(self):
        """It is not taken for one that waits, nor is it kept when it leaves behind a pop."""
        for _ in range(ROUNDS):
            c = self.client()
            self.c('client', 'pause', 60000, 'write')
            c.say('rpush', 'q', 'item')
            until(lambda: b'blocked_clients:1' in self.c('info', 'clients'), WAIT_S, 'it waits')
            self.c('client', 'unpause')
            self.assertEqual(c.answer(), 1)
            self.assertIn(b'blocked_clients:0', self.c('info', 'clients'))
            c.say('lpop', 'q')
            c.close()
            until(lambda: self.c('llen', 'q') == 0, WAIT_S, 'the item is taken')
        until(lambda: b'connected_clients:1\r' in self.c('info', 'clients'), WAIT_S, 'they left')


class BlocksOfTwoGates(Blocks):
    gates = 2


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
