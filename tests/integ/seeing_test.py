#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""seeing_test.py MICROBURST SOURCE

Goal:   what the node says of itself is so: where a call's time went, what functions used, how busy
        who is; to the command line, on a terminal, and to DPDK's telemetry.
Method: one node; functions that sleep for a known time; sums that must agree.
"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, until   # noqa: E402

MICROBURST, SOURCE = sys.argv[1:3]
MS = 1000000

FUNCTIONS = r"""
#include <microburst/function.h>
#include <time.h>

MB_FUNCTION(works)      /* for so many microseconds */
{
    int64_t us;
    uint64_t end;

    MB_TRY(mb_arg_i64(call, 0, &us));
    end = mb_now_ns(call) + (uint64_t)us * 1000;
    while (mb_now_ns(call) < end) {
    }
    return mb_return_i64(call, us);
}
MB_FUNCTION(fold) { return 0; }
MB_FUNCTION(writes) { return mb_incr(call, mb_str("n"), 1, NULL); }
MB_FUNCTION(fails) { return mb_fail(call, "no luck"); }
"""
NODE = None


def setUpModule():
    global NODE
    NODE = Node(MICROBURST, '--set', 'executor.count=2', '--set', 'sched.dag_split=0')
    unittest.addModuleCleanup(NODE.remove)
    NODE.deploy(FUNCTIONS)
    for name, text in (('twice', 'works#a -> works#b'), ('joined', 'works#a -> fold#c, '
                                                         'works#b -> fold#c')):
        code, _, err = NODE.run('dag', 'add', name, text)
        assert code == 0, err


def function(name):
    top = NODE.json('top', '--interval', '50ms')
    return next(f for f in top['functions'] if f['name'] == name)


class Trace(unittest.TestCase):
    def hops(self, *args):
        a = NODE.json(*args, '--trace')
        self.assertGreater(len(a['hops']), 3, a)
        return a

    def hops_without_gaps(self):
        """Of a call: nothing twice, and no gap, unless the machine did something else just then."""
        a = self.hops('call', 'works', '3000')
        ends = [h['at_ns'] + h['ns'] for h in a['hops']]
        return a if all(abs(hop['at_ns'] - before) < MS
                        for before, hop in zip(ends, a['hops'][1:])) else None

    def test_every_hop_of_a_call(self):
        a = until(self.hops_without_gaps, 60, 'hops that follow each other')
        names = [h['name'] for h in a['hops']]
        self.assertEqual(names[0], 'pick')
        self.assertEqual(names[-1], 'reply')
        for name in ('link', 'queue', 'run', 'publish'):    # a first call goes through sched
            self.assertIn(name, names)
        run = next(h for h in a['hops'] if h['name'] == 'run')
        self.assertEqual(run['of'], 'works')
        self.assertTrue(3 * MS <= run['ns'] < 10000 * MS, run)
        self.assertEqual(run['executor'], a['executor'])

    def test_trace_later(self):
        a = self.hops('call', 'writes')
        out = NODE.json('trace', a['call'])
        names = [h['name'] for h in out['hops']]
        self.assertIn('run', names)
        self.assertNotIn('reply', names)                    # who saw it is gone
        self.assertGreater(sum(h['ns'] for h in out['hops'] if h['name'] == 'publish'), 0)
        code, _, err = NODE.run('trace', '123456')
        self.assertEqual(code, 1)
        self.assertIn('remembers', err)

    def test_a_dag(self):
        a = self.hops('dag', 'call', 'twice', 'works#a=500', 'works#b=600')
        self.assertGreaterEqual(sum(h['ns'] for h in a['hops'] if h['name'] == 'run'), 1.1 * MS)

    def test_parts_of_a_dag_are_named_as_in_its_text(self):
        a = self.hops('dag', 'call', 'joined', 'works#a=500', 'works#b=600')
        for name in ('queue', 'run'):
            self.assertEqual(sorted(h['of'] for h in a['hops'] if h['name'] == name),
                             ['fold#c', 'works#a', 'works#b'])
        parts = NODE.json('explain', a['call'])['decisions']
        self.assertEqual([d['name'] for d in parts], ['works#a', 'works#b', 'fold#c'])

    def test_usage(self):
        self.assertEqual(NODE.run('call', 'works', '1', '--trace', '--repeat', '5')[0], 2)


class Use(unittest.TestCase):
    def test_functions_are_metered(self):
        before, failed = function('works'), function('fails')['failed']
        for _ in range(3):
            NODE.run('call', 'works', '2000')
        NODE.run('dag', 'call', 'twice', 'works#a=1000', 'works#b=1000')
        NODE.run('call', 'fails')
        after = function('works')
        self.assertEqual(after['finished'] - before['finished'], 5)
        self.assertTrue(8 * MS <= after['run_ns'] - before['run_ns'] < 10000 * MS)
        self.assertEqual(function('fails')['failed'] - failed, 1)

    def test_nothing_is_lost_when_executors_go(self):
        NODE.run('call', 'works', '100', '--repeat', '20')
        before = function('works')
        for pid in [e['pid'] for e in NODE.json('ps')['executors'] if e['pid'] > 0]:
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(NODE.run('call', 'works', '100')[0], 0)
        after = function('works')
        self.assertEqual(after['finished'], before['finished'] + 1)
        self.assertGreater(after['run_ns'], before['run_ns'])

    def test_ps_names_the_function_that_runs_in_a_dag(self):
        until(lambda: not NODE.json('ps')['calls'], 60, 'the end of the calls before')
        seen, us = set(), 1000000
        while not seen and us < 60000000:   # a busy machine may have no look at a short one
            call = subprocess.Popen([MICROBURST, '--socket', NODE.socket, 'dag', 'call', 'twice',
                                     f'works#a={us}', 'works#b=1'], stdout=subprocess.DEVNULL)
            while call.poll() is None:
                seen |= {c['function'] for c in NODE.json('ps')['calls']} - {''}
            self.assertEqual(call.returncode, 0)
            us *= 4
        self.assertEqual(seen, {'works'})

    def test_sampled_calls_show_the_stages(self):
        def sampled():
            NODE.run('call', 'works', '1', '--repeat', '2000')
            stages = {s['name']: s for s in NODE.json('top', '--interval', '50ms')['stages']}
            return stages if stages['link']['calls'] > 0 else None

        # A call goes by way of sched when its executor was busy just then: it has no link's time.
        stages = until(sampled, 60, 'calls that go another way')
        self.assertGreaterEqual(stages['run']['calls'], 2000)
        for name, least in (('pick', 20), ('link', 1), ('transit', 20), ('call', 20)):
            self.assertTrue(least <= stages[name]['calls'] <= stages['run']['calls'], stages[name])


class Top(unittest.TestCase):
    """On a terminal of its own."""

    term = 'xterm'

    def setUp(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(MICROBURST, [MICROBURST, 'top', '--interval', '100ms', '--socket',
                                   NODE.socket], {**os.environ, 'TERM': self.term})
        self.resize(40, 100)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def frames(self, enough=lambda frames: False):
        """What it shows until that is enough, or it ends, split where it begins anew."""
        def split():
            return re.split(r'\x1b\[H', text.decode(errors='replace'))

        text, end = b'', time.monotonic() + 60
        while not enough(split()) and time.monotonic() < end:
            if select.select([self.fd], [], [], 0.05)[0]:
                try:
                    text += os.read(self.fd, 65536)
                except OSError:
                    break
        return split()

    @staticmethod
    def whole(frames):
        return [f for f in frames if 'STAGE' in f and 'TILE' in f]

    def test_frames_resize_and_quit(self):
        load = subprocess.Popen([MICROBURST, 'call', 'works', '50', '--repeat', '2000000',
                                 '--socket', NODE.socket], stdout=subprocess.DEVNULL)
        frames = self.frames(lambda frames: any(re.search(r'works +[1-9]', f)
                                                for f in self.whole(frames)))
        load.kill()
        load.wait()
        self.assertRegex('\n'.join(self.whole(frames)), r'works +[1-9]')
        self.resize(6, 30)
        small = self.frames(lambda frames: self.fits(frames, 7, 30))    # first old ones come
        self.assertTrue(self.fits(small, 7, 30), small[-2:])
        os.write(self.fd, b'q')
        self.frames()
        self.assert_ended()

    @staticmethod
    def fits(frames, rows, columns):
        """Whether the last whole one does."""
        if len(frames) < 3:
            return False
        lines = re.sub(r'\x1b\[[0-9?]*[A-Za-z]', '', frames[-2]).replace('\r', '').split('\n')
        return len(lines) <= rows and max(map(len, lines)) <= columns

    def assert_ended(self):
        def status():
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return (status,) if pid != 0 else None
        self.assertEqual(until(status, 60, 'its end'), (0,))


class DumbTop(Top):
    term = 'dumb'

    def test_frames_resize_and_quit(self):
        text = ''.join(self.frames())
        self.assertIn('STAGE', text)
        self.assertNotIn('\x1b', text)
        self.assert_ended()     # by itself


class Telemetry(unittest.TestCase):
    """As dpdk-telemetry.py asks."""

    @classmethod
    def setUpClass(cls):
        folder = re.search(r'runtime directory (\S+)', NODE.said()).group(1)
        paths = [os.path.join(at, 'dpdk_telemetry.v2') for at, _, files in os.walk(folder)
                 if 'dpdk_telemetry.v2' in files]
        cls.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        cls.socket.connect(paths[0])
        cls.room = json.loads(cls.socket.recv(1024))['max_output_len']

    @classmethod
    def tearDownClass(cls):
        cls.socket.close()

    def ask(self, command):
        self.socket.send(command.encode())
        return json.loads(self.socket.recv(self.room))

    def test_commands(self):
        NODE.run('call', 'works', '10', '--repeat', '100')
        self.assertIn('/microburst/functions', self.ask('/')['/'])
        tiles = self.ask('/microburst/tiles')['/microburst/tiles']
        self.assertTrue({'sched_0', 'cache_0', 'kvs_0', 'ctl_0'} <= set(tiles), tiles)
        self.assertEqual(tiles['kvs_0']['name'], 'kvs:0')
        self.assertIn('finished', next(iter(self.ask('/microburst/executors')[
            '/microburst/executors'].values())))
        found = self.ask('/microburst/functions,works')['/microburst/functions']
        self.assertGreaterEqual(found['finished'], 100)
        self.assertGreater(found['p99_ns'], 10000)
        self.assertIn('cache_key_fetched',
                      self.ask('/microburst/metrics,cache:0')['/microburst/metrics'])
        stages = self.ask('/microburst/latency')['/microburst/latency']
        self.assertIn('p99_ns', stages['publish'])
        self.assertFalse(self.ask('/microburst/functions,nobody')['/microburst/functions'])


if __name__ == '__main__':
    unittest.main(argv=[sys.argv[0]] + sys.argv[3:])
