#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""remote_test.py MICROBURST SOURCE MANY LANES SKEW

Goal:   a client that reaches the node over UDP can do what a local one can, over a network that
        loses, doubles and reorders too; no call is lost and none runs twice; whatever else arrives
        at the port changes nothing.
Method: one node with net.listen on the loopback; the command line with --connect, directly and
        through a relay in this process that mistreats datagrams; garbage thrown at the port.
"""
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import hosts  # noqa: E402
from node import until  # noqa: E402

MICROBURST, SOURCE, MANY, LANES, SKEW = sys.argv[1:6]
START_S, COMMAND_S = 60, 60
SEED = int(os.environ.get('MB_TEST_SEED', '1'))


def microburst(*args, stdin=b'', timeout=COMMAND_S):
    """Returns (exit code, standard output, standard error)."""
    done = subprocess.run([MICROBURST, *args], input=stdin, capture_output=True, timeout=timeout,
                          check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode(errors='replace')


class Node:
    """A node that listens at a port of its own choice."""

    def __init__(self, port=0, *args):
        self.folder = tempfile.mkdtemp(prefix='microburst-remote-')
        self.socket = os.path.join(self.folder, 'socket')
        self.log = open(os.path.join(self.folder, 'log'), 'w+b')
        self.process = subprocess.Popen(
            [MICROBURST, 'up', '--socket', self.socket, '--set',
             f'net.listen=udp://127.0.0.1:{port}', '--set', 'net.admin=yes',
             '--set', 'cache.bytes=512m', *args],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        until = time.monotonic() + START_S
        while self.local('status')[0] != 0:
            if self.process.poll() is not None or time.monotonic() > until:
                self.end()
                raise RuntimeError('the node did not start:\n' + self.said())
            time.sleep(0.05)
        self.port = int(re.search(r'net: port (\d+)', self.said()).group(1))

    def said(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read().decode(errors='replace')

    def local(self, *args):
        return microburst('--socket', self.socket, *args)

    def metric(self, name, tile='net:0'):
        """A counter of a net tile."""
        tiles = json.loads(self.local('--json', 'top', '--once')[1])['tiles']
        return next(t for t in tiles if t['name'] == tile)['metrics']['net_' + name]

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def remove(self):
        self.end()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Relay(threading.Thread):
    """A network on the way to a port, which loses, doubles, delays and cuts datagrams."""

    def __init__(self, port, loss, double=0.0, late=0.0, at='127.0.0.1'):
        super().__init__(daemon=True)
        self.to = ('127.0.0.1', port)
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind((at, 0))
        self.port = self.front.getsockname()[1]
        self.back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.back.connect(self.to)
        self.rng = random.Random(SEED)
        self.loss, self.double, self.late = loss, double, late
        self.lost = self.passed = 0
        self.cut = self.over = False
        self.client = self.record = self.answered = None
        for s in (self.front, self.back):
            s.settimeout(0.05)
        self.other = threading.Thread(target=self.answers, daemon=True)
        self.other.start()
        self.start()

    def pass_on(self, send, data):
        if self.cut or self.rng.random() < self.loss:
            self.lost += 1
            return
        self.passed += 1
        for _ in range(2 if self.rng.random() < self.double else 1):
            if self.rng.random() < self.late:
                threading.Timer(self.rng.random() * 0.01, send, (data,)).start()
            else:
                send(data)

    def pump(self, sock, send):
        while not self.over:
            try:
                data, sender = sock.recvfrom(65536)
            except (TimeoutError, ConnectionRefusedError):
                continue
            if sock is self.front:
                self.client = sender
            record = self.record if sock is self.front else self.answered
            if record is not None:
                record.append(data)
            self.pass_on(send, data)

    def run(self):
        self.pump(self.front, self.back.send)

    def answers(self):
        self.pump(self.back, lambda data: self.front.sendto(data, self.client))

    def end(self):
        self.over = True
        self.join()
        self.other.join()
        self.front.close()
        self.back.close()


class Remote(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node()
        for name in ('increment', 'echo', 'counter', 'errors', 'deadline', 'square'):
            code, out, err = cls.node.local('deploy', os.path.join(SOURCE, 'examples',
                                                                   name + '.c'))
            assert code == 0, out + err

    @classmethod
    def tearDownClass(cls):
        cls.node.remove()

    def remote(self, *args, port=None, stdin=b''):
        return microburst('--connect', f'udp://127.0.0.1:{port or self.node.port}', *args,
                          stdin=stdin)

    def ok(self, *args, port=None, stdin=b''):
        code, out, err = self.remote(*args, port=port, stdin=stdin)
        self.assertEqual((code, err), (0, ''), args)
        return out.strip()

    def test_calls(self):
        self.assertEqual(self.ok('call', 'increment', '41'), '42')
        self.assertEqual(self.ok('call', 'increment', '--deadline', '5s', '1'), '2')
        followed = self.ok('call', 'increment', '--trace', '1').split()
        self.assertEqual(followed[0], '2')
        self.assertIn('run', followed)
        # Its name is the node's, wherever that is asked for it; and options may follow.
        call = json.loads(self.ok('call', 'increment', '--trace', '--json', '1'))
        self.assertEqual([hop['name'] for hop in call['hops']][-1], 'reply')
        self.assertIn('run', self.node.local('trace', call['call'])[1])
        code, out, err = microburst('get', 'nothing', '--connect',
                                    f'udp://127.0.0.1:{self.node.port}')
        self.assertEqual((code, out), (1, ''))
        self.assertIn('no such key', err)
        code, _, err = self.remote('call', 'no_such_thing')
        self.assertEqual(code, 1)
        self.assertIn('no function of that name', err)
        # The channel that the node has with its executor for them is not held by anybody.
        self.assertEqual(json.loads(self.ok('status', '--json'))['held']['channels'], 0)

    def test_futures(self):
        """A call that nobody waits for runs, its command ends when the node has it; or says why it
        does not, as it does here."""
        relay = Relay(self.node.port, loss=0.4)
        self.addCleanup(relay.end)
        long = 'x' * 30000      # some datagrams, and all but the first must be granted
        self.assertEqual(self.ok('future', self.ok('call', '--future', 'echo', long)), long)
        for i in range(10):
            call = self.ok('call', '--future', 'increment', str(i), port=relay.port)
            self.assertEqual(self.ok('future', call, port=relay.port), str(i + 1))
        self.assertGreater(relay.lost, 10)
        for words in (('call', '--future', 'no_such_thing'),
                      ('dag', 'call', '--future', 'no_such_thing')):
            said = self.remote(*words)
            self.assertEqual(said, self.node.local(*words))
            self.assertEqual(said[:2], (1, ''))

    def test_clocks_that_differ(self):
        """A call with a request id is judged by one clock, that of the node when it was started:
        not by its caller's, and not by what the clock was set to since."""
        for seconds in '-7200', '7200':
            env = {**os.environ, 'LD_PRELOAD': SKEW, 'MB_SKEW_S': seconds}
            for where in (('--connect', f'udp://127.0.0.1:{self.node.port}'),
                          ('--socket', self.node.socket)):
                said = b'1'
                for words in ('call', '--future', 'increment'), ('future',):
                    done = subprocess.run([MICROBURST, *where, *words, said.strip()], env=env,
                                          capture_output=True, timeout=COMMAND_S, check=False)
                    self.assertEqual((done.returncode, done.stderr), (0, b''), (seconds, where))
                    said = done.stdout
                self.assertEqual(said.strip(), b'2')
            # A key ends by the node's clock.
            here = (MICROBURST, '--connect', f'udp://127.0.0.1:{self.node.port}')
            self.ok('set', 'ends', '1')
            subprocess.run([*here, 'expire', 'ends', '1h' if seconds[0] == '-' else '1s'], env=env,
                           timeout=COMMAND_S, check=True)
            if seconds[0] == '-':
                self.assertEqual(self.ok('get', 'ends'), '1')
            else:
                until(lambda: self.remote('get', 'ends')[0] == 1, COMMAND_S, 'the end of a key')

    def test_many(self):
        """Many keys at once: a remote client, one whose datagrams come twice, and a local one."""
        twice = Relay(self.node.port, loss=0, double=1.0)
        self.addCleanup(twice.end)
        for where in (f'udp://127.0.0.1:{twice.port}', f'udp://127.0.0.1:{self.node.port}',
                      self.node.socket):
            done = subprocess.run([MANY, where], capture_output=True, timeout=COMMAND_S,
                                  check=False)
            self.assertEqual((done.returncode, done.stdout), (0, b'many\n'), done.stderr)

    def test_state(self):
        self.ok('set', 'color', 'blue')
        self.assertEqual(self.ok('get', 'color'), 'blue')
        self.assertEqual(self.node.local('get', 'color')[1].strip(), 'blue')
        self.assertEqual(self.ok('incr', 'visits'), '1')
        self.assertEqual(self.ok('incr', 'visits'), '2')
        self.ok('sadd', 'tags', 'a', 'b')
        self.assertEqual(self.ok('sadd', 'tags', 'b', 'c'), '1')
        self.assertEqual(self.ok('members', 'tags').split(), ['a', 'b', 'c'])
        self.assertEqual(self.ok('srem', 'tags', 'b', 'x'), '1')
        self.assertEqual(self.ok('members', 'tags').split(), ['a', 'c'])
        self.ok('hset', 'map', 'field', 'there')
        self.assertEqual(self.ok('hget', 'map', 'field'), 'there')
        self.assertEqual(self.ok('hincr', 'map', 'n', '3'), '3')
        self.ok('hdel', 'map', 'field')
        self.assertEqual(self.remote('hget', 'map', 'field')[0], 1)
        self.assertIn('color', self.ok('keys', 'col').split())
        self.ok('del', 'color')
        self.assertEqual(self.remote('get', 'color')[0], 1)
        self.assertEqual(self.remote('incr', 'tags')[0], 1)
        # Of a collection only the item comes: that it is one of another type is told all the same.
        for args in (('hget', 'tags', 'a'), ('hget', 'tags', 'x'), ('zscore', 'map', 'there')):
            for said in (self.remote(*args)[2], self.node.local(*args)[2]):
                self.assertIn('of another type', said, args)

    def test_all_that_the_local_command_line_does(self):
        """Each command, over the wire and here, on keys of their own: the same answers."""
        lines = """push L a b c; push --left L d; members L; pop L; pop --left L; pop L; pop L
            pop L
            zadd Z a 1; zadd Z b 2.5; zadd Z c -1; zscore Z b; zscore Z nobody; zincr Z a 3
            zrange Z 0 -1; zrange --by-score Z 0 inf; zpop Z; zpop --highest Z; zrem Z b
            zrem Z b; zpop Z; push Z x; set K v; expire K 1h; expire K never; get K; del K
            del K; expire K 10s; expire NOKEY 10s; merge MX max:3; merge MX max:2; get MX
            merge PR priority:4:low priority:2:high; get PR; merge CL clock:7:2; members CL
            merge MX or:1; merge W lww:5:old; merge W lww:9:new; get W; sadd S a b; sadd S b c
            srem S a z; members S; hset H f x; hincr H n 4; hincr H n -1; hget H n; hget H z
            hdel H f; hdel H f; members H; incr S; get S; incr N 5; incr N; get N
            --ack all incr N; --ack one set K w; get K; --json get K; keys P"""
        for line in lines.replace('\n', ';').split(';'):
            said = []
            for prefix, run in (('wire/', self.remote), ('here/', self.node.local)):
                args = [prefix + w if w.isupper() else w for w in line.split()]
                code, out, err = run(*args)
                said.append((code, out.replace(prefix, ''), err.replace(prefix, '')))
            self.assertEqual(*said, line)

    def test_large_collections(self):
        """What is held as a tree comes whole, and item by item."""
        members = sorted(f'member{i}' * 3 for i in range(3000))
        self.assertEqual(self.ok('sadd', 'tree', *members), '3000')
        self.assertEqual(self.ok('members', 'tree').split(), members)
        self.assertEqual(self.ok('srem', 'tree', *members[:1000], 'nobody'), '1000')
        self.assertEqual(self.ok('members', 'tree').split(), members[1000:])
        self.ok('push', 'queue', *members)
        self.assertEqual(self.ok('pop', 'queue'), members[-1])
        self.assertEqual(self.ok('pop', '--left', 'queue'), members[0])
        self.assertEqual(len(self.ok('members', 'queue').split()), 2998)
        long = os.path.join(self.node.folder, 'long')
        with open(long, 'w', encoding='ascii') as f:
            f.write('y' * 200_000)
        self.assertEqual(self.ok('sadd', 'tree', 'x', '@' + long, 'z'), '3')
        self.ok('hset', 'wide', 'f', '@' + long)
        for i in range(40):
            self.ok('hset', 'wide', f'field{i}', str(i))
        self.assertEqual(self.ok('hget', 'wide', 'f'), 'y' * 200_000)
        self.assertEqual(self.ok('hget', 'wide', 'field39'), '39')

    def test_many_keys(self):
        for i in range(0, 400):
            self.node.local('set', f'key/{i:03}/' + 'k' * 100, '1')
        self.assertEqual(self.ok('keys', 'key/').split(),
                         [f'key/{i:03}/' + 'k' * 100 for i in range(400)])

    def test_deploy(self):
        code, out, _ = self.remote('deploy', os.path.join(SOURCE, 'examples', 'hello.c'))
        self.assertEqual(code, 0, out)
        self.assertIn('hello', self.ok('call', 'hello', 'you').lower())

    def test_messages(self):
        source = os.path.join(self.node.folder, 'waits.c')
        with open(source, 'w', encoding='ascii') as f:
            f.write('#include <microburst/function.h>\n'
                    'MB_FUNCTION(waits) { struct mb_message m; uint64_t self = mb_self(call);\n'
                    '  MB_TRY(mb_put(call, mb_str("who"), mb_slice_of(&self, sizeof(self))));\n'
                    '  MB_TRY(mb_flush(call)); MB_TRY(mb_recv(call, 60000000000u, &m));\n'
                    '  return mb_return_bytes(call, m.bytes); }\n')
        self.ok('deploy', source)
        with subprocess.Popen([MICROBURST, '--connect', f'udp://127.0.0.1:{self.node.port}', 'call',
                               'waits'], stdout=subprocess.PIPE) as waits:
            who = b''
            until = time.monotonic() + COMMAND_S
            while len(who) != 8 and time.monotonic() < until:
                who = subprocess.run([MICROBURST, '--connect',
                                      f'udp://127.0.0.1:{self.node.port}', 'get', 'who'],
                                     capture_output=True, timeout=COMMAND_S, check=False).stdout
            self.ok('send', f'{int.from_bytes(who, "little"):016x}', 'hello there')
            self.assertEqual(waits.communicate(timeout=COMMAND_S)[0].strip(), b'hello there')

    def test_dag(self):
        self.assertIn('twice', self.ok('dag', 'add', 'twice', 'increment -> square'))
        self.assertEqual(self.ok('dag', 'call', 'twice', 'increment=4'), '25')

    def test_administration(self):
        self.assertIn('increment', self.ok('functions'))
        self.assertIn('socket', self.ok('status'))

    def test_administration_that_is_off(self):
        """What there is to do about it stands at the node, not with who asks."""
        node = Node(0, '--set', 'net.admin=no')
        self.addCleanup(node.remove)
        for words in ('status',), ('deploy', os.path.join(SOURCE, 'examples', 'increment.c')):
            code, _, err = self.remote(*words, port=node.port)
            self.assertEqual((code, 'net.admin' in err, 'root' in err), (1, True, False), err)

    def test_administration_holds_up_nobody(self):
        """While a function that takes long to begin is deployed, others are served; and so are
        more questions at once than are taken at once."""
        source = os.path.join(self.node.folder, 'slow.c')
        with open(source, 'w', encoding='ascii') as f:
            f.write('#include <microburst/function.h>\n#include <time.h>\n#include <unistd.h>\n'
                    'static double begun, ended;\n'
                    'static double now(void) { struct timespec t;\n'
                    '  clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }\n'
                    'MB_INIT { begun = now(); for (int i = 0; i < 120; i++) usleep(50000);\n'
                    '  ended = now(); return MB_OK; }\n'
                    'MB_FUNCTION(slow) { MB_TRY(mb_return_f64(call, begun));\n'
                    '  return mb_return_f64(call, ended); }\n')
        with subprocess.Popen([MICROBURST, '--connect', f'udp://127.0.0.1:{self.node.port}',
                               'deploy', source], stdout=subprocess.DEVNULL) as deploys:
            served = []
            while deploys.poll() is None:
                before = time.monotonic()
                self.ok('incr', 'meanwhile')
                served.append((before, time.monotonic()))
            self.assertEqual(deploys.returncode, 0)
        begun, ended = map(float, self.ok('call', 'slow').split())
        self.assertTrue(any(begun < a and b < ended for a, b in served), (begun, ended, served))
        asks = [subprocess.Popen([MICROBURST, '--connect', f'udp://127.0.0.1:{self.node.port}',
                                  'status'], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                for _ in range(24)]
        for ask in asks:
            out, err = ask.communicate(timeout=COMMAND_S)
            self.assertTrue(b'socket' in out or b'busy' in err.lower(), (out, err))

    def test_large_values(self):
        # The first of these are read each time, and so go through the cache. Of the others each key
        # is written twice before anybody reads it: they give the store their pages.
        twice = [(f'fresh {key}', size) for size in (64 << 20, (5 << 20) + 7, 64 << 20)
                 for key in (1, 2)]
        held = {}
        read = [('large', size) for size in (1400, 8900, 9000, 100_000, 64 << 20)]
        for key, size in read + twice:
            held[key] = random.Random(f'{key} {size} {len(held)}').randbytes(size)
            path = os.path.join(self.node.folder, 'value')
            with open(path, 'wb') as f:
                f.write(held[key])
            self.ok('set', key, '@' + path)
            if key == 'large':
                self.assertTrue(self.get_bytes(key) == held[key], size)
        for key, value in held.items():
            self.assertTrue(self.get_bytes(key) == value, key)

    def get_bytes(self, key):
        return subprocess.run([MICROBURST, '--connect', f'udp://127.0.0.1:{self.node.port}',
                               'get', key], capture_output=True, timeout=COMMAND_S,
                              check=True).stdout

    def test_large_values_leave_room(self):
        """The memory that they came into is for processes of this machine again, soon after."""
        node = Node(0, '--set', 'executor.payload_budget=80m')
        self.addCleanup(node.remove)
        path = os.path.join(node.folder, 'value')
        with open(path, 'wb') as f:
            f.write(bytes(64 << 20))
        self.ok('set', 'large', '@' + path, port=node.port)
        until = time.monotonic() + 60
        while node.local('set', 'large', '@' + path)[0] != 0:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.1)
        while json.loads(node.local('--json', 'status')[1])['held']['segments'] != 0:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.1)

    def test_many_calls_at_once(self):
        self.ok('call', 'increment', '1', '--repeat', '3000', '--parallel', '100')

    def test_lossy_network(self):
        relay = Relay(self.node.port, loss=0.1, double=0.1, late=0.1)
        try:
            before = self.node.metric('request_taken')
            self.ok('call', 'increment', '1', '--repeat', '300', '--parallel', '8',
                    port=relay.port)
            for i in range(20):
                self.assertEqual(self.ok('incr', 'counted', port=relay.port), str(i + 1))
            # 300 calls, 20 increments, and a greeting each of 21 clients: nothing ran twice.
            self.assertEqual(self.node.metric('request_taken') - before, 300 + 20 + 21)
            self.assertGreater(relay.lost, 30)
        finally:
            relay.end()

    def test_large_values_over_a_lossy_network(self):
        relay = Relay(self.node.port, loss=0.02, double=0.02, late=0.02)
        value = random.Random(5).randbytes(2 << 20)
        path = os.path.join(self.node.folder, 'lossy')
        with open(path, 'wb') as f:
            f.write(value)
        try:
            self.ok('set', 'lossy', '@' + path, port=relay.port)
            done = subprocess.run([MICROBURST, '--connect', f'udp://127.0.0.1:{relay.port}',
                                   'get', 'lossy'], capture_output=True, timeout=COMMAND_S,
                                  check=True)
            self.assertTrue(done.stdout == value)
            self.assertGreater(relay.lost, 0)
        finally:
            relay.end()

    def test_garbage(self):
        """Truncated, oversized, flipped and made-up frames: counted, and nothing else."""
        rng = random.Random(SEED)
        before = self.node.metric('datagram_refused')
        until = time.monotonic() + COMMAND_S
        while self.node.metric('datagram_refused') <= before + 1000:    # the kernel drops some
            self.assertLess(time.monotonic(), until)
            self.throw(rng)
        self.assertEqual(self.ok('call', 'increment', '1'), '2')

    def throw(self, rng):
        thrower = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for i in range(3000):
            data = bytearray(rng.randbytes(rng.choice((0, 1, 39, 40, 41, 100, 1400, 9000))))
            if len(data) >= 40 and i % 2:
                data[0], data[1] = 0xb1, rng.randrange(9)
                data[3] = 0
                data[4:6] = (len(data) - 40).to_bytes(2, 'little')
            thrower.sendto(data, ('127.0.0.1', self.node.port))
            if i % 100 == 0:
                time.sleep(0.005)
        thrower.close()

    def test_hostile_client(self):
        """A client that keeps to the protocol, and asks for nonsense: each request is answered,
        nothing is left of them, and others are served."""
        rng = random.Random(SEED)
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer.connect(('127.0.0.1', self.node.port))
        peer.settimeout(COMMAND_S)

        def frame(kind, flags, session, ident, body, total=0):
            return struct.pack('<BBBBHHQQIIII', 0xb1, kind, flags, 0, len(body), 1300, session,
                               ident, 7, 0, total, 0) + body
        peer.send(frame(1, 0, 0, 1, bytes(1300)))
        session = struct.unpack_from('<Q', peer.recv(9000), 8)[0]
        answered = 0
        for i in range(1, 1000):
            name = rng.choice((b'increment', b'counter', b'hostile', b'h' * 1024, b'', b'\0k'))
            payload = rng.randbytes(rng.choice((0, 4, 8, 24, 40, 64, 200)))
            if rng.random() < 0.3:      # an operation of a kind that there may be, on a key
                payload = struct.pack('<I', rng.randrange(32)) + payload
            ask = bytearray(struct.pack(
                '<BBHIQqQ', rng.choice((1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12)),
                rng.choice((0, 0, 1, 0x10, 0x30, 0xff)), len(name), len(payload),
                rng.choice((0, 1, 10**6)), rng.choice((0, 1, 2, 3, -1, 1 << 62)),
                rng.choice((0, 1, 1 << 63))) + name + bytes(-len(name) % 8) + payload)
            if rng.random() < 0.2:
                ask[rng.randrange(len(ask))] = rng.randrange(256)
                ask[0] = ask[0] % 9     # not administration
            ask = ask[:1300]
            request = frame(3, 1, session, i, bytes(ask), len(ask))
            peer.send(request)
            ident = 0
            while ident != i:           # an ACK says only that it runs
                data = peer.recv(9000)
                if data[1] in (4, 6):
                    ident = struct.unpack_from('<Q', data, 16)[0]
            answered += 1
        peer.close()
        self.assertEqual(answered, 999)
        self.assertEqual(self.ok('call', 'increment', '1'), '2')
        until(self.holds_nothing, COMMAND_S, 'nothing left')

    def holds_nothing(self):
        held = json.loads(self.node.local('--json', 'status')[1])['held']
        return (held['calls_queued'], held['calls_running'], held['segments']) == (0, 0, 0)

    def test_nobody_there(self):
        free = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
        free.close()
        self.assertEqual(self.remote('call', 'increment', '1', port=port)[0], 3)


class Names(unittest.TestCase):
    """A name with two addresses, of which the node listens at the second: in a mount namespace
    with an /etc/hosts of its own."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='microburst-remote-')
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.hosts = os.path.join(cls.folder, 'hosts')
        with open(cls.hosts, 'w', encoding='ascii') as file:
            file.write('::1 two.example\n127.0.0.1 two.example\n')
        why = hosts.no_naming(cls.hosts, 'two.example', '::1')
        if why:
            raise unittest.SkipTest(why)
        cls.node = Node()
        cls.addClassCleanup(cls.node.remove)

    def incr(self, key, port, name='two.example'):
        done = subprocess.run(hosts.naming(self.hosts, MICROBURST, '--connect',
                                           f'udp://{name}:{port}', 'incr', key),
                              capture_output=True, text=True, timeout=COMMAND_S, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_nobody_at_the_first(self):
        self.assertEqual(self.incr('refused', self.node.port), (0, '1\n', ''))

    def test_silence_at_the_first(self):
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as stranger:
            stranger.bind(('::1', self.node.port))
            self.assertEqual(self.incr('silent', self.node.port), (0, '1\n', ''))
            stranger.setblocking(False)
            self.assertNotEqual(stranger.recv(65536), b'')

    def test_nobody_at_either(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        code, _, err = self.incr('nobody', port)
        self.assertEqual(code, 3)
        self.assertIn('two.example', err)
        self.assertIn('no node answers there at any of its 2 addresses', err)
        code, _, err = self.incr('nobody', port, 'no.such.example')
        self.assertEqual(code, 3)
        self.assertIn('there is no host no.such.example', err)


class Keyed(unittest.TestCase):
    """A node that lets only those in who have a key."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='microburst-keys-')
        cls.keys = [f'{i} ' + random.Random(i).randbytes(32).hex() for i in (1, 2, 3)]
        cls.node = Node(0, '--set', 'net.keys=' + cls.file('node', *cls.keys[:2]))

    @classmethod
    def tearDownClass(cls):
        cls.node.remove()
        shutil.rmtree(cls.folder)

    @classmethod
    def file(cls, name, *keys):
        path = os.path.join(cls.folder, name)
        with open(path, 'w', encoding='utf-8') as f:
            f.write('\n'.join(keys) + '\n')
        os.chmod(path, 0o600)
        return path

    def remote(self, keys, *args, port=None):
        environment = {**os.environ, 'MICROBURST_KEYS': self.file('client', *keys) if keys else ''}
        done = subprocess.run([MICROBURST, '--connect', f'udp://127.0.0.1:{port or self.node.port}',
                               *args], capture_output=True, timeout=COMMAND_S, check=False,
                              env=environment)
        return done.returncode, done.stdout, done.stderr.decode()

    def test_with_a_key(self):
        self.assertEqual(self.remote(self.keys[:1], 'incr', 'n')[:2], (0, b'1\n'))
        # Rotation: the client seals with the new one, and still knows the old one.
        self.assertEqual(self.remote(self.keys[1::-1], 'incr', 'n')[:2], (0, b'2\n'))
        path = os.path.join(self.folder, 'value')
        value = random.Random(7).randbytes(3 << 20)
        with open(path, 'wb') as f:
            f.write(value)
        self.assertEqual(self.remote(self.keys[:1], 'set', 'large', '@' + path)[0], 0)
        self.assertTrue(self.remote(self.keys[:1], 'get', 'large')[1] == value)

    def test_rotation(self):
        """The keys change while calls run: none of them fails, and nothing is restarted."""
        path = os.path.join(self.folder, 'node')
        old, _, new = self.keys

        def wait(condition):
            until = time.monotonic() + COMMAND_S
            while not condition():
                self.assertLess(time.monotonic(), until)

        def becomes(*keys):
            before = self.node.said().count('was read again')
            self.file('node.new', *keys)
            os.rename(path + '.new', path)
            # Something has to come for it to look.
            wait(lambda: self.remote(keys[:1], 'get', 'n') and
                 self.node.said().count('was read again') > before)
        self.assertEqual(self.node.local('deploy', os.path.join(SOURCE, 'examples',
                                                                'increment.c'))[0], 0)
        environment = {**os.environ, 'MICROBURST_KEYS': self.file('caller', old, new)}
        with subprocess.Popen([MICROBURST, '--connect', f'udp://127.0.0.1:{self.node.port}', 'call',
                               'increment', '1', '--repeat', '100000000'], env=environment,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as caller:
            try:
                becomes(old, new)
                self.assertEqual(self.remote([new, old], 'incr', 'rotated')[:2], (0, b'1\n'))
                becomes(new, old)
                self.assertEqual(self.remote([new], 'incr', 'rotated')[:2], (0, b'2\n'))
                self.assertIsNone(caller.poll())
                before = self.node.metric('datagram_forged')
                becomes(new)
                wait(lambda: self.node.metric('datagram_forged') > before) # the caller's
                becomes(*self.keys[:2])
            finally:
                caller.kill()

    def test_without_one(self):
        before = self.node.metric('datagram_forged'), self.node.metric('request_taken')
        self.assertEqual(self.remote((), 'incr', 'm')[0], 3)
        self.assertEqual(self.remote(self.keys[2:], 'incr', 'm')[0], 3)
        self.assertGreater(self.node.metric('datagram_forged'), before[0] + 2)
        self.assertEqual(self.node.metric('request_taken'), before[1])

    def test_no_nonce_comes_twice(self):
        """Of a node whose tiles share a key."""
        port, heard = Tiles.ports(), []
        node = Node(port, '--set', 'net.tiles=2', '--set', 'net.keys=' + self.file('node2',
                                                                                   self.keys[0]))
        self.addCleanup(node.remove)
        for i in (0, 1):
            relay = Relay(port + i, loss=0)
            relay.answered = heard
            try:
                self.assertEqual(self.remote(self.keys[:1], 'incr', 'n', port=relay.port)[:2],
                                 (0, b'%d\n' % (i + 1)))
            finally:
                relay.end()
        nonces = [data[-40:-16] for data in heard]
        self.assertGreater(len(nonces), 4)
        self.assertEqual(len(set(nonces)), len(nonces))

    def test_what_was_recorded_has_no_effect(self):
        relay = Relay(self.node.port, loss=0)
        record = relay.record = []
        try:
            self.assertEqual(self.remote(self.keys[:1], 'incr', 'once', port=relay.port)[1],
                             b'1\n')
            before = self.node.metric('request_taken')
            self.assertTrue(record)
            self.assertFalse(any(b'once' in data for data in record))
            for _ in range(20):         # from where they came, and from elsewhere
                for data in record:
                    relay.back.send(data)
            thrower = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            for data in record:
                thrower.sendto(data, ('127.0.0.1', self.node.port))
            thrower.close()
            self.assertEqual(self.remote(self.keys[:1], 'get', 'once')[1].strip(), b'1')
            # Only the greeting and the get of the last client ran.
            self.assertEqual(self.node.metric('request_taken'), before + 2)
        finally:
            relay.end()


class Restart(unittest.TestCase):
    def test_node_killed_under_calls(self):
        """Calls on their way end with an error; a new client finds the new node at the port."""
        node = Node()
        try:
            port = node.port
            self.assertEqual(node.local('deploy', os.path.join(SOURCE, 'examples',
                                                               'increment.c'))[0], 0)
            caller = subprocess.Popen([MICROBURST, '--connect', f'udp://127.0.0.1:{port}', 'call',
                                       'increment', '1', '--repeat', '100000000'],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            until(lambda: node.metric('request_taken') > 10, COMMAND_S, 'calls')
            os.killpg(node.process.pid, signal.SIGKILL)
            node.process.wait()
            _, err = caller.communicate(timeout=COMMAND_S)
            self.assertEqual(caller.returncode, 1)
            self.assertRegex(err, 'died|acknowledgement|no node')
        finally:
            node.remove()
        again = Node(port)
        try:
            code, out, _ = microburst('--connect', f'udp://127.0.0.1:{port}', 'incr', 'n')
            self.assertEqual((code, out.strip()), (0, '1'))
        finally:
            again.remove()

class Tiles(unittest.TestCase):
    """A node with two net tiles, whose cache has two shards."""

    @staticmethod
    def ports():
        """Two ports beside each other."""
        while True:
            port = random.randrange(20000, 32000)
            try:
                for p in (port, port + 1):
                    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
                        s.bind(('::', p))
                return port
            except OSError:
                continue

    def round(self, client):
        """Returns how many of the client's keys failed."""
        client.stdin.write('round\n')
        client.stdin.flush()
        return int(client.stdout.readline())

    def until(self, client, what):
        until = time.monotonic() + COMMAND_S
        while not what(self.round(client)):
            self.assertLess(time.monotonic(), until)
            time.sleep(0.1)

    def test_keys_go_to_their_tiles(self):
        port = self.ports()
        two = ('--set', 'net.tiles=2', '--set', 'cache.tiles=2')
        node = Node(port, *two)
        client = subprocess.Popen([LANES, f'udp://127.0.0.1:{port}'], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.assertEqual(self.round(client), 0)
            # 64 keys, written and read; about half of them at each tile, once both have answered.
            def both():
                return [node.metric('request_taken', f'net:{i}') for i in (0, 1)]
            before = both()
            self.until(client, lambda _: min(a - b for a, b in zip(both(), before)) > 60)
            done = subprocess.run([MANY, f'udp://127.0.0.1:{port}'], capture_output=True,
                                  timeout=COMMAND_S, check=False)
            self.assertEqual((done.returncode, done.stdout), (0, b'many\n'), done.stderr)

            # Another node at the same ports: the client finds both of its tiles again.
            node.end(signal.SIGKILL)
            node.remove()
            node = Node(port, *two)
            self.until(client, lambda failed: failed == 0)
            self.until(client, lambda _: node.metric('request_taken', 'net:1') > 100)
            # And one that has a single tile: the first serves all.
            node.remove()
            node = Node(port)
            self.until(client, lambda failed: failed == 0)
        finally:
            client.stdin.close()
            client.wait(COMMAND_S)
            client.stdout.close()
            node.remove()
        self.assertEqual(client.returncode, 0)

    def test_calls_go_to_all_tiles(self):
        """Each client has a tile of its own choice for its calls, and what it says of them."""
        port = self.ports()
        node = Node(port, '--set', 'net.tiles=2')
        source = os.path.join(node.folder, 'hears.c')
        with open(source, 'w', encoding='ascii') as f:
            f.write('#include <microburst/function.h>\n'
                    'MB_FUNCTION(hears) { struct mb_message m;\n'
                    '  MB_TRY(mb_recv(call, MB_FOREVER, &m));\n'
                    '  return mb_return_bytes(call, m.bytes); }\n')

        def taken():
            return [node.metric('request_taken', f'net:{i}') for i in (0, 1)]

        def home(client):
            """Which tile's count has grown by a round's calls, when it has been told."""
            before = taken()
            self.assertEqual(self.round(client), 0)
            until = time.monotonic() + COMMAND_S
            while True:
                grown = [a - b for a, b in zip(taken(), before)]
                if max(grown) > 64:
                    return grown.index(max(grown))
                self.assertLess(time.monotonic(), until)

        try:
            code, out, err = node.local('deploy', source)
            self.assertEqual(code, 0, out + err)
            seen = set()
            for _ in range(40):
                with subprocess.Popen([LANES, f'udp://127.0.0.1:{port}', 'calls'], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
                    self.assertEqual(self.round(client), 0)  # meanwhile it is told of both tiles
                    seen.add(home(client))
                    client.stdin.close()
                    self.assertEqual(client.wait(COMMAND_S), 0)
                if len(seen) == 2:
                    break
            self.assertEqual(seen, {0, 1})
        finally:
            node.remove()

    def test_a_tile_that_cannot_be_reached(self):
        """Behind a relay that knows the first port only, the first tile serves all keys."""
        port = self.ports()
        node = Node(port, '--set', 'net.tiles=2')
        relay = Relay(port, loss=0, at='127.0.0.2')
        try:
            # The node's other port at the relay's address is a stranger's, who says nothing.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.bind(('127.0.0.2', port + 1))
                with subprocess.Popen([LANES, f'udp://127.0.0.2:{relay.port}'], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
                    for _ in range(3):
                        self.assertEqual(self.round(client), 0)
                    client.stdin.close()
                    self.assertEqual(client.wait(COMMAND_S), 0)
        finally:
            relay.end()
            node.remove()


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1] + sys.argv[6:], verbosity=2)
