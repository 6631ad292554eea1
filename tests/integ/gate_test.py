#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""gate_test.py MICROBURST SOURCE

Goal:   the gate answers what Redis would, to the letter where it can; hostile, slow and dying
        clients harm nobody else; nothing is left at the end.
Method: a node of its own, with small limits. Sockets of this program say exact bytes and expect
        exact bytes. (Clients that people have: clients_test.py.)
"""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import until   # noqa: E402
from resp import Raw   # noqa: E402

MICROBURST, SOURCE = sys.argv[1:3]
START_S, ANSWER_S = 60, 60
SETTINGS = {'gate.memory': '16m', 'gate.connections': '200', 'gate.slow': '10s'}

FUNCTIONS = r"""
#include <microburst/function.h>
#include <stdlib.h>

MB_FUNCTION(fails) { return mb_fail(call, "no luck today"); }
MB_FUNCTION(crashes) { abort(); }
MB_FUNCTION(loops) { for (;;) { __asm__ volatile(""); } }
MB_FUNCTION(writes) { return mb_put(call, mb_str("written"), mb_str("yes")); }
MB_FUNCTION(many)
{
    MB_TRY(mb_return_i64(call, 1));
    MB_TRY(mb_return_utf8(call, mb_str("two")));
    return mb_return_f64(call, 2.5);
}
"""


def encoded(commands):
    """Commands, their words apart by blanks, as bytes of a pipeline."""
    return b''.join(b'*%d\r\n%s' % (len(words), b''.join(
        b'$%d\r\n%s\r\n' % (len(w), w.encode()) for w in words))
        for words in (c.split() for c in commands))


def node_start(folder, extra=None):
    args = [MICROBURST, 'up', '--socket', f'{folder}/socket']
    settings = dict(SETTINGS, **{'gate.listen': '127.0.0.1:0', 'gate.socket': f'{folder}/redis'})
    settings.update(extra or {})
    for key, value in settings.items():
        args += ['--set', f'{key}={value}']
    log = open(f'{folder}/log', 'w+b')
    process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                               start_new_session=True)
    until = time.monotonic() + START_S
    port = None
    while True:
        log.seek(0)
        said = log.read().decode(errors='replace')
        for line in said.splitlines():
            if line.startswith('Redis clients: port '):
                port = int(line.rsplit(' ', 1)[1])
        if '\nready at' in said:
            return process, log, port
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError('the node did not start:\n' + said)
        time.sleep(0.05)


NODE = {}


def setUpModule():
    NODE['folder'] = tempfile.mkdtemp(prefix='microburst-gate-')
    NODE['process'], NODE['log'], NODE['port'] = node_start(NODE['folder'])
    os.environ['MICROBURST_SOCKET'] = f"{NODE['folder']}/socket"
    path = f"{NODE['folder']}/functions.c"
    with open(path, 'w', encoding='utf-8') as f:
        f.write(FUNCTIONS)
    unittest.addModuleCleanup(shutil.rmtree, NODE['folder'])
    unittest.addModuleCleanup(node_end, NODE['process'], NODE['log'])
    for source in (path, f'{SOURCE}/examples/increment.c', f'{SOURCE}/examples/echo.c'):
        subprocess.run([MICROBURST, 'deploy', source], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([MICROBURST, 'dag', 'add', 'twice', 'increment -> increment#2'], check=True,
                   capture_output=True)


def node_end(process, log):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    log.close()


class Case(unittest.TestCase):
    def setUp(self):
        self.clients = []
        self.c = self.client()
        self.assertEqual(self.c('FLUSHALL'), '+OK')

    def client(self):
        c = Raw(NODE['port'])
        self.clients.append(c)
        return c

    def tearDown(self):
        for c in self.clients:
            c.close()
        self.assertIsNone(NODE['process'].poll(), 'the node ended')


class Protocol(Case):
    def test_bytes_are_exact(self):
        c = self.c
        for said, want in (
                (b'*1\r\n$4\r\nPING\r\n', b'+PONG\r\n'),
                (b'PING\r\n', b'+PONG\r\n'),
                (b'PING hello\r\n', b'$5\r\nhello\r\n'),
                (b'\r\n*0\r\n*-1\r\nECHO "a b"\r\n', b'$3\r\na b\r\n'),
                (b'*2\r\n$3\r\nGET\r\n$1\r\nx\r\n', b'$-1\r\n'),
                (b'SET x 5\r\nINCR x\r\nGET x\r\n', b'+OK\r\n:6\r\n$1\r\n6\r\n'),
                (b'NOSUCH a b\r\n',
                 b"-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' \r\n"),
                (b'GET\r\n', b"-ERR wrong number of arguments for 'get' command\r\n"),
                (b'SADD x m\r\n', b'-WRONGTYPE Operation against a key holding the wrong kind of '
                 b'value\r\n'),
                (b'SET t text\r\nINCR t\r\n',
                 b'+OK\r\n-ERR value is not an integer or out of range\r\n'),
                (b'SELECT 1\r\n', b'-ERR DB index is out of range\r\n'),
        ):
            c.send(said)
            self.assertEqual(c.take(len(want)), want, said)

    def test_not_the_protocol_ends_the_connection(self):
        for said, want in (
                (b'*1\r\n+PING\r\n', b"-ERR Protocol error: expected '$', got '+'\r\n"),
                (b'*x\r\n', b'-ERR Protocol error: invalid multibulk length\r\n'),
                (b'PING\r\n*1\r\n$-3\r\n',
                 b'+PONG\r\n-ERR Protocol error: invalid bulk length\r\n'),
                (b'SET a 1\r\n*1\r\n$-3\r\n',
                 b'+OK\r\n-ERR Protocol error: invalid bulk length\r\n'),
                (b'SET "a\r\n', b'-ERR Protocol error: unbalanced quotes in request\r\n'),
        ):
            c = self.client()
            c.send(said)
            self.assertEqual(c.take(len(want)), want, said)
            self.assertTrue(c.ended())

    def test_a_command_byte_by_byte(self):
        for byte in b'*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n':
            self.c.send(bytes([byte]))
            time.sleep(0.001)
        self.assertEqual(self.c.answer(), '+OK')
        self.assertEqual(self.c('GET', 'k'), b'a\r\nb')

    def test_a_pipeline_is_answered_in_order(self):
        words, want = [], []
        for i in range(3000):
            words.append(b'SET k%d v%d\r\nGET k%d\r\nINCR n\r\nPING p%d\r\nGET none\r\nBAD\r\n'
                         % (i % 7, i, i % 7, i))
            want += ['+OK', b'v%d' % i, i + 1, b'p%d' % i, None]
        threading.Thread(target=self.c.send, args=(b''.join(words),)).start()
        for i in range(0, len(want), 5):
            for one in want[i:i + 5]:
                self.assertEqual(self.c.answer(), one)
            self.assertTrue(self.c.answer().startswith('-ERR unknown command'))

    def test_keys_that_nobody_has_read(self):
        """In pipelines, of any kind and length, some known, some not there, each twice."""
        self.c('SET', 'once:long', 'x' * 500)
        self.c('RPUSH', 'once:list', 'a', 'b')
        for i in range(40):
            self.c('SET', 'once:%d' % i, 'v%d' % i)
        one = ['GET once:%d' % i for i in range(20)] + [
            'GET once:long', 'STRLEN once:long', 'LLEN once:list', 'GET once:list', 'GET once:none',
            'HGET once:3 f', 'TTL once:4', 'TYPE once:list', 'EXISTS once:5 once:none'] + [
            'GET once:%d' % i for i in range(20, 40)]
        want = [b'v%d' % i for i in range(20)] + [
            b'x' * 500, 500, 2, 'wrong type', None, 'wrong type', -1, '+list', 1] + [
            b'v%d' % i for i in range(20, 40)]
        for _ in range(3):
            self.c.send(encoded(one))
            for word, answer in zip(one, want):
                got = self.c.answer()
                if answer == 'wrong type':
                    self.assertTrue(got.startswith('-WRONGTYPE'), (word, got))
                else:
                    self.assertEqual(got, answer, word)
        # What is written between two reads of a pipeline is seen by the second.
        for i in range(50):
            self.c.send(encoded(w % i for w in (
                'GET new:%d', 'GET new:%d', 'SET new:%d 1', 'GET new:%d', 'GETDEL new:%d',
                'GET new:%d')))
            self.assertEqual([self.c.answer() for _ in range(6)],
                             [None, None, '+OK', b'1', b'1', None])

    def test_both_protocols(self):
        c = self.c
        c('HSET', 'h', 'a', '1')
        c('SADD', 's', 'm')
        self.assertEqual(c('HGETALL', 'h'), [b'a', b'1'])
        hello = c('HELLO', '3')
        self.assertEqual(hello[b'proto'], 3)
        self.assertEqual(hello[b'server'], b'redis')
        self.assertEqual(c('HGETALL', 'h'), {b'a': b'1'})
        c.say('GET', 'nothing')
        self.assertEqual(c.line(), b'_')
        c.say('SMEMBERS', 's')
        self.assertEqual(c.line(), b'~1')
        self.assertEqual(c.answer(), b'm')
        self.assertEqual(c('HELLO', '4'), '-NOPROTO unsupported protocol version')
        self.assertEqual(c('RESET'), '+RESET')
        self.assertEqual(c('HGETALL', 'h'), [b'a', b'1'])

    def test_the_unix_socket_serves_too(self):
        c = Raw(path=f"{NODE['folder']}/redis")
        self.clients.append(c)
        self.assertEqual(c('SET', 'u', '1'), '+OK')
        self.assertEqual(self.c('GET', 'u'), b'1')

    def test_half_closed(self):
        self.c.send(b'SET a 1\r\nGET a\r\n')
        self.c.s.shutdown(socket.SHUT_WR)
        self.assertEqual(self.c.answer(), '+OK')
        self.assertEqual(self.c.answer(), b'1')
        self.assertTrue(self.c.ended())


class Commands(Case):
    def test_values_of_all_sizes(self):
        for size in (0, 1, 40, 95, 96, 97, 4095, 4096, 4097, 16383, 16384, 65535, 65536, 65537,
                     1 << 20, 5 << 20):
            value = os.urandom(min(size, 1 << 16)) * (size // (1 << 16) + 1)
            value = value[:size]
            self.assertEqual(self.c('SET', f'v{size}', value), '+OK', size)
            self.assertEqual(self.c('STRLEN', f'v{size}'), size)
            self.assertEqual(self.c('GET', f'v{size}'), value, size)

    def test_the_longest_value(self):
        c = self.c
        value = os.urandom(1 << 20) * 64
        self.assertEqual(c('SET', 'longest', value), '+OK')
        self.assertEqual(c('GET', 'longest'), value)
        self.assertEqual(c('APPEND', 'longest', 'x'), '-ERR string exceeds maximum allowed size '
                         '(proto-max-bulk-len)')
        c.send(b'*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n' % ((64 << 20) + 1))
        self.assertEqual(c.answer(), '-ERR Protocol error: invalid bulk length')

    def test_a_field_that_is_too_long(self):
        """Nothing of the command is done, and what is said is why."""
        long = 'f' * 1025
        for command in (('HINCRBY', 'h', long, 1), ('HSET', 'h', long, 1), ('ZADD', 'z', 1, long),
                        ('ZINCRBY', 'z', 1, long), ('HINCRBYFLOAT', 'h', long, 1),
                        ('HSET', 'h', 'a', 1, long, 2), ('HMSET', 'h', 'a', 1, long, 2),
                        ('ZADD', 'z', 1, 'a', 2, long), ('ZADD', 'z', 'NX', 1, 'a', 2, long),
                        ('GEOADD', 'z', 1, 1, 'a', 2, 2, long)):
            self.assertIn('up to 1024 bytes here', self.c(*command), command[0])
        self.assertEqual(self.c('EXISTS', 'h', 'z'), 0)
        self.assertEqual(self.c('HINCRBY', 'h', 'f' * 1024, 1), 1)

    def test_members_of_a_set_that_are_too_long_for_a_sorted_one(self):
        """What is there stays; what has none of them is written."""
        c = self.c
        c('ZADD', 'z', 1, 'old')
        for cnt in (1, 3000):   # one that is looked through at once, and one in turns
            c('SADD', 's', 'f' * 1025, *range(cnt))
            for command in (('ZUNIONSTORE', 'z', 1, 's'), ('ZUNIONSTORE', 'z', 2, 'z', 's'),
                            ('ZINTERSTORE', 'z', 2, 's', 's'), ('ZDIFFSTORE', 'z', 1, 's')):
                self.assertIn('up to 1024 bytes here', c(*command), command[0])
                self.assertEqual(c('ZRANGE', 'z', 0, -1, 'WITHSCORES'), [b'old', b'1'])
        self.assertEqual(len(c('ZUNION', 1, 's')), 3001)
        c('SADD', 'other', 'f' * 1025)
        self.assertEqual(c('ZDIFFSTORE', 'z', 2, 's', 'other'), 3000)
        self.assertEqual(c('ZCARD', 'z'), 3000)

    def test_a_key_that_is_none_among_several(self):
        c = self.c
        for none in ('', 'k' * 1025):
            for command in (('MSET', 'a', 1, none, 2), ('MSETNX', 'a', 1, none, 2)):
                self.assertIn('a key has 1 to 1024 bytes here', c(*command), command[0])
            c.say('SET', 'b', 1)
            c.say('MSET', 'a', 1, none, 2, 'b', 2)  # behind a write, in one run
            c.say('GET', 'b')
            self.assertEqual(c.answer(), '+OK')
            self.assertIn('a key has 1 to 1024 bytes here', c.answer())
            self.assertEqual(c.answer(), b'1')
        self.assertEqual(c('EXISTS', 'a'), 0)

    def test_conditional_writes(self):
        c = self.c
        self.assertEqual(c('SETNX', 'a', '1'), 1)
        self.assertEqual(c('SETNX', 'a', '2'), 0)
        self.assertEqual(c('SET', 'a', '3', 'NX'), None)
        self.assertEqual(c('SET', 'b', '3', 'XX'), None)
        self.assertEqual(c('SET', 'a', '4', 'XX', 'GET'), b'1')
        self.assertEqual(c('SET', 'c', '4', 'GET'), None)
        self.assertEqual(c('GETSET', 'a', '5'), b'4')
        self.assertEqual(c('GETDEL', 'a'), b'5')
        self.assertEqual(c('GETDEL', 'a'), None)
        self.assertEqual(c('APPEND', 'd', 'one'), 3)
        self.assertEqual(c('APPEND', 'd', 'two'), 6)
        self.assertEqual(c('SETRANGE', 'd', '8', 'x'), 9)
        self.assertEqual(c('GET', 'd'), b'onetwo\0\0x')
        self.assertEqual(c('GETRANGE', 'd', '-3', '-1'), b'\0\0x')
        self.assertEqual(c('SET', 'a', '1', 'NX', 'XX'), '-ERR syntax error')

    def test_numbers(self):
        c = self.c
        self.assertEqual(c('INCRBY', 'n', str((1 << 63) - 1)), (1 << 63) - 1)
        self.assertEqual(c('INCR', 'n'), '-ERR increment or decrement would overflow')
        self.assertEqual(c('DECRBY', 'm', '5'), -5)
        self.assertEqual(c('INCRBY', 'm', 'x'), '-ERR value is not an integer or out of range')
        self.assertEqual(c('GET', 'm'), b'-5')

    def test_several_keys(self):
        c = self.c
        words = ['MSET']
        for i in range(1000):
            words += [f'k{i}', f'v{i}']
        self.assertEqual(c(*words), '+OK')
        self.assertEqual(c('MGET', *[f'k{i}' for i in range(1000)], 'none'),
                         [b'v%d' % i for i in range(1000)] + [None])
        self.assertEqual(c('DBSIZE'), 1000)
        self.assertEqual(len(c('KEYS', 'k*')), 1000)
        self.assertEqual(sorted(c('KEYS', 'k1[0-1]?')), sorted(b'k%d' % i for i in range(100, 120)))
        self.assertEqual(c('EXISTS', 'k1', 'k1', 'none'), 2)
        self.assertEqual(c('DEL', *[f'k{i}' for i in range(900)], 'none'), 900)
        seen, cursor = [], b'0'
        while True:
            cursor, keys = c('SCAN', cursor, 'COUNT', '7')
            seen += keys
            if cursor == b'0':
                break
        self.assertEqual(sorted(seen), sorted(b'k%d' % i for i in range(900, 1000)))
        self.assertEqual(c('SCAN', '123456'), '-ERR invalid cursor')
        self.assertEqual(c('FLUSHALL'), '+OK')
        self.assertEqual(c('DBSIZE'), 0)

    def test_sets_and_hashes(self):
        c = self.c
        self.assertEqual(c('SADD', 's', 'a', 'b', 'a'), 2)
        self.assertEqual(c('SCARD', 's'), 2)
        self.assertEqual(c('SMISMEMBER', 's', 'a', 'x'), [1, 0])
        self.assertEqual(sorted(c('SMEMBERS', 's')), [b'a', b'b'])
        self.assertEqual(c('HSET', 'h', 'f', '1', 'g', '2'), 2)
        self.assertEqual(c('HSET', 'h', 'f', '3', 'k', '4'), 1)
        self.assertEqual(c('HMGET', 'h', 'f', 'none', 'k'), [b'3', None, b'4'])
        self.assertEqual(c('HLEN', 'h'), 3)
        self.assertEqual(c('TYPE', 'h'), '+hash')
        self.assertEqual(c('TYPE', 's'), '+set')
        self.assertEqual(c('GET', 'h')[:10], '-WRONGTYPE')

    def test_members_and_fields_go(self):
        c = self.c
        self.assertEqual(c('SADD', 's', 'a', 'b', 'c'), 3)
        self.assertEqual(c('SREM', 's', 'a', 'x', 'b'), 2)
        self.assertEqual(c('SADD', 's', 'a'), 1)
        self.assertEqual(sorted(c('SMEMBERS', 's')), [b'a', b'c'])
        self.assertEqual(c('SREM', 's', 'a', 'c'), 2)
        self.assertEqual(c('EXISTS', 's'), 0)
        self.assertEqual(c('SET', 's', 'now a string'), '+OK')
        self.assertEqual(c('HSET', 'h', 'f', '1', 'g', '2'), 2)
        self.assertEqual(c('HINCRBY', 'h', 'f', '5'), 6)
        self.assertEqual(c('HINCRBY', 'h', 'new', '-5'), -5)
        self.assertEqual(c('HDEL', 'h', 'f', 'x'), 1)
        self.assertEqual(c('HSET', 'h', 'f', 'back'), 1)
        self.assertEqual(c('HINCRBY', 'h', 'f', '1'),
                         '-ERR hash value is not an integer')
        self.assertEqual(c('HINCRBY', 's', 'f', '1')[:10], '-WRONGTYPE')
        self.assertEqual(dict(zip(*[iter(c('HGETALL', 'h'))] * 2)),
                         {b'f': b'back', b'g': b'2', b'new': b'-5'})

    def test_large_collections(self):
        c = self.c
        for start in range(0, 3000, 500):
            self.assertEqual(c('SADD', 's', *range(start, start + 500)), 500)
            words = [x for i in range(start, start + 500) for x in (f'f{i}', i)]
            self.assertEqual(c('HSET', 'h', *words), 500)
        self.assertEqual(c('SADD', 's', '7', 'seven'), 1)
        self.assertEqual(c('SCARD', 's'), 3001)
        self.assertEqual(c('SMISMEMBER', 's', '2999', '3000'), [1, 0])
        self.assertEqual(len(set(c('SMEMBERS', 's'))), 3001)
        self.assertEqual(c('HLEN', 'h'), 3000)
        self.assertEqual(c('HGET', 'h', 'f1234'), b'1234')
        self.assertEqual(c('HSET', 'h', 'f1', 'x', 'none', 'y'), 1)
        self.assertEqual(c('SREM', 's', *range(100)), 100)
        self.assertEqual(c('SCARD', 's'), 2901)

    def test_lists(self):
        c = self.c
        self.assertEqual(c('RPUSH', 'l', 'a', 'b', 'c'), 3)
        self.assertEqual(c('LPUSH', 'l', 'z', 'y'), 5)
        self.assertEqual(c('LRANGE', 'l', 0, -1), [b'y', b'z', b'a', b'b', b'c'])
        self.assertEqual(c('LRANGE', 'l', -2, -1), [b'b', b'c'])
        self.assertEqual(c('LRANGE', 'l', 1, 2), [b'z', b'a'])
        self.assertEqual(c('LRANGE', 'l', 5, 9), [])
        self.assertEqual(c('LINDEX', 'l', -1), b'c')
        self.assertEqual(c('LINDEX', 'l', 5), None)
        self.assertEqual(c('LPOP', 'l'), b'y')
        self.assertEqual(c('RPOP', 'l', 2), [b'c', b'b'])
        self.assertEqual(c('LLEN', 'l'), 2)
        self.assertEqual(c('LSET', 'l', 0, 'Z'), '+OK')
        self.assertEqual(c('LSET', 'l', 2, 'Z'), '-ERR index out of range')
        self.assertEqual(c('LSET', 'none', 0, 'Z'), '-ERR no such key')
        self.assertEqual(c('RPOPLPUSH', 'l', 'm'), b'a')
        self.assertEqual(c('LMOVE', 'm', 'm', 'LEFT', 'RIGHT'), b'a')
        self.assertEqual(c('LRANGE', 'm', 0, -1), [b'a'])
        self.assertEqual(c('RPUSH', 'p', *'abcabcabc'), 9)
        self.assertEqual(c('LPOS', 'p', 'b'), 1)
        self.assertEqual(c('LPOS', 'p', 'b', 'RANK', -1, 'COUNT', 2), [7, 4])
        self.assertEqual(c('LREM', 'p', -2, 'a'), 2)
        self.assertEqual(c('LRANGE', 'p', 0, -1), list(map(str.encode, 'abcbcbc')))
        self.assertEqual(c('LTRIM', 'p', 1, 2), '+OK')
        self.assertEqual(c('LRANGE', 'p', 0, -1), [b'b', b'c'])
        self.assertEqual(c('LPUSHX', 'none', 'x'), 0)
        self.assertEqual(c('RPUSHX', 'p', 'x', 'y'), 4)
        self.assertEqual(c('TYPE', 'p'), '+list')
        self.assertEqual(c('LPOP', 'none'), None)
        self.assertEqual(c('LPOP', 'none', 2), None)
        c('SET', 's', '1')
        self.assertEqual(c('LPUSH', 's', '1')[:10], '-WRONGTYPE')
        self.assertEqual(c('LPOP', 's')[:10], '-WRONGTYPE')
        self.assertEqual(c('RPUSH', 'big', *range(500)), 500)
        self.assertEqual(c('LPOP', 'big', 300), [b'%d' % i for i in range(300)])
        self.assertEqual(c('LMPOP', 2, 'none', 'big', 'RIGHT', 'COUNT', 1000),
                         [b'big', [b'%d' % i for i in reversed(range(300, 500))]])
        self.assertEqual(c('EXISTS', 'big'), 0)

    def test_sorted_sets(self):
        c = self.c
        self.assertEqual(c('ZADD', 'z', 1, 'a', 2, 'b', 'inf', 'c'), 3)
        self.assertEqual(c('ZADD', 'z', 3, 'a', 4, 'd'), 1)
        self.assertEqual(c('ZADD', 'z', 'XX', 'CH', 5, 'a', 1, 'new'), 1)
        self.assertEqual(c('ZADD', 'z', 'NX', 9, 'a', 0.5, 'e', 7, 'e'), 1)
        self.assertEqual(c('ZADD', 'z', 'GT', 'CH', 4, 'a', 6, 'b'), 1)
        self.assertEqual(c('ZADD', 'z', 'INCR', 1.5, 'a'), b'6.5')
        self.assertEqual(c('ZADD', 'z', 'NX', 'INCR', 1, 'a'), None)
        self.assertEqual(c('ZADD', 'z', 'NX', 'XX', 1, 'a')[:6], '-ERR X')
        self.assertEqual(c('ZADD', 'z', 'x', 'a'), '-ERR value is not a valid float')
        self.assertEqual(c('ZADD', 'z', '1e-400', 'a'), '-ERR value is not a valid float')
        self.assertEqual(c('ZADD', 'z', 'XX', 1, 'twice', 2, 'twice'), 0)
        self.assertEqual(c('ZINCRBY', 'z', -0.5, 'a'), b'6')
        self.assertEqual(c('ZINCRBY', 'z', 2, 'f'), b'2')
        self.assertEqual(c('ZMSCORE', 'z', 'a', 'c', 'none'), [b'6', b'inf', None])
        self.assertEqual(c('ZCARD', 'z'), 6)
        self.assertEqual(c('ZRANK', 'z', 'f'), 1)
        self.assertEqual(c('ZREVRANK', 'z', 'c'), 0)
        self.assertEqual(c('ZRANK', 'z', 'none'), None)
        self.assertEqual(c('ZREM', 'z', 'f', 'none'), 1)
        self.assertEqual(c('ZPOPMIN', 'z'), [b'e', b'0.5'])
        self.assertEqual(c('ZPOPMAX', 'z', 2), [b'c', b'inf', b'b', b'6'])
        self.assertEqual(c('TYPE', 'z'), '+zset')
        self.assertEqual(c('ZADD', 'big', *[w for i in range(300) for w in (i, f'm{i}')]), 300)
        self.assertEqual(len(c('ZPOPMIN', 'big', 200)), 400)
        self.assertEqual(c('ZCARD', 'big'), 100)

    def test_ranges_of_sorted_sets(self):
        c = self.c
        c('ZADD', 'z', 1, 'a', 2, 'b', 2, 'c', 4, 'd')
        for said, want in (
                (('ZRANGE', 'z', 0, -1), 'a b c d'), (('ZRANGE', 'z', 1, 2, 'REV'), 'c b'),
                (('ZREVRANGE', 'z', 0, 0, 'WITHSCORES'), 'd 4'), (('ZRANGE', 'z', 4, 9), ''),
                (('ZRANGEBYSCORE', 'z', '(1', '+inf'), 'b c d'),
                (('ZRANGEBYSCORE', 'z', '-inf', 2, 'LIMIT', 1, 1, 'WITHSCORES'), 'b 2'),
                (('ZREVRANGEBYSCORE', 'z', '(4', 2), 'c b'),
                (('ZRANGE', 'z', '+inf', '-inf', 'BYSCORE', 'REV', 'LIMIT', 1, 2), 'c b'),
                (('ZRANGE', 'z', 5, 9, 'BYSCORE'), ''),
                (('ZRANGE', 'none', 0, -1), '')):
            self.assertEqual(c(*said), want.encode().split(), said)
        c('ZADD', 'l', *[w for m in 'abcd' for w in (0, m)])
        self.assertEqual(c('ZRANGEBYLEX', 'l', '(a', '[c'), [b'b', b'c'])
        self.assertEqual(c('ZREVRANGEBYLEX', 'l', '+', '-', 'LIMIT', 0, 2), [b'd', b'c'])
        self.assertEqual(c('ZLEXCOUNT', 'l', '-', '(c'), 2)
        self.assertEqual(c('ZCOUNT', 'z', '(1', 2), 2)
        self.assertEqual(c('ZCOUNT', 'z', 'x', 2), '-ERR min or max is not a float')
        self.assertEqual(c('ZRANGE', 'z', 0, 1, 'LIMIT', 0, 1)[:18], '-ERR syntax error,')
        c('HELLO', 3)
        self.assertEqual(c('ZRANGE', 'z', 0, 0, 'WITHSCORES'), [[b'a', ',1']])

    def test_transactions(self):
        c, other = self.c, self.client()
        self.assertEqual(c('EXEC'), '-ERR EXEC without MULTI')
        self.assertEqual(c('MULTI'), '+OK')
        self.assertEqual(c('MULTI'), '-ERR MULTI calls can not be nested')
        for said in (('SET', 'a', 1), ('INCR', 'a'), ('GET', 'a'), ('RPUSH', 'l', 'x', 'y'),
                     ('LPOP', 'l'), ('SADD', 'a', 'm'), ('BLPOP', 'none', 0), ('APPEND', 'a', '0')):
            self.assertEqual(c(*said), '+QUEUED')
        self.assertEqual(other('GET', 'a'), None)
        self.assertEqual(c('EXEC'), ['+OK', 2, b'2', 2, b'x', '-WRONGTYPE Operation against a key '
                                     'holding the wrong kind of value', None, 2])
        self.assertEqual(c('GET', 'a'), b'20')
        for changed in (False, True):
            self.assertEqual(c('WATCH', 'a', 'none'), '+OK')
            if changed:
                other('INCR', 'a')
            c('MULTI')
            c('SET', 'b', 'seen')
            self.assertEqual(c('EXEC'), None if changed else ['+OK'])
        # not there, whatever remembers what was: a tombstone, which goes by itself, is no change
        self.assertEqual([c('WATCH', 'gone'), other('SET', 'gone', 1), other('DEL', 'gone'),
                          c('MULTI'), c('GET', 'gone'), c('EXEC')],
                         ['+OK', '+OK', 1, '+OK', '+QUEUED', [None]])
        c('MULTI')
        self.assertEqual(c('GET')[:4], '-ERR')
        self.assertEqual(c('MB.CALL', 'increment', 1)[:4], '-ERR')
        self.assertEqual(c('EXEC')[:10], '-EXECABORT')
        c('MULTI')
        c('SET', 'b', 'never')
        self.assertEqual(c('DISCARD'), '+OK')
        self.assertEqual(c('GET', 'b'), b'seen')

    def test_waiting_for_items(self):
        c, other = self.c, self.client()
        self.assertEqual(c('BLPOP', 'q', 0.05), None)
        self.assertEqual(c('BLPOP', 'q', -1), '-ERR timeout is negative')
        for pop, push, want in ((('BLPOP', 'p', 'q', 60), ('RPUSH', 'q', 'x'), [b'q', b'x']),
                                (('BLMOVE', 'q', 'r', 'LEFT', 'LEFT', 60), ('RPUSH', 'q', 'y'),
                                 b'y'),
                                (('BZPOPMIN', 'z', 60), ('ZADD', 'z', 1, 'm'),
                                 [b'z', b'm', b'1'])):
            c.say(*pop)
            self.blocked(other, 1)
            other(*push)
            self.assertEqual(c.answer(), want)
        self.assertEqual(c('LRANGE', 'r', 0, -1), [b'y'])
        c.say('BLPOP', 'q', 0)
        self.blocked(other, 1)
        c.close()
        self.blocked(other, 0)
        self.assertEqual(other('RPUSH', 'q', 'kept'), 1)
        time.sleep(0.05)
        self.assertEqual(other('LPOP', 'q'), b'kept')

    def blocked(self, c, cnt):
        until(lambda: b'\r\nblocked_clients:%d\r\n' % cnt in c('INFO', 'clients'), 60,
              f'{cnt} who wait')

    def test_keys_end(self):
        c = self.c
        self.assertEqual(c('TTL', 'none'), -2)
        c('SET', 'a', '1')
        self.assertEqual(c('TTL', 'a'), -1)
        self.assertEqual(c('EXPIRE', 'a', '100'), 1)
        self.assertIn(c('TTL', 'a'), range(51, 101))
        self.assertEqual(c('EXPIRE', 'none', '100'), 0)
        for add, remove in ((('RPUSH', 'l', 'x'), ('LPOP', 'l')),   # what was emptied has ended
                            (('SADD', 's', 'x'), ('SREM', 's', 'x')),
                            (('ZADD', 'z', '1', 'x'), ('ZPOPMIN', 'z')),
                            (('HSET', 'h', 'f', 'x'), ('HDEL', 'h', 'f'))):
            c(*add)
            self.assertEqual(c('EXPIRE', add[1], '100'), 1)
            c(*remove)
            self.assertEqual(c('TTL', add[1]), -2)
            c(*add)
            self.assertEqual((add[1], c('TTL', add[1])), (add[1], -1))
            c('DEL', add[1])
        self.assertEqual(c('EXPIRE', 'a', '50', 'GT'), 0)
        self.assertEqual(c('EXPIRE', 'a', '50', 'LT'), 1)
        self.assertEqual(c('EXPIRE', 'a', '50', 'NX'), 0)
        self.assertEqual(c('INCR', 'a'), 2)
        self.assertIn(c('TTL', 'a'), range(1, 51))
        self.assertEqual(c('SET', 'a', '3', 'KEEPTTL'), '+OK')
        self.assertIn(c('TTL', 'a'), range(1, 51))
        self.assertEqual(c('APPEND', 'a', '4'), 2)
        self.assertIn(c('TTL', 'a'), range(1, 51))
        self.assertEqual(c('PERSIST', 'a'), 1)
        self.assertEqual(c('PERSIST', 'a'), 0)
        self.assertEqual(c('SET', 'a', '5', 'EX', '100'), '+OK')
        self.assertEqual(c('SET', 'a', '6'), '+OK')
        self.assertEqual(c('TTL', 'a'), -1)
        self.assertEqual(c('SET', 'lock', 'me', 'NX', 'PX', '99998'), '+OK')
        self.assertEqual(c('SET', 'lock', 'you', 'NX', 'PX', '99999'), None)
        self.assertIn(c('PTTL', 'lock'), range(1, 99999))
        self.assertEqual(c('SET', 'lock', 'me', 'XX', 'PX', '20'), '+OK')
        time.sleep(0.1)
        self.assertEqual(c('GET', 'lock'), None)
        self.assertEqual(c('TYPE', 'lock'), '+none')
        self.assertEqual(c('SET', 'lock', 'you', 'NX', 'PX', '99999'), '+OK')
        self.assertEqual(c('SETEX', 'b', '0', 'x'), "-ERR invalid expire time in 'setex' command")
        self.assertEqual(c('SET', 'b', 'x', 'EX', 'y'),
                         '-ERR value is not an integer or out of range')
        self.assertEqual(c('SET', 'b', 'x', 'EX', '1', 'PX', '1'), '-ERR syntax error')
        self.assertEqual(c('PEXPIREAT', 'a', '1'), 1)
        self.assertEqual(c('EXISTS', 'a'), 0)

    def test_docs_name_as_many_words_as_a_command_takes(self):
        def pairs(reply):
            return dict(zip(reply[::2], reply[1::2]))

        def least(arguments):
            return sum(min_words(a) for a in map(pairs, arguments)
                       if '+optional' not in a.get(b'flags', []))

        def min_words(a):
            inner = a.get(b'arguments', [])
            words = (min(min_words(pairs(x)) for x in inner) if a[b'type'] == b'oneof'
                     else least(inner) if inner else int(a[b'type'] != b'pure-token'))
            return words + int(b'token' in a)

        def varies(a):
            return ({'+optional', '+multiple'} & set(a.get(b'flags', [])) or
                    any(map(varies, map(pairs, a.get(b'arguments', [])))))

        def check(name, row, words):    # QUIT takes what it is given
            arguments = row.get(b'arguments', [])
            more = any(map(varies, map(pairs, arguments))) or name == b'quit'
            with self.subTest(name):
                self.assertEqual((abs(words), words < 0),
                                 (name.count(b'|') + 1 + least(arguments), more))

        self.assertIn('+CACHING {YES|NO}', self.c('CLIENT', 'HELP'))
        arity = {row[0]: row[1] for row in self.c('COMMAND')}
        arity.update((sub[0], sub[1]) for row in self.c('COMMAND') for sub in row[9])
        for name, row in pairs(self.c('COMMAND', 'DOCS')).items():
            subs = pairs(pairs(row).get(b'subcommands', []))
            for sub, subrow in subs.items():
                check(sub, pairs(subrow), arity[sub])
            if not subs:
                check(name, pairs(row), arity[name])

    def test_what_clients_ask_at_the_start(self):
        c = self.c
        cnt = c('COMMAND', 'COUNT')
        self.assertEqual(len(c('COMMAND')), cnt)
        self.assertEqual(len(c('COMMAND', 'DOCS')), 2 * cnt)
        info = c('COMMAND', 'INFO', 'get', 'nosuch')
        self.assertEqual(info[0][:2] + info[0][3:6], [b'get', 2, 1, 1, 1])
        self.assertIsNone(info[1])
        self.assertEqual(c('COMMAND', 'GETKEYS', 'MSET', 'a', '1', 'b', '2'), [b'a', b'b'])
        self.assertEqual(c('CONFIG', 'GET', 'save'), [b'save', b''])
        self.assertIn(b'redis_version:', c('INFO'))
        self.assertIn(b'id=', c('CLIENT', 'INFO'))
        self.assertEqual(c('CLIENT', 'SETNAME', 'me'), '+OK')
        self.assertEqual(c('CLIENT', 'GETNAME'), b'me')
        self.assertEqual(c('CLIENT', 'SETNAME', 'a b')[:4], '-ERR')

    def test_functions(self):
        c = self.c
        self.assertEqual(c('MB.CALL', 'increment', '4'), 5)
        self.assertEqual(c('FCALL', 'increment', '0', '41'), 42)
        self.assertEqual(c('FCALL', 'nosuch', '0'), '-ERR Function not found')
        self.assertEqual(c('FCALL', 'increment', '2', 'k')[:4], '-ERR')
        self.assertEqual(c('MB.CALL', 'many'), [1, b'two', b'2.5'])
        self.assertIn('no luck today', c('MB.CALL', 'fails'))
        self.assertTrue(c('MB.CALL', 'crashes').startswith('-EXECUTOR_DIED'))
        self.assertTrue(c('MB.CALL', 'DEADLINE', '50', 'loops').startswith('-DEADLINE'))
        c('MB.CALL', 'writes')
        self.assertEqual(c('GET', 'written'), b'yes')
        c('DEL', 'written')
        self.assertEqual(c('FCALL_RO', 'writes', '0')[:1], '-')
        self.assertEqual(c('GET', 'written'), None)
        self.assertEqual(c('MB.CALL', 'increment', *['1'] * 300)[:1], '-')
        names = {one[1] for one in c('FUNCTION', 'LIST')}
        self.assertTrue({b'increment', b'fails'} <= names)
        self.assertEqual(c('MB.DAG', 'CALL', 'twice', 'increment=3'), 5)
        self.assertEqual(c('MB.DAG', 'LIST'), [b'twice'])
        self.assertEqual(c('MB.DAG', 'CALL', 'nosuch')[:7], '-NO_DAG')
        self.assertEqual(c('MB.DAG', 'CALL', 'twice', 'other=3')[:4], '-ERR')
        big = 'x' * 30000
        self.assertEqual(c('MB.CALL', 'echo', big), big.encode())


class Limits(Case):
    def test_one_connection_too_many(self):
        until(lambda: b'\r\nconnected_clients:1\r\n' in self.c('INFO', 'clients'), 60,
              'nobody else')
        many = []
        try:
            while True:
                c = Raw(NODE['port'])
                many.append(c)
                c.send(b'PING\r\n')
                said = c.line()
                if said != b'+PONG':
                    break
            self.assertEqual(said, b'-ERR max number of clients reached')
            self.assertIn(len(many) + len(self.clients), range(195, 202)) # some still go
        finally:
            for c in many:
                c.close()

    def test_a_slow_writer_is_closed_and_others_go_on(self):
        loris = self.client()
        loris.send(b'*2\r\n$3\r\nGET\r\n$100\r\nabc')
        until = time.monotonic() + 60
        while time.monotonic() < until and not self.is_closed(loris):
            self.assertEqual(self.c('PING'), '+PONG')
            time.sleep(0.1)
        self.assertTrue(self.is_closed(loris))

    def test_a_reader_that_does_not_read_is_closed(self):
        self.c('SET', 'big', b'x' * (1 << 20))
        deaf = self.client()
        ident = deaf('CLIENT', 'ID')
        deaf.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            for _ in range(200):
                deaf.send(b'GET big\r\n')
        except (ConnectionResetError, BrokenPipeError):
            pass
        for _ in range(50):
            self.assertEqual(self.c('PING'), '+PONG')
            self.assertEqual(len(self.c('GET', 'big')), 1 << 20)
        until(lambda: self.c('CLIENT', 'LIST', 'ID', ident) == b'', 60, 'it is closed')
        began = time.monotonic()
        self.assertTrue(deaf.ended())
        self.assertLess(time.monotonic() - began, 30) # nothing is kept for it in the kernel

    def test_values_behind_a_value_that_is_being_sent(self):
        value, cnt = b'x' * 400000, 12
        self.c('SET', 'sent', value)
        for _ in range(4): # so it is read in place
            self.c('GET', 'sent')
        slow = self.client()
        slow.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        for _ in range(cnt): # what the kernel takes, and then some
            slow.send(b'GET sent\r\n')
            time.sleep(0.02)
        for _ in range(cnt):
            self.assertEqual(slow.take(len(value) + 11), b'$400000\r\n' + value + b'\r\n')

    def is_closed(self, c):
        c.s.settimeout(0.05)
        try:
            return c.s.recv(1) == b''
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False

    def test_a_flood_of_half_commands_is_bounded(self):
        many = []
        for _ in range(100):
            c = Raw(NODE['port'])
            many.append(c)
            try:
                c.send(b'*100\r\n' + b'$60000\r\n%s\r\n' % (b'x' * 60000) * 5)
            except (ConnectionResetError, BrokenPipeError):
                pass
        self.assertEqual(self.c('PING'), '+PONG')
        for c in many:
            c.close()
        until = time.monotonic() + 60
        while time.monotonic() < until:
            used = [line for line in self.c('INFO', 'memory').split(b'\r\n')
                    if line.startswith(b'mem_clients_normal:')][0]
            if int(used.split(b':')[1]) < 1 << 20:
                return
            time.sleep(0.1)
        self.fail('memory of clients that are gone did not come back')

    def test_clients_that_die_in_the_middle(self):
        for i in range(50):
            c = Raw(NODE['port'])
            c.send(b'SET a 1\r\n' * 40 + b'MB.CALL increment 1\r\nKEYS *\r\nAPPEND q x\r\nSET b')
            c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
            if i % 2:
                time.sleep(0.002)
            c.close()
        self.assertEqual(self.c('PING'), '+PONG')

    def test_kill(self):
        other = self.client()
        ident = other('CLIENT', 'ID')
        self.assertEqual(self.c('CLIENT', 'KILL', 'ID', ident), 1)
        self.assertTrue(other.ended())


class Together(Case):
    def test_increments_are_unique_and_none_is_lost(self):
        seen, lock = [], threading.Lock()

        def work():
            c = Raw(NODE['port'])
            mine = []
            for _ in range(20):
                c.send(b'INCR n\r\n' * 50)
                mine += [c.answer() for _ in range(50)]
            c.close()
            with lock:
                seen.extend(mine)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(seen), list(range(1, 8001)))

    def test_conditional_writes_are_serialised(self):
        won = []

        def work(who):
            c = Raw(NODE['port'])
            for i in range(100):
                if c('SETNX', f'lock{i}', who) == 1:
                    won.append(i)
                self.assertIsInstance(c('APPEND', 'log', 'x'), int)
            c.close()

        threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(won), list(range(100)))
        self.assertEqual(self.c('STRLEN', 'log'), 600)

    def test_an_item_is_popped_once(self):
        got, lock = [], threading.Lock()

        def work():
            c = Raw(NODE['port'])
            mine = []
            while True:
                item = c('BLPOP', 'queue', 0)
                if item[1] == b'over':
                    break
                mine.append(int(item[1]))
            c.close()
            with lock:
                got.extend(mine)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for i in range(0, 200, 5):
            self.c('RPUSH', 'queue', *range(i, i + 5))
        self.c('RPUSH', 'queue', *['over'] * len(threads))
        for t in threads:
            t.join()
        self.assertEqual(sorted(got), list(range(200)))

    def test_what_was_watched_is_not_lost(self):
        def work():
            c, done = Raw(NODE['port']), 0
            while done < 25:
                c('WATCH', 'n')
                n = int(c('GET', 'n') or 0)
                c.send(b'MULTI\r\nSET n %d\r\nINCR m\r\nEXEC\r\n' % (n + 1))
                done += [c.answer() for _ in range(4)][3] is not None
            c.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(self.c('MGET', 'n', 'm'), [b'100', b'100'])

    def test_calls_and_writes_while_executors_are_killed(self):
        stop = threading.Event()

        def kill():
            while not stop.is_set():
                self.c2('MB.CALL', 'crashes')

        self.c2 = self.client()
        killer = threading.Thread(target=kill)
        killer.start()
        answers, end = [], time.monotonic() + 60
        while len(answers) < 40 or (not any(isinstance(a, int) for a in answers) and
                                    time.monotonic() < end):
            answers.append(self.c('MB.CALL', 'increment', len(answers)))
        stop.set()
        killer.join()
        for i, a in enumerate(answers):
            self.assertTrue(a == i + 1 or str(a).startswith(('-EXECUTOR_DIED', '-BUSY',
                                                             '-NO_EXECUTOR')), a)
        self.assertTrue(any(isinstance(a, int) for a in answers))


class Secrets(unittest.TestCase):
    def test_password(self):
        folder = tempfile.mkdtemp(prefix='microburst-gate-')
        process, log, port = node_start(folder, {'gate.password': 'open sesame'})
        try:
            c = Raw(port)
            self.assertEqual(c('PING'), '-NOAUTH Authentication required.')
            self.assertEqual(c('NOSUCH'), '-NOAUTH Authentication required.')
            self.assertEqual(c('AUTH', 'wrong')[:10], '-WRONGPASS')
            self.assertEqual(c('HELLO', '3')[:7], '-NOAUTH')
            self.assertEqual(c('AUTH', 'default', 'open sesame'), '+OK')
            self.assertEqual(c('PING'), '+PONG')
            self.assertEqual(c('RESET'), '+RESET')
            self.assertEqual(c('PING'), '-NOAUTH Authentication required.')
            self.assertEqual(c('HELLO', '2', 'AUTH', 'default', 'open sesame')[:2],
                             [b'server', b'redis'])
            d = Raw(port)
            d.send(b'*11\r\n')
            self.assertEqual(d.line(), b'-ERR Protocol error: unauthenticated multibulk length')
            c.close()
            d.close()
        finally:
            node_end(process, log)
            shutil.rmtree(folder)


class Quiet(unittest.TestCase):
    """Runs last: what the others left."""

    def test_zz_nothing_is_held(self):
        import json
        until = time.monotonic() + 60
        while True:
            out = subprocess.run([MICROBURST, 'status', '--json'], capture_output=True, text=True,
                                 timeout=60, check=True).stdout
            held = json.loads(out)['held']
            if held['gate'] == 0 and held['cache'] == 0:
                return
            self.assertLess(time.monotonic(), until, held)
            time.sleep(0.1)


if __name__ == '__main__':
    signal.alarm(280)
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
