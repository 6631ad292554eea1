#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""clients_test.py MICROBURST SOURCE SCRATCH [HIREDIS_CLIENT]

Goal:   the libraries that people have do the same through the gate: strings, counters, sets,
        hashes, lists, sorted sets, functions, transactions.
Method: one table of commands and answers, said by redis-cli, hiredis (HIREDIS_CLIENT, made of
        hiredis_client.c) and node's redis; then each library's own words for them: python3-redis,
        and node's redis again, which npm fetches into SCRATCH once. Who is not here is skipped, and
        told.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

MICROBURST, SOURCE, SCRATCH = sys.argv[1:4]
HIREDIS = sys.argv[4] if len(sys.argv) > 4 else None
sys.path.insert(0, f'{SOURCE}/tests/lib')
from node import Node   # noqa: E402

FETCH_S = 60
GO_ON_S = 120     # waits of a library between two tries grow
TABLE = [
    ('SET text hello', 'OK'),
    ('GET text', 'hello'),
    ('APPEND text !', 6),
    ('GETRANGE text 0 3', 'hell'),
    ('GET nothing', None),
    ('SET count 5', 'OK'),
    ('INCRBY count 37', 42),
    ('DECR count', 41),
    ('MGET text nothing count', ['hello!', None, '41']),
    ('EXISTS text nothing count', 2),
    ('EXPIRE text 100', 1),
    ('TTL nothing', -2),
    ('SADD set b a', 2),
    ('SADD set a c', 1),
    ('SISMEMBER set a', 1),
    ('SCARD set', 3),
    ('SREM set b c', 2),
    ('SMEMBERS set', ['a']),
    ('HSET hash f 1 g 2', 2),
    ('HINCRBY hash f 9', 10),
    ('HMGET hash f h', ['10', None]),
    ('HDEL hash g h', 1),
    ('HLEN hash', 1),
    ('RPUSH list a b', 2),
    ('LPUSH list z', 3),
    ('LRANGE list 0 -1', ['z', 'a', 'b']),
    ('LPOP list', 'z'),
    ('LINDEX list -1', 'b'),
    ('LLEN list', 2),
    ('ZADD zset 2 b 1 a', 2),
    ('ZRANGE zset 0 -1', ['a', 'b']),
    ('ZRANK zset b', 1),
    ('ZCARD zset', 2),
    ('ZREM zset a', 1),
    ('TYPE zset', 'zset'),
    ('FCALL increment 0 41', 42),
    ('MULTI', 'OK'),
    ('INCR count', 'QUEUED'),
    ('GET count', 'QUEUED'),
    ('EXEC', [42, '42']),
    ('DEL text set hash list zset', 5),
]

PYTHON_SCRIPT = r"""
import sys
import threading
import redis

def same(got, want):
    assert got == want, (got, want)

r = redis.Redis('127.0.0.1', int(sys.argv[1]), decode_responses=True)
assert r.ping()
same(r.set('a', 1), True)
same(r.incr('a', 4), 5)
same(r.set('a', 2, nx=True), None)
same(r.sadd('s', 'x', 'y'), 2)
same(r.smembers('s'), {'x', 'y'})
same(r.hset('h', mapping={'f': 1, 'g': 2}), 2)
same(r.hgetall('h'), {'f': '1', 'g': '2'})
same(r.rpush('l', 1, 2, 3), 3)
same(r.lrange('l', 0, -1), ['1', '2', '3'])
same(r.zadd('z', {'b': 2, 'a': 1.5}), 2)
same(r.zrange('z', 0, -1, withscores=True), [('a', 1.5), ('b', 2.0)])
same(sorted(r.scan_iter(count=1)), ['a', 'h', 'l', 's', 'z'])
with r.pipeline(transaction=False) as p:
    for i in range(100):
        p.set(f'p{i}', i)
        p.get(f'p{i}')
    same(p.execute(), [x for i in range(100) for x in (True, str(i))])
with r.pipeline(transaction=True) as p:
    p.incr('a')
    p.get('a')
    same(p.execute(), [6, '6'])
same(r.execute_command('FCALL', 'increment', 0, 9), 10)
same(r.info()['redis_mode'], 'standalone')
try:
    r.execute_command('nosuch')
    sys.exit('an unknown command was run')
except redis.ResponseError:
    pass

# Scripts are not served, which redis-py's Lock is given back with. This one does without.
class Lock(redis.lock.Lock):
    def register_scripts(self):
        pass

    def mine(self, token, change):
        def body(p):
            if p.get(self.name) not in (token, token.decode()):
                raise redis.exceptions.LockNotOwnedError(self.name)
            left = p.pttl(self.name)
            p.multi()
            change(p, left)
        self.redis.transaction(body, self.name)
        return True

    def do_release(self, token):
        self.mine(token, lambda p, left: p.delete(self.name))

    def do_extend(self, more, replace_ttl):
        return self.mine(self.local.token, lambda p, left: p.pexpire(
            self.name, int(more * 1000) + (0 if replace_ttl else left)))

    def do_reacquire(self):
        return self.do_extend(self.timeout, True)

def locked():
    own = redis.Redis('127.0.0.1', int(sys.argv[1]))
    for _ in range(10):
        with own.lock('lock', timeout=30, sleep=0.001, lock_class=Lock):
            own.set('sum', int(own.get('sum') or 0) + 1)

threads = [threading.Thread(target=locked) for _ in range(5)]
[t.start() for t in threads]
[t.join() for t in threads]
same((r.get('sum'), r.exists('lock')), ('50', 0))
lock = r.lock('lock', timeout=10, lock_class=Lock)
same((lock.acquire(), lock.locked(), lock.owned()), (True, True, True))
same(r.lock('lock', lock_class=Lock).acquire(blocking=False), False)
lock.extend(100)
same(100 < r.ttl('lock') <= 110, True)
lock.reacquire()
same(0 < r.ttl('lock') <= 10, True)
r.set('lock', 'of somebody else')
try:
    lock.release()
    sys.exit("somebody else's lock was released")
except redis.exceptions.LockNotOwnedError:
    same(r.get('lock'), 'of somebody else')
"""

NODE_SCRIPT = r"""
const { createClient } = require('redis');
const assert = require('assert');
const table = JSON.parse(require('fs').readFileSync(0, 'utf8'));

async function main() {
  const client = createClient({ socket: { host: '127.0.0.1', port: Number(process.argv[2]) } });
  client.on('error', error => { console.error(error); process.exit(1); });
  await client.connect();
  for (const [words, want] of table) {
    assert.deepStrictEqual(await client.sendCommand(words.split(' ')), want, words);
  }
  assert.strictEqual(await client.set('a', '1', { NX: true }), 'OK');
  assert.strictEqual(await client.set('a', '1', { NX: true }), null);
  assert.strictEqual(await client.incrBy('a', 4), 5);
  assert.deepStrictEqual(await client.mGet(['a', 'b']), ['5', null]);
  assert.strictEqual(await client.sAdd('s', ['x', 'y']), 2);
  assert.deepStrictEqual((await client.sMembers('s')).sort(), ['x', 'y']);
  assert.strictEqual(await client.hSet('h', { f: '1', g: '2' }), 2);
  assert.deepStrictEqual({ ...await client.hGetAll('h') }, { f: '1', g: '2' });
  assert.strictEqual(await client.rPush('l', ['1', '2', '3']), 3);
  assert.deepStrictEqual(await client.lRange('l', 0, 1), ['1', '2']);
  assert.strictEqual(await client.zAdd('z', [{ score: 2, value: 'b' },
                                             { score: 1, value: 'a' }]), 2);
  assert.deepStrictEqual(await client.zRangeWithScores('z', 0, -1),
                         [{ value: 'a', score: 1 }, { value: 'b', score: 2 }]);
  assert.strictEqual(await client.fCall('increment', { keys: [], arguments: ['41'] }), 42);
  assert.deepStrictEqual(await client.multi().incr('a').get('a').exec(), [6, '6']);
  const many = Array.from({ length: 200 }, (_, i) => i);
  assert.deepStrictEqual(await Promise.all(many.map(i => client.set(`p${i}`, String(i)))),
                         many.map(() => 'OK'));
  assert.deepStrictEqual(await Promise.all(many.map(i => client.get(`p${i}`))), many.map(String));
  await assert.rejects(client.sendCommand(['NOSUCH']), /unknown command/);
  const other = client.duplicate();
  await other.connect();
  const popped = other.blPop('queue', 5);
  await client.rPush('queue', 'item');
  assert.deepStrictEqual({ ...await popped }, { key: 'queue', element: 'item' });
  other.destroy ? other.destroy() : await other.disconnect();
  client.destroy ? client.destroy() : await client.disconnect();
}
main().catch(error => { console.error(error); process.exit(1); });
"""


# Programs that the next node is to see: they end when they have heard that it is there, by a
# message, and by what their library does when a connection breaks.
PYTHON_STAYS = r"""
import sys
import redis

r = redis.Redis(unix_socket_path=sys.argv[1], health_check_interval=1, decode_responses=True)
heard = r.pubsub(ignore_subscribe_messages=True)
heard.subscribe('news')
r.set('which', 'first')
print('ready', flush=True)
message = None
while message is None or message['data'] != 'second':
    try:
        which = r.get('which')
        if which:
            r.publish('news', which)
        message = heard.get_message(timeout=1)
    except redis.ConnectionError:
        pass
"""

NODE_STAYS = r"""
const { createClient } = require('redis');

async function main() {
  const options = { socket: { path: process.argv[1] } };
  const client = createClient(options), other = createClient(options);
  let heard;
  client.on('error', () => {});
  other.on('error', () => {});
  await client.connect();
  await other.connect();
  await other.subscribe('news', message => { heard = message; });
  await client.set('which', 'first');
  console.log('ready');
  while (heard !== 'second') {
    try {
      const which = await client.get('which');
      if (which) {
        await client.publish('news', which);
      }
    } catch (error) {
      // it connects anew
    }
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  process.exit(0);
}
main().catch(error => { console.error(error); process.exit(1); });
"""


def tool(name):
    return unittest.skipUnless(shutil.which(name), f'{name} is not installed')


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node(MICROBURST, '--set', 'gate.listen=127.0.0.1:0')
        cls.addClassCleanup(cls.node.remove)
        cls.port = cls.said_port()
        code, _, said = cls.node.run('deploy', f'{SOURCE}/examples/increment.c')
        if code != 0:
            raise RuntimeError(said)

    @classmethod
    def said_port(cls):
        lines = cls.node.said().splitlines()
        return next(line.rsplit(' ', 1)[1] for line in lines
                    if line.startswith('Redis clients: port '))

    def setUp(self):
        from socket import create_connection
        with create_connection(('127.0.0.1', int(self.port))) as s:
            s.sendall(b'FLUSHALL\r\n')
            self.assertEqual(s.recv(16), b'+OK\r\n')

    def run_program(self, *args, text='', **more):
        done = subprocess.run(args, input=text, capture_output=True, text=True, timeout=120,
                              check=False, **more)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def answers(self, printed):
        """The table's commands and what a program printed, a line of JSON each."""
        lines = printed.splitlines()
        self.assertEqual(len(lines), len(TABLE), printed)
        for (words, want), line in zip(TABLE, lines):
            self.assertEqual(json.loads(line), want, words)

    def goes_on(self, command, cwd):
        """A program goes on with the next node, at the same socket, when its own was killed."""
        with tempfile.TemporaryDirectory() as folder:
            path = f'{folder}/gate'
            first = Node(MICROBURST, '--set', f'gate.socket={path}')
            self.addCleanup(first.remove)
            with subprocess.Popen([*command, path], cwd=cwd, stdout=subprocess.PIPE) as program:
                try:
                    self.assertEqual(program.stdout.readline(), b'ready\n')
                    first.process.kill()
                    first.process.wait()
                    second = Node(MICROBURST, '--set', f'gate.socket={path}')
                    self.addCleanup(second.remove)
                    self.assertEqual(second.run('set', 'which', 'second')[0], 0)
                    self.assertEqual(program.wait(GO_ON_S), 0)
                finally:
                    program.kill()

    @tool('redis-cli')
    def test_redis_cli(self):
        words = ''.join(f'{words}\n' for words, _ in TABLE)
        # In a pipe it says everything over one connection, and one answer after the other.
        self.answers(self.run_program('redis-cli', '-p', self.port, '-2', '--json', text=words))

    @tool('redis-cli')
    def test_redis_cli_as_people_use_it(self):
        def cli(*args):
            return self.run_program('redis-cli', '-p', self.port, *args)
        self.assertEqual(cli('set', 'a', '5'), 'OK\n')
        self.assertEqual(cli('--no-raw', 'incr', 'a'), '(integer) 6\n')
        self.assertEqual(cli('-3', '--no-raw', 'hset', 'h', 'f', 'v'), '(integer) 1\n')
        self.assertIn('"f" => "v"', cli('-3', '--no-raw', 'hgetall', 'h'))
        self.assertEqual(cli('--no-raw', 'fcall', 'increment', '0', '6'), '(integer) 7\n')
        self.assertEqual(sorted(cli('--scan').split()), ['a', 'h'])
        self.assertIn('key value [NX|XX] [GET] [EX seconds|PX', cli('help', 'set'))

    @tool('redis-benchmark')
    def test_redis_benchmark(self):
        out = self.run_program(
            'redis-benchmark', '-p', self.port, '-n', '4000', '-c', '50', '-P', '16', '-r', '1000',
            '-t', 'ping,set,get,incr,sadd,hset,mset', '--csv')
        rows = [line for line in out.splitlines() if line.startswith('"')]
        self.assertGreaterEqual(len(rows), 7, out)

    @unittest.skipUnless(HIREDIS, 'libhiredis-dev was not there when this was built')
    def test_hiredis(self):
        words = ''.join(f'{words}\n' for words, _ in TABLE)
        for pipelined in ((), ('pipelined',)):
            self.setUp()
            self.answers(self.run_program(HIREDIS, self.port, *pipelined, text=words))

    def test_python_redis(self):
        # The interpreter of this test need not be the one that Debian's package is for.
        for python in (sys.executable, '/usr/bin/python3'):
            if subprocess.run([python, '-c', 'import redis'], capture_output=True,
                              check=False).returncode == 0:
                self.run_program(python, '-B', '-', self.port, text=PYTHON_SCRIPT)
                self.goes_on([python, '-B', '-c', PYTHON_STAYS], None)
                return
        self.skipTest('python3-redis is not installed')

    @tool('npm')
    @tool('node')
    def test_node_redis(self):
        folder = os.path.join(SCRATCH, 'npm')
        os.makedirs(folder, exist_ok=True)
        if not os.path.exists(os.path.join(folder, 'node_modules', 'redis', 'package.json')):
            try:
                fetched = subprocess.run(
                    ['npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix',
                     folder, 'redis'], capture_output=True, text=True, timeout=FETCH_S, check=False,
                    stdin=subprocess.DEVNULL, cwd=folder)
                why = fetched.stderr.strip().splitlines()[:1] if fetched.returncode else None
            except subprocess.TimeoutExpired:
                why = [f'no answer within {FETCH_S} s']
            if why is not None:
                self.skipTest(f'npm cannot fetch redis: {"".join(why)}')
        path = os.path.join(folder, 'client.js')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(NODE_SCRIPT)
        self.run_program('node', path, self.port, text=json.dumps(TABLE), cwd=folder)
        self.goes_on(['node', '-e', NODE_STAYS], folder)


if __name__ == '__main__':
    unittest.main(argv=[sys.argv[0]])
