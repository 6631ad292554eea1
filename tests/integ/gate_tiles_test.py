#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_tiles_test.py MICROBURST SOURCE

Goal:   with several gate tiles a client sees what it sees with one: connections that only read and
        write are dealt out, and what concerns all of them is still one whole.
Method: a node with three gate tiles; connections that are seen to be elsewhere (they are clients of
        the node, and not of its first gate), and commands that have to find them there. A node of
        one cpu, on which clients may run too: whether it gives the cpu away while it looks.
"""
import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until   # noqa: E402
from resp import Raw, port_of   # noqa: E402

MICROBURST, SOURCE = sys.argv[1:3]
NODE = {}
PLAIN = 40      # plain commands, one behind the other, after which a connection is elsewhere
WAIT_S = 60


def cpu_s(node):
    with open(f'/proc/{node.process.pid}/stat', encoding='utf-8') as f:
        return sum(map(int, f.read().rsplit(')', 1)[1].split()[11:13])) / os.sysconf('SC_CLK_TCK')


def sleeps(node):
    """Whether each of its threads does."""
    for tid in os.listdir(f'/proc/{node.process.pid}/task'):
        with open(f'/proc/{node.process.pid}/task/{tid}/stat', encoding='utf-8') as f:
            if f.read().rsplit(')', 1)[1].split()[0] != 'S':
                return False
    return True


def setUpModule():
    node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', '--set', 'gate.tiles=3', '--set',
                'cache.tiles=2', '--set', 'gate.slowlog=1us')
    unittest.addModuleCleanup(node.remove)
    NODE['node'], NODE['port'] = node, port_of(node)


class Tiles(unittest.TestCase):
    def setUp(self):
        self.c = self.client()
        until(lambda: self.info('clients')['connected_clients'] == '1', WAIT_S, 'their end')
        self.assertEqual(self.c('flushall'), '+OK')

    def client(self):
        c = Raw(NODE['port'])
        self.addCleanup(c.close)
        return c

    def info(self, section):
        lines = self.c('info', section).decode().split('\r\n')
        return dict(line.split(':', 1) for line in lines if ':' in line)

    def elsewhere(self):
        clients = self.info('clients')
        return int(clients['connected_clients']) - int(clients['microburst_home_clients'])

    def dealt(self, cnt):
        """Connections that other gates serve; among cnt + those at home at least half of them."""
        before, clients = self.elsewhere(), [self.client() for _ in range(cnt)]
        for c in clients:
            for i in range(PLAIN):
                c.say('set', f'dealt{i % 3}', i)
            for _ in range(PLAIN):
                self.assertEqual(c.answer(), '+OK')
            self.assertEqual(c('echo', 'still'), b'still')
        until(lambda: self.elsewhere() >= before + cnt // 2, WAIT_S, 'clients that are dealt out')
        return clients

    def test_connections_are_dealt_out_and_come_home(self):
        clients = self.dealt(9)
        ids = []
        for c in clients:
            c.say('get', 'dealt0')
            c.say('client', 'id')
            c.say('get', 'dealt0')
            self.assertEqual(c.answer(), b'39')
            ids.append(c.answer())
            self.assertEqual(c.answer(), b'39')
        self.assertEqual(len(set(ids)), 9)
        self.assertEqual(self.elsewhere(), 0)

    def test_answers_stay_in_order(self):
        clients, want = [self.client() for _ in range(6)], []
        for turn in range(300):
            for k, c in enumerate(clients):
                if turn % 30 == 29 and k % 2 == 0:
                    c.say('publish', 'nobody', turn)
                else:
                    c.say('hincrby', f'h{k}', 'n', 1)
        for k, c in enumerate(clients):
            got, want = [c.answer() for _ in range(300)], []
            for turn in range(300):
                published = turn % 30 == 29 and k % 2 == 0
                want.append(0 if published else want[-1] + 1 if want and want[-1] else
                            sum(1 for w in range(turn) if w % 30 != 29 or k % 2) + 1)
            self.assertEqual(got, want)

    def test_what_one_publishes_others_hear(self):
        listener = self.client()
        self.assertEqual(listener('subscribe', 'news'), [b'subscribe', b'news', 1])
        large = b'x' * 300000
        for c in self.dealt(4):
            for text in (b'small', large):
                self.assertEqual(c('publish', 'news', text), 1)
                self.assertEqual(listener.answer(), [b'message', b'news', text])

    def test_whoever_waits_for_an_item_gets_it(self):
        clients, waiter = self.dealt(4), self.client()
        for i, c in enumerate(clients):
            waiter.say('blpop', 'queue', 0)
            until(lambda: self.info('clients')['blocked_clients'] == '1', WAIT_S, 'who waits')
            self.assertEqual(c('rpush', 'queue', i), 1)
            self.assertEqual(waiter.answer(), [b'queue', str(i).encode()])

    def test_a_future_is_known_to_whoever_asks(self):
        """Whoever was given its id is not told that there is no such thing."""
        self.assertEqual(NODE['node'].run('deploy', f'{SOURCE}/examples/increment.c')[0], 0)
        callers = self.dealt(6)
        for i in range(300):
            c = callers[i % len(callers)]
            for _ in range(PLAIN):      # if it came home: it goes again
                self.assertEqual(c('echo', 'x'), b'x')
            future = c('mb.call', 'future', 'increment', i)
            self.assertEqual((self.c if i % 2 else c)('mb.future', future), i + 1)

    def test_each_member_comes_out_once(self):
        """Of many clients that pop at once, at several gates, beside one that adds."""
        clients, adder = self.dealt(6), self.client()
        for word in ('spop', 'zpopmin', 'zpopmax'):
            add = ('sadd', word) if word == 'spop' else ('zadd', word, 1)
            for n in range(300):
                self.c(*add, n)
            for n in range(300, 600):
                adder.say(*add, n)
            for _ in range(110):
                for c in clients:
                    c.say(word, word)
            for n in range(300, 600):
                self.assertEqual(adder.answer(), 1)
            out = [c.answer() for c in clients for _ in range(110)]
            while self.c('exists', word):
                out.append(self.c(word, word))
            out = [a if word == 'spop' else a[0] for a in out if a]
            self.assertEqual(sorted(map(int, out)), list(range(600)))

    def test_many_take_the_first_of_a_long_set(self):
        """Each member comes out once, in order, though others are added on either side; and soon:
        each look at all of them serves many."""
        cnt, most = 3000, 6000
        for clients in ([self.client() for _ in range(20)], self.dealt(10)):
            for word, sign in (('zpopmin', 1), ('zpopmax', -1)):
                pairs = [(sign * (n * 7919 % cnt), n) for n in range(cnt)]
                for at in range(0, cnt, 100):
                    self.c('zadd', word, *(x for pair in pairs[at:at + 100] for x in pair))
                adder, began = self.client(), cpu_s(NODE['node'])
                for c in clients:
                    for _ in range(most // 2 // len(clients)):
                        c.say(word, word)
                for n in range(most - cnt):
                    adder.say('zadd', word, sign * (cnt + n if n % 100 else -1 - n), cnt + n)
                out = [[c.answer() for _ in range(most // 2 // len(clients))] for c in clients]
                for n in range(most - cnt):
                    self.assertEqual(adder.answer(), 1)
                self.assertLess(cpu_s(NODE['node']) - began, 10)
                for popped in out:
                    scores = [sign * float(score) for _, score in popped]
                    scores = [score for score in scores if score >= 0]
                    self.assertEqual(scores, sorted(scores))
                gone = [int(m) for popped in out for m, _ in popped]
                gone += map(int, self.c('zrange', word, 0, -1))
                self.assertEqual(sorted(gone), list(range(most)))
                self.c('del', word)

    def test_all_clients_are_listed_and_can_be_closed(self):
        clients = self.dealt(6)
        for i, c in enumerate(clients):
            self.assertEqual(c('client', 'setname', f'name{i}'), '+OK')
            for _ in range(PLAIN):
                self.assertEqual(c('set', 'k', 'v'), '+OK')
        until(lambda: self.elsewhere() >= 3, WAIT_S, 'clients that are dealt out')
        listed = {}
        for line in self.c('client', 'list').decode().splitlines():
            row = dict(word.split('=', 1) for word in line.split(' '))
            listed[row['name']] = row
        self.assertEqual(len(listed), 7)
        for i in range(6):
            self.assertEqual(listed[f'name{i}']['cmd'], 'set')
            self.assertEqual(listed[f'name{i}']['user'], 'default')
        for i in range(3):
            self.assertEqual(self.c('client', 'kill', 'id', listed[f'name{i}']['id']), 1)
            self.assertTrue(clients[i].ended())
        self.assertEqual(self.c('client', 'kill', 'addr', '127.0.0.1:1'), 0)
        self.assertEqual(self.c('client', 'kill', 'type', 'normal'), 3)
        for c in clients[3:]:
            self.assertTrue(c.ended())
        until(lambda: self.info('clients')['connected_clients'] == '1', WAIT_S, 'their end')

    def test_who_closes_itself_too_hears_how_many(self):
        """And only then sees its end; what it says behind that is not done."""
        for kill, within in ((('type', 'normal', 'skipme', 'no'), False),
                             (('type', 'normal', 'skipme', 'no'), True),
                             (('user', 'default', 'skipme', 'no'), False)):
            others, last = self.dealt(4), self.client()
            last.send(b'*1\r\n$5\r\nMULTI\r\n' if within else b'')
            last.say('client', 'kill', *kill)
            last.say('exec' if within else 'set', *(() if within else ('behind', 'x')))
            heard = [last.answer() for _ in range(3 if within else 1)]
            self.assertEqual(heard, ['+OK', '+QUEUED', [6]] if within else [6], kill)
            for c in (*others, last):
                self.assertTrue(c.ended())
            self.assertEqual(bytes(last.buffer), b'', kill)
            self.c = self.client()
            until(lambda: self.info('clients')['connected_clients'] == '1', WAIT_S, 'their end')
            self.assertEqual(self.c('exists', 'behind'), 0)

    def test_nobody_writes_within_a_transaction(self):
        writers, stop = self.dealt(4), threading.Event()

        def write(c):
            while not stop.is_set():
                c('incr', 'both')

        threads = [threading.Thread(target=write, args=(c,)) for c in writers]
        for t in threads:
            t.start()
        try:
            for _ in range(60):
                self.c('multi')
                for _ in range(4):
                    self.c('get', 'both')
                got = self.c('exec')
                self.assertEqual(len(set(got)), 1, got)
        finally:
            stop.set()
            for t in threads:
                t.join()

    def test_a_long_write_goes_on_after_a_transaction(self):
        """More members than one write set has room for; a transaction begins between two sets."""
        stop = threading.Event()

        def transact(c):
            while not stop.is_set():
                for words in (('multi',), ('incr', 'n'), ('exec',)):
                    c.say(*words)
                self.assertEqual([c.answer() for _ in range(2)], ['+OK', '+QUEUED'])
                c.answer()

        others = [threading.Thread(target=transact, args=(self.client(),)) for _ in range(2)]
        for t in others:
            t.start()
        try:
            clients = [self.client() for _ in range(3)]
            for _ in range(10):
                for i, c in enumerate(clients):
                    c.say('sadd', f's{i}', *range(300))
                    c.say('del', f's{i}')
                for c in clients:
                    self.assertEqual([c.answer(), c.answer()], [300, 1])
        finally:
            stop.set()
            for t in others:
                t.join()

    def test_one_that_waits_for_the_gates_while_its_replies_are_due(self):
        """What is alone waits for the end of the one before it, however its connection came."""
        self.assertEqual(self.c('msetnx', 'there', 1), 1)
        for i in range(20):
            for words in (('msetnx', 'there', 1), ('srem', '', 'refused at once'),
                          ('msetnx', f'new{i}', 1)):
                self.c.say(*words)
            self.assertEqual(self.c.answer(), 0)
            self.assertTrue(self.c.answer().startswith('-ERR a key'))
            self.assertEqual(self.c.answer(), 1)

    def test_a_watched_key_that_another_changes(self):
        other = self.dealt(2)
        for c in other:
            self.assertEqual(self.c('watch', 'w'), '+OK')
            self.c('multi')
            self.c('set', 'w', 'mine')
            self.assertEqual(c('set', 'w', 'theirs'), '+OK')
            self.assertIsNone(self.c('exec'))
            self.assertEqual(self.c('get', 'w'), b'theirs')

    def test_monitor_shows_all(self):
        clients, monitor = self.dealt(4), self.client()
        self.assertEqual(monitor('monitor'), '+OK')
        for i, c in enumerate(clients):
            self.assertEqual(c('set', f'shown{i}', 'v'), '+OK')
            self.assertIn(f'"set" "shown{i}" "v"', monitor.answer())
        self.assertEqual(self.c('ping'), '+PONG')

    def test_pause_holds_all_writers(self):
        clients = self.dealt(4)
        self.assertEqual(self.c('client', 'pause', 1000000, 'write'), '+OK')
        for c in clients:
            c.say('get', 'dealt0')
            self.assertEqual(c.answer(), b'39')
            c.say('set', 'dealt0', 'late')
        until(lambda: self.info('clients')['blocked_clients'] == '4', WAIT_S, 'who is held')
        self.assertEqual(self.c('get', 'dealt0'), b'39')
        self.assertEqual(self.c('client', 'unpause'), '+OK')
        for c in clients:
            self.assertEqual(c.answer(), '+OK')

    def test_rights_that_are_taken_are_taken_everywhere(self):
        clients = self.dealt(4)
        self.assertEqual(self.c('acl', 'setuser', 'default', '-set'), '+OK')
        try:
            for c in clients:
                self.assertTrue(c('set', 'k', 'v').startswith('-NOPERM'))
                self.assertEqual(c('get', 'dealt0'), b'39')
        finally:
            self.assertEqual(self.c('acl', 'setuser', 'default', '+@all'), '+OK')

    def test_all_is_counted(self):
        clients = self.dealt(6)
        self.assertEqual(self.c('config', 'resetstat'), '+OK')
        for c in clients:
            for _ in range(PLAIN):
                c('incr', 'n')
            self.assertTrue(c('hget', 'n', 'f').startswith('-WRONGTYPE'))
        stat = self.info('commandstats')
        self.assertIn(f'calls={6 * PLAIN},', stat['cmdstat_incr'])
        self.assertIn('failed_calls=6', stat['cmdstat_hget'])
        self.assertEqual(self.info('errorstats')['errorstat_WRONGTYPE'], 'count=6')
        histogram = self.c('latency', 'histogram', 'incr')
        self.assertEqual(histogram[1][1], 6 * PLAIN)
        self.c('slowlog', 'reset')
        for c in clients:
            c('getset', 'dealt1', 'slow')
        seen = {row[4] for row in self.c('slowlog', 'get', -1) if row[3][0] == b'getset'}
        self.assertEqual(len(seen), 6)

    def test_all_are_told_what_is_slow(self):
        clients = self.dealt(6)
        self.addCleanup(lambda: self.client()('config', 'set', 'slowlog-log-slower-than', 1))
        for us, slow in ((-1, 0), (0, 6)):
            self.assertEqual(self.c('config', 'set', 'slowlog-log-slower-than', us), '+OK')
            self.c('slowlog', 'reset')
            for c in clients:
                c('getset', 'dealt1', 'slow')
            seen = [row for row in self.c('slowlog', 'get', -1) if row[3][0] == b'getset']
            self.assertEqual(len(seen), slow)

    def test_they_come_and_go(self):
        for turn in range(20):
            clients = [self.client() for _ in range(8)]
            for c in clients:
                for i in range(PLAIN):
                    c.say('incr', f'turn{turn}')
            for c in clients[:4]:
                c.close()
            for c in clients[4:]:
                for _ in range(PLAIN):
                    self.assertIsInstance(c.answer(), int)
                c.close()
        until(lambda: self.info('clients')['connected_clients'] == '1', WAIT_S, 'their end')
        self.assertEqual(self.elsewhere(), 0)


class SharedCpu(unittest.TestCase):
    turns = 100     # of an answer, and looks behind it until the node sleeps

    def did(self, cpu_cnt):
        """What the lcores of a node of so many cpus did in so many turns."""
        cpus = sorted(os.sched_getaffinity(0))[:cpu_cnt]
        if len(cpus) < cpu_cnt:
            self.skipTest(f'there are no {cpu_cnt} cpus')
        node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0',
                    within=('taskset', '-c', ','.join(map(str, cpus))))
        self.addCleanup(node.remove)
        c = Raw(port_of(node))
        self.addCleanup(c.close)

        def lcores():
            rows = node.json('status')['lcores']
            return {name: sum(row[name] for row in rows) for name in rows[0]}

        before = lcores()
        for _ in range(self.turns):
            self.assertEqual(c('ping'), '+PONG')
            time.sleep(0.002)
            until(lambda: sleeps(node), WAIT_S, 'a node that sleeps')
        return {name: value - before[name] for name, value in lcores().items()}

    def test_who_looks_for_what_comes_gives_the_cpu_away(self):
        did = self.did(2)
        self.assertGreaterEqual(did['lcore_spin_refused'], self.turns // 4, did)

    def test_on_the_only_cpu_it_soon_sleeps(self):
        did = self.did(1)
        self.assertGreaterEqual(did['lcore_nap_begun'], self.turns // 2, did)
        self.assertLess(did['lcore_nap_refused'], self.turns // 2, did)
        self.assertLess(did['lcore_pass_run'], 50 * self.turns, did)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
