#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""cli_test.py CLI_FAKE MANPAGE

Goal:   every command reads its command line as --help says, prints what it should where it should,
        and ends with the right exit code; the man page names every command and option.
Method: the real program, linked with a client library that needs no node (cli_fake.c): a table of
        command lines with what must come out. A terminal is a pty.
"""
import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import unittest

PROGRAM, MANPAGE = sys.argv[1:3]


def run(*args, stdin=b'', **env):
    """Returns (exit code, standard output, standard error) of one command."""
    clean = {k: v for k, v in os.environ.items()
             if k not in ('CC', 'CFLAGS', 'MICROBURST_SOCKET', 'FAKE_NODE', 'FAKE_ERROR')}
    done = subprocess.run([PROGRAM, *args], input=stdin, capture_output=True, timeout=30,
                          env={**clean, 'TZ': 'UTC', **env}, check=False)
    return done.returncode, done.stdout.decode(errors='replace'), done.stderr.decode()


def commands():
    return run('--list-commands')[1].splitlines()


# (command line, exit code, what standard output is, what standard error has)
TABLE = [
    # -- usage: nothing done, exit code 2, standard output empty
    ('', 2, r'', r'Usage: microburst'),
    ('statsu', 2, r'', r'did you mean `microburst status`\?'),
    ('--socket', 2, r'', r'--socket needs a word behind it'),
    ('xyzzy', 2, r'', r'no command "xyzzy".*--help'),
    ('--frob', 2, r'', r'no option --frob'),
    ('dag', 2, r'', r'dag add.*dag needs one of these words'),
    ('dag frob', 2, r'', r'dag needs one of these words'),
    ('call', 2, r'', r'needs NAME \[ARG\]'),
    ('call increment 99999999999999999999', 2, r'', r'does not fit in 64 bits'),
    ('call increment i:x', 2, r'', r'not a whole number'),
    ('call increment b:0', 2, r'', r'hexadecimal'),
    ('call increment a:1,', 2, r'', r'list of numbers'),
    ('call increment --deadline 10', 2, r'', r'--deadline takes.*"10"'),
    ('call increment --deadline -5ms', 2, r'', r'not "-5ms"'),
    ('call increment --deadline 0', 2, r'', r'more than 0'),
    ('call increment --level strong', 2, r'', r'--level knows lww and rr, not "strong"'),
    ('call increment --repeat 0', 2, r'', r'from 1 to'),
    ('call increment --parallel 2', 2, r'', r'goes with --repeat'),
    ('call increment --repeat 9 --future', 2, r'', r'calls anew each time'),
    ('call increment --request-id 12x', 2, r'', r'16 hexadecimal digits, not "12x"'),
    ('future 0', 2, r'', r'16 hexadecimal digits'),
    ('call increment --repeat 9 --parallel 9999', 2, r'', r'--parallel takes.*1 to 1024'),
    ('call --frob', 2, r'', r"unrecognized option '--frob'"),
    ('dag add d', 2, r'', r'needs NAME TEXT'),
    ('dag add d t x', 2, r'', r'"x" is one argument too many'),
    ('dag call echo a', 2, r'', r'FUNCTION=ARG, not "a"'),
    ('dag call echo =1', 2, r'', r'FUNCTION=ARG'),
    ('dag call echo a=b:0', 2, r'', r'hexadecimal'),
    ('get', 2, r'', r'needs KEY'),
    ('get a b', 2, r'', r'too many'),
    ('set a', 2, r'', r'needs KEY VALUE'),
    ('incr k x', 2, r'', r'N is a whole number'),
    ('incr k 1.5', 2, r'', r'N is a whole number'),
    ('incr k -', 2, r'', r'N is a whole number'),
    ('sadd k', 2, r'', r'needs KEY MEMBER'),
    ('del', 2, r'', r'needs KEY'),
    ('deploy', 2, r'', r'needs FILE'),
    ('deploy x.txt', 2, r'', r'takes .c and .so files'),
    ('deploy a.c b.c --name f', 2, r'', r'--name is for one file'),
    ('cancel xyz', 2, r'', r'16 hexadecimal digits'),
    ('cancel 00000000000000000', 2, r'', r'16 hexadecimal digits'),
    ('trace', 2, r'', r'needs CALL'),
    ('explain x', 2, r'', r'16 hexadecimal digits'),
    ('top --interval 1ms', 2, r'', r'at least 50ms'),
    ('up --set foo', 2, r'', r'section.key=value, not "foo"'),
    ('--json up', 2, r'', r'does not answer in JSON'),
    ('down --wait soon', 2, r'', r'--wait takes'),
    ('doctor frob', 2, r'', r'check, init or fini'),
    ('doctor --pages 5', 2, r'', r'--pages, .* go with init'),
    ('doctor fini --vfio 3b:00.0', 2, r'', r'--vfio go with init'),
    ('doctor init --cores 1', 2, r'', r'--cores and --nic go with check'),
    ('doctor init --irqs none', 2, r'', r'--irqs takes'),
    ('doctor init --vfio eth0', 2, r'', r'--vfio takes'),
    ('doctor init --vfio ffff:ff:1f.7', 1, r'', r'no device ffff:ff:1f.7'),
    ('doctor --cores 3-1', 2, r'', r'--cores takes'),
    ('doctor init --pages 0', 2, r'', r'--pages takes'),
    # -- failures: exit code 1, one sentence
    ('call fail', 1, r'', r'^microburst: calling fail failed: no luck\.\n$'),
    ('call die', 1, r'', r'executor died.*microburst logs'),
    ('call missing', 1, r'', r'no function of that name.*microburst deploy'),
    ('call fail --repeat 10', 1, r'', r'call 1 of 10: no luck'),
    ('call increment @/nonexistent', 1, r'', r'cannot read /nonexistent: No such file'),
    ('dag call missing', 1, r'', r'no DAG of that name.*dag add'),
    ('get missing', 1, r'', r'no such key'),
    ('get colours', 1, r'', r'microburst members'),
    ('members greeting', 1, r'', r'microburst get'),
    ('members missing', 1, r'', r'no such key'),
    ('incr greeting', 1, r'', r'no integer'),
    ('del missing greeting', 1, r'', r'cannot delete missing'),
    ('deploy /nonexistent.c', 1, r'', r'cannot read /nonexistent.c: No such file'),
    ('deploy /nonexistent.so', 1, r'', r'cannot read /nonexistent.so: No such file'),
    ('--json call fail', 1,
     r'\{"error":"FUNCTION_FAILED","text":"calling fail failed: no luck"\}\n', r''),
    # -- done
    ('call increment 4', 0, r'5\n', r''),
    ('call increment -4', 0, r'-3\n', r''),
    ('call increment -- -4', 0, r'-3\n', r''),
    ('call --deadline 10ms increment 4 --level lww', 0, r'5\n', r''),
    ('call nothing', 0, r'', r''),
    ('call echo 1 2.5 x b:ff a:1,2 s:4', 0, r'1\n2.5\nx\nb:ff\n1.0,2.0\n4\n', r''),
    ('call echo b:6869', 0, r'hi', r''),
    ('call increment 4 --json', 0,
     r'\{"call":"0000000000000001","results":\[\{"type":"i64","value":5\}\],"run_ns":70,'
     r'"executor":3\}\n', r''),
    ('call increment 4 --future', 0, r'0000000000001234\n', r''),
    ('call increment 4 --future --request-id fe', 0, r'00000000000000fe\n', r''),
    ('call increment 4 --future --json', 0, r'\{"request_id":"0000000000001234"\}\n', r''),
    ('future 0000000000000010', 0, r'16\n', r''),
    ('call increment 4 --repeat 100 --parallel 7', 0, r'100 calls, 7 at a time: p50 .*/s\n', r''),
    ('explain ab', 0, r'WHAT .*\nf +1 +3 +4 +12.5% +2.00 MiB +1.00 MiB +2 +1.50 .s +1\n', r''),
    ('dag add d a->b', 0, r'registered d: 2 functions, 1 edge\n', r''),
    ('dag call echo a=1 b=x a=2', 0, r'a\n1\n2\nb\nx\n', r''),
    ('dag call echo count#1=-4', 0, r'count#1\n-4\n', r''),
    ('dag show d', 0, r'd: a -> b\n\nFUNCTION  RESULTS\na         to b\nb         are the answer\n',
     r''),
    ('dag rm d', 0, r'', r''),
    ('dag list', 0, r'DAG  TEXT\nd    a -> b\n', r''),
    ('get greeting', 0, r'hello', r''),
    ('get greeting --json', 0, r'\{"key":"greeting","value":"hello"\}\n', r''),
    ('get raw --json', 0, r'\{"key":"raw","value":\{"hex":"ff01"\}\}\n', r''),
    ('set k v', 0, r'', r''),
    ('set k -4', 0, r'', r''),
    ('incr k', 0, r'41\n', r''),
    ('incr k -4', 0, r'36\n', r''),
    ('sadd k a b', 0, r'2\n', r''),
    ('members colours', 0, r'green\nred\n', r''),
    ('members capitals', 0, r'France\tParis\n', r''),
    ('members capitals --json', 0,
     r'\{"members":\[\{"field":"France","value":"Paris"\}\]\}\n', r''),
    ('del greeting', 0, r'', r''),
    ('keys', 0, r'greeting\nb:ff01\n|greeting\nraw\nwc/a\nwc/b\n', r''),
    ('keys wc/', 0, r'wc/a\nwc/b\n', r''),
    ('keys --values wc/', 0, r'wc/a\t3\nwc/b\t1\n', r''),
    ('keys --values wc/ --json', 0,
     r'\{"keys":\[\{"key":"wc/a","value":"3"\},\{"key":"wc/b","value":"1"\}\]\}\n', r''),
    ('keys nothing', 0, r'', r''),
    ('status', 0, r'node +version 0.1.0, process 999999999, up 1 min 01 s\n.*increment square\n',
     r''),
    ('status --plan', 0, r'.*\nlcore 0: sched\n.*', r''),
    ('ps', 0, r'CALL.*00000000000000ab  slow .*3 calls of slow waiting for an executor.\n', r''),
    ('top --interval 50ms', 0, r'microburst: 0 calls/s\n.*FUNCTION.*EXECUTOR.*TILE.*', r''),
    ('functions', 0, r'FUNCTION +VERSION.*increment +2 +1  16.0 KiB  yes\n', r''),
    ('undeploy increment', 0, r'', r''),
    ('logs', 0, r'00:00:01.500000 f 00000000000000ab hello\\x1b\[2J\n', r''),
    ('cancel AB', 0, r'', r''),
    ('send AB hello', 0, r'', r''),
    ('send 1 hello', 1, r'', r'.*ended.*\n'),
    ('send x hello', 2, r'', r'.*hexadecimal.*'),
    ('trace ab', 0, r'HOP.*run +f +executor 3 +0 ns +300 ns +75.0 %  #{30}\n'
     r'reply +client +300 ns +100 ns +25.0 %   {30}#{10}\nall +00000000000000ab +400 ns\n', r''),
    ('call increment 4 --trace', 0, r'5\n\nHOP.*all +00000000000000ab +400 ns\n', r''),
    ('call increment 4 --trace --json', 0, r'\{"call":.*"results":\[.*\].*"hops":\[.*\]\}\n', r''),
    ('down', 0, r'', r''),
    ('doctor', 0, r'(ok|warn) .*kernel.*', r''),
    ('doctor --cores 0 --nic ffff:ff:1f.7', 1, r'.*ffff:ff:1f.7 is no device.*', r''),
    ('--socket /x --json dag list', 0, r'\{"dags":.*\}\n', r''),
    ('--version', 0, r'microburst \d+\.\d+\.\d+\n', r''),
    ('help', 0, r'Usage: microburst.*The node:.*State:.*', r''),
    ('help dag', 0, r'.*dag add.*', r''),
    ('dag --help', 0, r'.*dag add.*', r''),
    ('help dag add', 0, r'.*Example:\n  microburst dag add.*', r''),
    ('bench --help', 0, r'.*Example:\n  microburst bench.*', r''),
]


class CommandLines(unittest.TestCase):
    def test_table(self):
        for line, code, out, err in TABLE:
            with self.subTest(line):
                was = run(*line.split())
                self.assertEqual(was[0], code, was)
                self.assertRegex(was[1], re.compile(r'\A(?:' + out + r')\Z', re.S))
                self.assertRegex(was[2], re.compile(err if err else r'\A\Z', re.S))

    def test_no_node(self):
        """Whatever needs a node says that there is none, how to start one, and ends with 3."""
        for line in ('call f', 'dag call d', 'get k', 'set k v', 'incr k', 'sadd k v', 'members k',
                     'del k', 'keys', 'status', 'ps', 'top', 'functions', 'undeploy f', 'logs',
                     'cancel 1', 'trace 1', 'dag add d a', 'dag rm d', 'dag show d', 'dag list',
                     'down'):
            with self.subTest(line):
                code, out, err = run(*line.split(), '--socket', '/s', FAKE_NODE='none')
                self.assertEqual((code, out), (3, ''))
                self.assertRegex(err, r'^microburst: .*/s.*microburst up.*\.\n$')
                code, out, err = run('--json', *line.split(), FAKE_NODE='none')
                self.assertEqual((code, err), (3, ''))
                self.assertEqual(json.loads(out)['error'], 'NO_NODE')

    def test_requests_that_fail(self):
        """What the node says is the sentence, and the exit code is 1."""
        for line in ('status', 'ps', 'functions', 'undeploy f', 'logs', 'cancel 1', 'trace 1',
                     'dag add d a', 'dag rm d', 'dag show d', 'dag list', 'down', 'top'):
            with self.subTest(line):
                code, out, err = run(*line.split(), FAKE_ERROR='BUSY')
                self.assertEqual((code, out, err),
                                 (1, '', 'microburst: the fake said no: as told: try without.\n'))

    def test_json_parses(self):
        for line in ('status', 'ps', 'top --interval 50ms', 'functions', 'undeploy f', 'cancel 1',
                     'trace 1', 'dag add d a', 'dag rm d', 'dag show d', 'dag list', 'down',
                     'logs', 'doctor', 'get raw', 'set k v', 'incr k', 'sadd k v', 'keys',
                     'members colours', 'del greeting', 'call echo b:ff f:nan nil',
                     'call increment 1 --repeat 3'):
            with self.subTest(line):
                code, out, err = run(*line.split(), '--json')
                self.assertEqual((code, err), (0, ''))
                json.loads(out)

    def test_names_are_text(self):
        for line in ([b'undeploy', b'\xff'], [b'dag', b'rm', b'\xff'], [b'logs', b'\xff']):
            with self.subTest(line):
                code, _, err = run(*line)
                self.assertEqual(code, 2)
                self.assertIn('UTF-8', err)

    def test_errors_of_strange_names(self):
        """A name that is no text still makes a sentence, and JSON that parses."""
        code, out, _ = run(b'--json', b'call', b'\xff\x1b')
        self.assertEqual(code, 1)
        self.assertIn('\\xff\\x1b', json.loads(out)['text'])

    def test_standard_input(self):
        self.assertEqual(run('call', 'echo', '-', stdin=b'\x00\xffraw')[:2], (0, '\x00\ufffdraw'))
        self.assertEqual(run('set', 'k', '-', stdin=b'x')[0], 0)

    def test_output_that_cannot_be_written(self):
        with open('/dev/full', 'w') as full:
            done = subprocess.run([PROGRAM, 'call', 'increment', '4'], stdout=full,
                                  stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b'cannot write', done.stderr)


class Deploying(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def source(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        return path

    def test_compiles(self):
        path = self.source('one.c', '#include <microburst/function.h>\n'
                                    'MB_FUNCTION(one) { return mb_return_i64(call, 1); }\n')
        code, out, err = run('deploy', path, '--json', TMPDIR=self.folder.name)
        self.assertEqual((code, err), (0, ''))
        self.assertEqual(json.loads(out)['functions'][0]['name'], 'one')
        self.assertEqual(os.listdir(self.folder.name), ['one.c'])
        self.assertEqual(run('deploy', path, '--name', 'uno')[1], 'deployed uno, version 1\n')

    def test_does_not_compile(self):
        path = self.source('bad.c', '#include <microburst/function.h>\nMB_FUNCTION(bad) { oops }\n')
        code, out, err = run('deploy', path, TMPDIR=self.folder.name)
        self.assertEqual((code, out), (1, ''))
        self.assertRegex(err, r"bad.c:2:\d+: error: ‘?'?oops(?s:.*)bad.c does not compile")
        self.assertEqual(os.listdir(self.folder.name), ['bad.c'])

    def test_interrupted(self):
        """A Ctrl-C while the compiler runs ends the command as one, whatever the compiler does."""
        path = self.source('one.c', 'int x;\n')
        if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:   # run in the background
            signal.signal(signal.SIGINT, signal.default_int_handler)
        for does in 'exit 1', 'kill -INT $$', 'exec cc "$@"':
            compiler = self.source('compiler', f'#!/bin/sh\nkill -INT $PPID\n{does}\n')
            os.chmod(compiler, 0o700)
            code, out, err = run('deploy', path, TMPDIR=self.folder.name, CC=compiler)
            self.assertEqual((code, out, err), (-signal.SIGINT, '', ''), does)
            self.assertEqual(sorted(os.listdir(self.folder.name)), ['compiler', 'one.c'])

    def test_second_of_two(self):
        """What came before the file that failed is deployed, and said to be."""
        good = self.source('good.c', 'int x;\n')
        code, out, err = run('deploy', good, os.path.join(self.folder.name, 'none.c'))
        self.assertEqual((code, out), (1, 'deployed good, version 1\n'))
        self.assertIn('none.c', err)

    def test_object(self):
        path = self.source('thing.so', 'not really')
        code, out, _ = run('deploy', path, '--lazy')
        self.assertEqual((code, out), (0, 'deployed thing, version 1\n'))

    def test_other_compiler(self):
        path = self.source('one.c', 'int x;\n')
        code, _, err = run('deploy', path, CC='/nonexistent/cc')
        self.assertEqual(code, 1)
        self.assertIn('cannot run /nonexistent/cc', err)
        code, _, err = run('deploy', path, CFLAGS='-Werror -DX=')
        self.assertEqual((code, err), (0, ''))


class Terminal(unittest.TestCase):
    """On a terminal nothing foreign comes out raw, and top leaves it as it was."""

    def on_terminal(self, *args, keys=b''):
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(PROGRAM, [PROGRAM, *args], {**os.environ, 'TERM': 'xterm'})
        out = b''
        if keys:
            while b'quits' not in out:
                out += os.read(fd, 4096)
            os.write(fd, keys)
        try:
            while chunk := os.read(fd, 4096):
                out += chunk
        except OSError: # the other end is gone
            pass
        _, status = os.waitpid(pid, 0)
        os.close(fd)
        return os.waitstatus_to_exitcode(status), out.decode(errors='replace')

    def test_values(self):
        self.assertEqual(self.on_terminal('get', 'greeting'), (0, 'hello\r\n'))
        self.assertEqual(self.on_terminal('get', 'raw'), (0, 'b:ff01\r\n'))
        self.assertEqual(self.on_terminal('call', 'echo', 'b:1b5b324a'), (0, '\\x1b[2J\r\n'))

    def test_top(self):
        code, out = self.on_terminal('top', '--interval', '50ms', keys=b'q')
        self.assertEqual(code, 0)
        self.assertIn('calls/s', out)
        self.assertTrue(out.endswith('\x1b[?25h'))


class Help(unittest.TestCase):
    def test_every_command(self):
        for command in commands():
            with self.subTest(command):
                code, out, err = run(*command.split(), '--help')
                self.assertEqual((code, err), (0, ''))
                self.assertRegex(out, r'Example:\n  microburst ' + command)

    def test_man_page(self):
        """Every command has its paragraph, every option of its own a mention below it."""
        with open(MANPAGE, encoding='utf-8') as f:
            page = f.read().replace('\\-', '-').replace('\\(aq', "'")
        sections = dict(re.findall(r'^\.SS (.+?)$(.*?)(?=^\.S[SH] )', page, re.S | re.M))
        named = {' '.join(re.sub(r'\\f.', '', head).split()): text
                 for head, text in sections.items()}
        for command in commands():
            with self.subTest(command):
                usage = run(*command.split(), '--usage')[1] if command != 'bench' else ''
                text = next((t for head, t in named.items()
                             if re.match(re.escape(command) + r'( [^a-z]|$)', head)), None)
                self.assertIsNotNone(text, f'no paragraph of {command}')
                for option in set(re.findall(r'--[a-z]+', usage)) - {
                        '--help', '--usage', '--version', '--json', '--socket', '--connect'}:
                    self.assertIn(option, text)
        for option in ('--json', '--socket', '--connect'):
            self.assertIn(option, page)


if __name__ == '__main__':
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    unittest.main(argv=sys.argv[:1])
