#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_cut_test.py MICROBURST SOURCE

Goal:   whom the gate closes for what others did, or for silence, and whom it spares: as Redis 7.
Method: users whose rights are narrowed or who are removed, while their clients listen, wait,
        monitor or do nothing; clients that say nothing for longer than gate.idle; many who listen
        where gate.memory is small.
"""
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until   # noqa: E402
from resp import Raw, port_of   # noqa: E402

MICROBURST, SOURCE = sys.argv[1:3]
WAIT_S, IDLE_S = 60, 10


class Case(unittest.TestCase):
    settings = ()

    @classmethod
    def setUpClass(cls):
        cls.node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0', *cls.settings)
        cls.addClassCleanup(cls.node.remove)
        cls.port = port_of(cls.node)

    def client(self):
        c = Raw(self.port)
        self.addCleanup(c.close)
        return c

    def number(self, c, name):
        return int(c('info').decode().split(f'\r\n{name}:')[1].split('\r\n')[0])

    def is_closed(self, c):
        try:
            return c.s.recv(1) == b''
        except ConnectionError:
            return True

    def is_there(self, c):
        """A moment later, too."""
        c.s.settimeout(0.3)
        try:
            return c.s.recv(1) != b''
        except socket.timeout:
            return True
        except ConnectionError:
            return False

    def tearDown(self):
        self.assertIsNone(self.node.process.poll(), 'the node ended')


class Rights(Case):
    def setUp(self):
        self.admin = self.client()

    def user(self, *rules, resp3=False):
        self.admin('acl', 'deluser', 'u')
        self.assertEqual(self.admin('acl', 'setuser', 'u', 'on', 'nopass', '+@all', '~*', *rules),
                         '+OK')
        c = self.client()
        if resp3:
            c('hello', 3)
        self.assertEqual(c('auth', 'u', 'x'), '+OK')
        return c

    def test_listeners_to_what_they_may_hear_no_more_are_cut(self):
        for before, said, rules, spared in (
                (['allchannels'], ['subscribe', 'x'], ['resetchannels'], False),
                (['allchannels'], ['psubscribe', 'x*'], ['reset'], False),
                (['allchannels'], ['subscribe', 'x'], ['resetchannels', '&x'], True),
                (['&x', '&y'], ['subscribe', 'x'], ['resetchannels', '&y'], False),
                (['&x', '&y'], ['subscribe', 'x'], ['resetchannels', '&x'], True),
                (['&x*'], ['psubscribe', 'x*'], ['resetchannels', '&x?'], False),
                (['&x*'], ['psubscribe', 'x*'], ['resetchannels', '&*'], True),
                (['&x*'], ['ssubscribe', 'xa'], ['resetchannels', '&xa'], True),
                (['&x*'], ['ssubscribe', 'xa'], ['resetchannels', '&xb'], False),
                (['&x'], ['subscribe', 'x'], ['off'], True),
                (['&x'], ['subscribe', 'x'], ['-@all', 'resetkeys', 'resetpass'], True),
                (['&x'], ['monitor'], ['reset'], True)):
            for resp3 in (False, True):
                with self.subTest(before=before, said=said, rules=rules, resp3=resp3):
                    c = self.user(*before, resp3=resp3)
                    self.assertNotEqual(c(*said)[:1], '-')
                    self.assertEqual(self.admin('acl', 'setuser', 'u', *rules), '+OK')
                    self.assertTrue(self.is_there(c) if spared else self.is_closed(c))

    def test_who_narrows_its_own_rights_hears_of_it(self):
        c = self.user('&x', resp3=True)
        self.assertEqual(c('subscribe', 'x'), [b'subscribe', b'x', 1])
        self.assertEqual(c('acl', 'setuser', 'u', 'resetchannels'), '+OK')
        self.assertTrue(c.ended())
        c = self.user()
        c.send(b'get none\r\nacl deluser u\r\nget none\r\n')
        self.assertEqual([c.answer(), c.answer()], [None, 1])
        self.assertTrue(c.ended())

    def test_clients_of_a_user_who_is_removed_end_at_once(self):
        for said in (['subscribe', 'x'], ['monitor'], ['multi'], ['client', 'tracking', 'on'],
                     ['blpop', 'q', 0], ['blmove', 'q', 'p', 'left', 'left', 0],
                     ['bzpopmin', 'z', 0]):
            with self.subTest(said=said):
                c = self.user('&x')
                c.say(*said)
                if said[0].startswith('b'):
                    until(lambda: self.number(self.admin, 'blocked_clients') == 1, WAIT_S,
                          'it waits')
                else:
                    c.answer()
                self.assertEqual(self.admin('acl', 'deluser', 'u'), 1)
                self.assertEqual(c.s.recv(100), b'')    # and is told nothing
        self.assertEqual([self.admin('rpush', 'q', 1), self.admin('llen', 'q')], [1, 1])

    def test_who_waits_keeps_waiting_when_rights_are_taken(self):
        for rules in (['off'], ['resetkeys'], ['-blpop']):
            c = self.user()
            until(lambda: self.number(self.admin, 'blocked_clients') == 0, WAIT_S, 'nobody waits')
            c.say('blpop', 'waited', 0)
            until(lambda: self.number(self.admin, 'blocked_clients') == 1, WAIT_S, 'it waits')
            self.assertEqual(self.admin('acl', 'setuser', 'u', *rules), '+OK')
            self.assertEqual(self.admin('rpush', 'waited', 'x'), 1)
            self.assertEqual(c.answer(), [b'waited', b'x'])


    def test_what_was_kept_is_asked_for_again(self):
        why = ('-NOPERM ACLs rules changed between the moment the transaction was accumulated and '
               'the EXEC call. This command is no longer allowed for the following reason: '
               'no permission to ')
        for rule, said, want in (
                ('-get', 'get a', 'execute the command or subcommand'),
                ('%W~*', 'get a', 'touch the specified keys'),
                ('&y', 'publish x a', 'access one of the channels used as arguments')):
            c = self.user('&*')
            self.assertEqual([c('multi'), c('set', 'a', 1), c(*said.split()), c('incr', 'a')],
                             ['+OK'] + ['+QUEUED'] * 3)
            first = {'%': ['resetkeys'], '&': ['resetchannels']}.get(rule[0], [])
            self.assertEqual(self.admin('acl', 'setuser', 'u', *first, rule), '+OK')
            self.assertEqual(c('exec')[:2], ['+OK', why + want])


    def test_what_a_browser_sends_is_not_run(self):
        body = 'SET posted yes\r\n'
        for head in ('POST / HTTP/1.1', 'GET / HTTP/1.1'):
            c = self.client()
            c.send(f'{head}\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n{body}'
                   .encode())
            if head.startswith('GET'):
                self.assertEqual(c.answer(),
                                 "-ERR wrong number of arguments for 'get' command")
            self.assertEqual(c.s.recv(100), b'')
        c = self.client()
        c.send(b'set before 1\r\nmulti\r\nget before\r\npost x\r\nexec\r\nset posted yes\r\n')
        self.assertEqual([c.answer() for _ in range(3)], ['+OK', '+OK', '+QUEUED'])
        self.assertEqual(c.s.recv(100), b'')
        self.assertIsNone(self.admin('get', 'posted'))

    def test_a_transaction_is_shown_behind_its_commands(self):
        m = self.client()
        m('monitor')
        c = self.user()
        for said in ('multi', 'set a 1', 'get a', 'exec', 'watch w', 'multi', 'get a'):
            c(*said.split())
        self.admin('set', 'w', 1)
        for said in ('exec', 'multi', 'nosuch', 'exec', 'exec', 'hello 2 auth u password'):
            c(*said.split())
        said = []
        while not said or 'hello' not in said[-1]:
            said.append(m.line().decode().split('] ', 1)[1])
        self.assertEqual(said, ['"auth" "(redacted)" "(redacted)"', '"multi"', '"set" "a" "1"',
                                '"get" "a"', '"exec"', '"watch" "w"', '"multi"', '"set" "w" "1"',
                                '"exec"', '"multi"', '"exec"', '"exec"',
                                '"hello" "2" "(redacted)" "(redacted)" "(redacted)"'])


class Tiles(Rights):
    settings = ('--set', 'gate.tiles=2')

    def test_a_rule_is_applied_once(self):
        self.assertEqual(self.admin('acl', 'setuser', 'u', '>secret'), '+OK')
        self.assertEqual(self.admin('acl', 'setuser', 'u', '<secret'), '+OK')
        self.assertEqual(self.admin('acl', 'setuser', 'u', '<secret')[:10], '-ERR Error')


class Idle(Case):
    settings = ('--set', f'gate.idle={IDLE_S}s', '--set', 'gate.slow=60s')

    def test_the_silent_are_closed_and_who_is_to_be_told_is_not(self):
        spared = {}
        for said in (['monitor'], ['subscribe', 'x'], ['ssubscribe', 'x'], ['blpop', 'q', 0]):
            spared[said[0]] = c = self.client()
            c.say(*said)
            if said[0] != 'blpop':
                c.answer()
        spared['client reply off'] = off = self.client()
        off.send(b'client reply off\r\nsubscribe x\r\n')
        off.answer()
        silent = {said: self.client() for said in ('', 'ping', 'multi', 'client tracking on', 'ge')}
        for said, c in silent.items():
            c.send(said.encode() + b'\r\n' * (said not in ('', 'ge')))
        slow = self.client()    # reads, a little at a time, and says nothing
        slow('set', 'k', 'v' * 3000000)
        slow.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.say('get', 'k')
        end, got = time.monotonic() + IDLE_S + 1, 0
        while time.monotonic() < end:
            time.sleep(0.3)
            got += len(slow.s.recv(65536))
        while got < len('$3000000\r\n') + 3000002:
            more = len(slow.s.recv(1 << 20))
            self.assertGreater(more, 0, 'a reader was closed')
            got += more
        for said, c in silent.items():
            self.assertTrue(c.ended(), said)
        other = self.client()
        self.assertEqual(other('rpush', 'q', 'x'), 1)
        self.assertEqual(spared['blpop'].answer(), [b'q', b'x'])
        self.assertEqual(other('publish', 'x', 'y'), 2)
        self.assertEqual(other('spublish', 'x', 'z'), 1)
        self.assertEqual(spared['subscribe'].answer(), [b'message', b'x', b'y'])
        self.assertEqual(spared['client reply off'].answer(), [b'message', b'x', b'y'])
        self.assertEqual(spared['ssubscribe'].answer(), [b'smessage', b'x', b'z'])
        while b'"spublish" "x" "z"' not in spared['monitor'].line():
            pass


class Crowd(Case):
    settings = ('--set', 'gate.memory=4m')
    LISTENERS, TEXT = 700, b'm' * 240

    def hear(self, messages):
        """Publishes to many who all have room for it: how many of them were cut?"""
        talk, listeners = self.client(), [self.client() for _ in range(self.LISTENERS)]
        for c in listeners:
            c('subscribe', 'news')
        cut = self.number(talk, 'evicted_clients')
        for _ in range(messages):
            talk('publish', 'news', self.TEXT)
        cut = self.number(talk, 'evicted_clients') - cut
        for c in listeners if cut == 0 else ():
            for _ in range(messages):
                self.assertEqual(c.answer(), [b'message', b'news', self.TEXT])
        for c in listeners:
            c.close()
        until(lambda: self.number(talk, 'connected_clients') == 1, WAIT_S, 'they left')
        talk.close()
        return cut

    def test_who_has_room_for_messages_to_many_is_not_cut(self):
        """A machine that stands still may cut some: then once more."""
        cut = [self.hear(5)]
        while cut[-1] != 0 and len(cut) < 4:
            cut.append(self.hear(5))
        self.assertEqual(cut[-1], 0, f'listeners cut each time: {cut}')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
