#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""tour_test.py SOURCE BUILD

Goal:   the tour (`make run`) shows what it should, and leaves nothing behind however it ends.
Method: the tour itself with a temporary folder of ours, run to its end, interrupted, killed, and
        told to keep its node; then the folder must be empty and none of its processes left.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE, BUILD = map(os.path.abspath, sys.argv[1:3])
TOUR_S = 240


def processes_of(folder):
    """The processes whose command line or environment names the folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as f:
                if folder.encode() in f.read() and int(pid) != os.getpid():
                    found.append(int(pid))
        except OSError: # it has ended
            pass
    return found


def setUpModule():
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:   # run in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Tour(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='microburst-tour-test-')
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def start(self, **env):
        clean = {k: v for k, v in os.environ.items()
                 if k not in ('XDG_RUNTIME_DIR', 'KEEP', 'RATINGS', 'MICROBURST_SOCKET', 'CC',
                              'CFLAGS')}
        return subprocess.Popen([f'{SOURCE}/examples/tour'], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env={**clean, 'BUILD': BUILD, 'TMPDIR': self.folder, **env},
                                start_new_session=True)

    def until(self, condition, what):
        end = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)

    def socket(self):
        for root, _, files in os.walk(self.folder):
            if 'socket' in files:
                return os.path.join(root, 'socket')
        return None

    def assert_nothing_left(self):
        self.until(lambda: not processes_of(self.folder), 'processes are left')
        self.assertEqual(os.listdir(self.folder), [])

    def test_whole(self):
        tour = self.start()
        out, _ = tour.communicate(timeout=TOUR_S)
        self.assertEqual(tour.returncode, 0, out)
        self.assertRegex(out, re.compile(r'microburst call increment 4\n5\n.*increment=4\n25\n.*'
                                         r'\ncall .*\ncompose_fused .*'
                                         r'words, \d+ distinct.*\nPASS: .*'
                                         r'ratings in .*user 1 may like\n.*\nPASS: .*Done in',
                                         re.S))
        self.assert_nothing_left()

    def test_interrupted(self):
        """Ctrl-C: the whole foreground group gets it."""
        tour = self.start()
        self.until(self.socket, 'there is no node')
        os.killpg(tour.pid, signal.SIGINT)
        tour.communicate(timeout=60)
        self.assertEqual(tour.returncode, 130)
        self.assert_nothing_left()

    def test_killed(self):
        """Nobody is left to clean up; still no process stays."""
        tour = self.start()
        self.until(self.socket, 'there is no node')
        time.sleep(0.2)
        tour.kill()
        tour.communicate(timeout=60)
        self.until(lambda: not processes_of(self.folder), 'processes are left')

    def test_kept(self):
        tour = self.start(KEEP='1')
        # Its output ends with it, although the node that stays behind has the same parent.
        out, _ = tour.communicate(timeout=TOUR_S)
        self.assertEqual(tour.returncode, 0, out)
        said = re.search(r'export MICROBURST_SOCKET=(\S+)', out)
        self.assertIsNotNone(said, out)
        microburst = f'{BUILD}/control/cli/microburst'
        for command, want in ((['dag', 'call', 'square_of_increment', 'increment=9'], '100\n'),
                              (['down'], '')):
            done = subprocess.run([microburst, '--socket', said.group(1), *command],
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout), (0, want), done.stderr)
        self.until(lambda: not processes_of(self.folder), 'processes are left')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
