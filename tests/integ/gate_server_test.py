#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_server_test.py MICROBURST SOURCE

Goal:   what the gate does beside values: messages to those who listen, calls by request ids and
        messages to calls, users and their rights, and what it shows of clients and commands.
Method: a node of its own, with small limits, and sockets of this program, as in gate_test.py.
"""
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until   # noqa: E402
from resp import Raw, port_of   # noqa: E402

MICROBURST, SOURCE = sys.argv[1:3]
ANSWER_S = 60

FUNCTIONS = r"""
#include <microburst/function.h>
#include <stdio.h>

MB_FUNCTION(sleeps)
{
    volatile int64_t i, n;
    MB_TRY(mb_arg_i64(call, 0, (int64_t *)&n));
    for (i = 0; i < n; i++) { }
    return 0;
}
MB_FUNCTION(hears)
{
    char self[17];
    struct mb_message got;
    snprintf(self, sizeof(self), "%016llx", (unsigned long long)mb_self(call));
    MB_TRY(mb_put(call, mb_str("who"), mb_str(self)));
    MB_TRY(mb_flush(call));
    MB_TRY(mb_recv(call, 20000000000ull, &got));
    return mb_return_utf8(call, got.bytes);
}
MB_FUNCTION(puts) { return mb_put(call, mb_str("put"), mb_str("yes")); }
MB_FUNCTION(writes) { return mb_put(call, mb_str("written"), mb_str("yes")); }
"""
NODE = {}


def is_read(fifo):
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def node_start(**settings):
    args = ['--set', 'gate.listen=127.0.0.1:0']
    for key, value in settings.items():
        args += ['--set', f'gate.{key}={value}']
    node = Node(MICROBURST, *args)
    return node, port_of(node)


def setUpModule():
    node, NODE['port'] = node_start(memory='16m', backlog='256k', slowlog='50ms')
    unittest.addModuleCleanup(node.remove)
    node.deploy(FUNCTIONS)
    for name in 'increment', 'echo':
        code, _, said = node.run('deploy', f'{SOURCE}/examples/{name}.c')
        if code != 0:
            raise RuntimeError(said)
    node.run('dag', 'add', 'twice', 'increment -> increment#2')


class Case(unittest.TestCase):
    def setUp(self):
        self.clients = []
        self.c = self.client()
        until(lambda: b'\r\nconnected_clients:1\r\n' in self.c('info', 'clients'), ANSWER_S,
              'the end of those before')
        self.assertEqual(self.c('FLUSHALL'), '+OK')

    def client(self, port=None):
        c = Raw(port or NODE['port'])
        self.clients.append(c)
        return c

    def tearDown(self):
        for c in self.clients:
            c.close()


class Server(Case):
    def test_publish_and_subscribe(self):
        c, s, p = self.c, self.client(), self.client()
        self.assertEqual(s('subscribe', 'news', 'sport', 'news'), [b'subscribe', b'news', 1])
        self.assertEqual([s.answer(), s.answer()],
                         [[b'subscribe', b'sport', 2], [b'subscribe', b'news', 2]])
        self.assertEqual(s('psubscribe', 'n?ws'), [b'psubscribe', b'n?ws', 3])
        self.assertEqual(s('get', 'a'), "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / "
                         '(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context')
        self.assertEqual([s('ping'), s('ping', 'x')], [[b'pong', b''], [b'pong', b'x']])
        p('hello', 3)
        self.assertEqual(p('ssubscribe', 'news'), [b'ssubscribe', b'news', 1])
        self.assertEqual(p('set', 'a', 1), '+OK')
        self.assertEqual([c('publish', 'news', 'hear'), c('publish', 'none', 'x'),
                          c('spublish', 'news', 'ye')], [2, 0, 1])
        self.assertEqual([s.answer(), s.answer()], [[b'message', b'news', b'hear'],
                                                    [b'pmessage', b'n?ws', b'news', b'hear']])
        self.assertEqual(p.answer(), [b'smessage', b'news', b'ye'])
        self.assertEqual(sorted(c('pubsub', 'channels')), [b'news', b'sport'])
        self.assertEqual(c('pubsub', 'channels', 's*'), [b'sport'])
        self.assertEqual([c('pubsub', 'numsub', 'news', 'x'), c('pubsub', 'numpat')],
                         [[b'news', 1, b'x', 0], 1])
        self.assertIn('pubsub_channels:2', c('info').decode())
        self.assertEqual(s('unsubscribe', 'sport'), [b'unsubscribe', b'sport', 2])
        self.assertEqual(s('unsubscribe'), [b'unsubscribe', b'news', 1])
        self.assertEqual(s('punsubscribe'), [b'punsubscribe', b'n?ws', 0])
        self.assertEqual(s('unsubscribe'), [b'unsubscribe', None, 0])
        self.assertEqual(s('get', 'a'), b'1')
        s('subscribe', 'x')
        s.close()
        until = time.monotonic() + ANSWER_S
        while c('pubsub', 'channels') != []:
            self.assertLess(time.monotonic(), until)

    def test_messages_come_between_replies(self):
        c, s = self.c, self.client()
        s('hello', 3)
        s('subscribe', 'to')
        for i in range(500):
            s.say('set', f'k{i}', i)
            s.say('multi')
            s.say('get', f'k{i}')
            s.say('rpush', 'l', i)
            s.say('exec')
            s.say('publish', 'to', f'own{i}')
            c.say('publish', 'to', i)
        messages, replies = [], []
        while len(messages) < 1000 or len(replies) < 3000:
            kind = s.buffer[:1]
            if not kind:
                s.fill()
                continue
            (messages if kind == b'>' else replies).append(s.answer())
        self.assertEqual([m[2] for m in messages if not m[2].startswith(b'own')],
                         [b'%d' % i for i in range(500)])
        self.assertEqual([m[2] for m in messages if m[2].startswith(b'own')],
                         [b'own%d' % i for i in range(500)])
        self.assertEqual(replies, [x for i in range(500) for x in (
            '+OK', '+OK', '+QUEUED', '+QUEUED', [b'%d' % i, i + 1], 1)])

    def test_a_listener_that_waits_for_an_item_hears(self):
        c, s = self.c, self.client()
        s('hello', 3)
        s('subscribe', 'to')
        s.say('blpop', 'none', 0)
        while 'cmd=blpop' not in c('client', 'list').decode():
            pass
        self.assertEqual(c('publish', 'to', 'one'), 1)
        self.assertEqual(s.answer(), [b'message', b'to', b'one'])
        c('rpush', 'none', 'x')
        self.assertEqual(s.answer(), [b'none', b'x'])

    def test_a_listener_that_does_not_read_is_cut(self):
        c, slow, good = self.c, self.client(), self.client()
        slow.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for s in (slow, good):
            s('subscribe', 'flood')
        text, sent = b'x' * 8192, 0
        until = time.monotonic() + ANSWER_S
        while c('publish', 'flood', text) == 2:
            sent += 1
            self.assertEqual(good.answer(), [b'message', b'flood', text])
            self.assertLess(time.monotonic(), until)
        self.assertEqual(good.answer(), [b'message', b'flood', text])
        self.assertGreater(sent * len(text), 256 << 10)
        self.assertEqual(c('publish', 'flood', 'still'), 1)
        self.assertEqual(good.answer(), [b'message', b'flood', b'still'])
        self.assertEqual(good('subscribe', *[f'{i:0200}' for i in range(2000)])[1], b'0' * 200)
        while True:
            got = good.answer()
            if isinstance(got, str):
                break
        self.assertEqual(got, '-ERR no more subscriptions for this client: gate.backlog')
        self.assertEqual(good('ping'), [b'pong', b''])

    def test_calls_with_an_id(self):
        c, o = self.c, self.client()
        self.assertIn(c('mb.ack'), (b'default',))
        c('set', 'n', 1)
        mb_id = c('mb.future', 'new')
        self.assertNotEqual(mb_id, c('mb.future', 'new'))
        self.assertEqual([c('mb.call', 'id', mb_id, 'increment', 4) for _ in range(2)], [5, 5])
        self.assertEqual(o('mb.call', 'id', mb_id, 'increment', 9), 5)
        self.assertEqual(o('mb.future', mb_id), 5)
        later = c('mb.call', 'future', 'increment', 7)
        self.assertEqual([o('mb.future', later), c('mb.future', later, 'deadline', 1000)], [8, 8])
        later = c('mb.call', 'future', 'deadline', 20000, 'echo', 's:' + 'x' * 1000)
        self.assertEqual(c('mb.future', later), b'x' * 1000)
        self.assertRegex(c('mb.future', 5), '^-ID_EXPIRED')
        self.assertRegex(c('mb.future', 'x'), '^-ERR an id')
        later = c('mb.dag', 'call', 'future', 'twice', 'increment=1')
        self.assertEqual(c('mb.future', later), 3)

    def test_dags_and_functions_come_and_go(self):
        c = self.c
        self.assertEqual(c('mb.dag', 'add', 'three', 'increment -> increment#2 -> increment#3'),
                         '+OK')
        self.assertEqual(c('mb.dag', 'call', 'three', 'increment=1'), 4)
        self.assertIn(b'three', c('mb.dag', 'list'))
        self.assertRegex(c('mb.dag', 'add', 'three', 'increment'), '^-EXISTS there is a DAG')
        self.assertRegex(c('mb.dag', 'add', 'x', 'increment -> nosuch'), '^-NO_FUNCTION .*nosuch')
        self.assertRegex(c('mb.dag', 'add', 'x', 'a ->'), '^-[A-Z_]+ ')
        self.assertRegex(c('mb.dag', 'add', b'\xff', 'increment'), '^-ERR names and texts are')
        self.assertRegex(c('mb.dag', 'add', 'x', 'a' * 70000), '^-TOO_LARGE')
        self.assertEqual(c('mb.dag', 'rm', 'three'), '+OK')
        self.assertRegex(c('mb.dag', 'rm', 'three'), "^-NO_DAG there is no DAG 'three'")
        many = [self.client() for _ in range(20)]
        for i, o in enumerate(many):
            o.say('mb.dag', 'add', f'd{i}', 'increment')
        self.assertEqual([o.answer() for o in many], ['+OK'] * 20)
        for i, o in enumerate(many):
            o.say('mb.dag', 'rm', f'd{i}')
        many[0].close()         # nobody waits for this one
        self.assertEqual([o.answer() for o in many[1:]], ['+OK'] * 19)
        cnt = dict(zip(*[iter(c('function', 'stats'))] * 2))[b'engines'][1][1]
        self.assertEqual(cnt, len(c('function', 'list')))
        self.assertEqual(c('function', 'delete', 'writes'), '+OK')
        self.assertEqual(c('fcall', 'writes', 0), '-ERR Function not found')
        self.assertEqual(c('function', 'delete', 'writes'), '-ERR Library not found')
        self.assertEqual(len(c('function', 'list')), cnt - 1)
        self.assertRegex(c('function', 'load', '#!c name=x\n'), '^-NOPERM functions are deployed')

    def test_a_message_to_a_call(self):
        c, o = self.c, self.client()
        for text in (b'short', b'y' * 40, b'z' * 32768):
            later = c('mb.call', 'future', 'hears')
            until = time.monotonic() + ANSWER_S
            who = None
            while who is None:
                self.assertLess(time.monotonic(), until)
                who = c('get', 'who')
            self.assertEqual(o('mb.send', who, text), '+OK')
            self.assertEqual(c('mb.future', later), text)
            self.assertRegex(o('mb.send', who, 'late'), '^-GONE')
            c('del', 'who')
        self.assertRegex(o('mb.send', 'x', 'late'), '^-ERR a call is named')
        self.assertRegex(o('mb.send', who, 'z' * 32769), '^-TOO_LARGE')

    def test_who_acknowledges(self):
        c = self.c
        for level in (b'local', b'one', b'quorum', b'all'):
            self.assertEqual([c('mb.ack', level), c('mb.ack')], ['+OK', level])
            self.assertEqual([c('set', level, 1), c('get', level)], ['+OK', b'1'])
            self.assertEqual(c('mb.call', 'ack', level, 'puts'), None)
        self.assertRegex(c('mb.ack', 'nobody'), '^-ERR MB.ACK is')
        self.assertEqual([c('reset'), c('mb.ack')], ['+RESET', b'default'])

    def test_what_is_slow_is_remembered(self):
        c = self.c
        c('slowlog', 'reset')
        self.assertEqual([c('slowlog', 'len'), c('slowlog', 'get')], [0, []])
        c('client', 'setname', 'me')
        self.assertIsNone(c('mb.call', 'sleeps', 300000000))
        c('get', 'a')
        entries = c('slowlog', 'get', -1)   # any may be slow, on a busy machine
        self.assertEqual(c('slowlog', 'len'), len(entries))
        entry, = [e for e in entries if e[3][0] == b'mb.call']
        self.assertEqual(entry[3], [b'mb.call', b'sleeps', b'300000000'])
        self.assertGreaterEqual(entry[2], 50000)
        self.assertLess(abs(entry[1] - time.time()), 100)
        self.assertEqual(entry[4].split(b':')[0], b'127.0.0.1')
        self.assertEqual(entry[5], b'me')
        rows = dict(zip(*[iter(c('latency', 'histogram', 'mb.call', 'none'))] * 2))
        histogram = rows[b'mb.call'][3]
        self.assertGreaterEqual(histogram[-2], 65536)
        self.assertEqual(histogram[-1], rows[b'mb.call'][1])
        self.assertIn('latency_percentiles_usec_mb.call:p50=', c('info', 'latencystats').decode())
        self.assertRegex(c('info', 'commandstats').decode(), 'cmdstat_mb.call:calls=[0-9]+,usec=')
        # what waits for an item is not slow
        waits = self.client()
        waits.say('blpop', 'none', 0.1)
        self.assertIsNone(waits.answer())
        self.assertNotIn(b'blpop', [e[3][0] for e in c('slowlog', 'get', -1)])

    def test_what_is_remembered_is_set(self):
        try:
            self.remembered(self.c)
        finally:
            self.c('config', 'set', 'slowlog-log-slower-than', 50000, 'slowlog-max-len', 128)

    def remembered(self, c):
        c('config', 'set', 'slowlog-log-slower-than', 0, 'slowlog-max-len', 3)
        for _ in range(10):
            c('ping')
        self.assertEqual(c('slowlog', 'len'), 3)
        entries = c('slowlog', 'get', -1)
        self.assertEqual([e[3][0] for e in entries], [b'slowlog', b'ping', b'ping'])
        self.assertEqual([entries[0][0] - e[0] for e in entries], [0, 1, 2])
        self.assertRegex(c('config', 'set', 'requirepass', 'secret'), '^-ERR .*microburst up')
        self.assertNotIn(b'secret', b''.join(b''.join(e[3]) for e in c('slowlog', 'get', -1)))
        self.assertEqual([c('config', 'set', 'slowlog-max-len', 0), c('ping'), c('slowlog', 'len'),
                          c('slowlog', 'get')], ['+OK', '+PONG', 0, []])
        self.assertEqual([c('config', 'set', 'slowlog-max-len', 128, 'slowlog-log-slower-than', -1),
                          c('slowlog', 'reset'), c('mb.call', 'sleeps', 300000000),
                          c('slowlog', 'len')], ['+OK', '+OK', None, 0])

    def test_parameters_are_set_together_or_not_at_all(self):
        c = self.c
        most = int(c('config', 'get', 'maxclients')[1])
        self.assertEqual(c('config', 'set', 'slowlog-max-len', 5, 'maxclients', most + 1),
                         "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - "
                         f'argument must be between 1 and {most} inclusive')
        self.assertRegex(c('config', 'set', 'slowlog-max-len', 5, 'appendonly', 'yes'),
                         "^-ERR CONFIG SET failed .*'appendonly'. - .*microburst up --help")
        self.assertEqual(c('config', 'get', 'slowlog-max-len')[1], b'128')
        self.assertEqual(c('config', 'set', 'appendonly', 'NO', 'save', ''), '+OK')   # they are

    def test_clients_are_refused_above_what_was_set(self):
        c = self.c
        most = c('config', 'get', 'maxclients')[1]
        self.assertEqual(c('config', 'set', 'maxclients', 2), '+OK')
        self.assertIn(b'maxclients:2\r\n', c('info', 'clients'))
        self.assertEqual(self.client()('ping'), '+PONG')
        third = self.client()
        self.assertEqual(third.answer(), '-ERR max number of clients reached')
        self.assertEqual(c('config', 'set', 'maxclients', most), '+OK')
        self.assertEqual(self.client()('ping'), '+PONG')

    def test_who_is_idle_for_what_was_set_is_closed(self):
        idle = self.client()
        idle('ping')
        self.assertEqual(self.c('config', 'set', 'timeout', 1), '+OK')
        self.assertRaises(EOFError, idle.fill)

        def forgiven():     # whoever is slow to say so is closed, too
            try:
                return self.client()('config', 'set', 'timeout', 0) == '+OK'
            except (EOFError, OSError):
                return False
        until(forgiven, ANSWER_S, 'the end of the timeout')

    def test_monitor_shows_what_is_said(self):
        c, m = self.c, self.client()
        self.assertEqual(m('monitor'), '+OK')
        c('set', 'a', b'x "\\\n\x00')
        c('auth', 'secret')
        c('get', 'a' * 5000)
        line = m.line().decode()
        self.assertRegex(line, r'^\+[0-9]+\.[0-9]{6} \[0 127\.0\.0\.1:[0-9]+\] "set" "a" ')
        self.assertTrue(line.endswith(r'"x \"\\\n\x00"'), line)
        self.assertTrue(m.line().endswith(b'] "auth" "(redacted)"'))
        line = m.line()
        self.assertIn(b'"get" "aaaa', line)
        self.assertLess(len(line), 4096)
        self.assertEqual(m('reset'), '+RESET')
        c('set', 'a', 1)
        self.assertEqual(m('ping'), '+PONG')

    def test_clients_are_listed_and_chosen(self):
        c, o = self.c, self.client()
        o_id = o('client', 'id')
        line = c('client', 'list', 'id', o_id).decode()
        self.assertEqual(line.count('\n'), 1)
        self.assertIn(f'id={o_id} ', line)
        self.assertIn(f"laddr=127.0.0.1:{NODE['port']} ", line)
        o('subscribe', 'x')
        self.assertIn(f'id={o_id} ', c('client', 'list', 'type', 'pubsub').decode())
        self.assertNotIn(f'id={o_id} ', c('client', 'list', 'type', 'normal').decode())
        self.assertEqual(c('client', 'list', 'type', 'x'), "-ERR Unknown client type 'x'")
        self.assertEqual(c('client', 'kill', 'id', o_id, 'type', 'normal'), 0)
        self.assertEqual(c('client', 'kill', 'id', o_id, 'type', 'pubsub'), 1)
        self.assertTrue(o.ended())
        b = self.client()
        b_id = b('client', 'id')
        for how, want in (('timeout', None), ('error',
                          '-UNBLOCKED client unblocked via CLIENT UNBLOCK')):
            b.say('blpop', 'none', 0)
            until = time.monotonic() + ANSWER_S
            while c('client', 'unblock', b_id, how) == 0:
                self.assertLess(time.monotonic(), until)
            self.assertEqual(b.answer(), want)
        self.assertEqual(c('client', 'unblock', b_id), 0)
        self.assertEqual(b('get', 'none'), None)

    def test_what_is_known_of_a_value(self):
        c = self.c
        c('set', 'n', 12)
        c('set', 's', 'text')
        c('set', 'l', 'x' * 100)
        c('sadd', 'set', *range(3000))
        self.assertEqual([c('object', 'encoding', k) for k in 'nsl'], [b'int', b'embstr', b'raw'])
        self.assertEqual(c('object', 'encoding', 'set'), b'hashtable')
        self.assertEqual([c('object', 'refcount', 'n'), c('object', 'refcount', 'none')], [1, None])
        self.assertGreater(c('memory', 'usage', 'l'), 100)
        self.assertGreater(c('memory', 'usage', 'set'), 3000 * 8)
        self.assertIsNone(c('memory', 'usage', 'none'))
        c('nosuch')
        self.assertIn('errorstat_ERR:count=', c('info', 'errorstats').decode())

    def told(self, name):
        return int(self.c('info').decode().split(f'\r\n{name}:')[1].split('\r\n')[0])

    def test_what_the_store_had_and_has_lost_is_counted(self):
        before = self.told('expired_keys')
        for i in range(100):
            self.c('set', f'short{i}', 'x', 'px', 1)
            self.c('set', f'deleted{i}', 'x', 'ex', 1000)
            self.c('del', f'deleted{i}')
        until(lambda: self.told('expired_keys') >= before + 100, ANSWER_S, 'it is forgotten')
        self.c('config', 'resetstat')
        self.assertLess(self.told('expired_keys'), 100)
        for i in range(4):
            self.c('set', f'long{i}', bytes(1 << 20))
        until(lambda: self.told('used_memory') > 4 << 20, ANSWER_S, 'what is there')
        self.c('del', *(f'long{i}' for i in range(4)))
        until(lambda: self.told('used_memory') < 4 << 20, ANSWER_S, 'it is gone')
        self.assertGreater(self.told('used_memory_peak'), 4 << 20)


class Tracking(Case):
    def keeper(self, *options):
        c = self.client()
        c('hello', 3)
        self.assertEqual(c('client', 'tracking', 'on', *options), '+OK')
        return c

    def told(self, c, *keys):
        for key in keys:
            self.assertEqual(c.answer(), [b'invalidate', key and [key]])
        self.assertEqual(c('echo', 'x'), b'x')  # and of nothing else

    def test_who_keeps_a_key_is_told_once(self):
        a, b, w = self.keeper(), self.keeper(), self.client()
        w('mset', 'k', 1, 'l', 2)
        self.assertEqual(a('mget', 'k', 'l', 'none'), [b'1', b'2', None])
        self.assertEqual(b('get', 'k'), b'1')
        self.assertEqual(w('incr', 'k'), 2)
        self.told(a, b'k')
        self.told(b, b'k')
        self.assertEqual(w('incr', 'k'), 3)
        self.told(a)
        self.assertEqual(w('set', 'none', 'here'), '+OK')
        self.assertEqual(w('del', 'l'), 1)
        self.told(a, b'none', b'l')
        self.assertEqual(a('get', 'k'), b'3')
        self.assertEqual(a('set', 'k', 4), '+OK')
        self.told(a, b'k')                      # of its own, too
        self.assertEqual(a('client', 'tracking', 'off'), '+OK')
        self.assertEqual(a('get', 'k'), b'4')
        w('set', 'k', 5)
        self.told(a)

    def test_what_functions_write_and_time_ends_is_told(self):
        a, w = self.keeper(), self.client()
        self.assertIsNone(a('get', 'put'))
        w('fcall', 'puts', 0)
        self.told(a, b'put')
        for ms in (30, 300, 3000, 30000):
            a, key = self.keeper(), b'short%d' % ms
            w('set', key, 'x', 'px', ms)
            if a('get', key) == b'x':   # it had not ended before it was read
                break
        self.told(a, key)
        self.assertIsNone(a('get', key))
        self.told(a)

    def test_in_and_out_and_no_loop(self):
        a, b, w = self.keeper('optin'), self.keeper('optout', 'noloop'), self.client()
        w('mset', 'k', 1, 'l', 1)
        a.send(b'get k\r\nclient caching yes\r\nget l\r\nget k\r\n')
        self.assertEqual([a.answer() for _ in range(4)], [b'1', '+OK', b'1', b'1'])
        b.send(b'get k\r\nclient caching no\r\nget l\r\n')
        self.assertEqual([b.answer() for _ in range(3)], [b'1', '+OK', b'1'])
        w('mset', 'k', 2, 'l', 2)
        self.told(a, b'l')
        self.told(b, b'k')
        b('get', 'k')
        b('set', 'k', 3)
        self.told(b)
        for words in (('caching', 'no'), ('tracking', 'on', 'optout'), ('tracking', 'maybe'),
                      ('tracking', 'on', 'bcast'), ('tracking', 'on', 'redirect', 1 << 60)):
            self.assertEqual(a('client', *words)[:4], '-ERR', words)
        self.assertEqual(a('client', 'trackinginfo')[b'flags'], [b'on', b'optin'])

    def test_told_through_another(self):
        to, a, w = self.client(), self.client(), self.client()
        me = to('client', 'id')
        to('subscribe', '__redis__:invalidate')
        self.assertEqual(a('client', 'tracking', 'on', 'redirect', me), '+OK')
        self.assertEqual(a('client', 'getredir'), me)
        a('get', 'k')
        w('set', 'k', 1)
        self.assertEqual(to.answer(), [b'message', b'__redis__:invalidate', [b'k']])
        a('get', 'k')
        self.assertEqual(w('flushall'), '+OK')
        self.assertEqual(to.answer(), [b'message', b'__redis__:invalidate', None])
        to.close()
        a('hello', 3)
        while a('get', 'k') is not None or w('client', 'kill', 'id', me):
            pass
        w('set', 'k', 2)
        self.assertEqual(a.answer(), [b'tracking-redir-broken', me])
        self.assertIn(b'broken_redirect', a('client', 'trackinginfo')[b'flags'])

    def test_of_too_many_keys_the_oldest_count_as_changed(self):
        a, w, told, cnt = self.keeper(), self.client(), set(), 70000
        for i in range(0, cnt, 1000):
            a.say('mget', *range(i, i + 1000))
        a.say('echo', 'over')
        while (answer := a.answer()) != b'over':
            told.update(answer[1] if answer[0] == b'invalidate' else ())
        info = w('info', 'stats').decode()
        kept = int(info.split('tracking_total_keys:')[1].split()[0])
        self.assertLessEqual(kept, 65536)
        while len(told) + kept < cnt:
            told.update(a.answer()[1])
        a.close()


class Pauses(Case):
    def test_replies_that_nobody_wants(self):
        c = self.client()
        for n in (1, 40):       # 40: more than are published together
            sets = b''.join(b'set k%d v\r\n' % i for i in range(n))
            c.send(b'ping\r\nclient reply off\r\n' + sets + b'get k0\r\nnothing\r\nkeys *\r\n'
                   b'client reply on\r\necho here\r\n')
            self.assertEqual([c.answer() for _ in range(3)], ['+PONG', '+OK', b'here'])
        c.send(b'client reply skip\r\nset k 1\r\nset k 2\r\nset l 3\r\nclient reply skip\r\n'
               b'mget k l\r\nget k\r\n')
        self.assertEqual([c.answer() for _ in range(3)], ['+OK', '+OK', b'2'])
        c.send(b'client reply skip\r\nfcall increment 0 1\r\nfcall increment 0 2\r\n')
        self.assertEqual(c.answer(), 3)
        self.assertEqual(c('client', 'reply', 'maybe'), '-ERR syntax error')
        c.send(b'client reply off\r\nreset\r\nping\r\n')
        self.assertEqual([c.answer() for _ in range(2)], ['+RESET', '+PONG'])

    def test_messages_come_to_who_wants_no_replies(self):
        c, other = self.client(), self.client()
        c.send(b'hello 3\r\nclient reply off\r\nsubscribe a\r\n')
        self.assertIsInstance(c.answer(), dict)
        self.assertEqual(c.answer()[:2], [b'subscribe', b'a'])
        self.assertEqual(other('publish', 'a', 'x'), 1)
        self.assertEqual(c.answer(), [b'message', b'a', b'x'])

    def test_what_is_paused_waits(self):
        a, b, d = self.client(), self.client(), self.client()
        self.assertEqual(a('client', 'pause', 60000, 'write'), '+OK')
        b.send(b'set k 1\r\nincr k\r\n')
        d.send(b'multi\r\nincr k\r\nexec\r\n')
        self.assertEqual([d.answer() for _ in range(2)], ['+OK', '+QUEUED'])
        self.assertIsNone(a('get', 'k'))
        self.assertIsNone(a('get', 'k'))
        self.assertEqual(a('client', 'unpause'), '+OK')
        self.assertEqual([b.answer() for _ in range(2)], ['+OK', 2])
        self.assertEqual(len(d.answer()), 1)
        self.assertEqual(a('client', 'pause', 50), '+OK')
        self.assertEqual(a('get', 'k')[:1] in (b'2', b'3'), True)     # until it is over
        for words in (('pause', 'x'), ('pause', -1), ('pause', 1, 'some')):
            self.assertEqual(a('client', *words)[:4], '-ERR')


class Users(Case):
    def test_functions_are_loaded_by_who_has_said_a_password(self):
        node, port = node_start(load='yes', password='sesame')
        try:
            c, o = self.client(port), self.client(port)
            for x in (c, o):
                self.assertEqual(x('auth', 'sesame'), '+OK')
            code = ('#!c name=%s\n#include <microburst/function.h>\n'
                    'MB_FUNCTION(%s) { return mb_return_i64(call, %d); }\n')
            c.say('function', 'load', code % ('one', 'one', 1))
            o.say('function', 'load', code % ('two', 'two', 2))
            self.assertEqual([c.answer(), o.answer()], [b'one', b'two'])
            self.assertEqual([c('fcall', 'one', 0), o('fcall', 'two', 0)], [1, 2])
            self.assertEqual(c('function', 'load', code % ('one', 'one', 3)),
                             "-ERR Library 'one' already exists")
            self.assertEqual(c('function', 'load', 'replace', code % ('one', 'one', 3)), b'one')
            self.assertEqual(c('fcall', 'one', 0), 3)
            self.assertRegex(c('function', 'load', '#!c name=bad\nint x = ;\n'),
                             '^-ERR Error compiling function: ')
            for bad, want in (('x', 'Missing library metadata'), ('#!lua name=x\n', 'Engine not'),
                              ('#!c x\n', 'Library name was not'),
                              ('#!c name=a-b\n', 'Library names can only')):
                self.assertRegex(c('function', 'load', bad), '^-ERR ' + want)
            o.say('function', 'load', code % ('gone', 'gone', 2))
            o.close()       # it is deployed all the same
            until = time.monotonic() + ANSWER_S
            while c('fcall', 'gone', 0) != 2:
                self.assertLess(time.monotonic(), until)
                time.sleep(0.05)
            self.assertEqual(c('acl', 'setuser', 'open', 'on', 'nopass', '+@all', '~*'), '+OK')
            self.assertEqual(c('auth', 'open', 'x'), '+OK')
            self.assertRegex(c('function', 'load', code % ('x', 'x', 1)), '^-NOPERM')
        finally:
            node.remove()

    def test_a_library_of_many_functions(self):
        """What the command line says of it is longer than any other answer of its."""
        names = ['f%d_' % i + 'x' * 55 for i in range(150)]
        node, port = node_start(load='yes', password='sesame')
        try:
            c = self.client(port)
            self.assertEqual(c('auth', 'sesame'), '+OK')
            self.assertEqual(c('function', 'load', '#!c name=many\n#include '
                               '<microburst/function.h>\n' + '\n'.join(
                                   f'MB_FUNCTION({n}) {{ return mb_return_i64(call, 7); }}'
                                   for n in names)), b'many')
            self.assertEqual(len(c('function', 'list')), len(names))
            self.assertEqual([c('fcall', n, 0) for n in (names[0], names[-1])], [7, 7])
        finally:
            node.remove()

    def test_what_is_loaded_is_bounded(self):
        """The compiler reads a file that has no end until it has all that it may have; for one
        that nobody writes it waits until gate.load_time. Then the next one has its turn."""
        folder = tempfile.mkdtemp(prefix='microburst-load-')
        os.mkfifo(f'{folder}/fifo')
        with unittest.mock.patch.dict(os.environ, TMPDIR=folder):
            node, port = node_start(load='yes', password='sesame', load_time='150s')
            late, late_port = node_start(load='yes', password='sesame', load_time='1s')
        try:
            c = self.client(port)
            self.assertEqual(c('auth', 'sesame'), '+OK')
            c.s.settimeout(3 * ANSWER_S)
            self.assertEqual(c('function', 'load', '#!c name=x\n#include "/dev/zero"\n'),
                             '-ERR Error compiling function: see what microburst deploy says of it')
            c = self.client(late_port)
            self.assertEqual(c('auth', 'sesame'), '+OK')
            c.say('function', 'load', f'#!c name=x\n#include "{folder}/fifo"\n')
            self.assertEqual(c.answer(), '-ERR Error compiling function: it took longer than '
                             'gate.load_time')
            until(lambda: not is_read(f'{folder}/fifo'), ANSWER_S, 'the end of the compiler')
            self.assertEqual(os.listdir(folder), ['fifo'])      # though it was killed
        finally:
            node.remove()
            late.remove()
            shutil.rmtree(folder)

    def test_users(self):
        folder = tempfile.mkdtemp(prefix='microburst-users-')
        with open(f'{folder}/users', 'w', encoding='utf-8') as f:
            f.write('# who may what\n\n'
                    'user default on nopass ~* &* +@all\n'
                    'user reader on >"r" resetpass '
                    '#2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90'
                    ' ~app:* &news +@read +@connection +subscribe +multi +exec\n')
        node, port = node_start(users=f'{folder}/users')
        try:
            c, u = self.client(port), self.client(port)
            self.assertEqual(c('acl', 'whoami'), b'default')
            self.assertEqual(sorted(c('acl', 'users')), [b'default', b'reader'])
            self.assertEqual(u('auth', 'reader', 'wrong')[:10], '-WRONGPASS')
            self.assertEqual(u('auth', 'nobody', 'alice')[:10], '-WRONGPASS')
            self.assertEqual(u('auth', 'reader', 'alice'), '+OK')
            c('set', 'app:1', 'x')
            self.assertEqual(u('get', 'app:1'), b'x')
            no_key = ('-NOPERM this user has no permissions to access one of the keys used as '
                      'arguments')
            no_set = "-NOPERM this user has no permissions to run the 'set' command"
            self.assertEqual(u('get', 'other'), no_key)
            self.assertEqual(u('mget', 'app:1', 'other'), no_key)
            self.assertEqual(u('set', 'app:1', 'y'), no_set)
            self.assertEqual(u('acl', 'whoami')[:7], '-NOPERM')
            self.assertEqual(u('hello', 3, 'auth', 'reader', 'alice')[b'proto'], 3)
            self.assertEqual(u('subscribe', 'news'), [b'subscribe', b'news', 1])
            self.assertEqual(u('subscribe', 'olds')[:7], '-NOPERM')
            self.assertEqual([u('multi'), u('set', 'app:1', 1), u('exec')[:10]],
                             ['+OK', no_set, '-EXECABORT'])
            self.assertIn('user=reader', c('client', 'list').decode())
            entries = [dict(zip(*[iter(e)] * 2)) for e in c('acl', 'log')]
            self.assertEqual([(e[b'reason'], e[b'object'], e[b'username']) for e in entries],
                             [(b'channel', b'olds', b'reader'),
                              (b'command', b'acl|whoami', b'reader'),
                              (b'command', b'set', b'reader'), (b'key', b'other', b'reader'),
                              (b'auth', b'auth', b'nobody'), (b'auth', b'auth', b'reader')])
            self.assertIn(b' laddr=', entries[0][b'client-info'])
            self.assertEqual(entries[3][b'count'], 2)
            # more rights, at once
            self.assertEqual(c('acl', 'setuser', 'reader', '+set', '%W~log:*'), '+OK')
            self.assertEqual(u('set', 'log:1', 'y'), '+OK')
            self.assertEqual(u('set', 'log:1', 'y', 'get'), no_key)
            self.assertEqual(u('get', 'log:1'), no_key)
            # each key for what is done to it
            self.assertEqual(c('acl', 'setuser', 'reader', '+copy', '+bitop', '+sunionstore',
                               '+zunionstore', '+rename', '+sort', '+lmove'), '+OK')
            for words in (('copy', 'app:1', 'log:c'), ('bitop', 'not', 'log:b', 'app:1'),
                          ('sunionstore', 'log:s', 'app:none'), ('sort', 'app:none'),
                          ('zunionstore', 'log:z', 1, 'app:none'),
                          ('sort', 'app:none', 'store', 'log:l')):
                self.assertNotEqual(u(*words), no_key, words)
            for words in (('copy', 'log:c', 'app:1'), ('bitop', 'not', 'app:b', 'log:1'),
                          ('sunionstore', 'log:s', 'log:s'), ('sort', 'log:l'),
                          ('zunionstore', 'app:z', 1, 'log:z'), ('rename', 'log:1', 'app:r'),
                          ('sort', 'app:none', 'store', 'x'),
                          ('lmove', 'log:l', 'app:l', 'left', 'left')):
                self.assertEqual(u(*words), no_key, words)
            self.assertEqual(u('sort', 'app:none', 'get', 'log:*')[:30],
                             '-ERR GET option of SORT denied')
            self.assertIn('Selectors are not served',
                          c('acl', 'setuser', 'reader', '(+get ~x)'))
            u.send(b''.join(b'set log:%d x\r\n' % i for i in range(5)) + b'set x y\r\n')
            self.assertEqual([u.answer() for _ in range(6)], ['+OK'] * 5 + [no_key])
            self.assertEqual(c('acl', 'setuser', 'reader', '+get', '+x')[:45],
                             "-ERR Error in ACL SETUSER modifier '+x': Unkn")
            self.assertIn(b'#2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90',
                          [w for line in c('acl', 'list') for w in line.split()])
            got = c('acl', 'getuser', 'reader')
            self.assertEqual([got[0], got[6], got[7], got[8], got[9]],
                             [b'flags', b'keys', b'~app:* %W~log:*', b'channels', b'&news'])
            self.assertEqual(c('acl', 'dryrun', 'reader', 'get', 'x'),
                             b"This user has no permissions to access the 'x' key")
            self.assertEqual(c('acl', 'dryrun', 'reader', 'get', 'app:x'), '+OK')
            self.assertIn(b'get', c('acl', 'cat', 'read'))
            self.assertEqual(len(c('acl', 'genpass')), 64)
            self.assertEqual(c('acl', 'deluser', 'reader'), 1)
            self.assertTrue(u.ended())
            self.assertEqual(c('acl', 'deluser', 'default')[:4], '-ERR')
            self.assertEqual(c('acl', 'setuser', 'default', '>now'), '+OK')
            d = self.client(port)
            self.assertEqual(d('ping')[:7], '-NOAUTH')
            self.assertEqual(d('auth', 'now'), '+OK')
        finally:
            node.remove()
        with open(f'{folder}/users', 'w', encoding='utf-8') as f:
            f.write('user one on\nuser two on +nosuch\n')
        try:
            with self.assertRaisesRegex(RuntimeError, 'users:2: Unknown command or category'):
                node_start(users=f'{folder}/users')
        finally:
            shutil.rmtree(folder)



@unittest.skipUnless(shutil.which('openssl'), 'openssl is not installed')
class Encrypted(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='microburst-tls-')
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        for name in ('server', 'client'):
            subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                            'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj',
                            '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost',
                            '-keyout', f'{cls.folder}/{name}.key', '-out',
                            f'{cls.folder}/{name}.pem'], check=True, capture_output=True)
        cls.node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', *cls.tls(),
                        '--set', 'gate.slow=10s', '--set', 'gate.memory=16m')
        cls.addClassCleanup(cls.node.remove)
        cls.port = port_of(cls.node, ' over TLS')
        cls.ctx = ssl.create_default_context(cafile=f'{cls.folder}/server.pem')

    @classmethod
    def tls(cls):
        return ('--set', 'gate.tls_listen=127.0.0.1:0', '--set',
                f'gate.tls_cert={cls.folder}/server.pem', '--set',
                f'gate.tls_key={cls.folder}/server.key')

    def secret(self):
        c = Raw(self.port, tls=self.ctx)
        self.clients.append(c)
        return c

    def test_commands_and_values_of_all_sizes(self):
        c = self.secret()
        self.assertEqual(c.s.version(), 'TLSv1.3')
        for size in (0, 1, 100, 16383, 16384, 70000, 3000000):
            value = os.urandom(size)
            self.assertEqual([c('set', 'k', value), c('get', 'k')], ['+OK', value])
        c.send(b'set a 1\r\n' * 500 + b'incr a\r\n' * 500)
        self.assertEqual([c.answer() for _ in range(1000)], ['+OK'] * 500 + list(range(2, 502)))
        plain = Raw(port_of(self.node))
        self.clients.append(plain)
        self.assertEqual(plain('get', 'a'), b'501')
        c('subscribe', 'x')
        self.assertEqual(plain('publish', 'x', 'y' * 100000), 1)
        self.assertEqual(c.answer(), [b'message', b'x', b'y' * 100000])
        self.assertEqual(c('quit'), '+OK')
        self.assertEqual(c.s.recv(10), b'')     # told, not cut

    def test_many_at_a_time_and_old_versions(self):
        many = [self.secret() for _ in range(30)]
        for i, c in enumerate(many):
            c.say('incrby', 'n', i)
        self.assertEqual(max(c.answer() for c in many), sum(range(30)))
        old = ssl.create_default_context(cafile=f'{self.folder}/server.pem')
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        c = Raw(self.port, tls=old)
        self.clients.append(c)
        self.assertEqual([c.s.version(), c('ping')], ['TLSv1.2', '+PONG'])

    def test_what_is_no_handshake_ends_the_connection(self):
        for junk in (b'PING\r\n', b'\x16\x03\x01\xff\xff' + b'x' * 70000, os.urandom(2000)):
            c = Raw(self.port)
            self.clients.append(c)
            try:
                c.send(junk)
            except ConnectionError:
                pass
            self.assertTrue(c.ended())
        half = Raw(self.port)           # says nothing: gate.slow
        self.clients.append(half)
        self.assertTrue(half.ended())
        cut = socket.create_connection(('127.0.0.1', self.port))
        cut.close()
        self.assertEqual(self.secret()('ping'), '+PONG')

    def test_who_does_not_read_is_closed(self):
        c = self.secret()
        c.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c('set', 'big', 'x' * 1000000)
        for _ in range(40):
            c.say('get', 'big')
        o = self.secret()
        until = time.monotonic() + ANSWER_S
        while 'cmd=get' in o('client', 'list').decode():
            self.assertLess(time.monotonic(), until)
            time.sleep(0.1)

    def test_clients_must_show_a_certificate(self):
        node = Node(MICROBURST, *self.tls(), '--set', f'gate.tls_ca={self.folder}/client.pem')
        try:
            port = port_of(node, ' over TLS')
            c = Raw(port, tls=self.ctx)
            self.clients.append(c)
            with self.assertRaises((ssl.SSLError, EOFError, ConnectionError)):
                c('ping')
            own = ssl.create_default_context(cafile=f'{self.folder}/server.pem')
            own.load_cert_chain(f'{self.folder}/client.pem', f'{self.folder}/client.key')
            for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
                own.maximum_version = version
                c = Raw(port, tls=own)
                self.clients.append(c)
                self.assertEqual(c('ping'), '+PONG')
                s = socket.create_connection(('127.0.0.1', port))   # goes on with the session
                with own.wrap_socket(s, server_hostname='localhost', session=c.s.session) as s:
                    s.sendall(b'PING\r\n')
                    self.assertEqual(s.recv(100), b'+PONG\r\n')
                    self.assertTrue(s.session_reused)
        finally:
            node.remove()

    def test_a_wrong_file_is_named(self):
        with self.assertRaisesRegex(RuntimeError, 'gate.tls_key: .*client.key'):
            Node(MICROBURST, *self.tls(), '--set', f'gate.tls_key={self.folder}/client.key')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
