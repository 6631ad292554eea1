#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""watch_next_test.py SOURCE BUILD

Goal:   watch_next predicts what its definition says, whatever the order in which ratings come, how
        often each comes, how they are written, how many callers bring them, and how many executors
        die meanwhile; a row that is none is refused by its number. Words are counted, however many
        different ones a text has.
Method: generated ratings through real calls on nodes with one executor and with four, judged by
        examples/watch_next_check, which shares no code with the store; words by Python's Counter.
        RATINGS in the environment names a real file to be judged too.
"""
import collections
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE, BUILD = map(os.path.abspath, sys.argv[1:3])
MICROBURST = f'{BUILD}/control/cli/microburst'
CLIENT = f'{BUILD}/examples/watch_next_client'
ALL_S = 300
HEAD = 'userId,movieId,rating,timestamp'


def output_of(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=ALL_S, check=False,
                          **more)
    if done.returncode != 0:
        raise AssertionError(f'{command[:3]}: {done.returncode}: {done.stdout}{done.stderr}')
    return done.stdout


class WatchNext(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='microburst-watch-next-')
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.env = {**os.environ, 'MICROBURST_SOCKET': f'{self.folder}/socket'}

    def start_node(self, executors):
        with open(f'{self.folder}/log', 'w', encoding='utf-8') as log:
            node = subprocess.Popen(
                [MICROBURST, 'up', '--set', f'executor.count={executors}'],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                start_new_session=True)
        self.addCleanup(node.wait)
        self.addCleanup(node.terminate)
        end = time.monotonic() + 60
        while subprocess.run([MICROBURST, 'status'], capture_output=True, check=False,
                             env=self.env).returncode != 0:
            self.assertLess(time.monotonic(), end, 'there is no node')
            time.sleep(0.05)
        output_of([MICROBURST, 'deploy', f'{SOURCE}/examples/watch_next.c'], env=self.env)
        output_of([MICROBURST, 'dag', 'add', 'watch_next', 'history -> predict'], env=self.env)

    def ratings(self, seed):
        """A generated file: its name, its lines."""
        path = f'{self.folder}/ratings.csv'
        text = output_of([f'{SOURCE}/examples/ratings_make', str(seed), '120', '600'])
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        return path, text.splitlines()

    def write(self, name, lines):
        path = f'{self.folder}/{name}'
        with open(path, 'w', encoding='utf-8') as f:
            f.write('\n'.join(lines) + '\n')
        return path

    def refuses(self, lines, why):
        path = self.write('bad.csv', lines)
        done = subprocess.run([CLIENT, 'rate', path], env=self.env, capture_output=True,
                              text=True, timeout=ALL_S, check=False)
        self.assertEqual(done.returncode, 1, lines)
        self.assertRegex(done.stderr.replace('\n', ' '), why)

    def assert_predicts(self, path, whole=60):
        want = output_of([f'{SOURCE}/examples/watch_next_check', path])
        users = [line.split()[0] for line in want.splitlines()]
        got = output_of([CLIENT, 'predict', '-', *users], env=self.env)
        self.assertEqual(got.splitlines(), want.splitlines())
        # Not by having nothing to say.
        self.assertGreater(sum(len(line.split()) == 11 for line in got.splitlines()), whole)

    def test_one_executor_in_order(self):
        self.start_node(1)
        path, _ = self.ratings(1)
        output_of([CLIENT, 'rate', path], env=self.env)
        self.assert_predicts(path)

    def test_any_order_any_number_of_times(self):
        self.start_node(4)
        path, (head, *lines) = self.ratings(2)
        # Somebody changes his mind, to a rating of the same side of 4.0: the later one counts.
        changed = []
        for line in lines[::7]:
            user, movie, rating, at_s = line.split(',')
            rating = 4.5 if float(rating) >= 4 else 2.5
            changed.append(f'{user},{movie},{rating},{int(at_s) + 86400 * 9000}')
        path = self.write('whole.csv', [head, *lines, *changed])
        again = lines + changed + lines[::2]
        random.Random(3).shuffle(again)
        halves = [self.write('a.csv', [head, *again[::2]]),
                  self.write('b.csv', [head, *again[1::2]])]
        callers = [subprocess.Popen([CLIENT, 'rate', half], env=self.env, stderr=subprocess.PIPE,
                                    text=True) for half in halves]
        for caller in callers:
            _, err = caller.communicate(timeout=ALL_S)
            self.assertEqual(caller.returncode, 0, err)
        self.assert_predicts(path)

    def test_executors_die_meanwhile(self):
        self.start_node(2)
        path = f'{self.folder}/ratings.csv'
        with open(path, 'w', encoding='utf-8') as f:
            f.write(output_of([f'{SOURCE}/examples/ratings_make', '5', '400', '2000']))
        killed, again = 0, 0
        for _ in range(20):
            caller = subprocess.Popen([CLIENT, 'rate', path], env=self.env, text=True,
                                      stderr=subprocess.PIPE)
            while caller.poll() is None:
                status = output_of([MICROBURST, '--json', 'status'], env=self.env)
                # A call is made again a few times, not for ever: each of them ends some first.
                pids = [e['pid'] for e in json.loads(status)['executors']
                        if e['functions'] and e.get('finished', 0) > 0]
                for pid in [p for p in pids if p > 0][:1]:      # 0: it is not there yet
                    with contextlib.suppress(ProcessLookupError):   # gone since it was asked for
                        os.kill(pid, signal.SIGKILL)
                        killed += 1
                time.sleep(0.05)
            _, err = caller.communicate(timeout=ALL_S)
            self.assertEqual(caller.returncode, 0, err)
            again += sum(map(int, re.findall(r'^(\d+) calls were made again', err, re.M)))
            if again > 0:
                break
        self.assertGreater(again, 0, f'{killed} executors were killed')
        self.assert_predicts(path)

    def test_what_is_refused(self):
        self.start_node(1)
        for bad in ('1,2,5.5,7', '1,2,-4,7', '-1,2,3,7', '1,2,3,-7'):
            self.refuses([HEAD, bad], 'user -?1, movie 2: ')
        for bad in ('1,2,nan,7', '1,2,3', '1,2,,7', '1,2,4.0,\n964', '1,2,3,7,8', 'a,b,c,d',
                    '1,2,0x4,7', '99999999999999999999,2,3,7', '\0 1,2,3,7', '1\t2\t3\t7'):
            self.refuses([HEAD, bad], r'bad.csv:2: not userId,.*: 0 ratings were recorded')
        self.refuses(['movieId,userId,rating,timestamp', '1,2,3,7'], 'bad.csv:1: not userId,')
        self.refuses(['\r'.join([HEAD, '1,2,3,7'])], 'bad.csv:1: not userId,')
        self.assertEqual(output_of([MICROBURST, 'keys'], env=self.env), '')
        self.refuses([HEAD, '1,2,3,7', '1,2,3'], 'bad.csv:3: not .*: 1 ratings were recorded')

    def test_ways_to_write_a_row(self):
        self.start_node(1)
        path = f'{self.folder}/odd.csv'
        rows = ['1,1,4.0,1', '"1","2","4.5","1"', '1, 3, 3.96, 5', '', '2,1,4.0,1', '2,2,5,1',
                '2,3,4,1', '2,4,4,2', '2,5,4.00001,2', '3,1,4e0,1', '3,4,4,1', '3,6,3.9999999,9']
        for head in ([HEAD], [], ['\ufeff' + HEAD]):
            for end in '\n', '\r\n':      # and none behind the last
                with open(path, 'w', encoding='utf-8', newline='') as f:
                    f.write(end.join(head + rows))
                output_of([CLIENT, 'rate', path], env=self.env)
                self.assert_predicts(path, whole=-1)
        self.assertEqual(output_of([CLIENT, 'predict', '-', '1'], env=self.env), '1 4 3 5 2\n')

    def test_words(self):
        self.start_node(1)
        count = ' '.join(f'split -> count#{i}, count#{i} -> total,' for i in range(4))
        output_of([MICROBURST, 'deploy', f'{SOURCE}/examples/wordcount.c'], env=self.env)
        output_of([MICROBURST, 'dag', 'add', 'wordcount', count.rstrip(',')], env=self.env)
        draw = random.Random(4)
        words = [''.join(draw.choices('abcdeFGHIJ', k=draw.randint(1, 9))) for _ in range(30000)]
        text = ''.join(w + draw.choice([' ', ', ', '\n', '1', 'é', '\0']) for w in words)
        with open(f'{self.folder}/text', 'w', encoding='utf-8') as f:
            f.write(text)
        want = collections.Counter(word.lower() for word in words)
        self.assertGreater(len(want), 1 << 14)      # more than a call holds back
        got = output_of([f'{BUILD}/examples/wordcount_client', f'{self.folder}/text'],
                        env=self.env)
        self.assertEqual(got.splitlines(), [f'{want[word]} {word}' for word in sorted(want)])

    @unittest.skipUnless(os.environ.get('RATINGS'), 'RATINGS names no file')
    def test_real_ratings(self):
        self.start_node(2)
        output_of([CLIENT, 'rate', os.environ['RATINGS']], env=self.env)
        self.assert_predicts(os.environ['RATINGS'])


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
