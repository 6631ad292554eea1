#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""service_test.py MICROBURSTD SOURCE BUILD

Goal:   a service manager gets from a node what its unit promises: READY when it answers, a sign of
        life as often as asked, STOPPING, an exit code that tells a wrong configuration from a
        failure; the units and every file of configs/ are right.
Method: this program is the manager: it binds the socket that NOTIFY_SOCKET names. Units are read by
        systemd-analyze, where there is one, with programs of the build in them.
"""
import ctypes
import glob
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000
MICROBURSTD, SOURCE, BUILD = map(os.path.abspath, sys.argv[1:4])
sys.path.insert(0, os.path.join(SOURCE, 'tests', 'lib'))
from node import children_of, until  # pylint: disable=wrong-import-position

LCORES = min(2, len(os.sched_getaffinity(0)))
LONG_S = 60     # a sanitizer on a busy machine is slow


def trace(request, tid):
    """ptrace(2) of one thread: 0 if it was done."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long] * 4
    return libc.ptrace(request, tid, 0, 0)


class Service(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='microburst-service-')
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def start(self, watchdog_us):
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.bind(f'{self.folder}/notify')
        self.manager.settimeout(LONG_S)
        log = open(f'{self.folder}/log', 'wb')
        self.addCleanup(log.close)
        node = subprocess.Popen(
            [MICROBURSTD, '--set', f'node.socket={self.folder}/socket', '--set',
             f'node.lcores={LCORES}'], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            env={**os.environ, 'NOTIFY_SOCKET': f'{self.folder}/notify',
                 'WATCHDOG_USEC': str(watchdog_us)})
        self.addCleanup(node.wait)
        self.addCleanup(node.kill)
        return node

    def hears(self):
        return self.manager.recv(1000).decode()

    def test_a_life(self):
        node = self.start(6_000_000)    # a look every 2 s
        self.assertEqual(self.hears(), 'READY=1')
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(f'{self.folder}/socket')     # ready means: listens
        self.assertEqual(self.hears(), 'WATCHDOG=1')
        self.hangs(node)
        for pid in self.family(node.pid):
            with open(f'/proc/{pid}/environ', 'rb') as f:
                if pid != node.pid:     # of its own it keeps what it was started with
                    self.assertNotIn(b'NOTIFY_SOCKET', f.read())
        node.send_signal(signal.SIGTERM)
        heard = self.hears()
        while heard == 'WATCHDOG=1':
            heard = self.hears()
        self.assertEqual(heard, 'STOPPING=1')
        self.assertEqual(node.wait(LONG_S), 0)

    def hangs(self, node):
        """An lcore stands still: the manager hears nothing, though lcore 0 goes on; and again when
        it is over."""
        if LCORES == 1:
            return
        for tid in map(int, os.listdir(f'/proc/{node.pid}/task')):
            with open(f'/proc/{node.pid}/task/{tid}/comm', encoding='utf-8') as f:
                if f.read().strip() == 'rte-worker-1':
                    break
        if trace(PTRACE_SEIZE, tid) != 0:
            return      # a child may not be traced here
        self.assertEqual(trace(PTRACE_INTERRUPT, tid), 0)
        os.waitpid(tid, WALL)
        until(lambda: 'lcore 1 hangs' in self.said(), LONG_S, 'the log tells')
        self.manager.setblocking(False)
        with self.assertRaises(BlockingIOError):
            while True:
                self.hears()    # from before
        self.manager.settimeout(2.5)    # one look and more
        with self.assertRaises(TimeoutError):
            self.hears()
        self.assertEqual(trace(PTRACE_DETACH, tid), 0)
        self.manager.settimeout(LONG_S)
        self.assertEqual(self.hears(), 'WATCHDOG=1')

    def said(self):
        with open(f'{self.folder}/log', encoding='utf-8') as f:
            return f.read()

    @staticmethod
    def family(pid):
        """A process and its descendants that run programs of their own (exec)."""
        return [pid, *children_of(pid)]

    def test_a_wrong_configuration(self):
        path = f'{self.folder}/wrong.conf'
        with open(path, 'w', encoding='utf-8') as f:
            f.write('[node]\nlcores = many\n')
        for args in (['--config', path], ['--check', '--config', path],
                     ['--check', '--set', 'node.none=1']):
            done = subprocess.run([MICROBURSTD, *args], capture_output=True, text=True,
                                  timeout=LONG_S, check=False)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn('node.', done.stderr)

    def test_too_little_may_be_locked(self):
        """The rings of io_uring count, where a kernel counts them: it is told what to raise."""
        drops = ['setpriv', '--bounding-set=-ipc_lock', '--inh-caps=-ipc_lock']
        if os.geteuid() != 0:
            drops = []
        elif shutil.which(drops[0]) is None:
            self.skipTest(f'needs {drops[0]}')
        with open(f'{self.folder}/log', 'w+', encoding='utf-8') as log:
            node = subprocess.Popen([*drops, MICROBURSTD, '--set',
                                     f'node.socket={self.folder}/socket'], stdout=log, stderr=log,
                                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK,
                                                                          (4096, 4096)))
            self.addCleanup(node.wait)
            self.addCleanup(node.kill)

            def said():
                with open(log.name, encoding='utf-8') as f:
                    return f.read()

            until(lambda: node.poll() is not None or 'ready at' in said(), LONG_S, 'an end')
            if node.poll() is None:
                self.skipTest('this kernel does not count them')
            self.assertEqual(node.returncode, 1)
            self.assertIn('RLIMIT_MEMLOCK (ulimit -l)', said())

    def test_what_would_fail_is_found_before(self):
        """Form: by --check. What this machine lacks: by --plan, and so by the start."""
        net = ['net.listen=udp://10.0.0.1:7117']
        for sets, says in (
                (['gate.listen=6379'], 'gate.listen = 6379'),
                (['gate.listen=127.0.0.1:99999'], '99999'),
                (['gate.tls_listen=*:0'], 'gate.tls_cert and gate.tls_key'),
                (['net.listen=7117'], 'udp://'),
                (['net.listen=udp://*:65535', 'net.tiles=2'], 'net.tiles'),
                (['net.listen=udp://*:7117', 'net.nic=net_null0'], 'one address and one port'),
                (net + ['net.nic=eth0'], 'net.nic = eth0'),
                (['net.nic=net_null0'], 'net.listen'),
                (net + ['net.nic=net_af_packet0'], 'iface=eth1'),
                (net + ['net.nic=net_vhost0,queues=1'], 'iface=/run/vhost.sock'),
                (net + ['net.nic=net_virtio_user0'], 'path=/run/vhost.sock'),
                (['kvs.bytes=16m', 'kvs.tiles=32'], 'kvs.bytes over kvs.tiles'),
        ):
            self.wrong(sets, says, '--check')
        for sets, says in (
                (['gate.users=/none'], 'gate.users = /none'),
                (net + ['net.keys=/none'], 'net.keys = /none'),
                (net + ['net.nic=net_af_packet0,iface=none'], 'no such interface'),
                (['node.cores=1023'], 'cpu 1023'),
        ):
            self.assertEqual(self.asked(sets, '--check').returncode, 0, sets)
            self.wrong(sets, says, '--plan')

    def asked(self, sets, *args):
        return subprocess.run([MICROBURSTD, *args, *[f'--set={s}' for s in sets]],
                              capture_output=True, text=True, timeout=LONG_S, check=False)

    def wrong(self, sets, says, *args):
        done = self.asked(sets, *args)
        self.assertEqual(done.returncode, 2, sets)
        self.assertIn(says, done.stderr)

    def test_the_configurations(self):
        files = glob.glob(f'{SOURCE}/configs/*.conf')
        self.assertGreaterEqual(len(files), 3)
        for path in files:
            with self.subTest(os.path.basename(path)):
                done = subprocess.run([MICROBURSTD, '--check', '--config', path],
                                      capture_output=True, text=True, timeout=LONG_S, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ''))
                self.explained(path)
                self.asked_about(path)

    def asked_about(self, path):
        """doctor --config looks at what the file says."""
        done = subprocess.run([f'{BUILD}/control/cli/microburst', '--json', 'doctor', '--config',
                               path], capture_output=True, text=True, timeout=LONG_S, check=False)
        told = json.loads(done.stdout)
        self.assertEqual((done.returncode, done.stderr), (0 if told['starts'] else 1, ''))
        found = {c['name']: c['found'] for c in told['checks']}
        with open(path, encoding='utf-8') as f:
            nic = next((line.split('=', 1)[1].strip() for line in f if line.startswith('nic =')),
                       '')
        expect = nic.partition('iface=')[2] or nic or 'socket'
        self.assertIn(expect, found["the node's NIC"])
        self.assertIn('free', found['huge pages'])
        # What the daemon says is in its way is, and no other sentence says that it runs.
        tried = subprocess.run([MICROBURSTD, '--plan', '--config', path], capture_output=True,
                               text=True, timeout=LONG_S, check=False)
        self.assertEqual('microburstd: ' + found['its start'] + '\n' == tried.stderr,
                         tried.returncode != 0, tried.stderr)
        self.assertEqual(told['starts'], not any(c['stops'] for c in told['checks']))
        if tried.returncode != 0:
            self.assertFalse(told['starts'])
        read = subprocess.run([f'{BUILD}/control/cli/microburst', 'doctor', '--config', path],
                              capture_output=True, text=True, timeout=LONG_S, check=False)
        self.assertEqual(read.returncode, done.returncode)
        self.assertEqual('\nstop  ' in read.stdout and 'This node does not start' in read.stdout,
                         not told['starts'], read.stdout)

    def test_plans_of_the_servers_that_files_are_for(self):
        """On the machine that the file itself names; not on a smaller one."""
        for name, smaller in ('one-nic', 'core:8'), ('two-socket', 'core:16'):
            path = os.path.join(SOURCE, 'configs', name + '.conf')
            with open(path, encoding='utf-8') as f:
                machine = re.search("--machine '([^']+)'", f.read())[1]
            for text, right in (machine, True), (f'numa(memory=512GB) {smaller} pu:1', False):
                done = subprocess.run([MICROBURSTD, '--plan', '--config', path, '--machine', text],
                                      capture_output=True, text=True, timeout=LONG_S, check=False)
                self.assertEqual((done.returncode, 'executor' in done.stdout),
                                 (0, True) if right else (2, False), done.stderr)
                self.assertEqual('one this process may use' in done.stderr, not right)
                if right:   # who owns the NIC's queue has a core to himself
                    self.assertRegex(done.stdout, r'\n\d+ +\d+ +\d+  -  +net:0\n')

    def explained(self, path):
        """Every line that sets something has a comment above it, in the same paragraph."""
        above = False
        with open(path, encoding='utf-8') as f:
            for line in f:
                if '=' in line and not line.startswith('#'):
                    self.assertTrue(above, line)
                above = line.startswith('#')

    def test_the_man_page(self):
        """microburstd.8 has every option that the parser has, and no other."""
        with open(f'{SOURCE}/control/cli/microburstd.8', encoding='utf-8') as f:
            page = f.read().replace('\\-', '-')
        page = page[page.index('.SH OPTIONS'):page.index('.SH SIGNALS')]
        usage = subprocess.run([MICROBURSTD, '--help'], capture_output=True, text=True,
                               timeout=LONG_S, check=True).stdout
        options = re.compile(r'(?<![\w-])--[a-z]+')
        self.assertEqual(set(options.findall(page)), set(options.findall(usage)))

    def test_the_units(self):
        if shutil.which('systemd-analyze') is None:
            self.skipTest('there is no systemd-analyze')
        units = glob.glob(f'{BUILD}/control/systemd/*.service')
        self.assertEqual(len(units), 2)
        for path in units:
            with open(path, encoding='utf-8') as f:
                text = f.read()
            for program, built in (('microburstd', MICROBURSTD),
                                   ('microburst', f'{BUILD}/control/cli/microburst')):
                for key in ('ExecStart', 'ExecStop'):
                    text = '\n'.join(
                        f'{key}={built}' + line.partition(f'/{program}')[2]
                        if line.startswith(key) and line.partition('=')[2].split()[0].endswith(
                            f'/{program}') else line for line in text.split('\n'))
            with open(f'{self.folder}/{os.path.basename(path)}', 'w', encoding='utf-8') as f:
                f.write(text)
        done = subprocess.run(['systemd-analyze', 'verify', '--man=no', '--generators=no',
                               *glob.glob(f'{self.folder}/*.service')], capture_output=True,
                              text=True, timeout=LONG_S, check=False)
        ours = [line for line in done.stderr.splitlines() if 'microburst' in line]
        self.assertEqual(ours, [])
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
