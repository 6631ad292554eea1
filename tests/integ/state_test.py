#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""state_test.py MICROBURST

Goal:   what a node promises of state: repeatable reads, acknowledgements, values of any length, a
        limit that is reached and passed, and nothing lost or doubled while executors are killed.
Method: a node with two kvs tiles that both have each key, and functions written here.
"""
import json
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from node import Node, run, until   # noqa: E402
from storm import storm   # noqa: E402

MICROBURST = sys.argv[1]
VALUE_MAX = 64 << 20

FUNCTIONS = r"""
#include <microburst/function.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int
show(struct mb_call *call, struct mb_slice key)
{
    struct mb_slice v;
    int err = mb_get(call, key, &v);

    return err == MB_ERR_NOT_FOUND ? mb_return_utf8(call, mb_str("absent"))
           : err != 0               ? err
                                    : mb_return_utf8(call, v);
}

/* What KEY shows; then it waits for a message. */
static int
show_and_wait(struct mb_call *call, struct mb_slice key)
{
    struct mb_message m;

    MB_TRY(show(call, key));
    mb_log(call, "it is read");
    return mb_recv(call, MB_FOREVER, &m);
}

/* twice KEY: what KEY shows, and once more after a message. */
MB_FUNCTION(twice)
{
    struct mb_slice key;

    MB_TRY(mb_arg_bytes(call, 0, &key));
    MB_TRY(show_and_wait(call, key));
    mb_release(call, key);
    return show(call, key);
}

/* keeps HOW: looks at values of several kinds, writes, awaits a message, ends as HOW says. */
MB_FUNCTION(keeps)
{
    struct mb_slice how, v, one = { "kept/text", 9 };
    struct mb_message m;
    struct mb_set_iter it;

    MB_TRY(mb_arg_bytes(call, 0, &how));
    MB_TRY(mb_get(call, one, &v));
    MB_TRY(mb_set_begin(call, mb_str("kept/set"), &it));
    MB_TRY(mb_map_get(call, mb_str("kept/map"), mb_str("f"), &v));
    MB_TRY(mb_list_get(call, mb_str("kept/list"), 0, &v));
    MB_TRY(mb_put(call, mb_str("kept/written"), v));
    mb_log(call, "it is read");
    MB_TRY(mb_recv(call, MB_FOREVER, &m));
    if (*(const char *)how.p == 'd')
        _exit(3);
    return *(const char *)how.p == 'f' ? mb_fail(call, "on purpose") : 0;
}

/* The same in two functions: the second one's argument is what the first one saw. */
MB_FUNCTION(first)
{
    struct mb_slice key;

    MB_TRY(mb_arg_bytes(call, 0, &key));
    return show_and_wait(call, key);
}

MB_FUNCTION(second)
{
    struct mb_slice key, saw;

    MB_TRY(mb_arg_bytes(call, 0, &key));
    MB_TRY(mb_arg_bytes(call, 1, &saw));
    MB_TRY(mb_return_utf8(call, saw));
    return show(call, key);
}

/* long KIND KEY N: a value of so many bytes, in each type that has values of any length; and how
 * long it is then, as read. */
MB_FUNCTION(long_value)
{
    struct mb_slice kind, key, v = { 0 }, x = mb_str("x");
    char *p;
    int64_t n;
    int err = MB_ERR_INVALID;

    MB_TRY(mb_arg_bytes(call, 0, &kind));
    MB_TRY(mb_arg_bytes(call, 1, &key));
    MB_TRY(mb_arg_i64(call, 2, &n));
    p = calloc(1, (size_t)n + 1);
    if (p == NULL) {
        return mb_fail(call, "no memory");
    }
    v = mb_slice_of(p, (size_t)n);
    switch (*(const char *)kind.p) {
    case 's':
        err = mb_put(call, key, v);
        break;
    case 'l':
        err = mb_merge_lww(call, key, x, 1);
        err = err == 0 ? mb_merge_lww(call, key, v, 5) : err;
        err = err == 0 ? mb_merge_lww(call, key, x, 4) : err;
        break;
    case 'p':
        err = mb_merge_priority(call, key, 1, v);
        err = err == 0 ? mb_merge_priority(call, key, 2, x) : err;
        break;
    case 'r':
        err = mb_put_sibling(call, key, v);
        break;
    case 'm':
        err = mb_map_put(call, key, x, v);
        break;
    case 'i':
        err = mb_push_right(call, key, v);
        break;
    }
    free(p);
    return err;
}

MB_FUNCTION(long_read)
{
    struct mb_slice kind, key, v;

    MB_TRY(mb_arg_bytes(call, 0, &kind));
    MB_TRY(mb_arg_bytes(call, 1, &key));
    switch (*(const char *)kind.p) {
    case 'm':
        MB_TRY(mb_map_get(call, key, mb_str("x"), &v));
        break;
    case 'i':
        MB_TRY(mb_pop_left(call, key, &v));
        break;
    default:
        MB_TRY(mb_get(call, key, &v));
    }
    return mb_return_i64(call, (int64_t)v.len);
}

/* churn N: a count, a member, a register, a key that goes. */
MB_FUNCTION(churn)
{
    char name[2][32];
    int64_t n;

    MB_TRY(mb_arg_i64(call, 0, &n));
    snprintf(name[0], sizeof(name[0]), "%lld", (long long)n);
    MB_TRY(mb_incr(call, mb_str("total"), 1, NULL));
    MB_TRY(mb_sadd(call, mb_str("members"), mb_str(name[0])));
    MB_TRY(mb_map_incr(call, mb_str("by_ten"), mb_str(name[0] + (n > 9)), 1, NULL));
    snprintf(name[1], sizeof(name[1]), "register/%lld", (long long)n % 10);
    MB_TRY(mb_put(call, mb_str(name[1]), mb_str(name[0])));
    snprintf(name[1], sizeof(name[1]), "gone/%lld", (long long)n % 10);
    MB_TRY(mb_put(call, mb_str(name[1]), mb_str(name[0])));
    return mb_delete(call, mb_str(name[1]));
}
"""

# NAME KEY [what others saw]: that, and what KEY shows; adds 1 to it. The first one waits between.
PART = r"""
#include <microburst/function.h>

MB_FUNCTION(NAME)
{
    struct mb_message m;
    struct mb_slice key;
    int64_t n;

    MB_TRY(mb_arg_bytes(call, 0, &key));
    for (uint32_t i = 1; i < mb_arg_cnt(call); i++) {
        MB_TRY(mb_arg_i64(call, i, &n));
        MB_TRY(mb_return_i64(call, n));
    }
    MB_TRY(mb_get_i64(call, key, &n));
    MB_TRY(mb_return_i64(call, n));
    if (mb_arg_cnt(call) == 1) {
        mb_log(call, "it is read");
        MB_TRY(mb_recv(call, MB_FOREVER, &m));
    }
    return mb_incr(call, key, 1, NULL);
}
"""

# goes HOW KEY, and then elsewhere, shows KEY.
GOES_ON = {'goes': r"""
#include <microburst/function.h>

MB_FUNCTION(goes)
{
    struct mb_slice how, key, v;

    MB_TRY(mb_arg_bytes(call, 0, &how));
    MB_TRY(mb_arg_bytes(call, 1, &key));
    if (*(const char *)how.p == 'r') {
        MB_TRY(mb_get(call, key, &v));
    } else if (*(const char *)how.p == 'w') {
        MB_TRY(mb_put(call, key, mb_str("written")));
    }
    MB_TRY(mb_return_bytes(call, key));
    return mb_continue(call, "shows");
}
""", 'shows': r"""
#include <microburst/function.h>

MB_FUNCTION(shows)
{
    struct mb_slice key, v;

    MB_TRY(mb_arg_bytes(call, 0, &key));
    MB_TRY(mb_get(call, key, &v));
    return mb_return_utf8(call, v);
}
"""}

NODE = None


def setUpModule():
    global NODE
    NODE = Node(MICROBURST, '--set', 'kvs.tiles=2', '--set', 'kvs.replication=2',
                '--set', 'executor.count=2',
                '--set', 'kvs.ack_timeout=30s')     # for 64 MiB on a busy machine
    unittest.addModuleCleanup(NODE.remove)
    NODE.deploy(FUNCTIONS)
    code, _, err = NODE.run('dag', 'add', 'both', 'first -> second')
    if code != 0:
        raise RuntimeError(err)


class Reads(unittest.TestCase):
    """At rr a key shows what it showed first; at lww the same calls see the change."""

    def while_changed(self, node, change, *args):
        """What a call shows that waits for a message after its first read; the change is a
        command that runs before that."""
        def read_cnt():
            return node.run('logs')[1].count(b'it is read')

        before = read_cnt()
        command = [MICROBURST, *args, '--json', '--socket', node.socket]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as call:
            until(lambda: read_cnt() > before, 60, 'the first read')
            self.assertEqual(node.run(*change)[0], 0)
            until(lambda: any(node.run('send', c['call'], 'go')[0] == 0     # GONE: one before it
                              for c in node.json('ps')['calls']), 60, 'who hears')
            return [r['value'] for r in json.loads(call.communicate()[0])['results']]

    def both_reads(self, key, *args):
        NODE.run('set', key, 'old')
        return self.while_changed(NODE, ('set', key, 'new'), *args)

    def test_a_call(self):
        args = ('call', 'twice', 'k')
        self.assertEqual(self.both_reads('k', *args), ['old', 'new'])
        self.assertEqual(self.both_reads('k', *args, '--level', 'rr'), ['old', 'old'])

    def test_the_functions_of_a_dag(self):
        args = ('dag', 'call', 'both', 'first=d', 'second=d')
        self.assertEqual(self.both_reads('d', *args), ['old', 'new'])
        self.assertEqual(self.both_reads('d', *args, '--level', 'rr'), ['old', 'old'])

    def test_the_functions_of_a_dag_that_no_executor_has_all_of(self):
        """In parts, by three executors in turn: each sees what was read first, and their writes."""
        node = Node(MICROBURST, '--set', 'executor.count=2', '--set', 'executor.classes=a=1,b=1')
        try:
            for name, where in (('one', 'a'), ('two', 'b'), ('three', 'a')):
                node.deploy(PART.replace('NAME', name), '--class', where)
            self.assertEqual(node.run('dag', 'add', 'apart', 'one -> two -> three')[0], 0)
            args = ('dag', 'call', 'apart', 'one=n', 'two=n', 'three=n')
            for level, sees in (('lww', [5, 106, 107]), ('rr', [5, 6, 7])):
                node.run('set', 'n', '5')
                self.assertEqual(self.while_changed(node, ('incr', 'n', '100'), *args, '--level',
                                                    level), sees)
                self.assertEqual(node.run('get', 'n')[1].split(), [b'108'])
            until(lambda: all(n == 0 for n in node.json('status')['held'].values()), 60,
                  'nothing held')
        finally:
            node.remove()

    def test_what_goes_on_elsewhere(self):
        """It would not have what was read: such a call ends. One that has read nothing goes on."""
        node = Node(MICROBURST, '--set', 'executor.count=2', '--set', 'executor.classes=a=1,b=1')
        try:
            for name, where in (('goes', 'a'), ('shows', 'b')):
                node.deploy(GOES_ON[name], '--class', where)
            node.run('set', 'k', '1')
            for level, how, code, says in (('lww', 'reads', 0, '1\n'), ('rr', 'nothing', 0, '1\n'),
                                           ('rr', 'reads', 1, 'level rr'),
                                           ('rr', 'writes', 1, 'level rr')):
                got, out, err = node.run('call', 'goes', how, 'k', '--level', level)
                self.assertEqual(got, code, (level, how, err))
                self.assertIn(says, out.decode() + err)
            self.assertEqual(node.run('get', 'k')[1].split(), [b'1'])
            until(lambda: all(n == 0 for n in node.json('status')['held'].values()), 60,
                  'nothing held')
        finally:
            node.remove()

    def test_levels_that_there_are_not(self):
        code, _, err = NODE.run('call', 'twice', 'k', '0', '--level', 'dsc')
        self.assertEqual(code, 2)
        self.assertIn('lww and rr', err)


class Held(unittest.TestCase):
    """What a call keeps as it saw it is counted, and nothing of it is left, however it ends."""

    @staticmethod
    def held():
        return {what: n for what, n in NODE.json('status')['held'].items() if n != 0}

    @staticmethod
    def runs(*but):
        """The call that runs, by an executor that is none of these."""
        return until(lambda: next((c for c in NODE.json('ps')['calls'] if c['pid'] not in but),
                                  None), 60, 'a call that runs')

    def ends(self, how, *args):
        with subprocess.Popen([MICROBURST, 'call', 'keeps', how, *args, '--socket', NODE.socket],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as caller:
            until(lambda: self.held().get('versions') == 4 or
                  (how == 'deadline' and caller.poll() is not None), 60, 'four versions')
            if how in ('well', 'fails', 'dies'):
                self.assertEqual(NODE.run('send', self.runs()['call'], 'go')[2], '')
            elif how == 'cancelled':
                self.assertEqual(NODE.run('cancel', self.runs()['call'])[2], '')
            elif how == 'killed':
                first = self.runs()['pid']
                os.kill(first, signal.SIGKILL)
                os.kill(self.runs(0, first)['pid'], signal.SIGKILL)  # once more: it wrote nothing
            elif how == 'left':
                caller.kill()
            said = caller.communicate(timeout=60)[0].decode()
        until(lambda: self.held() == {} and not NODE.json('ps')['calls'], 60,
              f'nothing held ({how}): {self.held()}')
        return said

    def test_on_every_path(self):
        text = os.urandom(500).hex()
        for args in (('set', 'kept/text', text), ('sadd', 'kept/set', text),
                     ('hset', 'kept/map', 'f', text), ('push', 'kept/list', text)):
            self.assertEqual(NODE.run(*args)[0], 0)
        for level in ('lww', 'rr'):
            for how, says in (('well', ''), ('fails', 'on purpose'), ('dies', 'did not happen'),
                              ('cancelled', 'cancelled'), ('deadline', 'deadline'),
                              ('killed', 'signal 9'), ('left', '')):
                with self.subTest(how=how, level=level):
                    more = ('--deadline', '2s') if how == 'deadline' else ()
                    self.assertIn(says, self.ends(how, '--level', level, *more))
                    self.assertEqual(NODE.run('get', 'kept/written')[0], int(how != 'well'))
                    NODE.run('del', 'kept/written')


class Acknowledgements(unittest.TestCase):
    def test_each(self):
        for n, who in enumerate(('local', 'one', 'quorum', 'all')):
            code, _, err = run(MICROBURST, '--ack', who, 'incr', 'acked', '1', '--socket',
                               NODE.socket)
            self.assertEqual((code, err), (0, ''), who)
            code, _, err = run(MICROBURST, '--ack', who, 'call', 'churn', str(1000 + n),
                               '--socket', NODE.socket)
            self.assertEqual((code, err), (0, ''), who)
        self.assertEqual(NODE.run('get', 'acked')[1].split(), [b'4'])

    def test_no_such(self):
        code, _, err = run(MICROBURST, '--ack', 'some', 'set', 'a', 'b', '--socket', NODE.socket)
        self.assertEqual(code, 2)
        self.assertIn('quorum', err)


class Lengths(unittest.TestCase):
    def test_values_of_any_length(self):
        for n in (0, 1, 48, 49, 4096, 4097, 65535, 65536, 1 << 20, VALUE_MAX):
            value = os.urandom(min(n, 4096)) * (max(n, 4096) // 4096 + 1)
            value = value[:n]
            code, _, err = NODE.run('set', 'length', '-', stdin=value)
            self.assertEqual((code, err), (0, ''), n)
            self.assertTrue(NODE.run('get', 'length')[1] == value, n)

    def test_of_each_type(self):
        """Written by a function, read by another call; the greatest that there is, and one more."""
        for kind in ('string', 'lww', 'priority', 'register', 'map', 'items'):
            for n in (0, (64 << 10) + 1, VALUE_MAX):
                for _ in range(2 if kind == 'map' else 1):      # in the place of one as long
                    code, _, err = NODE.run('call', 'long_value', kind, 'length', str(n))
                    self.assertEqual((code, err), (0, ''), (kind, n))
                self.assertEqual(NODE.run('call', 'long_read', kind, 'length')[1].split(),
                                 [b'%d' % n], (kind, n))
                NODE.run('del', 'length')
            code, _, err = NODE.run('call', 'long_value', kind, 'length', str(VALUE_MAX + 1))
            self.assertEqual(code, 1, kind)
            self.assertIn('64 MiB', err, kind)

    def test_one_byte_too_many(self):
        code, _, err = NODE.run('set', 'length', '-', stdin=bytes(VALUE_MAX + 1))
        self.assertEqual(code, 1)
        self.assertIn('64 MiB', err)

    @classmethod
    def tearDownClass(cls):
        NODE.run('del', 'length')


class Marks(unittest.TestCase):
    """What was removed from a collection that lives on is forgotten, and nothing else."""

    def settled(self):
        return sum(t['metrics'].get('kvs_drop_settled', 0) for t in NODE.json('status')['tiles'])

    def test_a_queue(self):
        before = self.settled()
        items = [f'item-{i}' for i in range(300)]
        self.assertEqual(NODE.run('push', 'queue', *items)[0], 0)
        for item in reversed(items[280:]):
            self.assertEqual(NODE.run('pop', 'queue')[1].decode().split(), [item])
        until(lambda: self.settled() > before, 60, 'a queue without marks')
        self.assertEqual(NODE.run('members', 'queue')[1].decode().split(), items[:280])


class Limit(unittest.TestCase):
    """The memory of a store is reached and passed: a typed refusal, and room after deletes."""

    def test_reached_and_passed(self):
        node = Node(MICROBURST, '--set', 'kvs.bytes=16m', '--set', 'cache.bytes=16m')
        try:
            value = os.urandom(1 << 20)
            kept, err = [], ''
            for i in range(40):
                code, _, err = node.run('set', f'big{i}', '-', stdin=value)
                if code != 0:
                    break
                kept.append(f'big{i}')
            self.assertLess(len(kept), 40)
            self.assertIn('memory', err)
            for key in kept:        # what was acknowledged is there
                self.assertTrue(node.run('get', key)[1] == value, key)
            self.assertEqual(node.run('incr', 'small', '1')[0], 0)  # what needs little has room
            for key in kept[:4]:
                self.assertEqual(node.run('del', key)[2], '')
            until(lambda: node.run('set', 'again', '-', stdin=value)[0] == 0, 60,
                  'room after deletes')
        finally:
            node.remove()


class Storm(unittest.TestCase):
    """Many clients, executors killed meanwhile: each call's writes happened once, or not at all."""

    def test_nothing_lost_nothing_doubled(self):
        NODE.run('del', 'total', 'members', 'by_ten')
        happened = storm(self, NODE, lambda n: (str(n),), 100)
        until(NODE.executors, 60, 'an executor')
        members = {int(m) for m in NODE.json('members', 'members')['members']}
        self.assertEqual(members, happened)
        self.assertEqual(int(NODE.run('get', 'total')[1]), len(happened))
        self.assertEqual(NODE.run('keys', 'gone/')[1], b'')
        until(lambda: all(n == 0 for n in NODE.json('status')['held'].values()), 60,
              'nothing held')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
